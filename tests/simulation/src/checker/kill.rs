//! The kill: it holds, and it cancels everything (I22, I24); the exchange's countdown beside it.
//!
//! In: kills, resets, power cuts as they happen; the engine's state, the exchange's own lists.
//! Out: violations. Never: what a sweep says of itself, where the exchange can be looked into.

use engine::Engine;
use engine::risk::BreakerMemory;
use market::record::{KillAct, KillStep};
use market::{Market, TradingState};
use matching::Order;
use simulated_exchange::exchange::Exchange;

use super::Checker;
use crate::network::{MS, SECOND};

/// A segment that is latched is seen by the engine within this time.
const SEEN_NS: u64 = 50 * MS;

/// In a calm world everything that a kill found is cancelled within this time.
const SWEPT_NS: u64 = 12 * SECOND;

/// In a calm world a kill is durable within this time.
const DURABLE_NS: u64 = 3 * SECOND;

/// In a calm world an order is under a countdown within this time.
const ARMED_NS: u64 = 8 * SECOND;

/// The present moment, as far as patience depends on it.
#[derive(Clone, Copy, Debug)]
pub struct Moment {
    /// Now.
    pub now: u64,
    /// When the present life began.
    pub born_at: u64,
    /// Since when nothing is done wrong to anybody.
    pub calm_since: u64,
    /// The countdown at the exchange; 0 for none.
    pub countdown_s: u64,
}

/// A kill that holds.
#[derive(Clone, Debug)]
pub(super) struct Killed {
    closes: bool,
    pub(super) since: u64,
    /// Names of what was open at the exchange then.
    found: Vec<String>,
}

impl Checker {
    /// A kill is given.
    pub fn on_kill(&mut self, closes: bool, exchange: &Exchange, now: u64) {
        self.now = now;
        self.hash.word(0x6B69_6C6C ^ u64::from(closes));
        match &mut self.kill {
            Some(kill) => kill.closes |= closes,
            None => {
                let found = names(exchange, &MARKETS).collect();
                self.kill = Some(Killed {
                    closes,
                    since: now,
                    found,
                });
            }
        }
    }

    /// A local reset was taken: nothing may be open then (I24).
    pub fn on_reset(&mut self, now: u64) {
        self.now = now;
        self.hash.word(0x7273_6574);
        self.kill = None;
    }

    /// Power is gone: only a durable latch still holds.
    pub fn on_power_cut(&mut self, durable: Option<bool>, now: u64) {
        self.now = now;
        match (&mut self.kill, durable) {
            (Some(kill), Some(closes)) => kill.closes = closes,
            (Some(_), None) => self.kill = None,
            (None, Some(_)) => {
                self.broken("I22", "a latch on the disk that nobody holds".to_owned());
            }
            (None, None) => {}
        }
    }

    /// Whether a kill holds, with positions closed or kept.
    #[must_use]
    pub fn killed(&self) -> Option<bool> {
        self.kill.as_ref().map(|kill| kill.closes)
    }

    /// Orders of both kinds that are open at the exchange, whosever they are.
    #[must_use]
    pub fn open_at(&self, exchange: &Exchange) -> usize {
        names(exchange, &MARKETS).count()
    }

    /// What a kill has left at the exchange.
    #[must_use]
    pub fn left_by_kill(&self, exchange: &Exchange, closes: bool) -> Vec<String> {
        let mut left: Vec<String> = names(exchange, &MARKETS)
            .map(|name| format!("{name} is open after a kill"))
            .collect();
        let account = exchange.usdm.venue.account();
        for (index, position) in account.positions.iter().enumerate() {
            if closes && !position.quantity.is_zero() {
                let lots = position.quantity.0;
                left.push(format!("futures {index}: {lots} lots after a kill"));
            }
        }
        left
    }

    /// A step of a sweep, from the journal.
    pub(super) fn on_kill_step(&mut self, step: &KillStep) {
        if step.act == KillAct::Verified {
            self.verified_fresh = Some(step.market);
        }
    }

    /// A sweep that calls itself verified has left nothing of what the kill found (I24).
    pub fn check_verified(&mut self, exchange: &Exchange, now: u64) {
        self.now = now;
        if let Some(market) = self.verified_fresh.take()
            && let Some(name) = self.left_of_found(exchange, &[market])
        {
            self.broken("I24", format!("verified, and {name} is open"));
        }
    }

    fn left_of_found(&self, exchange: &Exchange, of: &[Market]) -> Option<String> {
        let found = &self.kill.as_ref()?.found;
        names(exchange, of).find(|name| found.contains(name))
    }

