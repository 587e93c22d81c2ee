//! Requests of the last resort: by symbol, whether our table knows it or not.
//!
//! In: symbols, ids and quantities as the exchange wrote them. Out: signed calls, and lists of all
//! that is open or held. Never: a quantity that went through our grid; what the exchange says is
//! held is sent back digit by digit.

use super::call::{Call, Method};
use super::{RestError, bad_value};
use crate::orders::Stamp;
use crate::params::Params;
use crate::sign::Credentials;
use market::{Market, Symbol};
use serde::Deserialize;

/// An open order as the exchange lists it, ours or not.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ListedOrder {
    /// Its symbol.
    pub symbol: Symbol,
    /// The client's id.
    pub client_order_id: String,
    /// The exchange's id.
    pub order_id: u64,
    /// `BUY` or `SELL`.
    pub side: String,
    /// Such as `LIMIT`.
    pub order_type: String,
    /// Limit price.
    pub price: String,
    /// Ordered quantity.
    pub quantity: String,
    /// Filled quantity.
    pub filled: String,
    /// May only reduce.
    pub reduce_only: bool,
}

/// Which position of a symbol.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Leg {
    /// The only one: one-way mode.
    Both,
    /// The long one of hedge mode.
    Long,
    /// The short one of hedge mode.
    Short,
}

/// A quantity with as many decimals as the exchange wrote.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Lots {
    /// Without the point.
    pub digits: u128,
    /// Digits behind the point.
    pub decimals: u32,
}

/// A position that is not flat.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HeldPosition {
    /// Its symbol.
    pub symbol: Symbol,
    /// Which of the symbol's.
    pub leg: Leg,
    /// True for a long one.
    pub is_long: bool,
    /// How much, without a sign.
    pub quantity: Lots,
}

impl Lots {
    /// Reads digits with at most one point among them.
    fn from_text(text: &str) -> Option<Self> {
        let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
        let digits = format!("{whole}{fraction}");
        let plain = !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit());
        Some(Self {
            digits: plain.then(|| digits.parse().ok()).flatten()?,
            decimals: u32::try_from(fraction.len())
                .ok()
                .filter(|one| *one <= 18)?,
        })
    }

    /// As the exchange writes it.
    #[must_use]
    pub fn text(self) -> String {
        let scale = 10u128.pow(self.decimals);
        let (whole, fraction) = (self.digits / scale, self.digits % scale);
        if self.decimals == 0 {
            return whole.to_string();
        }
        let width = self.decimals as usize;
        format!("{whole}.{fraction:0width$}")
    }

    /// Cut into at most `parts` pieces, none of them empty.
    pub fn split(self, parts: u32) -> impl Iterator<Item = Self> {
        let parts = u128::from(parts.max(1));
        let (each, rest) = (self.digits / parts, self.digits % parts);
        (0..parts).filter_map(move |place| {
            let digits = each + u128::from(place < rest);
            (digits > 0).then_some(Self { digits, ..self })
        })
    }
}

/// Cancels every open order of one symbol, ours or not.
#[must_use]
pub fn cancel_orders_of(
    market: Market,
    symbol: &Symbol,
    credentials: &Credentials,
    stamp: Stamp,
) -> Call {
    let path = match market {
        Market::UsdM => "/fapi/v1/allOpenOrders",
        Market::Spot => "/api/v3/openOrders",
    };
    Call::signed(Method::Delete, path, 1, of(symbol), credentials, stamp)
}

/// Cancels one order by its client's id.
#[must_use]
pub fn cancel_named_order(
    market: Market,
    symbol: &Symbol,
    client_order_id: &str,
    credentials: &Credentials,
    stamp: Stamp,
) -> Call {
    let path = match market {
        Market::UsdM => "/fapi/v1/order",
        Market::Spot => "/api/v3/order",
    };
    let mut params = of(symbol);
    params.text("origClientOrderId", client_order_id.as_bytes());
    Call::signed(Method::Delete, path, 1, params, credentials, stamp)
}

/// Cancels every conditional order of one symbol; the calls for ordinary orders leave them be.
#[must_use]
pub fn cancel_algo_orders(symbol: &Symbol, credentials: &Credentials, stamp: Stamp) -> Call {
    let path = "/fapi/v1/algoOpenOrders";
    Call::signed(Method::Delete, path, 1, of(symbol), credentials, stamp)
}

