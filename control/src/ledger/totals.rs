//! What all generations add up to, kept beside the tables so that a reader waits for no query.
//!
//! In: the tables once, then every fact that is taken in. Out: counts and money. Never: a value
//! that differs from what the tables add up to.

use super::LedgerError;
use market::Money;
use rusqlite::Connection;
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
    /// Orders that the exchange refused, by its error code.
    pub rejections: BTreeMap<i64, u64>,
    /// Orders whose fate was unknown at some time.
    pub unknown_ever: u64,
    /// Fills whose trade id was there before in the same generation (I6).
    pub fill_duplicates: u64,
    /// Intents with a client order id that was there before (I2).
    pub order_id_reuses: u64,
    /// Positions that were not the sum of their fills (I11).
    pub position_mismatches: u64,
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
        totals.read_strategies(connection)?;
        let mut statement = connection.prepare("SELECT code, count(*) FROM denials GROUP BY 1")?;
        let mut rows = statement.query([])?;
        while let Some(row) = rows.next()? {
            let denied: i64 = row.get(1)?;
            totals.denials.insert(row.get(0)?, denied.cast_unsigned());
        }
        let mut statement = connection.prepare(
            "SELECT error_code, count(*) FROM order_events
             WHERE event = 'CHANGE' AND state = 'REJECTED' GROUP BY 1",
        )?;
        let mut rows = statement.query([])?;
        while let Some(row) = rows.next()? {
            let rejected: i64 = row.get(1)?;
            totals
                .rejections
                .insert(row.get(0)?, rejected.cast_unsigned());
        }
        Ok(totals)
    }

    fn read_strategies(&mut self, connection: &Connection) -> Result<(), LedgerError> {
        let mut statement = connection.prepare(
            "SELECT strategy, count(*) FROM orders WHERE intent >= 0 AND adopted = 0 GROUP BY 1",
        )?;
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
