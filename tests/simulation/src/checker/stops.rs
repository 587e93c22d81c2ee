//! Protective stops: what lies at the exchange against what is held (decision 0009).
//!
//! In: calls before the network has them, steps of the journal, the exchange's own conditional
//! orders, positions and trades. Out: violations. Never: what the machine believes of its stops.

use std::collections::HashSet;

use binance::session::ProtectSettings;
use engine::Engine;
use market::record::{Fill, ProtectionAct, ProtectionStep, TradeClosed};
use market::{ClientOrderId, ExitReason, InstrumentId, Market, OrderType, Side, TradingState};
use matching::{Conditional, ConditionalKind};
use simulated_exchange::exchange::Exchange;

use super::{Checker, Moment};
use crate::network::{MS, RestCall, SECOND};

/// Ids of our stops begin so.
const PREFIX: &str = "fulcrum-stop-";

/// "Order would immediately trigger."
const WOULD_TRIGGER: i64 = -2021;

/// What is wrong is put right within a look at the list and this.
const MENDED_NS: u64 = 8 * SECOND;

/// A kill is known to whoever places stops within this time.
const KNOWN_NS: u64 = 50 * MS;

/// What is known of stops.
#[derive(Debug, Default)]
pub(super) struct Stops {
    /// None where the seed has none.
    settings: Option<ProtectSettings>,
    /// Ids that were written, of all lives.
    written: HashSet<String>,
    /// Ids that were told to have ended, or never to have been.
    over: HashSet<ClientOrderId>,
    /// Ids that were told to lie there, since the last look.
    claimed: Vec<ClientOrderId>,
    /// Instruments whose stop is not as it should be, and since when.
    wrong_since: Vec<Option<u64>>,
    /// Instruments where a stop at its distance would have triggered.
    beyond: Vec<bool>,
    /// This life has agreed with the exchange.
    agreed: bool,
    /// The newest trade then; what came before may be in what was adopted.
    trades_since: Option<u64>,
    /// The last fill was a stop's, of this instrument.
    by_stop: Option<InstrumentId>,
    /// Steps by act, of all lives.
    steps: [u64; ProtectionAct::ALL.len()],
}

impl Stops {
    pub(super) fn on_birth(&mut self, settings: Option<ProtectSettings>, instruments: usize) {
        self.settings = settings;
        self.wrong_since = vec![None; instruments];
        self.beyond = vec![false; instruments];
        (self.agreed, self.trades_since) = (false, None);
        self.by_stop = None;
    }

    pub(super) const fn on_agreed(&mut self) {
        self.agreed = true;
    }

    pub(super) fn on_fill(&mut self, fill: &Fill) {
        let of_stop = fill.client_order_id.as_str().starts_with(PREFIX);
        self.by_stop = of_stop.then_some(fill.instrument);
    }

    /// How long it may take until a list shows what nobody told.
    pub(super) fn patience_ns(&self) -> u64 {
        let every = self.settings.map_or(0, |one| one.check_every_ns);
        every + MENDED_NS
    }
}

impl Checker {
    /// A call about one stop leaves: it is one of ours, can only close, and is placed once (I3).
    pub(super) fn on_stop_call(&mut self, call: &RestCall) {
        let target = &call.request.call;
        if target.path != "/fapi/v1/algoOrder" {
            return;
        }
        let value = |key: &str| {
            let mut parts = target.query.split('&');
            parts.find_map(|part| part.strip_prefix(key)?.strip_prefix('='))
        };
        let method = target.method.as_str();
        let name = value("clientAlgoId").unwrap_or_default().to_owned();
        let closes = value("closePosition") == Some("true")
            && value("type") == Some("STOP_MARKET")
            && value("algoType") == Some("CONDITIONAL")
            && value("quantity").is_none();
        if !name.starts_with(PREFIX) {
            return self.broken("STOP", format!("{method} of `{name}`, which is not ours"));
        }
        if method != "POST" {
            return;
        }
        if !closes {
            self.broken("STOP", format!("a stop that may open: {}", target.query));
        }
        if !self.stops.written.insert(name.clone()) {
            self.broken("I3", format!("{name} is sent again"));
        }
        let since = self.kill.as_ref().map(|kill| kill.since.max(self.born_at));
        if since.is_some_and(|since| self.now - since > KNOWN_NS) {
            self.broken("I24", format!("{name} is placed under a kill"));
        }
    }

