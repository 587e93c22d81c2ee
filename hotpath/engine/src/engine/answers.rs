//! Replies to our requests.
//!
//! In: replies. Out: what the table of replies says that follows, done. Never: a verdict that the
//! exchange did not give (I3), a request sent again because its answer is not known.

use super::core::Engine;
use super::emit::Emit;
use crate::orders::{Answer, Evidence, answer};
use crate::outbox::Observer;
use market::account::NOT_SENT;
use market::record::{Amended, Record};
use market::{
    OrderReply, OrderState, OrderTerms, PendingRequest, Quantity, ReplyOutcome, RequestKind,
};

/// A cancel that was refused is looked into after this time; the order's end may be on its way.
const CANCEL_REFUSED_NS: u64 = 200_000_000;

impl Engine {
    pub(super) fn take_reply<O: Observer>(&mut self, reply: &OrderReply, emit: &mut Emit<'_, O>) {
        let Some(slot) = self.orders.find(&reply.client_order_id) else {
            self.orders.counters.forgotten += 1;
            return;
        };
        self.watch_reply(slot, reply, emit);
        let order = self.orders.get_mut(slot);
        if reply.exchange_order_id.0 != 0 {
            order.exchange_order_id = reply.exchange_order_id;
        }
        if reply.request == RequestKind::Query {
            let now = self.facts.now;
            self.orders.query_answered(slot, reply.outcome, now);
        }
        let order = self.orders.get(slot);
        let follows = answer(reply.request, reply.outcome, order.pending, order.certainty);
        let changed = self.follow(slot, follows, reply, emit);
        if changed || reply.outcome == ReplyOutcome::Rejected {
            self.record_order(slot, Some(reply.request), reply.error_code, emit);
        }
        self.touch(self.orders.get(slot).new.instrument);
    }

    /// Does what the table says; true when the order's place on its axes changed.
    fn follow<O: Observer>(
        &mut self,
        slot: u16,
        follows: Answer,
        reply: &OrderReply,
        emit: &mut Emit<'_, O>,
    ) -> bool {
        let now = self.facts.now;
        match follows {
            Answer::State => {
                self.take_reply_terms(slot, reply, emit);
                self.take_state(slot, reply)
            }
            Answer::Refused => {
                let sent = reply.error_code != NOT_SENT;
                self.apply_and_tell(slot, Evidence::Reject, reply.cumulative_quantity, sent)
            }
            Answer::Ended => {
                let evidence = match Evidence::of(reply.state) {
                    Some(evidence) if reply.state.is_final() => evidence,
                    _ => Evidence::Cancel,
                };
                self.apply(slot, evidence, reply.cumulative_quantity)
            }
            Answer::Doubt => self.orders.make_unknown(slot, now),
            Answer::DoubtPlace => {
                let open = self.orders.get(slot).state == OrderState::Submitted;
                open && self.orders.make_unknown(slot, now)
            }
            Answer::DoubtAmendment => self.doubt_amendment(slot),
            Answer::LookInto => {
                self.orders.wake_at(slot, now.after(CANCEL_REFUSED_NS));
                false
            }
            Answer::Amended => self.take_amended(slot, reply, emit),
            Answer::NotAmended => self.take_not_amended(slot, reply),
            Answer::Asked => self.take_asked(slot, reply, emit),
            Answer::Absent => {
                let market = self.market_of(self.orders.get(slot));
                self.orders.not_found(slot, market)
                    && self.apply(slot, Evidence::Reject, Quantity::ZERO)
            }
            Answer::Nothing(_) => false,
            Answer::Impossible(_) => {
                self.orders.counters.violations += 1;
                false
            }
        }
    }

    /// The state that a reply tells is evidence; a placed order without one is accepted.
    fn take_state(&mut self, slot: u16, reply: &OrderReply) -> bool {
        let told = Evidence::of(reply.state);
        let placed = (reply.request == RequestKind::Place).then_some(Evidence::Accept);
        match told.or(placed) {
            Some(evidence) => self.apply(slot, evidence, reply.cumulative_quantity),
            None => false,
        }
    }

