//! Latencies as they come, and their quantiles.
//!
//! In: durations. Out: quantiles of all of them. Never: a bucket that rounds.

use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// All latencies of a run, in order of size.
#[derive(Debug, Default)]
pub(crate) struct Latencies(Vec<u32>);

impl Latencies {
    /// The latency that `quantile` of all do not exceed.
    pub(crate) fn quantile(&self, quantile: f64) -> Duration {
        let last = self.0.len().saturating_sub(1);
        let at = (last as f64 * quantile).round() as usize;
        Duration::from_micros(self.0.get(at).copied().unwrap_or_default().into())
    }
}

/// What one source of load has done, seen from outside while it runs.
#[derive(Debug, Default)]
pub(crate) struct Tally {
    done: AtomicU64,
    refused: AtomicU64,
    micros: Mutex<Vec<u32>>,
}

/// What it has done in the end.
#[derive(Debug)]
pub(crate) struct Done {
    pub(crate) refused: u64,
    pub(crate) latencies: Latencies,
}

impl Tally {
    /// One more, answered after `latency`.
    pub(crate) fn answered(&self, latency: Duration, accepted: bool) {
        self.done.fetch_add(1, Ordering::Relaxed);
        self.refused
            .fetch_add(u64::from(!accepted), Ordering::Relaxed);
        let micros = u32::try_from(latency.as_micros()).unwrap_or(u32::MAX);
        self.micros
            .lock()
            .expect("nobody panics with it")
            .push(micros);
    }

    pub(crate) fn done(&self) -> u64 {
        self.done.load(Ordering::Relaxed)
    }

    /// Forgets the latencies of the warm-up.
    pub(crate) fn forget_latencies(&self) {
        self.micros.lock().expect("nobody panics with it").clear();
    }

    pub(crate) fn finish(&self) -> Done {
        let mut micros = std::mem::take(&mut *self.micros.lock().expect("nobody panics with it"));
        micros.sort_unstable();
        Done {
            refused: self.refused.load(Ordering::Relaxed),
            latencies: Latencies(micros),
        }
    }
}
