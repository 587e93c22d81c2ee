//! Stops and lists of orders on spot over real sockets: objects, refusals, events, cancels.
//!
//! In: signed requests as a bot sends them, trades that a test makes. Out: passes, or the answer
//! that differs. Never: a sleep; the market stands still unless a test moves it.
#![allow(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]

use crate::support::{Bases, Stream, http, open, request, signed, start};
use market::{InstrumentId, Price, Quantity, Side, Trade, TradeId};
use serde_json::{Value, json};

const ORDER: &str = "/api/v3/order";
const OCO: &str = "/api/v3/orderList/oco";

/// An exchange whose spot market stands still at a last price of its own.
async fn standing() -> Bases {
    let bases = start(&["--symbols", "BTCUSDT", "--no-limits"]).await;
    let (status, _) = http(
        bases.control,
        "POST",
        "/sim/v1/market",
        r#"{"paused":true}"#,
    )
    .await;
    assert_eq!(status, 200);
    trade(&bases, 0);
    bases
}

async fn call(bases: &Bases, method: &str, path: &str, query: &str) -> (u16, Value) {
    let target = format!("{path}?{}", signed(&bases.shared, query));
    http(bases.spot, method, &target, "").await
}

async fn ok(bases: &Bases, method: &str, path: &str, query: &str) -> Value {
    let (status, body) = call(bases, method, path, query).await;
    assert_eq!(status, 200, "{method} {path} {query}: {body}");
    body
}

async fn refused(bases: &Bases, path: &str, query: &str, code: i64, message: &str) {
    let (status, body) = call(bases, "POST", path, query).await;
    let told = (status, body["code"].as_i64(), body["msg"].as_str());
    assert_eq!(told, (400, Some(code), Some(message)), "{query}");
}

/// A trade so many ticks from the best bid, and what it makes due.
fn trade(bases: &Bases, ticks: i64) {
    let mut exchange = bases.shared.lock();
    let now = exchange.clock.now();
    let floor = &mut exchange.spot;
    let id = InstrumentId(0);
    let bid = floor.venue.view(id).best(Side::Buy).unwrap().price;
    let trade = Trade {
        instrument: id,
        trade_id: TradeId(1),
        price: Price(bid.0 + ticks),
        quantity: Quantity(1),
        aggressor: Side::Sell,
        from_book: true,
        transaction_time: now,
        event_time: now,
    };
    floor.venue.on_trade(now, &trade, &mut floor.outputs);
    floor.venue.trigger_stops(now, &mut floor.outputs);
    exchange.send_private(now);
}

/// The text of a price so many ticks from the best bid.
fn price(bases: &Bases, ticks: i64) -> String {
    let exchange = bases.shared.lock();
    let venue = &exchange.spot.venue;
    let bid = venue.view(InstrumentId(0)).best(Side::Buy).unwrap().price;
    let mut buffer = [0; market::decimal::TEXT_MAX];
    let text = venue.instruments()[0].write_price(Price(bid.0 + ticks), &mut buffer);
    String::from_utf8(text.to_vec()).unwrap()
}

fn sell(bases: &Bases, kind: &str, stop: i64) -> String {
    let stop = price(bases, stop);
    format!("symbol=BTCUSDT&side=SELL&type={kind}&quantity=0.01&stopPrice={stop}")
}

/// A private stream of the account.
async fn listen(bases: &Bases) -> Stream {
    let mut stream = open(bases.spot, "/ws-api/v3").await;
    let subscribe = request(&bases.shared, "userDataStream.subscribe.signature", &[]);
    stream.send(&subscribe).await;
    assert_eq!(stream.next().await["status"], 200);
    stream
}

/// The next event that is not about balances.
async fn event(stream: &mut Stream) -> Value {
    loop {
        let event = stream.next().await["event"].take();
        if event["e"] != "outboundAccountPosition" {
            return event;
        }
    }
}

