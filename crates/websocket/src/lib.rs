//! RFC 6455 framing for the client's side of a connection.
//!
//! In: bytes as they come, in any pieces. Out: whole messages that lie in the reader's buffer, and
//! masked frames in a buffer of the caller. Never: I/O, a clock, an allocation after
//! [`FrameReader::new`], a panic on what a server sends.
//!
//! The reader checks the framing, not the text: whether a text message is UTF-8 is left to the
//! strict decoders that read it anyway, byte for byte. Only the reason of a close frame, which is
//! shown to people, is checked here.
#![forbid(unsafe_code)]

mod header;
mod reader;
mod violation;
mod writer;

pub use header::{HEADER_BYTES_MAX, Opcode};
pub use reader::{FrameReader, Message, NO_CLOSE_CODE, Span};
pub use violation::Violation;
pub use writer::{NoRoom, apply_mask, frame_bytes, write_close, write_frame};
