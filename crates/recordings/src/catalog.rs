//! Which sessions a set of files holds.
//!
//! In: paths of files or folders. Out: sessions, joined across files where the first difference of
//! one continues the last of another (`pu == u` on futures, `U == u + 1` on spot), whatever the
//! names or days. Never: a guess from a name.

use crate::error::RecordingError;
use crate::format::{FileMessages, Format};
use crate::grid::Grids;
use crate::message::{Message, MessageKind};
use crate::session::{Part, Session, SessionFacts};
use market::Market;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// How to read.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Options {
    /// Count bad lines and what lies behind damage, and leave them out, instead of failing.
    pub skip_bad: bool,
}

/// What a set of files holds.
#[derive(Clone, Debug, Default)]
pub struct Catalog {
    /// Sessions by market and symbol, then by time.
    pub sessions: Vec<Session>,
    /// Files that are no recordings; only [`Catalog::discover`] accepts such.
    pub ignored: Vec<PathBuf>,
    /// Bad lines left out.
    pub skipped_lines: u64,
}

/// One instrument within one file.
struct Fragment {
    market: Market,
    symbol: String,
    facts: SessionFacts,
    grids: Grids,
    part: Part,
    /// First difference.
    first: Ids,
    /// `u` of the last difference.
    last_update_id: u64,
}

#[derive(Clone, Copy)]
struct Ids {
    first: u64,
    last: u64,
    previous: Option<u64>,
}

impl Ids {
    fn continues(self, update_id: u64) -> bool {
        match self.previous {
            Some(previous) => previous == update_id,
            None => update_id.checked_add(1) == Some(self.first),
        }
    }
}

impl Catalog {
    /// Reads exactly these files.
    ///
    /// # Errors
    /// [`RecordingError`] when one is missing, damaged, broken or no recording (damage and broken
    /// lines are counted instead with `skip_bad`), or when no file has a book difference.
    pub fn open(files: &[PathBuf], options: Options) -> Result<Self, RecordingError> {
        let mut catalog = Self::default();
        let mut fragments = Vec::new();
        for path in files {
            match Format::of(path)? {
                Some(format) => catalog.scan(path, format, options, &mut fragments)?,
                None => return Err(RecordingError::UnknownFormat { file: path.clone() }),
            }
        }
        catalog.sessions = join(fragments, options);
        if catalog.sessions.is_empty() {
            return Err(RecordingError::NoSession);
        }
        Ok(catalog)
    }

    /// Reads every recording under a folder, at any depth; other files are ignored and listed.
    ///
    /// # Errors
    /// As [`Catalog::open`], but a folder without a session is no error.
    pub fn discover(folder: &Path, options: Options) -> Result<Self, RecordingError> {
        let mut files = Vec::new();
        list(folder, &mut files)?;
        files.sort();
        let mut catalog = Self::default();
        let mut fragments = Vec::new();
        for path in files {
            match Format::of(&path)? {
                Some(format) => catalog.scan(&path, format, options, &mut fragments)?,
                None => catalog.ignored.push(path),
            }
        }
        catalog.sessions = join(fragments, options);
        Ok(catalog)
    }

    fn scan(
        &mut self,
        path: &Path,
        format: Format,
        options: Options,
        fragments: &mut Vec<Fragment>,
    ) -> Result<(), RecordingError> {
        let mut scan = FileScan::default();
        let mut messages = FileMessages::open(path, format, options)?;
        let mut bad_numbers = 0;
        for message in messages.by_ref() {
            let message = message?;
            if let Err(reason) = scan.note(&message) {
                if !options.skip_bad {
                    return Err(RecordingError::BadLine {
                        file: path.to_owned(),
                        line: message.line,
                        reason,
                    });
                }
                bad_numbers += 1;
            }
        }
        let skipped = messages.skipped + bad_numbers;
        self.skipped_lines += skipped;
        fragments.extend(scan.finish(path, format, skipped));
        Ok(())
    }
}

/// Everything noted about one file while it is read once.
#[derive(Default)]
struct FileScan {
    symbols: BTreeMap<String, SymbolScan>,
    /// Snapshots that do not say whose they are.
    unnamed: SymbolScan,
}

#[derive(Default)]
struct SymbolScan {
    facts: SessionFacts,
    grids: Grids,
    first: Option<Ids>,
    last_update_id: u64,
}

impl FileScan {
    fn note(&mut self, message: &Message) -> Result<(), String> {
        let scan = if message.symbol.is_empty() {
            &mut self.unnamed
        } else {
            if !self.symbols.contains_key(&message.symbol) {
                self.symbols
                    .insert(message.symbol.clone(), SymbolScan::default());
            }
            self.symbols
                .get_mut(&message.symbol)
                .expect("it was just inserted")
        };
        scan.note(message)
    }

