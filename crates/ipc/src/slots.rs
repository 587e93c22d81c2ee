//! The slot ring itself: one writer, one reader, 64-byte slots, the sequence in the slot.
//!
//! In: records of up to [`RECORD_BYTES_MAX`] bytes. Out: the same records in order, copied out and
//! checked. Never: a wait, an allocation, an index or a length of the other side that is not
//! checked. What to do with a full ring, and when a read slot becomes free, is decided above
//! ([`crate::ring`], [`crate::journal`]).
//!
//! ```text
//! line 0   writer's   written | high watermark | dropped | first dropped | last dropped
//! line 2   reader's   freed: slots below this position may be written again
//! line 4+  slots      7 words of payload | stamp
//!
//! stamp    63            33 32           16 15         0
//!          | position + 1  | bytes from here | kind     |
//! ```
//! A record of more than 56 bytes goes on in the following slots (around the end of the ring),
//! each with its own stamp; the first slot's stamp is stored last and publishes the whole. A slot
//! never holds anything but the stamp of its present or its previous lap (0 before its first),
//! so 31 bits of the position tell them apart, and anything else is damage.

mod error;

pub use error::{Drops, RingError, RingFull};

use crate::atomic::{AtomicU64, Ordering};
use crate::memory::{LINE_WORDS, Line, Region, load_bytes, store_bytes};

/// Most bytes of one record.
pub const RECORD_BYTES_MAX: usize = 80 * 1024;

/// Payload bytes of one slot.
pub(crate) const SLOT_BYTES: usize = (LINE_WORDS - 1) * 8;
/// Lines before the first slot. Writer and reader have two lines each: processors fetch lines in
/// pairs, and the two sides must not disturb each other.
pub(crate) const HEAD_LINES: usize = 4;
/// Most slots of a ring: positions of two laps must differ in 31 bits.
pub(crate) const SLOTS_MAX: usize = 1 << 26;

/// No ring gets there in a thousand years; a cursor beyond is damage, and sums below are safe.
const POSITION_MAX: u64 = 1 << 62;

const STAMP: usize = LINE_WORDS - 1;
const WRITER_LINE: usize = 0;
const READER_LINE: usize = 2;
const WRITTEN: usize = 0;
const WATERMARK: usize = 1;
const DROPPED: usize = 2;
const DROPPED_FIRST: usize = 3;
const DROPPED_LAST: usize = 4;
const SEQUENCE_SHIFT: u32 = 33;
const BYTES_SHIFT: u32 = 16;
const BYTES_MASK: u64 = (1 << (SEQUENCE_SHIFT - BYTES_SHIFT)) - 1;

const _: () = assert!((RECORD_BYTES_MAX as u64) <= BYTES_MASK);
const _: () = assert!((SLOTS_MAX as u64) < 1 << (64 - SEQUENCE_SHIFT - 1));

fn within(cursor: u64, lowest: u64, highest: u64) -> Result<(), RingError> {
    if (lowest..=highest).contains(&cursor) {
        return Ok(());
    }
    Err(RingError::Cursor {
        cursor,
        lowest,
        highest,
    })
}

const fn stamp(position: u64, kind: u16, bytes: usize) -> u64 {
    ((position + 1) << SEQUENCE_SHIFT) | ((bytes as u64) << BYTES_SHIFT) | kind as u64
}

const fn sequence_of(stamp: u64) -> u64 {
    stamp >> SEQUENCE_SHIFT
}

const fn slots_for(bytes: usize) -> usize {
    if bytes == 0 {
        1
    } else {
        bytes.div_ceil(SLOT_BYTES)
    }
}

/// The memory of one ring, and what follows from its size.
struct Slots {
    region: Region,
    capacity: u64,
}

impl Slots {
    fn new(region: Region) -> Self {
        let capacity = region.lines().len() - HEAD_LINES;
        assert!(
            capacity.is_power_of_two() && capacity <= SLOTS_MAX,
            "ring of {capacity} slots: must be a power of two up to {SLOTS_MAX}"
        );
        Self {
            region,
            capacity: capacity as u64,
        }
    }