/// Cancels every order of one symbol at the exchange itself when `countdown_ms` pass without
/// another such call; 0 stops the countdown.
#[must_use]
pub fn countdown_cancel_all(
    symbol: &Symbol,
    countdown_ms: u64,
    credentials: &Credentials,
    stamp: Stamp,
) -> Call {
    let mut params = of(symbol);
    params.integer(
        "countdownTime",
        i64::try_from(countdown_ms).unwrap_or(i64::MAX),
    );
    let path = "/fapi/v1/countdownCancelAll";
    Call::signed(Method::Post, path, 10, params, credentials, stamp)
}

/// Closes `part` of a position at the market. It cannot open one: in one-way mode the order is
/// reduce-only, in hedge mode the leg and the side say the same.
#[must_use]
pub fn close_position(
    position: &HeldPosition,
    part: Lots,
    client_order_id: &str,
    credentials: &Credentials,
    stamp: Stamp,
) -> Call {
    let quantity = part.text();
    let mut params = of(&position.symbol);
    params.text("side", if position.is_long { b"SELL" } else { b"BUY" });
    params.text("type", b"MARKET");
    params.text("quantity", quantity.as_bytes());
    params.text("newClientOrderId", client_order_id.as_bytes());
    match position.leg {
        Leg::Both => params.text("reduceOnly", b"true"),
        Leg::Long => params.text("positionSide", b"LONG"),
        Leg::Short => params.text("positionSide", b"SHORT"),
    };
    let path = "/fapi/v1/order";
    Call::signed(Method::Post, path, 0, params, credentials, stamp)
}

pub(super) fn of(symbol: &Symbol) -> Params<'_> {
    let mut params = Params::new();
    params.text("symbol", symbol.as_bytes());
    params
}

/// Reads `GET …/openOrders` of any symbols.
///
/// # Errors
/// [`RestError`].
pub fn parse_listed_orders(body: &[u8]) -> Result<Vec<ListedOrder>, RestError> {
    #[derive(Deserialize)]
    #[serde(rename_all = "camelCase")]
    struct Written {
        symbol: String,
        client_order_id: String,
        order_id: u64,
        side: String,
        #[serde(rename = "type")]
        order_type: String,
        price: String,
        orig_qty: String,
        executed_qty: String,
        #[serde(default)]
        reduce_only: bool,
    }
    let written: Vec<Written> = serde_json::from_slice(body)?;
    let orders = written.into_iter().map(|one| {
        Ok(ListedOrder {
            symbol: symbol_of(&one.symbol)?,
            client_order_id: one.client_order_id,
            order_id: one.order_id,
            side: one.side,
            order_type: one.order_type,
            price: one.price,
            quantity: one.orig_qty,
            filled: one.executed_qty,
            reduce_only: one.reduce_only,
        })
    });
    orders.collect()
}

/// Reads `GET /fapi/v3/positionRisk` of any symbols and keeps what is not flat.
///
/// # Errors
/// [`RestError`]: a position that cannot be read fails the whole list.
pub fn parse_held_positions(body: &[u8]) -> Result<Vec<HeldPosition>, RestError> {
    #[derive(Deserialize)]
    #[serde(rename_all = "camelCase")]
    struct Written {
        symbol: String,
        position_side: String,
        position_amt: String,
    }
    let written: Vec<Written> = serde_json::from_slice(body)?;
    let mut held = Vec::new();
    for one in &written {
        let text = one.position_amt.as_str();
        let bad = || bad_value("positionAmt", text);
        let quantity = Lots::from_text(text.trim_start_matches('-')).ok_or_else(bad)?;
        if quantity.digits == 0 {
            continue;
        }
        held.push(HeldPosition {
            symbol: symbol_of(&one.symbol)?,
            leg: match one.position_side.as_str() {
                "BOTH" => Leg::Both,
                "LONG" => Leg::Long,
                "SHORT" => Leg::Short,
                other => return Err(bad_value("positionSide", other)),
            },
            is_long: !text.starts_with('-'),
            quantity,
        });
    }
    Ok(held)
}

