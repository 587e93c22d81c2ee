//! `fulcrum-flatten`: cancels and closes everything, with both processes dead.
//!
//! In: the command line. Out: a report on stdout, an exit code of the conventions. Never: a need
//! for the hot path or for control.

use clap::Parser;
use hotpath::failure;
use hotpath::flatten::{self, Order};
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

/// Latches the kill, cancels all regular and conditional orders of the account and closes its
/// positions, until the exchange shows none; then reports what it did and how long it took.
#[derive(Debug, Parser)]
#[command(name = "fulcrum-flatten", version)]
struct Arguments {
    /// The configuration.
    #[arg(long, value_name = "FILE", default_value = "/etc/fulcrum/fulcrum.toml")]
    config: PathBuf,
    /// Where state lives.
    #[arg(long, value_name = "DIR", default_value = "target/fulcrum")]
    state_dir: PathBuf,
    /// The account; overrides the configuration's.
    #[arg(long, value_name = "A")]
    account: Option<String>,
    /// Cancel, but keep positions.
    #[arg(long)]
    keep_positions: bool,
    /// Why, for the latch and the log.
    #[arg(long, value_name = "TEXT", default_value = "fulcrum-flatten")]
    reason: String,
    /// How long it goes on at most; it ends as soon as the exchange shows that nothing is left.
    #[arg(long, value_name = "SECONDS", default_value_t = 600)]
    deadline_s: u64,
    /// Act although another process holds the account: a hot path that hangs. Without this its
    /// segment is latched, and it kills by itself.
    #[arg(long)]
    without_lock: bool,
    /// The report is always JSON; taken for the sake of scripts.
    #[arg(long)]
    json: bool,
}

// Rare things that the simulation makes often have no place in a product.
const _: () = assert!(!market::buggify::COMPILED_IN);

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    service::log::start();
    failure::exit_on_panic();
    let result = flatten::run(&Order {
        config: arguments.config,
        state_dir: arguments.state_dir,
        account: arguments.account,
        keep_positions: arguments.keep_positions,
        reason: arguments.reason,
        patience: Duration::from_secs(arguments.deadline_s),
        without_lock: arguments.without_lock,
    });
    match result {
        Ok(report) => {
            println!("{}", report.text());
            match report.verified {
                true => ExitCode::SUCCESS,
                // What is left, the exchange did not let go.
                false => ExitCode::from(69),
            }
        }
        Err(failure) => {
            tracing::error!("{failure}");
            ExitCode::from(failure.exit_code())
        }
    }
}
