//! One live instance an account: a lock that the kernel gives back when its holder dies.
//!
//! In: the path of a lock file. Out: the lock, or who holds it. Never: a stale lock; the file
//! stays, the lock on it is the descriptor's.

use std::fs::{File, OpenOptions, TryLockError};
use std::io::{self, Read, Seek, Write};
use std::path::{Path, PathBuf};

/// Why there is no lock.
#[derive(Debug, thiserror::Error)]
pub enum LockError {
    /// Another process lives.
    #[error("{path}: held by process {holder}; one instance an account may live")]
    Held {
        /// The lock file.
        path: PathBuf,
        /// What the holder wrote about itself: its process id.
        holder: String,
    },
    /// The file cannot be made or locked.
    #[error("{path}: {source}")]
    Io {
        /// The lock file.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
}

/// Held until dropped, or until the process ends in whatever way.
#[derive(Debug)]
pub struct InstanceLock {
    // Closing it frees the lock.
    _file: File,
}

impl InstanceLock {
    /// Takes the lock at `path`; the directory must exist.
    ///
    /// # Errors
    /// [`LockError::Held`] with the holder's process id, or what the system says.
    pub fn acquire(path: &Path) -> Result<Self, LockError> {
        let failed = |source| LockError::Io {
            path: path.into(),
            source,
        };
        let mut options = OpenOptions::new();
        options.read(true).write(true).create(true).truncate(false);
        std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
        let opened = options.open(path);
        // A disk that takes no writes any more still says who holds the lock.
        let file = opened.or_else(|error| File::open(path).map_err(|_| error));
        let mut file = file.map_err(failed)?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                let mut holder = String::new();
                // Only for the message: without a text the error is still right.
                let _ = (&file).take(32).read_to_string(&mut holder);
                return Err(LockError::Held {
                    path: path.into(),
                    holder: holder.trim().into(),
                });
            }
            Err(TryLockError::Error(source)) => return Err(failed(source)),
        }
        // Who it is only makes a message better: a full disk is no reason to go without the lock.
        let _ = file
            .set_len(0)
            .and_then(|()| file.rewind())
            .and_then(|()| writeln!(file, "{}", std::process::id()));
        Ok(Self { _file: file })
    }
}
