//! What can be looked at: the engine as it is now, and what the ledger has of it.
//!
//! In: questions. Out: rows and objects, decimals as text. Never: a question that changes anything,
//! or that the drain thread waits for.

#![allow(
    unused_qualifications,
    reason = "the descriptions of routes write the types of their parameters in full"
)]

use super::problem::Problem;
use super::verbs::data;
use crate::http::{Site, paper_view};
use crate::ledger::{
    self, BreakerRow, DenialRow, FillRow, IncomeRow, IntentRow, LedgerError, OrderEventRow,
    OrderRow, PAGE_MAX, Page, Placed, StateRow, TradeRow, Wanted,
};
use crate::stats::stats;
use axum::extract::{Query, State};
use axum::http::StatusCode;
use axum::http::header::CONTENT_TYPE;
use axum::response::{IntoResponse, Json, Response};
use operator::{AlgoOrderLine, LimitLine, OrderLine, PositionLine, Reply, Request, StatusReply};
use serde::{Deserialize, Serialize};
use std::sync::Arc;
use utoipa::{IntoParams, ToSchema};

/// Open orders of the account, as the exchange lists them.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub(super) struct OpenOrders {
    /// Age of the lists.
    pub(super) age_ms: u64,
    /// Ordinary ones.
    pub(super) orders: Vec<OrderLine>,
    /// Conditional ones.
    pub(super) algo_orders: Vec<AlgoOrderLine>,
}

/// Which rows of the ledger.
#[derive(Clone, Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub(super) struct RowsQuery {
    /// `next` of the page before, `GENERATION-SEQUENCE`.
    #[param(pattern = "^[0-9]{1,19}-[0-9]{1,19}$")]
    pub(super) after: Option<String>,
    /// Rows of the page.
    #[param(minimum = 1, maximum = 1000)]
    pub(super) limit: Option<u32>,
    /// The oldest first; else the newest.
    pub(super) oldest_first: Option<bool>,
    /// Of this symbol alone; where rows have one.
    #[param(max_length = 32)]
    pub(super) symbol: Option<String>,
    /// Of the strategy with this index alone; where rows have one.
    pub(super) strategy: Option<u8>,
}

/// Most intents of one answer.
const INTENTS_MAX: u32 = 10_000;

/// Which intents.
#[derive(Clone, Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub(super) struct IntentsQuery {
    /// Place of the last row that the caller has, `GENERATION-SEQUENCE`.
    #[param(pattern = "^[0-9]{1,19}-[0-9]{1,19}$")]
    pub(super) after: Option<String>,
    /// How many.
    #[param(minimum = 1, maximum = 10000)]
    pub(super) limit: Option<u32>,
}

/// Trading state and why, orders, equity, the kill latch.
#[utoipa::path(get, path = "/api/v1/engine/status", tag = "engine", responses(
    (status = 200, description = "as the hot path says", body = StatusReply),
    (status = 503, description = "no hot path answers", body = Problem)))]
pub(super) async fn status(State(site): State<Arc<Site>>) -> Response {
    let reply = site.hot_path.look("status", &Request::Status).await;
    data(reply, |reply| match reply {
        Reply::Status(status) => Some(*status),
        _ => None,
    })
}

/// Every instrument with its position.
#[utoipa::path(get, path = "/api/v1/engine/position", tag = "engine", responses(
    (status = 200, description = "one an instrument", body = Vec<PositionLine>),
    (status = 503, description = "no hot path answers", body = Problem)))]
pub(super) async fn position(State(site): State<Arc<Site>>) -> Response {
    let reply = site.hot_path.look("positions", &Request::Positions).await;
    data(reply, |reply| match reply {
        Reply::Positions { positions } => Some(positions),
        _ => None,
    })
}

/// Every open order of the account, as the exchange lists it.
#[utoipa::path(get, path = "/api/v1/engine/orders", tag = "engine", responses(
    (status = 200, description = "as listed", body = OpenOrders),
    (status = 503, description = "no hot path answers, or no exchange", body = Problem)))]
pub(super) async fn orders(State(site): State<Arc<Site>>) -> Response {
    let reply = site.hot_path.look("orders", &Request::Orders).await;
    data(reply, |reply| match reply {
        Reply::Orders {
            age_ms,
            orders,
            algo_orders,
        } => Some(OpenOrders {
            age_ms,
            orders,
            algo_orders,
        }),
        _ => None,
    })
}

/// Limits, their ceilings, and how much of each is used.
#[utoipa::path(get, path = "/api/v1/engine/limits", tag = "risk", responses(
    (status = 200, description = "one a limit", body = Vec<LimitLine>),
    (status = 503, description = "no hot path answers", body = Problem)))]
pub(super) async fn limits(State(site): State<Arc<Site>>) -> Response {
    let reply = site.hot_path.look("limits", &Request::Limits).await;
    data(reply, |reply| match reply {
        Reply::Limits { limits } => Some(limits),
        _ => None,
    })
}

/// Figures of all starts: orders, fills, profit, latency, what the ledger holds.
#[utoipa::path(get, path = "/api/v1/engine/stats", tag = "engine", responses(
    (status = 200, description = "figures by name", body = serde_json::Value)))]
pub(super) async fn engine_stats(State(site): State<Arc<Site>>) -> Response {
    let mut stats = stats(&site.shared.get(), &site.configuration.running().settings);
    stats.paper_venue = paper_view(&site);
    Json(stats).into_response()
}

