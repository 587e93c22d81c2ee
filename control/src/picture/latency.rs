//! Latency: every histogram that the hot path fills, by its labels.
//!
//! In: a view. Out: rows of percentiles. Never: a histogram without an observation.

use crate::figure::FigureName;
use crate::latency::Percentiles;
use crate::view::View;
use serde::Serialize;
use std::collections::BTreeMap;
use utoipa::ToSchema;

/// A distribution.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct LatencyRow {
    /// What is measured, such as `tick_to_order_seconds`.
    pub measure: String,
    /// Its labels, such as `symbol`, `stage`, `trigger`.
    pub labels: BTreeMap<String, String>,
    /// Median, nanoseconds.
    pub p50_ns: u64,
    /// 99 of 100 are at most this.
    pub p99_ns: u64,
    /// 999 of 1,000 are at most this.
    pub p999_ns: u64,
    /// Largest.
    pub max_ns: u64,
    /// How many.
    pub count: u64,
}

/// Every measure with an observation, over all starts of the ledger.
#[must_use]
pub fn rows(view: &View) -> Vec<LatencyRow> {
    let rows = view.histograms.iter().filter_map(|(name, histogram)| {
        let name = FigureName::parse(name)?;
        let percentiles = Percentiles::of(Some(histogram));
        Some(LatencyRow {
            measure: name.family,
            labels: name.labels.into_iter().collect(),
            p50_ns: percentiles.p50?,
            p99_ns: percentiles.p99?,
            p999_ns: percentiles.p999?,
            max_ns: percentiles.max?,
            count: percentiles.count,
        })
    });
    rows.filter(|row| row.count > 0).collect()
}
