//! What a flatten did, with times.
//!
//! In: steps. Out: JSON. Never: a figure that was not measured.

use serde::Serialize;

/// One act with its answer.
#[derive(Clone, Debug, Serialize)]
pub struct StepLine {
    /// Milliseconds since the start.
    pub at_ms: u64,
    /// What was done.
    pub act: String,
    /// With which symbol; empty for all.
    pub symbol: String,
    /// How many a list showed.
    pub count: u32,
    /// The exchange's code of a refusal; 1 without an answer, 0 for a success.
    pub error_code: i64,
}

/// One market.
#[derive(Clone, Debug, Serialize)]
pub struct MarketReport {
    /// `usdm` or `spot`.
    pub market: String,
    /// The exchange showed nothing any more.
    pub verified: bool,
    /// When it did, milliseconds since the start.
    pub verified_ms: u64,
    /// Rounds of requests.
    pub rounds: u32,
    /// Every act.
    pub steps: Vec<StepLine>,
}

/// The whole.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Report {
    /// Account.
    pub account: String,
    /// Nothing is left in any market.
    pub verified: bool,
    /// Milliseconds from the start to the end.
    pub took_ms: u64,
    /// Milliseconds until the segments were latched.
    pub latched_ms: u64,
    /// The latch is on the disk.
    pub durable: bool,
    /// The account's lock was held.
    pub locked: bool,
    /// Segments that were latched.
    pub latched_segments: usize,
    /// Positions were kept.
    pub keep_positions: bool,
    /// By market.
    pub markets: Vec<MarketReport>,
}

impl Report {
    /// As JSON.
    ///
    /// # Panics
    /// Never: a report is plain data.
    #[must_use]
    pub fn text(&self) -> String {
        serde_json::to_string_pretty(self).expect("a report is plain data")
    }
}
