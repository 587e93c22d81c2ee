//! Every order, fill and income says of which venue it is, also those of an earlier build.

use super::*;

fn filled(directory: &Directory, identity: &Identity) -> Ledger {
    let path = directory.0.join(format!("{}.sqlite", identity.mode));
    let mut ledger = Ledger::open(&path, identity).unwrap();
    ledger.turn_to(HEADER).unwrap();
    ledger.ingest(&batch(0, &story())).unwrap();
    let funding = income(IncomeKind::FundingFee, 7, 0, -5);
    ledger.ingest(&batch(100, &[funding])).unwrap();
    ledger
}

fn live() -> Identity {
    Identity {
        mode: "live".to_string(),
        ..paper()
    }
}

/// Venues of a table's rows, each once.
fn venues(ledger: &Ledger, table: &str) -> String {
    let sql = format!(
        "SELECT group_concat(coalesce(venue, '-')) FROM (SELECT DISTINCT venue FROM {table})"
    );
    text(ledger, &sql)
}

const MARKED: [&str; 5] = ["orders", "fills", "incomes", "orders_text", "fills_text"];

#[test]
fn rows_say_of_which_venue_and_account_they_are() {
    let directory = Directory::new();
    let ledger = filled(&directory, &paper());
    for table in MARKED {
        assert_eq!(venues(&ledger, table), "paper:usdm:default", "{table}");
    }
    let named = "SELECT group_concat(id || '=' || mode || ' ' || market || ' ' || account, ',')
        FROM (SELECT * FROM venues ORDER BY id)";
    let both = "paper:spot:default=paper spot default,paper:usdm:default=paper usdm default";
    assert_eq!(text(&ledger, named), both);
}

#[test]
fn rows_of_paper_and_live_that_are_read_together_stay_apart() {
    let directory = Directory::new();
    let ledger = filled(&directory, &paper());
    drop(filled(&directory, &live()));
    let other = directory.0.join("live.sqlite").display().to_string();
    let attach = "ATTACH ?1 AS other";
    ledger.connection.execute(attach, [other]).unwrap();
    let sums = "SELECT group_concat(venue || ' ' || n, ',') FROM (SELECT venue, count(*) AS n FROM
        (SELECT venue FROM main.fills UNION ALL SELECT venue FROM other.fills)
        GROUP BY venue ORDER BY venue)";
    let fills = text(&ledger, "SELECT CAST(count(*) AS TEXT) FROM main.fills");
    let expected = format!("live:usdm:default {fills},paper:usdm:default {fills}");
    assert_eq!(text(&ledger, sums), expected);
}

#[test]
fn a_ledger_of_the_build_before_is_marked_when_it_is_opened() {
    let directory = Directory::new();
    let ledger = filled(&directory, &paper());
    let path = ledger.path().to_path_buf();
    let before = text(&ledger, "SELECT CAST(count(*) AS TEXT) FROM fills");
    // As schema 4 had it: no venues, no marks.
    ledger
        .connection
        .execute_batch(
            "DROP VIEW orders_text; DROP VIEW fills_text; DROP VIEW trades_text;
             CREATE VIEW orders_text AS SELECT state FROM orders;
             CREATE TABLE o AS SELECT * FROM orders; ALTER TABLE o DROP COLUMN venue;
             CREATE TABLE f AS SELECT * FROM fills; ALTER TABLE f DROP COLUMN venue;
             CREATE TABLE i AS SELECT * FROM incomes; ALTER TABLE i DROP COLUMN venue;
             DROP VIEW orders_text;
             DROP TABLE orders; DROP TABLE fills; DROP TABLE incomes; DROP TABLE venues;
             ALTER TABLE o RENAME TO orders; ALTER TABLE f RENAME TO fills;
             ALTER TABLE i RENAME TO incomes;
             CREATE VIEW orders_text AS SELECT state FROM orders;
             UPDATE meta SET value = '4' WHERE key = 'schema_version';
             UPDATE meta SET value = '1' WHERE key = 'min_reader_version';",
        )
        .unwrap();
    drop(ledger);
    let mut ledger = Ledger::open(&path, &paper()).unwrap();
    for table in MARKED {
        assert_eq!(venues(&ledger, table), "paper:usdm:default", "{table}");
    }
    assert_eq!(
        text(&ledger, "SELECT CAST(count(*) AS TEXT) FROM fills"),
        before
    );
    for (key, version) in [
        ("schema_version", SCHEMA_VERSION),
        ("min_reader_version", MIN_READER_VERSION),
    ] {
        let sql = format!("SELECT value FROM meta WHERE key = '{key}'");
        assert_eq!(text(&ledger, &sql), version.to_string());
    }
    // And it goes on.
    ledger.turn_to(HEADER).unwrap();
    let next = [intent(9, Side::Buy), fill(9, Side::Buy, 1, 0)];
    ledger.ingest(&batch(200, &next)).unwrap();
    assert_eq!(venues(&ledger, "fills"), "paper:usdm:default");
}
