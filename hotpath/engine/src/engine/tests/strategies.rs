//! What strategies do in the engine.
//!
//! In: books and fills. Out: checks of the orders that follow. Never: a look inside.

use super::rig::{Rig, config, dummy, imbalance, level};
use crate::strategy::imbalance::{EntryStyle, FlipPolicy, ImbalanceParameters, PartialEntry};
use crate::{Request, Stage};
use market::record::Record;
use market::{
    ExitReason, Market, NewOrder, NonAction, OrderState, Price, Quantity, Side, TimeInForce,
};

const UP: (i64, i64, i64) = (500_000, 40, 10);
const DOWN: (i64, i64, i64) = (500_000, 10, 40);
const FLAT: (i64, i64, i64) = (500_000, 10, 10);

fn book(rig: &mut Rig, (bid, bid_lots, ask_lots): (i64, i64, i64)) {
    rig.book(bid, bid_lots, ask_lots);
}

fn taker() -> ImbalanceParameters {
    ImbalanceParameters {
        entry: EntryStyle::Taker,
        ..ImbalanceParameters::default()
    }
}

fn rig(parameters: ImbalanceParameters) -> Rig {
    Rig::ready(config(Market::UsdM, &[imbalance(parameters)]))
}

/// A long position of 20 lots at 500,001 with its profit target confirmed; nothing else live.
fn long(parameters: ImbalanceParameters) -> (Rig, NewOrder) {
    let mut rig = rig(parameters);
    book(&mut rig, UP);
    let entry = rig.place_one();
    rig.fill_all(&entry, 500_001);
    let target = rig.place_one();
    rig.confirm(&target);
    rig.forget();
    (rig, target)
}

fn closed_reason(rig: &Rig) -> Option<ExitReason> {
    rig.outbox
        .observer
        .records
        .iter()
        .find_map(|one| match one {
            Record::TradeClosed(closed) => Some(closed.reason),
            _ => None,
        })
}

#[test]
fn an_observer_sees_the_stations_of_a_step_in_order() {
    use Stage::{Approved, Booked, Decided};
    let mut rig = rig(taker());
    book(&mut rig, FLAT);
    assert_eq!(rig.outbox.observer.stages, [Booked, Decided]);
    rig.forget();
    book(&mut rig, UP);
    let stages = &rig.outbox.observer.stages;
    assert_eq!(*stages, [Booked, Decided, Approved, Decided]);
}

#[test]
fn the_ratio_decides_side_and_silence() {
    for (touch, expected) in [
        (UP, Some(Side::Buy)),
        (DOWN, Some(Side::Sell)),
        (FLAT, None),
    ] {
        let mut rig = rig(taker());
        book(&mut rig, touch);
        let placed = rig.placed();
        assert_eq!(placed.first().map(|one| one.side), expected);
        if expected.is_none() {
            assert_eq!(rig.last_reason(), Some(NonAction::SignalNeutral));
        }
    }
}

#[test]
fn a_taker_entry_reaches_past_the_touch_and_not_further_than_its_collar() {
    let mut rig = rig(taker());
    book(&mut rig, UP);
    let entry = rig.place_one();
    assert_eq!(entry.time_in_force, TimeInForce::ImmediateOrCancel);
    // 0.05 % over 500,001 ticks.
    assert_eq!(entry.price, Price(500_251));
    assert_eq!(entry.quantity, Quantity(19)); // 1,000 USDT at 50,025.10
    assert!(!entry.reduce_only);
}

#[test]
fn a_taker_entry_that_came_back_empty_waits_before_the_next() {
    let mut rig = rig(taker());
    book(&mut rig, UP);
    let entry = rig.place_one();
    book(&mut rig, UP);
    assert_eq!(rig.last_reason(), Some(NonAction::OrderWorking));
    rig.end(&entry, OrderState::Expired, 0);
    assert_eq!(rig.placed(), []);
    assert_eq!(rig.last_reason(), Some(NonAction::Cooldown));
    rig.pass_ms(260);
    rig.place_one();
}

#[test]
fn a_maker_entry_rests_at_the_touch_follows_it_and_goes_with_the_signal() {
    let strategies = [imbalance(ImbalanceParameters::default())];
    let mut config = config(Market::UsdM, &strategies);
    config.orders.amend = false;
    let mut rig = Rig::ready(config);
    book(&mut rig, UP);
    let first = rig.place_one();
    assert_eq!(
        (first.price, first.time_in_force),
        (Price(500_000), TimeInForce::PostOnly)
    );
    rig.confirm(&first);
    rig.book(500_003, 40, 10);
    assert_eq!(rig.cancelled(), [first.client_order_id]);
    rig.end(&first, OrderState::Canceled, 0);
    let second = rig.place_one();
    assert_eq!(second.price, Price(500_003));
    assert_eq!(second.quantity, first.quantity);
    rig.confirm(&second);
    rig.book(500_003, 10, 10);
    assert_eq!(rig.cancelled(), [second.client_order_id]);
    rig.end(&second, OrderState::Canceled, 0);
    assert_eq!(rig.placed(), []);
}

