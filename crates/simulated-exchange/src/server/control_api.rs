//! The control API `/sim/v1`: what tests and the demo ask the exchange beside its dialect.
//!
//! In: requests on the third port. Out: the account as it truly is, wire-to-wire times, counts;
//! faults switched on. Never: the Binance dialect.

use axum::extract::{DefaultBodyLimit, Query, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use market::{Instrument, InstrumentId, Market, OrderState, Quantity};
use matching::spot::base_amount;
use matching::{Account, AccountId};
use serde::Deserialize;
use serde_json::{Value, json};

use super::{accounts_api, latency_api, standing, state_api, truth};
use crate::api::algo;
use crate::assembly::opening_base;
use crate::exchange::{Exchange, Shared};
use crate::faults::FaultSpec;
use crate::floor::Floor;
use crate::streams::hub::FrameKey;
use crate::streams::names::StreamKind;

/// Most bytes of a request: a day of orders, each with its trigger.
const BODY_BYTES_MAX: usize = 64 << 20;

/// The router of the control port.
pub fn router(shared: Shared) -> Router {
    Router::new()
        .route("/sim/v1/account", get(account))
        .route("/sim/v1/wire-to-wire", post(wire_to_wire))
        .route(
            "/sim/v1/accounts",
            get(accounts_api::list).post(accounts_api::open),
        )
        .route("/sim/v1/transfer", post(accounts_api::transfer))
        .route("/sim/v1/fault", post(fault))
        .route(
            "/sim/v1/faults",
            get(state_api::faults)
                .post(fault)
                .delete(state_api::end_faults),
        )
        .route(
            "/sim/v1/latency",
            get(latency_api::latency).post(latency_api::set),
        )
        .route("/sim/v1/reset", post(state_api::reset))
        .route("/sim/v1/state", get(state_api::state))
        .route("/sim/v1/stats", get(stats))
        .route("/sim/v1/history", get(truth::history))
        .route("/sim/v1/clock", post(truth::clock))
        .route("/sim/v1/listing", post(truth::listing))
        .route("/sim/v1/funding", post(truth::funding))
        .route("/sim/v1/book", get(standing::book))
        .route("/sim/v1/market", post(standing::market))
        .layer(DefaultBodyLimit::max(BODY_BYTES_MAX))
        .with_state(shared)
}

#[derive(Deserialize)]
struct AccountQuery {
    /// Only orders whose client id begins with this.
    #[serde(default)]
    prefix: String,
    /// `usdm` (default) or `spot`.
    market: Option<String>,
    /// Name of the account; the first one without.
    account: Option<String>,
}

async fn account(State(shared): State<Shared>, Query(query): Query<AccountQuery>) -> Response {
    let mut exchange = shared.lock();
    let first = AccountId(0);
    let wanted = match query.account.as_deref() {
        None => Some(first),
        Some(name) => exchange.accounts.of_name(name).map(|one| one.account),
    };
    let Some(wanted) = wanted else {
        return (StatusCode::NOT_FOUND, "no such account\n").into_response();
    };
    exchange.select(wanted);
    let answer = account_of_selected(&exchange, &query);
    exchange.select(first);
    answer
}

fn account_of_selected(exchange: &Exchange, query: &AccountQuery) -> Response {
    match query
        .market
        .as_deref()
        .map_or(Some(Market::UsdM), Market::from_word)
    {
        Some(market) => Json(describe(exchange.floor(market), &query.prefix)).into_response(),
        None => (StatusCode::BAD_REQUEST, "market is usdm or spot\n").into_response(),
    }
}

/// Orders, fills and fees of the prefix; positions, wallet and totals of the account.
fn describe(floor: &Floor, prefix: &str) -> Value {
    let venue = &floor.venue;
    let ours = |id: &str| id.starts_with(prefix);
    let mut by_state = std::collections::BTreeMap::<&str, u64>::new();
    let mut open = Vec::new();
    let mut orders = 0u64;
    for order in venue.orders() {
        let id = order.request.client_order_id;
        if !ours(id.as_str()) {
            continue;
        }
        orders += 1;
        *by_state.entry(order.state.as_str()).or_default() += 1;
        if !order.state.is_final() {
            let instrument = &venue.instruments()[usize::from(order.request.instrument.0)];
            open.push(json!({
                "client_order_id": id.as_str(),
                "order_id": order.id.0,
                "symbol": instrument.symbol.as_str(),
                "side": order.request.side.as_str(),
                "price_ticks": order.request.price.0,
                "quantity_lots": order.request.quantity.0,
                "filled_lots": order.filled.0,
                "partial": order.state == OrderState::PartiallyFilled,
            }));
        }
    }
    let (mut fills, mut fees_e8, mut realized_e8) = (0u64, 0i64, 0i64);
    for fill in venue.fills() {
        let order = venue.order(fill.order_id);
        if order.is_some_and(|order| ours(order.request.client_order_id.as_str())) {
            fills += 1;
            fees_e8 += fill.commission.0;
            realized_e8 += fill.realized.0;
        }
    }
    let (orders_total, fills_total) = venue.totals();
    json!({
        "algo_orders": algo_orders(floor, prefix),
        "countdowns": countdowns(floor),
        "market": floor.market.as_str(),
        "prefix": prefix,
        "orders": orders,
        "orders_by_state": by_state,
        "fills": fills,
        "fees_usdt": decimal(fees_e8, 8),
        "realized_usdt": decimal(realized_e8, 8),
        "open_orders": open,
        "positions": positions(floor),
        "wallet_usdt": decimal(venue.account().wallet.0, 8),
        "orders_total": orders_total,
        "fills_total": fills_total,
        "fees_total_usdt": decimal(venue.account().fees_paid.0, 8),
    })
}

/// Every instrument with what is held of it.
fn positions(floor: &Floor) -> Vec<Value> {
    let venue = &floor.venue;
    let instruments = venue.instruments().iter();
    instruments
        .map(|instrument| {
            let position = &venue.account().positions[usize::from(instrument.id.0)];
            let held = held_lots(venue.account(), instrument);
            json!({
                "symbol": instrument.symbol.as_str(),
                "quantity_lots": held,
                "quantity": decimal(held * instrument.lot.mantissa,
                                    u32::from(instrument.lot.decimals)),
                "entry_price": decimal(position.entry_price_e8(instrument), 8),
                "unrealized_usdt": decimal(venue.unrealized(instrument.id).0, 8),
            })
        })
        .collect()
}

/// Open conditional orders of the prefix.
fn algo_orders(floor: &Floor, prefix: &str) -> Vec<Value> {
    let open = floor.conditional.open();
    let ours = open.filter(|one| one.request.client_id.as_str().starts_with(prefix));
    ours.map(|one| {
        json!({
            "client_algo_id": one.request.client_id.as_str(),
            "symbol": symbol_of(floor, one.request.instrument),
            "type": algo::type_word(&one.request),
            "trigger_ticks": one.request.trigger_price.0,
        })
    })
    .collect()
}

/// When all orders of a symbol will be cancelled.
fn countdowns(floor: &Floor) -> Vec<Value> {
    let running = floor.venue.instruments().iter().filter_map(|one| {
        let at_ns = floor.countdown(one.id)?;
        Some(json!({"symbol": one.symbol.as_str(), "at_ms": at_ns / 1_000_000}))
    });
    running.collect()
}

fn symbol_of(floor: &Floor, instrument: InstrumentId) -> &str {
    floor.venue.instruments()[usize::from(instrument.0)]
        .symbol
        .as_str()
}

/// Whole lots that are held. On spot that is what the balance has gained: a fee in the base asset
/// leaves less than was bought, and the rest below a lot is dust.
fn held_lots(account: &Account, instrument: &Instrument) -> i64 {
    let index = usize::from(instrument.id.0);
    match &account.spot {
        None => account.positions[index].quantity.0,
        Some(balances) => {
            let gained = balances.bases[index] - opening_base(instrument);
            gained.0 / base_amount(instrument, Quantity(1)).0.max(1)
        }
    }
}

pub(super) fn decimal(value: i64, decimals: u32) -> String {
    let mut buffer = [0; market::decimal::TEXT_MAX];
    let text = market::decimal::write_decimal(value, decimals, &mut buffer);
    String::from_utf8_lossy(text).into_owned()
}

/// One order and the market frame that caused it.
#[derive(Deserialize)]
struct Pair {
    client_order_id: String,
    /// `depth`, `bookTicker`, `trade`, `aggTrade` or `markPrice`.
    stream: String,
    symbol: String,
    id: u64,
    /// `usdm` (default) or `spot`.
    #[serde(default)]
    market: Option<String>,
}

async fn wire_to_wire(State(shared): State<Shared>, Json(pairs): Json<Vec<Pair>>) -> Json<Value> {
    let exchange = shared.lock();
    let mut times: Vec<i64> = pairs
        .iter()
        .filter_map(|pair| between(&exchange, pair))
        .collect();
    times.sort_unstable();
    let percentile = |permille: usize| {
        let last = times.len().checked_sub(1)?;
        Some(times[(last * permille).div_ceil(1_000)])
    };
    Json(json!({
        "count": times.len(),
        "unknown": pairs.len() - times.len(),
        "p50": percentile(500),
        "p99": percentile(990),
        "p999": percentile(999),
        "max": times.last(),
    }))
}

fn between(exchange: &Exchange, pair: &Pair) -> Option<i64> {
    let kinds = [
        StreamKind::Depth,
        StreamKind::BookTicker,
        StreamKind::Trade,
        StreamKind::AggTrade,
        StreamKind::MarkPrice,
    ];
    let kind = kinds
        .into_iter()
        .find(|kind| kind.as_str() == pair.stream)?;
    let market = pair
        .market
        .as_deref()
        .map_or(Some(Market::UsdM), Market::from_word)?;
    let key = FrameKey {
        kind,
        instrument: exchange.floor(market).find(&pair.symbol)?.id,
        id: pair.id,
    };
    exchange.wire.between(market, key, &pair.client_order_id)
}

#[derive(Deserialize)]
struct FaultRequest {
    /// `NAME:ARG`, as on the command line.
    fault: String,
}

async fn fault(State(shared): State<Shared>, Json(request): Json<FaultRequest>) -> Response {
    match request.fault.parse::<FaultSpec>() {
        Ok(spec) => {
            shared.lock().faults.inject(spec);
            Json(json!({"injected": spec.name(), "argument": spec.argument})).into_response()
        }
        Err(error) => (StatusCode::BAD_REQUEST, error + "\n").into_response(),
    }
}

async fn stats(State(shared): State<Shared>) -> Json<Value> {
    let exchange = shared.lock();
    let floor = |floor: &Floor| {
        let (frames, slow) = floor.hub.counts();
        let (delayed, waiting) = floor.hub.delayed_and_waiting();
        json!({
            "market_events": floor.events(),
            "connections": floor.hub.connection_count(),
            "slow_dropped": slow,
            "frames_delayed": delayed,
            "frames_waiting": waiting,
            "frames": frames.map(|(name, count)| (name.to_owned(), Value::from(count)))
                .collect::<serde_json::Map<_, _>>(),
        })
    };
    Json(json!({
        "usdm": floor(&exchange.usdm),
        "spot": floor(&exchange.spot),
        "requests": exchange.requests,
        "requests_delayed": exchange.delays.requests(),
        "private_events": exchange.private_events,
        "faults_injected": exchange.faults.injected(),
    }))
}
