//! What follows from a market: candles, tickers, trades, funding, over real sockets.
//!
//! In: a generated market, requests, subscriptions. Out: passes, or the answer that contradicts
//! another one. Never: a wait without end.
#![allow(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]

use crate::support::{Bases, http, open, start};
use serde_json::Value;

async fn get(bases: &Bases, target: &str) -> Value {
    let address = if target.starts_with("/api") {
        bases.spot
    } else {
        bases.usdm
    };
    let (status, body) = http(address, "GET", target, "").await;
    assert_eq!(status, 200, "{target}: {body}");
    body
}

async fn code(bases: &Bases, target: &str) -> i64 {
    let address = if target.starts_with("/api") {
        bases.spot
    } else {
        bases.usdm
    };
    let (status, body) = http(address, "GET", target, "").await;
    assert_eq!(status, 400, "{target}: {body}");
    body["code"].as_i64().expect("a code")
}

fn number(value: &Value) -> f64 {
    let text = value
        .as_str()
        .unwrap_or_else(|| panic!("{value} is no text"));
    text.parse()
        .unwrap_or_else(|_| panic!("{text} is no number"))
}

fn rows(body: &Value) -> &[Value] {
    body.as_array().expect("a list")
}

/// Every candle lies within its bounds, follows the one before, and has its price.
fn check_rows(rows: &[Value], length_ms: i64) {
    for (index, row) in rows.iter().enumerate() {
        let [o, h, l, c] = [1, 2, 3, 4].map(|at| number(&row[at]));
        assert!(l <= o.min(c) && h >= o.max(c) && l > 0.0, "{row}");
        assert_eq!(row.as_array().map(Vec::len), Some(12));
        assert_eq!(row[6], row[0].as_i64().expect("a time") + length_ms - 1);
        assert!(number(&row[9]) <= number(&row[5]) && number(&row[10]) <= number(&row[7]));
        if let Some(before) = index.checked_sub(1).map(|before| &rows[before]) {
            assert_eq!(row[0], before[0].as_i64().expect("a time") + length_ms);
            let jump = (o / number(&before[4]) - 1.0).abs();
            assert!(jump < 0.002, "{before} then {row}");
        }
    }
}

#[tokio::test]
async fn five_hundred_candles_are_there_at_the_start_and_join_the_live_ones() {
    let bases = start(&["--speed", "200"]).await;
    for base in ["/fapi/v1/klines", "/api/v3/klines"] {
        let minute = get(&bases, &format!("{base}?symbol=BTCUSDT&interval=1m")).await;
        assert_eq!(rows(&minute).len(), 500);
        check_rows(rows(&minute), 60_000);
        let day = get(
            &bases,
            &format!("{base}?symbol=BTCUSDT&interval=1d&limit=500"),
        )
        .await;
        assert_eq!(rows(&day).len(), 500);
        check_rows(rows(&day), 86_400_000);
        // A longer candle is the sum of the shorter ones within it.
        let hour = get(
            &bases,
            &format!("{base}?symbol=BTCUSDT&interval=1h&limit=4"),
        )
        .await;
        let hour = &rows(&hour)[1];
        let (from, until) = (hour[0].as_i64().unwrap(), hour[6].as_i64().unwrap());
        let span = format!("startTime={from}&endTime={until}");
        let parts = get(&bases, &format!("{base}?symbol=BTCUSDT&interval=5m&{span}")).await;
        let parts = rows(&parts);
        assert_eq!(parts.len(), 12);
        let sum = |at: usize| parts.iter().map(|part| number(&part[at])).sum::<f64>();
        assert!((sum(5) - number(&hour[5])).abs() < 1e-6, "{hour}");
        assert!((sum(7) / number(&hour[7]) - 1.0).abs() < 1e-12, "{hour}");
        assert_eq!((&parts[0][1], &parts[11][4]), (&hour[1], &hour[4]));
        let highest = parts
            .iter()
            .map(|part| number(&part[2]))
            .fold(0.0, f64::max);
        assert_eq!(highest, number(&hour[2]));
    }
}

