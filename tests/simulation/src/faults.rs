//! The faults of the safety catalogue: which there are, when each comes, how it acts.
//!
//! In: a seed, a list of numbers. Out: a schedule; traps and conditions that the world asks. Never:
//! a fault that counts as fired before it did something.

mod account;
mod catalogue;
mod frames;
mod host;
mod orders;
mod places;

pub use catalogue::{CATALOGUE, FAULTS_MAX, FaultInfo};
pub use frames::Piece;
pub use orders::{Asked, Fate, Forged};
pub use places::CallFate;

use crate::network::{ConnectionId, MS, Place, Role, SECOND};
use crate::random::Random;
use market::UtcMs;

/// One fault at its time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Scheduled {
    /// When.
    pub at: u64,
    /// Its number in the catalogue.
    pub number: u8,
    /// Its parameters, drawn from the seed; each fault reads them in its own way.
    pub draws: [u64; 3],
}

impl Scheduled {
    /// A length of time from `low_ms` to `high_ms`, by the first draw.
    #[must_use]
    pub const fn lasts(&self, low_ms: u64, high_ms: u64) -> u64 {
        (low_ms + self.draws[0] % (high_ms - low_ms + 1)) * MS
    }

    /// One of `count` kinds, by the second draw.
    #[must_use]
    pub const fn kind(&self, count: u64) -> u64 {
        self.draws[1] % count
    }

    /// A count from 1 to `most`, by the third draw.
    #[must_use]
    pub const fn times(&self, most: u64) -> u64 {
        1 + self.draws[2] % most
    }
}

/// Faults of one run: how many a simulated minute.
const PER_MINUTE: u64 = 3;

/// The world is left alone before its first trade.
const QUIET_NS: u64 = 8 * SECOND;

/// The schedule of a seed, by time. `allowed` are numbers; `duration_ns` is phase one.
#[must_use]
pub fn schedule(seed: u64, allowed: &[u8], duration_ns: u64) -> Vec<Scheduled> {
    if allowed.is_empty() || duration_ns <= 2 * QUIET_NS {
        return Vec::new();
    }
    let mut random = Random::new(seed, 2);
    let minutes = duration_ns.div_ceil(60 * SECOND);
    let count = random.between(minutes, 2 * PER_MINUTE * minutes);
    let mut all: Vec<Scheduled> = (0..count)
        .map(|_| Scheduled {
            at: random.between(QUIET_NS, duration_ns - QUIET_NS),
            number: allowed[random.below(allowed.len() as u64) as usize],
            draws: [(); 3].map(|()| random.word()),
        })
        .collect();
    all.sort_by_key(|one| (one.at, one.number, one.draws));
    all
}

/// Something that waits for its occasion.
#[derive(Clone, Copy, Debug)]
pub struct Trap {
    /// The fault that set it.
    pub fault: Scheduled,
    /// How often it acts still.
    pub left: u64,
}

/// Something that holds for a while.
#[derive(Clone, Copy, Debug)]
pub struct Condition {
    /// The fault that set it.
    pub fault: Scheduled,
    /// Until when.
    pub until: u64,
    /// Where, if anywhere.
    pub place: Option<Place>,
}

/// A text that is held back.
#[derive(Clone, Debug)]
pub struct Held {
    /// For which connection.
    pub connection: ConnectionId,
    /// Of which fault.
    pub number: u8,
    /// The text.
    pub text: Vec<u8>,
}

/// Trades that are not listed yet.
#[derive(Clone, Copy, Debug)]
pub struct Unlisted {
    /// Those since this time of the exchange.
    pub since: UtcMs,
    /// They are listed from then on.
    pub until: u64,
    /// One was asked for already.
    pub met: bool,
}

