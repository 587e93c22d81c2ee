//! What a venue checks before an order exists.
//!
//! In: a request on the instrument's grid. Out: nothing, or the first rule that it breaks, in
//! the order in which the exchange tests them. Never: a change of any state.

use market::{
    ClientOrderId, Instrument, InstrumentStatus, Money, OrderType, Price, Quantity, Rate, Side,
    TimeInForce,
};

use crate::desk::{AMENDMENTS_OF_ONE_MAX, SHRINKS_OF_ONE_MAX};
use crate::order::{Order, PlaceOrder, SelfTrade};
use crate::rejection::Rejection;
use crate::spot::base_amount;
use crate::venue::Venue;
use crate::view::reaches;

/// Largest notional of a limit order on spot (`NOTIONAL`).
pub const NOTIONAL_MAX: Money = Money(9_000_000 * market::units::ONE);

/// A market order is margined at the ask plus 0.05 % (binance.md 6).
const MARKET_MARKUP: Rate = Rate(50_000);

impl Venue {
    /// Every rule that can refuse an order.
    ///
    /// # Errors
    /// [`Rejection`]: the first rule that the order breaks.
    pub fn check(&self, request: &PlaceOrder) -> Result<(), Rejection> {
        let instrument = self
            .instruments
            .get(usize::from(request.instrument.0))
            .ok_or(Rejection::UnknownInstrument)?;
        if instrument.status != InstrumentStatus::Trading {
            return Err(Rejection::NotTrading);
        }
        self.check_filters(instrument, request)?;
        self.check_stop(request)?;
        if self.is_named(&request.client_order_id) {
            return Err(Rejection::DuplicateClientOrderId);
        }
        let stops = usize::from(request.options.stop.is_some());
        self.check_counts(instrument, 1, stops)?;
        self.check_reduce_only(request)?;
        if self.would_trigger(request) {
            return Err(Rejection::WouldTrigger);
        }
        if self.desk.account.spot.is_some() {
            self.check_balance(instrument, request)?;
        } else {
            self.check_margin(instrument, request)?;
        }
        match request.options.stop {
            Some(_) => Ok(()),
            None => self.check_liquidity(request),
        }
    }

    /// True when an open order has this client id.
    pub(crate) fn is_named(&self, id: &ClientOrderId) -> bool {
        self.order_by_client(id)
            .is_some_and(|order| !order.state.is_final())
    }

    /// The rules for a smaller quantity of an open order.
    pub(crate) fn check_shrink(
        &self,
        order: &Order,
        quantity: Quantity,
        client_id: &ClientOrderId,
    ) -> Result<(), Rejection> {
        if order.request.client_order_id != *client_id && self.is_named(client_id) {
            return Err(Rejection::DuplicateClientOrderId);
        }
        if order.amendments >= SHRINKS_OF_ONE_MAX {
            return Err(Rejection::TooManyModifications);
        }
        let smaller = PlaceOrder {
            quantity,
            ..order.request
        };
        let instrument = &self.instruments[usize::from(smaller.instrument.0)];
        self.check_filters(instrument, &smaller)?;
        if quantity >= order.request.quantity || quantity <= order.filled {
            return Err(Rejection::Unchanged);
        }
        Ok(())
    }

    /// The rules for a new price and quantity of an open order.
    pub(crate) fn check_modification(
        &self,
        order: &Order,
        price: Price,
        quantity: Quantity,
    ) -> Result<(), Rejection> {
        if order.request.order_type != OrderType::Limit {
            return Err(Rejection::NotModifiable);
        }
        if order.request.price == price && order.request.quantity == quantity {
            return Err(Rejection::Unchanged);
        }
        let changed = PlaceOrder {
            price,
            quantity,
            ..order.request
        };
        if order.amendments >= AMENDMENTS_OF_ONE_MAX {
            return Err(Rejection::TooManyModifications);
        }
        let instrument = &self.instruments[usize::from(changed.instrument.0)];
        self.check_filters(instrument, &changed)?;
        self.check_added_margin(instrument, order, &changed)
    }

