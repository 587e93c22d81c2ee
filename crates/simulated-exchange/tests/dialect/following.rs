//! A market that is followed: another exchange's frames, book and outages, and orders that stay here.
//!
//! In: one exchange with a generated market, one that follows it. Out: assertions. Never: a sleep; a
//! wait without a deadline.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use crate::support::{Bases, http, open, request, signed, start};
use clap::Parser as _;
use market::Market;
use matching::Venue;
use serde_json::{Value, json};
use simulated_exchange::arrival_log::replay;
use simulated_exchange::assembly;
use simulated_exchange::options::Options;
use simulated_exchange::server::{Ports, tls};

/// Everything that a fill, a fee, a position or a filter could differ in.
fn books(venue: &Venue) -> Vec<String> {
    let fills = venue.fills().map(|fill| format!("{fill:?}"));
    let orders = venue.orders().map(|order| format!("{order:?}"));
    let listed = venue.instruments().iter().map(|one| format!("{one:?}"));
    let account = std::iter::once(format!("{:?} {:?}", venue.account(), venue.totals()));
    fills.chain(orders).chain(listed).chain(account).collect()
}

const DEADLINE: Duration = Duration::from_secs(60);

/// An exchange with these arguments, its authority when it serves TLS.
async fn start_with(arguments: &[&str], with_tls: bool) -> (Bases, String) {
    let name = ["simulated-exchange", "--listen", "127.0.0.1:0"];
    let options = Options::try_parse_from(name.iter().chain(arguments)).expect("arguments");
    let ports = Ports::open(options.addresses().expect("port 0")).await;
    let ports = ports.expect("free ports");
    let [usdm, spot, control] = ports.addresses().expect("bound");
    let shared = assembly::start(&options).await.expect("a market");
    let (acceptor, authority) = tls::acceptor().expect("a certificate");
    tokio::spawn(shared.clone().run());
    tokio::spawn(ports.serve(shared.clone(), with_tls.then_some(acceptor)));
    let bases = Bases {
        usdm,
        spot,
        control,
        shared,
    };
    (bases, authority)
}

/// One that follows both markets of another.
async fn follow(leader: &Bases, more: &[&str]) -> Bases {
    let (usdm, spot) = (leader.usdm, leader.spot);
    let (usdm, spot) = (format!("http://{usdm}"), format!("http://{spot}"));
    let mut arguments = vec!["--symbols", "BTCUSDT"];
    arguments.extend(["--follow", &usdm, "--follow-spot", &spot]);
    arguments.extend(more);
    start_with(&arguments, false).await.0
}

async fn leader() -> Bases {
    start(&["--generate", "--symbols", "BTCUSDT,ETHUSDT"]).await
}

async fn ask(address: SocketAddr, target: &str) -> Value {
    let (status, body) = http(address, "GET", target, "").await;
    assert_eq!(status, 200, "{target}: {body}");
    body
}

async fn tell(exchange: &Bases, target: &str, body: Value) {
    let (status, answer) = http(exchange.control, "POST", target, &body.to_string()).await;
    assert_eq!(status, 200, "{target}: {answer}");
}

/// Waits until a question has the answer that is waited for.
async fn until<T>(what: &str, mut question: impl AsyncFnMut() -> Option<T>) -> T {
    let deadline = Instant::now() + DEADLINE;
    loop {
        if let Some(answer) = question().await {
            return answer;
        }
        assert!(Instant::now() < deadline, "not in time: {what}");
        tokio::task::yield_now().await;
    }
}

/// How the first followed instrument of a market stands.
async fn standing(follower: &Bases, market: &str) -> Value {
    let state = ask(follower.control, "/sim/v1/state").await;
    state[market]["following"][0].clone()
}

async fn in_sync(follower: &Bases) {
    for market in ["usdm", "spot"] {
        until(market, async || {
            let in_sync = standing(follower, market).await["in_sync"] == true;
            in_sync.then_some(())
        })
        .await;
    }
}

/// The best levels and the version of a book.
async fn book(exchange: &Bases, market: &str) -> Value {
    let target = format!("/sim/v1/book?symbol=BTCUSDT&market={market}");
    let mut book = ask(exchange.control, &target).await;
    for side in ["bids", "asks"] {
        let levels = book[side].as_array_mut().expect("levels");
        assert!(levels.len() > 100, "{market} {side}: {}", levels.len());
        levels.truncate(100);
    }
    book
}

