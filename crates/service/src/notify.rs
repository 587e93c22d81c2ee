//! Our word to the service manager (`man sd_notify`).
//!
//! In: what a process knows of itself. Out: datagrams to systemd's socket; nothing where there is
//! none. Never: a sign of life of a process of which a thread hangs.

use sd_notify::NotifyState;
use std::time::Duration;

/// Longest line of status.
const STATUS_CHARS_MAX: usize = 200;

/// We do what we are here for.
pub fn ready() {
    tell(&[NotifyState::Ready]);
}

/// One line about how we do.
pub fn status(line: &str) {
    let line: String = line.chars().take(STATUS_CHARS_MAX).collect();
    // An end of line would begin another statement.
    tell(&[NotifyState::Status(&line.replace('\n', " "))]);
}

/// The configuration is being read; [`ready`] says that it was.
pub fn reloading() {
    let mut told = vec![NotifyState::Reloading];
    told.extend(NotifyState::monotonic_usec_now());
    tell(&told);
}

/// The end has begun.
pub fn stopping() {
    tell(&[NotifyState::Stopping]);
}

/// What is under way, a start or an end, takes this much longer from now on.
pub fn extend(time: Duration) {
    let us = u32::try_from(time.as_micros()).unwrap_or(u32::MAX);
    tell(&[NotifyState::ExtendTimeoutUsec(us)]);
}

fn tell(states: &[NotifyState<'_>]) {
    // Nobody may be there to hear it, and it changes nothing for us.
    if let Err(error) = sd_notify::notify(states) {
        tracing::debug!("the service manager does not hear us: {error}");
    }
}

/// Gives signs of life as long as every thread does.
#[derive(Debug)]
pub struct Watchdog {
    every_ns: Option<u64>,
    given_at_ns: u64,
    /// What each thread showed last, and since when.
    seen: Vec<(u64, u64)>,
}

impl Watchdog {
    /// As the service manager wants it (`WatchdogSec=`), told four times as often.
    #[must_use]
    pub fn new() -> Self {
        Self::every(sd_notify::watchdog_enabled().map(|timeout| timeout / 4))
    }

    fn every(time: Option<Duration>) -> Self {
        Self {
            every_ns: time.map(|time| u64::try_from(time.as_nanos()).unwrap_or(u64::MAX)),
            given_at_ns: 0,
            seen: Vec::new(),
        }
    }

    /// Looks at the beats of all threads, in the same order each time: numbers that change while a
    /// thread lives.
    pub fn look(&mut self, now_ns: u64, beats: &[u64]) {
        if self.is_due(now_ns, beats) {
            tell(&[NotifyState::Watchdog]);
        }
    }

    fn is_due(&mut self, now_ns: u64, beats: &[u64]) -> bool {
        let Some(every_ns) = self.every_ns else {
            return false;
        };
        // A thread that was never seen has just begun.
        self.seen.resize(beats.len(), (0, now_ns));
        for (beat, seen) in beats.iter().zip(&mut self.seen) {
            if *beat != seen.0 {
                *seen = (*beat, now_ns);
            }
        }
        let lives = |(_, since): &(u64, u64)| now_ns.saturating_sub(*since) < every_ns;
        let all_live = self.seen.iter().all(lives);
        let due = all_live && now_ns.saturating_sub(self.given_at_ns) >= every_ns;
        if due {
            self.given_at_ns = now_ns;
        }
        due
    }
}

impl Default for Watchdog {
    fn default() -> Self {
        Self::new()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_thread_that_hangs_ends_the_signs_of_life() {
        let mut dog = Watchdog::every(Some(Duration::from_nanos(100)));
        let mut given = Vec::new();
        for turn in 1..=20_u64 {
            let now_ns = 1_000 + turn * 50;
            // The second one hangs from the tenth turn on, and goes on at the eighteenth.
            let second = if (10..18).contains(&turn) { 10 } else { turn };
            if dog.is_due(now_ns, &[turn, second]) {
                given.push(turn);
            }
        }
        assert_eq!(given, [1, 3, 5, 7, 9, 11, 18, 20]);
    }

    #[test]
    fn a_thread_that_has_shown_nothing_yet_has_just_begun_and_no_longer() {
        let mut dog = Watchdog::every(Some(Duration::from_nanos(100)));
        assert!(dog.is_due(1_000, &[0]));
        assert!(!dog.is_due(1_150, &[0]));
        assert!(dog.is_due(1_200, &[1]));
    }

    #[test]
    fn without_a_watchdog_nothing_is_told() {
        let mut dog = Watchdog::every(None);
        assert!(!dog.is_due(1_000_000_000, &[1]));
    }
}
