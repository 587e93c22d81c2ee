//! What a log-on speaks for, and what it does not.
//!
//! In: a running exchange, a WebSocket API session. Out: passes, or who got in. Never: a sleep.

use crate::support::{open, start};
use serde_json::{Value, json};

fn ask(
    shared: &simulated_exchange::exchange::Shared,
    method: &str,
    extra: &[(&str, &str)],
) -> String {
    let mut params = json!({ "timestamp": shared.lock().clock.now().0 });
    for (name, value) in extra {
        params[*name] = Value::from(*value);
    }
    json!({ "id": method, "method": method, "params": params }).to_string()
}

#[tokio::test]
async fn a_log_on_speaks_for_its_own_key_only_and_ends_with_log_out() {
    // Without a registered key any signature will do; that one is asked for at all is the point.
    let bases = start(&[]).await;
    let mut socket = open(bases.usdm, "/ws-fapi/v1").await;
    let logon = [("apiKey", "own"), ("signature", "00")];
    socket
        .send(&ask(&bases.shared, "session.logon", &logon))
        .await;
    assert_eq!(socket.next().await["result"]["apiKey"], "own");
    for (key, status, code) in [
        (None, 200, Value::Null),
        (Some("own"), 200, Value::Null),
        (Some("other"), 400, Value::from(-1102)),
    ] {
        let extra: Vec<_> = key.map(|key| ("apiKey", key)).into_iter().collect();
        socket
            .send(&ask(&bases.shared, "account.balance", &extra))
            .await;
        let answer = socket.next().await;
        assert_eq!(answer["status"], status, "{key:?}: {answer}");
        assert_eq!(answer["error"]["code"], code, "{key:?}");
    }
    socket
        .send(&ask(&bases.shared, "session.logout", &[]))
        .await;
    assert_eq!(socket.next().await["result"]["apiKey"], Value::Null);
    socket
        .send(&ask(&bases.shared, "account.balance", &[]))
        .await;
    let answer = socket.next().await;
    assert_eq!(
        (&answer["status"], &answer["error"]["code"]),
        (&json!(401), &json!(-2014))
    );
}

#[tokio::test]
async fn on_spot_the_state_of_a_session_tells_whether_its_events_are_subscribed() {
    let bases = start(&[]).await;
    let mut socket = open(bases.spot, "/ws-api/v3").await;
    let logon = [("apiKey", "own"), ("signature", "00")];
    socket
        .send(&ask(&bases.shared, "session.logon", &logon))
        .await;
    assert_eq!(socket.next().await["result"]["userDataStream"], false);
    socket
        .send(&ask(&bases.shared, "userDataStream.subscribe", &[]))
        .await;
    assert_eq!(socket.next().await["result"]["subscriptionId"], 0);
    socket
        .send(&ask(&bases.shared, "session.status", &[]))
        .await;
    assert_eq!(socket.next().await["result"]["userDataStream"], true);
}
