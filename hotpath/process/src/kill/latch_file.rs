//! The kill latch on disk: it outlives both processes, the segment and the power (I22).
//!
//! In: why and how far. Out: a file that is there or not; whatever is in it, it latches. Never: a
//! wait of the caller; whoever writes it does so on a thread of its own.

use crate::state_directory::{StateError, write_durably};
use ipc::Segment;
use serde::{Deserialize, Serialize};
use std::fs::{self, File};
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

/// Name of the file in the account's state.
const NAME: &str = "kill-latch.json";

/// What the file says.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LatchNote {
    /// When it was latched, milliseconds UTC.
    pub since_utc_ms: i64,
    /// Positions are kept.
    pub keep_positions: bool,
    /// Why.
    pub reason: String,
}

/// Latches the segment of a new start as an earlier one was latched, or as its file says (I22).
pub fn latch_again(segment: &Segment, closes_positions: bool) {
    match closes_positions {
        true => segment.latch_kill(),
        false => segment.latch_kill_keeping_positions(),
    }
}

/// Where the latch of one account lies.
#[derive(Clone, Debug)]
pub struct LatchFile {
    folder: PathBuf,
}

impl LatchFile {
    /// In the account's state under `root`.
    #[must_use]
    pub fn new(root: &Path, account: &str) -> Self {
        Self {
            folder: root.join("accounts").join(account),
        }
    }

    /// The file.
    #[must_use]
    pub fn path(&self) -> PathBuf {
        self.folder.join(NAME)
    }

    /// The note, if the latch is set. One that cannot be read latches as well, and closes
    /// positions: that is what a kill does unless it was told otherwise.
    #[must_use]
    pub fn read(&self) -> Option<LatchNote> {
        let unreadable = |why: String| LatchNote {
            since_utc_ms: 0,
            keep_positions: false,
            reason: format!("the latch cannot be read: {why}"),
        };
        match fs::read_to_string(self.path()) {
            Ok(text) => {
                let note = serde_json::from_str(&text);
                Some(note.unwrap_or_else(|error| unreadable(error.to_string())))
            }
            // Without the file there is no latch; neither where a part of its path is missing.
            Err(error) if error.kind() == ErrorKind::NotFound => None,
            Err(error) if error.kind() == ErrorKind::NotADirectory => None,
            Err(error) => Some(unreadable(error.to_string())),
        }
    }

    /// Sets the latch; on the disk when this returns.
    ///
    /// # Errors
    /// [`StateError`].
    pub fn write(&self, note: &LatchNote) -> Result<(), StateError> {
        fs::create_dir_all(&self.folder).map_err(|source| failed(&self.folder, source))?;
        let text = serde_json::to_string(note).expect("a note is plain data");
        write_durably(&self.path(), format!("{text}\n").as_bytes())?;
        // The folder may be new itself.
        sync_folder(self.folder.parent())
    }

    /// Takes the latch back; gone from the disk when this returns.
    ///
    /// # Errors
    /// [`StateError`].
    pub fn remove(&self) -> Result<(), StateError> {
        let path = self.path();
        match fs::remove_file(&path) {
            Ok(()) => sync_folder(Some(&self.folder)),
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(()),
            Err(source) => Err(failed(&path, source)),
        }
    }
}

fn sync_folder(folder: Option<&Path>) -> Result<(), StateError> {
    let Some(folder) = folder else {
        return Ok(());
    };
    File::open(folder)
        .and_then(|folder| folder.sync_all())
        .map_err(|source| failed(folder, source))
}

fn failed(path: &Path, source: std::io::Error) -> StateError {
    StateError::File {
        path: path.display().to_string(),
        source,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_latch_is_set_read_by_the_next_start_and_taken_back() {
        let root = std::env::temp_dir().join(format!("fulcrum-kill-latch-{}", std::process::id()));
        let _ = fs::remove_dir_all(&root);
        let file = LatchFile::new(&root, "default");
        assert_eq!(file.read(), None);
        let note = LatchNote {
            since_utc_ms: 5,
            keep_positions: true,
            reason: "drill".to_string(),
        };
        file.write(&note).unwrap();
        assert_eq!(LatchFile::new(&root, "default").read(), Some(note));
        assert_eq!(LatchFile::new(&root, "other").read(), None);
        // A torn one holds, and closes.
        fs::write(file.path(), b"{\"since").unwrap();
        assert!(file.read().is_some_and(|note| !note.keep_positions));
        file.remove().unwrap();
        assert_eq!(file.read(), None);
        file.remove().unwrap();
        // A disk that takes nothing says so.
        fs::remove_dir_all(&root).unwrap();
        fs::create_dir_all(&root).unwrap();
        fs::write(root.join("accounts"), b"").unwrap();
        assert_eq!(file.read(), None);
        let refused = file.write(&LatchNote {
            since_utc_ms: 0,
            keep_positions: false,
            reason: String::new(),
        });
        assert!(refused.is_err());
    }
}
