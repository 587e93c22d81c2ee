//! Instruments: market, symbol, tick, lot, filters; text of prices and quantities.
//!
//! In: filters as the exchange states them. Out: exact conversions between wire text, ticks,
//! lots and money. Never: `pricePrecision` taken for a tick.

use crate::decimal::{self, DecimalError};
use crate::ids::{InstrumentId, Symbol};
use crate::units::{Money, Price, Quantity, Rate, round_div_saturating};
use crate::{wire_enum, wire_struct};

wire_enum! {
    /// The part of the venue; stands in every instrument's name.
    pub enum Market {
        /// USD-M perpetual and delivery futures.
        UsdM = "usdm",
        /// Spot.
        Spot = "spot",
    }
}

wire_enum! {
    /// Whether the exchange takes orders for the instrument.
    pub enum InstrumentStatus {
        /// Orders are taken.
        Trading = "TRADING",
        /// Orders are refused (halt, break, settlement, not listed yet).
        NotTrading = "NOT_TRADING",
        /// Only cancels are taken.
        CancelOnly = "CANCEL_ONLY",
    }
}

wire_struct! {
    /// A step of price or quantity: `mantissa / 10^decimals`, in lowest terms.
    #[derive(Clone, Copy, Debug, PartialEq, Eq)]
    pub struct Step {
        /// Positive.
        pub mantissa: i64,
        /// At most 12.
        pub decimals: u8,
    }
}

wire_struct! {
    /// The exchange's filters, in our units. 0 means "not set" where said.
    #[derive(Clone, Copy, Debug, PartialEq, Eq)]
    pub struct Filters {
        /// Lowest price of a limit order; 0 = not set.
        pub price_min: Price,
        /// Highest price of a limit order; 0 = not set.
        pub price_max: Price,
        /// Smallest quantity of a limit order.
        pub quantity_min: Quantity,
        /// Largest quantity of a limit order; 0 = not set.
        pub quantity_max: Quantity,
        /// Largest quantity of a market order; 0 = not set.
        pub market_quantity_max: Quantity,
        /// Smallest notional of an order that is not reduce-only; 0 = not set.
        pub notional_min: Money,
        /// A buy may cost at most mark price times this; 0 = not set.
        pub multiplier_up: Rate,
        /// A sell must ask at least mark price times this; 0 = not set.
        pub multiplier_down: Rate,
        /// Most open orders on this instrument; 0 = not set.
        pub open_orders_max: u32,
    }
}

wire_struct! {
    /// One instrument as fixed at start-up.
    #[derive(Clone, Copy, Debug, PartialEq, Eq)]
    pub struct Instrument {
        /// Index in the table.
        pub id: InstrumentId,
        /// Futures or spot.
        pub market: Market,
        /// As the exchange writes it, upper case.
        pub symbol: Symbol,
        /// Price of one tick.
        pub tick: Step,
        /// Quantity of one lot.
        pub lot: Step,
        /// Decimals of prices as the streams write them (at least the tick's).
        pub price_decimals: u8,
        /// Decimals of quantities as the streams write them (at least the lot's).
        pub quantity_decimals: u8,
        /// Whether it trades.
        pub status: InstrumentStatus,
        /// What an order must satisfy.
        pub filters: Filters,
    }
}

/// Why a wire number is not a price or quantity of this instrument.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NumberError {
    /// Not a plain decimal, or too many digits.
    Decimal(DecimalError),
    /// Between two steps.
    OffGrid,
}

impl core::fmt::Display for NumberError {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        match self {
            Self::Decimal(error) => error.fmt(f),
            Self::OffGrid => f.write_str("a number between two steps of this instrument"),
        }
    }
}

impl core::error::Error for NumberError {}

