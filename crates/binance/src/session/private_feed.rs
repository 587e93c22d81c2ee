//! The private stream over two connections, for as long as one replaces the other.
//!
//! In: what each connection brings, when they open and end, their age. Out: one stream, each event
//! once; which connection works, rests or is to be closed. Never: a stream that is called down while
//! a connection lives, a connection closed for its age before the one that replaces it has been open
//! for a second; an allocation per event.
//!
//! Fills come over both connections meanwhile. An event that one has brought is known again by all
//! that it says; what comes twice over one connection is not for this place to judge.

use super::{SECOND_NS, UserEvents};
use crate::decode::DecodeError;
use market::{AccountConfigChange, BalanceReport, Market, MonoNs, OrderUpdate, PositionReport};

/// Connections: the one, and the one that replaces it.
pub const PRIVATE_CONNECTIONS: usize = 2;

/// So long both are open: what was under way when the new one opened is heard on the old one.
const OVERLAP_NS: u64 = SECOND_NS;

/// Events of which the second copy is waited for.
const RECENT_MAX: usize = 256;

/// What a connection is to do now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PrivateTurn {
    /// Nothing: it is not needed.
    Rest,
    /// What its machine says.
    Work,
    /// It has been replaced, and is to be closed.
    Retire,
}

/// The first copies of late.
#[derive(Clone, Debug)]
struct Recent<T>(Vec<(usize, T)>);

impl<T: PartialEq> Recent<T> {
    fn new() -> Self {
        Self(Vec::with_capacity(RECENT_MAX))
    }

    /// True when another connection has brought it before.
    fn is_copy(&mut self, connection: usize, event: T) -> bool {
        let same = |(by, one): &(usize, T)| *by != connection && *one == event;
        if let Some(place) = self.0.iter().position(same) {
            self.0.remove(place);
            return true;
        }
        if self.0.len() == RECENT_MAX {
            self.0.remove(0);
        }
        self.0.push((connection, event));
        false
    }
}

/// The private stream of one market.
#[derive(Clone, Debug)]
pub struct PrivateFeed {
    working: [bool; PRIVATE_CONNECTIONS],
    /// A bit for each connection that is open.
    live: u8,
    retiring: Option<usize>,
    joining: Option<usize>,
    joined_at: Option<MonoNs>,
    orders: Recent<OrderUpdate>,
    positions: Recent<PositionReport>,
    balances: Recent<BalanceReport>,
}

impl Default for PrivateFeed {
    fn default() -> Self {
        Self {
            working: [true, false],
            live: 0,
            retiring: None,
            joining: None,
            joined_at: None,
            orders: Recent::new(),
            positions: Recent::new(),
            balances: Recent::new(),
        }
    }
}

impl PrivateFeed {
    /// What this connection is to do; `is_old` when it is due to be replaced.
    pub fn turn(&mut self, connection: usize, is_old: bool, now: MonoNs) -> PrivateTurn {
        if !self.working[connection] {
            if self.retiring.is_none() || self.joining.is_some() {
                return PrivateTurn::Rest;
            }
            self.working[connection] = true;
            self.joining = Some(connection);
        }
        let proven = self.joined_at.is_some_and(|at| now.since(at) >= OVERLAP_NS);
        if self.retiring == Some(connection) && proven {
            self.working[connection] = false;
            self.end_replacement();
            return PrivateTurn::Retire;
        }
        if self.retiring.is_none() && is_old {
            self.retiring = Some(connection);
        }
        PrivateTurn::Work
    }

    /// Where a connection's machine says what it has to say.
    pub fn sink<'a, E: UserEvents>(
        &'a mut self,
        connection: usize,
        now: MonoNs,
        events: &'a mut E,
    ) -> PrivateMerged<'a, E> {
        PrivateMerged {
            feed: self,
            connection,
            now,
            events,
        }
    }

    fn end_replacement(&mut self) {
        (self.retiring, self.joining, self.joined_at) = (None, None, None);
    }

    const fn is_doubled(&self) -> bool {
        self.live.count_ones() > 1
    }

    /// Whether the stream as a whole went up or down by it.
    fn set_live(&mut self, connection: usize, up: bool, now: MonoNs) -> Option<bool> {
        let was = self.live;
        let bit = 1 << connection;
        self.live = if up { was | bit } else { was & !bit };
        if self.joining == Some(connection) {
            self.joined_at = up.then_some(now);
        }
        if !up && self.retiring == Some(connection) {
            self.working[connection] = self.joining.is_none();
            self.end_replacement();
        }
        if !self.is_doubled() {
            self.orders.0.clear();
            self.positions.0.clear();
            self.balances.0.clear();
        }
        ((was == 0) != (self.live == 0)).then_some(up)
    }
}

