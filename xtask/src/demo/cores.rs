//! Which cores the demo's processes may use.
//!
//! In: whether the engine's thread spins. Out: children that leave it a core of its own, as an
//! appliance's boot line does. Never: a change on a machine with one core.

use rustix::thread::{CpuSet, sched_getaffinity, sched_setaffinity};

/// Runs `start` so that what it starts never uses the last core, where `spare` says so; that is
/// the core that the hot path takes.
pub(crate) fn off_the_last_core<T>(spare: bool, start: impl FnOnce() -> T) -> T {
    let Ok(all) = sched_getaffinity(None) else {
        return start();
    };
    let last = (0..CpuSet::MAX_CPU).rev().find(|core| all.is_set(*core));
    let Some(last) = last.filter(|_| spare && all.count() > 1) else {
        return start();
    };
    let mut others = all;
    others.unset(last);
    // A container may refuse; then the processes share, and latencies show it.
    let _ = sched_setaffinity(None, &others);
    let started = start();
    let _ = sched_setaffinity(None, &all);
    started
}
