//! What is due: replies and ends that did not come, queries, missing fills, stale books, pauses.
//!
//! In: the time. Out: queries, doubts, instruments to decide on; the next deadline. Never: a
//! request sent again because its answer is late (I3).

use super::breakers::About;
use super::core::{Engine, bits};
use super::emit::Emit;
use crate::orders::{MISSING_FILL_NS, NEVER};
use crate::outbox::{Observer, Request};
use market::{Breaker, Certainty, MonoNs, PendingRequest};

/// Pause before what found no room is tried again.
const NO_ROOM_NS: u64 = 10_000_000;

impl Engine {
    /// Does what is due and finds the next time at which something is.
    pub(super) fn pass_deadlines<O: Observer>(&mut self, emit: &mut Emit<'_, O>) {
        let now = self.facts.now;
        self.facts.deadline = NEVER;
        if self.orders.wake() <= now {
            self.pass_order_deadlines(emit);
        }
        self.ask_reconcile(emit);
        self.pass_orders_away();
        self.pass_instrument_deadlines(emit);
        self.pass_pauses();
        if self.facts.sweeping {
            self.touch_all();
        }
        let asking = self.links.iter().filter(|link| link.may_look());
        let links = asking.map(|link| link.ask_at);
        let away = self.links.iter().map(|link| link.away_due);
        let instruments = self.instruments.iter().map(|one| one.wake());
        let assignments = self.assignments.iter().map(|one| one.pauses.wake);
        let next = links.chain(away).chain(instruments);
        let next = next.chain(assignments).min();
        self.schedule(next.unwrap_or(NEVER));
        self.schedule(self.markouts.due());
    }

    fn pass_order_deadlines<O: Observer>(&mut self, emit: &mut Emit<'_, O>) {
        let now = self.facts.now;
        for index in (0..self.orders.live().len()).rev() {
            let slot = self.orders.live()[index];
            if self.orders.get(slot).wake <= now {
                self.pass_order_deadline(slot, emit);
            }
        }
        self.orders.refresh_wake();
    }

    fn pass_order_deadline<O: Observer>(&mut self, slot: u16, emit: &mut Emit<'_, O>) {
        let now = self.facts.now;
        let order = *self.orders.get(slot);
        let missing = order.told > order.filled;
        if missing && now.since(order.unsettled_since) >= MISSING_FILL_NS {
            self.want_trades(usize::from(order.new.instrument.0));
            self.doubt(self.market_of(&order));
        }
        let asked = order.pending != PendingRequest::None;
        let doubtful = asked || order.certainty == Certainty::Unknown;
        if !doubtful && order.is_to_end_by_itself() {
            self.ask_for(slot, emit);
        } else if order.state.is_final() || !doubtful {
            let again = if missing {
                now.after(MISSING_FILL_NS)
            } else {
                NEVER
            };
            self.orders.wake_at(slot, again);
        } else if let Some(later) = self.orders.query_is_early(slot, now) {
            // A refused cancel wakes earlier than the next query is due (I4).
            self.orders.wake_at(slot, later);
        } else if order.certainty == Certainty::Unknown {
            self.ask_for(slot, emit);
        } else if order.pending == PendingRequest::Amend && order.is_amended() {
            self.doubt_amendment(slot);
            self.record_order(slot, None, 0, emit);
            self.touch(order.new.instrument);
        } else if self.orders.make_unknown(slot, now) {
            // No reply in time: the request may have taken effect or not.
            self.record_order(slot, None, 0, emit);
            let about = About::of(usize::from(order.new.instrument.0));
            self.incident(Breaker::ErrorRate, about, emit);
            self.touch(order.new.instrument);
        }
    }

    /// What became of an order; if that brings nothing, it is asked for again.
    fn ask_for<O: Observer>(&mut self, slot: u16, emit: &mut Emit<'_, O>) {
        let now = self.facts.now;
        let answered = self.orders.get(slot).rest_answer_until;
        if now < answered {
            self.orders.wake_at(slot, answered);
            return;
        }
        if !emit.has_room(1) {
            // What was not asked has no answer (I4).
            self.orders.wake_at(slot, now.after(NO_ROOM_NS));
            return;
        }
        let query = self.query_request(self.cancel_of(slot));
        emit.request(query);
        match query {
            Request::QueryOverRest(_) => self.orders.queried_over_rest(slot, now),
            _ => self.orders.queried(slot, now),
        }
    }

    fn pass_instrument_deadlines<O: Observer>(&mut self, emit: &mut Emit<'_, O>) {
        let now = self.facts.now;
        let stale_ns = self.config.signal.stale_after_ns;
        let mut doubted = 0u64;
        for (index, state) in self.instruments.iter_mut().enumerate() {
            let facts = &mut state.facts;
            if facts.stale_at != MonoNs(0) && facts.stale_at <= now {
                let due = state.book.changed_at().after(stale_ns + 1);
                facts.stale_at = if due > now { due } else { MonoNs(0) };
                self.touched |= u64::from(due <= now) << index;
            }
            if facts.mismatch_at != MonoNs(0) && facts.mismatch_at <= now {
                facts.mismatch_at = MonoNs(0);
                doubted |= 1 << index;
            }
        }
        for index in bits(doubted) {
            self.trading.mismatch = true;
            self.tell_difference(index, emit);
            self.want_trades(index);
            self.incident(Breaker::MismatchRate, About::of(index), emit);
            self.doubt(self.config.instruments[index].market);
        }
    }

    fn pass_pauses(&mut self) {
        let now = self.facts.now;
        for one in &mut self.assignments {
            if one.pauses.wake <= now {
                one.pauses.wake = NEVER;
                self.touched |= 1 << one.instrument.0;
            }
        }
    }
}
