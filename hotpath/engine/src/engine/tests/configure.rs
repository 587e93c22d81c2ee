//! Another configuration while the engine runs.
//!
//! In: limits, parameters, switches between books and fills. Out: checks of what follows. Never: a
//! look inside.

use super::properties::{Act, play};
use super::rig::{ID, Rig, config, dummy, imbalance};
use crate::config::{RISK_BYTES_MAX, RiskConfig, StrategyParameters};
use crate::event::{Configure, LIMIT_LEVELS, StrategyChange};
use crate::strategy::imbalance::{EntryStyle, ImbalanceParameters};
use crate::{Engine, Event, Input, Request};
use market::record::{ConfiguredRecord, Record};
use market::{
    Breaker, DenialCode, Level, Market, Money, MonoNs, NonAction, OrderState, Price, Quantity,
    Rate, Side, StrategyId, TradingState, Wire,
};
use proptest::prelude::*;

const UP: (i64, i64, i64) = (500_000, 40, 10);
const FLAT: (i64, i64, i64) = (500_000, 10, 10);

fn book(rig: &mut Rig, (bid, bid_lots, ask_lots): (i64, i64, i64)) {
    rig.book(bid, bid_lots, ask_lots);
}

fn configure(rig: &mut Rig, version: u64, risk: &RiskConfig) {
    let mut room = [Level::default(); LIMIT_LEVELS];
    rig.send(Input::Configure(Configure::new(
        version, 0xabc, risk, &mut room,
    )));
}

fn switch(rig: &mut Rig, off: u64, parameters: StrategyParameters) {
    rig.send(Input::Strategy(StrategyChange {
        strategy: StrategyId(0),
        off,
        parameters,
    }));
    let risk = rig.engine.config().risk;
    configure(rig, 9, &risk);
}

fn taker() -> ImbalanceParameters {
    ImbalanceParameters {
        entry: EntryStyle::Taker,
        ..ImbalanceParameters::default()
    }
}

fn told(rig: &Rig) -> Vec<ConfiguredRecord> {
    let records = rig.outbox.observer.records.iter();
    let told = records.filter_map(|one| match one {
        Record::Configured(one) => Some(*one),
        _ => None,
    });
    told.collect()
}

fn denials(rig: &Rig) -> Vec<DenialCode> {
    let records = rig.outbox.observer.records.iter();
    let denied = records.filter_map(|one| match one {
        Record::Denial(one) => Some(one.code),
        _ => None,
    });
    denied.collect()
}

#[test]
fn a_tightened_limit_takes_back_what_rests_and_denies_the_next_order() {
    let mut rig = Rig::ready(config(
        Market::UsdM,
        &[imbalance(ImbalanceParameters::default())],
    ));
    book(&mut rig, UP);
    let entry = rig.place_one();
    rig.confirm(&entry);
    let loose = rig.engine.config().risk;
    let tight = RiskConfig {
        order_notional_max: Money::from_whole(500),
        ..loose
    };
    rig.forget();
    configure(&mut rig, 2, &tight);
    assert_eq!(rig.cancelled(), [entry.client_order_id]);
    let expected = ConfiguredRecord {
        version: 2,
        config_hash: 0xabc,
        limits_changed: true,
        strategies_changed: 0,
    };
    assert_eq!(told(&rig), [expected]);
    let page = rig.engine.account_page();
    assert_eq!((page.config_version, page.config_hash), (2, 0xabc));
    rig.end(&entry, OrderState::Canceled, 0);
    rig.pass_ms(300);
    book(&mut rig, UP);
    assert_eq!(rig.placed(), []);
    assert_eq!(denials(&rig), [DenialCode::NotionalExceedsMaximum]);
    // Back again: as soon as the pause after a denial is over.
    configure(&mut rig, 3, &loose);
    rig.pass_ms(1_100);
    book(&mut rig, UP);
    rig.place_one();
}

#[test]
fn the_same_limits_once_more_leave_everything_as_it_is() {
    let mut rig = Rig::ready(config(
        Market::UsdM,
        &[imbalance(ImbalanceParameters::default())],
    ));
    book(&mut rig, UP);
    let entry = rig.place_one();
    rig.confirm(&entry);
    rig.forget();
    let risk = rig.engine.config().risk;
    configure(&mut rig, 4, &risk);
    assert_eq!(rig.take(), []);
    assert!(
        rig.outbox.observer.non_actions.is_empty(),
        "nobody was asked"
    );
    assert!(
        told(&rig)
            .iter()
            .all(|one| !one.limits_changed && one.strategies_changed == 0)
    );
}

#[test]
fn a_loss_limit_that_is_passed_already_trips_in_the_same_step() {
    let mut rig = Rig::ready(config(Market::UsdM, &[imbalance(taker())]));
    book(&mut rig, UP);
    let entry = rig.place_one();
    rig.fill_all(&entry, 500_001);
    rig.mark(499_990);
    assert_eq!(rig.engine.trading_state().0, TradingState::Active);
    let risk = RiskConfig {
        daily_loss_max: Money(1),
        ..rig.engine.config().risk
    };
    configure(&mut rig, 2, &risk);
    assert_ne!(rig.engine.tripped() & Breaker::DailyLoss.bit(), 0);
    assert_eq!(rig.engine.trading_state().0, TradingState::Reducing);
}