#[test]
fn an_entry_that_fills_gets_its_profit_target() {
    let mut rig = rig(taker());
    book(&mut rig, UP);
    let entry = rig.place_one();
    rig.fill_all(&entry, 500_001);
    let target = rig.place_one();
    // 0.2 % over 500,001 ticks, rounded to the better.
    assert_eq!(target.price, Price(501_002));
    assert_eq!((target.side, target.quantity), (Side::Sell, entry.quantity));
    assert!(target.reduce_only);
    rig.confirm(&target);
    rig.fill_all(&target, 501_002);
    assert_eq!(closed_reason(&rig), Some(ExitReason::TakeProfit));
    assert_eq!(rig.position(), 0);
    let page = rig.engine.instrument_page(super::rig::ID);
    assert_eq!((page.trades_won, page.trades_closed), (1, 1));
}

#[test]
fn the_stop_acts_at_once_at_any_age() {
    let (mut rig, target) = long(taker());
    // 0.15 % of 500,001 is 750.0015: a bid of 499,251 is not enough, one of 499,250 is.
    rig.book(499_251, 10, 10);
    assert_eq!(rig.take(), []);
    rig.book(499_250, 10, 10);
    let requests = rig.take();
    let Request::Cancel(cancel) = requests[0] else {
        panic!("{requests:?}");
    };
    assert_eq!(cancel.client_order_id, target.client_order_id);
    let Request::Place(exit) = requests[1] else {
        panic!("{requests:?}");
    };
    let exit = *exit.get();
    assert_eq!(exit.time_in_force, TimeInForce::ImmediateOrCancel);
    assert!(exit.reduce_only && exit.price < Price(499_250) && exit.side == Side::Sell);
    rig.end(&target, OrderState::Canceled, 0);
    rig.fill_all(&exit, 499_249);
    assert_eq!(closed_reason(&rig), Some(ExitReason::StopLoss));
}

#[test]
fn an_exit_that_comes_back_with_a_rest_is_sent_again_further_out() {
    let (mut rig, target) = long(taker());
    rig.book(499_000, 10, 10);
    let exit = rig.place_one();
    rig.end(&target, OrderState::Canceled, 0);
    rig.fill(&exit, 4, 498_990, 4);
    rig.end(&exit, OrderState::Expired, 4);
    let next = rig.place_one();
    assert_eq!(next.quantity, Quantity(15));
    assert!(next.price < exit.price);
    // The signal does not matter to a stop that has begun.
    rig.book(500_000, 40, 10);
    rig.end(&next, OrderState::Expired, 0);
    assert_eq!(rig.place_one().side, Side::Sell);
}

#[test]
fn the_signal_closes_only_after_five_seconds() {
    let (mut rig, target) = long(taker());
    book(&mut rig, DOWN);
    assert_eq!(rig.take(), []);
    assert_eq!(rig.last_reason(), Some(NonAction::HoldingPosition));
    rig.pass_ms(2_500);
    book(&mut rig, DOWN);
    rig.pass_ms(2_499);
    assert_eq!(rig.take(), []);
    rig.pass_ms(1);
    let exit = rig.place_one();
    rig.end(&target, OrderState::Canceled, 0);
    rig.fill_all(&exit, 500_000);
    assert_eq!(closed_reason(&rig), Some(ExitReason::Signal));
    assert_eq!(rig.last_reason(), Some(NonAction::Cooldown));
}

#[test]
fn a_flip_is_held_or_reversed_when_told_so() {
    let parameters = ImbalanceParameters {
        on_flip: FlipPolicy::Hold,
        ..taker()
    };
    let (mut rig, _) = long(parameters);
    rig.pass_ms(6_000);
    book(&mut rig, DOWN);
    assert_eq!(rig.take(), []);

    let parameters = ImbalanceParameters {
        on_flip: FlipPolicy::Reverse,
        ..taker()
    };
    let (mut rig, target) = long(parameters);
    rig.pass_ms(6_000);
    book(&mut rig, DOWN);
    let exit = rig.place_one();
    rig.end(&target, OrderState::Canceled, 0);
    rig.fill_all(&exit, 500_000);
    let entry = rig.place_one();
    assert!(entry.side == Side::Sell && !entry.reduce_only);
}

#[test]
fn a_trade_ends_after_a_minute_even_without_market_data() {
    let (mut rig, target) = long(taker());
    rig.pass_ms(59_999);
    assert_eq!(rig.placed(), []);
    rig.pass_ms(1);
    let exit = rig.place_one();
    rig.end(&target, OrderState::Canceled, 0);
    rig.fill_all(&exit, 500_000);
    assert_eq!(closed_reason(&rig), Some(ExitReason::Time));
}

