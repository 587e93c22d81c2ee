//! Every cell of both tables of order life, entered through the engine.
//!
//! In: an order brought to each of its places, every reply and every piece of evidence. Out: what
//! the engine makes of it, against what the tables say. Never: the tables alone.

use super::amend::{amended, answer as reply_to, look, resting, settings};
use super::rig::{Rig, config, imbalance, position, update};
use crate::Input;
use crate::Request;
use crate::event::StreamKind;
use crate::orders::{Answer, Evidence, Order, Verdict, answer, verdict};
use crate::strategy::imbalance::{EntryStyle, ImbalanceParameters};
use market::account::{Execution, OrderReply, ReplyOutcome, RequestKind};
use market::{
    Certainty, Market, NewOrder, OrderState, OrderTerms, PendingRequest, Price, Quantity, UtcMs,
};
use std::collections::BTreeSet;

/// An order at a place of the second and third axis, and the rig around it.
fn placed_at(pending: PendingRequest, certainty: Certainty) -> (Rig, NewOrder) {
    let unknown = certainty == Certainty::Unknown;
    let (mut rig, order) = match pending {
        PendingRequest::Place => {
            let mut rig = Rig::ready(settings());
            rig.book(500_000, 40, 10);
            let order = rig.place_one();
            if unknown {
                unresolved(&mut rig, &order, RequestKind::Place);
            }
            (rig, order)
        }
        PendingRequest::None if unknown => {
            // A profit target, which stays while a stream is down; then the exchange does not
            // list it.
            let (mut rig, entry) = resting();
            rig.fill_all(&entry, 500_000);
            let target = rig.place_one();
            rig.confirm(&target);
            rig.pass_ms(10);
            rig.stream(StreamKind::User, Market::UsdM, false);
            rig.stream(StreamKind::User, Market::UsdM, true);
            rig.reconcile(&[], &[position(entry.quantity.0, 50_000)]);
            (rig, target)
        }
        PendingRequest::None => resting(),
        PendingRequest::Amend => {
            let (mut rig, order) = resting();
            amended(&mut rig, 3);
            if unknown {
                unresolved(&mut rig, &order, RequestKind::Amend);
            }
            (rig, order)
        }
        PendingRequest::Cancel => {
            let (mut rig, order) = resting();
            rig.book(500_000, 10, 10);
            assert_eq!(rig.cancelled(), [order.client_order_id]);
            if unknown {
                unresolved(&mut rig, &order, RequestKind::Cancel);
            }
            (rig, order)
        }
    };
    rig.take();
    let now = look(&rig, &order);
    assert_eq!((now.pending, now.certainty), (pending, certainty));
    (rig, order)
}

fn unresolved(rig: &mut Rig, order: &NewOrder, request: RequestKind) {
    let outcome = ReplyOutcome::Unresolved;
    rig.reply(order, request, outcome, OrderState::Submitted, 0);
}

/// The reply that a cell is entered with; a confirmed one tells a live order, a cancel its end.
fn reply(order: &Order, request: RequestKind, outcome: ReplyOutcome) -> OrderReply {
    let confirmed = outcome == ReplyOutcome::Confirmed;
    let state = match (confirmed, request) {
        (true, RequestKind::Cancel) => OrderState::Canceled,
        (true, _) => OrderState::Accepted,
        (false, _) => OrderState::Submitted,
    };
    let asked = order.amending.map(|one| (one.price, one.quantity));
    let (price, quantity) = asked.unwrap_or((order.new.price, order.new.quantity));
    let tells = confirmed && matches!(request, RequestKind::Amend | RequestKind::Query);
    OrderReply {
        request,
        outcome,
        client_order_id: order.new.client_order_id,
        instrument: order.new.instrument,
        exchange_order_id: market::ExchangeOrderId(7),
        state,
        cumulative_quantity: Quantity(0),
        error_code: 0,
        terms: tells.then_some(OrderTerms {
            price,
            quantity,
            changed: UtcMs(9),
        }),
    }
}

