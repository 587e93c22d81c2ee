//! Tests: what every change runs, and the longer suites on demand.
//!
//! In: a suite's name and the parts that must be there. Out: a table of steps with their times,
//! exit 0 only if all passed. Never: a required part that is skipped in silence.

use crate::process::{Failure, cargo, exists, line_of, read, root, run as run_to_end, target_dir};
use crate::{
    bench, conformance, coverage, evidence, mutants, setup, simulate, source_mutants, tidy, torture,
};
use clap::{Args, ValueEnum};
use serde_json::json;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

/// Options of `cargo xtask test`.
#[derive(Clone, Debug, Args)]
pub(crate) struct Options {
    /// A longer suite instead of the one of every change.
    #[arg(long, value_enum)]
    suite: Option<Suite>,
    /// Parts that must be there; elsewhere their tests are skipped by name.
    #[arg(long, value_delimiter = ',')]
    require: Vec<Part>,
}

/// The longer suites.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Suite {
    /// Rings and pages under Miri.
    Miri,
    /// Every fuzz target for a minute; what the hot path reads from the network for ten.
    Fuzz,
    /// The hot path beside its peers.
    Bench,
    /// Clients that nobody here wrote against the simulated exchange.
    Conformance,
    /// Lines of engine, binance, matching and ipc that their own tests reach.
    Coverage,
    /// Every mutant of our own code against the simulation.
    Mutants,
    /// Every mutant that cargo-mutants finds in what money hangs on; hours.
    SourceMutants,
    /// The simulated exchange under load on one core, and control with readers and listeners.
    Load,
    /// Two thousand seeds of the simulation, and 200 of them twice.
    Simulate,
    /// Real processes that are killed, frozen, cut off and starved of disk.
    Torture,
}

/// Parts that a machine may lack.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Part {
    /// Prometheus and promtool from Debian, and the Python parser.
    Prometheus,
    /// schemathesis, against the API.
    Schemathesis,
    /// The recordings.
    Captures,
    /// valgrind, and a processor with AVX2, for the gate on instruction counts.
    Valgrind,
}

/// Seconds of a fuzz target: what the hot path reads from the network is looked at for longer.
fn fuzz_seconds(target: &str) -> u32 {
    match target {
        "market_stream" | "frame_reader" => 600,
        _ => 60,
    }
}

/// Runs a suite.
pub(crate) fn run(options: &Options) -> Result<(), Failure> {
    match options.suite {
        None => every_change(&options.require),
        Some(Suite::Miri) => miri(),
        Some(Suite::Fuzz) => fuzz(),
        Some(Suite::Bench) => bench::suite(),
        Some(Suite::Conformance) => conformance::suite(),
        Some(Suite::Coverage) => coverage::suite(),
        Some(Suite::Mutants) => mutants::suite(),
        Some(Suite::SourceMutants) => source_mutants::suite(),
        Some(Suite::Load) => load(),
        Some(Suite::Simulate) => simulate::suite(),
        Some(Suite::Torture) => torture::suite(),
    }
}

/// Sets up, and fails where a required part is missing; names what will be skipped.
fn check_parts(required: &[Part]) -> Result<(), Failure> {
    let lacking = setup::run_quietly();
    let has_prometheus =
        exists("prometheus") && exists("promtool") && setup::python_judge().is_file();
    for (part, there, name) in [
        (Part::Prometheus, has_prometheus, "prometheus"),
        (
            Part::Captures,
            has_captures(),
            "captures (FULCRUM_CAPTURES)",
        ),
        (
            Part::Schemathesis,
            setup::schemathesis().is_file(),
            "schemathesis",
        ),
        (
            Part::Valgrind,
            bench::has_valgrind(),
            "valgrind (with AVX2)",
        ),
    ] {
        if !there && required.contains(&part) {
            let list = lacking.join(", ");
            return Err(Failure::Said(format!(
                "required, but missing: {name}; {list}"
            )));
        }
        if !there {
            println!("skipped: tests that need {name}");
        }
    }
    Ok(())
}