    /// The instruments of the file that have book differences.
    fn finish(self, path: &Path, format: Format, skipped: u64) -> Vec<Fragment> {
        let with_book = |scan: &SymbolScan| scan.first.is_some();
        let alone = self.symbols.values().filter(|scan| with_book(scan)).count() == 1;
        let mut fragments = Vec::new();
        for (symbol, mut scan) in self.symbols {
            let Some(first) = scan.first else { continue };
            if alone {
                scan.absorb(&self.unnamed);
            }
            scan.facts.skipped_lines = skipped;
            fragments.push(Fragment {
                market: if first.previous.is_some() {
                    Market::UsdM
                } else {
                    Market::Spot
                },
                symbol,
                facts: scan.facts,
                grids: scan.grids,
                part: Part {
                    path: path.to_owned(),
                    format,
                    alone,
                },
                first,
                last_update_id: scan.last_update_id,
            });
        }
        fragments
    }
}

impl SymbolScan {
    fn note(&mut self, message: &Message) -> Result<(), String> {
        let payload = &message.payload;
        match message.kind {
            MessageKind::Depth {
                first,
                last,
                previous,
            } => {
                self.grids.note_levels(payload)?;
                let ids = Ids {
                    first,
                    last,
                    previous,
                };
                if self.first.is_none() {
                    self.first = Some(ids);
                } else if !ids.continues(self.last_update_id) {
                    self.facts.gaps += 1;
                }
                self.last_update_id = ids.last;
                self.facts.depths += 1;
            }
            MessageKind::Snapshot { .. } => {
                self.grids.note_levels(payload)?;
                self.facts.snapshots += 1;
            }
            MessageKind::BookTicker { .. } => {
                self.grids.note_ticker(payload)?;
                self.facts.tickers += 1;
            }
            MessageKind::Trade | MessageKind::AggTrade => {
                self.grids.note_trade(payload)?;
                self.facts.trades += 1;
            }
            MessageKind::MarkPrice => self.facts.marks += 1,
            MessageKind::Other => {}
        }
        if self.facts.messages == 0 {
            self.facts.first_ns = message.receive_ns;
        }
        self.facts.messages += 1;
        self.facts.last_ns = message.receive_ns;
        Ok(())
    }

    /// Adds the facts and grids of the unnamed snapshots.
    fn absorb(&mut self, other: &Self) {
        self.facts.absorb(&other.facts);
        self.grids.price.absorb(&other.grids.price);
        self.grids.quantity.absorb(&other.grids.quantity);
    }
}

impl SessionFacts {
    fn absorb(&mut self, other: &Self) {
        if other.messages == 0 {
            return;
        }
        self.messages += other.messages;
        self.depths += other.depths;
        self.tickers += other.tickers;
        self.trades += other.trades;
        self.marks += other.marks;
        self.snapshots += other.snapshots;
        self.gaps += other.gaps;
        self.skipped_lines += other.skipped_lines;
        self.first_ns = self.first_ns.min(other.first_ns);
        self.last_ns = self.last_ns.max(other.last_ns);
    }
}

/// Joins fragments into sessions.
fn join(mut fragments: Vec<Fragment>, options: Options) -> Vec<Session> {
    fragments.sort_by(|left, right| {
        let key = |one: &Fragment| (one.market, one.first.last);
        left.symbol
            .cmp(&right.symbol)
            .then(key(left).cmp(&key(right)))
    });
    let mut sessions: Vec<(Session, u64)> = Vec::new();
    for fragment in fragments {
        let predecessor = sessions.iter_mut().find(|(session, last_update_id)| {
            session.market == fragment.market
                && session.symbol == fragment.symbol
                && fragment.first.continues(*last_update_id)
        });
        if let Some((session, last_update_id)) = predecessor {
            session.parts.push(fragment.part);
            session.facts.absorb(&fragment.facts);
            session.grids.price.absorb(&fragment.grids.price);
            session.grids.quantity.absorb(&fragment.grids.quantity);
            *last_update_id = fragment.last_update_id;
        } else {
            let session = Session {
                market: fragment.market,
                symbol: fragment.symbol,
                facts: fragment.facts,
                parts: vec![fragment.part],
                grids: fragment.grids,
                options,
            };
            sessions.push((session, fragment.last_update_id));
        }
    }
    sessions.into_iter().map(|(session, _)| session).collect()
}

fn list(folder: &Path, files: &mut Vec<PathBuf>) -> Result<(), RecordingError> {
    let open = |source| RecordingError::Open {
        file: folder.to_owned(),
        source,
    };
    if folder.is_file() {
        files.push(folder.to_owned());
        return Ok(());
    }
    for entry in std::fs::read_dir(folder).map_err(open)? {
        let path = entry.map_err(open)?.path();
        if path.is_dir() {
            list(&path, files)?;
        } else if path.is_file() {
            files.push(path);
        }
    }
    Ok(())
}
