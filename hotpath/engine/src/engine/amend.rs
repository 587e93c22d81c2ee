//! From a resting order and a wish to an approved amendment, or to a cancel.
//!
//! In: an order, what is wanted in its place. Out: an intent in the journal and a request; or a
//! cancel where an amendment may not be and the order may not stay. Never: a request without an
//! intent before it (I25), an amendment that risk has not seen as a whole order.

use super::core::Engine;
use super::emit::Emit;
use super::exposure::reserve_of;
use super::place::usable_mid;
use crate::orders::{Amending, Order};
use crate::outbox::{Observer, Request, Stage};
use crate::risk::{check_amend, worst_notional};
use crate::strategy::Desired;
use market::record::{AmendIntent, Denial, Record, Trigger};
use market::{AmendOrder, ClientOrderId, IntentId, Money, NewOrder, NonAction, Quantity};

/// What an order that is amended holds beyond what it becomes: until the exchange has answered it
/// may still be the old one.
#[derive(Clone, Copy, Debug)]
pub(super) struct Excess {
    /// Lots that may trade.
    pub(super) lots: Quantity,
    /// Exposure that they may add.
    pub(super) reserved: Money,
}

impl Engine {
    /// Amends the order in `slot` to what is wanted, or cancels it where that cannot be. An error
    /// when it stays as it is, with the reason.
    pub(super) fn amend_or_cancel<O: Observer>(
        &mut self,
        slot: u16,
        wanted: &Desired,
        trigger: Trigger,
        emit: &mut Emit<'_, O>,
    ) -> Result<(), NonAction> {
        let order = *self.orders.get(slot);
        let index = usize::from(order.new.instrument.0);
        let reduces = wanted.purpose.reduces();
        let alike = self.is_reduce_only(index, wanted) == order.new.reduce_only;
        let pause = self.assignments[usize::from(order.assignment)].paused(reduces, self.facts.now);
        if alike && pause.is_none() && self.amend(slot, &order, wanted, trigger, emit) {
            return Ok(());
        }
        // An exit at another price is better than none; an entry that nobody wants is not.
        if alike && reduces && order.exposure() <= wanted.quantity {
            return Err(pause.unwrap_or(NonAction::DeniedRecently));
        }
        self.cancel(slot, emit);
        Ok(())
    }

    /// It is tried again after the pause of denials.
    fn amend_denied(&mut self, slot: u16, reduces: bool) {
        let now = self.facts.now;
        let one = &mut self.assignments[usize::from(self.orders.get(slot).assignment)];
        one.denied(reduces, now);
        let wake = one.pauses.wake;
        self.schedule(wake);
    }

    /// False when risk denies it.
    fn amend<O: Observer>(
        &mut self,
        slot: u16,
        order: &Order,
        wanted: &Desired,
        trigger: Trigger,
        emit: &mut Emit<'_, O>,
    ) -> bool {
        let now = self.facts.now;
        let index = usize::from(order.new.instrument.0);
        let instrument = self.listed(index);
        self.facts.intent += 1;
        let amend = AmendOrder {
            order: NewOrder {
                price: wanted.price,
                quantity: order.filled + wanted.quantity,
                ..order.new
            },
            decision: IntentId(self.facts.intent),
            exchange_order_id: order.exchange_order_id,
            old_price: order.new.price,
            old_quantity: order.new.quantity,
        };
        // What has filled is in the position already: risk judges what is left, as a new order.
        let rest = NewOrder {
            quantity: wanted.quantity,
            ..amend.order
        };
        let (top, mark) = self.prices_of(index);
        let worth = |one: &NewOrder| worst_notional(one, &instrument, top, mark, one.quantity);
        let excess = Excess {
            lots: Quantity((order.exposure().0 - rest.quantity.0).max(0)),
            reserved: {
                let becomes = reserve_of(&rest, instrument.market, worth(&rest));
                Money((order.reserved().0 - becomes.0).max(0))
            },
        };
        let id = order.new.client_order_id;
        let amended = |one: &Order| (one.new.client_order_id == id).then_some(excess);
        let view = self.risk_view(order.assignment, &rest, order.slot, &instrument, amended);
        let risk = &self.config.risk;
        let checked = check_amend(
            &amend,
            &rest,
            wanted.purpose,
            &view,
            risk,
            &mut self.throttle,
        );
        match checked {
            Ok(approved) => {
                emit.stage(Stage::Approved);
                let amending = Amending {
                    price: amend.order.price,
                    quantity: amend.order.quantity,
                    reserve: reserve_of(&amend.order, instrument.market, worth(&amend.order)),
                    sent_at: now,
                };
                self.orders.amend_sent(slot, amending);
                let mid = usable_mid(view.book.top);
                emit.record(Record::AmendIntent(AmendIntent {
                    amend,
                    trigger,
                    mid,
                }));
                emit.request(Request::Amend(approved));
                true
            }
            Err(code) => {
                let order = NewOrder {
                    client_order_id: ClientOrderId::EMPTY,
                    intent: amend.decision,
                    ..rest
                };
                emit.record(Record::Denial(Denial { order, code }));
                self.amend_denied(slot, wanted.purpose.reduces());
                false
            }
        }
    }
}
