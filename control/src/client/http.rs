//! One request at a time over a connection that is kept.
//!
//! In: method, path, headers, body, a time. Out: the answer; or why there is none, and whether the
//! request can have arrived. Never: a request that is sent twice.

use super::dial::{DialError, Dialer, Phases};
use super::endpoint::Endpoint;
use http_body_util::{BodyExt as _, Full, Limited};
use hyper::body::Bytes;
use hyper::client::conn::http1::{SendRequest, handshake};
use hyper::header::{CONTENT_TYPE, HOST, HeaderMap, HeaderValue};
use hyper::{Method, Request};
use hyper_util::rt::TokioIo;
use std::time::Duration;

/// Longest body that is taken: spot's exchangeInfo of all symbols has about 20 MB.
const BODY_BYTES_MAX: usize = 64 << 20;

type Connection = SendRequest<Full<Bytes>>;

/// What is asked.
#[derive(Clone, Debug)]
pub struct Question<'a> {
    /// Method.
    pub method: Method,
    /// Path with its query, behind the endpoint's own.
    pub path: &'a str,
    /// Beside `Host` and the type of a body.
    pub headers: &'a [(&'static str, &'a str)],
    /// JSON; empty for none.
    pub body: String,
}

/// What is answered.
#[derive(Clone, Debug)]
pub struct Answer {
    /// Status code.
    pub status: u16,
    /// Headers.
    pub headers: HeaderMap,
    /// The whole body.
    pub body: Bytes,
}

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
pub enum CallError {
    /// There was no connection: nothing was sent.
    #[error(transparent)]
    NotSent(#[from] DialError),
    /// It was sent, at least in part, and the connection broke or brought nonsense.
    #[error("{name}: {why}")]
    Broken {
        /// Who was asked.
        name: String,
        /// What happened.
        why: String,
    },
    /// It was sent, and there was no whole answer in time.
    #[error("{name}: no answer within {seconds} s")]
    Late {
        /// Who was asked.
        name: String,
        /// After how long.
        seconds: u64,
    },
}

impl CallError {
    /// True when the request can have been carried out.
    #[must_use]
    pub const fn may_have_arrived(&self) -> bool {
        !matches!(self, Self::NotSent(_))
    }
}

impl Answer {
    /// A header as text; none where it is not there.
    #[must_use]
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name)?.to_str().ok()
    }
}

/// A server with the connection to it.
pub struct Client {
    dialer: Dialer,
    endpoint: Endpoint,
    idle: Option<Connection>,
    /// Of the newest connection.
    phases: Phases,
}

impl Client {
    /// Of this server; nothing is opened yet.
    #[must_use]
    pub fn new(dialer: Dialer, endpoint: Endpoint) -> Self {
        Self {
            dialer,
            endpoint,
            idle: None,
            phases: Phases::default(),
        }
    }

    /// Who is asked.
    #[must_use]
    pub const fn endpoint(&self) -> &Endpoint {
        &self.endpoint
    }

    /// How long the newest connection took.
    #[must_use]
    pub const fn phases(&self) -> Phases {
        self.phases
    }

    /// Asks, and waits for the answer at most so long.
    ///
    /// # Errors
    /// [`CallError`].
    pub async fn ask(
        &mut self,
        question: &Question<'_>,
        patience: Duration,
    ) -> Result<Answer, CallError> {
        let mut connection = self.connection().await?;
        let name = self.endpoint.name();
        let broken = |why: String| CallError::Broken {
            name: name.clone(),
            why,
        };
        let request = self
            .request(question)
            .map_err(|error| broken(error.to_string()))?;
        let exchange = async {
            let answer = connection.send_request(request).await;
            let answer = answer.map_err(|error| broken(error.to_string()))?;
            let (head, body) = answer.into_parts();
            let body = Limited::new(body, BODY_BYTES_MAX).collect().await;
            let body = body.map_err(|error| broken(error.to_string()))?.to_bytes();
            Ok(Answer {
                status: head.status.as_u16(),
                headers: head.headers,
                body,
            })
        };
        match tokio::time::timeout(patience, exchange).await {
            Ok(Ok(answer)) => {
                self.idle = Some(connection);
                Ok(answer)
            }
            Ok(Err(error)) => Err(error),
            Err(_) => Err(CallError::Late {
                name: self.endpoint.name(),
                seconds: patience.as_secs(),
            }),
        }
    }

    async fn connection(&mut self) -> Result<Connection, CallError> {
        if let Some(mut kept) = self.idle.take()
            && kept.ready().await.is_ok()
        {
            return Ok(kept);
        }
        let connected = self.dialer.connect(&self.endpoint).await?;
        self.phases = connected.phases;
        let (connection, driver) =
            handshake(TokioIo::new(connected.stream))
                .await
                .map_err(|error| CallError::Broken {
                    name: self.endpoint.name(),
                    why: error.to_string(),
                })?;
        tokio::spawn(async move {
            // It ends when the server closes a connection that is kept: nothing to report.
            let _ = driver.await;
        });
        Ok(connection)
    }

    fn request(&self, question: &Question<'_>) -> Result<Request<Full<Bytes>>, hyper::http::Error> {
        let mut builder = Request::builder()
            .method(question.method.clone())
            .uri(self.endpoint.target(question.path))
            .header(HOST, self.endpoint.authority());
        for (name, value) in question.headers {
            let mut value = HeaderValue::from_str(value)?;
            // No log and no debug print shows what may be a key.
            value.set_sensitive(true);
            builder = builder.header(*name, value);
        }
        if !question.body.is_empty() {
            builder = builder.header(CONTENT_TYPE, "application/json");
        }
        builder.body(Full::new(Bytes::from(question.body.clone())))
    }
}
