//! Tables and views of the ledger, and who may read them.
//!
//! In: an open connection. Out: one with every table of this build. Never: a change to a ledger
//! that a later build has made unreadable for us, or that belongs to another account or venue.

use super::views::views;
use super::{LedgerError, history_tables};
use rusqlite::{Connection, OptionalExtension, params};

/// Version of the tables below; grows with every change.
pub const SCHEMA_VERSION: u32 = 6;

/// Oldest build, by its [`SCHEMA_VERSION`], that still reads what this build writes.
pub const MIN_READER_VERSION: u32 = 5;

/// Whose ledger it is. A paper ledger is never opened live.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Identity {
    /// `paper`, `testnet` or `live`.
    pub mode: String,
    /// Account name.
    pub account: String,
}

impl Identity {
    /// What marks the rows of a market (`usdm`, `spot`): `MODE:MARKET:ACCOUNT`. It is the same in
    /// every ledger, so that rows of several that are read together cannot be mistaken.
    #[must_use]
    pub fn venue(&self, market: &str) -> String {
        format!("{}:{market}:{}", self.mode, self.account)
    }
}

/// Creates what is missing and checks that the ledger is ours to write.
///
/// # Errors
/// [`LedgerError`] when it is another account's, or needs a newer build.
pub(super) fn prepare(connection: &Connection, identity: &Identity) -> Result<(), LedgerError> {
    connection.pragma_update(None, "journal_mode", "WAL")?;
    connection.pragma_update(None, "synchronous", "FULL")?;
    connection.pragma_update(None, "foreign_keys", "ON")?;
    connection.execute_batch(META)?;
    let min_reader = read_meta(connection, "min_reader_version")?
        .map_or(Ok(0), |text| text.parse::<u32>())
        .map_err(|_| LedgerError::Foreign("min_reader_version is no number".to_string()))?;
    if min_reader > SCHEMA_VERSION {
        return Err(LedgerError::TooNew {
            needed: min_reader,
            ours: SCHEMA_VERSION,
        });
    }
    for (key, ours) in [("mode", &identity.mode), ("account", &identity.account)] {
        match read_meta(connection, key)? {
            Some(found) if found != *ours => {
                return Err(LedgerError::Foreign(format!(
                    "it was written for {key} {found}, this is {key} {ours}"
                )));
            }
            Some(_) => {}
            None => write_meta(connection, key, ours)?,
        }
    }
    let transaction = connection.unchecked_transaction()?;
    transaction.execute_batch(TABLES)?;
    transaction.execute_batch(history_tables::TABLES)?;
    for market in ["usdm", "spot"] {
        transaction.execute(
            "INSERT OR IGNORE INTO venues (id, mode, market, account) VALUES (?1, ?2, ?3, ?4)",
            params![
                identity.venue(market),
                identity.mode,
                market,
                identity.account
            ],
        )?;
    }
    mark_rows(&transaction, identity)?;
    for (name, select) in views() {
        // Another build may have made it otherwise.
        transaction.execute_batch(&format!(
            "DROP VIEW IF EXISTS {name}; CREATE VIEW {name} AS {select};"
        ))?;
    }
    for (key, version) in [
        ("schema_version", SCHEMA_VERSION),
        ("min_reader_version", MIN_READER_VERSION),
    ] {
        let known = read_meta(&transaction, key)?.and_then(|text| text.parse::<u32>().ok());
        if known.is_none_or(|known| known < version) {
            let sql = "INSERT OR REPLACE INTO meta (key, value) VALUES (?1, ?2)";
            transaction.execute(sql, params![key, version.to_string()])?;
        }
    }
    Ok(transaction.commit()?)
}

/// Rows of a build that marked none get their venue.
fn mark_rows(connection: &Connection, identity: &Identity) -> rusqlite::Result<()> {
    let marked = |table: &str| {
        let sql = "SELECT count(*) > 0 FROM pragma_table_info(?1) WHERE name = 'venue'";
        connection.query_row(sql, [table], |row| row.get::<_, bool>(0))
    };
    for table in ["orders", "fills", "incomes"] {
        if marked(table)? {
            continue;
        }
        connection.execute_batch(&format!(
            "ALTER TABLE {table} ADD COLUMN venue TEXT REFERENCES venues (id);
             DROP VIEW IF EXISTS {table}_text;"
        ))?;
        if table == "incomes" {
            // The exchange lists them for futures alone.
            let venue = identity.venue("usdm");
            connection.execute("UPDATE incomes SET venue = ?1", [venue])?;
            continue;
        }
        connection.execute(
            &format!(
                "UPDATE {table} SET venue = (SELECT v.id FROM instruments i
                 JOIN venues v ON v.market = i.market AND v.mode = ?1 AND v.account = ?2
                 WHERE i.generation = {table}.generation AND i.instrument = {table}.instrument)"
            ),
            params![identity.mode, identity.account],
        )?;
    }
    Ok(())
}

