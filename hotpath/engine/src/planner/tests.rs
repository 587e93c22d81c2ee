//! The planner alone.
//!
//! In: random wishes and live orders. Out: plans that lead there and then rest. Never: a doubled
//! intent.

use super::{Action, Plan, PlanRules};
use crate::config::OrdersConfig;
use crate::orders::{Evidence, NEVER, Order, OrderTable};
use crate::strategy::{Desired, Purpose};
use market::{
    InstrumentId, IntentId, MonoNs, NewOrder, OrderType, Price, Quantity, Side, StrategyId,
    TimeInForce, UtcMs,
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
