//! HTTP requests of the Binance ports: REST calls and WebSocket upgrades.
//!
//! In: requests. Out: answers with the headers that Binance sends. Never: a call that did not go
//! through the endpoint table.

use std::time::Duration;

use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::ws::WebSocketUpgrade;
use axum::extract::{FromRequestParts, Request, State};
use axum::http::{HeaderMap, HeaderValue, Method, StatusCode, header};
use axum::response::{IntoResponse, Response};
use http_body_util::{BodyExt, Limited};
use market::Market;

use super::{api_socket, stream_socket};
use crate::api::endpoint::{Caller, dispatch};
use crate::api::error::ApiError;
use crate::api::params::{Params, signed_text};
use crate::api::weights::Counts;
use crate::api::{tables, trading};
use crate::exchange::Shared;
use crate::streams::names::parse_path;

/// Largest request body.
const BODY_BYTES_MAX: usize = 256 * 1024;

#[derive(Clone)]
struct Port {
    market: Market,
    shared: Shared,
}

/// The router of a Binance port: everything goes through one handler and the endpoint table.
pub fn router(market: Market, shared: Shared) -> Router {
    Router::new()
        .fallback(handle)
        .with_state(Port { market, shared })
}

async fn handle(State(port): State<Port>, request: Request) -> Response {
    let (mut parts, body) = request.into_parts();
    let path = parts.uri.path().to_owned();
    let query = parts.uri.query().unwrap_or_default().to_owned();
    if parts.headers.contains_key(header::UPGRADE) {
        return match WebSocketUpgrade::from_request_parts(&mut parts, &()).await {
            Ok(upgrade) => upgrade_to(upgrade, port, &path, &query),
            Err(refusal) => refusal.into_response(),
        };
    }
    let body = match Limited::new(body, BODY_BYTES_MAX).collect().await {
        Ok(body) => body.to_bytes(),
        Err(_) => return StatusCode::PAYLOAD_TOO_LARGE.into_response(),
    };
    let answer = call(&port, &parts.method, &path, &query, &parts.headers, &body);
    let delay_ms = port.shared.lock().faults.reply_delay_ms();
    if delay_ms > 0 {
        tokio::time::sleep(Duration::from_millis(delay_ms)).await;
    }
    answer
}

fn upgrade_to(upgrade: WebSocketUpgrade, port: Port, path: &str, query: &str) -> Response {
    let upgrade = upgrade
        .max_message_size(BODY_BYTES_MAX)
        .write_buffer_size(0);
    let api_path = match port.market {
        Market::UsdM => "/ws-fapi/v1",
        Market::Spot => "/ws-api/v3",
    };
    if path.trim_end_matches('/') == api_path {
        let rate_limits = !query.contains("returnRateLimits=false");
        return upgrade.on_upgrade(move |socket| {
            api_socket::run(socket, port.shared, port.market, rate_limits)
        });
    }
    match parse_path(port.market, path, query) {
        Some(asked) => upgrade
            .on_upgrade(move |socket| stream_socket::run(socket, port.shared, port.market, asked)),
        None => StatusCode::NOT_FOUND.into_response(),
    }
}

fn call(
    port: &Port,
    method: &Method,
    path: &str,
    query: &str,
    headers: &HeaderMap,
    body: &Bytes,
) -> Response {
    let Some(endpoint) = tables::rest(port.market, method.as_str(), path) else {
        let status = if tables::path_exists(port.market, path) {
            StatusCode::METHOD_NOT_ALLOWED
        } else {
            StatusCode::NOT_FOUND
        };
        return status.into_response();
    };
    let Ok(body) = std::str::from_utf8(body) else {
        let error = ApiError::new(-1100, "Illegal characters found in a parameter.");
        return respond(port.market, Err(&error), None, 0);
    };
    let params = Params::from_rest(query, body);
    let key = headers
        .get("x-mbx-apikey")
        .and_then(|value| value.to_str().ok());
    let mut exchange = port.shared.lock();
    if let Some(order) = params.get("newClientOrderId") {
        let now_ns = exchange.clock.now_ns();
        exchange.wire.order_arrived(order, now_ns);
    }
    let caller = Caller {
        key,
        signed_text: &signed_text(query, body),
        logged_on: false,
        connection: None,
    };
    let (answer, counts) = dispatch(&mut exchange, port.market, endpoint, &params, &caller);
    let now = exchange.clock.now();
    exchange.send_private(now);
    match answer {
        Ok(body) => respond(port.market, Ok(body), counts, endpoint.orders),
        // REST has no way to say nothing; the connection's fate is as unknown as a 504's.
        Err(error) if trading::is_lost(&error) => StatusCode::GATEWAY_TIMEOUT.into_response(),
        Err(error) => respond(port.market, Err(&error), counts, 0),
    }
}

fn respond(
    market: Market,
    answer: Result<Vec<u8>, &ApiError>,
    counts: Option<Counts>,
    orders: u32,
) -> Response {
    let (status, retry_after, body) = match answer {
        Ok(body) => (200, None, body),
        Err(error) => (error.status, error.retry_after, error.body()),
    };
    let mut response = Response::new(Body::from(body));
    *response.status_mut() = StatusCode::from_u16(status).unwrap_or(StatusCode::BAD_REQUEST);
    let headers = response.headers_mut();
    headers.insert(
        header::CONTENT_TYPE,
        HeaderValue::from_static("application/json;charset=UTF-8"),
    );
    let mut number = |name: &'static str, value: u32| {
        headers.insert(name, HeaderValue::from(value));
    };
    if let Some(counts) = counts {
        number("x-mbx-used-weight-1m", counts.weight);
        if market == Market::Spot {
            number("x-mbx-used-weight", counts.weight);
        }
        if orders > 0 {
            number("x-mbx-order-count-10s", counts.orders_short);
            let long = match market {
                Market::UsdM => "x-mbx-order-count-1m",
                Market::Spot => "x-mbx-order-count-1d",
            };
            number(long, counts.orders_long);
        }
    }
    if let Some(seconds) = retry_after {
        number("retry-after", seconds);
    }
    response
}
