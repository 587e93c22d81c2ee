//! REST requests and replies as values.
//!
//! In: a call and its deadline. Out: what a shell sends and what it got. Never: a connection.

use crate::rest::{self, Call};
use market::MonoNs;

/// One request, ready to be sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HttpRequest {
    /// What is asked.
    pub call: Call,
    /// Without a reply by then it has failed.
    pub deadline: MonoNs,
}

/// What came back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HttpReply<'a> {
    /// Status code.
    pub status: u16,
    /// `Retry-After` in seconds.
    pub retry_after_s: Option<u32>,
    /// `X-MBX-USED-WEIGHT-1M`.
    pub used_weight: Option<u32>,
    /// Body.
    pub body: &'a [u8],
}

/// How a request ended; `None` is a time-out or a broken connection.
pub type HttpOutcome<'a> = Option<HttpReply<'a>>;

/// The body of a success.
#[must_use]
pub(super) fn success(outcome: HttpOutcome<'_>) -> Option<&[u8]> {
    outcome
        .filter(|reply| reply.status == 200)
        .map(|reply| reply.body)
}

/// The body of a success, or what came instead.
pub(super) fn body(outcome: HttpOutcome<'_>) -> Result<&[u8], String> {
    success(outcome).ok_or_else(|| describe(outcome))
}

/// What came instead of a success, for the operator.
pub(super) fn describe(outcome: HttpOutcome<'_>) -> String {
    let Some(reply) = outcome else {
        return "no reply".to_string();
    };
    let failure = rest::parse_failure(reply.status, reply.body);
    format!(
        "status {}: {} ({})",
        failure.status, failure.message, failure.code
    )
}
