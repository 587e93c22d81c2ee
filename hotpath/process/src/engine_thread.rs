//! The pinned thread: rings in, one engine, rings out.
//!
//! In: inputs of the gateways and commands, by quota. Out: requests, journal, input log, pages.
//! Never: an allocation, a lock or a system call in its loop (with `engine_wait = "yield"` it
//! gives the core away when idle); a request before its record is in the journal (I25).

use crate::allocation;
use crate::clock;
use crate::messages::{
    INPUT_BYTES_MAX, KIND, REQUEST_BYTES_MAX, Stamps, encode_input, encode_request, number,
};
use crate::recorder::Recorder;
use crate::telemetry::RingCells;
use binance::session::NOT_SENT;
use crossbeam::queue::ArrayQueue;
use engine::event::{Command, LEVELS_MAX};
use engine::{Engine, Event, Input, Outbox, Request};
use ipc::{
    Consumer, Counter, JournalProducer, LossyProducer, PageWriter, Producer, RECORD_BYTES_MAX,
    Segment,
};
use market::page::PAGE_BYTES_MAX;
use market::{
    ExchangeOrderId, InstrumentId, Level, MonoNs, NewOrder, OrderReply, OrderState, Quantity,
    ReplyOutcome, RequestKind, Wire,
};
use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// Most records taken from each ring in one turn: a burst of market data never keeps replies and
/// fills waiting for long.
const COMMAND_QUOTA: usize = 16;
const REPLY_QUOTA: usize = 64;
const COLD_QUOTA: usize = 16;
const MARKET_QUOTA: usize = 8;

/// Pages, gauges and checkpoints are looked after at most this often.
const UPKEEP_NS: u64 = 1_000_000;

/// A stop waits this long for open orders to become final.
const STOP_PATIENCE_NS: u64 = 5_000_000_000;

/// Empty buffers for checkpoints, and full ones with the last input in them.
pub struct CheckpointQueues {
    /// From the cold thread.
    pub wanted: ArrayQueue<Vec<u8>>,
    /// To the cold thread.
    pub done: ArrayQueue<(u64, Vec<u8>)>,
}

impl Default for CheckpointQueues {
    fn default() -> Self {
        Self {
            wanted: ArrayQueue::new(1),
            done: ArrayQueue::new(1),
        }
    }
}

/// Rings into the engine.
pub struct Inlets {
    /// Control's commands.
    pub commands: Consumer,
    /// Replies and private events.
    pub replies: Consumer,
    /// Snapshots, reconciliation, clock samples, the process's own commands.
    pub cold: Consumer,
    /// Market data.
    pub market: Consumer,
}

/// Rings out of the engine.
pub struct Outlets {
    /// To the order gateway.
    pub orders: Producer,
    /// To the cold thread.
    pub cold: Producer,
    /// Inputs that are never dropped.
    pub input_log: JournalProducer,
    /// Market inputs.
    pub market_log: LossyProducer,
    /// One page an instrument.
    pub instrument_pages: Vec<PageWriter>,
    /// The account's page.
    pub account_page: PageWriter,
}

/// Cells that the upkeep shows.
pub struct Gauges {
    /// Allocations and frees of this thread since its loop began.
    pub allocations: Counter,
    /// Inputs that could not be decoded.
    pub damaged_inputs: Counter,
    /// Requests that found no room in the outbox.
    pub outbox_overflows: Counter,
    /// Orders that were not sent because their intent found no room in the journal.
    pub held_back: Counter,
    /// Turns that found work.
    pub busy_turns: Counter,
    /// Market ring.
    pub market: RingCells,
    /// Reply ring.
    pub replies: RingCells,
    /// Cold ring.
    pub cold: RingCells,
    /// Order ring.
    pub orders: RingCells,
}

/// How the thread behaves.
#[derive(Clone, Copy, Debug)]
pub struct Behaviour {
    /// Spin, or give the core away while idle.
    pub spin: bool,
    /// Allocations to make on purpose, so that the counter is seen to count.
    pub inject_allocations: u64,
}

/// What the thread leaves behind.
pub struct Leftover {
    /// The engine in its last state.
    pub engine: Engine,
    /// Sequence of the last input; 0 before the first.
    pub last_sequence: u64,
}

