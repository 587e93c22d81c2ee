//! Prices at a distance, rounded on purpose.
//!
//! In: prices in ticks, rates, costs. Out: prices on the tick grid. Never: a float.

use crate::position::Position;
use market::units::ONE;
use market::{Price, Rate, Side};

/// To which tick a price between two ticks goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PriceRounding {
    /// The lower one.
    Down,
    /// The higher one.
    Up,
}

/// `price` moved by `rate` of itself, up for buys and down for sells, rounded towards `price`.
///
/// This is how far an order that takes may reach.
#[must_use]
pub fn moved(price: Price, rate: Rate, side: Side) -> Price {
    let factor = ONE + side.sign() * rate.0;
    let rounding = match side {
        Side::Buy => PriceRounding::Down,
        Side::Sell => PriceRounding::Up,
    };
    match price.0.checked_mul(factor) {
        // Nearly always: a division by a constant, in 64 bits.
        Some(scaled) => {
            let (floor, rest) = (scaled.div_euclid(ONE), scaled.rem_euclid(ONE));
            rounded(floor, rest == 0, rounding)
        }
        None => {
            let scaled = i128::from(price.0) * i128::from(factor);
            divide(scaled, i128::from(ONE), rounding)
        }
    }
}

/// The price at which `position` has gained `rate` of its entry price, rounded to the better.
///
/// 0 for a flat position.
#[must_use]
pub fn target_price(position: &Position, rate: Rate) -> Price {
    let lots = i128::from(position.quantity.0);
    if lots == 0 {
        return Price(0);
    }
    let (sign, rounding) = if lots > 0 {
        (1, PriceRounding::Up)
    } else {
        (-1, PriceRounding::Down)
    };
    let scaled = position.cost_tick_lots * i128::from(ONE + sign * rate.0);
    divide(scaled, lots * i128::from(ONE), rounding)
}

fn divide(dividend: i128, divisor: i128, rounding: PriceRounding) -> Price {
    let (dividend, divisor) = if divisor < 0 {
        (-dividend, -divisor)
    } else {
        (dividend, divisor)
    };
    let floor = dividend.div_euclid(divisor);
    let exact = dividend.rem_euclid(divisor) == 0;
    rounded(i64::try_from(floor).unwrap_or(i64::MAX), exact, rounding)
}

fn rounded(floor: i64, exact: bool, rounding: PriceRounding) -> Price {
    let ticks = match rounding {
        PriceRounding::Up if !exact => floor.saturating_add(1),
        _ => floor,
    };
    // Prices are positive; an order below one tick cannot exist.
    Price(ticks.max(1))
}

#[cfg(test)]
mod tests {
    use super::*;
    use market::{Money, MonoNs, Quantity};

    #[test]
    fn a_collar_never_reaches_further_than_its_rate() {
        let rate = Rate(50_000); // 0.05 %
        assert_eq!(moved(Price(10_001), rate, Side::Buy), Price(10_006));
        assert_eq!(moved(Price(10_001), rate, Side::Sell), Price(9_996));
    }

    #[test]
    fn both_widths_of_a_collar_round_alike() {
        let rate = Rate(50_000);
        for price in [1, 7, 10_001, 92_233_720_368, 92_233_720_369, i64::MAX / 2] {
            for side in [Side::Buy, Side::Sell] {
                let scaled = i128::from(price) * i128::from(ONE + side.sign() * rate.0);
                let rounding = match side {
                    Side::Buy => PriceRounding::Down,
                    Side::Sell => PriceRounding::Up,
                };
                let wide = divide(scaled, i128::from(ONE), rounding);
                assert_eq!(moved(Price(price), rate, side), wide, "{price} {side}");
            }
        }
    }

    #[test]
    fn a_target_gains_at_least_its_rate() {
        let rate = Rate(200_000); // 0.2 %
        let mut position = Position::default();
        assert_eq!(target_price(&position, rate), Price(0));
        position.apply(Side::Buy, Price(1_001), Quantity(3), Money(0), MonoNs(1));
        assert_eq!(target_price(&position, rate), Price(1_004)); // 1003.002
        let mut short = Position::default();
        short.apply(Side::Sell, Price(1_001), Quantity(3), Money(0), MonoNs(1));
        assert_eq!(target_price(&short, rate), Price(998)); // 998.998
    }
}
