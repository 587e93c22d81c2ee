//! One run: a seed from its first event to its verdict.
//!
//! In: a seed, the time to simulate, faults. Out: an [`Outcome`]. Never: a panic that is not
//! caught and told.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::panic::{AssertUnwindSafe, catch_unwind};

use market::record::{JournalRecord, TradingStateChange};

use crate::checker::Violation;
use crate::faults::schedule;
use crate::network::SECOND;
use crate::pairs::{add_feeds, add_pairs};
use crate::person::{PATIENCE_NS, Person, Script};
use crate::world::World;

/// What to run.
#[derive(Clone, Debug)]
pub struct Plan {
    /// Seed.
    pub seed: u64,
    /// Virtual time of phase one.
    pub duration_ns: u64,
    /// Numbers of the faults that may come.
    pub faults: Vec<u8>,
    /// The fault of the schedule that is left out, by its place: another run, another hash.
    pub without: Option<usize>,
    /// The delivery of the network that is lost, by its number: likewise.
    pub without_delivery: Option<u64>,
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
    /// How often each fault did something.
    pub fired: Vec<u64>,
    /// How often each pair of state and evidence was met.
    pub pairs: Vec<u64>,
    /// How often each rare thing of our own code happened.
    pub rare: Vec<u64>,
    /// What was done wrong, for people.
    pub history: Vec<(u64, u8, String)>,
    /// The last records of the journal, of a run that went wrong.
    pub records: Vec<JournalRecord>,
    /// What happened to protective stops, by act.
    pub stop_steps: Vec<u64>,
    /// What came over market connections: first copies, second ones, gaps of one that another has
    /// filled, gaps, unreadable ones that did not matter.
    pub feed: Vec<u64>,
    /// Amendments written.
    pub amendments: u64,
    /// Faults that met an amendment.
    pub amendment_faults: u64,
    /// Trading states as they came.
    pub states: Vec<(u64, TradingStateChange)>,
    /// Why orders were denied, and how often.
    pub denials: BTreeMap<&'static str, u64>,
    /// Lives of the process.
    pub lives: u32,
    /// From the end of the faults until all was well.
    pub recovery_ns: u64,
}

impl Outcome {
    /// Something was broken, or somebody panicked.
    #[must_use]
    pub fn has_failed(&self) -> bool {
        !self.violations.is_empty() || self.panic.is_some()
    }

    /// What was seen first: which invariant, and in which words.
    #[must_use]
    pub fn first_failure(&self) -> Option<(&str, &str)> {
        let panicked = self.panic.as_deref().map(|text| ("PANIC", text));
        let broken = self.violations.first();
        broken
            .map(|one| (one.invariant, one.text.as_str()))
            .or(panicked)
    }
}

/// Events of a simulated minute beyond which time does not go on: some hundred times the usual.
const STEPS_A_MINUTE_MAX: u64 = 500_000;

/// Phase two: everything must be well again within this time.
pub const RECOVERY_NS: u64 = 10 * SECOND;

thread_local! {
    static PANIC: RefCell<String> = const { RefCell::new(String::new()) };
}

/// Keeps panics quiet; a run tells them with its seed and step.
pub fn catch_panics() {
    std::panic::set_hook(Box::new(|info| {
        PANIC.with_borrow_mut(|text| *text = info.to_string());
    }));
}

/// Runs a seed.
#[must_use]
pub fn run(plan: &Plan) -> Outcome {
    let mut faults = schedule(plan.seed, &plan.faults, plan.duration_ns);
    if let Some(place) = plan.without.filter(|place| *place < faults.len()) {
        faults.remove(place);
    }
    buggify(Some(plan.seed));
    let mut world = World::new(plan.seed, faults);
    world.without_delivery = plan.without_delivery;
    let played = catch_unwind(AssertUnwindSafe(|| play(&mut world, plan)));
    let mut outcome = verdict(&world, plan);
    match played {
        Ok(recovery_ns) => outcome.recovery_ns = recovery_ns,
        Err(_) => outcome.panic = Some(PANIC.with_borrow(Clone::clone)),
    }
    outcome
}

/// Rare things of our own code begin by a seed, or end.
#[cfg(feature = "buggify")]
fn buggify(seed: Option<u64>) {
    match seed {
        Some(seed) => market::buggify::arm(seed),
        None => market::buggify::disarm(),
    }
}

#[cfg(not(feature = "buggify"))]
const fn buggify(_: Option<u64>) {}

/// How often each of them happened.
#[cfg(feature = "buggify")]
fn rare_things() -> Vec<u64> {
    market::buggify::counts().to_vec()
}

#[cfg(not(feature = "buggify"))]
fn rare_things() -> Vec<u64> {
    vec![0; market::buggify::POINTS]
}

