//! What a venue does to an account by itself, or lets others do to it.
//!
//! In: orders to fill or end at once, orders of the exchange's own making, money that moves. Out:
//! the same events that the ordinary way has. Never: a position or a wallet that its events do
//! not explain.

use market::ids::Asset;
use market::{
    ExchangeOrderId, Filters, InstrumentId, InstrumentStatus, Liquidity, Money, OrderState,
    OrderType, Quantity, TimeInForce, UtcMs,
};

use crate::execution::{MakerMatch, QUOTE_ASSET};
use crate::input::Input;
use crate::order::{Expiry, Order, PlaceOrder};
use crate::output::{Output, WalletChange};
use crate::venue::Venue;

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
        let input = || Input::FillNow(now, id, quantity, slices);
        self.recorder.note_of(self.desk.id, input);
        let slice = Quantity((quantity.0 / slices.max(1)).max(1));
        let mut rest = quantity.0;
        while rest > 0 {
            let Some(order) = self
                .desk
                .orders
                .get(&id.0)
                .filter(|one| !one.state.is_final())
            else {
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
        let input = || Input::EndNow(now, id, state, expiry);
        self.recorder.note_of(self.desk.id, input);
        let open = self.desk.orders.get(&id.0);
        if open.is_some_and(|order| !order.state.is_final()) {
            self.end(now, id.0, state, expiry, out);
        }
    }

    /// An order of the exchange's own making, filled at its price: liquidation, ADL, settlement.
    pub fn force(&mut self, now: UtcMs, request: &PlaceOrder, out: &mut Vec<Output>) {
        let input = || Input::Force(now, *request);
        self.recorder.note_of(self.desk.id, input);
        let request = PlaceOrder {
            order_type: OrderType::Liquidation,
            time_in_force: TimeInForce::ImmediateOrCancel,
            ..*request
        };
        let id = self.take_order_id();
        let order = Order::accepted(now, id, &request);
        self.desk.open(order);
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
        let input = || Input::MoveMoney(now, amount, reason);
        self.recorder.note_of(self.desk.id, input);
        self.desk.account.wallet += amount;
        let change = self.remember_move(now, amount, None, reason);
        out.push(Output::Wallet(change));
    }

    /// Money that has just moved, as it is told and kept.
    pub(crate) fn remember_move(
        &mut self,
        now: UtcMs,
        amount: Money,
        instrument: Option<InstrumentId>,
        reason: &'static str,
    ) -> WalletChange {
        let account = &self.desk.account;
        let change = WalletChange {
            wallet: account.wallet,
            cross_wallet: account.cross_wallet(),
            instrument,
            asset: Asset::new(QUOTE_ASSET).expect("four bytes"),
            change: amount,
            reason,
            time: now,
            account: self.desk.id,
        };
        let number = self.desk.moves.back().map_or(1, |(last, _)| last + 1);
        self.desk.remember_move(number, change);
        change
    }

    /// Money that moved without a trade, with its number, oldest first; the newest are kept.
    pub fn moves(&self) -> impl Iterator<Item = &(u64, WalletChange)> {
        self.desk.moves.iter()
    }

    /// The next `fills` pay their fees in another asset than the quote's.
    pub fn take_fees_elsewhere(&mut self, fills: u32) {
        let input = || Input::FeesElsewhere(fills);
        self.recorder.note_of(self.desk.id, input);
        self.desk.fees_elsewhere = fills;
    }

    /// Changes what an instrument takes.
    pub fn set_filters(&mut self, instrument: InstrumentId, filters: Filters) {
        self.recorder.note(|| Input::Filters(instrument, filters));
        self.instruments[usize::from(instrument.0)].filters = filters;
    }

    /// Opens or closes an instrument for trading.
    pub fn set_status(&mut self, instrument: InstrumentId, status: InstrumentStatus) {
        self.recorder.note(|| Input::Status(instrument, status));
        self.instruments[usize::from(instrument.0)].status = status;
    }
}
