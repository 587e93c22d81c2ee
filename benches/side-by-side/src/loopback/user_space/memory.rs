//! TLS between two ends of one process.
//!
//! In: frames of the exchange; plaintext of ours. Out: records, in memory. Never: a socket. The
//! client's end is driven as `hotpath::hot_socket` drives its own.

use super::text;
use crate::loopback::echo::trusting;
use hotpath::allocation::tls_scope;
use rcgen::{CertifiedKey, generate_simple_self_signed};
use rustls::client::UnbufferedClientConnection;
use rustls::pki_types::{PrivateKeyDer, ServerName};
use rustls::unbuffered::{ConnectionState, UnbufferedStatus};
use rustls::{ServerConfig, ServerConnection};
use std::io::Write;
use std::sync::Arc;

/// The client's end.
pub(super) struct Tls {
    connection: UnbufferedClientConnection,
    incoming: Vec<u8>,
    filled: usize,
}

/// The exchange's end.
pub(super) struct Records {
    server: ServerConnection,
    frame: Vec<u8>,
    record: Vec<u8>,
}

/// Both ends after the handshake.
pub(super) fn pair() -> Result<(Tls, Records), String> {
    let names = vec!["localhost".to_string()];
    let CertifiedKey { cert, signing_key } = generate_simple_self_signed(names).map_err(text)?;
    let key = PrivateKeyDer::try_from(signing_key.serialize_der())?;
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(text)?
        .with_no_client_auth()
        .with_single_cert(vec![cert.der().clone()], key)
        .map_err(text)?;
    let mut server = ServerConnection::new(Arc::new(config)).map_err(text)?;
    let name = ServerName::try_from("localhost").map_err(text)?;
    let connection = UnbufferedClientConnection::new(trusting(&cert.pem())?, name).map_err(text)?;
    let mut tls = Tls {
        connection,
        incoming: vec![0; 1 << 18],
        filled: 0,
    };
    let mut to_server = Vec::new();
    loop {
        let done = tls.shake(&mut to_server)?;
        let mut bytes = to_server.as_slice();
        while !bytes.is_empty() {
            server.read_tls(&mut bytes).map_err(text)?;
            server.process_new_packets().map_err(text)?;
        }
        to_server.clear();
        let mut to_client = Vec::new();
        while server.wants_write() {
            server.write_tls(&mut to_client).map_err(text)?;
        }
        tls.arrived(&to_client);
        if done && !server.is_handshaking() {
            break;
        }
    }
    // Tickets come behind the handshake.
    tls.decrypt(|_| {});
    let records = Records {
        server,
        frame: Vec::new(),
        record: Vec::new(),
    };
    Ok((tls, records))
}

impl Records {
    /// A frame of the exchange as one record.
    pub(super) fn of_frame(&mut self, payload: &[u8]) -> Result<&[u8], String> {
        self.frame.clear();
        self.frame.push(0x81);
        match u16::try_from(payload.len()) {
            Ok(length) if length > 125 => {
                self.frame.push(126);
                self.frame.extend(length.to_be_bytes());
            }
            Ok(length) => self.frame.push(length as u8),
            Err(_) => {
                self.frame.push(127);
                self.frame.extend((payload.len() as u64).to_be_bytes());
            }
        }
        self.frame.extend_from_slice(payload);
        self.server.writer().write_all(&self.frame).map_err(text)?;
        self.record.clear();
        while self.server.wants_write() {
            self.server.write_tls(&mut self.record).map_err(text)?;
        }
        Ok(&self.record)
    }
}

impl Tls {
    /// The kernel's part: bytes lie in the buffer.
    pub(super) fn arrived(&mut self, bytes: &[u8]) {
        self.incoming[self.filled..self.filled + bytes.len()].copy_from_slice(bytes);
        self.filled += bytes.len();
    }

    /// One turn of the handshake; true when it is done.
    fn shake(&mut self, out: &mut Vec<u8>) -> Result<bool, String> {
        loop {
            let records = &mut self.incoming[..self.filled];
            let UnbufferedStatus { discard, state, .. } =
                self.connection.process_tls_records(records);
            let done = match state.map_err(text)? {
                ConnectionState::EncodeTlsData(mut data) => {
                    let mut bytes = vec![0; 1 << 14];
                    let count = data.encode(&mut bytes).map_err(text)?;
                    out.extend_from_slice(&bytes[..count]);
                    None
                }
                ConnectionState::TransmitTlsData(data) => {
                    data.done();
                    None
                }
                ConnectionState::BlockedHandshake => Some(false),
                ConnectionState::WriteTraffic(_) => Some(true),
                _ => return Err("an unexpected state of the handshake".to_string()),
            };
            self.incoming.copy_within(discard..self.filled, 0);
            self.filled -= discard;
            if let Some(done) = done {
                return Ok(done);
            }
        }
    }

    /// Decrypts every record in place.
    #[inline]
    pub(super) fn decrypt(&mut self, mut sink: impl FnMut(&[u8])) {
        tls_scope(|| {
            let mut start = 0;
            loop {
                let records = &mut self.incoming[start..self.filled];
                let UnbufferedStatus {
                    mut discard, state, ..
                } = self.connection.process_tls_records(records);
                let mut done = false;
                match state.expect("records of the bench are sound") {
                    ConnectionState::ReadTraffic(mut traffic) => {
                        while let Some(record) = traffic.next_record() {
                            let record = record.expect("records of the bench are sound");
                            discard += record.discard;
                            sink(record.payload);
                        }
                    }
                    ConnectionState::WriteTraffic(_) => done = true,
                    _ => panic!("an unexpected state of the connection"),
                }
                start += discard;
                if done {
                    break;
                }
            }
            self.filled -= start;
        });
    }

    /// Makes a record of `plaintext` in `out`.
    #[inline]
    pub(super) fn encrypt(&mut self, plaintext: &[u8], out: &mut [u8]) -> usize {
        tls_scope(|| {
            let records = &mut self.incoming[..self.filled];
            match self.connection.process_tls_records(records).state {
                Ok(ConnectionState::WriteTraffic(mut traffic)) => traffic
                    .encrypt(plaintext, out)
                    .expect("an order is shorter than the buffer"),
                _ => panic!("an unexpected state of the connection"),
            }
        })
    }
}
