//! Trades by request: `trades`, `historicalTrades`, `aggTrades` (binance.md 1.2, 1.7).
//!
//! In: a checked call. Out: what was traded since the exchange started, and before it what its
//! made-up candles are of, oldest first. Never: a made-up trade of a followed market.

use binance::encode::JsonText;
use market::{AggTrade, Instrument, Market, Side, Trade};

use super::candles::invalid;
use super::endpoint::{Answer, Call};
use super::error::ApiError;
use super::market_data::{limit, span};
use super::order_object::{price as write_price, quantity as write_quantity};
use crate::tape::past_trades::Asked;

/// Futures give aggregates of the last two days only.
const AGGREGATES_MS: i64 = 48 * 3_600_000;

/// `GET …/trades`: the last ones.
///
/// # Errors
/// -1102, -1121, -1130.
pub fn trades(call: &mut Call<'_>) -> Answer {
    let instrument = call.instrument()?;
    let limit = limit(call, 500, 1_000)?;
    let floor = call.exchange.floor(call.market);
    let tape = floor.tape(instrument.id);
    let real = tape.trades().len();
    let missing = limit.saturating_sub(real);
    let past = match tape.keeps_all_trades() {
        true => before_start(call, &instrument, Asked::Until(i64::MAX), missing),
        false => Vec::new(),
    };
    let all = past
        .iter()
        .chain(tape.trades().skip(real.saturating_sub(limit)));
    Ok(list(&instrument, all, write_trade))
}

/// Trades of the made-up past; none where the market is another exchange's.
fn before_start(
    call: &Call<'_>,
    instrument: &Instrument,
    asked: Asked,
    limit: usize,
) -> Vec<Trade> {
    let past = call.exchange.floor(call.market).own_past(instrument.id);
    match past.filter(|_| limit > 0) {
        Some(past) => past.trades(instrument.id, asked, limit),
        None => Vec::new(),
    }
}

/// `GET …/historicalTrades`: from an id, or the last ones.
///
/// # Errors
/// As [`trades`].
pub fn historical(call: &mut Call<'_>) -> Answer {
    if call.params.get("fromId").is_none() {
        return trades(call);
    }
    let instrument = call.instrument()?;
    let most = if call.market == Market::Spot {
        1_000
    } else {
        500
    };
    let limit = limit(call, 500, most)?;
    let from = from_id(call)?.unwrap_or(0);
    let past = before_start(call, &instrument, Asked::From(from), limit);
    let tape = call.exchange.floor(call.market).tape(instrument.id);
    let behind = tape.trades().filter(|trade| trade.trade_id.0 >= from);
    let all = past.iter().chain(behind.take(limit - past.len()));
    Ok(list(&instrument, all, write_trade))
}

/// `GET …/aggTrades`: from an id, in a span of time, or the last ones. Before the start every trade
/// is an aggregate of its own.
///
/// # Errors
/// As [`trades`]; -1128 for an id with a span; -4166 before the last two days (futures).
pub fn aggregates(call: &mut Call<'_>) -> Answer {
    let instrument = call.instrument()?;
    let limit = limit(call, 500, 1_000)?;
    let (from, until) = span(call)?;
    let from_id = from_id(call)?;
    if from_id.is_some() && (from.is_some() || until.is_some()) {
        return Err(ApiError::new(
            -1128,
            "Combination of optional parameters invalid.",
        ));
    }
    let oldest = call.now.0 - AGGREGATES_MS;
    let too_old = [from, until]
        .into_iter()
        .flatten()
        .any(|time| time < oldest);
    if call.market == Market::UsdM && too_old {
        let message = "Search window is restricted to recent 2 days only.";
        return Err(ApiError::new(-4166, message));
    }
    let rows = aggregates_asked(call, &instrument, (from_id, from, until), limit);
    Ok(list(&instrument, rows.iter(), write_aggregate))
}

