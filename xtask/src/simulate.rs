//! The simulation: built in release, run with what it was given.
//!
//! In: seeds, faults, hours. Out: its report, exit 0 only without a failure; as a suite, evidence.
//! Never: a simulation of its own.

use crate::evidence;
use crate::process::{Failure, cargo, output, run as run_to_end};
use clap::Args;
use serde_json::{Value, json};
use std::process::Command;

/// Options of `cargo xtask simulate`; the simulation checks and explains them itself.
#[derive(Clone, Debug, Args)]
pub(crate) struct Options {
    /// How many seeds.
    #[arg(long, default_value_t = 100)]
    seeds: u64,
    /// The first of them.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Simulated hours of each seed, faults on; ten minutes by default.
    #[arg(long)]
    hours: Option<String>,
    /// Numbers of the faults that may come, `all` or `none`.
    #[arg(long, default_value = "all")]
    faults: String,
    /// Leave out the fault at this place of each schedule.
    #[arg(long)]
    without: Option<usize>,
    /// Lose the delivery of the network with this number.
    #[arg(long)]
    without_event: Option<u64>,
    /// One JSON object on stdout.
    #[arg(long)]
    json: bool,
}

/// Seeds of the suite.
const SUITE_SEEDS: u64 = 2_000;

/// Orders that each seed has at least.
const ORDERS_LEAST: u64 = 50;

/// Seeds of every change, and the seconds that they may take.
const SHORT: [&str; 4] = ["--seeds", "100", "--budget-seconds", "80"];

/// What the result depends on.
const INPUTS: [&str; 8] = [
    "crates/binance",
    "crates/market",
    "crates/matching",
    "crates/simulated-exchange",
    "crates/websocket",
    "hotpath/engine",
    "hotpath/process/src",
    "tests/simulation",
];

fn simulation() -> Command {
    let mut command = cargo();
    command.args([
        "run",
        "--quiet",
        "--release",
        "--locked",
        "-p",
        "simulation",
        "--features",
        "buggify",
        "--",
    ]);
    command
}

/// Runs it.
pub(crate) fn run(options: &Options) -> Result<(), Failure> {
    let mut command = simulation();
    let (seeds, seed) = (options.seeds.to_string(), options.seed.to_string());
    command.args([
        "--seeds",
        &seeds,
        "--seed",
        &seed,
        "--faults",
        &options.faults,
    ]);
    if let Some(hours) = &options.hours {
        command.args(["--hours", hours]);
    }
    if let Some(place) = options.without {
        command.args(["--without", &place.to_string()]);
    }
    if let Some(number) = options.without_event {
        command.args(["--without-event", &number.to_string()]);
    }
    if options.json {
        command.arg("--json");
    }
    run_to_end(&mut command)
}

/// The short form of every change.
pub(crate) fn short() -> Command {
    let mut command = simulation();
    command.args(SHORT);
    command
}

/// The suite: many seeds, twice 200 of them, and what they came to as evidence.
pub(crate) fn suite() -> Result<(), Failure> {
    let result = report(SUITE_SEEDS)?;
    let (once, again) = (report(200)?, report(200)?);
    if once["hash"] != again["hash"] {
        let text = format!("200 seeds twice: {} and {}", once["hash"], again["hash"]);
        return Err(Failure::Said(text));
    }
    check_coverage(&result)?;
    let repeated = json!({ "seeds": 200, "hash": once["hash"], "again": again["hash"] });
    let page = json!({ "run": result, "repeated": repeated });
    evidence::record("simulate", &INPUTS, page)
}

/// Every fault a hundred times, every pair of order state and evidence, enough orders a seed, every
/// rare thing of our own code.
fn check_coverage(result: &Value) -> Result<(), Failure> {
    for number in result["faults"].as_object().into_iter().flatten() {
        if number.1.as_u64().unwrap_or(0) < 100 {
            let text = format!("{} fired only {} times", number.0, number.1);
            return Err(Failure::Said(text));
        }
    }
    let pairs = &result["state_event_pairs"];
    if pairs["entered"] != pairs["possible"] {
        return Err(Failure::Said(format!("pairs of the order table: {pairs}")));
    }
    let least = result["orders_least"].as_u64().unwrap_or(0);
    if least < ORDERS_LEAST {
        let text = format!("{least} orders in a seed, {ORDERS_LEAST} are wanted");
        return Err(Failure::Said(text));
    }
    let mut rare = result["buggify"].as_object().into_iter().flatten();
    match rare.find(|(_, count)| **count == json!(0)) {
        Some((point, _)) => Err(Failure::Said(format!("`{point}` never happened"))),
        None => Ok(()),
    }
}

fn report(seeds: u64) -> Result<Value, Failure> {
    let seeds = seeds.to_string();
    let text = output(simulation().args(["--seeds", &seeds, "--json"]))?;
    serde_json::from_str(&text).map_err(|error| Failure::Said(format!("no report: {error}")))
}
