//! What all generations add up to, kept beside the tables so that a reader waits for no query.
//!
//! In: the tables once, then every fact that is taken in. Out: counts and money. Never: a value
//! that differs from what the tables add up to.

use super::LedgerError;
use super::incomes::IncomeTotals;
use market::Money;
use rusqlite::{Connection, OptionalExtension};
use std::collections::BTreeMap;

/// What one strategy did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct StrategyTotals {
    /// Orders that passed risk, each sent once.
    pub orders: u64,
    /// Executions.
    pub fills: u64,
    /// Finished trades.
    pub trades: u64,
    /// Finished trades that won after fees.
    pub trades_won: u64,
    /// Realised profit before fees.
    pub realized: Money,
    /// Fees, positive = paid.
    pub fees: Money,
}

/// Sums over all generations of the ledger.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Totals {
    /// Journal records taken in.
    pub records: u64,
    /// Sequence numbers that never came.
    pub holes: u64,
    /// Records of a version, or with bytes, that this build cannot read; kept raw.
    pub unread: u64,
    /// By index of the strategy; 255 for fills of orders that are not ours.
    pub by_strategy: BTreeMap<u8, StrategyTotals>,
    /// Refused orders by code.
    pub denials: BTreeMap<String, u64>,
    /// Orders that the exchange refused, by market and error code.
    pub rejections: BTreeMap<(String, i64), u64>,
    /// Orders that were sent, by market, symbol, side and type.
    pub sent: BTreeMap<[String; 4], u64>,
    /// Executions, by market, symbol, side and liquidity.
    pub filled: BTreeMap<[String; 4], u64>,
    /// Times that a book became crossed, by market and symbol.
    pub crossed: BTreeMap<[String; 2], u64>,
    /// Why the newest generation is not ACTIVE; none while it is, or has not said.
    pub held_by: Option<String>,
    /// Orders that the exchange confirmed to have existed.
    pub confirmed: u64,
    /// Finished reconciliations.
    pub reconciliations: u64,
    /// Positions that differed from ours in a reconciliation.
    pub position_differences: u64,
    /// UTC of the last reconciliation.
    pub reconciled_utc_ns: i64,
    /// Orders whose fate was unknown at some time.
    pub unknown_ever: u64,
    /// Fills whose trade id was there before in the same generation (I6).
    pub fill_duplicates: u64,
    /// Intents with a client order id that was there before (I2).
    pub order_id_reuses: u64,
    /// Positions that were not the sum of their fills (I11).
    pub position_mismatches: u64,
    /// What the exchange says that moved the wallet.
    pub incomes: IncomeTotals,
}

/// Strategy of fills that no order of ours made.
pub const NOT_OURS: u8 = 255;

impl Totals {
    /// Orders that were sent.
    #[must_use]
    pub fn orders(&self) -> u64 {
        self.by_strategy.values().map(|one| one.orders).sum()
    }

    /// Executions, those of foreign orders included.
    #[must_use]
    pub fn fills(&self) -> u64 {
        self.by_strategy.values().map(|one| one.fills).sum()
    }

    /// Realised profit before fees.
    #[must_use]
    pub fn realized(&self) -> Money {
        self.by_strategy.values().map(|one| one.realized).sum()
    }

    /// Fees, positive = paid.
    #[must_use]
    pub fn fees(&self) -> Money {
        self.by_strategy.values().map(|one| one.fees).sum()
    }

    /// Adds the tables up.
    pub(super) fn read(connection: &Connection) -> Result<Self, LedgerError> {
        let mut totals = connection.query_row(
            "SELECT coalesce(sum(records), 0), coalesce(sum(holes), 0),
                coalesce(sum(fill_duplicates), 0), coalesce(sum(order_id_reuses), 0),
                coalesce(sum(position_mismatches), 0) FROM generations",
            [],
            |row| {
                Ok(Self {
                    records: row.get::<_, i64>(0)?.cast_unsigned(),
                    holes: row.get::<_, i64>(1)?.cast_unsigned(),
                    fill_duplicates: row.get::<_, i64>(2)?.cast_unsigned(),
                    order_id_reuses: row.get::<_, i64>(3)?.cast_unsigned(),
                    position_mismatches: row.get::<_, i64>(4)?.cast_unsigned(),
                    ..Self::default()
                })
            },
        )?;
        let count = |sql: &str| -> Result<u64, LedgerError> {
            let value: i64 = connection.query_row(sql, [], |row| row.get(0))?;
            Ok(value.cast_unsigned())
        };
        totals.unread = count("SELECT count(*) FROM unread_records")?;
        totals.unknown_ever = count("SELECT count(*) FROM orders WHERE ever_unknown")?;
        totals.confirmed = count("SELECT count(*) FROM orders WHERE confirmed")?;
        totals.read_reconciliations(connection)?;
        totals.sent = by_four(
            connection,
            "SELECT coalesce(i.market, ''), coalesce(i.symbol, ''), o.side, o.order_type, count(*)
             FROM orders o LEFT JOIN instruments i USING (generation, instrument)
             WHERE o.adopted = 0 GROUP BY 1, 2, 3, 4",
        )?;
        totals.filled = by_four(
            connection,
            "SELECT coalesce(i.market, ''), coalesce(i.symbol, ''), f.side, f.liquidity, count(*)
             FROM fills f LEFT JOIN instruments i USING (generation, instrument)
             GROUP BY 1, 2, 3, 4",
        )?;
        totals.read_strategies(connection)?;
        totals.incomes = IncomeTotals::read(connection)?;
        let mut statement = connection.prepare("SELECT code, count(*) FROM denials GROUP BY 1")?;
        let mut rows = statement.query([])?;
        while let Some(row) = rows.next()? {
            let denied: i64 = row.get(1)?;
            totals.denials.insert(row.get(0)?, denied.cast_unsigned());
        }
        totals.read_rejections(connection)?;
        totals.read_crossed(connection)?;
        let newest: Option<i64> =
            connection.query_row("SELECT max(generation) FROM generations", [], |row| {
                row.get(0)
            })?;
        totals.held_by = held_by(connection, newest.unwrap_or(0))?;
        Ok(totals)
    }

