//! The processes by themselves, where the demo would restart what a test kills.
//!
//! In: arguments of the exchange, lines of the configuration. Out: an exchange, a hot path and a
//! control that live as long as the test wants, a fault proxy between them if it wants one, the
//! operator's command line, signed requests as somebody else would send them. Never: a process that
//! outlives its test.

mod api;
mod exchange;
mod shared_memory;

pub use shared_memory::{Counters, Window};

use crate::fault_proxy::FaultProxy;
use crate::{TURN, binary, target, wait_for};
use ports::free_port;
use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;
use std::ffi::OsString;
use std::io::{BufRead, BufReader, Read, Write};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::{MutexGuard, PoisonError};
use std::time::Duration;

const KEY: &str = "rig-key";
const SECRET: &str = "rig-secret";

/// The account of every rig.
pub const ACCOUNT: &str = "rig";

/// How long the socket's answer is waited for.
const ANSWER_PATIENCE: Duration = Duration::from_secs(5);

/// What a rig is made of.
#[derive(Clone, Debug)]
pub struct Plan<'a> {
    /// Where its state lies.
    pub state_dir: PathBuf,
    /// Arguments of the exchange that choose its market.
    pub market: Vec<&'a str>,
    /// Symbols of USD-M that are traded.
    pub traded: Vec<&'a str>,
    /// Lines of the configuration beside those that say where everything is.
    pub lines: String,
    /// With a fault proxy between the hot path and the exchange.
    pub proxied: bool,
}

/// Which process.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Process {
    /// `fulcrum-hotpath`.
    HotPath,
    /// `fulcrum-control`.
    Control,
}

/// Three processes and where they live.
pub struct Rig {
    _turn: Option<MutexGuard<'static, ()>>,
    /// Where state lies.
    pub state_dir: PathBuf,
    /// What our processes find in their environment, beside ours.
    pub environment: Vec<(&'static str, OsString)>,
    /// What all bytes of the hot path pass through, where the plan wanted one.
    pub proxy: Option<FaultProxy>,
    exchange: Child,
    hot_path: Option<Child>,
    control: Option<Child>,
    http: String,
    spot: String,
    sim: String,
    metrics_port: u16,
    api_port: u16,
}

/// What the command line said.
#[derive(Debug)]
pub struct Said {
    /// Exit code.
    pub code: Option<i32>,
    /// The reply, from `--json`.
    pub reply: Value,
    /// Complaints.
    pub complaint: String,
}

impl Rig {
    /// Starts an exchange with `symbols`, and writes a configuration that trades the first of
    /// them; `lines` are added to it. One at a time: two would measure each other.
    #[must_use]
    pub fn new(name: &str, symbols: &str, lines: &str) -> Self {
        Self::with(name, symbols, lines, false)
    }

    /// The same, with a fault proxy between the hot path and the exchange.
    #[must_use]
    pub fn proxied(name: &str, symbols: &str, lines: &str) -> Self {
        Self::with(name, symbols, lines, true)
    }

    fn with(name: &str, symbols: &str, lines: &str, proxied: bool) -> Self {
        let turn = TURN.lock().unwrap_or_else(PoisonError::into_inner);
        let first = symbols.split(',').next().unwrap_or_default();
        let mut rig = Self::set_up(&Plan {
            state_dir: target().join("fulcrum/tests").join(name),
            market: vec!["--generate", "--symbols", symbols, "--seed", "7"],
            traded: vec![first],
            lines: lines.to_string(),
            proxied,
        });
        rig._turn = Some(turn);
        rig
    }

