//! The difference between wish and reality.
//!
//! In: two lists. Out: actions in order: cancels first. Never: state.

use crate::orders::{Order, OrderTable};
use crate::strategy::{DESIRED_MAX, Desired};
use market::{Certainty, OrderState, PendingRequest};

/// One thing to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Action {
    /// Cancel the order in this slot of the table.
    Cancel(u16),
    /// Amend the order in this slot of the table to the desired order with this index.
    Amend(u16, u8),
    /// Place the desired order with this index.
    Place(u8),
}

/// What to do now; what cannot be done yet follows in a later plan.
pub type Plan = heapless::Vec<Action, { 2 * DESIRED_MAX }>;

/// What differs between markets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PlanRules {
    /// Several reducing orders may be live together, because the exchange trims them to the
    /// position (reduce-only). Without it one must be gone before the next is placed.
    pub exchange_trims_exits: bool,
    /// A resting order can be given another price and quantity.
    pub amends: bool,
}

/// Most amendments of one order, below what an exchange allows (futures: 10,000).
const AMENDMENTS_MAX: u16 = 9_000;

/// Compares `desired` with the live orders of `assignment`, and writes to `actions` what to do: a
/// plan is too large to be handed back by value on every event.
pub fn plan(
    desired: &[Desired],
    table: &OrderTable,
    assignment: u16,
    rules: PlanRules,
    actions: &mut Plan,
) {
    actions.clear();
    let mine = |slot: &&u16| table.get(**slot).assignment == assignment;
    for slot in table.live().iter().filter(mine) {
        let order = table.get(*slot);
        if !should_change(order, desired) {
            continue;
        }
        let wanted = rules.amends.then(|| successor(order, desired)).flatten();
        let action = match wanted {
            Some(index) => Action::Amend(*slot, index),
            None => Action::Cancel(*slot),
        };
        if actions.push(action).is_err() {
            return;
        }
    }
    for (index, wanted) in desired.iter().enumerate() {
        let mut live = table
            .live()
            .iter()
            .filter(mine)
            .map(|slot| table.get(*slot));
        let blocked = live.any(|order| blocks(order, wanted, rules));
        if !blocked && actions.push(Action::Place(index as u8)).is_err() {
            return;
        }
    }
}

/// True for a resting order that nobody wants, or that is wanted otherwise.
fn should_change(order: &Order, desired: &[Desired]) -> bool {
    if !order.can_rest() || !order.can_cancel() {
        return false;
    }
    // A place that is under way is waited for: its reply comes before a cancel could.
    let settled = order.pending == PendingRequest::None && order.certainty == Certainty::Known;
    if !settled {
        return order.pending == PendingRequest::Amend && should_overtake(order, desired);
    }
    !desired.iter().any(|wanted| is_same(order, wanted))
}

/// True when a cancel is not to wait for the answer to an amendment: nobody wants anything of the
/// kind any more, or its fate is not known and the order may be what nobody wants.
fn should_overtake(order: &Order, desired: &[Desired]) -> bool {
    let mut alike = desired.iter().filter(|wanted| is_alike(order, wanted));
    let Some(wanted) = alike.next() else {
        return true;
    };
    let asked = order.amending.filter(|asked| {
        asked.price == wanted.price && asked.quantity - order.filled == wanted.quantity
    });
    order.certainty == Certainty::Unknown && asked.is_none()
}

/// The desired order that `order` can be amended to.
fn successor(order: &Order, desired: &[Desired]) -> Option<u8> {
    let is_free = order.pending == PendingRequest::None && !order.cancel_wanted;
    // What has filled beyond what was booked would be ordered again.
    let is_booked = order.told == order.filled && order.state != OrderState::Submitted;
    let is_amendable = !order.amend_refused && order.amendments < AMENDMENTS_MAX;
    if !is_free || !is_booked || !is_amendable {
        return None;
    }
    let index = desired.iter().position(|wanted| is_alike(order, wanted))?;
    u8::try_from(index).ok()
}

/// True when both are the same but for price and quantity.
fn is_alike(order: &Order, wanted: &Desired) -> bool {
    order.slot == wanted.slot
        && order.purpose == wanted.purpose
        && order.new.side == wanted.side
        && order.new.order_type == wanted.order_type
        && order.new.time_in_force == wanted.time_in_force
}

fn is_same(order: &Order, wanted: &Desired) -> bool {
    order.slot == wanted.slot
        && order.new.side == wanted.side
        && order.new.price == wanted.price
        && order.new.time_in_force == wanted.time_in_force
        && order.exposure() == wanted.quantity
}

/// True when `wanted` cannot be placed while `order` is live or unknown.
fn blocks(order: &Order, wanted: &Desired, rules: PlanRules) -> bool {
    let same_intent = order.slot == wanted.slot;
    let exits_compete = order.purpose.reduces() && wanted.purpose.reduces();
    same_intent || (exits_compete && !rules.exchange_trims_exits)
}
