//! The table of orders: fixed capacity, found by client id in one step.
//!
//! In: orders to send, evidence about them, time. Out: live orders, counts, changes. Never: an id
//! twice (I2), growth, a live order overwritten.
//!
//! A client id holds a sequence number; the order sits in the slot `sequence % capacity`. A
//! sequence whose slot is still in use is skipped. Final orders stay until their slot is needed,
//! so that late events find them.

use super::order::{Amending, NEVER, Order};
use super::transitions::{Evidence, PairCounts, Verdict, verdict};
use crate::config::OrdersConfig;
use market::account::REST_VERDICT_NS;
use market::{
    Certainty, ClientOrderId, CodecError, ExchangeOrderId, InstrumentId, Market, MonoNs,
    OrderState, PendingRequest, Quantity, Reader, ReplyOutcome, WANTED_WINDOW_MS, Wire, Writer,
    wire_struct,
};

/// Time from an unresolved reply to the first query: the user stream may answer meanwhile.
pub(super) const FIRST_QUERY_NS: u64 = 200_000_000;
/// Time between two queries, and the least time between two answers that count (I4).
pub(super) const QUERY_INTERVAL_NS: u64 = 1_000_000_000;
/// The window of orders that only reduce.
pub(super) const WANTED_WINDOW_NS: u64 = WANTED_WINDOW_MS as u64 * 1_000_000;
/// What is added to the window in which the exchange may accept a request (I4).
pub(super) const UNKNOWN_MARGIN_NS: u64 = 2_000_000_000;
/// Answers "not found" that make an order never have existed (I4).
pub(super) const NOT_FOUND_ANSWERS: u8 = 2;
/// An order that cannot rest and is accepted ends within milliseconds. When its end has not been told
/// for this long, the private stream may be dead: the exchange is asked.
pub(super) const ENDLESS_NS: u64 = 1_000_000_000;
/// How long fills may follow the news of an order's end before they count as missing.
pub(crate) const MISSING_FILL_NS: u64 = 1_000_000_000;

wire_struct! {
    /// What happened to orders since start.
    #[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
    pub struct OrderCounters {
        /// Orders whose fate was unknown at some time.
        pub unknown_ever: u64,
        /// Evidence after an order's end.
        pub late: u64,
        /// Evidence that told nothing new.
        pub repeated: u64,
        /// Evidence that cannot be.
        pub violations: u64,
        /// Trades that were told twice.
        pub duplicate_fills: u64,
        /// Trades that came after their quantity had been booked without them.
        pub late_fills: u64,
        /// Evidence about ids of ours that the table does not hold any more.
        pub forgotten: u64,
        /// Orders at the exchange that are not ours.
        pub foreign: u64,
        /// Trades that were fetched because nobody had told them.
        pub recovered_fills: u64,
        /// Fills that were booked at the limit price: the exchange did not list their trade.
        pub synthetic_fills: u64,
    }
}

/// All orders of ours that are live, and the last that were.
#[derive(Clone, Debug)]
pub struct OrderTable {
    config: OrdersConfig,
    slots: Vec<Option<Order>>,
    /// Slots of unsettled orders, oldest first.
    live: Vec<u16>,
    next_sequence: u64,
    /// No order is due before.
    wake: MonoNs,
    /// What happened since start.
    pub counters: OrderCounters,
    /// Which pairs of state and evidence were met; no part of the state, so not saved.
    pairs: PairCounts,
}

impl OrderTable {
    /// An empty table; the only call that allocates.
    ///
    /// # Panics
    /// When the capacity is no power of two up to 2^15: settings are checked before.
    #[must_use]
    pub fn new(config: &OrdersConfig) -> Self {
        assert!(config.capacity.is_power_of_two() && config.capacity <= 1 << 15);
        Self {
            config: config.clone(),
            slots: vec![None; config.capacity],
            live: Vec::with_capacity(config.capacity),
            next_sequence: 0,
            wake: NEVER,
            counters: OrderCounters::default(),
            pairs: PairCounts::default(),
        }
    }

    /// Which pairs of state and evidence were met since start.
    #[must_use]
    pub const fn pairs(&self) -> &PairCounts {
        &self.pairs
    }

    /// Risk has refused an order; it never gets a place here.
    pub const fn note_denied(&mut self) {
        self.pairs.enter(OrderState::Initialized, Evidence::Deny);
    }

