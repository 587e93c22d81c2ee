//! Request frames of the WebSocket API.
//!
//! In: an order in ticks and lots, its instrument, a timestamp. Out: one text frame, signed or
//! for a logged-on session. Never: an allocation while the buffers' capacity lasts.

use super::{RequestId, WireRequest};
use crate::encode::JsonText;
use crate::params::Params;
use crate::sign::Credentials;
use crate::word;
use market::decimal::TEXT_MAX;
use market::{CancelOrder, Instrument, Market, NewOrder, OrderType, UtcMs};

/// When a request is made and how long it may be on its way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stamp {
    /// Estimated server time.
    pub timestamp: UtcMs,
    /// `recvWindow` in milliseconds; short for orders that open, long for cancels and exits.
    pub recv_window_ms: u32,
}

/// Encodes requests of one connection.
#[derive(Debug)]
pub struct RequestEncoder {
    credentials: Credentials,
    logged_on: bool,
    to_sign: Vec<u8>,
}

impl RequestEncoder {
    /// Signs every request with `credentials` until [`RequestEncoder::set_logged_on`].
    #[must_use]
    pub fn new(credentials: Credentials) -> Self {
        Self {
            credentials,
            logged_on: false,
            to_sign: Vec::with_capacity(1024),
        }
    }

    /// The key and its secret.
    #[must_use]
    pub const fn credentials(&self) -> &Credentials {
        &self.credentials
    }

    /// After `session.logon` was confirmed requests carry neither key nor signature; a new
    /// connection starts with `false`.
    pub const fn set_logged_on(&mut self, logged_on: bool) {
        self.logged_on = logged_on;
    }

    /// True when requests go unsigned.
    #[must_use]
    pub const fn is_logged_on(&self) -> bool {
        self.logged_on
    }

    /// Appends `order.place`.
    pub fn place(
        &mut self,
        out: &mut Vec<u8>,
        sequence: u64,
        instrument: &Instrument,
        order: &NewOrder,
        stamp: Stamp,
    ) {
        let mut params = Params::new();
        place_params(&mut params, instrument, order);
        self.finish(
            out,
            WireRequest::Place,
            sequence,
            "order.place",
            params,
            stamp,
        );
    }

    /// Appends `order.cancel`, by our client id.
    pub fn cancel(
        &mut self,
        out: &mut Vec<u8>,
        sequence: u64,
        instrument: &Instrument,
        order: &CancelOrder,
        stamp: Stamp,
    ) {
        let params = named_order(instrument, order);
        self.finish(
            out,
            WireRequest::Cancel,
            sequence,
            "order.cancel",
            params,
            stamp,
        );
    }

    /// Appends `order.status`, by our client id.
    pub fn query(
        &mut self,
        out: &mut Vec<u8>,
        sequence: u64,
        instrument: &Instrument,
        order: &CancelOrder,
        stamp: Stamp,
    ) {
        let params = named_order(instrument, order);
        self.finish(
            out,
            WireRequest::Query,
            sequence,
            "order.status",
            params,
            stamp,
        );
    }

    /// Appends `session.logon`, which is always signed (Ed25519 keys only).
    pub fn logon(&mut self, out: &mut Vec<u8>, sequence: u64, stamp: Stamp) {
        self.logged_on = false;
        self.finish(
            out,
            WireRequest::Logon,
            sequence,
            "session.logon",
            Params::new(),
            stamp,
        );
    }

    /// Appends `account.status` (futures: version 2).
    pub fn account(&mut self, out: &mut Vec<u8>, sequence: u64, market: Market, stamp: Stamp) {
        let method = match market {
            Market::UsdM => "v2/account.status",
            Market::Spot => "account.status",
        };
        self.finish(
            out,
            WireRequest::Account,
            sequence,
            method,
            Params::new(),
            stamp,
        );
    }

