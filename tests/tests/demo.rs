//! The demo's promises, on real processes and sockets.
//!
//! In: the generated market and the recordings. Out: reports that must hold. Never: a look inside.

use serde_json::Value;
use std::path::Path;
use std::time::Duration;
use tests::{Demo, captures, wait_for};

fn assert_sound(report: &Value, succeeded: bool) {
    assert!(succeeded, "the demo failed: {report:#}");
    for field in ["orders", "fills", "position", "fees"] {
        assert_eq!(
            report["exchange_agrees"][field],
            Value::Bool(true),
            "{field}: {report:#}"
        );
    }
    assert_eq!(report["unknown_orders"]["at_end"], 0, "{report:#}");
    assert_eq!(report["journal_holes"], 0, "{report:#}");
    assert_eq!(report["hot_allocations"]["engine"], 0, "{report:#}");
}

/// Both ways of the bytes to and from the engine.
const WAYS: [&str; 2] = ["inline", "threads"];

fn count(report: &Value, pointer: &str) -> u64 {
    report.pointer(pointer).and_then(Value::as_u64).unwrap_or(0)
}

#[test]
fn the_generated_market_is_traded_and_the_exchange_agrees() {
    for way in WAYS {
        let arguments = ["--seconds", "14", "--hot-io", way];
        let (report, succeeded) = Demo::start(&format!("generated-{way}"), &arguments).finish();
        assert_sound(&report, succeeded);
        for figure in [
            "/by_strategy/imbalance/orders_sent",
            "/by_strategy/imbalance/fills",
            "/tick_to_order_ns/count",
            "/wire_to_wire_ns/count",
        ] {
            assert!(count(&report, figure) > 0, "{figure}: {report:#}");
        }
        assert_eq!(count(&report, "/book_gaps"), 0, "{report:#}");
        assert_eq!(report["restarts"], 0, "{report:#}");
        assert_eq!(report["hot_io"], way, "{report:#}");
    }
}

#[test]
fn each_pair_of_recordings_is_traded_without_a_gap() {
    let Some(captures) = captures() else { return };
    let folder = captures.join("hftbacktest/usdm");
    let Ok(entries) = std::fs::read_dir(&folder) else {
        println!("skipped: no recordings at {}", folder.display());
        return;
    };
    let mut files: Vec<_> = entries.flatten().map(|entry| entry.path()).collect();
    files.sort();
    assert!(
        !files.is_empty() && files.len().is_multiple_of(2),
        "pairs of days: {files:?}"
    );
    for (index, pair) in files.chunks(2).enumerate() {
        let list = format!("{},{}", pair[0].display(), pair[1].display());
        // The first pair both ways, the others in turn.
        let ways = if index == 0 {
            &WAYS[..]
        } else {
            &WAYS[index % 2..][..1]
        };
        for way in ways {
            trade_recording(&format!("recorded-{index}-{way}"), way, &list);
        }
    }
}

fn trade_recording(name: &str, way: &str, list: &str) {
    let (report, succeeded) = Demo::start(
        name,
        &[
            "--seconds",
            "10",
            "--speed",
            "4",
            "--hot-io",
            way,
            "--capture",
            list,
        ],
    )
    .finish();
    assert_sound(&report, succeeded);
    assert_eq!(count(&report, "/book_gaps"), 0, "{list}: {report:#}");
    assert!(
        count(&report, "/by_strategy/imbalance/fills") > 0,
        "{list}: {report:#}"
    );
}

#[test]
fn spot_is_traded_and_what_is_held_agrees_after_fees_in_the_base_asset() {
    for way in WAYS {
        let arguments = ["--seconds", "12", "--market", "spot", "--hot-io", way];
        let (report, succeeded) = Demo::start(&format!("spot-{way}"), &arguments).finish();
        assert_sound(&report, succeeded);
        assert!(count(&report, "/fills") > 0, "{report:#}");
    }
}

#[test]
fn the_dummy_strategy_places_and_cancels() {
    let (report, succeeded) =
        Demo::start("dummy", &["--seconds", "8", "--strategy", "dummy"]).finish();
    assert_sound(&report, succeeded);
    assert!(
        count(&report, "/by_strategy/dummy/orders_sent") >= 3,
        "{report:#}"
    );
}

#[test]
fn injected_allocations_show_in_the_report() {
    for way in WAYS {
        let arguments = [
            "--seconds",
            "5",
            "--inject-allocation",
            "7",
            "--hot-io",
            way,
        ];
        let (report, _) = Demo::start(&format!("allocations-{way}"), &arguments).finish();
        assert!(count(&report, "/hot_allocations/engine") >= 7, "{report:#}");
    }
}

#[test]
fn a_dropped_depth_frame_makes_the_book_stale_and_it_syncs_within_two_seconds() {
    for way in WAYS {
        let fault = ["--fault", "drop-depth:150"];
        let arguments = [&["--seconds", "16", "--hot-io", way][..], &fault].concat();
        let demo = Demo::start(&format!("dropped-{way}"), &arguments);
        let state_dir = demo.state_dir.clone();
        let (report, succeeded) = demo.finish();
        assert_sound(&report, succeeded);
        assert_eq!(count(&report, "/book_gaps"), 1, "{report:#}");
        let ledger = rusqlite::Connection::open(state_dir.join("ledger.sqlite"));
        assert_stale_phase(&ledger.expect("a ledger"));
    }
}

