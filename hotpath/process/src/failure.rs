//! Why the process ends, and with which exit code.
//!
//! In: errors of the parts. Out: one sentence for the operator and a code of the conventions.
//! Never: a code that makes systemd restart what only a change of the configuration can heal.

use crate::account_file::AccountFileError;
use crate::allocation;
use crate::breaker_file::BreakerFileError;
use crate::gateway::socket::SocketError;
use crate::pinning::PinningError;
use crate::replay::ReplayError;
use crate::state_directory::StateError;
use ipc::{RegisterError, SegmentError};
use settings::{SettingsError, VersionError};

/// Exit code of a broken invariant.
const BROKEN: u8 = 70;

/// Why the process ends.
#[derive(Debug, thiserror::Error)]
pub enum Failure {
    /// The configuration.
    #[error(transparent)]
    Settings(#[from] SettingsError),
    /// Its versions.
    #[error(transparent)]
    Versions(VersionError),
    /// Something that only the operator can change.
    #[error("{0}")]
    Configuration(String),
    /// The engine's core.
    #[error(transparent)]
    Pinning(#[from] PinningError),
    /// The state directory.
    #[error(transparent)]
    State(#[from] StateError),
    /// What the breakers remember.
    #[error(transparent)]
    Breakers(#[from] BreakerFileError),
    /// What is known of the account.
    #[error(transparent)]
    Account(#[from] AccountFileError),
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

impl From<VersionError> for Failure {
    fn from(error: VersionError) -> Self {
        match error {
            VersionError::Settings(error) => Self::Settings(error),
            other => Self::Versions(other),
        }
    }
}

impl Failure {
    /// The exit code.
    #[must_use]
    pub const fn exit_code(&self) -> u8 {
        match self {
            Self::Settings(_)
            | Self::Configuration(_)
            | Self::Pinning(_)
            | Self::Account(AccountFileError::Damaged { .. } | AccountFileError::Foreign { .. })
            | Self::Breakers(BreakerFileError::Damaged { .. }) => 78,
            Self::State(StateError::Foreign { .. } | StateError::OtherBuild(_)) => 78,
            Self::Exchange(_) => 69,
            Self::Broken(_) => BROKEN,
            Self::State(StateError::Locked(_)) => 75,
            _ => 1,
        }
    }
}

/// From now on a panic of any thread or task is logged and ends the process. Without it a task
/// that panics is gone and nobody knows: orders would live on behind a dead gateway. A dead
/// process is restarted.
pub fn exit_on_panic() {
    std::panic::set_hook(Box::new(|panic| {
        // The engine thread may allocate for its last words.
        allocation::release_this_thread();
        let thread = std::thread::current();
        let thread = thread.name().unwrap_or("unnamed");
        tracing::error!(thread, "broken invariant: {panic}");
        std::process::exit(i32::from(BROKEN));
    }));
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::process::event_loop;
    use std::process::{Command, Stdio};
    use std::time::Duration;

    /// Set in the process that is to panic.
    const CHILD: &str = "FULCRUM_TEST_PANIC";

    #[test]
    fn a_panic_in_a_task_that_nobody_waits_for_ends_the_process() {
        if std::env::var_os(CHILD).is_some() {
            exit_on_panic();
            let tasks = tokio::task::LocalSet::new();
            tasks.spawn_local(async { panic!("a task broke") });
            // The deadline is for a process that lives on.
            let deadline = tasks.run_until(async {
                tokio::time::sleep(Duration::from_secs(5)).await;
            });
            event_loop().expect("an event loop").block_on(deadline);
            std::process::exit(0);
        }
        let name = "failure::tests::a_panic_in_a_task_that_nobody_waits_for_ends_the_process";
        let status = Command::new(std::env::current_exe().expect("this test"))
            .args(["--exact", name, "--nocapture"])
            .env(CHILD, "1")
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .status()
            .expect("it starts");
        assert_eq!(status.code(), Some(i32::from(BROKEN)));
    }
}
