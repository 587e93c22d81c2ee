//! Named counters and gauges: 64-bit cells that the hot path registers at start and control lists.
//!
//! In: names written like Prometheus' without prefix (`orders_denied_total{reason="PRICE_COLLAR"}`)
//! and additions. Out: names and values. Never: a lock or a locked instruction after registration;
//! each cell has one writer.
//!
//! ```text
//! names     line 0: how many | then for each: length in bytes | up to 184 bytes of UTF-8
//! values    eight to a line
//! ```

use std::cell::Cell;
use std::marker::PhantomData;
use std::sync::Mutex;

use crate::atomic::{AtomicU64, Ordering};
use crate::memory::{LINE_BYTES, LINE_WORDS, Region, load_bytes, store_bytes};

/// Most counters of a segment.
pub const COUNTERS_MAX: usize = 1 << 14;
/// Most bytes of a name.
pub const NAME_BYTES_MAX: usize = NAME_LINES * LINE_BYTES - 8;
/// Lines of one name: its length and its bytes.
pub(crate) const NAME_LINES: usize = 3;

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
    #[error("{0}: a name has 1 to {NAME_BYTES_MAX} bytes")]
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

/// A table of names in shared memory, appended to by one process.
pub(crate) struct Names {
    region: Region,
    cells: usize,
    // Held while registering, at start only: several threads of the hot path register.
    registering: Option<Mutex<()>>,
}

impl Names {
    pub(crate) fn new(region: Region, cells: usize, may_register: bool) -> Self {
        Self {
            region,
            cells,
            registering: may_register.then(Mutex::default),
        }
    }

    fn count(&self) -> &AtomicU64 {
        &self.region.lines()[0].0[0]
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
            let cells = self.cells;
            let name = name.into();
            return Err(RegisterError::Full { name, cells });
        }
        let lines = self.region.lines()[1 + index * NAME_LINES..][..NAME_LINES].iter();
        let mut text = [0; NAME_LINES * LINE_BYTES];
        text[..8].copy_from_slice(&(name.len() as u64).to_le_bytes());
        text[8..8 + name.len()].copy_from_slice(name.as_bytes());
        for (line, chunk) in lines.zip(text.chunks(LINE_BYTES)) {
            store_bytes(&line.0, chunk);
        }
        // Release: who sees the count sees the name.
        self.count().store(index as u64 + 1, Ordering::Release);
        Ok(index)
    }

    /// The names and their indices; one that is damaged is left out.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (usize, String)> + '_ {
        // Acquire: pairs with the release in `register`.
        let count = self.count().load(Ordering::Acquire) as usize;
        (0..count.min(self.cells)).filter_map(|index| Some((index, self.name(index)?)))
    }

    fn name(&self, index: usize) -> Option<String> {
        let lines = self.region.lines()[1 + index * NAME_LINES..][..NAME_LINES].iter();
        let mut text = [0; NAME_LINES * LINE_BYTES];
        for (line, chunk) in lines.zip(text.chunks_mut(LINE_BYTES)) {
            load_bytes(&line.0, chunk);
        }
        let (length, bytes) = text.split_first_chunk::<8>()?;
        let length = usize::try_from(u64::from_le_bytes(*length)).ok()?;
        String::from_utf8(bytes.get(..length)?.to_vec()).ok()
    }
}

/// The counters of one segment.
pub struct Counters {
    names: Names,
    values: Region,
}

impl Counters {
    pub(crate) fn new(names: Names, values: Region) -> Self {
        Self { names, values }
    }

    /// Makes a cell, which begins at 0. At start only.
    ///
    /// # Errors
    /// [`RegisterError`] when the name or the table does not allow it.
    pub fn register(&self, name: &str) -> Result<Counter, RegisterError> {
        let index = self.names.register(name)?;
        let line = self.values.part(index / LINE_WORDS, 1);
        Ok(Counter {
            line,
            word: index % LINE_WORDS,
            one_thread: PhantomData,
        })
    }

    /// Names and present values, in order of registration.
    pub fn iter(&self) -> impl Iterator<Item = (String, u64)> + '_ {
        self.names.iter().map(|(index, name)| {
            let line = &self.values.lines()[index / LINE_WORDS];
            // Relaxed: each value stands for itself.
            (name, line.0[index % LINE_WORDS].load(Ordering::Relaxed))
        })
    }
}

/// One cell with one writer: it may move to another thread, but not be shared.
pub struct Counter {
    line: Region,
    word: usize,
    one_thread: PhantomData<Cell<()>>,
}

impl Counter {
    fn cell(&self) -> &AtomicU64 {
        &self.line.lines()[0].0[self.word % LINE_WORDS]
    }

    /// Adds `count`; wraps at 2^64.
    #[inline]
    pub fn add(&self, count: u64) {
        // Relaxed load and store, no locked instruction: this is the only writer.
        let cell = self.cell();
        cell.store(
            cell.load(Ordering::Relaxed).wrapping_add(count),
            Ordering::Relaxed,
        );
    }

    /// Replaces the value, for gauges.
    #[inline]
    pub fn set(&self, value: u64) {
        // Relaxed: the value stands for itself.
        self.cell().store(value, Ordering::Relaxed);
    }

    /// The present value.
    #[must_use]
    pub fn get(&self) -> u64 {
        self.cell().load(Ordering::Relaxed)
    }
}
