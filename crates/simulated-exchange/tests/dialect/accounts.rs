//! The account by request: hedge and isolated mode, batches, brackets, liquidation, several
//! accounts, each over real sockets.
//!
//! In: signed requests as a bot sends them. Out: passes, or the answer that differs. Never: a
//! sleep; the market moves where a test moves it.
#![allow(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]

use crate::support::{Bases, http, start};
use binance::sign::Signer;
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

/// One signed call with a key of its own: status and body.
async fn call_as(
    bases: &Bases,
    spot: bool,
    (key, secret): (&str, &str),
    method: &str,
    path: &str,
    query: &str,
) -> (u16, Value) {
    let now = bases.shared.lock().clock.now().0;
    let mut escaped = query.to_owned();
    for (mark, code) in [
        ('"', "%22"),
        ('{', "%7B"),
        ('}', "%7D"),
        ('[', "%5B"),
        (']', "%5D"),
    ] {
        escaped = escaped.replace(mark, code);
    }
    let text = match escaped.as_str() {
        "" => format!("timestamp={now}"),
        query => format!("{query}&timestamp={now}"),
    };
    let signature = Signer::hmac(secret.as_bytes()).sign(text.as_bytes());
    let signature = String::from_utf8_lossy(&signature).into_owned();
    let address = if spot { bases.spot } else { bases.usdm };
    let mut socket = tokio::net::TcpStream::connect(address).await.unwrap();
    let request = format!(
        "{method} {path}?{text}&signature={signature} HTTP/1.1\r\nhost: {address}\r\n\
         connection: close\r\nx-mbx-apikey: {key}\r\ncontent-length: 0\r\n\r\n"
    );
    socket.write_all(request.as_bytes()).await.unwrap();
    let mut answer = String::new();
    socket.read_to_string(&mut answer).await.unwrap();
    let status = answer[9..12].parse().unwrap();
    let (_, body) = answer.split_once("\r\n\r\n").unwrap();
    (status, serde_json::from_str(body).unwrap_or(Value::Null))
}

/// The first account: any key is its, any signature too.
async fn call(bases: &Bases, method: &str, path: &str, query: &str) -> Value {
    let (_, body) = call_as(bases, false, ("any", "none"), method, path, query).await;
    body
}

async fn refused(bases: &Bases, method: &str, path: &str, query: &str, code: i64) {
    let (status, body) = call_as(bases, false, ("any", "none"), method, path, query).await;
    assert_eq!(
        (status, body["code"].as_i64()),
        (400, Some(code)),
        "{path} {query} {body}"
    );
}

/// Posts that are refused: path, query, code.
async fn refused_posts(bases: &Bases, all: &[(&str, &str, i64)]) {
    for (path, query, code) in all {
        refused(bases, "POST", path, query, *code).await;
    }
}

fn number(value: &Value) -> f64 {
    value.as_str().unwrap().parse().unwrap()
}

const ORDER: &str = "/fapi/v1/order";
const DUAL: &str = "/fapi/v1/positionSide/dual";
const MARGIN: &str = "/fapi/v1/positionMargin";
const TYPE: &str = "/fapi/v1/marginType";

