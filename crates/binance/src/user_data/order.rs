//! `ORDER_TRADE_UPDATE` (futures) and `executionReport` (spot).
//!
//! In: one event. Out: one order update. Never: a price of an order that the exchange itself made
//! (liquidation, deleveraging, settlement) refused for lying between ticks; the position changes
//! all the same, so it is rounded to the nearest.

use crate::decode::{
    DecodeError, instrument_of, money, nearest_tick, price, quantity, required, set, text_of, time,
};
use crate::json::{Cursor, Quoted};
use crate::word;
use market::ids::Asset;
use market::{
    ClientOrderId, ExchangeOrderId, Execution, Instrument, Instruments, Liquidity, Market, Money,
    OrderState, OrderType, OrderUpdate, Price, Quantity, Side, TimeInForce, TradeId, UtcMs,
};

/// The futures event: times outside, the order inside of `o`.
pub(super) fn order_trade_update(
    event: &mut Cursor<'_>,
    instruments: &Instruments<'_>,
    market: Market,
) -> Result<OrderUpdate, DecodeError> {
    let mut event_time = None;
    let mut order = None;
    event.object(|cursor, key| match key {
        b"E" => set(&mut event_time, "E", time(cursor, "E")?),
        b"o" => {
            if cursor.peek() != Some(b'{') {
                return Err(DecodeError::WrongType("o"));
            }
            let mut fields = Fields::default();
            cursor.object(|cursor, key| fields.member(cursor, key, instruments, market))?;
            set(&mut order, "o", fields)
        }
        _ => cursor.skip().map(|_| ()),
    })?;
    required(order, "o")?.update(required(event_time, "E")?, Market::UsdM)
}

/// The spot event: one flat object.
pub(super) fn execution_report(
    event: &mut Cursor<'_>,
    instruments: &Instruments<'_>,
    market: Market,
) -> Result<OrderUpdate, DecodeError> {
    let mut event_time = None;
    let mut fields = Fields::default();
    event.object(|cursor, key| match key {
        b"E" => set(&mut event_time, "E", time(cursor, "E")?),
        b"C" => set(&mut fields.original_id, "C", cursor.string("C")?),
        _ => fields.member(cursor, key, instruments, market),
    })?;
    fields.update(required(event_time, "E")?, Market::Spot)
}

#[derive(Default)]
struct Fields<'a, 'i> {
    instrument: Option<&'i Instrument>,
    client_id: Option<Quoted<'a>>,
    original_id: Option<Quoted<'a>>,
    side: Option<Side>,
    order_type: Option<OrderType>,
    time_in_force: Option<TimeInForce>,
    quantity: Option<Quoted<'a>>,
    price: Option<Quoted<'a>>,
    execution: Option<Execution>,
    state: Option<OrderState>,
    order_id: Option<u64>,
    last_quantity: Option<Quoted<'a>>,
    cumulative: Option<Quoted<'a>>,
    last_price: Option<Quoted<'a>>,
    commission: Option<Option<Quoted<'a>>>,
    commission_asset: Option<Option<Quoted<'a>>>,
    transaction_time: Option<UtcMs>,
    trade_id: Option<i64>,
    maker: Option<bool>,
    reduce_only: Option<bool>,
    realized: Option<Money>,
}

impl<'a, 'i> Fields<'a, 'i> {
    fn member(
        &mut self,
        cursor: &mut Cursor<'a>,
        key: &[u8],
        instruments: &Instruments<'i>,
        market: Market,
    ) -> Result<(), DecodeError> {
        match key {
            b"s" => {
                let found = instrument_of(cursor.string("s")?, instruments, market)?;
                set(&mut self.instrument, "s", found)
            }
            b"c" => set(&mut self.client_id, "c", cursor.string("c")?),
            b"S" => set(&mut self.side, "S", known(cursor, "S", word::side)?),
            b"o" => set(
                &mut self.order_type,
                "o",
                known(cursor, "o", word::order_type)?,
            ),
            b"f" => {
                let lifetime = known(cursor, "f", word::time_in_force)?;
                set(&mut self.time_in_force, "f", lifetime)
            }
            b"q" => set(&mut self.quantity, "q", cursor.string("q")?),
            b"p" => set(&mut self.price, "p", cursor.string("p")?),
            b"x" => set(&mut self.execution, "x", known(cursor, "x", execution)?),
            b"X" => set(&mut self.state, "X", known(cursor, "X", word::order_state)?),
            b"i" => set(&mut self.order_id, "i", cursor.unsigned("i")?),
            b"l" => set(&mut self.last_quantity, "l", cursor.string("l")?),
            b"z" => set(&mut self.cumulative, "z", cursor.string("z")?),
            b"L" => set(&mut self.last_price, "L", cursor.string("L")?),
            b"n" => set(&mut self.commission, "n", cursor.string_or_null("n")?),
            b"N" => set(&mut self.commission_asset, "N", cursor.string_or_null("N")?),
            b"T" => set(&mut self.transaction_time, "T", time(cursor, "T")?),
            b"t" => set(&mut self.trade_id, "t", cursor.signed("t")?),
            b"m" => set(&mut self.maker, "m", cursor.boolean("m")?),
            b"R" if market == Market::UsdM => set(&mut self.reduce_only, "R", cursor.boolean("R")?),
            b"rp" => set(&mut self.realized, "rp", money(cursor.string("rp")?, "rp")?),
            _ => cursor.skip().map(|_| ()),
        }
    }

