//! What happens to orders once they exist: entry, fills, ends.
//!
//! In: accepted orders, market events. Out: state changes with their events, in the order of a
//! private stream (`NEW`, then for each fill the account before its trade). Never: a check that
//! could still refuse.

use market::ids::Asset;
use market::{
    ClientOrderId, Execution, Instrument, Liquidity, Money, OrderState, OrderType, OrderUpdate,
    Price, Quantity, Rate, Side, TimeInForce, Trade, TradeId, UtcMs,
};

use crate::account::{Execute, Position, price_e8};
use crate::order::{Expiry, Fill, Order, PlaceOrder, PositionSide, SelfTrade, Stage};
use crate::output::{AccountChange, OrderEvent, Output};
use crate::queue::QueuePosition;
use crate::venue::Venue;
use crate::view::reaches;

/// The only quote asset.
pub(crate) const QUOTE_ASSET: &[u8] = b"USDT";

/// The asset of fees that are paid elsewhere.
const OTHER_ASSET: &[u8] = b"BNB";

/// Lots of the market that reached one of our resting orders.
#[derive(Clone, Copy, Debug)]
pub(crate) struct MakerMatch {
    pub(crate) id: u64,
    pub(crate) quantity: Quantity,
}

impl Venue {
    /// Enters a checked order: NEW, what it takes, then it rests or expires.
    pub(crate) fn enter(
        &mut self,
        now: UtcMs,
        id: u64,
        request: &PlaceOrder,
        out: &mut Vec<Output>,
    ) {
        let order = Order {
            standing: self.standing_of(now, request),
            ..Order::accepted(now, id, request)
        };
        self.desk.open(order);
        self.tell(&order, Execution::New, now, out);
        if order.standing.stage != Stage::Working {
            return;
        }
        self.take(now, id, out);
        self.rest_or_expire(now, id, out);
    }

    /// Changes an open order; as a new arrival it may take.
    pub(crate) fn change(
        &mut self,
        now: UtcMs,
        id: u64,
        price: Price,
        quantity: Quantity,
        out: &mut Vec<Output>,
    ) {
        let index = usize::from(self.desk.orders[&id].request.instrument.0);
        let order = self.desk.orders.get_mut(&id).expect("checked as open");
        let changed = PlaceOrder {
            price,
            quantity,
            ..order.request
        };
        let filled = order.filled;
        // The order itself must not count as one that it would meet.
        self.desk.open[index].retain(|open| *open != id);
        let post_only = changed.time_in_force == TimeInForce::PostOnly;
        let crosses = post_only && self.would_take(&changed);
        self.desk.open[index].push(id);
        if quantity <= filled || crosses {
            self.end_canceled(now, id, out);
            return;
        }
        let order = self.desk.orders.get_mut(&id).expect("checked as open");
        order.request = changed;
        order.updated = now;
        let told = *order;
        self.tell(&told, Execution::Amendment, now, out);
        self.take(now, id, out);
        self.rest_or_expire(now, id, out);
    }

    pub(crate) fn end_canceled(&mut self, now: UtcMs, id: u64, out: &mut Vec<Output>) {
        self.end(now, id, OrderState::Canceled, Expiry::None, out);
    }

    /// The market's quantity at a price was told: our queues there move forward by the model.
    pub(crate) fn level_changed(&mut self, now: UtcMs, index: usize, side: Side, price: Price) {
        // As the newest of all streams has it: an older one must not bring back what is gone.
        let quantity = self.views[index].quantity_at(side, price);
        for id in &self.desk.open[index] {
            let order = self.desk.orders.get_mut(id).expect("open orders are kept");
            if order.request.side == side && order.request.price == price {
                order.queue.level_changed(quantity.0, self.queue_model, now);
            }
        }
    }

    /// A trade of others: first our orders at better prices, then those in its queue.
    pub(crate) fn match_trade(&mut self, now: UtcMs, trade: &Trade, out: &mut Vec<Output>) {
        let index = usize::from(trade.instrument.0);
        let maker_side = trade.aggressor.opposite();
        let mut volume = trade.quantity.0;
        for id in self.open_by_priority(index) {
            let order = self.desk.orders.get_mut(&id).expect("open orders are kept");
            let request = order.request;
            let reached = request.side == maker_side
                && !order.state.is_final()
                && reaches(maker_side, request.price, trade.price);
            if !reached || volume == 0 {
                continue;
            }
            let lots = if request.price == trade.price {
                order.queue.trade(volume, now)
            } else {
                volume
            };
            let quantity = Quantity(lots.min(order.remaining().0));
            if quantity.0 > 0 {
                volume -= quantity.0;
                self.fill_maker(now, MakerMatch { id, quantity }, out);
            }
        }
    }

