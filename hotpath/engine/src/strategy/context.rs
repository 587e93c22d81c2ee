//! What a strategy sees, and what it answers beside its orders.
//!
//! In: the engine's state at one moment. Out: a [`Context`], a [`Decision`]. Never: a way to
//! change anything.

use crate::position::Position;
use crate::signal::{Signal, Top};
use market::units::ONE;
use market::{Filters, Instrument, Market, Money, MonoNs, NonAction, Price, Quantity, Rate, Side};

/// The world as one strategy on one instrument sees it.
#[derive(Clone, Copy, Debug)]
pub struct Context<'a> {
    /// Engine time.
    pub now: MonoNs,
    /// The instrument as the configuration has it. Its filters are those of the start.
    pub instrument: &'a Instrument,
    /// Its filters as the exchange lists them now.
    pub filters: &'a Filters,
    /// The signal, or why there is none.
    pub signal: Result<Signal, NonAction>,
    /// The fresh touch of a usable book, though perhaps not a deep one.
    pub top: Option<Top>,
    /// The mark price, while it is fresh.
    pub mark: Option<Price>,
    /// The strategy's own position.
    pub position: &'a Position,
    /// Whether entries are wanted now, or why not.
    pub entries: Result<(), NonAction>,
    /// Side of the strategy's live entry order, when it has one.
    pub live_entry: Option<Side>,
    /// Whether an exit order of the strategy is live; profit targets do not count.
    pub live_exit: bool,
    /// When an entry order ended last with something left unfilled; 0 before the first.
    pub entry_ended_at: MonoNs,
    /// Exit orders of the present trade that ended with something left unfilled.
    pub exit_tries: u8,
    /// Widest collar that risk lets through.
    pub collar_max: Rate,
    /// Share of its size that an entry may have now.
    pub size: Rate,
}

/// What a strategy says beside its desired orders.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Decision {
    /// Why nothing more is wanted; `None` when a new order is.
    pub reason: Option<NonAction>,
    /// When it wants to be asked again at the latest; [`crate::orders::NEVER`] for never.
    pub wake: MonoNs,
}

impl Context<'_> {
    /// The price at which an order of `side` would trade now: the opposite touch, or the
    /// mark; none when neither is fresh.
    #[must_use]
    pub fn taking_price(&self, side: Side) -> Option<Price> {
        let touch = self
            .top
            .filter(|top| !top.is_crossed())
            .map(|top| match side {
                Side::Buy => top.ask.price,
                Side::Sell => top.bid.price,
            });
        touch.or(self.mark)
    }

    /// The notional of an entry: smaller while the account is down.
    #[must_use]
    pub fn sized(&self, notional: Money) -> Money {
        if self.size.0 == ONE {
            notional
        } else {
            notional.times(self.size)
        }
    }

    /// True when the position is too small for the exchange to let us close it.
    #[must_use]
    pub fn is_dust(&self) -> bool {
        let magnitude = self.position.quantity.magnitude();
        if magnitude.is_zero() || self.instrument.market != Market::Spot {
            return false;
        }
        let filters = self.filters;
        let side = if self.position.quantity.0 > 0 {
            Side::Sell
        } else {
            Side::Buy
        };
        let worth = self
            .taking_price(side)
            .map(|price| self.instrument.notional(price, magnitude));
        magnitude < filters.quantity_min || worth.is_some_and(|worth| worth < filters.notional_min)
    }

    /// `quantity` cut to what one order may have.
    #[must_use]
    pub fn cut(&self, quantity: Quantity) -> Quantity {
        match self.filters.quantity_max {
            Quantity(0) => quantity,
            most => quantity.min(most),
        }
    }
}
