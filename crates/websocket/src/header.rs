//! The head of a frame.
//!
//! In: the first bytes of a frame. Out: its opcode and lengths, "not all there yet", or the rule
//! that it breaks by itself. Never: a look at the payload or at the frames before it.
//!
//! ```text
//! byte 0        byte 1        then
//! F R R R oooo  M lllllll     l = 126: two bytes of length; l = 127: eight; big-endian
//! ```

use crate::violation::Violation;

/// Longest head that a reader takes or a writer makes: two bytes, eight of length, four of mask.
pub const HEADER_BYTES_MAX: usize = 14;

/// Longest payload of a control frame (RFC 6455, 5.5).
pub(crate) const CONTROL_BYTES_MAX: usize = 125;

/// Longest payload whose length is two bytes.
pub(crate) const SHORT_BYTES_MAX: usize = u16::MAX as usize;

/// What a frame is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Opcode {
    /// The next piece of a message.
    Continuation = 0x0,
    /// A message of text, or its first piece.
    Text = 0x1,
    /// A message of bytes, or its first piece.
    Binary = 0x2,
    /// The last frame.
    Close = 0x8,
    /// Wants an answer.
    Ping = 0x9,
    /// The answer.
    Pong = 0xA,
}

impl Opcode {
    /// True for the frames that are never fragmented.
    #[must_use]
    pub const fn is_control(self) -> bool {
        self as u8 & 0x8 != 0
    }
}

/// A head that breaks no rule by itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Header {
    /// The message ends with this frame.
    pub(crate) is_final: bool,
    /// What it is.
    pub(crate) opcode: Opcode,
    /// Bytes before the payload.
    pub(crate) bytes: usize,
    /// Bytes of payload that are announced.
    pub(crate) payload: u64,
}

impl Header {
    /// Reads the head at the start of `bytes`; `None` while some of it is missing.
    #[inline]
    pub(crate) fn parse(bytes: &[u8]) -> Result<Option<Self>, Violation> {
        let [first, second, rest @ ..] = bytes else {
            return Ok(None);
        };
        if first & 0x70 != 0 {
            return Err(Violation::ReservedBits);
        }
        let is_final = first & 0x80 != 0;
        let opcode = match first & 0x0F {
            0x0 => Opcode::Continuation,
            0x1 => Opcode::Text,
            0x2 => Opcode::Binary,
            0x8 => Opcode::Close,
            0x9 => Opcode::Ping,
            0xA => Opcode::Pong,
            unknown => return Err(Violation::UnknownOpcode(unknown)),
        };
        if second & 0x80 != 0 {
            return Err(Violation::MaskedByServer);
        }
        let length = second & 0x7F;
        if opcode.is_control() {
            if !is_final {
                return Err(Violation::ControlFragmented);
            }
            if usize::from(length) > CONTROL_BYTES_MAX {
                return Err(Violation::ControlTooLong);
            }
        }
        let (bytes, payload, least) = match length {
            126 => match rest.first_chunk() {
                Some(long) => (4, u64::from(u16::from_be_bytes(*long)), 126),
                None => return Ok(None),
            },
            127 => match rest.first_chunk() {
                Some(long) => (10, u64::from_be_bytes(*long), SHORT_BYTES_MAX as u64 + 1),
                None => return Ok(None),
            },
            short => (2, u64::from(short), 0),
        };
        if payload < least {
            return Err(Violation::LengthNotMinimal);
        }
        Ok(Some(Self {
            is_final,
            opcode,
            bytes,
            payload,
        }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_head_is_read_only_when_all_of_it_is_there() {
        let long = [0x82, 127, 0, 0, 0, 0, 0, 1, 0, 0];
        for there in 0..long.len() {
            assert_eq!(Header::parse(&long[..there]), Ok(None), "{there} bytes");
        }
        let header = Header::parse(&long).unwrap().unwrap();
        assert_eq!((header.bytes, header.payload), (10, 65_536));
    }

    #[test]
    fn each_rule_of_a_head_is_kept() {
        let cases: [(&[u8], Violation); 9] = [
            (&[0xC1, 0], Violation::ReservedBits),
            (&[0x91, 0], Violation::ReservedBits),
            (&[0x83, 0], Violation::UnknownOpcode(3)),
            (&[0x8F, 0], Violation::UnknownOpcode(15)),
            (&[0x81, 0x80], Violation::MaskedByServer),
            (&[0x09, 0], Violation::ControlFragmented),
            (&[0x89, 126], Violation::ControlTooLong),
            (&[0x81, 126, 0, 125], Violation::LengthNotMinimal),
            (
                &[0x81, 127, 0, 0, 0, 0, 0, 0, 0xFF, 0xFF],
                Violation::LengthNotMinimal,
            ),
        ];
        for (bytes, violation) in cases {
            assert_eq!(Header::parse(bytes), Err(violation), "{bytes:02x?}");
        }
    }
}
