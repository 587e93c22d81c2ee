//! The people at the appliance: one who looks in, and one who kills, stops and starts.
//!
//! In: the seed, what the engine shows. Out: verbs at their times. Never: a verb that a person
//! could not give; a start over a kill.

use engine::event::Command;
use market::{Breaker, InstrumentId, Market, StateReason, TradingState};

use crate::death::point_of;
use crate::faults::Scheduled;
use crate::network::{MS, SECOND};
use crate::random::Random;
use crate::world::World;

/// What a person does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Deed {
    /// A kill; positions kept or not, by this way.
    Kill { keep: bool, way: u64 },
    /// A reset, again and again until it is taken; then a start.
    Reset,
    /// Start or resume, again and again until it is heard.
    GoOn(Command),
    /// Any other verb, once.
    Say(Command),
    /// The stop by policy: flatten, and halt once flat.
    HaltWhenFlat,
    /// Somebody's order of the other kind rests at the exchange.
    Conditional(u64),
    /// The process is to die at the point with this number, or the power goes.
    Death { point: u64, power_cut: bool },
}

/// A deed at its time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Due {
    at: u64,
    deed: Deed,
}

/// Before the next try of what was not heard.
const AGAIN_NS: u64 = SECOND / 2;

/// How often everything is cancelled in a run.
const CANCELS: u64 = 20;

/// Nobody interferes before.
const FIRST_NS: u64 = 15 * SECOND;

/// What one person does in a run, by its seed.
pub struct Script {
    due: Vec<Due>,
    random: Random,
    /// How often each verb was given.
    pub given: u64,
}

impl Script {
    /// The deeds of phase one.
    #[must_use]
    pub fn new(seed: u64, duration_ns: u64) -> Self {
        let mut script = Self {
            due: Vec::new(),
            random: Random::new(seed, 3),
            given: 0,
        };
        let last = duration_ns.saturating_sub(40 * SECOND);
        if last <= FIRST_NS {
            return script;
        }
        for _ in 0..script.random.below(4) {
            let at = script.random.between(FIRST_NS, last);
            script.intervene(at);
        }
        // Cancels of everything change nothing else; they meet orders in every state.
        for _ in 0..CANCELS {
            let at = script.random.between(FIRST_NS, last);
            script.put(at, Deed::Say(Command::CancelAll));
        }
        // Some runs end KILLED.
        if script.random.chance(150) {
            let at = duration_ns - script.random.between(100 * MS, 20 * SECOND);
            script.kill(at);
        }
        script
    }

    /// One reason to interfere, with what ends it.
    fn intervene(&mut self, at: u64) {
        let random = &mut self.random;
        let (kind, lasts) = (random.below(10), random.between(1, 9) * SECOND);
        match kind {
            0..=4 => {
                self.kill(at);
                let patience = self.random.between(2, 12) * SECOND;
                self.put(at + patience, Deed::Reset);
            }
            5 => {
                self.put(at, Deed::Say(Command::Flatten));
                self.put(at + lasts, Deed::GoOn(Command::Resume));
            }
            6 => {
                self.put(at, Deed::Say(Command::Pause));
                self.put(at + lasts, Deed::GoOn(Command::Resume));
            }
            7 => {
                self.put(at, Deed::Say(Command::Halt));
                self.put(at + lasts, Deed::GoOn(Command::Start));
            }
            8 => {
                self.put(at, Deed::Say(Command::HaltKeepOrders));
                self.put(at + lasts, Deed::GoOn(Command::Start));
            }
            _ => {
                self.put(at, Deed::Say(Command::Flatten));
                self.put(at + 20 * MS, Deed::HaltWhenFlat);
                self.put(at + lasts, Deed::GoOn(Command::Start));
            }
        }
        if self.random.chance(300) {
            self.die_near(at);
        }
    }

    fn kill(&mut self, at: u64) {
        let random = &mut self.random;
        let (keep, way) = (random.chance(300), random.below(3));
        let conditional = random.chance(600).then(|| random.word());
        if let Some(word) = conditional {
            let before = at.saturating_sub(SECOND);
            self.put(before, Deed::Conditional(word));
        }
        self.put(at, Deed::Kill { keep, way });
        if self.random.chance(150) {
            // Somebody else kills too, and means it otherwise.
            let (keep, way) = (!keep, self.random.below(3));
            let later = at + self.random.between(1, 1_500) * MS;
            self.put(later, Deed::Kill { keep, way });
        }
    }

    fn die_near(&mut self, at: u64) {
        let random = &mut self.random;
        let at = at + random.below(1_500) * MS;
        let (point, power_cut) = (random.word(), random.chance(400));
        self.put(at, Deed::Death { point, power_cut });
    }

    fn put(&mut self, at: u64, deed: Deed) {
        let place = self.due.partition_point(|one| one.at <= at);
        self.due.insert(place, Due { at, deed });
    }

    /// When the next deed is due.
    #[must_use]
    pub fn next_at(&self) -> Option<u64> {
        self.due.first().map(|one| one.at)
    }

