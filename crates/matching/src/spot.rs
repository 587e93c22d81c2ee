//! Spot balances: what is owned, what open orders lock.
//!
//! In: fills, open orders. Out: free and locked amounts, exact to 1e-8. Never: a negative
//! balance; orders that would make one are refused.

use market::units::round_div;
use market::{Instrument, InstrumentId, Money, OrderType, Price, Quantity, Rate, Side};
use serde::{Deserialize, Serialize};

use crate::order::{Order, PlaceOrder, Stage};
use crate::rejection::Rejection;
use crate::venue::Venue;

/// Amounts by asset, in units of 1e-8.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SpotBalances {
    /// Of the quote asset.
    pub quote: Money,
    /// Of each instrument's base asset, by instrument id.
    pub bases: Vec<Money>,
}

/// One asset's balance.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Balance {
    /// Free for new orders.
    pub free: Money,
    /// Held by open orders.
    pub locked: Money,
}

impl SpotBalances {
    /// Books a fill; the fee comes out of what is received. Returns the fee, in the asset that
    /// was received.
    pub fn book_fill(
        &mut self,
        instrument: &Instrument,
        side: Side,
        price: Price,
        quantity: Quantity,
        rate: Rate,
    ) -> Money {
        let base = &mut self.bases[usize::from(instrument.id.0)];
        let amount = base_amount(instrument, quantity);
        let value = instrument.notional(price, quantity);
        match side {
            Side::Buy => {
                let commission = amount.times(rate);
                *base += amount - commission;
                self.quote -= value;
                commission
            }
            Side::Sell => {
                let commission = value.times(rate);
                *base -= amount;
                self.quote += value - commission;
                commission
            }
        }
    }
}

/// Lots of an instrument as an amount of its base asset.
#[must_use]
pub fn base_amount(instrument: &Instrument, quantity: Quantity) -> Money {
    let value = i128::from(quantity.0) * i128::from(instrument.lot.mantissa);
    let decimals = u32::from(instrument.lot.decimals);
    if decimals <= 8 {
        Money(round_div(value * 10i128.pow(8 - decimals), 1))
    } else {
        Money(round_div(value, 10i128.pow(decimals - 8)))
    }
}

/// What the rest of an order needs of the asset that it gives.
fn need(instrument: &Instrument, order: &Order) -> Money {
    let price = match order.request.order_type {
        OrderType::Limit => order.request.price,
        _ => order.standing.reserve,
    };
    match order.request.side {
        Side::Buy => instrument.notional(price, order.remaining()),
        Side::Sell => base_amount(instrument, order.remaining()),
    }
}

impl Venue {
    /// Balance of the quote asset; nothing on futures.
    #[must_use]
    pub fn spot_quote(&self) -> Balance {
        let total = self
            .desk
            .account
            .spot
            .as_ref()
            .map_or(Money::ZERO, |spot| spot.quote);
        let locked = self
            .instruments
            .iter()
            .map(|instrument| self.locked(instrument, Side::Buy))
            .sum();
        Balance {
            free: total - locked,
            locked,
        }
    }

    /// Balance of an instrument's base asset; nothing on futures.
    #[must_use]
    pub fn spot_base(&self, id: InstrumentId) -> Balance {
        let index = usize::from(id.0);
        let spot = self.desk.account.spot.as_ref();
        let total = spot.map_or(Money::ZERO, |spot| spot.bases[index]);
        let locked = self.locked(&self.instruments[index], Side::Sell);
        Balance {
            free: total - locked,
            locked,
        }
    }

    fn locked(&self, instrument: &Instrument, side: Side) -> Money {
        self.open_orders(instrument.id)
            .filter(|order| order.request.side == side)
            .map(|order| self.counted_need(instrument, order))
            .sum()
    }

    /// What an open order locks: what it needs, nothing where the other one of its pair needs as
    /// much or more, nothing while it waits for another order.
    pub(crate) fn counted_need(&self, instrument: &Instrument, order: &Order) -> Money {
        if order.standing.stage == Stage::Pending {
            return Money::ZERO;
        }
        let own = need(instrument, order);
        let partner = order.standing.list.and_then(|_| self.open_partner(order));
        let counts = partner.is_none_or(|other| {
            let others = need(instrument, other);
            own > others || own == others && order.id < other.id
        });
        match counts {
            true => own,
            false => Money::ZERO,
        }
    }

    /// What a market buy costs at the present book.
    pub(crate) fn market_cost(&self, request: &PlaceOrder) -> Money {
        let instrument = &self.instruments[usize::from(request.instrument.0)];
        let takes = self
            .view(request.instrument)
            .quote(Side::Buy, None, request.quantity);
        let cost = |take: &market::Level| instrument.notional(take.price, take.quantity);
        takes.iter().map(cost).sum()
    }

    /// An order must be covered by what is free.
    pub(crate) fn check_balance(
        &self,
        instrument: &Instrument,
        request: &PlaceOrder,
    ) -> Result<(), Rejection> {
        let (needed, free) = match request.side {
            Side::Sell => {
                let amount = base_amount(instrument, request.quantity);
                (amount, self.spot_base(instrument.id).free)
            }
            Side::Buy => {
                let value = match (request.order_type, request.options.stop) {
                    (OrderType::Limit, _) => instrument.notional(request.price, request.quantity),
                    (_, Some(_)) => self.need_of(instrument, request),
                    (_, None) => self.market_cost(request),
                };
                (value, self.spot_quote().free)
            }
        };
        if needed > free {
            return Err(Rejection::MarginInsufficient);
        }
        Ok(())
    }
}
