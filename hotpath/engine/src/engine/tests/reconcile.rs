//! What reconciliation recovers, refuses, shows and leaves alone.
//!
//! In: lists as the exchange would give them. Out: checks of fills, records, requests and states.
//! Never: a look inside.

use super::lists::{report, trade};
use super::rig::{ID, MS, Rig, config, imbalance, instrument, position};
use crate::config::{EngineConfig, ExternalOrders, FirstStart};
use crate::event::StreamKind;
use crate::strategy::imbalance::{EntryStyle, ImbalanceParameters};
use crate::{Input, Request};
use market::account::OpenOrderReport;
use market::record::{DifferenceFate, Fill, FirstStartFate, ProtectionAct, ProtectionStep, Record};
use market::{
    AccountConfigChange, AlgoOrderReport, ClientOrderId, DenialCode, ElsewhereReport,
    ExchangeOrderId, InstrumentMemory, Market, Money, NewOrder, OrderState, OrderType,
    PositionReport, Price, Quantity, ReplyOutcome, RequestKind, SetupFault, SetupReport, Side,
    StateReason, TimeInForce, TradeId, TradesWanted, TradingState, UtcMs,
};

fn taker() -> EngineConfig {
    config(
        Market::UsdM,
        &[imbalance(ImbalanceParameters {
            entry: EntryStyle::Taker,
            ..ImbalanceParameters::default()
        })],
    )
}

fn entry(rig: &mut Rig) -> NewOrder {
    rig.book(500_000, 40, 10);
    rig.place_one()
}

fn open_order(id: &str, exchange_id: u64) -> OpenOrderReport {
    OpenOrderReport {
        instrument: ID,
        client_order_id: ClientOrderId::new(id.as_bytes()).unwrap(),
        exchange_order_id: ExchangeOrderId(exchange_id),
        state: OrderState::Accepted,
        side: Side::Buy,
        order_type: OrderType::Limit,
        time_in_force: TimeInForce::GoodTillCancel,
        reduce_only: false,
        price: Price(490_000),
        quantity: Quantity(5),
        cumulative_quantity: Quantity(0),
    }
}

fn fills(rig: &Rig) -> Vec<Fill> {
    let records = rig.outbox.observer.records.iter();
    let fills = records.filter_map(|one| match one {
        Record::Fill(fill) => Some(*fill),
        _ => None,
    });
    fills.collect()
}

fn fates(rig: &Rig) -> Vec<DifferenceFate> {
    let records = rig.outbox.observer.records.iter();
    let fates = records.filter_map(|one| match one {
        Record::Difference(one) => Some(one.fate),
        _ => None,
    });
    fates.collect()
}

fn wanted(rig: &mut Rig) -> Option<TradesWanted> {
    rig.take().iter().find_map(|one| match one {
        Request::Trades(wanted) => Some(*wanted),
        _ => None,
    })
}

fn denials(rig: &Rig) -> Vec<DenialCode> {
    let records = rig.outbox.observer.records.iter();
    let codes = records.filter_map(|one| match one {
        Record::Denial(denial) => Some(denial.code),
        _ => None,
    });
    codes.collect()
}

#[test]
fn a_fill_that_the_stream_lost_is_booked_with_its_real_trade() {
    let mut rig = Rig::ready(taker());
    let order = entry(&mut rig);
    let (place, done) = (RequestKind::Place, ReplyOutcome::Confirmed);
    rig.reply(&order, place, done, OrderState::Filled, 19);
    rig.pass_ms(1_001);
    let asked = rig.take();
    assert!(
        matches!(asked[..], [Request::Trades(_), Request::Reconcile(ID)]),
        "{asked:?}"
    );
    rig.forget();
    let trades = [
        trade(4_001, 7, Side::Buy, 12, 500_001),
        trade(4_002, 7, Side::Buy, 7, 500_002),
    ];
    rig.reconcile_listing(&trades, &[], &[position(19, 50_000)]);
    let booked = fills(&rig);
    let seen: Vec<_> = booked
        .iter()
        .map(|one| {
            (
                one.trade_id.0,
                one.quantity.0,
                one.price.0,
                one.fee.0,
                one.strategy.0,
            )
        })
        .collect();
    assert_eq!(
        seen,
        [(4_001, 12, 500_001, 777, 0), (4_002, 7, 500_002, 777, 0)]
    );
    assert!(
        booked
            .iter()
            .all(|one| one.client_order_id == order.client_order_id)
    );
    assert_eq!((rig.position(), fates(&rig).len()), (19, 0));
    let counters = rig.engine.order_counters();
    assert_eq!((counters.recovered_fills, counters.synthetic_fills), (2, 0));
    assert_eq!(
        rig.place_one().side,
        Side::Sell,
        "the position has its exit"
    );
    // The stream brings the same trades late: they count once (I6).
    rig.fill_with_id(&order, 7, 500_002, 19, 4_002);
    assert_eq!(
        (rig.position(), rig.engine.order_counters().duplicate_fills),
        (19, 1)
    );
}