/// The running candle is the made-up part of its minute plus the trades that were told.
#[tokio::test]
async fn candles_and_tickers_are_the_trades_that_were_told() {
    let bases = start(&["--speed", "50"]).await;
    let mut klines = open(bases.usdm, "/market/ws/btcusdt@kline_1m").await;
    let mut last = klines.next().await;
    for _ in 0..6 {
        last = klines.next().await;
    }
    let kline = &last["k"];
    assert_eq!(last["e"], "kline");
    let first_id = kline["f"].as_i64().expect("an id");
    let last_id = kline["L"].as_i64().expect("an id");
    assert_eq!(kline["n"].as_i64(), Some(last_id + 1 - first_id));
    let trades = get(&bases, "/fapi/v1/trades?symbol=BTCUSDT&limit=1000").await;
    let told = rows(&trades)
        .iter()
        .find(|trade| trade["id"].as_i64() == Some(last_id));
    assert_eq!(
        told.expect("not longer ago than 1,000 trades")["price"],
        kline["c"]
    );
    let ids: Vec<i64> = rows(&trades)
        .iter()
        .filter_map(|one| one["id"].as_i64())
        .collect();
    assert!(ids.windows(2).all(|pair| pair[1] == pair[0] + 1));

    let from = ids[0];
    let behind = format!("/fapi/v1/historicalTrades?symbol=BTCUSDT&fromId={from}&limit=3");
    let behind = get(&bases, &behind).await;
    assert_eq!(rows(&behind).len(), 3);
    assert_eq!(behind[0]["id"].as_i64(), Some(from));

    let aggregates = get(&bases, "/fapi/v1/aggTrades?symbol=BTCUSDT").await;
    let pairs = rows(&aggregates).windows(2);
    assert!(!rows(&aggregates).is_empty());
    for pair in pairs {
        assert_eq!(
            pair[1]["a"].as_i64(),
            pair[0]["a"].as_i64().map(|id| id + 1)
        );
        assert_eq!(
            pair[1]["f"].as_i64(),
            pair[0]["l"].as_i64().map(|id| id + 1)
        );
    }
    let third = pair_id(&aggregates, 2);
    let path = format!("/fapi/v1/aggTrades?symbol=BTCUSDT&fromId={third}&limit=1");
    assert_eq!(pair_id(&get(&bases, &path).await, 0), third);

    let day = get(&bases, "/fapi/v1/ticker/24hr?symbol=BTCUSDT").await;
    let (low, high) = (number(&day["lowPrice"]), number(&day["highPrice"]));
    for price in ["openPrice", "lastPrice", "weightedAvgPrice"] {
        assert!(
            (low..=high).contains(&number(&day[price])),
            "{price}: {day}"
        );
    }
    let change = number(&day["lastPrice"]) - number(&day["openPrice"]);
    assert!((number(&day["priceChange"]) - change).abs() < 1e-6, "{day}");
    let count = day["count"].as_i64();
    assert_eq!(
        count,
        Some(day["lastId"].as_i64().unwrap() + 1 - day["firstId"].as_i64().unwrap())
    );
}

fn pair_id(list: &Value, at: usize) -> i64 {
    list[at]["a"].as_i64().expect("an aggregate's id")
}

#[tokio::test]
async fn a_candle_is_closed_once_and_the_next_one_opens_behind_it() {
    let bases = start(&["--symbols", "BTCUSDT"]).await;
    let mut seconds = open(bases.spot, "/ws/btcusdt@kline_1s").await;
    let mut before: Option<Value> = None;
    for _ in 0..3 {
        let next = seconds.next().await["k"].clone();
        assert_eq!(next["x"], true, "a second is told when it is over");
        if let Some(before) = before {
            assert_eq!(next["t"].as_i64(), before["T"].as_i64().map(|end| end + 1));
        }
        before = Some(next);
    }
    let told = before.expect("three were told");
    let from = told["t"].as_i64().expect("a time");
    let path = format!("/api/v3/klines?symbol=BTCUSDT&interval=1s&startTime={from}&limit=1");
    let row = get(&bases, &path).await;
    for (at, field) in [
        (0, "t"),
        (1, "o"),
        (2, "h"),
        (3, "l"),
        (4, "c"),
        (5, "v"),
        (8, "n"),
    ] {
        assert_eq!(row[0][at], told[field], "{field}");
    }
}

