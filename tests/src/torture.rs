//! Torture: real processes trade, something terrible happens at a random moment, and afterwards the
//! books must agree to the last lot.
//!
//! In: a list of rounds, each a kind and a seed. Out: what each found, times from restart to safety.
//! Never: a round whose failure cannot be repeated; its seed is printed and its state is kept.

mod away;
mod blows;
mod books;
mod dice;
pub mod namespace;
mod report;
mod round;

pub use away::{Away, Measured, measure as measure_control_away};
pub use dice::Dice;
pub use report::{Distribution, Finding, Report};

use crate::rig::Rig;
use std::collections::VecDeque;
use std::fmt;
use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::sync::{Mutex, PoisonError};
use std::time::Instant;

/// Compares box, ledger and exchange: every order, every fill, every position. How many fills.
///
/// # Errors
/// The first difference.
pub fn books_agree(rig: &Rig) -> Result<u64, String> {
    Ok(books::compare(rig, &[])?.fills)
}

/// Lines of each log that a failure shows.
const LAST_LINES: usize = 12;

/// What happens in a round.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kind {
    /// `kill -9` of the hot path.
    HotPath,
    /// `kill -9` of control.
    Control,
    /// `kill -9` of both.
    Both,
    /// The hot path is stopped for a while, and goes on.
    FreezeHotPath,
    /// Control is stopped for a while, and goes on.
    FreezeControl,
    /// Control is gone for longer than its grace.
    ControlLost,
    /// Bytes are late.
    Latency,
    /// Connections are silent.
    HalfOpen,
    /// Connections are reset.
    Reset,
    /// Connections end slowly.
    SlowClose,
    /// Bytes come one by one.
    ByteAtATime,
    /// The disk of state and ledger is full.
    DiskFull,
    /// The exchange's clock jumps.
    ClockStep,
}

const NAMES: [(&str, Kind); 13] = [
    ("hot-path", Kind::HotPath),
    ("control", Kind::Control),
    ("both", Kind::Both),
    ("freeze-hot-path", Kind::FreezeHotPath),
    ("freeze-control", Kind::FreezeControl),
    ("control-lost", Kind::ControlLost),
    ("latency", Kind::Latency),
    ("half-open", Kind::HalfOpen),
    ("reset", Kind::Reset),
    ("slow-close", Kind::SlowClose),
    ("byte-at-a-time", Kind::ByteAtATime),
    ("disk-full", Kind::DiskFull),
    ("clock-step", Kind::ClockStep),
];

impl Kind {
    /// True for `kill -9`.
    #[must_use]
    pub const fn is_kill(self) -> bool {
        matches!(self, Self::HotPath | Self::Control | Self::Both)
    }

    /// As it is written.
    #[must_use]
    pub fn name(self) -> &'static str {
        let found = NAMES.iter().find(|(_, kind)| *kind == self);
        found.map_or("", |(name, _)| name)
    }
}

/// One round; as text `KIND:SEED`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Round {
    /// What happens.
    pub kind: Kind,
    /// When and where, and everything else that is chance.
    pub seed: u64,
}

impl fmt::Display for Round {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}:{}", self.kind.name(), self.seed)
    }
}

impl FromStr for Round {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (name, seed) = text.split_once(':').ok_or("KIND:SEED is wanted")?;
        let known = NAMES.iter().find(|(known, _)| *known == name);
        let (_, kind) = known.ok_or_else(|| {
            let known: Vec<&str> = NAMES.iter().map(|(known, _)| *known).collect();
            format!("no kind is named `{name}`; there are {}", known.join(", "))
        })?;
        let seed = seed.parse().map_err(|_| format!("`{seed}` is no seed"))?;
        Ok(Self { kind: *kind, seed })
    }
}

/// So many rounds of each kill and of each other kind, dearest first: the last ones then end
/// together.
#[must_use]
pub fn plan(kills: u64, others: u64, first_seed: u64) -> Vec<Round> {
    let mut rounds = Vec::new();
    for (_, kind) in NAMES {
        let count = if kind.is_kill() { kills } else { others };
        rounds.extend((0..count).map(|number| Round {
            kind,
            seed: first_seed + number,
        }));
    }
    rounds.sort_by_key(|round| round.kind != Kind::DiskFull);
    rounds
}

/// Where a round's state lies.
#[must_use]
pub fn folder_of(folder: &Path, round: Round) -> PathBuf {
    folder.join(format!("{}-{}", round.kind.name(), round.seed))
}

