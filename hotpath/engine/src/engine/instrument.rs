//! What the engine holds for one instrument.
//!
//! In: its events. Out: its book, flow, position and plain facts. Never: another instrument's.

use crate::book::{Book, BookConfig};
use crate::bounds;
use crate::orders::{FillWindow, NEVER};
use crate::position::Position;
use crate::signal::{OrderFlow, Top};
use market::{BookState, Instrument, Money, MonoNs, Price, Quantity, wire_struct};

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
}

wire_struct! {
    /// Plain facts of one instrument.
    #[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
    pub struct InstrumentFacts {
        /// Last mark price.
        pub mark: Option<Price>,
        /// Profit of the position at the last price.
        pub unrealized: Money,
        /// Position as the exchange last stated it.
        pub exchange_quantity: Option<Quantity>,
        /// Its entry price times 1e8.
        pub exchange_entry_e8: i64,
        /// Stated in the running reconciliation.
        pub reported: bool,
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

    /// The price at which the position is valued: mark, else mid.
    pub(super) fn value_price(&self) -> Option<Price> {
        self.facts.mark.or_else(|| self.top().map(|top| top.mid()))
    }

    /// Values the position; returns by how much its profit changed.
    pub(super) fn revalue(&mut self, instrument: &Instrument) -> Money {
        let before = self.facts.unrealized;
        if self.position.is_flat() {
            self.facts.unrealized = Money::ZERO;
        } else if let Some(price) = self.value_price() {
            let tick_lots = self.position.unrealized_tick_lots(price);
            self.facts.unrealized = bounds::amount(instrument, tick_lots);
        }
        self.facts.unrealized - before
    }

    /// The next time at which something here is due.
    pub(super) fn wake(&self) -> MonoNs {
        let set = |when: MonoNs| if when == MonoNs(0) { NEVER } else { when };
        set(self.facts.mismatch_at).min(set(self.facts.stale_at))
    }
}
