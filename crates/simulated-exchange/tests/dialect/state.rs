//! What outlives the exchange: it is started again over its state directory, and knows its accounts.
//!
//! In: requests over sockets, a process that is killed, files that are damaged. Out: passes, or what
//! was forgotten. Never: a sleep.
#![allow(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use crate::support::{Bases, http, signed, start};
use clap::Parser;
use serde_json::{Value, json};
use simulated_exchange::assembly;
use simulated_exchange::options::Options;

/// An empty directory for one test.
fn directory(name: &str) -> PathBuf {
    let path = Path::new(env!("CARGO_TARGET_TMPDIR"))
        .join("state")
        .join(name);
    let _ = std::fs::remove_dir_all(&path);
    path
}

/// A test's exchange, which stands still unless the test moves it.
async fn open(directory: &Path) -> Bases {
    let directory = directory.display().to_string();
    let bases = start(&["--symbols", "BTCUSDT", "--state-dir", &directory]).await;
    let target = "/sim/v1/market";
    let (status, _) = http(bases.control, "POST", target, r#"{"paused":true}"#).await;
    assert_eq!(status, 200);
    bases
}

/// The exchange goes, and the directory is free.
fn close(bases: Bases) {
    // As a kill would: nothing is written that is not there already.
    bases.shared.lock().state = None;
}

async fn call(bases: &Bases, method: &str, path: &str, query: &str) -> Value {
    let (status, body) = answer(bases, method, path, query).await;
    assert_eq!(status, 200, "{method} {path}?{query}: {body}");
    body
}

async fn answer(bases: &Bases, method: &str, path: &str, query: &str) -> (u16, Value) {
    let address = if path.starts_with("/api") {
        bases.spot
    } else {
        bases.usdm
    };
    let query = signed(&bases.shared, query);
    http(address, method, &format!("{path}?{query}"), "").await
}

/// Best bid and ask of USD-M in whole dollars, rounded away from the book.
async fn around(bases: &Bases) -> (i64, i64) {
    let (_, state) = http(bases.control, "GET", "/sim/v1/state", "").await;
    let best = &state["usdm"]["instruments"][0];
    let whole = |side: &str| {
        let text = best[side][0].as_str().unwrap();
        text.split('.').next().unwrap().parse::<i64>().unwrap()
    };
    (whole("bid") - 100, whole("ask") + 100)
}

/// What a client may ask of its account, without what is told by the market alone.
async fn memory(bases: &Bases) -> Value {
    let mut all = Vec::new();
    for path in [
        "/fapi/v1/openOrders",
        "/fapi/v1/allOrders",
        "/fapi/v1/userTrades",
        "/fapi/v1/openAlgoOrders",
        "/fapi/v1/income",
        "/fapi/v1/orderAmendment",
        "/fapi/v1/positionMargin/history",
        "/api/v3/openOrders",
        "/api/v3/allOrders",
        "/api/v3/myTrades",
        "/api/v3/allOrderList",
        "/api/v3/account",
    ] {
        let mut query = "symbol=BTCUSDT";
        if path == "/api/v3/account" || path == "/api/v3/allOrderList" {
            query = "";
        }
        let (status, mut body) = answer(bases, "GET", path, query).await;
        if path == "/api/v3/account" {
            // It tells the time of the answer.
            body["updateTime"] = Value::Null;
        }
        all.push(json!([path, status, body]));
    }
    let account = call(bases, "GET", "/fapi/v3/balance", "").await;
    all.push(json!(account[0]["balance"]));
    let (_, truth) = http(bases.control, "GET", "/sim/v1/account", "").await;
    let counted = [
        "orders_by_state",
        "fees_total_usdt",
        "orders_total",
        "fills_total",
    ];
    all.extend(counted.map(|field| truth[field].clone()));
    all.push(json!(truth["countdowns"]));
    Value::from(all)
}

const ORDER: &str = "/fapi/v1/order";
const BUY: &str = "symbol=BTCUSDT&side=BUY&type=MARKET&quantity=0.020";
const LIMIT: &str = "symbol=BTCUSDT&side=BUY&type=LIMIT&timeInForce=GTC&quantity=0.010";

/// Calls that must be answered: method, path, query.
async fn all(bases: &Bases, calls: &[(&str, &str, &str)]) {
    for (method, path, query) in calls {
        call(bases, method, path, query).await;
    }
}

/// One of everything that an account may have.
async fn use_account(bases: &Bases) {
    let (low, high) = around(bases).await;
    let leverage = "symbol=BTCUSDT&leverage=7";
    let taker = format!("{BUY}&newClientOrderId=taker");
    all(
        bases,
        &[
            ("POST", "/fapi/v1/leverage", leverage),
            ("POST", ORDER, &taker),
        ],
    )
    .await;
    for number in 0..3 {
        let named = format!("{LIMIT}&price={}&newClientOrderId=r{number}", low - number);
        call(bases, "POST", ORDER, &named).await;
    }
    let changed =
        format!("symbol=BTCUSDT&side=BUY&origClientOrderId=r2&quantity=0.011&price={low}");
    let stop = format!(
        "algoType=CONDITIONAL&symbol=BTCUSDT&side=SELL&type=STOP_MARKET&triggerPrice={}\
         &closePosition=true&clientAlgoId=stop",
        low - 1_000
    );
    let countdown = "symbol=BTCUSDT&countdownTime=600000";
    let list = format!(
        "symbol=BTCUSDT&side=SELL&quantity=0.01&aboveType=LIMIT_MAKER&abovePrice={high}\
         &belowType=STOP_LOSS&belowStopPrice={low}&listClientOrderId=pair"
    );
    all(
        bases,
        &[
            ("DELETE", ORDER, "symbol=BTCUSDT&origClientOrderId=r1"),
            ("PUT", ORDER, &changed),
            ("POST", "/fapi/v1/algoOrder", &stop),
            ("POST", "/fapi/v1/countdownCancelAll", countdown),
            ("POST", "/api/v3/orderList/oco", &list),
            ("POST", "/api/v3/order", BUY),
        ],
    )
    .await;
    let moved = r#"{"amount":"12.5"}"#;
    let (status, _) = http(bases.control, "POST", "/sim/v1/transfer", moved).await;
    assert_eq!(status, 200);
}

#[tokio::test]
async fn everything_that_was_answered_is_known_afterwards() {
    let directory = directory("everything");
    let bases = open(&directory).await;
    use_account(&bases).await;
    let key = call(&bases, "POST", "/fapi/v1/listenKey", "").await;
    let before = memory(&bases).await;
    close(bases);
    let bases = open(&directory).await;
    assert_eq!(memory(&bases).await, before);
    let again = call(&bases, "POST", "/fapi/v1/listenKey", "").await;
    assert_eq!(again, key, "the listen key lives on");
    let settings = call(&bases, "GET", "/fapi/v1/symbolConfig", "symbol=BTCUSDT").await;
    assert_eq!(settings[0]["leverage"], 7);
}

/// The ids of all answers of a list.
async fn ids(bases: &Bases, path: &str, name: &str) -> Vec<i64> {
    let list = call(bases, "GET", path, "symbol=BTCUSDT").await;
    let list = list.as_array().unwrap().iter();
    list.map(|one| one[name].as_i64().unwrap()).collect()
}

#[tokio::test]
async fn ids_go_on_and_what_is_open_can_be_ended() {
    let directory = directory("goes-on");
    let bases = open(&directory).await;
    use_account(&bases).await;
    close(bases);
    let bases = open(&directory).await;
    let orders = ids(&bases, "/fapi/v1/allOrders", "orderId").await;
    let trades = ids(&bases, "/fapi/v1/userTrades", "id").await;
    let next = call(&bases, "POST", ORDER, BUY).await["orderId"].as_i64();
    assert_eq!(next, orders.iter().max().map(|last| last + 1));
    let newer = ids(&bases, "/fapi/v1/userTrades", "id").await;
    let newer = newer.into_iter().filter(|id| !trades.contains(id)).min();
    assert_eq!(newer, trades.iter().max().map(|last| last + 1));
    let first = call(&bases, "GET", ORDER, "symbol=BTCUSDT&origClientOrderId=r0").await;
    let price = first["price"].as_str().unwrap();
    let again = format!("{LIMIT}&price={price}&newClientOrderId=r0");
    let (_, refused) = answer(&bases, "POST", ORDER, &again).await;
    assert_eq!(refused["code"], -4116, "its name is taken: {refused}");
    let list = "symbol=BTCUSDT&listClientOrderId=pair";
    all(
        &bases,
        &[
            ("DELETE", ORDER, "symbol=BTCUSDT&origClientOrderId=r0"),
            ("DELETE", "/fapi/v1/algoOrder", "clientAlgoId=stop"),
            ("DELETE", "/api/v3/orderList", list),
        ],
    )
    .await;
    // And once more, from changes behind a snapshot of a restored exchange.
    let before = memory(&bases).await;
    close(bases);
    let bases = open(&directory).await;
    assert_eq!(memory(&bases).await, before);
}

#[tokio::test]
async fn accounts_with_keys_of_their_own_are_known_afterwards() {
    let directory = directory("accounts");
    let bases = open(&directory).await;
    let new = r#"{"name":"second","api_key":"k2","secret":"s2","usdm":"5000","fee_tier":3,
        "maker":"0.00012","spot":{"USDT":"77","BTC":"2"}}"#;
    assert_eq!(
        http(bases.control, "POST", "/sim/v1/accounts", new).await.0,
        200
    );
    let (_, before) = http(bases.control, "GET", "/sim/v1/accounts", "").await;
    close(bases);
    let bases = open(&directory).await;
    let (_, after) = http(bases.control, "GET", "/sim/v1/accounts", "").await;
    assert_eq!(after, before);
    assert_eq!(after["accounts"][1]["wallet_usdt"], "5000.00000000");
    let (status, _) = http(bases.control, "POST", "/sim/v1/accounts", new).await;
    assert_eq!(status, 400, "its key is taken");
}

