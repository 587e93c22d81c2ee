//! Amendments in the engine: what risk sees, what is reserved, and every race with the exchange.
//!
//! In: a maker entry that follows the touch, replies and order events in every order. Out: checks
//! of what is sent and of what an order is held for. Never: a look at the sent text.

use super::rig::{ID, MS, Rig, config, imbalance, update};
use crate::Request;
use crate::config::EngineConfig;
use crate::event::Command;
use crate::orders::Order;
use crate::strategy::imbalance::ImbalanceParameters;
use market::account::{Execution, NOT_SENT, OrderReply, ReplyOutcome, RequestKind};
use market::record::{Amended, Record};
use market::{
    AmendOrder, Certainty, ExchangeOrderId, Market, Money, NewOrder, OpenOrderReport, OrderState,
    OrderTerms, PendingRequest, Price, Quantity, TradingState, UtcMs,
};

pub(super) fn settings() -> EngineConfig {
    let strategies = [imbalance(ImbalanceParameters::default())];
    let mut config = config(Market::UsdM, &strategies);
    // A book that stands still is as good as one that moves.
    config.signal.stale_after_ns = 60_000 * MS;
    config.risk.event_age_max_ns = 60_000 * MS;
    config
}

/// A maker entry that rests at 500,000.
pub(super) fn resting() -> (Rig, NewOrder) {
    let mut rig = Rig::ready(settings());
    rig.book(500_000, 40, 10);
    let order = rig.place_one();
    rig.confirm(&order);
    (rig, order)
}

/// The touch rises by `ticks`, and the entry follows it.
pub(super) fn amended(rig: &mut Rig, ticks: i64) -> AmendOrder {
    rig.book(500_000 + ticks, 40, 10);
    let requests = rig.take();
    match requests[..] {
        [Request::Amend(amend)] => *amend.get(),
        _ => panic!("{requests:?}"),
    }
}

pub(super) fn answer(
    amend: &AmendOrder,
    outcome: ReplyOutcome,
    state: OrderState,
    terms: Option<(i64, i64)>,
) -> OrderReply {
    OrderReply {
        request: RequestKind::Amend,
        outcome,
        client_order_id: amend.order.client_order_id,
        instrument: ID,
        exchange_order_id: ExchangeOrderId(7),
        state,
        cumulative_quantity: Quantity(0),
        error_code: 0,
        terms: terms.map(|(price, quantity)| OrderTerms {
            price: Price(price),
            quantity: Quantity(quantity),
            changed: UtcMs(5),
        }),
    }
}

fn confirm(rig: &mut Rig, amend: &AmendOrder) {
    let terms = (amend.order.price.0, amend.order.quantity.0);
    let reply = answer(
        amend,
        ReplyOutcome::Confirmed,
        OrderState::Accepted,
        Some(terms),
    );
    rig.send(crate::Input::OrderReply(reply));
}

fn unresolved(rig: &mut Rig, amend: &AmendOrder) {
    let reply = answer(amend, ReplyOutcome::Unresolved, OrderState::Submitted, None);
    rig.send(crate::Input::OrderReply(reply));
}

/// A query tells that the order is alive, with this price and quantity.
pub(super) fn told(rig: &mut Rig, amend: &AmendOrder, price: i64, quantity: i64) {
    let reply = answer(
        amend,
        ReplyOutcome::Confirmed,
        OrderState::Accepted,
        Some((price, quantity)),
    );
    rig.send(crate::Input::OrderReply(OrderReply {
        request: RequestKind::Query,
        ..reply
    }));
}

/// The private stream tells of the amendment.
fn amendment(rig: &mut Rig, order: &NewOrder, at: i64) {
    let mut event = update(order, Execution::Amendment, OrderState::Accepted, 0);
    event.transaction_time = UtcMs(at);
    rig.send(crate::Input::OrderUpdate(event));
}

pub(super) fn look(rig: &Rig, order: &NewOrder) -> Order {
    let slot = rig.engine.orders().find(&order.client_order_id).unwrap();
    *rig.engine.orders().get(slot)
}

fn axes(rig: &Rig, order: &NewOrder) -> (OrderState, PendingRequest, Certainty) {
    let order = look(rig, order);
    (order.state, order.pending, order.certainty)
}

