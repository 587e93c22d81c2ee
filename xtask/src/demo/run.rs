//! The demo from build to summary.
//!
//! In: options. Out: exit 0 if all ended cleanly and the exchange agrees. Never: a child left
//! running.

use super::account::{self, Stats};
use super::configuration::{Addresses, text};
use super::cores::off_the_last_core;
use super::{MarketChoice, Options, summary};
use crate::process::{Failure, Running, cargo, root, run as run_to_end, target_dir, write};
use ports::free_port;
use serde_json::json;
use std::io::{BufRead, BufReader, IsTerminal, Read};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, mpsc};
use std::time::{Duration, Instant};

/// Longest wait for the exchange's ready line: a large recording has to be read first.
const EXCHANGE_PATIENCE: Duration = Duration::from_secs(120);
/// Longest wait until the hot path is reconciled and the books are synced.
const READY_PATIENCE: Duration = Duration::from_secs(60);
/// Longest wait for a clean stop of one process.
const STOP_PATIENCE: Duration = Duration::from_secs(20);
/// Most unplanned restarts before the demo gives up.
const RESTARTS_MAX: u64 = 10;

/// Runs the demo.
pub(crate) fn run(options: &Options) -> Result<(), Failure> {
    build()?;
    let mut demo = Demo::start(options)?;
    let reason = demo.trade();
    let report = demo.finish(reason?)?;
    if options.json {
        println!(
            "{}",
            serde_json::to_string_pretty(&report).expect("a report prints")
        );
    } else {
        println!("{}", summary::text(&report));
    }
    if report.exchange_agrees.holds() && report.unknown_orders.at_end == 0 {
        return Ok(());
    }
    Err(Failure::Said(
        "our account and the exchange's differ, as the lines above say".to_string(),
    ))
}

fn build() -> Result<(), Failure> {
    run_to_end(
        cargo()
            // Minutes of work at first: cargo shows on stderr how far it is.
            .args(["build", "--release", "--bins"])
            .args(["-p", "hotpath", "-p", "control", "-p", "simulated-exchange"]),
    )
}

struct Demo<'a> {
    options: &'a Options,
    state_dir: PathBuf,
    addresses: Addresses,
    api: String,
    symbols: Vec<String>,
    exchange: Running,
    hot_path: Running,
    control: Running,
    restarts: u64,
    interrupted: Arc<AtomicBool>,
}

impl<'a> Demo<'a> {
    fn start(options: &'a Options) -> Result<Self, Failure> {
        let state_dir = prepare_state_dir(options)?;
        let key = secret_file(&state_dir.join("api-key"))?;
        secret_file(&state_dir.join("api-secret"))?;
        let interrupted = Arc::new(AtomicBool::new(false));
        let flag = Arc::clone(&interrupted);
        ctrlc::set_handler(move || flag.store(true, Ordering::Relaxed))
            .map_err(|error| Failure::Said(format!("cannot catch Ctrl-C: {error}")))?;
        let (exchange, addresses) = start_exchange(options, &state_dir, &key)?;
        let base = match options.market {
            MarketChoice::Usdm => format!("{}/fapi/v1", addresses.http),
            MarketChoice::Spot => format!("{}/api/v3", addresses.spot_http),
        };
        let symbols = account::symbols(&base)?;
        let ports = (free_port(), free_port());
        let toml = text(options, &state_dir, &addresses, &symbols, ports);
        write(&state_dir.join("fulcrum.toml"), &toml)?;
        let hot_path = start_hot_path(options, &state_dir)?;
        let control = start_control(options, &state_dir)?;
        let demo = Self {
            options,
            api: format!("http://127.0.0.1:{}", ports.1),
            state_dir,
            addresses,
            symbols,
            exchange,
            hot_path,
            control,
            restarts: 0,
            interrupted,
        };
        demo.write_run_file(ports)?;
        Ok(demo)
    }

