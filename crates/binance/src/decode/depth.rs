//! `depthUpdate`: a difference of a book.
//!
//! In: `{"e":"depthUpdate",…,"b":[["7403.89","0.002"]],"a":[…]}`. Out: header and levels in the
//! caller's buffer, in order of arrival. Never: levels of one side sorted or merged; that is the
//! book's business.

use super::fast::{self, Event};
use super::{DecodeError, NUMBER_BYTES_MAX, instrument_of, price, quantity, required, set, time};
use crate::json::Cursor;
use core::ops::Range;
use market::event::DepthHeader;
use market::{
    DepthUpdate, Instrument, Instruments, Level, Market, Price, Quantity, Step, UpdateId, UtcMs,
};

/// Decodes one bare `depthUpdate` object of `market`; its levels go to `levels`.
///
/// # Errors
/// [`DecodeError`] names the field. `levels` may hold rubbish then.
pub fn decode_depth<'l>(
    bytes: &[u8],
    instruments: &Instruments<'_>,
    market: Market,
    levels: &'l mut [Level],
) -> Result<DepthUpdate<'l>, DecodeError> {
    if let Some(Event::Depth { header, bids, asks }) =
        fast::frame(bytes, false, instruments, market, levels)
    {
        let (bids, rest) = levels.split_at(bids);
        let asks = &rest[..asks];
        return Ok(DepthUpdate { header, bids, asks });
    }
    let mut cursor = Cursor::new(bytes);
    let update = depth_object(&mut cursor, instruments, market, levels)?;
    cursor.end()?;
    Ok(update)
}

#[derive(Default)]
struct Fields<'a, 'i> {
    event: Option<()>,
    event_time: Option<UtcMs>,
    transaction_time: Option<UtcMs>,
    instrument: Option<&'i Instrument>,
    first: Option<u64>,
    last: Option<u64>,
    previous: Option<u64>,
    settlement: Option<()>,
    bids: Option<Side<'a>>,
    asks: Option<Side<'a>>,
}

/// Levels that are in the buffer already, or still text because the symbol comes later.
enum Side<'a> {
    Decoded(Range<usize>),
    Text(Cursor<'a>),
}

/// The object at the cursor.
pub(super) fn depth_object<'l>(
    cursor: &mut Cursor<'_>,
    instruments: &Instruments<'_>,
    market: Market,
    levels: &'l mut [Level],
) -> Result<DepthUpdate<'l>, DecodeError> {
    let mut fields = Fields::default();
    let mut used = 0;
    cursor.object(|cursor, key| match key {
        b"e" => {
            expect_event(cursor, b"depthUpdate")?;
            set(&mut fields.event, "e", ())
        }
        b"E" => set(&mut fields.event_time, "E", time(cursor, "E")?),
        b"T" if market == Market::UsdM => {
            set(&mut fields.transaction_time, "T", time(cursor, "T")?)
        }
        b"s" => {
            let found = instrument_of(cursor.string("s")?, instruments, market)?;
            set(&mut fields.instrument, "s", found)
        }
        b"U" => set(&mut fields.first, "U", cursor.unsigned("U")?),
        b"u" => set(&mut fields.last, "u", cursor.unsigned("u")?),
        b"pu" if market == Market::UsdM => set(&mut fields.previous, "pu", cursor.unsigned("pu")?),
        b"st" if market == Market::UsdM => {
            expect_usdm(cursor)?;
            set(&mut fields.settlement, "st", ())
        }
        b"b" => {
            let side = side(cursor, fields.instrument, levels, &mut used, "b")?;
            set(&mut fields.bids, "b", side)
        }
        b"a" => {
            let side = side(cursor, fields.instrument, levels, &mut used, "a")?;
            set(&mut fields.asks, "a", side)
        }
        _ => cursor.skip().map(|_| ()),
    })?;
    finish(fields, market, levels, used)
}

/// The value of `e` must be this event.
pub(super) fn expect_event(cursor: &mut Cursor<'_>, event: &[u8]) -> Result<(), DecodeError> {
    let mut buffer = [0; 32];
    if cursor.string("e")?.text(&mut buffer) == Some(event) {
        Ok(())
    } else {
        Err(DecodeError::OtherEvent)
    }
}

/// The value of `st` must be 1: since 2026 COIN-M messages travel on the same streams.
pub(super) fn expect_usdm(cursor: &mut Cursor<'_>) -> Result<(), DecodeError> {
    if cursor.unsigned("st")? == 1 {
        Ok(())
    } else {
        Err(DecodeError::OtherMarket)
    }
}

fn finish<'l>(
    fields: Fields<'_, '_>,
    market: Market,
    levels: &'l mut [Level],
    mut used: usize,
) -> Result<DepthUpdate<'l>, DecodeError> {
    required(fields.event, "e")?;
    let event_time = required(fields.event_time, "E")?;
    let instrument = required(fields.instrument, "s")?;
    let first = required(fields.first, "U")?;
    let last = required(fields.last, "u")?;
    if first > last {
        return Err(DecodeError::Value("u"));
    }
    let (transaction_time, previous) = match market {
        Market::UsdM => (
            required(fields.transaction_time, "T")?,
            required(fields.previous, "pu")?,
        ),
        Market::Spot => (event_time, 0),
    };
    let bids = required(fields.bids, "b")?;
    let asks = required(fields.asks, "a")?;
    let bids = resolve(bids, instrument, levels, &mut used, "b")?;
    let asks = resolve(asks, instrument, levels, &mut used, "a")?;
    Ok(DepthUpdate {
        header: DepthHeader {
            instrument: instrument.id,
            first_update_id: UpdateId(first),
            last_update_id: UpdateId(last),
            previous_update_id: UpdateId(previous),
            event_time,
            transaction_time,
        },
        bids: &levels[bids],
        asks: &levels[asks],
    })
}

