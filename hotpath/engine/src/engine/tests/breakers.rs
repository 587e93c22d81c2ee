//! Every breaker in the engine: what trips it, that exits go on, what clears it, what outlives it.
//!
//! In: losses, refusals, silence, gaps, steps. Out: states, records, orders. Never: a breaker
//! without its case.

use super::looks::patient;
use super::rig::{ID, MS, Rig, config, imbalance, position};
use crate::config::Frequency;
use crate::event::Command;
use crate::risk::BreakerMemory;
use crate::strategy::imbalance::{EntryStyle, ImbalanceParameters};
use crate::{Engine, EngineConfig, Input};
use market::account::{MarginReport, NOT_SENT, OrderReply, ReplyOutcome, RequestKind};
use market::ids::Asset;
use market::record::{BreakerRecord, Record};
use market::units::ONE;
use market::{
    Breaker, ExchangeOrderId, ExitReason, Instrument, InstrumentId, Market, Money, NewOrder,
    NonAction, OrderState, PositionReport, Quantity, Rate, Side, Symbol, TradingState, UtcNs,
};

fn taker() -> EngineConfig {
    config(
        Market::UsdM,
        &[imbalance(ImbalanceParameters {
            entry: EntryStyle::Taker,
            // Only the engine's own limits close a trade here.
            stop_loss: Rate(ONE / 2),
            cooldown_ns: 100 * MS,
            retry_after_ns: 100 * MS,
            ..ImbalanceParameters::default()
        })],
    )
}

fn breakers(rig: &Rig) -> Vec<BreakerRecord> {
    let records = rig.outbox.observer.records.iter();
    let told = records.filter_map(|one| match one {
        Record::Breaker(record) => Some(*record),
        _ => None,
    });
    told.collect()
}

fn enter(rig: &mut Rig) -> NewOrder {
    for lots in 0..40 {
        rig.pass_ms(500);
        rig.book(500_000, 40 + lots % 2, 10);
        if let Some(order) = rig.placed().first() {
            return *order;
        }
    }
    panic!("no entry: {:?}", rig.outbox.observer.non_actions);
}

/// 19 lots at 50,000.1, and the target at the exchange.
fn long(rig: &mut Rig) -> NewOrder {
    let entry = enter(rig);
    rig.fill_all(&entry, 500_001);
    let target = rig.place_one();
    rig.confirm(&target);
    rig.forget_requests();
    target
}

/// A trade that loses.
fn lose(rig: &mut Rig) {
    let target = long(rig);
    rig.fill_all(&target, 500_000);
    rig.forget_requests();
}

fn refuse(rig: &mut Rig, outcome: ReplyOutcome) {
    let entry = enter(rig);
    // No signal while the pause passes.
    rig.book(500_000, 10, 10);
    let place = RequestKind::Place;
    rig.reply(&entry, place, outcome, OrderState::Submitted, 0);
    if outcome == ReplyOutcome::Unresolved {
        rig.end(&entry, OrderState::Expired, 0);
    }
    rig.pass_ms(7_000);
    rig.forget_requests();
}

fn slow(rig: &mut Rig) {
    let entry = enter(rig);
    rig.time += 1_000 * MS;
    rig.clock();
    rig.confirm(&entry);
    rig.end(&entry, OrderState::Expired, 0);
    rig.forget_requests();
}

fn gap(rig: &mut Rig) {
    rig.depth(10_000_000, 10_000_000, &[], &[]);
    rig.sync();
    rig.forget_requests();
}

fn step(rig: &mut Rig) {
    let ahead = UtcNs(rig.engine.utc_now().0 + 501 * MS as i64);
    rig.send(Input::Clock(ahead));
}

fn mismatch(rig: &mut Rig) {
    let held = rig.position();
    rig.send(Input::Position(position(held + 5, 50_000)));
    rig.pass_ms(2_001);
    rig.forget_requests();
    rig.reconcile(&[], &[position(held, 50_000)]);
}

