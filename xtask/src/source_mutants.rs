//! cargo-mutants on what money hangs on: risk, orders, planner, book, reconciliation.
//!
//! In: the engine's sources, its own tests, which part of the mutants. Out: how many the tests
//! catch, and every survivor with the reason why it is left; exit 0 only from 90 % on. Never: a
//! change of the working tree.
//!
//! The simulation has mutants of its own (`mutants.rs`): those are errors that people make, and
//! must all be caught. These are what a machine thinks of, thousands of them, on demand.

use crate::evidence;
use crate::process::{Failure, exists, read, root, target_dir};
use clap::Args;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::process::Command;
use toml_edit::DocumentMut;

/// Options of `cargo xtask source-mutants`.
#[derive(Clone, Debug, Args)]
pub(crate) struct Options {
    /// One part of them: `K/N`, K from 0.
    #[arg(long, value_name = "K/N")]
    shard: Option<String>,
    /// Only of files whose path contains this.
    #[arg(long)]
    only: Option<String>,
    /// Only those that no test has caught in the runs before; their results are kept.
    #[arg(long)]
    again: bool,
}

/// What is mutated.
const PLACES: [&str; 5] = [
    "hotpath/engine/src/risk/",
    "hotpath/engine/src/orders/",
    "hotpath/engine/src/planner/",
    "hotpath/engine/src/book/",
    "hotpath/engine/src/engine/reconcile.rs",
];

/// Of a hundred viable mutants so many must be caught.
const CAUGHT_LEAST: u64 = 90;

/// Cases of a property test: the first ones find most, and every mutant pays for all of them.
const PROPERTY_CASES: &str = "4";

/// Seconds after which the tests of a mutant count as running for ever.
const TIMEOUT_SECONDS: &str = "20";

/// Mutants tried at the same time.
const JOBS: &str = "2";

/// How cargo-mutants exits when it ran: all caught, some survived, some ran for ever.
const RAN: [i32; 3] = [0, 2, 3];

/// What cargo-mutants wrote about its last run, and what is kept of all runs since a fresh start.
const REPORT: &str = "mutants.out/outcomes.json";
const RESULTS: &str = "results.json";

/// Why survivors are left.
const REASONS: &str = "hotpath/engine/survivors.toml";

/// What the result depends on.
const INPUTS: [&str; 2] = ["hotpath/engine", "xtask/src/source_mutants.rs"];

/// Why mutants whose name contains a text are left.
struct Reason {
    name: String,
    why: String,
}

/// What became of them.
#[derive(Default)]
struct Count {
    caught: u64,
    unviable: u64,
    survivors: Vec<(String, String)>,
}

/// Runs it.
pub(crate) fn run(options: &Options) -> Result<(), Failure> {
    let count = check(options)?;
    if options.again && options.shard.is_none() && options.only.is_none() {
        evidence::record("source-mutants", &INPUTS, page(&count))?;
    }
    verdict(&count)
}

/// The suite: all of them, which takes hours, with evidence.
pub(crate) fn suite() -> Result<(), Failure> {
    let count = check(&Options {
        shard: None,
        only: None,
        again: false,
    })?;
    evidence::record("source-mutants", &INPUTS, page(&count))?;
    verdict(&count)
}

fn check(options: &Options) -> Result<Count, Failure> {
    if !exists("cargo-mutants") {
        let text = "cargo-mutants is not installed; `cargo install cargo-mutants --locked`";
        return Err(Failure::Said(text.to_string()));
    }
    let folder = target_dir().join("source-mutants");
    let mut command = Command::new("cargo");
    command
        .current_dir(root())
        .env("PROPTEST_CASES", PROPERTY_CASES)
        .args(["mutants", "--package", "engine", "--profile", "mutants"])
        .args(["--exclude", "**/tests/**", "--exclude", "**/*tests.rs"])
        .args([
            "--jobs",
            JOBS,
            "--no-shuffle",
            "--timeout",
            TIMEOUT_SECONDS,
            "--colors",
            "never",
        ]);
    let only = options.only.as_deref().unwrap_or_default();
    for place in PLACES.iter().filter(|place| place.contains(only)) {
        let all = if place.ends_with('/') { "**" } else { "" };
        command.args(["--file", &format!("{place}{all}")]);
    }
    if let Some(shard) = &options.shard {
        command.args(["--sharding", "round-robin", "--shard", shard]);
    }
    let mut results = Results::new();
    if options.again {
        results = results_before(&folder)?;
        command.arg("--iterate");
    }
    command.arg("--output").arg(&folder).args(["--", "--lib"]);
    // The books of 64 instruments are one book 64 times.
    command.args(["--test", "books", "--", "--skip", "sixty_four"]);
    let status = command.status().map_err(|source| Failure::File {
        path: "cargo mutants".into(),
        source,
    })?;
    if !RAN.contains(&status.code().unwrap_or_default()) {
        return Err(Failure::Said(format!("cargo mutants: {status}")));
    }
    merge_report(&folder, &mut results)?;
    let count = count_of(&results, &reasons()?);
    print_table(&count);
    Ok(count)
}