#[tokio::test]
async fn a_stop_by_request_waits_triggers_and_says_so() {
    let bases = standing().await;
    let mut stream = listen(&bases).await;
    let far = -2_000;
    let limit = price(&bases, far - 10);
    let stop = sell(&bases, "STOP_LOSS_LIMIT", far);
    let order = format!(
        "{stop}&timeInForce=GTC&price={limit}&newClientOrderId=s1&strategyId=7&strategyType=1000000"
    );
    let placed = ok(&bases, "POST", ORDER, &order).await;
    assert_eq!(placed["clientOrderId"], "s1");
    assert!(
        placed.get("status").is_none(),
        "ACK is its default: {placed}"
    );
    let told = event(&mut stream).await;
    assert_eq!(told["x"], "NEW");
    assert_eq!(told["o"], "STOP_LOSS_LIMIT");
    assert_eq!(told["w"], false);
    assert_eq!(told["P"], price(&bases, far));
    assert!(told.get("W").is_none(), "{told}");
    assert_eq!((&told["j"], &told["J"]), (&json!(7), &json!(1_000_000)));
    let named = "symbol=BTCUSDT&origClientOrderId=s1";
    let waiting = ok(&bases, "GET", ORDER, named).await;
    assert_eq!(waiting["status"], "NEW");
    assert_eq!(waiting["type"], "STOP_LOSS_LIMIT");
    assert_eq!(waiting["isWorking"], false);
    assert_eq!(waiting["workingTime"], -1);
    assert_eq!(waiting["strategyId"], 7);
    let listed = ok(&bases, "GET", "/api/v3/openOrders", "symbol=BTCUSDT").await;
    assert_eq!(listed.as_array().unwrap().len(), 1);
    trade(&bases, far);
    let told = event(&mut stream).await;
    assert_eq!((&told["x"], &told["w"]), (&json!("NEW"), &json!(true)));
    // Its limit is far below the bids: it takes.
    let told = event(&mut stream).await;
    assert_eq!(
        (&told["x"], &told["X"]),
        (&json!("TRADE"), &json!("FILLED"))
    );
    assert_eq!(told["o"], "STOP_LOSS_LIMIT");
    assert_eq!(ok(&bases, "GET", ORDER, named).await["isWorking"], true);
}

#[tokio::test]
async fn stops_are_refused_as_the_exchange_refuses_them() {
    let bases = standing().await;
    let at_once = "Stop price would trigger immediately.";
    refused(
        &bases,
        ORDER,
        &sell(&bases, "STOP_LOSS", 10),
        -2010,
        at_once,
    )
    .await;
    refused(
        &bases,
        ORDER,
        &sell(&bases, "TAKE_PROFIT", -10),
        -2010,
        at_once,
    )
    .await;
    let plain = "symbol=BTCUSDT&side=SELL&type=STOP_LOSS&quantity=0.01";
    let none = "Param 'stopPrice' or 'trailingDelta' must be sent, but both were empty/null!";
    refused(&bases, ORDER, plain, -1102, none).await;
    let filter = "Filter failure: TRAILING_DELTA";
    refused(
        &bases,
        ORDER,
        &format!("{plain}&trailingDelta=5"),
        -1013,
        filter,
    )
    .await;
    let extra = format!("{}&price=1", sell(&bases, "STOP_LOSS", -500));
    let not_required = "Parameter 'price' sent when not required.";
    refused(&bases, ORDER, &extra, -1106, not_required).await;
    let iceberg = format!("{}&icebergQty=0.001", sell(&bases, "STOP_LOSS", -500));
    let unsupported = "Iceberg orders are not supported for this symbol.";
    refused(&bases, ORDER, &iceberg, -2010, unsupported).await;
    let kind = format!("{}&strategyType=5", sell(&bases, "STOP_LOSS", -500));
    let reserved = "`strategyType` was less than 1000000.";
    refused(&bases, ORDER, &kind, -1134, reserved).await;
    for _ in 0..5 {
        ok(&bases, "POST", ORDER, &sell(&bases, "STOP_LOSS", -500)).await;
    }
    let full = "Filter failure: MAX_NUM_ALGO_ORDERS";
    refused(&bases, ORDER, &sell(&bases, "STOP_LOSS", -500), -1013, full).await;
    let (_, tested) = call(
        &bases,
        "POST",
        "/api/v3/order/test",
        &sell(&bases, "STOP_LOSS", -500),
    )
    .await;
    assert_eq!(tested["code"], -1013, "{tested}");
    let ended = ok(&bases, "DELETE", "/api/v3/openOrders", "symbol=BTCUSDT").await;
    assert_eq!(ended.as_array().unwrap().len(), 5);
    assert_eq!(ended[0]["status"], "CANCELED");
    assert_eq!(ended[0]["type"], "STOP_LOSS");
}

