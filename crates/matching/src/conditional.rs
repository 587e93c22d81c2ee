//! Conditional orders: they wait for a price, and become ordinary orders when it comes.
//!
//! In: requests, and the last and the mark price of an instrument. Out: which orders are due, and
//! what became of them. Never: an order of its own in the market; whoever owns the venue places
//! what is due, so that every ordinary check and event applies to it.

use std::collections::{BTreeMap, VecDeque};

use market::{
    ClientOrderId, ExchangeOrderId, InstrumentId, OrderType, Price, Quantity, Rate, Side,
    TimeInForce, UtcMs,
};
use serde::{Deserialize, Serialize};

use crate::desk::AccountId;
use crate::order::{OrderOptions, PlaceOrder, PositionSide, SelfTrade};
use crate::rejection::Rejection;
use crate::words::{Word, is_usual};

mod records;

pub use records::ConditionalRecord;

/// Most open conditional orders of an account.
const OPEN_MAX: usize = 200;

/// Ended ones that are kept for queries.
const ENDED_MAX: usize = 10_000;

/// Which way the price must go.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum ConditionalKind {
    /// Up to the trigger for a buy, down to it for a sell.
    Stop,
    /// The other way round.
    TakeProfit,
}

/// A stop that follows the price.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Trailing {
    /// How far the price must come back, as a share of the best price seen.
    pub callback: Rate,
    /// The price that must be seen first; 0: none.
    pub activation: Price,
}

/// What most conditional orders leave as it is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ConditionalOptions {
    /// Leg.
    pub position_side: PositionSide,
    /// Self-trade prevention of what it becomes.
    pub self_trade: SelfTrade,
    /// Follows the price; its trigger price is not read.
    pub trailing: Option<Trailing>,
    /// Triggers only while mark and last price are near each other.
    pub price_protect: bool,
    /// Ends at this time, or what it becomes does.
    pub good_till: Option<UtcMs>,
    /// The dialect's word for a price that is taken from the book when it triggers; `""` without.
    #[serde(with = "crate::words::price_match")]
    pub price_match: Word,
}

/// Which price is looked at.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum TriggerBy {
    /// Of the last trade.
    Last,
    /// The mark price.
    Mark,
}

/// A conditional order as requested.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PlaceConditional {
    /// The client's id, unique among open conditional orders.
    pub client_id: ClientOrderId,
    /// What to trade.
    pub instrument: InstrumentId,
    /// Buy or sell.
    pub side: Side,
    /// Stop or take profit.
    pub kind: ConditionalKind,
    /// What it becomes: a limit or a market order.
    pub order_type: OrderType,
    /// Lifetime of what it becomes.
    pub time_in_force: TimeInForce,
    /// Limit price of what it becomes; 0 for a market order.
    pub price: Price,
    /// Quantity of what it becomes; 0 where it closes the position.
    pub quantity: Quantity,
    /// The price that triggers it.
    pub trigger_price: Price,
    /// Which price is compared with it.
    pub trigger_by: TriggerBy,
    /// Closes whatever position there is when it triggers.
    pub close_position: bool,
    /// May only reduce the position.
    pub reduce_only: bool,
    /// What else it was asked to be.
    #[serde(default, skip_serializing_if = "is_usual")]
    pub options: ConditionalOptions,
}

/// Where a conditional order stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum ConditionalState {
    /// It waits.
    New,
    /// It became an ordinary order, which is open.
    Triggered,
    /// The ordinary order that it became is over.
    Finished,
    /// It was cancelled.
    Canceled,
    /// What it became was refused.
    Rejected,
    /// It was to close a position that was not there.
    Expired,
}

/// A conditional order, open or ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Conditional {
    /// The venue's id, of a sequence of its own.
    pub id: u64,
    /// As requested.
    pub request: PlaceConditional,
    /// Where it stands.
    pub state: ConditionalState,
    /// The ordinary order that it became.
    pub order_id: Option<ExchangeOrderId>,
    /// When it was accepted.
    pub created: UtcMs,
    /// When it last changed.
    pub updated: UtcMs,
    /// When it triggered; 0 before.
    pub triggered: UtcMs,
    /// Why what it became was refused.
    pub rejection: Option<Rejection>,
    /// Whose.
    pub account: AccountId,
    /// Best price that a trailing one has seen since its activation; 0 before.
    pub extreme: Price,
}

