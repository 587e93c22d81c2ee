//! A rig around one engine: an exchange by hand.
//!
//! In: short calls. Out: events, and what the engine made of them. Never: a decision.

use crate::config::{EngineConfig, StrategyConfig, StrategyParameters};
use crate::event::{Command, SnapshotBegin, SnapshotLevels, StreamChange, StreamKind};
use crate::strategy::dummy::DummyParameters;
use crate::strategy::imbalance::ImbalanceParameters;
use crate::{Engine, Event, Input, Observer, Outbox, Request, Stage};
use market::account::{
    Execution, OpenOrderReport, OrderReply, OrderUpdate, PositionReport, ReplyOutcome, RequestKind,
};
use market::event::DepthHeader;
use market::ids::Asset;
use market::record::Record;
use market::{
    BalanceReport, BookTicker, ClientOrderId, DepthUpdate, ExchangeOrderId, Filters, Instrument,
    InstrumentId, InstrumentStatus, IntentId, Level, Liquidity, MarkPrice, Market, Money, MonoNs,
    NewOrder, NonAction, OrderState, OrderType, Price, Quantity, Rate, Side, Step, StrategyId,
    Symbol, TimeInForce, Trade, TradeId, TradeReport, UpdateId, UtcMs, UtcNs,
};
use std::collections::BTreeMap;

pub(super) const MS: u64 = 1_000_000;
pub(super) const ID: InstrumentId = InstrumentId(0);

/// Keeps everything that it is told.
#[derive(Default)]
pub(super) struct Notes {
    pub(super) records: Vec<Record>,
    pub(super) non_actions: Vec<NonAction>,
    pub(super) stages: Vec<Stage>,
}

impl Observer for Notes {
    fn stage(&mut self, stage: Stage) {
        self.stages.push(stage);
    }
    fn record(&mut self, record: &Record, _: &[u8]) {
        self.records.push(*record);
    }
    fn non_action(&mut self, _: StrategyId, _: InstrumentId, reason: NonAction) {
        self.non_actions.push(reason);
    }
}

/// An engine with one instrument, and the world around it.
pub(super) struct Rig {
    pub(super) engine: Engine,
    pub(super) outbox: Outbox<Notes>,
    pub(super) time: u64,
    sequence: u64,
    update_id: u64,
    trade_id: u64,
    sides: [BTreeMap<i64, i64>; 2],
    /// How old market data is by its event time when it comes; negative is ahead.
    pub(super) lag_ms: i64,
    /// No clock sample comes.
    pub(super) without_clock: bool,
}

/// What every reconciliation states.
pub(super) const WALLET: Money = Money::from_whole(100_000);

/// UTC at engine time 0, in milliseconds.
const EPOCH_MS: i64 = 1_700_000_000_000;

pub(in crate::engine) fn instrument(market: Market) -> Instrument {
    Instrument {
        id: ID,
        market,
        symbol: Symbol::new(b"BTCUSDT").unwrap(),
        tick: Step::from_text(b"0.1").unwrap(),
        lot: Step::from_text(b"0.001").unwrap(),
        price_decimals: 2,
        quantity_decimals: 3,
        status: InstrumentStatus::Trading,
        filters: Filters {
            quantity_min: Quantity(1),
            notional_min: Money::from_whole(50),
            ..Filters::NONE
        },
    }
}

pub(super) fn config(market: Market, strategies: &[StrategyParameters]) -> EngineConfig {
    let mut config = EngineConfig::new(vec![instrument(market)]);
    config.book.window_ticks = 1 << 12;
    config.orders.capacity = 64;
    config.orders.client_id_epoch = 20_000;
    config.signal.levels = 2;
    for (index, parameters) in strategies.iter().enumerate() {
        config.strategies.push(StrategyConfig {
            name: format!("s{index}"),
            instruments: vec![ID],
            parameters: *parameters,
        });
    }
    config
}

pub(super) fn imbalance(parameters: ImbalanceParameters) -> StrategyParameters {
    StrategyParameters::Imbalance(parameters)
}

pub(super) fn dummy() -> StrategyParameters {
    StrategyParameters::Dummy(DummyParameters {
        distance: Rate(10_000),
        ..DummyParameters::default()
    })
}

impl Rig {
    /// Streams up, reconciled with nothing, the book synced and balanced around 50,000.
    pub(super) fn ready(config: EngineConfig) -> Self {
        let mut rig = Self::reconciled(config);
        rig.sync();
        rig.forget();
        rig
    }

    /// Streams up, reconciled with nothing, no book yet.
    pub(super) fn reconciled(config: EngineConfig) -> Self {
        let market = config.instruments[0].market;
        let mut rig = Self::fresh(config);
        rig.streams(market, true);
        assert_eq!(rig.take(), [Request::Reconcile(ID)]);
        rig.reconcile(&[], &[]);
        rig
    }

