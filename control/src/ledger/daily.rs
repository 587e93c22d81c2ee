//! Summaries of whole days of UTC, for the account and for each strategy and symbol.
//!
//! In: facts and samples. Out: rows of `daily`. Never: a summary of a day that is not over, or one
//! that another computation from the same facts would not give.
//!
//! A day is after 00:00 up to and with 24:00, as the statistics have it: trades by the time at which
//! they were closed, income by the exchange's time. The account's own row has strategy -1 and no
//! symbol; fees and profit in it are those of the day's fills, closed trades or not. What the
//! exchange lists late changes a day afterwards: the last days are computed again.

use super::{Ledger, LedgerError};
use market::UtcNs;
use rusqlite::{Connection, TransactionBehavior, params};

const DAY_NS: i64 = 86_400_000_000_000;

/// Strategy of the row that is the whole account.
pub const ACCOUNT: i64 = -1;

/// Days that are computed again after they were over: income is listed for longer than that only
/// after an outage, and `summarise_from` takes any day.
const AGAIN_DAYS: i64 = 3;

/// A day is summarised so long after its end: what lived on has been seen then.
const GRACE_NS: i64 = 60_000_000_000;

/// Most days of one transaction.
const DAYS_MAX: i64 = 8;

/// Where summaries go on: days since the epoch.
const PLACE: &str = "daily_summarised_to";

impl Ledger {
    /// Summarises days that are over and were not yet, and the last ones anew; a bounded number at a
    /// time. True while there are more.
    ///
    /// # Errors
    /// [`LedgerError`] of SQLite.
    pub fn summarise_days(&mut self, now: UtcNs) -> Result<bool, LedgerError> {
        let today = (now.0 - GRACE_NS).div_euclid(DAY_NS);
        let done = self.state(PLACE)?.and_then(|text| text.parse().ok());
        let Some(first) = first_day(&self.connection)? else {
            return Ok(false);
        };
        let next = done.unwrap_or(first);
        let from = match done {
            Some(done) => first.max(done - AGAIN_DAYS),
            None => first,
        };
        let until = today.min(next.max(from) + DAYS_MAX);
        if next >= today {
            return Ok(false);
        }
        self.summarise_from(from, until)?;
        self.set_state(PLACE, &until.to_string(), now.0)?;
        Ok(until < today)
    }

    /// Summarises the days from `from` to before `until`, in the place of what was there.
    ///
    /// # Errors
    /// [`LedgerError`] of SQLite; then none of them is changed.
    pub fn summarise_from(&mut self, from: i64, until: i64) -> Result<(), LedgerError> {
        let transaction = self
            .connection
            .transaction_with_behavior(TransactionBehavior::Immediate)?;
        for day in from..until {
            summarise(&transaction, day)?;
        }
        Ok(transaction.commit()?)
    }
}

/// The day of the first fact that has a time.
fn first_day(connection: &Connection) -> rusqlite::Result<Option<i64>> {
    let first: Option<i64> = connection.query_row(
        "SELECT min(utc_ns) FROM (
            SELECT min(utc_ns) AS utc_ns FROM trades WHERE utc_ns > 0
            UNION ALL SELECT min(utc_ns) FROM fills WHERE utc_ns > 0
            UNION ALL SELECT min(time_ns) FROM equity)",
        [],
        |row| row.get(0),
    )?;
    Ok(first.map(|first| (first - 1).div_euclid(DAY_NS)))
}

