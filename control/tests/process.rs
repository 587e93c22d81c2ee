//! The real `fulcrum-control` beside a hot path that this test plays: a segment, its rings, pages
//! and cells.
//!
//! In: records as the engine writes them. Out: what control serves and keeps. Never: a sleep where
//! a condition can be awaited.

#![allow(
    clippy::unwrap_used,
    reason = "a test that cannot set itself up has failed"
)]
#![allow(dead_code, reason = "helpers that the other test program uses")]

mod hot_path;
mod running;

use hot_path::HotPath;
use running::{Control, StateDir, wait_for};
use std::process::Command;

#[test]
fn kills_of_control_lose_and_double_nothing() {
    let state = StateDir::new("kills");
    let mut hot_path = HotPath::start(&state, 1);
    let mut control = Control::start(&state);
    for round in 1..=5u64 {
        hot_path.trade(200);
        // Whatever it is doing just now: it dies in the middle of it.
        wait_for("some records", || {
            control.number("journal_records") > (round - 1) * 200
        });
        control.kill();
        hot_path.trade(200);
        control = Control::start(&state);
    }
    hot_path.stop();
    wait_for("the end of generation 1", || {
        control.stats()["drained"] == true
    });
    let stats = control.stats();
    let trades = 2_000;
    assert_eq!(stats["journal_records"], hot_path.records());
    assert_eq!(
        (&stats["journal_holes"], &stats["journal_unread"]),
        (&0.into(), &0.into())
    );
    assert_eq!(stats["orders_sent"], trades);
    assert_eq!(stats["orders_accepted"], trades);
    assert_eq!(stats["fills"], trades);
    assert_eq!(stats["by_strategy"]["imbalance"]["fills"], trades);
    assert_eq!(stats["fees_usdt"], "20.00000000");
    assert_eq!(stats["realized_pnl_usdt"], "-20.00000000");
    assert_eq!(stats["input_log_records"], hot_path.inputs());
    assert_eq!(stats["input_log_holes"], 0);
    assert_eq!(stats["invariant_violations"]["I11"], 0);
    let intents = control.get("/api/v1/engine/intents?limit=10000", "");
    let intents: Vec<serde_json::Value> = serde_json::from_str(&intents.body).unwrap();
    assert_eq!(intents.len() as u64, trades);
    assert_eq!(intents[0]["trigger_kind"], "depth");
    assert_eq!(intents[0]["trigger_id"], 101);
    assert_eq!(intents[0]["symbol"], "BTCUSDT");
    assert_eq!(control.terminate(), Some(0));
}

#[test]
fn a_new_generation_adds_to_the_earlier_ones() {
    let state = StateDir::new("generations");
    let mut first = HotPath::start(&state, 1);
    first.trade(10);
    // The first start dies without a word; the second one holds the account's lock.
    let mut second = HotPath::start(&state, 2);
    second.trade(5);
    let control = Control::start(&state);
    wait_for("generation 2", || control.stats()["generation"] == 2);
    second.trade(5);
    second.stop();
    wait_for("its end", || control.stats()["drained"] == true);
    let stats = control.stats();
    assert_eq!(stats["orders_sent"], 20);
    assert_eq!(stats["events"], first.inputs() + second.inputs());
    assert_eq!(stats["market_messages"], 2 * 77);
    assert_eq!(stats["tick_to_order_ns"]["count"], 20);
    assert_eq!(stats["hot_allocations"]["engine"], 0);
    assert!(stats["hot_allocations"]["tls"].is_null());
    assert_eq!(stats["position"]["BTCUSDT"], "0.000");
    // The first start ended without a word; all records are in, though slots are still to be freed.
    let page = control.get_metrics("").body;
    for line in [
        "fulcrum_unclean_restarts_total{process=\"hotpath\"} 1\n",
        "fulcrum_journal_lag_records 0.0\n",
    ] {
        assert!(page.contains(line), "{line}: {page}");
    }
    assert!(
        !state.segment(1).exists(),
        "a drained older segment is removed"
    );
    assert!(state.segment(2).exists());
    // A third start while control runs.
    let mut third = HotPath::start(&state, 3);
    third.trade(1);
    wait_for("generation 3", || control.stats()["orders_sent"] == 21);
    assert_eq!(control.get("/health/ready", "").status, 200);
    third.stop();
    wait_for("its end", || control.stats()["drained"] == true);
    assert_eq!(control.terminate(), Some(0));
    // A reboot empties the shared memory; the counters go on where they were.
    std::fs::remove_file(state.segment(3)).unwrap();
    let control = Control::start(&state);
    wait_for("the first picture", || {
        let stats = control.stats();
        stats["orders_sent"] == 21 && stats["market_messages"] == 3 * 77
    });
    assert_eq!(control.terminate(), Some(0));
}

