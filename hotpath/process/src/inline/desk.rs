//! Order connections of the pinned thread: requests are written in the step that made them.
//!
//! In: requests of the engine, replies of the exchange. Out: frames on the wire, replies for the
//! engine's next steps. Never: a request sent twice; a step of the engine inside of another one,
//! replies wait in [`Desk::waiting`] until the step is over.

use super::thread::Reading;
use super::wire::Wire;
use crate::engine_host::{EngineHost, Outlet};
use crate::engine_thread::push;
use crate::gateway::latency_cells::{Frame, LatencyCells};
use crate::gateway::orders::{encode, tell};
use crate::gateway::private_sink::{Deliver, PrivateSink};
use crate::hot_socket::{Received, SocketEnd};
use crate::latency::way_log::WayLog;
use crate::messages::{Stamps, instrument_of};
use crate::server_clock::ServerClock;
use crate::tick_clock::TickClock;
use binance::session::{CloseReason, LinkAction, Now, OrderSession};
use engine::{Input, Request};
use ipc::Producer;
use market::{Instrument, Instruments, Market, MonoNs};
use std::collections::VecDeque;
use std::sync::Arc;
use websocket::Message;

/// Inputs that can wait: the verdict on every request of two connections that break at once, and
/// as many private events. Beyond that the queue grows, which the count of allocations shows.
const WAITING_MAX: usize = 8_192;

/// Most of them that are stepped in one turn: commands and market data have their turn too.
const STEP_QUOTA: usize = 64;

/// Longest frame of a request.
const FRAME_BYTES_MAX: usize = 4_096;

/// Inputs for the steps that follow the present one.
pub struct Waiting(VecDeque<Input<'static>>);

impl Default for Waiting {
    fn default() -> Self {
        Self(VecDeque::with_capacity(WAITING_MAX))
    }
}

impl Deliver for Waiting {
    fn deliver(&mut self, input: Input<'static>) {
        self.0.push_back(input);
    }
}

/// The exchange's time, and the loop's own.
#[derive(Clone, Copy)]
struct Times<'a> {
    clock: &'a ServerClock,
    tick: &'a TickClock,
}

impl Times<'_> {
    fn now(self) -> Now {
        self.clock.at(self.tick.to_mono(self.tick.now()))
    }
}

/// One order connection.
pub struct OrderSlot {
    /// Of which part of the venue.
    pub market: Market,
    /// Its machine.
    pub session: OrderSession,
    /// Its socket.
    pub wire: Wire,
    /// Cells of the way of an order.
    pub latency: LatencyCells,
}

/// Where orders go out.
pub struct Desk {
    /// One a market.
    pub slots: Vec<OrderSlot>,
    /// The engine's cold requests.
    pub cold: Producer,
    /// The exchange's time.
    pub clock: ServerClock,
    /// The table.
    pub instruments: Arc<[Instrument]>,
    /// What is to be stepped next.
    pub waiting: Waiting,
    /// Where the way of each order is told.
    pub ways: WayLog,
    frame: Vec<u8>,
}

impl Desk {
    /// Nothing is connected yet.
    #[must_use]
    pub fn new(
        slots: Vec<OrderSlot>,
        cold: Producer,
        clock: ServerClock,
        instruments: Arc<[Instrument]>,
        ways: WayLog,
    ) -> Self {
        Self {
            slots,
            cold,
            clock,
            instruments,
            waiting: Waiting::default(),
            ways,
            frame: Vec::with_capacity(FRAME_BYTES_MAX),
        }
    }

    /// Steps what waits now; what these steps leave waits for the next call. True when there was
    /// anything.
    pub fn settle(&mut self, host: &mut EngineHost) -> bool {
        let count = self.waiting.0.len().min(STEP_QUOTA);
        for _ in 0..count {
            if let Some(input) = self.waiting.0.pop_front() {
                host.take_at(host.now(), input, self);
            }
        }
        count > 0
    }

    /// Reads replies; true when there was anything. `tick` is the loop's clock.
    #[inline]
    pub fn turn(&mut self, reading: &Reading, tick: &TickClock) -> bool {
        let Self {
            slots,
            waiting,
            clock,
            frame,
            ..
        } = self;
        let mut busy = false;
        for slot in slots {
            let times = Times { clock, tick };
            busy |= slot.turn(reading, times, waiting, frame);
        }
        busy
    }

    /// What is due of the machines.
    pub fn upkeep(&mut self, now: MonoNs) {
        let now = self.clock.at(now);
        for slot in &mut self.slots {
            slot.upkeep(now, &mut self.waiting, &mut self.frame);
        }
    }

    /// The cold side has answered the newest wish of `slot`.
    pub fn dialed(&mut self, slot: usize, reading: &Reading, tick: &TickClock) {
        let Self {
            slots,
            waiting,
            clock,
            frame,
            ..
        } = self;
        slots[slot].dialed(reading, Times { clock, tick }, waiting, frame);
    }
}

