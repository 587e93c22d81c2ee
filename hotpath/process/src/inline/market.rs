//! A market connection of the pinned thread: bytes become steps of the engine at once.
//!
//! In: its socket. Out: steps of the engine. Never: more than its quota of messages in one turn;
//! replies and fills do not wait for a burst.

use super::desk::Desk;
use super::thread::Reading;
use super::wire::Wire;
use crate::clock;
use crate::engine_host::EngineHost;
use crate::gateway::stream_cells::StreamCells;
use crate::hot_socket::{Received, SocketEnd};
use crate::messages::Stamps;
use binance::session::{CloseReason, LinkAction, MarketEvents, MarketSession};
use binance::{DecodeError, StreamMessage};
use engine::Input;
use engine::event::{StreamChange, StreamKind};
use market::{InstrumentId, Instruments, Market, MonoNs};
use websocket::Message;

/// Most messages of one connection in one turn.
const MESSAGE_QUOTA: usize = 8;

/// One market connection.
pub struct MarketSlot {
    /// Its machine.
    pub session: MarketSession,
    /// Its socket.
    pub wire: Wire,
    /// Whole messages may wait in the socket, and when their last bytes came.
    left: Option<MonoNs>,
}

impl MarketSlot {
    /// Nothing is connected yet.
    #[must_use]
    pub const fn new(session: MarketSession, wire: Wire) -> Self {
        Self {
            session,
            wire,
            left: None,
        }
    }

    /// Reads and steps what there is. True when there was anything.
    #[inline]
    pub fn turn(&mut self, reading: &Reading, host: &mut EngineHost, desk: &mut Desk) -> bool {
        let Some(socket) = &mut self.wire.socket else {
            return false;
        };
        let mut received = self.left.take();
        if received.is_none() {
            match socket.receive() {
                Ok(Received::Nothing) => return false,
                Ok(Received::Bytes { arrived, .. }) => {
                    received = Some(reading.arrival(arrived, clock::monotonic()));
                }
                Err(end) => {
                    self.lost(end, host, desk);
                    return true;
                }
            }
        }
        let now = clock::monotonic();
        let received = received.unwrap_or(now);
        for _ in 0..MESSAGE_QUOTA {
            let Some(socket) = &mut self.wire.socket else {
                return true;
            };
            let text = match socket.next_message() {
                Ok(Some(Message::Text(text))) => text,
                // The socket answers pings by itself.
                Ok(Some(_)) => continue,
                Ok(None) => return true,
                Err(end) => {
                    self.lost(end, host, desk);
                    return true;
                }
            };
            self.wire.cells.frame(text.len(), reading.utc_s);
            let mut sink = Sink {
                host: &mut *host,
                desk: &mut *desk,
                cells: &self.wire.cells,
                received,
                now,
            };
            let instruments = Instruments(&reading.instruments);
            let action = self.session.on_frame(text, now, &instruments, &mut sink);
            if let Some(LinkAction::Close(reason)) = action {
                self.wire.close(reason, None);
                return true;
            }
        }
        self.left = Some(received);
        true
    }

    /// What is due of its machine.
    pub fn upkeep(&mut self, now: MonoNs, host: &mut EngineHost, desk: &mut Desk) {
        let mut sink = Sink {
            host,
            desk,
            cells: &self.wire.cells,
            received: now,
            now,
        };
        match self.session.poll(now, &mut sink) {
            Some(LinkAction::Connect) => self.wire.ask(self.session.next_deadline()),
            Some(LinkAction::Close(reason)) => self.wire.close(reason, None),
            None => {}
        }
    }

    /// The cold side has answered the newest wish.
    pub fn dialed(&mut self, now: MonoNs, host: &mut EngineHost, desk: &mut Desk) {
        self.left = None;
        let mut sink = Sink {
            host,
            desk,
            cells: &self.wire.cells,
            received: now,
            now,
        };
        if self.wire.socket.is_some() {
            self.session.on_connected(now, &mut sink);
            // The first bytes may have come with the answer to the upgrade.
            self.left = Some(now);
        } else {
            self.session.on_disconnected(now, &mut sink);
        }
    }

    #[cold]
    fn lost(&mut self, end: SocketEnd, host: &mut EngineHost, desk: &mut Desk) {
        let now = clock::monotonic();
        let mut sink = Sink {
            host,
            desk,
            cells: &self.wire.cells,
            received: now,
            now,
        };
        self.session.on_disconnected(now, &mut sink);
        self.wire.close(CloseReason::Disconnected, Some(end));
    }
}

/// Steps the engine with each event.
struct Sink<'a> {
    host: &'a mut EngineHost,
    desk: &'a mut Desk,
    cells: &'a StreamCells,
    received: MonoNs,
    now: MonoNs,
}

impl Sink<'_> {
    #[inline]
    fn take(&mut self, input: Input<'_>, decoded: MonoNs) {
        let stamps = Stamps {
            received: self.received,
            decoded,
            ..Stamps::at(self.now)
        };
        self.host.take(input, stamps, self.desk);
    }
}

impl MarketEvents for Sink<'_> {
    #[inline]
    fn market_data(&mut self, message: StreamMessage<'_>) {
        let decoded = clock::monotonic();
        match message {
            StreamMessage::Depth(depth) => self.take(Input::Depth(depth), decoded),
            StreamMessage::BookTicker(ticker) => self.take(Input::BookTicker(ticker), decoded),
            StreamMessage::Trade(trade) => self.take(Input::Trade(trade), decoded),
            StreamMessage::AggTrade(trade) => self.take(Input::AggTrade(trade), decoded),
            StreamMessage::MarkPrice(mark) => self.take(Input::MarkPrice(mark), decoded),
            StreamMessage::Control(_) | StreamMessage::Other(_) => {}
        }
    }

    fn book_doubtful(&mut self, instrument: InstrumentId) {
        self.take(Input::ParseFailure(instrument), self.now);
    }

    fn parse_error(&mut self, error: DecodeError) {
        self.cells.parse_error(error);
    }

    fn stream(&mut self, market: Market, up: bool) {
        let stream = StreamKind::Market;
        let change = StreamChange { stream, market, up };
        self.take(Input::Stream(change), self.now);
    }
}