const SETTLED: (OrderState, PendingRequest, Certainty) =
    (OrderState::Accepted, PendingRequest::None, Certainty::Known);

fn amended_records(rig: &Rig) -> Vec<Amended> {
    let records = rig.outbox.observer.records.iter();
    let amended = records.filter_map(|one| match one {
        Record::Amended(amended) => Some(*amended),
        _ => None,
    });
    amended.collect()
}

fn queries(rig: &mut Rig) -> usize {
    let requests = rig.take();
    let asked = |one: &&Request| matches!(one, Request::Query(_));
    let count = requests.iter().filter(asked).count();
    assert_eq!(count, requests.len(), "nothing but queries: {requests:?}");
    count
}

#[test]
fn an_entry_that_follows_the_touch_is_amended_and_journalled_before_it_is_sent() {
    let (mut rig, order) = resting();
    rig.forget();
    let amend = amended(&mut rig, 3);
    assert_eq!(
        (amend.order.price, amend.old_price),
        (Price(500_003), order.price)
    );
    assert_eq!(amend.order.quantity, order.quantity);
    assert_eq!(amend.order.client_order_id, order.client_order_id);
    assert_eq!(
        amend.order.intent, order.intent,
        "the order keeps its intent"
    );
    assert!(
        amend.decision > order.intent,
        "the amendment is a decision of its own"
    );
    let intents = rig
        .outbox
        .observer
        .records
        .iter()
        .filter(|one| matches!(one, Record::AmendIntent(intent) if intent.amend == amend));
    assert_eq!(intents.count(), 1);
    assert_eq!(
        axes(&rig, &order),
        (
            OrderState::Accepted,
            PendingRequest::Amend,
            Certainty::Known
        )
    );
    confirm(&mut rig, &amend);
    assert_eq!(axes(&rig, &order), SETTLED);
    assert_eq!(look(&rig, &order).new.price, Price(500_003));
    let [told] = amended_records(&rig)[..] else {
        panic!("one amendment")
    };
    assert!(told.ours && told.price == Price(500_003));
    rig.book(500_003, 41, 10);
    assert_eq!(rig.take(), [], "it is as wanted");
}

#[test]
fn while_an_amendment_is_open_the_larger_of_both_is_reserved() {
    let (mut rig, order) = resting();
    let before = look(&rig, &order).reserved();
    let amend = amended(&mut rig, 1_000);
    let during = look(&rig, &order).reserved();
    assert!(during > before, "{during:?} of the higher price");
    assert_eq!(rig.engine.reserved_exposure(), during);
    let refused = answer(&amend, ReplyOutcome::Rejected, OrderState::Submitted, None);
    rig.send(crate::Input::OrderReply(refused));
    assert_eq!(look(&rig, &order).reserved(), before, "it is what it was");
}

#[test]
fn a_lower_price_frees_nothing_until_it_is_confirmed() {
    let (mut rig, order) = resting();
    let before = look(&rig, &order).reserved();
    let amend = amended(&mut rig, -1_000);
    assert_eq!(look(&rig, &order).reserved(), before);
    confirm(&mut rig, &amend);
    assert!(look(&rig, &order).reserved() < before);
}

#[test]
fn a_refused_amendment_leaves_the_order_and_is_not_tried_again() {
    let (mut rig, order) = resting();
    let amend = amended(&mut rig, 3);
    let mut refused = answer(&amend, ReplyOutcome::Rejected, OrderState::Submitted, None);
    refused.error_code = -5_026;
    rig.send(crate::Input::OrderReply(refused));
    // The order must go, since nobody wants it where it is: cancelled, and placed anew.
    assert_eq!(rig.cancelled(), [order.client_order_id]);
    assert_eq!(look(&rig, &order).new.price, order.price);
    rig.end(&order, OrderState::Canceled, 0);
    let next = rig.place_one();
    assert_eq!(next.price, Price(500_003));
}

