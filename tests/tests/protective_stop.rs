//! The stop at the exchange, on real processes and sockets.
//!
//! In: positions, processes that are killed, a price that moves. Out: an account that is flat by the
//! exchange's own word although nobody was there, no stop that is left over. Never: a look inside.

use serde_json::Value;
use std::time::Duration;
use tests::rig::Rig;
use tests::wait_for;

const INLINE: &str = "[hot_path]\nhot_io = \"inline\"\nengine_wait = \"yield\"\n";
const THREADS: &str = "[hot_path]\nhot_io = \"threads\"\nengine_wait = \"yield\"\n";

/// Nothing else trades: orders of the strategy lie far away.
const DUMMY: &str = "[[strategy]]\nkind = \"dummy\"\ninterval_ms = 60000\nrest_ms = 500\n\
                     distance_bps = 80\n[protective_stop]\ncheck_every_s = 10\n";

const SOON: Duration = Duration::from_secs(30);

/// Client ids and symbols of the conditional orders that lie at the exchange.
fn lying(rig: &Rig) -> Vec<(String, String)> {
    let account = rig.account();
    let all = account["algo_orders"]
        .as_array()
        .expect("conditional orders");
    let text = |one: &Value, name: &str| one[name].as_str().expect("a text").to_string();
    all.iter()
        .map(|one| (text(one, "client_algo_id"), text(one, "symbol")))
        .collect()
}

fn ours(rig: &Rig) -> usize {
    let stops = lying(rig);
    let ours = stops
        .iter()
        .filter(|(id, _)| id.starts_with("fulcrum-stop-"));
    ours.count()
}

fn held(rig: &Rig) -> i64 {
    rig.account()["positions"][0]["quantity_lots"]
        .as_i64()
        .expect("lots")
}

/// The line of `fulcrum positions`.
fn shown(rig: &Rig) -> Value {
    rig.fulcrum(&["positions"]).reply["positions"][0].clone()
}

fn buy_and_wait_for_the_stop(rig: &Rig, id: &str) {
    rig.buy("BTCUSDT", "0.014", id);
    wait_for("a stop lies there", SOON, || ours(rig) == 1);
    wait_for("and is shown", SOON, || {
        let line = shown(rig);
        line["protective_stop"]
            .as_str()
            .is_some_and(|price| !price.is_empty())
    });
}

#[test]
fn a_position_outlives_its_process_under_its_stop_and_what_is_left_over_is_swept() {
    for (name, io) in [("stop-inline", INLINE), ("stop-threads", THREADS)] {
        let mut rig = Rig::new(name, "BTCUSDT,ETHUSDT,SOLUSDT", &format!("{io}{DUMMY}"));
        rig.start_hot_path();
        buy_and_wait_for_the_stop(&rig, "other-1");
        let line = shown(&rig);
        let number = |name: &str| line[name].as_str().and_then(|text| text.parse().ok());
        let (entry, stop): (Option<f64>, Option<f64>) =
            (number("entry_price"), number("protective_stop"));
        let share = stop.expect("a price") / entry.expect("a price");
        assert!((share - 0.99).abs() < 0.0001, "{line:#}");
        rig.kill_both();
        assert_eq!((held(&rig), ours(&rig)), (14, 1));
        rig.inject("mark-shift:-200");
        wait_for("the exchange closes the position", SOON, || held(&rig) == 0);
        assert_eq!(lying(&rig), []);
        rig.inject("mark-shift:0");
        // Left over from another life, on a symbol that is traded and on one that is not.
        rig.place_stop("BTCUSDT", "20000.0", "fulcrum-stop-left-1");
        rig.place_stop("ETHUSDT", "1000.00", "fulcrum-stop-left-2");
        rig.place_stop("SOLUSDT", "10.00", "other-stop");
        rig.start_hot_path();
        wait_for("orphans are swept", SOON, || ours(&rig) == 0);
        let other = ("other-stop".to_string(), "SOLUSDT".to_string());
        assert_eq!(lying(&rig), [other]);
        let line = shown(&rig);
        let flat = (&line["quantity"], &line["protective_stop"]);
        assert_eq!(flat, (&"0.000".into(), &"".into()), "{line:#}");
        assert_eq!(rig.status()["reconciled"], true);
    }
}

#[test]
fn a_stop_that_triggers_is_booked_and_a_kill_or_a_flatten_takes_stops_away() {
    let mut rig = Rig::new("stop-triggers", "BTCUSDT", &format!("{INLINE}{DUMMY}"));
    rig.start_hot_path();
    buy_and_wait_for_the_stop(&rig, "other-1");
    rig.inject("mark-shift:-200");
    wait_for("the exchange closes the position", SOON, || held(&rig) == 0);
    wait_for("the books agree", SOON, || {
        let line = shown(&rig);
        line["quantity"] == "0.000" && line["protective_stop"] == ""
    });
    rig.inject("mark-shift:0");
    wait_for("it is told", SOON, || {
        let log = std::fs::read_to_string(rig.state_dir.join("hotpath.log"));
        log.is_ok_and(|log| log.contains("PROTECTIVE_STOP") && log.contains("TRIGGERED"))
    });
    buy_and_wait_for_the_stop(&rig, "other-2");
    // Nobody is there any more: the emergency binary takes both.
    rig.kill_both();
    assert_eq!(ours(&rig), 1);
    let said = rig.flatten(&[]);
    assert_eq!(said.code, Some(0), "{said:?}");
    assert_eq!((held(&rig), lying(&rig)), (0, Vec::new()));
}
