//! Latencies as they come, and their quantiles.
//!
//! In: durations. Out: quantiles of all of them. Never: a bucket that rounds.

use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// All latencies of a run, in order of size.
#[derive(Debug, Default)]
pub struct Latencies(Vec<u32>);

impl Latencies {
    /// The latency that `quantile` of all do not exceed.
    #[must_use]
    pub fn quantile(&self, quantile: f64) -> Duration {
        let last = self.0.len().saturating_sub(1);
        let at = (last as f64 * quantile).round() as usize;
        Duration::from_micros(self.0.get(at).copied().unwrap_or_default().into())
    }
}

/// What one source of load has done, seen from outside while it runs.
#[derive(Debug, Default)]
pub struct Tally {
    done: AtomicU64,
    refused: AtomicU64,
    micros: Mutex<Vec<u32>>,
}

/// What it has done in the end.
#[derive(Debug)]
pub struct Done {
    /// Answers that refused.
    pub refused: u64,
    /// All latencies.
    pub latencies: Latencies,
}

impl Tally {
    /// One more, answered after `latency`.
    ///
    /// # Panics
    /// When another thread panicked while it counted.
    pub fn answered(&self, latency: Duration, accepted: bool) {
        self.done.fetch_add(1, Ordering::Relaxed);
        self.refused
            .fetch_add(u64::from(!accepted), Ordering::Relaxed);
        let micros = u32::try_from(latency.as_micros()).unwrap_or(u32::MAX);
        self.micros
            .lock()
            .expect("nobody panics with it")
            .push(micros);
    }

    /// How many are answered.
    #[must_use]
    pub fn done(&self) -> u64 {
        self.done.load(Ordering::Relaxed)
    }

    /// Forgets the latencies of the warm-up.
    ///
    /// # Panics
    /// As [`Tally::answered`].
    pub fn forget_latencies(&self) {
        self.micros.lock().expect("nobody panics with it").clear();
    }

    /// The end: everything that was counted.
    ///
    /// # Panics
    /// As [`Tally::answered`].
    #[must_use]
    pub fn finish(&self) -> Done {
        let mut micros = std::mem::take(&mut *self.micros.lock().expect("nobody panics with it"));
        micros.sort_unstable();
        Done {
            refused: self.refused.load(Ordering::Relaxed),
            latencies: Latencies(micros),
        }
    }
}
