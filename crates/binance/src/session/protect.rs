//! The stop at the exchange: each position of ours has one that works without us.
//!
//! In: what is held of each instrument, replies, the time. Out: `algoOrder` calls that place,
//! cancel and ask for stops which close the position; a [`ProtectionStep`] for all that happens.
//! Never: a stop sent again while its fate is not known, an order that could open a position, a
//! stop of somebody else cancelled.
//!
//! ```text
//! list at start and every so often:  ours without a position, doubled, of strange symbols -> cancel
//! position, no stop                  -> place
//! average moved too far              -> cancel, then place: one such stop a direction (-4130)
//! side turned                        -> place, then cancel the other
//! beside somebody else's position    -> of our size and reduce-only, not closePosition
//! positions in doubt                 -> place what is missing, cancel nothing
//! flat for a second                  -> cancel
//! no answer, or gone from the list   -> ask for it by its id until that is known
//! ```

mod guard;
mod life;

use super::{Backoff, Governor, HttpOutcome, HttpReply, HttpRequest, Now, SECOND_NS};
use crate::orders::{ErrorClass, Stamp};
use crate::rest::{self, ListedAlgoOrder, TriggerPrice};
use crate::sign::Credentials;
pub use guard::Holding;
use guard::{Guard, Task};
use market::record::{ProtectionAct, ProtectionStep};
use market::{
    ClientOrderId, ExchangeOrderId, Instrument, MonoNs, PROTECTIVE_STOP_PREFIX, Price, Side, Symbol,
};
use std::collections::VecDeque;

/// Longest wait before the next try, as connections have it: 10 s after an outage a position has
/// its stop again.
const AGAIN_NS_MAX: u64 = 8 * SECOND_NS;

/// `recvWindow`: for so long after its time stamp a request can still arrive.
const WINDOW_MS: u32 = 1_000;

/// After the window a place that got no answer can have no effect any more (I4).
const MARGIN_NS: u64 = 2 * SECOND_NS;

/// Without a reply for this long a request is taken for lost.
const REPLY_NS: u64 = 3 * SECOND_NS;

/// Placements in any ten seconds: the exchange counts them among the orders of the account (300),
/// of which the engine uses most.
const PLACEMENTS_MAX: usize = 20;
const PLACEMENTS_NS: u64 = 10 * SECOND_NS;

/// How stops are placed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ProtectSettings {
    /// From the average price.
    pub distance_bps: i64,
    /// Which price triggers.
    pub trigger: TriggerPrice,
    /// A stop is replaced when it lies so far from where it should, as a share of the price.
    pub replace_above_bps: i64,
    /// Between two lists of what is there.
    pub check_every_ns: u64,
    /// Of this start; no other start of any process has it.
    pub epoch: u32,
}

/// Is told what happened.
pub trait ProtectEvents {
    /// To a stop.
    fn step(&mut self, step: ProtectionStep);
    /// The exchange refused our time stamp: measure its time again.
    fn clock_refused(&mut self);
}

/// Positions without a stop.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Exposure {
    /// How many.
    pub positions: u32,
    /// For how long the oldest of them.
    pub longest_ns: u64,
}

/// Keeps the stops of the futures of one account.
#[derive(Debug)]
pub struct Protector {
    settings: ProtectSettings,
    credentials: Credentials,
    guards: Vec<Guard>,
    ready: bool,
    settled: bool,
    /// What lies at the exchange is known.
    listed: bool,
    list_due: MonoNs,
    list: Option<(u64, MonoNs)>,
    list_backoff: Backoff,
    /// Stops of ours on symbols that we do not trade, with the request that cancels the first one.
    strangers: VecDeque<(Symbol, Side, ClientOrderId)>,
    stranger_call: Option<u64>,
    requests: u64,
    ids: u64,
    placements: VecDeque<MonoNs>,
    polled: MonoNs,
}

impl Protector {
    /// Nothing known yet of `instruments`, which are futures.
    #[must_use]
    pub fn new(
        settings: ProtectSettings,
        instruments: impl IntoIterator<Item = Instrument>,
        credentials: Credentials,
        seed: u64,
    ) -> Self {
        Self {
            settings,
            credentials,
            guards: instruments.into_iter().map(Guard::new).collect(),
            ready: false,
            settled: true,
            listed: false,
            list_due: MonoNs(0),
            list: None,
            list_backoff: Backoff::new(SECOND_NS, AGAIN_NS_MAX, seed),
            strangers: VecDeque::new(),
            stranger_call: None,
            requests: 0,
            ids: 0,
            placements: VecDeque::new(),
            polled: MonoNs(0),
        }
    }

    /// True while positions are known and nobody else is at the stops: not before the account was
    /// compared, not during a kill. Whenever it begins, what is there is listed first.
    pub fn set_ready(&mut self, ready: bool, now: MonoNs) {
        if ready && !self.ready {
            self.listed = false;
            self.list_due = now;
        }
        self.ready = ready;
    }

