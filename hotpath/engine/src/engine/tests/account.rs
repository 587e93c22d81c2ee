//! Trading state, reconciliation, limits and breakers in the engine.
//!
//! In: verbs, streams, reports. Out: checks of requests and states. Never: a look inside.

use super::rig::{ID, Rig, WALLET, config, dummy, imbalance, instrument, position};
use crate::event::{Command, StreamKind};
use crate::risk::Cooldown;
use crate::strategy::imbalance::{EntryStyle, ImbalanceParameters};
use crate::{Input, Request};
use market::account::OpenOrderReport;
use market::record::{KillAct, KillStep, Record};
use market::{
    ClientOrderId, DenialCode, ExchangeOrderId, InstrumentId, Market, Money, NewOrder, NonAction,
    OrderState, OrderType, Price, Quantity, Rate, Side, StateReason, Symbol, TimeInForce,
    TradingState, UtcMs,
};

fn taker() -> ImbalanceParameters {
    ImbalanceParameters {
        entry: EntryStyle::Taker,
        ..ImbalanceParameters::default()
    }
}

fn rig() -> Rig {
    Rig::ready(config(Market::UsdM, &[imbalance(taker())]))
}

fn long(rig: &mut Rig) -> NewOrder {
    rig.book(500_000, 40, 10);
    let entry = rig.place_one();
    rig.fill_all(&entry, 500_001);
    let target = rig.place_one();
    rig.confirm(&target);
    rig.forget();
    target
}

fn state(rig: &Rig) -> TradingState {
    rig.engine.trading_state().0
}

fn denials(rig: &Rig) -> Vec<DenialCode> {
    let records = rig.outbox.observer.records.iter();
    let codes = records.filter_map(|one| match one {
        Record::Denial(denial) => Some(denial.code),
        _ => None,
    });
    codes.collect()
}

fn open_order(id: &str, side: Side) -> OpenOrderReport {
    OpenOrderReport {
        instrument: ID,
        client_order_id: ClientOrderId::new(id.as_bytes()).unwrap(),
        exchange_order_id: ExchangeOrderId(99),
        state: OrderState::Accepted,
        side,
        order_type: OrderType::Limit,
        time_in_force: TimeInForce::GoodTillCancel,
        reduce_only: false,
        price: Price(490_000),
        quantity: Quantity(5),
        cumulative_quantity: Quantity(0),
    }
}

#[test]
fn the_exchange_is_asked_every_minute_with_a_position_and_without() {
    let asked = |rig: &mut Rig| {
        let requests = rig.take();
        requests
            .iter()
            .filter(|one| matches!(one, Request::Reconcile(_)))
            .count()
    };
    let mut rig = rig();
    rig.pass_ms(59_000);
    assert_eq!(asked(&mut rig), 0);
    rig.pass_ms(2_000);
    assert_eq!(asked(&mut rig), 1, "somebody else may have traded");
    let mut rig = self::rig();
    let target = long(&mut rig);
    rig.pass_ms(59_000);
    assert_eq!(asked(&mut rig), 0);
    rig.pass_ms(2_000);
    assert_eq!(asked(&mut rig), 1);
    let listed = OpenOrderReport {
        client_order_id: target.client_order_id,
        ..open_order("x", Side::Sell)
    };
    rig.reconcile(&[listed], &[position(19, 500_001)]);
    rig.pass_ms(59_000);
    assert_eq!(asked(&mut rig), 0);
    rig.pass_ms(2_000);
    assert_eq!(asked(&mut rig), 1);
}

