//! HTTP: `/metrics` on one address; `/health/*` and `/api/v1/engine/*` on another.
//!
//! In: requests. Out: texts drawn from the newest picture, rows read from the ledger. Never: a
//! request that reaches the hot path, or that the drain thread waits for.

use crate::drain::monotonic_ns;
use crate::ledger;
use crate::metrics::{self, HttpFigures, Process};
use crate::paper::{PaperView, SharedPaper};
use crate::stats::stats;
use crate::view::Shared;
use axum::Router;
use axum::extract::{Query, Request, State};
use axum::http::header::{ACCEPT, CONTENT_TYPE, VARY};
use axum::http::{HeaderMap, StatusCode};
use axum::middleware::{Next, from_fn_with_state};
use axum::response::{IntoResponse, Json, Response};
use axum::routing::get;
use serde::{Deserialize, Serialize};
use settings::Settings;
use std::path::PathBuf;
use std::sync::{Arc, Mutex};
use std::time::Instant;

const TEXT_TYPE: &str = "text/plain; version=0.0.4; charset=utf-8";
const OPEN_METRICS_TYPE: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// Most rows of one answer.
const ROWS_MAX: u32 = 200_000;

/// What all requests share.
pub struct Site {
    /// The newest picture.
    pub shared: Arc<Shared>,
    /// Settings in force.
    pub settings: Settings,
    /// State directory.
    pub state_dir: PathBuf,
    /// The ledger's file, for readers.
    pub ledger: PathBuf,
    /// Requests answered.
    pub figures: Mutex<HttpFigures>,
    /// The paper venue, where this process starts it.
    pub paper: SharedPaper,
}

type SiteState = State<Arc<Site>>;

/// Routes of the metrics address.
pub fn metrics_routes(site: Arc<Site>) -> Router {
    Router::new()
        .route("/metrics", get(metrics_page))
        .layer(from_fn_with_state(Arc::clone(&site), count))
        .with_state(site)
}

/// Routes of the API address.
pub fn api_routes(site: Arc<Site>) -> Router {
    Router::new()
        .route("/health/live", get(live))
        .route("/health/ready", get(ready))
        .route("/api/v1/engine/stats", get(engine_stats))
        .route("/api/v1/engine/intents", get(engine_intents))
        .layer(from_fn_with_state(Arc::clone(&site), count))
        .with_state(site)
}

/// Routes as labels: a closed list.
const ROUTES: [&str; 5] = [
    "/metrics",
    "/health/live",
    "/health/ready",
    "/api/v1/engine/stats",
    "/api/v1/engine/intents",
];

async fn count(State(site): SiteState, request: Request, next: Next) -> Response {
    let path = request.uri().path().to_string();
    let route = ROUTES.into_iter().find(|route| *route == path);
    let route = route.unwrap_or("other");
    let method = match request.method().as_str() {
        "GET" => "GET",
        "HEAD" => "HEAD",
        _ => "other",
    };
    let begun = Instant::now();
    let response = next.run(request).await;
    let mut figures = site.figures.lock().expect("nobody panics while it is held");
    let key = (method, route, response.status().as_u16());
    *figures.requests.entry(key).or_default() += 1;
    figures
        .durations
        .entry(route)
        .or_default()
        .record(begun.elapsed());
    drop(figures);
    response
}

async fn metrics_page(State(site): SiteState, headers: HeaderMap) -> Response {
    let view = site.shared.get();
    let paper = paper_view(&site);
    let process = Process {
        settings: &site.settings,
        state_dir: &site.state_dir,
        now_ns: monotonic_ns(),
        paper: paper.as_ref(),
    };
    let http = site
        .figures
        .lock()
        .expect("nobody panics while it is held")
        .clone();
    let families = metrics::collect(&view, process, &http);
    let wanted = headers.get(ACCEPT).and_then(|value| value.to_str().ok());
    let page = |kind: &'static str, text: String| {
        ([(CONTENT_TYPE, kind), (VARY, "accept")], text).into_response()
    };
    if prefers_open_metrics(wanted.unwrap_or_default()) {
        match metrics::open_metrics(families) {
            Ok(text) => page(OPEN_METRICS_TYPE, text),
            Err(_) => StatusCode::INTERNAL_SERVER_ERROR.into_response(),
        }
    } else {
        page(TEXT_TYPE, metrics::text(&families))
    }
}

