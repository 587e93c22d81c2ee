//! The pre-trade controls, in order; the first that speaks against an order names its code.
//!
//! In: an order and a view of everything that matters. Out: an approval or a denial code. Never:
//! a limit that holds back an order that reduces (I18), an increase in REDUCING (I19).

use crate::approved::Approved;
use crate::config::RiskConfig;
use crate::risk::Throttle;
use crate::signal::Top;
use crate::strategy::Purpose;
use market::units::ONE;
use market::{
    AmendOrder, BookState, DenialCode, Instrument, InstrumentStatus, Market, Money, MonoNs,
    NewOrder, OrderType, Price, Quantity, Rate, Side, StateReason, TimeInForce, TradingState,
};

/// What risk knows of the book behind an order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BookView {
    /// Its state.
    pub state: BookState,
    /// Whether its last change is young enough, by our clock and by the exchange's event time.
    pub fresh: bool,
    /// The touch; `None` where a side is empty, not known or not fresh.
    pub top: Option<Top>,
}

/// What risk knows of the account behind an order; the order itself is not in it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AccountView {
    /// Wallets plus unrealised profit; `None` until every wallet was told.
    pub equity: Option<Money>,
    /// All positions and all open orders that may add to them.
    pub gross: Money,
    /// Positions in the order's direction less those against it, with the open orders of its side.
    pub net: Money,
    /// Leverage cap now, in 1e-8.
    pub leverage_max: Rate,
    /// Share of its size that an order may have now.
    pub size: Rate,
    /// Margin free for new orders by the exchange's own word, less what was ordered since.
    pub available: Option<Money>,
    /// Mark price at which the exchange would liquidate the position.
    pub liquidation: Option<Price>,
    /// The price of late, which follows the market only as fast as is allowed.
    pub anchor: Option<Price>,
}

/// Everything that may speak against an order, at the moment of the decision.
#[derive(Clone, Copy, Debug)]
pub struct RiskView<'a> {
    /// Engine time.
    pub now: MonoNs,
    /// The instrument.
    pub instrument: &'a Instrument,
    /// Trading state.
    pub state: TradingState,
    /// Why it is what it is.
    pub reason: StateReason,
    /// Streams live and reconciled, or the code that says which is not.
    pub streams: Result<(), DenialCode>,
    /// Whether the exchange takes an order that opens, and one that reduces.
    pub venue: [Result<(), DenialCode>; 2],
    /// Its set-up at the exchange is right, and nobody else's position is traded against.
    pub may_enter: bool,
    /// The strategy is latched off.
    pub latched_off: bool,
    /// The instrument rests after a stop.
    pub cooling_down: bool,
    /// Value of the order at the highest price that any source names.
    pub worth: Money,
    /// The account.
    pub account: AccountView,
    /// The exchange's time is known well enough to open anything (I21).
    pub clock_safe: bool,
    /// The book.
    pub book: BookView,
    /// Mark price, while it is fresh.
    pub mark: Option<Price>,
    /// The account's position in the instrument.
    pub position: Quantity,
    /// Lots of our live and unknown orders of the same side that may still trade.
    pub open_same_side: Quantity,
    /// Live and unknown orders of the instrument.
    pub open_orders: u32,
    /// Live and unknown orders of the account.
    pub open_orders_account: u32,
    /// A live or unknown order has the same intent (I1).
    pub duplicate: bool,
    /// Best price of our resting orders on the other side.
    pub own_opposite: Option<Price>,
}

/// Passes an order, or says why not. Takes a message from `throttle` when it passes.
///
/// # Errors
/// The code of the first control that speaks against it.
pub fn check(
    order: &NewOrder,
    purpose: Purpose,
    view: &RiskView<'_>,
    config: &RiskConfig,
    throttle: &mut Throttle,
) -> Result<Approved<NewOrder>, DenialCode> {
    pass(order, purpose, view, config, throttle).map(|()| Approved::by_risk(*order))
}

