//! The ledger: everything that the journal tells, in one SQLite file, each fact once.
//!
//! In: encoded journal records of a generation, in batches; counters and histograms of it. Out:
//! rows, running totals, and how far the ledger is durable. Never: a float for money, a record
//! twice, a record of an unknown version lost.
//!
//! One thread writes. A batch is one transaction, and the place up to which the journal has been
//! taken in is part of it: whatever is delivered again after a crash is recognised and skipped.

mod application_state;
mod check;
mod daily;
mod equity;
mod facts;
mod history_tables;
mod incomes;
mod ingest;
mod order_facts;
mod queries;
mod reports;
mod samples;
mod schema;
mod totals;
mod trade_facts;
mod views;

pub use application_state::{VALUE_BYTES_MAX, read as read_state};
pub use check::{CheckLine, CheckReport, check_sums};
pub use daily::ACCOUNT;
pub use equity::{EquitySample, Thinning};
pub use incomes::IncomeTotals;
pub use ingest::Batch;
pub use queries::{
    BreakerRow, DenialRow, FillRow, IncomeRow, OrderEventRow, OrderRow, PAGE_MAX, Page, Placed,
    StateRow, TradeRow, Wanted, page, rows_of,
};
pub use reports::{IntentRow, StoredHistogram, intents, open_to_read, sums_by_label};
pub use samples::{NonActionSample, SignalSample};
pub use schema::{Identity, MIN_READER_VERSION, SCHEMA_VERSION};
pub use totals::{NOT_OURS, StrategyTotals, Totals};

use rusqlite::{Connection, OptionalExtension, params};
use std::collections::HashMap;
use std::path::{Path, PathBuf};

/// Why the ledger cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum LedgerError {
    /// SQLite refused.
    #[error("the ledger refused: {0}")]
    Sqlite(#[from] rusqlite::Error),
    /// The directory cannot be made.
    #[error("cannot make the ledger's directory: {0}")]
    Directory(#[from] std::io::Error),
    /// It belongs to another account or venue.
    #[error("this ledger is not ours: {0}; use another --state-dir")]
    Foreign(String),
    /// A later build wrote it.
    #[error(
        "this ledger needs a build that reads schema {needed}; this one reads {ours}: use that \
         build, or another --state-dir"
    )]
    TooNew {
        /// What the ledger asks for.
        needed: u32,
        /// What we are.
        ours: u32,
    },
    /// A segment says that it is a generation that the ledger knows otherwise.
    #[error(
        "generation {0} is in the ledger with another build or configuration; \
         a state directory was mixed or a generation number reused"
    )]
    GenerationReused(u64),
}

/// Names of a generation's segment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct GenerationHeader {
    /// Start number of the hot path.
    pub generation: u64,
    /// Its build.
    pub build_id: u64,
    /// Its configuration.
    pub config_hash: u64,
}

/// Running position of one instrument while its fills come in.
#[derive(Clone, Copy, Debug, Default)]
struct RunningPosition {
    lots: i64,
    fills_since: u64,
}

/// Market and symbol of the instruments of the present generation.
type Names = HashMap<u16, (String, String)>;

/// The open ledger and its single writer.
pub struct Ledger {
    connection: Connection,
    path: PathBuf,
    totals: Totals,
    generation: Option<GenerationHeader>,
    last_sequence: Option<u64>,
    positions: HashMap<u16, RunningPosition>,
    names: Names,
    identity: Identity,
}

impl Ledger {
    /// Opens or makes the ledger of `identity` at `path`.
    ///
    /// # Errors
    /// [`LedgerError`] when it cannot be written or is another's.
    pub fn open(path: &Path, identity: &Identity) -> Result<Self, LedgerError> {
        if let Some(directory) = path.parent() {
            std::fs::create_dir_all(directory)?;
        }
        let connection = Connection::open(path)?;
        connection.set_prepared_statement_cache_capacity(64);
        schema::prepare(&connection, identity)?;
        let totals = Totals::read(&connection)?;
        Ok(Self {
            connection,
            path: path.to_path_buf(),
            totals,
            generation: None,
            last_sequence: None,
            positions: HashMap::new(),
            names: Names::new(),
            identity: identity.clone(),
        })
    }

    /// Where it is.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// What all generations add up to.
    #[must_use]
    pub const fn totals(&self) -> &Totals {
        &self.totals
    }

    /// Last record taken in of the present generation.
    #[must_use]
    pub const fn last_sequence(&self) -> Option<u64> {
        self.last_sequence
    }

