//! What a reader sees: best prices, levels, sums; and the ticker laid over them.
//!
//! In: the ladders and the newest ticker. Out: levels within the known range, of a usable book
//! only. Never: a level that a newer ticker has shown to be gone.

use super::ladder::{Ladder, is_sane};
use super::{Book, BookChange, Imbalance, SignalInvalid};
use market::{BookReason, BookState, BookTicker, Level, MonoNs, Quantity, Side, UpdateId};

impl Book {
    /// Takes a ticker. Without effect while fusion is off, the book unusable, or the ticker not
    /// newer than what is shown. One with a number that can be no level of any book makes the
    /// book unusable.
    pub fn apply_ticker(&mut self, ticker: &BookTicker, now: MonoNs) -> BookChange {
        let mut change = BookChange::default();
        if !self.config.fusion || self.state != BookState::Synced {
            return change;
        }
        // An empty side is told as zeros.
        let is_absurd = |level: &Level| !is_sane(level) && *level != Level::default();
        if is_absurd(&ticker.bid) || is_absurd(&ticker.ask) {
            self.stats.tickers_refused += 1;
            change = self.break_down(BookReason::ParseError);
            self.request(now, &mut change);
            return change;
        }
        if ticker.update_id == self.last.last_update_id {
            self.compare(ticker);
        }
        if ticker.update_id <= self.top_update_id() {
            return change;
        }
        let both = !ticker.bid.quantity.is_zero() && !ticker.ask.quantity.is_zero();
        if !both || ticker.bid.price >= ticker.ask.price {
            self.stats.tickers_refused += 1;
            return change;
        }
        let before = self.top();
        self.overlay = Some(*ticker);
        self.top_changed_at = now;
        self.stats.tickers_fused += 1;
        change.applied = true;
        change.top_changed = before != self.top();
        change
    }

    /// Best bid. None while the book is unusable, the side empty, or the best beyond the known
    /// range.
    #[must_use]
    pub fn best_bid(&self) -> Option<Level> {
        self.best(Side::Buy)
    }

    /// Best ask, likewise.
    #[must_use]
    pub fn best_ask(&self) -> Option<Level> {
        self.best(Side::Sell)
    }

    /// Best level of a side as the streams have shown it, even when better ones may be unknown.
    /// For comparisons; nobody trades on it. None while the book is unusable.
    #[must_use]
    pub fn best_seen(&self, side: Side) -> Option<Level> {
        let ladder = self.side(side);
        let (key, quantity) = ladder.next_from(i64::MIN)?;
        (self.state == BookState::Synced).then(|| ladder.level(key, quantity))
    }

    /// Version of the top: the last applied difference, or the ticker over it.
    #[must_use]
    pub fn top_update_id(&self) -> UpdateId {
        match &self.overlay {
            Some(ticker) => ticker.update_id,
            None => self.last.last_update_id,
        }
    }

    /// When the top was last stated by a difference or a newer ticker.
    #[must_use]
    pub fn top_changed_at(&self) -> MonoNs {
        self.top_changed_at
    }

    /// The last price of a side up to which a missing level is known to be missing. None without
    /// such a limit on a usable book that knows all, and on an unusable book.
    #[must_use]
    pub fn edge(&self, side: Side) -> Option<market::Price> {
        let ladder = self.side(side);
        let limited = ladder.edge() != i64::MAX && self.state == BookState::Synced;
        limited.then(|| ladder.level(ladder.edge(), 0).price)
    }

