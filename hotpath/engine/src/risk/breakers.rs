//! Account breakers: loss of the day, fall from the high-water mark.
//!
//! In: profit since start and the time. Out: which limits are passed. Never: a float; a latch of
//! its own (the trading state holds those).

use crate::config::RiskConfig;
use market::{Money, UtcNs, wire_struct};

const HOUR_NS: i64 = 3_600_000_000_000;
const DAY_NS: i64 = 24 * HOUR_NS;

wire_struct! {
    /// What the breakers remember; constant size.
    #[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
    pub struct Breakers {
        /// Number of the trade day; `None` before the first clock sample.
        pub day: Option<i64>,
        /// Profit at the start of the trade day.
        pub day_start: Money,
        /// Largest profit since start.
        pub high_water: Money,
    }
}

/// Which limits are passed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct BreakerTrips {
    /// Daily loss.
    pub daily_loss: bool,
    /// Drawdown.
    pub drawdown: bool,
}

impl Breakers {
    /// Takes the profit since start (realised, unrealised, fees and funding).
    pub fn update(&mut self, profit: Money, config: &RiskConfig) -> BreakerTrips {
        self.high_water = self.high_water.max(profit);
        BreakerTrips {
            daily_loss: self.day_start - profit >= config.daily_loss_max,
            drawdown: self.high_water - profit >= config.drawdown_max,
        }
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

    /// Starts both measures from the present profit: a person has looked.
    pub fn rearm(&mut self, profit: Money) {
        self.day_start = profit;
        self.high_water = profit;
    }

    /// Fall from the high-water mark.
    #[must_use]
    pub fn drawdown(&self, profit: Money) -> Money {
        self.high_water - profit
    }
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

    #[test]
    fn limits_trip_at_their_value_and_not_before() {
        let mut breakers = Breakers::default();
        let cases = [
            (0, false, false),
            (-499, false, false),
            (-500, true, false),
            (600, false, false),
            (-399, false, false),
            (-400, false, true),
        ];
        for (profit, daily_loss, drawdown) in cases {
            let trips = breakers.update(Money(profit), &config());
            let expected = BreakerTrips {
                daily_loss,
                drawdown,
            };
            assert_eq!(trips, expected, "profit {profit}");
        }
    }

    #[test]
    fn the_day_begins_at_the_configured_hour_and_never_goes_back() {
        let mut breakers = Breakers::default();
        let config = config();
        breakers.clock(UtcNs(7 * HOUR_NS), Money(0), &config);
        breakers.clock(UtcNs(8 * HOUR_NS - 1), Money(-450), &config);
        assert!(breakers.update(Money(-500), &config).daily_loss);
        breakers.clock(UtcNs(8 * HOUR_NS), Money(-450), &config);
        assert!(!breakers.update(Money(-500), &config).daily_loss);
        breakers.clock(UtcNs(7 * HOUR_NS), Money(0), &config);
        breakers.clock(UtcNs(9 * HOUR_NS), Money(0), &config);
        assert_eq!(
            breakers.day_start,
            Money(-450),
            "a clock that steps back starts no day"
        );
    }
}