/// Stops the leader and waits until both have the same books.
async fn assert_same_books(leader: &Bases, follower: &Bases) {
    tell(leader, "/sim/v1/market", json!({"paused": true})).await;
    for market in ["usdm", "spot"] {
        until(&format!("the same book of {market}"), async || {
            let (theirs, ours) = (book(leader, market).await, book(follower, market).await);
            (theirs == ours).then_some(())
        })
        .await;
    }
}

#[tokio::test]
async fn books_and_filters_are_those_of_the_followed_exchange() {
    let leader = leader().await;
    let follower = follow(&leader, &[]).await;
    in_sync(&follower).await;
    let info = ask(follower.usdm, "/fapi/v1/exchangeInfo").await;
    let theirs = ask(leader.usdm, "/fapi/v1/exchangeInfo").await;
    assert_eq!(info["symbols"].as_array().map(Vec::len), Some(1));
    assert_eq!(
        info["symbols"][0]["filters"],
        theirs["symbols"][0]["filters"]
    );
    until("500 frames", async || {
        let frames = standing(&follower, "usdm").await["frames"].as_u64();
        (frames > Some(500)).then_some(())
    })
    .await;
    assert_same_books(&leader, &follower).await;
    let standing = standing(&follower, "usdm").await;
    assert_eq!(
        (&standing["gaps"], &standing["unreadable"]),
        (&json!(0), &json!(0))
    );
}

#[tokio::test]
async fn frames_are_told_on_as_they_came() {
    let leader = leader().await;
    let follower = follow(&leader, &[]).await;
    in_sync(&follower).await;
    for (stream, route, id) in [
        ("btcusdt@depth@100ms", "/public", "u"),
        ("btcusdt@bookTicker", "/public", "u"),
        ("btcusdt@aggTrade", "/market", "a"),
        ("btcusdt@trade", "/market", "t"),
        ("btcusdt@markPrice@1s", "/market", "E"),
    ] {
        let path = format!("{route}/ws/{stream}");
        let mut theirs = open(leader.usdm, &path).await;
        let mut ours = open(follower.usdm, &path).await;
        let (mut left, mut right) = (theirs.next().await, ours.next().await);
        let mut same = 0;
        while same < 3 {
            let number = |frame: &Value| frame[id].as_u64().expect("an id");
            if number(&left) < number(&right) {
                left = theirs.next().await;
            } else if number(&left) > number(&right) {
                right = ours.next().await;
            } else {
                assert_eq!(left, right, "{stream}");
                same += 1;
                left = theirs.next().await;
                right = ours.next().await;
            }
        }
    }
}

#[tokio::test]
async fn a_gap_is_an_outage_until_the_next_snapshot() {
    let leader = leader().await;
    let follower = follow(&leader, &[]).await;
    in_sync(&follower).await;
    tell(&leader, "/sim/v1/fault", json!({"fault": "snapshot-429:4"})).await;
    tell(&leader, "/sim/v1/fault", json!({"fault": "gap:1"})).await;
    // The gap hits one of the followed books; whichever it is, it is an outage here.
    let market = until("an outage", async || {
        for market in ["usdm", "spot"] {
            if standing(&follower, market).await["in_sync"] == false {
                return Some(market);
            }
        }
        None
    })
    .await;
    let text = "symbol=BTCUSDT&side=BUY&type=MARKET&quantity=0.01";
    let query = signed(&follower.shared, text);
    let (address, path) = match market {
        "usdm" => (follower.usdm, "/fapi/v1/order"),
        _ => (follower.spot, "/api/v3/order"),
    };
    let (status, answer) = http(address, "POST", &format!("{path}?{query}"), "").await;
    assert_eq!((status, &answer["code"]), (503, &json!(-1001)), "{answer}");
    in_sync(&follower).await;
    let standing = standing(&follower, market).await;
    assert_eq!(standing["gaps"], 1, "{standing}");
    assert_eq!(standing["snapshots"], 2, "{standing}");
    let (status, answer) = http(address, "POST", &format!("{path}?{query}"), "").await;
    assert_eq!(status, 200, "{answer}");
    assert_same_books(&leader, &follower).await;
}

