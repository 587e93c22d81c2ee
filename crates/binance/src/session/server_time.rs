//! The exchange's time, estimated from `GET time`.
//!
//! In: replies with the local times of sending and receiving, doubts. Out: the exchange's clock
//! less the local monotonic one, and the error bound of that. Never: the local wall clock, whose
//! steps mean nothing to the exchange (I31); a time that makes no sense.

use super::http::success;
use super::{Governor, HttpOutcome, HttpRequest, MILLISECOND_NS, Now, SECOND_NS};
use crate::rest;
use market::{Market, MonoNs, UtcMs};

/// Samples kept; the one with the shortest round trip counts.
const SAMPLES: usize = 8;

/// Between two samples until there are [`SAMPLES`].
const FIRST_INTERVAL_NS: u64 = 200 * MILLISECOND_NS;

/// Between two samples from then on.
const INTERVAL_NS: u64 = 30 * SECOND_NS;

/// Doubts that come in a burst count once.
const DOUBT_INTERVAL_NS: u64 = SECOND_NS;

/// 2017, when the exchange opened, to 2100: other times make no sense.
const SENSIBLE_MS: std::ops::Range<i64> = 1_483_228_800_000..4_102_444_800_000;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Sample {
    offset_ns: i64,
    round_trip_ns: u64,
}

/// Asks for the time and keeps the best of the last answers.
#[derive(Clone, Debug)]
pub struct ServerTime {
    market: Market,
    samples: [Option<Sample>; SAMPLES],
    next_sample: usize,
    due: MonoNs,
    /// When the request under way was sent.
    sent: Option<MonoNs>,
    /// A sample from before the doubt is worth nothing.
    doubted_at: Option<MonoNs>,
    nonsense: u64,
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
            sent: None,
            doubted_at: None,
            nonsense: 0,
        }
    }

    /// The request that is due, if the budget allows one.
    pub fn poll(&mut self, now: Now, governor: &mut Governor) -> Option<HttpRequest> {
        if self.sent.is_some() || now.mono < self.due {
            return None;
        }
        let call = rest::time(self.market);
        if let Err(until) = governor.admit(call.weight, now) {
            self.due = until;
            return None;
        }
        self.sent = Some(now.mono);
        Some(HttpRequest {
            call,
            deadline: now.mono.after(5 * SECOND_NS),
        })
    }

    /// When `poll` has something to say.
    #[must_use]
    pub fn next_deadline(&self) -> Option<MonoNs> {
        self.sent.is_none().then_some(self.due)
    }

    /// The exchange refused a time stamp (-1021): what was measured before does not hold any more,
    /// so it is measured again at once.
    pub fn doubt(&mut self, now: MonoNs) {
        let again = self.doubted_at.map(|at| at.after(DOUBT_INTERVAL_NS));
        if again.is_some_and(|again| now < again) {
            return;
        }
        self.doubted_at = Some(now);
        self.samples = [None; SAMPLES];
        self.next_sample = 0;
        self.due = now;
    }

    /// The answer to the last request, read at `now`.
    pub fn on_reply(&mut self, outcome: HttpOutcome<'_>, now: MonoNs) {
        let Some(sent) = self.sent.take() else {
            return;
        };
        if self.doubted_at.is_some_and(|at| sent < at) {
            return;
        }
        let server_ms = success(outcome).and_then(|body| rest::parse_time(body).ok());
        let sample = server_ms.and_then(|server_ms| sample(server_ms, sent, now));
        self.nonsense += u64::from(server_ms.is_some() && sample.is_none());
        if let Some(sample) = sample {
            self.samples[self.next_sample % SAMPLES] = Some(sample);
            self.next_sample += 1;
        }
        let wait_ns = match sample {
            Some(_) if self.next_sample < SAMPLES => FIRST_INTERVAL_NS,
            Some(_) => INTERVAL_NS,
            None => SECOND_NS,
        };
        self.due = now.after(wait_ns);
    }

    /// Nanoseconds from the local monotonic clock to the exchange's, which counts from 1970;
    /// `None` before an answer.
    #[must_use]
    pub fn offset_ns(&self) -> Option<i64> {
        self.best().map(|sample| sample.offset_ns)
    }

    /// Half of the best round trip: the offset is at most this wrong. `None` before an answer.
    #[must_use]
    pub fn error_bound_ns(&self) -> Option<u64> {
        self.best().map(|sample| sample.round_trip_ns / 2)
    }

    /// Answers that made no sense and were ignored.
    #[must_use]
    pub const fn nonsense(&self) -> u64 {
        self.nonsense
    }

    fn best(&self) -> Option<Sample> {
        self.samples
            .iter()
            .flatten()
            .min_by_key(|sample| sample.round_trip_ns)
            .copied()
    }
}

