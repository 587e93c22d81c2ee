//! What happens to the machine: clocks, cores, process, disk. And who calls whom.
//!
//! In: a fault at its time. Out: its effect, or a trap or condition that waits. Never: a second
//! death before the next life.

use super::account::MISSING;
use super::{Adversary, Condition, Scheduled, Unlisted};
use crate::death::POINTS;
use crate::network::{MS, SECOND};
use crate::world::World;

impl World {
    /// Lets what is due of the schedule happen, and ends what has lasted long enough.
    pub fn adversity(&mut self) {
        while let Some(fault) = self.adversary.schedule.get(self.adversary.come).copied() {
            if fault.at > self.now {
                break;
            }
            self.adversary.come += 1;
            self.inject(&fault);
        }
        self.end_conditions(|one, now| one.until <= now);
        if self.adversary.restart_at.is_some_and(|at| at <= self.now) {
            self.adversary.restart_at = None;
            self.start_life();
        }
    }

    fn end_conditions(&mut self, over: impl Fn(&Condition, u64) -> bool) {
        let now = self.now;
        let (ended, left): (Vec<_>, Vec<_>) = std::mem::take(&mut self.adversary.conditions)
            .into_iter()
            .partition(|one| over(one, now));
        self.adversary.conditions = left;
        for condition in ended {
            match condition.fault.number {
                18 | 53 | 54 => self.place_heals(&condition),
                50..=52 => self.account_heals(&condition),
                12 => self.release_burst(),
                _ => {}
            }
        }
    }

    /// Phase two: nothing is wrong any more.
    pub fn make_peace(&mut self) {
        let adversary = &mut self.adversary;
        adversary.come = adversary.schedule.len();
        adversary.order_traps.clear();
        adversary.frame_traps.clear();
        adversary.private_traps.clear();
        adversary.rest_traps.clear();
        adversary.lagging = None;
        adversary.unlisted = None;
        adversary.no_commit_until = 0;
        self.disk.borrow_mut().heal();
        adversary.drift_ppm = 0;
        adversary.stalled_until = adversary.stalled_until.min(self.now);
        if adversary.restart_at.is_some() {
            adversary.restart_at = Some(self.now);
        }
        let half_open = std::mem::take(&mut adversary.half_open);
        self.end_conditions(|_, _| true);
        for id in half_open {
            self.end_from_venue(id, crate::network::Ending::Reset);
        }
        self.release_held();
        if let Some(appliance) = &mut self.appliance {
            appliance.desk.death = crate::death::Death::default();
        }
        self.adversity();
    }

    fn inject(&mut self, fault: &Scheduled) {
        // A fault is an input, even one that nobody notices.
        let mut hash = self.checker.borrow().hash;
        hash.word(fault.at);
        hash.word(u64::from(fault.number));
        fault.draws.iter().for_each(|draw| hash.word(*draw));
        self.checker.borrow_mut().hash = hash;
        let adversary = &mut self.adversary;
        match fault.number {
            1..=4 | 7..=9 | 13 | 14 => adversary.set_frame_trap(*fault),
            19..=21 => {
                if fault.draws[2].is_multiple_of(4) {
                    adversary.set_private_trap(*fault);
                } else {
                    adversary.set_frame_trap(*fault);
                }
            }
            5 => {
                let spec = simulated_exchange::faults::FaultSpec {
                    kind: simulated_exchange::faults::FaultKind::SnapshotOld,
                    argument: fault.times(3) as i64,
                };
                self.venue.exchange.faults.inject(spec);
                self.spoil_books();
            }
            6 => {
                adversary.set_rest_trap(*fault);
                self.spoil_books();
            }
            10..=12 => self.silence(fault),
            15..=18 | 23 | 39 | 44 | 53 | 54 => self.place_fault(fault),
            22 => {
                if fault.draws[2].is_multiple_of(2) {
                    self.place_fault(fault);
                } else {
                    adversary.set_frame_trap(*fault);
                }
            }
            35 | 36 | 40 if fault.draws[0].is_multiple_of(4) => adversary.set_rest_trap(*fault),
            41 if fault.kind(2) == 0 => {
                adversary.unlisted = Some(Unlisted {
                    since: self.venue.exchange.clock.now(),
                    until: self.now + fault.lasts(3_000, 30_000),
                    met: false,
                });
                // Something must be asked for.
                adversary.set_private_trap(Scheduled {
                    number: 42,
                    draws: [fault.draws[0], MISSING, 0],
                    ..*fault
                });
            }
            25..=31 | 33..=38 | 40 | 41 => adversary.set_order_trap(*fault),
            42 => adversary.set_private_trap(*fault),
            43 => self.key(fault),
            32 | 45..=52 => self.account_fault(fault),
            55..=58 => self.host_fault(fault),
            _ => {}
        }
    }

