//! One route of market streams over several connections: the first copy of each message counts.
//!
//! In: what each connection brings, when they open and end, the time. Out: one stream, as if it had
//! come over one connection that never breaks; which connection opens or closes. Never: an
//! allocation per message; a stream that is called down while any connection lives; a connection
//! closed for its age before the one that replaces it has brought something.
//!
//! ```text
//! id passed already            -> dropped: a second copy
//! follows what has passed      -> goes on; what waited for it follows
//! begins before that end       -> goes on as its continuation: quantities are absolute
//! something before it missing  -> waits up to 300 ms for the other connection to bring that
//! missing on all of them       -> goes on: the gap is real, and the book says so
//! no room to wait              -> likewise, with what waits before it: nothing that came is lost
//! ```
//!
//! One connection more than are wanted rests. It opens when one of the others grows old or its
//! server says that it ends; the old one is closed once the new one has brought data, and rests.

mod chain;
mod hold;

use super::{LinkAction, MILLISECOND_NS, MarketEvents, MarketRoute, MarketSession};
use crate::decode::{DecodeError, StreamMessage};
use chain::{Chain, Verdict};
use hold::{Hold, Place};
use market::{InstrumentId, Instruments, Market, MonoNs};

/// Most connections of a route: two, and one that replaces an old one.
pub const CONNECTIONS_MAX: usize = 3;

/// How long a message waits for what is missing before it: longer than two connections of one
/// exchange lie apart, much shorter than a book may go without an event.
const PATIENCE_NS: u64 = 300 * MILLISECOND_NS;

/// Kinds of messages with ids of their own.
const KINDS: usize = 5;

/// What a connection has brought.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct FeedCounts {
    /// Messages of which it brought the first copy.
    pub first: u64,
    /// Messages that had come over another connection before.
    pub second: u64,
    /// Times that it brought what others had gone on without, and waited for.
    pub filled: u64,
    /// Times that it went on without something itself.
    pub missed: u64,
    /// Messages that could not be read, and did not matter because another connection lives.
    pub spared: u64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Role {
    /// It is to be open.
    Working,
    /// It opens when another one has to be replaced.
    Resting,
}

/// One route.
#[derive(Clone, Debug)]
pub struct Feed {
    route: MarketRoute,
    roles: [Role; CONNECTIONS_MAX],
    /// A bit for each connection that is open.
    live: u8,
    /// The one that is to be closed once `replaced`.
    retiring: Option<usize>,
    /// The one that opens for it.
    joining: Option<usize>,
    replaced: bool,
    chains: Vec<Chain>,
    hold: Hold,
    counts: [FeedCounts; CONNECTIONS_MAX],
}

impl Feed {
    /// A route over `connections` (one or two), which have the numbers from 0; the next number
    /// rests. `instruments` is the length of the table.
    #[must_use]
    pub fn new(route: MarketRoute, connections: usize, instruments: usize) -> Self {
        let mut roles = [Role::Resting; CONNECTIONS_MAX];
        let working = connections.clamp(1, CONNECTIONS_MAX - 1);
        roles[..working].fill(Role::Working);
        Self {
            route,
            roles,
            live: 0,
            retiring: None,
            joining: None,
            replaced: false,
            chains: vec![Chain::default(); instruments * KINDS],
            hold: Hold::new(),
            counts: [FeedCounts::default(); CONNECTIONS_MAX],
        }
    }

    /// Which part of the streams it carries.
    #[must_use]
    pub const fn route(&self) -> MarketRoute {
        self.route
    }

    /// What this connection has brought.
    #[must_use]
    pub fn counts(&self, connection: usize) -> FeedCounts {
        self.counts[connection]
    }

    /// What is due of a connection now.
    pub fn poll(
        &mut self,
        connection: usize,
        session: &mut MarketSession,
        now: MonoNs,
        events: &mut impl MarketEvents,
    ) -> Option<LinkAction> {
        self.expire(now, events);
        if self.roles[connection] == Role::Resting {
            if self.retiring.is_none() || self.joining.is_some() {
                return None;
            }
            self.roles[connection] = Role::Working;
            (self.joining, self.replaced) = (Some(connection), false);
        }
        if self.retiring == Some(connection) && self.replaced {
            self.roles[connection] = Role::Resting;
            (self.retiring, self.joining) = (None, None);
            let mut sink = self.sink(connection, now, events);
            return Some(session.retire(now, &mut sink));
        }
        if self.retiring.is_none() && session.is_due_for_replacement(now) {
            self.retiring = Some(connection);
        }
        session.poll(now, &mut self.sink(connection, now, events))
    }

    /// When `poll` has to be called for this connection at the latest; one that rests is asked
    /// about as often as the others.
    #[must_use]
    pub fn next_deadline(&self, connection: usize, session: &MarketSession) -> Option<MonoNs> {
        let waiting = self.hold.oldest().map(|since| since.after(PATIENCE_NS));
        let rests = self.roles[connection] == Role::Resting;
        super::earliest(waiting, (!rests).then(|| session.next_deadline()))
    }

