//! After start-up a step does not allocate.
//!
//! In: a long run of market data, orders, fills, cancels and deadlines. Out: the number of
//! allocations, which is 0. Never: the observer's or the test's own allocations in the count.

use engine::config::{EngineConfig, Frequency, StrategyConfig, StrategyParameters};
use engine::event::{
    Configure, LIMIT_LEVELS, SnapshotBegin, SnapshotLevels, StrategyChange, StreamChange,
    StreamKind,
};
use engine::strategy::dummy::DummyParameters;
use engine::strategy::imbalance::{EntryStyle, ImbalanceParameters};
use engine::{Engine, Event, Input, NoObserver, Outbox, Request};
use market::account::{
    Execution, OrderReply, OrderUpdate, PositionReport, ReplyOutcome, RequestKind,
};
use market::event::DepthHeader;
use market::ids::Asset;
use market::{
    BalanceReport, DepthUpdate, ExchangeOrderId, Filters, Instrument, InstrumentId,
    InstrumentStatus, Level, Liquidity, Market, Money, MonoNs, NewOrder, OrderState, Price,
    Quantity, Side, Step, StrategyId, Symbol, TradeId, UpdateId, UtcMs, UtcNs,
};

const ID: InstrumentId = InstrumentId(0);

struct World {
    engine: Engine,
    outbox: Outbox<NoObserver>,
    sequence: u64,
    update_id: u64,
    sent: u64,
    amended: u64,
    fills: u64,
}

fn config() -> EngineConfig {
    let mut config = EngineConfig::new(vec![Instrument {
        id: ID,
        market: Market::UsdM,
        symbol: Symbol::new(b"BTCUSDT").expect("seven ASCII bytes"),
        tick: Step::from_text(b"0.1").expect("a decimal"),
        lot: Step::from_text(b"0.001").expect("a decimal"),
        price_decimals: 2,
        quantity_decimals: 3,
        status: InstrumentStatus::Trading,
        filters: Filters::NONE,
    }]);
    // Nothing wins here, and the run is to go on all the same.
    let never = Frequency {
        count: 32,
        window_ns: 0,
    };
    config.risk.repeated_executions = never;
    config.risk.loss_streak_max = u32::MAX;
    config.risk.stop_cooldown_ns = 0;
    let taker = ImbalanceParameters {
        entry: EntryStyle::Taker,
        time_exit_after_ns: 300_000_000,
        signal_exit_after_ns: 100_000_000,
        cooldown_ns: 1_000_000,
        ..ImbalanceParameters::default()
    };
    for parameters in [
        StrategyParameters::Imbalance(taker),
        StrategyParameters::Dummy(DummyParameters::default()),
        StrategyParameters::Imbalance(ImbalanceParameters::default()),
    ] {
        config.strategies.push(StrategyConfig {
            name: "s".to_string(),
            instruments: vec![ID],
            parameters,
        });
    }
    config
}

impl World {
    fn now(&self) -> u64 {
        1_000_000_000 + self.sequence * 5_000_000
    }

    /// UTC is this machine's clock plus a while.
    fn clock(&mut self) {
        self.send(Input::Clock(UtcNs(
            1_700_000_000_000_000_000 + self.now() as i64,
        )));
    }

    fn send(&mut self, input: Input<'_>) {
        self.sequence += 1;
        let event = Event {
            sequence: self.sequence,
            time: MonoNs(self.now()),
            input,
        };
        self.engine.step(&event, &mut self.outbox);
    }

    /// Other limits and parameters, and back.
    fn configure(&mut self, version: u64) {
        let mut risk = self.engine.config().risk;
        risk.orders_per_10s_max ^= 1;
        for index in 0..self.engine.config().strategies.len() {
            let mut parameters = self.engine.config().strategies[index].parameters;
            if let StrategyParameters::Dummy(dummy) = &mut parameters {
                dummy.rest_ns ^= 1;
            }
            self.send(Input::Strategy(StrategyChange {
                strategy: StrategyId(index as u8),
                off: 0,
                parameters,
            }));
        }
        let mut room = [Level::default(); LIMIT_LEVELS];
        self.send(Input::Configure(Configure::new(
            version, version, &risk, &mut room,
        )));
    }

    fn depth(&mut self, bid_lots: i64, ask_lots: i64) {
        // The touch comes and goes, so that what rests there follows it.
        let thin = self.update_id % 8 < 4;
        let (touch, below) = if thin {
            (0, 4 * bid_lots)
        } else {
            (4 * bid_lots, 10)
        };
        let bids = [level(500_000, touch), level(499_999, below)];
        let asks = [level(500_001, ask_lots)];
        let id = self.update_id + 1;
        let header = DepthHeader {
            instrument: ID,
            first_update_id: UpdateId(id),
            last_update_id: UpdateId(id),
            previous_update_id: UpdateId(self.update_id),
            event_time: UtcMs(1_700_000_000_000 + (self.now() / 1_000_000) as i64),
            transaction_time: UtcMs(1),
        };
        self.update_id = id;
        self.send(Input::Depth(DepthUpdate {
            header,
            bids: &bids,
            asks: &asks,
        }));
    }

