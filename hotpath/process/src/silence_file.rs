//! Until when the exchange wants to hear nothing of us, over a restart.
//!
//! In: the silences of all hosts, looked at now and then. Out: a small text; at the next start the
//! same silences, before the first request. Never: a request during a ban because the process that
//! was told of it has died (I20).

use crate::state_directory::{StateError, write_durably};
use market::{MonoNs, UtcNs};
use std::path::{Path, PathBuf};

/// First line of the file.
const TITLE: &str = "fulcrum-silence 1";

/// A silence that is older than the longest ban was not written by us.
const LONGEST_NS: i64 = 3 * 24 * 3_600 * 1_000_000_000;

/// Two readings of one silence may differ by this much: it was read off a clock.
const SAME_NS: u64 = 1_000_000_000;

/// The file of one account, and what was written to it last.
#[derive(Debug)]
pub struct SilenceFile {
    path: PathBuf,
    written: Vec<(String, MonoNs)>,
}

impl SilenceFile {
    /// Names the file in `folder`.
    #[must_use]
    pub fn new(folder: &Path, account: &str) -> Self {
        Self {
            path: folder.join(format!("silence-{account}")),
            written: Vec::new(),
        }
    }

    /// The silences that still hold at `now`, which is `utc`. What cannot be read is none: the
    /// exchange tells it again.
    pub fn read(&mut self, now: MonoNs, utc: UtcNs) -> Vec<(String, MonoNs)> {
        let text = std::fs::read_to_string(&self.path).unwrap_or_default();
        let mut lines = text.lines();
        if lines.next() != Some(TITLE) {
            return Vec::new();
        }
        let held = lines.filter_map(|line| {
            let (host, until) = line.split_once(' ')?;
            let left_ns = until.parse::<i64>().ok()?.checked_sub(utc.0)?;
            let holds = (1..=LONGEST_NS).contains(&left_ns);
            holds.then(|| (host.to_string(), now.after(left_ns.unsigned_abs())))
        });
        self.written = held.collect();
        self.written.clone()
    }

    /// Writes what has changed since the last time.
    ///
    /// # Errors
    /// [`StateError`]; the next call tries again.
    pub fn keep(
        &mut self,
        silences: &[(String, MonoNs)],
        now: MonoNs,
        utc: UtcNs,
    ) -> Result<(), StateError> {
        let is_new = |(host, until): &&(String, MonoNs)| {
            let known = self.written.iter().find(|(one, _)| one == host);
            known.is_none_or(|(_, known)| until.since(*known) > SAME_NS)
        };
        if silences.iter().find(is_new).is_none() {
            return Ok(());
        }
        let mut text = format!("{TITLE}\n");
        for (host, until) in silences {
            let end = utc.0.saturating_add_unsigned(until.since(now));
            text.push_str(&format!("{host} {end}\n"));
        }
        write_durably(&self.path, text.as_bytes())?;
        self.written = silences.to_vec();
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: u64 = 1_000_000_000;

    #[test]
    fn a_ban_holds_over_a_restart_and_ends_when_it_ends() {
        let folder = std::env::temp_dir().join(format!("silence-{}", std::process::id()));
        std::fs::create_dir_all(&folder).unwrap();
        let mut file = SilenceFile::new(&folder, "demo");
        let utc = |seconds: i64| UtcNs(1_700_000_000_000_000_000 + seconds * SECOND as i64);
        assert_eq!(file.read(MonoNs(0), utc(0)), []);
        let told = [("fapi.binance.com".to_string(), MonoNs(400 * SECOND))];
        file.keep(&told, MonoNs(100 * SECOND), utc(0)).unwrap();
        // Another boot, 200 s later: its clock began anew.
        let mut next = SilenceFile::new(&folder, "demo");
        let held = next.read(MonoNs(7 * SECOND), utc(200));
        assert_eq!(held, [(told[0].0.clone(), MonoNs(107 * SECOND))]);
        assert_eq!(next.read(MonoNs(7 * SECOND), utc(300)), []);
        std::fs::write(folder.join("silence-demo"), "nonsense\nx y\n").unwrap();
        assert_eq!(next.read(MonoNs(0), utc(200)), []);
    }
}
