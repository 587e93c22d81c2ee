//! Why the process ends, and with which exit code.
//!
//! In: errors of the parts. Out: one sentence for the operator and a code of the conventions.
//! Never: a code that makes systemd restart what only a change of the configuration can heal.

use crate::gateway::socket::SocketError;
use crate::pinning::PinningError;
use crate::replay::ReplayError;
use crate::state_directory::StateError;
use ipc::{RegisterError, SegmentError};
use settings::SettingsError;

/// Why the process ends.
#[derive(Debug, thiserror::Error)]
pub enum Failure {
    /// The configuration.
    #[error(transparent)]
    Settings(#[from] SettingsError),
    /// Something that only the operator can change.
    #[error("{0}")]
    Configuration(String),
    /// The engine's core.
    #[error(transparent)]
    Pinning(#[from] PinningError),
    /// The state directory.
    #[error(transparent)]
    State(#[from] StateError),
    /// The segment.
    #[error(transparent)]
    Segment(#[from] SegmentError),
    /// A cell.
    #[error("a metric cannot be registered: {0}")]
    Register(#[from] RegisterError),
    /// A socket that cannot be opened at all.
    #[error(transparent)]
    Socket(#[from] SocketError),
    /// The exchange does not answer.
    #[error("exchange unavailable: {0}")]
    Exchange(String),
    /// A thread ended that should not.
    #[error("broken invariant: {0}")]
    Broken(String),
    /// What the system says.
    #[error(transparent)]
    System(#[from] std::io::Error),
    /// A replay that could not run.
    #[error(transparent)]
    Replay(#[from] ReplayError),
    /// A replay whose result differs.
    #[error("the replay differs from the run")]
    ReplayDiffers,
}

impl Failure {
    /// The exit code.
    #[must_use]
    pub const fn exit_code(&self) -> u8 {
        match self {
            Self::Settings(_) | Self::Configuration(_) | Self::Pinning(_) => 78,
            Self::Exchange(_) => 69,
            Self::Broken(_) => 70,
            Self::State(StateError::Locked(_)) => 75,
            _ => 1,
        }
    }
}
