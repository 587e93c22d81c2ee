//! What the control port offers to a judge of books: a market that stands still, and its books.
//!
//! In: a generated market. Out: passes, or the book that moved. Never: a wait without a deadline.
#![allow(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]

use crate::support::{Bases, http, start};
use serde_json::{Value, json};
use std::time::{Duration, Instant};

async fn pause(bases: &Bases, paused: bool) {
    let body = json!({ "paused": paused }).to_string();
    let (status, said) = http(bases.control, "POST", "/sim/v1/market", &body).await;
    assert_eq!((status, said["paused"].as_bool()), (200, Some(paused)));
}

async fn book(bases: &Bases) -> Value {
    let (status, book) = http(bases.control, "GET", "/sim/v1/book?symbol=BTCUSDT", "").await;
    assert_eq!(status, 200);
    book
}

fn events(bases: &Bases) -> u64 {
    bases.shared.lock().usdm.events()
}

/// Waits until the market has moved on.
async fn moved(bases: &Bases, from: u64) -> bool {
    let deadline = Instant::now() + Duration::from_secs(10);
    while events(bases) == from && Instant::now() < deadline {
        tokio::task::yield_now().await;
    }
    events(bases) > from
}

#[tokio::test]
async fn a_paused_market_keeps_its_book_and_goes_on_where_it_stopped() {
    let bases = start(&["--symbols", "BTCUSDT", "--speed", "20"]).await;
    assert!(moved(&bases, 0).await);
    pause(&bases, true).await;
    let (first, count) = (book(&bases).await, events(&bases));
    assert!(first["bids"].as_array().unwrap().len() > 10, "{first}");
    // Each request lets the market's task run; some milliseconds of 20 times the speed are enough
    // for a market that is not paused.
    let begun = Instant::now();
    while begun.elapsed() < Duration::from_millis(300) {
        tokio::task::yield_now().await;
    }
    assert_eq!((book(&bases).await, events(&bases)), (first.clone(), count));
    let path = "/fapi/v1/depth?symbol=BTCUSDT&limit=1000";
    let (_, snapshot) = http(bases.usdm, "GET", path, "").await;
    assert_eq!(snapshot["lastUpdateId"], first["last_update_id"]);
    pause(&bases, false).await;
    assert!(moved(&bases, count).await);
}