    /// A changed order needs what it adds to the requirement.
    fn check_added_margin(
        &self,
        instrument: &Instrument,
        order: &Order,
        changed: &PlaceOrder,
    ) -> Result<(), Rejection> {
        let before = instrument.notional(order.request.price, order.remaining());
        let remaining = changed.quantity - order.filled;
        let after = instrument.notional(changed.price, remaining);
        if self.desk.account.spot.is_some() {
            // A sale needs what it sells, whatever the price.
            let (added, free) = match changed.side {
                Side::Buy => (after - before, self.spot_quote().free),
                Side::Sell => {
                    let more = Quantity(remaining.0 - order.remaining().0);
                    let free = self.spot_base(instrument.id).free;
                    (base_amount(instrument, more), free)
                }
            };
            return match added > Money::ZERO && added > free {
                true => Err(Rejection::MarginInsufficient),
                false => Ok(()),
            };
        }
        if changed.reduces() || after <= before {
            return Ok(());
        }
        let added = after - before;
        let leverage = i64::from(self.desk.account.leverage[usize::from(instrument.id.0)]);
        let position = self.position_of(changed).quantity;
        let closes =
            position.0.signum() * changed.side.sign() < 0 && remaining.0 <= position.0.abs();
        if !closes && Money(added.0 / leverage) > self.available_balance() {
            return Err(Rejection::MarginInsufficient);
        }
        Ok(())
    }

    pub(crate) fn check_filters(
        &self,
        instrument: &Instrument,
        request: &PlaceOrder,
    ) -> Result<(), Rejection> {
        let filters = &instrument.filters;
        let is_limit = request.order_type == OrderType::Limit;
        if is_limit {
            self.check_price(instrument, request)?;
        }
        if request.quantity.0 <= 0 {
            return Err(Rejection::QuantityNotPositive);
        }
        if request.quantity < filters.quantity_min {
            return Err(Rejection::QuantityTooSmall);
        }
        let quantity_max = if is_limit {
            filters.quantity_max
        } else {
            filters.market_quantity_max
        };
        if quantity_max.0 > 0 && request.quantity > quantity_max {
            return Err(match is_limit {
                true => Rejection::QuantityTooLarge,
                false => Rejection::MarketQuantityTooLarge,
            });
        }
        let stop = request.options.stop.map_or(Price(0), |stop| stop.price);
        let price = match (is_limit, self.desk.account.spot.is_some()) {
            (true, _) => request.price,
            (false, true) if stop.0 > 0 => stop,
            (false, true) => self.average_price(instrument.id),
            (false, false) => self.mark(instrument.id),
        };
        let notional = instrument.notional(price, request.quantity);
        if self.desk.account.spot.is_some() && is_limit && notional > NOTIONAL_MAX {
            return Err(Rejection::NotionalTooLarge);
        }
        if !request.reduce_only && notional < filters.notional_min {
            return Err(Rejection::NotionalTooSmall(filters.notional_min));
        }
        Ok(())
    }

    fn check_price(&self, instrument: &Instrument, request: &PlaceOrder) -> Result<(), Rejection> {
        let filters = &instrument.filters;
        let price = request.price;
        if price.0 <= 0 {
            return Err(Rejection::PriceNotPositive);
        }
        if filters.price_min.0 > 0 && price < filters.price_min {
            return Err(Rejection::PriceTooLow);
        }
        if filters.price_max.0 > 0 && price > filters.price_max {
            return Err(Rejection::PriceTooHigh);
        }
        let (up, down) = (filters.multiplier_up, filters.multiplier_down);
        if self.desk.account.spot.is_some() {
            let mean = self.average_price(instrument.id);
            if up.0 > 0 && mean.0 > 0 && price.0 > scaled(mean, up) {
                return Err(Rejection::PriceAboveMultiplier);
            }
            if down.0 > 0 && price.0 < scaled(mean, down) {
                return Err(Rejection::PriceBelowMultiplier);
            }
            return Ok(());
        }
        let mark = self.mark(instrument.id);
        if mark.0 <= 0 {
            return Ok(());
        }
        if request.side == Side::Buy && up.0 > 0 && price.0 > scaled(mark, up) {
            return Err(Rejection::PriceAboveMultiplier);
        }
        if request.side == Side::Sell && down.0 > 0 && price.0 < scaled(mark, down) {
            return Err(Rejection::PriceBelowMultiplier);
        }
        Ok(())
    }

    fn check_reduce_only(&self, request: &PlaceOrder) -> Result<(), Rejection> {
        if !request.reduces() {
            return Ok(());
        }
        let position = self.position_of(request).quantity;
        let nothing = position.0.signum() * request.side.sign() >= 0;
        // In the hedge mode a close is no larger than its leg.
        let beyond = !request.reduce_only && request.quantity.0 > position.0.abs();
        if nothing || beyond {
            return Err(Rejection::ReduceOnly);
        }
        Ok(())
    }

