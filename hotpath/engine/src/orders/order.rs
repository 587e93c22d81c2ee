//! One order with everything that is known of it.
//!
//! In: what the table writes. Out: how much of it can still trade. Never: a guess.

use crate::bounds::RESERVE_MAX;
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
        /// Until then an answer to a query over REST may come, or it came less than an interval
        /// ago: a later query waits, so that no answer counts for a younger query (I4).
        pub rest_answer_until: MonoNs,
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
        /// When its price or quantity changed last, by the exchange's clock (F32).
        pub amended_at: UtcMs,
        /// When we learned of it, or asked for it: what was asked before says nothing.
        pub terms_at: MonoNs,
        /// An amendment of ours whose fate is open; only while an amendment or the cancel that
        /// overtook it is pending.
        pub amending: Option<Amending>,
        /// Amendments that were sent.
        pub amendments: u16,
        /// The exchange refused an amendment of it: it is cancelled and placed anew instead.
        pub amend_refused: bool,
    }
}

wire_struct! {
    /// What an order is to become.
    #[derive(Clone, Copy, Debug, PartialEq, Eq)]
    pub struct Amending {
        /// Limit price.
        pub price: Price,
        /// The whole quantity.
        pub quantity: Quantity,
        /// Exposure that the whole of it may add then.
        pub reserve: Money,
        /// When it was sent.
        pub sent_at: MonoNs,
    }
}

impl Amending {
    /// True when the order is what was asked for.
    #[must_use]
    pub fn is(&self, price: Price, quantity: Quantity) -> bool {
        self.price == price && self.quantity == quantity
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
            rest_answer_until: MonoNs(0),
            not_found: 0,
            unsettled_since: NEVER,
            cancel_wanted: false,
            listed: false,
            reserve: Money::ZERO,
            amended_at: UtcMs(0),
            terms_at: MonoNs(0),
            amending: None,
            amendments: 0,
            amend_refused: false,
        }
    }

    /// The exchange states price and quantity of a time; true when that changes them. What is
    /// older than the last change that we know of says nothing: somebody may have amended the
    /// order, ourselves or others (F32).
    pub fn take_terms(&mut self, price: Price, quantity: Quantity, at: UtcMs, now: MonoNs) -> bool {
        let same = self.new.price == price && self.new.quantity == quantity;
        if same || quantity < self.filled || quantity.0 <= 0 || at < self.amended_at {
            return false;
        }
        let is_priced = self.new.order_type == OrderType::Limit && price.0 > 0;
        let price = if is_priced { price } else { self.new.price };
        self.reserve = match self.amending.filter(|one| one.is(price, quantity)) {
            Some(ours) => ours.reserve,
            None => self.reserve_at(price, quantity),
        };
        (self.new.price, self.new.quantity) = (price, quantity);
        (self.amended_at, self.terms_at) = (at, now);
        true
    }

    /// What it reserves when it becomes another order by somebody else's hand; a lower price
    /// frees nothing.
    fn reserve_at(&self, price: Price, quantity: Quantity) -> Money {
        let reserve = scaled(self.reserve, quantity.0, self.new.quantity.0);
        let risen = self.new.price.0 > 0 && price > self.new.price;
        if risen {
            scaled(reserve, price.0, self.new.price.0)
        } else {
            reserve
        }
    }

    /// The amendment is decided: the exchange has it, or never will.
    pub fn end_amendment(&mut self) {
        self.amending = None;
        if self.pending == PendingRequest::Amend {
            self.pending = PendingRequest::None;
            self.certainty = Certainty::Known;
            self.wake = NEVER;
        }
    }

    /// True when the exchange has told already that the open amendment took effect.
    #[must_use]
    pub fn is_amended(&self) -> bool {
        let ours = self.amending;
        ours.is_some_and(|one| one.is(self.new.price, self.new.quantity))
    }

    /// True when nothing is left to happen: a final state and every fill applied.
    #[must_use]
    pub fn is_settled(&self) -> bool {
        self.state.is_final() && self.filled >= self.told
    }

    /// Lots that may still trade, or have traded without our knowing the fill. While an amendment
    /// is open, those of the larger of both.
    #[must_use]
    pub fn exposure(&self) -> Quantity {
        if self.state.is_final() {
            return Quantity((self.told.0 - self.filled.0).max(0));
        }
        let asked = self.amending.map_or(0, |one| one.quantity.0);
        Quantity((self.new.quantity.0.max(asked) - self.filled.0).max(0))
    }

    /// Exposure that what is left of it may add (I12); rounded up. While an amendment is open, the
    /// larger of both.
    #[must_use]
    pub fn reserved(&self) -> Money {
        if let Some(asked) = &self.amending {
            let left = |whole: Quantity| (whole.0 - self.filled.0).max(0);
            let old = scaled(self.reserve, left(self.new.quantity), self.new.quantity.0);
            return old.max(scaled(
                asked.reserve,
                left(asked.quantity),
                asked.quantity.0,
            ));
        }
        let (left, whole) = (self.exposure(), self.new.quantity);
        if left == whole || self.reserve == Money::ZERO {
            return self.reserve;
        }
        scaled(self.reserve, left.0, whole.0)
    }

    /// True for orders that can rest at the exchange: only these are worth a cancel.
    #[must_use]
    pub fn can_rest(&self) -> bool {
        matches!(
            self.new.time_in_force,
            TimeInForce::GoodTillCancel | TimeInForce::PostOnly
        ) && self.new.order_type == OrderType::Limit
    }

    /// True while the exchange has taken it and only its end, which it comes to by itself and at
    /// once, is to be told.
    #[must_use]
    pub fn is_to_end_by_itself(&self) -> bool {
        let open = matches!(
            self.state,
            OrderState::Accepted | OrderState::PartiallyFilled
        );
        open && !self.can_rest()
    }

    /// True when a cancel may be sent: none is under way and the order is not over.
    #[must_use]
    pub fn can_cancel(&self) -> bool {
        !self.state.is_final() && self.pending != PendingRequest::Cancel
    }
}

/// `reserve` times `part` over `whole`, rounded up and bounded.
fn scaled(reserve: Money, part: i64, whole: i64) -> Money {
    let whole = i128::from(whole.max(1));
    let product = i128::from(reserve.0) * i128::from(part);
    let share = (product + whole - 1) / whole;
    Money(i64::try_from(share).unwrap_or(i64::MAX)).min(RESERVE_MAX)
}
