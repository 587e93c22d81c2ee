//! A directory for one test, gone with it.
//!
//! In: a name. Out: an empty directory. Never: a directory of another test.

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};

/// Tests of one process run at the same time; each gets its own number.
static NEXT: AtomicU32 = AtomicU32::new(0);

/// Removes itself when dropped.
pub(crate) struct Directory(PathBuf);

impl Directory {
    /// An empty directory.
    pub(crate) fn new(name: &str) -> Self {
        // Relaxed: only the uniqueness of the number matters.
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let process = std::process::id();
        let path = std::env::temp_dir().join(format!("fulcrum-ipc-{name}-{process}-{number}"));
        let _ = std::fs::remove_dir_all(&path);
        std::fs::create_dir_all(&path).expect("the temporary directory is writable");
        Self(path)
    }

    /// Where it is.
    pub(crate) fn path(&self) -> &Path {
        &self.0
    }
}

impl Drop for Directory {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}
