//! Sixteen, thirty-two and sixty-four bytes at a time, with AVX2.
//!
//! In: bytes of a message and positions in it. Out: where quotes stand, and numbers. Never: a
//! load outside of the slice: each one here checks its range.

use super::column::{Column, NUMBER_BYTES_MAX};
use core::arch::x86_64::*;
use market::{Instrument, Level, Price, Quantity};

/// The columns of one instrument: prices in the low half, quantities in the high half.
pub(super) struct Columns {
    expected: __m256i,
    limit: __m256i,
    always: __m256i,
    pick: __m256i,
}

/// What was wrong with the numbers so far: looked at once, behind the last one.
#[derive(Clone, Copy)]
pub(super) struct Faults {
    /// Largest distance of each lane from its column's `expected`.
    seen: __m256i,
    /// All ones where a number was 0; prices in the low half.
    zero: __m256i,
}

/// A price and a quantity that end at the last lane of their halves, and which lanes are theirs.
#[derive(Clone, Copy)]
pub(super) struct Pair {
    pub(super) text: __m256i,
    pub(super) lanes: __m256i,
}

/// Sixteen lanes of a number of `n` bytes stand at index `n + 4`. The four more in front are for
/// `levels`, which measures a number with its punctuation.
pub(super) static LANES: [u8; 96] = {
    let mut lanes = [0xff; 96];
    let mut at = 0;
    while at < 20 {
        lanes[at] = 0;
        at += 1;
    }
    lanes
};

/// The shuffle that moves `n` bytes from the front to the end stands at index `n`.
static SHIFT: [u8; 32] = {
    let mut shift = [0x80; 32];
    let mut at = 0;
    while at < 16 {
        shift[16 + at] = at as u8;
        at += 1;
    }
    shift
};

impl Columns {
    #[inline]
    #[target_feature(enable = "avx2")]
    pub(super) fn of(instrument: &Instrument) -> Option<Self> {
        let price = Column::of(instrument.price_decimals, instrument.tick)?;
        let quantity = Column::of(instrument.quantity_decimals, instrument.lot)?;
        let both = |price: &[u8; 16], quantity: &[u8; 16]| {
            _mm256_set_m128i(lanes16(quantity), lanes16(price))
        };
        Some(Self {
            expected: both(&price.expected, &quantity.expected),
            limit: both(&price.limit, &quantity.limit),
            always: both(&price.always, &quantity.always),
            pick: both(&price.pick, &quantity.pick),
        })
    }
}

impl Faults {
    #[inline]
    #[target_feature(enable = "avx2")]
    pub(super) fn none() -> Self {
        Self {
            seen: _mm256_setzero_si256(),
            zero: _mm256_setzero_si256(),
        }
    }

    /// True when every number was one of its column, and no price was 0.
    #[inline]
    #[target_feature(enable = "avx2")]
    pub(super) fn absent(&self, columns: &Columns) -> bool {
        let beyond = _mm256_subs_epu8(self.seen, columns.limit);
        let prices = _mm256_castsi256_si128(self.zero);
        _mm256_testz_si256(beyond, beyond) == 1 && _mm_testz_si128(prices, prices) == 1
    }
}

impl Pair {
    /// Groups of four digits, 32 bits each.
    #[inline]
    #[target_feature(enable = "avx2")]
    pub(super) fn groups(self, columns: &Columns, faults: &mut Faults) -> __m256i {
        let lanes = _mm256_or_si256(self.lanes, columns.always);
        let digits = _mm256_and_si256(_mm256_xor_si256(self.text, columns.expected), lanes);
        faults.seen = _mm256_max_epu8(faults.seen, digits);
        let digits = _mm256_shuffle_epi8(digits, columns.pick);
        let tens = _mm256_maddubs_epi16(digits, _mm256_set1_epi16(0x010a));
        _mm256_madd_epi16(tens, _mm256_set1_epi32(0x0001_0064))
    }
}

