//! The exchange's clock.
//!
//! In: the machine's clocks, once, or the time of a simulation. Out: UTC that never goes back by
//! itself, in ns. Never: a decision.

use std::time::{Instant, SystemTime, UNIX_EPOCH};

use market::UtcMs;

/// UTC as it was at the start plus monotonic time since; or what a simulation says it is.
#[derive(Clone, Copy, Debug)]
pub struct Clock {
    /// None for a clock that is set by hand.
    origin: Option<Instant>,
    origin_utc_ns: i64,
    /// How far it was set back in all.
    set_back_ns: i64,
}

impl Clock {
    /// Reads both clocks.
    #[must_use]
    pub fn start() -> Self {
        let utc = SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .unwrap_or_default();
        Self {
            origin: Some(Instant::now()),
            origin_utc_ns: i64::try_from(utc.as_nanos()).unwrap_or(i64::MAX),
            set_back_ns: 0,
        }
    }

    /// A clock that stands at `utc_ns` until it is set.
    #[must_use]
    pub const fn standing_at(utc_ns: i64) -> Self {
        Self {
            origin: None,
            origin_utc_ns: utc_ns,
            set_back_ns: 0,
        }
    }

    /// Makes it show `utc_ns`; one that runs goes on from there.
    pub fn set_ns(&mut self, utc_ns: i64) {
        self.set_back_ns += (self.now_ns() - utc_ns).max(0);
        self.origin_utc_ns = utc_ns;
        self.origin = self.origin.map(|_| Instant::now());
    }

    /// Stops it where it is, or lets it go on from there.
    pub fn set_standing(&mut self, standing: bool) {
        if standing != self.is_standing() {
            self.origin_utc_ns = self.now_ns();
            self.origin = (!standing).then(Instant::now);
        }
    }

    /// True while it does not run.
    #[must_use]
    pub const fn is_standing(&self) -> bool {
        self.origin.is_none()
    }

    /// UTC in ns since the epoch.
    #[must_use]
    pub fn now_ns(&self) -> i64 {
        let since = |origin: Instant| i64::try_from(origin.elapsed().as_nanos());
        let run = self.origin.map_or(Ok(0), since);
        self.origin_utc_ns + run.unwrap_or(i64::MAX / 2)
    }

    /// A time that stands, runs and steps forward with the clock and is never set back: what waits
    /// for one is not stranded.
    #[must_use]
    pub fn steady_ns(&self) -> i64 {
        self.now_ns() + self.set_back_ns
    }

    /// What the steady time is ahead of UTC.
    #[must_use]
    pub const fn set_back_ns(&self) -> i64 {
        self.set_back_ns
    }

    /// UTC in ms since the epoch.
    #[must_use]
    pub fn now(&self) -> UtcMs {
        UtcMs(self.now_ns().div_euclid(1_000_000))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_standing_clock_shows_what_it_was_set_to() {
        let mut clock = Clock::standing_at(5_000_000);
        assert_eq!((clock.now_ns(), clock.now()), (5_000_000, UtcMs(5)));
        clock.set_ns(7_999_999);
        assert_eq!(clock.now(), UtcMs(7));
    }

    #[test]
    fn a_clock_that_is_stopped_goes_on_from_where_it_stood() {
        let mut clock = Clock::start();
        clock.set_ns(1_000);
        clock.set_standing(true);
        let stood = clock.now_ns();
        assert_eq!(clock.now_ns(), stood);
        clock.set_ns(stood + 5);
        assert_eq!(clock.now_ns(), stood + 5);
        clock.set_standing(false);
        let gone_on = clock.now_ns();
        assert!((stood + 5..stood + 60_000_000_000).contains(&gone_on));
    }

    #[test]
    fn the_steady_time_steps_forward_and_never_back() {
        let mut clock = Clock::standing_at(5_000);
        clock.set_ns(7_000);
        assert_eq!(clock.steady_ns(), 7_000);
        clock.set_ns(3_000);
        assert_eq!((clock.now_ns(), clock.steady_ns()), (3_000, 7_000));
        clock.set_ns(3_500);
        assert_eq!((clock.steady_ns(), clock.set_back_ns()), (7_500, 4_000));
    }

    #[test]
    fn a_running_clock_goes_on_from_where_it_was_set() {
        let mut clock = Clock::start();
        clock.set_ns(1_000);
        let seen = clock.now_ns();
        assert!((1_000..60_000_000_000).contains(&seen), "{seen}");
        assert!(clock.now_ns() >= seen);
    }
}
