//! `fulcrum-hotpath`: trades, or replays a log.
//!
//! In: the command line. Out: an exit code of the conventions. Never: a secret on argv.

use clap::{Parser, Subcommand};
use hotpath::allocation::GuardedAllocator;
use hotpath::failure::{self, Failure};
use hotpath::startup::Options;
use hotpath::{process, replay};
use std::path::PathBuf;
use std::process::ExitCode;

#[global_allocator]
static ALLOCATOR: GuardedAllocator = GuardedAllocator;

/// The hot path of Fulcrum: order books in, risk-checked orders out.
#[derive(Debug, Parser)]
#[command(name = "fulcrum-hotpath", version)]
struct Arguments {
    /// The configuration.
    #[arg(long, default_value = "/etc/fulcrum/fulcrum.toml")]
    config: PathBuf,
    /// Ceilings of the limits, in a file that only root writes; without it
    /// /etc/fulcrum/ceilings.toml where it is there.
    #[arg(long)]
    ceilings: Option<PathBuf>,
    /// Where state lives: shared memory, epoch, input log.
    #[arg(long, default_value = "target/fulcrum")]
    state_dir: PathBuf,
    /// The account; overrides the configuration's.
    #[arg(long)]
    account: Option<String>,
    /// Abort when the engine thread allocates.
    #[arg(long)]
    abort_on_allocation: bool,
    /// Make the engine thread allocate this many times, to see the counter count.
    #[arg(long, default_value_t = 0, hide = true)]
    inject_allocation: u64,
    #[command(subcommand)]
    verb: Option<Verb>,
}

#[derive(Debug, Subcommand)]
enum Verb {
    /// Steps an input log through a fresh engine and compares the output hash with the run's.
    Replay {
        /// Folder of one generation's input log.
        #[arg(long)]
        log: PathBuf,
        /// Leave out the event with this sequence, to see the hash change.
        #[arg(long)]
        drop: Option<u64>,
    },
}

// Rare things that the simulation makes often have no place in a product.
const _: () = assert!(!market::buggify::COMPILED_IN);

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    service::log::start();
    failure::exit_on_panic();
    let result = match arguments.verb {
        Some(Verb::Replay { log, drop }) => run_replay(&log, drop),
        None => process::run(&Options {
            config: arguments.config,
            ceilings: arguments.ceilings,
            state_dir: arguments.state_dir,
            account: arguments.account,
            inject_allocation: arguments.inject_allocation,
            abort_on_allocation: arguments.abort_on_allocation,
        }),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            tracing::error!("{failure}");
            ExitCode::from(failure.exit_code())
        }
    }
}

fn run_replay(folder: &std::path::Path, drop: Option<u64>) -> Result<(), Failure> {
    let verdict = replay::replay(folder, drop)?;
    replay::print(&verdict);
    if verdict.holds() {
        Ok(())
    } else {
        Err(Failure::ReplayDiffers)
    }
}
