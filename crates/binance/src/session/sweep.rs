//! The sweep of a kill: cancel everything, close everything, look, and again until nothing is left.
//!
//! In: the symbols that are known, replies, the time. Out: requests, several at once; a
//! [`KillStep`] for each answer; at last "verified". Never: "verified" from a list that was asked
//! for before the last act was answered, an order that could open or enlarge a position.
//!
//! ```text
//! round 1   cancel what is known, both kinds | list orders, conditional orders, positions
//! round 2   cancel what was listed           | close what was held
//! round 3   list again: nothing left => verified; else round 2
//! ```
//!
//! A closing order of unknown fate is not sent again: each has an id of its own, is made from a
//! list that is newer than the last one's answer, and can only reduce.

use super::{
    Backoff, Governor, HttpOutcome, HttpRequest, MILLISECOND_NS, Now, SECOND_NS, earliest,
};
use crate::orders::{ErrorClass, Stamp};
use crate::rest::{self, HeldPosition, Lots};
use crate::sign::Credentials;
use market::record::{KillAct, KillStep};
use market::{Market, MonoNs, Symbol};
use std::collections::{BTreeMap, BTreeSet, VecDeque};

/// Requests under way together.
const PARALLEL_MAX: usize = 16;

/// Most parts into which one position is cut, where the exchange finds it too large for one order.
const PARTS_MAX: u32 = 64;

/// A kill must get through with a clock that is off; the exchange allows a minute.
const WINDOW_MS: u32 = 60_000;

/// Without a reply for this long a request is taken for lost.
const REPLY_NS: u64 = 3 * SECOND_NS;

/// "Unknown order": what was to be cancelled is gone already.
const GONE: i64 = -2011;

/// "Quantity greater than max quantity."
const TOO_LARGE: i64 = -4005;

/// What a step carries where no answer came.
pub const NO_ANSWER: i64 = 1;

/// How far it goes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SweepSettings {
    /// Where.
    pub market: Market,
    /// Positions are closed too; spot has none.
    pub close_positions: bool,
    /// Only orders whose client id begins with this; without it everybody's.
    pub only_prefix: Option<String>,
    /// Ids of closing orders begin with this; no other start of any process may use it.
    pub id_prefix: String,
}

/// Is told what was done.
pub trait SweepEvents {
    /// An answer came, or did not.
    fn step(&mut self, step: KillStep);
    /// The exchange refused our time stamp: measure its time again.
    fn clock_refused(&mut self);
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Task {
    CancelOrders(Symbol),
    CancelAlgoOrders(Symbol),
    CancelOrder(Symbol, String),
    CancelAlgoOrder(Symbol, String),
    Close(HeldPosition, Lots),
    ListOrders,
    ListAlgoOrders,
    ListPositions,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Idle,
    Running,
    /// Lists again then.
    Waiting(MonoNs),
    Verified,
}

/// What the lists of a round showed; `None` for one that did not come.
#[derive(Clone, Debug, Default)]
struct Seen {
    orders: Option<Vec<(Symbol, String)>>,
    algo_orders: Option<Vec<(Symbol, String)>>,
    positions: Option<Vec<HeldPosition>>,
}

/// Sweeps one market.
#[derive(Debug)]
pub struct Sweeper {
    settings: SweepSettings,
    credentials: Credentials,
    state: State,
    queue: VecDeque<Task>,
    under_way: Vec<(u64, Task)>,
    requests: u64,
    /// This round asks, and does nothing else.
    only_lists: bool,
    /// A look at what was verified to be empty has found nothing yet.
    still_verified: bool,
    rounds: u32,
    seen: Seen,
    parts: BTreeMap<Symbol, u32>,
    closings: u64,
    blocked_until: Option<MonoNs>,
    backoff: Backoff,
}

impl Sweeper {
    /// Nothing to do yet.
    #[must_use]
    pub fn new(settings: SweepSettings, credentials: Credentials, seed: u64) -> Self {
        Self {
            settings,
            credentials,
            state: State::Idle,
            queue: VecDeque::new(),
            under_way: Vec::new(),
            requests: 0,
            only_lists: false,
            still_verified: false,
            rounds: 0,
            seen: Seen::default(),
            parts: BTreeMap::new(),
            closings: 0,
            blocked_until: None,
            backoff: Backoff::new(100 * MILLISECOND_NS, 5 * SECOND_NS, seed),
        }
    }

