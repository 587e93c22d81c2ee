//! The market gateway: one task a connection on one thread, the first copy of each decoded event into
//! the market ring.
//!
//! In: market sessions and the dialer. Out: inputs with the time at which their frame was read.
//! Never: an allocation of our own per message; the WebSocket library makes one.

use super::inbox::Inbox;
use super::leash::Leash;
use super::rest::remaining;
use super::socket::{Dialer, WebSocket};
use super::stream_cells::{FeedCells, StreamCells};
use crate::clock;
use crate::wiring::connection_name;
use binance::session::{CloseReason, Feed, LinkAction, MarketEvents, MarketSession};
use binance::{DecodeError, StreamMessage};
use engine::Input;
use engine::event::{StreamChange, StreamKind};
use futures_util::StreamExt;
use market::{Instrument, InstrumentId, Instruments, Market};
use std::cell::RefCell;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;
use tokio::task::LocalSet;
use tokio_tungstenite::tungstenite::Message;

/// A connection before it runs.
pub struct MarketConnection {
    /// Its machine.
    pub session: MarketSession,
    /// Its cells.
    pub cells: StreamCells,
    /// Where it is shown what it brought.
    pub brought: FeedCells,
}

/// The connections of one route before they run.
pub struct MarketParts {
    /// Makes one stream of them.
    pub feed: Feed,
    /// By number.
    pub connections: Vec<MarketConnection>,
}

/// What the thread is given.
pub struct MarketGateway {
    /// Every route.
    pub routes: Vec<MarketParts>,
    /// Opens sockets.
    pub dialer: Dialer,
    /// The table.
    pub instruments: Arc<[Instrument]>,
    /// The market ring.
    pub inbox: Inbox,
}

impl MarketGateway {
    /// Runs on the calling thread until the leash ends it.
    ///
    /// # Panics
    /// When the system gives no event loop.
    pub fn run(self, leash: &Arc<Leash>) {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .expect("the system has an event loop");
        let inbox = Rc::new(RefCell::new(self.inbox));
        let tasks = LocalSet::new();
        for route in self.routes {
            let feed = Rc::new(RefCell::new(route.feed));
            for (number, connection) in route.connections.into_iter().enumerate() {
                let task = Connection {
                    number,
                    feed: Rc::clone(&feed),
                    session: connection.session,
                    cells: connection.cells,
                    brought: connection.brought,
                    inbox: Rc::clone(&inbox),
                    instruments: Arc::clone(&self.instruments),
                    dialer: self.dialer.clone(),
                    socket: None,
                };
                tasks.spawn_local(task.run());
            }
        }
        let leash = Arc::clone(leash);
        runtime.block_on(tasks.run_until(async move {
            while leash.goes_on() {
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        }));
    }
}

/// A look at what another connection of the route has done: whether this one is to open, or to close.
const LOOK: Duration = Duration::from_millis(200);

struct Connection {
    number: usize,
    feed: Rc<RefCell<Feed>>,
    session: MarketSession,
    cells: StreamCells,
    brought: FeedCells,
    inbox: Rc<RefCell<Inbox>>,
    instruments: Arc<[Instrument]>,
    dialer: Dialer,
    socket: Option<WebSocket>,
}

impl Connection {
    async fn run(mut self) {
        loop {
            let now = clock::monotonic();
            let action = {
                let mut inbox = self.inbox.borrow_mut();
                inbox.received = now;
                let mut feed = self.feed.borrow_mut();
                self.brought.show(&feed.counts(self.number));
                let sink = &mut Sink(&mut inbox, &self.cells);
                feed.poll(self.number, &mut self.session, now, sink)
            };
            match action {
                Some(LinkAction::Connect) => self.connect().await,
                Some(LinkAction::Close(reason)) => self.drop_socket(reason),
                // Market data is never silent for so long that a ping would have to ask.
                Some(LinkAction::Ping) | None => self.wait().await,
            }
        }
    }

