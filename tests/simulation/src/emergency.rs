//! Kill and countdown of one market, as the product's emergency shell runs them.
//!
//! In: the wish to sweep, order counts on the pages, answers. Out: calls, acts for the journal.
//! Never: a decision; the machines are the product's, only their calls go another way.

use std::rc::Rc;

use binance::session::{
    Deadman, Governor, HttpOutcome, HttpRequest, Now, SweepEvents, SweepSettings, Sweeper, earliest,
};
use binance::sign::Credentials;
use engine::Input;
use hotpath::kill::desk::{Desk, Wish};
use hotpath::kill::shell::{is_frozen, watch_orders_of};
use hotpath::server_clock::ServerClock;
use ipc::Segment;
use market::page::PAGE_BYTES_MAX;
use market::record::KillStep;
use market::{Instrument, Market, MonoNs, Symbol};
use tokio::sync::Notify;

use crate::cold::ColdEvent;
use crate::network::{MS, Owner};

/// Between two looks at the order counts, as the product's shell has it.
const LOOK_NS: u64 = 250 * MS;

/// The machines of one market.
pub struct Emergency {
    /// What the keeper of the kill leaves here.
    pub desk: Rc<Desk>,
    /// Cancels and closes.
    pub sweeper: Sweeper,
    /// Keeps the exchange's countdown; spot has none.
    pub deadman: Option<Deadman>,
    watched: Vec<(Symbol, usize)>,
    look_at: MonoNs,
}

impl Emergency {
    /// At rest. A countdown of 0 seconds is none.
    #[must_use]
    pub fn new(
        market: Market,
        instruments: &[Instrument],
        credentials: Credentials,
        (countdown_s, weight_limit): (u64, u32),
        life: u32,
    ) -> Self {
        let settings = SweepSettings {
            market,
            close_positions: false,
            only_prefix: None,
            id_prefix: format!("k{life}-"),
        };
        let here = instruments.iter().filter(|one| one.market == market);
        let watched: Vec<_> = here
            .map(|one| (one.symbol, usize::from(one.id.0)))
            .collect();
        let symbols: Vec<Symbol> = watched.iter().map(|(symbol, _)| *symbol).collect();
        let counts = market == Market::UsdM && countdown_s > 0;
        let deadman =
            counts.then(|| Deadman::new(&symbols, countdown_s, weight_limit, credentials.clone()));
        Self {
            desk: Rc::new(Desk::new(market, Rc::new(Notify::new()))),
            sweeper: Sweeper::new(settings, credentials, u64::from(life)),
            deadman,
            watched,
            look_at: MonoNs(0),
        }
    }

    /// The calls that are due.
    pub fn poll(
        &mut self,
        now: Now,
        segment: &Segment,
        governor: &mut Governor,
    ) -> Vec<(Owner, HttpRequest)> {
        let mut calls = Vec::new();
        match self.desk.take_wish() {
            Some(Wish::Sweep { closes }) => {
                let symbols = self.watched.iter().map(|(symbol, _)| *symbol);
                self.sweeper.start(symbols, closes);
            }
            Some(Wish::Look) => self.sweeper.look_again(),
            None => {}
        }
        while let Some((number, request)) = self.sweeper.poll(now, governor) {
            calls.push((Owner::Sweep(number), request));
        }
        self.watch_orders(now.mono, segment);
        if let Some(deadman) = &mut self.deadman {
            while let Some((place, request)) = deadman.poll(now, governor) {
                calls.push((Owner::Deadman(place), request));
            }
        }
        calls
    }

    fn watch_orders(&mut self, now: MonoNs, segment: &Segment) {
        let Some(deadman) = self.deadman.as_mut().filter(|_| self.look_at <= now) else {
            return;
        };
        self.look_at = now.after(LOOK_NS);
        let mut bytes = [0; PAGE_BYTES_MAX];
        for (place, (_, page)) in self.watched.iter().enumerate() {
            watch_orders_of(deadman, place, segment, *page, &mut bytes);
        }
        deadman.set_abandoned(is_frozen(segment, now));
    }

    /// When `poll` may have something to do.
    #[must_use]
    pub fn next_deadline(&self) -> Option<MonoNs> {
        let deadman = self.deadman.as_ref();
        let countdown = deadman.and_then(Deadman::next_deadline);
        let look = deadman.map(|_| self.look_at);
        earliest(self.sweeper.next_deadline(), earliest(countdown, look))
    }

    /// The answer to a call of the sweep.
    pub fn swept(
        &mut self,
        number: u64,
        outcome: HttpOutcome<'_>,
        now: MonoNs,
        clock: &ServerClock,
        events: &mut Vec<ColdEvent>,
    ) {
        let mut notes = Notes(events, clock);
        self.sweeper.on_reply(number, outcome, now, &mut notes);
        let (verified, rounds) = (self.sweeper.is_verified(), self.sweeper.rounds());
        self.desk.tell(verified, rounds, now);
    }

    /// The answer to a call of the countdown.
    pub fn counted(&mut self, place: usize, outcome: HttpOutcome<'_>, now: MonoNs) {
        if let Some(deadman) = &mut self.deadman {
            deadman.on_reply(place, outcome, now);
        }
    }
}

struct Notes<'a>(&'a mut Vec<ColdEvent>, &'a ServerClock);

impl SweepEvents for Notes<'_> {
    fn step(&mut self, step: KillStep) {
        self.0.push(ColdEvent::Input(Input::KillStep(step)));
    }

    fn clock_refused(&mut self) {
        self.1.refuse();
    }
}