/// Passes an amendment, or says why not: what is left of the amended order, `rest`, is judged as a
/// whole new order. Takes a message from `throttle` when it passes.
///
/// # Errors
/// The code of the first control that speaks against it.
pub fn check_amend(
    amend: &AmendOrder,
    rest: &NewOrder,
    purpose: Purpose,
    view: &RiskView<'_>,
    config: &RiskConfig,
    throttle: &mut Throttle,
) -> Result<Approved<AmendOrder>, DenialCode> {
    pass(rest, purpose, view, config, throttle).map(|()| Approved::by_risk(*amend))
}

#[inline]
fn pass(
    order: &NewOrder,
    purpose: Purpose,
    view: &RiskView<'_>,
    config: &RiskConfig,
    throttle: &mut Throttle,
) -> Result<(), DenialCode> {
    let reducing = is_reducing(order, view);
    check_state(purpose, reducing, view)?;
    check_status(reducing, view)?;
    if view.duplicate {
        return Err(DenialCode::DuplicateIntent);
    }
    check_filters(order, view)?;
    view.venue[usize::from(reducing)]?;
    if reducing {
        throttle.take_reserved(view.now);
        return Ok(());
    }
    if !view.may_enter {
        return Err(DenialCode::InstrumentNotTradable);
    }
    view.streams?;
    if !view.clock_safe {
        return Err(DenialCode::ClockUnsafe);
    }
    check_latches(view)?;
    check_book(view, config)?;
    check_collar(order, view, config)?;
    check_size(order, view, config)?;
    check_position(order, view, config)?;
    check_exposure(view, config)?;
    check_margin(order, view, config)?;
    check_open_orders(order, view, config)?;
    if !throttle.take_entry(view.now) {
        return Err(DenialCode::RateLimitExceeded);
    }
    Ok(())
}

/// True when the order cannot increase |position|, even if all open orders fill.
fn is_reducing(order: &NewOrder, view: &RiskView<'_>) -> bool {
    let opposes = view.position.0.signum() == -order.side.sign();
    if order.reduce_only {
        // The exchange trims it to the position, whatever fills before.
        return opposes && view.instrument.market == Market::UsdM;
    }
    opposes && order.quantity + view.open_same_side <= view.position.magnitude()
}

/// Outside of trading hours futures take no opening orders (-4140); whether one that reduces is taken
/// only the exchange knows, so it is asked. Where only cancels are taken, and on spot, none is.
fn check_status(reducing: bool, view: &RiskView<'_>) -> Result<(), DenialCode> {
    let futures = view.instrument.market == Market::UsdM;
    match view.instrument.status {
        InstrumentStatus::Trading => Ok(()),
        InstrumentStatus::NotTrading if reducing && futures => Ok(()),
        InstrumentStatus::NotTrading | InstrumentStatus::CancelOnly => {
            Err(DenialCode::InstrumentNotTradable)
        }
    }
}

fn check_state(purpose: Purpose, reducing: bool, view: &RiskView<'_>) -> Result<(), DenialCode> {
    match view.state {
        TradingState::Killed if reducing && purpose == Purpose::OperatorExit => Ok(()),
        TradingState::Killed => Err(DenialCode::KillLatched),
        TradingState::Halted => Err(DenialCode::TradingHalted),
        TradingState::Reducing if !reducing => Err(DenialCode::while_reducing(view.reason)),
        TradingState::Reducing | TradingState::Active => Ok(()),
    }
}

/// What holds for one strategy or one instrument until it is over.
fn check_latches(view: &RiskView<'_>) -> Result<(), DenialCode> {
    if view.latched_off {
        Err(DenialCode::RepeatedExecution)
    } else if view.cooling_down {
        Err(DenialCode::StopCooldown)
    } else {
        Ok(())
    }
}

