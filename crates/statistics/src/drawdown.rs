//! How far and for how long an account was below its best.
//!
//! In: equity samples, flows. Out: the largest fall in money and as a share, the longest time below
//! a peak. Never: a withdrawal that looks like a loss.

use crate::curve::{Point, curve};
use crate::input::{EquitySample, Flow, number};
use crate::total::Total;

/// Drawdown at the resolution of the samples: it sees what happens within a day, so it is never less
/// than the one of daily returns ([`crate::ratios::max_drawdown`]).
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Drawdown {
    /// Largest fall of the profit from its highest value until then, exact; 0 without a fall.
    pub absolute: Total,
    /// Largest fall of the linked growth (time-weighted, so without flows) as a share of its highest
    /// value until then; 0.2 = 20 %. More than 1 where the account owed. None where it once had
    /// nothing to lose.
    pub ratio: Option<f64>,
    /// Longest time, in ns, from the sample of a peak of the profit to the first sample that reached
    /// it again, or to the last sample where none did.
    pub duration_ns: u64,
}

/// The drawdown of an account; none without a sample.
#[must_use]
pub fn drawdown(samples: &[EquitySample], flows: &[Flow]) -> Option<Drawdown> {
    from_curve(&curve(samples, flows))
}

pub(crate) fn from_curve(points: &[Point]) -> Option<Drawdown> {
    let first = points.first()?;
    let mut peak = (first.profit, first.time);
    let mut below = false;
    let mut found = Drawdown {
        absolute: Total::ZERO,
        ratio: share_lost(points),
        duration_ns: 0,
    };
    for point in points {
        let was_below = below;
        below = point.profit < peak.0;
        if below || was_below {
            let since = point.time.0.abs_diff(peak.1.0);
            found.duration_ns = found.duration_ns.max(since);
        }
        if below {
            found.absolute = found.absolute.max(peak.0 - point.profit);
        } else {
            peak = (point.profit, point.time);
        }
    }
    Some(found)
}

fn share_lost(points: &[Point]) -> Option<f64> {
    let mut worth = 1.0;
    let mut peak = 1.0f64;
    let mut lost = 0.0f64;
    for point in points {
        worth = number(worth * point.growth?)?;
        peak = peak.max(worth);
        lost = lost.max(number(1.0 - worth / peak)?);
    }
    Some(lost)
}

#[cfg(test)]
mod tests {
    use super::*;
    use market::{Money, UtcNs};

    fn samples(equities: &[i64]) -> Vec<EquitySample> {
        (0..)
            .zip(equities)
            .map(|(second, equity)| EquitySample {
                time: UtcNs(second * 1_000_000_000),
                equity: Money::from_whole(*equity),
            })
            .collect()
    }

    #[test]
    fn the_largest_fall_and_the_longest_wait_may_be_different_ones() {
        // 200 to 100 within a second and back in the next; then 210 to 200 for four seconds.
        let equities = [200, 100, 200, 210, 200, 205, 209, 210, 211];
        let found = drawdown(&samples(&equities), &[]).unwrap();
        assert_eq!(found.absolute, Money::from_whole(100).into());
        assert_eq!(found.ratio, Some(0.5));
        assert_eq!(found.duration_ns, 4_000_000_000);
    }

    #[test]
    fn a_fall_that_has_not_ended_lasts_until_the_last_sample() {
        let found = drawdown(&samples(&[100, 90, 95, 92]), &[]).unwrap();
        assert_eq!(found.duration_ns, 3_000_000_000);
    }

    #[test]
    fn without_a_fall_it_is_nought_and_without_a_sample_it_is_none() {
        let found = drawdown(&samples(&[100, 100, 120]), &[]).unwrap();
        assert_eq!(
            (found.absolute, found.ratio, found.duration_ns),
            (Total::ZERO, Some(0.0), 0)
        );
        assert_eq!(drawdown(&[], &[]), None);
    }

    #[test]
    fn a_withdrawal_is_no_fall() {
        let withdrawal = Flow {
            time: UtcNs(500_000_000),
            amount: Money::from_whole(-40),
        };
        let found = drawdown(&samples(&[100, 60, 66]), &[withdrawal]).unwrap();
        assert_eq!((found.absolute, found.ratio), (Total::ZERO, Some(0.0)));
    }
}
