//! Depth differences at a cadence: as they come, or collected over a period.
//!
//! In: differences. Out: differences with continuous ids (`pu` is the last `u` that this cadence
//! sent). Never: a change that is lost between two events.

use std::collections::BTreeMap;

use market::event::DepthHeader;
use market::{Level, Price, Quantity, UpdateId, UtcMs};

use crate::feed::DepthChange;

/// One speed of one instrument's depth stream.
#[derive(Debug)]
pub struct Cadence {
    period_ns: Option<i64>,
    next_ns: i64,
    previous_id: u64,
    pending: Option<Pending>,
}

#[derive(Debug)]
struct Pending {
    header: DepthHeader,
    bids: BTreeMap<i64, i64>,
    asks: BTreeMap<i64, i64>,
}

impl Cadence {
    /// A cadence that starts behind `last_id`; without a period every difference is sent.
    #[must_use]
    pub fn new(period_ns: Option<i64>, last_id: UpdateId) -> Self {
        Self {
            period_ns,
            next_ns: 0,
            previous_id: last_id.0,
            pending: None,
        }
    }

    /// Takes a difference; returns one to send when there is no period.
    pub fn add(&mut self, change: &DepthChange) -> Option<DepthChange> {
        if self.period_ns.is_none() {
            let mut sent = change.clone();
            sent.header.previous_update_id = UpdateId(self.previous_id);
            self.previous_id = sent.header.last_update_id.0;
            return Some(sent);
        }
        let pending = self.pending.get_or_insert_with(|| Pending {
            header: change.header,
            bids: BTreeMap::new(),
            asks: BTreeMap::new(),
        });
        pending.header.last_update_id = change.header.last_update_id;
        collect(&mut pending.bids, &change.bids);
        collect(&mut pending.asks, &change.asks);
        None
    }

    /// What was collected, once its period is over.
    pub fn flush(&mut self, now_ns: i64) -> Option<DepthChange> {
        let period_ns = self.period_ns?;
        if now_ns < self.next_ns {
            return None;
        }
        // Stay on the grid, unless the clock is far ahead of it.
        self.next_ns = (self.next_ns + period_ns).max(now_ns - period_ns);
        let pending = self.pending.take()?;
        let mut header = pending.header;
        header.previous_update_id = UpdateId(self.previous_id);
        header.event_time = UtcMs(now_ns.div_euclid(1_000_000));
        self.previous_id = header.last_update_id.0;
        Some(DepthChange {
            header,
            bids: levels(pending.bids),
            asks: levels(pending.asks),
        })
    }

    /// When the next period ends.
    #[must_use]
    pub fn next_flush_ns(&self) -> Option<i64> {
        self.period_ns.map(|_| self.next_ns)
    }
}

fn collect(into: &mut BTreeMap<i64, i64>, levels: &[Level]) {
    into.extend(levels.iter().map(|level| (level.price.0, level.quantity.0)));
}

fn levels(map: BTreeMap<i64, i64>) -> Vec<Level> {
    map.into_iter()
        .map(|(price, quantity)| Level {
            price: Price(price),
            quantity: Quantity(quantity),
        })
        .collect()
}
