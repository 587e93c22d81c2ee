//! `fulcrum --url` against the real `fulcrum-control`: the same answers as at the machine, over plain and
//! encrypted connections; what is not known, and what is refused.
//!
//! In: the command line, a hot path that this test plays. Out: what it printed, its exit code, what
//! reached the hot path. Never: a wait without a condition.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a test that cannot set itself up has failed"
)]
#![allow(dead_code, reason = "helpers that the other test programs use")]

mod client;
mod hot_path;
mod operator_peer;
mod running;
mod tls_front;

use client::Client;
use hot_path::HotPath;
use operator_peer::OperatorPeer;
use ports::free_port;
use running::{Control, StateDir, wait_for};
use std::os::unix::fs::PermissionsExt as _;
use std::path::PathBuf;
use std::process::{Command, Output};

struct Desk {
    state: StateDir,
    peer: OperatorPeer,
    control: Control,
}

/// What a command printed, and how it ended.
#[derive(Debug, PartialEq, Eq)]
struct Printed {
    code: Option<i32>,
    stdout: String,
    stderr: String,
}

impl Printed {
    fn of(output: Output) -> Self {
        Self {
            code: output.status.code(),
            stdout: String::from_utf8(output.stdout).unwrap(),
            stderr: String::from_utf8(output.stderr).unwrap(),
        }
    }
}

fn fulcrum(words: &[&str]) -> Printed {
    let mut command = Command::new(env!("CARGO_BIN_EXE_fulcrum"));
    for name in ["FULCRUM_URL", "FULCRUM_KEY_FILE", "FULCRUM_CA_FILE"] {
        command.env_remove(name);
    }
    Printed::of(command.args(words).output().unwrap())
}

impl Desk {
    fn new(name: &str) -> Self {
        let state = StateDir::new(name);
        let peer = OperatorPeer::at(&state.path().join("run/default"));
        let control = Control::start(&state);
        Self {
            state,
            peer,
            control,
        }
    }

    fn url(&self) -> String {
        format!("http://127.0.0.1:{}", self.control.api_port())
    }

    fn key_file(&self, scopes: &[&str]) -> PathBuf {
        let name = scopes.join("-");
        let key = Client::of(&self.control).key(&self.state, &name, scopes);
        self.file(&format!("{name}.key"), &format!("{key}\n"), 0o600)
    }

    fn file(&self, name: &str, text: &str, mode: u32) -> PathBuf {
        let path = self.state.write(name, text);
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(mode)).unwrap();
        path
    }

    fn here(&self, words: &[&str]) -> Printed {
        let state = self.state.path().display().to_string();
        let place = ["--state-dir", &state, "--account", "default"];
        fulcrum(&[&place[..], words].concat())
    }

    fn away(&self, key_file: &str, words: &[&str]) -> Printed {
        let url = self.url();
        fulcrum(&[&["--url", &url, "--key-file", key_file][..], words].concat())
    }
}

#[allow(clippy::too_many_lines, reason = "one table of cases")]
#[test]
fn every_look_prints_the_same_here_and_over_the_network() {
    let desk = Desk::new("remote-looks");
    let mut hot_path = HotPath::start(&desk.state, 1);
    hot_path.trade(2);
    let client = Client::of(&desk.control);
    wait_for("two fills in the ledger", || {
        let fills = client.get("/api/v1/engine/fills").json();
        fills["rows"].as_array().is_some_and(|rows| rows.len() >= 2)
    });
    let key = desk.key_file(&["admin"]).display().to_string();
    for look in [
        "status",
        "orders",
        "positions",
        "limits",
        "fills",
        "trades",
        "history",
        "denials",
        "breakers",
        "states",
        "income",
        "audit",
    ] {
        for json in [&[][..], &["--json"][..]] {
            let words = [json, &[look][..]].concat();
            let (here, away) = (desk.here(&words), desk.away(&key, &words));
            assert_eq!(here.code, Some(0), "{look}: {here:?}");
            assert_eq!(here, away, "{look}");
        }
    }
    let fills = desk.away(&key, &["fills", "--limit", "1"]).stdout;
    assert!(
        fills.contains("BTCUSDT") && fills.contains("more with --after 1-"),
        "{fills}"
    );
    let after = fills.trim().rsplit(' ').next().unwrap().to_string();
    let next = desk
        .away(&key, &["fills", "--limit", "1", "--after", &after])
        .stdout;
    assert!(next.contains("BTCUSDT") && next != fills, "{next}");
    let file = desk.state.path().join("fulcrum.toml").display().to_string();
    let shown = fulcrum(&["config", "show", &file]);
    assert_eq!(shown.code, Some(0));
    assert_eq!(shown, desk.away(&key, &["config", "show"]));
    let changed = ["config", "show", "--changed"];
    let here = fulcrum(&[&changed[..], &[&file]].concat());
    assert_eq!(here, desk.away(&key, &changed));
    assert!(here.stdout.lines().count() < shown.stdout.lines().count());
    let health = desk.away(&key, &["health"]);
    assert_eq!(
        (health.code, health.stdout.as_str()),
        (Some(0), "ready\n"),
        "{health:?}"
    );
    assert_eq!(health, desk.here(&["health"]));
    hot_path.stop();
    wait_for("a box that is not ready", || {
        desk.away(&key, &["health"]).code == Some(1)
    });
    let health = desk.away(&key, &["health"]);
    assert!(
        health.stderr.contains("not ready: the hot path is stopped"),
        "{health:?}"
    );
    let stats = desk.away(&key, &["stats"]);
    assert!(
        stats.stdout.contains("by_strategy.imbalance.fills"),
        "{stats:?}"
    );
}