    /// Begins, with the symbols that may have something; begun anew while it runs, it goes on.
    pub fn start(&mut self, symbols: impl IntoIterator<Item = Symbol>, close_positions: bool) {
        let close_positions = close_positions && self.settings.market == Market::UsdM;
        if self.is_running() {
            if close_positions && !self.settings.close_positions {
                // Without their list the round is not complete, and the next one asks for it.
                self.seen.positions = None;
            }
            self.settings.close_positions |= close_positions;
            self.still_verified = false;
            return;
        }
        self.settings.close_positions = close_positions;
        self.still_verified = false;
        self.state = State::Running;
        self.rounds = 1;
        self.only_lists = false;
        self.backoff.succeed();
        if self.settings.only_prefix.is_none() {
            for symbol in symbols {
                self.push_cancels(symbol);
            }
        }
        self.push_lists();
    }

    /// Lists again after nothing was left; what came since is swept.
    pub fn look_again(&mut self) {
        if self.state == State::Verified {
            self.state = State::Running;
            self.rounds = 0;
            self.still_verified = true;
            self.backoff.succeed();
            self.begin_lists();
        }
    }

    /// True once nothing was left, until a look finds something again.
    #[must_use]
    pub fn is_verified(&self) -> bool {
        self.state == State::Verified || self.still_verified
    }

    /// True between a start and its end.
    #[must_use]
    pub fn is_running(&self) -> bool {
        matches!(self.state, State::Running | State::Waiting(_))
    }

    /// Rounds of requests since the start.
    #[must_use]
    pub const fn rounds(&self) -> u32 {
        self.rounds
    }

    /// The next request with its number; asked until there is none.
    pub fn poll(&mut self, now: Now, governor: &mut Governor) -> Option<(u64, HttpRequest)> {
        if let State::Waiting(until) = self.state
            && until <= now.mono
        {
            self.state = State::Running;
            self.begin_lists();
        }
        if self.state != State::Running || self.under_way.len() >= PARALLEL_MAX {
            return None;
        }
        let task = self.queue.front()?.clone();
        let call = self.call(&task, now);
        self.blocked_until = governor.admit_emergency(call.weight, now).err();
        if self.blocked_until.is_some() {
            return None;
        }
        self.queue.pop_front();
        if let Task::Close(..) = task {
            self.closings += 1;
        }
        self.requests += 1;
        self.under_way.push((self.requests, task));
        let deadline = now.mono.after(REPLY_NS);
        Some((self.requests, HttpRequest { call, deadline }))
    }

    /// When `poll` may have something to say.
    #[must_use]
    pub fn next_deadline(&self) -> Option<MonoNs> {
        let waiting = match self.state {
            State::Waiting(until) => Some(until),
            _ => None,
        };
        earliest(
            waiting,
            self.blocked_until.filter(|_| !self.queue.is_empty()),
        )
    }

    /// The answer to the request with this number.
    pub fn on_reply(
        &mut self,
        number: u64,
        outcome: HttpOutcome<'_>,
        now: MonoNs,
        events: &mut impl SweepEvents,
    ) {
        let Some(place) = self.under_way.iter().position(|(one, _)| *one == number) else {
            return;
        };
        let (_, task) = self.under_way.swap_remove(place);
        let (count, error_code) = self.take(&task, outcome, events);
        events.step(KillStep {
            act: task.act(),
            market: self.settings.market,
            symbol: task.symbol(),
            count,
            error_code,
        });
        if self.queue.is_empty() && self.under_way.is_empty() && self.state == State::Running {
            self.end_round(now, events);
        }
    }

