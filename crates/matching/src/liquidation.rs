//! Liquidation: what the exchange does with an account that cannot keep its positions.
//!
//! In: accounts at the present mark prices. Out: orders that end, forced orders, the insurance's
//! movements, each with its events. Never: a wallet below zero when it is over.
//!
//! As binance.md 6 has it: first the open orders go (expiry reason 5), then one immediate order
//! reduces the position while the maintenance margin is not covered; what the book does not take
//! the insurance fund takes at the bankruptcy price. The fee is on the liquidated part alone and
//! never more than what is left.

use market::{
    ClientOrderId, Execution, InstrumentId, Liquidity, Money, OrderState, OrderType, Price,
    Quantity, Rate, Side, TimeInForce, UtcMs,
};

use crate::account::MarginType;
use crate::input::Input;
use crate::margin::share_up;
use crate::order::{Expiry, Order, OrderOptions, PlaceOrder, PositionSide};
use crate::output::Output;
use crate::venue::Venue;

/// `liquidationFee` of exchangeInfo.
const LIQUIDATION_FEE: Rate = Rate(1_250_000);

/// What liquidation orders are called.
const NAME: &str = "autoclose-";

/// One leg of an instrument.
type Leg = (InstrumentId, PositionSide);

impl Venue {
    /// Liquidates what every account cannot keep at the present mark prices.
    pub fn supervise(&mut self, now: UtcMs, out: &mut Vec<Output>) {
        if self.instruments.iter().all(|one| self.mark(one.id).0 <= 0) {
            return;
        }
        let before = out.len();
        self.for_each_account(|venue| {
            if venue.desk.account.spot.is_none() {
                venue.supervise_account(now, out);
            }
        });
        if out.len() > before {
            self.recorder.note(|| Input::Supervise(now));
        }
    }

    /// Ends orders whose own end has come.
    pub fn end_good_till(&mut self, now: UtcMs, out: &mut Vec<Output>) {
        let before = out.len();
        self.for_each_account(|venue| {
            if venue.desk.good_till == 0 {
                return;
            }
            let over = |order: &&Order| order.request.options.good_till.is_some_and(|at| at <= now);
            let open = venue.desk.open.iter().flatten();
            let open = open.map(|id| &venue.desk.orders[id]);
            let over: Vec<u64> = open.filter(over).map(|order| order.id.0).collect();
            for id in over {
                venue.end(now, id, OrderState::Expired, Expiry::GoodTill, out);
            }
        });
        if out.len() > before {
            self.recorder.note(|| Input::EndGoodTill(now));
        }
    }

    fn supervise_account(&mut self, now: UtcMs, out: &mut Vec<Output>) {
        let held = self.desk.account.held();
        let legs: Vec<Leg> = held
            .map(|(index, leg, _)| (InstrumentId(index as u16), leg))
            .collect();
        if legs.iter().any(|(id, _)| !self.is_marked(*id)) {
            return;
        }
        for leg in legs.iter().copied() {
            if self.margin_type(leg.0) == MarginType::Isolated && !self.is_kept(leg) {
                self.end_orders(now, |id| id == leg.0, out);
                self.liquidate(now, leg, out);
            }
        }
        let mut cross: Vec<Leg> = legs
            .into_iter()
            .filter(|leg| self.margin_type(leg.0) == MarginType::Cross)
            .collect();
        if cross.first().is_none_or(|leg| self.is_kept(*leg)) {
            return;
        }
        let of_cross: Vec<bool> = self
            .desk
            .account
            .margin_types
            .iter()
            .map(|one| *one == MarginType::Cross)
            .collect();
        self.end_orders(now, |id| of_cross[usize::from(id.0)], out);
        cross.sort_by_key(|leg| std::cmp::Reverse(self.maintenance_of(leg.0, leg.1)));
        for leg in cross {
            if self.is_kept(leg) {
                break;
            }
            self.liquidate(now, leg, out);
        }
    }

    /// True while the collateral of a leg covers its maintenance margin.
    fn is_kept(&self, (id, leg): Leg) -> bool {
        if self.margin_type(id) == MarginType::Isolated {
            let needed = self.maintenance_of(id, leg);
            return self.collateral((id, leg)) >= needed;
        }
        let sums = self.totals_of_account();
        sums.cross_wallet + sums.cross_unrealized >= sums.cross_maintenance
    }

    fn collateral(&self, (id, leg): Leg) -> Money {
        if self.margin_type(id) == MarginType::Isolated {
            return self.position(id, leg).isolated + self.unrealized_of(id, leg);
        }
        let sums = self.totals_of_account();
        sums.cross_wallet + sums.cross_unrealized
    }

    fn end_orders(&mut self, now: UtcMs, of: impl Fn(InstrumentId) -> bool, out: &mut Vec<Output>) {
        let open = self.desk.open.iter().enumerate();
        let open: Vec<u64> = open
            .filter(|(index, _)| of(InstrumentId(*index as u16)))
            .flat_map(|(_, ids)| ids.iter().copied())
            .collect();
        for id in open {
            self.end(now, id, OrderState::Expired, Expiry::Liquidation, out);
        }
    }

