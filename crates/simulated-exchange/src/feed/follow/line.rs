//! One followed instrument: each frame once, the book without a gap.
//!
//! In: frames in the order of their connections, snapshots, broken connections. Out: what goes on
//! to the floor, and whether a snapshot is wanted. Never: I/O, a clock, a difference that does not
//! follow the one before.
//!
//! ```text
//! waiting   differences are kept; a snapshot that they continue makes it live
//! live      a difference that follows goes on; one that is old is dropped; one that does not
//!           follow is a gap: the book is lost, and it waits again
//! ```

use market::{AggTrade, Market, Trade, TradeId};

use super::relay::{Frame, Meaning, Relay};
use crate::feed::{DepthChange, StartBook};

/// Differences that may wait for a snapshot: a minute of the fastest stream, and more.
const KEPT_MAX: usize = 2_000;

/// Counts of what went wrong and right.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct LineCounts {
    /// Frames that went on.
    pub frames: u64,
    /// Frames that had come before.
    pub repeated: u64,
    /// Differences that were missing.
    pub gaps: u64,
    /// Snapshots that were taken.
    pub snapshots: u64,
}

/// An instrument.
#[derive(Clone, Debug)]
pub struct Line {
    market: Market,
    /// Version of the book; nothing while it waits for a snapshot.
    last: Option<u64>,
    /// No difference has come since the snapshot: the next may begin before it.
    bridging: bool,
    kept: Vec<(DepthChange, Vec<u8>)>,
    last_ticker: u64,
    last_trade: u64,
    last_aggregate: u64,
    last_mark: u64,
    /// The newest trade whose volume went on.
    traded: u64,
    counts: LineCounts,
}

impl Line {
    /// An instrument that waits for its first snapshot.
    #[must_use]
    pub fn new(market: Market) -> Self {
        Self {
            market,
            last: None,
            bridging: false,
            kept: Vec::new(),
            last_ticker: 0,
            last_trade: 0,
            last_aggregate: 0,
            last_mark: 0,
            traded: 0,
            counts: LineCounts::default(),
        }
    }

    /// True while its book is known.
    #[must_use]
    pub const fn is_live(&self) -> bool {
        self.last.is_some()
    }

    /// What has happened to it.
    #[must_use]
    pub const fn counts(&self) -> LineCounts {
        self.counts
    }

    /// Takes a frame. True when a snapshot is wanted.
    pub fn frame(&mut self, text: Vec<u8>, meaning: Meaning, out: &mut Vec<Relay>) -> bool {
        let meaning = match meaning {
            Meaning::Depth(change) => return self.depth(change, text, out),
            Meaning::Ticker(_) if self.last.is_none() => return false,
            Meaning::Ticker(ticker) => {
                let fresh = newer(&mut self.last_ticker, ticker.update_id.0);
                fresh.then_some(Meaning::Ticker(ticker))
            }
            Meaning::Trade(trade, _) => {
                let fresh = newer(&mut self.last_trade, trade.trade_id.0);
                let counts = fresh && newer(&mut self.traded, trade.trade_id.0);
                fresh.then_some(Meaning::Trade(trade, counts))
            }
            Meaning::Aggregate(aggregate, _) => {
                let fresh = newer(&mut self.last_aggregate, aggregate.aggregate_id.0);
                fresh.then(|| self.aggregate(aggregate))
            }
            Meaning::Mark(mark) => {
                let fresh = newer(&mut self.last_mark, mark.event_time.0.unsigned_abs());
                fresh.then_some(Meaning::Mark(mark))
            }
        };
        match meaning {
            Some(meaning) => self.pass(text, meaning, out),
            None => self.counts.repeated += 1,
        }
        false
    }

    /// An aggregate of which no trade has come is one itself: `trade` is undocumented on futures,
    /// and may be silent one day.
    fn aggregate(&mut self, aggregate: AggTrade) -> Meaning {
        let unseen = aggregate.first_trade_id.0 > self.traded;
        if !unseen {
            return Meaning::Aggregate(aggregate, None);
        }
        self.traded = aggregate.last_trade_id.0;
        let trade = Trade {
            instrument: aggregate.instrument,
            trade_id: TradeId(aggregate.last_trade_id.0),
            price: aggregate.price,
            quantity: aggregate.quantity,
            aggressor: aggregate.aggressor,
            from_book: true,
            transaction_time: aggregate.transaction_time,
            event_time: aggregate.event_time,
        };
        Meaning::Aggregate(aggregate, Some(trade))
    }

