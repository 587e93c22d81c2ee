//! Reconciliation on real processes: the first start on an account, and fills that nobody told.
//!
//! In: an exchange with positions and orders of somebody else, one that loses private events. Out:
//! refusals that say what to do, a ledger with the exchange's own trades. Never: a look inside.

use rusqlite::{Connection, OpenFlags};
use serde_json::Value;
use std::cell::Cell;
use std::collections::BTreeMap;
use std::time::{Duration, Instant};
use tests::rig::{Process, Rig};
use tests::wait_for;

const HOT_PATH: &str = "[hot_path]\nengine_wait = \"yield\"\n";

/// Own orders that come and go, and fill.
const BUSY: &str =
    "[[strategy]]\nkind = \"dummy\"\ninterval_ms = 400\nrest_ms = 350\ndistance_bps = 0\n";

#[test]
fn a_first_start_on_an_account_in_use_is_refused_until_a_person_has_decided() {
    let lines = format!("{HOT_PATH}first_start = \"refuse\"\n");
    let mut rig = Rig::new("first-start", "BTCUSDT,ETHUSDT", &lines);
    rig.buy("BTCUSDT", "0.014", "web-1");
    rig.place_resting("BTCUSDT", "60000.0", "0.002", "web-2");
    rig.place_stop("BTCUSDT", "20000.0", "web-stop");
    let before = rig.account();
    rig.launch(Process::HotPath);
    wait_for("the refusal", Duration::from_secs(120), || {
        rig.status()["reason"] == "FIRST_START"
    });
    let status = rig.status();
    assert_eq!(status["state"], "HALTED", "{status:#}");
    let advice = status["advice"].as_str().expect("what to do");
    assert!(advice.contains("hot_path.first_start"), "{advice}");
    wait_for("a line of the log", Duration::from_secs(10), || {
        let text = rig.log("hotpath.log");
        text.contains("FIRST_START REFUSED") && text.contains("EXTERNAL conditional order web-stop")
    });
    for list in ["open_orders", "algo_orders"] {
        assert_eq!(rig.account()[list], before[list], "nothing is touched");
    }
    let marker = rig.state_dir.join("account-rig");
    assert!(!marker.exists(), "it is no known account");
    rig.kill_both();
    // A person decides: what is there is left to its owner.
    rig.reconfigure("\"refuse\"", "\"ignore\"");
    rig.start_hot_path();
    rig.wait_for_state("ACTIVE");
    let positions = rig.fulcrum(&["positions"]).reply;
    assert_eq!(
        positions["positions"][0]["quantity"], "0.000",
        "{positions:#}"
    );
    wait_for("the marker", Duration::from_secs(10), || marker.exists());
    assert!(rig.log("hotpath.log").contains("FIRST_START IGNORED"));
    rig.kill_both();
    // From now on the account is known, with the opening that is not ours.
    rig.reconfigure("\"ignore\"", "\"refuse\"");
    rig.start_hot_path();
    rig.wait_for_state("ACTIVE");
    let positions = rig.fulcrum(&["positions"]).reply;
    assert_eq!(
        positions["positions"][0]["quantity"], "0.000",
        "{positions:#}"
    );
    assert_eq!(rig.account()["open_orders"], before["open_orders"]);
    rig.kill_both();
    // Without the marker, and told to adopt, the position is ours.
    std::fs::remove_file(&marker).expect("it was written");
    rig.reconfigure("\"refuse\"", "\"adopt\"");
    rig.start_hot_path();
    let positions = rig.fulcrum(&["positions"]).reply;
    assert_eq!(
        positions["positions"][0]["quantity"], "0.014",
        "{positions:#}"
    );
    wait_for("the marker", Duration::from_secs(10), || marker.exists());
    rig.kill_both();
    // A marker that somebody has changed stops the start, and says what to do.
    let text = std::fs::read_to_string(&marker).expect("written again");
    let live = text.replace("mode paper", "mode live");
    assert_ne!(live, text);
    std::fs::write(&marker, live).expect("a file under target");
    rig.launch(Process::HotPath);
    assert_eq!(rig.hot_path_ends(), Some(78));
    assert!(rig.log("hotpath.log").contains("restore it, or remove it"));
}

/// Trade id to (price, quantity, fee), as the exchange lists them.
fn at_the_exchange(rig: &Rig) -> BTreeMap<i64, (String, String, String)> {
    let listed = rig.request("GET", "/fapi/v1/userTrades", "symbol=BTCUSDT&limit=1000");
    let rows = listed.as_array().expect("a list").iter();
    rows.map(|one| {
        let text = |key: &str| one[key].as_str().expect("a text").to_string();
        let fee = decimals(&text("commission"), 8);
        let id = one["id"].as_i64().expect("an id");
        (
            id,
            (decimals(&text("price"), 2), decimals(&text("qty"), 3), fee),
        )
    })
    .collect()
}

