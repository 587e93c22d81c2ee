//! What the journal says, record by record.
//!
//! In: decoded records in order. Out: shadow orders and positions, violations. Never: a look into
//! the engine.

use engine::event::StreamKind;
use ipc::journal::Cursor;
use market::record::{
    AmendIntent, Amended, Denial, DifferenceFate, Fill, Intent, JournalRecord, OrderChange,
    PositionRecord, Record, TradingStateChange,
};
use market::{
    BookState, Certainty, ClientOrderId, DenialCode, Instrument, InstrumentId, Market, NewOrder,
    OrderState, RequestKind, TradingState, WANTED_WINDOW_MS,
};
use std::collections::VecDeque;

use super::{Checker, Shadow, signed};
use crate::network::{MS, SECOND};

/// `recvWindow` of orders that open, and what I4 adds to it.
const RECV_WINDOW_MS: u64 = 1_000;
const MARGIN_MS: u64 = 2_000;

/// Market data is stale a little after this.
const STALE_NS: u64 = 3_050 * MS;

impl Checker {
    /// One record; `None` for bytes that are no record.
    pub fn on_journal(&mut self, record: Option<JournalRecord>, cursor: Cursor, now: u64) {
        self.now = now;
        self.last_cursor = Some(cursor);
        let Some(record) = record else {
            return self.broken(
                "I25",
                "the journal holds bytes that are no record".to_owned(),
            );
        };
        self.fresh = true;
        if self.recent.len() == super::RECENT {
            self.recent.pop_front();
        }
        self.recent.push_back(record);
        self.holed |= record.sequence != self.journal_sequence + 1;
        self.journal_sequence = record.sequence;
        self.hash.word(record.sequence);
        self.hash.word(record.time.0);
        match record.body {
            Record::Intent(intent) => self.on_intent(&intent),
            Record::AmendIntent(intent) => self.on_amend_intent(&intent),
            Record::Amended(amended) => self.on_amended_record(&amended),
            Record::Denial(denial) => self.on_denial(&denial),
            Record::OrderChange(change) => self.on_change(&change),
            Record::Fill(fill) => self.on_fill(&fill),
            Record::TradingState(change) => self.on_state(change),
            Record::Position(position) => self.on_position(&position),
            Record::KillStep(step) => self.on_kill_step(&step),
            Record::Reconciled(_) => {
                self.reconciled = true;
                self.agreed = self.look.take();
                self.stops.on_agreed();
            }
            Record::Protection(step) => self.on_protection(&step),
            Record::TradeClosed(closed) => self.on_trade_closed(&closed),
            Record::BookState(change) => {
                let usable = change.to == BookState::Synced;
                if usable && !self.holed {
                    self.check_joined(usize::from(change.instrument.0));
                }
                self.book_usable[usize::from(change.instrument.0)] = usable;
            }
            Record::Difference(difference) if difference.fate == DifferenceFate::Adopted => {
                self.check_clear(difference.instrument);
            }
            Record::Adopted(adopted) => {
                let known = self.orders.get(&adopted.client_order_id);
                if known.is_none_or(|one| !one.written) {
                    let id = adopted.client_order_id;
                    self.broken("I15", format!("adopted {} was never ours", id.as_str()));
                }
            }
            _ => {}
        }
    }

    fn on_state(&mut self, change: TradingStateChange) {
        if self.states.len() < super::STATES_MAX {
            self.states.push((self.now, change));
        }
        // Only a signed reset leads out, and it takes the kill off before.
        if change.from == TradingState::Killed && self.kill.is_some() {
            self.broken("I22", format!("KILLED became {}", change.to));
        }
        let trades = matches!(change.to, TradingState::Active | TradingState::Reducing);
        if trades && !self.reconciled && !self.holed {
            self.broken("I23", format!("{} before reconciliation", change.to));
        }
        self.state = change.to;
    }

