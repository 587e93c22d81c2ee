//! The state directory: lock, generation, epoch.
//!
//! In: a directory and an account. Out: the one right to run (I30), the number of this start, an
//! epoch that no order has used before (I2). Never: an order id before its epoch is on disk.

use ipc::{HotpathState, InstanceLock, LockError, Segment, SegmentError, list_generations};
use market::UtcNs;
use std::fs::{self, File};
use std::io::Write;
use std::path::{Path, PathBuf};

/// What is wrong with the state directory.
#[derive(Debug, thiserror::Error)]
pub enum StateError {
    /// A file operation failed.
    #[error("{path}: {source}")]
    File {
        /// Which file.
        path: String,
        /// Why.
        source: std::io::Error,
    },
    /// Another hot path runs for this account.
    #[error("one fulcrum-hotpath an account: {0}")]
    Locked(#[from] LockError),
    /// The epoch file does not hold a number.
    #[error("{0} does not hold a number; restore it, or write a number above the last used one")]
    BadEpoch(String),
    /// It was written for another mode or account.
    #[error("{path}: this state is of {found}, and we are {ours}; use another --state-dir")]
    Foreign {
        /// Which file says so.
        path: String,
        /// Whose it is.
        found: String,
        /// Who we are.
        ours: String,
    },
    /// A segment that only another build reads: its journal may not be in the ledger yet.
    #[error(
        "{0}; without that build remove the file: what it holds and the ledger does not is then \
         lost, and only the exchange knows it"
    )]
    OtherBuild(SegmentError),
}

impl StateError {
    /// Another process lives for this account.
    #[must_use]
    pub const fn is_held(&self) -> bool {
        matches!(self, Self::Locked(LockError::Held { .. }))
    }
}

/// Paths of one account's state.
#[derive(Clone, Debug)]
pub struct StateDirectory {
    root: PathBuf,
    account: String,
}

impl StateDirectory {
    /// Names the directory, and makes nothing.
    #[must_use]
    pub fn named(root: &Path, account: &str) -> Self {
        Self {
            root: root.to_path_buf(),
            account: account.to_string(),
        }
    }

    /// Names the directory and makes its folders.
    ///
    /// # Errors
    /// [`StateError::File`].
    pub fn open(root: &Path, account: &str) -> Result<Self, StateError> {
        let directory = Self::named(root, account);
        let run = directory.run();
        fs::create_dir_all(&run).map_err(|source| failed(&run, source))?;
        Ok(directory)
    }

    /// Folder of segments and lock.
    #[must_use]
    pub fn run(&self) -> PathBuf {
        self.root.join("run").join(&self.account)
    }

    /// The segment of a generation.
    #[must_use]
    pub fn segment(&self, generation: u64) -> PathBuf {
        ipc::segment_path(&self.run(), generation)
    }

    /// Folder of a generation's input log and checkpoints.
    #[must_use]
    pub fn input_log(&self, generation: u64) -> PathBuf {
        self.root.join("input-log").join(generation.to_string())
    }

    /// Takes the account's lock; held until dropped.
    ///
    /// # Errors
    /// [`StateError::Locked`] when another process has it.
    pub fn lock(&self) -> Result<InstanceLock, StateError> {
        Ok(InstanceLock::acquire(&self.run().join("lock"))?)
    }

    /// The number of this start: one more than any segment or input log that is still there.
    ///
    /// # Errors
    /// [`StateError::File`].
    pub fn next_generation(&self) -> Result<u64, StateError> {
        let mut highest = 0;
        for folder in [self.run(), self.root.join("input-log")] {
            let entries = match fs::read_dir(&folder) {
                Ok(entries) => entries,
                Err(error) if error.kind() == std::io::ErrorKind::NotFound => continue,
                Err(source) => return Err(failed(&folder, source)),
            };
            for entry in entries.flatten() {
                let name = entry.file_name();
                let name = name.to_string_lossy();
                let number = name.strip_suffix(".segment").unwrap_or(&name).parse();
                highest = highest.max(number.unwrap_or(0));
            }
        }
        Ok(highest + 1)
    }