    /// False while positions are in doubt: stops are placed for what is held as far as is known,
    /// and none is taken away.
    pub const fn set_settled(&mut self, settled: bool) {
        self.settled = settled;
    }

    /// What is held of the instrument at this place.
    pub fn set_holding(&mut self, place: usize, holding: Option<Holding>, now: MonoNs) {
        if let Some(guard) = self.guards.get_mut(place) {
            guard.hold(holding, now);
        }
    }

    /// Positions that nothing at the exchange would close.
    #[must_use]
    pub fn exposure(&self, now: MonoNs) -> Exposure {
        let bare = self.guards.iter().filter_map(|one| one.exposed_since);
        bare.fold(Exposure::default(), |sum, since| Exposure {
            positions: sum.positions + 1,
            longest_ns: sum.longest_ns.max(now.since(since)),
        })
    }

    /// The next request with its number; asked until there is none.
    pub fn poll(&mut self, now: Now, governor: &mut Governor) -> Option<(u64, HttpRequest)> {
        self.polled = now.mono;
        if !self.ready {
            return None;
        }
        if let Some(request) = self.poll_list(now, governor) {
            return Some(request);
        }
        if !self.listed {
            return None;
        }
        let places = 0..self.guards.len();
        let act = places
            .into_iter()
            .find_map(|place| self.act(place, now, governor));
        act.or_else(|| self.cancel_stranger(now, governor))
    }

    /// When `poll` may have something to say, if nothing that is held changes.
    #[must_use]
    pub fn next_deadline(&self) -> Option<MonoNs> {
        let list = self.list.is_none().then_some(self.list_due);
        let waiting = self.guards.iter().filter(|one| one.call.is_none());
        let waiting = waiting.filter(|one| !one.stops.is_empty() || one.holding.is_some());
        let due = waiting.map(|one| match one.holding {
            Some(_) => one.not_before,
            None => one.not_before.max(one.flat_since.after(guard::FLAT_NS)),
        });
        // What is due already, and said nothing, waits for something else than the time.
        let later = due.chain(list).filter(|at| *at > self.polled);
        later.min().filter(|_| self.ready)
    }

    /// The answer to the request with this number.
    pub fn on_reply(
        &mut self,
        number: u64,
        outcome: HttpOutcome<'_>,
        now: MonoNs,
        events: &mut impl ProtectEvents,
    ) {
        if outcome.is_some_and(|reply| is_clock_refusal(&reply)) {
            events.clock_refused();
        }
        if let Some((_, sent)) = self.list.filter(|(one, _)| *one == number) {
            self.list = None;
            self.take_list(outcome, sent, now, events);
        } else if self.stranger_call == Some(number) {
            self.stranger_call = None;
            self.take_stranger(outcome, now, events);
        } else {
            let called = |one: &Guard| one.call.is_some_and(|(mine, _)| mine == number);
            let Some(place) = self.guards.iter().position(called) else {
                return;
            };
            self.take_answer(place, outcome, now, events);
        }
    }

    fn poll_list(&mut self, now: Now, governor: &mut Governor) -> Option<(u64, HttpRequest)> {
        if self.list.is_some() || now.mono < self.list_due {
            return None;
        }
        let call = rest::open_algo_orders(&self.credentials, stamp(now));
        if let Err(at) = governor.admit(call.weight, now) {
            self.list_due = at;
            return None;
        }
        let request = self.number(call, now);
        self.list = Some((request.0, now.mono));
        Some(request)
    }

    fn act(
        &mut self,
        place: usize,
        now: Now,
        governor: &mut Governor,
    ) -> Option<(u64, HttpRequest)> {
        let prefix = PROTECTIVE_STOP_PREFIX;
        let id = ClientOrderId::compose(prefix, self.settings.epoch, self.ids + 1);
        let guard = self.guards.get(place)?;
        let task = guard.next(now.mono, self.settled, &self.settings, id)?;
        let credentials = &self.credentials;
        let call = match &task {
            Task::Place(stop) => {
                let order = rest::ProtectiveStop {
                    side: stop.side,
                    trigger: stop.trigger,
                    by: self.settings.trigger,
                    part: stop.part,
                };
                let (instrument, id) = (&guard.instrument, stop.id.as_str());
                rest::place_protective_stop(instrument, &order, id, credentials, stamp(now))
            }
            Task::Cancel(id) => rest::cancel_algo_order(id.as_str(), credentials, stamp(now)),
            Task::Ask(id) => rest::query_algo_order(id.as_str(), credentials, stamp(now)),
        };
        // It reduces: what entries and lists leave is its own.
        let mut admitted = governor.admit_emergency(call.weight, now);
        if let (Ok(()), Task::Place(_)) = (admitted, &task) {
            admitted = self.admit_placement(now.mono);
        }
        if let Err(at) = admitted {
            self.guards[place].not_before = at;
            return None;
        }
        if let Task::Place(_) = task {
            self.ids += 1;
        }
        let request = self.number(call, now);
        let guard = &mut self.guards[place];
        guard.call = Some((request.0, task));
        guard.touched = now.mono;
        Some(request)
    }

