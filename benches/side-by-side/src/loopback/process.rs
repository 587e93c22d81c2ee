//! The process `inline-path`, and how the other one starts it.
//!
//! In: where the recordings are, how much. Out: everything that parts e to i measured, as JSON on
//! stdout. Never: a row; targets are the other process's business.

use super::{Extent, empty_poll, measure, signals, user_space};
use crate::input::{generated_input, recorded};
use crate::rings;
use crate::rounds::Figures;
use clap::Parser;
use hotpath::allocation;
use serde::{Deserialize, Serialize};
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::time::Duration;

/// How much of it.
#[derive(Debug, Parser)]
#[command(name = "inline-path", about = "Parts e to i, for side-by-side")]
pub(crate) struct Arguments {
    /// Folder of the recordings; without it the generated stream is used.
    #[arg(long)]
    pub(crate) captures: Option<PathBuf>,
    /// Messages of the input.
    #[arg(long, default_value_t = 2_000)]
    pub(crate) messages: usize,
    /// Frames of a round.
    #[arg(long, default_value_t = 1_000)]
    pub(crate) frames: usize,
    /// Rounds.
    #[arg(long, default_value_t = 9)]
    pub(crate) rounds: usize,
}

/// What was measured.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Outcome {
    /// On which input.
    pub(crate) input: String,
    /// Frames of a round that call for an order.
    pub(crate) answered: usize,
    /// Medians of the rounds over the loopback; none with fewer than two cores.
    pub(crate) loopback: Option<Figures>,
    /// Late ends: the 99th percentile of each round, detected stalls left out.
    pub(crate) late: Option<Figures>,
    /// Medians of the rounds in user space.
    pub(crate) user_space: Figures,
    /// A look into a socket that has nothing.
    pub(crate) empty_poll_ns: Option<f64>,
    /// Allocations and frees of our own on the pinned thread, in all rounds.
    pub(crate) own_allocations: u64,
    /// Allocations and frees of rustls for a record, either way.
    pub(crate) tls_each: f64,
    /// Records of which the latter is the average.
    pub(crate) records: u64,
}

/// The process's work.
pub(crate) fn process(arguments: &Arguments) -> Result<(), String> {
    let mut inputs = match &arguments.captures {
        Some(captures) => recorded(captures, arguments.messages)?,
        None => Vec::new(),
    };
    if inputs.is_empty() {
        inputs.push(generated_input(arguments.messages)?);
    }
    let input = &inputs[0];
    let ticks = signals::ticks(input, arguments.frames.min(input.len()))?;
    let cores = rings::two_cores()?;
    let extent = Extent {
        frames: arguments.frames,
        interval: Duration::from_millis(4),
        rounds: arguments.rounds,
    };
    let taken = cores
        .map(|cores| measure(input, cores, extent))
        .transpose()?;
    let empty_poll_ns = cores.map(|cores| empty_poll(input, cores)).transpose()?;
    let user = user_space::measure(input, &ticks, 2 * arguments.rounds + 1)?;
    let (allocations, frees) = allocation::guarded_counts();
    let (loopback, late) = match taken {
        Some(taken) => (Some(taken.p50), Some(taken.p99)),
        None => (None, None),
    };
    let outcome = Outcome {
        input: input.name.to_string(),
        answered: ticks.iter().filter(|tick| tick.has_signal).count(),
        loopback,
        late,
        user_space: user.figures,
        empty_poll_ns,
        own_allocations: allocations + frees,
        tls_each: user.tls as f64 / user.records as f64,
        records: user.records,
    };
    if user.own > 0 {
        return Err(format!("{} allocations of our own in user space", user.own));
    }
    let text = serde_json::to_string(&outcome).map_err(|error| error.to_string())?;
    println!("{text}");
    Ok(())
}

/// Runs it and reads what it says.
pub(crate) fn start(arguments: &Arguments) -> Result<Outcome, String> {
    let program = std::env::current_exe().map_err(|error| error.to_string())?;
    let program = program.with_file_name("inline-path");
    let failed = |error: &dyn std::fmt::Display| format!("{}: {error}", program.display());
    let mut command = Command::new(&program);
    for (option, value) in [
        ("--messages", arguments.messages),
        ("--frames", arguments.frames),
        ("--rounds", arguments.rounds),
    ] {
        command.arg(option).arg(value.to_string());
    }
    if let Some(captures) = &arguments.captures {
        command.arg("--captures").arg(captures);
    }
    let output = command
        .stderr(Stdio::inherit())
        .output()
        .map_err(|error| failed(&error))?;
    if !output.status.success() {
        return Err(failed(&output.status));
    }
    serde_json::from_slice(&output.stdout).map_err(|error| failed(&error))
}
