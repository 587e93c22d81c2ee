//! Candles of one minute in a row, the made-up ones before the start and the real ones behind it.
//!
//! In: what happens, minute by minute. Out: the candle of any span of whole minutes. Never: a
//! minute that is missing.

use std::collections::{BTreeMap, VecDeque};

use market::UtcMs;

use super::candle::Candle;
use super::past::Past;

/// A minute.
pub const MINUTE_MS: i64 = 60_000;
const HOUR_MS: i64 = 60 * MINUTE_MS;
/// Real minutes that are kept one by one; older ones live on in their hours.
const MINUTES_MAX: usize = 20_000;

/// The minutes of one price.
pub struct Line {
    past: Past,
    /// Real minutes without a gap. The first one holds the made-up part of the starting minute.
    minutes: VecDeque<Candle>,
    /// Whole hours that somebody asked for, and those whose minutes are gone.
    hours: BTreeMap<i64, Candle>,
}

/// The minute that a time lies in.
#[must_use]
pub fn minute_of(time_ms: i64) -> i64 {
    time_ms.div_euclid(MINUTE_MS) * MINUTE_MS
}

impl Line {
    /// A line whose real part starts now.
    #[must_use]
    pub fn new(past: Past, start: UtcMs) -> Self {
        let first = past.until(minute_of(start.0), start.0);
        Self {
            past,
            minutes: VecDeque::from([first]),
            hours: BTreeMap::new(),
        }
    }

    /// The candle of the running minute; a time before it changes it, too.
    pub fn running(&mut self, now: UtcMs) -> &mut Candle {
        self.fill(now);
        self.minutes.back_mut().expect("there is always one")
    }

    /// What lies before the start.
    #[must_use]
    pub const fn past(&self) -> &Past {
        &self.past
    }

    /// The newest price.
    #[must_use]
    pub fn last_price(&self) -> i64 {
        self.minutes.back().expect("there is always one").close
    }

    /// The price that the running minute opened with.
    #[must_use]
    pub fn last_before(&self) -> i64 {
        self.minutes.back().expect("there is always one").open
    }

    /// The price at the start.
    #[must_use]
    pub fn start_price(&self) -> i64 {
        self.past.end_price()
    }

    /// When the made-up past begins.
    #[must_use]
    pub fn first_ms(&self) -> i64 {
        self.past.first_ms()
    }

    /// The candle of a span of whole minutes, as far as it lies before `now`.
    pub fn between(&mut self, from_ms: i64, until_ms: i64, now: UtcMs) -> Candle {
        self.fill(now);
        let newest = self.minutes.back().expect("there is always one").open_ms;
        let until = until_ms.min(newest + MINUTE_MS);
        let from = minute_of(from_ms).max(self.first_ms());
        if from >= until {
            return Candle::flat(from_ms, self.last_price());
        }
        let mut candle: Option<Candle> = None;
        let mut at = from;
        while at < until {
            let whole_hour = at.rem_euclid(HOUR_MS) == 0 && at + HOUR_MS <= until;
            let part = if whole_hour {
                self.hour(at)
            } else {
                self.minute(at)
            };
            at += if whole_hour { HOUR_MS } else { MINUTE_MS };
            match &mut candle {
                Some(candle) => candle.absorb(&part),
                None => candle = Some(part),
            }
        }
        let mut candle = candle.expect("at least one minute");
        candle.open_ms = from_ms;
        candle
    }

    fn minute(&self, open_ms: i64) -> Candle {
        let first = self.minutes.front().expect("there is always one").open_ms;
        if open_ms < self.past.end_ms() && open_ms < first {
            return self.past.minute(open_ms);
        }
        let index = (open_ms - first).div_euclid(MINUTE_MS);
        match usize::try_from(index)
            .ok()
            .and_then(|index| self.minutes.get(index))
        {
            Some(candle) => *candle,
            // A real minute of long ago: its hour is all that is known.
            None => {
                let hour = open_ms.div_euclid(HOUR_MS) * HOUR_MS;
                let price = self
                    .hours
                    .get(&hour)
                    .map_or(self.start_price(), |hour| hour.open);
                Candle::flat(open_ms, price)
            }
        }
    }

    fn hour(&mut self, open_ms: i64) -> Candle {
        if let Some(known) = self.hours.get(&open_ms) {
            return *known;
        }
        let mut hour = self.minute(open_ms);
        for minute in 1..60 {
            hour.absorb(&self.minute(open_ms + minute * MINUTE_MS));
        }
        let newest = self.minutes.back().expect("there is always one").open_ms;
        // The hour that still runs is not finished by its last minute having begun.
        if open_ms + HOUR_MS <= newest {
            self.hours.insert(open_ms, hour);
        }
        hour
    }

    /// Quiet minutes up to now.
    fn fill(&mut self, now: UtcMs) {
        let open = minute_of(now.0);
        loop {
            let newest = *self.minutes.back().expect("there is always one");
            if newest.open_ms >= open {
                return;
            }
            let next = newest.open_ms + MINUTE_MS;
            if self.minutes.len() == MINUTES_MAX {
                let oldest = self.minutes.front().expect("it is full").open_ms;
                self.hour(oldest.div_euclid(HOUR_MS) * HOUR_MS);
                self.minutes.pop_front();
            }
            self.minutes.push_back(Candle::flat(next, newest.close));
        }
    }
}
