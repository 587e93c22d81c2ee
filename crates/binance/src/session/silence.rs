//! What the 429 and 418 of one host forbid to everybody who asks it.
//!
//! In: replies, whichever machine they were for. Out: until when nothing may be sent. Never: a
//! shorter silence for those who did not hear it themselves (I20).

use super::governor::silence_s;
use super::{HttpReply, SECOND_NS};
use market::MonoNs;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// The silence that a host wants; clones share it.
///
/// A governor keeps the budget of one conversation. The listen key is another one, with the same
/// host and from the same address: a ban that one of them hears holds for both.
#[derive(Clone, Debug, Default)]
pub struct Silence(Arc<AtomicU64>);

impl Silence {
    /// Hears what a reply says.
    pub fn on_reply(&self, reply: &HttpReply<'_>, now: MonoNs) {
        if let Some(seconds) = silence_s(reply) {
            let until = now.after(u64::from(seconds) * SECOND_NS);
            self.hold(until);
        }
    }

    /// Nothing may be sent before `until`, whoever said so, in this life or in an earlier one.
    pub fn hold(&self, until: MonoNs) {
        // Relaxed: one number by itself.
        self.0.fetch_max(until.0, Ordering::Relaxed);
    }

    /// The end of the silence, while it lasts.
    #[must_use]
    pub fn until(&self, now: MonoNs) -> Option<MonoNs> {
        let until = MonoNs(self.0.load(Ordering::Relaxed));
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
    }
}
