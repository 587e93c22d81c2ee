//! The stop at the exchange: its machine's shell on the cold thread.
//!
//! In: the state pages, replies. Out: `algoOrder` calls, steps for the journal, gauges of what is
//! bare. Never: a question to the engine; a stop is placed by what the pages show.

pub mod shell;
pub mod wiring;
