//! What the exchange's list of open orders says of orders that the engine knows.
//!
//! In: lists with the same order otherwise. Out: its terms, its id, its state, cancels. Never: an
//! adoption of a position; those are tested with reconciliation.

use super::amend::{resting, settings};
use super::lists::report;
use super::rig::{ID, Rig, position};
use crate::config::OpenOrdersAtStart;
use crate::event::StreamKind;
use crate::strategy::Purpose;
use market::account::OpenOrderReport;
use market::record::Record;
use market::{
    ClientOrderId, ExchangeOrderId, Market, Money, NewOrder, OrderState, OrderType, PendingRequest,
    Price, Quantity, ReplyOutcome, RequestKind, Side, TimeInForce,
};

/// The user stream breaks and comes back, so that the engine looks.
fn look(rig: &mut Rig) {
    rig.stream(StreamKind::User, Market::UsdM, false);
    rig.stream(StreamKind::User, Market::UsdM, true);
    rig.forget_requests();
}

fn terms(rig: &Rig, order: &NewOrder) -> (Price, Quantity, ExchangeOrderId) {
    let table = rig.engine.orders();
    let slot = table.find(&order.client_order_id).unwrap();
    let known = table.get(slot);
    (known.new.price, known.new.quantity, known.exchange_order_id)
}

#[test]
fn a_list_tells_an_order_its_terms_and_its_id() {
    let (mut rig, order) = resting();
    look(&mut rig);
    let changed = OpenOrderReport {
        price: Price(order.price.0 - 5),
        quantity: Quantity(order.quantity.0 + 3),
        ..report(&order, 77)
    };
    rig.reconcile(&[changed], &[]);
    let expected = (changed.price, changed.quantity, ExchangeOrderId(77));
    assert_eq!(terms(&rig, &order), expected, "somebody else amended it");
    let table = rig.engine.orders();
    assert_eq!(table.live().len(), 1, "it is not adopted beside itself");
}

#[test]
fn an_order_that_ended_stays_ended_whatever_an_older_list_says() {
    let (mut rig, order) = resting();
    look(&mut rig);
    rig.end(&order, OrderState::Canceled, 0);
    rig.reconcile(&[report(&order, 77)], &[]);
    let table = rig.engine.orders();
    let slot = table.find(&order.client_order_id).unwrap();
    assert_eq!(table.get(slot).state, OrderState::Canceled);
    assert!(!table.live().contains(&slot));
}

#[test]
fn an_order_that_was_refused_and_is_there_is_cancelled() {
    let mut rig = Rig::ready(settings());
    rig.book(500_000, 40, 10);
    let order = rig.place_one();
    let (place, refused) = (RequestKind::Place, ReplyOutcome::Rejected);
    rig.reply(&order, place, refused, OrderState::Rejected, 0);
    rig.forget();
    look(&mut rig);
    rig.reconcile(&[report(&order, 77)], &[]);
    assert!(rig.cancelled().contains(&order.client_order_id));
}

#[test]
fn a_listed_fill_is_told() {
    let (mut rig, order) = resting();
    look(&mut rig);
    let filled = OpenOrderReport {
        state: OrderState::PartiallyFilled,
        cumulative_quantity: Quantity(1),
        ..report(&order, 77)
    };
    rig.reconcile(&[filled], &[]);
    let table = rig.engine.orders();
    let slot = table.find(&order.client_order_id).unwrap();
    let known = table.get(slot);
    assert_eq!(known.state, OrderState::PartiallyFilled);
    assert_eq!((known.told, known.filled), (Quantity(1), Quantity(0)));
}

/// A list with one order of an earlier life, of which 2 lots are filled.
fn of_an_earlier_life(policy: OpenOrdersAtStart) -> (Rig, OpenOrderReport) {
    let mut config = settings();
    config.orders.open_orders_at_start = policy;
    let mut rig = Rig::fresh(config);
    rig.streams(Market::UsdM, true);
    rig.forget_requests();
    let report = OpenOrderReport {
        instrument: ID,
        client_order_id: ClientOrderId::compose("fu", 3, 5),
        exchange_order_id: ExchangeOrderId(77),
        state: OrderState::PartiallyFilled,
        side: Side::Sell,
        order_type: OrderType::Limit,
        time_in_force: TimeInForce::PostOnly,
        reduce_only: false,
        price: Price(510_000),
        quantity: Quantity(5),
        cumulative_quantity: Quantity(2),
    };
    rig.reconcile(&[report], &[position(-2, 51_000)]);
    (rig, report)
}

#[test]
fn an_order_of_an_earlier_life_is_adopted_with_all_that_the_list_says() {
    for (policy, cancels) in [
        (OpenOrdersAtStart::Adopt, false),
        (OpenOrdersAtStart::Cancel, true),
    ] {
        let (mut rig, report) = of_an_earlier_life(policy);
        let table = rig.engine.orders();
        let slot = table.find(&report.client_order_id).expect("adopted");
        let order = *table.get(slot);
        assert_eq!(order.new.side, Side::Sell);
        assert_eq!(order.new.price, report.price);
        assert_eq!(order.new.quantity, report.quantity);
        assert_eq!(order.new.time_in_force, report.time_in_force);
        assert_eq!(order.purpose, Purpose::Entry);
        assert_eq!(order.exchange_order_id, report.exchange_order_id);
        assert_eq!(order.state, report.state);
        assert_eq!((order.filled, order.told), (Quantity(2), Quantity(2)));
        assert!(order.listed);
        assert_eq!(order.cancel_wanted, cancels);
        // 5 lots of 0.001 at 51,000: the exposure of all of it, of which three fifths may come.
        assert_eq!(order.reserve, Money::from_whole(255));
        assert_eq!(order.reserved(), Money::from_whole(153));
        assert_eq!(rig.cancelled().contains(&report.client_order_id), cancels);
        let pending = rig.engine.orders().get(slot).pending;
        let expected = if cancels {
            PendingRequest::Cancel
        } else {
            PendingRequest::None
        };
        assert_eq!(pending, expected);
        let adopted = rig
            .outbox
            .observer
            .records
            .iter()
            .find_map(|one| match one {
                Record::Adopted(adopted) => Some((adopted.cumulative_quantity, adopted.cancelled)),
                _ => None,
            });
        assert_eq!(adopted, Some((Quantity(2), cancels)));
        let reconciled = rig
            .outbox
            .observer
            .records
            .iter()
            .find_map(|one| match one {
                Record::Reconciled(told) => Some((told.adopted, told.cancelled, told.foreign)),
                _ => None,
            });
        let counts = (u32::from(!cancels), u32::from(cancels), 0);
        assert_eq!(reconciled, Some(counts));
    }
}