    /// Open orders by price, best first, then by arrival.
    pub(crate) fn open_by_priority(&self, index: usize) -> Vec<u64> {
        let mut ids = self.desk.open[index].clone();
        // Stable: arrivals at one price keep their order.
        ids.sort_by_key(|id| {
            let request = &self.desk.orders[id].request;
            -request.side.sign() * request.price.0
        });
        ids
    }

    /// Fills a resting order at its own price.
    pub(crate) fn fill_maker(&mut self, now: UtcMs, reached: MakerMatch, out: &mut Vec<Output>) {
        let price = self.desk.orders[&reached.id].request.price;
        self.fill(
            now,
            reached.id,
            price,
            reached.quantity,
            Liquidity::Maker,
            out,
        );
    }

    /// Walks the book for an arriving order; own resting orders in its way expire first.
    pub(crate) fn take(&mut self, now: UtcMs, id: u64, out: &mut Vec<Output>) {
        let order = self.desk.orders[&id];
        let request = order.request;
        let index = usize::from(request.instrument.0);
        let limit = (request.order_type == OrderType::Limit).then_some(request.price);
        let mut takes = self.views[index].quote(request.side, limit, order.remaining());
        let last = takes.last().map(|take| take.price);
        let meets = self.meet_own(now, &order, limit, last, out);
        if let Some((_, own)) = meets {
            // What stands before the own order is taken; what would meet it is not.
            takes.retain(|take| take.price.0 * request.side.sign() < own.0 * request.side.sign());
        }
        for take in takes {
            if self.desk.orders[&id].state.is_final() {
                break;
            }
            self.views[index].consume(request.side, take.price, take.quantity);
            self.fill(now, id, take.price, take.quantity, Liquidity::Taker, out);
        }
        if let Some((own, _)) = meets
            && !self.desk.orders[&id].state.is_final()
        {
            self.prevent(now, id, own, id);
            self.end(now, id, OrderState::Expired, Expiry::SelfTrade, out);
        }
    }

    /// Self-trade prevention: own resting orders in the way expire, or the first one comes back with
    /// its price, and the arriving order ends there.
    fn meet_own(
        &mut self,
        now: UtcMs,
        order: &Order,
        limit: Option<Price>,
        worst_taken: Option<Price>,
        out: &mut Vec<Output>,
    ) -> Option<(u64, Price)> {
        let request = order.request;
        let index = usize::from(request.instrument.0);
        let reach = limit.or(worst_taken)?;
        // Fill-or-kill cannot be ended half way; the exchange gives it no mode either.
        let mode = match (request.options.self_trade, request.time_in_force) {
            (SelfTrade::None, _) => return None,
            (_, TimeInForce::FillOrKill) => SelfTrade::ExpireMaker,
            (mode, _) => mode,
        };
        let mut met = self.open_by_priority(index);
        met.retain(|own| {
            let other = &self.desk.orders[own].request;
            other.side != request.side && reaches(request.side, reach, other.price)
        });
        if mode == SelfTrade::ExpireMaker {
            for own in met {
                // Of a pair the other one may have ended it.
                if !self.desk.orders[&own].state.is_final() {
                    self.prevent(now, order.id.0, own, own);
                    self.end(now, own, OrderState::Expired, Expiry::SelfTrade, out);
                }
            }
            return None;
        }
        let first = *met.first()?;
        let price = self.desk.orders[&first].request.price;
        let before: i64 = self.views[index]
            .quote(request.side, Some(price), order.remaining())
            .iter()
            .filter(|take| take.price != price)
            .map(|take| take.quantity.0)
            .sum();
        if before >= order.remaining().0 {
            return None;
        }
        if mode == SelfTrade::ExpireBoth {
            self.prevent(now, order.id.0, first, first);
            self.end(now, first, OrderState::Expired, Expiry::SelfTrade, out);
        }
        Some((first, price))
    }

    pub(crate) fn rest_or_expire(&mut self, now: UtcMs, id: u64, out: &mut Vec<Output>) {
        let order = self.desk.orders[&id];
        if order.state.is_final() {
            return;
        }
        let request = order.request;
        let expiry = match (request.order_type, request.time_in_force) {
            (OrderType::Market, _) => Expiry::MarketRest,
            (_, TimeInForce::ImmediateOrCancel | TimeInForce::FillOrKill) => {
                Expiry::ImmediateOrCancel
            }
            _ => {
                let view = &self.views[usize::from(request.instrument.0)];
                let standing = view.quantity_at(request.side, request.price);
                let order = self.desk.orders.get_mut(&id).expect("just read");
                order.queue = QueuePosition::behind(standing.0);
                return;
            }
        };
        self.end(now, id, OrderState::Expired, expiry, out);
    }

