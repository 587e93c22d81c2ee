//! The files of a state directory: a snapshot, and logs of what changed behind it.
//!
//! In: values. Out: lines, and the values of the lines when a directory is opened. Never: half a
//! snapshot (it is written beside the old one and renamed), a line that was torn, two processes in one
//! directory.
//!
//! ```text
//! DIR/lock                 who holds it may write
//! DIR/snapshot             line 1: version, whose it is, last log that is in it; line 2: everything
//! DIR/changes-000000000007 one line a change, later numbers are newer
//! ```
//!
//! Each line is `SUM JSON`, the sum over the JSON in hexadecimal digits.

use std::fs::{File, OpenOptions, TryLockError};
use std::io::{self, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use std::thread::JoinHandle;

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use super::Identity;
use super::record::Change;

const FORMAT: &str = "fulcrum simulated exchange state";
const SNAPSHOT: &str = "snapshot";
const CHANGES: &str = "changes-";
/// Digits of a sum, and the blank behind them.
const SUM: usize = 16;

/// Why a state directory is of no use, or not any more.
#[derive(Debug, thiserror::Error)]
pub enum StateError {
    /// The system refuses.
    #[error("{path}: {error}")]
    System {
        /// Which file.
        path: String,
        /// Its word.
        error: io::Error,
    },
    /// Another process writes it.
    #[error("{path}: another process has this state directory; end it, or name another directory")]
    Taken {
        /// The lock.
        path: String,
    },
    /// Its snapshot or a log is broken.
    #[error(
        "{place}: {found}; no exchange writes this: put the directory back from a copy, or name an \
         empty directory to begin anew"
    )]
    Broken {
        /// File and line.
        place: String,
        /// What is wrong.
        found: String,
    },
    /// Written by another version.
    #[error(
        "{place}: state version {found}, this build reads {expected}; take the build that wrote it, \
         or name an empty directory to begin anew"
    )]
    Version {
        /// The snapshot.
        place: String,
        /// Its version.
        found: u64,
        /// Ours.
        expected: u32,
    },
    /// Of other markets or keys.
    #[error(
        "{place}: {difference}; start with the same markets and key, or name another directory"
    )]
    Other {
        /// The snapshot.
        place: String,
        /// What differs.
        difference: String,
    },
    /// A sound line says what cannot be.
    #[error("{place}: {found}; name an empty directory to begin anew")]
    Content {
        /// File and line.
        place: String,
        /// What it says.
        found: String,
    },
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Head {
    format: String,
    version: u32,
    /// The newest log that is in it.
    through: u64,
    identity: Identity,
}

/// An open state directory.
pub(super) struct Files {
    directory: PathBuf,
    identity: Identity,
    version: u32,
    log: Option<File>,
    number: u64,
    length: u64,
    lines: u64,
    /// A snapshot on its way.
    snapshot: Option<JoinHandle<Result<(), StateError>>>,
    /// Held as long as this lives.
    _lock: File,
}

/// A value and where it was read.
type Read = (String, Change);

