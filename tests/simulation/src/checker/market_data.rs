//! Continuity of the books, read from the frames themselves, and of the one stream that several
//! connections make.
//!
//! In: texts as the box gets them, which of them go on to the engine. Out: whether a book may be
//! used, and whether the merged stream is what its connections brought. Never: the product's
//! decoder, but for the id of what goes on.

use std::collections::{BTreeMap, HashSet};

use binance::session::CloseReason;
use engine::Engine;
use engine::hash::RollingHash;
use market::{BookState, InstrumentId, Market, Side};

use super::Checker;
use crate::network::{MS, Place, Role};

/// Where one book's stream stands.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Continuity {
    /// The newest difference that went on.
    last: Option<u64>,
    /// The one that went on last: an older one where every connection has begun anew.
    passed: Option<u64>,
    /// Version of the newest snapshot.
    snapshot: u64,
    /// What the first difference of the unbroken chain follows.
    follows: Option<u64>,
    broken: bool,
}

impl Continuity {
    /// True from a gap until the next snapshot.
    pub(super) const fn is_broken(self) -> bool {
        self.broken
    }
}

/// Bytes of a text in which its ids stand.
const HEAD: usize = 640;

fn is_depth(text: &[u8]) -> bool {
    let head = &text[..text.len().min(HEAD)];
    head.windows(13).any(|part| part == b"\"depthUpdate\"")
}

/// The number behind `"key":` in a text.
pub(super) fn number(text: &[u8], key: &str) -> Option<u64> {
    let at = text
        .windows(key.len())
        .position(|window| window == key.as_bytes())?;
    let digits = &text[at + key.len()..];
    let end = digits.iter().position(|byte| !byte.is_ascii_digit())?;
    std::str::from_utf8(&digits[..end]).ok()?.parse().ok()
}

/// One difference as a connection brought it first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Raw {
    first: u64,
    joins: u64,
    at: u64,
    /// As the exchange published it.
    intact: bool,
}

/// One connection's part of a book.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Own {
    /// Its newest difference.
    last: Option<u64>,
    /// It has gone back since it was ahead.
    back: bool,
    /// What it brought last cannot be judged.
    unsure: bool,
}

/// Connections of a route: two that work, and one that takes the place of another.
const CONNECTIONS: usize = 3;

/// Differences of a book that are remembered.
const REMEMBERED: usize = 512;

/// A difference waits for so long for what another connection may bring.
const PATIENCE_NS: u64 = 300 * MS;

/// So many can wait; what a burst brings beyond that goes on at once.
const ROOM: usize = 16;

/// And is handled within this time after.
const HANDLED_NS: u64 = 700 * MS;

/// The connections of market data, as they are open, and what each has brought.
#[derive(Debug, Default)]
pub(super) struct Routes {
    /// Open ones; true once it has brought something.
    open: BTreeMap<Place, bool>,
    /// By instrument, then by connection.
    own: Vec<[Own; CONNECTIONS]>,
    /// By instrument, then by the last id.
    raw: Vec<BTreeMap<u64, Raw>>,
    /// Texts of the exchange.
    published: HashSet<u64>,
    /// What went on although another connection may have brought what was missing: unless it is
    /// excused.
    suspects: Vec<String>,
    /// One of them has just ended, or brought what found no room to wait.
    excused: bool,
}

impl Routes {
    pub(super) fn on_birth(&mut self, count: usize) {
        self.open.clear();
        self.own = vec![[Own::default(); CONNECTIONS]; count];
        self.raw = vec![BTreeMap::new(); count];
        self.suspects.clear();
    }

    fn live(&self, market: Market) -> impl Iterator<Item = usize> {
        let books = self.open.keys();
        let books = books.filter(move |one| one.market == market && one.role == Role::Books);
        books.map(|one| usize::from(one.number))
    }
}

fn hash_of(text: &[u8]) -> u64 {
    let mut hash = RollingHash::default();
    hash.bytes(text);
    hash.value()
}

