//! What a venue does to an account by itself, or lets others do to it.
//!
//! In: orders to fill or end at once, orders of the exchange's own making, money that moves. Out:
//! the same events that the ordinary way has. Never: a position or a wallet that its events do
//! not explain.

use market::{
    ExchangeOrderId, Filters, InstrumentId, InstrumentStatus, Liquidity, Money, OrderState,
    OrderType, Quantity, TimeInForce, UtcMs,
};

use crate::execution::MakerMatch;
use crate::order::{Expiry, Order, PlaceOrder};
use crate::queue::QueuePosition;
use crate::venue::{Output, Venue, WalletChange};

/// Movements without a trade that are kept.
const MOVES_MAX: usize = 10_000;

impl Venue {
    /// Fills up to `quantity` of an open order at its own price, in `slices` pieces.
    pub fn fill_now(
        &mut self,
        now: UtcMs,
        id: ExchangeOrderId,
        quantity: Quantity,
        slices: i64,
        out: &mut Vec<Output>,
    ) {
        let slice = Quantity((quantity.0 / slices.max(1)).max(1));
        let mut rest = quantity.0;
        while rest > 0 {
            let Some(order) = self.orders.get(&id.0).filter(|one| !one.state.is_final()) else {
                return;
            };
            let lots = slice.0.min(rest).min(order.remaining().0);
            rest -= lots;
            let reached = MakerMatch {
                id: id.0,
                quantity: Quantity(lots),
            };
            self.fill_maker(now, reached, out);
        }
    }

    /// Ends an open order by the exchange's own decision.
    pub fn end_now(
        &mut self,
        now: UtcMs,
        id: ExchangeOrderId,
        state: OrderState,
        expiry: Expiry,
        out: &mut Vec<Output>,
    ) {
        let open = self.orders.get(&id.0);
        if open.is_some_and(|order| !order.state.is_final()) {
            self.end(now, id.0, state, expiry, out);
        }
    }

    /// An order of the exchange's own making, filled at its price: liquidation, ADL, settlement.
    pub fn force(&mut self, now: UtcMs, request: &PlaceOrder, out: &mut Vec<Output>) {
        let request = PlaceOrder {
            order_type: OrderType::Liquidation,
            time_in_force: TimeInForce::ImmediateOrCancel,
            ..*request
        };
        let id = self.take_order_id();
        let order = Order {
            id: ExchangeOrderId(id),
            request,
            state: OrderState::Accepted,
            filled: Quantity::ZERO,
            filled_tick_lots: 0,
            queue: QueuePosition::default(),
            expiry: Expiry::None,
            created: now,
            updated: now,
        };
        self.orders.insert(id, order);
        self.by_client.insert(request.client_order_id, id);
        self.open[usize::from(request.instrument.0)].push(id);
        self.tell(&order, market::Execution::New, now, out);
        let (price, quantity) = (request.price, request.quantity);
        self.fill(now, id, price, quantity, Liquidity::Taker, out);
    }

    /// Money that moves without a trade; `reason` is the exchange's word for it.
    pub fn move_money(
        &mut self,
        now: UtcMs,
        amount: Money,
        reason: &'static str,
        out: &mut Vec<Output>,
    ) {
        self.account.wallet += amount;
        let change = WalletChange {
            wallet: self.account.wallet,
            change: amount,
            reason,
            time: now,
        };
        if self.moves.len() == MOVES_MAX {
            self.moves.pop_front();
        }
        let number = self.moves.back().map_or(1, |(last, _)| last + 1);
        self.moves.push_back((number, change));
        out.push(Output::Wallet(change));
    }

    /// Money that moved without a trade, with its number, oldest first; the newest are kept.
    pub fn moves(&self) -> impl Iterator<Item = &(u64, WalletChange)> {
        self.moves.iter()
    }

    /// The next `fills` pay their fees in another asset than the quote's.
    pub fn take_fees_elsewhere(&mut self, fills: u32) {
        self.fees_elsewhere = fills;
    }

    /// Changes what an instrument takes.
    pub fn set_filters(&mut self, instrument: InstrumentId, filters: Filters) {
        self.instruments[usize::from(instrument.0)].filters = filters;
    }

    /// Opens or closes an instrument for trading.
    pub fn set_status(&mut self, instrument: InstrumentId, status: InstrumentStatus) {
        self.instruments[usize::from(instrument.0)].status = status;
    }
}