    /// The acknowledgement says durable only of what is on the disk, and in a calm world every
    /// kill gets there (I22).
    pub fn check_durable(&mut self, claimed: bool, on_disk: bool, moment: &Moment) {
        if claimed && !on_disk {
            self.broken("I22", "called durable, and not on the disk".to_owned());
        }
        let Some(kill) = &self.kill else { return };
        let since = kill.since.max(moment.born_at).max(moment.calm_since);
        if !on_disk && moment.now - since > DURABLE_NS {
            self.broken(
                "I22",
                "a kill is not on the disk in a calm world".to_owned(),
            );
        }
    }

    /// The engine is killed while a kill holds, and only then (I22); in a calm world nothing of
    /// what the kill found stays (I24).
    pub fn check_kill(&mut self, exchange: &Exchange, engine: &Engine, moment: &Moment) {
        self.now = moment.now;
        let is_killed = engine.trading_state().0 == TradingState::Killed;
        let Some(kill) = &self.kill else {
            if is_killed {
                self.broken("I22", "KILLED, and nobody has killed".to_owned());
            }
            return;
        };
        let since = kill.since.max(moment.born_at);
        if !is_killed && moment.now - since > SEEN_NS {
            let state = engine.trading_state().0;
            let text = format!(
                "{state} under a kill of {} ms ago",
                (moment.now - since) / MS
            );
            return self.broken("I22", text);
        }
        let calm_ns = moment.now - since.max(moment.calm_since);
        if calm_ns > SWEPT_NS
            && let Some(name) = self.left_of_found(exchange, &MARKETS)
        {
            self.broken(
                "I24",
                format!("{name} is open {} s after", calm_ns / SECOND),
            );
        }
    }

    /// What rests at the exchange in a calm world is under its countdown (I24): it is one of the
    /// entrances of a kill, where everything of ours is dead.
    pub fn check_countdown(&mut self, exchange: &Exchange, moment: &Moment) {
        let since = moment.calm_since.max(moment.born_at);
        if moment.countdown_s == 0 || moment.now < since + ARMED_NS || self.kill.is_some() {
            return;
        }
        let floor = &exchange.usdm;
        let now_ns = exchange.clock.now_ns();
        for instrument in floor.venue.instruments() {
            let old = |order: &&Order| {
                let age_ms = now_ns / 1_000_000 - order.created.0;
                is_ours(order) && age_ms > (ARMED_NS / MS) as i64
            };
            let mut open = floor.venue.open_orders(instrument.id).filter(old);
            let Some(order) = open.next() else { continue };
            let left_ns = floor.countdown(instrument.id).map(|at| at - now_ns);
            if left_ns.is_none_or(|left| left <= 0) {
                let id = order.request.client_order_id;
                let text = format!("{} rests under a countdown of {left_ns:?} ns", id.as_str());
                return self.broken("I24", text);
            }
        }
    }

    /// What the breakers remembered holds in the next life (I17).
    pub fn check_memory(&mut self, kept: &BreakerMemory, now_has: &BreakerMemory, now: u64) {
        self.now = now;
        let latches = kept.tripped & !now_has.tripped == 0
            && kept.latched_strategies & !now_has.latched_strategies == 0;
        let measures = now_has.day >= kept.day
            && now_has.level >= kept.level
            && now_has.loss_streak >= kept.loss_streak
            && now_has.day_start == kept.day_start
            && now_has.high_water == kept.high_water;
        if !latches || !measures {
            let text = format!("a fresh allowance by a restart: {kept:?} became {now_has:?}");
            self.broken("I17", text);
        }
    }
}

fn is_ours(order: &Order) -> bool {
    order.request.client_order_id.as_str().starts_with("fu")
}

const MARKETS: [Market; 2] = [Market::UsdM, Market::Spot];

/// Names of everything open at the exchange in these markets, ordinary and conditional.
fn names<'a>(exchange: &'a Exchange, of: &'a [Market]) -> impl Iterator<Item = String> + 'a {
    let ordinary = of.iter().flat_map(|market| {
        let all = exchange.floor(*market).venue.orders();
        all.filter(|order| !order.state.is_final())
            .map(|order| order.request.client_order_id.as_str().to_owned())
    });
    let conditional = of.iter().flat_map(|market| {
        let all = exchange.floor(*market).conditional.open();
        all.map(|order| order.request.client_id.as_str().to_owned())
    });
    ordinary.chain(conditional)
}
