//! From a changed world to orders: signal, strategies, planner.
//!
//! In: touched instruments. Out: orders for risk, cancels, a reason for every non-action. Never:
//! an order that risk has not seen.

use super::core::{Engine, bits};
use super::emit::Emit;
use crate::orders::{NEVER, Order};
use crate::outbox::{Observer, Stage};
use crate::planner::{Action, PlanRules, plan};
use crate::signal::{Signal, Top};
use crate::strategy::{Context, Decision, Desired, Purpose, moved};
use market::record::{Record, Trigger};
use market::{
    Market, MonoNs, NonAction, OrderType, PendingRequest, Price, Quantity, Rate, Side, TimeInForce,
    TradingState,
};

/// Requests that a sweep leaves room for.
pub(super) const ROOM_KEPT: usize = 16;
/// How far the closing orders of an operator reach past the touch.
const OPERATOR_COLLAR: Rate = Rate(500_000);
const SLOT_OPERATOR: u8 = 254;

/// What all strategies of an instrument share in one decision.
#[derive(Clone, Copy)]
struct View {
    signal: Result<Signal, NonAction>,
    top: Option<Top>,
    mark: Option<Price>,
}

impl Engine {
    pub(super) fn decide_touched<O: Observer>(&mut self, trigger: Trigger, emit: &mut Emit<'_, O>) {
        for index in bits(self.touched) {
            let state = &mut self.instruments[index];
            let flow = state.flow.lots();
            let signal = Signal::of(&mut state.book, &self.config.signal, flow, self.facts.now);
            state.ratio = signal.map_or(f64::NAN, |signal| signal.imbalance.ratio());
            state.no_signal = signal.err();
            let view = View {
                signal,
                top: state.fresh_top(self.facts.now, self.config.signal.stale_after_ns),
                mark: state.fresh_mark(self.facts.now),
            };
            for place in 0..self.by_instrument[index].len() {
                let assignment = self.by_instrument[index][place];
                self.decide(assignment, &view, trigger, emit);
            }
        }
    }

    fn decide<O: Observer>(
        &mut self,
        assignment: u16,
        view: &View,
        trigger: Trigger,
        emit: &mut Emit<'_, O>,
    ) {
        let one = &self.assignments[usize::from(assignment)];
        let (strategy, instrument) = (one.strategy, one.instrument);
        if one.is_desk() && !self.trading.flattening {
            return;
        }
        // A kill that keeps positions leaves nobody an order to work with either.
        let killed = self.trading.state == TradingState::Killed;
        let kept = killed && !self.trading.flattening;
        // What a start remembers is not what is held: nothing goes out before the first look (I23).
        // Whoever swept the account meanwhile asked for its positions.
        let market = self.config.instruments[usize::from(instrument.0)].market;
        let early = killed && !self.links[market as usize].ever_reconciled;
        if self.trading.state == TradingState::Halted || kept || early {
            if !one.is_desk() {
                emit.non_action(strategy, instrument, NonAction::NotActive);
            }
            return;
        }
        self.desired.clear();
        let decision = if self.trading.flattening {
            self.want_flat(assignment, view, Purpose::OperatorExit)
        } else if self.is_to_be_closed(assignment) {
            self.want_flat(assignment, view, Purpose::TradeLoss)
        } else {
            self.ask_strategy(assignment, view)
        };
        let wake = decision.wake.max(MonoNs(self.facts.now.0 + 1));
        let pauses = &mut self.assignments[usize::from(assignment)].pauses;
        pauses.wake = pauses.wake.min(wake);
        self.schedule(wake);
        let rules = PlanRules {
            exchange_trims_exits: market == Market::UsdM,
            amends: self.config.orders.amend && market == Market::UsdM,
        };
        let (desired, orders) = (&self.desired, &self.orders);
        plan(desired, orders, assignment, rules, &mut self.actions);
        let waits = self.act(assignment, trigger, emit);
        if let Err(blocked) = waits {
            let reason = blocked.or(decision.reason);
            let reason = reason.unwrap_or(NonAction::RequestPending);
            emit.non_action(strategy, instrument, reason);
        }
    }