fn margin(maintenance: i64) -> Input<'static> {
    Input::Margin(MarginReport {
        market: Market::UsdM,
        asset: Asset::new(b"USDT").unwrap(),
        available: Money::from_whole(90_000),
        balance: Money::from_whole(100_000),
        maintenance: Money::from_whole(maintenance),
    })
}

/// How a breaker is tripped, and how often its cause must come.
type Cause = (Breaker, usize, fn(&mut Rig));

const CAUSES: &[Cause] = &[
    (Breaker::LossStreak, 3, lose),
    (Breaker::RejectRate, 3, |rig| {
        refuse(rig, ReplyOutcome::Rejected)
    }),
    (Breaker::ErrorRate, 3, |rig| {
        refuse(rig, ReplyOutcome::Unresolved)
    }),
    (Breaker::Latency, 3, slow),
    (Breaker::ClockSkew, 3, step),
    // Each is one, and the chain that begins anew behind it another.
    (Breaker::FeedGaps, 2, gap),
    (Breaker::MismatchRate, 3, mismatch),
    (Breaker::MarginRatio, 1, |rig| rig.send(margin(50_000))),
    (Breaker::DailyLoss, 1, |rig| fall(rig, 6)),
    (Breaker::Drawdown, 1, |rig| fall(rig, 12)),
    (Breaker::DrawdownLevel, 1, |rig| fall(rig, 16)),
];

/// A position that is worth `whole` USDT less than it was.
fn fall(rig: &mut Rig, whole: i64) {
    long(rig);
    // 19 lots: a tick is 0.0019 USDT.
    let ticks = whole * 10_000 / 19;
    rig.mark(500_001 - ticks);
}

#[test]
fn a_cancel_that_never_left_says_nothing_of_the_exchange() {
    let cause = |error_code| {
        let mut config = patient();
        config.risk.errors = tight(Breaker::ErrorRate).risk.errors;
        let mut rig = Rig::ready(config);
        for _ in 0..6 {
            let order = enter(&mut rig);
            rig.confirm(&order);
            // No signal while the pause passes.
            rig.book(500_000, 10, 10);
            rig.command(Command::CancelAll);
            rig.send(Input::OrderReply(OrderReply {
                request: RequestKind::Cancel,
                outcome: ReplyOutcome::Unresolved,
                client_order_id: order.client_order_id,
                instrument: ID,
                exchange_order_id: ExchangeOrderId(7),
                state: OrderState::Submitted,
                cumulative_quantity: Quantity(0),
                error_code,
                terms: None,
            }));
            rig.end(&order, OrderState::Canceled, 0);
            if rig.engine.tripped() != 0 {
                break;
            }
            rig.pass_ms(1_500);
            rig.forget();
        }
        rig.engine.tripped()
    };
    assert_eq!(cause(0), Breaker::ErrorRate.bit());
    assert_eq!(cause(NOT_SENT), 0);
}

/// A position on an instrument without any price holds the account's breakers back for a time only.
#[test]
fn a_position_that_gets_no_price_does_not_keep_losses_elsewhere_from_being_judged() {
    let mut config = tight(Breaker::DailyLoss);
    let silent = InstrumentId(1);
    config.instruments.push(Instrument {
        id: silent,
        symbol: Symbol::new(b"ETHUSDT").unwrap(),
        ..config.instruments[0]
    });
    config.strategies[0].instruments.push(silent);
    let mut rig = Rig::fresh(config);
    rig.streams(Market::UsdM, true);
    rig.take();
    let held = PositionReport {
        instrument: silent,
        ..position(10, 3_000)
    };
    rig.reconcile(&[], &[held]);
    let begun = rig.time;
    rig.sync();
    rig.forget();
    fall(&mut rig, 6);
    assert_eq!(breakers(&rig), [], "a price may be on its way");
    rig.pass_ms(30_000 - (rig.time - begun) / MS - 1);
    assert_eq!(breakers(&rig), []);
    rig.pass_ms(1);
    rig.mark(400_000);
    let told: Vec<Breaker> = breakers(&rig).iter().map(|one| one.breaker).collect();
    assert!(told.contains(&Breaker::DailyLoss), "{told:?}");
}

