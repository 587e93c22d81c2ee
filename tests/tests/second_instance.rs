//! Two hot paths on one account, each with a state directory of its own.
//!
//! In: a hot path that trades, another one that begins. Out: one of both steps back and says what to
//! do. Never: a lock that both could see.

use serde_json::Value;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, SystemTime};
use tests::rig::Rig;
use tests::wait_for;

/// Orders come and go; what is found at the start is taken for an earlier life's.
const LINES: &str = "[hot_path]\nhot_io = \"inline\"\nengine_wait = \"yield\"\n\
     first_start = \"adopt\"\n[[strategy]]\nkind = \"dummy\"\ninterval_ms = 1000\nrest_ms = 900\n";

/// The other hot path.
struct Other(Child);

impl Drop for Other {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Epochs of starts are apart by so much.
fn unit() -> u64 {
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
    now.expect("a clock").as_secs() / 10
}

#[test]
fn the_older_of_two_hot_paths_on_one_account_steps_back_and_the_newer_goes_on() {
    let mut rig = Rig::new("second-instance", "BTCUSDT", LINES);
    let began = unit();
    rig.start_hot_path();
    wait_for("own orders", Duration::from_secs(30), || {
        rig.status()["orders_open"] == 1
    });
    wait_for("a later epoch", Duration::from_secs(15), || unit() > began);
    let elsewhere = rig.state_dir.join("elsewhere");
    let told = |name: &str| {
        let mut command = Command::new(rig.process(name).get_program());
        command.arg("--config").arg(rig.configuration());
        command.arg("--state-dir").arg(&elsewhere);
        command
    };
    std::fs::create_dir_all(&elsewhere).expect("a folder under target");
    let log = std::fs::File::create(elsewhere.join("hotpath.log")).expect("a log");
    let other = told("fulcrum-hotpath")
        .stdout(Stdio::null())
        .stderr(log)
        .spawn();
    let _other = Other(other.expect("it starts"));
    wait_for("the older one steps back", Duration::from_secs(60), || {
        let status = rig.status();
        status["state"] == "HALTED" && status["reason"] == "SECOND_INSTANCE"
    });
    wait_for("nothing of it rests", Duration::from_secs(10), || {
        rig.status()["orders_open"] == 0
    });
    let status = rig.status();
    let advice = status["advice"].as_str().expect("a text");
    assert!(advice.contains("--state-dir"), "{advice}");
    let log = rig.log("hotpath.log");
    assert!(
        log.contains("TRADING_STATE HALTED (SECOND_INSTANCE)"),
        "{log}"
    );
    let output = told("fulcrum")
        .args(["--json", "status"])
        .output()
        .expect("it runs");
    let status: Value = serde_json::from_slice(&output.stdout).expect("an answer");
    assert_eq!(status["state"], "ACTIVE", "{status:#}");
}
