//! Market events: `depthUpdate`, `bookTicker`, `trade`, `aggTrade`, `markPriceUpdate`.
//!
//! In: events of one instrument. Out: the `data` object of the stream. Never: a number at
//! another precision than the instrument's wire precision.

use super::{JsonText, Layout};
use market::decimal::TEXT_MAX;
use market::{
    AggTrade, BookTicker, DepthUpdate, Instrument, Level, Market, Price, Quantity, Rate, Side,
    Trade, UtcMs,
};

/// What a `markPriceUpdate` says; prices times 1e8.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MarkPriceDetail {
    /// Mark price.
    pub mark_e8: i64,
    /// Its moving average (`ap`); only in the current layout.
    pub average_e8: i64,
    /// Index price.
    pub index_e8: i64,
    /// Estimated settlement price.
    pub settle_e8: i64,
    /// Last funding rate.
    pub funding_rate: Rate,
    /// When funding is exchanged next.
    pub next_funding_time: UtcMs,
    /// When it is sent.
    pub event_time: UtcMs,
}

/// Appends `depthUpdate`.
pub fn depth_update(
    out: &mut Vec<u8>,
    instrument: &Instrument,
    update: &DepthUpdate<'_>,
    layout: Layout,
) {
    let header = &update.header;
    let mut json = JsonText::new(out);
    json.open();
    json.text("e", b"depthUpdate");
    json.integer("E", header.event_time.0);
    if instrument.market == Market::UsdM {
        json.integer("T", header.transaction_time.0);
    }
    symbol(&mut json, instrument, layout);
    json.id("U", header.first_update_id.0);
    json.id("u", header.last_update_id.0);
    if instrument.market == Market::UsdM {
        json.id("pu", header.previous_update_id.0);
    }
    levels(&mut json, "b", instrument, update.bids);
    levels(&mut json, "a", instrument, update.asks);
    settlement(&mut json, instrument, layout);
    json.close();
}

/// Appends `bookTicker`.
pub fn book_ticker(
    out: &mut Vec<u8>,
    instrument: &Instrument,
    ticker: &BookTicker,
    layout: Layout,
) {
    let usdm = instrument.market == Market::UsdM;
    let mut json = JsonText::new(out);
    json.open();
    if usdm {
        json.text("e", b"bookTicker");
    }
    json.id("u", ticker.update_id.0);
    symbol(&mut json, instrument, layout);
    price(&mut json, "b", instrument, ticker.bid.price);
    quantity(&mut json, "B", instrument, ticker.bid.quantity);
    price(&mut json, "a", instrument, ticker.ask.price);
    quantity(&mut json, "A", instrument, ticker.ask.quantity);
    if usdm {
        json.integer("T", ticker.transaction_time.0);
        json.integer("E", ticker.event_time.0);
    }
    settlement(&mut json, instrument, layout);
    json.close();
}

/// Appends `trade`.
pub fn trade(out: &mut Vec<u8>, instrument: &Instrument, trade: &Trade, layout: Layout) {
    let usdm = instrument.market == Market::UsdM;
    let mut json = JsonText::new(out);
    json.open();
    json.text("e", b"trade");
    json.integer("E", trade.event_time.0);
    if usdm {
        json.integer("T", trade.transaction_time.0);
    }
    json.text("s", instrument.symbol.as_bytes());
    json.id("t", trade.trade_id.0);
    price(&mut json, "p", instrument, trade.price);
    quantity(&mut json, "q", instrument, trade.quantity);
    if usdm {
        let kind: &[u8] = if trade.from_book {
            b"MARKET"
        } else {
            b"INSURANCE_FUND"
        };
        json.text("X", kind);
    } else {
        json.integer("T", trade.transaction_time.0);
    }
    json.boolean("m", trade.aggressor == Side::Sell);
    if !usdm {
        json.boolean("M", true);
    }
    settlement(&mut json, instrument, layout);
    json.close();
}

