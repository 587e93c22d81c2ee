//! The atomics of this crate: the standard ones, or loom's where loom checks the protocols.
//!
//! In: `--cfg loom`. Out: one set of names. Never: anything else.

#[cfg(not(loom))]
pub(crate) use std::sync::{
    Arc,
    atomic::{AtomicU64, Ordering, fence},
};

#[cfg(loom)]
pub(crate) use loom::sync::atomic::{AtomicU64, Ordering, fence};
#[cfg(loom)]
pub(crate) use std::sync::Arc;
