//! The checker is checked: mutants of our own code, each caught by the simulation or not.
//!
//! In: `tests/simulation/mutants/*.toml`, a copy of the tracked sources. Out: a table of which
//! invariant caught which mutant after how many seeds; exit 0 only when all were caught. Never: a
//! change of the working tree, a mutant whose text is not found exactly once.
//!
//! All mutants are compiled into one copy, each behind its number, so that there is one build and
//! not one a mutant: `if mutated(7) { REPLACEMENT } else { TEXT }`. The number of the one that is
//! alive comes from the environment; without one the copy is the product, which is run first.

mod copy;
mod table;

use crate::evidence;
use crate::process::{Failure, cargo, output, run as run_to_end, target_dir};
use clap::Args;
use serde_json::{Value, json};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Instant;
use table::Mutant;

/// Options of `cargo xtask mutants`.
#[derive(Clone, Debug, Args)]
pub(crate) struct Options {
    /// Only mutants whose name contains this.
    #[arg(long)]
    only: Option<String>,
    /// Most seeds that a mutant may survive.
    #[arg(long, default_value_t = SEEDS)]
    seeds: u64,
    /// One JSON object on stdout.
    #[arg(long)]
    json: bool,
}

/// Seeds within which a mutant must be caught.
const SEEDS: u64 = 100;

/// Where the number of the living mutant stands.
const VARIABLE: &str = "FULCRUM_MUTANT";

/// What the result depends on.
const INPUTS: [&str; 9] = [
    "crates/binance",
    "crates/market",
    "crates/matching",
    "crates/simulated-exchange",
    "crates/websocket",
    "hotpath/engine",
    "hotpath/process/src",
    "tests/simulation",
    "xtask/src/mutants",
];

/// What became of one mutant.
struct Fate {
    mutant: Mutant,
    /// Which invariant, and by which seed.
    caught: Option<(String, u64)>,
    text: String,
    seconds: f64,
}

/// Runs it.
pub(crate) fn run(options: &Options) -> Result<(), Failure> {
    let fates = check(options)?;
    if options.json {
        println!("{}", page(&fates));
    } else {
        print_table(&fates);
    }
    verdict(&fates)
}

/// The suite: all mutants, with evidence.
pub(crate) fn suite() -> Result<(), Failure> {
    let options = Options {
        only: None,
        seeds: SEEDS,
        json: false,
    };
    let fates = check(&options)?;
    print_table(&fates);
    verdict(&fates)?;
    evidence::record("mutants", &INPUTS, page(&fates))
}

fn check(options: &Options) -> Result<Vec<Fate>, Failure> {
    let all = table::read_here()?;
    let folder = target_dir().join("mutants");
    let tree = folder.join("tree");
    copy::write(&tree, &all)?;
    let program = build(&tree, &folder)?;
    eprintln!(
        "mutants: {} in one build; first the product itself",
        all.len()
    );
    let product = simulate(&program, 0, options.seeds)?;
    if product["failed_seeds"] != json!([]) {
        let text = format!("without a mutant seeds {} fail", product["failed_seeds"]);
        return Err(Failure::Said(text));
    }
    let mut fates = Vec::new();
    for mutant in all {
        let wanted = options.only.as_deref();
        if wanted.is_some_and(|name| !mutant.name.contains(name)) {
            continue;
        }
        let begun = Instant::now();
        let report = simulate(&program, mutant.number, options.seeds)?;
        let first = &report["first_failure"];
        let caught = first["invariant"].as_str().map(|invariant| {
            let seed = first["seed"].as_u64().unwrap_or(0);
            (invariant.to_string(), seed)
        });
        let text = first["text"].as_str().unwrap_or_default().to_string();
        let seconds = begun.elapsed().as_secs_f64();
        let said = caught.as_ref().map_or("SURVIVES", |(name, _)| name);
        eprintln!("mutants: {:<36} {said}", mutant.name);
        fates.push(Fate {
            mutant,
            caught,
            text,
            seconds,
        });
    }
    Ok(fates)
}

