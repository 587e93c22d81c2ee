//! What the engine holds for one instrument.
//!
//! In: its events. Out: its book, flow, position and plain facts. Never: another instrument's.

use super::protection::TriggeredStop;
use super::trades::TradeFacts;
use crate::book::{Book, BookConfig};
use crate::bounds;
use crate::orders::{FillWindow, NEVER};
use crate::position::Position;
use crate::signal::{OrderFlow, Top};
use market::{
    BookState, Instrument, ListingReport, Money, MonoNs, NonAction, Price, Quantity, SetupFault,
    UtcMs, wire_struct,
};

/// Age at which a mark price no longer counts; its stream tells one a second.
const MARK_STALE_NS: u64 = 3_000_000_000;

/// One instrument's state.
#[derive(Debug)]
pub(super) struct InstrumentState {
    pub(super) book: Book,
    pub(super) flow: OrderFlow,
    pub(super) fills: FillWindow,
    /// The account's position.
    pub(super) position: Position,
    pub(super) facts: InstrumentFacts,
    /// Imbalance ratio of the last decision, for the page; NaN while there is none.
    pub(super) ratio: f64,
    /// Why there is none, likewise.
    pub(super) no_signal: Option<NonAction>,
}

wire_struct! {
    /// Plain facts of one instrument.
    #[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
    pub struct InstrumentFacts {
        /// Last mark price.
        pub mark: Option<Price>,
        /// When it came.
        pub mark_at: MonoNs,
        /// Profit of the position at the last price.
        pub unrealized: Money,
        /// Value of the position at that price, signed like it.
        pub notional: Money,
        /// The position has had a price since it was taken over.
        pub valued: bool,
        /// Mark price at which the exchange would liquidate, as last told.
        pub liquidation: Option<Price>,
        /// What the collar measures from beside mid and mark, in parts of a tick.
        pub anchor: Option<i64>,
        /// When it was moved last.
        pub anchor_at: MonoNs,
        /// Nothing is opened before, after a stop; 0 for never.
        pub cooldown_until: UtcMs,
        /// Position as the exchange last stated it.
        pub exchange_quantity: Option<Quantity>,
        /// Its entry price times 1e8.
        pub exchange_entry_e8: i64,
        /// Stated in the running reconciliation.
        pub reported: bool,
        /// Price at which a stop at the exchange closes the position, for the page.
        pub protective_stop: Option<Price>,
        /// The stop of ours that was triggered last.
        pub stop_triggered: Option<TriggeredStop>,
        /// When a difference with the exchange counts as a mismatch; 0 = none is open.
        pub mismatch_at: MonoNs,
        /// When the last fill was applied.
        pub last_fill_at: MonoNs,
        /// When the book is stale if nothing comes; 0 = it is, or was never synced.
        pub stale_at: MonoNs,
        /// The book was usable once.
        pub was_synced: bool,
        /// Gaps since the first sync.
        pub book_gaps: u64,
        /// Times that the book was usable again after the first.
        pub book_resyncs: u64,
        /// Orders sent since start.
        pub orders_sent: u64,
        /// Fills since start.
        pub fills: u64,
        /// What reconciliation knows of its trades.
        pub trades: TradeFacts,
        /// The part of the exchange's position that is not ours, signed lots.
        pub opening: Quantity,
        /// No earlier start knew the instrument, and no look has found it yet.
        pub unseen: bool,
        /// A difference with the exchange stands in the journal as open.
        pub difference_told: bool,
        /// What keeps it from being traded, of how it is set up at the exchange.
        pub setup: Option<SetupFault>,
        /// How the exchange lists it, where that is not as at the start.
        pub listing: Option<ListingReport>,
    }
}

impl InstrumentState {
    pub(super) fn new(config: &BookConfig, instrument: &Instrument) -> Self {
        Self {
            book: Book::new(config, instrument.id, instrument.market),
            flow: OrderFlow::default(),
            fills: FillWindow::default(),
            position: Position::default(),
            facts: InstrumentFacts::default(),
            ratio: f64::NAN,
            no_signal: None,
        }
    }

    /// The touch of a usable book.
    pub(super) fn top(&self) -> Option<Top> {
        if self.book.state() == BookState::Synced {
            Top::of(&self.book)
        } else {
            None
        }
    }

    /// The touch, while it is young enough to act on.
    pub(super) fn fresh_top(&self, now: MonoNs, stale_ns: u64) -> Option<Top> {
        let age_ns = now.since(self.book.top_changed_at());
        self.top().filter(|_| age_ns <= stale_ns)
    }

    /// The mark price, while it is young enough to act on.
    pub(super) fn fresh_mark(&self, now: MonoNs) -> Option<Price> {
        let age_ns = now.since(self.facts.mark_at);
        self.facts.mark.filter(|_| age_ns < MARK_STALE_NS)
    }

    /// The price at which the position is valued: mark, else mid; whichever is fresh.
    pub(super) fn value_price(&self, now: MonoNs, stale_ns: u64) -> Option<Price> {
        let top = self
            .fresh_top(now, stale_ns)
            .filter(|top| !top.is_crossed());
        self.fresh_mark(now).or(top.map(|top| top.mid()))
    }

    /// A price of whatever age, where one is needed to keep the books.
    pub(super) fn last_price(&self) -> Option<Price> {
        self.facts.mark.or_else(|| self.top().map(|top| top.mid()))
    }

    /// True while there is a position, or the last one is still in the sums.
    #[inline]
    pub(super) fn has_value(&self) -> bool {
        !self.position.is_flat() || self.facts.notional != Money::ZERO
    }

    /// Values the position, where a price is fresh; returns by how much its profit changed.
    pub(super) fn revalue(&mut self, instrument: &Instrument, now: MonoNs, stale_ns: u64) -> Money {
        let before = self.facts.unrealized;
        if self.position.is_flat() {
            self.facts.unrealized = Money::ZERO;
            self.facts.notional = Money::ZERO;
        } else if let Some(price) = self.value_price(now, stale_ns) {
            let tick_lots = self.position.unrealized_tick_lots(price);
            self.facts.unrealized = bounds::amount(instrument, tick_lots);
            let value = tick_lots + self.position.cost_tick_lots;
            self.facts.notional = bounds::amount(instrument, value);
            self.facts.valued = true;
        } else if self.facts.notional == Money::ZERO {
            // Without any price it is worth what it cost.
            self.facts.notional = bounds::amount(instrument, self.position.cost_tick_lots);
        }
        self.facts.unrealized - before
    }

    /// The next time at which something here is due.
    pub(super) fn wake(&self) -> MonoNs {
        let set = |when: MonoNs| if when == MonoNs(0) { NEVER } else { when };
        set(self.facts.mismatch_at).min(set(self.facts.stale_at))
    }
}