    fn take(
        &mut self,
        task: &Task,
        outcome: HttpOutcome<'_>,
        events: &mut impl SweepEvents,
    ) -> (u32, i64) {
        let Some(reply) = outcome else {
            return (0, NO_ANSWER);
        };
        if reply.status != 200 {
            let failure = rest::parse_failure(reply.status, reply.body);
            if failure.class == ErrorClass::Clock {
                events.clock_refused();
            }
            if let (Task::Close(position, _), TOO_LARGE) = (task, failure.code) {
                let parts = self.parts.entry(position.symbol).or_insert(1);
                *parts = (*parts * 2).min(PARTS_MAX);
            }
            return match failure.code {
                GONE => (0, 0),
                0 => (0, i64::from(failure.status)),
                code => (0, code),
            };
        }
        match task {
            Task::ListOrders => {
                let listed = rest::parse_listed_orders(reply.body).ok().map(|orders| {
                    let named = orders.into_iter();
                    let named = named.map(|one| (one.symbol, one.client_order_id));
                    self.meant(named)
                });
                let count = counted(&listed);
                self.seen.orders = listed;
                count
            }
            Task::ListAlgoOrders => {
                let listed = rest::parse_algo_orders(reply.body).ok().map(|orders| {
                    let named = orders.into_iter();
                    let named = named.map(|one| (one.symbol, one.client_algo_id));
                    self.meant(named)
                });
                let count = counted(&listed);
                self.seen.algo_orders = listed;
                count
            }
            Task::ListPositions => {
                let listed = rest::parse_held_positions(reply.body).ok();
                let count = counted(&listed);
                self.seen.positions = listed;
                count
            }
            _ => (1, 0),
        }
    }

    /// Those that this sweep is meant for.
    fn meant(&self, all: impl Iterator<Item = (Symbol, String)>) -> Vec<(Symbol, String)> {
        let prefix = self.settings.only_prefix.as_deref().unwrap_or_default();
        all.filter(|(_, id)| id.starts_with(prefix)).collect()
    }

    fn end_round(&mut self, now: MonoNs, events: &mut impl SweepEvents) {
        let complete = self.seen.orders.is_some()
            && self.seen.algo_orders.is_some()
            && self.seen.positions.is_some();
        let acted = !self.push_acts();
        self.seen = Seen::default();
        self.still_verified &= !acted;
        if acted {
            self.rounds += 1;
            self.only_lists = false;
        } else if complete && self.only_lists {
            self.state = State::Verified;
            events.step(KillStep {
                act: KillAct::Verified,
                market: self.settings.market,
                symbol: Symbol::EMPTY,
                count: self.rounds,
                error_code: 0,
            });
        } else if !complete && self.only_lists || self.rounds > 4 {
            self.state = State::Waiting(now.after(self.backoff.fail()));
        } else {
            self.begin_lists();
        }
    }

    fn begin_lists(&mut self) {
        self.rounds += 1;
        self.only_lists = true;
        self.push_lists();
    }

    fn push_lists(&mut self) {
        self.seen = Seen::default();
        self.queue.push_back(Task::ListOrders);
        match self.settings.market {
            Market::UsdM => {
                self.queue.push_back(Task::ListAlgoOrders);
                if self.settings.close_positions {
                    self.queue.push_back(Task::ListPositions);
                } else {
                    self.seen.positions = Some(Vec::new());
                }
            }
            // Spot has neither.
            Market::Spot => {
                self.seen.algo_orders = Some(Vec::new());
                self.seen.positions = Some(Vec::new());
            }
        }
    }

    fn push_cancels(&mut self, symbol: Symbol) {
        self.queue.push_back(Task::CancelOrders(symbol));
        if self.settings.market == Market::UsdM {
            self.queue.push_back(Task::CancelAlgoOrders(symbol));
        }
    }

