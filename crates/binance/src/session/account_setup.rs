//! Position mode, margin type and leverage: read, set where they differ, read again.
//!
//! In: what each instrument wants, replies, the time, hints that somebody changed something (F48).
//! Out: signed requests one after the other, and a report for each instrument. Never: a position
//! or an order touched; a wish that is repeated after a refusal, before somebody asks again. Only
//! what is read counts: a refusal to change what is so already needs no list of its codes.
//!
//! ```text
//! mode --one-way--> config --as wanted--> reports
//!   | hedge           | differs
//!   v                 v
//! set, mode again   set one after the other, config again -> reports
//! ```

use super::http::{describe, success};
use super::{Backoff, Governor, HttpOutcome, HttpRequest, Now, SECOND_NS};
use crate::orders::Stamp;
use crate::rest::{self, MarginType, SymbolConfig};
use crate::sign::Credentials;
use market::{InstrumentId, Instruments, MonoNs, SetupFault, SetupReport};

/// What leverage an instrument wants.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LeverageWish {
    /// This one.
    Exactly(u32),
    /// Any up to the cap; one above it is lowered to it.
    AtMost(u32),
}

/// How one futures instrument is to be set up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SetupWish {
    /// Which instrument.
    pub instrument: InstrumentId,
    /// Margin type; `None` leaves it as it is.
    pub margin_type: Option<MarginType>,
    /// Leverage.
    pub leverage: LeverageWish,
}

/// Takes what is found.
pub trait SetupEvents {
    /// How an instrument is set up. Told when it has changed, and for each at first.
    fn setup(&mut self, report: SetupReport);
    /// Something for the operator: what was set, or could not be.
    fn told(&mut self, text: String);
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Step {
    Mode,
    OneWay,
    Config,
    Margin(usize),
    Leverage(usize),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Due { step: Step, at: MonoNs },
    InFlight(Step),
}

/// Sets one futures account up.
#[derive(Debug)]
pub struct AccountSetup {
    credentials: Credentials,
    wishes: Vec<SetupWish>,
    state: State,
    /// What is still to be set in this round: [`Step::Margin`] and [`Step::Leverage`].
    queue: Vec<Step>,
    /// This round has set what it could: what still differs is a fault.
    has_set: bool,
    /// Refusals of this round: the account's, and by wish.
    mode_refusal: i64,
    refusals: Vec<i64>,
    /// Reads that failed in a row.
    failures: u32,
    /// Reports as last told, by wish.
    told: Vec<Option<SetupReport>>,
    wanted_again: bool,
    backoff: Backoff,
}

/// `recvWindow` of these requests.
const WINDOW_MS: u32 = 5_000;
/// Looked at again without being asked: an event may have been missed.
const EVERY_NS: u64 = 600 * SECOND_NS;
/// Reads that may fail before entries are held back for it.
const FAILURES_MAX: u32 = 3;
/// Refusals that say that it is so already.
const ALREADY: [i64; 3] = [-4046, -4059, -4067];

impl AccountSetup {
    /// Begins at the first poll.
    #[must_use]
    pub fn new(wishes: Vec<SetupWish>, credentials: Credentials, seed: u64) -> Self {
        Self {
            credentials,
            state: State::Due {
                step: Step::Mode,
                at: MonoNs(0),
            },
            queue: Vec::new(),
            has_set: false,
            mode_refusal: 0,
            refusals: vec![0; wishes.len()],
            failures: 0,
            told: vec![None; wishes.len()],
            wanted_again: false,
            backoff: Backoff::new(SECOND_NS / 5, 60 * SECOND_NS, seed),
            wishes,
        }
    }

    /// True once every instrument has its report, a fault included: a start need not wait longer.
    #[must_use]
    pub fn is_settled(&self) -> bool {
        self.told.iter().all(Option::is_some)
    }

    /// Somebody may have changed something: reads again.
    pub fn want(&mut self, now: MonoNs) {
        match self.state {
            State::Due {
                step: Step::Mode, ..
            } => self.begin(now),
            _ => self.wanted_again = true,
        }
    }

