//! What rarely happens to an order: replies to nobody, no room for what is wanted.
//!
//! In: replies, full tables, full outboxes. Out: checks of what is sent. Never: a look inside.

use super::rig::{ID, Rig, config, imbalance};
use crate::event::Input;
use crate::strategy::imbalance::{EntryStyle, ImbalanceParameters};
use crate::{EngineConfig, Request};
use market::account::{ReplyOutcome, RequestKind};
use market::record::Record;
use market::{DenialCode, Market, OrderState};

fn strategy(entry: EntryStyle) -> EngineConfig {
    let parameters = ImbalanceParameters {
        entry,
        ..ImbalanceParameters::default()
    };
    config(Market::UsdM, &[imbalance(parameters)])
}

fn maker() -> Rig {
    Rig::ready(strategy(EntryStyle::Maker))
}

#[test]
fn a_reply_to_nobody_is_counted_and_does_nothing() {
    let mut rig = maker();
    let stranger = rig.some_order();
    rig.confirm(&stranger);
    assert_eq!(rig.engine.order_counters().forgotten, 1);
    assert_eq!(rig.take(), []);
}

#[test]
fn a_cancel_that_is_confirmed_without_a_state_ends_the_order() {
    let mut rig = maker();
    rig.book(500_000, 40, 10);
    let order = rig.place_one();
    rig.confirm(&order);
    rig.send(Input::CancelInstrument(ID));
    assert_eq!(rig.cancelled(), [order.client_order_id]);
    let (cancel, done) = (RequestKind::Cancel, ReplyOutcome::Confirmed);
    rig.reply(&order, cancel, done, OrderState::Submitted, 0);
    let records = rig.outbox.observer.records.iter();
    let ends = records.filter(
        |one| matches!(one, Record::OrderChange(change) if change.state == OrderState::Canceled),
    );
    assert_eq!(ends.count(), 1);
}

#[test]
fn a_refused_cancel_of_an_order_that_has_filled_since_asks_nothing() {
    let mut rig = maker();
    rig.book(500_000, 40, 10);
    let order = rig.place_one();
    rig.confirm(&order);
    rig.send(Input::CancelInstrument(ID));
    rig.take();
    let (cancel, refused) = (RequestKind::Cancel, ReplyOutcome::Rejected);
    rig.reply(&order, cancel, refused, OrderState::Accepted, 0);
    rig.fill_all(&order, 500_000);
    rig.take();
    rig.pass_ms(500);
    let asks = |one: &Request| matches!(one, Request::Query(_) | Request::Trades(_));
    assert!(!rig.take().iter().any(asks));
}

#[test]
fn a_table_without_a_slot_denies_and_a_freed_one_is_used() {
    let mut config = strategy(EntryStyle::Maker);
    config.orders.capacity = 1;
    let mut rig = Rig::ready(config);
    rig.book(500_000, 40, 10);
    let order = rig.place_one();
    rig.confirm(&order);
    rig.fill(&order, 5, 500_000, 5);
    // The exit of what has filled has no place beside the entry.
    assert_eq!(rig.placed(), []);
    let records = rig.outbox.observer.records.iter();
    let full = records.filter(
        |one| matches!(one, Record::Denial(denial) if denial.code == DenialCode::OpenOrdersLimit),
    );
    assert!(full.count() > 0);
    // The signal has gone, so that no entry takes the place.
    rig.book(500_000, 10, 10);
    rig.end(&order, OrderState::Canceled, 5);
    rig.pass_ms(2_000);
    rig.book(500_000, 11, 10);
    assert!(rig.placed().iter().any(|one| one.reduce_only));
}

#[test]
fn a_full_outbox_is_never_overflowed_and_what_waited_is_done_after_it() {
    let mut rig = Rig::ready(strategy(EntryStyle::Taker));
    while rig.outbox.requests.push(Request::VerifySetup(ID)).is_ok() {}
    rig.book(500_000, 40, 10);
    assert_eq!(rig.placed(), []);
    assert_eq!(rig.outbox.overflowed, 0);
    rig.pass_ms(1);
    rig.place_one();
    // The gate that everything passes counts what it cannot take.
    for _ in 0..=crate::outbox::REQUESTS_MAX {
        rig.outbox.push(Request::VerifySetup(ID));
    }
    assert_eq!(rig.outbox.overflowed, 1);
}
