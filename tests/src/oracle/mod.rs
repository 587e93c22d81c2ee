//! Independent models and decoders that our own code is judged by.
//!
//! In: bytes of recorded messages. Out: what a plain, slow reading of them says. Never: a line of
//! the code that is judged.

pub mod decoders;
pub mod model;
pub mod reference;
pub mod replay;
