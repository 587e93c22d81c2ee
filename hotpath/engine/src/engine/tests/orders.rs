//! Order life in the engine: lost, late, doubled and unknown answers.
//!
//! In: replies and order events in every order. Out: checks of what is sent. Never: a look inside.

use super::rig::{ID, Rig, config, imbalance, position, update};
use crate::Request;
use crate::event::{Command, StreamKind};
use crate::orders::Evidence;
use crate::strategy::imbalance::{EntryStyle, ImbalanceParameters};
use market::account::{Execution, ReplyOutcome, RequestKind};
use market::{
    Certainty, Market, NewOrder, NonAction, OrderState, Quantity, StateReason, TradingState,
};

fn rig() -> Rig {
    Rig::ready(config(
        Market::UsdM,
        &[imbalance(ImbalanceParameters {
            entry: EntryStyle::Taker,
            ..ImbalanceParameters::default()
        })],
    ))
}

fn entry(rig: &mut Rig) -> NewOrder {
    rig.book(500_000, 40, 10);
    rig.place_one()
}

fn queries(rig: &mut Rig) -> usize {
    let requests = rig.take();
    assert!(
        !requests.iter().any(|one| matches!(one, Request::Place(_))),
        "never sent again"
    );
    requests
        .iter()
        .filter(|one| matches!(one, Request::Query(_)))
        .count()
}

fn not_found(rig: &mut Rig, order: &NewOrder) {
    let outcome = ReplyOutcome::Rejected;
    rig.reply(order, RequestKind::Query, outcome, OrderState::Submitted, 0);
}

#[test]
fn an_unresolved_order_is_queried_and_never_sent_again() {
    let mut rig = rig();
    let order = entry(&mut rig);
    rig.reply(
        &order,
        RequestKind::Place,
        ReplyOutcome::Unresolved,
        OrderState::Submitted,
        0,
    );
    rig.book(500_000, 50, 10);
    assert_eq!(rig.last_reason(), Some(NonAction::OrderWorking));
    let page = rig.engine.account_page();
    assert_eq!((page.unknown_now, page.unknown_ever), (1, 1));
    rig.pass_ms(200);
    assert_eq!(queries(&mut rig), 1);
    rig.reply(
        &order,
        RequestKind::Query,
        ReplyOutcome::Confirmed,
        OrderState::Filled,
        19,
    );
    rig.fill_all(&order, 500_001);
    assert_eq!(rig.engine.account_page().unknown_now, 0);
    assert_eq!(rig.position(), 19);
}

#[test]
fn never_existed_needs_the_window_closed_and_two_answers_a_second_apart() {
    let mut rig = rig();
    let order = entry(&mut rig);
    rig.reply(
        &order,
        RequestKind::Place,
        ReplyOutcome::Unresolved,
        OrderState::Submitted,
        0,
    );
    // recvWindow 1 s and margin 2 s: answers to queries before 3,000 ms do not count.
    let mut asked_at = Vec::new();
    while rig.engine.account_page().unknown_now == 1 {
        rig.pass_ms(50);
        if queries(&mut rig) > 0 {
            asked_at.push(rig.time / super::rig::MS - 1_000);
            not_found(&mut rig, &order);
        }
        assert!(asked_at.len() < 20);
    }
    let counted: Vec<_> = asked_at.iter().filter(|at| **at >= 3_000).collect();
    assert_eq!(counted.len(), 2, "{asked_at:?}");
    assert!(counted[1] - counted[0] >= 1_000);
    rig.pass_ms(1_000);
    rig.book(500_000, 60, 10);
    rig.place_one();
}

