//! What a book counts, asks for and says of each event.
//!
//! In: short chains of differences, snapshots and tickers. Out: its change, its counts, its state.
//! Never: whole streams; those are in `tests/books`.

use super::{Book, BookChange, BookConfig};
use crate::event::SnapshotBegin;
use market::event::DepthHeader;
use market::reason::BookReason;
use market::{
    BookState, BookTicker, CodecError, DepthUpdate, InstrumentId, Level, Market, MonoNs, Price,
    Quantity, Side, UpdateId, UtcMs,
};

pub(super) const ID: InstrumentId = InstrumentId(7);
pub(super) const RETRY_NS: u64 = 1_000;

pub(super) fn level(price: i64, quantity: i64) -> Level {
    Level {
        price: Price(price),
        quantity: Quantity(quantity),
    }
}

fn config() -> BookConfig {
    BookConfig {
        window_ticks: 256,
        far_levels_max: 1,
        held_updates_max: 4,
        held_levels_max: 10,
        snapshot_retry_ns: RETRY_NS,
        refresh_interval_ns: RETRY_NS / 2,
        ..BookConfig::default()
    }
}

pub(super) fn book() -> Book {
    Book::new(&config(), ID, Market::UsdM)
}

/// A difference of one id, sent at 100 ms times its id.
pub(super) fn differ(
    book: &mut Book,
    id: u64,
    bids: &[Level],
    asks: &[Level],
    now: u64,
) -> BookChange {
    let header = DepthHeader {
        instrument: ID,
        first_update_id: UpdateId(id),
        last_update_id: UpdateId(id),
        previous_update_id: UpdateId(id - 1),
        event_time: UtcMs(id as i64 * 100),
        transaction_time: UtcMs(0),
    };
    book.apply(&DepthUpdate { header, bids, asks }, MonoNs(now))
}

pub(super) fn quiet(book: &mut Book, id: u64) -> BookChange {
    differ(book, id, &[], &[], 1)
}

pub(super) fn begin(book: &mut Book, id: u64, complete: bool) -> BookChange {
    let begin = SnapshotBegin {
        instrument: ID,
        last_update_id: UpdateId(id),
        complete,
    };
    book.snapshot_begin(&begin, MonoNs(1))
}

pub(super) fn snapshot(book: &mut Book, id: u64, bids: &[Level], asks: &[Level]) -> BookChange {
    begin(book, id, false);
    book.snapshot_levels(Side::Buy, bids);
    book.snapshot_levels(Side::Sell, asks);
    book.snapshot_end(MonoNs(1))
}

/// Synced at id 10: bids at 1,000 and 990, asks at 1,001 and 1,010, known as far as that.
pub(super) fn synced() -> Book {
    let mut book = book();
    snapshot(
        &mut book,
        10,
        &[level(1_000, 5), level(990, 5)],
        &[level(1_001, 5), level(1_010, 5)],
    );
    let change = quiet(&mut book, 10);
    assert!(change.applied && change.top_changed);
    assert_eq!(book.state(), BookState::Synced);
    book
}

#[test]
fn the_first_difference_begins_and_asks_and_the_next_ones_wait_their_time() {
    let mut book = book();
    assert_eq!(book.instrument(), ID);
    let first = differ(&mut book, 5, &[], &[], 100);
    let begun = (
        BookState::Empty,
        BookState::Buffering,
        BookReason::FirstData,
    );
    assert_eq!(first.transition, Some(begun));
    assert!(first.wants_snapshot);
    for (id, now, asks) in [
        (6, 101, false),
        (7, 99 + RETRY_NS, false),
        (8, 100 + RETRY_NS, true),
    ] {
        let change = differ(&mut book, id, &[], &[], now);
        assert_eq!((change.transition, change.wants_snapshot), (None, asks));
    }
}

#[test]
fn what_comes_before_the_first_sync_is_counted() {
    let mut book = book();
    for id in 1..=5 {
        quiet(&mut book, id);
    }
    assert_eq!(book.stats().held_dropped, 2, "half of four gave way");
    quiet(&mut book, 5);
    quiet(&mut book, 5);
    assert_eq!(book.stats().ignored, 2);
    for (gaps, id) in [(1, 8), (2, 11)] {
        assert!(quiet(&mut book, id).gap);
        assert_eq!(book.stats().gaps, gaps);
    }
    // More levels than the hold takes at all: it is dropped itself, each time.
    let many: Vec<_> = (1..=11).map(|price| level(price, 1)).collect();
    for (dropped, id) in [(3, 20), (4, 30)] {
        differ(&mut book, id, &many, &[], 1);
        assert_eq!(book.stats().held_dropped, dropped);
    }
    assert_eq!(book.stats().applied, 0);
}

