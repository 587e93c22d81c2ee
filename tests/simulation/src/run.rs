//! One run: a seed from its first event to its verdict.
//!
//! In: a seed, the time to simulate. Out: an [`Outcome`]. Never: a panic that is not caught and
//! told.

use std::panic::{AssertUnwindSafe, catch_unwind};

use crate::checker::Violation;
use crate::network::SECOND;
use crate::world::World;

/// What to run.
#[derive(Clone, Debug)]
pub struct Plan {
    /// Seed.
    pub seed: u64,
    /// Virtual time of phase one.
    pub duration_ns: u64,
}

/// How a run ended.
#[derive(Clone, Debug, Default)]
pub struct Outcome {
    /// Seed.
    pub seed: u64,
    /// Broken invariants; empty when all is well.
    pub violations: Vec<Violation>,
    /// The message of a panic.
    pub panic: Option<String>,
    /// Orders written.
    pub orders: u64,
    /// Fills at the exchange.
    pub fills: u64,
    /// Virtual time.
    pub simulated_ns: u64,
    /// Events.
    pub steps: u64,
    /// Over everything that went in and out.
    pub hash: u64,
}

/// Phase two: everything must be well again within this time.
pub const RECOVERY_NS: u64 = 10 * SECOND;

/// Runs a seed.
#[must_use]
pub fn run(plan: &Plan) -> Outcome {
    let result = catch_unwind(AssertUnwindSafe(|| play(plan)));
    result.unwrap_or_else(|panic| {
        let text = panic.downcast_ref::<String>().cloned();
        let text = text.or_else(|| panic.downcast_ref::<&str>().map(|text| (*text).to_owned()));
        Outcome {
            seed: plan.seed,
            panic: Some(text.unwrap_or_default()),
            ..Outcome::default()
        }
    })
}

fn play(plan: &Plan) -> Outcome {
    let mut world = World::new(plan.seed);
    while world.now < plan.duration_ns && world.checker.borrow().is_sound() {
        world.step();
    }
    recover(&mut world);
    verdict(&world, plan)
}

/// Phase two.
fn recover(world: &mut World) {
    let until = world.now + RECOVERY_NS;
    let mut left = Vec::new();
    while world.now < until && world.checker.borrow().is_sound() {
        world.step();
        left = what_is_left(world);
        if left.is_empty() {
            break;
        }
    }
    let now = world.now;
    let mut checker = world.checker.borrow_mut();
    if checker.is_sound() {
        for what in left {
            checker.broken("PHASE2", what);
        }
        checker.compare_fills(&world.venue.exchange, now);
    }
}

/// What is not well yet.
fn what_is_left(world: &World) -> Vec<String> {
    let Some(appliance) = &world.appliance else {
        return vec!["the process does not live".to_owned()];
    };
    let engine = appliance.host.engine();
    let page = engine.account_page();
    let mut left = world
        .checker
        .borrow()
        .differences(&world.venue.exchange, engine);
    let mut want = |well: bool, what: &str| {
        if !well {
            left.push(what.to_owned());
        }
    };
    want(page.market_stream_up, "market data is down");
    want(page.user_stream_up, "the private stream is down");
    want(page.reconciled, "not reconciled");
    want(page.unknown_now == 0, "orders of unknown fate");
    let state = page.trading_state;
    let active = state == market::TradingState::Active;
    want(active, &format!("state {state}, commanded ACTIVE"));
    left
}

fn verdict(world: &World, plan: &Plan) -> Outcome {
    let checker = world.checker.borrow();
    let exchange = &world.venue.exchange;
    Outcome {
        seed: plan.seed,
        violations: checker.violations.clone(),
        panic: None,
        orders: checker.orders_written,
        fills: exchange.usdm.venue.totals().1 + exchange.spot.venue.totals().1,
        simulated_ns: world.now,
        steps: checker.step,
        hash: checker.hash.value(),
    }
}
