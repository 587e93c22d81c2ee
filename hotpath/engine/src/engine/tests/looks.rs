//! What a look at the exchange concludes: doubts, positions, and when to look again.
//!
//! In: lists in which orders, fills or positions are missing or differ. Out: doubts, records, the
//! times of the next looks. Never: the terms of a listed order; those are in `listed`.

use super::amend::{amended, answer, resting, settings};
use super::lists::report;
use super::rig::{ID, MS, Rig, config, imbalance, instrument, position};
use crate::config::{EngineConfig, ExternalOrders, FirstStart, OpenOrdersAtStart};
use crate::event::{Command, StreamKind};
use crate::strategy::imbalance::{EntryStyle, ImbalanceParameters};
use crate::{Input, Request};
use market::record::{DifferenceFate, Reconciled, Record};
use market::{
    Certainty, ClientOrderId, ExchangeOrderId, Instrument, InstrumentId, Market, NewOrder,
    OpenOrderReport, OrderState, PositionReport, Price, Quantity, ReplyOutcome, RequestKind, Side,
    Symbol, TradingState,
};

const SPOT: InstrumentId = InstrumentId(1);

fn own(number: u64) -> OpenOrderReport {
    let id = ClientOrderId::compose("fu", 9_999, number);
    let (rig, order) = resting();
    drop(rig);
    OpenOrderReport {
        client_order_id: id,
        exchange_order_id: ExchangeOrderId(number),
        price: Price(490_000),
        ..report(&order, 7)
    }
}

fn taker() -> EngineConfig {
    let parameters = ImbalanceParameters {
        entry: EntryStyle::Taker,
        ..ImbalanceParameters::default()
    };
    config(Market::UsdM, &[imbalance(parameters)])
}

/// The private stream of a market breaks and comes back: the engine asks at once.
fn ask(rig: &mut Rig, market: Market) {
    rig.stream(StreamKind::User, market, false);
    rig.stream(StreamKind::User, market, true);
    let asked = rig.take();
    let look = |one: &Request| matches!(one, Request::Reconcile(_));
    assert!(asked.iter().any(look), "{asked:?}");
}

pub(super) fn certainty(rig: &Rig, order: &NewOrder) -> Certainty {
    let table = rig.engine.orders();
    let slot = table.find(&order.client_order_id).unwrap();
    table.get(slot).certainty
}

fn terms(rig: &Rig, order: &NewOrder) -> (Price, Quantity) {
    let table = rig.engine.orders();
    let slot = table.find(&order.client_order_id).unwrap();
    (table.get(slot).new.price, table.get(slot).new.quantity)
}

fn reports(rig: &Rig) -> Vec<Reconciled> {
    let records = rig.outbox.observer.records.iter();
    let all = records.filter_map(|one| match one {
        Record::Reconciled(told) => Some(*told),
        _ => None,
    });
    all.collect()
}

pub(super) fn fates(rig: &Rig) -> Vec<DifferenceFate> {
    let records = rig.outbox.observer.records.iter();
    let all = records.filter_map(|one| match one {
        Record::Difference(one) => Some(one.fate),
        _ => None,
    });
    all.collect()
}

/// A book and an entry that may stand still for longer than a look takes to come.
pub(super) fn patient() -> EngineConfig {
    let mut config = settings();
    config.signal.stale_after_ns = 600_000 * MS;
    config.risk.event_age_max_ns = 600_000 * MS;
    config
}

/// A maker entry that rests when the next look is asked for, which is now.
pub(super) fn resting_at_a_look(config: EngineConfig) -> (Rig, NewOrder) {
    let mut rig = Rig::ready(config);
    rig.pass_ms(59_000);
    rig.book(500_000, 40, 10);
    let order = rig.place_one();
    rig.confirm(&order);
    assert_eq!(next_look(&mut rig), 1_000);
    (rig, order)
}

#[test]
fn an_order_that_must_be_listed_and_is_not_is_doubted() {
    let (mut rig, order) = resting_at_a_look(patient());
    rig.reconcile(&[], &[]);
    assert_eq!(certainty(&rig, &order), Certainty::Unknown);
    assert_eq!(rig.engine.order_counters().unknown_ever, 1);
}