/// The same, as the ledger has them; fills that nobody can name have id 0.
fn in_the_ledger(rig: &Rig) -> BTreeMap<i64, (String, String, String)> {
    let path = rig.state_dir.join("ledger.sqlite");
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY;
    let Ok(ledger) = Connection::open_with_flags(path, flags) else {
        return BTreeMap::new();
    };
    let query = "SELECT trade_id, price, quantity, fee FROM fills_text";
    let Ok(mut statement) = ledger.prepare(query) else {
        return BTreeMap::new();
    };
    let rows = statement.query_map([], |row| {
        let text = |at: usize| row.get::<_, String>(at);
        let facts = (
            decimals(&text(1)?, 2),
            decimals(&text(2)?, 3),
            decimals(&text(3)?, 8),
        );
        Ok((row.get(0)?, facts))
    });
    rows.expect("a view of the ledger")
        .collect::<Result<_, _>>()
        .unwrap_or_default()
}

/// A decimal with just so many digits behind the point.
fn decimals(text: &str, digits: usize) -> String {
    let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
    format!("{whole}.{fraction:0<digits$}")
}

#[test]
fn fills_that_the_private_stream_lost_are_in_the_ledger_with_their_real_trades() {
    let mut rig = Rig::new("lost-fills", "BTCUSDT", &format!("{HOT_PATH}{BUSY}"));
    rig.start_hot_path();
    rig.start_control();
    wait_for("fills", Duration::from_secs(90), || {
        in_the_ledger(&rig).len() >= 3
    });
    rig.inject("drop-private:60");
    let lines = || {
        let log = rig.log("hotpath.log");
        log.matches("were fetched that nobody had told").count()
    };
    wait_for("trades are fetched", Duration::from_secs(120), || {
        lines() >= 2
    });
    // Nothing new comes any more, and what came is all there.
    assert_eq!(rig.fulcrum(&["pause"]).code, Some(0));
    // The exchange's list has its weight: it is asked for once in a while.
    let asked = Cell::new(Instant::now());
    wait_for("both sides agree", Duration::from_secs(120), || {
        if asked.get().elapsed() < Duration::from_secs(3) || !has_its_position(&rig) {
            return false;
        }
        asked.set(Instant::now());
        in_the_ledger(&rig) == at_the_exchange(&rig)
    });
    assert!(
        !in_the_ledger(&rig).contains_key(&0),
        "a fill without its trade"
    );
    let log = rig.log("hotpath.log");
    assert!(!log.contains("POSITION_MISMATCH ADOPTED"), "{log}");
}

/// The hot path shows the position that the exchange has.
fn has_its_position(rig: &Rig) -> bool {
    let account = rig.account();
    let held = account["positions"].as_array().into_iter().flatten();
    let lots = held
        .filter(|one| one["symbol"] == "BTCUSDT")
        .filter_map(|one| one["quantity_lots"].as_i64())
        .sum::<i64>();
    let ours = rig.fulcrum(&["positions"]).reply;
    let text = ours["positions"][0]["quantity"]
        .as_str()
        .map(str::to_string);
    let digits = text.unwrap_or_default().replace('.', "");
    let negative = digits.starts_with('-');
    let value = digits.trim_start_matches('-').parse::<i64>();
    let value = value.map(|value| if negative { -value } else { value });
    value == Ok(lots) || matches!(ours, Value::Null)
}

/// The account is known, and the configuration gets one more instrument, on which a person holds a
/// position: it stays the person's, and what was traded before goes on.
#[test]
fn an_instrument_that_is_added_later_leaves_what_a_person_holds_there_alone() {
    let lines = format!("{HOT_PATH}first_start = \"refuse\"\n");
    let mut rig = Rig::new("added", "BTCUSDT,ETHUSDT", &lines);
    rig.start_hot_path();
    rig.wait_for_state("ACTIVE");
    let marker = rig.state_dir.join("account-rig");
    wait_for("the marker", Duration::from_secs(30), || marker.exists());
    rig.kill_both();
    rig.buy("ETHUSDT", "0.5", "web-1");
    let held = |rig: &Rig| rig.account()["positions"][1]["quantity"].clone();
    assert_eq!(held(&rig), "0.500");
    let one = "[[instrument]]\nmarket = \"usdm\"\nsymbol = \"BTCUSDT\"\n";
    let more = "[[instrument]]\nmarket = \"usdm\"\nsymbol = \"ETHUSDT\"\n";
    rig.reconfigure(one, &format!("{one}\n{more}"));
    rig.start_hot_path();
    rig.wait_for_state("ACTIVE");
    wait_for("a line of the log", Duration::from_secs(30), || {
        rig.log("hotpath.log")
            .contains("0.500 of usdm ETHUSDT are not ours")
    });
    let positions = rig.fulcrum(&["positions"]).reply;
    assert_eq!(
        positions["positions"][1]["quantity"], "0.000",
        "{positions:#}"
    );
    assert_eq!(held(&rig), "0.500", "it is not closed");
    let none = serde_json::json!([]);
    assert_eq!(
        rig.account()["algo_orders"],
        none,
        "no stop of ours closes it"
    );
}
