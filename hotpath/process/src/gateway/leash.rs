//! The leash of a gateway's thread.
//!
//! In: its turns, and the word that it is to end. Out: both, for the other side. Never: a wait.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

/// Ends a thread, and shows that it lives.
#[derive(Debug, Default)]
pub struct Leash {
    ended: AtomicBool,
    turns: AtomicU64,
}

impl Leash {
    /// Counts a turn of the thread; true while it is to go on.
    pub fn goes_on(&self) -> bool {
        self.turns.fetch_add(1, Ordering::Relaxed);
        !self.ended.load(Ordering::Relaxed)
    }

    /// Ends the thread with one of its next turns.
    pub fn end(&self) {
        self.ended.store(true, Ordering::Relaxed);
    }

    /// A number that changes while the thread lives.
    #[must_use]
    pub fn turns(&self) -> u64 {
        self.turns.load(Ordering::Relaxed)
    }
}
