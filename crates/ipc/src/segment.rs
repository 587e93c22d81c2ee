//! One start of the hot path in shared memory: a file that holds its rings, pages and cells.
//!
//! In: a path and sizes (hot path), or a path (control). Out: the ends of the rings, one of each
//! kind a process. Never: a half-made segment under its final name, a file of another layout, two
//! readers, a wait.
//!
//! The hot path makes a new segment at each start and writes all rings but the command ring.
//! Control opens it, reads them, and after its own death opens it again: the journal and the logs
//! go on at their durable cursors. Which process holds the reading side is a lock on the file.

use std::fs::{File, OpenOptions, TryLockError};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Mutex;

mod error;
mod life;

pub use error::{Damage, SegmentError};
pub use life::HotpathState;

use crate::atomic::Ordering;
use crate::counter::Counters;
use crate::header::{Facts, Live, live};
use crate::histogram::Histograms;
use crate::journal::{JournalConsumer, JournalProducer, LossyProducer};
use crate::layout::{Cut, HEADER_LINES, SegmentLayout, Span};
use crate::memory::{LINE_BYTES, Region};
use crate::names::Names;
use crate::page::{PAGE_LINES, PageReader, PageWriter};
use crate::ring::{Consumer, Producer, RingError};
use crate::slots::{SlotReader, SlotWriter};

/// A mapped segment.
pub struct Segment {
    path: PathBuf,
    region: Region,
    cut: Cut,
    facts: Facts,
    made_here: bool,
    taken: Mutex<Vec<(&'static str, usize)>>,
    counters: Counters,
    histograms: Histograms,
}

impl Segment {
    /// Makes a segment: under a temporary name, complete and in memory, then renamed to `path`.
    ///
    /// # Errors
    /// [`SegmentError`] when the sizes are impossible, `path` exists or the system refuses.
    pub fn create(
        path: &Path,
        layout: &SegmentLayout,
        build_id: u64,
        config_hash: u64,
        generation: u64,
    ) -> Result<Self, SegmentError> {
        let cut = layout.cut().map_err(|source| SegmentError::Layout {
            path: path.into(),
            source,
        })?;
        let bytes = cut.lines * LINE_BYTES;
        let facts = Facts {
            build_id,
            config_hash,
            generation,
            file_bytes: bytes as u64,
            layout: layout.clone(),
        };
        let mut unfinished = path.as_os_str().to_owned();
        unfinished.push(format!(".unfinished-{}", std::process::id()));
        let unfinished = PathBuf::from(unfinished);
        let made = Self::fill(&unfinished, &facts, bytes).and_then(|region| {
            publish(&unfinished, path)?;
            Ok(region)
        });
        let region = made.map_err(|(action, source)| {
            // The error that is reported is the first one; a leftover is only untidy.
            let _ = std::fs::remove_file(&unfinished);
            SegmentError::Io {
                path: path.into(),
                action,
                source,
            }
        })?;
        Ok(Self::new(path, region, cut, facts, true))
    }

    fn fill(
        unfinished: &Path,
        facts: &Facts,
        bytes: usize,
    ) -> Result<Region, (&'static str, io::Error)> {
        let mut options = OpenOptions::new();
        options.read(true).write(true).create(true).truncate(true);
        std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
        let file = options
            .open(unfinished)
            .map_err(|source| ("create", source))?;
        // Space for every byte now: a full disk would otherwise be a SIGBUS in the hot loop.
        rustix::fs::fallocate(
            &file,
            rustix::fs::FallocateFlags::empty(),
            0,
            facts.file_bytes,
        )
        .map_err(|source| ("reserve space", source.into()))?;
        let region = Region::map(file, bytes).map_err(|source| ("map", source))?;
        region.touch_pages();
        facts.store(region.lines());
        let pid = u64::from(std::process::id());
        live(region.lines(), Live::HotpathPid).store(pid, Ordering::Relaxed);
        Ok(region)
    }