/// Runs the rounds, `side_by_side` at once; `show` hears of each as it ends.
#[must_use]
pub fn run(
    rounds: &[Round],
    side_by_side: usize,
    folder: &Path,
    show: &(dyn Fn(&Finding) + Sync),
) -> Report {
    let waiting = Mutex::new(rounds.iter().copied().collect::<VecDeque<_>>());
    let found = Mutex::new(Vec::new());
    let lock = |waiting: &Mutex<VecDeque<Round>>| {
        let mut waiting = waiting.lock().unwrap_or_else(PoisonError::into_inner);
        waiting.pop_front()
    };
    std::thread::scope(|scope| {
        for _ in 0..side_by_side {
            scope.spawn(|| {
                while let Some(round) = lock(&waiting) {
                    let finding = one(round, folder);
                    show(&finding);
                    let mut found = found.lock().unwrap_or_else(PoisonError::into_inner);
                    found.push(finding);
                }
            });
        }
    });
    let findings = found.into_inner().unwrap_or_else(PoisonError::into_inner);
    Report::of(findings)
}

/// One round, whose panic is its failure.
fn one(round: Round, folder: &Path) -> Finding {
    let begun = Instant::now();
    let state_dir = folder_of(folder, round);
    let mut finding = match round.kind {
        Kind::DiskFull if !namespace::is_on_small_disk() => on_small_disk(round, folder),
        _ => caught(round, &state_dir),
    };
    finding.round = round.to_string();
    finding.took_ms = report::millis(begun.elapsed());
    if finding.failure.is_some() {
        let kept = keep(&state_dir, folder).unwrap_or_else(|| state_dir.clone());
        finding.state_dir = Some(kept.display().to_string());
    }
    // Nobody looks at the books of a round that was right.
    if finding.failure.is_none() || namespace::is_in_memory() {
        let _ = std::fs::remove_dir_all(&state_dir);
    }
    finding
}

/// What lies in memory is gone with this process: the state of a failure is copied beside it.
fn keep(state_dir: &Path, folder: &Path) -> Option<PathBuf> {
    if !namespace::is_in_memory() {
        return None;
    }
    let kept = folder.with_extension("failed").join(state_dir.file_name()?);
    std::fs::create_dir_all(kept.parent()?).ok()?;
    let mut copy = std::process::Command::new("cp");
    let copied = copy.arg("-rT").arg(state_dir).arg(&kept).status().ok()?;
    copied.success().then_some(kept)
}

/// Runs the round in a process of its own, whose state lies on a small disk.
fn on_small_disk(round: Round, folder: &Path) -> Finding {
    if let Err(why) = namespace::can_mount() {
        return Finding {
            skipped: Some(why),
            ..Finding::default()
        };
    }
    let mount = folder_of(folder, round);
    let _ = std::fs::remove_dir_all(&mount);
    let path = mount.display().to_string();
    let round = round.to_string();
    let mut command = namespace::on_small_disk(&mount, &["one", &round, "--folder", &path]);
    let read = |text: &str| serde_json::from_str(text).map_err(|error| error.to_string());
    let found = command
        .output()
        .map_err(|error| error.to_string())
        .and_then(|output| {
            let said = String::from_utf8_lossy(&output.stdout).into_owned();
            let complaint = String::from_utf8_lossy(&output.stderr);
            read(said.trim()).map_err(|error| format!("no finding: {error}: {said}{complaint}"))
        });
    found.unwrap_or_else(|why: String| Finding {
        failure: Some(why),
        ..Finding::default()
    })
}

fn caught(round: Round, state_dir: &Path) -> Finding {
    let (logs, state_dir) = (state_dir.to_path_buf(), state_dir.to_path_buf());
    let worker = std::thread::Builder::new().name(round.to_string());
    let worker = worker.spawn(move || round::run(round, &state_dir));
    match worker.expect("a thread").join() {
        Ok(finding) => finding,
        Err(panic) => {
            let text = panic.downcast_ref::<String>().cloned();
            let text = text.or_else(|| panic.downcast_ref::<&str>().map(ToString::to_string));
            let text = text.unwrap_or_else(|| "it panicked".to_string());
            Finding {
                failure: Some(format!("{text}{}", last_words(&logs))),
                ..Finding::default()
            }
        }
    }
}

/// Where the state itself cannot be kept, this is what is left.
fn last_words(state_dir: &Path) -> String {
    let mut words = String::new();
    for name in ["hotpath.log", "control.log"] {
        let log = std::fs::read_to_string(state_dir.join(name)).unwrap_or_default();
        let lines: Vec<&str> = log.lines().collect();
        let last = &lines[lines.len().saturating_sub(LAST_LINES)..];
        words.push_str(&format!("\n  {name}:\n    {}", last.join("\n    ")));
    }
    words
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_kind_is_planned_and_read_back_as_it_is_written() {
        let rounds = plan(3, 1, 40);
        assert_eq!(rounds.len(), 3 * 3 + 10);
        for round in rounds {
            assert_eq!(round.to_string().parse(), Ok(round));
        }
        for text in ["hot-path", "hot-path:x", "cold-path:1"] {
            assert!(text.parse::<Round>().is_err(), "{text}");
        }
    }
}
