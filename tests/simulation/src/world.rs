//! The world of one run: venue, network, appliance, time.
//!
//! In: a seed. Out: one event after the other. Never: an event before its time, two events whose
//! order depends on anything but the seed.

use std::cell::RefCell;
use std::rc::Rc;

use binance::rest;
use engine::Engine;
use engine::event::Command;
use engine::orders::{Evidence, Verdict, verdict};
use hotpath::account_file::AccountStart;
use market::{Instrument, InstrumentId, Market, OrderState, TradingState};

use crate::appliance::Appliance;
use crate::birth::{Birth, Silences};
use crate::checker::Checker;
use crate::desk::{Effect, roles};
use crate::faults::{Adversary, Scheduled};
use crate::network::{
    ConnectionId, Delivery, Ending, MS, Network, Owner, Place, RestCall, RestReply, Role,
    server_frame,
};
use crate::random::Random;
use crate::venue::VenueSide;

/// One connection as the network sees it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Pipe {
    /// Nothing arrives at the box before.
    to_box_at: u64,
    /// Nothing arrives at the exchange before.
    to_venue_at: u64,
}

/// Latencies of a run.
#[derive(Clone, Copy, Debug)]
pub struct Weather {
    /// One way.
    pub latency_ns: u64,
    /// Added at random, up to.
    pub jitter_ns: u64,
    /// In a thousand segments; each costs a retransmission.
    pub loss_permille: u64,
}

/// Time of a retransmission.
const RETRANSMISSION_NS: u64 = 200 * MS;

/// The world.
pub struct World {
    /// Virtual time.
    pub now: u64,
    /// Draws of the network.
    pub random: Random,
    /// What is under way.
    pub network: Network,
    /// The exchange.
    pub venue: VenueSide,
    /// The appliance; none between two lives.
    pub appliance: Option<Appliance>,
    /// Who watches.
    pub checker: Rc<RefCell<Checker>>,
    /// Latencies.
    pub weather: Weather,
    /// Seed of the run.
    pub seed: u64,
    /// Lives so far.
    pub lives: u32,
    /// A kill was latched in the segment of the last life.
    pub latched: bool,
    /// What the exchange forbids, over deaths.
    pub silences: Silences,
    /// What the disk has of the account.
    pub account: AccountStart,
    /// Who makes it hard.
    pub adversary: Adversary,
    /// Pairs of the order tables of lives that have ended.
    pub pairs: Vec<u64>,
    pipes: std::collections::BTreeMap<ConnectionId, Pipe>,
    venue_next: Option<u64>,
    drifted_at: u64,
    next_truth: u64,
    commit_at: u64,
}

/// Between two looks at the exchange's books.
const TRUTH_NS: u64 = 250 * MS;
/// Between two commits of control.
const COMMIT_NS: u64 = 50 * MS;

impl World {
    /// A world before its first event; the appliance starts at once.
    #[must_use]
    pub fn new(seed: u64, schedule: Vec<Scheduled>) -> Self {
        let mut random = Random::new(seed, 0);
        let spot = random.chance(250);
        let mut listing = vec![(Market::UsdM, "BTCUSDT"), (Market::UsdM, "ETHUSDT")];
        if spot {
            listing[1] = (Market::Spot, "ETHUSDT");
        }
        let weather = Weather {
            latency_ns: random.between(1, 40) * MS,
            jitter_ns: random.between(0, 10) * MS,
            loss_permille: random.below(4),
        };
        let mut world = Self {
            now: 0,
            random,
            network: Network::default(),
            venue: VenueSide::new(&listing, seed),
            appliance: None,
            checker: Rc::new(RefCell::new(Checker::new())),
            weather,
            seed,
            lives: 0,
            latched: false,
            silences: Silences::default(),
            account: AccountStart::First,
            adversary: Adversary::new(schedule),
            pairs: vec![0; PAIRS],
            drifted_at: 0,
            pipes: std::collections::BTreeMap::new(),
            venue_next: Some(0),
            next_truth: 0,
            commit_at: 0,
        };
        world.start_life();
        world
    }

    /// A life begins: it asks what the exchange lists, takes an epoch and the latch.
    pub fn start_life(&mut self) {
        self.lives += 1;
        let birth = Birth {
            seed: self.seed,
            life: self.lives,
            now: self.now,
            instruments: self.listed(),
            latched: self.latched,
            silences: self.silences.clone(),
            account: self.account,
            clock_error_ns: 0,
        };
        let checker = Rc::clone(&self.checker);
        self.appliance = Some(Appliance::start(&birth, checker));
        self.after_appliance();
    }