#[test]
fn an_amendment_that_was_not_sent_waits_and_goes_then() {
    let (mut rig, order) = resting();
    let amend = amended(&mut rig, 3);
    let mut unsent = answer(&amend, ReplyOutcome::Rejected, OrderState::Submitted, None);
    unsent.error_code = NOT_SENT;
    rig.send(crate::Input::OrderReply(unsent));
    assert_eq!(
        rig.cancelled(),
        [order.client_order_id],
        "an entry that nobody wants"
    );
    assert!(!look(&rig, &order).amend_refused);
}

#[test]
fn an_amendment_that_risk_denies_leads_to_a_cancel_of_an_entry() {
    let (mut rig, order) = resting();
    rig.book(500_000, 40, 10);
    rig.forget();
    rig.engine.config.risk.order_notional_max = Money::from_whole(100);
    rig.book(500_003, 40, 10);
    assert_eq!(rig.cancelled(), [order.client_order_id]);
    let denied = rig.outbox.observer.records.iter().any(|one| {
        matches!(one, Record::Denial(denial) if denial.code == market::DenialCode::NotionalExceedsMaximum)
    });
    assert!(denied);
}

#[test]
fn an_amendment_takes_a_message_of_the_throttle() {
    let mut config = settings();
    config.risk.orders_per_10s_max = 10;
    config.risk.orders_per_minute_max = 10;
    let mut rig = Rig::ready(config);
    rig.book(500_000, 40, 10);
    let order = rig.place_one();
    rig.confirm(&order);
    let mut sent = 0;
    for ticks in 1..10 {
        rig.book(500_000 + ticks, 40, 10);
        match rig.take()[..] {
            [Request::Amend(amend)] => {
                sent += 1;
                confirm(&mut rig, amend.get());
            }
            [Request::Cancel(_)] => break,
            ref other => panic!("{other:?}"),
        }
    }
    assert_eq!(
        sent, 3,
        "a burst of five, one of them reserved, one the order itself"
    );
    let denied = rig.outbox.observer.records.iter().any(|one| {
        matches!(one, Record::Denial(denial) if denial.code == market::DenialCode::RateLimitExceeded)
    });
    assert!(denied);
}

#[test]
fn an_unresolved_amendment_is_asked_for_and_never_sent_again() {
    let (mut rig, order) = resting();
    let amend = amended(&mut rig, 3);
    unresolved(&mut rig, &amend);
    let unknown = (
        OrderState::Accepted,
        PendingRequest::Amend,
        Certainty::Unknown,
    );
    assert_eq!(axes(&rig, &order), unknown);
    rig.pass_ms(199);
    assert_eq!(queries(&mut rig), 0);
    rig.pass_ms(1);
    assert_eq!(queries(&mut rig), 1);
    told(&mut rig, &amend, 500_003, order.quantity.0);
    assert_eq!(axes(&rig, &order), SETTLED);
    assert_eq!(look(&rig, &order).new.price, Price(500_003));
    rig.book(500_003, 41, 10);
    assert_eq!(rig.take(), []);
}

#[test]
fn an_amendment_never_happened_only_after_its_window_and_two_answers_a_second_apart() {
    let (mut rig, order) = resting();
    rig.pass_ms(10_000);
    rig.book(500_000, 41, 10);
    assert_eq!(rig.take(), []);
    let amend = amended(&mut rig, 3);
    let sent_ms = rig.time / MS;
    unresolved(&mut rig, &amend);
    let mut asked_at = Vec::new();
    while look(&rig, &order).certainty == Certainty::Unknown {
        rig.pass_ms(50);
        if queries(&mut rig) > 0 {
            asked_at.push(rig.time / MS - sent_ms);
            // As it was: the amendment may still be on its way.
            told(&mut rig, &amend, order.price.0, order.quantity.0);
        }
        assert!(asked_at.len() < 20);
    }
    // recvWindow 1 s and margin 2 s.
    let counted: Vec<_> = asked_at.iter().filter(|at| **at >= 3_000).collect();
    assert_eq!(counted.len(), 2, "{asked_at:?}");
    assert!(counted[1] - counted[0] >= 1_000);
    assert_eq!(look(&rig, &order).new.price, order.price);
    // It never happened, and it is still wanted: a decision of its own.
    let requests = rig.take();
    let [Request::Amend(next)] = requests[..] else {
        panic!("{requests:?}")
    };
    assert!(next.get().decision > amend.decision);
}

