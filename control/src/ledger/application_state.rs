//! What control has to remember beside the facts: small values by name, with the time of the change.
//!
//! In: names and values. Out: the same after a restart. Never: a fact; those are in their tables.

use super::{Ledger, LedgerError};
use rusqlite::{Connection, OptionalExtension, params};

/// Longest value, in bytes: what is larger is no state but data.
pub const VALUE_BYTES_MAX: usize = 4_096;

impl Ledger {
    /// What is remembered under a name.
    ///
    /// # Errors
    /// [`LedgerError`] of SQLite.
    pub fn state(&self, key: &str) -> Result<Option<String>, LedgerError> {
        read(&self.connection, key)
    }

    /// Remembers a value under a name, in the place of the one before.
    ///
    /// # Errors
    /// [`LedgerError`] of SQLite.
    ///
    /// # Panics
    /// When the value is longer than [`VALUE_BYTES_MAX`]: that is a bug of the caller.
    pub fn set_state(&mut self, key: &str, value: &str, utc_ns: i64) -> Result<(), LedgerError> {
        assert!(value.len() <= VALUE_BYTES_MAX, "a state is small: {key}");
        write(&self.connection, key, value, utc_ns)
    }
}

/// What is remembered under a name, for a reader of the ledger.
///
/// # Errors
/// [`LedgerError`] of SQLite.
pub fn read(connection: &Connection, key: &str) -> Result<Option<String>, LedgerError> {
    let found = connection
        .query_row(
            "SELECT value FROM application_state WHERE key = ?1",
            [key],
            |row| row.get(0),
        )
        .optional();
    Ok(found?)
}

pub(super) fn write(
    connection: &Connection,
    key: &str,
    value: &str,
    utc_ns: i64,
) -> Result<(), LedgerError> {
    connection.execute(
        "INSERT OR REPLACE INTO application_state VALUES (?1, ?2, ?3)",
        params![key, value, utc_ns],
    )?;
    Ok(())
}
