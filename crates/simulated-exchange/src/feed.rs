//! Where the market comes from: one event after the other, each with its time.
//!
//! In: a recording, a generator, or another exchange. Out: events in ticks and lots with continuous
//! ids, timed in ns since the feed's start at speed 1; of another exchange frames as they came.
//! Never: wall-clock time.

pub mod activity;
pub mod follow;
pub mod generator;
pub mod parameters;
pub mod recording;

use market::{
    BookTicker, DepthUpdate, Instrument, Level, Price, Trade, UpdateId, event::DepthHeader,
};

use self::follow::Standing;
use self::follow::relay::Relay;
use crate::tape::past::Pace;

/// A book as a feed starts with it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct StartBook {
    /// Its version.
    pub last_update_id: UpdateId,
    /// Best first.
    pub bids: Vec<Level>,
    /// Best first.
    pub asks: Vec<Level>,
}

/// What happens in the market.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum FeedEvent {
    /// A book difference.
    Depth(DepthChange),
    /// Best bid and ask.
    Ticker(BookTicker),
    /// A trade.
    Trade(Trade),
    /// A mark price; index price, both in ticks.
    Mark(Price),
}

/// A book difference that owns its levels.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DepthChange {
    /// Ids and times.
    pub header: DepthHeader,
    /// Changed bids.
    pub bids: Vec<Level>,
    /// Changed asks.
    pub asks: Vec<Level>,
}

impl DepthChange {
    /// The same, borrowed.
    #[must_use]
    pub fn as_update(&self) -> DepthUpdate<'_> {
        DepthUpdate {
            header: self.header,
            bids: &self.bids,
            asks: &self.asks,
        }
    }
}

/// A source of one instrument's market.
pub trait Feed: Send {
    /// The instrument; its id is set by whoever owns the feed.
    fn instrument(&self) -> Instrument;

    /// The book before the first event.
    fn start_book(&self) -> StartBook;

    /// The price at the start, in ticks: the middle of the book, rounded down.
    fn start_price(&self) -> Price {
        let book = self.start_book();
        match (book.bids.first(), book.asks.first()) {
            (Some(bid), Some(ask)) => Price((bid.price.0 + ask.price.0).div_euclid(2)),
            (Some(one), None) | (None, Some(one)) => one.price,
            (None, None) => Price(1),
        }
    }

    /// How much is traded, for the past that the market would have had.
    fn pace(&self) -> Pace;

    /// Time of the next event in ns since the start; `None` when there is none any more.
    fn next_time_ns(&self) -> Option<i64>;

    /// The next event. Its times are ns since the start in ms; the owner adds the wall clock.
    fn next_event(&mut self) -> Option<FeedEvent>;

    /// What comes next from an exchange that is followed.
    fn next_relay(&mut self) -> Option<Relay> {
        None
    }

    /// How the followed instrument stands; nothing where none is followed.
    fn standing(&self) -> Option<Standing> {
        None
    }
}
