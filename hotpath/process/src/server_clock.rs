//! The exchange's time for every thread.
//!
//! In: the offset that the cold thread measures, refusals of time stamps. Out: now, by the
//! monotonic clock and by the exchange's. Never: a lock; a step of the local wall clock, which is
//! read once, at start, for the time before the first measurement (I31).

use crate::clock;
use binance::session::Now;
use market::{MonoNs, UtcNs};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};

/// The local monotonic clock plus a measured offset.
#[derive(Clone, Debug)]
pub struct ServerClock {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    offset_ns: AtomicI64,
    refused: AtomicBool,
}

impl ServerClock {
    /// A clock that shows `utc` at `mono` until it is told better.
    #[must_use]
    pub fn new(mono: MonoNs, utc: UtcNs) -> Self {
        let offset_ns = utc.0.saturating_sub_unsigned(mono.0);
        Self {
            shared: Arc::new(Shared {
                offset_ns: AtomicI64::new(offset_ns),
                refused: AtomicBool::new(false),
            }),
        }
    }

    /// Replaces the offset of the exchange's clock from the monotonic one.
    pub fn set_offset(&self, offset_ns: i64) {
        // Relaxed: one number by itself; an old one for a moment does no harm.
        self.shared.offset_ns.store(offset_ns, Ordering::Relaxed);
    }

    /// The exchange refused a time stamp: the offset is to be measured again.
    pub fn refuse(&self) {
        // Relaxed: a flag by itself.
        self.shared.refused.store(true, Ordering::Relaxed);
    }

    /// True once after a refusal.
    #[must_use]
    pub fn take_refused(&self) -> bool {
        // Relaxed: as above. The load spares the others a cache line that is mostly false.
        self.shared.refused.load(Ordering::Relaxed)
            && self.shared.refused.swap(false, Ordering::Relaxed)
    }

    /// The exchange's time at `mono`, as estimated.
    #[must_use]
    pub fn utc_at(&self, mono: MonoNs) -> UtcNs {
        let offset_ns = self.shared.offset_ns.load(Ordering::Relaxed);
        UtcNs(offset_ns.saturating_add_unsigned(mono.0))
    }

    /// The exchange's time as estimated.
    #[must_use]
    pub fn utc(&self) -> UtcNs {
        self.utc_at(clock::monotonic())
    }

    /// Both clocks.
    #[must_use]
    pub fn now(&self) -> Now {
        self.at(clock::monotonic())
    }

    /// Both clocks at `mono`, for a thread with a monotonic clock of its own.
    #[must_use]
    pub fn at(&self, mono: MonoNs) -> Now {
        Now {
            mono,
            server: self.utc_at(mono).to_ms(),
        }
    }
}

impl Default for ServerClock {
    /// The local wall clock's time, as long as nothing was measured.
    fn default() -> Self {
        Self::new(clock::monotonic(), clock::utc())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_exchanges_time_runs_with_the_monotonic_clock_alone() {
        let clock = ServerClock::new(MonoNs(50), UtcNs(1_000));
        assert_eq!(clock.utc_at(MonoNs(50)), UtcNs(1_000));
        assert_eq!(clock.utc_at(MonoNs(70)), UtcNs(1_020));
        clock.clone().set_offset(5_000);
        assert_eq!(clock.utc_at(MonoNs(70)), UtcNs(5_070));
        // The local wall clock is 50 years away from what was measured; it is not asked.
        assert!(clock.utc().0 < clock::utc().0 / 2);
        assert_eq!(
            clock.now().server.0,
            clock.utc_at(clock.now().mono).to_ms().0
        );
    }

    #[test]
    fn a_refusal_is_told_once() {
        let clock = ServerClock::default();
        assert!(!clock.take_refused());
        clock.clone().refuse();
        assert!(clock.take_refused() && !clock.take_refused());
    }
}
