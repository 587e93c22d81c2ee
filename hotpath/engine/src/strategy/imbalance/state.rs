//! What `imbalance` remembers between events.
//!
//! In: its own decisions. Out: a state that a checkpoint carries. Never: parameters, and nothing
//! that the position or the order table knows already.

use crate::strategy::Purpose;
use market::{MonoNs, Price, Quantity, Side, wire_struct};

wire_struct! {
    /// What `imbalance` remembers.
    #[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
    pub struct ImbalanceState {
        /// Side, price and full size of the entry that is wanted; `None` without.
        pub quote: Option<Quote>,
        /// When the present trade began; `None` while flat.
        pub opened_at: Option<MonoNs>,
        /// Why the present trade is being closed; stays until it is flat.
        pub exit: Option<Purpose>,
        /// No entry before.
        pub pause_until: MonoNs,
    }
}

wire_struct! {
    /// An entry in the making.
    #[derive(Clone, Copy, Debug, PartialEq, Eq)]
    pub struct Quote {
        /// Side.
        pub side: Side,
        /// Limit price.
        pub price: Price,
        /// Size of the whole position that is wanted.
        pub target: Quantity,
    }
}
