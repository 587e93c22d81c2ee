//! The arrival log: fed to `matching` without a server it makes the same account.
//!
//! In: orders over sockets on a fast generated market. Out: passes, or the first difference.
//! Never: a wait without end.

use std::time::{Duration, Instant};

use crate::support::{Bases, http, signed, start};
use market::decimal::TEXT_MAX;
use market::{Market, Side};
use matching::Venue;
use simulated_exchange::arrival_log::replay;

/// Everything that a fill, a fee or a position could differ in.
fn books(venue: &Venue) -> Vec<String> {
    let fills = venue.fills().map(|fill| format!("{fill:?}"));
    let lists = venue.lists().map(|list| format!("{list:?}"));
    let orders = venue.orders().map(|order| format!("{order:?}"));
    let account = std::iter::once(format!("{:?} {:?}", venue.account(), venue.totals()));
    fills.chain(orders).chain(lists).chain(account).collect()
}

/// The best prices of ETHUSDT once the market has had so many events.
async fn best(bases: &Bases, base: &str, events: usize, deadline: Instant) -> [String; 2] {
    loop {
        assert!(Instant::now() < deadline, "the market stands still");
        {
            let exchange = bases.shared.lock();
            let of = if base.starts_with("/fapi") {
                Market::UsdM
            } else {
                Market::Spot
            };
            let floor = exchange.floor(of);
            if floor.events() >= events as u64 {
                let instrument = *floor.find("ETHUSDT").expect("a generated symbol");
                let view = floor.venue.view(instrument.id);
                return [Side::Buy, Side::Sell].map(|side| {
                    let price = view.best(side).expect("a full book").price;
                    let text = instrument.write_price(price, &mut [0; TEXT_MAX]).to_vec();
                    String::from_utf8(text).expect("digits")
                });
            }
        }
        tokio::task::yield_now().await;
    }
}

/// For spot, which every sixth request is one of, a stop near the best prices and a list around
/// them: paths and queries.
fn waiting(number: usize, [bid, ask]: &[String; 2]) -> Vec<(&'static str, String)> {
    if !number.is_multiple_of(6) {
        return Vec::new();
    }
    let shifted = |text: &str, away: f64| {
        let price: f64 = text.parse().expect("a price");
        format!("{:.2}", price + away)
    };
    let stop = format!(
        "symbol=ETHUSDT&quantity=0.050&side=BUY&type=STOP_LOSS&stopPrice={}",
        shifted(ask, 0.5)
    );
    let list = format!(
        "symbol=ETHUSDT&workingType=LIMIT&workingSide=BUY&workingTimeInForce=GTC\
         &workingQuantity=0.050&workingPrice={ask}&listClientOrderId=l{number}\
         &pendingSide=SELL&pendingQuantity=0.040&pendingAboveType=LIMIT_MAKER\
         &pendingAbovePrice={}&pendingBelowType=STOP_LOSS&pendingBelowStopPrice={}",
        shifted(ask, 0.4),
        shifted(bid, -0.6)
    );
    vec![("order", stop), ("orderList/otoco", list)]
}

