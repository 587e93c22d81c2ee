//! The WebSocket API: requests about orders and accounts, and their replies; the same replies where
//! they come over REST.
//!
//! In: approved orders and instruments; reply frames. Out: request frames; replies with their
//! outcome class. Never: a reply taken for a success or a failure that it does not prove.

mod error_class;
mod place_frame;
mod reply;
mod request;
mod request_id;

pub use error_class::{ErrorClass, classify_code, outcome_of};
pub use reply::{
    RATE_LIMITS_MAX, RateLimitUse, Reply, ReplyError, ReplyId, decode_reply, decode_rest_reply,
};
pub(crate) use request::named_order;
pub use request::{RequestEncoder, Stamp};
pub use request_id::{RequestId, WireRequest};