#[test]
fn a_strategy_that_is_switched_off_gives_its_entry_up_and_opens_nothing() {
    for parameters in [imbalance(ImbalanceParameters::default()), dummy()] {
        let mut rig = Rig::ready(config(Market::UsdM, &[parameters]));
        book(&mut rig, UP);
        // Some had placed it before.
        let live = rig.engine.orders().live_orders().next();
        let entry = live.expect("an entry").new;
        rig.confirm(&entry);
        rig.forget();
        switch(&mut rig, 1, parameters);
        assert_eq!(rig.cancelled(), [entry.client_order_id], "{parameters:?}");
        assert_eq!(told(&rig)[0].strategies_changed, 1);
        rig.end(&entry, OrderState::Canceled, 0);
        for _ in 0..5 {
            rig.pass_ms(2_000);
            book(&mut rig, FLAT);
            book(&mut rig, UP);
        }
        assert_eq!(rig.placed(), [], "{parameters:?}");
        assert_eq!(rig.last_reason(), Some(NonAction::StrategyDisabled));
        assert_eq!(rig.engine.trading_state().0, TradingState::Active);
        rig.forget();
        switch(&mut rig, 0, parameters);
        book(&mut rig, UP);
        assert_eq!(rig.placed().len(), 1, "{parameters:?}");
    }
}

#[test]
fn a_position_of_a_strategy_that_is_switched_off_is_managed_to_its_exit() {
    let mut rig = Rig::ready(config(Market::UsdM, &[imbalance(taker())]));
    book(&mut rig, UP);
    let entry = rig.place_one();
    rig.fill_all(&entry, 500_001);
    let target = rig.place_one();
    rig.confirm(&target);
    switch(&mut rig, 1, imbalance(taker()));
    assert_eq!(rig.cancelled(), [], "its exit stays");
    // Its stop, 0.15 % below.
    book(&mut rig, (499_200, 10, 10));
    let exit = rig.place_one();
    assert_eq!((exit.side, exit.reduce_only), (Side::Sell, true));
    rig.fill_all(&exit, 499_200);
    assert_eq!(rig.position(), 0);
    rig.pass_ms(10_000);
    book(&mut rig, UP);
    assert_eq!(rig.placed(), []);
}

#[test]
fn parameters_hold_from_the_next_decision_on() {
    let mut rig = Rig::ready(config(Market::UsdM, &[imbalance(taker())]));
    let smaller = ImbalanceParameters {
        order_notional: Money::from_whole(500),
        buy_above: Rate(500_000_000),
        ..taker()
    };
    switch(&mut rig, 0, imbalance(smaller));
    book(&mut rig, UP);
    assert_eq!(rig.placed(), [], "a ratio of 4 is too little now");
    book(&mut rig, (500_000, 60, 10));
    assert_eq!(rig.place_one().quantity, Quantity(9));
}

#[test]
fn what_is_no_configuration_is_counted_and_changes_nothing() {
    let mut rig = Rig::ready(config(Market::UsdM, &[imbalance(taker())]));
    let before = rig.engine.config().risk;
    let mut room = [Level::default(); LIMIT_LEVELS];
    let whole = Configure::new(2, 7, &before, &mut room);
    let mut longer = whole.limits.to_vec();
    longer.push(Level::default());
    let mut other = whole.limits.to_vec();
    // The first byte says whether a quantity follows: 0 or 1.
    other[0].price = Price(2);
    let cases: [&[Level]; 5] = [
        &[],
        &whole.limits[1..],
        &whole.limits[..whole.limits.len() - 1],
        &longer,
        &other,
    ];
    for limits in cases {
        rig.send(Input::Configure(Configure { limits, ..whole }));
    }
    for (strategy, parameters) in [
        (StrategyId(1), imbalance(taker())),
        (StrategyId(0), dummy()),
    ] {
        rig.send(Input::Strategy(StrategyChange {
            strategy,
            off: 1,
            parameters,
        }));
    }
    assert_eq!(rig.engine.absurd_inputs(), 7);
    assert_eq!(rig.engine.config().risk, before);
    assert_eq!(rig.engine.account_page().config_version, 0);
    assert_eq!(rig.engine.switched_off(StrategyId(0)).count(), 0);
    book(&mut rig, UP);
    rig.place_one();
}

