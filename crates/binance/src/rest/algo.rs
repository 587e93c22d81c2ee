//! Conditional orders: the calls of the protective stop, and what the exchange says of such orders.
//!
//! In: symbols, ids, a trigger price. Out: signed calls; one order, or all that are open. Never: a
//! stop that could open a position.

use super::call::{Call, Method};
use super::emergency::{of, symbol_of};
use super::{RestError, bad_value};
use crate::orders::Stamp;
use crate::params::Params;
use crate::sign::Credentials;
use market::decimal::TEXT_MAX;
use market::{Instrument, Price, Quantity, Side, Symbol};
use serde::Deserialize;

/// An open conditional order as the exchange lists it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ListedAlgoOrder {
    /// Its symbol.
    pub symbol: Symbol,
    /// The client's id.
    pub client_algo_id: String,
    /// The exchange's id.
    pub algo_id: u64,
    /// `BUY` or `SELL`.
    pub side: String,
    /// Such as `STOP_MARKET`.
    pub order_type: String,
    /// Price that triggers it.
    pub trigger_price: String,
    /// Quantity; zero for an order that closes the position.
    pub quantity: String,
    /// Closes whatever position there is.
    pub close_position: bool,
}

/// Which price triggers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TriggerPrice {
    /// The mark price: it follows an index, and no single trade moves it.
    Mark,
    /// The last trade's.
    Last,
}

/// A stop that closes a position when its price comes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ProtectiveStop {
    /// Of the order that it becomes.
    pub side: Side,
    /// The price that it waits for.
    pub trigger: Price,
    /// Which price that is.
    pub by: TriggerPrice,
    /// Closes so much, reduce-only; `None`: whatever there is.
    pub part: Option<Quantity>,
}

/// Where a conditional order stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AlgoState {
    /// It waits for its price, or is being triggered.
    Open,
    /// It became an ordinary order.
    Triggered,
    /// It ended otherwise: cancelled, expired, rejected.
    Ended,
}

/// One conditional order as the exchange answers about it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PlacedAlgoOrder {
    /// The client's id.
    pub client_algo_id: String,
    /// Where it stands.
    pub state: AlgoState,
    /// The order that it became; 0 before.
    pub order_id: u64,
}

/// Places a stop on the position of `instrument`.
#[must_use]
pub fn place_protective_stop(
    instrument: &Instrument,
    stop: &ProtectiveStop,
    client_algo_id: &str,
    credentials: &Credentials,
    stamp: Stamp,
) -> Call {
    let mut buffer = [0; TEXT_MAX];
    let mut params = of(&instrument.symbol);
    params.text("algoType", b"CONDITIONAL");
    params.text("side", stop.side.as_str().as_bytes());
    params.text("type", b"STOP_MARKET");
    match stop.part {
        None => {
            params.text("closePosition", b"true");
        }
        Some(lots) => {
            params.number("quantity", instrument.write_quantity(lots, &mut buffer));
            params.text("reduceOnly", b"true");
        }
    }
    let trigger = instrument.write_price(stop.trigger, &mut buffer);
    params.number("triggerPrice", trigger);
    params.text(
        "workingType",
        match stop.by {
            TriggerPrice::Mark => b"MARK_PRICE",
            TriggerPrice::Last => b"CONTRACT_PRICE",
        },
    );
    params.text("clientAlgoId", client_algo_id.as_bytes());
    let path = "/fapi/v1/algoOrder";
    Call::signed(Method::Post, path, 0, params, credentials, stamp)
}

/// Asks for one conditional order by its client's id.
#[must_use]
pub fn query_algo_order(client_algo_id: &str, credentials: &Credentials, stamp: Stamp) -> Call {
    let mut params = Params::new();
    params.text("clientAlgoId", client_algo_id.as_bytes());
    let path = "/fapi/v1/algoOrder";
    Call::signed(Method::Get, path, 1, params, credentials, stamp)
}

/// Every open conditional order of the account; futures only.
#[must_use]
pub fn open_algo_orders(credentials: &Credentials, stamp: Stamp) -> Call {
    let path = "/fapi/v1/openAlgoOrders";
    Call::signed(Method::Get, path, 40, Params::new(), credentials, stamp)
}

/// Cancels one conditional order by its client's id.
#[must_use]
pub fn cancel_algo_order(client_algo_id: &str, credentials: &Credentials, stamp: Stamp) -> Call {
    let mut params = Params::new();
    params.text("clientAlgoId", client_algo_id.as_bytes());
    let path = "/fapi/v1/algoOrder";
    Call::signed(Method::Delete, path, 1, params, credentials, stamp)
}

/// Reads the answer to a place or a query.
///
/// # Errors
/// [`RestError`].
pub fn parse_algo_order(body: &[u8]) -> Result<PlacedAlgoOrder, RestError> {
    #[derive(Deserialize)]
    #[serde(rename_all = "camelCase")]
    struct Written {
        client_algo_id: String,
        algo_status: String,
        #[serde(default)]
        actual_order_id: serde_json::Value,
    }
    let written: Written = serde_json::from_slice(body)?;
    let order_id = match &written.actual_order_id {
        serde_json::Value::Null => String::new(),
        serde_json::Value::String(text) => text.clone(),
        other => other.to_string(),
    };
    Ok(PlacedAlgoOrder {
        state: match written.algo_status.as_str() {
            "NEW" | "TRIGGERING" => AlgoState::Open,
            "TRIGGERED" | "FINISHED" => AlgoState::Triggered,
            "CANCELED" | "EXPIRED" | "REJECTED" => AlgoState::Ended,
            other => return Err(bad_value("algoStatus", other)),
        },
        order_id: match order_id.as_str() {
            "" => 0,
            text => text.parse().map_err(|_| bad_value("actualOrderId", text))?,
        },
        client_algo_id: written.client_algo_id,
    })
}

