//! A blocking stream with a deadline, for the cold side.
//!
//! In: a host and a deadline. Out: a connected stream, then its bytes. Never: a wait past the
//! deadline.

use super::dial::DialError;
use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpStream, ToSocketAddrs};
use std::sync::mpsc;
use std::time::{Duration, Instant};

/// A connection while it is being made.
pub(super) struct Wire {
    pub(super) stream: TcpStream,
    host: String,
    deadline: Instant,
}

impl Wire {
    /// Resolves and connects, trying the host's addresses in the order of the system's resolver.
    pub(super) fn connect(host: &str, port: u16, deadline: Instant) -> Result<Self, DialError> {
        let failed = |source| DialError::Connect {
            host: host.to_string(),
            source,
        };
        let mut last = io::Error::new(io::ErrorKind::NotFound, "the name has no address");
        let addresses = resolve(host, port, deadline)?;
        for (tried, address) in addresses.iter().enumerate() {
            // A dead address leaves its share of the time to those behind it.
            let untried = u32::try_from(addresses.len() - tried).unwrap_or(u32::MAX);
            let patience = left(host, deadline)? / untried;
            match TcpStream::connect_timeout(address, patience) {
                Ok(stream) => {
                    stream.set_nodelay(true).map_err(failed)?;
                    return Ok(Self {
                        stream,
                        host: host.to_string(),
                        deadline,
                    });
                }
                Err(error) => last = error,
            }
        }
        Err(failed(last))
    }

    /// Reads what is there, waiting for the first byte. Zero is the end of the stream.
    pub(super) fn read(&mut self, into: &mut [u8]) -> Result<usize, DialError> {
        loop {
            let patience = left(&self.host, self.deadline)?;
            let result = self
                .stream
                .set_read_timeout(Some(patience))
                .and_then(|()| self.stream.read(into));
            match result {
                Ok(count) => return Ok(count),
                Err(error) => self.unless_transient(error)?,
            }
        }
    }

    /// Writes all of `bytes`.
    pub(super) fn write(&mut self, mut bytes: &[u8]) -> Result<(), DialError> {
        while !bytes.is_empty() {
            let patience = left(&self.host, self.deadline)?;
            let result = self
                .stream
                .set_write_timeout(Some(patience))
                .and_then(|()| self.stream.write(bytes));
            match result {
                Ok(count) => bytes = &bytes[count..],
                Err(error) => self.unless_transient(error)?,
            }
        }
        Ok(())
    }

    pub(super) fn connect_failed(&self, source: io::Error) -> DialError {
        DialError::Connect {
            host: self.host.clone(),
            source,
        }
    }

    /// A time-out of one call is judged by the deadline, at the next look.
    fn unless_transient(&self, error: io::Error) -> Result<(), DialError> {
        match error.kind() {
            io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut | io::ErrorKind::Interrupted => {
                Ok(())
            }
            _ => Err(self.connect_failed(error)),
        }
    }
}

/// Time until the deadline.
fn left(host: &str, deadline: Instant) -> Result<Duration, DialError> {
    let left = deadline.saturating_duration_since(Instant::now());
    if left.is_zero() {
        return Err(DialError::TimedOut {
            host: host.to_string(),
        });
    }
    // A socket takes no time-out below a microsecond.
    Ok(left.max(Duration::from_micros(1)))
}

/// The system's resolver knows no deadline and may take half a minute, so it is asked by a thread
/// of its own, which is left alone when it is late.
fn resolve(host: &str, port: u16, deadline: Instant) -> Result<Vec<SocketAddr>, DialError> {
    let failed = |source| DialError::Resolve {
        host: host.to_string(),
        source,
    };
    let bare = host.trim_start_matches('[').trim_end_matches(']');
    if let Ok(address) = bare.parse() {
        return Ok(vec![SocketAddr::new(address, port)]);
    }
    let (answer, answered) = mpsc::sync_channel(1);
    let name = host.to_string();
    std::thread::Builder::new()
        .name("resolve".to_string())
        .spawn(move || {
            let found = (name.as_str(), port).to_socket_addrs().map(Vec::from_iter);
            // Nobody waits any more when the deadline has passed.
            let _ = answer.send(found);
        })
        .map_err(failed)?;
    match answered.recv_timeout(left(host, deadline)?) {
        Ok(found) => found.map_err(failed),
        Err(_) => Err(DialError::TimedOut {
            host: host.to_string(),
        }),
    }
}
