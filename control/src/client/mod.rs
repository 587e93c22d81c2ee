//! A client of HTTP: of the API, over the network or a socket of this machine, and of an exchange's
//! public and signed REST.
//!
//! In: where, what, how long. Out: an answer, or whether the request can have arrived. Never: a
//! repeat of its own, a certificate that is not checked, a body without a bound.

mod dial;
mod endpoint;
mod http;

pub use dial::{ByteStream, Connected, DialError, Dialer, Phases};
pub use endpoint::{Endpoint, UrlError};
pub use http::{Answer, CallError, Client, Question};
