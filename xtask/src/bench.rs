//! The benches: the hot path beside its peers, and the gate on instruction counts.
//!
//! In: the workspace in `benches/`. Out: its table, its JSON, the page `docs/performance.md`, and
//! evidence. Never: a peer in the build of the product; the two workspaces share sources only.

mod instructions;

pub(crate) use instructions::{check, is_there as has_valgrind};

use crate::evidence;
use crate::process::{Failure, cargo, read, root, run as run_to_end, target_dir};
use crate::setup;
use clap::Args;
use std::path::{Path, PathBuf};
use std::process::Command;

/// What the result of the suite depends on.
const INPUTS: [&str; 7] = [
    "benches",
    "crates/binance",
    "crates/ipc",
    "crates/market",
    "crates/recordings",
    "hotpath/engine",
    "hotpath/process",
];

/// Options of `cargo xtask bench`.
#[derive(Clone, Debug, Args)]
pub(crate) struct Options {
    /// Write the rows as JSON to this file.
    #[arg(long)]
    json: Option<PathBuf>,
    /// Fewer rounds and inputs, about a minute; leaves docs/performance.md as it is.
    #[arg(long)]
    quick: bool,
    /// Only these parts: a, b, c, a+b, d, and f for all of e to i.
    #[arg(long, value_delimiter = ',')]
    parts: Vec<String>,
    /// Processor that everything is built for; by default the newest of x86-64 and x86-64-v3
    /// that this machine has. Peers choose their instructions at compile time.
    #[arg(long)]
    target_cpu: Option<String>,
    /// Only count instructions, and compare with the baseline as `cargo xtask test` does.
    #[arg(long, conflicts_with_all = ["json", "quick", "parts"])]
    instructions: bool,
    /// Only count instructions, and take the counts as the new baseline of the gate.
    #[arg(long, conflicts_with_all = ["json", "quick", "parts", "instructions"])]
    bless_instructions: bool,
}

/// The command `cargo xtask bench`.
pub(crate) fn run(options: &Options) -> Result<(), Failure> {
    if options.bless_instructions {
        return instructions::bless();
    }
    if options.instructions {
        return check();
    }
    side_by_side(options)
}

/// The suite `bench`: the benches' own tests, and a whole run whose rows become evidence.
pub(crate) fn suite() -> Result<(), Failure> {
    let file = target_dir().join("fulcrum/bench.json");
    let options = Options {
        json: Some(file.clone()),
        quick: false,
        parts: Vec::new(),
        target_cpu: None,
        instructions: false,
        bless_instructions: false,
    };
    // Another workspace: `cargo xtask test` does not reach its tests.
    run_to_end(cargo_of_peers("test", &options).args(["--workspace", "--lib"]))?;
    side_by_side(&options)?;
    let rows = serde_json::from_str(&read(&file)?)
        .map_err(|error| Failure::Said(format!("{}: {error}", file.display())))?;
    evidence::record("bench", &INPUTS, rows)
}

/// cargo on the peers, built for one processor.
fn cargo_of_peers(verb: &str, options: &Options) -> Command {
    let mut command = cargo_of_benches(verb, "benches");
    command.arg("--release");
    let cpu = options.target_cpu.clone().or_else(best_cpu);
    if let Some(cpu) = cpu {
        command.env("RUSTFLAGS", format!("-C target-cpu={cpu}"));
    }
    command
}

fn side_by_side(options: &Options) -> Result<(), Failure> {
    // It starts the second program of its package, which `run` alone would not build.
    run_to_end(cargo_of_peers("build", options).args(["--package", "side-by-side", "--bins"]))?;
    let mut command = cargo_of_peers("run", options);
    command.args(["--package", "side-by-side", "--", "run"]);
    let captures = captures();
    if captures.is_dir() {
        command.arg("--captures").arg(captures);
    } else {
        eprintln!("skipped: no captures at {}", captures.display());
    }
    match setup::python_peers() {
        Ok(python) => {
            let script = root().join("benches/python/peers.py");
            command.arg("--python").arg(python);
            command.arg("--python-script").arg(script);
        }
        Err(failure) => eprintln!("skipped: the Python peers: {failure}"),
    }
    if let Some(file) = &options.json {
        make_folder_of(file)?;
        command.arg("--json").arg(absolute(file));
    }
    if options.quick {
        command.arg("--quick");
    } else if options.parts.is_empty() {
        command
            .arg("--page")
            .arg(root().join("docs/performance.md"));
    }
    if !options.parts.is_empty() {
        command.arg("--parts").arg(options.parts.join(","));
    }
    run_to_end(&mut command)
}

/// cargo on the benches' own workspace, building in a folder below our target folder.
fn cargo_of_benches(verb: &str, folder: &str) -> Command {
    let mut command = cargo();
    command
        .arg(verb)
        .args(["--locked", "--manifest-path"])
        .arg(root().join("benches/Cargo.toml"))
        .arg("--target-dir")
        .arg(target_dir().join(folder));
    command
}

/// The newest of the levels that peers compile for.
fn best_cpu() -> Option<String> {
    let facts = std::fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let has = |flag: &str| facts.split_whitespace().any(|word| word == flag);
    let is_v3 = ["avx2", "bmi1", "bmi2", "fma", "movbe", "f16c"]
        .iter()
        .all(|flag| has(flag));
    is_v3.then(|| "x86-64-v3".to_string())
}

/// Where recordings are, if they are.
fn captures() -> PathBuf {
    std::env::var_os("FULCRUM_CAPTURES")
        .map_or_else(|| root().join("../shared/data"), PathBuf::from)
}

/// A path that still holds in cargo's working directory.
fn absolute(path: &Path) -> PathBuf {
    std::path::absolute(path).unwrap_or_else(|_| path.to_path_buf())
}

fn make_folder_of(file: &Path) -> Result<(), Failure> {
    let Some(folder) = file
        .parent()
        .filter(|folder| !folder.as_os_str().is_empty())
    else {
        return Ok(());
    };
    std::fs::create_dir_all(folder).map_err(|source| Failure::File {
        path: folder.into(),
        source,
    })
}
