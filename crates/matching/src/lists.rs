//! Lists of orders on spot: one cancels the other, one triggers the other, one triggers two that
//! cancel each other.
//!
//! In: requests of two or three orders. Out: the orders with their events, the list with its own.
//! Never: two fills of a pair; what makes one of it active ends the other.
//!
//! The orders of a pair lock what the larger of them needs. What waits for the first order of a
//! list locks nothing until that one is filled.

use std::collections::BTreeMap;

use market::{
    ClientOrderId, ExchangeOrderId, Execution, Instrument, InstrumentId, InstrumentStatus, Money,
    OrderState, OrderType, Side, UtcMs,
};
use serde::{Deserialize, Serialize};

use crate::desk::Desk;
use crate::input::Input;
use crate::order::{Expiry, Order, PlaceOrder, Stage, Standing};
use crate::output::{ListChange, ListEvent, Output};
use crate::rejection::Rejection;
use crate::spot::base_amount;
use crate::stops::STOPS_MAX;
use crate::venue::Venue;

/// Most open lists of one instrument (`MAX_NUM_ORDER_LISTS`).
pub const LISTS_MAX: usize = 20;
/// Ended lists that are kept for queries.
const ENDED_MAX: usize = 10_000;

/// How the orders of a list hang together.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum ListKind {
    /// Two that work at once; the first that becomes active ends the other.
    OneCancelsOther,
    /// One that works, and one that follows when it is filled.
    OneTriggersOther,
    /// One that works, and a pair that follows when it is filled.
    OneTriggersPair,
}

impl ListKind {
    /// All kinds with their words in a log.
    const WORDS: [(Self, &'static str); 3] = [
        (Self::OneCancelsOther, "oco"),
        (Self::OneTriggersOther, "oto"),
        (Self::OneTriggersPair, "otoco"),
    ];

    /// Its word in a log.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        let found = Self::WORDS.iter().find(|(one, _)| *one == self);
        found.map_or("", |(_, word)| word)
    }

    /// The kind of a word.
    #[must_use]
    pub fn from_word(word: &str) -> Option<Self> {
        let found = Self::WORDS.iter().find(|(_, one)| *one == word);
        found.map(|(kind, _)| *kind)
    }

    /// Orders that such a list has.
    #[must_use]
    pub const fn length(self) -> usize {
        match self {
            Self::OneCancelsOther | Self::OneTriggersOther => 2,
            Self::OneTriggersPair => 3,
        }
    }

    /// As many of its first orders as are there at once.
    const fn active(self) -> usize {
        match self {
            Self::OneCancelsOther => 2,
            Self::OneTriggersOther | Self::OneTriggersPair => 1,
        }
    }

    /// The orders of it that wait for the first.
    const fn pending(self) -> std::ops::Range<usize> {
        match self {
            Self::OneCancelsOther => 0..0,
            Self::OneTriggersOther => 1..2,
            Self::OneTriggersPair => 1..3,
        }
    }

    /// The two that cancel each other.
    const fn pair(self) -> std::ops::Range<usize> {
        match self {
            Self::OneCancelsOther => 0..2,
            Self::OneTriggersOther => 0..0,
            Self::OneTriggersPair => 1..3,
        }
    }
}

/// A list as requested.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PlaceList {
    /// The client's id, unique among open lists.
    pub client_id: ClientOrderId,
    /// How its orders hang together.
    pub kind: ListKind,
    /// As many as the kind has, the one that works first before those that follow it.
    pub orders: Vec<PlaceOrder>,
}

/// A list, open or over.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct OrderList {
    /// The venue's id, consecutive.
    pub id: u64,
    /// The client's id.
    pub client_id: ClientOrderId,
    /// What it trades.
    pub instrument: InstrumentId,
    /// How its orders hang together.
    pub kind: ListKind,
    /// Its orders; the first [`ListKind::length`] count.
    orders: [(ExchangeOrderId, ClientOrderId); 3],
    /// True when none of its orders is open.
    pub is_over: bool,
    /// When it was accepted.
    pub created: UtcMs,
    /// When it last changed.
    pub updated: UtcMs,
}

impl OrderList {
    /// Ids of its orders, the venue's and the client's.
    #[must_use]
    pub fn orders(&self) -> &[(ExchangeOrderId, ClientOrderId)] {
        &self.orders[..self.kind.length()]
    }

    /// The other one of the pair that an order belongs to.
    fn partner(&self, id: u64) -> Option<u64> {
        let pair = &self.orders[self.kind.pair()];
        let inside = pair.iter().any(|(one, _)| one.0 == id);
        let mut others = pair.iter().filter(|(one, _)| one.0 != id);
        others.next().filter(|_| inside).map(|(other, _)| other.0)
    }
}

