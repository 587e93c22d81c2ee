//! What control keeps for itself, beside the ledger: API keys, the audit, answers that are given
//! once.
//!
//! In: rows. Out: rows; a change is on the disk before the call returns. Never: a secret, but its
//! hash; a wait of the ledger for it.

mod answers;
mod audit;
mod keys;

pub use answers::{Answered, Claim, Question};
pub use audit::{AuditEntry, AuditRow};
pub use keys::{ApiKey, KEYS_MAX, KeyError, NewKey, Scope, Scopes};

use keys::KnownKey;

use rusqlite::Connection;
use std::path::Path;
use std::sync::{Mutex, MutexGuard, RwLock};
use std::time::Duration;

/// Name of the file in the state directory.
pub const STORE_FILE: &str = "control.sqlite";

/// Version of the tables.
const VERSION: u32 = 1;

/// How long one process waits for another that writes.
const BUSY: Duration = Duration::from_millis(2_000);

const TABLES: &str = "
CREATE TABLE IF NOT EXISTS api_keys (
    name TEXT PRIMARY KEY, hash BLOB NOT NULL UNIQUE, scopes TEXT NOT NULL,
    created_utc_ms INTEGER NOT NULL, revoked_utc_ms INTEGER
);
CREATE TABLE IF NOT EXISTS audit (
    id INTEGER PRIMARY KEY AUTOINCREMENT, utc_ms INTEGER NOT NULL, caller TEXT NOT NULL,
    address TEXT NOT NULL, act TEXT NOT NULL, arguments TEXT NOT NULL,
    answered_utc_ms INTEGER, status INTEGER, outcome TEXT
);
CREATE TABLE IF NOT EXISTS answers (
    caller TEXT NOT NULL, key TEXT NOT NULL, question BLOB NOT NULL, utc_ms INTEGER NOT NULL,
    status INTEGER, body BLOB,
    PRIMARY KEY (caller, key)
) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS answers_by_time ON answers (utc_ms);
";

/// Why it cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// SQLite refused.
    #[error("control.sqlite refused: {0}")]
    Sqlite(#[from] rusqlite::Error),
    /// The directory cannot be made.
    #[error("cannot make the directory of control.sqlite: {0}")]
    Directory(#[from] std::io::Error),
    /// A later build wrote it.
    #[error(
        "control.sqlite has version {found}, this build reads {VERSION}: use the build that wrote it"
    )]
    TooNew {
        /// What is there.
        found: u32,
    },
}

/// The open file. Several processes may have it open: `fulcrum key` writes beside a running control.
pub struct Store {
    writer: Mutex<Connection>,
    /// Who only looks waits for no writer.
    reader: Mutex<Connection>,
    ring: RwLock<Vec<KnownKey>>,
}

impl Store {
    /// Opens or makes it in the state directory.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn open(state_dir: &Path) -> Result<Self, StoreError> {
        std::fs::create_dir_all(state_dir)?;
        let path = state_dir.join(STORE_FILE);
        let connection = Connection::open(&path)?;
        connection.busy_timeout(BUSY)?;
        connection.pragma_update(None, "journal_mode", "WAL")?;
        connection.pragma_update(None, "synchronous", "FULL")?;
        let found: u32 = connection.query_row("PRAGMA user_version", [], |row| row.get(0))?;
        if found > VERSION {
            return Err(StoreError::TooNew { found });
        }
        if found == 0 {
            connection.execute_batch(TABLES)?;
        }
        if found < VERSION {
            connection.pragma_update(None, "user_version", VERSION)?;
        }
        let reader = Connection::open(&path)?;
        reader.busy_timeout(BUSY)?;
        let store = Self {
            writer: Mutex::new(connection),
            reader: Mutex::new(reader),
            ring: RwLock::default(),
        };
        store.refresh_keys()?;
        Ok(store)
    }

    fn lock(&self) -> MutexGuard<'_, Connection> {
        self.writer.lock().expect("nobody panics while it is held")
    }

    fn look(&self) -> MutexGuard<'_, Connection> {
        self.reader.lock().expect("nobody panics while it is held")
    }
}

/// Milliseconds of UTC now.
#[must_use]
pub fn now_utc_ms() -> i64 {
    now_utc_ns() / 1_000_000
}

/// Now, nanoseconds UTC.
#[must_use]
pub fn now_utc_ns() -> i64 {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    since.map_or(0, |since| {
        i64::try_from(since.as_nanos()).unwrap_or(i64::MAX)
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::path::PathBuf;

    /// A state directory of a test's own.
    pub(super) struct Folder(PathBuf);

    impl Folder {
        pub(super) fn new(name: &str) -> Self {
            let name = format!("fulcrum-store-{name}-{}", std::process::id());
            let path = std::env::temp_dir().join(name);
            let _ = std::fs::remove_dir_all(&path);
            Self(path)
        }

        pub(super) fn path(&self) -> &Path {
            &self.0
        }

        pub(super) fn store(&self) -> Store {
            Store::open(&self.0).expect("a folder of temporary files")
        }
    }

    impl Drop for Folder {
        fn drop(&mut self) {
            let _ = std::fs::remove_dir_all(&self.0);
        }
    }

    #[test]
    fn a_store_of_a_later_build_is_left_alone() {
        let folder = Folder::new("later");
        let store = folder.store();
        store
            .lock()
            .pragma_update(None, "user_version", 99)
            .unwrap();
        drop(store);
        let refused = Store::open(folder.path())
            .err()
            .map(|error| error.to_string());
        assert!(refused.is_some_and(|text| text.contains("version 99")));
    }
}