    /// Takes the next free slot and its never used client id; `None` when every slot is live.
    pub fn reserve(&mut self) -> Option<(u16, ClientOrderId)> {
        let mask = self.slots.len() as u64 - 1;
        for _ in 0..self.slots.len() {
            let sequence = self.next_sequence;
            self.next_sequence += 1;
            let slot = (sequence & mask) as u16;
            let before = self.slots[usize::from(slot)].as_ref();
            if before.is_none_or(Order::is_settled) {
                let prefix = &self.config.client_id_prefix;
                let epoch = self.config.client_id_epoch;
                return Some((slot, ClientOrderId::compose(prefix, epoch, sequence)));
            }
        }
        None
    }

    /// Puts a live order into the slot that [`Self::reserve`] gave.
    pub fn insert(&mut self, slot: u16, order: Order) {
        assert!(!self.live.contains(&slot), "a reserved slot is not live");
        self.schedule(order.wake);
        if order.state == OrderState::Submitted {
            self.pairs.enter(OrderState::Initialized, Evidence::Submit);
        }
        self.slots[usize::from(slot)] = Some(order);
        self.live.push(slot);
    }

    /// Slot of the order with this id.
    #[must_use]
    pub fn find(&self, id: &ClientOrderId) -> Option<u16> {
        let (epoch, sequence) = id.parse(&self.config.client_id_prefix)?;
        let holds = |slot: u16| {
            let order = self.slots[usize::from(slot)].as_ref();
            order.is_some_and(|order| order.new.client_order_id == *id)
        };
        if epoch == self.config.client_id_epoch {
            let slot = (sequence & (self.slots.len() as u64 - 1)) as u16;
            return holds(slot).then_some(slot);
        }
        // Ids of an earlier life are only there while adopted, and those are few.
        (0..self.slots.len() as u16).find(|slot| holds(*slot))
    }

    /// Slot of the order with this id of the exchange. A walk: for lists, not for the stream.
    #[must_use]
    pub fn find_by_exchange(&self, instrument: InstrumentId, id: ExchangeOrderId) -> Option<u16> {
        let holds = |one: &Order| one.new.instrument == instrument && one.exchange_order_id == id;
        let found = self
            .slots
            .iter()
            .position(|slot| slot.as_ref().is_some_and(holds));
        found.filter(|_| id.0 != 0).map(|slot| slot as u16)
    }

    /// True while a live order of the instrument has no id of the exchange yet.
    #[must_use]
    pub fn awaits_exchange_id(&self, instrument: InstrumentId) -> bool {
        let mut live = self.live_orders();
        live.any(|one| one.new.instrument == instrument && one.exchange_order_id.0 == 0)
    }

    /// True when the id has our prefix and form, of whatever epoch.
    #[must_use]
    pub fn is_ours(&self, id: &ClientOrderId) -> bool {
        id.parse(&self.config.client_id_prefix).is_some()
    }

    /// True when the id has our prefix and form, and an earlier start than this one made it.
    #[must_use]
    pub fn is_of_earlier_life(&self, id: &ClientOrderId) -> bool {
        let made = id.parse(&self.config.client_id_prefix);
        made.is_some_and(|(epoch, _)| epoch < self.config.client_id_epoch)
    }

    /// True when the id has our prefix and form, and neither this start has made it nor an earlier
    /// one can have: their epochs grow with the time.
    #[must_use]
    pub fn is_of_another_instance(&self, id: &ClientOrderId) -> bool {
        let made = id.parse(&self.config.client_id_prefix);
        made.is_some_and(|made| made >= (self.config.client_id_epoch, self.next_sequence))
    }

    /// The order in `slot`.
    ///
    /// # Panics
    /// When there is none: slots come from this table.
    #[must_use]
    pub fn get(&self, slot: u16) -> &Order {
        self.slots[usize::from(slot)]
            .as_ref()
            .expect("slots come from this table")
    }

    /// The order in `slot`, to be changed.
    ///
    /// # Panics
    /// As [`Self::get`].
    pub fn get_mut(&mut self, slot: u16) -> &mut Order {
        self.slots[usize::from(slot)]
            .as_mut()
            .expect("slots come from this table")
    }

    /// Slots of unsettled orders, oldest first.
    #[must_use]
    pub fn live(&self) -> &[u16] {
        &self.live
    }

    /// Unsettled orders, oldest first.
    pub fn live_orders(&self) -> impl Iterator<Item = &Order> {
        self.live.iter().map(|slot| self.get(*slot))
    }

    /// Orders of unknown fate now.
    #[must_use]
    pub fn unknown_now(&self) -> u32 {
        self.live_orders()
            .filter(|order| order.certainty == Certainty::Unknown)
            .count() as u32
    }

    /// Nothing is due before.
    #[must_use]
    pub const fn wake(&self) -> MonoNs {
        self.wake
    }

    /// Sets when `slot` is due.
    pub fn wake_at(&mut self, slot: u16, when: MonoNs) {
        self.get_mut(slot).wake = when;
        self.schedule(when);
    }

