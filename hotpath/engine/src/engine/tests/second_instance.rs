//! Another process that trades the account with our ids.
//!
//! In: orders that neither this start nor an earlier one can have made, and orders of an earlier one
//! that cannot be left over. Out: HALTED, and nothing of ours that rests. Never: an order of the other
//! one touched.

use super::adopt::{earlier, opened};
use super::amend::{resting, settings};
use super::lists::report;
use super::rig::{ID, Rig};
use crate::Request;
use crate::config::ExternalOrders;
use crate::event::Command;
use market::record::Record;
use market::{ClientOrderId, Market, NewOrder, OrderState, StateReason, TradingState};

const STEPPED_BACK: (TradingState, StateReason) =
    (TradingState::Halted, StateReason::SecondInstance);

fn named(rig: &Rig, epoch: u32, number: u64) -> NewOrder {
    NewOrder {
        client_order_id: ClientOrderId::compose("fu", epoch, number),
        ..rig.some_order()
    }
}

fn our_epoch() -> u32 {
    settings().orders.client_id_epoch
}

#[test]
fn an_order_that_only_a_later_start_can_have_made_makes_us_step_back() {
    for number in [0, 1_000_000] {
        let (mut rig, order) = resting();
        let theirs = named(&rig, our_epoch() + 1, number);
        rig.send(opened(&theirs));
        assert_eq!(rig.engine.trading_state(), STEPPED_BACK);
        assert_eq!(
            rig.cancelled(),
            [order.client_order_id],
            "ours, and not theirs"
        );
        rig.end(&order, OrderState::Canceled, 0);
        rig.pass_ms(5_000);
        rig.book(500_000, 60, 10);
        assert_eq!(rig.placed(), []);
        rig.command(Command::Start);
        rig.command(Command::Resume);
        assert_eq!(rig.engine.trading_state(), STEPPED_BACK);
        // A person has ended one of both.
        rig.command(Command::Rearm);
        assert_eq!(rig.engine.trading_state().0, TradingState::Active);
    }
}

#[test]
fn a_process_that_started_with_us_is_known_by_a_number_that_we_have_not_given() {
    let (mut rig, order) = resting();
    let (_, number) = order.client_order_id.parse("fu").unwrap();
    // An adopted order takes the place, and the number, that one of ours had.
    rig.send(opened(&earlier(&rig)));
    let own = named(&rig, our_epoch(), number + 1);
    rig.send(opened(&own));
    assert_eq!(
        rig.engine.trading_state().0,
        TradingState::Active,
        "long forgotten"
    );
    let theirs = named(&rig, our_epoch(), number + 2);
    rig.send(opened(&theirs));
    assert_eq!(rig.engine.trading_state(), STEPPED_BACK);
}

#[test]
fn a_listed_order_of_a_later_start_is_shown_and_left_alone_whatever_the_policy() {
    let mut config = settings();
    config.orders.external_orders = ExternalOrders::Cancel;
    let mut rig = Rig::fresh(config);
    rig.streams(Market::UsdM, true);
    assert_eq!(rig.take(), [Request::Reconcile(ID)]);
    let theirs = named(&rig, our_epoch() + 1, 4);
    rig.reconcile(&[report(&theirs, 9)], &[]);
    assert_eq!(rig.engine.trading_state(), STEPPED_BACK);
    assert_eq!(rig.cancelled(), []);
    let mut records = rig.outbox.observer.records.iter();
    assert!(records.any(|one| matches!(one, Record::External(one) if one.own && !one.cancelled)));
}

#[test]
fn orders_of_an_earlier_start_that_go_on_coming_are_of_a_process_that_lives() {
    let mut rig = Rig::ready(super::looks::patient());
    let of_earlier = |rig: &Rig, number| named(rig, our_epoch() - 1, number);
    // What was on its way when it died.
    for number in 0..5 {
        rig.send(opened(&of_earlier(&rig, number)));
    }
    assert_eq!(rig.engine.trading_state().0, TradingState::Active);
    rig.pass_ms(61_000);
    for number in 5..7 {
        let order = of_earlier(&rig, number);
        rig.end(&order, OrderState::Canceled, 0);
        rig.send(opened(&order));
        assert_eq!(rig.engine.trading_state().0, TradingState::Active);
    }
    for (number, state) in [(7, None), (8, None), (9, Some(STEPPED_BACK))] {
        rig.send(opened(&of_earlier(&rig, number)));
        let state_now = rig.engine.trading_state();
        let stepped_back = (state_now.0 != TradingState::Active).then_some(state_now);
        assert_eq!(stepped_back, state, "what had ended does not count");
    }
}