#[test]
fn the_next_list_begins_after_the_last_trade_on_which_both_sides_agreed() {
    let mut rig = Rig::ready(taker());
    let order = entry(&mut rig);
    rig.fill_with_id(&order, 19, 500_001, 19, 900);
    rig.pass_ms(61_000);
    rig.reconcile(&[], &[position(19, 50_000)]);
    let memory = rig.engine.instrument_memory(ID).unwrap();
    assert_eq!(
        (memory.after, memory.quantity),
        (TradeId(900), Quantity(19))
    );
    rig.forget();
    // A gap of the private stream: what has something at stake may have traded.
    rig.stream(StreamKind::User, Market::UsdM, false);
    rig.stream(StreamKind::User, Market::UsdM, true);
    assert_eq!(wanted(&mut rig).map(|one| one.after), Some(TradeId(900)));
}

#[test]
fn trades_of_an_order_without_an_exchange_id_wait_for_it() {
    let mut rig = Rig::ready(taker());
    let order = entry(&mut rig);
    // Neither its reply nor its events come; somebody else has a position change meanwhile.
    rig.stream(StreamKind::User, Market::UsdM, false);
    rig.stream(StreamKind::User, Market::UsdM, true);
    let trades = [trade(4_001, 7, Side::Buy, 19, 500_001)];
    rig.reconcile_listing(&trades, &[], &[position(19, 50_000)]);
    assert_eq!((rig.position(), fills(&rig).len()), (0, 0));
    rig.reply(
        &order,
        RequestKind::Query,
        ReplyOutcome::Confirmed,
        OrderState::Filled,
        19,
    );
    rig.pass_ms(400);
    assert!(wanted(&mut rig).is_some(), "it is asked for again");
    rig.reconcile_listing(&trades, &[], &[position(19, 50_000)]);
    assert_eq!(fills(&rig).len(), 1);
    assert_eq!(fills(&rig)[0].strategy.0, 0, "of the order's strategy");
}

#[test]
fn a_position_that_differs_reduces_and_is_explained_by_trades_of_others() {
    let mut rig = Rig::ready(taker());
    rig.send(Input::Position(position(5, 50_000)));
    rig.pass_ms(2_000);
    let held = (TradingState::Reducing, StateReason::PositionMismatch);
    assert_eq!(rig.engine.trading_state(), held);
    assert_eq!(fates(&rig), [DifferenceFate::Open]);
    assert!(wanted(&mut rig).is_some());
    rig.reconcile_listing(
        &[trade(50, 99, Side::Buy, 5, 499_000)],
        &[],
        &[position(5, 50_000)],
    );
    assert_eq!(
        fates(&rig),
        [DifferenceFate::Open, DifferenceFate::Explained]
    );
    let fill = fills(&rig)[0];
    assert_eq!((fill.strategy.0, fill.price.0), (255, 499_000));
    // Nobody claims it: that alone stays a reason to reduce.
    assert_eq!(rig.engine.trading_state(), held);
}

#[test]
fn a_difference_found_by_a_look_reduces_until_the_exchange_had_its_time() {
    let mut rig = Rig::ready(config(Market::UsdM, &[]));
    let web = rig.some_order();
    rig.fill(&web, 10, 500_000, 10);
    rig.pass_ms(61_000);
    rig.forget();
    let begun = rig.time;
    rig.reconcile(&[], &[position(7, 50_000)]);
    assert_eq!(rig.engine.trading_state().0, TradingState::Reducing);
    assert_eq!(
        (rig.position(), fates(&rig)),
        (10, vec![DifferenceFate::Open])
    );
    while rig.position() == 10 {
        rig.pass_ms(300);
        if rig.take().contains(&Request::Reconcile(ID)) {
            rig.reconcile_listing(&[], &[], &[position(7, 50_000)]);
        }
        assert!(rig.time - begun < 5_000 * MS, "it takes too long");
    }
    assert!(rig.time - begun >= 2_900 * MS);
    assert_eq!(fates(&rig), [DifferenceFate::Open, DifferenceFate::Adopted]);
}

