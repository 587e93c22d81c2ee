//! Ids of requests: one letter for the kind, then the sequence in base 36.
//!
//! In: kind and sequence. Out: a short text that the reply echoes, and back. Never: an id that is
//! not ours taken for one.

use market::ids::Text;

/// What a request asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WireRequest {
    /// `order.place`.
    Place,
    /// `order.cancel`.
    Cancel,
    /// `order.modify`.
    Amend,
    /// `order.status`.
    Query,
    /// `session.logon`.
    Logon,
    /// `userDataStream.subscribe` or `userDataStream.subscribe.signature` (spot).
    Subscribe,
}

/// Id of one request on one connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RequestId {
    /// What was asked.
    pub kind: WireRequest,
    /// Counts up; never reused by a process.
    pub sequence: u64,
}

const LETTERS: [(u8, WireRequest); 6] = [
    (b'p', WireRequest::Place),
    (b'c', WireRequest::Cancel),
    (b'a', WireRequest::Amend),
    (b'q', WireRequest::Query),
    (b'l', WireRequest::Logon),
    (b'u', WireRequest::Subscribe),
];

impl RequestId {
    /// The id as the frame carries it: at most 14 characters.
    #[must_use]
    pub fn text(self) -> Text<16> {
        let mut buffer = [0; 14];
        let mut start = buffer.len();
        let mut rest = self.sequence;
        loop {
            start -= 1;
            buffer[start] = b"0123456789abcdefghijklmnopqrstuvwxyz"[(rest % 36) as usize];
            rest /= 36;
            if rest == 0 {
                break;
            }
        }
        start -= 1;
        buffer[start] = LETTERS
            .iter()
            .find(|(_, kind)| *kind == self.kind)
            .expect("every kind has a letter")
            .0;
        Text::new(&buffer[start..]).expect("ASCII, 14 bytes")
    }

    /// The id that stands in a reply, if it is one of ours.
    #[must_use]
    pub fn parse(text: &[u8]) -> Option<Self> {
        let (letter, digits) = text.split_first()?;
        let (_, kind) = LETTERS.iter().find(|(known, _)| known == letter)?;
        if digits.is_empty() || (digits.len() > 1 && digits[0] == b'0') {
            return None;
        }
        let sequence = digits.iter().try_fold(0u64, |value, byte| {
            let digit = match byte {
                b'0'..=b'9' => byte - b'0',
                b'a'..=b'z' => byte - b'a' + 10,
                _ => return None,
            };
            value.checked_mul(36)?.checked_add(u64::from(digit))
        })?;
        Some(Self {
            kind: *kind,
            sequence,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_kind_survives_the_trip_and_foreign_ids_do_not() {
        for (_, kind) in LETTERS {
            for sequence in [0, 1, 35, 36, 1_000_000, u64::MAX] {
                let id = RequestId { kind, sequence };
                assert_eq!(RequestId::parse(id.text().as_bytes()), Some(id));
            }
        }
        for foreign in ["", "p", "p01", "x1", "1", "pA", "pzzzzzzzzzzzzzzzz"] {
            assert_eq!(RequestId::parse(foreign.as_bytes()), None, "{foreign:?}");
        }
    }
}