impl Checker {
    /// The exchange publishes a text.
    pub fn on_published(&mut self, text: &[u8]) {
        if is_depth(text) {
            self.routes.published.insert(hash_of(text));
        }
    }

    /// A connection of market data was opened, or is gone.
    pub fn on_connection(&mut self, place: Place, up: bool) {
        let before = self.routes.live(place.market).count();
        match up {
            true => self.routes.open.insert(place, false),
            false => self.routes.open.remove(&place),
        };
        self.routes.excused |= !up;
        if place.role != Role::Books {
            return;
        }
        for (index, one) in self.instruments.iter().enumerate() {
            if one.market != place.market {
                continue;
            }
            self.routes.own[index][usize::from(place.number)] = Own::default();
            if before == 0 && up {
                // Continuity begins with the first difference.
                self.continuity[index].last = None;
                self.continuity[index].passed = None;
                self.routes.raw[index].clear();
            }
        }
    }

    /// The box gives a connection up by itself: for its age only when another one has brought
    /// something (decision 0010).
    pub fn on_given_up(&mut self, place: Place, reason: CloseReason) {
        let aged = matches!(reason, CloseReason::Rotated | CloseReason::ServerShutdown);
        let alike = |one: &Place| one.market == place.market && one.role == place.role;
        let mut others = self.routes.open.iter().filter(|(one, _)| alike(one));
        if aged && !others.any(|(_, brought)| *brought) {
            self.broken("FEED", format!("{place:?} is closed, {reason}, unreplaced"));
        }
    }

    /// A text of a market stream.
    pub(super) fn on_market_text(&mut self, place: Place, text: &[u8]) {
        if let Some(brought) = self.routes.open.get_mut(&place) {
            *brought = true;
        }
        if place.role != Role::Books || !is_depth(text) {
            return;
        }
        let head = &text[..text.len().min(HEAD)];
        let (Some(first), Some(last)) = (number(head, "\"U\":"), number(head, "\"u\":")) else {
            return;
        };
        let symbol = |instrument: &market::Instrument| {
            let wanted = format!("\"s\":\"{}\"", instrument.symbol.as_str());
            head.windows(wanted.len())
                .any(|part| part == wanted.as_bytes())
        };
        let mut table = self.instruments.iter();
        let found = table.position(|one| one.market == place.market && symbol(one));
        let Some(index) = found else { return };
        let joins = match place.market {
            Market::UsdM => number(head, "\"pu\":").unwrap_or(0),
            Market::Spot => first.saturating_sub(1),
        };
        let intact = self.routes.published.contains(&hash_of(text));
        self.routes.excused |= self.waiting(place.market) >= ROOM;
        let passed = self.continuity[index].passed.unwrap_or(0);
        let own = &mut self.routes.own[index][usize::from(place.number)];
        own.unsure = !intact;
        if intact {
            own.back |= own.last.is_some_and(|before| last < before);
            own.back &= last <= passed;
            own.last = Some(last);
        }
        let at = self.now;
        let raw = &mut self.routes.raw[index];
        raw.entry(last).or_insert(Raw {
            first,
            joins,
            at,
            intact,
        });
        if raw.len() > REMEMBERED {
            raw.pop_first();
        }
    }