fn every_change(required: &[Part]) -> Result<(), Failure> {
    check_parts(required)?;
    let mut steps = Steps::default();
    steps.step("tidy", tidy::run);
    steps.command("format", cargo().args(["fmt", "--all", "--check"]));
    steps.command(
        "lints",
        cargo().args([
            "clippy",
            "--workspace",
            "--all-targets",
            "--locked",
            "--",
            "-D",
            "warnings",
        ]),
    );
    steps.command(
        "documents",
        cargo().env("RUSTDOCFLAGS", "-D warnings").args([
            "doc",
            "--workspace",
            "--no-deps",
            "--locked",
            "--quiet",
        ]),
    );
    steps.command("loom", &mut loom());
    let binaries = ["-p", "hotpath", "-p", "control", "-p", "simulated-exchange"];
    steps.command(
        "binaries",
        cargo()
            .args(["build", "--release", "--locked", "--bins"])
            .args(binaries),
    );
    let mut tests = cargo();
    tests
        .env("FULCRUM_BINARIES", target_dir().join("release"))
        .env("FULCRUM_PYTHON_JUDGE", setup::python_judge())
        // Everything that is red, not the first of it.
        .args(["test", "--workspace", "--locked", "--no-fail-fast"]);
    if setup::schemathesis().is_file() {
        tests.env("FULCRUM_SCHEMATHESIS", setup::schemathesis());
    }
    if required.contains(&Part::Prometheus) {
        tests.env("FULCRUM_REQUIRE_JUDGES", "1");
    }
    steps.command("tests", &mut tests);
    steps.command("simulation", &mut simulate::short());
    if bench::has_valgrind() {
        steps.step("instruction counts", bench::check);
    }
    steps.finish()
}

fn loom() -> Command {
    let mut command = cargo();
    command
        .env("RUSTFLAGS", "--cfg loom")
        .env("CARGO_TARGET_DIR", target_dir().join("loom"))
        .args([
            "test",
            "--profile",
            "loom",
            "--locked",
            "-p",
            "ipc",
            "--test",
            "loom",
        ]);
    command
}

fn has_captures() -> bool {
    let folder = std::env::var_os("FULCRUM_CAPTURES")
        .map_or_else(|| root().join("../shared/data"), PathBuf::from);
    folder.is_dir()
}

fn miri() -> Result<(), Failure> {
    let toolchain = "nightly";
    run_to_end(
        Command::new("rustup")
            .args(["toolchain", "install", toolchain, "-c", "miri"])
            .args(["-c", "rust-src", "--profile", "minimal"]),
    )?;
    let begun = Instant::now();
    run_to_end(
        Command::new("cargo")
            .current_dir(root())
            .env("CARGO_TARGET_DIR", target_dir().join("miri"))
            .env("MIRIFLAGS", "-Zmiri-many-seeds=0..4")
            .args(["+nightly", "miri", "test", "-p", "ipc", "--test", "heap"]),
    )?;
    let result = json!({ "passed": true, "seconds": begun.elapsed().as_secs() });
    evidence::record("miri", &["crates/ipc"], result)
}

/// What the figures of the load depend on.
const LOAD_INPUTS: [&str; 9] = [
    "control/src",
    "crates/binance/src",
    "crates/ipc/src",
    "crates/matching/src",
    "crates/simulated-exchange/src",
    "hotpath/process/src",
    "tests/src/bin/control_load",
    "tests/src/bin/exchange_load",
    "tests/src/load",
];

