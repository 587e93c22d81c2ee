//! Market data events, venue-neutral.
//!
//! In: what decoders read. Out: plain values in ticks and lots. Never: text.

use crate::ids::{InstrumentId, TradeId, UpdateId};
use crate::order::Side;
use crate::units::{Price, Quantity, Rate, UtcMs};
use crate::wire_struct;

wire_struct! {
    /// One price level; quantity 0 removes it. Laid out as it stands here: decoders write two at
    /// a time.
    #[repr(C)]
    #[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
    pub struct Level {
        /// Price in ticks.
        pub price: Price,
        /// Absolute quantity in lots.
        pub quantity: Quantity,
    }
}

wire_struct! {
    /// Ids and times of a book difference.
    #[derive(Clone, Copy, Debug, PartialEq, Eq)]
    pub struct DepthHeader {
        /// Whose book.
        pub instrument: InstrumentId,
        /// First update id in the event (`U`).
        pub first_update_id: UpdateId,
        /// Last update id in the event (`u`).
        pub last_update_id: UpdateId,
        /// Last update id of the event before (`pu`); 0 on spot, which has none.
        pub previous_update_id: UpdateId,
        /// When the exchange sent it.
        pub event_time: UtcMs,
        /// When it happened; equal to `event_time` where the stream has none.
        pub transaction_time: UtcMs,
    }
}

/// A book difference: header and the changed levels of each side, in order of arrival.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DepthUpdate<'a> {
    /// Ids and times.
    pub header: DepthHeader,
    /// Changed bids.
    pub bids: &'a [Level],
    /// Changed asks.
    pub asks: &'a [Level],
}

wire_struct! {
    /// Best bid and ask, in real time.
    #[derive(Clone, Copy, Debug, PartialEq, Eq)]
    pub struct BookTicker {
        /// Whose book.
        pub instrument: InstrumentId,
        /// The book version.
        pub update_id: UpdateId,
        /// Best bid.
        pub bid: Level,
        /// Best ask.
        pub ask: Level,
        /// When the exchange sent it; 0 on spot, which does not say.
        pub event_time: UtcMs,
        /// When it happened; 0 on spot.
        pub transaction_time: UtcMs,
    }
}

wire_struct! {
    /// One trade.
    #[derive(Clone, Copy, Debug, PartialEq, Eq)]
    pub struct Trade {
        /// Which instrument.
        pub instrument: InstrumentId,
        /// Consecutive per symbol.
        pub trade_id: TradeId,
        /// Price.
        pub price: Price,
        /// Quantity.
        pub quantity: Quantity,
        /// Who took: `Sell` when the buyer was the maker.
        pub aggressor: Side,
        /// False for insurance fund and ADL trades, which no book explains.
        pub from_book: bool,
        /// When it happened.
        pub transaction_time: UtcMs,
        /// When the exchange sent it.
        pub event_time: UtcMs,
    }
}

wire_struct! {
    /// Trades of one taker order at one price.
    #[derive(Clone, Copy, Debug, PartialEq, Eq)]
    pub struct AggTrade {
        /// Which instrument.
        pub instrument: InstrumentId,
        /// Consecutive per symbol.
        pub aggregate_id: TradeId,
        /// First trade of the aggregate.
        pub first_trade_id: TradeId,
        /// Last trade of the aggregate.
        pub last_trade_id: TradeId,
        /// Price.
        pub price: Price,
        /// Quantity.
        pub quantity: Quantity,
        /// Who took.
        pub aggressor: Side,
        /// When it happened.
        pub transaction_time: UtcMs,
        /// When the exchange sent it.
        pub event_time: UtcMs,
    }
}

wire_struct! {
    /// Mark price and funding.
    #[derive(Clone, Copy, Debug, PartialEq, Eq)]
    pub struct MarkPrice {
        /// Which instrument.
        pub instrument: InstrumentId,
        /// Mark price in ticks, rounded to the nearest.
        pub mark: Price,
        /// Last funding rate.
        pub funding_rate: Rate,
        /// When funding is exchanged next.
        pub next_funding_time: UtcMs,
        /// When the exchange sent it.
        pub event_time: UtcMs,
    }
}
