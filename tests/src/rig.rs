//! The processes by themselves, where the demo would restart what a test kills.
//!
//! In: arguments of the exchange, lines of the configuration. Out: an exchange, a hot path and a
//! control that live as long as the test wants, the operator's command line, signed requests as
//! somebody else would send them. Never: a process that outlives its test.

use crate::{TURN, binary, target, wait_for};
use binance::sign::Signer;
use rustix::process::{Pid, Signal, kill_process};
use serde_json::{Value, json};
use std::io::{BufRead, BufReader};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{MutexGuard, PoisonError};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

const KEY: &str = "rig-key";
const SECRET: &str = "rig-secret";

/// The account of every rig.
pub const ACCOUNT: &str = "rig";

/// Three processes and where they live.
pub struct Rig {
    _turn: MutexGuard<'static, ()>,
    /// Where state lies.
    pub state_dir: PathBuf,
    exchange: Child,
    hot_path: Option<Child>,
    control: Option<Child>,
    http: String,
    sim: String,
    metrics_port: u16,
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
    /// them; `lines` are added to it.
    #[must_use]
    pub fn new(name: &str, symbols: &str, lines: &str) -> Self {
        let turn = TURN.lock().unwrap_or_else(PoisonError::into_inner);
        let state_dir = target().join("fulcrum/tests").join(name);
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
            .args(["--generate", "--symbols", symbols, "--seed", "7"])
            .args([
                "--listen",
                "127.0.0.1:0",
                "--api-key",
                KEY,
                "--api-secret-file",
            ])
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
            let found = ready
                .split_whitespace()
                .find_map(|one| one.strip_prefix(name));
            found
                .unwrap_or_else(|| panic!("{name} in {ready:?}"))
                .to_string()
        };
        let rig = Self {
            _turn: turn,
            exchange,
            hot_path: None,
            control: None,
            http: field("http="),
            sim: field("sim="),
            metrics_port: free_port(),
            state_dir,
        };
        rig.write_configuration(symbols, lines, &field("ws="));
        rig
    }

    fn write_configuration(&self, symbols: &str, lines: &str, ws: &str) {
        let first = symbols.split(',').next().unwrap_or_default();
        let (http, state) = (&self.http, self.state_dir.display());
        let ports = [self.metrics_port, free_port()];
        let text = format!(
            "mode = \"paper\"\naccount = \"{ACCOUNT}\"\n\n[venue]\nusdm_rest_url = \"{http}\"\n\
             usdm_stream_url = \"{ws}\"\nusdm_ws_api_url = \"{ws}/ws-fapi/v1\"\n\
             api_key_file = \"{state}/api-key\"\napi_secret_file = \"{state}/api-secret\"\n\n\
             [control]\nmetrics_listen = \"127.0.0.1:{}\"\napi_listen = \"127.0.0.1:{}\"\n\n\
             [[instrument]]\nmarket = \"usdm\"\nsymbol = \"{first}\"\n\n{lines}\n",
            ports[0], ports[1]
        );
        std::fs::write(self.configuration(), text).expect("a file under target");
    }

    /// The configuration's file.
    #[must_use]
    pub fn configuration(&self) -> PathBuf {
        self.state_dir.join("fulcrum.toml")
    }

    /// The account's latch file.
    #[must_use]
    pub fn latch_file(&self) -> PathBuf {
        self.state_dir
            .join("accounts")
            .join(ACCOUNT)
            .join("kill-latch.json")
    }

    fn process(&self, name: &str) -> Command {
        let mut command = Command::new(binary(name));
        command.arg("--config").arg(self.configuration());
        command.arg("--state-dir").arg(&self.state_dir);
        command
    }

    /// Starts the hot path, and waits until it answers.
    pub fn start_hot_path(&mut self) {
        let mut command = self.process("fulcrum-hotpath");
        let command = command
            .stdout(Stdio::null())
            .stderr(log(&self.state_dir, "hotpath.log"));
        self.hot_path = Some(command.spawn().expect("the hot path starts"));
        // A pinned thread on a shared core may have to wait for others.
        wait_for("the hot path answers", Duration::from_secs(120), || {
            self.status()["reconciled"] == true
        });
    }

    /// Starts control.
    pub fn start_control(&mut self) {
        let mut command = self.process("fulcrum-control");
        let command = command
            .stdout(Stdio::null())
            .stderr(log(&self.state_dir, "control.log"));
        self.control = Some(command.spawn().expect("control starts"));
    }

    /// Ends the hot path and control as `kill -9` does.
    pub fn kill_both(&mut self) {
        for child in [&mut self.hot_path, &mut self.control] {
            if let Some(mut child) = child.take() {
                signal(&child, Signal::KILL);
                child.wait().expect("it is our child");
            }
        }
    }

    /// Ends control as `kill -9` does.
    pub fn kill_control(&mut self) {
        if let Some(mut child) = self.control.take() {
            signal(&child, Signal::KILL);
            child.wait().expect("it is our child");
        }
    }

    /// The hot path does nothing any more, and is not dead either.
    pub fn freeze_hot_path(&self) {
        signal(self.hot_path.as_ref().expect("it runs"), Signal::STOP);
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

    /// Waits until the trading state is `state`.
    pub fn wait_for_state(&self, state: &str) {
        wait_for(state, Duration::from_secs(60), || {
            self.status()["state"] == state
        });
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

    /// The account as the exchange truly has it.
    #[must_use]
    pub fn account(&self) -> Value {
        let mut answer = ureq::get(format!("{}/sim/v1/account", self.sim))
            .call()
            .expect("the exchange lives");
        answer.body_mut().read_json().expect("JSON")
    }

    /// Switches a fault of the exchange on.
    pub fn inject(&self, fault: &str) {
        ureq::post(format!("{}/sim/v1/fault", self.sim))
            .send_json(json!({"fault": fault}))
            .expect("the exchange lives");
    }

    /// A signed request, as another program with the same key would send it.
    ///
    /// # Panics
    /// When the exchange refuses it.
    pub fn request(&self, method: &str, path: &str, query: &str) -> Value {
        let now = SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .expect("after 1970");
        let text = format!("{query}&timestamp={}", now.as_millis());
        let signature = Signer::hmac(SECRET.as_bytes()).sign(text.as_bytes());
        let signature = String::from_utf8_lossy(&signature);
        let url = format!("{}{path}?{text}&signature={signature}", self.http);
        let answer = match method {
            "POST" => ureq::post(url).header("X-MBX-APIKEY", KEY).send_empty(),
            "GET" => ureq::get(url).header("X-MBX-APIKEY", KEY).call(),
            other => panic!("{other} is not needed"),
        };
        let mut answer = answer.unwrap_or_else(|error| panic!("{method} {path} {query}: {error}"));
        answer.body_mut().read_json().expect("JSON")
    }

    /// A buy of `symbol` far below the market, of somebody else.
    pub fn place_resting(&self, symbol: &str, price: &str, quantity: &str, id: &str) {
        let query = format!(
            "symbol={symbol}&side=BUY&type=LIMIT&timeInForce=GTC&quantity={quantity}\
             &price={price}&newClientOrderId={id}"
        );
        self.request("POST", "/fapi/v1/order", &query);
    }

    /// Buys at the market, as somebody else.
    pub fn buy(&self, symbol: &str, quantity: &str, id: &str) {
        let query = format!(
            "symbol={symbol}&side=BUY&type=MARKET&quantity={quantity}&newClientOrderId={id}"
        );
        self.request("POST", "/fapi/v1/order", &query);
    }

    /// A stop that closes the position, far below the market.
    pub fn place_stop(&self, symbol: &str, trigger: &str, id: &str) {
        let query = format!(
            "algoType=CONDITIONAL&symbol={symbol}&side=SELL&type=STOP_MARKET&closePosition=true\
             &triggerPrice={trigger}&clientAlgoId={id}"
        );
        self.request("POST", "/fapi/v1/algoOrder", &query);
    }
}

impl Drop for Rig {
    fn drop(&mut self) {
        self.kill_both();
        signal(&self.exchange, Signal::KILL);
        let _ = self.exchange.wait();
    }
}

fn said(output: &std::process::Output) -> Said {
    Said {
        code: output.status.code(),
        reply: serde_json::from_slice(&output.stdout).unwrap_or_default(),
        complaint: String::from_utf8_lossy(&output.stderr).into_owned(),
    }
}

fn signal(child: &Child, which: Signal) {
    let pid = i32::try_from(child.id()).ok().and_then(Pid::from_raw);
    let _ = kill_process(pid.expect("a pid"), which);
}

fn log(state_dir: &std::path::Path, name: &str) -> std::fs::File {
    let path = state_dir.join(name);
    let mut options = std::fs::OpenOptions::new();
    options
        .create(true)
        .append(true)
        .open(path)
        .expect("a file under target")
}

/// A free port below those that the kernel gives to outgoing connections (32,768 and up): whoever
/// connects meanwhile cannot take it from the process that is told it.
fn free_port() -> u16 {
    static CALLS: AtomicU32 = AtomicU32::new(0);
    // Relaxed: only that two calls differ counts.
    let first = std::process::id().wrapping_mul(97) + CALLS.fetch_add(1, Ordering::Relaxed) * 13;
    let mut ports = (0..12_000).map(|step| 20_000 + (first.wrapping_add(step) % 12_000) as u16);
    ports
        .find(|port| std::net::TcpListener::bind(("127.0.0.1", *port)).is_ok())
        .expect("a free port")
}
