//! Positions: exact cost, realised profit, fees, trades won and lost.
//!
//! In: fills. Out: numbers that agree with the exchange's to the last unit over a flat cycle.
//! Never: a float.

mod ledger;
#[cfg(test)]
mod tests;

pub use ledger::{ClosedTrade, FillEffect, Position};
