//! Journal records: what the engine decided and learned, as control keeps it.
//!
//! In: facts from the engine. Out: a versioned encoding that any build since can read. Never:
//! a length or tag that is trusted without a check.

use crate::account::RequestKind;
pub use crate::history::{
    AmendIntent, BalanceRecord, EntryReason, Intent, Markout, MarkoutAfter, NoMid, TradeClosed,
    TradeLegs,
};
use crate::ids::{
    ClientOrderId, ExchangeOrderId, InstrumentId, IntentId, StrategyId, Symbol, TradeId,
};
use crate::instrument::Market;
use crate::order::{
    AmendOrder, CancelOrder, Certainty, Liquidity, NewOrder, OrderState, PendingRequest, Side,
};
use crate::reason::{
    BookReason, BookState, Breaker, DenialCode, ExitReason, StateReason, TradingState,
};
pub use crate::reconciliation::{
    Difference, DifferenceFate, ExternalOrder, FirstStartFate, FirstStartRecord, IncomeReport,
    ListingReport, OpeningRecord, SetupFault, SetupReport, TradesRecovered,
};
use crate::units::{Money, MonoNs, Price, Quantity, UtcMs, UtcNs};
use crate::{wire_enum, wire_struct, wire_union};

/// Version of the encoding; grows with every change of this file. Version 2 added breakers, version
/// 3 drills of the kill, amendments, protective stops and what reconciliation finds, version 4 listings
/// and income, version 5 the market beside decisions and fills, the legs of trades, balances and
/// configurations: what an earlier version wrote is read as it was.
pub const RECORD_VERSION: u16 = 5;

/// Most bytes of one encoded record with its header.
pub const RECORD_BYTES_MAX: usize = 512;

wire_struct! {
    /// A record with where and when it was made.
    #[derive(Clone, Copy, Debug, PartialEq, Eq)]
    pub struct JournalRecord {
        /// [`RECORD_VERSION`] of the writer.
        pub version: u16,
        /// Dense over one segment generation; ingest is idempotent by (generation, sequence).
        pub sequence: u64,
        /// The input event behind it.
        pub input_sequence: u64,
        /// Engine time.
        pub time: MonoNs,
        /// Engine's estimate of UTC; 0 before the first clock sample.
        pub utc: UtcNs,
        /// First eight bytes of the configuration's SHA-256.
        pub config_hash: u64,
        /// The fact.
        pub body: Record,
    }
}

wire_struct! {
    /// What stands before the body of a [`JournalRecord`], for a writer whose body is encoded
    /// already: the two one after the other are the record.
    #[derive(Clone, Copy, Debug, PartialEq, Eq)]
    pub struct RecordHeader {
        /// As in the record.
        pub version: u16,
        /// As in the record.
        pub sequence: u64,
        /// As in the record.
        pub input_sequence: u64,
        /// As in the record.
        pub time: MonoNs,
        /// As in the record.
        pub utc: UtcNs,
        /// As in the record.
        pub config_hash: u64,
    }
}

/// Bytes of an encoded [`RecordHeader`].
pub const RECORD_HEADER_BYTES: usize = 2 + 5 * 8;

