//! Everything at once.
//!
//! In: a whole history. Out: all its figures. Never: a figure that the parts do not have as well.

use crate::account::AccountFigures;
use crate::fills::FillFigures;
use crate::input::{ClosedTrade, EquitySample, Fill, Flow, MakerOrders};
use crate::trades::TradeFigures;

/// What happened. Parts that are not known are left empty.
#[derive(Clone, Copy, Debug, Default)]
pub struct History<'a> {
    /// Closed trades.
    pub trades: &'a [ClosedTrade],
    /// Executions.
    pub fills: &'a [Fill],
    /// Equity.
    pub equity: &'a [EquitySample],
    /// Deposits and withdrawals.
    pub flows: &'a [Flow],
    /// Resting orders.
    pub maker_orders: MakerOrders,
}

/// What it came to.
#[derive(Clone, Debug, PartialEq)]
pub struct Report {
    /// Of equity.
    pub account: AccountFigures,
    /// Of closed trades.
    pub trades: TradeFigures,
    /// Of fills.
    pub fills: FillFigures,
    /// Resting orders that filled / posted, 0 to 1; none without one.
    pub maker_fill_ratio: Option<f64>,
    /// Turnover as a multiple of the mean equity at the ends of days; none without equity. Both
    /// sides of a trade count: bought and sold once with everything is 2.
    pub turnover_ratio: Option<f64>,
}

impl History<'_> {
    /// The figures of this history.
    #[must_use]
    pub fn report(&self) -> Report {
        let account = AccountFigures::of(self.equity, self.flows);
        let fills = FillFigures::of(self.fills);
        let equity = account.mean_equity;
        Report {
            trades: TradeFigures::of(self.trades),
            maker_fill_ratio: self.maker_orders.fill_ratio(),
            turnover_ratio: equity.and_then(|equity| fills.turnover.ratio_to(equity.into())),
            account,
            fills,
        }
    }
}
