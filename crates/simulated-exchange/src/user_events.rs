//! Private events of the futures account, as the stream writes them (binance.md 4.2-4.3).
//!
//! In: outputs of the venue. Out: `TRADE_LITE`, `ORDER_TRADE_UPDATE`, `ACCOUNT_UPDATE` in the
//! observed order. Never: an event that nothing caused.

use binance::encode::JsonText;
use market::{Execution, Instrument, Liquidity, Market, Money, OrderUpdate, UtcMs};
use matching::{AccountChange, Expiry, OrderEvent, Output};

use crate::api::order_object::{price, quantity, status_of};

/// The texts of a run of outputs that one request or one market event caused.
///
/// For a fill at once the stream was seen to say `TRADE_LITE`, then NEW, then `ACCOUNT_UPDATE`
/// and TRADE (binance.md 4.1); so fills are told shortly before all else.
#[must_use]
pub fn futures(outputs: &[Output], instruments: &[Instrument], now: UtcMs) -> Vec<Vec<u8>> {
    let mut texts = Vec::with_capacity(outputs.len() + 2);
    for output in outputs {
        if let Output::Order(event) = output
            && event.update.execution == Execution::Trade
        {
            texts.push(trade_lite(event, instrument_of(event, instruments), now));
        }
    }
    for output in outputs {
        texts.push(match output {
            Output::Order(event) => {
                order_trade_update(event, instrument_of(event, instruments), now)
            }
            Output::Account(change) => {
                let instrument = &instruments[usize::from(change.instrument.0)];
                account_update(change, instrument, now)
            }
        });
    }
    texts
}

fn instrument_of<'a>(event: &OrderEvent, instruments: &'a [Instrument]) -> &'a Instrument {
    &instruments[usize::from(event.update.instrument.0)]
}

fn trade_lite(event: &OrderEvent, instrument: &Instrument, now: UtcMs) -> Vec<u8> {
    let update = &event.update;
    let mut out = Vec::with_capacity(256);
    let mut json = JsonText::new(&mut out);
    json.open();
    json.text("e", b"TRADE_LITE");
    json.integer("E", now.0);
    json.integer("T", update.transaction_time.0);
    json.text("s", instrument.symbol.as_bytes());
    quantity(&mut json, "q", instrument, update.quantity);
    price(&mut json, "p", instrument, update.price);
    json.boolean("m", update.liquidity == Liquidity::Maker);
    json.text("c", update.client_order_id.as_bytes());
    json.text("S", update.side.as_str().as_bytes());
    price(&mut json, "L", instrument, update.last_price);
    quantity(&mut json, "l", instrument, update.last_quantity);
    json.id("t", update.trade_id.0);
    json.id("i", update.exchange_order_id.0);
    json.close();
    out
}

fn order_trade_update(event: &OrderEvent, instrument: &Instrument, now: UtcMs) -> Vec<u8> {
    let update = &event.update;
    let mut out = Vec::with_capacity(640);
    let mut json = JsonText::new(&mut out);
    json.open();
    json.text("e", b"ORDER_TRADE_UPDATE");
    json.integer("E", now.0);
    json.integer("T", update.transaction_time.0);
    json.open_member("o");
    json.text("s", instrument.symbol.as_bytes());
    json.text("c", update.client_order_id.as_bytes());
    json.text("S", update.side.as_str().as_bytes());
    json.text("o", update.order_type.as_str().as_bytes());
    json.text("f", update.time_in_force.as_str().as_bytes());
    short_quantity(&mut json, "q", instrument, update.quantity.0);
    short_price(&mut json, "p", instrument, update.price.0);
    if event.average_price_e8 > 0 {
        json.decimal("ap", event.average_price_e8 / 1_000, 5);
    } else {
        json.text("ap", b"0");
    }
    json.text("sp", b"0");
    json.text("x", execution(update).as_bytes());
    json.text("X", status_of(update.state, event.expiry).as_bytes());
    json.id("i", update.exchange_order_id.0);
    short_quantity(&mut json, "l", instrument, update.last_quantity.0);
    short_quantity(&mut json, "z", instrument, update.cumulative_quantity.0);
    short_price(&mut json, "L", instrument, update.last_price.0);
    if update.execution == Execution::Trade {
        json.decimal("n", update.commission.0, 8);
        json.text("N", update.commission_asset.as_bytes());
    } else {
        json.text("n", b"0");
        json.text("N", b"USDT");
    }
    json.integer("T", update.transaction_time.0);
    json.id("t", update.trade_id.0);
    write_rest(&mut json, event);
    json.close();
    json.close();
    out
}

