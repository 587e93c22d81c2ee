//! What happens to texts of market streams and to the bytes that carry any text.
//!
//! In: one text for one connection. Out: what arrives in its place. Never: a fault on a text that
//! it does not concern.

use super::{Adversary, Held, Scheduled, Trap};
use crate::network::{ConnectionId, Place, Role, server_frame};

/// What arrives.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Piece {
    /// A text in one frame, later by so much.
    Text(Vec<u8>, u64),
    /// Bytes as they are.
    Raw(Vec<u8>),
    /// A text, one byte at a time.
    ByteByByte(Vec<u8>),
    /// The connection ends in good order after this.
    End,
}

/// Depth of a nest that no decoder should follow.
const NEST: usize = 20_000;

impl Adversary {
    pub(super) fn set_frame_trap(&mut self, fault: Scheduled) {
        let left = match fault.number {
            2 => 1 + fault.times(6),
            9 | 13 | 19 | 20 => fault.times(4),
            _ => 1,
        };
        self.frame_traps.push(Trap { fault, left });
    }

    /// A text of a market stream.
    pub fn market_text(
        &mut self,
        now: u64,
        id: ConnectionId,
        place: Place,
        text: &[u8],
    ) -> Vec<Piece> {
        let plain = vec![Piece::Text(text.to_vec(), 0)];
        let is_depth = has(text, b"\"depthUpdate\"");
        if self.is_silenced(place, text) {
            return Vec::new();
        }
        if self.holds(12, Some(place)).is_some() {
            self.collected.push((id, text.to_vec()));
            return Vec::new();
        }
        let mut pieces = Vec::new();
        if is_depth && let Some(index) = self.held.iter().position(|one| one.connection == id) {
            // The one that was held back comes after its successor.
            let held = self.held.remove(index);
            self.fire(now, held.number, "a successor went before");
            pieces.push(Piece::Text(held.text, 0));
        }
        let fits = |one: &Scheduled| match one.number {
            1..=4 | 7..=9 => is_depth,
            13 => has(text, b"\"E\":"),
            _ => place.role == Role::Books || one.number >= 16,
        };
        let Some(fault) = Self::spring(&mut self.frame_traps, fits) else {
            pieces.splice(0..0, plain);
            return pieces;
        };
        if fault.number == 14 {
            // It ends as it has said; ten minutes are too long to wait for.
            self.conditions.push(super::Condition {
                fault,
                until: now + fault.lasts(10_000, 30_000),
                place: Some(place),
            });
        }
        let changed = self.change(&fault, now, id, text);
        pieces.splice(0..0, changed);
        pieces
    }

    /// F10, F11: texts that are not sent.
    fn is_silenced(&self, place: Place, text: &[u8]) -> bool {
        if self.holds(10, Some(place)).is_some() {
            return true;
        }
        if let Some(one) = self.holds(11, Some(place)) {
            let silent: &[u8] = match one.fault.kind(2) {
                0 => b"\"depthUpdate\"",
                _ => b"\"bookTicker\"",
            };
            return has(text, silent);
        }
        false
    }