#[tokio::test]
async fn the_hedge_mode_has_two_legs_and_its_own_refusals() {
    let bases = start(&["--symbols", "BTCUSDT"]).await;
    refused(&bases, "POST", DUAL, "dualSidePosition=false", -4059).await;
    refused(&bases, "POST", DUAL, "dualSidePosition=maybe", -1102).await;
    let buy = "symbol=BTCUSDT&side=BUY&type=MARKET&quantity=0.010";
    let sell = "symbol=BTCUSDT&side=SELL&type=MARKET&quantity=0.004";
    refused(
        &bases,
        "POST",
        ORDER,
        &format!("{buy}&positionSide=LONG"),
        -4061,
    )
    .await;
    refused(
        &bases,
        "POST",
        ORDER,
        &format!("{buy}&positionSide=UP"),
        -4060,
    )
    .await;
    let set = call(&bases, "POST", DUAL, "dualSidePosition=true").await;
    assert_eq!(set, json!({"code": 200, "msg": "success"}));
    assert_eq!(
        call(&bases, "GET", DUAL, "").await["dualSidePosition"],
        true
    );
    refused(&bases, "POST", ORDER, buy, -4061).await;
    let with = format!("{buy}&positionSide=LONG&reduceOnly=true");
    refused(&bases, "POST", ORDER, &with, -1106).await;
    for (query, leg) in [(buy, "LONG"), (sell, "SHORT")] {
        let query = format!("{query}&positionSide={leg}&newOrderRespType=RESULT");
        let order = call(&bases, "POST", ORDER, &query).await;
        assert_eq!(
            (&order["status"], &order["positionSide"]),
            (&json!("FILLED"), &json!(leg))
        );
    }
    let held = call(&bases, "GET", "/fapi/v3/positionRisk", "").await;
    let legs: Vec<_> = held
        .as_array()
        .unwrap()
        .iter()
        .map(|one| {
            (
                one["positionSide"].as_str().unwrap(),
                number(&one["positionAmt"]),
            )
        })
        .collect();
    assert_eq!(legs, [("LONG", 0.01), ("SHORT", -0.004)]);
    let trades = call(&bases, "GET", "/fapi/v1/userTrades", "symbol=BTCUSDT").await;
    let legs: Vec<_> = trades
        .as_array()
        .unwrap()
        .iter()
        .map(|one| &one["positionSide"])
        .collect();
    assert!(legs.contains(&&json!("LONG")) && legs.contains(&&json!("SHORT")));
    closes_stay_within_their_leg(&bases).await;
}

/// What is asked for with 0.010 held long and 0.004 short.
async fn closes_stay_within_their_leg(bases: &Bases) {
    refused(bases, "POST", DUAL, "dualSidePosition=false", -4068).await;
    let over = "symbol=BTCUSDT&side=SELL&type=MARKET&quantity=0.011&positionSide=LONG";
    refused(bases, "POST", ORDER, over, -2022).await;
    // A stop that closes the short leg leaves the long one alone.
    let stop = "algoType=CONDITIONAL&symbol=BTCUSDT&side=BUY&type=STOP_MARKET&closePosition=true\
        &triggerPrice=900000&positionSide=SHORT";
    let stop = call(bases, "POST", "/fapi/v1/algoOrder", stop).await;
    assert_eq!(stop["positionSide"], "SHORT", "{stop}");
    let old = call(bases, "GET", "/fapi/v2/account", "").await;
    assert_eq!(old["positions"].as_array().unwrap().len(), 3);
}

