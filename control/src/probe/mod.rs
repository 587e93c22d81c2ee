//! `fulcrum probe`: what a venue says, kept as fixtures: streams, snapshots, lists, limits, refusals.
//!
//! In: a venue's public addresses, symbols, a time. Out: a folder with a manifest. Never: a key, an order,
//! anything that changes something there; more requests than a person would make.

mod bundle;
mod record;

pub use record::{Ended, run};

use market::Market;
use std::path::PathBuf;
use std::time::Duration;

/// What is recorded.
#[derive(Clone, Debug)]
pub struct Plan {
    /// The bundle, which must not be there yet.
    pub out: PathBuf,
    /// Which part of the venue.
    pub market: Market,
    /// As the exchange writes them.
    pub symbols: Vec<String>,
    /// Base of its REST.
    pub rest_url: String,
    /// Base of its streams.
    pub stream_url: String,
    /// The only authority that its certificate may come from; else the system's.
    pub ca_file: Option<PathBuf>,
    /// How long.
    pub length: Duration,
    /// Between two snapshots of one book.
    pub snapshot_every: Duration,
    /// Most bytes of the bundle.
    pub bytes_max: u64,
}

/// Why there is no bundle, or not a whole one.
#[derive(Debug, thiserror::Error)]
pub enum ProbeError {
    /// The folder or a file in it.
    #[error("{}: {source}", path.display())]
    File {
        /// Which.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// The venue.
    #[error("{0}")]
    Venue(String),
}
