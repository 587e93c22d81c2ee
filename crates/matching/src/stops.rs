//! Orders of spot that wait for the price of a trade: they stand in the account beside the book,
//! lock what they need, and work when their price is traded.
//!
//! In: requests with a [`Stop`], trades, the call that lets what is due work. Out: the same orders,
//! working or refused. Never: a second order; one that triggers keeps its id.
//!
//! A stop loss buys at or above its price and sells at or below it, a take profit the other way
//! round. One that trails begins to look when its stop price is traded, or at once without one,
//! and is due when the price has come back from its best by the given share (binance's trailing
//! stop FAQ).

use market::{
    ExchangeOrderId, Execution, InstrumentId, OrderState, OrderType, Price, Side, TimeInForce,
    UtcMs,
};

use crate::conditional::ConditionalKind;
use crate::input::Input;
use crate::order::{Expiry, Order, PlaceOrder, Stage, Standing, Stop};
use crate::output::Output;
use crate::rejection::Rejection;
use crate::venue::Venue;

/// Most open orders of one instrument that wait for a price (`MAX_NUM_ALGO_ORDERS`).
pub const STOPS_MAX: usize = 5;
/// Shortest and longest trailing distance, in hundredths of a per cent (`TRAILING_DELTA`).
pub const TRAILING_BIPS: std::ops::RangeInclusive<u32> = 10..=2_000;

/// One in hundredths of a per cent.
const WHOLE_BIPS: i128 = 10_000;

impl Stop {
    /// True where the price must rise to it.
    #[must_use]
    pub fn is_above(&self, side: Side) -> bool {
        (self.kind == ConditionalKind::Stop) == (side == Side::Buy)
    }

    /// True when the stop price is there.
    fn is_reached(&self, side: Side, last: Price) -> bool {
        match self.is_above(side) {
            true => last >= self.price,
            false => last <= self.price,
        }
    }

    /// The price that a trailing one is due at.
    fn limit(&self, side: Side, extreme: Price) -> i128 {
        // Times ten thousand, so that nothing is rounded.
        i128::from(extreme.0)
            * (WHOLE_BIPS + i128::from(side.sign()) * i128::from(self.trailing_bips))
    }
}

/// Looks at a price; true when the order is due.
fn observe(order: &mut Order, stop: &Stop, last: Price, now: UtcMs) -> bool {
    let side = order.request.side;
    if stop.trailing_bips == 0 {
        return stop.is_reached(side, last);
    }
    let standing = &mut order.standing;
    if standing.extreme.0 == 0 {
        if stop.price.0 > 0 && !stop.is_reached(side, last) {
            return false;
        }
        (standing.extreme, standing.trailing_since) = (last, now);
    }
    // A buy follows the price down, a sell up.
    if last.0 * side.sign() < standing.extreme.0 * side.sign() {
        standing.extreme = last;
    }
    let sign = i128::from(side.sign());
    sign * i128::from(last.0) * WHOLE_BIPS >= sign * stop.limit(side, standing.extreme)
}

impl Venue {
    /// Price of the last trade, or the middle of the book before the first; 0 while unknown.
    #[must_use]
    pub fn last_price(&self, instrument: InstrumentId) -> Price {
        match self.lasts[usize::from(instrument.0)] {
            Price(0) => self.mark(instrument),
            last => last,
        }
    }

    /// Waiting orders take notice of a trade; which of them it makes due is kept until
    /// [`Venue::trigger_stops`].
    pub(crate) fn observe_stops(&mut self, now: UtcMs, index: usize, last: Price) {
        for at in 0..self.desk.waiting[index].len() {
            let id = self.desk.waiting[index][at];
            let order = self.desk.orders.get_mut(&id).expect("open orders are kept");
            let stop = order.request.options.stop;
            let waits = order.standing.stage == Stage::Waiting;
            if let Some(stop) = stop.filter(|_| waits)
                && observe(order, &stop, last, now)
                && !self.desk.due.contains(&id)
            {
                self.desk.due.push(id);
            }
        }
    }

    /// Orders whose price was traded begin to work, oldest first.
    pub fn trigger_stops(&mut self, now: UtcMs, out: &mut Vec<Output>) {
        if !self.any_desk(|desk| !desk.due.is_empty()) {
            return;
        }
        self.recorder.note(|| Input::Trigger(now));
        self.for_each_account(|venue| {
            for id in std::mem::take(&mut venue.desk.due) {
                let waits = |order: &Order| {
                    order.standing.stage == Stage::Waiting && !order.state.is_final()
                };
                if venue.desk.orders.get(&id).is_some_and(waits) {
                    venue.release(now, id, out);
                }
            }
        });
    }

    /// An order that waited for its price begins to work.
    fn release(&mut self, now: UtcMs, id: u64, out: &mut Vec<Output>) {
        self.set_working(now, id);
        self.leg_is_active(now, id, out);
        let order = self.desk.orders[&id];
        self.tell(&order, Execution::New, now, out);
        self.work(now, id, out);
    }

    /// Puts a waiting or pending order among those that work.
    pub(crate) fn set_working(&mut self, now: UtcMs, id: u64) {
        let order = self.desk.orders.get_mut(&id).expect("open orders are kept");
        order.standing.stage = Stage::Working;
        order.standing.working_since = now;
        order.updated = now;
        let index = usize::from(order.request.instrument.0);
        self.desk.waiting[index].retain(|waiting| *waiting != id);
        self.desk.open[index].push(id);
    }

