//! The engine with everything that is kept of its steps: numbers, logs, journal, pages.
//!
//! In: inputs, decoded or as a ring carries them. Out: requests for the caller's outlet, records
//! in the journal, inputs in the input log, pages and gauges. Never: an allocation, a lock or a
//! system call after [`EngineHost::new`]; a request before its record is in the journal (I25).
//!
//! The pinned thread owns one, whichever way its bytes come and go.

use crate::account_file::{AccountMemory, AccountStart};
use crate::account_log::NOTES_MAX;
use crate::allocation;
use crate::breaker_file::BreakerState;
use crate::latency::way::TriggerStream;
use crate::latency::way_log::WayLog;
use crate::messages::{INPUT_BYTES_MAX, Stamps, encode_input, number};
use crate::recorder::Recorder;
use crate::tick_clock::{TickClock, Ticks};
use binance::session::NOT_SENT;
use crossbeam::queue::ArrayQueue;
use engine::event::{Command, Configure, LEVELS_MAX, LIMIT_LEVELS, StrategyChange};
use engine::{Engine, Event, Input, Outbox, Request};
use ipc::{
    Consumer, Counter, JournalProducer, LossyProducer, PageWriter, RECORD_BYTES_MAX, RingError,
    Segment,
};
use market::buggify::{Point, happens};
use market::page::PAGE_BYTES_MAX;
use market::record::Record;
use market::{
    Breaker, ExchangeOrderId, InstrumentId, Level, Market, MonoNs, NewOrder, OrderReply,
    OrderState, Quantity, ReplyOutcome, RequestKind, TradingState, UtcNs, Wire,
};
use std::collections::VecDeque;
use std::sync::Arc;

/// Pages, gauges and checkpoints are looked after at most this often.
const UPKEEP_NS: u64 = 1_000_000;

/// A high-water mark that moves is kept this often.
const MARKS_NS: u64 = 1_000_000_000;

/// A stop waits this long for open orders to become final.
const STOP_PATIENCE_NS: u64 = 5_000_000_000;

/// Empty buffers for checkpoints, and full ones with the last input in them.
pub struct CheckpointQueues {
    /// From the cold thread.
    pub wanted: ArrayQueue<Vec<u8>>,
    /// To the cold thread.
    pub done: ArrayQueue<(u64, Vec<u8>)>,
    /// What the breakers remember, when it changed: the newest counts.
    pub breakers: ArrayQueue<BreakerState>,
    /// What is known of the account, when it changed: the newest counts.
    pub account: ArrayQueue<AccountMemory>,
    /// Records that become lines of the log.
    pub notes: ArrayQueue<Record>,
}

impl Default for CheckpointQueues {
    fn default() -> Self {
        Self {
            wanted: ArrayQueue::new(1),
            done: ArrayQueue::new(1),
            breakers: ArrayQueue::new(1),
            account: ArrayQueue::new(1),
            notes: ArrayQueue::new(NOTES_MAX),
        }
    }
}

/// The version of the configuration that a start has.
#[derive(Clone, Debug, Default)]
pub struct StartVersion {
    /// Its number.
    pub version: u64,
    /// First eight bytes of its SHA-256.
    pub config_hash: u64,
    /// What holds for each strategy.
    pub strategies: Vec<StrategyChange>,
}

/// Carries requests to where they are written.
pub trait Outlet {
    /// Takes one request; its record is in the journal already. `clock` stamps its write.
    fn send(&mut self, request: &Request, stamps: &Stamps, clock: &TickClock);
}

/// Where inputs are kept for replay.
pub struct InputLogs {
    /// Inputs that are never dropped.
    pub kept: JournalProducer,
    /// Market inputs.
    pub market: LossyProducer,
}

/// Where readers look.
pub struct Pages {
    /// One an instrument.
    pub instruments: Vec<PageWriter>,
    /// The account's.
    pub account: PageWriter,
}

