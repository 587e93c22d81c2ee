//! Orders as the venue keeps them, and their fills.
//!
//! In: accepted requests. Out: records for queries. Never: a transition; those are in
//! `execution`.

use market::{
    ClientOrderId, ExchangeOrderId, InstrumentId, Liquidity, Money, OrderState, OrderType, Price,
    Quantity, Side, TimeInForce, TradeId, UtcMs,
};

use crate::queue::QueuePosition;

/// A request to place an order, parsed and on the instrument's grid.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PlaceOrder {
    /// The client's id, unique among open orders.
    pub client_order_id: ClientOrderId,
    /// What to trade.
    pub instrument: InstrumentId,
    /// Buy or sell.
    pub side: Side,
    /// Limit or market.
    pub order_type: OrderType,
    /// Lifetime.
    pub time_in_force: TimeInForce,
    /// Limit price; 0 for market orders.
    pub price: Price,
    /// Quantity in lots.
    pub quantity: Quantity,
    /// May only reduce the position.
    pub reduce_only: bool,
}

/// Why an order ended before it was filled.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Expiry {
    /// It did not expire.
    #[default]
    None,
    /// It met one of our own orders.
    SelfTrade,
    /// The rest of an immediate-or-cancel order.
    ImmediateOrCancel,
    /// A reduce-only order with nothing left to reduce.
    ReduceOnly,
    /// The rest of a market order.
    MarketRest,
}

/// An order, open or ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Order {
    /// The venue's id, consecutive.
    pub id: ExchangeOrderId,
    /// As requested, or as last modified.
    pub request: PlaceOrder,
    /// Where it stands in its life.
    pub state: OrderState,
    /// Filled lots.
    pub filled: Quantity,
    /// Sum of ticks times lots over its fills: the average price is this over `filled`.
    pub filled_tick_lots: i128,
    /// Its place in the queue while it rests.
    pub queue: QueuePosition,
    /// Why it expired.
    pub expiry: Expiry,
    /// When it was accepted.
    pub created: UtcMs,
    /// When it last changed.
    pub updated: UtcMs,
}

/// One execution of one of our orders.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Fill {
    /// Consecutive over the venue.
    pub trade_id: TradeId,
    /// Our order.
    pub order_id: ExchangeOrderId,
    /// The instrument.
    pub instrument: InstrumentId,
    /// Our side.
    pub side: Side,
    /// Maker or taker.
    pub liquidity: Liquidity,
    /// Price.
    pub price: Price,
    /// Lots.
    pub quantity: Quantity,
    /// Fee, positive = paid; in the quote asset for futures.
    pub commission: Money,
    /// Realised profit before fees.
    pub realized: Money,
    /// When.
    pub time: UtcMs,
}

impl Order {
    /// Lots not filled yet.
    #[must_use]
    pub fn remaining(&self) -> Quantity {
        self.request.quantity - self.filled
    }
}