/// Appends `aggTrade`.
pub fn agg_trade(out: &mut Vec<u8>, instrument: &Instrument, trade: &AggTrade, layout: Layout) {
    let usdm = instrument.market == Market::UsdM;
    let mut json = JsonText::new(out);
    json.open();
    json.text("e", b"aggTrade");
    json.integer("E", trade.event_time.0);
    // Futures name the aggregate before the symbol, spot after it.
    if usdm {
        json.id("a", trade.aggregate_id.0);
        json.text("s", instrument.symbol.as_bytes());
    } else {
        json.text("s", instrument.symbol.as_bytes());
        json.id("a", trade.aggregate_id.0);
    }
    price(&mut json, "p", instrument, trade.price);
    quantity(&mut json, "q", instrument, trade.quantity);
    if usdm && layout == Layout::Current {
        quantity(&mut json, "nq", instrument, trade.quantity);
    }
    json.id("f", trade.first_trade_id.0);
    json.id("l", trade.last_trade_id.0);
    json.integer("T", trade.transaction_time.0);
    json.boolean("m", trade.aggressor == Side::Sell);
    if !usdm {
        json.boolean("M", true);
    }
    settlement(&mut json, instrument, layout);
    json.close();
}

/// Appends `markPriceUpdate`.
pub fn mark_price(
    out: &mut Vec<u8>,
    instrument: &Instrument,
    detail: &MarkPriceDetail,
    layout: Layout,
) {
    let mut json = JsonText::new(out);
    json.open();
    json.text("e", b"markPriceUpdate");
    json.integer("E", detail.event_time.0);
    json.text("s", instrument.symbol.as_bytes());
    json.decimal("p", detail.mark_e8, 8);
    if layout == Layout::Current {
        json.decimal("ap", detail.average_e8, 8);
        json.decimal("i", detail.index_e8, 8);
        json.decimal("P", detail.settle_e8, 8);
    } else {
        json.decimal("P", detail.settle_e8, 8);
        json.decimal("i", detail.index_e8, 8);
    }
    json.decimal("r", detail.funding_rate.0, 8);
    json.integer("T", detail.next_funding_time.0);
    settlement(&mut json, instrument, layout);
    json.close();
}

/// Wraps a `data` object for a combined stream: `{"stream":"…","data":…}`.
pub fn wrap_stream(out: &mut Vec<u8>, stream: &[u8], data: &[u8]) {
    let mut json = JsonText::new(out);
    json.open();
    json.text("stream", stream);
    json.raw("data", data);
    json.close();
}

pub(super) fn levels(
    json: &mut JsonText<'_>,
    name: &str,
    instrument: &Instrument,
    levels: &[Level],
) {
    json.open_list(name);
    for level in levels {
        let mut buffer = [0; TEXT_MAX];
        json.open_array();
        json.element(instrument.write_price(level.price, &mut buffer));
        json.element(instrument.write_quantity(level.quantity, &mut buffer));
        json.close_list();
    }
    json.close_list();
}

fn symbol(json: &mut JsonText<'_>, instrument: &Instrument, layout: Layout) {
    json.text("s", instrument.symbol.as_bytes());
    if instrument.market == Market::UsdM && layout == Layout::Current {
        json.text("ps", instrument.symbol.as_bytes());
    }
}

fn settlement(json: &mut JsonText<'_>, instrument: &Instrument, layout: Layout) {
    if instrument.market == Market::UsdM && layout == Layout::Current {
        json.integer("st", 1);
    }
}

fn price(json: &mut JsonText<'_>, name: &str, instrument: &Instrument, price: Price) {
    json.text(name, instrument.write_price(price, &mut [0; TEXT_MAX]));
}

fn quantity(json: &mut JsonText<'_>, name: &str, instrument: &Instrument, quantity: Quantity) {
    json.text(
        name,
        instrument.write_quantity(quantity, &mut [0; TEXT_MAX]),
    );
}
