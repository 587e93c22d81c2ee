//! What a book tells its reader: changes, sums, and why a sum cannot be used.
//!
//! In: nothing. Out: plain values. Never: state.

use market::reason::BookReason;
use market::{BookState, NonAction, Quantity};

/// What one call did to a book.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct BookChange {
    /// The state before and after, and why it changed.
    pub transition: Option<(BookState, BookState, BookReason)>,
    /// A snapshot is needed and none is under way: ask for one now.
    pub wants_snapshot: bool,
    /// Best bid or ask, price or quantity, is another than before.
    pub top_changed: bool,
    /// The event's content is in the book now.
    pub applied: bool,
    /// The ids of a usable or of a held chain did not join.
    pub gap: bool,
}

/// Sums of the top levels of both sides, of a book that is fresh in order, complete and uncrossed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Imbalance {
    /// Lots on the top bids.
    pub bid: Quantity,
    /// Lots on the top asks.
    pub ask: Quantity,
}

/// Why the top levels cannot be summed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SignalInvalid {
    /// The book was never synced.
    Unsynced,
    /// The book was synced and broke.
    Stale,
    /// Best bid at or above best ask.
    Crossed,
    /// A level beyond the known range would be among them.
    Edge,
    /// The side has fewer levels, and that is known.
    Thin,
}

impl Imbalance {
    /// Bid lots over ask lots. Both are positive.
    #[must_use]
    pub fn ratio(self) -> f64 {
        self.bid.0 as f64 / self.ask.0 as f64
    }

    /// (bid - ask) / (bid + ask), in -1..1.
    #[must_use]
    pub fn normalized(self) -> f64 {
        let (bid, ask) = (self.bid.0 as f64, self.ask.0 as f64);
        (bid - ask) / (bid + ask)
    }
}

impl SignalInvalid {
    /// The word of the same reason for a strategy that did nothing.
    #[must_use]
    pub const fn non_action(self) -> NonAction {
        match self {
            Self::Unsynced => NonAction::SignalBookUnsynced,
            Self::Stale => NonAction::SignalStale,
            Self::Crossed => NonAction::SignalCrossed,
            Self::Edge => NonAction::SignalBookEdge,
            Self::Thin => NonAction::SignalThin,
        }
    }
}