    /// Lets it run; returns why it ended.
    fn trade(&mut self) -> Result<&'static str, Failure> {
        let deadline = Instant::now() + READY_PATIENCE;
        while !account::is_ready(&self.api) {
            if self.interrupted.load(Ordering::Relaxed) {
                return Ok("interrupted");
            }
            if Instant::now() > deadline {
                return Err(Failure::Said(format!(
                    "not ready within {} s; see the logs in {}",
                    READY_PATIENCE.as_secs(),
                    self.state_dir.display()
                )));
            }
            self.supervise()?;
            std::thread::sleep(Duration::from_millis(50));
        }
        write(&self.state_dir.join("ready"), "ready\n")?;
        let end = self
            .options
            .seconds
            .map(|seconds| Instant::now() + Duration::from_secs(seconds));
        loop {
            if self.interrupted.load(Ordering::Relaxed) {
                return Ok("interrupted");
            }
            if end.is_some_and(|end| Instant::now() >= end) {
                return Ok("time");
            }
            self.supervise()?;
            std::thread::sleep(Duration::from_millis(50));
        }
    }

    /// Restarts the hot path or control when it died; the exchange's death ends the demo.
    fn supervise(&mut self) -> Result<(), Failure> {
        if let Some(status) = self.exchange.ended() {
            return Err(Failure::Said(format!(
                "the simulated exchange ended with {status}"
            )));
        }
        let hot_path = self.hot_path.ended();
        let control = self.control.ended();
        if hot_path.is_none() && control.is_none() {
            return Ok(());
        }
        self.restarts += 1;
        for status in [hot_path, control].into_iter().flatten() {
            if matches!(status.code(), Some(2 | 78)) || self.restarts > RESTARTS_MAX {
                return Err(Failure::Said(format!(
                    "a process ended with {status}; see the logs in {}",
                    self.state_dir.display()
                )));
            }
        }
        if hot_path.is_some() {
            self.hot_path = start_hot_path(self.options, &self.state_dir)?;
        }
        if control.is_some() {
            self.control = start_control(self.options, &self.state_dir)?;
        }
        let port = |url: &str| url.rsplit(':').next().and_then(|port| port.parse().ok());
        self.write_run_file((0, port(&self.api).unwrap_or(0)))
    }

    /// Stops everything in order and compares the accounts.
    fn finish(mut self, reason: &str) -> Result<super::report::Report, Failure> {
        let stopped = self.hot_path.stop(STOP_PATIENCE);
        let stats = Stats::drained(&self.api, STOP_PATIENCE)?;
        let exchange = account::of_exchange(&self.addresses.sim, self.options.market.as_str())?;
        let wire = account::wire_to_wire(&self.api, &self.addresses.sim)?;
        self.control.stop(STOP_PATIENCE)?;
        self.exchange.stop(STOP_PATIENCE)?;
        stopped?;
        Ok(summary::report(
            self.options,
            &stats,
            &exchange,
            wire,
            reason,
            self.restarts,
        ))
    }

    fn write_run_file(&self, (metrics_port, api_port): (u16, u16)) -> Result<(), Failure> {
        let path = self.state_dir.join("run.json");
        let earlier: serde_json::Value = std::fs::read_to_string(&path)
            .ok()
            .and_then(|text| serde_json::from_str(&text).ok())
            .unwrap_or_default();
        let metrics = match metrics_port {
            0 => earlier["metrics"].clone(),
            port => json!(format!("http://127.0.0.1:{port}/metrics")),
        };
        let page = json!({
            "pids": {
                "exchange": self.exchange.child.id(),
                "hotpath": self.hot_path.child.id(),
                "control": self.control.child.id(),
            },
            "metrics": metrics,
            "api": format!("http://127.0.0.1:{api_port}"),
            "exchange": {
                "http": self.addresses.http, "ws": self.addresses.ws,
                "spot_http": self.addresses.spot_http, "spot_ws": self.addresses.spot_ws,
                "sim": self.addresses.sim,
            },
            "state_dir": self.state_dir,
            "configuration": self.state_dir.join("fulcrum.toml"),
            "symbols": self.symbols,
        });
        let text = serde_json::to_string_pretty(&page).expect("a JSON value prints");
        let fresh = path.with_extension("json.new");
        write(&fresh, &text)?;
        std::fs::rename(&fresh, &path).map_err(|source| Failure::File { path, source })
    }
}

fn prepare_state_dir(options: &Options) -> Result<PathBuf, Failure> {
    let default = || target_dir().join("fulcrum/demo");
    let state_dir = options.state_dir.clone().unwrap_or_else(default);
    let said = |path: &Path, source| Failure::File {
        path: path.into(),
        source,
    };
    if state_dir.exists() && !options.keep {
        let is_ours = state_dir.join("run.json").exists() || state_dir.join("api-key").exists();
        let is_empty =
            std::fs::read_dir(&state_dir).is_ok_and(|mut entries| entries.next().is_none());
        if !is_ours && !is_empty {
            return Err(Failure::Said(format!(
                "{} is not empty and no demo made it; name another with --state-dir",
                state_dir.display()
            )));
        }
        std::fs::remove_dir_all(&state_dir).map_err(|source| said(&state_dir, source))?;
    }
    std::fs::create_dir_all(&state_dir).map_err(|source| said(&state_dir, source))?;
    std::fs::canonicalize(&state_dir).map_err(|source| said(&state_dir, source))
}