#[test]
fn a_reducing_order_may_exist_for_longer_as_its_window_is_longer() {
    let mut rig = rig();
    let order = entry(&mut rig);
    rig.fill_all(&order, 500_001);
    let exit = rig.place_one();
    assert!(exit.reduce_only);
    let placed_ms = rig.time / super::rig::MS;
    let outcome = ReplyOutcome::Unresolved;
    rig.reply(&exit, RequestKind::Place, outcome, OrderState::Submitted, 0);
    // Window 5 s and margin 2 s: answers to queries before 7,000 ms do not count.
    let mut counted = 0;
    while rig.engine.account_page().unknown_now == 1 {
        rig.pass_ms(50);
        if queries(&mut rig) > 0 {
            counted += u32::from(rig.time / super::rig::MS >= placed_ms + 7_000);
            not_found(&mut rig, &exit);
        }
        assert!(rig.time / super::rig::MS < placed_ms + 20_000);
    }
    assert_eq!(counted, 2);
}

#[test]
fn an_order_that_cannot_rest_and_whose_end_nobody_tells_is_asked_for() {
    let mut rig = rig();
    let order = entry(&mut rig);
    rig.confirm(&order);
    // The private stream is silent: half-open, and nobody has noticed.
    rig.pass_ms(999);
    assert_eq!(queries(&mut rig), 0);
    rig.pass_ms(1);
    assert_eq!(queries(&mut rig), 1);
    // No answer, or one that it is still open: it is asked for again, a second apart.
    rig.pass_ms(999);
    assert_eq!(queries(&mut rig), 0);
    rig.pass_ms(1);
    assert_eq!(queries(&mut rig), 1);
    let told = |rig: &mut Rig, state, lots| {
        let outcome = ReplyOutcome::Confirmed;
        rig.reply(&order, RequestKind::Query, outcome, state, lots);
    };
    told(&mut rig, OrderState::Accepted, 0);
    rig.pass_ms(1_000);
    assert_eq!(queries(&mut rig), 1);
    assert_eq!(rig.engine.account_page().unknown_ever, 0);
    // Its end, with a fill of which no trade was told: the account is doubted.
    told(&mut rig, OrderState::Expired, 19);
    rig.pass_ms(1_000);
    let wanted = rig.take();
    assert!(wanted.iter().any(|one| matches!(one, Request::Trades(_))));
    assert!(!wanted.iter().any(|one| matches!(one, Request::Query(_))));
}

#[test]
fn an_order_that_may_rest_is_not_asked_for_and_one_that_ends_in_time_neither() {
    let mut maker = Rig::ready(config(
        Market::UsdM,
        &[imbalance(ImbalanceParameters::default())],
    ));
    let order = entry(&mut maker);
    maker.confirm(&order);
    maker.pass_ms(5_000);
    assert_eq!(queries(&mut maker), 0);
    let mut rig = rig();
    let order = entry(&mut rig);
    rig.confirm(&order);
    rig.pass_ms(900);
    rig.end(&order, OrderState::Expired, 0);
    rig.pass_ms(5_000);
    assert_eq!(queries(&mut rig), 0);
}

#[test]
fn an_order_without_any_answer_becomes_unknown_by_itself() {
    let mut rig = rig();
    entry(&mut rig);
    rig.pass_ms(2_999);
    assert_eq!(rig.engine.account_page().unknown_now, 0);
    rig.pass_ms(1);
    assert_eq!(rig.engine.account_page().unknown_now, 1);
    rig.pass_ms(200);
    assert_eq!(queries(&mut rig), 1);
}

#[test]
fn a_fill_may_come_before_its_acknowledgement_and_twice() {
    let mut rig = rig();
    let order = entry(&mut rig);
    rig.fill_with_id(&order, 19, 500_001, 19, 5);
    rig.place_one();
    rig.confirm(&order);
    rig.fill_with_id(&order, 19, 500_001, 19, 5);
    assert_eq!(rig.position(), 19);
    let counters = rig.engine.order_counters();
    assert_eq!((counters.duplicate_fills, counters.violations), (1, 0));
    assert!(counters.late >= 1, "the acknowledgement came after the end");
}

#[test]
fn an_acknowledged_end_waits_for_its_fills_before_the_next_order() {
    let mut rig = rig();
    let order = entry(&mut rig);
    rig.reply(
        &order,
        RequestKind::Place,
        ReplyOutcome::Confirmed,
        OrderState::Filled,
        19,
    );
    rig.book(500_000, 50, 10);
    assert_eq!(rig.take(), [], "the position is not known yet");
    rig.fill_all(&order, 500_001);
    rig.place_one();
}

