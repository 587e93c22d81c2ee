//! What an endpoint is, and how a call reaches it.
//!
//! In: method and path, or a WebSocket method; parameters. Out: the handler's answer after the
//! checks in their documented order. Never: a handler that runs unchecked.

use market::{Market, UtcMs};

use super::auth::Security;
use super::error::ApiError;
use super::params::Params;
use super::weights::Counts;
use crate::exchange::Exchange;
use crate::streams::hub::ConnectionId;

/// A call that passed its checks.
pub struct Call<'a> {
    /// The exchange.
    pub exchange: &'a mut Exchange,
    /// Which market was asked.
    pub market: Market,
    /// Parameters.
    pub params: &'a Params,
    /// When.
    pub now: UtcMs,
    /// The WebSocket API connection; none over REST.
    pub connection: Option<ConnectionId>,
}

/// JSON, or why not.
pub type Answer = Result<Vec<u8>, ApiError>;

/// A REST endpoint, and the same over the WebSocket API.
pub struct Endpoint {
    /// HTTP method; empty for those that only the WebSocket API has.
    pub method: &'static str,
    /// Path.
    pub path: &'static str,
    /// Methods of the WebSocket API with the same handler.
    pub ws_methods: &'static [&'static str],
    /// What a caller must prove.
    pub security: Security,
    /// Request weight.
    pub weight: fn(&Params) -> u32,
    /// Counts against the order limits.
    pub orders: u32,
    /// What it does.
    pub handler: fn(&mut Call<'_>) -> Answer,
}

/// Who calls and what was signed.
pub struct Caller<'a> {
    /// The API key that came with the call.
    pub key: Option<&'a str>,
    /// The text under the signature.
    pub signed_text: &'a str,
    /// True on a logged-on WebSocket session: neither key nor signature are needed.
    pub logged_on: bool,
    /// The WebSocket API connection; none over REST.
    pub connection: Option<ConnectionId>,
}

/// Checks a call and handles it. The private events that it caused wait; the socket sends them
/// behind the answer.
pub fn dispatch(
    exchange: &mut Exchange,
    market: Market,
    endpoint: &Endpoint,
    params: &Params,
    caller: &Caller<'_>,
) -> (Answer, Option<Counts>) {
    exchange.requests += 1;
    if exchange.failure().is_some() {
        return (Err(ApiError::disconnected()), None);
    }
    let now = exchange.clock.now();
    let weight = (endpoint.weight)(params);
    let (account, _) = exchange.keys_of(caller.key);
    let counts = match exchange
        .weights_mut(market)
        .count(now, account, weight, endpoint.orders)
    {
        Ok(counts) => counts,
        Err(error) => return (Err(error), None),
    };
    let checked = if caller.logged_on && endpoint.security != Security::None {
        super::auth::check_time(params, now)
    } else {
        let (key, text) = (caller.key, caller.signed_text);
        let (_, keys) = exchange.keys_of(key);
        keys.check(endpoint.security, key, params, text, now)
    };
    if let Err(error) = checked {
        return (Err(error), Some(counts));
    }
    if let Err(error) = exchange.key_rights.check(market, endpoint) {
        return (Err(error), Some(counts));
    }
    let selected = exchange.select(account);
    let mut call = Call {
        exchange,
        market,
        params,
        now,
        connection: caller.connection,
    };
    let answer = (endpoint.handler)(&mut call);
    exchange.select(selected);
    if endpoint.method != "GET" {
        exchange.note_request(account);
    }
    // Before the answer leaves, and whatever else tells of it.
    match exchange.keep() {
        true => (answer, Some(counts)),
        false => (Err(ApiError::disconnected()), Some(counts)),
    }
}

impl Call<'_> {
    /// The account that calls.
    #[must_use]
    pub fn account(&self) -> matching::AccountId {
        self.exchange.usdm.venue.selected()
    }

    /// The instrument that `symbol` names.
    ///
    /// # Errors
    /// -1102 or -1121.
    pub fn instrument(&self) -> Result<market::Instrument, ApiError> {
        let symbol = self.params.require("symbol")?;
        let found = self.exchange.floor(self.market).find(symbol);
        found.copied().ok_or_else(ApiError::invalid_symbol)
    }

    /// The instrument that `symbol` names, or all of them without it.
    ///
    /// # Errors
    /// -1121.
    pub fn instruments(&self) -> Result<Vec<market::Instrument>, ApiError> {
        if self.params.get("symbol").is_some() {
            return Ok(vec![self.instrument()?]);
        }
        Ok(self
            .exchange
            .floor(self.market)
            .venue
            .instruments()
            .to_vec())
    }
}