#[test]
fn the_amendment_event_may_come_before_the_reply_and_after_it() {
    let (mut rig, order) = resting();
    let first = amended(&mut rig, 3);
    amendment(&mut rig, &first.order, 5);
    assert_eq!(
        look(&rig, &order).pending,
        PendingRequest::Amend,
        "it keeps its question"
    );
    confirm(&mut rig, &first);
    assert_eq!(axes(&rig, &order), SETTLED);
    let second = amended(&mut rig, 6);
    let reply = OrderReply {
        terms: Some(OrderTerms {
            price: Price(500_006),
            quantity: order.quantity,
            changed: UtcMs(8),
        }),
        ..answer(&second, ReplyOutcome::Confirmed, OrderState::Accepted, None)
    };
    rig.send(crate::Input::OrderReply(reply));
    amendment(&mut rig, &second.order, 8);
    // What the stream still has of the time before says nothing.
    amendment(&mut rig, &first.order, 5);
    assert_eq!(axes(&rig, &order), SETTLED);
    assert_eq!(look(&rig, &order).new.price, Price(500_006));
    assert_eq!(amended_records(&rig).len(), 2, "each once");
    assert_eq!(rig.engine.order_counters().violations, 0);
}

#[test]
fn an_event_that_tells_the_amendment_answers_a_reply_that_never_comes() {
    for by_timeout in [false, true] {
        let (mut rig, order) = resting();
        let amend = amended(&mut rig, 3);
        amendment(&mut rig, &amend.order, 5);
        if by_timeout {
            rig.pass_ms(3_000);
        } else {
            unresolved(&mut rig, &amend);
        }
        assert_eq!(axes(&rig, &order), SETTLED);
        assert_eq!(
            rig.engine.account_page().unknown_ever,
            0,
            "there was no doubt"
        );
    }
}

#[test]
fn an_amendment_without_any_answer_becomes_unknown_by_itself() {
    let (mut rig, order) = resting();
    amended(&mut rig, 3);
    rig.pass_ms(2_999);
    assert_eq!(look(&rig, &order).certainty, Certainty::Known);
    rig.pass_ms(1);
    assert_eq!(look(&rig, &order).certainty, Certainty::Unknown);
}

#[test]
fn an_amendment_that_races_a_fill_leaves_the_sum_of_both() {
    // The fill is told before the reply, and after it (F32).
    for reply_first in [true, false] {
        let (mut rig, order) = resting();
        let amend = amended(&mut rig, 3);
        if reply_first {
            confirm(&mut rig, &amend);
        }
        rig.fill(&order, 5, 500_000, 5);
        if !reply_first {
            let terms = (amend.order.price.0, amend.order.quantity.0);
            let mut reply = answer(
                &amend,
                ReplyOutcome::Confirmed,
                OrderState::PartiallyFilled,
                Some(terms),
            );
            reply.cumulative_quantity = Quantity(5);
            rig.send(crate::Input::OrderReply(reply));
        }
        rig.take();
        let now = look(&rig, &order);
        assert_eq!(now.state, OrderState::PartiallyFilled, "{reply_first}");
        assert_eq!(
            (now.filled, now.new.price),
            (Quantity(5), amend.order.price)
        );
        assert_eq!(now.exposure(), order.quantity - Quantity(5));
        assert_eq!(rig.position(), 5);
        assert_eq!(rig.engine.order_counters().violations, 0);
        // The next amendment asks for the whole: what is left and what has filled.
        rig.book(500_006, 40, 10);
        let next = rig.take().into_iter().find_map(|one| match one {
            Request::Amend(amend) => Some(*amend.get()),
            _ => None,
        });
        assert_eq!(next.unwrap().order.quantity, order.quantity);
    }
}

