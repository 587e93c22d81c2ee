//! The funding rate (binance.md 6): the premium of the book over the index, averaged over the
//! interval, plus interest, bounded.
//!
//! In: one sample of the premium a second. Out: the rate that would be charged now, and those
//! that were charged. Never: money; who pays is the account's business.

use std::collections::VecDeque;

use market::{Instrument, Price, Rate, UtcMs};

use super::past::{Pace, Past};

/// Hours between two fundings.
pub const INTERVAL_HOURS: i64 = 8;
/// The same in ms.
pub const INTERVAL_MS: i64 = INTERVAL_HOURS * 3_600_000;
/// 0.01 % for eight hours.
const INTEREST_E8: i64 = 10_000;
/// The premium moves the rate only beyond 0.05 %.
const DAMPER_E8: i64 = 50_000;
/// Cap and floor.
const CAP_E8: i64 = 2_000_000;
/// Fundings that are kept.
const SETTLED_MAX: usize = 1_000;

/// One funding.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Settled {
    /// When.
    pub time: UtcMs,
    /// The rate.
    pub rate: Rate,
    /// Mark price at that time.
    pub mark: Price,
}

/// Funding of one instrument.
pub struct Funding {
    past: Past,
    sum_e8: i128,
    samples: i64,
    settled: VecDeque<Settled>,
    next_ms: i64,
    start_ms: i64,
    /// What a followed exchange says the rate is.
    followed: Option<Rate>,
    /// When a followed exchange charges next, and at which rate, as last told.
    due: Option<(UtcMs, Rate)>,
    /// The last time of a followed exchange that was charged.
    charged: UtcMs,
}

impl Funding {
    /// Funding that starts now.
    #[must_use]
    pub fn new(instrument: &Instrument, start: UtcMs) -> Self {
        Self {
            past: Past::new(instrument, Price(1_000_000), Pace::default(), start),
            sum_e8: 0,
            samples: 0,
            settled: VecDeque::new(),
            next_ms: (start.0.div_euclid(INTERVAL_MS) + 1) * INTERVAL_MS,
            start_ms: start.0,
            followed: None,
            due: None,
            charged: UtcMs(0),
        }
    }

    /// What another exchange says at `at`, by its clock: the rate, and when it is charged. Returns the
    /// funding that has come due there; each comes once.
    pub fn follow(
        &mut self,
        (rate, next): (Rate, UtcMs),
        at: UtcMs,
        mark: Price,
    ) -> Option<Settled> {
        self.followed = Some(rate);
        let due = self.due.filter(|(time, _)| at >= *time || next > *time);
        let settled = due.map(|due| self.settle(due, mark));
        self.due = Some((next, rate)).filter(|_| next > self.charged);
        settled
    }

    /// A followed funding whose time has passed at `now` while nothing came from there.
    pub fn pass(&mut self, now: UtcMs, mark: Price) -> Option<Settled> {
        let due = self.due.filter(|(time, _)| now >= *time)?;
        Some(self.settle(due, mark))
    }

    /// What a followed exchange charges next.
    #[must_use]
    pub const fn due(&self) -> Option<(UtcMs, Rate)> {
        self.due
    }

    /// Goes on with what an earlier process knew of the followed exchange.
    pub const fn resume(&mut self, due: Option<(UtcMs, Rate)>) {
        self.due = due;
    }

    fn settle(&mut self, (time, rate): (UtcMs, Rate), mark: Price) -> Settled {
        (self.charged, self.due) = (time, None);
        let settled = Settled { time, rate, mark };
        self.remember(settled);
        settled
    }

    fn remember(&mut self, settled: Settled) {
        if self.settled.len() == SETTLED_MAX {
            self.settled.pop_front();
        }
        self.settled.push_back(settled);
    }

    /// One sample; at the end of an interval it is settled first. Returns what was.
    pub fn sample(&mut self, mark: Price, premium_e8: i64, now: UtcMs) -> Option<Settled> {
        let mut settled = None;
        if now.0 >= self.next_ms && self.followed.is_none() {
            let done = Settled {
                time: UtcMs(self.next_ms),
                rate: self.rate(),
                mark,
            };
            self.remember(done);
            settled = Some(done);
            (self.sum_e8, self.samples) = (0, 0);
            self.next_ms = (now.0.div_euclid(INTERVAL_MS) + 1) * INTERVAL_MS;
        }
        self.sum_e8 += i128::from(premium_e8);
        self.samples += 1;
        settled
    }

    /// The rate if the interval ended now.
    #[must_use]
    pub fn rate(&self) -> Rate {
        if let Some(followed) = self.followed {
            return followed;
        }
        let mean = match self.samples {
            0 => 0,
            samples => market::units::round_div(self.sum_e8, i128::from(samples)),
        };
        rate_of(mean)
    }