    /// What an order does that works from now on, and was not checked for it: it takes, rests or
    /// ends.
    pub(crate) fn work(&mut self, now: UtcMs, id: u64, out: &mut Vec<Output>) {
        let request = self.desk.orders[&id].request;
        if let Err(rejection) = self.check_work(&request, id) {
            let fill_or_kill = rejection == Rejection::FillOrKillUnfillable;
            match fill_or_kill {
                true => self.end(now, id, OrderState::Expired, Expiry::ImmediateOrCancel, out),
                false => self.refuse(now, id, rejection, out),
            }
            return;
        }
        self.take(now, id, out);
        self.rest_or_expire(now, id, out);
    }

    /// Ends an order that was accepted and cannot do what its time has come for.
    pub(crate) fn refuse(
        &mut self,
        now: UtcMs,
        id: u64,
        rejection: Rejection,
        out: &mut Vec<Output>,
    ) {
        let order = self.desk.orders.get_mut(&id).expect("open orders are kept");
        order.standing.rejection = Some(rejection);
        self.end(now, id, OrderState::Expired, Expiry::None, out);
    }

    /// Liquidity and, for a market buy, what it costs now against what is free without its own
    /// share.
    fn check_work(&self, request: &PlaceOrder, id: u64) -> Result<(), Rejection> {
        let own = self.desk.open[usize::from(request.instrument.0)]
            .iter()
            .filter(|open| **open != id);
        let crosses_own = own
            .map(|open| &self.desk.orders[open].request)
            .any(|other| self.meets(request, other));
        let post_only = request.time_in_force == TimeInForce::PostOnly;
        if post_only && (crosses_own || self.would_take_of_market(request)) {
            return Err(Rejection::PostOnlyWouldTake);
        }
        if !post_only {
            self.check_liquidity(request)?;
        }
        if request.order_type == OrderType::Market && request.side == Side::Buy {
            let order = &self.desk.orders[&id];
            let instrument = &self.instruments[usize::from(request.instrument.0)];
            let free = self.spot_quote().free + self.counted_need(instrument, order);
            if self.market_cost(request) > free {
                return Err(Rejection::MarginInsufficient);
            }
        }
        Ok(())
    }

    /// What only an order that waits for a price is checked for.
    pub(crate) fn check_stop(&self, request: &PlaceOrder) -> Result<(), Rejection> {
        let Some(stop) = request.options.stop else {
            return Ok(());
        };
        let instrument = &self.instruments[usize::from(request.instrument.0)];
        let filters = &instrument.filters;
        let (price, trails) = (stop.price, stop.trailing_bips > 0);
        if price.0 > 0 || !trails {
            if price.0 <= 0 {
                return Err(Rejection::PriceNotPositive);
            }
            if filters.price_min.0 > 0 && price < filters.price_min {
                return Err(Rejection::PriceTooLow);
            }
            if filters.price_max.0 > 0 && price > filters.price_max {
                return Err(Rejection::PriceTooHigh);
            }
        }
        if trails && !TRAILING_BIPS.contains(&stop.trailing_bips) {
            return Err(Rejection::TrailingDelta);
        }
        Ok(())
    }

    /// True when its price is there already.
    pub(crate) fn would_trigger(&self, request: &PlaceOrder) -> bool {
        let last = self.last_price(request.instrument);
        let stop = request.options.stop.filter(|stop| stop.price.0 > 0);
        stop.is_some_and(|stop| last.0 > 0 && stop.is_reached(request.side, last))
    }

    /// How an order begins: at once, or waiting for its price.
    pub(crate) fn standing_of(&self, now: UtcMs, request: &PlaceOrder) -> Standing {
        let Some(stop) = request.options.stop else {
            return Standing {
                working_since: now,
                ..Standing::default()
            };
        };
        let last = self.last_price(request.instrument);
        let trails_at_once = stop.trailing_bips > 0 && stop.price.0 == 0 && last.0 > 0;
        let base = if stop.price.0 > 0 { stop.price } else { last };
        // Rounded up: what is set aside covers the furthest price that it can trigger at.
        let reserve = stop.limit(Side::Buy, base);
        Standing {
            stage: Stage::Waiting,
            reserve: Price(((reserve + WHOLE_BIPS - 1) / WHOLE_BIPS) as i64),
            extreme: if trails_at_once { last } else { Price(0) },
            trailing_since: if trails_at_once { now } else { UtcMs(0) },
            ..Standing::default()
        }
    }

    /// Open orders of an instrument that wait for a price now, or will.
    pub(crate) fn stop_count(&self, index: usize) -> usize {
        let ids = self.desk.waiting[index].iter();
        ids.filter(|id| self.desk.orders[*id].request.options.stop.is_some())
            .count()
    }

    /// Names the cancel that comes next: its event tells the name.
    pub fn name_cancel(&mut self, id: Option<market::ClientOrderId>) {
        self.desk.cancel_id = id.unwrap_or(market::ClientOrderId::EMPTY);
    }

    /// The order as it is now.
    pub(crate) fn known(&self, id: u64) -> Option<&Order> {
        self.order(ExchangeOrderId(id))
    }
}