fn side<'a>(
    cursor: &mut Cursor<'a>,
    instrument: Option<&Instrument>,
    levels: &mut [Level],
    used: &mut usize,
    name: &'static str,
) -> Result<Side<'a>, DecodeError> {
    if let Some(instrument) = instrument {
        return level_list(cursor, instrument, levels, used, name).map(Side::Decoded);
    }
    let start = *cursor;
    cursor.skip()?;
    Ok(Side::Text(start))
}

fn resolve(
    side: Side<'_>,
    instrument: &Instrument,
    levels: &mut [Level],
    used: &mut usize,
    name: &'static str,
) -> Result<Range<usize>, DecodeError> {
    match side {
        Side::Decoded(range) => Ok(range),
        Side::Text(mut cursor) => level_list(&mut cursor, instrument, levels, used, name),
    }
}

/// Reads `[["price","quantity"],…]` behind the first `used` levels.
fn level_list(
    cursor: &mut Cursor<'_>,
    instrument: &Instrument,
    levels: &mut [Level],
    used: &mut usize,
    name: &'static str,
) -> Result<Range<usize>, DecodeError> {
    let start = *used;
    if cursor.peek() != Some(b'[') {
        return Err(DecodeError::WrongType(name));
    }
    if cursor.open(b'[', b']')? {
        loop {
            let level = level(cursor, instrument, name)?;
            *levels.get_mut(*used).ok_or(DecodeError::TooManyLevels)? = level;
            *used += 1;
            if !cursor.more(b']')? {
                break;
            }
        }
    }
    Ok(start..*used)
}

/// Reads one `["price","quantity"]`; the price must be above 0, elements behind are skipped.
#[inline]
pub(super) fn level(
    cursor: &mut Cursor<'_>,
    instrument: &Instrument,
    name: &'static str,
) -> Result<Level, DecodeError> {
    let level = match predicted_level(cursor.rest(), instrument) {
        Some((level, length)) => {
            cursor.advance(length);
            level
        }
        None => any_level(cursor, instrument, name)?,
    };
    if level.price.0 == 0 {
        return Err(DecodeError::Number(name));
    }
    Ok(level)
}

/// The form that the exchange always sends: no white space, no escape, two numbers.
#[inline]
fn predicted_level(text: &[u8], instrument: &Instrument) -> Option<(Level, usize)> {
    let rest = text.strip_prefix(b"[\"")?;
    let (price, length) = predicted_count(rest, instrument.tick)?;
    let rest = rest[length..].strip_prefix(b"\",\"")?;
    let (quantity, length) = predicted_count(rest, instrument.lot)?;
    let rest = rest[length..].strip_prefix(b"\"]")?;
    let level = Level {
        price: Price(price),
        quantity: Quantity(quantity),
    };
    Some((level, text.len() - rest.len()))
}

/// Steps in a number of at most 18 digits at the front of `text`, and its length. `None` where
/// anything is unusual: the strict way decides then.
#[inline]
fn predicted_count(text: &[u8], step: Step) -> Option<(i64, usize)> {
    const POWERS: [i64; 19] = {
        let mut powers = [1; 19];
        let mut at = 1;
        while at < 19 {
            powers[at] = powers[at - 1] * 10;
            at += 1;
        }
        powers
    };
    let decimals = usize::from(step.decimals);
    let mut value: i64 = 0;
    let mut at = 0;
    while let Some(digit @ b'0'..=b'9') = text.get(at) {
        if at == 18 {
            return None;
        }
        value = value * 10 + i64::from(digit - b'0');
        at += 1;
    }
    let whole = at;
    let mut taken = 0;
    if text.get(at) == Some(&b'.') {
        at += 1;
        let fraction = at;
        while let Some(digit @ b'0'..=b'9') = text.get(at) {
            if taken < decimals {
                if whole + taken == 18 {
                    return None;
                }
                value = value * 10 + i64::from(digit - b'0');
                taken += 1;
            } else if *digit != b'0' {
                return None;
            }
            at += 1;
        }
        if at == fraction {
            return None;
        }
    }
    if whole == 0 || whole + decimals > 18 || at > NUMBER_BYTES_MAX {
        return None;
    }
    value *= POWERS[decimals - taken];
    if step.mantissa != 1 {
        if value % step.mantissa != 0 {
            return None;
        }
        value /= step.mantissa;
    }
    Some((value, at))
}

#[cold]
fn any_level(
    cursor: &mut Cursor<'_>,
    instrument: &Instrument,
    name: &'static str,
) -> Result<Level, DecodeError> {
    if cursor.peek() != Some(b'[') {
        return Err(DecodeError::WrongType(name));
    }
    cursor.take(b'[')?;
    cursor.space();
    let price = price(cursor.string(name)?, instrument, name)?;
    cursor.space();
    cursor.take(b',')?;
    cursor.space();
    let quantity = quantity(cursor.string(name)?, instrument, name)?;
    while cursor.more(b']')? {
        cursor.skip()?;
    }
    Ok(Level { price, quantity })
}
