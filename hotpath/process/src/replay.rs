//! `fulcrum-hotpath replay`: an input log through a fresh engine.
//!
//! In: the folder of a generation's input log, with its checkpoints. Out: the output hash on
//! stdout, and whether it is the one that the run had. Never: a hole passed over in silence.

use crate::start_file::{self, StartFileError};
use engine::event::LEVELS_MAX;
use engine::{Engine, Event, NoObserver, Outbox};
use ipc::{LogError, LogReader, Segment};
use market::page::{AccountPage, PAGE_BYTES_MAX};
use market::{Level, Wire};
use std::path::{Path, PathBuf};

/// Why a log cannot be replayed.
#[derive(Debug, thiserror::Error)]
pub enum ReplayError {
    /// The files beside the log.
    #[error(transparent)]
    Start(#[from] StartFileError),
    /// The log.
    #[error(transparent)]
    Log(#[from] LogError),
    /// No checkpoint to begin at.
    #[error("{0}: no checkpoint-<sequence>.bin to begin at")]
    NoCheckpoint(PathBuf),
    /// A checkpoint cannot be read or used.
    #[error("{path}: {what}")]
    Checkpoint {
        /// Which.
        path: PathBuf,
        /// Why.
        what: String,
    },
    /// A frame is no event.
    #[error("event {sequence} cannot be decoded: {source}")]
    Event {
        /// Its sequence.
        sequence: u64,
        /// Why.
        source: market::CodecError,
    },
}

/// What a replay found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Verdict {
    /// Events stepped.
    pub events: u64,
    /// Missing runs of sequences, first and last.
    pub holes: Vec<(u64, u64)>,
    /// Checkpoints met on the way, and whether the state was the same.
    pub checkpoints: Vec<(u64, bool)>,
    /// The account page of the run, if it was there and stood at the same input.
    pub page_agrees: Option<bool>,
    /// Last sequence stepped.
    pub last_sequence: u64,
    /// Rolling hash of the outputs.
    pub hash: u64,
}

impl Verdict {
    /// True when nothing was missing and everything that could be compared was equal.
    #[must_use]
    pub fn holds(&self) -> bool {
        self.holes.is_empty()
            && self.checkpoints.iter().all(|(_, equal)| *equal)
            && self.page_agrees != Some(false)
    }
}

struct Checkpoint {
    sequence: u64,
    path: PathBuf,
}

/// Replays the log of `folder`, leaving out event `drop`.
///
/// # Errors
/// [`ReplayError`].
pub fn replay(folder: &Path, drop: Option<u64>) -> Result<Verdict, ReplayError> {
    let config = start_file::read(folder)?;
    let checkpoints = checkpoints(folder)?;
    let load = |checkpoint: &Checkpoint| -> Result<Engine, ReplayError> {
        let bytes = read(&checkpoint.path)?;
        Engine::load(config.clone(), &bytes).map_err(|error| ReplayError::Checkpoint {
            path: checkpoint.path.clone(),
            what: error.to_string(),
        })
    };
    let mut log = LogReader::open(&folder.join("events.log"))?;
    let generation = log.header().generation;
    let mut verdict = Verdict::default();
    let mut engine = load(&checkpoints[0])?;
    let mut last = checkpoints[0].sequence;
    let mut outbox = Outbox::new(NoObserver);
    let mut levels = vec![Level::default(); LEVELS_MAX];
    let mut payload = Vec::new();
    while let Some(sequence) = log.read(&mut payload)? {
        if sequence <= last {
            continue;
        }
        if sequence > last + 1 {
            verdict.holes.push((last + 1, sequence - 1));
            // What follows a hole means nothing until a state that was saved after it.
            let next = checkpoints.iter().find(|one| one.sequence + 1 >= sequence);
            let Some(next) = next else {
                break;
            };
            engine = load(next)?;
            last = next.sequence;
            if sequence <= last {
                continue;
            }
        }
        if drop != Some(sequence) {
            let event = Event::from_bytes(&payload, &mut levels)
                .map_err(|source| ReplayError::Event { sequence, source })?;
            engine.step(&event, &mut outbox);
            outbox.requests.clear();
            verdict.events += 1;
        }
        last = sequence;
        if let Some(one) = checkpoints.iter().find(|one| one.sequence == sequence) {
            let mut state = Vec::new();
            engine.save(&mut state);
            let equal = read(&one.path)? == state;
            verdict.checkpoints.push((sequence, equal));
        }
    }
    verdict.last_sequence = last;
    verdict.hash = engine.output_hash();
    verdict.page_agrees = page(folder, generation)
        .filter(|page| page.input_sequence == last)
        .map(|page| page.output_hash == verdict.hash);
    Ok(verdict)
}

/// Prints a verdict, the hash last.
pub fn print(verdict: &Verdict) {
    println!("events {}", verdict.events);
    println!("last_sequence {}", verdict.last_sequence);
    for (first, last) in &verdict.holes {
        println!("hole {first}..{last}");
    }
    for (sequence, equal) in &verdict.checkpoints {
        println!(
            "checkpoint {sequence} {}",
            if *equal { "equal" } else { "DIFFERENT" }
        );
    }
    match verdict.page_agrees {
        Some(true) => println!("page equal"),
        Some(false) => println!("page DIFFERENT"),
        None => println!("page not compared"),
    }
    println!("hash {:016x}", verdict.hash);
}

fn read(path: &Path) -> Result<Vec<u8>, ReplayError> {
    std::fs::read(path).map_err(|error| ReplayError::Checkpoint {
        path: path.to_path_buf(),
        what: error.to_string(),
    })
}

/// The folder's checkpoints, oldest first; at least one.
fn checkpoints(folder: &Path) -> Result<Vec<Checkpoint>, ReplayError> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder).into_iter().flatten().flatten() {
        let path = entry.path();
        let name = entry.file_name();
        let name = name.to_string_lossy();
        let number = name
            .strip_prefix("checkpoint-")
            .and_then(|rest| rest.strip_suffix(".bin"));
        if let Some(sequence) = number.and_then(|number| number.parse().ok()) {
            found.push(Checkpoint { sequence, path });
        }
    }
    found.sort_by_key(|one| one.sequence);
    if found.is_empty() {
        return Err(ReplayError::NoCheckpoint(folder.to_path_buf()));
    }
    Ok(found)
}

/// The account page of the run, when its segment still lies in the same state directory.
fn page(folder: &Path, generation: u64) -> Option<AccountPage> {
    let root = folder.canonicalize().ok()?;
    let run = root.parent()?.parent()?.join("run");
    for account in std::fs::read_dir(run).ok()?.flatten() {
        let path = ipc::segment_path(&account.path(), generation);
        let Ok(segment) = Segment::open(&path) else {
            continue;
        };
        let mut bytes = [0; PAGE_BYTES_MAX];
        let length = segment.account_page().read(&mut bytes).ok()??;
        return AccountPage::from_bytes(&bytes[..length]).ok();
    }
    None
}
