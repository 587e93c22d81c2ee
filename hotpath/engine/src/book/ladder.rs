//! One side of a book: a circular window of ticks with a bitmap, and far levels beside it.
//!
//! In: levels by key. Out: best level, next levels, sums. Never: the meaning of a missing level;
//! that is what [`Ladder::edge`] says.
//!
//! A key orders levels from best to worst: the price of an ask, the negated price of a bid. So
//! both sides run the same code.
//!
//! ```text
//!        base                                 base + window
//!         |------------ window -----------------|
//!   keys  .....#..##.#.######..##...#....#......   #    #     #  far levels (hash table)
//!              ^ best                    ^ edge: beyond it a missing level is unknown
//! ```
//! The quantity of key k stands at `k & (window - 1)`, so moving the window moves no memory; only
//! levels that leave it go to the far levels, and those that enter it come back. Far levels are
//! always worse than the whole window, and the best level always lies in the window. A bit says
//! whether a tick is occupied; the quantity of a free tick is never read, so that clearing a side
//! clears its bitmap only. The best is tightened once an event, not at each removal.

use super::far::{FarLevels, Full};
use crate::bounds::{LOTS_MAX, TICKS_MAX};
use market::{Level, Price, Quantity, Side};

/// The key of "no level". Greater than any key.
pub(super) const NO_KEY: i64 = i64::MAX;

/// Smallest window: a quarter of it and the rounding of its base to a word must fit.
const WINDOW_TICKS_MIN: usize = 256;

/// One side of a book.
#[derive(Debug)]
pub(super) struct Ladder {
    /// 1 for asks, -1 for bids.
    pub(super) sign: i64,
    pub(super) quantities: Box<[i64]>,
    pub(super) occupied: Box<[u64]>,
    /// Lowest key of the window; a multiple of 64.
    pub(super) base: i64,
    /// Lowest key of the window that a level may have, and how many from there on may: the part
    /// of the window whose prices can be. So one comparison says both.
    pub(super) open: i64,
    pub(super) span: u64,
    /// Lowest occupied key; [`NO_KEY`] without. Between levels of one event only a lower bound.
    pub(super) best: i64,
    /// Lots on the best level; without meaning when there is none, or between levels of an event.
    best_quantity: i64,
    pub(super) far: FarLevels,
    /// Highest key up to which a missing level is known to be missing.
    edge: i64,
    /// Lowest key for which there was no room since the last clear.
    lost: i64,
    /// Levels for which there was no room, ever.
    pub(super) dropped: u64,
}

impl Ladder {
    pub(super) fn new(side: Side, window_ticks: usize, far_levels_max: usize) -> Self {
        assert!(
            window_ticks.is_power_of_two() && window_ticks >= WINDOW_TICKS_MIN,
            "a window is a power of two of at least 256 ticks"
        );
        let mut ladder = Self {
            sign: if side == Side::Buy { -1 } else { 1 },
            quantities: vec![0; window_ticks].into_boxed_slice(),
            occupied: vec![0; window_ticks / 64].into_boxed_slice(),
            base: 0,
            open: 0,
            span: 0,
            best: NO_KEY,
            best_quantity: 0,
            far: FarLevels::new(far_levels_max),
            edge: i64::MIN,
            lost: NO_KEY,
            dropped: 0,
        };
        ladder.set_base(0);
        ladder
    }

    pub(super) fn key(&self, price: Price) -> i64 {
        price.0.wrapping_mul(self.sign)
    }

    pub(super) fn level(&self, key: i64, quantity: i64) -> Level {
        Level {
            price: Price(key.wrapping_mul(self.sign)),
            quantity: Quantity(quantity),
        }
    }

    /// Sets levels in the order given; false when one of them can be no level of any book. The
    /// best is exact afterwards.
    pub(super) fn apply(&mut self, levels: &[Level]) -> bool {
        let mut sane = true;
        let mut rest = self.write_within(levels);
        while let Some((level, after)) = rest.split_first() {
            sane &= self.write_outside(level);
            rest = self.write_within(after);
        }
        self.tighten();
        sane
    }