/// The groups of two pairs as four numbers: both prices, then both quantities.
#[inline]
#[target_feature(enable = "avx2")]
pub(super) fn numbers(first: __m256i, second: __m256i, faults: &mut Faults) -> __m256i {
    let groups = _mm256_packus_epi32(first, second);
    let halves = _mm256_madd_epi16(groups, _mm256_set1_epi32(0x0001_2710));
    let upper = _mm256_mul_epu32(halves, _mm256_set1_epi64x(100_000_000));
    let numbers = _mm256_add_epi64(upper, _mm256_srli_epi64(halves, 32));
    let zero = _mm256_cmpeq_epi64(numbers, _mm256_setzero_si256());
    faults.zero = _mm256_or_si256(faults.zero, zero);
    numbers
}

/// The first and the second level of [`numbers`].
#[inline]
#[target_feature(enable = "avx2")]
pub(super) fn two_levels(numbers: __m256i) -> [Level; 2] {
    let level = |price, quantity| Level {
        price: Price(price),
        quantity: Quantity(quantity),
    };
    [
        level(
            _mm256_extract_epi64(numbers, 0),
            _mm256_extract_epi64(numbers, 2),
        ),
        level(
            _mm256_extract_epi64(numbers, 1),
            _mm256_extract_epi64(numbers, 3),
        ),
    ]
}

/// The pair whose price starts at `at`; `between` stands between both and holds `QUOTES` quotes,
/// the first of which ends the price. Also the position of the quote behind the quantity.
#[inline]
#[target_feature(enable = "avx2,bmi1")]
pub(super) fn pair_at<const N: usize, const QUOTES: usize>(
    bytes: &[u8],
    at: usize,
    between: &[u8; N],
) -> Option<(Pair, usize)> {
    let mut quotes = quotes_from(bytes, at)?;
    let price_bytes = quotes.trailing_zeros() as usize;
    for _ in 0..QUOTES {
        quotes &= quotes.wrapping_sub(1);
    }
    let end = at.wrapping_add(quotes.trailing_zeros() as usize);
    let price_end = at.wrapping_add(price_bytes);
    // With `between` where it must be, the quote behind the quantity comes after it.
    if quotes == 0 || bytes.get(price_end..)?.first_chunk() != Some(between) {
        return None;
    }
    let quantity_bytes = end.wrapping_sub(price_end).wrapping_sub(N);
    if price_bytes > NUMBER_BYTES_MAX || quantity_bytes > NUMBER_BYTES_MAX {
        return None;
    }
    let text = _mm256_set_m128i(ending_at(bytes, end)?, ending_at(bytes, price_end)?);
    let lanes = _mm256_set_m128i(lanes_of(quantity_bytes), lanes_of(price_bytes));
    Some((Pair { text, lanes }, end))
}

/// Bit `n` is set where byte `at + n` is a quote, for up to 64 bytes that lie in the message.
#[inline]
#[target_feature(enable = "avx2,bmi1")]
pub(super) fn quotes_from(bytes: &[u8], at: usize) -> Option<u64> {
    let start = at.min(bytes.len().checked_sub(64)?);
    let chunk: &[u8; 64] = bytes.get(start..)?.first_chunk()?;
    // SAFETY: both loads lie in the 64 bytes of `chunk`; unaligned loads need no more.
    let (low, high) = unsafe {
        let from = chunk.as_ptr().cast::<__m256i>();
        (_mm256_loadu_si256(from), _mm256_loadu_si256(from.add(1)))
    };
    let quote = _mm256_set1_epi8(b'"' as i8);
    let low = _mm256_movemask_epi8(_mm256_cmpeq_epi8(low, quote)) as u32;
    let high = _mm256_movemask_epi8(_mm256_cmpeq_epi8(high, quote)) as u32;
    let mask = u64::from(low) | u64::from(high) << 32;
    mask.checked_shr(at.wrapping_sub(start) as u32)
}

/// How many of 32 bytes come before the first one that a plain string may not hold (beside the
/// quote), and before the first quote; 32 where there is none.
#[inline]
#[target_feature(enable = "avx2,bmi1")]
pub(super) fn string_marks(chunk: &[u8; 32]) -> (usize, usize) {
    // SAFETY: the load lies in the 32 bytes of `chunk`; an unaligned load needs no more.
    let text = unsafe { _mm256_loadu_si256(chunk.as_ptr().cast()) };
    let quotes = _mm256_cmpeq_epi8(text, _mm256_set1_epi8(b'"' as i8));
    // Signed: bytes of 0x80 and above are negative, so they count as special as well.
    let control = _mm256_cmpgt_epi8(_mm256_set1_epi8(0x20), text);
    let escape = _mm256_cmpeq_epi8(text, _mm256_set1_epi8(b'\\' as i8));
    let special = _mm256_or_si256(control, escape);
    let before = |mask| (_mm256_movemask_epi8(mask) as u32).trailing_zeros() as usize;
    (before(special), before(quotes))
}

