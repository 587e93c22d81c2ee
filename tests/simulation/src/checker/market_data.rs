//! Continuity of the books, read from the frames themselves.
//!
//! In: texts as the box gets them. Out: whether a book may be used. Never: the product's decoder.

use engine::Engine;
use market::{BookState, Market, Side};

use super::Checker;
use crate::network::{Place, Role};

/// Where one book's stream stands.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Continuity {
    last: Option<u64>,
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

/// The number behind `"key":` in a text.
pub(super) fn number(text: &[u8], key: &str) -> Option<u64> {
    let at = text
        .windows(key.len())
        .position(|window| window == key.as_bytes())?;
    let digits = &text[at + key.len()..];
    let end = digits.iter().position(|byte| !byte.is_ascii_digit())?;
    std::str::from_utf8(&digits[..end]).ok()?.parse().ok()
}

impl Checker {
    /// A text of a book stream. True when it shows a gap.
    pub(super) fn on_book_text(&mut self, place: Place, text: &[u8]) -> bool {
        let head = &text[..text.len().min(320)];
        let is_depth = head.windows(13).any(|part| part == b"\"depthUpdate\"");
        if !is_depth || place.role != Role::Books {
            return false;
        }
        let (Some(first), Some(last)) = (number(head, "\"U\":"), number(head, "\"u\":")) else {
            return false;
        };
        let symbol = |instrument: &market::Instrument| {
            let wanted = format!("\"s\":\"{}\"", instrument.symbol.as_str());
            head.windows(wanted.len())
                .any(|part| part == wanted.as_bytes())
        };
        let mut table = self.instruments.iter();
        let found = table.position(|one| one.market == place.market && symbol(one));
        let Some(index) = found else { return false };
        self.depth_at[index] = self.now;
        let joins = match place.market {
            Market::UsdM => number(head, "\"pu\":"),
            Market::Spot => first.checked_sub(1),
        };
        let state = &mut self.continuity[index];
        let Some(before) = state.last else {
            (state.last, state.follows) = (Some(last), joins);
            return false;
        };
        if last <= before {
            return false;
        }
        state.last = Some(last);
        // What is missing may be in the snapshot.
        let covered = match place.market {
            Market::UsdM => first <= state.snapshot || joins == Some(state.snapshot),
            Market::Spot => first <= state.snapshot + 1,
        };
        if joins != Some(before) {
            state.follows = joins;
        }
        let gap = joins != Some(before) && !covered;
        state.broken |= gap;
        gap
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

    /// A book stream was opened: continuity begins with its first frame.
    pub fn on_books_opened(&mut self, market: Market) {
        for (index, one) in self.instruments.iter().enumerate() {
            if one.market == market {
                self.continuity[index].last = None;
            }
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