#[test]
fn a_start_goes_on_from_the_memory_of_the_one_before() {
    goes_on_from_memory(Market::UsdM, &[position(6, 50_000)]);
}

/// What was bought on spot has its exits in the next start; no list states it.
#[test]
fn a_spot_position_outlives_a_restart_with_its_trades_since() {
    goes_on_from_memory(Market::Spot, &[]);
}

/// Ten lots are remembered, four of them were sold since, and the exchange states `positions`.
fn goes_on_from_memory(market: Market, positions: &[PositionReport]) {
    let mut config = taker();
    config.instruments[0].market = market;
    let mut rig = Rig::fresh(config);
    rig.send(Input::Remember(InstrumentMemory {
        instrument: ID,
        after: TradeId(70),
        since: UtcMs(1_600_000_000_000),
        quantity: Quantity(10),
        cost_tick_lots: 5_000_000,
        opening: Quantity(0),
    }));
    rig.streams(market, true);
    let asked = wanted(&mut rig).expect("the trades since");
    assert_eq!(asked.after, TradeId(70));
    rig.reconcile_listing(&[trade(71, 99, Side::Sell, 4, 501_000)], &[], positions);
    assert_eq!((rig.position(), fates(&rig).len()), (6, 0));
    // 4 lots bought at 500,000 and sold at 501,000: 4,000 ticks times lots.
    assert_eq!(rig.engine.instrument_page(ID).realized, Money(40_000_000));
    rig.sync();
    let target = rig.place_one();
    assert_eq!(
        (target.side, target.quantity),
        (Side::Sell, Quantity(6)),
        "the strategy has it"
    );
    let memory = rig.engine.instrument_memory(ID).unwrap();
    assert_eq!((memory.quantity, memory.after), (Quantity(6), TradeId(71)));
}

#[test]
fn a_first_start_on_an_account_in_use_is_refused_and_touches_nothing() {
    let mut rig = Rig::fresh(taker());
    rig.send(Input::FirstStart);
    rig.streams(Market::UsdM, true);
    rig.take();
    let ours = ClientOrderId::compose("fu", 9_999, 3);
    let orders = [open_order(ours.as_str(), 1), open_order("web_1", 2)];
    rig.reconcile(&orders, &[position(-8, 50_000)]);
    let refused = (TradingState::Halted, StateReason::FirstStart);
    assert_eq!(rig.engine.trading_state(), refused);
    assert_eq!((rig.cancelled(), rig.position()), (vec![], 0));
    let first = |rig: &Rig| {
        let records = rig.outbox.observer.records.iter();
        let all = records.filter_map(|one| match one {
            Record::FirstStart(one) => Some((one.fate, one.positions, one.orders)),
            _ => None,
        });
        all.collect::<Vec<_>>()
    };
    assert_eq!(first(&rig), [(FirstStartFate::Refused, 1, 2)]);
    assert_eq!(
        rig.engine.instrument_memory(ID),
        None,
        "nothing to remember"
    );
    // It looks again, and once the account is empty it goes on by itself.
    rig.pass_ms(5_000);
    assert_eq!(rig.take(), [Request::Reconcile(ID)]);
    rig.reconcile(&[], &[position(-8, 50_000)]);
    assert_eq!(rig.engine.trading_state(), refused);
    rig.pass_ms(5_000);
    rig.take();
    rig.reconcile(&[], &[]);
    assert_eq!(rig.engine.trading_state().0, TradingState::Active);
    assert_eq!(first(&rig).last(), Some(&(FirstStartFate::Clean, 0, 0)));
    assert!(rig.engine.instrument_memory(ID).is_some());
}

