//! The exchange's side: two TLS WebSockets, one that sends frames, one that takes orders.
//!
//! In: frames and a rate. Out: when each frame was written, how many orders came. Never: a wait
//! for the client; a slow one finds its frames late, as it would outside.

use super::now_ns;
use crate::rings::pin;
use rcgen::{CertifiedKey, generate_simple_self_signed};
use rustls::pki_types::PrivateKeyDer;
use rustls::{ServerConfig, ServerConnection, StreamOwned};
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Barrier};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};
use tokio_tungstenite::tungstenite::handshake::server::{Request, Response};
use tokio_tungstenite::tungstenite::{Message, WebSocket, accept_hdr};

type Socket = WebSocket<StreamOwned<ServerConnection, Stamped>>;

/// A socket that notes when a write into the kernel began: what is before it, encryption and
/// waking up, is the exchange's own.
struct Stamped {
    tcp: TcpStream,
    written_ns: u64,
}

impl Read for Stamped {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        self.tcp.read(buffer)
    }
}

impl Write for Stamped {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.written_ns = now_ns();
        self.tcp.write(bytes)
    }

    fn flush(&mut self) -> std::io::Result<()> {
        self.tcp.flush()
    }
}

/// Time for the last orders to arrive.
const GRACE: Duration = Duration::from_millis(200);

/// What it noted.
#[derive(Debug, Default)]
pub(super) struct Seen {
    /// When each frame's last write into the kernel began.
    pub(super) sent_ns: Vec<u64>,
    /// Orders that arrived.
    pub(super) orders: usize,
}

/// A running exchange that serves one client.
pub(super) struct Exchange {
    pub(super) address: SocketAddr,
    pub(super) authority: String,
    server: JoinHandle<Result<Seen, String>>,
}

impl Exchange {
    /// Listens; sending begins when both connections stand.
    pub(super) fn start(
        frames: Vec<Vec<u8>>,
        interval: Duration,
        core: usize,
    ) -> Result<Self, String> {
        let text = |error: &dyn std::fmt::Display| error.to_string();
        let names = vec!["localhost".to_string(), "127.0.0.1".to_string()];
        let CertifiedKey { cert, signing_key } =
            generate_simple_self_signed(names).map_err(|error| text(&error))?;
        let key = PrivateKeyDer::try_from(signing_key.serialize_der())?;
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let config = ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .map_err(|error| text(&error))?
            .with_no_client_auth()
            .with_single_cert(vec![cert.der().clone()], key)
            .map_err(|error| text(&error))?;
        let listener = TcpListener::bind("127.0.0.1:0").map_err(|error| text(&error))?;
        let address = listener.local_addr().map_err(|error| text(&error))?;
        let server = std::thread::spawn(move || {
            pin(core);
            serve(&listener, &Arc::new(config), &frames, interval)
        });
        Ok(Self {
            address,
            authority: cert.pem(),
            server,
        })
    }

    /// Waits for the end of the session.
    pub(super) fn finish(self) -> Result<Seen, String> {
        self.server
            .join()
            .map_err(|_| "the exchange panicked".to_string())?
    }
}

fn serve(
    listener: &TcpListener,
    config: &Arc<ServerConfig>,
    frames: &[Vec<u8>],
    interval: Duration,
) -> Result<Seen, String> {
    let mut market = None;
    let mut orders = None;
    while market.is_none() || orders.is_none() {
        let (path, socket) = accept(listener, config)?;
        match path.as_str() {
            "/market" => market = Some(socket),
            "/orders" => orders = Some(socket),
            other => return Err(format!("no stream at {other}")),
        }
    }
    let (Some(mut market), Some(mut orders)) = (market, orders) else {
        return Err("both connections were waited for".to_string());
    };
    let begin = Barrier::new(2);
    std::thread::scope(|scope| {
        let taking = scope.spawn(|| {
            begin.wait();
            take_orders(&mut orders)
        });
        begin.wait();
        let sent_ns = send_frames(&mut market, frames, interval)?;
        std::thread::sleep(GRACE);
        // The client leaves when its market connection closes, and closes the other one.
        let _ = market.close(None);
        let _ = market.flush();
        let orders = taking
            .join()
            .map_err(|_| "the order thread panicked".to_string())?;
        Ok(Seen { sent_ns, orders })
    })
}

#[allow(
    clippy::result_large_err,
    reason = "tungstenite's callback has this type"
)]
fn accept(listener: &TcpListener, config: &Arc<ServerConfig>) -> Result<(String, Socket), String> {
    let text = |error: &dyn std::fmt::Display| error.to_string();
    let (tcp, _) = listener.accept().map_err(|error| text(&error))?;
    tcp.set_nodelay(true).map_err(|error| text(&error))?;
    let connection = ServerConnection::new(Arc::clone(config)).map_err(|error| text(&error))?;
    let mut path = String::new();
    let stamped = Stamped { tcp, written_ns: 0 };
    let socket = accept_hdr(
        StreamOwned::new(connection, stamped),
        |request: &Request, response: Response| {
            path = request.uri().path().to_string();
            Ok(response)
        },
    )
    .map_err(|error| text(&error))?;
    Ok((path, socket))
}

/// Open loop: each frame has its time, and the next one does not wait for it.
fn send_frames(
    market: &mut Socket,
    frames: &[Vec<u8>],
    interval: Duration,
) -> Result<Vec<u64>, String> {
    let begun = Instant::now() + Duration::from_millis(50);
    let mut sent_ns = Vec::with_capacity(frames.len());
    for (index, frame) in frames.iter().enumerate() {
        let due = begun + interval * u32::try_from(index).unwrap_or(u32::MAX);
        if let Some(left) = due.checked_duration_since(Instant::now()) {
            std::thread::sleep(left);
        }
        let text = String::from_utf8(frame.clone()).map_err(|error| error.to_string())?;
        market
            .send(Message::text(text))
            .map_err(|error| error.to_string())?;
        sent_ns.push(market.get_ref().sock.written_ns);
    }
    Ok(sent_ns)
}

/// Answers every order as the exchange does one that finds nobody, until the client leaves.
fn take_orders(orders: &mut Socket) -> usize {
    let mut count = 0;
    while let Ok(message) = orders.read() {
        let Message::Text(request) = message else {
            continue;
        };
        count += usize::from(request.contains(r#""order.place""#));
        if orders.send(Message::text(answer(&request))).is_err() {
            break;
        }
    }
    count
}

/// An order that found nobody: it expired at once.
pub(super) fn answer(request: &str) -> String {
    let (id, name) = (value(request, "id"), value(request, "newClientOrderId"));
    format!(
        "{{\"id\":\"{id}\",\"status\":200,\"result\":{{\"orderId\":325078477,\
         \"symbol\":\"BTCUSDT\",\"status\":\"EXPIRED\",\"clientOrderId\":\"{name}\",\
         \"executedQty\":\"0.000\",\"cumQty\":\"0.000\",\"timeInForce\":\"IOC\",\
         \"type\":\"LIMIT\",\"updateTime\":1721347202000}},\"rateLimits\":[]}}"
    )
}

/// The text behind a key of a request.
fn value<'a>(request: &'a str, key: &str) -> &'a str {
    let found = request.split_once(&format!("\"{key}\":\""));
    let value = found.and_then(|(_, rest)| rest.split_once('"'));
    value.map_or("", |(value, _)| value)
}
