//! Processes that a test starts, and waiting for conditions with a deadline.

use ports::free_port;
use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;
use std::fmt::Write as _;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

const PATIENCE: Duration = Duration::from_secs(30);

/// Waits until `condition` holds.
pub(crate) fn wait_for(what: &str, condition: impl Fn() -> bool) {
    let deadline = Instant::now() + PATIENCE;
    while !condition() {
        assert!(Instant::now() < deadline, "waited in vain for {what}");
        std::thread::sleep(Duration::from_millis(5));
    }
}

pub(crate) fn now_ns() -> u64 {
    control::drain::monotonic_ns()
}

/// A state directory of its own, removed at the end.
pub(crate) struct StateDir {
    path: PathBuf,
    ports: [u16; 2],
}

impl StateDir {
    pub(crate) fn new(name: &str) -> Self {
        let name = format!("fulcrum-control-{name}-{}", std::process::id());
        let path = std::env::temp_dir().join(name);
        std::fs::create_dir_all(&path).unwrap();
        Self {
            path,
            ports: [free_port(), free_port()],
        }
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    pub(crate) fn segment(&self, generation: u64) -> PathBuf {
        ipc::segment_path(&self.path.join("run/default"), generation)
    }

    pub(crate) fn write(&self, name: &str, text: &str) -> PathBuf {
        let path = self.path.join(name);
        std::fs::write(&path, text).unwrap();
        path
    }

    pub(crate) fn configuration(&self, account: &str) -> String {
        let [metrics, api] = self.ports;
        format!(
            "account = \"{account}\"\n\
             [[instrument]]\nmarket = \"usdm\"\nsymbol = \"BTCUSDT\"\n\
             [[strategy]]\nkind = \"imbalance\"\nsymbols = [\"BTCUSDT\"]\n\
             [control]\nmetrics_listen = \"127.0.0.1:{metrics}\"\n\
             api_listen = \"127.0.0.1:{api}\"\n"
        )
    }
}

impl Drop for StateDir {
    fn drop(&mut self) {
        std::fs::remove_dir_all(&self.path).ok();
    }
}

/// An HTTP answer.
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) head: String,
    pub(crate) body: String,
}

/// One request over a connection of its own; none while nobody listens.
fn get(port: u16, path: &str, accept: &str) -> Option<Answer> {
    let mut stream = TcpStream::connect(("127.0.0.1", port)).ok()?;
    stream.set_read_timeout(Some(PATIENCE)).ok()?;
    let mut request = format!("GET {path} HTTP/1.0\r\nHost: 127.0.0.1\r\n");
    if !accept.is_empty() {
        let _ = write!(request, "Accept: {accept}\r\n");
    }
    stream.write_all(format!("{request}\r\n").as_bytes()).ok()?;
    let mut text = String::new();
    stream.read_to_string(&mut text).ok()?;
    let (head, body) = text.split_once("\r\n\r\n")?;
    let status = head.split(' ').nth(1)?.parse().ok()?;
    Some(Answer {
        status,
        head: head.to_string(),
        body: body.to_string(),
    })
}

/// A running `fulcrum-control`.
pub(crate) struct Control {
    child: Child,
    ports: [u16; 2],
}

impl Control {
    pub(crate) fn start(state: &StateDir) -> Self {
        Self::start_with(state, &[])
    }

    pub(crate) fn start_with(state: &StateDir, arguments: &[&str]) -> Self {
        Self::start_configured(state, "default", arguments)
    }

    /// With a configuration of `account`.
    pub(crate) fn start_configured(state: &StateDir, account: &str, arguments: &[&str]) -> Self {
        let config = state.write("fulcrum.toml", &state.configuration(account));
        let child = Command::new(env!("CARGO_BIN_EXE_fulcrum-control"))
            .arg("--config")
            .arg(config)
            .arg("--state-dir")
            .arg(state.path())
            .args(arguments)
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let control = Self {
            child,
            ports: state.ports,
        };
        wait_for("control's API", || {
            get(control.ports[1], "/health/live", "").is_some()
        });
        control
    }

    pub(crate) fn get(&self, path: &str, accept: &str) -> Answer {
        get(self.ports[1], path, accept).expect("control answers")
    }

    pub(crate) fn get_metrics(&self, accept: &str) -> Answer {
        get(self.ports[0], "/metrics", accept).expect("control answers")
    }

    pub(crate) fn api_port(&self) -> u16 {
        self.ports[1]
    }

    pub(crate) fn metrics_address(&self) -> String {
        format!("127.0.0.1:{}", self.ports[0])
    }

    pub(crate) fn stats(&self) -> Value {
        serde_json::from_str(&self.get("/api/v1/engine/stats", "").body).unwrap()
    }

    pub(crate) fn number(&self, key: &str) -> u64 {
        self.stats()[key].as_u64().unwrap()
    }

    pub(crate) fn kill(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    pub(crate) fn terminate(mut self) -> Option<i32> {
        ask_to_end(&self.child);
        self.child.wait().unwrap().code()
    }

    pub(crate) fn terminate_and_read(mut self) -> String {
        ask_to_end(&self.child);
        let mut text = String::new();
        let mut stdout = self.child.stdout.take().unwrap();
        stdout.read_to_string(&mut text).unwrap();
        assert_eq!(self.child.wait().unwrap().code(), Some(0));
        text
    }
}

impl Drop for Control {
    fn drop(&mut self) {
        self.child.kill().ok();
        self.child.wait().ok();
    }
}

fn ask_to_end(child: &Child) {
    let pid = Pid::from_raw(child.id().cast_signed()).unwrap();
    kill_process(pid, Signal::TERM).unwrap();
}

/// Debian's Prometheus with one target.
pub(crate) struct Prometheus {
    child: Child,
    port: u16,
}

impl Prometheus {
    /// None where it is not installed.
    pub(crate) fn start(state: &StateDir, target: String) -> Option<Self> {
        let port = free_port();
        let config = state.write(
            "prometheus.yml",
            &format!(
                "global:\n  scrape_interval: 1s\nscrape_configs:\n  - job_name: fulcrum\n    \
                 static_configs:\n      - targets: [\"{target}\"]\n"
            ),
        );
        let child = Command::new("prometheus")
            .arg(format!("--config.file={}", config.display()))
            .arg(format!(
                "--storage.tsdb.path={}",
                state.path().join("tsdb").display()
            ))
            .arg(format!("--web.listen-address=127.0.0.1:{port}"))
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .ok()?;
        Some(Self { child, port })
    }

    /// Value of a query's first sample.
    pub(crate) fn value(&self, query: &str) -> Option<String> {
        let escaped: String = query
            .bytes()
            .map(|byte| match byte {
                b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'_' => char::from(byte).to_string(),
                _ => format!("%{byte:02X}"),
            })
            .collect();
        let answer = get(self.port, &format!("/api/v1/query?query={escaped}"), "")?;
        let answer: Value = serde_json::from_str(&answer.body).ok()?;
        let value = &answer["data"]["result"][0]["value"][1];
        value.as_str().map(str::to_string)
    }
}

impl Drop for Prometheus {
    fn drop(&mut self) {
        self.child.kill().ok();
        self.child.wait().ok();
    }
}
