//! One stream through both readers; the property tests and the fuzz target share it.
//!
//! In: a stream of bytes. Out: what each reader saw, and how it ended. Never: an opinion on which
//! of the two is right.
#![allow(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]

use std::io::{self, Cursor, Read, Write};
use tungstenite::error::{CapacityError, Error};
use tungstenite::protocol::{Role, WebSocket, WebSocketConfig};
use websocket::{FrameReader, Message, Violation};

/// Largest message in these tests: small, so that limits are met often.
pub(crate) const MESSAGE_BYTES_MAX: usize = 70_000;

/// A message of either reader.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Seen {
    Text(Vec<u8>),
    Binary(Vec<u8>),
    Ping(Vec<u8>),
    Pong(Vec<u8>),
    Close(Option<u16>, String),
}

/// How a stream ends for either reader.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum End {
    /// It wants more bytes.
    Open,
    Closed,
    Refused,
    /// A length in a form that it does not need; only we refuse it.
    Stricter,
    /// Text that is not UTF-8; only tungstenite looks, and as early as in a fragment.
    NotText,
    TooLong,
}

/// A stream that ends, and takes whatever is written.
struct Recorded<R>(R);

impl<R: Read> Read for Recorded<R> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        self.0.read(into)
    }
}

impl<R> Write for Recorded<R> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// As tungstenite reads it.
pub(crate) fn theirs(role: Role, stream: &[u8]) -> (Vec<Seen>, End) {
    let config = WebSocketConfig::default()
        .max_message_size(Some(MESSAGE_BYTES_MAX))
        .max_frame_size(Some(MESSAGE_BYTES_MAX));
    let mut reader =
        WebSocket::from_raw_socket(Recorded(Cursor::new(stream.to_vec())), role, Some(config));
    let mut seen = Vec::new();
    loop {
        seen.push(match reader.read() {
            Ok(tungstenite::Message::Text(text)) => Seen::Text(text.as_bytes().to_vec()),
            Ok(tungstenite::Message::Binary(bytes)) => Seen::Binary(bytes.to_vec()),
            Ok(tungstenite::Message::Ping(bytes)) => Seen::Ping(bytes.to_vec()),
            Ok(tungstenite::Message::Pong(bytes)) => Seen::Pong(bytes.to_vec()),
            Ok(tungstenite::Message::Close(close)) => {
                let (code, reason) = close.map_or((None, String::new()), |close| {
                    (Some(close.code.into()), close.reason.to_string())
                });
                // Their word for a code that may not be sent.
                if (code, reason.as_str()) == (Some(1002), "Protocol violation") {
                    return (seen, End::Refused);
                }
                seen.push(Seen::Close(code, reason));
                return (seen, End::Closed);
            }
            Ok(tungstenite::Message::Frame(_)) => unreachable!("never read"),
            Err(Error::Capacity(CapacityError::MessageTooLong { .. })) => {
                return (seen, End::TooLong);
            }
            Err(Error::Protocol(
                tungstenite::error::ProtocolError::ResetWithoutClosingHandshake,
            )) => return (seen, End::Open),
            Err(Error::Utf8(_)) => return (seen, End::NotText),
            Err(_) => return (seen, End::Refused),
        });
    }
}

/// Reads `stream` in pieces of the given lengths, over and over.
pub(crate) fn ours(stream: &[u8], pieces: &[usize]) -> (Vec<Seen>, End) {
    let mut reader = FrameReader::new(MESSAGE_BYTES_MAX, 1 << 16);
    let mut seen = Vec::new();
    let mut rest = stream;
    for piece in pieces.iter().cycle() {
        let spare = reader.spare();
        let (now, later) = rest.split_at((*piece).min(rest.len()).min(spare.len()));
        rest = later;
        spare[..now.len()].copy_from_slice(now);
        reader.commit(now.len());
        loop {
            match reader.next_message() {
                Ok(Some(message)) => seen.push(owned(message)),
                Ok(None) => break,
                Err(Violation::MessageTooLong { .. }) => return (seen, End::TooLong),
                Err(Violation::LengthNotMinimal | Violation::ControlTooLong) => {
                    return (seen, End::Stricter);
                }
                Err(_) => return (seen, End::Refused),
            }
        }
        if matches!(seen.last(), Some(Seen::Close(..))) {
            return (seen, End::Closed);
        }
        if rest.is_empty() {
            break;
        }
    }
    (seen, End::Open)
}

fn owned(message: Message<'_>) -> Seen {
    match message {
        Message::Text(bytes) => Seen::Text(bytes.to_vec()),
        Message::Binary(bytes) => Seen::Binary(bytes.to_vec()),
        Message::Ping(bytes) => Seen::Ping(bytes.to_vec()),
        Message::Pong(bytes) => Seen::Pong(bytes.to_vec()),
        Message::Close { code, reason } => Seen::Close(code, reason.to_string()),
    }
}

/// True where the two may differ: a length form that only we refuse; text that only tungstenite
/// reads; a rule that we hold as soon as the head is there, and it once the whole frame is; the
/// close code 1014, which it does not know.
pub(crate) fn may_differ(ours: &(Vec<Seen>, End), theirs: &(Vec<Seen>, End)) -> bool {
    let same_start = ours.0.iter().zip(&theirs.0).all(|(a, b)| a == b);
    let same_count = ours.0.len() == theirs.0.len();
    let new_code = matches!(ours.0.last(), Some(Seen::Close(Some(1014), _)));
    let allowed = match (ours.1, theirs.1) {
        (End::Stricter, _) | (_, End::NotText) => true,
        (End::Refused | End::TooLong, End::Open | End::Refused | End::TooLong) => same_count,
        (End::Closed, End::Refused) => new_code,
        _ => false,
    };
    same_start && allowed
}