/// Builds the copy. It shares the target folder, so that what the mutants do not touch is there
/// already; the program is taken away before the next build puts another one there.
fn build(tree: &Path, folder: &Path) -> Result<PathBuf, Failure> {
    let mut command = cargo();
    command
        .current_dir(tree)
        .env("CARGO_TARGET_DIR", target_dir())
        .env("CARGO_INCREMENTAL", "1")
        .args(["build", "--release", "--locked"])
        .args(["-p", "simulation", "--features", "buggify"])
        .arg("--quiet");
    run_to_end(&mut command)?;
    let program = folder.join("simulation");
    let built = target_dir().join("release/simulation");
    std::fs::copy(&built, &program).map_err(|source| Failure::File {
        path: built,
        source,
    })?;
    Ok(program)
}

/// Seeds until the first failure, with one mutant alive; 0 for none.
fn simulate(program: &Path, number: u32, seeds: u64) -> Result<Value, Failure> {
    let seeds = seeds.to_string();
    let mut command = Command::new(program);
    command.env(VARIABLE, number.to_string()).args([
        "--seeds",
        &seeds,
        "--until-failure",
        "--quiet",
        "--json",
    ]);
    let text = output(&mut command)?;
    serde_json::from_str(&text).map_err(|error| Failure::Said(format!("no report: {error}")))
}

fn print_table(fates: &[Fate]) {
    println!(
        "{:<36} {:<42} {:<10} {:>5} {:>7}",
        "mutant", "place", "caught by", "seeds", "s"
    );
    for fate in fates {
        let (invariant, seeds) = match &fate.caught {
            Some((invariant, seed)) => (invariant.as_str(), seed.to_string()),
            None => ("SURVIVES", "-".to_string()),
        };
        let other = fate.is_other();
        let note = if other { " (other than expected)" } else { "" };
        let (name, place) = (&fate.mutant.name, fate.mutant.place());
        let seconds = fate.seconds;
        println!("{name:<36} {place:<42} {invariant:<10} {seeds:>5} {seconds:>7.1}{note}");
    }
    let caught = fates.iter().filter(|fate| fate.caught.is_some()).count();
    println!("\nmutants: {caught} of {} caught", fates.len());
}

fn page(fates: &[Fate]) -> Value {
    let row = |fate: &Fate| {
        json!({
            "name": fate.mutant.name,
            "place": fate.mutant.place(),
            "what": fate.mutant.what,
            "expected": fate.mutant.invariants,
            "caught_by": fate.caught.as_ref().map(|(invariant, _)| invariant),
            "seeds": fate.caught.as_ref().map(|(_, seed)| seed),
            "text": fate.text,
            "seconds": (fate.seconds * 10.0).round() / 10.0,
        })
    };
    let caught = fates.iter().filter(|fate| fate.caught.is_some()).count();
    json!({
        "mutants": fates.len(),
        "caught": caught,
        "rows": fates.iter().map(row).collect::<Vec<_>>(),
    })
}

fn verdict(fates: &[Fate]) -> Result<(), Failure> {
    let survivors = fates.iter().filter(|fate| fate.caught.is_none());
    let names: Vec<&str> = survivors.map(|fate| fate.mutant.name.as_str()).collect();
    if fates.is_empty() {
        return Err(Failure::Said("no mutant has this name".to_string()));
    }
    if names.is_empty() {
        return Ok(());
    }
    let text = format!(
        "{} mutants survive: {}; the checker or the scenario has a hole",
        names.len(),
        names.join(", ")
    );
    Err(Failure::Said(text))
}

impl Fate {
    /// Caught, but by another invariant than its table says.
    fn is_other(&self) -> bool {
        let expected = &self.mutant.invariants;
        let caught = self.caught.as_ref();
        caught.is_some_and(|(invariant, _)| !expected.contains(invariant))
    }
}