fn write_rest(json: &mut JsonText<'_>, event: &OrderEvent) {
    let update = &event.update;
    json.text("b", b"0");
    json.text("a", b"0");
    let maker = update.execution == Execution::Trade && update.liquidity == Liquidity::Maker;
    json.boolean("m", maker);
    json.boolean("R", update.reduce_only);
    json.text("wt", b"CONTRACT_PRICE");
    json.text("ot", update.order_type.as_str().as_bytes());
    json.text("ps", b"BOTH");
    json.boolean("cp", false);
    if update.realized == Money::ZERO {
        json.text("rp", b"0");
    } else {
        json.decimal("rp", update.realized.0, 8);
    }
    json.boolean("pP", false);
    json.integer("si", 0);
    json.integer("ss", 0);
    json.text("V", b"EXPIRE_MAKER");
    json.text("pm", b"NONE");
    json.integer("gtd", 0);
    json.text("er", expiry_reason(event.expiry).as_bytes());
}

fn account_update(change: &AccountChange, instrument: &Instrument, now: UtcMs) -> Vec<u8> {
    let mut out = Vec::with_capacity(400);
    let mut json = JsonText::new(&mut out);
    json.open();
    json.text("e", b"ACCOUNT_UPDATE");
    json.integer("E", now.0);
    json.integer("T", change.time.0);
    json.open_member("a");
    json.open_list("B");
    json.open();
    json.text("a", b"USDT");
    json.decimal("wb", change.wallet.0, 8);
    json.decimal("cw", change.wallet.0, 8);
    json.text("bc", b"0");
    json.close();
    json.close_list();
    json.open_list("P");
    json.open();
    json.text("s", instrument.symbol.as_bytes());
    quantity(&mut json, "pa", instrument, change.quantity);
    json.short_decimal("ep", change.entry_price_e8, 8);
    json.decimal("cr", change.realized.0, 8);
    json.decimal("up", change.unrealized.0, 8);
    json.text("mt", b"cross");
    json.text("iw", b"0");
    json.text("ps", b"BOTH");
    json.text("ma", b"USDT");
    json.short_decimal("bep", change.entry_price_e8, 8);
    json.close();
    json.close_list();
    json.text("m", b"ORDER");
    json.close();
    json.close();
    out
}

/// `listenKeyExpired`.
#[must_use]
pub fn listen_key_expired(key: &str, now: UtcMs) -> Vec<u8> {
    let mut out = Vec::new();
    let mut json = JsonText::new(&mut out);
    json.open();
    json.text("e", b"listenKeyExpired");
    json.integer("E", now.0);
    json.text("listenKey", key.as_bytes());
    json.close();
    out
}

fn execution(update: &OrderUpdate) -> &'static str {
    match update.execution {
        Execution::Liquidation => "CALCULATED",
        other => other.as_str(),
    }
}

fn expiry_reason(expiry: Expiry) -> &'static str {
    match expiry {
        Expiry::None => "0",
        Expiry::SelfTrade => "1",
        Expiry::ImmediateOrCancel => "2",
        Expiry::ReduceOnly => "4",
        Expiry::MarketRest => "9",
    }
}

/// A quantity without trailing zeros: so the stream writes `q`, `l` and `z`.
fn short_quantity(json: &mut JsonText<'_>, name: &str, instrument: &Instrument, lots: i64) {
    let value = lots * instrument.lot.mantissa;
    json.short_decimal(name, value, u32::from(instrument.lot.decimals));
}

/// A price without trailing zeros.
fn short_price(json: &mut JsonText<'_>, name: &str, instrument: &Instrument, ticks: i64) {
    debug_assert!(instrument.market == Market::UsdM);
    let value = ticks * instrument.tick.mantissa;
    json.short_decimal(name, value, u32::from(instrument.tick.decimals));
}
