//! Numbers that cannot be (F9).
//!
//! In: messages with absurd numbers. Out: checks that they are refused. Never: a panic.

use super::rig::{ID, Rig, config, imbalance, level, position, update};
use crate::strategy::imbalance::{EntryStyle, ImbalanceParameters};
use crate::{Input, Request};
use market::account::Execution;
use market::record::Record;
use market::{
    AggTrade, BookReason, BookState, InstrumentId, Market, OrderState, Price, Quantity, Side,
    TradeId, UtcMs,
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

fn book_reason(rig: &Rig) -> Option<BookReason> {
    let records = rig.outbox.observer.records.iter();
    let mut reasons = records.filter_map(|one| match one {
        Record::BookState(change) => Some(change.reason),
        _ => None,
    });
    reasons.next_back()
}

#[test]
fn an_absurd_ticker_or_difference_breaks_the_book_in_that_event() {
    let huge = 5_000_000_000_000_000_000;
    for case in 0..4 {
        let mut rig = rig();
        match case {
            0 => rig.ticker(level(499_999, huge), level(500_001, huge)),
            1 => rig.ticker(level(huge, 1), level(huge + 1, 1)),
            2 => rig.next_depth(&[level(499_999, huge)], &[]),
            _ => rig.next_depth(&[], &[level(huge, 1)]),
        }
        let page = rig.engine.instrument_page(ID);
        assert_eq!(page.book_state, BookState::Stale, "{case}");
        assert_eq!(book_reason(&rig), Some(BookReason::ParseError), "{case}");
        assert_eq!(rig.take(), [Request::Snapshot(ID)], "{case}");
    }
}

#[test]
fn an_absurd_mark_is_refused_and_a_huge_one_overflows_nothing() {
    let mut rig = rig();
    rig.book(500_000, 40, 10);
    let entry = rig.place_one();
    rig.fill_all(&entry, 500_001);
    rig.mark(500_000);
    for absurd in [i64::MAX, i64::MIN, 0, 1 << 49] {
        rig.mark(absurd);
        assert_eq!(rig.engine.instrument_page(ID).mark, Price(500_000));
    }
    assert_eq!(rig.engine.absurd_inputs(), 4);
    // "90000000000.0" on ticks of 0.1: within the bounds, far beyond all money.
    rig.mark(900_000_000_000);
    assert!(rig.engine.account_page().equity.0 > 0);
    rig.book(500_000, 41, 10);
}

#[test]
fn an_absurd_fill_is_refused_and_the_exchange_asked() {
    let mut rig = rig();
    let mut told = update(&rig.some_order(), Execution::Trade, OrderState::Filled, 10);
    told.trade_id = TradeId(9);
    told.last_price = Price(500_000);
    told.last_quantity = Quantity(5_000_000_000_000_000_000);
    rig.send(Input::OrderUpdate(told));
    rig.send(Input::Time);
    assert_eq!(rig.position(), 0);
    assert_eq!(rig.take(), [Request::Reconcile(ID)]);
}

#[test]
fn a_list_with_an_absurd_position_is_void() {
    let mut rig = rig();
    rig.send(Input::Position(position(i64::MIN, 1)));
    rig.send(Input::Time);
    assert_eq!(rig.take(), [Request::Reconcile(ID)]);
    rig.reconcile(&[], &[position(i64::MAX, 50_000)]);
    assert!(!rig.engine.account_page().reconciled);
    rig.pass_ms(10_000);
    assert_eq!(rig.take(), [Request::Reconcile(ID)], "asked again");
    rig.reconcile(&[], &[position(3, 50_000)]);
    rig.pass_ms(300);
    rig.reconcile_until_adopted(&[position(3, 50_000)]);
    assert_eq!(rig.position(), 3);
    assert_eq!(rig.engine.absurd_inputs(), 2);
}

#[test]
fn an_absurd_trade_of_either_kind_is_refused() {
    let mut rig = rig();
    rig.trade(i64::MAX, 1);
    assert_eq!(rig.engine.absurd_inputs(), 1);
    let told = |price| {
        Input::AggTrade(AggTrade {
            instrument: ID,
            aggregate_id: TradeId(1),
            price: Price(price),
            quantity: Quantity(1),
            first_trade_id: TradeId(1),
            last_trade_id: TradeId(1),
            aggressor: Side::Buy,
            transaction_time: UtcMs(1),
            event_time: UtcMs(1),
        })
    };
    for (price, refused) in [(500_000, 1), (0, 2), (i64::MIN, 3)] {
        rig.send(told(price));
        assert_eq!(rig.engine.absurd_inputs(), refused, "{price}");
    }
}

#[test]
fn a_frame_that_cannot_be_read_makes_its_book_stale_until_a_snapshot() {
    let mut rig = rig();
    rig.send(Input::ParseFailure(InstrumentId(9)));
    assert_eq!(rig.take(), [], "nobody's book");
    rig.send(Input::ParseFailure(ID));
    let page = rig.engine.instrument_page(ID);
    assert_eq!(page.book_state, BookState::Stale);
    assert_eq!(book_reason(&rig), Some(BookReason::ParseError));
    // The next difference asks for a snapshot, and nothing is opened meanwhile.
    rig.book(500_000, 40, 10);
    assert_eq!(rig.take(), [Request::Snapshot(ID)]);
}