wire_union! {
    /// What can be journalled.
    #[derive(Clone, Copy, Debug, PartialEq, Eq)]
    pub enum Record {
        /// An instrument of the start-up table, so that a reader can name and scale the rest.
        Instrument(InstrumentRecord) = 1,
        /// As versions before 5 wrote an intent.
        OldIntent(OldIntent) = 2,
        /// A cancel that was decided.
        CancelIntent(CancelOrder) = 3,
        /// An order that risk refused.
        Denial(Denial) = 4,
        /// A change on one of the three axes.
        OrderChange(OrderChange) = 5,
        /// A fill, applied once (I6).
        Fill(Fill) = 6,
        /// A trading state change.
        TradingState(TradingStateChange) = 7,
        /// A book state change.
        BookState(BookStateChange) = 8,
        /// As versions before 5 wrote a finished trade.
        OldTradeClosed(OldTradeClosed) = 9,
        /// A finished reconciliation.
        Reconciled(Reconciled) = 10,
        /// A position, after a fill or adoption.
        Position(PositionRecord) = 11,
        /// The rolling hash of the engine's outputs, once in a while.
        OutputHash(OutputHash) = 12,
        /// An order at the exchange that we adopted at start.
        Adopted(Adopted) = 13,
        /// The wallet as the exchange states it.
        Wallet(WalletRecord) = 14,
        /// A breaker tripped, or would have.
        Breaker(BreakerRecord) = 15,
        /// One act of a kill, with what came of it.
        KillStep(KillStep) = 20,
        /// Something happened to a protective stop at the exchange.
        Protection(ProtectionStep) = 21,
        /// As versions before 5 wrote an amendment.
        OldAmendIntent(OldAmendIntent) = 24,
        /// An order has another price or quantity at the exchange than before.
        Amended(Amended) = 25,
        /// An open order that is not one of the engine's, or a conditional one.
        External(ExternalOrder) = 40,
        /// A difference between our position and the exchange's.
        Difference(Difference) = 41,
        /// Trades that were fetched because they had not been told.
        TradesRecovered(TradesRecovered) = 42,
        /// The first start on an account.
        FirstStart(FirstStartRecord) = 43,
        /// How an instrument is set up at the exchange, when that changed.
        Setup(SetupReport) = 44,
        /// The part of a position that is not ours.
        Opening(OpeningRecord) = 45,
        /// The exchange lists an instrument otherwise than before.
        Listing(ListingReport) = 46,
        /// A movement of the wallet, as the exchange lists it.
        Income(IncomeReport) = 47,
        /// An order that passed risk; written before its first byte is sent (I25).
        Intent(Intent) = 60,
        /// An amendment that passed risk; written before its first byte is sent (I25).
        AmendIntent(AmendIntent) = 61,
        /// A finished trade, entry to exit.
        TradeClosed(TradeClosed) = 62,
        /// Where the market stood some time after a fill.
        Markout(Markout) = 63,
        /// A balance of another asset.
        Balance(BalanceRecord) = 64,
        /// A configuration is in force from here on.
        Configured(ConfiguredRecord) = 70,
    }
}

wire_struct! {
    /// A version of the configuration is in force: at the start of a life, and whenever another one
    /// was taken while it ran.
    #[derive(Clone, Copy, Debug, PartialEq, Eq)]
    pub struct ConfiguredRecord {
        /// Number of the version.
        pub version: u64,
        /// First eight bytes of its SHA-256, which the headers of records carry from this one on.
        pub config_hash: u64,
        /// Limits differ from those before.
        pub limits_changed: bool,
        /// Strategies that have other parameters, or were switched on or off, by bit.
        pub strategies_changed: u32,
    }
}

wire_enum! {
    /// What happened to a protective stop.
    pub enum ProtectionAct {
        /// The exchange took it.
        Placed = "PLACED",
        /// The exchange took it in the place of one that no longer fitted the position.
        Replaced = "REPLACED",
        /// One of an earlier life was found, and fits.
        Adopted = "ADOPTED",
        /// It was cancelled: the position is gone, or another stop takes its place.
        Cancelled = "CANCELLED",
        /// One without a position of ours was cancelled: of an earlier life, or of an instrument
        /// that we trade no more.
        OrphanCancelled = "ORPHAN_CANCELLED",
        /// Its price came: the exchange closes the position.
        Triggered = "TRIGGERED",
        /// It ended, and neither its price nor we did it.
        Lost = "LOST",
        /// The exchange did not take it.
        Refused = "REFUSED",
        /// Whether the exchange took it is not known; it is asked, and nothing is sent again.
        Unknown = "UNKNOWN",
        /// The exchange never had it.
        NeverThere = "NEVER_THERE",
        /// Somebody else's stop closes this position; the exchange allows one a direction.
        LeftToOther = "LEFT_TO_OTHER",
    }
}