/// Cells that the upkeep shows.
pub struct HostCells {
    /// Allocations and frees of this thread since its loop began, rustls' not among them.
    pub allocations: Counter,
    /// Those of rustls: one a record each way.
    pub tls_allocations: Counter,
    /// Inputs that could not be decoded.
    pub damaged_inputs: Counter,
    /// Requests that found no room in the outbox.
    pub outbox_overflows: Counter,
    /// Orders that were not sent because their intent found no room in the journal.
    pub held_back: Counter,
    /// Turns that found work.
    pub busy_turns: Counter,
    /// 1 for each breaker that is latched, by its number.
    pub breakers: Vec<Counter>,
    /// What each breaker measures, of the kind of its limit, by its number; 0 for those that do not.
    pub measures: Vec<Counter>,
    /// Open orders of others, by market.
    pub orders_external: Vec<Counter>,
    /// 1 while a position differs and nothing explains it.
    pub mismatches_open: Counter,
    /// Fills that were fetched because nobody had told them.
    pub fills_recovered: Counter,
    /// Fills that were booked at the limit price.
    pub fills_synthetic: Counter,
    /// Event times that were ahead of the exchange's clock.
    pub events_ahead: Counter,
    /// Clock samples that did not fit to the one before.
    pub clock_steps: Counter,
}

/// What the thread leaves behind.
pub struct Leftover {
    /// The engine in its last state.
    pub engine: Engine,
    /// Sequence of the last input; 0 before the first.
    pub last_sequence: u64,
}

/// What a host is made of.
pub struct HostParts {
    /// Before its first event.
    pub engine: Engine,
    /// Where a step puts its results.
    pub outbox: Outbox<Recorder>,
    /// Where inputs are kept.
    pub logs: InputLogs,
    /// Where readers look.
    pub pages: Pages,
    /// Cells.
    pub cells: HostCells,
    /// For heartbeats and the kill latch.
    pub segment: Arc<Segment>,
    /// Checkpoint buffers.
    pub checkpoints: Arc<CheckpointQueues>,
    /// What those of an earlier start remembered.
    pub remembered: Option<BreakerState>,
    /// Of this thread.
    pub clock: TickClock,
    /// Where the way of each market event is told.
    pub ways: WayLog,
}

/// The engine and its keeping.
pub struct EngineHost {
    state: State,
    frame: Vec<u8>,
    levels: Vec<Level>,
}

/// Everything but the buffers that an event may borrow from.
struct State {
    parts: HostParts,
    sequence: u64,
    dirty: bool,
    last_upkeep: MonoNs,
    /// What the cold thread was given to keep last, and when.
    remembered: BreakerState,
    remembered_at: MonoNs,
    /// What is told of the account before anything happens.
    account: AccountStart,
    /// What is told of the configuration.
    version: StartVersion,
    /// Of the engine's memory that was handed over last.
    memory_version: u64,
    stopping_since: Option<MonoNs>,
    /// The engine was killed when the latches were compared last.
    was_killed: bool,
    /// Orders that were held back, and of which the engine is not told yet. Each is live in its
    /// table until then, so there are never more than the table has room for.
    held_back: VecDeque<OrderReply>,
}

impl EngineHost {
    /// Everything that steps need is allocated here.
    #[must_use]
    pub fn new(parts: HostParts) -> Self {
        let orders_max = parts.engine.config().orders.capacity;
        Self {
            state: State {
                parts,
                sequence: 0,
                dirty: true,
                last_upkeep: MonoNs(0),
                remembered: BreakerState::default(),
                remembered_at: MonoNs(0),
                account: AccountStart::Untold,
                version: StartVersion::default(),
                memory_version: 0,
                stopping_since: None,
                was_killed: false,
                held_back: VecDeque::with_capacity(orders_max),
            },
            frame: vec![0; RECORD_BYTES_MAX.max(INPUT_BYTES_MAX)],
            levels: vec![Level::default(); LEVELS_MAX],
        }
    }

    /// The engine, for a look.
    #[must_use]
    pub const fn engine(&self) -> &Engine {
        &self.state.parts.engine
    }

    /// The clock of this thread.
    #[must_use]
    #[inline]
    pub fn clock(&self) -> &TickClock {
        &self.state.parts.clock
    }

    /// Now, on the clock of this thread.
    #[must_use]
    #[inline]
    pub fn now(&self) -> MonoNs {
        let clock = self.clock();
        clock.to_mono(clock.now())
    }