    /// A difference goes on to the engine. True when it shows a gap that no snapshot covers.
    pub fn on_merged(&mut self, instrument: InstrumentId, last: u64, now: u64) -> bool {
        self.now = now;
        let index = usize::from(instrument.0);
        let market = self.instruments[index].market;
        let Some(raw) = self.routes.raw[index].get(&last).copied() else {
            let text = format!("instrument {index}: {last} goes on, and nobody brought it");
            self.broken("FEED", text);
            return false;
        };
        self.depth_at[index] = now;
        let Raw { first, joins, .. } = raw;
        let Some(before) = self.continuity[index].last else {
            let state = &mut self.continuity[index];
            (state.last, state.passed) = (Some(last), Some(last));
            state.follows = Some(joins);
            return false;
        };
        let passed = self.continuity[index].passed.unwrap_or(before);
        if last <= passed {
            self.check_second(index, last, passed);
            // All of them have begun anew, and bring again what they had brought.
            self.routes.raw[index].split_off(&(last + 1));
        } else if joins > passed {
            self.check_left_out(index, (passed, last), &raw);
        }
        let state = &mut self.continuity[index];
        state.passed = Some(last);
        if last <= before {
            // The book has it.
            return false;
        }
        state.last = Some(last);
        // What is missing may be in the snapshot.
        let covered = match market {
            Market::UsdM => first <= state.snapshot || joins == state.snapshot,
            Market::Spot => first <= state.snapshot + 1,
        };
        let several = self.routes.live(market).count() > 1;
        let state = &mut self.continuity[index];
        // What begins before that end is its continuation, where several bring the same.
        let continues = joins == before || several && joins < before;
        if !continues {
            state.follows = Some(joins);
        }
        let gap = !continues && !covered;
        state.broken |= gap;
        gap
    }

    /// The first copy counts: what has passed passes again only when all have gone back.
    fn check_second(&mut self, index: usize, last: u64, before: u64) {
        let market = self.instruments[index].market;
        let live: Vec<usize> = self.routes.live(market).collect();
        let own = self.routes.own[index];
        if live.len() > 1 && live.iter().any(|one| !own[*one].back && !own[*one].unsure) {
            let text = format!("instrument {index}: {last} again, after {before}: {own:?}");
            self.broken("FEED", text);
        }
    }

    /// What is left out between `before` and this difference no connection has, or may still bring
    /// in time.
    fn check_left_out(&mut self, index: usize, (before, last): (u64, u64), raw: &Raw) {
        let market = self.instruments[index].market;
        let live: Vec<usize> = self.routes.live(market).collect();
        if live.len() < 2 {
            return;
        }
        let between = self.routes.raw[index].range(before + 1..=raw.joins);
        let mut fillers = between.filter(|(_, one)| one.intact && one.joins <= before);
        if let Some((id, filler)) = fillers.next() {
            let text = format!("instrument {index}: {last} goes on after {before} without {id}");
            return self.broken("FEED", format!("{text}: {filler:?}"));
        }
        let own = self.routes.own[index];
        let may_bring = |one: &usize| {
            let own = own[*one];
            !own.unsure && own.last.is_none_or(|theirs| theirs <= before)
        };
        let waited = self.now - raw.at;
        if waited < PATIENCE_NS && live.iter().any(may_bring) {
            let text = format!("instrument {index}: {last} goes on after {before}: {own:?}");
            self.routes.suspects.push(text);
        }
    }

    /// Differences of a market that were brought and have not gone on.
    fn waiting(&self, market: Market) -> usize {
        let here = |index: &usize| self.instruments[*index].market == market;
        let newer = |index: usize| {
            let passed = self.continuity[index].passed.unwrap_or(u64::MAX - 1);
            self.routes.raw[index].range(passed + 1..).count()
        };
        let all = (0..self.instruments.len()).filter(here);
        all.map(newer).sum()
    }

    /// The end of an event: what went on too early is excused, or it was
    /// wrong.
    pub fn judge_merged(&mut self) {
        let excused = std::mem::take(&mut self.routes.excused);
        for text in std::mem::take(&mut self.routes.suspects) {
            if !excused {
                self.broken("FEED", format!("not waited for: {text}"));
            }
        }
    }

