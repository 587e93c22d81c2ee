//! Differences held while a snapshot is under way.
//!
//! In: differences of one unbroken chain. Out: the same, in order. Never: more than it was made
//! for; the oldest give way, because a snapshot that is still to come is newer than they are.

use market::event::DepthHeader;
use market::{DepthUpdate, Level};

/// A bounded queue of differences.
#[derive(Debug, Default)]
pub(super) struct Hold {
    updates: Vec<Held>,
    levels: Vec<Level>,
    updates_max: usize,
    levels_max: usize,
    /// Every difference after this id that was seen is held.
    since: u64,
}

#[derive(Clone, Copy, Debug)]
struct Held {
    header: DepthHeader,
    bids: usize,
    asks: usize,
}

impl Hold {
    pub(super) fn new(updates_max: usize, levels_max: usize) -> Self {
        Self {
            updates: Vec::with_capacity(updates_max),
            levels: Vec::with_capacity(levels_max),
            updates_max,
            levels_max,
            since: 0,
        }
    }

    /// Empties the hold; what comes after `since` is held from now on.
    pub(super) fn restart(&mut self, since: u64) {
        self.updates.clear();
        self.levels.clear();
        self.since = since;
    }

    pub(super) fn since(&self) -> u64 {
        self.since
    }

    /// Header of the newest held difference.
    pub(super) fn newest(&self) -> Option<&DepthHeader> {
        self.updates.last().map(|held| &held.header)
    }

    /// Adds a difference and returns how many had to go for want of room.
    pub(super) fn push(&mut self, update: &DepthUpdate<'_>) -> u64 {
        let needed = update.bids.len().saturating_add(update.asks.len());
        let mut dropped = 0;
        if needed > self.levels_max || self.updates_max == 0 {
            dropped = self.updates.len() as u64 + 1;
            self.restart(update.header.last_update_id.0);
            return dropped;
        }
        if self.updates.len() == self.updates_max || self.levels.len() + needed > self.levels_max {
            dropped = self.drop_oldest(needed);
        }
        self.levels.extend_from_slice(update.bids);
        self.levels.extend_from_slice(update.asks);
        self.updates.push(Held {
            header: update.header,
            bids: update.bids.len(),
            asks: update.asks.len(),
        });
        dropped
    }

    /// Makes room for one more difference of `needed` levels. At least half of the hold is freed,
    /// so that the moving of the rest is paid seldom.
    fn drop_oldest(&mut self, needed: usize) -> u64 {
        let mut updates = 0;
        let mut levels = 0;
        for held in &self.updates {
            let room = self.levels_max - (self.levels.len() - levels);
            if room >= needed && updates * 2 >= self.updates.len() {
                break;
            }
            updates += 1;
            levels += held.bids + held.asks;
            self.since = held.header.last_update_id.0;
        }
        self.updates.drain(..updates);
        self.levels.drain(..levels);
        updates as u64
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = DepthUpdate<'_>> {
        let mut rest = self.levels.as_slice();
        self.updates.iter().map(move |held| {
            let (bids, after) = rest.split_at(held.bids);
            let (asks, after) = after.split_at(held.asks);
            rest = after;
            DepthUpdate {
                header: held.header,
                bids,
                asks,
            }
        })
    }

    pub(super) fn len(&self) -> usize {
        self.updates.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use market::{InstrumentId, Price, Quantity, UpdateId, UtcMs};

    fn header(id: u64) -> DepthHeader {
        DepthHeader {
            instrument: InstrumentId(0),
            first_update_id: UpdateId(id),
            last_update_id: UpdateId(id),
            previous_update_id: UpdateId(id - 1),
            event_time: UtcMs(0),
            transaction_time: UtcMs(0),
        }
    }

    #[test]
    fn the_oldest_give_way_and_the_rest_stays_whole() {
        let level = Level {
            price: Price(1),
            quantity: Quantity(1),
        };
        let mut hold = Hold::new(4, 10);
        hold.restart(0);
        for id in 1..=9 {
            let (bids, asks) = (vec![level; id as usize % 3], vec![level; 1]);
            hold.push(&DepthUpdate {
                header: header(id),
                bids: &bids,
                asks: &asks,
            });
            let held: Vec<_> = hold.iter().collect();
            assert!(held.len() <= 4 && held.iter().all(|one| one.asks.len() == 1));
            assert_eq!(held[0].header.last_update_id.0, hold.since() + 1);
            for one in &held {
                assert_eq!(one.bids.len() as u64, one.header.last_update_id.0 % 3);
            }
            assert_eq!(hold.newest(), Some(&header(id)));
        }
        let large = vec![level; 11];
        let update = DepthUpdate {
            header: header(10),
            bids: &large,
            asks: &[],
        };
        assert!(hold.push(&update) > 0);
        assert_eq!((hold.len(), hold.since()), (0, 10));
    }

    /// A hold of ten levels with five differences of two levels each: full to the last one.
    fn full() -> Hold {
        let mut hold = Hold::new(100, 10);
        for id in 1..=5 {
            assert_eq!(push(&mut hold, id, 2), 0, "{id} has room");
        }
        hold
    }

    fn push(hold: &mut Hold, id: u64, levels: usize) -> u64 {
        let level = Level {
            price: Price(1),
            quantity: Quantity(1),
        };
        hold.push(&DepthUpdate {
            header: header(id),
            bids: &vec![level; levels],
            asks: &[],
        })
    }

    #[test]
    fn half_of_it_gives_way_or_as_much_as_is_needed() {
        for (levels, dropped) in [(1, 3), (2, 3), (6, 3), (7, 4), (8, 4), (9, 5), (10, 5)] {
            let mut hold = full();
            assert_eq!(push(&mut hold, 6, levels), dropped, "{levels} levels");
            assert_eq!((hold.len(), hold.since()), (6 - dropped as usize, dropped));
        }
        let mut hold = full();
        assert_eq!(
            push(&mut hold, 6, 11),
            6,
            "it cannot be held, nor what is before it"
        );
        assert_eq!((hold.len(), hold.since()), (0, 6));
        let mut none = Hold::new(0, 10);
        assert_eq!(push(&mut none, 1, 1), 1);
    }
}