fn aggregates_asked(
    call: &Call<'_>,
    instrument: &Instrument,
    (from_id, from, until): (Option<u64>, Option<i64>, Option<i64>),
    limit: usize,
) -> Vec<AggTrade> {
    let floor = call.exchange.floor(call.market);
    let real = floor.publisher(instrument.id).aggregates();
    let until_ms = until.unwrap_or(i64::MAX);
    let before = |asked: Asked, limit: usize| -> Vec<AggTrade> {
        let trades = before_start(call, instrument, asked, limit);
        trades.iter().map(alone).collect()
    };
    let (mut rows, real): (Vec<AggTrade>, Vec<AggTrade>) = match (from_id, from) {
        (Some(id), _) => (
            before(Asked::From(id), limit),
            real.filter(|one| one.aggregate_id.0 >= id)
                .take(limit)
                .copied()
                .collect(),
        ),
        (None, Some(from)) => {
            let within = |one: &&AggTrade| (from..=until_ms).contains(&one.transaction_time.0);
            (
                before(Asked::Between(from, until_ms), limit),
                real.filter(within).take(limit).copied().collect(),
            )
        }
        (None, None) => {
            let early = |one: &&AggTrade| one.transaction_time.0 <= until_ms;
            let mut newest: Vec<AggTrade> = real.rev().filter(early).take(limit).copied().collect();
            newest.reverse();
            let missing = limit - newest.len();
            let whole = floor.tape(instrument.id).keeps_all_trades();
            let missing = if whole { missing } else { 0 };
            (before(Asked::Until(until_ms), missing), newest)
        }
    };
    rows.extend(real);
    rows.truncate(limit);
    rows
}

/// A trade as an aggregate of nothing else.
fn alone(trade: &Trade) -> AggTrade {
    AggTrade {
        instrument: trade.instrument,
        aggregate_id: trade.trade_id,
        first_trade_id: trade.trade_id,
        last_trade_id: trade.trade_id,
        price: trade.price,
        quantity: trade.quantity,
        aggressor: trade.aggressor,
        transaction_time: trade.transaction_time,
        event_time: trade.event_time,
    }
}

fn from_id(call: &Call<'_>) -> Result<Option<u64>, ApiError> {
    match call.params.integer("fromId")? {
        None => Ok(None),
        Some(id) => u64::try_from(id).map(Some).map_err(|_| invalid("fromId")),
    }
}

fn list<'a, T: 'a>(
    instrument: &Instrument,
    all: impl Iterator<Item = &'a T>,
    write: impl Fn(&mut JsonText<'_>, &Instrument, &T),
) -> Vec<u8> {
    let mut out = Vec::new();
    let mut json = JsonText::new(&mut out);
    json.open_array();
    for one in all {
        write(&mut json, instrument, one);
    }
    json.close_list();
    out
}

fn write_trade(json: &mut JsonText<'_>, instrument: &Instrument, trade: &Trade) {
    json.open();
    json.id("id", trade.trade_id.0);
    write_price(json, "price", instrument, trade.price);
    write_quantity(json, "qty", instrument, trade.quantity);
    let worth = instrument.notional(trade.price, trade.quantity);
    json.decimal("quoteQty", worth.0, 8);
    json.integer("time", trade.transaction_time.0);
    json.boolean("isBuyerMaker", trade.aggressor == Side::Sell);
    match instrument.market {
        Market::UsdM => json.boolean("isRPITrade", false),
        Market::Spot => json.boolean("isBestMatch", true),
    };
    json.close();
}

fn write_aggregate(json: &mut JsonText<'_>, instrument: &Instrument, one: &AggTrade) {
    json.open();
    json.id("a", one.aggregate_id.0);
    write_price(json, "p", instrument, one.price);
    write_quantity(json, "q", instrument, one.quantity);
    if instrument.market == Market::UsdM {
        write_quantity(json, "nq", instrument, one.quantity);
    }
    json.id("f", one.first_trade_id.0);
    json.id("l", one.last_trade_id.0);
    json.integer("T", one.transaction_time.0);
    json.boolean("m", one.aggressor == Side::Sell);
    if instrument.market == Market::Spot {
        json.boolean("M", true);
    }
    json.close();
}
