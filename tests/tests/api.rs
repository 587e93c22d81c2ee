//! The API in front of a real hot path: every verb, a kill, and a machine that tries everything.
//!
//! In: calls over the network, a simulated exchange. Out: trading states, an account that is flat by
//! the exchange's own word, no finding of schemathesis. Never: a played hot path; `control/tests`
//! has one for what cannot be made to happen here.

use serde_json::Value;
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};
use tests::rig::{Process, Rig};
use tests::wait_for;

const LINES: &str = "[hot_path]\nengine_wait = \"yield\"\n\
    [[strategy]]\nkind = \"dummy\"\ninterval_ms = 2000\nrest_ms = 1900\n";

/// Without a lock-out, and nothing is open to anybody.
fn rig(name: &str) -> Rig {
    let mut rig = Rig::new(name, "BTCUSDT,ETHUSDT", LINES);
    rig.reconfigure(
        "[control]\n",
        "[control]\nlock_out = false\nopen_paper_read = false\n",
    );
    rig.start_control();
    rig.start_hot_path();
    wait_for("control's API", Duration::from_secs(30), || {
        rig.log("control.log").contains("control runs")
    });
    rig
}

struct Desk<'a> {
    rig: &'a Rig,
    key: String,
    calls: std::cell::Cell<u32>,
}

impl<'a> Desk<'a> {
    fn at(rig: &'a Rig) -> Self {
        Self {
            rig,
            key: rig.api_key("desk", &["read", "operate", "kill"]),
            calls: std::cell::Cell::new(0),
        }
    }

    fn call(&self, method: &str, path: &str, body: &str) -> (u16, Value) {
        self.calls.set(self.calls.get() + 1);
        let once = self.calls.get().to_string();
        let bearer = format!("Bearer {}", self.key);
        let headers = [
            ("authorization", bearer.as_str()),
            ("idempotency-key", once.as_str()),
        ];
        self.rig.call(method, path, &headers, body)
    }

    fn verb(&self, verb: &str, body: &str) {
        let (status, said) = self.call("POST", &format!("/api/v1/engine/{verb}"), body);
        assert_eq!(status, 200, "{verb}: {said}");
    }

    fn state(&self) -> String {
        let (status, said) = self.call("GET", "/api/v1/engine/status", "");
        assert_eq!(status, 200, "{said}");
        said["state"].as_str().unwrap_or_default().to_string()
    }

    fn wait_for_state(&self, state: &str) {
        wait_for(state, Duration::from_secs(30), || self.state() == state);
    }
}

fn is_flat(account: &Value) -> bool {
    let list = |name: &str| account[name].as_array().expect(name);
    let held = |one: &&Value| one["quantity_lots"].as_i64().expect("lots") != 0;
    list("open_orders").is_empty()
        && list("algo_orders").is_empty()
        && !list("positions").iter().any(|one| held(&one))
}