    /// Finds the exact next time at which something is due.
    pub fn refresh_wake(&mut self) {
        self.wake = self
            .live_orders()
            .map(|order| order.wake)
            .min()
            .unwrap_or(NEVER);
    }

    fn schedule(&mut self, when: MonoNs) {
        self.wake = self.wake.min(when);
    }

    /// Applies evidence with the cumulative quantity that came with it. True when the order's
    /// place on its axes, or what it is told to have filled, changed.
    pub fn apply(&mut self, slot: u16, evidence: Evidence, told: Quantity, now: MonoNs) -> bool {
        let from = self.get(slot).state;
        self.pairs.enter(from, evidence);
        let result = verdict(from, evidence);
        match result {
            Verdict::To(_) => {}
            Verdict::Repeated => self.counters.repeated += 1,
            Verdict::Late => self.counters.late += 1,
            Verdict::Impossible(_) => self.counters.violations += 1,
        }
        let order = self.get_mut(slot);
        let before = (order.state, order.told, order.certainty, order.pending);
        if let Verdict::To(state) = result {
            order.state = state;
        }
        // Filled is filled whole, and what the exchange tells is the whole: it may be less than
        // was ordered where somebody else has amended the order (F32).
        // More than was ordered is the same: the amendment itself was not told.
        order.new.quantity = order.new.quantity.max(told);
        let told = if order.state == OrderState::Filled && told.is_zero() {
            order.new.quantity
        } else {
            told.min(order.new.quantity)
        };
        order.told = order.told.max(told);
        // Any word of the exchange about the order settles whether it exists; a cancel or an
        // amendment that is under way keeps its own question.
        let kept = matches!(
            order.pending,
            PendingRequest::Cancel | PendingRequest::Amend
        );
        if !kept || order.state.is_final() {
            order.pending = PendingRequest::None;
            order.certainty = Certainty::Known;
            let endless = order.is_to_end_by_itself();
            order.wake = if endless {
                now.after(ENDLESS_NS)
            } else {
                NEVER
            };
            order.amending = None;
        }
        let wake = order.wake;
        let changed = before != (order.state, order.told, order.certainty, order.pending);
        self.schedule(wake);
        self.settle(slot, now);
        changed
    }

    /// Counts `lots` of a trade into the order; false when it would hold more than its quantity.
    pub fn fill(&mut self, slot: u16, lots: Quantity, now: MonoNs) -> bool {
        let order = self.get_mut(slot);
        if order.filled + lots > order.new.quantity {
            self.counters.violations += 1;
            return false;
        }
        order.filled += lots;
        order.told = order.told.max(order.filled);
        self.settle(slot, now);
        true
    }

    /// Takes the order off the live list once nothing is left to happen; else watches for fills.
    pub fn settle(&mut self, slot: u16, now: MonoNs) {
        let order = self.get_mut(slot);
        let missing = order.told > order.filled;
        if !missing {
            order.unsettled_since = NEVER;
        } else {
            if order.unsettled_since == NEVER {
                order.unsettled_since = now;
            }
            // Every word about the order sets its wake anew, and the fill is missing still.
            let due = order.unsettled_since.after(MISSING_FILL_NS).max(now);
            order.wake = order.wake.min(due);
            self.schedule(due);
        }
        if self.get(slot).is_settled() {
            self.live.retain(|one| *one != slot);
        }
    }

    /// The fate of the last request is not known: asks later, and never sends again (I3).
    pub fn make_unknown(&mut self, slot: u16, now: MonoNs) -> bool {
        let order = self.get_mut(slot);
        if order.state.is_final() || order.certainty == Certainty::Unknown {
            return false;
        }
        order.certainty = Certainty::Unknown;
        order.not_found = 0;
        self.counters.unknown_ever += 1;
        self.wake_at(slot, now.after(FIRST_QUERY_NS));
        true
    }

    /// A query goes out now; the next one follows if it brings nothing.
    pub fn queried(&mut self, slot: u16, now: MonoNs) {
        self.get_mut(slot).queried_at = now;
        self.wake_at(slot, now.after(QUERY_INTERVAL_NS));
    }

    /// The query that goes out now goes over REST, which gives its verdict in its own time.
    pub fn queried_over_rest(&mut self, slot: u16, now: MonoNs) {
        self.queried(slot, now);
        self.get_mut(slot).rest_answer_until = now.after(REST_VERDICT_NS);
    }

