//! The planner alone.
//!
//! In: random wishes and live orders. Out: plans that lead there and then rest. Never: a doubled
//! intent.

use super::{Action, Plan, PlanRules};
use crate::config::OrdersConfig;
use crate::orders::{Amending, Evidence, NEVER, Order, OrderTable};
use crate::strategy::{Desired, Purpose};
use market::{
    Certainty, InstrumentId, IntentId, Money, MonoNs, NewOrder, OrderType, PendingRequest, Price,
    Quantity, Side, StrategyId, TimeInForce, UtcMs,
};
use proptest::prelude::*;

const RULES: PlanRules = PlanRules {
    exchange_trims_exits: true,
    amends: false,
};

const AMENDING: PlanRules = PlanRules {
    amends: true,
    ..RULES
};

fn plan(desired: &[Desired], table: &OrderTable, assignment: u16, rules: PlanRules) -> Plan {
    let mut actions = Plan::new();
    super::plan(desired, table, assignment, rules, &mut actions);
    actions
}

fn desired(slot: u8, price: i64, lots: i64, buy: bool, exit: bool) -> Desired {
    Desired {
        slot,
        purpose: if exit {
            Purpose::TakeProfit
        } else {
            Purpose::Entry
        },
        side: if buy { Side::Buy } else { Side::Sell },
        order_type: OrderType::Limit,
        time_in_force: TimeInForce::GoodTillCancel,
        price: Price(price),
        quantity: Quantity(lots),
    }
}

fn table() -> OrderTable {
    OrderTable::new(&OrdersConfig {
        capacity: 64,
        ..OrdersConfig::default()
    })
}

/// The exchange does at once what the plan says.
fn carry_out(table: &mut OrderTable, wanted: &[Desired], actions: &[Action]) {
    for action in actions {
        match action {
            Action::Cancel(slot) => {
                table.apply(*slot, Evidence::Cancel, Quantity(0), MonoNs(1));
            }
            Action::Amend(slot, index) => {
                let one = wanted[usize::from(*index)];
                let order = table.get_mut(*slot);
                let quantity = order.filled + one.quantity;
                assert!(order.take_terms(one.price, quantity, UtcMs(1), MonoNs(1)));
            }
            Action::Place(index) => {
                let one = wanted[usize::from(*index)];
                let (slot, client_order_id) = table.reserve().unwrap();
                let new = NewOrder {
                    client_order_id,
                    intent: IntentId(1),
                    instrument: InstrumentId(0),
                    strategy: StrategyId(0),
                    side: one.side,
                    order_type: one.order_type,
                    time_in_force: one.time_in_force,
                    price: one.price,
                    quantity: one.quantity,
                    reduce_only: false,
                };
                let order = Order {
                    purpose: one.purpose,
                    ..Order::submitted(new, 0, one.slot, MonoNs(1), NEVER)
                };
                table.insert(slot, order);
                table.apply(slot, Evidence::Accept, Quantity(0), MonoNs(1));
            }
        }
    }
}

fn wishes() -> impl Strategy<Value = Vec<Desired>> {
    let one = (1i64..4, 1i64..3, any::<bool>(), any::<bool>());
    prop::collection::btree_map(0u8..8, one, 0..8).prop_map(|map| {
        let wish = |(slot, (price, lots, buy, exit))| desired(slot, price, lots, buy, exit);
        map.into_iter().map(wish).collect()
    })
}

proptest! {
    #[test]
    fn two_rounds_lead_to_the_wish_and_the_third_does_nothing(
        before in wishes(), after in wishes(),
    ) {
        let mut table = table();
        let first = plan(&before, &table, 0, RULES);
        carry_out(&mut table, &before, &first);
        prop_assert_eq!(table.live().len(), before.len());
        let kept = before.iter().filter(|one| after.iter().any(|two| {
            (one.slot, one.side, one.price, one.quantity) == (two.slot, two.side, two.price, two.quantity)
        })).count();
        let first = plan(&after, &table, 0, RULES);
        let cancels = first.iter().filter(|one| matches!(one, Action::Cancel(_))).count();
        prop_assert_eq!(cancels, before.len() - kept, "no more cancels than needed");
        carry_out(&mut table, &after, &first);
        let second = plan(&after, &table, 0, RULES);
        carry_out(&mut table, &after, &second);
        prop_assert_eq!(first.len() + second.len() , before.len() + after.len() - 2 * kept);
        prop_assert_eq!(table.live().len(), after.len());
        prop_assert!(plan(&after, &table, 0, RULES).is_empty(), "idempotent");
        prop_assert!(plan(&[], &table, 1, RULES).is_empty(), "another's orders are left alone");
    }
}

