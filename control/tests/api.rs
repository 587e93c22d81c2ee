//! The API of the real `fulcrum-control`: who may what, verbs that are carried out once, pages,
//! clients that mean harm.
//!
//! In: requests over real sockets, a hot path that this test plays. Out: what is answered, and what
//! reached the hot path. Never: a wait without a condition.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a test that cannot set itself up has failed"
)]
#![allow(dead_code, reason = "helpers that the other test program uses")]

mod client;
mod hot_path;
mod operator_peer;
mod running;

use client::{Client, Said};
use hot_path::HotPath;
use operator_peer::OperatorPeer;
use running::{Control, StateDir, wait_for};
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::time::{Duration, Instant};

fn set_up(name: &str) -> (StateDir, OperatorPeer, Control) {
    let state = StateDir::new(name);
    let peer = OperatorPeer::at(&state.path().join("run/default"));
    let control = Control::start(&state);
    (state, peer, control)
}

/// Every operation of the description: method and path, with names filled in.
fn operations(client: &Client) -> Vec<(String, String)> {
    let description = client.get("/api/v1/openapi.json").json();
    let mut all = Vec::new();
    for (path, methods) in description["paths"].as_object().unwrap() {
        for method in methods.as_object().unwrap().keys() {
            let place = path.replace("{name}", "nobody").replace("{version}", "1");
            all.push((method.to_uppercase(), place));
        }
    }
    all
}

#[test]
fn without_a_key_paper_is_looked_at_from_here_and_nothing_is_changed() {
    let (state, peer, control) = set_up("no-key");
    let client = Client::of(&control);
    assert_eq!(client.get("/api/v1/engine/fills").status, 200);
    assert_eq!(client.get("/api/v1/engine/status").status, 200);
    for (method, path) in operations(&client) {
        let open = method == "GET" && !["/api/v1/keys", "/api/v1/audit"].contains(&path.as_str());
        let said = client.send(&method, &path, "{}", &[]);
        assert_eq!(
            said.status == 401,
            !open,
            "{method} {path}: {}",
            said.status
        );
    }
    assert_eq!(
        peer.verbs(),
        Vec::<String>::new(),
        "nothing reached the hot path"
    );
    drop((state, control));
}

#[test]
fn a_key_may_do_what_its_scopes_say_and_is_over_once_revoked() {
    let (state, _peer, control) = set_up("scopes");
    let client = Client::of(&control);
    let needs = |method: &str, path: &str| match path {
        "/health/live" | "/health/ready" => "",
        "/api/v1/engine/kill" => "kill",
        "/api/v1/audit" => "admin",
        "/api/v1/config/rollback" => "admin",
        path if path.starts_with("/api/v1/keys") => "admin",
        _ if method == "PUT" => "admin",
        _ if method == "POST" => "operate",
        _ => "read",
    };
    let all = operations(&client);
    assert!(all.len() >= 27, "{}", all.len());
    for scope in ["read", "operate", "kill", "admin"] {
        let key = client.key(&state, scope, &[scope]);
        for (method, path) in &all {
            let once = format!("{scope} {path}");
            let headers = [
                ("x-api-key", key.as_str()),
                ("idempotency-key", once.as_str()),
            ];
            let said = client.send(method, path, "{}", &headers);
            let wanted = needs(method, path);
            let may = wanted.is_empty() || wanted == scope || scope == "admin";
            let refused = [401, 403].contains(&said.status);
            assert_eq!(
                refused, !may,
                "{scope}: {method} {path}: {} {}",
                said.status, said.body
            );
        }
    }
    let key = client.key(&state, "phone", &["read"]);
    let headers = [("authorization", format!("Bearer {key}"))];
    let ask = || {
        let headers: Vec<(&str, &str)> = headers.iter().map(|(k, v)| (*k, v.as_str())).collect();
        client
            .send("GET", "/api/v1/engine/fills", "", &headers)
            .status
    };
    assert_eq!(ask(), 200);
    client.run(&state, &["key", "revoke", "phone"]);
    wait_for("the end of the key", || ask() == 401);
}

