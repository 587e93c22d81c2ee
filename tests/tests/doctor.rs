//! `fulcrum doctor` against a running box and its exchange: what passes, and what each key and each
//! setting makes of it.
//!
//! In: real processes, keys of several rights. Out: verdicts by name. Never: the key in what is printed.

use serde_json::Value;
use tests::rig::{Plan, Rig};
use tests::target;

const LINES: &str = "[hot_path]\nengine_wait = \"yield\"\n\
    [[strategy]]\nkind = \"dummy\"\ninterval_ms = 2000\nrest_ms = 1900\n";

fn rig(name: &str, rights: &str) -> Rig {
    let rig = Rig::set_up(&Plan {
        state_dir: target().join("fulcrum/tests").join(name),
        market: vec![
            "--generate",
            "--symbols",
            "BTCUSDT",
            "--seed",
            "7",
            "--key-rights",
            rights,
        ],
        traded: vec!["BTCUSDT"],
        lines: LINES.to_string(),
        proxied: false,
    });
    let spot = format!("[venue]\nspot_rest_url = \"{}\"\n", rig.spot_url());
    rig.reconfigure("[venue]\n", &spot);
    rig
}

/// Exit code and checks.
fn doctor(rig: &Rig) -> (Option<i32>, Vec<Value>) {
    let said = rig.fulcrum(&["doctor", "--pings", "5"]);
    let text = format!("{} {}", said.reply, said.complaint);
    for secret in ["rig-key", "rig-secret"] {
        assert!(!text.contains(secret), "{secret} is told: {text}");
    }
    let checks = said.reply["checks"].as_array().cloned();
    (said.code, checks.unwrap_or_else(|| panic!("{said:?}")))
}

fn verdict<'a>(checks: &'a [Value], name: &str) -> &'a str {
    let found = checks.iter().find(|one| one["name"] == name);
    let found = found.unwrap_or_else(|| panic!("no check {name} in {checks:?}"));
    found["verdict"].as_str().unwrap_or_default()
}

#[test]
fn a_box_that_trades_passes_and_what_a_key_may_not_do_is_found() {
    let mut rig = rig("doctor-good", "reading+spot+futures+ip-restricted");
    rig.start_control();
    rig.start_hot_path();
    let (code, checks) = doctor(&rig);
    let failed: Vec<&Value> = checks
        .iter()
        .filter(|one| one["verdict"] == "fail")
        .collect();
    assert_eq!((code, failed), (Some(0), vec![]));
    for name in [
        "checked",
        "accepted",
        "state directory",
        "secret's file",
        "integrity",
        "schema",
        "builds",
        "connection",
        "round trip",
        "time",
        "streams",
        "BTCUSDT",
        "request weight",
        "withdrawals",
        "reading",
        "futures",
        "addresses",
        "position mode",
        "multi-assets mode",
        "open on usdm",
    ] {
        assert_eq!(verdict(&checks, name), "pass", "{name}: {checks:#?}");
    }
    // Its clock jumps, the instrument is halted, the strategy's order is too small for the filter.
    rig.step_clock(5_000);
    let (code, checks) = doctor(&rig);
    assert_eq!((code, verdict(&checks, "time")), (Some(1), "fail"));
    rig.step_clock(-5_000);
    rig.list("BTCUSDT", serde_json::json!({ "minimum_notional": 500 }));
    let (code, checks) = doctor(&rig);
    assert_eq!((code, verdict(&checks, "BTCUSDT")), (Some(1), "fail"));
    let halt = serde_json::json!({ "minimum_notional": 5, "status": "NOT_TRADING" });
    rig.list("BTCUSDT", halt);
    assert_eq!(verdict(&doctor(&rig).1, "BTCUSDT"), "fail");
    // Another configuration than the one that runs.
    rig.reconfigure("interval_ms = 2000", "interval_ms = 2001");
    assert_eq!(verdict(&doctor(&rig).1, "accepted"), "warn");
}

#[test]
fn a_key_that_may_withdraw_or_not_trade_fails_and_one_for_anywhere_is_warned_of() {
    let one = rig("doctor-rights", "reading+withdrawals");
    let (code, checks) = doctor(&one);
    assert_eq!(code, Some(1));
    for (name, wanted) in [
        ("withdrawals", "fail"),
        ("futures", "fail"),
        ("reading", "pass"),
        ("addresses", "warn"),
        ("builds", "skip"),
    ] {
        assert_eq!(verdict(&checks, name), wanted, "{name}: {checks:#?}");
    }
    // A key that the exchange does not know.
    std::fs::write(one.state_dir.join("api-key"), "another-key").expect("our own file");
    let (code, checks) = doctor(&one);
    assert_eq!((code, verdict(&checks, "open on usdm")), (Some(1), "fail"));
    // An exchange that is not there, and a configuration that is none.
    let text = std::fs::read_to_string(one.configuration()).expect("we wrote it");
    let port = ports::free_port();
    let away: Vec<String> = text
        .lines()
        .map(|line| match line.starts_with("usdm_rest_url") {
            true => format!("usdm_rest_url = \"http://127.0.0.1:{port}\""),
            false => line.to_string(),
        })
        .collect();
    std::fs::write(one.configuration(), away.join("\n")).expect("our own file");
    let (code, checks) = doctor(&one);
    assert_eq!((code, verdict(&checks, "connection")), (Some(1), "fail"));
    std::fs::write(one.configuration(), "mode = \"paper\"\nmood = 1\n").expect("our own file");
    let (code, checks) = doctor(&one);
    assert_eq!((code, verdict(&checks, "checked")), (Some(1), "fail"));
    assert_eq!(verdict(&checks, "path"), "skip");
}
