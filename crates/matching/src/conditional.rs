//! Conditional orders: they wait for a price, and become ordinary orders when it comes.
//!
//! In: requests, and the last and the mark price of an instrument. Out: which orders are due, and
//! what became of them. Never: an order of its own in the market; whoever owns the venue places
//! what is due, so that every ordinary check and event applies to it.

use std::collections::{BTreeMap, VecDeque};

use market::{
    ClientOrderId, ExchangeOrderId, InstrumentId, OrderType, Price, Quantity, Side, TimeInForce,
    UtcMs,
};

use crate::order::PlaceOrder;

/// Most open conditional orders of an account.
const OPEN_MAX: usize = 200;

/// Ended ones that are kept for queries.
const ENDED_MAX: usize = 10_000;

/// Which way the price must go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ConditionalKind {
    /// Up to the trigger for a buy, down to it for a sell.
    Stop,
    /// The other way round.
    TakeProfit,
}

/// Which price is looked at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TriggerBy {
    /// Of the last trade.
    Last,
    /// The mark price.
    Mark,
}

/// A conditional order as requested.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
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
}

/// Where a conditional order stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ConditionalState {
    /// It waits.
    New,
    /// It became an ordinary order.
    Finished,
    /// It was cancelled.
    Canceled,
    /// What it became was refused.
    Rejected,
    /// It was to close a position that was not there.
    Expired,
}

/// A conditional order, open or ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
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
    orders: BTreeMap<u64, Conditional>,
    open: Vec<u64>,
    ended: VecDeque<u64>,
    next_id: u64,
}

impl ConditionalOrders {
    /// None, with ids from `first_id` on.
    #[must_use]
    pub fn new(first_id: u64) -> Self {
        Self {
            orders: BTreeMap::new(),
            open: Vec::new(),
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
        here.filter(|one| one.request.is_due(last, mark))
            .copied()
            .collect()
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
        Some(*order)
    }

    fn end(&mut self, now: UtcMs, id: u64, state: ConditionalState) -> Option<Conditional> {
        let place = self.open.iter().position(|one| *one == id)?;
        self.open.remove(place);
        let order = self.orders.get_mut(&id)?;
        (order.state, order.updated) = (state, now);
        let ended = *order;
        self.ended.push_back(id);
        if self.ended.len() > ENDED_MAX
            && let Some(oldest) = self.ended.pop_front()
        {
            self.orders.remove(&oldest);
        }
        Some(ended)
    }
}

impl PlaceConditional {
    /// True when the price has come.
    #[must_use]
    pub fn is_due(&self, last: Price, mark: Price) -> bool {
        let seen = match self.trigger_by {
            TriggerBy::Last => last,
            TriggerBy::Mark => mark,
        };
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
        orders.triggered(UtcMs(2), placed.id, ConditionalState::Finished, order);
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
}
