//! Pictures: what the newest [`View`](crate::view::View) says of one subject, for the API and the stream.
//!
//! In: a view, the settings. Out: plain values with their units in their names, decimals as text.
//! Never: a question to the hot path, a float for money.

pub mod account;
pub mod instruments;
pub mod latency;
pub mod machine;
pub mod risk;

use market::page::InstrumentPage;
use market::{
    Filters, Instrument, InstrumentStatus, Money, Price, Quantity, Step, decimal::TEXT_MAX,
};

/// The instrument of a page, as far as values need it.
fn instrument_of(page: &InstrumentPage) -> Instrument {
    Instrument {
        id: page.instrument,
        market: page.market,
        symbol: page.symbol,
        tick: page.tick,
        lot: page.lot,
        price_decimals: page.tick.decimals,
        quantity_decimals: page.lot.decimals,
        status: InstrumentStatus::Trading,
        filters: Filters::NONE,
    }
}

/// Signed value of the position at mark, or at the best bid where there is no mark.
fn position_notional(page: &InstrumentPage) -> Money {
    let price = if page.mark.0 > 0 {
        page.mark
    } else {
        page.bid.price
    };
    instrument_of(page).notional(price, page.position)
}

/// A price as text; none where it is not known.
fn price(page: &InstrumentPage, price: Price) -> Option<String> {
    (price.0 > 0).then(|| steps(page.tick, price.0))
}

/// A quantity as text.
fn quantity(page: &InstrumentPage, quantity: Quantity) -> String {
    steps(page.lot, quantity.0)
}

fn steps(step: Step, count: i64) -> String {
    crate::decimal::steps(step, count)
}

/// `part` of `whole` with four decimals, cut; none without a whole.
fn share(part: i64, whole: i64) -> Option<String> {
    if whole <= 0 {
        return None;
    }
    let parts = i128::from(part) * 10_000 / i128::from(whole);
    let parts = i64::try_from(parts).unwrap_or(i64::MAX);
    let mut buffer = [0; TEXT_MAX];
    let text = market::decimal::write_decimal(parts, 4, &mut buffer);
    Some(String::from_utf8_lossy(text).into_owned())
}
