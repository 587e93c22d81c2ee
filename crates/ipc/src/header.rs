//! The first page of a segment: what it is, and the few words that both sides keep changing.
//!
//! In: the maker's facts, or a file of anybody. Out: facts that were checked against each other.
//! Never: a size that is believed before the checksum and the file's length agree with it.
//!
//! ```text
//! line 0     magic | layout hash | build id | config hash | generation | file bytes | - | checksum
//! line 1     sizes of the layout, in the order of its fields, identity length last
//! line 2-3   identity
//! line 4     hot path: process id | heartbeat | state | kill latch
//! line 6     control:  process id | heartbeat
//! ```

use crate::atomic::{AtomicU64, Ordering};
use crate::layout::{IDENTITY_BYTES_MAX, LAYOUT_HASH, SegmentLayout, fnv1a};
use crate::memory::{LINE_BYTES, LINE_WORDS, Line, load_bytes};
use crate::segment::Damage;

/// "FULCRUM" and the version of this header.
pub(crate) const MAGIC: u64 = u64::from_le_bytes(*b"FULCRUM1");

const CHECKSUM_WORD: usize = 7;
const FIXED_LINES: usize = 4;
const HOTPATH_LINE: usize = 4;
const CONTROL_LINE: usize = 6;

/// What never changes in the life of a segment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Facts {
    pub(crate) build_id: u64,
    pub(crate) config_hash: u64,
    pub(crate) generation: u64,
    pub(crate) file_bytes: u64,
    pub(crate) layout: SegmentLayout,
}

/// A word of line 4 or 6.
#[derive(Clone, Copy)]
pub(crate) enum Live {
    HotpathPid,
    HotpathHeartbeat,
    HotpathState,
    KillLatch,
    ControlPid,
    ControlHeartbeat,
}

/// The word in a segment's lines.
pub(crate) fn live(lines: &[Line], word: Live) -> &AtomicU64 {
    let (line, word) = match word {
        Live::HotpathPid => (HOTPATH_LINE, 0),
        Live::HotpathHeartbeat => (HOTPATH_LINE, 1),
        Live::HotpathState => (HOTPATH_LINE, 2),
        Live::KillLatch => (HOTPATH_LINE, 3),
        Live::ControlPid => (CONTROL_LINE, 0),
        Live::ControlHeartbeat => (CONTROL_LINE, 1),
    };
    &lines[line].0[word]
}

impl Facts {
    /// Writes the header of a segment that nobody else knows yet.
    pub(crate) fn store(&self, lines: &[Line]) {
        let layout = &self.layout;
        let mut words = [0_u64; FIXED_LINES * LINE_WORDS];
        words[..CHECKSUM_WORD - 1].copy_from_slice(&[
            MAGIC,
            LAYOUT_HASH,
            self.build_id,
            self.config_hash,
            self.generation,
            self.file_bytes,
        ]);
        let sizes = [
            layout.journal_slots,
            layout.input_log_slots,
            layout.market_log_slots,
            layout.command_slots,
            layout.instrument_pages,
            layout.counters,
            layout.histograms,
            layout.identity.len(),
        ];
        for (word, size) in words[LINE_WORDS..].iter_mut().zip(sizes) {
            *word = size as u64;
        }
        let mut identity = [0; IDENTITY_BYTES_MAX];
        identity[..layout.identity.len()].copy_from_slice(layout.identity.as_bytes());
        let (chunks, _) = identity.as_chunks::<8>();
        for (word, chunk) in words[2 * LINE_WORDS..].iter_mut().zip(chunks) {
            *word = u64::from_le_bytes(*chunk);
        }
        words[CHECKSUM_WORD] = fnv1a(&words);
        for (line, chunk) in lines.iter().zip(words.chunks(LINE_WORDS)) {
            for (cell, word) in line.0.iter().zip(chunk) {
                // Relaxed: renaming the file publishes it.
                cell.store(*word, Ordering::Relaxed);
            }
        }
    }

    /// Reads and checks the header of a file of `file_bytes`.
    pub(crate) fn load(lines: &[Line], file_bytes: u64) -> Result<Self, Damage> {
        let mut words = [0_u64; FIXED_LINES * LINE_WORDS];
        for (line, chunk) in lines.iter().zip(words.chunks_mut(LINE_WORDS)) {
            for (cell, word) in line.0.iter().zip(chunk) {
                *word = cell.load(Ordering::Relaxed);
            }
        }
        if words[0] != MAGIC {
            return Err(Damage::Foreign { found: words[0] });
        }
        if words[1] != LAYOUT_HASH {
            return Err(Damage::OtherLayout {
                found: words[1],
                wanted: LAYOUT_HASH,
            });
        }
        let found = std::mem::take(&mut words[CHECKSUM_WORD]);
        let wanted = fnv1a(&words);
        if found != wanted {
            return Err(Damage::Checksum { found, wanted });
        }
        if words[5] != file_bytes {
            return Err(Damage::Truncated {
                found: file_bytes,
                wanted: words[5],
            });
        }
        let size = |index: usize| usize::try_from(words[LINE_WORDS + index]).unwrap_or(usize::MAX);
        let layout = SegmentLayout {
            journal_slots: size(0),
            input_log_slots: size(1),
            market_log_slots: size(2),
            command_slots: size(3),
            instrument_pages: size(4),
            counters: size(5),
            histograms: size(6),
            identity: identity(lines, size(7)),
        };
        Ok(Self {
            build_id: words[2],
            config_hash: words[3],
            generation: words[4],
            file_bytes,
            layout,
        })
    }
}

fn identity(lines: &[Line], length: usize) -> String {
    let mut bytes = [0; IDENTITY_BYTES_MAX];
    for (line, chunk) in lines[2..].iter().zip(bytes.chunks_mut(LINE_BYTES)) {
        load_bytes(&line.0, chunk);
    }
    String::from_utf8_lossy(&bytes[..length.min(IDENTITY_BYTES_MAX)]).into_owned()
}

const _: () = assert!(2 * LINE_BYTES == IDENTITY_BYTES_MAX && FIXED_LINES <= HOTPATH_LINE);
