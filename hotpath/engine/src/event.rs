//! What enters the engine: one event at a time, each with a dense sequence and a time.
//!
//! In: bytes of a ring or an input log. Out: events that borrow their levels. Never: a length
//! that is trusted without a check.

use crate::config::{RISK_BYTES_MAX, RiskConfig, StrategyParameters};
use crate::risk::{BreakerMemory, Cooldown};
use market::account::{
    BalanceReport, LiquidationReport, MarginReport, OpenOrderReport, OrderReply, OrderUpdate,
    PositionReport, VenueReport,
};
use market::event::{AggTrade, BookTicker, DepthHeader, DepthUpdate, Level, MarkPrice, Trade};
use market::reconciliation::{
    AccountConfigChange, AlgoOrderReport, ElsewhereReport, IncomeReport, InstrumentMemory,
    ListingReport, SetupReport, TradeReport,
};
use market::record::{KillStep, ProtectionStep};
use market::{
    ClientOrderId, CodecError, InstrumentId, Market, MonoNs, Price, Quantity, Reader, Side,
    StrategyId, UpdateId, UtcNs, Wire, Writer, wire_enum, wire_struct,
};

/// Most levels (both sides together) in one event.
pub const LEVELS_MAX: usize = 4096;

/// Most bytes of one encoded event.
pub const EVENT_BYTES_MAX: usize = LEVELS_MAX * 16 + 256;

/// Fill of the journal, in per mille, from which on only reducing is allowed.
pub const JOURNAL_HIGH_PERMILLE: u16 = 750;

/// Level that says that the largest record may find no room: from there on nothing is allowed.
pub const JOURNAL_FULL_PERMILLE: u16 = 1_000;

/// One input with its place in the total order.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Event<'a> {
    /// Dense: the next event has the next number.
    pub sequence: u64,
    /// Monotonic time at which the engine's turn began; never goes back.
    pub time: MonoNs,
    /// What happened.
    pub input: Input<'a>,
}

