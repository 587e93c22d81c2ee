//! The order book of one instrument, rebuilt from differences, snapshots and tickers.
//!
//! In: book differences, snapshots, tickers, with the time of the turn. Out: best prices, levels,
//! sums of the top, and a [`BookChange`] that says whether all of this may be used. Never: a
//! guess; what the stream does not show is unknown, and an unknown number is not given out.

mod change;
mod config;
mod order_book;

pub use change::{BookChange, Imbalance, SignalInvalid};
pub use config::{BookConfig, BookStats};
pub use order_book::Book;
