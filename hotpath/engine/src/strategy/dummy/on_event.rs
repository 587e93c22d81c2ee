//! What `dummy` does.
//!
//! In: contexts. Out: one passive order at a time, or the exit of one that filled. Never: a
//! position that it keeps.

use super::parameters::DummyParameters;
use super::state::DummyState;
use crate::orders::NEVER;
use crate::strategy::{Context, Decision, Desired, DesiredOrders, Purpose, moved};
use market::{Market, MonoNs, NonAction, OrderType, Price, Quantity, Side, TimeInForce};

const SLOT_PROBE: u8 = 0;
const SLOT_EXIT: u8 = 1;

/// Places and cancels.
#[derive(Clone, Debug)]
pub struct Dummy {
    parameters: DummyParameters,
    /// What it remembers.
    pub state: DummyState,
}

impl Dummy {
    /// A strategy that has done nothing yet.
    #[must_use]
    pub fn new(parameters: DummyParameters) -> Self {
        Self {
            parameters,
            state: DummyState::default(),
        }
    }

    /// Other parameters from here on; what it remembers stays.
    pub const fn set_parameters(&mut self, parameters: DummyParameters) {
        self.parameters = parameters;
    }

    /// Looks at the world and writes down what it wants.
    pub fn on_event(&mut self, context: &Context<'_>, desired: &mut DesiredOrders) -> Decision {
        if !context.position.is_flat() && !context.is_dust() {
            return self.close(context, desired);
        }
        if let Err(reason) = context.entries {
            self.state.rests_until = MonoNs(0);
            return idle(reason, NEVER);
        }
        let resting = self.state.rests_until > context.now;
        if !resting && context.now < self.state.next_at {
            // No wake: the next order follows a change of the market, and so exercises the whole
            // path from it.
            return idle(NonAction::Cooldown, NEVER);
        }
        if !resting && let Err(reason) = self.choose(context) {
            return idle(reason, NEVER);
        }
        let state = &self.state;
        let probe = Desired {
            slot: SLOT_PROBE,
            purpose: Purpose::Entry,
            side: state.side,
            order_type: OrderType::Limit,
            time_in_force: TimeInForce::PostOnly,
            price: state.price,
            quantity: state.quantity,
        };
        desired.push(probe).expect("an empty list has room");
        let reason = context.live_entry.map(|_| NonAction::OrderWorking);
        Decision {
            reason,
            wake: state.rests_until,
        }
    }

    /// The next order: the other side, at a distance, as small as wanted and allowed.
    fn choose(&mut self, context: &Context<'_>) -> Result<(), NonAction> {
        let top = context.top.ok_or(NonAction::SignalBookUnsynced)?;
        // Without short positions only buys can be placed from nothing.
        let side = match (self.state.side, context.instrument.market) {
            (_, Market::Spot) | (Side::Sell, _) => Side::Buy,
            (Side::Buy, _) => Side::Sell,
        };
        let touch = match side {
            Side::Buy => top.bid.price,
            Side::Sell => top.ask.price,
        };
        let price = moved(touch, self.parameters.distance, side.opposite());
        let instrument = context.instrument;
        let filters = context.filters;
        let notional = context.sized(self.parameters.order_notional);
        let wanted = instrument.quantity_for(price, notional);
        let mut least = instrument.quantity_for(price, filters.notional_min);
        if instrument.notional(price, least) < filters.notional_min {
            least = Quantity(least.0 + 1);
        }
        let quantity = wanted.max(least).max(filters.quantity_min).max(Quantity(1));
        self.state = DummyState {
            next_at: context.now.after(self.parameters.interval_ns),
            rests_until: context.now.after(self.parameters.rest_ns),
            side,
            price,
            quantity,
        };
        Ok(())
    }

    fn close(&mut self, context: &Context<'_>, desired: &mut DesiredOrders) -> Decision {
        self.state.rests_until = MonoNs(0);
        let side = context.position.closing_side();
        let touch = context.taking_price(side);
        let price = touch.map(|price| moved(price, context.collar_max, side));
        let exit = Desired {
            slot: SLOT_EXIT,
            purpose: Purpose::TimeExit,
            side,
            order_type: price.map_or(OrderType::Market, |_| OrderType::Limit),
            time_in_force: TimeInForce::ImmediateOrCancel,
            price: price.unwrap_or(Price(0)),
            quantity: context.cut(context.position.quantity.magnitude()),
        };
        desired.push(exit).expect("an empty list has room");
        Decision {
            reason: None,
            wake: NEVER,
        }
    }
}

fn idle(reason: NonAction, wake: MonoNs) -> Decision {
    Decision {
        reason: Some(reason),
        wake,
    }
}
