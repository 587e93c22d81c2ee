//! Request frames of the WebSocket API.
//!
//! In: an order in ticks and lots, its instrument, a timestamp. Out: one text frame, signed or
//! for a logged-on session. Never: an allocation while the buffers' capacity lasts.

use super::place_frame::{PlaceFrame, is_plain};
use super::{RequestId, WireRequest};
use crate::encode::JsonText;
use crate::params::Params;
use crate::sign::{Credentials, HeadSigner};
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
    /// Has taken in the key, with which everything that is signed begins.
    signer: HeadSigner,
    logged_on: bool,
    to_sign: Vec<u8>,
}

impl RequestEncoder {
    /// Signs every request with `credentials` until [`RequestEncoder::set_logged_on`].
    #[must_use]
    pub fn new(credentials: Credentials) -> Self {
        let head = format!("apiKey={}&", credentials.api_key);
        Self {
            signer: HeadSigner::new(credentials.signer.clone(), head.into_bytes()),
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

    /// Appends `order.place`.
    pub fn place(
        &mut self,
        out: &mut Vec<u8>,
        sequence: u64,
        instrument: &Instrument,
        order: &NewOrder,
        stamp: Stamp,
    ) {
        let kind = WireRequest::Place;
        let frame = PlaceFrame {
            id: RequestId { kind, sequence },
            instrument,
            order,
            stamp,
        };
        let key = self.credentials.api_key.as_bytes();
        if !frame.is_plain() || !is_plain(key) {
            let mut params = Params::new();
            place_params(&mut params, instrument, order);
            self.finish(out, kind, sequence, "order.place", params, stamp);
        } else if self.logged_on {
            frame.write_unsigned(out);
        } else {
            self.to_sign.clear();
            self.to_sign.extend_from_slice(self.signer.head());
            let signer = &self.signer;
            frame.write_signed(out, key, &mut self.to_sign, |text| signer.sign(text));
        }
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

    /// Appends `order.modify`, by our client id: price and the whole quantity, both always (futures).
    pub fn amend(
        &mut self,
        out: &mut Vec<u8>,
        sequence: u64,
        instrument: &Instrument,
        order: &NewOrder,
        stamp: Stamp,
    ) {
        let params = amend_params(instrument, order);
        self.finish(
            out,
            WireRequest::Amend,
            sequence,
            "order.modify",
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
        let signature = self.signer.sign(&self.to_sign);
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

/// The parameters of a change of price and quantity.
fn amend_params<'a>(instrument: &'a Instrument, order: &'a NewOrder) -> Params<'a> {
    let mut params = Params::new();
    let mut buffer = [0; TEXT_MAX];
    params.text("origClientOrderId", order.client_order_id.as_bytes());
    params.text("symbol", instrument.symbol.as_bytes());
    params.text("side", order.side.as_str().as_bytes());
    params.number(
        "quantity",
        instrument.write_quantity(order.quantity, &mut buffer),
    );
    params.number("price", instrument.write_price(order.price, &mut buffer));
    params
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sign::Signer;
    use market::{
        ClientOrderId, Filters, InstrumentId, InstrumentStatus, IntentId, Price, Quantity, Side,
        Step, StrategyId, Symbol, TimeInForce,
    };

    fn instrument(market: Market, symbol: &str) -> Instrument {
        Instrument {
            id: InstrumentId(0),
            market,
            symbol: Symbol::new(symbol.as_bytes()).unwrap(),
            tick: Step::from_text(b"0.10").unwrap(),
            lot: Step::from_text(b"0.001").unwrap(),
            price_decimals: 2,
            quantity_decimals: 3,
            status: InstrumentStatus::Trading,
            filters: Filters::NONE,
        }
    }

    /// The one pass and the sorted parameters write the same bytes.
    fn check(instrument: &Instrument, order: &NewOrder, key: &str, signer: &Signer, logged: bool) {
        let mut encoder = RequestEncoder::new(Credentials {
            api_key: key.to_string(),
            signer: signer.clone(),
        });
        encoder.set_logged_on(logged);
        let stamp = Stamp {
            timestamp: UtcMs(1_764_165_000_123),
            recv_window_ms: 1_000,
        };
        let (mut once, mut sorted) = (b"before".to_vec(), b"before".to_vec());
        encoder.place(&mut once, 77, instrument, order, stamp);
        let mut params = Params::new();
        place_params(&mut params, instrument, order);
        let kind = WireRequest::Place;
        encoder.finish(&mut sorted, kind, 77, "order.place", params, stamp);
        assert_eq!(
            once.escape_ascii().to_string(),
            sorted.escape_ascii().to_string()
        );
    }

    #[test]
    fn one_pass_writes_what_sorted_parameters_write() {
        let signers = [Signer::hmac(b"secret"), Signer::ed25519(&[7; 32])];
        let types = [
            (OrderType::Limit, TimeInForce::GoodTillCancel),
            (OrderType::Limit, TimeInForce::PostOnly),
            (OrderType::Limit, TimeInForce::ImmediateOrCancel),
            (OrderType::Market, TimeInForce::ImmediateOrCancel),
        ];
        let symbols = ["BTCUSDT", "币安人生USDT", "A\"B\\C"];
        for market in [Market::UsdM, Market::Spot] {
            for symbol in symbols {
                let instrument = instrument(market, symbol);
                for (order_type, time_in_force) in types {
                    for reduce_only in [false, true] {
                        let order = NewOrder {
                            client_order_id: ClientOrderId::compose("fu", 1, 1),
                            intent: IntentId(1),
                            instrument: InstrumentId(0),
                            strategy: StrategyId(0),
                            side: if reduce_only { Side::Sell } else { Side::Buy },
                            order_type,
                            time_in_force,
                            price: Price(520_001),
                            quantity: Quantity(10),
                            reduce_only,
                        };
                        for signer in &signers {
                            for key in ["k".repeat(64), "a\"b".to_string()] {
                                check(&instrument, &order, &key, signer, false);
                                check(&instrument, &order, &key, signer, true);
                            }
                        }
                    }
                }
            }
        }
    }
}
