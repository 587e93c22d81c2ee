//! `markPriceUpdate`: mark price and funding.
//!
//! In: `{"e":"markPriceUpdate","E":…,"s":…,"p":"11794.15",…,"r":"0.00038167","T":…}`. Out: the
//! mark in ticks, rounded to the nearest, and the funding rate. Never: another rounding.

use super::depth::{expect_event, expect_usdm};
use super::{DecodeError, instrument_of, rate, required, set, signed_decimal, time};
use crate::json::{Cursor, Quoted};
use market::units::{ONE, round_div};
use market::{Instrument, Instruments, MarkPrice, Market, Price, Rate, UtcMs};

/// Decodes one bare `markPriceUpdate` object.
///
/// # Errors
/// [`DecodeError`] names the field.
pub fn decode_mark_price(
    bytes: &[u8],
    instruments: &Instruments<'_>,
    market: Market,
) -> Result<MarkPrice, DecodeError> {
    let mut cursor = Cursor::new(bytes);
    let mark = mark_price_object(&mut cursor, instruments, market)?;
    cursor.end()?;
    Ok(mark)
}

#[derive(Default)]
struct Fields<'a, 'i> {
    event: Option<()>,
    event_time: Option<UtcMs>,
    instrument: Option<&'i Instrument>,
    mark: Option<Quoted<'a>>,
    funding_rate: Option<Rate>,
    next_funding_time: Option<UtcMs>,
    settlement: Option<()>,
}

pub(super) fn mark_price_object(
    cursor: &mut Cursor<'_>,
    instruments: &Instruments<'_>,
    market: Market,
) -> Result<MarkPrice, DecodeError> {
    let mut fields = Fields::default();
    cursor.object(|cursor, key| match key {
        b"e" => {
            expect_event(cursor, b"markPriceUpdate")?;
            set(&mut fields.event, "e", ())
        }
        b"E" => set(&mut fields.event_time, "E", time(cursor, "E")?),
        b"s" => {
            let found = instrument_of(cursor.string("s")?, instruments, market)?;
            set(&mut fields.instrument, "s", found)
        }
        b"p" => set(&mut fields.mark, "p", cursor.string("p")?),
        b"r" => set(
            &mut fields.funding_rate,
            "r",
            rate(cursor.string("r")?, "r")?,
        ),
        b"T" => set(&mut fields.next_funding_time, "T", time(cursor, "T")?),
        b"st" if market == Market::UsdM => {
            expect_usdm(cursor)?;
            set(&mut fields.settlement, "st", ())
        }
        _ => cursor.skip().map(|_| ()),
    })?;
    required(fields.event, "e")?;
    let instrument = required(fields.instrument, "s")?;
    let mark = nearest_tick(required(fields.mark, "p")?, instrument, "p")?;
    if mark.0 == 0 {
        return Err(DecodeError::Number("p"));
    }
    Ok(MarkPrice {
        instrument: instrument.id,
        mark,
        funding_rate: required(fields.funding_rate, "r")?,
        next_funding_time: required(fields.next_funding_time, "T")?,
        event_time: required(fields.event_time, "E")?,
    })
}

/// A price of up to 8 decimals that may lie between ticks, rounded to the nearest one.
pub(crate) fn nearest_tick(
    text: Quoted<'_>,
    instrument: &Instrument,
    name: &'static str,
) -> Result<Price, DecodeError> {
    let price_e8 = signed_decimal(text, 8, name)?;
    if price_e8 < 0 {
        return Err(DecodeError::Number(name));
    }
    let tick = instrument.tick;
    let scaled = i128::from(price_e8) * 10i128.pow(u32::from(tick.decimals));
    let divisor = i128::from(tick.mantissa) * i128::from(ONE);
    // A tick finer than 1e-8 can lift the count over 64 bits.
    if scaled / divisor >= i128::from(i64::MAX) {
        return Err(DecodeError::Number(name));
    }
    Ok(Price(round_div(scaled, divisor)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use market::{Filters, InstrumentId, InstrumentStatus, Step, Symbol};

    fn mark(tick: &str, price: &str) -> Result<i64, DecodeError> {
        let table = [Instrument {
            id: InstrumentId(0),
            market: Market::UsdM,
            symbol: Symbol::new(b"BTCUSDT").unwrap(),
            tick: Step::from_text(tick.as_bytes()).unwrap(),
            lot: Step::from_text(b"0.001").unwrap(),
            price_decimals: 2,
            quantity_decimals: 3,
            status: InstrumentStatus::Trading,
            filters: Filters::NONE,
        }];
        let text = format!(
            r#"{{"e":"markPriceUpdate","E":1,"s":"BTCUSDT","p":"{price}","i":"1","P":"1","r":"0.0001","T":2}}"#
        );
        let read = decode_mark_price(text.as_bytes(), &Instruments(&table), Market::UsdM);
        read.map(|one| one.mark.0)
    }

    /// Margin and protective stops follow from it.
    #[test]
    fn a_mark_is_the_nearest_tick_and_never_nothing_or_less() {
        assert_eq!(mark("0.10", "100.14"), Ok(1_001));
        assert_eq!(mark("0.10", "100.15000001"), Ok(1_002));
        for price in ["0", "0.04", "-100.1", "", "1e3", "NaN"] {
            let refused = Err(DecodeError::Number("p"));
            assert_eq!(mark("0.10", price), refused, "{price}");
        }
        // More ticks than there are numbers.
        let fine = "0.0000000001";
        assert_eq!(mark(fine, "92233720368.0"), Err(DecodeError::Number("p")));
        assert_eq!(mark(fine, "1"), Ok(10_000_000_000));
    }
}
