//! Market data by request: time, depth, tickers, premium index.
//!
//! In: a checked call. Out: the exchange's own view at the time of the call. Never: an order.

use binance::encode::{self, JsonText};
use market::{Instrument, Level, Market, Price, Side, UpdateId};

use super::endpoint::{Answer, Call};
use super::error::ApiError;
use super::order_object::{price as write_price, quantity as write_quantity};
use super::params::Params;
use crate::faults::SnapshotFate;
use crate::streams::publisher::mark_detail;

/// `GET …/ping`.
///
/// # Errors
/// Never.
pub fn ping(_: &mut Call<'_>) -> Answer {
    Ok(b"{}".to_vec())
}

/// `GET …/time`.
///
/// # Errors
/// Never.
pub fn time(call: &mut Call<'_>) -> Answer {
    Ok(format!("{{\"serverTime\":{}}}", call.now.0).into_bytes())
}

/// Weight of a snapshot by its limit (binance.md 1.2, 1.7).
#[must_use]
pub fn depth_weight(params: &Params) -> u32 {
    match params.integer("limit").ok().flatten().unwrap_or(500) {
        ..51 => 2,
        51..101 => 5,
        101..501 => 10,
        501..1_001 => 20,
        _ => 250,
    }
}

/// `GET …/depth`: the depth book as it is now.
///
/// # Errors
/// -1102, -1121, -4021 (futures).
pub fn depth(call: &mut Call<'_>) -> Answer {
    let instrument = call.instrument()?;
    let asked = call.params.integer("limit")?;
    let limit = match call.market {
        Market::UsdM => {
            let limit = asked.unwrap_or(500);
            if ![5, 10, 20, 50, 100, 500, 1_000].contains(&limit) {
                return Err(ApiError::new(
                    -4021,
                    format!("{limit} is not valid depth limit"),
                ));
            }
            limit
        }
        Market::Spot => asked.unwrap_or(100).clamp(1, 5_000),
    };
    let fate = call.exchange.faults.on_snapshot();
    if fate == SnapshotFate::TooManyRequests {
        return Err(ApiError::too_many_requests(
            "Too many requests; please use the websocket for live updates.",
            1,
        ));
    }
    let view = call.exchange.floor(call.market).venue.view(instrument.id);
    let take = |side| -> Vec<Level> { view.depth_levels(side).take(limit as usize).collect() };
    let mut id = view.last_update_id();
    if fate == SnapshotFate::Old {
        id = UpdateId(id.0.saturating_sub(1_000_000));
    }
    let (bids, asks) = (take(Side::Buy), take(Side::Sell));
    let mut out = Vec::with_capacity(40 * (bids.len() + asks.len()) + 128);
    encode::snapshot(&mut out, &instrument, id, call.now, &bids, &asks);
    Ok(out)
}

/// `GET …/ticker/bookTicker`.
///
/// # Errors
/// -1121.
pub fn book_ticker(call: &mut Call<'_>) -> Answer {
    rows(call, |call, json, instrument| {
        let view = call.exchange.floor(call.market).venue.view(instrument.id);
        let none = Level::default();
        let bid = view.best(Side::Buy).unwrap_or(none);
        let ask = view.best(Side::Sell).unwrap_or(none);
        write_price(json, "bidPrice", instrument, bid.price);
        write_quantity(json, "bidQty", instrument, bid.quantity);
        write_price(json, "askPrice", instrument, ask.price);
        write_quantity(json, "askQty", instrument, ask.quantity);
    })
}

/// `GET …/ticker/price`: the middle of the book, rounded down to a tick.
///
/// # Errors
/// -1121.
pub fn price(call: &mut Call<'_>) -> Answer {
    rows(call, |call, json, instrument| {
        let view = call.exchange.floor(call.market).venue.view(instrument.id);
        let best = view.best(Side::Buy).map_or(Price(0), |level| level.price);
        write_price(json, "price", instrument, best);
    })
}

/// `GET /fapi/v1/premiumIndex`.
///
/// # Errors
/// -1121.
pub fn premium_index(call: &mut Call<'_>) -> Answer {
    rows(call, |call, json, instrument| {
        let mark = call.exchange.usdm.venue.mark(instrument.id);
        let detail = mark_detail(instrument, mark, call.now);
        json.decimal("markPrice", detail.mark_e8, 8);
        json.decimal("indexPrice", detail.index_e8, 8);
        json.decimal("estimatedSettlePrice", detail.settle_e8, 8);
        json.decimal("lastFundingRate", detail.funding_rate.0, 8);
        json.text("interestRate", b"0.00010000");
        json.integer("nextFundingTime", detail.next_funding_time.0);
    })
}

/// One object for a symbol, a list of all without one. Futures rows carry their time.
fn rows(call: &Call<'_>, write: impl Fn(&Call<'_>, &mut JsonText<'_>, &Instrument)) -> Answer {
    let single = call.params.get("symbol").is_some();
    let mut out = Vec::new();
    let mut json = JsonText::new(&mut out);
    if !single {
        json.open_array();
    }
    for instrument in call.instruments()? {
        json.open();
        json.text("symbol", instrument.symbol.as_bytes());
        write(call, &mut json, &instrument);
        if call.market == Market::UsdM {
            json.integer("time", call.now.0);
        }
        json.close();
    }
    if !single {
        json.close_list();
    }
    Ok(out)
}
