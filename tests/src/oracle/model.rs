//! A book of one side's levels in a BTreeMap each, kept by the letter of the exchange's rules.
//!
//! In: reference differences and snapshots in order of arrival. Out: levels, and up to which price
//! they are known. Never: speed; a snapshot replays every difference that it remembers.

use super::reference::{Depth, Pair, Snapshot};
use market::Market;
use std::collections::{BTreeMap, VecDeque};

/// Differences that are remembered for a snapshot that comes late.
const REMEMBERED: usize = 4_000;

/// One instrument's book.
pub struct Model {
    market: Market,
    /// Price in ticks to lots.
    pub bids: BTreeMap<i64, i64>,
    /// Price in ticks to lots.
    pub asks: BTreeMap<i64, i64>,
    /// Lowest bid and highest ask up to which a missing level is known to be missing.
    pub known: Option<(i64, i64)>,
    /// Usable: the stream has joined a snapshot and did not break since.
    pub synced: bool,
    last: Option<Depth>,
    recent: VecDeque<Depth>,
    waiting: Option<Snapshot>,
}

impl Model {
    /// Nothing yet.
    #[must_use]
    pub fn new(market: Market) -> Self {
        Self {
            market,
            bids: BTreeMap::new(),
            asks: BTreeMap::new(),
            known: None,
            synced: false,
            last: None,
            recent: VecDeque::new(),
            waiting: None,
        }
    }

    /// Takes a difference; false when it does not continue the chain.
    pub fn apply(&mut self, depth: &Depth) -> bool {
        let chained = match &self.last {
            None => true,
            Some(last) if self.market == Market::UsdM => depth.previous == last.last,
            Some(last) => depth.first == last.last + 1,
        };
        if !chained {
            self.synced = false;
            self.known = None;
            self.recent.clear();
            self.waiting = None;
        }
        self.last = Some(depth.clone());
        if self.recent.len() == REMEMBERED {
            self.recent.pop_front();
        }
        self.recent.push_back(depth.clone());
        if self.synced {
            write(&mut self.bids, &depth.bids);
            write(&mut self.asks, &depth.asks);
        }
        self.try_join();
        chained
    }

    /// Takes a snapshot.
    pub fn snapshot(&mut self, snapshot: Snapshot) {
        self.waiting = Some(snapshot);
        self.try_join();
    }

    /// Rebuilds the book from the waiting snapshot, once the stream has reached it.
    fn try_join(&mut self) {
        let (Some(snapshot), Some(last)) = (&self.waiting, &self.last) else {
            return;
        };
        let id = snapshot.last_update_id;
        if last.last < id {
            return;
        }
        let Some(first) = self.recent.iter().find(|depth| depth.last >= id) else {
            return;
        };
        let joins = match self.market {
            Market::UsdM => first.first <= id || first.previous == id,
            Market::Spot => first.first <= id + 1,
        };
        // A running chain also proves the join when the differences before it are remembered.
        let chained = self.synced && self.recent.front().is_some_and(|oldest| oldest.last <= id);
        if !joins && !chained {
            self.waiting = None;
            return;
        }
        let mut bids = BTreeMap::new();
        let mut asks = BTreeMap::new();
        write(&mut bids, &snapshot.bids);
        write(&mut asks, &snapshot.asks);
        let reach = (
            bids.first_key_value().map_or(i64::MAX, |(price, _)| *price),
            asks.last_key_value().map_or(i64::MIN, |(price, _)| *price),
        );
        for depth in self.recent.iter().filter(|depth| depth.last >= id) {
            write(&mut bids, &depth.bids);
            write(&mut asks, &depth.asks);
        }
        if let Some((bid, ask)) = self.known {
            // What was known stays known; levels beyond the new snapshot are kept.
            for (price, lots) in self.bids.range(bid..reach.0.max(bid)) {
                bids.insert(*price, *lots);
            }
            let above = reach.1.saturating_add(1);
            for (price, lots) in self.asks.range(above..ask.saturating_add(1).max(above)) {
                asks.insert(*price, *lots);
            }
            self.known = Some((bid.min(reach.0), ask.max(reach.1)));
        } else {
            self.known = Some(reach);
        }
        (self.bids, self.asks) = (bids, asks);
        self.synced = true;
        self.waiting = None;
    }

    /// Best bid and ask, known or not.
    #[must_use]
    pub fn top(&self) -> Option<((i64, i64), (i64, i64))> {
        let bid = self.bids.last_key_value()?;
        let ask = self.asks.first_key_value()?;
        Some(((*bid.0, *bid.1), (*ask.0, *ask.1)))
    }

    /// The best `count` levels of the bids or asks.
    #[must_use]
    pub fn levels(&self, bids: bool, count: usize) -> Vec<(i64, i64)> {
        let copy = |(price, lots): (&i64, &i64)| (*price, *lots);
        if bids {
            self.bids.iter().rev().take(count).map(copy).collect()
        } else {
            self.asks.iter().take(count).map(copy).collect()
        }
    }

    /// Whether a missing level at this price is known to be missing.
    #[must_use]
    pub fn knows(&self, bids: bool, price: i64) -> bool {
        self.known
            .is_some_and(|(bid, ask)| if bids { price >= bid } else { price <= ask })
    }
}

fn write(side: &mut BTreeMap<i64, i64>, levels: &[Pair]) {
    for (price, quantity) in levels {
        if quantity.steps == 0 {
            side.remove(&price.steps);
        } else {
            side.insert(price.steps, quantity.steps);
        }
    }
}
