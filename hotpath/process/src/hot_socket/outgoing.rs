//! Bytes that are ready for the wire.
//!
//! In: bytes in the order of the stream. Out: what the kernel took of them. Never: more than the
//! buffer of the start, a byte twice or out of order.

use super::end::SocketEnd;
use std::io::{self, Write};
use std::net::TcpStream;

/// A bounded queue of bytes in one piece.
#[derive(Debug)]
pub(super) struct Outgoing {
    buffer: Box<[u8]>,
    start: usize,
    end: usize,
}

impl Outgoing {
    pub(super) fn new(bytes: usize) -> Self {
        Self {
            buffer: vec![0; bytes].into_boxed_slice(),
            start: 0,
            end: 0,
        }
    }

    pub(super) const fn is_empty(&self) -> bool {
        self.start == self.end
    }

    pub(super) fn waiting(&self) -> &[u8] {
        &self.buffer[self.start..self.end]
    }

    /// Where the next bytes go.
    #[inline]
    pub(super) fn spare(&mut self) -> &mut [u8] {
        if self.start > 0 {
            self.buffer.copy_within(self.start..self.end, 0);
            self.end -= self.start;
            self.start = 0;
        }
        &mut self.buffer[self.end..]
    }

    /// `count` bytes of [`Outgoing::spare`] have been filled.
    #[inline]
    pub(super) fn commit(&mut self, count: usize) {
        self.end += count;
        assert!(
            self.end <= self.buffer.len(),
            "more than there was room for"
        );
    }

    /// The first `count` bytes are on their way.
    pub(super) fn sent(&mut self, count: usize) {
        self.start += count;
        assert!(self.start <= self.end, "more than was waiting");
        if self.is_empty() {
            self.start = 0;
            self.end = 0;
        }
    }

    /// Offers what is waiting to the kernel, once. True when nothing is left.
    ///
    /// # Errors
    /// What the kernel says of the connection.
    #[inline]
    pub(super) fn send(&mut self, mut socket: &TcpStream) -> Result<bool, SocketEnd> {
        if self.is_empty() {
            return Ok(true);
        }
        match socket.write(self.waiting()) {
            Ok(0) => Err(SocketEnd::Reset),
            Ok(count) => {
                self.sent(count);
                Ok(self.is_empty())
            }
            Err(error) if is_busy(&error) => Ok(false),
            Err(error) => Err(error.into()),
        }
    }
}

/// Nothing was wrong, there was only nothing to do at this moment.
pub(super) fn is_busy(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::WouldBlock | io::ErrorKind::Interrupted
    )
}
