//! The engine: one event in, requests and records out.
//!
//! In: [`crate::Event`]s. Out: what [`crate::Outbox`] holds. Never: two events at once.

mod core;

pub use self::core::{CheckpointError, Engine};