/// Writes 32 random bytes as hexadecimal into a file that only we can read.
fn secret_file(path: &Path) -> Result<String, Failure> {
    use std::os::unix::fs::PermissionsExt;
    let failed = |source| Failure::File {
        path: path.into(),
        source,
    };
    if let Ok(text) = std::fs::read_to_string(path) {
        return Ok(text.trim().to_string());
    }
    let mut bytes = [0; 32];
    std::fs::File::open("/dev/urandom")
        .and_then(|mut file| file.read_exact(&mut bytes))
        .map_err(failed)?;
    let text: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
    write(path, &format!("{text}\n"))?;
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o600)).map_err(failed)?;
    Ok(text)
}

fn start_exchange(
    options: &Options,
    state_dir: &Path,
    key: &str,
) -> Result<(Running, Addresses), Failure> {
    let mut command = Command::new(binary("simulated-exchange"));
    if options.capture.is_empty() {
        command.args(["--generate", "--symbols", &options.symbols]);
    } else {
        let files: Vec<String> = options
            .capture
            .iter()
            .map(|file| file.display().to_string())
            .collect();
        command.args(["--capture", &files.join(","), "--loop"]);
    }
    command.args([
        "--seed",
        &options.seed.to_string(),
        "--speed",
        &options.speed,
    ]);
    command.args(["--listen", "127.0.0.1:0", "--api-key", key]);
    command
        .arg("--api-secret-file")
        .arg(state_dir.join("api-secret"));
    if let Some(fault) = &options.fault {
        command.args(["--fault", fault]);
    }
    if options.skip_bad {
        command.arg("--skip-bad");
    }
    command.current_dir(std::env::current_dir().unwrap_or_else(|_| root()));
    command
        .stdout(Stdio::piped())
        .stderr(log(state_dir, "exchange.log")?);
    let spare = options.wants_a_core();
    let mut exchange = off_the_last_core(spare, || {
        Running::start("the simulated exchange", &mut command)
    })?;
    let stdout = exchange.child.stdout.take().expect("stdout is piped");
    let (sender, receiver) = mpsc::channel();
    std::thread::spawn(move || {
        let mut reader = BufReader::new(stdout);
        let mut line = String::new();
        let _ = reader.read_line(&mut line);
        let _ = sender.send(line);
        // The pipe stays open for the exchange's whole life.
        let _ = std::io::copy(&mut reader, &mut std::io::sink());
    });
    let line = receiver.recv_timeout(EXCHANGE_PATIENCE).unwrap_or_default();
    if line.is_empty() {
        let said = std::fs::read_to_string(state_dir.join("exchange.log")).unwrap_or_default();
        return Err(Failure::Said(format!(
            "the simulated exchange did not start:\n{}",
            said.trim()
        )));
    }
    Ok((exchange, Addresses::parse(&line)?))
}

fn start_hot_path(options: &Options, state_dir: &Path) -> Result<Running, Failure> {
    let mut command = Command::new(binary("fulcrum-hotpath"));
    command.arg("--config").arg(state_dir.join("fulcrum.toml"));
    command.arg("--state-dir").arg(state_dir);
    if options.inject_allocation > 0 {
        command.args([
            "--inject-allocation",
            &options.inject_allocation.to_string(),
        ]);
    }
    command
        .stdout(Stdio::null())
        .stderr(log(state_dir, "hotpath.log")?);
    Running::start("fulcrum-hotpath", &mut command)
}

fn start_control(options: &Options, state_dir: &Path) -> Result<Running, Failure> {
    let mut command = Command::new(binary("fulcrum-control"));
    command.arg("--config").arg(state_dir.join("fulcrum.toml"));
    command.arg("--state-dir").arg(state_dir);
    if options.json || !std::io::stdout().is_terminal() {
        command.stdout(Stdio::null());
    } else {
        command.arg("--table");
    }
    command.stderr(log(state_dir, "control.log")?);
    off_the_last_core(options.wants_a_core(), || {
        Running::start("fulcrum-control", &mut command)
    })
}

fn binary(name: &str) -> PathBuf {
    target_dir().join("release").join(name)
}

fn log(state_dir: &Path, name: &str) -> Result<std::fs::File, Failure> {
    let path = state_dir.join(name);
    std::fs::OpenOptions::new()
        .create(true)
        .append(true)
        .open(&path)
        .map_err(|source| Failure::File { path, source })
}
