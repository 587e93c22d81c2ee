//! What becomes of orders while their connection is away and REST is not.
//!
//! In: an order connection that goes and comes back, verdicts of REST. Out: by which way cancels and
//! queries go, and when. Never: the private stream away; that is in `blind`.

use super::adopt::{earlier, opened};
use super::amend::resting;
use super::looks::{certainty, patient};
use super::rig::{ID, MS, Rig};
use crate::Request;
use crate::event::{Command, StreamKind};
use market::account::REST_VERDICT_NS;
use market::record::Record;
use market::{
    CancelOrder, Certainty, ClientOrderId, ExchangeOrderId, Market, NewOrder, NonAction,
    OrderState, ReplyOutcome, RequestKind, Side,
};

fn orders(rig: &mut Rig, up: bool) {
    rig.stream(StreamKind::Orders, Market::UsdM, up);
}

fn named(order: &NewOrder) -> CancelOrder {
    CancelOrder {
        client_order_id: order.client_order_id,
        instrument: ID,
        exchange_order_id: ExchangeOrderId(7),
    }
}

/// Cancels that went over REST since the last look, and that no other went.
fn cancelled_over_rest(rig: &mut Rig) -> Vec<ClientOrderId> {
    let taken = rig.take();
    assert!(!taken.iter().any(|one| matches!(one, Request::Cancel(_))));
    let cancelled = taken.into_iter().filter_map(|one| match one {
        Request::CancelOverRest(order) => Some(order.client_order_id),
        _ => None,
    });
    cancelled.collect()
}

/// Times of queries in the next `ms`, by the way that they went.
fn queries(rig: &mut Rig, ms: u64) -> Vec<(u64, bool)> {
    let begun = rig.time;
    let mut asked = Vec::new();
    while rig.time - begun < ms * MS {
        rig.pass_ms(10);
        let at = (rig.time - begun) / MS;
        asked.extend(rig.take().into_iter().filter_map(|one| match one {
            Request::Query(_) => Some((at, false)),
            Request::QueryOverRest(_) => Some((at, true)),
            _ => None,
        }));
    }
    asked
}

/// A resting entry whose fate is asked for over REST.
fn asked_over_rest() -> (Rig, NewOrder) {
    let (mut rig, order) = resting();
    orders(&mut rig, false);
    rig.command(Command::CancelAll);
    assert_eq!(rig.take(), [Request::CancelOverRest(named(&order))]);
    let (cancel, lost) = (RequestKind::Cancel, ReplyOutcome::Unresolved);
    rig.reply(&order, cancel, lost, OrderState::Submitted, 0);
    assert_eq!(certainty(&rig, &order), Certainty::Unknown);
    assert_eq!(queries(&mut rig, 210), [(200, true)]);
    (rig, order)
}

fn unanswered(rig: &mut Rig, order: &NewOrder, outcome: ReplyOutcome) {
    let (query, state) = (RequestKind::Query, OrderState::Submitted);
    rig.reply(order, query, outcome, state, 0);
}

#[test]
fn a_cancel_goes_over_rest_while_orders_cannot_be_sent_and_ends_its_order() {
    let (mut rig, order) = resting();
    orders(&mut rig, false);
    rig.command(Command::CancelAll);
    assert_eq!(rig.take(), [Request::CancelOverRest(named(&order))]);
    let (cancel, done) = (RequestKind::Cancel, ReplyOutcome::Confirmed);
    rig.reply(&order, cancel, done, OrderState::Canceled, 0);
    assert_eq!(rig.engine.orders().live().len(), 0);
    assert_eq!(rig.engine.order_counters().violations, 0);
    // The stream tells it once more, and the connection takes cancels again.
    rig.end(&order, OrderState::Canceled, 0);
    orders(&mut rig, true);
    rig.pass_ms(2_000);
    rig.book(500_000, 50, 10);
    let next = rig.place_one();
    rig.confirm(&next);
    rig.command(Command::CancelAll);
    assert_eq!(rig.take(), [Request::Cancel(named(&next))]);
}

#[test]
fn an_order_that_rests_for_three_seconds_without_its_connection_is_cancelled_over_rest() {
    let (mut rig, order) = resting();
    orders(&mut rig, false);
    rig.pass_ms(2_999);
    assert_eq!(cancelled_over_rest(&mut rig), []);
    rig.pass_ms(1);
    assert_eq!(cancelled_over_rest(&mut rig), [order.client_order_id]);
    let (cancel, done) = (RequestKind::Cancel, ReplyOutcome::Confirmed);
    rig.reply(&order, cancel, done, OrderState::Canceled, 0);
    rig.pass_ms(2_000);
    rig.book(500_000, 50, 10);
    assert_eq!(rig.placed(), [], "no entry while it is away");
    assert_eq!(rig.last_reason(), Some(NonAction::StreamsNotReady));
    orders(&mut rig, true);
    rig.book(500_000, 60, 10);
    rig.place_one();
}