/// Runs a market with orders under a queue model until some of them were filled as makers; with
/// latency where that is said.
async fn check(model: &str, latency: Option<&str>) {
    let late = if latency.is_some() { "-late" } else { "" };
    let name = format!("arrivals-{}{late}.log", model.replace(':', "-"));
    let path = std::path::Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
    let file = path.display().to_string();
    let mut arguments = vec!["--speed", "20", "--queue-model", model];
    arguments.extend(["--arrival-log", &file]);
    arguments.extend(latency.into_iter().flat_map(|parts| ["--latency", parts]));
    let bases = start(&arguments).await;
    let deadline = Instant::now() + Duration::from_secs(60);
    let mut made = 0;
    let mut number = 0;
    while made < 20 {
        assert!(
            Instant::now() < deadline,
            "{model}: only {made} maker fills"
        );
        for (address, base) in [(bases.usdm, "/fapi/v1"), (bases.spot, "/api/v3")] {
            number += 1;
            let [bid, ask] = best(&bases, base, number * 150, deadline).await;
            let call = async |method: &str, path: &str, query: &str| {
                let query = signed(&bases.shared, query);
                let target = format!("{base}/{path}?{query}");
                let (status, body) = http(address, method, &target, "").await;
                assert!([200, 400].contains(&status), "{target}: {status} {body}");
            };
            let order = "symbol=ETHUSDT&quantity=0.050";
            let limit = format!("{order}&type=LIMIT&timeInForce=GTC");
            let (side, price) = [("BUY", &bid), ("SELL", &ask)][number / 2 % 2];
            let resting = format!("{limit}&side={side}&price={price}&newClientOrderId=r{number}");
            call("POST", "order", &resting).await;
            if number % 5 == 0 {
                let taking = format!("{order}&type=MARKET&side={side}");
                call("POST", "order", &taking).await;
            }
            if number % 7 == 0 {
                let earlier = number - 4;
                let named = format!("symbol=ETHUSDT&origClientOrderId=r{earlier}");
                call("DELETE", "order", &named).await;
            }
            for (path, query) in waiting(number, &[bid.clone(), ask.clone()]) {
                call("POST", path, &query).await;
            }
            if number % 9 == 0 {
                http(
                    address,
                    "POST",
                    "/fapi/v1/leverage?symbol=ETHUSDT&leverage=10",
                    "",
                )
                .await;
            }
        }
        let exchange = bases.shared.lock();
        let fills = exchange
            .usdm
            .venue
            .fills()
            .chain(exchange.spot.venue.fills());
        made = fills
            .filter(|fill| fill.liquidity == market::Liquidity::Maker)
            .count();
    }
    let delayed = bases.shared.lock().delays.requests();
    assert_eq!(delayed > 0, latency.is_some(), "{delayed} requests");
    compare(&bases, &path, model);
}

/// The log, played without a server, against the server's own books.
fn compare(bases: &Bases, path: &std::path::Path, model: &str) {
    let (usdm, spot) = {
        let mut exchange = bases.shared.lock();
        let lists = exchange.spot.venue.lists().count();
        assert!(lists > 0, "{model}: no list was accepted");
        exchange.usdm.write_arrivals(true);
        exchange.spot.write_arrivals(true);
        (books(&exchange.usdm.venue), books(&exchange.spot.venue))
    };
    let text = std::fs::read_to_string(path).expect("a log");
    // The market goes on; what it wrote since then is another story.
    let venues = replay(&text).expect("a sound log");
    for (market, expected) in [(Market::UsdM, usdm), (Market::Spot, spot)] {
        let venue = venues.iter().find(|(of, _)| *of == market);
        let found = books(&venue.expect("both markets are in the log").1);
        assert_eq!(found.len(), expected.len(), "{model} {market}");
        for (found, expected) in found.iter().zip(&expected) {
            assert_eq!(found, expected, "{model} {market}");
        }
    }
}

#[tokio::test]
async fn the_log_makes_the_same_account_without_a_server() {
    for model in ["risk-averse", "power:3", "log"] {
        check(model, None).await;
    }
}

#[tokio::test]
async fn the_log_makes_the_same_account_under_latency() {
    let page = std::path::Path::new(env!("CARGO_TARGET_TMPDIR")).join("arrivals-latency.txt");
    let buckets = [("0.001", 3), ("0.002", 5), ("0.01", 8), ("+Inf", 9)];
    let lines = buckets.map(|(bound, count)| {
        format!("fulcrum_order_ack_duration_seconds_bucket{{le=\"{bound}\"}} {count}\n")
    });
    std::fs::write(&page, lines.concat()).expect("a writable folder");
    let file = page.display();
    let latency = format!("feed=1.5,order={file},response={file}");
    check("risk-averse", Some(&latency)).await;
}

#[test]
fn a_broken_log_is_refused_by_its_line() {
    let start = "# fulcrum arrivals 1\nV usdm 1 2 3 4 5 6 log\n";
    assert_eq!(replay(start).map(|venues| venues.len()), Ok(0));
    for (wrong, line) in [
        ("", "line 1"),
        ("# fulcrum arrivals 2\n", "line 1"),
        ("# fulcrum arrivals 1\nM usdm 0 5\n", "line 2"),
        ("# fulcrum arrivals 1\nV usdm 1 2 3 4 5 6 log 7\n", "line 2"),
        ("# fulcrum arrivals 1\nX usdm 1\n", "line 2"),
        (
            "# fulcrum arrivals 1\nV nowhere 1 2 3 4 5 6 log\n",
            "line 2",
        ),
    ] {
        let error = replay(wrong).map(|_| ()).expect_err(wrong);
        assert!(error.starts_with(line), "{wrong}: {error}");
    }
}
