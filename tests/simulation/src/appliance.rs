//! One life of the hot path: the engine with its host, the session machines, cold work.
//!
//! In: what arrives over the virtual network, and the time. Out: effects for the network. Never: a
//! decision of its own; it moves bytes as `hotpath/process/src/inline` does, in virtual time.

mod cold_side;
mod wires;

use std::cell::RefCell;
use std::rc::Rc;
use std::sync::Arc;

use binance::session::{Feed, Silence};
use engine::event::Command;
use engine::{Engine, Input};
use hotpath::account_file::AccountMemory;
use hotpath::engine_host::EngineHost;
use ipc::{JournalConsumer, Segment};
use market::MonoNs;
use market::buggify::{Point, happens};

use crate::birth::{Birth, Guard, JOURNAL_SLOTS, born};
use crate::checker::Checker;
use crate::cold::Cold;
use crate::death::DeathPoint;
use crate::desk::{Desk, MarketSlot, PrivateSlot};
use crate::network::{MS, RestCall};

/// As housekeeping does it.
const CLOCK_SAMPLE_NS: u64 = 250 * MS;
/// As the host does it.
const UPKEEP_NS: u64 = MS;

/// Slots of the largest record: with no more left, some may be lost.
const FULL_SLOTS: u64 = 16;

/// Between two looks of housekeeping at a kill that holds.
const KEEP_NS: u64 = 10 * MS;

/// A life.
pub struct Appliance {
    /// Engine, journal, logs, pages.
    pub host: EngineHost,
    /// Orders, and whatever waits to be stepped.
    pub desk: Desk,
    /// Private streams.
    pub privates: Vec<PrivateSlot>,
    /// Market data.
    pub markets: Vec<MarketSlot>,
    /// What makes one stream of several connections, by route.
    pub feeds: Vec<Feed>,
    /// Cold work, one a market.
    pub cold: Vec<Cold>,
    /// Which life it is.
    pub life: u32,
    /// Its segment: the kill latch outlives the process.
    pub segment: Arc<Segment>,
    /// The kill, and what is kept of the breakers.
    pub guard: Guard,
    /// Ends that a reader has beside the journal.
    pub readers: [JournalConsumer; 2],
    /// What each market's REST wants of everybody, as the shell's client keeps it.
    silences: [Silence; 2],
    next_clock: u64,
    last_upkeep: u64,
    numbers: u64,
}

impl Appliance {
    /// What is known of the account, when it changed since the last look: what the disk has.
    pub fn take_account(&self) -> Option<AccountMemory> {
        self.guard.checkpoints.account.pop()
    }

    /// Starts a life.
    #[must_use]
    pub fn start(birth: &Birth, checker: Rc<RefCell<Checker>>) -> Self {
        let parts = born(birth, checker);
        let mut one = Self {
            host: parts.host,
            desk: parts.desk,
            privates: parts.privates,
            markets: parts.markets,
            feeds: parts.feeds,
            cold: parts.cold,
            life: birth.life,
            segment: parts.segment,
            guard: parts.guard,
            readers: parts.readers,
            silences: birth.silences.by_market.clone(),
            next_clock: 0,
            last_upkeep: 0,
            numbers: 0,
        };
        let now = MonoNs(birth.now);
        one.desk.now = now;
        one.host.resume_account(now, &mut one.desk);
        one.host.resume_breakers(now, &mut one.desk);
        one.host.resume_latch(now, &mut one.desk);
        one.settle();
        one
    }

    /// When it wants to be woken at the latest.
    #[must_use]
    pub fn next_at(&self) -> u64 {
        let mut next = self.next_clock;
        if !self.desk.waiting.is_empty() {
            next = 0;
        }
        if self.segment.kill_latched() {
            next = next.min(self.last_upkeep + KEEP_NS);
        }
        if let Some(deadline) = self.host.engine().next_deadline() {
            next = next.min(deadline.0);
        }
        for slot in &self.desk.slots {
            next = next.min(slot.session.next_deadline().0);
        }
        for slot in &self.privates {
            next = next.min(slot.stream.next_deadline().0);
            let useful = slot.wanted || slot.key.url().is_some();
            if let Some(due) = slot.key.next_deadline().filter(|_| useful) {
                next = next.min(due.0);
            }
        }
        for slot in &self.markets {
            let number = usize::from(slot.wire.place.number);
            let due = self.feeds[slot.feed].next_deadline(number, &slot.session);
            next = next.min(due.map_or(u64::MAX, |due| due.0));
        }
        for one in &self.cold {
            if let Some(due) = one.next_deadline() {
                next = next.min(due.0);
            }
        }
        next.max(self.last_upkeep + UPKEEP_NS)
    }

