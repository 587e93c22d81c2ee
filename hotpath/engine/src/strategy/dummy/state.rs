//! What `dummy` remembers between events.
//!
//! In: its own decisions. Out: a state that a checkpoint carries. Never: parameters.

use market::{MonoNs, Price, Quantity, Side, wire_struct};

wire_struct! {
    /// What `dummy` remembers.
    #[derive(Clone, Copy, Debug, PartialEq, Eq)]
    pub struct DummyState {
        /// When the next order is due.
        pub next_at: MonoNs,
        /// Until when the present one rests; 0 without.
        pub rests_until: MonoNs,
        /// Side of the present or next one.
        pub side: Side,
        /// Price of the present one.
        pub price: Price,
        /// Quantity of the present one.
        pub quantity: Quantity,
    }
}

impl Default for DummyState {
    fn default() -> Self {
        Self {
            next_at: MonoNs(0),
            rests_until: MonoNs(0),
            side: Side::Buy,
            price: Price(0),
            quantity: Quantity(0),
        }
    }
}
