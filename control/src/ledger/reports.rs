//! What the ledger keeps of counters and histograms, and what it tells readers.
//!
//! In: figures of a generation; questions. Out: sums over the other generations; rows for the
//! API. Never: a write by a reader.

use super::{Ledger, LedgerError, signed};
use rusqlite::{Connection, OpenFlags, TransactionBehavior, params};
use serde::Serialize;
use std::collections::BTreeMap;
use std::path::Path;

/// A histogram as the ledger keeps it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct StoredHistogram {
    /// Observations.
    pub count: u64,
    /// Their sum.
    pub sum_ns: u64,
    /// The largest.
    pub max_ns: u64,
    /// Cell counts in the order of the ipc crate.
    pub cells: Vec<u64>,
}

/// An order that was sent and what triggered it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, utoipa::ToSchema)]
pub struct IntentRow {
    /// Start of the hot path.
    pub generation: u64,
    /// Journal sequence.
    pub sequence: u64,
    /// The order's id.
    pub client_order_id: String,
    /// `usdm` or `spot`.
    pub market: String,
    /// Symbol.
    pub symbol: String,
    /// Index of the strategy.
    pub strategy: u8,
    /// `depth`, `bookTicker`, `trade`, `markPrice` or `other`.
    pub trigger_kind: String,
    /// The exchange's id of the trigger; 0 without.
    pub trigger_id: u64,
    /// State that the order is in now.
    pub state: String,
}

impl StoredHistogram {
    /// Adds another's observations.
    pub fn merge(&mut self, other: &Self) {
        self.count += other.count;
        self.sum_ns = self.sum_ns.saturating_add(other.sum_ns);
        self.max_ns = self.max_ns.max(other.max_ns);
        if self.cells.len() < other.cells.len() {
            self.cells.resize(other.cells.len(), 0);
        }
        for (mine, theirs) in self.cells.iter_mut().zip(&other.cells) {
            *mine += theirs;
        }
    }

    fn to_blob(&self) -> Vec<u8> {
        self.cells
            .iter()
            .flat_map(|cell| cell.to_le_bytes())
            .collect()
    }

    fn cells_from(blob: &[u8]) -> Vec<u64> {
        blob.chunks_exact(8)
            .map(|chunk| u64::from_le_bytes(chunk.try_into().expect("chunks of 8 bytes")))
            .collect()
    }
}

impl Ledger {
    /// Writes the present value of a generation's figures over the earlier ones.
    ///
    /// # Errors
    /// [`LedgerError`] of SQLite.
    pub fn save_figures(
        &mut self,
        generation: u64,
        figures: &BTreeMap<String, u64>,
        histograms: &BTreeMap<String, StoredHistogram>,
    ) -> Result<(), LedgerError> {
        let transaction = self
            .connection
            .transaction_with_behavior(TransactionBehavior::Immediate)?;
        for (name, value) in figures {
            transaction
                .prepare_cached("INSERT OR REPLACE INTO figures VALUES (?1, ?2, ?3)")?
                .execute(params![signed(generation), name, signed(*value)])?;
        }
        for (reason, count) in sums_by_label(figures, "non_actions_total", "reason") {
            transaction
                .prepare_cached("INSERT OR REPLACE INTO non_actions VALUES (?1, ?2, ?3)")?
                .execute(params![signed(generation), reason, signed(count)])?;
        }
        for (name, one) in histograms {
            transaction
                .prepare_cached(
                    "INSERT OR REPLACE INTO histograms VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
                )?
                .execute(params![
                    signed(generation),
                    name,
                    signed(one.count),
                    signed(one.sum_ns),
                    signed(one.max_ns),
                    one.to_blob()
                ])?;
        }
        transaction.commit()?;
        Ok(())
    }

