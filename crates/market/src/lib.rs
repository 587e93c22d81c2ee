//! The words and units of Fulcrum.
//!
//! In: nothing. Out: the types that every other crate speaks with: units, decimal text,
//! instruments, orders, reason codes, market and account events, journal records, pages.
//! Never: I/O, allocation, floats in money, anything that knows the exchange's field names.
#![no_std]
#![forbid(unsafe_code)]

#[cfg(test)]
extern crate std;

pub mod account;
pub mod buggify;
pub mod codec;
pub mod decimal;
pub mod event;
pub mod history;
pub mod ids;
pub mod instrument;
#[cfg(feature = "serde")]
mod json;
pub mod order;
pub mod page;
pub mod reason;
pub mod reconciliation;
pub mod record;
pub mod units;

pub use account::{
    BalanceReport, Execution, LiquidationReport, MarginReport, OpenOrderReport, OrderReply,
    OrderTerms, OrderUpdate, PositionReport, ReplyOutcome, RequestKind, VenueReport,
};
pub use codec::{CodecError, Reader, Wire, Writer};
pub use decimal::{DecimalError, parse_decimal, parse_signed_decimal, write_decimal};
pub use event::{AggTrade, BookTicker, DepthUpdate, Level, MarkPrice, Trade};
pub use ids::{
    ClientOrderId, ExchangeOrderId, InstrumentId, IntentId, PROTECTIVE_STOP_PREFIX, StrategyId,
    Symbol, TradeId, UpdateId,
};
pub use instrument::{Filters, Instrument, InstrumentStatus, Instruments, Market, Step};
pub use order::{
    AmendOrder, CancelOrder, Certainty, Liquidity, NewOrder, OrderState, OrderType, PendingRequest,
    Side, TimeInForce, WANTED_WINDOW_MS,
};
pub use reason::{
    BookReason, BookState, Breaker, DenialCode, ExitReason, NonAction, StateReason, TradingState,
};
pub use reconciliation::{
    AccountConfigChange, AlgoOrderReport, ElsewhereReport, IncomeKind, IncomeReport,
    InstrumentMemory, ListingFault, ListingReport, SetupFault, SetupReport, TradeReport,
    TradesWanted,
};
pub use units::{Mid, Money, MonoNs, Price, Quantity, Rate, UtcMs, UtcNs};