    /// Opens a segment that another process made.
    ///
    /// # Errors
    /// [`SegmentError`] that says what was found and what is wanted.
    pub fn open(path: &Path) -> Result<Self, SegmentError> {
        let failed = |action| {
            move |source| SegmentError::Io {
                path: path.into(),
                action,
                source,
            }
        };
        let damaged = |damage| SegmentError::Damaged {
            path: path.into(),
            damage,
        };
        let mut options = OpenOptions::new();
        options.read(true).write(true);
        let file: File = options.open(path).map_err(failed("open"))?;
        let found = file.metadata().map_err(failed("look at"))?.len();
        let least = (HEADER_LINES * LINE_BYTES) as u64;
        let bytes = usize::try_from(found).unwrap_or(0);
        if found < least || bytes % LINE_BYTES != 0 {
            let wanted = found.next_multiple_of(LINE_BYTES as u64).max(least);
            return Err(damaged(Damage::Truncated { found, wanted }));
        }
        let region = Region::map(file, bytes).map_err(failed("map"))?;
        let facts = Facts::load(region.lines(), found).map_err(damaged)?;
        let cut = facts
            .layout
            .cut()
            .map_err(|source| damaged(source.into()))?;
        let wanted = (cut.lines * LINE_BYTES) as u64;
        if wanted != found {
            return Err(damaged(Damage::Truncated { found, wanted }));
        }
        Ok(Self::new(path, region, cut, facts, false))
    }

    fn new(path: &Path, region: Region, cut: Cut, facts: Facts, made_here: bool) -> Self {
        let part = |span: Span| region.part(span.first, span.count);
        let names = |span, cells| Names::new(part(span), cells, made_here);
        let histogram_names = names(cut.histogram_names, facts.layout.histograms);
        let counters = Counters::new(names(cut.counters, facts.layout.counters));
        let histograms = Histograms::new(histogram_names, part(cut.histograms));
        Self {
            path: path.into(),
            cut,
            facts,
            made_here,
            taken: Mutex::default(),
            counters,
            histograms,
            region,
        }
    }
}

/// Gives the finished file its name; never over another one.
fn publish(unfinished: &Path, path: &Path) -> Result<(), (&'static str, io::Error)> {
    let flags = rustix::fs::RenameFlags::NOREPLACE;
    rustix::fs::renameat_with(rustix::fs::CWD, unfinished, rustix::fs::CWD, path, flags)
        .map_err(|source| ("give its name to", source.into()))
}

/// Ends of the rings.
impl Segment {
    /// The hot path's end of the journal.
    ///
    /// # Errors
    /// [`SegmentError::Maker`] or [`SegmentError::Taken`].
    pub fn journal_producer(&self) -> Result<JournalProducer, SegmentError> {
        let writer = self.writer("journal producer", self.cut.journal)?;
        Ok(JournalProducer::new(writer))
    }

    /// Control's end of the journal, at the durable cursor.
    ///
    /// # Errors
    /// [`SegmentError::ReaderAlive`], [`SegmentError::Taken`] or [`SegmentError::Ring`].
    pub fn journal_consumer(&self) -> Result<JournalConsumer, SegmentError> {
        let reader = self.reader("journal consumer", self.cut.journal)?;
        Ok(JournalConsumer::new(reader))
    }

    /// The hot path's end of the log of inputs that are never dropped.
    ///
    /// # Errors
    /// [`SegmentError::Maker`] or [`SegmentError::Taken`].
    pub fn input_log_producer(&self) -> Result<JournalProducer, SegmentError> {
        let writer = self.writer("input log producer", self.cut.input_log)?;
        Ok(JournalProducer::new(writer))
    }

    /// Control's end of that log, at the durable cursor.
    ///
    /// # Errors
    /// [`SegmentError::ReaderAlive`], [`SegmentError::Taken`] or [`SegmentError::Ring`].
    pub fn input_log_consumer(&self) -> Result<JournalConsumer, SegmentError> {
        let reader = self.reader("input log consumer", self.cut.input_log)?;
        Ok(JournalConsumer::new(reader))
    }

    /// The hot path's end of the log of market events, which drops when it is full.
    ///
    /// # Errors
    /// [`SegmentError::Maker`] or [`SegmentError::Taken`].
    pub fn market_log_producer(&self) -> Result<LossyProducer, SegmentError> {
        let writer = self.writer("market log producer", self.cut.market_log)?;
        Ok(LossyProducer::new(writer))
    }

    /// Control's end of that log, at the durable cursor.
    ///
    /// # Errors
    /// [`SegmentError::ReaderAlive`], [`SegmentError::Taken`] or [`SegmentError::Ring`].
    pub fn market_log_consumer(&self) -> Result<JournalConsumer, SegmentError> {
        let reader = self.reader("market log consumer", self.cut.market_log)?;
        Ok(JournalConsumer::new(reader))
    }

    /// Control's end of the command ring, behind what was written before.
    ///
    /// # Errors
    /// [`SegmentError::ReaderAlive`], [`SegmentError::Taken`] or [`SegmentError::Ring`].
    pub fn command_producer(&self) -> Result<Producer, SegmentError> {
        const END: &str = "command producer";
        self.claim()?;
        self.take(END)?;
        let writer = SlotWriter::attach(self.part(self.cut.commands)).map_err(self.ring(END))?;
        Ok(Producer::new(writer))
    }

