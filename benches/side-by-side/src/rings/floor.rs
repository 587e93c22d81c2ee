//! What the hardware allows: one atomic word that two cores write in turn.
//!
//! In: two cores. Out: nanoseconds one way. Never: a payload.

use super::Setup;
use std::hint::spin_loop;
use std::sync::atomic::{AtomicU64, Ordering};

/// A line of its own, and the one that the processor fetches beside it.
#[repr(align(128))]
struct Line(AtomicU64);

pub(super) fn run(setup: &Setup) -> f64 {
    let line = Line(AtomicU64::new(0));
    let mut expected = 1;
    setup.round_trips(
        || {
            while line.0.load(Ordering::Acquire) != expected {
                spin_loop();
            }
            line.0.store(expected + 1, Ordering::Release);
            expected += 2;
        },
        |number| {
            line.0.store(2 * number - 1, Ordering::Release);
            while line.0.load(Ordering::Acquire) != 2 * number {
                spin_loop();
            }
        },
    )
}