    /// One forced order: what the book takes down to the bankruptcy price, until the rest can be
    /// kept; the insurance fund takes what is left.
    fn liquidate(&mut self, now: UtcMs, leg: Leg, out: &mut Vec<Output>) {
        let (id, position_side) = leg;
        let index = usize::from(id.0);
        let position = *self.position(id, position_side);
        let side = if position.quantity.0 > 0 {
            Side::Sell
        } else {
            Side::Buy
        };
        let bankruptcy = self.bankruptcy_price(leg);
        let number = self.take_order_id();
        let name = format!("{NAME}{number}");
        let request = PlaceOrder {
            client_order_id: ClientOrderId::new(name.as_bytes()).expect("under 36 bytes"),
            instrument: id,
            side,
            order_type: OrderType::Liquidation,
            time_in_force: TimeInForce::ImmediateOrCancel,
            price: bankruptcy,
            quantity: position.quantity.magnitude(),
            reduce_only: true,
            options: OrderOptions {
                position_side,
                ..OrderOptions::default()
            },
        };
        let order = Order::accepted(now, number, &request);
        self.desk.open(order);
        self.clearing = true;
        self.tell(&order, Execution::New, now, out);
        let takes = self.views[index].quote(side, Some(bankruptcy), request.quantity);
        for take in takes {
            if self.desk.orders[&number].state.is_final() || self.is_kept(leg) {
                break;
            }
            self.views[index].consume(side, take.price, take.quantity);
            self.clear(now, number, take.price, take.quantity, leg, out);
        }
        let order = self.desk.orders[&number];
        if !order.state.is_final() && !self.is_kept(leg) {
            // Fees have moved it since.
            let bankruptcy = self.bankruptcy_price(leg);
            self.clear(now, number, bankruptcy, order.remaining(), leg, out);
        }
        if !self.desk.orders[&number].state.is_final() {
            let rest = Expiry::ImmediateOrCancel;
            self.end(now, number, OrderState::Expired, rest, out);
        }
        self.clearing = false;
        self.insure(now, id, out);
    }

    /// A forced fill and its fee.
    fn clear(
        &mut self,
        now: UtcMs,
        order: u64,
        price: Price,
        quantity: Quantity,
        leg: Leg,
        out: &mut Vec<Output>,
    ) {
        let instrument = self.instruments[usize::from(leg.0.0)];
        let direction = self.position(leg.0, leg.1).quantity.0.signum();
        let value = instrument.notional(price, quantity);
        let slipped = value - instrument.notional(self.mark(leg.0), quantity);
        // What the position's collateral is worth once these lots are gone at this price.
        let left = self.collateral(leg) + Money(slipped.0 * direction);
        self.fill(now, order, price, quantity, Liquidity::Taker, out);
        let fee = share_up(value, LIQUIDATION_FEE).min(left);
        if fee > Money::ZERO {
            self.take_clearance(now, leg, -fee, out);
        }
    }

    fn take_clearance(&mut self, now: UtcMs, leg: Leg, amount: Money, out: &mut Vec<Output>) {
        let index = usize::from(leg.0.0);
        let isolated = self.margin_type(leg.0) == MarginType::Isolated;
        self.desk.account.wallet += amount;
        let position = self.desk.account.leg_mut(index, leg.1);
        if isolated && !position.quantity.is_zero() {
            position.isolated += amount;
        }
        let change = self.remember_move(now, amount, Some(leg.0), "INSURANCE_CLEAR");
        out.push(Output::Wallet(change));
    }

    /// The insurance fund covers what nobody can pay.
    fn insure(&mut self, now: UtcMs, id: InstrumentId, out: &mut Vec<Output>) {
        let missing = self.desk.account.cross_wallet();
        let flat = self
            .desk
            .account
            .held()
            .all(|(index, _, _)| self.desk.account.margin_types[index] == MarginType::Isolated);
        if missing < Money::ZERO && flat {
            self.desk.account.wallet -= missing;
            let change = self.remember_move(now, -missing, Some(id), "INSURANCE_CLEAR");
            out.push(Output::Wallet(change));
        }
    }

    /// Where closing the leg would leave nothing: rounded towards the mark price, so that the
    /// account does not pay for the rounding.
    fn bankruptcy_price(&self, leg: Leg) -> Price {
        let (id, side) = leg;
        let instrument = &self.instruments[usize::from(id.0)];
        let quantity = self.position(id, side).quantity;
        let direction = i128::from(quantity.0.signum());
        let value = i128::from(instrument.notional(self.mark(id), quantity.magnitude()).0);
        let money = value - direction * i128::from(self.collateral(leg).0);
        let tick_value = i128::from(instrument.notional(Price(1), quantity.magnitude()).0).max(1);
        let ticks = match quantity.0 > 0 {
            true => (money + tick_value - 1).div_euclid(tick_value),
            false => money.div_euclid(tick_value),
        };
        Price(i64::try_from(ticks.max(1)).unwrap_or(i64::MAX))
    }
}
