//! The order gateway: requests of the engine onto the wire, replies back.
//!
//! In: the order ring, reply frames. Out: request frames, replies for the engine, the latency of
//! each order. Never: a request sent twice; a wait of the engine.
//!
//! The engine makes no system call to wake this thread, so this thread looks: between looks it
//! lets its other tasks run, and naps for `NAP` where cores are scarce.

use super::inbox::Inbox;
use super::latency_cells::{Frame, LatencyCells};
use super::leash::Leash;
use super::private_sink::PrivateSink;
use super::rest::remaining;
use super::socket::{Dialer, WebSocket};
use super::stream_cells::StreamCells;
use crate::clock;
use crate::latency::way_log::WayLog;
use crate::messages::{REQUEST_BYTES_MAX, Stamps, decode_request, instrument_of};
use crate::server_clock::ServerClock;
use binance::session::{CloseReason, LinkAction, Now, OrderEvents, OrderSession};
use engine::Request;
use futures_util::stream::{SplitSink, SplitStream};
use futures_util::{SinkExt, StreamExt};
use ipc::Consumer;
use market::{Instrument, Instruments, Market, MonoNs};
use std::cell::RefCell;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;
use tokio_tungstenite::tungstenite::{Bytes, Message, Utf8Bytes};

/// Between two looks into the order ring.
const NAP: Duration = Duration::from_micros(20);

/// Looks without a nap after the last request: the next one often follows at once.
const EAGER_LOOKS: u32 = 64;

/// A machine's deadline is looked at at least this often; new requests bring new ones.
const PATIENCE_MAX: Duration = Duration::from_millis(50);

/// What an order connection is made of.
pub struct OrderConnection {
    /// Its machine.
    pub session: OrderSession,
    /// Where to connect.
    pub url: String,
    /// Opens sockets.
    pub dialer: Dialer,
    /// The exchange's time.
    pub clock: ServerClock,
    /// The table.
    pub instruments: Arc<[Instrument]>,
    /// The reply ring.
    pub inbox: Rc<RefCell<Inbox>>,
    /// Cells of the connection.
    pub stream: StreamCells,
    /// Cells of the way of an order.
    pub latency: LatencyCells,
}

/// A connection's state, shared by the tasks of one thread.
pub struct OrderShell {
    parts: OrderConnection,
    writer: Option<SplitSink<WebSocket, Message>>,
    /// Counts connections, so that an old writer is never put back.
    connection: u64,
}

/// A shell that the tasks share.
pub type SharedShell = Rc<RefCell<OrderShell>>;

impl OrderShell {
    /// Nothing is connected yet.
    #[must_use]
    pub fn new(parts: OrderConnection) -> SharedShell {
        Rc::new(RefCell::new(Self {
            parts,
            writer: None,
            connection: 0,
        }))
    }

