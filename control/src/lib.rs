//! The control process: everything that may be slow.
//!
//! In: the segments that the hot path leaves in shared memory, the settings. Out: the ledger,
//! the input log, metrics, the API, the live table. Never: anything that the hot path waits for.

pub mod api;
pub mod attached;
pub mod break_even;
pub mod build_identity;
pub mod client;
pub mod command_line;
pub mod configuration;
pub mod decimal;
pub mod doctor;
pub mod drain;
pub mod figure;
pub mod hot_path;
pub mod http;
pub mod input_log;
pub mod latency;
pub mod ledger;
pub mod log_events;
pub mod log_lines;
pub mod metrics;
pub mod paper;
pub mod picture;
pub mod probe;
pub mod process;
mod reload;
pub mod sampler;
pub mod serve;
pub mod stats;
pub mod store;
pub mod stream;
pub mod supervision;
pub mod table;
pub mod view;