/// Limits that three causes, or one, reach.
fn tight(breaker: Breaker) -> EngineConfig {
    let mut config = taker();
    let often = Frequency {
        count: 3,
        window_ns: 600_000 * MS,
    };
    let risk = &mut config.risk;
    risk.rejects = often;
    risk.errors = often;
    risk.slow_replies = often;
    risk.feed_gaps = often;
    risk.clock_steps = often;
    risk.mismatches = often;
    risk.loss_streak_max = 3;
    risk.trade_loss_max = Money::from_whole(1_000_000);
    risk.collar = Rate(ONE);
    let far = Money::from_whole(1_000_000);
    let of = |own: Breaker, whole| match breaker == own {
        true => Money::from_whole(whole),
        false => far,
    };
    risk.daily_loss_max = of(Breaker::DailyLoss, 6);
    risk.drawdown_max = of(Breaker::Drawdown, 12);
    // Of 100,000 USDT: 5, 10 and 15.
    risk.drawdown_levels = [Rate(5_000), Rate(10_000), Rate(15_000)];
    config
}

#[test]
fn each_breaker_trips_at_its_limit_and_only_rearm_clears_it() {
    for (breaker, times, cause) in CAUSES {
        let mut rig = Rig::ready(tight(*breaker));
        for time in 0..*times {
            assert_eq!(rig.engine.tripped(), 0, "{breaker} before {time}");
            cause(&mut rig);
        }
        let (state, reason) = rig.engine.trading_state();
        assert_eq!(state, TradingState::Reducing, "{breaker}");
        assert_eq!(Some(reason), breaker.state_reason());
        assert_eq!(rig.engine.tripped(), breaker.bit());
        for verb in [Command::Pause, Command::Resume, Command::Start] {
            rig.command(verb);
        }
        assert_eq!(rig.engine.trading_state().0, TradingState::Reducing);
        rig.command(Command::Rearm);
        assert_eq!(
            rig.engine.trading_state().0,
            TradingState::Active,
            "{breaker}"
        );
    }
}

#[test]
fn a_breaker_that_is_dry_tells_once_and_changes_nothing() {
    for (breaker, times, cause) in CAUSES {
        let mut config = tight(*breaker);
        config.risk.dry_breakers = u32::MAX;
        let mut rig = Rig::ready(config);
        let mut told = Vec::new();
        for _ in 0..*times {
            cause(&mut rig);
            told.extend(breakers(&rig));
            rig.outbox.observer.records.clear();
        }
        let own: Vec<&BreakerRecord> = told.iter().filter(|one| one.breaker == *breaker).collect();
        assert_eq!(own.len(), 1, "{breaker}: {told:?}");
        assert!(own[0].dry && own[0].value >= own[0].limit);
        assert_eq!(rig.engine.trading_state().0, TradingState::Active);
        assert_eq!(rig.engine.tripped(), 0);
    }
}

#[test]
fn exits_and_cancels_go_on_while_any_breaker_holds() {
    for breaker in Breaker::ALL
        .iter()
        .filter(|one| one.state_reason().is_some())
    {
        let mut rig = Rig::ready(taker());
        let target = long(&mut rig);
        rig.send(Input::Breakers(BreakerMemory {
            tripped: breaker.bit(),
            latched_strategies: u32::MAX,
            level: 3,
            ..BreakerMemory::default()
        }));
        assert_eq!(
            rig.engine.trading_state().0,
            TradingState::Reducing,
            "{breaker}"
        );
        rig.pass_ms(60_000);
        let mut requests = rig.take();
        requests.retain(|one| !matches!(one, crate::Request::Reconcile(_)));
        let cancelled = requests.iter().any(|one| {
            matches!(one, crate::Request::Cancel(one)
                if one.client_order_id == target.client_order_id)
        });
        let exits = requests
            .iter()
            .any(|one| matches!(one, crate::Request::Place(order) if order.get().reduce_only));
        assert!(cancelled && exits, "{breaker}: {requests:?}");
    }
}

