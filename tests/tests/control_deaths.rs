//! Control dies again and again while the market is fast, each time with a journal that waits for it.
//!
//! In: real processes, twenty deaths at moments of a seed. Out: a ledger with every fill of the
//! exchange, once. Never: a hot path that notices.

use rusqlite::{Connection, OpenFlags};
use serde_json::Value;
use std::time::Duration;
use tests::rig::{Process, Rig};
use tests::torture::{Dice, books_agree};
use tests::wait_for;

const DEATHS: u32 = 20;
const FILLS: u64 = 500;

/// How many fills the hot path makes while control is away, each time.
const BACKLOG: u64 = 13;

const SEED: u64 = 0x5eed;

/// Trades as fast as the exchange's order limits let it, and never stops for a loss.
const LINES: &str = "[hot_path]\nengine_wait = \"yield\"\n\
    [risk]\nmax_orders_per_10s = 290\nmax_orders_per_minute = 1150\nreserved_share_ratio = 0.05\n\
    max_repeated_executions = 32\nrepeated_execution_window_s = 1\nmax_loss_streak = 1000\n\
    daily_loss_usdt = 100000\ndrawdown_usdt = 100000\ndrawdown_smaller_ratio = 0.5\n\
    drawdown_less_leverage_ratio = 0.5\ndrawdown_stop_ratio = 0.5\n\
    [[strategy]]\nkind = \"imbalance\"\nentry = \"taker\"\norder_notional_usdt = 300\n\
    buy_above_ratio = 1.02\nsell_below_ratio = 0.98\ntime_exit_after_ms = 100\n\
    signal_exit_after_ms = 0\ncooldown_ms = 0\nretry_after_ms = 0\n";

fn fills_at_the_exchange(rig: &Rig) -> u64 {
    rig.history()["fills"].as_array().expect("fills").len() as u64
}

fn number(rig: &Rig, sql: &str) -> i64 {
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY;
    let ledger = Connection::open_with_flags(rig.ledger(), flags).expect("a ledger");
    ledger.query_row(sql, [], |row| row.get(0)).expect(sql)
}

#[test]
fn the_ledger_has_every_fill_after_twenty_deaths_of_its_writer() {
    let mut rig = Rig::new("control-deaths", "BTCUSDT", LINES);
    let mut dice = Dice::new(SEED);
    rig.start_hot_path();
    for death in 1..=DEATHS {
        let before = fills_at_the_exchange(&rig);
        wait_for("a backlog", Duration::from_secs(120), || {
            fills_at_the_exchange(&rig) >= before + BACKLOG
        });
        rig.start_control();
        // From before the first commit until long after it: deaths at every stage of taking in.
        std::thread::sleep(dice.millis(0, 400));
        rig.kill(Process::Control);
        let status = rig.status();
        assert_eq!(status["state"], "ACTIVE", "death {death}: {status:#}");
    }
    wait_for("enough fills", Duration::from_secs(300), || {
        fills_at_the_exchange(&rig) >= FILLS
    });
    rig.start_control();
    let stopped = rig.fulcrum(&["stop"]);
    assert_eq!(stopped.code, Some(0), "{stopped:?}");
    rig.wait_for_state("HALTED");
    let mut compared = Err("nothing yet".to_string());
    wait_for("the books agree", Duration::from_secs(60), || {
        compared = books_agree(&rig);
        compared.is_ok()
    });
    let fills = compared.expect("they agree");
    assert!(fills >= FILLS, "{fills}");
    let holes = number(&rig, "SELECT coalesce(sum(holes), 0) FROM generations");
    let twice = number(
        &rig,
        "SELECT count(*) - count(DISTINCT trade_id) FROM fills",
    );
    assert_eq!((holes, twice), (0, 0));
    let account = rig.account();
    let fees: Value = account["fees_total_usdt"].clone();
    let ours = number(&rig, "SELECT sum(fee_e8) FROM fills");
    let ours = format!("{}.{:08}", ours / 100_000_000, ours % 100_000_000);
    assert_eq!(fees.as_str(), Some(ours.as_str()));
    println!("{DEATHS} deaths, {fills} fills, {ours} USDT of fees on both sides");
}
