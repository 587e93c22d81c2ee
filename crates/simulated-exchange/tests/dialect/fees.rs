//! Fees of a tier of one's own, exact to the last decimal.
//!
//! In: rates on the command line. Out: fills with their fees, refusals of what are no rates. Never: a
//! float on the way.
#![allow(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]

use crate::support::{Bases, http, signed, start};
use clap::Parser;
use serde_json::Value;
use simulated_exchange::options::Options;

async fn call(bases: &Bases, method: &str, path: &str, query: &str) -> Value {
    let address = if path.starts_with("/api") {
        bases.spot
    } else {
        bases.usdm
    };
    let query = signed(&bases.shared, query);
    let (status, body) = http(address, method, &format!("{path}?{query}"), "").await;
    assert_eq!(status, 200, "{path}: {body}");
    body
}

/// A decimal text in units of 1e-8.
fn units(value: &Value) -> i128 {
    let text = value.as_str().unwrap();
    i128::from(market::decimal::parse_decimal(text.as_bytes(), 8).unwrap())
}

#[tokio::test]
async fn fills_pay_the_rates_of_the_command_line() {
    let bases = start(&[
        "--symbols",
        "BTCUSDT",
        "--fees",
        "maker=0.00012,taker=0.00034567",
        "--spot-fees",
        "taker=0.00075,maker=0",
    ])
    .await;
    let order = "symbol=BTCUSDT&side=BUY&type=MARKET&quantity=0.020";
    call(&bases, "POST", "/fapi/v1/order", order).await;
    let trades = call(&bases, "GET", "/fapi/v1/userTrades", "symbol=BTCUSDT").await;
    for trade in trades.as_array().unwrap() {
        let value = units(&trade["quoteQty"]);
        // Rounded to the nearest 1e-8.
        let expected = (value * 34_567 + 50_000_000) / 100_000_000;
        assert_eq!(units(&trade["commission"]), expected, "{trade}");
    }
    call(&bases, "POST", "/api/v3/order", order).await;
    let trades = call(&bases, "GET", "/api/v3/myTrades", "symbol=BTCUSDT").await;
    for trade in trades.as_array().unwrap() {
        let expected = (units(&trade["qty"]) * 75_000 + 50_000_000) / 100_000_000;
        assert_eq!(units(&trade["commission"]), expected, "{trade}");
    }
    let rates = call(&bases, "GET", "/fapi/v1/commissionRate", "symbol=BTCUSDT").await;
    assert_eq!(units(&rates["makerCommissionRate"]), 12_000, "{rates}");
}

#[test]
fn what_are_no_rates_is_refused_by_name() {
    for (text, said) in [
        ("maker=0.0002", "both rates are needed"),
        (
            "maker=0.0002,taker=x",
            "`taker=x`: a rate is a decimal number",
        ),
        (
            "maker=0.0002,taker=0.02",
            "`taker=0.02`: a rate is a decimal number",
        ),
        (
            "maker=-0.1,taker=0",
            "`maker=-0.1`: a rate is a decimal number",
        ),
        (
            "maker=0,taker=0.000000001",
            "`taker=0.000000001`: a rate is",
        ),
        ("maker=0,fee=0", "rates are called maker and taker"),
        ("maker=0,maker=0", "stands there twice"),
    ] {
        let arguments = ["simulated-exchange", "--fees", text];
        let error = Options::try_parse_from(arguments).unwrap_err().to_string();
        assert!(error.contains(said), "{text}: {error}");
    }
}
