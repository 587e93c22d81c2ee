//! A histogram of durations, and what is drawn from it.
//!
//! In: bounds with the counts up to them. Out: the duration at a rank. Never: chance, text.

/// Durations as a histogram has them: how many lie at or under each bound.
#[derive(Clone, Debug, PartialEq)]
pub struct Histogram {
    /// What it was read from, for people.
    source: String,
    /// Ascending bounds in ns, each with the count up to it.
    buckets: Vec<(f64, f64)>,
    /// With what lies above the last bound.
    total: f64,
}

impl Histogram {
    /// A histogram of what was checked: ascending bounds, counts that do not fall, some below a
    /// bound, `total` at least as many.
    pub(super) fn new(source: String, buckets: Vec<(f64, f64)>, total: f64) -> Self {
        assert!(buckets.is_sorted_by(|one, next| one.0 < next.0 && one.1 <= next.1));
        let last = buckets.last().expect("a bound").1;
        assert!(total >= last && total > 0.0);
        Self {
            source,
            buckets,
            total,
        }
    }

    /// What it was read from.
    #[must_use]
    pub fn source(&self) -> &str {
        &self.source
    }

    /// Durations in it.
    #[must_use]
    pub const fn count(&self) -> f64 {
        self.total
    }

    /// The same with every duration halved: one way of a round trip.
    #[must_use]
    pub fn halved(mut self) -> Self {
        for (bound, _) in &mut self.buckets {
            *bound /= 2.0;
        }
        self
    }

    /// The duration in ns under which the share `rank` of all lies, 0 to below 1: straight between
    /// the bounds of its bucket, from 0 in the first one, and the last bound above it.
    #[must_use]
    pub fn quantile_ns(&self, rank: f64) -> i64 {
        let wanted = rank * self.total;
        let index = self.buckets.partition_point(|(_, up_to)| *up_to <= wanted);
        let Some(&(upper, up_to)) = self.buckets.get(index) else {
            return self.buckets[self.buckets.len() - 1].0 as i64;
        };
        let before = index.checked_sub(1).map(|before| self.buckets[before]);
        let (lower, below) = before.unwrap_or((0.0, 0.0));
        (lower + (upper - lower) * (wanted - below) / (up_to - below)) as i64
    }
}
