//! The input log: two rings of one generation become one file in order of the input sequence.
//!
//! In: the ring that never drops and the market ring that may. Out: frames in the log file, and
//! how many inputs are missing. Never: an input out of order, a slot freed before its frame is
//! with the system.

use ipc::log_file::sequence_of;
use ipc::{Cursor, JournalConsumer, LogError, LogHeader, LogWriter, RECORD_BYTES_MAX, RingError};
use std::path::Path;

/// Most frames of one pass, so that the journal is never kept waiting.
const FRAMES_PER_PASS_MAX: usize = 4096;

/// Why the input log cannot go on.
#[derive(Debug, thiserror::Error)]
pub enum InputLogError {
    /// The file.
    #[error(transparent)]
    File(#[from] LogError),
    /// A ring.
    #[error("input log: {0}")]
    Ring(#[from] RingError),
}

/// One ring with the record that is next in it.
struct Source {
    consumer: JournalConsumer,
    buffer: Vec<u8>,
    head: Option<Head>,
    written: Option<Cursor>,
}

#[derive(Clone, Copy)]
struct Head {
    sequence: u64,
    length: usize,
    cursor: Cursor,
}

impl Source {
    fn new(consumer: JournalConsumer) -> Self {
        Self {
            consumer,
            buffer: vec![0; RECORD_BYTES_MAX],
            head: None,
            written: None,
        }
    }

    /// Looks at the next record if none is at hand. A record without a sequence is skipped: the
    /// jump in the sequence shows it.
    fn peek(&mut self) -> Result<Option<u64>, RingError> {
        while self.head.is_none() {
            let Some(entry) = self.consumer.read(&mut self.buffer)? else {
                break;
            };
            let length = entry.payload.len();
            self.head = sequence_of(entry.payload).map(|sequence| Head {
                sequence,
                length,
                cursor: entry.cursor,
            });
        }
        Ok(self.head.map(|head| head.sequence))
    }

    fn append_to(&mut self, writer: &mut LogWriter) -> Result<(), LogError> {
        let head = self.head.take().expect("peek found a head");
        writer.append(&self.buffer[..head.length])?;
        self.written = Some(head.cursor);
        Ok(())
    }

    fn commit(&mut self) -> Result<(), RingError> {
        match self.written.take() {
            Some(cursor) => self.consumer.commit_durable(cursor),
            None => Ok(()),
        }
    }

    fn is_drained(&self) -> Result<bool, RingError> {
        Ok(self.head.is_none() && self.consumer.is_drained()?)
    }
}

/// The input log of one generation.
pub struct InputLog {
    kept: Source,
    market: Source,
    writer: LogWriter,
}

impl InputLog {
    /// Goes on with the log of `header` at `path`.
    ///
    /// # Errors
    /// [`InputLogError`] when the file cannot be used.
    pub fn resume(
        path: &Path,
        header: LogHeader,
        kept: JournalConsumer,
        market: JournalConsumer,
    ) -> Result<Self, InputLogError> {
        Ok(Self {
            kept: Source::new(kept),
            market: Source::new(market),
            writer: LogWriter::resume(path, header)?,
        })
    }

    /// Moves what is there, up to a bound. True when something was moved.
    ///
    /// # Errors
    /// [`InputLogError`]; nothing that was not written is freed.
    pub fn pass(&mut self) -> Result<bool, InputLogError> {
        let mut moved = 0;
        while moved < FRAMES_PER_PASS_MAX && self.step()? {
            moved += 1;
        }
        if moved > 0 {
            self.writer.flush()?;
            self.kept.commit()?;
            self.market.commit()?;
        }
        Ok(moved > 0)
    }

    /// Writes the event that is next in sequence. When only one ring shows a record and it is not
    /// the expected one, the other ring is asked once more: the writer fills both in order, so
    /// what it still does not show was dropped.
    fn step(&mut self) -> Result<bool, InputLogError> {
        let kept = self.kept.peek()?;
        let market = self.market.peek()?;
        let (kept, market) = match (kept, market) {
            (None, None) => return Ok(false),
            (Some(_), None) => (kept, self.market.peek()?),
            (None, Some(_)) => (self.kept.peek()?, market),
            both => both,
        };
        let take_kept = match (kept, market) {
            (Some(kept), Some(market)) => kept < market,
            (kept, _) => kept.is_some(),
        };
        if take_kept {
            self.kept.append_to(&mut self.writer)?;
        } else {
            self.market.append_to(&mut self.writer)?;
        }
        Ok(true)
    }

    /// Inputs that are missing: before the first event (they begin with 1), jumps in the file, and
    /// drops behind its last event.
    #[must_use]
    pub fn holes(&self) -> u64 {
        let extent = self.writer.extent();
        let last = extent.last.unwrap_or(0);
        let behind = [self.kept.consumer.drops(), self.market.consumer.drops()]
            .iter()
            .filter(|drops| drops.total > 0)
            .map(|drops| drops.last.saturating_sub(last).min(drops.total))
            .sum::<u64>();
        let before = extent.first.map_or(0, |first| first.saturating_sub(1));
        before + extent.holes + behind
    }

    /// Inputs in the file.
    #[must_use]
    pub const fn frames(&self) -> u64 {
        self.writer.extent().frames
    }

    /// True when both rings are empty and committed.
    ///
    /// # Errors
    /// [`InputLogError`] when a ring is damaged.
    pub fn is_drained(&self) -> Result<bool, InputLogError> {
        Ok(self.kept.is_drained()? && self.market.is_drained()?)
    }

    /// Name, depth, capacity, high-water mark and drops of both rings.
    #[must_use]
    pub fn rings(&self) -> [crate::view::RingView; 2] {
        [
            crate::view::RingView::of("input_log", &self.kept.consumer),
            crate::view::RingView::of("market_log", &self.market.consumer),
        ]
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use ipc::{LogReader, heap_journal, heap_log};
    use std::path::PathBuf;

    const HEADER: LogHeader = LogHeader {
        build_id: 1,
        config_hash: 2,
        generation: 3,
    };

    fn scratch(name: &str) -> PathBuf {
        let file = format!("fulcrum-merge-{name}-{}", std::process::id());
        let path = std::env::temp_dir().join(file);
        std::fs::remove_file(&path).ok();
        path
    }

    fn read(path: &Path) -> Vec<u64> {
        let mut reader = LogReader::open(path).unwrap();
        let mut payload = Vec::new();
        let mut found = Vec::new();
        while let Some(sequence) = reader.read(&mut payload).unwrap() {
            found.push(sequence);
        }
        std::fs::remove_file(path).unwrap();
        found
    }

    fn payload(sequence: u64) -> [u8; 8] {
        sequence.to_le_bytes()
    }

    #[test]
    fn two_rings_become_one_dense_sequence() {
        let path = scratch("dense");
        let (mut kept, kept_consumer) = heap_journal(64);
        let (mut market, market_consumer) = heap_log(64);
        let mut log = InputLog::resume(&path, HEADER, kept_consumer, market_consumer).unwrap();
        for sequence in 1..=40 {
            if sequence % 5 == 0 {
                kept.try_push(&payload(sequence)).unwrap();
            } else {
                assert!(market.push(sequence, &payload(sequence)));
            }
            if sequence % 7 == 0 {
                assert!(log.pass().unwrap());
            }
        }
        assert!(log.pass().unwrap());
        assert!(log.is_drained().unwrap());
        assert_eq!((log.holes(), log.frames()), (0, 40));
        assert_eq!(read(&path), (1..=40).collect::<Vec<_>>());
    }

    #[test]
    fn what_the_market_ring_dropped_is_a_hole_and_order_is_kept() {
        let path = scratch("holes");
        let (mut kept, kept_consumer) = heap_journal(64);
        let (mut market, market_consumer) = heap_log(8);
        let mut log = InputLog::resume(&path, HEADER, kept_consumer, market_consumer).unwrap();
        let mut dropped = 0;
        for sequence in 1..=20 {
            if sequence == 15 {
                kept.try_push(&payload(sequence)).unwrap();
            } else if !market.push(sequence, &payload(sequence)) {
                dropped += 1;
            }
        }
        assert!(dropped > 0);
        log.pass().unwrap();
        let found = log.holes();
        assert_eq!(found, dropped, "drops behind the last event count too");
        kept.try_push(&payload(21)).unwrap();
        log.pass().unwrap();
        assert_eq!(log.holes(), dropped);
        let sequences = read(&path);
        assert!(sequences.is_sorted() && sequences.ends_with(&[15, 21]));
    }

    #[test]
    fn events_delivered_again_after_a_crash_are_written_once() {
        let path = scratch("again");
        for _ in 0..2 {
            let (mut kept, kept_consumer) = heap_journal(64);
            let (_market, market_consumer) = heap_log(64);
            let mut log = InputLog::resume(&path, HEADER, kept_consumer, market_consumer).unwrap();
            for sequence in 1..=3 {
                kept.try_push(&payload(sequence)).unwrap();
            }
            log.pass().unwrap();
            assert_eq!((log.frames(), log.holes()), (3, 0));
        }
        assert_eq!(read(&path), [1, 2, 3]);
    }
}