/// Who does all this.
#[derive(Default)]
pub struct Adversary {
    /// What comes.
    pub schedule: Vec<Scheduled>,
    /// How much of it came.
    pub come: usize,
    /// How often each number did something.
    pub fired: Vec<u64>,
    /// What was done, for people.
    pub history: Vec<(u64, u8, String)>,
    /// Wait for an order request.
    pub order_traps: Vec<Trap>,
    /// Wait for a text of a market stream.
    pub frame_traps: Vec<Trap>,
    /// Wait for a private event.
    pub private_traps: Vec<Trap>,
    /// Wait for a REST call.
    pub rest_traps: Vec<Trap>,
    /// Hold now.
    pub conditions: Vec<Condition>,
    /// Texts held back.
    pub held: Vec<Held>,
    /// Connections on which nothing arrives any more.
    pub half_open: Vec<ConnectionId>,
    /// The order that queries do not find, and until when.
    pub lagging: Option<(String, u64)>,
    /// The list of trades that lags.
    pub unlisted: Option<Unlisted>,
    /// The order whose NEW is told after its successor.
    pub new_after: Option<String>,
    /// The appliance does nothing before.
    pub stalled_until: u64,
    /// The process starts again.
    pub restart_at: Option<u64>,
    /// Control makes nothing durable before.
    pub no_commit_until: u64,
    /// Drift of the exchange's clock in parts per million.
    pub drift_ppm: i64,
    /// Names of orders that the outside places.
    pub foreign: u64,
    /// The fault behind the death that is planned, and where.
    pub planned_death: Option<(Scheduled, String)>,
    /// Texts of a burst, until it comes.
    pub collected: Vec<(ConnectionId, Vec<u8>)>,
}

impl Adversary {
    /// With its schedule.
    #[must_use]
    pub fn new(schedule: Vec<Scheduled>) -> Self {
        Self {
            schedule,
            fired: vec![0; FAULTS_MAX],
            ..Self::default()
        }
    }

    /// When something of it is due.
    #[must_use]
    pub fn next_at(&self) -> Option<u64> {
        let scheduled = self.schedule.get(self.come).map(|one| one.at);
        let ends = self.conditions.iter().map(|one| one.until);
        scheduled
            .into_iter()
            .chain(ends)
            .chain(self.restart_at)
            .min()
    }

    /// How often it has acted.
    #[must_use]
    pub fn acts(&self) -> u64 {
        self.fired.iter().sum()
    }

    /// True while nothing that it began goes on.
    #[must_use]
    pub fn is_calm(&self, now: u64) -> bool {
        let stopped = self.stalled_until > now || self.no_commit_until > now;
        let lags = self.lagging.as_ref().is_some_and(|(_, until)| *until > now);
        // Those of snapshots and of the listen key meet no kill.
        let mut traps = self.rest_traps.iter();
        let trapped = traps.any(|one| !matches!(one.fault.number, 6 | 43));
        let cut = !self.half_open.is_empty() || self.restart_at.is_some();
        self.conditions.is_empty() && !stopped && !lags && !trapped && !cut
    }

    /// It has acted.
    pub fn fire(&mut self, now: u64, number: u8, what: impl Into<String>) {
        self.fired[usize::from(number)] += 1;
        if self.history.len() < 400 {
            self.history.push((now, number, what.into()));
        }
    }

    /// The condition of a fault that holds at a place now.
    #[must_use]
    pub fn holds(&self, number: u8, place: Option<Place>) -> Option<Condition> {
        let mut all = self.conditions.iter();
        all.find(|one| one.fault.number == number && (one.place.is_none() || one.place == place))
            .copied()
    }

    /// Uses one trap of these numbers up.
    pub fn spring(traps: &mut Vec<Trap>, fits: impl Fn(&Scheduled) -> bool) -> Option<Scheduled> {
        let index = traps.iter().position(|trap| fits(&trap.fault))?;
        let trap = &mut traps[index];
        trap.left -= 1;
        let fault = trap.fault;
        if trap.left == 0 {
            traps.remove(index);
        }
        Some(fault)
    }
}

/// The place that a fault's draws pick among the box's connections.
#[must_use]
pub fn place_of(fault: &Scheduled, places: &[Place]) -> Place {
    places[(fault.draws[1] % places.len() as u64) as usize]
}

/// True for places of market data.
#[must_use]
pub const fn is_market_data(place: Place) -> bool {
    matches!(place.role, Role::Books | Role::Trades)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_schedule_repeats_and_stays_within_its_list() {
        let one = schedule(7, &[1, 25, 58], 600 * SECOND);
        assert_eq!(one, schedule(7, &[1, 25, 58], 600 * SECOND));
        assert_ne!(one, schedule(8, &[1, 25, 58], 600 * SECOND));
        assert!(one.len() >= 10 && one.iter().all(|fault| [1, 25, 58].contains(&fault.number)));
        assert!(one.windows(2).all(|pair| pair[0].at <= pair[1].at));
        assert!(schedule(7, &[], 600 * SECOND).is_empty());
    }
}
