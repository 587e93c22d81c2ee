//! The API of control over its socket of this machine, for verbs that control carries out.
//!
//! In: a method, a path, a body. Out: status and JSON. Never: a key; the socket's mode says who may.

use super::{Failure, exit, failure};
use http_body_util::{BodyExt, Full, Limited};
use hyper::body::Bytes;
use hyper::{Method, Request};
use hyper_util::rt::TokioIo;
use serde_json::Value;
use std::path::{Path, PathBuf};
use std::time::Duration;
use tokio::net::UnixStream;

/// Longer than control waits for the hot path and its disk.
const PATIENCE: Duration = Duration::from_secs(35);

/// Longest answer that is read.
const ANSWER_BYTES_MAX: usize = 16 << 20;

/// Where control listens.
pub(super) struct ControlApi {
    socket: PathBuf,
}

impl ControlApi {
    /// Beside the hot path's socket.
    pub(super) fn beside(operator_socket: &Path) -> Self {
        Self {
            socket: operator_socket.with_file_name("control.sock"),
        }
    }

    /// One call, carried out once.
    ///
    /// # Errors
    /// When nobody answers, or with what was refused.
    pub(super) fn call(
        &self,
        method: Method,
        path: &str,
        expected: Option<u64>,
        body: Option<&Value>,
    ) -> Result<Value, Failure> {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build();
        let runtime = runtime.map_err(|error| failure(error.to_string()))?;
        let body = body.map(Value::to_string).unwrap_or_default();
        let mut request = Request::builder()
            .method(method)
            .uri(path)
            .header("host", "localhost")
            .header("content-type", "application/json")
            .header("idempotency-key", once());
        if let Some(version) = expected {
            request = request.header("if-match", format!("\"{version}\""));
        }
        let request = request.body(Full::new(Bytes::from(body)));
        let request = request.map_err(|error| failure(error.to_string()))?;
        let answer = runtime
            .block_on(async { tokio::time::timeout(PATIENCE, self.converse(request)).await });
        let (status, answer) = answer.map_err(|_| {
            let seconds = PATIENCE.as_secs();
            (
                exit::TEMPORARY,
                format!("control did not answer within {seconds} s"),
            )
        })??;
        if (200..300).contains(&status) {
            return Ok(answer);
        }
        let detail = answer["detail"]
            .as_str()
            .unwrap_or("refused without a word");
        let code = match status {
            422 => exit::BAD_CONFIGURATION,
            500.. => exit::TEMPORARY,
            _ => exit::FAILURE,
        };
        Err((code, detail.to_string()))
    }

    async fn converse(&self, request: Request<Full<Bytes>>) -> Result<(u16, Value), Failure> {
        let path = self.socket.display();
        let broken = |error: &dyn std::fmt::Display| (exit::TEMPORARY, format!("{path}: {error}"));
        let stream = UnixStream::connect(&self.socket).await.map_err(|error| {
            let text = format!(
                "no control answers at {path}: {error}; is it running, and are --state-dir and \
                 --account (or --config) its own?"
            );
            (exit::TEMPORARY, text)
        })?;
        let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream))
            .await
            .map_err(|error| broken(&error))?;
        let connection = tokio::spawn(connection);
        let answer = sender
            .send_request(request)
            .await
            .map_err(|error| broken(&error))?;
        let status = answer.status().as_u16();
        let body = Limited::new(answer.into_body(), ANSWER_BYTES_MAX)
            .collect()
            .await;
        let body = body.map_err(|error| broken(&error))?.to_bytes();
        connection.abort();
        Ok((status, serde_json::from_slice(&body).unwrap_or_default()))
    }
}

/// A key that no other call has.
fn once() -> String {
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    let now = now.map_or(0, |now| now.as_nanos());
    format!("fulcrum-{}-{now}", std::process::id())
}
