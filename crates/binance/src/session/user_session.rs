//! The private stream of futures in one machine: listen key, connection, keep-alive, renewal.
//!
//! In: replies, frames, the end of the connection, the time. Out: calls about the key, connect or
//! close, and account events in the caller's sink. Never: a connection believed alive on a key
//! that is gone. A shell that connects on one thread and reads on another has the two halves
//! apart: [`ListenKey`] and [`PrivateStream`].

use super::listen_key::{KeyNews, ListenKey};
use super::private_stream::{PrivateStream, UserEvents};
use super::{CloseReason, HttpOutcome, HttpRequest, LinkAction, earliest};
use market::{Instruments, MonoNs};

/// What the shell has to do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum UserAction {
    /// Send this; hand the answer to `on_reply`.
    Call(HttpRequest),
    /// Connect to [`UserSession::url`], ping, or close.
    Link(LinkAction),
}

/// One private stream with its key.
#[derive(Clone, Debug)]
pub struct UserSession {
    key: ListenKey,
    stream: PrivateStream,
}

impl UserSession {
    /// A session that asks for a key at its first poll. `base_url` has no trailing slash.
    #[must_use]
    pub fn new(base_url: &str, seed: u64) -> Self {
        Self {
            key: ListenKey::new(base_url),
            stream: PrivateStream::new(seed),
        }
    }

    /// The same, of a [`PrivateFeed`](super::PrivateFeed).
    #[must_use]
    pub fn relieved(base_url: &str, seed: u64) -> Self {
        Self {
            key: ListenKey::new(base_url),
            stream: PrivateStream::relieved(seed),
        }
    }

    /// True once another connection is to take its place.
    #[must_use]
    pub fn is_due_for_replacement(&self, now: MonoNs) -> bool {
        self.stream.is_due_for_replacement(now)
    }

    /// Another connection has taken its place, and keeps the key.
    pub fn retire(&mut self, now: MonoNs, events: &mut impl UserEvents) -> UserAction {
        let close = self.stream.close(CloseReason::Rotated, now, events);
        self.link(close)
    }

    /// Where to connect; empty without a key.
    #[must_use]
    pub fn url(&self) -> &str {
        self.key.url().unwrap_or_default()
    }

    /// What is due now.
    pub fn poll(&mut self, now: MonoNs, events: &mut impl UserEvents) -> Option<UserAction> {
        if self.key.url().is_some()
            && let Some(action) = self.stream.poll(now, events)
        {
            return Some(self.link(action));
        }
        // The first key, and every fresh one, waits for the connection's back-off.
        if self.key.url().is_none() && now < self.stream.next_deadline() {
            return None;
        }
        self.key.poll(now).map(UserAction::Call)
    }

    /// When `poll` may have something to say; the answer to a call comes by itself.
    #[must_use]
    pub fn next_deadline(&self) -> Option<MonoNs> {
        let (call, link) = (self.key.next_deadline(), self.stream.next_deadline());
        match self.key.url() {
            Some(_) => earliest(call, Some(link)),
            None => call.map(|call| call.max(link)),
        }
    }

    /// The answer to the last call.
    pub fn on_reply(
        &mut self,
        outcome: HttpOutcome<'_>,
        now: MonoNs,
        events: &mut impl UserEvents,
    ) -> Option<UserAction> {
        match self.key.on_reply(outcome, now) {
            KeyNews::Nothing | KeyNews::Made => None,
            KeyNews::Gone => {
                let close = self.stream.close(CloseReason::KeyExpired, now, events);
                Some(self.link(close))
            }
        }
    }

    /// The connection is open.
    pub fn on_connected(&mut self, now: MonoNs, events: &mut impl UserEvents) {
        self.stream.on_connected(now, events);
    }

    /// The connection ended or could not be opened; the next one begins with a fresh key.
    pub fn on_disconnected(&mut self, now: MonoNs, events: &mut impl UserEvents) {
        self.stream.on_disconnected(now, events);
        self.key.forget();
    }

    /// A ping or any other sign of life without content.
    pub fn on_alive(&mut self, now: MonoNs) {
        self.stream.on_alive(now);
    }

