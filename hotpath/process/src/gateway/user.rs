//! The private stream's shell.
//!
//! In: the user session, its calls and frames. Out: order updates, positions and balances for the
//! engine. Never: a keep-alive that holds up a fill; both are waited for at once.

use super::inbox::Inbox;
use super::private_sink::PrivateSink;
use super::rest::{Response, RestClient, remaining};
use super::socket::{Dialer, WebSocket};
use super::stream_cells::StreamCells;
use crate::clock;
use binance::session::{
    CloseReason, LinkAction, PrivateFeed, PrivateMerged, PrivateTurn, UserAction, UserSession,
};
use futures_util::{SinkExt, StreamExt};
use market::{Instrument, Instruments, MonoNs};
use std::cell::RefCell;
use std::future::Future;
use std::pin::Pin;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;
use tokio_tungstenite::tungstenite::{Bytes, Error, Message};

type Call = Pin<Box<dyn Future<Output = Option<Response>>>>;
type Frame = Option<Result<Message, Error>>;

/// One connection of a private stream.
pub struct UserShell {
    /// Its number.
    pub number: usize,
    /// Makes one stream of the connection and the one that replaces it.
    pub feed: Rc<RefCell<PrivateFeed>>,
    /// Its machine.
    pub session: UserSession,
    /// For the listen key.
    pub rest: Rc<RestClient>,
    /// Opens sockets.
    pub dialer: Dialer,
    /// The table.
    pub instruments: Arc<[Instrument]>,
    /// The reply ring.
    pub inbox: Rc<RefCell<Inbox>>,
    /// Its cells.
    pub cells: StreamCells,
    /// It is not needed now.
    pub rests: bool,
}

/// A socket whose buffer is full holds nothing up for longer.
const PING_PATIENCE: Duration = Duration::from_millis(10);

/// Between two looks without anything due.
const LOOK: Duration = Duration::from_millis(500);

type Sink<'a, 'b> = PrivateMerged<'a, PrivateSink<'b, Inbox>>;

enum Happened {
    Replied(Option<Response>),
    Frame(Frame),
    Deadline,
}

impl UserShell {
    /// Runs until its thread ends.
    pub async fn run(mut self) {
        let mut socket: Option<WebSocket> = None;
        let mut call: Option<Call> = None;
        loop {
            let action = self.poll();
            if let Some(action) = action {
                self.act(action, &mut socket, &mut call).await;
                continue;
            }
            let action = match self.wait(&mut socket, &mut call).await {
                Happened::Deadline => None,
                Happened::Replied(response) => {
                    call = None;
                    let reply = response.as_ref().map(Response::as_reply);
                    self.drive(|session, now, sink| session.on_reply(reply, now, sink))
                }
                Happened::Frame(frame) => self.frame(frame, &mut socket),
            };
            if let Some(action) = action {
                self.act(action, &mut socket, &mut call).await;
            }
        }
    }

    fn poll(&mut self) -> Option<UserAction> {
        let now = clock::monotonic();
        let is_old = self.session.is_due_for_replacement(now);
        let turn = self.feed.borrow_mut().turn(self.number, is_old, now);
        self.rests = turn == PrivateTurn::Rest;
        match turn {
            PrivateTurn::Rest => None,
            PrivateTurn::Work => self.drive(|session, now, sink| session.poll(now, sink)),
            PrivateTurn::Retire => Some(self.drive(|session, now, sink| session.retire(now, sink))),
        }
    }

    fn drive<T>(
        &mut self,
        act: impl FnOnce(&mut UserSession, MonoNs, &mut Sink<'_, '_>) -> T,
    ) -> T {
        let now = clock::monotonic();
        let mut inbox = self.inbox.borrow_mut();
        inbox.received = now;
        let mut feed = self.feed.borrow_mut();
        let mut events = PrivateSink::new(&mut *inbox, &self.cells);
        let mut sink = feed.sink(self.number, now, &mut events);
        act(&mut self.session, now, &mut sink)
    }

    async fn act(
        &mut self,
        action: UserAction,
        socket: &mut Option<WebSocket>,
        call: &mut Option<Call>,
    ) {
        match action {
            UserAction::Call(request) => {
                let rest = Rc::clone(&self.rest);
                *call = Some(Box::pin(async move { rest.send(&request).await }));
            }
            UserAction::Link(LinkAction::Connect) => *socket = self.connect().await,
            UserAction::Link(LinkAction::Ping) => {
                if let Some(socket) = socket {
                    // A socket that cannot write ends at its next read, or answers nothing in time.
                    let ping = socket.send(Message::Ping(Bytes::new()));
                    let _ = tokio::time::timeout(PING_PATIENCE, ping).await;
                }
            }
            UserAction::Link(LinkAction::Close(reason)) => {
                tracing::warn!(stream = "private", %reason, "STREAM_DOWN");
                *socket = None;
                self.cells.closed(reason);
            }
        }
    }

    async fn connect(&mut self) -> Option<WebSocket> {
        let deadline = self.session.next_deadline()?;
        let url = self.session.url().to_string();
        let dialed = tokio::time::timeout(remaining(deadline), self.dialer.web_socket(&url)).await;
        match dialed.ok()? {
            Ok(socket) => {
                self.cells.opened();
                self.drive(|session, now, sink| session.on_connected(now, sink));
                Some(socket)
            }
            Err(error) => {
                tracing::warn!(%error, "private stream not opened");
                self.drive(|session, now, sink| session.on_disconnected(now, sink));
                self.cells.closed(CloseReason::ConnectFailed);
                None
            }
        }
    }

    async fn wait(&self, socket: &mut Option<WebSocket>, call: &mut Option<Call>) -> Happened {
        let deadline = self.session.next_deadline().filter(|_| !self.rests);
        // Now and then it looks at what the other connection has done.
        let patience = deadline.map_or(LOOK, remaining).min(LOOK);
        let frame = async {
            match socket {
                Some(socket) => socket.next().await,
                None => std::future::pending().await,
            }
        };
        let reply = async {
            match call {
                Some(call) => call.await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            frame = frame => Happened::Frame(frame),
            reply = reply => Happened::Replied(reply),
            () = tokio::time::sleep(patience) => Happened::Deadline,
        }
    }

    fn frame(&mut self, frame: Frame, socket: &mut Option<WebSocket>) -> Option<UserAction> {
        match frame {
            Some(Ok(Message::Text(text))) => {
                let utc_s = clock::utc().0.unsigned_abs() / 1_000_000_000;
                self.cells.frame(text.len(), utc_s);
                let table = Arc::clone(&self.instruments);
                self.drive(|session, now, sink| {
                    session.on_frame(text.as_bytes(), now, &Instruments(&table), sink)
                })
            }
            Some(Ok(Message::Close(_)) | Err(_)) | None => {
                tracing::warn!(stream = "private", "STREAM_DOWN");
                *socket = None;
                self.cells.closed(CloseReason::Disconnected);
                self.drive(|session, now, sink| session.on_disconnected(now, sink));
                None
            }
            Some(Ok(_)) => {
                self.drive(|session, now, _| session.on_alive(now));
                None
            }
        }
    }
}