#[test]
fn a_checkpoint_has_what_was_taken_since_the_start() {
    let start = || config(Market::UsdM, &[imbalance(taker()), dummy()]);
    let mut whole = Rig::ready(start());
    let risk = RiskConfig {
        order_notional_max: Money::from_whole(700),
        orders_per_10s_max: 20,
        ..whole.engine.config().risk
    };
    switch(&mut whole, 1, imbalance(ImbalanceParameters::default()));
    configure(&mut whole, 3, &risk);
    let mut bytes = Vec::new();
    whole.engine.save(&mut bytes);
    let mut cut = Rig::ready(start());
    switch(&mut cut, 1, imbalance(ImbalanceParameters::default()));
    configure(&mut cut, 3, &risk);
    cut.engine = Engine::load(start(), &bytes).expect("the start's configuration");
    assert_eq!(cut.engine.config().risk, risk);
    assert_eq!(
        cut.engine.switched_off(StrategyId(0)).collect::<Vec<_>>(),
        [0]
    );
    for rig in [&mut whole, &mut cut] {
        switch(rig, 0, imbalance(ImbalanceParameters::default()));
        for step in 0..60 {
            book(rig, if step % 3 == 0 { FLAT } else { UP });
            rig.pass_ms(250);
            for order in rig.placed() {
                rig.confirm(&order);
            }
        }
    }
    assert_eq!(whole.engine.output_hash(), cut.engine.output_hash());
}

#[test]
fn a_configuration_survives_the_trip_through_a_ring_and_no_other_input_grows_by_it() {
    let risk = RiskConfig::default();
    let mut bytes = [0; RISK_BYTES_MAX];
    let length = risk.to_bytes(&mut bytes).expect("it fits");
    assert!(length + 16 <= RISK_BYTES_MAX, "{length}");
    let mut room = [Level::default(); LIMIT_LEVELS];
    let one = Configure::new(3, 4, &risk, &mut room);
    assert_eq!(one.risk(), Some(risk));
    let strategy = StrategyChange {
        strategy: StrategyId(2),
        off: u64::MAX,
        parameters: imbalance(taker()),
    };
    for input in [Input::Configure(one), Input::Strategy(strategy)] {
        let event = Event {
            sequence: 1,
            time: MonoNs(2),
            input,
        };
        let mut bytes = [0; 1_024];
        let length = event.to_bytes(&mut bytes).expect("it fits");
        let mut levels = [Level::default(); LIMIT_LEVELS];
        assert_eq!(Event::from_bytes(&bytes[..length], &mut levels), Ok(event));
    }
    assert!(size_of::<StrategyChange>() <= size_of::<market::OrderUpdate>());
}

/// Limits without a memory: what they let through depends on nothing that was counted before.
fn limits() -> impl Strategy<Value = RiskConfig> {
    let money = || (1i64..8_000).prop_map(Money::from_whole);
    (
        (money(), money(), money(), money()),
        (1u32..5, 1u32..5),
        (1_000i64..2_000_000, 100i64..100_000),
        (100_000i64..30_000_000, 10_000_000i64..300_000_000),
        (1u64..2_000, 500u64..6_000),
    )
        .prop_map(|(money, orders, prices, shares, ages)| RiskConfig {
            order_notional_max: money.0,
            position_notional_max: money.1,
            gross_exposure_max: money.2,
            net_exposure_max: money.3,
            open_orders_max: orders.0,
            open_orders_account_max: orders.1,
            collar: Rate(prices.0),
            spread_max: Rate(prices.1),
            exposure_share_max: Rate(shares.0),
            leverage_max: Rate(shares.1),
            event_age_max_ns: ages.0 * 1_000_000,
            clock_age_max_ns: ages.1 * 1_000_000,
            ..RiskConfig::default()
        })
}

/// What an exchange sees, and what the journal says beside the change itself.
fn outputs(rig: &mut Rig) -> (Vec<Request>, Vec<Record>) {
    let records = rig.outbox.observer.records.iter();
    let told = records.filter(|one| !matches!(one, Record::Configured(_)));
    let told = told.copied().collect();
    (rig.take(), told)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// An engine that takes limits decides as one that was started with them.
    #[test]
    fn limits_that_were_taken_are_those_of_a_start(
        old in limits(),
        new in limits(),
        waiting in 0u64..5_000,
        acts in prop::collection::vec((0u32..13, any::<u32>(), any::<u32>()), 1..80),
    ) {
        let strategies = [imbalance(taker()), dummy()];
        let started = |risk: RiskConfig| {
            let mut config = config(Market::UsdM, &strategies);
            config.risk = risk;
            config.start_active = false;
            let mut rig = Rig::ready(config);
            // The market goes on while nobody trades.
            book(&mut rig, UP);
            rig.pass_ms(waiting);
            book(&mut rig, FLAT);
            rig
        };
        let mut taken = started(old);
        let mut fresh = started(new);
        for rig in [&mut taken, &mut fresh] {
            configure(rig, 2, &new);
            rig.command(crate::event::Command::Start);
            rig.forget();
        }
        for (kind, first, second) in acts {
            let act = Act::from_numbers(kind, first, second);
            play(&mut taken, &act);
            play(&mut fresh, &act);
            prop_assert_eq!(outputs(&mut taken), outputs(&mut fresh), "{:?}", act);
        }
        prop_assert_eq!(taken.position(), fresh.position());
        let sent = |rig: &Rig| rig.engine.instrument_page(ID).orders_sent;
        prop_assert_eq!(sent(&taken), sent(&fresh));
    }
}
