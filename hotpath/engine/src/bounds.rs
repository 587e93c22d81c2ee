//! Numbers that no market can show: what is larger came from a damaged or hostile message (F9).
//!
//! In: numbers from outside. Out: whether they can be. Never: a bound that a real instrument
//! comes near; they only keep sums and products within their integers.

use market::{
    BalanceReport, Instrument, MarginReport, Money, OpenOrderReport, OrderTerms, OrderUpdate,
    PositionReport, Price, Quantity, TradeReport,
};

/// Highest price, in ticks.
pub const TICKS_MAX: i64 = 1 << 48;

/// Largest quantity, in lots.
pub const LOTS_MAX: i64 = 1 << 48;

/// Largest price times quantity of one fill or position, in ticks times lots.
const TICK_LOTS_MAX: i128 = 1 << 64;

/// Largest amount that one instrument may add to a sum, in units of [`Money`]: 180 million.
const AMOUNT_MAX: i64 = 1 << 54;

/// Largest fee of one fill, in units of [`Money`]: 11 million.
const FEE_MAX: i64 = 1 << 50;

/// Largest exposure of one order, in units of [`Money`]: 11 million, more than any limit allows.
pub(crate) const RESERVE_MAX: Money = Money(1 << 50);

/// Largest wallet, in units of [`Money`]: 11 billion.
const WALLET_MAX: i64 = 1 << 60;

/// Whether an order can trade at `price`.
pub(crate) fn is_price(price: Price) -> bool {
    (1..=TICKS_MAX).contains(&price.0)
}

/// Whether `quantity` can be that of an order or trade; 0 is where nothing is told.
pub(crate) fn is_quantity(quantity: Quantity) -> bool {
    (0..=LOTS_MAX).contains(&quantity.0)
}

/// Whether the update can be true of any order.
pub(crate) fn is_update(update: &OrderUpdate) -> bool {
    let quantities = [
        update.quantity,
        update.cumulative_quantity,
        update.last_quantity,
    ];
    let tick_lots = i128::from(update.last_price.0) * i128::from(update.last_quantity.0);
    quantities.into_iter().all(is_quantity)
        && (0..=TICKS_MAX).contains(&update.last_price.0)
        && tick_lots <= TICK_LOTS_MAX
}

/// Whether an order can have these terms.
pub(crate) fn are_terms(terms: OrderTerms) -> bool {
    is_quantity(terms.quantity) && (0..=TICKS_MAX).contains(&terms.price.0)
}

/// Whether the listed trade can be one.
pub(crate) fn is_listed(report: &TradeReport) -> bool {
    let tick_lots = i128::from(report.price.0) * i128::from(report.quantity.0);
    is_price(report.price)
        && report.quantity.0 > 0
        && is_quantity(report.quantity)
        && tick_lots <= TICK_LOTS_MAX
}

/// Whether the listed order can exist.
pub(crate) fn is_open_order(report: &OpenOrderReport) -> bool {
    is_quantity(report.quantity)
        && is_quantity(report.cumulative_quantity)
        && (0..=TICKS_MAX).contains(&report.price.0)
}

/// Whether the stated position can exist.
pub(crate) fn is_position(report: &PositionReport, instrument: &Instrument) -> bool {
    let lots = i128::from(report.quantity.0).abs();
    let scale = 10i128.pow(u32::from(instrument.tick.decimals));
    let tick_e8 = i128::from(instrument.tick.mantissa) * i128::from(market::units::ONE);
    let ticks = i128::from(report.entry_price_e8) * scale / tick_e8;
    lots <= i128::from(LOTS_MAX)
        && (0..=i128::from(TICKS_MAX)).contains(&ticks)
        && ticks * lots <= TICK_LOTS_MAX
}

/// Whether the stated wallet can exist.
pub(crate) fn is_wallet(report: &BalanceReport) -> bool {
    (-WALLET_MAX..=WALLET_MAX).contains(&report.wallet.0)
}

/// Whether the stated margin can exist.
pub(crate) fn is_margin(report: &MarginReport) -> bool {
    let amounts = [report.available, report.balance, report.maintenance];
    amounts
        .iter()
        .all(|one| (-WALLET_MAX..=WALLET_MAX).contains(&one.0))
}

/// Value of `tick_lots`, so bounded that the sum over all instruments cannot overflow.
pub(crate) fn amount(instrument: &Instrument, tick_lots: i128) -> Money {
    Money(instrument.money(tick_lots).0.clamp(-AMOUNT_MAX, AMOUNT_MAX))
}

/// `fee`, so bounded that no fill can overflow a sum of fees.
pub(crate) fn fee(fee: Money) -> Money {
    Money(fee.0.clamp(-FEE_MAX, FEE_MAX))
}
