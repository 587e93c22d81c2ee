//! Ratios of daily returns, as the field defines them.
//!
//! In: daily returns, 0.01 = 1 %, in the order of days. Out: each ratio, or none where it is not
//! defined. Never: NaN or infinity, whatever comes in; a risk-free rate, which is 0 here.
//!
//! `r` are the returns, `n` their number, `m` their mean, 365 the days of a year
//! ([`PERIODS_PER_YEAR`]). Every function answers `None` if a return is no number.

use crate::input::number;

/// Days of a year in which this market trades.
pub const PERIODS_PER_YEAR: f64 = 365.0;

/// Fewest days that a ratio is made of.
const DAYS_MIN: usize = 2;

/// Sharpe ratio, a year's: `m / s * sqrt(365)` with `s = sqrt(sum((r - m)^2) / (n - 1))`.
///
/// Sampling: daily returns. Unit: none. Source: W. F. Sharpe, "The Sharpe Ratio" (1994). Oracles:
/// `empyrical.sharpe_ratio` and `quantstats.stats.sharpe`, both with 365 periods.
///
/// `None` with less than two days (both: NaN) and where all returns are equal (empyrical: infinity,
/// NaN where they are 0; quantstats divides by what rounding left of the deviation: a number without
/// meaning, NaN or infinity).
#[must_use]
pub fn sharpe(returns: &[f64]) -> Option<f64> {
    let mean = mean(returns).filter(|_| returns.len() >= DAYS_MIN)?;
    let first = returns.first()?;
    // The mean of equal numbers may differ from them in the last bit.
    if returns.iter().all(|one| one == first) {
        return None;
    }
    let squares: f64 = returns.iter().map(|one| (one - mean).powi(2)).sum();
    let deviation = positive((squares / (returns.len() - 1) as f64).sqrt())?;
    number(mean / deviation * PERIODS_PER_YEAR.sqrt())
}

/// Sortino ratio, a year's: `m / d * sqrt(365)` with `d = sqrt(sum(min(r, 0)^2) / n)`: the days
/// without a loss count as 0 in the deviation, they are not left out.
///
/// Sampling: daily returns. Unit: none. Source: F. Sortino and L. Price, "Performance Measurement in
/// a Downside Risk Framework" (1994). Oracles: `empyrical.sortino_ratio` and
/// `quantstats.stats.sortino`, both with 365 periods.
///
/// `None` with less than two days (empyrical: NaN; quantstats: a number if the day lost) and without
/// a loss (empyrical: infinity, NaN where all are 0; quantstats: NaN).
#[must_use]
pub fn sortino(returns: &[f64]) -> Option<f64> {
    let mean = mean(returns).filter(|_| returns.len() >= DAYS_MIN)?;
    let squares: f64 = returns.iter().map(|one| one.min(0.0).powi(2)).sum();
    let deviation = positive((squares / returns.len() as f64).sqrt())?;
    number(mean / deviation * PERIODS_PER_YEAR.sqrt())
}

/// Compound growth, a year's: `product(1 + r)^(365 / n) - 1`.
///
/// Sampling: daily returns. Unit: 0.1 = 10 % a year. Oracles: `empyrical.annual_return` and
/// `quantstats.stats.cagr`, both with 365 periods.
///
/// `None` with less than two days (both: what one day would make of a year) and where less than
/// nothing is left (both: NaN), or more than a float holds (both: infinity).
#[must_use]
pub fn annual_return(returns: &[f64]) -> Option<f64> {
    let total = total_return(returns).filter(|_| returns.len() >= DAYS_MIN)?;
    let years = returns.len() as f64 / PERIODS_PER_YEAR;
    number((1.0 + total).powf(1.0 / years) - 1.0)
}

/// Calmar ratio: [`annual_return`] / [`max_drawdown`].
///
/// Sampling: daily returns, over all that are given (the original takes the last 36 months: give
/// those). Unit: none. Source: T. W. Young, "Calmar Ratio: A Smoother Tool", Futures (1991).
/// Oracles: `empyrical.calmar_ratio` and `quantstats.stats.calmar`, both with 365 periods.
///
/// `None` with less than two days (both: a number if the day lost) and without a drawdown
/// (empyrical: NaN; quantstats raises `ZeroDivisionError`).
#[must_use]
pub fn calmar(returns: &[f64]) -> Option<f64> {
    let drawdown = positive(max_drawdown(returns)?)?;
    number(annual_return(returns)? / drawdown)
}

/// Largest fall of `product(1 + r)` as a share of its highest value until then, the 1 that it begins
/// with included: `max(1 - w / peak)`, so 0.2 = 20 %; 0 without a fall.
///
/// Sampling: ends of days; [`crate::Drawdown`] sees what happens within them. Oracles:
/// `empyrical.max_drawdown` and `quantstats.stats.max_drawdown`, which both answer it with a minus.
///
/// `None` without a day (empyrical: NaN; quantstats refuses).
#[must_use]
pub fn max_drawdown(returns: &[f64]) -> Option<f64> {
    let lost = below_peak(returns)?;
    lost.into_iter().reduce(f64::max)
}

