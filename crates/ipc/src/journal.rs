//! The journal ring: slots become free only when the reader says that their records are durable.
//! The log that may drop is the same ring with a writer that counts instead of refusing.
//!
//! In: records. Out: the same records in order; after the reader's death, again from the durable
//! cursor on. Never: a drop without a count, a wait for the reader.

use crate::slots::{SlotReader, SlotWriter, heap};

pub use crate::slots::{Drops, RingError, RingFull};

/// A journal of `slots` 64-byte slots between two threads.
///
/// # Panics
/// When `slots` is not a power of two, or more than 2^26.
#[must_use]
pub fn heap_journal(slots: usize) -> (JournalProducer, JournalConsumer) {
    let (writer, reader) = heap(slots);
    (JournalProducer::new(writer), JournalConsumer::new(reader))
}

/// A log that drops when it is full, of `slots` 64-byte slots, between two threads.
///
/// # Panics
/// When `slots` is not a power of two, or more than 2^26.
#[must_use]
pub fn heap_log(slots: usize) -> (LossyProducer, JournalConsumer) {
    let (writer, reader) = heap(slots);
    (LossyProducer::new(writer), JournalConsumer::new(reader))
}

/// A place between two records of one ring.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Cursor(u64);

impl Cursor {
    /// The position in slots since the ring began.
    #[must_use]
    pub const fn get(self) -> u64 {
        self.0
    }
}

/// The writing end of a ring that never drops.
pub struct JournalProducer {
    writer: SlotWriter,
}

impl JournalProducer {
    pub(crate) fn new(writer: SlotWriter) -> Self {
        Self { writer }
    }

    /// Appends one record and publishes it.
    ///
    /// # Errors
    /// [`RingFull`] when there is no room; nothing is written then. A caller that gives the record
    /// up says so with [`note_hole`](Self::note_hole).
    #[inline]
    pub fn try_push(&mut self, payload: &[u8]) -> Result<(), RingFull> {
        self.writer.try_push(0, payload)
    }

    /// Counts a record that was given up, so that the reader learns of the hole.
    pub fn note_hole(&mut self, sequence: u64) {
        self.writer.note_drop(sequence);
    }

    /// Records that were given up.
    #[must_use]
    pub fn holes(&self) -> Drops {
        self.writer.drops()
    }

    /// Part of the ring that is written and not yet durable, in per mille. Reads the reader's
    /// cursor: cheap, but not free.
    pub fn fill_permille(&mut self) -> u16 {
        let permille = self.writer.depth() * 1000 / self.writer.capacity();
        u16::try_from(permille).expect("depth is at most the capacity")
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

    /// Slots written and not yet durable.
    pub fn depth(&mut self) -> usize {
        self.writer.depth()
    }

    /// Greatest depth seen; exact above a sixteenth of the capacity, sampled below.
    #[must_use]
    pub fn high_watermark(&self) -> usize {
        self.writer.high_watermark()
    }

    /// How often the reader's cursor was impossible and therefore not believed.
    #[must_use]
    pub fn reader_faults(&self) -> u64 {
        self.writer.reader_faults()
    }
}

/// The writing end of a ring that drops when it is full, and says how many and where.
pub struct LossyProducer {
    writer: SlotWriter,
}

impl LossyProducer {
    pub(crate) fn new(writer: SlotWriter) -> Self {
        Self { writer }
    }

    /// Appends the record with the caller's `sequence`, or counts it as dropped. True when it was
    /// written.
    #[inline]
    pub fn push(&mut self, sequence: u64, payload: &[u8]) -> bool {
        let written = self.writer.try_push(0, payload).is_ok();
        if !written {
            self.writer.note_drop(sequence);
        }
        written
    }

    /// Records that were dropped.
    #[must_use]
    pub fn drops(&self) -> Drops {
        self.writer.drops()
    }

    /// Slots in all.
    #[must_use]
    pub fn capacity(&self) -> usize {
        self.writer.capacity()
    }

    /// Slots written and not yet durable.
    pub fn depth(&mut self) -> usize {
        self.writer.depth()
    }

    /// Greatest depth seen; exact above a sixteenth of the capacity, sampled below.
    #[must_use]
    pub fn high_watermark(&self) -> usize {
        self.writer.high_watermark()
    }
}

/// One record and the place behind it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Entry<'b> {
    /// Commit this once the record, and all before it, are durable.
    pub cursor: Cursor,
    /// The bytes.
    pub payload: &'b [u8],
}

/// The reading end of a journal or a log.
pub struct JournalConsumer {
    reader: SlotReader,
}

impl JournalConsumer {
    pub(crate) fn new(reader: SlotReader) -> Self {
        Self { reader }
    }

    /// Copies the next record into `buffer` and moves behind it, without freeing it. None when
    /// there is none.
    ///
    /// # Errors
    /// [`RingError`] when the buffer is too small or the ring is damaged; nothing is consumed.
    pub fn read<'b>(&mut self, buffer: &'b mut [u8]) -> Result<Option<Entry<'b>>, RingError> {
        let record = self.reader.read(buffer)?;
        let cursor = Cursor(self.reader.position());
        Ok(record.map(|(_, payload)| Entry { cursor, payload }))
    }

    /// Says that every record before `cursor` is durable: their slots are free for the writer.
    ///
    /// # Errors
    /// [`RingError::Cursor`] when `cursor` lies before the durable cursor or beyond what was read.
    pub fn commit_durable(&mut self, cursor: Cursor) -> Result<(), RingError> {
        self.reader.free_to(cursor.0)
    }

    /// Reads again from the durable cursor on, as after a failed transaction.
    pub fn rewind(&mut self) {
        self.reader.rewind();
    }

    /// What a new process would attach to; a second reader exists in model checks only.
    #[cfg(loom)]
    pub fn attach_again(&self) -> Result<Self, RingError> {
        self.reader.attach_again().map(Self::new)
    }

    /// Everything before this is durable.
    #[must_use]
    pub fn durable(&self) -> Cursor {
        Cursor(self.reader.freed())
    }

    /// Everything before this was read.
    #[must_use]
    pub fn position(&self) -> Cursor {
        Cursor(self.reader.position())
    }

    /// True when everything that was published is read and committed.
    ///
    /// # Errors
    /// [`RingError`] when the ring is damaged.
    pub fn is_drained(&self) -> Result<bool, RingError> {
        Ok(self.reader.position() == self.reader.freed() && self.reader.is_empty()?)
    }

    /// Records that the writer left out.
    #[must_use]
    pub fn drops(&self) -> Drops {
        self.reader.drops()
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