#[tokio::test]
async fn a_trailing_stop_tells_since_when_it_trails() {
    let bases = standing().await;
    let plain = "symbol=BTCUSDT&side=SELL&quantity=0.01&newOrderRespType=RESULT";
    let at_once = format!("{plain}&type=STOP_LOSS&trailingDelta=100");
    let placed = ok(&bases, "POST", ORDER, &at_once).await;
    assert_eq!(placed["trailingDelta"], 100);
    assert!(placed["trailingTime"].as_i64().unwrap() > 0, "{placed}");
    assert!(placed.get("stopPrice").is_none(), "{placed}");
    let stop = price(&bases, 500);
    let later = format!("{plain}&type=TAKE_PROFIT&trailingDelta=100&stopPrice={stop}");
    let placed = ok(&bases, "POST", ORDER, &later).await;
    assert_eq!(placed["trailingTime"], -1, "{placed}");
    let mut stream = listen(&bases).await;
    trade(&bases, 500);
    let id = &placed["orderId"];
    let queried = ok(
        &bases,
        "GET",
        ORDER,
        &format!("symbol=BTCUSDT&orderId={id}"),
    )
    .await;
    assert!(queried["trailingTime"].as_i64().unwrap() > 0, "{queried}");
    // Down by more than a per cent: both sell.
    let fall = {
        let exchange = bases.shared.lock();
        let view = exchange.spot.venue.view(InstrumentId(0));
        view.best(Side::Buy).unwrap().price.0 / 50
    };
    trade(&bases, -fall);
    for _ in 0..2 {
        let told = event(&mut stream).await;
        assert_eq!(
            (&told["x"], &told["d"]),
            (&json!("NEW"), &json!(100)),
            "{told}"
        );
        assert!(told["D"].as_i64().unwrap() > 0, "{told}");
        while event(&mut stream).await["X"] != "FILLED" {}
    }
}

/// A sell pair around the last price.
fn oco(bases: &Bases) -> String {
    let (above, below) = (price(bases, 3_000), price(bases, -3_000));
    let limit = price(bases, -3_010);
    format!(
        "symbol=BTCUSDT&side=SELL&quantity=0.02&aboveType=LIMIT_MAKER&abovePrice={above}\
         &belowType=STOP_LOSS_LIMIT&belowStopPrice={below}&belowPrice={limit}\
         &belowTimeInForce=GTC&listClientOrderId=pair&aboveClientOrderId=up\
         &belowClientOrderId=down"
    )
}

/// What is known of a pair that is open.
async fn queried(bases: &Bases, placed: &Value) {
    let account = ok(bases, "GET", "/api/v3/account", "").await;
    let balances = account["balances"].as_array().unwrap();
    let base = balances.iter().find(|one| one["asset"] == "BTC").unwrap();
    assert_eq!(base["locked"], "0.02000000", "a pair locks once");
    let id = &placed["orderListId"];
    let queried = ok(
        bases,
        "GET",
        "/api/v3/orderList",
        &format!("orderListId={id}"),
    )
    .await;
    assert_eq!(queried["orders"], placed["orders"]);
    let by_client = "origClientOrderId=pair";
    assert_eq!(
        ok(bases, "GET", "/api/v3/orderList", by_client).await,
        queried
    );
    let listed = ok(bases, "GET", "/api/v3/openOrderList", "").await;
    assert_eq!(listed, json!([queried]));
}

