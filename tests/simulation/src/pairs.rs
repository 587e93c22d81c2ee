//! Which pairs of order state and evidence a run has met, and what its connections brought.
//!
//! In: lives at their ends. Out: counts, and which pairs there can be. Never: a
//! table of its own; the engine's is asked.

use engine::Engine;
use engine::orders::{Evidence, Verdict, verdict};
use market::OrderState;

use crate::appliance::Appliance;

/// Pairs of state and evidence.
pub const PAIRS: usize = 72;

/// Figures of what market connections brought.
pub const FEED_FIGURES: usize = 5;

/// Adds what the connections of an appliance brought.
pub fn add_feeds(all: &mut [u64], appliance: &Appliance) {
    for slot in &appliance.markets {
        let number = usize::from(slot.wire.place.number);
        let counts = appliance.feeds[slot.feed].counts(number);
        let figures = [
            counts.first,
            counts.second,
            counts.filled,
            counts.missed,
            counts.spared,
        ];
        for (sum, figure) in all.iter_mut().zip(figures) {
            *sum += figure;
        }
    }
}

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
