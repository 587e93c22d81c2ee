//! How the exchange stands, in one answer; faults, and their end.
//!
//! In: requests on the control port. Out: time, markets, instruments, faults, what is followed.
//! Never: the Binance dialect, an account; `/sim/v1/account` has those.

use axum::Json;
use axum::extract::State;
use market::{Instrument, Market, Side, Step};
use serde_json::{Value, json};

use super::control_api::decimal;
use crate::exchange::Shared;
use crate::faults::schedule::Schedule;
use crate::floor::Floor;

/// `GET /sim/v1/state`.
pub(super) async fn state(State(shared): State<Shared>) -> Json<Value> {
    let exchange = shared.lock();
    Json(json!({
        "now_ms": exchange.clock.now().0,
        "clock_paused": exchange.clock.is_standing(),
        "usdm": describe(&exchange.usdm),
        "spot": describe(&exchange.spot),
        "accounts": exchange.usdm.venue.account_count(),
        "requests": exchange.requests,
        "private_events": exchange.private_events,
        "faults_injected": exchange.faults.injected(),
    }))
}

/// `GET /sim/v1/faults`: those that wait, and the next of the schedule.
pub(super) async fn faults(State(shared): State<Shared>) -> Json<Value> {
    let exchange = shared.lock();
    let waiting = exchange.faults.waiting();
    let waiting = waiting.map(|one| format!("{}:{}", one.name(), one.argument));
    let next_ns = exchange.schedule.as_ref().map(Schedule::next_ns);
    Json(json!({
        "waiting": waiting.collect::<Vec<_>>(),
        "injected": exchange.faults.injected(),
        "next_scheduled_ms": next_ns.map(|next_ns| next_ns / 1_000_000),
    }))
}

/// `DELETE /sim/v1/faults`: those that wait, those that last, and the schedule end.
pub(super) async fn end_faults(State(shared): State<Shared>) -> Json<Value> {
    let mut exchange = shared.lock();
    exchange.faults.clear();
    exchange.schedule = None;
    Json(json!({ "waiting": [] }))
}

/// `POST /sim/v1/reset`: no fault, the latency of the start, clock and market run. Accounts stay as they are.
pub(super) async fn reset(State(shared): State<Shared>) -> Json<Value> {
    let mut exchange = shared.lock();
    exchange.faults.clear();
    exchange.schedule = None;
    exchange.reset_latency();
    exchange.clock.set_standing(false);
    let now_ns = exchange.clock.now_ns();
    for market in [Market::UsdM, Market::Spot] {
        exchange.floor_mut(market).set_paused(false, now_ns);
    }
    drop(exchange);
    shared.clock_changed();
    Json(json!({ "paused": false, "waiting": [] }))
}

fn describe(floor: &Floor) -> Value {
    let (orders, fills) = floor.venue.totals();
    let instruments = floor.venue.instruments().iter();
    json!({
        "paused": floor.is_paused(),
        "market_events": floor.events(),
        "connections": floor.hub.connection_count(),
        "orders_total": orders,
        "fills_total": fills,
        "instruments": instruments.map(|one| instrument(floor, one)).collect::<Vec<_>>(),
        "following": floor.following(),
    })
}

fn instrument(floor: &Floor, instrument: &Instrument) -> Value {
    let view = floor.venue.view(instrument.id);
    let text = |count: i64, step: Step| {
        decimal(
            count.saturating_mul(step.mantissa),
            u32::from(step.decimals),
        )
    };
    let best = |side| {
        let level = view.best(side)?;
        let price = text(level.price.0, instrument.tick);
        Some([price, text(level.quantity.0, instrument.lot)])
    };
    json!({
        "symbol": instrument.symbol.as_str(),
        "status": instrument.status.as_str(),
        "last_update_id": view.last_update_id().0,
        "bid": best(Side::Buy),
        "ask": best(Side::Sell),
        "last_price": text(floor.last_price(instrument.id).0, instrument.tick),
        "mark_price": text(floor.venue.mark(instrument.id).0, instrument.tick),
        "funding_rate_e8": floor.funding_rate(instrument.id).0,
    })
}
