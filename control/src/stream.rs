//! The live half of the API: topics, what is told under each, who listens.
//!
//! In: pictures of the drain thread, facts of the ledger. Out: messages, each encoded once for all who
//! listen. Never: a wait of the drain thread or of the hot path; a client that makes memory grow.

mod board;
mod facts;
mod figures;
mod hub;
mod mailbox;
mod pictures;
mod session;
mod topic;

pub use figures::{EndCode, StreamFigures};
pub use hub::{Hub, start};
pub use session::{Wish, allowed_hz, serve};
pub use topic::{Topics, place_of};

/// Updates of a picture a second, at most.
pub const HZ_MAX: u8 = 10;
