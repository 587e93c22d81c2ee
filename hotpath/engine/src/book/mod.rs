//! The order book of one instrument, rebuilt from differences, snapshots and tickers.
//!
//! In: book differences, snapshots, tickers, with the time of the turn. Out: best prices, levels,
//! sums of the top, and a [`BookChange`] that says whether all of this may be used. Never: a
//! guess; what the stream does not show is unknown, and an unknown number is not given out.
//!
//! # States
//! ```text
//! Empty --difference--> Buffering --snapshot and a difference join--> Synced
//!                                                 ^                     |
//!                                                 |     gap, rewind, cross, bad message,
//!                                       join again|     stream down, too old
//!                                                 +------- Stale <------+
//! ```
//! `Buffering` and `Stale` both hold differences for the snapshot that they wait for; `Stale` says
//! that the book was usable before. The difference that breaks a book is not applied, makes it
//! stale within the same call, and is the first one held. A snapshot alone does not make a book
//! usable: the stream must join it, or it may never continue it.
//!
//! # The known range
//! A snapshot lists the best levels only. Beyond its last level a missing level is unknown, not
//! zero. Each side keeps this edge; levels beyond it are stored when the stream shows them, but
//! [`Book::levels`], [`Book::best_bid`] and [`Book::imbalance`] stop at the edge. When the best
//! comes near, the book asks for a fresh snapshot and merges it while it runs: differences are
//! held from the request on (and applied as always), the snapshot's levels beyond the edge are
//! written, the held differences after its version are written once more (quantities are absolute,
//! so the last writer is right), and the edge moves out.
//!
//! # Fusion of tickers
//! Differences come every 100 ms, tickers in real time; both carry ids of one sequence. The rule:
//!
//! - A ticker *newer* than the last difference is laid over the book and shown as its top; the
//!   levels below are those of the differences that are worse than the ticker's prices. Levels
//!   better than the ticker's best are hidden, not deleted: they are gone at the ticker's version,
//!   but only a difference says what they are at a later one, and it need not repeat a level
//!   that went and came back in between.
//! - A difference that is still *older* than the ticker on top is applied underneath. It cannot
//!   take the top back.
//! - A difference that *reaches* the ticker's version ends the overlay: from there on the
//!   differences know more.
//! - A ticker not newer than the difference or the ticker on top changes nothing. At the same
//!   version it must agree with the book; disagreements are counted ([`BookStats`]).
//! - A ticker without two sides, or with crossed ones, is counted and not shown.
//!
//! So the top is always the newest that any stream has said, and a book is never crossed by
//! mixing versions. With fusion off the book is exactly the stream of differences. The age of the
//! levels is that of the last difference ([`Book::changed_at`]); tickers do not make them younger.

mod change;
mod checkpoint;
mod config;
mod continuity;
mod far;
mod hold;
mod ladder;
#[cfg(test)]
mod ladder_tests;
mod order_book;
#[cfg(test)]
mod order_book_tests;
mod recentering;
mod snapshot;
mod ticks;
mod top;
#[cfg(test)]
mod top_tests;
#[cfg(test)]
mod window_tests;

pub use change::{BookChange, Imbalance, SignalInvalid};
pub use config::{BookConfig, BookStats};
pub use order_book::Book;
