//! The weekly drill of the kill, on real processes.
//!
//! In: a paper box that trades and holds something. Out: all of it gone, measured, written down,
//! and the box trading again. Never: a drill that ends a kill in earnest.

use serde_json::Value;
use std::time::Duration;
use tests::rig::Rig;
use tests::wait_for;

const LINES: &str = "[hot_path]\nengine_wait = \"yield\"\n\
                     [[strategy]]\nkind = \"dummy\"\ninterval_ms = 2000\nrest_ms = 1900\n";

fn box_with_key(name: &str) -> (Rig, String) {
    let rig = Rig::new(name, "BTCUSDT,ETHUSDT", LINES);
    let key = rig.state_dir.join("operator.pem").display().to_string();
    let output = rig
        .process("fulcrum")
        .args(["operator-key", "--out", &key])
        .output();
    let line = String::from_utf8(output.expect("it runs").stdout).expect("text");
    let text = std::fs::read_to_string(rig.configuration()).expect("the configuration");
    std::fs::write(rig.configuration(), format!("{text}\n{line}")).expect("the configuration");
    (rig, key)
}

fn drills(rig: &Rig) -> Vec<i64> {
    let ledger = rusqlite::Connection::open(rig.ledger()).expect("a ledger");
    let sql = "SELECT count FROM kill_steps WHERE act = 'DRILLED'";
    let mut statement = ledger.prepare(sql).expect("the table");
    let rows = statement.query_map([], |row| row.get(0)).expect("rows");
    rows.collect::<Result<_, _>>().expect("numbers")
}

#[test]
fn a_drill_kills_verifies_measures_and_trades_again() {
    let (mut rig, key) = box_with_key("drill");
    rig.start_control();
    rig.start_hot_path();
    wait_for("an own order", Duration::from_secs(60), || {
        rig.status()["orders_open"] == 1
    });
    // On a symbol that nobody closes before the drill does.
    rig.buy("ETHUSDT", "0.300", "other-1");
    rig.place_resting("ETHUSDT", "2500.00", "0.020", "other-2");
    let said = rig.fulcrum(&["drill", "--operator-key", &key]);
    assert_eq!(said.code, Some(0), "{said:?}");
    let times = &said.reply;
    println!("{times}");
    let number = |key: &str| {
        times[key]
            .as_u64()
            .unwrap_or_else(|| panic!("{key}: {times}"))
    };
    assert!(number("verified_ms") <= number("flat_ms"), "{times}");
    assert!(number("flat_ms") <= 5_000, "{times}");
    assert!(number("restored_ms") >= number("flat_ms"), "{times}");
    assert_eq!(times["durable"], true, "{times}");
    assert!(!rig.latch_file().exists());
    let account = rig.account();
    let orders = account["open_orders"].to_string();
    assert!(!orders.contains("other-2"), "{account:#}");
    wait_for("it trades again", Duration::from_secs(60), || {
        rig.account()["orders"].as_u64() > account["orders"].as_u64()
    });
    wait_for(
        "the drill is in the ledger",
        Duration::from_secs(30),
        || drills(&rig) == [i64::try_from(number("verified_ms")).expect("a short time")],
    );
}

#[test]
fn a_drill_is_refused_where_it_could_not_be_ended_and_ends_no_kill_in_earnest() {
    let mut rig = Rig::new("drill-refused", "BTCUSDT", LINES);
    rig.start_hot_path();
    rig.wait_for_state("ACTIVE");
    let code = |rig: &Rig| -> Value { rig.ask(r#"{"verb":"drill"}"#)["code"].clone() };
    assert_eq!(code(&rig), "NO_OPERATOR_KEY");
    assert_eq!(rig.status()["state"], "ACTIVE");
    drop(rig);
    let (mut rig, key) = box_with_key("drill-in-earnest");
    rig.start_hot_path();
    rig.wait_for_state("ACTIVE");
    assert_eq!(rig.fulcrum(&["pause"]).code, Some(0));
    rig.wait_for_state("REDUCING");
    assert_eq!(code(&rig), "NOT_ACTIVE");
    assert_eq!(rig.fulcrum(&["resume"]).code, Some(0));
    rig.wait_for_state("ACTIVE");
    // Somebody kills in earnest while a drill is under way.
    assert_eq!(rig.ask(r#"{"verb":"drill"}"#)["reply"], "killed");
    assert_eq!(rig.status()["kill"]["drill"], true);
    assert_eq!(rig.fulcrum(&["kill"]).code, Some(0));
    assert_eq!(rig.status()["kill"]["drill"], Value::Null);
    let zeros = "0".repeat(128);
    let line = format!(r#"{{"verb":"reset","nonce":"00","signature":"{zeros}","drill":true}}"#);
    let refused = rig.ask(&line);
    assert_eq!(refused["code"], "RESET_FAILED", "{refused}");
    assert_eq!(
        rig.fulcrum(&["drill", "--operator-key", &key]).code,
        Some(1)
    );
    assert_eq!(rig.status()["state"], "KILLED");
}