    /// The connection is open.
    pub fn on_connected(
        &mut self,
        connection: usize,
        session: &mut MarketSession,
        now: MonoNs,
        events: &mut impl MarketEvents,
    ) {
        session.on_connected(now, &mut self.sink(connection, now, events));
    }

    /// The connection ended or could not be opened.
    pub fn on_disconnected(
        &mut self,
        connection: usize,
        session: &mut MarketSession,
        now: MonoNs,
        events: &mut impl MarketEvents,
    ) {
        session.on_disconnected(now, &mut self.sink(connection, now, events));
        if self.retiring == Some(connection) {
            if self.joining.is_some() {
                self.roles[connection] = Role::Resting;
            }
            (self.retiring, self.joining) = (None, None);
        }
    }

    /// One text frame of a connection.
    #[inline]
    pub fn on_frame(
        &mut self,
        connection: usize,
        session: &mut MarketSession,
        bytes: &[u8],
        now: MonoNs,
        instruments: &Instruments<'_>,
        events: &mut impl MarketEvents,
    ) -> Option<LinkAction> {
        let mut sink = self.sink(connection, now, events);
        session.on_frame(bytes, now, instruments, &mut sink)
    }

    fn sink<'a, E: MarketEvents>(
        &'a mut self,
        connection: usize,
        now: MonoNs,
        events: &'a mut E,
    ) -> Merged<'a, E> {
        Merged {
            feed: self,
            connection,
            now,
            events,
        }
    }

    /// A message of a connection.
    #[inline]
    fn take(
        &mut self,
        connection: usize,
        message: StreamMessage<'_>,
        now: MonoNs,
        events: &mut impl MarketEvents,
    ) {
        if self.joining == Some(connection) {
            self.replaced = true;
        }
        let Some((chain, follows, id)) = place_of(&message) else {
            events.market_data(message);
            return;
        };
        let live = self.live;
        let Some(one) = self.chains.get_mut(chain) else {
            events.market_data(message);
            return;
        };
        self.counts[connection].missed += u64::from(one.has_skipped(connection, follows));
        match one.judge(connection, follows, id, live) {
            Verdict::Pass => self.pass(chain, id, message, connection, events),
            Verdict::Join(end) => self.pass(chain, id, joined(message, end), connection, events),
            Verdict::Second => self.counts[connection].second += 1,
            // With three connections two may be ahead: one copy of each waits.
            Verdict::Early if self.hold.has(chain, id) => self.counts[connection].second += 1,
            verdict => {
                let place = Place {
                    chain,
                    follows: follows.unwrap_or_default(),
                    id,
                    connection,
                    since: now,
                };
                let waits = verdict == Verdict::Early && self.hold.keep(place, &message);
                if !waits {
                    self.pass_gap(place, message, events);
                }
            }
        }
    }

    /// It goes on, and what waited for it follows.
    #[inline]
    fn pass(
        &mut self,
        chain: usize,
        id: u64,
        message: StreamMessage<'_>,
        connection: usize,
        events: &mut impl MarketEvents,
    ) {
        self.counts[connection].first += 1;
        self.chains[chain].passed(id);
        events.market_data(message);
        if !self.hold.is_empty() {
            self.let_follow(chain, Some(connection), events);
        }
    }

    /// Nobody has what is missing, or there is no room to wait for it: what waits before this one
    /// goes on first, and then this one is judged anew.
    #[cold]
    fn pass_gap(
        &mut self,
        place: Place,
        message: StreamMessage<'_>,
        events: &mut impl MarketEvents,
    ) {
        let Place {
            chain,
            follows,
            id,
            connection,
            ..
        } = place;
        loop {
            let earlier = self.hold.first(|one| one.chain == chain && one.id <= id);
            let Some((number, held)) = earlier else {
                return self.pass(chain, id, message, connection, events);
            };
            self.release(number, held, None, events);
            self.let_follow(chain, None, events);
            match self.chains[chain].judge_new(connection, Some(follows), id, self.live) {
                Verdict::Gap => {}
                Verdict::Early if self.hold.keep(place, &message) => return,
                Verdict::Early => {}
                Verdict::Pass => return self.pass(chain, id, message, connection, events),
                Verdict::Join(end) => {
                    return self.pass(chain, id, joined(message, end), connection, events);
                }
                Verdict::Second => {
                    self.counts[connection].second += 1;
                    return;
                }
            }
        }
    }

    /// What continues the chain of those that wait; `filler` brought what they waited for.
    #[cold]
    fn let_follow(&mut self, chain: usize, filler: Option<usize>, events: &mut impl MarketEvents) {
        let mut followed = false;
        while let Some((number, place)) = self.hold.first(|one| one.chain == chain) {
            match self.chains[chain].judge_held(place.follows, place.id) {
                Verdict::Pass => self.release(number, place, None, events),
                Verdict::Join(end) => self.release(number, place, Some(end), events),
                Verdict::Second => {
                    self.counts[place.connection].second += 1;
                    self.hold.release(number, |_| {});
                }
                Verdict::Early | Verdict::Gap => break,
            }
            followed = true;
        }
        if let Some(filler) = filler.filter(|_| followed) {
            self.counts[filler].filled += 1;
        }
    }

    fn release(
        &mut self,
        number: usize,
        place: Place,
        end: Option<u64>,
        events: &mut impl MarketEvents,
    ) {
        self.counts[place.connection].first += 1;
        self.chains[place.chain].passed(place.id);
        self.hold.release(number, |message| {
            events.market_data(match end {
                Some(end) => joined(message, end),
                None => message,
            });
        });
    }

    /// What has waited long enough goes on with its gap.
    fn expire(&mut self, now: MonoNs, events: &mut impl MarketEvents) {
        let old = |one: &Place| now.since(one.since) >= PATIENCE_NS;
        while !self.hold.is_empty() {
            let Some((_, late)) = self.hold.first(old) else {
                return;
            };
            // What came later and lies before it would be passed over.
            let first = self.hold.first(|one| one.chain == late.chain);
            let Some((number, place)) = first else {
                return;
            };
            self.release(number, place, None, events);
            self.let_follow(place.chain, None, events);
        }
    }

    /// A connection opened or ended.
    fn set_live(&mut self, connection: usize, up: bool, events: &mut impl MarketEvents) {
        let was = self.live;
        let bit = 1 << connection;
        self.live = if up { was | bit } else { was & !bit };
        if self.live == was {
            return;
        }
        self.chains
            .iter_mut()
            .for_each(|one| one.forget(connection));
        if was == 0 || self.live == 0 {
            self.hold.clear();
            self.chains.fill(Chain::default());
            if self.route.carries_books() {
                events.stream(self.route.market(), up);
            }
        } else if !up {
            // What waits for it waits in vain, unless a third one has it.
            self.expire_all(events);
        }
    }

    #[cold]
    fn expire_all(&mut self, events: &mut impl MarketEvents) {
        if self.live.count_ones() > 1 {
            return;
        }
        while let Some((number, place)) = self.hold.first(|_| true) {
            self.release(number, place, None, events);
            self.let_follow(place.chain, None, events);
        }
    }

    /// True when another connection than this one is open.
    const fn has_other(&self, connection: usize) -> bool {
        self.live & !(1 << connection) != 0
    }
}

