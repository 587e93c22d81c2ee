//! Faults on a seeded schedule: which, and when, from one number.
//!
//! In: a seed, a rate, the time. Out: the faults that are due. Never: another schedule from the same
//! seed, a fault that does not pass by itself.

use std::str::FromStr;

use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{Rng as _, SeedableRng as _};

use super::{FaultKind, FaultSpec};

const MINUTE_NS: f64 = 60e9;

/// What may come, with the range of its argument. Delays and shifts stay until they are ended, and
/// so have no place here.
const KINDS: [(FaultKind, i64, i64); 17] = [
    (FaultKind::DropDepth, 1, 10),
    (FaultKind::Gap, 1, 10),
    (FaultKind::Reorder, 1, 10),
    (FaultKind::Duplicate, 1, 10),
    (FaultKind::SnapshotOld, 1, 2),
    (FaultKind::Snapshot429, 1, 2),
    (FaultKind::Crossed, 1, 10),
    (FaultKind::Silence, 500, 5_000),
    (FaultKind::Disconnect, 1, 10),
    (FaultKind::DisconnectOne, 1, 10),
    (FaultKind::DropOne, 1, 10),
    (FaultKind::BadJson, 1, 10),
    (FaultKind::AckLost, 1, 3),
    (FaultKind::Unknown503, 1, 3),
    (FaultKind::Unknown1007, 1, 3),
    (FaultKind::ListenKeyExpire, 1, 3),
    (FaultKind::DropPrivate, 1, 2),
];

/// A schedule as written: `seed=7,rate=6`, the rate in faults a minute.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct ScheduleSpec {
    /// Where all comes from.
    pub seed: u64,
    /// Mean number of faults a minute.
    pub rate: f64,
}

impl FromStr for ScheduleSpec {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let wrong = || format!("`{text}` is no schedule; one is written seed=7,rate=6");
        let (mut seed, mut rate) = (None, None);
        for part in text.split(',') {
            match part.split_once('=').ok_or_else(wrong)? {
                ("seed", number) => seed = Some(number.parse().map_err(|_| wrong())?),
                ("rate", number) => rate = Some(number.parse().map_err(|_| wrong())?),
                _ => return Err(wrong()),
            }
        }
        let spec = Self {
            seed: seed.ok_or_else(wrong)?,
            rate: rate.ok_or_else(wrong)?,
        };
        if (0.01..=6_000.0).contains(&spec.rate) {
            Ok(spec)
        } else {
            Err("the rate lies between 0.01 and 6000 faults a minute".to_owned())
        }
    }
}

/// A running schedule.
#[derive(Clone, Debug)]
pub struct Schedule {
    random: ChaCha8Rng,
    mean_ns: f64,
    next_ns: i64,
}

impl Schedule {
    /// A schedule that begins at `start_ns`.
    #[must_use]
    pub fn new(spec: ScheduleSpec, start_ns: i64) -> Self {
        let mut schedule = Self {
            random: ChaCha8Rng::seed_from_u64(spec.seed),
            mean_ns: MINUTE_NS / spec.rate,
            next_ns: start_ns,
        };
        schedule.draw_next();
        schedule
    }

    /// When the next fault comes.
    #[must_use]
    pub const fn next_ns(&self) -> i64 {
        self.next_ns
    }

    /// A fault that is due.
    pub fn due(&mut self, now_ns: i64) -> Option<FaultSpec> {
        if now_ns < self.next_ns {
            return None;
        }
        self.draw_next();
        let kinds = KINDS.len() as u64;
        let (kind, least, most) = KINDS[(self.random.next_u64() % kinds) as usize];
        let range = most.abs_diff(least) + 1;
        let argument = least + (self.random.next_u64() % range) as i64;
        Some(FaultSpec { kind, argument })
    }

    /// Times between faults are exponential: nothing can be known of the next one.
    fn draw_next(&mut self) {
        let uniform = (self.random.next_u64() >> 11) as f64 / (1u64 << 53) as f64;
        let wait_ns = -(1.0 - uniform).ln() * self.mean_ns;
        self.next_ns = self.next_ns.saturating_add(wait_ns as i64 + 1);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn faults(text: &str, minutes: i64) -> Vec<(i64, FaultSpec)> {
        let mut schedule = Schedule::new(text.parse().unwrap(), 0);
        let mut all = Vec::new();
        while schedule.next_ns() < minutes * MINUTE_NS as i64 {
            let at = schedule.next_ns();
            assert_eq!(schedule.due(at - 1), None);
            all.push((at, schedule.due(at).expect("due")));
        }
        all
    }

    #[test]
    fn a_seed_makes_one_schedule_and_another_one_another() {
        assert_eq!(faults("seed=7,rate=6", 60), faults("rate=6,seed=7", 60));
        assert_ne!(faults("seed=7,rate=6", 60), faults("seed=8,rate=6", 60));
    }

    #[test]
    fn so_many_come_as_the_rate_says_and_of_every_kind() {
        let all = faults("seed=1,rate=10", 200);
        // Six standard deviations of 2,000.
        assert!((1_730..2_270).contains(&all.len()), "{}", all.len());
        for (kind, least, most) in KINDS {
            let mut of_kind = all.iter().filter(|(_, spec)| spec.kind == kind);
            let mut all_in_range = of_kind.clone();
            assert!(of_kind.next().is_some(), "{kind:?}");
            assert!(all_in_range.all(|(_, spec)| (least..=most).contains(&spec.argument)));
        }
    }

    #[test]
    fn what_is_no_schedule_is_refused() {
        for text in [
            "",
            "seed=1",
            "rate=1",
            "seed=1,rate=0",
            "seed=x,rate=1",
            "a=1",
        ] {
            assert!(text.parse::<ScheduleSpec>().is_err(), "{text}");
        }
    }
}