fn summarise(connection: &Connection, day: i64) -> rusqlite::Result<()> {
    let (from, until) = (day * DAY_NS, (day + 1) * DAY_NS);
    let date: String = connection.query_row(
        "SELECT date(?1, 'unixepoch')",
        [from / 1_000_000_000],
        |row| row.get(0),
    )?;
    connection.execute("DELETE FROM daily WHERE day = ?1", [&date])?;
    connection.execute(
        "INSERT INTO daily (day, strategy, market, symbol, trades, won, lost, realized_e8, fees_e8,
            funding_e8)
         SELECT ?1, t.strategy, coalesce(i.market, ''), coalesce(i.symbol, ''), count(*),
            sum(t.realized_e8 - t.fees_e8 + coalesce(l.funding_e8, 0) > 0),
            sum(t.realized_e8 - t.fees_e8 + coalesce(l.funding_e8, 0) < 0),
            sum(t.realized_e8), sum(t.fees_e8), sum(coalesce(l.funding_e8, 0))
         FROM trades t LEFT JOIN instruments i USING (generation, instrument)
         LEFT JOIN trade_legs l ON l.generation = t.generation AND l.sequence = t.sequence
         WHERE t.utc_ns > ?2 AND t.utc_ns <= ?3 GROUP BY 2, 3, 4",
        params![date, from, until],
    )?;
    let active = active_ns(connection, from, until)?;
    connection.execute(
        "INSERT INTO daily
         SELECT ?1, ?4, '', '',
            (SELECT coalesce(sum(trades), 0) FROM daily WHERE day = ?1),
            (SELECT coalesce(sum(won), 0) FROM daily WHERE day = ?1),
            (SELECT coalesce(sum(lost), 0) FROM daily WHERE day = ?1),
            (SELECT coalesce(sum(realized_e8), 0) FROM fills WHERE utc_ns > ?2 AND utc_ns <= ?3),
            (SELECT coalesce(sum(fee_e8), 0) FROM fills WHERE utc_ns > ?2 AND utc_ns <= ?3),
            (SELECT coalesce(sum(amount_e8), 0) FROM incomes WHERE kind = 'FUNDING_FEE'
                AND asset = 'USDT' AND time_ms > ?2 / 1000000 AND time_ms <= ?3 / 1000000),
            (SELECT coalesce(sum(amount_e8), 0) FROM incomes WHERE kind = 'TRANSFER'
                AND asset = 'USDT' AND time_ms > ?2 / 1000000 AND time_ms <= ?3 / 1000000),
            (SELECT equity_e8 FROM equity WHERE time_ns > ?2 AND time_ns <= ?3
                ORDER BY time_ns LIMIT 1),
            (SELECT equity_e8 FROM equity WHERE time_ns > ?2 AND time_ns <= ?3
                ORDER BY time_ns DESC LIMIT 1),
            (SELECT min(equity_e8) FROM equity WHERE time_ns > ?2 AND time_ns <= ?3),
            (SELECT max(equity_e8) FROM equity WHERE time_ns > ?2 AND time_ns <= ?3), ?5",
        params![date, from, until, ACCOUNT, active],
    )?;
    Ok(())
}

/// How long the engine was ACTIVE: from the change to it until the next change, or until the last
/// sign of life of its start.
fn active_ns(connection: &Connection, from: i64, until: i64) -> rusqlite::Result<i64> {
    let mut statement = connection.prepare_cached(
        "SELECT s.generation, s.utc_ns, s.to_state,
            lead(s.utc_ns) OVER (PARTITION BY s.generation ORDER BY s.sequence)
         FROM trading_states s WHERE s.utc_ns <= ?1 AND s.utc_ns > 0
         AND s.generation IN (SELECT generation FROM trading_states WHERE utc_ns > ?2
            UNION SELECT generation FROM equity WHERE time_ns > ?2 AND time_ns <= ?1
            UNION SELECT max(generation) FROM trading_states WHERE utc_ns <= ?2)",
    )?;
    let mut rows = statement.query(params![until, from])?;
    let mut sum = 0;
    while let Some(row) = rows.next()? {
        let (generation, begun, state): (i64, i64, String) =
            (row.get(0)?, row.get(1)?, row.get(2)?);
        if state != "ACTIVE" {
            continue;
        }
        let ended = match row.get::<_, Option<i64>>(3)? {
            Some(next) => next,
            None => last_sign(connection, generation)?.unwrap_or(begun),
        };
        sum += i64::max(0, ended.min(until) - begun.max(from));
    }
    Ok(sum)
}

/// The last time at which a start of the hot path is known to have lived.
fn last_sign(connection: &Connection, generation: i64) -> rusqlite::Result<Option<i64>> {
    connection.query_row(
        "SELECT max(at) FROM (
            SELECT max(time_ns) AS at FROM equity WHERE generation = ?1
            UNION ALL SELECT max(utc_ns) FROM order_events WHERE generation = ?1)",
        [generation],
        |row| row.get(0),
    )
}
