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
use std::path::PathBuf;
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

/// Runs of each client: name, kind of key, TLS.
const RUNS: [(&str, KeyKind, bool); 4] = [
    ("full", KeyKind::Hmac, true),
    ("plain", KeyKind::Hmac, false),
    ("ed25519", KeyKind::Ed25519, true),
    ("rsa", KeyKind::Rsa, true),
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
            println!("== {}: {name}", client.name);
            let server = match Server::start(&binary, kind, tls) {
                Ok(server) => server,
                Err(failure) => {
                    let reason = failure.to_string();
                    table.add(client, name, vec![Cell::failed("connect", &reason)]);
                    continue;
                }
            };
            let cells = environment.drive(client, name, &server)?;
            table.add(client, name, cells);
            server.stop()?;
        }
    }
    println!("\n{}", table.text());
    if options.client.is_none() {
        write(&root().join("docs/conformance.md"), &table.document())?;
    }
    table.verdict()
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