/// True when the `Accept` header names OpenMetrics with a weight that is not below plain text's.
#[must_use]
pub fn prefers_open_metrics(accept: &str) -> bool {
    let mut open = 0;
    let mut plain = 0;
    for range in accept.split(',') {
        let mut parts = range.split(';').map(str::trim);
        let kind = parts.next().unwrap_or_default();
        let weight = parts
            .find_map(|part| part.strip_prefix("q="))
            .map_or(Some(1_000), permille)
            .unwrap_or(0);
        match kind {
            "application/openmetrics-text" => open = open.max(weight),
            "text/plain" => plain = plain.max(weight),
            _ => {}
        }
    }
    open > 0 && open >= plain
}

/// A weight of an `Accept` header (`0`, `0.5`, `1.000`) in thousandths.
fn permille(text: &str) -> Option<i64> {
    let weight = market::parse_decimal(text.as_bytes(), 3).ok()?;
    (0..=1_000).contains(&weight).then_some(weight)
}

async fn live() -> &'static str {
    "live\n"
}

#[derive(Serialize)]
struct Ready {
    ready: bool,
    reasons: Vec<String>,
}

async fn ready(State(site): SiteState) -> Response {
    let reasons = site.shared.get().reasons_not_ready();
    let status = if reasons.is_empty() {
        StatusCode::OK
    } else {
        StatusCode::SERVICE_UNAVAILABLE
    };
    let ready = reasons.is_empty();
    (status, Json(Ready { ready, reasons })).into_response()
}

async fn engine_stats(State(site): SiteState) -> Response {
    let mut stats = stats(&site.shared.get(), &site.settings);
    stats.paper_venue = paper_view(&site);
    Json(stats).into_response()
}

fn paper_view(site: &Site) -> Option<PaperView> {
    let view = site.paper.lock().expect("nobody panics while it is held");
    view.clone()
}

#[derive(Deserialize)]
struct IntentsQuery {
    /// `<generation>-<sequence>` of the last row that the caller has.
    after: Option<String>,
    limit: Option<u32>,
}

async fn engine_intents(State(site): SiteState, Query(query): Query<IntentsQuery>) -> Response {
    let after = match query.after.as_deref().map(parse_place) {
        None => (0, 0),
        Some(Some(place)) => place,
        Some(None) => return problem(StatusCode::BAD_REQUEST, "after: wanted GENERATION-SEQUENCE"),
    };
    let limit = query.limit.unwrap_or(ROWS_MAX).min(ROWS_MAX);
    let path = site.ledger.clone();
    let rows = tokio::task::spawn_blocking(move || ledger::intents(&path, after, limit)).await;
    match rows {
        Ok(Ok(rows)) => Json(rows).into_response(),
        Ok(Err(error)) => problem(StatusCode::SERVICE_UNAVAILABLE, &error.to_string()),
        Err(_) => problem(StatusCode::INTERNAL_SERVER_ERROR, "the query was given up"),
    }
}

fn parse_place(text: &str) -> Option<(u64, u64)> {
    let (generation, sequence) = text.split_once('-')?;
    Some((generation.parse().ok()?, sequence.parse().ok()?))
}

#[derive(Serialize)]
struct Problem<'a> {
    title: &'a str,
    status: u16,
    detail: &'a str,
}

/// An RFC 9457 problem.
fn problem(status: StatusCode, detail: &str) -> Response {
    let body = Problem {
        title: status.canonical_reason().unwrap_or("problem"),
        status: status.as_u16(),
        detail,
    };
    let kind = [(CONTENT_TYPE, "application/problem+json")];
    (status, kind, Json(body)).into_response()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn open_metrics_is_served_only_to_those_who_ask_for_it() {
        let prometheus = "application/openmetrics-text;version=1.0.0;q=0.5,\
            application/openmetrics-text;version=0.0.1;q=0.4,text/plain;version=0.0.4;q=0.3,*/*;q=0.2";
        let text_only = "text/plain;version=0.0.4;q=0.5,*/*;q=0.1";
        let text_first = "text/plain;q=0.9, application/openmetrics-text;q=0.1";
        for (accept, expected) in [
            (prometheus, true),
            ("application/openmetrics-text", true),
            ("application/openmetrics-text; q=0", false),
            (text_only, false),
            (text_first, false),
            ("*/*", false),
            ("", false),
        ] {
            assert_eq!(prefers_open_metrics(accept), expected, "{accept}");
        }
    }

    #[test]
    fn places_are_generation_and_sequence() {
        assert_eq!(parse_place("3-17"), Some((3, 17)));
        assert_eq!(parse_place("3"), None);
    }
}