/// What can happen.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Input<'a> {
    /// A book difference.
    Depth(DepthUpdate<'a>),
    /// Best bid and ask.
    BookTicker(BookTicker),
    /// A trade.
    Trade(Trade),
    /// An aggregate trade.
    AggTrade(AggTrade),
    /// Mark price and funding.
    MarkPrice(MarkPrice),
    /// A snapshot begins; its levels follow.
    SnapshotBegin(SnapshotBegin),
    /// Some levels of one side, best first.
    SnapshotLevels(SnapshotLevels<'a>),
    /// The snapshot is complete.
    SnapshotEnd(InstrumentId),
    /// A message of this instrument's book could not be parsed.
    ParseFailure(InstrumentId),
    /// A stream went up or down.
    Stream(StreamChange),
    /// The answer to one of our requests.
    OrderReply(OrderReply),
    /// An order event of the private stream.
    OrderUpdate(OrderUpdate),
    /// A position as the exchange states it.
    Position(PositionReport),
    /// A balance as the exchange states it.
    Balance(BalanceReport),
    /// Reconciliation begins: open orders and positions follow.
    ReconcileBegin,
    /// One open order at the exchange.
    OpenOrder(OpenOrderReport),
    /// Reconciliation is complete: what was not listed is not open.
    ReconcileEnd,
    /// A verb of the operator or of a policy.
    Command(Command),
    /// Cancels the own orders of one instrument; the state stays.
    CancelInstrument(InstrumentId),
    /// Cancels one own order; the state stays.
    CancelOrder(ClientOrderId),
    /// An act of a kill that was done beside the engine; it is only journalled.
    KillStep(KillStep),
    /// Something happened to a protective stop, which lies at the exchange beside the engine.
    Protection(ProtectionStep),
    /// A sample of the wall clock, corrected to the exchange's time.
    Clock(UtcNs),
    /// Fill level of the journal ring in per mille, told when it reaches or leaves
    /// [`JOURNAL_HIGH_PERMILLE`] or [`JOURNAL_FULL_PERMILLE`].
    JournalLevel(u16),
    /// A deadline passed; nothing else happened.
    Time,
    /// What the breakers of an earlier start remembered: the first input of a start that has it.
    Breakers(BreakerMemory),
    /// The pause of an instrument after a stop of an earlier start.
    Cooldown(Cooldown),
    /// Margin as the exchange states it.
    Margin(MarginReport),
    /// The liquidation price of a position as the exchange states it.
    Liquidation(LiquidationReport),
    /// Whether the exchange takes requests.
    Venue(VenueReport),
    /// One trade of the account, listed between ReconcileBegin and ReconcileEnd.
    ListedTrade(TradeReport),
    /// All trades of an instrument that were asked for have been listed.
    TradesListed(InstrumentId),
    /// What an earlier start knew of an instrument: among the first inputs of a start that has it.
    Remember(InstrumentMemory),
    /// An earlier start knew this account, and none this instrument: among the first inputs.
    Unseen(InstrumentId),
    /// No earlier start knew this account: the first input of such a start.
    FirstStart,
    /// One open conditional order at the exchange.
    AlgoOrder(AlgoOrderReport),
    /// What the account has beside our instruments.
    Elsewhere(ElsewhereReport),
    /// How an instrument is set up at the exchange.
    Setup(SetupReport),
    /// Somebody changed how the account is set up.
    AccountConfig(AccountConfigChange),
    /// The exchange lists an instrument otherwise than before.
    Listing(ListingReport),
    /// A movement of the wallet, as the exchange lists it.
    Income(IncomeReport),
    /// So many inputs found no room and are lost.
    InputsLost(u32),
    /// Money of this market came or went otherwise than by a trade.
    WalletMoved(Market),
    /// What holds for a strategy from here on; a [`Input::Configure`] follows.
    Strategy(StrategyChange),
    /// A version of the configuration is in force from here on, with these limits.
    Configure(Configure<'a>),
}

wire_struct! {
    /// Start of a snapshot.
    #[derive(Clone, Copy, Debug, PartialEq, Eq)]
    pub struct SnapshotBegin {
        /// Whose book.
        pub instrument: InstrumentId,
        /// The book version.
        pub last_update_id: UpdateId,
        /// True when the snapshot lists the whole side, so that nothing beyond it is unknown.
        pub complete: bool,
    }
}

wire_struct! {
    /// What holds for a strategy.
    #[derive(Clone, Copy, Debug, PartialEq, Eq)]
    pub struct StrategyChange {
        /// Which.
        pub strategy: StrategyId,
        /// Instruments on which it opens nothing, by bit.
        pub off: u64,
        /// Of the kind that it is of.
        pub parameters: StrategyParameters,
    }
}

/// A version of the configuration. Its limits travel as [`RiskConfig`] is encoded, sixteen bytes a
/// level: levels are what an event may borrow, and no other input grows by the size of all limits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Configure<'a> {
    /// Number of the version.
    pub version: u64,
    /// First eight bytes of its SHA-256.
    pub config_hash: u64,
    /// The limits.
    pub limits: &'a [Level],
}

/// Levels that hold any limits.
pub const LIMIT_LEVELS: usize = RISK_BYTES_MAX / LEVEL_BYTES;

impl<'a> Configure<'a> {
    /// Packs limits into `room`.
    ///
    /// # Panics
    /// Never: limits have at most [`RISK_BYTES_MAX`] bytes, as a test shows.
    #[must_use]
    pub fn new(
        version: u64,
        config_hash: u64,
        risk: &RiskConfig,
        room: &'a mut [Level; LIMIT_LEVELS],
    ) -> Self {
        let mut bytes = [0; RISK_BYTES_MAX];
        let length = risk.to_bytes(&mut bytes);
        let length = length.expect("limits have at most RISK_BYTES_MAX bytes");
        for (level, bytes) in room.iter_mut().zip(bytes.chunks_exact(LEVEL_BYTES)) {
            *level = level_of(bytes);
        }
        Self {
            version,
            config_hash,
            limits: &room[..length.div_ceil(LEVEL_BYTES)],
        }
    }

    /// The limits; nothing where these are none.
    #[must_use]
    pub fn risk(&self) -> Option<RiskConfig> {
        let mut bytes = [0; RISK_BYTES_MAX];
        let room = bytes.get_mut(..self.limits.len().checked_mul(LEVEL_BYTES)?)?;
        for (bytes, level) in room.chunks_exact_mut(LEVEL_BYTES).zip(self.limits) {
            bytes_of(level, bytes);
        }
        let mut reader = Reader::new(room);
        let risk = RiskConfig::decode(&mut reader).ok()?;
        // What fills the last level.
        let rest = reader.remaining();
        let zero = reader.bytes(rest).ok()?.iter().all(|byte| *byte == 0);
        (rest < LEVEL_BYTES && zero).then_some(risk)
    }
}

/// A run of snapshot levels.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SnapshotLevels<'a> {
    /// Whose book.
    pub instrument: InstrumentId,
    /// Which side.
    pub side: Side,
    /// Best first.
    pub levels: &'a [Level],
}