    #[inline]
    fn at(&self, position: u64) -> &Line {
        &self.region.lines()[HEAD_LINES + (position & (self.capacity - 1)) as usize]
    }

    fn writer_word(&self, word: usize) -> &AtomicU64 {
        &self.region.lines()[WRITER_LINE].0[word]
    }

    fn freed(&self) -> &AtomicU64 {
        &self.region.lines()[READER_LINE].0[0]
    }

    fn record_slots_max(&self) -> usize {
        slots_for(RECORD_BYTES_MAX).min(self.capacity as usize)
    }

    /// The published record at `position`: kind and length; none when there is none yet.
    #[inline]
    fn published(&self, position: u64) -> Result<Option<(u16, usize)>, RingError> {
        // Acquire: pairs with the release of the first slot's stamp in `try_push`, so that the
        // words of the record are seen as they were written before it.
        let found = self.at(position).0[STAMP].load(Ordering::Acquire);
        let expected = sequence_of(stamp(position, 0, 0));
        if sequence_of(found) != expected {
            return if found == 0 && position < self.capacity
                || position >= self.capacity
                    && sequence_of(found) == sequence_of(stamp(position - self.capacity, 0, 0))
            {
                Ok(None)
            } else {
                Err(RingError::Sequence {
                    position,
                    expected,
                    found: sequence_of(found),
                })
            };
        }
        let bytes = ((found >> BYTES_SHIFT) & BYTES_MASK) as usize;
        let bytes_max = RECORD_BYTES_MAX.min(self.capacity as usize * SLOT_BYTES);
        if bytes > bytes_max {
            return Err(RingError::Length {
                position,
                bytes,
                bytes_max,
            });
        }
        Ok(Some((found as u16, bytes)))
    }
}

/// The writing end.
pub(crate) struct SlotWriter {
    slots: Slots,
    /// Position of the next record.
    tail: u64,
    /// The reader's `freed` as last seen and believed.
    freed: u64,
    watermark: u64,
    reader_faults: u64,
}

impl SlotWriter {
    /// The writing end of a ring that nobody has written yet.
    pub(crate) fn new(region: Region) -> Self {
        Self {
            slots: Slots::new(region),
            tail: 0,
            freed: 0,
            watermark: 0,
            reader_faults: 0,
        }
    }

    /// Takes over from a writer that died: goes on behind the last published record, and wipes
    /// what an unfinished one may have left behind that.
    ///
    /// # Errors
    /// [`RingError`] when the ring is damaged.
    pub(crate) fn attach(region: Region) -> Result<Self, RingError> {
        let mut writer = Self::new(region);
        let slots = &writer.slots;
        // Acquire: as in `refresh`.
        let freed = slots.freed().load(Ordering::Acquire);
        within(freed, 0, POSITION_MAX)?;
        let end = freed + slots.capacity;
        let mut tail = freed;
        while tail < end
            && let Some((_, bytes)) = slots.published(tail)?
        {
            tail += slots_for(bytes) as u64;
        }
        within(tail, freed, end)?;
        for position in tail..end {
            let old = position
                .checked_sub(slots.capacity)
                .map_or(0, |previous| stamp(previous, 0, 0));
            // Relaxed: the reader looks at these slots only after a later release by us.
            slots.at(position).0[STAMP].store(old, Ordering::Relaxed);
        }
        writer.watermark = writer.word(WATERMARK).load(Ordering::Relaxed);
        writer.tail = tail;
        writer.freed = freed;
        Ok(writer)
    }

    fn word(&self, word: usize) -> &AtomicU64 {
        self.slots.writer_word(word)
    }

