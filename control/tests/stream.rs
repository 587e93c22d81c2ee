//! The stream of the real `fulcrum-control`: what is told, in which order, to whom, and who is cut off.
//!
//! In: connections over real sockets, a hot path that this test plays. Out: messages, ends, metrics.
//! Never: a wait without a condition.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a test that cannot set itself up has failed"
)]
#![allow(dead_code, reason = "helpers that the other test programs use")]

mod client;
mod hot_path;
mod listener;
mod operator_peer;
mod running;

use client::Client;
use hot_path::HotPath;
use listener::{Listener, mute, rows, take_all};
use running::{Control, StateDir, wait_for};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::io::Write as _;
use std::time::{Duration, Instant};

const TOPICS: [&str; 11] = [
    "status",
    "account",
    "positions",
    "orders",
    "fills",
    "trades",
    "signals",
    "risk",
    "latency",
    "events",
    "book:BTCUSDT",
];

fn set_up(name: &str) -> (StateDir, HotPath, Control) {
    let state = StateDir::new(name);
    let hot_path = HotPath::start(&state, 1);
    let control = Control::start(&state);
    wait_for("the first records", || {
        control.number("journal_records") > 0
    });
    (state, hot_path, control)
}

fn metric(control: &Control, line: &str) -> u64 {
    let page = control.get_metrics("").body;
    let found = page.lines().find_map(|one| one.strip_prefix(line));
    let number = found.unwrap_or_else(|| panic!("{line}: {page}"));
    number.trim().parse::<f64>().unwrap() as u64
}

fn slow(control: &Control) -> u64 {
    metric(control, "fulcrum_stream_ended_total{reason=\"slow\"}")
}

fn trade_ids(rows: &[&Value]) -> Vec<u64> {
    rows.iter()
        .map(|row| row["trade_id"].as_u64().unwrap())
        .collect()
}

#[test]
fn every_topic_begins_whole_and_goes_on_without_a_gap() {
    let (_state, mut hot_path, control) = set_up("stream-topics");
    let port = control.api_port();
    let offer = Client::of(&control).get("/api/v1/engine/stream").json();
    assert_eq!(offer["topics"], json!(TOPICS));
    let mut listener = Listener::open(port, &format!("?topics={}", TOPICS.join(",")));
    let mut numbers: BTreeMap<String, u64> = BTreeMap::new();
    let mut seen = 0;
    let mut fresh = 0;
    let told = listener.hear_until(|message| {
        let Some(topic) = message["topic"].as_str() else {
            assert_eq!(message["kind"], "subscribed");
            return false;
        };
        let seq = message["seq"].as_u64().unwrap();
        match numbers.insert(topic.to_string(), seq) {
            None => assert_eq!(message["kind"], "snapshot", "{message}"),
            Some(before) if message["kind"] == "heartbeat" => assert_eq!(seq, before),
            Some(before) => {
                assert_eq!(
                    (&message["kind"], seq),
                    (&json!("delta"), before + 1),
                    "{message}"
                );
            }
        }
        // A hot path that trades on while somebody listens.
        if numbers.len() == TOPICS.len() && fresh < 40 {
            hot_path.trade(5);
            fresh += 1;
        }
        if topic == "fills" {
            seen += message["data"]["rows"].as_array().map_or(0, Vec::len);
        }
        seen >= 200
    });
    let fills = rows(&told, "fills");
    assert_eq!(trade_ids(&fills), (1..=200).collect::<Vec<u64>>());
    // Each order is told with what became of it, in the order of the journal.
    let orders = rows(&told, "orders");
    let of_first = |row: &&&Value| row["client_order_id"] == fills[0]["client_order_id"];
    let steps: Vec<&str> = orders
        .iter()
        .filter(of_first)
        .map(|row| row["state"].as_str().unwrap())
        .collect();
    assert_eq!(steps, ["SUBMITTED", "FILLED"]);
    let of = |topic: &str| told.iter().find(|one| one["topic"] == topic).unwrap();
    assert_eq!(of("status")["data"]["trading_state"], "ACTIVE");
    assert_eq!(of("account")["data"]["equity_usdt"], "10000.00000000");
    assert_eq!(of("book:BTCUSDT")["data"]["bid_price"], "28145.1");
    assert_eq!(of("positions")["data"][0]["symbol"], "BTCUSDT");
    assert_eq!(
        of("risk")["data"]["limits"].as_array().map(Vec::len),
        Some(settings::LIMITS.len())
    );
}