    fn change(&mut self, fault: &Scheduled, now: u64, id: ConnectionId, text: &[u8]) -> Vec<Piece> {
        let number = fault.number;
        let plain = |text: Vec<u8>| vec![Piece::Text(text, 0)];
        let pieces = match number {
            1 | 2 => Vec::new(),
            3 => {
                self.held.push(Held {
                    connection: id,
                    number,
                    text: text.to_vec(),
                });
                // It fires when its successor comes.
                return Vec::new();
            }
            4 => vec![
                Piece::Text(text.to_vec(), 0),
                Piece::Text(text.to_vec(), fault.lasts(0, 300)),
            ],
            7 => plain(replace(text, b"\"b\":[", b"\"b\":[[\"17.0\",\"0\"],")),
            8 => match crossed(text, fault.kind(2) == 0) {
                Some(text) => plain(text),
                None => return vec![Piece::Text(text.to_vec(), 0)],
            },
            9 => plain(absurd(text, fault.kind(9))),
            13 => plain(shift_time(text, fault.kind(2) == 0)),
            14 => vec![
                Piece::Text(text.to_vec(), 0),
                Piece::Text(br#"{"e":"serverShutdown","E":1770000000000}"#.to_vec(), 0),
            ],
            _ => bytes_of(fault, text),
        };
        self.fire(now, number, format!("kind {}", fault.kind(9)));
        pieces
    }
}

/// Faults of framing, on any text.
pub(super) fn bytes_of(fault: &Scheduled, text: &[u8]) -> Vec<Piece> {
    match fault.number {
        19 => vec![Piece::ByteByByte(text.to_vec())],
        20 => vec![Piece::Raw(fragments(text))],
        21 => malformed(text, fault.kind(8)),
        22 => {
            let mut flood = Vec::new();
            for _ in 0..500 {
                server_frame(9, true, b"flood", &mut flood);
            }
            vec![Piece::Raw(flood), Piece::Text(text.to_vec(), 0)]
        }
        _ => vec![Piece::Text(text.to_vec(), 0)],
    }
}

/// The text with a field of Chinese characters, in three fragments that split one of them.
fn fragments(text: &[u8]) -> Vec<u8> {
    let text = replace(text, b"{", "{\"note\":\"币安人生\",".as_bytes());
    let at = text.windows(3).position(|part| part == "币".as_bytes());
    let at = at.map_or(1, |at| at + 1);
    let mut bytes = Vec::new();
    server_frame(1, false, &text[..at], &mut bytes);
    server_frame(9, true, b"between", &mut bytes);
    server_frame(0, false, &text[at..=at], &mut bytes);
    server_frame(0, true, &text[at + 1..], &mut bytes);
    bytes
}

fn malformed(text: &[u8], kind: u64) -> Vec<Piece> {
    let plain = |text: Vec<u8>| vec![Piece::Text(text, 0)];
    match kind {
        0 => plain(text[..text.len() * 2 / 3].to_vec()),
        1 => plain(b"\x00\xFF rubbish".to_vec()),
        2 => plain([b"{\"x\":".to_vec(), vec![b'['; NEST]].concat()),
        3 => {
            // 16 MB are announced; the product must not wait for them.
            let mut bytes = vec![0x81, 127];
            bytes.extend_from_slice(&(16u64 << 20).to_be_bytes());
            bytes.extend_from_slice(&text[..text.len().min(100)]);
            vec![Piece::Raw(bytes)]
        }
        4 => plain(replace(text, b"\"u\":", b"\"u\":1,\"u\":")),
        5 => plain(replace(
            text,
            b"{",
            b"{\"unknown\":{\"deep\":[1,2,{\"x\":null}]},",
        )),
        6 => {
            let mut bytes = Vec::new();
            server_frame(2, true, b"binary", &mut bytes);
            vec![Piece::Raw(bytes), Piece::Text(text.to_vec(), 0)]
        }
        _ => vec![Piece::Raw(vec![0xF1, 0x02, b'h', b'i'])],
    }
}

/// True when `part` stands in the first bytes of `text`.
pub(super) fn has(text: &[u8], part: &[u8]) -> bool {
    let head = &text[..text.len().min(200)];
    head.windows(part.len()).any(|window| window == part)
}

/// `text` with the first `from` replaced.
pub(super) fn replace(text: &[u8], from: &[u8], to: &[u8]) -> Vec<u8> {
    let Some(at) = text.windows(from.len()).position(|part| part == from) else {
        return text.to_vec();
    };
    [&text[..at], to, &text[at + from.len()..]].concat()
}

/// Bids at the price of an ask: above it, or at it.
fn crossed(text: &[u8], locked: bool) -> Option<Vec<u8>> {
    let asks = text.windows(6).position(|part| part == b"\"a\":[[")? + 6;
    let end = asks + text[asks..].iter().position(|byte| *byte == b']')?;
    let level = &text[asks..end];
    let price_end = 1 + level[1..].iter().position(|byte| *byte == b'"')?;
    let mut price = level[1..price_end].to_vec();
    if !locked {
        let digit = price.first_mut()?;
        *digit = (*digit + 1).min(b'9');
    }
    let bid = [b"\"b\":[[\"".to_vec(), price, b"\",\"1.000\"],".to_vec()].concat();
    // A frame without bids keeps its brackets right.
    let empty = has_anywhere(text, b"\"b\":[]");
    let bid = if empty {
        let mut bid = bid;
        bid.pop();
        bid.push(b']');
        return Some(replace(text, b"\"b\":[]", &bid));
    } else {
        bid
    };
    let text = replace(text, b"\"b\":[", &bid);
    // With an ask at that price, so that the book of the receiver has both.
    Some(text)
}

fn has_anywhere(text: &[u8], part: &[u8]) -> bool {
    text.windows(part.len()).any(|window| window == part)
}

/// A number or a symbol that cannot be.
fn absurd(text: &[u8], kind: u64) -> Vec<u8> {
    let number: &[u8] = match kind {
        0 => b"[[\"-1.0\",\"1\"],[\"",
        1 => b"[[\"0\",\"1\"],[\"",
        2 => b"[[\"123456789012345678901234567890\",\"1\"],[\"",
        3 => b"[[\"1e5\",\"1\"],[\"",
        4 => b"[[\"64000.0\",\"99999999999999999999\"],[\"",
        5 => b"[[\"64000.0\",\"-3\"],[\"",
        6 => b"[[\"64000.05555\",\"1\"],[\"",
        7 => {
            return replace(text, b"\"s\":\"", "\"s\":\"币".as_bytes());
        }
        _ => b"[[\"NaN\",\"1\"],[\"",
    };
    replace(text, b"[[\"", number)
}

/// Event times an hour away.
fn shift_time(text: &[u8], back: bool) -> Vec<u8> {
    let digit: &[u8] = if back { b"\"E\":16" } else { b"\"E\":18" };
    replace(text, b"\"E\":17", digit)
}

/// A burst: what was collected comes at once.
pub(super) const BURST_MS_MAX: u64 = 2_000;

#[cfg(test)]
mod tests {
    use super::*;

