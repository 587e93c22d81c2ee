//! The plain ring: what is read is free again. Between threads ([`heap_ring`]) and, in a segment,
//! between processes (the command ring).
//!
//! In: a kind and bytes. Out: the same, in order, each once. Never: a wait, a drop, an allocation
//! after creation. The reader publishes its progress each quarter of the ring and whenever it
//! finds nothing, so that the two sides rarely touch each other's lines.

use crate::slots::{SlotReader, SlotWriter, heap};

pub use crate::slots::{Drops, RECORD_BYTES_MAX, RingError, RingFull};

/// A ring of `slots` 64-byte slots between two threads.
///
/// # Panics
/// When `slots` is not a power of two, or more than 2^26.
#[must_use]
pub fn heap_ring(slots: usize) -> (Producer, Consumer) {
    let (writer, reader) = heap(slots);
    (Producer::new(writer), Consumer::new(reader))
}

/// The writing end; there is one.
pub struct Producer {
    writer: SlotWriter,
}

impl Producer {
    pub(crate) fn new(writer: SlotWriter) -> Self {
        Self { writer }
    }

    /// Appends one record and publishes it.
    ///
    /// # Errors
    /// [`RingFull`] when there is no room, now or ever ([`RingFull::never_fits`]); nothing is
    /// written then.
    #[inline]
    pub fn try_push(&mut self, kind: u16, payload: &[u8]) -> Result<(), RingFull> {
        self.writer.try_push(kind, payload)
    }

    /// Slots that can be written now; a record takes one for every 56 bytes.
    pub fn free_slots(&mut self) -> usize {
        self.writer.free_slots()
    }

    /// Slots in all.
    #[must_use]
    pub fn capacity(&self) -> usize {
        self.writer.capacity()
    }

    /// Slots written and not yet reported as read.
    pub fn depth(&mut self) -> usize {
        self.writer.depth()
    }

    /// Greatest depth seen; exact above a sixteenth of the capacity, sampled below.
    #[must_use]
    pub fn high_watermark(&self) -> usize {
        self.writer.high_watermark()
    }

    /// How often the reader's progress was impossible and therefore not believed.
    #[must_use]
    pub fn reader_faults(&self) -> u64 {
        self.writer.reader_faults()
    }
}

/// The reading end; there is one.
pub struct Consumer {
    reader: SlotReader,
    quarter: u64,
}

impl Consumer {
    pub(crate) fn new(reader: SlotReader) -> Self {
        let quarter = (reader.capacity() as u64 / 4).max(1);
        Self { reader, quarter }
    }

    /// Copies the oldest record into `buffer` and frees it. None when there is none.
    ///
    /// # Errors
    /// [`RingError`] when the buffer is too small or the ring is damaged; nothing is consumed.
    #[inline]
    pub fn pop<'b>(&mut self, buffer: &'b mut [u8]) -> Result<Option<(u16, &'b [u8])>, RingError> {
        let record = self.reader.read(buffer)?;
        let unpublished = self.reader.position() - self.reader.freed();
        if unpublished >= self.quarter || (record.is_none() && unpublished > 0) {
            self.reader.free_to(self.reader.position())?;
        }
        Ok(record)
    }

    /// Slots in all.
    #[must_use]
    pub fn capacity(&self) -> usize {
        self.reader.capacity()
    }

    /// Slots that wait to be read.
    #[must_use]
    pub fn depth(&self) -> usize {
        self.reader.depth()
    }

    /// Greatest depth that the writer has seen.
    #[must_use]
    pub fn high_watermark(&self) -> usize {
        self.reader.high_watermark()
    }
}
