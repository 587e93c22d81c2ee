//! The exchange's clock.
//!
//! In: the machine's clocks, once. Out: UTC that never goes back, in ns. Never: a decision.

use std::time::{Instant, SystemTime, UNIX_EPOCH};

use market::UtcMs;

/// UTC as it was at the start plus monotonic time since.
#[derive(Clone, Copy, Debug)]
pub struct Clock {
    origin: Instant,
    origin_utc_ns: i64,
}

impl Clock {
    /// Reads both clocks.
    #[must_use]
    pub fn start() -> Self {
        let utc = SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .unwrap_or_default();
        Self {
            origin: Instant::now(),
            origin_utc_ns: i64::try_from(utc.as_nanos()).unwrap_or(i64::MAX),
        }
    }

    /// UTC in ns since the epoch.
    #[must_use]
    pub fn now_ns(&self) -> i64 {
        self.origin_utc_ns + i64::try_from(self.origin.elapsed().as_nanos()).unwrap_or(i64::MAX / 2)
    }

    /// UTC in ms since the epoch.
    #[must_use]
    pub fn now(&self) -> UtcMs {
        UtcMs(self.now_ns().div_euclid(1_000_000))
    }
}