    /// A step of the machine, from the journal.
    pub(super) fn on_protection(&mut self, step: &ProtectionStep) {
        let id = step.client_algo_id;
        let act = ProtectionAct::ALL.iter().position(|one| *one == step.act);
        self.stops.steps[act.expect("one of all")] += 1;
        match step.act {
            ProtectionAct::Placed | ProtectionAct::Replaced | ProtectionAct::Adopted => {
                self.stops.claimed.push(id);
            }
            ProtectionAct::Unknown | ProtectionAct::LeftToOther => {}
            ProtectionAct::Cancelled
            | ProtectionAct::OrphanCancelled
            | ProtectionAct::Triggered
            | ProtectionAct::Lost
            | ProtectionAct::Refused
            | ProtectionAct::NeverThere => {
                self.stops.over.insert(id);
            }
        }
        if let Some(place) = step.instrument
            && step.error_code == WOULD_TRIGGER
        {
            self.stops.beyond[usize::from(place.0)] = true;
        }
    }

    /// What a stop of ours closes, it closes by its own name.
    pub(super) fn on_trade_closed(&mut self, closed: &TradeClosed) {
        let misnamed = matches!(closed.reason, ExitReason::Operator | ExitReason::Venue);
        if self.stops.by_stop == Some(closed.instrument) && misnamed {
            self.broken("STOP", format!("closed by a stop, and told as {closed:?}"));
        }
    }

    /// What is told of stops is so; and in a calm world each position has its stop, and nothing
    /// else has one.
    pub fn check_stops(&mut self, exchange: &Exchange, engine: &Engine, moment: &Moment) {
        self.now = moment.now;
        if self.stops.settings.is_none() {
            return;
        }
        if self.stops.agreed && self.stops.trades_since.is_none() {
            let newest = exchange.usdm.venue.fills().next_back();
            self.stops.trades_since = Some(newest.map_or(0, |fill| fill.trade_id.0));
        }
        for name in std::mem::take(&mut self.stops.claimed) {
            if exchange.usdm.conditional.by_client(&name).is_none() {
                self.broken("STOP", format!("{} was never there", name.as_str()));
            }
        }
        let mut open = exchange.usdm.conditional.open();
        let risen = open.find(|one| self.stops.over.contains(&one.request.client_id));
        if let Some(one) = risen {
            let name = one.request.client_id;
            self.broken("STOP", format!("{} had ended, and rests", name.as_str()));
        }
        let page = engine.account_page();
        let able = page.reconciled
            && page.trading_state != TradingState::Killed
            && self.kill.is_none()
            && !self.is_silent(moment.now);
        for (index, truth) in self.true_positions(exchange).into_iter().enumerate() {
            let agreed = truth.filter(|truth| able && *truth == self.positions[index]);
            let wrong = agreed.and_then(|held| self.stop_wrong(exchange, index, held));
            self.stops.beyond[index] &= truth.is_some_and(|held| held != 0);
            let Some(wrong) = wrong else {
                self.stops.wrong_since[index] = None;
                continue;
            };
            let since = *self.stops.wrong_since[index].get_or_insert(moment.now);
            let since = since.max(moment.calm_since).max(moment.born_at);
            if moment.now - since > self.stops.patience_ns() {
                let text = format!("{wrong} for {} s", (moment.now - since) / SECOND);
                self.broken("STOP", text);
            }
        }
    }

    /// What is not right yet, once the world is quiet.
    #[must_use]
    pub fn stops_left(&self, exchange: &Exchange) -> Vec<String> {
        if self.stops.settings.is_none() || self.kill.is_some() {
            return Vec::new();
        }
        let truths = self.true_positions(exchange).into_iter().enumerate();
        truths
            .filter_map(|(index, held)| self.stop_wrong(exchange, index, held?))
            .collect()
    }

