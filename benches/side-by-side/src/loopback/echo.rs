//! The floor of row f: what the kernel's TCP and TLS alone take on these sockets.
//!
//! In: a session. Out: one order-sized record for each frame that calls for an order, written as
//! soon as the frame is decrypted, by one pinned thread that never sleeps. Never: a look into the
//! frame beyond the header of its WebSocket frame; which of them call for an order it was told.

use super::world::{segment, text};
use super::{Session, Written, now_ns};
use crate::rings::pin;
use hotpath::latency::stall::{STALL_NS, StallDetector};
use hotpath::telemetry::Telemetry;
use hotpath::tick_clock::TickClock;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, ClientConnection, RootCertStore, StreamOwned};
use std::io::{ErrorKind, Read, Write};
use std::net::TcpStream;
use std::sync::Arc;
use tokio_tungstenite::tungstenite::client;

type Tls = StreamOwned<ClientConnection, TcpStream>;

/// Bytes of an order as it goes over the wire, signed.
const ORDER_BYTES: usize = 420;

pub(super) fn run(session: &Session<'_>) -> Result<Vec<Written>, String> {
    pin(session.core);
    let config = trusting(&session.authority)?;
    let mut market = connect(session, &config, "market")?;
    let mut orders = connect(session, &config, "orders")?;
    for socket in [&market, &orders] {
        socket
            .sock
            .set_nonblocking(true)
            .map_err(|error| error.to_string())?;
    }
    let order = order_frame();
    let mut frames = Frames::default();
    let mut ticks = session.ticks.iter();
    let mut written = Vec::new();
    let mut waste = [0; 4096];
    let (clock, _keeper) = TickClock::start();
    let segment = segment()?;
    let telemetry = Telemetry(&segment);
    let mut stalls = StallDetector::new(telemetry, "echo", &clock, STALL_NS).map_err(text)?;
    let mut busy = true;
    loop {
        let stalled = stalls.turn(clock.now(), busy, &clock);
        match market.read(frames.room()) {
            Ok(0) => break,
            Ok(read) => {
                frames.filled += read;
                busy = true;
            }
            Err(error) if error.kind() == ErrorKind::WouldBlock => {
                // Answers are read and thrown away, as any client must.
                busy = orders.read(&mut waste).is_ok();
                continue;
            }
            Err(_) => break,
        }
        while let Some(frame) = frames.next_frame() {
            let (Frame::Text, Some(tick)) = (frame, ticks.next()) else {
                return Ok(written);
            };
            if !tick.has_signal {
                continue;
            }
            orders.write_all(&order).map_err(text)?;
            orders.flush().map_err(text)?;
            written.push(Written {
                update_id: tick.update_id,
                at_ns: now_ns(),
                stalled,
            });
        }
    }
    Ok(written)
}

/// A client that trusts one authority.
pub(super) fn trusting(authority: &str) -> Result<Arc<ClientConfig>, String> {
    let mut roots = RootCertStore::empty();
    let certificate = CertificateDer::from_pem_slice(authority.as_bytes()).map_err(text)?;
    roots.add(certificate).map_err(text)?;
    let provider = Arc::new(hotpath::gateway::socket::crypto_provider());
    let config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(text)?
        .with_root_certificates(roots)
        .with_no_client_auth();
    Ok(Arc::new(config))
}

fn connect(session: &Session<'_>, config: &Arc<ClientConfig>, path: &str) -> Result<Tls, String> {
    let tcp = TcpStream::connect(session.address).map_err(text)?;
    tcp.set_nodelay(true).map_err(text)?;
    let name = ServerName::try_from("localhost").map_err(text)?;
    let connection = ClientConnection::new(Arc::clone(config), name).map_err(text)?;
    let url = format!("wss://localhost:{}/{path}", session.address.port());
    let (socket, _) = client(url, StreamOwned::new(connection, tcp)).map_err(text)?;
    Ok(socket.into_inner())
}

/// A text frame of a client whose mask is zeros, as large as a signed order.
fn order_frame() -> Vec<u8> {
    let mut frame = vec![0x81, 0x80 | 126];
    frame.extend((ORDER_BYTES as u16).to_be_bytes());
    frame.extend([0; 4]);
    let end = frame.len() + ORDER_BYTES;
    frame.extend(br#"{"id":"1","method":"order.place","params":{"newClientOrderId":"1"}}"#);
    frame.resize(end, b' ');
    frame
}

/// A frame as far as the echo looks into it.
enum Frame {
    /// A text.
    Text,
    /// The end.
    Close,
}

/// Decrypted bytes that are cut into frames.
struct Frames {
    bytes: Vec<u8>,
    begin: usize,
    filled: usize,
}

impl Default for Frames {
    fn default() -> Self {
        Self {
            bytes: vec![0; 1 << 20],
            begin: 0,
            filled: 0,
        }
    }
}

impl Frames {
    fn room(&mut self) -> &mut [u8] {
        if self.begin > 0 && self.bytes.len() - self.filled < 1 << 17 {
            self.bytes.copy_within(self.begin..self.filled, 0);
            self.filled -= self.begin;
            self.begin = 0;
        }
        &mut self.bytes[self.filled..]
    }

    fn next_frame(&mut self) -> Option<Frame> {
        let bytes = &self.bytes[self.begin..self.filled];
        let (header, length) = match *bytes.get(1)? {
            126 => (
                4,
                usize::from(u16::from_be_bytes([*bytes.get(2)?, *bytes.get(3)?])),
            ),
            127 => {
                let long: [u8; 8] = bytes.get(2..10)?.try_into().ok()?;
                (10, usize::try_from(u64::from_be_bytes(long)).ok()?)
            }
            short => (2, usize::from(short)),
        };
        bytes.get(header..header + length)?;
        let is_text = bytes[0] & 0x0f == 1;
        let frame = if is_text { Frame::Text } else { Frame::Close };
        self.begin += header + length;
        Some(frame)
    }
}
