//! Sockets: TCP with or without TLS, and WebSocket on top.
//!
//! In: a URL and the trusted authorities. Out: a connected stream. Never: a certificate that is
//! not checked, Nagle's delay.

use crate::clock;
use binance::session::{HttpReply, Silence};
use hyper::Uri;
use hyper::header::RETRY_AFTER;
use market::MonoNs;
use rustls::crypto::CryptoProvider;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{CipherSuite, ClientConfig, SupportedCipherSuite};
use std::collections::HashMap;
use std::path::Path;
use std::sync::{Arc, Mutex};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::{self, protocol::WebSocketConfig};

/// Authorities of Debian and its kin, where the configuration names no other.
const SYSTEM_AUTHORITIES: &str = "/etc/ssl/certs/ca-certificates.crt";

/// Largest message that is taken: a stream's frame has kilobytes, a reply with every open order
/// some hundred.
const MESSAGE_BYTES_MAX: usize = 4 << 20;

/// Why there is no connection.
#[derive(Debug, thiserror::Error)]
pub enum SocketError {
    /// The URL has no host.
    #[error("{0}: not a URL with a host")]
    BadUrl(String),
    /// No trusted authorities.
    #[error("{path}: no certificate authority could be read ({message}); set venue.ca_file")]
    Authorities {
        /// Which file.
        path: String,
        /// Why.
        message: String,
    },
    /// Connecting, or TLS.
    #[error("{host}: {source}")]
    Connect {
        /// To whom.
        host: String,
        /// Why not.
        source: std::io::Error,
    },
    /// The WebSocket handshake.
    #[error("WebSocket handshake: {0}")]
    Handshake(String),
}

/// Any byte stream.
pub trait ByteStream: AsyncRead + AsyncWrite + Unpin + Send {}
impl<T: AsyncRead + AsyncWrite + Unpin + Send> ByteStream for T {}

/// A connected stream, plain or encrypted.
pub type Socket = Box<dyn ByteStream>;

/// A WebSocket.
pub type WebSocket = WebSocketStream<Socket>;

/// Opens connections; cheap to clone.
#[derive(Clone)]
pub struct Dialer {
    tls: Option<Arc<ClientConfig>>,
    /// By authority of a URL; shared by all clones.
    silences: Arc<Mutex<HashMap<String, Silence>>>,
}

impl Dialer {
    /// Reads the trusted authorities if any of `urls` is encrypted.
    ///
    /// # Errors
    /// [`SocketError::Authorities`].
    pub fn new(ca_file: Option<&Path>, urls: &[&str]) -> Result<Self, SocketError> {
        let encrypted = |url: &&str| url.starts_with("wss:") || url.starts_with("https:");
        if !urls.iter().any(encrypted) {
            return Ok(Self {
                tls: None,
                silences: Arc::default(),
            });
        }
        let path = ca_file.unwrap_or(Path::new(SYSTEM_AUTHORITIES));
        let failed = |message: String| SocketError::Authorities {
            path: path.display().to_string(),
            message,
        };
        let mut roots = rustls::RootCertStore::empty();
        let certificates =
            CertificateDer::pem_file_iter(path).map_err(|error| failed(error.to_string()))?;
        for certificate in certificates {
            let certificate = certificate.map_err(|error| failed(error.to_string()))?;
            // A bundle may hold old forms that rustls refuses; the others still count.
            let _ = roots.add(certificate);
        }
        if roots.is_empty() {
            return Err(failed("it holds none".to_string()));
        }
        let config = ClientConfig::builder_with_provider(Arc::new(crypto_provider()))
            .with_safe_default_protocol_versions()
            .map_err(|error| failed(error.to_string()))?
            .with_root_certificates(roots)
            .with_no_client_auth();
        Ok(Self {
            tls: Some(Arc::new(config)),
            silences: Arc::default(),
        })
    }

    /// The silence that the host of `uri` wants of everybody who asks it (I20).
    ///
    /// # Panics
    /// When a thread panicked while it asked: then the process is on its way down.
    #[must_use]
    pub fn silence_of(&self, uri: &Uri) -> Silence {
        let host = uri.authority().map_or("", |one| one.as_str());
        let mut silences = self.silences.lock().expect("nobody panics while asking");
        silences.entry(host.to_string()).or_default().clone()
    }

