//! Market data by request: time, depth, tickers, funding.
//!
//! In: a checked call. Out: the exchange's own view at the time of the call. Never: an order.

use binance::encode::{self, JsonText};
use market::{Instrument, Level, Market, Quantity, Side, UpdateId};

use super::candles::invalid;
use super::endpoint::{Answer, Call};
use super::error::ApiError;
use super::order_object::{price as write_price, quantity as write_quantity};
use super::params::Params;
use crate::faults::SnapshotFate;
use crate::streams::publisher::mark_detail;
use crate::streams::ticker_text::{Extent, mean_e8, ticker_members};
use crate::tape;

/// Times beyond the year 5138 are no times; sums with them stay far from overflow.
const TIME_MAX: i64 = 100_000_000_000_000;

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

/// Weight of a futures snapshot by its limit (binance.md 1.2).
#[must_use]
pub fn depth_weight(params: &Params) -> u32 {
    match params.integer("limit").ok().flatten().unwrap_or(500) {
        ..51 => 2,
        51..101 => 5,
        101..501 => 10,
        _ => 20,
    }
}

/// Weight of a spot snapshot by its limit (binance.md 1.7).
#[must_use]
pub fn spot_depth_weight(params: &Params) -> u32 {
    match params.integer("limit").ok().flatten().unwrap_or(100) {
        ..101 => 5,
        101..501 => 25,
        501..1_001 => 50,
        _ => 250,
    }
}

/// A `limit`: futures refuse what is too large, spot gives as much as it has.
///
/// # Errors
/// -1102 when it is no number, -1130 when it is out of range.
pub(super) fn limit(call: &Call<'_>, default: usize, most: usize) -> Result<usize, ApiError> {
    let asked = match call.params.integer("limit")? {
        None => return Ok(default),
        Some(asked) => usize::try_from(asked).unwrap_or(0),
    };
    if asked == 0 || (asked > most && call.market == Market::UsdM) {
        return Err(invalid("limit"));
    }
    Ok(asked.min(most))
}

