//! One side of a book: a circular window of ticks, and far levels beside it.
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
//! The window is a circle ([`Ticks`]), so that moving it moves no memory; only levels that leave it
//! go to the far levels, and those that enter it come back. Far levels are always worse than the
//! whole window, and the best level always lies in the window. The best is tightened once an event,
//! not at each removal.

use super::far::{FarLevels, Full};
use super::ticks::Ticks;
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
    pub(super) ticks: Ticks,
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
            ticks: Ticks::new(window_ticks),
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
        while !rest.is_empty() {
            rest = self.write_outside(rest, &mut sane);
            rest = self.write_within(rest);
        }
        self.tighten();
        sane
    }

    /// Writes levels up to the first one that is not for the window, and returns the rest.
    ///
    /// The inner loop of the engine: no branch that depends on what a level is, no write that a
    /// later one waits for, no bounds check, and arithmetic that wraps on purpose, because the
    /// comparison with `span` catches every key. A function of its own, so that all it needs stays
    /// in registers.
    #[inline(never)]
    fn write_within<'l>(&mut self, levels: &'l [Level]) -> &'l [Level] {
        let (sign, open, span) = (self.sign, self.open, self.span);
        let mut ticks = self.ticks.writer();
        let mut best = self.best;
        let mut rest = levels;
        while let Some((level, after)) = rest.split_first() {
            let key = level.price.0.wrapping_mul(sign);
            let quantity = level.quantity.0;
            if key.wrapping_sub(open) as u64 >= span || quantity as u64 > LOTS_MAX as u64 {
                break;
            }
            ticks.set(key, quantity);
            // A removed key makes a lower bound too low at worst; `tighten` looks.
            best = best.min(key);
            rest = after;
        }
        self.best = best;
        rest
    }

    /// Writes levels that the window does not take: far ones, a better one, or none at all. At
    /// least the first, and those behind it that it takes no more than that: a side comes in the
    /// order of its prices, so that far levels come in runs.
    #[cold]
    #[inline(never)]
    fn write_outside<'l>(&mut self, levels: &'l [Level], sane: &mut bool) -> &'l [Level] {
        let mut rest = levels;
        while let Some((level, after)) = rest.split_first() {
            if is_sane(level) {
                self.set(self.key(level.price), level.quantity.0);
            } else {
                *sane = false;
            }
            rest = after;
            let next = after.first().map(|next| self.key(next.price));
            if next.is_none_or(|key| self.in_window(key)) {
                break;
            }
        }
        rest
    }

    /// Sets one sane level; quantity 0 removes it. [`Ladder::tighten`] must follow.
    pub(super) fn set(&mut self, key: i64, quantity: i64) {
        if !self.in_window(key) {
            return self.set_outside(key, quantity);
        }
        self.ticks.set(key, quantity);
        if quantity != 0 {
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
        if self.in_window(self.best) {
            self.best_quantity = self.ticks.get(self.best);
            if self.best_quantity != 0 {
                return;
            }
        }
        self.find_best();
    }

    #[inline(never)]
    fn find_best(&mut self) {
        let end = self.base + self.width();
        match self.ticks.first(self.best.max(self.base), end) {
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
                None => {
                    self.best = NO_KEY;
                    return;
                }
            },
        }
        self.best_quantity = self.ticks.get(self.best);
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
        self.ticks.get(key)
    }

    /// The best level from `from` on, known or not.
    pub(super) fn next_from(&self, from: i64) -> Option<(i64, i64)> {
        let end = self.base + self.width();
        if from < end
            && let Some(key) = self.next_in_window(from.max(self.base))
        {
            return Some((key, self.ticks.get(key)));
        }
        self.far.first_from(from.max(end))
    }

    /// Lots on the best `count` levels from `from` on. None when there are fewer within the known
    /// range.
    #[inline]
    pub(super) fn sum_from(&self, from: i64, count: usize) -> Option<i64> {
        let at = from.max(self.best);
        if count == 0 || !self.in_window(at) {
            return self.sum_far(from, count, 0);
        }
        let sum = self.ticks.sum(at, self.base + self.width(), count);
        if sum.missing > 0 {
            return self.sum_far(from, sum.missing, sum.lots);
        }
        // Keys only grow: the last one alone must lie in the known range.
        (sum.last <= self.edge).then_some(in_lots(sum.lots))
    }

    /// `total` and the lots on the best `left` far levels. Only a book with a handful of levels in
    /// its window gets here.
    #[cold]
    #[inline(never)]
    fn sum_far(&self, from: i64, left: usize, mut total: u64) -> Option<i64> {
        let mut from = from.max(self.base + self.width());
        for _ in 0..left {
            let (key, quantity) = self.far.first_from(from)?;
            if key > self.edge {
                return None;
            }
            total = total.saturating_add(quantity.unsigned_abs());
            from = key + 1;
        }
        Some(in_lots(total))
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
        self.ticks.clear();
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
            self.ticks.set(key, 0);
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
            push_level(out, key, self.ticks.get(key));
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
        self.ticks.count() as i64
    }

    #[inline]
    pub(super) fn in_window(&self, key: i64) -> bool {
        (key.wrapping_sub(self.base) as u64) < self.ticks.count() as u64
    }

    /// The lowest occupied key from `from`, which lies in the window, to its end.
    pub(super) fn next_in_window(&self, from: i64) -> Option<i64> {
        self.ticks.first(from, self.base + self.width())
    }
}

/// A sum of lots, which no book of any market brings near to the largest one.
#[inline]
fn in_lots(total: u64) -> i64 {
    i64::try_from(total).unwrap_or(i64::MAX)
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