/// What has to hold after a reply; `before` is the order as it stood.
fn check(follows: Answer, before: &Order, after: &Order, violations: u64) {
    use PendingRequest::{None, Place};
    let axes = (after.state, after.pending, after.certainty);
    let same = (before.state, before.pending, before.certainty);
    let is_violation = matches!(follows, Answer::Impossible(_));
    let existed = before.state != OrderState::Submitted;
    let refuses_one_that_existed = follows == Answer::Refused && existed;
    let counted = u64::from(is_violation || refuses_one_that_existed);
    assert_eq!(violations, counted, "violations");
    match follows {
        Answer::State | Answer::Asked => {
            assert_eq!(after.state, OrderState::Accepted);
            let kept = follows == Answer::State
                && matches!(
                    before.pending,
                    PendingRequest::Amend | PendingRequest::Cancel
                );
            // It lives, and nobody wants it: the cancel goes once more.
            let again = before.pending == PendingRequest::Cancel;
            let settled = if again { PendingRequest::Cancel } else { None };
            let expected = if kept {
                (before.pending, before.certainty)
            } else {
                (settled, Certainty::Known)
            };
            assert_eq!((after.pending, after.certainty), expected);
        }
        Answer::Refused if existed => assert_eq!(after.state, before.state),
        Answer::Refused => assert_eq!(after.state, OrderState::Rejected),
        Answer::Ended => {
            assert_eq!(axes, (OrderState::Canceled, None, Certainty::Known));
            assert_eq!(after.amending, Option::None);
        }
        Answer::Doubt | Answer::DoubtAmendment => {
            assert_eq!(axes, (before.state, before.pending, Certainty::Unknown));
        }
        Answer::DoubtPlace => {
            let unknown = before.pending == Place;
            let certainty = if unknown {
                Certainty::Unknown
            } else {
                before.certainty
            };
            assert_eq!(axes, (before.state, before.pending, certainty));
        }
        Answer::LookInto => {
            assert_eq!(axes, same);
            assert!(after.wake < before.wake || before.certainty == Certainty::Unknown);
        }
        Answer::Amended => {
            assert_eq!(after.amending, Option::None);
            let open = before.pending == PendingRequest::Amend || before.pending == None;
            let pending = if open { None } else { before.pending };
            assert_eq!(
                (after.state, after.pending),
                (OrderState::Accepted, pending)
            );
            let (price, quantity) = (after.new.price, after.new.quantity);
            assert!(before.amending.is_none_or(|one| one.is(price, quantity)));
        }
        Answer::NotAmended => {
            assert_eq!(after.amending, Option::None);
            assert!(after.amend_refused);
            assert_eq!(after.new, before.new);
            // The order is not wanted where it is: the cancel goes at once.
            assert_eq!(after.pending, PendingRequest::Cancel);
        }
        Answer::Absent | Answer::Nothing(_) | Answer::Impossible(_) => assert_eq!(axes, same),
    }
}

#[test]
fn every_reply_meets_every_pending_request_and_certainty_as_the_table_says() {
    let (mut cells, mut met) = (0, BTreeSet::new());
    for &pending in PendingRequest::ALL {
        for &certainty in Certainty::ALL {
            for &request in RequestKind::ALL {
                for &outcome in ReplyOutcome::ALL {
                    let (mut rig, order) = placed_at(pending, certainty);
                    let before = look(&rig, &order);
                    let reply = reply(&before, request, outcome);
                    let violations = rig.engine.order_counters().violations;
                    rig.send(Input::OrderReply(reply));
                    let after = look(&rig, &order);
                    let follows = answer(request, outcome, pending, certainty);
                    let violations = rig.engine.order_counters().violations - violations;
                    println!("{request} {outcome} while {pending} {certainty}: {follows:?}");
                    check(follows, &before, &after, violations);
                    let sent_again = rig.take().into_iter().any(|one| match one {
                        Request::Place(again) => {
                            again.get().client_order_id == order.client_order_id
                        }
                        _ => false,
                    });
                    assert!(!sent_again, "I3");
                    cells += 1;
                    met.insert(format!("{follows:?}"));
                }
            }
        }
    }
    assert_eq!(cells, 96);
    assert!(met.len() >= 18, "every kind of answer: {met:?}");
}

#[test]
fn a_cancel_that_overtook_an_amendment_leaves_it_its_own_answer() {
    for (outcome, price) in [
        (ReplyOutcome::Confirmed, 500_003),
        (ReplyOutcome::Rejected, 500_000),
        (ReplyOutcome::Unresolved, 500_000),
    ] {
        let (mut rig, order) = resting();
        let amend = amended(&mut rig, 3);
        rig.book(500_003, 10, 10);
        assert_eq!(rig.cancelled(), [order.client_order_id]);
        let confirmed = outcome == ReplyOutcome::Confirmed;
        let (state, terms) = if confirmed {
            (OrderState::Accepted, Some((500_003, order.quantity.0)))
        } else {
            (OrderState::Submitted, None)
        };
        rig.send(Input::OrderReply(reply_to(&amend, outcome, state, terms)));
        let now = look(&rig, &order);
        assert_eq!(
            (now.pending, now.new.price),
            (PendingRequest::Cancel, Price(price))
        );
        let open = outcome == ReplyOutcome::Unresolved;
        assert_eq!(now.amending.is_some(), open, "{outcome}");
    }
}

