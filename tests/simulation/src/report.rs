//! What many runs come to.
//!
//! In: outcomes, in any order. Out: JSON, tables, the story of a failure. Never: a number that
//! depends on the order in which runs ended.

use std::fmt::Write as _;

use engine::hash::RollingHash;
use market::buggify::{POINTS, Point};
use serde_json::{Map, Value, json};

use crate::faults::{CATALOGUE, FAULTS_MAX};
use crate::network::{MS, SECOND};
use crate::pairs::{PAIRS, possible_pairs};
use crate::run::Outcome;

/// Faults of the history that a failure shows.
const STORY_LINES: usize = 12;
/// Characters of a record that a failure shows.
const STORY_COLUMNS: usize = 240;

/// The sum of many runs.
#[derive(Clone, Debug)]
pub struct Report {
    /// Outcomes by seed.
    pub outcomes: Vec<Outcome>,
    /// Real time.
    pub wall_seconds: f64,
}

impl Report {
    /// Puts outcomes into the order of their seeds.
    #[must_use]
    pub fn new(mut outcomes: Vec<Outcome>, wall_seconds: f64) -> Self {
        outcomes.sort_by_key(|one| one.seed);
        Self {
            outcomes,
            wall_seconds,
        }
    }

    /// Runs that went wrong.
    pub fn failures(&self) -> impl Iterator<Item = &Outcome> {
        self.outcomes.iter().filter(|one| one.has_failed())
    }

    /// Runs whose story is told: those that went wrong, or `all`.
    pub fn told(&self, all: bool) -> impl Iterator<Item = &Outcome> {
        self.outcomes
            .iter()
            .filter(move |one| all || one.has_failed())
    }

    /// How often each number fired.
    #[must_use]
    pub fn fired(&self) -> Vec<u64> {
        sum(self.outcomes.iter().map(|one| &one.fired), FAULTS_MAX)
    }

    fn rare(&self) -> Vec<u64> {
        sum(self.outcomes.iter().map(|one| &one.rare), POINTS)
    }

    fn pairs(&self) -> Vec<u64> {
        sum(self.outcomes.iter().map(|one| &one.pairs), PAIRS)
    }

    fn hash(&self) -> u64 {
        let mut hash = RollingHash::default();
        for one in &self.outcomes {
            hash.word(one.seed);
            hash.word(one.hash);
        }
        hash.value()
    }

    fn hours(&self) -> f64 {
        let ns: u64 = self.outcomes.iter().map(|one| one.simulated_ns).sum();
        ns as f64 / SECOND as f64 / 3_600.0
    }

    /// The whole as JSON.
    #[must_use]
    pub fn json(&self) -> Value {
        let fired = self.fired();
        let faults: Map<String, Value> = CATALOGUE
            .iter()
            .map(|one| {
                let count = fired[usize::from(one.number)];
                (format!("F{}", one.number), json!(count))
            })
            .collect();
        let rare: Map<String, Value> = Point::ALL
            .iter()
            .zip(self.rare())
            .map(|(point, count)| (point.as_str().to_owned(), json!(count)))
            .collect();
        let pairs = self.pairs();
        let possible = possible_pairs();
        let entered = possible.iter().filter(|(place, ..)| pairs[*place] > 0);
        let least = self
            .outcomes
            .iter()
            .min_by_key(|one| (one.orders, one.seed));
        let violations: usize = self.outcomes.iter().map(|one| one.violations.len()).sum();
        let panics = self.outcomes.iter().filter(|one| one.panic.is_some());
        let recovery = self.outcomes.iter().map(|one| one.recovery_ns).max();
        json!({
            "seeds": self.outcomes.len(),
            "violations": violations,
            "panics": panics.count(),
            "first_failure": self.failures().next().and_then(|one| {
                let (invariant, text) = one.first_failure()?;
                Some(json!({ "seed": one.seed, "invariant": invariant, "text": text }))
            }),
            "failed_seeds": self.failures().map(|one| one.seed).collect::<Vec<_>>(),
            "faults": faults,
            "buggify": rare,
            "state_event_pairs": { "entered": entered.count(), "possible": possible.len() },
            "orders": self.outcomes.iter().map(|one| one.orders).sum::<u64>(),
            "orders_least": least.map(|one| one.orders),
            "orders_least_seed": least.map(|one| one.seed),
            "fills": self.outcomes.iter().map(|one| one.fills).sum::<u64>(),
            "lives": self.outcomes.iter().map(|one| u64::from(one.lives)).sum::<u64>(),
            "recovery_seconds_most": recovery.map_or(0.0, |ns| ns as f64 / SECOND as f64),
            "simulated_hours": self.hours(),
            "wall_seconds": self.wall_seconds,
            "simulated_hours_per_minute": self.hours() / (self.wall_seconds / 60.0).max(1e-9),
            "hash": format!("{:016x}", self.hash()),
        })
    }