/// What an answer says, if it makes sense.
fn sample(UtcMs(server_ms): UtcMs, sent: MonoNs, received: MonoNs) -> Option<Sample> {
    if !SENSIBLE_MS.contains(&server_ms) {
        return None;
    }
    let round_trip_ns = received.since(sent);
    let middle_ns = i64::try_from(sent.0.checked_add(round_trip_ns / 2)?).ok()?;
    // The reply is cut to milliseconds: its middle is half a millisecond later.
    let server_ns = server_ms.checked_mul(1_000_000)?.checked_add(500_000)?;
    Some(Sample {
        offset_ns: server_ns.checked_sub(middle_ns)?,
        round_trip_ns,
    })
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

    fn at(mono: MonoNs) -> Now {
        Now {
            mono,
            server: UtcMs(0),
        }
    }

    /// Asks when it is due; an answer with `server_ms` comes `round_trip_ms` later.
    fn ask(time: &mut ServerTime, server_ms: i64, round_trip_ms: u64) -> MonoNs {
        let due = time.next_deadline().expect("nothing is under way");
        let mut governor = Governor::new(1_000);
        assert!(time.poll(at(due), &mut governor).is_some());
        assert_eq!(time.poll(at(due), &mut governor), None, "one at a time");
        let received = due.after(round_trip_ms * MILLISECOND_NS);
        let body = format!("{{\"serverTime\":{server_ms}}}");
        time.on_reply(answer(body.as_bytes()), received);
        received
    }

    const T: i64 = 1_700_000_000_000;

    #[test]
    fn the_quickest_round_trip_decides_the_offset() {
        let mut time = ServerTime::new(Market::UsdM);
        ask(&mut time, T, 100);
        // Its middle was at 50 ms of the monotonic clock.
        assert_eq!(time.offset_ns(), Some((T - 50) * 1_000_000 + 500_000));
        // Asked at 300 ms, so the middle is at 301 ms.
        ask(&mut time, T, 2);
        assert_eq!(time.offset_ns(), Some((T - 301) * 1_000_000 + 500_000));
        assert_eq!(time.error_bound_ns(), Some(MILLISECOND_NS));
        ask(&mut time, T + 77, 20);
        assert_eq!(time.offset_ns(), Some((T - 301) * 1_000_000 + 500_000));
    }

    #[test]
    fn a_refused_time_stamp_is_followed_by_new_measurements_at_once() {
        let mut time = ServerTime::new(Market::UsdM);
        let mut now = MonoNs(0);
        for _ in 0..SAMPLES {
            now = ask(&mut time, T, 2);
        }
        assert!(time.next_deadline().unwrap() > now.after(20 * SECOND_NS));
        let now = now.after(SECOND_NS);
        time.doubt(now);
        assert_eq!(time.next_deadline(), Some(now));
        // The new sample counts although it is slower; a burst of refusals changes nothing.
        let received = ask(&mut time, T + 9_000, 100);
        let middle_ns = (now.0 + 50 * MILLISECOND_NS) as i64;
        let expected = (T + 9_000) * 1_000_000 + 500_000 - middle_ns;
        assert_eq!(time.offset_ns(), Some(expected));
        time.doubt(received);
        assert_eq!(time.offset_ns(), Some(expected));
    }

    #[test]
    fn an_answer_from_before_the_doubt_is_not_taken() {
        let mut time = ServerTime::new(Market::UsdM);
        let mut governor = Governor::new(1_000);
        assert!(time.poll(at(MonoNs(0)), &mut governor).is_some());
        time.doubt(MonoNs(5));
        time.on_reply(answer(b"{\"serverTime\":1700000000000}"), MonoNs(10));
        assert_eq!(time.offset_ns(), None);
        assert_eq!(time.next_deadline(), Some(MonoNs(5)));
    }

    #[test]
    fn a_ban_silences_it_too() {
        let mut time = ServerTime::new(Market::UsdM);
        let mut governor = Governor::new(1_000);
        let banned = HttpReply {
            status: 418,
            retry_after_s: Some(60),
            used_weight: None,
            body: b"",
        };
        governor.on_reply(&banned, at(MonoNs(0)));
        assert_eq!(time.poll(at(MonoNs(1)), &mut governor), None);
        assert_eq!(time.next_deadline(), Some(MonoNs(60 * SECOND_NS)));
    }

    #[test]
    fn failures_and_nonsense_change_nothing_and_are_asked_again() {
        let cases = [
            (None, 0),
            (answer(b"{}"), 0),
            (answer(b"{\"serverTime\":\"x\"}"), 0),
            (answer(b"{\"serverTime\":0}"), 1),
            (answer(b"{\"serverTime\":1000}"), 1),
            (answer(b"{\"serverTime\":9223372036854775807}"), 1),
            (answer(b"{\"serverTime\":9223372036854}"), 1),
        ];
        for (outcome, nonsense) in cases {
            let mut time = ServerTime::new(Market::Spot);
            let mut governor = Governor::new(1_000);
            assert!(time.poll(at(MonoNs(0)), &mut governor).is_some());
            time.on_reply(outcome, MonoNs(1));
            assert_eq!(time.error_bound_ns(), None);
            assert_eq!(time.nonsense(), nonsense);
            assert_eq!(time.next_deadline(), Some(MonoNs(1 + SECOND_NS)));
        }
    }

    #[test]
    fn an_answer_that_nobody_waits_for_measures_nothing() {
        let mut time = ServerTime::new(Market::UsdM);
        time.on_reply(answer(b"{\"serverTime\":1700000000000}"), MonoNs(10));
        assert_eq!(time.offset_ns(), None);
    }
}