/// What the thread is made of; [`EngineThread::run`] is its life.
pub struct EngineThread {
    /// Before its first event.
    pub engine: Engine,
    /// Rings in.
    pub inlets: Inlets,
    /// Rings out.
    pub outlets: Outlets,
    /// Where a step puts its results.
    pub outbox: Outbox<Recorder>,
    /// Cells.
    pub gauges: Gauges,
    /// For heartbeats.
    pub segment: Arc<Segment>,
    /// Checkpoint buffers.
    pub checkpoints: Arc<CheckpointQueues>,
    /// How it behaves.
    pub behaviour: Behaviour,
}

/// The loop's state beside the parts.
struct Loop {
    parts: EngineThread,
    frame: Vec<u8>,
    levels: Vec<Level>,
    sequence: u64,
    dirty: bool,
    last_upkeep: MonoNs,
    stopping_since: Option<MonoNs>,
    /// Orders that were held back, and of which the engine is not told yet. Each is live in its
    /// table until then, so there are never more than the table has room for.
    held_back: VecDeque<OrderReply>,
}

/// A ring whose records are inputs.
#[derive(Clone, Copy)]
enum Inlet {
    Replies,
    Cold,
    Market,
}

impl EngineThread {
    /// Runs until a stop has been carried out, or `abandon` is set. Everything that the loop
    /// needs is allocated here first.
    #[must_use]
    pub fn run(self, abandon: &AtomicBool) -> Leftover {
        Loop::new(self).run(abandon)
    }
}

impl Loop {
    fn new(parts: EngineThread) -> Self {
        let orders_max = parts.engine.config().orders.capacity;
        Self {
            parts,
            frame: vec![0; RECORD_BYTES_MAX.max(INPUT_BYTES_MAX)],
            levels: vec![Level::default(); LEVELS_MAX],
            sequence: 0,
            dirty: true,
            last_upkeep: MonoNs(0),
            stopping_since: None,
            held_back: VecDeque::with_capacity(orders_max),
        }
    }

    fn run(mut self, abandon: &AtomicBool) -> Leftover {
        allocation::guard_this_thread();
        for _ in 0..self.parts.behaviour.inject_allocations {
            // Kept for good: a free would be counted as well.
            std::mem::forget(std::hint::black_box(Box::new(0u64)));
        }
        self.resume_latch(clock::monotonic());
        loop {
            let now = clock::monotonic();
            let busy = self.turn(now);
            if busy {
                self.dirty = true;
                self.parts.gauges.busy_turns.add(1);
            }
            if now.since(self.last_upkeep) >= UPKEEP_NS {
                self.upkeep(now);
                if self.has_stopped(now) || abandon.load(Ordering::Relaxed) {
                    break;
                }
            }
            if !busy {
                self.wait();
            }
        }
        allocation::release_this_thread();
        self.show(clock::monotonic());
        Leftover {
            engine: self.parts.engine,
            last_sequence: self.sequence,
        }
    }

    /// A segment that is latched before the first event took the latch over from an earlier start
    /// (I22): the first event is the kill, and so the input log has it too.
    fn resume_latch(&mut self, now: MonoNs) {
        if self.parts.segment.kill_latched() {
            self.take_own(Input::Command(Command::Kill), now);
        }
    }

    /// One pass over the rings. True when there was anything.
    fn turn(&mut self, now: MonoNs) -> bool {
        let mut busy = false;
        for _ in 0..COMMAND_QUOTA {
            match self.parts.inlets.commands.pop(&mut self.frame) {
                Ok(Some((_, bytes))) => match Command::from_bytes(bytes) {
                    Ok(command) => self.take_own(Input::Command(command), now),
                    Err(_) => self.parts.gauges.damaged_inputs.add(1),
                },
                Ok(None) => break,
                Err(_) => {
                    self.parts.gauges.damaged_inputs.add(1);
                    break;
                }
            }
            busy = true;
        }
        busy |= self.drain(Inlet::Replies, REPLY_QUOTA, now);
        busy |= self.drain(Inlet::Cold, COLD_QUOTA, now);
        busy |= self.drain(Inlet::Market, MARKET_QUOTA, now);
        if self
            .parts
            .engine
            .next_deadline()
            .is_some_and(|deadline| now >= deadline)
        {
            self.take_own(Input::Time, now);
            busy = true;
        }
        // The orders of these very steps wait for the next turn.
        for _ in 0..self.held_back.len() {
            if let Some(reply) = self.held_back.pop_front() {
                self.take_own(Input::OrderReply(reply), now);
            }
            busy = true;
        }
        busy
    }

