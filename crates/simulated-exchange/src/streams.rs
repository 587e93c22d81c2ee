//! Public and private streams: who listens to what, and what each listener gets.

pub mod board;
pub mod cadence;
pub mod control;
pub mod hub;
pub mod names;
pub mod outlet;
pub mod publisher;
pub mod ticker_text;