#[test]
fn differences_older_than_a_snapshot_are_ignored_wherever_they_are() {
    // Held ones, when it comes.
    let mut book = book();
    for id in 7..=10 {
        quiet(&mut book, id);
    }
    let change = snapshot(&mut book, 10, &[level(1_000, 5)], &[level(1_001, 5)]);
    assert!(change.applied);
    assert_eq!((book.stats().ignored, book.stats().applied), (3, 1));
    // And those that come behind it.
    let mut book = self::book();
    snapshot(&mut book, 10, &[level(1_000, 5)], &[level(1_001, 5)]);
    for (ignored, id) in [(1, 8), (2, 9)] {
        quiet(&mut book, id);
        assert_eq!(book.stats().ignored, ignored);
    }
    assert!(quiet(&mut book, 10).applied);
    assert_eq!(book.stats().syncs, 1);
}

#[test]
fn a_held_difference_that_is_no_level_rejects_the_snapshot() {
    let mut book = book();
    differ(&mut book, 10, &[level(1_000, 1)], &[], 1);
    differ(&mut book, 11, &[level(0, 1)], &[], 1);
    differ(&mut book, 12, &[level(999, 1)], &[], 1);
    let change = snapshot(&mut book, 10, &[level(1_000, 5)], &[level(1_001, 5)]);
    assert!(change.wants_snapshot && !change.applied);
    assert_eq!(book.stats().snapshots_rejected, 1);
}

#[test]
fn a_snapshot_that_is_crossed_or_holds_what_is_no_level_is_rejected() {
    for (bids, asks) in [
        ([level(1_001, 5)], [level(1_001, 5)]),
        ([level(1_000, 5)], [level(1_001, 0)]),
        ([level(0, 5)], [level(1_001, 5)]),
    ] {
        let mut book = book();
        let change = snapshot(&mut book, 10, &bids, &asks);
        assert!(change.wants_snapshot, "{bids:?} {asks:?}");
        assert_eq!(book.stats().snapshots_rejected, 1);
    }
}

#[test]
fn a_synced_book_counts_what_it_applies_and_what_it_knew() {
    let mut book = synced();
    let applied = book.stats().applied;
    for id in 11..=13 {
        assert!(quiet(&mut book, id).applied);
    }
    assert_eq!(book.stats().applied, applied + 3);
    for ignored in 1..=2 {
        quiet(&mut book, 13);
        assert_eq!(book.stats().ignored, ignored);
    }
    for gaps in 1..=2 {
        let mut book = book_with_gaps(gaps);
        assert_eq!(book.stats().gaps, gaps);
        assert!(!quiet(&mut book, 500).applied);
    }
}

/// A book that was synced and broke so often.
fn book_with_gaps(gaps: u64) -> Book {
    let mut book = synced();
    for round in 0..gaps {
        let change = quiet(&mut book, 100 + round * 10);
        assert!(change.gap && change.top_changed && change.wants_snapshot);
        let id = 100 + round * 10;
        snapshot(&mut book, id, &[level(1_000, 5)], &[level(1_001, 5)]);
        assert_eq!(book.state(), BookState::Synced);
    }
    book
}

#[test]
fn only_a_change_of_the_best_is_one_of_the_top() {
    let mut book = synced();
    assert!(!differ(&mut book, 11, &[level(990, 6)], &[], 1).top_changed);
    assert!(differ(&mut book, 12, &[level(1_000, 6)], &[], 1).top_changed);
    assert!(differ(&mut book, 13, &[], &[level(1_001, 0)], 1).top_changed);
    assert!(!differ(&mut book, 14, &[], &[level(1_001, 0)], 1).top_changed);
}

#[test]
fn levels_without_room_are_counted_on_both_sides() {
    let mut book = synced();
    let far = |prices: [i64; 3]| prices.map(|price| level(price, 1));
    differ(
        &mut book,
        11,
        &far([500, 400, 399])[..2],
        &far([2_000, 2_001, 2_002]),
        1,
    );
    assert_eq!(book.stats().far_dropped, 1 + 2);
}

#[test]
fn the_time_of_the_top_is_the_tickers_where_it_has_one() {
    let mut book = synced();
    assert_eq!(book.event_time(), UtcMs(1_000));
    for (id, event_time, expected) in [(11, 0, 1_000), (12, 1_234, 1_234)] {
        let ticker = BookTicker {
            instrument: ID,
            update_id: UpdateId(id),
            bid: level(1_000, 4),
            ask: level(1_001, 4),
            event_time: UtcMs(event_time),
            transaction_time: UtcMs(0),
        };
        assert!(book.apply_ticker(&ticker, MonoNs(2)).applied);
        assert_eq!(book.event_time(), UtcMs(expected));
    }
    quiet(&mut book, 11);
    assert_eq!(book.event_time(), UtcMs(1_234), "the ticker is newer still");
    quiet(&mut book, 12);
    assert_eq!(book.event_time(), UtcMs(1_200));
}

