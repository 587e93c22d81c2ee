//! The drain thread: takes everything out of shared memory, oldest generation first.
//!
//! In: the account's directory of segments. Out: ledger, input log, and ten times a second the
//! picture that the others look at. Never: a wait of the hot path for us; a failing disk leaves
//! records in their rings, where the hot path sees them pile up and reduces by itself.

use crate::attached::{AttachError, Attached, Figures, stored};
use crate::ledger::{Ledger, LedgerError, StoredHistogram};
use crate::log_events::Streams;
use crate::view::{Durations, Shared, View};
use ipc::{Generation, HistogramSnapshot, SegmentError, list_generations, remove_drained};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

/// Pause between two looks at empty rings.
const POLL: Duration = Duration::from_millis(4);
/// Pause after a failed write.
const RETRY: Duration = Duration::from_millis(200);
/// Longest time for the last records after a request to stop.
const LAST_TURNS: Duration = Duration::from_secs(2);
/// How often the picture is renewed.
const PICTURE_EVERY: Duration = Duration::from_millis(100);
/// How often the figures of the present generation are written to the ledger.
const FIGURES_EVERY: Duration = Duration::from_secs(5);

/// Why the drain cannot go on at all.
#[derive(Debug, thiserror::Error)]
pub enum DrainError {
    /// The ledger and the segments do not belong together.
    #[error(transparent)]
    Ledger(#[from] LedgerError),
    /// A segment of another mode or account, or of a build that we do not understand: what it
    /// holds belongs into another ledger, or is lost when it is passed over.
    #[error(
        "{0}; it is refused: use another --state-dir, or remove the file if what it holds may be lost"
    )]
    Foreign(AttachError),
}

/// Where things lie.
#[derive(Clone, Debug)]
pub struct Places {
    /// Directory of the account's segments.
    pub run: PathBuf,
    /// Directory of the input logs.
    pub input_logs: PathBuf,
    /// Mode, venue and account in words, as our segments carry them.
    pub identity: String,
}

impl Places {
    /// The places of `account` under a state directory.
    #[must_use]
    pub fn of(state_dir: &Path, mode: &str, account: &str) -> Self {
        Self {
            identity: format!("{mode} binance {account}"),
            run: state_dir.join("run").join(account),
            input_logs: state_dir.join("input-log"),
        }
    }
}

/// The single writer of ledger and input log.
pub struct Drain {
    places: Places,
    ledger: Ledger,
    shared: Arc<Shared>,
    current: Option<Attached>,
    earlier_counters: BTreeMap<String, u64>,
    earlier_histograms: BTreeMap<String, HistogramSnapshot>,
    commits: Durations,
    ledger_errors: u64,
    input_log_errors: u64,
    ledger_up: bool,
    input_log_up: bool,
    complaint: Option<String>,
    /// True once the present generation has ended and everything of it is taken in.
    finished: bool,
    picture_at: Option<Instant>,
    figures_at: Instant,
    retry_at: Option<Instant>,
    streams: Streams,
}

impl Drain {
    /// A drain that has attached to nothing yet.
    #[must_use]
    pub fn new(places: Places, ledger: Ledger, shared: Arc<Shared>) -> Self {
        let mut drain = Self {
            places,
            ledger,
            shared,
            current: None,
            earlier_counters: BTreeMap::new(),
            earlier_histograms: BTreeMap::new(),
            commits: Durations::default(),
            ledger_errors: 0,
            input_log_errors: 0,
            ledger_up: true,
            input_log_up: true,
            complaint: None,
            finished: false,
            picture_at: None,
            figures_at: Instant::now(),
            retry_at: None,
            streams: Streams::default(),
        };
        drain.detach();
        drain
    }

    /// Drains until `stop`, then takes in what is there and commits. A hot path that goes on
    /// writing does not keep us: what comes later stays in its rings.
    ///
    /// # Errors
    /// [`DrainError`] when segments and ledger do not belong together.
    pub fn run(&mut self, stop: &AtomicBool) -> Result<(), DrainError> {
        while !stop.load(Ordering::Relaxed) {
            if !self.turn(false)? {
                std::thread::sleep(POLL);
            }
        }
        let begun = Instant::now();
        while self.turn(true)? && begun.elapsed() < LAST_TURNS {}
        self.save_figures();
        self.renew_picture();
        Ok(())
    }