    async fn connect(&mut self) {
        let patience = remaining(self.session.next_deadline());
        let dialed = self.dialer.web_socket(self.session.url());
        // A time-out is left to the machine: its next poll says so.
        let Ok(dialed) = tokio::time::timeout(patience, dialed).await else {
            return;
        };
        let now = clock::monotonic();
        let mut inbox = self.inbox.borrow_mut();
        inbox.received = now;
        match dialed {
            Ok(socket) => {
                self.socket = Some(socket);
                self.cells.opened();
                let sink = &mut Sink(&mut inbox, &self.cells);
                let mut feed = self.feed.borrow_mut();
                feed.on_connected(self.number, &mut self.session, now, sink);
            }
            Err(error) => {
                tracing::warn!(stream = self.name(), %error, "not connected");
                let sink = &mut Sink(&mut inbox, &self.cells);
                let mut feed = self.feed.borrow_mut();
                feed.on_disconnected(self.number, &mut self.session, now, sink);
                self.cells.closed(CloseReason::ConnectFailed);
            }
        }
    }

    /// Until the next frame or deadline.
    async fn wait(&mut self) {
        let due = self.feed.borrow().next_deadline(self.number, &self.session);
        let patience = due.map_or(LOOK, remaining).min(LOOK);
        let Some(socket) = &mut self.socket else {
            tokio::time::sleep(patience).await;
            return;
        };
        let Ok(message) = tokio::time::timeout(patience, socket.next()).await else {
            return;
        };
        let received = clock::monotonic();
        match message {
            Some(Ok(Message::Text(text))) => self.frame(text.as_bytes(), received),
            Some(Ok(Message::Close(_)) | Err(_)) | None => {
                let mut inbox = self.inbox.borrow_mut();
                inbox.received = received;
                let sink = &mut Sink(&mut inbox, &self.cells);
                let (number, session) = (self.number, &mut self.session);
                let mut feed = self.feed.borrow_mut();
                feed.on_disconnected(number, session, received, sink);
                drop((feed, inbox));
                self.drop_socket(CloseReason::Disconnected);
            }
            // The library answers pings by itself.
            Some(Ok(_)) => {}
        }
    }

    fn frame(&mut self, bytes: &[u8], received: market::MonoNs) {
        let utc_s = clock::utc().0.unsigned_abs() / 1_000_000_000;
        self.cells.frame(bytes.len(), utc_s);
        let instruments = Instruments(&self.instruments);
        let action = {
            let mut inbox = self.inbox.borrow_mut();
            inbox.received = received;
            let sink = &mut Sink(&mut inbox, &self.cells);
            let (number, session) = (self.number, &mut self.session);
            let mut feed = self.feed.borrow_mut();
            feed.on_frame(number, session, bytes, received, &instruments, sink)
        };
        if let Some(LinkAction::Close(reason)) = action {
            self.drop_socket(reason);
        }
    }

    fn drop_socket(&mut self, reason: CloseReason) {
        tracing::warn!(stream = self.name(), %reason, "STREAM_DOWN");
        self.socket = None;
        self.cells.closed(reason);
    }

    fn name(&self) -> String {
        connection_name(self.session.route(), self.number)
    }
}

/// Puts decoded events into the ring.
struct Sink<'a>(&'a mut Inbox, &'a StreamCells);

impl MarketEvents for Sink<'_> {
    fn market_data(&mut self, message: StreamMessage<'_>) {
        match message {
            StreamMessage::Depth(depth) => self.0.offer(Input::Depth(depth)),
            StreamMessage::BookTicker(ticker) => self.0.offer(Input::BookTicker(ticker)),
            StreamMessage::Trade(trade) => self.0.offer(Input::Trade(trade)),
            StreamMessage::AggTrade(trade) => self.0.offer(Input::AggTrade(trade)),
            StreamMessage::MarkPrice(mark) => self.0.offer(Input::MarkPrice(mark)),
            StreamMessage::Control(_) | StreamMessage::Other(_) => {}
        }
    }

    fn book_doubtful(&mut self, instrument: InstrumentId) {
        self.0.deliver(Input::ParseFailure(instrument));
    }

    fn parse_error(&mut self, error: DecodeError) {
        self.1.parse_error(error);
    }

    fn stream(&mut self, market: Market, up: bool) {
        let stream = StreamKind::Market;
        self.0
            .deliver(Input::Stream(StreamChange { stream, market, up }));
    }
}
