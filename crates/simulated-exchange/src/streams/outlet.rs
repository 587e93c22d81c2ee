//! When the frames of one market's connections leave, where latency delays them.
//!
//! In: the time at which a frame is made, its part of the latency. Out: when it is due. Never: a
//! wait; the connection's queue keeps the order, whatever is due first.

use crate::clock::Clock;
use crate::latency::{Part, Sampler};

/// Delays of a market's frames.
#[derive(Clone, Debug)]
pub struct Outlet {
    feed: Sampler,
    response: Sampler,
    /// When what is made now is made, on the steady clock.
    now_ns: i64,
    /// What the steady clock is ahead of UTC.
    ahead_ns: i64,
}

impl Outlet {
    /// An outlet, if it delays anything.
    #[must_use]
    pub fn new(feed: Sampler, response: Sampler) -> Option<Self> {
        let delays = !feed.is_none() || !response.is_none();
        delays.then_some(Self {
            feed,
            response,
            now_ns: 0,
            ahead_ns: 0,
        })
    }

    /// What follows is made now.
    pub fn stamp(&mut self, clock: Clock) {
        self.now_ns = clock.steady_ns();
        self.ahead_ns = clock.set_back_ns();
    }

    /// What follows was made at this UTC.
    pub fn made_at(&mut self, utc_ns: i64) {
        self.now_ns = utc_ns + self.ahead_ns;
    }

    /// When a frame that is made now is due; nothing when it may leave at once.
    pub fn due_ns(&mut self, part: Part) -> Option<i64> {
        let sampler = match part {
            Part::Feed => &mut self.feed,
            Part::Order | Part::Response => &mut self.response,
        };
        (!sampler.is_none()).then(|| self.now_ns + sampler.next_ns())
    }
}
