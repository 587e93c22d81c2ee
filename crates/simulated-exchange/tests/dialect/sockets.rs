//! The exchange over real sockets, as a client sees it.
//!
//! In: a running exchange on free ports. Out: passes, or the frame that is wrong. Never: a sleep.

use std::collections::BTreeMap;

use crate::support::{Bases, KEY, SECRET, Stream, http, open, request, signed, start};
use serde_json::Value;

/// Price text to quantity text; both sides of a book.
#[derive(Default)]
struct Book {
    bids: BTreeMap<i64, String>,
    asks: BTreeMap<i64, String>,
}

impl Book {
    fn of(snapshot: &Value) -> Self {
        let mut book = Self::default();
        set(&mut book.bids, &snapshot["bids"]);
        set(&mut book.asks, &snapshot["asks"]);
        book
    }

    fn apply(&mut self, event: &Value) {
        set(&mut self.bids, &event["b"]);
        set(&mut self.asks, &event["a"]);
    }

    fn top(&self, count: usize) -> Vec<(&i64, &String)> {
        let bids = self.bids.iter().rev().take(count);
        bids.chain(self.asks.iter().take(count)).collect()
    }
}

fn set(side: &mut BTreeMap<i64, String>, levels: &Value) {
    for level in levels.as_array().expect("levels") {
        let price = level[0].as_str().expect("a price").replace('.', "");
        let price = price.parse().expect("digits");
        let quantity = level[1].as_str().expect("a quantity");
        if quantity.trim_matches(['0', '.']).is_empty() {
            side.remove(&price);
        } else {
            side.insert(price, quantity.to_owned());
        }
    }
}

fn id(event: &Value, name: &str) -> u64 {
    event[name]
        .as_u64()
        .unwrap_or_else(|| panic!("no {name} in {event}"))
}

#[tokio::test]
async fn snapshot_and_differences_make_the_book_that_a_later_snapshot_shows() {
    let bases = start(&["--speed", "10"]).await;
    for (address, stream, depth) in [
        (
            bases.usdm,
            "/public/ws/btcusdt@depth@100ms",
            "/fapi/v1/depth?symbol=BTCUSDT&limit=1000",
        ),
        (
            bases.spot,
            "/ws/btcusdt@depth@100ms",
            "/api/v3/depth?symbol=BTCUSDT&limit=5000",
        ),
    ] {
        let mut socket = open(address, stream).await;
        let first = socket.next().await;
        let (status, snapshot) = http(address, "GET", depth, "").await;
        assert_eq!(status, 200);
        let mut book = Book::of(&snapshot);
        let start_id = id(&snapshot, "lastUpdateId");
        let mut event = first;
        while id(&event, "u") <= start_id {
            event = socket.next().await;
        }
        let futures = stream.starts_with("/public");
        assert!(id(&event, "U") <= start_id + 1 || (futures && id(&event, "pu") == start_id));
        let mut last = id(&event, "u");
        book.apply(&event);
        let mut later = Value::Null;
        for number in 0.. {
            if number == 40 {
                later = http(address, "GET", depth, "").await.1;
            }
            if number >= 40 && last >= id(&later, "lastUpdateId") {
                break;
            }
            event = socket.next().await;
            if futures {
                assert_eq!(id(&event, "pu"), last);
            } else {
                assert_eq!(id(&event, "U"), last + 1);
            }
            last = id(&event, "u");
            book.apply(&event);
        }
        assert_eq!(last, id(&later, "lastUpdateId"));
        assert_eq!(book.top(300), Book::of(&later).top(300));
    }
}

/// Parameters of a post-only buy below the market.
const RESTING: [(&str, &str); 7] = [
    ("symbol", "BTCUSDT"),
    ("side", "BUY"),
    ("type", "LIMIT"),
    ("timeInForce", "GTX"),
    ("quantity", "0.010"),
    ("price", "62000.00"),
    ("newClientOrderId", "ours-1"),
];

/// The same order with some parameters replaced.
fn with<'a>(changes: &[(&'a str, &'a str)]) -> Vec<(&'a str, &'a str)> {
    let changed = |name: &str| changes.iter().find(|(other, _)| *other == name).copied();
    RESTING
        .iter()
        .map(|pair| changed(pair.0).unwrap_or(*pair))
        .collect()
}

/// Private events until an order ends: type and execution of each.
async fn story(private: &mut Stream) -> Vec<String> {
    let mut story = Vec::new();
    loop {
        let event = private.next().await;
        let kind = event["e"].as_str().expect("a type").to_owned();
        story.push(format!("{kind} {}", event["o"]["x"].as_str().unwrap_or("")));
        if event["o"]["X"] == "FILLED" || event["o"]["X"] == "EXPIRED" {
            return story;
        }
    }
}

