//! The exchange's list of what moved the wallet, on real processes.
//!
//! In: trades, funding, lives that end. Out: a ledger that has each entry once and whose fills agree
//! with it. Never: a look inside.

use rusqlite::{Connection, OpenFlags};
use std::time::Duration;
use tests::rig::{Process, Rig};
use tests::wait_for;

/// Own orders that fill.
const BUSY: &str = "[hot_path]\nengine_wait = \"yield\"\n\
    [[strategy]]\nkind = \"dummy\"\ninterval_ms = 400\nrest_ms = 350\ndistance_bps = 0\n";

/// A look comes ten seconds after a start.
const FIRST_LOOK: Duration = Duration::from_secs(60);

/// One number of the ledger.
fn number(rig: &Rig, sql: &str) -> i64 {
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY;
    let ledger = Connection::open_with_flags(rig.ledger(), flags);
    let read = ledger.and_then(|ledger| ledger.query_row(sql, [], |row| row.get(0)));
    read.unwrap_or(-1)
}

const FUNDING: &str = "SELECT coalesce(sum(amount_e8), 0) FROM incomes WHERE kind = 'FUNDING_FEE'";

#[test]
fn commissions_profits_and_funding_are_in_the_ledger_once_and_agree_with_the_fills() {
    let mut rig = Rig::new("income", "BTCUSDT", BUSY);
    rig.start_hot_path();
    rig.start_control();
    wait_for("fills", Duration::from_secs(120), || {
        number(&rig, "SELECT count(*) FROM fills") >= 4
    });
    rig.fund(-123_456_789);
    // The next life's first look goes back over the life before.
    rig.kill(Process::HotPath);
    rig.start_hot_path();
    wait_for("the list is read", FIRST_LOOK, || {
        number(&rig, FUNDING) == -123_456_789
    });
    let entries = number(&rig, "SELECT count(*) FROM incomes");
    let compared = number(
        &rig,
        "SELECT count(*) FROM incomes WHERE ours_e8 IS NOT NULL",
    );
    assert!(compared >= 4, "{compared} of {entries}");
    let different = "SELECT count(*) FROM incomes WHERE abs(amount_e8 - ours_e8) > 10000";
    assert_eq!(number(&rig, different), 0);
    let name = "fulcrum_reconcile_mismatches_total{kind=\"income\"} ";
    assert_eq!(rig.figure(name), Some(0.0));
    wait_for("the metric says so", Duration::from_secs(10), || {
        let paid = rig.figure("fulcrum_funding_paid_usdt ");
        paid.is_some_and(|paid| (paid - 1.234_567_89).abs() < 1e-9)
    });
    // Once more: what is known is not counted again, what is new is.
    rig.fund(23_456_789);
    rig.kill(Process::HotPath);
    rig.start_hot_path();
    wait_for("the new entry", FIRST_LOOK, || {
        number(&rig, FUNDING) == -100_000_000
    });
    assert!(number(&rig, "SELECT count(*) FROM incomes") > entries);
    let twice = "SELECT count(*) - count(DISTINCT kind || transaction_id) FROM incomes";
    assert_eq!(number(&rig, twice), 0);
    rig.kill_both();
}
