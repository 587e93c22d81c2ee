//! Follows the order book imbalance: in with the heavy side, out by target, stop, signal or time.
//!
//! In: contexts. Out: desired orders. Never: an order that it sends itself.

mod on_event;
mod parameters;
mod state;

pub use on_event::Imbalance;
pub use parameters::{EntryStyle, FlipPolicy, ImbalanceParameters, PartialEntry};
pub use state::ImbalanceState;
