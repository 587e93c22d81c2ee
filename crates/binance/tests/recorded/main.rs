//! The decoders and encoders against every recorded message and against damaged ones.
//!
//! The judge is `reference`: plain serde_json, slow, allocating, written from the documents and
//! not from the decoders. Without captures the mutation test runs on its built-in samples.

#![allow(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]

mod captures;
mod owned;
mod reference;

mod agreement;
mod exact_form;
mod exchange_info;
mod mutation;
mod private_events;
mod round_trip;
