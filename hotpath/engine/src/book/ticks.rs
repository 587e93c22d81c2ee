//! The ticks of a window: a circle of quantities, and beside it which of them are occupied.
//!
//! In: keys within the window, which the caller has checked. Out: quantities, the next occupied
//! tick, sums. Never: a key outside of the window; it would stand for another one.
//!
//! The quantity of key k stands at `k & (ticks - 1)`. A byte a tick says whether it is occupied, not
//! a bit: a byte is written without a look at what stands there, which takes eight instructions a
//! level less and waits for no level before. Readers gather the bytes into bits. The quantity of a
//! free tick is never read, so that clearing a side clears its bytes only.

/// Ticks whose bytes are looked at together: those of a cache line.
const LINE_TICKS: usize = 64;

/// A circle of ticks.
#[derive(Debug)]
pub(super) struct Ticks {
    quantities: Box<[i64]>,
    /// 1 for an occupied tick, else 0.
    occupied: Box<[[u8; LINE_TICKS]]>,
}

/// Writes ticks.
pub(super) struct Writer<'t> {
    quantities: &'t mut [i64],
    occupied: &'t mut [u8],
}

/// What a sum over occupied ticks found.
pub(super) struct Sum {
    /// Lots of all ticks summed.
    pub(super) lots: u64,
    /// How many ticks were not found.
    pub(super) missing: usize,
    /// Key of the last tick summed; without meaning where there was none.
    pub(super) last: i64,
}

impl Writer<'_> {
    /// Sets a tick; quantity 0 frees it.
    #[inline(always)]
    pub(super) fn set(&mut self, key: i64, quantity: i64) {
        // The mask shows the compiler that there is nothing to check.
        let slot = key as usize & (self.quantities.len() - 1);
        self.quantities[slot] = quantity;
        self.occupied[slot] = u8::from(quantity != 0);
    }
}

impl Ticks {
    /// `count` free ticks; a power of two, and at least [`LINE_TICKS`].
    pub(super) fn new(count: usize) -> Self {
        assert!(count.is_power_of_two() && count >= LINE_TICKS);
        Self {
            quantities: vec![0; count].into_boxed_slice(),
            occupied: vec![[0; LINE_TICKS]; count / LINE_TICKS].into_boxed_slice(),
        }
    }

    /// Number of ticks.
    #[inline]
    pub(super) fn count(&self) -> usize {
        self.quantities.len()
    }

    /// For many ticks in a row.
    #[inline(always)]
    pub(super) fn writer(&mut self) -> Writer<'_> {
        let occupied = self.occupied.as_flattened_mut();
        assert!(!occupied.is_empty() && occupied.len() == self.quantities.len());
        Writer {
            quantities: &mut self.quantities,
            occupied,
        }
    }

    /// Sets a tick; quantity 0 frees it.
    #[inline]
    pub(super) fn set(&mut self, key: i64, quantity: i64) {
        self.writer().set(key, quantity);
    }

    /// Quantity of a tick; 0 where it is free.
    #[inline]
    pub(super) fn get(&self, key: i64) -> i64 {
        let slot = key as usize & (self.quantities.len() - 1);
        if self.occupied.as_flattened()[slot] == 0 {
            return 0;
        }
        self.quantities[slot]
    }

    /// Frees all ticks.
    pub(super) fn clear(&mut self) {
        self.occupied.fill([0; LINE_TICKS]);
    }

    /// The lowest occupied key from `from` to before `end`, which is the first of a line.
    #[inline]
    pub(super) fn first(&self, from: i64, end: i64) -> Option<i64> {
        let mut start = first_of_line(from);
        let line = self.line(start);
        // Where levels stand close, the next one is among eight ticks.
        let within = (from & (LINE_TICKS as i64 - 1)) as usize;
        let near = word(line, within / 8) >> (8 * (within % 8));
        if near != 0 {
            return Some(from + i64::from(near.trailing_zeros() / 8));
        }
        let mut mask = bits(line) & from_tick(from);
        while mask == 0 {
            start += LINE_TICKS as i64;
            if start >= end {
                return None;
            }
            let line = self.line(start);
            if *line != [0; LINE_TICKS] {
                mask = bits(line);
            }
        }
        Some(start + i64::from(mask.trailing_zeros()))
    }

    /// Sums occupied ticks from `from` to before `end`, which is the first of a line, until
    /// `count` of them are summed.
    #[inline]
    pub(super) fn sum(&self, from: i64, end: i64, count: usize) -> Sum {
        let quantities = &*self.quantities;
        assert!(!quantities.is_empty());
        let (mut total, mut missing) = (0u64, count);
        let mut start = first_of_line(from);
        let mut mask = bits(self.line(start)) & from_tick(from);
        loop {
            // No line comes near an overflow.
            let mut lots = 0u64;
            while mask != 0 {
                let key = start | i64::from(mask.trailing_zeros());
                let quantity = quantities[key as usize & (quantities.len() - 1)];
                lots = lots.wrapping_add(quantity as u64);
                missing = missing.wrapping_sub(1);
                if missing == 0 {
                    return Sum {
                        lots: total.saturating_add(lots),
                        missing,
                        last: key,
                    };
                }
                mask &= mask.wrapping_sub(1);
            }
            total = total.saturating_add(lots);
            start = start.wrapping_add(LINE_TICKS as i64);
            if start >= end {
                return Sum {
                    lots: total,
                    missing,
                    last: from,
                };
            }
            mask = bits(self.line(start));
        }
    }

    #[inline(always)]
    fn line(&self, start: i64) -> &[u8; LINE_TICKS] {
        &self.occupied[(start as usize / LINE_TICKS) & (self.occupied.len() - 1)]
    }
}

#[inline(always)]
const fn first_of_line(key: i64) -> i64 {
    key & -(LINE_TICKS as i64)
}

/// The bits of a line from a key's on.
#[inline(always)]
const fn from_tick(key: i64) -> u64 {
    u64::MAX << (key & (LINE_TICKS as i64 - 1))
}

/// A bit for each tick of a line, the lowest one for the first.
#[inline(always)]
fn bits(line: &[u8; LINE_TICKS]) -> u64 {
    // The product moves the lowest bits of eight bytes to its highest byte.
    const GATHER: u64 = 0x0102_0408_1020_4080;
    let mut bits = 0;
    for at in 0..LINE_TICKS / 8 {
        bits |= (word(line, at).wrapping_mul(GATHER) >> 56) << (8 * at);
    }
    bits
}

/// Eight bytes of a line, the lowest one for the first tick.
#[inline(always)]
fn word(line: &[u8; LINE_TICKS], at: usize) -> u64 {
    let (words, _) = line.as_chunks::<8>();
    u64::from_le_bytes(words[at])
}