/// Why a conditional order is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ConditionalRejection {
    /// As many as an account may have.
    #[error("too many open conditional orders")]
    TooMany,
    /// An open one has this client id.
    #[error("an open conditional order has this client id")]
    DuplicateClientId,
    /// One that closes the position in this direction, by this kind, is open already.
    #[error("a conditional order that closes the position in this direction is open")]
    OneADirection,
    /// The price has been there already.
    #[error("it would trigger at once")]
    WouldTrigger,
    /// Nothing open has this id.
    #[error("no open conditional order has this id")]
    Unknown,
}

/// The conditional orders of one account.
#[derive(Clone, Debug)]
pub struct ConditionalOrders {
    account: AccountId,
    orders: BTreeMap<u64, Conditional>,
    open: Vec<u64>,
    /// Those that became an order which may still be open.
    triggered: Vec<(u64, ExchangeOrderId)>,
    ended: VecDeque<u64>,
    next_id: u64,
}

impl ConditionalOrders {
    /// None of the first account, with ids from `first_id` on.
    #[must_use]
    pub fn new(first_id: u64) -> Self {
        Self::of(AccountId(0), first_id)
    }

    /// None of an account, with ids from `first_id` on.
    #[must_use]
    pub fn of(account: AccountId, first_id: u64) -> Self {
        Self {
            account,
            orders: BTreeMap::new(),
            open: Vec::new(),
            triggered: Vec::new(),
            ended: VecDeque::new(),
            next_id: first_id,
        }
    }

    /// Open ones, oldest first.
    pub fn open(&self) -> impl Iterator<Item = &Conditional> {
        self.open.iter().map(|id| &self.orders[id])
    }

    /// All that are kept, oldest first.
    pub fn all(&self) -> impl Iterator<Item = &Conditional> {
        self.orders.values()
    }

    /// One by the venue's id.
    #[must_use]
    pub fn get(&self, id: u64) -> Option<&Conditional> {
        self.orders.get(&id)
    }

    /// The newest with this client id.
    #[must_use]
    pub fn by_client(&self, id: &ClientOrderId) -> Option<&Conditional> {
        let mut newest_first = self.orders.values().rev();
        newest_first.find(|one| one.request.client_id == *id)
    }

    /// Takes a request; `last` and `mark` are 0 while they are not known.
    ///
    /// # Errors
    /// [`ConditionalRejection`]: then there is no such order.
    pub fn place(
        &mut self,
        now: UtcMs,
        request: &PlaceConditional,
        last: Price,
        mark: Price,
    ) -> Result<Conditional, ConditionalRejection> {
        if self.open.len() >= OPEN_MAX {
            return Err(ConditionalRejection::TooMany);
        }
        if self
            .open()
            .any(|one| one.request.client_id == request.client_id)
        {
            return Err(ConditionalRejection::DuplicateClientId);
        }
        if request.close_position && self.open().any(|one| one.request.closes_like(request)) {
            return Err(ConditionalRejection::OneADirection);
        }
        if request.is_due(last, mark) {
            return Err(ConditionalRejection::WouldTrigger);
        }
        let order = Conditional {
            id: self.next_id,
            request: *request,
            state: ConditionalState::New,
            order_id: None,
            created: now,
            updated: now,
            triggered: UtcMs(0),
            account: self.account,
            rejection: None,
            extreme: Price(0),
        };
        self.next_id += 1;
        self.orders.insert(order.id, order);
        self.open.push(order.id);
        Ok(order)
    }

    /// Cancels an open one.
    ///
    /// # Errors
    /// [`ConditionalRejection::Unknown`].
    pub fn cancel(&mut self, now: UtcMs, id: u64) -> Result<Conditional, ConditionalRejection> {
        self.end(now, id, ConditionalState::Canceled)
            .ok_or(ConditionalRejection::Unknown)
    }

    /// Those of an instrument whose price has come, oldest first.
    #[must_use]
    pub fn due(&self, instrument: InstrumentId, last: Price, mark: Price) -> Vec<Conditional> {
        let here = self
            .open()
            .filter(|one| one.request.instrument == instrument);
        here.filter(|one| one.is_due(last, mark) && one.request.is_protected(last, mark))
            .copied()
            .collect()
    }