    /// Runs `act` on the machine with a sink for what it says.
    fn drive<T>(&mut self, act: impl FnOnce(&mut OrderSession, Now, &mut Sink<'_>) -> T) -> T {
        let parts = &mut self.parts;
        let now = parts.clock.now();
        let mut inbox = parts.inbox.borrow_mut();
        inbox.received = now.mono;
        let mut sink = Sink::with(&mut inbox, &parts.stream, &parts.latency);
        act(&mut parts.session, now, &mut sink)
    }

    /// True when `frame` holds something to write.
    fn request(&mut self, stamps: &Stamps, request: &Request, frame: &mut Vec<u8>) -> bool {
        let table = Arc::clone(&self.parts.instruments);
        let Some(instrument) = Instruments(&table).get(instrument_of(request)) else {
            return false;
        };
        self.drive(|session, now, sink| {
            encode(session, request, instrument, stamps, now, frame, sink)
        })
    }

    fn disconnected(&mut self) {
        self.drive(|session, now, sink| session.on_disconnected(now, sink));
        self.writer = None;
    }
}

/// Has the session write one request: true when `frame` holds something to send.
#[inline]
pub(crate) fn encode(
    session: &mut OrderSession,
    request: &Request,
    instrument: &Instrument,
    stamps: &Stamps,
    now: Now,
    frame: &mut Vec<u8>,
    sink: &mut impl OrderEvents,
) -> bool {
    match request {
        Request::Place(order) => {
            session.place(order.get(), instrument, stamps.stepped, now, frame, sink)
        }
        Request::Amend(amend) => {
            session.amend(amend.get(), instrument, stamps.stepped, now, frame, sink)
        }
        Request::Cancel(order) => session.cancel(order, instrument, now, frame, sink),
        Request::Query(order) => session.query(order, instrument, now, frame, sink),
        Request::Snapshot(_)
        | Request::Reconcile(_)
        | Request::Trades(_)
        | Request::VerifySetup(_)
        | Request::CancelOverRest(_)
        | Request::QueryOverRest(_) => false,
    }
}

/// What became of a frame that the session `wanted` to send.
#[inline]
pub(crate) const fn fate_of(wanted: bool, sent: bool) -> Frame {
    match (wanted, sent) {
        (false, _) => Frame::Unsent,
        (true, true) => Frame::Written,
        (true, false) => Frame::Failed,
    }
}

/// Tells the way of an order that market data has triggered.
#[inline]
pub(crate) fn tell(ways: &mut WayLog, stamps: &Stamps, request: &Request, written: MonoNs) {
    if stamps.from_market && matches!(request, Request::Place(_)) {
        ways.push(&stamps.order_way(written));
    }
}

/// Puts replies and private events into the ring.
type Sink<'a> = PrivateSink<'a, Inbox, &'a LatencyCells>;

/// Moves requests from the ring to the wire, until the leash ends it and the ring is empty.
pub async fn pump(
    shells: Vec<(Market, SharedShell)>,
    mut ring: Consumer,
    instruments: Arc<[Instrument]>,
    mut ways: WayLog,
    nap: bool,
    leash: Arc<Leash>,
) {
    let mut buffer = vec![0; REQUEST_BYTES_MAX];
    let mut frame = Vec::with_capacity(4096);
    let mut idle_looks = 0;
    loop {
        let goes_on = leash.goes_on();
        let mut busy = false;
        while let Some((_, bytes)) = ring.pop(&mut buffer).expect("a ring of this process") {
            busy = true;
            let (stamps, request) =
                decode_request(bytes).expect("the engine thread encoded and sealed it");
            let instrument = Instruments(&instruments).get(instrument_of(&request));
            let market = instrument.map(|one| one.market);
            let shell = shells.iter().find(|(one, _)| Some(*one) == market);
            if let Some((_, shell)) = shell {
                frame.clear();
                let wanted = shell.borrow_mut().request(&stamps, &request, &mut frame);
                let sent = wanted && write(shell, &frame).await;
                let written = clock::monotonic();
                let latency = &shell.borrow().parts.latency;
                latency.note_frame(&request, fate_of(wanted, sent));
                if sent {
                    latency.note_written(&request);
                    tell(&mut ways, &stamps, &request, written);
                }
            }
        }
        if !busy && !goes_on {
            return;
        }
        tokio::task::yield_now().await;
        idle_looks = if busy { 0 } else { idle_looks + 1 };
        if nap && idle_looks > EAGER_LOOKS {
            std::thread::sleep(NAP);
        }
    }
}

/// Writes one frame. A failure ends the connection: whatever was under way is unresolved then.
async fn write(shell: &SharedShell, frame: &[u8]) -> bool {
    let text = std::str::from_utf8(frame).expect("the encoder writes UTF-8");
    write_message(shell, Message::Text(Utf8Bytes::from(text))).await
}

async fn write_message(shell: &SharedShell, message: Message) -> bool {
    let (writer, connection) = {
        let mut shell = shell.borrow_mut();
        (shell.writer.take(), shell.connection)
    };
    let Some(mut writer) = writer else {
        shell.borrow_mut().disconnected();
        return false;
    };
    let sent = writer.send(message).await;
    let mut shell = shell.borrow_mut();
    if shell.connection != connection {
        return false;
    }
    match sent {
        Ok(()) => {
            shell.writer = Some(writer);
            true
        }
        Err(error) => {
            tracing::warn!(%error, "an order could not be written");
            shell.disconnected();
            false
        }
    }
}

/// Keeps the connection and reads its replies.
pub async fn keep(shell: SharedShell) {
    let mut reader: Option<SplitStream<WebSocket>> = None;
    let mut frame = Vec::with_capacity(1024);
    loop {
        let action = shell
            .borrow_mut()
            .drive(|session, now, sink| session.poll(now, sink));
        match action {
            Some(LinkAction::Connect) => reader = connect(&shell).await,
            Some(LinkAction::Ping) => {
                // While an order waits for the socket to take it, a ping would only wait behind it.
                let is_free = shell.borrow().writer.is_some();
                if is_free {
                    write_message(&shell, Message::Ping(Bytes::new())).await;
                }
            }
            Some(LinkAction::Close(reason)) => {
                reader = None;
                close(&shell, reason);
            }
            None => {
                frame.clear();
                let due = shell
                    .borrow_mut()
                    .drive(|session, now, _| session.due_frame(now, &mut frame));
                if due {
                    write(&shell, &frame).await;
                }
                if let Some(reason) = wait(&shell, &mut reader).await {
                    reader = None;
                    close(&shell, reason);
                }
            }
        }
    }
}

async fn connect(shell: &SharedShell) -> Option<SplitStream<WebSocket>> {
    let (dialer, url, deadline) = {
        let shell = shell.borrow();
        (
            shell.parts.dialer.clone(),
            shell.parts.url.clone(),
            shell.parts.session.next_deadline(),
        )
    };
    let dialed = tokio::time::timeout(remaining(deadline), dialer.web_socket(&url)).await;
    let socket = match dialed.ok()? {
        Ok(socket) => socket,
        Err(error) => {
            tracing::warn!(%error, "order connection not opened");
            let mut shell = shell.borrow_mut();
            shell.disconnected();
            shell.parts.stream.closed(CloseReason::ConnectFailed);
            return None;
        }
    };
    let (writer, reader) = socket.split();
    {
        let mut shell = shell.borrow_mut();
        shell.connection += 1;
        shell.writer = Some(writer);
        shell.parts.stream.opened();
        shell.drive(|session, now, sink| session.on_connected(now, sink));
    }
    Some(reader)
}

/// Until the next frame or deadline; the reason when the connection has ended.
async fn wait(
    shell: &SharedShell,
    reader: &mut Option<SplitStream<WebSocket>>,
) -> Option<CloseReason> {
    let patience = remaining(shell.borrow().parts.session.next_deadline()).min(PATIENCE_MAX);
    let Some(socket) = reader else {
        tokio::time::sleep(patience).await;
        return None;
    };
    let Ok(message) = tokio::time::timeout(patience, socket.next()).await else {
        return None;
    };
    let mut shell = shell.borrow_mut();
    match message {
        Some(Ok(Message::Text(text))) => {
            let utc_s = clock::utc().0.unsigned_abs() / 1_000_000_000;
            shell.parts.stream.frame(text.len(), utc_s);
            let table = Arc::clone(&shell.parts.instruments);
            let action = shell.drive(|session, now, sink| {
                session.on_frame(text.as_bytes(), now, &Instruments(&table), sink)
            });
            if shell.parts.session.take_clock_refused() {
                shell.parts.clock.refuse();
            }
            match action {
                Some(LinkAction::Close(reason)) => Some(reason),
                _ => None,
            }
        }
        Some(Ok(Message::Close(_)) | Err(_)) | None => {
            shell.disconnected();
            Some(CloseReason::Disconnected)
        }
        Some(Ok(_)) => {
            shell.drive(|session, now, _| session.on_alive(now.mono));
            None
        }
    }
}

fn close(shell: &SharedShell, reason: CloseReason) {
    tracing::warn!(stream = "orders", %reason, "STREAM_DOWN");
    let mut shell = shell.borrow_mut();
    shell.connection += 1;
    shell.writer = None;
    shell.parts.stream.closed(reason);
}