    /// Starts an exchange and writes the configuration; nothing else runs yet.
    #[must_use]
    pub fn set_up(plan: &Plan<'_>) -> Self {
        let state_dir = plan.state_dir.clone();
        let _ = std::fs::remove_dir_all(&state_dir);
        std::fs::create_dir_all(&state_dir).expect("a folder under target");
        let secrets = [("api-key", KEY), ("api-secret", SECRET)];
        for (file, text) in secrets {
            use std::os::unix::fs::PermissionsExt;
            let path = state_dir.join(file);
            std::fs::write(&path, text).expect("a file under target");
            let mode = std::fs::Permissions::from_mode(0o600);
            std::fs::set_permissions(&path, mode).expect("our own file");
        }
        let mut exchange = Command::new(binary("simulated-exchange"))
            .args(&plan.market)
            .args(["--listen", "127.0.0.1:0"])
            .args(["--api-key", KEY, "--api-secret-file"])
            .arg(state_dir.join("api-secret"))
            .stdout(Stdio::piped())
            .stderr(log(&state_dir, "exchange.log"))
            .spawn()
            .expect("the exchange starts");
        let mut ready = String::new();
        let stdout = exchange.stdout.take().expect("stdout is piped");
        let mut reader = BufReader::new(stdout);
        reader.read_line(&mut ready).expect("a ready line");
        // The pipe stays open for the exchange's whole life.
        std::thread::spawn(move || std::io::copy(&mut reader, &mut std::io::sink()));
        let field = |name: &str| {
            let mut words = ready.split_whitespace();
            let found = words.find_map(|one| one.strip_prefix(name));
            found
                .unwrap_or_else(|| panic!("{name} in {ready:?}"))
                .to_string()
        };
        let http = field("http=");
        let at = http.trim_start_matches("http://").parse();
        let proxy = plan
            .proxied
            .then(|| FaultProxy::start(at.expect("an address")));
        let rig = Self {
            _turn: None,
            environment: Vec::new(),
            exchange,
            proxy,
            hot_path: None,
            control: None,
            spot: field("spot_http="),
            sim: field("sim="),
            http,
            metrics_port: free_port(),
            api_port: free_port(),
            state_dir,
        };
        rig.write_configuration(&plan.traded, &plan.lines);
        rig
    }

    fn write_configuration(&self, traded: &[&str], lines: &str) {
        use std::fmt::Write as _;
        let direct = self.http.trim_start_matches("http://").to_string();
        let proxied = self.proxy.as_ref().map(|proxy| proxy.address().to_string());
        let exchange = proxied.unwrap_or(direct);
        let state = self.state_dir.display();
        let ports = [self.metrics_port, self.api_port];
        let mut text = format!(
            "mode = \"paper\"\naccount = \"{ACCOUNT}\"\n\n[venue]\n\
             usdm_rest_url = \"http://{exchange}\"\nusdm_stream_url = \"ws://{exchange}\"\n\
             usdm_ws_api_url = \"ws://{exchange}/ws-fapi/v1\"\n\
             api_key_file = \"{state}/api-key\"\napi_secret_file = \"{state}/api-secret\"\n\n\
             [control]\nmetrics_listen = \"127.0.0.1:{}\"\napi_listen = \"127.0.0.1:{}\"\n\n",
            ports[0], ports[1]
        );
        for symbol in traded {
            let _ = writeln!(
                text,
                "[[instrument]]\nmarket = \"usdm\"\nsymbol = \"{symbol}\"\n"
            );
        }
        text.push_str(lines);
        text.push('\n');
        std::fs::write(self.configuration(), text).expect("a file under target");
    }

    /// The configuration's file.
    #[must_use]
    pub fn configuration(&self) -> PathBuf {
        self.state_dir.join("fulcrum.toml")
    }

    /// The ledger's file.
    #[must_use]
    pub fn ledger(&self) -> PathBuf {
        self.state_dir.join("ledger.sqlite")
    }

    /// The account's latch file.
    #[must_use]
    pub fn latch_file(&self) -> PathBuf {
        self.state_dir
            .join("accounts")
            .join(ACCOUNT)
            .join("kill-latch.json")
    }

    /// Shared memory and socket.
    #[must_use]
    pub fn run_dir(&self) -> PathBuf {
        self.state_dir.join("run").join(ACCOUNT)
    }

    /// One of our binaries with this rig's configuration and state.
    #[must_use]
    pub fn process(&self, name: &str) -> Command {
        let mut command = Command::new(binary(name));
        command.arg("--config").arg(self.configuration());
        command.arg("--state-dir").arg(&self.state_dir);
        command
    }

