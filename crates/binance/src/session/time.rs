//! The caller's time and the units of deadlines.
//!
//! In: nothing. Out: words. Never: a clock.

use market::{MonoNs, UtcMs};

/// The caller's time: monotonic for deadlines, exchange time for request time stamps.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Now {
    /// Monotonic.
    pub mono: MonoNs,
    /// The exchange's time as estimated by [`ServerTime`](super::ServerTime).
    pub server: UtcMs,
}

/// Nanoseconds in a millisecond.
pub const MILLISECOND_NS: u64 = 1_000_000;

/// Nanoseconds in a second.
pub const SECOND_NS: u64 = 1_000_000_000;

/// The earlier of two optional deadlines.
#[must_use]
pub fn earliest(one: Option<MonoNs>, other: Option<MonoNs>) -> Option<MonoNs> {
    match (one, other) {
        (Some(one), Some(other)) => Some(one.min(other)),
        (one, other) => one.or(other),
    }
}
