//! One account at the venue: its money, its orders, what it may ask about later.
//!
//! In: orders, fills and movements as they happen. Out: the same for queries, bounded. Never: a
//! decision; those are in `execution` and `checks`.

use std::collections::{BTreeMap, HashMap, VecDeque};

use market::{ClientOrderId, ExchangeOrderId, InstrumentId, Money, Price, Quantity, UtcMs};
use serde::{Deserialize, Serialize};

use crate::account::Account;
use crate::lists::OrderList;
use crate::order::{Fill, Order, PositionSide, SelfTrade, Stage};
use crate::output::WalletChange;
use crate::venue::Venue;

/// Ended orders that are kept for queries.
const ENDED_ORDERS_MAX: usize = 100_000;
/// Fills that are kept for queries.
const FILLS_MAX: usize = 100_000;
/// Changes of orders and of isolated margin that are kept.
const CHANGES_MAX: usize = 10_000;
/// Movements without a trade that are kept.
const MOVES_MAX: usize = 10_000;
/// Changes that one order takes (binance.md 1.3).
pub(crate) const AMENDMENTS_OF_ONE_MAX: u32 = 10_000;

/// Smaller quantities that one order of spot takes (`MAX_NUM_ORDER_AMENDS`).
pub const SHRINKS_OF_ONE_MAX: u32 = 10;

/// Which account of a venue; the first is 0.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
pub struct AccountId(pub u16);

/// One change of an open order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Amendment {
    /// Consecutive over the account.
    pub id: u64,
    /// Which order.
    pub order: ExchangeOrderId,
    /// The client's id of it before.
    pub client_order_id: ClientOrderId,
    /// The client's id of it afterwards.
    pub new_client_id: ClientOrderId,
    /// What it trades.
    pub instrument: InstrumentId,
    /// Price before and after.
    pub price: (Price, Price),
    /// Quantity before and after.
    pub quantity: (Quantity, Quantity),
    /// Which change of this order it is, from 1 on.
    pub count: u32,
    /// When.
    pub time: UtcMs,
}

/// A match of two orders of one account that did not happen.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PreventedMatch {
    /// Consecutive over the account.
    pub id: u64,
    /// What they trade.
    pub instrument: InstrumentId,
    /// The order that arrived.
    pub taker: ExchangeOrderId,
    /// The one that rested.
    pub maker: ExchangeOrderId,
    /// The mode of the one that arrived.
    pub mode: SelfTrade,
    /// Price of the one that rested.
    pub price: Price,
    /// What expired of each; 0 of one that did not.
    pub taker_quantity: Quantity,
    /// What expired of the one that rested.
    pub maker_quantity: Quantity,
    /// When.
    pub time: UtcMs,
}

/// Isolated margin that was added or taken by request.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct MarginMove {
    /// Of which instrument.
    pub instrument: InstrumentId,
    /// Of which leg.
    pub position_side: PositionSide,
    /// Positive when it was added.
    pub amount: Money,
    /// When.
    pub time: UtcMs,
}

/// One account with its orders.
#[derive(Clone, Debug)]
pub(crate) struct Desk {
    pub(crate) id: AccountId,
    pub(crate) account: Account,
    pub(crate) orders: BTreeMap<u64, Order>,
    /// Orders that work, by instrument.
    pub(crate) open: Vec<Vec<u64>>,
    /// Orders that wait for a price or for another order, by instrument; on spot only.
    pub(crate) waiting: Vec<Vec<u64>>,
    /// Lists of orders, open and ended.
    pub(crate) lists: BTreeMap<u64, OrderList>,
    /// Waiting orders whose price was traded.
    pub(crate) due: Vec<u64>,
    /// What the cancel that is under way was called.
    pub(crate) cancel_id: ClientOrderId,
    pub(crate) by_client: HashMap<ClientOrderId, u64>,
    pub(crate) ended: VecDeque<u64>,
    pub(crate) fills: VecDeque<Fill>,
    pub(crate) fills_total: u64,
    /// Fills that pay their fees in another asset.
    pub(crate) fees_elsewhere: u32,
    /// Money that moved without a trade, numbered, oldest first.
    pub(crate) moves: VecDeque<(u64, WalletChange)>,
    pub(crate) amendments: VecDeque<Amendment>,
    pub(crate) margin_moves: VecDeque<MarginMove>,
    pub(crate) margin_moves_total: u64,
    pub(crate) prevented: VecDeque<PreventedMatch>,
    pub(crate) orders_total: u64,
    /// Open orders with an end of their own.
    pub(crate) good_till: u32,
}

