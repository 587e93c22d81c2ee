//! Where log lines go: the journal under systemd, stderr elsewhere.
//!
//! In: events of `tracing`. Out: lines, or journal entries. Never: a secret, a line of the engine
//! thread.

use std::io::IsTerminal;
use tracing_subscriber::EnvFilter;

/// Installs the subscriber. `FULCRUM_LOG` chooses levels as tracing writes them; default `info`.
pub fn start() {
    let filter = EnvFilter::try_from_env("FULCRUM_LOG").unwrap_or_else(|_| EnvFilter::new("info"));
    let plain = std::env::var_os("NO_COLOR").is_some() || !std::io::stderr().is_terminal();
    let builder = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        // A full disk under the log ends nobody: the complaint about it would panic.
        .log_internal_errors(false)
        .with_ansi(!plain);
    // The journal stamps lines itself; its native fields come with a later issue.
    if systemd_journal_logger::connected_to_journal() {
        builder.without_time().init();
    } else {
        builder.init();
    }
}