    /// A segment that is latched before the first event took the latch over from an earlier start
    /// (I22): the first event is the kill, and so the input log has it too.
    pub fn resume_latch(&mut self, now: MonoNs, outlet: &mut impl Outlet) {
        if self.state.parts.segment.kill_latched() {
            let verb = latched_verb(&self.state.parts.segment);
            self.take_at(now, Input::Command(verb), outlet);
        }
    }

    /// What the breakers of an earlier start remembered is the first that happens, and so the input
    /// log has it too: a restart gives no fresh allowance.
    pub fn resume_breakers(&mut self, now: MonoNs, outlet: &mut impl Outlet) {
        let Some(state) = self.state.parts.remembered else {
            return;
        };
        self.take_at(now, Input::Breakers(state.memory), outlet);
        for cooldown in state.cooldowns() {
            self.take_at(now, Input::Cooldown(cooldown), outlet);
        }
        self.state.remembered = state;
    }

    /// What a start is told of its account.
    #[must_use]
    pub fn with_account(mut self, account: AccountStart) -> Self {
        self.state.account = account;
        self
    }

    /// Which version of the configuration a start has.
    #[must_use]
    pub fn with_version(mut self, version: StartVersion) -> Self {
        self.state.version = version;
        self
    }

    /// Who is switched off, and which version holds: so the journal, the page and the input log have
    /// it from the first event on.
    pub fn resume_configuration(&mut self, now: MonoNs, outlet: &mut impl Outlet) {
        // The list stays where it is: this thread frees nothing.
        for place in 0..self.state.version.strategies.len() {
            let change = self.state.version.strategies[place];
            self.take_at(now, Input::Strategy(change), outlet);
        }
        let (version, config_hash) = (self.state.version.version, self.state.version.config_hash);
        let mut room = [Level::default(); LIMIT_LEVELS];
        let risk = self.state.parts.engine.config().risk;
        let configure = Configure::new(version, config_hash, &risk, &mut room);
        self.take_at(now, Input::Configure(configure), outlet);
    }

    /// What earlier starts knew of the account comes before anything happens to it.
    pub fn resume_account(&mut self, now: MonoNs, outlet: &mut impl Outlet) {
        match self.state.account {
            AccountStart::Untold => {}
            AccountStart::First => self.take_at(now, Input::FirstStart, outlet),
            AccountStart::Known(memory) => {
                for index in 0..self.state.parts.engine.config().instruments.len() {
                    let input = match memory.instruments[index] {
                        Some(one) => Input::Remember(one),
                        None => Input::Unseen(InstrumentId(index as u16)),
                    };
                    self.take_at(now, input, outlet);
                }
            }
        }
    }

    /// Steps one input at `now`; it has no way worth telling.
    pub fn take_at(&mut self, now: MonoNs, input: Input<'_>, outlet: &mut impl Outlet) {
        self.take(now, input, Stamps::default(), outlet);
    }

    /// Steps one input at `now`, which is never before that of an earlier one.
    #[inline]
    pub fn take(
        &mut self,
        now: MonoNs,
        input: Input<'_>,
        stamps: Stamps,
        outlet: &mut impl Outlet,
    ) {
        let event = self.state.number(input, now);
        let encoded = |frame: &mut [u8]| {
            let length = encode_input(input, now, MonoNs(event.sequence), frame);
            length.expect("decoders and snapshot runs stay within LEVELS_MAX levels")
        };
        if input.is_market_data() {
            // The order first: whatever it was made of is logged before the next input.
            self.state.step(&event, stamps, outlet);
            let length = encoded(&mut self.frame);
            self.state.log_market(&self.frame[..length]);
        } else {
            let length = encoded(&mut self.frame);
            self.state.log_kept(&self.frame[..length]);
            self.state.step(&event, stamps, outlet);
        }
    }