/// Most days in a row that ended below an earlier peak.
///
/// Sampling: ends of days. Unit: days. Oracle: the largest `days` of
/// `quantstats.stats.drawdown_details`. 0 without a fall; `None` without a day.
#[must_use]
pub fn longest_drawdown_days(returns: &[f64]) -> Option<u64> {
    let lost = below_peak(returns).filter(|lost| !lost.is_empty())?;
    let runs = lost.split(|one| *one <= 0.0);
    runs.map(|run| run.len() as u64).max()
}

/// `product(1 + r) - 1`, 0.1 = 10 %. Oracles: `empyrical.cum_returns_final`,
/// `quantstats.stats.comp`. `None` without a day (empyrical: NaN; quantstats: 0).
#[must_use]
pub fn total_return(returns: &[f64]) -> Option<f64> {
    let worth: f64 = returns.iter().map(|one| 1.0 + one).product();
    number(worth - 1.0).filter(|_| !returns.is_empty())
}

/// Days that won / days that won or lost; days of 0 are left out.
///
/// Sampling: daily returns. Unit: 0 to 1. Oracle: `quantstats.stats.win_rate`. `None` where no day
/// won or lost (quantstats: 0).
#[must_use]
pub fn win_rate(returns: &[f64]) -> Option<f64> {
    mean(returns)?;
    let won = returns.iter().filter(|one| **one > 0.0).count();
    let decided = returns.iter().filter(|one| **one != 0.0).count();
    (decided > 0).then(|| won as f64 / decided as f64)
}

/// Sum of the returns that won / sum of those that lost, without its sign.
///
/// Sampling: daily returns. Unit: none. Oracle: `quantstats.stats.profit_factor`. `None` where no
/// day lost (quantstats: infinity, 0 where all are 0).
#[must_use]
pub fn profit_factor(returns: &[f64]) -> Option<f64> {
    mean(returns)?;
    let won: f64 = returns.iter().map(|one| one.max(0.0)).sum();
    let lost: f64 = returns.iter().map(|one| one.min(0.0)).sum();
    number(won / positive(-lost)?)
}

/// The mean; none of nothing, or where one is no number.
fn mean(returns: &[f64]) -> Option<f64> {
    let sum: f64 = returns.iter().sum();
    number(sum / returns.len() as f64)
}

/// A divisor that makes sense: above 0, no infinity.
fn positive(value: f64) -> Option<f64> {
    number(value).filter(|value| *value > 0.0)
}

/// For each day the share that is lost of the highest worth until then, 0 at a peak.
fn below_peak(returns: &[f64]) -> Option<Vec<f64>> {
    let mut worth = 1.0;
    let mut peak = 1.0f64;
    let each = returns.iter().map(|one| {
        worth *= 1.0 + one;
        peak = peak.max(number(worth)?);
        number(1.0 - worth / peak)
    });
    each.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    type Ratio = fn(&[f64]) -> Option<f64>;
    const ALL: [(&str, Ratio); 8] = [
        ("sharpe", sharpe),
        ("sortino", sortino),
        ("annual_return", annual_return),
        ("calmar", calmar),
        ("max_drawdown", max_drawdown),
        ("total_return", total_return),
        ("win_rate", win_rate),
        ("profit_factor", profit_factor),
    ];

    fn defined(returns: &[f64]) -> Vec<&'static str> {
        let found = ALL.iter().filter(|(_, ratio)| ratio(returns).is_some());
        found.map(|(name, _)| *name).collect()
    }

    #[test]
    fn what_is_not_defined_is_none() {
        let cases: [(&[f64], &[&str]); 6] = [
            (&[], &[]),
            (
                &[-0.1],
                &["max_drawdown", "total_return", "win_rate", "profit_factor"],
            ),
            (
                &[0.0, 0.0],
                &["annual_return", "max_drawdown", "total_return"],
            ),
            (
                &[0.1, 0.1, 0.1],
                &["annual_return", "max_drawdown", "total_return", "win_rate"],
            ),
            (
                &[0.1, 0.2],
                &[
                    "sharpe",
                    "annual_return",
                    "max_drawdown",
                    "total_return",
                    "win_rate",
                ],
            ),
            // Nobody can own less than nothing to the power of 182.5.
            (
                &[-1.5, 0.1],
                &[
                    "sharpe",
                    "sortino",
                    "max_drawdown",
                    "total_return",
                    "win_rate",
                    "profit_factor",
                ],
            ),
        ];
        for (returns, expected) in cases {
            assert_eq!(defined(returns), expected, "{returns:?}");
        }
    }

    #[test]
    fn a_return_that_is_no_number_leaves_nothing_defined() {
        for bad in [f64::NAN, f64::INFINITY, f64::NEG_INFINITY] {
            assert_eq!(defined(&[0.1, bad, -0.1]), [""; 0], "{bad}");
            assert_eq!(longest_drawdown_days(&[0.1, bad]), None);
        }
    }

    #[test]
    fn numbers_at_the_ends_of_the_range_make_no_ratio_that_is_none() {
        for returns in [
            [f64::MAX, f64::MAX, -0.5],
            [f64::MAX, f64::MIN, 1.0],
            [f64::MIN_POSITIVE, -f64::MIN_POSITIVE, 0.0],
        ] {
            for (name, ratio) in ALL {
                assert!(
                    ratio(&returns).is_none_or(f64::is_finite),
                    "{name} {returns:?}"
                );
            }
        }
    }
}
