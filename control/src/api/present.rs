//! What is there now, of what control knows itself: instruments, signals, balances, risk, latency, the
//! machine, health, log.
//!
//! In: questions. Out: pictures of the newest view. Never: a question to the hot path or to the exchange.

#![allow(
    unused_qualifications,
    reason = "the descriptions of routes write the types of their parameters in full"
)]

use super::problem::Problem;
use crate::drain::monotonic_ns;
use crate::http::Site;
use crate::latency::{LatencyFigures, figures};
use crate::log_lines::{LEVELS, LINES_MAX, LogLine};
use crate::picture::account::{self, Balance, Health};
use crate::picture::instruments::{self as picture, InstrumentRow, SignalRow};
use crate::picture::latency::{self, LatencyRow};
use crate::picture::machine::{self, System};
use crate::picture::risk::{self, Risk, WhatWouldTrip};
use crate::store::now_utc_ms;
use axum::extract::rejection::QueryRejection;
use axum::extract::{Query, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Json, Response};
use serde::{Deserialize, Serialize};
use std::sync::Arc;
use utoipa::{IntoParams, ToSchema};

type SiteState = State<Arc<Site>>;

/// Every configured instrument, with what is known of it.
#[utoipa::path(get, path = "/api/v1/instruments", tag = "market", responses(
    (status = 200, description = "one an instrument", body = Vec<InstrumentRow>)))]
pub(super) async fn instruments(State(site): SiteState) -> Json<Vec<InstrumentRow>> {
    Json(picture::instruments(&site.shared.get(), &site.settings))
}

/// The signal of every instrument, or why it is not valid.
#[utoipa::path(get, path = "/api/v1/signals", tag = "market", responses(
    (status = 200, description = "one an instrument that the hot path has shown", body = Vec<SignalRow>)))]
pub(super) async fn signals(State(site): SiteState) -> Json<Vec<SignalRow>> {
    let now_ns = monotonic_ns();
    Json(picture::signals(&site.shared.get(), &site.settings, now_ns))
}

/// What the account holds, by asset.
#[utoipa::path(get, path = "/api/v1/balances", tag = "engine", responses(
    (status = 200, description = "the wallets in USDT, and traded coins", body = Vec<Balance>)))]
pub(super) async fn balances(State(site): SiteState) -> Json<Vec<Balance>> {
    Json(account::balances(&site.shared.get()))
}

/// Trading state, limits and breakers with their use, denials.
#[utoipa::path(get, path = "/api/v1/risk", tag = "risk", responses(
    (status = 200, description = "as it is now", body = Risk)))]
pub(super) async fn risk(State(site): SiteState) -> Json<Risk> {
    Json(risk::risk(&site.shared.get(), &site.settings))
}

/// How far each limit and breaker is, the nearest first.
#[utoipa::path(get, path = "/api/v1/risk/what-would-trip", tag = "risk", responses(
    (status = 200, description = "by how much of each is used", body = WhatWouldTrip)))]
pub(super) async fn what_would_trip(State(site): SiteState) -> Json<WhatWouldTrip> {
    Json(risk::what_would_trip(&site.shared.get(), &site.settings))
}

/// Distributions of the hot path, and its slowest orders.
#[derive(Serialize, ToSchema)]
pub(super) struct Latency {
    /// Every measure with an observation.
    measures: Vec<LatencyRow>,
    /// The slowest orders of this start, and sums by stream and stage.
    #[schema(value_type = serde_json::Value)]
    summary: LatencyFigures,
}

/// Latency by measure, symbol and stage, over all starts of the ledger.
#[utoipa::path(get, path = "/api/v1/latency", tag = "system", responses(
    (status = 200, description = "percentiles in nanoseconds", body = Latency)))]
pub(super) async fn latency(State(site): SiteState) -> Json<Latency> {
    let view = site.shared.get();
    Json(Latency {
        measures: latency::rows(&view),
        summary: figures(&view),
    })
}

/// Cores, clock, rings, builds, memory, disk.
#[utoipa::path(get, path = "/api/v1/system", tag = "system", responses(
    (status = 200, description = "null where the machine does not tell", body = System)))]
pub(super) async fn system(State(site): SiteState) -> Response {
    let asked = tokio::task::spawn_blocking(move || {
        let view = site.shared.get();
        machine::system(&view, &site.settings, &site.state_dir, now_utc_ms())
    });
    match asked.await {
        Ok(system) => Json(system).into_response(),
        Err(_) => Problem::unavailable(&"the look at the machine was given up").into_response(),
    }
}

/// Whether it trades, or could, and every part that was looked at.
#[utoipa::path(get, path = "/api/v1/engine/health", tag = "engine", responses(
    (status = 200, description = "in detail; /health/ready says it with its status", body = Health)))]
pub(super) async fn health(State(site): SiteState) -> Json<Health> {
    Json(account::health(&site.shared.get()))
}

/// Which lines.
#[derive(Clone, Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub(super) struct LogsQuery {
    /// How many, the newest.
    #[param(minimum = 1, maximum = 2000)]
    pub(super) n: Option<usize>,
    /// The least grave: `error`, `warn`, `info`, `debug` or `trace`.
    #[param(pattern = "^(error|warn|info|debug|trace)$")]
    pub(super) level: Option<String>,
}

/// The last lines of the log.
#[derive(Serialize, ToSchema)]
pub(super) struct Logs {
    /// Of control, the oldest first.
    control: Vec<LogLine>,
    /// Where those of the hot path are: it keeps none for others.
    hot_path: String,
}

/// The last lines of control's log.
#[utoipa::path(get, path = "/api/v1/logs", tag = "system", params(LogsQuery), responses(
    (status = 200, description = "the oldest first", body = Logs),
    (status = 400, description = "not a query", body = Problem)))]
pub(super) async fn logs(
    State(site): SiteState,
    query: Result<Query<LogsQuery>, QueryRejection>,
) -> Response {
    let bad = |detail: String| Problem::new(StatusCode::BAD_REQUEST, detail).into_response();
    let query = match query {
        Ok(Query(query)) => query,
        Err(error) => return bad(error.body_text()),
    };
    let count = query.n.unwrap_or(100);
    let level = query.level.as_deref().unwrap_or("trace");
    if !(1..=LINES_MAX).contains(&count) {
        return bad(format!("n: found {count}; allowed: 1 to {LINES_MAX}"));
    }
    if !LEVELS.contains(&level) {
        let short: String = level.chars().take(32).collect();
        return bad(format!(
            "level: found `{short}`; allowed: {}",
            LEVELS.join(", ")
        ));
    }
    Json(Logs {
        control: site.log.last(count, level),
        hot_path: format!(
            "not here: the hot path writes to its stderr, under systemd to the journal: journalctl -u \
             fulcrum-hotpath@{}",
            site.settings.account
        ),
    })
    .into_response()
}