#[test]
fn an_order_that_is_listed_is_not_doubted_and_goes_on() {
    let (mut rig, order) = resting_at_a_look(patient());
    rig.reconcile(&[report(&order, 7)], &[]);
    assert_eq!(certainty(&rig, &order), Certainty::Known);
    assert_eq!(rig.cancelled(), []);
}

#[test]
fn an_order_of_the_moment_of_the_request_is_not_doubted() {
    let mut rig = Rig::ready(patient());
    assert_eq!(next_look(&mut rig), 60_000);
    rig.book(500_000, 40, 10);
    let order = rig.place_one();
    rig.confirm(&order);
    rig.reconcile(&[], &[]);
    assert_eq!(certainty(&rig, &order), Certainty::Known);
}

#[test]
fn an_order_whose_own_answer_is_to_come_is_not_doubted() {
    let mut rig = Rig::ready(patient());
    rig.pass_ms(59_990);
    rig.book(500_000, 40, 10);
    let order = rig.place_one();
    assert_eq!(next_look(&mut rig), 10);
    rig.reconcile(&[], &[]);
    assert_eq!(certainty(&rig, &order), Certainty::Known);
}

/// Futures and spot, the first as every rig has it.
pub(super) fn both_markets() -> EngineConfig {
    let mut config = patient();
    config.instruments.push(Instrument {
        id: SPOT,
        symbol: Symbol::new(b"ETHUSDT").unwrap(),
        ..instrument(Market::Spot)
    });
    config
}

#[test]
fn a_list_of_one_market_says_nothing_of_orders_in_the_other() {
    let mut rig = Rig::ready(both_markets());
    rig.streams(Market::Spot, true);
    assert!(rig.take().contains(&Request::Reconcile(SPOT)));
    rig.reconcile(&[], &[]);
    rig.book(500_000, 40, 10);
    let order = rig.place_one();
    rig.confirm(&order);
    rig.pass_ms(10);
    ask(&mut rig, Market::Spot);
    rig.reconcile(&[], &[]);
    assert_eq!(certainty(&rig, &order), Certainty::Known);
    next_look(&mut rig);
    rig.reconcile(&[], &[]);
    assert_eq!(certainty(&rig, &order), Certainty::Unknown);
}

#[test]
fn a_list_that_is_older_than_an_amendment_says_nothing_of_terms() {
    let (mut rig, order) = resting_at_a_look(patient());
    rig.pass_ms(5);
    let amend = amended(&mut rig, 3);
    rig.pass_ms(5);
    let told = (amend.order.price.0, amend.order.quantity.0);
    let (done, open) = (ReplyOutcome::Confirmed, OrderState::Accepted);
    rig.send(Input::OrderReply(answer(&amend, done, open, Some(told))));
    rig.reconcile(&[report(&order, 7)], &[]);
    assert_eq!(
        terms(&rig, &order),
        (amend.order.price, amend.order.quantity)
    );
}

#[test]
fn a_list_says_nothing_of_terms_while_an_amendment_is_open() {
    let mut rig = Rig::ready(patient());
    rig.pass_ms(59_000);
    rig.book(500_000, 40, 10);
    let order = rig.place_one();
    rig.confirm(&order);
    rig.pass_ms(500);
    let amend = amended(&mut rig, 3);
    assert_eq!(next_look(&mut rig), 500);
    let other = OpenOrderReport {
        price: Price(order.price.0 - 20),
        ..report(&order, 7)
    };
    rig.reconcile(&[other], &[]);
    assert_eq!(terms(&rig, &order), (order.price, order.quantity));
    assert_ne!(amend.order.price, order.price);
}

#[test]
fn a_list_does_not_change_the_terms_of_an_order_that_ended() {
    let (mut rig, order) = resting();
    rig.pass_ms(10);
    ask(&mut rig, Market::UsdM);
    rig.end(&order, OrderState::Canceled, 0);
    let changed = OpenOrderReport {
        price: Price(order.price.0 - 5),
        ..report(&order, 7)
    };
    rig.reconcile(&[changed], &[]);
    assert_eq!(terms(&rig, &order), (order.price, order.quantity));
}

