//! Orders of an earlier life: taken over from the first word about them, a list or an event.
//!
//! In: what the exchange says of an order with an id of ours that is not in the table. Out: the
//! order in the table, and its cancel where it may not go on. Never: the end of an order of this life,
//! whose slot was given on because it had ended; anything while the account may only be looked at;
//! an order of a process that trades beside us.

use super::core::Engine;
use super::emit::Emit;
use super::exposure::reserve_of;
use crate::config::OpenOrdersAtStart;
use crate::orders::{NEVER, Order};
use crate::outbox::Observer;
use market::record::{Adopted, Record};
use market::{
    ClientOrderId, IntentId, Market, NewOrder, OpenOrderReport, OrderUpdate, PendingRequest,
    TradingState,
};

/// The slot of orders that no strategy wants: adopted ones.
pub(super) const SLOT_ADOPTED: u8 = u8::MAX;

/// So long after the first agreement nothing of an earlier life is on its way any more.
const EARLIER_LIFE_NS: u64 = 60_000_000_000;

/// So many orders of an earlier life that are new after that are not of an earlier life.
const LATE_ORDERS_MAX: u8 = 3;

impl Engine {
    /// Whether the order is of another process that trades the account with our ids (I30), which
    /// is told in this case: nothing is opened any more, and whatever rests is taken away.
    pub(super) fn meets_another(&mut self, id: &ClientOrderId) -> bool {
        let another = self.orders.is_of_another_instance(id);
        if another {
            self.step_back();
        }
        another
    }

    fn step_back(&mut self) {
        self.trading.doubled = true;
        self.want_cancels(|_| true);
    }

    /// An older process than this one goes on: its orders look like those of an earlier life.
    fn note_late(&mut self, market: Market) {
        let agreed_at = self.links[market as usize].agreed_at;
        let late = agreed_at.is_some_and(|at| self.facts.now.since(at) > EARLIER_LIFE_NS);
        self.facts.late_orders = self.facts.late_orders.saturating_add(u8::from(late));
        if self.facts.late_orders >= LATE_ORDERS_MAX {
            self.step_back();
        }
    }

    /// Takes over what an event tells. A list that is older than the event finds it there, with
    /// what it has filled and whether it has ended.
    pub(super) fn adopt_told<O: Observer>(
        &mut self,
        update: &OrderUpdate,
        emit: &mut Emit<'_, O>,
    ) -> Option<u16> {
        let market = self.config.instruments[usize::from(update.instrument.0)].market;
        let ours = self.orders.is_of_earlier_life(&update.client_order_id);
        if !ours || self.is_only_looking(market) {
            return None;
        }
        self.adopt_order(
            &OpenOrderReport {
                instrument: update.instrument,
                client_order_id: update.client_order_id,
                exchange_order_id: update.exchange_order_id,
                state: update.state,
                side: update.side,
                order_type: update.order_type,
                time_in_force: update.time_in_force,
                reduce_only: update.reduce_only,
                price: update.price,
                quantity: update.quantity,
                cumulative_quantity: update.cumulative_quantity,
            },
            emit,
        )
    }

    /// What it filled before this life is in the position that the exchange states; what it filled
    /// since has trades that are booked each by its own id.
    pub(super) fn adopt_order<O: Observer>(
        &mut self,
        report: &OpenOrderReport,
        emit: &mut Emit<'_, O>,
    ) -> Option<u16> {
        let Some((slot, _)) = self.orders.reserve() else {
            self.orders.counters.violations += 1;
            return None;
        };
        let index = usize::from(report.instrument.0);
        let desk = *self.by_instrument[index].last().expect("each has a desk");
        self.facts.intent += 1;
        let new = NewOrder {
            client_order_id: report.client_order_id,
            intent: IntentId(self.facts.intent),
            instrument: report.instrument,
            strategy: self.assignments[usize::from(desk)].strategy,
            side: report.side,
            order_type: report.order_type,
            time_in_force: report.time_in_force,
            price: report.price,
            quantity: report.quantity,
            reduce_only: report.reduce_only,
        };
        let instrument = self.config.instruments[index];
        // While reducing nothing may rest that could add (I19), nor where the order connection
        // stays away.
        let adds = (self.trading_state().0 == TradingState::Reducing
            || self.links[instrument.market as usize].is_cut_off())
            && !new.only_reduces(instrument.market);
        let policy = self.config.orders.open_orders_at_start;
        let open = !report.state.is_final();
        if open {
            self.note_late(instrument.market);
        }
        let cancel = open && (adds || policy == OpenOrdersAtStart::Cancel);
        let order = Order {
            exchange_order_id: report.exchange_order_id,
            state: report.state,
            pending: PendingRequest::None,
            filled: report.cumulative_quantity,
            told: report.cumulative_quantity,
            cancel_wanted: cancel,
            reserve: reserve_of(
                &new,
                instrument.market,
                instrument.notional(report.price, report.quantity),
            ),
            ..Order::submitted(new, desk, SLOT_ADOPTED, self.facts.now, NEVER)
        };
        self.orders.insert(slot, order);
        self.orders.settle(slot, self.facts.now);
        self.facts.sweeping |= cancel;
        emit.record(Record::Adopted(Adopted {
            client_order_id: report.client_order_id,
            instrument: report.instrument,
            side: report.side,
            price: report.price,
            quantity: report.quantity,
            cumulative_quantity: report.cumulative_quantity,
            cancelled: cancel,
        }));
        Some(slot)
    }
}