/// `startTime` and `endTime`.
///
/// # Errors
/// -1102 when one is no number, -1130 when it is negative, -1023 when they are the wrong way
/// round on futures; spot has an empty answer for that.
pub(super) fn span(call: &Call<'_>) -> Result<(Option<i64>, Option<i64>), ApiError> {
    let time = |name: &str| match call.params.integer(name)? {
        Some(time) if !(0..=TIME_MAX).contains(&time) => Err(invalid(name)),
        time => Ok(time),
    };
    let (from, until) = (time("startTime")?, time("endTime")?);
    let reversed = from.zip(until).is_some_and(|(from, until)| from > until);
    if reversed && call.market == Market::UsdM {
        return Err(ApiError::new(-1023, "Start time is greater than end time."));
    }
    Ok((from, until))
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

/// `GET …/ticker/price`: the last price.
///
/// # Errors
/// -1121.
pub fn price(call: &mut Call<'_>) -> Answer {
    rows(call, |call, json, instrument| {
        let last = call
            .exchange
            .floor(call.market)
            .tape(instrument.id)
            .last_price();
        write_price(json, "price", instrument, last);
    })
}

/// `GET …/ticker/24hr`.
///
/// # Errors
/// -1121, -1130.
pub fn day(call: &mut Call<'_>) -> Answer {
    let extent = extent(call, Extent::Full)?;
    tickers(call, tape::DAY_MS, extent)
}

/// `GET /api/v3/ticker`: a window of one minute to seven days.
///
/// # Errors
/// As [`day`].
pub fn window(call: &mut Call<'_>) -> Answer {
    let extent = extent(call, Extent::Window)?;
    let size = call.params.get("windowSize").unwrap_or("1d");
    let length_ms = window_ms(size).ok_or_else(|| invalid("windowSize"))?;
    if call.params.get("symbol").is_none() && call.params.get("symbols").is_none() {
        return Err(ApiError::mandatory("symbol"));
    }
    tickers(call, length_ms, extent)
}

/// `GET /api/v3/ticker/tradingDay`: since midnight UTC.
///
/// # Errors
/// As [`day`].
pub fn trading_day(call: &mut Call<'_>) -> Answer {
    let extent = extent(call, Extent::Window)?;
    let since = call.now.0.rem_euclid(tape::DAY_MS) / 60_000 * 60_000;
    tickers(call, since + 60_000, extent)
}

fn extent(call: &Call<'_>, full: Extent) -> Result<Extent, ApiError> {
    match call
        .params
        .get("type")
        .filter(|_| call.market == Market::Spot)
    {
        None | Some("FULL") => Ok(full),
        Some("MINI") => Ok(Extent::Mini),
        Some(_) => Err(invalid("type")),
    }
}

/// `1m` to `59m`, `1h` to `23h`, `1d` to `7d`.
fn window_ms(text: &str) -> Option<i64> {
    let (digits, unit) = text.split_at_checked(text.len().checked_sub(1)?)?;
    let number: i64 = digits.parse().ok()?;
    let (most, unit_ms) = match unit {
        "m" => (59, 60_000),
        "h" => (23, 3_600_000),
        "d" => (7, tape::DAY_MS),
        _ => return None,
    };
    (1..=most).contains(&number).then_some(number * unit_ms)
}

fn tickers(call: &mut Call<'_>, length_ms: i64, extent: Extent) -> Answer {
    let (now, market) = (call.now, call.market);
    let (instruments, single) = asked_for(call)?;
    let mut out = Vec::new();
    let mut json = JsonText::new(&mut out);
    if !single {
        json.open_array();
    }
    for instrument in instruments {
        let floor = call.exchange.floor_mut(market);
        let window = floor.tape_mut(instrument.id).window(length_ms, now);
        let view = floor.venue.view(instrument.id);
        let best = |side| view.best(side).unwrap_or_default();
        let best = (best(Side::Buy), best(Side::Sell));
        json.open();
        json.text("symbol", instrument.symbol.as_bytes());
        ticker_members(&mut json, &instrument, &window, best, now, extent);
        json.close();
    }
    if !single {
        json.close_list();
    }
    Ok(out)
}

/// `GET /api/v3/avgPrice`: over five minutes.
///
/// # Errors
/// -1102, -1121.
pub fn average(call: &mut Call<'_>) -> Answer {
    let instrument = call.instrument()?;
    let now = call.now;
    let tape = call.exchange.floor_mut(call.market).tape_mut(instrument.id);
    let window = tape.window(5 * 60_000, now);
    let mut out = Vec::new();
    let mut json = JsonText::new(&mut out);
    json.open();
    json.integer("mins", 5);
    json.decimal("price", mean_e8(&instrument, &window), 8);
    json.integer("closeTime", now.0);
    json.close();
    Ok(out)
}

/// `GET /fapi/v1/premiumIndex`.
///
/// # Errors
/// -1121.
pub fn premium_index(call: &mut Call<'_>) -> Answer {
    rows(call, |call, json, instrument| {
        let mark = call.exchange.usdm.venue.mark(instrument.id);
        let detail = mark_detail(instrument, mark, call.now);
        let funding = &call.exchange.usdm.tape(instrument.id).funding;
        let rate = funding.rate();
        let next = funding
            .due()
            .map_or(detail.next_funding_time, |(next, _)| next);
        json.decimal("markPrice", detail.mark_e8, 8);
        json.decimal("indexPrice", detail.index_e8, 8);
        json.decimal("estimatedSettlePrice", detail.settle_e8, 8);
        json.decimal("lastFundingRate", rate.0, 8);
        json.text("interestRate", b"0.00010000");
        json.integer("nextFundingTime", next.0);
    })
}

/// `GET /fapi/v1/fundingRate`: oldest first; the last ones without a start.
///
/// # Errors
/// -1102, -1121, -1023, -1130.
pub fn funding_rate(call: &mut Call<'_>) -> Answer {
    call.exchange.usdm_weights.count_funding(call.now)?;
    let limit = limit(call, 100, 1_000)?;
    let (from, until) = span(call)?;
    let until = until.unwrap_or(call.now.0).min(call.now.0);
    let now = call.now;
    let mut all = Vec::new();
    for instrument in call.instruments()? {
        let tape = call.exchange.usdm.tape_mut(instrument.id);
        let settled = tape.fundings(from.unwrap_or(0), until, now);
        all.extend(settled.into_iter().map(|one| (instrument, one)));
    }
    all.sort_by_key(|(instrument, one)| (one.time, instrument.id));
    let skip = if from.is_some() {
        0
    } else {
        all.len().saturating_sub(limit)
    };
    let mut out = Vec::new();
    let mut json = JsonText::new(&mut out);
    json.open_array();
    for (instrument, one) in all.iter().skip(skip).take(limit) {
        let detail = mark_detail(instrument, one.mark, one.time);
        json.open();
        json.text("symbol", instrument.symbol.as_bytes());
        json.decimal("fundingRate", one.rate.0, 8);
        json.integer("fundingTime", one.time.0);
        json.decimal("markPrice", detail.mark_e8, 8);
        json.text("rateType", b"Regular");
        json.close();
    }
    json.close_list();
    Ok(out)
}

/// `GET /fapi/v1/fundingInfo`: only symbols with adjusted values would be in it.
///
/// # Errors
/// -1003 above the limit that it shares with `fundingRate`.
pub fn funding_info(call: &mut Call<'_>) -> Answer {
    call.exchange.usdm_weights.count_funding(call.now)?;
    Ok(b"[]".to_vec())
}

/// `GET /fapi/v1/openInterest`: as much as is traded in two hours of a day's mean. Nobody's
/// positions are behind it but ours.
///
/// # Errors
/// -1102, -1121.
pub fn open_interest(call: &mut Call<'_>) -> Answer {
    let instrument = call.instrument()?;
    let now = call.now;
    let day = call.exchange.usdm.tape_mut(instrument.id).day(now);
    let mut out = Vec::new();
    let mut json = JsonText::new(&mut out);
    json.open();
    write_quantity(
        &mut json,
        "openInterest",
        &instrument,
        Quantity(day.lots / 12),
    );
    json.text("symbol", instrument.symbol.as_bytes());
    json.integer("time", now.0);
    json.close();
    Ok(out)
}

/// What `symbol`, or spot's list `symbols`, names; true when it is one object that is wanted.
pub(super) fn asked_for(call: &Call<'_>) -> Result<(Vec<Instrument>, bool), ApiError> {
    let list = call
        .params
        .get("symbols")
        .filter(|_| call.market == Market::Spot);
    let single = call.params.get("symbol").is_some();
    let Some(list) = list else {
        return Ok((call.instruments()?, single));
    };
    if single {
        return Err(ApiError::new(
            -1128,
            "Combination of optional parameters invalid.",
        ));
    }
    let names: Vec<String> = serde_json::from_str(list)
        .map_err(|_| ApiError::new(-1100, "Illegal characters found in parameter 'symbols'."))?;
    let floor = call.exchange.floor(call.market);
    let found = names.iter().map(|name| floor.find(name).copied());
    let found: Option<Vec<_>> = found.collect();
    Ok((found.ok_or_else(ApiError::invalid_symbol)?, false))
}

/// One object for a symbol, a list of all without one. Futures rows carry their time.
fn rows(call: &Call<'_>, write: impl Fn(&Call<'_>, &mut JsonText<'_>, &Instrument)) -> Answer {
    let (instruments, single) = asked_for(call)?;
    let mut out = Vec::new();
    let mut json = JsonText::new(&mut out);
    if !single {
        json.open_array();
    }
    for instrument in instruments {
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