fn play(world: &mut World, plan: &Plan) -> u64 {
    let mut person = Person::new(plan.seed, PATIENCE_NS);
    let mut script = Script::new(plan.seed, plan.duration_ns);
    while world.now < plan.duration_ns && world.checker.borrow().is_sound() {
        world.wake_at = script.next_at();
        world.step();
        script.go_on(world);
        person.look(world);
        let step = world.checker.borrow().step;
        if step > STEPS_A_MINUTE_MAX * (1 + world.now / (60 * SECOND)) {
            let text = format!("{step} events, and no more than this time has passed");
            world.checker.borrow_mut().broken("STUCK", text);
        }
    }
    world.wake_at = None;
    if !world.checker.borrow().is_sound() {
        return 0;
    }
    world.make_peace();
    buggify(None);
    person.hurry();
    recover(world, person)
}

/// Phase two. Returns how long it took.
fn recover(world: &mut World, mut person: Person) -> u64 {
    let begun = world.now;
    // Who was told to be silent must be, to the end, over every way to ask; nothing breaks a ban.
    let silent = world.checker.borrow().silent_until();
    let until = begun.max(silent) + RECOVERY_NS;
    let stops_until = until + world.checker.borrow().stops_patience_ns();
    let mut settled = None;
    let mut left;
    loop {
        left = what_is_left(world);
        if left.is_empty() {
            settled.get_or_insert(world.now);
            left = world.checker.borrow().stops_left(&world.venue.exchange);
        }
        // What nobody told of a stop comes with the next list.
        let until = settled.map_or(until, |_| stops_until);
        let over = left.is_empty() || world.next_at() > until;
        if over || !world.checker.borrow().is_sound() {
            break;
        }
        world.step();
        person.look(world);
    }
    let now = world.now;
    let mut checker = world.checker.borrow_mut();
    if checker.is_sound() {
        for what in left {
            checker.broken("PHASE2", what);
        }
        checker.compare_fills(&world.venue.exchange, now);
        checker.compare_stop_fills(&world.venue.exchange);
    }
    settled.unwrap_or(now) - begun
}

/// What is not well yet.
fn what_is_left(world: &World) -> Vec<String> {
    let Some(appliance) = &world.appliance else {
        return vec!["the process does not live".to_owned()];
    };
    let engine = appliance.host.engine();
    let page = engine.account_page();
    let checker = world.checker.borrow();
    let mut left = checker.differences(&world.venue.exchange, engine);
    let mut want = |well: bool, what: &str| {
        if !well {
            left.push(what.to_owned());
        }
    };
    want(page.market_stream_up, "market data is down");
    want(page.user_stream_up, "the private stream is down");
    want(page.reconciled, "not reconciled");
    want(page.unknown_now == 0, "orders of unknown fate");
    if let Some(closes) = checker.killed() {
        left.extend(checker.left_by_kill(&world.venue.exchange, closes));
    }
    let mut want = |well: bool, what: &str| {
        if !well {
            left.push(what.to_owned());
        }
    };
    let wanted = world.commanded();
    let state = page.trading_state;
    let (_, reason) = engine.trading_state();
    want(
        state == wanted,
        &format!(
            "state {state} ({reason}), commanded {wanted}; positions {:?}, denials {:?}",
            checker.positions, checker.denials
        ),
    );
    left
}

fn verdict(world: &World, plan: &Plan) -> Outcome {
    let exchange = &world.venue.exchange;
    let mut pairs = world.pairs.clone();
    let mut feed = world.feed.clone();
    if let Some(appliance) = &world.appliance {
        add_pairs(&mut pairs, appliance.host.engine());
        add_feeds(&mut feed, appliance);
    }
    let mut outcome = Outcome {
        seed: plan.seed,
        fills: exchange.usdm.venue.totals().1 + exchange.spot.venue.totals().1,
        simulated_ns: world.now,
        fired: world.adversary.fired.clone(),
        history: world.adversary.history.clone(),
        lives: world.lives,
        amendment_faults: world.adversary.on_amendments,
        feed,
        pairs,
        rare: rare_things(),
        ..Outcome::default()
    };
    // After a panic the checker may be borrowed still: then its part is lost.
    if let Ok(checker) = world.checker.try_borrow() {
        outcome.violations.clone_from(&checker.violations);
        outcome.orders = checker.orders_written;
        outcome.stop_steps = checker.stop_steps();
        outcome.amendments = checker.amendments_written;
        outcome.steps = checker.step;
        outcome.hash = checker.hash.value();
        outcome.states.clone_from(&checker.states);
        outcome.denials.clone_from(&checker.denials);
        if !checker.is_sound() {
            outcome.records = checker.recent.iter().copied().collect();
        }
    }
    outcome
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hash(without_delivery: Option<u64>) -> u64 {
        let outcome = run(&Plan {
            seed: 3,
            duration_ns: 20 * SECOND,
            faults: Vec::new(),
            without: None,
            without_delivery,
        });
        assert_eq!(outcome.panic, None);
        outcome.hash
    }

    #[test]
    fn a_run_repeats_and_one_event_less_is_another_run() {
        let whole = hash(None);
        assert_eq!(whole, hash(None));
        for delivery in [1, 50, 200, 401] {
            assert_ne!(whole, hash(Some(delivery)), "without delivery {delivery}");
        }
    }
}