/// What the exchange would refuse for its form; that would cost a message and a rejection.
fn check_filters(order: &NewOrder, view: &RiskView<'_>) -> Result<(), DenialCode> {
    let filters = &view.instrument.filters;
    let is_market = order.order_type == OrderType::Market;
    if !is_market && !price_is_allowed(order, view) {
        return Err(DenialCode::FilterPrice);
    }
    let most = if is_market && filters.market_quantity_max.0 > 0 {
        filters.market_quantity_max
    } else {
        filters.quantity_max
    };
    let over = most.0 > 0 && order.quantity > most;
    if order.quantity.0 <= 0 || order.quantity < filters.quantity_min || over {
        return Err(DenialCode::FilterLot);
    }
    let worth = reference_price(order, view).map(|price| {
        let priced = if is_market { price } else { order.price };
        view.instrument.notional(priced, order.quantity)
    });
    let exempt = order.reduce_only && view.instrument.market == Market::UsdM;
    if !exempt && worth.is_some_and(|worth| worth < filters.notional_min) {
        return Err(DenialCode::NotionalBelowMinimum);
    }
    Ok(())
}

fn price_is_allowed(order: &NewOrder, view: &RiskView<'_>) -> bool {
    let filters = &view.instrument.filters;
    let price = order.price;
    let low = price.0 <= 0 || price < filters.price_min;
    let high = filters.price_max.0 > 0 && price > filters.price_max;
    if low || high {
        return false;
    }
    let mid = view.book.top.filter(|top| !top.is_crossed());
    let Some(mark) = view.mark.or(mid.map(|top| top.mid())) else {
        return true;
    };
    let scaled = i128::from(price.0) * i128::from(ONE);
    let bound = |rate: Rate| i128::from(mark.0) * i128::from(rate.0);
    match order.side {
        Side::Buy => filters.multiplier_up.0 == 0 || scaled <= bound(filters.multiplier_up),
        Side::Sell => filters.multiplier_down.0 == 0 || scaled >= bound(filters.multiplier_down),
    }
}

fn check_book(view: &RiskView<'_>, config: &RiskConfig) -> Result<(), DenialCode> {
    match view.book.state {
        BookState::Empty | BookState::Buffering => return Err(DenialCode::BookUnsynced),
        BookState::Stale => return Err(DenialCode::BookStale),
        BookState::Synced => {}
    }
    if !view.book.fresh {
        return Err(DenialCode::BookStale);
    }
    let top = view.book.top.ok_or(DenialCode::BookEdge)?;
    if top.is_crossed() {
        return Err(DenialCode::BookCrossed);
    }
    let spread = 2 * i128::from(top.spread_ticks()) * i128::from(ONE);
    let widest = i128::from(top.mid_half_ticks()) * i128::from(config.spread_max.0);
    if spread > widest {
        return Err(DenialCode::SpreadTooWide);
    }
    Ok(())
}

/// Distance from mid, from mark and from the price of late, in both directions: a fat finger errs
/// in either, and a market that runs away takes mid and mark with it.
fn check_collar(
    order: &NewOrder,
    view: &RiskView<'_>,
    config: &RiskConfig,
) -> Result<(), DenialCode> {
    if order.order_type == OrderType::Market {
        return Ok(());
    }
    let mid_half_ticks = view.book.top.map(|top| i128::from(top.mid_half_ticks()));
    let mark_half_ticks = view.mark.map(|mark| 2 * i128::from(mark.0));
    let anchor_half_ticks = view.account.anchor.map(|price| 2 * i128::from(price.0));
    let references = [mid_half_ticks, mark_half_ticks, anchor_half_ticks];
    for reference in references.into_iter().flatten() {
        let distance = (2 * i128::from(order.price.0) - reference).abs() * i128::from(ONE);
        if distance > reference * i128::from(config.collar.0) {
            return Err(DenialCode::PriceCollar);
        }
    }
    Ok(())
}