    /// One text frame.
    pub fn on_frame(
        &mut self,
        bytes: &[u8],
        now: MonoNs,
        instruments: &Instruments<'_>,
        events: &mut impl UserEvents,
    ) -> Option<UserAction> {
        let action = self.stream.on_frame(bytes, now, instruments, events);
        action.map(|action| self.link(action))
    }

    fn link(&mut self, action: LinkAction) -> UserAction {
        if matches!(action, LinkAction::Close(_)) {
            self.key.forget();
        }
        UserAction::Link(action)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::decode::DecodeError;
    use crate::session::{HttpReply, MILLISECOND_NS, SECOND_NS};
    use market::{AccountConfigChange, BalanceReport, Market, OrderUpdate, PositionReport};

    #[derive(Default)]
    struct Seen(Vec<&'static str>);

    impl UserEvents for Seen {
        fn order_update(&mut self, _: OrderUpdate) {
            self.0.push("order");
        }
        fn position(&mut self, _: PositionReport) {
            self.0.push("position");
        }
        fn balance(&mut self, _: BalanceReport) {
            self.0.push("balance");
        }
        fn account_config(&mut self, _: AccountConfigChange) {}
        fn wallet_moved(&mut self, _: Market) {}
        fn stream(&mut self, _: Market, up: bool) {
            self.0.push(if up { "up" } else { "down" });
        }
        fn parse_error(&mut self, error: DecodeError) {
            self.0.push(error.reason());
        }
    }

    const fn at(seconds: u64) -> MonoNs {
        MonoNs(seconds * SECOND_NS)
    }

    fn reply(status: u16, body: &[u8]) -> HttpOutcome<'_> {
        Some(HttpReply {
            status,
            retry_after_s: None,
            used_weight: None,
            body,
        })
    }

    fn called(action: Option<UserAction>) -> String {
        match action {
            Some(UserAction::Call(request)) => {
                format!("{} {}", request.call.method.as_str(), request.call.path)
            }
            other => format!("{other:?}"),
        }
    }

    const KEY: &[u8] = br#"{"listenKey":"abc1"}"#;

    /// A session that is up since second 1.
    fn connected() -> (UserSession, Seen) {
        let mut session = UserSession::new("ws://h", 1);
        let mut seen = Seen::default();
        assert_eq!(
            called(session.poll(at(1), &mut seen)),
            "POST /fapi/v1/listenKey"
        );
        assert_eq!(session.poll(at(1), &mut seen), None, "one call at a time");
        assert_eq!(session.on_reply(reply(200, KEY), at(1), &mut seen), None);
        assert_eq!(session.url(), "ws://h/private/ws/abc1");
        let connect = Some(UserAction::Link(LinkAction::Connect));
        assert_eq!(session.poll(at(1), &mut seen), connect);
        session.on_connected(at(1), &mut seen);
        assert_eq!(std::mem::take(&mut seen.0), ["up"]);
        (session, seen)
    }

    #[test]
    fn the_key_is_kept_alive_and_a_failed_try_is_repeated_in_time() {
        let (mut session, mut seen) = connected();
        let pinged = |session: &mut UserSession, seen: &mut Seen, seconds: [u64; 2]| {
            for second in (seconds[0]..=seconds[1]).step_by(180) {
                session.on_alive(at(second));
                assert_eq!(session.poll(at(second), seen), None);
            }
        };
        pinged(&mut session, &mut seen, [180, 1_800]);
        session.on_alive(at(1_800));
        assert_eq!(session.next_deadline(), Some(at(1_801)));
        assert_eq!(
            called(session.poll(at(1_801), &mut seen)),
            "PUT /fapi/v1/listenKey"
        );
        session.on_reply(None, at(1_811), &mut seen);
        session.on_alive(at(1_870));
        assert_eq!(session.poll(at(1_870), &mut seen), None);
        assert_eq!(
            called(session.poll(at(1_871), &mut seen)),
            "PUT /fapi/v1/listenKey"
        );
        session.on_reply(reply(200, b"{}"), at(1_872), &mut seen);
        pinged(&mut session, &mut seen, [1_872, 2_400]);
        assert!(seen.0.is_empty());
    }

    #[test]
    fn a_quiet_stream_is_pinged_and_one_that_does_not_answer_is_down_within_seconds() {
        let (mut session, mut seen) = connected();
        let ping = Some(UserAction::Link(LinkAction::Ping));
        assert_eq!(session.next_deadline(), Some(at(4)));
        assert_eq!(session.poll(at(4), &mut seen), ping);
        session.on_alive(at(5));
        assert_eq!(session.poll(at(7), &mut seen), None);
        assert_eq!(session.poll(at(8), &mut seen), ping);
        assert_eq!(session.poll(at(10), &mut seen), None);
        assert!(seen.0.is_empty());
        let close = LinkAction::Close(CloseReason::Unanswered);
        assert_eq!(
            session.poll(at(11), &mut seen),
            Some(UserAction::Link(close))
        );
        assert_eq!(seen.0, ["down"]);
        let next = session.poll(at(20), &mut seen);
        assert_eq!(called(next), "POST /fapi/v1/listenKey");
    }

    #[test]
    fn whatever_ends_the_stream_is_told_once_and_a_fresh_key_follows() {
        let gone: &[u8] = br#"{"code":-1125,"msg":"This listenKey does not exist."}"#;
        let expired: &[u8] = br#"{"e":"listenKeyExpired","E":1,"listenKey":"abc1"}"#;
        let broken: &[u8] = br#"{"e":"ORDER_TRADE_UPDATE","E":1"#;
        for case in ["frame", "broken", "disconnect", "keep-alive"] {
            let (mut session, mut seen) = connected();
            let none = Instruments(&[]);
            let action = match case {
                "frame" => session.on_frame(expired, at(5), &none, &mut seen),
                "broken" => session.on_frame(broken, at(5), &none, &mut seen),
                "disconnect" => {
                    session.on_disconnected(at(5), &mut seen);
                    session.on_disconnected(at(5), &mut seen);
                    None
                }
                _ => {
                    session.on_alive(at(1_800));
                    assert!(session.poll(at(1_801), &mut seen).is_some());
                    session.on_reply(reply(400, gone), at(1_801), &mut seen)
                }
            };
            assert_eq!(action.is_some(), case != "disconnect", "{case}");
            assert_eq!(seen.0.last(), Some(&"down"), "{case}");
            assert_eq!(session.url(), "");
            let next = session.poll(at(1_900), &mut seen);
            assert_eq!(called(next), "POST /fapi/v1/listenKey", "{case}");
        }
    }

    #[test]
    fn without_a_key_it_asks_again_and_not_before_retry_after() {
        let mut session = UserSession::new("ws://h", 1);
        let mut seen = Seen::default();
        let busy = HttpReply {
            status: 429,
            retry_after_s: Some(30),
            used_weight: None,
            body: b"",
        };
        for (outcome, wait) in [(None, 1), (reply(200, b"{}"), 1), (Some(busy), 30)] {
            let due = session.next_deadline().unwrap();
            assert!(session.poll(due, &mut seen).is_some());
            session.on_reply(outcome, due, &mut seen);
            assert_eq!(session.next_deadline(), Some(due.after(wait * SECOND_NS)));
            let early = MonoNs(due.0 + wait * SECOND_NS - MILLISECOND_NS);
            assert_eq!(session.poll(early, &mut seen), None);
        }
    }

    #[test]
    fn a_fresh_key_is_asked_for_when_the_connection_may_be_opened_again() {
        let (mut session, mut seen) = connected();
        session.on_disconnected(at(10), &mut seen);
        assert_eq!(session.url(), "");
        assert_eq!(session.poll(at(10), &mut seen), None);
        let again = session.next_deadline().unwrap();
        assert!(again > at(10) && again < at(80), "{again:?}");
        assert_eq!(
            called(session.poll(again, &mut seen)),
            "POST /fapi/v1/listenKey"
        );
    }
}
