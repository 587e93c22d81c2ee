//! The crate from outside: oracles, properties, gates.
//!
//! In: golden files, drawn histories. Out: whether the figures hold. Never: a look inside.

mod examples;
mod gates;
mod golden;
mod inputs;
mod properties;