#[test]
fn an_order_that_filled_before_its_amendment_is_over() {
    let (mut rig, order) = resting();
    let amend = amended(&mut rig, 3);
    rig.fill_all(&order, 500_000);
    assert_eq!(look(&rig, &order).amending, None);
    let mut refused = answer(&amend, ReplyOutcome::Rejected, OrderState::Submitted, None);
    refused.error_code = -2_013;
    rig.send(crate::Input::OrderReply(refused));
    let (state, pending, certainty) = axes(&rig, &order);
    assert_eq!(
        (state, pending, certainty),
        (OrderState::Filled, PendingRequest::None, Certainty::Known)
    );
    assert_eq!(rig.position(), order.quantity.0);
    assert_eq!(rig.engine.order_counters().violations, 0);
}

#[test]
fn an_amendment_that_ends_the_order_ends_it() {
    // A post-only order that would cross, a quantity that has filled already: both are cancelled.
    let (mut rig, order) = resting();
    let amend = amended(&mut rig, 3);
    let terms = (order.price.0, order.quantity.0);
    let reply = answer(
        &amend,
        ReplyOutcome::Confirmed,
        OrderState::Canceled,
        Some(terms),
    );
    rig.send(crate::Input::OrderReply(reply));
    assert_eq!(axes(&rig, &order).0, OrderState::Canceled);
    assert_eq!(look(&rig, &order).reserved(), Money::ZERO);
    assert_eq!(amended_records(&rig), [], "it never was another order");
}

#[test]
fn a_late_answer_to_an_amendment_after_the_end_changes_nothing() {
    let (mut rig, order) = resting();
    let amend = amended(&mut rig, 3);
    rig.end(&order, OrderState::Canceled, 0);
    let late = rig.engine.order_counters().late;
    confirm(&mut rig, &amend);
    assert_eq!(axes(&rig, &order).0, OrderState::Canceled);
    assert_eq!(look(&rig, &order).new.price, order.price);
    assert_eq!(rig.engine.order_counters().late, late + 1);
}

#[test]
fn a_confirmation_of_an_earlier_amendment_is_no_answer_to_the_present_one() {
    let (mut rig, order) = resting();
    let first = amended(&mut rig, 3);
    unresolved(&mut rig, &first);
    rig.pass_ms(200);
    assert_eq!(queries(&mut rig), 1);
    told(&mut rig, &first, 500_003, order.quantity.0);
    let second = amended(&mut rig, 6);
    confirm(&mut rig, &first);
    assert_eq!(look(&rig, &order).pending, PendingRequest::Amend);
    confirm(&mut rig, &second);
    assert_eq!(axes(&rig, &order), SETTLED);
    assert_eq!(look(&rig, &order).new.price, Price(500_006));
}

#[test]
fn a_kill_does_not_wait_for_an_amendment() {
    let (mut rig, order) = resting();
    let amend = amended(&mut rig, 3);
    rig.command(Command::Kill);
    assert_eq!(rig.engine.trading_state().0, TradingState::Killed);
    assert_eq!(rig.cancelled(), [order.client_order_id], "at once");
    assert_eq!(look(&rig, &order).pending, PendingRequest::Cancel);
    let both = look(&rig, &order).reserved();
    // The amendment's answer comes after the cancel was sent, and before it was done.
    confirm(&mut rig, &amend);
    let now = look(&rig, &order);
    assert_eq!((now.pending, now.amending), (PendingRequest::Cancel, None));
    assert_eq!(now.new.price, amend.order.price);
    assert!(now.reserved() <= both);
    rig.end(&amend.order, OrderState::Canceled, 0);
    assert_eq!(axes(&rig, &order).0, OrderState::Canceled);
}

#[test]
fn a_cancel_that_overtook_an_unknown_amendment_is_repeated_until_the_order_is_gone() {
    let (mut rig, order) = resting();
    let amend = amended(&mut rig, 3);
    unresolved(&mut rig, &amend);
    rig.command(Command::Stop);
    assert_eq!(rig.cancelled(), [order.client_order_id]);
    rig.reply(
        &order,
        RequestKind::Cancel,
        ReplyOutcome::Unresolved,
        OrderState::Submitted,
        0,
    );
    rig.pass_ms(1_200);
    rig.take();
    told(&mut rig, &amend, order.price.0, order.quantity.0);
    assert_eq!(
        rig.cancelled(),
        [order.client_order_id],
        "it lives: once more"
    );
    assert!(
        look(&rig, &order).amending.is_some(),
        "and may still become another"
    );
    rig.end(&order, OrderState::Canceled, 0);
    assert_eq!(axes(&rig, &order).0, OrderState::Canceled);
    assert_eq!(rig.engine.reserved_exposure(), Money::ZERO);
}

