//! What is said over `operator.sock`: one JSON object a line, a reply for each request.
//!
//! In: lines. Out: requests and replies as values, both directions. Never: a socket, a decision.
//!
//! The schema is `docs/operator-socket.md`; the hot path serves it, the command line talks to it.
#![forbid(unsafe_code)]

mod reply;
mod request;
mod reset;

pub use reply::{
    AlgoOrderLine, ConfiguredReply, ErrorCode, KillLine, LimitLine, OrderLine, PositionLine,
    Refusal, Reply, StatusReply, SweepLine,
};
pub use request::{LINE_BYTES_MAX, Request, StopPolicy, VERBS};
pub use reset::{KeyError, OperatorKey, PublicKey, reset_text};

/// Name of the socket in the account's run directory.
pub const SOCKET: &str = "operator.sock";