/// The prices that [`check_collar`] lets pass, both ends included; `None` when there is none.
fn collar(view: &RiskView<'_>, config: &RiskConfig) -> Option<(Price, Price)> {
    let mid_half_ticks = view.book.top.map(|top| i128::from(top.mid_half_ticks()));
    let twice = |price: Price| 2 * i128::from(price.0);
    let references = [
        mid_half_ticks,
        view.mark.map(twice),
        view.account.anchor.map(twice),
    ];
    let (mut low, mut high) = (1, i64::MAX);
    for reference in references.into_iter().flatten() {
        let middle = reference * i128::from(ONE);
        let reach = reference * i128::from(config.collar.0);
        let scale = 2 * i128::from(ONE);
        let first = (middle - reach + scale - 1).div_euclid(scale);
        let last = (middle + reach).div_euclid(scale);
        low = low.max(i64::try_from(first).unwrap_or(i64::MAX));
        high = high.min(i64::try_from(last).unwrap_or(i64::MAX));
    }
    (low <= high).then_some((Price(low), Price(high)))
}

/// The price of an exit that takes: moved inside of the collar where that still reaches the other
/// side of the book. What closes one strategy's part and does not reduce the account is held to the
/// collar like an entry, and its price reaches as far from the touch as the collar does from the
/// middle: it would be denied for ever.
#[must_use]
pub fn fitted_exit_price(order: &NewOrder, view: &RiskView<'_>, config: &RiskConfig) -> Price {
    let taking = order.time_in_force == TimeInForce::ImmediateOrCancel;
    let limited = order.order_type == OrderType::Limit;
    let Some(top) = view.book.top.filter(|_| taking && limited) else {
        return order.price;
    };
    let bounds = collar(view, config).filter(|_| !is_reducing(order, view));
    let Some((low, high)) = bounds else {
        return order.price;
    };
    let price = order.price.clamp(low, high);
    let reaches = match order.side {
        Side::Buy => price >= top.ask.price,
        Side::Sell => price <= top.bid.price,
    };
    if reaches { price } else { order.price }
}

fn check_size(
    order: &NewOrder,
    view: &RiskView<'_>,
    config: &RiskConfig,
) -> Result<(), DenialCode> {
    if config
        .order_quantity_max
        .is_some_and(|most| order.quantity > most)
    {
        return Err(DenialCode::QuantityExceedsMaximum);
    }
    // Smaller while the account is down.
    if beyond(view.worth, config.order_notional_max, view.account.size) {
        return Err(DenialCode::NotionalExceedsMaximum);
    }
    Ok(())
}

/// Position plus everything open on the side plus this order, as if all of it filled.
fn check_position(
    order: &NewOrder,
    view: &RiskView<'_>,
    config: &RiskConfig,
) -> Result<(), DenialCode> {
    let held = Quantity(view.position.0 * order.side.sign());
    let worst = held + view.open_same_side + order.quantity;
    let is_short_spot = view.instrument.market == Market::Spot && order.side == Side::Sell;
    let over_quantity = config
        .position_quantity_max
        .is_some_and(|most| worst > most);
    let instrument = view.instrument;
    let notional = worst_notional(order, instrument, view.book.top, view.mark, worst);
    let over_notional = beyond(notional, config.position_notional_max, view.account.size);
    if over_quantity || over_notional || is_short_spot {
        return Err(DenialCode::PositionLimit);
    }
    // Without equity nothing is a small share of it.
    let share = config.exposure_share_max;
    if view
        .account
        .equity
        .is_none_or(|equity| beyond(notional, equity, share))
    {
        return Err(DenialCode::ExposureLimit);
    }
    Ok(())
}

/// The account as a whole, with this order as if it filled.
fn check_exposure(view: &RiskView<'_>, config: &RiskConfig) -> Result<(), DenialCode> {
    let account = &view.account;
    let gross = Money(account.gross.0.saturating_add(view.worth.0));
    let net = Money(account.net.0.saturating_add(view.worth.0));
    if gross > config.gross_exposure_max || net > config.net_exposure_max {
        return Err(DenialCode::GrossExposureLimit);
    }
    let equity = account.equity.unwrap_or(Money::ZERO);
    if beyond(gross, equity, account.leverage_max) {
        return Err(DenialCode::LeverageLimit);
    }
    Ok(())
}