#[test]
fn fills_that_never_come_are_booked_by_reconciliation_and_not_twice() {
    let mut rig = rig();
    let order = entry(&mut rig);
    rig.reply(
        &order,
        RequestKind::Place,
        ReplyOutcome::Confirmed,
        OrderState::Filled,
        19,
    );
    rig.pass_ms(1_001);
    rig.reconcile_until_adopted(&[position(19, 50_000)]);
    assert_eq!(rig.position(), 19);
    assert_eq!(rig.engine.order_counters().synthetic_fills, 1);
    rig.place_one();
    rig.fill_all(&order, 500_001);
    assert_eq!(rig.position(), 19);
    assert_eq!(rig.engine.order_counters().late_fills, 1);
}

#[test]
fn a_fill_is_missed_in_its_time_whatever_else_is_told_of_the_order() {
    let mut rig = rig();
    let order = entry(&mut rig);
    let told = |rig: &mut Rig, request, state| {
        rig.reply(&order, request, ReplyOutcome::Confirmed, state, 5);
    };
    // The private stream is dead and nobody knows: only replies tell.
    told(&mut rig, RequestKind::Query, OrderState::PartiallyFilled);
    rig.pass_ms(400);
    told(&mut rig, RequestKind::Cancel, OrderState::Canceled);
    rig.pass_ms(601);
    assert!(rig.take().contains(&Request::Reconcile(ID)));
}

#[test]
fn a_refused_order_is_not_repeated_with_every_tick() {
    let mut rig = rig();
    let order = entry(&mut rig);
    rig.reply(
        &order,
        RequestKind::Place,
        ReplyOutcome::Rejected,
        OrderState::Rejected,
        0,
    );
    assert_eq!(rig.take(), []);
    rig.pass_ms(249);
    assert_eq!(rig.take(), []);
    rig.pass_ms(1);
    let second = rig.place_one();
    assert_ne!(second.client_order_id, order.client_order_id);
    assert_ne!(second.intent, order.intent);
}

#[test]
fn a_refused_cancel_leads_to_a_query_and_not_to_a_guess() {
    let mut rig = rig();
    let order = entry(&mut rig);
    rig.fill_all(&order, 500_001);
    let target = rig.place_one();
    rig.confirm(&target);
    rig.book(499_000, 10, 10);
    let exit = rig.place_one();
    rig.reply(
        &target,
        RequestKind::Cancel,
        ReplyOutcome::Rejected,
        OrderState::Submitted,
        0,
    );
    rig.fill_all(&exit, 499_000);
    rig.pass_ms(500);
    assert_eq!(queries(&mut rig), 1);
    rig.reply(
        &target,
        RequestKind::Query,
        ReplyOutcome::Confirmed,
        OrderState::Expired,
        0,
    );
    assert_eq!(rig.engine.account_page().orders_open, 0);
}

#[test]
fn a_refused_cancel_does_not_bring_the_next_query_forward() {
    let mut rig = rig();
    let order = entry(&mut rig);
    rig.fill_all(&order, 500_001);
    let target = rig.place_one();
    let unresolved = ReplyOutcome::Unresolved;
    let submitted = OrderState::Submitted;
    rig.reply(&target, RequestKind::Place, unresolved, submitted, 0);
    rig.pass_ms(200);
    assert_eq!(queries(&mut rig), 1);
    rig.command(Command::CancelAll);
    assert_eq!(rig.cancelled(), [target.client_order_id]);
    let refused = ReplyOutcome::Rejected;
    rig.reply(&target, RequestKind::Cancel, refused, submitted, 0);
    // Two answers "not found" count when a second lies between their queries (I4).
    rig.pass_ms(900);
    assert_eq!(queries(&mut rig), 0);
    rig.pass_ms(100);
    assert_eq!(queries(&mut rig), 1);
}

