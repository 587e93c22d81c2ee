//! Connections to the followed exchange: public REST and public streams, nothing else.
//!
//! In: URLs, an authority to trust. Out: bodies, WebSockets. Never: a key, a signature, any method
//! but GET.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use http_body_util::{BodyExt as _, Empty, Limited};
use hyper::body::Bytes;
use hyper::client::conn::http1::handshake;
use hyper::header::HOST;
use hyper::{Request, Uri};
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::rustls::crypto::ring;
use tokio_rustls::rustls::pki_types::pem::PemObject as _;
use tokio_rustls::rustls::pki_types::{CertificateDer, ServerName};
use tokio_rustls::rustls::{ClientConfig, RootCertStore};
use tokio_tungstenite::WebSocketStream;

/// Authorities of Debian and its kin, where no other is named.
const SYSTEM_AUTHORITIES: &str = "/etc/ssl/certs/ca-certificates.crt";
/// Largest body: exchangeInfo of all of spot has some MB.
const BODY_BYTES_MAX: usize = 64 << 20;
/// How long a connection, an upgrade or an answer may take.
const PATIENCE: Duration = Duration::from_secs(10);

/// Any byte stream.
pub(super) trait ByteStream: AsyncRead + AsyncWrite + Unpin + Send {}
impl<T: AsyncRead + AsyncWrite + Unpin + Send> ByteStream for T {}

/// A WebSocket to the followed exchange.
pub(super) type WebSocket = WebSocketStream<Box<dyn ByteStream>>;

/// Opens connections; cheap to clone.
#[derive(Clone)]
pub(super) struct Dialer {
    tls: Arc<ClientConfig>,
}

impl Dialer {
    /// Trusts the authorities of a file, or those of the system. A system without any serves plain
    /// connections only.
    pub(super) fn new(ca_file: Option<&Path>) -> Result<Self, String> {
        let path = ca_file.unwrap_or(Path::new(SYSTEM_AUTHORITIES));
        let failed = |error: &dyn std::fmt::Display| format!("{}: {error}", path.display());
        let mut roots = RootCertStore::empty();
        match CertificateDer::pem_file_iter(path) {
            Ok(certificates) => {
                for certificate in certificates {
                    // A bundle may hold old forms that rustls refuses; the others still count.
                    let _ = roots.add(certificate.map_err(|error| failed(&error))?);
                }
            }
            Err(error) if ca_file.is_some() => return Err(failed(&error)),
            Err(_) => {}
        }
        if ca_file.is_some() && roots.is_empty() {
            return Err(failed(&"it holds no certificate"));
        }
        let config = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_safe_default_protocol_versions()
            .map_err(|error| failed(&error))?
            .with_root_certificates(roots)
            .with_no_client_auth();
        Ok(Self {
            tls: Arc::new(config),
        })
    }

    async fn connect(&self, uri: &Uri) -> Result<Box<dyn ByteStream>, String> {
        let host = uri.host().ok_or_else(|| format!("{uri}: no host"))?;
        let encrypted = matches!(uri.scheme_str(), Some("https" | "wss"));
        let port = uri.port_u16().unwrap_or(if encrypted { 443 } else { 80 });
        let failed = |error: std::io::Error| format!("{host}:{port}: {error}");
        let tcp = TcpStream::connect((host, port)).await.map_err(failed)?;
        tcp.set_nodelay(true).map_err(failed)?;
        if !encrypted {
            return Ok(Box::new(tcp));
        }
        let name = ServerName::try_from(host.to_owned()).map_err(|error| format!("{error}"))?;
        let connector = TlsConnector::from(self.tls.clone());
        Ok(Box::new(
            connector.connect(name, tcp).await.map_err(failed)?,
        ))
    }

    /// The body of a successful GET.
    pub(super) async fn get(&self, url: &str) -> Result<Bytes, String> {
        let answer = tokio::time::timeout(PATIENCE, self.get_patiently(url)).await;
        answer.unwrap_or_else(|_| Err(format!("{url}: no answer in time")))
    }

    async fn get_patiently(&self, url: &str) -> Result<Bytes, String> {
        let uri: Uri = url.parse().map_err(|error| format!("{url}: {error}"))?;
        let failed = |error: &dyn std::fmt::Display| format!("{url}: {error}");
        let socket = self.connect(&uri).await?;
        let (mut sender, driver) = handshake(TokioIo::new(socket))
            .await
            .map_err(|error| failed(&error))?;
        let driver = tokio::spawn(driver);
        let authority = uri.authority().map_or("", |one| one.as_str());
        let target = uri.path_and_query().map_or("/", |one| one.as_str());
        let request = Request::get(target)
            .header(HOST, authority)
            .body(Empty::<Bytes>::new())
            .map_err(|error| failed(&error))?;
        let answer = sender.send_request(request).await;
        let answer = answer.map_err(|error| failed(&error))?;
        let status = answer.status();
        let body = Limited::new(answer.into_body(), BODY_BYTES_MAX);
        let body = body.collect().await.map_err(|error| failed(&error))?;
        driver.abort();
        if !status.is_success() {
            return Err(failed(&format!("status {}", status.as_u16())));
        }
        Ok(body.to_bytes())
    }

    /// An open WebSocket.
    pub(super) async fn web_socket(&self, url: &str) -> Result<WebSocket, String> {
        let upgraded = async {
            let uri: Uri = url.parse().map_err(|error| format!("{url}: {error}"))?;
            let socket = self.connect(&uri).await?;
            let upgraded = tokio_tungstenite::client_async(url, socket).await;
            upgraded
                .map(|(socket, _)| socket)
                .map_err(|error| format!("{url}: {error}"))
        };
        let upgraded = tokio::time::timeout(PATIENCE, upgraded).await;
        upgraded.unwrap_or_else(|_| Err(format!("{url}: no connection in time")))
    }
}