    /// Price and quantity of a reply are the order's, unless something younger is known.
    fn take_reply_terms<O: Observer>(
        &mut self,
        slot: u16,
        reply: &OrderReply,
        emit: &mut Emit<'_, O>,
    ) {
        let order = self.orders.get(slot);
        let ends = order.state.is_final() || reply.state.is_final();
        if let Some(terms) = reply.terms.filter(|_| !ends) {
            let changed = match terms.changed.0 {
                0 => order.amended_at,
                _ => terms.changed,
            };
            self.take_terms(slot, OrderTerms { changed, ..terms }, emit);
        }
    }

    /// The exchange states what an order is, of a time.
    pub(super) fn take_terms<O: Observer>(
        &mut self,
        slot: u16,
        terms: OrderTerms,
        emit: &mut Emit<'_, O>,
    ) {
        let now = self.facts.now;
        let order = self.orders.get_mut(slot);
        if !order.take_terms(terms.price, terms.quantity, terms.changed, now) {
            return;
        }
        emit.record(Record::Amended(Amended {
            client_order_id: order.new.client_order_id,
            instrument: order.new.instrument,
            price: order.new.price,
            quantity: order.new.quantity,
            ours: order.is_amended(),
        }));
    }

    /// An amendment is confirmed. One that tells other terms than the open one asked for answers
    /// an earlier one.
    fn take_amended<O: Observer>(
        &mut self,
        slot: u16,
        reply: &OrderReply,
        emit: &mut Emit<'_, O>,
    ) -> bool {
        let order = self.orders.get(slot);
        let asked = order.amending;
        let terms = reply.terms.or(asked.map(|one| OrderTerms {
            price: one.price,
            quantity: one.quantity,
            changed: order.amended_at,
        }));
        let is_answer = asked
            .zip(terms)
            .is_some_and(|(asked, told)| asked.is(told.price, told.quantity));
        self.take_reply_terms(slot, &OrderReply { terms, ..*reply }, emit);
        let before = self.orders.get(slot).pending;
        if is_answer {
            self.orders.get_mut(slot).end_amendment();
        }
        let ended = before != self.orders.get(slot).pending;
        let changed = self.take_state(slot, reply);
        self.orders.settle(slot, self.facts.now);
        ended || changed
    }

    /// An amendment was refused, or never left: the order is what it was.
    fn take_not_amended(&mut self, slot: u16, reply: &OrderReply) -> bool {
        let sent = reply.error_code != NOT_SENT;
        let now = self.facts.now;
        let order = self.orders.get_mut(slot);
        order.amend_refused |= sent;
        order.end_amendment();
        let (assignment, reduces) = (usize::from(order.assignment), order.purpose.reduces());
        if !sent {
            self.assignments[assignment].unsent(reduces, now);
            let wake = self.assignments[assignment].pauses.wake;
            self.schedule(wake);
        }
        self.orders.settle(slot, now);
        true
    }

    /// No answer tells what became of an amendment; the private stream may have.
    pub(super) fn doubt_amendment(&mut self, slot: u16) -> bool {
        let now = self.facts.now;
        if !self.orders.get(slot).is_amended() {
            return self.orders.make_unknown(slot, now);
        }
        self.orders.get_mut(slot).end_amendment();
        self.orders.settle(slot, now);
        true
    }

    /// A query tells how the order stands.
    fn take_asked<O: Observer>(
        &mut self,
        slot: u16,
        reply: &OrderReply,
        emit: &mut Emit<'_, O>,
    ) -> bool {
        self.take_reply_terms(slot, reply, emit);
        let order = self.orders.get(slot);
        let open = order.amending.is_some() && !order.is_amended();
        let market = self.market_of(order);
        let unsettled = open && !reply.state.is_final();
        // An answer without a price says nothing of an amendment.
        let never = unsettled && reply.terms.is_some() && self.orders.not_amended(slot, market);
        let order = self.orders.get_mut(slot);
        if unsettled && !never {
            // The cancel that overtook it is over, its own question is not.
            order.pending = PendingRequest::Amend;
        } else {
            order.pending = PendingRequest::None;
            order.amending = None;
        }
        self.take_state(slot, reply)
    }
}
