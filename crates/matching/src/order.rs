//! Orders as the venue keeps them, and their fills.
//!
//! In: accepted requests. Out: records for queries. Never: a transition; those are in
//! `execution`.

use market::ids::Asset;
use market::{
    ClientOrderId, ExchangeOrderId, InstrumentId, Liquidity, Money, OrderState, OrderType, Price,
    Quantity, Side, TimeInForce, TradeId, UtcMs,
};
use serde::{Deserialize, Serialize};

use crate::conditional::ConditionalKind;
use crate::queue::QueuePosition;
use crate::rejection::Rejection;
use crate::words::{Word, is_usual};

/// A request to place an order, parsed and on the instrument's grid.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PlaceOrder {
    /// The client's id, unique among open orders.
    pub client_order_id: ClientOrderId,
    /// What to trade.
    pub instrument: InstrumentId,
    /// Buy or sell.
    pub side: Side,
    /// Limit or market.
    pub order_type: OrderType,
    /// Lifetime.
    pub time_in_force: TimeInForce,
    /// Limit price; 0 for market orders.
    pub price: Price,
    /// Quantity in lots.
    pub quantity: Quantity,
    /// May only reduce the position.
    pub reduce_only: bool,
    /// What else it was asked to be.
    #[serde(default, skip_serializing_if = "is_usual")]
    pub options: OrderOptions,
}

/// Which leg of a position an order is for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum PositionSide {
    /// The only one of the one-way mode.
    #[default]
    Both,
    /// The long leg of the hedge mode.
    Long,
    /// The short leg of the hedge mode.
    Short,
}

/// What happens where an order meets one of the same account.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum SelfTrade {
    /// They pass each other.
    None,
    /// The arriving order's rest expires.
    ExpireTaker,
    /// The resting one expires: the documented default.
    #[default]
    ExpireMaker,
    /// Both expire.
    ExpireBoth,
}

/// What most orders leave as it is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct OrderOptions {
    /// Leg.
    pub position_side: PositionSide,
    /// Self-trade prevention.
    pub self_trade: SelfTrade,
    /// Ends at this time.
    pub good_till: Option<UtcMs>,
    /// The dialect's word for a price that was taken from the book; `""` for a price of its own.
    #[serde(with = "crate::words::price_match")]
    pub price_match: Word,
    /// On spot: waits for the price of a trade before it works.
    pub stop: Option<Stop>,
    /// On spot: the amount of the quote asset that a market order was asked for; 0: a quantity.
    pub quote: Money,
    /// On spot: the client's own numbers of the strategy and of its kind.
    pub strategy: (Option<i64>, Option<i64>),
}

/// The words for a price that is taken from the book.
pub const PRICE_MATCHES: [&str; 8] = [
    "OPPONENT",
    "OPPONENT_5",
    "OPPONENT_10",
    "OPPONENT_20",
    "QUEUE",
    "QUEUE_5",
    "QUEUE_10",
    "QUEUE_20",
];

/// What an order of spot waits for: a price of the last trade.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Stop {
    /// Stop loss or take profit.
    pub kind: ConditionalKind,
    /// The price that must be traded; 0 where it trails from the start.
    pub price: Price,
    /// How far the price must come back from its best, in hundredths of a per cent; 0: not at all.
    pub trailing_bips: u32,
}

/// Where an open order stands on its way to the book.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum Stage {
    /// It works: in the book, or taking from it.
    #[default]
    Working,
    /// It waits for its price.
    Waiting,
    /// It waits until the first order of its list is filled.
    Pending,
}

/// What only orders of spot have: a price that they wait for, a list that they belong to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Standing {
    /// How far it has come.
    pub stage: Stage,
    /// The list that it belongs to.
    pub list: Option<u64>,
    /// When it began to work; 0 before.
    pub working_since: UtcMs,
    /// Best price that a trailing one has seen; 0 before it looks.
    pub extreme: Price,
    /// When a trailing one began to look; 0 before.
    pub trailing_since: UtcMs,
    /// The price at which a market order that waits is covered.
    pub reserve: Price,
    /// Why it was refused when its time came.
    pub rejection: Option<Rejection>,
    /// The match with an order of the same account that it expired of.
    pub prevented: Option<u64>,
}

impl PositionSide {
    /// All legs.
    pub const ALL: [Self; 3] = [Self::Both, Self::Long, Self::Short];

    /// The usual word.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Both => "BOTH",
            Self::Long => "LONG",
            Self::Short => "SHORT",
        }
    }

    /// The leg of a word.
    #[must_use]
    pub fn from_word(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|one| one.as_str() == word)
    }

    /// True when an order of `side` for this leg closes by its nature.
    #[must_use]
    pub fn closes(self, side: Side) -> bool {
        matches!(
            (self, side),
            (Self::Long, Side::Sell) | (Self::Short, Side::Buy)
        )
    }
}

