//! One frame of a market stream, raw or combined.
//!
//! In: `{"stream":"…","data":{…}}`, a bare event, or the answer to a control frame. Out: one
//! message. Never: a market guessed; the connection's owner says which one it is.

use super::book_ticker::book_ticker_object;
use super::depth::depth_object;
use super::mark_price::mark_price_object;
use super::trade::{agg_trade_object, trade_object};
use super::{DecodeError, fast, required, set};
use crate::json::Cursor;
use market::{
    AggTrade, BookTicker, DepthUpdate, InstrumentId, Instruments, Level, MarkPrice, Market, Trade,
};

/// What a frame of a market stream can hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StreamMessage<'l> {
    /// A book difference; its levels lie in the caller's buffer.
    Depth(DepthUpdate<'l>),
    /// Best bid and ask.
    BookTicker(BookTicker),
    /// A trade.
    Trade(Trade),
    /// An aggregate trade.
    AggTrade(AggTrade),
    /// Mark price and funding.
    MarkPrice(MarkPrice),
    /// The answer to a SUBSCRIBE or another control frame.
    Control(ControlReply),
    /// A valid event that carries nothing for the engine.
    Other(OtherEvent),
}

/// The answer to a control frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ControlReply {
    /// Our id, where it is a number.
    pub id: Option<u64>,
    /// The exchange's error code where it refused.
    pub error_code: Option<i64>,
}

/// Events beside the market data.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OtherEvent {
    /// The server will close the connection in about ten minutes: reconnect.
    ServerShutdown,
    /// Any other event.
    Unused,
}

/// Decodes one text frame of a stream connection of `market`.
///
/// # Errors
/// [`DecodeError`]; [`instrument_hint`] tells whose book is doubtful then.
#[inline]
pub fn decode_stream_message<'l>(
    bytes: &[u8],
    instruments: &Instruments<'_>,
    market: Market,
    levels: &'l mut [Level],
) -> Result<StreamMessage<'l>, DecodeError> {
    match fast::frame(bytes, true, instruments, market, levels) {
        Some(event) => Ok(event.with(levels)),
        None => decode_stream_message_strictly(bytes, instruments, market, levels),
    }
}

/// [`decode_stream_message`] by its fast way alone: nothing where the message has not exactly
/// the exchange's form, or the processor lacks the instructions. For tests and benches.
#[must_use]
pub fn decode_exact_form<'l>(
    bytes: &[u8],
    instruments: &Instruments<'_>,
    market: Market,
    levels: &'l mut [Level],
) -> Option<StreamMessage<'l>> {
    Some(fast::frame(bytes, true, instruments, market, levels)?.with(levels))
}

/// [`decode_stream_message`] by its strict way alone, which reads any JSON. For tests and benches.
///
/// # Errors
/// As [`decode_stream_message`]; always the same ones.
pub fn decode_stream_message_strictly<'l>(
    bytes: &[u8],
    instruments: &Instruments<'_>,
    market: Market,
    levels: &'l mut [Level],
) -> Result<StreamMessage<'l>, DecodeError> {
    let mut cursor = Cursor::new(bytes);
    let message = match shape(cursor)? {
        Shape::Combined => combined(&mut cursor, instruments, market, levels)?,
        Shape::Control => control(&mut cursor)?,
        Shape::Event(kind) => event(&mut cursor, kind, instruments, market, levels)?,
    };
    cursor.end()?;
    Ok(message)
}

