//! Candles and tickers as the exchange writes them, on streams and by request (binance.md 1.2,
//! 1.7, 3.3, 3.4).
//!
//! In: candles of a tape. Out: JSON in the exchange's key order. Never: a float: volumes in the
//! quote asset are exact.

use binance::encode::JsonText;
use market::decimal::{TEXT_MAX, write_wide_decimal};
use market::units::{round_div, round_div_saturating};
use market::{Instrument, Level, Market, Price, Quantity, UtcMs};
use matching::OrderEvent;

use crate::api::order_object::{price as write_price, quantity as write_quantity};
use crate::tape::candle::Candle;
use crate::tape::interval::Interval;

/// One row of `klines`.
pub fn kline_row(out: &mut Vec<u8>, instrument: &Instrument, candle: &Candle, close_ms: i64) {
    let mut buffer = [0; TEXT_MAX];
    out.extend_from_slice(format!("[{}", candle.open_ms).as_bytes());
    let mut text = |bytes: &[u8]| {
        out.extend_from_slice(b",\"");
        out.extend_from_slice(bytes);
        out.push(b'"');
    };
    for ticks in [candle.open, candle.high, candle.low, candle.close] {
        text(instrument.write_price(Price(ticks), &mut buffer));
    }
    text(instrument.write_quantity(Quantity(candle.lots), &mut buffer));
    out.extend_from_slice(format!(",{close_ms},\"").as_bytes());
    out.extend_from_slice(worth(instrument, candle.tick_lots, &mut buffer));
    out.extend_from_slice(format!("\",{},\"", candle.trades).as_bytes());
    out.extend_from_slice(instrument.write_quantity(Quantity(candle.taker_lots), &mut buffer));
    out.extend_from_slice(b"\",\"");
    out.extend_from_slice(worth(instrument, candle.taker_tick_lots, &mut buffer));
    out.extend_from_slice(b"\",\"0\"]");
}

/// A row of `markPriceKlines` and its relatives: no volumes, one count a second.
pub fn index_row(out: &mut Vec<u8>, instrument: &Instrument, candle: &Candle, close_ms: i64) {
    let mut buffer = [0; TEXT_MAX];
    out.extend_from_slice(format!("[{}", candle.open_ms).as_bytes());
    for ticks in [candle.open, candle.high, candle.low, candle.close] {
        let ticks = i128::from(ticks) * i128::from(instrument.tick.mantissa);
        let decimals = u32::from(instrument.tick.decimals);
        let value = ticks * 10i128.pow(8u32.saturating_sub(decimals));
        out.extend_from_slice(b",\"");
        out.extend_from_slice(write_wide_decimal(value, decimals.max(8), &mut buffer));
        out.push(b'"');
    }
    let seconds = (close_ms + 1 - candle.open_ms) / 1_000;
    let rest = format!(",\"0\",{close_ms},\"0\",{seconds},\"0\",\"0\",\"0\"]");
    out.extend_from_slice(rest.as_bytes());
}

/// `forceOrder`: a liquidation as everybody hears of it.
pub fn force_order(out: &mut Vec<u8>, instrument: &Instrument, event: &OrderEvent, now: UtcMs) {
    let update = &event.update;
    let mut json = JsonText::new(out);
    json.open();
    json.text("e", b"forceOrder");
    json.integer("E", now.0);
    json.open_member("o");
    json.text("s", instrument.symbol.as_bytes());
    json.text("S", update.side.as_str().as_bytes());
    json.text("o", b"LIMIT");
    json.text("f", b"IOC");
    write_quantity(&mut json, "q", instrument, update.quantity);
    write_price(&mut json, "p", instrument, update.price);
    json.short_decimal("ap", event.average_price_e8, 8);
    json.text("X", update.state.as_str().as_bytes());
    write_quantity(&mut json, "l", instrument, update.last_quantity);
    write_quantity(&mut json, "z", instrument, update.cumulative_quantity);
    json.integer("T", update.transaction_time.0);
    json.close();
    json.close();
}

/// What a kline is told with.
#[derive(Clone, Copy, Debug)]
pub struct KlineDetail {
    /// Which.
    pub interval: Interval,
    /// Last ms of it.
    pub close_ms: i64,
    /// It does not change any more.
    pub closed: bool,
    /// When it is sent.
    pub now: UtcMs,
    /// As `continuous_kline` of the perpetual.
    pub continuous: bool,
}

