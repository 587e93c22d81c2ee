//! The key of a futures private stream: made, kept alive, given up.
//!
//! In: replies and the time. Out: calls, one at a time. Never: a key that the exchange has said
//! is gone.

use super::http::success;
use super::{HttpOutcome, HttpRequest, SECOND_NS};
use crate::orders::ErrorClass;
use crate::rest::{self, ListenKeyAction};
use market::MonoNs;

/// What an answer about the key means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KeyNews {
    /// Nothing to do.
    Nothing,
    /// There is a key: [`ListenKey::url`] leads to the stream.
    Made,
    /// The exchange does not know the key any more.
    Gone,
}

/// One listen key.
#[derive(Clone, Debug)]
pub struct ListenKey {
    base_url: String,
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

/// Longest wait for an answer.
const PATIENCE_NS: u64 = 10 * SECOND_NS;

impl ListenKey {
    /// No key yet. `base_url` has no trailing slash.
    #[must_use]
    pub fn new(base_url: &str) -> Self {
        Self {
            base_url: base_url.to_string(),
            url: None,
            in_flight: None,
            retry_at: MonoNs(0),
            keep_alive_at: MonoNs(0),
        }
    }

    /// Where the stream of the key is; nothing without a key.
    #[must_use]
    pub fn url(&self) -> Option<&str> {
        self.url.as_deref()
    }

    /// The call that is due now.
    pub fn poll(&mut self, now: MonoNs) -> Option<HttpRequest> {
        if self.next_deadline().is_none_or(|due| now < due) {
            return None;
        }
        let action = match self.url {
            Some(_) => ListenKeyAction::KeepAlive,
            None => ListenKeyAction::Create,
        };
        self.in_flight = Some(action);
        Some(HttpRequest {
            call: rest::listen_key(action),
            deadline: now.after(PATIENCE_NS),
        })
    }

    /// When a call is due; none while one is under way.
    #[must_use]
    pub fn next_deadline(&self) -> Option<MonoNs> {
        let due = match self.url {
            Some(_) => self.keep_alive_at,
            None => self.retry_at,
        };
        self.in_flight.is_none().then_some(due)
    }

    /// The answer to the last call.
    pub fn on_reply(&mut self, outcome: HttpOutcome<'_>, now: MonoNs) -> KeyNews {
        match self.in_flight.take() {
            None => KeyNews::Nothing,
            Some(ListenKeyAction::KeepAlive) => self.on_kept_alive(outcome, now),
            Some(ListenKeyAction::Create | ListenKeyAction::Close) => self.on_made(outcome, now),
        }
    }

    /// The stream ended: the next one begins with a fresh key.
    pub fn forget(&mut self) {
        self.url = None;
    }

    fn on_kept_alive(&mut self, outcome: HttpOutcome<'_>, now: MonoNs) -> KeyNews {
        if success(outcome).is_some() {
            self.keep_alive_at = now.after(KEEP_ALIVE_NS);
            return KeyNews::Nothing;
        }
        let gone = outcome.is_some_and(|reply| {
            rest::parse_failure(reply.status, reply.body).class == ErrorClass::ListenKey
        });
        if gone {
            self.forget();
            return KeyNews::Gone;
        }
        let wait_s = outcome.and_then(|reply| reply.retry_after_s).unwrap_or(0);
        let wait_ns = KEEP_ALIVE_RETRY_NS.max(u64::from(wait_s) * SECOND_NS);
        self.keep_alive_at = now.after(wait_ns);
        KeyNews::Nothing
    }

    fn on_made(&mut self, outcome: HttpOutcome<'_>, now: MonoNs) -> KeyNews {
        match success(outcome).and_then(|body| rest::parse_listen_key(body).ok()) {
            Some(key) => {
                self.url = Some(format!("{}/private/ws/{key}", self.base_url));
                self.keep_alive_at = now.after(KEEP_ALIVE_NS);
                KeyNews::Made
            }
            None => {
                let wait_s = outcome.and_then(|reply| reply.retry_after_s);
                let wait_ns = wait_s.map_or(KEY_RETRY_NS, |wait| u64::from(wait) * SECOND_NS);
                self.retry_at = now.after(wait_ns);
                KeyNews::Nothing
            }
        }
    }
}