    fn depth(&mut self, change: DepthChange, text: Vec<u8>, out: &mut Vec<Relay>) -> bool {
        let Some(last) = self.last else {
            if self.kept.len() == KEPT_MAX {
                // No snapshot comes: what is kept would never be continued by one.
                self.kept.clear();
            }
            self.kept.push((change, text));
            return false;
        };
        let header = change.header;
        if header.last_update_id.0 <= last {
            self.counts.repeated += 1;
            return false;
        }
        if !self.follows(&change, last) {
            self.counts.gaps += 1;
            self.lose(out);
            self.kept.push((change, text));
            return true;
        }
        self.last = Some(header.last_update_id.0);
        self.bridging = false;
        self.pass(text, Meaning::Depth(change), out);
        false
    }

    /// binance.md 3.3: futures name their predecessor, spot counts on.
    fn follows(&self, change: &DepthChange, last: u64) -> bool {
        let header = &change.header;
        if self.bridging {
            return header.first_update_id.0 <= last + 1 || header.previous_update_id.0 == last;
        }
        match self.market {
            Market::UsdM => header.previous_update_id.0 == last,
            Market::Spot => header.first_update_id.0 == last + 1,
        }
    }

    fn pass(&mut self, text: Vec<u8>, meaning: Meaning, out: &mut Vec<Relay>) {
        self.counts.frames += 1;
        out.push(Relay::Frame(Frame { text, meaning }));
    }

    /// Its connection is gone, or its frames cannot be read: the book is not known any more.
    pub fn lose(&mut self, out: &mut Vec<Relay>) {
        self.kept.clear();
        if self.last.take().is_some() {
            out.push(Relay::Lost);
        }
    }

    /// Takes a snapshot. False when it is older than the kept differences: another one is wanted.
    pub fn snapshot(&mut self, book: StartBook, out: &mut Vec<Relay>) -> bool {
        if self.last.is_some() {
            return true;
        }
        let last = book.last_update_id.0;
        let mut kept = std::mem::take(&mut self.kept);
        kept.retain(|(change, _)| change.header.last_update_id.0 > last);
        self.bridging = true;
        if kept
            .first()
            .is_some_and(|(change, _)| !self.follows(change, last))
        {
            self.kept = kept;
            return false;
        }
        self.counts.snapshots += 1;
        self.last = Some(last);
        // A ticker from before the snapshot would take the book back.
        self.last_ticker = self.last_ticker.max(last);
        out.push(Relay::Book(book));
        let mut sound = true;
        for (change, text) in kept {
            // A gap among the kept ones: what is behind it waits for the next snapshot.
            sound &= !self.depth(change, text, out);
        }
        sound
    }
}

/// Raises a mark; false when it stands there already.
fn newer(mark: &mut u64, id: u64) -> bool {
    let fresh = id > *mark;
    *mark = id.max(*mark);
    fresh
}

#[cfg(test)]
mod tests {
    use super::*;
    use market::event::DepthHeader;
    use market::{InstrumentId, Price, Quantity, Side, UpdateId, UtcMs};

    fn change(first: u64, last: u64, previous: u64) -> Meaning {
        Meaning::Depth(DepthChange {
            header: DepthHeader {
                instrument: InstrumentId(0),
                first_update_id: UpdateId(first),
                last_update_id: UpdateId(last),
                previous_update_id: UpdateId(previous),
                event_time: UtcMs(0),
                transaction_time: UtcMs(0),
            },
            bids: Vec::new(),
            asks: Vec::new(),
        })
    }

    fn book(last: u64) -> StartBook {
        StartBook {
            last_update_id: UpdateId(last),
            ..StartBook::default()
        }
    }

    /// `L` lost, `B7` a book, `7` a frame.
    fn told(out: &[Relay]) -> Vec<String> {
        let name = |one: &Relay| match one {
            Relay::Lost => "L".to_owned(),
            Relay::Book(book) => format!("B{}", book.last_update_id.0),
            Relay::Frame(frame) => frame.meaning.id().to_string(),
        };
        out.iter().map(name).collect()
    }

