//! Readers: each has a connection, and asks again and again.
//!
//! In: an address, how many, how often. Out: how fast the answers came. Never: a latency that is counted
//! from later than when the question was due.

use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};
use tests::load::latencies::{Latencies, Tally};

/// What a dashboard and its scripts ask.
const PATHS: [&str; 8] = [
    "/api/v1/engine/status",
    "/api/v1/engine/position",
    "/api/v1/engine/fills?limit=100",
    "/api/v1/risk",
    "/api/v1/signals",
    "/api/v1/engine/orders/history?limit=50",
    "/api/v1/engine/stats",
    "/api/v1/latency",
];

/// What they saw.
pub(crate) struct Read {
    pub(crate) answered: u64,
    pub(crate) refused: u64,
    pub(crate) latencies: Latencies,
}

pub(crate) fn run(api: &str, count: usize, every: Duration, time: Duration) -> Read {
    let tally = Arc::new(Tally::default());
    let began = Instant::now();
    let readers: Vec<_> = (0..count)
        .map(|reader| {
            let (base, tally) = (api.to_string(), Arc::clone(&tally));
            // Not all in the same moment.
            let offset = every * reader as u32 / count.max(1) as u32;
            thread::spawn(move || {
                let config = ureq::Agent::config_builder().http_status_as_error(false);
                let agent: ureq::Agent = config.build().into();
                for number in 0.. {
                    let due = began + offset + every * number;
                    if due.duration_since(began) >= time {
                        return;
                    }
                    thread::sleep(due.saturating_duration_since(Instant::now()));
                    let path = PATHS[(reader + number as usize) % PATHS.len()];
                    let answer = agent.get(format!("{base}{path}")).call();
                    let accepted = answer.is_ok_and(|mut answer| {
                        answer.body_mut().read_to_vec().is_ok() && answer.status() == 200
                    });
                    tally.answered(due.elapsed(), accepted);
                }
            })
        })
        .collect();
    for reader in readers {
        reader.join().expect("a reader does not break off");
    }
    let answered = tally.done();
    let done = tally.finish();
    Read {
        answered,
        refused: done.refused,
        latencies: done.latencies,
    }
}
