//! `exchangeInfo` of both markets (binance.md 1.6, 1.7).
//!
//! In: the instruments. Out: their filters as Binance writes them. Never: a filter that the
//! venue does not enforce with the same number.

use binance::encode::JsonText;
use market::decimal::{TEXT_MAX, write_decimal};
use market::{Instrument, InstrumentStatus, Market, Step};

use matching::{SelfTrade, TRAILING_BIPS};

use super::endpoint::{Answer, Call};
use super::error::ApiError;

/// `GET /fapi/v1/exchangeInfo`.
///
/// # Errors
/// Never.
pub fn usdm(call: &mut Call<'_>) -> Answer {
    let mut out = Vec::with_capacity(4_096);
    let mut json = JsonText::new(&mut out);
    json.open();
    json.text("timezone", b"UTC");
    json.integer("serverTime", call.now.0);
    json.text("futuresType", b"U_MARGINED");
    call.exchange.usdm_weights.write(&mut json, None);
    json.open_list("exchangeFilters").close_list();
    json.open_list("assets");
    json.open();
    json.text("asset", b"USDT");
    json.boolean("marginAvailable", true);
    json.text("autoAssetExchange", b"-10000");
    json.close();
    json.close_list();
    json.open_list("symbols");
    for instrument in call.exchange.usdm.venue.instruments() {
        usdm_symbol(&mut json, instrument);
    }
    json.close_list();
    json.close();
    Ok(out)
}

/// The exchange's word; a halt has one of its own on each market.
fn status_word(instrument: &Instrument) -> &'static [u8] {
    match (instrument.status, instrument.market) {
        (InstrumentStatus::Trading, _) => b"TRADING",
        (InstrumentStatus::CancelOnly, _) => b"CANCEL_ONLY",
        (InstrumentStatus::NotTrading, Market::UsdM) => b"SETTLING",
        (InstrumentStatus::NotTrading, Market::Spot) => b"HALT",
    }
}

/// Order types of a perpetual (binance.md section 2).
const ORDER_TYPES: [&str; 7] = [
    "LIMIT",
    "MARKET",
    "STOP",
    "STOP_MARKET",
    "TAKE_PROFIT",
    "TAKE_PROFIT_MARKET",
    "TRAILING_STOP_MARKET",
];

