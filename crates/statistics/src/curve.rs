//! The equity curve without what came from outside.
//!
//! In: equity samples, flows. Out: one point a moment, with the profit until then (exact) and the
//! growth since the point before. Never: a deposit that looks like a profit.

use crate::input::{EquitySample, Flow};
use crate::total::Total;
use market::{Money, UtcNs};

/// A moment of the curve.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Point {
    pub(crate) time: UtcNs,
    pub(crate) equity: Money,
    /// Profit since the first point: equity less what it began with and what came in since.
    pub(crate) profit: Total,
    /// Worth as a multiple of the point before; 1 at the first. None where there was nothing to
    /// grow.
    pub(crate) growth: Option<f64>,
}

/// What came and went in a span of time.
#[derive(Clone, Copy, Debug, Default)]
struct Flows {
    deposits: Total,
    withdrawals: Total,
}

/// The points in the order of time. Flows until the first sample are in it already; those after the
/// last one have not been seen in any value yet, so neither counts.
///
/// Growth over an interval with flows is
/// `(equity + withdrawals) / (equity before + deposits)`: money that comes takes part in the whole
/// interval, money that goes has taken part in it. So a flow alone grows nothing, and money that is
/// there for no time cannot make a growth out of bounds. The linked growths are the time-weighted
/// return (Global Investment Performance Standards, CFA Institute); it is exact where each flow has
/// a sample right before it and right after it.
pub(crate) fn curve(samples: &[EquitySample], flows: &[Flow]) -> Vec<Point> {
    let mut samples = samples.to_vec();
    // The lowest of one moment comes first and stays.
    samples.sort_unstable();
    samples.dedup_by_key(|sample| sample.time);
    let mut flows = flows.to_vec();
    flows.sort_unstable();
    let mut flows = flows.into_iter().peekable();
    let mut points: Vec<Point> = Vec::with_capacity(samples.len());
    for sample in samples {
        let mut since = Flows::default();
        while let Some(flow) = flows.next_if(|flow| flow.time <= sample.time) {
            since.add(flow.amount);
        }
        let point = match points.last() {
            None => Point {
                time: sample.time,
                equity: sample.equity,
                profit: Total::ZERO,
                growth: Some(1.0),
            },
            Some(before) => before.until(sample, since),
        };
        points.push(point);
    }
    points
}

impl Flows {
    fn add(&mut self, amount: Money) {
        if amount.0 >= 0 {
            self.deposits += amount.into();
        } else {
            self.withdrawals += -Total::from(amount);
        }
    }
}

impl Point {
    fn until(&self, sample: EquitySample, flows: Flows) -> Self {
        let base = Total::from(self.equity) + flows.deposits;
        let reached = Total::from(sample.equity) + flows.withdrawals;
        let growth = if base == Total::ZERO && reached == Total::ZERO {
            // An empty account that stays empty has neither won nor lost.
            Some(1.0)
        } else {
            reached.ratio_to(base)
        };
        Self {
            time: sample.time,
            equity: sample.equity,
            profit: self.profit + reached - base,
            growth,
        }
    }
}
