//! Latency over real sockets: each part alone, in exchange time; order; bounds; steering.
//!
//! In: an exchange whose clock stands and is stepped. Out: passes, or what came too early or too
//! late. Never: a sleep, a wait without a deadline.

use std::time::{Duration, Instant};

use crate::support::{Bases, Stream, http, open, request, signed, start};
use market::{InstrumentId, Market};
use serde_json::{Value, json};
use simulated_exchange::streams::hub::FrameKey;
use simulated_exchange::streams::names::StreamKind;

const DELAY_MS: i64 = 300;
const PATIENCE: Duration = Duration::from_secs(30);

async fn post(bases: &Bases, target: &str, body: Value) -> Value {
    let (status, answer) = http(bases.control, "POST", target, &body.to_string()).await;
    assert_eq!(status, 200, "{target} {body}: {answer}");
    answer
}

/// Stops the clock; what it shows.
async fn pause(bases: &Bases) -> i64 {
    let stopped = post(bases, "/sim/v1/clock", json!({"pause": true})).await;
    stopped["now_ms"].as_i64().expect("a time")
}

async fn step(bases: &Bases, ms: i64) -> i64 {
    let stepped = post(bases, "/sim/v1/clock", json!({"step_ms": ms})).await;
    stepped["now_ms"].as_i64().expect("a time")
}

async fn stats(bases: &Bases) -> Value {
    http(bases.control, "GET", "/sim/v1/stats", "").await.1
}

/// Turns of the exchange until `done`.
async fn wait(bases: &Bases, what: &str, done: impl Fn(&Value) -> bool) {
    let deadline = Instant::now() + PATIENCE;
    loop {
        let stats = stats(bases).await;
        if done(&stats) {
            return;
        }
        assert!(Instant::now() < deadline, "{what}: {stats}");
    }
}

fn orders(bases: &Bases) -> usize {
    bases.shared.lock().usdm.venue.orders().count()
}

/// A buy that rests below the market.
fn resting(id: &str) -> [(&str, &str); 7] {
    [
        ("symbol", "BTCUSDT"),
        ("side", "BUY"),
        ("type", "LIMIT"),
        ("timeInForce", "GTX"),
        ("quantity", "0.010"),
        ("price", "62000.00"),
        ("newClientOrderId", id),
    ]
}

fn query(id: &str) -> String {
    let pairs = resting(id).map(|(name, value)| format!("{name}={value}"));
    pairs.join("&")
}

async fn start_with(latency: &str, more: &[&str]) -> Bases {
    let arguments = ["--symbols", "BTCUSDT", "--latency", latency];
    start(&[&arguments, more].concat()).await
}

/// A private stream of the account.
async fn private(bases: &Bases) -> Stream {
    let (_, key) = http(bases.usdm, "POST", "/fapi/v1/listenKey", "").await;
    let key = key["listenKey"].as_str().expect("a key").to_owned();
    open(bases.usdm, &format!("/private/ws/{key}")).await
}

#[tokio::test]
async fn an_order_arrives_so_much_later_and_is_logged_then() {
    let path = std::path::Path::new(env!("CARGO_TARGET_TMPDIR")).join("latency-order.log");
    let file = path.display().to_string();
    let bases = start_with("order=300", &["--arrival-log", &file]).await;
    let mut api = open(bases.usdm, "/ws-fapi/v1").await;
    let read_ms = pause(&bases).await;
    api.send(&request(&bases.shared, "order.place", &resting("a")))
        .await;
    wait(&bases, "the order is read", |stats| {
        stats["requests_delayed"] == 1
    })
    .await;
    step(&bases, DELAY_MS - 1).await;
    assert_eq!(api.written().await, Vec::<Value>::new());
    assert_eq!(orders(&bases), 0, "it arrived too early");
    step(&bases, 1).await;
    let answer = api.next().await;
    assert_eq!(answer["status"], 200, "{answer}");
    assert_eq!(answer["result"]["updateTime"], read_ms + DELAY_MS);
    bases.shared.lock().usdm.write_arrivals(true);
    let log = std::fs::read_to_string(&path).expect("a log");
    let order = log.lines().find(|line| line.starts_with("P usdm "));
    let logged = order.and_then(|line| line.split(' ').nth(2)?.parse().ok());
    assert_eq!(logged, Some(read_ms + DELAY_MS));
}

