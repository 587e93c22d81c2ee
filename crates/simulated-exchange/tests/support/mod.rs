//! What the socket tests share: a running exchange, a small client.

mod client;
mod exchange;

pub(crate) use client::{Stream, open};
pub(crate) use exchange::{Bases, KEY, SECRET, http, request, signed, start};
