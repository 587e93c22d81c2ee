//! The exchange's time as the engine knows it, and how old market data is by it.
//!
//! In: clock samples, event times of the exchange. Out: whether an entry may rely on them. Never: a
//! reason to hold back an exit; a clock that is read.

use super::breakers::About;
use super::core::Engine;
use super::emit::Emit;
use crate::outbox::Observer;
use market::{Breaker, MonoNs, UtcMs, UtcNs};

/// A clock that stepped is watched for this long before anything is opened again.
const DOUBT_NS: u64 = 5_000_000_000;
/// Samples come four times a second: an event time within this of the last one needs no look.
const SAMPLE_INTERVAL_MS: i64 = 250;
const MS_NS: i64 = 1_000_000;

impl Engine {
    /// Takes a sample. One that does not fit to the one before and the time since is believed, for
    /// nothing better is known; but nothing is opened until the samples agree again.
    pub(super) fn take_clock<O: Observer>(&mut self, utc: UtcNs, emit: &mut Emit<'_, O>) {
        let known = self.utc_now();
        let now = self.facts.now;
        let step_ns = utc.0.abs_diff(known.0);
        if known.0 != 0 && step_ns > self.config.risk.clock_step_max_ns {
            self.facts.clock_steps += 1;
            self.facts.clock_doubted_until = now.after(DOUBT_NS);
            // Until the exchange has answered, the clock is the local one, and steps to the true
            // one once.
            if self.trading.reconciled {
                self.incident(Breaker::ClockSkew, About::default(), emit);
            }
        }
        if known.0 == 0 {
            self.facts.began = utc.to_ms();
        }
        self.facts.utc = utc;
        self.facts.utc_at = now;
        self.limit_event_times();
        let profit = self.profit();
        self.breakers.clock(utc, profit, &self.config.risk);
        self.move_anchors();
    }

    /// Event times further ahead of the last sample than this are looked at.
    pub(super) fn limit_event_times(&mut self) {
        if self.facts.utc.0 != 0 {
            let ahead_ms = to_ms(self.config.risk.clock_step_max_ns);
            let ahead_ms = ahead_ms.saturating_add(SAMPLE_INTERVAL_MS);
            self.facts.event_limit_ms = self.facts.utc.to_ms().0.saturating_add(ahead_ms);
        }
    }

    /// True when time stamps of orders are near enough to the exchange's clock to open anything:
    /// the last sample is young, and the samples agree.
    pub(super) fn clock_is_safe(&self) -> bool {
        let age_ns = self.facts.now.since(self.facts.utc_at);
        self.facts.utc.0 != 0
            && age_ns <= self.config.risk.clock_age_max_ns
            && self.facts.now >= self.facts.clock_doubted_until
    }

    /// True when data of this event time, which came at `came_at`, is young enough for an entry. A
    /// time that was ahead of the exchange's clock when it came says nothing about an age, and is
    /// not trusted later either.
    pub(super) fn is_timely(&self, event_time: UtcMs, came_at: MonoNs) -> bool {
        let now_ms = self.utc_now().to_ms().0;
        let age_ms = now_ms.saturating_sub(event_time.0);
        let held_ms = to_ms(self.facts.now.since(came_at));
        let ahead_ms = held_ms.saturating_sub(age_ms);
        let risk = &self.config.risk;
        age_ms <= to_ms(risk.event_age_max_ns) && ahead_ms <= to_ms(risk.clock_step_max_ns)
    }

    /// Counts an event time that is ahead of the exchange's clock.
    #[cold]
    pub(super) fn note_event_ahead(&mut self, event_time: UtcMs) {
        let ahead_ms = event_time.0.saturating_sub(self.utc_now().to_ms().0);
        let most_ms = to_ms(self.config.risk.clock_step_max_ns);
        self.facts.events_ahead += u64::from(ahead_ms > most_ms);
    }

    /// Event times that were ahead of the exchange's clock, since start (F13).
    #[must_use]
    pub fn events_ahead(&self) -> u64 {
        self.facts.events_ahead
    }

    /// Clock samples that did not fit to the one before, since start.
    #[must_use]
    pub fn clock_steps(&self) -> u64 {
        self.facts.clock_steps
    }
}

fn to_ms(ns: u64) -> i64 {
    i64::try_from(ns).unwrap_or(i64::MAX) / MS_NS
}
