//! Whom a verb is put to: the hot path's own socket, or the API of a box somewhere else.
//!
//! In: requests. Out: replies, the same from either. Never: control between a person at the machine
//! and the hot path.

use super::Failure;
use super::arguments::Arguments;
use super::connection::Connection;
use super::remote::Remote;
use operator::{Reply, Request};
use std::time::Duration;

/// Pause between two looks.
const LOOK_HERE: Duration = Duration::from_millis(50);
const LOOK_AWAY: Duration = Duration::from_millis(250);

/// The way to a hot path.
pub(super) enum Line {
    /// `operator.sock`.
    Here(Connection),
    /// `--url`.
    Away(Box<Remote>),
}

impl Line {
    /// The one that the arguments name.
    ///
    /// # Errors
    /// With what to do instead.
    pub(super) fn open(arguments: &Arguments) -> Result<Self, Failure> {
        Ok(match arguments.away.is_meant() {
            true => Self::Away(Box::new(Remote::open(arguments)?)),
            false => Self::Here(Connection::open(&arguments.socket()?)?),
        })
    }

    /// Asks and waits for the answer.
    ///
    /// # Errors
    /// When there is none, or it is nonsense.
    pub(super) fn ask(&mut self, request: &Request) -> Result<Reply, Failure> {
        match self {
            Self::Here(connection) => connection.ask(request),
            Self::Away(remote) => remote.ask(request),
        }
    }

    /// How long to wait before the next look.
    pub(super) const fn pause(&self) -> Duration {
        match self {
            Self::Here(_) => LOOK_HERE,
            Self::Away(_) => LOOK_AWAY,
        }
    }
}
