//! What a reader is shown, told of tickers, and when a book asks to see more.
//!
//! In: a synced book, tickers, bests that come near the end of what is known. Out: counts, sums and
//! the reasons why there are none, requests. Never: the states of a book; those are in
//! `order_book_tests`.

use super::order_book_tests::{ID, RETRY_NS, begin, book, differ, level, quiet, snapshot, synced};
use super::{Book, SignalInvalid};
use market::{BookState, BookTicker, Level, MonoNs, Price, Side, UpdateId, UtcMs};

fn ticker(book: &mut Book, id: u64, bid: Level, ask: Level) -> super::BookChange {
    let ticker = BookTicker {
        instrument: ID,
        update_id: UpdateId(id),
        bid,
        ask,
        event_time: UtcMs(0),
        transaction_time: UtcMs(0),
    };
    book.apply_ticker(&ticker, MonoNs(2))
}

#[test]
fn tickers_are_counted_by_what_becomes_of_them() {
    let mut book = synced();
    let (bid, ask) = (level(1_000, 5), level(1_001, 5));
    for (equal, unequal, bid) in [(1, 0, bid), (2, 1, level(1_000, 6)), (3, 2, level(999, 5))] {
        assert!(!ticker(&mut book, 10, bid, ask).applied, "it is no newer");
        let stats = book.stats();
        assert_eq!(
            (stats.tickers_equal, stats.tickers_unequal),
            (equal, unequal)
        );
    }
    for (refused, bid, ask) in [
        (1, level(1_000, 0), ask),
        (2, bid, Level::default()),
        (3, level(1_001, 5), ask),
        (4, level(1_002, 5), ask),
    ] {
        assert!(!ticker(&mut book, 11, bid, ask).applied);
        assert_eq!(book.stats().tickers_refused, refused);
    }
    for (fused, id, bid, changes) in [(1, 11, bid, false), (2, 12, level(1_000, 6), true)] {
        let change = ticker(&mut book, id, bid, ask);
        assert_eq!((change.applied, change.top_changed), (true, changes));
        assert_eq!(book.stats().tickers_fused, fused);
    }
    // What can be no level of any book breaks it.
    let change = ticker(&mut book, 13, level(-1, 5), ask);
    assert!(change.wants_snapshot);
    assert_eq!(
        (book.stats().tickers_refused, book.state()),
        (5, BookState::Stale)
    );
}

#[test]
fn what_was_seen_and_how_far_it_is_known_is_told_of_a_synced_book_alone() {
    let mut book = book();
    assert_eq!(
        (book.best_seen(Side::Buy), book.edge(Side::Buy)),
        (None, None)
    );
    snapshot(&mut book, 10, &[level(1_000, 5)], &[level(1_001, 5)]);
    assert_eq!(
        (book.best_seen(Side::Buy), book.edge(Side::Buy)),
        (None, None)
    );
    quiet(&mut book, 10);
    assert_eq!(book.best_seen(Side::Buy), Some(level(1_000, 5)));
    assert_eq!(book.edge(Side::Buy), Some(Price(1_000)));
    // Behind the end of what is known there is a best that was seen, and none that is known.
    differ(&mut book, 11, &[level(1_000, 0), level(900, 3)], &[], 1);
    assert_eq!(book.best_seen(Side::Buy), Some(level(900, 3)));
    assert_eq!(book.best_bid(), None);
    quiet(&mut book, 20);
    assert_eq!(
        (book.best_seen(Side::Buy), book.edge(Side::Buy)),
        (None, None)
    );
}

#[test]
fn a_sum_says_why_it_is_none() {
    let mut book = synced();
    let sum = book.imbalance(2).expect("two levels a side");
    assert_eq!((sum.bid.0, sum.ask.0), (10, 10));
    assert_eq!(book.imbalance(3), Err(SignalInvalid::Edge));
    assert_eq!(book.imbalance(0), Err(SignalInvalid::Thin));
    ticker(&mut book, 11, level(999, 7), level(1_001, 2));
    let sum = book.imbalance(2).expect("the ticker and one level below");
    assert_eq!((sum.bid.0, sum.ask.0), (12, 7));
    let mut whole = self::book();
    begin(&mut whole, 10, true);
    whole.snapshot_levels(Side::Buy, &[level(1_000, 5)]);
    whole.snapshot_levels(Side::Sell, &[level(1_001, 5)]);
    whole.snapshot_end(MonoNs(1));
    quiet(&mut whole, 10);
    assert_eq!(whole.edge(Side::Buy), None, "it knows all");
    assert_eq!(whole.imbalance(2), Err(SignalInvalid::Thin));
}

