//! `market` events to the text that the exchange would send, for the simulated exchange.
//!
//! In: events, instruments, a layout. Out: JSON appended to the caller's buffer, at wire
//! precision and in the exchange's key order. Never: white space, another order.

mod event;
mod snapshot;
mod text;

pub use event::{
    MarkPriceDetail, agg_trade, book_ticker, depth_update, mark_price, trade, wrap_stream,
};
pub use snapshot::snapshot;
pub use text::JsonText;

/// Which generation of the exchange's messages to write.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Layout {
    /// As of 2026: futures messages carry `ps`, `st`, `nq`, `ap`.
    #[default]
    Current,
    /// Before 2026, as in most recordings: without them.
    Classic,
}