wire_enum! {
    /// The engine's sources.
    pub enum StreamKind {
        /// Market data.
        Market = "market",
        /// Private events.
        User = "user",
        /// Order requests and replies.
        Orders = "orders",
    }
}

wire_struct! {
    /// A stream went up or down.
    #[derive(Clone, Copy, Debug, PartialEq, Eq)]
    pub struct StreamChange {
        /// Which.
        pub stream: StreamKind,
        /// Of which part of the venue.
        pub market: Market,
        /// True when it is live.
        pub up: bool,
    }
}

wire_enum! {
    /// Verbs, with one meaning everywhere.
    pub enum Command {
        /// ACTIVE once reconciled.
        Start = "start",
        /// REDUCING: no entries, exits go on.
        Pause = "pause",
        /// ACTIVE, unless latched.
        Resume = "resume",
        /// REDUCING, all cancelled, positions closed.
        Flatten = "flatten",
        /// HALTED after cancelling all own orders; positions are kept.
        Stop = "stop",
        /// KILLED: latched, all cancelled, positions closed.
        Kill = "kill",
        /// All own orders cancelled, the state unchanged.
        CancelAll = "cancel",
        /// Control is gone beyond its grace: REDUCING.
        ControlLost = "control_lost",
        /// Control is back.
        ControlBack = "control_back",
        /// A person has looked at what tripped: latched breakers and latched strategies are
        /// cleared, and every measure begins anew. The kill latch stays.
        Rearm = "rearm",
        /// KILLED: latched, all cancelled, positions kept.
        KillKeepPositions = "kill_keep_positions",
        /// HALTED after cancelling all own orders; the process goes on, unlike after a stop.
        Halt = "halt",
        /// HALTED; orders and positions are left as they are.
        HaltKeepOrders = "halt_keep_orders",
        /// The latch is cleared by the local operator: HALTED until a start.
        Reset = "reset",
    }
}