#[test]
fn a_start_is_halted_until_both_streams_are_up_and_reconciled() {
    let mut rig = Rig::fresh(config(Market::UsdM, &[imbalance(taker())]));
    rig.stream(StreamKind::Market, Market::UsdM, true);
    rig.sync();
    rig.book(500_000, 40, 10);
    assert_eq!(state(&rig), TradingState::Halted);
    assert_eq!(rig.last_reason(), Some(NonAction::NotActive));
    rig.take();
    rig.stream(StreamKind::User, Market::UsdM, true);
    assert_eq!(rig.take(), []);
    rig.stream(StreamKind::Orders, Market::UsdM, true);
    assert_eq!(rig.take(), [Request::Reconcile(ID)]);
    rig.pass_ms(10_000);
    assert_eq!(rig.take(), [Request::Reconcile(ID)], "asked again");
    rig.reconcile(&[], &[]);
    assert_eq!(state(&rig), TradingState::Active);
}

#[test]
fn own_orders_found_at_start_are_cancelled_and_foreign_ones_left_alone() {
    let mut rig = Rig::fresh(config(Market::UsdM, &[imbalance(taker())]));
    rig.streams(Market::UsdM, true);
    rig.take();
    let ours = ClientOrderId::compose("fu", 9_999, 3);
    let orders = [
        open_order(ours.as_str(), Side::Buy),
        open_order("web_abcdef", Side::Sell),
    ];
    rig.reconcile(&orders, &[]);
    assert_eq!(rig.cancelled(), [ours]);
    let reconciled = rig
        .outbox
        .observer
        .records
        .iter()
        .find_map(|one| match one {
            Record::Reconciled(report) => Some(*report),
            _ => None,
        });
    let report = reconciled.expect("a report");
    assert_eq!(
        (report.cancelled, report.adopted, report.foreign),
        (1, 0, 1)
    );
}

#[test]
fn a_position_found_at_start_gets_its_exits() {
    let mut rig = Rig::fresh(config(Market::UsdM, &[imbalance(taker())]));
    rig.streams(Market::UsdM, true);
    rig.sync();
    rig.take();
    rig.reconcile(&[], &[position(-8, 50_000)]);
    let target = rig.place_one();
    assert_eq!((target.side, target.quantity), (Side::Buy, Quantity(8)));
    assert_eq!(target.price, Price(499_000));
    assert_eq!(rig.position(), -8);
}

#[test]
fn a_user_stream_that_comes_back_is_reconciled_before_the_next_entry() {
    let mut rig = rig();
    rig.stream(StreamKind::User, Market::UsdM, false);
    rig.book(500_000, 40, 10);
    assert_eq!(rig.take(), []);
    assert_eq!(rig.last_reason(), Some(NonAction::StreamsNotReady));
    rig.stream(StreamKind::User, Market::UsdM, true);
    assert_eq!(rig.take(), [Request::Reconcile(ID)]);
    rig.book(500_000, 41, 10);
    assert_eq!(rig.take(), []);
    rig.reconcile(&[], &[]);
    rig.place_one();
}

#[test]
fn a_lost_market_stream_makes_the_book_stale_in_that_event() {
    let mut rig = rig();
    rig.stream(StreamKind::Market, Market::UsdM, false);
    let page = rig.engine.instrument_page(ID);
    assert_eq!(page.book_state, market::BookState::Stale);
    assert!(page.imbalance_ratio.is_nan());
    rig.send(Input::Time);
    assert_eq!(rig.take().len(), 0, "no entry, and no snapshot before data");
}

#[test]
fn a_gap_asks_for_a_snapshot_and_stops_entries() {
    let mut rig = rig();
    rig.depth(500, 501, &[super::rig::level(500_000, 90)], &[]);
    assert_eq!(rig.take(), [Request::Snapshot(ID)]);
    assert_eq!(rig.engine.instrument_page(ID).book_gaps, 1);
    assert!(matches!(
        rig.last_reason(),
        Some(NonAction::SignalStale | NonAction::SignalBookUnsynced)
    ));
}

