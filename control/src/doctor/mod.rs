//! `fulcrum doctor`: everything about a machine, its box and its exchange that a person checks before
//! trading, with what to do.
//!
//! In: the configuration, the state directory, files of the kernel, answers of the exchange. Out:
//! checks with their verdicts. Never: a change of anything, but a file that it writes to time the disk and
//! removes; a secret in a finding.

mod account;
mod cores;
mod disk;
mod exchange;
mod host;
mod installation;
mod report;

pub use report::{Check, Report, Verdict};

use host::Host;
use settings::Settings;
use std::path::PathBuf;

/// What is looked at.
#[derive(Clone, Debug)]
pub struct Subject {
    /// The configuration's file.
    pub config: PathBuf,
    /// Where state lives.
    pub state_dir: PathBuf,
    /// The account; the configuration's where none is named.
    pub account: Option<String>,
    /// Before the paths of the kernel's files; `/` but in tests.
    pub root: PathBuf,
    /// Pings of each market.
    pub pings: u32,
    /// The exchange is left alone.
    pub offline: bool,
}

/// Looks at everything.
///
/// # Errors
/// When no runtime for sockets can be made.
pub fn run(subject: &Subject) -> std::io::Result<Report> {
    let mut report = Report::default();
    let host = Host::at(&subject.root);
    let settings = installation::configuration(subject, &mut report);
    cores::clock(&host, &mut report);
    cores::check(&host, settings.as_ref(), &mut report);
    cores::limits(&host, &mut report);
    disk::check(&subject.state_dir, settings.as_ref(), &mut report);
    installation::check(subject, settings.as_ref(), &host, &mut report);
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    match settings {
        Some(settings) => runtime.block_on(over_the_network(subject, &settings, &mut report)),
        None => report.skip(
            "exchange",
            "path",
            "without a configuration it is not known",
        ),
    }
    Ok(report)
}

async fn over_the_network(subject: &Subject, settings: &Settings, report: &mut Report) {
    installation::builds(settings, report).await;
    if subject.offline {
        report.skip("exchange", "path", "left alone with --offline");
        return;
    }
    let mut markets = exchange::check(settings, subject.pings, report).await;
    account::check(settings, &mut markets, report).await;
}
