//! Orders: three axes of state, one table of transitions, fills applied once.
//!
//! In: decisions, replies, order events, time. Out: what is live, what is unknown, what to query.
//! Never: a step back (I5), a second sending of an unknown order (I3), a reused id (I2).

#[cfg(test)]
mod document;
mod fills;
mod order;
mod replies;
mod table;
#[cfg(test)]
mod tests;
mod transitions;

pub use fills::FillWindow;
pub use order::{Amending, NEVER, Order};
pub use replies::{Answer, answer};
pub(crate) use table::MISSING_FILL_NS;
pub use table::{OrderCounters, OrderTable};
pub use transitions::{Evidence, PairCounts, Verdict, verdict};