#[tokio::test]
async fn an_isolated_position_has_margin_that_can_be_moved() {
    let bases = start(&["--symbols", "BTCUSDT,ETHUSDT"]).await;
    let (crossed, isolated) = (
        "symbol=BTCUSDT&marginType=CROSSED",
        "symbol=BTCUSDT&marginType=ISOLATED",
    );
    let one = "symbol=BTCUSDT&amount=1&type=1";
    refused_posts(&bases, &[(TYPE, crossed, -4046), (MARGIN, one, -4049)]).await;
    assert_eq!(call(&bases, "POST", TYPE, isolated).await["code"], 200);
    refused_posts(&bases, &[(MARGIN, one, -4054)]).await;
    let buy = "symbol=BTCUSDT&side=BUY&type=MARKET&quantity=0.100";
    call(&bases, "POST", ORDER, buy).await;
    let lower = ("/fapi/v1/leverage", "symbol=BTCUSDT&leverage=5", -4161);
    refused_posts(&bases, &[(TYPE, crossed, -4048), lower]).await;
    let risk = async || {
        let all = call(&bases, "GET", "/fapi/v2/positionRisk", "symbol=BTCUSDT").await;
        all[0].clone()
    };
    let before = risk().await;
    assert_eq!(before["marginType"], "isolated");
    let set_aside = number(&before["isolatedWallet"]);
    let entry = number(&before["entryPrice"]);
    // A twentieth of the value, rounded up fill by fill.
    assert!((set_aside - entry * 0.1 / 20.0).abs() < 1e-4, "{before}");
    let price = number(&before["liquidationPrice"]);
    assert!(price > entry * 0.94 && price < entry * 0.96, "{before}");
    let added = call(&bases, "POST", MARGIN, "symbol=BTCUSDT&amount=100.5&type=1").await;
    assert_eq!(added["amount"], 100.5);
    let too_much = [
        (MARGIN, "symbol=BTCUSDT&amount=100000&type=1", -4050),
        (MARGIN, "symbol=BTCUSDT&amount=400&type=2", -4051),
        (MARGIN, "symbol=BTCUSDT&amount=1&type=3", -1130),
    ];
    refused_posts(&bases, &too_much).await;
    let after = risk().await;
    assert!((number(&after["isolatedWallet"]) - set_aside - 100.5).abs() < 1e-6);
    assert!(number(&after["liquidationPrice"]) < price - 900.0);
    let path = "/fapi/v1/positionMargin/history";
    let history = call(&bases, "GET", path, "symbol=BTCUSDT").await;
    assert_eq!(history[0]["type"], 1);
    let account = call(&bases, "GET", "/fapi/v3/account", "").await;
    let wallet = number(&account["totalWalletBalance"]);
    let cross = number(&account["totalCrossWalletBalance"]);
    let apart = wallet - cross - set_aside - 100.5;
    assert!(apart.abs() < 1e-6, "{account}");
}

#[tokio::test]
async fn a_batch_answers_in_its_order_and_one_refusal_stops_nothing() {
    let bases = start(&["--symbols", "BTCUSDT"]).await;
    let batch = "/fapi/v1/batchOrders";
    let price = |at: f64| {
        let exchange = bases.shared.lock();
        let venue = &exchange.usdm.venue;
        let instrument = venue.instruments()[0];
        let mark = venue.mark(instrument.id).0 as f64 * instrument.tick.to_f64();
        (mark * at / 10.0).round() * 10.0
    };
    let one = |id: &str, price: f64, tif: &str| {
        json!({"symbol": "BTCUSDT", "side": "BUY", "type": "LIMIT", "quantity": "0.010",
            "price": price.to_string(), "timeInForce": tif, "newClientOrderId": id})
    };
    let low = price(0.97);
    let orders = json!([
        one("a", low, "GTC"),
        one("b", price(1.01), "GTX"),
        one("c", low, "GTC")
    ]);
    let placed = call(&bases, "POST", batch, &format!("batchOrders={orders}")).await;
    assert_eq!(placed[0]["clientOrderId"], "a", "{placed}");
    assert_eq!(placed[1]["code"], -5022);
    assert_eq!(placed[2]["status"], "NEW");
    let changed = json!([
        {"symbol": "BTCUSDT", "side": "BUY", "origClientOrderId": "a", "quantity": "0.020",
         "price": low.to_string()},
        {"symbol": "BTCUSDT", "side": "BUY", "origClientOrderId": "c", "quantity": "0.010",
         "price": low.to_string()}]);
    let changed = call(&bases, "PUT", batch, &format!("batchOrders={changed}")).await;
    assert_eq!(
        (&changed[0]["origQty"], &changed[1]["code"]),
        (&json!("0.020"), &json!(-5027))
    );
    let amended = call(&bases, "GET", "/fapi/v1/orderAmendment", "symbol=BTCUSDT").await;
    assert_eq!(
        amended[0]["amendment"]["origQty"],
        json!({"before": "0.010", "after": "0.020"})
    );
    let ids = r#"symbol=BTCUSDT&origclientorderidlist=["a","x"]"#;
    let ended = call(&bases, "DELETE", batch, ids).await;
    assert_eq!(
        (&ended[0]["status"], &ended[1]["code"]),
        (&json!("CANCELED"), &json!(-2011))
    );
    refused(&bases, "POST", batch, "batchOrders=[]", -4082).await;
    refused(&bases, "POST", batch, "batchOrders=[1", -1130).await;
    let tested = format!(
        "symbol=BTCUSDT&side=BUY&type=LIMIT&quantity=100&price={low}\
        &timeInForce=GTC"
    );
    refused(&bases, "POST", "/fapi/v1/order/test", &tested, -2019).await;
    ends_and_prices_of_the_exchange(&bases, low).await;
}

