//! What happens to private events, and to the account itself.
//!
//! In: texts of the private stream, the exchange core. Out: the same in another order, doubled or
//! not at all; orders and money that are not ours. Never: a position that the core does not hold.

use market::{
    ClientOrderId, Instrument, InstrumentId, InstrumentStatus, Market, Money, OrderState,
    OrderType, Price, Quantity, Rate, Side, TimeInForce,
};
use matching::{Expiry, OrderOptions, PlaceOrder};

use super::frames::{Piece, replace};
use super::{Adversary, Condition, Held, Scheduled, Trap};
use crate::network::{ConnectionId, SECOND};
use crate::random::Random;
use crate::world::World;

/// Kinds of F42.
const DOUBLED: u64 = 0;
/// Nobody hears of it.
pub(super) const MISSING: u64 = 2;
/// Another end is told beside it.
const CONTRADICTED: u64 = 3;

impl Adversary {
    pub(super) fn set_private_trap(&mut self, fault: Scheduled) {
        let left = fault.times(4);
        self.private_traps.push(Trap { fault, left });
    }

    /// Until when nobody is told of the order that a text is about (F41).
    fn untold_until(&self, text: &[u8]) -> Option<u64> {
        let lagging = self.lagging.iter().map(|(name, until)| (name, *until));
        let stale = self.stale.iter().map(|one| (&one.name, one.until));
        let mut all = lagging.chain(stale);
        let named = all.find(|(name, _)| contains(text, name.as_bytes()));
        named.map(|(_, until)| until)
    }

