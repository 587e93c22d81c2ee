//! What a strategy wants to have in the market.
//!
//! In: decisions. Out: orders by slot, at most one a slot. Never: an id or a request.

use market::{ExitReason, OrderType, Price, Quantity, Side, TimeInForce, wire_enum};

/// Most orders that one strategy wants on one instrument.
pub const DESIRED_MAX: usize = 128;

/// All orders that a strategy wants on one instrument, in order of urgency.
pub type DesiredOrders = heapless::Vec<Desired, DESIRED_MAX>;

wire_enum! {
    /// What an order is for.
    pub enum Purpose {
        /// Opens or increases.
        Entry = "ENTRY",
        /// Profit target.
        TakeProfit = "TAKE_PROFIT",
        /// Loss limit.
        StopLoss = "STOP_LOSS",
        /// The signal turned.
        SignalExit = "SIGNAL_EXIT",
        /// Too old.
        TimeExit = "TIME_EXIT",
        /// Flatten, kill, stop policy: the engine's own, beside any strategy.
        OperatorExit = "OPERATOR_EXIT",
        /// The trade lost more than one trade may: the engine's own.
        TradeLoss = "TRADE_LOSS",
    }
}

/// One wanted order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Desired {
    /// Which of the strategy's places it takes; unique within one list.
    pub slot: u8,
    /// What it is for.
    pub purpose: Purpose,
    /// Side.
    pub side: Side,
    /// Limit or market.
    pub order_type: OrderType,
    /// Lifetime.
    pub time_in_force: TimeInForce,
    /// Limit price; 0 for market orders.
    pub price: Price,
    /// What is to be open, without what has filled already.
    pub quantity: Quantity,
}

impl Purpose {
    /// True for everything but entries.
    #[must_use]
    pub const fn reduces(self) -> bool {
        !matches!(self, Self::Entry)
    }

    /// Why a trade ended that this order closed.
    #[must_use]
    pub const fn exit_reason(self) -> ExitReason {
        match self {
            Self::TakeProfit => ExitReason::TakeProfit,
            Self::StopLoss => ExitReason::StopLoss,
            // An entry on the other side closes a trade because the signal turned.
            Self::Entry | Self::SignalExit => ExitReason::Signal,
            Self::TimeExit => ExitReason::Time,
            Self::OperatorExit => ExitReason::Operator,
            Self::TradeLoss => ExitReason::TradeLoss,
        }
    }
}