    /// Writes a record and publishes it, or nothing.
    #[inline]
    pub(crate) fn try_push(&mut self, kind: u16, payload: &[u8]) -> Result<(), RingFull> {
        let needed = slots_for(payload.len());
        if self.free() < needed as u64 {
            self.refresh();
        }
        let slots_max = self.slots.record_slots_max();
        if self.free() < needed as u64 || needed > slots_max || payload.len() > RECORD_BYTES_MAX {
            return Err(RingFull {
                needed_slots: needed,
                free_slots: self.free() as usize,
                slots_max,
            });
        }
        let first = self.tail;
        let (head, rest) = payload.split_at(payload.len().min(SLOT_BYTES));
        let mut left = rest.len();
        for (position, chunk) in (first + 1..).zip(rest.chunks(SLOT_BYTES)) {
            let slot = self.slots.at(position);
            store_bytes(&slot.0[..STAMP], chunk);
            // Relaxed, like the payload: the stamp of the first slot publishes it.
            slot.0[STAMP].store(stamp(position, kind, left), Ordering::Relaxed);
            left -= chunk.len();
        }
        let slot = self.slots.at(first);
        store_bytes(&slot.0[..STAMP], head);
        self.tail = first + needed as u64;
        // Relaxed and before the stamp: a reader that sees the record also sees `written` cover
        // it, so a cursor beyond `written` is damage even when we die on the next line.
        self.word(WRITTEN).store(self.tail, Ordering::Relaxed);
        // Release: everything above becomes visible to the reader that acquires this stamp.
        slot.0[STAMP].store(stamp(first, kind, payload.len()), Ordering::Release);
        self.watch();
        Ok(())
    }

    fn free(&self) -> u64 {
        self.slots.capacity - (self.tail - self.freed)
    }

    /// Believes the reader's word only if it is possible: it never goes back, nor beyond `tail`.
    fn refresh(&mut self) {
        // Acquire: pairs with the reader's release, so that its loads of the slots came before
        // our next stores to them.
        let freed = self.slots.freed().load(Ordering::Acquire);
        if (self.freed..=self.tail).contains(&freed) {
            self.freed = freed;
        } else {
            self.reader_faults += 1;
        }
    }

    /// Follows the high watermark. The reader's line is only fetched when the ring could be
    /// fuller than a sixteenth and than ever before: in the steady state, almost never.
    #[inline]
    fn watch(&mut self) {
        let apparent = self.tail - self.freed;
        if apparent > self.watermark.max(self.slots.capacity / 16) {
            self.refresh();
            let depth = self.tail - self.freed;
            if depth > self.watermark {
                self.watermark = depth;
                // Relaxed: a number for people.
                self.word(WATERMARK).store(depth, Ordering::Relaxed);
            }
        }
    }

    pub(crate) fn capacity(&self) -> usize {
        self.slots.capacity as usize
    }

    pub(crate) fn depth(&mut self) -> usize {
        self.refresh();
        (self.tail - self.freed) as usize
    }

    pub(crate) fn free_slots(&mut self) -> usize {
        self.capacity() - self.depth()
    }

    pub(crate) fn high_watermark(&self) -> usize {
        self.watermark as usize
    }

    pub(crate) fn reader_faults(&self) -> u64 {
        self.reader_faults
    }

    /// Counts a record that was left out.
    pub(crate) fn note_drop(&mut self, sequence: u64) {
        // Relaxed loads: only we write these words.
        let total = self.word(DROPPED).load(Ordering::Relaxed);
        if total == 0 {
            self.word(DROPPED_FIRST).store(sequence, Ordering::Relaxed);
        }
        self.word(DROPPED_LAST).store(sequence, Ordering::Relaxed);
        // Release: who sees the count sees where.
        self.word(DROPPED).store(total + 1, Ordering::Release);
    }

    pub(crate) fn drops(&self) -> Drops {
        drops(&self.slots)
    }
}

fn drops(slots: &Slots) -> Drops {
    Drops {
        // Acquire: pairs with the release in `note_drop`.
        total: slots.writer_word(DROPPED).load(Ordering::Acquire),
        first: slots.writer_word(DROPPED_FIRST).load(Ordering::Relaxed),
        last: slots.writer_word(DROPPED_LAST).load(Ordering::Relaxed),
    }
}

/// The reading end.
pub(crate) struct SlotReader {
    slots: Slots,
    position: u64,
    freed: u64,
}