    /// Segments that lie here are of this mode and account, and of a build that we understand: what
    /// they hold goes into our ledger, and their latch is ours.
    ///
    /// # Errors
    /// [`StateError::Foreign`], [`StateError::OtherBuild`].
    pub fn refuse_foreign_segments(&self, identity: &str) -> Result<(), StateError> {
        let run = self.run();
        let found = list_generations(&run).map_err(|source| failed(&run, source))?;
        for one in found {
            match Segment::open(&one.path) {
                Ok(segment) if segment.layout().identity != identity => {
                    return Err(StateError::Foreign {
                        path: one.path.display().to_string(),
                        found: segment.layout().identity.clone(),
                        ours: identity.to_string(),
                    });
                }
                Err(error) if error.is_of_another_build() => {
                    return Err(StateError::OtherBuild(error));
                }
                Ok(_) | Err(_) => {}
            }
        }
        Ok(())
    }

    /// The segment whose kill latch a new start takes over: the newest one in which a hot path got
    /// as far as running, when that one is latched (I22). A start that died before it ran may not
    /// have taken an older latch over yet, so it is passed over, and so is what cannot be read.
    /// With it goes whether positions are to be closed.
    ///
    /// # Errors
    /// [`StateError::File`].
    pub fn latched_segment(&self) -> Result<Option<(PathBuf, bool)>, StateError> {
        let run = self.run();
        let found = list_generations(&run).map_err(|source| failed(&run, source))?;
        for one in found.into_iter().rev() {
            let Ok(segment) = Segment::open(&one.path) else {
                tracing::warn!(path = %one.path.display(), "not a segment of this build");
                continue;
            };
            if segment.kill_latched() {
                return Ok(Some((one.path, segment.kill_closes_positions())));
            }
            if segment.hotpath_state() != HotpathState::Starting {
                return Ok(None);
            }
        }
        Ok(None)
    }

    /// Takes the next epoch and makes it durable before it is returned: one more than the last one
    /// here, and no less than the time says, so that another directory has others.
    ///
    /// # Errors
    /// [`StateError`] when the file cannot be read or written; then no order may be sent.
    pub fn next_epoch(&self, utc: UtcNs) -> Result<u32, StateError> {
        let path = self.root.join("epoch");
        let last = match fs::read_to_string(&path) {
            Ok(text) => text
                .trim()
                .parse::<u32>()
                .map_err(|_| StateError::BadEpoch(path.display().to_string()))?,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => 0,
            Err(source) => return Err(failed(&path, source)),
        };
        let next = epoch_at(utc).max(last + 1);
        write_durably(&path, format!("{next}\n").as_bytes())?;
        Ok(next)
    }
}

/// Ten seconds since 2026 each. A clock that is far ahead uses up no more than half of the epochs
/// that an order's id has room for.
fn epoch_at(utc: UtcNs) -> u32 {
    const BEGIN_S: i64 = 1_767_225_600;
    const HALF: i64 = 30_000_000;
    let passed = utc.0.div_euclid(1_000_000_000) - BEGIN_S;
    u32::try_from((passed / 10).clamp(0, HALF)).unwrap_or(0)
}

