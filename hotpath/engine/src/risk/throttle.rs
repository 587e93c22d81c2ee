//! The message throttle: token buckets with a share for cancels and exits.
//!
//! In: messages and their time. Out: whether an entry may go. Never: a cancel or an exit held
//! back; those run into debt that entries pay.

use crate::config::RiskConfig;
use market::units::ONE;
use market::{CodecError, MonoNs, Reader, Wire, Writer, wire_struct};

const TEN_SECONDS_NS: i64 = 10_000_000_000;
const MINUTE_NS: i64 = 60_000_000_000;

/// Budgets of messages in ten seconds and in a minute.
#[derive(Clone, Copy, Debug)]
pub struct Throttle {
    ten_seconds: Bucket,
    minute: Bucket,
}

/// One bucket. A message costs its window in units; a nanosecond brings `rate` units.
///
/// Burst and rate are each half of the budget, so that no window of any position holds more.
#[derive(Clone, Copy, Debug)]
struct Bucket {
    window_ns: i64,
    rate: i64,
    reserve: i64,
    level: BucketLevel,
}

wire_struct! {
    /// What changes in a bucket.
    #[derive(Clone, Copy, Debug, PartialEq, Eq)]
    pub struct BucketLevel {
        /// Units; negative in debt.
        pub units: i64,
        /// When they were counted last.
        pub at: MonoNs,
    }
}

impl Throttle {
    /// Full buckets.
    #[must_use]
    pub fn new(config: &RiskConfig) -> Self {
        let bucket = |budget: u32, window_ns: i64| {
            let rate = i64::from(budget.max(2) / 2);
            let share = i128::from(config.reserved_share.0.clamp(0, ONE));
            let reserved = (i128::from(rate) * share / i128::from(ONE)) as i64;
            Bucket {
                window_ns,
                rate,
                reserve: reserved * window_ns,
                level: BucketLevel {
                    units: rate * window_ns,
                    at: MonoNs(0),
                },
            }
        };
        Self {
            ten_seconds: bucket(config.orders_per_10s_max, TEN_SECONDS_NS),
            minute: bucket(config.orders_per_minute_max, MINUTE_NS),
        }
    }

    /// Other budgets from `now` on. What was sent under the old ones is spent in the new ones, too.
    pub fn reconfigure(&mut self, config: &RiskConfig, now: MonoNs) {
        self.refill(now);
        let old = std::mem::replace(self, Self::new(config));
        self.ten_seconds.take_over(&old.ten_seconds);
        self.minute.take_over(&old.minute);
    }

    /// Takes a message for an entry, when both budgets have one beyond the reserve.
    pub fn take_entry(&mut self, now: MonoNs) -> bool {
        self.refill(now);
        let free = self.ten_seconds.has_entry() && self.minute.has_entry();
        if free {
            self.take_reserved(now);
        }
        free
    }

    /// Takes a message for a cancel or an exit; always possible.
    pub fn take_reserved(&mut self, now: MonoNs) {
        self.refill(now);
        self.ten_seconds.take();
        self.minute.take();
    }

    fn refill(&mut self, now: MonoNs) {
        self.ten_seconds.refill(now);
        self.minute.refill(now);
    }
}

impl Bucket {
    fn refill(&mut self, now: MonoNs) {
        let full = self.rate * self.window_ns;
        let elapsed = now.since(self.level.at).min(2 * self.window_ns as u64) as i64;
        self.level.units = (self.level.units + elapsed * self.rate).min(full);
        self.level.at = now;
    }

    fn take_over(&mut self, old: &Self) {
        let spent = old.rate * old.window_ns - old.level.units;
        let floor = -self.rate * self.window_ns;
        self.level.units = (self.level.units - spent).max(floor);
        self.level.at = old.level.at;
    }

    const fn has_entry(&self) -> bool {
        self.level.units >= self.reserve + self.window_ns
    }

    fn take(&mut self) {
        // Debt has a floor, so that a storm of cancels does not close entries for hours.
        let floor = -self.rate * self.window_ns;
        self.level.units = (self.level.units - self.window_ns).max(floor);
    }
}