    /// A query has its verdict. Of those that only the end of an order connection unresolved, the
    /// last may come after a query over REST has gone out: they are none of its. When that one left
    /// is not known, only that it was before its answer, from which the interval counts.
    pub fn query_answered(&mut self, slot: u16, outcome: ReplyOutcome, now: MonoNs) {
        let until = &mut self.get_mut(slot).rest_answer_until;
        if outcome != ReplyOutcome::Unresolved {
            *until = now.after(QUERY_INTERVAL_NS).min(*until);
        }
    }

    /// When the next query may go out, while that is later than `now`: answers to queries count
    /// when they are an interval apart (I4), whatever wakes the order meanwhile.
    #[must_use]
    pub fn query_is_early(&self, slot: u16, now: MonoNs) -> Option<MonoNs> {
        let order = self.get(slot);
        let asked = order.certainty == Certainty::Unknown && order.queried_at != MonoNs(0);
        let due = order.queried_at.after(QUERY_INTERVAL_NS);
        (asked && now < due).then_some(due)
    }

    /// A query says "not found". True when the order never existed: only after the window of
    /// acceptance has closed, and with two such answers to queries sent after it (I4).
    pub fn not_found(&mut self, slot: u16, market: Market) -> bool {
        let entry_window_ns = self.config.recv_window_ns;
        let order = self.get_mut(slot);
        let window_ns = if order.new.only_reduces(market) {
            WANTED_WINDOW_NS
        } else {
            entry_window_ns
        };
        let closed = order.submitted_at.after(window_ns + UNKNOWN_MARGIN_NS);
        let unconfirmed = order.state == OrderState::Submitted;
        if !unconfirmed || order.certainty == Certainty::Known || order.queried_at < closed {
            return false;
        }
        // Queries are an interval apart, so two answers are too.
        order.not_found += 1;
        order.not_found >= NOT_FOUND_ANSWERS
    }

    /// An amendment goes out now.
    pub fn amend_sent(&mut self, slot: u16, amending: Amending) {
        let due = self.reply_due(amending.sent_at);
        let order = self.get_mut(slot);
        order.pending = PendingRequest::Amend;
        order.amending = Some(amending);
        order.amendments = order.amendments.saturating_add(1);
        order.terms_at = amending.sent_at;
        let wake = order.wake.min(due);
        self.wake_at(slot, wake);
    }

    /// A query tells another price or quantity than the amendment asked for. True when the
    /// amendment was never taken: only after the window of its acceptance has closed, and with two
    /// such answers to queries sent after it (I4).
    pub fn not_amended(&mut self, slot: u16, market: Market) -> bool {
        let entry_window_ns = self.config.recv_window_ns;
        let order = self.get_mut(slot);
        let Some(amending) = order.amending else {
            return true;
        };
        let window_ns = if order.new.only_reduces(market) {
            WANTED_WINDOW_NS
        } else {
            entry_window_ns
        };
        let closed = amending.sent_at.after(window_ns + UNKNOWN_MARGIN_NS);
        if order.certainty == Certainty::Known || order.queried_at < closed {
            return false;
        }
        order.not_found += 1;
        order.not_found >= NOT_FOUND_ANSWERS
    }

    /// When a request without a reply becomes unknown.
    #[must_use]
    pub fn reply_due(&self, now: MonoNs) -> MonoNs {
        now.after(self.config.reply_timeout_ns)
    }

    /// Appends the whole table.
    ///
    /// # Errors
    /// [`CodecError::TooLong`] when the buffer is full.
    pub fn save(&self, writer: &mut Writer<'_>) -> Result<(), CodecError> {
        self.next_sequence.encode(writer)?;
        self.wake.encode(writer)?;
        self.counters.encode(writer)?;
        (self.live.len() as u64).encode(writer)?;
        for slot in &self.live {
            slot.encode(writer)?;
        }
        for slot in &self.slots {
            slot.encode(writer)?;
        }
        Ok(())
    }

    /// Takes back what was saved by a table of the same capacity.
    ///
    /// # Errors
    /// [`CodecError`] when the bytes are no such table.
    pub fn load(&mut self, reader: &mut Reader<'_>) -> Result<(), CodecError> {
        self.next_sequence = Wire::decode(reader)?;
        self.wake = Wire::decode(reader)?;
        self.counters = Wire::decode(reader)?;
        let live = u64::decode(reader)?;
        self.live.clear();
        for _ in 0..live {
            let slot = u16::decode(reader)?;
            if usize::from(slot) >= self.slots.len() || self.live.contains(&slot) {
                return Err(CodecError::TooLong);
            }
            self.live.push(slot);
        }
        for slot in &mut self.slots {
            *slot = Wire::decode(reader)?;
        }
        let whole = |slot: &u16| self.slots[usize::from(*slot)].is_some();
        if self.live.iter().all(whole) {
            Ok(())
        } else {
            Err(CodecError::Truncated)
        }
    }
}