impl SelfTrade {
    /// All modes.
    pub const ALL: [Self; 4] = [
        Self::None,
        Self::ExpireTaker,
        Self::ExpireMaker,
        Self::ExpireBoth,
    ];

    /// The usual word.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::None => "NONE",
            Self::ExpireTaker => "EXPIRE_TAKER",
            Self::ExpireMaker => "EXPIRE_MAKER",
            Self::ExpireBoth => "EXPIRE_BOTH",
        }
    }

    /// The mode of a word.
    #[must_use]
    pub fn from_word(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|one| one.as_str() == word)
    }
}

impl PlaceOrder {
    /// True when it can only make its leg smaller.
    #[must_use]
    pub fn reduces(&self) -> bool {
        self.reduce_only || self.options.position_side.closes(self.side)
    }
}

/// Why an order ended before it was filled.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum Expiry {
    /// It did not expire.
    #[default]
    None,
    /// It met one of our own orders.
    SelfTrade,
    /// The rest of an immediate-or-cancel order.
    ImmediateOrCancel,
    /// A reduce-only order with nothing left to reduce.
    ReduceOnly,
    /// The rest of a market order.
    MarketRest,
    /// The account was liquidated.
    Liquidation,
    /// Its own end came.
    GoodTill,
    /// Another order of its list became active or ended.
    ListPartner,
}

impl Expiry {
    /// All reasons with their words in a log.
    const WORDS: [(Self, &'static str); 8] = [
        (Self::None, "none"),
        (Self::SelfTrade, "self-trade"),
        (Self::ImmediateOrCancel, "immediate-or-cancel"),
        (Self::ReduceOnly, "reduce-only"),
        (Self::MarketRest, "market-rest"),
        (Self::Liquidation, "liquidation"),
        (Self::GoodTill, "good-till"),
        (Self::ListPartner, "list-partner"),
    ];

    /// Its word in a log.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        let found = Self::WORDS.iter().find(|(one, _)| *one == self);
        found.map_or("", |(_, word)| word)
    }

    /// The reason of a word.
    #[must_use]
    pub fn from_word(word: &str) -> Option<Self> {
        let found = Self::WORDS.iter().find(|(_, one)| *one == word);
        found.map(|(reason, _)| *reason)
    }
}

/// An order, open or ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Order {
    /// The venue's id, consecutive.
    pub id: ExchangeOrderId,
    /// As requested, or as last modified.
    pub request: PlaceOrder,
    /// Where it stands in its life.
    pub state: OrderState,
    /// Filled lots.
    pub filled: Quantity,
    /// Sum of ticks times lots over its fills: the average price is this over `filled`.
    pub filled_tick_lots: i128,
    /// Its place in the queue while it rests.
    #[serde(skip)]
    pub queue: QueuePosition,
    /// Why it expired.
    #[serde(default, skip_serializing_if = "is_usual")]
    pub expiry: Expiry,
    /// When it was accepted.
    pub created: UtcMs,
    /// When it last changed.
    pub updated: UtcMs,
    /// How often it was modified.
    pub amendments: u32,
    /// Where it stands, on spot.
    #[serde(default, skip_serializing_if = "is_usual")]
    pub standing: Standing,
}

/// One execution of one of our orders.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Fill {
    /// Consecutive over the venue.
    pub trade_id: TradeId,
    /// Our order.
    pub order_id: ExchangeOrderId,
    /// The instrument.
    pub instrument: InstrumentId,
    /// Our side.
    pub side: Side,
    /// Maker or taker.
    pub liquidity: Liquidity,
    /// Price.
    pub price: Price,
    /// Lots.
    pub quantity: Quantity,
    /// The leg that it changed.
    pub position_side: PositionSide,
    /// Fee, positive = paid.
    pub commission: Money,
    /// What the fee was paid in.
    pub commission_asset: Asset,
    /// Realised profit before fees.
    pub realized: Money,
    /// When.
    pub time: UtcMs,
}

impl Order {
    /// An order that has just been accepted.
    #[must_use]
    pub fn accepted(now: UtcMs, id: u64, request: &PlaceOrder) -> Self {
        Self {
            id: ExchangeOrderId(id),
            request: *request,
            state: OrderState::Accepted,
            filled: Quantity::ZERO,
            filled_tick_lots: 0,
            queue: QueuePosition::default(),
            expiry: Expiry::None,
            created: now,
            updated: now,
            amendments: 0,
            standing: Standing::default(),
        }
    }

    /// Lots not filled yet.
    #[must_use]
    pub fn remaining(&self) -> Quantity {
        self.request.quantity - self.filled
    }
}