    /// Room among the placements of the last seconds.
    fn admit_placement(&mut self, now: MonoNs) -> Result<(), MonoNs> {
        let old = |at: &MonoNs| now.since(*at) >= PLACEMENTS_NS;
        while self.placements.front().is_some_and(old) {
            self.placements.pop_front();
        }
        match self.placements.front() {
            Some(oldest) if self.placements.len() >= PLACEMENTS_MAX => {
                Err(oldest.after(PLACEMENTS_NS))
            }
            _ => {
                self.placements.push_back(now);
                Ok(())
            }
        }
    }

    fn cancel_stranger(&mut self, now: Now, governor: &mut Governor) -> Option<(u64, HttpRequest)> {
        if self.stranger_call.is_some() {
            return None;
        }
        let (_, _, id) = self.strangers.front()?;
        let call = rest::cancel_algo_order(id.as_str(), &self.credentials, stamp(now));
        governor.admit(call.weight, now).ok()?;
        let request = self.number(call, now);
        self.stranger_call = Some(request.0);
        Some(request)
    }

    fn number(&mut self, call: rest::Call, now: Now) -> (u64, HttpRequest) {
        self.requests += 1;
        let deadline = now.mono.after(REPLY_NS);
        (self.requests, HttpRequest { call, deadline })
    }

    /// What lies at the exchange, as it was when the list was asked for.
    fn take_list(
        &mut self,
        outcome: HttpOutcome<'_>,
        sent: MonoNs,
        now: MonoNs,
        events: &mut impl ProtectEvents,
    ) {
        let body = super::http::success(outcome);
        let Some(listed) = body.and_then(|body| rest::parse_algo_orders(body).ok()) else {
            self.list_due = now.after(self.list_backoff.fail());
            return;
        };
        self.list_backoff.succeed();
        self.list_due = now.after(self.settings.check_every_ns);
        self.listed = true;
        self.strangers = listed.iter().filter_map(|one| self.stranger(one)).collect();
        // A cancel of the first one may be under way: the next list shows what it did.
        self.stranger_call = None;
        for guard in &mut self.guards {
            if guard.call.is_none() && guard.touched <= sent {
                guard.compare(&listed, now, events);
            }
        }
    }

    /// A stop of ours on a symbol that has no guard.
    fn stranger(&self, one: &ListedAlgoOrder) -> Option<(Symbol, Side, ClientOrderId)> {
        let id = ClientOrderId::new(one.client_algo_id.as_bytes())?;
        let known = |guard: &Guard| guard.instrument.symbol == one.symbol;
        let strange = id.is_protective_stop() && !self.guards.iter().any(known);
        let side = Side::from_word(&one.side)?;
        strange.then_some((one.symbol, side, id))
    }

    fn take_stranger(
        &mut self,
        outcome: HttpOutcome<'_>,
        now: MonoNs,
        events: &mut impl ProtectEvents,
    ) {
        let Some((symbol, side, id)) = self.strangers.pop_front() else {
            return;
        };
        if super::http::success(outcome).is_none() {
            // The list is asked for again, and names it if it is still there.
            self.list_due = self.list_due.min(now.after(self.list_backoff.fail()));
            return;
        }
        events.step(ProtectionStep {
            act: ProtectionAct::OrphanCancelled,
            instrument: None,
            symbol,
            client_algo_id: id,
            side,
            trigger_price: Price(0),
            exchange_order_id: ExchangeOrderId(0),
            stands: Price(0),
            error_code: 0,
        });
    }

    fn take_answer(
        &mut self,
        place: usize,
        outcome: HttpOutcome<'_>,
        now: MonoNs,
        events: &mut impl ProtectEvents,
    ) {
        let guard = &mut self.guards[place];
        let Some((_, task)) = guard.call.take() else {
            return;
        };
        guard.touched = now;
        match task {
            Task::Place(stop) => guard.placed(stop, outcome, now, events),
            Task::Cancel(id) => guard.cancelled(id, outcome, now, events),
            Task::Ask(id) => guard.answered(id, outcome, now, events),
        }
        guard.count_exposure(now);
        if std::mem::take(&mut guard.wants_list) {
            self.list_due = now;
        }
    }
}

fn stamp(now: Now) -> Stamp {
    Stamp {
        timestamp: now.server,
        recv_window_ms: WINDOW_MS,
    }
}

fn is_clock_refusal(reply: &HttpReply<'_>) -> bool {
    reply.status != 200 && rest::parse_failure(reply.status, reply.body).class == ErrorClass::Clock
}

#[cfg(test)]
mod tests;
