//! What moves the wallet and what is listed, as the exchange states it afterwards.
//!
//! In: an order, funding, a halt. Out: income by time and page, exchangeInfo. Never: a line that the
//! wallet does not have, a status from the start.
#![allow(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]

use crate::support::{Bases, KEY, SECRET, http, signed, start};
use serde_json::{Value, json};

async fn income(bases: &Bases, query: &str) -> Vec<Value> {
    let query = signed(&bases.shared, query);
    let path = format!("/fapi/v1/income?{query}");
    let (status, body) = http(bases.usdm, "GET", &path, "").await;
    assert_eq!(status, 200, "{body}");
    body.as_array().unwrap().clone()
}

async fn fund(bases: &Bases, amount_e8: i64) {
    let body = json!({ "amount_e8": amount_e8 }).to_string();
    let (status, _) = http(bases.control, "POST", "/sim/v1/funding", &body).await;
    assert_eq!(status, 200);
}

fn kinds(lines: &[Value]) -> Vec<&str> {
    let kind = |line: &Value| line["incomeType"].as_str().unwrap().to_string();
    let words = ["COMMISSION", "FUNDING_FEE", "REALIZED_PNL", "TRANSFER"];
    let found = lines.iter().map(kind);
    found
        .map(|word| *words.iter().find(|one| **one == word).unwrap())
        .collect()
}

#[tokio::test]
async fn income_adds_up_to_the_wallet_and_comes_by_time_and_page() {
    let secret = std::path::Path::new(env!("CARGO_TARGET_TMPDIR")).join("wallet-secret");
    std::fs::write(&secret, format!("{SECRET}\n")).expect("a writable folder");
    let secret = secret.display().to_string();
    let key = ["--api-key", KEY, "--api-secret-file", &secret];
    let bases = start(&[&key[..], &["--symbols", "BTCUSDT"]].concat()).await;
    let wallet = |bases: &Bases| bases.shared.lock().usdm.venue.account().wallet.0;
    let before = wallet(&bases);
    fund(&bases, -150_000_000).await;
    for side in ["BUY", "SELL"] {
        let query = format!("symbol=BTCUSDT&side={side}&type=MARKET&quantity=0.010");
        let query = signed(&bases.shared, &query);
        let path = format!("/fapi/v1/order?{query}");
        let (status, body) = http(bases.usdm, "POST", &path, "").await;
        assert_eq!(status, 200, "{body}");
    }
    fund(&bases, 50_000_000).await;
    let lines = income(&bases, "startTime=1&limit=1000").await;
    assert!(
        lines.is_sorted_by_key(|line| line["time"].as_i64()),
        "oldest first"
    );
    let mut kinds = kinds(&lines);
    kinds.sort_unstable();
    kinds.dedup();
    assert_eq!(kinds, ["COMMISSION", "FUNDING_FEE", "REALIZED_PNL"]);
    let e8 = |line: &Value| -> i64 {
        let text = line["income"].as_str().unwrap().replace('.', "");
        text.parse().unwrap()
    };
    let sum: i64 = lines.iter().map(e8).sum();
    assert_eq!(sum, wallet(&bases) - before);
    // An id is told once a kind.
    let mut ids: Vec<String> = lines
        .iter()
        .map(|line| format!("{} {}", line["incomeType"], line["tranId"]))
        .collect();
    ids.sort_unstable();
    ids.dedup();
    assert_eq!(ids.len(), lines.len());
    // Page by page it is the same list, and a kind or a symbol is a part of it.
    let mut paged = Vec::new();
    for page in 1..=lines.len() + 1 {
        let query = format!("startTime=1&limit=1&page={page}");
        paged.extend(income(&bases, &query).await);
    }
    assert_eq!(paged, lines);
    let fees = income(&bases, "symbol=BTCUSDT&incomeType=COMMISSION&startTime=1").await;
    assert!(fees.len() >= 2 && fees.iter().all(|line| e8(line) < 0));
    let later = lines.last().unwrap()["time"].as_i64().unwrap() + 1;
    let none = income(&bases, &format!("startTime={later}")).await;
    assert_eq!(none, [] as [Value; 0]);
    // Without a time the newest are told.
    let newest = income(&bases, "limit=1").await;
    assert_eq!(newest, lines[lines.len() - 1..]);
}

#[tokio::test]
async fn a_halt_and_new_filters_are_in_the_list_of_now() {
    let bases = start(&["--symbols", "BTCUSDT,ETHUSDT"]).await;
    let list = async |change: Value| {
        let body = change.to_string();
        http(bases.control, "POST", "/sim/v1/listing", &body)
            .await
            .0
    };
    let listed = async || {
        let (_, info) = http(bases.usdm, "GET", "/fapi/v1/exchangeInfo", "").await;
        let symbols = info["symbols"].as_array().unwrap().clone();
        symbols
            .iter()
            .map(|one| {
                let filters = one["filters"].as_array().unwrap().iter();
                let least = filters
                    .clone()
                    .find(|one| one["filterType"] == "MIN_NOTIONAL");
                (one["status"].clone(), least.unwrap()["notional"].clone())
            })
            .collect::<Vec<_>>()
    };
    let before = listed().await;
    assert_eq!(before[0].0, "TRADING");
    let halt = json!({"symbol": "BTCUSDT", "status": "NOT_TRADING", "minimum_notional": 777});
    assert_eq!(list(halt).await, 200);
    let after = listed().await;
    assert_eq!(after[0].0, "SETTLING");
    assert!(after[0].1.as_str().unwrap().starts_with("777"), "{after:?}");
    assert_eq!(after[1], before[1]);
    for wrong in [
        json!({"symbol": "NOPEUSDT", "status": "TRADING"}),
        json!({"symbol": "BTCUSDT", "status": "HALF"}),
    ] {
        assert_eq!(list(wrong).await, 400);
    }
}
