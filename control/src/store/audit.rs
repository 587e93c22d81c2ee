//! The audit: every call that changes something, before it is carried out and after.
//!
//! In: who asked for what, and what became of it. Out: rows, the newest first. Never: a call that
//! is carried out and stands nowhere; a secret among the arguments.

use super::{Store, StoreError, now_utc_ms};
use rusqlite::{Connection, params};
use serde::Serialize;

/// Characters of arguments and of an outcome that are kept.
const TEXT_MAX: usize = 1_024;

/// Calls that are kept.
const ROWS_MAX: i64 = 1_000_000;

/// What is noted before a call.
#[derive(Clone, Copy, Debug)]
pub struct AuditEntry<'a> {
    /// When it came, milliseconds UTC.
    pub utc_ms: i64,
    /// The key's name, or the socket.
    pub caller: &'a str,
    /// Where the call came from.
    pub address: &'a str,
    /// The verb or the route.
    pub act: &'a str,
    /// What it was asked with, as JSON.
    pub arguments: &'a str,
}

/// One call.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, utoipa::ToSchema)]
pub struct AuditRow {
    /// Counts up.
    pub id: i64,
    /// When it came, milliseconds UTC.
    pub utc_ms: i64,
    /// The key's name, or the socket.
    pub caller: String,
    /// Where it came from.
    pub address: String,
    /// The verb or the route.
    pub act: String,
    /// What it was asked with, as JSON.
    pub arguments: String,
    /// When it was answered; null where control ended before: then it was carried out once or not
    /// at all.
    pub answered_utc_ms: Option<i64>,
    /// HTTP status of the answer.
    pub status: Option<u16>,
    /// What was said.
    pub outcome: Option<String>,
}

impl Store {
    /// Notes a call before it is carried out.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn audit_begin(&self, entry: AuditEntry<'_>) -> Result<i64, StoreError> {
        Ok(note(&self.lock(), entry)?)
    }

    /// Notes what became of it.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn audit_end(&self, id: i64, status: u16, outcome: &str) -> Result<(), StoreError> {
        self.lock().execute(
            "UPDATE audit SET answered_utc_ms = ?2, status = ?3, outcome = ?4 WHERE id = ?1",
            params![id, now_utc_ms(), status, cut(outcome)],
        )?;
        Ok(())
    }

    /// Calls before `before`, the newest first.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn audit(&self, before: i64, limit: u32) -> Result<Vec<AuditRow>, StoreError> {
        let connection = self.look();
        let mut statement = connection.prepare_cached(
            "SELECT id, utc_ms, caller, address, act, arguments, answered_utc_ms, status, outcome
             FROM audit WHERE id < ?1 ORDER BY id DESC LIMIT ?2",
        )?;
        let rows = statement.query_map(params![before, limit], |row| {
            Ok(AuditRow {
                id: row.get(0)?,
                utc_ms: row.get(1)?,
                caller: row.get(2)?,
                address: row.get(3)?,
                act: row.get(4)?,
                arguments: row.get(5)?,
                answered_utc_ms: row.get(6)?,
                status: row.get(7)?,
                outcome: row.get(8)?,
            })
        })?;
        Ok(rows.collect::<Result<_, _>>()?)
    }
}

/// Notes a call on an open connection, in its transaction where it has one.
pub(super) fn note(connection: &Connection, entry: AuditEntry<'_>) -> rusqlite::Result<i64> {
    connection.execute(
        "INSERT INTO audit (utc_ms, caller, address, act, arguments)
         VALUES (?1, ?2, ?3, ?4, ?5)",
        params![
            entry.utc_ms,
            entry.caller,
            entry.address,
            entry.act,
            cut(entry.arguments)
        ],
    )?;
    let id = connection.last_insert_rowid();
    connection.execute("DELETE FROM audit WHERE id <= ?1", [id - ROWS_MAX])?;
    Ok(id)
}

/// The beginning of a text that a stranger may have made long.
fn cut(text: &str) -> &str {
    match text.char_indices().nth(TEXT_MAX) {
        None => text,
        Some((end, _)) => &text[..end],
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::Folder;
    use super::*;

    #[test]
    fn a_call_stands_before_it_is_carried_out_and_says_afterwards_what_became_of_it() {
        let folder = Folder::new("audit");
        let store = folder.store();
        let entry = |act| AuditEntry {
            utc_ms: 7,
            caller: "phone",
            address: "127.0.0.1",
            act,
            arguments: "{}",
        };
        let first = store.audit_begin(entry("pause")).unwrap();
        let second = store.audit_begin(entry("resume")).unwrap();
        store.audit_end(first, 200, "REDUCING").unwrap();
        // Control dies: the next one finds both.
        drop(store);
        let rows = folder.store().audit(i64::MAX, 10).unwrap();
        let seen: Vec<_> = rows
            .iter()
            .map(|row| (row.id, row.act.as_str(), row.status))
            .collect();
        assert_eq!(
            seen,
            [(second, "resume", None), (first, "pause", Some(200))]
        );
        assert_eq!(folder.store().audit(second, 10).unwrap().len(), 1);
    }
}
