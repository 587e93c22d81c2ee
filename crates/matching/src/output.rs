//! What a private stream tells of one account.
//!
//! In: what happened in the venue. Out: the values that a dialect writes. Never: a text format.

use market::{ClientOrderId, InstrumentId, Money, OrderUpdate, Quantity, UtcMs, ids::Asset};
use serde::{Deserialize, Serialize};

use crate::account::MarginType;
use crate::desk::AccountId;
use crate::lists::OrderList;
use crate::order::{Expiry, OrderOptions, PositionSide, Standing};
use crate::words::Word;

/// What happened to one of our orders.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OrderEvent {
    /// The venue-neutral event.
    pub update: OrderUpdate,
    /// Average fill price times 1e8; 0 without a fill.
    pub average_price_e8: i64,
    /// Why it expired.
    pub expiry: Expiry,
    /// When the order was accepted.
    pub created: UtcMs,
    /// What else the order was asked to be.
    pub options: OrderOptions,
    /// Notional of the account's open buy orders of the instrument.
    pub bids_notional: Money,
    /// Notional of its open sell orders.
    pub asks_notional: Money,
    /// Where it stands, on spot.
    pub standing: Standing,
    /// What the client called the cancel that ended it; empty where it gave no name.
    pub cancel_id: ClientOrderId,
    /// Whose.
    pub account: AccountId,
}

/// A list of orders was accepted, changed or is over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ListEvent {
    /// The list as it is now.
    pub list: OrderList,
    /// What is told of it.
    pub change: ListChange,
    /// When.
    pub time: UtcMs,
    /// Whose.
    pub account: AccountId,
}

/// What is told of a list.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ListChange {
    /// It was accepted.
    Started,
    /// One of its orders has another id.
    Updated,
    /// None of its orders is open any more.
    Done,
}

/// How the account stands after a fill, or after its margin moved.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AccountChange {
    /// The instrument whose position changed.
    pub instrument: InstrumentId,
    /// Signed lots.
    pub quantity: Quantity,
    /// Entry price times 1e8.
    pub entry_price_e8: i64,
    /// Realised since the start, before fees.
    pub realized: Money,
    /// Unrealised at the mark price.
    pub unrealized: Money,
    /// Entry price with the fees of the position in it, times 1e8.
    pub break_even_e8: i64,
    /// Which leg.
    pub position_side: PositionSide,
    /// How the instrument is margined.
    pub margin_type: MarginType,
    /// What is set aside for this leg alone.
    pub isolated: Money,
    /// Wallet balance.
    pub wallet: Money,
    /// Wallet balance less all that is set aside.
    pub cross_wallet: Money,
    /// The exchange's word for what caused it.
    pub reason: &'static str,
    /// When.
    pub time: UtcMs,
    /// Whose.
    pub account: AccountId,
}

/// Money that moved without a trade.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct WalletChange {
    /// Wallet balance.
    pub wallet: Money,
    /// Wallet balance less what is set aside for isolated positions.
    pub cross_wallet: Money,
    /// The instrument that it is about, if any.
    pub instrument: Option<InstrumentId>,
    /// The asset that moved.
    pub asset: Asset,
    /// What moved; negative when it left.
    pub change: Money,
    /// The exchange's word for it.
    #[serde(with = "crate::words::reason")]
    pub reason: Word,
    /// When.
    pub time: UtcMs,
    /// Whose.
    pub account: AccountId,
}

/// One private event.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Output {
    /// About an order.
    Order(OrderEvent),
    /// About the account; follows from the trade event that comes next.
    Account(AccountChange),
    /// About the wallet alone.
    Wallet(WalletChange),
    /// About a list of orders.
    List(ListEvent),
}

impl Output {
    /// Whose event it is.
    #[must_use]
    pub const fn account(&self) -> AccountId {
        match self {
            Self::Order(event) => event.account,
            Self::Account(change) => change.account,
            Self::Wallet(change) => change.account,
            Self::List(event) => event.account,
        }
    }
}
