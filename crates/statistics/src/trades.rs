//! Figures of closed trades.
//!
//! In: closed trades, in any order. Out: counts, exact sums, averages of money, ratios, hold times.
//! Never: a sum in floats; a figure before fees and funding, except `gross`.

use crate::input::{ClosedTrade, number, share};
use crate::total::Total;
use market::Money;

/// What trades came to. A trade won where its net is above 0 (profit less fees, with funding), and
/// lost where it is below.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct TradeFigures {
    /// How many.
    pub trades: u64,
    /// Net above 0.
    pub won: u64,
    /// Net below 0. What is neither has a net of 0 to the last unit.
    pub lost: u64,
    /// Profit before fees and funding.
    pub gross: Total,
    /// Positive = paid.
    pub fees: Total,
    /// Positive = received.
    pub funding: Total,
    /// `gross - fees + funding`: what the wallet moved by.
    pub net: Total,
    /// Sum of the nets that won.
    pub net_won: Total,
    /// Sum of the nets that lost, without its sign.
    pub net_lost: Total,
    /// How long they were held; none without a trade.
    pub hold: Option<HoldTime>,
}

/// Times from opening to closing, in ns.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HoldTime {
    /// Mean, rounded down.
    pub mean_ns: u64,
    /// The middle one; of an even number the mean of the middle two, rounded down.
    pub median_ns: u64,
    /// The longest.
    pub max_ns: u64,
}

impl TradeFigures {
    /// The figures of `trades`.
    #[must_use]
    pub fn of<'a>(trades: impl IntoIterator<Item = &'a ClosedTrade>) -> Self {
        let mut figures = Self::default();
        let mut held = Vec::new();
        for trade in trades {
            figures.add(trade);
            held.push(trade.held_ns());
        }
        figures.hold = HoldTime::of(held);
        figures
    }

    /// `won / (won + lost)`, 0 to 1. Oracle: `quantstats.stats.win_rate` over the nets of trades.
    /// None where no trade won or lost (quantstats: 0).
    #[must_use]
    pub fn win_rate(&self) -> Option<f64> {
        share(self.won, self.won.saturating_add(self.lost))
    }

    /// `net_won / net_lost`. Oracle: `quantstats.stats.profit_factor` over the nets of trades. None
    /// where no trade lost (quantstats: infinity, 0 where none won either).
    #[must_use]
    pub fn profit_factor(&self) -> Option<f64> {
        self.net_won.ratio_to(self.net_lost)
    }

    /// `net / trades`: what a trade brings on average, to 1e-8. None without a trade.
    #[must_use]
    pub fn expectancy(&self) -> Option<Money> {
        self.net.mean(self.trades)
    }

    /// `net_won / won`, to 1e-8. Oracle: `quantstats.stats.avg_win`. None where none won
    /// (quantstats: NaN).
    #[must_use]
    pub fn average_win(&self) -> Option<Money> {
        self.net_won.mean(self.won)
    }

    /// `net_lost / lost`, to 1e-8, without its sign. Oracle: `quantstats.stats.avg_loss`, which has
    /// the sign. None where none lost (quantstats: NaN).
    #[must_use]
    pub fn average_loss(&self) -> Option<Money> {
        self.net_lost.mean(self.lost)
    }

    /// The win rate at which these average wins and losses cancel out:
    /// `loss / (win + loss)`, 0 to 1, at the fees that were paid. None unless some won and some
    /// lost. At other fees: [`crate::LegFees::break_even_win_rate`].
    #[must_use]
    pub fn break_even_win_rate(&self) -> Option<f64> {
        if self.won == 0 || self.lost == 0 {
            return None;
        }
        let win = self.net_won.units() as f64 / self.won as f64;
        let loss = self.net_lost.units() as f64 / self.lost as f64;
        number(loss / (win + loss))
    }

    fn add(&mut self, trade: &ClosedTrade) {
        self.trades += 1;
        self.gross += trade.gross.into();
        self.fees += trade.fees.into();
        self.funding += trade.funding.into();
        self.add_net(trade.net());
    }

    /// Counts a net as won or lost.
    pub(crate) fn add_net(&mut self, net: Total) {
        self.net += net;
        if net > Total::ZERO {
            self.won += 1;
            self.net_won += net;
        } else if net < Total::ZERO {
            self.lost += 1;
            self.net_lost += -net;
        }
    }
}

