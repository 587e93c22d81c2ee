//! Thin landing of the book's interface; the state machine follows.
//!
//! In: events. Out: changes. Never: an allocation after `new`.

use super::{BookChange, BookConfig, BookStats, Imbalance, SignalInvalid};
use crate::event::SnapshotBegin;
use market::reason::BookReason;
use market::{
    BookState, BookTicker, CodecError, DepthUpdate, InstrumentId, Level, Market, MonoNs, Side,
    UpdateId,
};

/// One instrument's book.
#[derive(Debug)]
pub struct Book {
    instrument: InstrumentId,
    market: Market,
    config: BookConfig,
}

impl Book {
    /// An empty book. The only call that allocates.
    #[must_use]
    pub fn new(config: &BookConfig, instrument: InstrumentId, market: Market) -> Self {
        Self {
            instrument,
            market,
            config: *config,
        }
    }
    /// Takes a difference.
    pub fn apply(&mut self, _update: &DepthUpdate<'_>, _now: MonoNs) -> BookChange {
        BookChange::default()
    }
    /// Takes a ticker; without effect while fusion is off.
    pub fn apply_ticker(&mut self, _ticker: &BookTicker, _now: MonoNs) -> BookChange {
        BookChange::default()
    }
    /// A snapshot begins.
    pub fn snapshot_begin(&mut self, _begin: &SnapshotBegin, _now: MonoNs) -> BookChange {
        BookChange::default()
    }
    /// Some of its levels.
    pub fn snapshot_levels(&mut self, _side: Side, _levels: &[Level]) -> BookChange {
        BookChange::default()
    }
    /// The snapshot is complete.
    pub fn snapshot_end(&mut self, _now: MonoNs) -> BookChange {
        BookChange::default()
    }
    /// Makes the book unusable.
    pub fn invalidate(&mut self, _reason: BookReason) -> BookChange {
        BookChange::default()
    }
    /// The state.
    #[must_use]
    pub fn state(&self) -> BookState {
        BookState::Empty
    }
    /// Whose book.
    #[must_use]
    pub fn instrument(&self) -> InstrumentId {
        self.instrument
    }
    /// Of which part of the venue.
    #[must_use]
    pub fn market(&self) -> Market {
        self.market
    }
    /// Sizes.
    #[must_use]
    pub fn config(&self) -> &BookConfig {
        &self.config
    }
    /// Best bid, when the book is usable and it lies in the known range.
    #[must_use]
    pub fn best_bid(&self) -> Option<Level> {
        None
    }
    /// Best ask, likewise.
    #[must_use]
    pub fn best_ask(&self) -> Option<Level> {
        None
    }
    /// Version of the levels: the last applied difference.
    #[must_use]
    pub fn update_id(&self) -> UpdateId {
        UpdateId(0)
    }
    /// Version of the top: the last applied difference or fused ticker.
    #[must_use]
    pub fn top_update_id(&self) -> UpdateId {
        UpdateId(0)
    }
    /// When the last difference was applied: the age of the levels.
    #[must_use]
    pub fn changed_at(&self) -> MonoNs {
        MonoNs(0)
    }
    /// When the top was last confirmed or changed by a difference or a fused ticker.
    #[must_use]
    pub fn top_changed_at(&self) -> MonoNs {
        MonoNs(0)
    }
    /// Known levels of a side, best first.
    pub fn levels(&self, _side: Side) -> impl Iterator<Item = Level> + '_ {
        core::iter::empty()
    }
    /// Sums of the top levels.
    ///
    /// # Errors
    /// [`SignalInvalid`] says why there is no number.
    pub fn imbalance(&mut self, _levels: usize) -> Result<Imbalance, SignalInvalid> {
        Err(SignalInvalid::Unsynced)
    }
    /// Counters.
    #[must_use]
    pub fn stats(&self) -> &BookStats {
        const NONE: BookStats = BookStats {
            applied: 0,
            ignored: 0,
            gaps: 0,
            syncs: 0,
            refreshes: 0,
            snapshots_rejected: 0,
            held_dropped: 0,
            far_dropped: 0,
            tickers_fused: 0,
            tickers_equal: 0,
            tickers_unequal: 0,
            tickers_refused: 0,
        };
        &NONE
    }
    /// Appends the whole state.
    pub fn save(&self, _out: &mut Vec<u8>) {}
    /// Restores a saved state and returns the bytes it used.
    ///
    /// # Errors
    /// [`CodecError`] when the bytes are no saved book of this configuration.
    pub fn load(&mut self, _bytes: &[u8]) -> Result<usize, CodecError> {
        Ok(0)
    }
}
