//! `fulcrum probe` over real sockets with TLS: the bundle reads back, and its book is the exchange's.
//!
//! In: a simulated exchange, the command line. Out: a manifest that is true, a recording without a gap.
//! Never: a bundle that only the probe can read.

use recordings::{Catalog, Options};
use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;
use sha2::{Digest as _, Sha256};
use std::io::{BufRead as _, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;
use tests::oracle::replay::Replay;
use tests::{binary, target, wait_for};

struct Exchange {
    child: Child,
    http: String,
    folder: PathBuf,
}

impl Exchange {
    fn start(name: &str) -> Self {
        let folder = target().join("fulcrum/tests").join(name);
        let _ = std::fs::remove_dir_all(&folder);
        std::fs::create_dir_all(&folder).expect("a folder under target");
        let mut child = Command::new(binary("simulated-exchange"))
            .args(["--generate", "--symbols", "BTCUSDT,ETHUSDT", "--seed", "7"])
            .args(["--listen", "127.0.0.1:0", "--tls", "--ca-out"])
            .arg(folder.join("ca.pem"))
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .expect("the exchange starts");
        let mut ready = String::new();
        let mut reader = BufReader::new(child.stdout.take().expect("piped"));
        reader.read_line(&mut ready).expect("a ready line");
        std::thread::spawn(move || std::io::copy(&mut reader, &mut std::io::sink()));
        let mut words = ready.split_whitespace();
        let http = words.find_map(|one| one.strip_prefix("http="));
        let http = http
            .unwrap_or_else(|| panic!("http= in {ready:?}"))
            .to_string();
        Self {
            child,
            http,
            folder,
        }
    }

    fn probe(&self, out: &Path, rest: &[&str]) -> Command {
        let mut command = Command::new(binary("fulcrum"));
        command
            .arg("probe")
            .arg("--out")
            .arg(out)
            .args(["--symbol", "BTCUSDT", "--symbol", "ETHUSDT"])
            .args(["--venue-url", &self.http])
            .args(["--venue-stream-url", &self.http.replace("https:", "wss:")])
            .arg("--ca-file")
            .arg(self.folder.join("ca.pem"))
            .args(rest)
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        command
    }
}

impl Drop for Exchange {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The manifest, once every file is as it says.
fn manifest(folder: &Path) -> Value {
    let text = std::fs::read_to_string(folder.join("manifest.json")).expect("a manifest");
    let manifest: Value = serde_json::from_str(&text).expect("JSON");
    for file in manifest["files"].as_array().expect("files") {
        let name = file["name"].as_str().expect("a name");
        let bytes = std::fs::read(folder.join(name)).expect("a file of the manifest");
        assert_eq!(file["bytes"], bytes.len(), "{name}");
        let hash: String = Sha256::digest(&bytes)
            .iter()
            .map(|byte| format!("{byte:02x}"))
            .collect();
        assert_eq!(file["sha256"], hash, "{name}");
    }
    manifest
}

#[test]
fn a_bundle_reads_back_and_its_book_is_the_exchanges_own() {
    let exchange = Exchange::start("probe");
    let out = exchange.folder.join("bundle");
    let mut probe = exchange.probe(&out, &["--seconds", "12", "--snapshot-every-s", "5"]);
    let said = probe.output().expect("it runs");
    let complaint = String::from_utf8_lossy(&said.stderr).into_owned();
    assert!(said.status.success(), "{complaint}");
    assert!(complaint.contains(" of 12 s, "), "progress: {complaint}");
    let manifest = manifest(&out);
    assert_eq!(manifest["ended_by"], "time");
    assert_eq!(manifest["breaks"], serde_json::json!([]), "{manifest}");
    let catalog = Catalog::discover(&out, Options::default()).expect("recordings are readable");
    assert_eq!(catalog.sessions.len(), 2);
    for session in &catalog.sessions {
        let facts = &session.facts;
        assert_eq!(facts.gaps, 0, "{facts:?}");
        assert!(
            facts.snapshots >= 2 && facts.depths > 20 && facts.trades > 0,
            "{facts:?}"
        );
        let findings = Replay::of(session).findings;
        assert!(findings.comparisons > 0, "{}", session.symbol);
        assert_eq!(findings.mismatches, 0, "{:?}", findings.told);
    }
    // Refusals are there with their bodies and the headers of limits.
    let files = manifest["files"].as_array().expect("files");
    let answer = |wanted: &str| -> (Value, Value) {
        let names = files.iter().filter_map(|file| file["name"].as_str());
        let name = names
            .filter(|name| name.ends_with(".json"))
            .find(|name| name.contains(wanted))
            .unwrap_or_else(|| panic!("no {wanted} in {files:?}"));
        let read = |name: &str| std::fs::read(out.join(name)).expect("a file");
        let head: Value = serde_json::from_slice(&read(name)).expect("JSON");
        let body = read(head["body"].as_str().expect("a body"));
        (head, serde_json::from_slice(&body).unwrap_or_default())
    };
    let (head, body) = answer("error-unknown-symbol");
    assert_eq!(
        (&head["status"], &body["code"]),
        (&400.into(), &Value::from(-1121))
    );
    assert!(
        head["headers"]["x-mbx-used-weight-1m"].is_string(),
        "{head}"
    );
    assert!(answer("time").1["serverTime"].is_i64());
    // A folder that is there is not written over.
    let again = exchange
        .probe(&out, &["--seconds", "1"])
        .output()
        .expect("it runs");
    assert_eq!(again.status.code(), Some(1));
}

#[test]
fn an_interrupt_and_a_bound_leave_a_whole_bundle_and_no_venue_leaves_none() {
    let exchange = Exchange::start("probe-ends");
    let out = exchange.folder.join("interrupted");
    let child = exchange
        .probe(&out, &["--seconds", "600"])
        .spawn()
        .expect("it runs");
    wait_for("messages in the bundle", Duration::from_secs(60), || {
        let length = std::fs::metadata(out.join("btcusdt.dat")).map_or(0, |facts| facts.len());
        length > 0
    });
    let pid = i32::try_from(child.id())
        .ok()
        .and_then(Pid::from_raw)
        .expect("a pid");
    kill_process(pid, Signal::INT).expect("it runs");
    let said = child.wait_with_output().expect("our child");
    assert!(said.status.success(), "{said:?}");
    assert_eq!(manifest(&out)["ended_by"], "interrupt");
    let out = exchange.folder.join("full");
    let bounds = [
        "--seconds",
        "600",
        "--max-mib",
        "1",
        "--snapshot-every-s",
        "5",
    ];
    let said = exchange.probe(&out, &bounds).output().expect("it runs");
    assert!(said.status.success(), "{said:?}");
    let manifest = manifest(&out);
    assert_eq!(manifest["ended_by"], "bytes");
    let entries = std::fs::read_dir(&out).expect("a folder").flatten();
    let bytes: u64 = entries
        .filter_map(|one| one.metadata().ok())
        .map(|one| one.len())
        .sum();
    assert!(bytes <= 1 << 20, "{bytes}");
    let out = exchange.folder.join("none");
    let mut probe = Command::new(binary("fulcrum"));
    let nobody = format!("127.0.0.1:{}", ports::free_port());
    probe.arg("probe").arg("--out").arg(&out);
    probe.args(["--venue-url", &format!("http://{nobody}")]);
    probe.args(["--venue-stream-url", &format!("ws://{nobody}")]);
    let said = probe.output().expect("it runs");
    assert_eq!(said.status.code(), Some(69), "{said:?}");
    assert!(!out.exists());
}
