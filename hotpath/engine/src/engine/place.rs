//! From a wish to an approved order, or to a denial.
//!
//! In: a desired order. Out: an intent in the journal and a request, or a denial with its code.
//! Never: a request without an intent before it (I25).

use super::amend::Excess;
use super::core::Engine;
use super::emit::Emit;
use super::exposure::{Reserved, reserve_of};
use crate::orders::Order;
use crate::outbox::{Observer, Request, Stage};
use crate::risk::{BookView, RiskView, check, fitted_exit_price, worst_notional};
use crate::signal::Top;
use crate::strategy::Desired;
use market::record::{Denial, Intent, Record, Trigger};
use market::{
    ClientOrderId, DenialCode, Instrument, IntentId, Market, Mid, NewOrder, Price, Quantity, Side,
    TradingState,
};

impl Engine {
    pub(super) fn place<O: Observer>(
        &mut self,
        assignment: u16,
        wanted: &Desired,
        trigger: Trigger,
        emit: &mut Emit<'_, O>,
    ) {
        let now = self.facts.now;
        let strategy = self.assignments[usize::from(assignment)].strategy;
        let id = self.assignments[usize::from(assignment)].instrument;
        let index = usize::from(id.0);
        self.facts.intent += 1;
        let mut new = NewOrder {
            client_order_id: ClientOrderId::EMPTY,
            intent: IntentId(self.facts.intent),
            instrument: id,
            strategy,
            side: wanted.side,
            order_type: wanted.order_type,
            time_in_force: wanted.time_in_force,
            price: wanted.price,
            quantity: wanted.quantity,
            reduce_only: self.is_reduce_only(index, wanted),
        };
        let instrument = self.listed(index);
        let view = self.risk_view(assignment, &new, wanted.slot, &instrument, |_| None);
        if wanted.purpose.reduces() {
            new.price = fitted_exit_price(&new, &view, &self.config.risk);
        }
        let place = self.orders.reserve();
        let result = match place {
            Some((slot, client_order_id)) => {
                new.client_order_id = client_order_id;
                let risk = &self.config.risk;
                check(&new, wanted.purpose, &view, risk, &mut self.throttle)
                    .map(|approved| (slot, approved))
            }
            None => Err(DenialCode::OpenOrdersLimit),
        };
        match result {
            Ok((slot, approved)) => {
                emit.stage(Stage::Approved);
                let due = self.orders.reply_due(now);
                let order = Order {
                    purpose: wanted.purpose,
                    reserve: reserve_of(&new, instrument.market, view.worth),
                    ..Order::submitted(new, assignment, wanted.slot, now, due)
                };
                self.orders.insert(slot, order);
                self.instruments[index].facts.orders_sent += 1;
                emit.record(Record::Intent(Intent {
                    order: new,
                    trigger,
                    mid: usable_mid(view.book.top),
                }));
                emit.request(Request::Place(approved));
            }
            Err(code) => {
                self.orders.note_denied();
                new.client_order_id = ClientOrderId::EMPTY;
                emit.record(Record::Denial(Denial { order: new, code }));
                let one = &mut self.assignments[usize::from(assignment)];
                one.denied(wanted.purpose.reduces(), now);
                let wake = one.pauses.wake;
                self.schedule(wake);
            }
        }
    }

    /// Whether the exchange is to trim the order to the position.
    ///
    /// A strategy alone on its instrument always lets it. Several share one position at the
    /// exchange: what closes one strategy's part may open the account's, and then it is an
    /// ordinary order; but only while their parts explain the account's position, and while
    /// trading is free. Otherwise what reduces the account is trimmed to it: a part that is larger
    /// than the whole would be denied, and nothing would ever be closed (I18).
    pub(super) fn is_reduce_only(&self, index: usize, wanted: &Desired) -> bool {
        if !wanted.purpose.reduces() || self.config.instruments[index].market == Market::Spot {
            return false;
        }
        let strategies = self.by_instrument[index].len() - 1;
        let held = self.instruments[index].position.quantity;
        let covers = held.0.signum() == -wanted.side.sign() && held.magnitude() >= wanted.quantity;
        let opposes = held.0.signum() == -wanted.side.sign();
        let is_free = self.trading.state == TradingState::Active;
        strategies <= 1 || covers || held != self.claimed(index) || (opposes && !is_free)
    }

    /// Mark price and top of the book, while they are fresh.
    pub(super) fn prices_of(&self, index: usize) -> (Option<Top>, Option<Price>) {
        let state = &self.instruments[index];
        let (now, stale_ns) = (self.facts.now, self.config.signal.stale_after_ns);
        (state.fresh_top(now, stale_ns), state.fresh_mark(now))
    }

    /// What risk has to know of `new`. The order that it replaces by an amendment is left out of
    /// the sums, but for what it holds beyond the new one.
    pub(super) fn risk_view<'a>(
        &self,
        assignment: u16,
        new: &NewOrder,
        slot: u8,
        instrument: &'a Instrument,
        amended: impl Fn(&Order) -> Option<Excess>,
    ) -> RiskView<'a> {
        let state = &self.instruments[usize::from(new.instrument.0)];
        let (now, stale_ns) = (self.facts.now, self.config.signal.stale_after_ns);
        let age_ns = now.since(state.book.changed_at());
        let timely = self.is_timely(state.book.event_time(), state.book.top_changed_at());
        let mut open_same_side = Quantity::ZERO;
        let (mut open_orders, mut open_orders_account) = (0, 0);
        let mut duplicate = false;
        let mut own_opposite: Option<Price> = None;
        let mut reserved = Reserved::default();
        for order in self.orders.live_orders() {
            if let Some(excess) = amended(order) {
                open_same_side += excess.lots;
                reserved.add(excess.reserved);
                continue;
            }
            open_orders_account += 1;
            self.add_reserved(order, new, &mut reserved);
            duplicate |= order.assignment == assignment && order.slot == slot;
            if order.new.instrument != new.instrument {
                continue;
            }
            open_orders += 1;
            if order.new.side == new.side {
                open_same_side += order.exposure();
            } else if order.can_rest() && !order.state.is_final() {
                let price = order.new.price;
                own_opposite = Some(own_opposite.map_or(price, |best| match new.side {
                    Side::Buy => best.min(price),
                    Side::Sell => best.max(price),
                }));
            }
        }
        let (top, mark) = (state.fresh_top(now, stale_ns), state.fresh_mark(now));
        RiskView {
            now: self.facts.now,
            instrument,
            state: self.trading.state,
            reason: self.trading.reason,
            streams: self.links[instrument.market as usize].ready(),
            venue: [false, true].map(|reducing| self.venue_takes(instrument.market, reducing)),
            may_enter: self.may_enter(usize::from(new.instrument.0), new.side),
            latched_off: self.is_latched_off(new.strategy),
            cooling_down: self.is_cooling_down(usize::from(new.instrument.0)),
            worth: worst_notional(new, instrument, top, mark, new.quantity),
            account: self.account_view(new, reserved),
            clock_safe: self.clock_is_safe(),
            book: BookView {
                state: state.book.state(),
                fresh: age_ns <= stale_ns && timely,
                top,
            },
            mark,
            position: state.position.quantity,
            open_same_side,
            open_orders,
            open_orders_account,
            duplicate,
            own_opposite,
        }
    }
}

/// Between the touches that risk saw: fresh ones, and not crossed.
pub(super) fn usable_mid(top: Option<Top>) -> Option<Mid> {
    let usable = top.filter(|top| !top.is_crossed());
    usable.map(|top| Mid(top.mid_half_ticks()))
}