    /// Trailing ones take notice of a price.
    pub fn observe(&mut self, instrument: InstrumentId, last: Price, mark: Price) {
        for id in &self.open {
            let one = self.orders.get_mut(id).expect("open ones are kept");
            if one.request.instrument == instrument && one.request.options.trailing.is_some() {
                one.observe(last, mark);
            }
        }
    }

    /// Ends those whose own end has come.
    pub fn end_good_till(&mut self, now: UtcMs) -> Vec<Conditional> {
        let over = |one: &&Conditional| one.request.options.good_till.is_some_and(|at| at <= now);
        let over: Vec<u64> = self.open().filter(over).map(|one| one.id).collect();
        let ended = over
            .into_iter()
            .map(|id| self.end(now, id, ConditionalState::Expired));
        ended.flatten().collect()
    }

    /// What became of one that was due.
    pub fn triggered(
        &mut self,
        now: UtcMs,
        id: u64,
        state: ConditionalState,
        order_id: Option<ExchangeOrderId>,
    ) -> Option<Conditional> {
        self.end(now, id, state)?;
        let order = self.orders.get_mut(&id)?;
        (order.order_id, order.triggered) = (order_id, now);
        if state == ConditionalState::Triggered {
            self.triggered.extend(order_id.map(|order| (id, order)));
        }
        Some(*order)
    }

    /// True while an order that one of them became may be open.
    #[must_use]
    pub fn has_triggered(&self) -> bool {
        !self.triggered.is_empty()
    }

    /// Those whose orders are over; `is_over` says which are.
    pub fn finish(
        &mut self,
        now: UtcMs,
        is_over: impl Fn(ExchangeOrderId) -> bool,
    ) -> Vec<Conditional> {
        let mut finished = Vec::new();
        let orders = &mut self.orders;
        self.triggered.retain(|(id, order_id)| {
            let over = is_over(*order_id);
            if let Some(order) = orders.get_mut(id).filter(|_| over) {
                (order.state, order.updated) = (ConditionalState::Finished, now);
                finished.push(*order);
            }
            !over
        });
        finished
    }

    /// As [`Self::triggered`], for one whose order was refused.
    pub fn refused(&mut self, now: UtcMs, id: u64, rejection: Rejection) -> Option<Conditional> {
        self.triggered(now, id, ConditionalState::Rejected, None)?;
        let order = self.orders.get_mut(&id)?;
        order.rejection = Some(rejection);
        Some(*order)
    }

    fn end(&mut self, now: UtcMs, id: u64, state: ConditionalState) -> Option<Conditional> {
        let place = self.open.iter().position(|one| *one == id)?;
        self.open.remove(place);
        let order = self.orders.get_mut(&id)?;
        (order.state, order.updated) = (state, now);
        let ended = *order;
        self.remember_ended(id);
        Some(ended)
    }

    /// Keeps an ended one for queries and forgets the oldest beyond the bound.
    fn remember_ended(&mut self, id: u64) {
        self.ended.push_back(id);
        if self.ended.len() > ENDED_MAX
            && let Some(oldest) = self.ended.pop_front()
        {
            self.orders.remove(&oldest);
        }
    }
}

impl Conditional {
    fn observe(&mut self, last: Price, mark: Price) {
        let seen = self.request.seen(last, mark);
        let (Some(trailing), true) = (self.request.options.trailing, seen.0 > 0) else {
            return;
        };
        // A buy follows the price down, a sell up.
        let sign = self.request.side.sign();
        let better = |one: Price, other: Price| one.0 * sign <= other.0 * sign;
        let active =
            self.extreme.0 > 0 || trailing.activation.0 == 0 || better(seen, trailing.activation);
        if active && (self.extreme.0 == 0 || better(seen, self.extreme)) {
            self.extreme = seen;
        }
    }

    /// True when the price has come.
    #[must_use]
    pub fn is_due(&self, last: Price, mark: Price) -> bool {
        let Some(trailing) = self.request.options.trailing else {
            return self.request.is_due(last, mark);
        };
        let seen = i128::from(self.request.seen(last, mark).0);
        let best = i128::from(self.extreme.0);
        if seen <= 0 || best == 0 {
            return false;
        }
        let sign = i128::from(self.request.side.sign());
        let whole = i128::from(market::units::ONE);
        // Buy: price >= best x (1 + callback); sell: price <= best x (1 - callback).
        let reached = best * (whole + sign * i128::from(trailing.callback.0));
        sign * seen * whole >= sign * reached
    }
}