#[test]
fn every_verb_reaches_the_hot_path_and_prints_the_same() {
    let desk = Desk::new("remote-verbs");
    let key = desk
        .key_file(&["operate", "kill", "read"])
        .display()
        .to_string();
    let verbs: &[&[&str]] = &[
        &["start"],
        &["pause"],
        &["resume"],
        &["rearm"],
        &["flatten"],
        &["stop", "--policy", "leave"],
        &["cancel", "BTCUSDT"],
        &[
            "kill",
            "--no-wait",
            "--keep-positions",
            "--reason",
            "why not",
        ],
    ];
    for words in verbs {
        for json in [&[][..], &["--json"][..]] {
            let words = [json, words].concat();
            let here = desk.here(&words);
            let said_here = desk.peer.last();
            let away = desk.away(&key, &words);
            assert_eq!(here.code, Some(0), "{words:?}: {here:?}");
            assert_eq!((&here, &said_here), (&away, &desk.peer.last()), "{words:?}");
        }
    }
    desk.peer.refuse_next();
    let here = desk.here(&["--json", "start"]);
    desk.peer.refuse_next();
    let away = desk.away(&key, &["--json", "start"]);
    assert_eq!(here.code, Some(1));
    assert_eq!(here, away);
    for local in ["reset", "drill"] {
        let operator = desk.state.path().join(format!("{local}.pem"));
        let operator = operator.display().to_string();
        fulcrum(&["operator-key", "--out", &operator]);
        let refused = desk.away(&key, &[local, "--operator-key", &operator]);
        assert_eq!(refused.code, Some(2), "{refused:?}");
        assert!(refused.stderr.contains("local operator"), "{refused:?}");
    }
}

#[test]
fn an_answer_that_does_not_come_leaves_the_outcome_open_and_says_how_to_go_on() {
    let desk = Desk::new("remote-late");
    let key = desk.key_file(&["operate"]).display().to_string();
    desk.peer.hold();
    let late = desk.away(&key, &["--timeout-s", "1", "rearm"]);
    assert_eq!(late.code, Some(75), "{late:?}");
    let (_, rest) = late.stderr.split_once("--idempotency-key ").unwrap();
    let once = rest.split_whitespace().next().unwrap();
    assert!(late.stderr.contains("it is not known whether"), "{late:?}");
    assert!(
        late.stderr
            .contains(&format!("--url {} status", desk.url())),
        "{late:?}"
    );
    desk.peer.go_on();
    let key_file = key.as_str();
    wait_for("the first answer, again", || {
        let again = desk.away(key_file, &["--idempotency-key", once, "rearm"]);
        // While it is under way it is told so, and never carried out again.
        assert!([Some(0), Some(1)].contains(&again.code), "{again:?}");
        again.code == Some(0)
    });
    assert_eq!(desk.peer.verbs(), ["rearm"]);
    // Without a key of the caller's, each command has one of its own.
    assert_eq!(desk.away(&key, &["resume"]).code, Some(0));
    assert_eq!(desk.away(&key, &["resume"]).code, Some(0));
    assert_eq!(desk.peer.verbs(), ["rearm", "resume", "resume"]);
}

