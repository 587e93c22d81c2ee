//! Why a socket is over.
//!
//! In: what the kernel, rustls or the frame reader found. Out: a small value that can be copied,
//! compared and printed without allocation. Never: text of the other end.

use std::io;
use websocket::Violation;

/// Why a socket is over; whatever it is, the answer is to dial again.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SocketEnd {
    /// A close frame; 1005 where it named no code.
    #[error("closed by the other end with code {0}")]
    Closed(u16),
    /// We closed it.
    #[error("closed by us")]
    ClosedByUs,
    /// TLS was closed in order, the WebSocket was not.
    #[error("the other end closed TLS without a close frame")]
    TlsClosed,
    /// The stream ended without a word.
    #[error("the connection ended without a close")]
    EndOfStream,
    /// RST.
    #[error("the connection was reset")]
    Reset,
    /// The kernel gave up: nothing we sent was acknowledged.
    #[error("the connection timed out")]
    TimedOut,
    /// Another error of the kernel, as errno.
    #[error("the system refused the socket, errno {0}")]
    System(i32),
    /// The other end broke a rule of framing, or sent more than is taken.
    #[error("framing: {0}")]
    Framing(#[from] Violation),
    /// TLS failed.
    #[error("TLS: {0}")]
    Tls(TlsFault),
    /// The kernel opens the records, and came upon one that only rustls understands.
    #[error("the kernel's TLS met a record of type {0}")]
    KernelTlsRecord(u8),
    /// The kernel takes nothing any more and our buffer is full.
    #[error("more is waiting to be sent than the buffer holds")]
    SendBacklog,
    /// A message of ours that is longer than this socket sends.
    #[error("a message of {0} bytes is longer than this socket sends")]
    TooLongToSend(usize),
}

impl From<io::Error> for SocketEnd {
    fn from(error: io::Error) -> Self {
        match error.kind() {
            io::ErrorKind::ConnectionReset
            | io::ErrorKind::ConnectionAborted
            | io::ErrorKind::BrokenPipe => Self::Reset,
            io::ErrorKind::TimedOut => Self::TimedOut,
            io::ErrorKind::UnexpectedEof => Self::EndOfStream,
            // The kernel's TLS, of a record whose seal is broken.
            _ if error.raw_os_error() == Some(libc::EBADMSG) => Self::Tls(TlsFault::Decrypt),
            _ => Self::System(error.raw_os_error().unwrap_or(0)),
        }
    }
}

/// Classes of trouble in TLS.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum TlsFault {
    /// The other end sent a fatal alert.
    #[error("the other end sent alert {0}")]
    Alert(u8),
    /// A record whose seal is broken.
    #[error("a record could not be decrypted")]
    Decrypt,
    /// Bytes that are no TLS.
    #[error("malformed bytes")]
    Malformed,
    /// Well-formed, but not allowed here.
    #[error("the other end broke the protocol")]
    Misbehaved,
    /// A record or handshake message larger than the buffer.
    #[error("a record larger than the buffer")]
    Oversized,
    /// The keys have been used as often as is safe.
    #[error("the keys are exhausted")]
    Exhausted,
    /// Anything else.
    #[error("unexpected trouble")]
    Other,
}

impl From<&rustls::Error> for TlsFault {
    fn from(error: &rustls::Error) -> Self {
        use rustls::Error;
        match error {
            Error::AlertReceived(alert) => Self::Alert(u8::from(*alert)),
            Error::DecryptError => Self::Decrypt,
            Error::InvalidMessage(_) => Self::Malformed,
            Error::PeerMisbehaved(_)
            | Error::PeerIncompatible(_)
            | Error::InappropriateMessage { .. }
            | Error::InappropriateHandshakeMessage { .. } => Self::Misbehaved,
            Error::PeerSentOversizedRecord => Self::Oversized,
            _ => Self::Other,
        }
    }
}