    /// What either of two hosts says of silence holds for both: the REST and the WebSocket API of a
    /// market count one address's requests together.
    ///
    /// # Panics
    /// As [`Self::silence_of`].
    pub fn join_silences(&self, one: &Uri, other: &Uri) {
        let shared = self.silence_of(one);
        let former = self.silence_of(other);
        shared.hold(former.end());
        let host = other.authority().map_or("", |one| one.as_str());
        let mut silences = self.silences.lock().expect("nobody panics while asking");
        silences.insert(host.to_string(), shared);
    }

    /// The silences that hold at `now`, by host.
    ///
    /// # Panics
    /// As [`Self::silence_of`].
    #[must_use]
    pub fn silences(&self, now: MonoNs) -> Vec<(String, MonoNs)> {
        let silences = self.silences.lock().expect("nobody panics while asking");
        let held = silences.iter();
        held.filter_map(|(host, one)| Some((host.clone(), one.until(now)?)))
            .collect()
    }

    /// A silence that an earlier life was told of.
    ///
    /// # Panics
    /// As [`Self::silence_of`].
    pub fn hold(&self, host: &str, until: MonoNs) {
        let mut silences = self.silences.lock().expect("nobody panics while asking");
        silences.entry(host.to_string()).or_default().hold(until);
    }

    /// What encrypted connections are made with, for those that make them without tokio.
    #[must_use]
    pub const fn tls_config(&self) -> Option<&Arc<ClientConfig>> {
        self.tls.as_ref()
    }

    /// Connects to the host of `uri`.
    ///
    /// # Errors
    /// [`SocketError`].
    pub async fn connect(&self, uri: &Uri) -> Result<Socket, SocketError> {
        let bad = || SocketError::BadUrl(uri.to_string());
        let host = uri.host().ok_or_else(bad)?;
        let encrypted = matches!(uri.scheme_str(), Some("https" | "wss"));
        let port = uri.port_u16().unwrap_or(if encrypted { 443 } else { 80 });
        let failed = |source| SocketError::Connect {
            host: host.to_string(),
            source,
        };
        let tcp = TcpStream::connect((host, port)).await.map_err(failed)?;
        tcp.set_nodelay(true).map_err(failed)?;
        if !encrypted {
            return Ok(Box::new(tcp));
        }
        let config = self.tls.clone().ok_or_else(bad)?;
        let name = ServerName::try_from(host.to_string()).map_err(|_| bad())?;
        let tls = TlsConnector::from(config).connect(name, tcp).await;
        Ok(Box::new(tls.map_err(failed)?))
    }

    /// Opens a WebSocket.
    ///
    /// # Errors
    /// [`SocketError`].
    pub async fn web_socket(&self, url: &str) -> Result<WebSocket, SocketError> {
        let uri: Uri = url
            .parse()
            .map_err(|_| SocketError::BadUrl(url.to_string()))?;
        let socket = self.connect(&uri).await?;
        let config = WebSocketConfig::default()
            .max_message_size(Some(MESSAGE_BYTES_MAX))
            .max_frame_size(Some(MESSAGE_BYTES_MAX));
        let (web_socket, _) =
            tokio_tungstenite::client_async_with_config(url, socket, Some(config))
                .await
                .map_err(|error| {
                    if let tungstenite::Error::Http(answer) = &error {
                        let retry_after = answer.headers().get(RETRY_AFTER);
                        let retry_after = retry_after.and_then(|value| value.to_str().ok());
                        self.refused(&uri, answer.status().as_u16(), retry_after);
                    }
                    SocketError::Handshake(error.to_string())
                })?;
        Ok(web_socket)
    }

    /// A host does not upgrade: with 429 and 418 it wants silence of everybody who asks it (I20).
    pub fn refused(&self, uri: &Uri, status: u16, retry_after: Option<&str>) {
        let reply = HttpReply {
            status,
            retry_after_s: retry_after.and_then(|text| text.trim().parse().ok()),
            used_weight: None,
            body: b"",
        };
        self.silence_of(uri).on_reply(&reply, clock::monotonic());
    }
}

/// ring's algorithms, AES-128 before AES-256: as safe for a session of a day, and a fifth faster
/// on a market message. The server has the last word.
#[must_use]
pub fn crypto_provider() -> CryptoProvider {
    let mut provider = rustls::crypto::ring::default_provider();
    let slower = |suite: &SupportedCipherSuite| {
        let suite = suite.suite();
        suite != CipherSuite::TLS13_AES_128_GCM_SHA256
    };
    // Stable: everything else keeps its order.
    provider.cipher_suites.sort_by_key(slower);
    provider
}