#[test]
fn keys_are_read_from_private_files_and_refusals_have_their_codes() {
    let desk = Desk::new("remote-keys");
    let good = desk.key_file(&["read"]).display().to_string();
    let text = std::fs::read_to_string(&good).unwrap();
    let open = desk.file("open.key", &text, 0o644).display().to_string();
    let empty = desk.file("empty.key", "\n", 0o600).display().to_string();
    let wrong = desk
        .file("wrong.key", "fulcrum_wrong", 0o600)
        .display()
        .to_string();
    for (key, word, code, says) in [
        (&open, "status", 78, "0600"),
        (&empty, "status", 78, "not an API key"),
        (&"/nowhere.key".to_string(), "status", 78, "/nowhere.key"),
        (&wrong, "status", 1, "no key of ours"),
        (&good, "pause", 1, "scope `operate`"),
    ] {
        let said = desk.away(key, &[word]);
        assert_eq!(said.code, Some(code), "{key} {word}: {said:?}");
        assert!(said.stderr.contains(says), "{key} {word}: {said:?}");
        assert!(
            !said.stderr.contains("fulcrum_wrong"),
            "a key is never told"
        );
    }
    let url = desk.url();
    let none = fulcrum(&["--url", &url, "pause"]);
    assert_eq!(none.code, Some(1));
    assert!(none.stderr.contains("--key-file"), "{none:?}");
    assert_eq!(desk.peer.verbs(), Vec::<String>::new());
    // The environment names both as well.
    let by_environment = Command::new(env!("CARGO_BIN_EXE_fulcrum"))
        .env("FULCRUM_URL", &url)
        .env("FULCRUM_KEY_FILE", &good)
        .arg("status")
        .output()
        .unwrap();
    assert_eq!(Printed::of(by_environment), desk.away(&good, &["status"]));
    for (url, code) in [
        (format!("http://127.0.0.1:{}", free_port()), 75),
        ("http://no-such-host.invalid:1".to_string(), 75),
        ("ftp://127.0.0.1".to_string(), 2),
        ("http://me:secret@127.0.0.1".to_string(), 2),
    ] {
        let said = fulcrum(&["--url", &url, "status"]);
        assert_eq!(said.code, Some(code), "{url}: {said:?}");
        assert!(!said.stderr.contains("secret@"), "{said:?}");
    }
}

#[test]
fn an_admin_makes_and_ends_keys_over_the_network() {
    let desk = Desk::new("remote-admin");
    let admin = desk.key_file(&["admin"]).display().to_string();
    let made = desk.away(&admin, &["key", "add", "phone", "--scope", "read"]);
    assert_eq!(made.code, Some(0), "{made:?}");
    let phone = desk
        .file("phone.key", &made.stdout, 0o600)
        .display()
        .to_string();
    assert_eq!(desk.away(&phone, &["status"]).code, Some(0));
    let listed = desk.away(&admin, &["key", "list"]);
    assert_eq!(listed, desk.here(&["key", "list"]));
    assert!(listed.stdout.contains("phone"), "{listed:?}");
    assert_eq!(desk.away(&admin, &["key", "revoke", "phone"]).code, Some(0));
    wait_for("the end of the key", || {
        desk.away(&phone, &["status"]).code == Some(1)
    });
    let unknown = desk.away(&admin, &["key", "revoke", "nobody"]);
    assert_eq!(unknown.code, Some(1), "{unknown:?}");
}

#[test]
fn an_encrypted_box_is_believed_by_its_own_authority_alone() {
    let desk = Desk::new("remote-tls");
    let key = desk.key_file(&["read", "operate"]).display().to_string();
    let front = tls_front::start(desk.control.api_port());
    let authority = desk
        .file("ca.pem", &front.authority, 0o644)
        .display()
        .to_string();
    let other = desk.file("other.pem", &tls_front::other_authority(), 0o644);
    let other = other.display().to_string();
    let empty = desk.file("empty.pem", "", 0o644).display().to_string();
    let ask = |file: &str, word: &str| {
        let url = format!("https://localhost:{}", front.port);
        fulcrum(&["--url", &url, "--key-file", &key, "--ca-file", file, word])
    };
    assert_eq!(ask(&authority, "status"), desk.here(&["status"]));
    assert_eq!(ask(&authority, "pause").code, Some(0));
    assert_eq!(desk.peer.verbs(), ["pause"]);
    let refused = ask(&other, "pause");
    assert_eq!(refused.code, Some(1), "{refused:?}");
    assert!(refused.stderr.contains("--ca-file"), "{refused:?}");
    assert_eq!(ask(&empty, "pause").code, Some(78));
    assert_eq!(desk.peer.verbs(), ["pause"]);
}