#[tokio::test]
async fn tickers_of_all_symbols_come_on_the_market_route() {
    let bases = start(&["--speed", "20"]).await;
    let names = "!ticker@arr/!miniTicker@arr/!markPrice@arr@1s/btcusdt@ticker/\
                 btcusdt_perpetual@continuousKline_1m";
    let path = format!("/market/stream?streams={names}");
    let mut all = open(bases.usdm, &path).await;
    let mut missing: Vec<&str> = names.split('/').collect();
    while !missing.is_empty() {
        let frame = all.next().await;
        let stream = frame["stream"]
            .as_str()
            .expect("a combined frame")
            .to_owned();
        let data = &frame["data"];
        let kind = match stream.as_str() {
            "!ticker@arr" => [&data[0]["e"], &data[0]["s"]] == ["24hrTicker", "BTCUSDT"],
            "!miniTicker@arr" => data[0]["e"] == "24hrMiniTicker",
            "!markPrice@arr@1s" => data[1]["s"] == "ETHUSDT" && number(&data[1]["r"]) != 0.0,
            "btcusdt@ticker" => number(&data["v"]) > 0.0,
            _ => data["e"] == "continuous_kline" && data["ps"] == "BTCUSDT",
        };
        assert!(kind, "{frame}");
        missing.retain(|name| *name != stream);
    }
    let mut books = open(bases.usdm, "/public/ws/!bookTicker").await;
    assert_eq!(books.next().await["e"], "bookTicker");
    let mut spot = open(bases.spot, "/ws/btcusdt@avgPrice").await;
    assert_eq!(spot.next().await["e"], "avgPrice");
}

#[tokio::test]
async fn funding_is_told_for_the_past_and_the_next_boundary() {
    let bases = start(&[]).await;
    let rates = get(&bases, "/fapi/v1/fundingRate?symbol=BTCUSDT&limit=1000").await;
    assert_eq!(rows(&rates).len(), 1_000);
    for pair in rows(&rates).windows(2) {
        let step =
            pair[1]["fundingTime"].as_i64().unwrap() - pair[0]["fundingTime"].as_i64().unwrap();
        assert_eq!(step, 8 * 3_600_000);
        assert!(number(&pair[0]["fundingRate"]).abs() <= 0.02);
        assert!(number(&pair[0]["markPrice"]) > 1_000.0);
    }
    let index = get(&bases, "/fapi/v1/premiumIndex?symbol=BTCUSDT").await;
    let last = rows(&rates)[999]["fundingTime"].as_i64().expect("a time");
    assert_eq!(
        index["nextFundingTime"].as_i64(),
        Some(last + 8 * 3_600_000)
    );
    let marks = "/fapi/v1/markPriceKlines?symbol=BTCUSDT&interval=1h&limit=24";
    let marks = get(&bases, marks).await;
    assert_eq!(rows(&marks).len(), 24);
    check_rows(rows(&marks), 3_600_000);
    let pair = "/fapi/v1/indexPriceKlines?pair=BTCUSDT&interval=1h&limit=24";
    assert_eq!(rows(&get(&bases, pair).await).len(), 24);
    let interest = get(&bases, "/fapi/v1/openInterest?symbol=BTCUSDT").await;
    assert!(number(&interest["openInterest"]) > 0.0);
    assert_eq!(
        get(&bases, "/fapi/v1/fundingInfo").await,
        serde_json::json!([])
    );
}

#[tokio::test]
async fn what_is_wrong_is_refused_with_the_documented_code() {
    let bases = start(&[]).await;
    for (target, expected) in [
        ("/fapi/v1/klines?symbol=BTCUSDT", -1102),
        ("/fapi/v1/klines?interval=1m", -1102),
        ("/fapi/v1/klines?symbol=NOSUCH&interval=1m", -1121),
        ("/fapi/v1/klines?symbol=BTCUSDT&interval=1s", -1120),
        ("/fapi/v1/klines?symbol=BTCUSDT&interval=1m&limit=0", -1130),
        (
            "/fapi/v1/klines?symbol=BTCUSDT&interval=1m&limit=1501",
            -1130,
        ),
        (
            "/fapi/v1/klines?symbol=BTCUSDT&interval=1m&startTime=2&endTime=1",
            -1023,
        ),
        (
            "/fapi/v1/klines?symbol=BTCUSDT&interval=1m&startTime=-1",
            -1130,
        ),
        (
            "/fapi/v1/klines?symbol=BTCUSDT&interval=1m&startTime=9223372036854775807",
            -1130,
        ),
        ("/fapi/v1/continuousKlines?pair=BTCUSDT&interval=1m", -1102),
        (
            "/fapi/v1/continuousKlines?pair=BTCUSDT&interval=1m&contractType=X",
            -1130,
        ),
        (
            "/fapi/v1/aggTrades?symbol=BTCUSDT&fromId=1&startTime=1",
            -1128,
        ),
        ("/fapi/v1/aggTrades?symbol=BTCUSDT&startTime=1", -4166),
        ("/fapi/v1/depth?symbol=BTCUSDT&limit=7", -4021),
        ("/fapi/v1/ticker/24hr?symbol=NOSUCH", -1121),
        ("/api/v3/ticker?symbol=BTCUSDT&windowSize=8d", -1130),
        (
            "/api/v3/klines?symbol=BTCUSDT&interval=1d&timeZone=15",
            -1130,
        ),
        ("/api/v3/ticker/price?symbols=BTCUSDT", -1100),
        ("/api/v3/ticker/24hr?symbol=BTCUSDT&type=X", -1130),
    ] {
        assert_eq!(code(&bases, target).await, expected, "{target}");
    }
}