proptest! {
    #[test]
    fn amendments_lead_to_the_wish_with_no_more_messages_than_differences(
        before in wishes(), after in wishes(),
    ) {
        let mut table = table();
        let first = plan(&before, &table, 0, AMENDING);
        carry_out(&mut table, &before, &first);
        let alike = |one: &Desired, two: &Desired| {
            (one.slot, one.side, one.purpose) == (two.slot, two.side, two.purpose)
        };
        // An order that stands as it is wanted stays, whatever it was for.
        let stays = |one: &Desired| after.iter().any(|two| {
            (one.slot, one.side, one.price, one.quantity) == (two.slot, two.side, two.price, two.quantity)
        });
        let kept = before.iter().filter(|one| stays(one)).count();
        let moves = |one: &&Desired| !stays(one) && after.iter().any(|two| alike(one, two));
        let moved = before.iter().filter(moves).count();
        let first = plan(&after, &table, 0, AMENDING);
        let amends = first.iter().filter(|one| matches!(one, Action::Amend(..))).count();
        prop_assert_eq!(amends, moved);
        carry_out(&mut table, &after, &first);
        let second = plan(&after, &table, 0, AMENDING);
        carry_out(&mut table, &after, &second);
        let messages = before.len() + after.len() - 2 * kept - moved;
        prop_assert_eq!(first.len() + second.len(), messages);
        prop_assert_eq!(table.live().len(), after.len());
        for order in table.live_orders() {
            let wanted = after.iter().find(|one| one.slot == order.slot).unwrap();
            prop_assert_eq!((order.new.price, order.exposure()), (wanted.price, wanted.quantity));
        }
        prop_assert!(plan(&after, &table, 0, AMENDING).is_empty(), "idempotent");
    }
}

#[test]
fn a_hundred_levels_are_the_same_case_as_one() {
    let wanted: Vec<_> = (0..60)
        .map(|slot| desired(slot, i64::from(slot) + 1, 1, true, false))
        .collect();
    let mut table = table();
    let actions = plan(&wanted, &table, 0, RULES);
    assert_eq!(actions.len(), 60);
    carry_out(&mut table, &wanted, &actions);
    assert!(plan(&wanted, &table, 0, RULES).is_empty());
}

#[test]
fn exits_that_the_exchange_does_not_trim_wait_for_each_other() {
    let rules = PlanRules {
        exchange_trims_exits: false,
        amends: false,
    };
    let mut table = table();
    let target = [desired(1, 5, 1, false, true)];
    let first = plan(&target, &table, 0, rules);
    carry_out(&mut table, &target, &first);
    let stop = [desired(2, 3, 1, false, true)];
    let first = plan(&stop, &table, 0, rules);
    assert!(matches!(first[..], [Action::Cancel(_)]), "{first:?}");
    carry_out(&mut table, &stop, &first);
    assert_eq!(plan(&stop, &table, 0, rules)[..], [Action::Place(0)]);
    assert_eq!(plan(&stop, &table, 0, RULES)[..], [Action::Place(0)]);
}

/// A table with one order that rests, 5 lots at 10, and its slot.
fn resting() -> (OrderTable, u16) {
    let mut table = table();
    let wanted = [desired(1, 10, 5, true, false)];
    let actions = plan(&wanted, &table, 0, AMENDING);
    carry_out(&mut table, &wanted, &actions);
    let slot = table.live()[0];
    (table, slot)
}