#[test]
fn a_client_that_comes_again_goes_on_where_it_was() {
    let (state, mut hot_path, mut control) = set_up("stream-resume");
    let mut told: Vec<Value> = Vec::new();
    let mut place = "0-0".to_string();
    let listen = |port: u16, place: &mut String, told: &mut Vec<Value>, until: u64| {
        let query = format!("?topics=fills&after={place}");
        let mut listener = Listener::open(port, &query);
        let heard = listener.hear_until(|message| {
            if let Some(now) = message["data"]["place"].as_str() {
                *place = now.to_string();
            }
            let last = message["data"]["rows"]
                .as_array()
                .and_then(|rows| rows.last());
            last.is_some_and(|row| row["trade_id"].as_u64() >= Some(until))
        });
        told.extend(heard);
    };
    hot_path.trade(1_500);
    listen(control.api_port(), &mut place, &mut told, 1_500);
    // Nobody listens, and then nobody is there.
    hot_path.trade(30);
    control.kill();
    hot_path.trade(30);
    let mut control = Control::start(&state);
    listen(control.api_port(), &mut place, &mut told, 1_560);
    hot_path.stop();
    control.kill();
    drop(hot_path);
    let mut hot_path = HotPath::start(&state, 2);
    hot_path.go_on_from(1_560);
    hot_path.trade(20);
    let control = Control::start(&state);
    let fills = rows(&told, "fills");
    assert_eq!(trade_ids(&fills), (1..=1_560).collect::<Vec<u64>>());
    let before = told.len();
    listen(control.api_port(), &mut place, &mut told, 1_580);
    let later = rows(&told[before..], "fills");
    assert_eq!(trade_ids(&later), (1_561..=1_580).collect::<Vec<u64>>());
    assert!(place.starts_with("2-"), "{place}");
    // Pages of the ledger have the rows of both starts, each once, in both orders.
    let client = Client::of(&control);
    let walk = |rest: &str| {
        let (mut places, mut after) = (Vec::new(), String::new());
        loop {
            let path = format!("/api/v1/engine/fills?limit=300{rest}{after}");
            let page = client.get(&path).json();
            let rows = page["rows"].as_array().unwrap();
            places.extend(rows.iter().map(|row| row["place"].to_string()));
            match page["next"].as_str() {
                None => return places,
                Some(next) => after = format!("&after={next}"),
            }
        }
    };
    let (newest, mut oldest) = (walk(""), walk("&oldest_first=true"));
    oldest.reverse();
    assert_eq!(newest.len(), 1_580);
    assert_eq!(newest, oldest);
}