#[tokio::test]
async fn spot_answers_for_lists_windows_and_time_zones() {
    let bases = start(&[]).await;
    let list = "%5B%22BTCUSDT%22,%22ETHUSDT%22%5D";
    for path in ["ticker/24hr", "ticker/price", "ticker/bookTicker"] {
        let both = get(&bases, &format!("/api/v3/{path}?symbols={list}")).await;
        assert_eq!(
            [&both[0]["symbol"], &both[1]["symbol"]],
            ["BTCUSDT", "ETHUSDT"]
        );
    }
    let mini = get(&bases, "/api/v3/ticker/24hr?symbol=BTCUSDT&type=MINI").await;
    assert!(mini["priceChange"].is_null() && mini["lastPrice"].is_string());
    let window = get(&bases, "/api/v3/ticker?symbol=BTCUSDT&windowSize=2h").await;
    assert!(number(&window["volume"]) > 0.0);
    let day = get(&bases, "/api/v3/ticker/tradingDay?symbol=BTCUSDT").await;
    assert_eq!(
        day["openTime"].as_i64().map(|time| time % 86_400_000),
        Some(0)
    );
    let average = get(&bases, "/api/v3/avgPrice?symbol=BTCUSDT").await;
    assert_eq!(average["mins"], 5);
    let east = get(
        &bases,
        "/api/v3/klines?symbol=BTCUSDT&interval=1d&timeZone=8&limit=2",
    )
    .await;
    assert_eq!(
        east[0][0].as_i64().map(|time| time % 86_400_000),
        Some(16 * 3_600_000)
    );
}

#[tokio::test]
async fn trades_before_the_start_are_those_of_their_candles() {
    let bases = start(&["--symbols", "BTCUSDT"]).await;
    for (usdm, base) in [(true, "/fapi/v1"), (false, "/api/v3")] {
        let address = if usdm { bases.usdm } else { bases.spot };
        let ask = async |path: &str| {
            let (status, body) = http(address, "GET", &format!("{base}/{path}"), "").await;
            assert_eq!(status, 200, "{path}: {body}");
            body
        };
        // A minute that was over before the start.
        let now = bases.shared.lock().clock.now().0;
        let open = now.div_euclid(60_000) * 60_000 - 10 * 60_000;
        let span = format!("symbol=BTCUSDT&startTime={open}&endTime={}", open + 59_999);
        let candle = ask(&format!("klines?interval=1m&limit=1&{span}")).await[0].clone();
        let trades = ask(&format!("aggTrades?limit=1000&{span}")).await;
        let trades = rows(&trades);
        let count = candle[8].as_u64().expect("a count");
        assert_eq!(trades.len() as u64, count.min(1_000), "{base}");
        assert_eq!(trades[0]["p"], candle[1]);
        if count <= 1_000 {
            let volume: f64 = trades.iter().map(|one| number(&one["q"])).sum();
            assert!((volume - number(&candle[5])).abs() < 1e-6, "{base}");
            assert_eq!(trades[trades.len() - 1]["p"], candle[4]);
        }
        let last = ask("trades?symbol=BTCUSDT&limit=500").await;
        let ids: Vec<i64> = rows(&last)
            .iter()
            .filter_map(|one| one["id"].as_i64())
            .collect();
        assert_eq!(ids.len(), 500);
        assert!(ids.windows(2).all(|pair| pair[1] == pair[0] + 1), "{base}");
        let from = trades[0]["a"].as_i64().expect("an id");
        let named = format!("historicalTrades?symbol=BTCUSDT&fromId={from}&limit=2");
        let found = ask(&named).await;
        assert_eq!(
            (&found[0]["id"], &found[0]["price"]),
            (&trades[0]["a"], &trades[0]["p"])
        );
    }
    let premium = get(
        &bases,
        "/fapi/v1/premiumIndexKlines?symbol=BTCUSDT&interval=1m&limit=3",
    )
    .await;
    assert_eq!(rows(&premium).len(), 3);
    assert_eq!(number(&premium[0][4]), 0.0);
}
