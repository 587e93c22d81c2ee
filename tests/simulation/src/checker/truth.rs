//! The exchange's own books against ours.
//!
//! In: the exchange core. Out: violations. Never: what the exchange merely says; it is looked
//! into.

use std::collections::BTreeSet;

use engine::Engine;
use market::{Certainty, Market, OrderState, PendingRequest};
use simulated_exchange::exchange::Exchange;

use super::{Checker, Shadow};
use crate::network::SECOND;

/// A position may differ for this long: a reconciliation comes every minute.
const DIFFERENCE_NS_MAX: u64 = 75 * SECOND;

/// What was told is booked within this time, in a calm world.
const BOOKED_NS: u64 = 12 * SECOND;

/// A statement of the account may be as old as this when it is taken.
const STATEMENT_NS: u64 = 60 * SECOND;

/// A position of the exchange, and up to which trade of the market it is that.
#[derive(Clone, Copy, Debug)]
pub(super) struct Truth {
    since: u64,
    lots: i64,
    to_trade: u64,
}

/// A position that was adopted, when every trade up to one was booked.
#[derive(Clone, Copy, Debug)]
pub(super) struct Statement {
    pub(super) index: usize,
    pub(super) lots: i64,
    pub(super) booked_to: u64,
}

impl Checker {
    /// After every event at the exchange: what was given up never lives (I3, I4).
    pub fn check_refused(&mut self, exchange: &Exchange, now: u64) {
        self.now = now;
        for id in std::mem::take(&mut self.refused_fresh) {
            for market in [Market::UsdM, Market::Spot] {
                let found = exchange.floor(market).venue.order_by_client(&id);
                if let Some(order) = found {
                    let text = format!(
                        "{} was given up and is {} at the exchange",
                        id.as_str(),
                        order.state
                    );
                    self.broken("I4", text);
                }
            }
        }
    }

    /// After a look in agreement: what the exchange did not list, because it had ended before it was
    /// asked, is not believed to be open (I11). `utc_ns` is the exchange's time at `now`, where it
    /// tells when an order has ended.
    pub fn check_believed(
        &mut self,
        exchange: &Exchange,
        engine: &Engine,
        now: u64,
        utc_ns: Option<i64>,
    ) {
        let Some(((market, asked), utc_ns)) = self.agreed.take().zip(utc_ns) else {
            return;
        };
        self.now = now;
        let asked_ms = (utc_ns - (now - asked) as i64) / 1_000_000;
        let venue = &exchange.floor(market).venue;
        for order in engine.orders().live_orders() {
            let settled = order.state.is_final() || order.certainty == Certainty::Unknown;
            let busy = order.pending != PendingRequest::None;
            if settled || busy || order.submitted_at.0 >= asked {
                continue;
            }
            let id = order.new.client_order_id;
            let truth = venue.order_by_client(&id);
            let ended = truth.filter(|one| one.state.is_final() && one.updated.0 < asked_ms);
            if let Some(one) = ended {
                let (name, state) = (id.as_str(), one.state);
                let text =
                    format!("{name} is taken for open after a look, {state} since before it");
                self.broken("I11", text);
            }
        }
    }

    /// An order has just been accepted by the exchange.
    pub fn on_accepted(&mut self, name: &str, now: u64) {
        self.now = now;
        let id = market::ClientOrderId::new(name.as_bytes());
        if let Some(id) = id
            && self.refused.contains(&id)
        {
            self.broken("I4", format!("{name} was given up and is accepted now"));
        }
    }

    /// The exchange's position of each futures instrument, by our numbers.
    pub(super) fn true_positions(&self, exchange: &Exchange) -> Vec<Option<i64>> {
        let venue = &exchange.usdm.venue;
        let place = |symbol: &str| {
            let mut listed = venue.instruments().iter();
            listed.position(|one| one.symbol.as_str() == symbol)
        };
        self.instruments
            .iter()
            .map(|one| {
                let index = place(one.symbol.as_str()).filter(|_| one.market == Market::UsdM)?;
                Some(venue.account().positions[index].quantity.0)
            })
            .collect()
    }