impl Files {
    /// Opens a directory, made where it is not there, and reads what it has.
    pub(super) fn open(
        directory: &Path,
        version: u32,
        identity: &Identity,
    ) -> Result<(Self, Vec<Read>), StateError> {
        let mut builder = std::fs::DirBuilder::new();
        // Secrets of accounts are in there.
        let made = builder.recursive(true).mode(0o700).create(directory);
        made.map_err(|error| system(directory, error))?;
        let lock_path = directory.join("lock");
        let lock = private().create(true).append(true).open(&lock_path);
        let lock = lock.map_err(|error| system(&lock_path, error))?;
        match lock.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                let path = lock_path.display().to_string();
                return Err(StateError::Taken { path });
            }
            Err(TryLockError::Error(error)) => return Err(system(&lock_path, error)),
        }
        let mut files = Self {
            directory: directory.to_owned(),
            identity: identity.clone(),
            version,
            log: None,
            number: 0,
            length: 0,
            lines: 0,
            snapshot: None,
            _lock: lock,
        };
        let changes = files.read()?;
        Ok((files, changes))
    }

    /// Writes everything, and begins a log behind it.
    pub(super) fn begin(&mut self, whole: &Change) -> Result<(), StateError> {
        write_snapshot(&self.directory, &self.head(), whole)?;
        self.next_log()
    }

    /// Appends a change.
    pub(super) fn append(&mut self, change: &Change) -> Result<(), StateError> {
        let mut line = Vec::with_capacity(2_048);
        write_line(&mut line, change);
        let path = log_path(&self.directory, self.number);
        let log = self.log.as_mut().expect("begun before anything changes");
        // One call: a process that dies has written all of it or nothing.
        log.write_all(&line).map_err(|error| system(&path, error))?;
        self.length += line.len() as u64;
        self.lines += 1;
        Ok(())
    }

    /// Begins the next log; a thread writes everything as it is now in the place of the earlier ones.
    pub(super) fn rotate(&mut self, whole: Change) -> Result<(), StateError> {
        let (directory, head) = (self.directory.clone(), self.head());
        self.next_log()?;
        let write = move || write_snapshot(&directory, &head, &whole);
        self.snapshot = Some(std::thread::spawn(write));
        Ok(())
    }

    /// Bytes of the log.
    pub(super) const fn length(&self) -> u64 {
        self.length
    }

    /// Lines written by this process.
    pub(super) const fn lines(&self) -> u64 {
        self.lines
    }

    /// True while no snapshot is on its way.
    pub(super) const fn is_at_rest(&self) -> bool {
        self.snapshot.is_none()
    }

    /// Learns what has become of the snapshot on its way.
    pub(super) fn check_snapshot(&mut self) -> Result<(), StateError> {
        match self.snapshot.take_if(|thread| thread.is_finished()) {
            Some(thread) => thread.join().expect("it does not panic"),
            None => Ok(()),
        }
    }

    fn head(&self) -> Head {
        Head {
            format: FORMAT.to_owned(),
            version: self.version,
            through: self.number,
            identity: self.identity.clone(),
        }
    }

    fn next_log(&mut self) -> Result<(), StateError> {
        self.number += 1;
        let path = log_path(&self.directory, self.number);
        let log = private().create_new(true).append(true).open(&path);
        self.log = Some(log.map_err(|error| system(&path, error))?);
        self.length = 0;
        Ok(())
    }

    fn read(&mut self) -> Result<Vec<Read>, StateError> {
        let logs = self.logs()?;
        let path = self.directory.join(SNAPSHOT);
        let text = match std::fs::read(&path) {
            Ok(text) => text,
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                return match logs.first() {
                    None => Ok(Vec::new()),
                    Some(_) => Err(broken(&path, None, "it is missing beside its logs")),
                };
            }
            Err(error) => return Err(system(&path, error)),
        };
        let mut lines = text.split_inclusive(|byte| *byte == b'\n');
        let mut next = |number| {
            let line = read_line(lines.next().unwrap_or_default());
            line.map_err(|found| broken(&path, Some(number), &found))
        };
        let through = self.check_head(&path, next(1)?)?;
        let whole = parse(next(2)?).map_err(|found| broken(&path, Some(2), &found))?;
        if lines.next().is_some() {
            return Err(broken(&path, Some(3), "more than a snapshot has"));
        }
        self.number = through;
        let mut changes = vec![(place(&path, Some(2)), whole)];
        let newer: Vec<u64> = logs.into_iter().filter(|log| *log > through).collect();
        for (index, number) in newer.iter().enumerate() {
            let path = log_path(&self.directory, *number);
            if *number != self.number + 1 {
                let missing = log_path(&self.directory, self.number + 1);
                return Err(broken(&missing, None, "it is missing before newer ones"));
            }
            self.number = *number;
            changes.extend(read_log(&path, index + 1 == newer.len())?);
        }
        Ok(changes)
    }

    fn check_head(&self, path: &Path, line: &[u8]) -> Result<u64, StateError> {
        let wrong = |found: &str| broken(path, Some(1), found);
        let head: serde_json::Value = parse(line).map_err(|found| wrong(&found))?;
        if head["format"] != FORMAT {
            return Err(wrong("not the head of a state"));
        }
        let version = head["version"].as_u64().unwrap_or(0);
        if version != u64::from(self.version) {
            return Err(StateError::Version {
                place: place(path, None),
                found: version,
                expected: self.version,
            });
        }
        let head: Head = parse(line).map_err(|found| wrong(&found))?;
        match head.identity.difference(&self.identity) {
            Some(difference) => Err(StateError::Other {
                place: place(path, None),
                difference,
            }),
            None => Ok(head.through),
        }
    }

    /// Numbers of the logs that there are, in order.
    fn logs(&self) -> Result<Vec<u64>, StateError> {
        log_numbers(&self.directory).map_err(|error| system(&self.directory, error))
    }
}