#[test]
fn orders_on_instruments_that_are_not_traded_here_are_counted() {
    let mut rig = Rig::reconciled(settings());
    rig.pass_ms(10);
    ask(&mut rig, Market::UsdM);
    let elsewhere = OpenOrderReport {
        instrument: InstrumentId(9),
        ..own(1)
    };
    rig.reconcile(&[elsewhere, elsewhere], &[]);
    assert_eq!(rig.engine.external_orders(Market::UsdM), 2);
    assert_eq!(reports(&rig).last().map(|one| one.foreign), Some(2));
}

#[test]
fn what_finds_no_room_in_the_table_is_counted_as_a_violation() {
    let mut config = settings();
    config.orders.open_orders_at_start = OpenOrdersAtStart::Adopt;
    let capacity = config.orders.capacity as u64;
    let mut rig = Rig::fresh(config);
    rig.streams(Market::UsdM, true);
    rig.take();
    let orders: Vec<_> = (1..=capacity + 2).map(own).collect();
    rig.reconcile(&orders, &[]);
    let adopted = rig.engine.orders().live().len() as u64;
    assert!(adopted <= capacity, "{adopted}");
    let violations = rig.engine.order_counters().violations;
    assert_eq!(violations, capacity + 2 - adopted);
    assert!(violations >= 2);
    let mut intents: Vec<_> = rig
        .engine
        .orders()
        .live_orders()
        .map(|one| one.new.intent.0)
        .collect();
    intents.sort_unstable();
    intents.dedup();
    assert_eq!(
        intents.len() as u64,
        adopted,
        "each has an intent of its own"
    );
}

#[test]
fn a_fill_told_in_the_moment_of_the_request_waits_for_the_next_look() {
    let mut rig = Rig::ready(taker());
    rig.book(500_000, 40, 10);
    let order = rig.place_one();
    rig.pass_ms(10);
    let (place, done) = (RequestKind::Place, ReplyOutcome::Confirmed);
    rig.reply(&order, place, done, OrderState::Filled, 19);
    ask(&mut rig, Market::UsdM);
    rig.pass_ms(3_500);
    rig.reconcile_listing(&[], &[], &[]);
    let counters = rig.engine.order_counters();
    assert_eq!((counters.synthetic_fills, rig.position()), (0, 0));
}

/// Waits until the next look goes out, and says after how many milliseconds it did.
pub(super) fn next_look(rig: &mut Rig) -> u64 {
    let begun = rig.time;
    while rig.time - begun < 70_000 * MS {
        rig.pass_ms(10);
        if rig.take().contains(&Request::Reconcile(ID)) {
            return (rig.time - begun) / MS;
        }
    }
    panic!("no look in 70 s");
}

#[test]
fn a_difference_is_looked_at_again_soon_and_then_with_more_patience() {
    let mut rig = Rig::ready(config(Market::UsdM, &[]));
    let web = rig.some_order();
    rig.fill(&web, 10, 500_000, 10);
    rig.pass_ms(61_000);
    rig.forget();
    let theirs = [position(7, 50_000)];
    rig.reconcile(&[], &theirs);
    assert_eq!(next_look(&mut rig), 300);
    rig.reconcile_listing(&[], &[], &theirs);
    assert_eq!(next_look(&mut rig), 700);
    rig.reconcile_listing(&[], &[], &theirs);
    assert_eq!(next_look(&mut rig), 700);
    rig.reconcile_listing(&[], &[], &[position(10, 50_000)]);
    let fates = fates(&rig);
    assert_eq!(fates, [DifferenceFate::Open, DifferenceFate::Gone]);
}