impl HoldTime {
    fn of(mut held: Vec<u64>) -> Option<Self> {
        held.sort_unstable();
        let max_ns = *held.last()?;
        let sum: u128 = held.iter().copied().map(u128::from).sum();
        let upper = *held.get(held.len() / 2)?;
        let lower = *held.get((held.len() - 1) / 2)?;
        Some(Self {
            mean_ns: u64::try_from(sum / held.len() as u128).ok()?,
            median_ns: lower.midpoint(upper),
            max_ns,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use market::{ExitReason, Market, Quantity, Side, Symbol, UtcNs};

    fn trade(gross: i64, fees: i64, funding: i64, held_ns: i64) -> ClosedTrade {
        ClosedTrade {
            strategy: "imbalance".to_string(),
            market: Market::UsdM,
            symbol: Symbol::new(b"BTCUSDT").unwrap(),
            side: Side::Buy,
            quantity: Quantity(1),
            entry_value: Money::from_whole(100),
            entry_price: Money::from_whole(100),
            exit_price: Money::from_whole(100 + gross),
            opened: UtcNs(0),
            closed: UtcNs(held_ns),
            exit_reason: ExitReason::Signal,
            gross: Money::from_whole(gross),
            fees: Money::from_whole(fees),
            funding: Money::from_whole(funding),
        }
    }

    #[test]
    fn fees_and_funding_decide_who_won() {
        let trades = [
            trade(10, 2, 0, 5), // 8
            trade(2, 2, 0, 1),  // 0: neither
            trade(1, 2, 0, 9),  // -1
            trade(0, 2, 3, 2),  // 1: funding made it
            trade(-3, 2, 1, 4), // -4
        ];
        let found = TradeFigures::of(&trades);
        assert_eq!((found.trades, found.won, found.lost), (5, 2, 2));
        assert_eq!(found.net, Money::from_whole(4).into());
        assert_eq!(found.net, found.gross - found.fees + found.funding);
        assert_eq!(found.win_rate(), Some(0.5));
        assert_eq!(found.profit_factor(), Some(1.8));
        assert_eq!(found.expectancy(), Some(Money(80_000_000)));
        assert_eq!(found.average_win(), Some(Money(450_000_000)));
        assert_eq!(found.average_loss(), Some(Money(250_000_000)));
        assert_eq!(found.break_even_win_rate(), Some(2.5 / 7.0));
        let hold = found.hold.unwrap();
        assert_eq!((hold.mean_ns, hold.median_ns, hold.max_ns), (4, 4, 9));
        let two = TradeFigures::of(&trades[..2]).hold.unwrap();
        assert_eq!(two.median_ns, 3, "between the middle two");
    }

    #[test]
    fn without_trades_or_losses_nothing_is_made_up() {
        let none = TradeFigures::of([]);
        assert_eq!(
            (none.win_rate(), none.expectancy(), none.hold),
            (None, None, None)
        );
        let winner = TradeFigures::of(&[trade(10, 2, 0, 5)]);
        assert_eq!(winner.win_rate(), Some(1.0));
        assert_eq!(
            (winner.profit_factor(), winner.average_loss()),
            (None, None)
        );
        assert_eq!(winner.break_even_win_rate(), None);
    }

    #[test]
    fn a_trade_closed_before_it_was_opened_was_held_for_no_time() {
        assert_eq!(trade(1, 0, 0, -7).held_ns(), 0);
        let mut longest = trade(1, 0, 0, i64::MAX);
        longest.opened = UtcNs(i64::MIN);
        assert_eq!(longest.held_ns(), u64::MAX);
    }
}