    /// Starts a process, in place of the one before.
    pub fn launch(&mut self, which: Process) {
        let (name, log_name) = match which {
            Process::HotPath => ("fulcrum-hotpath", "hotpath.log"),
            Process::Control => ("fulcrum-control", "control.log"),
        };
        let mut command = self.process(name);
        let ceilings = self.state_dir.join("ceilings.toml");
        if which == Process::HotPath && ceilings.exists() {
            command.arg("--ceilings").arg(ceilings);
        }
        let command = command
            .envs(self.environment.iter().map(|(name, value)| (name, value)))
            .stdout(Stdio::null())
            .stderr(log(&self.state_dir, log_name));
        let child = command
            .spawn()
            .unwrap_or_else(|error| panic!("{name}: {error}"));
        *self.slot(which) = Some(child);
    }

    /// Starts the hot path, and waits until it agrees with the exchange.
    pub fn start_hot_path(&mut self) {
        self.launch(Process::HotPath);
        // A pinned thread on a shared core may have to wait for others.
        wait_for("the hot path answers", Duration::from_secs(120), || {
            self.status()["reconciled"] == true
        });
    }

    /// Waits for the hot path to end by itself: its exit code.
    pub fn hot_path_ends(&mut self) -> Option<i32> {
        let mut child = self.hot_path.take().expect("it was started");
        let mut code = None;
        wait_for("the hot path ends", Duration::from_secs(60), || {
            code = child.try_wait().expect("it is our child");
            code.is_some()
        });
        code.and_then(|status| status.code())
    }

    /// What a process has logged so far.
    #[must_use]
    pub fn log(&self, name: &str) -> String {
        std::fs::read_to_string(self.state_dir.join(name)).unwrap_or_default()
    }

    /// Replaces a part of the configuration.
    pub fn reconfigure(&self, from: &str, to: &str) {
        let text = std::fs::read_to_string(self.configuration()).expect("we wrote it");
        assert!(text.contains(from), "{from} is not in {text}");
        let text = text.replace(from, to);
        std::fs::write(self.configuration(), text).expect("a file under target");
    }

    /// Starts control.
    pub fn start_control(&mut self) {
        self.launch(Process::Control);
    }

    fn slot(&mut self, which: Process) -> &mut Option<Child> {
        match which {
            Process::HotPath => &mut self.hot_path,
            Process::Control => &mut self.control,
        }
    }

    /// Its process id.
    #[must_use]
    pub fn pid(&self, which: Process) -> Pid {
        let child = match which {
            Process::HotPath => &self.hot_path,
            Process::Control => &self.control,
        };
        pid_of(child.as_ref().unwrap_or_else(|| panic!("{which:?} runs")))
    }

    /// Ends a process as `kill -9` does.
    pub fn kill(&mut self, which: Process) {
        if let Some(child) = self.slot(which) {
            signal(child, Signal::KILL);
        }
        self.reap(which);
    }

    /// Asks a process to end, and waits for it: its exit code; nothing when it does not run.
    pub fn terminate(&mut self, which: Process) -> Option<i32> {
        signal(self.slot(which).as_ref()?, Signal::TERM);
        self.reap(which)?.code()
    }

    /// Waits for the end of a process that somebody has killed.
    pub fn reap(&mut self, which: Process) -> Option<ExitStatus> {
        let mut child = self.slot(which).take()?;
        Some(child.wait().expect("it is our child"))
    }

    /// How it ended, if it did.
    pub fn ended(&mut self, which: Process) -> Option<ExitStatus> {
        let child = self.slot(which).as_mut()?;
        child.try_wait().expect("it is our child")
    }

    /// Ends the hot path and control as `kill -9` does.
    pub fn kill_both(&mut self) {
        self.kill(Process::HotPath);
        self.kill(Process::Control);
    }

    /// Ends control as `kill -9` does.
    pub fn kill_control(&mut self) {
        self.kill(Process::Control);
    }

    /// The signal that asks to read the configuration again.
    pub fn hang_up(&self, which: Process) {
        kill_process(self.pid(which), Signal::HUP).expect("it runs");
    }