    /// The table of a start: what the exchange lists, in a fixed order.
    fn listed(&mut self) -> Vec<Instrument> {
        let mut table = Vec::new();
        for market in [Market::UsdM, Market::Spot] {
            let call = RestCall {
                market,
                owner: Owner::Time,
                number: 0,
                life: self.lives,
                request: binance::session::HttpRequest {
                    call: rest::exchange_info(market),
                    deadline: market::MonoNs(self.now),
                },
            };
            let reply = self.venue.call(&call);
            let info = rest::parse_exchange_info(&reply.body, market);
            for listed in info.expect("the core lists what it has").instruments {
                table.push(Instrument {
                    id: InstrumentId(table.len() as u16),
                    ..listed.instrument
                });
            }
        }
        table
    }

    /// The process is gone: its memory is lost, its sockets close, its segment stays.
    pub fn end_life(&mut self) {
        let Some(appliance) = self.appliance.take() else {
            return;
        };
        self.latched |= appliance.segment.kill_latched();
        add_pairs(&mut self.pairs, appliance.host.engine());
        for id in self.pipes.keys().copied().collect::<Vec<_>>() {
            self.drop_from_box(id);
        }
    }

    /// A verb of the operator.
    pub fn command(&mut self, command: Command) {
        if let Some(appliance) = &mut self.appliance {
            appliance.command(command, self.now);
        }
        self.after_appliance();
    }

    /// What the operator has commanded.
    #[must_use]
    pub const fn commanded(&self) -> TradingState {
        if self.latched {
            TradingState::Killed
        } else {
            TradingState::Active
        }
    }

    /// Every place of the box.
    #[must_use]
    pub fn places(&self) -> Vec<Place> {
        let mut places = Vec::new();
        for market in [Market::UsdM, Market::Spot] {
            let listed = self.venue.exchange.floor(market).venue.instruments();
            if !listed.is_empty() {
                places.extend(roles(market).iter().map(|role| Place {
                    market,
                    role: *role,
                }));
            }
        }
        places
    }

    /// When something happens next.
    #[must_use]
    pub fn next_at(&self) -> u64 {
        let appliance = self.appliance.as_ref().map(Appliance::next_at);
        let all = [
            self.network.next_at(),
            self.venue_next,
            self.venue.next_ping(),
            appliance.map(|at| at.max(self.adversary.stalled_until)),
            self.adversary.next_at(),
            Some(self.next_truth),
        ];
        all.into_iter()
            .flatten()
            .min()
            .unwrap_or(u64::MAX)
            .max(self.now)
    }

    /// Handles everything that happens at the next time.
    pub fn step(&mut self) {
        self.now = self.next_at();
        let step = self.checker.borrow().step + 1;
        self.checker.borrow_mut().step = step;
        let drift = self.adversary.drift(self.now - self.drifted_at);
        self.venue.clock_error_ns += drift;
        self.drifted_at = self.now;
        if self.venue_next.is_some_and(|next| next <= self.now) {
            self.venue_next = self.venue.advance(self.now);
            self.collect();
        } else {
            self.venue_time();
        }
        self.adversity();
        for id in self.venue.pings(self.now) {
            let mut frame = Vec::new();
            server_frame(9, true, b"1", &mut frame);
            self.send_to_box(id, frame, 0);
        }
        while let Some(delivery) = self.network.take(self.now) {
            self.deliver(delivery);
        }
        self.upkeep();
        if self.next_truth <= self.now {
            self.next_truth = self.now + TRUTH_NS;
            self.look_at_truth();
        }
        self.check_refused();
    }

    /// The exchange's clock shows the present, though its market does not move.
    fn venue_time(&mut self) {
        let true_ns = crate::venue::START_UTC_NS + self.now as i64;
        let error_ns = self.venue.clock_error_ns;
        self.venue.exchange.clock.set_ns(true_ns + error_ns);
    }

    fn check_refused(&mut self) {
        let mut checker = self.checker.borrow_mut();
        if !checker.refused_fresh.is_empty() {
            checker.check_refused(&self.venue.exchange, self.now);
        }
    }

    fn look_at_truth(&mut self) {
        if let Some(appliance) = &self.appliance {
            let mut checker = self.checker.borrow_mut();
            let engine = appliance.host.engine();
            checker.watch_positions(&self.venue.exchange, engine, self.now);
            checker.check_levels(engine);
        }
    }

    fn upkeep(&mut self) {
        let due = self.appliance.as_ref().map(Appliance::next_at);
        if due.is_some_and(|due| due <= self.now)
            && self.adversary.stalled_until <= self.now
            && let Some(appliance) = &mut self.appliance
        {
            let mut calls = Vec::new();
            appliance.upkeep(self.now, &mut calls);
            self.send_calls(calls);
            self.after_appliance();
        }
        self.commit();
    }

