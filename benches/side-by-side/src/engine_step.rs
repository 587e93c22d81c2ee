//! Row d: one step of the engine on a difference, without and with an order.
//!
//! In: differences in ticks and lots, an engine with the default settings: the imbalance strategy,
//! every control. Out: the median step in nanoseconds, less what looking at the clock takes.
//! Never: an order that is not sent in this very step; answers of the exchange are given between
//! the timed steps.

use crate::books::Decoded;
use crate::input::Input;
use crate::rounds::{Figures, Lane, interleave, median};
use engine::config::{EngineConfig, StrategyConfig, StrategyParameters};
use engine::event::{Command, SnapshotBegin, SnapshotLevels, StreamChange, StreamKind};
use engine::strategy::imbalance::{EntryStyle, ImbalanceParameters};
use engine::{Engine, Event, Input as EngineInput, NoObserver, Outbox, Request};
use market::account::{Execution, OrderUpdate};
use market::ids::Asset;
use market::{
    BalanceReport, ExchangeOrderId, Liquidity, Market, Money, MonoNs, NewOrder, OrderReply,
    OrderState, Price, Quantity, ReplyOutcome, RequestKind, Side, TimeInForce, TradeId, UpdateId,
    UtcMs, UtcNs,
};
use std::hint::black_box;
use std::time::Instant;

/// Lane of steps that send nothing.
pub(crate) const WITHOUT: &str = "without order";
/// Lane of steps that send an order.
pub(crate) const WITH: &str = "with order";

/// Engine time between two messages: far enough that no rate limit ever refuses.
const STEP_NS: u64 = 600_000_000;

/// Measures both kinds of step.
pub(crate) fn measure(input: &Input, rounds: usize) -> Result<Figures, String> {
    let decoded = Decoded::new(input)?;
    let counted = World::new(input, true).run(&decoded);
    if counted.with.len() < 20 || counted.without.len() < 20 {
        return Err(format!(
            "{}: {} steps with and {} without an order are too few",
            input.name,
            counted.with.len(),
            counted.without.len()
        ));
    }
    let clock_ns = clock_cost();
    let mut lanes = vec![
        Lane::new(WITHOUT, || {
            median(World::new(input, false).run(&decoded).without) - clock_ns
        }),
        Lane::new(WITH, || {
            median(World::new(input, true).run(&decoded).with) - clock_ns
        }),
    ];
    Ok(interleave(
        &format!("d. engine step, {}", input.name),
        &mut lanes,
        rounds,
    ))
}

/// Nanoseconds between two looks at the clock with nothing in between.
fn clock_cost() -> f64 {
    let one = |_| {
        let begun = Instant::now();
        begun.elapsed().as_nanos() as f64
    };
    median((0..10_000).map(one).collect())
}

/// Steps by what they did.
#[derive(Default)]
struct Steps {
    without: Vec<f64>,
    with: Vec<f64>,
}

/// The engine and an exchange that fills nothing.
struct World<'a> {
    input: &'a Input,
    engine: Engine,
    outbox: Outbox<NoObserver>,
    sequence: u64,
    now: u64,
}

impl<'a> World<'a> {
    /// An active engine with a synced book. `eager`: each difference with a signal is answered by
    /// an immediate-or-cancel order; otherwise the strategy's defaults, which rest at the touch.
    fn new(input: &'a Input, eager: bool) -> Self {
        let parameters = ImbalanceParameters::default();
        let parameters = if eager {
            ImbalanceParameters {
                entry: EntryStyle::Taker,
                retry_after_ns: 0,
                cooldown_ns: 0,
                ..parameters
            }
        } else {
            parameters
        };
        let mut config = EngineConfig::new(vec![input.instrument]);
        // Engine time runs ahead of the times of this stream; how old an event is, is judged all
        // the same.
        config.risk.event_age_max_ns = u64::MAX;
        config.risk.clock_age_max_ns = u64::MAX;
        config.risk.clock_step_max_ns = u64::MAX;
        // What is counted is the way of an order: repriced by a cancel and a new one.
        config.orders.amend = false;
        // Whatever this exchange refuses, the run goes on.
        config.risk.rejects.window_ns = 0;
        config.strategies.push(StrategyConfig {
            name: "imbalance".to_string(),
            instruments: vec![input.instrument.id],
            parameters: StrategyParameters::Imbalance(parameters),
        });
        let mut world = Self {
            input,
            engine: Engine::new(config),
            outbox: Outbox::default(),
            sequence: 0,
            now: 1_000_000_000,
        };
        world.start();
        world
    }

