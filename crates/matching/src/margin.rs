//! What positions and open orders need, and what is left (binance.md 6).
//!
//! In: positions, open orders, mark prices, brackets, leverage. Out: initial and maintenance
//! margin, available balance, liquidation prices, of the selected account. Never: a change.

use market::{Instrument, InstrumentId, Money, Price, Rate, Side};

use crate::account::{MarginType, Position, initial_margin};
use crate::order::PositionSide;
use crate::venue::Venue;

/// One hundred per cent.
const WHOLE: i128 = 100_000_000;

/// Sums over an account.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct AccountTotals {
    /// Wallet balance.
    pub wallet: Money,
    /// Wallet balance less what is set aside for isolated positions.
    pub cross_wallet: Money,
    /// Unrealised profit of all positions.
    pub unrealized: Money,
    /// Unrealised profit of the cross ones.
    pub cross_unrealized: Money,
    /// Initial margin of positions and orders.
    pub initial: Money,
    /// Initial margin of positions.
    pub position: Money,
    /// Maintenance margin of all positions.
    pub maintenance: Money,
    /// Maintenance margin of the cross ones.
    pub cross_maintenance: Money,
    /// What new orders and withdrawals may use.
    pub available: Money,
}

impl AccountTotals {
    /// Initial margin of open orders.
    #[must_use]
    pub fn open_orders(&self) -> Money {
        self.initial - self.position
    }

    /// What can be withdrawn: profit that is not realised cannot.
    #[must_use]
    pub fn withdrawable(&self) -> Money {
        let profit = self.cross_unrealized.max(Money::ZERO);
        (self.available - profit).max(Money::ZERO)
    }

    /// Wallet and unrealised profit.
    #[must_use]
    pub fn margin_balance(&self) -> Money {
        self.wallet + self.unrealized
    }
}

impl Venue {
    /// `max(0, crossWallet + cross uPnL - (cross initial margin + isolated open-order margin))`.
    #[must_use]
    pub fn available_balance(&self) -> Money {
        let mut available = self.desk.account.cross_wallet();
        for instrument in &self.instruments {
            let id = instrument.id;
            if self.margin_type(id) == MarginType::Cross {
                available += self.unrealized(id) - self.margin(id);
            } else {
                available -= self.margin(id) - self.position_margin(id);
            }
        }
        available.max(Money::ZERO)
    }

    /// All sums at once.
    #[must_use]
    pub fn totals_of_account(&self) -> AccountTotals {
        let account = &self.desk.account;
        let mut sums = AccountTotals {
            wallet: account.wallet,
            cross_wallet: account.cross_wallet(),
            available: self.available_balance(),
            ..AccountTotals::default()
        };
        for instrument in &self.instruments {
            let id = instrument.id;
            let cross = self.margin_type(id) == MarginType::Cross;
            let (profit, maintenance) = (self.unrealized(id), self.maintenance(id));
            sums.unrealized += profit;
            sums.maintenance += maintenance;
            sums.initial += self.margin(id);
            sums.position += self.position_margin(id);
            if cross {
                sums.cross_unrealized += profit;
                sums.cross_maintenance += maintenance;
            }
        }
        sums
    }

    /// How an instrument is margined.
    #[must_use]
    pub fn margin_type(&self, id: InstrumentId) -> MarginType {
        self.desk.account.margin_types[usize::from(id.0)]
    }

    /// One leg of an instrument.
    #[must_use]
    pub fn position(&self, id: InstrumentId, leg: PositionSide) -> &Position {
        self.desk.account.leg(usize::from(id.0), leg)
    }

    /// Unrealised profit of an instrument.
    #[must_use]
    pub fn unrealized(&self, id: InstrumentId) -> Money {
        let legs = PositionSide::ALL.into_iter();
        legs.map(|leg| self.unrealized_of(id, leg)).sum()
    }

    /// Unrealised profit of a leg.
    #[must_use]
    pub fn unrealized_of(&self, id: InstrumentId, leg: PositionSide) -> Money {
        let instrument = &self.instruments[usize::from(id.0)];
        match self.mark(id) {
            // Nothing is won or lost by a price that nobody knows.
            Price(0) => Money::ZERO,
            mark => self.position(id, leg).unrealized(instrument, mark),
        }
    }

    /// Quantity of a leg times mark price, with the leg's sign.
    #[must_use]
    pub fn notional(&self, id: InstrumentId, leg: PositionSide) -> Money {
        let instrument = &self.instruments[usize::from(id.0)];
        instrument.notional(self.mark(id), self.position(id, leg).quantity)
    }

