//! The deterministic trading state machine.
//!
//! In: [`Event`]s, one at a time, with their time. Out: [`Request`]s and journal records in an
//! [`Outbox`]. Never: I/O, a clock, randomness, allocation after start-up, `unsafe`.
//!
//! Data flows one way: event -> book -> signal -> strategy -> planner -> risk -> request.
#![forbid(unsafe_code)]

pub mod approved;
pub mod book;
pub mod event;
pub mod outbox;

pub use approved::Approved;
pub use event::{Event, Input};
pub use outbox::{NoObserver, Observer, Outbox, Request};
