//! Clients that nobody here wrote, unchanged, against the simulated exchange.
//!
//! In: the pinned clients of tests/conformance, the server's binary. Out: a table of client and
//! capability with `pass` or the reason, on stdout and in docs/conformance.md; a failure when a
//! cell fails that is not the client's own limit. Never: a changed client, a real exchange.

mod clients;
mod server;
mod table;

use crate::evidence;
use crate::process::{Failure, cargo, root, run as run_to_end, target_dir, write};
use clap::Args;
use clients::{CLIENTS, Client, Environment};
use serde_json::json;
use server::{KeyKind, Server};
use std::path::{Path, PathBuf};
use table::{Cell, Table};

/// Options of `cargo xtask conformance`.
#[derive(Clone, Debug, Args)]
pub(crate) struct Options {
    /// Only this client; the table in the docs stays as it is.
    #[arg(long)]
    client: Option<String>,
    /// A binary of the server instead of building it.
    #[arg(long, value_name = "FILE")]
    server: Option<PathBuf>,
}

/// The run against a recording.
const RECORDED: &str = "recording";
/// Runs of each client: name, kind of key, TLS.
const RUNS: [(&str, KeyKind, bool); 5] = [
    ("full", KeyKind::Hmac, true),
    ("plain", KeyKind::Hmac, false),
    ("ed25519", KeyKind::Ed25519, true),
    ("rsa", KeyKind::Rsa, true),
    (RECORDED, KeyKind::Hmac, true),
];

/// Installs, runs, prints.
pub(crate) fn run(options: &Options) -> Result<(), Failure> {
    let chosen: Vec<&Client> = CLIENTS
        .iter()
        .filter(|client| {
            options
                .client
                .as_deref()
                .is_none_or(|name| name == client.name)
        })
        .collect();
    if chosen.is_empty() {
        let names: Vec<&str> = CLIENTS.iter().map(|client| client.name).collect();
        return Err(Failure::Said(format!(
            "no such client; there are {}",
            names.join(", ")
        )));
    }
    let binary = match &options.server {
        Some(file) => file.clone(),
        None => build()?,
    };
    let mut table = Table::default();
    for client in chosen {
        let environment = Environment::install(client)?;
        for (name, kind, tls) in RUNS {
            one_run(&mut table, client, &environment, &binary, (name, kind, tls))?;
        }
    }
    println!("\n{}", table.text());
    if options.client.is_none() {
        write(&root().join("docs/conformance.md"), &table.document())?;
    }
    table.verdict()
}

/// One run of one client against a server of its own.
fn one_run(
    table: &mut Table,
    client: &Client,
    environment: &Environment,
    binary: &Path,
    (name, kind, tls): (&str, KeyKind, bool),
) -> Result<(), Failure> {
    let recording = match name {
        RECORDED if !client.follows_recording => return Ok(()),
        RECORDED => match recording() {
            Some(file) => Some(file),
            None => {
                println!("skipped: no captures; FULCRUM_CAPTURES names their folder");
                return Ok(());
            }
        },
        _ => None,
    };
    println!("== {}: {name}", client.name);
    match Server::start(binary, kind, tls, recording.as_deref()) {
        Ok(server) => {
            let cells = environment.drive(client, name, &server)?;
            table.add(client, name, cells);
            server.stop()
        }
        Err(failure) => {
            let cell = Cell::failed("connect", &failure.to_string());
            table.add(client, name, vec![cell]);
            Ok(())
        }
    }
}

/// The recording that a client follows from its first line to its last: long enough to be more
/// than a glance, with a snapshot at its beginning.
fn recording() -> Option<PathBuf> {
    let folder = std::env::var_os("FULCRUM_CAPTURES")
        .map_or_else(|| root().join("../shared/data"), PathBuf::from);
    let file = folder.join("hftbacktest/usdm/btcusdt_20230404.dat.gz");
    file.is_file().then_some(file)
}

/// What the result depends on.
const INPUTS: [&str; 5] = [
    "crates/binance/src",
    "crates/market/src",
    "crates/matching/src",
    "crates/simulated-exchange/src",
    "tests/conformance",
];

/// All clients; evidence when no cell fails.
pub(crate) fn suite() -> Result<(), Failure> {
    let all = Options {
        client: None,
        server: None,
    };
    run(&all)?;
    let names: Vec<&str> = CLIENTS.iter().map(|client| client.name).collect();
    evidence::record(
        "conformance",
        &INPUTS,
        json!({ "clients": names, "failed": 0 }),
    )
}

fn build() -> Result<PathBuf, Failure> {
    run_to_end(cargo().args(["build", "--locked", "-p", "simulated-exchange"]))?;
    Ok(target_dir().join("debug/simulated-exchange"))
}

/// Where the clients are installed and the servers' keys lie.
fn folder() -> PathBuf {
    target_dir().join("conformance")
}