wire_struct! {
    /// One event in the life of a protective stop. The record's time is when we learned of it.
    #[derive(Clone, Copy, Debug, PartialEq, Eq)]
    pub struct ProtectionStep {
        /// What happened.
        pub act: ProtectionAct,
        /// Which instrument; none for a symbol that we do not trade.
        pub instrument: Option<InstrumentId>,
        /// Its symbol.
        pub symbol: Symbol,
        /// Which stop.
        pub client_algo_id: ClientOrderId,
        /// Its side: `Sell` closes a long position.
        pub side: Side,
        /// The price that triggers it; 0 where the symbol is not ours to scale.
        pub trigger_price: Price,
        /// The order that it became; 0 unless it triggered.
        pub exchange_order_id: ExchangeOrderId,
        /// The price at which the position is closed after this; 0 while nothing would close it.
        pub stands: Price,
        /// The exchange's code of a refusal; 1 without an answer, 0 for a success.
        pub error_code: i64,
    }
}

wire_enum! {
    /// The acts of a kill, in the order of the safety catalogue.
    pub enum KillAct {
        /// The latch is in the segment and in the engine.
        Latched = "LATCHED",
        /// The latch is on the disk.
        Durable = "DURABLE",
        /// The disk did not take the latch.
        NotDurable = "NOT_DURABLE",
        /// Ordinary orders of a symbol were cancelled.
        OrdersCancelled = "ORDERS_CANCELLED",
        /// Conditional orders of a symbol were cancelled.
        AlgoOrdersCancelled = "ALGO_ORDERS_CANCELLED",
        /// A part of a position was closed.
        Closed = "CLOSED",
        /// The exchange listed the ordinary orders.
        OrdersListed = "ORDERS_LISTED",
        /// The exchange listed the conditional orders.
        AlgoOrdersListed = "ALGO_ORDERS_LISTED",
        /// The exchange listed the positions.
        PositionsListed = "POSITIONS_LISTED",
        /// Lists that were asked for after the last act show nothing any more.
        Verified = "VERIFIED",
        /// It was a drill, and is reset; the count is milliseconds from latch to verification.
        Drilled = "DRILLED",
    }
}

wire_struct! {
    /// One act of a kill. The record's time is when its answer came.
    #[derive(Clone, Copy, Debug, PartialEq, Eq)]
    pub struct KillStep {
        /// What was done.
        pub act: KillAct,
        /// Where.
        pub market: Market,
        /// With which symbol; empty for all.
        pub symbol: Symbol,
        /// How many a list showed; of a drill how long it took, in milliseconds.
        pub count: u32,
        /// The exchange's code of a refusal; 1 without an answer, 0 for a success.
        pub error_code: i64,
    }
}

wire_struct! {
    /// Names and steps of an instrument.
    #[derive(Clone, Copy, Debug, PartialEq, Eq)]
    pub struct InstrumentRecord {
        /// Its index in this generation.
        pub instrument: InstrumentId,
        /// Futures or spot.
        pub market: Market,
        /// Symbol.
        pub symbol: Symbol,
        /// Tick mantissa and decimals.
        pub tick: crate::instrument::Step,
        /// Lot mantissa and decimals.
        pub lot: crate::instrument::Step,
    }
}

wire_enum! {
    /// Which kind of input made the engine decide.
    pub enum TriggerKind {
        /// A book difference; the id is its last update id.
        Depth = "depth",
        /// A book ticker; the id is its update id.
        BookTicker = "bookTicker",
        /// A trade; the id is its trade id.
        Trade = "trade",
        /// A mark price; no id.
        MarkPrice = "markPrice",
        /// A deadline, a reply, a fill or a command; no id.
        Other = "other",
    }
}

wire_struct! {
    /// The input behind a decision, so that latency can be measured from outside too.
    #[derive(Clone, Copy, Debug, PartialEq, Eq)]
    pub struct Trigger {
        /// Which kind.
        pub kind: TriggerKind,
        /// The exchange's id of it; 0 without.
        pub id: u64,
    }
}

wire_struct! {
    /// An order that passed risk, and what triggered it, as versions 1 to 4 wrote it.
    #[derive(Clone, Copy, Debug, PartialEq, Eq)]
    pub struct OldIntent {
        /// The order.
        pub order: NewOrder,
        /// The input behind it.
        pub trigger: Trigger,
    }
}