async fn with_key() -> Bases {
    let secret = std::path::Path::new(env!("CARGO_TARGET_TMPDIR")).join("secret");
    std::fs::write(&secret, format!("{SECRET}\n")).expect("a writable folder");
    let secret = secret.display().to_string();
    start(&["--api-key", KEY, "--api-secret-file", &secret]).await
}

#[tokio::test]
async fn orders_over_the_websocket_api_are_told_on_the_private_stream_in_order() {
    let bases = with_key().await;
    let (_, key) = http(bases.usdm, "POST", "/fapi/v1/listenKey", "").await;
    let key = key["listenKey"].as_str().expect("a key").to_owned();
    let mut private = open(bases.usdm, &format!("/private/ws/{key}")).await;
    let mut api = open(bases.usdm, "/ws-fapi/v1").await;
    let mut call = async |method: &str, params: &[(&str, &str)]| {
        api.send(&request(&bases.shared, method, params)).await;
        api.next().await
    };

    let answer = call("order.place", &RESTING).await;
    assert_eq!(answer["status"], 200, "{answer}");
    assert_eq!(answer["result"]["status"], "NEW");
    assert!(answer["rateLimits"][1]["count"].as_u64() > Some(0));
    assert_eq!(private.next().await["o"]["x"], "NEW");
    assert_eq!(call("order.place", &RESTING).await["error"]["code"], -4116);
    let crossing = [("price", "66000.00"), ("newClientOrderId", "ours-2")];
    assert_eq!(
        call("order.place", &with(&crossing)).await["error"]["code"],
        -5022
    );

    let taking = [
        ("price", "66000.00"),
        ("timeInForce", "IOC"),
        ("newClientOrderId", "ours-3"),
    ];
    assert_eq!(
        call("order.place", &with(&taking)).await["result"]["status"],
        "NEW"
    );
    let story = story(&mut private).await;
    let lite = story
        .iter()
        .take_while(|line| line.starts_with("TRADE_LITE"))
        .count();
    assert!(lite > 0, "{story:?}");
    assert_eq!(story[lite], "ORDER_TRADE_UPDATE NEW");
    for pair in story[lite + 1..].chunks(2) {
        assert_eq!(
            pair,
            ["ACCOUNT_UPDATE ", "ORDER_TRADE_UPDATE TRADE"],
            "{story:?}"
        );
    }

    let named = [("symbol", "BTCUSDT"), ("origClientOrderId", "ours-1")];
    assert_eq!(
        call("order.cancel", &named).await["result"]["status"],
        "CANCELED"
    );
    assert_eq!(private.next().await["o"]["x"], "CANCELED");
    assert_eq!(call("order.cancel", &named).await["error"]["code"], -2011);

    let query = signed(&bases.shared, "symbol=BTCUSDT");
    let (_, risk) = http(
        bases.usdm,
        "GET",
        &format!("/fapi/v3/positionRisk?{query}"),
        "",
    )
    .await;
    assert_eq!(risk[0]["positionAmt"], "0.010");
    let (_, account) = http(bases.control, "GET", "/sim/v1/account?prefix=ours", "").await;
    assert_eq!(account["orders"], 2, "{account}");
    assert_eq!(account["open_orders"], serde_json::json!([]));
}

#[tokio::test]
async fn wrong_signatures_and_old_timestamps_are_refused_with_their_codes() {
    let bases = with_key().await;
    let (status, refused) = http(bases.usdm, "GET", "/fapi/v3/balance?timestamp=1", "").await;
    assert_eq!((status, &refused["code"]), (400, &Value::from(-1021)));
    let query = signed(&bases.shared, "symbol=BTCUSDT").replace("symbol=BTC", "symbol=ETH");
    let (status, refused) = http(bases.usdm, "GET", &format!("/fapi/v3/balance?{query}"), "").await;
    assert_eq!((status, &refused["code"]), (400, &Value::from(-1022)));
}

#[tokio::test]
async fn a_spot_order_is_answered_and_told_on_its_own_connection_with_its_fee_in_the_base_asset() {
    let bases = with_key().await;
    let mut api = open(bases.spot, "/ws-api/v3").await;
    let subscribe = request(&bases.shared, "userDataStream.subscribe.signature", &[]);
    api.send(&subscribe).await;
    let answer = api.next().await;
    assert_eq!(answer["result"]["subscriptionId"], 0, "{answer}");
    let taking = [("price", "66000.00"), ("timeInForce", "IOC")];
    api.send(&request(&bases.shared, "order.place", &with(&taking)))
        .await;
    assert_eq!(api.next().await["result"]["status"], "FILLED");
    let mut fees = Vec::new();
    loop {
        let event = api.next().await["event"].take();
        if event["x"] == "TRADE" {
            fees.push(event["N"].as_str().unwrap_or_default().to_owned());
        }
        if event["e"] == "outboundAccountPosition" {
            assert_eq!(event["B"][1]["a"], "BTC");
            assert_eq!(event["B"][1]["f"], "1.00999000");
            break;
        }
    }
    assert!(
        !fees.is_empty() && fees.iter().all(|asset| asset == "BTC"),
        "{fees:?}"
    );
    let query = signed(&bases.shared, "omitZeroBalances=true");
    let (_, account) = http(bases.spot, "GET", &format!("/api/v3/account?{query}"), "").await;
    assert_eq!(account["balances"][1]["free"], "1.00999000", "{account}");
}

