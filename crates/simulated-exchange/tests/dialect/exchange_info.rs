//! What `exchangeInfo` promises is what the exchange does.
//!
//! In: the list of both markets, and an order of each kind that it allows. Out: passes, or the
//! promise that was not kept. Never: a promise that is only compared with a text.
#![allow(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]

use crate::support::{Bases, http, signed, start};
use serde_json::Value;

async fn symbol_of(bases: &Bases, path: &str) -> Value {
    let address = if path.starts_with("/api") {
        bases.spot
    } else {
        bases.usdm
    };
    let (status, info) = http(address, "GET", path, "").await;
    assert_eq!(status, 200, "{info}");
    info["symbols"][0].clone()
}

async fn order(bases: &Bases, method: &str, path: &str, fields: &str) -> (u16, Value) {
    let address = if path.starts_with("/api") {
        bases.spot
    } else {
        bases.usdm
    };
    let body = match fields {
        "" => String::new(),
        fields => signed(&bases.shared, fields),
    };
    http(address, method, path, &body).await
}

/// A price below the market that rests.
async fn far_bid(bases: &Bases, path: &str) -> String {
    let address = if path.starts_with("/api") {
        bases.spot
    } else {
        bases.usdm
    };
    let (_, best) = http(address, "GET", path, "").await;
    let best: f64 = best["bidPrice"].as_str().unwrap().parse().unwrap();
    format!("{:.1}", best * 0.98)
}

#[tokio::test]
async fn every_lifetime_of_the_futures_list_is_taken() {
    let bases = start(&["--symbols", "BTCUSDT"]).await;
    let symbol = symbol_of(&bases, "/fapi/v1/exchangeInfo").await;
    let words: Vec<&str> = symbol["timeInForce"]
        .as_array()
        .unwrap()
        .iter()
        .map(|word| word.as_str().unwrap())
        .collect();
    assert_eq!(words, ["GTC", "IOC", "FOK", "GTX", "GTD"]);
    assert_eq!(symbol["permissionSets"].as_array().unwrap().len(), 2);
    let price = far_bid(&bases, "/fapi/v1/ticker/bookTicker?symbol=BTCUSDT").await;
    for word in words {
        let fields = format!(
            "symbol=BTCUSDT&side=BUY&type=LIMIT&timeInForce={word}&quantity=0.01&price={price}\
             &goodTillDate=9000000000000"
        );
        let (status, placed) = order(&bases, "POST", "/fapi/v1/order", &fields).await;
        if word == "FOK" {
            // Taken, and then refused because nothing trades that far away.
            assert_eq!(placed["code"], -5021, "{placed}");
            continue;
        }
        assert_eq!(status, 200, "{word}: {placed}");
        assert_eq!(placed["timeInForce"], word, "{placed}");
    }
}

#[tokio::test]
async fn what_the_spot_list_allows_works() {
    let bases = start(&["--symbols", "BTCUSDT"]).await;
    let symbol = symbol_of(&bases, "/api/v3/exchangeInfo").await;
    for (name, wanted) in [
        ("quoteOrderQtyMarketAllowed", true),
        ("cancelReplaceAllowed", true),
        ("amendAllowed", true),
        ("isSpotTradingAllowed", true),
        ("ocoAllowed", true),
        ("otoAllowed", true),
        ("allowTrailingStop", true),
        ("icebergAllowed", false),
    ] {
        assert_eq!(symbol[name], wanted, "{name}");
    }
    let market = "symbol=BTCUSDT&side=BUY&type=MARKET&quoteOrderQty=1000";
    let (status, filled) = order(&bases, "POST", "/api/v3/order", market).await;
    assert_eq!((status, &filled["status"]), (200, &"FILLED".into()));
    let price = far_bid(&bases, "/api/v3/ticker/bookTicker?symbol=BTCUSDT").await;
    let bid =
        format!("symbol=BTCUSDT&side=BUY&type=LIMIT&timeInForce=GTC&quantity=0.02&price={price}");
    let modes = symbol["allowedSelfTradePreventionModes"].as_array();
    assert_eq!(modes.unwrap().len(), 4);
    let mut last = Value::Null;
    for mode in modes.unwrap() {
        let mode = mode.as_str().unwrap();
        let fields = format!("{bid}&selfTradePreventionMode={mode}");
        let (status, placed) = order(&bases, "POST", "/api/v3/order", &fields).await;
        assert_eq!(status, 200, "{mode}: {placed}");
        assert_eq!(placed["selfTradePreventionMode"], mode);
        last = placed["orderId"].clone();
    }
    let replace = format!("{bid}&cancelReplaceMode=STOP_ON_FAILURE&cancelOrderId={last}");
    let path = "/api/v3/order/cancelReplace";
    let (status, replaced) = order(&bases, "POST", path, &replace).await;
    assert_eq!(status, 200, "{replaced}");
    let number = &replaced["newOrderResponse"]["orderId"];
    let amend = format!("symbol=BTCUSDT&orderId={number}&newQty=0.01");
    let path = "/api/v3/order/amend/keepPriority";
    let (status, amended) = order(&bases, "PUT", path, &amend).await;
    assert_eq!(status, 200, "{amended}");
}

#[tokio::test]
async fn a_search_over_too_long_a_time_is_refused() {
    let bases = start(&["--symbols", "BTCUSDT"]).await;
    const DAY_MS: i64 = 86_400_000;
    for (path, days, code) in [
        ("/fapi/v1/allOrders", 7, -4165),
        ("/fapi/v1/userTrades", 7, -4165),
        ("/api/v3/allOrders", 1, -1127),
        ("/api/v3/myTrades", 1, -1127),
    ] {
        for (more, wanted) in [(0, (200, Value::Null)), (1, (400, code.into()))] {
            let start = bases.shared.lock().clock.now().0 - days * DAY_MS;
            let end = start + days * DAY_MS + more;
            let fields = format!("symbol=BTCUSDT&startTime={start}&endTime={end}");
            let target = format!("{path}?{}", signed(&bases.shared, &fields));
            let (status, body) = order(&bases, "GET", &target, "").await;
            assert_eq!((status, body["code"].clone()), wanted, "{path}: {body}");
        }
    }
}
