//! Cores: which one the engine thread gets, and what the machine lacks for it.
//!
//! In: the configured core and the machine. Out: a pinned thread, or a sentence that says what to
//! change. Never: a silent run on the wrong core.

use core_affinity::CoreId;
use rustix::thread::{sched_getaffinity, sched_setaffinity};

/// Why the engine thread could not get its core.
#[derive(Debug, thiserror::Error)]
pub enum PinningError {
    /// The machine does not say which cores it has.
    #[error("this machine does not tell its cores; set hot_path.engine_wait = \"yield\"")]
    NoCores,
    /// The configured core is not among those that the process may use.
    #[error(
        "core {wanted} is not available to this process (it may use {available}); change \
         hot_path.engine_core, or the CPUAffinity of the unit"
    )]
    CoreMissing {
        /// As configured.
        wanted: usize,
        /// What there is.
        available: String,
    },
    /// The kernel refused.
    #[error(
        "core {0} exists, but pinning to it was refused; a container or unit may deny \
         sched_setaffinity"
    )]
    Refused(usize),
}

/// The core that the engine thread will have: the configured one, or the last.
///
/// # Errors
/// [`PinningError`] when there is no such core.
pub fn choose(wanted: Option<usize>) -> Result<CoreId, PinningError> {
    let cores = core_affinity::get_core_ids().filter(|cores| !cores.is_empty());
    let cores = cores.ok_or(PinningError::NoCores)?;
    let found = match wanted {
        None => cores.last(),
        Some(wanted) => cores.iter().find(|core| core.id == wanted),
    };
    found.copied().ok_or_else(|| PinningError::CoreMissing {
        wanted: wanted.unwrap_or_default(),
        available: list(&cores),
    })
}

/// Pins the calling thread.
///
/// # Errors
/// [`PinningError::Refused`].
pub fn pin_this_thread(core: CoreId) -> Result<(), PinningError> {
    if core_affinity::set_for_current(core) {
        Ok(())
    } else {
        Err(PinningError::Refused(core.id))
    }
}

/// Keeps the calling thread, and those that it will start, off the engine's core: one that spins
/// has it to itself. Without another core, or where the kernel refuses, nothing changes.
pub fn leave_to_the_engine(core: CoreId) {
    let Ok(mut others) = sched_getaffinity(None) else {
        return;
    };
    others.unset(core.id);
    if others.count() > 0 {
        // Refused, the threads share the core, and the count of stalls shows it.
        let _ = sched_setaffinity(None, &others);
    }
}

/// Work of others that latencies will show, for the log at start; what the machine itself lacks is
/// said by [`crate::machine`].
#[must_use]
pub fn complaint() -> Option<String> {
    let cores = core_affinity::get_core_ids().map_or(0, |cores| cores.len());
    let load = std::fs::read_to_string("/proc/loadavg").unwrap_or_default();
    let load: f64 = load.split(' ').next()?.parse().ok()?;
    (cores > 0 && load > cores as f64).then(|| {
        format!(
            "the machine is busy (load {load} on {cores} cores): latencies will show it; stop \
             other work"
        )
    })
}

fn list(cores: &[CoreId]) -> String {
    let words: Vec<String> = cores.iter().map(|core| core.id.to_string()).collect();
    words.join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_core_that_does_not_exist_is_named_with_those_that_do() {
        let error = choose(Some(9_999)).unwrap_err().to_string();
        assert!(error.contains("core 9999"), "{error}");
        assert!(error.contains("hot_path.engine_core"), "{error}");
        assert!(choose(None).is_ok());
    }
}