    /// What happened to stops, by act.
    #[must_use]
    pub fn stop_steps(&self) -> Vec<u64> {
        self.stops.steps.to_vec()
    }

    /// For how long phase two waits for stops.
    #[must_use]
    pub fn stops_patience_ns(&self) -> u64 {
        match self.stops.settings {
            Some(_) => self.stops.patience_ns(),
            None => 0,
        }
    }

    /// What is wrong with the stops of an instrument of which so many lots are held.
    fn stop_wrong(&self, exchange: &Exchange, index: usize, held: i64) -> Option<String> {
        let settings = self.stops.settings.as_ref()?;
        let symbol = self.instruments[index].symbol;
        let floor = &exchange.usdm;
        let mut listed = floor.venue.instruments().iter();
        let instrument = listed.find(|one| one.symbol == symbol)?;
        let here: Vec<&Conditional> = floor
            .conditional
            .open()
            .filter(|one| one.request.instrument == instrument.id)
            .collect();
        let is_ours = |one: &&&Conditional| one.request.client_id.as_str().starts_with(PREFIX);
        let ours = here.iter().filter(is_ours).count();
        if held == 0 {
            return (ours > 0).then(|| format!("{symbol}: {ours} stops, and nothing is held"));
        }
        let closing = if held > 0 { Side::Sell } else { Side::Buy };
        let fits = |one: &&&Conditional| {
            let request = &one.request;
            request.side == closing
                && request.close_position
                && request.kind == ConditionalKind::Stop
                && request.order_type == OrderType::Market
        };
        let right: Vec<_> = here.iter().filter(is_ours).filter(fits).collect();
        // The exchange takes one such stop a direction, whosever it is.
        let others = here
            .iter()
            .filter(|one| !is_ours(one))
            .any(|one| fits(&one));
        if ours != right.len() || right.len() > 1 {
            return Some(format!("{symbol}: {ours} stops at {held} lots"));
        }
        let Some(stop) = right.first() else {
            return (!others).then(|| format!("{symbol}: no stop at {held} lots"));
        };
        let position = floor.venue.account().positions[usize::from(instrument.id.0)];
        let grain = instrument.notional(market::Price(1_000), position.quantity.magnitude());
        let entry = i128::from(position.cost.0.abs()) * 1_000 / i128::from(grain.0.max(1));
        let share = |bps: i64| entry * i128::from(bps) / 10_000;
        // Positive where it lies further away than it should.
        let sign = i128::from(closing.sign());
        let trigger = i128::from(stop.request.trigger_price.0);
        let further = sign * (trigger - entry) - share(settings.distance_bps);
        let room = share(settings.replace_above_bps) + 3;
        let far = further > room && !self.stops.beyond[index];
        (further < -room || far).then(|| {
            format!("{symbol}: a stop at {trigger} for {held} lots at {entry}, {settings:?}")
        })
    }

    /// What stops have closed in this life is booked, trade by trade.
    pub fn compare_stop_fills(&mut self, exchange: &Exchange) {
        let Some(since) = self.stops.trades_since.filter(|_| !self.holed) else {
            return;
        };
        let venue = &exchange.usdm.venue;
        let mut missing = Vec::new();
        for order in venue.orders() {
            if !order.request.client_order_id.as_str().starts_with(PREFIX) {
                continue;
            }
            let fills = venue.fills().filter(|fill| fill.order_id == order.id);
            for fill in fills.filter(|fill| fill.trade_id.0 > since) {
                let listed = venue.instruments()[usize::from(fill.instrument.0)];
                let same = |one: &&market::Instrument| {
                    one.market == Market::UsdM && one.symbol == listed.symbol
                };
                let ours = self.instruments.iter().find(same).map(|one| one.id);
                let booked = ours.is_some_and(|id| self.trades.contains(&(id, fill.trade_id)));
                if !booked {
                    missing.push((order.request.client_order_id, fill.trade_id.0));
                }
            }
        }
        for (name, trade) in missing {
            let name = name.as_str();
            self.broken("STOP", format!("trade {trade} of {name} is not booked"));
        }
    }
}