    pub(super) fn fresh(config: EngineConfig) -> Self {
        Self {
            engine: Engine::new(config),
            outbox: Outbox::new(Notes::default()),
            time: 1_000 * MS,
            sequence: 0,
            update_id: 0,
            trade_id: 1_000,
            sides: [BTreeMap::new(), BTreeMap::new()],
            lag_ms: 0,
            without_clock: false,
        }
    }

    /// The exchange's time.
    pub(super) fn utc_ms(&self) -> i64 {
        EPOCH_MS + (self.time / MS) as i64
    }

    /// A clock sample, as they come four times a second.
    pub(super) fn clock(&mut self) {
        let utc = UtcNs(self.utc_ms() * MS as i64);
        if !self.without_clock {
            self.send(Input::Clock(utc));
        }
    }

    pub(super) fn send(&mut self, input: Input<'_>) {
        self.sequence += 1;
        let event = Event {
            sequence: self.sequence,
            time: MonoNs(self.time),
            input,
        };
        self.engine.step(&event, &mut self.outbox);
        assert_eq!(self.outbox.overflowed, 0);
    }

    /// Lets time pass: every deadline on the way gets its event.
    pub(super) fn pass_ms(&mut self, ms: u64) {
        let end = self.time + ms * MS;
        for _ in 0..10_000 {
            match self.engine.next_deadline() {
                Some(due) if due.0 <= end => {
                    self.time = self.time.max(due.0);
                    self.send(Input::Time);
                }
                _ => {
                    self.time = end;
                    self.clock();
                    return;
                }
            }
        }
        panic!("deadlines without end at {}", self.time);
    }

    pub(super) fn take(&mut self) -> Vec<Request> {
        let taken = self.outbox.requests.to_vec();
        self.outbox.requests.clear();
        taken
    }

    /// Leaves the notes alone.
    pub(super) fn forget_requests(&mut self) {
        self.take();
    }

    pub(super) fn forget(&mut self) {
        self.take();
        self.outbox.observer.records.clear();
        self.outbox.observer.non_actions.clear();
        self.outbox.observer.stages.clear();
    }

    /// Orders placed since the last look; other requests are dropped.
    pub(super) fn placed(&mut self) -> Vec<NewOrder> {
        let placed = self.take().into_iter().filter_map(|one| match one {
            Request::Place(order) => Some(*order.get()),
            _ => None,
        });
        placed.collect()
    }

    pub(super) fn place_one(&mut self) -> NewOrder {
        let placed = self.placed();
        assert_eq!(
            placed.len(),
            1,
            "{placed:?} {:?}",
            self.outbox.observer.non_actions
        );
        placed[0]
    }

    /// Ids of orders that were asked to be cancelled since the last look.
    pub(super) fn cancelled(&mut self) -> Vec<ClientOrderId> {
        let cancelled = self.take().into_iter().filter_map(|one| match one {
            Request::Cancel(cancel) | Request::CancelOverRest(cancel) => {
                Some(cancel.client_order_id)
            }
            _ => None,
        });
        cancelled.collect()
    }

    pub(super) fn last_reason(&self) -> Option<NonAction> {
        self.outbox.observer.non_actions.last().copied()
    }

    pub(super) fn command(&mut self, command: Command) {
        self.send(Input::Command(command));
    }

    pub(super) fn streams(&mut self, market: Market, up: bool) {
        for stream in [StreamKind::Market, StreamKind::Orders, StreamKind::User] {
            self.stream(stream, market, up);
        }
    }

    pub(super) fn stream(&mut self, stream: StreamKind, market: Market, up: bool) {
        self.send(Input::Stream(StreamChange { stream, market, up }));
    }

    pub(super) fn reconcile(&mut self, orders: &[OpenOrderReport], positions: &[PositionReport]) {
        self.clock();
        self.send(Input::ReconcileBegin);
        for order in orders {
            self.send(Input::OpenOrder(*order));
        }
        for position in positions {
            self.send(Input::Position(*position));
        }
        self.send(Input::Balance(BalanceReport {
            asset: Asset::new(b"USDT").unwrap(),
            wallet: WALLET,
            event_time: UtcMs(1),
        }));
        self.send(Input::ReconcileEnd);
    }

    /// A whole look with the trades of the instrument, as the exchange lists them.
    pub(super) fn reconcile_listing(
        &mut self,
        trades: &[TradeReport],
        orders: &[OpenOrderReport],
        positions: &[PositionReport],
    ) {
        self.clock();
        self.send(Input::ReconcileBegin);
        for trade in trades {
            self.send(Input::ListedTrade(*trade));
        }
        self.send(Input::TradesListed(ID));
        for order in orders {
            self.send(Input::OpenOrder(*order));
        }
        for position in positions {
            self.send(Input::Position(*position));
        }
        self.send(Input::Balance(BalanceReport {
            asset: Asset::new(b"USDT").unwrap(),
            wallet: WALLET,
            event_time: UtcMs(1),
        }));
        self.send(Input::ReconcileEnd);
    }