/// Writes a file so that a power cut leaves the old or the new one: tmp, fsync, rename, fsync.
///
/// # Errors
/// [`StateError::File`].
pub fn write_durably(path: &Path, bytes: &[u8]) -> Result<(), StateError> {
    let tmp = path.with_extension("tmp");
    let write = || -> std::io::Result<()> {
        let mut file = File::create(&tmp)?;
        file.write_all(bytes)?;
        file.sync_all()?;
        fs::rename(&tmp, path)?;
        match path.parent() {
            Some(folder) => File::open(folder)?.sync_all(),
            None => Ok(()),
        }
    };
    write().map_err(|source| failed(path, source))
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

    fn directory(name: &str) -> StateDirectory {
        let root = std::env::temp_dir().join(format!("fulcrum-{name}-{}", std::process::id()));
        let _ = fs::remove_dir_all(&root);
        StateDirectory::open(&root, "default").unwrap()
    }

    #[test]
    fn an_account_has_one_live_instance() {
        let state = directory("lock");
        let held = state.lock().unwrap();
        assert!(matches!(state.lock(), Err(StateError::Locked(_))));
        drop(held);
        assert!(state.lock().is_ok());
    }

    #[test]
    fn generations_grow_over_segments_and_logs() {
        let state = directory("generation");
        assert_eq!(state.next_generation().unwrap(), 1);
        fs::write(state.segment(4), b"").unwrap();
        assert_eq!(state.next_generation().unwrap(), 5);
        fs::create_dir_all(state.input_log(11)).unwrap();
        assert_eq!(state.next_generation().unwrap(), 12);
    }

    #[test]
    fn segments_of_another_account_mode_or_build_stop_the_start() {
        let state = directory("foreign");
        let ours = "paper binance default";
        assert!(state.refuse_foreign_segments(ours).is_ok());
        let layout = ipc::SegmentLayout {
            identity: ours.to_string(),
            ..ipc::SegmentLayout::default()
        };
        Segment::create(&state.segment(1), &layout, 1, 1, 1).unwrap();
        assert!(state.refuse_foreign_segments(ours).is_ok());
        for others in ["live binance default", "paper binance other"] {
            let refused = state.refuse_foreign_segments(others).unwrap_err();
            assert!(refused.to_string().contains(ours), "{refused}");
        }
        let mut bytes = fs::read(state.segment(1)).unwrap();
        // The second word is the hash of the layout.
        bytes[8] ^= 1;
        fs::write(state.segment(1), bytes).unwrap();
        let refused = state.refuse_foreign_segments(ours).unwrap_err();
        assert!(matches!(refused, StateError::OtherBuild(_)), "{refused}");
    }

    fn ran(state: &StateDirectory, generation: u64) -> Segment {
        let layout = ipc::SegmentLayout::default();
        let path = state.segment(generation);
        let segment = Segment::create(&path, &layout, 1, 1, generation).unwrap();
        segment.set_hotpath_state(HotpathState::Running);
        segment
    }

    #[test]
    fn a_kill_latch_is_found_by_the_next_start_and_by_the_one_after_a_failed_one() {
        let state = directory("latch");
        assert_eq!(state.latched_segment().unwrap(), None);
        let killed = ran(&state, 1);
        assert_eq!(state.latched_segment().unwrap(), None);
        killed.latch_kill();
        drop(killed);
        assert_eq!(
            state.latched_segment().unwrap(),
            Some((state.segment(1), true))
        );
        ran(&state, 2).set_hotpath_state(HotpathState::Starting);
        fs::write(state.segment(3), b"torn").unwrap();
        assert_eq!(
            state.latched_segment().unwrap(),
            Some((state.segment(1), true))
        );
        // A person removed the latch, or the start came before there was one.
        ran(&state, 4);
        assert_eq!(state.latched_segment().unwrap(), None);
    }

    #[test]
    fn an_epoch_is_never_given_twice_and_a_broken_file_stops_the_start() {
        let state = directory("epoch");
        let early = UtcNs(0);
        assert_eq!(state.next_epoch(early).unwrap(), 1);
        assert_eq!(state.next_epoch(early).unwrap(), 2);
        // Two directories that know nothing of each other have epochs of their own.
        let now = UtcNs(1_767_225_600_000_000_000 + 1_000_000_000_000);
        assert_eq!(state.next_epoch(now).unwrap(), 100);
        assert_eq!(state.next_epoch(now).unwrap(), 101);
        assert_eq!(state.next_epoch(early).unwrap(), 102);
        assert_eq!(state.next_epoch(UtcNs(i64::MAX)).unwrap(), 30_000_000);
        fs::write(state.root.join("epoch"), b"two\n").unwrap();
        assert!(matches!(
            state.next_epoch(early),
            Err(StateError::BadEpoch(_))
        ));
    }
}