fn read_meta(connection: &Connection, key: &str) -> Result<Option<String>, LedgerError> {
    Ok(connection
        .query_row("SELECT value FROM meta WHERE key = ?1", [key], |row| {
            row.get(0)
        })
        .optional()?)
}

fn write_meta(connection: &Connection, key: &str, value: &str) -> Result<(), LedgerError> {
    connection.execute(
        "INSERT INTO meta (key, value) VALUES (?1, ?2)",
        params![key, value],
    )?;
    Ok(())
}

const META: &str = "
CREATE TABLE IF NOT EXISTS meta (key TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
";

/// Every fact is keyed by (generation, sequence) of its journal record; orders, fills and incomes have
/// the venue that they are of. Prices are ticks,
/// quantities lots, money units of 1e-8; the views of [`views`] show them as decimal text.
const TABLES: &str = "
CREATE TABLE IF NOT EXISTS venues (
    id TEXT PRIMARY KEY, mode TEXT NOT NULL, market TEXT NOT NULL, account TEXT NOT NULL
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS generations (
    generation INTEGER PRIMARY KEY,
    build_id TEXT NOT NULL,
    config_hash TEXT NOT NULL,
    attached_utc_ns INTEGER NOT NULL,
    last_sequence INTEGER,
    records INTEGER NOT NULL DEFAULT 0,
    holes INTEGER NOT NULL DEFAULT 0,
    fill_duplicates INTEGER NOT NULL DEFAULT 0,
    order_id_reuses INTEGER NOT NULL DEFAULT 0,
    position_mismatches INTEGER NOT NULL DEFAULT 0,
    drained INTEGER NOT NULL DEFAULT 0
);
CREATE TABLE IF NOT EXISTS journal_holes (
    generation INTEGER NOT NULL, first_sequence INTEGER NOT NULL, last_sequence INTEGER NOT NULL,
    PRIMARY KEY (generation, first_sequence)
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS unread_records (
    generation INTEGER NOT NULL, sequence INTEGER NOT NULL, version INTEGER NOT NULL,
    why TEXT NOT NULL, bytes BLOB NOT NULL,
    PRIMARY KEY (generation, sequence)
);
CREATE TABLE IF NOT EXISTS kill_steps (
    generation INTEGER NOT NULL, sequence INTEGER NOT NULL,
    act TEXT NOT NULL, market TEXT NOT NULL, symbol TEXT NOT NULL, count INTEGER NOT NULL,
    error_code INTEGER NOT NULL, monotonic_ns INTEGER NOT NULL, utc_ns INTEGER NOT NULL,
    PRIMARY KEY (generation, sequence)
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS protective_stops (
    generation INTEGER NOT NULL, sequence INTEGER NOT NULL, act TEXT NOT NULL,
    instrument INTEGER, symbol TEXT NOT NULL, client_algo_id TEXT NOT NULL, side TEXT NOT NULL,
    trigger_ticks INTEGER NOT NULL, exchange_order_id INTEGER NOT NULL,
    stands_ticks INTEGER NOT NULL, error_code INTEGER NOT NULL, utc_ns INTEGER NOT NULL,
    PRIMARY KEY (generation, sequence)
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS instruments (
    generation INTEGER NOT NULL, instrument INTEGER NOT NULL,
    market TEXT NOT NULL, symbol TEXT NOT NULL,
    tick_mantissa INTEGER NOT NULL, tick_decimals INTEGER NOT NULL, tick_scale INTEGER NOT NULL,
    lot_mantissa INTEGER NOT NULL, lot_decimals INTEGER NOT NULL, lot_scale INTEGER NOT NULL,
    PRIMARY KEY (generation, instrument)
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS orders (
    client_order_id TEXT PRIMARY KEY,
    generation INTEGER NOT NULL, sequence INTEGER NOT NULL,
    intent INTEGER NOT NULL, instrument INTEGER NOT NULL, strategy INTEGER NOT NULL,
    side TEXT NOT NULL, order_type TEXT NOT NULL, time_in_force TEXT NOT NULL,
    price_ticks INTEGER NOT NULL, quantity_lots INTEGER NOT NULL, reduce_only INTEGER NOT NULL,
    trigger_kind TEXT NOT NULL, trigger_id INTEGER NOT NULL,
    exchange_order_id INTEGER NOT NULL DEFAULT 0,
    state TEXT NOT NULL, pending TEXT NOT NULL, certainty TEXT NOT NULL,
    cumulative_lots INTEGER NOT NULL DEFAULT 0, error_code INTEGER NOT NULL DEFAULT 0,
    ever_unknown INTEGER NOT NULL DEFAULT 0, adopted INTEGER NOT NULL DEFAULT 0,
    confirmed INTEGER NOT NULL DEFAULT 0,
    decided_utc_ns INTEGER NOT NULL, changed_utc_ns INTEGER NOT NULL,
    venue TEXT REFERENCES venues (id)
);
CREATE INDEX IF NOT EXISTS orders_by_place ON orders (generation, sequence);
CREATE INDEX IF NOT EXISTS orders_open ON orders (generation, sequence)
    WHERE state NOT IN ('FILLED', 'CANCELED', 'EXPIRED', 'REJECTED', 'DENIED');
CREATE TABLE IF NOT EXISTS order_events (
    generation INTEGER NOT NULL, sequence INTEGER NOT NULL, client_order_id TEXT NOT NULL,
    event TEXT NOT NULL, state TEXT, pending TEXT, certainty TEXT, cumulative_lots INTEGER,
    request TEXT, error_code INTEGER NOT NULL DEFAULT 0,
    input_sequence INTEGER NOT NULL, mono_ns INTEGER NOT NULL, utc_ns INTEGER NOT NULL,
    PRIMARY KEY (generation, sequence)
);
CREATE INDEX IF NOT EXISTS order_events_by_order ON order_events (client_order_id);
CREATE TABLE IF NOT EXISTS amendments (
    generation INTEGER NOT NULL, sequence INTEGER NOT NULL, client_order_id TEXT NOT NULL,
    event TEXT NOT NULL, decision INTEGER NOT NULL, price_ticks INTEGER NOT NULL,
    quantity_lots INTEGER NOT NULL, utc_ns INTEGER NOT NULL,
    PRIMARY KEY (generation, sequence)
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS fills (
    generation INTEGER NOT NULL, sequence INTEGER NOT NULL, client_order_id TEXT NOT NULL,
    instrument INTEGER NOT NULL, strategy INTEGER NOT NULL, side TEXT NOT NULL,
    trade_id INTEGER NOT NULL, price_ticks INTEGER NOT NULL, quantity_lots INTEGER NOT NULL,
    fee_e8 INTEGER NOT NULL, realized_e8 INTEGER NOT NULL, liquidity TEXT NOT NULL,
    transaction_time_ms INTEGER NOT NULL, utc_ns INTEGER NOT NULL,
    venue TEXT REFERENCES venues (id),
    PRIMARY KEY (generation, sequence)
);
CREATE INDEX IF NOT EXISTS fills_by_trade ON fills (generation, instrument, trade_id);
CREATE INDEX IF NOT EXISTS fills_by_order ON fills (client_order_id);
CREATE TABLE IF NOT EXISTS denials (
    generation INTEGER NOT NULL, sequence INTEGER NOT NULL, code TEXT NOT NULL,
    instrument INTEGER NOT NULL, strategy INTEGER NOT NULL, side TEXT NOT NULL,
    price_ticks INTEGER NOT NULL, quantity_lots INTEGER NOT NULL, utc_ns INTEGER NOT NULL,
    PRIMARY KEY (generation, sequence)
);
CREATE TABLE IF NOT EXISTS trading_states (
    generation INTEGER NOT NULL, sequence INTEGER NOT NULL,
    from_state TEXT NOT NULL, to_state TEXT NOT NULL, reason TEXT NOT NULL,
    utc_ns INTEGER NOT NULL,
    PRIMARY KEY (generation, sequence)
);
CREATE TABLE IF NOT EXISTS breakers (
    generation INTEGER NOT NULL, sequence INTEGER NOT NULL, breaker TEXT NOT NULL,
    instrument INTEGER, strategy INTEGER, value INTEGER NOT NULL, allowed INTEGER NOT NULL,
    dry INTEGER NOT NULL, utc_ns INTEGER NOT NULL,
    PRIMARY KEY (generation, sequence)
);
CREATE TABLE IF NOT EXISTS book_states (
    generation INTEGER NOT NULL, sequence INTEGER NOT NULL, instrument INTEGER NOT NULL,
    from_state TEXT NOT NULL, to_state TEXT NOT NULL, reason TEXT NOT NULL,
    utc_ns INTEGER NOT NULL,
    PRIMARY KEY (generation, sequence)
);
CREATE TABLE IF NOT EXISTS trades (
    generation INTEGER NOT NULL, sequence INTEGER NOT NULL, instrument INTEGER NOT NULL,
    strategy INTEGER NOT NULL, side TEXT NOT NULL, quantity_lots INTEGER NOT NULL,
    realized_e8 INTEGER NOT NULL, fees_e8 INTEGER NOT NULL, held_ns INTEGER NOT NULL,
    reason TEXT NOT NULL, utc_ns INTEGER NOT NULL,
    PRIMARY KEY (generation, sequence)
);
CREATE TABLE IF NOT EXISTS positions (
    generation INTEGER NOT NULL, sequence INTEGER NOT NULL, instrument INTEGER NOT NULL,
    quantity_lots INTEGER NOT NULL, cost_tick_lots TEXT NOT NULL,
    realized_e8 INTEGER NOT NULL, fees_e8 INTEGER NOT NULL,
    origin TEXT NOT NULL, adopted_lots INTEGER NOT NULL, utc_ns INTEGER NOT NULL,
    PRIMARY KEY (generation, sequence)
);
CREATE INDEX IF NOT EXISTS positions_by_instrument
    ON positions (generation, instrument, sequence);
CREATE TABLE IF NOT EXISTS reconciliations (
    generation INTEGER NOT NULL, sequence INTEGER NOT NULL,
    adopted INTEGER NOT NULL, cancelled INTEGER NOT NULL, foreign_orders INTEGER NOT NULL,
    position_differences INTEGER NOT NULL, utc_ns INTEGER NOT NULL,
    PRIMARY KEY (generation, sequence)
);
CREATE TABLE IF NOT EXISTS incomes (
    kind TEXT NOT NULL, transaction_id INTEGER NOT NULL, symbol TEXT NOT NULL,
    asset TEXT NOT NULL, amount_e8 INTEGER NOT NULL, time_ms INTEGER NOT NULL,
    trade_id INTEGER NOT NULL, ours_e8 INTEGER,
    generation INTEGER NOT NULL, sequence INTEGER NOT NULL,
    venue TEXT REFERENCES venues (id),
    PRIMARY KEY (kind, transaction_id, symbol)
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS account_notes (
    generation INTEGER NOT NULL, sequence INTEGER NOT NULL,
    kind TEXT NOT NULL, fate TEXT NOT NULL, instrument INTEGER, text TEXT NOT NULL,
    utc_ns INTEGER NOT NULL,
    PRIMARY KEY (generation, sequence)
);
CREATE INDEX IF NOT EXISTS fills_by_id ON fills (trade_id);
CREATE TABLE IF NOT EXISTS output_hashes (
    generation INTEGER NOT NULL, sequence INTEGER NOT NULL,
    input_sequence INTEGER NOT NULL, hash TEXT NOT NULL,
    PRIMARY KEY (generation, sequence)
);
CREATE TABLE IF NOT EXISTS wallets (
    generation INTEGER NOT NULL, sequence INTEGER NOT NULL,
    wallet_e8 INTEGER NOT NULL, event_time_ms INTEGER NOT NULL,
    PRIMARY KEY (generation, sequence)
);
CREATE TABLE IF NOT EXISTS figures (
    generation INTEGER NOT NULL, name TEXT NOT NULL, value INTEGER NOT NULL,
    PRIMARY KEY (generation, name)
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS histograms (
    generation INTEGER NOT NULL, name TEXT NOT NULL, count INTEGER NOT NULL,
    sum_ns INTEGER NOT NULL, max_ns INTEGER NOT NULL, cells BLOB NOT NULL,
    PRIMARY KEY (generation, name)
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS non_actions (
    generation INTEGER NOT NULL, reason TEXT NOT NULL, count INTEGER NOT NULL,
    PRIMARY KEY (generation, reason)
) WITHOUT ROWID;
";
