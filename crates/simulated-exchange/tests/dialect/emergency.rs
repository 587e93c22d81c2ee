//! What an emergency leans on: the countdown of the exchange, conditional orders, slow answers.
//!
//! In: a running exchange on free ports. Out: orders that the exchange ended or made by itself.
//! Never: a sleep; each wait is for something that the exchange says.

use std::time::{Duration, Instant};

use crate::support::{Bases, KEY, SECRET, Stream, http, open, request, signed, start};
use serde_json::Value;

/// An exchange that knows the tests' key.
async fn with_key(more: &[&str]) -> Bases {
    let secret = std::path::Path::new(env!("CARGO_TARGET_TMPDIR")).join("emergency-secret");
    std::fs::write(&secret, format!("{SECRET}\n")).expect("a writable folder");
    let secret = secret.display().to_string();
    let own = ["--api-key", KEY, "--api-secret-file", &secret];
    start(&[&own[..], more].concat()).await
}

async fn call(bases: &Bases, method: &str, path: &str, query: &str) -> (u16, Value) {
    let query = signed(&bases.shared, query);
    http(bases.usdm, method, &format!("{path}?{query}"), "").await
}

/// Asks until `holds` does.
async fn until(bases: &Bases, what: &str, holds: impl Fn(&Value) -> bool) -> Value {
    let deadline = Instant::now() + Duration::from_secs(30);
    loop {
        let (_, account) = http(bases.control, "GET", "/sim/v1/account", "").await;
        if holds(&account) {
            return account;
        }
        assert!(Instant::now() < deadline, "{what}: {account:#}");
        tokio::task::yield_now().await;
    }
}

async fn place_resting(bases: &Bases, id: &str) {
    let query = format!(
        "symbol=BTCUSDT&side=BUY&type=LIMIT&timeInForce=GTC&quantity=0.010&price=60000.00\
         &newClientOrderId={id}"
    );
    let (status, answer) = call(bases, "POST", "/fapi/v1/order", &query).await;
    assert_eq!(status, 200, "{answer}");
}

fn open_orders(account: &Value) -> usize {
    account["open_orders"].as_array().map_or(0, Vec::len)
}

#[tokio::test]
async fn a_countdown_that_nobody_renews_cancels_every_order_of_its_symbol() {
    let bases = with_key(&[]).await;
    place_resting(&bases, "a1").await;
    place_resting(&bases, "a2").await;
    let path = "/fapi/v1/countdownCancelAll";
    let timer = |ms: u64| format!("symbol=BTCUSDT&countdownTime={ms}");
    let (status, answer) = call(&bases, "POST", path, &timer(60_000)).await;
    assert_eq!(
        (status, &answer["countdownTime"]),
        (200, &Value::from("60000"))
    );
    let account = until(&bases, "it runs", |account| {
        account["countdowns"][0].is_object()
    })
    .await;
    assert_eq!(
        (open_orders(&account), &account["countdowns"][0]["symbol"]),
        (2, &"BTCUSDT".into())
    );
    // Ended, it does nothing.
    call(&bases, "POST", path, &timer(0)).await;
    let account = until(&bases, "it ended", |account| {
        account["countdowns"] == Value::from(Vec::<Value>::new())
    })
    .await;
    assert_eq!(open_orders(&account), 2);
    let begun = Instant::now();
    call(&bases, "POST", path, &timer(300)).await;
    let account = until(&bases, "orders are gone", |account| {
        open_orders(account) == 0
    })
    .await;
    let took = begun.elapsed();
    assert!(
        took >= Duration::from_millis(300) && took < Duration::from_secs(2),
        "{took:?}"
    );
    assert_eq!(account["orders_by_state"]["CANCELED"], 2, "{account}");
    let (status, refused) = call(&bases, "POST", path, "symbol=BTCUSDT&countdownTime=x").await;
    assert_eq!(status, 400, "{refused}");
}

