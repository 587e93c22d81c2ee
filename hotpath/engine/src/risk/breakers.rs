//! What the breakers of the account remember.
//!
//! In: profit, equity, time, closed trades, incidents. Out: which limits are passed. Never: a
//! float; memory that grows; a latch of the trading state, which holds those itself.

use super::Recent;
use crate::config::{Frequency, RiskConfig};
use market::units::ONE;
use market::{Breaker, Money, MonoNs, Rate, UtcNs, wire_struct};

const HOUR_NS: i64 = 3_600_000_000_000;
const DAY_NS: i64 = 24 * HOUR_NS;

/// The level of the drawdown at which nothing is opened any more.
pub const LEVEL_STOP: u8 = 3;

wire_struct! {
    /// What the breakers remember; constant size.
    #[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
    pub struct Breakers {
        /// Number of the trade day; `None` before the first clock sample.
        pub day: Option<i64>,
        /// Profit at the start of the trade day.
        pub day_start: Money,
        /// Largest profit.
        pub high_water: Money,
        /// Deepest level of the drawdown since the high-water mark.
        pub level: u8,
        /// Losing trades in a row.
        pub loss_streak: u32,
        /// The profit that was judged last; `None` when it is to be judged again.
        pub judged: Option<Money>,
        /// Breakers set to tell only that have told; by bit.
        pub told: u32,
        /// Strategies that are latched off; by bit.
        pub latched_strategies: u32,
        /// Orders that the exchange refused.
        pub rejects: Recent,
        /// Requests whose outcome was not known.
        pub errors: Recent,
        /// Slow replies.
        pub slow_replies: Recent,
        /// Steps of the exchange's clock.
        pub clock_steps: Recent,
        /// Gaps in the market data.
        pub feed_gaps: Recent,
        /// Positions that differed.
        pub mismatches: Recent,
    }
}

/// A limit that is passed, with what was reached and what was allowed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Trip {
    /// Which breaker.
    pub breaker: Breaker,
    /// Reached.
    pub value: i64,
    /// Allowed.
    pub limit: i64,
}

impl Breakers {
    /// Judges the profit since start (realised, unrealised, fees and funding). `base` is equity
    /// without it; none when the wallet was never told.
    pub fn judge(
        &mut self,
        profit: Money,
        base: Option<Money>,
        config: &RiskConfig,
    ) -> [Option<Trip>; 3] {
        self.judged = Some(profit);
        self.high_water = self.high_water.max(profit);
        let loss = Money(self.day_start.0.saturating_sub(profit.0));
        let fall = self.drawdown(profit);
        let share = self.fall_share(profit, base);
        let reached = config.drawdown_levels.iter();
        let reached = reached.filter(|level| share >= level.0).count() as u8;
        // A level holds until there is a new high-water mark, or a person has looked.
        self.level = if fall == Money::ZERO && self.level < LEVEL_STOP {
            0
        } else {
            self.level.max(reached)
        };
        let trip = |breaker, reached: bool, value, limit| {
            reached.then_some(Trip {
                breaker,
                value,
                limit,
            })
        };
        let daily = loss >= config.daily_loss_max;
        let absolute = fall >= config.drawdown_max;
        let last = config.drawdown_levels[2].0;
        [
            trip(Breaker::DailyLoss, daily, loss.0, config.daily_loss_max.0),
            trip(Breaker::Drawdown, absolute, fall.0, config.drawdown_max.0),
            trip(Breaker::DrawdownLevel, reached >= LEVEL_STOP, share, last),
        ]
    }

    /// Takes the time; a new trade day begins with the present profit.
    pub fn clock(&mut self, utc: UtcNs, profit: Money, config: &RiskConfig) {
        let shifted = utc.0 - i64::from(config.day_starts_at_hour_utc) * HOUR_NS;
        let day = shifted.div_euclid(DAY_NS);
        if self.day.is_some_and(|known| known < day) {
            self.day_start = profit;
        }
        self.day = Some(self.day.map_or(day, |known| known.max(day)));
    }

    /// Takes a closed trade.
    pub fn trade_closed(&mut self, won: bool, config: &RiskConfig) -> Option<Trip> {
        self.loss_streak = if won {
            0
        } else {
            self.loss_streak.saturating_add(1)
        };
        (self.loss_streak >= config.loss_streak_max).then_some(Trip {
            breaker: Breaker::LossStreak,
            value: i64::from(self.loss_streak),
            limit: i64::from(config.loss_streak_max),
        })
    }

