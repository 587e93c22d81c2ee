//! The WebSocket API: one text frame, one answer (binance.md 2.2).
//!
//! In: a request's text, its time of arrival, the session. Out: the answer, or none when a fault
//! loses it. Never: a closed connection because of a bad request.

use std::collections::BTreeMap;

use binance::encode::JsonText;
use market::{Market, UtcMs};
use serde_json::value::RawValue;

use super::auth::Security;
use super::endpoint::{Caller, dispatch};
use super::error::ApiError;
use super::params::Params;
use super::weights::Counts;
use super::{tables, trading};
use crate::exchange::Exchange;
use crate::streams::hub::ConnectionId;

/// What a connection knows of itself.
#[derive(Clone, Debug)]
pub struct Session {
    /// The market of the port.
    pub market: Market,
    /// Since when it is connected.
    pub connected_since: UtcMs,
    /// Key and time of the log-on.
    pub logged_on: Option<(String, UtcMs)>,
    /// Its number in the hub: answers and private events wait there.
    pub connection: ConnectionId,
    /// `returnRateLimits` of the URL.
    pub rate_limits: bool,
}

#[derive(serde::Deserialize)]
struct Request {
    id: Option<Box<RawValue>>,
    method: String,
    #[serde(default)]
    params: BTreeMap<String, Box<RawValue>>,
}

/// Handles one frame. `arrived_ns` is when it was read.
pub fn handle(
    exchange: &mut Exchange,
    session: &mut Session,
    text: &str,
    arrived_ns: i64,
) -> Option<Vec<u8>> {
    let request: Request = match serde_json::from_str(text) {
        Ok(request) => request,
        Err(_) => {
            let error = ApiError::new(
                -1135,
                "Invalid JSON Request. JSON must be UTF-8 encoded and an object with `id`, \
                 `method` and `params`.",
            );
            return Some(answer(exchange, session, b"null", &Err(error), None));
        }
    };
    let id = request.id.as_ref().map_or("null", |id| id.get()).to_owned();
    let (params, signed_text) = Params::from_json(&request.params);
    if let Some(order) = params.get("newClientOrderId") {
        exchange.wire.order_arrived(order, arrived_ns);
    }
    let (result, counts) = match request.method.as_str() {
        "session.logon" => (log_on(exchange, session, &params, &signed_text), None),
        "session.status" => (Ok(status(exchange, session)), None),
        "session.logout" => {
            session.logged_on = None;
            (Ok(status(exchange, session)), None)
        }
        method => match tables::websocket(session.market, method) {
            None => (Err(ApiError::new(-1014, "Unsupported method.")), None),
            Some(endpoint) => {
                let own_key = params.get("apiKey");
                // The log-on speaks for its own key only: another one has to sign.
                let logged_on = params.get("signature").is_none()
                    && session
                        .logged_on
                        .as_ref()
                        .is_some_and(|(key, _)| own_key.is_none_or(|own| own == key.as_str()));
                let caller = Caller {
                    key: own_key.or(session.logged_on.as_ref().map(|(key, _)| key.as_str())),
                    signed_text: &signed_text,
                    logged_on,
                    connection: Some(session.connection),
                };
                dispatch(exchange, session.market, endpoint, &params, &caller)
            }
        },
    };
    if result.as_ref().is_err_and(trading::is_lost) {
        return None;
    }
    Some(answer(exchange, session, id.as_bytes(), &result, counts))
}

fn log_on(
    exchange: &mut Exchange,
    session: &mut Session,
    params: &Params,
    signed_text: &str,
) -> Result<Vec<u8>, ApiError> {
    let (_, keys) = exchange.keys_of(params.get("apiKey"));
    if !keys.can_log_on() {
        return Err(ApiError::new(
            -4056,
            "HMAC_SHA256 API key is not supported for session.logon.",
        ));
    }
    let now = exchange.clock.now();
    let key = params.get("apiKey");
    keys.check(Security::Signed, key, params, signed_text, now)?;
    session.logged_on = key.map(|key| (key.to_owned(), now));
    Ok(status(exchange, session))
}

fn status(exchange: &Exchange, session: &Session) -> Vec<u8> {
    let mut out = Vec::new();
    let mut json = JsonText::new(&mut out);
    json.open();
    match &session.logged_on {
        Some((key, since)) => {
            json.text("apiKey", key.as_bytes());
            json.integer("authorizedSince", since.0);
        }
        None => {
            json.raw("apiKey", b"null");
            json.raw("authorizedSince", b"null");
        }
    }
    json.integer("connectedSince", session.connected_since.0);
    json.boolean("returnRateLimits", session.rate_limits);
    json.integer("serverTime", exchange.clock.now().0);
    if session.market == Market::Spot {
        let mut subscribed = exchange.spot_subscriptions.iter();
        let own = subscribed.any(|(connection, _)| connection == session.connection);
        json.boolean("userDataStream", own);
    }
    json.close();
    out
}

fn answer(
    exchange: &mut Exchange,
    session: &Session,
    id: &[u8],
    result: &Result<Vec<u8>, ApiError>,
    counts: Option<Counts>,
) -> Vec<u8> {
    let mut out = Vec::with_capacity(1_024);
    let mut json = JsonText::new(&mut out);
    json.open();
    json.raw("id", id);
    match result {
        Ok(result) => {
            json.integer("status", 200);
            json.raw("result", result);
        }
        Err(error) => {
            json.integer("status", i64::from(error.status));
            json.open_member("error");
            json.integer("code", error.code);
            json.text("msg", error.message.as_bytes());
            if let Some(data) = &error.data {
                json.raw("data", data);
            }
            if let Some(seconds) = error.retry_after {
                let now = exchange.clock.now().0;
                json.open_member("data");
                json.integer("serverTime", now);
                json.integer("retryAfter", now + i64::from(seconds) * 1_000);
                json.close();
            }
            json.close();
        }
    }
    if session.rate_limits {
        let none = Counts {
            weight: 0,
            orders_short: 0,
            orders_long: 0,
        };
        let counts = counts.unwrap_or(none);
        exchange
            .weights_mut(session.market)
            .write(&mut json, Some(counts));
    }
    json.close();
    out
}
