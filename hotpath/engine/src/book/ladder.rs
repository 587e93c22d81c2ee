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
    sign: i64,
    quantities: Box<[i64]>,
    occupied: Box<[u64]>,
    /// Lowest key of the window; a multiple of 64.
    base: i64,
    /// Lowest occupied key; [`NO_KEY`] without. Between levels of one event only a lower bound.
    best: i64,
    far: FarLevels,
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
        Self {
            sign: if side == Side::Buy { -1 } else { 1 },
            quantities: vec![0; window_ticks].into_boxed_slice(),
            occupied: vec![0; window_ticks / 64].into_boxed_slice(),
            base: 0,
            best: NO_KEY,
            far: FarLevels::new(far_levels_max),
            edge: i64::MIN,
            lost: NO_KEY,
            dropped: 0,
        }
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
        for level in levels {
            if is_sane(level) {
                self.set(self.key(level.price), level.quantity.0);
            } else {
                sane = false;
            }
        }
        self.tighten();
        sane
    }

    /// Sets one level; quantity 0 removes it. [`Ladder::tighten`] must follow.
    #[inline]
    pub(super) fn set(&mut self, key: i64, quantity: i64) {
        let offset = key.wrapping_sub(self.base) as u64;
        if offset >= self.quantities.len() as u64 {
            return self.set_outside(key, quantity);
        }
        let slot = key as usize & (self.quantities.len() - 1);
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

    #[cold]
    fn set_outside(&mut self, key: i64, quantity: i64) {
        let is_better = key < self.base;
        if quantity != 0 && (is_better || self.best == NO_KEY) {
            self.recenter(key);
            return self.set(key, quantity);
        }
        // Nothing stands before the window, so there is nothing to remove.
        if !is_better {
            self.set_far(key, quantity);
        }
    }

    fn set_far(&mut self, key: i64, quantity: i64) {
        if self.far.set(key, quantity) == Err(Full) {
            self.dropped += 1;
            self.lost = self.lost.min(key);
            self.edge = self.edge.min(key - 1);
        }
    }

    /// Makes the best exact after removals, and keeps it in the better half of the window.
    #[inline]
    pub(super) fn tighten(&mut self) {
        if self.best != NO_KEY && !self.is_occupied(self.best) {
            self.find_best();
        }
    }

    fn find_best(&mut self) {
        match self.next_in_window(self.best.max(self.base)) {
            Some(key) => {
                self.best = key;
                if key - self.base > self.width() / 2 {
                    self.recenter(key);
                }
            }
            None => match self.far.first_from(i64::MIN) {
                Some((key, _)) => {
                    self.best = key;
                    self.recenter(key);
                }
                None => self.best = NO_KEY,
            },
        }
    }

    /// Lowest occupied key of all, known or not; [`NO_KEY`] without.
    pub(super) fn best(&self) -> i64 {
        self.best
    }

    /// Lowest occupied key, where it lies in the known range.
    pub(super) fn known_best(&self) -> Option<i64> {
        (self.best != NO_KEY && self.best <= self.edge).then_some(self.best)
    }

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
    pub(super) fn sum_from(&self, from: i64, count: usize) -> Option<i64> {
        let mut total = 0i64;
        let mut left = count;
        let end = self.base + self.width();
        let mut at = from.max(self.base).max(self.best.min(end));
        while left > 0 && at < end {
            let slot = self.slot(at);
            let start = at - (slot as i64 & 63);
            let mut word = self.occupied[slot >> 6] & (u64::MAX << (slot & 63));
            while word != 0 {
                let key = start + i64::from(word.trailing_zeros());
                if key > self.edge {
                    return None;
                }
                total = total.saturating_add(self.quantities[self.slot(key)]);
                left -= 1;
                if left == 0 {
                    return Some(total);
                }
                word &= word - 1;
            }
            at = start + 64;
        }
        // Only a book with a handful of levels in its window gets here.
        let mut from = from.max(end);
        while left > 0 {
            let (key, quantity) = self.far.first_from(from)?;
            if key > self.edge {
                return None;
            }
            total = total.saturating_add(quantity);
            left -= 1;
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

    /// All levels, known or not, best first (allocates; for checkpoints).
    pub(super) fn all(&self) -> Vec<(i64, i64)> {
        let mut all = Vec::new();
        let mut from = self.base;
        while let Some(key) = self
            .in_window(from)
            .then(|| self.next_in_window(from))
            .flatten()
        {
            all.push((key, self.quantities[self.slot(key)]));
            from = key + 1;
        }
        let in_window = all.len();
        all.extend(self.far.iter());
        all[in_window..].sort_unstable();
        all
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
        (self.base, self.edge, self.lost, self.dropped) = (base, edge, lost, dropped);
        true
    }

    fn width(&self) -> i64 {
        self.quantities.len() as i64
    }

    fn slot(&self, key: i64) -> usize {
        key as usize & (self.quantities.len() - 1)
    }

    fn in_window(&self, key: i64) -> bool {
        (key.wrapping_sub(self.base) as u64) < self.quantities.len() as u64
    }

    /// `key` must lie in the window.
    fn is_occupied(&self, key: i64) -> bool {
        let slot = self.slot(key);
        self.occupied[slot >> 6] >> (slot & 63) & 1 == 1
    }

    /// The lowest occupied key from `from`, which lies in the window, to its end.
    fn next_in_window(&self, from: i64) -> Option<i64> {
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

    /// Moves the window so that `key` stands a quarter into it. Nothing better than `key` may be
    /// occupied.
    #[cold]
    fn recenter(&mut self, key: i64) {
        let base = (key - self.width() / 4) & !63;
        let (old_base, width) = (self.base, self.width());
        if base < old_base {
            // The worst ticks leave: in the window they would stand for better ones.
            let mut from = (base + width).max(old_base);
            while let Some(key) = self
                .in_window(from)
                .then(|| self.next_in_window(from))
                .flatten()
            {
                let slot = self.slot(key);
                self.occupied[slot >> 6] &= !(1 << (slot & 63));
                let quantity = self.quantities[slot];
                self.set_far(key, quantity);
                from = key + 1;
            }
            self.base = base;
        } else if base > old_base {
            self.base = base;
            let Self {
                far,
                quantities,
                occupied,
                ..
            } = self;
            let mask = quantities.len() - 1;
            far.take_range(base, base + width - 1, |key, quantity| {
                let slot = key as usize & mask;
                quantities[slot] = quantity;
                occupied[slot >> 6] |= 1 << (slot & 63);
            });
        }
    }
}

/// Whether a price and quantity can be a level of any book.
pub(super) fn is_sane(level: &Level) -> bool {
    // One test of the sign bits: price at least 1, quantity not negative, both within bounds.
    // Below these, sums of keys, windows and quantities cannot overflow.
    let (price, quantity) = (level.price.0, level.quantity.0);
    let price_room = TICKS_MAX.wrapping_sub(price);
    let quantity_room = LOTS_MAX.wrapping_sub(quantity);
    price.wrapping_sub(1) | price_room | quantity | quantity_room >= 0
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::BTreeMap;

    fn level(price: i64, quantity: i64) -> Level {
        Level {
            price: Price(price),
            quantity: Quantity(quantity),
        }
    }

    #[test]
    fn no_price_of_any_size_is_written_or_panics() {
        for side in [Side::Buy, Side::Sell] {
            let mut ladder = Ladder::new(side, 256, 4);
            let insane = [
                level(0, 1),
                level(-1, 1),
                level(i64::MIN, 1),
                level(i64::MAX, 1),
                level(TICKS_MAX + 1, 1),
                level(5, LOTS_MAX + 1),
                level(5, i64::MAX),
                level(5, -1),
                level(5, i64::MIN),
            ];
            for one in insane {
                assert!(!ladder.apply(&[one]), "{one:?}");
            }
            assert_eq!(ladder.best(), NO_KEY);
            assert!(ladder.apply(&[level(TICKS_MAX, 1), level(1, 1), level(TICKS_MAX, LOTS_MAX)]));
            ladder.widen(NO_KEY);
            assert_eq!(ladder.sum_from(i64::MIN, 2), Some(LOTS_MAX + 1));
        }
    }

    #[test]
    fn a_full_far_table_shrinks_the_known_range() {
        let mut ladder = Ladder::new(Side::Sell, 256, 2);
        ladder.widen(NO_KEY);
        assert!(ladder.apply(&[level(10, 1), level(500, 1), level(600, 1), level(400, 1)]));
        assert_eq!(ladder.dropped, 1);
        assert_eq!(ladder.edge(), 399);
        assert_eq!(ladder.sum_from(i64::MIN, 1), Some(1));
        assert_eq!(ladder.sum_from(i64::MIN, 2), None);
        ladder.widen(1_000);
        assert_eq!(ladder.edge(), 399);
        ladder.clear_unknown();
        ladder.widen(1_000);
        assert_eq!((ladder.edge(), ladder.far.len()), (1_000, 0));
    }

    proptest! {
        #[test]
        fn a_ladder_equals_a_map_wherever_its_window_is(
            steps in prop::collection::vec(
                (0u8..4, 1i64..40, prop::sample::select(vec![0i64, 0, 1, 2, 9])), 1..300),
            is_bid in any::<bool>(),
            center in 1_000i64..2_000,
        ) {
            let side = if is_bid { Side::Buy } else { Side::Sell };
            let mut ladder = Ladder::new(side, 256, 4_096);
            ladder.widen(NO_KEY);
            let mut model = BTreeMap::new();
            for (scale, offset, quantity) in steps {
                // Near, some windows away, far away.
                let price = center + offset * [1, 7, 300, 9_000][usize::from(scale)];
                prop_assert!(ladder.apply(&[level(price, quantity)]));
                let key = ladder.key(Price(price));
                if quantity == 0 { model.remove(&key); } else { model.insert(key, quantity); }
                prop_assert_eq!(ladder.all(), model.clone().into_iter().collect::<Vec<_>>());
                let best = model.first_key_value().map_or(NO_KEY, |(key, _)| *key);
                prop_assert_eq!(ladder.best(), best);
                prop_assert!(best == NO_KEY || ladder.in_window(best));
                prop_assert_eq!(ladder.quantity(key), quantity);
                for count in [1, 3, 8] {
                    let sum = (model.len() >= count).then(|| model.values().take(count).sum());
                    prop_assert_eq!(ladder.sum_from(i64::MIN, count), sum);
                }
                let after = model.range(key + 1..).next().map(|(key, value)| (*key, *value));
                prop_assert_eq!(ladder.next_from(key + 1), after);
            }
        }
    }
}
