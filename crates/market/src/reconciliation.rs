//! What reconciliation asks, is told and writes down, venue-neutral.
//!
//! In: what decoders read, what the engine found. Out: plain values. Never: a verdict on whose
//! trade or order it is; the engine knows its orders.

use crate::ids::{Asset, ClientOrderId, ExchangeOrderId, InstrumentId, Symbol, TradeId};
use crate::instrument::{Filters, InstrumentStatus, Market};
use crate::order::{Liquidity, Side};
use crate::units::{Money, Price, Quantity, UtcMs};
use crate::{wire_enum, wire_struct};

wire_struct! {
    /// The trades of one instrument that the engine wants to be told.
    #[derive(Clone, Copy, Debug, PartialEq, Eq)]
    pub struct TradesWanted {
        /// Which instrument.
        pub instrument: InstrumentId,
        /// Those after this one; 0 where none is known.
        pub after: TradeId,
        /// Where no trade is known: those since then.
        pub since: UtcMs,
    }
}

wire_struct! {
    /// One trade of the account, as the exchange lists it afterwards.
    #[derive(Clone, Copy, Debug, PartialEq, Eq)]
    pub struct TradeReport {
        /// Which instrument.
        pub instrument: InstrumentId,
        /// Unique per symbol.
        pub trade_id: TradeId,
        /// The order that traded.
        pub exchange_order_id: ExchangeOrderId,
        /// Our side.
        pub side: Side,
        /// Price.
        pub price: Price,
        /// Quantity.
        pub quantity: Quantity,
        /// Maker or taker.
        pub liquidity: Liquidity,
        /// Fee, positive = paid.
        pub commission: Money,
        /// Its asset.
        pub commission_asset: Asset,
        /// When it happened.
        pub transaction_time: UtcMs,
    }
}

wire_struct! {
    /// What of an instrument outlives the process: the last moment at which we and the exchange
    /// agreed. Every trade after it is told again at the next start.
    #[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
    pub struct InstrumentMemory {
        /// Which instrument.
        pub instrument: InstrumentId,
        /// The last trade that was booked by then; 0 where there was none.
        pub after: TradeId,
        /// When it was.
        pub since: UtcMs,
        /// Our position, signed lots.
        pub quantity: Quantity,
        /// What it had cost, in ticks times lots.
        pub cost_tick_lots: i128,
        /// The part of the exchange's position that is not ours.
        pub opening: Quantity,
    }
}

wire_struct! {
    /// An open conditional order, as the exchange lists it.
    #[derive(Clone, Copy, Debug, PartialEq, Eq)]
    pub struct AlgoOrderReport {
        /// Which instrument.
        pub instrument: InstrumentId,
        /// The order's client id (ours or foreign).
        pub client_order_id: ClientOrderId,
        /// The exchange's id.
        pub exchange_order_id: ExchangeOrderId,
        /// Side.
        pub side: Side,
        /// Price that triggers it; 0 where it is on no tick.
        pub price: Price,
        /// Quantity; 0 where it closes the position.
        pub quantity: Quantity,
    }
}

wire_struct! {
    /// What the account has beside the instruments of the table.
    #[derive(Clone, Copy, Debug, PartialEq, Eq)]
    pub struct ElsewhereReport {
        /// In which part of the venue.
        pub market: Market,
        /// Open orders.
        pub orders: u32,
        /// Open conditional orders.
        pub algo_orders: u32,
        /// Positions that are not flat.
        pub positions: u32,
    }
}

wire_enum! {
    /// Why an instrument is not set up as it has to be.
    pub enum SetupFault {
        /// The exchange did not say how it is set up.
        Unverified = "UNVERIFIED",
        /// The account is in hedge mode and cannot be brought out of it.
        HedgeMode = "HEDGE_MODE",
        /// The margin type is another one and cannot be changed.
        MarginType = "MARGIN_TYPE",
        /// The leverage is another one, or above the cap, and cannot be changed.
        Leverage = "LEVERAGE",
    }
}

wire_enum! {
    /// What moved the wallet, in the exchange's words.
    pub enum IncomeKind {
        /// Realised profit of one trade.
        RealizedPnl = "REALIZED_PNL",
        /// The fee of one trade.
        Commission = "COMMISSION",
        /// Funding of a position.
        FundingFee = "FUNDING_FEE",
        /// To or from another wallet.
        Transfer = "TRANSFER",
        /// Settled by the insurance fund.
        InsuranceClear = "INSURANCE_CLEAR",
        /// Any other.
        Other = "OTHER",
    }
}

wire_struct! {
    /// One movement of the wallet, as the exchange's income list has it.
    #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
    pub struct IncomeReport {
        /// What it was.
        pub kind: IncomeKind,
        /// Of which symbol, of our table or not; `None` for none.
        pub symbol: Option<Symbol>,
        /// In which asset.
        pub asset: Asset,
        /// How much; negative when it left.
        pub amount: Money,
        /// When.
        pub time: UtcMs,
        /// Unique within kind and symbol.
        pub transaction_id: u64,
        /// The trade behind it; 0 for none.
        pub trade_id: TradeId,
    }
}