#[test]
fn a_wider_snapshot_is_merged_when_the_book_has_reached_its_version() {
    let mut book = synced();
    begin(&mut book, 12, false);
    book.snapshot_levels(Side::Buy, &[level(1_000, 9), level(990, 9), level(980, 9)]);
    book.snapshot_levels(
        Side::Sell,
        &[level(1_001, 9), level(1_010, 9), level(1_020, 9)],
    );
    assert_eq!(book.snapshot_end(MonoNs(1)), BookChange::default());
    quiet(&mut book, 11);
    assert_eq!(
        (book.stats().refreshes, book.edge(Side::Buy)),
        (0, Some(Price(990)))
    );
    quiet(&mut book, 12);
    assert_eq!(
        (book.stats().refreshes, book.edge(Side::Buy)),
        (1, Some(Price(980)))
    );
    let bids: Vec<_> = book.levels(Side::Buy).collect();
    // What was known stays as the differences have it.
    assert_eq!(bids, [level(1_000, 5), level(990, 5), level(980, 9)]);
    let asks: Vec<_> = book.levels(Side::Sell).collect();
    assert_eq!(asks, [level(1_001, 5), level(1_010, 5), level(1_020, 9)]);
}

#[test]
fn a_wider_snapshot_of_a_version_that_is_not_held_any_more_is_rejected() {
    // Everything after id 10 is held from here on.
    for (id, rejected) in [(9, 1), (10, 0), (11, 0)] {
        let mut book = synced();
        begin(&mut book, 10, false);
        let change = begin(&mut book, id, false);
        assert_eq!(change, BookChange::default());
        assert_eq!(book.stats().snapshots_rejected, rejected, "{id}");
    }
    let mut book = synced();
    begin(&mut book, 10, false);
    for rejected in 1..=2 {
        begin(&mut book, 10, false);
        begin(&mut book, 9, false);
        assert_eq!(book.stats().snapshots_rejected, rejected);
    }
}

#[test]
fn what_is_held_beside_a_running_book_gives_way_and_is_counted() {
    let mut book = synced();
    begin(&mut book, 10, false);
    for id in 11..=15 {
        quiet(&mut book, id);
    }
    assert_eq!(book.stats().held_dropped, 2);
    quiet(&mut book, 16);
    quiet(&mut book, 17);
    assert_eq!(book.stats().held_dropped, 4);
}

#[test]
fn a_wider_snapshot_shows_the_best_that_nobody_knew() {
    let mut book = synced();
    // The best ask goes, and what is beyond the known range is not known to be there.
    differ(&mut book, 11, &[], &[level(1_001, 0), level(1_010, 0)], 1);
    begin(&mut book, 11, false);
    book.snapshot_levels(Side::Sell, &[level(1_015, 9)]);
    let change = book.snapshot_end(MonoNs(1));
    assert!(change.top_changed, "there is a best ask again");
    assert_eq!(book.best_ask(), Some(level(1_015, 9)));
    assert_eq!(book.state(), BookState::Synced);
}

#[test]
fn a_refresh_that_did_not_end_leaves_nothing_behind() {
    let mut book = synced();
    begin(&mut book, 12, false);
    book.snapshot_levels(Side::Buy, &[level(980, 9)]);
    // Another one begins before it was merged: its levels are of another version.
    begin(&mut book, 12, false);
    book.snapshot_levels(Side::Buy, &[level(975, 9)]);
    book.snapshot_end(MonoNs(1));
    quiet(&mut book, 11);
    quiet(&mut book, 12);
    let bids: Vec<_> = book.levels(Side::Buy).collect();
    assert_eq!(bids, [level(1_000, 5), level(990, 5), level(975, 9)]);
}

#[test]
fn a_quiet_call_moves_both_windows() {
    let mut book = synced();
    // Both bests end in the middle of their windows of 256 ticks.
    let bids = [level(960, 5), level(1_000, 0), level(990, 0)];
    let asks = [level(1_024, 5), level(1_001, 0), level(1_010, 0)];
    differ(&mut book, 11, &bids, &asks, 1);
    assert_eq!((book.bids.base, book.asks.base), (-1_088, 896));
    book.settle();
    assert_eq!((book.bids.base, book.asks.base), (-1_024, 960));
}