    /// Does what the plan says. An error when nothing was done, with the reason if the plan was
    /// held up.
    fn act<O: Observer>(
        &mut self,
        assignment: u16,
        trigger: Trigger,
        emit: &mut Emit<'_, O>,
    ) -> Result<(), Option<NonAction>> {
        let mut done = Err(None);
        for next in 0..self.actions.len() {
            if !emit.has_room(2) {
                // The next step has room again, and nothing else may touch the instrument.
                let now = self.facts.now;
                self.assignments[usize::from(assignment)].pauses.wake = now;
                self.schedule(now);
                return done;
            }
            match self.actions[next] {
                Action::Cancel(slot) if self.keeps_exit(slot) => {
                    done = done.or(Err(Some(NonAction::StreamsNotReady)));
                }
                Action::Cancel(slot) => {
                    self.cancel(slot, emit);
                    done = Ok(());
                }
                Action::Amend(slot, index) => {
                    let wanted = self.desired[usize::from(index)];
                    match self.amend_or_cancel(slot, &wanted, trigger, emit) {
                        Ok(()) => done = Ok(()),
                        Err(reason) => done = done.or(Err(Some(reason))),
                    }
                }
                Action::Place(index) => {
                    let wanted = self.desired[usize::from(index)];
                    if let Some(reason) = self.waits(assignment, wanted.purpose.reduces()) {
                        done = done.or(Err(Some(reason)));
                    } else {
                        emit.stage(Stage::Decided);
                        self.place(assignment, &wanted, trigger, emit);
                        done = Ok(());
                    }
                }
            }
        }
        done
    }

    /// Why an order must wait, if it must: an exit that cannot leave would only fill the journal,
    /// and goes as soon as the connection is up.
    fn waits(&self, assignment: u16, reduces: bool) -> Option<NonAction> {
        let one = &self.assignments[usize::from(assignment)];
        let up = self.link_of(one.instrument).orders_up;
        match one.paused(reduces, self.facts.now) {
            None if reduces && !up => Some(NonAction::StreamsNotReady),
            paused => paused,
        }
    }

    /// A resting exit of a position stays while nothing that takes its place can be sent.
    fn keeps_exit(&self, slot: u16) -> bool {
        let order = self.orders.get(slot);
        let market = self.market_of(order);
        !self.links[market as usize].orders_up
            && order.new.only_reduces(market)
            && !self.held_by(order.assignment).is_zero()
    }

    fn ask_strategy(&mut self, assignment: u16, view: &View) -> Decision {
        let live = |wanted: fn(Purpose) -> bool| {
            let mut orders = self.orders.live_orders();
            orders.find(|order| order.assignment == assignment && wanted(order.purpose))
        };
        let live_entry = live(|purpose| purpose == Purpose::Entry).map(|order| order.new.side);
        let is_exit = |purpose: Purpose| purpose.reduces() && purpose != Purpose::TakeProfit;
        let live_exit = live(is_exit).is_some();
        let one = &self.assignments[usize::from(assignment)];
        let index = usize::from(one.instrument.0);
        let latched_off = self.is_latched_off(one.strategy);
        let switched_off = self.is_switched_off(one.strategy, index);
        let one = &mut self.assignments[usize::from(assignment)];
        let instrument = &self.config.instruments[index];
        let listing = self.instruments[index].facts.listing.as_ref();
        let filters = listing.map_or(&instrument.filters, |now| &now.filters);
        let link = &self.links[instrument.market as usize];
        let entries = if self.trading.state != TradingState::Active {
            Err(NonAction::NotActive)
        } else if latched_off {
            Err(NonAction::StrategyLatched)
        } else if switched_off {
            Err(NonAction::StrategyDisabled)
        } else {
            let ready = match live_entry {
                Some(_) => link.may_keep(),
                None => link.ready(),
            };
            ready.map_err(|_| NonAction::StreamsNotReady)
        };
        let context = Context {
            now: self.facts.now,
            instrument,
            filters,
            signal: view.signal,
            top: view.top,
            mark: view.mark,
            position: &one.position,
            entries,
            live_entry,
            live_exit,
            entry_ended_at: one.pauses.entry_ended_at,
            exit_tries: one.pauses.exit_tries,
            collar_max: self.config.risk.collar,
            size: self.breakers.size(&self.config.risk),
        };
        match &mut one.brain {
            Some(brain) => brain.on_event(&context, &mut self.desired),
            None => Decision {
                reason: None,
                wake: NEVER,
            },
        }
    }