    /// One look at everything. True when something was moved.
    ///
    /// # Errors
    /// [`DrainError`].
    pub fn turn(&mut self, commit_now: bool) -> Result<bool, DrainError> {
        if self
            .picture_at
            .is_none_or(|at| at.elapsed() >= PICTURE_EVERY)
        {
            self.choose_generation()?;
            self.renew_picture();
        }
        if self.retry_at.is_some_and(|at| Instant::now() < at) {
            return Ok(false);
        }
        let Some(current) = &mut self.current else {
            return Ok(false);
        };
        current.beat(monotonic_ns());
        // Before the rings are read: what was written before the end is then surely seen.
        let ended = current.has_ended();
        let outcome = drain_once(
            current,
            &mut self.ledger,
            &mut self.commits,
            commit_now || ended,
        );
        match outcome {
            Ok(moved) => {
                (self.ledger_up, self.input_log_up) = (true, true);
                if ended && !moved && !self.finished && self.is_drained() {
                    self.finish();
                }
                Ok(moved)
            }
            Err(error) => {
                if matches!(error, AttachError::InputLog(_)) {
                    self.input_log_errors += 1;
                    self.input_log_up = false;
                } else {
                    self.ledger_errors += 1;
                    self.ledger_up = false;
                }
                self.complain(&error.to_string());
                self.retry_at = Some(Instant::now() + RETRY);
                Ok(false)
            }
        }
    }

    /// Everything that could be seen has been taken in.
    #[must_use]
    pub fn is_drained(&self) -> bool {
        self.current.as_ref().is_some_and(Attached::is_drained)
    }

    /// The ledger.
    #[must_use]
    pub const fn ledger(&self) -> &Ledger {
        &self.ledger
    }

    /// Keeps to the present generation until it has ended and is drained, then turns to the next.
    fn choose_generation(&mut self) -> Result<(), DrainError> {
        let generations = match list_generations(&self.places.run) {
            Ok(generations) => generations,
            Err(error) => {
                self.complain(&format!("cannot list segments: {error}"));
                return Ok(());
            }
        };
        let Some(newest) = generations.last().map(|one| one.number) else {
            return Ok(());
        };
        if let Some(current) = &self.current {
            let generation = current.generation();
            if generation >= newest {
                return Ok(());
            }
            if !self.finished {
                // A newer start holds the account's lock: this one's writer is dead.
                if !self.is_drained() {
                    return Ok(());
                }
                self.finish();
            }
            self.detach();
        }
        for one in &generations {
            if one.number < newest && self.ledger.is_drained(one.number).unwrap_or(false) {
                self.remove(one);
            } else if self.attach(one)? {
                return Ok(());
            }
        }
        Ok(())
    }

    /// True when this generation is to be kept to, attached now or in a later turn.
    fn attach(&mut self, one: &Generation) -> Result<bool, DrainError> {
        match self.try_attach(one) {
            Ok(()) => {
                tracing::info!(generation = one.number, path = %one.path.display(), "attached");
                Ok(true)
            }
            Err(AttachError::Ledger(error @ LedgerError::GenerationReused(_))) => Err(error.into()),
            Err(error) if error.is_foreign() => Err(DrainError::Foreign(error)),
            Err(error) => {
                self.complain(&format!("cannot attach to {}: {error}", one.path.display()));
                // A reader that is still alive ends soon, a disk may recover; a damaged segment
                // will not get better.
                Ok(matches!(
                    error,
                    AttachError::Segment(SegmentError::ReaderAlive { .. }) | AttachError::Ledger(_)
                ))
            }
        }
    }

    fn try_attach(&mut self, one: &Generation) -> Result<(), AttachError> {
        let Places {
            input_logs,
            identity,
            ..
        } = &self.places;
        let attached = Attached::attach(&one.path, identity, input_logs, &mut self.ledger)?;
        let generation = attached.generation();
        self.read_earlier(Some(generation))?;
        self.current = Some(attached);
        self.finished = false;
        self.complaint = None;
        Ok(())
    }

    /// Leaves the present generation. Until the next one is attached its figures stay in the sums:
    /// a counter never goes back.
    fn detach(&mut self) {
        self.current = None;
        if let Err(error) = self.read_earlier(None) {
            self.complain(&error.to_string());
        }
    }

