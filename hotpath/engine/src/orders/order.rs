//! One order with everything that is known of it.
//!
//! In: what the table writes. Out: how much of it can still trade. Never: a guess.

use crate::strategy::Purpose;
use market::{
    Certainty, ExchangeOrderId, Money, MonoNs, NewOrder, OrderState, OrderType, PendingRequest,
    Price, Quantity, TimeInForce, UtcMs, wire_struct,
};

/// A time that never comes.
pub const NEVER: MonoNs = MonoNs(u64::MAX);

wire_struct! {
    /// One order of ours.
    #[derive(Clone, Copy, Debug, PartialEq, Eq)]
    pub struct Order {
        /// As it was sent, or as it was adopted.
        pub new: NewOrder,
        /// Index of the strategy's assignment to the instrument.
        pub assignment: u16,
        /// Its place in the strategy's desired orders.
        pub slot: u8,
        /// What it is for.
        pub purpose: Purpose,
        /// The exchange's id; 0 while unknown.
        pub exchange_order_id: ExchangeOrderId,
        /// First axis.
        pub state: OrderState,
        /// Second axis.
        pub pending: PendingRequest,
        /// Third axis.
        pub certainty: Certainty,
        /// Sum of the fills that were applied.
        pub filled: Quantity,
        /// Largest cumulative quantity that the exchange has told.
        pub told: Quantity,
        /// Part of `filled` for which no trade was ever told.
        pub synthetic: Quantity,
        /// When it was sent.
        pub submitted_at: MonoNs,
        /// When something is due: a reply, a query, missing fills; [`NEVER`] for nothing.
        pub wake: MonoNs,
        /// When the last query was sent.
        pub queried_at: MonoNs,
        /// Answers "not found" that count (I4).
        pub not_found: u8,
        /// When fills began to be missing; [`NEVER`] while none are.
        pub unsettled_since: MonoNs,
        /// It is to be cancelled whatever the strategy wants.
        pub cancel_wanted: bool,
        /// Listed by the running reconciliation.
        pub listed: bool,
        /// Exposure that the whole of it may add; zero when it can only reduce.
        pub reserve: Money,
        /// When somebody else changed it last, by the exchange's clock (F32).
        pub amended_at: UtcMs,
    }
}

impl Order {
    /// An order that goes out now.
    #[must_use]
    pub fn submitted(new: NewOrder, assignment: u16, slot: u8, now: MonoNs, wake: MonoNs) -> Self {
        Self {
            new,
            assignment,
            slot,
            purpose: Purpose::Entry,
            exchange_order_id: ExchangeOrderId(0),
            state: OrderState::Submitted,
            pending: PendingRequest::Place,
            certainty: Certainty::Known,
            filled: Quantity::ZERO,
            told: Quantity::ZERO,
            synthetic: Quantity::ZERO,
            submitted_at: now,
            wake,
            queried_at: MonoNs(0),
            not_found: 0,
            unsettled_since: NEVER,
            cancel_wanted: false,
            listed: false,
            reserve: Money::ZERO,
            amended_at: UtcMs(0),
        }
    }

    /// The exchange states another price or quantity than ours: somebody else amended the order
    /// (F32). What is older than the last amendment that we know of says nothing.
    pub fn amend(&mut self, price: Price, quantity: Quantity, at: UtcMs) {
        let same = self.new.price == price && self.new.quantity == quantity;
        if same || quantity < self.filled || quantity.0 <= 0 || at < self.amended_at {
            return;
        }
        self.new.quantity = quantity;
        if self.new.order_type == OrderType::Limit && price.0 > 0 {
            self.new.price = price;
        }
        self.amended_at = at;
    }

    /// True when nothing is left to happen: a final state and every fill applied.
    #[must_use]
    pub fn is_settled(&self) -> bool {
        self.state.is_final() && self.filled >= self.told
    }

    /// Lots that may still trade, or have traded without our knowing the fill.
    #[must_use]
    pub fn exposure(&self) -> Quantity {
        if self.state.is_final() {
            Quantity((self.told.0 - self.filled.0).max(0))
        } else {
            Quantity((self.new.quantity.0 - self.filled.0).max(0))
        }
    }

    /// Exposure that what is left of it may add (I12); rounded up.
    #[must_use]
    pub fn reserved(&self) -> Money {
        let (left, whole) = (self.exposure(), self.new.quantity);
        if left == whole || self.reserve == Money::ZERO {
            return self.reserve;
        }
        let scaled = i128::from(self.reserve.0) * i128::from(left.0);
        let whole = i128::from(whole.0.max(1));
        Money(((scaled + whole - 1) / whole) as i64)
    }

    /// True for orders that can rest at the exchange: only these are worth a cancel.
    #[must_use]
    pub fn can_rest(&self) -> bool {
        matches!(
            self.new.time_in_force,
            TimeInForce::GoodTillCancel | TimeInForce::PostOnly
        ) && self.new.order_type == OrderType::Limit
    }

    /// True when a cancel may be sent: none is under way and the order is not over.
    #[must_use]
    pub fn can_cancel(&self) -> bool {
        !self.state.is_final() && self.pending != PendingRequest::Cancel
    }
}
