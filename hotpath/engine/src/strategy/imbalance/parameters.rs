//! Parameters of `imbalance`.
//!
//! In: settings. Out: plain numbers. Never: a change but by an input of the engine.

use market::{Money, Rate, wire_enum, wire_struct};

wire_struct! {
    /// How `imbalance` behaves.
    #[derive(Clone, Copy, Debug, PartialEq, Eq)]
    pub struct ImbalanceParameters {
        /// Buys above this ratio of bid to ask quantity.
        pub buy_above: Rate,
        /// Sells below it.
        pub sell_below: Rate,
        /// Notional of an entry.
        pub order_notional: Money,
        /// Profit target, as a share of the entry price.
        pub take_profit: Rate,
        /// Stop, as a share of the entry price; at once, at any age.
        pub stop_loss: Rate,
        /// Age before the signal may close a trade.
        pub signal_exit_after_ns: u64,
        /// Age at which a trade is closed.
        pub time_exit_after_ns: u64,
        /// Pause after a trade.
        pub cooldown_ns: u64,
        /// Pause after an entry order that ended without a fill.
        pub retry_after_ns: u64,
        /// Maker or taker.
        pub entry: EntryStyle,
        /// A maker entry follows the touch once it is this far away.
        pub reprice_ticks: i64,
        /// How far a taker entry or an exit may reach past the touch.
        pub taker_collar: Rate,
        /// What a signal against the position does.
        pub on_flip: FlipPolicy,
        /// What happens to the rest of a partly filled entry.
        pub on_partial_entry: PartialEntry,
    }
}

wire_enum! {
    /// How a position is entered.
    pub enum EntryStyle {
        /// Post-only at the touch, repriced while the signal holds, cancelled when it goes.
        Maker = "maker",
        /// Immediate-or-cancel with a collar.
        Taker = "taker",
    }
}

wire_enum! {
    /// What a signal against the position does once the trade is old enough.
    pub enum FlipPolicy {
        /// Closes it; the pause after a trade applies.
        Exit = "exit",
        /// Closes it and enters the other side without a pause.
        Reverse = "reverse",
        /// Leaves it to profit target, stop and time.
        Hold = "hold",
    }
}

wire_enum! {
    /// What happens to the rest of a partly filled entry.
    pub enum PartialEntry {
        /// It goes on working while the signal holds.
        Complete = "complete",
        /// It is given up; what has filled is the trade.
        Keep = "keep",
    }
}

impl Default for ImbalanceParameters {
    fn default() -> Self {
        Self {
            buy_above: Rate(300_000_000),
            sell_below: Rate(33_000_000),
            order_notional: Money::from_whole(1_000),
            take_profit: Rate(200_000),
            stop_loss: Rate(150_000),
            signal_exit_after_ns: 5_000_000_000,
            time_exit_after_ns: 60_000_000_000,
            cooldown_ns: 1_000_000_000,
            retry_after_ns: 250_000_000,
            entry: EntryStyle::Maker,
            reprice_ticks: 1,
            taker_collar: Rate(50_000),
            on_flip: FlipPolicy::Exit,
            on_partial_entry: PartialEntry::Complete,
        }
    }
}
