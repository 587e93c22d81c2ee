//! Makes hot sockets; blocking, for the cold side.
//!
//! In: a URL and a deadline. Out: a connected, upgraded, non-blocking socket with every buffer
//! that it will ever have. Never: a certificate that is not checked, a wait past the deadline.

use super::kernel_tls::{Encryption, Outcome, hand_over};
use super::mask::Masks;
use super::outgoing::Outgoing;
use super::receive::stamp_arrivals;
use super::socket::{HotSocket, Transport};
use super::tls::{Fault, INCOMING_BYTES, Progress, TlsSession};
use super::upgrade::{Upgrade, refusal};
use super::wire::Wire;
use crate::gateway::socket::Dialer;
use hyper::Uri;
use rustls::ClientConfig;
use rustls::client::{Resumption, UnbufferedClientConnection};
use rustls::pki_types::ServerName;
use std::io;
use std::os::fd::AsFd;
use std::sync::Arc;
use std::time::Instant;
use websocket::FrameReader;

/// What is waiting to be sent: some hundred orders.
const OUTGOING_BYTES: usize = 64 << 10;

/// Why there is no connection.
#[derive(Debug, thiserror::Error)]
pub enum DialError {
    /// The URL has no host, or another scheme than ws and wss.
    #[error("{0}: not a ws or wss URL with a host")]
    BadUrl(String),
    /// Encrypted, but the dialer was made without authorities.
    #[error("{host}: no certificate authorities were read")]
    NoAuthorities {
        /// To whom.
        host: String,
    },
    /// The name has no address.
    #[error("{host}: the name does not resolve: {source}")]
    Resolve {
        /// Which name.
        host: String,
        /// Why not.
        source: io::Error,
    },
    /// TCP.
    #[error("{host}: {source}")]
    Connect {
        /// To whom.
        host: String,
        /// Why not.
        source: io::Error,
    },
    /// The deadline has passed.
    #[error("{host}: not connected in time")]
    TimedOut {
        /// To whom.
        host: String,
    },
    /// TLS.
    #[error("{host}: TLS: {reason}")]
    Tls {
        /// To whom.
        host: String,
        /// Why not.
        reason: String,
    },
    /// The other end does not upgrade.
    #[error("{host}: WebSocket upgrade: {reason}")]
    Upgrade {
        /// To whom.
        host: String,
        /// Why not.
        reason: String,
    },
}

/// What sockets are made with.
#[derive(Clone, Copy, Debug)]
pub struct HotOptions {
    /// Largest message that is taken; a longer one ends the connection.
    pub message_bytes_max: usize,
    /// Whether the kernel is asked to make the records; see [`Encryption`] for what came of it.
    pub kernel_tls: bool,
}

impl Default for HotOptions {
    fn default() -> Self {
        Self {
            message_bytes_max: 4 << 20,
            kernel_tls: false,
        }
    }
}

/// Opens hot sockets; cheap to clone.
#[derive(Clone)]
pub struct HotDialer {
    tls: Option<Arc<ClientConfig>>,
    options: HotOptions,
    /// Knows the silences that hosts want.
    dialer: Dialer,
}

impl HotDialer {
    /// Trusts the authorities that `dialer` has read.
    #[must_use]
    pub fn new(dialer: &Dialer, options: HotOptions) -> Self {
        let tls = dialer.tls_config().map(|config| {
            let mut config = ClientConfig::clone(config);
            // A ticket would be put into a store behind a lock, by the pinned thread.
            config.resumption = Resumption::disabled();
            config.enable_secret_extraction = options.kernel_tls;
            Arc::new(config)
        });
        Self {
            tls,
            options,
            dialer: dialer.clone(),
        }
    }

