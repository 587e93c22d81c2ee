//! Identifiers: short fixed-size texts and numbers that never mix.
//!
//! In: bytes from configuration or the exchange. Out: copyable ids. Never: allocation.

use crate::codec::{CodecError, Reader, Wire, Writer, wire_newtype};

/// Index of an instrument in the start-up table (0..64).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct InstrumentId(pub u16);

/// Index of a strategy in the start-up table.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct StrategyId(pub u8);

/// One decision to have an order in the market; at most one live or unknown order has it (I1).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct IntentId(pub u64);

/// The exchange's book update id.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct UpdateId(pub u64);

/// The exchange's trade id, unique per symbol; 0 where there is none.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TradeId(pub u64);

/// The exchange's order id; 0 where it is not known yet.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ExchangeOrderId(pub u64);

wire_newtype!(
    InstrumentId(u16),
    StrategyId(u8),
    IntentId(u64),
    UpdateId(u64),
    TradeId(u64),
    ExchangeOrderId(u64)
);

/// UTF-8 text of at most `N` bytes, stored in place.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Text<const N: usize> {
    length: u8,
    bytes: [u8; N],
}

/// A symbol as the exchange writes it; may be non-ASCII. At most 32 bytes.
pub type Symbol = Text<32>;

/// Our id of an order: `<prefix><epoch><sequence>` in base 36, at most 36 bytes.
pub type ClientOrderId = Text<36>;

/// Name of an asset, at most 16 bytes.
pub type Asset = Text<16>;

impl<const N: usize> Text<N> {
    /// The empty text.
    pub const EMPTY: Self = Self {
        length: 0,
        bytes: [0; N],
    };

    /// The text, if it is UTF-8 and not longer than `N` bytes.
    #[must_use]
    pub fn new(bytes: &[u8]) -> Option<Self> {
        if bytes.len() > N || N > 255 || core::str::from_utf8(bytes).is_err() {
            return None;
        }
        let mut text = Self {
            length: bytes.len() as u8,
            bytes: [0; N],
        };
        text.bytes[..bytes.len()].copy_from_slice(bytes);
        Some(text)
    }

    /// The text's bytes.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        &self.bytes[..usize::from(self.length)]
    }

    /// The text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        core::str::from_utf8(self.as_bytes()).expect("checked as UTF-8 when it was made")
    }

    /// True when the text is exactly `other`. Compares words that overlap in the middle: looking
    /// up a symbol is in every message's way, and a call for seven bytes costs more than they do.
    #[must_use]
    #[inline]
    pub fn is(&self, other: &[u8]) -> bool {
        let own = self.as_bytes();
        if own.len() != other.len() {
            return false;
        }
        match own.len() {
            4..=7 => {
                own.first_chunk::<4>() == other.first_chunk()
                    && own.last_chunk::<4>() == other.last_chunk()
            }
            8..=16 => {
                own.first_chunk::<8>() == other.first_chunk()
                    && own.last_chunk::<8>() == other.last_chunk()
            }
            _ => own == other,
        }
    }

    /// True without any byte.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.length == 0
    }
}

impl<const N: usize> Default for Text<N> {
    fn default() -> Self {
        Self::EMPTY
    }
}

impl<const N: usize> core::fmt::Debug for Text<N> {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        write!(f, "{:?}", self.as_str())
    }
}

impl<const N: usize> core::fmt::Display for Text<N> {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.pad(self.as_str())
    }
}

impl<const N: usize> Wire for Text<N> {
    fn encode(&self, writer: &mut Writer<'_>) -> Result<(), CodecError> {
        writer.u8(self.length)?;
        writer.bytes(self.as_bytes())
    }

    fn decode(reader: &mut Reader<'_>) -> Result<Self, CodecError> {
        let length = usize::from(reader.u8()?);
        Self::new(reader.bytes(length)?).ok_or(CodecError::BadText)
    }
}

/// Ids of the protective stops at the exchange begin with this, in every life; the order that one
/// becomes has its id.
pub const PROTECTIVE_STOP_PREFIX: &str = "fulcrum-stop-";