/// After the gap: SYNCED again within 2 s, and no entry in the same instrument between.
fn assert_stale_phase(ledger: &rusqlite::Connection) {
    let (instrument, stale_ns, stale): (i64, i64, i64) = ledger
        .query_row(
            "SELECT instrument, utc_ns, sequence FROM book_states \
             WHERE to_state = 'STALE' AND reason = 'GAP'",
            [],
            |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)),
        )
        .expect("one gap in the ledger");
    let (synced_ns, synced): (i64, i64) = ledger
        .query_row(
            "SELECT utc_ns, sequence FROM book_states \
             WHERE to_state = 'SYNCED' AND instrument = ?1 AND sequence > ?2 \
             ORDER BY sequence LIMIT 1",
            [instrument, stale],
            |row| Ok((row.get(0)?, row.get(1)?)),
        )
        .expect("synced again");
    let took_ns = synced_ns - stale_ns;
    assert!(
        (0..2_000_000_000).contains(&took_ns),
        "synced after {took_ns} ns"
    );
    let entries: i64 = ledger
        .query_row(
            "SELECT count(*) FROM orders WHERE instrument = ?1 AND sequence > ?2 \
             AND sequence < ?3 AND reduce_only = 0",
            [instrument, stale, synced],
            |row| row.get(0),
        )
        .expect("a count");
    assert_eq!(entries, 0, "no entry while the book is stale");
}

#[test]
fn a_killed_control_leaves_no_hole_and_orders_go_on() {
    let mut demo = Demo::start("kill-control", &["--seconds", "60", "--strategy", "dummy"]);
    demo.wait_until_ready();
    let orders = |demo: &Demo| {
        demo.get("sim", "/sim/v1/account")
            .and_then(|page| page["orders"].as_u64())
            .unwrap_or(0)
    };
    wait_for("orders flow", Duration::from_secs(20), || orders(&demo) > 2);
    demo.kill("control");
    let after_kill = orders(&demo);
    wait_for("orders go on", Duration::from_secs(20), || {
        orders(&demo) > after_kill + 2
    });
    demo.end_early();
    let (report, succeeded) = demo.finish();
    assert_sound(&report, succeeded);
    assert_eq!(report["restarts"], 1, "{report:#}");
}

#[test]
fn a_killed_hot_path_leaves_no_orphan_and_positions_agree() {
    for way in WAYS {
        kill_hot_path(way);
    }
}

fn kill_hot_path(way: &str) {
    let arguments = ["--seconds", "60", "--hot-io", way];
    let mut demo = Demo::start(&format!("kill-hotpath-{way}"), &arguments);
    demo.wait_until_ready();
    let fills = |demo: &Demo| {
        demo.get("sim", "/sim/v1/account")
            .and_then(|page| page["fills"].as_u64())
            .unwrap_or(0)
    };
    wait_for("the strategy has traded", Duration::from_secs(30), || {
        fills(&demo) > 0
    });
    demo.kill("hotpath");
    let before = fills(&demo);
    wait_for("it trades again", Duration::from_secs(30), || {
        fills(&demo) > before
    });
    demo.end_early();
    let (report, succeeded) = demo.finish();
    assert!(succeeded, "{report:#}");
    assert_eq!(
        report["end"]["open_orders_exchange"], report["end"]["open_orders_ours"],
        "{report:#}"
    );
    assert_eq!(
        report["exchange_agrees"]["position"],
        Value::Bool(true),
        "{report:#}"
    );
    assert_eq!(report["restarts"], 1, "{report:#}");
}

#[test]
fn a_capture_that_does_not_exist_or_is_broken_is_named() {
    let exchange = tests::binary("simulated-exchange");
    let run = |file: &Path| {
        let output = std::process::Command::new(&exchange)
            .args(["--listen", "127.0.0.1:0", "--capture"])
            .arg(file)
            .output()
            .expect("it runs");
        assert_eq!(output.status.code(), Some(1));
        String::from_utf8_lossy(&output.stderr).into_owned()
    };
    let missing = run(Path::new("no-such-recording.gz"));
    assert!(missing.contains("no-such-recording.gz"), "{missing}");
    let folder = tests::target().join("fulcrum/tests");
    std::fs::create_dir_all(&folder).expect("a folder under target");
    let broken = folder.join("broken-recording.txt");
    std::fs::write(
        &broken,
        "1680652700423575 {\"stream\":\"btcusdt@bookTicker\",\"data\":{\"e\":\"bookTicker\",\"u\":1,\
         \"s\":\"BTCUSDT\",\"b\":\"1.10\",\"B\":\"1\",\"a\":\"1.20\",\"A\":\"1\",\"T\":1,\"E\":1}}\n\
         1680652700423576 {\"stream\":\"btcusdt@bookTi\n",
    )
    .expect("a file under target");
    let said = run(&broken);
    assert!(
        said.contains("broken-recording.txt") && said.contains('2'),
        "{said}"
    );
}
