//! Metrics: families of samples, and the two texts that Prometheus reads.
//!
//! In: a picture. Out: OpenMetrics (written by prometheus-client) or text 0.0.4. Never: work for
//! the hot path; a scrape reads the picture that is there anyway.

mod catalogue;
mod collect;
mod open_metrics;
mod text;

pub use collect::{HttpFigures, Labels, Process, collect};
pub use open_metrics::open_metrics;
pub use text::text;

use std::collections::BTreeMap;

/// Prefix of every name.
pub const PREFIX: &str = "fulcrum";

/// What kind of metric a family is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Counts up.
    Counter,
    /// Goes both ways.
    Gauge,
    /// Constant 1 with facts as labels.
    Info,
    /// Durations in classic buckets.
    Histogram,
}

/// One sample's value.
#[derive(Clone, Debug, PartialEq)]
pub enum Value {
    /// A count or a number.
    Whole(u64),
    /// A measurement; money and prices become floats here and nowhere before.
    Float(f64),
    /// Durations.
    Histogram(Box<Buckets>),
}

/// A histogram's samples.
#[derive(Clone, Debug, PartialEq)]
pub struct Buckets {
    /// How many lie at or under each bound of `ipc::BUCKETS_NS`.
    pub cumulative: [u64; ipc::BUCKETS_NS.len()],
    /// How many in all.
    pub count: u64,
    /// Their sum.
    pub sum_ns: u64,
}

/// A family: one name, one kind, samples by labels. The name is without prefix and without
/// `_total`.
#[derive(Clone, Debug, PartialEq)]
pub struct Family {
    /// Kind.
    pub kind: Kind,
    /// A sentence.
    pub help: &'static str,
    /// By sorted labels, so that no two samples are the same.
    pub samples: BTreeMap<Vec<(String, String)>, Value>,
}

/// All families by name.
pub type Families = BTreeMap<String, Family>;

/// Upper bounds of the buckets in seconds.
fn bounds_s() -> impl Iterator<Item = f64> {
    ipc::BUCKETS_NS.iter().map(|ns| *ns as f64 / 1e9)
}

#[cfg(test)]
mod tests;