    /// Steps the oldest record of `ring`; false when there is none.
    ///
    /// # Errors
    /// [`RingError`] when the ring is damaged.
    pub fn take_from(
        &mut self,
        ring: &mut Consumer,
        now: MonoNs,
        outlet: &mut impl Outlet,
    ) -> Result<bool, RingError> {
        let Some((_, bytes)) = ring.pop(&mut self.frame)? else {
            return Ok(false);
        };
        let length = bytes.len();
        let bytes = &mut self.frame[..length];
        let Ok(stamped) = Event::from_bytes(bytes, &mut self.levels) else {
            self.note_damage();
            return Ok(true);
        };
        let stamps = Stamps {
            read: stamped.time,
            parsed: MonoNs(stamped.sequence),
            dequeued: now,
            ..Stamps::default()
        };
        if let Input::Clock(utc) = stamped.input {
            // It may have waited while this thread was stopped: a clock that is late makes old
            // market data look young.
            let waited_ns = now.since(stamped.time);
            let utc = UtcNs(utc.0.saturating_add_unsigned(waited_ns));
            self.take(now, Input::Clock(utc), stamps, outlet);
            return Ok(true);
        }
        let event = self.state.number(stamped.input, now);
        number(bytes, event.sequence, now);
        if event.input.is_market_data() {
            self.state.step(&event, stamps, outlet);
            self.state.log_market(bytes);
        } else {
            self.state.log_kept(bytes);
            self.state.step(&event, stamps, outlet);
        }
        Ok(true)
    }

    /// Steps the oldest command of `ring`; false when there is none, or the ring is damaged.
    pub fn take_command(
        &mut self,
        ring: &mut Consumer,
        now: MonoNs,
        outlet: &mut impl Outlet,
    ) -> bool {
        match ring.pop(&mut self.frame) {
            Ok(Some((_, bytes))) => {
                match Command::from_bytes(bytes) {
                    // Whoever writes here may be reached from a network: never the latch (I22).
                    Ok(Command::Reset) => self.note_damage(),
                    Ok(command) => self.take_at(now, Input::Command(command), outlet),
                    Err(_) => self.note_damage(),
                }
                true
            }
            Ok(None) => false,
            Err(_) => {
                self.note_damage();
                false
            }
        }
    }

    /// Steps what is due by itself: a deadline, and the orders that were held back before this
    /// call. True when there was anything.
    pub fn take_due(&mut self, now: MonoNs, outlet: &mut impl Outlet) -> bool {
        let mut busy = false;
        let deadline = self.state.parts.engine.next_deadline();
        if deadline.is_some_and(|deadline| now >= deadline) {
            self.take_at(now, Input::Time, outlet);
            busy = true;
        }
        // The orders of these very steps wait for the next turn.
        for _ in 0..self.state.held_back.len() {
            if let Some(reply) = self.state.held_back.pop_front() {
                self.take_at(now, Input::OrderReply(reply), outlet);
            }
            busy = true;
        }
        busy
    }

    /// Ends a turn. True when the upkeep was done, which is a good moment to look at the world.
    pub fn end_turn(&mut self, busy: bool, now: MonoNs, outlet: &mut impl Outlet) -> bool {
        if busy {
            self.state.dirty = true;
            self.state.parts.cells.busy_turns.add(1);
        }
        let due = now.since(self.state.last_upkeep) >= UPKEEP_NS && !happens(Point::UpkeepSkipped);
        if due {
            self.upkeep(now, outlet);
        }
        due
    }

    /// True when a stop was asked for and every own order is final, or patience has ended.
    #[must_use]
    pub fn has_stopped(&self, now: MonoNs) -> bool {
        let Some(since) = self.state.stopping_since else {
            return false;
        };
        let account = self.state.parts.engine.account_page();
        let quiet = account.orders_open == 0 && account.unknown_now == 0;
        quiet || now.since(since) >= STOP_PATIENCE_NS
    }

    /// The last word.
    #[must_use]
    pub fn finish(mut self, now: MonoNs) -> Leftover {
        self.state.show(now);
        Leftover {
            engine: self.state.parts.engine,
            last_sequence: self.state.sequence,
        }
    }

    fn note_damage(&self) {
        self.state.parts.cells.damaged_inputs.add(1);
    }

    /// What has to be done now and then, but not for every event.
    fn upkeep(&mut self, now: MonoNs, outlet: &mut impl Outlet) {
        self.state.last_upkeep = now;
        self.state.parts.clock.follow();
        self.state.parts.segment.beat_hotpath(now.0);
        self.compare_latches(now, outlet);
        if let Some(level) = self.state.parts.outbox.observer.crossed_level() {
            self.take_at(now, Input::JournalLevel(level), outlet);
            self.state.dirty = true;
        }
        if std::mem::take(&mut self.state.dirty) {
            self.state.show(now);
            self.state.hand_over_breakers(now);
            self.state.hand_over_account();
        }
        let state = &mut self.state;
        if let Some(mut buffer) = state.parts.checkpoints.wanted.pop() {
            buffer.clear();
            state.parts.engine.save(&mut buffer);
            // The cold thread hands out one buffer at a time, so there is room.
            let _ = state.parts.checkpoints.done.push((state.sequence, buffer));
        }
    }
}