/// Good-till-date orders, and prices taken from the book.
async fn ends_and_prices_of_the_exchange(bases: &Bases, low: f64) {
    let gtd = format!(
        "symbol=BTCUSDT&side=BUY&type=LIMIT&quantity=0.01&price={low}\
        &timeInForce=GTD"
    );
    refused(bases, "POST", ORDER, &gtd, -1102).await;
    refused(
        bases,
        "POST",
        ORDER,
        &format!("{gtd}&goodTillDate=1"),
        -5040,
    )
    .await;
    let till = (bases.shared.lock().clock.now().0 + 3_600_000) / 1_000 * 1_000;
    let gtd = call(bases, "POST", ORDER, &format!("{gtd}&goodTillDate={till}")).await;
    assert_eq!(
        (&gtd["timeInForce"], &gtd["goodTillDate"]),
        (&json!("GTD"), &json!(till))
    );
    let best = "symbol=BTCUSDT&side=BUY&type=LIMIT&quantity=0.01&timeInForce=GTC&priceMatch=QUEUE";
    let best = call(bases, "POST", ORDER, best).await;
    assert_eq!(best["priceMatch"], "QUEUE", "{best}");
}

#[tokio::test]
async fn leverage_stands_in_its_brackets() {
    let bases = start(&["--symbols", "BTCUSDT"]).await;
    let path = "/fapi/v1/leverage";
    let set = call(&bases, "POST", path, "symbol=BTCUSDT&leverage=125").await;
    assert_eq!(
        set,
        json!({"leverage": 125, "maxNotionalValue": "300000", "symbol": "BTCUSDT"})
    );
    for wrong in ["0", "126", "-1", "99999999999"] {
        refused(
            &bases,
            "POST",
            path,
            &format!("symbol=BTCUSDT&leverage={wrong}"),
            -4028,
        )
        .await;
    }
    let brackets = call(&bases, "GET", "/fapi/v1/leverageBracket", "symbol=BTCUSDT").await;
    let rows = brackets[0]["brackets"].as_array().unwrap();
    assert_eq!(rows[0]["maintMarginRatio"], 0.004);
    assert_eq!(
        rows[1],
        json!({"bracket": 2, "initialLeverage": 100, "notionalCap": 800_000,
        "notionalFloor": 300_000, "maintMarginRatio": 0.005, "cum": 300})
    );
    let big = "symbol=BTCUSDT&side=BUY&type=MARKET&quantity=50";
    refused(&bases, "POST", ORDER, big, -2027).await;
}

