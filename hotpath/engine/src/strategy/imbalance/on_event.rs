//! What `imbalance` does.
//!
//! In: contexts. Out: an entry while flat; a profit target, or an exit once one is due, while
//! not. Never: an exit that waits for a signal when the stop is reached.

use super::parameters::{EntryStyle, FlipPolicy, ImbalanceParameters, PartialEntry};
use super::state::{ImbalanceState, Quote};
use crate::orders::NEVER;
use crate::signal::Signal;
use crate::strategy::{Context, Decision, Desired, DesiredOrders, Purpose, moved, target_price};
use market::units::ONE;
use market::{Market, MonoNs, NonAction, OrderType, Price, Quantity, Rate, Side, TimeInForce};

const SLOT_ENTRY: u8 = 0;
const SLOT_TARGET: u8 = 1;
const SLOT_EXIT: u8 = 2;

/// Most widenings of an exit's collar.
const EXIT_TRIES_MAX: u8 = 16;

/// Follows the imbalance.
#[derive(Clone, Debug)]
pub struct Imbalance {
    parameters: ImbalanceParameters,
    /// What it remembers.
    pub state: ImbalanceState,
}

impl Imbalance {
    /// A strategy that has done nothing yet.
    #[must_use]
    pub fn new(parameters: ImbalanceParameters) -> Self {
        Self {
            parameters,
            state: ImbalanceState::default(),
        }
    }

    /// Other parameters from here on; what it remembers stays.
    pub const fn set_parameters(&mut self, parameters: ImbalanceParameters) {
        self.parameters = parameters;
    }

    /// Looks at the world and writes down what it wants.
    pub fn on_event(&mut self, context: &Context<'_>, desired: &mut DesiredOrders) -> Decision {
        if context.position.is_flat() || context.is_dust() {
            self.while_flat(context, desired)
        } else {
            self.while_holding(context, desired)
        }
    }

    fn while_flat(&mut self, context: &Context<'_>, desired: &mut DesiredOrders) -> Decision {
        if self.state.opened_at.take().is_some() {
            self.end_of_trade(context.now);
        }
        match self.entry(context, Quantity::ZERO) {
            Ok(entry) => {
                desired.push(entry).expect("an empty list has room");
                working(context.live_entry == Some(entry.side))
            }
            Err(NonAction::Cooldown) => {
                self.state.quote = None;
                idle(NonAction::Cooldown, self.paused_until(context))
            }
            Err(reason) => {
                self.state.quote = None;
                idle(reason, NEVER)
            }
        }
    }

    fn end_of_trade(&mut self, now: MonoNs) {
        let reversing = self.state.exit == Some(Purpose::SignalExit)
            && self.parameters.on_flip == FlipPolicy::Reverse;
        let pause_ns = if reversing {
            0
        } else {
            self.parameters.cooldown_ns
        };
        self.state = ImbalanceState {
            pause_until: now.after(pause_ns),
            ..ImbalanceState::default()
        };
    }

    /// No entry before: the pause after a trade, and for takers the one after an order that
    /// came back with a rest, lest every tick sends one.
    fn paused_until(&self, context: &Context<'_>) -> MonoNs {
        let retries =
            self.parameters.entry == EntryStyle::Taker && context.entry_ended_at != MonoNs(0);
        let retry_at = context.entry_ended_at.after(self.parameters.retry_after_ns);
        if retries {
            self.state.pause_until.max(retry_at)
        } else {
            self.state.pause_until
        }
    }

    /// The entry that is wanted now, less the `held` part of it.
    fn entry(&mut self, context: &Context<'_>, held: Quantity) -> Result<Desired, NonAction> {
        context.entries?;
        if context.now < self.paused_until(context) {
            return Err(NonAction::Cooldown);
        }
        let signal = context.signal?;
        let side = self.wanted_side(&signal).ok_or(NonAction::SignalNeutral)?;
        if side == Side::Sell && context.instrument.market == Market::Spot {
            return Err(NonAction::ShortNotAllowed);
        }
        let quote = self.quote(context, &signal, side);
        let quantity = context.cut(quote.target - held);
        if is_too_small(context, quote.price, quantity) {
            return Err(NonAction::SizeTooSmall);
        }
        self.state.quote = Some(quote);
        Ok(Desired {
            slot: SLOT_ENTRY,
            purpose: Purpose::Entry,
            side,
            order_type: OrderType::Limit,
            time_in_force: match self.parameters.entry {
                EntryStyle::Maker => TimeInForce::PostOnly,
                EntryStyle::Taker => TimeInForce::ImmediateOrCancel,
            },
            price: quote.price,
            quantity,
        })
    }

    fn wanted_side(&self, signal: &Signal) -> Option<Side> {
        if signal.is_above(self.parameters.buy_above) {
            Some(Side::Buy)
        } else if signal.is_below(self.parameters.sell_below) {
            Some(Side::Sell)
        } else {
            None
        }
    }

