//! What a trading history is made of beside the fills themselves: decisions with the market at that
//! moment, trades from flat to flat, where the market stood after each fill, balances.
//!
//! In: facts from the engine. Out: parts of journal records. Never: a float; a mid is in half ticks,
//! in which it is always whole.

use crate::ids::{Asset, ClientOrderId, InstrumentId, StrategyId, TradeId};
use crate::order::{AmendOrder, NewOrder, Side};
use crate::reason::ExitReason;
use crate::record::{OldAmendIntent, OldIntent, OldTradeClosed, Record, Trigger};
use crate::units::{Mid, Money, Quantity, UtcMs};
use crate::{wire_enum, wire_struct};

wire_struct! {
    /// An order that passed risk, what triggered it, and where the market stood.
    #[derive(Clone, Copy, Debug, PartialEq, Eq)]
    pub struct Intent {
        /// The order.
        pub order: NewOrder,
        /// The input behind it.
        pub trigger: Trigger,
        /// Between the touches of the book that was decided on; none while it was of no use.
        pub mid: Option<Mid>,
    }
}

wire_struct! {
    /// An amendment that passed risk, what triggered it, and where the market stood.
    #[derive(Clone, Copy, Debug, PartialEq, Eq)]
    pub struct AmendIntent {
        /// The order as it is to be, and as it was.
        pub amend: AmendOrder,
        /// The input behind it.
        pub trigger: Trigger,
        /// As in [`Intent`].
        pub mid: Option<Mid>,
    }
}

wire_enum! {
    /// How a trade began.
    pub enum EntryReason {
        /// An entry order of its strategy filled.
        Order = "ORDER",
        /// The position was there when the start found it, or was taken over later.
        Adopted = "ADOPTED",
    }
}

wire_struct! {
    /// A position of a strategy went back to flat.
    #[derive(Clone, Copy, Debug, PartialEq, Eq)]
    pub struct TradeClosed {
        /// Which instrument.
        pub instrument: InstrumentId,
        /// Whose.
        pub strategy: StrategyId,
        /// Side of the entry.
        pub side: Side,
        /// Largest size held.
        pub quantity: Quantity,
        /// Realised profit before fees.
        pub realized: Money,
        /// Fees of all its fills.
        pub fees: Money,
        /// Time held.
        pub held_ns: u64,
        /// Why it ended.
        pub reason: ExitReason,
        /// From what to what; none of a trade that a version before 5 wrote.
        pub legs: Option<TradeLegs>,
    }
}

wire_struct! {
    /// The two ends of a trade. Average prices are the sums divided by the lots; exact as they are.
    #[derive(Clone, Copy, Debug, PartialEq, Eq)]
    pub struct TradeLegs {
        /// Lots that its entries added, and its exits took.
        pub lots: Quantity,
        /// Sum of price times quantity of the entries, in ticks times lots; positive.
        pub entry_tick_lots: i128,
        /// The same of the exits. Fees that were paid in kind are sold in it.
        pub exit_tick_lots: i128,
        /// How it began.
        pub entry_reason: EntryReason,
        /// The order of its first fill; empty of an adopted one.
        pub entry_order: ClientOrderId,
        /// The order of its last fill.
        pub exit_order: ClientOrderId,
        /// When the exchange made its first fill; 0 where it did not say.
        pub opened: UtcMs,
        /// The same of its last fill.
        pub closed: UtcMs,
    }
}

wire_enum! {
    /// How long after a fill the market was looked at.
    pub enum MarkoutAfter {
        /// At once: when the engine learned of the fill.
        Fill = "FILL",
        /// 100 ms later.
        Ms100 = "100MS",
        /// 1 s later.
        S1 = "1S",
        /// 10 s later.
        S10 = "10S",
    }
}

wire_enum! {
    /// Why there is no mid.
    pub enum NoMid {
        /// The book was not synced.
        BookUnsynced = "BOOK_UNSYNCED",
        /// A side of the book was empty or not known.
        OneSided = "ONE_SIDED",
        /// The book had been quiet for longer than it may be.
        Stale = "STALE",
        /// The best bid was at or above the best ask.
        Crossed = "CROSSED",
        /// The fill was told later, or only concluded: nobody knows where the market stood. No
        /// other markout of it follows.
        ToldLate = "TOLD_LATE",
        /// Too many fills were followed already. No other markout of it follows.
        NoRoom = "NO_ROOM",
    }
}

wire_struct! {
    /// Where the market stood some time after a fill of ours: as it was before the first input at
    /// that time or later.
    #[derive(Clone, Copy, Debug, PartialEq, Eq)]
    pub struct Markout {
        /// Which instrument.
        pub instrument: InstrumentId,
        /// Side of the fill; an order of ours may trade with another.
        pub side: Side,
        /// The fill; 0 of one that was concluded.
        pub trade_id: TradeId,
        /// How long after it.
        pub after: MarkoutAfter,
        /// The mid; none for a reason.
        pub mid: Option<Mid>,
        /// The reason.
        pub none_because: Option<NoMid>,
    }
}

wire_struct! {
    /// A balance of another asset than the one that money is counted in.
    #[derive(Clone, Copy, Debug, PartialEq, Eq)]
    pub struct BalanceRecord {
        /// Which asset.
        pub asset: Asset,
        /// As the exchange states it, in whole units of the asset.
        pub wallet: Money,
        /// When.
        pub event_time: UtcMs,
    }
}

impl MarkoutAfter {
    /// The ones that are waited for, the shortest first.
    pub const LATER: [Self; 3] = [Self::Ms100, Self::S1, Self::S10];

    /// How long it is.
    #[must_use]
    pub const fn ns(self) -> u64 {
        match self {
            Self::Fill => 0,
            Self::Ms100 => 100_000_000,
            Self::S1 => 1_000_000_000,
            Self::S10 => 10_000_000_000,
        }
    }
}

impl Record {
    /// What an earlier version wrote in the form of this one; what it did not know is none.
    #[must_use]
    pub const fn upgraded(self) -> Self {
        match self {
            Self::OldIntent(OldIntent { order, trigger }) => Self::Intent(Intent {
                order,
                trigger,
                mid: None,
            }),
            Self::OldAmendIntent(OldAmendIntent { amend, trigger }) => {
                Self::AmendIntent(AmendIntent {
                    amend,
                    trigger,
                    mid: None,
                })
            }
            Self::OldTradeClosed(old) => Self::TradeClosed(of_old(old)),
            other => other,
        }
    }
}

const fn of_old(old: OldTradeClosed) -> TradeClosed {
    TradeClosed {
        instrument: old.instrument,
        strategy: old.strategy,
        side: old.side,
        quantity: old.quantity,
        realized: old.realized,
        fees: old.fees,
        held_ns: old.held_ns,
        reason: old.reason,
        legs: None,
    }
}