impl Outlet for Desk {
    #[inline]
    fn send(&mut self, request: &Request, stamps: &Stamps, clock: &TickClock) {
        if request.is_cold() {
            return push(&mut self.cold, request, stamps);
        }
        let instrument = Instruments(&self.instruments).get(instrument_of(request));
        let instrument = instrument.expect("the engine knows the same table");
        let mut slots = self.slots.iter_mut();
        let slot = slots.find(|slot| slot.market == instrument.market);
        let slot = slot.expect("every market with instruments has its order connection");
        let now = self.clock.at(clock.to_mono(clock.now()));
        let (waiting, frame) = (&mut self.waiting, &mut self.frame);
        let fate = slot.request(request, stamps, instrument, now, waiting, frame);
        if fate == Frame::Written {
            let written = clock.to_mono(clock.now());
            tell(&mut self.ways, stamps, request, written);
            slot.latency.note_written(request);
        }
        slot.latency.note_frame(request, fate);
    }
}

impl OrderSlot {
    /// What became of it.
    #[inline]
    fn request(
        &mut self,
        request: &Request,
        stamps: &Stamps,
        instrument: &Instrument,
        now: Now,
        waiting: &mut Waiting,
        frame: &mut Vec<u8>,
    ) -> Frame {
        frame.clear();
        let mut sink = PrivateSink::with(waiting, &self.wire.cells, &self.latency);
        let session = &mut self.session;
        if !encode(session, request, instrument, stamps, now, frame, &mut sink) {
            return Frame::Unsent;
        }
        match self.write(frame) {
            Ok(()) => Frame::Written,
            Err(end) => {
                self.lost(end, now, waiting);
                Frame::Failed
            }
        }
    }

    /// Whatever was under way on a broken connection is unresolved (I3).
    #[inline]
    fn write(&mut self, frame: &[u8]) -> Result<(), SocketEnd> {
        match &mut self.wire.socket {
            Some(socket) => socket.send_text(frame),
            None => Err(SocketEnd::ClosedByUs),
        }
    }

    #[inline]
    fn turn(
        &mut self,
        reading: &Reading,
        times: Times<'_>,
        waiting: &mut Waiting,
        frame: &mut Vec<u8>,
    ) -> bool {
        let Some(socket) = &mut self.wire.socket else {
            return false;
        };
        match socket.receive() {
            Ok(Received::Nothing) if !socket.has_unsent() => return false,
            Ok(_) => {}
            Err(end) => {
                self.lost(end, times.now(), waiting);
                return true;
            }
        }
        self.take_messages(reading, times, waiting, frame);
        true
    }

    fn take_messages(
        &mut self,
        reading: &Reading,
        times: Times<'_>,
        waiting: &mut Waiting,
        frame: &mut Vec<u8>,
    ) {
        let now = times.now();
        if let Err(end) = self.read(reading, now, waiting) {
            self.lost(end, now, waiting);
        }
        if self.session.take_clock_refused() {
            times.clock.refuse();
        }
        self.write_due(now, waiting, frame);
    }

    /// Takes every whole message; one read brings no more than a buffer of them.
    fn read(
        &mut self,
        reading: &Reading,
        now: Now,
        waiting: &mut Waiting,
    ) -> Result<(), SocketEnd> {
        loop {
            let Some(socket) = &mut self.wire.socket else {
                return Ok(());
            };
            let text = match socket.next_message()? {
                Some(Message::Text(text)) => text,
                Some(_) => {
                    self.session.on_alive(now.mono);
                    continue;
                }
                None => return socket.flush().map(|_| ()),
            };
            self.wire.cells.frame(text.len(), reading.utc_s);
            let mut sink = PrivateSink::with(waiting, &self.wire.cells, &self.latency);
            let instruments = Instruments(&reading.instruments);
            let action = self.session.on_frame(text, now, &instruments, &mut sink);
            if let Some(LinkAction::Close(reason)) = action {
                self.wire.close(reason, None);
            }
        }
    }

    /// The log-on and the subscription to private events, when they are due.
    fn write_due(&mut self, now: Now, waiting: &mut Waiting, frame: &mut Vec<u8>) {
        frame.clear();
        if self.session.due_frame(now, frame)
            && let Err(end) = self.write(frame)
        {
            self.lost(end, now, waiting);
        }
    }

    fn upkeep(&mut self, now: Now, waiting: &mut Waiting, frame: &mut Vec<u8>) {
        let mut sink = PrivateSink::with(waiting, &self.wire.cells, &self.latency);
        match self.session.poll(now, &mut sink) {
            Some(LinkAction::Connect) => self.wire.ask(self.session.next_deadline()),
            Some(LinkAction::Ping) => {
                if let Err(end) = self.wire.ping() {
                    self.lost(end, now, waiting);
                }
            }
            Some(LinkAction::Close(reason)) => self.wire.close(reason, None),
            // A silence may have held a log-on back.
            None => self.write_due(now, waiting, frame),
        }
    }

    fn dialed(
        &mut self,
        reading: &Reading,
        times: Times<'_>,
        waiting: &mut Waiting,
        frame: &mut Vec<u8>,
    ) {
        let now = times.now();
        let mut sink = PrivateSink::with(waiting, &self.wire.cells, &self.latency);
        if self.wire.socket.is_none() {
            return self.session.on_disconnected(now, &mut sink);
        }
        self.session.on_connected(now, &mut sink);
        // The first bytes may have come with the answer to the upgrade.
        self.take_messages(reading, times, waiting, frame);
    }

    #[cold]
    fn lost(&mut self, end: SocketEnd, now: Now, waiting: &mut Waiting) {
        let mut sink = PrivateSink::with(waiting, &self.wire.cells, &self.latency);
        self.session.on_disconnected(now, &mut sink);
        self.wire.close(CloseReason::Disconnected, Some(end));
    }
}