    /// The last record taken in of all generations: generation and sequence.
    ///
    /// # Errors
    /// [`LedgerError`] of SQLite.
    pub fn last_place(&self) -> Result<Option<(u64, u64)>, LedgerError> {
        let sql = "SELECT generation, last_sequence FROM generations
             WHERE last_sequence IS NOT NULL ORDER BY generation DESC LIMIT 1";
        let place = self.connection.query_row(sql, [], |row| {
            let (generation, sequence): (i64, i64) = (row.get(0)?, row.get(1)?);
            Ok((generation.cast_unsigned(), sequence.cast_unsigned()))
        });
        Ok(place.optional()?)
    }

    /// Turns to a generation, new or known, and says how far it has been taken in.
    ///
    /// # Errors
    /// [`LedgerError::GenerationReused`] when the ledger knows this number as another start.
    pub fn turn_to(&mut self, header: GenerationHeader) -> Result<Option<u64>, LedgerError> {
        let build = format!("{:016x}", header.build_id);
        let config = format!("{:016x}", header.config_hash);
        self.connection.execute(
            "INSERT OR IGNORE INTO generations (generation, build_id, config_hash, attached_utc_ns)
             VALUES (?1, ?2, ?3, CAST(unixepoch('subsec') * 1000 AS INTEGER) * 1000000)",
            params![signed(header.generation), build, config],
        )?;
        let (known_build, known_config, last): (String, String, Option<i64>) =
            self.connection.query_row(
                "SELECT build_id, config_hash, last_sequence FROM generations
                 WHERE generation = ?1",
                [signed(header.generation)],
                |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)),
            )?;
        if (known_build, known_config) != (build, config) {
            return Err(LedgerError::GenerationReused(header.generation));
        }
        self.generation = Some(header);
        self.last_sequence = last.map(i64::cast_unsigned);
        self.positions = self.read_positions(header.generation)?;
        self.names = self.read_names(header.generation)?;
        self.totals.held_by = totals::held_by(&self.connection, signed(header.generation))?;
        Ok(self.last_sequence)
    }

    /// Notes that nothing more will come of a generation.
    ///
    /// # Errors
    /// [`LedgerError`] of SQLite.
    pub fn mark_drained(&mut self, generation: u64) -> Result<(), LedgerError> {
        self.connection.execute(
            "UPDATE generations SET drained = 1 WHERE generation = ?1",
            [signed(generation)],
        )?;
        Ok(())
    }

    /// True when a generation was taken in to its end.
    ///
    /// # Errors
    /// [`LedgerError`] of SQLite.
    pub fn is_drained(&self, generation: u64) -> Result<bool, LedgerError> {
        Ok(self
            .connection
            .query_row(
                "SELECT drained FROM generations WHERE generation = ?1",
                [signed(generation)],
                |row| row.get::<_, i64>(0),
            )
            .optional()?
            .is_some_and(|drained| drained != 0))
    }

    fn read_names(&self, generation: u64) -> Result<Names, LedgerError> {
        let mut statement = self
            .connection
            .prepare("SELECT instrument, market, symbol FROM instruments WHERE generation = ?1")?;
        let rows = statement.query_map([signed(generation)], |row| {
            Ok((row.get(0)?, (row.get(1)?, row.get(2)?)))
        })?;
        Ok(rows.collect::<Result<_, _>>()?)
    }

    /// Running positions at the cursor: the last recorded one plus the fills after it.
    fn read_positions(
        &self,
        generation: u64,
    ) -> Result<HashMap<u16, RunningPosition>, LedgerError> {
        let mut positions = HashMap::new();
        let mut statement = self.connection.prepare(
            "SELECT instrument, quantity_lots, max(sequence) FROM positions
             WHERE generation = ?1 GROUP BY instrument",
        )?;
        let mut rows = statement.query([signed(generation)])?;
        while let Some(row) = rows.next()? {
            let (instrument, lots): (u16, i64) = (row.get(0)?, row.get(1)?);
            positions.insert(
                instrument,
                RunningPosition {
                    lots,
                    fills_since: 0,
                },
            );
        }
        let mut statement = self.connection.prepare(
            "SELECT instrument, CASE side WHEN 'BUY' THEN quantity_lots
             ELSE -quantity_lots END FROM fills WHERE generation = ?1 AND sequence >
             coalesce((SELECT max(sequence) FROM positions p WHERE p.generation = ?1
             AND p.instrument = fills.instrument), -1)",
        )?;
        let mut rows = statement.query([signed(generation)])?;
        while let Some(row) = rows.next()? {
            let running = positions.entry(row.get(0)?).or_default();
            running.lots += row.get::<_, i64>(1)?;
            running.fills_since += 1;
        }
        Ok(positions)
    }
}

/// SQLite has no unsigned integers; ids and hashes keep their bits.
const fn signed(value: u64) -> i64 {
    value.cast_signed()
}

#[cfg(test)]
mod tests;
