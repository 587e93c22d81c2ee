//! The clock and the faults in a test's hands.
//!
//! In: requests on the control port. Out: assertions. Never: a sleep, a wait without a deadline.

use std::time::{Duration, Instant};

use crate::support::{Bases, http, start};
use serde_json::{Value, json};

async fn call(exchange: &Bases, method: &str, target: &str, body: Value) -> Value {
    let (status, answer) = http(exchange.control, method, target, &body.to_string()).await;
    assert_eq!(status, 200, "{method} {target}: {answer}");
    answer
}

async fn state(exchange: &Bases) -> Value {
    call(exchange, "GET", "/sim/v1/state", Value::Null).await
}

#[tokio::test]
async fn a_paused_clock_stops_the_market_and_a_step_moves_it_by_so_much() {
    let exchange = start(&["--symbols", "BTCUSDT"]).await;
    let clock = |body: Value| call(&exchange, "POST", "/sim/v1/clock", body);
    let stopped = clock(json!({"pause": true})).await;
    assert_eq!(stopped["paused"], true);
    let before = state(&exchange).await;
    assert_eq!(before["now_ms"], stopped["now_ms"]);
    assert_eq!(state(&exchange).await["usdm"], before["usdm"]);
    let stepped = clock(json!({"step_ms": 2_000})).await;
    let now_ms = |value: &Value| value["now_ms"].as_i64().expect("a time");
    assert_eq!(now_ms(&stepped), now_ms(&stopped) + 2_000);
    let deadline = Instant::now() + Duration::from_secs(30);
    let events = |value: &Value| value["usdm"]["market_events"].as_u64().expect("a count");
    // Two seconds have twenty differences of the book, and much else.
    let mut after = state(&exchange).await;
    while events(&after) < events(&before) + 20 {
        assert!(Instant::now() < deadline, "{after}");
        after = state(&exchange).await;
    }
    assert_eq!(now_ms(&after), now_ms(&stepped), "it stands still again");
    let gone_on = call(&exchange, "POST", "/sim/v1/reset", json!({})).await;
    assert_eq!(gone_on["paused"], false);
    while now_ms(&state(&exchange).await) == now_ms(&stepped) {
        assert!(Instant::now() < deadline, "the clock does not go on");
    }
}

#[tokio::test]
async fn a_faster_market_has_more_events_in_the_same_time() {
    let exchange = start(&["--symbols", "BTCUSDT"]).await;
    let events = |state: &Value| state["usdm"]["market_events"].as_u64().expect("a count");
    let mut grown = Vec::new();
    for speed in [1, 50] {
        let body = json!({"pause": true, "speed": speed});
        call(&exchange, "POST", "/sim/v1/clock", body).await;
        let before = state(&exchange).await;
        call(
            &exchange,
            "POST",
            "/sim/v1/clock",
            json!({"step_ms": 1_000}),
        )
        .await;
        let mut last = events(&before);
        loop {
            // The turns of the market's task end when nothing is due any more.
            for _ in 0..200 {
                tokio::task::yield_now().await;
            }
            let now = events(&state(&exchange).await);
            if now == last {
                break;
            }
            last = now;
        }
        grown.push(last - events(&before));
    }
    assert!(grown[1] > 10 * grown[0], "{grown:?}");
    let (status, _) = http(exchange.control, "POST", "/sim/v1/clock", r#"{"speed":0}"#).await;
    assert_eq!(status, 400);
}

#[tokio::test]
async fn faults_are_listed_and_ended() {
    let exchange = start(&["--symbols", "BTCUSDT"]).await;
    for fault in ["ack-lost:3", "drop-private:2"] {
        call(&exchange, "POST", "/sim/v1/faults", json!({"fault": fault})).await;
    }
    let listed = call(&exchange, "GET", "/sim/v1/faults", Value::Null).await;
    assert_eq!(listed["waiting"], json!(["ack-lost:3", "drop-private:2"]));
    call(&exchange, "DELETE", "/sim/v1/faults", Value::Null).await;
    let listed = call(&exchange, "GET", "/sim/v1/faults", Value::Null).await;
    assert_eq!(listed["waiting"], json!([]));
    assert_eq!(listed["next_scheduled_ms"], Value::Null);
}

#[tokio::test]
async fn a_schedule_brings_its_faults_by_itself() {
    let exchange = start(&["--symbols", "BTCUSDT", "--fault-schedule", "seed=3,rate=60"]).await;
    call(&exchange, "POST", "/sim/v1/clock", json!({"pause": true})).await;
    let first = call(&exchange, "GET", "/sim/v1/faults", Value::Null).await;
    call(
        &exchange,
        "POST",
        "/sim/v1/clock",
        json!({"step_ms": 30_000}),
    )
    .await;
    let deadline = Instant::now() + Duration::from_secs(30);
    loop {
        let now = call(&exchange, "GET", "/sim/v1/faults", Value::Null).await;
        let waiting = now["waiting"].as_array().map_or(0, Vec::len);
        if waiting > 3 && now["next_scheduled_ms"] != first["next_scheduled_ms"] {
            break;
        }
        assert!(Instant::now() < deadline, "{now}");
    }
}
