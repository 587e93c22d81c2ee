//! Sockets: three ports, plain or TLS, one task a connection.
//!
//! In: addresses, the shared exchange. Out: bytes moved both ways. Never: a decision about the
//! market or an order.

mod accounts_api;
pub mod api_socket;
pub mod control_api;
mod counted;
pub mod heartbeat;
pub mod http;
mod inbox;
mod latency_api;
mod outbox;
mod standing;
mod state_api;
pub mod stream_socket;
pub mod tls;
mod truth;

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use market::Market;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpListener;
use tokio::sync::Semaphore;
use tokio_rustls::TlsAcceptor;

use self::counted::Counted;
use crate::exchange::Shared;

/// Time for a request's header; ends connections that send one byte at a time.
const HEADER_TIMEOUT: Duration = Duration::from_secs(10);

/// Time for a peer to take what is written to it; ends connections that have ceased to read.
const WRITE_TIMEOUT: Duration = Duration::from_secs(5);
/// Open connections of one port: with those of the others still below the usual limit on open
/// files of a service.
const CONNECTIONS_MAX: usize = 12_000;

/// The open ports.
pub struct Ports {
    usdm: TcpListener,
    spot: TcpListener,
    control: TcpListener,
    connections_max: usize,
}

impl Ports {
    /// Opens the ports.
    ///
    /// # Errors
    /// With the address that cannot be opened.
    pub async fn open(addresses: [SocketAddr; 3]) -> Result<Self, String> {
        let open = async |address: SocketAddr| {
            let listener = TcpListener::bind(address).await;
            listener.map_err(|error| format!("{address}: {error}"))
        };
        Ok(Self {
            usdm: open(addresses[0]).await?,
            spot: open(addresses[1]).await?,
            control: open(addresses[2]).await?,
            connections_max: CONNECTIONS_MAX,
        })
    }

    /// Another number of open connections of one port; who comes above it gets 503.
    #[must_use]
    pub fn with_connections_max(self, connections_max: usize) -> Self {
        Self {
            connections_max,
            ..self
        }
    }

    /// Addresses of USD-M, spot and control.
    ///
    /// # Errors
    /// When the system does not tell.
    pub fn addresses(&self) -> io::Result<[SocketAddr; 3]> {
        Ok([
            self.usdm.local_addr()?,
            self.spot.local_addr()?,
            self.control.local_addr()?,
        ])
    }

    /// The line that tells the bases, without trailing slashes.
    ///
    /// # Errors
    /// As [`Ports::addresses`].
    pub fn ready_line(&self, tls: bool) -> io::Result<String> {
        let [usdm, spot, control] = self.addresses()?;
        let s = if tls { "s" } else { "" };
        Ok(format!(
            "ready http=http{s}://{usdm} ws=ws{s}://{usdm} spot_http=http{s}://{spot} \
             spot_ws=ws{s}://{spot} sim=http://{control}"
        ))
    }

    /// Accepts on all ports until the task is dropped. The control port never speaks TLS.
    pub async fn serve(self, shared: Shared, tls: Option<TlsAcceptor>) {
        let usdm = http::router(Market::UsdM, shared.clone());
        let spot = http::router(Market::Spot, shared.clone());
        let control = control_api::router(shared);
        tokio::join!(
            accept(self.usdm, usdm, tls.clone(), self.connections_max),
            accept(self.spot, spot, tls, self.connections_max),
            accept(self.control, control, None, self.connections_max),
        );
    }
}

async fn accept(
    listener: TcpListener,
    router: Router,
    tls: Option<TlsAcceptor>,
    connections_max: usize,
) {
    let places = Arc::new(Semaphore::new(connections_max));
    loop {
        let stream = match listener.accept().await {
            Ok((stream, _)) => stream,
            Err(error) => {
                // Too many open files, most of all: wait for some to close.
                tracing::warn!(%error, "cannot accept a connection");
                tokio::time::sleep(Duration::from_millis(100)).await;
                continue;
            }
        };
        if let Err(error) = stream.set_nodelay(true) {
            tracing::debug!(%error, "a connection without TCP_NODELAY");
        }
        let Some(stream) = Counted::admit(stream, &places, tls.is_some()) else {
            continue;
        };
        let router = router.clone();
        match tls.clone() {
            None => tokio::spawn(connection(stream, router)),
            Some(tls) => tokio::spawn(async move {
                match tokio::time::timeout(HEADER_TIMEOUT, tls.accept(stream)).await {
                    Ok(Ok(stream)) => connection(stream, router).await,
                    Ok(Err(error)) => tracing::debug!(%error, "TLS handshake failed"),
                    Err(_) => tracing::debug!("TLS handshake took too long"),
                }
            }),
        };
    }
}

async fn connection(stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static, router: Router) {
    let service = TowerToHyperService::new(router);
    let served = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEADER_TIMEOUT)
        .serve_connection(TokioIo::new(stream), service)
        .with_upgrades()
        .await;
    if let Err(error) = served {
        tracing::debug!(%error, "a connection ended early");
    }
}