#[tokio::test]
async fn a_pair_is_accepted_told_queried_and_cancelled_as_one() {
    let bases = standing().await;
    let mut stream = listen(&bases).await;
    let placed = ok(&bases, "POST", OCO, &oco(&bases)).await;
    assert_eq!(placed["contingencyType"], "OCO");
    assert_eq!(placed["listStatusType"], "EXEC_STARTED");
    assert_eq!(placed["listOrderStatus"], "EXECUTING");
    assert_eq!(placed["listClientOrderId"], "pair");
    let reports = placed["orderReports"].as_array().unwrap();
    let kinds: Vec<&Value> = reports.iter().map(|one| &one["type"]).collect();
    assert_eq!(kinds, ["STOP_LOSS_LIMIT", "LIMIT_MAKER"]);
    assert_eq!(reports[0]["workingTime"], -1);
    assert_eq!(reports[0]["stopPrice"], price(&bases, -3_000));
    assert_eq!(reports[1]["orderListId"], placed["orderListId"]);
    for (name, working) in [("down", false), ("up", true)] {
        let told = event(&mut stream).await;
        assert_eq!(
            (&told["e"], &told["c"]),
            (&json!("executionReport"), &json!(name))
        );
        assert_eq!(
            (&told["w"], &told["g"]),
            (&json!(working), &placed["orderListId"])
        );
    }
    let told = event(&mut stream).await;
    assert_eq!(
        (&told["e"], &told["l"]),
        (&json!("listStatus"), &json!("EXEC_STARTED"))
    );
    assert_eq!(told["O"][0]["c"], "down");
    queried(&bases, &placed).await;
    let id = &placed["orderListId"];
    // Whoever cancels one of it cancels the list, and is told so.
    let cancel = "symbol=BTCUSDT&origClientOrderId=up&newClientOrderId=away";
    let ended = ok(&bases, "DELETE", ORDER, cancel).await;
    assert_eq!(ended["listOrderStatus"], "ALL_DONE");
    assert_eq!(ended["orderReports"][0]["status"], "CANCELED");
    assert_eq!(ended["orderReports"][1]["clientOrderId"], "away");
    for name in ["up", "down"] {
        let told = event(&mut stream).await;
        assert_eq!((&told["x"], &told["C"]), (&json!("CANCELED"), &json!(name)));
        assert_eq!(told["c"], "away");
    }
    assert_eq!(event(&mut stream).await["l"], "ALL_DONE");
    assert_eq!(
        ok(&bases, "GET", "/api/v3/openOrderList", "").await,
        json!([])
    );
    let all = ok(&bases, "GET", "/api/v3/allOrderList", "").await;
    assert_eq!(all[0]["listStatusType"], "ALL_DONE");
    let again = format!("symbol=BTCUSDT&orderListId={id}");
    let (status, body) = call(&bases, "DELETE", "/api/v3/orderList", &again).await;
    assert_eq!((status, &body["code"]), (400, &json!(-2011)));
}

#[tokio::test]
async fn one_of_a_pair_works_and_the_other_expires() {
    let bases = standing().await;
    ok(&bases, "POST", OCO, &oco(&bases)).await;
    let mut stream = listen(&bases).await;
    trade(&bases, -3_000);
    let told = event(&mut stream).await;
    assert_eq!((&told["c"], &told["x"]), (&json!("up"), &json!("EXPIRED")));
    let told = event(&mut stream).await;
    assert_eq!((&told["c"], &told["w"]), (&json!("down"), &json!(true)));
    while event(&mut stream).await["X"] != "FILLED" {}
    assert_eq!(event(&mut stream).await["l"], "ALL_DONE");
    let trades = ok(&bases, "GET", "/api/v3/myTrades", "symbol=BTCUSDT").await;
    assert_eq!(trades[0]["orderListId"], 1, "{trades}");
}