/// One connection's way into the feed.
pub struct PrivateMerged<'a, E> {
    feed: &'a mut PrivateFeed,
    connection: usize,
    now: MonoNs,
    events: &'a mut E,
}

impl<E: UserEvents> UserEvents for PrivateMerged<'_, E> {
    fn order_update(&mut self, update: OrderUpdate) {
        let feed = &mut self.feed;
        if !(feed.is_doubled() && feed.orders.is_copy(self.connection, update)) {
            self.events.order_update(update);
        }
    }

    fn position(&mut self, position: PositionReport) {
        let feed = &mut self.feed;
        if !(feed.is_doubled() && feed.positions.is_copy(self.connection, position)) {
            self.events.position(position);
        }
    }

    fn balance(&mut self, balance: BalanceReport) {
        let feed = &mut self.feed;
        if !(feed.is_doubled() && feed.balances.is_copy(self.connection, balance)) {
            self.events.balance(balance);
        }
    }

    // Both are answered by asking the exchange: a second one costs a request, and no more.
    fn account_config(&mut self, change: AccountConfigChange) {
        self.events.account_config(change);
    }

    fn wallet_moved(&mut self, market: Market) {
        self.events.wallet_moved(market);
    }

    fn stream(&mut self, market: Market, up: bool) {
        if let Some(up) = self.feed.set_live(self.connection, up, self.now) {
            self.events.stream(market, up);
        }
    }

    fn parse_error(&mut self, error: DecodeError) {
        self.events.parse_error(error);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::session::{CloseReason, LinkAction, PrivateStream};
    use market::ids::Asset;
    use market::{
        ClientOrderId, ExchangeOrderId, Execution, InstrumentId, Instruments, Liquidity, Money,
        OrderState, OrderType, Price, Quantity, Side, TimeInForce, TradeId, UtcMs,
    };

    #[derive(Default)]
    struct Seen(Vec<String>);

    impl UserEvents for Seen {
        fn order_update(&mut self, update: OrderUpdate) {
            self.0.push(format!("order {}", update.trade_id.0));
        }
        fn position(&mut self, position: PositionReport) {
            self.0.push(format!("position {}", position.quantity.0));
        }
        fn balance(&mut self, balance: BalanceReport) {
            self.0.push(format!("balance {}", balance.wallet.0));
        }
        fn account_config(&mut self, _: AccountConfigChange) {
            self.0.push("account".to_string());
        }
        fn wallet_moved(&mut self, _: Market) {
            self.0.push("wallet".to_string());
        }
        fn stream(&mut self, _: Market, up: bool) {
            self.0.push(if up { "up" } else { "down" }.to_string());
        }
        fn parse_error(&mut self, _: DecodeError) {}
    }

    const fn at(seconds: u64) -> MonoNs {
        MonoNs(seconds * SECOND_NS)
    }

    fn balance(feed: &mut PrivateFeed, connection: usize, wallet: i64, seen: &mut Seen) {
        feed.sink(connection, at(0), seen).balance(BalanceReport {
            asset: Asset::new(b"USDT").unwrap(),
            wallet: Money(wallet),
            event_time: UtcMs(1),
        });
    }

    /// What is due of a connection.
    fn poll(
        feed: &mut PrivateFeed,
        streams: &mut [PrivateStream],
        connection: usize,
        now: MonoNs,
        seen: &mut Seen,
    ) -> Option<LinkAction> {
        let stream = &mut streams[connection];
        let turn = feed.turn(connection, stream.is_due_for_replacement(now), now);
        let mut sink = feed.sink(connection, now, seen);
        match turn {
            PrivateTurn::Rest => None,
            PrivateTurn::Work => stream.poll(now, &mut sink),
            PrivateTurn::Retire => Some(stream.close(CloseReason::Rotated, now, &mut sink)),
        }
    }

    #[test]
    fn a_stream_that_grows_old_is_replaced_without_a_moment_down_and_each_event_comes_once() {
        let mut streams = [PrivateStream::relieved(0), PrivateStream::relieved(0)];
        let mut feed = PrivateFeed::default();
        let mut seen = Seen::default();
        let connect = Some(LinkAction::Connect);
        assert_eq!(poll(&mut feed, &mut streams, 0, at(0), &mut seen), connect);
        assert_eq!(poll(&mut feed, &mut streams, 1, at(0), &mut seen), None);
        streams[0].on_connected(at(0), &mut feed.sink(0, at(0), &mut seen));
        balance(&mut feed, 0, 1, &mut seen);
        balance(&mut feed, 0, 1, &mut seen);
        let mut now = at(0);
        while !streams[0].is_due_for_replacement(now) {
            now = now.after(60 * SECOND_NS);
            assert!(now < at(23 * 3_600 + 1_900));
            streams[0].on_alive(now);
            assert_eq!(poll(&mut feed, &mut streams, 1, now, &mut seen), None);
            assert_eq!(poll(&mut feed, &mut streams, 0, now, &mut seen), None);
        }
        assert_eq!(poll(&mut feed, &mut streams, 1, now, &mut seen), connect);
        streams[1].on_connected(now, &mut feed.sink(1, now, &mut seen));
        // Both are open: copies are known, whoever is first, and one that only one has goes on.
        for (connection, wallet) in [(0, 2), (1, 2), (1, 3), (0, 3), (1, 4), (0, 5), (0, 5)] {
            balance(&mut feed, connection, wallet, &mut seen);
        }
        assert_eq!(poll(&mut feed, &mut streams, 0, now, &mut seen), None);
        let now = now.after(SECOND_NS);
        let close = Some(LinkAction::Close(CloseReason::Rotated));
        assert_eq!(poll(&mut feed, &mut streams, 0, now, &mut seen), close);
        assert_eq!(poll(&mut feed, &mut streams, 0, now, &mut seen), None);
        balance(&mut feed, 1, 2, &mut seen);
        let expected = [1, 1, 2, 3, 4, 5, 5, 2].map(|wallet| format!("balance {wallet}"));
        assert_eq!(seen.0[0], "up");
        assert_eq!(seen.0[1..], expected);
        // The end of the last one is the end of the stream.
        streams[1].on_disconnected(now, &mut feed.sink(1, now, &mut seen));
        assert_eq!(seen.0.last().unwrap(), "down");
        let later = now.after(60 * SECOND_NS);
        assert_eq!(poll(&mut feed, &mut streams, 1, later, &mut seen), connect);
        assert_eq!(poll(&mut feed, &mut streams, 0, later, &mut seen), None);
    }

    #[test]
    fn one_that_ends_before_it_is_replaced_is_down_and_only_one_comes_back() {
        let mut streams = [PrivateStream::relieved(0), PrivateStream::relieved(0)];
        let mut feed = PrivateFeed::default();
        let mut seen = Seen::default();
        poll(&mut feed, &mut streams, 0, at(0), &mut seen);
        streams[0].on_connected(at(0), &mut feed.sink(0, at(0), &mut seen));
        let mut now = at(0);
        while !streams[0].is_due_for_replacement(now) {
            now = now.after(60 * SECOND_NS);
            streams[0].on_alive(now);
        }
        poll(&mut feed, &mut streams, 0, now, &mut seen);
        assert!(poll(&mut feed, &mut streams, 1, now, &mut seen).is_some());
        streams[0].on_disconnected(now, &mut feed.sink(0, now, &mut seen));
        assert_eq!(seen.0, ["up", "down"]);
        let now = now.after(SECOND_NS);
        assert_eq!(poll(&mut feed, &mut streams, 0, now, &mut seen), None);
        streams[1].on_connected(now, &mut feed.sink(1, now, &mut seen));
        assert_eq!(seen.0, ["up", "down", "up"]);
        // A key that is gone ends it as ever.
        let expired: &[u8] = br#"{"e":"listenKeyExpired","E":1,"listenKey":"abc1"}"#;
        let none = Instruments(&[]);
        let action = streams[1].on_frame(expired, now, &none, &mut feed.sink(1, now, &mut seen));
        assert_eq!(action, Some(LinkAction::Close(CloseReason::KeyExpired)));
        assert_eq!(seen.0.last().unwrap(), "down");
    }

    fn fill(trade: u64, lots: i64) -> OrderUpdate {
        OrderUpdate {
            instrument: InstrumentId(0),
            client_order_id: ClientOrderId::new(b"fuA").unwrap(),
            exchange_order_id: ExchangeOrderId(9),
            execution: Execution::Trade,
            state: OrderState::PartiallyFilled,
            side: Side::Buy,
            order_type: OrderType::Limit,
            time_in_force: TimeInForce::GoodTillCancel,
            reduce_only: false,
            price: Price(100),
            quantity: Quantity(50),
            cumulative_quantity: Quantity(lots),
            last_quantity: Quantity(1),
            last_price: Price(100),
            trade_id: TradeId(trade),
            liquidity: Liquidity::Maker,
            commission: Money::ZERO,
            commission_asset: Asset::default(),
            realized: Money::ZERO,
            transaction_time: UtcMs(1),
            event_time: UtcMs(1),
        }
    }

    fn position(lots: i64) -> PositionReport {
        PositionReport {
            instrument: InstrumentId(0),
            quantity: Quantity(lots),
            entry_price_e8: 1,
            update_time: UtcMs(1),
        }
    }

    /// A fill that counted twice would be a position that is not there.
    #[test]
    fn a_fill_and_a_position_that_both_connections_bring_count_once_and_all_else_goes_through() {
        let mut feed = PrivateFeed::default();
        let mut seen = Seen::default();
        for connection in 0..2 {
            feed.sink(connection, at(0), &mut seen)
                .stream(Market::UsdM, true);
        }
        for (connection, trade) in [(0, 1), (1, 1), (1, 2), (0, 2), (0, 3)] {
            feed.sink(connection, at(0), &mut seen)
                .order_update(fill(trade, 1));
        }
        // The same trade with another sum is another event.
        feed.sink(1, at(0), &mut seen).order_update(fill(3, 2));
        for (connection, lots) in [(0, 5), (1, 5), (1, 6), (0, 6)] {
            feed.sink(connection, at(0), &mut seen)
                .position(position(lots));
        }
        feed.sink(1, at(0), &mut seen).wallet_moved(Market::UsdM);
        feed.sink(1, at(0), &mut seen)
            .account_config(AccountConfigChange {
                market: Market::UsdM,
                instrument: None,
            });
        let expected = [
            "up",
            "order 1",
            "order 2",
            "order 3",
            "order 3",
            "position 5",
            "position 6",
            "wallet",
            "account",
        ];
        assert_eq!(seen.0, expected);
    }

    #[test]
    fn a_burst_of_copies_is_known_and_nothing_is_once_one_of_the_two_has_ended() {
        let mut feed = PrivateFeed::default();
        let mut seen = Seen::default();
        for connection in 0..2 {
            feed.sink(connection, at(0), &mut seen)
                .stream(Market::UsdM, true);
        }
        let trades = 1..=256;
        for trade in trades.clone() {
            feed.sink(0, at(0), &mut seen).order_update(fill(trade, 1));
        }
        seen.0.clear();
        for trade in trades {
            feed.sink(1, at(0), &mut seen).order_update(fill(trade, 1));
        }
        assert!(seen.0.is_empty());
        feed.sink(0, at(0), &mut seen).order_update(fill(900, 1));
        feed.sink(0, at(0), &mut seen).stream(Market::UsdM, false);
        feed.sink(1, at(0), &mut seen).order_update(fill(900, 1));
        assert_eq!(seen.0, ["order 900", "order 900"]);
    }
}
