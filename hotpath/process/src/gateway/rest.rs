//! The REST shell: sends what a session machine asks for.
//!
//! In: requests as values. Out: replies as values; nothing for a time-out or a broken
//! connection. Never: a repeat of its own, an error page taken for an answer without its status.

use super::socket::{Dialer, SocketError};
use binance::session::{HttpReply, HttpRequest, Silence};
use http_body_util::{BodyExt, Empty, Limited};
use hyper::body::Bytes;
use hyper::client::conn::http1::{SendRequest, handshake};
use hyper::header::{HOST, HeaderMap, RETRY_AFTER};
use hyper::{Request, Uri};
use hyper_util::rt::TokioIo;
use market::MonoNs;
use std::cell::RefCell;
use std::time::Duration;

use crate::clock;

/// Largest body that is read: exchangeInfo of all symbols has about 3 MB.
const BODY_BYTES_MAX: usize = 32 << 20;

/// Connections kept for the next request.
const IDLE_MAX: usize = 4;

type Connection = SendRequest<Empty<Bytes>>;

/// A reply that owns its body.
#[derive(Clone, Debug)]
pub struct Response {
    /// Status code.
    pub status: u16,
    retry_after_s: Option<u32>,
    used_weight: Option<u32>,
    body: Bytes,
}

/// One base URL with its connections; lives on one thread.
pub struct RestClient {
    dialer: Dialer,
    base: Uri,
    api_key: String,
    silence: Silence,
    idle: RefCell<Vec<Connection>>,
}

impl Response {
    /// As the session machines want it.
    #[must_use]
    pub fn as_reply(&self) -> HttpReply<'_> {
        HttpReply {
            status: self.status,
            retry_after_s: self.retry_after_s,
            used_weight: self.used_weight,
            body: &self.body,
        }
    }
}

impl RestClient {
    /// A client of `base_url` (no trailing slash).
    ///
    /// # Errors
    /// [`SocketError::BadUrl`].
    pub fn new(dialer: Dialer, base_url: &str, api_key: &str) -> Result<Self, SocketError> {
        let bad = || SocketError::BadUrl(base_url.to_string());
        let base: Uri = base_url.parse().map_err(|_| bad())?;
        base.host().ok_or_else(bad)?;
        let silence = dialer.silence_of(&base);
        Ok(Self {
            silence,
            dialer,
            base,
            api_key: api_key.to_string(),
            idle: RefCell::new(Vec::new()),
        })
    }

    /// What its host wants of everybody who asks it.
    #[must_use]
    pub fn silence(&self) -> Silence {
        self.silence.clone()
    }

    /// Sends a request; `None` when there was no whole reply before its deadline, and at once
    /// while the host wants silence, whoever was told so (I20).
    pub async fn send(&self, request: &HttpRequest) -> Option<Response> {
        if self.silence.until(clock::monotonic()).is_some() {
            tracing::debug!(
                endpoint = request.call.path,
                "not sent, the exchange wants silence"
            );
            return None;
        }
        let left = remaining(request.deadline);
        let result = tokio::time::timeout(left, self.exchange(request)).await;
        match result {
            Ok(Ok(response)) => {
                let reply = response.as_reply();
                self.silence.on_reply(&reply, clock::monotonic());
                Some(response)
            }
            Ok(Err(error)) => {
                tracing::debug!(endpoint = request.call.path, %error, "no reply");
                None
            }
            Err(_) => {
                tracing::debug!(endpoint = request.call.path, "no reply in time");
                None
            }
        }
    }

    async fn exchange(&self, request: &HttpRequest) -> Result<Response, SocketError> {
        let broken = |error: hyper::Error| SocketError::Handshake(error.to_string());
        let mut connection = self.connection().await?;
        let message = self.message(request);
        let response = connection.send_request(message).await.map_err(broken)?;
        let status = response.status().as_u16();
        let number = |name: &str| header_number(response.headers(), name);
        let retry_after_s = number(RETRY_AFTER.as_str());
        let used_weight = number("x-mbx-used-weight-1m");
        let body = Limited::new(response.into_body(), BODY_BYTES_MAX);
        let body = body
            .collect()
            .await
            .map_err(|error| SocketError::Handshake(error.to_string()))?
            .to_bytes();
        let mut idle = self.idle.borrow_mut();
        if idle.len() < IDLE_MAX {
            idle.push(connection);
        }
        Ok(Response {
            status,
            retry_after_s,
            used_weight,
            body,
        })
    }

    async fn connection(&self) -> Result<Connection, SocketError> {
        while let Some(mut connection) = self.take_idle() {
            if connection.ready().await.is_ok() {
                return Ok(connection);
            }
        }
        let socket = self.dialer.connect(&self.base).await?;
        let (connection, driver) = handshake(TokioIo::new(socket))
            .await
            .map_err(|error| SocketError::Handshake(error.to_string()))?;
        tokio::task::spawn_local(async move {
            // It ends when the exchange closes the idle connection: nothing to report.
            let _ = driver.await;
        });
        Ok(connection)
    }

    fn take_idle(&self) -> Option<Connection> {
        self.idle.borrow_mut().pop()
    }

    fn message(&self, request: &HttpRequest) -> Request<Empty<Bytes>> {
        let base_path = self.base.path().trim_end_matches('/');
        let separator = if request.call.query.is_empty() {
            ""
        } else {
            "?"
        };
        let target = format!(
            "{base_path}{}{separator}{}",
            request.call.path, request.call.query
        );
        let authority = self.base.authority().map_or("", |one| one.as_str());
        let mut builder = Request::builder()
            .method(request.call.method.as_str())
            .uri(target)
            .header(HOST, authority);
        if request.call.with_key {
            builder = builder.header("X-MBX-APIKEY", &self.api_key);
        }
        builder
            .body(Empty::new())
            .expect("paths are constants, queries percent-encoded, the key checked at start")
    }
}

fn header_number(headers: &HeaderMap, name: &str) -> Option<u32> {
    headers.get(name)?.to_str().ok()?.trim().parse().ok()
}

/// Time left until `deadline`.
pub(crate) fn remaining(deadline: MonoNs) -> Duration {
    Duration::from_nanos(deadline.since(clock::monotonic()))
}
