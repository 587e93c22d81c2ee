//! A message that is expected to have one exact form, literal by literal.
//!
//! In: bytes. Out: the values between the literals. Never: an error; the first byte that is not
//! the expected one ends it, and the strict way reads the message from its start.

use super::lanes::{Pair, digits_in_front, integer, pair_at, string_marks, two_times};
use market::{Instrument, Instruments, Market, UtcMs};

/// A message and what is left of it.
pub(super) struct Form<'a> {
    whole: &'a [u8],
    rest: &'a [u8],
}

impl<'a> Form<'a> {
    /// Starts at the first byte.
    #[inline(always)]
    pub(super) fn new(whole: &'a [u8]) -> Self {
        Self { whole, rest: whole }
    }

    /// The whole message and the position in it.
    #[inline(always)]
    pub(super) fn place(&self) -> (&'a [u8], usize) {
        (self.whole, self.whole.len().wrapping_sub(self.rest.len()))
    }

    /// Moves to a position that was read up to.
    #[inline(always)]
    pub(super) fn move_to(&mut self, at: usize) -> Option<()> {
        self.rest = self.whole.get(at..)?;
        Some(())
    }

    /// The next `N` bytes.
    #[inline(always)]
    pub(super) fn take<const N: usize>(&mut self) -> Option<&'a [u8; N]> {
        let (taken, rest) = self.rest.split_first_chunk()?;
        self.rest = rest;
        Some(taken)
    }

    /// Passes exactly `text`.
    #[inline(always)]
    pub(super) fn literal<const N: usize>(&mut self, text: &[u8; N]) -> Option<()> {
        (self.take()? == text).then_some(())
    }

    /// Passes `text` if it stands here.
    #[inline(always)]
    pub(super) fn optional<const N: usize>(&mut self, text: &[u8; N]) -> bool {
        match self.rest.split_first_chunk() {
            Some((front, rest)) if front == text => {
                self.rest = rest;
                true
            }
            _ => false,
        }
    }

    /// Demands the end of the message.
    #[inline(always)]
    pub(super) fn end(&self) -> Option<()> {
        self.rest.is_empty().then_some(())
    }

    /// An integer above 0, and its number of digits.
    #[inline]
    #[target_feature(enable = "avx2,bmi1")]
    pub(super) fn integer(&mut self) -> Option<(u64, usize)> {
        let length = digits_in_front(self.rest.first_chunk()?);
        Some((self.sized_integer(length)?, length))
    }

    /// An integer above 0 of exactly `length` digits. What stands behind them is the next
    /// literal's business; it is never a digit.
    #[inline]
    #[target_feature(enable = "avx2,bmi1")]
    pub(super) fn sized_integer(&mut self, length: usize) -> Option<u64> {
        if !matches!(self.rest.first()?, b'1'..=b'9') {
            return None;
        }
        let value = integer(self.rest.first_chunk()?, length)?;
        self.rest = self.rest.get(length..)?;
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
        let (plain, length) = string_marks(self.rest.first_chunk()?);
        let (symbol, rest) = self.rest.split_at_checked(length)?;
        let found = instruments.find(market, symbol)?;
        // The table's texts are UTF-8, but they may hold what JSON writes as an escape.
        if plain < length && symbol.iter().any(|&byte| byte == b'\\' || byte < 0x20) {
            return None;
        }
        self.rest = rest;
        self.literal(b"\"")?;
        Some(found)
    }

    /// The second symbol of a message since 2026, which is the first one again.
    #[inline(always)]
    pub(super) fn pair_symbol(&mut self, instrument: &Instrument) -> Option<()> {
        if self.optional(b",\"ps\":\"") {
            let rest = self.rest.strip_prefix(instrument.symbol.as_bytes())?;
            self.rest = rest.strip_prefix(b"\"")?;
        }
        Some(())
    }

    /// The rest of a short string of ASCII without escapes, and its quote.
    #[inline]
    #[target_feature(enable = "avx2,bmi1")]
    pub(super) fn plain_string(&mut self) -> Option<()> {
        let (plain, length) = string_marks(self.rest.first_chunk()?);
        if plain < length {
            return None;
        }
        self.rest = self.rest.get(length..)?;
        self.literal(b"\"")
    }

    /// A price and a quantity with `between` and its `QUOTES` quotes between them, and the quote
    /// behind the quantity.
    #[inline]
    #[target_feature(enable = "avx2,bmi1")]
    pub(super) fn pair<const N: usize, const QUOTES: usize>(
        &mut self,
        between: &[u8; N],
    ) -> Option<Pair> {
        let (bytes, at) = self.place();
        let (pair, end) = pair_at::<N, QUOTES>(bytes, at, between)?;
        self.move_to(end.wrapping_add(1))?;
        Some(pair)
    }

    /// `true` or `false`.
    #[inline(always)]
    pub(super) fn boolean(&mut self) -> Option<bool> {
        if self.optional(b"true") {
            Some(true)
        } else {
            self.literal(b"false").map(|()| false)
        }
    }
}

/// Two times in milliseconds, from 2001 to 2286: the 13 digits at the end of each text.
#[inline]
#[target_feature(enable = "avx2,bmi1")]
pub(super) fn times(first: &[u8; 16], second: &[u8; 16]) -> Option<(UtcMs, UtcMs)> {
    if first[3] == b'0' || second[3] == b'0' {
        return None;
    }
    let [first, second] = two_times(first, second)?;
    Some((UtcMs(first as i64), UtcMs(second as i64)))
}

/// The part of `text` from `START` on, which the compiler checks.
#[inline(always)]
pub(super) fn part<const START: usize, const N: usize, const ALL: usize>(
    text: &[u8; ALL],
) -> &[u8; N] {
    const { assert!(START + N <= ALL) }
    text[START..]
        .first_chunk()
        .expect("the part lies in the text: asserted when compiled")
}