    /// Answers each look with a list that has no trades, until the exchange's word is taken.
    pub(super) fn reconcile_until_adopted(&mut self, positions: &[PositionReport]) {
        let begun = self.time;
        for _ in 0..20 {
            let asked = self.take();
            let trades = |one: &Request| matches!(one, Request::Trades(_));
            if asked.contains(&Request::Reconcile(ID)) {
                assert!(asked.iter().any(trades), "{asked:?}");
                self.reconcile_listing(&[], &[], positions);
            }
            let differs = positions
                .iter()
                .any(|one| one.quantity.0 != self.position());
            if !differs {
                assert!(self.time - begun >= 1_900 * MS, "it had no time");
                return;
            }
            self.pass_ms(300);
        }
        panic!("never adopted");
    }

    pub(super) fn sync(&mut self) {
        self.depth(100, 110, &[], &[]);
        let (bids, asks) = (ladder(500_000, -1, 10), ladder(500_001, 1, 10));
        self.send(Input::SnapshotBegin(SnapshotBegin {
            instrument: ID,
            last_update_id: UpdateId(105),
            complete: true,
        }));
        for (side, levels) in [(Side::Buy, &bids), (Side::Sell, &asks)] {
            self.send(Input::SnapshotLevels(SnapshotLevels {
                instrument: ID,
                side,
                levels,
            }));
        }
        self.send(Input::SnapshotEnd(ID));
        for (side, levels) in [bids, asks].iter().enumerate() {
            self.sides[side] = levels
                .iter()
                .map(|one| (one.price.0, one.quantity.0))
                .collect();
        }
    }

    /// Replaces the book: `lots` on each of ten levels below `bid` and above it.
    pub(super) fn book(&mut self, bid: i64, bid_lots: i64, ask_lots: i64) {
        let wanted = [ladder(bid, -1, bid_lots), ladder(bid + 1, 1, ask_lots)];
        let mut changes: [Vec<Level>; 2] = [Vec::new(), Vec::new()];
        for (side, levels) in wanted.iter().enumerate() {
            let next: BTreeMap<i64, i64> = levels
                .iter()
                .map(|one| (one.price.0, one.quantity.0))
                .collect();
            for price in self.sides[side].keys() {
                if !next.contains_key(price) {
                    changes[side].push(level(*price, 0));
                }
            }
            changes[side].extend(levels);
            self.sides[side] = next;
        }
        let id = self.update_id;
        self.depth(id + 1, id + 1, &changes[0], &changes[1]);
    }

    pub(super) fn depth(&mut self, first: u64, last: u64, bids: &[Level], asks: &[Level]) {
        let header = DepthHeader {
            instrument: ID,
            first_update_id: UpdateId(first),
            last_update_id: UpdateId(last),
            previous_update_id: UpdateId(first - 1),
            event_time: UtcMs(self.utc_ms() - self.lag_ms),
            transaction_time: UtcMs(1),
        };
        self.update_id = last;
        self.send(Input::Depth(DepthUpdate { header, bids, asks }));
    }

    /// A difference that continues the chain.
    pub(super) fn next_depth(&mut self, bids: &[Level], asks: &[Level]) {
        let id = self.update_id + 1;
        self.depth(id, id, bids, asks);
    }

    pub(super) fn mark(&mut self, ticks: i64) {
        self.send(Input::MarkPrice(MarkPrice {
            instrument: ID,
            mark: Price(ticks),
            funding_rate: Rate(0),
            next_funding_time: UtcMs(0),
            event_time: UtcMs(1),
        }));
    }

    pub(super) fn trade(&mut self, price: i64, lots: i64) {
        self.send(Input::Trade(Trade {
            instrument: ID,
            trade_id: TradeId(1),
            price: Price(price),
            quantity: Quantity(lots),
            aggressor: Side::Buy,
            from_book: true,
            transaction_time: UtcMs(1),
            event_time: UtcMs(1),
        }));
    }

    /// An order that nobody sent.
    pub(super) fn some_order(&self) -> NewOrder {
        NewOrder {
            client_order_id: ClientOrderId::new(b"web_1").unwrap(),
            intent: IntentId(0),
            instrument: ID,
            strategy: StrategyId(255),
            side: Side::Buy,
            order_type: OrderType::Limit,
            time_in_force: TimeInForce::GoodTillCancel,
            price: Price(500_000),
            quantity: Quantity(10),
            reduce_only: false,
        }
    }

