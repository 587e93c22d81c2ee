//! Latency while the exchange runs: what it is, and another one.
//!
//! In: requests on the control port. Out: the delay of each part. Never: a file that a request
//! names; a histogram comes as text.

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use serde_json::{Map, Value, json};
use std::sync::Arc;

use crate::exchange::Shared;
use crate::latency::{Delay, Latency, Part, read_histogram};

const NS_PER_MS: f64 = 1e6;

/// `GET /sim/v1/latency`.
pub(super) async fn latency(State(shared): State<Shared>) -> Json<Value> {
    Json(describe(shared.lock().delays.latency()))
}

/// `POST /sim/v1/latency`: the parts that are named have another delay from now on.
pub(super) async fn set(
    State(shared): State<Shared>,
    Json(asked): Json<Map<String, Value>>,
) -> Response {
    // Not under the lock: a page of metrics may be long.
    let delays: Result<Vec<_>, String> = asked.iter().map(part).collect();
    let delays = match delays {
        Ok(delays) => delays,
        Err(error) => return (StatusCode::BAD_REQUEST, error + "\n").into_response(),
    };
    let mut exchange = shared.lock();
    let mut latency = exchange.delays.latency().clone();
    for (part, delay) in delays {
        latency.set(part, delay);
    }
    let answer = Json(describe(&latency));
    exchange.set_latency(latency);
    answer.into_response()
}

fn part((name, value): (&String, &Value)) -> Result<(Part, Delay), String> {
    let part = Part::ALL.into_iter().find(|part| part.as_str() == name);
    let names = || Part::ALL.map(Part::as_str).join(", ");
    let part = part.ok_or_else(|| format!("no part is named `{name}`; there are {}", names()))?;
    let delay = delay(value).map_err(|error| format!("{name}: {error}"))?;
    Ok((part, delay))
}

fn delay(value: &Value) -> Result<Delay, String> {
    if let Some(ms) = value.as_f64() {
        return Delay::from_ms(ms);
    }
    let text = |key: &str| value.get(key).map(|text| text.as_str().ok_or(()));
    let keys = value.as_object().map(Map::len);
    let (page, metric) = match (text("histogram"), text("metric"), keys) {
        (Some(Ok(page)), None, Some(1)) => (page, None),
        (Some(Ok(page)), Some(Ok(metric)), Some(2)) => (page, Some(metric)),
        _ => {
            return Err(
                "a delay is a number of milliseconds, or {\"histogram\":TEXT} with the text of a \
                 page of metrics, and \"metric\":NAME where it has several"
                    .to_owned(),
            );
        }
    };
    let histogram = read_histogram("histogram", page, metric)?;
    Ok(Delay::Sampled(Arc::new(histogram)))
}

fn describe(latency: &Latency) -> Value {
    let parts = Part::ALL.map(|part| {
        let ms = |ns: i64| ns as f64 / NS_PER_MS;
        let delay = match latency.of(part) {
            Delay::None => json!({ "ms": 0 }),
            Delay::Constant(ns) => json!({ "ms": ms(*ns) }),
            Delay::Sampled(histogram) => {
                let at = |rank| ms(histogram.quantile_ns(rank));
                json!({
                    "histogram": histogram.source(),
                    "count": histogram.count(),
                    "p50_ms": at(0.5),
                    "p99_ms": at(0.99),
                })
            }
        };
        (part.as_str().to_owned(), delay)
    });
    Value::Object(Map::from_iter(parts))
}
