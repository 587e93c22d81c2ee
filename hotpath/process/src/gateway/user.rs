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
use binance::session::{CloseReason, LinkAction, UserAction, UserSession};
use futures_util::StreamExt;
use market::{Instrument, Instruments, MonoNs};
use std::cell::RefCell;
use std::future::Future;
use std::pin::Pin;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;
use tokio_tungstenite::tungstenite::{Error, Message};

type Call = Pin<Box<dyn Future<Output = Option<Response>>>>;
type Frame = Option<Result<Message, Error>>;

/// One private stream.
pub struct UserShell {
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
}

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
            let action = self.drive(|session, now, sink| session.poll(now, sink));
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

    fn drive<T>(
        &mut self,
        act: impl FnOnce(&mut UserSession, MonoNs, &mut PrivateSink<'_, Inbox>) -> T,
    ) -> T {
        let now = clock::monotonic();
        let mut inbox = self.inbox.borrow_mut();
        inbox.received = now;
        act(
            &mut self.session,
            now,
            &mut PrivateSink::new(&mut inbox, &self.cells),
        )
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
        let deadline = self.session.next_deadline();
        let patience = deadline.map_or(Duration::from_secs(1), remaining);
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