    fn send(&mut self, input: EngineInput<'_>) {
        self.sequence += 1;
        let event = Event {
            sequence: self.sequence,
            time: MonoNs(self.now),
            input,
        };
        self.engine.step(&event, &mut self.outbox);
    }

    fn start(&mut self) {
        let id = self.input.instrument.id;
        for stream in [StreamKind::Market, StreamKind::Orders, StreamKind::User] {
            self.send(EngineInput::Stream(StreamChange {
                stream,
                market: Market::UsdM,
                up: true,
            }));
        }
        self.send(EngineInput::Clock(UtcNs(1_700_000_000_000_000_000)));
        self.send(EngineInput::ReconcileBegin);
        self.send(EngineInput::Balance(BalanceReport {
            asset: Asset::new(b"USDT").expect("four ASCII bytes"),
            wallet: Money::from_whole(100_000),
            event_time: UtcMs(0),
        }));
        self.send(EngineInput::ReconcileEnd);
        self.send(EngineInput::Command(Command::Start));
        self.send(EngineInput::SnapshotBegin(SnapshotBegin {
            instrument: id,
            last_update_id: UpdateId(self.input.start_update_id),
            complete: true,
        }));
        let sides = [
            (Side::Buy, &self.input.bids),
            (Side::Sell, &self.input.asks),
        ];
        for (side, levels) in sides {
            for run in levels.chunks(1_000) {
                self.send(EngineInput::SnapshotLevels(SnapshotLevels {
                    instrument: id,
                    side,
                    levels: run,
                }));
            }
        }
        self.send(EngineInput::SnapshotEnd(id));
        self.outbox.requests.clear();
    }

    /// All differences of the input.
    fn run(mut self, decoded: &Decoded) -> Steps {
        let mut steps = Steps::default();
        for update in decoded.updates() {
            self.now += STEP_NS;
            self.sequence += 1;
            let event = Event {
                sequence: self.sequence,
                time: MonoNs(self.now),
                input: EngineInput::Depth(update),
            };
            let begun = Instant::now();
            self.engine.step(black_box(&event), &mut self.outbox);
            let taken = begun.elapsed().as_nanos() as f64;
            let placed = |one: &Request| matches!(one, Request::Place(_));
            if self.outbox.requests.iter().any(placed) {
                steps.with.push(taken);
            } else if self.outbox.requests.is_empty() {
                steps.without.push(taken);
            }
            self.answer();
            self.engine.take_dirty();
        }
        steps
    }

    /// Resting orders are accepted, immediate ones expire, cancels are done.
    fn answer(&mut self) {
        while let Some(request) = self.outbox.requests.pop() {
            match request {
                Request::Place(order) => {
                    let order = *order.get();
                    self.reply(&order);
                    if order.time_in_force == TimeInForce::ImmediateOrCancel {
                        self.end(&order, Execution::Expired, OrderState::Expired);
                    }
                }
                Request::Cancel(cancel) => {
                    let slot = self.engine.orders().find(&cancel.client_order_id);
                    let order = slot.map(|slot| self.engine.orders().get(slot).new);
                    if let Some(order) = order {
                        self.end(&order, Execution::Canceled, OrderState::Canceled);
                    }
                }
                _ => {}
            }
        }
    }

    fn reply(&mut self, order: &NewOrder) {
        self.send(EngineInput::OrderReply(OrderReply {
            request: RequestKind::Place,
            outcome: ReplyOutcome::Confirmed,
            client_order_id: order.client_order_id,
            instrument: order.instrument,
            exchange_order_id: ExchangeOrderId(1),
            state: OrderState::Accepted,
            cumulative_quantity: Quantity(0),
            error_code: 0,
            terms: None,
        }));
    }

    fn end(&mut self, order: &NewOrder, execution: Execution, state: OrderState) {
        self.send(EngineInput::OrderUpdate(OrderUpdate {
            instrument: order.instrument,
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
            cumulative_quantity: Quantity(0),
            last_quantity: Quantity(0),
            last_price: Price(0),
            trade_id: TradeId(0),
            liquidity: Liquidity::Taker,
            commission: Money(0),
            commission_asset: Asset::new(b"USDT").expect("four ASCII bytes"),
            realized: Money(0),
            transaction_time: UtcMs(1),
            event_time: UtcMs(1),
        }));
    }
}