#[test]
fn a_pause_cancels_entries_and_keeps_exits() {
    let mut rig = Rig::ready(config(
        Market::UsdM,
        &[imbalance(ImbalanceParameters::default())],
    ));
    rig.book(500_000, 40, 10);
    let entry = rig.place_one();
    rig.confirm(&entry);
    rig.fill(&entry, 5, 500_000, 5);
    let target = rig.place_one();
    rig.confirm(&target);
    rig.command(Command::Pause);
    assert_eq!(rig.cancelled(), [entry.client_order_id]);
    rig.end(&entry, OrderState::Canceled, 5);
    assert_eq!(rig.take(), []);
    rig.book(499_000, 40, 10);
    let exit = rig.place_one();
    assert!(
        exit.reduce_only && exit.side == Side::Sell,
        "the stop still works"
    );
}

#[test]
fn flatten_and_kill_close_positions_and_open_nothing() {
    for verb in [Command::Flatten, Command::Kill] {
        let mut rig = rig();
        let target = long(&mut rig);
        rig.command(verb);
        let requests = rig.take();
        assert!(matches!(requests[0], Request::Cancel(one)
            if one.client_order_id == target.client_order_id));
        let Request::Place(exit) = requests[1] else {
            panic!("{requests:?}")
        };
        let exit = *exit.get();
        assert!(exit.reduce_only);
        rig.end(&target, OrderState::Canceled, 0);
        rig.fill_all(&exit, 500_000);
        rig.book(500_000, 90, 10);
        assert_eq!(rig.placed(), []);
        assert_eq!(rig.position(), 0);
        rig.command(Command::Resume);
        let free = if verb == Command::Kill { 0 } else { 1 };
        rig.pass_ms(1_000);
        rig.book(500_000, 91, 10);
        assert_eq!(rig.placed().len(), free, "{verb:?}");
    }
}

#[test]
fn a_kill_that_keeps_positions_cancels_and_leaves_no_order_behind() {
    let mut rig = rig();
    let target = long(&mut rig);
    rig.command(Command::KillKeepPositions);
    assert_eq!(rig.cancelled(), [target.client_order_id]);
    rig.end(&target, OrderState::Canceled, 0);
    // Far below the stop.
    rig.book(400_000, 10, 10);
    assert_eq!(rig.placed(), []);
    assert_ne!(rig.position(), 0);
    assert_eq!(state(&rig), TradingState::Killed);
    // A second kill may close them.
    rig.command(Command::Kill);
    assert!(rig.place_one().reduce_only);
}

#[test]
fn a_cancel_of_an_order_or_an_instrument_touches_no_other() {
    let mut rig = rig();
    let target = long(&mut rig);
    let other = ClientOrderId::compose("fu", 1, 999);
    rig.send(Input::CancelOrder(other));
    rig.send(Input::CancelInstrument(InstrumentId(63)));
    assert_eq!(rig.cancelled(), []);
    rig.send(Input::CancelOrder(target.client_order_id));
    assert_eq!(rig.cancelled(), [target.client_order_id]);
    rig.end(&target, OrderState::Canceled, 0);
    let again = rig.place_one();
    rig.confirm(&again);
    rig.send(Input::CancelInstrument(again.instrument));
    assert_eq!(rig.cancelled(), [again.client_order_id]);
    assert_eq!(state(&rig), TradingState::Active);
}

#[test]
fn a_reset_halts_until_a_start_and_a_step_of_a_kill_is_only_journalled() {
    let mut rig = rig();
    rig.command(Command::Kill);
    rig.command(Command::Reset);
    assert_eq!(state(&rig), TradingState::Halted);
    rig.book(500_000, 90, 10);
    rig.forget();
    let step = KillStep {
        act: KillAct::Verified,
        market: Market::UsdM,
        symbol: Symbol::EMPTY,
        count: 3,
        error_code: 0,
    };
    rig.send(Input::KillStep(step));
    assert_eq!(rig.take(), []);
    assert!(
        rig.outbox
            .observer
            .records
            .contains(&Record::KillStep(step))
    );
    rig.command(Command::Start);
    assert_eq!(state(&rig), TradingState::Active);
}

