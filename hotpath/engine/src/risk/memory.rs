//! What of the breakers outlives the process.
//!
//! In: the state of one engine. Out: the same for the next one. Never: a fresh allowance by a
//! restart.

use market::{InstrumentId, Money, UtcMs, wire_struct};

wire_struct! {
    /// The measures and latches of the account.
    ///
    /// Profit counts from a start, so marks are told less what was realised until then: the next
    /// start has realised nothing, and values what is still held from its entry price as before.
    #[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
    pub struct BreakerMemory {
        /// Number of the trade day; `None` before the first clock sample.
        pub day: Option<i64>,
        /// Profit at the start of the trade day, less the realised one.
        pub day_start: Money,
        /// Largest profit, less the realised one.
        pub high_water: Money,
        /// Deepest level of the drawdown since the high-water mark.
        pub level: u8,
        /// Losing trades in a row.
        pub loss_streak: u32,
        /// Latched breakers, a set of [`market::Breaker::bit`].
        pub tripped: u32,
        /// Strategies that are latched off, by bit.
        pub latched_strategies: u32,
    }
}

wire_struct! {
    /// The pause of one instrument after a stop.
    #[derive(Clone, Copy, Debug, PartialEq, Eq)]
    pub struct Cooldown {
        /// Which.
        pub instrument: InstrumentId,
        /// Nothing is opened before.
        pub until: UtcMs,
    }
}
