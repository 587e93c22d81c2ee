//! Paper trading as it is meant: a real exchange is followed, and never hears of an order.
//!
//! In: an exchange A with a generated market, control that starts a paper exchange which follows A,
//! the hot path that trades there. Out: orders and fills in a ledger marked as paper's; A untouched.
//! Never: a process that outlives its test.

use ports::three_free_ports;
use rusqlite::{Connection, OpenFlags};
use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;
use std::time::Duration;
use tests::rig::{Process, Rig};
use tests::wait_for;

/// Own orders that fill.
const LINES: &str = "[hot_path]\nengine_wait = \"yield\"\n\
    [[strategy]]\nkind = \"dummy\"\ninterval_ms = 400\nrest_ms = 350\ndistance_bps = 0\n";

const SYNCED: &str = "fulcrum_paper_venue_synced{market=\"usdm\",symbol=\"BTCUSDT\"} ";

/// A rig whose exchange is the followed one.
struct Paper {
    rig: Rig,
    /// Base of the paper exchange's control API.
    sim: String,
}

impl Paper {
    fn new(name: &str) -> Self {
        let rig = Rig::new(name, "BTCUSDT", LINES);
        let port = three_free_ports();
        let text = std::fs::read_to_string(rig.configuration()).expect("the configuration");
        let line = text.lines().find(|line| line.starts_with("usdm_rest_url"));
        let followed = line.and_then(|line| line.split('"').nth(1)).expect("a URL");
        let address = followed.trim_start_matches("http://").to_string();
        rig.reconfigure(&address, &format!("127.0.0.1:{port}"));
        let section = format!("[paper]\nfollow_usdm_url = \"http://{address}\"\n\n[control]");
        rig.reconfigure("[control]", &section);
        Self {
            rig,
            sim: format!("http://127.0.0.1:{}/sim/v1", port + 2),
        }
    }

    fn start(&mut self) {
        self.rig.start_control();
        self.wait_until_synced();
        self.rig.start_hot_path();
    }

    fn wait_until_synced(&self) {
        wait_for("the followed book", Duration::from_secs(60), || {
            self.rig.figure(SYNCED) == Some(1.0)
        });
    }

    /// An answer of the paper exchange's control API; null while it is not there.
    fn ask(&self, what: &str) -> Value {
        let answer = ureq::get(format!("{}/{what}", self.sim)).call();
        let body = answer
            .ok()
            .and_then(|mut one| one.body_mut().read_json().ok());
        body.unwrap_or_default()
    }

    fn venue(&self) -> Value {
        self.rig.stats()["paper_venue"].clone()
    }

    fn end_control(&mut self) -> Option<i32> {
        self.rig.terminate(Process::Control)
    }
}

impl Drop for Paper {
    fn drop(&mut self) {
        // A killed control would leave the paper exchange behind.
        let _ = self.end_control();
    }
}

/// One number of the ledger.
fn number(rig: &Rig, sql: &str) -> i64 {
    word(rig, sql).parse().unwrap_or(-1)
}

fn word(rig: &Rig, sql: &str) -> String {
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY;
    let ledger = Connection::open_with_flags(rig.ledger(), flags);
    let sql = format!("SELECT CAST(({sql}) AS TEXT)");
    let read = ledger.and_then(|ledger| ledger.query_row(&sql, [], |row| row.get(0)));
    read.unwrap_or_default()
}

#[test]
fn the_hot_path_trades_on_a_followed_market_and_the_followed_exchange_sees_no_order() {
    let mut paper = Paper::new("paper-follows");
    paper.start();
    wait_for("fills", Duration::from_secs(120), || {
        number(&paper.rig, "SELECT count(*) FROM fills") >= 4
    });
    let truth = paper.ask("account");
    assert!(truth["fills"].as_i64() >= Some(4), "{truth}");
    let theirs = paper.rig.history();
    assert_eq!(theirs["orders"], serde_json::json!([]), "A sees no order");
    let mode = "SELECT value FROM meta WHERE key = 'mode'";
    assert_eq!(word(&paper.rig, mode), "paper");
    assert_eq!(paper.rig.figure("fulcrum_paper_venue_up "), Some(1.0));
    assert_eq!(paper.end_control(), Some(0));
    assert_eq!(
        paper.ask("state"),
        Value::Null,
        "the venue ends with control"
    );
}

#[test]
fn a_dead_paper_exchange_is_started_again() {
    let mut paper = Paper::new("paper-dies");
    paper.start();
    let pid = paper.venue()["pid"].as_i64().expect("control started it");
    let pid = Pid::from_raw(i32::try_from(pid).expect("a pid")).expect("a pid");
    kill_process(pid, Signal::KILL).expect("it runs");
    wait_for("a restart", Duration::from_secs(60), || {
        paper.rig.figure("fulcrum_paper_venue_restarts_total ") == Some(1.0)
    });
    paper.wait_until_synced();
    // It has forgotten everything; whether an order was in flight when it died, and is UNKNOWN now,
    // is chance.
    wait_for("the hot path is back", Duration::from_secs(120), || {
        let status = paper.rig.status();
        let up = |what: &str| status[what] == true;
        up("market_stream_up") && up("user_stream_up") && up("reconciled")
    });
    assert_eq!(paper.end_control(), Some(0));
}

/// A control that is killed leaves the venue running; the next one takes it over.
#[test]
fn the_next_control_finds_the_venue_that_the_last_one_started() {
    let mut paper = Paper::new("paper-adopted");
    paper.rig.start_control();
    paper.wait_until_synced();
    let pid = paper.venue()["pid"].as_i64().expect("control started it");
    let pid = Pid::from_raw(i32::try_from(pid).expect("a pid")).expect("a pid");
    paper.rig.kill(Process::Control);
    paper.rig.start_control();
    paper.wait_until_synced();
    let venue = paper.venue();
    let ended = paper.end_control();
    let alive = paper.ask("state");
    kill_process(pid, Signal::KILL).expect("the venue outlives a control that found it");
    assert_eq!(
        (&venue["pid"], &venue["restarts"]),
        (&Value::Null, &Value::from(0))
    );
    assert_eq!(ended, Some(0));
    assert_ne!(alive, Value::Null);
}