    /// A position is taken over from the exchange only when nothing of our own is open in its
    /// market: no fate, no fill that was told (I11).
    fn check_clear(&mut self, instrument: InstrumentId) {
        let life = self.life;
        let market_of = |id: InstrumentId| self.instruments[usize::from(id.0)].market;
        let market = market_of(instrument);
        let open = |one: &&Shadow| {
            let here = one.life == life && market_of(one.order.instrument) == market;
            here && (one.doubtful || one.told > one.filled)
        };
        let mut all: Vec<_> = self.orders.values().filter(open).collect();
        all.sort_by_key(|one| one.order.client_order_id);
        if let Some(one) = all.first().filter(|_| !self.holed) {
            let id = one.order.client_order_id;
            let text = format!("a position is adopted while {} is in doubt", id.as_str());
            self.broken("I11", text);
        }
    }

    fn on_amended_record(&mut self, amended: &Amended) {
        if let Some(shadow) = self.orders.get_mut(&amended.client_order_id) {
            shadow.order.price = amended.price;
            shadow.order.quantity = amended.quantity;
            let most = shadow.quantity_most.max(amended.quantity.0);
            shadow.quantity_most = most;
        }
    }

    fn on_position(&mut self, position: &PositionRecord) {
        let index = usize::from(position.instrument.0);
        let from_fill = self.last_fill.take() == Some(position.instrument);
        let ours = self.positions[index];
        // On spot a fee in what was bought makes the position smaller than its fills.
        let futures = self.instruments[index].market == Market::UsdM;
        if futures && from_fill && !self.holed && ours != position.quantity.0 {
            let text = format!("after a fill {}, ours {ours}", position.quantity.0);
            self.broken("I11", text);
        }
        self.flats[index].unclear |= !from_fill;
        // What a statement of the exchange put there was true some time. What a start remembers is as
        // old as its last agreement; the trades since follow.
        let remembered = self.now == self.born_at;
        if futures && !from_fill && !remembered && !self.holed {
            self.adopted.push(super::Statement {
                index,
                lots: position.quantity.0,
                booked_to: self.booked_to[index],
            });
        }
        self.positions[index] = position.quantity.0;
    }

    fn on_intent(&mut self, intent: &Intent) {
        let order = intent.order;
        let id = order.client_order_id;
        if !self.reconciled && !self.holed {
            self.broken("I23", format!("{} before reconciliation", id.as_str()));
        }
        if !self.intents.insert(order.intent.0) {
            self.broken("I1", format!("intent {} twice", order.intent.0));
        }
        self.check_limits(intent);
        let shadow = Shadow {
            order,
            life: self.life,
            state: OrderState::Submitted,
            filled: 0,
            told: 0,
            doubtful: false,
            written: false,
            decided_at: self.now,
            asked: None,
            not_found: Vec::new(),
            quantity_most: order.quantity.0,
            outside: false,
            amendments: VecDeque::new(),
        };
        if self.orders.insert(id, shadow).is_some() {
            self.broken("I2", format!("{} was used before", id.as_str()));
        }
    }

    /// An amendment is a new decision about an order that lives: what is left of it is held to the
    /// limits as a new order would be.
    fn on_amend_intent(&mut self, intent: &AmendIntent) {
        let amend = intent.amend;
        let id = amend.order.client_order_id;
        if !self.intents.insert(amend.decision.0) {
            self.broken("I1", format!("intent {} twice", amend.decision.0));
        }
        let Some(shadow) = self.orders.get_mut(&id) else {
            return self.broken("I16", format!("{} is amended and unknown", id.as_str()));
        };
        let filled = shadow.filled;
        shadow.amendments.clear();
        shadow.amendments.push_back(amend.order);
        shadow.quantity_most = shadow.quantity_most.max(amend.order.quantity.0);
        if shadow.state.is_final() {
            self.broken("I5", format!("{} is amended after its end", id.as_str()));
        }
        // It takes its own place: without it in the sums.
        let state = self
            .orders
            .get_mut(&id)
            .map(|shadow| std::mem::replace(&mut shadow.state, OrderState::Canceled));
        let rest = NewOrder {
            quantity: market::Quantity(amend.order.quantity.0 - filled),
            ..amend.order
        };
        self.check_limits(&Intent {
            order: rest,
            trigger: intent.trigger,
            mid: intent.mid,
        });
        if let Some((shadow, state)) = self.orders.get_mut(&id).zip(state) {
            shadow.state = state;
        }
    }

