//! One run: a seed from its first event to its verdict.
//!
//! In: a seed, the time to simulate, faults. Out: an [`Outcome`]. Never: a panic that is not
//! caught and told.

use std::cell::RefCell;
use std::panic::{AssertUnwindSafe, catch_unwind};

use engine::event::Command;
use market::record::JournalRecord;
use market::{Breaker, InstrumentId, Market, StateReason, TradingState};

use crate::checker::Violation;
use crate::faults::schedule;
use crate::network::SECOND;
use crate::world::{World, add_pairs};

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
    /// What was done wrong, for people.
    pub history: Vec<(u64, u8, String)>,
    /// The last records of the journal, of a run that went wrong.
    pub records: Vec<JournalRecord>,
    /// Lives of the process.
    pub lives: u32,
    /// From the end of the faults until all was well.
    pub recovery_ns: u64,
}

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
    let mut world = World::new(plan.seed, faults);
    let played = catch_unwind(AssertUnwindSafe(|| play(&mut world, plan)));
    let mut outcome = verdict(&world, plan);
    match played {
        Ok(recovery_ns) => outcome.recovery_ns = recovery_ns,
        Err(_) => outcome.panic = Some(PANIC.with_borrow(Clone::clone)),
    }
    outcome
}

fn play(world: &mut World, plan: &Plan) -> u64 {
    let mut person = Person::new(PATIENCE_NS);
    while world.now < plan.duration_ns && world.checker.borrow().is_sound() {
        world.step();
        person.look(world);
    }
    if !world.checker.borrow().is_sound() {
        return 0;
    }
    world.make_peace();
    person.patience_ns = 0;
    recover(world, person)
}

/// Phase two. Returns how long it took.
fn recover(world: &mut World, mut person: Person) -> u64 {
    let begun = world.now;
    let until = begun + RECOVERY_NS;
    let mut left = what_is_left(world);
    while !left.is_empty() && world.next_at() <= until && world.checker.borrow().is_sound() {
        world.step();
        person.look(world);
        left = what_is_left(world);
    }
    let now = world.now;
    let mut checker = world.checker.borrow_mut();
    if checker.is_sound() {
        for what in left {
            checker.broken("PHASE2", what);
        }
        checker.compare_fills(&world.venue.exchange, now);
    }
    now - begun
}

/// True when a latched breaker is why nothing is opened.
fn is_breaker(reason: StateReason) -> bool {
    let mut reasons = Breaker::ALL.iter().map(|one| one.state_reason());
    reasons.any(|one| one == Some(reason))
}

/// The operator. A position that no strategy claims is theirs to close (F45, F47, F49): the engine
/// reduces until they have. They flatten, and when that is done they resume. A breaker that has tripped is re-armed.
struct Person {
    flattening: bool,
    patience_ns: u64,
    since: Option<u64>,
    /// Of the life that was looked at last.
    life: u32,
}

/// How long a person of phase one looks on.
const PATIENCE_NS: u64 = 12 * SECOND;

impl Person {
    const fn new(patience_ns: u64) -> Self {
        Self {
            flattening: false,
            patience_ns,
            since: None,
            life: 0,
        }
    }

    fn look(&mut self, world: &mut World) {
        let Some(appliance) = &mut world.appliance else {
            return;
        };
        // A flatten that a process was told of dies with it: the next one is told anew.
        if std::mem::replace(&mut self.life, appliance.life) != appliance.life {
            self.flattening = false;
            self.since = None;
        }
        let engine = appliance.host.engine();
        let page = engine.account_page();
        let (state, reason) = engine.trading_state();
        if state == TradingState::Active {
            self.since = None;
            self.flattening = false;
            return;
        }
        let table = engine.config().instruments.len() as u16;
        let flat = (0..table)
            .map(|id| engine.instrument_page(InstrumentId(id)))
            .all(|page| page.market == Market::Spot || page.position.is_zero());
        let unclaimed = state == TradingState::Reducing
            && reason == StateReason::PositionMismatch
            && page.reconciled;
        let now = world.now;
        let tripped = state == TradingState::Reducing && is_breaker(reason);
        let concerns = unclaimed || tripped;
        let waited = concerns && now - *self.since.get_or_insert(now) >= self.patience_ns;
        if tripped && waited {
            self.since = None;
            return world.command(Command::Rearm);
        }
        if !self.flattening && waited {
            self.flattening = true;
            world.command(Command::Flatten);
        } else if self.flattening && flat {
            self.flattening = false;
            world.command(Command::Resume);
        }
    }
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
    if let Some(appliance) = &world.appliance {
        add_pairs(&mut pairs, appliance.host.engine());
    }
    let mut outcome = Outcome {
        seed: plan.seed,
        fills: exchange.usdm.venue.totals().1 + exchange.spot.venue.totals().1,
        simulated_ns: world.now,
        fired: world.adversary.fired.clone(),
        history: world.adversary.history.clone(),
        lives: world.lives,
        pairs,
        ..Outcome::default()
    };
    // After a panic the checker may be borrowed still: then its part is lost.
    if let Ok(checker) = world.checker.try_borrow() {
        outcome.violations.clone_from(&checker.violations);
        outcome.orders = checker.orders_written;
        outcome.steps = checker.step;
        outcome.hash = checker.hash.value();
        if !checker.is_sound() {
            outcome.records = checker.recent.iter().copied().collect();
        }
    }
    outcome
}
