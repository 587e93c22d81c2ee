//! The win rate that a way of trading needs at given fees.
//!
//! In: a target, a stop and fees; or closed trades and fees. Out: the share of trades that has to
//! win. Never: a rate for a way of trading that cannot win.

use crate::input::{ClosedTrade, number, plain};
use crate::total::Total;
use crate::trades::TradeFigures;
use market::units::{ONE, round_div_saturating};
use market::{ExitReason, Money, Rate};

/// Fees of a trade's legs, each a share of what the leg is worth.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LegFees {
    /// Of the entry.
    pub entry: Rate,
    /// Of an exit at the profit target.
    pub profit_exit: Rate,
    /// Of every other exit.
    pub loss_exit: Rate,
}

/// A trade with a target and a stop, both as a share of the entry price.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PlannedTrade {
    /// Profit target.
    pub take_profit: Rate,
    /// Stop.
    pub stop_loss: Rate,
    /// What it pays.
    pub fees: LegFees,
}

impl LegFees {
    /// Of one that enters and takes profit as maker, and is stopped out as taker.
    #[must_use]
    pub const fn of_maker(maker: Rate, taker: Rate) -> Self {
        Self {
            entry: maker,
            profit_exit: maker,
            loss_exit: taker,
        }
    }

    /// Of one that takes throughout.
    #[must_use]
    pub const fn of_taker(taker: Rate) -> Self {
        Self {
            entry: taker,
            profit_exit: taker,
            loss_exit: taker,
        }
    }

    /// The win rate at which the trades of a history would pay for themselves had they paid these
    /// fees: `loss / (win + loss)` of their average win and loss at these fees, 0 to 1. Funding
    /// stays as it was. None unless some would have won and some lost.
    #[must_use]
    pub fn break_even_win_rate<'a>(
        &self,
        trades: impl IntoIterator<Item = &'a ClosedTrade>,
    ) -> Option<f64> {
        let mut figures = TradeFigures::default();
        for trade in trades {
            let net = Total::from(trade.gross) - self.of_trade(trade) + trade.funding.into();
            figures.add_net(net);
        }
        figures.break_even_win_rate()
    }

    /// What a trade pays, rounded to 1e-8 a leg.
    #[must_use]
    pub fn of_trade(&self, trade: &ClosedTrade) -> Total {
        let exit = if trade.exit_reason == ExitReason::TakeProfit {
            self.profit_exit
        } else {
            self.loss_exit
        };
        Total::from(part(trade.entry_value, self.entry)) + part(trade.exit_value(), exit).into()
    }
}

impl PlannedTrade {
    /// `loss / (win + loss)` with `win = target - fees` and `loss = stop + fees`, 0 to 1; none where
    /// a win would not be one at these fees.
    #[must_use]
    pub fn break_even_win_rate(&self) -> Option<f64> {
        let entry = plain(self.fees.entry);
        let win = plain(self.take_profit) - entry - plain(self.fees.profit_exit);
        let loss = plain(self.stop_loss) + entry + plain(self.fees.loss_exit);
        let rate = number(loss / (win + loss))?;
        (win > 0.0 && loss >= 0.0).then_some(rate)
    }
}

fn part(value: Money, rate: Rate) -> Money {
    let scaled = i128::from(value.0) * i128::from(rate.0);
    Money(round_div_saturating(scaled, i128::from(ONE)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use market::{Market, Quantity, Side, Symbol, UtcNs};

    const MAKER: Rate = Rate(20_000);
    const TAKER: Rate = Rate(50_000);

    fn planned(fees: LegFees) -> PlannedTrade {
        PlannedTrade {
            take_profit: Rate(200_000),
            stop_loss: Rate(150_000),
            fees,
        }
    }

    fn trade(exit: i64, exit_reason: ExitReason) -> ClosedTrade {
        ClosedTrade {
            strategy: String::new(),
            market: Market::UsdM,
            symbol: Symbol::EMPTY,
            side: Side::Buy,
            quantity: Quantity(1),
            entry_value: Money::from_whole(10_000),
            entry_price: Money::from_whole(1_000),
            exit_price: Money(exit * ONE / 10),
            opened: UtcNs(0),
            closed: UtcNs(1),
            exit_reason,
            gross: Money((exit - 10_000) * ONE),
            fees: Money::ZERO,
            funding: Money::ZERO,
        }
    }

    #[test]
    fn the_figures_of_the_design_come_out() {
        // Target 20 bps, stop 15 bps; 2 bps a maker, 5 bps a taker.
        for (fees, expected) in [
            (LegFees::of_maker(MAKER, TAKER), 22.0 / 38.0),
            (LegFees::of_taker(TAKER), 25.0 / 35.0),
        ] {
            let rate = planned(fees).break_even_win_rate().unwrap();
            assert!((rate - expected).abs() < 1e-12, "{rate}");
        }
    }

    #[test]
    fn a_target_that_does_not_pay_its_fees_has_no_rate() {
        let mut plan = planned(LegFees::of_taker(TAKER));
        plan.take_profit = Rate(100_000);
        assert_eq!(plan.break_even_win_rate(), None);
        plan.stop_loss = Rate(-200_000);
        assert_eq!(plan.break_even_win_rate(), None);
        let mut free = planned(LegFees::of_taker(Rate(0)));
        free.stop_loss = Rate(0);
        assert_eq!(free.break_even_win_rate(), Some(0.0), "it cannot lose");
    }

    #[test]
    fn a_history_of_such_trades_needs_what_their_plan_needs() {
        let trades = [
            trade(10_020, ExitReason::TakeProfit),
            trade(9_985, ExitReason::StopLoss),
        ];
        let fees = LegFees::of_maker(MAKER, TAKER);
        let rate = fees.break_even_win_rate(&trades).unwrap();
        let plan = planned(fees).break_even_win_rate().unwrap();
        // The fee of the exit is of what the exit is worth, not of the entry.
        assert!((rate - plan).abs() < 1e-4, "{rate} {plan}");
        assert_eq!(fees.of_trade(&trades[0]), Money(400_400_000).into());
        assert_eq!(fees.break_even_win_rate(&trades[..1]), None);
        let free = LegFees::of_taker(Rate(0));
        assert_eq!(free.break_even_win_rate(&trades), Some(15.0 / 35.0));
        let funded = trades.map(|one| ClosedTrade {
            funding: Money::from_whole(5),
            ..one
        });
        assert_eq!(free.break_even_win_rate(&funded), Some(10.0 / 35.0));
    }
}