    /// Figures of all generations but `except`, added up by name.
    ///
    /// # Errors
    /// [`LedgerError`] of SQLite.
    pub fn figures_without(
        &self,
        except: Option<u64>,
    ) -> Result<BTreeMap<String, u64>, LedgerError> {
        let mut statement = self.connection.prepare(
            "SELECT name, sum(value) FROM figures WHERE generation IS NOT ?1 GROUP BY name",
        )?;
        let rows = statement.query_map([except.map(signed)], |row| {
            Ok((row.get(0)?, row.get::<_, i64>(1)?.cast_unsigned()))
        })?;
        Ok(rows.collect::<Result<_, _>>()?)
    }

    /// Histograms of all generations but `except`, added up by name.
    ///
    /// # Errors
    /// [`LedgerError`] of SQLite.
    pub fn histograms_without(
        &self,
        except: Option<u64>,
    ) -> Result<BTreeMap<String, StoredHistogram>, LedgerError> {
        let mut statement = self.connection.prepare(
            "SELECT name, count, sum_ns, max_ns, cells FROM histograms WHERE generation IS NOT ?1",
        )?;
        let mut rows = statement.query([except.map(signed)])?;
        let mut histograms: BTreeMap<String, StoredHistogram> = BTreeMap::new();
        while let Some(row) = rows.next()? {
            let one = StoredHistogram {
                count: row.get::<_, i64>(1)?.cast_unsigned(),
                sum_ns: row.get::<_, i64>(2)?.cast_unsigned(),
                max_ns: row.get::<_, i64>(3)?.cast_unsigned(),
                cells: StoredHistogram::cells_from(&row.get::<_, Vec<u8>>(4)?),
            };
            histograms.entry(row.get(0)?).or_default().merge(&one);
        }
        Ok(histograms)
    }
}

/// Sent orders after the place (`generation`, `sequence`), oldest first, at most `limit`.
///
/// # Errors
/// [`LedgerError`] of SQLite.
pub fn intents(path: &Path, after: (u64, u64), limit: u32) -> Result<Vec<IntentRow>, LedgerError> {
    let connection = open_to_read(path)?;
    let mut statement = connection.prepare(
        "SELECT o.generation, o.sequence, o.client_order_id, coalesce(i.market, ''),
         coalesce(i.symbol, ''), o.strategy, o.trigger_kind, o.trigger_id, o.state
         FROM orders o LEFT JOIN instruments i USING (generation, instrument)
         WHERE o.adopted = 0 AND (o.generation, o.sequence) > (?1, ?2)
         ORDER BY o.generation, o.sequence LIMIT ?3",
    )?;
    let rows = statement.query_map(params![signed(after.0), signed(after.1), limit], |row| {
        Ok(IntentRow {
            generation: row.get::<_, i64>(0)?.cast_unsigned(),
            sequence: row.get::<_, i64>(1)?.cast_unsigned(),
            client_order_id: row.get(2)?,
            market: row.get(3)?,
            symbol: row.get(4)?,
            strategy: row.get(5)?,
            trigger_kind: row.get(6)?,
            trigger_id: row.get::<_, i64>(7)?.cast_unsigned(),
            state: row.get(8)?,
        })
    })?;
    Ok(rows.collect::<Result<_, _>>()?)
}

/// A connection that only reads; it waits for a writer for half a second at most.
///
/// # Errors
/// [`LedgerError`] of SQLite.
pub fn open_to_read(path: &Path) -> Result<Connection, LedgerError> {
    let connection = Connection::open_with_flags(
        path,
        OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX,
    )?;
    connection.busy_timeout(std::time::Duration::from_millis(500))?;
    Ok(connection)
}

/// Sums of the figures of one family by the value of one label.
#[must_use]
pub fn sums_by_label(
    figures: &BTreeMap<String, u64>,
    family: &str,
    label: &str,
) -> BTreeMap<String, u64> {
    let mut sums = BTreeMap::new();
    for (name, value) in figures {
        let Some(cell) = crate::figure::FigureName::parse(name) else {
            continue;
        };
        if cell.family == family
            && let Some(found) = cell.label(label)
        {
            *sums.entry(found.to_string()).or_default() += value;
        }
    }
    sums
}
