//! Orders of an earlier life whose first word is an event.
//!
//! In: events and lists that cross each other. Out: each order adopted once, each trade booked
//! once. Never: orders that a list is the first to tell of; those are in `listed`.

use super::amend::settings;
use super::lists::{report, trade};
use super::rig::{ID, Rig, config, imbalance, position, update};
use crate::config::{EngineConfig, OpenOrdersAtStart};
use crate::event::StreamKind;
use crate::strategy::imbalance::{EntryStyle, ImbalanceParameters};
use crate::{Input, Request};
use market::account::Execution;
use market::record::Record;
use market::{
    ClientOrderId, Market, NewOrder, OpenOrderReport, OrderState, Price, Quantity, ReplyOutcome,
    RequestKind, Side, TradingState,
};

fn taker(market: Market) -> EngineConfig {
    let parameters = ImbalanceParameters {
        entry: EntryStyle::Taker,
        ..ImbalanceParameters::default()
    };
    config(market, &[imbalance(parameters)])
}

/// A buy of ten lots that another start of ours sent.
pub(super) fn earlier(rig: &Rig) -> NewOrder {
    NewOrder {
        client_order_id: ClientOrderId::compose("fu", 9_999, 3),
        price: Price(490_000),
        quantity: Quantity(10),
        ..rig.some_order()
    }
}

/// Streams up, nothing listed yet.
fn connected(config: EngineConfig) -> Rig {
    let market = config.instruments[0].market;
    let mut rig = Rig::fresh(config);
    rig.streams(market, true);
    rig.sync();
    rig.forget();
    rig
}

pub(super) fn opened(order: &NewOrder) -> Input<'static> {
    Input::OrderUpdate(update(order, Execution::New, OrderState::Accepted, 0))
}

/// Lots of all fills, and how many there were.
fn booked(rig: &Rig) -> (i64, usize) {
    let records = rig.outbox.observer.records.iter();
    let lots = records.filter_map(|one| match one {
        Record::Fill(fill) => Some(fill.quantity.0),
        _ => None,
    });
    let lots: Vec<i64> = lots.collect();
    (lots.iter().sum(), lots.len())
}

fn adopted(rig: &Rig) -> usize {
    let records = rig.outbox.observer.records.iter();
    records
        .filter(|one| matches!(one, Record::Adopted(_)))
        .count()
}

#[test]
fn a_fill_before_the_first_look_gets_its_exits() {
    let mut rig = connected(taker(Market::UsdM));
    let order = earlier(&rig);
    rig.fill_with_id(&order, 4, 490_000, 4, 1);
    assert_eq!(rig.cancelled(), [order.client_order_id], "by the policy");
    rig.end(&order, OrderState::Canceled, 4);
    rig.reconcile(&[], &[position(4, 49_000)]);
    assert_eq!(rig.engine.trading_state().0, TradingState::Active);
    let target = rig.place_one();
    assert_eq!((target.side, target.quantity), (Side::Sell, Quantity(4)));
    assert_eq!(rig.position(), 4);
}

#[test]
fn an_order_that_arrives_after_the_first_look_is_cancelled_at_once() {
    let mut rig = connected(taker(Market::UsdM));
    rig.reconcile(&[], &[]);
    rig.forget();
    let someones = rig.some_order();
    rig.send(opened(&someones));
    assert_eq!(rig.take(), [], "somebody else's is somebody else's");
    let order = earlier(&rig);
    rig.send(opened(&order));
    assert_eq!(rig.cancelled(), [order.client_order_id]);
    rig.send(opened(&order));
    assert_eq!((adopted(&rig), rig.cancelled()), (1, vec![]), "once");
}

#[test]
fn it_goes_on_where_the_policy_says_so() {
    let mut config = taker(Market::UsdM);
    config.orders.open_orders_at_start = OpenOrdersAtStart::Adopt;
    let mut rig = connected(config);
    let order = earlier(&rig);
    rig.send(opened(&order));
    rig.reconcile(&[report(&order, 7)], &[]);
    assert_eq!((adopted(&rig), rig.cancelled()), (1, vec![]));
    rig.fill_with_id(&order, 4, 490_000, 4, 1);
    assert_eq!((rig.position(), booked(&rig)), (4, (4, 1)));
}

/// It fills after the exchange has made its list and before the list arrives (seed 162).
#[test]
fn an_older_list_does_not_book_its_trade_again() {
    for market in [Market::UsdM, Market::Spot] {
        let mut rig = connected(taker(market));
        let order = earlier(&rig);
        rig.fill_with_id(&order, 10, 490_000, 10, 1);
        rig.reconcile(&[report(&order, 7)], &[position(10, 49_000)]);
        for _ in 0..8 {
            rig.reply(
                &order,
                RequestKind::Query,
                ReplyOutcome::Confirmed,
                OrderState::Filled,
                10,
            );
            rig.pass_ms(1_000);
            if rig.take().contains(&Request::Reconcile(ID)) {
                rig.reconcile_listing(
                    &[trade(1, 7, Side::Buy, 10, 490_000)],
                    &[],
                    &[position(10, 49_000)],
                );
            }
        }
        assert_eq!((booked(&rig), adopted(&rig)), ((10, 1), 1), "{market:?}");
        assert_eq!(rig.engine.order_counters().synthetic_fills, 0);
    }
}

/// The list says that four are filled; the events of those four come behind it.
#[test]
fn trades_that_the_list_has_counted_are_booked_when_they_come() {
    let mut rig = connected(taker(Market::Spot));
    let order = earlier(&rig);
    let listed = OpenOrderReport {
        state: OrderState::PartiallyFilled,
        cumulative_quantity: Quantity(4),
        ..report(&order, 7)
    };
    rig.reconcile(&[listed], &[]);
    rig.fill_with_id(&order, 1, 490_000, 1, 1);
    rig.fill_with_id(&order, 3, 490_000, 4, 2);
    rig.fill_with_id(&order, 6, 490_000, 10, 3);
    assert_eq!(booked(&rig), (10, 3));
    let counters = rig.engine.order_counters();
    assert_eq!((counters.violations, counters.synthetic_fills), (0, 0));
    assert!(rig.engine.orders().live().is_empty(), "nothing is missing");
}

#[test]
fn a_refused_first_start_adopts_nothing() {
    let mut rig = Rig::fresh(settings());
    rig.send(Input::FirstStart);
    rig.streams(Market::UsdM, true);
    rig.forget();
    let order = earlier(&rig);
    rig.send(opened(&order));
    assert_eq!((adopted(&rig), rig.cancelled()), (0, vec![]));
}

#[test]
fn an_order_of_this_life_that_was_forgotten_stays_so() {
    let mut rig = connected(taker(Market::UsdM));
    rig.reconcile(&[], &[]);
    let epoch = rig.some_order();
    let config = taker(Market::UsdM).orders;
    let ours = ClientOrderId::compose("fu", config.client_id_epoch, 0);
    // An adopted order takes the place that this one had.
    let adopted_order = earlier(&rig);
    rig.send(opened(&adopted_order));
    assert_eq!(adopted(&rig), 1);
    let gone = NewOrder {
        client_order_id: ours,
        ..epoch
    };
    rig.end(&gone, OrderState::Canceled, 0);
    assert_eq!(adopted(&rig), 1);
    assert_eq!(rig.engine.order_counters().forgotten, 1);
    rig.stream(StreamKind::User, Market::UsdM, true);
}