#[test]
fn a_resting_order_is_amended_only_while_nothing_speaks_against_it() {
    let wanted = [desired(1, 11, 5, true, false)];
    let first = |change: fn(&mut Order)| {
        let (mut table, slot) = resting();
        change(table.get_mut(slot));
        plan(&wanted, &table, 0, AMENDING).first().copied()
    };
    let (_, slot) = resting();
    let (amend, cancel) = (Some(Action::Amend(slot, 0)), Some(Action::Cancel(slot)));
    assert_eq!(first(|_| {}), amend);
    assert_eq!(first(|order| order.amendments = 8_999), amend);
    assert_eq!(first(|order| order.amendments = 9_000), cancel);
    assert_eq!(first(|order| order.amend_refused = true), cancel);
    assert_eq!(first(|order| order.cancel_wanted = true), cancel);
    assert_eq!(first(|order| order.told = Quantity(1)), cancel);
    assert_eq!(first(|order| order.pending = PendingRequest::Place), None);
    assert_eq!(first(|order| order.pending = PendingRequest::Cancel), None);
    assert_eq!(first(|order| order.certainty = Certainty::Unknown), None);
}

#[test]
fn what_differs_in_more_than_price_and_quantity_is_cancelled() {
    let other = |change: fn(&mut Desired)| {
        let (table, slot) = resting();
        let mut wanted = [desired(1, 11, 5, true, false)];
        change(&mut wanted[0]);
        let actions = plan(&wanted, &table, 0, AMENDING);
        let placed = actions.contains(&Action::Place(0));
        (actions.first() == Some(&Action::Cancel(slot)), placed)
    };
    assert_eq!(other(|_| {}), (false, false));
    assert_eq!(other(|one| one.side = Side::Sell), (true, false));
    assert_eq!(
        other(|one| one.purpose = Purpose::TakeProfit),
        (true, false)
    );
    assert_eq!(
        other(|one| one.order_type = OrderType::Market),
        (true, false)
    );
    assert_eq!(
        other(|one| one.time_in_force = TimeInForce::PostOnly),
        (true, false)
    );
    assert_eq!(other(|one| one.slot = 2), (true, true), "another intent");
}

#[test]
fn the_same_order_is_left_alone_and_any_other_is_not() {
    let (table, _) = resting();
    let is_left = |wanted: Desired| plan(&[wanted], &table, 0, RULES).is_empty();
    assert!(is_left(desired(1, 10, 5, true, false)));
    assert!(!is_left(desired(1, 10, 4, true, false)));
    assert!(!is_left(desired(1, 9, 5, true, false)));
    assert!(!is_left(desired(1, 10, 5, false, false)));
    assert!(!is_left(desired(2, 10, 5, true, false)));
    let mut later = desired(1, 10, 5, true, false);
    later.time_in_force = TimeInForce::PostOnly;
    assert!(!is_left(later));
}

#[test]
fn a_cancel_overtakes_an_amendment_that_leads_to_what_nobody_wants() {
    // 2 of 5 lots are filled, and the amendment to 7 at 12 has no answer.
    let overtakes = |certainty: Certainty, wanted: &[Desired]| {
        let (mut table, slot) = resting();
        let order = table.get_mut(slot);
        (order.filled, order.told) = (Quantity(2), Quantity(2));
        order.pending = PendingRequest::Amend;
        order.certainty = certainty;
        order.amending = Some(Amending {
            price: Price(12),
            quantity: Quantity(7),
            reserve: Money::ZERO,
            sent_at: MonoNs(1),
        });
        plan(wanted, &table, 0, AMENDING)[..] == [Action::Cancel(slot)]
    };
    let same = [desired(1, 12, 5, true, false)];
    let dearer = [desired(1, 13, 5, true, false)];
    let more = [desired(1, 12, 7, true, false)];
    for (certainty, doubts) in [(Certainty::Known, false), (Certainty::Unknown, true)] {
        assert!(!overtakes(certainty, &same));
        assert_eq!(overtakes(certainty, &dearer), doubts);
        assert_eq!(overtakes(certainty, &more), doubts);
        assert!(
            overtakes(certainty, &[]),
            "nobody wants anything of the kind"
        );
    }
}