#[test]
fn a_position_that_moves_while_it_is_listed_is_not_corrected() {
    let mut rig = Rig::ready(config(Market::UsdM, &[]));
    let web = rig.some_order();
    rig.fill(&web, 10, 500_000, 10);
    rig.pass_ms(61_000);
    rig.forget();
    // The list was taken before a fill that the stream tells while it is under way.
    rig.fill(&web, 3, 500_000, 13);
    rig.reconcile(&[], &[position(10, 50_000)]);
    assert_eq!((rig.position(), fates(&rig)), (13, vec![]));
    assert_eq!(reports(&rig), [], "it looks again first");
    assert_eq!(next_look(&mut rig), 10_000);
    rig.reconcile(&[], &[position(13, 50_000)]);
    assert_eq!(reports(&rig).len(), 1);
}

#[test]
fn a_position_is_not_corrected_while_the_fate_of_an_order_is_open() {
    let (mut rig, order) = resting_at_a_look(patient());
    rig.forget();
    rig.reconcile(&[], &[position(order.quantity.0, 50_000)]);
    assert_eq!(certainty(&rig, &order), Certainty::Unknown);
    assert_eq!((rig.position(), fates(&rig)), (0, vec![]));
    assert_eq!(reports(&rig), []);
}

#[test]
fn every_corrected_position_is_counted() {
    let mut config = taker();
    config.instruments.push(Instrument {
        id: SPOT,
        symbol: Symbol::new(b"ETHUSDT").unwrap(),
        ..instrument(Market::UsdM)
    });
    let mut rig = Rig::fresh(config);
    rig.streams(Market::UsdM, true);
    rig.take();
    let second = PositionReport {
        instrument: SPOT,
        ..position(-3, 3_000)
    };
    rig.reconcile(&[], &[position(8, 50_000), second]);
    let told: Vec<_> = reports(&rig)
        .iter()
        .map(|one| one.position_differences)
        .collect();
    assert_eq!(told, [2]);
}

#[test]
fn what_is_held_beside_us_is_a_part_of_the_exchanges_position() {
    let mut config = taker();
    config.first_start = FirstStart::Ignore;
    let mut rig = Rig::fresh(config);
    rig.send(Input::FirstStart);
    rig.streams(Market::UsdM, true);
    rig.reconcile(&[], &[position(8, 50_000)]);
    rig.sync();
    rig.forget();
    rig.book(500_000, 40, 10);
    let order = rig.place_one();
    assert_eq!(order.side, Side::Buy);
    let lots = order.quantity.0;
    rig.send(Input::Position(position(8 + lots, 50_000)));
    rig.fill_with_id(&order, lots, 500_001, lots, 60);
    let target = rig.place_one();
    rig.confirm(&target);
    rig.pass_ms(100);
    ask(&mut rig, Market::UsdM);
    rig.reconcile_listing(&[], &[report(&target, 7)], &[position(8 + lots, 50_000)]);
    assert_eq!((rig.position(), fates(&rig)), (lots, vec![]));
    assert_eq!(reports(&rig).len(), 1);
    // Two lots more that nobody can explain are ours in the end: the sum is the exchange's.
    ask(&mut rig, Market::UsdM);
    for _ in 0..20 {
        rig.pass_ms(300);
        rig.reconcile_listing(&[], &[report(&target, 7)], &[position(10 + lots, 50_000)]);
    }
    assert_eq!(fates(&rig), [DifferenceFate::Open, DifferenceFate::Adopted]);
    assert_eq!(
        (rig.position(), rig.engine.opening(ID)),
        (lots + 2, Quantity(8))
    );
}

#[test]
fn a_position_that_is_not_stated_is_none() {
    let mut rig = Rig::ready(config(Market::UsdM, &[]));
    let web = rig.some_order();
    rig.fill(&web, 10, 500_000, 10);
    rig.pass_ms(61_000);
    rig.forget();
    rig.reconcile(&[], &[]);
    assert_eq!(fates(&rig), [DifferenceFate::Open]);
}

