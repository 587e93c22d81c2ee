//! Instruments that the exchange lists otherwise than at the start, on real processes.
//!
//! In: an instrument that is halted, opened again, filtered otherwise. Out: no orders while it is
//! halted, trading when it is over, orders by the filters of now. Never: a restart to get there.

use serde_json::json;
use std::time::Duration;
use tests::rig::{Process, Rig};
use tests::wait_for;

/// Own orders that come and go far below the market: none fills.
const RESTING: &str = "[hot_path]\nengine_wait = \"yield\"\n\
    [[strategy]]\nkind = \"dummy\"\ninterval_ms = 300\nrest_ms = 250\ndistance_bps = 80\n";

const SOON: Duration = Duration::from_secs(30);

/// A halted instrument is looked at every half minute.
const NEXT_LOOK: Duration = Duration::from_secs(75);

fn figure(rig: &Rig, name: &str) -> f64 {
    rig.figure(&format!("fulcrum_{name} ")).unwrap_or(-1.0)
}

fn tradable(rig: &Rig) -> f64 {
    figure(
        rig,
        "instrument_tradable{market=\"usdm\",symbol=\"BTCUSDT\"}",
    )
}

fn denied(rig: &Rig, code: &str) -> f64 {
    figure(rig, &format!("orders_denied_total{{reason=\"{code}\"}}"))
}

fn orders(rig: &Rig) -> u64 {
    rig.account()["orders_total"].as_u64().expect("a count")
}

fn trades(rig: &Rig) {
    let before = orders(rig);
    wait_for("orders are placed", NEXT_LOOK, || orders(rig) > before + 2);
}

#[test]
fn a_halt_and_new_filters_are_noticed_without_a_restart_and_a_start_in_a_halt_waits_for_its_end() {
    let mut rig = Rig::new("listing", "BTCUSDT", RESTING);
    rig.start_hot_path();
    rig.start_control();
    trades(&rig);
    assert_eq!(tradable(&rig), 1.0);
    // The first refused order has the list looked at.
    rig.list("BTCUSDT", json!({"status": "NOT_TRADING"}));
    wait_for("the halt is known", SOON, || tradable(&rig) == 0.0);
    wait_for("nothing is sent any more", SOON, || {
        denied(&rig, "INSTRUMENT_NOT_TRADABLE") > 0.0
    });
    let sent = orders(&rig);
    let refused = denied(&rig, "INSTRUMENT_NOT_TRADABLE");
    wait_for("the strategy goes on asking", SOON, || {
        denied(&rig, "INSTRUMENT_NOT_TRADABLE") > refused
    });
    assert_eq!(orders(&rig), sent);
    let log = rig.log("hotpath.log");
    assert!(
        log.contains("INSTRUMENT_NOT_TRADABLE usdm BTCUSDT"),
        "{log}"
    );
    // A life that begins in the halt is reconciled, and trades when it is over.
    rig.kill(Process::HotPath);
    rig.start_hot_path();
    wait_for("the new life knows", SOON, || tradable(&rig) == 0.0);
    rig.list("BTCUSDT", json!({"status": "TRADING"}));
    wait_for("the end of the halt is known", NEXT_LOOK, || {
        tradable(&rig) == 1.0
    });
    trades(&rig);
    // Filters that the start did not know: refused by the exchange, then the strategy places what
    // they ask for, as far as risk lets it.
    rig.list("BTCUSDT", json!({"minimum_notional": 400}));
    trades(&rig);
    rig.list("BTCUSDT", json!({"minimum_notional": 4_000_000}));
    wait_for("more is asked for than risk allows", SOON, || {
        denied(&rig, "NOTIONAL_EXCEEDS_MAXIMUM") > 0.0
    });
    rig.kill_both();
}
