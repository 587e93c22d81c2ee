//! Account events, venue-neutral: replies to requests, order updates, positions, balances.
//!
//! In: what decoders read. Out: plain values. Never: a verdict that the exchange did not give.

use crate::ids::{Asset, ClientOrderId, ExchangeOrderId, InstrumentId, TradeId};
use crate::instrument::Market;
use crate::order::{Liquidity, OrderState, OrderType, Side, TimeInForce};
use crate::units::{Money, MonoNs, Price, Quantity, UtcMs};
use crate::{wire_enum, wire_struct};

wire_enum! {
    /// Which request a reply belongs to.
    pub enum RequestKind {
        /// Place one order.
        Place = "PLACE",
        /// Cancel one order.
        Cancel = "CANCEL",
        /// Amend one order.
        Amend = "AMEND",
        /// Query one order.
        Query = "QUERY",
    }
}

wire_enum! {
    /// The outcome classes of a request (`denied locally` never reaches a reply).
    pub enum ReplyOutcome {
        /// The exchange says that it is done; `state` tells what.
        Confirmed = "CONFIRMED",
        /// The exchange says that it was not done, or the request never left. Of a query: the
        /// exchange says that it does not know the order, and nothing less than that (I4).
        Rejected = "REJECTED",
        /// Time-out, 5xx "unknown", -1006, -1007, broken connection, unparseable reply (I3). Of a
        /// query also: not sent, any other refusal, a "not found" that a later query overtook.
        Unresolved = "UNRESOLVED",
    }
}

/// Error code of a place that was refused on this side because it could not be sent: positive,
/// as no code of an exchange is.
pub const NOT_SENT: i64 = 1;

/// A query over REST has its verdict within this time of its decision, whatever becomes of it.
pub const REST_VERDICT_NS: u64 = 5_000_000_000;

wire_struct! {
    /// Price and quantity of an order at a time, as the exchange states them.
    #[derive(Clone, Copy, Debug, PartialEq, Eq)]
    pub struct OrderTerms {
        /// Limit price; 0 without.
        pub price: Price,
        /// The whole quantity.
        pub quantity: Quantity,
        /// When the order changed last, by the exchange's clock; 0 when not told.
        pub changed: UtcMs,
    }
}

wire_struct! {
    /// The answer to one of our requests.
    ///
    /// The engine knows no venue: the session that read the answer is the judge of `outcome`, and
    /// `error_code` is for the operator only.
    #[derive(Clone, Copy, Debug, PartialEq, Eq)]
    pub struct OrderReply {
        /// What was asked.
        pub request: RequestKind,
        /// How it ended.
        pub outcome: ReplyOutcome,
        /// Our order.
        pub client_order_id: ClientOrderId,
        /// Its instrument.
        pub instrument: InstrumentId,
        /// The exchange's id; 0 when not told.
        pub exchange_order_id: ExchangeOrderId,
        /// State after it; `Submitted` when not told.
        pub state: OrderState,
        /// Filled so far, as told; 0 when not told.
        pub cumulative_quantity: Quantity,
        /// The exchange's error code; 0 without.
        pub error_code: i64,
        /// What the order is by this answer, to an amendment or a query; `None` when not told.
        pub terms: Option<OrderTerms>,
    }
}

wire_enum! {
    /// What happened in an order update.
    pub enum Execution {
        /// Entered.
        New = "NEW",
        /// Cancelled.
        Canceled = "CANCELED",
        /// Filled, wholly or in part.
        Trade = "TRADE",
        /// Ended by its terms.
        Expired = "EXPIRED",
        /// Changed.
        Amendment = "AMENDMENT",
        /// Liquidation by the exchange.
        Liquidation = "LIQUIDATION",
        /// Refused.
        Rejected = "REJECTED",
    }
}

