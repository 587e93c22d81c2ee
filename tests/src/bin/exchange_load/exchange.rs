//! The exchange under load: started on the first core, watched from outside.
//!
//! In: its binary. Out: its addresses, memory, processor time and own counts. Never: an exchange
//! that outlives the run.

use serde_json::Value;
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};

/// Symbols of its market.
pub(crate) const SYMBOLS: [&str; 4] = ["BTCUSDT", "ETHUSDT", "SOLUSDT", "XRPUSDT"];

/// Ticks of the kernel's clock in a second, as /proc counts them.
const TICKS_PER_SECOND: f64 = 100.0;

pub(crate) struct Exchange {
    process: Child,
    ready: String,
}

impl Exchange {
    pub(crate) fn start(binary: &Path, speed: u32) -> Self {
        let mut process = Command::new("taskset")
            .args(["--cpu-list", "0"])
            .arg(binary)
            .args(["--generate", "--symbols", &SYMBOLS.join(",")])
            .args(["--speed", &speed.to_string(), "--no-limits"])
            .args(["--listen", "127.0.0.1:0"])
            .env("FULCRUM_LOG", "error")
            .stdout(Stdio::piped())
            .spawn()
            .expect("taskset starts the exchange");
        let mut ready = String::new();
        let stdout = process.stdout.take().expect("stdout is piped");
        BufReader::new(stdout)
            .read_line(&mut ready)
            .expect("a ready line");
        Self { process, ready }
    }

    /// A field of the ready line.
    pub(crate) fn field(&self, name: &str) -> &str {
        let mut words = self.ready.split_whitespace();
        let found = words.find_map(|word| word.strip_prefix(name)?.strip_prefix('='));
        found.unwrap_or_else(|| panic!("{name} in {:?}", self.ready))
    }

    fn proc(&self, file: &str) -> String {
        let path = format!("/proc/{}/{file}", self.process.id());
        std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{path}: {error}"))
    }

    pub(crate) fn memory_kib(&self) -> u64 {
        let status = self.proc("status");
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
        let number = line.and_then(|line| line.split_whitespace().next()?.parse().ok());
        number.expect("VmRSS in /proc")
    }

    /// Processor time used so far.
    pub(crate) fn cpu_s(&self) -> f64 {
        let stat = self.proc("stat");
        // The name may hold spaces; the fields are counted from behind it.
        let fields = stat.rsplit(") ").next().expect("a line of /proc");
        let fields: Vec<&str> = fields.split_whitespace().collect();
        let ticks: f64 = [11, 12]
            .map(|at: usize| fields[at].parse::<f64>().expect("ticks"))
            .iter()
            .sum();
        ticks / TICKS_PER_SECOND
    }

    /// Subscribers that it dropped because they did not read.
    pub(crate) fn slow_dropped(&self) -> u64 {
        let url = format!("{}/sim/v1/stats", self.field("sim"));
        let mut answer = ureq::get(&url).call().expect("the exchange answers");
        let text = answer.body_mut().read_to_string().expect("a text");
        let stats: Value = serde_json::from_str(&text).expect("JSON");
        stats["usdm"]["slow_dropped"].as_u64().expect("a count")
    }
}

impl Drop for Exchange {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}
