//! The exchange's time for every thread.
//!
//! In: the offset that the cold thread measures. Out: now, by both clocks. Never: a lock.

use crate::clock;
use binance::session::Now;
use market::UtcNs;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

/// The local wall clock plus a measured offset.
#[derive(Clone, Debug, Default)]
pub struct ServerClock {
    offset_ns: Arc<AtomicI64>,
}

impl ServerClock {
    /// Replaces the offset.
    pub fn set_offset(&self, offset_ns: i64) {
        // Relaxed: one number by itself; an old one for a moment does no harm.
        self.offset_ns.store(offset_ns, Ordering::Relaxed);
    }

    /// The exchange's time as estimated.
    #[must_use]
    pub fn utc(&self) -> UtcNs {
        UtcNs(clock::utc().0 + self.offset_ns.load(Ordering::Relaxed))
    }

    /// Both clocks.
    #[must_use]
    pub fn now(&self) -> Now {
        Now {
            mono: clock::monotonic(),
            server: self.utc().to_ms(),
        }
    }
}