#[test]
fn what_lies_beside_the_table_refuses_a_first_start_too() {
    for (orders, algo_orders, positions) in [(1, 0, 0), (0, 1, 0), (0, 0, 1)] {
        let mut rig = Rig::fresh(taker());
        rig.send(Input::FirstStart);
        rig.streams(Market::UsdM, true);
        rig.send(Input::ReconcileBegin);
        rig.send(Input::Elsewhere(ElsewhereReport {
            market: Market::UsdM,
            orders,
            algo_orders,
            positions,
        }));
        rig.send(Input::ReconcileEnd);
        assert_eq!(rig.engine.trading_state().1, StateReason::FirstStart);
    }
}

#[test]
fn a_first_start_adopts_when_told_so() {
    let mut config = taker();
    config.first_start = FirstStart::Adopt;
    let mut rig = Rig::fresh(config);
    rig.send(Input::FirstStart);
    rig.streams(Market::UsdM, true);
    rig.reconcile(&[], &[position(-8, 50_000)]);
    assert_eq!(
        (rig.position(), rig.engine.trading_state().0),
        (-8, TradingState::Active)
    );
}

fn ignoring(lots: i64) -> Rig {
    let mut config = taker();
    config.first_start = FirstStart::Ignore;
    let mut rig = Rig::fresh(config);
    rig.send(Input::FirstStart);
    rig.streams(Market::UsdM, true);
    rig.reconcile(&[], &[position(lots, 50_000)]);
    assert_eq!(
        (rig.position(), rig.engine.opening(ID)),
        (0, Quantity(lots))
    );
    assert_eq!(rig.engine.trading_state().0, TradingState::Active);
    rig.sync();
    rig.forget();
    rig
}

/// A known account that trades the instrument for the first time and finds a position there.
fn unseen(policy: FirstStart, lots: i64) -> Rig {
    let mut config = taker();
    config.first_start = policy;
    let mut rig = Rig::fresh(config);
    rig.send(Input::Unseen(ID));
    rig.streams(Market::UsdM, true);
    rig.reconcile(&[], &[position(lots, 50_000)]);
    rig.sync();
    rig.forget();
    rig
}

#[test]
fn a_position_on_an_instrument_that_no_start_knew_stays_its_owners() {
    let mut rig = unseen(FirstStart::Refuse, 8);
    assert_eq!((rig.position(), rig.engine.opening(ID)), (0, Quantity(8)));
    assert_eq!(rig.engine.trading_state().0, TradingState::Active);
    rig.book(500_000, 40, 10);
    assert_eq!(rig.placed(), [], "no exit of it, and nothing beside it");
    assert_eq!(denials(&rig), [DenialCode::InstrumentNotTradable]);
    // Its owner closes it, and the instrument is free.
    let mut web = rig.some_order();
    web.side = Side::Sell;
    rig.send(Input::Position(position(0, 50_000)));
    rig.fill_with_id(&web, 8, 500_000, 8, 61);
    assert_eq!((rig.position(), rig.engine.opening(ID)), (0, Quantity(0)));
    rig.pass_ms(2_000);
    rig.book(500_000, 41, 10);
    rig.place_one();
}

#[test]
fn what_is_found_on_a_new_instrument_is_ignored_or_adopted_when_told_so() {
    let mut rig = unseen(FirstStart::Ignore, 8);
    assert_eq!((rig.position(), rig.engine.opening(ID)), (0, Quantity(8)));
    rig.book(500_000, 40, 10);
    assert_eq!(rig.place_one().side, Side::Buy, "beside it");
    let rig = unseen(FirstStart::Adopt, 8);
    assert_eq!((rig.position(), rig.engine.opening(ID)), (8, Quantity(0)));
    // It is met once: what somebody opens later is a difference.
    let mut rig = unseen(FirstStart::Refuse, 0);
    rig.stream(StreamKind::User, Market::UsdM, false);
    rig.stream(StreamKind::User, Market::UsdM, true);
    rig.take();
    rig.reconcile(&[], &[position(8, 50_000)]);
    rig.reconcile_until_adopted(&[position(8, 50_000)]);
    assert_eq!((rig.position(), rig.engine.opening(ID)), (8, Quantity(0)));
}

#[test]
fn an_ignored_position_is_never_traded_against() {
    let mut rig = ignoring(-8);
    rig.book(500_000, 40, 10);
    assert_eq!(rig.placed(), [], "a buy would close it");
    assert_eq!(denials(&rig), [DenialCode::InstrumentNotTradable]);
}