    fn drain(&mut self, inlet: Inlet, quota: usize, now: MonoNs) -> bool {
        let (mut busy, mut met) = (false, false);
        for _ in 0..quota {
            let (ring, cells) = match inlet {
                Inlet::Replies => (
                    &mut self.parts.inlets.replies,
                    &mut self.parts.gauges.replies,
                ),
                Inlet::Cold => (&mut self.parts.inlets.cold, &mut self.parts.gauges.cold),
                Inlet::Market => (&mut self.parts.inlets.market, &mut self.parts.gauges.market),
            };
            // The second look of a turn, so that no first decision waits for the writer's line.
            if busy && !met {
                cells.meet(ring.depth());
                met = true;
            }
            match ring.pop(&mut self.frame) {
                Ok(Some((_, bytes))) => {
                    let length = bytes.len();
                    self.take(length, now);
                }
                Ok(None) => break,
                Err(error) => panic!("a ring of this process is damaged: {error}"),
            }
            busy = true;
        }
        busy
    }

    /// Steps an input of this thread's own making.
    fn take_own(&mut self, input: Input<'_>, now: MonoNs) {
        let length = encode_input(input, now, now, &mut self.frame);
        self.take(length.expect("commands and times are small"), now);
    }

    /// Steps the input that lies in the frame.
    fn take(&mut self, length: usize, now: MonoNs) {
        let bytes = &mut self.frame[..length];
        let Ok(stamped) = Event::from_bytes(bytes, &mut self.levels) else {
            self.parts.gauges.damaged_inputs.add(1);
            return;
        };
        self.sequence += 1;
        let (received, decoded) = (stamped.time, MonoNs(stamped.sequence));
        let event = Event {
            sequence: self.sequence,
            time: now,
            input: stamped.input,
        };
        number(bytes, self.sequence, now);
        let from_market = event.input.is_market_data();
        if from_market {
            self.parts.outlets.market_log.push(self.sequence, bytes);
        } else if self.parts.outlets.input_log.try_push(bytes).is_err() {
            self.parts.outlets.input_log.note_hole(self.sequence);
        }
        match event.input {
            Input::Clock(utc) => self.parts.outbox.observer.set_utc(utc, now),
            // Before any order is cancelled: the latch holds over the death of this process (I22).
            Input::Command(Command::Kill) => self.parts.segment.latch_kill(),
            Input::Command(Command::Stop) => {
                self.stopping_since.get_or_insert(now);
            }
            _ => {}
        }
        self.parts.outbox.observer.begin(self.sequence, now);
        self.parts.engine.step(&event, &mut self.parts.outbox);
        if !self.parts.outbox.requests.is_empty() {
            self.dispatch(Stamps {
                received,
                decoded,
                dequeued: now,
                decided: MonoNs(0),
                from_market,
            });
        }
    }

    /// Hands the requests of one step to the gateways; their records are in the journal already.
    /// An order whose intent found no room there is held back (I25), and the engine is told that
    /// it was not sent. Cancels and queries need no intent and always go. The clock is read once more here, for the stamp of the decision.
    fn dispatch(&mut self, mut stamps: Stamps) {
        stamps.decided = clock::monotonic();
        let mut bytes = [0; REQUEST_BYTES_MAX];
        for request in &self.parts.outbox.requests {
            if let Request::Place(order) = request
                && let recorder = &self.parts.outbox.observer
                && recorder.has_lost_intent(&order.get().client_order_id)
            {
                self.parts.gauges.held_back.add(1);
                self.held_back.push_back(not_sent(order.get()));
                continue;
            }
            let length = encode_request(&stamps, request, &mut bytes);
            let length = length.expect("REQUEST_BYTES_MAX holds every request");
            let ring = match request {
                Request::Place(_) | Request::Cancel(_) | Request::Query(_) => {
                    &mut self.parts.outlets.orders
                }
                Request::Snapshot(_) | Request::Reconcile(_) => &mut self.parts.outlets.cold,
            };
            // The throttle keeps requests far below the ring's room: full means a dead gateway,
            // and an engine whose orders go nowhere must not go on.
            ring.try_push(KIND, &bytes[..length])
                .expect("an order gateway that lives empties its ring");
        }
        self.parts.outbox.requests.clear();
        let orders = &mut self.parts.outlets.orders;
        self.parts.gauges.orders.meet(orders.depth());
        if self.parts.outbox.overflowed > 0 {
            self.parts
                .gauges
                .outbox_overflows
                .add(self.parts.outbox.overflowed);
            self.parts.outbox.overflowed = 0;
        }
    }