#[tokio::test]
async fn a_rest_call_arrives_so_much_later_whoever_still_waits_for_it() {
    let bases = start_with("order=300", &[]).await;
    let read_ms = pause(&bases).await;
    let target = format!("/fapi/v1/order?{}", signed(&bases.shared, &query("a")));
    let call = tokio::spawn(async move { http(bases.usdm, "POST", &target, "").await });
    wait(&bases, "the call is read", |stats| {
        stats["requests_delayed"] == 1
    })
    .await;
    let target = format!("/fapi/v1/order?{}", signed(&bases.shared, &query("b")));
    let gone = tokio::spawn(async move { http(bases.usdm, "POST", &target, "").await });
    wait(&bases, "both are read", |stats| {
        stats["requests_delayed"] == 2
    })
    .await;
    // Its client hangs up while the order is on its way.
    gone.abort();
    wait(&bases, "it has hung up", |_| gone.is_finished()).await;
    step(&bases, DELAY_MS - 1).await;
    wait(&bases, "a turn", |_| true).await;
    assert_eq!(orders(&bases), 0, "they arrived too early");
    step(&bases, 1).await;
    let (status, answer) = call.await.expect("an answer");
    assert_eq!(
        (status, &answer["updateTime"]),
        (200, &json!(read_ms + DELAY_MS))
    );
    wait(&bases, "the other one arrives, too", |_| {
        orders(&bases) == 2
    })
    .await;
}

#[tokio::test]
async fn requests_of_a_connection_that_ends_arrive_all_the_same() {
    let bases = start_with("order=300", &[]).await;
    let mut api = open(bases.usdm, "/ws-fapi/v1").await;
    pause(&bases).await;
    for id in ["a", "b"] {
        api.send(&request(&bases.shared, "order.place", &resting(id)))
            .await;
    }
    wait(&bases, "both are read", |stats| {
        stats["requests_delayed"] == 2
    })
    .await;
    drop(api);
    wait(&bases, "it is gone", |stats| {
        stats["usdm"]["connections"] == 0
    })
    .await;
    assert_eq!(orders(&bases), 0);
    step(&bases, DELAY_MS).await;
    wait(&bases, "both arrive", |_| orders(&bases) == 2).await;
}

#[tokio::test]
async fn a_request_without_delay_does_not_overtake_one_that_is_on_its_way() {
    let bases = start_with("order=300", &[]).await;
    let mut api = open(bases.usdm, "/ws-fapi/v1").await;
    pause(&bases).await;
    api.send(&request(&bases.shared, "order.place", &resting("a")))
        .await;
    wait(&bases, "it is read", |stats| stats["requests_delayed"] == 1).await;
    post(&bases, "/sim/v1/latency", json!({"order": 0})).await;
    api.send(&request(&bases.shared, "order.place", &resting("b")))
        .await;
    assert_eq!(api.written().await, Vec::<Value>::new());
    assert_eq!(orders(&bases), 0);
    step(&bases, DELAY_MS).await;
    for id in ["a", "b"] {
        assert_eq!(api.next().await["result"]["clientOrderId"], id);
    }
}

#[tokio::test]
async fn the_time_of_a_request_is_checked_when_it_arrives() {
    let bases = start_with("order=300", &[]).await;
    let mut api = open(bases.usdm, "/ws-fapi/v1").await;
    pause(&bases).await;
    for (window, delayed) in [("299", 1), ("300", 2)] {
        let mut params = resting("a").to_vec();
        params.push(("recvWindow", window));
        api.send(&request(&bases.shared, "order.place", &params))
            .await;
        wait(&bases, "it is read", |stats| {
            stats["requests_delayed"] == delayed
        })
        .await;
    }
    step(&bases, DELAY_MS).await;
    assert_eq!(api.next().await["error"]["code"], -1021);
    assert_eq!(api.next().await["status"], 200);
}