    /// The present quote, moved to the touch when it is too far from it.
    fn quote(&self, context: &Context<'_>, signal: &Signal, side: Side) -> Quote {
        let own_touch = match side {
            Side::Buy => signal.top.bid.price,
            Side::Sell => signal.top.ask.price,
        };
        let old = self.state.quote.filter(|quote| quote.side == side);
        let price = match (self.parameters.entry, old) {
            (EntryStyle::Taker, _) => {
                let far_touch = match side {
                    Side::Buy => signal.top.ask.price,
                    Side::Sell => signal.top.bid.price,
                };
                moved(far_touch, self.parameters.taker_collar, side)
            }
            (EntryStyle::Maker, Some(quote))
                if (quote.price.0 - own_touch.0).abs() < self.parameters.reprice_ticks =>
            {
                quote.price
            }
            (EntryStyle::Maker, _) => own_touch,
        };
        let wanted = || {
            let notional = context.sized(self.parameters.order_notional);
            context.instrument.quantity_for(price, notional)
        };
        Quote {
            side,
            price,
            // The size stays while the quote lives, so that a reprice keeps what has filled.
            target: old.map_or_else(wanted, |quote| quote.target),
        }
    }

    fn while_holding(&mut self, context: &Context<'_>, desired: &mut DesiredOrders) -> Decision {
        let now = context.now;
        let opened_at = *self.state.opened_at.get_or_insert(now);
        if self.state.exit.is_none() {
            self.state.exit = self.due_exit(context, opened_at);
        }
        if let Some(purpose) = self.state.exit {
            desired
                .push(self.exit(context, purpose))
                .expect("an empty list has room");
            return working(context.live_exit);
        }
        desired
            .push(self.target(context))
            .expect("an empty list has room");
        self.complete_entry(context, desired);
        let signal_at = opened_at.after(self.parameters.signal_exit_after_ns);
        let time_at = opened_at.after(self.parameters.time_exit_after_ns);
        let wake = if signal_at > now { signal_at } else { time_at };
        idle(NonAction::HoldingPosition, wake.min(time_at))
    }

    /// Adds the rest of a partly filled entry, by policy.
    fn complete_entry(&mut self, context: &Context<'_>, desired: &mut DesiredOrders) {
        let held = context.position.quantity;
        let Some(quote) = self.state.quote else {
            return;
        };
        let same_side = held.0.signum() == quote.side.sign();
        let wanted = self.parameters.on_partial_entry == PartialEntry::Complete;
        if !wanted || !same_side || held.magnitude() >= quote.target {
            self.state.quote = None;
            return;
        }
        match self.entry(context, held.magnitude()) {
            Ok(entry) if entry.side == quote.side => {
                desired.push(entry).expect("two orders have room");
            }
            // A pause passes; a signal that has gone does not come back for this entry.
            Err(NonAction::Cooldown) => {}
            _ => self.state.quote = None,
        }
    }

    fn due_exit(&self, context: &Context<'_>, opened_at: MonoNs) -> Option<Purpose> {
        let position = context.position;
        let age_ns = context.now.since(opened_at);
        let price = context.taking_price(position.closing_side());
        if price.is_some_and(|price| self.is_stopped(context, price)) {
            return Some(Purpose::StopLoss);
        }
        if age_ns >= self.parameters.time_exit_after_ns {
            return Some(Purpose::TimeExit);
        }
        let old_enough = age_ns >= self.parameters.signal_exit_after_ns;
        let against = context.signal.ok().and_then(|one| self.wanted_side(&one))
            == Some(position.closing_side());
        let minds = self.parameters.on_flip != FlipPolicy::Hold;
        (old_enough && against && minds).then_some(Purpose::SignalExit)
    }

    /// True when closing at `price` would lose the stop's share of what the position cost.
    fn is_stopped(&self, context: &Context<'_>, price: Price) -> bool {
        let position = context.position;
        let value = i128::from(price.0) * i128::from(position.quantity.0);
        let gain = value - position.cost_tick_lots;
        let limit = position.cost_tick_lots.abs() * i128::from(self.parameters.stop_loss.0);
        gain * i128::from(ONE) <= -limit
    }

    fn target(&self, context: &Context<'_>) -> Desired {
        let position = context.position;
        Desired {
            slot: SLOT_TARGET,
            purpose: Purpose::TakeProfit,
            side: position.closing_side(),
            order_type: OrderType::Limit,
            time_in_force: TimeInForce::GoodTillCancel,
            price: target_price(position, self.parameters.take_profit),
            quantity: context.cut(position.quantity.magnitude()),
        }
    }

    /// A marketable exit; each one that came back with a rest lets the next reach further.
    fn exit(&self, context: &Context<'_>, purpose: Purpose) -> Desired {
        let side = context.position.closing_side();
        let reach = self.parameters.taker_collar.0
            * (1 + i64::from(context.exit_tries.min(EXIT_TRIES_MAX)));
        let collar = Rate(reach.min(context.collar_max.0.max(self.parameters.taker_collar.0)));
        let price = context
            .taking_price(side)
            .map(|price| moved(price, collar, side));
        Desired {
            slot: SLOT_EXIT,
            purpose,
            side,
            order_type: price.map_or(OrderType::Market, |_| OrderType::Limit),
            time_in_force: TimeInForce::ImmediateOrCancel,
            price: price.unwrap_or(Price(0)),
            quantity: context.cut(context.position.quantity.magnitude()),
        }
    }
}

fn is_too_small(context: &Context<'_>, price: Price, quantity: Quantity) -> bool {
    let filters = context.filters;
    quantity.0 <= 0
        || quantity < filters.quantity_min
        || context.instrument.notional(price, quantity) < filters.notional_min
}

fn working(live: bool) -> Decision {
    Decision {
        reason: live.then_some(NonAction::OrderWorking),
        wake: NEVER,
    }
}

fn idle(reason: NonAction, wake: MonoNs) -> Decision {
    Decision {
        reason: Some(reason),
        wake,
    }
}
