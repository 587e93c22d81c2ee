//! Units as newtypes: ticks, lots, money, rates, times.
//!
//! In: integers. Out: types that do not mix. Never: a float.

use crate::codec::wire_newtype;

/// A price in ticks of its instrument. Always positive on the wire; differences may be negative.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Price(pub i64);

/// A quantity in lots of its instrument. Signed where it is a position.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Quantity(pub i64);

/// An amount of the quote asset in units of 1e-8 (the exchange's wallet precision).
///
/// Range: about +/- 92 billion USDT. Additions are checked by the caller's profile
/// (`overflow-checks` stays on in release); `Instrument::money` works in 128 bits.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Money(pub i64);

/// The middle between best bid and best ask, in half ticks, in which it is always whole.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Mid(pub i64);

/// A dimensionless ratio in units of 1e-8 (fee rates, funding rates, limits as shares).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Rate(pub i64);

/// Monotonic time in nanoseconds (CLOCK_MONOTONIC); comparable between processes of one boot.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct MonoNs(pub u64);

/// Wall-clock time, UTC, nanoseconds since the epoch.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct UtcNs(pub i64);

/// Exchange time, UTC, milliseconds since the epoch.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct UtcMs(pub i64);

wire_newtype!(
    Price(i64),
    Quantity(i64),
    Money(i64),
    Mid(i64),
    Rate(i64),
    MonoNs(u64),
    UtcNs(i64),
    UtcMs(i64)
);

/// Units of [`Money`] and [`Rate`] in one whole.
pub const ONE: i64 = 100_000_000;

impl Price {
    /// The price moved by `ticks`; saturates at the ends of the range.
    #[must_use]
    pub const fn offset(self, ticks: i64) -> Self {
        Self(self.0.saturating_add(ticks))
    }
}

impl Mid {
    /// Between `bid` and `ask`.
    #[must_use]
    pub const fn between(bid: Price, ask: Price) -> Self {
        Self(bid.0.saturating_add(ask.0))
    }
}

impl Quantity {
    /// No lots.
    pub const ZERO: Self = Self(0);

    /// The number of lots without its sign.
    #[must_use]
    pub const fn magnitude(self) -> Self {
        Self(self.0.saturating_abs())
    }

    /// True when there is nothing: a removed level, a flat position.
    #[must_use]
    pub const fn is_zero(self) -> bool {
        self.0 == 0
    }
}

impl Money {
    /// Nothing.
    pub const ZERO: Self = Self(0);

    /// Money from whole units of the quote asset.
    #[must_use]
    pub const fn from_whole(whole: i64) -> Self {
        Self(whole * ONE)
    }

    /// This amount times `rate`, rounded half away from zero to 1e-8.
    #[must_use]
    pub const fn times(self, rate: Rate) -> Self {
        Self(round_div(self.0 as i128 * rate.0 as i128, ONE as i128))
    }
}

impl MonoNs {
    /// Nanoseconds from `earlier` to `self`; 0 when `earlier` is later.
    #[must_use]
    pub const fn since(self, earlier: Self) -> u64 {
        self.0.saturating_sub(earlier.0)
    }

    /// The moment `ns` later.
    #[must_use]
    pub const fn after(self, ns: u64) -> Self {
        Self(self.0.saturating_add(ns))
    }
}

impl UtcNs {
    /// The same moment in milliseconds, rounded down.
    #[must_use]
    pub const fn to_ms(self) -> UtcMs {
        UtcMs(self.0.div_euclid(1_000_000))
    }
}

/// Divides and rounds half away from zero.
///
/// # Panics
/// When `divisor` is 0 or the result does not fit 64 bits: both are bugs of the caller.
#[must_use]
pub const fn round_div(dividend: i128, divisor: i128) -> i64 {
    let rounded = round_div_wide(dividend, divisor);
    assert!(rounded >= i64::MIN as i128 && rounded <= i64::MAX as i128);
    rounded as i64
}

/// Divides and rounds half away from zero; a result beyond 64 bits becomes the end of the range.
///
/// # Panics
/// When `divisor` is 0: that is a bug of the caller.
#[must_use]
pub const fn round_div_saturating(dividend: i128, divisor: i128) -> i64 {
    let rounded = round_div_wide(dividend, divisor);
    if rounded > i64::MAX as i128 {
        i64::MAX
    } else if rounded < i64::MIN as i128 {
        i64::MIN
    } else {
        rounded as i64
    }
}

/// `dividend / divisor`, to the nearest; half away from zero.
///
/// # Panics
/// When `divisor` is 0.
#[must_use]
pub const fn round_div_wide(dividend: i128, divisor: i128) -> i128 {
    assert!(divisor != 0);
    let quotient = dividend / divisor;
    let remainder = dividend % divisor;
    let twice = remainder.unsigned_abs() * 2;
    let away = twice >= divisor.unsigned_abs();
    let step = if (dividend < 0) == (divisor < 0) {
        1
    } else {
        -1
    };
    if away { quotient + step } else { quotient }
}

macro_rules! arithmetic {
    ($($name:ident),*) => {$(
        impl core::ops::Add for $name {
            type Output = Self;
            fn add(self, other: Self) -> Self { Self(self.0 + other.0) }
        }
        impl core::ops::Sub for $name {
            type Output = Self;
            fn sub(self, other: Self) -> Self { Self(self.0 - other.0) }
        }
        impl core::ops::Neg for $name {
            type Output = Self;
            fn neg(self) -> Self { Self(-self.0) }
        }
        impl core::ops::AddAssign for $name {
            fn add_assign(&mut self, other: Self) { self.0 += other.0; }
        }
        impl core::ops::SubAssign for $name {
            fn sub_assign(&mut self, other: Self) { self.0 -= other.0; }
        }
        impl core::iter::Sum for $name {
            fn sum<I: Iterator<Item = Self>>(items: I) -> Self {
                items.fold(Self(0), |total, item| total + item)
            }
        }
    )*};
}
arithmetic!(Quantity, Money);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rounds_half_away_from_zero_on_both_signs() {
        let cases = [
            (5, 2, 3),
            (-5, 2, -3),
            (5, -2, -3),
            (4, 3, 1),
            (-4, 3, -1),
            (0, 7, 0),
            (1, 3, 0),
        ];
        for (dividend, divisor, expected) in cases {
            assert_eq!(
                round_div(dividend, divisor),
                expected,
                "{dividend}/{divisor}"
            );
        }
    }

    #[test]
    fn fee_of_a_fill_is_exact_to_the_last_unit() {
        // 0.02 % of 28145.10 USDT = 5.62902 USDT.
        assert_eq!(
            Money(28_145 * ONE + 10_000_000).times(Rate(20_000)),
            Money(562_902_000)
        );
    }
}
