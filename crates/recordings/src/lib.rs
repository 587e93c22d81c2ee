//! Recorded market sessions.
//!
//! In: files in the formats of hftbacktest's and cryptofeed's collectors, plain, gz or zst,
//! recognised by content. Out: [`Session`]s (one instrument, joined across files by update ids)
//! with tick and lot as the recording itself shows them, and their messages in order of arrival
//! or of exchange time. Never: trust in a file's name, order-book logic, a panic on a broken file.
//!
//! ```no_run
//! use recordings::{Catalog, Options};
//! let catalog = Catalog::open(&["captures/a.gz".into(), "captures/b.gz".into()], Options::default())?;
//! for session in &catalog.sessions {
//!     for message in session.messages() {
//!         let message = message?;
//!         println!("{} {:?}", message.receive_ns, message.kind);
//!     }
//! }
//! # Ok::<(), recordings::RecordingError>(())
//! ```
#![forbid(unsafe_code)]

mod catalog;
mod error;
mod exchange_order;
mod file;
mod format;
mod grid;
mod message;
mod session;

pub use catalog::{Catalog, Options};
pub use error::RecordingError;
pub use exchange_order::{ExchangeOrder, by_exchange_time};
pub use file::read_whole;
pub use grid::Grid;
pub use message::{Message, MessageKind};
pub use session::{Messages, Session, SessionFacts};