impl PlaceConditional {
    /// The price that is compared.
    fn seen(&self, last: Price, mark: Price) -> Price {
        match self.trigger_by {
            TriggerBy::Last => last,
            TriggerBy::Mark => mark,
        }
    }

    /// With price protection nothing triggers while mark and last price are 5 % apart.
    fn is_protected(&self, last: Price, mark: Price) -> bool {
        let apart = (i128::from(last.0) - i128::from(mark.0)).abs();
        !self.options.price_protect || apart * 20 <= i128::from(mark.0)
    }

    /// True when the price has come.
    #[must_use]
    pub fn is_due(&self, last: Price, mark: Price) -> bool {
        let seen = self.seen(last, mark);
        if self.options.trailing.is_some() {
            return false;
        }
        let rises = (self.kind == ConditionalKind::Stop) == (self.side == Side::Buy);
        seen.0 > 0
            && match rises {
                true => seen >= self.trigger_price,
                false => seen <= self.trigger_price,
            }
    }

    /// True when both close the same position in the same way.
    fn closes_like(&self, other: &Self) -> bool {
        self.close_position
            && self.instrument == other.instrument
            && self.side == other.side
            && self.options.position_side == other.options.position_side
            && self.kind == other.kind
    }

    /// The ordinary order that it becomes with this position; `None` when there is nothing that
    /// it could close.
    #[must_use]
    pub fn order(&self, position: Quantity) -> Option<PlaceOrder> {
        let quantity = if self.close_position {
            let closes = position.0.signum() == -self.side.sign();
            closes.then(|| position.magnitude())?
        } else {
            self.quantity
        };
        Some(PlaceOrder {
            client_order_id: self.client_id,
            instrument: self.instrument,
            side: self.side,
            order_type: self.order_type,
            time_in_force: self.time_in_force,
            price: self.price,
            quantity,
            reduce_only: self.reduce_only || self.close_position,
            options: OrderOptions {
                position_side: self.options.position_side,
                self_trade: self.options.self_trade,
                good_till: self.options.good_till,
                price_match: self.options.price_match,
                ..OrderOptions::default()
            },
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn request(name: &str, side: Side, kind: ConditionalKind, trigger: i64) -> PlaceConditional {
        PlaceConditional {
            client_id: ClientOrderId::new(name.as_bytes()).unwrap(),
            instrument: InstrumentId(0),
            side,
            kind,
            order_type: OrderType::Market,
            time_in_force: TimeInForce::GoodTillCancel,
            price: Price(0),
            quantity: Quantity(0),
            trigger_price: Price(trigger),
            trigger_by: TriggerBy::Last,
            close_position: true,
            reduce_only: false,
            options: ConditionalOptions::default(),
        }
    }

    #[test]
    fn stops_and_take_profits_trigger_on_their_own_side() {
        use ConditionalKind::{Stop, TakeProfit};
        // (side, kind, last price, due); the trigger is 100.
        let cases = [
            (Side::Buy, Stop, 99, false),
            (Side::Buy, Stop, 100, true),
            (Side::Sell, Stop, 101, false),
            (Side::Sell, Stop, 100, true),
            (Side::Buy, TakeProfit, 101, false),
            (Side::Buy, TakeProfit, 100, true),
            (Side::Sell, TakeProfit, 99, false),
            (Side::Sell, TakeProfit, 101, true),
            (Side::Sell, Stop, 0, false),
        ];
        for (side, kind, last, due) in cases {
            let one = request("a", side, kind, 100);
            assert_eq!(
                one.is_due(Price(last), Price(50)),
                due,
                "{side} {kind:?} {last}"
            );
            let by_mark = PlaceConditional {
                trigger_by: TriggerBy::Mark,
                ..one
            };
            assert_eq!(by_mark.is_due(Price(50), Price(last)), due);
        }
    }

    #[test]
    fn an_order_waits_triggers_once_and_closes_what_is_there() {
        let mut orders = ConditionalOrders::new(5);
        let stop = request("a", Side::Sell, ConditionalKind::Stop, 100);
        let placed = orders.place(UtcMs(1), &stop, Price(110), Price(0)).unwrap();
        let again = orders.place(UtcMs(1), &stop, Price(110), Price(0));
        assert_eq!(again, Err(ConditionalRejection::DuplicateClientId));
        let second = request("b", Side::Sell, ConditionalKind::Stop, 90);
        let second = orders.place(UtcMs(1), &second, Price(110), Price(0));
        assert_eq!(second, Err(ConditionalRejection::OneADirection));
        let target = request("c", Side::Sell, ConditionalKind::TakeProfit, 130);
        let target = orders.place(UtcMs(1), &target, Price(110), Price(0));
        orders.cancel(UtcMs(1), target.unwrap().id).unwrap();
        let late = PlaceConditional {
            close_position: false,
            ..request("b", Side::Sell, ConditionalKind::Stop, 110)
        };
        let at_once = orders.place(UtcMs(1), &late, Price(110), Price(0));
        assert_eq!(at_once, Err(ConditionalRejection::WouldTrigger));
        assert!(orders.due(InstrumentId(1), Price(90), Price(0)).is_empty());
        let due = orders.due(InstrumentId(0), Price(90), Price(0));
        assert_eq!(
            due.iter().map(|one| one.id).collect::<Vec<_>>(),
            [placed.id]
        );
        // It sells a long position whole, and leaves a short one alone.
        assert_eq!(
            stop.order(Quantity(7)).map(|one| one.quantity),
            Some(Quantity(7))
        );
        assert!(stop.order(Quantity(7)).is_some_and(|one| one.reduce_only));
        assert_eq!(stop.order(Quantity(-7)), None);
        let order = Some(ExchangeOrderId(9));
        orders.triggered(UtcMs(2), placed.id, ConditionalState::Triggered, order);
        assert!(orders.finish(UtcMs(2), |_| false).is_empty());
        let finished = orders.finish(UtcMs(3), |order| order == ExchangeOrderId(9));
        assert_eq!(finished[0].state, ConditionalState::Finished);
        assert_eq!(finished[0].updated, UtcMs(3));
        assert!(!orders.has_triggered());
        assert!(orders.due(InstrumentId(0), Price(90), Price(0)).is_empty());
        assert_eq!(
            orders.cancel(UtcMs(3), placed.id),
            Err(ConditionalRejection::Unknown)
        );
        assert_eq!(orders.get(5).map(|one| one.order_id), Some(order));
    }

    /// One with a quantity of its own.
    fn part(name: &str) -> PlaceConditional {
        PlaceConditional {
            close_position: false,
            quantity: Quantity(1),
            ..request(name, Side::Buy, ConditionalKind::Stop, 100)
        }
    }

    #[test]
    fn an_account_has_room_for_so_many() {
        let mut orders = ConditionalOrders::new(1);
        for number in 0..OPEN_MAX {
            let one = part(&format!("c{number}"));
            orders.place(UtcMs(1), &one, Price(1), Price(1)).unwrap();
        }
        let one = part("more");
        let refused = orders.place(UtcMs(1), &one, Price(1), Price(1));
        assert_eq!(refused, Err(ConditionalRejection::TooMany));
        orders.cancel(UtcMs(2), 1).unwrap();
        assert!(orders.place(UtcMs(2), &one, Price(1), Price(1)).is_ok());
    }

    #[test]
    fn one_with_a_quantity_of_its_own_trades_that_whatever_is_held() {
        for held in [-7, 0, 7] {
            let order = part("a").order(Quantity(held)).expect("always");
            assert_eq!((order.quantity, order.side), (Quantity(1), Side::Buy));
        }
    }

    #[test]
    fn the_newest_ended_ones_are_kept() {
        let mut orders = ConditionalOrders::new(1);
        for number in 1..=10_001 {
            let placed = orders.place(UtcMs(1), &part("a"), Price(1), Price(1));
            assert_eq!(placed.unwrap().id, number);
            orders.cancel(UtcMs(2), number).unwrap();
        }
        assert!(orders.get(1).is_none() && orders.get(2).is_some());
        assert_eq!((orders.all().count(), orders.open().count()), (10_000, 0));
    }
}