    /// Nothing that continues what has passed waits for long.
    pub fn check_held(&mut self, now: u64) {
        self.now = now;
        for index in 0..self.instruments.len() {
            let Some(before) = self.continuity[index].passed else {
                continue;
            };
            let newer = self.routes.raw[index].range(before + 1..);
            let late = |at: u64| now - at > PATIENCE_NS + HANDLED_NS;
            let mut old = newer.filter(|(_, one)| one.intact && late(one.at));
            if let Some((id, one)) = old.next() {
                let text = format!("instrument {index}: {id} waits behind {before}: {one:?}");
                return self.broken("FEED", text);
            }
        }
    }

    /// A book says that it is usable: between its snapshot and its differences nothing may be
    /// missing (I8).
    pub(super) fn check_joined(&mut self, index: usize) {
        let state = self.continuity[index];
        if state.follows.is_some_and(|before| before > state.snapshot) {
            let text = format!("instrument {index} is synced by a snapshot too old: {state:?}");
            self.broken("I8", text);
        }
    }

    /// A whole snapshot has arrived, or the stream begins anew.
    pub fn on_snapshot(&mut self, symbol: &str, market: Market, body: &[u8]) {
        let mut table = self.instruments.iter();
        let found = table.position(|one| one.market == market && one.symbol.as_str() == symbol);
        if let Some(index) = found {
            let state = &mut self.continuity[index];
            state.broken = false;
            let head = &body[..body.len().min(100)];
            state.snapshot = number(head, "\"lastUpdateId\":").unwrap_or(0);
        }
    }

    /// Just after the frame that shows a gap: the book must not be usable (I8).
    pub fn after_gap(&mut self, engine: &Engine, now: u64) {
        self.now = now;
        for index in 0..self.instruments.len() {
            let book = engine.book(self.instruments[index].id);
            let synced = book.is_some_and(|book| book.state() == BookState::Synced);
            if self.continuity[index].broken && synced {
                let (at, state) = (book.map(|book| book.update_id().0), self.continuity[index]);
                let text = format!("instrument {index} is synced at {at:?} over a gap: {state:?}");
                self.broken("I8", text);
            }
        }
    }

    /// Each book after a step (I8, I9).
    pub(super) fn check_books(&mut self, engine: &Engine) {
        for index in 0..self.instruments.len() {
            let Some(book) = engine.book(self.instruments[index].id) else {
                continue;
            };
            let synced = book.state() == BookState::Synced;
            if synced != self.book_usable[index] {
                let text = format!("instrument {index}: synced is {synced}, not by the journal");
                self.broken("I8", text);
            }
            if !synced {
                continue;
            }
            let (bid, ask) = (book.best_bid(), book.best_ask());
            if let (Some(bid), Some(ask)) = (bid, ask)
                && bid.price >= ask.price
            {
                let text = format!("synced and crossed: {} >= {}", bid.price.0, ask.price.0);
                self.broken("I8", text);
            }
        }
    }

    /// Levels of the book: sorted, unique, positive (I9). Dear, so not after every step.
    pub fn check_levels(&mut self, engine: &Engine) {
        for index in 0..self.instruments.len() {
            let Some(book) = engine.book(self.instruments[index].id) else {
                continue;
            };
            if book.state() != BookState::Synced {
                continue;
            }
            for side in [Side::Buy, Side::Sell] {
                let mut before: Option<i64> = None;
                for level in book.levels(side).take(50) {
                    let price = level.price.0 * -side.sign();
                    let sorted = before.is_none_or(|before| before < price);
                    if !sorted || level.quantity.0 <= 0 {
                        let text = format!("instrument {index}, {side}: {level:?}");
                        self.broken("I9", text);
                        break;
                    }
                    before = Some(price);
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::number;

    #[test]
    fn numbers_are_found_by_their_whole_key() {
        let text = br#"{"U":12,"u":15,"pu":11,"x":"#;
        assert_eq!(number(text, "\"U\":"), Some(12));
        assert_eq!(number(text, "\"u\":"), Some(15));
        assert_eq!(number(text, "\"pu\":"), Some(11));
        assert_eq!(number(text, "\"x\":"), None);
    }
}
