//! The private stream of futures: listen key, connection, keep-alive, renewal.
//!
//! In: replies, frames, the end of the connection, the time. Out: calls about the key, connect or
//! close, and account events in the caller's sink. Never: a connection believed alive on a key
//! that is gone; an event that could not be read and is passed over (the connection is renewed,
//! and that reconciles).

use super::http::success;
use super::{
    CloseReason, HttpOutcome, HttpRequest, Link, LinkAction, LinkSettings, SECOND_NS, earliest,
};
use crate::decode::DecodeError;
use crate::orders::ErrorClass;
use crate::rest::{self, ListenKeyAction};
use crate::user_data::{UserMessage, decode_user_message};
use market::{BalanceReport, Instruments, Market, MonoNs, OrderUpdate, PositionReport};

/// Takes what the private stream brings.
pub trait UserEvents {
    /// Something happened to an order.
    fn order_update(&mut self, update: OrderUpdate);
    /// A position changed.
    fn position(&mut self, position: PositionReport);
    /// A balance changed.
    fn balance(&mut self, balance: BalanceReport);
    /// The stream went up or down.
    fn stream(&mut self, market: Market, up: bool);
    /// A frame could not be read.
    fn parse_error(&mut self, error: DecodeError);
}

/// What the shell has to do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum UserAction {
    /// Send this; hand the answer to `on_reply`.
    Call(HttpRequest),
    /// Connect to [`UserSession::url`], or close.
    Link(LinkAction),
}

/// One private stream.
#[derive(Clone, Debug)]
pub struct UserSession {
    base_url: String,
    link: Link,
    url: Option<String>,
    in_flight: Option<ListenKeyAction>,
    retry_at: MonoNs,
    keep_alive_at: MonoNs,
}

/// The key lives 60 minutes.
const KEEP_ALIVE_NS: u64 = 30 * 60 * SECOND_NS;

/// A keep-alive that failed is repeated well before the key ends.
const KEEP_ALIVE_RETRY_NS: u64 = 60 * SECOND_NS;

/// Between two tries to get a key.
const KEY_RETRY_NS: u64 = SECOND_NS;

/// The exchange pings every 3 minutes: soon after the first that is missing the connection is
/// half-open.
const SILENCE_NS: u64 = 200 * SECOND_NS;

impl UserSession {
    /// A session that asks for a key at its first poll. `base_url` has no trailing slash.
    #[must_use]
    pub fn new(base_url: &str, seed: u64) -> Self {
        Self {
            base_url: base_url.to_string(),
            link: Link::new(LinkSettings {
                silence_ns: SILENCE_NS,
                seed,
                ..LinkSettings::default()
            }),
            url: None,
            in_flight: None,
            retry_at: MonoNs(0),
            keep_alive_at: MonoNs(0),
        }
    }

    /// Where to connect; empty without a key.
    #[must_use]
    pub fn url(&self) -> &str {
        self.url.as_deref().unwrap_or_default()
    }

    /// What is due now.
    pub fn poll(&mut self, now: MonoNs, events: &mut impl UserEvents) -> Option<UserAction> {
        if self.url.is_none() {
            let due = self.retry_at.max(self.link.next_deadline());
            let free = self.in_flight.is_none() && now >= due;
            return free.then(|| self.call(ListenKeyAction::Create, now));
        }
        let was_up = self.link.is_up();
        if let Some(action) = self.link.poll(now) {
            if matches!(action, LinkAction::Close(_)) {
                self.lose(was_up, events);
            }
            return Some(UserAction::Link(action));
        }
        let due = self.in_flight.is_none() && now >= self.keep_alive_at;
        due.then(|| self.call(ListenKeyAction::KeepAlive, now))
    }

    /// When `poll` may have something to say; the answer to a call comes by itself.
    #[must_use]
    pub fn next_deadline(&self) -> Option<MonoNs> {
        let call = self.in_flight.is_none();
        if self.url.is_none() {
            return call.then(|| self.retry_at.max(self.link.next_deadline()));
        }
        earliest(
            Some(self.link.next_deadline()),
            call.then_some(self.keep_alive_at),
        )
    }

