//! The private stream of futures on the pinned thread: fills are hot.
//!
//! In: its socket. Out: order updates, positions, balances for the engine's next steps. Never:
//! REST; the listen key is the cold side's.

use super::desk::Waiting;
use super::thread::Reading;
use super::wire::Wire;
use crate::gateway::private_sink::PrivateSink;
use crate::hot_socket::{Received, SocketEnd};
use crate::tick_clock::TickClock;
use binance::session::{CloseReason, LinkAction, PrivateStream};
use market::{Instruments, MonoNs};
use websocket::Message;

/// One private stream.
pub struct PrivateSlot {
    /// Its machine.
    pub stream: PrivateStream,
    /// Its socket.
    pub wire: Wire,
}

impl PrivateSlot {
    /// Reads what there is. True when there was anything.
    #[inline]
    pub fn turn(&mut self, reading: &Reading, tick: &TickClock, waiting: &mut Waiting) -> bool {
        let Some(socket) = &mut self.wire.socket else {
            return false;
        };
        match socket.receive() {
            Ok(Received::Nothing) if !socket.has_unsent() => return false,
            Ok(_) => {}
            Err(end) => {
                self.lost(end, tick.to_mono(tick.now()), waiting);
                return true;
            }
        }
        self.take_messages(reading, tick.to_mono(tick.now()), waiting);
        true
    }

    fn take_messages(&mut self, reading: &Reading, now: MonoNs, waiting: &mut Waiting) {
        if let Err(end) = self.read(reading, now, waiting) {
            self.lost(end, now, waiting);
        }
    }

    /// Takes every whole message; one read brings no more than a buffer of them.
    fn read(
        &mut self,
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
            let mut sink = PrivateSink::new(waiting, &self.wire.cells);
            let instruments = Instruments(&reading.instruments);
            let action = self.stream.on_frame(text, now, &instruments, &mut sink);
            if let Some(LinkAction::Close(reason)) = action {
                self.wire.close(reason, None);
            }
        }
    }

    /// What is due of its machine.
    pub fn upkeep(&mut self, now: MonoNs, waiting: &mut Waiting) {
        let mut sink = PrivateSink::new(waiting, &self.wire.cells);
        match self.stream.poll(now, &mut sink) {
            Some(LinkAction::Connect) => self.wire.ask(self.stream.next_deadline()),
            Some(LinkAction::Close(reason)) => self.wire.close(reason, None),
            None => {}
        }
    }

    /// The cold side has answered the newest wish.
    pub fn dialed(&mut self, now: MonoNs, reading: &Reading, waiting: &mut Waiting) {
        let mut sink = PrivateSink::new(waiting, &self.wire.cells);
        if self.wire.socket.is_none() {
            return self.stream.on_disconnected(now, &mut sink);
        }
        self.stream.on_connected(now, &mut sink);
        // The first bytes may have come with the answer to the upgrade.
        self.take_messages(reading, now, waiting);
    }

    /// The exchange does not know the listen key any more.
    pub fn key_gone(&mut self, now: MonoNs, waiting: &mut Waiting) {
        if self.wire.socket.is_some() {
            let mut sink = PrivateSink::new(waiting, &self.wire.cells);
            self.stream.close(CloseReason::KeyExpired, now, &mut sink);
            self.wire.close(CloseReason::KeyExpired, None);
        }
    }

    #[cold]
    fn lost(&mut self, end: SocketEnd, now: MonoNs, waiting: &mut Waiting) {
        let mut sink = PrivateSink::new(waiting, &self.wire.cells);
        self.stream.on_disconnected(now, &mut sink);
        self.wire.close(CloseReason::Disconnected, Some(end));
    }
}
