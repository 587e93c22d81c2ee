//! How a segment is cut up: sizes as wanted, offsets as they follow from them, and the hash that
//! says which cut this build understands.
//!
//! In: a [`SegmentLayout`]. Out: a checked [`Cut`], in lines of 64 bytes. Never: a size from a file
//! that is used before it is checked.
//!
//! ```text
//! header | journal | input log | market log | commands | account page | instrument pages
//!        | counters | histogram names | histograms
//! ```

use crate::counter::COUNTERS_MAX;
use crate::histogram::{HISTOGRAM_LINES, HISTOGRAMS_MAX};
use crate::names::{ENTRY_LINES, table_lines};
use crate::page::PAGE_LINES;
use crate::slots::{HEAD_LINES, SLOTS_MAX, ring_lines};

/// Lines of the segment's header: one memory page.
pub(crate) const HEADER_LINES: usize = 64;

/// Most bytes of [`SegmentLayout::identity`].
pub(crate) const IDENTITY_BYTES_MAX: usize = 128;

/// Most instrument pages of a segment.
pub(crate) const INSTRUMENT_PAGES_MAX: usize = 1024;

/// What a segment has room for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SegmentLayout {
    /// Slots of the journal; like all rings a power of two, 64 bytes each.
    pub journal_slots: usize,
    /// Slots of the log of inputs that are never dropped.
    pub input_log_slots: usize,
    /// Slots of the log of market events.
    pub market_log_slots: usize,
    /// Slots of the command ring.
    pub command_slots: usize,
    /// Instrument pages.
    pub instrument_pages: usize,
    /// Counter cells.
    pub counters: usize,
    /// Histogram cells, about 8 KiB each.
    pub histograms: usize,
    /// Mode, venue and account in words, so that nobody takes a paper segment for a live one.
    pub identity: String,
}

impl Default for SegmentLayout {
    fn default() -> Self {
        Self {
            journal_slots: 1 << 16,
            input_log_slots: 1 << 16,
            market_log_slots: 1 << 17,
            command_slots: 1 << 10,
            instrument_pages: 64,
            counters: 1024,
            histograms: 64,
            identity: String::new(),
        }
    }
}

/// Why sizes are not a layout.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum LayoutError {
    /// A ring's size.
    #[error("{ring}: {slots} slots, wanted a power of two from 4 to {SLOTS_MAX}")]
    Slots {
        /// Which ring.
        ring: &'static str,
        /// The size.
        slots: usize,
    },
    /// A number of cells.
    #[error("{what}: {count}, at most {count_max}")]
    Count {
        /// Of what.
        what: &'static str,
        /// How many.
        count: usize,
        /// The bound.
        count_max: usize,
    },
}

/// A run of lines.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Span {
    pub(crate) first: usize,
    pub(crate) count: usize,
}

/// Where everything lies, in lines.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Cut {
    pub(crate) journal: Span,
    pub(crate) input_log: Span,
    pub(crate) market_log: Span,
    pub(crate) commands: Span,
    pub(crate) account_page: Span,
    pub(crate) instrument_pages: Span,
    pub(crate) counters: Span,
    pub(crate) histogram_names: Span,
    pub(crate) histograms: Span,
    pub(crate) lines: usize,
}

impl SegmentLayout {
    /// Checks the sizes and lays the parts out.
    pub(crate) fn cut(&self) -> Result<Cut, LayoutError> {
        for (ring, slots) in [
            ("journal", self.journal_slots),
            ("input log", self.input_log_slots),
            ("market log", self.market_log_slots),
            ("command ring", self.command_slots),
        ] {
            if !slots.is_power_of_two() || !(4..=SLOTS_MAX).contains(&slots) {
                return Err(LayoutError::Slots { ring, slots });
            }
        }
        for (what, count, count_max) in [
            (
                "instrument pages",
                self.instrument_pages,
                INSTRUMENT_PAGES_MAX,
            ),
            ("counters", self.counters, COUNTERS_MAX),
            ("histograms", self.histograms, HISTOGRAMS_MAX),
            (
                "identity, in bytes",
                self.identity.len(),
                IDENTITY_BYTES_MAX,
            ),
        ] {
            if count > count_max {
                return Err(LayoutError::Count {
                    what,
                    count,
                    count_max,
                });
            }
        }
        let mut next = HEADER_LINES;
        let mut take = |count: usize| {
            let first = next;
            // Each part begins on its own pair of lines.
            next += count.next_multiple_of(2);
            Span { first, count }
        };
        Ok(Cut {
            journal: take(ring_lines(self.journal_slots)),
            input_log: take(ring_lines(self.input_log_slots)),
            market_log: take(ring_lines(self.market_log_slots)),
            commands: take(ring_lines(self.command_slots)),
            account_page: take(PAGE_LINES),
            instrument_pages: take(PAGE_LINES * self.instrument_pages),
            counters: take(table_lines(self.counters)),
            histogram_names: take(table_lines(self.histograms)),
            histograms: take(HISTOGRAM_LINES * self.histograms),
            lines: next,
        })
    }
}

/// Changes whenever two builds would read the same bytes differently.
pub(crate) const LAYOUT_HASH: u64 = fnv1a(&[
    // Counted up by hand when words change their meaning without changing a number below.
    1,
    HEADER_LINES as u64,
    HEAD_LINES as u64,
    PAGE_LINES as u64,
    ENTRY_LINES as u64,
    HISTOGRAM_LINES as u64,
    IDENTITY_BYTES_MAX as u64,
]);

/// FNV-1a over the little-endian bytes of `words`.
pub(crate) const fn fnv1a(words: &[u64]) -> u64 {
    let mut hash = 0xcbf2_9ce4_8422_2325_u64;
    let mut index = 0;
    while index < words.len() {
        let bytes = words[index].to_le_bytes();
        let mut byte = 0;
        while byte < bytes.len() {
            hash = (hash ^ bytes[byte] as u64).wrapping_mul(0x0100_0000_01b3);
            byte += 1;
        }
        index += 1;
    }
    hash
}