    /// The answer to the last call.
    pub fn on_reply(
        &mut self,
        outcome: HttpOutcome<'_>,
        now: MonoNs,
        events: &mut impl UserEvents,
    ) -> Option<UserAction> {
        let action = self.in_flight.take()?;
        let body = success(outcome);
        match action {
            ListenKeyAction::KeepAlive => {
                if body.is_some() {
                    self.keep_alive_at = now.after(KEEP_ALIVE_NS);
                    return None;
                }
                let key_gone = outcome.is_some_and(|reply| {
                    let failure = rest::parse_failure(reply.status, reply.body);
                    failure.class == ErrorClass::ListenKey
                });
                if key_gone {
                    return Some(self.renew(CloseReason::KeyExpired, now, events));
                }
                self.keep_alive_at = now.after(KEEP_ALIVE_RETRY_NS);
            }
            ListenKeyAction::Create | ListenKeyAction::Close => {
                match body.and_then(|body| rest::parse_listen_key(body).ok()) {
                    Some(key) => {
                        self.url = Some(format!("{}/private/ws/{key}", self.base_url));
                        self.keep_alive_at = now.after(KEEP_ALIVE_NS);
                    }
                    None => {
                        let wait_s = outcome.and_then(|reply| reply.retry_after_s);
                        let wait_ns =
                            wait_s.map_or(KEY_RETRY_NS, |wait| u64::from(wait) * SECOND_NS);
                        self.retry_at = now.after(wait_ns);
                    }
                }
            }
        }
        None
    }

    /// The connection is open.
    pub fn on_connected(&mut self, now: MonoNs, events: &mut impl UserEvents) {
        self.link.on_connected(now);
        events.stream(Market::UsdM, true);
    }

    /// The connection ended or could not be opened; the next one begins with a fresh key.
    pub fn on_disconnected(&mut self, now: MonoNs, events: &mut impl UserEvents) {
        let was_up = self.link.is_up();
        self.link.on_disconnected(now);
        self.lose(was_up, events);
    }

    /// A ping or any other sign of life without content.
    pub fn on_alive(&mut self, now: MonoNs) {
        self.link.on_data(now);
    }

    /// One text frame.
    pub fn on_frame(
        &mut self,
        bytes: &[u8],
        now: MonoNs,
        instruments: &Instruments<'_>,
        events: &mut impl UserEvents,
    ) -> Option<UserAction> {
        self.link.on_data(now);
        take_private_frame(bytes, Market::UsdM, instruments, events)
            .map(|reason| self.renew(reason, now, events))
    }

    fn call(&mut self, action: ListenKeyAction, now: MonoNs) -> UserAction {
        self.in_flight = Some(action);
        UserAction::Call(HttpRequest {
            call: rest::listen_key(action),
            deadline: now.after(10 * SECOND_NS),
        })
    }

    fn renew(
        &mut self,
        reason: CloseReason,
        now: MonoNs,
        events: &mut impl UserEvents,
    ) -> UserAction {
        let was_up = self.link.is_up();
        let action = self.link.close(reason, now);
        self.lose(was_up, events);
        UserAction::Link(action)
    }

    fn lose(&mut self, was_up: bool, events: &mut impl UserEvents) {
        self.url = None;
        if was_up {
            events.stream(Market::UsdM, false);
        }
    }
}

/// Delivers one private frame; a reason when the stream has to be renewed after it.
pub(super) fn take_private_frame(
    bytes: &[u8],
    market: Market,
    instruments: &Instruments<'_>,
    events: &mut impl UserEvents,
) -> Option<CloseReason> {
    match decode_user_message(bytes, instruments, market) {
        Ok(UserMessage::Order(update)) => events.order_update(update),
        Ok(UserMessage::Account(update)) => {
            for position in &update.positions {
                events.position(*position);
            }
            for balance in &update.balances {
                events.balance(*balance);
            }
        }
        Ok(UserMessage::ListenKeyExpired) => return Some(CloseReason::KeyExpired),
        Ok(UserMessage::Terminated) => return Some(CloseReason::ServerShutdown),
        // None of these changes an order, a position or a balance.
        Ok(_) => {}
        Err(error @ (DecodeError::UnknownSymbol | DecodeError::OtherMarket)) => {
            events.parse_error(error);
        }
        Err(error) => {
            events.parse_error(error);
            return Some(CloseReason::Unreadable);
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::session::{HttpReply, MILLISECOND_NS};

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
        assert_eq!(session.next_deadline(), Some(at(1_801)));
        assert_eq!(
            called(session.poll(at(1_801), &mut seen)),
            "PUT /fapi/v1/listenKey"
        );
        session.on_reply(None, at(1_811), &mut seen);
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
    fn a_stream_without_even_a_ping_is_half_open_soon_after_it_was_due() {
        let (mut session, mut seen) = connected();
        session.on_alive(at(180));
        assert_eq!(session.poll(at(379), &mut seen), None);
        let close = LinkAction::Close(CloseReason::Silent);
        assert_eq!(
            session.poll(at(380), &mut seen),
            Some(UserAction::Link(close))
        );
        assert_eq!(seen.0, ["down"]);
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
                    session.on_alive(at(1_700));
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
}
