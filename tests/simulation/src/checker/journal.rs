//! What the journal says, record by record.
//!
//! In: decoded records in order. Out: shadow orders and positions, violations. Never: a look into
//! the engine.

use ipc::journal::Cursor;
use std::collections::VecDeque;

use market::record::{AmendIntent, Denial, Fill, Intent, JournalRecord, OrderChange, Record};
use market::{BookState, DenialCode, Market, NewOrder, OrderState, TradingState};

use super::{Checker, Shadow, signed};

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
            Record::Amended(amended) => {
                if let Some(shadow) = self.orders.get_mut(&amended.client_order_id) {
                    shadow.order.price = amended.price;
                    shadow.order.quantity = amended.quantity;
                    let most = shadow.quantity_most.max(amended.quantity.0);
                    shadow.quantity_most = most;
                }
            }
            Record::Denial(denial) => self.on_denial(&denial),
            Record::OrderChange(change) => self.on_change(&change),
            Record::Fill(fill) => self.on_fill(&fill),
            Record::TradingState(change) => {
                if change.from == TradingState::Killed {
                    self.broken("I22", format!("KILLED became {}", change.to));
                }
                self.state = change.to;
            }
            Record::Position(position) => {
                let index = usize::from(position.instrument.0);
                let from_fill = self.last_fill.take() == Some(position.instrument);
                let ours = self.positions[index];
                // On spot a fee in what was bought makes the position smaller than its fills.
                let futures = self.instruments[index].market == Market::UsdM;
                if futures && from_fill && !self.holed && ours != position.quantity.0 {
                    let text = format!("after a fill {}, ours {ours}", position.quantity.0);
                    self.broken("I11", text);
                }
                self.positions[index] = position.quantity.0;
            }
            Record::Reconciled(_) => self.reconciled = true,
            Record::BookState(change) => {
                let usable = change.to == BookState::Synced;
                self.book_usable[usize::from(change.instrument.0)] = usable;
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
            written: false,
            quantity_most: order.quantity.0,
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
            TradingState::Reducing | TradingState::Killed if reduces || spot_sell => {}
            state => self.broken("I19", format!("{order:?} while {state}, position {held}")),
        }
        if reduces || spot_sell || order.reduce_only {
            return;
        }
        if !self.book_usable[index] {
            self.broken(
                "I7",
                format!("an entry on a book that is not usable: {order:?}"),
            );
        }
        if self.continuity[index].is_broken() {
            self.broken("I7", format!("an entry after a gap: {order:?}"));
        }
        let Some(risk) = self.config.as_ref().map(|config| config.risk) else {
            return;
        };
        let notional = instrument.notional(order.price, order.quantity);
        if notional > risk.order_notional_max {
            self.broken("I17", format!("{order:?} is worth {notional:?}"));
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
        if change.state == OrderState::Rejected && self.refused.insert(id) {
            self.refused_fresh.push(id);
        }
    }

    fn on_fill(&mut self, fill: &Fill) {
        let index = usize::from(fill.instrument.0);
        self.positions[index] += signed(fill.side, fill.quantity);
        self.last_fill = Some(fill.instrument);
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