/// Whose book a refused frame may belong to: the first known symbol of `market` that stands in it
/// as a whole string, or as the first part of its stream's name.
#[must_use]
pub fn instrument_hint(
    bytes: &[u8],
    instruments: &Instruments<'_>,
    market: Market,
) -> Option<InstrumentId> {
    let text = |word: &[u8]| {
        instruments
            .0
            .iter()
            .find(|one| one.market == market && one.symbol.as_bytes().eq_ignore_ascii_case(word))
            .map(|one| one.id)
    };
    bytes
        .split(|&byte| byte == b'"')
        .find_map(|part| text(part.split(|&byte| byte == b'@').next().unwrap_or(part)))
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Shape {
    Combined,
    Control,
    Event(Option<Kind>),
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Depth,
    BookTicker,
    Trade,
    AggTrade,
    MarkPrice,
    ServerShutdown,
    Unused,
}

/// The first telling key decides what the frame is.
fn shape(mut cursor: Cursor<'_>) -> Result<Shape, DecodeError> {
    let mut found = None;
    first_then_all(&mut cursor, |cursor, key| {
        let shape = match key {
            b"stream" | b"data" => Shape::Combined,
            b"result" | b"error" | b"id" | b"code" | b"msg" => Shape::Control,
            b"e" => Shape::Event(Some(kind(cursor)?)),
            _ => return cursor.skip().map(|_| false),
        };
        found = found.or(Some(shape));
        Ok(true)
    })?;
    Ok(found.unwrap_or(Shape::Event(None)))
}

/// Walks an object until `member` says that it knows enough.
fn first_then_all(
    cursor: &mut Cursor<'_>,
    mut member: impl FnMut(&mut Cursor<'_>, &[u8]) -> Result<bool, DecodeError>,
) -> Result<(), DecodeError> {
    let mut stopped = false;
    let walked = cursor.object(|cursor, key| {
        stopped = member(cursor, key)?;
        // Leaving the walk early is its only way to fail without a broken text.
        if stopped {
            Err(DecodeError::OtherEvent)
        } else {
            Ok(())
        }
    });
    if stopped { Ok(()) } else { walked }
}

fn kind(cursor: &mut Cursor<'_>) -> Result<Kind, DecodeError> {
    let mut buffer = [0; 32];
    Ok(
        match cursor.string("e")?.text(&mut buffer).unwrap_or_default() {
            b"depthUpdate" => Kind::Depth,
            b"bookTicker" => Kind::BookTicker,
            b"trade" => Kind::Trade,
            b"aggTrade" => Kind::AggTrade,
            b"markPriceUpdate" => Kind::MarkPrice,
            b"serverShutdown" => Kind::ServerShutdown,
            _ => Kind::Unused,
        },
    )
}

fn combined<'l>(
    cursor: &mut Cursor<'_>,
    instruments: &Instruments<'_>,
    market: Market,
    levels: &'l mut [Level],
) -> Result<StreamMessage<'l>, DecodeError> {
    let mut stream = None;
    let mut message = None;
    let mut levels = Some(levels);
    cursor.object(|cursor, key| match key {
        b"stream" => set(&mut stream, "stream", cursor.string("stream").map(|_| ())?),
        b"data" => {
            if cursor.peek() != Some(b'{') {
                return Err(DecodeError::WrongType("data"));
            }
            let Some(levels) = levels.take() else {
                return Err(DecodeError::Duplicate("data"));
            };
            let kind = event_kind(*cursor)?;
            message = Some(event(cursor, kind, instruments, market, levels)?);
            Ok(())
        }
        _ => cursor.skip().map(|_| ()),
    })?;
    required(stream, "stream")?;
    required(message, "data")
}

fn event_kind(mut cursor: Cursor<'_>) -> Result<Option<Kind>, DecodeError> {
    let mut found = None;
    first_then_all(&mut cursor, |cursor, key| {
        if key == b"e" {
            found = Some(kind(cursor)?);
            return Ok(true);
        }
        cursor.skip().map(|_| false)
    })?;
    Ok(found)
}

fn event<'l>(
    cursor: &mut Cursor<'_>,
    kind: Option<Kind>,
    instruments: &Instruments<'_>,
    market: Market,
    levels: &'l mut [Level],
) -> Result<StreamMessage<'l>, DecodeError> {
    let kind = match (kind, market) {
        (Some(kind), _) => kind,
        // Spot's best bid and ask is the one event without a name.
        (None, Market::Spot) => Kind::BookTicker,
        (None, Market::UsdM) => return Err(DecodeError::Missing("e")),
    };
    Ok(match kind {
        Kind::Depth => StreamMessage::Depth(depth_object(cursor, instruments, market, levels)?),
        Kind::BookTicker => {
            StreamMessage::BookTicker(book_ticker_object(cursor, instruments, market)?)
        }
        Kind::Trade => StreamMessage::Trade(trade_object(cursor, instruments, market)?),
        Kind::AggTrade => StreamMessage::AggTrade(agg_trade_object(cursor, instruments, market)?),
        Kind::MarkPrice => {
            StreamMessage::MarkPrice(mark_price_object(cursor, instruments, market)?)
        }
        Kind::ServerShutdown => {
            cursor.skip()?;
            StreamMessage::Other(OtherEvent::ServerShutdown)
        }
        Kind::Unused => {
            cursor.skip()?;
            StreamMessage::Other(OtherEvent::Unused)
        }
    })
}

fn control<'l>(cursor: &mut Cursor<'_>) -> Result<StreamMessage<'l>, DecodeError> {
    let mut id = None;
    let mut error_code = None;
    cursor.object(|cursor, key| match key {
        b"id" => {
            let value = match cursor.peek() {
                Some(b'0'..=b'9') => Some(cursor.unsigned("id")?),
                _ => cursor.skip().map(|_| None)?,
            };
            set(&mut id, "id", value)
        }
        b"code" => set(&mut error_code, "code", cursor.signed("code")?),
        b"error" => cursor.object(|cursor, key| match key {
            b"code" => set(&mut error_code, "code", cursor.signed("code")?),
            _ => cursor.skip().map(|_| ()),
        }),
        _ => cursor.skip().map(|_| ()),
    })?;
    Ok(StreamMessage::Control(ControlReply {
        id: id.flatten(),
        error_code,
    }))
}
