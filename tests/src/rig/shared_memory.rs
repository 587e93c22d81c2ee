//! What the hot path counts in shared memory, read as any process of the host may.
//!
//! In: the newest segment. Out: counters, latency between two moments. Never: a ring's end; those
//! are control's.

use super::Rig;
use ipc::{HistogramSnapshot, Segment, list_generations};
use std::collections::BTreeMap;

/// The counters of the newest start.
#[derive(Clone, Debug, Default)]
pub struct Counters {
    /// Number of the start.
    pub generation: u64,
    /// By name.
    pub by_name: BTreeMap<String, u64>,
}

impl Counters {
    /// One counter; 0 when there is none of this name.
    #[must_use]
    pub fn get(&self, name: &str) -> u64 {
        self.by_name.get(name).copied().unwrap_or(0)
    }
}

/// Tick to order as it stood at one moment.
#[derive(Clone, Debug, Default)]
pub struct Window(Option<HistogramSnapshot>);

impl Window {
    /// What came since `earlier`: count, median and 99th percentile in nanoseconds.
    #[must_use]
    pub fn since(&self, earlier: &Self) -> Option<(u64, u64, u64)> {
        let now = self.0.as_ref()?;
        let part = match &earlier.0 {
            Some(earlier) => now.since(earlier),
            None => now.clone(),
        };
        let quantile = |permyriad| part.quantile_ns(permyriad);
        Some((part.count(), quantile(5_000)?, quantile(9_900)?))
    }
}

impl Rig {
    fn newest_segment(&self) -> Option<Segment> {
        let newest = list_generations(&self.run_dir()).ok()?.pop()?;
        Segment::open(&newest.path).ok()
    }

    /// The counters of the newest start; empty before the first.
    #[must_use]
    pub fn counters(&self) -> Counters {
        self.newest_segment()
            .map(|segment| Counters {
                generation: segment.generation(),
                by_name: segment.counters().iter().collect(),
            })
            .unwrap_or_default()
    }

    /// Tick to order so far, from the read of the frame, over all triggers.
    #[must_use]
    pub fn tick_to_order(&self) -> Window {
        let Some(segment) = self.newest_segment() else {
            return Window::default();
        };
        let mut sum: Option<HistogramSnapshot> = None;
        for (name, one) in segment.histograms().iter() {
            if !name.starts_with("tick_to_order_seconds{") || !name.contains("from_read") {
                continue;
            }
            match &mut sum {
                Some(sum) => sum.merge(&one),
                None => sum = Some(one),
            }
        }
        Window(sum)
    }
}