    /// Queues what follows from the lists; true when that is nothing.
    fn push_acts(&mut self) -> bool {
        let Seen {
            orders,
            algo_orders,
            positions,
        } = std::mem::take(&mut self.seen);
        let (orders, algo_orders) = (orders.unwrap_or_default(), algo_orders.unwrap_or_default());
        if self.settings.only_prefix.is_some() {
            for (symbol, id) in orders {
                self.queue.push_back(Task::CancelOrder(symbol, id));
            }
            for (symbol, id) in algo_orders {
                self.queue.push_back(Task::CancelAlgoOrder(symbol, id));
            }
        } else {
            let symbols = |listed: Vec<(Symbol, String)>| -> BTreeSet<Symbol> {
                listed.into_iter().map(|(symbol, _)| symbol).collect()
            };
            for symbol in symbols(orders) {
                self.queue.push_back(Task::CancelOrders(symbol));
            }
            for symbol in symbols(algo_orders) {
                self.queue.push_back(Task::CancelAlgoOrders(symbol));
            }
        }
        for position in positions.unwrap_or_default() {
            let parts = self.parts.get(&position.symbol).copied().unwrap_or(1);
            for part in position.quantity.split(parts) {
                self.queue.push_back(Task::Close(position, part));
            }
        }
        self.queue.is_empty()
    }

    fn call(&self, task: &Task, now: Now) -> rest::Call {
        let stamp = Stamp {
            timestamp: now.server,
            recv_window_ms: WINDOW_MS,
        };
        let (market, credentials) = (self.settings.market, &self.credentials);
        match task {
            Task::CancelOrders(symbol) => {
                rest::cancel_orders_of(market, symbol, credentials, stamp)
            }
            Task::CancelAlgoOrders(symbol) => rest::cancel_algo_orders(symbol, credentials, stamp),
            Task::CancelOrder(symbol, id) => {
                rest::cancel_named_order(market, symbol, id, credentials, stamp)
            }
            Task::CancelAlgoOrder(_, id) => rest::cancel_algo_order(id, credentials, stamp),
            Task::Close(position, part) => {
                let id = format!("{}{}", self.settings.id_prefix, self.closings + 1);
                rest::close_position(position, *part, &id, credentials, stamp)
            }
            Task::ListOrders => rest::open_orders(market, None, credentials, stamp),
            Task::ListAlgoOrders => rest::open_algo_orders(credentials, stamp),
            Task::ListPositions => rest::positions(credentials, stamp),
        }
    }
}

/// Length and code of a list; one that cannot be read is no list.
fn counted<T>(listed: &Option<Vec<T>>) -> (u32, i64) {
    match listed {
        Some(list) => (u32::try_from(list.len()).unwrap_or(u32::MAX), 0),
        None => (0, NO_ANSWER),
    }
}

impl Task {
    const fn act(&self) -> KillAct {
        match self {
            Self::CancelOrders(_) | Self::CancelOrder(..) => KillAct::OrdersCancelled,
            Self::CancelAlgoOrders(_) | Self::CancelAlgoOrder(..) => KillAct::AlgoOrdersCancelled,
            Self::Close(..) => KillAct::Closed,
            Self::ListOrders => KillAct::OrdersListed,
            Self::ListAlgoOrders => KillAct::AlgoOrdersListed,
            Self::ListPositions => KillAct::PositionsListed,
        }
    }

    const fn symbol(&self) -> Symbol {
        match self {
            Self::CancelOrders(symbol)
            | Self::CancelAlgoOrders(symbol)
            | Self::CancelOrder(symbol, _)
            | Self::CancelAlgoOrder(symbol, _) => *symbol,
            Self::Close(position, _) => position.symbol,
            Self::ListOrders | Self::ListAlgoOrders | Self::ListPositions => Symbol::EMPTY,
        }
    }
}

#[cfg(test)]
mod tests;
