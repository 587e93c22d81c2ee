//! Market connections of the pinned thread: bytes become steps of the engine at once.
//!
//! In: the sockets of one route. Out: steps of the engine, for the first copy of each message. Never:
//! more than the quota of messages of a socket in one turn; replies and fills do not wait for a burst.

use super::desk::Desk;
use super::dialing::Dialed;
use super::thread::Reading;
use super::wire::Wire;
use crate::engine_host::EngineHost;
use crate::gateway::stream_cells::{FeedCells, StreamCells};
use crate::hot_socket::{Received, SocketEnd};
use crate::messages::Stamps;
use crate::tick_clock::Ticks;
use binance::session::{CloseReason, Feed, LinkAction, MarketEvents, MarketSession};
use binance::{DecodeError, StreamMessage};
use engine::Input;
use engine::event::{StreamChange, StreamKind};
use market::{InstrumentId, Instruments, Market, MonoNs, UtcNs};
use websocket::Message;

/// Most messages of one connection in one turn.
const MESSAGE_QUOTA: usize = 8;

/// One route and its connections.
pub struct MarketFeed {
    /// Makes one stream of them.
    pub feed: Feed,
    /// By number.
    pub slots: Vec<MarketSlot>,
}

impl MarketFeed {
    /// Reads and steps what there is. True when there was anything.
    #[inline]
    pub fn turn(&mut self, reading: &Reading, host: &mut EngineHost, desk: &mut Desk) -> bool {
        let mut busy = false;
        for slot in &mut self.slots {
            busy |= slot.turn(&mut self.feed, reading, host, desk);
        }
        busy
    }

    /// What is due of its machines.
    pub fn upkeep(&mut self, now: MonoNs, host: &mut EngineHost, desk: &mut Desk) {
        for slot in &mut self.slots {
            slot.upkeep(&mut self.feed, now, host, desk);
        }
    }

    /// The connection of this number is open.
    pub fn opened(&mut self, number: usize, now: MonoNs, host: &mut EngineHost, desk: &mut Desk) {
        self.slots[number].dialed(&mut self.feed, now, host, desk);
    }

    /// The cold side has answered the newest wish of the slot at this place, if it is one of these;
    /// handed back where it is not.
    pub fn dialed(
        &mut self,
        dialed: Dialed,
        now: MonoNs,
        host: &mut EngineHost,
        desk: &mut Desk,
    ) -> Option<Dialed> {
        let place = dialed.place;
        let Some(slot) = self.slots.iter_mut().find(|one| one.wire.place() == place) else {
            return Some(dialed);
        };
        if slot.wire.take(dialed) {
            slot.dialed(&mut self.feed, now, host, desk);
        }
        None
    }
}

/// One market connection.
pub struct MarketSlot {
    /// Its number among those of its route.
    pub number: usize,
    /// Its machine.
    pub session: MarketSession,
    /// Its socket.
    pub wire: Wire,
    /// Where it is shown what it brought.
    pub brought: Option<FeedCells>,
    /// The stamps of the read whose messages were not all taken.
    left: Option<Stamps>,
}

impl MarketSlot {
    /// Nothing is connected yet.
    #[must_use]
    pub const fn new(
        number: usize,
        session: MarketSession,
        wire: Wire,
        brought: Option<FeedCells>,
    ) -> Self {
        Self {
            number,
            session,
            wire,
            brought,
            left: None,
        }
    }

    /// Reads and steps what there is. True when there was anything.
    #[inline]
    fn turn(
        &mut self,
        feed: &mut Feed,
        reading: &Reading,
        host: &mut EngineHost,
        desk: &mut Desk,
    ) -> bool {
        let Some(socket) = &mut self.wire.socket else {
            return false;
        };
        let mut read = Ticks::NONE;
        let stamps = match self.left.take() {
            Some(stamps) => stamps,
            None => match socket.receive_and(|| read = host.clock().now()) {
                Ok(Received::Nothing) if !socket.has_unsent() => return false,
                Ok(Received::Nothing) => return self.flush(feed, host, desk),
                Ok(Received::Bytes { arrived, .. }) => stamps_of(arrived, read, host, reading),
                Err(end) => {
                    self.lost(end, feed, host, desk);
                    return true;
                }
            },
        };
        for _ in 0..MESSAGE_QUOTA {
            if !self.take_message(feed, stamps, reading, host, desk) {
                return true;
            }
        }
        self.left = Some(stamps);
        true
    }

    /// Offers the kernel what it did not take.
    #[cold]
    fn flush(&mut self, feed: &mut Feed, host: &mut EngineHost, desk: &mut Desk) -> bool {
        let flushed = self.wire.socket.as_mut().map(|socket| socket.flush());
        if let Some(Err(end)) = flushed {
            self.lost(end, feed, host, desk);
        }
        true
    }

