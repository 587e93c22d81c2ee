//! What all requests share, how they are counted, and `/metrics`.
//!
//! In: requests. Out: texts drawn from the newest picture. Never: a scrape that reaches the hot path,
//! or that the drain thread waits for.

use crate::api::Strangers;
use crate::configuration::Desk;
use crate::drain::monotonic_ns;
use crate::hot_path::HotPath;
use crate::ledger::LedgerError;
use crate::log_lines::LogLines;
use crate::metrics::{self, HttpFigures, Process};
use crate::paper::{PaperView, SharedPaper};
use crate::store::Store;
use crate::stream::Hub;
use crate::view::Shared;
use axum::Router;
use axum::extract::{MatchedPath, Request, State};
use axum::http::header::{ACCEPT, CONTENT_TYPE, VARY};
use axum::http::{HeaderMap, StatusCode};
use axum::middleware::{Next, from_fn_with_state};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use settings::Settings;
use std::path::PathBuf;
use std::sync::{Arc, Mutex};
use std::time::Instant;
use tokio::sync::Semaphore;

const TEXT_TYPE: &str = "text/plain; version=0.0.4; charset=utf-8";
const OPEN_METRICS_TYPE: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// What all requests share.
pub struct Site {
    /// The newest picture.
    pub shared: Arc<Shared>,
    /// Settings that this process was started with.
    pub settings: Settings,
    /// Versions of the configuration, and what of them runs.
    pub configuration: Desk,
    /// Keys, audit, answers.
    pub store: Store,
    /// The way to the hot path.
    pub hot_path: HotPath,
    /// Who presented keys that are none.
    pub strangers: Strangers,
    /// When the keys on the disk were looked at last for somebody whose key was not known.
    pub keys_looked_at: tokio::sync::Mutex<Instant>,
    /// Reads of the ledger at a time: the threads for the disk are for others, too.
    pub ledger_reads: Arc<Semaphore>,
    /// The live half: topics and who listens.
    pub stream: Hub,
    /// The last lines of this process' log.
    pub log: Arc<LogLines>,
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

/// Counts every request by its route.
pub(crate) async fn count(State(site): SiteState, request: Request, next: Next) -> Response {
    let route = request.extensions().get::<MatchedPath>();
    let route = route.map_or("other", MatchedPath::as_str).to_string();
    let method = match request.method().as_str() {
        "GET" => "GET",
        "HEAD" => "HEAD",
        "POST" => "POST",
        "PUT" => "PUT",
        "DELETE" => "DELETE",
        _ => "other",
    };
    let begun = Instant::now();
    let response = next.run(request).await;
    let mut figures = site.figures.lock().expect("nobody panics while it is held");
    let key = (method, route.clone(), response.status().as_u16());
    *figures.requests.entry(key).or_default() += 1;
    figures
        .durations
        .entry(route)
        .or_default()
        .record(begun.elapsed());
    drop(figures);
    response
}

impl Site {
    /// Reads the ledger, away from the thread that serves; none where the thread gave up. The turn is
    /// the work's, not the caller's: a read that hangs keeps its turn when nobody waits for it any
    /// more, so that reads never have all threads of the disk.
    pub(crate) async fn read_ledger<T: Send + 'static>(
        &self,
        read: impl FnOnce() -> Result<T, LedgerError> + Send + 'static,
    ) -> Option<Result<T, LedgerError>> {
        let turn = Arc::clone(&self.ledger_reads).acquire_owned().await.ok()?;
        let done = tokio::task::spawn_blocking(move || {
            let read = read();
            drop(turn);
            read
        });
        done.await.ok()
    }

    /// Counts somebody who was not let in.
    pub(crate) fn note_auth_failure(&self, reason: &'static str) {
        let mut figures = self.figures.lock().expect("nobody panics while it is held");
        *figures.auth_failures.entry(reason).or_default() += 1;
    }
}

async fn metrics_page(State(site): SiteState, headers: HeaderMap) -> Response {
    let view = site.shared.get();
    let paper = paper_view(&site);
    let running = site.configuration.running();
    let process = Process {
        settings: &running.settings,
        state_dir: &site.state_dir,
        now_ns: monotonic_ns(),
        paper: paper.as_ref(),
    };
    let mut http = site
        .figures
        .lock()
        .expect("nobody panics while it is held")
        .clone();
    http.stream = site.stream.figures();
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

/// The paper venue, where this process started one.
pub(crate) fn paper_view(site: &Site) -> Option<PaperView> {
    let view = site.paper.lock().expect("nobody panics while it is held");
    view.clone()
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
}