/// Of a pair the one that waits for a rise stands above the one that waits for a fall.
fn check_pair_order(pair: &[PlaceOrder]) -> Result<(), Rejection> {
    let place = |one: &PlaceOrder| match one.options.stop {
        Some(stop) => (stop.is_above(one.side), stop.price),
        None => (one.side == Side::Sell, one.price),
    };
    let mut pair = pair.iter().map(place);
    let (Some(one), Some(other)) = (pair.next(), pair.next()) else {
        return Ok(());
    };
    let (above, below) = if one.0 { (one, other) } else { (other, one) };
    // One that trails from the start has no price yet.
    let known = above.1.0 > 0 && below.1.0 > 0;
    match above.0 == below.0 || known && above.1 <= below.1 {
        true => Err(Rejection::ListPrices),
        false => Ok(()),
    }
}

impl Desk {
    /// Forgets the oldest ended lists beyond the bound.
    pub(crate) fn forget_lists(&mut self) {
        let over = |lists: &BTreeMap<u64, OrderList>| {
            let mut over = lists.values().filter(|one| one.is_over);
            let oldest = over.next().map(|one| one.id);
            oldest.filter(|_| over.count() >= ENDED_MAX)
        };
        while let Some(oldest) = over(&self.lists) {
            self.lists.remove(&oldest);
        }
    }
}

impl Venue {
    /// Places a list.
    ///
    /// # Errors
    /// [`Rejection`]: then none of its orders exists.
    ///
    /// # Panics
    /// When it has not as many orders as its kind.
    pub fn place_list(
        &mut self,
        now: UtcMs,
        request: &PlaceList,
        out: &mut Vec<Output>,
    ) -> Result<OrderList, Rejection> {
        self.recorder
            .note_of(self.desk.id, || Input::PlaceList(now, request.clone()));
        assert_eq!(request.orders.len(), request.kind.length());
        self.check_list(request)?;
        let list = self.open_list(now, request, out);
        let pending = request.kind.pending();
        for (at, (id, _)) in list.orders().iter().enumerate() {
            let order = self.desk.orders[&id.0];
            let works = order.standing.stage == Stage::Working && !pending.contains(&at);
            if works && !order.state.is_final() {
                self.take(now, id.0, out);
                self.rest_or_expire(now, id.0, out);
            }
        }
        Ok(self.desk.lists[&list.id])
    }

    /// Takes the orders of a checked list into the account, and says so.
    fn open_list(&mut self, now: UtcMs, request: &PlaceList, out: &mut Vec<Output>) -> OrderList {
        let first = request.orders[0];
        let mut list = OrderList {
            id: self.take_list_id(),
            client_id: request.client_id,
            instrument: first.instrument,
            kind: request.kind,
            orders: [(ExchangeOrderId(0), ClientOrderId::EMPTY); 3],
            is_over: false,
            created: now,
            updated: now,
        };
        for (at, one) in request.orders.iter().enumerate() {
            let id = self.take_order_id();
            self.desk.orders_total += 1;
            let standing = match request.kind.pending().contains(&at) {
                true => Standing {
                    stage: Stage::Pending,
                    ..Standing::default()
                },
                false => self.standing_of(now, one),
            };
            let order = Order {
                standing: Standing {
                    list: Some(list.id),
                    ..standing
                },
                ..Order::accepted(now, id, one)
            };
            self.desk.open(order);
            list.orders[at] = (order.id, one.client_order_id);
        }
        self.desk.lists.insert(list.id, list);
        self.desk.forget_lists();
        for (id, _) in list.orders() {
            let order = self.desk.orders[&id.0];
            self.tell(&order, Execution::New, now, out);
        }
        self.tell_list(&list, ListChange::Started, now, out);
        list
    }

    fn tell_list(&self, list: &OrderList, change: ListChange, now: UtcMs, out: &mut Vec<Output>) {
        out.push(Output::List(ListEvent {
            list: *list,
            change,
            time: now,
            account: self.desk.id,
        }));
    }

