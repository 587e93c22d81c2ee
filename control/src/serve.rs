//! Connections: over the network and over sockets of this machine, with bounds.
//!
//! In: listeners, a router. Out: answers. Never: a client that keeps others out by being slow, large
//! or many.

use crate::api::{Peer, to_account};
use crate::store::Scopes;
use axum::Router;
use axum::body::Body;
use axum::http::Request;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use std::io;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, UnixListener};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio_io_timeout::TimeoutStream;
use tower::ServiceExt;

/// A client that takes nothing of its answer for so long is gone.
const UNREAD: Duration = Duration::from_secs(10);
/// A request's head is here within this time, or its connection is gone.
const HEAD: Duration = Duration::from_secs(5);
/// Bytes of a request's head.
const HEAD_BYTES_MAX: usize = 16 * 1_024;

/// What every connection of a listener has. Each listener has places of its own: nobody on the network
/// keeps out who sits at the machine.
#[derive(Clone)]
pub struct Door {
    router: Router,
    account: Arc<str>,
    places: Arc<Semaphore>,
}

impl Door {
    /// To these routes, for this account, with so many connections at a time.
    #[must_use]
    pub fn new(router: Router, account: &str, connections_max: usize) -> Self {
        Self {
            router,
            account: account.into(),
            places: Arc::new(Semaphore::new(connections_max)),
        }
    }

    /// Serves the network, for as long as it is polled.
    pub async fn network(self, listener: TcpListener) {
        loop {
            let place = self.place().await;
            match listener.accept().await {
                Ok((stream, address)) => {
                    // Answers are short, and somebody waits.
                    let _ = stream.set_nodelay(true);
                    tokio::spawn(
                        self.clone()
                            .connection(stream, Peer::Address(address), place),
                    );
                }
                Err(error) => pause(&error).await,
            }
        }
    }

    /// Serves a socket of this machine; `name` and `scopes` are those of whoever may open it.
    pub async fn socket(self, listener: UnixListener, name: &'static str, scopes: Scopes) {
        loop {
            let place = self.place().await;
            match listener.accept().await {
                Ok((stream, _)) => {
                    let peer = Peer::Socket(name, scopes);
                    tokio::spawn(self.clone().connection(stream, peer, place));
                }
                Err(error) => pause(&error).await,
            }
        }
    }

    async fn place(&self) -> OwnedSemaphorePermit {
        let place = Arc::clone(&self.places).acquire_owned().await;
        place.expect("it is never closed")
    }

    async fn connection<S>(self, stream: S, peer: Peer, _place: OwnedSemaphorePermit)
    where
        S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        let service = service_fn(move |request: Request<Incoming>| {
            let (router, account) = (self.router.clone(), Arc::clone(&self.account));
            async move {
                let mut request = request.map(Body::new);
                request.extensions_mut().insert(peer);
                to_account(&mut request, &account);
                router.oneshot(request).await
            }
        });
        let mut stream = TimeoutStream::new(stream);
        stream.set_write_timeout(Some(UNREAD));
        let served = http1::Builder::new()
            // Who has said what is wanted may leave.
            .half_close(true)
            .timer(TokioTimer::new())
            .header_read_timeout(HEAD)
            .max_buf_size(HEAD_BYTES_MAX)
            .serve_connection(TokioIo::new(Box::pin(stream)), service)
            // A stream has bounds of its own.
            .with_upgrades();
        if let Err(error) = served.await {
            tracing::debug!("a connection ended: {error}");
        }
    }
}

/// No file descriptor is left, or the like: others get time to end.
async fn pause(error: &io::Error) {
    tracing::warn!("a connection is not taken: {error}");
    tokio::time::sleep(Duration::from_millis(100)).await;
}

/// A socket of this machine with a mode that says who may open it. Nobody finds it before it has that
/// mode, and one that a dead process left gives way.
///
/// # Errors
/// Of the file system.
pub fn bind_socket(path: &Path, mode: u32) -> io::Result<UnixListener> {
    use std::os::unix::fs::PermissionsExt as _;
    if let Some(folder) = path.parent() {
        std::fs::create_dir_all(folder)?;
    }
    let aside = path.with_extension("new");
    match std::fs::remove_file(&aside) {
        Ok(()) => {}
        Err(error) if error.kind() == io::ErrorKind::NotFound => {}
        Err(error) => return Err(error),
    }
    let listener = UnixListener::bind(&aside)?;
    std::fs::set_permissions(&aside, std::fs::Permissions::from_mode(mode))?;
    std::fs::rename(&aside, path)?;
    Ok(listener)
}
