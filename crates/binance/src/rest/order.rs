//! Orders and own trades as REST lists them, and failures.
//!
//! In: bodies. Out: venue-neutral reports; what belongs to symbols outside of the table is
//! counted. Never: an order of ours dropped silently: a broken entry fails the whole list.

use super::{RestError, bad_value};
use crate::orders::{ErrorClass, classify_code, outcome_of};
use crate::word;
use market::ids::Asset;
use market::{
    ClientOrderId, ExchangeOrderId, Instrument, Instruments, Liquidity, Market, Money,
    OpenOrderReport, Price, Quantity, ReplyOutcome, Side, TradeId, UtcMs, parse_signed_decimal,
};
use serde::Deserialize;

/// Open orders of the instruments in the table.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct OpenOrders {
    /// Theirs, ours and foreign.
    pub orders: Vec<OpenOrderReport>,
    /// Orders on symbols outside of the table.
    pub other_symbols: usize,
}

/// One of our trades.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct UserTrade {
    /// Unique per symbol.
    pub trade_id: TradeId,
    /// The order that traded.
    pub exchange_order_id: ExchangeOrderId,
    /// Our side.
    pub side: Side,
    /// Price.
    pub price: Price,
    /// Quantity.
    pub quantity: Quantity,
    /// Maker or taker.
    pub liquidity: Liquidity,
    /// Fee, positive = paid.
    pub commission: Money,
    /// Its asset.
    pub commission_asset: Asset,
    /// Realised profit, futures only.
    pub realized: Money,
    /// When.
    pub time: UtcMs,
}

/// A request that did not succeed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failure {
    /// HTTP status.
    pub status: u16,
    /// The exchange's code; 0 when the body is not the exchange's.
    pub code: i64,
    /// What the code means.
    pub class: ErrorClass,
    /// The exchange's text, at most 200 characters.
    pub message: String,
}

/// Reads the body of an answer with another status than 200.
#[must_use]
pub fn parse_failure(status: u16, body: &[u8]) -> Failure {
    #[derive(Deserialize)]
    struct Written {
        code: i64,
        #[serde(default)]
        msg: String,
    }
    let written: Option<Written> = serde_json::from_slice(body).ok();
    let (code, text) = match written {
        Some(written) => (written.code, written.msg),
        None => (0, String::from_utf8_lossy(body).into_owned()),
    };
    Failure {
        status,
        code,
        class: classify_code(code),
        message: text.chars().take(200).collect(),
    }
}

impl Failure {
    /// Whether the request took effect.
    #[must_use]
    pub fn outcome(&self) -> ReplyOutcome {
        outcome_of(self.status, self.code, self.message.as_bytes())
    }
}

/// Reads `GET …/openOrders`.
///
/// # Errors
/// [`RestError`].
pub fn parse_open_orders(
    body: &[u8],
    instruments: &Instruments<'_>,
    market: Market,
) -> Result<OpenOrders, RestError> {
    let written: Vec<WrittenOrder> = serde_json::from_slice(body)?;
    let mut open = OpenOrders::default();
    for order in &written {
        match instruments.find(market, order.symbol.as_bytes()) {
            Some(instrument) => open.orders.push(report(order, instrument)?),
            None => open.other_symbols += 1,
        }
    }
    Ok(open)
}

/// Reads one order object: the answer to a query, a placement or a cancel.
///
/// # Errors
/// [`RestError`].
pub fn parse_order(body: &[u8], instrument: &Instrument) -> Result<OpenOrderReport, RestError> {
    let written: WrittenOrder = serde_json::from_slice(body)?;
    if written.symbol.as_bytes() != instrument.symbol.as_bytes() {
        return Err(bad_value("symbol", &written.symbol));
    }
    report(&written, instrument)
}

