//! Looks at the exchange while a connection is away, or a question finds no room.
//!
//! In: streams that go and come back, lists, replies. Out: when it is looked, what is booked. Never:
//! the terms of a listed order; those are in `listed`.

use super::lists::trade;
use super::looks::{certainty, fates, next_look, patient, resting_at_a_look};
use super::rig::{ID, Rig, position};
use crate::event::StreamKind;
use crate::{Input, Request};
use market::{Certainty, Market, OrderState, ReplyOutcome, RequestKind, Side};

#[test]
fn what_fills_while_the_private_stream_is_away_is_booked_and_has_its_exit() {
    let mut rig = Rig::ready(patient());
    rig.book(500_000, 40, 10);
    let order = rig.place_one();
    rig.confirm(&order);
    rig.stream(StreamKind::User, Market::UsdM, false);
    assert_eq!(rig.cancelled(), [order.client_order_id]);
    // The cancel comes too late, and a query tells why.
    let (cancel, refused) = (RequestKind::Cancel, ReplyOutcome::Rejected);
    rig.reply(&order, cancel, refused, OrderState::Accepted, 0);
    rig.pass_ms(500);
    let lots = order.quantity.0;
    let (query, told) = (RequestKind::Query, ReplyOutcome::Confirmed);
    rig.reply(&order, query, told, OrderState::Filled, lots);
    assert!(next_look(&mut rig) <= 5_000);
    let told = trade(41, 7, Side::Buy, lots, 500_000);
    rig.reconcile_listing(&[told], &[], &[position(lots, 50_000)]);
    assert_eq!(rig.position(), lots);
    let exit = rig.place_one();
    assert_eq!((exit.side, exit.quantity.0), (Side::Sell, lots));
    assert!(!rig.engine.account_page().reconciled, "entries stay shut");
}

#[test]
fn without_the_private_stream_the_account_is_looked_at_every_five_seconds() {
    let mut rig = Rig::ready(patient());
    rig.stream(StreamKind::User, Market::UsdM, false);
    rig.take();
    for _ in 0..3 {
        assert_eq!(next_look(&mut rig), 5_000);
        rig.reconcile(&[], &[]);
    }
    // It comes back while orders cannot be sent: what was missed is asked for all the same.
    rig.stream(StreamKind::Orders, Market::UsdM, false);
    rig.stream(StreamKind::User, Market::UsdM, true);
    assert_eq!(rig.take(), [Request::Reconcile(ID)]);
}

#[test]
fn before_the_first_look_nobody_is_asked_without_the_private_stream() {
    let mut rig = Rig::fresh(patient());
    rig.stream(StreamKind::Orders, Market::UsdM, true);
    rig.stream(StreamKind::User, Market::UsdM, false);
    rig.pass_ms(30_000);
    assert_eq!(rig.take(), []);
}

#[test]
fn a_fate_that_nobody_can_ask_for_does_not_make_looks_more_frequent() {
    let (mut rig, order) = resting_at_a_look(patient());
    rig.reconcile(&[], &[]);
    assert_eq!(certainty(&rig, &order), Certainty::Unknown);
    rig.streams(Market::UsdM, false);
    rig.take();
    // Every list has a position that the order may have made.
    for _ in 0..3 {
        assert_eq!(next_look(&mut rig), 5_000);
        rig.reconcile(&[], &[position(order.quantity.0, 50_000)]);
    }
    assert_eq!((rig.position(), fates(&rig)), (0, vec![]));
}

#[test]
fn an_order_connection_that_is_back_is_a_reason_to_look_at_once() {
    let (mut rig, order) = resting_at_a_look(patient());
    rig.reconcile(&[], &[]);
    assert_eq!(certainty(&rig, &order), Certainty::Unknown);
    rig.streams(Market::UsdM, false);
    rig.stream(StreamKind::User, Market::UsdM, true);
    rig.take();
    let lots = order.quantity.0;
    rig.reconcile(&[], &[position(lots, 50_000)]);
    rig.pass_ms(1_000);
    rig.take();
    rig.stream(StreamKind::Orders, Market::UsdM, true);
    assert!(rig.take().contains(&Request::Reconcile(ID)));
}

#[test]
fn a_query_that_found_no_room_was_not_asked_and_goes_out_when_there_is_some() {
    let (mut rig, order) = resting_at_a_look(patient());
    rig.reconcile(&[], &[]);
    assert_eq!(certainty(&rig, &order), Certainty::Unknown);
    rig.take();
    while rig.outbox.requests.push(Request::Reconcile(ID)).is_ok() {}
    rig.pass_ms(205);
    rig.take();
    rig.pass_ms(20);
    let asked = rig.take();
    let query = |one: &Request| matches!(one, Request::Query(_));
    assert_eq!(
        asked.iter().filter(|one| query(one)).count(),
        1,
        "{asked:?}"
    );
}

#[test]
fn after_inputs_were_lost_the_exchange_is_asked_for_everything_that_they_may_have_told() {
    let mut config = patient();
    config.risk.daily_loss_max = market::Money::from_whole(1_000_000);
    let mut rig = Rig::ready(config);
    rig.book(500_000, 40, 10);
    let order = rig.place_one();
    rig.confirm(&order);
    // In the middle of a look: its missing parts are not taken for an empty account.
    assert!(next_look(&mut rig) <= 60_000);
    rig.send(Input::ReconcileBegin);
    rig.send(Input::InputsLost(3));
    let asked = rig.take();
    assert!(asked.contains(&Request::Reconcile(ID)), "{asked:?}");
    assert!(asked.contains(&Request::VerifySetup(ID)), "{asked:?}");
    assert!(asked.iter().any(|one| matches!(one, Request::Trades(_))));
    assert!(!rig.engine.account_page().reconciled);
    rig.send(Input::ReconcileEnd);
    assert!(
        !rig.engine.account_page().reconciled,
        "the end of a look that is none"
    );
    // One of them was its fill.
    let lots = order.quantity.0;
    let told = trade(41, 7, Side::Buy, lots, 500_000);
    rig.reconcile_listing(&[told], &[], &[position(lots, 50_000)]);
    rig.reply(
        &order,
        RequestKind::Query,
        ReplyOutcome::Confirmed,
        OrderState::Filled,
        lots,
    );
    assert_eq!(rig.position(), lots);
}
