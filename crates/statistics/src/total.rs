//! Exact sums of money.
//!
//! In: money. Out: a sum that no history can overflow. Never: a float that is added to another.

use core::fmt;
use core::iter::Sum;
use core::ops::{Add, AddAssign, Neg, Sub};
use market::Money;
use market::units::{ONE, round_div_saturating};

/// A sum of [`Money`], in the same units of 1e-8 of the quote asset, with 128 bits: it holds the sum
/// of 2^64 amounts of any size, so that adding never fails, whatever the inputs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Total(i128);

impl Total {
    /// Nothing.
    pub const ZERO: Self = Self(0);

    /// Units of 1e-8.
    #[must_use]
    pub const fn units(self) -> i128 {
        self.0
    }

    /// As money; none beyond its range of about +/- 92 billion.
    #[must_use]
    pub fn money(self) -> Option<Money> {
        i64::try_from(self.0).ok().map(Money)
    }

    /// This sum over `count`, rounded half away from zero to 1e-8; none over nothing.
    #[must_use]
    pub fn mean(self, count: u64) -> Option<Money> {
        (count > 0).then(|| Money(round_div_saturating(self.0, i128::from(count))))
    }

    /// This sum as a multiple of `base`; none where `base` is not positive.
    #[must_use]
    pub fn ratio_to(self, base: Self) -> Option<f64> {
        (base.0 > 0).then(|| self.0 as f64 / base.0 as f64)
    }
}

impl From<Money> for Total {
    fn from(money: Money) -> Self {
        Self(i128::from(money.0))
    }
}

impl Add for Total {
    type Output = Self;
    fn add(self, other: Self) -> Self {
        Self(self.0 + other.0)
    }
}

impl Sub for Total {
    type Output = Self;
    fn sub(self, other: Self) -> Self {
        Self(self.0 - other.0)
    }
}

impl Neg for Total {
    type Output = Self;
    fn neg(self) -> Self {
        Self(-self.0)
    }
}

impl AddAssign for Total {
    fn add_assign(&mut self, other: Self) {
        self.0 += other.0;
    }
}

impl Sum for Total {
    fn sum<I: Iterator<Item = Self>>(items: I) -> Self {
        items.fold(Self::ZERO, Add::add)
    }
}

impl Sum<Money> for Total {
    fn sum<I: Iterator<Item = Money>>(items: I) -> Self {
        items.map(Self::from).sum()
    }
}

/// Decimal text with all eight decimals.
impl fmt::Display for Total {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let one = u128::from(ONE.unsigned_abs());
        let magnitude = self.0.unsigned_abs();
        let text = format!("{}.{:08}", magnitude / one, magnitude % one);
        f.pad_integral(self.0 >= 0, "", &text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_largest_amounts_add_up_and_come_back_as_no_money() {
        let two: Total = [Money(i64::MAX), Money(i64::MAX)].into_iter().sum();
        assert_eq!(two.units(), 2 * i128::from(i64::MAX));
        assert_eq!(two.money(), None);
        assert_eq!(two.mean(2), Some(Money(i64::MAX)));
        assert_eq!(
            (two - Total::from(Money(i64::MAX))).money(),
            Some(Money(i64::MAX))
        );
    }

    #[test]
    fn a_mean_over_nothing_and_a_ratio_to_nothing_are_none() {
        let one = Total::from(Money(5));
        assert_eq!(one.mean(0), None);
        assert_eq!(one.mean(2), Some(Money(3)));
        assert_eq!((-one).mean(2), Some(Money(-3)));
        assert_eq!(one.ratio_to(Total::ZERO), None);
        assert_eq!(one.ratio_to(-one), None);
        assert_eq!(one.ratio_to(one + one), Some(0.5));
        assert_eq!(one.ratio_to(Money(1).into()), Some(5.0));
    }

    #[test]
    fn the_text_has_every_decimal_and_the_sign_of_small_amounts() {
        for (units, text) in [
            (0, "0.00000000"),
            (-1, "-0.00000001"),
            (250_000_001, "2.50000001"),
        ] {
            assert_eq!(Total::from(Money(units)).to_string(), text);
        }
    }
}