    fn start(&mut self) {
        for stream in [StreamKind::Market, StreamKind::Orders, StreamKind::User] {
            self.send(Input::Stream(StreamChange {
                stream,
                market: Market::UsdM,
                up: true,
            }));
        }
        self.clock();
        self.send(Input::ReconcileBegin);
        self.send(Input::Balance(BalanceReport {
            asset: Asset::new(b"USDT").expect("four ASCII bytes"),
            wallet: Money::from_whole(100_000),
            event_time: UtcMs(1),
        }));
        self.send(Input::ReconcileEnd);
        self.depth(10, 10);
        let side = |first: i64, step: i64| -> Vec<Level> {
            (0..20)
                .map(|index| level(first + index * step, 10))
                .collect()
        };
        self.send(Input::SnapshotBegin(SnapshotBegin {
            instrument: ID,
            last_update_id: UpdateId(self.update_id),
            complete: true,
        }));
        for (side, levels) in [
            (Side::Buy, side(500_000, -1)),
            (Side::Sell, side(500_001, 1)),
        ] {
            self.send(Input::SnapshotLevels(SnapshotLevels {
                instrument: ID,
                side,
                levels: &levels,
            }));
        }
        self.send(Input::SnapshotEnd(ID));
        self.serve();
    }

    /// Takers fill at once, the rest is acknowledged, cancels are done, queries find nothing.
    fn serve(&mut self) {
        while let Some(request) = self.outbox.requests.pop() {
            match request {
                Request::Place(order) => {
                    let order = *order.get();
                    self.sent += 1;
                    if order.time_in_force == market::TimeInForce::ImmediateOrCancel {
                        self.fills += 1;
                        self.state_position(&order);
                        self.update(&order, Execution::Trade, OrderState::Filled);
                    } else {
                        self.reply(&order);
                    }
                }
                Request::Cancel(cancel) => {
                    let slot = self.engine.orders().find(&cancel.client_order_id);
                    let order = self.engine.orders().get(slot.expect("it is live")).new;
                    self.update(&order, Execution::Canceled, OrderState::Canceled);
                }
                Request::Amend(amend) => {
                    self.amended += 1;
                    let order = amend.get().order;
                    self.update(&order, Execution::Amendment, OrderState::Accepted);
                    self.answer(&order, RequestKind::Amend);
                }
                _ => {}
            }
        }
    }

    fn reply(&mut self, order: &NewOrder) {
        self.answer(order, RequestKind::Place);
    }

    fn answer(&mut self, order: &NewOrder, request: RequestKind) {
        self.send(Input::OrderReply(OrderReply {
            request,
            outcome: ReplyOutcome::Confirmed,
            client_order_id: order.client_order_id,
            instrument: ID,
            exchange_order_id: ExchangeOrderId(1),
            state: OrderState::Accepted,
            cumulative_quantity: Quantity(0),
            error_code: 0,
            terms: None,
        }));
    }

    /// The exchange states the position before it tells of the trade.
    fn state_position(&mut self, order: &NewOrder) {
        let held = self.engine.instrument_page(ID).position;
        self.send(Input::Position(PositionReport {
            instrument: ID,
            quantity: held + Quantity(order.side.sign() * order.quantity.0),
            entry_price_e8: 0,
            update_time: UtcMs(1),
        }));
    }

    fn update(&mut self, order: &NewOrder, execution: Execution, state: OrderState) {
        let lots = if execution == Execution::Trade {
            order.quantity
        } else {
            Quantity(0)
        };
        self.send(Input::OrderUpdate(OrderUpdate {
            instrument: ID,
            client_order_id: order.client_order_id,
            exchange_order_id: ExchangeOrderId(1),
            execution,
            state,
            side: order.side,
            order_type: order.order_type,
            time_in_force: order.time_in_force,
            reduce_only: order.reduce_only,
            price: order.price,
            quantity: order.quantity,
            cumulative_quantity: lots,
            last_quantity: lots,
            last_price: Price(500_000),
            trade_id: TradeId(10_000 + self.sequence),
            liquidity: Liquidity::Taker,
            commission: Money(1),
            commission_asset: Asset::new(b"USDT").expect("four ASCII bytes"),
            realized: Money(0),
            transaction_time: UtcMs(1),
            event_time: UtcMs(1),
        }));
    }
}

fn level(price: i64, lots: i64) -> Level {
    Level {
        price: Price(price),
        quantity: Quantity(lots),
    }
}

#[test]
fn steps_do_not_allocate_after_start() {
    let mut world = World {
        engine: Engine::new(config()),
        outbox: Outbox::default(),
        sequence: 0,
        update_id: 100,
        sent: 0,
        amended: 0,
        fills: 0,
    };
    world.start();
    let mut checkpoint = Vec::with_capacity(4 << 20);
    let counted = allocation_counter::measure(|| {
        for index in 0..20_000i64 {
            if index % 50 == 0 {
                world.clock();
            }
            if index % 500 == 250 {
                world.configure(index as u64);
            }
            world.depth(1 + index % 97, 1 + index % 41);
            world.serve();
            world.engine.take_dirty();
            let page = world.engine.account_page();
            assert_eq!(page.unknown_now, 0);
            if index % 1_000 == 0 {
                checkpoint.clear();
                world.engine.save(&mut checkpoint);
            }
        }
    });
    assert_eq!(counted.count_total, 0, "{counted:?}");
    assert_eq!(world.engine.account_page().config_version, 19_750);
    assert!(checkpoint.len() > 1_000, "a checkpoint was made");
    assert!(world.sent > 200, "the run sends orders: {}", world.sent);
    assert!(world.amended > 20, "and amends them: {}", world.amended);
    assert!(world.fills > 50, "the run fills orders: {}", world.fills);
}

#[test]
fn the_counter_counts() {
    let counted = allocation_counter::measure(|| drop(std::hint::black_box(Box::new(1))));
    assert_eq!(counted.count_total, 1);
}
