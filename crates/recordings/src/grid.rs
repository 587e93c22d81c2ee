//! Tick, lot and wire decimals, read off the numbers of a recording.
//!
//! In: price and quantity texts. Out: the largest step that all of them are multiples of, and the
//! most decimals that were written. Never: an exchangeInfo, which may be of another year.

use market::Step;
use serde::Deserialize;
use serde_json::value::RawValue;

/// The grid of prices or of quantities.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Grid {
    /// Greatest common divisor so far, at `decimals`; 0 before the first number other than 0.
    divisor: u64,
    /// Most decimals written so far.
    decimals: u8,
}

/// Prices and quantities of one instrument.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Grids {
    pub(crate) price: Grid,
    pub(crate) quantity: Grid,
}

impl Grid {
    /// The step, in lowest terms; one whole where no number was seen.
    #[must_use]
    pub fn step(&self) -> Step {
        let (mut mantissa, mut decimals) = (self.divisor.max(1), self.decimals);
        if self.divisor == 0 {
            decimals = 0;
        }
        while decimals > 0 && mantissa.is_multiple_of(10) {
            mantissa /= 10;
            decimals -= 1;
        }
        Step {
            mantissa: i64::try_from(mantissa).unwrap_or(1),
            decimals,
        }
    }

    /// Decimals as the stream writes them.
    #[must_use]
    pub fn decimals(&self) -> u8 {
        self.decimals
    }

    /// Takes one number.
    pub(crate) fn note(&mut self, text: &str) -> Result<(), String> {
        let bad = || format!("not a plain decimal number: `{text}`");
        let (value, decimals) = mantissa(text).ok_or_else(bad)?;
        self.refine(value, decimals).ok_or_else(bad)
    }

    /// Takes all numbers that another grid took.
    pub(crate) fn absorb(&mut self, other: &Self) {
        // Both have been checked number by number; only a scale beyond 64 bits could fail, and
        // then the finer grid of the two is the better guess.
        if self.refine(other.divisor, other.decimals).is_none() {
            *self = *other;
        }
    }

    fn refine(&mut self, mut value: u64, decimals: u8) -> Option<()> {
        if decimals > self.decimals {
            let scale = 10u64.pow(u32::from(decimals - self.decimals));
            self.divisor = self.divisor.checked_mul(scale)?;
            self.decimals = decimals;
        } else if decimals < self.decimals {
            let scale = 10u64.pow(u32::from(self.decimals - decimals));
            value = value.checked_mul(scale)?;
        }
        if self.divisor == 0 || !value.is_multiple_of(self.divisor) {
            self.divisor = greatest_common_divisor(self.divisor, value);
        }
        Some(())
    }
}

#[derive(Deserialize)]
struct Numbers<'a> {
    #[serde(borrow, alias = "bids")]
    b: Option<&'a RawValue>,
    #[serde(borrow, alias = "asks")]
    a: Option<&'a RawValue>,
    #[serde(rename = "B", borrow)]
    bid_quantity: Option<&'a RawValue>,
    #[serde(rename = "A", borrow)]
    ask_quantity: Option<&'a RawValue>,
    #[serde(borrow)]
    p: Option<&'a RawValue>,
    #[serde(borrow)]
    q: Option<&'a RawValue>,
}

impl Grids {
    /// Takes the numbers of a difference or snapshot.
    pub(crate) fn note_levels(&mut self, payload: &[u8]) -> Result<(), String> {
        let numbers = read(payload)?;
        for side in [numbers.b, numbers.a] {
            let side = side.ok_or("a side is missing")?;
            let levels: Vec<(&str, &str)> =
                serde_json::from_str(side.get()).map_err(|error| error.to_string())?;
            for (price, quantity) in levels {
                self.price.note(price)?;
                self.quantity.note(quantity)?;
            }
        }
        Ok(())
    }

    /// Takes the numbers of a bookTicker.
    pub(crate) fn note_ticker(&mut self, payload: &[u8]) -> Result<(), String> {
        let numbers = read(payload)?;
        for price in [numbers.b, numbers.a] {
            self.price.note(text(price)?)?;
        }
        for quantity in [numbers.bid_quantity, numbers.ask_quantity] {
            self.quantity.note(text(quantity)?)?;
        }
        Ok(())
    }

    /// Takes the numbers of a trade or an aggregate trade.
    pub(crate) fn note_trade(&mut self, payload: &[u8]) -> Result<(), String> {
        let numbers = read(payload)?;
        self.price.note(text(numbers.p)?)?;
        self.quantity.note(text(numbers.q)?)
    }
}

fn read(payload: &[u8]) -> Result<Numbers<'_>, String> {
    serde_json::from_slice(payload).map_err(|error| error.to_string())
}

fn text(value: Option<&RawValue>) -> Result<&str, String> {
    let value = value.ok_or("a number is missing")?;
    serde_json::from_str(value.get())
        .map_err(|_| format!("not a number in quotes: {}", value.get()))
}

fn mantissa(text: &str) -> Option<(u64, u8)> {
    let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
    let digits = |part: &str| part.bytes().all(|byte| byte.is_ascii_digit());
    if whole.is_empty() || !digits(whole) || !digits(fraction) {
        return None;
    }
    let decimals = u8::try_from(fraction.len()).ok()?;
    if decimals > Step::DECIMALS_MAX {
        return None;
    }
    let mut value: u64 = whole.parse().ok()?;
    for byte in fraction.bytes() {
        value = value.checked_mul(10)?.checked_add(u64::from(byte - b'0'))?;
    }
    Some((value, decimals))
}

fn greatest_common_divisor(mut left: u64, mut right: u64) -> u64 {
    while right != 0 {
        (left, right) = (right, left % right);
    }
    left
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_step_is_the_largest_that_fits_all_numbers() {
        let cases: [(&[&str], (i64, u8), u8); 4] = [
            (&["28145.20", "28145.40", "1000.00"], (2, 1), 2),
            (&["28145.10", "28145.20"], (1, 1), 2),
            (&["0.075", "0.100", "0.000"], (25, 3), 3),
            (&["3", "0.5"], (5, 1), 1),
        ];
        for (texts, (mantissa, decimals), written) in cases {
            let mut grid = Grid::default();
            texts.iter().for_each(|text| grid.note(text).unwrap());
            assert_eq!(grid.step(), Step { mantissa, decimals }, "{texts:?}");
            assert_eq!(grid.decimals(), written);
        }
        let mut grid = Grid::default();
        for bad in ["", "-1", "1e5", ".5", "1.2.3", "99999999999999999999"] {
            assert!(grid.note(bad).is_err(), "{bad}");
        }
        assert_eq!(
            grid.step(),
            Step {
                mantissa: 1,
                decimals: 0
            }
        );
    }
}
