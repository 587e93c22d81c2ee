//! One recorded session through the decoders and the book, judged after every message.
//!
//! In: a session. Out: counts of comparisons, mismatches and skips. Never: a recorded number that
//! is left out without being counted.

use super::model::Model;
use super::reference;
use binance::decode::{decode_book_ticker, decode_depth, decode_snapshot};
use engine::book::{Book, BookConfig, SignalInvalid};
use engine::event::SnapshotBegin;
use market::{
    BookState, BookTicker, Instrument, InstrumentId, Instruments, Level, MonoNs, Price, Quantity,
    Side,
};
use recordings::{Message, MessageKind, Session};
use serde_json::{Value, json};
use std::collections::BTreeMap;

/// Levels of a side that are compared after every event.
const DEPTH: usize = 20;

/// Levels of the sums.
const SUM: usize = 5;

/// Mismatches that are told one by one.
const TOLD_MAX: usize = 5;

type Top = (Level, Level);

/// What a session's replay found.
#[derive(Debug, Default)]
pub struct Findings {
    /// Tickers compared with the book of the same update id, within the known range.
    pub comparisons: u64,
    /// Likewise, with a best level beyond the known range.
    pub comparisons_beyond_known: u64,
    /// Everything that did not agree.
    pub mismatches: u64,
    /// Tickers without a difference of the same update id.
    pub tickers_without_counterpart: u64,
    /// Differences before the book was synced, or while it was stale.
    pub events_unsynced: u64,
    /// Differences after which the book was compared with the model.
    pub events_compared: u64,
    /// Levels compared with the model.
    pub levels_compared: u64,
    /// Sums compared with the model.
    pub sums_compared: u64,
    /// Sums refused because they leave the known range.
    pub sums_refused_edge: u64,
    /// Messages after which the fused top was compared with the newest stream.
    pub fused_compared: u64,
    /// Gaps that the book found.
    pub gaps: u64,
    /// Snapshots merged under the running book.
    pub refreshes: u64,
    /// The first mismatches, in words.
    pub told: Vec<String>,
}

/// A session under replay.
pub struct Replay {
    instrument: Instrument,
    plain: Book,
    fused: Book,
    model: Model,
    levels: Vec<Level>,
    /// Tops of the plain book by update id, with whether they were known.
    tops: BTreeMap<u64, (Top, bool)>,
    /// Tickers that no difference has met yet, with their number.
    tickers: BTreeMap<u64, (Top, u64)>,
    newest_ticker: Option<BookTicker>,
    /// What was found.
    pub findings: Findings,
}

impl Replay {
    /// Replays a whole session.
    ///
    /// # Panics
    /// When a message cannot be read.
    #[must_use]
    pub fn of(session: &Session) -> Self {
        let instrument = session
            .instrument(InstrumentId(0))
            .expect("the symbol fits");
        let config = |fusion| BookConfig {
            fusion,
            held_updates_max: 8_192,
            held_levels_max: 1 << 20,
            ..BookConfig::default()
        };
        let book = |fusion| Book::new(&config(fusion), instrument.id, instrument.market);
        let mut replay = Self {
            instrument,
            plain: book(false),
            fused: book(true),
            model: Model::new(instrument.market),
            levels: vec![Level::default(); 1 << 14],
            tops: BTreeMap::new(),
            tickers: BTreeMap::new(),
            newest_ticker: None,
            findings: Findings::default(),
        };
        for message in session.messages() {
            replay.take(&message.expect("the recording was read once already"));
        }
        let met = replay.findings.comparisons + replay.findings.comparisons_beyond_known;
        replay.findings.tickers_without_counterpart = session.facts.tickers.saturating_sub(met);
        let stats = replay.plain.stats();
        (replay.findings.gaps, replay.findings.refreshes) = (stats.gaps, stats.refreshes);
        replay
    }

    fn take(&mut self, message: &Message) {
        let now = MonoNs(message.receive_ns.unsigned_abs());
        match message.kind {
            MessageKind::Depth { .. } => self.depth(message, now),
            MessageKind::BookTicker { .. } => self.ticker(message, now),
            MessageKind::Snapshot { .. } => self.snapshot(message, now),
            _ => {}
        }
    }