/// What a session says goes through the feed.
struct Merged<'a, E> {
    feed: &'a mut Feed,
    connection: usize,
    now: MonoNs,
    events: &'a mut E,
}

impl<E: MarketEvents> MarketEvents for Merged<'_, E> {
    #[inline]
    fn market_data(&mut self, message: StreamMessage<'_>) {
        self.feed
            .take(self.connection, message, self.now, self.events);
    }

    fn book_doubtful(&mut self, instrument: InstrumentId) {
        if self.feed.has_other(self.connection) {
            // It is a message that is missing here: its other copy fills the gap, or it is one.
            self.feed.counts[self.connection].spared += 1;
        } else {
            self.events.book_doubtful(instrument);
        }
    }

    fn parse_error(&mut self, error: DecodeError) {
        self.events.parse_error(error);
    }

    fn stream(&mut self, _: Market, _: bool) {}

    fn connection(&mut self, up: bool) {
        self.feed.set_live(self.connection, up, self.events);
    }
}

/// Chain, what it follows, id; none for what has no id.
#[inline]
fn place_of(message: &StreamMessage<'_>) -> Option<(usize, Option<u64>, u64)> {
    let (instrument, kind, follows, id) = match message {
        StreamMessage::Depth(depth) => {
            let header = &depth.header;
            // Spot has no previous id: it follows the one before its first.
            let follows = match header.previous_update_id.0 {
                0 => header.first_update_id.0.saturating_sub(1),
                previous => previous,
            };
            (header.instrument, 0, Some(follows), header.last_update_id.0)
        }
        StreamMessage::BookTicker(ticker) => (ticker.instrument, 1, None, ticker.update_id.0),
        StreamMessage::Trade(trade) => {
            let id = trade.trade_id.0;
            (trade.instrument, 2, Some(id.saturating_sub(1)), id)
        }
        StreamMessage::AggTrade(trade) => {
            let id = trade.aggregate_id.0;
            (trade.instrument, 3, Some(id.saturating_sub(1)), id)
        }
        StreamMessage::MarkPrice(mark) => {
            let id = u64::try_from(mark.event_time.0).unwrap_or_default();
            (mark.instrument, 4, None, id)
        }
        StreamMessage::Control(_) | StreamMessage::Other(_) => return None,
    };
    Some((usize::from(instrument.0) * KINDS + kind, follows, id))
}

/// The message as the continuation of `end`, which lies inside of what it covers.
fn joined(message: StreamMessage<'_>, end: u64) -> StreamMessage<'_> {
    match message {
        StreamMessage::Depth(mut depth) => {
            let header = &mut depth.header;
            if header.previous_update_id.0 != 0 {
                header.previous_update_id.0 = end;
            }
            header.first_update_id.0 = end + 1;
            StreamMessage::Depth(depth)
        }
        other => other,
    }
}

#[cfg(test)]
mod tests;
