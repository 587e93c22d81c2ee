//! Tables of version 6: what a trading history is made of beside the facts of version 5.
//!
//! In: nothing. Out: SQL. Never: another column of a table that the build before fills; what belongs
//! to its rows lies in a table beside it, so that it goes on reading and writing this ledger.

/// As the other tables: facts by (generation, sequence), prices in ticks, quantities in lots, money
/// in 1e-8, mids in half ticks, times in nanoseconds of UTC. Samples and summaries are by their time.
pub(super) const TABLES: &str = "
CREATE TABLE IF NOT EXISTS decision_mids (
    generation INTEGER NOT NULL, sequence INTEGER NOT NULL, mid_half_ticks INTEGER NOT NULL,
    PRIMARY KEY (generation, sequence)
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS trade_legs (
    generation INTEGER NOT NULL, sequence INTEGER NOT NULL,
    market TEXT NOT NULL, symbol TEXT NOT NULL,
    lots INTEGER NOT NULL, entry_tick_lots TEXT NOT NULL, exit_tick_lots TEXT NOT NULL,
    entry_reason TEXT NOT NULL, entry_order TEXT NOT NULL, exit_order TEXT NOT NULL,
    opened_ms INTEGER NOT NULL, closed_ms INTEGER NOT NULL, opened_utc_ns INTEGER NOT NULL,
    funding_e8 INTEGER NOT NULL DEFAULT 0,
    PRIMARY KEY (generation, sequence)
) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS trade_legs_by_symbol ON trade_legs (market, symbol, closed_ms);
CREATE INDEX IF NOT EXISTS trades_by_time ON trades (utc_ns);
CREATE INDEX IF NOT EXISTS fills_by_time ON fills (transaction_time_ms);
CREATE TABLE IF NOT EXISTS told_again (
    generation INTEGER NOT NULL, sequence INTEGER NOT NULL, instrument INTEGER NOT NULL,
    side TEXT NOT NULL, trade_id INTEGER NOT NULL, quantity_lots INTEGER NOT NULL,
    fee_e8 INTEGER NOT NULL, realized_e8 INTEGER NOT NULL,
    PRIMARY KEY (generation, sequence)
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS markouts (
    generation INTEGER NOT NULL, sequence INTEGER NOT NULL, instrument INTEGER NOT NULL,
    side TEXT NOT NULL, trade_id INTEGER NOT NULL, after TEXT NOT NULL,
    mid_half_ticks INTEGER, none_because TEXT, utc_ns INTEGER NOT NULL,
    PRIMARY KEY (generation, sequence)
) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS markouts_by_fill ON markouts (generation, instrument, trade_id, side);
CREATE TABLE IF NOT EXISTS balances (
    generation INTEGER NOT NULL, sequence INTEGER NOT NULL, asset TEXT NOT NULL,
    wallet_e8 INTEGER NOT NULL, event_time_ms INTEGER NOT NULL, utc_ns INTEGER NOT NULL,
    PRIMARY KEY (generation, sequence)
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS equity (
    time_ns INTEGER PRIMARY KEY, generation INTEGER NOT NULL,
    wallet_e8 INTEGER NOT NULL, unrealized_e8 INTEGER NOT NULL, equity_e8 INTEGER NOT NULL,
    gross_e8 INTEGER NOT NULL, net_e8 INTEGER NOT NULL, transfers_e8 INTEGER NOT NULL,
    trading_state TEXT NOT NULL
);
CREATE TABLE IF NOT EXISTS signals (
    generation INTEGER NOT NULL, instrument INTEGER NOT NULL, time_ns INTEGER NOT NULL,
    imbalance_ratio REAL, no_signal TEXT, book_state TEXT NOT NULL,
    bid_ticks INTEGER NOT NULL, ask_ticks INTEGER NOT NULL,
    PRIMARY KEY (time_ns, generation, instrument)
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS non_action_samples (
    generation INTEGER NOT NULL, reason TEXT NOT NULL, time_ns INTEGER NOT NULL,
    count INTEGER NOT NULL,
    PRIMARY KEY (time_ns, generation, reason)
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS daily (
    day TEXT NOT NULL, strategy INTEGER NOT NULL, market TEXT NOT NULL, symbol TEXT NOT NULL,
    trades INTEGER NOT NULL, won INTEGER NOT NULL, lost INTEGER NOT NULL,
    realized_e8 INTEGER NOT NULL, fees_e8 INTEGER NOT NULL, funding_e8 INTEGER NOT NULL,
    transfers_e8 INTEGER, equity_first_e8 INTEGER, equity_last_e8 INTEGER,
    equity_min_e8 INTEGER, equity_max_e8 INTEGER, active_ns INTEGER,
    PRIMARY KEY (day, strategy, market, symbol)
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS application_state (
    key TEXT PRIMARY KEY, value TEXT NOT NULL, changed_utc_ns INTEGER NOT NULL
) WITHOUT ROWID;
";
