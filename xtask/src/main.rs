//! Fulcrum's development commands.
//!
//! In: a command line. Out: a running demo, a set-up machine, a tested or tidied tree, with exit
//! codes that scripts can trust. Never: work outside of the repository and its target folder.
#![forbid(unsafe_code)]

mod bench;
mod conformance;
mod coverage;
mod demo;
mod evidence;
mod mutants;
mod picture;
mod process;
mod setup;
mod simulate;
mod source_mutants;
mod suites;
mod tidy;
mod torture;

use clap::{Parser, Subcommand};
use std::process::ExitCode;

/// Fulcrum's development commands.
#[derive(Debug, Parser)]
#[command(name = "cargo xtask", bin_name = "cargo xtask", version, about)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Measure the hot path beside its peers, and write docs/performance.md.
    Bench(bench::Options),
    /// Run real clients against the simulated exchange.
    Conformance(conformance::Options),
    /// Trade a recorded or generated market on this machine, and compare with the exchange.
    Demo(demo::Options),
    /// Show that the simulation catches what is wrong in our own code.
    Mutants(mutants::Options),
    /// Draw what a command printed, as a picture for the README.
    Picture(picture::PictureArguments),
    /// cargo-mutants on what money hangs on.
    SourceMutants(source_mutants::Options),
    /// Install what tests and demo need; say what is missing where it cannot.
    Setup,
    /// Run engine, sessions and exchange in virtual time, under seeded faults.
    Simulate(simulate::Options),
    /// Run the tests of every change, or a named longer suite.
    Test(suites::Options),
    /// Check the rules of the house.
    Tidy,
}

fn main() -> ExitCode {
    let outcome = match Arguments::parse().command {
        Command::Bench(options) => bench::run(&options),
        Command::Conformance(options) => conformance::run(&options),
        Command::Demo(options) => demo::run(&options),
        Command::Mutants(options) => mutants::run(&options),
        Command::Picture(arguments) => picture::run(&arguments),
        Command::SourceMutants(options) => source_mutants::run(&options),
        Command::Setup => setup::run(),
        Command::Simulate(options) => simulate::run(&options),
        Command::Test(options) => suites::run(&options),
        Command::Tidy => tidy::run(),
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            eprintln!("error: {failure}");
            ExitCode::FAILURE
        }
    }
}
