//! Cancels and queries over REST: what the order connection cannot carry while it is away.
//!
//! In: orders to cancel or to ask for, replies, the time. Out: requests, several at once, cancels
//! first; exactly one verdict for each wish, by the rules of the order connection, and for a query
//! within [`REST_VERDICT_NS`]. Never: an order placed, a request sent twice, more wishes than
//! [`WISHES_MAX`].

use super::verdict::{not_sent, unanswered};
use super::{Governor, HttpOutcome, HttpRequest, NOT_SENT, Now, SECOND_NS, earliest};
use crate::orders::{Stamp, decode_rest_reply};
use crate::rest;
use crate::sign::Credentials;
use market::account::REST_VERDICT_NS;
use market::{
    CancelOrder, Instruments, MonoNs, OrderReply, ReplyOutcome, RequestKind, WANTED_WINDOW_MS,
};
use std::collections::VecDeque;

/// Wishes that wait or are under way: as many as an engine has orders.
pub const WISHES_MAX: usize = 1_024;

/// Requests under way together.
const PARALLEL_MAX: usize = 16;

/// A cancel is wanted as long as its order rests; after this its order is asked for again.
const CANCEL_WAIT_NS: u64 = 3 * SECOND_NS;

/// A query that waits is of no use to anybody: its order is asked for again by itself.
const QUERY_WAIT_NS: u64 = SECOND_NS;

/// Without a reply for this long a request is unresolved.
const REPLY_NS: u64 = 3 * SECOND_NS;

// A second is left for the ways between the engine and here.
const _: () = assert!(QUERY_WAIT_NS + REPLY_NS + SECOND_NS <= REST_VERDICT_NS);

#[derive(Clone, Copy, Debug)]
struct Wish {
    request: RequestKind,
    order: CancelOrder,
    /// Not sent after that.
    until: MonoNs,
}

/// The cancels and queries of one market.
#[derive(Debug)]
pub struct OrdersOverRest {
    credentials: Credentials,
    cancels: VecDeque<Wish>,
    queries: VecDeque<Wish>,
    under_way: Vec<(u64, Wish)>,
    requests: u64,
    blocked_until: Option<MonoNs>,
}

impl OrdersOverRest {
    /// Nothing to do yet.
    #[must_use]
    pub const fn new(credentials: Credentials) -> Self {
        Self {
            credentials,
            cancels: VecDeque::new(),
            queries: VecDeque::new(),
            under_way: Vec::new(),
            requests: 0,
            blocked_until: None,
        }
    }

    /// Wants an order cancelled. The verdict at once where it finds no room.
    #[must_use]
    pub fn cancel(&mut self, order: CancelOrder, now: MonoNs) -> Option<OrderReply> {
        self.want(Wish {
            request: RequestKind::Cancel,
            order,
            until: now.after(CANCEL_WAIT_NS),
        })
    }

    /// Wants to know what became of an order. The verdict at once where it finds no room.
    #[must_use]
    pub fn query(&mut self, order: CancelOrder, now: MonoNs) -> Option<OrderReply> {
        self.want(Wish {
            request: RequestKind::Query,
            order,
            until: now.after(QUERY_WAIT_NS),
        })
    }

    /// Wishes that have no verdict yet.
    #[must_use]
    pub fn open(&self) -> usize {
        self.cancels.len() + self.queries.len() + self.under_way.len()
    }

    fn want(&mut self, wish: Wish) -> Option<OrderReply> {
        if self.open() >= WISHES_MAX {
            return Some(wish.never_left());
        }
        let queue = match wish.request {
            RequestKind::Cancel => &mut self.cancels,
            _ => &mut self.queries,
        };
        queue.push_back(wish);
        None
    }

    /// The next request with its number; asked until there is none. What has waited for too long
    /// is told.
    pub fn poll(
        &mut self,
        now: Now,
        governor: &mut Governor,
        instruments: &Instruments<'_>,
        told: &mut impl FnMut(OrderReply),
    ) -> Option<(u64, HttpRequest)> {
        for queue in [&mut self.cancels, &mut self.queries] {
            while let Some(late) = queue.pop_front_if(|wish| wish.until <= now.mono) {
                told(late.never_left());
            }
        }
        self.blocked_until = None;
        if self.under_way.len() >= PARALLEL_MAX {
            return None;
        }
        let (wish, call) = loop {
            let wish = *self.cancels.front().or(self.queries.front())?;
            if let Some(call) = self.call(&wish, now, instruments) {
                break (wish, call);
            }
            self.pop();
            told(wish.never_left());
        };
        // A cancel takes from what is kept for a kill: an order that cannot be cancelled is what
        // that is for.
        let admitted = match wish.request {
            RequestKind::Cancel => governor.admit_emergency(call.weight, now),
            _ => governor.admit(call.weight, now),
        };
        self.blocked_until = admitted.err();
        if self.blocked_until.is_some() {
            return None;
        }
        self.pop();
        self.requests += 1;
        self.under_way.push((self.requests, wish));
        let deadline = now.mono.after(REPLY_NS);
        Some((self.requests, HttpRequest { call, deadline }))
    }

    /// When `poll` may have something to say.
    #[must_use]
    pub fn next_deadline(&self) -> Option<MonoNs> {
        let until = |queue: &VecDeque<Wish>| queue.front().map(|wish| wish.until);
        let late = earliest(until(&self.cancels), until(&self.queries));
        earliest(late, self.blocked_until)
    }

    /// The answer to the request with this number, as a verdict.
    pub fn on_reply(
        &mut self,
        number: u64,
        outcome: HttpOutcome<'_>,
        instruments: &Instruments<'_>,
    ) -> Option<OrderReply> {
        let place = self.under_way.iter().position(|(one, _)| *one == number)?;
        let (_, wish) = self.under_way.swap_remove(place);
        let (order, request) = (&wish.order, wish.request);
        let reply = outcome.and_then(|one| decode_rest_reply(one.status, one.body));
        let instrument = instruments.get(order.instrument);
        let verdict = reply.zip(instrument).map(|(reply, instrument)| {
            reply.order_reply(request, order.client_order_id, instrument)
        });
        Some(verdict.unwrap_or_else(|| wish.unanswered(ReplyOutcome::Unresolved, 0)))
    }

    fn pop(&mut self) {
        if self.cancels.pop_front().is_none() {
            self.queries.pop_front();
        }
    }

    /// Nothing for an instrument that is not in the table.
    fn call(&self, wish: &Wish, now: Now, instruments: &Instruments<'_>) -> Option<rest::Call> {
        let instrument = instruments.get(wish.order.instrument)?;
        let stamp = Stamp {
            timestamp: now.server,
            recv_window_ms: WANTED_WINDOW_MS,
        };
        let call = match wish.request {
            RequestKind::Cancel => rest::cancel_order,
            _ => rest::query_order,
        };
        Some(call(instrument, &wish.order, &self.credentials, stamp))
    }
}

impl Wish {
    const fn never_left(&self) -> OrderReply {
        self.unanswered(not_sent(self.request), NOT_SENT)
    }

    const fn unanswered(&self, outcome: ReplyOutcome, error_code: i64) -> OrderReply {
        let (id, instrument) = (self.order.client_order_id, self.order.instrument);
        unanswered(self.request, id, instrument, outcome, error_code)
    }
}

#[cfg(test)]
mod tests;
