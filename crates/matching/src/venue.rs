//! One venue: its instruments, their liquidity, one account and its orders.
//!
//! In: market events and requests, each with its time. Out: results, and [`Output`] events in
//! the order in which a private stream would tell them. Never: a clock, a socket, a text format.

use std::collections::{BTreeMap, HashMap, VecDeque};

use market::{
    BookTicker, ClientOrderId, DepthUpdate, ExchangeOrderId, Instrument, InstrumentId, Money,
    OrderUpdate, Price, Quantity, Side, Trade, TradeId, UtcMs,
};

use crate::account::{Account, Fees, initial_margin};
use crate::execution::MakerMatch;
use crate::input::{Input, Recorder};
use crate::order::{Expiry, Fill, Order, PlaceOrder};
use crate::queue::QueueModel;
use crate::rejection::Rejection;
use crate::spot::SpotBalances;
use crate::view::MarketView;

/// Ended orders that are kept for queries.
const ENDED_ORDERS_MAX: usize = 100_000;
/// Fills that are kept for queries.
const FILLS_MAX: usize = 100_000;

/// What a venue starts with.
#[derive(Clone, Debug)]
pub struct VenueConfig {
    /// Instruments; each one's id is its index.
    pub instruments: Vec<Instrument>,
    /// Opening wallet balance in the quote asset.
    pub wallet: Money,
    /// Fee rates.
    pub fees: Fees,
    /// Opening balances on spot; `None` makes it a futures venue.
    pub spot: Option<SpotBalances>,
    /// Leverage of every instrument at the start.
    pub leverage: u32,
    /// Id of the first order.
    pub first_order_id: u64,
    /// Id of the first of our trades; far from the ids of public trades.
    pub first_trade_id: u64,
}

/// What happened to one of our orders.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OrderEvent {
    /// The venue-neutral event.
    pub update: OrderUpdate,
    /// Average fill price times 1e8; 0 without a fill.
    pub average_price_e8: i64,
    /// Why it expired.
    pub expiry: Expiry,
    /// When the order was accepted.
    pub created: UtcMs,
}

/// How the account stands after a fill.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AccountChange {
    /// The instrument whose position changed.
    pub instrument: InstrumentId,
    /// Signed lots.
    pub quantity: Quantity,
    /// Entry price times 1e8.
    pub entry_price_e8: i64,
    /// Realised since the start, before fees.
    pub realized: Money,
    /// Unrealised at the mark price.
    pub unrealized: Money,
    /// Wallet balance.
    pub wallet: Money,
    /// When.
    pub time: UtcMs,
}

/// Money that moved without a trade.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct WalletChange {
    /// Wallet balance.
    pub wallet: Money,
    /// What moved; negative when it left.
    pub change: Money,
    /// The exchange's word for it.
    pub reason: &'static str,
    /// When.
    pub time: UtcMs,
}

/// One private event.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Output {
    /// About an order.
    Order(OrderEvent),
    /// About the account; follows from the trade event that comes next.
    Account(AccountChange),
    /// About the wallet alone.
    Wallet(WalletChange),
}

/// The venue.
#[derive(Clone, Debug)]
pub struct Venue {
    pub(crate) instruments: Vec<Instrument>,
    pub(crate) views: Vec<MarketView>,
    pub(crate) marks: Vec<Price>,
    pub(crate) account: Account,
    pub(crate) orders: BTreeMap<u64, Order>,
    pub(crate) open: Vec<Vec<u64>>,
    pub(crate) by_client: HashMap<ClientOrderId, u64>,
    pub(crate) ended: VecDeque<u64>,
    pub(crate) fills: VecDeque<Fill>,
    pub(crate) fills_total: u64,
    /// Fills that pay their fees in another asset.
    pub(crate) fees_elsewhere: u32,
    pub(crate) queue_model: QueueModel,
    pub(crate) recorder: Recorder,
    /// Money that moved without a trade, numbered, oldest first.
    pub(crate) moves: VecDeque<(u64, WalletChange)>,
    next_order_id: u64,
    next_trade_id: u64,
    orders_total: u64,
}

impl Venue {
    /// A venue without liquidity and without orders.
    ///
    /// # Panics
    /// When an instrument's id is not its index.
    #[must_use]
    pub fn new(config: VenueConfig) -> Self {
        let count = config.instruments.len();
        for (index, instrument) in config.instruments.iter().enumerate() {
            assert_eq!(usize::from(instrument.id.0), index);
        }
        Self {
            views: vec![MarketView::default(); count],
            marks: vec![Price(0); count],
            account: Account {
                spot: config.spot,
                ..Account::new(config.wallet, config.fees, config.leverage, count)
            },
            orders: BTreeMap::new(),
            open: vec![Vec::new(); count],
            by_client: HashMap::new(),
            ended: VecDeque::new(),
            fills: VecDeque::new(),
            moves: VecDeque::new(),
            fills_total: 0,
            fees_elsewhere: 0,
            queue_model: QueueModel::default(),
            recorder: Recorder::default(),
            next_order_id: config.first_order_id,
            next_trade_id: config.first_trade_id,
            orders_total: 0,
            instruments: config.instruments,
        }
    }