#[tokio::test]
async fn pairs_that_do_not_go_together_have_their_own_codes() {
    let bases = standing().await;
    let pair = |side: &str, above: &str, below: &str| {
        format!("symbol=BTCUSDT&side={side}&quantity=0.02&aboveType={above}&belowType={below}")
    };
    for (side, above, below, code) in [
        ("SELL", "LIMIT", "STOP_LOSS", -1158),
        ("SELL", "LIMIT_MAKER", "LIMIT_MAKER", -1168),
        ("BUY", "LIMIT_MAKER", "STOP_LOSS", -1165),
        ("SELL", "STOP_LOSS", "LIMIT_MAKER", -1166),
        ("BUY", "STOP_LOSS", "STOP_LOSS", -1196),
        ("SELL", "STOP_LOSS", "STOP_LOSS", -1197),
        ("BUY", "TAKE_PROFIT", "TAKE_PROFIT", -1198),
        ("SELL", "LIMIT_MAKER", "TAKE_PROFIT", -1199),
    ] {
        let (status, body) = call(&bases, "POST", OCO, &pair(side, above, below)).await;
        let told = (status, body["code"].as_i64());
        assert_eq!(told, (400, Some(code)), "{side} {above} {below}: {body}");
    }
    let wrong = oco(&bases).replace("side=SELL", "side=SELL&selfTradePreventionMode=NONE");
    let (high, low) = (price(&bases, 3_000), price(&bases, -3_000));
    let wrong = wrong.replace(&format!("abovePrice={high}"), &format!("abovePrice={low}"));
    let message = "The relationship of the prices for the orders is not correct.";
    refused(&bases, OCO, &wrong, -2010, message).await;
    // The form of before 2024 makes the same list.
    let old = format!(
        "symbol=BTCUSDT&side=SELL&quantity=0.02&price={high}&stopPrice={low}&stopLimitPrice={low}\
         &stopLimitTimeInForce=GTC&limitClientOrderId=l&stopClientOrderId=s"
    );
    let placed = ok(&bases, "POST", "/api/v3/order/oco", &old).await;
    assert_eq!(placed["orders"][0]["clientOrderId"], "s");
    assert_eq!(placed["orderReports"][0]["type"], "STOP_LOSS_LIMIT");
    assert_eq!(placed["orderReports"][1]["type"], "LIMIT_MAKER");
}

#[tokio::test]
async fn orders_that_follow_are_pending_until_the_first_is_filled() {
    let bases = standing().await;
    let (bid, high) = (price(&bases, -500), price(&bases, 3_000));
    let first = |price: &str| {
        format!(
            "symbol=BTCUSDT&workingType=LIMIT&workingSide=BUY&workingTimeInForce=GTC\
             &workingQuantity=0.02&workingPrice={price}&pendingSide=SELL&pendingQuantity=0.01"
        )
    };
    let oto = format!(
        "{}&pendingType=LIMIT_MAKER&pendingPrice={high}&pendingClientOrderId=after",
        first(&bid)
    );
    let path = "/api/v3/orderList/oto";
    let placed = ok(&bases, "POST", path, &oto).await;
    assert_eq!(placed["contingencyType"], "OTO");
    assert_eq!(placed["orderReports"][0]["status"], "NEW");
    assert_eq!(placed["orderReports"][1]["status"], "PENDING_NEW");
    let named = "symbol=BTCUSDT&origClientOrderId=after";
    assert_eq!(
        ok(&bases, "GET", ORDER, named).await["status"],
        "PENDING_NEW"
    );
    ok(&bases, "DELETE", ORDER, named).await;
    assert_eq!(
        ok(&bases, "GET", "/api/v3/openOrders", "symbol=BTCUSDT").await,
        json!([])
    );
    // Taken at once: told as it was accepted, and there when it is asked for.
    let otoco = format!(
        "{}&pendingAboveType=LIMIT_MAKER&pendingAbovePrice={high}\
         &pendingAboveClientOrderId=up&pendingBelowType=STOP_LOSS&pendingBelowStopPrice={}\
         &pendingBelowClientOrderId=down",
        first(&price(&bases, 1_000)),
        price(&bases, -3_000)
    );
    let mut stream = listen(&bases).await;
    let placed = ok(&bases, "POST", "/api/v3/orderList/otoco", &otoco).await;
    let states: Vec<&Value> = placed["orderReports"]
        .as_array()
        .unwrap()
        .iter()
        .map(|one| &one["status"])
        .collect();
    assert_eq!(states, ["FILLED", "PENDING_NEW", "PENDING_NEW"]);
    let pending = [
        event(&mut stream).await,
        event(&mut stream).await,
        event(&mut stream).await,
    ];
    assert_eq!(pending[1]["X"], "PENDING_NEW");
    for (name, works) in [("up", true), ("down", false)] {
        let named = format!("symbol=BTCUSDT&origClientOrderId={name}");
        let order = ok(&bases, "GET", ORDER, &named).await;
        assert_eq!(
            (&order["status"], &order["isWorking"]),
            (&json!("NEW"), &json!(works))
        );
    }
}