    /// What has to be done now and then, but not for every event.
    fn upkeep(&mut self, now: MonoNs) {
        self.last_upkeep = now;
        self.parts.segment.beat_hotpath(now.0);
        if let Some(level) = self.parts.outbox.observer.crossed_level() {
            self.take_own(Input::JournalLevel(level), now);
            self.dirty = true;
        }
        if std::mem::take(&mut self.dirty) {
            self.show(now);
        }
        if let Some(mut buffer) = self.parts.checkpoints.wanted.pop() {
            buffer.clear();
            self.parts.engine.save(&mut buffer);
            // The cold thread hands out one buffer at a time, so there is room.
            let _ = self.parts.checkpoints.done.push((self.sequence, buffer));
        }
    }

    /// Rewrites the pages that changed, and the gauges.
    fn show(&mut self, now: MonoNs) {
        let mut bytes = [0; PAGE_BYTES_MAX];
        let dirty = self.parts.engine.take_dirty();
        for (index, writer) in self.parts.outlets.instrument_pages.iter_mut().enumerate() {
            if dirty & (1 << index) != 0 {
                let id = InstrumentId(u16::try_from(index).expect("at most 64 instruments"));
                let length = self.parts.engine.instrument_page(id).to_bytes(&mut bytes);
                writer.write(&bytes[..length.expect("a page fits PAGE_BYTES_MAX")]);
            }
        }
        let length = self.parts.engine.account_page().to_bytes(&mut bytes);
        let length = length.expect("a page fits PAGE_BYTES_MAX");
        self.parts.outlets.account_page.write(&bytes[..length]);
        self.parts.segment.beat_hotpath(now.0);
        let (allocations, frees) = allocation::guarded_counts();
        let gauges = &mut self.parts.gauges;
        gauges.allocations.set(allocations + frees);
        let inlets = &self.parts.inlets;
        gauges
            .market
            .show(inlets.market.depth(), inlets.market.high_watermark());
        gauges
            .replies
            .show(inlets.replies.depth(), inlets.replies.high_watermark());
        gauges
            .cold
            .show(inlets.cold.depth(), inlets.cold.high_watermark());
        let outlets = &mut self.parts.outlets;
        gauges
            .orders
            .show(outlets.orders.depth(), outlets.orders.high_watermark());
    }

    /// True when a stop was asked for and every own order is final, or patience has ended.
    fn has_stopped(&self, now: MonoNs) -> bool {
        let Some(since) = self.stopping_since else {
            return false;
        };
        let account = self.parts.engine.account_page();
        let quiet = account.orders_open == 0 && account.unknown_now == 0;
        quiet || now.since(since) >= STOP_PATIENCE_NS
    }

    #[inline]
    fn wait(&self) {
        if self.parts.behaviour.spin {
            std::hint::spin_loop();
        } else {
            std::thread::yield_now();
        }
    }
}

/// What the engine is told of an order that never left this thread.
const fn not_sent(order: &NewOrder) -> OrderReply {
    OrderReply {
        request: RequestKind::Place,
        outcome: ReplyOutcome::Rejected,
        client_order_id: order.client_order_id,
        instrument: order.instrument,
        exchange_order_id: ExchangeOrderId(0),
        state: OrderState::Submitted,
        cumulative_quantity: Quantity::ZERO,
        error_code: NOT_SENT,
    }
}

#[cfg(test)]
mod tests;
