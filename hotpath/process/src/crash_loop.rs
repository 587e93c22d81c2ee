//! A start that follows too many bad ends waits for a person.
//!
//! In: when the starts since the last clean end were. Out: whether this is one too many. Never: a box
//! that trades for some seconds, dies, and does it again all night.
//!
//! systemd has a limit of its own, behind which it closes everything; this one holds wherever the process
//! is started from.

use crate::state_directory::{StateError, write_durably};
use market::UtcNs;
use settings::HotPathSettings;
use std::path::{Path, PathBuf};

/// Starts that are remembered.
const KEPT: usize = 100;

/// The starts of an account that no clean end has followed.
#[derive(Clone, Debug)]
pub struct Starts {
    path: PathBuf,
    at_ns: Vec<i64>,
}

impl Starts {
    /// Notes a start, durably.
    ///
    /// # Errors
    /// [`StateError::File`].
    pub fn note(root: &Path, account: &str, now: UtcNs) -> Result<Self, StateError> {
        let path = root.join("accounts").join(account).join("starts");
        // What cannot be read is no reason not to start.
        let text = std::fs::read_to_string(&path).unwrap_or_default();
        let mut at_ns: Vec<i64> = text.lines().filter_map(|line| line.parse().ok()).collect();
        at_ns.push(now.0);
        at_ns.drain(..at_ns.len().saturating_sub(KEPT));
        let lines: Vec<String> = at_ns.iter().map(|at| format!("{at}\n")).collect();
        write_durably(&path, lines.concat().as_bytes())?;
        Ok(Self { path, at_ns })
    }

    /// How many of the last `window_s` seconds there are, this one among them.
    #[must_use]
    pub fn within(&self, window_s: u64) -> usize {
        let now = self.at_ns.last().copied().unwrap_or(0);
        let window_ns =
            i64::try_from(window_s).map_or(i64::MAX, |s| s.saturating_mul(1_000_000_000));
        // A clock that went back makes none of them younger than this one.
        let counts = |at: &&i64| (0..=window_ns).contains(&now.saturating_sub(**at));
        self.at_ns.iter().filter(counts).count()
    }

    /// True when this start is one too many.
    #[must_use]
    pub fn is_loop(&self, settings: &HotPathSettings) -> bool {
        let allowed = settings.crash_loop_starts;
        allowed > 0 && self.within(settings.crash_loop_window_s) as u64 > allowed
    }

    /// The process ended as it should: the next start is a first one.
    ///
    /// # Errors
    /// [`StateError::File`].
    pub fn forget(&self) -> Result<(), StateError> {
        match std::fs::remove_file(&self.path) {
            Err(source) if source.kind() != std::io::ErrorKind::NotFound => Err(StateError::File {
                path: self.path.display().to_string(),
                source,
            }),
            _ => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn starts_without_an_end_add_up_and_an_end_forgets_them() {
        let root = std::env::temp_dir().join(format!("fulcrum-starts-{}", std::process::id()));
        std::fs::create_dir_all(root.join("accounts/a")).expect("a folder");
        let start = |second: i64| Starts::note(&root, "a", UtcNs(second * 1_000_000_000));
        // Seconds of the starts, and how many are within a minute then.
        for (second, within) in [(0, 1), (10, 2), (59, 3), (61, 3), (500, 1), (400, 1)] {
            let starts = start(second).expect("it is noted");
            assert_eq!(starts.within(60), within, "at {second} s");
        }
        start(401)
            .expect("it is noted")
            .forget()
            .expect("it was there");
        let first = start(402).expect("it is noted");
        assert_eq!(first.within(60), 1);
        first.forget().expect("it was there");
        first.forget().expect("it need not be there");
        std::fs::remove_dir_all(&root).expect("ours");
    }
}