    /// The request that is due, if the budget allows it.
    pub fn poll(
        &mut self,
        now: Now,
        governor: &mut Governor,
        instruments: &Instruments<'_>,
    ) -> Option<HttpRequest> {
        let State::Due { step, at } = self.state else {
            return None;
        };
        if now.mono < at || self.wishes.is_empty() {
            return None;
        }
        let stamp = Stamp {
            timestamp: now.server,
            recv_window_ms: WINDOW_MS,
        };
        let key = &self.credentials;
        let instrument = |index: usize| {
            let found = instruments.get(self.wishes[index].instrument);
            found.expect("wishes are of this table")
        };
        let call = match step {
            Step::Mode => rest::position_mode(key, stamp),
            Step::OneWay => rest::set_one_way(key, stamp),
            Step::Config => rest::symbol_config(key, stamp),
            Step::Margin(index) => {
                let wanted = self.wishes[index].margin_type;
                let wanted = wanted.unwrap_or(MarginType::Crossed);
                rest::set_margin_type(instrument(index), wanted, key, stamp)
            }
            Step::Leverage(index) => {
                let (LeverageWish::Exactly(most) | LeverageWish::AtMost(most)) =
                    self.wishes[index].leverage;
                rest::set_leverage(instrument(index), most, key, stamp)
            }
        };
        if let Err(at) = governor.admit(call.weight, now) {
            self.state = State::Due { step, at };
            return None;
        }
        self.state = State::InFlight(step);
        Some(HttpRequest {
            call,
            deadline: now.mono.after(5 * SECOND_NS),
        })
    }

    /// When `poll` may have something to say.
    #[must_use]
    pub fn next_deadline(&self) -> Option<MonoNs> {
        match self.state {
            State::Due { at, .. } if !self.wishes.is_empty() => Some(at),
            _ => None,
        }
    }

    /// The answer to the last request.
    pub fn on_reply(
        &mut self,
        outcome: HttpOutcome<'_>,
        now: MonoNs,
        instruments: &Instruments<'_>,
        events: &mut impl SetupEvents,
    ) {
        let State::InFlight(step) = self.state else {
            return;
        };
        match step {
            Step::Mode => self.take_mode(outcome, now, events),
            Step::Config => self.take_config(outcome, now, instruments, events),
            Step::OneWay => {
                self.mode_refusal = refusal(outcome);
                self.has_set = true;
                if self.mode_refusal == 0 {
                    events.told("the account is switched to one-way mode".to_string());
                }
                self.due(Step::Mode, now);
            }
            Step::Margin(index) | Step::Leverage(index) => {
                let code = refusal(outcome);
                if code != 0 {
                    self.refusals[index] = code;
                }
                self.next_of_queue(now);
            }
        }
    }

    fn begin(&mut self, now: MonoNs) {
        self.queue.clear();
        self.has_set = false;
        self.mode_refusal = 0;
        self.refusals.fill(0);
        self.due(Step::Mode, now);
    }

    const fn due(&mut self, step: Step, at: MonoNs) {
        self.state = State::Due { step, at };
    }

    fn next_of_queue(&mut self, now: MonoNs) {
        let step = self.queue.pop().unwrap_or(Step::Config);
        self.due(step, now);
    }

    fn take_mode(&mut self, outcome: HttpOutcome<'_>, now: MonoNs, events: &mut impl SetupEvents) {
        let hedged = success(outcome).map(rest::parse_position_mode);
        match hedged {
            Some(Ok(false)) => {
                self.has_set = false;
                self.due(Step::Config, now);
            }
            Some(Ok(true)) if !self.has_set => self.due(Step::OneWay, now),
            Some(Ok(true)) => {
                let code = self.mode_refusal;
                for index in 0..self.wishes.len() {
                    let fault = Some(SetupFault::HedgeMode);
                    self.report(index, fault, None, code, events);
                }
                self.rest(now);
            }
            Some(Err(error)) => self.failed(error.to_string(), now, events),
            None => self.failed(describe(outcome), now, events),
        }
    }

