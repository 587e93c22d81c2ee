//! Positions: exact cost, realised profit, fees, trades won and lost.
//!
//! In: fills. Out: numbers that agree with the exchange's to the last unit over a flat cycle.
//! Never: a float.

mod break_even;
mod ledger;
#[cfg(test)]
mod tests;

pub use break_even::{break_even_win_rate, reached_win_rate};
pub use ledger::{ClosedTrade, FillEffect, Position};