    /// The instruments, by id.
    #[must_use]
    pub fn instruments(&self) -> &[Instrument] {
        &self.instruments
    }

    /// Liquidity of an instrument.
    #[must_use]
    pub fn view(&self, instrument: InstrumentId) -> &MarketView {
        &self.views[usize::from(instrument.0)]
    }

    /// Mark price in ticks: as told, or the middle of the book; 0 while neither is known.
    #[must_use]
    pub fn mark(&self, instrument: InstrumentId) -> Price {
        let told = self.marks[usize::from(instrument.0)];
        if told.0 > 0 {
            return told;
        }
        let view = self.view(instrument);
        match (view.best(Side::Buy), view.best(Side::Sell)) {
            (Some(bid), Some(ask)) => Price((bid.price.0 + ask.price.0) / 2),
            _ => Price(0),
        }
    }

    /// The account.
    #[must_use]
    pub fn account(&self) -> &Account {
        &self.account
    }

    /// Sets the leverage of an instrument.
    pub fn set_leverage(&mut self, instrument: InstrumentId, leverage: u32) {
        self.recorder.note(|| Input::Leverage(instrument, leverage));
        self.account.leverage[usize::from(instrument.0)] = leverage.max(1);
    }

    /// An order by the venue's id.
    #[must_use]
    pub fn order(&self, id: ExchangeOrderId) -> Option<&Order> {
        self.orders.get(&id.0)
    }

    /// The newest order with this client id.
    #[must_use]
    pub fn order_by_client(&self, id: &ClientOrderId) -> Option<&Order> {
        self.by_client.get(id).and_then(|id| self.orders.get(id))
    }

    /// All kept orders, oldest first.
    pub fn orders(&self) -> impl Iterator<Item = &Order> {
        self.orders.values()
    }

    /// Open orders of an instrument, oldest first.
    pub fn open_orders(&self, instrument: InstrumentId) -> impl Iterator<Item = &Order> {
        self.open[usize::from(instrument.0)]
            .iter()
            .map(|id| &self.orders[id])
    }

    /// Kept fills, oldest first.
    pub fn fills(&self) -> impl DoubleEndedIterator<Item = &Fill> {
        self.fills.iter()
    }

    /// Orders accepted and fills made since the start.
    #[must_use]
    pub fn totals(&self) -> (u64, u64) {
        (self.orders_total, self.fills_total)
    }

    /// Replaces an instrument's depth book.
    pub fn on_snapshot(
        &mut self,
        instrument: InstrumentId,
        last_update_id: market::UpdateId,
        bids: &[market::Level],
        asks: &[market::Level],
    ) {
        self.recorder.note(|| Input::Snapshot {
            instrument,
            last_update_id,
            bids: bids.to_vec(),
            asks: asks.to_vec(),
        });
        self.views[usize::from(instrument.0)].reset(last_update_id, bids, asks);
    }

    /// A depth difference: queues shorten, crossed orders fill.
    pub fn on_depth(&mut self, now: UtcMs, update: &DepthUpdate<'_>, out: &mut Vec<Output>) {
        self.recorder.note(|| Input::Depth {
            now,
            header: update.header,
            bids: update.bids.to_vec(),
            asks: update.asks.to_vec(),
        });
        let index = usize::from(update.header.instrument.0);
        self.views[index].apply_depth(update);
        if self.open[index].is_empty() {
            return;
        }
        for (side, levels) in [(Side::Buy, update.bids), (Side::Sell, update.asks)] {
            for level in levels {
                self.level_changed(now, index, side, level.price);
            }
        }
        self.match_crossed(now, index, out);
    }

    /// A book ticker: as a depth difference of the two best levels.
    pub fn on_ticker(&mut self, now: UtcMs, ticker: &BookTicker, out: &mut Vec<Output>) {
        self.recorder.note(|| Input::Ticker(now, *ticker));
        let index = usize::from(ticker.instrument.0);
        self.views[index].apply_ticker(ticker);
        if self.open[index].is_empty() {
            return;
        }
        self.level_changed(now, index, Side::Buy, ticker.bid.price);
        self.level_changed(now, index, Side::Sell, ticker.ask.price);
        self.match_crossed(now, index, out);
    }

    /// A trade of others: orders that stood before it or at its price fill.
    pub fn on_trade(&mut self, now: UtcMs, trade: &Trade, out: &mut Vec<Output>) {
        self.recorder.note(|| Input::Trade(now, *trade));
        if trade.from_book {
            self.match_trade(now, trade, out);
        }
    }

    /// A mark price.
    pub fn on_mark(&mut self, instrument: InstrumentId, mark: Price) {
        self.recorder.note(|| Input::Mark(instrument, mark));
        self.marks[usize::from(instrument.0)] = mark;
    }