#[tokio::test]
async fn the_websocket_api_has_lists_by_its_own_names() {
    let bases = standing().await;
    let mut stream = open(bases.spot, "/ws-api/v3").await;
    let query = oco(&bases);
    let pairs: Vec<(&str, &str)> = query
        .split('&')
        .map(|pair| pair.split_once('=').unwrap())
        .collect();
    let mut ask = async |method: &str, params: &[(&str, &str)]| {
        stream.send(&request(&bases.shared, method, params)).await;
        let answer = stream.next().await;
        assert_eq!(answer["status"], 200, "{method}: {answer}");
        answer["result"].clone()
    };
    let placed = ask("orderList.place.oco", &pairs).await;
    let id = placed["orderListId"].to_string();
    let queried = ask("orderList.status", &[("orderListId", &id)]).await;
    assert_eq!(queried["listClientOrderId"], "pair");
    let listed = ask("openOrderLists.status", &[]).await;
    assert_eq!(listed, json!([queried]));
    assert_eq!(ask("allOrderLists", &[]).await, listed);
    let cancel = [("symbol", "BTCUSDT"), ("orderListId", id.as_str())];
    let ended = ask("orderList.cancel", &cancel).await;
    assert_eq!(ended["orderReports"][1]["status"], "CANCELED");
}

#[tokio::test]
async fn what_clients_of_spot_ask_before_they_trade_is_answered_truly() {
    let bases = standing().await;
    let status = ok(&bases, "GET", "/sapi/v1/system/status", "a=1").await;
    assert_eq!(status, json!({"status": 0, "msg": "normal"}));
    let coins = ok(&bases, "GET", "/sapi/v1/capital/config/getall", "a=1").await;
    let account = ok(&bases, "GET", "/api/v3/account", "a=1").await;
    for (coin, balance) in coins
        .as_array()
        .unwrap()
        .iter()
        .zip(account["balances"].as_array().unwrap())
    {
        assert_eq!(
            (&coin["coin"], &coin["free"]),
            (&balance["asset"], &balance["free"])
        );
        assert_eq!(coin["networkList"], json!([]));
    }
    for path in [
        "/sapi/v1/margin/allPairs",
        "/sapi/v1/margin/isolated/allPairs",
    ] {
        assert_eq!(ok(&bases, "GET", path, "a=1").await, json!([]));
    }
    let fees = ok(&bases, "GET", "/sapi/v1/asset/tradeFee", "symbol=BTCUSDT").await;
    assert_eq!(fees[0]["takerCommission"], "0.001");
    let (status, _) = call(&bases, "POST", "/sapi/v1/asset/transfer", "a=1").await;
    assert_eq!(status, 404, "what is not served is no success");
}

#[tokio::test]
async fn a_match_with_oneself_is_prevented_told_and_listed() {
    let bases = standing().await;
    let low = price(&bases, -500);
    let limit = |side: &str, id: &str, price: &str| {
        format!(
            "symbol=BTCUSDT&side={side}&type=LIMIT&timeInForce=GTC&quantity=0.01&price={price}\
             &newClientOrderId={id}&selfTradePreventionMode=EXPIRE_MAKER"
        )
    };
    ok(&bases, "POST", ORDER, &limit("BUY", "resting", &low)).await;
    let mut stream = listen(&bases).await;
    // A sell that reaches down to the own bid takes what stands above it.
    ok(&bases, "POST", ORDER, &limit("SELL", "taker", &low)).await;
    let told = loop {
        let event = event(&mut stream).await;
        if event["c"] == "resting" {
            break event;
        }
    };
    assert_eq!(told["x"], "TRADE_PREVENTION", "{told}");
    assert_eq!(told["X"], "EXPIRED_IN_MATCH");
    assert_eq!(
        (&told["A"], &told["Cs"]),
        (&json!("0.01000000"), &json!("BTCUSDT"))
    );
    let named = "symbol=BTCUSDT&origClientOrderId=resting";
    let order = ok(&bases, "GET", ORDER, named).await;
    assert_eq!(order["preventedMatchId"], told["v"]);
    assert_eq!(order["preventedQuantity"], "0.01000000");
    let query = format!("symbol=BTCUSDT&preventedMatchId={}", told["v"]);
    let listed = ok(&bases, "GET", "/api/v3/myPreventedMatches", &query).await;
    assert_eq!(listed[0]["makerOrderId"], order["orderId"]);
    assert_eq!(listed[0]["takerOrderId"], told["U"]);
    assert_eq!(listed[0]["makerPreventedQuantity"], "0.01000000");
}

