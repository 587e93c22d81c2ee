//! What an account has at the venue, as values that outlive the process: all of it, or what is new.
//!
//! In: an account; values that were taken from one. Out: records, and the account that they make:
//! taken in their order they make the same orders, fills, positions and ids. Never: the market; where
//! an order stood in its queue; a file.

use std::collections::BTreeSet;

use market::{ClientOrderId, InstrumentId, Quantity};
use serde::{Deserialize, Serialize};

use crate::account::{Account, Fees};
use crate::desk::{Amendment, Desk, MarginMove, PreventedMatch};
use crate::lists::OrderList;
use crate::order::{Fill, Order, Stage};
use crate::output::WalletChange;
use crate::queue::QueuePosition;
use crate::venue::Venue;
use crate::words::is_usual;

/// What is known of one account: all that it has, or what has changed since the last record.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AccountRecord {
    /// Wallet, positions, settings; nothing where none of it has changed.
    #[serde(default, skip_serializing_if = "is_usual")]
    pub account: Option<Account>,
    /// New and changed orders: ended ones as they ended, then open ones as they stand.
    #[serde(default, skip_serializing_if = "is_usual")]
    pub orders: Vec<Order>,
    /// New and changed lists.
    #[serde(default, skip_serializing_if = "is_usual")]
    pub lists: Vec<OrderList>,
    /// New fills.
    #[serde(default, skip_serializing_if = "is_usual")]
    pub fills: Vec<Fill>,
    /// New movements of money.
    #[serde(default, skip_serializing_if = "is_usual")]
    pub moves: Vec<(u64, WalletChange)>,
    /// New changes of orders.
    #[serde(default, skip_serializing_if = "is_usual")]
    pub amendments: Vec<Amendment>,
    /// New movements of margin.
    #[serde(default, skip_serializing_if = "is_usual")]
    pub margin_moves: Vec<MarginMove>,
    /// New matches that did not happen.
    #[serde(default, skip_serializing_if = "is_usual")]
    pub prevented: Vec<PreventedMatch>,
    /// All orders that it ever had.
    pub orders_total: u64,
    /// All fills that it ever had.
    pub fills_total: u64,
    /// Fills to come that pay their fees in another asset.
    #[serde(default, skip_serializing_if = "is_usual")]
    pub fees_elsewhere: u32,
}

/// The next ids of a venue.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NextIds {
    /// Of orders.
    pub order: u64,
    /// Of trades.
    pub trade: u64,
    /// Of lists.
    pub list: u64,
}

/// How far an account is recorded.
#[derive(Clone, Debug, Default)]
pub struct Recorded {
    account: Option<Account>,
    fills: u64,
    moves: u64,
    amendments: u64,
    margin_moves: u64,
    prevented: u64,
}

/// The newest `count` of a list, oldest first.
fn newest<T: Clone>(list: &std::collections::VecDeque<T>, count: u64) -> Vec<T> {
    let count = usize::try_from(count).unwrap_or(usize::MAX);
    let known = list.len().saturating_sub(count);
    list.iter().skip(known).cloned().collect()
}

impl Venue {
    /// What is new of the selected account, with these of its orders and lists; an order or list that
    /// is not kept any more is left out.
    pub fn record(
        &self,
        recorded: &mut Recorded,
        orders: &BTreeSet<u64>,
        lists: &BTreeSet<u64>,
    ) -> AccountRecord {
        let desk = &self.desk;
        let changed = recorded.account.as_ref() != Some(&desk.account);
        let fills = newest(&desk.fills, desk.fills_total - recorded.fills);
        let moves = desk.moves.iter();
        let moves = moves.filter(|(number, _)| *number > recorded.moves);
        let amendments = desk.amendments.iter();
        let amendments = amendments.filter(|one| one.id > recorded.amendments);
        let prevented = desk.prevented.iter();
        let prevented = prevented.filter(|one| one.id > recorded.prevented);
        let margin_moves = desk.margin_moves_total - recorded.margin_moves;
        let record = AccountRecord {
            account: changed.then(|| desk.account.clone()),
            orders: self.orders_of(orders),
            lists: lists
                .iter()
                .filter_map(|id| desk.lists.get(id))
                .copied()
                .collect(),
            fills,
            moves: moves.copied().collect(),
            amendments: amendments.copied().collect(),
            margin_moves: newest(&desk.margin_moves, margin_moves),
            prevented: prevented.copied().collect(),
            orders_total: desk.orders_total,
            fills_total: desk.fills_total,
            fees_elsewhere: desk.fees_elsewhere,
        };
        if changed {
            recorded.account = Some(desk.account.clone());
        }
        recorded.advance(desk);
        record
    }