#[test]
fn a_connection_that_is_back_within_three_seconds_leaves_its_orders_alone() {
    let (mut rig, _) = resting();
    for _ in 0..3 {
        orders(&mut rig, false);
        // Told twice that it is away: it is away since the first time.
        rig.pass_ms(1_000);
        orders(&mut rig, false);
        rig.pass_ms(1_999);
        orders(&mut rig, true);
        rig.pass_ms(2_000);
        assert_eq!(rig.cancelled(), []);
    }
    assert_eq!(rig.engine.orders().live().len(), 1);
    orders(&mut rig, false);
    rig.pass_ms(1_000);
    orders(&mut rig, false);
    rig.pass_ms(2_000);
    assert_eq!(cancelled_over_rest(&mut rig).len(), 1);
}

#[test]
fn an_entry_that_its_strategy_gives_up_is_cancelled_at_once_without_its_connection() {
    let (mut rig, order) = resting();
    orders(&mut rig, false);
    rig.book(500_000, 10, 40);
    assert_eq!(cancelled_over_rest(&mut rig), [order.client_order_id]);
}

#[test]
fn an_exit_stays_where_it_is_while_nothing_can_take_its_place() {
    let mut rig = Rig::ready(patient());
    rig.book(500_000, 40, 10);
    let order = rig.place_one();
    rig.confirm(&order);
    rig.fill_all(&order, 500_000);
    let exit = rig.place_one();
    assert!(exit.side == Side::Sell && exit.reduce_only);
    rig.confirm(&exit);
    orders(&mut rig, false);
    rig.pass_ms(10_000);
    rig.book(490_000, 10, 40);
    rig.pass_ms(10_000);
    assert_eq!(cancelled_over_rest(&mut rig), []);
    // What a person wants goes by the way that there is.
    rig.command(Command::CancelAll);
    assert_eq!(cancelled_over_rest(&mut rig), [exit.client_order_id]);
}

#[test]
fn an_order_that_is_adopted_without_its_connection_is_cancelled() {
    let mut config = patient();
    config.orders.open_orders_at_start = crate::config::OpenOrdersAtStart::Adopt;
    let mut rig = Rig::ready(config);
    let order = earlier(&rig);
    orders(&mut rig, false);
    rig.pass_ms(2_999);
    rig.send(opened(&order));
    assert_eq!(cancelled_over_rest(&mut rig), []);
    rig.pass_ms(1);
    assert_eq!(cancelled_over_rest(&mut rig), [order.client_order_id]);
    let later = NewOrder {
        client_order_id: ClientOrderId::compose("fu", 9_999, 4),
        ..order
    };
    rig.send(opened(&later));
    assert_eq!(cancelled_over_rest(&mut rig), [later.client_order_id]);
}

#[test]
fn no_query_follows_one_over_rest_before_its_verdict() {
    let (mut rig, order) = asked_over_rest();
    // The verdict of a query that went before it over the connection that is gone.
    unanswered(&mut rig, &order, ReplyOutcome::Unresolved);
    orders(&mut rig, true);
    let verdict_ms = REST_VERDICT_NS / MS;
    let asked = queries(&mut rig, verdict_ms);
    assert_eq!(asked.len(), 1, "{asked:?}");
    let (at, over_rest) = asked[0];
    assert!(
        (verdict_ms - 10..=verdict_ms).contains(&at) && !over_rest,
        "{asked:?}"
    );
}

#[test]
fn a_query_over_rest_that_has_its_verdict_is_followed_by_the_next_after_a_second() {
    let (mut rig, order) = asked_over_rest();
    // Nobody knows when it left, only that it was before its answer.
    for waits_ms in [0, 400, 900] {
        rig.pass_ms(waits_ms);
        unanswered(&mut rig, &order, ReplyOutcome::Rejected);
        assert_eq!(queries(&mut rig, 1_000), [(1_000, true)]);
    }
    // It was confirmed before: whatever is not found now, it has existed.
    assert_eq!(certainty(&rig, &order), Certainty::Unknown);
    orders(&mut rig, true);
    unanswered(&mut rig, &order, ReplyOutcome::Rejected);
    let asked = queries(&mut rig, 1_000);
    assert!(asked.len() == 1 && !asked[0].1, "{asked:?}");
    let (query, told) = (RequestKind::Query, ReplyOutcome::Confirmed);
    rig.reply(&order, query, told, OrderState::Canceled, 0);
    assert_eq!(certainty(&rig, &order), Certainty::Known);
}

#[test]
fn an_exit_that_cannot_leave_waits_for_the_connection_and_fills_no_journal() {
    let (mut rig, order) = resting();
    rig.fill_all(&order, 500_001);
    let target = rig.place_one();
    rig.confirm(&target);
    orders(&mut rig, false);
    rig.end(&target, OrderState::Canceled, 0);
    rig.forget();
    rig.pass_ms(60_000);
    assert_eq!(rig.placed(), []);
    assert_eq!(rig.last_reason(), Some(NonAction::StreamsNotReady));
    let about_orders = |one: &&Record| matches!(one, Record::Intent(_) | Record::OrderChange(_));
    assert_eq!(
        rig.outbox
            .observer
            .records
            .iter()
            .filter(about_orders)
            .count(),
        0
    );
    orders(&mut rig, true);
    assert!(rig.place_one().reduce_only, "at once");
}
