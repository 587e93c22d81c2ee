//! Files in which the kernel tells of itself, below a root.
//!
//! In: paths. Out: texts, numbers, lists of processors. Never: a wait, a file that is written.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

/// The machine.
pub(super) struct Host {
    root: PathBuf,
}

/// A running process.
#[derive(Clone, Debug)]
pub(super) struct Running {
    pub(super) pid: u32,
    /// Its file has been replaced or removed since it was started.
    pub(super) is_replaced: bool,
}

impl Host {
    pub(super) fn at(root: &Path) -> Self {
        Self {
            root: root.to_path_buf(),
        }
    }

    /// True where the kernel itself is asked.
    pub(super) fn is_real(&self) -> bool {
        self.root == Path::new("/")
    }

    pub(super) fn path(&self, path: &str) -> PathBuf {
        self.root.join(path.trim_start_matches('/'))
    }

    /// A small file's text; none where it cannot be read.
    pub(super) fn read(&self, path: &str) -> Option<String> {
        let text = std::fs::read_to_string(self.path(path)).ok()?;
        Some(text.trim_end().to_string())
    }

    pub(super) fn exists(&self, path: &str) -> bool {
        self.path(path).exists()
    }

    /// Names in a folder, in order; none where there is no such folder.
    pub(super) fn names(&self, path: &str) -> Vec<String> {
        let entries = std::fs::read_dir(self.path(path)).into_iter().flatten();
        let names = entries.flatten().map(|one| one.file_name());
        let mut names: Vec<String> = names.filter_map(|name| name.into_string().ok()).collect();
        names.sort();
        names
    }

    /// Processors of a list such as `0-3,6`.
    pub(super) fn processors(&self, path: &str) -> Option<BTreeSet<usize>> {
        processors_of(&self.read(path)?)
    }

    /// A value of a file of lines `name: value`.
    pub(super) fn field(&self, path: &str, name: &str) -> Option<String> {
        let text = self.read(path)?;
        text.lines().find_map(|line| {
            let (found, value) = line.split_once(':')?;
            (found.trim() == name).then(|| value.trim().to_string())
        })
    }

    /// Processes of this name that run, the newest last.
    pub(super) fn running(&self, name: &str) -> Vec<Running> {
        let pids = self.names("/proc").into_iter();
        let mut found: Vec<Running> = pids
            .filter_map(|pid| pid.parse().ok())
            .filter(|pid: &u32| self.read(&format!("/proc/{pid}/comm")).as_deref() == Some(name))
            .map(|pid| {
                let program = std::fs::read_link(self.path(&format!("/proc/{pid}/exe")));
                let program = program.unwrap_or_default();
                Running {
                    pid,
                    is_replaced: program.to_string_lossy().ends_with(" (deleted)"),
                }
            })
            .collect();
        found.sort_by_key(|one| one.pid);
        found
    }
}

/// Processors of a list such as `0-3,6`; none where it is no such list.
pub(super) fn processors_of(text: &str) -> Option<BTreeSet<usize>> {
    let mut all = BTreeSet::new();
    for part in text
        .split(',')
        .map(str::trim)
        .filter(|part| !part.is_empty())
    {
        let (first, last) = part.split_once('-').unwrap_or((part, part));
        let (first, last): (usize, usize) = (first.parse().ok()?, last.parse().ok()?);
        // No machine has more; a broken list makes no set of any size.
        if last >= 4_096 {
            return None;
        }
        all.extend(first..=last);
    }
    Some(all)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_of_processors_are_read() {
        let read = |text: &str| processors_of(text).map(|all| all.into_iter().collect::<Vec<_>>());
        assert_eq!(read("0-2,5"), Some(vec![0, 1, 2, 5]));
        assert_eq!(read(""), Some(vec![]));
        assert_eq!(read("0-99999"), None);
        assert_eq!(read("x"), None);
    }
}