    /// The hot path's end of the command ring.
    ///
    /// # Errors
    /// [`SegmentError::Maker`] or [`SegmentError::Taken`].
    pub fn command_consumer(&self) -> Result<Consumer, SegmentError> {
        const END: &str = "command consumer";
        self.only_maker(END)?;
        self.take(END)?;
        let reader = SlotReader::attach(self.part(self.cut.commands)).map_err(self.ring(END))?;
        Ok(Consumer::new(reader))
    }

    fn writer(&self, end: &'static str, span: Span) -> Result<SlotWriter, SegmentError> {
        self.only_maker(end)?;
        self.take(end)?;
        Ok(SlotWriter::new(self.part(span)))
    }

    fn reader(&self, end: &'static str, span: Span) -> Result<SlotReader, SegmentError> {
        self.claim()?;
        self.take(end)?;
        SlotReader::attach(self.part(span)).map_err(self.ring(end))
    }

    fn ring(&self, end: &'static str) -> impl FnOnce(RingError) -> SegmentError {
        let path = self.path.clone();
        move |source| SegmentError::Ring { path, end, source }
    }

    fn part(&self, span: Span) -> Region {
        self.region.part(span.first, span.count)
    }

    /// Each end is handed out once, so that there is one writer and one reader.
    fn take(&self, end: &'static str) -> Result<(), SegmentError> {
        self.take_indexed(end, 0)
    }

    fn take_indexed(&self, end: &'static str, index: usize) -> Result<(), SegmentError> {
        let mut taken = self.taken.lock().expect("nothing panics while it is held");
        if taken.contains(&(end, index)) {
            let path = self.path.clone();
            return Err(SegmentError::Taken { path, end });
        }
        taken.push((end, index));
        Ok(())
    }

    fn only_maker(&self, end: &'static str) -> Result<(), SegmentError> {
        if self.made_here {
            return Ok(());
        }
        let path = self.path.clone();
        Err(SegmentError::Maker { path, end })
    }

    /// Takes control's side. The kernel frees it when the process dies, or the last end is
    /// dropped together with the segment.
    fn claim(&self) -> Result<(), SegmentError> {
        let file = self.region.file().expect("a segment is mapped from a file");
        match file.try_lock() {
            Ok(()) => {
                let pid = u64::from(std::process::id());
                self.live(Live::ControlPid).store(pid, Ordering::Relaxed);
                Ok(())
            }
            Err(TryLockError::WouldBlock) => Err(SegmentError::ReaderAlive {
                path: self.path.clone(),
                pid: self.control_pid(),
            }),
            Err(TryLockError::Error(source)) => Err(SegmentError::Io {
                path: self.path.clone(),
                action: "lock",
                source,
            }),
        }
    }
}

/// Pages and cells.
impl Segment {
    /// The writing side of an instrument's page.
    ///
    /// # Errors
    /// [`SegmentError::Maker`] or [`SegmentError::Taken`].
    ///
    /// # Panics
    /// When the layout has no such page.
    pub fn instrument_page_writer(&self, index: usize) -> Result<PageWriter, SegmentError> {
        self.only_maker("instrument page writer")?;
        self.take_indexed("instrument page writer", index)?;
        Ok(PageWriter::new(self.instrument_page_region(index)))
    }

    /// The reading side of an instrument's page; none beyond the layout's pages.
    #[must_use]
    pub fn instrument_page(&self, index: usize) -> Option<PageReader> {
        let known = index < self.facts.layout.instrument_pages;
        known.then(|| PageReader::new(self.instrument_page_region(index)))
    }

    /// The writing side of the account's page.
    ///
    /// # Errors
    /// [`SegmentError::Maker`] or [`SegmentError::Taken`].
    pub fn account_page_writer(&self) -> Result<PageWriter, SegmentError> {
        self.only_maker("account page writer")?;
        self.take("account page writer")?;
        Ok(PageWriter::new(self.part(self.cut.account_page)))
    }

    /// The reading side of the account's page.
    #[must_use]
    pub fn account_page(&self) -> PageReader {
        PageReader::new(self.part(self.cut.account_page))
    }

    fn instrument_page_region(&self, index: usize) -> Region {
        self.part(self.cut.instrument_pages)
            .part(index * PAGE_LINES, PAGE_LINES)
    }

    /// The counters: the maker registers, everybody lists.
    #[must_use]
    pub fn counters(&self) -> &Counters {
        &self.counters
    }

    /// The histograms: the maker registers, everybody lists.
    #[must_use]
    pub fn histograms(&self) -> &Histograms {
        &self.histograms
    }
}