#[test]
fn flatten_and_kill_close_strategies_that_hold_against_each_other() {
    for verb in [Command::Flatten, Command::Kill] {
        // In the same book the one buys and the other sells, a third of it.
        let bear = ImbalanceParameters {
            sell_below: Rate(900_000_000),
            buy_above: Rate(i64::MAX),
            order_notional: Money::from_whole(300),
            ..taker()
        };
        let both = [imbalance(taker()), imbalance(bear)];
        let mut rig = Rig::ready(config(Market::UsdM, &both));
        rig.book(500_000, 40, 10);
        // The bear has sold into the first book already.
        let live = rig.engine.orders().live_orders();
        let mut entries: Vec<NewOrder> = live.map(|order| order.new).collect();
        entries.sort_by_key(|order| order.strategy.0);
        assert_eq!(entries.len(), 2, "{entries:?}");
        for entry in &entries {
            rig.fill_all(entry, 500_001);
        }
        let net = rig.position();
        assert!(net > 0 && net < entries[0].quantity.0);
        rig.forget();
        rig.command(verb);
        let exits = rig.placed();
        let [exit] = exits[..] else {
            panic!("{verb:?}: one order closes the account: {exits:?}")
        };
        assert_eq!((exit.side, exit.reduce_only), (Side::Sell, true));
        rig.fill(&exit, net, 500_000, net);
        rig.end(&exit, OrderState::Expired, net);
        rig.book(500_000, 40, 10);
        assert_eq!(rig.position(), 0);
        assert_eq!(rig.placed(), [], "{verb:?}: it is flat");
    }
}

#[test]
fn flatten_also_closes_what_no_strategy_claims() {
    let two = [imbalance(taker()), dummy()];
    let mut rig = Rig::fresh(config(Market::UsdM, &two));
    rig.streams(Market::UsdM, true);
    rig.sync();
    rig.take();
    rig.reconcile(&[], &[position(7, 50_000)]);
    rig.forget();
    rig.command(Command::Flatten);
    let exits = rig.placed();
    let exit = exits
        .iter()
        .find(|one| one.side == Side::Sell)
        .expect("an exit");
    assert_eq!((exit.quantity, exit.strategy.0), (Quantity(7), 254));
}

#[test]
fn stop_cancels_all_and_keeps_the_position() {
    let mut rig = rig();
    let target = long(&mut rig);
    rig.command(Command::Stop);
    assert_eq!(rig.cancelled(), [target.client_order_id]);
    rig.end(&target, OrderState::Canceled, 0);
    assert_eq!(rig.placed(), []);
    assert_eq!(state(&rig), TradingState::Halted);
    assert_eq!(rig.engine.account_page().orders_open, 0);
    assert_ne!(rig.position(), 0);
}

#[test]
fn the_daily_loss_reduces_and_the_exits_go_on() {
    let mut config = config(Market::UsdM, &[imbalance(taker())]);
    config.risk.daily_loss_max = Money::from_whole(1);
    let mut rig = Rig::ready(config);
    long(&mut rig);
    // 19 lots fall by 750 ticks: 1.425 USDT beside the fee.
    rig.book(499_250, 10, 10);
    assert_eq!(
        rig.engine.trading_state(),
        (TradingState::Reducing, StateReason::DailyLoss)
    );
    assert!(rig.place_one().reduce_only);
}

#[test]
fn a_denied_entry_is_counted_once_and_tried_again_later() {
    let mut config = config(Market::UsdM, &[imbalance(taker())]);
    config.risk.order_notional_max = Money::from_whole(60);
    let mut rig = Rig::ready(config);
    for lots in 40..60 {
        rig.book(500_000, lots, 10);
    }
    assert_eq!(denials(&rig), [DenialCode::NotionalExceedsMaximum]);
    assert_eq!(rig.last_reason(), Some(NonAction::DeniedRecently));
    rig.pass_ms(1_000);
    assert_eq!(denials(&rig).len(), 2);
    assert_eq!(rig.take(), []);
}