#[tokio::test]
async fn answers_and_private_events_leave_so_much_later() {
    let bases = start_with("response=300", &[]).await;
    let opened = private(&bases);
    // The answer with the key is late, too.
    let mut private = opened.await;
    let mut api = open(bases.usdm, "/ws-fapi/v1").await;
    let made_ms = pause(&bases).await;
    api.send(&request(&bases.shared, "order.place", &resting("a")))
        .await;
    wait(&bases, "it has arrived", |_| orders(&bases) == 1).await;
    assert_eq!(bases.shared.lock().delays.requests(), 0);
    step(&bases, DELAY_MS - 1).await;
    assert_eq!(api.written().await, Vec::<Value>::new());
    assert_eq!(private.written().await, Vec::<Value>::new());
    step(&bases, 1).await;
    assert_eq!(api.next().await["result"]["updateTime"], made_ms);
    let event = private.next().await;
    assert_eq!(
        (&event["o"]["x"], &event["E"]),
        (&json!("NEW"), &json!(made_ms))
    );
    // Over REST.
    let target = format!("/fapi/v1/order?{}", signed(&bases.shared, &query("b")));
    let call = tokio::spawn(async move { http(bases.usdm, "POST", &target, "").await });
    wait(&bases, "it has arrived", |_| orders(&bases) == 2).await;
    step(&bases, DELAY_MS - 1).await;
    assert_eq!(private.written().await, Vec::<Value>::new());
    assert!(!call.is_finished(), "the answer left too early");
    step(&bases, 1).await;
    assert_eq!(call.await.expect("an answer").0, 200);
}

#[tokio::test]
async fn market_frames_leave_so_much_later_with_the_times_at_which_they_were_made() {
    let bases = start_with("feed=300", &[]).await;
    let streams = "btcusdt@depth@100ms/btcusdt@bookTicker/btcusdt@trade";
    let mut market = open(bases.usdm, &format!("/stream?streams={streams}")).await;
    let mut spot = open(bases.spot, &format!("/stream?streams={streams}")).await;
    let mut now_ms = pause(&bases).await;
    let (mut frames, mut latest_ms) = (0, 0);
    for _ in 0..20 {
        // A turn of the market after each step, and the frames that it made due.
        let before = stats(&bases).await["usdm"]["market_events"].as_u64();
        now_ms = step(&bases, 250).await;
        wait(&bases, "the market moves", |stats| {
            stats["usdm"]["market_events"].as_u64() > before
        })
        .await;
        for socket in [&mut spot, &mut market] {
            for frame in socket.written().await {
                // Spot's best prices carry no time.
                let Some(made_ms) = frame["data"]["E"].as_i64() else {
                    continue;
                };
                assert!(
                    made_ms + DELAY_MS <= now_ms,
                    "too early at {now_ms}: {frame}"
                );
                (frames, latest_ms) = (frames + 1, made_ms);
            }
        }
    }
    assert!(frames > 50, "{frames}");
    // None is held back for longer: a difference is made every 100 ms.
    while latest_ms < now_ms - DELAY_MS - 100 {
        latest_ms = market.next().await["data"]["E"].as_i64().expect("a time");
    }
}

#[tokio::test]
async fn other_parts_than_the_delayed_one_are_at_once() {
    let bases = start_with("feed=60000", &[]).await;
    let mut private = private(&bases).await;
    let mut api = open(bases.usdm, "/ws-fapi/v1").await;
    let made_ms = pause(&bases).await;
    api.send(&request(&bases.shared, "order.place", &resting("a")))
        .await;
    assert_eq!(api.next().await["result"]["updateTime"], made_ms);
    assert_eq!(private.next().await["o"]["x"], "NEW");
}

/// A page of metrics whose delays lie far apart.
fn wide(scale: f64) -> String {
    let bounds = [0.001, 0.01, 0.1, 1.0];
    let mut page = String::new();
    for (index, bound) in bounds.iter().enumerate() {
        let count = 5 * (index + 1);
        page += &format!("x_seconds_bucket{{le=\"{}\"}} {count}\n", bound * scale);
    }
    page + "x_seconds_bucket{le=\"+Inf\"} 20\n"
}

