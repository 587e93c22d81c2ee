//! Connections of the operator: a line in, a line out.
//!
//! In: a path. Out: requests for the verbs, one after the other on each connection. Never: a
//! connection that keeps others out; beyond a bound the oldest one ends.

use super::verbs::Operator;
use crate::failure::Failure;
use operator::{LINE_BYTES_MAX, Reply, Request};
use std::collections::VecDeque;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::UnixListener as ListenerOfStd;
use std::path::Path;
use std::rc::Rc;
use std::time::Duration;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::{UnixListener, UnixStream};
use tokio::task::JoinHandle;

/// Connections at a time.
const CONNECTIONS_MAX: usize = 32;

/// Owner and group; the folder says who else gets near.
const MODE: u32 = 0o660;

/// A connection that says nothing for so long ends.
const SILENCE: Duration = Duration::from_secs(300);

/// A reply that nobody reads for so long ends its connection.
const UNREAD: Duration = Duration::from_secs(10);

/// Opens the socket at `path`, in place of the one of an earlier start.
///
/// # Errors
/// [`Failure::Configuration`]: without it nobody could kill.
pub fn bind(path: &Path) -> Result<ListenerOfStd, Failure> {
    let open = || -> std::io::Result<ListenerOfStd> {
        // Made aside, so that nobody connects before its mode is right.
        let aside = path.with_extension("new");
        let _ = std::fs::remove_file(&aside);
        let listener = ListenerOfStd::bind(&aside)?;
        listener.set_nonblocking(true)?;
        std::fs::set_permissions(&aside, std::fs::Permissions::from_mode(MODE))?;
        std::fs::rename(&aside, path)?;
        Ok(listener)
    };
    open().map_err(|error| {
        let path = path.display();
        Failure::Configuration(format!(
            "the operator's socket {path} cannot be opened: {error} (its path may have 107 bytes)"
        ))
    })
}

/// Serves until its thread ends.
///
/// # Panics
/// When the event loop takes no listener: then nobody could kill.
pub async fn serve(listener: ListenerOfStd, operator: Rc<Operator>) {
    let listener = UnixListener::from_std(listener).expect("an event loop with its I/O enabled");
    let mut open: VecDeque<JoinHandle<()>> = VecDeque::new();
    loop {
        let stream = match listener.accept().await {
            Ok((stream, _)) => stream,
            Err(error) => {
                tracing::warn!(%error, "operator socket");
                tokio::time::sleep(Duration::from_millis(100)).await;
                continue;
            }
        };
        open.retain(|one| !one.is_finished());
        if open.len() >= CONNECTIONS_MAX
            && let Some(oldest) = open.pop_front()
        {
            oldest.abort();
        }
        let operator = Rc::clone(&operator);
        open.push_back(tokio::task::spawn_local(converse(stream, operator)));
    }
}

async fn converse(stream: UnixStream, operator: Rc<Operator>) {
    let (reading, mut writing) = stream.into_split();
    let mut reader = BufReader::new(reading);
    let mut line = Vec::new();
    loop {
        line.clear();
        let mut bounded = (&mut reader).take(LINE_BYTES_MAX as u64);
        let read = tokio::time::timeout(SILENCE, bounded.read_until(b'\n', &mut line)).await;
        if !matches!(read, Ok(Ok(1..))) {
            return;
        }
        let whole = line.ends_with(b"\n");
        let reply = match Request::from_line(&line) {
            Ok(request) => operator.answer(request).await,
            Err(refusal) => Reply::from(refusal),
        };
        let text = reply.line();
        let written = tokio::time::timeout(UNREAD, writing.write_all(text.as_bytes())).await;
        // What follows a line that did not end would be taken for another.
        if !matches!(written, Ok(Ok(()))) || !whole {
            return;
        }
    }
}
