//! The levels of one side, two at a time.
//!
//! In: `["7403.89","0.002"],…]` from its first bracket on. Out: levels in the caller's buffer.
//! Never: a number judged before the end of the message; the faults of all of them are looked at
//! together.
//!
//! Each pair of levels is found by its commas: the exchange's form has exactly two a level, and
//! everything around them is compared. Commas are searched where they are needed instead of being
//! listed beforehand: a list costs more instructions than the numbers do, and needs a place. What
//! is left at the end of a side, or does not lie in 64 bytes, goes one level at a time by its
//! quotes.

use super::lanes::{Columns, Faults, LANES, Pair, numbers, pair_at, two_levels};
use core::arch::x86_64::*;
use core::mem::offset_of;
use market::Level;

/// Bytes that a search needs: 64 in which commas are found, and two behind the last of them.
const SEARCH_BYTES: usize = 66;

/// What must lie before a side: the first price's lanes reach back that far.
const FRONT_BYTES: usize = 18;

const _: () = assert!(size_of::<Level>() == 16);
const _: () = assert!(offset_of!(Level, price) == 0 && offset_of!(Level, quantity) == 8);

/// Reads levels from the bracket at `at` to the end of the side; returns the position behind it.
/// `used` levels of the buffer are taken already.
#[inline]
#[target_feature(enable = "avx2,bmi1")]
pub(super) fn side(
    bytes: &[u8],
    at: usize,
    columns: &Columns,
    levels: &mut [Level],
    used: &mut usize,
    faults: &mut Faults,
) -> Option<usize> {
    match bytes.get(at..)?.first_chunk::<2>()? {
        [b']', _] => return Some(at + 1),
        [b'[', b'"'] if at >= FRONT_BYTES => {}
        _ => return None,
    }
    let mut at = pairs::<false>(bytes, at, columns, levels, used, faults);
    if at.wrapping_add(SEARCH_BYTES) > bytes.len() {
        at = pairs::<true>(bytes, at, columns, levels, used, faults);
    }
    loop {
        let (pair, end) = pair_at::<3, 2>(bytes, at + 2, b"\",\"")?;
        let groups = pair.groups(columns, faults);
        let [level, _] = two_levels(numbers(groups, groups, faults));
        *levels.get_mut(*used)? = level;
        *used += 1;
        let behind = bytes.get(end..)?;
        if behind.first_chunk() == Some(b"\"],[\"") {
            at = end + 3;
        } else if behind.first_chunk() == Some(b"\"]]") {
            return Some(end + 3);
        } else {
            return None;
        }
    }
}

/// Reads pairs of levels while there are any; returns the position of the bracket of the first
/// level that it has not read. `["` must stand at `at`, which is [`FRONT_BYTES`] or more.
///
/// `NEAR_THE_END` searches the last bytes of the message where fewer than [`SEARCH_BYTES`] are
/// left, and leaves out what lies before `at`.
#[inline]
#[target_feature(enable = "avx2,bmi1")]
fn pairs<const NEAR_THE_END: bool>(
    bytes: &[u8],
    mut at: usize,
    columns: &Columns,
    levels: &mut [Level],
    used: &mut usize,
    faults: &mut Faults,
) -> usize {
    assert!(at >= FRONT_BYTES);
    let Some(last) = bytes.len().checked_sub(SEARCH_BYTES) else {
        return at;
    };
    // Copies, so that they stay in registers.
    let mut seen = *faults;
    let mut count = *used;
    let room = levels.len().saturating_sub(1);
    loop {
        let start = if NEAR_THE_END { at.min(last) } else { at };
        let before = at.wrapping_sub(start);
        if start > last || before >= 64 || count >= room {
            break;
        }
        // SAFETY: 64 bytes from `start` on lie in `bytes`, as it is at most `last`.
        let commas = unsafe { commas_from(bytes.as_ptr().add(start)) } >> before;
        let second = commas & commas.wrapping_sub(1);
        let third = second & second.wrapping_sub(1);
        let fourth = third & third.wrapping_sub(1);
        if fourth == 0 {
            break;
        }
        // Four set bits, each above the one before: 0 <= comma[0] < … < comma[3] <= 63.
        let comma = [commas, second, third, fourth].map(|mask| mask.trailing_zeros() as usize);
        let length = [
            comma[0].wrapping_add(1),
            comma[1].wrapping_sub(comma[0]),
            comma[2].wrapping_sub(comma[1]),
            comma[3].wrapping_sub(comma[2]),
        ];
        // SAFETY: `at` is at least FRONT_BYTES and no comma lies before it, so 18 bytes before
        // each comma lie in `bytes`. None lies behind the 64 bytes from `start` on, so two bytes
        // behind each do as well. Neighbouring commas lie 1 to 64 apart.
        let pairs = unsafe {
            let comma = comma.map(|comma| bytes.as_ptr().add(at).add(comma));
            if !punctuation_is_sound(&comma) {
                break;
            }
            [
                pair_around(comma[0], comma[1], length[0], length[1]),
                pair_around(comma[2], comma[3], length[2], length[3]),
            ]
        };
        let groups = pairs.map(|pair| pair.groups(columns, &mut seen));
        let numbers = numbers(groups[0], groups[1], &mut seen);
        let level_by_level = _mm256_permute4x64_epi64(numbers, 0b11_01_10_00);
        // SAFETY: levels `count` and `count + 1` lie in the buffer: the loop's condition. They
        // are 32 bytes of four integers, price before quantity: asserted above.
        unsafe { _mm256_storeu_si256(levels.as_mut_ptr().add(count).cast(), level_by_level) };
        count = count.wrapping_add(2);
        at = at.wrapping_add(comma[3]).wrapping_add(1);
    }
    *faults = seen;
    *used = count;
    at
}