#[test]
fn a_repeated_verb_is_carried_out_once_and_gets_the_first_answer() {
    let (state, peer, control) = set_up("once");
    let client = Client::of(&control);
    let key = client.key(&state, "desk", &["operate"]);
    let send = |path: &str, once: &str| {
        let mut headers = vec![("x-api-key", key.as_str())];
        if !once.is_empty() {
            headers.push(("idempotency-key", once));
        }
        client.send("POST", path, "", &headers)
    };
    assert_eq!(send("/api/v1/engine/resume", "").status, 400);
    let first = send("/api/v1/engine/resume", "1");
    let again = send("/api/v1/engine/resume", "1");
    assert_eq!((first.status, again.status), (200, 200));
    assert_eq!(first.body, again.body);
    assert!(
        again.head.contains("idempotent-replayed: true"),
        "{}",
        again.head
    );
    assert_eq!(peer.verbs(), ["resume"]);
    assert_eq!(
        send("/api/v1/engine/stop", "1").status,
        422,
        "another question"
    );
    // What is refused has changed nothing: it may be sent again.
    peer.refuse_next();
    let refused = send("/api/v1/engine/start", "2");
    assert_eq!(refused.status, 409);
    assert_eq!(refused.json()["code"], "KILL_LATCHED");
    assert_eq!(send("/api/v1/engine/start", "2").status, 200);
    assert_eq!(send("/api/v1/engine/start", "2").status, 200);
    assert_eq!(peer.verbs(), ["resume", "start", "start"]);
}

#[test]
fn a_verb_whose_answer_nobody_saw_is_not_carried_out_again() {
    let (state, peer, mut control) = set_up("unseen");
    let client = Client::of(&control);
    let key = client.key(&state, "desk", &["operate"]);
    peer.hold();
    let port = client.port();
    let slow = std::thread::spawn({
        let key = key.clone();
        move || {
            let headers = [("x-api-key", key.as_str()), ("idempotency-key", "3")];
            Client::at(port).try_send("POST", "/api/v1/engine/rearm", "", &headers)
        }
    });
    wait_for("the question at the hot path", || peer.verbs().len() == 1);
    control.kill();
    assert!(slow.join().unwrap().is_none());
    peer.go_on();
    let control = Control::start(&state);
    let client = Client::of(&control);
    let headers = [("x-api-key", key.as_str()), ("idempotency-key", "3")];
    let unknown = client.send("POST", "/api/v1/engine/rearm", "", &headers);
    assert_eq!(unknown.status, 409, "{}", unknown.body);
    assert_eq!(peer.verbs(), ["rearm"]);
    let headers = [("x-api-key", key.as_str()), ("idempotency-key", "4")];
    assert_eq!(
        client
            .send("POST", "/api/v1/engine/resume", "", &headers)
            .status,
        200
    );
    // The audit has each call once, the one of the dead control without an answer.
    let admin = client.key(&state, "admin", &["admin"]);
    let audit = client
        .send("GET", "/api/v1/audit", "", &[("x-api-key", &admin)])
        .json();
    let of_network = |row: &&Value| row["caller"] != "command-line";
    let audit: Vec<&Value> = audit
        .as_array()
        .unwrap()
        .iter()
        .filter(of_network)
        .collect();
    let row = |index: usize| (audit[index]["act"].clone(), audit[index]["status"].clone());
    assert_eq!(row(0), (json!("resume"), json!(200)));
    assert_eq!(row(1), (json!("rearm"), Value::Null));
    assert_eq!(audit.len(), 2);
}

#[test]
fn a_verb_that_did_not_reach_the_hot_path_may_be_sent_again() {
    let (state, peer, control) = set_up("unreachable");
    let client = Client::of(&control);
    let key = client.key(&state, "desk", &["operate"]);
    let headers = [("x-api-key", key.as_str()), ("idempotency-key", "1")];
    drop(peer);
    let lost = client.send("POST", "/api/v1/engine/resume", "", &headers);
    assert_eq!(lost.status, 503);
    assert!(lost.body.contains("fulcrum-flatten"), "{}", lost.body);
    let peer = OperatorPeer::at(&state.path().join("run/default"));
    assert_eq!(
        client
            .send("POST", "/api/v1/engine/resume", "", &headers)
            .status,
        200
    );
    assert_eq!(peer.verbs(), ["resume"]);
}

