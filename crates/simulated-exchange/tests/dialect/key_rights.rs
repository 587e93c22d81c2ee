//! What a key may: told over `/sapi`, and held to.
//!
//! In: signed requests. Out: the restrictions of the key, refusals. Never: a key that may withdraw and is
//! told that it may not.

use crate::support::{KEY, SECRET, http, signed, start};
use serde_json::Value;

async fn restrictions(rights: &[&str]) -> (Value, u16, Value) {
    let secret = std::path::Path::new(env!("CARGO_TARGET_TMPDIR")).join("rights-secret");
    std::fs::write(&secret, format!("{SECRET}\n")).expect("a writable folder");
    let secret = secret.display().to_string();
    let key = ["--api-key", KEY, "--api-secret-file", &secret];
    let bases = start(&[&key[..], &["--symbols", "BTCUSDT"], rights].concat()).await;
    let path = format!(
        "/sapi/v1/account/apiRestrictions?{}",
        signed(&bases.shared, "recvWindow=5000")
    );
    let (status, told) = http(bases.spot, "GET", &path, "").await;
    assert_eq!(status, 200, "{told}");
    let order = "symbol=BTCUSDT&side=BUY&type=MARKET&quantity=0.010";
    let path = format!("/fapi/v1/order?{}", signed(&bases.shared, order));
    let (status, said) = http(bases.usdm, "POST", &path, "").await;
    (told, status, said)
}

#[tokio::test]
async fn a_key_may_trade_and_not_withdraw_unless_it_is_said_otherwise() {
    let (told, status, said) = restrictions(&[]).await;
    for (name, wanted) in [
        ("enableReading", true),
        ("enableFutures", true),
        ("enableSpotAndMarginTrading", true),
        ("ipRestrict", true),
        ("enableWithdrawals", false),
    ] {
        assert_eq!(told[name], wanted, "{name}: {told}");
    }
    assert_eq!(status, 200, "{said}");
    let (told, status, said) = restrictions(&["--key-rights", "reading+withdrawals"]).await;
    assert_eq!(
        (&told["enableWithdrawals"], &told["ipRestrict"]),
        (&true.into(), &false.into())
    );
    assert_eq!(told["enableFutures"], false);
    assert_eq!(
        (status, &said["code"]),
        (401, &Value::from(-2015)),
        "{said}"
    );
}

#[tokio::test]
async fn the_restrictions_are_for_signed_requests_alone() {
    let bases = start(&["--symbols", "BTCUSDT"]).await;
    let (status, said) = http(bases.spot, "GET", "/sapi/v1/account/apiRestrictions", "").await;
    assert_eq!(
        (status, &said["code"]),
        (400, &Value::from(-1102)),
        "{said}"
    );
}
