//! An exchange without sockets that takes any bytes as a request.
//!
//! In: bytes of the fuzzer. Out: an answer that holds what every answer must hold. Never: a
//! request that ends at the key, the signature, the clock or the weights; what lies behind those
//! is looked at too.

use std::cell::RefCell;

use clap::Parser as _;
use market::Market;
use simulated_exchange::api::endpoint::Endpoint;
use simulated_exchange::api::rest;
use simulated_exchange::api::tables::rows;
use simulated_exchange::api::weights::Weights;
use simulated_exchange::api::ws_api::{self, Session};
use simulated_exchange::assembly;
use simulated_exchange::exchange::Exchange;
use simulated_exchange::options::Options;
use simulated_exchange::streams::names::Route;

/// Requests after which the exchange is made anew, so that the orders of a run do not pile up.
const REQUESTS_MAX: u32 = 20_000;

/// Parameters of calls that succeed. They stand behind the fuzzer's, and the first one counts: what
/// it does not spoil leads to where orders rest, move, trade and end.
const GOOD: [(&str, &str); 20] = [
    ("symbol", "BTCUSDT"),
    ("side", "BUY"),
    ("type", "LIMIT"),
    ("timeInForce", "GTC"),
    ("quantity", "0.010"),
    ("price", "40000.0"),
    ("triggerPrice", "40000.0"),
    ("algoType", "CONDITIONAL"),
    ("origClientOrderId", "one"),
    ("newClientOrderId", "one"),
    ("cancelOrigClientOrderId", "one"),
    ("cancelReplaceMode", "ALLOW_FAILURE"),
    ("newQty", "0.005"),
    ("interval", "1m"),
    ("countdownTime", "0"),
    ("leverage", "5"),
    ("marginType", "ISOLATED"),
    ("dualSidePosition", "true"),
    ("amount", "1"),
    ("feeBurn", "true"),
];

struct Bench {
    exchange: Exchange,
    sessions: [Session; 2],
    requests: u32,
}

thread_local! {
    static BENCH: RefCell<Option<Bench>> = const { RefCell::new(None) };
}

fn make() -> Bench {
    let options = Options::try_parse_from(["simulated-exchange"]).expect("no argument is needed");
    let mut exchange = assembly::build(&options).expect("a generated market");
    let now_ns = exchange.clock.now_ns();
    exchange.advance(now_ns);
    let now = exchange.clock.now();
    let sessions = [Market::UsdM, Market::Spot].map(|market| {
        let hub = &mut exchange.floor_mut(market).hub;
        let (connection, _) = hub.connect(Route::Private, false);
        Session {
            market,
            connected_since: now,
            // Logged on: neither key nor signature is asked for.
            logged_on: Some(("key".to_owned(), now)),
            connection,
            rate_limits: true,
        }
    });
    Bench {
        exchange,
        sessions,
        requests: 0,
    }
}

fn with(work: impl FnOnce(&mut Bench)) {
    BENCH.with_borrow_mut(|kept| {
        let bench = kept.get_or_insert_with(make);
        bench.exchange.usdm_weights = Weights::new(Market::UsdM);
        bench.exchange.spot_weights = Weights::new(Market::Spot);
        work(bench);
        bench.requests += 1;
        if bench.requests == REQUESTS_MAX {
            *kept = None;
        }
    });
}

/// The bytes are a query.
pub fn query(bytes: &[u8]) {
    let Some((choice, rest)) = bytes.split_first() else {
        return;
    };
    // A query is the text of a request line; other bytes do not reach it.
    if let Ok(text) = std::str::from_utf8(rest) {
        with(|bench| call(bench, *choice, Some(text), b""));
    }
}

/// The bytes are a body.
pub fn body(bytes: &[u8]) {
    if let Some((choice, rest)) = bytes.split_first() {
        with(|bench| call(bench, *choice, None, rest));
    }
}

/// One of all calls that there are.
fn endpoint(choice: u8) -> (Market, &'static Endpoint) {
    let all = [Market::UsdM, Market::Spot].map(rows);
    let mut calls = [Market::UsdM, Market::Spot]
        .into_iter()
        .zip(all)
        .flat_map(|(market, rows)| rows.iter().map(move |row| (market, row)))
        .filter(|(_, row)| !row.path.is_empty());
    let count = calls.clone().count();
    calls
        .nth(usize::from(choice) % count)
        .expect("there are calls")
}

fn call(bench: &mut Bench, choice: u8, query: Option<&str>, body: &[u8]) {
    let (market, endpoint) = endpoint(choice);
    let now = bench.exchange.clock.now().0;
    // First, so that it wins over what the fuzzer writes.
    let good = GOOD
        .map(|(name, value)| format!("{name}={value}"))
        .join("&");
    let query = format!(
        "timestamp={now}&recvWindow=60000&signature=00&{}&{good}",
        query.unwrap_or_default()
    );
    let request = rest::Request {
        method: endpoint.method,
        path: endpoint.path,
        query: &query,
        body,
        key: Some("key"),
    };
    let reply = rest::handle(&mut bench.exchange, market, &request);
    assert!((200..600).contains(&reply.status), "{}", reply.status);
    if let Some(body) = reply.body {
        assert_json(&body);
    }
}

/// The bytes are a frame of the WebSocket API.
pub fn frame(bytes: &[u8]) {
    let Some((choice, rest)) = bytes.split_first() else {
        return;
    };
    let Ok(text) = std::str::from_utf8(rest) else {
        return;
    };
    with(|bench| {
        let session = &mut bench.sessions[usize::from(choice % 2)];
        let mut session = session.clone();
        let now = bench.exchange.clock.now();
        // The fuzzer cannot know the time; it writes this word instead.
        let text = match choice & 2 {
            0 => text.to_owned(),
            _ => call_around(text, choice >> 2),
        };
        let text = text.replace("NOW", &now.0.to_string());
        let now_ns = bench.exchange.clock.now_ns();
        if let Some(answer) = ws_api::handle(&mut bench.exchange, &mut session, &text, now_ns) {
            assert_json(&answer);
        }
        bench.exchange.send_private(now);
    });
}

/// A call with good parameters, and the fuzzer's text among them.
fn call_around(text: &str, choice: u8) -> String {
    let (_, endpoint) = endpoint(choice);
    let method = endpoint.ws_methods.first().unwrap_or(&"order.place");
    let good = GOOD
        .map(|(name, value)| format!("\"{name}\":\"{value}\""))
        .join(",");
    format!(r#"{{"id":1,"method":"{method}","params":{{{good},"timestamp":NOW{text}}}}}"#)
}

/// An answer is one JSON text, whatever was asked.
fn assert_json(bytes: &[u8]) {
    if let Err(error) = serde_json::from_slice::<serde_json::Value>(bytes) {
        panic!("no JSON: {error}: {}", String::from_utf8_lossy(bytes));
    }
}