#[test]
fn a_trade_that_loses_too_much_is_closed_and_its_instrument_rests() {
    let mut config = taker();
    config.risk.trade_loss_max = Money::from_whole(2);
    config.risk.stop_cooldown_ns = 30_000 * MS;
    let mut rig = Rig::ready(config);
    long(&mut rig);
    // 19 lots and half of a basis point of fee: 1.9 USDT are 500 ticks of it.
    rig.mark(499_300);
    assert_eq!(breakers(&rig), []);
    rig.mark(499_100);
    let told = breakers(&rig);
    assert_eq!(told.len(), 1);
    assert_eq!(
        (told[0].breaker, told[0].instrument),
        (Breaker::TradeLoss, Some(ID))
    );
    assert!(told[0].value >= told[0].limit);
    let exit = rig.placed().pop().expect("an exit in the same step");
    assert_eq!((exit.side, exit.quantity), (Side::Sell, Quantity(19)));
    assert!(exit.reduce_only);
    rig.fill_all(&exit, 499_000);
    let records = rig.outbox.observer.records.iter();
    let closed = records.filter_map(|one| match one {
        Record::TradeClosed(trade) => Some(trade.reason),
        _ => None,
    });
    assert_eq!(closed.collect::<Vec<_>>(), [ExitReason::TradeLoss]);
    assert_eq!(rig.engine.trading_state().0, TradingState::Active);
    rig.forget();
    for _ in 0..29 {
        rig.pass_ms(1_000);
        rig.book(500_000, 41, 10);
        rig.book(500_000, 40, 10);
    }
    assert_eq!(rig.placed(), [], "the instrument rests");
    enter(&mut rig);
}

#[test]
fn a_dry_limit_of_a_trade_closes_nothing() {
    let mut config = taker();
    config.risk.trade_loss_max = Money::from_whole(2);
    config.risk.dry_breakers = Breaker::TradeLoss.bit();
    let mut rig = Rig::ready(config);
    long(&mut rig);
    rig.mark(499_100);
    rig.mark(499_000);
    assert_eq!(breakers(&rig).len(), 1, "told once a trade");
    assert_eq!(rig.placed(), []);
}

#[test]
fn executions_of_one_signal_latch_the_strategy_off_until_rearm() {
    let mut config = taker();
    config.risk.repeated_executions = Frequency {
        count: 3,
        window_ns: 60_000 * MS,
    };
    let mut rig = Rig::ready(config);
    lose(&mut rig);
    lose(&mut rig);
    assert_eq!(rig.engine.tripped(), 0);
    let target = long(&mut rig);
    assert_eq!(rig.engine.tripped(), Breaker::RepeatedExecution.bit());
    // Its exits go on; the account trades on.
    rig.fill_all(&target, 500_100);
    assert_eq!(rig.position(), 0);
    assert_eq!(rig.engine.trading_state().0, TradingState::Active);
    rig.command(Command::Resume);
    rig.command(Command::Start);
    rig.forget();
    rig.pass_ms(90_000);
    rig.book(500_000, 40, 10);
    assert_eq!(rig.placed(), []);
    assert_eq!(rig.last_reason(), Some(NonAction::StrategyLatched));
    rig.command(Command::Rearm);
    enter(&mut rig);
}