#[tokio::test]
async fn a_subscription_is_acknowledged_before_its_first_event_and_unknown_names_are_silent() {
    let bases = start(&["--speed", "5"]).await;
    let mut socket = open(bases.usdm, "/public/stream").await;
    let subscribe =
        r#"{"method":"SUBSCRIBE","params":["btcusdt@bookTicker","nosuch@depth"],"id":"x-1"}"#;
    socket.send(subscribe).await;
    let acknowledged = socket.next().await;
    assert_eq!(
        acknowledged,
        serde_json::json!({"result": null, "id": "x-1"})
    );
    for _ in 0..20 {
        assert_eq!(socket.next().await["stream"], "btcusdt@bookTicker");
    }
    socket.send("{").await;
    let refused = loop {
        let frame = socket.next().await;
        if frame.get("stream").is_none() {
            break frame;
        }
    };
    assert_eq!(refused["error"]["code"], 3);
}

#[tokio::test]
async fn a_fault_by_the_control_port_breaks_the_chain_once() {
    let bases = start(&["--speed", "20"]).await;
    let mut socket = open(bases.usdm, "/public/ws/btcusdt@depth@100ms").await;
    let mut last = id(&socket.next().await, "u");
    let body = r#"{"fault":"drop-depth:3"}"#;
    assert_eq!(
        http(bases.control, "POST", "/sim/v1/fault", body).await.0,
        200
    );
    let mut breaks = 0;
    for _ in 0..30 {
        let event = socket.next().await;
        breaks += u32::from(id(&event, "pu") != last);
        last = id(&event, "u");
    }
    assert_eq!(breaks, 1);
    let (_, stats) = http(bases.control, "GET", "/sim/v1/stats", "").await;
    assert_eq!(stats["faults_injected"], 1);
    assert!(stats["usdm"]["frames"]["btcusdt@depth@100ms"].as_u64() >= Some(30));
}

#[tokio::test]
async fn every_usdm_path_answers_with_json_and_unknown_ones_with_404() {
    let bases = start(&[]).await;
    for path in [
        "/fapi/v1/ping",
        "/fapi/v1/time",
        "/fapi/v1/exchangeInfo",
        "/fapi/v1/ticker/bookTicker",
        "/fapi/v1/premiumIndex?symbol=BTCUSDT",
    ] {
        let (status, body) = http(bases.usdm, "GET", path, "").await;
        assert_eq!(status, 200, "{path}");
        assert!(!body.is_null(), "{path}");
    }
    for path in [
        "/fapi/v2/account",
        "/fapi/v3/account",
        "/fapi/v2/positionRisk",
        "/fapi/v3/positionRisk",
        "/fapi/v3/balance",
        "/fapi/v1/openOrders",
        "/fapi/v1/allOrders",
        "/fapi/v1/userTrades",
        "/fapi/v1/commissionRate",
        "/fapi/v1/leverageBracket",
        "/fapi/v1/income",
        "/fapi/v1/positionSide/dual",
    ] {
        let query = signed(&bases.shared, "symbol=BTCUSDT");
        let (status, body) = http(bases.usdm, "GET", &format!("{path}?{query}"), "").await;
        assert_eq!(status, 200, "{path}: {body}");
        assert!(!body.is_null(), "{path}");
    }
    assert_eq!(http(bases.usdm, "GET", "/fapi/v1/nothing", "").await.0, 404);
    let (status, body) = http(
        bases.usdm,
        "GET",
        "/fapi/v1/depth?symbol=BTCUSDT&limit=7",
        "",
    )
    .await;
    assert_eq!((status, &body["code"]), (400, &Value::from(-4021)));
}

#[tokio::test]
async fn a_burst_loses_no_frame() {
    // A thousand times faster than real: hundreds of frames wait for every write.
    let bases = start(&["--speed", "1000"]).await;
    let mut socket = open(
        bases.usdm,
        "/public/ws/btcusdt@depth@100ms/btcusdt@bookTicker",
    )
    .await;
    let mut last = None;
    for _ in 0..20_000 {
        let event = socket.next().await;
        if event["e"] == "depthUpdate" {
            assert!(last.is_none_or(|last| id(&event, "pu") == last), "{event}");
            last = Some(id(&event, "u"));
        }
    }
    assert!(last.is_some());
}
