//! What a strategy sees of the market at one moment.
//!
//! In: a book, the time, the settings. Out: a [`Signal`], or the reason why there is none.
//! Never: two versions of the book in one signal (I10).

use crate::book::{Book, Imbalance};
use crate::config::SignalConfig;
use market::{Level, MonoNs, NonAction, Price, Rate};

/// Best bid and best ask of one version of the book.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Top {
    /// Best bid; its quantity is positive.
    pub bid: Level,
    /// Best ask; its quantity is positive.
    pub ask: Level,
}

/// A valid signal: fresh, complete, uncrossed.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Signal {
    /// The touch.
    pub top: Top,
    /// Sums of the top levels, in lots; both positive.
    pub imbalance: Imbalance,
    /// Order flow imbalance over the last changes of the touch, in lots.
    pub flow_lots: i64,
}

impl Top {
    /// The touch of `book`, when both sides are known.
    #[must_use]
    pub fn of(book: &Book) -> Option<Self> {
        Some(Self {
            bid: book.best_bid()?,
            ask: book.best_ask()?,
        })
    }

    /// True when the best bid is at or above the best ask.
    #[must_use]
    pub const fn is_crossed(&self) -> bool {
        self.bid.price.0 >= self.ask.price.0
    }

    /// Ask minus bid, in ticks.
    #[must_use]
    pub const fn spread_ticks(&self) -> i64 {
        self.ask.price.0 - self.bid.price.0
    }

    /// Bid plus ask, in half ticks: the mid price without a fraction.
    #[must_use]
    pub const fn mid_half_ticks(&self) -> i64 {
        self.bid.price.0 + self.ask.price.0
    }

    /// The mid, rounded down to a tick; for valuation where there is no mark price.
    #[must_use]
    pub const fn mid(&self) -> Price {
        Price(self.mid_half_ticks().div_euclid(2))
    }

    /// The mid weighted by the opposite quantities, in ticks.
    #[must_use]
    pub fn microprice(&self) -> f64 {
        let (bid_lots, ask_lots) = (self.bid.quantity.0 as f64, self.ask.quantity.0 as f64);
        let weighted = self.bid.price.0 as f64 * ask_lots + self.ask.price.0 as f64 * bid_lots;
        weighted / (bid_lots + ask_lots)
    }
}

impl Signal {
    /// The signal of `book` at `now`.
    ///
    /// # Errors
    /// The reason why the book gives none.
    pub fn of(
        book: &mut Book,
        config: &SignalConfig,
        flow_lots: i64,
        now: MonoNs,
    ) -> Result<Self, NonAction> {
        let imbalance = book
            .imbalance(config.levels)
            .map_err(|invalid| invalid.non_action())?;
        if now.since(book.changed_at()) > config.stale_after_ns {
            return Err(NonAction::SignalStale);
        }
        let top = Top::of(book).ok_or(NonAction::SignalThin)?;
        if top.is_crossed() {
            return Err(NonAction::SignalCrossed);
        }
        Ok(Self {
            top,
            imbalance,
            flow_lots,
        })
    }

    /// True when the bid sum is more than `ratio` times the ask sum. Exact: no float.
    #[must_use]
    pub const fn is_above(&self, ratio: Rate) -> bool {
        self.imbalance.bid.0 as i128 * market::units::ONE as i128
            > self.imbalance.ask.0 as i128 * ratio.0 as i128
    }

    /// True when the bid sum is less than `ratio` times the ask sum. Exact: no float.
    #[must_use]
    pub const fn is_below(&self, ratio: Rate) -> bool {
        (self.imbalance.bid.0 as i128 * market::units::ONE as i128)
            < self.imbalance.ask.0 as i128 * ratio.0 as i128
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use market::Quantity;

    fn top(bid: (i64, i64), ask: (i64, i64)) -> Top {
        let level = |(price, quantity)| Level {
            price: Price(price),
            quantity: Quantity(quantity),
        };
        Top {
            bid: level(bid),
            ask: level(ask),
        }
    }

    #[test]
    fn microprice_leans_to_the_thin_side() {
        let one = top((100, 30), (102, 10));
        assert_eq!(one.microprice(), 101.5);
        assert_eq!((one.spread_ticks(), one.mid()), (2, Price(101)));
    }

    #[test]
    fn thresholds_are_strict_and_exact() {
        let signal = |bid, ask| Signal {
            top: top((1, 1), (2, 1)),
            imbalance: Imbalance {
                bid: Quantity(bid),
                ask: Quantity(ask),
            },
            flow_lots: 0,
        };
        let (three, third) = (Rate(300_000_000), Rate(33_000_000));
        assert!(!signal(30, 10).is_above(three));
        assert!(signal(31, 10).is_above(three));
        assert!(!signal(33, 100).is_below(third));
        assert!(signal(32, 100).is_below(third));
        assert_eq!(signal(30, 10).imbalance.ratio(), 3.0);
        assert_eq!(signal(30, 10).imbalance.normalized(), 0.5);
    }
}
