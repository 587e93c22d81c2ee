//! The exchange under load: started on the first core, watched from outside.
//!
//! In: its binary. Out: its addresses, memory, processor time and own counts. Never: an exchange
//! that outlives the run.

use serde_json::Value;
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use tests::load::watched;

/// Symbols of its market.
pub(crate) const SYMBOLS: [&str; 4] = ["BTCUSDT", "ETHUSDT", "SOLUSDT", "XRPUSDT"];

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

    pub(crate) fn memory_kib(&self) -> u64 {
        watched::memory_kib(self.process.id())
    }

    /// Processor time used so far.
    pub(crate) fn cpu_s(&self) -> f64 {
        watched::cpu_s(self.process.id())
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
