//! Whether ids chain: the rules of both markets.
//!
//! In: the version of a book or snapshot, the header of a difference. Out: a verdict. Never: a
//! look at levels.
//!
//! | | futures | spot |
//! |---|---|---|
//! | older than the snapshot L | `u < L` | `u < L` |
//! | joins the snapshot | `U <= L <= u`, or `pu == L` | `U <= L + 1`, `u >= L` |
//! | next in the chain | `pu == u` of the one before | `U == u + 1` of the one before |
//!
//! Binance's texts let a spot difference with `u == L` be dropped; applying it is the same (its
//! quantities are absolute and of version L) and proves the join one event earlier.

use market::Market;
use market::event::DepthHeader;
use market::reason::BookReason;

/// How a difference stands to the chain.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Next {
    /// It continues the chain.
    Continues,
    /// It is the one applied last, once more.
    Duplicate,
    /// It does not continue the chain.
    Broken(BookReason),
}

/// How a difference stands to a snapshot.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Join {
    /// The snapshot contains it.
    Older,
    /// The book of the snapshot plus this difference is the book after it.
    Joins,
    /// Differences between the snapshot and this one are missing.
    TooNew,
}

pub(super) fn next(market: Market, last: &DepthHeader, header: &DepthHeader) -> Next {
    let expected = last.last_update_id.0;
    let newer = header.last_update_id.0 > expected && is_ordered(header);
    let continues = match market {
        Market::UsdM => header.previous_update_id.0 == expected,
        Market::Spot => expected.checked_add(1) == Some(header.first_update_id.0),
    };
    if newer && continues {
        return Next::Continues;
    }
    let same = header.last_update_id == last.last_update_id
        && header.first_update_id == last.first_update_id
        && header.previous_update_id == last.previous_update_id;
    if same {
        return Next::Duplicate;
    }
    let skipped = match market {
        Market::UsdM => header.previous_update_id.0 > expected,
        Market::Spot => header.first_update_id.0 > expected,
    };
    Next::Broken(if newer && skipped {
        BookReason::Gap
    } else {
        BookReason::Rewind
    })
}

pub(super) fn join(market: Market, snapshot: u64, header: &DepthHeader) -> Join {
    if header.last_update_id.0 < snapshot {
        return Join::Older;
    }
    let first = header.first_update_id.0;
    let joins = match market {
        Market::UsdM => first <= snapshot || header.previous_update_id.0 == snapshot,
        Market::Spot => first <= snapshot.saturating_add(1),
    };
    if joins && is_ordered(header) {
        Join::Joins
    } else {
        Join::TooNew
    }
}

fn is_ordered(header: &DepthHeader) -> bool {
    header.first_update_id <= header.last_update_id
}

#[cfg(test)]
mod tests {
    use super::*;
    use market::{InstrumentId, UpdateId, UtcMs};

    fn header((first, last, previous): (u64, u64, u64)) -> DepthHeader {
        DepthHeader {
            instrument: InstrumentId(0),
            first_update_id: UpdateId(first),
            last_update_id: UpdateId(last),
            previous_update_id: UpdateId(previous),
            event_time: UtcMs(0),
            transaction_time: UtcMs(0),
        }
    }

    #[test]
    fn chains_follow_the_rules_of_their_market() {
        let gap = Next::Broken(BookReason::Gap);
        let rewind = Next::Broken(BookReason::Rewind);
        let futures = [
            ((105, 110, 100), Next::Continues),
            ((105, 110, 101), gap),
            ((101, 110, 99), rewind),
            ((90, 100, 80), Next::Duplicate),
            ((91, 100, 80), rewind),
            ((81, 85, 79), rewind),
            ((95, 100, 101), rewind),
            ((110, 105, 100), rewind),
            ((u64::MAX, u64::MAX, u64::MAX), gap),
            ((0, 0, 0), rewind),
        ];
        for (ids, expected) in futures {
            let found = next(Market::UsdM, &header((90, 100, 80)), &header(ids));
            assert_eq!(found, expected, "{ids:?}");
        }
        let spot = [
            ((101, 110, 0), Next::Continues),
            ((102, 110, 0), gap),
            ((100, 110, 0), rewind),
            ((101, 100, 0), rewind),
            ((90, 100, 0), Next::Duplicate),
            ((81, 85, 0), rewind),
        ];
        for (ids, expected) in spot {
            let found = next(Market::Spot, &header((90, 100, 0)), &header(ids));
            assert_eq!(found, expected, "{ids:?}");
        }
    }

    #[test]
    fn snapshots_join_by_the_rules_of_their_market() {
        let futures = [
            ((90, 99, 80), Join::Older),
            ((90, 100, 80), Join::Joins),
            ((100, 110, 95), Join::Joins),
            ((105, 110, 100), Join::Joins),
            ((101, 110, 99), Join::TooNew),
            ((103, 110, 102), Join::TooNew),
        ];
        for (ids, expected) in futures {
            assert_eq!(join(Market::UsdM, 100, &header(ids)), expected, "{ids:?}");
        }
        let spot = [
            ((90, 99, 0), Join::Older),
            ((90, 100, 0), Join::Joins),
            ((90, 105, 0), Join::Joins),
            ((101, 105, 0), Join::Joins),
            ((102, 105, 0), Join::TooNew),
        ];
        for (ids, expected) in spot {
            assert_eq!(join(Market::Spot, 100, &header(ids)), expected, "{ids:?}");
        }
    }
}
