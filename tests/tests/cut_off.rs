//! An order connection that is cut and refused while REST is alive, on real processes and sockets.
//!
//! In: a resting order, a proxy that resets every order connection. Out: the order is gone at the
//! exchange, by REST. Never: a look inside.

use serde_json::Value;
use std::time::{Duration, Instant};
use tests::fault_proxy::{Fault, Line};
use tests::rig::Rig;
use tests::wait_for;

const SOON: Duration = Duration::from_secs(60);

/// Three seconds in which it may come back; the rest is for a machine under load.
const GONE: Duration = Duration::from_secs(8);

/// One order far from the touch, which its strategy leaves alone for much longer than the test waits.
const DUMMY: &str = "[[strategy]]\nkind = \"dummy\"\ninterval_ms = 60000\nrest_ms = 59000\n\
                     distance_bps = \"80\"\n";

fn resting(rig: &Rig) -> Vec<Value> {
    let account = rig.account();
    account["open_orders"]
        .as_array()
        .cloned()
        .unwrap_or_default()
}

fn figure(rig: &Rig, name: &str) -> f64 {
    rig.figure(&format!("fulcrum_{name} ")).unwrap_or(-1.0)
}

fn connected(rig: &Rig) -> bool {
    figure(rig, "ws_connected{market=\"usdm\",stream=\"orders\"}") == 1.0
}

#[test]
fn a_resting_entry_is_cancelled_over_rest_while_the_order_connection_stays_away() {
    for io in ["inline", "threads"] {
        let lines = format!("[hot_path]\nhot_io = \"{io}\"\nengine_wait = \"yield\"\n{DUMMY}");
        let mut rig = Rig::proxied(&format!("cut-off-{io}"), "BTCUSDT", &lines);
        rig.start_hot_path();
        rig.start_control();
        wait_for("an order rests, control watches", SOON, || {
            resting(&rig).len() == 1 && connected(&rig)
        });
        let proxy = rig.proxy.as_ref().expect("the plan wanted one");
        proxy.set(&[Line::Orders], Fault::Reset);
        let begun = Instant::now();
        wait_for("it is gone at the exchange", GONE, || {
            resting(&rig).is_empty()
        });
        println!("{io}: gone {:?} after the cut", begun.elapsed());
        wait_for("its end is known", SOON, || {
            let status = rig.status();
            status["orders_open"] == 0 && status["orders_unknown"] == 0
        });
        let over_rest = "orders_over_rest_total{market=\"usdm\",op=\"cancel\"}";
        wait_for("it is counted", SOON, || figure(&rig, over_rest) >= 1.0);
        assert!(!connected(&rig), "{io}: the order connection is still away");
        let proxy = rig.proxy.as_ref().expect("the plan wanted one");
        proxy.heal();
        wait_for("it is back", SOON, || connected(&rig));
    }
}
