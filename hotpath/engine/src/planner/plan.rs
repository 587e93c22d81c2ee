//! The difference between wish and reality.
//!
//! In: two lists. Out: actions in order: cancels first. Never: state.

use crate::orders::{Order, OrderTable};
use crate::strategy::{DESIRED_MAX, Desired};
use market::{Certainty, PendingRequest};

/// One thing to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Action {
    /// Cancel the order in this slot of the table.
    Cancel(u16),
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
}

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
        if should_cancel(order, desired) && actions.push(Action::Cancel(*slot)).is_err() {
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
fn should_cancel(order: &Order, desired: &[Desired]) -> bool {
    // A place that is under way is waited for: its reply comes before a cancel could.
    let settled = order.pending == PendingRequest::None && order.certainty == Certainty::Known;
    if !settled || !order.can_rest() || !order.can_cancel() {
        return false;
    }
    !desired.iter().any(|wanted| is_same(order, wanted))
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
