//! Trades by request: `trades`, `historicalTrades`, `aggTrades` (binance.md 1.2, 1.7).
//!
//! In: a checked call. Out: what was traded since the exchange started, oldest first. Never: a
//! trade that was made up; the past before the start has candles only.

use binance::encode::JsonText;
use market::{AggTrade, Instrument, Market, Side, Trade};

use super::candles::invalid;
use super::endpoint::{Answer, Call};
use super::error::ApiError;
use super::market_data::{limit, span};
use super::order_object::{price as write_price, quantity as write_quantity};

/// Futures give aggregates of the last two days only.
const AGGREGATES_MS: i64 = 48 * 3_600_000;

/// `GET …/trades`: the last ones.
///
/// # Errors
/// -1102, -1121, -1130.
pub fn trades(call: &mut Call<'_>) -> Answer {
    let instrument = call.instrument()?;
    let limit = limit(call, 500, 1_000)?;
    let tape = call.exchange.floor(call.market).tape(instrument.id);
    let skip = tape.trades().len().saturating_sub(limit);
    Ok(list(&instrument, tape.trades().skip(skip), write_trade))
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
    let tape = call.exchange.floor(call.market).tape(instrument.id);
    let behind = tape
        .trades()
        .filter(|trade| trade.trade_id.0 >= from)
        .take(limit);
    Ok(list(&instrument, behind, write_trade))
}

/// `GET …/aggTrades`: from an id, in a span of time, or the last ones.
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
    let all = call
        .exchange
        .floor(call.market)
        .publisher(instrument.id)
        .aggregates();
    let body = match (from_id, from, until) {
        (Some(id), ..) => {
            let behind = all.filter(|one| one.aggregate_id.0 >= id).take(limit);
            list(&instrument, behind, write_aggregate)
        }
        (None, Some(from), until) => {
            let within = |one: &&AggTrade| {
                let time = one.transaction_time.0;
                time >= from && until.is_none_or(|until| time <= until)
            };
            list(&instrument, all.filter(within).take(limit), write_aggregate)
        }
        (None, None, until) => {
            let before =
                |one: &&AggTrade| until.is_none_or(|until| one.transaction_time.0 <= until);
            let mut newest: Vec<&AggTrade> = all.rev().filter(before).take(limit).collect();
            newest.reverse();
            list(&instrument, newest.into_iter(), write_aggregate)
        }
    };
    Ok(body)
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