    /// Takes one message; false when there is none, now or ever.
    #[inline]
    fn take_message(
        &mut self,
        feed: &mut Feed,
        mut stamps: Stamps,
        reading: &Reading,
        host: &mut EngineHost,
        desk: &mut Desk,
    ) -> bool {
        let Some(socket) = &mut self.wire.socket else {
            return false;
        };
        let text = match socket.next_message() {
            Ok(Some(Message::Text(text))) => text,
            // The socket answers pings by itself.
            Ok(Some(_)) => return true,
            Ok(None) => return false,
            Err(end) => {
                self.lost(end, feed, host, desk);
                return false;
            }
        };
        self.wire.cells.frame(text.len(), reading.utc_s);
        let now = host.now();
        stamps.framed = now;
        let mut sink = Sink {
            host,
            desk,
            cells: &self.wire.cells,
            stamps,
            now,
        };
        let instruments = Instruments(&reading.instruments);
        let (number, session) = (self.number, &mut self.session);
        let action = feed.on_frame(number, session, text, now, &instruments, &mut sink);
        if let Some(LinkAction::Close(reason)) = action {
            self.wire.close(reason, None);
        }
        true
    }

    /// What is due of its machine.
    fn upkeep(&mut self, feed: &mut Feed, now: MonoNs, host: &mut EngineHost, desk: &mut Desk) {
        if let Some(brought) = &self.brought {
            brought.show(&feed.counts(self.number));
        }
        let mut sink = Sink {
            host,
            desk,
            cells: &self.wire.cells,
            stamps: Stamps::default(),
            now,
        };
        match feed.poll(self.number, &mut self.session, now, &mut sink) {
            Some(LinkAction::Connect) => self.wire.ask(self.session.next_deadline()),
            Some(LinkAction::Close(reason)) => self.wire.close(reason, None),
            // Market data is never silent for so long that a ping would have to ask.
            Some(LinkAction::Ping) | None => {}
        }
    }

    /// The cold side has answered the newest wish.
    fn dialed(&mut self, feed: &mut Feed, now: MonoNs, host: &mut EngineHost, desk: &mut Desk) {
        self.left = None;
        let mut sink = Sink {
            host,
            desk,
            cells: &self.wire.cells,
            stamps: Stamps::default(),
            now,
        };
        let (number, session) = (self.number, &mut self.session);
        if self.wire.socket.is_some() {
            feed.on_connected(number, session, now, &mut sink);
            // The first bytes may have come with the answer to the upgrade.
            self.left = Some(Stamps {
                read: now,
                ..Stamps::default()
            });
        } else {
            feed.on_disconnected(number, session, now, &mut sink);
        }
    }

    #[cold]
    fn lost(&mut self, end: SocketEnd, feed: &mut Feed, host: &mut EngineHost, desk: &mut Desk) {
        let now = host.now();
        let mut sink = Sink {
            host,
            desk,
            cells: &self.wire.cells,
            stamps: Stamps::default(),
            now,
        };
        feed.on_disconnected(self.number, &mut self.session, now, &mut sink);
        self.wire.close(CloseReason::Disconnected, Some(end));
    }
}

/// The stamps that the messages of one read share.
#[inline]
fn stamps_of(arrived: Option<UtcNs>, read: Ticks, host: &EngineHost, reading: &Reading) -> Stamps {
    let clock = host.clock();
    // A socket that has ended hands out what is left without a read.
    let read = if read.is_set() { read } else { clock.now() };
    let age = arrived.and_then(|arrived| clock.kernel_age(arrived.0, read));
    Stamps {
        kernel_age_ns: age.map_or(0, |age| age.max(1)),
        read: clock.to_mono(read),
        decrypted: host.now(),
        stalled: reading.stalled,
        ..Stamps::default()
    }
}

/// Steps the engine with each event.
struct Sink<'a> {
    host: &'a mut EngineHost,
    desk: &'a mut Desk,
    cells: &'a StreamCells,
    stamps: Stamps,
    now: MonoNs,
}

impl MarketEvents for Sink<'_> {
    #[inline]
    fn market_data(&mut self, message: StreamMessage<'_>) {
        let input = match message {
            StreamMessage::Depth(depth) => Input::Depth(depth),
            StreamMessage::BookTicker(ticker) => Input::BookTicker(ticker),
            StreamMessage::Trade(trade) => Input::Trade(trade),
            StreamMessage::AggTrade(trade) => Input::AggTrade(trade),
            StreamMessage::MarkPrice(mark) => Input::MarkPrice(mark),
            StreamMessage::Control(_) | StreamMessage::Other(_) => return,
        };
        self.stamps.parsed = self.host.now();
        self.host.take(self.now, input, self.stamps, self.desk);
    }

    fn book_doubtful(&mut self, instrument: InstrumentId) {
        let input = Input::ParseFailure(instrument);
        self.host.take_at(self.now, input, self.desk);
    }

    fn parse_error(&mut self, error: DecodeError) {
        self.cells.parse_error(error);
    }

    fn stream(&mut self, market: Market, up: bool) {
        let stream = StreamKind::Market;
        let input = Input::Stream(StreamChange { stream, market, up });
        self.host.take_at(self.now, input, self.desk);
    }
}
