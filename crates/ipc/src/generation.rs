//! The segments of an account's directory: `<generation>.segment`, one for each start.
//!
//! In: the directory. Out: what lies there, oldest first; the next number. Never: the removal of a
//! segment that still holds what control has not made durable.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use crate::segment::{Segment, SegmentError};

const SUFFIX: &str = ".segment";

/// One segment file.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Generation {
    /// Its number: the start of the hot path that made it.
    pub number: u64,
    /// The file.
    pub path: PathBuf,
}

/// Where the segment of a generation lies.
#[must_use]
pub fn segment_path(directory: &Path, generation: u64) -> PathBuf {
    directory.join(format!("{generation}{SUFFIX}"))
}

/// The generations in `directory`, oldest first; none when it does not exist.
///
/// # Errors
/// What the system says.
pub fn list_generations(directory: &Path) -> io::Result<Vec<Generation>> {
    let entries = match fs::read_dir(directory) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        entries => entries?,
    };
    let mut generations = Vec::new();
    for entry in entries {
        let path = entry?.path();
        if let Some(number) = number_of(&path) {
            generations.push(Generation { number, path });
        }
    }
    generations.sort();
    Ok(generations)
}

fn number_of(path: &Path) -> Option<u64> {
    let name = path.file_name()?.to_str()?.strip_suffix(SUFFIX)?;
    let plain = name.bytes().all(|byte| byte.is_ascii_digit());
    name.parse().ok().filter(|_| plain)
}

/// The number for the next start: one above the newest there is, 1 at first.
///
/// # Errors
/// What the system says.
pub fn next_generation(directory: &Path) -> io::Result<u64> {
    let newest = list_generations(directory)?.pop();
    Ok(newest.map_or(1, |generation| generation.number + 1))
}

/// Why a segment stays.
#[derive(Debug, thiserror::Error)]
pub enum RemoveError {
    /// A ring still holds records that are not durable.
    #[error("{path}: {ring} is not drained")]
    NotDrained {
        /// The segment.
        path: PathBuf,
        /// Which ring.
        ring: &'static str,
    },
    /// The segment cannot be read, or another process reads it.
    #[error(transparent)]
    Segment(#[from] SegmentError),
    /// What the system says.
    #[error("{path}: remove: {source}")]
    Io {
        /// The segment.
        path: PathBuf,
        /// The answer.
        source: io::Error,
    },
}

/// Removes a segment whose writer is dead (the caller knows: a newer generation exists, or it
/// stopped cleanly) once all of it is durable. Drop your own ends of it before.
///
/// # Errors
/// [`RemoveError`]; the file is still there then.
pub fn remove_drained(path: &Path) -> Result<(), RemoveError> {
    let segment = Segment::open(path)?;
    for (ring, consumer) in [
        ("journal", segment.journal_consumer()?),
        ("input log", segment.input_log_consumer()?),
        ("market log", segment.market_log_consumer()?),
    ] {
        let path = PathBuf::from(path);
        let drained = consumer.is_drained().map_err(|source| SegmentError::Ring {
            path: path.clone(),
            end: ring,
            source,
        })?;
        if !drained {
            return Err(RemoveError::NotDrained { path, ring });
        }
    }
    fs::remove_file(path).map_err(|source| RemoveError::Io {
        path: path.into(),
        source,
    })
}
