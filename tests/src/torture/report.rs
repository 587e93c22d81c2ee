//! What rounds found: counts, failures, times as distributions.
//!
//! In: findings. Out: sums and quantiles, for people and as evidence. Never: an average that hides
//! the worst.

use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::time::Duration;

/// What one round found.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Finding {
    /// `KIND:SEED`.
    pub round: String,
    /// What happened in it, in words.
    pub done: String,
    /// Why it failed; nothing for a right one.
    pub failure: Option<String>,
    /// What keeps it from being run here; nothing for one that was.
    pub skipped: Option<String>,
    /// Where its state was left.
    pub state_dir: Option<String>,
    /// How long it took.
    pub took_ms: u64,
    /// From each restart of the hot path until it said that it was safe.
    pub safe_ms: Vec<i64>,
    /// From each restart of the hot path until it said that it was ready.
    pub ready_ms: Vec<i64>,
    /// From the end of the last I4 window, of restarts with ids inside of one, until it was ready:
    /// less than 0 where it was ready before.
    pub ready_after_window_ms: Vec<i64>,
    /// Orders that the exchange had.
    pub orders: u64,
    /// Fills that the exchange had.
    pub fills: u64,
    /// Fills of a time without a living hot path: in the position that was adopted, not in the
    /// ledger's list.
    pub fills_adopted: u64,
    /// Fills that were recovered without the name of their order.
    pub fills_nameless: u64,
    /// Orders whose intent is in the ledger and which never reached the exchange.
    pub never_reached: u64,
    /// Orders of dead starts whose last state in the ledger is not the exchange's.
    pub left_undecided: u64,
}

/// Least, middle and most of some times, in milliseconds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Distribution {
    /// How many.
    pub count: usize,
    /// The least.
    pub min: i64,
    /// The middle one.
    pub median: i64,
    /// Nine of ten are not above it.
    pub p90: i64,
    /// The most.
    pub max: i64,
}

impl Distribution {
    /// Of these; all zero of none.
    #[must_use]
    pub fn of(mut times: Vec<i64>) -> Self {
        times.sort_unstable();
        let Some(last) = times.len().checked_sub(1) else {
            return Self::default();
        };
        let at = |permille: usize| times[(last * permille).div_ceil(1_000)];
        Self {
            count: times.len(),
            min: at(0),
            median: at(500),
            p90: at(900),
            max: at(1_000),
        }
    }
}

impl std::fmt::Display for Distribution {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(
            formatter,
            "min {} ms, median {} ms, p90 {} ms, max {} ms of {}",
            self.min, self.median, self.p90, self.max, self.count
        )
    }
}

/// What all rounds found.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Report {
    /// Rounds that ran, by kind.
    pub rounds: BTreeMap<String, u64>,
    /// Rounds that could not run here, with the reason.
    pub skipped: Vec<String>,
    /// Rounds that failed, with why.
    pub failures: Vec<String>,
    /// From restart to safety.
    pub safe_ms: Distribution,
    /// From restart to readiness.
    pub ready_ms: Distribution,
    /// From the end of the last I4 window to readiness, where there was one.
    pub ready_after_window_ms: Distribution,
    /// Sums over all rounds, as in a finding.
    pub orders: u64,
    /// The same.
    pub fills: u64,
    /// The same.
    pub fills_adopted: u64,
    /// Fills that were recovered without the name of their order.
    pub fills_nameless: u64,
    /// The same.
    pub never_reached: u64,
    /// The same.
    pub left_undecided: u64,
}

impl Report {
    /// Of these rounds.
    #[must_use]
    pub fn of(findings: Vec<Finding>) -> Self {
        let mut report = Self::default();
        let (mut safe, mut ready, mut after) = (Vec::new(), Vec::new(), Vec::new());
        for one in findings {
            if let Some(why) = &one.skipped {
                report.skipped.push(format!("{}: {why}", one.round));
                continue;
            }
            let kind = one.round.split(':').next().unwrap_or_default();
            *report.rounds.entry(kind.to_string()).or_default() += 1;
            if let Some(why) = &one.failure {
                report.failures.push(format!("{}: {why}", one.round));
            }
            safe.extend(&one.safe_ms);
            ready.extend(&one.ready_ms);
            after.extend(&one.ready_after_window_ms);
            report.orders += one.orders;
            report.fills += one.fills;
            report.fills_adopted += one.fills_adopted;
            report.fills_nameless += one.fills_nameless;
            report.never_reached += one.never_reached;
            report.left_undecided += one.left_undecided;
        }
        report.failures.sort();
        report.safe_ms = Distribution::of(safe);
        report.ready_ms = Distribution::of(ready);
        report.ready_after_window_ms = Distribution::of(after);
        report
    }
}

/// Whole milliseconds.
#[must_use]
pub(super) fn millis(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_distribution_shows_the_worst() {
        let of = Distribution::of((1..=20).rev().collect());
        assert_eq!((of.min, of.median, of.p90, of.max), (1, 11, 19, 20));
        assert_eq!(Distribution::of(Vec::new()).count, 0);
    }
}