impl Desk {
    pub(crate) fn new(id: AccountId, account: Account, instruments: usize) -> Self {
        Self {
            id,
            account,
            orders: BTreeMap::new(),
            open: vec![Vec::new(); instruments],
            waiting: vec![Vec::new(); instruments],
            lists: BTreeMap::new(),
            due: Vec::new(),
            cancel_id: ClientOrderId::EMPTY,
            by_client: HashMap::new(),
            ended: VecDeque::new(),
            fills: VecDeque::new(),
            fills_total: 0,
            fees_elsewhere: 0,
            moves: VecDeque::new(),
            amendments: VecDeque::new(),
            margin_moves: VecDeque::new(),
            margin_moves_total: 0,
            prevented: VecDeque::new(),
            orders_total: 0,
            good_till: 0,
        }
    }

    /// Keeps the newest of a list.
    pub(crate) fn keep<T>(list: &mut VecDeque<T>, one: T) {
        if list.len() == CHANGES_MAX {
            list.pop_front();
        }
        list.push_back(one);
    }

    pub(crate) fn remember_margin_move(&mut self, one: MarginMove) {
        Self::keep(&mut self.margin_moves, one);
        self.margin_moves_total += 1;
    }

    /// Keeps money that moved, under its number.
    pub(crate) fn remember_move(&mut self, number: u64, change: WalletChange) {
        if self.moves.len() == MOVES_MAX {
            self.moves.pop_front();
        }
        self.moves.push_back((number, change));
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
        self.good_till -= u32::from(order.request.options.good_till.is_some());
        let index = usize::from(order.request.instrument.0);
        self.open[index].retain(|open| *open != id);
        self.waiting[index].retain(|waiting| *waiting != id);
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

    /// Takes an order into the open ones.
    pub(crate) fn open(&mut self, order: Order) {
        let id = order.id.0;
        self.orders.insert(id, order);
        self.by_client.insert(order.request.client_order_id, id);
        let index = usize::from(order.request.instrument.0);
        match order.standing.stage {
            Stage::Working => self.open[index].push(id),
            Stage::Waiting | Stage::Pending => self.waiting[index].push(id),
        }
        self.good_till += u32::from(order.request.options.good_till.is_some());
    }
}

impl Venue {
    pub(crate) fn remember_amendment(
        &mut self,
        now: UtcMs,
        order: &Order,
        price: Price,
        quantity: Quantity,
        new_client_id: ClientOrderId,
    ) {
        let count = order.amendments + 1;
        let kept = self.desk.orders.get_mut(&order.id.0);
        kept.expect("checked as open").amendments = count;
        let id = self.desk.amendments.back().map_or(1, |last| last.id + 1);
        let one = Amendment {
            id,
            order: order.id,
            client_order_id: order.request.client_order_id,
            new_client_id,
            instrument: order.request.instrument,
            price: (order.request.price, price),
            quantity: (order.request.quantity, quantity),
            count,
            time: now,
        };
        Desk::keep(&mut self.desk.amendments, one);
    }

    /// Keeps a match that does not happen; of the order that expires of it, the id is kept, too.
    pub(crate) fn prevent(&mut self, now: UtcMs, taker: u64, maker: u64, ended: u64) {
        let (one, other) = (self.desk.orders[&taker], self.desk.orders[&maker]);
        let known = self.desk.prevented.back().copied();
        let same = known.filter(|last| (last.taker, last.maker) == (one.id, other.id));
        let mut prevented = same.unwrap_or(PreventedMatch {
            id: known.map_or(1, |last| last.id + 1),
            instrument: one.request.instrument,
            taker: one.id,
            maker: other.id,
            mode: one.request.options.self_trade,
            price: other.request.price,
            taker_quantity: Quantity::ZERO,
            maker_quantity: Quantity::ZERO,
            time: now,
        });
        if ended == taker {
            prevented.taker_quantity = one.remaining();
        } else {
            prevented.maker_quantity = other.remaining();
        }
        match same {
            Some(_) => *self.desk.prevented.back_mut().expect("just read") = prevented,
            None => Desk::keep(&mut self.desk.prevented, prevented),
        }
        let order = self.desk.orders.get_mut(&ended).expect("it is open");
        order.standing.prevented = Some(prevented.id);
    }

    /// Matches of the account with itself that did not happen, oldest first; the newest are kept.
    pub fn prevented(&self) -> impl DoubleEndedIterator<Item = &PreventedMatch> {
        self.desk.prevented.iter()
    }

    /// Changes of open orders, oldest first; the newest are kept.
    pub fn amendments(&self) -> impl DoubleEndedIterator<Item = &Amendment> {
        self.desk.amendments.iter()
    }

    /// Isolated margin moved by request, oldest first; the newest are kept.
    pub fn margin_moves(&self) -> impl DoubleEndedIterator<Item = &MarginMove> {
        self.desk.margin_moves.iter()
    }
}