#[test]
fn an_ignored_position_is_never_closed_and_the_sum_is_the_exchanges() {
    let mut rig = ignoring(8);
    let order = entry(&mut rig);
    rig.send(Input::Position(position(8 + order.quantity.0, 50_000)));
    rig.fill_with_id(&order, 19, 500_001, 19, 60);
    assert_eq!((rig.position(), rig.engine.opening(ID)), (19, Quantity(8)));
    let target = rig.place_one();
    assert_eq!(target.quantity, Quantity(19), "its own part and no more");
    rig.pass_ms(3_000);
    assert_eq!(
        rig.engine.trading_state().0,
        TradingState::Active,
        "no mismatch (I11)"
    );
    // Its owner closes a part, and then all of it.
    for (trade, lots, left) in [(61, 5, 3), (62, 3, 0)] {
        let mut web = rig.some_order();
        web.side = Side::Sell;
        rig.fill_with_id(&web, lots, 500_000, lots, trade);
        assert_eq!(
            (rig.position(), rig.engine.opening(ID)),
            (19, Quantity(left))
        );
    }
    assert_eq!(fates(&rig), []);
    let memory = rig.engine.instrument_memory(ID).unwrap();
    assert_eq!(memory.opening, Quantity(8), "as it was when both agreed");
}

#[test]
fn our_stop_closes_ours_beside_an_ignored_position_however_its_trade_is_told() {
    let stop = ProtectionStep {
        act: ProtectionAct::Triggered,
        instrument: Some(ID),
        symbol: instrument(Market::UsdM).symbol,
        client_algo_id: ClientOrderId::new(b"fulcrum-stop-1").unwrap(),
        side: Side::Sell,
        trigger_price: Price(495_001),
        exchange_order_id: ExchangeOrderId(7_000),
        stands: Price(0),
        error_code: 0,
    };
    let ours = || {
        let mut rig = ignoring(8);
        let order = entry(&mut rig);
        rig.send(Input::Position(position(8 + order.quantity.0, 50_000)));
        rig.fill_with_id(&order, 19, 500_001, 19, 60);
        assert!(
            !rig.engine.instrument_page(ID).opening.is_zero(),
            "the stop is sized"
        );
        let target = rig.place_one();
        rig.confirm(&target);
        (rig, target)
    };
    // On the stream it has the name of the stop. One that closes all there is takes theirs last.
    for (lots, left) in [(12, (7, 8)), (19, (0, 8)), (27, (0, 0))] {
        let (mut rig, _) = ours();
        let triggered = NewOrder {
            client_order_id: stop.client_algo_id,
            side: Side::Sell,
            quantity: Quantity(lots),
            ..rig.some_order()
        };
        rig.fill_with_id(&triggered, lots, 494_990, lots, 61);
        assert_eq!((rig.position(), rig.engine.opening(ID).0), left);
    }
    // What somebody else buys there is theirs, too.
    let (mut rig, _) = ours();
    let theirs = NewOrder {
        quantity: Quantity(5),
        ..rig.some_order()
    };
    rig.fill_with_id(&theirs, 5, 495_000, 5, 62);
    assert_eq!((rig.position(), rig.engine.opening(ID).0), (19, 13));
    // A list has the number of the order that it became.
    let (mut rig, target) = ours();
    rig.send(Input::Protection(stop));
    rig.stream(StreamKind::User, Market::UsdM, false);
    rig.stream(StreamKind::User, Market::UsdM, true);
    let closed = trade(61, 7_000, Side::Sell, 19, 494_990);
    rig.reconcile_listing(&[closed], &[report(&target, 7)], &[position(8, 50_000)]);
    assert_eq!((rig.position(), rig.engine.opening(ID).0), (0, 8));
}

