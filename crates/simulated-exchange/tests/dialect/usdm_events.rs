//! What the exchange does to an account of futures by itself, and what it says of that: margin
//! calls, liquidations, ends of triggered orders, margin modes; and the counts of each account.
//!
//! In: signed requests, mark prices that a test sets. Out: passes, or the event that differs.
//! Never: a sleep; the market stands still unless a test moves it.
#![allow(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]

use crate::support::{Bases, Stream, http, open, signed, start};
use market::{InstrumentId, Price, Side};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

const ORDER: &str = "/fapi/v1/order";
const ALGO: &str = "/fapi/v1/algoOrder";

async fn standing(more: &[&str]) -> Bases {
    let mut arguments = vec!["--symbols", "BTCUSDT"];
    arguments.extend(more);
    let bases = start(&arguments).await;
    let paused = r#"{"paused":true}"#;
    let (status, _) = http(bases.control, "POST", "/sim/v1/market", paused).await;
    assert_eq!(status, 200);
    bases
}

async fn call(bases: &Bases, method: &str, path: &str, query: &str) -> (u16, Value) {
    let query = query.trim_start_matches('&');
    let target = format!("{path}?{}", signed(&bases.shared, query));
    http(bases.usdm, method, &target, "").await
}

async fn ok(bases: &Bases, method: &str, path: &str, query: &str) -> Value {
    let (status, body) = call(bases, method, path, query).await;
    assert_eq!(status, 200, "{method} {path} {query}: {body}");
    body
}

/// The private stream of the first account.
async fn listen(bases: &Bases) -> Stream {
    let key = ok(bases, "POST", "/fapi/v1/listenKey", "a=1").await;
    let key = key["listenKey"].as_str().unwrap();
    open(bases.usdm, &format!("/private/ws?listenKey={key}")).await
}

async fn event(stream: &mut Stream, kind: &str) -> Value {
    loop {
        let event = stream.next().await;
        if event["e"] == kind {
            return event;
        }
    }
}

/// Moves the mark price so many ticks below the best bid.
fn mark(bases: &Bases, ticks: i64) {
    let mut exchange = bases.shared.lock();
    let now = exchange.clock.now();
    let floor = &mut exchange.usdm;
    let id = InstrumentId(0);
    let bid = floor.venue.view(id).best(Side::Buy).unwrap().price;
    floor.venue.on_mark(id, Price(bid.0 - ticks));
    floor.supervise(now);
    exchange.send_private(now);
}

/// Ticks that the price of 0.1 BTC must fall until what is there is 1.1 times what must be.
async fn near_liquidation(bases: &Bases) -> i64 {
    mark(bases, 0);
    let account = ok(bases, "GET", "/fapi/v3/account", "a=1").await;
    let number = |name: &str| -> f64 { account[name].as_str().unwrap().parse().unwrap() };
    let loss = number("totalMarginBalance") - 1.1 * number("totalMaintMargin");
    // A tick is 0.1 USDT, and 0.01 USDT of the position.
    (loss * 100.0) as i64
}

/// The text of a price so many ticks from the best bid.
fn price(bases: &Bases, ticks: i64) -> String {
    let exchange = bases.shared.lock();
    let venue = &exchange.usdm.venue;
    let bid = venue.view(InstrumentId(0)).best(Side::Buy).unwrap().price;
    let mut buffer = [0; market::decimal::TEXT_MAX];
    let text = venue.instruments()[0].write_price(Price(bid.0 + ticks), &mut buffer);
    String::from_utf8(text.to_vec()).unwrap()
}

/// The account holds as much as its wallet carries at the highest leverage.
async fn thin(bases: &Bases) {
    let wallet = ok(bases, "GET", "/fapi/v3/balance", "a=1").await;
    let wallet: f64 = wallet[0]["balance"].as_str().unwrap().parse().unwrap();
    let taken = json!({"amount": format!("-{:.2}", wallet - 150.0)}).to_string();
    let (status, body) = http(bases.control, "POST", "/sim/v1/transfer", &taken).await;
    assert_eq!(status, 200, "{body}");
    ok(
        bases,
        "POST",
        "/fapi/v1/leverage",
        "symbol=BTCUSDT&leverage=125",
    )
    .await;
    let buy = "symbol=BTCUSDT&side=BUY&type=MARKET&quantity=0.100";
    ok(bases, "POST", ORDER, buy).await;
}

