//! Fields of messages to units: presence, times, symbols, decimals.
//!
//! In: strings and integers as the cursor finds them. Out: ticks, lots, money, times. Never: a
//! float, a rounding that is not named.

use super::DecodeError;
use crate::json::{Cursor, Quoted};
use market::instrument::NumberError;
use market::{
    Instrument, Instruments, Market, Money, Price, Quantity, Rate, UtcMs, parse_signed_decimal,
};

/// Longest text of a number. Nothing that the exchange sends comes near it.
pub(crate) const NUMBER_BYTES_MAX: usize = 64;

/// Fills the slot of a known field; the second time is an error.
#[inline]
pub(crate) fn set<T>(
    slot: &mut Option<T>,
    name: &'static str,
    value: T,
) -> Result<(), DecodeError> {
    if slot.is_some() {
        return Err(DecodeError::Duplicate(name));
    }
    *slot = Some(value);
    Ok(())
}

/// The value of a required field.
#[inline]
pub(crate) fn required<T>(slot: Option<T>, name: &'static str) -> Result<T, DecodeError> {
    slot.ok_or(DecodeError::Missing(name))
}

/// A time in milliseconds.
#[inline]
pub(crate) fn time(cursor: &mut Cursor<'_>, name: &'static str) -> Result<UtcMs, DecodeError> {
    let value = cursor.unsigned(name)?;
    Ok(UtcMs(
        i64::try_from(value).map_err(|_| DecodeError::Number(name))?,
    ))
}

/// The instrument whose symbol stands in this string.
#[inline]
pub(crate) fn instrument_of<'i>(
    symbol: Quoted<'_>,
    instruments: &Instruments<'i>,
    market: Market,
) -> Result<&'i Instrument, DecodeError> {
    let mut buffer = [0; 64];
    symbol
        .text(&mut buffer)
        .and_then(|symbol| instruments.find(market, symbol))
        .ok_or(DecodeError::UnknownSymbol)
}

/// A short text.
pub(crate) fn text_of<const N: usize>(
    text: Quoted<'_>,
    name: &'static str,
) -> Result<market::ids::Text<N>, DecodeError> {
    let mut buffer = [0; N];
    text.text(&mut buffer)
        .and_then(market::ids::Text::new)
        .ok_or(DecodeError::Value(name))
}

/// A price in ticks, 0 allowed.
#[inline]
pub(crate) fn price(
    text: Quoted<'_>,
    instrument: &Instrument,
    name: &'static str,
) -> Result<Price, DecodeError> {
    on_grid(text, name, |text| instrument.price_from_text(text))
}

/// A quantity in lots, 0 allowed.
#[inline]
pub(crate) fn quantity(
    text: Quoted<'_>,
    instrument: &Instrument,
    name: &'static str,
) -> Result<Quantity, DecodeError> {
    on_grid(text, name, |text| instrument.quantity_from_text(text))
}

/// A price above 0.
pub(crate) fn positive_price(
    text: Quoted<'_>,
    instrument: &Instrument,
    name: &'static str,
) -> Result<Price, DecodeError> {
    match price(text, instrument, name)? {
        Price(0) => Err(DecodeError::Number(name)),
        price => Ok(price),
    }
}

/// A quantity above 0.
pub(crate) fn positive_quantity(
    text: Quoted<'_>,
    instrument: &Instrument,
    name: &'static str,
) -> Result<Quantity, DecodeError> {
    match quantity(text, instrument, name)? {
        Quantity(0) => Err(DecodeError::Number(name)),
        quantity => Ok(quantity),
    }
}

/// A quantity of either sign.
pub(crate) fn signed_quantity(
    text: Quoted<'_>,
    instrument: &Instrument,
    name: &'static str,
) -> Result<Quantity, DecodeError> {
    on_grid(text, name, |text| match text.strip_prefix(b"-") {
        Some(digits) => instrument.quantity_from_text(digits).map(|lots| -lots),
        None => instrument.quantity_from_text(text),
    })
}

/// An average price at 1e-8. Digits beyond are cut: the exchange rounds averages itself.
pub(crate) fn average_price(text: Quoted<'_>, name: &'static str) -> Result<i64, DecodeError> {
    let mut buffer = [0; NUMBER_BYTES_MAX];
    let text = text.text(&mut buffer).ok_or(DecodeError::Number(name))?;
    let dot = text.iter().position(|&byte| byte == b'.');
    let end = dot.map_or(text.len(), |dot| (dot + 9).min(text.len()));
    let (kept, cut) = text.split_at(end);
    if !cut.iter().all(u8::is_ascii_digit) {
        return Err(DecodeError::Number(name));
    }
    parse_signed_decimal(kept, 8).map_err(|_| DecodeError::Number(name))
}

/// An amount of money, either sign, exact to 1e-8.
pub(crate) fn money(text: Quoted<'_>, name: &'static str) -> Result<Money, DecodeError> {
    signed_decimal(text, 8, name).map(Money)
}

/// A rate, either sign, exact to 1e-8. Contracts without funding send an empty text: 0.
pub(crate) fn rate(text: Quoted<'_>, name: &'static str) -> Result<Rate, DecodeError> {
    if text.raw().is_empty() {
        return Ok(Rate(0));
    }
    signed_decimal(text, 8, name).map(Rate)
}

/// A decimal of either sign at `decimals` decimals.
pub(crate) fn signed_decimal(
    text: Quoted<'_>,
    decimals: u32,
    name: &'static str,
) -> Result<i64, DecodeError> {
    let mut buffer = [0; NUMBER_BYTES_MAX];
    text.text(&mut buffer)
        .and_then(|text| parse_signed_decimal(text, decimals).ok())
        .ok_or(DecodeError::Number(name))
}

#[inline]
fn on_grid<T>(
    text: Quoted<'_>,
    name: &'static str,
    convert: impl FnOnce(&[u8]) -> Result<T, NumberError>,
) -> Result<T, DecodeError> {
    let mut buffer = [0; NUMBER_BYTES_MAX];
    let text = text.text(&mut buffer).ok_or(DecodeError::Number(name))?;
    convert(text).map_err(|error| match error {
        NumberError::OffGrid => DecodeError::OffGrid(name),
        NumberError::Decimal(_) => DecodeError::Number(name),
    })
}