impl Filters {
    /// No filter set.
    pub const NONE: Self = Self {
        price_min: Price(0),
        price_max: Price(0),
        quantity_min: Quantity(0),
        quantity_max: Quantity(0),
        market_quantity_max: Quantity(0),
        notional_min: Money(0),
        multiplier_up: Rate(0),
        multiplier_down: Rate(0),
        open_orders_max: 0,
    };
}

impl Step {
    /// Most decimals of a step.
    pub const DECIMALS_MAX: u8 = 12;

    /// The step written as `text` (`"0.10"`), reduced to its fewest decimals.
    ///
    /// # Errors
    /// [`DecimalError`] when it is not a positive decimal of at most 12 decimals.
    pub fn from_text(text: &[u8]) -> Result<Self, DecimalError> {
        let mut mantissa = decimal::parse_decimal(text, u32::from(Self::DECIMALS_MAX))?;
        if mantissa == 0 {
            return Err(DecimalError::Empty);
        }
        let mut decimals = Self::DECIMALS_MAX;
        while decimals > 0 && mantissa % 10 == 0 {
            mantissa /= 10;
            decimals -= 1;
        }
        Ok(Self { mantissa, decimals })
    }

    /// Number of steps in `text`.
    ///
    /// # Errors
    /// [`NumberError`] when the text is no number or lies between two steps.
    pub fn count_in(self, text: &[u8]) -> Result<i64, NumberError> {
        let value = decimal::parse_decimal(text, u32::from(self.decimals)).map_err(|error| {
            // Digits finer than the step's own decimals can only be off its grid.
            if error == DecimalError::Precision {
                NumberError::OffGrid
            } else {
                NumberError::Decimal(error)
            }
        })?;
        if self.mantissa == 1 {
            return Ok(value);
        }
        if value % self.mantissa == 0 {
            Ok(value / self.mantissa)
        } else {
            Err(NumberError::OffGrid)
        }
    }

    /// Writes `count` steps with `decimals` decimals (at least the step's own).
    ///
    /// # Panics
    /// When `decimals` is smaller than the step's: both are fixed at start-up.
    pub fn write(self, count: i64, decimals: u8, buffer: &mut [u8; decimal::TEXT_MAX]) -> &[u8] {
        assert!(decimals >= self.decimals);
        let scale = 10i64.pow(u32::from(decimals - self.decimals));
        let value = count
            .checked_mul(self.mantissa)
            .and_then(|value| value.checked_mul(scale));
        match value {
            Some(value) => decimal::write_decimal(value, u32::from(decimals), buffer),
            None => {
                let wide = i128::from(count) * i128::from(self.mantissa) * i128::from(scale);
                decimal::write_wide_decimal(wide, u32::from(decimals), buffer)
            }
        }
    }

    /// This step as a float, for signals and display only.
    #[must_use]
    pub fn to_f64(self) -> f64 {
        let mut divisor = 1.0;
        for _ in 0..self.decimals {
            divisor *= 10.0;
        }
        self.mantissa as f64 / divisor
    }
}

impl Instrument {
    /// Ticks of a price text.
    ///
    /// # Errors
    /// [`NumberError`].
    pub fn price_from_text(&self, text: &[u8]) -> Result<Price, NumberError> {
        Ok(Price(self.tick.count_in(text)?))
    }

    /// Lots of a quantity text.
    ///
    /// # Errors
    /// [`NumberError`].
    pub fn quantity_from_text(&self, text: &[u8]) -> Result<Quantity, NumberError> {
        Ok(Quantity(self.lot.count_in(text)?))
    }