    /// What is due of the machines and of the engine.
    pub fn upkeep(&mut self, now: u64, calls: &mut Vec<RestCall>) {
        self.desk.now = MonoNs(now);
        self.last_upkeep = now;
        self.keep();
        self.upkeep_orders();
        self.upkeep_privates(calls);
        self.upkeep_markets();
        self.settle();
        if self.next_clock <= now {
            self.next_clock = now + CLOCK_SAMPLE_NS;
            let sample = self.desk.clock.utc_at(self.desk.now);
            self.take(Input::Clock(sample));
        }
        self.cold(calls);
        self.host.take_due(self.desk.now, &mut self.desk);
        self.after_step();
        self.host.end_turn(true, self.desk.now, &mut self.desk);
        self.after_step();
        self.settle();
        self.checkpoint();
        if let Some(state) = self.guard.checkpoints.breakers.pop() {
            self.guard.disk.borrow_mut().keep_breakers(state);
        }
        self.cold(calls);
        self.desk.death.pass(DeathPoint::AtRest);
    }

    /// A verb of the operator.
    pub fn command(&mut self, command: Command, now: u64) {
        self.desk.now = MonoNs(now);
        self.take(Input::Command(command));
        self.settle();
    }

    /// A kill over the operator's socket: latch and sweep, then the engine.
    pub fn kill(&mut self, keep_positions: bool, now: u64, calls: &mut Vec<RestCall>) {
        self.desk.now = MonoNs(now);
        let reason = Some("a person".to_owned());
        self.guard.keeper.latch(keep_positions, reason);
        self.keep();
        self.cold(calls);
        self.take(Input::Command(match keep_positions {
            true => Command::KillKeepPositions,
            false => Command::Kill,
        }));
        self.settle();
        self.cold(calls);
    }

    /// A signed reset, with the conditions that the product has for it. False when it is refused.
    pub fn reset(&mut self, now: u64) -> bool {
        self.desk.now = MonoNs(now);
        let keeper = &mut self.guard.keeper;
        let word = keeper.word();
        let verified = keeper.line().verified && keeper.own_orders() == 0;
        if word == 0 || !verified || keeper.is_writing() {
            return false;
        }
        if !self.guard.disk.borrow_mut().remove_latch() || !keeper.clear(word) {
            return false;
        }
        self.desk.checker.borrow_mut().on_reset(now);
        self.take(Input::Command(Command::Reset));
        self.settle();
        true
    }

    /// A checkpoint now and then: an engine that takes it back is the same engine.
    fn checkpoint(&mut self) {
        let queues = &self.guard.checkpoints;
        if let Some((_, bytes)) = queues.done.pop() {
            let engine = self.host.engine();
            let loaded = Engine::load(engine.config().clone(), &bytes);
            let again = loaded.map(|loaded| {
                let mut again = Vec::with_capacity(bytes.len());
                loaded.save(&mut again);
                again
            });
            let mut checker = self.desk.checker.borrow_mut();
            checker.check_checkpoint(again.as_ref().is_ok_and(|again| *again == bytes));
        }
        if happens(Point::CheckpointNow) {
            // The host has at most one at a time.
            let _ = queues.wanted.push(Vec::new());
        }
    }

    /// Looks after the kill, as housekeeping does.
    fn keep(&mut self) {
        let mut steps = Vec::new();
        let keeper = &mut self.guard.keeper;
        keeper.look(self.desk.now, &mut |step| steps.push(step));
        for step in steps {
            self.take(Input::KillStep(step));
        }
    }

    /// Steps one input.
    fn take(&mut self, input: Input<'_>) {
        if self.desk.death.dead {
            return;
        }
        let mut checker = self.desk.checker.borrow_mut();
        match &input {
            Input::Stream(change) => checker.on_stream(change),
            Input::Clock(utc) => checker.on_clock(utc.0, self.desk.now.0),
            _ => {}
        }
        drop(checker);
        self.host.take_at(self.desk.now, input, &mut self.desk);
        self.after_step();
    }

    /// Steps what waits, and what follows from it.
    fn settle(&mut self) {
        while !self.desk.waiting.is_empty() {
            if happens(Point::ReplyLate) {
                // The next turn takes it; whatever comes before it is handled first.
                return;
            }
            let Some(input) = self.desk.waiting.pop_front() else {
                return;
            };
            self.take(input);
            if matches!(input, Input::OrderReply(_) | Input::OrderUpdate(_)) {
                self.desk.death.pass(DeathPoint::AfterReply);
            }
            if self.desk.death.dead {
                return;
            }
        }
    }

    fn after_step(&mut self) {
        after_step(&self.host, &mut self.desk);
    }
}

/// What is checked after every event.
fn after_step(host: &EngineHost, desk: &mut Desk) {
    if desk.death.dead {
        return;
    }
    desk.tap();
    let (read, durable) = (desk.journal.position().get(), desk.journal.durable().get());
    let full = read - durable + FULL_SLOTS >= JOURNAL_SLOTS as u64;
    let mut checker = desk.checker.borrow_mut();
    checker.after_step(host.engine(), full, desk.now.0);
}