    /// Places an order.
    ///
    /// # Errors
    /// [`Rejection`]: then no order exists and nothing was sent.
    pub fn place(
        &mut self,
        now: UtcMs,
        request: &PlaceOrder,
        out: &mut Vec<Output>,
    ) -> Result<ExchangeOrderId, Rejection> {
        self.recorder.note(|| Input::Place(now, *request));
        self.check(request)?;
        let id = self.take_order_id();
        self.orders_total += 1;
        self.enter(now, id, request, out);
        Ok(ExchangeOrderId(id))
    }

    /// Cancels an open order.
    ///
    /// # Errors
    /// [`Rejection::UnknownOrder`] when it is not open.
    pub fn cancel(
        &mut self,
        now: UtcMs,
        id: ExchangeOrderId,
        out: &mut Vec<Output>,
    ) -> Result<Order, Rejection> {
        self.recorder.note(|| Input::Cancel(now, id));
        let open = self
            .orders
            .get(&id.0)
            .is_some_and(|order| !order.state.is_final());
        if !open {
            return Err(Rejection::UnknownOrder);
        }
        self.end_canceled(now, id.0, out);
        Ok(self.orders[&id.0])
    }

    /// Changes price and quantity of an open limit order; it goes to the end of the queue.
    ///
    /// A quantity that is filled already, or a post-only order that would take, is cancelled.
    ///
    /// # Errors
    /// [`Rejection`]: the order stays as it was.
    pub fn modify(
        &mut self,
        now: UtcMs,
        id: ExchangeOrderId,
        price: Price,
        quantity: Quantity,
        out: &mut Vec<Output>,
    ) -> Result<Order, Rejection> {
        self.recorder
            .note(|| Input::Modify(now, id, price, quantity));
        let order = self.orders.get(&id.0).filter(|one| !one.state.is_final());
        let order = *order.ok_or(Rejection::UnknownOrder)?;
        self.check_modification(&order, price, quantity)?;
        self.change(now, id.0, price, quantity, out);
        Ok(self.orders[&id.0])
    }

    /// Wallet plus unrealised profit minus initial margin of positions and orders; at least 0.
    #[must_use]
    pub fn available_balance(&self) -> Money {
        let mut available = self.account.wallet;
        for instrument in &self.instruments {
            available += self.unrealized(instrument.id) - self.margin(instrument.id);
        }
        available.max(Money::ZERO)
    }

    /// Unrealised profit of an instrument's position.
    #[must_use]
    pub fn unrealized(&self, id: InstrumentId) -> Money {
        let index = usize::from(id.0);
        self.account.positions[index].unrealized(&self.instruments[index], self.mark(id))
    }

    /// Initial margin of an instrument: position and open orders.
    #[must_use]
    pub fn margin(&self, id: InstrumentId) -> Money {
        let index = usize::from(id.0);
        let instrument = &self.instruments[index];
        let value = |side: Side| {
            self.open_orders(id)
                .filter(|order| order.request.side == side && !order.request.reduce_only)
                .map(|order| instrument.notional(order.request.price, order.remaining()))
                .sum::<Money>()
        };
        initial_margin(
            instrument.notional(self.mark(id), self.account.positions[index].quantity),
            value(Side::Buy),
            value(Side::Sell),
            self.account.leverage[index],
        )
    }

    pub(crate) const fn take_order_id(&mut self) -> u64 {
        let id = self.next_order_id;
        self.next_order_id += 1;
        id
    }

    pub(crate) fn take_trade_id(&mut self) -> TradeId {
        let id = self.next_trade_id;
        self.next_trade_id += 1;
        TradeId(id)
    }

    pub(crate) fn remember_fill(&mut self, fill: Fill) {
        if self.fills.len() == FILLS_MAX {
            self.fills.pop_front();
        }
        self.fills.push_back(fill);
        self.fills_total += 1;
    }

    /// Takes an ended order out of the open ones and forgets the oldest beyond the bound.
    pub(crate) fn close(&mut self, id: u64) {
        let order = &self.orders[&id];
        debug_assert!(order.state.is_final());
        self.open[usize::from(order.request.instrument.0)].retain(|open| *open != id);
        self.ended.push_back(id);
        if self.ended.len() > ENDED_ORDERS_MAX {
            let oldest = self.ended.pop_front().expect("longer than its bound");
            if let Some(gone) = self.orders.remove(&oldest)
                && self.by_client.get(&gone.request.client_order_id) == Some(&oldest)
            {
                self.by_client.remove(&gone.request.client_order_id);
            }
        }
    }

    fn match_crossed(&mut self, now: UtcMs, index: usize, out: &mut Vec<Output>) {
        for id in self.open_by_priority(index) {
            let order = self.orders[&id];
            if order.state.is_final() {
                continue;
            }
            let (side, limit) = (order.request.side, order.request.price);
            let takes = self.views[index].quote(side, Some(limit), order.remaining());
            for take in takes {
                if self.orders[&id].state.is_final() {
                    break;
                }
                self.views[index].consume(side, take.price, take.quantity);
                let reached = MakerMatch {
                    id,
                    quantity: take.quantity,
                };
                self.fill_maker(now, reached, out);
            }
        }
    }
}