    /// Writes a price at wire precision.
    pub fn write_price<'a>(
        &self,
        price: Price,
        buffer: &'a mut [u8; decimal::TEXT_MAX],
    ) -> &'a [u8] {
        self.tick.write(price.0, self.price_decimals, buffer)
    }

    /// Writes a quantity at wire precision.
    pub fn write_quantity<'a>(
        &self,
        quantity: Quantity,
        buffer: &'a mut [u8; decimal::TEXT_MAX],
    ) -> &'a [u8] {
        self.lot.write(quantity.0, self.quantity_decimals, buffer)
    }

    /// Value of `tick_lots` (a sum of ticks times lots) in the quote asset, rounded half away
    /// from zero to 1e-8; exact while tick and lot have at most 8 decimals together. What no
    /// [`Money`] can hold becomes the end of its range: prices come from outside.
    #[must_use]
    pub fn money(&self, tick_lots: i128) -> Money {
        let mantissa = i128::from(self.tick.mantissa) * i128::from(self.lot.mantissa);
        let decimals = u32::from(self.tick.decimals) + u32::from(self.lot.decimals);
        if decimals > 8 {
            let value = tick_lots.saturating_mul(mantissa);
            return Money(round_div_saturating(value, 10i128.pow(decimals - 8)));
        }
        let scale = mantissa * i128::from(POWERS_OF_TEN[8 - decimals as usize]);
        let value = match (i64::try_from(tick_lots), i64::try_from(scale)) {
            // Nearly always: one multiplication, which fits 128 bits.
            (Ok(tick_lots), Ok(scale)) => i128::from(tick_lots) * i128::from(scale),
            _ => tick_lots.saturating_mul(scale),
        };
        let end = if value < 0 { i64::MIN } else { i64::MAX };
        Money(i64::try_from(value).unwrap_or(end))
    }

    /// Price times quantity in the quote asset. The sign is the quantity's.
    #[must_use]
    pub fn notional(&self, price: Price, quantity: Quantity) -> Money {
        self.money(i128::from(price.0) * i128::from(quantity.0))
    }

    /// Largest quantity whose notional at `price` does not exceed `notional`; 0 at price 0.
    #[must_use]
    pub fn quantity_for(&self, price: Price, notional: Money) -> Quantity {
        if price.0 <= 0 || notional.0 <= 0 {
            return Quantity(0);
        }
        let mantissa = i128::from(self.tick.mantissa) * i128::from(self.lot.mantissa);
        let decimals = u32::from(self.tick.decimals) + u32::from(self.lot.decimals);
        let lot_value = i128::from(price.0) * mantissa;
        let scaled = if decimals > 8 {
            i128::from(notional.0) * 10i128.pow(decimals - 8) / lot_value
        } else {
            let lot_value = lot_value * i128::from(POWERS_OF_TEN[8 - decimals as usize]);
            match i64::try_from(lot_value) {
                // Nearly always: a division of 64 bits.
                Ok(lot_value) => return Quantity(notional.0 / lot_value),
                Err(_) => i128::from(notional.0) / lot_value,
            }
        };
        Quantity(i64::try_from(scaled).unwrap_or(i64::MAX))
    }
}

/// 10^0 to 10^8.
const POWERS_OF_TEN: [i64; 9] = [
    1,
    10,
    100,
    1_000,
    10_000,
    100_000,
    1_000_000,
    10_000_000,
    100_000_000,
];

/// The start-up table, looked up by symbol. At most 64 entries, so a scan is the fastest index.
#[derive(Clone, Copy, Debug)]
pub struct Instruments<'a>(pub &'a [Instrument]);

