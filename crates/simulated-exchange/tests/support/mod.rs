//! What the socket tests share: a running exchange, a small client.

mod client;
mod exchange;

pub use client::open;
pub use exchange::{KEY, SECRET, http, request, signed, start};