impl SlotReader {
    /// Begins at the first slot that no reader has freed: 0 for a new ring.
    ///
    /// # Errors
    /// [`RingError::Cursor`] when the cursor cannot be.
    pub(crate) fn attach(region: Region) -> Result<Self, RingError> {
        let slots = Slots::new(region);
        // Acquire: what our predecessor knew when it stored the cursor.
        let freed = slots.freed().load(Ordering::Acquire);
        let written = slots.writer_word(WRITTEN).load(Ordering::Relaxed);
        within(written, 0, POSITION_MAX)?;
        within(freed, written.saturating_sub(slots.capacity), written)?;
        Ok(Self {
            slots,
            position: freed,
            freed,
        })
    }

    /// What a new process would attach to.
    #[cfg(loom)]
    pub(crate) fn attach_again(&self) -> Result<Self, RingError> {
        Self::attach(self.slots.region.clone())
    }

    /// Copies the next record out and moves behind it; its slots stay taken.
    #[inline]
    pub(crate) fn read<'b>(
        &mut self,
        buffer: &'b mut [u8],
    ) -> Result<Option<(u16, &'b [u8])>, RingError> {
        let position = self.position;
        let Some((kind, bytes)) = self.slots.published(position)? else {
            return Ok(None);
        };
        let buffer_bytes = buffer.len();
        let Some(record) = buffer.get_mut(..bytes) else {
            return Err(RingError::Buffer {
                position,
                bytes,
                buffer_bytes,
            });
        };
        let (head, rest) = record.split_at_mut(bytes.min(SLOT_BYTES));
        load_bytes(&self.slots.at(position).0[..STAMP], head);
        let mut left = rest.len();
        for (slot_position, chunk) in (position + 1..).zip(rest.chunks_mut(SLOT_BYTES)) {
            let slot = self.slots.at(slot_position);
            // Relaxed: the acquire of the first slot's stamp covers it.
            if slot.0[STAMP].load(Ordering::Relaxed) != stamp(slot_position, kind, left) {
                return Err(RingError::Torn {
                    position,
                    slot: slot_position,
                });
            }
            load_bytes(&slot.0[..STAMP], chunk);
            left -= chunk.len();
        }
        self.position = position + slots_for(bytes) as u64;
        Ok(Some((kind, record)))
    }

    /// Where the next record begins.
    pub(crate) fn position(&self) -> u64 {
        self.position
    }

    /// Everything below this position may be written again.
    pub(crate) fn freed(&self) -> u64 {
        self.freed
    }

    /// Frees the slots below `position`.
    ///
    /// # Errors
    /// [`RingError::Cursor`] when it is not between what is freed and what is read.
    pub(crate) fn free_to(&mut self, position: u64) -> Result<(), RingError> {
        within(position, self.freed, self.position)?;
        self.freed = position;
        // Release: our loads of the slots below come before the writer's next stores to them.
        self.slots.freed().store(position, Ordering::Release);
        Ok(())
    }

    /// Goes back to the first slot that is not freed.
    pub(crate) fn rewind(&mut self) {
        self.position = self.freed;
    }

    pub(crate) fn capacity(&self) -> usize {
        self.slots.capacity as usize
    }

    /// Slots from the reading position to the last record written; a hint.
    pub(crate) fn depth(&self) -> usize {
        let written = self.slots.writer_word(WRITTEN).load(Ordering::Relaxed);
        written
            .saturating_sub(self.position)
            .min(self.slots.capacity) as usize
    }

    pub(crate) fn high_watermark(&self) -> usize {
        let watermark = self.slots.writer_word(WATERMARK).load(Ordering::Relaxed);
        watermark.min(self.slots.capacity) as usize
    }

    /// True when no published record waits at the reading position.
    pub(crate) fn is_empty(&self) -> Result<bool, RingError> {
        Ok(self.slots.published(self.position)?.is_none())
    }

    pub(crate) fn drops(&self) -> Drops {
        drops(&self.slots)
    }
}

/// Both ends of a new ring on the heap.
pub(crate) fn heap(slots: usize) -> (SlotWriter, SlotReader) {
    let region = Region::heap(ring_lines(slots));
    let reader = SlotReader::attach(region.clone()).expect("both cursors of a new ring are 0");
    (SlotWriter::new(region), reader)
}

/// Lines that a ring of `slots` takes.
pub(crate) const fn ring_lines(slots: usize) -> usize {
    HEAD_LINES + slots
}
