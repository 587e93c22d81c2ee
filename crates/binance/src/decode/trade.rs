//! `trade` and `aggTrade`.
//!
//! In: futures and spot forms. Out: one event each; trades of the insurance fund and of
//! auto-deleveraging are marked `from_book: false`. Never: such a trade refused for a price that
//! no book knows.

use super::depth::{expect_event, expect_usdm};
use super::fast::{self, Event};
use super::mark_price::nearest_tick;
use super::{
    DecodeError, instrument_of, positive_price, positive_quantity, quantity, required, set, time,
};
use crate::json::{Cursor, Quoted};
use market::{AggTrade, Instrument, Instruments, Market, Side, Trade, TradeId, UtcMs};

/// Decodes one bare `trade` object of `market`.
///
/// # Errors
/// [`DecodeError`] names the field.
pub fn decode_trade(
    bytes: &[u8],
    instruments: &Instruments<'_>,
    market: Market,
) -> Result<Trade, DecodeError> {
    if let Some(Event::Trade(trade)) = fast::frame(bytes, false, instruments, market, &mut []) {
        return Ok(trade);
    }
    let mut cursor = Cursor::new(bytes);
    let trade = trade_object(&mut cursor, instruments, market)?;
    cursor.end()?;
    Ok(trade)
}

/// Decodes one bare `aggTrade` object of `market`.
///
/// # Errors
/// [`DecodeError`] names the field.
pub fn decode_agg_trade(
    bytes: &[u8],
    instruments: &Instruments<'_>,
    market: Market,
) -> Result<AggTrade, DecodeError> {
    if let Some(Event::AggTrade(trade)) = fast::frame(bytes, false, instruments, market, &mut []) {
        return Ok(trade);
    }
    let mut cursor = Cursor::new(bytes);
    let trade = agg_trade_object(&mut cursor, instruments, market)?;
    cursor.end()?;
    Ok(trade)
}

#[derive(Default)]
struct Fields<'a, 'i> {
    event: Option<()>,
    event_time: Option<UtcMs>,
    transaction_time: Option<UtcMs>,
    instrument: Option<&'i Instrument>,
    id: Option<u64>,
    first_id: Option<u64>,
    last_id: Option<u64>,
    price: Option<Quoted<'a>>,
    quantity: Option<Quoted<'a>>,
    kind: Option<Quoted<'a>>,
    buyer_is_maker: Option<bool>,
    settlement: Option<()>,
}

impl<'a, 'i> Fields<'a, 'i> {
    /// The fields that both events share.
    fn shared(
        &mut self,
        cursor: &mut Cursor<'a>,
        key: &[u8],
        instruments: &Instruments<'i>,
        market: Market,
    ) -> Result<(), DecodeError> {
        match key {
            b"E" => set(&mut self.event_time, "E", time(cursor, "E")?),
            b"T" => set(&mut self.transaction_time, "T", time(cursor, "T")?),
            b"s" => {
                let found = instrument_of(cursor.string("s")?, instruments, market)?;
                set(&mut self.instrument, "s", found)
            }
            b"p" => set(&mut self.price, "p", cursor.string("p")?),
            b"q" => set(&mut self.quantity, "q", cursor.string("q")?),
            b"m" => set(&mut self.buyer_is_maker, "m", cursor.boolean("m")?),
            b"st" if market == Market::UsdM => {
                expect_usdm(cursor)?;
                set(&mut self.settlement, "st", ())
            }
            _ => cursor.skip().map(|_| ()),
        }
    }

    fn aggressor(&self) -> Result<Side, DecodeError> {
        Ok(if required(self.buyer_is_maker, "m")? {
            Side::Sell
        } else {
            Side::Buy
        })
    }
}

pub(super) fn trade_object(
    cursor: &mut Cursor<'_>,
    instruments: &Instruments<'_>,
    market: Market,
) -> Result<Trade, DecodeError> {
    let mut fields = Fields::default();
    cursor.object(|cursor, key| match key {
        b"e" => {
            expect_event(cursor, b"trade")?;
            set(&mut fields.event, "e", ())
        }
        b"t" => set(&mut fields.id, "t", cursor.unsigned("t")?),
        b"X" if market == Market::UsdM => set(&mut fields.kind, "X", cursor.string("X")?),
        _ => fields.shared(cursor, key, instruments, market),
    })?;
    required(fields.event, "e")?;
    let instrument = required(fields.instrument, "s")?;
    let price = required(fields.price, "p")?;
    let volume = required(fields.quantity, "q")?;
    let mut word = [0; 16];
    let from_book = fields
        .kind
        .is_none_or(|kind| kind.text(&mut word) == Some(b"MARKET"));
    let (price, volume) = if from_book {
        (
            positive_price(price, instrument, "p")?,
            positive_quantity(volume, instrument, "q")?,
        )
    } else {
        (
            nearest_tick(price, instrument, "p")?,
            quantity(volume, instrument, "q")?,
        )
    };
    Ok(Trade {
        instrument: instrument.id,
        trade_id: TradeId(required(fields.id, "t")?),
        price,
        quantity: volume,
        aggressor: fields.aggressor()?,
        from_book,
        transaction_time: required(fields.transaction_time, "T")?,
        event_time: required(fields.event_time, "E")?,
    })
}

pub(super) fn agg_trade_object(
    cursor: &mut Cursor<'_>,
    instruments: &Instruments<'_>,
    market: Market,
) -> Result<AggTrade, DecodeError> {
    let mut fields = Fields::default();
    cursor.object(|cursor, key| match key {
        b"e" => {
            expect_event(cursor, b"aggTrade")?;
            set(&mut fields.event, "e", ())
        }
        b"a" => set(&mut fields.id, "a", cursor.unsigned("a")?),
        b"f" => set(&mut fields.first_id, "f", cursor.unsigned("f")?),
        b"l" => set(&mut fields.last_id, "l", cursor.unsigned("l")?),
        _ => fields.shared(cursor, key, instruments, market),
    })?;
    required(fields.event, "e")?;
    let instrument = required(fields.instrument, "s")?;
    Ok(AggTrade {
        instrument: instrument.id,
        aggregate_id: TradeId(required(fields.id, "a")?),
        first_trade_id: TradeId(required(fields.first_id, "f")?),
        last_trade_id: TradeId(required(fields.last_id, "l")?),
        price: positive_price(required(fields.price, "p")?, instrument, "p")?,
        quantity: positive_quantity(required(fields.quantity, "q")?, instrument, "q")?,
        aggressor: fields.aggressor()?,
        transaction_time: required(fields.transaction_time, "T")?,
        event_time: required(fields.event_time, "E")?,
    })
}
