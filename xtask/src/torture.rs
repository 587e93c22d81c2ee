//! Torture as a suite: sixty deaths of each process and of both, ten of every other blow, and
//! control away for a minute under a market at five times its speed.
//!
//! In: release binaries, a recording. Out: progress while it runs, evidence when all was right.
//! Never: evidence of a run with a failure.

use crate::evidence;
use crate::process::{Failure, cargo, root, run as run_to_end, target_dir};
use serde_json::{Value, json};
use std::path::PathBuf;
use std::process::{Command, Stdio};

/// Rounds of each `kill -9`, and of each other kind.
const ROUNDS: [&str; 4] = ["--kills", "60", "--others", "10"];

/// Control is away for four windows of 15 s.
const AWAY: [&str; 7] = [
    "--window-s",
    "15",
    "--with",
    "4",
    "--without",
    "4",
    "--spin",
];

const RECORDING: &str = "hftbacktest/usdm/ethusdt_20240718.gz";

/// What the result depends on.
const INPUTS: [&str; 12] = [
    "control/src",
    "crates/binance/src",
    "crates/ipc/src",
    "crates/market/src",
    "crates/matching/src",
    "crates/operator/src",
    "crates/settings/src",
    "crates/simulated-exchange/src",
    "crates/websocket/src",
    "hotpath/engine/src",
    "hotpath/process/src",
    "tests/src",
];

/// Builds, runs, records.
pub(crate) fn suite() -> Result<(), Failure> {
    let binaries = ["-p", "hotpath", "-p", "control", "-p", "simulated-exchange"];
    let mut build = cargo();
    build
        .args(["build", "--release", "--locked", "--bins"])
        .args(binaries);
    run_to_end(&mut build)?;
    let captures = std::env::var_os("FULCRUM_CAPTURES")
        .map_or_else(|| root().join("../shared/data"), PathBuf::from);
    let recording = captures.join(RECORDING);
    let mut rounds = vec!["rounds"];
    rounds.extend(ROUNDS);
    let rounds = torture(&rounds)?;
    let path = recording.display().to_string();
    let mut away = vec!["away", "--recording", &path];
    away.extend(AWAY);
    let away = torture(&away)?;
    if away["unchanged"] != true {
        return Err(Failure::Said(format!(
            "tick to order without control: {} of that with it, spread {}",
            away["measured"]["ratio"], away["measured"]["spread_with"]
        )));
    }
    let page = json!({ "rounds": rounds, "control_away": away });
    evidence::record("torture", &INPUTS, page)
}

/// Runs the binary; its progress goes to our stderr as it comes.
fn torture(arguments: &[&str]) -> Result<Value, Failure> {
    let mut command: Command = cargo();
    command
        .env("FULCRUM_BINARIES", target_dir().join("release"))
        .args([
            "run", "--quiet", "--locked", "-p", "tests", "--bin", "torture", "--",
        ])
        .args(arguments)
        .stderr(Stdio::inherit());
    let output = command
        .output()
        .map_err(|error| Failure::Said(format!("torture does not start: {error}")))?;
    let said = String::from_utf8_lossy(&output.stdout);
    if !output.status.success() {
        return Err(Failure::Said(format!("torture: {}: {said}", output.status)));
    }
    serde_json::from_str(&said).map_err(|error| Failure::Said(format!("no report: {error}")))
}