#[test]
fn an_order_that_reconciliation_does_not_list_is_queried() {
    let mut rig = rig();
    let order = entry(&mut rig);
    rig.fill_all(&order, 500_001);
    let target = rig.place_one();
    rig.confirm(&target);
    rig.pass_ms(10);
    rig.stream(StreamKind::User, Market::UsdM, false);
    rig.stream(StreamKind::User, Market::UsdM, true);
    rig.take();
    // The target filled while nobody listened.
    rig.reconcile(&[], &[]);
    let slot = rig.engine.orders().find(&target.client_order_id).unwrap();
    assert_eq!(rig.engine.orders().get(slot).certainty, Certainty::Unknown);
    rig.pass_ms(200);
    assert_eq!(queries(&mut rig), 1);
    rig.reply(
        &target,
        RequestKind::Query,
        ReplyOutcome::Confirmed,
        OrderState::Filled,
        19,
    );
    for _ in 0..10 {
        rig.pass_ms(500);
        if rig.take().contains(&Request::Reconcile(ID)) {
            rig.reconcile(&[], &[]);
        }
    }
    assert_eq!(rig.position(), 0);
    assert!(rig.engine.account_page().reconciled);
}

#[test]
fn a_foreign_fill_moves_the_account_and_no_strategy() {
    let mut rig = rig();
    let mut order = entry(&mut rig);
    order.client_order_id = market::ClientOrderId::new(b"web_1").unwrap();
    rig.fill(&order, 4, 500_001, 4);
    assert_eq!(rig.position(), 4);
    assert_eq!(rig.placed(), [], "no target for what is not ours");
}

#[test]
fn more_filled_than_ordered_is_a_violation_and_not_booked() {
    let mut rig = rig();
    let order = entry(&mut rig);
    let mut told = update(&order, Execution::Trade, OrderState::PartiallyFilled, 19);
    told.last_quantity = Quantity(20);
    told.last_price = order.price;
    told.trade_id = market::TradeId(1);
    rig.send(crate::Input::OrderUpdate(told));
    assert_eq!(rig.position(), 0);
    assert!(rig.engine.order_counters().violations > 0);
}

#[test]
fn an_order_that_somebody_else_amends_is_what_the_exchange_says_it_is() {
    // (quantity after the amendment, of 19; what it fills in one trade)
    for amended in [25, 12] {
        let mut rig = rig();
        let order = entry(&mut rig);
        rig.confirm(&order);
        let changed = NewOrder {
            quantity: Quantity(amended),
            ..order
        };
        rig.end(&changed, OrderState::Accepted, 0);
        let mut old = update(&order, Execution::New, OrderState::Accepted, 0);
        old.transaction_time = market::UtcMs(0);
        rig.send(crate::Input::OrderUpdate(old));
        rig.fill_all(&changed, 500_001);
        assert_eq!(rig.position(), amended);
        let counters = rig.engine.order_counters();
        assert_eq!(counters.violations, 0, "{amended}");
        let mut live = rig.engine.orders().live_orders();
        let is_it = |one: &crate::orders::Order| one.new.client_order_id == order.client_order_id;
        assert!(!live.any(is_it), "{amended}: it has ended");
    }
}

/// A long position whose stop is reached: the exit.
fn stopped(rig: &mut Rig) -> NewOrder {
    let order = entry(rig);
    rig.fill_all(&order, 500_001);
    let target = rig.place_one();
    rig.confirm(&target);
    rig.book(499_000, 10, 10);
    let exit = rig.place_one();
    rig.end(&target, OrderState::Canceled, 0);
    exit
}

fn refuse(rig: &mut Rig, order: &NewOrder) {
    let outcome = ReplyOutcome::Rejected;
    rig.reply(order, RequestKind::Place, outcome, OrderState::Rejected, 0);
}

#[test]
fn refused_exits_never_wait_longer_than_200_ms() {
    let mut rig = rig();
    let mut exit = stopped(&mut rig);
    for _ in 0..8 {
        refuse(&mut rig, &exit);
        rig.book(499_000, 10, 11);
        rig.pass_ms(200);
        let next = rig.place_one();
        assert_eq!(next.price, exit.price, "a refusal widens nothing");
        exit = next;
    }
}