pub(super) fn symbol_of(text: &str) -> Result<Symbol, RestError> {
    Symbol::new(text.as_bytes()).ok_or_else(|| bad_value("symbol", text))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sign::Signer;
    use market::UtcMs;

    fn signed(make: impl Fn(&Credentials, Stamp) -> Call) -> String {
        let credentials = Credentials {
            api_key: "k".to_string(),
            signer: Signer::hmac(b"s"),
        };
        let stamp = Stamp {
            timestamp: UtcMs(7),
            recv_window_ms: 5_000,
        };
        let call = make(&credentials, stamp);
        let target = call.target();
        let unsigned = target.split("&signature=").next().unwrap_or_default();
        format!("{} {unsigned} {}", call.method.as_str(), call.weight)
    }

    #[test]
    fn a_position_goes_back_digit_by_digit_and_can_only_be_reduced() {
        let body = br#"[
            {"symbol":"BTCUSDT","positionSide":"BOTH","positionAmt":"-0.0140"},
            {"symbol":"ETHUSDT","positionSide":"LONG","positionAmt":"3"},
            {"symbol":"XRPUSDT","positionSide":"BOTH","positionAmt":"0.0"}]"#;
        let held = parse_held_positions(body).unwrap();
        assert_eq!(held.len(), 2);
        let text = signed(|credentials, stamp| {
            close_position(&held[0], held[0].quantity, "x1", credentials, stamp)
        });
        assert_eq!(
            text,
            "POST /fapi/v1/order?newClientOrderId=x1&quantity=0.0140&recvWindow=5000&\
             reduceOnly=true&side=BUY&symbol=BTCUSDT&timestamp=7&type=MARKET 0"
        );
        let text = signed(|credentials, stamp| {
            close_position(&held[1], held[1].quantity, "x2", credentials, stamp)
        });
        assert!(
            text.contains("positionSide=LONG") && text.contains("side=SELL"),
            "{text}"
        );
        assert!(!text.contains("reduceOnly"), "{text}");
    }

    #[test]
    fn parts_add_up_and_an_absurd_amount_fails_the_list() {
        let lots = Lots::from_text("1.005").unwrap();
        let parts: Vec<String> = lots.split(4).map(Lots::text).collect();
        assert_eq!(parts, ["0.252", "0.251", "0.251", "0.251"]);
        assert_eq!(Lots::from_text("2").unwrap().split(8).count(), 2);
        for text in ["", "-1", "1e3", "1.2.3", ".", "0.1234567890123456789"] {
            assert_eq!(Lots::from_text(text), None, "{text:?}");
        }
        let body = br#"[{"symbol":"BTCUSDT","positionSide":"BOTH","positionAmt":"NaN"}]"#;
        assert!(parse_held_positions(body).is_err());
    }

    #[test]
    fn conditional_orders_have_calls_of_their_own() {
        let btc = Symbol::new(b"BTCUSDT").unwrap();
        let all = signed(|credentials, stamp| cancel_algo_orders(&btc, credentials, stamp));
        assert!(all.starts_with("DELETE /fapi/v1/algoOpenOrders?recvWindow=5000&symbol=BTCUSDT"));
        let timer =
            signed(|credentials, stamp| countdown_cancel_all(&btc, 120_000, credentials, stamp));
        assert!(
            timer.contains("countdownTime=120000") && timer.ends_with(" 10"),
            "{timer}"
        );
    }

    #[test]
    fn each_leg_is_closed_by_its_own_side_and_an_unknown_one_fails_the_list() {
        let row = |leg: &str, amount: &str| {
            format!(r#"[{{"symbol":"BTCUSDT","positionSide":"{leg}","positionAmt":"{amount}"}}]"#)
        };
        let held = parse_held_positions(row("SHORT", "-0.5").as_bytes()).unwrap();
        let text = signed(|credentials, stamp| {
            close_position(&held[0], held[0].quantity, "x1", credentials, stamp)
        });
        assert!(
            text.contains("positionSide=SHORT") && text.contains("side=BUY"),
            "{text}"
        );
        assert!(!text.contains("reduceOnly") && text.contains("quantity=0.5&"));
        // A position that is passed over would count as closed.
        assert!(parse_held_positions(row("SIDEWAYS", "1").as_bytes()).is_err());
    }

    #[test]
    fn spot_orders_are_cancelled_by_paths_of_their_own() {
        let btc = Symbol::new(b"BTCUSDT").unwrap();
        for (market, all, one) in [
            (Market::UsdM, "/fapi/v1/allOpenOrders", "/fapi/v1/order"),
            (Market::Spot, "/api/v3/openOrders", "/api/v3/order"),
        ] {
            let text = signed(|key, stamp| cancel_orders_of(market, &btc, key, stamp));
            let rest = "recvWindow=5000&symbol=BTCUSDT&timestamp=7 1";
            assert_eq!(text, format!("DELETE {all}?{rest}"));
            let text = signed(|key, stamp| cancel_named_order(market, &btc, "web_1", key, stamp));
            assert_eq!(text, format!("DELETE {one}?origClientOrderId=web_1&{rest}"));
        }
    }
}