impl Throttle {
    /// Appends the levels.
    ///
    /// # Errors
    /// [`CodecError::TooLong`] when the buffer is full.
    pub fn save(&self, writer: &mut Writer<'_>) -> Result<(), CodecError> {
        self.ten_seconds.level.encode(writer)?;
        self.minute.level.encode(writer)
    }

    /// Takes back saved levels.
    ///
    /// # Errors
    /// [`CodecError`] when the bytes are no levels.
    pub fn load(&mut self, reader: &mut Reader<'_>) -> Result<(), CodecError> {
        self.ten_seconds.level = Wire::decode(reader)?;
        self.minute.level = Wire::decode(reader)?;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_ten_seconds_hold_more_entries_than_the_budget() {
        let config = RiskConfig {
            orders_per_10s_max: 40,
            orders_per_minute_max: 10_000,
            ..RiskConfig::default()
        };
        let mut throttle = Throttle::new(&config);
        let step_ns = 10_000_000;
        let sent: Vec<u64> = (0..6_000u64)
            .map(|step| step * step_ns)
            .filter(|time| throttle.take_entry(MonoNs(*time)))
            .collect();
        assert!(sent.len() > 60, "the budget is usable: {}", sent.len());
        for (index, start) in sent.iter().enumerate() {
            let end = start + TEN_SECONDS_NS as u64;
            let inside = sent[index..].iter().take_while(|time| **time < end).count();
            assert!(inside <= 40, "{inside} from {start}");
        }
    }

    #[test]
    fn a_storm_of_cancels_is_paid_off_after_a_window_and_a_quarter() {
        let config = RiskConfig {
            orders_per_10s_max: 40,
            orders_per_minute_max: 10_000,
            ..RiskConfig::default()
        };
        let mut throttle = Throttle::new(&config);
        (0..200).for_each(|_| throttle.take_reserved(MonoNs(1)));
        // 20 of debt, 4 of reserve and the message itself at 2 a second.
        assert!(!throttle.take_entry(MonoNs(12_500_000_000)));
        assert!(throttle.take_entry(MonoNs(12_500_000_001)));
    }

    #[test]
    fn what_was_sent_under_another_budget_is_spent_in_the_new_one() {
        let budget = |orders_per_10s_max| RiskConfig {
            orders_per_10s_max,
            orders_per_minute_max: 10_000,
            reserved_share: market::Rate(0),
            ..RiskConfig::default()
        };
        let now = MonoNs(1);
        let entries =
            |throttle: &mut Throttle| (0..500).filter(|_| throttle.take_entry(now)).count();
        // (first budget, sent under it, second budget, what is left at once); half of each is a burst.
        for (before, sent, after, left) in [(40, 15, 60, 15), (40, 15, 20, 0), (40, 0, 20, 10)] {
            let mut throttle = Throttle::new(&budget(before));
            (0..sent).for_each(|_| throttle.take_reserved(now));
            throttle.reconfigure(&budget(after), now);
            assert_eq!(entries(&mut throttle), left, "{before} -> {after}");
        }
        let mut throttle = Throttle::new(&budget(40));
        (0..5).for_each(|_| throttle.take_reserved(now));
        throttle.reconfigure(&budget(20), now);
        throttle.reconfigure(&budget(40), now);
        assert_eq!(entries(&mut throttle), 15, "there and back brings nothing");
    }

    #[test]
    fn entries_leave_the_reserve_to_cancels_and_exits() {
        let config = RiskConfig {
            orders_per_10s_max: 40,
            ..RiskConfig::default()
        };
        let mut throttle = Throttle::new(&config);
        let now = MonoNs(1);
        let entries = (0..100).filter(|_| throttle.take_entry(now)).count();
        assert_eq!(entries, 16, "20 in a burst, a fifth of it reserved");
        for _ in 0..100 {
            throttle.take_reserved(now);
        }
        assert!(
            !throttle.take_entry(now.after(1_000_000_000)),
            "debt is paid first"
        );
        assert!(throttle.take_entry(now.after(60_000_000_000)));
    }
}
