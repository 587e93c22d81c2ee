//! One generation, attached: its segment, its rings, and what of it is on its way to the disk.
//!
//! In: a segment file. Out: batches in the ledger, frames in the input log, pages and cells. Never:
//! a slot freed before its record is durable, two generations at once.

use crate::input_log::{InputLog, InputLogError};
use crate::ledger::{Batch, GenerationHeader, Ledger, LedgerError, StoredHistogram};
use crate::log_events::LogEvents;
use crate::view::{Durations, RingView, SegmentView};
use ipc::{
    Cursor, HistogramSnapshot, HotpathState, JournalConsumer, LogHeader, RingError, Segment,
    SegmentError,
};
use market::page::{AccountPage, InstrumentPage, PAGE_BYTES_MAX};
use market::record::RECORD_BYTES_MAX;
use market::{Step, Wire};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// Most records of one transaction.
const BATCH_MAX: usize = 4096;
/// How long a record may wait for company before it is committed.
const BATCH_WAIT: Duration = Duration::from_millis(20);

/// Why a generation cannot be drained.
#[derive(Debug, thiserror::Error)]
pub enum AttachError {
    /// The segment.
    #[error(transparent)]
    Segment(#[from] SegmentError),
    /// The ledger.
    #[error(transparent)]
    Ledger(#[from] LedgerError),
    /// The input log.
    #[error(transparent)]
    InputLog(#[from] InputLogError),
    /// The journal ring.
    #[error("journal: {0}")]
    Journal(#[from] RingError),
    /// The input log's directory.
    #[error("cannot make the input log's directory: {0}")]
    Directory(#[from] std::io::Error),
    /// Another mode's or account's.
    #[error("{path}: this segment is of {found}, and we are {ours}")]
    Foreign {
        /// The segment.
        path: PathBuf,
        /// Whose it is.
        found: String,
        /// Who we are.
        ours: String,
    },
}

impl AttachError {
    /// True when it is not ours to drain at all.
    #[must_use]
    pub const fn is_foreign(&self) -> bool {
        match self {
            Self::Foreign { .. } => true,
            Self::Segment(error) => error.is_of_another_build(),
            _ => false,
        }
    }
}

/// A generation whose rings we read.
pub struct Attached {
    segment: Segment,
    journal: JournalConsumer,
    input_log: InputLog,
    buffer: Vec<u8>,
    batch: Batch,
    batch_end: Option<Cursor>,
    batch_since: Instant,
    events: LogEvents,
    ended_uncleanly: bool,
}

/// Figures of a generation at one moment.
#[derive(Clone, Debug, Default)]
pub struct Figures {
    /// Cells that count up.
    pub counters: BTreeMap<String, u64>,
    /// Cells that go both ways.
    pub gauges: BTreeMap<String, u64>,
    /// Histograms.
    pub histograms: BTreeMap<String, HistogramSnapshot>,
}

impl Attached {
    /// Attaches to a segment; the ledger and the input log say where to go on.
    ///
    /// # Errors
    /// [`AttachError`]; another reader's life is one of them.
    pub fn attach(
        path: &Path,
        identity: &str,
        input_logs: &Path,
        ledger: &mut Ledger,
    ) -> Result<Self, AttachError> {
        let segment = Segment::open(path)?;
        let found = &segment.layout().identity;
        if found != identity {
            return Err(AttachError::Foreign {
                path: path.into(),
                found: found.clone(),
                ours: identity.to_string(),
            });
        }
        let journal = segment.journal_consumer()?;
        let header = GenerationHeader {
            generation: segment.generation(),
            build_id: segment.build_id(),
            config_hash: segment.config_hash(),
        };
        ledger.turn_to(header)?;
        let directory = input_logs.join(header.generation.to_string());
        std::fs::create_dir_all(&directory)?;
        let input_log = InputLog::resume(
            &directory.join("events.log"),
            LogHeader {
                build_id: header.build_id,
                config_hash: header.config_hash,
                generation: header.generation,
            },
            segment.input_log_consumer()?,
            segment.market_log_consumer()?,
        )?;
        let mut attached = Self {
            segment,
            journal,
            input_log,
            buffer: vec![0; RECORD_BYTES_MAX.max(ipc::RECORD_BYTES_MAX)],
            batch: Batch::default(),
            batch_end: None,
            batch_since: Instant::now(),
            events: LogEvents::default(),
            ended_uncleanly: false,
        };
        attached.events = LogEvents::of(&attached.instrument_pages());
        Ok(attached)
    }

    /// Number of the generation.
    #[must_use]
    pub fn generation(&self) -> u64 {
        self.segment.generation()
    }

    /// Takes the journal records that are there into the batch. True when there were any.
    ///
    /// # Errors
    /// [`RingError`] when the ring is damaged.
    pub fn read_journal(&mut self) -> Result<bool, RingError> {
        let before = self.batch.len();
        while self.batch.len() < BATCH_MAX {
            let Some(entry) = self.journal.read(&mut self.buffer)? else {
                break;
            };
            if self.batch.is_empty() {
                self.batch_since = Instant::now();
            }
            self.batch.push(entry.payload);
            self.batch_end = Some(entry.cursor);
        }
        Ok(self.batch.len() > before)
    }

    /// Writes the batch to the ledger once it is full or old enough, or `now` is asked for; then,
    /// and only then, frees its slots.
    ///
    /// # Errors
    /// [`AttachError`]; the batch is given up and read again from the ring.
    pub fn commit(
        &mut self,
        ledger: &mut Ledger,
        commits: &mut Durations,
        now: bool,
    ) -> Result<(), AttachError> {
        let Some(end) = self.batch_end else {
            return Ok(());
        };
        let due = self.batch.len() >= BATCH_MAX || self.batch_since.elapsed() >= BATCH_WAIT;
        if !due && !now {
            return Ok(());
        }
        let begun = Instant::now();
        let known = ledger.last_sequence();
        let outcome = ledger.ingest(&self.batch);
        commits.record(begun.elapsed());
        if outcome.is_ok() {
            // What was taken in before a crash was told then, or is not.
            for record in self.batch.after(known) {
                self.events.tell(&record);
            }
        }
        self.batch.clear();
        self.batch_end = None;
        if let Err(error) = outcome {
            self.journal.rewind();
            return Err(error.into());
        }
        self.journal.commit_durable(end)?;
        Ok(())
    }

    /// Moves inputs from the rings to the input log. True when there were any.
    ///
    /// # Errors
    /// [`InputLogError`].
    pub fn log_inputs(&mut self) -> Result<bool, InputLogError> {
        self.input_log.pass()
    }

    /// Tells the hot path that we live.
    pub fn beat(&self, now_ns: u64) {
        self.segment.beat_control(now_ns);
    }

    /// True when its writer has ended, by its own word or because its process is gone.
    #[must_use]
    pub fn has_ended(&self) -> bool {
        self.segment.hotpath_state() == HotpathState::StoppedCleanly || !self.process_exists()
    }

    /// Nothing more will come: an end without the hot path's own word was no clean one.
    pub fn note_end(&mut self) {
        self.ended_uncleanly = self.segment.hotpath_state() != HotpathState::StoppedCleanly;
    }

    fn process_exists(&self) -> bool {
        Path::new("/proc")
            .join(self.segment.hotpath_pid().to_string())
            .exists()
    }

    /// True when the journal and the input log are empty and committed.
    #[must_use]
    pub fn is_drained(&self) -> bool {
        self.batch.is_empty()
            && self.journal.is_drained().unwrap_or(false)
            && self.input_log.is_drained().unwrap_or(false)
    }

    /// The segment's own words.
    #[must_use]
    pub fn view(&self, now_ns: u64, drained: bool) -> SegmentView {
        let heartbeat = self.segment.hotpath_heartbeat_ns();
        SegmentView {
            generation: self.segment.generation(),
            build_id: self.segment.build_id(),
            config_hash: self.segment.config_hash(),
            state: self.segment.hotpath_state(),
            process_exists: self.process_exists(),
            heartbeat_age_ns: (heartbeat > 0).then(|| now_ns.saturating_sub(heartbeat)),
            kill_latched: self.segment.kill_latched(),
            drained,
        }
    }

    /// Mode, venue and account in words, as the hot path took them.
    #[must_use]
    pub fn identity(&self) -> &str {
        &self.segment.layout().identity
    }

    /// The rings.
    #[must_use]
    pub fn rings(&self) -> Vec<RingView> {
        let mut rings = vec![RingView::of("journal", &self.journal)];
        rings.extend(self.input_log.rings());
        rings
    }

    /// The account's page; none before it was written, or when it is damaged.
    #[must_use]
    pub fn account_page(&self) -> Option<AccountPage> {
        let mut buffer = [0; PAGE_BYTES_MAX];
        let length = self.segment.account_page().read(&mut buffer).ok()??;
        AccountPage::from_bytes(&buffer[..length]).ok()
    }

    /// The pages of all instruments that were written, in their order.
    #[must_use]
    pub fn instrument_pages(&self) -> Vec<InstrumentPage> {
        let mut buffer = [0; PAGE_BYTES_MAX];
        let mut pages = Vec::new();
        for index in 0..self.segment.layout().instrument_pages {
            let Some(reader) = self.segment.instrument_page(index) else {
                break;
            };
            if let Ok(Some(length)) = reader.read(&mut buffer)
                && let Ok(page) = InstrumentPage::from_bytes(&buffer[..length])
                && [page.tick, page.lot].into_iter().all(is_step)
            {
                pages.push(page);
            }
        }
        pages
    }

    /// All cells, and with them what only the pages and the logs count; `last_sequence` is the
    /// ledger's.
    #[must_use]
    pub fn figures(&self, last_sequence: Option<u64>) -> Figures {
        let mut figures = Figures {
            histograms: self.segment.histograms().iter().collect(),
            ..Figures::default()
        };
        for (name, value) in self.segment.counters().iter() {
            let family = name.split('{').next().unwrap_or_default();
            if family.ends_with("_total") {
                figures.counters.insert(name, value);
            } else {
                figures.gauges.insert(name, value);
            }
        }
        let mut note = |name: String, value: u64| {
            figures.counters.insert(name, value);
        };
        if let Some(account) = self.account_page() {
            note("shown_events_total".to_string(), account.input_sequence);
            note("shown_unknown_total".to_string(), account.unknown_ever);
        }
        for page in self.instrument_pages() {
            let labels = format!("{{market=\"{}\",symbol=\"{}\"}}", page.market, page.symbol);
            note(format!("shown_book_gaps_total{labels}"), page.book_gaps);
            note(
                format!("shown_book_resyncs_total{labels}"),
                page.book_resyncs,
            );
        }
        let unclean = u64::from(self.ended_uncleanly);
        note("shown_unclean_ends_total".to_string(), unclean);
        for ring in self.rings() {
            let name = format!("shown_ring_dropped_total{{ring=\"{}\"}}", ring.name);
            note(name, ring.dropped);
        }
        // Given up behind the last record: no jump in the sequence shows these.
        let drops = self.journal.drops();
        let behind = drops.last.saturating_sub(last_sequence.unwrap_or(0));
        let tail = "shown_journal_tail_total".to_string();
        note(tail, behind.min(drops.total));
        note("input_log_holes_total".to_string(), self.input_log.holes());
        note(
            "input_log_frames_total".to_string(),
            self.input_log.frames(),
        );
        figures
    }
}

/// A step that texts can be made of; any other comes from a damaged page.
const fn is_step(step: Step) -> bool {
    step.mantissa > 0 && step.decimals <= Step::DECIMALS_MAX
}

/// Histograms in the form that the ledger keeps.
#[must_use]
pub fn stored(
    histograms: &BTreeMap<String, HistogramSnapshot>,
) -> BTreeMap<String, StoredHistogram> {
    histograms
        .iter()
        .map(|(name, one)| {
            let stored = StoredHistogram {
                count: one.count(),
                sum_ns: one.sum_ns(),
                max_ns: one.max_ns(),
                cells: one.cells().to_vec(),
            };
            (name.clone(), stored)
        })
        .collect()
}