    /// State, limits and books at the moment of a decision (I7, I17, I19).
    fn check_limits(&mut self, intent: &Intent) {
        let order = intent.order;
        let Some(instrument) = self.instrument(order.instrument).copied() else {
            return self.broken("I16", "an instrument that is not in the table".to_owned());
        };
        let index = usize::from(order.instrument.0);
        let held = self.positions[index];
        let opposes = held.signum() == -order.side.sign();
        let futures = instrument.market == Market::UsdM;
        // What may fill on this side besides, by our own count.
        let open: i64 = self
            .orders
            .values()
            .filter(|one| one.life == self.life && !one.state.is_final())
            .filter(|one| one.order.instrument == order.instrument && one.order.side == order.side)
            .map(|one| (one.order.quantity.0 - one.filled).max(0))
            .sum();
        let reduces = if order.reduce_only && futures {
            opposes
        } else {
            opposes && order.quantity.0 + open <= held.abs()
        };
        let spot_sell = !futures && order.side == market::Side::Sell;
        match self.state {
            TradingState::Active => {}
            TradingState::Reducing | TradingState::Killed if reduces || spot_sell || self.holed => {
            }
            state => self.broken("I19", format!("{order:?} while {state}, position {held}")),
        }
        // What is kept by a kill is nobody's to work with.
        if self.state == TradingState::Killed && self.killed() == Some(false) {
            self.broken(
                "I24",
                format!("{order:?} after a kill that keeps positions"),
            );
        }
        if reduces || spot_sell || order.reduce_only {
            return;
        }
        self.check_conditions(&order, &instrument);
        let Some(risk) = self.config.as_ref().map(|config| config.risk) else {
            return;
        };
        let notional = instrument.notional(order.price, order.quantity);
        if notional > risk.order_notional_max {
            self.broken("I17", format!("{order:?} is worth {notional:?}"));
        }
        // Where records were lost, what is held and open is known to the engine alone.
        if self.holed {
            return;
        }
        let worst = held * order.side.sign() + open + order.quantity.0;
        let worth = instrument.notional(order.price, market::Quantity(worst));
        if worth > risk.position_notional_max {
            self.broken(
                "I17",
                format!("{order:?} on {held} with {open} open: {worth:?}"),
            );
        }
    }

    /// Books, streams and clock behind an order that opens (I7, I21).
    fn check_conditions(&mut self, order: &NewOrder, instrument: &Instrument) {
        let index = usize::from(order.instrument.0);
        if !self.book_usable[index] {
            self.broken(
                "I7",
                format!("an entry on a book that is not usable: {order:?}"),
            );
        }
        if self.continuity[index].is_broken() {
            self.broken("I7", format!("an entry after a gap: {order:?}"));
        }
        let age_ns = self.now - self.depth_at[index];
        if age_ns > STALE_NS {
            let text = format!("an entry on data of {} ms ago: {order:?}", age_ns / MS);
            self.broken("I7", text);
        }
        let down = |kind: &StreamKind| {
            let up = self.streams_up.get(&(instrument.market, *kind));
            up != Some(&true)
        };
        let kinds = [StreamKind::Market, StreamKind::User, StreamKind::Orders];
        if let Some(kind) = kinds.into_iter().find(down) {
            self.broken("I7", format!("an entry without {kind:?}: {order:?}"));
        }
        if self.now < self.clock_doubted_until {
            self.broken("I21", format!("an entry by a doubtful clock: {order:?}"));
        }
    }

