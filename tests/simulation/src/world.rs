//! The world of one run: venue, network, appliance, time.
//!
//! In: a seed. Out: one event after the other. Never: an event before its time, two events whose
//! order depends on anything but the seed.

mod lives;
mod traffic;

use std::cell::RefCell;
use std::rc::Rc;

use hotpath::account_file::AccountStart;
use market::Market;

pub use lives::Commanded;

use crate::appliance::Appliance;
use crate::birth::Silences;
use crate::birth::{connections_of, day_ns};
use crate::checker::{Checker, Moment};
use crate::desk::roles;
use crate::disk::Disk;
use crate::faults::{Adversary, Relayed, Scheduled};
use crate::network::{ConnectionId, Ending, MS, Network, Place, Role, server_frame};
use crate::pairs::{FEED_FIGURES, PAIRS};
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
    /// The segment of the last life was latched, with positions closed or kept.
    pub segment_latch: Option<bool>,
    /// What outlives a process.
    pub disk: Rc<RefCell<Disk>>,
    /// What a person has said.
    pub commanded: Commanded,
    /// When the present life began.
    pub born_at: u64,
    /// Since when nothing is done wrong to anybody.
    pub calm_since: u64,
    /// A person wants to do something then.
    pub wake_at: Option<u64>,
    /// What the exchange forbids, over deaths.
    pub silences: Silences,
    /// What the disk has of the account.
    pub account: AccountStart,
    /// Who makes it hard.
    pub adversary: Adversary,
    /// Pairs of the order tables of lives that have ended.
    pub pairs: Vec<u64>,
    /// What market connections of lives that have ended brought.
    pub feed: Vec<u64>,
    pipes: std::collections::BTreeMap<ConnectionId, Pipe>,
    venue_next: Option<u64>,
    drifted_at: u64,
    next_truth: u64,
    commit_at: u64,
    /// The delivery with this number is lost.
    pub without_delivery: Option<u64>,
    deliveries: u64,
    acts_before: u64,
}

/// Between two looks at the exchange's books.
const TRUTH_NS: u64 = 250 * MS;
/// What a process that stood still has waiting is handled within this time.
const STILL_NS: u64 = 1_000 * MS;
/// Between two commits of control.
const COMMIT_NS: u64 = 50 * MS;

