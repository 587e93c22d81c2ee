//! The book under hostile streams: gaps, duplicates, rewinds, crosses, far levels, old and new
//! snapshots, tickers of any age, markets that jump, windows that settle at any time.
//!
//! In: seeds. Out: whenever a book says that it is usable, what it shows is the truth of the version
//! that it names. Never: a run that cannot be repeated; the seed stands in every message.

use crate::exchange::{Difference, Exchange, Listing, Random};
use engine::book::{Book, BookConfig, SignalInvalid};
use engine::event::SnapshotBegin;
use market::{
    BookState, BookTicker, InstrumentId, Level, Market, MonoNs, Price, Quantity, Side, UpdateId,
};

/// Runs, where `PROPTEST_CASES` does not say how many.
const RUNS: u64 = 60;
const STEPS: usize = 400;
const STEP_NS: u64 = 50_000_000;

/// A book between an exchange and a bad line.
struct Line {
    seed: u64,
    random: Random,
    exchange: Exchange,
    book: Book,
    config: BookConfig,
    market: Market,
    now: MonoNs,
    /// A snapshot that was asked for, and the step at which it is answered.
    answer_at: Option<usize>,
    sent: Vec<Difference>,
    tickers: Vec<BookTicker>,
    synced: u64,
}

#[test]
fn a_usable_book_always_shows_the_truth_of_its_version() {
    let mut synced = 0;
    let mut refreshes = 0;
    let mut dropped = 0;
    let runs = runs();
    for seed in 0..runs {
        let mut line = Line::new(seed);
        for step in 0..STEPS {
            line.step(step);
        }
        line.recovers();
        synced += line.synced;
        let stats = line.book.stats();
        refreshes += stats.refreshes;
        dropped += stats.far_dropped;
        assert_eq!(stats.tickers_unequal, 0, "seed {seed}");
    }
    // The runs have met what they are about.
    assert!(
        synced > runs * STEPS as u64 / 3,
        "{synced} steps with a usable book"
    );
    assert!(
        refreshes > runs && dropped > runs,
        "{refreshes} refreshes, {dropped} dropped"
    );
}

fn runs() -> u64 {
    let asked = std::env::var("PROPTEST_CASES");
    asked.map_or(RUNS, |text| text.parse().expect("a number of runs"))
}

impl Line {
    fn new(seed: u64) -> Self {
        let market = if seed.is_multiple_of(2) {
            Market::UsdM
        } else {
            Market::Spot
        };
        let config = BookConfig {
            window_ticks: 256,
            far_levels_max: if seed.is_multiple_of(3) { 6 } else { 4_096 },
            held_updates_max: if seed.is_multiple_of(5) { 4 } else { 64 },
            held_levels_max: 512,
            fusion: seed % 4 < 2,
            snapshot_retry_ns: 20 * STEP_NS,
            refresh_interval_ns: 4 * STEP_NS,
        };
        Self {
            seed,
            random: Random(seed),
            exchange: Exchange::new(market),
            book: Book::new(&config, InstrumentId(0), market),
            config,
            market,
            now: MonoNs(1),
            answer_at: None,
            sent: Vec::new(),
            tickers: Vec::new(),
            synced: 0,
        }
    }

    fn step(&mut self, step: usize) {
        self.now = self.now.after(STEP_NS);
        for _ in 0..1 + self.random.below(6) {
            self.exchange.change(&mut self.random);
            if self.random.once_in(300) {
                self.exchange.jump(&mut self.random);
            }
            if self.random.once_in(3) {
                self.tickers.push(self.exchange.ticker());
            }
        }
        if self.random.once_in(2) {
            self.send_ticker();
        }
        if self.random.once_in(2) {
            self.book.settle();
            self.judge();
        }
        if self.exchange.has_news() {
            let difference = self.exchange.difference(&mut self.random);
            self.deliver(&difference, step);
            self.sent.push(difference);
        }
        if self.random.once_in(2) {
            self.send_ticker();
        }
        if self.answer_at.is_some_and(|due| due <= step) {
            self.answer_at = None;
            self.answer();
        }
        if self.random.once_in(40) {
            self.reload();
        }
    }

    /// Delivers a difference, or something worse.
    fn deliver(&mut self, difference: &Difference, step: usize) {
        let usable = self.book.state() == BookState::Synced;
        match self.random.below(60) {
            0 => {}
            1 => {
                self.apply(difference, step);
                self.apply(difference, step);
            }
            2 => {
                if let Some(old) = self
                    .sent
                    .iter()
                    .rev()
                    .nth(1 + self.random.below(3))
                    .cloned()
                {
                    // One that was applied last is a duplicate, not a rewind.
                    let rewinds = usable && old.header.last_update_id < self.book.update_id();
                    self.apply(&old, step);
                    let broke = self.book.state() == BookState::Stale;
                    assert!(broke || !rewinds, "seed {}", self.seed);
                }
                self.apply(difference, step);
            }
            3 => {
                let mut crossing = difference.clone();
                let best = self
                    .exchange
                    .truth(self.exchange.version(), Side::Sell, None)[0];
                crossing.bids.push(Level {
                    price: best.price,
                    quantity: Quantity(1),
                });
                let known = self.book.best_ask().is_some() && !self.config.fusion;
                self.apply_unchecked(&crossing, step);
                let stale = self.book.state() == BookState::Stale;
                assert!(
                    stale || !usable || !known || self.edge_hides(best),
                    "seed {}",
                    self.seed
                );
                self.book.invalidate(market::reason::BookReason::ParseError);
            }
            4 => {
                self.book
                    .invalidate(market::reason::BookReason::Disconnected);
                assert_ne!(self.book.state(), BookState::Synced, "seed {}", self.seed);
                assert_eq!(self.book.best_bid(), None);
                self.apply(difference, step);
            }
            _ => self.apply(difference, step),
        }
        self.judge();
    }

