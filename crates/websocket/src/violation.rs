//! What a server may not do.
//!
//! In: nothing. Out: the rule that was broken, with a sentence for the operator. Never: text of
//! the server's.

use core::fmt;

/// The first rule that the stream broke; everything after it is meaningless.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Violation {
    /// RSV1 to RSV3 are set, and no extension was agreed upon (RFC 6455, 5.2).
    ReservedBits,
    /// An opcode that nobody has defined.
    UnknownOpcode(u8),
    /// A server may not mask (5.1).
    MaskedByServer,
    /// A length that would have fitted a shorter form (5.2).
    LengthNotMinimal,
    /// More payload than this reader takes.
    MessageTooLong {
        /// Bytes of the message so far, with what the frame announces; saturated.
        bytes: usize,
    },
    /// A control frame in pieces (5.4).
    ControlFragmented,
    /// A control frame of more than 125 bytes (5.5).
    ControlTooLong,
    /// A continuation of nothing (5.4).
    ContinuationWithoutStart,
    /// A new message before the last one was finished (5.4).
    StartWithinMessage,
    /// A close frame of one byte (5.5.1).
    CloseTooShort,
    /// A close code that may not be sent (7.4).
    CloseCode(u16),
    /// The reason of a close frame is not UTF-8.
    CloseReasonNotUtf8,
    /// The caller offered more bytes than the buffer has room for.
    BufferFull,
}

impl fmt::Display for Violation {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = match self {
            Self::ReservedBits => "reserved bits are set without an extension",
            Self::UnknownOpcode(opcode) => return write!(out, "unknown opcode {opcode:#x}"),
            Self::MaskedByServer => "a masked frame from the server",
            Self::LengthNotMinimal => "a frame length in a longer form than it needs",
            Self::MessageTooLong { bytes } => {
                return write!(out, "a message of {bytes} bytes is more than is taken");
            }
            Self::ControlFragmented => "a fragmented control frame",
            Self::ControlTooLong => "a control frame of more than 125 bytes",
            Self::ContinuationWithoutStart => "a continuation without a start",
            Self::StartWithinMessage => "a new message inside of a fragmented one",
            Self::CloseTooShort => "a close frame with half a code",
            Self::CloseCode(code) => return write!(out, "a close frame with code {code}"),
            Self::CloseReasonNotUtf8 => "a close frame whose reason is not UTF-8",
            Self::BufferFull => "more bytes than the frame buffer holds",
        };
        out.write_str(text)
    }
}

impl core::error::Error for Violation {}
