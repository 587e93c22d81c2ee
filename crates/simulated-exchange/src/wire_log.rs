//! Wire to wire, seen from the exchange: when frames were written and when orders came.
//!
//! In: write times of market frames, read times of orders. Out: the time between the two.
//! Never: growth beyond its bound.

use std::collections::{HashMap, VecDeque};

use market::Market;

use crate::streams::hub::FrameKey;

/// Frames and orders that are remembered.
const REMEMBERED_MAX: usize = 200_000;

/// A map that forgets its oldest entries.
struct Recent<K> {
    times: HashMap<K, i64>,
    order: VecDeque<K>,
}

impl<K: Clone + Eq + std::hash::Hash> Recent<K> {
    fn new() -> Self {
        Self {
            times: HashMap::new(),
            order: VecDeque::new(),
        }
    }

    /// Keeps the first time of each key.
    fn note(&mut self, key: K, time_ns: i64) {
        if self.times.contains_key(&key) {
            return;
        }
        if self.order.len() == REMEMBERED_MAX
            && let Some(oldest) = self.order.pop_front()
        {
            self.times.remove(&oldest);
        }
        self.order.push_back(key.clone());
        self.times.insert(key, time_ns);
    }
}

/// Both ends of the wire.
pub struct WireLog {
    frames: Recent<(Market, FrameKey)>,
    orders: Recent<String>,
}

impl Default for WireLog {
    fn default() -> Self {
        Self {
            frames: Recent::new(),
            orders: Recent::new(),
        }
    }
}

impl WireLog {
    /// A frame was written.
    pub fn frame_written(&mut self, market: Market, key: FrameKey, time_ns: i64) {
        self.frames.note((market, key), time_ns);
    }

    /// An order's request was read.
    pub fn order_arrived(&mut self, client_order_id: &str, time_ns: i64) {
        self.orders.note(client_order_id.to_owned(), time_ns);
    }

    /// Nanoseconds from the write of the frame to the arrival of the order.
    #[must_use]
    pub fn between(&self, market: Market, key: FrameKey, client_order_id: &str) -> Option<i64> {
        let written = self.frames.times.get(&(market, key))?;
        let arrived = self.orders.times.get(client_order_id)?;
        Some(arrived - written)
    }
}
