//! Places a tiny passive order and cancels it, on a fixed cadence: the order path, exercised.
//!
//! In: contexts. Out: desired orders. Never: an order that it sends itself.

mod on_event;
mod parameters;
mod state;

pub use on_event::Dummy;
pub use parameters::DummyParameters;
pub use state::DummyState;