/// Reads `GET /fapi/v1/openAlgoOrders`.
///
/// # Errors
/// [`RestError`].
pub fn parse_algo_orders(body: &[u8]) -> Result<Vec<ListedAlgoOrder>, RestError> {
    #[derive(Deserialize)]
    #[serde(rename_all = "camelCase")]
    struct Written {
        symbol: String,
        client_algo_id: String,
        algo_id: u64,
        side: String,
        order_type: String,
        #[serde(default)]
        trigger_price: String,
        #[serde(default)]
        quantity: String,
        #[serde(default)]
        close_position: bool,
    }
    let written: Vec<Written> = serde_json::from_slice(body)?;
    let orders = written.into_iter().map(|one| {
        Ok(ListedAlgoOrder {
            symbol: symbol_of(&one.symbol)?,
            client_algo_id: one.client_algo_id,
            algo_id: one.algo_id,
            side: one.side,
            order_type: one.order_type,
            trigger_price: one.trigger_price,
            quantity: one.quantity,
            close_position: one.close_position,
        })
    });
    orders.collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sign::Signer;
    use market::{Filters, InstrumentId, InstrumentStatus, Market, Step, UtcMs};

    fn unsigned(make: impl Fn(&Credentials, Stamp) -> Call) -> String {
        let credentials = Credentials {
            api_key: "k".to_string(),
            signer: Signer::hmac(b"s"),
        };
        let stamp = Stamp {
            timestamp: UtcMs(7),
            recv_window_ms: 1_000,
        };
        let call = make(&credentials, stamp);
        let target = call.target();
        let unsigned = target.split("&signature=").next().unwrap_or_default();
        format!("{} {unsigned} {}", call.method.as_str(), call.weight)
    }

    #[test]
    fn a_stop_closes_all_there_is_or_the_part_that_is_ours() {
        let instrument = Instrument {
            id: InstrumentId(0),
            market: Market::UsdM,
            symbol: Symbol::new(b"BTCUSDT").unwrap(),
            tick: Step::from_text(b"0.10").unwrap(),
            lot: Step::from_text(b"0.001").unwrap(),
            price_decimals: 2,
            quantity_decimals: 3,
            status: InstrumentStatus::Trading,
            filters: Filters::NONE,
        };
        let written = |part| {
            let stop = ProtectiveStop {
                side: Side::Sell,
                trigger: Price(594_001),
                by: TriggerPrice::Mark,
                part,
            };
            unsigned(|credentials, stamp| {
                place_protective_stop(&instrument, &stop, "fulcrum-stop-1", credentials, stamp)
            })
        };
        assert_eq!(
            written(Some(Quantity(20))),
            "POST /fapi/v1/algoOrder?algoType=CONDITIONAL&clientAlgoId=fulcrum-stop-1\
             &quantity=0.020&recvWindow=1000&reduceOnly=true&side=SELL&symbol=BTCUSDT&timestamp=7\
             &triggerPrice=59400.10&type=STOP_MARKET&workingType=MARK_PRICE 0"
        );
        assert_eq!(
            written(None),
            "POST /fapi/v1/algoOrder?algoType=CONDITIONAL&clientAlgoId=fulcrum-stop-1\
             &closePosition=true&recvWindow=1000&side=SELL&symbol=BTCUSDT&timestamp=7\
             &triggerPrice=59400.10&type=STOP_MARKET&workingType=MARK_PRICE 0"
        );
        let by_last = ProtectiveStop {
            side: Side::Buy,
            trigger: Price(594_001),
            by: TriggerPrice::Last,
            part: None,
        };
        let text = unsigned(|credentials, stamp| {
            place_protective_stop(&instrument, &by_last, "a", credentials, stamp)
        });
        assert!(text.contains("&workingType=CONTRACT_PRICE "), "{text}");
        assert!(text.contains("&side=BUY&"), "{text}");
        let list = unsigned(open_algo_orders);
        assert!(list.starts_with("GET /fapi/v1/openAlgoOrders?") && list.ends_with(" 40"));
        let query = unsigned(|credentials, stamp| query_algo_order("a", credentials, stamp));
        assert!(query.starts_with("GET /fapi/v1/algoOrder?clientAlgoId=a&"));
    }

    #[test]
    fn an_answer_tells_where_the_order_stands_and_what_it_became() {
        let read = |status: &str, order: &str| {
            let body = format!(
                r#"{{"clientAlgoId":"a","algoStatus":"{status}","actualOrderId":{order}}}"#
            );
            parse_algo_order(body.as_bytes())
                .map(|one| (one.state, one.order_id))
                .ok()
        };
        assert_eq!(read("NEW", "null"), Some((AlgoState::Open, 0)));
        assert_eq!(read("NEW", "\"\""), Some((AlgoState::Open, 0)));
        assert_eq!(read("FINISHED", "\"77\""), Some((AlgoState::Triggered, 77)));
        assert_eq!(read("FINISHED", "78"), Some((AlgoState::Triggered, 78)));
        assert_eq!(read("EXPIRED", "\"\""), Some((AlgoState::Ended, 0)));
        assert_eq!(read("SOMETHING", "\"\""), None);
        assert_eq!(read("NEW", "\"x\""), None);
    }
}