    fn depth(&mut self, message: &Message, now: MonoNs) {
        let reference = reference::depth(&message.payload, &self.instrument)
            .unwrap_or_else(|| panic!("line {} is a difference", message.line));
        let table = [self.instrument];
        let market = self.instrument.market;
        let mut levels = std::mem::take(&mut self.levels);
        let update = decode_depth(&message.payload, &Instruments(&table), market, &mut levels)
            .unwrap_or_else(|error| panic!("line {}: {error}", message.line));
        self.plain.apply(&update, now);
        self.fused.apply(&update, now);
        self.levels = levels;
        self.model.apply(&reference);
        self.judge(message);
        self.judge_fused(message);
        if self.plain.state() == BookState::Synced {
            self.note_top(reference.last, message);
        }
    }

    fn ticker(&mut self, message: &Message, now: MonoNs) {
        let table = [self.instrument];
        let market = self.instrument.market;
        let ticker = decode_book_ticker(&message.payload, &Instruments(&table), market)
            .unwrap_or_else(|error| panic!("line {}: {error}", message.line));
        let before = (self.plain.best_bid(), self.plain.best_ask());
        self.plain.apply_ticker(&ticker, now);
        let after = (self.plain.best_bid(), self.plain.best_ask());
        self.check(before == after, message, || {
            "fusion is off, but a ticker moved the top".into()
        });
        self.fused.apply_ticker(&ticker, now);
        let newer = |old: &BookTicker| ticker.update_id > old.update_id;
        if self.newest_ticker.as_ref().is_none_or(newer) {
            self.newest_ticker = Some(ticker);
        }
        self.judge_fused(message);
        let id = ticker.update_id.0;
        let top = (ticker.bid, ticker.ask);
        match self.tops.get(&id) {
            Some((book, known)) => self.compare(top, *book, *known, 1, message),
            None => self.tickers.entry(id).or_insert((top, 0)).1 += 1,
        }
    }

    fn snapshot(&mut self, message: &Message, now: MonoNs) {
        let reference = reference::snapshot(&message.payload, &self.instrument)
            .unwrap_or_else(|| panic!("line {} is a snapshot", message.line));
        let instrument = self.instrument;
        let snapshot = decode_snapshot(&message.payload, &instrument)
            .unwrap_or_else(|error| panic!("line {}: {error}", message.line));
        let begin = SnapshotBegin {
            instrument: instrument.id,
            last_update_id: snapshot.header().last_update_id,
            complete: false,
        };
        for book in [&mut self.plain, &mut self.fused] {
            book.snapshot_begin(&begin, now);
            for side in [Side::Buy, Side::Sell] {
                let mut runs = snapshot.runs(side);
                let mut buffer = [Level::default(); 512];
                loop {
                    let run = runs.next_run(&mut buffer);
                    if run.is_empty() {
                        break;
                    }
                    book.snapshot_levels(side, run);
                }
            }
            book.snapshot_end(now);
        }
        self.model.snapshot(reference);
        self.judge(message);
    }

    /// The plain book equals the model, level by level and sum by sum.
    fn judge(&mut self, message: &Message) {
        if self.plain.state() != BookState::Synced {
            self.findings.events_unsynced += 1;
            return;
        }
        self.check(self.model.synced, message, || {
            "the model is not synced".into()
        });
        self.findings.events_compared += 1;
        let mut sums = [None; 2];
        for (index, side) in [Side::Buy, Side::Sell].into_iter().enumerate() {
            let is_bid = side == Side::Buy;
            let model = self.model.levels(is_bid, DEPTH);
            let seen = self.plain.best_seen(side).map(plain);
            self.check(seen == model.first().copied(), message, || {
                format!("best {side} {seen:?}, the model has {:?}", model.first())
            });
            let edge = self
                .plain
                .edge(side)
                .expect("recorded snapshots are never complete");
            let model_known = self.model.known;
            self.check(self.model.knows(is_bid, edge.0), message, || {
                format!("{side} claims to know up to {edge:?}, the model {model_known:?}")
            });
            let within = |price: i64| {
                if is_bid {
                    price >= edge.0
                } else {
                    price <= edge.0
                }
            };
            let known: Vec<_> = model
                .iter()
                .copied()
                .take_while(|level| within(level.0))
                .collect();
            let book: Vec<_> = self.plain.levels(side).take(DEPTH).map(plain).collect();
            self.findings.levels_compared += known.len() as u64;
            self.check(book == known, message, || {
                format!("{side} levels {book:?}, the model has {known:?}")
            });
            let top = known.get(..SUM);
            sums[index] = top.map(|levels| Quantity(levels.iter().map(|level| level.1).sum()));
        }
        self.judge_sum(sums, message);
    }

