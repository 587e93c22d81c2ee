//! What is not opened when market data or the clock cannot be relied on.
//!
//! In: late data, data from the future, clocks that step or stop. Out: denials, and exits that go
//! on. Never: a look inside.

use super::rig::{MS, Rig, config, imbalance};
use crate::Input;
use crate::strategy::imbalance::{EntryStyle, ImbalanceParameters};
use market::record::Record;
use market::{DenialCode, Market, NewOrder, UtcNs};

fn rig() -> Rig {
    let taker = ImbalanceParameters {
        entry: EntryStyle::Taker,
        ..ImbalanceParameters::default()
    };
    Rig::ready(config(Market::UsdM, &[imbalance(taker)]))
}

fn denials(rig: &Rig) -> Vec<DenialCode> {
    let records = rig.outbox.observer.records.iter();
    let codes = records.filter_map(|one| match one {
        Record::Denial(denial) => Some(denial.code),
        _ => None,
    });
    codes.collect()
}

fn long(rig: &mut Rig) -> NewOrder {
    rig.book(500_000, 40, 10);
    let entry = rig.place_one();
    rig.fill_all(&entry, 500_001);
    let target = rig.place_one();
    rig.confirm(&target);
    rig.forget();
    entry
}

/// The stop of a long position is due, and goes out.
fn stop_goes_out(rig: &mut Rig) {
    rig.book(499_000, 40, 10);
    assert!(rig.place_one().reduce_only);
}

#[test]
fn a_backlog_after_a_stall_opens_nothing_until_it_is_worked_off() {
    for (lag_ms, denied) in [(1_000, false), (1_001, true), (60_000, true)] {
        let mut rig = rig();
        rig.lag_ms = lag_ms;
        rig.book(500_000, 40, 10);
        let expected: &[DenialCode] = if denied {
            &[DenialCode::BookStale]
        } else {
            &[]
        };
        assert_eq!(denials(&rig), expected, "{lag_ms} ms late");
        assert_eq!(rig.placed().is_empty(), denied);
        rig.lag_ms = 5;
        // The pause after a denial is over when it is worked off.
        let mut placed = 0;
        for lots in 41..61 {
            rig.pass_ms(100);
            rig.book(500_000, lots, 10);
            placed += rig.placed().len();
        }
        assert_eq!(placed, usize::from(denied), "{lag_ms} ms late");
    }
}

#[test]
fn a_book_that_stands_still_is_stale_by_its_event_time_too() {
    let mut rig = rig();
    rig.book(500_000, 10, 10);
    rig.pass_ms(1_001);
    // A trade makes the strategy look again; the book is of a second ago.
    rig.trade(500_001, 1);
    assert_eq!(rig.placed(), []);
    rig.book(500_000, 40, 10);
    rig.place_one();
}

#[test]
fn exits_go_on_with_late_data_and_with_any_clock() {
    let mut late = rig();
    long(&mut late);
    late.lag_ms = 60_000;
    stop_goes_out(&mut late);
    let mut stepped = rig();
    long(&mut stepped);
    stepped.send(Input::Clock(UtcNs(1)));
    stop_goes_out(&mut stepped);
    let mut stopped = rig();
    long(&mut stopped);
    stopped.time += 30_000 * MS;
    stop_goes_out(&mut stopped);
}

#[test]
fn event_times_ahead_of_the_exchange_are_counted_and_not_trusted() {
    for (ahead_ms, counted) in [(500, 0), (501, 1), (3_600_000, 1)] {
        let mut rig = rig();
        rig.lag_ms = -ahead_ms;
        rig.book(500_000, 40, 10);
        assert_eq!(rig.placed().is_empty(), counted > 0, "{ahead_ms} ms ahead");
        // Only those beyond the last sample and its interval are looked at.
        let seen = u64::from(ahead_ms > 750);
        assert_eq!(rig.engine.events_ahead(), seen, "{ahead_ms} ms ahead");
        if counted == 0 {
            continue;
        }
        // It does not become young by waiting, nor is it what later data is measured by.
        rig.pass_ms(1_200);
        assert_eq!(rig.placed(), [], "{ahead_ms} ms ahead");
        rig.lag_ms = 2_000;
        rig.book(500_000, 41, 10);
        rig.pass_ms(2_000);
        assert_eq!(rig.placed(), []);
    }
}

#[test]
fn nothing_is_opened_without_a_clock_or_on_one_that_stopped() {
    let mut rig = Rig::fresh(rig().engine.config().clone());
    rig.without_clock = true;
    rig.streams(Market::UsdM, true);
    rig.reconcile(&[], &[]);
    rig.sync();
    rig.forget();
    rig.book(500_000, 40, 10);
    assert_eq!(denials(&rig), [DenialCode::ClockUnsafe]);
    rig.without_clock = false;
    rig.clock();
    rig.pass_ms(1_000);
    let entry = rig.place_one();
    rig.end(&entry, market::OrderState::Expired, 0);
    rig.forget();
    rig.time += 5_001 * MS;
    rig.lag_ms = 0;
    rig.book(500_000, 41, 10);
    assert_eq!(rig.placed(), []);
    assert_eq!(denials(&rig), [DenialCode::ClockUnsafe]);
}

#[test]
fn a_clock_that_steps_opens_nothing_until_its_samples_agree_for_a_while() {
    let mut rig = rig();
    let good_ns = rig.utc_ms() * MS as i64;
    rig.send(Input::Clock(UtcNs(good_ns + 500 * MS as i64)));
    assert_eq!(rig.engine.clock_steps(), 0, "within the bound");
    rig.send(Input::Clock(UtcNs(good_ns - 1)));
    assert_eq!(rig.engine.clock_steps(), 1);
    rig.book(500_000, 40, 10);
    assert_eq!(denials(&rig), [DenialCode::ClockUnsafe]);
    rig.pass_ms(4_900);
    rig.book(500_000, 41, 10);
    assert_eq!(rig.placed(), []);
    rig.pass_ms(1_100);
    rig.book(500_000, 42, 10);
    rig.place_one();
}