#[tokio::test]
async fn a_broken_connection_is_opened_again_and_the_book_fetched_anew() {
    let leader = leader().await;
    let follower = follow(&leader, &[]).await;
    in_sync(&follower).await;
    tell(&leader, "/sim/v1/fault", json!({"fault": "disconnect:1"})).await;
    until("a new snapshot", async || {
        for market in ["usdm", "spot"] {
            let standing = standing(&follower, market).await;
            let again = standing["snapshots"] == 2 && standing["disconnects"].as_u64() > Some(0);
            if again && standing["in_sync"] == true {
                return Some(());
            }
        }
        None
    })
    .await;
    in_sync(&follower).await;
    assert_same_books(&leader, &follower).await;
}

#[tokio::test]
async fn an_old_connection_is_replaced_without_a_missing_frame() {
    let leader = leader().await;
    let follower = follow(&leader, &["--follow-renew-s", "1"]).await;
    in_sync(&follower).await;
    until("frames of both connections", async || {
        let repeated = standing(&follower, "usdm").await["repeated"].as_u64();
        (repeated > Some(100)).then_some(())
    })
    .await;
    for market in ["usdm", "spot"] {
        let standing = standing(&follower, market).await;
        assert_eq!(standing["gaps"], 0, "{standing}");
        assert_eq!(standing["disconnects"], 0, "{standing}");
        assert_eq!(standing["snapshots"], 1, "{standing}");
    }
    assert_same_books(&leader, &follower).await;
}

#[tokio::test]
async fn orders_fill_in_the_followed_market_and_stay_here() {
    let leader = leader().await;
    let log = std::path::Path::new(env!("CARGO_TARGET_TMPDIR")).join("following.log");
    let file = log.display().to_string();
    let follower = follow(&leader, &["--arrival-log", &file]).await;
    in_sync(&follower).await;
    let filters = json!({"symbol": "BTCUSDT", "minimum_notional": 60});
    tell(&follower, "/sim/v1/listing", filters).await;
    tell(&follower, "/sim/v1/funding", json!({"amount_e8": -5})).await;
    let bid = book(&follower, "usdm").await["bids"][0][0].clone();
    let mut api = open(follower.usdm, "/ws-fapi/v1").await;
    let price = bid.as_str().expect("a price");
    let order = [
        ("symbol", "BTCUSDT"),
        ("side", "BUY"),
        ("type", "LIMIT"),
        ("timeInForce", "GTC"),
        ("quantity", "0.002"),
        ("price", price),
        ("newClientOrderId", "follow-1"),
    ];
    api.send(&request(&follower.shared, "order.place", &order))
        .await;
    let placed = api.next().await;
    assert_eq!(placed["status"], 200, "{placed}");
    let fill = until("a fill", async || {
        let history = ask(follower.control, "/sim/v1/history").await;
        history["fills"].get(0).cloned()
    })
    .await;
    assert_eq!(fill["client_order_id"], "follow-1");
    for market in ["usdm", "spot"] {
        let history = ask(leader.control, &format!("/sim/v1/history?market={market}")).await;
        assert_eq!(
            history["orders"],
            json!([]),
            "the followed one sees no order"
        );
    }
    let ours = {
        let mut exchange = follower.shared.lock();
        exchange.usdm.write_arrivals(true);
        exchange.spot.write_arrivals(true);
        books(&exchange.usdm.venue)
    };
    let text = std::fs::read_to_string(&log).expect("a log");
    let venues = replay(&text).expect("a sound log");
    let usdm = venues.iter().find(|(market, _)| *market == Market::UsdM);
    assert_eq!(books(&usdm.expect("it is in the log").1), ours);
}

#[tokio::test]
async fn an_encrypted_exchange_is_followed_by_its_authority_alone() {
    let (leader, authority) = start_with(&["--symbols", "BTCUSDT"], true).await;
    let file = std::env::temp_dir().join(format!("following-{}.pem", std::process::id()));
    std::fs::write(&file, authority).expect("a file");
    let usdm = format!("https://{}", leader.usdm);
    let name = file.to_str().expect("a name");
    let arguments = [
        "--symbols",
        "BTCUSDT",
        "--follow",
        &usdm,
        "--follow-ca",
        name,
    ];
    let (follower, _) = start_with(&arguments, false).await;
    until("the followed book", async || {
        let in_sync = standing(&follower, "usdm").await["in_sync"] == true;
        in_sync.then_some(())
    })
    .await;
    std::fs::remove_file(&file).expect("the file");
}

/// One signed request of USD-M.
async fn signed_call(exchange: &Bases, method: &str, path: &str, query: &str) -> (u16, Value) {
    let query = signed(&exchange.shared, query);
    http(exchange.usdm, method, &format!("{path}?{query}"), "").await
}

