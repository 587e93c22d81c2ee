//! What a test has to know to judge somebody's books: every order and every fill, and the clock.
//!
//! In: requests on the control port. Out: orders with their states, fills with their ids; a clock
//! that jumps (F55). Never: the Binance dialect, a summary that could hide a difference.

use axum::Json;
use axum::extract::{Query, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use market::{InstrumentId, Market};
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
pub(super) struct ClockStep {
    /// How far the clock jumps, forward or back.
    step_ms: i64,
}

/// The clock jumps, as one does that somebody sets.
pub(super) async fn clock(State(shared): State<Shared>, Json(step): Json<ClockStep>) -> Response {
    if step.step_ms.abs() > STEP_MS_MAX {
        return (StatusCode::BAD_REQUEST, "at most a day either way\n").into_response();
    }
    let mut exchange = shared.lock();
    let now_ns = exchange.clock.now_ns() + step.step_ms * 1_000_000;
    exchange.clock.set_ns(now_ns);
    Json(json!({ "now_ms": exchange.clock.now().0 })).into_response()
}