fn usdm_symbol(json: &mut JsonText<'_>, instrument: &Instrument) {
    let symbol = instrument.symbol.as_bytes();
    let base = base_asset(instrument);
    json.open();
    json.text("symbol", symbol);
    json.text("pair", symbol);
    json.text("contractType", b"PERPETUAL");
    json.integer("deliveryDate", 4_133_404_800_000);
    json.integer("onboardDate", 1_567_965_300_000);
    json.text("status", status_word(instrument));
    json.text("maintMarginPercent", b"2.5000");
    json.text("requiredMarginPercent", b"5.0000");
    json.text("baseAsset", base.as_bytes());
    json.text("quoteAsset", b"USDT");
    json.text("marginAsset", b"USDT");
    json.integer("pricePrecision", i64::from(instrument.price_decimals));
    json.integer("quantityPrecision", i64::from(instrument.quantity_decimals));
    json.integer("baseAssetPrecision", 8);
    json.integer("quotePrecision", 8);
    json.text("underlyingType", b"COIN");
    json.open_list("underlyingSubType")
        .element(b"PoW")
        .close_list();
    json.text("triggerProtect", b"0.0500");
    json.text("liquidationFee", b"0.012500");
    json.text("marketTakeBound", b"0.05");
    json.integer("maxMoveOrderLimit", 10_000);
    json.open_list("filters");
    price_and_lot_filters(json, instrument);
    json.open();
    json.text("filterType", b"MAX_NUM_ORDERS");
    json.integer("limit", i64::from(instrument.filters.open_orders_max));
    json.close();
    json.open();
    json.text("filterType", b"MIN_NOTIONAL");
    let whole = instrument.filters.notional_min.0 / market::units::ONE;
    json.text("notional", whole.to_string().as_bytes());
    json.close();
    json.open();
    json.text("filterType", b"PERCENT_PRICE");
    json.decimal(
        "multiplierUp",
        instrument.filters.multiplier_up.0 / 10_000,
        4,
    );
    json.decimal(
        "multiplierDown",
        instrument.filters.multiplier_down.0 / 10_000,
        4,
    );
    json.text("multiplierDecimal", b"4");
    json.close();
    json.open();
    json.text("filterType", b"POSITION_RISK_CONTROL");
    json.text("positionControlSide", b"NONE");
    json.text("notionalLimit", b"800000000");
    json.close();
    json.close_list();
    // Conditional types too, which live behind the algo endpoints: ccxt looks here before it sends.
    let types = json.open_list("orderTypes");
    for word in ORDER_TYPES {
        types.element(word.as_bytes());
    }
    types.close_list();
    let lifetimes = json.open_list("timeInForce");
    for word in ["GTC", "IOC", "FOK", "GTX", "GTD"] {
        lifetimes.element(word.as_bytes());
    }
    lifetimes.close_list();
    json.raw("permissionSets", br#"["GRID","COPY"]"#);
    json.close();
}

/// Order types of a spot symbol.
const SPOT_ORDER_TYPES: [&str; 7] = [
    "LIMIT",
    "LIMIT_MAKER",
    "MARKET",
    "STOP_LOSS",
    "STOP_LOSS_LIMIT",
    "TAKE_PROFIT",
    "TAKE_PROFIT_LIMIT",
];

/// `GET /api/v3/exchangeInfo`.
///
/// # Errors
/// -1121, -1122; -1128 for a status together with symbols.
pub fn spot(call: &mut Call<'_>) -> Answer {
    let (mut instruments, _) = super::market_data::asked_for(call)?;
    if let Some(word) = call.params.get("symbolStatus") {
        let named = ["symbol", "symbols"].map(|name| call.params.get(name).is_some());
        if named.contains(&true) {
            return Err(ApiError::new(
                -1128,
                "Combination of optional parameters invalid.",
            ));
        }
        if !["TRADING", "HALT", "BREAK", "CANCEL_ONLY"].contains(&word) {
            return Err(ApiError::new(-1122, "Invalid symbolStatus."));
        }
        instruments.retain(|one| status_word(one) == word.as_bytes());
    }
    let mut out = Vec::with_capacity(4_096);
    let mut json = JsonText::new(&mut out);
    json.open();
    json.text("timezone", b"UTC");
    json.integer("serverTime", call.now.0);
    call.exchange.spot_weights.write(&mut json, None);
    json.open_list("exchangeFilters").close_list();
    json.open_list("symbols");
    for instrument in &instruments {
        spot_symbol(&mut json, instrument);
    }
    json.close_list();
    json.close();
    Ok(out)
}

fn spot_symbol(json: &mut JsonText<'_>, instrument: &Instrument) {
    json.open();
    json.text("symbol", instrument.symbol.as_bytes());
    json.text("status", status_word(instrument));
    json.text("baseAsset", base_asset(instrument).as_bytes());
    json.integer("baseAssetPrecision", 8);
    json.text("quoteAsset", b"USDT");
    for name in [
        "quotePrecision",
        "quoteAssetPrecision",
        "baseCommissionPrecision",
    ] {
        json.integer(name, 8);
    }
    json.integer("quoteCommissionPrecision", 8);
    let types = json.open_list("orderTypes");
    for word in SPOT_ORDER_TYPES {
        types.element(word.as_bytes());
    }
    types.close_list();
    for (name, value) in [
        ("icebergAllowed", false),
        ("ocoAllowed", true),
        ("otoAllowed", true),
        ("opoAllowed", false),
        ("quoteOrderQtyMarketAllowed", true),
        ("allowTrailingStop", true),
        ("cancelReplaceAllowed", true),
        ("amendAllowed", true),
        ("pegInstructionsAllowed", false),
        ("isSpotTradingAllowed", true),
        ("isMarginTradingAllowed", false),
    ] {
        json.boolean(name, value);
    }
    json.open_list("filters");
    price_and_lot_filters(json, instrument);
    spot_filters(json, instrument);
    json.close_list();
    json.open_list("permissions").close_list();
    json.raw("permissionSets", br#"[["SPOT"]]"#);
    json.text("defaultSelfTradePreventionMode", b"EXPIRE_MAKER");
    let modes = json.open_list("allowedSelfTradePreventionModes");
    for mode in SelfTrade::ALL {
        modes.element(mode.as_str().as_bytes());
    }
    modes.close_list();
    json.close();
}

/// What only spot's list has. No `ICEBERG_PARTS`: there are no icebergs.
fn spot_filters(json: &mut JsonText<'_>, instrument: &Instrument) {
    let filters = &instrument.filters;
    let minutes = matching::AVERAGE_MINUTES;
    json.open();
    json.text("filterType", b"TRAILING_DELTA");
    let (least, most) = (*TRAILING_BIPS.start(), *TRAILING_BIPS.end());
    for side in ["Above", "Below"] {
        json.integer(&format!("minTrailing{side}Delta"), i64::from(least));
        json.integer(&format!("maxTrailing{side}Delta"), i64::from(most));
    }
    json.close();
    if filters.multiplier_up.0 > 0 || filters.multiplier_down.0 > 0 {
        json.open();
        json.text("filterType", b"PERCENT_PRICE_BY_SIDE");
        for side in ["bid", "ask"] {
            let (up, down) = (filters.multiplier_up.0, filters.multiplier_down.0);
            json.short_decimal(&format!("{side}MultiplierUp"), up, 8);
            json.short_decimal(&format!("{side}MultiplierDown"), down, 8);
        }
        json.integer("avgPriceMins", minutes);
        json.close();
    }
    json.open();
    json.text("filterType", b"NOTIONAL");
    json.decimal("minNotional", filters.notional_min.0, 8);
    json.boolean("applyMinToMarket", true);
    json.decimal("maxNotional", matching::NOTIONAL_MAX.0, 8);
    json.boolean("applyMaxToMarket", false);
    json.integer("avgPriceMins", minutes);
    json.close();
    for (kind, name, most) in [
        (
            "MAX_NUM_ORDERS",
            "maxNumOrders",
            i64::from(filters.open_orders_max),
        ),
        (
            "MAX_NUM_ORDER_LISTS",
            "maxNumOrderLists",
            matching::LISTS_MAX as i64,
        ),
        (
            "MAX_NUM_ALGO_ORDERS",
            "maxNumAlgoOrders",
            matching::STOPS_MAX as i64,
        ),
        (
            "MAX_NUM_ORDER_AMENDS",
            "maxNumOrderAmends",
            i64::from(matching::SHRINKS_OF_ONE_MAX),
        ),
    ] {
        json.open();
        json.text("filterType", kind.as_bytes());
        json.integer(name, most);
        json.close();
    }
}

fn price_and_lot_filters(json: &mut JsonText<'_>, instrument: &Instrument) {
    let filters = &instrument.filters;
    // Futures write a step at its own decimals, spot everything at eight.
    let decimals = |step: Step, wire: u8| {
        if instrument.market == Market::Spot {
            8
        } else {
            wire.max(step.decimals)
        }
    };
    let price_decimals = decimals(instrument.tick, instrument.price_decimals);
    let lot_decimals = decimals(instrument.lot, instrument.quantity_decimals);
    json.open();
    json.text("filterType", b"PRICE_FILTER");
    step(
        json,
        "minPrice",
        instrument.tick,
        filters.price_min.0,
        price_decimals,
    );
    step(
        json,
        "maxPrice",
        instrument.tick,
        filters.price_max.0,
        price_decimals,
    );
    step(json, "tickSize", instrument.tick, 1, price_decimals);
    json.close();
    for (name, largest) in [
        ("LOT_SIZE", filters.quantity_max.0),
        ("MARKET_LOT_SIZE", filters.market_quantity_max.0),
    ] {
        json.open();
        json.text("filterType", name.as_bytes());
        step(
            json,
            "minQty",
            instrument.lot,
            filters.quantity_min.0,
            lot_decimals,
        );
        step(json, "maxQty", instrument.lot, largest, lot_decimals);
        step(json, "stepSize", instrument.lot, 1, lot_decimals);
        json.close();
    }
}

fn step(json: &mut JsonText<'_>, name: &str, step: Step, count: i64, decimals: u8) {
    let scale = 10i64.pow(u32::from(decimals.saturating_sub(step.decimals)));
    let value = count.saturating_mul(step.mantissa).saturating_mul(scale);
    json.text(
        name,
        write_decimal(value, u32::from(decimals), &mut [0; TEXT_MAX]),
    );
}

/// The symbol without its quote asset.
#[must_use]
pub fn base_asset(instrument: &Instrument) -> &str {
    let symbol = instrument.symbol.as_str();
    symbol.strip_suffix("USDT").unwrap_or(symbol)
}