wire_struct! {
    /// An amendment that passed risk, and what triggered it, as versions 3 and 4 wrote it.
    #[derive(Clone, Copy, Debug, PartialEq, Eq)]
    pub struct OldAmendIntent {
        /// The order as it is to be, and as it was.
        pub amend: AmendOrder,
        /// The input behind it.
        pub trigger: Trigger,
    }
}

wire_struct! {
    /// What the exchange states an order to be from now on.
    #[derive(Clone, Copy, Debug, PartialEq, Eq)]
    pub struct Amended {
        /// Which order.
        pub client_order_id: ClientOrderId,
        /// Its instrument.
        pub instrument: InstrumentId,
        /// Limit price.
        pub price: Price,
        /// The whole quantity.
        pub quantity: Quantity,
        /// True when it is what we asked for; false when somebody else changed it (F32).
        pub ours: bool,
    }
}

wire_struct! {
    /// A refused order.
    #[derive(Clone, Copy, Debug, PartialEq, Eq)]
    pub struct Denial {
        /// The order as it would have been; its client id is empty.
        pub order: NewOrder,
        /// Why.
        pub code: DenialCode,
    }
}

wire_struct! {
    /// An order's place on its three axes after a change.
    #[derive(Clone, Copy, Debug, PartialEq, Eq)]
    pub struct OrderChange {
        /// Which order.
        pub client_order_id: ClientOrderId,
        /// Which instrument.
        pub instrument: InstrumentId,
        /// Whose.
        pub strategy: StrategyId,
        /// The decision behind it.
        pub intent: IntentId,
        /// The exchange's id; 0 while unknown.
        pub exchange_order_id: ExchangeOrderId,
        /// First axis.
        pub state: OrderState,
        /// Second axis.
        pub pending: PendingRequest,
        /// Third axis.
        pub certainty: Certainty,
        /// Filled so far.
        pub cumulative_quantity: Quantity,
        /// The request whose reply changed it, if one did.
        pub request: Option<RequestKind>,
        /// The exchange's error code; 0 without.
        pub error_code: i64,
    }
}

wire_struct! {
    /// One fill.
    #[derive(Clone, Copy, Debug, PartialEq, Eq)]
    pub struct Fill {
        /// Which order (ours or the exchange's own, I15).
        pub client_order_id: ClientOrderId,
        /// Which instrument.
        pub instrument: InstrumentId,
        /// Whose; 255 for orders that are not ours.
        pub strategy: StrategyId,
        /// Side.
        pub side: Side,
        /// Unique per symbol.
        pub trade_id: TradeId,
        /// Price.
        pub price: Price,
        /// Quantity.
        pub quantity: Quantity,
        /// Fee in the quote asset, positive = paid.
        pub fee: Money,
        /// Realised profit by our own count, before fees.
        pub realized: Money,
        /// Maker or taker.
        pub liquidity: Liquidity,
        /// When it happened at the exchange.
        pub transaction_time: UtcMs,
    }
}

wire_struct! {
    /// The trading state moved.
    #[derive(Clone, Copy, Debug, PartialEq, Eq)]
    pub struct TradingStateChange {
        /// Before.
        pub from: TradingState,
        /// After.
        pub to: TradingState,
        /// Why.
        pub reason: StateReason,
    }
}

wire_struct! {
    /// A book's state moved.
    #[derive(Clone, Copy, Debug, PartialEq, Eq)]
    pub struct BookStateChange {
        /// Which book.
        pub instrument: InstrumentId,
        /// Before.
        pub from: BookState,
        /// After.
        pub to: BookState,
        /// Why.
        pub reason: BookReason,
    }
}

wire_struct! {
    /// A position of a strategy went back to flat, as versions 1 to 4 wrote it.
    #[derive(Clone, Copy, Debug, PartialEq, Eq)]
    pub struct OldTradeClosed {
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
    }
}

wire_struct! {
    /// What a reconciliation found.
    #[derive(Clone, Copy, Debug, PartialEq, Eq)]
    pub struct Reconciled {
        /// Open orders of ours that were adopted.
        pub adopted: u32,
        /// Open orders of ours that are being cancelled.
        pub cancelled: u32,
        /// Open orders of others, left alone.
        pub foreign: u32,
        /// Positions that differed from ours.
        pub position_differences: u32,
    }
}

