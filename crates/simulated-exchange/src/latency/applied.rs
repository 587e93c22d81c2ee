//! The exchange under latency: when what it is asked arrives, when its answers leave.
//!
//! In: delays. Out: due times on the exchange's steady clock. Never: a wait.

use market::Market;

use super::{Latency, Sampler};
use crate::exchange::Exchange;

impl Exchange {
    /// Delays what is made and read from now on; what waits already keeps its time.
    pub fn set_latency(&mut self, latency: Latency) {
        self.delays.set(latency);
        for market in [Market::UsdM, Market::Spot] {
            let outlet = self.delays.outlet(market);
            self.floor_mut(market).hub.set_outlet(outlet);
        }
        self.stamp();
    }

    /// Goes back to the latency of the start.
    pub fn reset_latency(&mut self) {
        self.set_latency(self.delays.at_start.clone());
    }

    /// When a request that is read now arrives; at once without a delay.
    pub fn request_due_ns(&mut self) -> Option<i64> {
        let due_ns = due_ns(&mut self.delays.order, self.clock.steady_ns())?;
        self.delays.requests += 1;
        Some(due_ns)
    }

    /// When the answer to a REST call that is made now leaves; at once without a delay.
    pub fn reply_due_ns(&mut self) -> Option<i64> {
        due_ns(&mut self.delays.reply, self.clock.steady_ns())
    }

    /// What is made from now on is made at this time.
    pub(crate) fn stamp(&mut self) {
        if self.delays.latency == Latency::default() {
            return;
        }
        let clock = self.clock;
        self.usdm.hub.stamp(clock);
        self.spot.hub.stamp(clock);
    }
}

fn due_ns(sampler: &mut Sampler, now_ns: i64) -> Option<i64> {
    (!sampler.is_none()).then(|| now_ns + sampler.next_ns())
}
