//! Events of the private streams, both ways.
//!
//! In: frames of the futures user stream and of spot's WebSocket API; for the simulated exchange,
//! order updates and account changes. Out: order updates, positions, balances, notices; event
//! text. Never: an allocation in the decoder, a fill dropped without an error.

mod account;
mod encode;
mod message;
mod order;

pub use account::{AccountReason, AccountUpdate, BALANCES_MAX, Funding, POSITIONS_MAX};
pub use encode::{
    AccountUpdateDetail, BalanceDetail, OrderUpdateDetail, OrderWords, PositionDetail, Prevention,
    SpotWords, encode_account_update, encode_execution_report, encode_listen_key_expired,
    encode_order_update, encode_trade_lite,
};
pub use message::{UserMessage, decode_user_message};
