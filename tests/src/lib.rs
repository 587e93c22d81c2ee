//! A running demo, as tests see it from outside.
//!
//! In: arguments of `cargo xtask demo`. Out: its pids, addresses, ledger and final report. Never:
//! a look inside a process, a demo that outlives its test.
#![forbid(unsafe_code)]

pub mod fault_proxy;
pub mod load;
pub mod oracle;
pub mod rig;
pub mod torture;

use serde_json::Value;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// Longest wait for a demo to become ready.
const READY_PATIENCE: Duration = Duration::from_secs(120);

/// The repository's root.
#[must_use]
pub fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .parent()
        .expect("tests lies in the repository")
        .into()
}

/// A release binary of the three processes: from `FULCRUM_BINARIES`, or built now.
#[must_use]
pub fn binary(name: &str) -> PathBuf {
    let folder = std::env::var_os("FULCRUM_BINARIES").map_or_else(build, PathBuf::from);
    let path = folder.join(name);
    assert!(
        path.is_file(),
        "{} is missing; run `cargo xtask test`",
        path.display()
    );
    path
}

/// Cargo, as anybody calls it: some build scripts look at which package called it, and everything
/// behind them would be built anew when the caller changes.
#[must_use]
pub fn cargo() -> Command {
    let mut command = Command::new("cargo");
    command.current_dir(root());
    for (name, _) in std::env::vars_os() {
        let text = name.to_string_lossy();
        if text.starts_with("CARGO_PKG_") || text.starts_with("CARGO_MANIFEST_") {
            command.env_remove(&name);
        }
    }
    command
}

fn build() -> PathBuf {
    let status = cargo()
        .args([
            "build",
            "--quiet",
            "--release",
            "--bins",
            "-p",
            "hotpath",
            "-p",
            "control",
        ])
        .args(["-p", "simulated-exchange"])
        .status()
        .expect("cargo runs");
    assert!(status.success(), "the binaries do not build");
    target().join("release")
}

/// Cargo's target folder.
#[must_use]
pub fn target() -> PathBuf {
    std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| root().join("target"), PathBuf::from)
}

/// The folder of recordings, if there is one; says so where there is none.
#[must_use]
pub fn captures() -> Option<PathBuf> {
    let folder = std::env::var_os("FULCRUM_CAPTURES")
        .map_or_else(|| root().join("../shared/data"), PathBuf::from);
    if folder.is_dir() {
        return Some(folder);
    }
    println!("skipped: no captures at {}", folder.display());
    None
}

/// One demo at a time: two on one machine would measure each other.
static TURN: Mutex<()> = Mutex::new(());

/// A demo under way.
pub struct Demo {
    _turn: MutexGuard<'static, ()>,
    child: Child,
    /// Where its state lies.
    pub state_dir: PathBuf,
}

impl Demo {
    /// Starts `cargo xtask demo --json` with `arguments` and a state directory of its own.
    #[must_use]
    pub fn start(name: &str, arguments: &[&str]) -> Self {
        let turn = TURN.lock().unwrap_or_else(PoisonError::into_inner);
        let state_dir = target().join("fulcrum/tests").join(name);
        let _ = std::fs::remove_dir_all(&state_dir);
        std::fs::create_dir_all(&state_dir).expect("a folder under target");
        let child = cargo()
            .args(["xtask", "demo", "--json", "--state-dir"])
            .arg(&state_dir)
            .args(arguments)
            .stdout(Stdio::piped())
            .stderr(Stdio::inherit())
            .spawn()
            .expect("cargo starts");
        Self {
            _turn: turn,
            child,
            state_dir,
        }
    }

    /// Waits until it trades.
    pub fn wait_until_ready(&mut self) {
        let file = self.state_dir.join("ready");
        wait_for("the demo is ready", READY_PATIENCE, || file.exists());
    }