#[tokio::test]
async fn an_amended_order_has_a_new_name_unless_it_keeps_its_own() {
    let bases = standing().await;
    let low = price(&bases, -500);
    let rest = format!(
        "symbol=BTCUSDT&side=BUY&type=LIMIT&timeInForce=GTC&quantity=0.03&price={low}\
         &newClientOrderId=a"
    );
    let id = ok(&bases, "POST", ORDER, &rest).await["orderId"].clone();
    let mut stream = listen(&bases).await;
    let path = "/api/v3/order/amend/keepPriority";
    let kept = format!("symbol=BTCUSDT&orderId={id}&newQty=0.02&newClientOrderId=a");
    let body = ok(&bases, "PUT", path, &kept).await;
    assert_eq!(body["amendedOrder"]["clientOrderId"], "a");
    assert_eq!(event(&mut stream).await["x"], "REPLACED");
    let renamed = format!("symbol=BTCUSDT&orderId={id}&newQty=0.01");
    let body = ok(&bases, "PUT", path, &renamed).await;
    assert_eq!(body["amendedOrder"]["origClientOrderId"], "a");
    let name = body["amendedOrder"]["clientOrderId"].clone();
    assert_ne!(name, "a");
    let query = format!("symbol=BTCUSDT&orderId={id}");
    let listed = ok(&bases, "GET", "/api/v3/order/amendments", &query).await;
    assert_eq!(listed[1]["newClientOrderId"], name);
    assert_eq!(
        (&listed[0]["origQty"], &listed[1]["newQty"]),
        (&json!("0.03000000"), &json!("0.01000000"))
    );
}

#[tokio::test]
async fn prices_far_from_the_mean_and_superfluous_words_are_refused() {
    let bases = standing().await;
    let limit = |side: &str, price: &str| {
        format!("symbol=BTCUSDT&side={side}&type=LIMIT&timeInForce=GTC&quantity=0.01&price={price}")
    };
    let percent = "Filter failure: PERCENT_PRICE_BY_SIDE";
    refused(&bases, ORDER, &limit("SELL", "900000"), -1013, percent).await;
    refused(&bases, ORDER, &limit("BUY", "5000"), -1013, percent).await;
    let large = limit("SELL", "100000").replace("0.01&", "95&");
    refused(&bases, ORDER, &large, -1013, "Filter failure: NOTIONAL").await;
    let (_, info) = call(
        &bases,
        "GET",
        "/api/v3/exchangeInfo",
        "symbols=%5B%22BTCUSDT%22%5D",
    )
    .await;
    let filters = info["symbols"][0]["filters"].as_array().unwrap().clone();
    let by_side = filters
        .iter()
        .find(|one| one["filterType"] == "PERCENT_PRICE_BY_SIDE");
    assert_eq!(by_side.unwrap()["askMultiplierUp"], "5");
    let (status, body) = call(&bases, "GET", "/api/v3/exchangeInfo", "symbolStatus=NO").await;
    assert_eq!((status, &body["code"]), (400, &json!(-1122)));
    let both = "symbol=BTCUSDT&side=BUY&type=MARKET&quantity=0.01&quoteOrderQty=100";
    let message = "Combination of optional parameters invalid.";
    refused(&bases, ORDER, both, -1128, message).await;
    let name = limit("BUY", "60000") + "&newClientOrderId=a%20b";
    let (_, body) = call(&bases, "POST", ORDER, &name).await;
    assert_eq!(body["code"], -1100, "{body}");
}
