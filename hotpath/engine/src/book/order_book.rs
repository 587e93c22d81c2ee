//! The book's state machine: differences in, states out.
//!
//! In: differences, and that a stream broke. Out: a [`BookChange`] each. Never: an allocation
//! after [`Book::new`], a panic on any input, a broken book that looks usable.

use super::continuity::{self, Join, Next};
use super::hold::Hold;
use super::ladder::{Ladder, is_sane};
use super::snapshot::Snapshot;
use super::{BookChange, BookConfig, BookStats};
use market::event::DepthHeader;
use market::reason::BookReason;
use market::{
    BookState, BookTicker, DepthUpdate, InstrumentId, Market, MonoNs, Side, UpdateId, UtcMs,
};

/// One instrument's book. See the module's documentation for its rules.
#[derive(Debug)]
pub struct Book {
    pub(super) config: BookConfig,
    pub(super) instrument: InstrumentId,
    pub(super) market: Market,
    pub(super) state: BookState,
    pub(super) bids: Ladder,
    pub(super) asks: Ladder,
    /// The last applied difference.
    pub(super) last: DepthHeader,
    pub(super) changed_at: MonoNs,
    pub(super) top_changed_at: MonoNs,
    /// The ticker on top of the differences.
    pub(super) overlay: Option<BookTicker>,
    pub(super) hold: Hold,
    pub(super) snapshot: Snapshot,
    /// When a snapshot was asked for that has not come yet.
    pub(super) requested_at: Option<MonoNs>,
    /// When a wider view was asked for last.
    pub(super) refreshed_at: MonoNs,
    /// A sum left the known range since the last request.
    pub(super) edge_hit: bool,
    /// A refresh was begun and did not end: unknown levels may be of several versions.
    pub(super) half_refreshed: bool,
    /// Room between best and edge (in ticks) below which a wider view is asked for.
    pub(super) room_min: [i64; 2],
    pub(super) stats: BookStats,
}

impl Book {
    /// An empty book. The only call that allocates (with [`Book::save`]).
    ///
    /// # Panics
    /// When `config.window_ticks` is no power of two of at least 256.
    #[must_use]
    pub fn new(config: &BookConfig, instrument: InstrumentId, market: Market) -> Self {
        let ladder = |side| Ladder::new(side, config.window_ticks, config.far_levels_max);
        Self {
            config: *config,
            instrument,
            market,
            state: BookState::Empty,
            bids: ladder(Side::Buy),
            asks: ladder(Side::Sell),
            last: DepthHeader {
                instrument,
                first_update_id: UpdateId(0),
                last_update_id: UpdateId(0),
                previous_update_id: UpdateId(0),
                event_time: UtcMs(0),
                transaction_time: UtcMs(0),
            },
            changed_at: MonoNs(0),
            top_changed_at: MonoNs(0),
            overlay: None,
            hold: Hold::new(config.held_updates_max, config.held_levels_max),
            snapshot: Snapshot::None,
            requested_at: None,
            refreshed_at: MonoNs(0),
            edge_hit: false,
            half_refreshed: false,
            room_min: [0; 2],
            stats: BookStats::default(),
        }
    }

    /// Takes a difference. What breaks the chain, crosses the book or is no level makes the book
    /// unusable within this call.
    pub fn apply(&mut self, update: &DepthUpdate<'_>, now: MonoNs) -> BookChange {
        if self.state != BookState::Synced {
            return self.apply_unsynced(update, now);
        }
        match continuity::next(self.market, &self.last, &update.header) {
            Next::Continues => self.apply_next(update, now),
            Next::Duplicate => {
                self.stats.ignored += 1;
                BookChange::default()
            }
            Next::Broken(reason) => {
                let mut change = self.break_down(reason);
                self.hold_first(update);
                self.request(now, &mut change);
                change
            }
        }
    }

    /// Makes the book unusable because of something that it cannot see itself. The next
    /// difference asks for a snapshot.
    pub fn invalidate(&mut self, reason: BookReason) -> BookChange {
        self.break_down(reason)
    }

    /// Moves windows that the market is about to leave, a bounded step each. For a call on which
    /// nothing waits; nothing that the book shows depends on it.
    #[inline]
    pub fn settle(&mut self) {
        self.bids.settle();
        self.asks.settle();
    }

    /// The state.
    #[must_use]
    pub fn state(&self) -> BookState {
        self.state
    }

    /// Whose book.
    #[must_use]
    pub fn instrument(&self) -> InstrumentId {
        self.instrument
    }

    /// What happened since start-up.
    #[must_use]
    pub fn stats(&self) -> BookStats {
        BookStats {
            far_dropped: self.bids.dropped + self.asks.dropped,
            ..self.stats
        }
    }

    /// Version of the levels: the last applied difference.
    #[must_use]
    pub fn update_id(&self) -> UpdateId {
        self.last.last_update_id
    }

    /// When the last difference was applied: the age of the levels. Tickers do not change it.
    #[must_use]
    pub fn changed_at(&self) -> MonoNs {
        self.changed_at
    }

