//! The exchange's time, estimated from `GET time`.
//!
//! In: replies with the local times of sending and receiving. Out: the offset of the exchange's
//! clock from the local one, and its error bound. Never: a step of the local clock taken for the
//! exchange's (the offset is measured against the local UTC clock again and again).

use super::http::success;
use super::{HttpOutcome, HttpRequest, MILLISECOND_NS, SECOND_NS};
use crate::rest;
use market::{Market, MonoNs, UtcMs, UtcNs};

/// Samples kept; the one with the shortest round trip counts.
const SAMPLES: usize = 8;

/// Between two samples until there are [`SAMPLES`].
const FIRST_INTERVAL_NS: u64 = 200 * MILLISECOND_NS;

/// Between two samples from then on.
const INTERVAL_NS: u64 = 30 * SECOND_NS;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Sample {
    offset_ns: i64,
    round_trip_ns: u64,
}

#[derive(Clone, Copy, Debug)]
struct Pending {
    sent: MonoNs,
    sent_utc: UtcNs,
}

/// Asks for the time and keeps the best of the last answers.
#[derive(Clone, Debug)]
pub struct ServerTime {
    market: Market,
    samples: [Option<Sample>; SAMPLES],
    next_sample: usize,
    due: MonoNs,
    pending: Option<Pending>,
}

impl ServerTime {
    /// Asks at the first poll.
    #[must_use]
    pub const fn new(market: Market) -> Self {
        Self {
            market,
            samples: [None; SAMPLES],
            next_sample: 0,
            due: MonoNs(0),
            pending: None,
        }
    }

    /// The request that is due; `utc` is the local wall clock.
    pub fn poll(&mut self, mono: MonoNs, utc: UtcNs) -> Option<HttpRequest> {
        if self.pending.is_some() || mono < self.due {
            return None;
        }
        self.pending = Some(Pending {
            sent: mono,
            sent_utc: utc,
        });
        Some(HttpRequest {
            call: rest::time(self.market),
            deadline: mono.after(5 * SECOND_NS),
        })
    }

    /// When `poll` has something to say.
    #[must_use]
    pub fn next_deadline(&self) -> Option<MonoNs> {
        self.pending.is_none().then_some(self.due)
    }

    /// The answer to the last request, read at `mono`.
    pub fn on_reply(&mut self, outcome: HttpOutcome<'_>, mono: MonoNs) {
        let Some(pending) = self.pending.take() else {
            return;
        };
        let server_ms = success(outcome).and_then(|body| rest::parse_time(body).ok());
        if let Some(UtcMs(server_ms)) = server_ms {
            let round_trip_ns = mono.since(pending.sent);
            let middle_ns = pending.sent_utc.0 + (round_trip_ns / 2) as i64;
            // The reply is cut to milliseconds: its middle is half a millisecond later.
            let server_ns = server_ms * 1_000_000 + 500_000;
            self.samples[self.next_sample % SAMPLES] = Some(Sample {
                offset_ns: server_ns - middle_ns,
                round_trip_ns,
            });
            self.next_sample += 1;
        }
        let wait_ns = if self.next_sample < SAMPLES && server_ms.is_some() {
            FIRST_INTERVAL_NS
        } else if server_ms.is_some() {
            INTERVAL_NS
        } else {
            SECOND_NS
        };
        self.due = mono.after(wait_ns);
    }

    /// Nanoseconds that the exchange's clock is ahead of the local one; 0 before the first answer.
    #[must_use]
    pub fn offset_ns(&self) -> i64 {
        self.best().map_or(0, |sample| sample.offset_ns)
    }

    /// Half of the best round trip: the offset is at most this wrong. `None` before an answer.
    #[must_use]
    pub fn error_bound_ns(&self) -> Option<u64> {
        self.best().map(|sample| sample.round_trip_ns / 2)
    }

    fn best(&self) -> Option<Sample> {
        self.samples
            .iter()
            .flatten()
            .min_by_key(|sample| sample.round_trip_ns)
            .copied()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::session::HttpReply;

    fn answer(body: &[u8]) -> HttpOutcome<'_> {
        Some(HttpReply {
            status: 200,
            retry_after_s: None,
            used_weight: None,
            body,
        })
    }

    #[test]
    fn the_quickest_round_trip_decides_the_offset() {
        let mut time = ServerTime::new(Market::UsdM);
        let utc = UtcNs(1_000_000_000_000);
        assert_eq!(
            time.poll(MonoNs(0), utc).unwrap().call.path,
            "/fapi/v1/time"
        );
        assert_eq!(time.poll(MonoNs(1), utc), None, "one at a time");
        // 100 ms round trip: the middle is local 1000.050 s, the exchange says 1000.300 s.
        time.on_reply(
            answer(b"{\"serverTime\":1000300}"),
            MonoNs(100 * MILLISECOND_NS),
        );
        assert_eq!(time.offset_ns(), 250_500_000);
        let second = time.next_deadline().unwrap();
        assert!(time.poll(second, utc).is_some());
        time.on_reply(
            answer(b"{\"serverTime\":1000100}"),
            second.after(2 * MILLISECOND_NS),
        );
        assert_eq!(time.offset_ns(), 99_500_000);
        assert_eq!(time.error_bound_ns(), Some(MILLISECOND_NS));
    }

    #[test]
    fn failures_and_nonsense_change_nothing_and_are_asked_again() {
        let mut time = ServerTime::new(Market::Spot);
        for outcome in [None, answer(b"{}"), answer(b"{\"serverTime\":\"x\"}")] {
            let due = time.next_deadline().unwrap();
            assert!(time.poll(due, UtcNs(0)).is_some());
            time.on_reply(outcome, due.after(1));
            assert_eq!(time.error_bound_ns(), None);
            assert!(time.next_deadline().unwrap() > due);
        }
    }
}
