//! An engine with the default settings, and an exchange that fills nothing.
//!
//! In: the generated stream. Out: counts of orders. Never: a random or a real clock.

use crate::market_data::{OwnedUpdate, decoded};
use engine::config::{EngineConfig, StrategyConfig, StrategyParameters};
use engine::event::{SnapshotBegin, SnapshotLevels, StreamChange, StreamKind};
use engine::strategy::imbalance::{EntryStyle, ImbalanceParameters};
use engine::{Engine, Event, Input, NoObserver, Outbox, Request};
use generated::DepthStream;
use market::ids::Asset;
use market::{
    BalanceReport, ExchangeOrderId, Market, Money, MonoNs, OrderReply, OrderState, Quantity,
    ReplyOutcome, RequestKind, Side, TimeInForce, UpdateId, UtcMs, UtcNs,
};
use std::hint::black_box;
use std::ops::RangeInclusive;

/// Engine time between two messages: far enough that no rate limit refuses.
const STEP_NS: u64 = 600_000_000;

/// An active engine with a synced book, and differences to step on.
pub struct EngineWorld {
    engine: Engine,
    outbox: Outbox<NoObserver>,
    updates: Vec<OwnedUpdate>,
    sequence: u64,
    now: u64,
    /// What this world is made to count: a count of another way would hold nothing.
    expected: RangeInclusive<usize>,
}

impl EngineWorld {
    /// The strategy's defaults, which rest at the touch.
    #[must_use]
    pub fn resting(stream: &DepthStream) -> Self {
        Self::new(stream, ImbalanceParameters::default(), 1..=400)
    }

    /// Every difference with a signal is answered by an immediate-or-cancel order.
    #[must_use]
    pub fn taking(stream: &DepthStream) -> Self {
        let parameters = ImbalanceParameters {
            entry: EntryStyle::Taker,
            retry_after_ns: 0,
            cooldown_ns: 0,
            ..ImbalanceParameters::default()
        };
        Self::new(stream, parameters, 100..=usize::MAX)
    }

    fn new(
        stream: &DepthStream,
        parameters: ImbalanceParameters,
        expected: RangeInclusive<usize>,
    ) -> Self {
        let mut config = EngineConfig::new(vec![stream.instrument]);
        // Engine time runs ahead of the times of this stream; how old an event is, is judged all
        // the same.
        config.risk.event_age_max_ns = u64::MAX;
        config.risk.clock_age_max_ns = u64::MAX;
        config.risk.clock_step_max_ns = u64::MAX;
        // What is counted is the way of an order: repriced by a cancel and a new one.
        config.orders.amend = false;
        config.strategies.push(StrategyConfig {
            name: "imbalance".to_string(),
            instruments: vec![stream.instrument.id],
            parameters: StrategyParameters::Imbalance(parameters),
        });
        let mut world = Self {
            engine: Engine::new(config),
            outbox: Outbox::default(),
            updates: decoded(stream),
            sequence: 0,
            now: 1_000_000_000,
            expected,
        };
        world.start(stream);
        world
    }

    fn start(&mut self, stream: &DepthStream) {
        let instrument = stream.instrument.id;
        for kind in [StreamKind::Market, StreamKind::Orders, StreamKind::User] {
            self.send(Input::Stream(StreamChange {
                stream: kind,
                market: Market::UsdM,
                up: true,
            }));
        }
        self.send(Input::Clock(UtcNs(1_700_000_000_000_000_000)));
        self.send(Input::ReconcileBegin);
        self.send(Input::Balance(BalanceReport {
            asset: Asset::new(b"USDT").expect("four ASCII bytes"),
            wallet: Money::from_whole(100_000),
            event_time: UtcMs(0),
        }));
        self.send(Input::ReconcileEnd);
        self.send(Input::SnapshotBegin(SnapshotBegin {
            instrument,
            last_update_id: UpdateId(stream.start_update_id),
            complete: true,
        }));
        for (side, levels) in [(Side::Buy, &stream.bids), (Side::Sell, &stream.asks)] {
            self.send(Input::SnapshotLevels(SnapshotLevels {
                instrument,
                side,
                levels,
            }));
        }
        self.send(Input::SnapshotEnd(instrument));
        self.outbox.requests.clear();
    }

    fn send(&mut self, input: Input<'_>) {
        self.sequence += 1;
        let event = Event {
            sequence: self.sequence,
            time: MonoNs(self.now),
            input,
        };
        self.engine.step(black_box(&event), &mut self.outbox);
    }

    /// Steps on all differences and answers every order at once; the number of orders.
    ///
    /// # Panics
    /// When there are not as many as this world is made to count.
    pub fn step(&mut self) -> usize {
        let updates = std::mem::take(&mut self.updates);
        let mut orders = 0;
        for update in &updates {
            self.now += STEP_NS;
            self.send(Input::Depth(update.borrowed()));
            while let Some(request) = self.outbox.requests.pop() {
                orders += usize::from(matches!(request, Request::Place(_)));
                if let Some(reply) = answer(&request) {
                    self.send(Input::OrderReply(reply));
                }
            }
        }
        assert!(self.expected.contains(&orders), "{orders} orders");
        // Freed outside of the count.
        self.updates = updates;
        orders
    }
}

/// Nobody trades: what may rest rests until it is cancelled, the rest expires.
fn answer(request: &Request) -> Option<OrderReply> {
    let (request, client_order_id, instrument, state) = match request {
        Request::Place(order) => {
            let order = order.get();
            let state = match order.time_in_force {
                TimeInForce::GoodTillCancel | TimeInForce::PostOnly => OrderState::Accepted,
                TimeInForce::ImmediateOrCancel | TimeInForce::FillOrKill => OrderState::Expired,
            };
            (
                RequestKind::Place,
                order.client_order_id,
                order.instrument,
                state,
            )
        }
        Request::Cancel(order) => (
            RequestKind::Cancel,
            order.client_order_id,
            order.instrument,
            OrderState::Canceled,
        ),
        _ => return None,
    };
    Some(OrderReply {
        request,
        outcome: ReplyOutcome::Confirmed,
        client_order_id,
        instrument,
        exchange_order_id: ExchangeOrderId(1),
        state,
        cumulative_quantity: Quantity(0),
        error_code: 0,
        terms: None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_engine_takes_often_and_the_other_rests_seldom() {
        let stream = generated::depth_stream(1, crate::MESSAGES);
        let taking = EngineWorld::taking(&stream).step();
        let resting = EngineWorld::resting(&stream).step();
        println!("{taking} and {resting} orders");
        assert!(taking > resting, "{taking} and {resting} orders");
    }
}