#[tokio::test]
async fn a_margin_call_comes_once_until_the_account_is_better_off() {
    let bases = standing(&[]).await;
    thin(&bases).await;
    let mut stream = listen(&bases).await;
    let near = near_liquidation(&bases).await;
    mark(&bases, near);
    mark(&bases, near);
    let told = event(&mut stream, "MARGIN_CALL").await;
    assert_eq!(told["p"][0]["s"], "BTCUSDT");
    assert_eq!(told["p"][0]["mt"], "CROSSED");
    assert_eq!(told["p"][0]["pa"], "0.1");
    assert!(
        told["p"][0]["up"].as_str().unwrap().starts_with('-'),
        "{told}"
    );
    let needed: f64 = told["p"][0]["mm"].as_str().unwrap().parse().unwrap();
    assert!(needed > 10.0, "{told}");
    mark(&bases, 0);
    mark(&bases, near);
    ok(
        &bases,
        "POST",
        "/fapi/v1/leverage",
        "symbol=BTCUSDT&leverage=125",
    )
    .await;
    // The second call, and no third between it and what follows.
    assert_eq!(event(&mut stream, "MARGIN_CALL").await["e"], "MARGIN_CALL");
    assert_eq!(stream.next().await["e"], "ACCOUNT_CONFIG_UPDATE");
}

