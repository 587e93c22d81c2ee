//! What a followed market brings: frames as they came, with what they mean.
//!
//! In: decoded frames. Out: values for the floor. Never: a frame whose text was changed.

use market::{AggTrade, BookTicker, InstrumentId, MarkPrice, Trade};

use crate::feed::{DepthChange, StartBook};
use crate::streams::names::StreamKind;

/// One thing that happened to a followed instrument.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Relay {
    /// Its book cannot be trusted any more: the connection broke, or a difference is missing.
    Lost,
    /// Its book is known again, from this snapshot on.
    Book(StartBook),
    /// A frame.
    Frame(Frame),
}

/// A frame of the followed exchange.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Frame {
    /// Its text, as it came, without the wrapping of combined streams.
    pub text: Vec<u8>,
    /// What it says.
    pub meaning: Meaning,
}

/// What a frame says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Meaning {
    /// A difference of the book.
    Depth(DepthChange),
    /// Best bid and ask.
    Ticker(BookTicker),
    /// A trade; false when an aggregate has brought its volume already.
    Trade(Trade, bool),
    /// An aggregate, and the trade that it is where the trades themselves did not come.
    Aggregate(AggTrade, Option<Trade>),
    /// Mark price and funding rate.
    Mark(MarkPrice),
}

impl Meaning {
    /// The stream that carries it.
    #[must_use]
    pub const fn kind(&self) -> StreamKind {
        match self {
            Self::Depth(_) => StreamKind::Depth,
            Self::Ticker(_) => StreamKind::BookTicker,
            Self::Trade(..) => StreamKind::Trade,
            Self::Aggregate(..) => StreamKind::AggTrade,
            Self::Mark(_) => StreamKind::MarkPrice,
        }
    }

    /// Whose it is.
    #[must_use]
    pub const fn instrument(&self) -> InstrumentId {
        match self {
            Self::Depth(change) => change.header.instrument,
            Self::Ticker(ticker) => ticker.instrument,
            Self::Trade(trade, _) => trade.instrument,
            Self::Aggregate(aggregate, _) => aggregate.instrument,
            Self::Mark(mark) => mark.instrument,
        }
    }

    /// What grows from one frame of its stream to the next.
    #[must_use]
    pub fn id(&self) -> u64 {
        match self {
            Self::Depth(change) => change.header.last_update_id.0,
            Self::Ticker(ticker) => ticker.update_id.0,
            Self::Trade(trade, _) => trade.trade_id.0,
            Self::Aggregate(aggregate, _) => aggregate.aggregate_id.0,
            Self::Mark(mark) => mark.event_time.0.unsigned_abs(),
        }
    }
}