    /// The known levels of a side, best first. Empty while the book is unusable.
    pub fn levels(&self, side: Side) -> impl Iterator<Item = Level> + '_ {
        let ladder = self.side(side);
        let (first, mut from) = self.start(side);
        let usable = self.state == BookState::Synced;
        let below = core::iter::from_fn(move || {
            let (key, quantity) = ladder.next_from(from)?;
            if key > ladder.edge() {
                return None;
            }
            from = key + 1;
            Some(ladder.level(key, quantity))
        });
        first.into_iter().chain(below).filter(move |_| usable)
    }

    /// Lots on the top `levels` levels of each side.
    ///
    /// # Errors
    /// [`SignalInvalid`] says why there is no such sum. A sum that leaves the known range makes
    /// the book ask for a wider snapshot with its next difference.
    pub fn imbalance(&mut self, levels: usize) -> Result<Imbalance, SignalInvalid> {
        match self.state {
            BookState::Synced => {}
            BookState::Stale => return Err(SignalInvalid::Stale),
            BookState::Empty | BookState::Buffering => return Err(SignalInvalid::Unsynced),
        }
        if self.overlay.is_none() && levels > 0 && !self.is_crossed() {
            // What nearly every event asks for, without a detour.
            let bid = self.bids.sum_from(i64::MIN, levels);
            let ask = self.asks.sum_from(i64::MIN, levels);
            if let (Some(bid), Some(ask)) = (bid, ask) {
                return Ok(Imbalance {
                    bid: Quantity(bid),
                    ask: Quantity(ask),
                });
            }
        }
        self.imbalance_or_reason(levels)
    }

    #[inline(never)]
    fn imbalance_or_reason(&mut self, levels: usize) -> Result<Imbalance, SignalInvalid> {
        match (self.sum(Side::Buy, levels), self.sum(Side::Sell, levels)) {
            (Ok(_), Ok(_)) if self.is_crossed_on_top() => Err(SignalInvalid::Crossed),
            (Ok(bid), Ok(ask)) => Ok(Imbalance { bid, ask }),
            (Err(reason), _) | (_, Err(reason)) => {
                self.edge_hit |= reason == SignalInvalid::Edge;
                Err(reason)
            }
        }
    }

    pub(super) fn side(&self, side: Side) -> &Ladder {
        match side {
            Side::Buy => &self.bids,
            Side::Sell => &self.asks,
        }
    }

    /// Best bid and ask as they are shown.
    pub(super) fn top(&self) -> (Option<Level>, Option<Level>) {
        (self.best(Side::Buy), self.best(Side::Sell))
    }

    fn best(&self, side: Side) -> Option<Level> {
        if self.state != BookState::Synced {
            return None;
        }
        if let Some(ticker) = &self.overlay {
            return Some(shown(ticker, side));
        }
        self.side(side).known_top()
    }

    fn is_crossed_on_top(&self) -> bool {
        matches!(self.top(), (Some(bid), Some(ask)) if bid.price >= ask.price)
    }

    /// The level laid over a side, and the key from which the ladder's levels count.
    fn start(&self, side: Side) -> (Option<Level>, i64) {
        match &self.overlay {
            Some(ticker) => {
                let level = shown(ticker, side);
                (Some(level), self.side(side).key(level.price) + 1)
            }
            None => (None, i64::MIN),
        }
    }

    fn sum(&self, side: Side, levels: usize) -> Result<Quantity, SignalInvalid> {
        let ladder = self.side(side);
        let (first, from) = self.start(side);
        let below = levels.saturating_sub(usize::from(first.is_some()));
        match ladder.sum_from(from, below) {
            Some(lots) if levels > 0 => {
                let over = first.map_or(0, |level| level.quantity.0);
                Ok(Quantity(lots.saturating_add(over)))
            }
            // All is known, so that what is missing does not exist.
            None if ladder.edge() == i64::MAX => Err(SignalInvalid::Thin),
            None => Err(SignalInvalid::Edge),
            Some(_) => Err(SignalInvalid::Thin),
        }
    }

    /// Counts whether a ticker of the levels' own version agrees with them.
    fn compare(&mut self, ticker: &BookTicker) {
        if let (Some(bid), Some(ask)) = (self.bids.known_top(), self.asks.known_top()) {
            self.stats.tickers_equal += 1;
            self.stats.tickers_unequal += u64::from((bid, ask) != (ticker.bid, ticker.ask));
        }
    }
}

/// The level that a ticker shows for a side.
fn shown(ticker: &BookTicker, side: Side) -> Level {
    match side {
        Side::Buy => ticker.bid,
        Side::Sell => ticker.ask,
    }
}
