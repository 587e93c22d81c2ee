//! Results of days: the sampling of every ratio that is annualised.
//!
//! In: equity samples and flows, or closed trades and a capital. Out: one result for each day of
//! UTC, without gaps. Never: a deposit or withdrawal in a result.

use crate::curve::{Point, curve};
use crate::day::Day;
use crate::input::{ClosedTrade, EquitySample, Flow, number};
use crate::total::Total;
use market::Money;
use std::collections::BTreeMap;

/// What a day brought.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct DayResult {
    /// Which: after 00:00, up to and with 24:00.
    pub day: Day,
    /// False for a day without a sample: its result is 0, the next day with one has the whole.
    pub sampled: bool,
    /// Change of equity less flows, exact.
    pub profit: Total,
    /// Time-weighted return, 0.01 = 1 %: the product of the growths between samples, less 1. None
    /// where the account had nothing to lose.
    pub return_ratio: Option<f64>,
    /// Equity of the day's last sample.
    pub close: Money,
}

/// The results of the days from the first sample on. The first sample is what they begin from; its
/// own day has a result only if there is another sample in it. The last day is taken as it is: leave
/// the samples of a day that is still running out where only whole days are wanted.
///
/// Less than two moments: empty.
#[must_use]
pub fn daily_results(samples: &[EquitySample], flows: &[Flow]) -> Vec<DayResult> {
    from_curve(&curve(samples, flows))
}

pub(crate) fn from_curve(points: &[Point]) -> Vec<DayResult> {
    let mut days: Vec<DayResult> = Vec::new();
    for pair in points.windows(2) {
        let [before, point] = pair else { continue };
        let day = Day::closed_by(point.time);
        let last = days.last().map(|one| one.day);
        if last != Some(day) {
            let first = Day::closed_by(before.time);
            let from = match last {
                Some(last) => last.0 + 1,
                // A first sample that is alone in its day only begins the next one.
                None => first.0 + i64::from(first != day),
            };
            days.extend(
                (from..day.0).map(|gap| DayResult::without_sample(Day(gap), before.equity)),
            );
            days.push(DayResult {
                sampled: true,
                ..DayResult::without_sample(day, before.equity)
            });
        }
        if let Some(result) = days.last_mut() {
            result.add(before, point);
        }
    }
    for result in &mut days {
        // Until here it was the growth.
        result.return_ratio = result.return_ratio.and_then(|growth| number(growth - 1.0));
    }
    days
}

/// The returns alone; none where a day has none, for a ratio over the other days would be one of
/// another account.
#[must_use]
pub fn returns_of(days: &[DayResult]) -> Option<Vec<f64>> {
    days.iter().map(|one| one.return_ratio).collect()
}

/// Net profit of each day from the first to the last in which a trade was closed, as a share of a
/// capital that stays the same: what a single strategy earns on what it may use. Days without a
/// trade are 0.
///
/// Without a trade: empty. None where the capital is not positive.
#[must_use]
pub fn returns_on_capital<'a>(
    trades: impl IntoIterator<Item = &'a ClosedTrade>,
    capital: Money,
) -> Option<Vec<f64>> {
    let mut by_day: BTreeMap<Day, Total> = BTreeMap::new();
    for trade in trades {
        *by_day.entry(Day::of(trade.closed)).or_default() += trade.net();
    }
    let first = by_day.keys().next().map_or(0, |day| day.0);
    let end = by_day.keys().next_back().map_or(first, |day| day.0 + 1);
    (first..end)
        .map(|day| {
            let profit = by_day.get(&Day(day)).copied().unwrap_or_default();
            profit.ratio_to(capital.into())
        })
        .collect()
}

impl DayResult {
    const fn without_sample(day: Day, close: Money) -> Self {
        Self {
            day,
            sampled: false,
            profit: Total::ZERO,
            return_ratio: Some(1.0),
            close,
        }
    }

    fn add(&mut self, before: &Point, point: &Point) {
        self.profit += point.profit - before.profit;
        self.return_ratio = match (self.return_ratio, point.growth) {
            (Some(so_far), Some(growth)) => Some(so_far * growth),
            _ => None,
        };
        self.close = point.equity;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::day::DAY_NS;
    use market::UtcNs;

    fn at(days: f64, equity: i64) -> EquitySample {
        EquitySample {
            time: UtcNs((days * DAY_NS as f64) as i64),
            equity: Money::from_whole(equity),
        }
    }

    #[test]
    fn samples_of_midnight_close_the_day_before() {
        let days = daily_results(&[at(1.0, 100), at(2.0, 110), at(3.0, 99)], &[]);
        let seen: Vec<_> = days.iter().map(|one| (one.day.0, one.sampled)).collect();
        assert_eq!(seen, [(1, true), (2, true)]);
        let returns = returns_of(&days).unwrap();
        assert!((returns[0] - 0.1).abs() < 1e-12 && (returns[1] + 0.1).abs() < 1e-12);
    }

    #[test]
    fn a_day_without_a_sample_is_nought_and_the_next_has_the_whole() {
        let days = daily_results(&[at(0.25, 100), at(0.5, 90), at(3.5, 120)], &[]);
        let seen: Vec<_> = days
            .iter()
            .map(|one| {
                (
                    one.day.0,
                    one.sampled,
                    one.profit.money().unwrap().0 / market::units::ONE,
                )
            })
            .collect();
        assert_eq!(
            seen,
            [(0, true, -10), (1, false, 0), (2, false, 0), (3, true, 30)]
        );
        let days = daily_results(&[at(0.5, 100), at(2.5, 120)], &[]);
        let seen: Vec<_> = days.iter().map(|one| (one.day.0, one.sampled)).collect();
        assert_eq!(seen, [(1, false), (2, true)], "its own day has no result");
    }

    #[test]
    fn an_account_without_money_has_no_return() {
        let days = daily_results(&[at(0.2, 0), at(0.4, 0), at(0.6, 0)], &[]);
        assert_eq!(days[0].return_ratio, Some(0.0));
        let days = daily_results(&[at(0.2, 0), at(0.4, 5)], &[]);
        assert_eq!((days[0].return_ratio, returns_of(&days)), (None, None));
        let deposit = Flow {
            time: at(0.3, 0).time,
            amount: Money::from_whole(5),
        };
        let days = daily_results(&[at(0.2, 0), at(0.4, 5)], &[deposit]);
        assert_eq!(days[0].return_ratio, Some(0.0));
    }

    #[test]
    fn money_withdrawn_at_once_makes_no_return_out_of_bounds() {
        let withdrawal = Flow {
            time: at(0.5, 0).time,
            amount: Money::from_whole(-149),
        };
        let days = daily_results(&[at(0.1, 100), at(0.6, 1)], &[withdrawal]);
        assert_eq!(days[0].return_ratio, Some(0.5));
        assert_eq!(days[0].profit, Money::from_whole(50).into());
    }
}