#[tokio::test]
async fn frames_and_answers_keep_their_order_under_sampled_delays() {
    let path = std::path::Path::new(env!("CARGO_TARGET_TMPDIR")).join("latency-wide.txt");
    std::fs::write(&path, wide(0.2)).expect("a writable folder");
    let file = path.display();
    let latency = format!("feed={file},order={file}:x_seconds,response={file}");
    let bases = start_with(&latency, &["--speed", "20"]).await;
    let mut depth = open(bases.usdm, "/public/ws/btcusdt@depth@100ms").await;
    let mut last = None;
    for _ in 0..300 {
        let event = depth.next().await;
        assert!(
            last.is_none() || event["pu"] == last.expect("one before"),
            "{event}"
        );
        last = Some(event["u"].clone());
    }
    let mut api = open(bases.usdm, "/ws-fapi/v1").await;
    let mut private = private(&bases).await;
    let ids: Vec<String> = (0..40).map(|number| format!("o{number}")).collect();
    for id in &ids {
        api.send(&request(&bases.shared, "order.place", &resting(id)))
            .await;
    }
    let mut arrived = 0;
    for id in &ids {
        let answer = api.next().await;
        assert_eq!(answer["result"]["clientOrderId"], **id, "{answer}");
        let time = answer["result"]["updateTime"].as_i64().expect("a time");
        assert!(time >= arrived, "{answer}");
        arrived = time;
        assert_eq!(private.next().await["o"]["c"], **id);
    }
}

#[tokio::test]
async fn who_has_more_delayed_frames_than_may_wait_is_dropped_as_slow() {
    let bases = start_with("feed=60000", &["--speed", "1000"]).await;
    let path = "/ws/btcusdt@depth@100ms/btcusdt@bookTicker/btcusdt@trade";
    let mut slow = open(bases.usdm, path).await;
    wait(&bases, "it is dropped", |stats| {
        stats["usdm"]["slow_dropped"] == 1 && stats["usdm"]["frames_waiting"] == 0
    })
    .await;
    assert!(stats(&bases).await["usdm"]["frames_delayed"].as_u64() >= Some(8_192));
    assert_eq!(slow.written().await, Vec::<Value>::new());
    step(&bases, 60_000).await;
    // What waited still comes, then the end.
    let texts = slow.until_its_end().await;
    assert!((8_192..=8_193).contains(&texts), "{texts}");
}

#[tokio::test]
async fn latency_is_told_changed_and_goes_back_to_the_command_lines() {
    let bases = start_with("order=1.5,feed=7", &[]).await;
    let told = async || http(bases.control, "GET", "/sim/v1/latency", "").await.1;
    let begun = json!({"feed": {"ms": 7.0}, "order": {"ms": 1.5}, "response": {"ms": 0}});
    assert_eq!(told().await, begun);
    let change = json!({"order": 0, "response": {"histogram": wide(0.01)}});
    let changed = post(&bases, "/sim/v1/latency", change).await;
    let sampled = json!({
        "histogram": "histogram:x_seconds", "count": 20.0, "p50_ms": 0.1, "p99_ms": 9.64,
    });
    let expected = json!({"feed": {"ms": 7.0}, "order": {"ms": 0}, "response": sampled});
    assert_eq!(changed, expected);
    assert_eq!(told().await, expected);
    for (wrong, error) in [
        (
            json!({"ack": 1}),
            "no part is named `ack`; there are feed, order, response",
        ),
        (
            json!({"feed": -1}),
            "feed: a delay of -1 ms; it must lie between 0 and 60000",
        ),
        (
            json!({"feed": "/etc/hostname"}),
            "feed: a delay is a number of milliseconds, or {",
        ),
        (
            json!({"feed": {"histogram": "x_seconds_bucket 1\n"}}),
            "feed: histogram: line 1: ",
        ),
    ] {
        let answer = text(&bases, &wrong).await;
        assert!(answer.starts_with("HTTP/1.1 400"), "{wrong}: {answer}");
        assert!(answer.contains(error), "{wrong}: {answer}");
    }
    assert_eq!(told().await, expected, "a refused change changes nothing");
    post(&bases, "/sim/v1/reset", json!({})).await;
    assert_eq!(told().await, begun);
}