    /// The page of pids and addresses.
    #[must_use]
    pub fn run_page(&self) -> Value {
        let text = std::fs::read_to_string(self.state_dir.join("run.json")).expect("run.json");
        serde_json::from_str(&text).expect("run.json is JSON")
    }

    /// Pid of `exchange`, `hotpath` or `control`.
    #[must_use]
    pub fn pid(&self, process: &str) -> i64 {
        self.run_page()["pids"][process].as_i64().expect("a pid")
    }

    /// Sends SIGKILL to one process and waits until the demo has restarted it.
    pub fn kill(&self, process: &str) {
        let old = self.pid(process);
        let pid = i32::try_from(old)
            .ok()
            .and_then(rustix::process::Pid::from_raw)
            .expect("a pid");
        rustix::process::kill_process(pid, rustix::process::Signal::KILL).expect("it is ours");
        wait_for("the process is restarted", Duration::from_secs(20), || {
            self.pid(process) != old
        });
    }

    /// One JSON answer of control's API or of the exchange's.
    #[must_use]
    pub fn get(&self, base: &str, path: &str) -> Option<Value> {
        let page = self.run_page();
        let base = match base {
            "sim" => page["exchange"]["sim"].as_str()?.to_string(),
            other => page[other].as_str()?.to_string(),
        };
        let mut answer = ureq::get(format!("{base}{path}")).call().ok()?;
        answer.body_mut().read_json().ok()
    }

    /// The ledger, read-only.
    #[must_use]
    pub fn ledger(&self) -> rusqlite::Connection {
        let flags = rusqlite::OpenFlags::SQLITE_OPEN_READ_ONLY;
        rusqlite::Connection::open_with_flags(self.state_dir.join("ledger.sqlite"), flags)
            .expect("the ledger opens")
    }

    /// Asks for the end now instead of at its time: everything that was to be seen was.
    pub fn end_early(&self) {
        let pid = i32::try_from(self.child.id()).ok();
        let pid = pid.and_then(rustix::process::Pid::from_raw).expect("a pid");
        rustix::process::kill_process(pid, rustix::process::Signal::TERM).expect("it is ours");
    }

    /// Waits for its end; returns the report, and whether it ended with exit 0.
    #[must_use]
    pub fn finish(mut self) -> (Value, bool) {
        let mut text = String::new();
        let stdout = self.child.stdout.take();
        stdout
            .expect("stdout is piped")
            .read_to_string(&mut text)
            .expect("UTF-8");
        let status = self.child.wait().expect("it is our child");
        let report = serde_json::from_str(&text).unwrap_or_else(|error| {
            let logs = ["exchange.log", "hotpath.log", "control.log"].map(|name| {
                let log = std::fs::read_to_string(self.state_dir.join(name)).unwrap_or_default();
                let tail: Vec<&str> = log.lines().rev().take(10).collect();
                format!(
                    "{name}: {}",
                    tail.into_iter().rev().collect::<Vec<_>>().join("\n")
                )
            });
            panic!("no report ({error}): {text}\n{}", logs.join("\n"))
        });
        (report, status.success())
    }
}

impl Drop for Demo {
    fn drop(&mut self) {
        if let Ok(None) = self.child.try_wait() {
            let pid = i32::try_from(self.child.id())
                .ok()
                .and_then(rustix::process::Pid::from_raw);
            if let Some(pid) = pid {
                let _ = rustix::process::kill_process(pid, rustix::process::Signal::TERM);
            }
            let _ = self.child.wait();
        }
    }
}

/// Polls `condition` until it holds.
///
/// # Panics
/// When it does not hold within `patience`.
pub fn wait_for(what: &str, patience: Duration, mut condition: impl FnMut() -> bool) {
    let deadline = Instant::now() + patience;
    while !condition() {
        assert!(
            Instant::now() < deadline,
            "not within {} s: {what}",
            patience.as_secs()
        );
        std::thread::sleep(Duration::from_millis(20));
    }
}