/// Number of digits at the front; 16 where all are.
#[inline]
#[target_feature(enable = "avx2,bmi1")]
pub(super) fn digits_in_front(text: &[u8; 16]) -> usize {
    let values = _mm_xor_si128(lanes16(text), _mm_set1_epi8(b'0' as i8));
    let digits = _mm_cmpeq_epi8(_mm_min_epu8(values, _mm_set1_epi8(9)), values);
    (_mm_movemask_epi8(digits) as u32).trailing_ones() as usize
}

/// The integer of the first `length` bytes (16 at most); nothing where one is no digit.
#[inline]
#[target_feature(enable = "avx2,bmi1")]
pub(super) fn integer(text: &[u8; 16], length: usize) -> Option<u64> {
    let from = SHIFT.get(length..)?.first_chunk()?;
    let digits = _mm_xor_si128(lanes16(text), _mm_set1_epi8(b'0' as i8));
    let [value, _] = integers(_mm256_castsi128_si256(_mm_shuffle_epi8(
        digits,
        lanes16(from),
    )))?;
    Some(value)
}

/// The integers of 13 digits at the ends of two texts.
#[inline]
#[target_feature(enable = "avx2,bmi1")]
pub(super) fn two_times(first: &[u8; 16], second: &[u8; 16]) -> Option<[u64; 2]> {
    let text = _mm256_set_m128i(lanes16(second), lanes16(first));
    let digits = _mm256_xor_si256(text, _mm256_set1_epi8(b'0' as i8));
    // Three bytes in front of each are not its own.
    let own = _mm256_setr_epi32(
        0xff00_0000u32 as i32,
        -1,
        -1,
        -1,
        0xff00_0000u32 as i32,
        -1,
        -1,
        -1,
    );
    integers(_mm256_and_si256(digits, own))
}

/// Two integers from the values of their digits, aligned to the ends of both halves.
#[inline]
#[target_feature(enable = "avx2")]
fn integers(digits: __m256i) -> Option<[u64; 2]> {
    let beyond = _mm256_subs_epu8(digits, _mm256_set1_epi8(9));
    if _mm256_testz_si256(beyond, beyond) == 0 {
        return None;
    }
    let tens = _mm256_maddubs_epi16(digits, _mm256_set1_epi16(0x010a));
    let groups = _mm256_madd_epi16(tens, _mm256_set1_epi32(0x0001_0064));
    let groups = _mm256_packus_epi32(groups, groups);
    let halves = _mm256_madd_epi16(groups, _mm256_set1_epi32(0x0001_2710));
    let upper = _mm256_mul_epu32(halves, _mm256_set1_epi64x(100_000_000));
    let numbers = _mm256_add_epi64(upper, _mm256_srli_epi64(halves, 32));
    Some([
        _mm256_extract_epi64(numbers, 0) as u64,
        _mm256_extract_epi64(numbers, 2) as u64,
    ])
}

/// The 16 bytes before `end`.
#[inline]
#[target_feature(enable = "avx2")]
fn ending_at(bytes: &[u8], end: usize) -> Option<__m128i> {
    Some(lanes16(bytes.get(..end)?.last_chunk()?))
}

/// The lanes of a number of `length` bytes.
#[inline]
#[target_feature(enable = "avx2")]
fn lanes_of(length: usize) -> __m128i {
    let from = &LANES[(length & 31) + 4..];
    lanes16(from.first_chunk().expect("the table has 96 bytes"))
}

#[inline]
#[target_feature(enable = "avx2")]
fn lanes16(bytes: &[u8; 16]) -> __m128i {
    // SAFETY: the 16 bytes of the array; an unaligned load needs no more.
    unsafe { _mm_loadu_si128(bytes.as_ptr().cast()) }
}
