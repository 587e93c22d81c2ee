//! A message that is expected to have one exact form, literal by literal.
//!
//! In: bytes. Out: the values between the literals. Never: an error; the first byte that is not
//! the expected one ends it, and the strict way reads the message from its start.

use super::lanes::{Pair, digits_from, integer, pair_at, string_marks};
use market::{Instrument, Instruments, Market, UtcMs};

/// Digits of a time in milliseconds, from 2001 to 2286.
const MILLIS_DIGITS: usize = 13;

/// A position in a message.
pub(super) struct Form<'a> {
    pub(super) bytes: &'a [u8],
    pub(super) at: usize,
}

impl Form<'_> {
    /// Passes exactly `text`.
    #[inline]
    #[target_feature(enable = "avx2,bmi1")]
    pub(super) fn literal<const N: usize>(&mut self, text: &[u8; N]) -> Option<()> {
        self.optional(text).then_some(())
    }

    /// Passes `text` if it stands here.
    #[inline]
    #[target_feature(enable = "avx2,bmi1")]
    pub(super) fn optional<const N: usize>(&mut self, text: &[u8; N]) -> bool {
        let found = self
            .bytes
            .get(self.at..)
            .and_then(|rest| rest.first_chunk())
            == Some(text);
        if found {
            self.at += N;
        }
        found
    }

    /// Demands the end of the message.
    #[inline]
    #[target_feature(enable = "avx2,bmi1")]
    pub(super) fn end(&self) -> Option<()> {
        (self.at == self.bytes.len()).then_some(())
    }

    /// A time in milliseconds.
    #[inline]
    #[target_feature(enable = "avx2,bmi1")]
    pub(super) fn millis(&mut self) -> Option<UtcMs> {
        let value = self.sized_integer(MILLIS_DIGITS)?;
        Some(UtcMs(value as i64))
    }

    /// An integer above 0, and its number of digits.
    #[inline]
    #[target_feature(enable = "avx2,bmi1")]
    pub(super) fn integer(&mut self) -> Option<(u64, usize)> {
        let length = digits_from(self.bytes, self.at)?;
        Some((self.sized_integer(length)?, length))
    }

    /// An integer above 0 of exactly `length` digits. What stands behind them is the next
    /// literal's business; it is never a digit.
    #[inline]
    #[target_feature(enable = "avx2,bmi1")]
    pub(super) fn sized_integer(&mut self, length: usize) -> Option<u64> {
        if !matches!(self.bytes.get(self.at)?, b'1'..=b'9') {
            return None;
        }
        let end = self.at + length;
        let value = integer(self.bytes, end, length)?;
        self.at = end;
        Some(value)
    }

    /// A symbol of the table and the quote behind it.
    #[inline]
    #[target_feature(enable = "avx2,bmi1")]
    pub(super) fn symbol<'i>(
        &mut self,
        instruments: &Instruments<'i>,
        market: Market,
    ) -> Option<&'i Instrument> {
        let (special, quotes) = string_marks(self.bytes, self.at)?;
        if quotes == 0 {
            return None;
        }
        let end = self.at + quotes.trailing_zeros() as usize;
        let symbol = self.bytes.get(self.at..end)?;
        let found = instruments.find(market, symbol)?;
        // The table's texts are UTF-8, but they may hold what JSON writes as an escape.
        if special.trailing_zeros() < quotes.trailing_zeros()
            && symbol.iter().any(|&byte| byte == b'\\' || byte < 0x20)
        {
            return None;
        }
        self.at = end + 1;
        Some(found)
    }

    /// The second symbol of a message since 2026, which is the first one again.
    #[inline]
    #[target_feature(enable = "avx2,bmi1")]
    pub(super) fn pair_symbol(&mut self, instrument: &Instrument) -> Option<()> {
        if !self.optional(b",\"ps\":\"") {
            return Some(());
        }
        let rest = self.bytes.get(self.at..)?;
        let symbol = instrument.symbol.as_bytes();
        rest.strip_prefix(symbol)?.strip_prefix(b"\"")?;
        self.at += symbol.len() + 1;
        Some(())
    }

    /// The rest of a short string of ASCII without escapes, and its quote.
    #[inline]
    #[target_feature(enable = "avx2,bmi1")]
    pub(super) fn plain_string(&mut self) -> Option<()> {
        let (special, quotes) = string_marks(self.bytes, self.at)?;
        if quotes == 0 || special.trailing_zeros() < quotes.trailing_zeros() {
            return None;
        }
        self.at += quotes.trailing_zeros() as usize + 1;
        Some(())
    }

    /// A price and a quantity with `between` and its `QUOTES` quotes between them, and the quote
    /// behind the quantity.
    #[inline]
    #[target_feature(enable = "avx2,bmi1")]
    pub(super) fn pair<const N: usize, const QUOTES: usize>(
        &mut self,
        between: &[u8; N],
    ) -> Option<Pair> {
        let (pair, end) = pair_at::<N, QUOTES>(self.bytes, self.at, between)?;
        self.at = end + 1;
        Some(pair)
    }

    /// `true` or `false`.
    #[inline]
    #[target_feature(enable = "avx2,bmi1")]
    pub(super) fn boolean(&mut self) -> Option<bool> {
        if self.optional(b"true") {
            Some(true)
        } else {
            self.literal(b"false").map(|()| false)
        }
    }
}