    fn read_earlier(&mut self, present: Option<u64>) -> Result<(), LedgerError> {
        self.earlier_counters = self.ledger.figures_without(present)?;
        self.earlier_histograms = snapshots(self.ledger.histograms_without(present)?);
        Ok(())
    }

    /// The present generation is complete: keep its figures and say so.
    fn finish(&mut self) {
        let Some(current) = &mut self.current else {
            return;
        };
        current.note_end();
        let generation = current.generation();
        self.save_figures();
        if let Err(error) = self.ledger.mark_drained(generation) {
            self.complain(&error.to_string());
            return;
        }
        self.finished = true;
        tracing::info!(
            generation,
            records = self.ledger.totals().records,
            holes = self.ledger.totals().holes,
            "drained to its end"
        );
        self.renew_picture();
    }

    fn remove(&mut self, one: &Generation) {
        match remove_drained(&one.path) {
            Ok(()) => tracing::info!(generation = one.number, "removed a drained segment"),
            Err(error) => self.complain(&format!("cannot remove a drained segment: {error}")),
        }
    }

    fn save_figures(&mut self) {
        let Some(current) = &self.current else {
            return;
        };
        let Figures {
            counters,
            histograms,
            ..
        } = current.figures(self.ledger.last_sequence());
        let histograms: BTreeMap<String, StoredHistogram> = stored(&histograms);
        let generation = current.generation();
        if let Err(error) = self.ledger.save_figures(generation, &counters, &histograms) {
            self.ledger_errors += 1;
            self.complain(&error.to_string());
        }
        self.figures_at = Instant::now();
    }

    fn renew_picture(&mut self) {
        if self.figures_at.elapsed() >= FIGURES_EVERY && !self.finished {
            self.save_figures();
        }
        let mut view = View {
            figures: self.earlier_counters.clone(),
            histograms: self.earlier_histograms.clone(),
            totals: self.ledger.totals().clone(),
            commits: self.commits.clone(),
            ledger_errors: self.ledger_errors,
            input_log_errors: self.input_log_errors,
            ledger_up: self.ledger_up,
            input_log_up: self.input_log_up,
            ..View::default()
        };
        if let Some(current) = &self.current {
            let taken_in = self.ledger.last_sequence();
            let figures = current.figures(taken_in);
            let written = figures.counters.get("journal_records_total");
            view.journal_lag = written.map(|written| written.saturating_sub(taken_in.unwrap_or(0)));
            for (name, value) in figures.counters {
                *view.figures.entry(name).or_default() += value;
            }
            for (name, histogram) in figures.histograms {
                match view.histograms.get_mut(&name) {
                    Some(earlier) => earlier.merge(&histogram),
                    None => {
                        view.histograms.insert(name, histogram);
                    }
                }
            }
            view.gauges = figures.gauges;
            view.identity = current.identity().to_string();
            view.account = current.account_page();
            view.instruments = current.instrument_pages();
            view.rings = current.rings();
            view.segment = Some(current.view(monotonic_ns(), self.finished));
        }
        self.streams.look(&view);
        self.shared.set(view);
        self.picture_at = Some(Instant::now());
    }

    /// Says a trouble once, not with every turn.
    fn complain(&mut self, trouble: &str) {
        if self.complaint.as_deref() != Some(trouble) {
            tracing::error!("{trouble}");
            self.complaint = Some(trouble.to_string());
        }
    }
}

fn drain_once(
    current: &mut Attached,
    ledger: &mut Ledger,
    commits: &mut Durations,
    now: bool,
) -> Result<bool, AttachError> {
    let records = current.read_journal()?;
    current.commit(ledger, commits, now)?;
    let inputs = current.log_inputs()?;
    Ok(records || inputs)
}

fn snapshots(stored: BTreeMap<String, StoredHistogram>) -> BTreeMap<String, HistogramSnapshot> {
    stored
        .into_iter()
        .filter_map(|(name, one)| {
            let snapshot = HistogramSnapshot::from_cells(one.cells, one.sum_ns, one.max_ns)?;
            Some((name, snapshot))
        })
        .collect()
}

/// CLOCK_MONOTONIC, as the hot path reads it.
#[must_use]
pub fn monotonic_ns() -> u64 {
    let now = rustix::time::clock_gettime(rustix::time::ClockId::Monotonic);
    now.tv_sec.cast_unsigned() * 1_000_000_000 + now.tv_nsec.cast_unsigned()
}