    /// Writes levels up to the first one that is not for the window, and returns the rest.
    ///
    /// The inner loop of the engine: no branch that depends on what a level is, no bounds check
    /// (the masks show the compiler that there is nothing to check), and arithmetic that wraps on
    /// purpose, because the comparison with `span` catches every key. A function of its own, so
    /// that all it needs stays in registers.
    #[inline(never)]
    fn write_within<'l>(&mut self, levels: &'l [Level]) -> &'l [Level] {
        let (sign, open, span) = (self.sign, self.open, self.span);
        let quantities = &mut *self.quantities;
        let occupied = &mut *self.occupied;
        let words = occupied.len();
        assert!(words > 0 && !quantities.is_empty() && quantities.len() == words << 6);
        let mut best = self.best;
        let mut rest = levels;
        while let Some((level, after)) = rest.split_first() {
            let key = level.price.0.wrapping_mul(sign);
            let quantity = level.quantity.0;
            if key.wrapping_sub(open) as u64 >= span || quantity as u64 > LOTS_MAX as u64 {
                break;
            }
            quantities[key as usize & (quantities.len() - 1)] = quantity;
            let word = &mut occupied[(key >> 6) as usize & (words - 1)];
            let bit = key & 63;
            *word = *word & !(1 << bit) | u64::from(quantity != 0) << bit;
            // A removed key makes a lower bound too low at worst; `tighten` looks.
            best = best.min(key);
            rest = after;
        }
        self.best = best;
        rest
    }

    /// A level that the window does not take: a far one, a better one, or none at all.
    #[cold]
    #[inline(never)]
    fn write_outside(&mut self, level: &Level) -> bool {
        let sane = is_sane(level);
        if sane {
            self.set(self.key(level.price), level.quantity.0);
        }
        sane
    }

    /// Sets one sane level; quantity 0 removes it. [`Ladder::tighten`] must follow.
    pub(super) fn set(&mut self, key: i64, quantity: i64) {
        if !self.in_window(key) {
            return self.set_outside(key, quantity);
        }
        let slot = self.slot(key);
        self.quantities[slot] = quantity;
        let bit = 1u64 << (slot & 63);
        let word = &mut self.occupied[slot >> 6];
        if quantity == 0 {
            *word &= !bit;
        } else {
            *word |= bit;
            self.best = self.best.min(key);
        }
    }

    pub(super) fn set_far(&mut self, key: i64, quantity: i64) {
        if self.far.set(key, quantity) == Err(Full) {
            self.dropped += 1;
            self.lost = self.lost.min(key);
            self.edge = self.edge.min(key - 1);
        }
    }

    /// Makes the best exact after levels were set, and keeps it in the better half of the window.
    #[inline]
    pub(super) fn tighten(&mut self) {
        if self.best == NO_KEY {
            return;
        }
        if !self.in_window(self.best) || !self.is_occupied(self.best) {
            self.find_best();
        }
        if self.best != NO_KEY {
            self.best_quantity = self.quantities[self.slot(self.best)];
        }
    }

    #[inline(never)]
    fn find_best(&mut self) {
        match self.next_in_window(self.best.max(self.base)) {
            Some(key) => {
                self.best = key;
                if key - self.base > self.width() / 2 {
                    self.move_window(self.base_for(key));
                }
            }
            None => match self.far.first_from(i64::MIN) {
                Some((key, _)) => {
                    self.best = key;
                    self.move_window(self.base_for(key));
                }
                None => self.best = NO_KEY,
            },
        }
    }

    /// Lowest occupied key of all, known or not; [`NO_KEY`] without.
    #[inline]
    pub(super) fn best(&self) -> i64 {
        self.best
    }

    /// Lowest occupied key, where it lies in the known range.
    #[inline]
    pub(super) fn known_best(&self) -> Option<i64> {
        (self.best != NO_KEY && self.best <= self.edge).then_some(self.best)
    }

    /// The best level, where it lies in the known range.
    #[inline]
    pub(super) fn known_top(&self) -> Option<Level> {
        self.known_best()
            .map(|key| self.level(key, self.best_quantity))
    }

    #[cfg(test)]
    pub(super) fn quantity(&self, key: i64) -> i64 {
        if !self.in_window(key) {
            return self.far.get(key);
        }
        if self.is_occupied(key) {
            self.quantities[self.slot(key)]
        } else {
            0
        }
    }

    /// The best level from `from` on, known or not.
    pub(super) fn next_from(&self, from: i64) -> Option<(i64, i64)> {
        let end = self.base + self.width();
        if from < end
            && let Some(key) = self.next_in_window(from.max(self.base))
        {
            return Some((key, self.quantities[self.slot(key)]));
        }
        self.far.first_from(from.max(end))
    }

    /// Lots on the best `count` levels from `from` on. None when there are fewer within the known
    /// range.
    #[inline]
    pub(super) fn sum_from(&self, from: i64, count: usize) -> Option<i64> {
        let at = from.max(self.best);
        let (mut total, mut left) = (0i64, count);
        let quantities = &*self.quantities;
        let occupied = &*self.occupied;
        let words = occupied.len();
        assert!(words > 0 && !quantities.is_empty() && quantities.len() == words << 6);
        if left > 0 && self.in_window(at) {
            let mut start = at & !63;
            let end = self.base.wrapping_add(self.width());
            let mut word = occupied[(at >> 6) as usize & (words - 1)] & (u64::MAX << (at & 63));
            loop {
                while word != 0 {
                    let key = start | i64::from(word.trailing_zeros());
                    total = total.saturating_add(quantities[key as usize & (quantities.len() - 1)]);
                    left -= 1;
                    if left == 0 {
                        // Keys only grow: the last one alone must lie in the known range.
                        return (key <= self.edge).then_some(total);
                    }
                    word &= word.wrapping_sub(1);
                }
                start = start.wrapping_add(64);
                if start >= end {
                    break;
                }
                word = occupied[(start >> 6) as usize & (words - 1)];
            }
        }
        self.sum_far(from, left)
            .map(|lots| total.saturating_add(lots))
    }

    /// Lots on the best `left` far levels. Only a book with a handful of levels in its window
    /// gets here.
    #[cold]
    #[inline(never)]
    fn sum_far(&self, from: i64, left: usize) -> Option<i64> {
        let mut from = from.max(self.base + self.width());
        let mut total = 0i64;
        for _ in 0..left {
            let (key, quantity) = self.far.first_from(from)?;
            if key > self.edge {
                return None;
            }
            total = total.saturating_add(quantity);
            from = key + 1;
        }
        Some(total)
    }

    pub(super) fn edge(&self) -> i64 {
        self.edge
    }

    /// Widens the known range up to `edge`, but never over a level that was dropped.
    pub(super) fn widen(&mut self, edge: i64) {
        let kept = if self.lost == NO_KEY {
            edge
        } else {
            edge.min(self.lost - 1)
        };
        self.edge = self.edge.max(kept);
    }

    /// Forgets everything; nothing is known afterwards.
    pub(super) fn clear(&mut self) {
        self.occupied.fill(0);
        self.far.clear();
        self.best = NO_KEY;
        self.edge = i64::MIN;
        self.lost = NO_KEY;
    }

    /// Forgets what lies beyond the known range.
    pub(super) fn clear_unknown(&mut self) {
        let mut from = self.edge.saturating_add(1).max(self.base);
        while let Some(key) = self
            .in_window(from)
            .then(|| self.next_in_window(from))
            .flatten()
        {
            let slot = self.slot(key);
            self.occupied[slot >> 6] &= !(1 << (slot & 63));
            from = key + 1;
        }
        self.far
            .take_range(self.edge.saturating_add(1), i64::MAX, |_, _| {});
        self.lost = NO_KEY;
        self.tighten();
    }

    /// Whether the far levels are nearly full.
    pub(super) fn is_crowded(&self) -> bool {
        self.far.len() > self.far.capacity() / 4 * 3
    }

    /// Appends the number of all levels, known or not, and each with its quantity, best first.
    pub(super) fn save_levels(&self, out: &mut Vec<u8>) {
        let start = out.len();
        out.extend_from_slice(&[0; 8]);
        let mut from = self.base;
        while let Some(key) = self
            .in_window(from)
            .then(|| self.next_in_window(from))
            .flatten()
        {
            push_level(out, key, self.quantities[self.slot(key)]);
            from = key + 1;
        }
        let far = out.len();
        for (key, quantity) in self.far.iter() {
            push_level(out, key, quantity);
        }
        // In place, because a checkpoint is made by the pinned thread.
        let (levels, _) = out[far..].as_chunks_mut::<LEVEL_BYTES>();
        levels.sort_unstable_by_key(|level| level.first_chunk().copied().map(i64::from_le_bytes));
        let count = (out.len() - start - 8) / LEVEL_BYTES;
        out[start..start + 8].copy_from_slice(&(count as u64).to_le_bytes());
    }

    /// What a checkpoint keeps beside the levels: base, edge, lost, dropped.
    pub(super) fn bounds(&self) -> (i64, i64, i64, u64) {
        (self.base, self.edge, self.lost, self.dropped)
    }

    /// Starts from a checkpoint; the levels follow with [`Ladder::set`]. False when the base is
    /// none that a ladder could have.
    pub(super) fn restore(&mut self, (base, edge, lost, dropped): (i64, i64, i64, u64)) -> bool {
        self.clear();
        if base % 64 != 0 || base.abs() > TICKS_MAX * 2 {
            return false;
        }
        self.set_base(base);
        (self.edge, self.lost, self.dropped) = (edge, lost, dropped);
        true
    }

    #[inline]
    pub(super) fn width(&self) -> i64 {
        self.quantities.len() as i64
    }

    #[inline]
    pub(super) fn slot(&self, key: i64) -> usize {
        key as usize & (self.quantities.len() - 1)
    }

    #[inline]
    pub(super) fn in_window(&self, key: i64) -> bool {
        (key.wrapping_sub(self.base) as u64) < self.quantities.len() as u64
    }

    /// `key` must lie in the window.
    #[inline]
    fn is_occupied(&self, key: i64) -> bool {
        let slot = self.slot(key);
        self.occupied[slot >> 6] >> (slot & 63) & 1 == 1
    }

    /// The lowest occupied key from `from`, which lies in the window, to its end.
    pub(super) fn next_in_window(&self, from: i64) -> Option<i64> {
        let end = self.base + self.width();
        let mut at = from;
        while at < end {
            let slot = self.slot(at);
            let word = self.occupied[slot >> 6] >> (slot & 63);
            if word != 0 {
                return Some(at + i64::from(word.trailing_zeros()));
            }
            at += 64 - (slot as i64 & 63);
        }
        None
    }
}

/// Bytes of a saved level.
const LEVEL_BYTES: usize = 16;

fn push_level(out: &mut Vec<u8>, key: i64, quantity: i64) {
    out.extend_from_slice(&key.to_le_bytes());
    out.extend_from_slice(&quantity.to_le_bytes());
}

/// Whether a price and quantity can be a level of any book.
#[inline]
pub(super) fn is_sane(level: &Level) -> bool {
    // One test of the sign bits: price at least 1, quantity not negative, both within bounds.
    // Below these, sums of keys, windows and quantities cannot overflow.
    let (price, quantity) = (level.price.0, level.quantity.0);
    let price_room = TICKS_MAX.wrapping_sub(price);
    let quantity_room = LOTS_MAX.wrapping_sub(quantity);
    price.wrapping_sub(1) | price_room | quantity | quantity_room >= 0
}
