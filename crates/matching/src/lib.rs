//! The fill simulator: what a venue does with our orders, given the liquidity of a market.
//!
//! In: the market as recorded or generated (depth, book tickers, trades, mark prices, in ticks
//! and lots) and our orders. Out: order events, fills, positions, fees, wallet, each exact.
//! Never: I/O, clocks, randomness, floats in money, an exchange's spelling.
//!
//! The market's liquidity is given; our orders are an overlay that never changes it. A taker
//! walks the book and cannot use the same liquidity twice before the stream refreshes it. A
//! maker waits behind the quantity that stood at its price when it came ([`view`], [`queue`]).
#![forbid(unsafe_code)]

pub mod account;
pub mod averages;
pub mod brackets;
pub mod conditional;
pub mod desk;
pub mod input;
pub mod lists;
pub mod order;
pub mod output;
pub mod queue;
pub mod records;
pub mod rejection;
pub mod spot;
pub mod stops;
pub mod venue;
pub mod view;
pub mod words;

mod adversity;
mod checks;
mod execution;
mod funding;
mod liquidation;
mod margin;
mod settings;

pub use account::{Account, BnbFees, Fees, MarginType, Position};
pub use averages::AVERAGE_MINUTES;
pub use brackets::{Bracket, Brackets};
pub use checks::NOTIONAL_MAX;
pub use conditional::{
    Conditional, ConditionalKind, ConditionalOptions, ConditionalOrders, ConditionalRecord,
    ConditionalRejection, ConditionalState, PlaceConditional, Trailing, TriggerBy,
};
pub use desk::{AccountId, Amendment, MarginMove, PreventedMatch, SHRINKS_OF_ONE_MAX};
pub use input::{Input, Opening};
pub use margin::AccountTotals;

pub use lists::{LISTS_MAX, ListKind, OrderList, PlaceList};
pub use order::{
    Expiry, Fill, Order, OrderOptions, PRICE_MATCHES, PlaceOrder, PositionSide, SelfTrade, Stage,
    Standing, Stop,
};
pub use output::{AccountChange, ListChange, ListEvent, OrderEvent, Output, WalletChange};
pub use queue::{QueueModel, QueuePosition};
pub use records::{AccountRecord, NextIds, Recorded};
pub use rejection::Rejection;
pub use settings::SettingRefusal;
pub use spot::{Balance, SpotBalances};
pub use stops::{STOPS_MAX, TRAILING_BIPS};
pub use venue::{Venue, VenueConfig};
pub use view::MarketView;