#[test]
fn a_client_that_hangs_up_gets_the_first_answer_when_it_asks_again() {
    use std::io::Write as _;
    let (state, peer, control) = set_up("asks-again");
    let client = Client::of(&control);
    let key = client.key(&state, "desk", &["operate"]);
    peer.hold();
    let mut stream = std::net::TcpStream::connect(("127.0.0.1", client.port())).unwrap();
    let head = "POST /api/v1/engine/resume HTTP/1.1\r\nhost: 127.0.0.1\r\ncontent-length: 0\r\n";
    let more = format!("idempotency-key: 1\r\nx-api-key: {key}\r\n\r\n");
    stream
        .write_all(format!("{head}{more}").as_bytes())
        .unwrap();
    wait_for("the question at the hot path", || {
        peer.verbs() == ["resume"]
    });
    drop(stream);
    peer.go_on();
    let headers = [("x-api-key", key.as_str()), ("idempotency-key", "1")];
    let again = || client.send("POST", "/api/v1/engine/resume", "", &headers);
    wait_for("the first answer", || {
        again().head.contains("idempotent-replayed")
    });
    assert_eq!(peer.verbs(), ["resume"]);
}

#[test]
fn whoever_fills_the_network_s_places_keeps_nobody_out_who_sits_at_the_machine() {
    let (state, peer, control) = set_up("places");
    let port = Client::of(&control).port();
    let connect = |_| std::net::TcpStream::connect(("127.0.0.1", port)).unwrap();
    let held: Vec<_> = (0..300).map(connect).collect();
    let socket = state.path().join("run/default/control.sock");
    let said = Said::over_socket(&socket, "POST", "/api/v1/engine/pause");
    assert_eq!(
        (said.status, peer.verbs()),
        (200, vec!["pause".to_string()])
    );
    drop(held);
}

#[test]
fn a_second_control_on_one_state_directory_is_refused() {
    let (state, _peer, control) = set_up("second");
    let config = state.write("other.toml", "[[instrument]]\nsymbol = \"BTCUSDT\"\n");
    let other = std::process::Command::new(env!("CARGO_BIN_EXE_fulcrum-control"))
        .arg("--config")
        .arg(config)
        .arg("--state-dir")
        .arg(state.path())
        .output()
        .unwrap();
    assert!(!other.status.success());
    let said = String::from_utf8_lossy(&other.stderr);
    assert!(said.contains("control.lock: held by process"), "{said}");
    assert_eq!(Client::of(&control).get("/health/live").status, 200);
}

#[test]
fn a_client_that_hangs_up_has_killed_all_the_same() {
    use std::io::Write as _;
    let (state, peer, control) = set_up("hang-up");
    let client = Client::of(&control);
    let key = client.key(&state, "phone", &["kill", "admin"]);
    // The audit takes as long as it may, and nobody waits for the answer.
    let held = rusqlite::Connection::open(state.path().join("control.sqlite")).unwrap();
    held.execute_batch("BEGIN IMMEDIATE").unwrap();
    let mut stream = std::net::TcpStream::connect(("127.0.0.1", client.port())).unwrap();
    let head = "POST /api/v1/engine/kill HTTP/1.1\r\nhost: 127.0.0.1\r\ncontent-length: 0\r\n";
    stream
        .write_all(format!("{head}x-api-key: {key}\r\n\r\n").as_bytes())
        .unwrap();
    drop(stream);
    wait_for("the kill at the hot path", || peer.verbs() == ["kill"]);
    drop(held);
}

