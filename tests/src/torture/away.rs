//! Control dead under a market five times as fast as it was recorded.
//!
//! In: a recording, how long control is away. Out: whether the ledger has every record of the
//! journal, and tick to order with and without control, by the A/A rule of the performance page.
//! Never: two windows with control that are left out because they differ.

use super::round::{PATIENCE, utc_ms};
use crate::rig::{Plan, Process, Rig, Window};
use crate::wait_for;
use serde::{Deserialize, Serialize};
use std::path::Path;
use std::time::{Duration, Instant};

/// How much a window without control may be slower than the spread of those with it.
const MORE_THAN_SPREAD: f64 = 1.1;

/// How it is measured.
#[derive(Clone, Debug)]
pub struct Away<'a> {
    /// The recording.
    pub recording: &'a Path,
    /// Where state lies.
    pub state_dir: &'a Path,
    /// Length of a window.
    pub window: Duration,
    /// Windows with control, before it dies and again after it is back.
    pub windows_with: u32,
    /// Windows without it.
    pub windows_without: u32,
    /// The engine's thread has a core for itself.
    pub spin: bool,
}

/// One window.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Sample {
    /// Control lived.
    pub with_control: bool,
    /// Orders that a market event triggered.
    pub orders: u64,
    /// Median of tick to order in nanoseconds.
    pub p50_ns: u64,
    /// 99th percentile.
    pub p99_ns: u64,
}

/// What came of it.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Measured {
    /// How long control was away.
    pub away_s: u64,
    /// Journal records that the hot path has written.
    pub journal_records: u64,
    /// Records of them in the ledger.
    pub ledger_records: u64,
    /// Sequence numbers that never came.
    pub holes: u64,
    /// Every window, in its order.
    pub windows: Vec<Sample>,
    /// Largest median with control over the smallest.
    pub spread_with: f64,
    /// Median of the medians without control over that of those with it.
    pub ratio: f64,
}

impl Measured {
    /// True when control's absence does not show beyond the spread that was there before.
    #[must_use]
    pub fn unchanged(&self) -> bool {
        self.ratio <= self.spread_with * MORE_THAN_SPREAD
    }

    /// True when every record is in the ledger.
    #[must_use]
    pub fn nothing_lost(&self) -> bool {
        self.holes == 0 && self.ledger_records == self.journal_records
    }
}

