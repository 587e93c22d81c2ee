//! Orders: side, type, time in force, and the three axes of an order's state.
//!
//! In: decisions of strategies, facts from the exchange. Out: the venue-neutral order. Never:
//! an exchange's spelling.

use crate::ids::{ClientOrderId, ExchangeOrderId, InstrumentId, IntentId, StrategyId};
use crate::instrument::Market;
use crate::units::{Price, Quantity};
use crate::{wire_enum, wire_struct};

wire_enum! {
    /// Side of an order, a level or a fill.
    pub enum Side {
        /// Bids.
        Buy = "BUY",
        /// Asks.
        Sell = "SELL",
    }
}

wire_enum! {
    /// How an order is priced.
    pub enum OrderType {
        /// At its price or better.
        Limit = "LIMIT",
        /// At whatever the book offers.
        Market = "MARKET",
        /// A stop that becomes a market order (conditional, lives beside the book).
        StopMarket = "STOP_MARKET",
        /// Made by the exchange to liquidate.
        Liquidation = "LIQUIDATION",
    }
}

wire_enum! {
    /// How long an order lives.
    pub enum TimeInForce {
        /// Until cancelled.
        GoodTillCancel = "GTC",
        /// The rest that does not fill at once expires.
        ImmediateOrCancel = "IOC",
        /// All at once or not at all.
        FillOrKill = "FOK",
        /// Maker only: refused when it would take.
        PostOnly = "GTX",
    }
}

wire_enum! {
    /// First axis: what is known of the order's life. Final states absorb (I5).
    pub enum OrderState {
        /// Decided, not yet past risk.
        Initialized = "INITIALIZED",
        /// Refused by our own risk.
        Denied = "DENIED",
        /// On its way to the exchange.
        Submitted = "SUBMITTED",
        /// Confirmed by the exchange, nothing filled.
        Accepted = "ACCEPTED",
        /// Some quantity filled, the rest open.
        PartiallyFilled = "PARTIALLY_FILLED",
        /// Filled completely.
        Filled = "FILLED",
        /// Cancelled by us or by an operator.
        Canceled = "CANCELED",
        /// Ended by its terms (IOC rest, FOK, GTD, self-trade prevention, delisting).
        Expired = "EXPIRED",
        /// Refused by the exchange; it never existed there.
        Rejected = "REJECTED",
    }
}

wire_enum! {
    /// Second axis: the request that is under way for the order.
    pub enum PendingRequest {
        /// None.
        None = "NONE",
        /// Placing.
        Place = "PLACE",
        /// Amending price or quantity.
        Amend = "AMEND",
        /// Cancelling.
        Cancel = "CANCEL",
    }
}

wire_enum! {
    /// Third axis: whether the last request's fate is known.
    pub enum Certainty {
        /// Evidence from the exchange agrees with the state.
        Known = "KNOWN",
        /// The request may or may not have taken effect (I3).
        Unknown = "UNKNOWN",
    }
}

wire_enum! {
    /// Which side of the trade we were.
    pub enum Liquidity {
        /// Resting.
        Maker = "maker",
        /// Aggressing.
        Taker = "taker",
    }
}

wire_struct! {
    /// An order to place.
    #[derive(Clone, Copy, Debug, PartialEq, Eq)]
    pub struct NewOrder {
        /// Never reused (I2).
        pub client_order_id: ClientOrderId,
        /// The decision behind it (I1).
        pub intent: IntentId,
        /// What to trade.
        pub instrument: InstrumentId,
        /// Who decided.
        pub strategy: StrategyId,
        /// Buy or sell.
        pub side: Side,
        /// Limit or market.
        pub order_type: OrderType,
        /// Lifetime.
        pub time_in_force: TimeInForce,
        /// Limit price; 0 for market orders.
        pub price: Price,
        /// Positive.
        pub quantity: Quantity,
        /// May only reduce the position.
        pub reduce_only: bool,
    }
}

wire_struct! {
    /// A new price and quantity for a limit order that rests.
    #[derive(Clone, Copy, Debug, PartialEq, Eq)]
    pub struct AmendOrder {
        /// The order as it is to be. Its quantity is the whole, with what has filled already; its id
        /// and intent stay what they were.
        pub order: NewOrder,
        /// The decision behind the amendment; never reused, as that of an order.
        pub decision: IntentId,
        /// The exchange's id, 0 while unknown.
        pub exchange_order_id: ExchangeOrderId,
        /// Its price before.
        pub old_price: Price,
        /// Its whole quantity before.
        pub old_quantity: Quantity,
    }
}

wire_struct! {
    /// An order to cancel.
    #[derive(Clone, Copy, Debug, PartialEq, Eq)]
    pub struct CancelOrder {
        /// The order.
        pub client_order_id: ClientOrderId,
        /// Its instrument.
        pub instrument: InstrumentId,
        /// The exchange's id, 0 while unknown.
        pub exchange_order_id: ExchangeOrderId,
    }
}

/// For how long after its time stamp the exchange may take a cancel, a query or an order that only
/// reduces: they are wanted however late (I18, I21). Orders that open have a shorter, configured
/// window. What "never existed" means hangs on it (I4).
pub const WANTED_WINDOW_MS: u32 = 5_000;

impl NewOrder {
    /// True when the order cannot open or increase a position: by its flag, or because on spot
    /// one can only sell what one has.
    #[must_use]
    pub const fn only_reduces(&self, market: Market) -> bool {
        self.reduce_only || matches!((market, self.side), (Market::Spot, Side::Sell))
    }
}

impl Side {
    /// The other side.
    #[must_use]
    pub const fn opposite(self) -> Self {
        match self {
            Self::Buy => Self::Sell,
            Self::Sell => Self::Buy,
        }
    }

    /// +1 for buys, -1 for sells.
    #[must_use]
    pub const fn sign(self) -> i64 {
        match self {
            Self::Buy => 1,
            Self::Sell => -1,
        }
    }
}

impl OrderState {
    /// True when nothing can happen to the order any more.
    #[must_use]
    pub const fn is_final(self) -> bool {
        matches!(
            self,
            Self::Denied | Self::Filled | Self::Canceled | Self::Expired | Self::Rejected
        )
    }
}
