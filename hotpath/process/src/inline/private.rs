//! The private stream of futures on the pinned thread: fills are hot.
//!
//! In: its socket. Out: order updates, positions, balances for the engine's next steps. Never:
//! REST; the listen key is the cold side's.

use super::desk::Waiting;
use super::dialing::Dialed;
use super::thread::Reading;
use super::wire::Wire;
use crate::gateway::private_sink::PrivateSink;
use crate::hot_socket::{Received, SocketEnd};
use crate::tick_clock::TickClock;
use binance::session::{CloseReason, LinkAction, PrivateFeed, PrivateStream, PrivateTurn};
use market::{Instruments, MonoNs};
use websocket::Message;

/// The private stream of a market: its connection, and the one that replaces it.
pub struct PrivateSlots {
    /// Makes one stream of them.
    pub feed: PrivateFeed,
    /// By number.
    pub slots: Vec<PrivateSlot>,
}

impl PrivateSlots {
    /// Reads what there is. True when there was anything.
    #[inline]
    pub fn turn(&mut self, reading: &Reading, tick: &TickClock, waiting: &mut Waiting) -> bool {
        let mut busy = false;
        for slot in &mut self.slots {
            busy |= slot.turn(&mut self.feed, reading, tick, waiting);
        }
        busy
    }

    /// What is due of its machines.
    pub fn upkeep(&mut self, now: MonoNs, waiting: &mut Waiting) {
        for slot in &mut self.slots {
            slot.upkeep(&mut self.feed, now, waiting);
        }
    }

    /// The exchange does not know the listen key of this place any more.
    pub fn key_gone(&mut self, place: usize, now: MonoNs, waiting: &mut Waiting) {
        let slot = self.slots.iter_mut().find(|one| one.wire.place() == place);
        if let Some(slot) = slot {
            slot.key_gone(&mut self.feed, now, waiting);
        }
    }

    /// The cold side has answered the newest wish of the slot at this place, if it is one of these;
    /// handed back where it is not.
    pub fn dialed(
        &mut self,
        dialed: Dialed,
        now: MonoNs,
        reading: &Reading,
        waiting: &mut Waiting,
    ) -> Option<Dialed> {
        let place = dialed.place;
        let Some(slot) = self.slots.iter_mut().find(|one| one.wire.place() == place) else {
            return Some(dialed);
        };
        if slot.wire.take(dialed) {
            slot.dialed(&mut self.feed, now, reading, waiting);
        }
        None
    }
}

/// One connection of the private stream.
pub struct PrivateSlot {
    /// Its number.
    pub number: usize,
    /// Its machine.
    pub stream: PrivateStream,
    /// Its socket.
    pub wire: Wire,
}

impl PrivateSlot {
    /// Reads what there is. True when there was anything.
    #[inline]
    fn turn(
        &mut self,
        feed: &mut PrivateFeed,
        reading: &Reading,
        tick: &TickClock,
        waiting: &mut Waiting,
    ) -> bool {
        let Some(socket) = &mut self.wire.socket else {
            return false;
        };
        match socket.receive() {
            Ok(Received::Nothing) if !socket.has_unsent() => return false,
            Ok(_) => {}
            Err(end) => {
                self.lost(end, feed, tick.to_mono(tick.now()), waiting);
                return true;
            }
        }
        self.take_messages(feed, reading, tick.to_mono(tick.now()), waiting);
        true
    }

    fn take_messages(
        &mut self,
        feed: &mut PrivateFeed,
        reading: &Reading,
        now: MonoNs,
        waiting: &mut Waiting,
    ) {
        if let Err(end) = self.read(feed, reading, now, waiting) {
            self.lost(end, feed, now, waiting);
        }
    }

    /// Takes every whole message; one read brings no more than a buffer of them.
    fn read(
        &mut self,
        feed: &mut PrivateFeed,
        reading: &Reading,
        now: MonoNs,
        waiting: &mut Waiting,
    ) -> Result<(), SocketEnd> {
        loop {
            let Some(socket) = &mut self.wire.socket else {
                return Ok(());
            };
            let text = match socket.next_message()? {
                Some(Message::Text(text)) => text,
                Some(_) => {
                    self.stream.on_alive(now);
                    continue;
                }
                None => return socket.flush().map(|_| ()),
            };
            self.wire.cells.frame(text.len(), reading.utc_s);
            let mut events = PrivateSink::new(waiting, &self.wire.cells);
            let mut sink = feed.sink(self.number, now, &mut events);
            let instruments = Instruments(&reading.instruments);
            let action = self.stream.on_frame(text, now, &instruments, &mut sink);
            if let Some(LinkAction::Close(reason)) = action {
                self.wire.close(reason, None);
            }
        }
    }

    /// What is due of its machine.
    fn upkeep(&mut self, feed: &mut PrivateFeed, now: MonoNs, waiting: &mut Waiting) {
        let is_old = self.stream.is_due_for_replacement(now);
        let turn = feed.turn(self.number, is_old, now);
        let mut events = PrivateSink::new(waiting, &self.wire.cells);
        let mut sink = feed.sink(self.number, now, &mut events);
        let action = match turn {
            PrivateTurn::Rest => None,
            PrivateTurn::Work => self.stream.poll(now, &mut sink),
            PrivateTurn::Retire => Some(self.stream.close(CloseReason::Rotated, now, &mut sink)),
        };
        match action {
            Some(LinkAction::Connect) => self.wire.ask(self.stream.next_deadline()),
            Some(LinkAction::Ping) => {
                if let Err(end) = self.wire.ping() {
                    self.lost(end, feed, now, waiting);
                }
            }
            Some(LinkAction::Close(reason)) => self.wire.close(reason, None),
            None => {}
        }
    }

    /// The cold side has answered the newest wish.
    fn dialed(
        &mut self,
        feed: &mut PrivateFeed,
        now: MonoNs,
        reading: &Reading,
        waiting: &mut Waiting,
    ) {
        let mut events = PrivateSink::new(waiting, &self.wire.cells);
        let mut sink = feed.sink(self.number, now, &mut events);
        if self.wire.socket.is_none() {
            return self.stream.on_disconnected(now, &mut sink);
        }
        self.stream.on_connected(now, &mut sink);
        // The first bytes may have come with the answer to the upgrade.
        self.take_messages(feed, reading, now, waiting);
    }

    /// The exchange does not know the listen key any more.
    fn key_gone(&mut self, feed: &mut PrivateFeed, now: MonoNs, waiting: &mut Waiting) {
        if self.wire.socket.is_some() {
            let mut events = PrivateSink::new(waiting, &self.wire.cells);
            let mut sink = feed.sink(self.number, now, &mut events);
            self.stream.close(CloseReason::KeyExpired, now, &mut sink);
            self.wire.close(CloseReason::KeyExpired, None);
        }
    }

    #[cold]
    fn lost(&mut self, end: SocketEnd, feed: &mut PrivateFeed, now: MonoNs, waiting: &mut Waiting) {
        let mut events = PrivateSink::new(waiting, &self.wire.cells);
        let mut sink = feed.sink(self.number, now, &mut events);
        self.stream.on_disconnected(now, &mut sink);
        self.wire.close(CloseReason::Disconnected, Some(end));
    }
}