impl Drop for Files {
    fn drop(&mut self) {
        if let Some(thread) = self.snapshot.take() {
            let ended = thread.join();
            if !matches!(ended, Ok(Ok(()))) {
                tracing::error!("the last snapshot of the accounts is not written; the logs are");
            }
        }
    }
}

/// Writes everything beside what is there, puts it in its place, and removes what is in it.
fn write_snapshot(directory: &Path, head: &Head, whole: &Change) -> Result<(), StateError> {
    let path = directory.join(SNAPSHOT);
    let new = directory.join("snapshot.new");
    let mut text = Vec::new();
    write_line(&mut text, head);
    write_line(&mut text, whole);
    let write = || {
        let mut options = private();
        let mut file = options.create(true).write(true).truncate(true).open(&new)?;
        file.write_all(&text)?;
        file.sync_all()?;
        std::fs::rename(&new, &path)?;
        File::open(directory)?.sync_all()?;
        for number in log_numbers(directory)? {
            if number <= head.through {
                std::fs::remove_file(log_path(directory, number))?;
            }
        }
        Ok(())
    };
    write().map_err(|error| system(&path, error))
}

fn log_numbers(directory: &Path) -> io::Result<Vec<u64>> {
    let mut numbers = Vec::new();
    for entry in std::fs::read_dir(directory)? {
        let name = entry?.file_name();
        let name = name.to_string_lossy();
        numbers.extend(
            name.strip_prefix(CHANGES)
                .and_then(|n| n.parse::<u64>().ok()),
        );
    }
    numbers.sort_unstable();
    Ok(numbers)
}

/// The changes of a log. The last line of the newest may be torn: its process died while it wrote, and
/// nothing of it has left.
fn read_log(path: &Path, is_newest: bool) -> Result<Vec<Read>, StateError> {
    let text = std::fs::read(path).map_err(|error| system(path, error))?;
    let mut lines: Vec<&[u8]> = text.split_inclusive(|byte| *byte == b'\n').collect();
    if is_newest
        && let Some(last) = lines.last()
        && !last.ends_with(b"\n")
    {
        tracing::warn!(file = %path.display(), bytes = last.len(), "a torn last line is left out");
        lines.pop();
    }
    let read = |(index, line): (usize, &&[u8])| {
        let number = Some(index + 1);
        let change = read_line(line).and_then(parse);
        let change = change.map_err(|found| broken(path, number, &found))?;
        Ok((place(path, number), change))
    };
    lines.iter().enumerate().map(read).collect()
}

fn write_line(out: &mut Vec<u8>, value: &impl Serialize) {
    let begin = out.len();
    out.resize(begin + SUM, b'0');
    out.push(b' ');
    serde_json::to_writer(&mut *out, value).expect("plain values have a text");
    let sum = sum(&out[begin + SUM + 1..]);
    out[begin..begin + SUM].copy_from_slice(sum.as_bytes());
    out.push(b'\n');
}

/// The JSON of a line that is whole.
fn read_line(line: &[u8]) -> Result<&[u8], String> {
    let Some(line) = line.strip_suffix(b"\n") else {
        return Err(format!("a line of {} bytes without its end", line.len()));
    };
    match line.split_at_checked(SUM + 1) {
        Some((first, json)) if first[..SUM] == *sum(json).as_bytes() => Ok(json),
        Some(_) => Err("a line whose sum is not that of its text".to_owned()),
        None => Err(format!(
            "a line of {} bytes, too short for a sum",
            line.len()
        )),
    }
}

fn parse<T: DeserializeOwned>(json: &[u8]) -> Result<T, String> {
    serde_json::from_slice(json).map_err(|error| error.to_string())
}

fn sum(json: &[u8]) -> String {
    let digest = ring::digest::digest(&ring::digest::SHA256, json);
    let digits = digest.as_ref()[..SUM / 2].iter();
    digits.map(|byte| format!("{byte:02x}")).collect()
}

fn log_path(directory: &Path, number: u64) -> PathBuf {
    directory.join(format!("{CHANGES}{number:012}"))
}

/// Nobody else reads or writes it.
fn private() -> OpenOptions {
    let mut options = OpenOptions::new();
    options.mode(0o600);
    options
}

fn system(path: &Path, error: io::Error) -> StateError {
    let path = path.display().to_string();
    StateError::System { path, error }
}

fn place(path: &Path, line: Option<usize>) -> String {
    match line {
        Some(line) => format!("{}:{line}", path.display()),
        None => path.display().to_string(),
    }
}

fn broken(path: &Path, line: Option<usize>, found: &str) -> StateError {
    StateError::Broken {
        place: place(path, line),
        found: found.to_owned(),
    }
}
