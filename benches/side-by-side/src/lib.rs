//! The hot path and its peers, same bytes, same run.
//!
//! In: recordings, or a generated stream without them. Out: a table on stdout, progress on stderr,
//! rows as JSON, the page `docs/performance.md` with its plots. Never: a figure of a contender
//! whose results differ from ours.
//!
//! `cargo xtask bench` runs this; `benches/README.md` tells how to read it.

mod books;
mod decoders;
mod engine_step;
mod input;
mod loopback;
mod machine;
mod parts;
mod python;
mod reference;
mod report;
mod rings;
mod rounds;
mod rows;
mod whole;

use clap::{Args, Parser, Subcommand};
use std::path::PathBuf;
use std::process::ExitCode;

#[derive(Debug, Parser)]
#[command(name = "side-by-side", about)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Measure everybody.
    Run(Options),
    /// The second process of the ring bench.
    #[command(hide = true)]
    RingEcho {
        /// Where the two segments are.
        folder: PathBuf,
        /// Core to stay on.
        core: usize,
        /// Messages to echo.
        trips: usize,
    },
}

/// Options of a run.
#[derive(Debug, Args)]
pub(crate) struct Options {
    /// Folder of the recordings; without it the generated stream is used.
    #[arg(long)]
    captures: Option<PathBuf>,
    /// Python with the peers' packages.
    #[arg(long)]
    python: Option<PathBuf>,
    /// The script of the Python peers.
    #[arg(long)]
    python_script: Option<PathBuf>,
    /// Where to write the rows as JSON.
    #[arg(long)]
    json: Option<PathBuf>,
    /// The page whose generated part is to be written.
    #[arg(long)]
    page: Option<PathBuf>,
    /// Fewer rounds and inputs: about a minute.
    #[arg(long)]
    quick: bool,
    /// Only these parts: a, b, c, a+b, d, and f for all of e to i.
    #[arg(long, value_delimiter = ',')]
    parts: Vec<String>,
}

/// The program `side-by-side`: every part; the inline path's in a process of its own.
#[must_use]
pub fn side_by_side() -> ExitCode {
    exit(match Arguments::parse().command {
        Command::Run(options) => parts::run(&options),
        Command::RingEcho {
            folder,
            core,
            trips,
        } => rings::echo_process(&folder, core, trips),
    })
}

/// The program `inline-path`: parts e to i, with the allocator of the product.
#[must_use]
pub fn inline_path() -> ExitCode {
    exit(loopback::process(&loopback::Arguments::parse()))
}

fn exit(outcome: Result<(), String>) -> ExitCode {
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            eprintln!("error: {failure}");
            ExitCode::FAILURE
        }
    }
}
