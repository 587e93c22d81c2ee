//! A table of names in shared memory, and one word beside each: appended to by the process that
//! made the segment, read by everybody.
//!
//! In: names, at start. Out: indices; later the names. Never: a change of a name that was given.
//!
//! ```text
//! line 0    how many
//! then      three lines each: the word | length in bytes | up to 176 bytes of UTF-8
//! ```
//! The word has its lines for itself and its name, so that counters of two threads never meet in
//! one line.

use std::sync::Mutex;

use crate::atomic::{AtomicU64, Ordering};
use crate::memory::{LINE_BYTES, LINE_WORDS, Region, load_bytes, store_bytes};

/// Most bytes of a name.
pub const NAME_BYTES_MAX: usize = ENTRY_LINES * LINE_BYTES - TEXT_OFFSET;
/// Lines of one entry.
pub(crate) const ENTRY_LINES: usize = 3;

const LENGTH: usize = 1;
const TEXT_OFFSET: usize = 16;

/// Why a cell cannot be registered.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RegisterError {
    /// Only the process that made the segment registers.
    #[error("{0}: cells are registered by the process that made the segment")]
    Reader(String),
    /// The name has a cell already.
    #[error("{0}: registered twice")]
    Twice(String),
    /// Empty or over [`NAME_BYTES_MAX`].
    #[error("{0:?}: a name has 1 to {NAME_BYTES_MAX} bytes")]
    Name(String),
    /// No cell is left.
    #[error("{name}: all {cells} cells are taken")]
    Full {
        /// Whose.
        name: String,
        /// How many there are.
        cells: usize,
    },
}

/// Lines of a table of `cells` names.
pub(crate) const fn table_lines(cells: usize) -> usize {
    1 + ENTRY_LINES * cells
}

/// The table.
pub(crate) struct Names {
    region: Region,
    cells: usize,
    // Held while registering, at start only: several threads of the hot path register.
    registering: Option<Mutex<()>>,
}

impl Names {
    pub(crate) fn new(region: Region, cells: usize, may_register: bool) -> Self {
        assert!(region.lines().len() == table_lines(cells));
        let registering = may_register.then(Mutex::default);
        Self {
            region,
            cells,
            registering,
        }
    }

    /// Adds a name and returns its index.
    pub(crate) fn register(&self, name: &str) -> Result<usize, RegisterError> {
        let Some(registering) = &self.registering else {
            return Err(RegisterError::Reader(name.into()));
        };
        if name.is_empty() || name.len() > NAME_BYTES_MAX {
            return Err(RegisterError::Name(name.into()));
        }
        let _held = registering.lock().expect("nothing panics while it is held");
        if self.iter().any(|(_, known)| known == name) {
            return Err(RegisterError::Twice(name.into()));
        }
        // Relaxed: written below under the same lock.
        let index = self.count().load(Ordering::Relaxed) as usize;
        if index >= self.cells {
            return Err(RegisterError::Full {
                name: name.into(),
                cells: self.cells,
            });
        }
        let entry = self.entry(index);
        let mut text = [0; ENTRY_LINES * LINE_BYTES];
        text[TEXT_OFFSET..][..name.len()].copy_from_slice(name.as_bytes());
        text[LENGTH * 8..TEXT_OFFSET].copy_from_slice(&(name.len() as u64).to_le_bytes());
        for (line, chunk) in entry.lines().iter().zip(text.chunks(LINE_BYTES)) {
            store_bytes(&line.0, chunk);
        }
        // Release: who sees the count sees the name.
        self.count().store(index as u64 + 1, Ordering::Release);
        Ok(index)
    }

    /// The names and their indices; one that is damaged is left out.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (usize, String)> + '_ {
        // Acquire: pairs with the release in `register`.
        let count = self.count().load(Ordering::Acquire);
        let count = usize::try_from(count).unwrap_or(usize::MAX);
        (0..count.min(self.cells)).filter_map(|index| Some((index, self.name(index)?)))
    }

    /// The lines of an entry; its word is the first.
    pub(crate) fn entry(&self, index: usize) -> Region {
        self.region.part(1 + index * ENTRY_LINES, ENTRY_LINES)
    }

    fn count(&self) -> &AtomicU64 {
        &self.region.lines()[0].0[0]
    }

    fn name(&self, index: usize) -> Option<String> {
        let mut text = [0; ENTRY_LINES * LINE_BYTES];
        let entry = self.entry(index);
        for (line, chunk) in entry.lines().iter().zip(text.chunks_mut(LINE_BYTES)) {
            load_bytes(&line.0, chunk);
        }
        let length = entry.lines()[0].0[LENGTH].load(Ordering::Relaxed);
        let text = text[TEXT_OFFSET..].get(..usize::try_from(length).ok()?)?;
        String::from_utf8(text.to_vec()).ok()
    }
}

const _: () = assert!(LENGTH < LINE_WORDS && TEXT_OFFSET == (LENGTH + 1) * 8);