    const FRAME: &[u8] = br#"{"stream":"x","data":{"e":"depthUpdate","E":1770,"s":"BTCUSDT","u":5,"b":[["63999.9","1"]],"a":[["64000.0","2"]]}}"#;

    #[test]
    fn changed_frames_are_what_their_names_say() {
        let text = crossed(FRAME, true).unwrap();
        assert!(has_anywhere(
            &text,
            br#""b":[["64000.0","1.000"],["63999.9""#
        ));
        let text = crossed(FRAME, false).unwrap();
        assert!(has_anywhere(&text, br#""b":[["74000.0","1.000"]"#));
        let empty = replace(FRAME, br#"[["63999.9","1"]]"#, b"[]");
        let text = crossed(&empty, true).unwrap();
        assert!(has_anywhere(&text, br#""b":[["64000.0","1.000"]],"a""#));
        for kind in 0..9 {
            let changed = absurd(FRAME, kind);
            assert_ne!(changed, FRAME);
        }
        assert!(
            serde_json::from_slice::<serde_json::Value>(&crossed(FRAME, true).unwrap()).is_ok()
        );
    }

    #[test]
    fn a_fragmented_text_is_read_as_one_message() {
        let mut reader = websocket::FrameReader::new(10_000, 10_000);
        reader.push(&fragments(FRAME)).unwrap();
        let ping = reader.next_message().unwrap();
        assert_eq!(ping, Some(websocket::Message::Ping(b"between")));
        let Ok(Some(websocket::Message::Text(text))) = reader.next_message() else {
            panic!("no text");
        };
        assert!(serde_json::from_slice::<serde_json::Value>(text).is_ok());
    }
}