    /// Keeps what the exchange's positions were, for as long as a statement may be under way. What
    /// is adopted was true some time, and not before a trade that is booked already (I11).
    pub fn note_positions(&mut self, exchange: &Exchange, now: u64) {
        let newest = exchange.usdm.venue.fills().next_back();
        let newest = newest.map_or(0, |fill| fill.trade_id.0);
        let traded = std::mem::replace(&mut self.newest_trade, newest) != newest;
        for (index, lots) in self.true_positions(exchange).into_iter().enumerate() {
            let Some(lots) = lots else { continue };
            let history = &mut self.truths[index];
            if history.back().is_none_or(|known| known.lots != lots) {
                history.push_back(Truth {
                    since: now,
                    lots,
                    to_trade: newest,
                });
            } else if let Some(last) = history.back_mut().filter(|_| traded) {
                last.to_trade = newest;
            }
            // The one before the oldest that counts held until then.
            while history.len() > 1 && history[1].since + STATEMENT_NS < now {
                history.pop_front();
            }
        }
        for one in std::mem::take(&mut self.adopted) {
            let mut truths = self.truths[one.index].iter();
            let fits = |known: &Truth| known.lots == one.lots && known.to_trade >= one.booked_to;
            if !truths.any(fits) {
                let truths = self.truths[one.index].clone();
                self.now = now;
                self.broken("I11", format!("{one:?} is adopted, in truth {truths:?}"));
            }
        }
    }

    /// A position that differs for long is a mismatch that nobody opened (I11).
    pub fn watch_positions(&mut self, exchange: &Exchange, engine: &Engine, now: u64) {
        self.now = now;
        let page = engine.account_page();
        let calm = page.user_stream_up && page.reconciled && page.market_stream_up;
        for (index, theirs) in self.true_positions(exchange).into_iter().enumerate() {
            let differs = theirs.is_some_and(|theirs| theirs != self.positions[index]);
            let active = self.state == market::TradingState::Active;
            if !differs || !calm || !active {
                self.differs_since[index] = None;
                continue;
            }
            let since = *self.differs_since[index].get_or_insert(now);
            if now - since > DIFFERENCE_NS_MAX {
                let (ours, theirs) = (self.positions[index], theirs.unwrap_or(0));
                let text = format!("instrument {index}: ours {ours}, theirs {theirs}, ACTIVE");
                self.broken("I11", text);
            }
        }
    }

    /// What an order was told to have filled is booked within a time in which everybody answers,
    /// whether the exchange lists its trades or not.
    pub fn watch_fills(&mut self, now: u64, calm_since: u64) {
        self.now = now;
        if self.holed {
            self.untold.clear();
            return;
        }
        let life = self.life;
        let waits = |one: &Shadow| waits_for_fills(one, life);
        self.untold
            .retain(|id, _| self.orders.get(id).is_some_and(waits));
        for (id, shadow) in &self.orders {
            if waits(shadow) {
                self.untold.entry(*id).or_insert(now);
            }
        }
        let late = |since: &u64| now - calm_since.max(*since) > BOOKED_NS;
        let Some((id, since)) = self.untold.iter().find(|(_, since)| late(since)) else {
            return;
        };
        let (id, waited_s) = (*id, (now - since) / SECOND);
        let one = &self.orders[&id];
        let text = format!(
            "{} is told to have filled {}, and {} are booked after {waited_s} s",
            id.as_str(),
            one.told,
            one.filled
        );
        self.broken("I6", text);
    }

