//! The clients: pinned, installed each in an environment of its own, driven as processes.
//!
//! In: tests/conformance. Out: installed packages under target/conformance, and the cells that a
//! driver tells. Never: two Python clients in one environment; four of them share a module's name.

use super::folder;
use super::server::Server;
use super::table::Cell;
use crate::process::{Failure, line_of, read, root, run as run_to_end, write};
use std::io::{BufRead as _, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// A client and its driver.
#[derive(Debug)]
pub(crate) struct Client {
    /// Name in the table.
    pub(crate) name: &'static str,
    /// What it is written in.
    language: Language,
    /// Its requirements file, and the name of its environment.
    requirements: &'static str,
    /// Its driver.
    driver: &'static str,
    /// True when it also follows a whole recording at the speed at which it was made.
    pub(crate) follows_recording: bool,
}

/// What a client is written in, and so how it is installed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Language {
    /// An environment of its own for each requirements file.
    Python,
    /// One folder of modules for all; they do not get in each other's way.
    Node,
}

impl Client {
    const fn python(name: &'static str, requirements: &'static str, driver: &'static str) -> Self {
        Self {
            name,
            language: Language::Python,
            requirements,
            driver,
            follows_recording: false,
        }
    }

    const fn node(name: &'static str, driver: &'static str) -> Self {
        Self {
            name,
            language: Language::Node,
            requirements: "node",
            driver,
            follows_recording: false,
        }
    }

    const fn with_recording(mut self) -> Self {
        self.follows_recording = true;
        self
    }
}

/// The columns of the table.
pub(crate) const CLIENTS: &[Client] = &[
    Client::python("ccxt", "ccxt", "drive_ccxt.py").with_recording(),
    Client::python("ccxt-spot", "ccxt", "drive_ccxt_spot.py"),
    Client::python(
        "binance-futures-connector",
        "binance-futures-connector",
        "drive_binance_futures_connector.py",
    ),
    Client::python(
        "binance-connector",
        "binance-connector",
        "drive_binance_connector.py",
    ),
    Client::python(
        "python-binance",
        "python-binance",
        "drive_python_binance.py",
    ),
    Client::python("binance-sdk-usds-futures", "sdk", "drive_sdk_futures.py"),
    Client::python("binance-sdk-spot", "sdk", "drive_sdk_spot.py"),
    Client::node("ccxt-node", "drive_ccxt.cjs"),
    Client::node("binance-sdk-usds-futures-node", "drive_sdk_futures.cjs"),
    Client::node("binance-sdk-spot-node", "drive_sdk_spot.cjs"),
];

/// An environment with a client in it.
#[derive(Debug)]
pub(crate) struct Environment {
    interpreter: PathBuf,
    /// Where the drivers of its language lie.
    drivers: PathBuf,
    /// Where its modules lie.
    modules: PathBuf,
}

impl Environment {
    /// Installs the pinned packages, unless these very pins are there.
    pub(crate) fn install(client: &Client) -> Result<Self, Failure> {
        let name = client.requirements;
        let place = folder().join(name);
        let (language, pins) = match client.language {
            Language::Python => ("python", format!("requirements/{name}.txt")),
            Language::Node => ("node", "package.json".to_owned()),
        };
        let drivers = root().join("tests/conformance").join(language);
        let interpreter = match client.language {
            Language::Python => place.join("bin/python"),
            Language::Node => PathBuf::from("node"),
        };
        let stamp = place.join("installed.txt");
        let wanted = read(&drivers.join(pins))?;
        if !stamp.is_file() || read(&stamp)? != wanted {
            println!("conformance: installing {name}");
            match client.language {
                Language::Python => install_python(&drivers, name, &place)?,
                Language::Node => install_node(&wanted, &place)?,
            }
            write(&stamp, &wanted)?;
        }
        Ok(Self {
            interpreter,
            drivers,
            modules: place.join("node_modules"),
        })
    }

    /// Runs the driver and reads its cells; a driver that ends early leaves a failing cell.
    pub(crate) fn drive(
        &self,
        client: &Client,
        run: &str,
        server: &Server,
    ) -> Result<Vec<Cell>, Failure> {
        let mut command = Command::new(&self.interpreter);
        command
            .current_dir(&self.drivers)
            .arg(client.driver)
            .env("PYTHONDONTWRITEBYTECODE", "1")
            .env("NODE_PATH", &self.modules)
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

fn install_python(drivers: &Path, name: &str, place: &Path) -> Result<(), Failure> {
    run_to_end(
        Command::new("python3")
            .args(["-m", "venv", "--clear"])
            .arg(place),
    )?;
    run_to_end(
        Command::new(place.join("bin/python"))
            .args(["-m", "pip", "install", "--quiet", "--no-deps"])
            .args(["--disable-pip-version-check", "-r"])
            .arg(drivers.join(format!("requirements/{name}.txt"))),
    )
}

/// The pins name versions only; npm finds the packages where this machine gets them.
fn install_node(pins: &str, place: &Path) -> Result<(), Failure> {
    std::fs::create_dir_all(place).map_err(|source| Failure::File {
        path: place.to_owned(),
        source,
    })?;
    write(&place.join("package.json"), pins)?;
    run_to_end(
        Command::new("npm")
            .current_dir(place)
            .args(["install", "--ignore-scripts", "--no-package-lock"])
            .args(["--no-audit", "--no-fund", "--loglevel=error"]),
    )
}