/// The whole answer to a change, as text.
async fn text(bases: &Bases, body: &Value) -> String {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    let mut socket = tokio::net::TcpStream::connect(bases.control)
        .await
        .expect("a listening port");
    let body = body.to_string();
    let request = format!(
        "POST /sim/v1/latency HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\
         content-type: application/json\r\ncontent-length: {}\r\n\r\n{body}",
        body.len()
    );
    socket.write_all(request.as_bytes()).await.expect("written");
    let mut answer = String::new();
    socket.read_to_string(&mut answer).await.expect("an answer");
    answer
}

#[tokio::test]
async fn a_clock_that_is_set_back_strands_nothing() {
    let bases = start_with("order=300,response=300", &[]).await;
    let mut api = open(bases.usdm, "/ws-fapi/v1").await;
    pause(&bases).await;
    let call = |id: &'static str| request(&bases.shared, "order.place", &resting(id));
    api.send(&call("a")).await;
    wait(&bases, "it is read", |stats| stats["requests_delayed"] == 1).await;
    step(&bases, DELAY_MS).await;
    wait(&bases, "it has arrived", |_| orders(&bases) == 1).await;
    // Its answer waits, and so does all that follows it.
    step(&bases, -3_600_000).await;
    api.send(&call("b")).await;
    wait(&bases, "the other one is read", |stats| {
        stats["requests_delayed"] == 2
    })
    .await;
    step(&bases, DELAY_MS).await;
    assert_eq!(api.next().await["result"]["clientOrderId"], "a");
    wait(&bases, "the other one has arrived", |_| orders(&bases) == 2).await;
    step(&bases, DELAY_MS).await;
    assert_eq!(api.next().await["result"]["clientOrderId"], "b");
}

#[tokio::test]
async fn a_running_clock_delays_by_its_own_time() {
    let bases = start_with("order=40,response=20", &[]).await;
    let before = Instant::now();
    let begun_ms = bases.shared.lock().clock.now().0;
    let target = format!("/fapi/v1/order?{}", signed(&bases.shared, &query("a")));
    let (status, answer) = http(bases.usdm, "POST", &target, "").await;
    assert_eq!(status, 200, "{answer}");
    assert!(
        before.elapsed() >= Duration::from_millis(60),
        "{:?}",
        before.elapsed()
    );
    let arrived_ms = answer["updateTime"].as_i64().expect("a time");
    assert!(arrived_ms >= begun_ms + 40, "{begun_ms} {answer}");
}

#[tokio::test]
async fn wire_to_wire_ends_where_an_order_is_read() {
    let bases = start_with("order=300", &[]).await;
    let mut api = open(bases.usdm, "/ws-fapi/v1").await;
    pause(&bases).await;
    let key = FrameKey {
        kind: StreamKind::Depth,
        instrument: InstrumentId(0),
        id: 1,
    };
    {
        let mut exchange = bases.shared.lock();
        let now_ns = exchange.clock.now_ns();
        exchange.wire.frame_written(Market::UsdM, key, now_ns);
    }
    step(&bases, 5).await;
    api.send(&request(&bases.shared, "order.place", &resting("a")))
        .await;
    let target = format!("/fapi/v1/order?{}", signed(&bases.shared, &query("b")));
    let call = tokio::spawn(async move { http(bases.usdm, "POST", &target, "").await });
    wait(&bases, "both are read", |stats| {
        stats["requests_delayed"] == 2
    })
    .await;
    step(&bases, DELAY_MS).await;
    assert_eq!(api.next().await["status"], 200);
    assert_eq!(call.await.expect("an answer").0, 200);
    let exchange = bases.shared.lock();
    for id in ["a", "b"] {
        let between = exchange.wire.between(Market::UsdM, key, id);
        assert_eq!(between, Some(5_000_000), "{id}");
    }
}
