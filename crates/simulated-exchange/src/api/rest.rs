//! A REST call from its parts to its answer, without a socket.
//!
//! In: method, path, query, body, key. Out: status, body and what the headers say. Never: a call
//! that did not go through the endpoint table.

use market::Market;

use super::endpoint::{Caller, dispatch};
use super::error::ApiError;
use super::params::{Params, signed_text};
use super::weights::Counts;
use super::{tables, trading};
use crate::exchange::Exchange;

/// One call.
#[derive(Clone, Copy, Debug)]
pub struct Request<'a> {
    /// HTTP method.
    pub method: &'a str,
    /// Path.
    pub path: &'a str,
    /// Query without the question mark.
    pub query: &'a str,
    /// Body.
    pub body: &'a [u8],
    /// `X-MBX-APIKEY`.
    pub key: Option<&'a str>,
}

/// What comes back.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reply {
    /// Status code.
    pub status: u16,
    /// JSON; `None` where HTTP itself refuses and there is nothing to say.
    pub body: Option<Vec<u8>>,
    /// Counts for the headers.
    pub counts: Option<Counts>,
    /// The call counted against the order limits.
    pub counts_orders: bool,
    /// `Retry-After` in seconds.
    pub retry_after: Option<u32>,
}

/// Handles one call; the private events that it caused are sent.
pub fn handle(exchange: &mut Exchange, market: Market, request: &Request<'_>) -> Reply {
    let Some(endpoint) = tables::rest(market, request.method, request.path) else {
        let known = tables::path_exists(market, request.path);
        return Reply::bare(if known { 405 } else { 404 });
    };
    let Ok(body) = std::str::from_utf8(request.body) else {
        let error = ApiError::new(-1100, "Illegal characters found in a parameter.");
        return Reply::refusal(&error, None);
    };
    let params = Params::from_rest(request.query, body);
    if let Some(order) = params.get("newClientOrderId") {
        let now_ns = exchange.clock.now_ns();
        exchange.wire.order_arrived(order, now_ns);
    }
    let caller = Caller {
        key: request.key,
        signed_text: &signed_text(request.query, body),
        logged_on: false,
        connection: None,
    };
    let (answer, counts) = dispatch(exchange, market, endpoint, &params, &caller);
    let now = exchange.clock.now();
    exchange.send_private(now);
    match answer {
        Ok(body) => Reply {
            status: 200,
            body: Some(body),
            counts,
            counts_orders: endpoint.orders > 0,
            retry_after: None,
        },
        // REST has no way to say nothing; the connection's fate is as unknown as a 504's.
        Err(error) if trading::is_lost(&error) => Reply::bare(504),
        Err(error) => Reply::refusal(&error, counts),
    }
}

impl Reply {
    /// A status and nothing else.
    const fn bare(status: u16) -> Self {
        Self {
            status,
            body: None,
            counts: None,
            counts_orders: false,
            retry_after: None,
        }
    }

    fn refusal(error: &ApiError, counts: Option<Counts>) -> Self {
        Self {
            status: error.status,
            body: Some(error.body()),
            counts,
            counts_orders: false,
            retry_after: error.retry_after,
        }
    }
}
