//! Torture, in the short form of every change: three deaths of each kind, each other blow once,
//! control away under a fast market.
//!
//! In: the binary `torture` on real processes. Out: no difference between box, ledger and exchange,
//! and a restart that is safe in time. Never: a failure whose seed is not printed.

use serde_json::Value;
use std::process::{Command, Stdio};
use std::sync::{Mutex, MutexGuard, PoisonError};
use tests::torture::Report;

/// Two of these would measure each other.
static TURN: Mutex<()> = Mutex::new(());

/// The promise of the specification.
const SAFE_MS_MAX: i64 = 2_000;

/// The longest one of a run: machines that build beside it are slow now and then.
const SAFE_MS_WORST: i64 = 2 * SAFE_MS_MAX;

/// From the end of the last I4 window to readiness.
const READY_AFTER_WINDOW_MS_MAX: i64 = 1_000;

fn turn() -> MutexGuard<'static, ()> {
    TURN.lock().unwrap_or_else(PoisonError::into_inner)
}

/// What it printed, and whether it ended with exit 0. Its progress goes to our stderr.
fn torture(arguments: &[&str]) -> (String, bool) {
    let binaries = tests::binary("fulcrum-hotpath");
    let output = Command::new(env!("CARGO_BIN_EXE_torture"))
        .args(arguments)
        .env("FULCRUM_BINARIES", binaries.parent().expect("a folder"))
        .stderr(Stdio::inherit())
        .output()
        .expect("it runs");
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    (said, output.status.success())
}

#[test]
fn rounds_of_every_kind_leave_no_difference_and_restarts_are_safe_in_time() {
    let _turn = turn();
    let (said, succeeded) = torture(&["rounds", "--kills", "3", "--others", "1"]);
    let report: Report = serde_json::from_str(&said).expect("a report");
    assert!(succeeded, "{:#?}", report.failures);
    let rounds: u64 = report.rounds.values().sum();
    assert_eq!(rounds + report.skipped.len() as u64, 3 * 3 + 10);
    assert!(report.skipped.len() <= 1, "{:?}", report.skipped);
    assert!(report.fills > 20, "{report:?}");
    assert!(report.safe_ms.median <= SAFE_MS_MAX, "{report:?}");
    assert!(report.safe_ms.max <= SAFE_MS_WORST, "{report:?}");
    let after = &report.ready_after_window_ms;
    assert!(after.max <= READY_AFTER_WINDOW_MS_MAX, "{report:?}");
}

#[test]
fn no_record_is_lost_while_control_is_dead_under_a_fast_market() {
    let _turn = turn();
    let Some(captures) = tests::captures() else {
        return;
    };
    let recording = captures.join("hftbacktest/usdm/ethusdt_20240718.gz");
    let recording = recording.to_str().expect("a plain path");
    let windows = ["--window-s", "2", "--with", "2", "--without", "5"];
    let arguments = [&["away", "--recording", recording][..], &windows].concat();
    let (said, succeeded) = torture(&arguments);
    let page: Value = serde_json::from_str(&said).expect("a report");
    assert!(succeeded, "{page:#}");
    let measured = &page["measured"];
    assert!(measured["away_s"].as_u64() >= Some(10), "{page:#}");
    assert!(measured["journal_records"].as_u64() > Some(100), "{page:#}");
    println!(
        "tick to order without control {} of that with it, spread with it {}",
        measured["ratio"], measured["spread_with"]
    );
}
