//! Stalls of a spinning loop: turns between which somebody else had the core.
//!
//! In: a stamp of each turn, and whether the turn before found work. Out: the length of a stall,
//! and a histogram of them. Never: a turn with work that is taken for a stall; how long work
//! takes is ours to answer for.
//!
//! An idle turn of a spinning loop takes well under a microsecond. When the next one begins much
//! later, the loop did not run: an interrupt, another thread, or the host. A hole in the middle
//! of work cannot be told from slow work here; the collector's steal and switch counters are the
//! only witnesses of those.

use crate::telemetry::Telemetry;
use crate::tick_clock::{TickClock, Ticks};
use ipc::{Histogram, RegisterError};

/// An idle turn that is this late has been stopped.
pub const STALL_NS: u64 = 20_000;

/// Watches one loop.
pub struct StallDetector {
    last: Ticks,
    threshold_ticks: u64,
    stalls: Histogram,
}

impl StallDetector {
    /// Watches the loop of `thread` from its first turn on.
    ///
    /// # Errors
    /// [`RegisterError`].
    pub fn new(
        telemetry: Telemetry<'_>,
        thread: &str,
        clock: &TickClock,
        threshold_ns: u64,
    ) -> Result<Self, RegisterError> {
        let name = format!("loop_stall_seconds{{thread=\"{thread}\"}}");
        Ok(Self {
            last: Ticks::NONE,
            threshold_ticks: clock.ticks_of(threshold_ns),
            stalls: telemetry.histogram(&name)?,
        })
    }

    /// A turn begins at `now`; `was_busy` says that the one before found work. True when the loop
    /// was stopped in between: what this turn reads has waited for it.
    #[inline]
    pub fn turn(&mut self, now: Ticks, was_busy: bool, clock: &TickClock) -> bool {
        let gap = now.0.saturating_sub(self.last.0);
        let first = !self.last.is_set();
        self.last = now;
        if gap < self.threshold_ticks || was_busy || first {
            return false;
        }
        self.note(gap, clock);
        true
    }

    #[cold]
    fn note(&self, gap: u64, clock: &TickClock) {
        self.stalls.record(clock.between(Ticks(0), Ticks(gap)));
    }
}

#[cfg(test)]
mod tests;
