//! Questions to control over its socket on this machine.
//!
//! In: a path. Out: JSON, or the problem as a complaint. Never: a wait without end, a right beyond that
//! to look.

use super::arguments::Arguments;
use super::{Failure, exit, failure};
use http_body_util::{BodyExt as _, Empty, Limited};
use hyper::body::Bytes;
use hyper::client::conn::http1;
use hyper::{Request, StatusCode};
use hyper_util::rt::TokioIo;
use serde_json::Value;
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::time::Duration;

/// Of this socket everybody on the machine may look.
const SOCKET: &str = "control-read.sock";

/// Longer than control takes for any answer.
const PATIENCE: Duration = Duration::from_secs(35);

/// Largest answer.
const ANSWER_BYTES_MAX: usize = 64 << 20;

/// A connection to control.
///
/// # Errors
/// With what to do.
pub(super) fn connect(arguments: &Arguments) -> Result<UnixStream, Failure> {
    let path: PathBuf = arguments.socket()?.with_file_name(SOCKET);
    let open = || {
        let stream = UnixStream::connect(&path)?;
        stream.set_read_timeout(Some(PATIENCE))?;
        stream.set_write_timeout(Some(PATIENCE))?;
        Ok::<_, std::io::Error>(stream)
    };
    open().map_err(|error| {
        let text = format!(
            "no control answers at {}: {error}; is it running, and are --state-dir and --account (or \
             --config) its own?",
            path.display()
        );
        (exit::TEMPORARY, text)
    })
}

/// Asks for what is at `path`.
///
/// # Errors
/// The problem that control answers with, or that there is no answer.
pub(super) fn get(arguments: &Arguments, path: &str) -> Result<Value, Failure> {
    let stream = connect(arguments)?;
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|error| failure(error.to_string()))?;
    let asked = runtime.block_on(async {
        tokio::time::timeout(PATIENCE, ask(stream, path))
            .await
            .map_err(|_| broken(&"no answer in time"))
    });
    let (status, body) = asked??;
    let value: Value = serde_json::from_slice(&body)
        .map_err(|error| failure(format!("an answer of another version: {error}")))?;
    if status.is_success() {
        return Ok(value);
    }
    let detail = value["detail"].as_str().unwrap_or("no reason");
    let code = match status {
        StatusCode::SERVICE_UNAVAILABLE | StatusCode::GATEWAY_TIMEOUT => exit::TEMPORARY,
        _ => exit::FAILURE,
    };
    Err((code, detail.to_string()))
}

async fn ask(stream: UnixStream, path: &str) -> Result<(StatusCode, Bytes), Failure> {
    stream
        .set_nonblocking(true)
        .map_err(|error| broken(&error))?;
    let stream = tokio::net::UnixStream::from_std(stream).map_err(|error| broken(&error))?;
    let (mut sender, connection) = http1::handshake(TokioIo::new(stream))
        .await
        .map_err(|error| broken(&error))?;
    let connection = tokio::spawn(connection);
    let request = Request::get(path)
        .header("host", "localhost")
        .body(Empty::<Bytes>::new())
        .map_err(|error| failure(error.to_string()))?;
    let answer = sender
        .send_request(request)
        .await
        .map_err(|error| broken(&error))?;
    let status = answer.status();
    let body = Limited::new(answer.into_body(), ANSWER_BYTES_MAX);
    let body = body.collect().await.map_err(|error| broken(&error))?;
    connection.abort();
    Ok((status, body.to_bytes()))
}

fn broken(error: &impl std::fmt::Display) -> Failure {
    (exit::TEMPORARY, format!("{SOCKET}: {error}"))
}
