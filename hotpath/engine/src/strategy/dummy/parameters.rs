//! Parameters of `dummy`.
//!
//! In: settings. Out: plain numbers. Never: a change but by an input of the engine.

use market::{Money, Rate, wire_struct};

wire_struct! {
    /// How `dummy` behaves.
    #[derive(Clone, Copy, Debug, PartialEq, Eq)]
    pub struct DummyParameters {
        /// Time from one order to the next.
        pub interval_ns: u64,
        /// How long each rests before it is cancelled; less than the interval.
        pub rest_ns: u64,
        /// Notional of each order; raised to the exchange's minimum where it is less.
        pub order_notional: Money,
        /// Distance from the touch, as a share.
        pub distance: Rate,
    }
}

impl Default for DummyParameters {
    fn default() -> Self {
        Self {
            interval_ns: 1_000_000_000,
            rest_ns: 500_000_000,
            order_notional: Money::from_whole(200),
            distance: Rate(200_000),
        }
    }
}
