//! The deterministic trading state machine.
//!
//! In: [`Event`]s, one at a time, with their time. Out: [`Request`]s and journal records in an
//! [`Outbox`]. Never: I/O, a clock, randomness, allocation after start-up, `unsafe`.
//!
//! Data flows one way: event -> book -> signal -> strategy -> planner -> risk -> request.
#![forbid(unsafe_code)]

pub mod approved;
pub mod book;
pub mod bounds;
pub mod config;
pub mod engine;
pub mod event;
pub mod hash;
pub mod orders;
pub mod outbox;
pub mod planner;
pub mod position;
pub mod risk;
pub mod signal;
pub mod strategy;

pub use approved::Approved;
pub use config::EngineConfig;
pub use engine::{CheckpointError, Engine};
pub use event::{Event, Input};
pub use outbox::{NoObserver, Observer, Outbox, Request, Stage};
