//! What the service manager, the log and a log server hear of real processes.
//!
//! In: a notify socket, a log server, a simulated exchange. Out: ready, signs of life, events with
//! every field that the catalogue promises. Never: a played process.

use serde_json::Value;
use service::events;
use std::collections::BTreeMap;
use std::io::Read as _;
use std::net::TcpListener;
use std::os::unix::net::UnixDatagram;
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tests::rig::{Process, Rig};
use tests::wait_for;

const LINES: &str = "[log]\nformat = \"json\"\nsyslog = \"tcp://SERVER\"\n\
    [hot_path]\nengine_wait = \"yield\"\n\
    [[strategy]]\nkind = \"imbalance\"\nentry = \"taker\"\nbuy_above_ratio = 1.02\n\
    sell_below_ratio = 0.98\ntime_exit_after_ms = 500\nsignal_exit_after_ms = 0\ncooldown_ms = 0\n";

/// Everything that comes, as it comes.
type Heard = Arc<Mutex<String>>;

fn listen_for_words(rig: &Rig) -> (std::path::PathBuf, Heard) {
    let path = rig.state_dir.join("notify.sock");
    let socket = UnixDatagram::bind(&path).expect("a socket under target");
    let heard = Heard::default();
    let kept = Arc::clone(&heard);
    std::thread::spawn(move || {
        let mut buffer = [0; 4_096];
        while let Ok(length) = socket.recv(&mut buffer) {
            let words = String::from_utf8_lossy(&buffer[..length]).into_owned();
            kept.lock().expect("a test").push_str(&words);
        }
    });
    (path, heard)
}

fn serve_log() -> (String, Heard) {
    let server = TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = server.local_addr().expect("an address").to_string();
    let heard = Heard::default();
    let kept = Arc::clone(&heard);
    std::thread::spawn(move || {
        while let Ok((mut stream, _)) = server.accept() {
            let mut buffer = [0; 4_096];
            while let Ok(length @ 1..) = stream.read(&mut buffer) {
                let text = String::from_utf8_lossy(&buffer[..length]).into_owned();
                kept.lock().expect("a test").push_str(&text);
            }
        }
    });
    (address, heard)
}

fn heard(heard: &Heard) -> String {
    heard.lock().expect("a test").clone()
}

/// Events of a log of JSON lines, by name.
fn told(log: &str) -> BTreeMap<String, Value> {
    // The last line may still be being written.
    let lines = log
        .lines()
        .filter_map(|line| serde_json::from_str::<Value>(line).ok());
    let events = lines.filter_map(|line| Some((line["event"].as_str()?.to_string(), line)));
    events.collect()
}

#[test]
fn ready_alive_and_told_as_the_catalogue_promises() {
    let (server, log) = serve_log();
    let mut rig = Rig::new("supervision", "BTCUSDT", &LINES.replace("SERVER", &server));
    let (path, words) = listen_for_words(&rig);
    rig.environment = vec![
        ("NOTIFY_SOCKET", path.into_os_string()),
        ("WATCHDOG_USEC", "2000000".into()),
    ];
    rig.start_control();
    wait_for("control is ready", Duration::from_secs(30), || {
        heard(&words).contains("READY=1")
    });
    words.lock().expect("a test").clear();
    rig.start_hot_path();
    wait_for("the hot path is ready", Duration::from_secs(60), || {
        heard(&words).contains("READY=1")
    });
    wait_for("what both say", Duration::from_secs(30), || {
        let words = heard(&words);
        let lives = words.matches("WATCHDOG=1").count();
        lives > 8 && words.contains("STATUS=ACTIVE (") && words.contains("STATUS=ACTIVE, drains")
    });
    let wanted = [
        events::ORDER_PLACED,
        events::ORDER_FINAL,
        events::FILL,
        events::TRADE_CLOSED,
        events::STATE_CHANGED,
        events::RECONCILED,
        events::STREAM_UP,
    ];
    wait_for("events", Duration::from_secs(60), || {
        let told = told(&rig.log("control.log"));
        wanted.iter().all(|name| told.contains_key(*name))
    });
    let said = rig.fulcrum(&["kill", "--no-wait"]);
    assert_eq!(said.code, Some(0), "{said:?}");
    wait_for("the kill is told", Duration::from_secs(30), || {
        told(&rig.log("control.log")).contains_key(events::KILL)
    });
    for (name, line) in told(&rig.log("control.log")) {
        let event = events::named(&name).unwrap_or_else(|| panic!("{name} is in no catalogue"));
        for field in event.fields {
            assert!(line.get(field).is_some(), "{name} without {field}: {line}");
        }
    }
    wait_for("the log server has it", Duration::from_secs(10), || {
        let log = heard(&log);
        log.contains(" FILL [fulcrum@32473 ") && log.contains(" KILL [fulcrum@32473 ")
    });
    words.lock().expect("a test").clear();
    assert_eq!(rig.terminate(Process::HotPath), Some(0));
    assert_eq!(rig.terminate(Process::Control), Some(0));
    for line in rig.log("control.log").lines() {
        assert!(serde_json::from_str::<Value>(line).is_ok(), "{line}");
    }
    let stopping = heard(&words).matches("STOPPING=1").count();
    assert_eq!(stopping, 2, "{}", heard(&words));
}