    /// Every rule that can refuse a list.
    fn check_list(&self, request: &PlaceList) -> Result<(), Rejection> {
        let id = request.orders[0].instrument;
        let instrument = self.instruments.get(usize::from(id.0));
        let instrument = instrument.filter(|_| self.desk.account.spot.is_some());
        let instrument = instrument.ok_or(Rejection::UnknownInstrument)?;
        if instrument.status != InstrumentStatus::Trading {
            return Err(Rejection::NotTrading);
        }
        let open = || self.desk.lists.values().filter(|one| !one.is_over);
        if open().any(|one| one.client_id == request.client_id) {
            return Err(Rejection::DuplicateListId);
        }
        for (at, one) in request.orders.iter().enumerate() {
            self.check_filters(instrument, one)?;
            self.check_stop(one)?;
            let named = |other: &PlaceOrder| other.client_order_id == one.client_order_id;
            if request.orders[..at].iter().any(named) || self.is_named(&one.client_order_id) {
                return Err(Rejection::DuplicateClientOrderId);
            }
        }
        check_pair_order(&request.orders[request.kind.pair()])?;
        let stops = request.orders.iter();
        let stops = stops.filter(|one| one.options.stop.is_some()).count();
        self.check_counts(instrument, request.orders.len(), stops)?;
        if open().filter(|one| one.instrument == id).count() >= LISTS_MAX {
            return Err(Rejection::TooManyLists);
        }
        self.check_active(instrument, request)
    }

    /// Prices, cover and liquidity of the orders that work or wait for a price at once.
    fn check_active(&self, instrument: &Instrument, request: &PlaceList) -> Result<(), Rejection> {
        let active = &request.orders[..request.kind.active()];
        let mut needed = Money::ZERO;
        for one in active {
            if request.kind == ListKind::OneCancelsOther {
                self.check_pair_price(one)?;
            }
            needed = needed.max(self.need_of(instrument, one));
            if one.options.stop.is_none() {
                self.check_liquidity(one)?;
            }
        }
        let free = match active[0].side {
            Side::Buy => self.spot_quote().free,
            Side::Sell => self.spot_base(instrument.id).free,
        };
        match needed > free {
            true => Err(Rejection::MarginInsufficient),
            false => Ok(()),
        }
    }

    /// The limit of a pair stands on one side of the last price, its stop on the other.
    fn check_pair_price(&self, one: &PlaceOrder) -> Result<(), Rejection> {
        let last = self.last_price(one.instrument);
        let beyond = one.options.stop.is_none()
            && last.0 > 0
            && one.price.0 * one.side.sign() >= last.0 * one.side.sign();
        match beyond || self.would_trigger(one) {
            true => Err(Rejection::ListPrices),
            false => Ok(()),
        }
    }

    /// What a new order would lock.
    pub(crate) fn need_of(&self, instrument: &Instrument, request: &PlaceOrder) -> Money {
        let price = match request.order_type {
            OrderType::Limit => request.price,
            _ => self.standing_of(UtcMs(0), request).reserve,
        };
        match request.side {
            Side::Buy => instrument.notional(price, request.quantity),
            Side::Sell => base_amount(instrument, request.quantity),
        }
    }

    /// A list by the venue's id.
    #[must_use]
    pub fn list(&self, id: u64) -> Option<&OrderList> {
        self.desk.lists.get(&id)
    }

    /// The newest list with this client id.
    #[must_use]
    pub fn list_by_client(&self, id: &ClientOrderId) -> Option<&OrderList> {
        let mut newest_first = self.desk.lists.values().rev();
        newest_first.find(|one| one.client_id == *id)
    }

    /// All kept lists, oldest first.
    pub fn lists(&self) -> impl DoubleEndedIterator<Item = &OrderList> {
        self.desk.lists.values()
    }

    fn list_of(&self, id: u64) -> Option<OrderList> {
        let list = self.desk.orders.get(&id)?.standing.list?;
        self.desk.lists.get(&list).copied()
    }

    fn is_open(&self, id: u64) -> bool {
        self.known(id).is_some_and(|order| !order.state.is_final())
    }

    /// The open partner of an order in a pair.
    pub(crate) fn open_partner(&self, order: &Order) -> Option<&Order> {
        let list = self.desk.lists.get(&order.standing.list?)?;
        let partner = self.known(list.partner(order.id.0)?)?;
        (!partner.state.is_final() && partner.standing.stage != Stage::Pending).then_some(partner)
    }

    /// An order of a pair has become active: the other one ends.
    pub(crate) fn leg_is_active(&mut self, now: UtcMs, id: u64, out: &mut Vec<Output>) {
        let partner = self.list_of(id).and_then(|list| list.partner(id));
        if let Some(partner) = partner.filter(|partner| self.is_open(*partner)) {
            self.end_alone(now, partner, OrderState::Expired, Expiry::ListPartner, out);
        }
    }

    /// An order was filled, wholly or in part: its partner ends, what waits for it begins.
    pub(crate) fn leg_has_filled(&mut self, now: UtcMs, id: u64, out: &mut Vec<Output>) {
        self.leg_is_active(now, id, out);
        let Some(list) = self.list_of(id) else {
            return;
        };
        let filled = self.desk.orders[&id].state == OrderState::Filled;
        if filled && list.orders[0].0.0 == id {
            self.begin_pending(now, &list, out);
        }
        self.close_list(now, list.id, out);
    }