#[tokio::test]
async fn the_market_alone_writes_nothing() {
    let directory = directory("market");
    let text = directory.display().to_string();
    let bases = start(&["--speed", "20", "--state-dir", &text]).await;
    let deadline = Instant::now() + Duration::from_secs(60);
    let lines = |bases: &Bases| bases.shared.lock().state.as_ref().unwrap().lines();
    while bases.shared.lock().usdm.events() < 2_000 {
        assert!(Instant::now() < deadline, "the market stands still");
        tokio::task::yield_now().await;
    }
    call(&bases, "GET", "/fapi/v1/openOrders", "symbol=BTCUSDT").await;
    assert_eq!(lines(&bases), 0);
    // A batch is one piece of work, and one line.
    let one = json!({"symbol": "BTCUSDT", "side": "BUY", "type": "MARKET", "quantity": "0.010"});
    let batch = json!([one, one, one]).to_string();
    let escaped: String = batch.bytes().map(|byte| format!("%{byte:02X}")).collect();
    call(
        &bases,
        "POST",
        "/fapi/v1/batchOrders",
        &format!("batchOrders={escaped}"),
    )
    .await;
    assert_eq!(lines(&bases), 1);
}

/// Snapshots take the place of logs while orders come and go, and nothing is lost.
#[tokio::test]
async fn snapshots_take_the_place_of_long_logs() {
    let directory = directory("rotation");
    let bases = open(&directory).await;
    bases
        .shared
        .lock()
        .state
        .as_mut()
        .unwrap()
        .set_log_bytes_max(4_096);
    let (low, _) = around(&bases).await;
    let deadline = Instant::now() + Duration::from_secs(60);
    let mut number = 0;
    // Until the log that was there first is gone.
    while directory.join("changes-000000000001").exists() || number < 40 {
        assert!(
            Instant::now() < deadline,
            "no snapshot after {number} orders"
        );
        number += 1;
        let named = format!("{LIMIT}&price={low}&newClientOrderId=n{number}");
        call(&bases, "POST", "/fapi/v1/order", &named).await;
        let named = format!("symbol=BTCUSDT&origClientOrderId=n{number}");
        call(&bases, "DELETE", "/fapi/v1/order", &named).await;
    }
    let before = memory(&bases).await;
    close(bases);
    let bases = open(&directory).await;
    assert_eq!(memory(&bases).await, before);
}

