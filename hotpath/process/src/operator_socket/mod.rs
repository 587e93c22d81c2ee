//! The operator's socket: verbs for the local operator, with control dead too.
//!
//! In: lines of `docs/operator-socket.md` over a Unix socket in the account's run directory. Out:
//! commands for the engine, sweeps, replies. Never: a wait of the pinned thread; all of it lives on
//! the cold thread. Rights go by the mode of the socket and its folder, not by who the peer says
//! it is.

pub mod configure;
mod drill;
pub mod exchange_view;
pub mod milestones;
pub mod page_view;
pub mod reset;
pub mod server;
pub mod stop;
pub mod verbs;
