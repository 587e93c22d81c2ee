//! The gateways: tokio shells that move bytes between sockets and session machines.
//!
//! In: frames and replies. Out: inputs for the engine, requests on the wire. Never: a decision;
//! what to say and when is the session machines' business.

pub mod cold;
pub mod inbox;
pub mod latency_cells;
pub mod leash;
pub mod market;
pub mod order_thread;
pub mod orders;
pub mod orders_over_rest;
pub mod private_sink;
pub mod rest;
pub mod socket;
pub mod user;

pub mod stream_cells;
