//! The floor of row f: what the kernel's TCP and TLS alone take on these sockets.
//!
//! In: a session. Out: one order-sized record for each frame, written as soon as the frame is
//! decrypted, by one pinned thread that never sleeps. Never: a look into the frame beyond the
//! header of its WebSocket frame and its update id.

use super::{Session, Written, now_ns};
use crate::rings::pin;
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
    let mut written = Vec::new();
    let mut waste = [0; 4096];
    loop {
        match market.read(frames.room()) {
            Ok(0) => break,
            Ok(read) => frames.filled += read,
            Err(error) if error.kind() == ErrorKind::WouldBlock => {
                // Answers are read and thrown away, as any client must.
                let _ = orders.read(&mut waste);
                continue;
            }
            Err(_) => break,
        }
        while let Some(frame) = frames.next_frame() {
            let Frame::Text(update_id) = frame else {
                return Ok(written);
            };
            orders
                .write_all(&order)
                .map_err(|error| error.to_string())?;
            orders.flush().map_err(|error| error.to_string())?;
            written.push((update_id, now_ns()));
        }
    }
    Ok(written)
}

/// A client that trusts one authority.
pub(super) fn trusting(authority: &str) -> Result<Arc<ClientConfig>, String> {
    let text = |error: &dyn std::fmt::Display| error.to_string();
    let mut roots = RootCertStore::empty();
    let certificate =
        CertificateDer::from_pem_slice(authority.as_bytes()).map_err(|error| text(&error))?;
    roots.add(certificate).map_err(|error| text(&error))?;
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|error| text(&error))?
        .with_root_certificates(roots)
        .with_no_client_auth();
    Ok(Arc::new(config))
}

fn connect(session: &Session<'_>, config: &Arc<ClientConfig>, path: &str) -> Result<Tls, String> {
    let text = |error: &dyn std::fmt::Display| error.to_string();
    let tcp = TcpStream::connect(session.address).map_err(|error| text(&error))?;
    tcp.set_nodelay(true).map_err(|error| text(&error))?;
    let name = ServerName::try_from("localhost").map_err(|error| text(&error))?;
    let connection =
        ClientConnection::new(Arc::clone(config), name).map_err(|error| text(&error))?;
    let url = format!("wss://localhost:{}/{path}", session.address.port());
    let (socket, _) =
        client(url, StreamOwned::new(connection, tcp)).map_err(|error| text(&error))?;
    Ok(socket.into_inner())
}

/// A text frame of a client whose mask is zeros, as large as a signed order.
fn order_frame() -> Vec<u8> {
    let mut frame = vec![0x81, 0x80 | 126];
    frame.extend((ORDER_BYTES as u16).to_be_bytes());
    frame.extend([0; 4]);
    frame.resize(frame.len() + ORDER_BYTES, b' ');
    frame
}

/// A frame as far as the echo looks into it.
enum Frame {
    /// A text, with `u` of its difference.
    Text(u64),
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
        let payload = bytes.get(header..header + length)?;
        let is_text = bytes[0] & 0x0f == 1;
        let frame = if is_text {
            Frame::Text(update_id(payload))
        } else {
            Frame::Close
        };
        self.begin += header + length;
        Some(frame)
    }
}

/// `u` of a difference, found by its key within the first bytes.
fn update_id(payload: &[u8]) -> u64 {
    let key = br#""u":"#;
    let at = payload.windows(key.len()).position(|one| one == key);
    let digits = at.map_or(&[][..], |at| &payload[at + key.len()..]);
    digits
        .iter()
        .take_while(|byte| byte.is_ascii_digit())
        .fold(0, |value, byte| 10 * value + u64::from(byte - b'0'))
}