/// Measures it.
///
/// # Panics
/// When a process does not do its part in time.
#[must_use]
pub fn measure(away: &Away<'_>) -> Measured {
    let wait = if away.spin { "spin" } else { "yield" };
    let mut rig = Rig::set_up(&Plan {
        state_dir: away.state_dir.to_path_buf(),
        market: vec![
            "--capture",
            away.recording.to_str().expect("a plain path"),
            "--speed",
            "5",
            "--loop",
        ],
        traded: vec!["ETHUSDT"],
        lines: lines(wait),
        proxied: false,
    });
    rig.start_control();
    rig.launch(Process::HotPath);
    wait_for("it is ready", PATIENCE, || {
        rig.ask(r#"{"verb":"status"}"#)["ready_after_ms"].is_u64()
    });
    let mut windows = Vec::new();
    let mut sample = |rig: &Rig, count: u32, with_control: bool| {
        for _ in 0..count {
            windows.extend(one(rig, away.window, with_control));
        }
    };
    // What the first orders find cold is nobody's.
    let _ = one(&rig, away.window, true);
    sample(&rig, away.windows_with, true);
    rig.kill(Process::Control);
    let died_ms = utc_ms();
    sample(&rig, away.windows_without, false);
    rig.start_control();
    let away_s = (utc_ms() - died_ms).unsigned_abs() / 1_000;
    // What has piled up is taken in first: that is no window like the others.
    wait_for("control has caught up", PATIENCE, || {
        let written = rig.counters().get("journal_records_total");
        ledger(&rig).is_some_and(|(records, _)| records + 100 >= written)
    });
    sample(&rig, away.windows_with, true);
    let said = rig.fulcrum(&["stop", "--policy", "cancel"]);
    assert_eq!(said.code, Some(0), "{said:?}");
    wait_for("it is halted", PATIENCE, || {
        let status = rig.ask(r#"{"verb":"status"}"#);
        status["state"] == "HALTED" && status["orders_open"] == 0
    });
    compare(&rig, away_s, windows)
}

fn lines(wait: &str) -> String {
    format!(
        "[hot_path]\nengine_wait = \"{wait}\"\ncontrol_grace_s = 600\n\n\
         [[strategy]]\nkind = \"dummy\"\ninterval_ms = 80\nrest_ms = 40\ndistance_bps = 20\n\n\
         [risk]\nmax_orders_per_10s = 290\nmax_orders_per_minute = 1150\n\
         dry_breakers = [\"LOSS_STREAK\", \"REJECT_RATE\", \"ERROR_RATE\", \"LATENCY\", \
         \"CLOCK_SKEW\", \"FEED_GAPS\", \"MISMATCH_RATE\"]\n"
    )
}

/// Tick to order over the next window; none without an order in it.
fn one(rig: &Rig, length: Duration, with_control: bool) -> Option<Sample> {
    let before: Window = rig.tick_to_order();
    let begun = Instant::now();
    std::thread::sleep(length);
    while rig.tick_to_order().since(&before).is_none() && begun.elapsed() < PATIENCE {
        std::thread::sleep(length / 10);
    }
    let (orders, p50_ns, p99_ns) = rig.tick_to_order().since(&before)?;
    (orders > 0).then_some(Sample {
        with_control,
        orders,
        p50_ns,
        p99_ns,
    })
}

/// Records and holes of the ledger.
fn ledger(rig: &Rig) -> Option<(u64, u64)> {
    let flags = rusqlite::OpenFlags::SQLITE_OPEN_READ_ONLY;
    let connection = rusqlite::Connection::open_with_flags(rig.ledger(), flags).ok()?;
    let sql = "SELECT sum(records), sum(holes) FROM generations";
    let sums: Option<(i64, i64)> = connection
        .query_row(sql, [], |row| Ok((row.get(0)?, row.get(1)?)))
        .ok();
    sums.map(|(records, holes)| (records.cast_unsigned(), holes.cast_unsigned()))
}

fn compare(rig: &Rig, away_s: u64, windows: Vec<Sample>) -> Measured {
    // The market goes on and writes records of its own: the count is read first.
    let journal_records = rig.counters().get("journal_records_total");
    let mut in_ledger = (0, 0);
    wait_for("the ledger has them all", PATIENCE, || {
        in_ledger = ledger(rig).unwrap_or_default();
        in_ledger.0 >= journal_records
    });
    let journal_records = rig.counters().get("journal_records_total").min(in_ledger.0);
    let (ledger_records, holes) = (in_ledger.0.min(journal_records), in_ledger.1);
    let medians = |with: bool| {
        let chosen = windows.iter().filter(move |one| one.with_control == with);
        let mut all: Vec<u64> = chosen.map(|one| one.p50_ns).collect();
        all.sort_unstable();
        all
    };
    let (with, without) = (medians(true), medians(false));
    let middle = |all: &[u64]| all.get(all.len() / 2).copied().unwrap_or(0) as f64;
    let (least, most) = (with.first(), with.last());
    let over = |most: Option<&u64>, least: Option<&u64>| {
        let (most, least) = (most.copied().unwrap_or(0), least.copied().unwrap_or(1));
        most as f64 / least.max(1) as f64
    };
    Measured {
        away_s,
        journal_records,
        ledger_records,
        holes,
        spread_with: over(most, least),
        ratio: middle(&without) / middle(&with).max(1.0),
        windows,
    }
}
