//! Kill on the cold thread: the latch on disk, the sweep over REST, the exchange's countdown.
//!
//! In: the latch in the segment, whoever set it; replies; what the operator asks. Out: requests
//! beside the engine's own, a durable latch, acts for the journal. Never: a cancel that waits for
//! a disk.

pub mod desk;
pub mod keeper;
pub mod latch_file;
pub mod shell;
pub mod wiring;