macro_rules! rows_route {
    ($name:ident, $path:literal, $row:ty, $what:literal) => {
        #[doc = $what]
        #[utoipa::path(get, path = $path, tag = "ledger", summary = $what, params(RowsQuery), responses(
            (status = 200, description = "a page", body = Page<$row>),
            (status = 400, description = "not a query", body = Problem),
            (status = 503, description = "the ledger cannot be read", body = Problem)))]
        pub(super) async fn $name(
            State(site): State<Arc<Site>>,
            query: Result<Query<RowsQuery>, axum::extract::rejection::QueryRejection>,
        ) -> Response {
            rows::<$row>(site, query).await
        }
    };
}

/// Sent orders after a place, oldest first, with what triggered each.
#[utoipa::path(get, path = "/api/v1/engine/intents", tag = "ledger", params(IntentsQuery), responses(
    (status = 200, description = "rows", body = Vec<IntentRow>),
    (status = 400, description = "not a query", body = Problem),
    (status = 503, description = "the ledger cannot be read", body = Problem)))]
pub(super) async fn intents(
    State(site): State<Arc<Site>>,
    query: Result<Query<IntentsQuery>, axum::extract::rejection::QueryRejection>,
) -> Response {
    let bad = |detail: &str| Problem::new(StatusCode::BAD_REQUEST, detail).into_response();
    let query = match query {
        Ok(Query(query)) => query,
        Err(error) => return bad(&error.body_text()),
    };
    let after = match query.after.as_deref().map(parse_place) {
        None => (0, 0),
        Some(Some(place)) => place,
        Some(None) => return bad("after: allowed: GENERATION-SEQUENCE"),
    };
    let limit = query.limit.unwrap_or(1_000);
    if !(1..=INTENTS_MAX).contains(&limit) {
        return bad(&format!(
            "limit: found {limit}; allowed: 1 to {INTENTS_MAX}"
        ));
    }
    read_ledger(site, move |site| {
        ledger::intents(&site.ledger, after, limit)
    })
    .await
}

/// Reads the ledger away from the thread that serves, and writes the answer there, too: a page of
/// many rows takes no time from others.
async fn read_ledger<T, F>(site: Arc<Site>, read: F) -> Response
where
    T: Serialize,
    F: FnOnce(&Site) -> Result<T, LedgerError> + Send + 'static,
{
    let shared = Arc::clone(&site);
    let written = shared.read_ledger(move || {
        let rows = read(&site)?;
        Ok(serde_json::to_vec(&rows).unwrap_or_default())
    });
    match written.await {
        Some(Ok(body)) => ([(CONTENT_TYPE, "application/json")], body).into_response(),
        Some(Err(error)) => Problem::unavailable(&error).into_response(),
        None => Problem::unavailable(&"the query was given up").into_response(),
    }
}

rows_route!(fills, "/api/v1/engine/fills", FillRow, "Executions");
rows_route!(
    trades,
    "/api/v1/engine/trades",
    TradeRow,
    "Trades from entry to exit"
);
rows_route!(
    order_history,
    "/api/v1/engine/orders/history",
    OrderRow,
    "Orders with their newest state"
);
rows_route!(
    order_events,
    "/api/v1/engine/orders/events",
    OrderEventRow,
    "Steps in the life of orders"
);
rows_route!(
    denials,
    "/api/v1/engine/denials",
    DenialRow,
    "Orders that risk refused"
);
rows_route!(
    breakers,
    "/api/v1/engine/breakers",
    BreakerRow,
    "Breakers that tripped"
);
rows_route!(
    states,
    "/api/v1/engine/states",
    StateRow,
    "Changes of the trading state"
);
rows_route!(
    income,
    "/api/v1/engine/income",
    IncomeRow,
    "Fees, funding and transfers, as the exchange lists them"
);

async fn rows<T: Placed + Serialize + Send + 'static>(
    site: Arc<Site>,
    query: Result<Query<RowsQuery>, axum::extract::rejection::QueryRejection>,
) -> Response {
    let wanted = match query
        .map_err(|error| error.body_text())
        .and_then(|Query(query)| wanted(query))
    {
        Ok(wanted) => wanted,
        Err(detail) => return Problem::new(StatusCode::BAD_REQUEST, detail).into_response(),
    };
    for (name, given, known) in [
        ("symbol", wanted.symbol.is_some(), T::HAS_SYMBOL),
        ("strategy", wanted.strategy.is_some(), T::HAS_STRATEGY),
    ] {
        if given && !known {
            let detail = format!("{name}: these rows have none");
            return Problem::new(StatusCode::BAD_REQUEST, detail).into_response();
        }
    }
    read_ledger(site, move |site| ledger::page::<T>(&site.ledger, &wanted)).await
}

fn wanted(query: RowsQuery) -> Result<Wanted, String> {
    let after = match query.after.as_deref() {
        None => None,
        Some(text) => match parse_place(text) {
            Some(place) => Some(place),
            None => {
                return Err(format!(
                    "after: found `{text}`; allowed: GENERATION-SEQUENCE"
                ));
            }
        },
    };
    let limit = query.limit.unwrap_or(100);
    if !(1..=PAGE_MAX).contains(&limit) {
        return Err(format!("limit: found {limit}; allowed: 1 to {PAGE_MAX}"));
    }
    if query
        .symbol
        .as_ref()
        .is_some_and(|symbol| symbol.len() > 32)
    {
        return Err("symbol: allowed: at most 32 characters".to_string());
    }
    Ok(Wanted {
        after,
        newest_first: !query.oldest_first.unwrap_or(false),
        limit,
        symbol: query.symbol,
        strategy: query.strategy,
    })
}

/// `GENERATION-SEQUENCE`.
fn parse_place(text: &str) -> Option<(u64, u64)> {
    let (generation, sequence) = text.split_once('-')?;
    Some((generation.parse().ok()?, sequence.parse().ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_are_generation_and_sequence() {
        assert_eq!(parse_place("3-17"), Some((3, 17)));
        assert_eq!(parse_place("3"), None);
    }
}