#[test]
fn a_drawdown_makes_orders_smaller_and_leverage_less() {
    let mut config = tight(Breaker::DrawdownLevel);
    config.risk.collar = Rate(ONE);
    let mut rig = Rig::ready(config);
    let first = enter(&mut rig);
    assert_eq!(first.quantity, Quantity(19), "1,000 USDT");
    rig.fill_all(&first, 500_001);
    // 5 of 100,000 USDT are the first level.
    rig.mark(500_001 - 51 * 1_000 / 19);
    let target = rig.placed();
    rig.mark(500_001);
    for order in target {
        rig.end(&order, OrderState::Canceled, 0);
    }
    let exit = rig.engine.orders().live_orders().map(|one| one.new).next();
    let exit = exit.unwrap_or_else(|| rig.place_one());
    rig.fill_all(&exit, 499_000);
    rig.forget();
    rig.pass_ms(10_000);
    let second = enter(&mut rig);
    assert_eq!(second.quantity, Quantity(9), "half of it");
}

#[test]
fn what_the_breakers_remember_outlives_a_restart() {
    let mut config = tight(Breaker::DailyLoss);
    config.risk.daily_loss_max = Money::from_whole(5);
    let mut rig = Rig::ready(config.clone());
    // Realised: a loss of 1.9 USDT, and 1.4 of fees with those of the second entry.
    let target = long(&mut rig);
    rig.fill_all(&target, 499_001);
    rig.forget();
    // And a position that is carried over the restart with its loss.
    long(&mut rig);
    let memory = rig.engine.breaker_memory();
    assert_eq!((memory.tripped, memory.loss_streak), (0, 1));
    let mut next = Rig::fresh(config);
    next.time = rig.time + 5_000 * MS;
    next.send(Input::Breakers(memory));
    next.streams(Market::UsdM, true);
    next.take();
    next.reconcile(&[], &[position(19, 50_000)]);
    next.sync();
    assert_eq!(next.engine.trading_state().0, TradingState::Active);
    // Without the loss of before this would be 1.9 USDT of 5.
    next.mark(499_000);
    assert_eq!(next.engine.trading_state().0, TradingState::Reducing);
    assert_eq!(next.engine.tripped(), Breaker::DailyLoss.bit());
    let mut third = Rig::fresh(taker());
    third.send(Input::Breakers(next.engine.breaker_memory()));
    third.streams(Market::UsdM, true);
    third.reconcile(&[], &[]);
    third.command(Command::Start);
    assert_eq!(third.engine.trading_state().0, TradingState::Reducing);
    assert_eq!(
        third.engine.breaker_memory().tripped,
        Breaker::DailyLoss.bit()
    );
}

#[test]
fn a_profit_that_is_carried_over_is_no_drawdown_until_it_has_a_price() {
    let mut config = taker();
    config.risk.drawdown_max = Money::from_whole(10);
    let mut rig = Rig::fresh(config);
    rig.send(Input::Breakers(BreakerMemory {
        high_water: Money::from_whole(11),
        ..BreakerMemory::default()
    }));
    rig.streams(Market::UsdM, true);
    rig.take();
    rig.reconcile(&[], &[position(19, 50_000)]);
    assert_eq!(rig.engine.tripped(), 0, "the position has no price yet");
    rig.mark(505_000);
    assert_eq!(rig.engine.tripped(), 0, "9.5 USDT of the 11 are there");
    rig.mark(500_500);
    assert_eq!(rig.engine.tripped(), Breaker::Drawdown.bit());
}

#[test]
fn the_breakers_go_through_a_checkpoint() {
    let mut rig = Rig::ready(tight(Breaker::RejectRate));
    refuse(&mut rig, ReplyOutcome::Rejected);
    refuse(&mut rig, ReplyOutcome::Rejected);
    let mut bytes = Vec::new();
    rig.engine.save(&mut bytes);
    rig.engine = Engine::load(tight(Breaker::RejectRate), &bytes).unwrap();
    refuse(&mut rig, ReplyOutcome::Rejected);
    assert_eq!(rig.engine.tripped(), Breaker::RejectRate.bit());
}
