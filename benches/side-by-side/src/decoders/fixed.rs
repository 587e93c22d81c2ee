//! Decimal texts to integers, as a peer's good user would write it.
//!
//! In: `28145.10`. Out: 2814510 at two decimals. Never: a division: peers keep the wire's
//! decimals, and only the comparison turns them into ticks and lots.

use super::Depth;
use market::{Instrument, Step};
use rust_decimal::Decimal;

/// The decimals of an instrument on the wire, and its steps.
#[derive(Clone, Copy)]
pub(super) struct Scale {
    pub(super) price_decimals: u32,
    pub(super) quantity_decimals: u32,
    tick: Step,
    lot: Step,
}

impl Scale {
    pub(super) fn of(instrument: &Instrument) -> Self {
        Self {
            price_decimals: u32::from(instrument.price_decimals),
            quantity_decimals: u32::from(instrument.quantity_decimals),
            tick: instrument.tick,
            lot: instrument.lot,
        }
    }

    /// Ticks and lots of wire integers; for comparison.
    pub(super) fn steps(self, (price, quantity): (i64, i64)) -> (i64, i64) {
        let steps = |value: i64, decimals: u32, step: Step| {
            let unit = step.mantissa * 10i64.pow(decimals - u32::from(step.decimals));
            assert_eq!(value % unit, 0, "{value} lies between two steps");
            value / unit
        };
        (
            steps(price, self.price_decimals, self.tick),
            steps(quantity, self.quantity_decimals, self.lot),
        )
    }

    /// A difference of wire integers; for comparison.
    pub(super) fn depth(self, ids: [u64; 3], bids: &[(i64, i64)], asks: &[(i64, i64)]) -> Depth {
        let all = |side: &[(i64, i64)]| side.iter().map(|one| self.steps(*one)).collect();
        Depth {
            ids,
            bids: all(bids),
            asks: all(asks),
        }
    }

    /// Wire integers of texts; None when one is no plain decimal.
    #[inline]
    pub(super) fn level(self, price: &str, quantity: &str) -> Option<(i64, i64)> {
        Some((
            fixed(price.as_bytes(), self.price_decimals)?,
            fixed(quantity.as_bytes(), self.quantity_decimals)?,
        ))
    }

    /// Wire integers of decimals; for comparison.
    pub(super) fn of_decimals(self, price: Decimal, quantity: Decimal) -> (i64, i64) {
        let scaled = |mut value: Decimal, decimals: u32| {
            value.rescale(decimals);
            i64::try_from(value.mantissa()).expect("a price or quantity fits 63 bits")
        };
        (
            scaled(price, self.price_decimals),
            scaled(quantity, self.quantity_decimals),
        )
    }

    /// Wire integers of floats; for comparison.
    pub(super) fn of_floats(self, price: f64, quantity: f64) -> (i64, i64) {
        let scaled = |value: f64, decimals: u32| (value * f64::from(10u32.pow(decimals))).round();
        (
            scaled(price, self.price_decimals) as i64,
            scaled(quantity, self.quantity_decimals) as i64,
        )
    }
}

#[inline]
fn fixed(text: &[u8], decimals: u32) -> Option<i64> {
    let mut value = 0i64;
    let mut after = None;
    for byte in text {
        let digit = byte.wrapping_sub(b'0');
        if digit < 10 {
            value = value.wrapping_mul(10).wrapping_add(i64::from(digit));
            after = after.map(|count: u32| count + 1);
        } else if *byte == b'.' && after.is_none() {
            after = Some(0);
        } else {
            return None;
        }
    }
    // The exchange writes the same number of decimals each time: this loop is for the others.
    for _ in after.unwrap_or(0)..decimals {
        value = value.wrapping_mul(10);
    }
    Some(value)
}

#[cfg(test)]
mod tests {
    use super::fixed;

    #[test]
    fn texts_of_fewer_decimals_are_the_same_number() {
        assert_eq!(fixed(b"28145.10", 2), Some(2_814_510));
        assert_eq!(fixed(b"28145.1", 2), Some(2_814_510));
        assert_eq!(fixed(b"28145", 2), Some(2_814_500));
        assert_eq!(fixed(b"1.2.3", 2), None);
        assert_eq!(fixed(b"-1", 2), None);
    }
}
