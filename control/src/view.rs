//! What control knows at one moment: the picture that metrics, API and table are drawn from.
//!
//! In: pages, cells and rings of the present generation, sums of the earlier ones. Out: plain
//! values behind an `Arc`. Never: a lock that the drain thread could wait on for long.

use crate::ledger::Totals;
use ipc::{BUCKETS_NS, HistogramSnapshot, HotpathState, JournalConsumer};
use market::page::{AccountPage, InstrumentPage};
use market::{BookState, TradingState};
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

/// Oldest sign of life of the hot path that still counts as alive.
const HEARTBEAT_MAX: Duration = Duration::from_secs(2);

/// One ring as its reader sees it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RingView {
    /// Name.
    pub name: &'static str,
    /// Slots that wait.
    pub depth: u64,
    /// Slots in all.
    pub capacity: u64,
    /// Greatest depth seen.
    pub high_watermark: u64,
    /// Records that the writer left out.
    pub dropped: u64,
}

impl RingView {
    /// The present figures of a ring.
    #[must_use]
    pub fn of(name: &'static str, consumer: &JournalConsumer) -> Self {
        Self {
            name,
            depth: consumer.depth() as u64,
            capacity: consumer.capacity() as u64,
            high_watermark: consumer.high_watermark() as u64,
            dropped: consumer.drops().total,
        }
    }
}

/// The segment that is attached.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SegmentView {
    /// Start of the hot path.
    pub generation: u64,
    /// Its build.
    pub build_id: u64,
    /// Its configuration.
    pub config_hash: u64,
    /// How far it is by its own word.
    pub state: HotpathState,
    /// False once its process is gone.
    pub process_exists: bool,
    /// Age of its last sign of life; none before the first.
    pub heartbeat_age_ns: Option<u64>,
    /// True once the kill latch is set.
    pub kill_latched: bool,
    /// True once everything is taken in and nothing more can come.
    pub drained: bool,
}

/// Durations that control itself measures, in the classic buckets.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Durations {
    /// Counts by bucket, not added up; the last one is beyond all bounds.
    buckets: [u64; BUCKETS_NS.len() + 1],
    /// Their sum.
    pub sum_ns: u64,
}

impl Durations {
    /// Adds one.
    pub fn record(&mut self, duration: Duration) {
        let ns = u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX);
        self.buckets[BUCKETS_NS.partition_point(|bound| *bound < ns)] += 1;
        self.sum_ns = self.sum_ns.saturating_add(ns);
    }

    /// How many lie at or under each bound.
    #[must_use]
    pub fn cumulative(&self) -> [u64; BUCKETS_NS.len()] {
        let mut sum = 0;
        std::array::from_fn(|index| {
            sum += self.buckets[index];
            sum
        })
    }

    /// How many there are.
    #[must_use]
    pub fn count(&self) -> u64 {
        self.buckets.iter().sum()
    }
}

/// Everything at one moment.
#[derive(Clone, Debug, Default)]
pub struct View {
    /// The segment, once there is one.
    pub segment: Option<SegmentView>,
    /// Mode, venue and account of the segment in words; empty without one.
    pub identity: String,
    /// Account page.
    pub account: Option<AccountPage>,
    /// Instrument pages.
    pub instruments: Vec<InstrumentPage>,
    /// Counters, summed over all generations of the ledger.
    pub figures: BTreeMap<String, u64>,
    /// Cells that are no counters, of this generation.
    pub gauges: BTreeMap<String, u64>,
    /// Histograms, summed over all generations of the ledger.
    pub histograms: BTreeMap<String, HistogramSnapshot>,
    /// Rings of this generation.
    pub rings: Vec<RingView>,
    /// What the ledger holds.
    pub totals: Totals,
    /// Journal records of this generation that are written and not in the ledger; none where the
    /// hot path does not say how many it wrote.
    pub journal_lag: Option<u64>,
    /// Time of each commit of the ledger.
    pub commits: Durations,
    /// Failed writes of the ledger.
    pub ledger_errors: u64,
    /// Failures of the input log.
    pub input_log_errors: u64,
    /// True while the ledger takes writes.
    pub ledger_up: bool,
    /// True while the input log takes writes.
    pub input_log_up: bool,
}

impl View {
    /// Sum of all counters of a family.
    #[must_use]
    pub fn family_sum(&self, family: &str) -> u64 {
        self.figures
            .iter()
            .filter(|(name, _)| name.split('{').next() == Some(family))
            .map(|(_, value)| value)
            .sum()
    }

    /// The histogram of a family, its labels put together; none while nothing was recorded.
    #[must_use]
    pub fn family_histogram(&self, family: &str) -> Option<HistogramSnapshot> {
        let mut found = self
            .histograms
            .iter()
            .filter(|(name, _)| name.split('{').next() == Some(family))
            .map(|(_, histogram)| histogram);
        let mut sum = found.next()?.clone();
        for histogram in found {
            sum.merge(histogram);
        }
        (sum.count() > 0).then_some(sum)
    }

    /// Why the path is not ready; empty when it is.
    #[must_use]
    pub fn reasons_not_ready(&self) -> Vec<String> {
        let mut reasons = Vec::new();
        let Some(segment) = self.segment else {
            return vec!["no hot path has started yet for this account".to_string()];
        };
        if segment.state != HotpathState::Running {
            reasons.push(format!("the hot path is {}", state_word(segment.state)));
        }
        if !segment.process_exists {
            reasons.push("the hot path's process is gone".to_string());
        }
        if let Some(age) = segment.heartbeat_age_ns
            && u128::from(age) > HEARTBEAT_MAX.as_nanos()
        {
            let age_ms = age / 1_000_000;
            reasons.push(format!(
                "the hot path's last sign of life is {age_ms} ms old"
            ));
        }
        match &self.account {
            None => reasons.push("the hot path has shown no account page yet".to_string()),
            Some(account) => {
                if !account.reconciled {
                    reasons.push("not reconciled with the exchange".to_string());
                }
                if account.trading_state == TradingState::Killed {
                    reasons.push("the kill latch is set".to_string());
                }
            }
        }
        if !self.ledger_up {
            reasons.push("the ledger does not take writes".to_string());
        }
        if self.instruments.is_empty() {
            reasons.push("the hot path has shown no instrument yet".to_string());
        }
        for page in &self.instruments {
            if page.book_state != BookState::Synced {
                let (market, symbol, state) = (page.market, page.symbol, page.book_state);
                reasons.push(format!("book of {market} {symbol} is {state}"));
            }
        }
        reasons
    }
}

/// The state as one word.
#[must_use]
pub const fn state_word(state: HotpathState) -> &'static str {
    match state {
        HotpathState::Starting => "starting",
        HotpathState::Running => "running",
        HotpathState::StoppedCleanly => "stopped",
        HotpathState::Unknown(_) => "unknown",
    }
}

/// Where the drain thread puts the picture and the others take it.
#[derive(Default)]
pub struct Shared {
    view: Mutex<Arc<View>>,
    pictures: AtomicU64,
}

impl Shared {
    /// The newest picture.
    #[must_use]
    pub fn get(&self) -> Arc<View> {
        Arc::clone(&self.view.lock().expect("nobody panics while it is held"))
    }

    /// How many there were: a number that changes while the drain thread lives.
    #[must_use]
    pub fn pictures(&self) -> u64 {
        self.pictures.load(Ordering::Relaxed)
    }

    /// Replaces it.
    pub fn set(&self, view: View) {
        let view = Arc::new(view);
        *self.view.lock().expect("nobody panics while it is held") = view;
        self.pictures.fetch_add(1, Ordering::Relaxed);
    }
}
