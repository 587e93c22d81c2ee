//! Sets a machine up: Debian packages where we are root, and a Python judge of metrics.
//!
//! In: a machine with Rust. Out: what tests need beside the clone, or a list of what is missing.
//! Never: an install outside of apt and the target folder.

use crate::process::{Failure, exists, run as run_to_end, target_dir};
use std::path::{Path, PathBuf};
use std::process::Command;

/// A program of the tests and the Debian package that brings it.
const PROGRAMS: [(&str, &str); 3] = [
    ("prometheus", "prometheus"),
    ("promtool", "prometheus"),
    ("valgrind", "valgrind"),
];

/// Peers of the benches that live in Python, pinned.
const PYTHON_PEERS: [&str; 3] = ["ccxt==4.5.90", "nautilus_trader==1.221.0", "orjson==3.13.0"];

/// Installs what is missing; says what could not be.
pub(crate) fn run_quietly() -> Vec<String> {
    let mut missing: Vec<&str> = PROGRAMS
        .iter()
        .filter(|(program, _)| !exists(program))
        .map(|(_, package)| *package)
        .collect();
    missing.dedup();
    let mut lacking = Vec::new();
    if !missing.is_empty()
        && let Err(failure) = install(&missing)
    {
        eprintln!("setup: {failure}");
        lacking.extend(
            missing
                .iter()
                .map(|package| format!("Debian package {package}")),
        );
    }
    if !python_judge().is_file()
        && let Err(failure) = install_python_judge()
    {
        eprintln!("setup: {failure}");
        lacking.push("Python package prometheus_client".to_string());
    }
    if !schemathesis().is_file()
        && let Err(failure) = install_python(&schemathesis_folder(), &["schemathesis==4.32.5"])
    {
        eprintln!("setup: {failure}");
        lacking.push("Python package schemathesis".to_string());
    }
    lacking
}

/// The command `cargo xtask setup`.
pub(crate) fn run() -> Result<(), Failure> {
    let lacking = run_quietly();
    if lacking.is_empty() {
        println!("setup: complete");
        return Ok(());
    }
    Err(Failure::Said(format!(
        "setup: missing and not installable here: {}. Install them by hand, or go on: tests that \
         need them are skipped by name",
        lacking.join(", ")
    )))
}

/// Python of the environment that has prometheus_client.
pub(crate) fn python_judge() -> PathBuf {
    target_dir().join("fulcrum/judges/bin/python")
}

/// What tries everything that the API's description allows and does not.
pub(crate) fn schemathesis() -> PathBuf {
    schemathesis_folder().join("bin/schemathesis")
}

fn schemathesis_folder() -> PathBuf {
    target_dir().join("fulcrum/schemathesis")
}

fn install(packages: &[&str]) -> Result<(), Failure> {
    if !exists("apt-get") || !rustix::process::geteuid().is_root() {
        return Err(Failure::Said(
            "apt-get needs root on a Debian system".to_string(),
        ));
    }
    println!("setup: installing {}", packages.join(" "));
    let apt = || {
        let mut command = Command::new("apt-get");
        command
            .env("DEBIAN_FRONTEND", "noninteractive")
            .args(["-qq", "-y"]);
        command
    };
    run_to_end(apt().arg("update"))?;
    run_to_end(
        apt()
            .args(["install", "--no-install-recommends"])
            .args(packages),
    )
}

/// Python of the environment that has the benches' peers; made when it is asked for first.
///
/// # Errors
/// When there is no Python, or the packages cannot be installed here.
pub(crate) fn python_peers() -> Result<PathBuf, Failure> {
    let folder = target_dir().join("fulcrum/peers");
    let python = folder.join("bin/python");
    if !python.is_file() {
        install_python(&folder, &PYTHON_PEERS)?;
    }
    Ok(python)
}

fn install_python_judge() -> Result<(), Failure> {
    install_python(
        &target_dir().join("fulcrum/judges"),
        &["prometheus_client==0.26.0"],
    )
}

/// A Python environment with exactly these packages; none at all where one cannot be installed.
fn install_python(folder: &Path, packages: &[&str]) -> Result<(), Failure> {
    if !exists("python3") {
        return Err(Failure::Said("python3 is not installed".to_string()));
    }
    println!("setup: a Python environment with {}", packages.join(" "));
    run_to_end(Command::new("python3").args(["-m", "venv"]).arg(folder))?;
    let done = run_to_end(
        Command::new(folder.join("bin/python"))
            .args(["-m", "pip", "install", "--quiet"])
            .arg("--disable-pip-version-check")
            .args(packages),
    );
    if done.is_err() {
        let _ = std::fs::remove_dir_all(folder);
    }
    done
}
