//! Connections: a name is looked up, TCP, TLS; each step with its time.
//!
//! In: an endpoint, trusted authorities. Out: a stream of bytes. Never: a certificate that is not
//! checked, a wait without end.

use super::endpoint::Endpoint;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, RootCertStore};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpStream, UnixStream, lookup_host};
use tokio_rustls::TlsConnector;

/// Authorities of Debian and its kin.
const SYSTEM_AUTHORITIES: &str = "/etc/ssl/certs/ca-certificates.crt";

/// Why there is no connection; nothing was sent.
#[derive(Debug, thiserror::Error)]
pub enum DialError {
    /// The name is not known.
    #[error("{host}: the name is not found: {source}")]
    Name {
        /// Whose.
        host: String,
        /// Why.
        source: std::io::Error,
    },
    /// Nobody listens, or nobody may come.
    #[error("{name}: {source}")]
    Connect {
        /// To whom.
        name: String,
        /// Why not.
        source: std::io::Error,
    },
    /// Not in time.
    #[error("{name}: no connection within {seconds} s")]
    Late {
        /// To whom.
        name: String,
        /// After how long.
        seconds: u64,
    },
    /// Somebody else, or an authority that is not trusted.
    #[error("{name}: TLS: {source}")]
    Tls {
        /// To whom.
        name: String,
        /// Why not.
        source: std::io::Error,
    },
    /// No trusted authorities.
    #[error("{}: no certificate authority could be read: {message}", file.display())]
    Authorities {
        /// Which file.
        file: PathBuf,
        /// Why.
        message: String,
    },
}

/// Any byte stream.
pub trait ByteStream: AsyncRead + AsyncWrite + Unpin + Send {}
impl<T: AsyncRead + AsyncWrite + Unpin + Send> ByteStream for T {}

/// How long each step took.
#[derive(Clone, Copy, Debug, Default)]
pub struct Phases {
    /// The name was looked up.
    pub name: Duration,
    /// TCP, or the socket.
    pub connect: Duration,
    /// TLS; none without.
    pub tls: Option<Duration>,
}

/// A connection.
pub struct Connected {
    /// Its bytes.
    pub stream: Box<dyn ByteStream>,
    /// How long it took.
    pub phases: Phases,
    /// Whom it reached; none for a socket of this machine.
    pub peer: Option<SocketAddr>,
}

/// Opens connections; cheap to clone.
#[derive(Clone, Debug)]
pub struct Dialer {
    authorities: Option<PathBuf>,
    patience: Duration,
}

impl Dialer {
    /// Trusts the authorities of `file` (PEM) alone; without one, the system's.
    #[must_use]
    pub fn new(file: Option<&Path>, patience: Duration) -> Self {
        Self {
            authorities: file.map(Path::to_path_buf),
            patience,
        }
    }

    /// Connects.
    ///
    /// # Errors
    /// [`DialError`].
    pub async fn connect(&self, endpoint: &Endpoint) -> Result<Connected, DialError> {
        let connected = tokio::time::timeout(self.patience, self.steps(endpoint));
        connected.await.unwrap_or_else(|_| {
            Err(DialError::Late {
                name: endpoint.name(),
                seconds: self.patience.as_secs(),
            })
        })
    }

    async fn steps(&self, endpoint: &Endpoint) -> Result<Connected, DialError> {
        let failed = |source| DialError::Connect {
            name: endpoint.name(),
            source,
        };
        let begun = Instant::now();
        let (host, port, encrypted) = match endpoint {
            Endpoint::Socket(path) => {
                let stream = UnixStream::connect(path).await.map_err(failed)?;
                let phases = Phases {
                    connect: begun.elapsed(),
                    ..Phases::default()
                };
                return Ok(Connected {
                    stream: Box::new(stream),
                    phases,
                    peer: None,
                });
            }
            Endpoint::Network {
                host,
                port,
                encrypted,
                ..
            } => (host, *port, *encrypted),
        };
        // A file that is not there is said before anything else.
        let tls = encrypted.then(|| self.tls()).transpose()?;
        let addresses = lookup_host((host.as_str(), port)).await;
        let addresses: Vec<SocketAddr> = addresses
            .map_err(|source| DialError::Name {
                host: host.clone(),
                source,
            })?
            .collect();
        let name = begun.elapsed();
        let begun = Instant::now();
        let tcp = TcpStream::connect(addresses.as_slice())
            .await
            .map_err(failed)?;
        tcp.set_nodelay(true).map_err(failed)?;
        let peer = tcp.peer_addr().ok();
        let connect = begun.elapsed();
        let begun = Instant::now();
        let (stream, tls): (Box<dyn ByteStream>, _) = match tls {
            None => (Box::new(tcp), None),
            Some(tls) => {
                let refused = |source| DialError::Tls {
                    name: endpoint.name(),
                    source,
                };
                let server = ServerName::try_from(host.clone())
                    .map_err(|error| refused(std::io::Error::other(error)))?;
                let stream = tls.connect(server, tcp).await.map_err(refused)?;
                (Box::new(stream), Some(begun.elapsed()))
            }
        };
        Ok(Connected {
            stream,
            phases: Phases { name, connect, tls },
            peer,
        })
    }

    fn tls(&self) -> Result<TlsConnector, DialError> {
        let usual = Path::new(SYSTEM_AUTHORITIES);
        let file = self.authorities.as_deref().unwrap_or(usual);
        let failed = |message: String| DialError::Authorities {
            file: file.to_path_buf(),
            message,
        };
        let mut roots = RootCertStore::empty();
        let found = CertificateDer::pem_file_iter(file);
        for certificate in found.map_err(|error| failed(error.to_string()))? {
            let certificate = certificate.map_err(|error| failed(error.to_string()))?;
            // A bundle may hold old forms that rustls refuses; the others still count.
            let _ = roots.add(certificate);
        }
        if roots.is_empty() {
            return Err(failed("it holds none".to_string()));
        }
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let config = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .map_err(|error| failed(error.to_string()))?
            .with_root_certificates(roots)
            .with_no_client_auth();
        Ok(TlsConnector::from(Arc::new(config)))
    }
}
