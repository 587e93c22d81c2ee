//! Interleaved rounds: every contender in turn within one round.
//!
//! In: contenders that can run once and say what it cost. Out: one figure a contender and round.
//! Never: a mean, a ratio of figures of two rounds: a neighbour on the machine slows a whole round
//! down, and its ratios stay what they were.

use rustix::time::{ClockId, clock_gettime};
use serde::{Deserialize, Serialize};
use std::time::{Duration, Instant};

/// One contender.
pub(crate) struct Lane<'a> {
    /// As the tables name it.
    pub(crate) name: String,
    /// Runs once; nanoseconds a message.
    pub(crate) run: Box<dyn FnMut() -> f64 + 'a>,
}

/// What the contenders took, in nanoseconds a message.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub(crate) struct Figures {
    /// Names in the order of the lanes.
    pub(crate) names: Vec<String>,
    /// By lane, then by round.
    pub(crate) taken: Vec<Vec<f64>>,
}

impl<'a> Lane<'a> {
    /// A lane.
    pub(crate) fn new(name: impl Into<String>, run: impl FnMut() -> f64 + 'a) -> Self {
        Self {
            name: name.into(),
            run: Box::new(run),
        }
    }
}

/// Runs all lanes once for warmth, then `rounds` times in turn; who begins changes each round.
pub(crate) fn interleave(title: &str, lanes: &mut [Lane<'_>], rounds: usize) -> Figures {
    let begun = Instant::now();
    for lane in lanes.iter_mut() {
        (lane.run)();
    }
    let mut taken = vec![Vec::with_capacity(rounds); lanes.len()];
    let count = lanes.len();
    for round in 0..rounds {
        for offset in 0..count {
            let index = (round + offset) % count;
            taken[index].push((lanes[index].run)());
        }
    }
    eprintln!(
        "{title}: {count} contenders, {rounds} rounds, {:.1} s",
        begun.elapsed().as_secs_f64()
    );
    Figures {
        names: lanes.iter().map(|lane| lane.name.clone()).collect(),
        taken,
    }
}

impl Figures {
    /// Median over the rounds of one lane.
    pub(crate) fn median(&self, lane: usize) -> f64 {
        median(self.taken[lane].clone())
    }

    /// Median of the ratios `lane` / `base` within each round.
    pub(crate) fn ratio(&self, lane: usize, base: usize) -> f64 {
        let pairs = self.taken[lane].iter().zip(&self.taken[base]);
        median(pairs.map(|(one, other)| one / other).collect())
    }

    /// Smallest and largest ratio of a round.
    pub(crate) fn ratio_range(&self, lane: usize, base: usize) -> (f64, f64) {
        let pairs = self.taken[lane].iter().zip(&self.taken[base]);
        pairs
            .map(|(one, other)| one / other)
            .fold((f64::INFINITY, 0.0), |(least, most): (f64, f64), ratio| {
                (least.min(ratio), most.max(ratio))
            })
    }

    /// The lane of this name.
    pub(crate) fn lane(&self, name: &str) -> Option<usize> {
        self.names.iter().position(|one| one == name)
    }
}

/// The middle one of `values`; NaN when there is none.
pub(crate) fn median(mut values: Vec<f64>) -> f64 {
    if values.is_empty() {
        return f64::NAN;
    }
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}

/// CPU time of this thread: what a neighbour takes while we do not run is not counted.
pub(crate) fn cpu_time() -> Duration {
    let now = clock_gettime(ClockId::ThreadCPUTime);
    Duration::new(
        u64::try_from(now.tv_sec).unwrap_or(0),
        u32::try_from(now.tv_nsec).unwrap_or(0),
    )
}

/// Runs `work` over `count` messages; CPU nanoseconds a message.
pub(crate) fn per_message(count: usize, work: impl FnOnce()) -> f64 {
    let begun = cpu_time();
    work();
    (cpu_time() - begun).as_nanos() as f64 / count as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_ratio_is_taken_within_rounds() {
        let figures = Figures {
            names: vec!["ours".into(), "peer".into()],
            // The machine was ten times slower in the second round.
            taken: vec![vec![1.0, 10.0, 1.0], vec![3.0, 30.0, 3.0]],
        };
        assert_eq!(figures.ratio(1, 0), 3.0);
        assert_eq!(figures.ratio_range(1, 0), (3.0, 3.0));
        assert_eq!(figures.median(1), 3.0);
        assert_eq!(figures.lane("peer"), Some(1));
    }
}
