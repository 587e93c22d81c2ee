//! The frame of a new order, and the text that is signed, in one pass.
//!
//! In: an order in ticks and lots. Out: what `Params` would write for it, byte for byte, without
//! sorting at the moment of the order: the names stand here in the order in which they are
//! signed. Never: an allocation while the buffers' capacity lasts.

use super::{RequestId, Stamp};
use crate::sign::SignatureText;
use crate::word;
use market::decimal::{TEXT_MAX, write_decimal};
use market::{Instrument, Market, NewOrder, OrderType};

/// Everything that a frame of a new order says.
pub(super) struct PlaceFrame<'a> {
    pub(super) id: RequestId,
    pub(super) instrument: &'a Instrument,
    pub(super) order: &'a NewOrder,
    pub(super) stamp: Stamp,
}

/// A member of `params` and the same pair of the text to sign.
macro_rules! text {
    ($out:ident, $plain:ident, $name:literal, $value:expr) => {
        $out.extend_from_slice(concat!("\"", $name, "\":\"").as_bytes());
        $out.extend_from_slice($value);
        $out.extend_from_slice(b"\",");
        if let Some(plain) = $plain.as_deref_mut() {
            plain.extend_from_slice(concat!($name, "=").as_bytes());
            plain.extend_from_slice($value);
            plain.push(b'&');
        }
    };
}

/// A member whose value is fixed.
macro_rules! fixed {
    ($out:ident, $plain:ident, $name:literal, $value:literal) => {
        $out.extend_from_slice(concat!("\"", $name, "\":\"", $value, "\",").as_bytes());
        if let Some(plain) = $plain.as_deref_mut() {
            plain.extend_from_slice(concat!($name, "=", $value, "&").as_bytes());
        }
    };
}

/// A member that JSON writes as an integer.
macro_rules! integer {
    ($out:ident, $plain:ident, $name:literal, $value:expr) => {
        let mut buffer = [0; TEXT_MAX];
        let digits = write_decimal($value, 0, &mut buffer);
        $out.extend_from_slice(concat!("\"", $name, "\":").as_bytes());
        $out.extend_from_slice(digits);
        $out.push(b',');
        if let Some(plain) = $plain.as_deref_mut() {
            plain.extend_from_slice(concat!($name, "=").as_bytes());
            plain.extend_from_slice(digits);
            plain.push(b'&');
        }
    };
}

impl PlaceFrame<'_> {
    /// True when its words stand in JSON as they are: an exchange chooses its symbols.
    pub(super) fn is_plain(&self) -> bool {
        is_plain(self.instrument.symbol.as_bytes())
            && is_plain(self.order.client_order_id.as_bytes())
    }

    /// Appends an unsigned frame.
    pub(super) fn write_unsigned(&self, out: &mut Vec<u8>) {
        self.open(out);
        self.write_members(out, None);
        out.pop();
        out.extend_from_slice(b"}}");
    }

    /// Appends a signed frame. `plain` holds `apiKey=key&` and takes the rest of what is signed.
    pub(super) fn write_signed(
        &self,
        out: &mut Vec<u8>,
        key: &[u8],
        plain: &mut Vec<u8>,
        sign: impl FnOnce(&[u8]) -> SignatureText,
    ) {
        self.open(out);
        out.extend_from_slice(b"\"apiKey\":\"");
        out.extend_from_slice(key);
        out.extend_from_slice(b"\",");
        self.write_members(out, Some(plain));
        plain.pop();
        out.extend_from_slice(b"\"signature\":\"");
        out.extend_from_slice(&sign(plain));
        out.extend_from_slice(b"\"}}");
    }

    fn open(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(b"{\"id\":\"");
        out.extend_from_slice(self.id.text().as_bytes());
        out.extend_from_slice(b"\",\"method\":\"order.place\",\"params\":{");
    }

    /// Each member brings the separator behind it.
    fn write_members(&self, out: &mut Vec<u8>, mut plain: Option<&mut Vec<u8>>) {
        let (order, instrument) = (self.order, self.instrument);
        let (order_type, lifetime) =
            word::type_and_lifetime(instrument.market, order.order_type, order.time_in_force);
        let mut digits = [0; TEXT_MAX];
        text!(
            out,
            plain,
            "newClientOrderId",
            order.client_order_id.as_bytes()
        );
        fixed!(out, plain, "newOrderRespType", "ACK");
        if order.order_type == OrderType::Limit {
            let price = instrument.write_price(order.price, &mut digits);
            text!(out, plain, "price", price);
        }
        let quantity = instrument.write_quantity(order.quantity, &mut digits);
        text!(out, plain, "quantity", quantity);
        integer!(
            out,
            plain,
            "recvWindow",
            i64::from(self.stamp.recv_window_ms)
        );
        if order.reduce_only && instrument.market == Market::UsdM {
            fixed!(out, plain, "reduceOnly", "true");
        }
        // The order that arrives wins: an exit must not be stopped by an own order in its way.
        fixed!(out, plain, "selfTradePreventionMode", "EXPIRE_MAKER");
        text!(out, plain, "side", order.side.as_str().as_bytes());
        text!(out, plain, "symbol", instrument.symbol.as_bytes());
        if let Some(lifetime) = lifetime {
            text!(out, plain, "timeInForce", lifetime.as_bytes());
        }
        integer!(out, plain, "timestamp", self.stamp.timestamp.0);
        text!(out, plain, "type", order_type.as_bytes());
    }
}

/// True when JSON needs no escape for `text`.
pub(super) fn is_plain(text: &[u8]) -> bool {
    text.iter()
        .all(|byte| *byte >= 0x20 && !matches!(byte, b'"' | b'\\'))
}