impl EngineHost {
    /// A latch that somebody else set in the segment kills the engine, and an engine that killed
    /// itself latches the segment.
    fn compare_latches(&mut self, now: MonoNs, outlet: &mut impl Outlet) {
        let killed = self.state.parts.engine.trading_state().0 == TradingState::Killed;
        let latched = self.state.parts.segment.kill_latched();
        if latched && !killed {
            let verb = latched_verb(&self.state.parts.segment);
            self.take_at(now, Input::Command(verb), outlet);
        } else if killed && !latched && !self.state.was_killed {
            self.state.parts.segment.latch_kill();
        }
        // A reset clears the segment a moment before the engine: then both were killed.
        self.state.was_killed = killed;
    }
}

/// The verb of a latched segment.
fn latched_verb(segment: &Segment) -> Command {
    match segment.kill_closes_positions() {
        true => Command::Kill,
        false => Command::KillKeepPositions,
    }
}

impl State {
    fn number<'l>(&mut self, input: Input<'l>, now: MonoNs) -> Event<'l> {
        self.sequence += 1;
        Event {
            sequence: self.sequence,
            time: now,
            input,
        }
    }

    fn log_market(&mut self, bytes: &[u8]) {
        self.parts.logs.market.push(self.sequence, bytes);
    }

    fn log_kept(&mut self, bytes: &[u8]) {
        if self.parts.logs.kept.try_push(bytes).is_err() {
            self.parts.logs.kept.note_hole(self.sequence);
        }
    }

    #[inline]
    fn step(&mut self, event: &Event<'_>, mut stamps: Stamps, outlet: &mut impl Outlet) {
        let now = event.time;
        match event.input {
            Input::Clock(utc) => self.parts.outbox.observer.set_utc(utc, now),
            // Before any order is cancelled: the latch holds over the death of this process (I22).
            Input::Command(Command::Kill) => self.parts.segment.latch_kill(),
            Input::Command(Command::KillKeepPositions) => {
                self.parts.segment.latch_kill_keeping_positions();
            }
            Input::Command(Command::Stop) => {
                self.stopping_since.get_or_insert(now);
            }
            _ => {}
        }
        self.parts.outbox.observer.begin(event.sequence, now);
        self.parts.engine.step(event, &mut self.parts.outbox);
        let stream = TriggerStream::of(&event.input);
        let is_idle = self.parts.outbox.requests.is_empty();
        if is_idle && stream.is_none() {
            return;
        }
        let seen = self.parts.outbox.observer.stamps();
        let time = |ticks: Ticks| match ticks.is_set() {
            true => self.parts.clock.to_mono(ticks),
            false => MonoNs(0),
        };
        (stamps.sequence, stamps.stepped) = (event.sequence, now);
        (stamps.booked, stamps.decided) = (time(seen.booked), time(seen.decided));
        stamps.approved = time(seen.approved);
        if let Some((trigger, instrument)) = stream {
            (stamps.trigger, stamps.instrument) = (trigger, instrument);
            stamps.from_market = true;
        }
        if !is_idle {
            self.dispatch(&stamps, outlet);
        }
        if stream.is_some() {
            self.parts.ways.push(&stamps.way());
        }
    }

    /// Hands the requests of one step out; their records are in the journal already. An order
    /// whose intent found no room there is held back (I25), and the engine is told that it was
    /// not sent. Cancels and queries need no intent and always go.
    fn dispatch(&mut self, stamps: &Stamps, outlet: &mut impl Outlet) {
        for request in &self.parts.outbox.requests {
            let decided = match request {
                Request::Place(order) => Some((RequestKind::Place, order.get())),
                Request::Amend(amend) => Some((RequestKind::Amend, &amend.get().order)),
                _ => None,
            };
            if let Some((kind, order)) = decided
                && let recorder = &self.parts.outbox.observer
                && recorder.has_lost_intent(&order.client_order_id)
            {
                self.parts.cells.held_back.add(1);
                self.held_back.push_back(not_sent(kind, order));
                continue;
            }
            outlet.send(request, stamps, &self.parts.clock);
        }
        self.parts.outbox.requests.clear();
        if self.parts.outbox.overflowed > 0 {
            let overflowed = std::mem::take(&mut self.parts.outbox.overflowed);
            self.parts.cells.outbox_overflows.add(overflowed);
        }
    }

    /// Gives the cold thread what the breakers remember, when it changed; a mark that moves with
    /// every price once a second.
    fn hand_over_breakers(&mut self, now: MonoNs) {
        let state = BreakerState::of(&self.parts.engine);
        let due = now.since(self.remembered_at) >= MARKS_NS;
        let changed = match due {
            true => state != self.remembered,
            false => state.differs_in_substance(&self.remembered),
        };
        if changed {
            (self.remembered, self.remembered_at) = (state, now);
            self.parts.checkpoints.breakers.force_push(state);
        }
    }

    /// Gives the cold thread what is known of the account, when both sides agreed anew.
    fn hand_over_account(&mut self) {
        let version = self.parts.engine.memory_version();
        if version == self.memory_version {
            return;
        }
        if let Some(memory) = AccountMemory::of(&self.parts.engine) {
            self.memory_version = version;
            self.parts.checkpoints.account.force_push(memory);
        }
    }

    /// Rewrites the pages that changed, and the gauges.
    fn show(&mut self, now: MonoNs) {
        let mut bytes = [0; PAGE_BYTES_MAX];
        let dirty = self.parts.engine.take_dirty();
        for (index, writer) in self.parts.pages.instruments.iter_mut().enumerate() {
            if dirty & (1 << index) != 0 {
                let id = InstrumentId(u16::try_from(index).expect("at most 64 instruments"));
                let length = self.parts.engine.instrument_page(id).to_bytes(&mut bytes);
                writer.write(&bytes[..length.expect("a page fits PAGE_BYTES_MAX")]);
            }
        }
        let length = self.parts.engine.account_page().to_bytes(&mut bytes);
        let length = length.expect("a page fits PAGE_BYTES_MAX");
        self.parts.pages.account.write(&bytes[..length]);
        self.parts.segment.beat_hotpath(now.0);
        let (allocations, frees) = allocation::guarded_counts();
        self.parts.cells.allocations.set(allocations + frees);
        let (allocations, frees) = allocation::tls_counts();
        self.parts.cells.tls_allocations.set(allocations + frees);
        let (cells, engine) = (&self.parts.cells, &self.parts.engine);
        let tripped = engine.tripped();
        for (breaker, cell) in Breaker::ALL.iter().zip(&cells.breakers) {
            cell.set(u64::from(tripped & breaker.bit() != 0));
        }
        for (breaker, cell) in Breaker::ALL.iter().zip(&cells.measures) {
            let measure = engine.breaker_measure(*breaker).unwrap_or(0);
            cell.set(measure.unsigned_abs());
        }
        for (market, cell) in Market::ALL.iter().zip(&cells.orders_external) {
            cell.set(u64::from(engine.external_orders(*market)));
        }
        cells.mismatches_open.set(u64::from(engine.has_mismatch()));
        let counters = engine.order_counters();
        cells.fills_recovered.set(counters.recovered_fills);
        cells.fills_synthetic.set(counters.synthetic_fills);
        cells.events_ahead.set(engine.events_ahead());
        cells.clock_steps.set(engine.clock_steps());
    }
}

/// What the engine is told of an order or amendment that never left this thread.
const fn not_sent(request: RequestKind, order: &NewOrder) -> OrderReply {
    OrderReply {
        request,
        outcome: ReplyOutcome::Rejected,
        client_order_id: order.client_order_id,
        instrument: order.instrument,
        exchange_order_id: ExchangeOrderId(0),
        state: OrderState::Submitted,
        cumulative_quantity: Quantity::ZERO,
        error_code: NOT_SENT,
        terms: None,
    }
}

#[cfg(test)]
pub(crate) mod tests;