/// How often our own code has failed a reconciliation on purpose: no more a calm world than what the
/// adversary does.
fn failed_reconciliations() -> u64 {
    #[cfg(feature = "buggify")]
    {
        use market::buggify::Point;
        let counts = market::buggify::counts();
        let is_one = |point: &Point| matches!(point, Point::ReconcileFailed | Point::ReconcileLate);
        let points = Point::ALL.iter().zip(counts);
        points
            .filter(|(point, _)| is_one(point))
            .map(|(_, count)| count)
            .sum()
    }
    #[cfg(not(feature = "buggify"))]
    0
}

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
            segment_latch: None,
            disk: Rc::default(),
            commanded: Commanded::default(),
            born_at: 0,
            calm_since: 0,
            wake_at: None,
            acts_before: 0,
            without_delivery: None,
            deliveries: 0,
            silences: Silences::default(),
            account: AccountStart::First,
            adversary: Adversary {
                has_stops: crate::protection::stop_settings(seed, 1).is_some(),
                relayed: match connections_of(Role::Books, seed) {
                    1 => Relayed::default(),
                    _ => Relayed::new(seed),
                },
                ..Adversary::new(schedule)
            },
            pairs: vec![0; PAIRS],
            feed: vec![0; FEED_FIGURES],
            drifted_at: 0,
            pipes: std::collections::BTreeMap::new(),
            venue_next: Some(0),
            next_truth: 0,
            commit_at: 0,
        };
        world.before_us();
        world.start_life();
        world
    }

    /// Every place of the box.
    #[must_use]
    pub fn places(&self) -> Vec<Place> {
        let mut places = Vec::new();
        for market in [Market::UsdM, Market::Spot] {
            let listed = self.venue.exchange.floor(market).venue.instruments();
            if !listed.is_empty() {
                for role in roles(market) {
                    places.extend((0..connections_of(*role, self.seed)).map(|number| Place {
                        market,
                        role: *role,
                        number,
                    }));
                }
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
            self.wake_at,
            self.disk.borrow().next_at(),
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
        self.disk.borrow_mut().pass(self.now);
        self.adversity();
        for id in self.venue.pings(self.now) {
            let mut frame = Vec::new();
            server_frame(9, true, b"1", &mut frame);
            self.send_to_box(id, frame, 0);
        }
        while let Some(delivery) = self.network.take(self.now) {
            self.deliveries += 1;
            if self.without_delivery != Some(self.deliveries) {
                self.deliver(delivery);
            }
        }
        self.upkeep();
        if self.next_truth <= self.now {
            self.next_truth = self.now + TRUTH_NS;
            self.end_old_connections();
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

    /// The exchange ends a connection of market data after its day; whoever has two of a route has
    /// replaced it before.
    fn end_old_connections(&mut self) {
        let Some(day_ns) = day_ns(self.seed) else {
            return;
        };
        for id in self.venue.older_than(day_ns, self.now) {
            self.end_from_venue(id, Ending::Clean);
            let place = self.venue.place_of(id);
            self.adversary
                .fire(self.now, 15, format!("{place:?} is old"));
            if self.now - self.calm_since > day_ns / 2 {
                let mut checker = self.checker.borrow_mut();
                checker.broken("FEED", format!("{place:?} was not replaced in its day"));
            }
        }
    }

    fn check_refused(&mut self) {
        let mut checker = self.checker.borrow_mut();
        if !checker.refused_fresh.is_empty() {
            checker.check_refused(&self.venue.exchange, self.now);
        }
        if let Some(appliance) = &self.appliance {
            // A step of the exchange's clock says nothing of when an order has ended.
            let utc_ns = crate::venue::START_UTC_NS + self.now as i64;
            let utc_ns = (self.venue.clock_error_ns == 0).then_some(utc_ns);
            let engine = appliance.host.engine();
            checker.check_believed(&self.venue.exchange, engine, self.now, utc_ns);
        }
        checker.check_verified(&self.venue.exchange, self.now);
        checker.note_positions(&self.venue.exchange, self.now);
    }

    fn look_at_truth(&mut self) {
        let mut checker = self.checker.borrow_mut();
        let acts = self.adversary.acts() + failed_reconciliations();
        let silent = checker.is_silent(self.now);
        let calm = self.adversary.is_calm(self.now) && self.appliance.is_some() && !silent;
        if !calm || acts != self.acts_before {
            (self.calm_since, self.acts_before) = (self.now, acts);
        }
        let Some(appliance) = &self.appliance else {
            return;
        };
        let engine = appliance.host.engine();
        let exchange = &self.venue.exchange;
        checker.watch_positions(exchange, engine, self.now);
        checker.watch_fills(self.now, self.calm_since.max(self.born_at));
        checker.check_levels(engine);
        if self.adversary.stalled_until + STILL_NS <= self.now {
            checker.check_held(self.now);
        }
        checker.check_signals(engine);
        checker.check_reserved(engine);
        checker.check_reserved_truth(exchange, engine, self.now);
        checker.check_trades(exchange);
        checker.check_funding(exchange, engine);
        if self.adversary.stalled_until <= self.now {
            let moment = Moment {
                now: self.now,
                born_at: self.born_at,
                calm_since: self.calm_since,
                countdown_s: crate::birth::countdown_s(self.seed),
            };
            let durable = appliance.guard.keeper.line().durable == Some(true);
            let on_disk = self.disk.borrow().latch.is_some();
            checker.check_durable(durable, on_disk, &moment);
            checker.check_kill(exchange, engine, &moment);
            checker.check_countdown(exchange, &moment);
            checker.check_stops(exchange, engine, &moment);
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
}
