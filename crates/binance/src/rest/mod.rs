//! REST: calls to send and their answers.
//!
//! In: what is wanted; bodies of answers. Out: method, path, query and weight; words of `market`.
//! Never: on the way of an order; this is the cold path and may allocate.

mod account;
mod algo;
mod call;
mod emergency;
mod exchange_info;
mod income;
mod order;
mod rights;
mod setup;

pub use account::{
    AccountState, Balances, Positions, parse_account, parse_balances, parse_listen_key,
    parse_positions,
};
pub use algo::{
    AlgoState, PlacedAlgoOrder, cancel_algo_order, open_algo_orders, parse_algo_order,
    parse_algo_orders, place_protective_stop, query_algo_order,
};
pub use algo::{ListedAlgoOrder, ProtectiveStop, TriggerPrice};
pub use call::{
    Call, ListenKeyAction, Method, TRADES_PAGE, TradesFrom, account, balances, cancel_order, depth,
    exchange_info, listen_key, open_orders, positions, query_order, time, user_trades,
};
pub use emergency::{
    HeldPosition, Leg, ListedOrder, Lots, cancel_algo_orders, cancel_named_order, cancel_orders_of,
    close_position, countdown_cancel_all, parse_held_positions, parse_listed_orders,
};
pub use exchange_info::{
    ExchangeInfo, ListedInstrument, RequestLimit, parse_exchange_info, parse_time,
};
pub use income::{INCOME_PAGE, income, parse_income};
pub use order::{
    Failure, OpenOrders, UserTrade, parse_failure, parse_open_orders, parse_order,
    parse_user_trades,
};
pub use rights::{
    KeyRights, best_prices, key_rights, multi_assets, parse_best_prices, parse_key_rights,
    parse_multi_assets, ping,
};
pub use setup::{
    MarginType, SymbolConfig, parse_position_mode, parse_symbol_config, position_mode,
    set_leverage, set_margin_type, set_one_way, symbol_config,
};

/// Why an answer is not what it should be.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RestError {
    /// Not JSON, or JSON of another shape.
    #[error("answer of another shape: {0}")]
    Shape(String),
    /// A field holds a value that this program does not know or cannot hold.
    #[error("field {field:?} holds {found:?}")]
    Value {
        /// Name of the field.
        field: &'static str,
        /// What it holds.
        found: String,
    },
}

impl From<serde_json::Error> for RestError {
    fn from(error: serde_json::Error) -> Self {
        Self::Shape(error.to_string())
    }
}

pub(crate) fn bad_value(field: &'static str, found: &str) -> RestError {
    RestError::Value {
        field,
        found: found.chars().take(64).collect(),
    }
}