    /// `cost = price x quantity / leverage + open loss` must not exceed the available balance;
    /// orders that close are not checked.
    fn check_margin(&self, instrument: &Instrument, request: &PlaceOrder) -> Result<(), Rejection> {
        let index = usize::from(instrument.id.0);
        let position = self.position_of(request).quantity;
        let leg = request.options.position_side;
        let closing_open: i64 = self
            .open_orders(instrument.id)
            .filter(|order| order.request.side == request.side)
            .filter(|order| order.request.options.position_side == leg)
            .map(|order| order.remaining().0)
            .sum();
        let opposite = position.0.signum() * request.side.sign() < 0;
        let closes = opposite && request.quantity.0 <= position.0.abs() - closing_open;
        if request.reduces() || closes {
            return Ok(());
        }
        let mark = self.mark(instrument.id);
        let value = if request.order_type == OrderType::Limit {
            instrument.notional(request.price, request.quantity)
        } else {
            let best = self.views[index].best(request.side.opposite());
            let price = best.map_or(mark, |level| level.price).max(mark);
            let value = instrument.notional(price, request.quantity);
            value + value.times(MARKET_MARKUP)
        };
        let margin = Money(value.0 / i64::from(self.desk.account.leverage[index]));
        let at_mark = instrument.notional(mark, request.quantity);
        let open_loss = Money(((value - at_mark).0 * request.side.sign()).max(0));
        if margin + open_loss > self.available_balance() {
            return Err(Rejection::MarginInsufficient);
        }
        self.check_notional_cap(instrument, request, value)
    }

    /// A position may not grow beyond what its leverage allows, even if all open orders fill.
    fn check_notional_cap(
        &self,
        instrument: &Instrument,
        request: &PlaceOrder,
        value: Money,
    ) -> Result<(), Rejection> {
        let leverage = self.desk.account.leverage[usize::from(instrument.id.0)];
        let leg = request.options.position_side;
        let held = Money(self.notional(instrument.id, leg).0 * request.side.sign());
        let open = self.order_value(instrument.id, request.side, Some(leg));
        if held + open + value > self.brackets(instrument.id).notional_max(leverage) {
            return Err(Rejection::PositionAboveCap);
        }
        Ok(())
    }

    /// What spot's price filter is measured from: the mean of the last minutes, or the middle of
    /// the book before the first trade.
    #[must_use]
    pub fn average_price(&self, id: market::InstrumentId) -> Price {
        let mean = self.averages[usize::from(id.0)].mean();
        mean.unwrap_or_else(|| self.mark(id))
    }

    pub(crate) fn check_liquidity(&self, request: &PlaceOrder) -> Result<(), Rejection> {
        let index = usize::from(request.instrument.0);
        let view = &self.views[index];
        let opposite = request.side.opposite();
        if request.order_type == OrderType::Market {
            return match view.best_available(opposite) {
                Some(_) => Ok(()),
                None => Err(Rejection::NoCounterparty),
            };
        }
        match request.time_in_force {
            TimeInForce::PostOnly if self.would_take(request) => Err(Rejection::PostOnlyWouldTake),
            TimeInForce::FillOrKill => {
                let takes = view.quote(request.side, Some(request.price), request.quantity);
                let total: i64 = takes.iter().map(|take| take.quantity.0).sum();
                if total < request.quantity.0 {
                    return Err(Rejection::FillOrKillUnfillable);
                }
                Ok(())
            }
            _ => Ok(()),
        }
    }

    /// True when the order would meet the market's liquidity or one of our own orders.
    pub(crate) fn would_take(&self, request: &PlaceOrder) -> bool {
        let working = self.desk.open[usize::from(request.instrument.0)].iter();
        let mut working = working.map(|id| &self.desk.orders[id].request);
        self.would_take_of_market(request) || working.any(|own| self.meets(request, own))
    }

    /// True when the order would meet the market's liquidity.
    pub(crate) fn would_take_of_market(&self, request: &PlaceOrder) -> bool {
        let best = self
            .view(request.instrument)
            .best_available(request.side.opposite());
        best.is_some_and(|level| reaches(request.side, request.price, level.price))
    }

    /// True when the order would meet this one of the same account, and is not to pass it.
    pub(crate) fn meets(&self, request: &PlaceOrder, own: &PlaceOrder) -> bool {
        request.options.self_trade != SelfTrade::None
            && own.side != request.side
            && reaches(request.side, request.price, own.price)
    }
}

fn scaled(price: Price, multiplier: Rate) -> i64 {
    Money(price.0).times(multiplier).0
}