    /// Control makes durable what it has read.
    fn commit(&mut self) {
        if self.commit_at > self.now || self.adversary.no_commit_until > self.now {
            return;
        }
        self.commit_at = self.now + COMMIT_NS;
        let cursor = self.checker.borrow().journal_cursor();
        if let (Some(appliance), Some(cursor)) = (&mut self.appliance, cursor) {
            let committed = appliance.desk.journal.commit_durable(cursor);
            committed.expect("a cursor that was read");
        }
    }

    fn deliver(&mut self, delivery: Delivery) {
        let for_box = matches!(
            delivery,
            Delivery::Dialed { .. }
                | Delivery::ToBox(..)
                | Delivery::BoxSeesEnd(..)
                | Delivery::Answer(..)
        );
        if for_box && self.adversary.stalled_until > self.now && self.appliance.is_some() {
            // The kernel keeps it until the process runs again.
            let until = self.adversary.stalled_until;
            return self.network.send(until, delivery);
        }
        match delivery {
            Delivery::Dial {
                place,
                target,
                attempt,
                life,
            } => self.dial(place, &target, attempt, life),
            Delivery::Dialed {
                place,
                attempt,
                life,
                connection,
            } => self.dialed(place, attempt, life, connection),
            Delivery::ToVenue(id, _) if self.adversary.half_open.contains(&id) => {}
            Delivery::ToBox(id, _) if self.adversary.half_open.contains(&id) => {}
            Delivery::ToVenue(id, bytes) => self.at_venue(id, &bytes),
            Delivery::VenueSeesEnd(id) => self.venue.close(id),
            Delivery::ToBox(id, bytes) => {
                if let Some(appliance) = &mut self.appliance {
                    appliance.bytes(id, &bytes, self.now);
                }
                self.after_appliance();
            }
            Delivery::BoxSeesEnd(id, ending) => {
                self.pipes.remove(&id);
                if let Some(appliance) = &mut self.appliance {
                    appliance.ended(id, ending, self.now);
                }
                self.after_appliance();
            }
            Delivery::Call(call) => self.call(call),
            Delivery::Answer(call, reply) => self.answer(&call, reply.as_ref()),
            Delivery::Late(id, text) => self.send_text(id, &text, 0),
        }
    }

    fn dial(&mut self, place: Place, target: &str, attempt: u64, life: u32) {
        let taken = self.adversary.takes(self.now, place);
        let venue = &mut self.venue;
        let connection = taken
            .then(|| venue.accept(place, target, self.now))
            .flatten();
        if let Some(id) = connection {
            let pipe = Pipe {
                to_box_at: 0,
                to_venue_at: 0,
            };
            self.pipes.insert(id, pipe);
        }
        let at = self.now + self.way();
        if let Some(id) = connection {
            self.pipe(id).to_box_at = at;
        }
        let dialed = Delivery::Dialed {
            place,
            attempt,
            life,
            connection,
        };
        self.network.send(at, dialed);
    }

    fn pipe(&mut self, id: ConnectionId) -> &mut Pipe {
        self.pipes.get_mut(&id).expect("an open connection")
    }

    fn dialed(&mut self, place: Place, attempt: u64, life: u32, open: Option<ConnectionId>) {
        let taken = match &mut self.appliance {
            Some(appliance) if appliance.life == life => {
                if open.is_some() && place.role == Role::Books {
                    self.checker.borrow_mut().on_books_opened(place.market);
                }
                appliance.dialed(place, attempt, open, self.now)
            }
            _ => false,
        };
        if !taken && let Some(id) = open {
            self.drop_from_box(id);
        }
        self.after_appliance();
    }

    /// The box's end of a connection is gone.
    fn drop_from_box(&mut self, id: ConnectionId) {
        if let Some(pipe) = self.pipes.remove(&id) {
            let at = (self.now + self.way()).max(pipe.to_venue_at);
            self.network.send(at, Delivery::VenueSeesEnd(id));
        }
    }

    /// Ends a connection from the exchange's side.
    pub fn end_from_venue(&mut self, id: ConnectionId, ending: Ending) {
        self.venue.close(id);
        if let Some(pipe) = self.pipes.get(&id) {
            let at = match ending {
                Ending::Clean => (self.now + self.weather.latency_ns).max(pipe.to_box_at),
                Ending::Reset => self.now + self.weather.latency_ns,
            };
            self.network.send(at, Delivery::BoxSeesEnd(id, ending));
        }
    }