    fn update(self, event_time: UtcMs, market: Market) -> Result<OrderUpdate, DecodeError> {
        let instrument = required(self.instrument, "s")?;
        // A spot cancel names itself in `c` and the order in `C`.
        let client_id = match self.original_id {
            Some(original) if !original.raw().is_empty() => original,
            _ => required(self.client_id, "c")?,
        };
        let client_order_id: ClientOrderId = text_of(client_id, "c")?;
        let order_type = required(self.order_type, "o")?;
        let execution = required(self.execution, "x")?;
        let made_by_exchange = order_type == OrderType::Liquidation
            || execution == Execution::Liquidation
            || is_exchange_made(&client_order_id);
        let any_price = |text, name| {
            if made_by_exchange {
                nearest_tick(text, instrument, name)
            } else {
                price(text, instrument, name)
            }
        };
        let (last_quantity, last_price, trade_id) = self.fill(execution, instrument, any_price)?;
        let maker = match market {
            Market::UsdM => required(self.maker, "m")?,
            Market::Spot => self.maker.unwrap_or(false),
        };
        Ok(OrderUpdate {
            instrument: instrument.id,
            client_order_id,
            exchange_order_id: ExchangeOrderId(required(self.order_id, "i")?),
            execution,
            state: required(self.state, "X")?,
            side: required(self.side, "S")?,
            order_type,
            time_in_force: required(self.time_in_force, "f")?,
            reduce_only: match market {
                Market::UsdM => required(self.reduce_only, "R")?,
                Market::Spot => false,
            },
            price: any_price(required(self.price, "p")?, "p")?,
            quantity: quantity(required(self.quantity, "q")?, instrument, "q")?,
            cumulative_quantity: quantity(required(self.cumulative, "z")?, instrument, "z")?,
            last_quantity,
            last_price,
            trade_id,
            liquidity: if maker {
                Liquidity::Maker
            } else {
                Liquidity::Taker
            },
            commission: match self.commission.flatten() {
                Some(text) => money(text, "n")?,
                None => Money::ZERO,
            },
            commission_asset: match self.commission_asset.flatten() {
                Some(text) => text_of(text, "N")?,
                None => Asset::EMPTY,
            },
            realized: self.realized.unwrap_or(Money::ZERO),
            transaction_time: required(self.transaction_time, "T")?,
            event_time,
        })
    }

    /// Quantity, price and trade id of the fill; zeros where nothing was filled.
    fn fill(
        &self,
        execution: Execution,
        instrument: &Instrument,
        any_price: impl Fn(Quoted<'a>, &'static str) -> Result<Price, DecodeError>,
    ) -> Result<(Quantity, Price, TradeId), DecodeError> {
        if !matches!(execution, Execution::Trade | Execution::Liquidation) {
            return Ok((Quantity::ZERO, Price(0), TradeId(0)));
        }
        let trade_id = required(self.trade_id, "t")?;
        Ok((
            quantity(required(self.last_quantity, "l")?, instrument, "l")?,
            any_price(required(self.last_price, "L")?, "L")?,
            TradeId(u64::try_from(trade_id).unwrap_or(0)),
        ))
    }
}

/// True for orders of liquidation, auto-deleveraging and settlement, by their client id (I15).
pub(super) fn is_exchange_made(client_order_id: &ClientOrderId) -> bool {
    let id = client_order_id.as_bytes();
    id.starts_with(b"autoclose-")
        || id.starts_with(b"adl_autoclose")
        || id.starts_with(b"settlement_autoclose-")
}

fn execution(word: &[u8]) -> Option<Execution> {
    match word {
        b"NEW" => Some(Execution::New),
        b"CANCELED" => Some(Execution::Canceled),
        b"TRADE" => Some(Execution::Trade),
        b"EXPIRED" | b"TRADE_PREVENTION" => Some(Execution::Expired),
        b"AMENDMENT" | b"REPLACED" => Some(Execution::Amendment),
        b"CALCULATED" => Some(Execution::Liquidation),
        b"REJECTED" => Some(Execution::Rejected),
        _ => None,
    }
}

fn known<T>(
    cursor: &mut Cursor<'_>,
    name: &'static str,
    read: impl Fn(&[u8]) -> Option<T>,
) -> Result<T, DecodeError> {
    let mut buffer = [0; 40];
    cursor
        .string(name)?
        .text(&mut buffer)
        .and_then(read)
        .ok_or(DecodeError::Value(name))
}