/// Bit `n` is set where byte `n` is a comma.
///
/// # Safety
/// 64 bytes can be read at `from`.
#[inline]
#[target_feature(enable = "avx2")]
unsafe fn commas_from(from: *const u8) -> u64 {
    // SAFETY: the caller's promise; unaligned loads need no more.
    let (low, high) = unsafe {
        let from = from.cast::<__m256i>();
        (_mm256_loadu_si256(from), _mm256_loadu_si256(from.add(1)))
    };
    let comma = _mm256_set1_epi8(b',' as i8);
    let low = _mm256_movemask_epi8(_mm256_cmpeq_epi8(low, comma)) as u32;
    let high = _mm256_movemask_epi8(_mm256_cmpeq_epi8(high, comma)) as u32;
    u64::from(low) | u64::from(high) << 32
}

/// True when `","` stands around the first and the third comma and `"],["` around the others.
///
/// # Safety
/// From five bytes before to two bytes behind each comma can be read.
#[inline]
#[target_feature(enable = "avx2")]
unsafe fn punctuation_is_sound(commas: &[*const u8; 4]) -> bool {
    const IN_LEVEL: u32 = u32::from_le_bytes(*b"\0\",\"");
    const BETWEEN_LEVELS: u64 = u64::from_le_bytes(*b"\0\0\0\"],[\"");
    // SAFETY: the caller's promise.
    let (in_level, between_levels) = unsafe {
        (
            [commas[0], commas[2]].map(|comma| comma.sub(2).cast::<u32>().read_unaligned()),
            [commas[1], commas[3]].map(|comma| comma.sub(5).cast::<u64>().read_unaligned()),
        )
    };
    let in_level = (in_level[0] ^ IN_LEVEL) | (in_level[1] ^ IN_LEVEL);
    let between_levels =
        (between_levels[0] ^ BETWEEN_LEVELS) | (between_levels[1] ^ BETWEEN_LEVELS);
    // Three bytes of the one count, five of the other.
    u64::from(in_level >> 8) | between_levels >> 24 == 0
}

/// The price that ends with `"` before one comma and the quantity that ends with `"]` before the
/// next; their `lengths` count four bytes of punctuation.
///
/// # Safety
/// 18 bytes before each comma can be read; the lengths are 64 at most.
#[inline]
#[target_feature(enable = "avx2")]
unsafe fn pair_around(
    price_comma: *const u8,
    quantity_comma: *const u8,
    price_length: usize,
    quantity_length: usize,
) -> Pair {
    // SAFETY: the caller's promise; 64 + 16 bytes lie in `LANES`; unaligned loads need no more.
    unsafe {
        let load = |from: *const u8| _mm_loadu_si128(from.cast());
        let text = _mm256_set_m128i(load(quantity_comma.sub(18)), load(price_comma.sub(17)));
        let lanes = _mm256_set_m128i(
            load(LANES.as_ptr().add(quantity_length)),
            load(LANES.as_ptr().add(price_length)),
        );
        Pair { text, lanes }
    }
}
