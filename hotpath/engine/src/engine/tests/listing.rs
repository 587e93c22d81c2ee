//! The exchange lists an instrument otherwise than at the start: status, filters, grid.
//!
//! In: reports between other events. Out: checks of what is sent, and that a checkpoint keeps them.
//! Never: a look inside.

use super::rig::{ID, Rig, config, imbalance, instrument};
use crate::event::{Command, Input};
use crate::strategy::imbalance::{EntryStyle, ImbalanceParameters};
use crate::{Engine, EngineConfig};
use market::record::Record;
use market::{
    DenialCode, Filters, InstrumentStatus, ListingFault, ListingReport, Market, Money, NonAction,
    OrderState, Price, Quantity, Side,
};

fn taker() -> EngineConfig {
    let parameters = ImbalanceParameters {
        entry: EntryStyle::Taker,
        ..ImbalanceParameters::default()
    };
    config(Market::UsdM, &[imbalance(parameters)])
}

fn report(status: InstrumentStatus, filters: Filters) -> ListingReport {
    ListingReport {
        instrument: ID,
        status,
        filters,
        fault: None,
    }
}

fn listed(status: InstrumentStatus) -> Input<'static> {
    Input::Listing(report(status, instrument(Market::UsdM).filters))
}

fn denials(rig: &Rig) -> Vec<DenialCode> {
    let records = rig.outbox.observer.records.iter();
    let denials = records.filter_map(|one| match one {
        Record::Denial(one) => Some(one.code),
        _ => None,
    });
    denials.collect()
}

#[test]
fn a_halt_holds_entries_back_and_lets_exits_and_cancels_go_until_it_is_over() {
    let mut rig = Rig::ready(taker());
    rig.send(listed(InstrumentStatus::NotTrading));
    rig.book(500_000, 40, 10);
    assert_eq!(rig.placed(), []);
    assert_eq!(denials(&rig), [DenialCode::InstrumentNotTradable]);
    rig.send(listed(InstrumentStatus::Trading));
    rig.pass_ms(1_000);
    rig.book(500_000, 41, 10);
    let order = rig.place_one();
    rig.fill_all(&order, 500_001);
    let target = rig.place_one();
    // With a position: its exit is offered, whether it is taken the exchange knows; and a resting
    // order can be cancelled.
    rig.send(listed(InstrumentStatus::NotTrading));
    rig.confirm(&target);
    rig.send(Input::CancelInstrument(ID));
    assert_eq!(rig.cancelled(), [target.client_order_id]);
    rig.end(&target, OrderState::Canceled, 0);
    assert!(rig.place_one().reduce_only, "the exit is placed anew");
}

#[test]
fn where_only_cancels_are_taken_an_exit_waits() {
    let mut rig = Rig::ready(taker());
    rig.book(500_000, 40, 10);
    let order = rig.place_one();
    rig.send(listed(InstrumentStatus::CancelOnly));
    rig.fill_all(&order, 500_001);
    assert_eq!(rig.placed(), []);
    assert_eq!(denials(&rig), [DenialCode::InstrumentNotTradable]);
    rig.send(listed(InstrumentStatus::Trading));
    rig.pass_ms(2_000);
    rig.book(500_000, 41, 10);
    assert!(rig.place_one().reduce_only);
}

#[test]
fn a_life_that_starts_in_a_halt_trades_once_it_is_over() {
    let mut halted = taker();
    halted.instruments[0].status = InstrumentStatus::NotTrading;
    let mut rig = Rig::ready(halted);
    rig.book(500_000, 40, 10);
    assert_eq!(rig.placed(), []);
    rig.send(listed(InstrumentStatus::Trading));
    rig.pass_ms(1_000);
    rig.book(500_000, 41, 10);
    rig.place_one();
}

