//! When a way of trading has shown that it does not work.
//!
//! In: closed trades. Out: a line for each rule and whether it says stop. Never: a stop on fewer
//! trades than its rule wants to see, or without a figure.

use crate::gates::profit_factor;
use crate::input::{ClosedTrade, plain};
use crate::line::{Measure, Requirement};
use crate::trades::TradeFigures;
use market::Rate;

/// When to stop.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StopSettings {
    /// Below this share of trades won; 45 %.
    pub win_rate_below: Rate,
    /// Below this profit factor; 0.8.
    pub profit_factor_below: Rate,
    /// No rule looks at fewer trades; 100. Of those, one that wins 55 of 100 is taken for one that
    /// wins less than 45 once in 57 times (binomial); of 30 it would be once in 7.
    pub trades_min: u64,
}

/// A rule and what it says.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct StopLine {
    /// What it looks at.
    pub name: &'static str,
    /// None where it is not defined.
    pub figure: Option<Measure>,
    /// It stops where this holds.
    pub stops_if: Requirement,
    /// False while there are fewer trades than the rule wants to see.
    pub enough_trades: bool,
    /// True = stop.
    pub stop: bool,
}

impl Default for StopSettings {
    fn default() -> Self {
        Self {
            win_rate_below: Rate(45_000_000),
            profit_factor_below: Rate(80_000_000),
            trades_min: 100,
        }
    }
}

impl StopSettings {
    /// Both rules, on the trades that the caller wants judged.
    #[must_use]
    pub fn lines<'a>(&self, trades: impl IntoIterator<Item = &'a ClosedTrade>) -> [StopLine; 2] {
        let figures = TradeFigures::of(trades);
        let enough_trades = figures.trades >= self.trades_min;
        let line = |name, figure: Option<Measure>, bound| {
            let stops_if = Requirement::below(bound);
            StopLine {
                name,
                figure,
                stops_if,
                enough_trades,
                stop: enough_trades && figure.is_some_and(|figure| stops_if.holds(figure)),
            }
        };
        let win_rate = Measure::Share(plain(self.win_rate_below));
        let factor = Measure::Multiple(plain(self.profit_factor_below));
        [
            line("win rate", figures.win_rate().map(Measure::Share), win_rate),
            line("profit factor", profit_factor(&figures), factor),
        ]
    }
}