    /// Takes an incident of a breaker that counts them; others are passed over.
    pub fn incident(&mut self, breaker: Breaker, now: MonoNs, config: &RiskConfig) -> Option<Trip> {
        let (recent, limit): (&mut Recent, Frequency) = match breaker {
            Breaker::RejectRate => (&mut self.rejects, config.rejects),
            Breaker::ErrorRate => (&mut self.errors, config.errors),
            Breaker::Latency => (&mut self.slow_replies, config.slow_replies),
            Breaker::ClockSkew => (&mut self.clock_steps, config.clock_steps),
            Breaker::FeedGaps => (&mut self.feed_gaps, config.feed_gaps),
            Breaker::MismatchRate => (&mut self.mismatches, config.mismatches),
            _ => return None,
        };
        recent.note(now, limit).then_some(Trip {
            breaker,
            value: i64::from(limit.count),
            limit: i64::from(limit.count),
        })
    }

    /// What a breaker of the account measures now, of the kind of its limit: money and shares in
    /// 1e-8, counts as they are. None for those that remember nothing here.
    #[must_use]
    pub fn measure(
        &self,
        breaker: Breaker,
        profit: Money,
        base: Option<Money>,
        now: MonoNs,
        config: &RiskConfig,
    ) -> Option<i64> {
        let count = |recent: &Recent, limit| Some(i64::from(recent.count(now, limit)));
        match breaker {
            Breaker::DailyLoss => Some(self.day_start.0.saturating_sub(profit.0).max(0)),
            Breaker::Drawdown => Some(self.drawdown(profit).0.max(0)),
            Breaker::DrawdownLevel => Some(self.fall_share(profit, base).max(0)),
            Breaker::LossStreak => Some(i64::from(self.loss_streak)),
            Breaker::RejectRate => count(&self.rejects, config.rejects),
            Breaker::ErrorRate => count(&self.errors, config.errors),
            Breaker::Latency => count(&self.slow_replies, config.slow_replies),
            Breaker::ClockSkew => count(&self.clock_steps, config.clock_steps),
            Breaker::FeedGaps => count(&self.feed_gaps, config.feed_gaps),
            Breaker::MismatchRate => count(&self.mismatches, config.mismatches),
            Breaker::MarginRatio
            | Breaker::TradeLoss
            | Breaker::RepeatedExecution
            | Breaker::StopCooldown => None,
        }
    }

    /// The fall as a share of the high-water mark; 0 without one.
    fn fall_share(&self, profit: Money, base: Option<Money>) -> i64 {
        let high = base.map_or(0, |base| base.0.saturating_add(self.high_water.0));
        match high > 0 {
            true => share(self.drawdown(profit), Money(high)),
            false => 0,
        }
    }

    /// Starts every measure anew from the present profit: a person has looked.
    pub fn rearm(&mut self, profit: Money) {
        *self = Self {
            day: self.day,
            day_start: profit,
            high_water: profit,
            ..Self::default()
        };
    }

    /// Fall from the high-water mark.
    #[must_use]
    pub fn drawdown(&self, profit: Money) -> Money {
        Money(self.high_water.0.saturating_sub(profit.0))
    }

    /// Size of orders at the present level of the drawdown.
    #[must_use]
    pub fn size(&self, config: &RiskConfig) -> Rate {
        match self.level {
            0 => Rate(ONE),
            _ => config.drawdown_size,
        }
    }

    /// Leverage cap at the present level of the drawdown.
    #[must_use]
    pub fn leverage_max(&self, config: &RiskConfig) -> Rate {
        match self.level {
            0 | 1 => config.leverage_max,
            _ => Rate(
                Money(config.leverage_max.0)
                    .times(config.drawdown_leverage)
                    .0,
            ),
        }
    }
}

