//! The clocks of the process.
//!
//! In: nothing. Out: monotonic time for the engine, wall time for samples and displays. Never: a
//! wall clock reading that a decision hangs on.

use market::{MonoNs, UtcNs};
use rustix::time::{ClockId, Timespec, clock_gettime};

/// Now on CLOCK_MONOTONIC; read through the vDSO, no system call.
#[must_use]
pub fn monotonic() -> MonoNs {
    MonoNs(u64::try_from(nanoseconds(clock_gettime(ClockId::Monotonic))).unwrap_or(0))
}

/// Now on the local wall clock.
#[must_use]
pub fn utc() -> UtcNs {
    UtcNs(nanoseconds(clock_gettime(ClockId::Realtime)))
}

const fn nanoseconds(time: Timespec) -> i64 {
    time.tv_sec * 1_000_000_000 + time.tv_nsec
}
