//! What the instruction gate counts, made ready outside of the count.
//!
//! In: the generated stream. Out: frames, a synced book with decoded differences, an engine with
//! the default settings. Never: a recording; machines without them count the same.
#![forbid(unsafe_code)]

mod engine_world;
mod market_data;

pub use engine_world::EngineWorld;
pub use market_data::{BookWorld, Frames};

/// Messages of each count.
pub const MESSAGES: usize = 400;
