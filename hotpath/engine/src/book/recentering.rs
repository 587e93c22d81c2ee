//! Where the window of a side stands, and how it moves.
//!
//! In: the best level, levels outside of the window. Out: a window that the best is in. Never: a
//! long move in a call on which something waits, unless the market jumps.
//!
//! Moving the window costs microseconds: levels that leave it go to the far levels, and those that
//! come in are found by a scan of them. [`Ladder::settle`] does it in small steps on quiet calls,
//! long before the best leaves the window. Within an event it moves only when the best jumps out
//! of its front or over its middle.

use super::ladder::{Ladder, NO_KEY};
use crate::bounds::TICKS_MAX;

/// Ticks by which one call of [`Ladder::settle`] moves the window at most.
const SETTLE_TICKS: i64 = 4_096;

impl Ladder {
    /// Moves the window a little once the best stands an eighth of it away from its place. For a
    /// call on which nothing waits.
    #[inline]
    pub(super) fn settle(&mut self) {
        let from_front = self.best().wrapping_sub(self.base);
        let eighth = self.width() / 8;
        // From one to three eighths is near enough to a quarter. No level at all is not, but that
        // is not for here.
        if from_front.wrapping_sub(eighth) as u64 > 2 * eighth as u64 {
            self.settle_step();
        }
    }

    #[cold]
    #[inline(never)]
    fn settle_step(&mut self) {
        if self.best() != NO_KEY {
            let away = self.base_for(self.best()) - self.base;
            self.move_window(self.base + away.clamp(-SETTLE_TICKS, SETTLE_TICKS));
        }
    }

    /// Sets a level that is not in the window.
    pub(super) fn set_outside(&mut self, key: i64, quantity: i64) {
        let is_better = key < self.base;
        if quantity != 0 && (is_better || self.best == NO_KEY) {
            self.move_window(self.base_for(key));
            return self.set(key, quantity);
        }
        // Nothing stands before the window, so there is nothing to remove.
        if !is_better {
            self.set_far(key, quantity);
        }
    }

    /// The base of the window in which `key` stands a quarter from the front.
    pub(super) fn base_for(&self, key: i64) -> i64 {
        (key - self.width() / 4) & !63
    }

    pub(super) fn set_base(&mut self, base: i64) {
        let (lowest, highest) = if self.sign > 0 {
            (1, TICKS_MAX)
        } else {
            (-TICKS_MAX, -1)
        };
        self.base = base;
        self.open = base.max(lowest);
        let end = (base + self.width()).min(highest + 1);
        self.span = (end - self.open).max(0) as u64;
    }

    /// Moves the window to `base`. Nothing may be occupied before it.
    #[cold]
    #[inline(never)]
    pub(super) fn move_window(&mut self, base: i64) {
        let (old_base, width) = (self.base, self.width());
        if base < old_base {
            // The worst ticks leave: in the window they would stand for better ones.
            let mut from = (base + width).max(old_base);
            while let Some(key) = self
                .in_window(from)
                .then(|| self.next_in_window(from))
                .flatten()
            {
                let quantity = self.ticks.get(key);
                self.ticks.set(key, 0);
                self.set_far(key, quantity);
                from = key + 1;
            }
            self.set_base(base);
        } else if base > old_base {
            self.set_base(base);
            let Self { far, ticks, .. } = self;
            far.take_range(base, base + width - 1, |key, quantity| {
                ticks.set(key, quantity);
            });
        }
    }
}
