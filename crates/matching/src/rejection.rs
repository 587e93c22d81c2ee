//! Why a venue refuses a request.
//!
//! In: the checks of this crate. Out: one value a rule, with the words an operator needs. Never:
//! an exchange's error code; the dialect has a table for that.

use market::Money;
use serde::{Deserialize, Serialize};

/// A refused request. No order exists, no event is sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error, Serialize, Deserialize)]
pub enum Rejection {
    /// No such instrument.
    #[error("no such instrument")]
    UnknownInstrument,
    /// The instrument does not take orders now.
    #[error("the instrument takes no orders now")]
    NotTrading,
    /// Price 0 or negative.
    #[error("a limit order needs a positive price")]
    PriceNotPositive,
    /// Below the filter's lowest price.
    #[error("price below the lowest allowed")]
    PriceTooLow,
    /// Above the filter's highest price.
    #[error("price above the highest allowed")]
    PriceTooHigh,
    /// A buy too far above the mark price.
    #[error("buy price too far above the mark price")]
    PriceAboveMultiplier,
    /// A sell too far below the mark price.
    #[error("sell price too far below the mark price")]
    PriceBelowMultiplier,
    /// Quantity 0 or negative.
    #[error("quantity must be positive")]
    QuantityNotPositive,
    /// Below the filter's smallest quantity.
    #[error("quantity below the smallest allowed")]
    QuantityTooSmall,
    /// Above the filter's largest quantity.
    #[error("quantity above the largest allowed")]
    QuantityTooLarge,
    /// Above the filter's largest quantity of a market order.
    #[error("quantity above the largest allowed of a market order")]
    MarketQuantityTooLarge,
    /// Notional above the filter's maximum.
    #[error("notional above the largest allowed")]
    NotionalTooLarge,
    /// Too many orders that wait for a price.
    #[error("too many open orders that wait for a price")]
    TooManyStops,
    /// As many open lists as the instrument allows.
    #[error("too many open order lists")]
    TooManyLists,
    /// An open list has this client id.
    #[error("an open order list has this client id")]
    DuplicateListId,
    /// The price that the order waits for is there already.
    #[error("the order would trigger at once")]
    WouldTrigger,
    /// A trailing distance outside of what the filter allows.
    #[error("a trailing distance outside of what is allowed")]
    TrailingDelta,
    /// The prices of a list stand the wrong way round.
    #[error("the prices of the list's orders stand the wrong way round")]
    ListPrices,
    /// Notional below the filter's minimum (given).
    #[error("notional below the minimum")]
    NotionalTooSmall(Money),
    /// As many open orders as the instrument allows.
    #[error("too many open orders")]
    TooManyOpenOrders,
    /// An open order has this client id.
    #[error("an open order has this client order id")]
    DuplicateClientOrderId,
    /// Nothing to reduce.
    #[error("a reduce-only order that cannot reduce")]
    ReduceOnly,
    /// Not enough free margin or balance.
    #[error("not enough free margin")]
    MarginInsufficient,
    /// A maker-only order that would take.
    #[error("a post-only order that would take")]
    PostOnlyWouldTake,
    /// A fill-or-kill order that cannot fill whole.
    #[error("a fill-or-kill order that cannot fill at once")]
    FillOrKillUnfillable,
    /// A market order without a counterparty.
    #[error("no counterparty for a market order")]
    NoCounterparty,
    /// Nothing open has this id.
    #[error("no open order has this id")]
    UnknownOrder,
    /// Only limit orders can be modified.
    #[error("only limit orders can be modified")]
    NotModifiable,
    /// The position would be larger than its leverage allows.
    #[error("the position would be larger than its leverage allows")]
    PositionAboveCap,
    /// The order has been modified as often as one may.
    #[error("modified as often as an order may be")]
    TooManyModifications,
    /// A modification that changes nothing.
    #[error("the modification changes nothing")]
    Unchanged,
}
