//! Exponential back-off with jitter from a seeded counter.
//!
//! In: a seed, failures and successes. Out: how long to wait. Never: a clock or true randomness,
//! so that a simulation repeats to the nanosecond.

/// Waiting times that double from `first_ns` up to `max_ns`, half of each one jitter.
#[derive(Clone, Copy, Debug)]
pub struct Backoff {
    first_ns: u64,
    max_ns: u64,
    failures: u32,
    counter: u64,
}

impl Backoff {
    /// Starts without failures.
    #[must_use]
    pub const fn new(first_ns: u64, max_ns: u64, seed: u64) -> Self {
        assert!(first_ns > 0 && first_ns <= max_ns);
        Self {
            first_ns,
            max_ns,
            failures: 0,
            counter: seed,
        }
    }

    /// The wait after one more failure: between half and all of the doubled time.
    pub fn fail(&mut self) -> u64 {
        let full = self
            .first_ns
            .saturating_mul(1 << self.failures.min(32))
            .min(self.max_ns);
        self.failures = self.failures.saturating_add(1);
        let half = full / 2;
        half + self.jitter() % (full - half + 1)
    }

    /// Forgets the failures.
    pub const fn succeed(&mut self) {
        self.failures = 0;
    }

    /// SplitMix64 over a counter: spread is all that is asked of it.
    const fn jitter(&mut self) -> u64 {
        self.counter = self.counter.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut word = self.counter;
        word = (word ^ (word >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        word = (word ^ (word >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        word ^ (word >> 31)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_double_to_their_cap_and_start_again_after_success() {
        let mut backoff = Backoff::new(100, 1_000, 7);
        for full in [100, 200, 400, 800, 1_000, 1_000] {
            let wait = backoff.fail();
            assert!(wait >= full / 2 && wait <= full, "{wait} of {full}");
        }
        backoff.succeed();
        assert!(backoff.fail() <= 100);
    }

    #[test]
    fn the_same_seed_gives_the_same_waits() {
        let waits = |seed| {
            let mut backoff = Backoff::new(1_000_000, 60_000_000, seed);
            [(); 8].map(|()| backoff.fail())
        };
        assert_eq!(waits(1), waits(1));
        assert_ne!(waits(1), waits(2));
    }
}