fn load() -> Result<(), Failure> {
    let release = target_dir().join("release");
    run_to_end(
        cargo()
            .args(["build", "--release", "--locked", "--bins"])
            .args(["-p", "hotpath", "-p", "control", "-p", "simulated-exchange"]),
    )?;
    let folder = target_dir().join("fulcrum");
    std::fs::create_dir_all(&folder).map_err(|source| Failure::File {
        path: folder.clone(),
        source,
    })?;
    let exchange = driven(
        &folder.join("load.json"),
        cargo()
            .args(["run", "--quiet", "--locked", "-p", "tests"])
            .args(["--bin", "exchange_load", "--", "--exchange"])
            .arg(release.join("simulated-exchange")),
    )?;
    let control = driven(
        &folder.join("control-load.json"),
        cargo()
            .env("FULCRUM_BINARIES", &release)
            .args(["run", "--quiet", "--locked", "-p", "tests"])
            .args(["--bin", "control_load", "--"]),
    )?;
    let result = json!({ "exchange": exchange, "control": control });
    evidence::record("load", &LOAD_INPUTS, result)
}

/// Runs a driver of load, and reads what it measured.
fn driven(figures: &Path, driver: &mut Command) -> Result<serde_json::Value, Failure> {
    run_to_end(driver.arg("--json").arg(figures))?;
    let page = read(figures)?;
    serde_json::from_str(&page)
        .map_err(|error| Failure::Said(format!("{}: {error}", figures.display())))
}

/// The workspaces of fuzz targets.
const FUZZ_FOLDERS: [&str; 3] = [
    "crates/binance/fuzz",
    "crates/simulated-exchange/fuzz",
    "crates/websocket/fuzz",
];

fn fuzz() -> Result<(), Failure> {
    if !exists("cargo-fuzz") {
        run_to_end(cargo().args(["install", "--quiet", "--locked", "cargo-fuzz"]))?;
    }
    let mut results = Vec::new();
    for folder in FUZZ_FOLDERS {
        let folder = root().join(folder);
        let mut targets: Vec<String> = std::fs::read_dir(folder.join("fuzz_targets"))
            .map_err(|source| Failure::File {
                path: folder.clone(),
                source,
            })?
            .flatten()
            .filter_map(|entry| Some(entry.path().file_stem()?.to_string_lossy().into_owned()))
            .collect();
        targets.sort();
        for target in &targets {
            let seconds = fuzz_seconds(target);
            println!("fuzz: {target}, {seconds} s");
            let limit = format!("-max_total_time={seconds}");
            run_to_end(Command::new("cargo").current_dir(&folder).args([
                "+nightly",
                "fuzz",
                "run",
                target,
                "--",
                &limit,
                "-print_final_stats=1",
            ]))?;
            results.push(json!({ "target": target, "seconds": seconds, "findings": 0 }));
        }
    }
    let inputs = [
        "crates/binance",
        "crates/market",
        "crates/matching",
        "crates/simulated-exchange",
        "crates/websocket",
    ];
    evidence::record("fuzz", &inputs, json!(results))
}

/// The steps of a run, each with its outcome and time.
#[derive(Default)]
struct Steps {
    done: Vec<(String, bool, Duration)>,
}

impl Steps {
    fn command(&mut self, name: &str, command: &mut Command) {
        println!("\n== {name}: {}", line_of(command));
        self.step(name, || run_to_end(command));
    }

    fn step(&mut self, name: &str, work: impl FnOnce() -> Result<(), Failure>) {
        let begun = Instant::now();
        let outcome = work();
        if let Err(failure) = &outcome {
            eprintln!("{name}: {failure}");
        }
        self.done
            .push((name.to_string(), outcome.is_ok(), begun.elapsed()));
    }

    fn finish(self) -> Result<(), Failure> {
        println!();
        for (name, passed, took) in &self.done {
            let word = if *passed { "passed" } else { "FAILED" };
            println!("{word}  {:>5.1} s  {name}", took.as_secs_f64());
        }
        let failed = self.done.iter().filter(|(_, passed, _)| !passed).count();
        println!(
            "\nsteps: {} passed, {failed} failed",
            self.done.len() - failed
        );
        if failed == 0 {
            Ok(())
        } else {
            Err(Failure::Said(format!("{failed} steps failed")))
        }
    }
}
