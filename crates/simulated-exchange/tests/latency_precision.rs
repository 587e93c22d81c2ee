//! Delays below the whole milliseconds of the runtime's timers.
//!
//! In: requests, one after the other, in a process that does nothing else. Out: passes, or the time
//! that the best of them took. Never: a sleep.

mod support;

use std::time::{Duration, Instant};

use support::{open, start};

#[tokio::test]
async fn half_a_millisecond_is_not_rounded_to_a_whole_one() {
    let bases = start(&["--latency", "order=0.5", "--no-limits"]).await;
    let mut api = open(bases.usdm, "/ws-fapi/v1").await;
    let mut best = Duration::MAX;
    // Others have the processor, too: one batch of many that they let alone is enough.
    for _ in 0..40 {
        let begun = Instant::now();
        for _ in 0..10 {
            api.send("{\"id\":1,\"method\":\"session.status\",\"params\":{}}")
                .await;
            assert_eq!(api.next().await["status"], 200);
        }
        best = best.min(begun.elapsed() / 10);
    }
    assert!(best >= Duration::from_micros(500), "{best:?}");
    assert!(best < Duration::from_micros(1_400), "{best:?}");
}
