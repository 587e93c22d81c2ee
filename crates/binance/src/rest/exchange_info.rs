//! `exchangeInfo` and `time`.
//!
//! In: the bodies. Out: every listed instrument that our units can hold, with its filters, and
//! the request limits. Never: `pricePrecision` taken for a tick; it only says how the streams
//! write prices.

use super::{RestError, bad_value};
use market::ids::Asset;
use market::{
    Filters, Instrument, InstrumentId, InstrumentStatus, Market, Money, Price, Quantity, Rate,
    Step, Symbol, UtcMs, parse_decimal,
};
use serde::Deserialize;

/// What `exchangeInfo` says.
#[derive(Clone, Debug)]
pub struct ExchangeInfo {
    /// Server time.
    pub server_time: UtcMs,
    /// Limits on requests and orders.
    pub limits: Vec<RequestLimit>,
    /// The instruments, in order of the list.
    pub instruments: Vec<ListedInstrument>,
    /// Symbols that our units cannot hold, with the reason.
    pub refused: Vec<(String, RestError)>,
}

/// One instrument with the names of its assets. Its id is 0 until the start-up table gives one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ListedInstrument {
    /// Tick, lot, filters, status.
    pub instrument: Instrument,
    /// What is bought.
    pub base: Asset,
    /// What is paid.
    pub quote: Asset,
}

/// One limit on requests.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RequestLimit {
    /// True for orders, false for request weight or raw requests.
    pub orders: bool,
    /// Length of its window in seconds.
    pub window_s: u32,
    /// The limit.
    pub limit: u32,
}

/// Reads `GET …/time`.
///
/// # Errors
/// [`RestError::Shape`].
pub fn parse_time(body: &[u8]) -> Result<UtcMs, RestError> {
    #[derive(Deserialize)]
    #[serde(rename_all = "camelCase")]
    struct Time {
        server_time: i64,
    }
    Ok(UtcMs(serde_json::from_slice::<Time>(body)?.server_time))
}

/// Reads `GET …/exchangeInfo` of `market`.
///
/// # Errors
/// [`RestError::Shape`] when the body as a whole is not one; a single symbol that does not fit
/// goes to [`ExchangeInfo::refused`].
pub fn parse_exchange_info(body: &[u8], market: Market) -> Result<ExchangeInfo, RestError> {
    let written: Written = serde_json::from_slice(body)?;
    let mut info = ExchangeInfo {
        server_time: UtcMs(written.server_time),
        limits: written.rate_limits.iter().filter_map(limit).collect(),
        instruments: Vec::with_capacity(written.symbols.len()),
        refused: Vec::new(),
    };
    for symbol in written.symbols {
        let name = symbol.symbol.clone();
        match listed(&symbol, market) {
            Ok(instrument) => info.instruments.push(instrument),
            Err(error) => info.refused.push((name, error)),
        }
    }
    Ok(info)
}

