//! The exchange as its clients meet it: requests, streams and the market over real sockets.
//!
//! In: what bots send. Out: passes, or the answer that differs. Never: a program of its own for each
//! of these files; linking them costs more than running them. What measures time or takes the whole
//! processor has its own.

#[path = "../support/mod.rs"]
mod support;

mod accounts;
mod arrivals;
mod emergency;
mod exchange_info;
mod feeds;
mod fees;
mod following;
mod key_rights;
mod latency;
mod listing;
mod log;
mod log_on;
mod market_data;
mod robustness;
mod several_recordings;
mod sockets;
mod spot_lists;
mod standing;
mod state;
mod steering;
mod usdm_events;
mod wallet;