/// A `kline` event.
pub fn kline(out: &mut Vec<u8>, instrument: &Instrument, candle: &Candle, detail: KlineDetail) {
    let mut buffer = [0; TEXT_MAX];
    let mut json = JsonText::new(out);
    let symbol = instrument.symbol.as_bytes();
    json.open();
    json.text(
        "e",
        if detail.continuous {
            b"continuous_kline"
        } else {
            b"kline"
        },
    );
    json.integer("E", detail.now.0);
    if detail.continuous {
        json.text("ps", symbol);
        json.text("ct", b"PERPETUAL");
    } else {
        json.text("s", symbol);
    }
    json.open_member("k");
    json.integer("t", candle.open_ms);
    json.integer("T", detail.close_ms);
    if !detail.continuous {
        json.text("s", symbol);
    }
    json.text("i", detail.interval.word().as_bytes());
    json.integer("f", candle.first_trade);
    json.integer("L", candle.last_trade);
    write_price(&mut json, "o", instrument, Price(candle.open));
    write_price(&mut json, "c", instrument, Price(candle.close));
    write_price(&mut json, "h", instrument, Price(candle.high));
    write_price(&mut json, "l", instrument, Price(candle.low));
    write_quantity(&mut json, "v", instrument, Quantity(candle.lots));
    json.integer("n", candle.trades);
    json.boolean("x", detail.closed);
    json.text("q", worth(instrument, candle.tick_lots, &mut buffer));
    write_quantity(&mut json, "V", instrument, Quantity(candle.taker_lots));
    json.text("Q", worth(instrument, candle.taker_tick_lots, &mut buffer));
    json.text("B", b"0");
    json.close();
    json.close();
}

/// The names of a ticker's fields: on streams one letter, by request whole words.
struct Names {
    change: &'static str,
    percent: &'static str,
    mean: &'static str,
    open: &'static str,
    high: &'static str,
    low: &'static str,
    volume: &'static str,
    worth: &'static str,
    open_time: &'static str,
    close_time: &'static str,
    first_id: &'static str,
    last_id: &'static str,
    count: &'static str,
}

const LETTERS: Names = Names {
    change: "p",
    percent: "P",
    mean: "w",
    open: "o",
    high: "h",
    low: "l",
    volume: "v",
    worth: "q",
    open_time: "O",
    close_time: "C",
    first_id: "F",
    last_id: "L",
    count: "n",
};

const WORDS: Names = Names {
    change: "priceChange",
    percent: "priceChangePercent",
    mean: "weightedAvgPrice",
    open: "openPrice",
    high: "highPrice",
    low: "lowPrice",
    volume: "volume",
    worth: "quoteVolume",
    open_time: "openTime",
    close_time: "closeTime",
    first_id: "firstId",
    last_id: "lastId",
    count: "count",
};

/// Best bid and ask beside a ticker; spot tells them.
pub type Best = (Level, Level);

/// `24hrTicker`.
pub fn ticker(out: &mut Vec<u8>, instrument: &Instrument, day: &Candle, best: Best, now: UtcMs) {
    let spot = instrument.market == Market::Spot;
    let mut json = JsonText::new(out);
    json.open();
    json.text("e", b"24hrTicker");
    json.integer("E", now.0);
    json.text("s", instrument.symbol.as_bytes());
    if !spot {
        json.text("ps", instrument.symbol.as_bytes());
    }
    changes(&mut json, instrument, day, &LETTERS);
    if spot {
        write_price(&mut json, "x", instrument, Price(day.open));
    }
    write_price(&mut json, "c", instrument, Price(day.close));
    write_quantity(&mut json, "Q", instrument, Quantity(day.last_lots));
    if spot {
        let (bid, ask) = best;
        write_price(&mut json, "b", instrument, bid.price);
        write_quantity(&mut json, "B", instrument, bid.quantity);
        write_price(&mut json, "a", instrument, ask.price);
        write_quantity(&mut json, "A", instrument, ask.quantity);
    }
    rest(&mut json, instrument, day, now.0, &LETTERS);
    if !spot {
        json.integer("st", 1);
    }
    json.close();
}

/// `24hrMiniTicker`.
pub fn mini_ticker(out: &mut Vec<u8>, instrument: &Instrument, day: &Candle, now: UtcMs) {
    let mut json = JsonText::new(out);
    json.open();
    json.text("e", b"24hrMiniTicker");
    json.integer("E", now.0);
    json.text("s", instrument.symbol.as_bytes());
    write_price(&mut json, "c", instrument, Price(day.close));
    prices(&mut json, instrument, day, &LETTERS);
    if instrument.market == Market::UsdM {
        json.text("ps", instrument.symbol.as_bytes());
        json.integer("st", 1);
    }
    json.close();
}