impl ExchangeInfo {
    /// The instrument with this symbol.
    #[must_use]
    pub fn find(&self, symbol: &str) -> Option<&ListedInstrument> {
        self.instruments
            .iter()
            .find(|one| one.instrument.symbol.as_str() == symbol)
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Written {
    server_time: i64,
    #[serde(default)]
    rate_limits: Vec<WrittenLimit>,
    symbols: Vec<WrittenSymbol>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct WrittenLimit {
    rate_limit_type: String,
    interval: String,
    interval_num: u32,
    limit: u32,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct WrittenSymbol {
    symbol: String,
    status: String,
    base_asset: String,
    quote_asset: String,
    price_precision: Option<u8>,
    quantity_precision: Option<u8>,
    filters: Vec<WrittenFilter>,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct WrittenFilter {
    filter_type: String,
    min_price: String,
    max_price: String,
    tick_size: String,
    min_qty: String,
    max_qty: String,
    step_size: String,
    notional: String,
    min_notional: String,
    multiplier_up: String,
    multiplier_down: String,
    ask_multiplier_down: String,
    bid_multiplier_up: String,
    limit: u32,
    max_num_orders: u32,
}

fn limit(written: &WrittenLimit) -> Option<RequestLimit> {
    let unit_s = match written.interval.as_str() {
        "SECOND" => 1,
        "MINUTE" => 60,
        "HOUR" => 3600,
        "DAY" => 86_400,
        _ => return None,
    };
    Some(RequestLimit {
        orders: written.rate_limit_type == "ORDERS",
        window_s: written.interval_num.checked_mul(unit_s)?,
        limit: written.limit,
    })
}

fn listed(written: &WrittenSymbol, market: Market) -> Result<ListedInstrument, RestError> {
    let filter = |kind: &'static str| {
        written
            .filters
            .iter()
            .find(|filter| filter.filter_type == kind)
    };
    let price_filter =
        filter("PRICE_FILTER").ok_or_else(|| bad_value("PRICE_FILTER", &written.symbol))?;
    let lot_filter = filter("LOT_SIZE").ok_or_else(|| bad_value("LOT_SIZE", &written.symbol))?;
    let tick = step("tickSize", &price_filter.tick_size)?;
    let lot = step("stepSize", &lot_filter.step_size)?;
    // Spot streams write eight decimals, futures streams the precision of the symbol.
    let (price_wire, quantity_wire) = match market {
        Market::UsdM => (
            written.price_precision.unwrap_or(0),
            written.quantity_precision.unwrap_or(0),
        ),
        Market::Spot => (8, 8),
    };
    let instrument = Instrument {
        id: InstrumentId(0),
        market,
        symbol: Symbol::new(written.symbol.as_bytes())
            .ok_or_else(|| bad_value("symbol", &written.symbol))?,
        tick,
        lot,
        price_decimals: price_wire.max(tick.decimals).min(18),
        quantity_decimals: quantity_wire.max(lot.decimals).min(18),
        status: status(&written.status),
        filters: filters(&filter, price_filter, lot_filter, tick, lot)?,
    };
    Ok(ListedInstrument {
        instrument,
        base: asset("baseAsset", &written.base_asset)?,
        quote: asset("quoteAsset", &written.quote_asset)?,
    })
}

fn filters<'w>(
    filter: &impl Fn(&'static str) -> Option<&'w WrittenFilter>,
    price_filter: &WrittenFilter,
    lot_filter: &WrittenFilter,
    tick: Step,
    lot: Step,
) -> Result<Filters, RestError> {
    let mut filters = Filters {
        price_min: Price(round_up("minPrice", &price_filter.min_price, tick)?),
        price_max: Price(round_down("maxPrice", &price_filter.max_price, tick)?),
        quantity_min: Quantity(round_up("minQty", &lot_filter.min_qty, lot)?),
        quantity_max: Quantity(round_down("maxQty", &lot_filter.max_qty, lot)?),
        ..Filters::NONE
    };
    if let Some(market_lot) = filter("MARKET_LOT_SIZE") {
        filters.market_quantity_max = Quantity(round_down("maxQty", &market_lot.max_qty, lot)?);
    }
    for kind in ["MIN_NOTIONAL", "NOTIONAL"] {
        if let Some(written) = filter(kind) {
            let text = if written.notional.is_empty() {
                &written.min_notional
            } else {
                &written.notional
            };
            filters.notional_min = Money(decimal_e8("minNotional", text)?);
        }
    }
    if let Some(percent) = filter("PERCENT_PRICE") {
        filters.multiplier_up = Rate(decimal_e8("multiplierUp", &percent.multiplier_up)?);
        filters.multiplier_down = Rate(decimal_e8("multiplierDown", &percent.multiplier_down)?);
    } else if let Some(percent) = filter("PERCENT_PRICE_BY_SIDE") {
        filters.multiplier_up = Rate(decimal_e8("bidMultiplierUp", &percent.bid_multiplier_up)?);
        filters.multiplier_down = Rate(decimal_e8(
            "askMultiplierDown",
            &percent.ask_multiplier_down,
        )?);
    }
    if let Some(count) = filter("MAX_NUM_ORDERS") {
        filters.open_orders_max = count.limit.max(count.max_num_orders);
    }
    Ok(filters)
}

fn status(word: &str) -> InstrumentStatus {
    match word {
        "TRADING" => InstrumentStatus::Trading,
        "CANCEL_ONLY" => InstrumentStatus::CancelOnly,
        _ => InstrumentStatus::NotTrading,
    }
}

fn step(field: &'static str, text: &str) -> Result<Step, RestError> {
    Step::from_text(text.as_bytes()).map_err(|_| bad_value(field, text))
}

fn asset(field: &'static str, text: &str) -> Result<Asset, RestError> {
    Asset::new(text.as_bytes()).ok_or_else(|| bad_value(field, text))
}

/// Steps in `text`, rounded down; a bound over 63 bits is no bound: 0.
fn round_down(field: &'static str, text: &str, step: Step) -> Result<i64, RestError> {
    use market::DecimalError;
    if text.is_empty() {
        return Ok(0);
    }
    // A bound may have more decimals than the step: cut them, which is rounding down.
    let kept = match text.split_once('.') {
        Some((whole, fraction)) => {
            let decimals = fraction.len().min(usize::from(step.decimals));
            if decimals == 0 {
                whole.to_owned()
            } else {
                format!("{whole}.{}", &fraction[..decimals])
            }
        }
        None => text.to_owned(),
    };
    match parse_decimal(kept.as_bytes(), u32::from(step.decimals)) {
        Ok(value) => Ok(value / step.mantissa),
        Err(DecimalError::Overflow) => Ok(0),
        Err(_) => Err(bad_value(field, text)),
    }
}

/// Steps in `text`, rounded up.
fn round_up(field: &'static str, text: &str, step: Step) -> Result<i64, RestError> {
    let down = round_down(field, text, step)?;
    Ok(match step.count_in(text.as_bytes()) {
        Ok(exact) => exact,
        Err(_) if text.is_empty() => 0,
        Err(_) => down + 1,
    })
}

/// A decimal at 1e-8; one that does not fit is no bound: 0.
fn decimal_e8(field: &'static str, text: &str) -> Result<i64, RestError> {
    use market::DecimalError;
    match parse_decimal(text.as_bytes(), 8) {
        Ok(value) => Ok(value),
        Err(DecimalError::Overflow) => Ok(0),
        Err(_) => Err(bad_value(field, text)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn listed_with(filters: &str) -> ExchangeInfo {
        let body = format!(
            r#"{{"serverTime":1,"rateLimits":[
                {{"rateLimitType":"REQUEST_WEIGHT","interval":"MINUTE","intervalNum":1,"limit":6000}},
                {{"rateLimitType":"ORDERS","interval":"SECOND","intervalNum":10,"limit":100}},
                {{"rateLimitType":"ORDERS","interval":"FORTNIGHT","intervalNum":1,"limit":9}},
                {{"rateLimitType":"ORDERS","interval":"DAY","intervalNum":4294967295,"limit":9}}],
            "symbols":[{{"symbol":"BTCUSDT","status":"TRADING","baseAsset":"BTC","quoteAsset":"USDT","filters":[{filters}]}}]}}"#
        );
        parse_exchange_info(body.as_bytes(), Market::Spot).unwrap()
    }

    fn filters_of(price: &str, lot: &str, more: &str) -> Option<Filters> {
        let info = listed_with(&format!(
            r#"{{"filterType":"PRICE_FILTER",{price},"tickSize":"0.01"}},
               {{"filterType":"LOT_SIZE",{lot},"stepSize":"0.001"}}{more}"#
        ));
        info.find("BTCUSDT").map(|one| one.instrument.filters)
    }

    const PRICE: &str = r#""minPrice":"0.01","maxPrice":"1000000.00""#;
    const LOT: &str = r#""minQty":"0.001","maxQty":"9000""#;

    /// A buy too high and a sale too low are the ones that cost.
    #[test]
    fn spot_bounds_a_buy_from_above_and_a_sale_from_below() {
        let by_side = r#",{"filterType":"PERCENT_PRICE_BY_SIDE","bidMultiplierUp":"5","bidMultiplierDown":"0.1","askMultiplierUp":"6","askMultiplierDown":"0.2","avgPriceMins":5}"#;
        let filters = filters_of(PRICE, LOT, by_side).unwrap();
        let bounds = (filters.multiplier_up, filters.multiplier_down);
        assert_eq!(bounds, (Rate(500_000_000), Rate(20_000_000)));
        let both =
            r#",{"filterType":"PERCENT_PRICE","multiplierUp":"1.05","multiplierDown":"0.95"}"#;
        let filters = filters_of(PRICE, LOT, both).unwrap();
        let bounds = (filters.multiplier_up, filters.multiplier_down);
        assert_eq!(bounds, (Rate(105_000_000), Rate(95_000_000)));
    }

    #[test]
    fn a_bound_that_does_not_fit_is_none_and_one_that_is_no_number_refuses_the_symbol() {
        let huge = "92233720368547758080";
        let lot = format!(r#""minQty":"0.0005","maxQty":"{huge}""#);
        let notional = format!(r#",{{"filterType":"NOTIONAL","minNotional":"{huge}"}}"#);
        let filters = filters_of(r#""minPrice":"""#, &lot, &notional).unwrap();
        assert_eq!((filters.price_min, filters.price_max), (Price(0), Price(0)));
        assert_eq!(filters.quantity_max, Quantity(0));
        assert_eq!(filters.quantity_min, Quantity(1), "half a lot is none");
        assert_eq!(filters.notional_min, Money(0));
        let bad_lot = r#""minQty":"0.001","maxQty":"many""#;
        assert_eq!(filters_of(PRICE, bad_lot, ""), None);
        let bad_notional = r#",{"filterType":"NOTIONAL","minNotional":"-5"}"#;
        assert_eq!(filters_of(PRICE, LOT, bad_notional), None);
        let refused = listed_with(r#"{"filterType":"LOT_SIZE"}"#).refused;
        assert_eq!((refused.len(), refused[0].0.as_str()), (1, "BTCUSDT"));
    }

    #[test]
    fn limits_of_an_unknown_window_are_left_out() {
        let limits = listed_with("").limits;
        let told = limits
            .iter()
            .map(|one| (one.orders, one.window_s, one.limit));
        let told: Vec<_> = told.collect();
        assert_eq!(told, [(false, 60, 6_000), (true, 10, 100)]);
    }
}
