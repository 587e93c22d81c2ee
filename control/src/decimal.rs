//! Integers of ledger and pages as decimal text.
//!
//! In: money, ticks, lots. Out: exact text. Never: a float.

use market::decimal::{TEXT_MAX, write_decimal};
use market::{Money, Step};

/// Money with eight decimals.
#[must_use]
pub fn money(value: Money) -> String {
    text(value.0, 8)
}

/// Money rounded half away from zero to `decimals`, for people.
#[must_use]
pub fn money_rounded(value: Money, decimals: u32) -> String {
    let step = 10i128.pow(8 - decimals.min(8));
    text(
        market::units::round_div(i128::from(value.0), step),
        decimals.min(8),
    )
}

/// `value / 10^decimals`.
#[must_use]
pub fn text(value: i64, decimals: u32) -> String {
    let mut buffer = [0; TEXT_MAX];
    String::from_utf8_lossy(write_decimal(value, decimals, &mut buffer)).into_owned()
}

/// A number of steps in the step's own decimals.
#[must_use]
pub fn steps(step: Step, count: i64) -> String {
    let mut buffer = [0; TEXT_MAX];
    String::from_utf8_lossy(step.write(count, step.decimals, &mut buffer)).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_are_exact_and_rounding_is_away_from_zero() {
        assert_eq!(money(Money(-250_000_001)), "-2.50000001");
        assert_eq!(money_rounded(Money(-250_500_000), 2), "-2.51");
        assert_eq!(money_rounded(Money(4), 2), "0.00");
        let step = Step::from_text(b"0.10").unwrap();
        assert_eq!(steps(step, 281_451), "28145.1");
    }
}