    /// One fill: account first, then its event, then what it makes of reduce-only orders.
    pub(crate) fn fill(
        &mut self,
        now: UtcMs,
        id: u64,
        price: Price,
        quantity: Quantity,
        liquidity: Liquidity,
        out: &mut Vec<Output>,
    ) {
        let request = self.desk.orders[&id].request;
        let index = usize::from(request.instrument.0);
        let quantity = self.reducible(&request, quantity);
        if quantity.is_zero() {
            self.end(now, id, OrderState::Expired, Expiry::ReduceOnly, out);
            return;
        }
        let fill = self.book(now, id, &request, (price, quantity), liquidity);
        self.desk.remember_fill(fill);
        let order = self
            .desk
            .orders
            .get_mut(&id)
            .expect("only open orders fill");
        order.filled += quantity;
        order.filled_tick_lots += i128::from(price.0) * i128::from(quantity.0);
        order.updated = now;
        order.state = if order.remaining().is_zero() {
            OrderState::Filled
        } else {
            OrderState::PartiallyFilled
        };
        assert!(order.filled <= request.quantity);
        let told = *order;
        if told.state.is_final() {
            self.desk.close(id);
        }
        let leg = request.options.position_side;
        out.push(Output::Account(
            self.account_change(index, leg, "ORDER", now),
        ));
        self.tell_fill(&told, &fill, out);
        self.expire_idle_reduce_only(now, index, out);
        if told.standing.list.is_some() {
            self.leg_has_filled(now, id, out);
        }
    }

    /// Books a fill to the account and describes it.
    fn book(
        &mut self,
        now: UtcMs,
        id: u64,
        request: &PlaceOrder,
        (price, quantity): (Price, Quantity),
        liquidity: Liquidity,
    ) -> Fill {
        let instrument = self.instruments[usize::from(request.instrument.0)];
        let futures = self.desk.account.spot.is_none();
        let free = futures && self.desk.fees_elsewhere > 0;
        self.desk.fees_elsewhere -= u32::from(free);
        let execute = Execute {
            position_side: request.options.position_side,
            side: request.side,
            price,
            quantity,
            // What the exchange closes by itself pays its own fee, not a trader's.
            rate: match self.clearing {
                true => Rate(0),
                false => self.desk.account.fees.rate(liquidity),
            },
            free,
            time: now,
        };
        let booked = self.desk.account.book_fill(&instrument, &execute);
        Fill {
            trade_id: self.take_trade_id(),
            order_id: market::ExchangeOrderId(id),
            instrument: request.instrument,
            side: request.side,
            liquidity,
            price,
            quantity,
            position_side: request.options.position_side,
            commission: booked.commission,
            commission_asset: match booked.in_bnb {
                true => Asset::new(OTHER_ASSET).expect("three bytes"),
                false => self.commission_asset(&instrument, request.side),
            },
            realized: booked.realized,
            time: now,
        }
    }

    /// What a fill may be: a reduce-only order never goes beyond flat.
    fn reducible(&self, request: &PlaceOrder, quantity: Quantity) -> Quantity {
        if !request.reduces() {
            return quantity;
        }
        let position = self.position_of(request).quantity;
        if position.0.signum() * request.side.sign() >= 0 {
            return Quantity::ZERO;
        }
        quantity.min(position.magnitude())
    }

    /// Resting reduce-only orders with nothing left to reduce expire.
    fn expire_idle_reduce_only(&mut self, now: UtcMs, index: usize, out: &mut Vec<Output>) {
        let idle: Vec<u64> = self.desk.open[index]
            .iter()
            .copied()
            .filter(|id| {
                let request = &self.desk.orders[id].request;
                let position = self.position_of(request).quantity;
                request.reduces() && position.0.signum() * request.side.sign() >= 0
            })
            .collect();
        for id in idle {
            self.end(now, id, OrderState::Expired, Expiry::ReduceOnly, out);
        }
    }

    /// Ends an open order, and with it the list that it belongs to.
    pub(crate) fn end(
        &mut self,
        now: UtcMs,
        id: u64,
        state: OrderState,
        expiry: Expiry,
        out: &mut Vec<Output>,
    ) {
        self.end_alone(now, id, state, expiry, out);
        if self
            .known(id)
            .is_some_and(|order| order.standing.list.is_some())
        {
            self.leg_has_ended(now, id, out);
        }
    }