macro_rules! input_codec {
    ($($tag:literal => $variant:ident,)*) => {
        fn encode_plain(input: &Input<'_>, writer: &mut Writer<'_>) -> Result<(), CodecError> {
            match input {
                $(Input::$variant(value) => { writer.u8($tag)?; value.encode(writer) })*
                Input::ReconcileBegin => writer.u8(40),
                Input::ReconcileEnd => writer.u8(41),
                Input::Time => writer.u8(42),
                Input::FirstStart => writer.u8(67),
                Input::JournalLevel(level) => { writer.u8(43)?; writer.u16(*level) }
                Input::Depth(depth) => {
                    writer.u8(1)?;
                    depth.header.encode(writer)?;
                    encode_levels(depth.bids, writer)?;
                    encode_levels(depth.asks, writer)
                }
                Input::SnapshotLevels(run) => {
                    writer.u8(2)?;
                    run.instrument.encode(writer)?;
                    run.side.encode(writer)?;
                    encode_levels(run.levels, writer)
                }
                Input::Configure(one) => {
                    writer.u8(74)?;
                    writer.u64(one.version)?;
                    writer.u64(one.config_hash)?;
                    encode_levels(one.limits, writer)
                }
            }
        }

        fn decode_input<'a>(
            reader: &mut Reader<'_>, levels: &'a mut [Level],
        ) -> Result<Input<'a>, CodecError> {
            Ok(match reader.u8()? {
                $($tag => Input::$variant(Wire::decode(reader)?),)*
                40 => Input::ReconcileBegin,
                41 => Input::ReconcileEnd,
                42 => Input::Time,
                67 => Input::FirstStart,
                43 => Input::JournalLevel(reader.u16()?),
                1 => {
                    let header = DepthHeader::decode(reader)?;
                    let bid_count = decode_levels(reader, levels)?;
                    let (bids, rest) = levels.split_at_mut(bid_count);
                    let ask_count = decode_levels(reader, rest)?;
                    Input::Depth(DepthUpdate { header, bids, asks: &rest[..ask_count] })
                }
                2 => {
                    let instrument = InstrumentId::decode(reader)?;
                    let side = Side::decode(reader)?;
                    let count = decode_levels(reader, levels)?;
                    Input::SnapshotLevels(SnapshotLevels {
                        instrument, side, levels: &levels[..count],
                    })
                }
                74 => {
                    let (version, config_hash) = (reader.u64()?, reader.u64()?);
                    let count = decode_levels(reader, levels)?;
                    Input::Configure(Configure { version, config_hash, limits: &levels[..count] })
                }
                other => return Err(CodecError::BadDiscriminant(other)),
            })
        }
    };
}
input_codec! {
    3 => BookTicker,
    4 => Trade,
    5 => AggTrade,
    6 => MarkPrice,
    7 => SnapshotBegin,
    8 => SnapshotEnd,
    9 => ParseFailure,
    10 => Stream,
    11 => OrderReply,
    12 => OrderUpdate,
    13 => Position,
    14 => Balance,
    15 => OpenOrder,
    16 => Command,
    17 => Clock,
    18 => Breakers,
    19 => Margin,
    20 => Liquidation,
    21 => Venue,
    22 => Cooldown,
    23 => CancelInstrument,
    24 => CancelOrder,
    25 => KillStep,
    30 => Protection,
    60 => ListedTrade,
    61 => TradesListed,
    62 => Remember,
    63 => AlgoOrder,
    64 => Elsewhere,
    65 => Setup,
    66 => AccountConfig,
    68 => Listing,
    69 => Income,
    70 => Unseen,
    71 => WalletMoved,
    72 => InputsLost,
    73 => Strategy,
}

impl<'a> Event<'a> {
    /// Encodes into `buffer` and returns the used length.
    ///
    /// # Errors
    /// [`CodecError::TooLong`] when the buffer is too small.
    pub fn to_bytes(&self, buffer: &mut [u8]) -> Result<usize, CodecError> {
        let mut writer = Writer::new(buffer);
        writer.u64(self.sequence)?;
        self.time.encode(&mut writer)?;
        encode_plain(&self.input, &mut writer)?;
        Ok(writer.length())
    }

    /// Decodes an event that fills `bytes` exactly; its levels go to `levels`.
    ///
    /// # Errors
    /// [`CodecError`] when the bytes are no event, or hold more levels than `levels` has room for.
    pub fn from_bytes(bytes: &[u8], levels: &'a mut [Level]) -> Result<Self, CodecError> {
        let mut reader = Reader::new(bytes);
        let sequence = reader.u64()?;
        let time = MonoNs::decode(&mut reader)?;
        let input = decode_input(&mut reader, levels)?;
        if reader.remaining() != 0 {
            return Err(CodecError::Trailing);
        }
        Ok(Self {
            sequence,
            time,
            input,
        })
    }
}

impl Input<'_> {
    /// True for inputs that come from market streams: the input log may drop these, and no other.
    #[must_use]
    pub const fn is_market_data(&self) -> bool {
        matches!(
            self,
            Self::Depth(_)
                | Self::BookTicker(_)
                | Self::Trade(_)
                | Self::AggTrade(_)
                | Self::MarkPrice(_)
        )
    }
}

/// Bytes of one encoded level: price, then quantity.
const LEVEL_BYTES: usize = 16;

