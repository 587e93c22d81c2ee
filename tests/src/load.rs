//! What the drivers of load have in common: latencies, processes watched from outside, tables.
//!
//! In: what a driver measured. Out: quantiles, tables, JSON. Never: load itself.

pub mod latencies;
pub mod table;
pub mod watched;