    /// Tables for people.
    #[must_use]
    pub fn table(&self) -> String {
        let mut out = String::new();
        let fired = self.fired();
        let seeds_with = |number: u8| {
            let hit = |one: &&Outcome| one.fired.get(usize::from(number)).is_some_and(|n| *n > 0);
            self.outcomes.iter().filter(hit).count()
        };
        let _ = writeln!(out, "fault   fired  in seeds");
        for one in &CATALOGUE {
            let count = fired[usize::from(one.number)];
            let (number, seeds) = (one.number, seeds_with(one.number));
            let what = one.what;
            let _ = writeln!(out, "F{number:<4} {count:>7}  {seeds:>8}  {what}");
        }
        let _ = writeln!(out, "\nrare thing of our own    happened");
        for (point, count) in Point::ALL.iter().zip(self.rare()) {
            let _ = writeln!(out, "{:<24} {count:>8}", point.as_str());
        }
        let _ = writeln!(out, "\nstate and evidence           met");
        let pairs = self.pairs();
        for (place, state, evidence) in possible_pairs() {
            let pair = format!("{state} + {evidence}");
            let _ = writeln!(out, "{pair:<26} {:>7}", pairs[place]);
        }
        out
    }
}

fn sum<'a>(all: impl Iterator<Item = &'a Vec<u64>>, length: usize) -> Vec<u64> {
    all.fold(vec![0; length], |mut total, one| {
        for (total, count) in total.iter_mut().zip(one) {
            *total += count;
        }
        total
    })
}

/// The story of a run; `whole` with all faults of its history.
#[must_use]
pub fn story(outcome: &Outcome, whole: bool) -> String {
    let mut out = String::new();
    let (seed, step) = (outcome.seed, outcome.steps);
    if let Some(panic) = &outcome.panic {
        let _ = writeln!(out, "seed {seed}, step {step}: PANIC {panic}");
    }
    if let Some(first) = outcome.violations.first() {
        let (at, invariant, text) = (seconds(first.now), first.invariant, &first.text);
        let _ = writeln!(
            out,
            "seed {seed}, step {}, {at} s: {invariant} {text}",
            first.step
        );
        for more in outcome.violations.iter().skip(1).take(5) {
            let _ = writeln!(out, "    also {} {}", more.invariant, more.text);
        }
    }
    let shown = if whole { usize::MAX } else { STORY_LINES };
    let skipped = outcome.history.len().saturating_sub(shown);
    let _ = writeln!(out, "  faults before ({skipped} older ones left out):");
    for (at, number, what) in &outcome.history[skipped..] {
        let _ = writeln!(out, "    {:>9} s  F{number:<2} {what}", seconds(*at));
    }
    let _ = writeln!(out, "  trading states:");
    for (at, change) in &outcome.states {
        let (to, reason) = (change.to, change.reason);
        let _ = writeln!(out, "    {:>9} s  {to} ({reason})", seconds(*at));
    }
    let _ = writeln!(out, "  denials: {:?}", outcome.denials);
    if outcome.records.is_empty() {
        return out;
    }
    let _ = writeln!(out, "  the journal's last records:");
    for record in &outcome.records {
        let at = seconds(record.time.0);
        let body = format!("{:?}", record.body);
        let body: String = body.chars().take(STORY_COLUMNS).collect();
        let _ = writeln!(out, "    {at:>9} s  {body}");
    }
    let _ = writeln!(out, "  again: cargo xtask simulate --seeds 1 --seed {seed}");
    out
}

fn seconds(ns: u64) -> String {
    format!("{}.{:03}", ns / SECOND, ns / MS % 1_000)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_sum_does_not_depend_on_the_order_of_runs() {
        let one = |seed, hash| Outcome {
            seed,
            hash,
            ..Outcome::default()
        };
        let forth = Report::new(vec![one(1, 7), one(2, 9)], 1.0).json();
        let back = Report::new(vec![one(2, 9), one(1, 7)], 1.0).json();
        assert_eq!(forth, back);
        let other = Report::new(vec![one(1, 7), one(2, 8)], 1.0).json();
        assert_ne!(forth["hash"], other["hash"]);
    }
}
