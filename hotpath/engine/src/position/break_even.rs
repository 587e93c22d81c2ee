//! How often a strategy must win only to pay its fees.
//!
//! In: target, stop and fee rates. Out: shares for display. Never: a decision.

use market::Rate;

/// Share of trades that must win so that profit and loss after fees come out at nothing.
///
/// `take_profit` and `stop_loss` are shares of the entry price; `fees_won` and `fees_lost` are
/// the fee rates of entry and exit together, for a trade that wins and for one that loses.
/// `None` when no win rate is enough.
#[must_use]
pub fn break_even_win_rate(
    take_profit: Rate,
    stop_loss: Rate,
    fees_won: Rate,
    fees_lost: Rate,
) -> Option<f64> {
    let gain = take_profit.0 - fees_won.0;
    let loss = stop_loss.0 + fees_lost.0;
    if gain <= 0 || loss < 0 {
        return None;
    }
    Some(loss as f64 / (gain + loss) as f64)
}

/// Share of closed trades that won; `None` before the first.
#[must_use]
pub fn reached_win_rate(trades_won: u64, trades_closed: u64) -> Option<f64> {
    (trades_closed > 0).then(|| trades_won as f64 / trades_closed as f64)
}

#[cfg(test)]
mod tests {
    use super::*;

    const MAKER: i64 = 20_000;
    const TAKER: i64 = 50_000;

    fn permille(fees_won: i64, fees_lost: i64) -> i64 {
        let rate = |value| Rate(value);
        let share = break_even_win_rate(
            rate(200_000),
            rate(150_000),
            rate(fees_won),
            rate(fees_lost),
        );
        (share.expect("within reach") * 1_000.0 + 0.5) as i64
    }

    #[test]
    fn the_design_figures_hold() {
        // Maker in and out, the stop taken: 57.9 %. Taker throughout: 71.4 %.
        assert_eq!(permille(2 * MAKER, MAKER + TAKER), 579);
        assert_eq!(permille(2 * TAKER, 2 * TAKER), 714);
    }

    #[test]
    fn fees_above_the_target_leave_no_way_to_win() {
        assert_eq!(
            break_even_win_rate(Rate(90_000), Rate(1), Rate(100_000), Rate(0)),
            None
        );
        assert_eq!(reached_win_rate(0, 0), None);
        assert_eq!(reached_win_rate(3, 4), Some(0.75));
    }
}
