//! How Binance talks, in both directions: market streams, orders, user data, REST, signatures.
//!
//! In: bytes as they come off the wire, and words of `market`. Out: events of `market`, and
//! bytes to send. Never: I/O, a clock, trust in anything that the other side says; the stream
//! decoders never allocate and nothing here panics on input.
#![deny(unsafe_code)]

pub mod decode;
pub mod encode;
#[cfg(any(test, fuzzing, feature = "fuzzing"))]
pub mod fuzzing;
pub mod orders;
pub mod rest;
pub mod session;
pub mod sign;
pub mod user_data;

mod json;
mod params;
mod word;

pub use decode::{DecodeError, StreamMessage, decode_depth, decode_stream_message};