wire_enum! {
    /// Why an instrument cannot be traded for the rest of this life, of how it is listed.
    pub enum ListingFault {
        /// Its tick or lot is another one: all books, orders and positions count in the old.
        GridChanged = "GRID_CHANGED",
        /// It is not listed any more.
        Gone = "DELISTED",
    }
}

wire_struct! {
    /// How the exchange lists an instrument now.
    #[derive(Clone, Copy, Debug, PartialEq, Eq)]
    pub struct ListingReport {
        /// Which instrument.
        pub instrument: InstrumentId,
        /// Whether it takes orders.
        pub status: InstrumentStatus,
        /// What an order must satisfy; those known last where there is a fault.
        pub filters: Filters,
        /// What keeps it from being traded until the next start; `None` for nothing.
        pub fault: Option<ListingFault>,
    }
}

wire_struct! {
    /// How an instrument is set up at the exchange.
    #[derive(Clone, Copy, Debug, PartialEq, Eq)]
    pub struct SetupReport {
        /// Which instrument.
        pub instrument: InstrumentId,
        /// What keeps it from being traded; `None` for nothing.
        pub fault: Option<SetupFault>,
        /// Leverage as last read; 0 while not known.
        pub leverage: u32,
        /// Isolated margin, as last read.
        pub isolated: bool,
        /// The exchange's code of the refusal behind the fault; 0 without.
        pub error_code: i64,
    }
}

wire_struct! {
    /// Somebody changed leverage, margin or position mode.
    #[derive(Clone, Copy, Debug, PartialEq, Eq)]
    pub struct AccountConfigChange {
        /// In which part of the venue.
        pub market: Market,
        /// Of which instrument; `None` for the account.
        pub instrument: Option<InstrumentId>,
    }
}

wire_struct! {
    /// An open order that is not one of the engine's, or a conditional one: shown once.
    #[derive(Clone, Copy, Debug, PartialEq, Eq)]
    pub struct ExternalOrder {
        /// The order's client id.
        pub client_order_id: ClientOrderId,
        /// The exchange's id.
        pub exchange_order_id: ExchangeOrderId,
        /// Its instrument.
        pub instrument: InstrumentId,
        /// Side.
        pub side: Side,
        /// Limit or trigger price.
        pub price: Price,
        /// Quantity.
        pub quantity: Quantity,
        /// True for a conditional order.
        pub conditional: bool,
        /// True when its client id has our prefix.
        pub own: bool,
        /// True when it is being cancelled.
        pub cancelled: bool,
    }
}

wire_enum! {
    /// What became of a difference between our position and the exchange's.
    pub enum DifferenceFate {
        /// It is there for longer than fills take; trades are fetched.
        Open = "OPEN",
        /// Trades that we had not been told explain it.
        Explained = "EXPLAINED",
        /// Nothing explains it: the exchange's position was taken over.
        Adopted = "ADOPTED",
        /// It went by itself.
        Gone = "GONE",
    }
}

wire_struct! {
    /// A difference between our position and the exchange's.
    #[derive(Clone, Copy, Debug, PartialEq, Eq)]
    pub struct Difference {
        /// Which instrument.
        pub instrument: InstrumentId,
        /// What became of it.
        pub fate: DifferenceFate,
        /// Ours, with what is held beside us.
        pub ours: Quantity,
        /// The exchange's.
        pub theirs: Quantity,
    }
}

wire_struct! {
    /// Trades that were fetched because they had not been told.
    #[derive(Clone, Copy, Debug, PartialEq, Eq)]
    pub struct TradesRecovered {
        /// Which instrument.
        pub instrument: InstrumentId,
        /// How many were new.
        pub count: u32,
        /// Of those, how many were of orders that are not the engine's.
        pub foreign: u32,
        /// The last one that was listed; 0 for none.
        pub last: TradeId,
    }
}

wire_enum! {
    /// What the first start on an account found and did.
    pub enum FirstStartFate {
        /// The account has neither positions nor orders.
        Clean = "CLEAN",
        /// It has, and the policy is to refuse: HALTED.
        Refused = "REFUSED",
        /// It has, and they are ours from now on.
        Adopted = "ADOPTED",
        /// It has, and they are left to their owner.
        Ignored = "IGNORED",
    }
}

wire_struct! {
    /// The first start on an account.
    #[derive(Clone, Copy, Debug, PartialEq, Eq)]
    pub struct FirstStartRecord {
        /// In which part of the venue.
        pub market: Market,
        /// What was done.
        pub fate: FirstStartFate,
        /// Positions that are not flat, those beside the table too.
        pub positions: u32,
        /// Open orders of both kinds, those beside the table too.
        pub orders: u32,
    }
}

wire_struct! {
    /// The part of the exchange's position that is not ours has changed.
    #[derive(Clone, Copy, Debug, PartialEq, Eq)]
    pub struct OpeningRecord {
        /// Which instrument.
        pub instrument: InstrumentId,
        /// Signed lots.
        pub quantity: Quantity,
    }
}