    /// One way through the network.
    pub(crate) fn way(&mut self) -> u64 {
        let Weather {
            latency_ns,
            jitter_ns,
            loss_permille,
        } = self.weather;
        let lost = self.random.chance(loss_permille);
        latency_ns + self.random.below(jitter_ns + 1) + u64::from(lost) * RETRANSMISSION_NS
    }

    /// Bytes for the box, behind what is under way already.
    pub fn send_to_box(&mut self, id: ConnectionId, bytes: Vec<u8>, more_ns: u64) {
        let way = self.now + self.way() + more_ns;
        if let Some(pipe) = self.pipes.get_mut(&id) {
            pipe.to_box_at = pipe.to_box_at.max(way);
            let at = pipe.to_box_at;
            self.network.send(at, Delivery::ToBox(id, bytes));
        }
    }

    pub(crate) fn send_text(&mut self, id: ConnectionId, text: &[u8], more_ns: u64) {
        let mut frame = Vec::with_capacity(text.len() + 10);
        server_frame(1, true, text, &mut frame);
        self.send_to_box(id, frame, more_ns);
    }

    fn at_venue(&mut self, id: ConnectionId, bytes: &[u8]) {
        let Some(place) = self.venue.place_of(id) else {
            return;
        };
        for text in self.venue.take_bytes(id, bytes) {
            if place.role == Role::Orders {
                self.request(id, place, &text);
            }
        }
    }

    fn answer(&mut self, call: &RestCall, reply: Option<&RestReply>) {
        let Some(appliance) = &mut self.appliance else {
            return;
        };
        if appliance.life != call.life {
            return;
        }
        if let Some(reply) = reply {
            let mut checker = self.checker.borrow_mut();
            checker.on_answer(call, reply.status, reply.retry_after_s, self.now);
            if call.owner == Owner::Snapshot && reply.status == 200 {
                let symbol = call.request.call.query.split("symbol=").nth(1);
                let symbol = symbol.and_then(|rest| rest.split('&').next());
                checker.on_snapshot(symbol.unwrap_or_default(), call.market, &reply.body);
            }
        }
        let mut calls = Vec::new();
        appliance.answer(call, reply, self.now, &mut calls);
        self.send_calls(calls);
        self.after_appliance();
    }

    fn send_calls(&mut self, calls: Vec<RestCall>) {
        for call in calls {
            self.checker.borrow_mut().on_call(&call, self.now);
            let at = self.now + self.way();
            self.network.send(at, Delivery::Call(call));
        }
    }

    /// Carries out what the appliance wants, or buries it.
    fn after_appliance(&mut self) {
        let Some(appliance) = &mut self.appliance else {
            return;
        };
        let life = appliance.life;
        let dead = appliance.desk.death.dead;
        // What was handed over in the step of its death is not on the disk.
        if !dead && let Some(memory) = appliance.take_account() {
            self.account = AccountStart::Known(memory);
        }
        for effect in std::mem::take(&mut appliance.desk.effects) {
            match effect {
                Effect::Dial {
                    place,
                    target,
                    attempt,
                } => {
                    let at = self.now + self.way();
                    let dial = Delivery::Dial {
                        place,
                        target,
                        attempt,
                        life,
                    };
                    self.network.send(at, dial);
                }
                Effect::Write(id, bytes) => {
                    let way = self.now + self.way();
                    if let Some(pipe) = self.pipes.get_mut(&id) {
                        pipe.to_venue_at = pipe.to_venue_at.max(way);
                        let at = pipe.to_venue_at;
                        self.network.send(at, Delivery::ToVenue(id, bytes));
                    }
                }
                Effect::Drop(id) => self.drop_from_box(id),
            }
        }
        if dead {
            self.end_life();
            self.on_death();
        }
    }
}

/// Pairs of state and evidence.
pub const PAIRS: usize = 72;

/// Adds the pairs that an engine's table met.
pub fn add_pairs(all: &mut [u64], engine: &Engine) {
    for (row, state) in OrderState::ALL.iter().enumerate() {
        for (column, evidence) in Evidence::ALL.iter().enumerate() {
            let count = engine.orders().pairs().of(*state, *evidence);
            all[row * Evidence::ALL.len() + column] += u64::from(count);
        }
    }
}

/// The pairs that can be, by their place in the counts.
#[must_use]
pub fn possible_pairs() -> Vec<(usize, OrderState, Evidence)> {
    let mut all = Vec::new();
    for (row, state) in OrderState::ALL.iter().enumerate() {
        for (column, evidence) in Evidence::ALL.iter().enumerate() {
            if !matches!(verdict(*state, *evidence), Verdict::Impossible(_)) {
                all.push((row * Evidence::ALL.len() + column, *state, *evidence));
            }
        }
    }
    all
}