    /// It does nothing any more, and is not dead either.
    pub fn freeze(&self, which: Process) {
        kill_process(self.pid(which), Signal::STOP).expect("it runs");
    }

    /// It goes on.
    pub fn thaw(&self, which: Process) {
        kill_process(self.pid(which), Signal::CONT).expect("it is there");
    }

    /// The hot path does nothing any more, and is not dead either.
    pub fn freeze_hot_path(&self) {
        self.freeze(Process::HotPath);
    }

    /// Runs `fulcrum --json` with these arguments.
    #[must_use]
    pub fn fulcrum(&self, arguments: &[&str]) -> Said {
        let output = self
            .process("fulcrum")
            .arg("--json")
            .args(arguments)
            .output();
        said(&output.expect("it runs"))
    }

    /// Runs `fulcrum-flatten` with these arguments.
    #[must_use]
    pub fn flatten(&self, arguments: &[&str]) -> Said {
        let output = self.process("fulcrum-flatten").args(arguments).output();
        said(&output.expect("it runs"))
    }

    /// The answer to `status`; null while nobody answers.
    #[must_use]
    pub fn status(&self) -> Value {
        self.fulcrum(&["status"]).reply
    }

    /// One line over the operator's socket, without the command line's start between; null while
    /// nobody answers.
    #[must_use]
    pub fn ask(&self, line: &str) -> Value {
        ask(&self.run_dir().join("operator.sock"), line).unwrap_or_default()
    }

    /// Waits until the trading state is `state`.
    pub fn wait_for_state(&self, state: &str) {
        wait_for(state, Duration::from_secs(60), || {
            self.status()["state"] == state
        });
    }

    /// Control's figures as JSON; null while it does not answer.
    #[must_use]
    pub fn stats(&self) -> Value {
        let url = format!("http://127.0.0.1:{}/api/v1/engine/stats", self.api_port);
        let answer = ureq::get(url).call();
        let read = answer
            .ok()
            .and_then(|mut one| one.body_mut().read_json().ok());
        read.unwrap_or_default()
    }

    /// A figure of control's `/metrics`, by its name with all labels; none while it is not there.
    #[must_use]
    pub fn figure(&self, name: &str) -> Option<f64> {
        let url = format!("http://127.0.0.1:{}/metrics", self.metrics_port);
        let text = ureq::get(url)
            .call()
            .ok()?
            .body_mut()
            .read_to_string()
            .ok()?;
        let line = text.lines().find_map(|line| line.strip_prefix(name))?;
        line.split_whitespace().next()?.parse().ok()
    }
}

impl Drop for Rig {
    fn drop(&mut self) {
        self.kill_both();
        signal(&self.exchange, Signal::KILL);
        let _ = self.exchange.wait();
    }
}

fn ask(socket: &Path, line: &str) -> std::io::Result<Value> {
    let mut stream = UnixStream::connect(socket)?;
    stream.set_read_timeout(Some(ANSWER_PATIENCE))?;
    writeln!(stream, "{line}")?;
    let mut answer = Vec::new();
    BufReader::new(stream.take(1 << 20)).read_until(b'\n', &mut answer)?;
    Ok(serde_json::from_slice(&answer).unwrap_or_default())
}

fn said(output: &std::process::Output) -> Said {
    Said {
        code: output.status.code(),
        reply: serde_json::from_slice(&output.stdout).unwrap_or_default(),
        complaint: String::from_utf8_lossy(&output.stderr).into_owned(),
    }
}

fn pid_of(child: &Child) -> Pid {
    let pid = i32::try_from(child.id()).ok().and_then(Pid::from_raw);
    pid.expect("a pid")
}

fn signal(child: &Child, which: Signal) {
    let _ = kill_process(pid_of(child), which);
}

fn log(state_dir: &Path, name: &str) -> std::fs::File {
    let path = state_dir.join(name);
    let mut options = std::fs::OpenOptions::new();
    options
        .create(true)
        .append(true)
        .open(path)
        .expect("a file under target")
}