    /// The named orders, and those that trail a price: what they have seen is known by no event. Ended
    /// ones come as they ended, open ones as they stand: what is new stands behind what was there.
    fn orders_of(&self, named: &BTreeSet<u64>) -> Vec<Order> {
        let desk = &self.desk;
        let known = desk.ended.len().saturating_sub(named.len());
        let newest = || desk.ended.iter().skip(known);
        let earlier = named.iter().filter(|id| {
            let ended = desk.orders.get(id).is_some_and(|one| one.state.is_final());
            ended && !newest().any(|newest| newest == *id)
        });
        let ended = newest().filter(|id| named.contains(id));
        let open = desk.open.iter().chain(&desk.waiting).flatten();
        let trails = |id: &u64| desk.orders[id].standing.extreme.0 > 0;
        let open = open.filter(|id| named.contains(id) || trails(id));
        let ids = earlier.chain(ended).chain(open);
        ids.map(|id| desk.orders[id]).collect()
    }

    /// All that the selected account has.
    #[must_use]
    pub fn whole_record(&self) -> AccountRecord {
        let desk = &self.desk;
        let open = desk.open.iter().chain(&desk.waiting).flatten();
        let ids = desk.ended.iter().chain(open);
        AccountRecord {
            account: Some(desk.account.clone()),
            orders: ids.map(|id| desk.orders[id]).collect(),
            lists: desk.lists.values().copied().collect(),
            fills: desk.fills.iter().copied().collect(),
            moves: desk.moves.iter().copied().collect(),
            amendments: desk.amendments.iter().copied().collect(),
            margin_moves: desk.margin_moves.iter().copied().collect(),
            prevented: desk.prevented.iter().copied().collect(),
            orders_total: desk.orders_total,
            fills_total: desk.fills_total,
            fees_elsewhere: desk.fees_elsewhere,
        }
    }

    /// How far the selected account is recorded where all of it is.
    #[must_use]
    pub fn recorded(&self) -> Recorded {
        let mut recorded = Recorded {
            account: Some(self.desk.account.clone()),
            ..Recorded::default()
        };
        recorded.advance(&self.desk);
        recorded
    }

    /// Takes a record of the selected account.
    ///
    /// # Errors
    /// What in it is not of this venue.
    pub fn absorb(&mut self, record: AccountRecord) -> Result<(), String> {
        self.check_record(&record)?;
        let desk = &mut self.desk;
        if let Some(account) = record.account {
            desk.account = account;
        }
        for order in record.orders {
            desk.absorb(order);
        }
        for list in record.lists {
            desk.lists.insert(list.id, list);
        }
        desk.forget_lists();
        for fill in record.fills {
            desk.remember_fill(fill);
        }
        for (number, change) in record.moves {
            desk.remember_move(number, change);
        }
        for one in record.amendments {
            Desk::keep(&mut desk.amendments, one);
        }
        for one in record.margin_moves {
            desk.remember_margin_move(one);
        }
        for one in record.prevented {
            Desk::keep(&mut desk.prevented, one);
        }
        desk.orders_total = record.orders_total;
        desk.fills_total = record.fills_total;
        desk.fees_elsewhere = record.fees_elsewhere;
        Ok(())
    }

    fn check_record(&self, record: &AccountRecord) -> Result<(), String> {
        let count = self.instruments.len();
        if let Some(account) = &record.account {
            let spot = account.spot.as_ref().map_or(count, |spot| spot.bases.len());
            let lengths = [
                account.positions.len(),
                account.legs.len(),
                account.leverage.len(),
                account.margin_types.len(),
                spot,
            ];
            if lengths != [count; 5] || account.leverage.contains(&0) {
                return Err(format!("an account that is not of {count} instruments"));
            }
            if account.spot.is_some() != self.desk.account.spot.is_some() {
                return Err("an account of the other market".to_owned());
            }
        }
        let is_known = |id: InstrumentId| usize::from(id.0) < count;
        let of_orders = record.orders.iter().map(|one| one.request.instrument);
        let of_fills = record.fills.iter().map(|one| one.instrument);
        let of_lists = record.lists.iter().map(|one| one.instrument);
        let mut all = of_orders.chain(of_fills).chain(of_lists);
        match all.find(|id| !is_known(*id)) {
            Some(id) => Err(format!("instrument {}, where there are {count}", id.0)),
            None => Ok(()),
        }
    }