#[test]
fn filters_of_now_shape_and_judge_the_next_order() {
    let mut rig = Rig::ready(taker());
    let usual = instrument(Market::UsdM).filters;
    let mut next = |filters: Filters, lots| {
        rig.forget();
        rig.send(Input::Listing(report(InstrumentStatus::Trading, filters)));
        rig.pass_ms(1_000);
        rig.book(500_000, lots, 10);
        (rig.placed().len(), denials(&rig), rig.last_reason())
    };
    // The strategy knows what the exchange takes.
    let higher = Filters {
        notional_min: Money::from_whole(4_999),
        ..usual
    };
    let small = Some(NonAction::SizeTooSmall);
    assert_eq!(next(higher, 40), (0, vec![], small));
    // And risk judges what it is not to know.
    let lower = Filters {
        price_max: Price(400_000),
        ..usual
    };
    let (placed, denied, _) = next(lower, 41);
    assert_eq!((placed, denied.last()), (0, Some(&DenialCode::FilterPrice)));
    assert_eq!(next(usual, 42).0, 1);
}

#[test]
fn another_grid_cancels_what_rests_and_opens_nothing() {
    let maker = config(Market::UsdM, &[imbalance(ImbalanceParameters::default())]);
    let mut rig = Rig::ready(maker);
    rig.book(500_000, 40, 10);
    let order = rig.place_one();
    rig.confirm(&order);
    rig.forget();
    rig.send(Input::Listing(ListingReport {
        fault: Some(ListingFault::GridChanged),
        ..report(
            InstrumentStatus::NotTrading,
            instrument(Market::UsdM).filters,
        )
    }));
    assert_eq!(rig.cancelled(), [order.client_order_id]);
    rig.end(&order, OrderState::Canceled, 0);
    rig.pass_ms(1_000);
    rig.book(500_000, 41, 10);
    assert_eq!(rig.placed(), []);
    let refused = denials(&rig);
    assert!(!refused.is_empty());
    assert!(
        refused
            .iter()
            .all(|one| *one == DenialCode::InstrumentNotTradable)
    );
    let told = rig.outbox.observer.records.iter();
    let told = told.filter(|one| matches!(one, Record::Listing(_)));
    assert_eq!(told.count(), 1);
}

#[test]
fn a_checkpoint_keeps_what_is_listed_under_the_configuration_of_the_start() {
    let mut rig = Rig::ready(taker());
    rig.send(listed(InstrumentStatus::NotTrading));
    let mut bytes = Vec::new();
    rig.engine.save(&mut bytes);
    rig.engine = Engine::load(taker(), &bytes).expect("the same configuration");
    rig.forget();
    rig.book(500_000, 40, 10);
    assert_eq!(denials(&rig), [DenialCode::InstrumentNotTradable]);
}

#[test]
fn entries_and_exits_are_cut_to_what_one_order_may_have_now() {
    let most = |lots| {
        let filters = Filters {
            quantity_max: Quantity(lots),
            ..instrument(Market::UsdM).filters
        };
        Input::Listing(report(InstrumentStatus::Trading, filters))
    };
    let mut rig = Rig::ready(taker());
    rig.send(most(15));
    rig.book(500_000, 40, 10);
    assert_eq!(rig.place_one().quantity, Quantity(15), "of 19");
    // The limit falls while we get more: exits go in parts.
    let mut rig = Rig::ready(taker());
    rig.book(500_000, 40, 10);
    let entry = rig.place_one();
    rig.send(most(10));
    rig.fill_all(&entry, 500_001);
    let target = rig.place_one();
    assert_eq!((target.quantity, target.reduce_only), (Quantity(10), true));
    rig.confirm(&target);
    rig.forget();
    rig.command(Command::Flatten);
    let exit = rig.placed().pop().expect("an exit");
    assert_eq!((exit.quantity, exit.side), (Quantity(10), Side::Sell));
    rig.end(&target, OrderState::Canceled, 0);
    rig.fill_all(&exit, 500_000);
    rig.pass_ms(1_000);
    rig.book(500_000, 41, 10);
    let rest = rig.placed().pop().expect("the rest");
    assert_eq!((rest.quantity, rest.reduce_only), (Quantity(9), true));
    assert_eq!(denials(&rig), []);
}
