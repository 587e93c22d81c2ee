//! Clients and disks that hang: nobody else waits for them.
//!
//! In: connections that do not read, a ledger that cannot be opened, one key in two requests. Out: what
//! is still answered, and when. Never: a wait without a condition.

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

use client::Client;
use hot_path::HotPath;
use operator_peer::OperatorPeer;
use running::{Control, StateDir, wait_for};
use rustix::fs::{CWD, FileType, Mode, mknodat};
use serde_json::Value;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::{Duration, Instant};

fn set_up(name: &str) -> (StateDir, OperatorPeer, Control) {
    let state = StateDir::new(name);
    let peer = OperatorPeer::at(&state.path().join("run/default"));
    let control = Control::start(&state);
    (state, peer, control)
}

/// So many times in a row: more than the kernel keeps of the answers.
fn ask(port: u16, path: &str, times: usize) -> TcpStream {
    let mut stream = TcpStream::connect(("127.0.0.1", port)).unwrap();
    let request = format!("GET {path} HTTP/1.1\r\nhost: 127.0.0.1\r\n\r\n");
    stream.write_all(request.repeat(times).as_bytes()).unwrap();
    stream
}

#[test]
fn an_answer_that_nobody_reads_is_given_up_and_others_do_not_wait() {
    let (state, peer, control) = set_up("unread");
    let client = Client::of(&control);
    let key = client.key(&state, "desk", &["operate"]);
    let mut hot_path = HotPath::start(&state, 1);
    for trades in 1..=10 {
        hot_path.trade(1_000);
        wait_for("the trades", || control.number("fills") == trades * 1_000);
    }
    let path = "/api/v1/engine/intents?limit=10000";
    let whole = client.get(path);
    let length = whole.body.len();
    assert!(length > 1_500_000, "{length}");
    let begun = Instant::now();
    let deaf = ask(client.port(), path, 8);
    // Many who read a byte in a while.
    let slow: Vec<TcpStream> = (0..40).map(|_| ask(client.port(), path, 3)).collect();
    for round in 0..20 {
        for mut one in &slow {
            let _ = one.read(&mut [0]);
        }
        let asked = Instant::now();
        let once = format!("slow-{round}");
        let headers = [
            ("x-api-key", key.as_str()),
            ("idempotency-key", once.as_str()),
        ];
        let said = client.send("POST", "/api/v1/engine/resume", "", &headers);
        assert_eq!(said.status, 200, "{}", said.body);
        assert_eq!(client.get("/api/v1/engine/status").status, 200);
        let waited = asked.elapsed();
        assert!(waited < Duration::from_secs(3), "{waited:?}");
    }
    assert_eq!(peer.verbs().len(), 20);
    // Nobody takes anything of it for ten seconds: whoever writes there finds nobody any more.
    wait_for("the end of who does not read", || {
        (&deaf).write_all(b"\r\n").is_err()
    });
    let waited = begun.elapsed();
    assert!(waited > Duration::from_secs(9), "{waited:?}");
    assert!(waited < Duration::from_secs(25), "{waited:?}");
    drop(slow);
}

/// Whoever opens the ledger hangs, as on a disk that does not answer; twice as many as there are
/// threads, and once more after those were given up.
#[test]
fn readers_of_a_ledger_that_hangs_do_not_take_the_verbs_with_them() {
    let (state, peer, control) = set_up("hanging");
    let client = Client::of(&control);
    let key = client.key(&state, "desk", &["operate", "kill"]);
    let ledger = state.path().join("ledger.sqlite");
    std::fs::rename(&ledger, state.path().join("ledger.aside")).unwrap();
    mknodat(CWD, &ledger, FileType::Fifo, Mode::RUSR | Mode::WUSR, 0).unwrap();
    let act = |once: &str| {
        let begun = Instant::now();
        let headers = [("x-api-key", key.as_str()), ("idempotency-key", once)];
        let said = client.send("POST", "/api/v1/engine/resume", "", &headers);
        assert_eq!(said.status, 200, "{}", said.body);
        let said = client.send("POST", "/api/v1/engine/pause", "", &headers[..1]);
        assert_eq!(said.status, 200, "{}", said.body);
        let waited = begun.elapsed();
        assert!(waited < Duration::from_secs(2), "{waited:?}");
    };
    let first: Vec<TcpStream> = (0..12)
        .map(|_| ask(client.port(), "/api/v1/engine/fills", 1))
        .collect();
    act("1");
    // They are answered that there is no answer.
    for mut one in first {
        one.set_read_timeout(Some(Duration::from_secs(40))).unwrap();
        let mut head = [0; 12];
        one.read_exact(&mut head).unwrap();
        assert_eq!(&head[9..], b"504", "{}", String::from_utf8_lossy(&head));
    }
    let again: Vec<TcpStream> = (0..12)
        .map(|_| ask(client.port(), "/api/v1/engine/trades", 1))
        .collect();
    act("2");
    act("3");
    assert_eq!(peer.verbs().len(), 6);
    drop(again);
}

#[test]
fn two_requests_at_once_with_one_key_are_carried_out_once() {
    let (state, peer, control) = set_up("at-once");
    let client = Client::of(&control);
    let port = client.port();
    let key = client.key(&state, "desk", &["operate"]);
    peer.hold();
    let send = |key: String| {
        std::thread::spawn(move || {
            let headers = [("x-api-key", key.as_str()), ("idempotency-key", "same")];
            let said = Client::at(port).send("POST", "/api/v1/engine/resume", "", &headers);
            (said.status, said.body)
        })
    };
    let both = [send(key.clone()), send(key.clone())];
    // The first has the claim, and the other is told so while the first is still under way.
    wait_for("one of them", || both.iter().any(|one| one.is_finished()));
    wait_for("the other", || peer.verbs() == ["resume"]);
    peer.go_on();
    let mut said = both.map(|one| one.join().unwrap());
    said.sort();
    assert_eq!([said[0].0, said[1].0], [200, 409], "{said:?}");
    let headers = [("x-api-key", key.as_str()), ("idempotency-key", "same")];
    let later = client.send("POST", "/api/v1/engine/resume", "", &headers);
    assert_eq!((later.status, &later.body), (200, &said[0].1));
    assert_eq!(peer.verbs(), ["resume"]);
}

/// Keys have names: a repeated request makes no second one, and shows none again.
#[test]
fn a_repeated_request_for_a_key_makes_none() {
    let (state, _peer, control) = set_up("key-again");
    let client = Client::of(&control);
    let admin = client.key(&state, "admin", &["admin"]);
    let headers = [("x-api-key", admin.as_str())];
    let body = r#"{"name":"phone","scopes":["read"]}"#;
    let make = || client.send("POST", "/api/v1/keys", body, &headers);
    let (first, again) = (make(), make());
    assert_eq!((first.status, again.status), (201, 409), "{}", again.body);
    assert_eq!(again.json()["key"], Value::Null);
    let end = || {
        client
            .send("DELETE", "/api/v1/keys/phone", "", &headers)
            .status
    };
    assert_eq!((end(), end()), (204, 204));
    assert_eq!(make().status, 409, "a name is not given twice");
    let keys = client.send("GET", "/api/v1/keys", "", &headers).json();
    let named = keys.as_array().unwrap().iter();
    assert_eq!(named.filter(|key| key["name"] == "phone").count(), 1);
}