#[test]
fn a_position_that_differs_for_long_is_a_mismatch_until_healed() {
    let mut rig = rig();
    rig.send(Input::Position(position(5, 50_000)));
    rig.pass_ms(1_999);
    assert_eq!(state(&rig), TradingState::Active);
    rig.pass_ms(1);
    assert_eq!(
        rig.engine.trading_state(),
        (TradingState::Reducing, StateReason::PositionMismatch)
    );
    rig.reconcile_until_adopted(&[position(5, 50_000)]);
    assert_eq!(state(&rig), TradingState::Active);
    assert_eq!(rig.position(), 5);
}

#[test]
fn a_statement_that_runs_ahead_of_its_fill_is_no_mismatch() {
    let mut rig = rig();
    rig.book(500_000, 40, 10);
    let entry = rig.place_one();
    rig.send(Input::Position(position(entry.quantity.0, 50_000)));
    rig.fill_all(&entry, 500_001);
    rig.pass_ms(3_000);
    assert_eq!(state(&rig), TradingState::Active);
}

#[test]
fn profit_fees_and_wallet_add_up() {
    let mut rig = rig();
    let target = long(&mut rig);
    rig.fill_all(&target, 501_002);
    let page = rig.engine.account_page();
    // 19 lots from 500,001 to 501,002: 19 * 1001 ticks-lots = 1.9019 USDT.
    assert_eq!(page.realized, Money(190_190_000));
    let one = instrument(Market::UsdM);
    let fee = |price| one.notional(Price(price), Quantity(19)).times(Rate(50_000));
    assert_eq!(page.fees, fee(500_001) + fee(501_002));
    assert_eq!(page.wallet, WALLET + page.realized - page.fees);
    assert_eq!(page.equity, page.wallet);
}

#[test]
fn a_journal_that_fills_ends_entries_and_then_everything_until_it_is_drained() {
    let mut rig = rig();
    for (permille, expected) in [
        (740, TradingState::Active),
        (760, TradingState::Reducing),
        (1_000, TradingState::Halted),
        (100, TradingState::Active),
    ] {
        rig.send(Input::JournalLevel(permille));
        assert_eq!(state(&rig), expected, "{permille}");
    }
}

#[test]
fn an_instrument_that_rests_after_a_stop_of_an_earlier_life_opens_nothing_until_then() {
    let mut rig = rig();
    let until = UtcMs(rig.utc_ms() + 5_000);
    for instrument in [InstrumentId(9), ID] {
        rig.send(Input::Cooldown(Cooldown { instrument, until }));
    }
    // One that ends sooner does not shorten it.
    let sooner = UtcMs(rig.utc_ms() + 1_000);
    rig.send(Input::Cooldown(Cooldown {
        instrument: ID,
        until: sooner,
    }));
    rig.pass_ms(4_000);
    rig.book(500_000, 40, 10);
    assert_eq!(rig.placed(), []);
    assert_eq!(denials(&rig), [DenialCode::StopCooldown]);
    rig.pass_ms(2_000);
    rig.book(500_000, 41, 10);
    rig.place_one();
}

#[test]
fn what_a_person_holds_on_spot_is_not_flattened() {
    let parameters = imbalance(taker());
    let mut rig = Rig::ready(config(Market::Spot, &[parameters]));
    rig.command(Command::Flatten);
    rig.pass_ms(2_000);
    assert_eq!(rig.placed(), []);
}

#[test]
fn before_the_first_wallet_a_drawdown_is_nothing() {
    let rig = Rig::fresh(config(Market::UsdM, &[imbalance(taker())]));
    assert_eq!(rig.engine.account_page().drawdown, Rate(0));
}
