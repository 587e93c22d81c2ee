//! What a 429 or 418 of the exchange forbids to everybody who asks it from this address.
//!
//! In: replies, whichever machine they were for, over REST or over the order connection. Out: until
//! when nothing may be sent. Never: a shorter silence for those who did not hear it themselves
//! (I20).

use super::governor::silence_s;
use super::{HttpReply, SECOND_NS};
use market::MonoNs;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// The silence that one part of the exchange wants; clones share it.
///
/// A governor keeps the budget of one conversation. The listen key is another one, and the order
/// connection a third: the exchange counts all of them by address, so what one of them hears holds
/// for all.
#[derive(Clone, Debug, Default)]
pub struct Silence(Arc<Ends>);

#[derive(Debug, Default)]
struct Ends {
    silence: AtomicU64,
    /// The end of what a 418 said: no more than the above.
    ban: AtomicU64,
}

impl Silence {
    /// Hears what a reply says.
    pub fn on_reply(&self, reply: &HttpReply<'_>, now: MonoNs) {
        if let Some(seconds) = silence_s(reply) {
            let until = now.after(u64::from(seconds) * SECOND_NS);
            self.hear(until, reply.status == 418);
        }
    }

    /// Somebody was told that nothing may be sent before `until`, by a 418 where it is a ban.
    pub fn hear(&self, until: MonoNs, is_ban: bool) {
        self.hold(until);
        if is_ban {
            // Relaxed: shown to the operator and to the engine, waited for by nobody.
            self.0.ban.fetch_max(until.0, Ordering::Relaxed);
        }
    }

    /// Nothing may be sent before `until`, whoever said so, in this life or in an earlier one.
    pub fn hold(&self, until: MonoNs) {
        // Relaxed: one number by itself.
        self.0.silence.fetch_max(until.0, Ordering::Relaxed);
    }

    /// The end of the silence, while it lasts.
    #[must_use]
    pub fn until(&self, now: MonoNs) -> Option<MonoNs> {
        let until = self.end();
        (now < until).then_some(until)
    }

    /// When the last silence ends or ended; 0 when there was none.
    #[must_use]
    pub fn end(&self) -> MonoNs {
        // Relaxed: as above.
        MonoNs(self.0.silence.load(Ordering::Relaxed))
    }

    /// The end of a ban, while it lasts.
    #[must_use]
    pub fn banned_until(&self, now: MonoNs) -> Option<MonoNs> {
        // Relaxed: as above.
        let until = MonoNs(self.0.ban.load(Ordering::Relaxed));
        (now < until).then_some(until)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_one_hears_holds_for_all_until_its_end() {
        let heard = Silence::default();
        let other = heard.clone();
        let reply = |status, retry_after_s| HttpReply {
            status,
            retry_after_s,
            used_weight: None,
            body: b"",
        };
        let at = |seconds: u64| MonoNs(seconds * SECOND_NS);
        heard.on_reply(&reply(200, Some(9)), at(1));
        assert_eq!(other.until(at(1)), None);
        heard.on_reply(&reply(418, Some(30)), at(1));
        heard.on_reply(&reply(429, Some(2)), at(2));
        assert_eq!(other.until(at(30)), Some(at(31)));
        assert_eq!(other.until(at(31)), None);
        assert_eq!(other.banned_until(at(30)), Some(at(31)));
        heard.on_reply(&reply(429, Some(60)), at(30));
        assert_eq!((other.end(), other.banned_until(at(31))), (at(90), None));
    }
}