#[test]
fn an_emergency_waits_for_no_disk_and_no_lock_out() {
    let (state, peer, control) = set_up("emergency");
    let client = Client::of(&control);
    let key = client.key(&state, "phone", &["operate", "kill"]);
    // Somebody else holds the file, as a full or hanging disk would.
    let held = rusqlite::Connection::open(state.path().join("control.sqlite")).unwrap();
    held.execute_batch("BEGIN IMMEDIATE").unwrap();
    for number in 0..8 {
        let bad = format!("bad-{number}");
        client.send("GET", "/api/v1/engine/fills", "", &[("x-api-key", &bad)]);
    }
    for (verb, body) in [
        ("pause", ""),
        ("flatten", ""),
        ("cancel", r#"{"what":"all"}"#),
        ("kill", r#"{"keep_positions":true,"reason":"drill"}"#),
    ] {
        let begun = Instant::now();
        let path = format!("/api/v1/engine/{verb}");
        let said = client.send("POST", &path, body, &[("x-api-key", &key)]);
        assert_eq!(said.status, 200, "{verb}: {}", said.body);
        assert!(
            begun.elapsed() < Duration::from_secs(1),
            "{verb}: {:?}",
            begun.elapsed()
        );
    }
    assert_eq!(peer.verbs(), ["pause", "flatten", "cancel", "kill"]);
    assert_eq!(peer.last()["keep_positions"], true);
    let others = [("x-api-key", key.as_str()), ("idempotency-key", "1")];
    assert_eq!(
        client
            .send("POST", "/api/v1/engine/resume", "", &others)
            .status,
        503
    );
    drop(held);
}

#[test]
fn bad_keys_make_their_address_wait_and_a_valid_one_is_never_refused() {
    let (state, _peer, control) = set_up("bad-keys");
    let client = Client::of(&control);
    let key = client.key(&state, "phone", &["read"]);
    let ask = |key: &str| client.send("GET", "/api/v1/engine/fills", "", &[("x-api-key", key)]);
    let seen: Vec<u16> = (0..7).map(|_| ask("fulcrum_00").status).collect();
    assert_eq!(seen, [401, 401, 401, 401, 401, 429, 429]);
    assert!(ask("fulcrum_00").head.contains("retry-after: "));
    assert_eq!(ask(&key).status, 200);
    let metrics = control.get_metrics("").body;
    for line in [
        "fulcrum_auth_failures_total{reason=\"bad_key\"} 5",
        "fulcrum_auth_failures_total{reason=\"locked_out\"} 3",
    ] {
        assert!(metrics.contains(line), "{line}");
    }
}

#[test]
fn slow_large_and_strange_clients_are_cut_off() {
    let (state, _peer, control) = set_up("hostile");
    let client = Client::of(&control);
    // Somebody else's page under a name of its own.
    let host = [("host", "evil.example")];
    let said = client.send("GET", "/api/v1/engine/fills", "", &host);
    assert_eq!(said.status, 421, "{}", said.body);
    let key = client.key(&state, "desk", &["admin"]);
    let large = format!("{{\"what\":\"{}\"}}", "x".repeat(70_000));
    let said = client.send(
        "POST",
        "/api/v1/engine/cancel",
        &large,
        &[("x-api-key", &key)],
    );
    assert_eq!(said.status, 413);
    let head = format!(
        "GET / HTTP/1.1\r\nhost: 127.0.0.1\r\nx: {}\r\n\r\n",
        "y".repeat(40_000)
    );
    assert!([431, 0].contains(&client.raw(&head).status));
    // A head that never ends.
    let begun = Instant::now();
    let said = client.raw("GET / HTTP/1.1\r\nhost: 127.0.0.1\r\n");
    let waited = begun.elapsed();
    assert!(said.status == 408 || said.status == 0, "{}", said.status);
    assert!(waited < Duration::from_secs(10), "{waited:?}");
    // Nonsense in every place is a problem, not an end.
    for (method, path, body) in [
        ("GET", "/api/v1/engine/fills?limit=0", ""),
        ("GET", "/api/v1/engine/fills?limit=1001", ""),
        ("GET", "/api/v1/engine/fills?limit=many", ""),
        ("GET", "/api/v1/engine/fills?after=1", ""),
        ("GET", "/api/v1/engine/fills?nonsense=1", ""),
        ("POST", "/api/v1/engine/cancel", "{"),
        ("POST", "/api/v1/engine/cancel", "{}"),
        ("POST", "/api/v1/engine/kill", r#"{"keep_position":true}"#),
        (
            "POST",
            "/api/v1/keys",
            r#"{"name":"a b","scopes":["read"]}"#,
        ),
        ("POST", "/api/v1/keys", r#"{"name":"a","scopes":["write"]}"#),
    ] {
        let said = client.send(method, path, body, &[("x-api-key", &key)]);
        assert_eq!(said.status, 400, "{method} {path} {body}: {}", said.body);
        assert_eq!(said.json()["status"], 400, "{}", said.body);
    }
    for (method, path, status) in [
        ("GET", "/api/v1/nothing", 404),
        ("DELETE", "/api/v1/engine/fills", 405),
        ("DELETE", "/api/v1/keys/nobody", 404),
    ] {
        let said = client.send(method, path, "", &[("x-api-key", &key)]);
        assert_eq!(
            (said.status, said.json()["status"].as_u64()),
            (status, Some(status.into()))
        );
    }
}

#[test]
fn pages_of_the_ledger_have_every_row_once_in_both_orders() {
    let state = StateDir::new("pages");
    let mut hot_path = HotPath::start(&state, 1);
    let control = Control::start(&state);
    hot_path.trade(250);
    hot_path.stop();
    wait_for("the end of generation 1", || {
        control.stats()["drained"] == true
    });
    let client = Client::of(&control);
    let walk = |path: &str, rest: &str| {
        let (mut places, mut after, mut pages) = (Vec::new(), String::new(), 0);
        loop {
            let page = client.get(&format!("{path}?limit=100{rest}{after}")).json();
            let rows = page["rows"].as_array().unwrap();
            places.extend(
                rows.iter()
                    .map(|row| row["place"].as_str().unwrap().to_string()),
            );
            pages += 1;
            match page["next"].as_str() {
                None => return (places, pages),
                Some(next) => after = format!("&after={next}"),
            }
        }
    };
    let fills = "/api/v1/accounts/default/engine/fills";
    let (newest, pages) = walk(fills, "");
    let (mut oldest, _) = walk(fills, "&oldest_first=true");
    assert_eq!((newest.len(), pages), (250, 3));
    assert_eq!(
        newest.iter().collect::<BTreeSet<_>>().len(),
        250,
        "each once"
    );
    oldest.reverse();
    assert_eq!(newest, oldest);
    assert_eq!(walk(fills, "&symbol=ETHUSDT").0.len(), 0);
    assert_eq!(walk(fills, "&symbol=BTCUSDT&strategy=0").0.len(), 250);
    assert_eq!(walk("/api/v1/engine/orders/history", "").0.len(), 250);
    let row = &client.get("/api/v1/engine/fills?limit=1").json()["rows"][0];
    for (field, kind) in [
        ("price", true),
        ("quantity", true),
        ("fee", true),
        ("trade_id", false),
    ] {
        assert_eq!(row[field].is_string(), kind, "{field}: {row}");
    }
}

#[test]
fn a_socket_of_this_machine_needs_no_key_and_has_the_scopes_of_its_mode() {
    use std::os::unix::fs::PermissionsExt as _;
    let (state, peer, control) = set_up("sockets");
    let mode = |name: &str| {
        let path = state.path().join("run/default").join(name);
        std::fs::metadata(path).unwrap().permissions().mode() & 0o777
    };
    assert_eq!(
        (mode("control.sock"), mode("control-read.sock")),
        (0o660, 0o666)
    );
    let over = |name: &str, method: &str, path: &str| {
        Said::over_socket(&state.path().join("run/default").join(name), method, path)
    };
    assert_eq!(
        over("control-read.sock", "GET", "/api/v1/engine/fills").status,
        200
    );
    assert_eq!(
        over("control-read.sock", "POST", "/api/v1/engine/pause").status,
        403
    );
    assert_eq!(
        over("control.sock", "POST", "/api/v1/engine/pause").status,
        200
    );
    assert_eq!(peer.verbs(), ["pause"]);
    assert_eq!(
        over("control.sock", "GET", "/api/v1/audit").json()[0]["caller"],
        "control.sock"
    );
    drop(control);
}

#[test]
fn the_description_that_is_kept_is_the_one_of_this_code() {
    let (_state, _peer, control) = set_up("description");
    let served = Client::of(&control).get("/api/v1/openapi.json").json();
    let text = serde_json::to_string_pretty(&served).unwrap() + "\n";
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/openapi.json");
    if std::env::var_os("FULCRUM_BLESS").is_some() {
        std::fs::write(path, &text).unwrap();
    }
    let kept = std::fs::read_to_string(path).unwrap_or_default();
    assert!(
        kept == text,
        "docs/openapi.json is old: FULCRUM_BLESS=1 cargo test -p control"
    );
}

/// The text of the active version with one more key.
fn text_with(client: &Client, key: &str, line: &str) -> Value {
    let headers = [("x-api-key", key)];
    let versions = client
        .send("GET", "/api/v1/config/versions", "", &headers)
        .json();
    let number = versions[0]["version"].as_u64().unwrap();
    let path = format!("/api/v1/config/versions/{number}");
    let text = client.send("GET", &path, "", &headers).json()["text"].clone();
    json!({ "text": format!("{line}\n{}", text.as_str().unwrap()) })
}

#[test]
#[allow(clippy::too_many_lines, reason = "one story")]
fn another_configuration_is_a_version_once_and_says_what_differs() {
    let (state, peer, control) = set_up("configuration");
    let client = Client::of(&control);
    let key = client.key(&state, "admin", &["admin"]);
    let call = |method: &str, path: &str, body: &Value, once: &str, tag: &str| {
        let mut headers = vec![("x-api-key", key.as_str()), ("idempotency-key", once)];
        if !tag.is_empty() {
            headers.push(("if-match", tag));
        }
        client.send(method, path, &body.to_string(), &headers)
    };
    let put = |body: &Value, once: &str, tag: &str| call("PUT", "/api/v1/config", body, once, tag);
    let risk = text_with(&client, &key, "risk.max_open_orders = 7");
    let said = put(&risk, "a", "\"1\"");
    assert_eq!(said.status, 200, "{}", said.body);
    let applied = said.json();
    assert_eq!(
        (&applied["version"], &applied["hot_path"]),
        (&json!(2), &json!("confirmed"))
    );
    assert_eq!(
        applied["changes"],
        json!([{
            "key": "risk.max_open_orders", "old": "20", "new": "7", "effect": "at_once"
        }])
    );
    assert_eq!(put(&risk, "a", "\"1\"").body, said.body, "once");
    assert_eq!(peer.verbs(), ["configure"]);
    assert_eq!(put(&risk, "b", "\"1\"").status, 412);
    assert_eq!(put(&risk, "c", "one").status, 400);
    let same = put(&risk, "d", "").json();
    assert_eq!(
        (&same["stored"], &same["version"]),
        (&json!(false), &json!(2))
    );
    // Every problem at once, and nothing has changed.
    let wrong =
        json!({ "text": "mod = \"paper\"\n[risk]\nmax_open_orders = 0\nmax_order_notional = 1\n" });
    let said = put(&wrong, "e", "");
    assert_eq!(said.status, 422);
    for named in [
        "`mod`",
        "risk.max_open_orders",
        "did you mean `max_order_notional_usdt`?",
    ] {
        assert!(said.body.contains(named), "{named}: {}", said.body);
    }
    let live = text_with(&client, &key, "mode = \"testnet\"");
    assert!([409, 422].contains(&put(&live, "f", "").status));
    // Its venue is another one: only the file says so.
    let venue = text_with(
        &client,
        &key,
        "venue.usdm_rest_url = \"http://127.0.0.1:7\"",
    );
    let said = put(&venue, "g", "");
    assert_eq!(
        (said.status, &said.json()["code"]),
        (409, &json!("NEEDS_RESTART"))
    );
    // What the hot path refuses is noted, and does not hold.
    let book = text_with(&client, &key, "book.fusion = false");
    peer.refuse_next();
    let said = put(&book, "h", "");
    assert_eq!(said.json()["hot_path"], "next_start", "{}", said.body);
    let back = call("POST", "/api/v1/config/rollback", &json!({}), "i", "");
    assert_eq!(back.json()["version"], 4, "{}", back.body);
    let keys = call("GET", "/api/v1/config", &json!({}), "j", "").json();
    let fusion = keys
        .as_array()
        .unwrap()
        .iter()
        .find(|one| one["key"] == "book.fusion");
    assert_eq!(fusion.unwrap()["value"], "true");
    assert_eq!(
        call(
            "POST",
            "/api/v1/config/rollback",
            &json!({ "version": 9 }),
            "k",
            ""
        )
        .status,
        404
    );
    drop((state, control));
}