/// An order in each state that the engine can hold, by the exchange's own words.
fn in_state(state: OrderState) -> (Rig, NewOrder) {
    let parameters = ImbalanceParameters {
        entry: EntryStyle::Taker,
        ..ImbalanceParameters::default()
    };
    let mut rig = Rig::ready(config(Market::UsdM, &[imbalance(parameters)]));
    rig.book(500_000, 40, 10);
    let order = rig.place_one();
    match state {
        OrderState::Submitted => {}
        OrderState::Accepted => rig.confirm(&order),
        OrderState::PartiallyFilled => rig.fill(&order, 5, 500_001, 5),
        OrderState::Filled => rig.fill_all(&order, 500_001),
        OrderState::Rejected => {
            let outcome = ReplyOutcome::Rejected;
            rig.reply(&order, RequestKind::Place, outcome, OrderState::Rejected, 0);
        }
        _ => rig.end(&order, state, 0),
    }
    rig.take();
    assert_eq!(look(&rig, &order).state, state);
    (rig, order)
}

/// Evidence by the private stream; a partial fill and a fill without their trades.
fn tell(rig: &mut Rig, order: &NewOrder, evidence: Evidence) {
    let whole = order.quantity.0;
    let (execution, state, told) = match evidence {
        Evidence::Accept => (Execution::New, OrderState::Accepted, 0),
        Evidence::Partial => (Execution::Trade, OrderState::PartiallyFilled, 5),
        Evidence::Fill => (Execution::Trade, OrderState::Filled, whole),
        Evidence::Cancel => (Execution::Canceled, OrderState::Canceled, 0),
        Evidence::Expire => (Execution::Expired, OrderState::Expired, 0),
        Evidence::Reject => (Execution::Rejected, OrderState::Rejected, 0),
        Evidence::Submit | Evidence::Deny => unreachable!("nobody tells these"),
    };
    rig.send(Input::OrderUpdate(update(order, execution, state, told)));
}

#[test]
fn every_evidence_meets_every_state_as_the_table_says() {
    let told = Evidence::ALL
        .iter()
        .filter(|one| !matches!(one, Evidence::Submit | Evidence::Deny));
    let held = OrderState::ALL
        .iter()
        .filter(|one| !matches!(one, OrderState::Initialized | OrderState::Denied));
    let mut cells = 0;
    for &state in held {
        for &evidence in told.clone() {
            let (mut rig, order) = in_state(state);
            let before = rig.engine.order_counters();
            let entered = rig.engine.orders().pairs().of(state, evidence);
            tell(&mut rig, &order, evidence);
            let after = rig.engine.order_counters();
            println!("{evidence} in {state}");
            assert_eq!(rig.engine.orders().pairs().of(state, evidence), entered + 1);
            let counts = (
                after.repeated - before.repeated,
                after.late - before.late,
                after.violations - before.violations,
            );
            let (next, expected) = match verdict(state, evidence) {
                Verdict::To(next) => (next, (0, 0, 0)),
                Verdict::Repeated => (state, (1, 0, 0)),
                Verdict::Late => (state, (0, 1, 0)),
                Verdict::Impossible(_) => (state, (0, 0, 1)),
            };
            assert_eq!((look(&rig, &order).state, counts), (next, expected));
            cells += 1;
        }
    }
    assert_eq!(cells, 7 * 6);
}

#[test]
fn what_was_never_sent_is_not_held_so_that_nothing_can_be_told_of_it() {
    // The rows of INITIALIZED and DENIED: a denied order has no place in the table and no id at
    // the exchange, so that the impossible pairs have nothing to meet.
    let mut limited = settings();
    limited.risk.order_notional_max = market::Money::from_whole(1);
    let mut rig = Rig::ready(limited);
    rig.book(500_000, 40, 10);
    assert_eq!(rig.take(), []);
    assert_eq!(rig.engine.orders().live().len(), 0);
    let pairs = rig.engine.orders().pairs();
    assert_eq!(pairs.of(OrderState::Initialized, Evidence::Deny), 1);
    for &evidence in Evidence::ALL {
        assert_eq!(pairs.of(OrderState::Denied, evidence), 0);
        let sent = [Evidence::Submit, Evidence::Deny].contains(&evidence);
        assert!(sent || pairs.of(OrderState::Initialized, evidence) == 0);
    }
    // The columns of SUBMIT and DENY are entered at the birth of an order alone.
    for &state in OrderState::ALL {
        let (is_first, pair) = (state == OrderState::Initialized, Evidence::Submit);
        assert_eq!(matches!(verdict(state, pair), Verdict::To(_)), is_first);
    }
}