#[test]
fn a_cancel_of_somebody_elses_order_is_repeated_after_ten_seconds() {
    let mut config = taker();
    config.orders.external_orders = ExternalOrders::Cancel;
    let mut rig = Rig::reconciled(config);
    let web = OpenOrderReport {
        client_order_id: ClientOrderId::new(b"web_1").unwrap(),
        ..own(5)
    };
    let mut cancelled = Vec::new();
    for pause_ms in [0, 9_990, 10] {
        rig.pass_ms(pause_ms);
        ask(&mut rig, Market::UsdM);
        rig.reconcile(&[web], &[]);
        cancelled.push(rig.cancelled().len());
    }
    assert_eq!(cancelled, [1, 0, 1]);
}

#[test]
fn a_look_that_has_begun_is_not_asked_for_again_before_it_has_had_its_time() {
    let mut rig = Rig::ready(patient());
    assert_eq!(next_look(&mut rig), 60_000);
    rig.send(Input::ReconcileBegin);
    rig.pass_ms(59_000);
    assert_eq!(rig.take(), []);
    rig.send(Input::ReconcileEnd);
    assert_eq!(reports(&rig).len(), 1, "slow, but it counts");
    // One that never ends is given up.
    next_look(&mut rig);
    rig.send(Input::ReconcileBegin);
    let waited = next_look(&mut rig);
    assert!((60_000..=61_000).contains(&waited), "{waited}");
}

#[test]
fn a_look_at_one_market_does_not_end_a_difference_in_the_other() {
    let mut config = both_markets();
    config.strategies.clear();
    let mut rig = Rig::ready(config);
    rig.streams(Market::Spot, true);
    rig.take();
    rig.reconcile(&[], &[]);
    let web = rig.some_order();
    rig.fill(&web, 10, 500_000, 10);
    next_look(&mut rig);
    rig.reconcile(&[], &[position(7, 50_000)]);
    assert!(rig.engine.has_mismatch());
    ask(&mut rig, Market::Spot);
    rig.reconcile(&[], &[]);
    assert!(rig.engine.has_mismatch(), "spot has nothing to say of it");
}

#[test]
fn while_reducing_nothing_rests_that_could_add() {
    let mut config = patient();
    config.orders.open_orders_at_start = OpenOrdersAtStart::Adopt;
    for paused_first in [false, true] {
        let mut rig = Rig::fresh(config.clone());
        rig.streams(Market::UsdM, true);
        if !paused_first {
            rig.reconcile(&[own(4)], &[]);
            assert_eq!(rig.cancelled(), [], "it goes on");
        }
        rig.command(Command::Pause);
        if paused_first {
            rig.reconcile(&[], &[]);
            ask(&mut rig, Market::UsdM);
            rig.reconcile(&[own(4)], &[]);
        }
        assert_eq!(rig.engine.trading_state().0, TradingState::Reducing);
        assert_eq!(rig.cancelled(), [own(4).client_order_id]);
    }
}

/// A fate that only a mute order connection could tell keeps every look from its conclusion.
#[test]
fn looks_that_an_open_fate_keeps_from_a_conclusion_come_further_and_further_apart() {
    let mut rig = Rig::ready(taker());
    rig.book(500_000, 40, 10);
    let order = rig.place_one();
    rig.pass_ms(3_000);
    assert_eq!(certainty(&rig, &order), Certainty::Unknown);
    rig.stream(StreamKind::User, Market::UsdM, false);
    rig.stream(StreamKind::User, Market::UsdM, true);
    let differs = [position(3, 50_000)];
    assert_eq!(next_look(&mut rig), 10);
    rig.reconcile(&[], &differs);
    let mut pauses = Vec::new();
    for _ in 0..6 {
        pauses.push(next_look(&mut rig));
        rig.reconcile(&[], &differs);
    }
    assert_eq!(pauses, [300, 600, 1_200, 2_400, 2_400, 2_400]);
    // An order connection that comes back may answer.
    rig.stream(StreamKind::Orders, Market::UsdM, false);
    rig.stream(StreamKind::Orders, Market::UsdM, true);
    assert_eq!(next_look(&mut rig), 10);
    rig.reconcile(&[], &differs);
    assert_eq!(next_look(&mut rig), 300);
}
