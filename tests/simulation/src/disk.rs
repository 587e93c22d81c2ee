//! The disk of the box: what outlives a process, and a power cut as far as it was durable.
//!
//! In: writes that begin, the time. Out: what is on it. Never: a write that is durable at once, one
//! that outlives the process that had only begun it.

use std::sync::mpsc::{Receiver, Sender, channel};

use hotpath::breaker_file::BreakerState;
use hotpath::kill::latch_file::LatchNote;

use crate::network::MS;

/// How long a write takes.
const WRITE_NS: u64 = 8 * MS;

/// A write that has begun.
#[derive(Debug)]
struct Writing {
    due: u64,
    note: LatchNote,
    told: Sender<Result<(), String>>,
}

/// Files, and the one write under way.
#[derive(Debug, Default)]
pub struct Disk {
    /// The latch file.
    pub latch: Option<LatchNote>,
    /// What the breakers remember.
    pub breakers: Option<BreakerState>,
    /// Nothing is taken before (F58).
    pub refuses_until: u64,
    /// Nothing is finished before (F58).
    pub slow_until: u64,
    now: u64,
    writing: Option<Writing>,
}

impl Disk {
    /// Begins to write the latch file, as the product's thread does.
    pub fn begin(&mut self, note: &LatchNote) -> Receiver<Result<(), String>> {
        let (told, telling) = channel();
        self.writing = Some(Writing {
            due: self.now + WRITE_NS,
            note: note.clone(),
            told,
        });
        telling
    }

    /// Takes the latch file away; false when the disk refuses.
    pub fn remove_latch(&mut self) -> bool {
        let takes = self.now >= self.refuses_until;
        if takes {
            self.latch = None;
        }
        takes
    }

    /// Keeps what the breakers remember; the next change tries again where the disk refuses.
    pub fn keep_breakers(&mut self, state: BreakerState) {
        if self.now >= self.refuses_until {
            self.breakers = Some(state);
        }
    }

    /// Finishes what is due.
    pub fn pass(&mut self, now: u64) {
        self.now = now;
        let due = |one: &mut Writing| one.due.max(self.slow_until) <= now;
        let Some(done) = self.writing.take_if(due) else {
            return;
        };
        let refused = now < self.refuses_until;
        if !refused {
            self.latch = Some(done.note);
        }
        let result = if refused {
            Err("no space left on device".to_owned())
        } else {
            Ok(())
        };
        // Nobody listens when the process has died.
        drop(done.told.send(result));
    }

    /// When something is due.
    #[must_use]
    pub fn next_at(&self) -> Option<u64> {
        let writing = self.writing.as_ref();
        writing.map(|one| one.due.max(self.slow_until))
    }

    /// The process is gone, and its threads with it.
    pub fn forget_writes(&mut self) {
        self.writing = None;
    }

    /// Everything is well again.
    pub fn heal(&mut self) {
        (self.refuses_until, self.slow_until) = (0, 0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn note() -> LatchNote {
        LatchNote {
            since_utc_ms: 1,
            keep_positions: false,
            reason: "drill".to_owned(),
        }
    }

    #[test]
    fn a_write_is_durable_when_it_is_told_and_not_before() {
        let mut disk = Disk::default();
        disk.pass(MS);
        let telling = disk.begin(&note());
        disk.pass(WRITE_NS);
        assert!(disk.latch.is_none() && telling.try_recv().is_err());
        disk.pass(WRITE_NS + MS);
        assert!(disk.latch.is_some() && telling.try_recv() == Ok(Ok(())));
        assert!(disk.remove_latch() && disk.latch.is_none());
    }

    #[test]
    fn a_disk_that_is_full_or_a_process_that_dies_leaves_nothing() {
        let mut disk = Disk {
            refuses_until: 100 * MS,
            ..Disk::default()
        };
        let telling = disk.begin(&note());
        disk.pass(50 * MS);
        assert!(disk.latch.is_none() && telling.try_recv().is_ok_and(|told| told.is_err()));
        let telling = disk.begin(&note());
        disk.forget_writes();
        disk.pass(200 * MS);
        assert!(disk.latch.is_none() && telling.try_recv().is_err());
    }
}