    /// Fundings in a span, oldest first: those that were settled, and before the start those that
    /// would have been. `mark_at` gives the mark price of a time.
    pub fn between(
        &self,
        from_ms: i64,
        until_ms: i64,
        mut mark_at: impl FnMut(UtcMs) -> Price,
    ) -> Vec<Settled> {
        let first = self.past.first_ms().max(from_ms);
        let mut time = -(-first).div_euclid(INTERVAL_MS) * INTERVAL_MS;
        let mut all = Vec::new();
        while time <= until_ms && time <= self.start_ms {
            // A hundredth of how far the price was from its end, as if it had been a premium.
            let change = self.past.minute(time).open - self.past.end_price();
            all.push(Settled {
                time: UtcMs(time),
                rate: rate_of(change),
                mark: mark_at(UtcMs(time)),
            });
            time += INTERVAL_MS;
        }
        let real = self.settled.iter().copied();
        all.extend(real.filter(|one| one.time.0 >= from_ms && one.time.0 <= until_ms));
        all
    }
}

/// `P + clamp(I - P, -0.05 %, 0.05 %)`, within cap and floor.
fn rate_of(premium_e8: i64) -> Rate {
    let damped = (INTEREST_E8 - premium_e8).clamp(-DAMPER_E8, DAMPER_E8);
    Rate(premium_e8.saturating_add(damped).clamp(-CAP_E8, CAP_E8))
}

/// The premium in 1e-8 of the index: how far the best prices lie beyond it.
#[must_use]
pub fn premium_e8(bid: Price, ask: Price, index: Price) -> i64 {
    if index.0 <= 0 {
        return 0;
    }
    let beyond = (bid.0 - index.0).max(0) - (index.0 - ask.0).max(0);
    (i128::from(beyond) * 100_000_000 / i128::from(index.0)) as i64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_small_premium_leaves_the_interest_and_a_large_one_moves_the_rate() {
        assert_eq!(rate_of(0), Rate(10_000));
        assert_eq!(rate_of(30_000), Rate(10_000));
        assert_eq!(rate_of(-40_000), Rate(10_000));
        assert_eq!(rate_of(100_000), Rate(50_000));
        assert_eq!(rate_of(-100_000), Rate(-50_000));
        assert_eq!(rate_of(9_000_000), Rate(2_000_000));
    }

    #[test]
    fn a_followed_funding_is_charged_once_when_its_time_passes_there_or_here() {
        let instrument = crate::feed::parameters::instrument(market::Market::UsdM, "BTCUSDT");
        let mut funding = Funding::new(&instrument.expect("built in"), UtcMs(0));
        let mark = Price(1_000);
        let of = |time, rate| Settled {
            time: UtcMs(time),
            rate: Rate(rate),
            mark,
        };
        let tell = |funding: &mut Funding, rate, next, at| {
            funding.follow((Rate(rate), UtcMs(next)), UtcMs(at), mark)
        };
        assert_eq!(tell(&mut funding, 7, 100, 10), None);
        assert_eq!(tell(&mut funding, 8, 100, 99), None);
        // The next one is told: the last rate before counts.
        assert_eq!(tell(&mut funding, 9, 200, 101), Some(of(100, 8)));
        // Its clock is there, and it still tells the old time.
        assert_eq!(tell(&mut funding, 5, 200, 200), Some(of(200, 9)));
        assert_eq!(tell(&mut funding, 5, 200, 201), None);
        assert_eq!(funding.pass(UtcMs(900), mark), None);
        // Nothing comes from there: our own clock counts.
        assert_eq!(tell(&mut funding, 6, 300, 210), None);
        assert_eq!(funding.pass(UtcMs(299), mark), None);
        assert_eq!(funding.pass(UtcMs(300), mark), Some(of(300, 6)));
        assert_eq!(tell(&mut funding, 6, 300, 301), None);
        assert_eq!(tell(&mut funding, 4, 400, 302), None);
        // It may come earlier than it was told.
        assert_eq!(tell(&mut funding, 4, 350, 340), None);
        assert_eq!(funding.pass(UtcMs(350), mark), Some(of(350, 4)));
        let settled = funding.between(1, 1_000, |_| mark);
        assert_eq!(
            settled.iter().map(|one| one.time.0).collect::<Vec<_>>(),
            [100, 200, 300, 350]
        );
    }

    #[test]
    fn the_premium_is_how_far_the_book_lies_beyond_the_index() {
        assert_eq!(
            premium_e8(Price(1_001), Price(1_002), Price(1_000)),
            100_000
        );
        assert_eq!(premium_e8(Price(997), Price(998), Price(1_000)), -200_000);
        assert_eq!(premium_e8(Price(999), Price(1_001), Price(1_000)), 0);
    }
}