    /// Appends `v2/account.position` (futures).
    pub fn positions(&mut self, out: &mut Vec<u8>, sequence: u64, stamp: Stamp) {
        let params = Params::new();
        self.finish(
            out,
            WireRequest::Positions,
            sequence,
            "v2/account.position",
            params,
            stamp,
        );
    }

    /// Appends `v2/account.balance` (futures).
    pub fn balances(&mut self, out: &mut Vec<u8>, sequence: u64, stamp: Stamp) {
        let params = Params::new();
        self.finish(
            out,
            WireRequest::Balances,
            sequence,
            "v2/account.balance",
            params,
            stamp,
        );
    }

    /// Appends the subscription to user data on this connection (spot).
    pub fn subscribe_user_data(&mut self, out: &mut Vec<u8>, sequence: u64, stamp: Stamp) {
        let kind = WireRequest::Subscribe;
        if self.logged_on {
            let id = RequestId { kind, sequence };
            write_frame(out, id, "userDataStream.subscribe", &Params::new(), None);
        } else {
            let method = "userDataStream.subscribe.signature";
            self.finish(out, kind, sequence, method, Params::new(), stamp);
        }
    }

    fn finish(
        &mut self,
        out: &mut Vec<u8>,
        kind: WireRequest,
        sequence: u64,
        method: &str,
        mut params: Params<'_>,
        stamp: Stamp,
    ) {
        params.integer("recvWindow", i64::from(stamp.recv_window_ms));
        params.integer("timestamp", stamp.timestamp.0);
        let id = RequestId { kind, sequence };
        if self.logged_on {
            write_frame(out, id, method, &params, None);
            return;
        }
        let mut signed = params.clone();
        signed.text("apiKey", self.credentials.api_key.as_bytes());
        self.to_sign.clear();
        signed.write_plain(&mut self.to_sign);
        let signature = self.credentials.signer.sign(&self.to_sign);
        write_frame(out, id, method, &signed, Some(&signature));
    }
}

/// The parameters of a new order, without those of the request.
pub(crate) fn place_params<'a>(
    params: &mut Params<'a>,
    instrument: &'a Instrument,
    order: &'a NewOrder,
) {
    let (order_type, lifetime) =
        word::type_and_lifetime(instrument.market, order.order_type, order.time_in_force);
    let mut buffer = [0; TEXT_MAX];
    params.text("symbol", instrument.symbol.as_bytes());
    params.text("side", order.side.as_str().as_bytes());
    params.text("type", order_type.as_bytes());
    params.number(
        "quantity",
        instrument.write_quantity(order.quantity, &mut buffer),
    );
    params.text("newClientOrderId", order.client_order_id.as_bytes());
    params.text("newOrderRespType", b"ACK");
    // The order that arrives wins: an exit must not be stopped by an own order in its way.
    params.text("selfTradePreventionMode", b"EXPIRE_MAKER");
    if let Some(lifetime) = lifetime {
        params.text("timeInForce", lifetime.as_bytes());
    }
    if order.order_type == OrderType::Limit {
        params.number("price", instrument.write_price(order.price, &mut buffer));
    }
    if order.reduce_only && instrument.market == Market::UsdM {
        params.text("reduceOnly", b"true");
    }
}

/// The parameters that name an order that exists or may exist.
pub(crate) fn named_order<'a>(instrument: &'a Instrument, order: &'a CancelOrder) -> Params<'a> {
    let mut params = Params::new();
    params.text("origClientOrderId", order.client_order_id.as_bytes());
    params.text("symbol", instrument.symbol.as_bytes());
    params
}

fn write_frame(
    out: &mut Vec<u8>,
    id: RequestId,
    method: &str,
    params: &Params<'_>,
    signature: Option<&[u8]>,
) {
    let mut json = JsonText::new(out);
    json.open();
    json.text("id", id.text().as_bytes());
    json.text("method", method.as_bytes());
    json.open_member("params");
    params.write_json(&mut json);
    if let Some(signature) = signature {
        json.text("signature", signature);
    }
    json.close().close();
}