#[test]
fn the_rest_of_a_partly_filled_entry_works_on_or_is_given_up_by_policy() {
    for policy in [PartialEntry::Complete, PartialEntry::Keep] {
        let parameters = ImbalanceParameters {
            on_partial_entry: policy,
            ..ImbalanceParameters::default()
        };
        let mut rig = rig(parameters);
        book(&mut rig, UP);
        let entry = rig.place_one();
        rig.confirm(&entry);
        rig.fill(&entry, 5, 500_000, 5);
        let requests = rig.take();
        let cancels = requests
            .iter()
            .filter(|one| matches!(one, Request::Cancel(_)))
            .count();
        assert_eq!(
            cancels,
            usize::from(policy == PartialEntry::Keep),
            "{policy:?}"
        );
        let target = requests.iter().find_map(|one| match one {
            Request::Place(order) => Some(*order.get()),
            _ => None,
        });
        assert_eq!(target.expect("a target").quantity, Quantity(5));
        if policy == PartialEntry::Complete {
            book(&mut rig, FLAT);
            assert_eq!(
                rig.cancelled(),
                [entry.client_order_id],
                "the signal has gone"
            );
        }
    }
}

#[test]
fn spot_does_not_sell_what_it_does_not_have_and_exits_one_after_the_other() {
    let mut rig = Rig::ready(config(Market::Spot, &[imbalance(taker())]));
    book(&mut rig, DOWN);
    assert_eq!(rig.last_reason(), Some(NonAction::ShortNotAllowed));
    book(&mut rig, UP);
    let entry = rig.place_one();
    rig.fill_all(&entry, 500_001);
    let target = rig.place_one();
    assert!(!target.reduce_only, "spot knows no reduce-only");
    rig.confirm(&target);
    rig.book(499_000, 10, 10);
    assert_eq!(rig.take().len(), 1, "only the cancel of the target");
    rig.end(&target, OrderState::Canceled, 0);
    assert_eq!(rig.place_one().side, Side::Sell);
}

#[test]
fn a_ticker_between_two_differences_can_trigger() {
    let mut rig = rig(taker());
    rig.ticker(level(500_000, 90), level(500_001, 1));
    assert_eq!(rig.place_one().side, Side::Buy);
}

#[test]
fn dummy_places_and_cancels_on_both_sides_in_turn() {
    let mut rig = Rig::reconciled(config(Market::UsdM, &[dummy()]));
    rig.sync();
    let mut sides = Vec::new();
    for _ in 0..4 {
        let order = rig.place_one();
        sides.push(order.side);
        rig.confirm(&order);
        rig.book(500_000, 10, 10);
        rig.pass_ms(500);
        assert_eq!(rig.cancelled(), [order.client_order_id]);
        rig.end(&order, OrderState::Canceled, 0);
        rig.pass_ms(499);
        rig.book(500_000, 10, 10);
        assert_eq!(rig.take(), []);
        rig.pass_ms(1);
        assert_eq!(
            rig.take(),
            [],
            "the next order follows a change of the market"
        );
        rig.book(500_000, 10, 10);
    }
    assert_eq!(rig.placed().len(), 1);
    assert_eq!(sides, [Side::Sell, Side::Buy, Side::Sell, Side::Buy]);
}

#[test]
fn a_dummy_order_that_fills_is_closed() {
    let mut rig = Rig::reconciled(config(Market::UsdM, &[dummy()]));
    rig.sync();
    let order = rig.place_one();
    rig.fill_all(&order, order.price.0);
    let exit = rig.place_one();
    assert!(exit.reduce_only && exit.side == order.side.opposite());
}

#[test]
fn a_stop_follows_the_mark_once_the_touch_is_frozen() {
    let (mut rig, target) = long(taker());
    rig.pass_ms(2_900);
    rig.mark(499_000);
    assert_eq!(rig.take(), [], "the touch is fresh and knows better");
    rig.pass_ms(101);
    rig.mark(499_000);
    let exit = rig.place_one();
    rig.end(&target, OrderState::Canceled, 0);
    assert!(exit.side == Side::Sell && exit.price < Price(499_000));
    assert!(exit.price > Price(498_000), "within the collar");
}

#[test]
fn a_stop_follows_the_touch_while_the_mark_is_frozen_and_so_does_the_valuation() {
    let (mut rig, _) = long(taker());
    rig.mark(500_001);
    rig.pass_ms(2_999);
    rig.book(499_900, 10, 10);
    let page = rig.engine.instrument_page(super::rig::ID);
    assert_eq!(page.unrealized.0, 0, "at the mark");
    rig.pass_ms(1);
    rig.book(499_900, 10, 11);
    let page = rig.engine.instrument_page(super::rig::ID);
    assert!(page.unrealized.0 < 0, "at the touch");
}

#[test]
fn an_exit_without_any_fresh_price_is_a_market_order() {
    let (mut rig, _) = long(taker());
    rig.mark(500_001);
    rig.pass_ms(60_000);
    let exit = rig.place_one();
    assert_eq!(exit.order_type, market::OrderType::Market);
    assert!(exit.reduce_only && exit.side == Side::Sell);
}