impl ClientOrderId {
    /// Builds `<prefix><epoch><sequence>`: epoch 5 and sequence 9 digits of base 36, zero-padded.
    ///
    /// # Panics
    /// When prefix is longer than 16 bytes or not ASCII, the epoch reaches 36^5 or the sequence
    /// 36^9: each is fixed at start-up or out of reach in a lifetime.
    #[must_use]
    pub fn compose(prefix: &str, epoch: u32, sequence: u64) -> Self {
        assert!(prefix.len() <= 16 && prefix.is_ascii());
        assert!(epoch < 36u32.pow(5) && sequence < 36u64.pow(9));
        let mut bytes = [0u8; 36];
        bytes[..prefix.len()].copy_from_slice(prefix.as_bytes());
        write_base36(u64::from(epoch), &mut bytes[prefix.len()..prefix.len() + 5]);
        write_base36(sequence, &mut bytes[prefix.len() + 5..prefix.len() + 14]);
        // ASCII all of it: the prefix by the check above, the rest by how it was written.
        Self {
            length: prefix.len() as u8 + 14,
            bytes,
        }
    }

    /// True for a protective stop of ours, of whatever life.
    #[must_use]
    pub fn is_protective_stop(&self) -> bool {
        self.as_bytes()
            .starts_with(PROTECTIVE_STOP_PREFIX.as_bytes())
    }

    /// Epoch and sequence, when this id has our `prefix` and form.
    #[must_use]
    pub fn parse(&self, prefix: &str) -> Option<(u32, u64)> {
        let digits = self.as_bytes().strip_prefix(prefix.as_bytes())?;
        if digits.len() != 14 {
            return None;
        }
        let epoch = read_base36(&digits[..5])?;
        Some((u32::try_from(epoch).ok()?, read_base36(&digits[5..])?))
    }
}

const BASE36: &[u8; 36] = b"0123456789abcdefghijklmnopqrstuvwxyz";

fn write_base36(mut value: u64, out: &mut [u8]) {
    out.fill(b'0');
    for byte in out.iter_mut().rev() {
        // Each digit waits for the division before it, and a life's numbers are mostly zeros.
        if value == 0 {
            break;
        }
        *byte = BASE36[(value % 36) as usize];
        value /= 36;
    }
}

fn read_base36(digits: &[u8]) -> Option<u64> {
    digits.iter().try_fold(0u64, |value, byte| {
        let digit = match byte {
            b'0'..=b'9' => byte - b'0',
            b'a'..=b'z' => byte - b'a' + 10,
            _ => return None,
        };
        value.checked_mul(36)?.checked_add(u64::from(digit))
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn symbols_may_be_chinese_but_not_broken_utf8_or_too_long() {
        assert_eq!(
            Symbol::new("我踏马来了USDT".as_bytes()).unwrap().as_str(),
            "我踏马来了USDT"
        );
        assert!(Symbol::new(&[0xff, 0xfe]).is_none());
        assert!(Symbol::new(&[b'A'; 33]).is_none());
    }

    #[test]
    fn a_text_is_itself_and_no_text_that_differs_in_one_byte() {
        for length in 0..=32 {
            let mut bytes: std::vec::Vec<u8> = (0..length).map(|at| b'A' + at).collect();
            let text = Symbol::new(&bytes).unwrap();
            assert!(text.is(&bytes));
            assert!(!text.is(&[bytes.as_slice(), b"A"].concat()));
            for at in 0..bytes.len() {
                bytes[at] ^= 1;
                assert!(!text.is(&bytes), "byte {at} of {length}");
                bytes[at] ^= 1;
            }
        }
    }

    proptest! {
        #[test]
        fn client_order_ids_round_trip(epoch in 0u32..60_466_176, sequence in 0u64..101_559_956_668_416) {
            let id = ClientOrderId::compose("fu", epoch, sequence);
            prop_assert_eq!(id.parse("fu"), Some((epoch, sequence)));
            prop_assert_eq!(id.parse("xx"), None);
        }
    }
}