#[test]
fn what_is_no_topic_is_refused_with_the_list() {
    let (_state, _hot_path, control) = set_up("stream-names");
    let port = control.api_port();
    for query in [
        "?topics=status,nonsense",
        "?topics=book:NONSENSE",
        "?after=1",
        "?max_hz=0",
        "?max_hz=11",
        "?nonsense=1",
    ] {
        let refused = Listener::with(port, query, &[]);
        let (status, _) = refused.err().unwrap_or_else(|| panic!("{query} is taken"));
        assert_eq!(status, 400, "{query}");
    }
    let client = Client::of(&control);
    let said = client.get("/api/v1/engine/stream?topics=nonsense");
    assert_eq!(said.status, 400);
    assert!(said.body.contains("book:BTCUSDT"), "{}", said.body);
    let mut listener = Listener::open(port, "?topics=status");
    for (text, part) in [
        (r#"{"subscribe":["nonsense"]}"#, "book:BTCUSDT"),
        (
            r#"{"subscribe":["fills"],"after":"x"}"#,
            "GENERATION-SEQUENCE",
        ),
        (r#"{"subscribe":["fills"],"max_hz":99}"#, "1 to 10"),
        (r#"{"subscrib":["fills"]}"#, "unsubscribe"),
        ("garbage", "unsubscribe"),
    ] {
        listener.say(text);
        let all = listener.hear_until(|message| message["kind"] == "refused");
        let detail = all.last().unwrap()["detail"].as_str().unwrap();
        assert!(detail.contains(part), "{text}: {detail}");
    }
    listener.say(r#"{"subscribe":["fills"],"unsubscribe":["status"],"max_hz":1}"#);
    let told = listener.hear_until(|message| message["topic"] == "fills");
    let acknowledged = told.iter().find(|one| one["kind"] == "subscribed").unwrap();
    assert_eq!(acknowledged["topics"], json!(["fills"]));
}

#[test]
fn only_our_pages_and_keys_that_hold_may_listen() {
    let (state, _hot_path, control) = set_up("stream-access");
    let port = control.api_port();
    let client = Client::of(&control);
    let own = format!("http://127.0.0.1:{port}");
    for (origin, status) in [
        ("http://evil.example", 403),
        ("null", 403),
        ("http://127.0.0.1:1", 403),
        (own.as_str(), 101),
    ] {
        let refused = Listener::with(port, "?topics=status", &[("origin", origin)]).err();
        let found = refused.map_or(101, |(status, _)| status);
        assert_eq!(found, status, "{origin}");
    }
    let refused = Listener::with(port, "", &[("host", "evil.example")]).err();
    assert_eq!(refused.map(|(status, _)| status), Some(421));
    let kill = client.key(&state, "only-kill", &["kill"]);
    let refused = Listener::with(port, "", &[("x-api-key", &kill)]).err();
    assert_eq!(refused.map(|(status, _)| status), Some(403));
    let read = client.key(&state, "phone", &["read"]);
    let mut listener = Listener::with(port, "?topics=status", &[("x-api-key", &read)])
        .unwrap_or_else(|_| panic!());
    listener.hear().unwrap();
    client.run(&state, &["key", "revoke", "phone"]);
    let (code, reason) = listener.end();
    assert_eq!(code, 1008, "{reason}");
    assert!(reason.contains("key"), "{reason}");
    let ended = "fulcrum_stream_ended_total{reason=\"revoked\"}";
    wait_for("the count", || metric(&control, ended) == 1);
}

#[test]
fn over_a_socket_of_this_machine_the_command_line_watches() {
    use std::io::{BufRead as _, BufReader};
    let (state, mut hot_path, control) = set_up("stream-watch");
    let mut watch = std::process::Command::new(env!("CARGO_BIN_EXE_fulcrum"))
        .args(["watch", "status", "fills", "--state-dir"])
        .arg(state.path())
        .stdout(std::process::Stdio::piped())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(watch.stdout.take().unwrap()).lines();
    let mut line = |part: &str| {
        let found = lines
            .by_ref()
            .map(|line| line.unwrap())
            .find(|line| line.contains(part));
        found.unwrap_or_else(|| panic!("no line with {part}"))
    };
    assert!(line(" status ").contains("trading_state=ACTIVE"));
    hot_path.trade(1);
    assert!(line(" fills ").contains("side=BUY"));
    watch.kill().unwrap();
    watch.wait().unwrap();
    let client = Client::of(&control);
    for (words, part) in [
        (vec!["instruments"], "BTCUSDT"),
        (vec!["signals"], "1.500"),
        (vec!["risk"], "max_open_orders"),
        (vec!["system"], "journal"),
        (vec!["latency"], "tick_to_order_seconds"),
        (vec!["logs", "-n", "5"], "journalctl"),
    ] {
        let text = client.run(&state, &words);
        assert!(text.contains(part), "{words:?}: {text}");
        let json = client.run(&state, &[&words[..], &["--json"]].concat());
        assert!(serde_json::from_str::<Value>(&json).is_ok(), "{json}");
    }
    let other = std::process::Command::new(env!("CARGO_BIN_EXE_fulcrum"))
        .args(["watch", "nonsense", "--state-dir"])
        .arg(state.path())
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&other.stderr);
    assert!(
        !other.status.success() && said.contains("book:BTCUSDT"),
        "{said}"
    );
}

#[test]
fn whoever_never_reads_is_cut_off_and_keeps_nobody_waiting() {
    let (_state, mut hot_path, control) = set_up("stream-slow");
    let port = control.api_port();
    let mut deaf = mute(port, "?topics=orders,fills,events,status,book:BTCUSDT");
    let mut listener = Listener::open(port, "?topics=fills");
    let deadline = Instant::now() + Duration::from_secs(120);
    let mut told = 0;
    // More than the kernel keeps for a connection.
    while slow(&control) == 0 {
        assert!(Instant::now() < deadline, "it is never cut off");
        hot_path.trade(2_000);
        told += 2_000;
        listener.hear_until(|message| {
            let rows = message["data"]["rows"].as_array();
            let last = rows.and_then(|rows| rows.last());
            last.is_some_and(|row| row["trade_id"].as_u64() == Some(told))
        });
    }
    wait_for("the end of one of two", || {
        metric(&control, "fulcrum_stream_clients") == 1
    });
    // It has what the kernel took, and not all.
    let bytes = take_all(&mut deaf).len() as u64;
    assert!(
        bytes < told * 600,
        "{bytes} bytes of {told} fills and their orders"
    );
}

#[test]
fn garbage_giants_and_floods_end_their_stream_only() {
    let (_state, _hot_path, control) = set_up("stream-unruly");
    let port = control.api_port();
    let mut innocent = Listener::open(port, "?topics=status,book:BTCUSDT");
    let unruly = || Listener::open(port, "?topics=status");
    // A text frame of 1 GiB, of which only the head comes.
    let mut giant = unruly();
    let mut head = vec![0x81, 0x80 | 127];
    head.extend_from_slice(&(1_u64 << 30).to_be_bytes());
    head.extend_from_slice(&[1, 2, 3, 4]);
    giant.raw().write_all(&head).unwrap();
    let (code, reason) = giant.end();
    assert_eq!(code, 1009, "{reason}");
    // No frame at all.
    let mut garbage = unruly();
    garbage.raw().write_all(&[0xff; 512]).unwrap();
    assert_eq!(garbage.end().0, 1009);
    // A frame that is too long for us, whole.
    let mut long = unruly();
    long.say(&format!("{{\"subscribe\":[\"{}\"]}}", "x".repeat(5_000)));
    assert_eq!(long.end().0, 1009);
    let mut binary = unruly();
    binary.say_bytes(vec![1, 2, 3]);
    assert_eq!(binary.end().0, 1003);
    let mut flood = unruly();
    for _ in 0..100 {
        let text = tungstenite::Message::text("{}");
        // It may be cut off while it still talks.
        let _ = flood.try_say(text);
    }
    let (code, reason) = flood.end();
    assert_eq!(code, 1008, "{reason}");
    assert!(reason.contains("too many"), "{reason}");
    // Whoever leaves without a word has left.
    drop(unruly());
    wait_for("the counts", || {
        let ended = |why: &str| {
            let line = format!("fulcrum_stream_ended_total{{reason=\"{why}\"}}");
            metric(&control, &line)
        };
        ended("unruly") == 5 && ended("left") == 1
    });
    assert_eq!(metric(&control, "fulcrum_stream_clients"), 1);
    innocent.hear_until(|message| message["kind"] == "delta");
}

#[test]
fn whoever_answers_no_ping_is_gone() {
    let (_state, _hot_path, control) = set_up("stream-silent");
    let port = control.api_port();
    let begun = Instant::now();
    let mut half_open = mute(port, "?topics=status");
    let said = take_all(&mut half_open);
    let waited = begun.elapsed();
    assert!(waited > Duration::from_secs(19), "{waited:?}");
    assert!(waited < Duration::from_secs(29), "{waited:?}");
    let reason = b"silent: no answer to a ping";
    assert!(said.windows(reason.len()).any(|part| part == reason));
    let ended = "fulcrum_stream_ended_total{reason=\"silent\"}";
    wait_for("the count", || metric(&control, ended) == 1);
}

#[test]
fn there_are_so_many_places_and_each_is_given_back() {
    let (state, _hot_path, control) = set_up("stream-places");
    let port = control.api_port();
    let mut all: Vec<Listener> = (0..256).map(|_| Listener::open(port, "")).collect();
    let refused = Listener::with(port, "", &[]).err();
    assert_eq!(refused.map(|(status, _)| status), Some(503));
    assert_eq!(metric(&control, "fulcrum_stream_refused_total"), 1);
    // The others go on, and so does who sits at the machine.
    assert_eq!(Client::of(&control).get("/health/live").status, 200);
    Client::of(&control).run(&state, &["instruments"]);
    all.pop();
    wait_for("a place", || Listener::with(port, "", &[]).is_ok());
}