#[test]
fn a_refused_rest_of_an_entry_does_not_hold_back_the_stop() {
    let mut rig = rig();
    let first = entry(&mut rig);
    rig.fill(&first, 5, 500_001, 5);
    rig.end(&first, OrderState::Expired, 5);
    rig.forget();
    rig.pass_ms(250);
    rig.book(500_000, 41, 10);
    let rest = rig.place_one();
    refuse(&mut rig, &rest);
    rig.book(499_000, 10, 10);
    let exit = rig.place_one();
    assert!(exit.reduce_only && exit.quantity == Quantity(5));
}

#[test]
fn an_unsent_exit_goes_again_as_soon_as_the_link_is_up() {
    let mut rig = rig();
    let exit = stopped(&mut rig);
    rig.stream(StreamKind::Orders, Market::UsdM, false);
    rig.not_sent(&exit);
    rig.book(499_000, 10, 11);
    assert_eq!(rig.placed(), [], "not with every tick");
    rig.stream(StreamKind::Orders, Market::UsdM, true);
    let next = rig.place_one();
    assert_ne!(next.client_order_id, exit.client_order_id);
    assert_eq!((next.price, next.quantity), (exit.price, exit.quantity));
}

#[test]
fn a_position_closed_by_hand_leaves_its_strategy() {
    let mut rig = rig();
    let order = entry(&mut rig);
    rig.fill_all(&order, 500_001);
    let target = rig.place_one();
    rig.confirm(&target);
    let by_hand = NewOrder {
        side: market::Side::Sell,
        quantity: Quantity(19),
        ..rig.some_order()
    };
    rig.fill(&by_hand, 19, 500_000, 19);
    assert_eq!((rig.position(), rig.engine.claimed(0)), (0, Quantity(0)));
    assert_eq!(rig.cancelled(), [target.client_order_id]);
    let closed = rig
        .outbox
        .observer
        .records
        .iter()
        .find_map(|one| match one {
            market::record::Record::TradeClosed(closed) => Some(closed.reason),
            _ => None,
        });
    assert_eq!(closed, Some(market::ExitReason::Operator));
    rig.end(&target, OrderState::Canceled, 0);
    rig.pass_ms(1_000);
    rig.book(500_000, 42, 10);
    assert!(!rig.place_one().reduce_only, "it goes on");
}

#[test]
fn a_stop_of_ours_that_triggers_closes_the_trade_for_its_own_reason_and_ends_its_target() {
    let mut rig = rig();
    let order = entry(&mut rig);
    rig.fill_all(&order, 500_001);
    let target = rig.place_one();
    rig.confirm(&target);
    let step = market::record::ProtectionStep {
        act: market::record::ProtectionAct::Placed,
        instrument: Some(ID),
        symbol: market::Symbol::new(b"BTCUSDT").unwrap(),
        client_algo_id: market::ClientOrderId::new(b"fulcrum-stop-1").unwrap(),
        side: market::Side::Sell,
        trigger_price: market::Price(495_001),
        exchange_order_id: market::ExchangeOrderId(0),
        stands: market::Price(495_001),
        error_code: 0,
    };
    rig.forget_requests();
    rig.send(crate::Input::Protection(step));
    assert_eq!(rig.take(), [], "nothing is decided for it");
    assert_eq!(rig.engine.take_dirty() & 1, 1);
    let shown = |rig: &Rig| rig.engine.instrument_page(ID).protective_stop;
    assert_eq!(shown(&rig), market::Price(495_001));
    let record = market::record::Record::Protection(step);
    assert!(rig.outbox.observer.records.contains(&record));
    // The order that it becomes has its id and is in no table of ours.
    let triggered = NewOrder {
        client_order_id: step.client_algo_id,
        side: market::Side::Sell,
        quantity: Quantity(19),
        reduce_only: true,
        ..rig.some_order()
    };
    rig.fill(&triggered, 19, 494_990, 19);
    assert_eq!((rig.position(), rig.engine.claimed(0)), (0, Quantity(0)));
    assert_eq!(rig.cancelled(), [target.client_order_id]);
    let closed = rig
        .outbox
        .observer
        .records
        .iter()
        .find_map(|one| match one {
            market::record::Record::TradeClosed(closed) => Some(closed.reason),
            _ => None,
        });
    assert_eq!(closed, Some(market::ExitReason::ProtectiveStop));
    // It is a stop: its instrument rests.
    assert!(rig.engine.cooldown(ID) > market::UtcMs(rig.utc_ms()));
    rig.send(crate::Input::Protection(market::record::ProtectionStep {
        act: market::record::ProtectionAct::Triggered,
        stands: market::Price(0),
        ..step
    }));
    assert_eq!(shown(&rig), market::Price(0));
}