impl<'a> Instruments<'a> {
    /// The instrument of `market` with exactly this symbol.
    #[must_use]
    #[inline]
    pub fn find(&self, market: Market, symbol: &[u8]) -> Option<&'a Instrument> {
        self.0
            .iter()
            .find(|one| one.symbol.is(symbol) && one.market == market)
    }

    /// The instrument with this id.
    #[must_use]
    pub fn get(&self, id: InstrumentId) -> Option<&'a Instrument> {
        self.0.get(usize::from(id.0))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn btcusdt() -> Instrument {
        Instrument {
            id: InstrumentId(0),
            market: Market::UsdM,
            symbol: Symbol::new(b"BTCUSDT").unwrap(),
            tick: Step::from_text(b"0.10").unwrap(),
            lot: Step::from_text(b"0.001").unwrap(),
            price_decimals: 2,
            quantity_decimals: 3,
            status: InstrumentStatus::Trading,
            filters: Filters::NONE,
        }
    }

    #[test]
    fn wire_text_becomes_ticks_and_back_at_wire_precision() {
        let instrument = btcusdt();
        let price = instrument.price_from_text(b"28145.10").unwrap();
        assert_eq!(price, Price(281_451));
        let mut buffer = [0; decimal::TEXT_MAX];
        assert_eq!(instrument.write_price(price, &mut buffer), b"28145.10");
        assert_eq!(
            instrument.price_from_text(b"28145.15"),
            Err(NumberError::OffGrid)
        );
        assert_eq!(
            instrument.notional(price, Quantity(2)),
            Money(5_629_020_000)
        );
        assert_eq!(
            instrument.quantity_for(price, Money::from_whole(100)),
            Quantity(3)
        );
    }

    #[test]
    fn money_of_any_size_is_that_of_wide_arithmetic() {
        let steps = [(1, 0), (1, 1), (25, 2), (1, 4), (5, 5), (1, 8)];
        let amounts = [0, 1, 3, 99_999, i128::from(i64::MAX), 1 << 90, 1 << 126];
        for (tick, lot) in steps.iter().flat_map(|tick| steps.map(|lot| (*tick, lot))) {
            let mut instrument = btcusdt();
            (instrument.tick.mantissa, instrument.tick.decimals) = tick;
            (instrument.lot.mantissa, instrument.lot.decimals) = lot;
            for amount in amounts.iter().flat_map(|amount| [*amount, -*amount]) {
                let decimals = u32::from(tick.1 + lot.1);
                let value = amount.saturating_mul(i128::from(tick.0 * lot.0));
                let wide = value.saturating_mul(10i128.pow(8u32.saturating_sub(decimals)));
                let divisor = 10i128.pow(decimals.saturating_sub(8));
                let expected = Money(round_div_saturating(wide, divisor));
                assert_eq!(
                    instrument.money(amount),
                    expected,
                    "{tick:?} {lot:?} {amount}"
                );
            }
        }
    }

    #[test]
    fn a_value_beyond_all_money_is_the_end_of_the_range() {
        let instrument = btcusdt();
        assert_eq!(
            instrument.notional(Price(900_000_000_000), Quantity(-19_000_000)),
            Money(i64::MIN)
        );
        assert_eq!(instrument.money(i128::MAX), Money(i64::MAX));
    }

    #[test]
    fn a_step_that_is_no_power_of_ten_checks_its_grid() {
        let step = Step::from_text(b"0.0250").unwrap();
        assert_eq!(
            step,
            Step {
                mantissa: 25,
                decimals: 3
            }
        );
        assert_eq!(step.count_in(b"0.075"), Ok(3));
        assert_eq!(step.count_in(b"0.080"), Err(NumberError::OffGrid));
        assert!(Step::from_text(b"0").is_err());
    }

    #[test]
    fn a_huge_quantity_of_a_cheap_token_is_written_in_full() {
        let step = Step::from_text(b"1").unwrap();
        let count = step.count_in(b"9000000000000000000").unwrap();
        let mut buffer = [0; decimal::TEXT_MAX];
        assert_eq!(
            step.write(count, 8, &mut buffer),
            b"9000000000000000000.00000000"
        );
    }

    proptest! {
        #[test]
        fn quantity_for_never_exceeds_the_notional(price in 1i64..10_000_000, whole in 1i64..1_000_000) {
            let instrument = btcusdt();
            let limit = Money::from_whole(whole);
            let quantity = instrument.quantity_for(Price(price), limit);
            prop_assert!(instrument.notional(Price(price), quantity) <= limit);
            prop_assert!(instrument.notional(Price(price), quantity + Quantity(1)) > limit);
        }
    }
}
