//! The simulated exchange: Binance's REST, streams and WebSocket API around the fill simulator.
//!
//! In: a recording, a seed or another exchange's public market, requests over real sockets, faults
//! on command. Out: what Binance would answer and stream. Never: an order, a key or a signed request
//! to any other machine.
//!
//! One exchange core ([`exchange::Exchange`]) runs behind all sockets, on one thread. The market
//! comes from feeds ([`feed`]), orders meet it in `matching`, [`streams`] publishes, [`api`]
//! answers, [`server`] moves the bytes.
#![forbid(unsafe_code)]

mod accounting;
pub mod accounts;
pub mod api;
pub mod arrival_log;
pub mod assembly;
pub mod clock;
pub mod exchange;
pub mod faults;
pub mod feed;
pub mod fill_study;
pub mod floor;
pub mod latency;
pub mod listing;
pub mod options;
pub mod private;
pub mod server;
pub mod state;
pub mod streams;
pub mod tape;
pub mod timer;
pub mod user_events;
pub mod wire_log;
