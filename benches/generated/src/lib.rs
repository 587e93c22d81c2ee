//! A seeded market, written as the exchange writes it.
//!
//! In: a seed and a number of messages. Out: an instrument, the book at the start, and frames; the
//! same bytes on every machine. Never: a clock, a recording, a level far from the touch: a stream
//! like this flatters small windows, so that recordings come first where there are any.
#![forbid(unsafe_code)]

mod depth;
mod numbers;
mod single;

pub use depth::{DepthStream, depth_stream};
pub use numbers::Numbers;
pub use single::{agg_trades, book_tickers, trades};

use market::{
    Filters, Instrument, InstrumentId, InstrumentStatus, Market, Money, Quantity, Step, Symbol,
};

/// The instrument of every generated frame: BTCUSDT, tick 0.10, lot 0.001, prices written with two
/// decimals.
///
/// # Panics
/// Never: its texts are constants.
#[must_use]
pub fn instrument() -> Instrument {
    Instrument {
        id: InstrumentId(0),
        market: Market::UsdM,
        symbol: Symbol::new(b"BTCUSDT").expect("seven ASCII bytes"),
        tick: Step::from_text(b"0.10").expect("a decimal"),
        lot: Step::from_text(b"0.001").expect("a decimal"),
        price_decimals: 2,
        quantity_decimals: 3,
        status: InstrumentStatus::Trading,
        filters: Filters {
            quantity_min: Quantity(1),
            notional_min: Money::from_whole(5),
            ..Filters::NONE
        },
    }
}

/// Ticks as the exchange writes them: `281451` is `28145.10`.
pub(crate) fn price_text(ticks: i64) -> String {
    format!("{}.{}0", ticks / 10, ticks % 10)
}

/// Lots as the exchange writes them: `1500` is `1.500`.
pub(crate) fn quantity_text(lots: i64) -> String {
    format!("{}.{:03}", lots / 1000, lots % 1000)
}