    /// When the exchange sent what the top of this book was made of last. A spot ticker has no
    /// time; then it is the last difference's.
    #[must_use]
    pub fn event_time(&self) -> UtcMs {
        let ticker = self.overlay.as_ref().map(|ticker| ticker.event_time);
        ticker
            .filter(|time| time.0 != 0)
            .unwrap_or(self.last.event_time)
    }

    fn apply_next(&mut self, update: &DepthUpdate<'_>, now: MonoNs) -> BookChange {
        let before = self.top();
        if self.requested_at.is_some() {
            self.stats.held_dropped += self.hold.push(update);
        }
        let mut change = BookChange::default();
        if !self.write(update) {
            change = self.break_down(BookReason::ParseError);
            self.request(now, &mut change);
            return change;
        }
        self.changed_at = now;
        self.top_changed_at = now;
        if let Some(overlay) = &self.overlay
            && overlay.update_id <= self.last.last_update_id
        {
            self.overlay = None;
        }
        if self.snapshot != Snapshot::None {
            self.finish_refresh();
        }
        if self.is_crossed() {
            change = self.break_down(BookReason::Crossed);
            self.request(now, &mut change);
            return change;
        }
        change.applied = true;
        change.top_changed = before != self.top();
        if self.wants_refresh(now) {
            self.request_refresh(now, &mut change);
        }
        change
    }

    fn apply_unsynced(&mut self, update: &DepthUpdate<'_>, now: MonoNs) -> BookChange {
        let mut change = BookChange::default();
        if self.state == BookState::Empty {
            self.enter(BookState::Buffering, BookReason::FirstData, &mut change);
        }
        if let Snapshot::Loaded(loaded) = self.snapshot {
            match continuity::join(self.market, loaded.update_id, &update.header) {
                Join::Older => {
                    self.stats.ignored += 1;
                    self.retry(now, &mut change);
                    return change;
                }
                Join::Joins => {
                    let sane = self.write(update);
                    self.finish_sync(sane, now, &mut change);
                    return change;
                }
                Join::TooNew => {
                    self.reject_snapshot();
                    self.hold_first(update);
                    self.request(now, &mut change);
                    return change;
                }
            }
        }
        let Some(newest) = self.hold.newest() else {
            self.hold_first(update);
            self.retry(now, &mut change);
            return change;
        };
        match continuity::next(self.market, newest, &update.header) {
            Next::Continues => self.stats.held_dropped += self.hold.push(update),
            Next::Duplicate => self.stats.ignored += 1,
            Next::Broken(_) => {
                // The chain starts anew; a snapshot under way may still be new enough for it.
                change.gap = true;
                self.stats.gaps += 1;
                self.hold_first(update);
            }
        }
        self.retry(now, &mut change);
        change
    }

    /// Writes the levels of a difference; false when one can be no level of any book.
    pub(super) fn write(&mut self, update: &DepthUpdate<'_>) -> bool {
        let bids_sane = self.bids.apply(update.bids);
        let asks_sane = self.asks.apply(update.asks);
        self.last = update.header;
        self.stats.applied += 1;
        bids_sane && asks_sane
    }

    /// Best bid at or above best ask. While a wider snapshot is being merged, unknown levels may
    /// be of another version, so that only known ones count.
    #[inline]
    pub(super) fn is_crossed(&self) -> bool {
        let (bid, ask) = (self.bids.known_best(), self.asks.known_best());
        match (bid, ask) {
            // A bid's key is its negated price.
            (Some(bid), Some(ask)) => -bid >= ask,
            _ => false,
        }
    }

    /// Holds a difference as the first of a chain.
    fn hold_first(&mut self, update: &DepthUpdate<'_>) {
        self.hold.restart(update.header.previous_update_id.0);
        let sane = update.bids.iter().chain(update.asks).all(is_sane);
        if sane {
            self.stats.held_dropped += self.hold.push(update);
        }
    }

    /// Leaves the usable state and forgets everything that was under way.
    pub(super) fn break_down(&mut self, reason: BookReason) -> BookChange {
        let mut change = BookChange {
            gap: matches!(reason, BookReason::Gap | BookReason::Rewind),
            ..BookChange::default()
        };
        self.stats.gaps += u64::from(change.gap);
        self.hold.restart(0);
        self.snapshot = Snapshot::None;
        self.requested_at = None;
        self.overlay = None;
        self.edge_hit = false;
        if self.state == BookState::Synced {
            self.enter(BookState::Stale, reason, &mut change);
            change.top_changed = true;
        }
        change
    }

    pub(super) fn enter(&mut self, state: BookState, reason: BookReason, change: &mut BookChange) {
        change.transition = Some((self.state, state, reason));
        self.state = state;
    }

    /// Asks for a snapshot.
    pub(super) fn request(&mut self, now: MonoNs, change: &mut BookChange) {
        change.wants_snapshot = true;
        self.requested_at = Some(now);
    }

    /// Asks for a snapshot when none is under way, or when it takes too long.
    fn retry(&mut self, now: MonoNs, change: &mut BookChange) {
        let waiting = self
            .requested_at
            .is_some_and(|asked| now.since(asked) < self.config.snapshot_retry_ns);
        if !waiting {
            self.request(now, change);
        }
    }
}
