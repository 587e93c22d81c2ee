//! What the socket tests share: a running exchange, a small client.

#![allow(
    dead_code,
    unused_imports,
    reason = "each test uses its own part of this"
)]

mod captures;
mod client;
mod exchange;

pub(crate) use captures::captures;
pub(crate) use client::{Stream, open};
pub(crate) use exchange::{Bases, KEY, SECRET, http, request, signed, start};
