//! Fees in the quote asset, whatever they were paid in.
//!
//! In: a fill's commission. Out: money. Never: a float.

use super::trades::Traded;
use crate::bounds;
use crate::config::EngineConfig;
use market::units::round_div_saturating;
use market::{Instrument, Liquidity, Money};

/// The fee of a fill in the quote asset; positive = paid.
///
/// A fee in the base asset (spot buys) is valued at the fill's price. One in a third asset has no
/// price here, and is estimated by the configured rate.
pub(super) fn fee_in_quote(
    traded: &Traded,
    instrument: &Instrument,
    config: &EngineConfig,
) -> Money {
    bounds::fee(unbounded(traded, instrument, config))
}

fn unbounded(traded: &Traded, instrument: &Instrument, config: &EngineConfig) -> Money {
    let asset = traded.commission_asset.as_bytes();
    if asset.is_empty() || traded.commission_asset == config.quote_asset {
        return traded.commission;
    }
    let symbol = instrument.symbol.as_bytes();
    let base = symbol.strip_suffix(config.quote_asset.as_bytes());
    if base == Some(asset) {
        let ticks = i128::from(traded.price.0) * i128::from(instrument.tick.mantissa);
        let scale = 10i128.pow(u32::from(instrument.tick.decimals));
        return Money(round_div_saturating(
            i128::from(traded.commission.0) * ticks,
            scale,
        ));
    }
    let rate = match traded.liquidity {
        Liquidity::Maker => config.fees.maker,
        Liquidity::Taker => config.fees.taker,
    };
    instrument
        .notional(traded.price, traded.quantity)
        .times(rate)
}
