//! A conversation with the hot path.
//!
//! In: requests. Out: replies. Never: a wait without end.

use super::{Failure, exit};
use operator::{LINE_BYTES_MAX, Reply, Request};
use std::io::{BufRead, BufReader, Read, Write};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::Duration;

/// Longer than the hot path waits for disk and exchange together.
const PATIENCE: Duration = Duration::from_secs(20);

/// An open socket.
pub(super) struct Connection {
    reader: BufReader<UnixStream>,
}

impl Connection {
    /// Connects.
    ///
    /// # Errors
    /// With what to do instead.
    pub(super) fn open(path: &Path) -> Result<Self, Failure> {
        let open = || -> std::io::Result<UnixStream> {
            let stream = UnixStream::connect(path)?;
            stream.set_read_timeout(Some(PATIENCE))?;
            stream.set_write_timeout(Some(PATIENCE))?;
            Ok(stream)
        };
        let stream = open().map_err(|error| {
            let text = format!(
                "no hot path answers at {}: {error}; is it running, and are --state-dir and \
                 --account (or --config) its own? In an emergency without a hot path, \
                 `fulcrum-flatten` with the same options cancels and closes everything",
                path.display()
            );
            (exit::TEMPORARY, text)
        })?;
        Ok(Self {
            reader: BufReader::new(stream),
        })
    }

    /// Asks and waits for the answer.
    ///
    /// # Errors
    /// When the connection breaks or says nonsense.
    pub(super) fn ask(&mut self, request: &Request) -> Result<Reply, Failure> {
        let broken = |error: std::io::Error| (exit::TEMPORARY, format!("operator.sock: {error}"));
        let stream = self.reader.get_mut();
        stream
            .write_all(request.line().as_bytes())
            .map_err(broken)?;
        let mut line = Vec::new();
        let mut bounded = (&mut self.reader).take(16 * LINE_BYTES_MAX as u64);
        bounded.read_until(b'\n', &mut line).map_err(broken)?;
        if line.is_empty() {
            return Err((
                exit::TEMPORARY,
                "the hot path ended the conversation".to_string(),
            ));
        }
        serde_json::from_slice(&line).map_err(|error| {
            (
                exit::FAILURE,
                format!("a reply of another version: {error}"),
            )
        })
    }
}