#[tokio::test]
async fn a_stop_that_closes_the_position_is_listed_triggered_and_executed() {
    let bases = with_key(&["--speed", "20"]).await;
    let (_, key) = http(bases.usdm, "POST", "/fapi/v1/listenKey", "").await;
    let key = key["listenKey"].as_str().expect("a key").to_owned();
    let mut private: Stream = open(bases.usdm, &format!("/private/ws/{key}")).await;
    let buy = "symbol=BTCUSDT&side=BUY&type=MARKET&quantity=0.010&newClientOrderId=b1";
    let (status, answer) = call(&bases, "POST", "/fapi/v1/order", buy).await;
    assert_eq!(status, 200, "{answer}");
    let (_, price) = http(
        bases.usdm,
        "GET",
        "/fapi/v1/ticker/price?symbol=BTCUSDT",
        "",
    )
    .await;
    let price: f64 = price["price"]
        .as_str()
        .expect("a price")
        .parse()
        .expect("a number");
    let stop = |id: &str, side: &str, trigger: f64| {
        format!(
            "algoType=CONDITIONAL&symbol=BTCUSDT&side={side}&type=STOP_MARKET&closePosition=true\
             &triggerPrice={trigger:.1}&workingType=CONTRACT_PRICE&clientAlgoId={id}"
        )
    };
    let path = "/fapi/v1/algoOrder";
    let (_, refused) = call(&bases, "POST", path, &stop("s0", "SELL", price * 2.0)).await;
    assert_eq!(refused["code"], -2021, "{refused}");
    let (status, far) = call(&bases, "POST", path, &stop("s1", "BUY", price * 2.0)).await;
    assert_eq!(
        (status, &far["algoStatus"]),
        (200, &Value::from("NEW")),
        "{far}"
    );
    let (status, near) = call(&bases, "POST", path, &stop("s2", "SELL", price - 1.0)).await;
    assert_eq!(status, 200, "{near}");
    let (_, listed) = call(&bases, "GET", "/fapi/v1/openAlgoOrders", "").await;
    assert!(
        listed.as_array().is_some_and(|list| !list.is_empty()),
        "{listed}"
    );
    let flat = |account: &Value| account["positions"][0]["quantity_lots"] == 0;
    let account = until(&bases, "the stop closed the position", flat).await;
    // The far one still waits: only what was triggered is gone.
    assert_eq!(
        account["algo_orders"][0]["client_algo_id"], "s1",
        "{account}"
    );
    let (_, done) = call(&bases, "GET", path, "clientAlgoId=s2").await;
    assert_eq!(done["algoStatus"], "FINISHED", "{done}");
    assert!(done["actualOrderId"].is_string(), "{done}");
    let mut states = Vec::new();
    while states.last() != Some(&"FINISHED".to_owned()) {
        let event = private.next().await;
        if event["e"] == "ALGO_UPDATE" {
            let state = event["o"]["X"].as_str().unwrap_or_default().to_owned();
            let has_order = event["o"]["ai"] != "";
            assert_eq!(
                has_order,
                matches!(&*state, "TRIGGERED" | "FINISHED"),
                "{event}"
            );
            states.push(state);
        }
    }
    assert_eq!(
        states,
        ["NEW", "NEW", "TRIGGERING", "TRIGGERED", "FINISHED"]
    );
}

#[tokio::test]
async fn conditional_orders_are_cancelled_by_their_own_endpoints_alone() {
    let bases = with_key(&[]).await;
    let stop = |id: &str| {
        format!(
            "algoType=CONDITIONAL&symbol=BTCUSDT&side=SELL&type=STOP_MARKET&quantity=0.010\
             &triggerPrice=1000.0&clientAlgoId={id}"
        )
    };
    let closing = |id: &str, side: &str, price: &str| {
        format!(
            "algoType=CONDITIONAL&symbol=BTCUSDT&side={side}&type=STOP_MARKET&closePosition=true\
             &triggerPrice={price}&clientAlgoId={id}"
        )
    };
    // One that closes the position a direction, whatever its price.
    for (id, side, price, code) in [
        ("d1", "SELL", "1000.0", Value::Null),
        ("d2", "SELL", "2000.0", (-4130).into()),
        ("d3", "BUY", "200000.0", Value::Null),
    ] {
        let query = closing(id, side, price);
        let (_, answer) = call(&bases, "POST", "/fapi/v1/algoOrder", &query).await;
        assert_eq!(answer["code"], code, "{answer}");
    }
    let all = "symbol=BTCUSDT";
    call(&bases, "DELETE", "/fapi/v1/algoOpenOrders", all).await;
    for id in ["c1", "c2", "c3"] {
        let (status, answer) = call(&bases, "POST", "/fapi/v1/algoOrder", &stop(id)).await;
        assert_eq!(status, 200, "{answer}");
    }
    let count = async || {
        let (_, listed) = call(&bases, "GET", "/fapi/v1/openAlgoOrders", "").await;
        listed.as_array().map_or(0, Vec::len)
    };
    call(&bases, "DELETE", "/fapi/v1/allOpenOrders", "symbol=BTCUSDT").await;
    assert_eq!(count().await, 3);
    let (status, gone) = call(&bases, "DELETE", "/fapi/v1/algoOrder", "clientAlgoId=c2").await;
    assert_eq!(
        (status, &gone["code"]),
        (200, &Value::from("200")),
        "{gone}"
    );
    let (_, again) = call(&bases, "DELETE", "/fapi/v1/algoOrder", "clientAlgoId=c2").await;
    assert_eq!(again["code"], -2011, "{again}");
    assert_eq!(count().await, 2);
    call(
        &bases,
        "DELETE",
        "/fapi/v1/algoOpenOrders",
        "symbol=BTCUSDT",
    )
    .await;
    assert_eq!(count().await, 0);
    // The other endpoint does not take them at all.
    let wrong = "symbol=BTCUSDT&side=SELL&type=STOP_MARKET&stopPrice=1000&quantity=0.010";
    let (_, refused) = call(&bases, "POST", "/fapi/v1/order", wrong).await;
    assert_eq!(refused["code"], -4120, "{refused}");
}

#[tokio::test]
async fn a_slow_exchange_answers_late_on_both_interfaces() {
    let bases = with_key(&["--fault", "reply-delay:300"]).await;
    for (address, path) in [(bases.usdm, "/fapi/v1/time"), (bases.spot, "/api/v3/time")] {
        let begun = Instant::now();
        http(address, "GET", path, "").await;
        assert!(begun.elapsed() >= Duration::from_millis(300), "{path}");
    }
    let mut api = open(bases.usdm, "/ws-fapi/v1").await;
    let begun = Instant::now();
    api.send(&request(
        &bases.shared,
        "order.status",
        &[("symbol", "BTCUSDT")],
    ))
    .await;
    assert_eq!(api.next().await["error"]["code"], -1102);
    assert!(begun.elapsed() >= Duration::from_millis(300));
}
