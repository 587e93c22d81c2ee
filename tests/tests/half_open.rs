//! A connection that is dead and does not say so, on real processes and sockets.
//!
//! In: a private stream and an order connection through which nothing passes any more. Out: both are
//! given up within seconds, the account is looked at, and trading goes on. Never: a look inside.

use std::time::{Duration, Instant};
use tests::fault_proxy::{Fault, Line};
use tests::rig::Rig;
use tests::wait_for;

const SOON: Duration = Duration::from_secs(30);

/// A ping after 3 s, an answer within 3 s; the rest is for a machine under load.
const NOTICED: Duration = Duration::from_secs(12);

fn figure(rig: &Rig, name: &str) -> f64 {
    rig.figure(&format!("fulcrum_{name} ")).unwrap_or(-1.0)
}

/// Connections of a stream that were given up because a ping was not answered.
fn given_up(rig: &Rig, stream: &str) -> f64 {
    figure(
        rig,
        &format!(
            "ws_reconnects_total{{market=\"usdm\",reason=\"ping_unanswered\",stream=\"{stream}\"}}"
        ),
    )
}

fn connected(rig: &Rig, stream: &str) -> bool {
    let name = format!("ws_connected{{market=\"usdm\",stream=\"{stream}\"}}");
    figure(rig, &name) == 1.0
}

fn incomes(rig: &Rig) -> f64 {
    let name = "api_responses_total{endpoint=\"/fapi/v1/income\",market=\"usdm\",status=\"2xx\"}";
    figure(rig, name)
}

fn reconciliations(rig: &Rig) -> f64 {
    figure(rig, "reconcile_runs_total{market=\"usdm\",result=\"ok\"}")
}

#[test]
fn a_half_open_private_stream_and_order_connection_are_replaced_within_seconds() {
    for io in ["inline", "threads"] {
        let lines = format!("[hot_path]\nhot_io = \"{io}\"\nengine_wait = \"yield\"\n");
        let mut rig = Rig::proxied(&format!("half-open-{io}"), "BTCUSDT", &lines);
        rig.start_hot_path();
        rig.start_control();
        let streams = [("private", Line::Private), ("orders", Line::Orders)];
        wait_for("both are up and the account is known", SOON, || {
            streams.iter().all(|(stream, _)| connected(&rig, stream)) && reconciliations(&rig) > 0.0
        });
        // The first look at the income comes ten seconds after the start: until then nothing but pings
        // and their answers has passed.
        wait_for("ten quiet seconds", SOON, || incomes(&rig) > 0.0);
        for (stream, _) in streams {
            assert_eq!(given_up(&rig, stream), 0.0, "{io}: {stream} lives");
        }
        for (stream, line) in streams {
            let before = reconciliations(&rig);
            let proxy = rig.proxy.as_ref().expect("the plan wanted one");
            proxy.set(&[line], Fault::HalfOpen);
            let begun = Instant::now();
            wait_for("it is given up", NOTICED, || given_up(&rig, stream) > 0.0);
            let noticed = begun.elapsed();
            proxy.heal();
            wait_for("it is back", SOON, || connected(&rig, stream));
            if line == Line::Private {
                wait_for("the account was looked at", SOON, || {
                    reconciliations(&rig) > before
                });
            }
            println!("{io}: {stream} noticed after {noticed:?}");
        }
    }
}