/// `part` of `whole`, which is positive, in 1e-8.
fn share(part: Money, whole: Money) -> i64 {
    let scaled = i128::from(part.0) * i128::from(ONE) / i128::from(whole.0);
    i64::try_from(scaled).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn config() -> RiskConfig {
        RiskConfig {
            daily_loss_max: Money(500),
            drawdown_max: Money(1_000),
            day_starts_at_hour_utc: 8,
            ..RiskConfig::default()
        }
    }

    fn tripped(breakers: &mut Breakers, profit: i64, base: Option<Money>) -> Vec<Breaker> {
        let trips = breakers.judge(Money(profit), base, &config());
        trips.iter().flatten().map(|trip| trip.breaker).collect()
    }

    #[test]
    fn limits_trip_at_their_value_and_not_before() {
        use Breaker::{DailyLoss, Drawdown};
        let mut breakers = Breakers::default();
        let cases: [(i64, &[Breaker]); 6] = [
            (0, &[]),
            (-499, &[]),
            (-500, &[DailyLoss]),
            (600, &[]),
            (-399, &[]),
            (-400, &[Drawdown]),
        ];
        for (profit, expected) in cases {
            assert_eq!(tripped(&mut breakers, profit, None), expected, "{profit}");
        }
    }

    #[test]
    fn a_measure_is_what_a_trip_would_tell() {
        let config = config();
        let mut breakers = Breakers {
            high_water: Money(700),
            day_start: Money(200),
            loss_streak: 3,
            ..Breakers::default()
        };
        for at in [10, 20, 30] {
            breakers.incident(Breaker::FeedGaps, MonoNs(at), &config);
        }
        let base = Some(Money(300));
        let measure = |breaker, profit: i64, now| {
            breakers.measure(breaker, Money(profit), base, MonoNs(now), &config)
        };
        assert_eq!(measure(Breaker::DailyLoss, 150, 40), Some(50));
        assert_eq!(measure(Breaker::DailyLoss, 250, 40), Some(0), "a profit");
        assert_eq!(measure(Breaker::Drawdown, 200, 40), Some(500));
        assert_eq!(measure(Breaker::DrawdownLevel, 200, 40), Some(ONE / 2));
        assert_eq!(measure(Breaker::LossStreak, 0, 40), Some(3));
        assert_eq!(measure(Breaker::FeedGaps, 0, 40), Some(3));
        let later = config.feed_gaps.window_ns + 15;
        assert_eq!(measure(Breaker::FeedGaps, 0, later), Some(2));
        assert_eq!(measure(Breaker::RejectRate, 0, 40), Some(0));
        assert_eq!(measure(Breaker::TradeLoss, 0, 40), None);
        let mut judged = breakers;
        let trips = judged.judge(Money(-400), base, &config);
        let told = |trip: &Option<Trip>| trip.map(|trip| (trip.breaker, Some(trip.value)));
        for (breaker, value) in trips.iter().filter_map(told) {
            assert_eq!(
                judged.measure(breaker, Money(-400), base, MonoNs(0), &config),
                value
            );
        }
        assert!(trips[0].is_some() && trips[1].is_some());
    }

    #[test]
    fn levels_deepen_until_a_new_high_and_the_last_one_stays() {
        let mut breakers = Breakers::default();
        let config = RiskConfig {
            daily_loss_max: Money(i64::MAX),
            drawdown_max: Money(i64::MAX),
            ..config()
        };
        let base = Some(Money(1_000));
        // (profit, level, the stop is told)
        let cases = [
            (0, 0, false),
            (-49, 0, false),
            (-50, 1, false),
            (-10, 1, false),
            (-100, 2, false),
            (1, 0, false),
            (-150, 3, true),
            (10, 3, false),
        ];
        for (profit, level, stops) in cases {
            let trips = breakers.judge(Money(profit), base, &config);
            assert_eq!(breakers.level, level, "{profit}");
            assert_eq!(trips[2].is_some(), stops, "{profit}");
        }
        assert_eq!(breakers.size(&config), Rate(ONE / 2));
        assert_eq!(breakers.leverage_max(&config), Rate(3 * ONE));
        breakers.rearm(Money(10));
        assert_eq!(breakers.size(&config), Rate(ONE));
        assert_eq!(breakers.leverage_max(&config), Rate(6 * ONE));
    }

    #[test]
    fn a_streak_ends_with_a_winner() {
        let mut breakers = Breakers::default();
        let config = RiskConfig {
            loss_streak_max: 3,
            ..config()
        };
        let trades = [false, false, true, false, false, false, false];
        let told: Vec<bool> = trades
            .iter()
            .map(|won| breakers.trade_closed(*won, &config).is_some())
            .collect();
        assert_eq!(told, [false, false, false, false, false, true, true]);
    }

    #[test]
    fn the_day_begins_at_the_configured_hour_and_never_goes_back() {
        let mut breakers = Breakers::default();
        let config = config();
        let daily = |breakers: &mut Breakers| tripped(breakers, -500, None) == [Breaker::DailyLoss];
        breakers.clock(UtcNs(7 * HOUR_NS), Money(0), &config);
        breakers.clock(UtcNs(8 * HOUR_NS - 1), Money(-450), &config);
        assert!(daily(&mut breakers));
        breakers.clock(UtcNs(8 * HOUR_NS), Money(-450), &config);
        assert!(!daily(&mut breakers));
        breakers.clock(UtcNs(7 * HOUR_NS), Money(0), &config);
        breakers.clock(UtcNs(9 * HOUR_NS), Money(0), &config);
        assert_eq!(
            breakers.day_start,
            Money(-450),
            "a clock that steps back starts no day"
        );
        breakers.clock(UtcNs(32 * HOUR_NS - 1), Money(7), &config);
        assert_eq!(breakers.day_start, Money(-450), "a day has 24 hours");
        breakers.clock(UtcNs(32 * HOUR_NS), Money(7), &config);
        assert_eq!(breakers.day_start, Money(7));
        breakers.rearm(Money(9));
        breakers.clock(UtcNs(31 * HOUR_NS), Money(10), &config);
        breakers.clock(UtcNs(33 * HOUR_NS), Money(10), &config);
        assert_eq!(breakers.day_start, Money(9), "it is the same day still");
        breakers.clock(UtcNs(40 * HOUR_NS), Money(11), &config);
        assert_eq!(breakers.day_start, Money(9), "rearmed within its day");
        breakers.clock(UtcNs(56 * HOUR_NS), Money(11), &config);
        assert_eq!(breakers.day_start, Money(11));
    }
}
