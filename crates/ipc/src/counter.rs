//! Named counters and gauges: 64-bit cells that the hot path registers at start and control lists.
//!
//! In: names written like Prometheus' without prefix (`orders_denied_total{reason="PRICE_COLLAR"}`)
//! and additions. Out: names and values. Never: a lock or a locked instruction after registration;
//! each cell has one writer.

use std::cell::Cell;
use std::marker::PhantomData;

use crate::atomic::{AtomicU64, Ordering};
use crate::memory::Region;
use crate::names::Names;

pub use crate::names::{NAME_BYTES_MAX, RegisterError};

/// Most counters of a segment.
pub const COUNTERS_MAX: usize = 1 << 14;

/// The counters of one segment.
pub struct Counters {
    names: Names,
}

impl Counters {
    pub(crate) fn new(names: Names) -> Self {
        Self { names }
    }

    /// Makes a cell, which begins at 0. At start only.
    ///
    /// # Errors
    /// [`RegisterError`] when the name or the table does not allow it.
    pub fn register(&self, name: &str) -> Result<Counter, RegisterError> {
        let entry = self.names.entry(self.names.register(name)?);
        Ok(Counter {
            entry,
            one_thread: PhantomData,
        })
    }

    /// Names and present values, in order of registration.
    pub fn iter(&self) -> impl Iterator<Item = (String, u64)> + '_ {
        self.names.iter().map(|(index, name)| {
            // Relaxed: each value stands for itself.
            let value = cell(&self.names.entry(index)).load(Ordering::Relaxed);
            (name, value)
        })
    }
}

/// One cell with one writer: it may move to another thread, but not be shared.
pub struct Counter {
    entry: Region,
    one_thread: PhantomData<Cell<()>>,
}

impl Counter {
    /// Adds `count`; wraps at 2^64.
    #[inline]
    pub fn add(&self, count: u64) {
        // Relaxed load and store, no locked instruction: this is the only writer.
        let cell = cell(&self.entry);
        let sum = cell.load(Ordering::Relaxed).wrapping_add(count);
        cell.store(sum, Ordering::Relaxed);
    }

    /// Replaces the value, for gauges.
    #[inline]
    pub fn set(&self, value: u64) {
        // Relaxed: the value stands for itself.
        cell(&self.entry).store(value, Ordering::Relaxed);
    }

    /// The present value.
    #[must_use]
    pub fn get(&self) -> u64 {
        cell(&self.entry).load(Ordering::Relaxed)
    }
}

fn cell(entry: &Region) -> &AtomicU64 {
    &entry.lines()[0].0[0]
}