    /// Connects, proves the other end's name and upgrades to WebSocket. Blocks until `deadline` at
    /// the latest.
    ///
    /// # Errors
    /// [`DialError`].
    pub fn dial(&self, url: &str, deadline: Instant) -> Result<HotSocket, DialError> {
        let uri: Uri = url
            .parse()
            .map_err(|_| DialError::BadUrl(url.to_string()))?;
        let target = Target::new(&uri)?;
        let config = match (&self.tls, target.encrypted) {
            (_, false) => None,
            (Some(config), true) => Some(Arc::clone(config)),
            (None, true) => return Err(DialError::NoAuthorities { host: target.host }),
        };
        let wire = Wire::connect(&target.host, target.port, deadline)?;
        let mut dialing = Dialing {
            outgoing: Outgoing::new(OUTGOING_BYTES),
            plaintext: Vec::new(),
            transport: Transport::Plain,
            target,
            wire,
        };
        if let Some(config) = config {
            dialing.start_tls(config)?;
        }
        let rest_at = dialing.upgrade().inspect_err(|_| {
            if let Some((status, retry_after)) = refusal(&dialing.plaintext) {
                self.dialer.refused(&uri, status, retry_after.as_deref());
            }
        })?;
        dialing.finish(rest_at, &self.options)
    }
}

/// Where to.
struct Target {
    host: String,
    port: u16,
    encrypted: bool,
    authority: String,
    path: String,
}

impl Target {
    fn new(uri: &Uri) -> Result<Self, DialError> {
        let bad = || DialError::BadUrl(uri.to_string());
        let encrypted = match uri.scheme_str() {
            Some("wss") => true,
            Some("ws") => false,
            _ => return Err(bad()),
        };
        let host = uri.host().filter(|host| !host.is_empty()).ok_or_else(bad)?;
        let port = uri.port_u16();
        let authority = match port {
            Some(port) => format!("{host}:{port}"),
            None => host.to_string(),
        };
        let path = uri.path_and_query().map_or("/", |path| path.as_str());
        Ok(Self {
            host: host.to_string(),
            port: port.unwrap_or(if encrypted { 443 } else { 80 }),
            encrypted,
            authority,
            path: path.to_string(),
        })
    }
}

/// A connection on its way to a socket.
struct Dialing {
    target: Target,
    wire: Wire,
    transport: Transport,
    outgoing: Outgoing,
    plaintext: Vec<u8>,
}

impl Dialing {
    fn tls_failed(&self, reason: impl ToString) -> DialError {
        DialError::Tls {
            host: self.target.host.clone(),
            reason: reason.to_string(),
        }
    }

    fn start_tls(&mut self, config: Arc<ClientConfig>) -> Result<(), DialError> {
        let bare = self
            .target
            .host
            .trim_start_matches('[')
            .trim_end_matches(']');
        let name = ServerName::try_from(bare.to_string())
            .map_err(|_| DialError::BadUrl(self.target.host.clone()))?;
        let connection = UnbufferedClientConnection::new(config, name)
            .map_err(|error| self.tls_failed(error))?;
        let mut session = Box::new(TlsSession::new(connection));
        loop {
            let progress = self.shake_hands(&mut session)?;
            if progress == Progress::Ready {
                break;
            }
            self.read_records(&mut session)?;
        }
        self.transport = Transport::Tls(session);
        Ok(())
    }

    /// One round: what has come in is taken apart, what came of it is sent.
    fn shake_hands(&mut self, session: &mut TlsSession) -> Result<Progress, DialError> {
        let plaintext = &mut self.plaintext;
        let result = session.shake_hands(&mut self.outgoing, |bytes| {
            plaintext.extend_from_slice(bytes);
            Ok(())
        });
        // Also after an error: what waits is the alert that tells the other end why.
        let written = self.write_waiting();
        match result {
            Ok(Progress::PeerClosed) => Err(self.tls_failed("closed by the other end")),
            Ok(progress) => written.map(|()| progress),
            Err(Fault::Tls(error)) => Err(self.tls_failed(error)),
            Err(Fault::End(end)) => Err(self.tls_failed(end)),
        }
    }

    fn write_waiting(&mut self) -> Result<(), DialError> {
        let count = self.outgoing.waiting().len();
        self.wire.write(self.outgoing.waiting())?;
        self.outgoing.sent(count);
        Ok(())
    }

