//! The win rate that a strategy needs at the present fees, and the one that it reached.
//!
//! In: profit target, stop, fee rates. Out: shares in 1e-8. Never: a float.

use market::Rate;
use market::units::{ONE, round_div};
use settings::{EntryStyle, FeeSettings, StrategyKind, StrategySettings};

/// Win rate at which profits pay for losses and fees; none for a strategy without target and stop,
/// or one that cannot win at these fees.
///
/// A maker enters and takes profit as maker and is stopped out as taker; a taker is taker
/// throughout.
#[must_use]
pub fn win_rate(strategy: &StrategySettings, fees: &FeeSettings) -> Option<Rate> {
    let StrategyKind::Imbalance(parameters) = strategy.kind else {
        return None;
    };
    let entry = match parameters.entry {
        EntryStyle::Maker => fees.maker.0,
        EntryStyle::Taker => fees.taker.0,
    };
    let win = parameters.take_profit.0 - 2 * entry;
    let loss = parameters.stop_loss.0 + entry + fees.taker.0;
    (win > 0).then(|| share(loss, win + loss))
}

/// `part` of `whole` in 1e-8.
#[must_use]
pub fn share(part: i64, whole: i64) -> Rate {
    Rate(round_div(
        i128::from(part) * i128::from(ONE),
        i128::from(whole),
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn strategy(entry: &str) -> (StrategySettings, FeeSettings) {
        let text = format!(
            "[[instrument]]\nmarket = \"usdm\"\nsymbol = \"BTCUSDT\"\n\
             [[strategy]]\nkind = \"imbalance\"\nsymbols = [\"BTCUSDT\"]\nentry = \"{entry}\"\n"
        );
        let settings = settings::Settings::check("test.toml", &text).unwrap();
        (settings.strategies[0].clone(), settings.fees)
    }

    #[test]
    fn the_figures_of_the_design_come_out() {
        for (entry, expected) in [("maker", "57.9"), ("taker", "71.4")] {
            let (strategy, fees) = strategy(entry);
            let rate = win_rate(&strategy, &fees).unwrap();
            let percent = crate::decimal::text(round_div(i128::from(rate.0), 100_000), 1);
            assert_eq!(percent, expected, "{entry}");
        }
    }
}