#[test]
fn every_verb_does_over_the_network_what_it_does_at_the_socket() {
    let mut rig = rig("api-verbs");
    {
        let desk = Desk::at(&rig);
        desk.wait_for_state("ACTIVE");
        for (verb, body, state) in [
            ("pause", "", "REDUCING"),
            ("resume", "", "ACTIVE"),
            ("rearm", "", "ACTIVE"),
            ("cancel", r#"{"what":"BTCUSDT"}"#, "ACTIVE"),
            ("cancel", r#"{"what":"all"}"#, "ACTIVE"),
            ("stop", r#"{"policy":"cancel"}"#, "HALTED"),
            ("start", "", "ACTIVE"),
            ("flatten", "", "REDUCING"),
        ] {
            desk.verb(verb, body);
            desk.wait_for_state(state);
        }
        let unknown = desk.call("POST", "/api/v1/engine/cancel", r#"{"what":"NONSENSE"}"#);
        assert_eq!(
            (unknown.0, &unknown.1["code"]),
            (404, &Value::from("UNKNOWN_TARGET"))
        );
        // Somebody else's orders and positions, too.
        rig.buy("BTCUSDT", "0.014", "other-1");
        rig.place_resting("ETHUSDT", "2500.00", "0.020", "other-2");
        let begun = Instant::now();
        desk.verb("kill", r#"{"reason":"from the network"}"#);
        wait_for("a flat account", Duration::from_secs(10), || {
            is_flat(&rig.account())
        });
        let took = begun.elapsed();
        assert!(took < Duration::from_secs(5), "{took:?}");
        wait_for("the verified kill", Duration::from_secs(10), || {
            let (_, status) = desk.call("GET", "/api/v1/engine/status", "");
            status["kill"]["verified"] == true
        });
        let (status, said) = desk.call("POST", "/api/v1/engine/start", "");
        assert_eq!((status, &said["code"]), (409, &Value::from("KILL_LATCHED")));
        let (_, orders) = desk.call("GET", "/api/v1/engine/orders/history?limit=5", "");
        assert!(
            orders["rows"]
                .as_array()
                .is_some_and(|rows| !rows.is_empty()),
            "{orders}"
        );
    }
    // With control dead the socket does it all the same.
    rig.kill(Process::Control);
    let said = rig.fulcrum(&["kill", "--no-wait"]);
    assert_eq!(said.code, Some(0), "{said:?}");
}

/// The command line from elsewhere, with a key, as a person far away has it: a kill to a flat account.
#[test]
fn the_command_line_from_elsewhere_pauses_looks_and_kills() {
    let rig = rig("api-away");
    let key = rig.api_key("away", &["read", "operate", "kill"]);
    let file = rig.state_dir.join("away.key");
    std::fs::write(&file, key).expect("a file under target");
    let private = std::os::unix::fs::PermissionsExt::from_mode(0o600);
    std::fs::set_permissions(&file, private).expect("our own file");
    let (url, file) = (rig.api(), file.display().to_string());
    let away = |words: &[&str]| {
        let place = ["--url", url.as_str(), "--key-file", file.as_str()];
        rig.fulcrum(&[&place[..], words].concat())
    };
    let state = |wanted: &str| {
        wait_for(wanted, Duration::from_secs(30), || {
            away(&["status"]).reply["state"] == wanted
        });
    };
    state("ACTIVE");
    assert_eq!(away(&["pause"]).code, Some(0));
    state("REDUCING");
    assert_eq!(away(&["resume"]).code, Some(0));
    state("ACTIVE");
    wait_for("an order in the ledger", Duration::from_secs(30), || {
        let rows = &away(&["history", "--limit", "1"]).reply["rows"];
        rows.as_array().is_some_and(|rows| !rows.is_empty())
    });
    rig.buy("BTCUSDT", "0.014", "other-1");
    let begun = Instant::now();
    let killed = away(&["kill", "--reason", "from elsewhere"]);
    assert_eq!(killed.code, Some(0), "{killed:?}");
    assert_eq!(killed.reply["verified"], true, "{killed:?}");
    let took = begun.elapsed();
    assert!(took < Duration::from_secs(5), "{took:?}");
    assert!(is_flat(&rig.account()), "{}", rig.account());
    let refused = away(&["start"]);
    assert_eq!(
        (refused.code, &refused.reply["code"]),
        (Some(1), &"KILL_LATCHED".into())
    );
}

/// Every operation has answered well once, by our own calls; then a machine tries the rest.
#[test]
#[allow(clippy::too_many_lines, reason = "one story")]
fn schemathesis_finds_nothing() {
    let Some(program) = std::env::var_os("FULCRUM_SCHEMATHESIS") else {
        println!("skipped: no schemathesis; cargo xtask setup installs it");
        return;
    };
    let rig = rig("api-schema");
    let key = rig.api_key("admin", &["admin"]);
    let bearer = format!("Bearer {key}");
    let (_, description) = rig.call("GET", "/api/v1/openapi.json", &[], "");
    let paths = description["paths"].as_object().expect("paths");
    let file = std::fs::read_to_string(rig.configuration()).expect("the rig wrote it");
    let text = serde_json::json!({ "text": file }).to_string();
    let known = |path: &str, method: &str| {
        let (place, body) = match (path, method) {
            ("/api/v1/engine/cancel", _) => (path, r#"{"what":"all"}"#),
            ("/api/v1/keys", "post") => (path, r#"{"name":"one","scopes":["read"]}"#),
            ("/api/v1/keys/{name}", _) => ("/api/v1/keys/one", ""),
            ("/api/v1/engine/stop", _) => (path, r#"{"policy":"leave"}"#),
            ("/api/v1/config", "put") => (path, text.as_str()),
            ("/api/v1/config/rollback", _) => (path, r#"{"version":1}"#),
            ("/api/v1/config/versions/{version}", _) => ("/api/v1/config/versions/1", ""),
            ("/api/v1/strategies/{name}/enable", _) => ("/api/v1/strategies/dummy/enable", ""),
            ("/api/v1/strategies/{name}/disable", _) => ("/api/v1/strategies/dummy/disable", ""),
            _ => (path, ""),
        };
        (place.to_string(), body.to_string())
    };
    let mut latest = Vec::new();
    for (path, methods) in paths {
        for method in methods.as_object().expect("methods").keys() {
            // What ends the others comes last.
            let kills = path.ends_with("/kill");
            latest.push((kills, path.clone(), method.clone()));
        }
    }
    // A key is made before it is ended: POST stands behind DELETE in the alphabet of paths.
    latest.sort_by_key(|(kills, path, _)| (*kills, path.contains('{')));
    for (_, path, method) in &latest {
        let (path, body) = known(path, method);
        let once = format!("{method} {path}").replace(['/', ' '], "-");
        let headers = [
            ("authorization", bearer.as_str()),
            ("idempotency-key", once.as_str()),
        ];
        if !path.ends_with("/kill") {
            let (status, said) = rig.call(&method.to_uppercase(), &path, &headers, &body);
            assert!(
                (200..300).contains(&status),
                "{method} {path}: {status} {said}"
            );
        }
    }
    let examples =
        std::env::var("FULCRUM_SCHEMATHESIS_EXAMPLES").unwrap_or_else(|_| "20".to_string());
    let judge = |rest: &[&str]| judge(Path::new(&program), &rig, &bearer, rest);
    let kill = "/api/v1/engine/kill";
    judge(&["--exclude-path", kill, "--max-examples", &examples]);
    judge(&["--include-path", kill, "--max-examples", &examples]);
}

fn judge(program: &Path, rig: &Rig, bearer: &str, rest: &[&str]) {
    let output = Command::new(program)
        .arg("run")
        .arg(format!("{}/api/v1/openapi.json", rig.api()))
        .args(["--url", &rig.api()])
        .args(["--header", &format!("Authorization: {bearer}")])
        .args([
            "--checks",
            "all",
            "--exclude-checks",
            "positive_data_acceptance",
        ])
        .args(["--seed", "1", "--no-color"])
        .args(rest)
        .current_dir(&rig.state_dir)
        .output()
        .expect("schemathesis runs");
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(
        output.status.success(),
        "{said}\n{}",
        String::from_utf8_lossy(&output.stderr)
    );
}