/// Time and rate come from there: charged when its time has passed on its clock, once, and on nobody
/// who follows no more than that.
#[tokio::test]
async fn funding_is_charged_when_the_followed_exchange_charges_it() {
    let leader = leader().await;
    let follower = follow(&leader, &[]).await;
    in_sync(&follower).await;
    let buy = "symbol=BTCUSDT&side=BUY&type=MARKET&quantity=0.100";
    let (status, answer) = signed_call(&follower, "POST", "/fapi/v1/order", buy).await;
    assert_eq!(status, 200, "{answer}");
    let premium =
        async |exchange: &Bases| ask(exchange.usdm, "/fapi/v1/premiumIndex?symbol=BTCUSDT").await;
    let due = premium(&leader).await["nextFundingTime"].clone();
    let due = due.as_i64().expect("a time");
    let known = || {
        let exchange = follower.shared.lock();
        let funding = &exchange.usdm.tape(market::InstrumentId(0)).funding;
        funding.due().map(|(time, _)| time.0)
    };
    until("the followed time", async || {
        known().filter(|time| *time == due)
    })
    .await;
    let now = leader.shared.lock().clock.now().0;
    let step = json!({"step_ms": due - now + 1});
    // Its market does not make up for the hours between.
    tell(&leader, "/sim/v1/market", json!({"paused": true})).await;
    tell(&leader, "/sim/v1/clock", step).await;
    tell(&leader, "/sim/v1/market", json!({"paused": false})).await;
    let later = until("the next time", async || known().filter(|time| *time > due)).await;
    assert_eq!(later, due + 8 * 3_600_000);
    let told = premium(&follower).await["nextFundingTime"].clone();
    assert_eq!(told, later);
    let query = "incomeType=FUNDING_FEE";
    let (_, lines) = signed_call(&follower, "GET", "/fapi/v1/income", query).await;
    assert_eq!(lines.as_array().map(Vec::len), Some(1), "{lines}");
    // Our own clock is not there yet, so that no list of the past has it.
    let (settled, owed) = {
        let mut exchange = follower.shared.lock();
        let instrument = exchange.usdm.venue.instruments()[0];
        let settled = exchange
            .usdm
            .tape_mut(instrument.id)
            .fundings(due, due, market::UtcMs(due));
        let value = instrument.notional(settled[0].mark, market::Quantity(100));
        (settled.len(), value.times(settled[0].rate))
    };
    assert_eq!(settled, 1);
    let income = lines[0]["income"].as_str().expect("money");
    let paid = market::parse_signed_decimal(income.as_bytes(), 8).expect("a decimal");
    assert_eq!(-paid, owed.0, "{lines}");
}

/// A halt there is a halt here, and other filters are other filters, until that has changed again.
#[tokio::test]
async fn status_and_filters_are_read_again() {
    let leader = leader().await;
    let follower = follow(&leader, &["--follow-listing-s", "1", "--no-limits"]).await;
    in_sync(&follower).await;
    let listed = async || {
        let info = ask(follower.usdm, "/fapi/v1/exchangeInfo").await;
        let symbol = &info["symbols"][0];
        let filters = symbol["filters"].as_array().expect("filters").clone();
        let least = filters
            .into_iter()
            .find(|one| one["filterType"] == "MIN_NOTIONAL");
        (
            symbol["status"].clone(),
            least.expect("a least notional")["notional"].clone(),
        )
    };
    let (open, _) = listed().await;
    let halt = json!({"symbol": "BTCUSDT", "status": "NOT_TRADING", "minimum_notional": 70});
    tell(&leader, "/sim/v1/listing", halt).await;
    until("a halt", async || {
        let (status, least) = listed().await;
        (status != open && least == "70").then_some(())
    })
    .await;
    let buy = "symbol=BTCUSDT&side=BUY&type=MARKET&quantity=0.100";
    let (status, answer) = signed_call(&follower, "POST", "/fapi/v1/order", buy).await;
    assert_eq!(status, 400, "{answer}");
    let end = json!({"symbol": "BTCUSDT", "status": "TRADING"});
    tell(&leader, "/sim/v1/listing", end).await;
    until("its end", async || (listed().await.0 == open).then_some(())).await;
    let (status, answer) = signed_call(&follower, "POST", "/fapi/v1/order", buy).await;
    assert_eq!(status, 200, "{answer}");
}