    /// Everything that must agree once the world is quiet. Empty when it does.
    #[must_use]
    pub fn differences(&self, exchange: &Exchange, engine: &Engine) -> Vec<String> {
        let mut all = Vec::new();
        for (index, theirs) in self.true_positions(exchange).into_iter().enumerate() {
            let ours = self.positions[index];
            if theirs.is_some_and(|theirs| theirs != ours) {
                all.push(format!("position {index}: ours {ours}, theirs {theirs:?}"));
            }
        }
        let mut unbooked: Vec<&str> = self
            .orders
            .values()
            .filter(|one| !self.holed && waits_for_fills(one, self.life))
            .map(|one| one.order.client_order_id.as_str())
            .collect();
        unbooked.sort_unstable();
        all.extend(
            unbooked
                .iter()
                .map(|id| format!("fills of {id} are not booked")),
        );
        let theirs: BTreeSet<String> = [Market::UsdM, Market::Spot]
            .iter()
            .flat_map(|market| exchange.floor(*market).venue.orders())
            .filter(|order| !order.state.is_final())
            .map(|order| order.request.client_order_id)
            .filter(|id| self.orders.contains_key(id))
            .map(|id| id.as_str().to_owned())
            .collect();
        let ours: BTreeSet<String> = engine
            .orders()
            .live_orders()
            .filter(|order| !order.state.is_final())
            .map(|order| order.new.client_order_id.as_str().to_owned())
            .collect();
        all.extend(terms_apart(exchange, engine));
        for id in theirs.difference(&ours) {
            all.push(format!("{id} is open at the exchange and not with us"));
        }
        for id in ours.difference(&theirs) {
            let slot = engine
                .orders()
                .live_orders()
                .find(|order| order.new.client_order_id.as_str() == id);
            let state = slot.map(|order| (order.state, order.pending, order.certainty));
            all.push(format!(
                "{id} is open with us and not at the exchange: {state:?}"
            ));
        }
        all
    }

    /// Every order of this life that has ended: what filled here is what filled there (I6).
    pub fn compare_fills(&mut self, exchange: &Exchange, now: u64) {
        self.now = now;
        if self.holed {
            return;
        }
        let mut wrong = Vec::new();
        for market in [Market::UsdM, Market::Spot] {
            for order in exchange.floor(market).venue.orders() {
                let id = order.request.client_order_id;
                let Some(shadow) = self.orders.get(&id) else {
                    continue;
                };
                let ours = shadow.life == self.life && order.state.is_final();
                if ours && shadow.filled != order.filled.0 {
                    let name = id.as_str().to_owned();
                    wrong.push((
                        name,
                        shadow.state,
                        shadow.filled,
                        order.state,
                        order.filled.0,
                    ));
                }
            }
        }
        for (id, state, filled, true_state, truth) in wrong {
            let text = format!("{id}: {state} with {filled}, in truth {true_state} with {truth}");
            let _: OrderState = state;
            self.broken("I6", text);
        }
    }
}

/// Orders that rest at another price or quantity than we think: amendments whose fate was not
/// found out.
fn terms_apart(exchange: &Exchange, engine: &Engine) -> Vec<String> {
    let mut all = Vec::new();
    for order in engine.orders().live_orders() {
        let id = order.new.client_order_id;
        let mut markets = [Market::UsdM, Market::Spot].into_iter();
        let found = markets.find_map(|market| exchange.floor(market).venue.order_by_client(&id));
        let open = found.filter(|one| !one.state.is_final() && !order.state.is_final());
        let Some(truth) = open.map(|one| one.request) else {
            continue;
        };
        let (price, quantity) = (order.new.price, order.new.quantity);
        if price != truth.price || quantity != truth.quantity {
            let ours = (price.0, quantity.0);
            let theirs = (truth.price.0, truth.quantity.0);
            all.push(format!("{}: ours {ours:?}, theirs {theirs:?}", id.as_str()));
        }
    }
    all
}

/// True for an order of this life that was told to have filled more than is booked.
fn waits_for_fills(one: &Shadow, life: u32) -> bool {
    one.life == life && one.told > one.filled
}