    /// A best ask, or a bid at its price, beyond what the book knows cannot be seen to cross.
    fn edge_hides(&self, best: Level) -> bool {
        let ask_edge = self.book.edge(Side::Sell);
        let bid_edge = self.book.edge(Side::Buy);
        ask_edge.is_some_and(|edge| best.price > edge)
            || bid_edge.is_some_and(|edge| best.price < edge)
    }

    fn apply(&mut self, difference: &Difference, step: usize) {
        self.apply_unchecked(difference, step);
        self.judge();
    }

    fn apply_unchecked(&mut self, difference: &Difference, step: usize) {
        let change = self.book.apply(&difference.update(), self.now);
        if change.wants_snapshot && !self.random.once_in(10) {
            self.answer_at = Some(step + self.random.below(4));
        }
    }

    fn send_ticker(&mut self) {
        if self.tickers.is_empty() {
            return;
        }
        let back = self.random.below(3).min(self.tickers.len() - 1);
        let mut ticker = self.tickers[self.tickers.len() - 1 - back];
        if self.random.once_in(20) {
            // Nonsense from the future must not be shown.
            ticker.update_id = UpdateId(u64::MAX);
            ticker.ask.price = ticker.bid.price;
        }
        self.book.apply_ticker(&ticker, self.now);
        self.judge();
    }

    fn answer(&mut self) {
        let version = match self.random.below(8) {
            // Older than what is held, or than the book.
            0 => self.exchange.version().saturating_sub(300).max(1_000),
            _ => self.exchange.version(),
        };
        let limit = [8, 20, 1_000][self.random.below(3)];
        let listing = self.exchange.listing(version, limit);
        self.load_listing(&listing);
    }

    fn load_listing(&mut self, listing: &Listing) {
        let begin = SnapshotBegin {
            instrument: InstrumentId(0),
            last_update_id: UpdateId(listing.update_id),
            complete: listing.complete,
        };
        self.book.snapshot_begin(&begin, self.now);
        self.judge();
        for (side, levels) in [(Side::Buy, &listing.bids), (Side::Sell, &listing.asks)] {
            for run in levels.chunks(7) {
                self.book.snapshot_levels(side, run);
                self.judge();
            }
        }
        let change = self.book.snapshot_end(self.now);
        if change.wants_snapshot {
            self.answer_at = Some(0);
        }
        self.judge();
    }

    /// Saving and loading gives the same book, to the byte.
    fn reload(&mut self) {
        let mut saved = Vec::new();
        self.book.save(&mut saved);
        let mut book = Book::new(&self.config, InstrumentId(0), self.market);
        assert_eq!(book.load(&saved), Ok(saved.len()), "seed {}", self.seed);
        let mut again = Vec::new();
        book.save(&mut again);
        assert!(saved == again, "seed {}", self.seed);
        let cut = self.random.below(saved.len());
        let mut other = Book::new(&self.config, InstrumentId(0), self.market);
        assert!(other.load(&saved[..cut]).is_err(), "seed {}", self.seed);
        self.book = book;
    }

    /// What a usable book shows is true.
    fn judge(&mut self) {
        let seed = self.seed;
        if self.book.state() != BookState::Synced {
            assert_eq!(
                (self.book.best_bid(), self.book.best_ask()),
                (None, None),
                "seed {seed}"
            );
            assert_eq!(self.book.levels(Side::Buy).count(), 0, "seed {seed}");
            assert!(matches!(
                self.book.imbalance(3),
                Err(SignalInvalid::Stale | SignalInvalid::Unsynced)
            ));
            return;
        }
        self.synced += 1;
        let (version, top_version) = (self.book.update_id().0, self.book.top_update_id().0);
        let fused = top_version > version;
        let mut sums = Vec::new();
        for side in [Side::Buy, Side::Sell] {
            let edge = self.book.edge(side);
            let mut expected = self.exchange.truth(version, side, edge);
            if fused {
                let top = self.exchange.truth(top_version, side, None)[0];
                expected.retain(|level| is_worse(side, level.price, top.price));
                expected.insert(0, top);
            }
            let found: Vec<Level> = self.book.levels(side).collect();
            assert_eq!(
                found, expected,
                "seed {seed} {side} at {version} (top {top_version})"
            );
            let best = if side == Side::Buy {
                self.book.best_bid()
            } else {
                self.book.best_ask()
            };
            assert_eq!(best, expected.first().copied(), "seed {seed}");
            sums.push(
                expected
                    .get(..3)
                    .map(|top| top.iter().map(|level| level.quantity).sum()),
            );
        }
        let found = self.book.imbalance(3).ok().map(|sum| (sum.bid, sum.ask));
        let expected: Option<(Quantity, Quantity)> = sums[0].zip(sums[1]);
        assert_eq!(found, expected, "seed {seed}");
    }

    /// With a clean stream and an answered request, the book becomes usable again.
    fn recovers(&mut self) {
        for step in 0..200 {
            self.now = self.now.after(STEP_NS);
            self.exchange.change(&mut self.random);
            let difference = self.exchange.difference(&mut self.random);
            let change = self.book.apply(&difference.update(), self.now);
            self.judge();
            if self.book.state() == BookState::Synced && step > 100 {
                return;
            }
            if change.wants_snapshot {
                let listing = self.exchange.listing(self.exchange.version(), 1_000);
                self.load_listing(&listing);
            }
        }
        panic!("seed {}: the book does not recover", self.seed);
    }
}

fn is_worse(side: Side, price: Price, top: Price) -> bool {
    match side {
        Side::Buy => price < top,
        Side::Sell => price > top,
    }
}