#[test]
fn a_wider_snapshot_that_crosses_the_book_breaks_it() {
    let mut book = synced();
    differ(&mut book, 11, &[], &[level(1_001, 0), level(1_010, 0)], 1);
    begin(&mut book, 11, false);
    book.snapshot_levels(Side::Buy, &[level(1_000, 5), level(990, 5), level(980, 5)]);
    book.snapshot_levels(Side::Sell, &[level(995, 9), level(1_015, 9)]);
    assert_eq!(
        book.state(),
        BookState::Synced,
        "unknown levels do not count"
    );
    let change = book.snapshot_end(MonoNs(1));
    assert_eq!(
        book.state(),
        BookState::Synced,
        "995 is within what differences tell"
    );
    assert_eq!(book.best_ask(), Some(level(1_015, 9)));
    assert!(change.top_changed);
    // A bid beyond the known range of bids, at an ask that stands.
    let mut book = synced();
    differ(&mut book, 11, &[level(1_000, 0), level(990, 0)], &[], 1);
    differ(&mut book, 12, &[], &[level(970, 4)], 1);
    begin(&mut book, 12, false);
    book.snapshot_levels(Side::Buy, &[level(980, 9)]);
    book.snapshot_levels(Side::Sell, &[level(1_010, 5)]);
    let change = book.snapshot_end(MonoNs(1));
    let broken = (BookState::Synced, BookState::Stale, BookReason::Crossed);
    assert_eq!(change.transition, Some(broken));
    assert!(change.wants_snapshot && change.top_changed);
}

#[test]
fn a_wider_snapshot_with_what_is_no_level_leaves_the_running_book_alone() {
    let mut book = synced();
    begin(&mut book, 10, false);
    book.snapshot_levels(Side::Buy, &[level(980, 0)]);
    assert_eq!(book.snapshot_end(MonoNs(1)), BookChange::default());
    assert_eq!(book.stats().snapshots_rejected, 1);
    assert_eq!(
        (book.state(), book.edge(Side::Buy)),
        (BookState::Synced, Some(Price(990)))
    );
    // The next one is welcome at once.
    begin(&mut book, 10, false);
    book.snapshot_levels(Side::Buy, &[level(980, 9)]);
    book.snapshot_end(MonoNs(1));
    assert_eq!(
        (book.stats().refreshes, book.edge(Side::Buy)),
        (1, Some(Price(980)))
    );
}

#[test]
fn a_wider_snapshot_whose_differences_gave_way_while_it_came_is_rejected() {
    let mut book = synced();
    begin(&mut book, 10, false);
    // The hold takes four: by the fifth, two have gone, and id 10 does not join the rest.
    for id in 11..=15 {
        quiet(&mut book, id);
    }
    book.snapshot_levels(Side::Buy, &[level(980, 9)]);
    book.snapshot_end(MonoNs(1));
    assert_eq!(
        (book.stats().refreshes, book.stats().snapshots_rejected),
        (0, 1)
    );
    assert_eq!(
        (book.state(), book.edge(Side::Buy)),
        (BookState::Synced, Some(Price(990)))
    );
}

/// What a book says after its bytes were read back.
fn read_back(book: &Book) -> Book {
    let mut bytes = Vec::new();
    book.save(&mut bytes);
    let mut next = self::book();
    assert_eq!(next.load(&bytes), Ok(bytes.len()));
    let mut again = Vec::new();
    next.save(&mut again);
    assert!(bytes == again, "what was loaded is what was saved");
    next
}

#[test]
fn a_checkpoint_in_the_middle_of_a_snapshot_goes_on_where_it_was() {
    // It arrives.
    let mut book = book();
    begin(&mut book, 10, false);
    book.snapshot_levels(Side::Buy, &[level(1_000, 5)]);
    let mut next = read_back(&book);
    for one in [&mut book, &mut next] {
        one.snapshot_levels(Side::Sell, &[level(1_001, 5)]);
        assert!(!one.snapshot_end(MonoNs(1)).applied);
    }
    // It waits for its first difference.
    let mut next = read_back(&book);
    for one in [&mut book, &mut next] {
        assert!(quiet(one, 10).applied);
        assert_eq!(one.best_bid(), Some(level(1_000, 5)));
    }
}

#[test]
fn bytes_that_are_no_saved_book_are_refused() {
    let mut bytes = Vec::new();
    synced().save(&mut bytes);
    let load = |bytes: &[u8]| book().load(bytes);
    let mut other = bytes.clone();
    other[0] = 77;
    assert_eq!(load(&other), Err(CodecError::BadDiscriminant(77)));
    for length in 0..bytes.len() {
        assert!(load(&bytes[..length]).is_err(), "{length} bytes");
    }
    // A smaller book than the one that was saved has no room for its far levels.
    let mut far = book();
    let levels: Vec<_> = (0..6).map(|step| level(900 - 100 * step, 5)).collect();
    let many = BookConfig {
        far_levels_max: 64,
        ..config()
    };
    let mut large = Book::new(&many, ID, Market::UsdM);
    snapshot(&mut large, 10, &levels, &[level(1_001, 5)]);
    bytes.clear();
    large.save(&mut bytes);
    assert_eq!(far.load(&bytes), Err(CodecError::TooLong));
}
