//! How Fulcrum's processes talk: rings, pages, counters and the segment that holds them.
//!
//! In: bytes of one side. Out: the same bytes at the other side, whole or not at all. Never: a
//! wait for the other side, a length or a sequence from it that is trusted, knowledge of what the
//! bytes mean.
//!
//! | room | what it is |
//! |---|---|
//! | `memory` | cache lines of atomic words on the heap or in a mapping; the only unsafe |
//! | [`ring`] | slot ring between two threads or two processes |
//! | [`journal`] | the same ring, freed only up to what the reader made durable; the log that may drop |
//! | [`page`] | one value that one side keeps rewriting (seqlock) |
//! | [`counter`], [`histogram`] | named cells |
//! | [`segment`] | the file that holds all of them for one start of the hot path |
//! | [`log_file`] | the input log on disk |
//! | [`generation`], [`instance_lock`] | which segments lie in a directory; one live instance |

mod atomic;
mod memory;
mod slots;

pub mod journal;
pub mod page;
pub mod ring;

pub use journal::{
    Cursor, Drops, Entry, JournalConsumer, JournalProducer, LossyProducer, heap_journal, heap_log,
};
pub use page::{PAGE_BYTES_MAX, PageError, PageReader, PageWriter, heap_page};
pub use ring::{Consumer, Producer, RECORD_BYTES_MAX, RingError, RingFull, heap_ring};

#[cfg(not(loom))]
mod header;
#[cfg(not(loom))]
mod layout;
#[cfg(not(loom))]
mod names;

#[cfg(not(loom))]
pub mod counter;
#[cfg(not(loom))]
pub mod generation;
#[cfg(not(loom))]
pub mod histogram;
#[cfg(not(loom))]
pub mod instance_lock;
#[cfg(not(loom))]
pub mod log_file;
#[cfg(not(loom))]
pub mod segment;

#[cfg(not(loom))]
pub use counter::{Counter, Counters, NAME_BYTES_MAX, RegisterError};
#[cfg(not(loom))]
pub use generation::{
    Generation, RemoveError, list_generations, next_generation, remove_drained, segment_path,
};
#[cfg(not(loom))]
pub use histogram::{BUCKETS_NS, Histogram, HistogramSnapshot, Histograms};
#[cfg(not(loom))]
pub use instance_lock::{InstanceLock, LockError};
#[cfg(not(loom))]
pub use layout::{LayoutError, SegmentLayout};
#[cfg(not(loom))]
pub use log_file::{LogError, LogExtent, LogHeader, LogReader, LogWriter};
#[cfg(not(loom))]
pub use segment::{Damage, HotpathState, Segment, SegmentError};