    /// An order ended without being filled: the whole list does.
    pub(crate) fn leg_has_ended(&mut self, now: UtcMs, id: u64, out: &mut Vec<Output>) {
        let Some(list) = self.list_of(id) else {
            return;
        };
        let (state, expiry) = match self.desk.orders[&id].state {
            OrderState::Canceled => (OrderState::Canceled, Expiry::None),
            _ => (OrderState::Expired, Expiry::ListPartner),
        };
        for (other, _) in list.orders() {
            if self.is_open(other.0) {
                self.end_alone(now, other.0, state, expiry, out);
            }
        }
        self.close_list(now, list.id, out);
    }

    /// A list is over when none of its orders is open.
    fn close_list(&mut self, now: UtcMs, id: u64, out: &mut Vec<Output>) {
        let list = self.desk.lists[&id];
        let mut orders = list.orders().iter();
        if list.is_over || orders.any(|(order, _)| self.is_open(order.0)) {
            return;
        }
        let kept = self.desk.lists.get_mut(&id).expect("just read");
        (kept.is_over, kept.updated) = (true, now);
        let told = *kept;
        self.tell_list(&told, ListChange::Done, now, out);
    }

    /// The first order is filled: those that waited for it begin, if they can.
    fn begin_pending(&mut self, now: UtcMs, list: &OrderList, out: &mut Vec<Output>) {
        let pending: Vec<u64> = list.orders[list.kind.pending()]
            .iter()
            .map(|(id, _)| id.0)
            .filter(|id| self.is_open(*id))
            .collect();
        for id in &pending {
            let request = self.desk.orders[id].request;
            let standing = Standing {
                list: Some(list.id),
                ..self.standing_of(now, &request)
            };
            let order = self.desk.orders.get_mut(id).expect("just read");
            order.standing = standing;
            order.updated = now;
            if standing.stage == Stage::Working {
                self.set_working(now, *id);
            }
        }
        let covered = self.spot_quote().free >= Money::ZERO
            && self.spot_base(list.instrument).free >= Money::ZERO;
        for id in pending {
            // The one before it may have ended it.
            if !self.is_open(id) {
                continue;
            }
            let order = self.desk.orders[&id];
            let waits = order.standing.stage == Stage::Waiting;
            if !covered {
                self.refuse(now, id, Rejection::MarginInsufficient, out);
            } else if waits && self.would_trigger(&order.request) {
                self.refuse(now, id, Rejection::WouldTrigger, out);
            } else {
                self.tell(&order, Execution::New, now, out);
                if !waits {
                    self.work(now, id, out);
                }
            }
        }
    }

    /// The orders of a pair have one quantity: who makes one smaller makes both smaller.
    pub(crate) fn shrink_partner(&mut self, now: UtcMs, order: &Order, out: &mut Vec<Output>) {
        let partner = self
            .list_of(order.id.0)
            .and_then(|list| list.partner(order.id.0));
        let Some(partner) = partner.filter(|partner| self.is_open(*partner)) else {
            return;
        };
        let other = self.desk.orders.get_mut(&partner).expect("it is open");
        other.request.quantity = order.request.quantity;
        other.updated = now;
        let told = *other;
        self.tell(&told, Execution::Amendment, now, out);
    }

    /// The client's id of an order has changed: its list has it, and says so.
    pub(crate) fn rename_in_list(&mut self, now: UtcMs, order: &Order, out: &mut Vec<Output>) {
        let list = order
            .standing
            .list
            .and_then(|id| self.desk.lists.get_mut(&id));
        let Some(list) = list else {
            return;
        };
        let named = list.orders.iter_mut().find(|(id, _)| *id == order.id);
        if let Some((_, client_id)) = named {
            *client_id = order.request.client_order_id;
        }
        list.updated = now;
        let told = *list;
        self.tell_list(&told, ListChange::Updated, now, out);
    }

    pub(crate) fn check_counts(
        &self,
        instrument: &Instrument,
        orders: usize,
        stops: usize,
    ) -> Result<(), Rejection> {
        let index = usize::from(instrument.id.0);
        let open = self.desk.open[index].len() + self.desk.waiting[index].len();
        let open_max = instrument.filters.open_orders_max as usize;
        if open_max > 0 && open + orders > open_max {
            return Err(Rejection::TooManyOpenOrders);
        }
        if stops > 0 && self.stop_count(index) + stops > STOPS_MAX {
            return Err(Rejection::TooManyStops);
        }
        Ok(())
    }
}