/// Reads `GET /fapi/v1/userTrades` or `GET /api/v3/myTrades` of one instrument.
///
/// # Errors
/// [`RestError`].
pub fn parse_user_trades(
    body: &[u8],
    instrument: &Instrument,
) -> Result<Vec<UserTrade>, RestError> {
    let written: Vec<WrittenTrade> = serde_json::from_slice(body)?;
    written
        .iter()
        .map(|trade| user_trade(trade, instrument))
        .collect()
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct WrittenOrder {
    symbol: String,
    order_id: u64,
    client_order_id: String,
    /// A spot cancel names the order here and itself in `clientOrderId`.
    orig_client_order_id: Option<String>,
    status: String,
    side: String,
    #[serde(rename = "type")]
    order_type: String,
    time_in_force: String,
    #[serde(default)]
    reduce_only: bool,
    price: String,
    orig_qty: String,
    executed_qty: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct WrittenTrade {
    id: u64,
    order_id: u64,
    side: Option<String>,
    is_buyer: Option<bool>,
    price: String,
    qty: String,
    #[serde(alias = "isMaker")]
    maker: bool,
    commission: String,
    commission_asset: String,
    #[serde(default)]
    realized_pnl: String,
    time: i64,
}

fn report(written: &WrittenOrder, instrument: &Instrument) -> Result<OpenOrderReport, RestError> {
    let client_id = written
        .orig_client_order_id
        .as_ref()
        .unwrap_or(&written.client_order_id);
    Ok(OpenOrderReport {
        instrument: instrument.id,
        client_order_id: ClientOrderId::new(client_id.as_bytes())
            .ok_or_else(|| bad_value("clientOrderId", client_id))?,
        exchange_order_id: ExchangeOrderId(written.order_id),
        state: known("status", &written.status, word::order_state)?,
        side: known("side", &written.side, word::side)?,
        order_type: known("type", &written.order_type, word::order_type)?,
        time_in_force: known("timeInForce", &written.time_in_force, word::time_in_force)?,
        reduce_only: written.reduce_only,
        price: price("price", &written.price, instrument)?,
        quantity: quantity("origQty", &written.orig_qty, instrument)?,
        cumulative_quantity: quantity("executedQty", &written.executed_qty, instrument)?,
    })
}

fn user_trade(written: &WrittenTrade, instrument: &Instrument) -> Result<UserTrade, RestError> {
    let side = match (&written.side, written.is_buyer) {
        (Some(side), _) => known("side", side, word::side)?,
        (None, Some(true)) => Side::Buy,
        (None, Some(false)) => Side::Sell,
        (None, None) => return Err(bad_value("side", "")),
    };
    Ok(UserTrade {
        trade_id: TradeId(written.id),
        exchange_order_id: ExchangeOrderId(written.order_id),
        side,
        price: price("price", &written.price, instrument)?,
        quantity: quantity("qty", &written.qty, instrument)?,
        liquidity: if written.maker {
            Liquidity::Maker
        } else {
            Liquidity::Taker
        },
        commission: money("commission", &written.commission)?,
        commission_asset: Asset::new(written.commission_asset.as_bytes())
            .ok_or_else(|| bad_value("commissionAsset", &written.commission_asset))?,
        realized: if written.realized_pnl.is_empty() {
            Money::ZERO
        } else {
            money("realizedPnl", &written.realized_pnl)?
        },
        time: UtcMs(written.time),
    })
}

fn known<T>(
    field: &'static str,
    text: &str,
    read: impl Fn(&[u8]) -> Option<T>,
) -> Result<T, RestError> {
    read(text.as_bytes()).ok_or_else(|| bad_value(field, text))
}

fn price(field: &'static str, text: &str, instrument: &Instrument) -> Result<Price, RestError> {
    instrument
        .price_from_text(text.as_bytes())
        .map_err(|_| bad_value(field, text))
}

fn quantity(
    field: &'static str,
    text: &str,
    instrument: &Instrument,
) -> Result<Quantity, RestError> {
    instrument
        .quantity_from_text(text.as_bytes())
        .map_err(|_| bad_value(field, text))
}

pub(super) fn money(field: &'static str, text: &str) -> Result<Money, RestError> {
    parse_signed_decimal(text.as_bytes(), 8)
        .map(Money)
        .map_err(|_| bad_value(field, text))
}