    /// A book must be asked for, so that a fault of snapshots has its occasion.
    fn spoil_books(&mut self) {
        let fault = Scheduled {
            at: self.now,
            number: 2,
            draws: [1, 1, 1],
        };
        self.adversary.set_frame_trap(fault);
    }

    fn silence(&mut self, fault: &Scheduled) {
        let places = self.places();
        let of_books = places
            .iter()
            .copied()
            .filter(|one| super::is_market_data(*one));
        let of_books: Vec<_> = of_books.collect();
        let place = super::place_of(fault, &of_books);
        let lasts = match fault.number {
            10 => fault.lasts(1_000, 40_000),
            11 => fault.lasts(1_000, 20_000),
            _ => fault.lasts(300, super::frames::BURST_MS_MAX),
        };
        self.adversary.conditions.push(Condition {
            fault: *fault,
            until: self.now + lasts,
            place: Some(place),
        });
        let what = format!("{place:?} for {} ms", lasts / MS);
        self.adversary.fire(self.now, fault.number, what);
    }

    fn key(&mut self, fault: &Scheduled) {
        let now = self.venue.exchange.clock.now();
        self.venue.exchange.expire_listen_key(now);
        self.collect();
        self.adversary.fire(self.now, 43, "the key expires");
        if fault.kind(2) == 0 {
            self.adversary.set_rest_trap(*fault);
        }
    }

    fn host_fault(&mut self, fault: &Scheduled) {
        let now = self.now;
        match fault.number {
            55 => {
                match fault.kind(3) {
                    0 => self.venue.clock_error_ns += 2_000_000_000,
                    1 => self.venue.clock_error_ns -= 2_000_000_000,
                    _ => self.adversary.drift_ppm = [200, -200][(fault.draws[0] % 2) as usize],
                }
                self.adversary
                    .fire(now, 55, format!("kind {}", fault.kind(3)));
            }
            56 => {
                self.adversary.stalled_until = now + 200 * MS;
                self.adversary.fire(now, 56, "200 ms");
            }
            57 if fault.kind(5) == 0 => {
                let lasts = fault.lasts(500, 15_000);
                self.adversary.stalled_until = now + lasts;
                self.adversary
                    .fire(now, 57, format!("SIGSTOP for {} ms", lasts / MS));
            }
            57 => {
                let point = POINTS[(fault.draws[0] % POINTS.len() as u64) as usize];
                if let Some(appliance) = &mut self.appliance
                    && !appliance.desk.death.is_planned()
                {
                    let power_cut = (fault.draws[1] / 5).is_multiple_of(4);
                    let death = &mut appliance.desk.death;
                    death.plan(point, fault.times(6) - 1, power_cut);
                    let how = if power_cut { "a power cut" } else { "SIGKILL" };
                    let what = format!("{how} at {point:?}");
                    self.adversary.planned_death = Some((*fault, what));
                }
            }
            _ => {
                let lasts = fault.lasts(5_000, 150_000);
                // One that is shorter does not end one that is longer.
                let until = |already: &mut u64| *already = (now + lasts).max(*already);
                until(&mut self.adversary.no_commit_until);
                let mut disk = self.disk.borrow_mut();
                match fault.kind(2) {
                    0 => until(&mut disk.refuses_until),
                    _ => until(&mut disk.slow_until),
                }
                drop(disk);
                self.adversary
                    .fire(now, 58, format!("no commit for {} ms", lasts / MS));
            }
        }
    }

    /// The process has died at its point: it starts again a little later.
    pub(crate) fn on_death(&mut self) {
        let planned: Option<(Scheduled, String)> = self.adversary.planned_death.take();
        let (delay, what) = match planned {
            Some((fault, what)) => (fault.lasts(50, 6_000), what),
            None => (SECOND, "SIGKILL".to_owned()),
        };
        self.adversary.fire(self.now, 57, what);
        self.adversary.restart_at = Some(self.now + delay);
    }
}

impl Adversary {
    /// The clock's error grows by the drift of `elapsed_ns`.
    #[must_use]
    pub const fn drift(&self, elapsed_ns: u64) -> i64 {
        elapsed_ns as i64 * self.drift_ppm / 1_000_000
    }
}