/// What stays free of margin, by our own count and by the exchange's, and how far liquidation is.
fn check_margin(
    order: &NewOrder,
    view: &RiskView<'_>,
    config: &RiskConfig,
) -> Result<(), DenialCode> {
    let account = &view.account;
    let equity = account.equity.unwrap_or(Money::ZERO);
    let leverage = match view.instrument.market {
        Market::UsdM => account.leverage_max,
        Market::Spot => Rate(ONE),
    };
    let told = account
        .available
        .is_some_and(|available| beyond(view.worth, available, leverage));
    // gross / leverage > equity * (1 - free), without a division.
    let gross = i128::from(account.gross.0.saturating_add(view.worth.0));
    let usable = i128::from(equity.0.max(0)) * i128::from(ONE - config.free_margin_min.0);
    let used = gross * i128::from(ONE) * i128::from(ONE);
    let own = used > usable.saturating_mul(i128::from(account.leverage_max.0));
    if told || own {
        return Err(DenialCode::MarginInsufficient);
    }
    let adds = view.position.0.signum() == order.side.sign();
    let price = reference_price(order, view).filter(|_| adds);
    if let Some((price, liquidation)) = price.zip(account.liquidation) {
        let distance = (i128::from(price.0) - i128::from(liquidation.0)).abs() * i128::from(ONE);
        if distance < i128::from(price.0) * i128::from(config.liquidation_distance_min.0) {
            return Err(DenialCode::LiquidationNear);
        }
    }
    Ok(())
}

fn check_open_orders(
    order: &NewOrder,
    view: &RiskView<'_>,
    config: &RiskConfig,
) -> Result<(), DenialCode> {
    let exchange_max = match view.instrument.filters.open_orders_max {
        0 => u32::MAX,
        most => most,
    };
    let per_instrument = view.open_orders >= config.open_orders_max.min(exchange_max);
    if per_instrument || view.open_orders_account >= config.open_orders_account_max {
        return Err(DenialCode::OpenOrdersLimit);
    }
    let crosses_own = view.own_opposite.is_some_and(|own| match order.side {
        Side::Buy => order.price >= own,
        Side::Sell => order.price <= own,
    });
    if crosses_own {
        return Err(DenialCode::SelfTrade);
    }
    Ok(())
}

/// True when `value` is more than `times` of `most`.
fn beyond(value: Money, most: Money, times: Rate) -> bool {
    i128::from(value.0) * i128::from(ONE) > i128::from(most.0.max(0)) * i128::from(times.0)
}

/// The price that the market names: mark, else mid.
fn reference_price(order: &NewOrder, view: &RiskView<'_>) -> Option<Price> {
    let mid = view.book.top.map(|top| top.mid());
    let own = (order.price.0 > 0).then_some(order.price);
    view.mark.or(mid).or(own)
}

/// Value of `lots` at the highest price that any source names: rounding never hides risk.
#[must_use]
pub fn worst_notional(
    order: &NewOrder,
    instrument: &Instrument,
    top: Option<Top>,
    mark: Option<Price>,
    lots: Quantity,
) -> Money {
    let ask = top.map(|top| top.ask.price);
    let highest = [mark, ask]
        .into_iter()
        .flatten()
        .fold(order.price, Price::max);
    instrument.notional(highest, lots)
}

/// Margin that `exposure` takes at a leverage, rounded up.
#[must_use]
pub fn margin_of(exposure: Money, leverage: Rate) -> Money {
    let scaled = i128::from(exposure.0) * i128::from(ONE);
    let leverage = i128::from(leverage.0.max(1));
    let margin = (scaled + leverage - 1) / leverage;
    Money(i64::try_from(margin).unwrap_or(i64::MAX))
}