/// What became of each mutant, by its name.
type Results = BTreeMap<String, String>;

/// What the runs before found, one that was broken off included.
fn results_before(folder: &Path) -> Result<Results, Failure> {
    let path = folder.join(RESULTS);
    let mut results = match path.exists() {
        true => serde_json::from_str(&read(&path)?)
            .map_err(|error| Failure::Said(format!("{}: {error}", path.display())))?,
        false => Results::new(),
    };
    // One that was broken off before its first mutant has none.
    if folder.join(REPORT).exists() {
        merge_report(folder, &mut results)?;
    }
    Ok(results)
}

/// Adds what the last run found, and keeps all.
fn merge_report(folder: &Path, results: &mut Results) -> Result<(), Failure> {
    let report: Value = serde_json::from_str(&read(&folder.join(REPORT))?)
        .map_err(|error| Failure::Said(format!("no report of cargo-mutants: {error}")))?;
    for outcome in report["outcomes"].as_array().into_iter().flatten() {
        let name = outcome["scenario"]["Mutant"]["name"].as_str();
        let summary = outcome["summary"].as_str();
        if let (Some(name), Some(summary)) = (name, summary) {
            results.insert(name.to_string(), summary.to_string());
        }
    }
    let path = folder.join(RESULTS);
    fs::write(&path, json!(results).to_string()).map_err(|source| Failure::File { path, source })
}

fn reasons() -> Result<Vec<Reason>, Failure> {
    let text = read(&root().join(REASONS))?;
    let document: DocumentMut = text
        .parse()
        .map_err(|error| Failure::Said(format!("{REASONS}: {error}")))?;
    let tables = document
        .get("survivor")
        .and_then(|item| item.as_array_of_tables());
    let mut all = Vec::new();
    for table in tables.into_iter().flatten() {
        let text = |key: &str| {
            let value = table.get(key).and_then(|item| item.as_str());
            let missing = || Failure::Said(format!("{REASONS}: a survivor without `{key}`"));
            value.map(str::to_string).ok_or_else(missing)
        };
        all.push(Reason {
            name: text("name")?,
            why: text("why")?,
        });
    }
    Ok(all)
}

fn count_of(results: &Results, reasons: &[Reason]) -> Count {
    let mut count = Count::default();
    for (name, summary) in results {
        match summary.as_str() {
            // One that makes the tests run for ever is noticed.
            "CaughtMutant" | "Timeout" => count.caught += 1,
            "MissedMutant" => {
                let reason = reasons.iter().find(|one| name.contains(&one.name));
                let why = reason.map_or("", |one| one.why.as_str());
                count.survivors.push((name.clone(), why.to_string()));
            }
            _ => count.unviable += 1,
        }
    }
    count
}

fn print_table(count: &Count) {
    for (name, why) in &count.survivors {
        let why = if why.is_empty() { "NO REASON" } else { why };
        println!("{name}\n    {why}");
    }
    let (caught, viable) = (count.caught, count.viable());
    let unviable = count.unviable;
    println!("\nsource-mutants: {caught} of {viable} caught; {unviable} did not compile");
}

fn page(count: &Count) -> Value {
    let row = |(name, why): &(String, String)| json!({ "name": name, "why": why });
    json!({
        "caught": count.caught,
        "viable": count.viable(),
        "unviable": count.unviable,
        "survivors": count.survivors.iter().map(row).collect::<Vec<_>>(),
    })
}

fn verdict(count: &Count) -> Result<(), Failure> {
    let (caught, viable) = (count.caught, count.viable());
    if viable > 0 && caught * 100 >= viable * CAUGHT_LEAST {
        return Ok(());
    }
    let text = format!("{caught} of {viable} mutants are caught, {CAUGHT_LEAST} % are asked for");
    Err(Failure::Said(text))
}

impl Count {
    fn viable(&self) -> u64 {
        self.caught + self.survivors.len() as u64
    }
}