#[test]
fn health_says_why_it_is_not_ready() {
    let state = StateDir::new("health");
    let control = Control::start(&state);
    assert_eq!(control.get("/health/live", "").status, 200);
    let answer = control.get("/health/ready", "");
    assert_eq!(answer.status, 503);
    assert!(
        answer.body.contains("no hot path has started yet"),
        "{}",
        answer.body
    );
    assert_eq!(
        control.get("/api/v1/engine/intents?after=x", "").status,
        400
    );
    assert_eq!(control.terminate(), Some(0));
}

#[test]
fn a_bad_configuration_and_a_foreign_ledger_are_refused_with_78() {
    let state = StateDir::new("refused");
    Control::start(&state).terminate();
    let other = state.write("other.toml", &state.configuration("other"));
    for config in [state.write("bad.toml", "mode = \"papier\"\n"), other] {
        let status = Command::new(env!("CARGO_BIN_EXE_fulcrum-control"))
            .arg("--config")
            .arg(config)
            .arg("--state-dir")
            .arg(state.path())
            .output()
            .unwrap();
        let said = String::from_utf8_lossy(&status.stderr);
        assert_eq!(status.status.code(), Some(78), "{said}");
    }
}

#[test]
fn the_account_of_the_command_line_overrides_the_configurations() {
    let state = StateDir::new("account");
    let mut hot_path = HotPath::start(&state, 1);
    hot_path.trade(1);
    let control = Control::start_configured(&state, "other", &["--account", "default"]);
    wait_for("a drained journal", || control.stats()["orders_sent"] == 1);
    assert_eq!(control.stats()["account"], "default");
    let info = "mode_info{account=\"default\",mode=\"paper\",venue=\"binance\"} 1";
    assert!(control.get_metrics("").body.contains(info));
    assert_eq!(control.terminate(), Some(0));
}

#[test]
fn the_command_line_is_the_hot_paths() {
    let help = Command::new(env!("CARGO_BIN_EXE_fulcrum-control"))
        .arg("--help")
        .output()
        .unwrap();
    let help = String::from_utf8_lossy(&help.stdout).into_owned();
    assert!(
        help.contains("[default: /etc/fulcrum/fulcrum.toml]"),
        "{help}"
    );
    let state = StateDir::new("log");
    let config = state.write("bad.toml", "mode = \"papier\"\n");
    let said = |ours: &str, foreign: &str| {
        let output = Command::new(env!("CARGO_BIN_EXE_fulcrum-control"))
            .arg("--config")
            .arg(&config)
            .env("FULCRUM_LOG", ours)
            .env("RUST_LOG", foreign)
            .output()
            .unwrap();
        String::from_utf8_lossy(&output.stderr).into_owned()
    };
    assert_eq!(said("off", "info"), "");
    assert!(said("error", "off").contains("bad.toml"));
}

#[test]
fn the_table_is_plain_text_when_stdout_is_no_terminal() {
    let state = StateDir::new("table");
    let mut hot_path = HotPath::start(&state, 1);
    hot_path.trade(1);
    let control = Control::start_with(&state, &["--table"]);
    wait_for("a drained journal", || control.stats()["orders_sent"] == 1);
    let text = control.terminate_and_read();
    assert!(text.contains("fulcrum  paper default"), "{text}");
    assert!(!text.contains('\x1b'), "{text}");
}

#[test]
fn a_real_prometheus_scrapes_us() {
    let state = StateDir::new("prometheus");
    let mut hot_path = HotPath::start(&state, 1);
    hot_path.trade(3);
    let control = Control::start(&state);
    wait_for("a drained journal", || control.stats()["orders_sent"] == 3);
    let open = control.get_metrics("application/openmetrics-text");
    assert!(open.head.contains("application/openmetrics-text") && open.body.ends_with("# EOF\n"));
    let plain = control.get_metrics("");
    assert!(
        plain.head.contains("text/plain; version=0.0.4"),
        "{}",
        plain.head
    );
    let Some(prometheus) = running::Prometheus::start(&state, control.metrics_address()) else {
        assert!(
            std::env::var_os("FULCRUM_REQUIRE_JUDGES").is_none(),
            "prometheus is missing"
        );
        eprintln!("skipped: prometheus is not installed");
        return;
    };
    wait_for("up == 1", || {
        prometheus.value("up") == Some("1".to_string())
    });
    wait_for("our figures", || {
        prometheus.value("sum(fulcrum_orders_sent_total)") == Some("3".to_string())
    });
    let active = prometheus.value("fulcrum_trading_state{state=\"ACTIVE\"}");
    assert_eq!(active, Some("1".to_string()));
    assert_eq!(control.terminate(), Some(0));
}