#[tokio::test]
async fn accounts_have_their_own_keys_wallets_orders_and_modes() {
    let bases = start(&["--symbols", "BTCUSDT"]).await;
    let new = json!({"name": "second", "api_key": "k2", "secret": "s2", "usdm": "500.25",
        "spot": {"USDT": "70", "BTC": "2"}, "maker": "0.0001", "taker": "0.0003", "fee_tier": 4});
    let (status, opened) = http(bases.control, "POST", "/sim/v1/accounts", &new.to_string()).await;
    assert_eq!(
        (status, &opened["wallet_usdt"]),
        (200, &json!("500.25000000")),
        "{opened}"
    );
    let (status, _) = http(bases.control, "POST", "/sim/v1/accounts", &new.to_string()).await;
    assert_eq!(status, 400, "the name is taken");
    let second = ("k2", "s2");
    let (_, balance) = call_as(&bases, false, second, "GET", "/fapi/v3/balance", "").await;
    assert_eq!(balance[0]["balance"], "500.25000000");
    let (status, body) = call_as(&bases, false, ("k2", "x"), "GET", "/fapi/v3/balance", "").await;
    assert_eq!((status, &body["code"]), (400, &json!(-1022)));
    let mode = "dualSidePosition=true";
    call_as(&bases, false, second, "POST", DUAL, mode).await;
    assert_eq!(
        call(&bases, "GET", DUAL, "").await["dualSidePosition"],
        false
    );
    let buy = "symbol=BTCUSDT&side=BUY&type=MARKET&quantity=0.010&positionSide=LONG";
    let (status, order) = call_as(&bases, false, second, "POST", ORDER, buy).await;
    assert_eq!(status, 200, "{order}");
    assert_eq!(
        call(&bases, "GET", "/fapi/v3/positionRisk", "").await,
        json!([])
    );
    let query = format!("symbol=BTCUSDT&orderId={}", order["orderId"]);
    refused(&bases, "GET", ORDER, &query, -2013).await;
    let (_, trades) = call_as(
        &bases,
        false,
        second,
        "GET",
        "/fapi/v1/userTrades",
        "symbol=BTCUSDT",
    )
    .await;
    let fee = number(&trades[0]["commission"]) / number(&trades[0]["quoteQty"]);
    assert!((fee - 0.0003).abs() < 1e-9, "{trades}");
    let (_, spot) = call_as(&bases, true, second, "GET", "/api/v3/account", "").await;
    assert_eq!(spot["balances"][1]["free"], "2.00000000", "{spot}");
    let (_, keys) = call_as(&bases, false, second, "POST", "/fapi/v1/listenKey", "").await;
    let first = call(&bases, "POST", "/fapi/v1/listenKey", "").await;
    assert_ne!(keys["listenKey"], first["listenKey"]);
    let taken = json!({"name": "second", "amount": "-400"}).to_string();
    let (status, _) = http(bases.control, "POST", "/sim/v1/transfer", &taken).await;
    assert_eq!(status, 200);
    let (_, income) = call_as(&bases, false, second, "GET", "/fapi/v1/income", "").await;
    assert_eq!(
        income.as_array().unwrap().last().unwrap()["income"],
        "-400.00000000"
    );
}

#[tokio::test]
async fn what_cannot_be_kept_is_liquidated_and_told() {
    let bases = start(&["--symbols", "BTCUSDT"]).await;
    let new = json!({"name": "thin", "api_key": "k3", "secret": "s3", "usdm": "200"});
    http(bases.control, "POST", "/sim/v1/accounts", &new.to_string()).await;
    let thin = ("k3", "s3");
    let leverage = "symbol=BTCUSDT&leverage=125";
    call_as(&bases, false, thin, "POST", "/fapi/v1/leverage", leverage).await;
    let buy = "symbol=BTCUSDT&side=BUY&type=MARKET&quantity=0.100";
    let (status, order) = call_as(&bases, false, thin, "POST", ORDER, buy).await;
    assert_eq!(status, 200, "{order}");
    {
        let mut exchange = bases.shared.lock();
        let now = exchange.clock.now();
        let floor = &mut exchange.usdm;
        let id = floor.venue.instruments()[0].id;
        let mark = floor.venue.mark(id);
        floor.venue.on_mark(id, market::Price(mark.0 * 9 / 10));
        floor.venue.supervise(now, &mut floor.outputs);
        floor.venue.on_mark(id, mark);
        exchange.send_private(now);
    }
    let (_, forced) = call_as(&bases, false, thin, "GET", "/fapi/v1/forceOrders", "").await;
    assert_eq!(forced[0]["status"], "FILLED", "{forced}");
    let name = forced[0]["clientOrderId"].as_str().unwrap();
    assert!(name.starts_with("autoclose-"));
    let (_, account) = call_as(&bases, false, thin, "GET", "/fapi/v3/account", "").await;
    assert_eq!(account["positions"], json!([]));
    assert!(number(&account["totalWalletBalance"]) >= 0.0, "{account}");
    let (_, income) = call_as(&bases, false, thin, "GET", "/fapi/v1/income", "startTime=1").await;
    let sum: f64 = income
        .as_array()
        .unwrap()
        .iter()
        .map(|one| number(&one["income"]))
        .sum();
    assert!(
        (200.0 + sum - number(&account["totalWalletBalance"])).abs() < 1e-6,
        "{income}"
    );
}

