//! What can go wrong between the two ends of a ring.
//!
//! In: what the checks found. Out: values that say where. Never: text made in the hot loop.

/// No room: nothing was written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "ring full: {needed_slots} slots needed, {free_slots} free, records hold at most {slots_max}"
)]
pub struct RingFull {
    /// Slots that the record needs.
    pub needed_slots: usize,
    /// Slots that are free.
    pub free_slots: usize,
    /// Slots of the largest record that this ring can ever hold.
    pub slots_max: usize,
}

impl RingFull {
    /// True when the record is too long for this ring, so that waiting does not help.
    #[must_use]
    pub const fn never_fits(&self) -> bool {
        self.needed_slots > self.slots_max
    }
}

/// What the other side left in the ring is not what the protocol allows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RingError {
    /// The slot holds neither this lap's record nor the previous lap's.
    #[error("ring damaged: slot at position {position} has sequence {found}, not {expected}")]
    Sequence {
        /// Position of the slot.
        position: u64,
        /// Low 31 bits that a record here has.
        expected: u64,
        /// What is there.
        found: u64,
    },
    /// The record says that it is longer than any record can be.
    #[error("ring damaged: record at {position} claims {bytes} bytes, at most {bytes_max} fit")]
    Length {
        /// Position of the record.
        position: u64,
        /// Its claim.
        bytes: usize,
        /// The bound.
        bytes_max: usize,
    },
    /// A following slot does not belong to the record.
    #[error("ring damaged: record at {position} breaks off at slot {slot}")]
    Torn {
        /// Position of the record.
        position: u64,
        /// Position of the slot that does not belong.
        slot: u64,
    },
    /// The caller's buffer is too small; nothing was consumed.
    #[error("record at {position} has {bytes} bytes, the buffer only {buffer_bytes}")]
    Buffer {
        /// Position of the record.
        position: u64,
        /// Its length.
        bytes: usize,
        /// The buffer's length.
        buffer_bytes: usize,
    },
    /// A cursor outside of what it may be.
    #[error("ring cursor {cursor} lies outside of {lowest}..={highest}")]
    Cursor {
        /// The cursor.
        cursor: u64,
        /// Lowest allowed.
        lowest: u64,
        /// Highest allowed.
        highest: u64,
    },
}

/// Records that a writer had to leave out.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Drops {
    /// How many.
    pub total: u64,
    /// The caller's sequence of the first one; meaningless while `total` is 0.
    pub first: u64,
    /// The caller's sequence of the last one; meaningless while `total` is 0.
    pub last: u64,
}
