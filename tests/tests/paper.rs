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

/// A position that is held, with an exit that rests.
const HOLDER: &str = "[hot_path]\nengine_wait = \"yield\"\n\
    [[strategy]]\nkind = \"imbalance\"\nentry = \"taker\"\nbuy_above_ratio = 1.2\n\
    sell_below_ratio = 0.8\ntake_profit_bps = 50\nstop_loss_bps = 80\non_flip = \"hold\"\n\
    signal_exit_after_ms = 3000000\ntime_exit_after_ms = 3600000\n";

const SYNCED: &str = "fulcrum_paper_venue_synced{market=\"usdm\",symbol=\"BTCUSDT\"} ";

/// A rig whose exchange is the followed one.
struct Paper {
    rig: Rig,
    /// Base of the paper exchange's control API.
    sim: String,
}

impl Paper {
    fn new(name: &str) -> Self {
        Self::with(name, LINES)
    }

    /// With a strategy of its own.
    fn with(name: &str, lines: &str) -> Self {
        let rig = Rig::new(name, "BTCUSDT", lines);
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

    /// Switches a fault of the paper exchange on.
    fn inject(&self, fault: &str) {
        let fault = serde_json::json!({ "fault": fault });
        let sent = ureq::post(format!("{}/fault", self.sim)).send_json(fault);
        sent.expect("the paper exchange lives");
    }

    /// Kills the paper exchange, and waits until the next one has its market.
    fn kill_venue(&self) {
        let pid = self.venue()["pid"].as_i64().expect("control started it");
        let pid = Pid::from_raw(i32::try_from(pid).expect("a pid")).expect("a pid");
        kill_process(pid, Signal::KILL).expect("it runs");
        wait_for("a restart", Duration::from_secs(60), || {
            self.rig.figure("fulcrum_paper_venue_restarts_total ") == Some(1.0)
        });
        self.wait_until_synced();
    }

    /// Waits until the hot path agrees with the exchange and knows the fate of every order.
    fn wait_until_certain(&self) {
        wait_for("the hot path is back", Duration::from_secs(120), || {
            let status = self.rig.status();
            let up = |what: &str| status[what] == true;
            up("market_stream_up") && up("user_stream_up") && up("reconciled")
        });
        let unknown = "SELECT count(*) FROM orders WHERE certainty = 'UNKNOWN'";
        wait_for("every fate", Duration::from_secs(60), || {
            number(&self.rig, unknown) == 0
        });
    }

    /// Pauses entries; then both sides have the same position and as many open orders.
    fn assert_agreement(&self) {
        let said = self.rig.fulcrum(&["pause"]);
        assert_eq!(said.code, Some(0), "{said:?}");
        wait_for("agreement", Duration::from_secs(60), || {
            let truth = self.ask("account");
            let ours = self.rig.fulcrum(&["positions"]).reply;
            let theirs = &truth["positions"][0]["quantity"];
            let open = truth["open_orders"].as_array().map(Vec::len);
            let same = self.rig.status()["orders_open"].as_u64() == open.map(|open| open as u64);
            same && ours["positions"][0]["quantity"] == *theirs
        });
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

/// Killed with open orders and a position, it is started again and knows them: the hot path reconciles,
/// nothing stays UNKNOWN, and both agree.
#[test]
fn a_paper_exchange_that_is_killed_comes_back_with_its_orders_and_positions() {
    let mut paper = Paper::with("paper-dies", HOLDER);
    paper.start();
    wait_for("a position and orders", Duration::from_secs(240), || {
        let truth = paper.ask("account");
        let open = truth["open_orders"]
            .as_array()
            .is_some_and(|all| !all.is_empty());
        open && truth["positions"][0]["quantity_lots"].as_i64() != Some(0)
    });
    let known = paper.ask("history");
    paper.kill_venue();
    paper.wait_until_certain();
    let after = paper.ask("history");
    assert_continues(&known, &after);
    paper.assert_agreement();
    let held = paper.ask("account")["positions"][0]["quantity_lots"].clone();
    assert_ne!(held, 0, "the position is held on");
    let restarts = paper.rig.figure("fulcrum_paper_venue_restarts_total ");
    assert_eq!(restarts, Some(1.0));
    assert_eq!(paper.end_control(), Some(0));
}

/// An order was matched, its answer got lost, and the exchange was killed: it is known afterwards.
#[test]
fn an_order_whose_answer_was_lost_is_known_after_a_kill() {
    let mut paper = Paper::new("paper-lost");
    paper.start();
    wait_for("orders", Duration::from_secs(120), || {
        paper.ask("account")["orders"].as_i64() >= Some(2)
    });
    let known = paper.ask("history");
    paper.inject("ack-lost:1");
    wait_for("a lost answer", Duration::from_secs(120), || {
        paper.ask("stats")["faults_injected"].as_i64() == Some(1)
            && paper.ask("history")["orders"] != known["orders"]
            && paper.ask("faults")["waiting"] == serde_json::json!([])
    });
    let known = paper.ask("history");
    paper.kill_venue();
    paper.wait_until_certain();
    assert_continues(&known, &paper.ask("history"));
    let ever = "SELECT count(*) FROM orders WHERE ever_unknown = 1";
    assert!(
        number(&paper.rig, ever) >= 1,
        "its fate was unknown for a while"
    );
    paper.assert_agreement();
    assert_eq!(paper.end_control(), Some(0));
}

/// Every order and fill that there was is there, and no final order has changed.
fn assert_continues(known: &Value, after: &Value) {
    let all = |value: &Value, what: &str| value[what].as_array().cloned().unwrap_or_default();
    let now = all(after, "orders");
    for order in all(known, "orders") {
        let id = &order["order_id"];
        let same = now.iter().find(|one| one["order_id"] == *id);
        let same = same.unwrap_or_else(|| panic!("forgotten: {order}"));
        assert_eq!(same["client_order_id"], order["client_order_id"]);
        assert!(same["filled_lots"].as_i64() >= order["filled_lots"].as_i64());
        assert!(
            order["final"] == false || same == &order,
            "{order} became {same}"
        );
    }
    let now = all(after, "fills");
    for fill in all(known, "fills") {
        assert!(now.contains(&fill), "forgotten: {fill}");
    }
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