    fn on_denial(&mut self, denial: &Denial) {
        *self.denials.entry(denial.code.as_str()).or_default() += 1;
        let limits = matches!(
            denial.code,
            DenialCode::PositionLimit
                | DenialCode::NotionalExceedsMaximum
                | DenialCode::QuantityExceedsMaximum
                | DenialCode::OpenOrdersLimit
                | DenialCode::ExposureLimit
                | DenialCode::GrossExposureLimit
                | DenialCode::LeverageLimit
                | DenialCode::RateLimitExceeded
                | DenialCode::ClockUnsafe
                | DenialCode::JournalFull
                | DenialCode::DailyLossLimit
                | DenialCode::DrawdownLimit
        );
        let order = denial.order;
        let held = self.positions[usize::from(order.instrument.0)];
        if order.reduce_only && held.signum() == -order.side.sign() && limits {
            let text = format!("{} for {order:?} at position {held}", denial.code);
            self.broken("I18", text);
        }
    }

    fn on_change(&mut self, change: &OrderChange) {
        let id = change.client_order_id;
        let Some(shadow) = self.orders.get_mut(&id) else {
            if self.holed {
                return;
            }
            return self.broken("I15", format!("{} is no order of ours", id.as_str()));
        };
        let from = std::mem::replace(&mut shadow.state, change.state);
        shadow.told = shadow.told.max(change.cumulative_quantity.0);
        shadow.doubtful = change.certainty == Certainty::Unknown && !change.state.is_final();
        let over = change.cumulative_quantity.0 > shadow.quantity_most;
        if rank(change.state) < rank(from) || (from.is_final() && from != change.state) {
            // A life that adopts begins anew, with what the exchange states.
            if shadow.life == self.life {
                let text = format!("{}: {from} -> {}", id.as_str(), change.state);
                return self.broken("I5", text);
            }
        }
        if over {
            let told = change.cumulative_quantity.0;
            self.broken(
                "I6",
                format!("{} is told to have filled {told}", id.as_str()),
            );
        }
        let given_up = change.state == OrderState::Rejected && self.refused.insert(id);
        if given_up {
            self.refused_fresh.push(id);
        }
        if given_up && change.request == Some(RequestKind::Query) {
            self.check_given_up(&id);
        }
    }

    /// Two answers "not found" to queries a second apart, both after the window (I4).
    fn check_given_up(&mut self, id: &ClientOrderId) {
        let Some(shadow) = self.orders.get(id) else {
            return;
        };
        let window_ms = if shadow.order.reduce_only {
            u64::from(WANTED_WINDOW_MS)
        } else {
            RECV_WINDOW_MS
        };
        let closed = shadow.decided_at + (window_ms + MARGIN_MS) * MS;
        let counted = shadow.not_found.iter().filter(|at| **at >= closed);
        let (first, last) = (counted.clone().min(), counted.max());
        let apart = first.zip(last).map_or(0, |(first, last)| last - first);
        if apart + MS < SECOND {
            let (asked, id) = (shadow.not_found.clone(), id.as_str());
            let text = format!("{id} is given up; window closed at {closed}, queries {asked:?}");
            self.broken("I4", text);
        }
    }

    fn on_fill(&mut self, fill: &Fill) {
        let index = usize::from(fill.instrument.0);
        self.positions[index] += signed(fill.side, fill.quantity);
        self.last_fill = Some(fill.instrument);
        self.keep_fill(fill);
        self.stops.on_fill(fill);
        if fill.trade_id.0 != 0 && !self.trades.insert((fill.instrument, fill.trade_id)) {
            self.broken("I6", format!("trade {} twice", fill.trade_id.0));
        }
        let Some(shadow) = self.orders.get_mut(&fill.client_order_id) else {
            return;
        };
        shadow.filled += fill.quantity.0;
        let (filled, whole) = (shadow.filled, shadow.quantity_most);
        if filled > whole {
            let id = fill.client_order_id;
            self.broken("I6", format!("{}: {filled} of {whole}", id.as_str()));
        }
    }
}

const fn rank(state: OrderState) -> u8 {
    match state {
        OrderState::Initialized => 0,
        OrderState::Submitted => 1,
        OrderState::Accepted => 2,
        OrderState::PartiallyFilled => 3,
        _ => 4,
    }
}