    /// A text of the private stream, or a private event of spot.
    pub fn private_text(&mut self, now: u64, id: ConnectionId, text: &[u8]) -> Vec<Piece> {
        let mut pieces = vec![Piece::Text(text.to_vec(), 0)];
        if let Some(until) = self.untold_until(text).filter(|until| now < *until) {
            // What a query does not find yet was not told either.
            return vec![Piece::Text(text.to_vec(), until - now)];
        }
        let is_new = contains(text, br#""x":"NEW""#);
        if is_new
            && self
                .new_after
                .take_if(|name| contains(text, name.as_bytes()))
                .is_some()
        {
            self.held.push(Held {
                connection: id,
                number: 27,
                text: text.to_vec(),
            });
            return Vec::new();
        }
        let of_order = contains(text, b"\"ORDER_TRADE_UPDATE\"");
        let fits = |one: &Held| one.connection == id && (one.number != 27 || of_order);
        if let Some(index) = self.held.iter().position(fits) {
            let held = self.held.remove(index);
            pieces.push(Piece::Text(held.text, 0));
        }
        // A contradiction waits for something that can be contradicted.
        let ends = contradicted(text, true) != text;
        // What is told twice, or never, is a trade; twice that of a part, which leaves room for it.
        let part = contains(text, br#""X":"PARTIALLY_FILLED""#);
        let trade = part || contains(text, br#""x":"TRADE""#);
        let fits = |one: &Scheduled| match one.kind(5) {
            _ if one.number != 42 => true,
            DOUBLED => part,
            MISSING => trade,
            CONTRADICTED => ends,
            _ => true,
        };
        let trap = Self::spring(&mut self.private_traps, fits);
        let Some(fault) = trap else { return pieces };
        if fault.number != 42 {
            pieces.splice(0..1, super::frames::bytes_of(&fault, text));
            self.fire(now, fault.number, "on the private stream");
            return pieces;
        }
        match fault.kind(5) {
            DOUBLED => pieces.push(Piece::Text(text.to_vec(), fault.lasts(0, 4_000))),
            1 => {
                self.held.push(Held {
                    connection: id,
                    number: 42,
                    text: text.to_vec(),
                });
                pieces.remove(0);
            }
            MISSING => {
                pieces.remove(0);
            }
            // So late that others have been asked meanwhile.
            4 => pieces[0] = Piece::Text(text.to_vec(), fault.lasts(1_500, 8_000)),
            // The word of an end, in other words before or after.
            CONTRADICTED => {
                let first = fault.draws[0].is_multiple_of(2);
                let other = contradicted(text, fault.draws[0] / 2 % 2 == 0);
                if first {
                    pieces.insert(0, Piece::Text(other, 0));
                } else {
                    pieces.push(Piece::Text(other, fault.lasts(0, 500)));
                }
            }
            _ => {}
        }
        self.fire(now, 42, format!("kind {}", fault.kind(5)));
        pieces
    }
}

/// The event of an order's end with another end; others stay. An order that rests is never told
/// to have ended.
fn contradicted(text: &[u8], expired: bool) -> Vec<u8> {
    let end: &[u8] = if expired {
        br#""X":"EXPIRED""#
    } else {
        br#""X":"CANCELED""#
    };
    let ends = contains(text, br#""f":"IOC""#);
    let partly: &[u8] = br#""X":"PARTIALLY_FILLED""#;
    for from in [
        &br#""X":"CANCELED""#[..],
        br#""X":"EXPIRED""#,
        br#""X":"FILLED""#,
        partly,
    ] {
        if contains(text, from) && (from != partly || ends) {
            return replace(text, from, end);
        }
    }
    text.to_vec()
}

fn contains(text: &[u8], part: &[u8]) -> bool {
    !part.is_empty() && text.windows(part.len()).any(|window| window == part)
}

/// Names of orders that the exchange makes.
const FORCED: [&str; 3] = ["autoclose", "adl_autoclose", "settlement_autoclose"];

impl World {
    /// Faults of the account and the venue, as far as the core itself does them.
    pub(super) fn account_fault(&mut self, fault: &Scheduled) {
        let what = match fault.number {
            32 => self.amend_from_outside(fault),
            45 => self.forced_order(fault),
            46 => self.funding(fault),
            49 if self.adversary.has_stops && !fault.draws[0].is_multiple_of(4) => {
                self.stop_fault(fault)
            }
            47 | 49 => self.order_from_outside(fault),
            48 => self.leverage(fault),
            50 => self.balance_moves(fault),
            51 => self.status(fault),
            52 => self.filters(fault),
            _ => None,
        };
        if let Some(what) = what {
            self.adversary.fire(self.now, fault.number, what);
        }
        self.venue.settle();
        self.collect();
    }

    /// An instrument of futures, and its best price on a side.
    fn instrument(&self, fault: &Scheduled) -> Option<Instrument> {
        let all = self.venue.exchange.usdm.venue.instruments();
        let index = fault.draws[2] % all.len() as u64;
        all.get(index as usize).copied()
    }

    fn price(&self, id: InstrumentId, side: Side) -> Option<Price> {
        let view = self.venue.exchange.usdm.venue.view(id);
        view.best(side.opposite()).map(|level| level.price)
    }

    /// An order of ours that rests, and of which market.
    fn resting(&self, fault: &Scheduled) -> Option<(Market, matching::Order)> {
        let ours = |order: &&matching::Order| {
            order.request.client_order_id.as_str().starts_with("fu") && !order.state.is_final()
        };
        let mut all = Vec::new();
        for market in [Market::UsdM, Market::Spot] {
            let floor = self.venue.exchange.floor(market);
            all.extend(floor.venue.orders().filter(ours).map(|one| (market, *one)));
        }
        let index = fault.draws[2] % (all.len().max(1) as u64);
        all.get(index as usize).copied()
    }

    /// F32: somebody changes our order, and it fills.
    fn amend_from_outside(&mut self, fault: &Scheduled) -> Option<String> {
        let Some((market, order)) = self.resting(fault) else {
            self.adversary.try_again(fault, self.now);
            return None;
        };
        let now = self.venue.exchange.clock.now();
        let floor = self.venue.exchange.floor_mut(market);
        let more = 1 + fault.kind(3) as i64;
        let quantity = match fault.draws[0] % 3 {
            0 => order.request.quantity,
            1 => Quantity(order.request.quantity.0 + more),
            _ => Quantity((order.request.quantity.0 - more).max(order.filled.0 + 1)),
        };
        let price = Price(order.request.price.0 - order.request.side.sign() * more);
        let venue = &mut floor.venue;
        let changed = venue.modify(now, order.id, price, quantity, &mut floor.outputs);
        let changed = changed.ok()?;
        let id = order.request.client_order_id;
        self.checker.borrow_mut().on_amended(&id, quantity);
        if fault.draws[0].is_multiple_of(2) {
            let rest = changed.remaining();
            venue.fill_now(now, order.id, rest, 1, &mut floor.outputs);
        }
        Some(format!(
            "{} to {quantity:?}",
            order.request.client_order_id.as_str()
        ))
    }

    fn forced_order(&mut self, fault: &Scheduled) -> Option<String> {
        let instrument = self.instrument(fault)?;
        let held = self.venue.exchange.usdm.venue.account().positions[usize::from(instrument.id.0)]
            .quantity;
        if held.is_zero() {
            self.adversary.try_again(fault, self.now);
            return None;
        }
        let side = if held.0 > 0 { Side::Sell } else { Side::Buy };
        let price = self.price(instrument.id, side)?;
        let name = format!("{}-{}", FORCED[fault.kind(3) as usize], self.next_foreign());
        let now = self.venue.exchange.clock.now();
        let floor = &mut self.venue.exchange.usdm;
        let lots = 1 + (fault.draws[0] % held.magnitude().0 as u64) as i64;
        let lots = if fault.draws[0].is_multiple_of(2) {
            held.magnitude().0
        } else {
            lots
        };
        let request = PlaceOrder {
            client_order_id: ClientOrderId::new(name.as_bytes())?,
            instrument: instrument.id,
            side,
            order_type: OrderType::Liquidation,
            time_in_force: TimeInForce::ImmediateOrCancel,
            price,
            quantity: Quantity(lots),
            reduce_only: false,
            options: OrderOptions::default(),
        };
        floor.venue.force(now, &request, &mut floor.outputs);
        Some(format!("{name} of {lots} lots of {}", held.0))
    }

    fn next_foreign(&mut self) -> u64 {
        self.adversary.foreign += 1;
        self.adversary.foreign
    }

    fn funding(&mut self, fault: &Scheduled) -> Option<String> {
        let now = self.venue.exchange.clock.now();
        let floor = &mut self.venue.exchange.usdm;
        if fault.kind(2) == 0 {
            floor.venue.take_fees_elsewhere(fault.times(10) as u32);
            return Some("fees in BNB".to_owned());
        }
        let positions = floor.venue.account().positions.iter();
        let held = positions.zip(floor.venue.instruments());
        let mut held = held.filter(|(position, _)| !position.quantity.is_zero());
        if let Some(id) = held.next().map(|(_, listed)| listed.id) {
            let rate = Rate(fault.draws[0] as i64 % 2_000_000 - 1_000_000);
            floor.venue.fund(now, id, rate, &mut floor.outputs);
            return Some(format!("funding at {}", rate.0));
        }
        // Of a position that is closed by now, of no symbol that the exchange would name.
        let amount = Money(fault.draws[0] as i64 % 500_000_000);
        floor
            .venue
            .move_money(now, amount, "FUNDING_FEE", &mut floor.outputs);
        Some(format!("funding {}", amount.0))
    }

    /// F47, F49: an order that is not ours; one that a condition of somebody's has triggered.
    fn order_from_outside(&mut self, fault: &Scheduled) -> Option<String> {
        if fault.number == 49 && fault.draws[0].is_multiple_of(2) {
            self.conditional_from_outside(fault.draws[2]);
            return Some("a conditional order rests".to_owned());
        }
        let instrument = self.instrument(fault)?;
        let side = if fault.kind(2) == 0 {
            Side::Buy
        } else {
            Side::Sell
        };
        let price = self.price(instrument.id, side)?;
        let triggered = fault.number == 49;
        let prefix = if triggered { "stop" } else { "web" };
        let name = format!("{prefix}_{}", self.next_foreign());
        let rests = !triggered && fault.draws[0].is_multiple_of(3);
        let lots = 1 + (fault.draws[0] % 40) as i64;
        let least = instrument.quantity_for(price, instrument.filters.notional_min);
        let request = PlaceOrder {
            client_order_id: ClientOrderId::new(name.as_bytes())?,
            instrument: instrument.id,
            side,
            order_type: OrderType::Limit,
            time_in_force: if rests {
                TimeInForce::GoodTillCancel
            } else {
                TimeInForce::ImmediateOrCancel
            },
            price: if rests {
                Price(price.0 - side.sign() * 40)
            } else {
                price
            },
            quantity: Quantity(lots.max(least.0 + 1)),
            reduce_only: false,
            options: OrderOptions::default(),
        };
        let now = self.venue.exchange.clock.now();
        let floor = &mut self.venue.exchange.usdm;
        let placed = floor.venue.place(now, &request, &mut floor.outputs);
        if triggered {
            let text = format!(
                r#"{{"e":"ALGO_UPDATE","T":{},"E":{},"o":{{"caid":"{name}","aid":1,"X":"TRIGGERED"}}}}"#,
                now.0, now.0
            );
            self.tell_privately(text.as_bytes());
        }
        placed.ok().map(|_| format!("{name} {side} {lots}"))
    }

    /// An account is seldom fresh: somebody may have traded with it before the first start.
    pub fn before_us(&mut self) {
        let mut random = Random::new(self.seed, 7);
        if !random.chance(350) {
            return;
        }
        for _ in 0..random.between(1, 3) {
            let fault = Scheduled {
                at: 0,
                number: 47,
                draws: [(); 3].map(|()| random.word()),
            };
            self.order_from_outside(&fault);
        }
        if random.chance(300) {
            self.conditional_from_outside(random.word());
        }
        self.venue.settle();
    }

    /// A conditional order that is not ours rests at the exchange, near enough to trigger some day.
    pub fn conditional_from_outside(&mut self, word: u64) {
        let name = format!("algo_{}", self.next_foreign());
        let name = ClientOrderId::new(name.as_bytes()).expect("a short name");
        self.leave_drawn_stop(name, word);
        self.venue.settle();
        self.collect();
    }

    /// A text to everybody who listens to private events of futures.
    pub(super) fn tell_privately(&mut self, text: &[u8]) {
        let exchange = &mut self.venue.exchange;
        let now = exchange.clock.now();
        let Some(key) = exchange.listen_keys.valid(now).map(str::to_owned) else {
            return;
        };
        for connection in exchange.listen_keys.listeners(&key) {
            exchange.usdm.hub.send(connection, &key, text);
        }
    }

    fn leverage(&mut self, fault: &Scheduled) -> Option<String> {
        let instrument = self.instrument(fault)?;
        let now = self.venue.exchange.clock.now().0;
        let leverage = 1 + (fault.draws[0] % 50) as u32;
        let text = if fault.kind(2) == 0 {
            let venue = &mut self.venue.exchange.usdm.venue;
            // One that the brackets do not allow stays as it was.
            let _ = venue.set_leverage(instrument.id, leverage);
            let symbol = instrument.symbol.as_str();
            format!(
                r#"{{"e":"ACCOUNT_CONFIG_UPDATE","E":{now},"T":{now},"ac":{{"s":"{symbol}","l":{leverage}}}}}"#
            )
        } else {
            format!(r#"{{"e":"ACCOUNT_CONFIG_UPDATE","E":{now},"T":{now},"ai":{{"j":true}}}}"#)
        };
        self.tell_privately(text.as_bytes());
        Some(text)
    }

    fn balance_moves(&mut self, fault: &Scheduled) -> Option<String> {
        let now = self.venue.exchange.clock.now();
        let floor = &mut self.venue.exchange.usdm;
        let wallet = floor.venue.account().wallet;
        let amount = Money::from_whole(-((fault.draws[0] % 90_000) as i64));
        let amount = amount.max(Money::from_whole(1_000) - wallet);
        floor
            .venue
            .move_money(now, amount, "WITHDRAW", &mut floor.outputs);
        // It comes back with the end of the faults.
        self.adversary.conditions.push(Condition {
            fault: Scheduled {
                draws: [amount.0.unsigned_abs(), 0, 0],
                ..*fault
            },
            until: self.now + 20 * SECOND,
            place: None,
        });
        Some(format!("{} moved away", amount.0))
    }

    fn status(&mut self, fault: &Scheduled) -> Option<String> {
        let instrument = self.instrument(fault)?;
        self.set_status(instrument.id, false);
        self.adversary.conditions.push(Condition {
            fault: *fault,
            until: self.now + fault.lasts(1_000, 20_000),
            place: None,
        });
        Some(format!("{} does not trade", instrument.symbol.as_str()))
    }

    fn set_status(&mut self, id: InstrumentId, trading: bool) {
        let status = if trading {
            InstrumentStatus::Trading
        } else {
            InstrumentStatus::NotTrading
        };
        self.venue.exchange.usdm.venue.set_status(id, status);
    }

    fn filters(&mut self, fault: &Scheduled) -> Option<String> {
        let instrument = self.instrument(fault)?;
        let mut filters = instrument.filters;
        match fault.kind(3) {
            0 => filters.notional_min = Money(filters.notional_min.0 * 40),
            1 => filters.quantity_max = Quantity(2),
            _ => filters.open_orders_max = 1,
        }
        self.venue
            .exchange
            .usdm
            .venue
            .set_filters(instrument.id, filters);
        self.adversary.conditions.push(Condition {
            fault: *fault,
            until: self.now + fault.lasts(1_000, 20_000),
            place: None,
        });
        Some(format!(
            "{} kind {}",
            instrument.symbol.as_str(),
            fault.kind(3)
        ))
    }

    /// What a condition of this group leaves when it ends.
    pub(super) fn account_heals(&mut self, condition: &Condition) {
        let fault = condition.fault;
        match fault.number {
            50 => {
                let now = self.venue.exchange.clock.now();
                let back = Money(fault.draws[0] as i64);
                let floor = &mut self.venue.exchange.usdm;
                floor
                    .venue
                    .move_money(now, back, "DEPOSIT", &mut floor.outputs);
            }
            51 => {
                if let Some(instrument) = self.instrument(&fault) {
                    self.set_status(instrument.id, true);
                }
            }
            52 => {
                if let Some(instrument) = self.instrument(&fault) {
                    let listed = simulated_exchange::feed::parameters::filters(&instrument);
                    let venue = &mut self.venue.exchange.usdm.venue;
                    venue.set_filters(instrument.id, listed);
                }
            }
            _ => {}
        }
        self.venue.settle();
        self.collect();
    }

    /// Every open order of ours ends, as after maintenance.
    pub(super) fn cancel_everything(&mut self) {
        let now = self.venue.exchange.clock.now();
        for market in [Market::UsdM, Market::Spot] {
            let floor = self.venue.exchange.floor_mut(market);
            let orders = floor.venue.orders();
            let open: Vec<_> = orders
                .filter(|order| !order.state.is_final())
                .map(|order| order.id)
                .collect();
            for id in open {
                let (state, expiry) = (OrderState::Canceled, Expiry::None);
                floor
                    .venue
                    .end_now(now, id, state, expiry, &mut floor.outputs);
            }
        }
        if self.adversary.has_stops {
            self.cancel_conditionals();
        }
        self.venue.settle();
        self.collect();
    }
}

impl Adversary {
    /// There was no occasion: the fault comes again a little later.
    pub(super) fn try_again(&mut self, fault: &Scheduled, now: u64) {
        let end = self.schedule.last().map_or(0, |one| one.at);
        let at = now + SECOND / 2;
        if at >= end {
            return;
        }
        let again = Scheduled { at, ..*fault };
        let place = self.schedule[self.come..].partition_point(|one| one.at <= at);
        self.schedule.insert(self.come + place, again);
    }
}