    pub(super) fn ticker(&mut self, bid: Level, ask: Level) {
        self.send(Input::BookTicker(BookTicker {
            instrument: ID,
            update_id: UpdateId(self.update_id + 1),
            bid,
            ask,
            event_time: UtcMs(self.utc_ms() - self.lag_ms),
            transaction_time: UtcMs(1),
        }));
    }

    pub(super) fn reply(
        &mut self,
        order: &NewOrder,
        request: RequestKind,
        outcome: ReplyOutcome,
        state: OrderState,
        told: i64,
    ) {
        self.send(Input::OrderReply(OrderReply {
            request,
            outcome,
            client_order_id: order.client_order_id,
            instrument: ID,
            exchange_order_id: ExchangeOrderId(7),
            state,
            cumulative_quantity: Quantity(told),
            error_code: 0,
            terms: None,
        }));
    }

    /// The order could not be written to the exchange.
    pub(super) fn not_sent(&mut self, order: &NewOrder) {
        self.send(Input::OrderReply(OrderReply {
            request: RequestKind::Place,
            outcome: ReplyOutcome::Rejected,
            client_order_id: order.client_order_id,
            instrument: ID,
            exchange_order_id: ExchangeOrderId(0),
            state: OrderState::Submitted,
            cumulative_quantity: Quantity(0),
            error_code: market::account::NOT_SENT,
            terms: None,
        }));
    }

    pub(super) fn confirm(&mut self, order: &NewOrder) {
        let outcome = ReplyOutcome::Confirmed;
        self.reply(order, RequestKind::Place, outcome, OrderState::Accepted, 0);
    }

    /// The private stream tells of a fill: the position first, as the exchange does.
    pub(super) fn fill(&mut self, order: &NewOrder, lots: i64, price: i64, told: i64) {
        let held = self.position() + order.side.sign() * lots;
        self.send(Input::Position(position(held, price)));
        self.trade_id += 1;
        let trade = self.trade_id;
        self.fill_with_id(order, lots, price, told, trade);
    }

    pub(super) fn fill_with_id(
        &mut self,
        order: &NewOrder,
        lots: i64,
        price: i64,
        told: i64,
        trade: u64,
    ) {
        let state = if told == order.quantity.0 {
            OrderState::Filled
        } else {
            OrderState::PartiallyFilled
        };
        let fee = instrument(Market::UsdM).notional(Price(price), Quantity(lots));
        let mut update = update(order, Execution::Trade, state, told);
        update.last_quantity = Quantity(lots);
        update.last_price = Price(price);
        update.trade_id = TradeId(trade);
        update.commission = fee.times(Rate(50_000));
        self.send(Input::OrderUpdate(update));
    }

    pub(super) fn fill_all(&mut self, order: &NewOrder, price: i64) {
        self.fill(order, order.quantity.0, price, order.quantity.0);
    }

    pub(super) fn end(&mut self, order: &NewOrder, state: OrderState, told: i64) {
        let execution = match state {
            OrderState::Canceled => Execution::Canceled,
            OrderState::Expired => Execution::Expired,
            _ => Execution::New,
        };
        self.send(Input::OrderUpdate(update(order, execution, state, told)));
    }

    pub(super) fn position(&self) -> i64 {
        self.engine.instrument_page(ID).position.0
    }
}

pub(super) fn update(
    order: &NewOrder,
    execution: Execution,
    state: OrderState,
    told: i64,
) -> OrderUpdate {
    OrderUpdate {
        instrument: ID,
        client_order_id: order.client_order_id,
        exchange_order_id: ExchangeOrderId(7),
        execution,
        state,
        side: order.side,
        order_type: order.order_type,
        time_in_force: order.time_in_force,
        reduce_only: order.reduce_only,
        price: order.price,
        quantity: order.quantity,
        cumulative_quantity: Quantity(told),
        last_quantity: Quantity(0),
        last_price: Price(0),
        trade_id: TradeId(0),
        liquidity: Liquidity::Taker,
        commission: Money(0),
        commission_asset: Asset::new(b"USDT").unwrap(),
        realized: Money(0),
        transaction_time: UtcMs(1),
        event_time: UtcMs(1),
    }
}

pub(super) fn position(lots: i64, entry: i64) -> PositionReport {
    PositionReport {
        instrument: ID,
        quantity: Quantity(lots),
        entry_price_e8: entry.saturating_mul(100_000_000),
        update_time: UtcMs(1),
    }
}

pub(super) fn level(price: i64, lots: i64) -> Level {
    Level {
        price: Price(price),
        quantity: Quantity(lots),
    }
}

fn ladder(first: i64, step: i64, lots: i64) -> Vec<Level> {
    (0..10)
        .map(|index| level(first + index * step, lots))
        .collect()
}
