//! The market at rest: it stands still on command, and its books can be read whole.
//!
//! In: requests on the control port. Out: a book with its version, a market that pauses and goes
//! on. Never: the Binance dialect, our own orders in a book.

use axum::Json;
use axum::extract::{Query, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use market::{Market, Side};
use serde::Deserialize;
use serde_json::{Value, json};

use crate::exchange::Shared;

#[derive(Deserialize)]
pub(super) struct BookQuery {
    symbol: String,
    /// `usdm` (default) or `spot`.
    market: Option<String>,
}

/// The book as the depth streams tell it, best first, prices and quantities as decimals.
pub(super) async fn book(State(shared): State<Shared>, Query(query): Query<BookQuery>) -> Response {
    let market = query.market.as_deref();
    let Some(market) = market.map_or(Some(Market::UsdM), Market::from_word) else {
        return (StatusCode::BAD_REQUEST, "market is usdm or spot\n").into_response();
    };
    let exchange = shared.lock();
    let floor = exchange.floor(market);
    let Some(instrument) = floor.find(&query.symbol) else {
        return (StatusCode::BAD_REQUEST, "no such symbol\n").into_response();
    };
    let view = floor.venue.view(instrument.id);
    let decimal = |count: i64, step: market::Step| {
        let value = count.saturating_mul(step.mantissa);
        let mut buffer = [0; market::decimal::TEXT_MAX];
        let decimals = u32::from(step.decimals);
        let text = market::decimal::write_decimal(value, decimals, &mut buffer);
        String::from_utf8_lossy(text).into_owned()
    };
    let side = |side| -> Vec<Value> {
        let levels = view.depth_levels(side);
        let pair = levels.map(|level| {
            let price = decimal(level.price.0, instrument.tick);
            json!([price, decimal(level.quantity.0, instrument.lot)])
        });
        pair.collect()
    };
    Json(json!({
        "symbol": instrument.symbol.as_str(),
        "last_update_id": view.last_update_id().0,
        "bids": side(Side::Buy),
        "asks": side(Side::Sell),
    }))
    .into_response()
}

#[derive(Deserialize)]
pub(super) struct MarketState {
    /// True stops both markets, false lets them go on where they stopped.
    paused: bool,
}

/// Pauses the market.
pub(super) async fn market(
    State(shared): State<Shared>,
    Json(asked): Json<MarketState>,
) -> Json<Value> {
    let mut exchange = shared.lock();
    let now_ns = exchange.clock.now_ns();
    for market in [Market::UsdM, Market::Spot] {
        exchange.floor_mut(market).set_paused(asked.paused, now_ns);
    }
    drop(exchange);
    // The market's task waits for what comes next; that has changed.
    shared.wake();
    Json(json!({ "paused": asked.paused }))
}