    fn take_config(
        &mut self,
        outcome: HttpOutcome<'_>,
        now: MonoNs,
        instruments: &Instruments<'_>,
        events: &mut impl SetupEvents,
    ) {
        let told = success(outcome).map(|body| rest::parse_symbol_config(body, instruments));
        let configs = match told {
            Some(Ok(configs)) => configs,
            Some(Err(error)) => return self.failed(error.to_string(), now, events),
            None => return self.failed(describe(outcome), now, events),
        };
        if !self.has_set {
            self.queue = self.steps(&configs);
            if !self.queue.is_empty() {
                self.has_set = true;
                return self.next_of_queue(now);
            }
        }
        for index in 0..self.wishes.len() {
            let wish = self.wishes[index];
            let found = configs.iter().find(|one| one.instrument == wish.instrument);
            let fault = match found {
                None => Some(SetupFault::Unverified),
                Some(config) => fault_of(&wish, config),
            };
            self.report(index, fault, found, self.refusals[index], events);
        }
        self.rest(now);
    }

    /// What differs from what is wanted, in reverse order of doing.
    fn steps(&self, configs: &[SymbolConfig]) -> Vec<Step> {
        let mut steps = Vec::new();
        for (index, wish) in self.wishes.iter().enumerate().rev() {
            let Some(config) = configs.iter().find(|one| one.instrument == wish.instrument) else {
                continue;
            };
            if leverage_differs(wish, config) {
                steps.push(Step::Leverage(index));
            }
            if margin_differs(wish, config) {
                steps.push(Step::Margin(index));
            }
        }
        steps
    }

    fn report(
        &mut self,
        index: usize,
        fault: Option<SetupFault>,
        config: Option<&SymbolConfig>,
        code: i64,
        events: &mut impl SetupEvents,
    ) {
        let report = SetupReport {
            instrument: self.wishes[index].instrument,
            fault,
            leverage: config.map_or(0, |one| one.leverage),
            isolated: config.is_some_and(|one| one.margin_type == MarginType::Isolated),
            error_code: if fault.is_some() { code } else { 0 },
        };
        if self.told[index] != Some(report) {
            self.told[index] = Some(report);
            events.setup(report);
        }
    }

    /// Nothing to do until somebody asks, or for a while.
    fn rest(&mut self, now: MonoNs) {
        self.failures = 0;
        self.backoff.succeed();
        self.begin(now.after(EVERY_NS));
        if std::mem::take(&mut self.wanted_again) {
            self.begin(now);
        }
    }

    /// A read brought nothing. Entries wait for it only after several, and a set-up that was read
    /// before stays as it was read: an event tells of a change.
    fn failed(&mut self, why: String, now: MonoNs, events: &mut impl SetupEvents) {
        self.failures += 1;
        if self.failures >= FAILURES_MAX {
            for index in 0..self.wishes.len() {
                if self.told[index].is_none() {
                    let fault = Some(SetupFault::Unverified);
                    self.report(index, fault, None, 0, events);
                }
            }
        }
        events.told(format!(
            "how the account is set up cannot be read, it will be tried again: {why}"
        ));
        let at = now.after(self.backoff.fail());
        self.begin(at);
    }
}

fn margin_differs(wish: &SetupWish, config: &SymbolConfig) -> bool {
    let wanted = wish.margin_type;
    wanted.is_some_and(|wanted| wanted != config.margin_type)
}

const fn leverage_differs(wish: &SetupWish, config: &SymbolConfig) -> bool {
    match wish.leverage {
        LeverageWish::Exactly(wanted) => config.leverage != wanted,
        LeverageWish::AtMost(most) => config.leverage > most,
    }
}

fn fault_of(wish: &SetupWish, config: &SymbolConfig) -> Option<SetupFault> {
    if margin_differs(wish, config) {
        Some(SetupFault::MarginType)
    } else if leverage_differs(wish, config) {
        Some(SetupFault::Leverage)
    } else {
        None
    }
}

/// The code of a refusal; 0 for a success, for what is so already, and where no answer came: what
/// is read next decides.
fn refusal(outcome: HttpOutcome<'_>) -> i64 {
    let Some(reply) = outcome.filter(|reply| reply.status != 200) else {
        return 0;
    };
    let code = rest::parse_failure(reply.status, reply.body).code;
    if ALREADY.contains(&code) { 0 } else { code }
}

#[cfg(test)]
mod tests;