    /// Ends an open order.
    pub(crate) fn end_alone(
        &mut self,
        now: UtcMs,
        id: u64,
        state: OrderState,
        expiry: Expiry,
        out: &mut Vec<Output>,
    ) {
        let order = self.desk.orders.get_mut(&id).expect("only open orders end");
        debug_assert!(!order.state.is_final() && state.is_final());
        order.state = state;
        order.expiry = expiry;
        order.updated = now;
        let told = *order;
        self.desk.close(id);
        let execution = if state == OrderState::Canceled {
            Execution::Canceled
        } else {
            Execution::Expired
        };
        self.tell(&told, execution, now, out);
    }

    pub(crate) fn account_change(
        &self,
        index: usize,
        leg: PositionSide,
        reason: &'static str,
        now: UtcMs,
    ) -> AccountChange {
        let instrument = &self.instruments[index];
        let account = &self.desk.account;
        let position = account.leg(index, leg);
        AccountChange {
            instrument: instrument.id,
            quantity: position.quantity,
            entry_price_e8: position.entry_price_e8(instrument),
            realized: position.realized,
            unrealized: self.unrealized_of(instrument.id, leg),
            break_even_e8: position.break_even_e8(instrument),
            position_side: leg,
            margin_type: account.margin_types[index],
            isolated: position.isolated,
            wallet: account.wallet,
            cross_wallet: account.cross_wallet(),
            reason,
            time: now,
            account: self.desk.id,
        }
    }

    /// The leg that an order is for.
    pub(crate) fn position_of(&self, request: &PlaceOrder) -> &Position {
        let index = usize::from(request.instrument.0);
        let leg = request.options.position_side;
        self.desk.account.leg(index, leg)
    }

    pub(crate) fn tell(
        &self,
        order: &Order,
        execution: Execution,
        now: UtcMs,
        out: &mut Vec<Output>,
    ) {
        let update = self.update(order, execution, now);
        out.push(Output::Order(self.event(order, update)));
    }

    fn tell_fill(&self, order: &Order, fill: &Fill, out: &mut Vec<Output>) {
        // The exchange has a word of its own for what it closes.
        let execution = match self.clearing {
            true => Execution::Liquidation,
            false => Execution::Trade,
        };
        let update = OrderUpdate {
            last_quantity: fill.quantity,
            last_price: fill.price,
            trade_id: fill.trade_id,
            liquidity: fill.liquidity,
            commission: fill.commission,
            commission_asset: fill.commission_asset,
            realized: fill.realized,
            ..self.update(order, execution, fill.time)
        };
        out.push(Output::Order(self.event(order, update)));
    }

    /// The quote asset; on spot the fee of a buy is taken from the base asset received.
    fn commission_asset(&self, instrument: &Instrument, side: Side) -> Asset {
        let base = instrument.symbol.as_bytes().strip_suffix(QUOTE_ASSET);
        match (&self.desk.account.spot, side) {
            (Some(_), Side::Buy) => base.and_then(Asset::new).unwrap_or_default(),
            _ => Asset::new(QUOTE_ASSET).expect("four bytes"),
        }
    }

    fn event(&self, order: &Order, update: OrderUpdate) -> OrderEvent {
        OrderEvent {
            update,
            average_price_e8: self.average_price_e8(order),
            expiry: order.expiry,
            created: order.created,
            options: order.request.options,
            bids_notional: self.order_value(order.request.instrument, Side::Buy, None),
            asks_notional: self.order_value(order.request.instrument, Side::Sell, None),
            standing: order.standing,
            cancel_id: match update.execution {
                Execution::Canceled => self.desk.cancel_id,
                _ => ClientOrderId::EMPTY,
            },
            account: self.desk.id,
        }
    }

    /// Average fill price times 1e8; 0 without a fill.
    #[must_use]
    pub fn average_price_e8(&self, order: &Order) -> i64 {
        let instrument = &self.instruments[usize::from(order.request.instrument.0)];
        let money = instrument.money(order.filled_tick_lots);
        price_e8(instrument, i128::from(money.0), order.filled)
    }

    fn update(&self, order: &Order, execution: Execution, now: UtcMs) -> OrderUpdate {
        let request = &order.request;
        OrderUpdate {
            instrument: request.instrument,
            client_order_id: request.client_order_id,
            exchange_order_id: order.id,
            execution,
            state: order.state,
            side: request.side,
            order_type: request.order_type,
            time_in_force: request.time_in_force,
            reduce_only: request.reduce_only,
            price: request.price,
            quantity: request.quantity,
            cumulative_quantity: order.filled,
            last_quantity: Quantity::ZERO,
            last_price: Price(0),
            trade_id: TradeId(0),
            liquidity: Liquidity::Taker,
            commission: Money::ZERO,
            commission_asset: Asset::EMPTY,
            realized: Money::ZERO,
            transaction_time: now,
            event_time: now,
        }
    }
}
