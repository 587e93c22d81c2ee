//! What a test has to know to judge somebody's books: every order and every fill; and what an exchange
//! does by itself: the clock, the listing, funding.
//!
//! In: requests on the control port. Out: orders with their states, fills with their ids; a clock
//! that stops and jumps (F55), an instrument that is
//! halted or filtered otherwise (F51, F52), funding that is charged (F46). Never: the Binance dialect, a summary that could hide a difference.

use axum::Json;
use axum::extract::{Query, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use market::{Filters, InstrumentId, InstrumentStatus, Market, Money};
use serde::Deserialize;
use serde_json::{Value, json};

use crate::exchange::Shared;
use crate::floor::Floor;

/// Largest jump of the clock: a day.
const STEP_MS_MAX: i64 = 86_400_000;

#[derive(Deserialize)]
pub(super) struct HistoryQuery {
    /// `usdm` (default) or `spot`.
    market: Option<String>,
}

/// Every order and every fill since the start, in their order.
pub(super) async fn history(
    State(shared): State<Shared>,
    Query(query): Query<HistoryQuery>,
) -> Response {
    let market = query.market.as_deref();
    let Some(market) = market.map_or(Some(Market::UsdM), Market::from_word) else {
        return (StatusCode::BAD_REQUEST, "market is usdm or spot\n").into_response();
    };
    let exchange = shared.lock();
    Json(describe(exchange.floor(market))).into_response()
}

fn describe(floor: &Floor) -> Value {
    let venue = &floor.venue;
    let symbol = |id: InstrumentId| venue.instruments()[usize::from(id.0)].symbol;
    let orders = venue.orders().map(|order| {
        json!({
            "client_order_id": order.request.client_order_id.as_str(),
            "order_id": order.id.0,
            "symbol": symbol(order.request.instrument).as_str(),
            "state": order.state.as_str(),
            "final": order.state.is_final(),
            "filled_lots": order.filled.0,
            "created_ms": order.created.0,
        })
    });
    let fills = venue.fills().map(|fill| {
        let order = venue.order(fill.order_id);
        let id = order.map(|order| order.request.client_order_id);
        json!({
            "trade_id": fill.trade_id.0,
            "client_order_id": id.map_or(String::new(), |id| id.as_str().to_owned()),
            "symbol": symbol(fill.instrument).as_str(),
            "lots": fill.side.sign() * fill.quantity.0,
            "time_ms": fill.time.0,
        })
    });
    json!({
        "orders": orders.collect::<Vec<_>>(),
        "fills": fills.collect::<Vec<_>>(),
    })
}

#[derive(Deserialize)]
pub(super) struct ClockChange {
    /// True stops the clock and with it the market, false lets both go on.
    pause: Option<bool>,
    /// How far the clock goes at once, forward or back.
    step_ms: Option<i64>,
    /// How many times faster than real time the market runs.
    speed: Option<f64>,
}

/// The clock stops, goes on, or jumps, as one does that somebody sets; everything that comes due by
/// that happens.
pub(super) async fn clock(
    State(shared): State<Shared>,
    Json(change): Json<ClockChange>,
) -> Response {
    let step_ms = change.step_ms.unwrap_or(0);
    let speed = change.speed;
    if speed.is_some_and(|speed| !(0.01..=1_000.0).contains(&speed)) {
        let text = "the speed lies between 0.01 and 1000\n";
        return (StatusCode::BAD_REQUEST, text).into_response();
    }
    if step_ms.unsigned_abs() > STEP_MS_MAX.unsigned_abs() {
        return (StatusCode::BAD_REQUEST, "at most a day either way\n").into_response();
    }
    let mut exchange = shared.lock();
    if let Some(pause) = change.pause {
        exchange.clock.set_standing(pause);
    }
    let now_ns = exchange.clock.now_ns();
    if let Some(speed) = speed {
        for market in [Market::UsdM, Market::Spot] {
            exchange.floor_mut(market).set_speed(speed, now_ns);
        }
    }
    if step_ms != 0 {
        exchange.clock.set_ns(now_ns + step_ms * 1_000_000);
    }
    let answer = json!({
        "now_ms": exchange.clock.now().0,
        "paused": exchange.clock.is_standing(),
    });
    drop(exchange);
    // The market's task waits for what comes next; that has changed.
    shared.clock_changed();
    Json(answer).into_response()
}

#[derive(Deserialize)]
pub(super) struct Listing {
    /// Of USD-M.
    symbol: String,
    /// `TRADING`, `NOT_TRADING` or `CANCEL_ONLY`; unchanged without.
    status: Option<String>,
    /// In whole units of the quote asset; unchanged without.
    minimum_notional: Option<u32>,
}

/// An instrument is halted, opened again, or filtered otherwise.
pub(super) async fn listing(State(shared): State<Shared>, Json(new): Json<Listing>) -> Response {
    let mut exchange = shared.lock();
    let venue = &mut exchange.usdm.venue;
    let mut all = venue.instruments().iter();
    let found = all.find(|one| one.symbol.as_str() == new.symbol).copied();
    let status = new.status.as_deref();
    let status = status.map(|word| InstrumentStatus::from_word(word).ok_or(()));
    let (Some(instrument), Ok(status)) = (found, status.transpose()) else {
        return (StatusCode::BAD_REQUEST, "no such symbol or status\n").into_response();
    };
    if let Some(status) = status {
        venue.set_status(instrument.id, status);
    }
    if let Some(least) = new.minimum_notional {
        let filters = Filters {
            notional_min: Money::from_whole(i64::from(least)),
            ..instrument.filters
        };
        venue.set_filters(instrument.id, filters);
    }
    Json(json!({ "symbol": new.symbol })).into_response()
}

#[derive(Deserialize)]
pub(super) struct Funding {
    /// What the account gets, in units of 1e-8 of the quote asset; negative when it pays.
    amount_e8: i64,
}

/// Funding of USD-M is charged now.
pub(super) async fn funding(State(shared): State<Shared>, Json(new): Json<Funding>) -> Response {
    let mut exchange = shared.lock();
    let now = exchange.clock.now();
    let floor = exchange.floor_mut(Market::UsdM);
    let amount = Money(new.amount_e8);
    floor
        .venue
        .move_money(now, amount, "FUNDING_FEE", &mut floor.outputs);
    let wallet_e8 = floor.venue.account().wallet.0;
    if !exchange.keep() {
        return StatusCode::SERVICE_UNAVAILABLE.into_response();
    }
    exchange.send_private(now);
    Json(json!({ "wallet_e8": wallet_e8 })).into_response()
}
