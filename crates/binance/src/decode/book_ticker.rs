//! `bookTicker`: the best bid and ask.
//!
//! In: futures `{"e":"bookTicker","u":…,"s":…,"b":…,"B":…,"a":…,"A":…,"T":…,"E":…}`, spot the
//! same without `e`, `T` and `E`. Out: one event. Never: an empty side; it is refused.

use super::depth::{expect_event, expect_usdm};
use super::fast::{self, Event};
use super::{DecodeError, instrument_of, positive_price, positive_quantity, required, set, time};
use crate::json::{Cursor, Quoted};
use market::{BookTicker, Instrument, Instruments, Level, Market, UpdateId, UtcMs};

/// Decodes one bare `bookTicker` object of `market`.
///
/// # Errors
/// [`DecodeError`] names the field.
pub fn decode_book_ticker(
    bytes: &[u8],
    instruments: &Instruments<'_>,
    market: Market,
) -> Result<BookTicker, DecodeError> {
    if let Some(Event::BookTicker(ticker)) = fast::frame(bytes, false, instruments, market, &mut [])
    {
        return Ok(ticker);
    }
    let mut cursor = Cursor::new(bytes);
    let ticker = book_ticker_object(&mut cursor, instruments, market)?;
    cursor.end()?;
    Ok(ticker)
}

#[derive(Default)]
struct Fields<'a, 'i> {
    event: Option<()>,
    instrument: Option<&'i Instrument>,
    update_id: Option<u64>,
    bid: Option<Quoted<'a>>,
    bid_quantity: Option<Quoted<'a>>,
    ask: Option<Quoted<'a>>,
    ask_quantity: Option<Quoted<'a>>,
    event_time: Option<UtcMs>,
    transaction_time: Option<UtcMs>,
    settlement: Option<()>,
}

pub(super) fn book_ticker_object(
    cursor: &mut Cursor<'_>,
    instruments: &Instruments<'_>,
    market: Market,
) -> Result<BookTicker, DecodeError> {
    let mut fields = Fields::default();
    let usdm = market == Market::UsdM;
    cursor.object(|cursor, key| match key {
        b"e" => {
            expect_event(cursor, b"bookTicker")?;
            set(&mut fields.event, "e", ())
        }
        b"u" => set(&mut fields.update_id, "u", cursor.unsigned("u")?),
        b"s" => {
            let found = instrument_of(cursor.string("s")?, instruments, market)?;
            set(&mut fields.instrument, "s", found)
        }
        b"b" => set(&mut fields.bid, "b", cursor.string("b")?),
        b"B" => set(&mut fields.bid_quantity, "B", cursor.string("B")?),
        b"a" => set(&mut fields.ask, "a", cursor.string("a")?),
        b"A" => set(&mut fields.ask_quantity, "A", cursor.string("A")?),
        b"T" if usdm => set(&mut fields.transaction_time, "T", time(cursor, "T")?),
        b"E" if usdm => set(&mut fields.event_time, "E", time(cursor, "E")?),
        b"st" if usdm => {
            expect_usdm(cursor)?;
            set(&mut fields.settlement, "st", ())
        }
        _ => cursor.skip().map(|_| ()),
    })?;
    finish(&fields, market)
}

fn finish(fields: &Fields<'_, '_>, market: Market) -> Result<BookTicker, DecodeError> {
    let (event_time, transaction_time) = match market {
        Market::UsdM => {
            required(fields.event, "e")?;
            (
                required(fields.event_time, "E")?,
                required(fields.transaction_time, "T")?,
            )
        }
        Market::Spot => (UtcMs(0), UtcMs(0)),
    };
    let instrument = required(fields.instrument, "s")?;
    let side = |price, price_name, quantity, quantity_name| {
        Ok::<_, DecodeError>(Level {
            price: positive_price(required(price, price_name)?, instrument, price_name)?,
            quantity: positive_quantity(
                required(quantity, quantity_name)?,
                instrument,
                quantity_name,
            )?,
        })
    };
    Ok(BookTicker {
        instrument: instrument.id,
        update_id: UpdateId(required(fields.update_id, "u")?),
        bid: side(fields.bid, "b", fields.bid_quantity, "B")?,
        ask: side(fields.ask, "a", fields.ask_quantity, "A")?,
        event_time,
        transaction_time,
    })
}