#[tokio::test]
async fn spot_replaces_shrinks_and_tells_what_failed() {
    let bases = start(&["--symbols", "BTCUSDT"]).await;
    let ask = async |method: &str, path: &str, query: &str| {
        call_as(&bases, true, ("any", "none"), method, path, query).await
    };
    let order = "/api/v3/order";
    let limit = "symbol=BTCUSDT&side=BUY&type=LIMIT&timeInForce=GTC&price=50000&quantity=0.01";
    let rest = format!("{limit}&newClientOrderId=first&newOrderRespType=ACK");
    let (status, body) = ask("POST", order, &rest).await;
    assert_eq!(status, 200, "{body}");
    let smaller = "symbol=BTCUSDT&origClientOrderId=first&newQty=0.004&newClientOrderId=first";
    let (status, body) = ask("PUT", "/api/v3/order/amend/keepPriority", smaller).await;
    assert_eq!(
        (status, number(&body["amendedOrder"]["qty"])),
        (200, 0.004),
        "{body}"
    );
    let (status, body) = ask("PUT", "/api/v3/order/amend/keepPriority", smaller).await;
    assert_eq!((status, &body["code"]), (400, &json!(-2038)));
    let replace = "/api/v3/order/cancelReplace";
    let by = |id: &str, mode: &str| {
        format!("{limit}&cancelOrigClientOrderId={id}&cancelReplaceMode={mode}")
    };
    let (status, body) = ask("POST", replace, &by("none", "STOP_ON_FAILURE")).await;
    assert_eq!((status, &body["code"]), (400, &json!(-2022)));
    assert_eq!(body["data"]["newOrderResult"], "NOT_ATTEMPTED");
    let (status, body) = ask("POST", replace, &by("none", "ALLOW_FAILURE")).await;
    assert_eq!((status, &body["code"]), (409, &json!(-2021)));
    assert_eq!(body["data"]["cancelResponse"]["code"], -2011);
    let (status, body) = ask("POST", replace, &by("first", "STOP_ON_FAILURE")).await;
    assert_eq!(
        (status, &body["cancelResult"]),
        (200, &json!("SUCCESS")),
        "{body}"
    );
    assert_eq!(body["newOrderResponse"]["status"], "NEW");
    let (_, open) = ask("GET", "/api/v3/openOrders", "symbol=BTCUSDT").await;
    assert_eq!(open.as_array().unwrap().len(), 2);
    let quote = "symbol=BTCUSDT&side=BUY&type=MARKET&quoteOrderQty=1000";
    let (status, body) = ask("POST", order, quote).await;
    assert_eq!(status, 200, "{body}");
    let spent = number(&body["cummulativeQuoteQty"]);
    assert!(spent <= 1_000.0 && spent > 990.0, "{body}");
    let (_, fees) = ask("GET", "/api/v3/account/commission", "symbol=BTCUSDT").await;
    assert_eq!(fees["standardCommission"]["taker"], "0.00100000");
}
