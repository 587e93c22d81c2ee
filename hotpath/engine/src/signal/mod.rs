//! Signals: numbers that strategies decide on, with a reason where there is none.
//!
//! In: one version of a book. Out: imbalance, microprice, spread, order flow. Never: money, a
//! platform's maths library, a number from a book that may not be used.

mod flow;
mod snapshot;

pub use flow::OrderFlow;
pub use snapshot::{Signal, Top};