#[test]
fn an_entry_that_nobody_wants_any_more_does_not_wait_for_its_amendment() {
    let (mut rig, order) = resting();
    amended(&mut rig, 3);
    rig.book(500_003, 10, 10);
    assert_eq!(rig.cancelled(), [order.client_order_id]);
}

#[test]
fn a_place_that_is_under_way_is_not_amended() {
    let mut rig = Rig::ready(settings());
    rig.book(500_000, 40, 10);
    let order = rig.place_one();
    rig.book(500_003, 40, 10);
    assert_eq!(rig.take(), []);
    rig.confirm(&order);
    let requests = rig.take();
    assert!(matches!(requests[..], [Request::Amend(_)]), "{requests:?}");
}

#[test]
fn a_broken_connection_after_the_write_is_a_doubt_and_reconciliation_does_not_guess() {
    let (mut rig, order) = resting();
    let amend = amended(&mut rig, 3);
    unresolved(&mut rig, &amend);
    rig.streams(Market::UsdM, false);
    rig.pass_ms(10);
    rig.streams(Market::UsdM, true);
    rig.take();
    let listed = OpenOrderReport {
        instrument: ID,
        client_order_id: order.client_order_id,
        exchange_order_id: ExchangeOrderId(7),
        state: OrderState::Accepted,
        side: order.side,
        order_type: order.order_type,
        time_in_force: order.time_in_force,
        reduce_only: false,
        price: order.price,
        quantity: order.quantity,
        cumulative_quantity: Quantity(0),
    };
    rig.reconcile(&[listed], &[]);
    let now = look(&rig, &order);
    // Without streams nobody wants the entry: a cancel has overtaken the amendment.
    assert_eq!(
        (now.pending, now.certainty),
        (PendingRequest::Cancel, Certainty::Unknown)
    );
    assert!(now.amending.is_some(), "the list says nothing of it");
}

#[test]
fn spot_has_no_amendment() {
    let strategies = [imbalance(ImbalanceParameters::default())];
    let mut rig = Rig::ready(config(Market::Spot, &strategies));
    rig.book(500_000, 40, 10);
    let order = rig.place_one();
    rig.confirm(&order);
    rig.book(500_003, 40, 10);
    assert_eq!(rig.cancelled(), [order.client_order_id]);
}

#[test]
fn an_exit_that_may_not_move_stays_where_it_is() {
    let (mut rig, order) = resting();
    rig.fill_all(&order, 500_000);
    let target = rig.place_one();
    assert!(target.reduce_only);
    rig.confirm(&target);
    rig.forget();
    // A second fill of somebody else moves nothing; a part of the position closed by hand does.
    let by_hand = NewOrder {
        side: market::Side::Sell,
        quantity: Quantity(4),
        ..rig.some_order()
    };
    rig.engine.config.instruments[0].filters.price_max = Price(500_500);
    rig.fill(&by_hand, 4, 500_000, 4);
    // What is left is 16 lots; the target of 20 may trade more than that: it goes.
    assert_eq!(rig.cancelled(), [target.client_order_id]);
}

#[test]
fn a_target_follows_the_position_by_amendment() {
    let (mut rig, order) = resting();
    rig.fill(&order, 5, 500_000, 5);
    let target = rig.place_one();
    assert_eq!((target.quantity, target.reduce_only), (Quantity(5), true));
    rig.confirm(&target);
    rig.take();
    rig.fill(&order, 3, 500_000, 8);
    let amend = rig.take().into_iter().find_map(|one| match one {
        Request::Amend(amend) => Some(*amend.get()),
        _ => None,
    });
    let amend = amend.expect("the target grows with the position");
    assert_eq!(amend.order.client_order_id, target.client_order_id);
    assert_eq!(
        (amend.order.quantity, amend.order.reduce_only),
        (Quantity(8), true)
    );
    assert_eq!(
        look(&rig, &target).reserved(),
        Money::ZERO,
        "it can only reduce"
    );
}
