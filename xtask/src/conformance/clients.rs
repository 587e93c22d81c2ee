//! The clients: pinned, installed each in an environment of its own, driven as processes.
//!
//! In: tests/conformance. Out: installed packages under target/conformance, and the cells that a
//! driver tells. Never: two clients in one environment; three of them share a module's name.

use super::folder;
use super::server::Server;
use super::table::Cell;
use crate::process::{Failure, line_of, read, root, run as run_to_end, write};
use std::io::{BufRead as _, BufReader};
use std::path::PathBuf;
use std::process::{Command, Stdio};

/// A client and its driver.
#[derive(Debug)]
pub(crate) struct Client {
    /// Name in the table.
    pub(crate) name: &'static str,
    /// Its requirements file, and the name of its environment.
    requirements: &'static str,
    /// Its driver.
    driver: &'static str,
}

/// The columns of the table.
pub(crate) const CLIENTS: &[Client] = &[
    Client {
        name: "ccxt",
        requirements: "ccxt",
        driver: "drive_ccxt.py",
    },
    Client {
        name: "binance-futures-connector",
        requirements: "binance-futures-connector",
        driver: "drive_binance_futures_connector.py",
    },
    Client {
        name: "python-binance",
        requirements: "python-binance",
        driver: "drive_python_binance.py",
    },
    Client {
        name: "binance-sdk-usds-futures",
        requirements: "sdk",
        driver: "drive_sdk_futures.py",
    },
    Client {
        name: "binance-sdk-spot",
        requirements: "sdk",
        driver: "drive_sdk_spot.py",
    },
];

/// An environment with a client in it.
#[derive(Debug)]
pub(crate) struct Environment {
    python: PathBuf,
}

impl Environment {
    /// Installs the pinned packages, unless these very pins are there.
    pub(crate) fn install(client: &Client) -> Result<Self, Failure> {
        let name = client.requirements;
        let pins = root().join(format!("tests/conformance/python/requirements/{name}.txt"));
        let environment = folder().join(name);
        let python = environment.join("bin/python");
        let stamp = environment.join("installed.txt");
        let wanted = read(&pins)?;
        if !stamp.is_file() || read(&stamp)? != wanted {
            println!("conformance: installing {name}");
            run_to_end(
                Command::new("python3")
                    .args(["-m", "venv", "--clear"])
                    .arg(&environment),
            )?;
            run_to_end(
                Command::new(&python)
                    .args(["-m", "pip", "install", "--quiet", "--no-deps"])
                    .args(["--disable-pip-version-check", "-r"])
                    .arg(&pins),
            )?;
            write(&stamp, &wanted)?;
        }
        Ok(Self { python })
    }

    /// Runs the driver and reads its cells; a driver that ends early leaves a failing cell.
    pub(crate) fn drive(
        &self,
        client: &Client,
        run: &str,
        server: &Server,
    ) -> Result<Vec<Cell>, Failure> {
        let mut command = Command::new(&self.python);
        command
            .current_dir(root().join("tests/conformance/python"))
            .arg(client.driver)
            .env("PYTHONDONTWRITEBYTECODE", "1")
            .env("CONFORMANCE_RUN", run)
            .envs(server.environment())
            .stdout(Stdio::piped());
        let line = line_of(&command);
        let mut child = command.spawn().map_err(|source| Failure::Start {
            command: line.clone(),
            source,
        })?;
        let output = child.stdout.take().expect("stdout is piped");
        let mut cells = Vec::new();
        for text in BufReader::new(output).lines().map_while(Result::ok) {
            // A client may print; only the harness's lines are cells.
            if let Ok(cell) = serde_json::from_str::<Cell>(&text) {
                println!(
                    "{:<10} {:<22} {}",
                    cell.outcome, cell.capability, cell.reason
                );
                cells.push(cell);
            }
        }
        let status = child.wait().map_err(|source| Failure::Start {
            command: line,
            source,
        })?;
        if !status.success() || cells.is_empty() {
            cells.push(Cell::failed("driver", &format!("ended with {status}")));
        }
        Ok(cells)
    }
}