/// What an exchange says that does not start over a directory.
fn refusal(directory: &Path, arguments: &[&str]) -> String {
    let text = directory.display().to_string();
    let name = ["simulated-exchange", "--state-dir", &text];
    let options = Options::try_parse_from(name.iter().chain(arguments)).unwrap();
    match assembly::build(&options) {
        Ok(_) => panic!("it starts"),
        Err(error) => error.to_string(),
    }
}

/// A directory with a snapshot and three orders behind it, and the exchange's arguments.
async fn used(name: &str) -> (PathBuf, [&'static str; 2]) {
    let directory = directory(name);
    let bases = open(&directory).await;
    let arguments = ["--symbols", "BTCUSDT"];
    let taken = refusal(&directory, &arguments);
    let said = "another process has this state directory";
    assert!(taken.contains(said), "{taken}");
    all(&bases, &[("POST", ORDER, BUY); 3]).await;
    close(bases);
    (directory, arguments)
}

#[tokio::test]
async fn what_is_of_another_exchange_is_refused_by_name() {
    let (directory, _) = used("other").await;
    let other = refusal(&directory, &["--symbols", "BTCUSDT,ETHUSDT"]);
    let said = "its USD-M trades BTCUSDT, not BTCUSDT,ETHUSDT";
    assert!(other.contains(said), "{other}");
    let secret = Path::new(env!("CARGO_TARGET_TMPDIR")).join("state-secret");
    std::fs::write(&secret, "secret").unwrap();
    let secret = secret.display().to_string();
    let mut key = vec!["--symbols", "BTCUSDT", "--api-key", "mine"];
    key.extend(["--api-secret-file", &secret]);
    let other = refusal(&directory, &key);
    let said = "for any API key, not for the API key mine";
    assert!(other.contains(said), "{other}");
}

#[tokio::test]
async fn torn_files_are_refused_by_place_and_a_torn_last_line_is_left_out() {
    let (directory, btc) = used("torn").await;
    let snapshot = directory.join("snapshot");
    let log = directory.join("changes-000000000001");
    let whole = std::fs::read(&snapshot).unwrap();
    let lines = std::fs::read(&log).unwrap();
    let refused = |said: &str| {
        let found = refusal(&directory, &btc);
        assert!(found.contains(said), "{said}: {found}");
    };
    std::fs::write(&snapshot, &whole[..whole.len() - 9]).unwrap();
    refused("snapshot:2: a line of");
    refused("without its end");
    let mut changed = whole.clone();
    let place = changed.len() / 2;
    changed[place] ^= 1;
    std::fs::write(&snapshot, &changed).unwrap();
    refused("snapshot:2: a line whose sum is not that of its text");
    std::fs::remove_file(&snapshot).unwrap();
    refused("missing beside its logs");
    std::fs::write(&snapshot, &whole).unwrap();
    let mut changed = lines.clone();
    changed[20] ^= 1;
    std::fs::write(&log, &changed).unwrap();
    refused("changes-000000000001:1: a line whose sum");

    // The process died while it wrote its last line, and nobody was answered.
    std::fs::write(&log, &lines[..lines.len() - 5]).unwrap();
    let bases = open(&directory).await;
    let orders = call(&bases, "GET", "/fapi/v1/allOrders", "symbol=BTCUSDT").await;
    assert_eq!(orders.as_array().unwrap().len(), 2);
}

/// A state of a later version, with a sum that is right.
#[tokio::test]
async fn another_version_is_refused_by_name() {
    let directory = directory("version");
    close(open(&directory).await);
    let snapshot = directory.join("snapshot");
    let text = std::fs::read_to_string(&snapshot).unwrap();
    let (head, rest) = text.split_once('\n').unwrap();
    let json = head[17..].replace("\"version\":1", "\"version\":9");
    let digest = ring::digest::digest(&ring::digest::SHA256, json.as_bytes());
    let sum: String = digest.as_ref()[..8]
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect();
    std::fs::write(&snapshot, format!("{sum} {json}\n{rest}")).unwrap();
    let other = refusal(&directory, &["--symbols", "BTCUSDT"]);
    assert!(
        other.contains("state version 9, this build reads 1"),
        "{other}"
    );
}

/// Its directory is gone: no order is answered as taken, and the exchange says why it ends.
#[tokio::test]
async fn an_exchange_that_cannot_write_takes_no_order_and_ends() {
    let directory = directory("gone");
    let bases = open(&directory).await;
    bases
        .shared
        .lock()
        .state
        .as_mut()
        .unwrap()
        .set_log_bytes_max(1);
    std::fs::remove_dir_all(&directory).unwrap();
    let (status, body) = answer(&bases, "POST", ORDER, BUY).await;
    assert_eq!((status, &body["code"]), (503, &json!(-1001)));
    let (status, _) = answer(&bases, "GET", "/fapi/v1/openOrders", "").await;
    assert_eq!(status, 503);
    let ended = bases.shared.clone().run().await;
    assert!(
        ended.contains("changes-000000000002: No such file"),
        "{ended}"
    );
}

/// Orders that rest stand behind what the new market has at their price, and what it has passed fills.
#[tokio::test]
async fn open_orders_go_on_in_the_new_market() {
    let directory = directory("queue");
    let bases = open(&directory).await;
    let (_, state) = http(bases.control, "GET", "/sim/v1/state", "").await;
    let bid = state["usdm"]["instruments"][0]["bid"][0].as_str().unwrap();
    let limit = "symbol=BTCUSDT&side=BUY&type=LIMIT&timeInForce=GTX&quantity=0.010";
    let limit = format!("{limit}&price={bid}");
    call(&bases, "POST", "/fapi/v1/order", &limit).await;
    close(bases);
    // Built, and not running: its book is the one that the market starts with.
    let text = directory.display().to_string();
    let name = [
        "simulated-exchange",
        "--symbols",
        "BTCUSDT",
        "--state-dir",
        &text,
    ];
    let exchange = assembly::build(&Options::try_parse_from(name).unwrap()).unwrap();
    let venue = &exchange.usdm.venue;
    let order = venue
        .open_orders(market::InstrumentId(0))
        .next()
        .copied()
        .unwrap();
    let standing = venue
        .view(market::InstrumentId(0))
        .quantity_at(market::Side::Buy, order.request.price);
    assert!(standing.0 > 0, "somebody stands at {bid}");
    assert_eq!(order.queue.ahead(), standing.0);
}
