//! What the generated market is made of: instruments, rates, sizes, in one place.
//!
//! In: a symbol. Out: its filters and the parameters of its order flow. Never: randomness.
//!
//! The numbers are fitted to the USD-M recordings (`docs/generated-market.md` has the table of
//! both sides by side and how to print it again).

use market::{
    Filters, Instrument, InstrumentId, InstrumentStatus, Market, Money, Price, Quantity, Rate,
    Step, Symbol,
};

use crate::tape::past::Pace;

/// Order flow of one instrument. Rates are per second, sizes in lots, distances in ticks from
/// the opposite best price.
#[derive(Clone, Debug)]
pub struct FlowParameters {
    /// Mid price at the start, in ticks.
    pub start_price_ticks: i64,
    /// Arrivals and cancels on both sides together.
    pub level_events_per_s: f64,
    /// Changes anywhere in the book, as a multiple of these.
    pub far_events_per_level_event: f64,
    /// Exponent of the power law of distances.
    pub distance_exponent: f64,
    /// Largest distance.
    pub distance_max_ticks: i64,
    /// Share of the ticks behind the best price at which an order is welcome.
    pub occupancy: f64,
    /// Mean quantity at the best price.
    pub best_lots: f64,
    /// Mean quantity of a level behind it.
    pub level_lots: f64,
    /// Median quantity of an arrival or cancel at the best price.
    pub order_lots: f64,
    /// Standard deviation of the logarithm of order quantities.
    pub order_sigma: f64,
    /// Market orders.
    pub market_orders_per_s: f64,
    /// Median quantity of a market order.
    pub market_lots: f64,
    /// Standard deviation of the logarithm of market quantities.
    pub market_sigma: f64,
    /// Median quantity of a resting order that a market order meets: one trade each.
    pub trade_lots: f64,
    /// Standard deviation of the logarithm of these quantities.
    pub trade_sigma: f64,
    /// Moves of the price that sweep several levels, those that follow others included.
    pub sweeps_per_s: f64,
    /// Mean length of a sweep.
    pub sweep_ticks: f64,
    /// Standard deviation of the pressure (logarithm of the sides' ratio is twice this).
    pub pressure_sigma: f64,
    /// Time in which a pressure fades to 1/e.
    pub pressure_relaxation_s: f64,
}

impl FlowParameters {
    /// About how much is traded in a minute: market orders by their mean size, and as much again
    /// a sweep as stands in its way.
    #[must_use]
    pub fn pace(&self, first_trade_id: u64) -> Pace {
        let mean = self.market_lots * (self.market_sigma * self.market_sigma / 2.0).exp();
        let swept = self.sweep_ticks * self.occupancy * self.level_lots / 4.0;
        let lots_per_s = self.market_orders_per_s * mean + self.sweeps_per_s * swept;
        let order = self.trade_lots * (self.trade_sigma * self.trade_sigma / 2.0).exp();
        let trades_per_s = (lots_per_s / order).max(self.market_orders_per_s);
        Pace {
            lots_per_minute: (60.0 * lots_per_s) as i64 + 1,
            trades_per_minute: (60.0 * trades_per_s) as i64 + 1,
            first_trade_id: i64::try_from(first_trade_id).unwrap_or(i64::MAX),
        }
    }
}

/// The generated instrument of a symbol.
///
/// # Errors
/// When the symbol is empty, longer than 32 bytes or has no known quote asset at its end.
pub fn instrument(market: Market, symbol: &str) -> Result<Instrument, String> {
    let name = Symbol::new(symbol.as_bytes())
        .filter(|name| !name.is_empty())
        .ok_or_else(|| format!("`{symbol}` is no symbol: 1 to 32 bytes of upper case"))?;
    if !symbol.ends_with("USDT") || symbol.len() == 4 {
        return Err(format!(
            "`{symbol}` cannot be generated: only pairs against USDT"
        ));
    }
    let spot = market == Market::Spot;
    let (tick, lot, price_decimals, quantity_decimals) = match (symbol, spot) {
        ("BTCUSDT", false) => ("0.10", "0.001", 2, 3),
        ("BTCUSDT", true) => ("0.01", "0.00001", 8, 8),
        ("ETHUSDT", false) => ("0.01", "0.001", 2, 3),
        ("ETHUSDT", true) => ("0.01", "0.0001", 8, 8),
        (_, false) => ("0.010", "0.01", 3, 2),
        (_, true) => ("0.01", "0.01", 8, 8),
    };
    let step = |text: &str| Step::from_text(text.as_bytes()).expect("a literal of this table");
    let mut instrument = Instrument {
        id: InstrumentId(0),
        market,
        symbol: name,
        tick: step(tick),
        lot: step(lot),
        price_decimals,
        quantity_decimals,
        status: InstrumentStatus::Trading,
        filters: Filters::NONE,
    };
    instrument.filters = filters(&instrument);
    Ok(instrument)
}