#[test]
fn orders_of_others_are_shown_once_and_cancelled_only_when_told_so() {
    let externals = |rig: &Rig| {
        let records = rig.outbox.observer.records.iter();
        let all = records.filter_map(|one| match one {
            Record::External(one) => Some((one.conditional, one.own, one.cancelled)),
            _ => None,
        });
        all.collect::<Vec<_>>()
    };
    for (policy, cancels) in [
        (ExternalOrders::Ignore, false),
        (ExternalOrders::Cancel, true),
    ] {
        let mut config = taker();
        config.orders.external_orders = policy;
        let mut rig = Rig::reconciled(config);
        rig.forget();
        rig.stream(StreamKind::User, Market::UsdM, false);
        rig.stream(StreamKind::User, Market::UsdM, true);
        rig.take();
        rig.reconcile(&[open_order("web_1", 5)], &[]);
        assert_eq!(rig.cancelled().len(), usize::from(cancels));
        assert_eq!(externals(&rig), [(false, false, cancels)]);
        assert_eq!(rig.engine.external_orders(Market::UsdM), 1);
        rig.stream(StreamKind::User, Market::UsdM, false);
        rig.stream(StreamKind::User, Market::UsdM, true);
        rig.reconcile(&[open_order("web_1", 5)], &[]);
        assert_eq!(
            externals(&rig).len(),
            1,
            "shown once, and its cancel is under way"
        );
    }
}

#[test]
fn conditional_orders_are_shown_whosever_they_are() {
    let mut rig = Rig::fresh(taker());
    rig.streams(Market::UsdM, true);
    rig.send(Input::ReconcileBegin);
    let ours = ClientOrderId::compose("fu", 3, 1);
    for (id, name) in [(1, ours.as_str()), (2, "web_stop"), (2, "web_stop")] {
        rig.send(Input::AlgoOrder(AlgoOrderReport {
            instrument: ID,
            client_order_id: ClientOrderId::new(name.as_bytes()).unwrap(),
            exchange_order_id: ExchangeOrderId(id),
            side: Side::Sell,
            price: Price(400_000),
            quantity: Quantity(0),
        }));
    }
    rig.send(Input::ReconcileEnd);
    let records = rig.outbox.observer.records.iter();
    let shown: Vec<_> = records
        .filter_map(|one| match one {
            Record::External(one) => Some((one.own, one.conditional)),
            _ => None,
        })
        .collect();
    assert_eq!(shown, [(true, true), (false, true)]);
}

#[test]
fn a_set_up_that_is_not_right_holds_entries_back_and_lets_exits_go() {
    let mut rig = Rig::ready(taker());
    let order = entry(&mut rig);
    rig.fill_all(&order, 500_001);
    let target = rig.place_one();
    rig.forget();
    let report = |fault| SetupReport {
        instrument: ID,
        fault,
        leverage: 20,
        isolated: false,
        error_code: -4_161,
    };
    rig.send(Input::Setup(report(Some(SetupFault::Leverage))));
    rig.end(&target, OrderState::Canceled, 0);
    assert!(rig.place_one().reduce_only, "the exit is placed anew");
    let mut rig = Rig::ready(taker());
    rig.send(Input::Setup(report(Some(SetupFault::Leverage))));
    rig.book(500_000, 40, 10);
    assert_eq!(denials(&rig), [DenialCode::InstrumentNotTradable]);
    rig.send(Input::Setup(report(None)));
    rig.pass_ms(1_000);
    rig.book(500_000, 41, 10);
    rig.place_one();
    // Changed from outside: it is read again (F48).
    rig.send(Input::AccountConfig(AccountConfigChange {
        market: Market::UsdM,
        instrument: None,
    }));
    assert_eq!(rig.take(), [Request::VerifySetup(ID)]);
}

#[test]
fn fills_of_an_order_of_an_earlier_life_are_the_only_strategys() {
    let mut config = taker();
    config.orders.open_orders_at_start = crate::config::OpenOrdersAtStart::Adopt;
    let mut rig = Rig::fresh(config);
    rig.streams(Market::UsdM, true);
    rig.sync();
    let ours = ClientOrderId::compose("fu", 9_999, 3);
    rig.reconcile(&[open_order(ours.as_str(), 4)], &[]);
    rig.forget();
    let mut order = rig.some_order();
    order.client_order_id = ours;
    (order.price, order.quantity) = (Price(490_000), Quantity(5));
    rig.fill_with_id(&order, 5, 490_000, 5, 31);
    assert_eq!((fills(&rig)[0].strategy.0, rig.position()), (0, 5));
    let exit = rig.place_one();
    assert_eq!(
        (exit.side, exit.quantity),
        (Side::Sell, Quantity(5)),
        "it has its exit"
    );
    assert_eq!(rig.engine.trading_state().0, TradingState::Active);
}