#[test]
fn a_position_that_no_strategy_claims_allows_no_entry_until_it_is_flat() {
    let strategies = [imbalance(ImbalanceParameters::default()); 2];
    let mut rig = Rig::fresh(config(Market::UsdM, &strategies));
    rig.streams(Market::UsdM, true);
    rig.sync();
    rig.reconcile(&[], &[position(7, 50_000)]);
    let mismatch = (TradingState::Reducing, StateReason::PositionMismatch);
    assert_eq!(rig.engine.trading_state(), mismatch);
    rig.forget();
    rig.book(500_000, 40, 10);
    assert_eq!(rig.placed(), []);
    let by_hand = NewOrder {
        side: market::Side::Sell,
        ..rig.some_order()
    };
    rig.fill(&by_hand, 7, 500_000, 7);
    assert_eq!(rig.position(), 0);
    assert_eq!(rig.engine.trading_state().0, TradingState::Active);
}

#[test]
fn a_spot_fee_in_the_base_asset_leaves_less_to_sell() {
    let mut config = config(
        Market::Spot,
        &[imbalance(ImbalanceParameters {
            entry: EntryStyle::Taker,
            ..ImbalanceParameters::default()
        })],
    );
    config.instruments[0].filters.notional_min = market::Money(0);
    let mut rig = Rig::ready(config);
    let order = entry(&mut rig);
    for (trade, lots, told) in [(1, 9, 9), (2, 10, 19)] {
        let state = match told {
            19 => OrderState::Filled,
            _ => OrderState::PartiallyFilled,
        };
        let mut fill = update(&order, Execution::Trade, state, told);
        fill.last_quantity = Quantity(lots);
        fill.last_price = order.price;
        fill.trade_id = market::TradeId(trade);
        fill.commission_asset = market::ids::Asset::new(b"BTC").unwrap();
        // 0.1 % of lots of 0.001.
        fill.commission = market::Money(lots * 100);
        rig.send(crate::Input::OrderUpdate(fill));
    }
    assert_eq!(rig.position(), 18, "both fees are a part of one lot");
    assert_eq!(rig.engine.claimed(0), Quantity(18));
    rig.forget();
    rig.book(499_000, 10, 10);
    let live: Vec<_> = rig
        .engine
        .orders()
        .live_orders()
        .map(|one| one.new)
        .collect();
    live.iter()
        .for_each(|one| rig.end(one, OrderState::Canceled, 0));
    assert_eq!(rig.place_one().quantity, Quantity(18));
}

#[test]
fn pairs_of_state_and_evidence_are_counted_where_they_are_met() {
    let mut rig = rig();
    let order = entry(&mut rig);
    let pairs = *rig.engine.orders().pairs();
    assert_eq!(pairs.of(OrderState::Initialized, Evidence::Submit), 1);
    assert_eq!(pairs.of(OrderState::Submitted, Evidence::Reject), 0);
    refuse(&mut rig, &order);
    let pairs = *rig.engine.orders().pairs();
    assert_eq!(pairs.of(OrderState::Submitted, Evidence::Reject), 1);
}