/// Filters as production has them for large pairs (binance.md 1.6).
#[must_use]
pub fn filters(instrument: &Instrument) -> Filters {
    let ticks = |text: &str| instrument.tick.count_in(text.as_bytes()).unwrap_or(0);
    let whole_lots = |whole: i64| {
        let lots = 10i64.pow(u32::from(instrument.lot.decimals)) / instrument.lot.mantissa.max(1);
        Quantity(lots.saturating_mul(whole))
    };
    let notional_min = match (instrument.market, instrument.symbol.as_str()) {
        (Market::UsdM, "BTCUSDT") => 50,
        (Market::UsdM, "ETHUSDT") => 20,
        _ => 5,
    };
    let btc = instrument.symbol.as_str() == "BTCUSDT";
    let spot = instrument.market == Market::Spot;
    Filters {
        price_min: Price(1),
        price_max: Price(ticks("4529764")),
        quantity_min: Quantity(1),
        quantity_max: whole_lots(if btc { 1_000 } else { 10_000 }),
        market_quantity_max: whole_lots(if btc { 120 } else { 2_000 }),
        notional_min: Money::from_whole(notional_min),
        multiplier_up: Rate(if spot { 500_000_000 } else { 105_000_000 }),
        multiplier_down: Rate(if spot { 20_000_000 } else { 95_000_000 }),
        open_orders_max: 200,
    }
}

/// Start of a market whose tick does not divide the usual price.
const START_TICKS: i64 = 10_000;

/// Parameters for an instrument.
#[must_use]
pub fn flow(instrument: &Instrument) -> FlowParameters {
    let eth = instrument.symbol.as_str().starts_with("ETH");
    let btc = instrument.symbol.as_str().starts_with("BTC");
    let price = if btc {
        "64000"
    } else if eth {
        "3400"
    } else {
        "100"
    };
    // Inside of the price filter, which a listing may have set to anything.
    let wanted = instrument.tick.count_in(price.as_bytes());
    let low = instrument.filters.price_min.0.saturating_mul(2).max(1);
    let high = match instrument.filters.price_max.0 {
        0 => i64::MAX,
        most => (most / 2).max(low),
    };
    let start_price_ticks = wanted.unwrap_or(START_TICKS).clamp(low, high);
    // Lots for about the same value at every instrument.
    let lots_of = |usdt: i64| {
        let quantity = instrument.quantity_for(Price(start_price_ticks), Money::from_whole(usdt));
        (quantity.0 as f64).max(1.0)
    };
    FlowParameters {
        start_price_ticks,
        level_events_per_s: 500.0,
        far_events_per_level_event: 0.9,
        distance_exponent: 0.30,
        distance_max_ticks: 2_500,
        occupancy: 0.4,
        best_lots: lots_of(if eth { 285_000 } else { 985_000 }),
        level_lots: lots_of(if eth { 8_500 } else { 13_000 }),
        order_lots: lots_of(if eth { 3_000 } else { 8_000 }),
        order_sigma: 1.6,
        market_orders_per_s: 7.0,
        market_lots: lots_of(if eth { 560 } else { 1_600 }),
        market_sigma: 2.2,
        trade_lots: lots_of(if eth { 2_000 } else { 6_000 }),
        trade_sigma: 1.5,
        sweeps_per_s: 0.55,
        sweep_ticks: if eth { 11.0 } else { 20.0 },
        pressure_sigma: 0.8,
        pressure_relaxation_s: 10.0,
    }
}
