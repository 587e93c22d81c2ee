//! The exchange's own form, many bytes at a time; for processors with AVX2.
//!
//! In: a frame of a market stream. Out: its event, or nothing where one byte is not as the
//! exchange writes it. Never: an error, an allocation, an event that the strict way would read
//! otherwise or refuse.

mod column;
mod event;
mod form;
#[allow(unsafe_code, reason = "loads of 16 and 32 bytes")]
mod lanes;
#[allow(unsafe_code, reason = "a loop whose loads and stores are proven")]
mod levels;

pub(super) use event::frame;
