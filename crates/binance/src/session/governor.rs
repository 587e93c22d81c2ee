//! Request weight: stay below the exchange's limit, and silent while it says so.
//!
//! In: the weight of what we want to send, headers and statuses of what came back, what others of
//! this process were told. Out: send now, or not before. Never: a request between a 429 or 418 and
//! its Retry-After, whoever heard it (I20).

use super::{HttpReply, Now, SECOND_NS, Silence};
use market::MonoNs;
use market::buggify::{Point, happens};

/// The weight budget of one market.
#[derive(Clone, Debug)]
pub struct Governor {
    limit: u32,
    used: u32,
    minute: i64,
    silence: Silence,
    nonsense: u64,
}

/// Share of the exchange's limit that we use ourselves, in per cent.
const OWN_SHARE_PERCENT: u64 = 80;

/// More than the exchange can have counted in a minute: it bans at a small multiple of its limit.
const USED_WEIGHT_MAX: u32 = 1_000_000;

/// The longest ban (general information of the API, limits): three days.
pub(super) const SILENCE_S_MAX: u32 = 3 * 24 * 3600;

/// How long a 429 without Retry-After silences us: the window that it speaks of.
const TOO_MANY_S: u32 = 60;

/// How long a 418 without Retry-After silences us: the shortest ban.
const BANNED_S: u32 = 120;

impl Governor {
    /// A budget of `limit` weight a minute at the exchange (2,400 futures, 6,000 spot).
    #[must_use]
    pub fn new(limit: u32) -> Self {
        Self {
            limit,
            used: 0,
            minute: 0,
            silence: Silence::default(),
            nonsense: 0,
        }
    }

    /// Keeps to what others of this process are told, and tells them.
    #[must_use]
    pub fn sharing(mut self, silence: Silence) -> Self {
        self.silence = silence;
        self
    }

    /// Takes `weight` from the budget, or says when to ask again.
    ///
    /// # Errors
    /// The moment before which nothing may be sent.
    pub fn admit(&mut self, weight: u32, now: Now) -> Result<(), MonoNs> {
        self.admit_share(weight, now, OWN_SHARE_PERCENT)
    }

    /// The same for a kill, which may use up all that the exchange allows: nothing else matters
    /// then. Its silences hold for a kill too.
    ///
    /// # Errors
    /// The moment before which nothing may be sent.
    pub fn admit_emergency(&mut self, weight: u32, now: Now) -> Result<(), MonoNs> {
        self.admit_share(weight, now, 100)
    }

    fn admit_share(&mut self, weight: u32, now: Now, percent: u64) -> Result<(), MonoNs> {
        if let Some(until) = self.silence.until(now.mono) {
            return Err(until);
        }
        if happens(Point::BudgetTight) {
            return Err(now.mono.after(SECOND_NS));
        }
        self.roll(now);
        let own_share = u64::from(self.limit) * percent / 100;
        if u64::from(self.used) + u64::from(weight) > own_share {
            let to_next_minute_ms = 60_000 - now.server.0.rem_euclid(60_000);
            return Err(now.mono.after(to_next_minute_ms.unsigned_abs() * 1_000_000));
        }
        self.used = self.used.saturating_add(weight);
        Ok(())
    }

    /// Reads what a reply says about limits.
    pub fn on_reply(&mut self, reply: &HttpReply<'_>, now: Now) {
        self.roll(now);
        if let Some(used) = self.sensible(reply.used_weight, USED_WEIGHT_MAX) {
            self.used = used;
        }
        let _ = self.sensible(reply.retry_after_s, SILENCE_S_MAX);
        self.silence.on_reply(reply, now.mono);
    }

    /// Weight used in this minute.
    #[must_use]
    pub const fn used(&self) -> u32 {
        self.used
    }

    /// Values of headers that made no sense and were ignored.
    #[must_use]
    pub const fn nonsense(&self) -> u64 {
        self.nonsense
    }

    /// End of the silence, if one holds.
    #[must_use]
    pub fn blocked_until(&self, now: MonoNs) -> Option<MonoNs> {
        self.silence.until(now)
    }

    /// End of a ban, which is what a 418 says, while it lasts.
    #[must_use]
    pub fn banned_until(&self, now: MonoNs) -> Option<MonoNs> {
        self.silence.banned_until(now)
    }

    /// A header's value, if it is at most `limit`.
    fn sensible(&mut self, value: Option<u32>, limit: u32) -> Option<u32> {
        let absurd = value.is_some_and(|value| value > limit);
        self.nonsense += u64::from(absurd);
        value.filter(|_| !absurd)
    }

    /// The exchange's window is the clock minute.
    fn roll(&mut self, now: Now) {
        let minute = now.server.0.div_euclid(60_000);
        if minute != self.minute {
            self.minute = minute;
            self.used = 0;
        }
    }
}