wire_struct! {
    /// One event of the private stream about one order.
    #[derive(Clone, Copy, Debug, PartialEq, Eq)]
    pub struct OrderUpdate {
        /// Which instrument.
        pub instrument: InstrumentId,
        /// The order's client id (ours or foreign).
        pub client_order_id: ClientOrderId,
        /// The exchange's id.
        pub exchange_order_id: ExchangeOrderId,
        /// What happened.
        pub execution: Execution,
        /// State after it.
        pub state: OrderState,
        /// Side.
        pub side: Side,
        /// Type.
        pub order_type: OrderType,
        /// Lifetime.
        pub time_in_force: TimeInForce,
        /// Reduce-only.
        pub reduce_only: bool,
        /// Limit price; 0 without.
        pub price: Price,
        /// Original quantity.
        pub quantity: Quantity,
        /// Filled so far.
        pub cumulative_quantity: Quantity,
        /// Filled by this event; 0 when it is no trade.
        pub last_quantity: Quantity,
        /// Price of this fill.
        pub last_price: Price,
        /// 0 when it is no trade.
        pub trade_id: TradeId,
        /// Maker or taker in this fill.
        pub liquidity: Liquidity,
        /// Fee of this fill, positive = paid.
        pub commission: Money,
        /// Asset of the fee; empty without.
        pub commission_asset: Asset,
        /// Realised profit of this fill as the exchange counts it, before fees.
        pub realized: Money,
        /// When it happened.
        pub transaction_time: UtcMs,
        /// When the exchange sent it.
        pub event_time: UtcMs,
    }
}

wire_struct! {
    /// A position as the exchange states it.
    #[derive(Clone, Copy, Debug, PartialEq, Eq)]
    pub struct PositionReport {
        /// Which instrument.
        pub instrument: InstrumentId,
        /// Signed lots.
        pub quantity: Quantity,
        /// Entry price times 1e8, in quote units per base unit (lies between ticks).
        pub entry_price_e8: i64,
        /// When the exchange changed it last.
        pub update_time: UtcMs,
    }
}

wire_struct! {
    /// A balance as the exchange states it.
    #[derive(Clone, Copy, Debug, PartialEq, Eq)]
    pub struct BalanceReport {
        /// Which asset.
        pub asset: Asset,
        /// Wallet balance (futures), free + locked (spot).
        pub wallet: Money,
        /// When the exchange sent it.
        pub event_time: UtcMs,
    }
}

wire_struct! {
    /// What the exchange says of the margin in one asset.
    #[derive(Clone, Copy, Debug, PartialEq, Eq)]
    pub struct MarginReport {
        /// Of which part of the venue.
        pub market: Market,
        /// Which asset.
        pub asset: Asset,
        /// Free for new orders.
        pub available: Money,
        /// Wallet plus unrealised profit.
        pub balance: Money,
        /// Below this balance the exchange liquidates; zero on spot.
        pub maintenance: Money,
    }
}

wire_struct! {
    /// At which mark price the exchange would liquidate a position.
    #[derive(Clone, Copy, Debug, PartialEq, Eq)]
    pub struct LiquidationReport {
        /// Which instrument.
        pub instrument: InstrumentId,
        /// Times 1e8, in quote units per base unit; 0 for never.
        pub price_e8: i64,
    }
}

wire_struct! {
    /// Whether the exchange takes requests at all.
    #[derive(Clone, Copy, Debug, PartialEq, Eq)]
    pub struct VenueReport {
        /// Which part of it.
        pub market: Market,
        /// It asked us to be silent (429): nothing is opened before.
        pub silent_until: MonoNs,
        /// It banned us (418): nothing at all is sent before.
        pub banned_until: MonoNs,
        /// It is being maintained.
        pub maintenance: bool,
    }
}

wire_struct! {
    /// An open order as the exchange lists it.
    #[derive(Clone, Copy, Debug, PartialEq, Eq)]
    pub struct OpenOrderReport {
        /// Which instrument.
        pub instrument: InstrumentId,
        /// The order's client id (ours or foreign).
        pub client_order_id: ClientOrderId,
        /// The exchange's id.
        pub exchange_order_id: ExchangeOrderId,
        /// State.
        pub state: OrderState,
        /// Side.
        pub side: Side,
        /// Type.
        pub order_type: OrderType,
        /// Lifetime.
        pub time_in_force: TimeInForce,
        /// Reduce-only.
        pub reduce_only: bool,
        /// Limit price.
        pub price: Price,
        /// Original quantity.
        pub quantity: Quantity,
        /// Filled so far.
        pub cumulative_quantity: Quantity,
    }
}