    /// The ids that come next.
    #[must_use]
    pub const fn next_ids(&self) -> NextIds {
        NextIds {
            order: self.next_order_id,
            trade: self.next_trade_id,
            list: self.next_list_id,
        }
    }

    /// The selected account pays other fees from now on.
    pub const fn set_fees(&mut self, fees: Fees) {
        self.desk.account.fees = fees;
    }

    /// Other ids come next.
    pub const fn set_next_ids(&mut self, ids: NextIds) {
        self.next_order_id = ids.order;
        self.next_trade_id = ids.trade;
        self.next_list_id = ids.list;
    }

    /// Goes on where another venue left off: the places of open orders in their queues are not known.
    /// They stand at the back of what there is, of a book that is not known behind everything; nobody
    /// is liquidated before a mark price was told.
    pub fn resume(&mut self) {
        self.resumed = true;
        for index in 0..self.instruments.len() {
            self.stand_at_the_back(InstrumentId(index as u16));
        }
    }

    /// Puts all open orders of an instrument at the back of their levels: its book is another one.
    pub fn stand_at_the_back(&mut self, instrument: InstrumentId) {
        let index = usize::from(instrument.0);
        let known = self.views[index].last_update_id().0 > 0;
        self.for_each_account(|venue| {
            for id in &venue.desk.open[index] {
                let order = venue.desk.orders.get_mut(id).expect("open orders are kept");
                let (side, price) = (order.request.side, order.request.price);
                let standing = match known {
                    true => venue.views[index].quantity_at(side, price),
                    false => Quantity(i64::MAX),
                };
                order.queue = QueuePosition::behind(standing.0);
            }
        });
    }

    /// False after [`Venue::resume`] until the instrument's mark price was told.
    #[must_use]
    pub fn is_marked(&self, id: InstrumentId) -> bool {
        !self.resumed || self.marks[usize::from(id.0)].0 > 0
    }
}

impl Recorded {
    fn advance(&mut self, desk: &Desk) {
        self.fills = desk.fills_total;
        self.moves = desk.moves.back().map_or(0, |(number, _)| *number);
        self.amendments = desk.amendments.back().map_or(0, |one| one.id);
        self.margin_moves = desk.margin_moves_total;
        self.prevented = desk.prevented.back().map_or(0, |one| one.id);
    }
}

impl Desk {
    /// Takes an order as it is now, whether it is known or not.
    fn absorb(&mut self, order: Order) {
        let id = order.id.0;
        match self.orders.get(&id).copied() {
            None => self.open(order),
            Some(before) if before.state.is_final() => {
                self.orders.insert(id, order);
                return;
            }
            Some(before) => self.replace(&before, order),
        }
        if order.state.is_final() {
            self.close(id);
        }
    }

    /// An open order becomes another one; it leaves its place where the venue would take it away.
    fn replace(&mut self, before: &Order, order: Order) {
        let id = order.id.0;
        let index = usize::from(order.request.instrument.0);
        self.orders.insert(id, order);
        let client: fn(&Order) -> ClientOrderId = |order| order.request.client_order_id;
        if client(before) != client(&order) {
            self.by_client.remove(&client(before));
            self.by_client.insert(client(&order), id);
        }
        let waits = |order: &Order| order.standing.stage != Stage::Working;
        // On futures every change goes to the back, on spot none does.
        let amended = self.account.spot.is_none() && before.amendments != order.amendments;
        if amended || waits(before) != waits(&order) {
            self.open[index].retain(|open| *open != id);
            self.waiting[index].retain(|waiting| *waiting != id);
            match waits(&order) {
                true => self.waiting[index].push(id),
                false => self.open[index].push(id),
            }
        }
    }
}