    fn read_records(&mut self, session: &mut TlsSession) -> Result<(), DialError> {
        let spare = session.spare();
        if spare.is_empty() {
            return Err(self.tls_failed("a handshake larger than the buffer"));
        }
        let count = self.wire.read(spare)?;
        if count == 0 {
            return Err(self
                .wire
                .connect_failed(io::ErrorKind::UnexpectedEof.into()));
        }
        session.commit(count);
        Ok(())
    }

    /// Sends the request and reads the answer; where the answer ends in `plaintext`.
    fn upgrade(&mut self) -> Result<usize, DialError> {
        let upgrade = Upgrade::new();
        let request = upgrade.request(&self.target.authority, &self.target.path);
        self.write(request.as_bytes())?;
        loop {
            match upgrade.check(&self.plaintext) {
                Ok(Some(end)) => return Ok(end),
                Ok(None) => self.read()?,
                Err(reason) => {
                    return Err(DialError::Upgrade {
                        host: self.target.host.clone(),
                        reason,
                    });
                }
            }
        }
    }

    fn write(&mut self, bytes: &[u8]) -> Result<(), DialError> {
        let Transport::Tls(session) = &mut self.transport else {
            return self.wire.write(bytes);
        };
        let plaintext = &mut self.plaintext;
        let encrypted = session.encrypt(bytes, &mut self.outgoing, |bytes| {
            plaintext.extend_from_slice(bytes);
            Ok(())
        });
        encrypted.map_err(|end| self.tls_failed(end))?;
        self.write_waiting()
    }

    fn read(&mut self) -> Result<(), DialError> {
        let Transport::Tls(mut session) = std::mem::replace(&mut self.transport, Transport::Plain)
        else {
            let mut bytes = [0; 4096];
            let count = self.wire.read(&mut bytes)?;
            if count == 0 {
                return Err(self
                    .wire
                    .connect_failed(io::ErrorKind::UnexpectedEof.into()));
            }
            self.plaintext.extend_from_slice(&bytes[..count]);
            return Ok(());
        };
        self.read_records(&mut session)?;
        self.shake_hands(&mut session)?;
        self.transport = Transport::Tls(session);
        Ok(())
    }

    /// Who makes the records from now on.
    fn settle_encryption(&mut self, kernel_tls: bool) -> Result<Encryption, DialError> {
        let session = match std::mem::replace(&mut self.transport, Transport::Plain) {
            Transport::Plain => return Ok(Encryption::None),
            Transport::Tls(session) => session,
        };
        let (session, kernel_refused) = if kernel_tls {
            match hand_over(self.wire.stream.as_fd(), session) {
                Outcome::Taken => return Ok(Encryption::Kernel),
                Outcome::Lost(reason) => return Err(self.tls_failed(reason)),
                Outcome::Refused(session, reason) => (session, Some(reason)),
            }
        } else {
            (session, None)
        };
        self.transport = Transport::Tls(session);
        Ok(Encryption::Rustls { kernel_refused })
    }

    /// What came after the answer is the first of the stream.
    fn finish(mut self, rest_at: usize, options: &HotOptions) -> Result<HotSocket, DialError> {
        let encryption = self.settle_encryption(options.kernel_tls)?;
        let stream = &self.wire.stream;
        let prepared = stream
            .set_nonblocking(true)
            .and_then(|()| stamp_arrivals(stream.as_fd()));
        prepared.map_err(|source| self.wire.connect_failed(source))?;
        let mut seed = [0; 8];
        rustix::rand::getrandom(&mut seed, rustix::rand::GetRandomFlags::empty())
            .map_err(|error| self.wire.connect_failed(error.into()))?;
        let rest = &self.plaintext[rest_at..];
        let mut reader =
            FrameReader::new(options.message_bytes_max, INCOMING_BYTES.max(rest.len()));
        reader.push(rest).map_err(|violation| DialError::Upgrade {
            host: self.target.host.clone(),
            reason: violation.to_string(),
        })?;
        Ok(HotSocket::new(
            self.wire.stream,
            self.transport,
            encryption,
            reader,
            self.outgoing,
            Masks::new(u64::from_ne_bytes(seed)),
        ))
    }
}