    /// The operator, or a limit, wants no position: whatever the strategy thinks, its part is
    /// closed; the desk closes what no strategy claims.
    fn want_flat(&mut self, assignment: u16, view: &View, purpose: Purpose) -> Decision {
        let idle = Decision {
            reason: Some(NonAction::NotActive),
            wake: NEVER,
        };
        let held = self.held_by(assignment);
        let index = usize::from(self.assignments[usize::from(assignment)].instrument.0);
        let account = self.instruments[index].position.quantity;
        let futures = self.config.instruments[index].market == Market::UsdM;
        // A part that another one outweighs is closed by closing the other: closing this one first
        // would make the account's position larger.
        let outweighed = futures && account.0.signum() != held.0.signum();
        if held.is_zero() || outweighed {
            return idle;
        }
        let side = if held.0 > 0 { Side::Sell } else { Side::Buy };
        let touch = view.top.filter(|top| !top.is_crossed());
        let price = touch.map(|top| match side {
            Side::Buy => top.ask.price,
            Side::Sell => top.bid.price,
        });
        let price = price
            .or(view.mark)
            .map(|price| moved(price, OPERATOR_COLLAR, side));
        let filters = self.listed(index).filters;
        let most = match filters.quantity_max {
            Quantity(0) => held.magnitude(),
            most => most,
        };
        let exit = Desired {
            slot: SLOT_OPERATOR,
            purpose,
            side,
            order_type: price.map_or(OrderType::Market, |_| OrderType::Limit),
            time_in_force: TimeInForce::ImmediateOrCancel,
            price: price.unwrap_or(Price(0)),
            quantity: held.magnitude().min(most),
        };
        self.desired.push(exit).expect("an empty list has room");
        Decision {
            reason: None,
            wake: NEVER,
        }
    }

    /// The strategy's own position, or for the desk what no strategy claims.
    fn held_by(&self, assignment: u16) -> Quantity {
        let one = &self.assignments[usize::from(assignment)];
        if !one.is_desk() {
            return one.position.quantity;
        }
        let index = usize::from(one.instrument.0);
        if self.config.instruments[index].market == Market::Spot {
            return Quantity::ZERO;
        }
        self.instruments[index].position.quantity - self.claimed(index)
    }

    /// Sum of the strategies' positions in an instrument.
    pub(super) fn claimed(&self, index: usize) -> Quantity {
        let all = self.by_instrument[index].iter();
        all.map(|one| self.assignments[usize::from(*one)].position.quantity)
            .sum()
    }

    /// Sends a cancel and waits for its end.
    pub(super) fn cancel<O: Observer>(&mut self, slot: u16, emit: &mut Emit<'_, O>) {
        let now = self.facts.now;
        self.throttle.take_reserved(now);
        let due = self.orders.reply_due(now);
        let order = self.orders.get_mut(slot);
        order.pending = PendingRequest::Cancel;
        let wake = order.wake.min(due);
        self.orders.wake_at(slot, wake);
        let cancel = self.cancel_of(slot);
        emit.record(Record::CancelIntent(cancel));
        emit.request(self.cancel_request(cancel));
    }

    /// Live orders that are `meant` get a cancel of their own, whatever the strategies want.
    pub(super) fn want_cancels(&mut self, meant: impl Fn(&Order) -> bool) {
        for index in 0..self.orders.live().len() {
            let slot = self.orders.live()[index];
            let order = self.orders.get_mut(slot);
            order.cancel_wanted |= meant(order);
        }
        self.facts.sweeping = true;
    }

    /// Sends the cancels that are wanted, as many as have room; goes on in the next step.
    pub(super) fn sweep<O: Observer>(&mut self, emit: &mut Emit<'_, O>) {
        let mut left = false;
        for index in (0..self.orders.live().len()).rev() {
            let slot = self.orders.live()[index];
            let order = self.orders.get(slot);
            if !order.cancel_wanted || order.state.is_final() {
                continue;
            }
            left = true;
            let ends_by_itself = !order.can_rest();
            if ends_by_itself || !order.can_cancel() {
                continue;
            }
            if !emit.has_room(ROOM_KEPT) {
                self.schedule(self.facts.now);
                break;
            }
            self.cancel(slot, emit);
        }
        self.facts.sweeping = left;
    }
}