    fn judge_sum(&mut self, sums: [Option<Quantity>; 2], message: &Message) {
        let found = self.plain.imbalance(SUM);
        let agrees = match (found, sums) {
            (Ok(found), [Some(bid), Some(ask)]) => {
                self.findings.sums_compared += 1;
                (found.bid, found.ask) == (bid, ask)
            }
            (Err(SignalInvalid::Edge), [None, _] | [_, None]) => {
                self.findings.sums_refused_edge += 1;
                true
            }
            _ => false,
        };
        self.check(agrees, message, || {
            format!("sums {found:?}, the model has {sums:?}")
        });
    }

    /// The fused top is the newest that any stream has said, and never crossed.
    fn judge_fused(&mut self, message: &Message) {
        let same = self.fused.state() == self.plain.state();
        self.check(same, message, || "fusion changed the state".into());
        if self.fused.state() != BookState::Synced {
            // What the book missed while it was not usable is not its newest.
            self.newest_ticker = None;
            return;
        }
        self.findings.fused_compared += 1;
        let newest = self
            .newest_ticker
            .filter(|one| one.update_id > self.plain.update_id());
        let expected = match newest {
            Some(ticker) => (Some(ticker.bid), Some(ticker.ask)),
            None => (self.plain.best_bid(), self.plain.best_ask()),
        };
        let found = (self.fused.best_bid(), self.fused.best_ask());
        self.check(found == expected, message, || {
            format!("fused top {found:?}, the newest stream says {expected:?}")
        });
        let bids: Vec<Price> = self
            .fused
            .levels(Side::Buy)
            .take(SUM)
            .map(|one| one.price)
            .collect();
        let asks: Vec<Price> = self
            .fused
            .levels(Side::Sell)
            .take(SUM)
            .map(|one| one.price)
            .collect();
        let ordered = bids.is_sorted_by(|left, right| left > right)
            && asks.is_sorted_by(|left, right| left < right)
            && (bids.first() < asks.first() || asks.is_empty());
        self.check(ordered, message, || {
            format!("fused levels {bids:?} {asks:?}")
        });
    }

    fn note_top(&mut self, id: u64, message: &Message) {
        let seen = (
            self.plain.best_seen(Side::Buy),
            self.plain.best_seen(Side::Sell),
        );
        let (Some(bid), Some(ask)) = seen else { return };
        let known = self.plain.best_bid().is_some() && self.plain.best_ask().is_some();
        if let Some((ticker, count)) = self.tickers.remove(&id) {
            self.compare(ticker, (bid, ask), known, count, message);
        }
        self.tops.insert(id, ((bid, ask), known));
    }

    fn compare(&mut self, ticker: Top, book: Top, known: bool, count: u64, message: &Message) {
        if known {
            self.findings.comparisons += count;
        } else {
            self.findings.comparisons_beyond_known += count;
        }
        self.check(ticker == book, message, || {
            format!("ticker {ticker:?}, book {book:?}")
        });
    }

    fn check(&mut self, holds: bool, message: &Message, what: impl FnOnce() -> String) {
        if holds {
            return;
        }
        self.findings.mismatches += 1;
        if self.findings.told.len() < TOLD_MAX {
            let told = format!("line {}: {}", message.line, what());
            self.findings.told.push(told);
        }
    }
}

impl Findings {
    /// As the evidence file has it.
    #[must_use]
    pub fn to_json(&self, session: &Session) -> Value {
        json!({
            "market": session.market.as_str(),
            "symbol": session.symbol,
            "files": session.files().map(|file| file.display().to_string()).collect::<Vec<_>>(),
            "tick": session.tick().to_f64(),
            "lot": session.lot().to_f64(),
            "messages": session.facts.messages,
            "depths": session.facts.depths,
            "tickers": session.facts.tickers,
            "snapshots": session.facts.snapshots,
            "comparisons": self.comparisons,
            "comparisons_beyond_known_range": self.comparisons_beyond_known,
            "mismatches": self.mismatches,
            "skips": {
                "tickers_without_counterpart": self.tickers_without_counterpart,
                "events_unsynced": self.events_unsynced,
                "sums_beyond_known_range": self.sums_refused_edge,
                "bad_lines": session.facts.skipped_lines,
            },
            "events_compared_with_model": self.events_compared,
            "levels_compared_with_model": self.levels_compared,
            "sums_compared_with_model": self.sums_compared,
            "fused_tops_compared": self.fused_compared,
            "gaps": self.gaps,
            "refreshes": self.refreshes,
            "told": self.told,
        })
    }
}

fn plain(level: Level) -> (i64, i64) {
    (level.price.0, level.quantity.0)
}
