//! A ledger of version 5 in this build, and one of this build in version 5's hands.

use super::*;

const VERSION_5: &str = include_str!("version_5.sql");
const ROWS: &str = include_str!("rows_of_version_5.sql");

fn count(ledger: &Ledger, what: &str) -> i64 {
    let sql = format!("SELECT count(*) FROM {what}");
    let read = ledger.connection.query_row(&sql, [], |row| row.get(0));
    read.unwrap()
}

#[test]
fn a_ledger_of_version_5_is_read_and_goes_on() {
    let directory = Directory::new();
    let path = directory.0.join("ledger.sqlite");
    let before = Connection::open(&path).unwrap();
    before.execute_batch(VERSION_5).unwrap();
    before.execute_batch(ROWS).unwrap();
    drop(before);
    let mut ledger = Ledger::open(&path, &paper()).unwrap();
    let version = "SELECT value FROM meta WHERE key = 'schema_version'";
    assert_eq!(text(&ledger, version), "6");
    assert_eq!(ledger.totals().fills(), 2);
    let trade = "SELECT net || ' ' || coalesce(entry_price, 'unknown') || ' ' || opened_utc_ns
        FROM trades_text";
    assert_eq!(text(&ledger, trade), "0.02998000 unknown 4");
    let report = check_sums(&ledger.connection).unwrap();
    assert!(report.holds(), "{report:?}");
    ledger.turn_to(HEADER).unwrap();
    ledger.ingest(&batch(1, &story())).unwrap();
    assert_eq!(count(&ledger, "trades_text"), 2);
}

#[test]
fn version_5_reads_and_writes_what_this_build_has_left() {
    let directory = Directory::new();
    let mut ledger = directory.open();
    ledger.turn_to(HEADER).unwrap();
    ledger.ingest(&batch(1, &story())).unwrap();
    let needed = "SELECT value FROM meta WHERE key = 'min_reader_version'";
    assert_eq!(text(&ledger, needed), "5");
    let path = ledger.path().to_path_buf();
    drop(ledger);
    // Its start makes what is missing, and its statements go through.
    let old = Connection::open(&path).unwrap();
    let tables = VERSION_5.split("INSERT INTO meta").next().unwrap();
    old.execute_batch(tables).unwrap();
    old.execute_batch(ROWS).unwrap();
    let page = "SELECT x.generation, x.sequence, x.market, x.symbol, x.strategy, x.side, x.reason,
        x.held_ns, x.net, x.fees, t.utc_ns FROM trades_text x
        JOIN trades t USING (generation, sequence)";
    let rows = old
        .prepare(page)
        .unwrap()
        .query_map([], |_| Ok(()))
        .unwrap()
        .count();
    assert_eq!(rows, 2);
    drop(old);
    let ledger = directory.open();
    assert_eq!(ledger.totals().fills(), 4);
    assert_eq!(count(&ledger, "trades_text"), 2);
}

#[test]
fn a_row_of_an_unknown_instrument_is_on_its_page_in_ticks_and_lots() {
    let directory = Directory::new();
    let mut ledger = directory.open();
    ledger.turn_to(HEADER).unwrap();
    ledger.ingest(&batch(1, &story())).unwrap();
    let sql = "DELETE FROM instruments";
    ledger.connection.execute(sql, []).unwrap();
    let wanted = Wanted {
        limit: 100,
        ..Wanted::default()
    };
    let fills = page::<FillRow>(ledger.path(), &wanted).unwrap().rows;
    assert_eq!(fills.len(), 2);
    assert_eq!(fills[0].price, "281451 ticks");
    assert_eq!(
        page::<TradeRow>(ledger.path(), &wanted).unwrap().rows.len(),
        1
    );
    assert_eq!(
        page::<OrderRow>(ledger.path(), &wanted).unwrap().rows.len(),
        2
    );
    assert_eq!(
        page::<DenialRow>(ledger.path(), &wanted)
            .unwrap()
            .rows
            .len(),
        1
    );
}