/// Known for 40 ticks on each side: at less than ten it asks for more. Its last view is of time 1.
fn forty() -> Book {
    let mut book = book();
    let (bids, asks) = (
        [level(1_000, 5), level(960, 5)],
        [level(1_001, 5), level(1_041, 5)],
    );
    snapshot(&mut book, 10, &bids, &asks);
    assert!(quiet(&mut book, 10).applied);
    book
}

#[test]
fn a_book_asks_for_more_when_a_best_comes_near_the_end_of_what_it_knows() {
    let late = 1 + RETRY_NS * 10;
    for (bid, ask, asks) in [
        (970, 1_001, false),
        (969, 1_001, true),
        (1_000, 1_031, false),
        (1_000, 1_032, true),
    ] {
        let mut book = forty();
        let bids = [level(1_000, 0), level(bid, 5)];
        let sells = [level(1_001, 0), level(ask, 5)];
        let change = differ(&mut book, 11, &bids, &sells, late);
        assert_eq!(change.wants_snapshot, asks, "{bid} {ask}");
    }
}

#[test]
fn it_asks_for_more_in_its_interval_and_again_when_no_answer_came() {
    let mut book = forty();
    let bids = [level(1_000, 0), level(965, 5)];
    // The interval is half of the time in which an answer must come.
    let interval = RETRY_NS / 2;
    let asked = 1 + interval;
    for (id, now, asks) in [
        (11, asked - 1, false),
        (12, asked, true),
        (13, asked + interval, false),
        (14, asked + RETRY_NS - 1, false),
        (15, asked + RETRY_NS, true),
    ] {
        let change = differ(&mut book, id, &bids, &[], now);
        assert_eq!(change.wants_snapshot, asks, "at {now}");
    }
}

#[test]
fn a_sum_that_leaves_what_is_known_makes_it_ask_and_a_thin_one_does_not() {
    let late = 1 + RETRY_NS * 10;
    for (levels, asks) in [(0, false), (3, true)] {
        let mut book = forty();
        assert!(book.imbalance(levels).is_err());
        let change = differ(&mut book, 11, &[], &[], late);
        assert_eq!(change.wants_snapshot, asks, "{levels} levels");
    }
}

#[test]
fn differences_younger_than_a_wider_snapshot_are_written_once_more() {
    let mut book = synced();
    begin(&mut book, 11, false);
    differ(&mut book, 11, &[level(980, 4)], &[], 1);
    differ(&mut book, 12, &[level(980, 0)], &[], 1);
    book.snapshot_levels(
        Side::Buy,
        &[level(1_000, 5), level(990, 5), level(980, 4), level(970, 1)],
    );
    book.snapshot_end(MonoNs(1));
    let bids: Vec<_> = book.levels(Side::Buy).collect();
    assert_eq!(bids, [level(1_000, 5), level(990, 5), level(970, 1)]);
}

#[test]
fn a_crowded_side_forgets_what_is_unknown_when_a_wider_view_begins() {
    for (bids, asks) in [
        (vec![level(500, 1)], vec![]),
        (vec![], vec![level(2_000, 1)]),
    ] {
        let mut book = synced();
        differ(&mut book, 11, &bids, &asks, 1);
        assert_eq!(book.bids.far.len() + book.asks.far.len(), 1);
        begin(&mut book, 12, false);
        assert_eq!(book.bids.far.len() + book.asks.far.len(), 0);
    }
}

#[test]
fn a_snapshot_begins_an_empty_book_once() {
    let mut book = book();
    assert!(begin(&mut book, 10, false).transition.is_some());
    assert!(begin(&mut book, 11, false).transition.is_none());
}
