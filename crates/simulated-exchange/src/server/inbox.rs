//! Requests of one connection on their way to the exchange, where latency delays them.
//!
//! In: texts as they are read. Out: each when it arrives, in their order. Never: more than its
//! bound; what finds no room stays in the socket.

use std::collections::VecDeque;

use crate::exchange::{Exchange, Shared};

/// Requests of one connection that may be on their way.
const REQUESTS_MAX: usize = 8_192;

/// A request on its way.
pub(super) struct OnTheWay {
    /// As it was read.
    pub(super) text: String,
    /// When it was read: UTC.
    pub(super) read_ns: i64,
    due_ns: i64,
}

/// All of a connection.
#[derive(Default)]
pub(super) struct Inbox(VecDeque<OnTheWay>);

impl Inbox {
    /// Keeps a request that is read now until it arrives; false when that is now.
    pub(super) fn keeps(&mut self, exchange: &mut Exchange, text: &str) -> bool {
        let ahead = self.0.back().map(|ahead| ahead.due_ns);
        let Some(due_ns) = exchange.request_due_ns().max(ahead) else {
            return false;
        };
        self.0.push_back(OnTheWay {
            text: text.to_owned(),
            read_ns: exchange.clock.now_ns(),
            due_ns,
        });
        true
    }

    /// Whether one more may be read.
    pub(super) fn has_room(&self) -> bool {
        self.0.len() < REQUESTS_MAX
    }

    /// True when nothing is on its way.
    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The next request, once it arrives; never while there is none. Whoever stops waiting loses
    /// nothing.
    pub(super) async fn next(&mut self, shared: &Shared) -> OnTheWay {
        let Some(first) = self.0.front() else {
            return std::future::pending().await;
        };
        shared.until(first.due_ns).await;
        self.0.pop_front().expect("it was there before the wait")
    }
}
