//! One venue: its instruments, their liquidity, accounts and their orders.
//!
//! In: market events and requests, each with its time. Out: results, and [`Output`] events in
//! the order in which a private stream would tell them. Never: a clock, a socket, a text format,
//! an order of one account that meets an order of another: each is alone with the market.
//!
//! Requests and questions are about the selected account ([`Venue::select`]), the first unless
//! another is chosen; market events reach all.

use market::{
    BookTicker, ClientOrderId, DepthUpdate, ExchangeOrderId, Instrument, InstrumentId, Money,
    Price, Quantity, Side, Trade, TradeId, UtcMs,
};

use crate::account::{Account, BnbFees, Fees};
use crate::averages::Average;
use crate::brackets::Brackets;
use crate::desk::{AccountId, Desk};
use crate::execution::MakerMatch;
use crate::input::{Input, Opening, Recorder};
use crate::order::{Fill, Order, PlaceOrder};
use crate::output::Output;
use crate::queue::QueueModel;
use crate::rejection::Rejection;
use crate::spot::SpotBalances;
use crate::view::MarketView;

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

/// The venue.
#[derive(Clone, Debug)]
pub struct Venue {
    pub(crate) instruments: Vec<Instrument>,
    pub(crate) views: Vec<MarketView>,
    pub(crate) marks: Vec<Price>,
    /// Price of the last trade, by instrument; 0 before the first.
    pub(crate) lasts: Vec<Price>,
    /// Mean price of the last minutes, by instrument.
    pub(crate) averages: Vec<Average>,
    pub(crate) brackets: Vec<Brackets>,
    /// While the exchange itself closes a position.
    pub(crate) clearing: bool,
    /// The selected account.
    pub(crate) desk: Desk,
    /// The others by id; where the selected one belongs there is nothing.
    others: Vec<Option<Desk>>,
    pub(crate) queue_model: QueueModel,
    pub(crate) recorder: Recorder,
    /// It goes on where another one left off.
    pub(crate) resumed: bool,
    pub(crate) next_order_id: u64,
    pub(crate) next_trade_id: u64,
    pub(crate) next_list_id: u64,
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
        let symbols = config.instruments.iter().map(|one| one.symbol);
        Self {
            views: vec![MarketView::default(); count],
            marks: vec![Price(0); count],
            lasts: vec![Price(0); count],
            averages: vec![Average::default(); count],
            brackets: symbols
                .map(|symbol| Brackets::of(symbol.as_str()))
                .collect(),
            desk: Desk::new(
                AccountId(0),
                Account {
                    spot: config.spot,
                    ..Account::new(config.wallet, config.fees, config.leverage, count)
                },
                count,
            ),
            others: vec![None],
            clearing: false,
            resumed: false,
            queue_model: QueueModel::default(),
            recorder: Recorder::default(),
            next_order_id: config.first_order_id,
            next_trade_id: config.first_trade_id,
            next_list_id: 1,
            instruments: config.instruments,
        }
    }

    /// Opens one more account.
    pub fn open_account(&mut self, account: Account) -> AccountId {
        self.recorder.note(|| {
            Input::Open(Opening {
                wallet: account.wallet,
                fees: account.fees,
                fee_tier: account.fee_tier,
                leverage: account.leverage.first().copied().unwrap_or(1),
                spot: account.spot.clone(),
            })
        });
        let id = AccountId(self.others.len() as u16);
        let desk = Desk::new(id, account, self.instruments.len());
        self.others.push(Some(desk));
        id
    }

    /// Accounts that there are.
    #[must_use]
    pub fn account_count(&self) -> usize {
        self.others.len()
    }

    /// The account that requests and questions are about.
    #[must_use]
    pub fn selected(&self) -> AccountId {
        self.desk.id
    }

    /// Selects an account; returns the one that was selected.
    ///
    /// # Panics
    /// When there is no such account: ids come from [`Venue::open_account`].
    pub fn select(&mut self, account: AccountId) -> AccountId {
        let before = self.desk.id;
        if account != before {
            let chosen = self.others[usize::from(account.0)].take();
            let chosen = chosen.expect("only the selected account is not among the others");
            let left = std::mem::replace(&mut self.desk, chosen);
            self.others[usize::from(before.0)] = Some(left);
        }
        before
    }

    /// Does something for every account, in the order of their ids.
    pub(crate) fn for_each_account(&mut self, mut work: impl FnMut(&mut Self)) {
        let selected = self.desk.id;
        for id in 0..self.others.len() {
            self.select(AccountId(id as u16));
            work(self);
        }
        self.select(selected);
    }

    /// True where it holds of any account.
    pub(crate) fn any_desk(&self, mut holds: impl FnMut(&Desk) -> bool) -> bool {
        holds(&self.desk) || self.others.iter().flatten().any(holds)
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
        &self.desk.account
    }

    /// Fees are paid in BNB from a balance of their own, or not.
    pub fn set_bnb_fees(&mut self, fees: Option<BnbFees>) {
        self.recorder.note_of(self.desk.id, || Input::BnbFees(fees));
        self.desk.account.bnb = fees;
    }

    /// An order by the venue's id.
    #[must_use]
    pub fn order(&self, id: ExchangeOrderId) -> Option<&Order> {
        self.desk.orders.get(&id.0)
    }

    /// The newest order with this client id.
    #[must_use]
    pub fn order_by_client(&self, id: &ClientOrderId) -> Option<&Order> {
        self.desk
            .by_client
            .get(id)
            .and_then(|id| self.desk.orders.get(id))
    }

    /// All kept orders, oldest first.
    pub fn orders(&self) -> impl Iterator<Item = &Order> {
        self.desk.orders.values()
    }

    /// Open orders of an instrument: those that work, oldest first, then those that wait.
    pub fn open_orders(&self, instrument: InstrumentId) -> impl Iterator<Item = &Order> {
        let index = usize::from(instrument.0);
        let working = self.desk.open[index].iter();
        working
            .chain(&self.desk.waiting[index])
            .map(|id| &self.desk.orders[id])
    }

    /// Kept fills, oldest first.
    pub fn fills(&self) -> impl DoubleEndedIterator<Item = &Fill> {
        self.desk.fills.iter()
    }

    /// Orders accepted and fills made since the start.
    #[must_use]
    pub fn totals(&self) -> (u64, u64) {
        (self.desk.orders_total, self.desk.fills_total)
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
        self.for_each_account(|venue| {
            if venue.desk.open[index].is_empty() {
                return;
            }
            for (side, levels) in [(Side::Buy, update.bids), (Side::Sell, update.asks)] {
                for level in levels {
                    venue.level_changed(now, index, side, level.price);
                }
            }
            venue.match_crossed(now, index, out);
        });
    }

    /// A book ticker: as a depth difference of the two best levels.
    pub fn on_ticker(&mut self, now: UtcMs, ticker: &BookTicker, out: &mut Vec<Output>) {
        self.recorder.note(|| Input::Ticker(now, *ticker));
        let index = usize::from(ticker.instrument.0);
        self.views[index].apply_ticker(ticker);
        self.for_each_account(|venue| {
            if venue.desk.open[index].is_empty() {
                return;
            }
            venue.level_changed(now, index, Side::Buy, ticker.bid.price);
            venue.level_changed(now, index, Side::Sell, ticker.ask.price);
            venue.match_crossed(now, index, out);
        });
    }

    /// A trade of others: orders that stood before it or at its price fill.
    pub fn on_trade(&mut self, now: UtcMs, trade: &Trade, out: &mut Vec<Output>) {
        self.recorder.note(|| Input::Trade(now, *trade));
        if !trade.from_book {
            return;
        }
        let index = usize::from(trade.instrument.0);
        self.lasts[index] = trade.price;
        self.averages[index].trade(now, trade);
        self.for_each_account(|venue| {
            venue.match_trade(now, trade, out);
            venue.observe_stops(now, index, trade.price);
        });
    }

    /// A mark price; what it does to the accounts is for [`Venue::supervise`].
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
        self.recorder
            .note_of(self.desk.id, || Input::Place(now, *request));
        self.check(request)?;
        let id = self.take_order_id();
        self.desk.orders_total += 1;
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
        self.recorder
            .note_of(self.desk.id, || Input::Cancel(now, id));
        let open = self
            .desk
            .orders
            .get(&id.0)
            .is_some_and(|order| !order.state.is_final());
        if !open {
            return Err(Rejection::UnknownOrder);
        }
        self.end_canceled(now, id.0, out);
        Ok(self.desk.orders[&id.0])
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
        let input = || Input::Modify(now, id, price, quantity);
        self.recorder.note_of(self.desk.id, input);
        let order = self
            .desk
            .orders
            .get(&id.0)
            .filter(|one| !one.state.is_final());
        let order = *order.ok_or(Rejection::UnknownOrder)?;
        self.check_modification(&order, price, quantity)?;
        self.remember_amendment(now, &order, price, quantity, order.request.client_order_id);
        self.change(now, id.0, price, quantity, out);
        Ok(self.desk.orders[&id.0])
    }

    /// Makes an open order smaller, under another client id or the same; it keeps its place in the
    /// queue.
    ///
    /// # Errors
    /// [`Rejection`]: the order stays as it was.
    pub fn shrink(
        &mut self,
        now: UtcMs,
        id: ExchangeOrderId,
        quantity: Quantity,
        client_id: ClientOrderId,
        out: &mut Vec<Output>,
    ) -> Result<Order, Rejection> {
        let input = || Input::Shrink(now, id, quantity, client_id);
        self.recorder.note_of(self.desk.id, input);
        let order = self.desk.orders.get(&id.0);
        let order = order.filter(|one| !one.state.is_final());
        let order = *order.ok_or(Rejection::UnknownOrder)?;
        self.check_shrink(&order, quantity, &client_id)?;
        self.remember_amendment(now, &order, order.request.price, quantity, client_id);
        let before = order.request.client_order_id;
        let kept = self.desk.orders.get_mut(&id.0).expect("just read");
        kept.request.quantity = quantity;
        kept.request.client_order_id = client_id;
        kept.updated = now;
        let told = *kept;
        self.desk.by_client.remove(&before);
        self.desk.by_client.insert(client_id, id.0);
        self.tell(&told, market::Execution::Amendment, now, out);
        self.shrink_partner(now, &told, out);
        if before != client_id {
            self.rename_in_list(now, &told, out);
        }
        Ok(told)
    }

    pub(crate) const fn take_order_id(&mut self) -> u64 {
        let id = self.next_order_id;
        self.next_order_id += 1;
        id
    }

    pub(crate) const fn take_list_id(&mut self) -> u64 {
        let id = self.next_list_id;
        self.next_list_id += 1;
        id
    }

    pub(crate) fn take_trade_id(&mut self) -> TradeId {
        let id = self.next_trade_id;
        self.next_trade_id += 1;
        TradeId(id)
    }

    fn match_crossed(&mut self, now: UtcMs, index: usize, out: &mut Vec<Output>) {
        for id in self.open_by_priority(index) {
            let order = self.desk.orders[&id];
            if order.state.is_final() {
                continue;
            }
            let (side, limit) = (order.request.side, order.request.price);
            let takes = self.views[index].quote(side, Some(limit), order.remaining());
            for take in takes {
                if self.desk.orders[&id].state.is_final() {
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
