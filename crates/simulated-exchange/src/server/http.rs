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
use http_body_util::BodyExt;
use market::Market;

use super::{api_socket, stream_socket};
use crate::api::params::Params;
use crate::api::rest;
use crate::exchange::Shared;
use crate::streams::names::parse_path;

/// Largest request body.
const BODY_BYTES_MAX: usize = 256 * 1024;
/// Bytes of a refused body that are still read, and forgotten: who is in the midst of sending
/// would otherwise see a broken connection and not the refusal.
const REFUSED_BYTES_MAX: usize = 64 << 20;
/// Time for a whole body; ends requests that send one byte at a time.
const BODY_TIMEOUT: Duration = Duration::from_secs(5);

#[derive(Clone)]
struct Port {
    market: Market,
    shared: Shared,
}

/// Bytes of frames that may wait for the ones written with them.
const WRITE_BYTES: usize = 16 * 1024;

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
    let body = match tokio::time::timeout(BODY_TIMEOUT, read_body(body)).await {
        Ok(Ok(body)) => body,
        Ok(Err(refusal)) => return closing(refusal),
        Err(_) => return closing(StatusCode::REQUEST_TIMEOUT),
    };
    let due_ns = port.shared.lock().request_due_ns();
    let answer = match due_ns {
        None => call(&port, &parts.method, &path, &query, &parts.headers, &body),
        Some(due_ns) => {
            let port = port.clone();
            // A task of its own: a request that is on its way arrives even when its client has
            // hung up.
            let arrival = tokio::spawn(async move {
                note_read(&port, &query, &body);
                port.shared.until(due_ns).await;
                call(&port, &parts.method, &path, &query, &parts.headers, &body)
            });
            arrival.await.expect("no piece of work panicked")
        }
    };
    let (reply_due_ns, delay_ms) = {
        let mut exchange = port.shared.lock();
        (exchange.reply_due_ns(), exchange.faults.reply_delay_ms())
    };
    if let Some(due_ns) = reply_due_ns {
        port.shared.until(due_ns).await;
    }
    if delay_ms > 0 {
        tokio::time::sleep(Duration::from_millis(delay_ms)).await;
    }
    answer
}

/// Wire to wire ends where an order is read, not where it arrives.
fn note_read(port: &Port, query: &str, body: &Bytes) {
    let params = Params::from_rest(query, std::str::from_utf8(body).unwrap_or_default());
    if let Some(order) = params.get("newClientOrderId") {
        let mut exchange = port.shared.lock();
        let now_ns = exchange.clock.now_ns();
        exchange.wire.order_arrived(order, now_ns);
    }
}

/// The whole body, if it is not too long.
async fn read_body(mut body: Body) -> Result<Bytes, StatusCode> {
    let mut kept = Vec::new();
    let mut length = 0usize;
    while let Some(frame) = body.frame().await {
        let frame = frame.map_err(|_| StatusCode::BAD_REQUEST)?;
        let Some(data) = frame.data_ref() else {
            continue;
        };
        length = length.saturating_add(data.len());
        if length <= BODY_BYTES_MAX {
            kept.extend_from_slice(data);
        } else if length <= REFUSED_BYTES_MAX {
            kept = Vec::new();
        } else {
            break;
        }
    }
    if length > BODY_BYTES_MAX {
        return Err(StatusCode::PAYLOAD_TOO_LARGE);
    }
    Ok(kept.into())
}

/// A refusal after which the connection is of no use: its body was not read to the end.
fn closing(status: StatusCode) -> Response {
    let mut response = status.into_response();
    let close = HeaderValue::from_static("close");
    response.headers_mut().insert(header::CONNECTION, close);
    response
}

fn upgrade_to(upgrade: WebSocketUpgrade, port: Port, path: &str, query: &str) -> Response {
    let upgrade = upgrade
        .max_message_size(BODY_BYTES_MAX)
        // A frame is read whole before its message is measured.
        .max_frame_size(BODY_BYTES_MAX)
        .write_buffer_size(WRITE_BYTES);
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
    let request = rest::Request {
        method: method.as_str(),
        path,
        query,
        body,
        key: headers
            .get("x-mbx-apikey")
            .and_then(|value| value.to_str().ok()),
    };
    let reply = rest::handle(&mut port.shared.lock(), port.market, &request);
    respond(port.market, reply)
}

fn respond(market: Market, reply: rest::Reply) -> Response {
    let status = StatusCode::from_u16(reply.status).unwrap_or(StatusCode::BAD_REQUEST);
    let Some(body) = reply.body else {
        return status.into_response();
    };
    let mut response = Response::new(Body::from(body));
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(
        header::CONTENT_TYPE,
        HeaderValue::from_static("application/json;charset=UTF-8"),
    );
    let mut number = |name: &'static str, value: u32| {
        headers.insert(name, HeaderValue::from(value));
    };
    if let Some(counts) = reply.counts {
        number("x-mbx-used-weight-1m", counts.weight);
        if market == Market::Spot {
            number("x-mbx-used-weight", counts.weight);
        }
        if reply.counts_orders {
            number("x-mbx-order-count-10s", counts.orders_short);
            let long = match market {
                Market::UsdM => "x-mbx-order-count-1m",
                Market::Spot => "x-mbx-order-count-1d",
            };
            number(long, counts.orders_long);
        }
    }
    if let Some(seconds) = reply.retry_after {
        number("retry-after", seconds);
    }
    response
}