    /// Does what is due.
    pub fn go_on(&mut self, world: &mut World) {
        while let Some(due) = self.due.first().copied().filter(|one| one.at <= world.now) {
            self.due.remove(0);
            self.given += 1;
            self.carry_out(due.deed, world);
        }
    }

    fn carry_out(&mut self, deed: Deed, world: &mut World) {
        let again = world.now + AGAIN_NS;
        match deed {
            Deed::Kill { keep, way } => {
                if !world.kill(keep, way) {
                    // Nobody is there to be killed yet.
                    self.put(again, deed);
                }
            }
            Deed::Reset => {
                if world.checker.borrow().killed().is_none() {
                    // A power cut has taken a latch that was not durable: trading goes on.
                } else if world.reset() {
                    let wait = self.random.between(100, 2_000) * MS;
                    self.put(world.now + wait, Deed::GoOn(Command::Start));
                } else {
                    self.put(again, deed);
                }
            }
            Deed::GoOn(command) => {
                let killed = world.checker.borrow().killed().is_some();
                if !killed && !world.command(command) {
                    self.put(again, deed);
                }
            }
            Deed::Say(command) => {
                world.command(command);
            }
            Deed::HaltWhenFlat => {
                if world.is_flat() {
                    world.command(Command::Halt);
                } else if world.commanded() == TradingState::Reducing {
                    self.put(again, deed);
                }
            }
            Deed::Conditional(word) => world.conditional_from_outside(word),
            Deed::Death { point, power_cut } => plan_death(world, point, power_cut),
        }
    }
}

fn plan_death(world: &mut World, word: u64, power_cut: bool) {
    let point = point_of(word, world.adversary.has_stops);
    let Some(appliance) = &mut world.appliance else {
        return;
    };
    let death = &mut appliance.desk.death;
    if death.is_planned() {
        return;
    }
    death.plan(point, 0, power_cut);
    let fault = Scheduled {
        at: world.now,
        number: 57,
        draws: [word, 1, 1],
    };
    let how = if power_cut { "a power cut" } else { "SIGKILL" };
    let what = format!("{how} at {point:?}, near a verb");
    world.adversary.planned_death = Some((fault, what));
}

/// True when a latched breaker is why nothing is opened.
fn is_breaker(reason: StateReason) -> bool {
    let mut reasons = Breaker::ALL.iter().map(|one| one.state_reason());
    reasons.any(|one| one == Some(reason))
}

/// The operator. A position that no strategy claims is theirs to close (F45, F47, F49): the engine
/// reduces until they have. They flatten, and when that is done they resume. A breaker that has tripped is re-armed.
pub struct Person {
    flattening: bool,
    patience_ns: u64,
    since: Option<u64>,
    /// Cancels everything when the fate of an order is unknown, some moment after that was seen.
    is_anxious: bool,
    cancels_at: Option<u64>,
    random: Random,
    /// Of the life that was looked at last.
    life: u32,
}

/// An anxious person cancels everything within this time.
const ANXIETY_MS: u64 = 3_500;

/// Of a thousand trips of a breaker so many are answered by a restart, as if that cleared it.
const RESTARTS: u64 = 400;

/// How long a person of phase one looks on.
pub const PATIENCE_NS: u64 = 12 * SECOND;

impl Person {
    /// Looks on for so long before interfering.
    #[must_use]
    pub fn new(seed: u64, patience_ns: u64) -> Self {
        let mut random = Random::new(seed, 6);
        Self {
            flattening: false,
            patience_ns,
            since: None,
            is_anxious: random.chance(400),
            cancels_at: None,
            random,
            life: 0,
        }
    }

    /// Waits no more.
    pub const fn hurry(&mut self) {
        self.patience_ns = 0;
    }

    /// Looks, and does what there is to do.
    pub fn look(&mut self, world: &mut World) {
        // Somebody else has resumed meanwhile: it is to be said again.
        self.flattening &= world.commanded() != TradingState::Active;
        let Some(appliance) = &mut world.appliance else {
            return;
        };
        let unknown = appliance.host.engine().account_page().unknown_now > 0;
        if !unknown {
            self.cancels_at = None;
        } else if self.is_anxious {
            let moment = world.now + self.random.below(ANXIETY_MS) * MS;
            if *self.cancels_at.get_or_insert(moment) <= world.now {
                self.cancels_at = None;
                world.command(Command::CancelAll);
                return;
            }
        }
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
        if tripped && self.since.is_none() && self.random.chance(RESTARTS) {
            // What has tripped holds in the next life too.
            let word = self.random.word();
            plan_death(world, word, false);
        }
        let waited = concerns && now - *self.since.get_or_insert(now) >= self.patience_ns;
        if tripped && waited {
            self.since = None;
            world.command(Command::Rearm);
            return;
        }
        if !self.flattening && waited {
            self.flattening = world.command(Command::Flatten);
        } else if self.flattening && flat {
            self.flattening = !world.command(Command::Resume);
        }
    }
}