    #[test]
    fn a_snapshot_is_continued_by_what_was_kept() {
        let (mut line, mut out) = (Line::new(Market::UsdM), Vec::new());
        for (first, last, previous) in [(1, 4, 0), (5, 9, 4), (12, 15, 9)] {
            assert!(!line.frame(Vec::new(), change(first, last, previous), &mut out));
        }
        assert!(line.snapshot(book(7), &mut out));
        assert_eq!(told(&out), ["B7", "9", "15"]);
        assert!(line.is_live());
    }

    #[test]
    fn a_snapshot_from_before_the_kept_ones_is_refused() {
        let (mut line, mut out) = (Line::new(Market::Spot), Vec::new());
        line.frame(Vec::new(), change(20, 24, 0), &mut out);
        assert!(!line.snapshot(book(18), &mut out));
        assert!(out.is_empty() && !line.is_live());
        assert!(line.snapshot(book(22), &mut out));
        assert_eq!(told(&out), ["B22", "24"]);
    }

    #[test]
    fn a_gap_loses_the_book_until_a_snapshot_and_wants_one_once() {
        for market in [Market::UsdM, Market::Spot] {
            let (mut line, mut out) = (Line::new(market), Vec::new());
            assert!(line.snapshot(book(4), &mut out));
            assert!(!line.frame(Vec::new(), change(5, 6, 4), &mut out));
            assert!(!line.frame(Vec::new(), change(5, 6, 4), &mut out), "again");
            assert!(line.frame(Vec::new(), change(9, 10, 8), &mut out), "a gap");
            assert!(!line.frame(Vec::new(), change(11, 12, 10), &mut out));
            assert!(line.snapshot(book(9), &mut out));
            assert_eq!(told(&out), ["B4", "6", "L", "B9", "10", "12"], "{market}");
            assert_eq!((line.counts().gaps, line.counts().repeated), (1, 1));
        }
    }

    #[test]
    fn a_gap_among_the_kept_ones_wants_another_snapshot() {
        let (mut line, mut out) = (Line::new(Market::UsdM), Vec::new());
        line.frame(Vec::new(), change(5, 6, 4), &mut out);
        line.frame(Vec::new(), change(9, 10, 8), &mut out);
        assert!(!line.snapshot(book(5), &mut out));
        assert_eq!(told(&out), ["B5", "6", "L"]);
        assert!(line.snapshot(book(9), &mut out));
        assert_eq!(told(&out)[3..], ["B9", "10"]);
    }

    #[test]
    fn the_volume_of_a_trade_counts_once_whoever_brings_it() {
        let trade = |id| Trade {
            instrument: InstrumentId(0),
            trade_id: TradeId(id),
            price: Price(1),
            quantity: Quantity(2),
            aggressor: Side::Buy,
            from_book: true,
            transaction_time: UtcMs(0),
            event_time: UtcMs(0),
        };
        let aggregate = |id, first, last| AggTrade {
            instrument: InstrumentId(0),
            aggregate_id: TradeId(id),
            first_trade_id: TradeId(first),
            last_trade_id: TradeId(last),
            price: Price(1),
            quantity: Quantity(4),
            aggressor: Side::Buy,
            transaction_time: UtcMs(0),
            event_time: UtcMs(0),
        };
        let (mut line, mut out) = (Line::new(Market::UsdM), Vec::new());
        line.frame(Vec::new(), Meaning::Trade(trade(7), true), &mut out);
        line.frame(
            Vec::new(),
            Meaning::Aggregate(aggregate(1, 7, 7), None),
            &mut out,
        );
        // Its trades do not come.
        line.frame(
            Vec::new(),
            Meaning::Aggregate(aggregate(2, 8, 9), None),
            &mut out,
        );
        // They come late.
        line.frame(Vec::new(), Meaning::Trade(trade(8), true), &mut out);
        line.frame(Vec::new(), Meaning::Trade(trade(10), true), &mut out);
        let volumes: Vec<i64> = out
            .iter()
            .map(|one| match one {
                Relay::Frame(frame) => match &frame.meaning {
                    Meaning::Trade(trade, true) => trade.quantity.0,
                    Meaning::Aggregate(_, Some(trade)) => trade.quantity.0,
                    _ => 0,
                },
                _ => -1,
            })
            .collect();
        assert_eq!(volumes, [2, 0, 4, 0, 2]);
    }
}