wire_struct! {
    /// A position of the account in one instrument.
    #[derive(Clone, Copy, Debug, PartialEq, Eq)]
    pub struct PositionRecord {
        /// Which instrument.
        pub instrument: InstrumentId,
        /// Signed lots.
        pub quantity: Quantity,
        /// Sum of price times quantity of what is held, in ticks times lots, signed.
        pub cost_tick_lots: i128,
        /// Realised profit since start, before fees.
        pub realized: Money,
        /// Fees since start, positive = paid.
        pub fees: Money,
    }
}

wire_struct! {
    /// The hash up to and including an input.
    #[derive(Clone, Copy, Debug, PartialEq, Eq)]
    pub struct OutputHash {
        /// Last input included.
        pub input_sequence: u64,
        /// Rolling hash.
        pub hash: u64,
    }
}

wire_struct! {
    /// An open order of an earlier life that goes on under our care.
    #[derive(Clone, Copy, Debug, PartialEq, Eq)]
    pub struct Adopted {
        /// The order.
        pub client_order_id: ClientOrderId,
        /// Its instrument.
        pub instrument: InstrumentId,
        /// Side.
        pub side: Side,
        /// Price.
        pub price: Price,
        /// Quantity.
        pub quantity: Quantity,
        /// Filled so far.
        pub cumulative_quantity: Quantity,
        /// True when it is cancelled rather than kept.
        pub cancelled: bool,
    }
}

wire_struct! {
    /// A breaker reached its limit. `value` and `limit` are of one kind: money and shares in 1e-8,
    /// times in nanoseconds, everything else a count.
    #[derive(Clone, Copy, Debug, PartialEq, Eq)]
    pub struct BreakerRecord {
        /// Which.
        pub breaker: Breaker,
        /// Whose instrument, where it is about one.
        pub instrument: Option<InstrumentId>,
        /// Whose strategy, where it is about one.
        pub strategy: Option<StrategyId>,
        /// What was reached.
        pub value: i64,
        /// What was allowed.
        pub limit: i64,
        /// True when the breaker is set to tell only.
        pub dry: bool,
    }
}

wire_struct! {
    /// The wallet balance in the quote asset.
    #[derive(Clone, Copy, Debug, PartialEq, Eq)]
    pub struct WalletRecord {
        /// As the exchange states it.
        pub wallet: Money,
        /// When.
        pub event_time: UtcMs,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::codec::{CodecError, Wire};

    #[test]
    fn a_record_survives_the_trip_and_damage_is_an_error() {
        let record = JournalRecord {
            version: RECORD_VERSION,
            sequence: 7,
            input_sequence: 9,
            time: MonoNs(1),
            utc: UtcNs(2),
            config_hash: 3,
            body: Record::TradingState(TradingStateChange {
                from: TradingState::Halted,
                to: TradingState::Active,
                reason: StateReason::Reconciled,
            }),
        };
        let mut bytes = [0; RECORD_BYTES_MAX];
        let length = record.to_bytes(&mut bytes).unwrap();
        assert_eq!(JournalRecord::from_bytes(&bytes[..length]), Ok(record));
        assert_eq!(
            JournalRecord::from_bytes(&bytes[..length - 1]),
            Err(CodecError::Truncated)
        );
        assert_eq!(
            JournalRecord::from_bytes(&bytes[..=length]),
            Err(CodecError::Trailing)
        );
        let header = RecordHeader {
            version: RECORD_VERSION,
            sequence: 7,
            input_sequence: 9,
            time: MonoNs(1),
            utc: UtcNs(2),
            config_hash: 3,
        };
        let mut parts = [0; RECORD_BYTES_MAX];
        assert_eq!(header.to_bytes(&mut parts), Ok(RECORD_HEADER_BYTES));
        let rest = record.body.to_bytes(&mut parts[RECORD_HEADER_BYTES..]);
        assert_eq!(rest, Ok(length - RECORD_HEADER_BYTES));
        assert_eq!(parts[..length], bytes[..length]);
        bytes[length - 1] = 99;
        assert_eq!(
            JournalRecord::from_bytes(&bytes[..length]),
            Err(CodecError::BadDiscriminant(99))
        );
    }
}
