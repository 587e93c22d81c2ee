//! Figures of an account as a whole.
//!
//! In: equity samples, flows. Out: profit, returns, ratios, drawdown. Never: a deposit or withdrawal
//! in any of them.

use crate::curve::curve;
use crate::daily::{self, returns_of};
use crate::drawdown::{self, Drawdown};
use crate::input::{EquitySample, Flow, share};
use crate::ratios;
use crate::total::Total;
use market::Money;

/// What became of an account. Ratios are of daily returns ([`crate::daily_results`]); all of them
/// are none where a day has no return.
#[derive(Clone, Debug, PartialEq)]
pub struct AccountFigures {
    /// Change of equity from the first sample to the last, less flows; exact.
    pub profit: Total,
    /// Deposits less withdrawals between the first sample and the last; exact.
    pub flows: Total,
    /// Days that have a sample behind the first one.
    pub days: u64,
    /// Of the days, those without a sample between too, the share with a profit; 0 to 1. A day of 0
    /// is none with a profit. None without a day.
    pub positive_days: Option<f64>,
    /// [`ratios::total_return`].
    pub total_return: Option<f64>,
    /// [`ratios::annual_return`].
    pub annual_return: Option<f64>,
    /// [`ratios::sharpe`].
    pub sharpe: Option<f64>,
    /// [`ratios::sortino`].
    pub sortino: Option<f64>,
    /// [`ratios::calmar`].
    pub calmar: Option<f64>,
    /// [`ratios::max_drawdown`]: of ends of days, as Calmar takes it.
    pub daily_drawdown: Option<f64>,
    /// At the resolution of the samples.
    pub drawdown: Option<Drawdown>,
    /// Mean of the equity at the ends of days.
    pub mean_equity: Option<Money>,
}

impl AccountFigures {
    /// The figures of what is given, in any order.
    #[must_use]
    pub fn of(samples: &[EquitySample], flows: &[Flow]) -> Self {
        let points = curve(samples, flows);
        let days = daily::from_curve(&points);
        let returns = returns_of(&days).unwrap_or_default();
        let count = |which: fn(&daily::DayResult) -> bool| {
            days.iter().filter(|one| which(one)).count() as u64
        };
        let profit = points.last().map_or(Total::ZERO, |last| last.profit);
        let change = match (points.first(), points.last()) {
            (Some(first), Some(last)) => Total::from(last.equity) - first.equity.into(),
            _ => Total::ZERO,
        };
        let closes: Total = days.iter().map(|one| one.close).sum();
        Self {
            profit,
            flows: change - profit,
            days: count(|one| one.sampled),
            positive_days: share(count(|one| one.profit > Total::ZERO), days.len() as u64),
            total_return: ratios::total_return(&returns),
            annual_return: ratios::annual_return(&returns),
            sharpe: ratios::sharpe(&returns),
            sortino: ratios::sortino(&returns),
            calmar: ratios::calmar(&returns),
            daily_drawdown: ratios::max_drawdown(&returns),
            drawdown: drawdown::from_curve(&points),
            mean_equity: closes.mean(days.len() as u64),
        }
    }
}