fn encode_levels(levels: &[Level], writer: &mut Writer<'_>) -> Result<(), CodecError> {
    writer.u32(u32::try_from(levels.len()).map_err(|_| CodecError::TooLong)?)?;
    // One check for all of them; the bytes are those of `Level::encode`.
    let bytes = writer.room(levels.len() * LEVEL_BYTES)?;
    for (bytes, level) in bytes.chunks_exact_mut(LEVEL_BYTES).zip(levels) {
        bytes_of(level, bytes);
    }
    Ok(())
}

#[inline]
fn bytes_of(level: &Level, bytes: &mut [u8]) {
    let (price, quantity) = bytes.split_at_mut(8);
    price.copy_from_slice(&level.price.0.to_le_bytes());
    quantity.copy_from_slice(&level.quantity.0.to_le_bytes());
}

#[inline]
fn level_of(bytes: &[u8]) -> Level {
    let word = |at: usize| i64::from_le_bytes(bytes[at..at + 8].try_into().expect("eight"));
    Level {
        price: Price(word(0)),
        quantity: Quantity(word(8)),
    }
}

fn decode_levels(reader: &mut Reader<'_>, levels: &mut [Level]) -> Result<usize, CodecError> {
    let count = reader.u32()? as usize;
    let target = levels.get_mut(..count).ok_or(CodecError::TooLong)?;
    let bytes = reader.bytes(count * LEVEL_BYTES)?;
    for (bytes, level) in bytes.chunks_exact(LEVEL_BYTES).zip(target) {
        *level = level_of(bytes);
    }
    Ok(count)
}

#[cfg(test)]
mod tests {
    use super::*;
    use market::UtcMs;

    #[test]
    fn a_run_of_levels_has_the_bytes_of_its_levels() {
        let levels: Vec<Level> = (0..9)
            .map(|index| Level {
                price: Price(i64::MIN + index * 0x0123_4567_89ab),
                quantity: Quantity(i64::MAX - index),
            })
            .collect();
        let (mut run, mut single) = ([0; 256], [0; 256]);
        let mut writer = Writer::new(&mut run);
        encode_levels(&levels, &mut writer).unwrap();
        let length = writer.length();
        let mut writer = Writer::new(&mut single);
        writer.u32(9).unwrap();
        for level in &levels {
            level.encode(&mut writer).unwrap();
        }
        assert_eq!(writer.length(), length);
        assert_eq!(run, single);
        let mut back = [Level::default(); 9];
        assert_eq!(
            decode_levels(&mut Reader::new(&run[..length]), &mut back),
            Ok(9)
        );
        assert_eq!(back[..], levels);
        let short = decode_levels(&mut Reader::new(&run[..length - 1]), &mut back);
        assert_eq!(short, Err(CodecError::Truncated));
    }

    #[test]
    fn events_survive_the_trip_and_damage_is_an_error() {
        let bids = [Level {
            price: Price(1),
            quantity: Quantity(2),
        }];
        let asks = [
            Level {
                price: Price(3),
                quantity: Quantity(4),
            },
            Level {
                price: Price(5),
                quantity: Quantity(0),
            },
        ];
        let header = DepthHeader {
            instrument: InstrumentId(1),
            first_update_id: UpdateId(10),
            last_update_id: UpdateId(12),
            previous_update_id: UpdateId(9),
            event_time: UtcMs(5),
            transaction_time: UtcMs(4),
        };
        let inputs = [
            Input::Depth(DepthUpdate {
                header,
                bids: &bids,
                asks: &asks,
            }),
            Input::SnapshotLevels(SnapshotLevels {
                instrument: InstrumentId(1),
                side: Side::Sell,
                levels: &asks,
            }),
            Input::Time,
            Input::Command(Command::Kill),
        ];
        for input in inputs {
            let event = Event {
                sequence: 3,
                time: MonoNs(9),
                input,
            };
            let mut bytes = [0; 512];
            let length = event.to_bytes(&mut bytes).unwrap();
            let mut levels = [Level::default(); 8];
            assert_eq!(Event::from_bytes(&bytes[..length], &mut levels), Ok(event));
            let mut few = [Level::default(); 8];
            assert!(Event::from_bytes(&bytes[..length - 1], &mut few).is_err());
        }
    }
}