/// For how many seconds a reply silences; nothing for one that does not.
pub(super) fn silence_s(reply: &HttpReply<'_>) -> Option<u32> {
    let stated = reply.retry_after_s.filter(|wait| *wait <= SILENCE_S_MAX);
    match reply.status {
        429 => Some(stated.unwrap_or(TOO_MANY_S)),
        418 => Some(stated.unwrap_or(BANNED_S)),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use market::UtcMs;

    fn now(seconds: u64) -> Now {
        Now {
            mono: MonoNs(seconds * SECOND_NS),
            server: UtcMs(seconds as i64 * 1000),
        }
    }

    fn reply(
        status: u16,
        retry_after_s: Option<u32>,
        used_weight: Option<u32>,
    ) -> HttpReply<'static> {
        HttpReply {
            status,
            retry_after_s,
            used_weight,
            body: b"",
        }
    }

    #[test]
    fn the_budget_lasts_a_minute_and_the_header_is_the_truth() {
        let mut governor = Governor::new(100);
        assert_eq!(governor.admit(50, now(10)), Ok(()));
        governor.on_reply(&reply(200, None, Some(75)), now(10));
        assert_eq!(governor.admit(10, now(11)), Err(MonoNs(60 * SECOND_NS)));
        assert_eq!(governor.admit(80, now(60)), Ok(()));
    }

    #[test]
    fn a_kill_has_the_rest_of_the_budget_and_no_way_around_a_ban() {
        let mut governor = Governor::new(100);
        assert_eq!(governor.admit(80, now(10)), Ok(()));
        assert!(governor.admit(1, now(10)).is_err());
        assert_eq!(governor.admit_emergency(20, now(10)), Ok(()));
        assert!(governor.admit_emergency(1, now(10)).is_err());
        governor.on_reply(&reply(418, Some(300), None), now(11));
        let end = MonoNs(311 * SECOND_NS);
        assert_eq!(governor.admit_emergency(0, now(70)), Err(end));
    }

    #[test]
    fn after_429_and_418_nothing_goes_before_retry_after() {
        let cases = [
            (429, Some(7), 7),
            (429, None, 60),
            (418, Some(300), 300),
            (418, None, 120),
        ];
        for (status, retry_after, silence) in cases {
            let mut governor = Governor::new(100);
            governor.on_reply(&reply(status, retry_after, None), now(1));
            let end = 1 + silence;
            let banned = governor.banned_until(now(end - 1).mono).is_some();
            assert_eq!(banned, status == 418);
            assert_eq!(
                governor.admit(1, now(end - 1)),
                Err(MonoNs(end * SECOND_NS))
            );
            assert_eq!(governor.admit(1, now(end)), Ok(()), "{status}");
            assert_eq!(governor.banned_until(now(end).mono), None);
        }
    }

    #[test]
    fn a_shorter_silence_never_ends_a_longer_one() {
        let mut governor = Governor::new(100);
        governor.on_reply(&reply(418, Some(100), None), now(1));
        governor.on_reply(&reply(429, Some(1), None), now(2));
        assert_eq!(governor.admit(1, now(50)), Err(MonoNs(101 * SECOND_NS)));
    }

    #[test]
    fn what_the_order_connection_is_told_holds_for_rest_and_the_other_way_round() {
        let silence = Silence::default();
        let mut governor = Governor::new(100).sharing(silence.clone());
        assert_eq!(governor.admit(1, now(1)), Ok(()));
        silence.hear(MonoNs(9 * SECOND_NS), true);
        assert_eq!(governor.admit(1, now(8)), Err(MonoNs(9 * SECOND_NS)));
        assert_eq!(
            governor.admit_emergency(1, now(8)),
            Err(MonoNs(9 * SECOND_NS))
        );
        let end = Some(MonoNs(9 * SECOND_NS));
        assert_eq!(governor.banned_until(now(8).mono), end);
        assert_eq!(governor.admit(1, now(9)), Ok(()));
        governor.on_reply(&reply(429, Some(5), None), now(10));
        assert_eq!(silence.until(now(14).mono), Some(MonoNs(15 * SECOND_NS)));
        assert_eq!(silence.banned_until(now(14).mono), None);
    }

    #[test]
    fn headers_that_make_no_sense_are_ignored_and_counted() {
        let mut governor = Governor::new(u32::MAX);
        governor.on_reply(&reply(200, None, Some(7)), now(1));
        governor.on_reply(&reply(200, None, Some(u32::MAX)), now(1));
        assert_eq!((governor.used(), governor.nonsense()), (7, 1));
        assert_eq!(governor.admit(1, now(1)), Ok(()));
        governor.on_reply(&reply(429, Some(u32::MAX), None), now(1));
        assert_eq!(governor.nonsense(), 2);
        assert_eq!(governor.admit(1, now(61)), Ok(()));
    }
}