/// Which fields an answer has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Extent {
    /// `ticker/24hr` with everything.
    Full,
    /// `type=MINI`.
    Mini,
    /// `ticker` and `ticker/tradingDay`: without last quantity and book.
    Window,
}

/// The members of `ticker/24hr` and its relatives behind `symbol`.
pub fn ticker_members(
    json: &mut JsonText<'_>,
    instrument: &Instrument,
    day: &Candle,
    best: Best,
    now: UtcMs,
    extent: Extent,
) {
    let full = extent == Extent::Full;
    let spot = instrument.market == Market::Spot;
    if extent != Extent::Mini {
        changes(json, instrument, day, &WORDS);
        if full && spot {
            write_price(json, "prevClosePrice", instrument, Price(day.open));
        }
    }
    write_price(json, "lastPrice", instrument, Price(day.close));
    if full {
        write_quantity(json, "lastQty", instrument, Quantity(day.last_lots));
        if spot {
            let (bid, ask) = best;
            write_price(json, "bidPrice", instrument, bid.price);
            write_quantity(json, "bidQty", instrument, bid.quantity);
            write_price(json, "askPrice", instrument, ask.price);
            write_quantity(json, "askQty", instrument, ask.quantity);
        }
    }
    rest(json, instrument, day, now.0, &WORDS);
}

fn changes(json: &mut JsonText<'_>, instrument: &Instrument, day: &Candle, names: &Names) {
    let change = day.close - day.open;
    write_price(json, names.change, instrument, Price(change));
    let percent_e3 = round_div(i128::from(change) * 100_000, i128::from(day.open.max(1)));
    json.decimal(names.percent, percent_e3, 3);
    let mean = match day.lots {
        0 => day.close,
        lots => round_div_saturating(day.tick_lots, i128::from(lots)),
    };
    write_price(json, names.mean, instrument, Price(mean));
}

fn prices(json: &mut JsonText<'_>, instrument: &Instrument, day: &Candle, names: &Names) {
    write_price(json, names.open, instrument, Price(day.open));
    write_price(json, names.high, instrument, Price(day.high));
    write_price(json, names.low, instrument, Price(day.low));
    write_quantity(json, names.volume, instrument, Quantity(day.lots));
    let mut buffer = [0; TEXT_MAX];
    json.text(names.worth, worth(instrument, day.tick_lots, &mut buffer));
}

fn rest(json: &mut JsonText<'_>, instrument: &Instrument, day: &Candle, now: i64, names: &Names) {
    prices(json, instrument, day, names);
    json.integer(names.open_time, day.open_ms);
    json.integer(names.close_time, now);
    json.integer(names.first_id, day.first_trade);
    json.integer(names.last_id, day.last_trade);
    json.integer(names.count, day.trades);
}

/// A sum of ticks times lots in the quote asset, with 8 decimals or as many as it has.
pub fn worth<'a>(
    instrument: &Instrument,
    tick_lots: i128,
    buffer: &'a mut [u8; TEXT_MAX],
) -> &'a [u8] {
    let mantissa = i128::from(instrument.tick.mantissa) * i128::from(instrument.lot.mantissa);
    let decimals = u32::from(instrument.tick.decimals) + u32::from(instrument.lot.decimals);
    let scale = 10i128.pow(8u32.saturating_sub(decimals));
    let value = tick_lots.saturating_mul(mantissa).saturating_mul(scale);
    write_wide_decimal(value, decimals.max(8), buffer)
}

/// Volume-weighted mean price times 1e8; the last price where nothing was traded.
#[must_use]
pub fn mean_e8(instrument: &Instrument, window: &Candle) -> i64 {
    let decimals = u32::from(instrument.tick.decimals);
    let (ticks, lots) = match window.lots {
        0 => (i128::from(window.close), 1),
        lots => (window.tick_lots, i128::from(lots)),
    };
    let value = ticks.saturating_mul(i128::from(instrument.tick.mantissa));
    let scale = 10i128.pow(8u32.saturating_sub(decimals));
    let too_fine = 10i128.pow(decimals.saturating_sub(8));
    round_div_saturating(value.saturating_mul(scale), lots * too_fine)
}