    fn read_rejections(&mut self, connection: &Connection) -> Result<(), LedgerError> {
        let mut statement = connection.prepare(
            "SELECT coalesce(i.market, ''), e.error_code, count(*) FROM order_events e
             LEFT JOIN orders o ON o.client_order_id = e.client_order_id
             LEFT JOIN instruments i
             ON i.generation = e.generation AND i.instrument = o.instrument
             WHERE e.event = 'CHANGE' AND e.state = 'REJECTED' GROUP BY 1, 2",
        )?;
        let mut rows = statement.query([])?;
        while let Some(row) = rows.next()? {
            let rejected: i64 = row.get(2)?;
            let key = (row.get(0)?, row.get(1)?);
            self.rejections.insert(key, rejected.cast_unsigned());
        }
        Ok(())
    }

    fn read_crossed(&mut self, connection: &Connection) -> Result<(), LedgerError> {
        let mut statement = connection.prepare(
            "SELECT coalesce(i.market, ''), coalesce(i.symbol, ''), count(*)
             FROM book_states b LEFT JOIN instruments i USING (generation, instrument)
             WHERE b.reason = 'CROSSED' GROUP BY 1, 2",
        )?;
        let mut rows = statement.query([])?;
        while let Some(row) = rows.next()? {
            let crossed: i64 = row.get(2)?;
            let key = [row.get(0)?, row.get(1)?];
            self.crossed.insert(key, crossed.cast_unsigned());
        }
        Ok(())
    }

    fn read_reconciliations(&mut self, connection: &Connection) -> Result<(), LedgerError> {
        let (runs, differences, utc_ns): (i64, i64, i64) = connection.query_row(
            "SELECT count(*), coalesce(sum(position_differences), 0), coalesce(max(utc_ns), 0)
             FROM reconciliations",
            [],
            |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)),
        )?;
        self.reconciliations = runs.cast_unsigned();
        self.position_differences = differences.cast_unsigned();
        self.reconciled_utc_ns = utc_ns;
        Ok(())
    }

    fn read_strategies(&mut self, connection: &Connection) -> Result<(), LedgerError> {
        let mut statement = connection
            .prepare("SELECT strategy, count(*) FROM orders WHERE adopted = 0 GROUP BY 1")?;
        let mut rows = statement.query([])?;
        while let Some(row) = rows.next()? {
            let orders: i64 = row.get(1)?;
            self.by_strategy.entry(row.get(0)?).or_default().orders = orders.cast_unsigned();
        }
        let mut statement = connection.prepare(
            "SELECT strategy, count(*), sum(realized_e8), sum(fee_e8) FROM fills GROUP BY 1",
        )?;
        let mut rows = statement.query([])?;
        while let Some(row) = rows.next()? {
            let one = self.by_strategy.entry(row.get(0)?).or_default();
            one.fills = row.get::<_, i64>(1)?.cast_unsigned();
            one.realized = Money(row.get(2)?);
            one.fees = Money(row.get(3)?);
        }
        let mut statement = connection.prepare(
            "SELECT strategy, count(*), sum(realized_e8 > fees_e8) FROM trades GROUP BY 1",
        )?;
        let mut rows = statement.query([])?;
        while let Some(row) = rows.next()? {
            let one = self.by_strategy.entry(row.get(0)?).or_default();
            one.trades = row.get::<_, i64>(1)?.cast_unsigned();
            one.trades_won = row.get::<_, i64>(2)?.cast_unsigned();
        }
        Ok(())
    }
}

/// Reason of the last trading state of a generation, unless that is ACTIVE.
pub(super) fn held_by(
    connection: &Connection,
    generation: i64,
) -> Result<Option<String>, LedgerError> {
    Ok(connection
        .query_row(
            "SELECT CASE to_state WHEN 'ACTIVE' THEN NULL ELSE reason END FROM trading_states
             WHERE generation = ?1 ORDER BY sequence DESC LIMIT 1",
            [generation],
            |row| row.get(0),
        )
        .optional()?
        .flatten())
}

fn by_four(connection: &Connection, sql: &str) -> Result<BTreeMap<[String; 4], u64>, LedgerError> {
    let mut statement = connection.prepare(sql)?;
    let rows = statement.query_map([], |row| {
        let key = [row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?];
        Ok((key, row.get::<_, i64>(4)?.cast_unsigned()))
    })?;
    Ok(rows.collect::<Result<_, _>>()?)
}