    /// Value of the open orders of a side; of one leg, or of all.
    #[must_use]
    pub fn order_value(&self, id: InstrumentId, side: Side, leg: Option<PositionSide>) -> Money {
        let instrument = &self.instruments[usize::from(id.0)];
        self.open_orders(id)
            .filter(|order| order.request.side == side && !order.request.reduce_only)
            .filter(|order| leg.is_none_or(|leg| leg == order.request.options.position_side))
            .map(|order| instrument.notional(order.request.price, order.remaining()))
            .sum()
    }

    /// Initial margin of an instrument: positions and open orders.
    #[must_use]
    pub fn margin(&self, id: InstrumentId) -> Money {
        let legs = PositionSide::ALL.into_iter();
        legs.map(|leg| self.margin_of(id, leg)).sum()
    }

    /// Initial margin of a leg: position and open orders.
    #[must_use]
    pub fn margin_of(&self, id: InstrumentId, leg: PositionSide) -> Money {
        initial_margin(
            self.notional(id, leg),
            self.order_value(id, Side::Buy, Some(leg)),
            self.order_value(id, Side::Sell, Some(leg)),
            self.desk.account.leverage[usize::from(id.0)],
        )
    }

    /// Initial margin of an instrument's positions.
    #[must_use]
    pub fn position_margin(&self, id: InstrumentId) -> Money {
        let legs = PositionSide::ALL.into_iter();
        legs.map(|leg| self.position_margin_of(id, leg)).sum()
    }

    /// Initial margin of a leg's position.
    #[must_use]
    pub fn position_margin_of(&self, id: InstrumentId, leg: PositionSide) -> Money {
        let leverage = self.desk.account.leverage[usize::from(id.0)];
        initial_margin(self.notional(id, leg), Money::ZERO, Money::ZERO, leverage)
    }

    /// Maintenance margin of an instrument's positions.
    #[must_use]
    pub fn maintenance(&self, id: InstrumentId) -> Money {
        let legs = PositionSide::ALL.into_iter();
        legs.map(|leg| self.maintenance_of(id, leg)).sum()
    }

    /// Maintenance margin of a leg.
    #[must_use]
    pub fn maintenance_of(&self, id: InstrumentId, leg: PositionSide) -> Money {
        self.brackets(id).maintenance(self.notional(id, leg))
    }

    /// Mark price, times 1e8, at which a leg is liquidated; 0 without a position, or where no
    /// price would do it.
    #[must_use]
    pub fn liquidation_price_e8(&self, id: InstrumentId, leg: PositionSide) -> i64 {
        if self.position(id, leg).quantity.is_zero() {
            return 0;
        }
        let cross = self.margin_type(id) == MarginType::Cross;
        let legs: &[PositionSide] = if cross { &PositionSide::ALL } else { &[leg] };
        // Numerator: money that is there at price 0. Denominator: what a unit of price takes.
        let mut money = i128::from(if cross {
            self.desk.account.cross_wallet().0 + self.others_of(id)
        } else {
            self.position(id, leg).isolated.0
        });
        let (mut lots, instrument) = (0i128, &self.instruments[usize::from(id.0)]);
        for leg in legs {
            let position = self.position(id, *leg);
            if position.quantity.is_zero() {
                continue;
            }
            let direction = i128::from(position.quantity.0.signum());
            let bracket = self.brackets(id).at(self.notional(id, *leg));
            money += i128::from(bracket.cumulative.0) - direction * i128::from(position.cost.0);
            let size = i128::from(position.quantity.0.abs());
            lots += size * (i128::from(bracket.rate.0) - direction * WHOLE);
        }
        price_of(instrument, money, lots)
    }

    /// Unrealised profit less maintenance margin of all other cross positions.
    fn others_of(&self, id: InstrumentId) -> i64 {
        let others = self.instruments.iter().map(|one| one.id);
        let others =
            others.filter(|other| *other != id && self.margin_type(*other) == MarginType::Cross);
        others
            .map(|other| (self.unrealized(other) - self.maintenance(other)).0)
            .sum()
    }
}

/// `money / lots`, lots in units of 1e-8 lots, as a price times 1e8; 0 where there is none.
fn price_of(instrument: &Instrument, money_e8: i128, lots_e8: i128) -> i64 {
    let base = lots_e8 * i128::from(instrument.lot.mantissa);
    if base == 0 {
        return 0;
    }
    let scale = WHOLE * 10i128.pow(u32::from(instrument.lot.decimals));
    market::units::round_div_saturating(money_e8 * scale, base).max(0)
}

/// The share `rate` of an amount, rounded up.
pub(crate) fn share_up(amount: Money, rate: Rate) -> Money {
    let product = i128::from(amount.0) * i128::from(rate.0);
    Money(((product + WHOLE - 1) / WHOLE) as i64)
}
