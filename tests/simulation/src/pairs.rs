//! Which pairs of order state and evidence a run has met.
//!
//! In: engines at the end of their lives. Out: counts, and which pairs there can be. Never: a
//! table of its own; the engine's is asked.

use engine::Engine;
use engine::orders::{Evidence, Verdict, verdict};
use market::OrderState;

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