#[tokio::test]
async fn everybody_hears_of_a_liquidation() {
    let bases = standing(&[]).await;
    thin(&bases).await;
    let mut streams = [
        open(bases.usdm, "/market/ws/btcusdt@forceOrder").await,
        open(bases.usdm, "/market/ws/!forceOrder@arr").await,
    ];
    // Subscribed by the path: an answer to a list says that it is there.
    for stream in &mut streams {
        stream
            .send(r#"{"method":"LIST_SUBSCRIPTIONS","id":1}"#)
            .await;
        assert_eq!(stream.next().await["result"].as_array().unwrap().len(), 1);
    }
    mark(&bases, 2 * near_liquidation(&bases).await);
    for stream in &mut streams {
        let told = event(stream, "forceOrder").await;
        let order = &told["o"];
        assert_eq!(
            (&order["s"], &order["S"]),
            (&json!("BTCUSDT"), &json!("SELL"))
        );
        assert_eq!((&order["o"], &order["f"]), (&json!("LIMIT"), &json!("IOC")));
        assert_eq!(
            (&order["X"], &order["z"]),
            (&json!("FILLED"), &json!("0.100"))
        );
    }
}

#[tokio::test]
async fn a_triggered_limit_order_is_finished_when_its_order_is_over() {
    let bases = standing(&[]).await;
    let mut stream = listen(&bases).await;
    let (trigger, limit) = (price(&bases, -300), price(&bases, -2_000));
    let stop = format!(
        "algoType=CONDITIONAL&symbol=BTCUSDT&side=BUY&type=TAKE_PROFIT&timeInForce=GTC\
         &quantity=0.010&price={limit}&triggerPrice={trigger}&workingType=MARK_PRICE\
         &clientAlgoId=t"
    );
    ok(&bases, "POST", ALGO, &stop).await;
    {
        let mut exchange = bases.shared.lock();
        let now = exchange.clock.now();
        let floor = &mut exchange.usdm;
        let bid = floor.venue.view(InstrumentId(0)).best(Side::Buy).unwrap();
        floor
            .venue
            .on_mark(InstrumentId(0), Price(bid.price.0 - 400));
        floor.trigger(InstrumentId(0), now);
        exchange.send_private(now);
    }
    let seen = ok(&bases, "GET", ALGO, "clientAlgoId=t").await;
    assert_eq!(seen["algoStatus"], "TRIGGERED", "{seen}");
    let id = seen["actualOrderId"].as_str().unwrap().to_owned();
    ok(
        &bases,
        "DELETE",
        ORDER,
        &format!("symbol=BTCUSDT&orderId={id}"),
    )
    .await;
    let seen = ok(&bases, "GET", ALGO, "clientAlgoId=t").await;
    assert_eq!(seen["algoStatus"], "FINISHED", "{seen}");
    let mut told = Vec::new();
    while told.last() != Some(&"FINISHED".to_owned()) {
        let event = stream.next().await;
        told.push(match event["e"].as_str().unwrap() {
            "ALGO_UPDATE" => event["o"]["X"].as_str().unwrap().to_owned(),
            "ORDER_TRADE_UPDATE" => format!("order {}", event["o"]["X"].as_str().unwrap()),
            other => other.to_owned(),
        });
    }
    assert_eq!(
        told,
        [
            "NEW",
            "TRIGGERING",
            "TRIGGERED",
            "order NEW",
            "order CANCELED",
            "FINISHED"
        ]
    );
}

#[tokio::test]
async fn a_price_is_taken_from_the_book_by_a_change_and_by_a_trigger() {
    let bases = standing(&[]).await;
    let far = price(&bases, -1_000);
    let rest = format!(
        "symbol=BTCUSDT&side=BUY&type=LIMIT&timeInForce=GTC&quantity=0.010&price={far}\
         &newClientOrderId=m"
    );
    ok(&bases, "POST", ORDER, &rest).await;
    let change = "symbol=BTCUSDT&side=BUY&quantity=0.010&origClientOrderId=m&priceMatch=QUEUE";
    let changed = ok(&bases, "PUT", ORDER, change).await;
    assert_eq!(changed["price"], price(&bases, 0), "{changed}");
    let both = format!("{change}&price={far}");
    let (status, body) = call(&bases, "PUT", ORDER, &both).await;
    assert_eq!((status, &body["code"]), (400, &json!(-1106)), "{body}");
    let trigger = price(&bases, -300);
    let stop = format!(
        "algoType=CONDITIONAL&symbol=BTCUSDT&side=BUY&type=TAKE_PROFIT&timeInForce=GTC\
         &quantity=0.010&priceMatch=QUEUE_5&triggerPrice={trigger}&workingType=MARK_PRICE\
         &clientAlgoId=t"
    );
    let placed = ok(&bases, "POST", ALGO, &stop).await;
    assert_eq!(placed["priceMatch"], "QUEUE_5", "{placed}");
    let fifth = {
        let mut exchange = bases.shared.lock();
        let now = exchange.clock.now();
        let floor = &mut exchange.usdm;
        let view = floor.venue.view(InstrumentId(0));
        let bids: Vec<_> = view.levels(Side::Buy).take(5).collect();
        floor
            .venue
            .on_mark(InstrumentId(0), Price(bids[0].price.0 - 400));
        floor.trigger(InstrumentId(0), now);
        exchange.send_private(now);
        bids[4].price.0 - bids[0].price.0
    };
    let open = ok(&bases, "GET", "/fapi/v1/openOrders", "symbol=BTCUSDT").await;
    let order = open.as_array().unwrap().iter();
    let order = order
        .clone()
        .find(|one| one["clientOrderId"] == "t")
        .unwrap();
    assert_eq!(order["price"], price(&bases, fifth));
    assert_eq!(order["priceMatch"], "QUEUE_5");
}

#[tokio::test]
async fn the_mode_of_all_assets_is_told_and_forbids_isolated_margin() {
    let bases = standing(&[]).await;
    let mut stream = listen(&bases).await;
    let path = "/fapi/v1/multiAssetsMargin";
    let (_, body) = call(&bases, "POST", path, "multiAssetsMargin=false").await;
    assert_eq!(body["code"], -4171);
    ok(&bases, "POST", path, "multiAssetsMargin=true").await;
    let told = event(&mut stream, "ACCOUNT_CONFIG_UPDATE").await;
    assert_eq!(told["ai"]["j"], true);
    assert_eq!(
        ok(&bases, "GET", path, "a=1").await["multiAssetsMargin"],
        true
    );
    let account = ok(&bases, "GET", "/fapi/v1/accountConfig", "a=1").await;
    assert_eq!(account["multiAssetsMargin"], true);
    let isolated = "symbol=BTCUSDT&marginType=ISOLATED";
    let (_, body) = call(&bases, "POST", "/fapi/v1/marginType", isolated).await;
    assert_eq!(body["code"], -4168);
    ok(&bases, "POST", path, "multiAssetsMargin=false").await;
    ok(&bases, "POST", "/fapi/v1/marginType", isolated).await;
    let (_, body) = call(&bases, "POST", path, "multiAssetsMargin=true").await;
    assert_eq!(body["code"], -4167);
}

/// The head of an answer to an order of an account.
async fn head_of_order(bases: &Bases, key: &str) -> String {
    let now = bases.shared.lock().clock.now().0;
    let query = format!(
        "symbol=BTCUSDT&side=BUY&type=LIMIT&timeInForce=GTC&quantity=0.010&price={}\
         &timestamp={now}&signature=any",
        price(bases, -1_000)
    );
    let query = match key {
        "any" => query,
        key => {
            let text = query.strip_suffix("&signature=any").unwrap().to_owned();
            let signature = binance::sign::Signer::hmac(key.as_bytes()).sign(text.as_bytes());
            format!("{text}&signature={}", String::from_utf8_lossy(&signature))
        }
    };
    let mut socket = tokio::net::TcpStream::connect(bases.usdm).await.unwrap();
    let request = format!(
        "POST {ORDER}?{query} HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\
         x-mbx-apikey: {key}\r\ncontent-length: 0\r\n\r\n"
    );
    socket.write_all(request.as_bytes()).await.unwrap();
    let mut answer = String::new();
    socket.read_to_string(&mut answer).await.unwrap();
    answer.to_lowercase()
}

#[tokio::test]
async fn orders_are_counted_for_each_account() {
    let bases = standing(&[]).await;
    // The key and the secret are the same word here.
    let new = json!({"name": "second", "api_key": "k2", "secret": "k2", "usdm": "5000"});
    let (status, _) = http(bases.control, "POST", "/sim/v1/accounts", &new.to_string()).await;
    assert_eq!(status, 200);
    for count in 1..=3 {
        let head = head_of_order(&bases, "any").await;
        let wanted = format!("x-mbx-order-count-1m: {count}\r");
        assert!(head.contains(&wanted), "{head}");
    }
    let head = head_of_order(&bases, "k2").await;
    assert!(head.contains("x-mbx-order-count-1m: 1\r"), "{head}");
    assert!(head.contains("x-mbx-order-count-10s: 1\r"), "{head}");
}
