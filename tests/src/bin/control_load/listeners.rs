//! Listeners: each follows a book over a stream of its own.
//!
//! In: an address, how many, for how long. Out: how old updates were, how many each got. Never: an
//! update that is counted twice.

use futures_util::StreamExt as _;
use serde_json::Value;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};
use tests::load::latencies::{Latencies, Tally};
use tokio_tungstenite::connect_async;

/// What they heard.
pub(crate) struct Heard {
    /// Those that listened to the end.
    pub(crate) listeners: usize,
    /// Updates a second of the one that got fewest.
    pub(crate) slowest_hz: f64,
    /// Numbers that were left out.
    pub(crate) gaps: u64,
    /// From when control made an update until it was here.
    pub(crate) ages: Latencies,
}

pub(crate) fn run(api: &str, count: usize, time: Duration) -> Heard {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .expect("a runtime");
    let mut answer = ureq::get(format!("{api}/api/v1/engine/stream"))
        .call()
        .expect("control answers");
    let offer: Value = answer.body_mut().read_json().expect("JSON");
    let book = offer["topics"].as_array().into_iter().flatten();
    let mut book = book
        .filter_map(Value::as_str)
        .filter(|name| name.starts_with("book:"));
    let book = book.next().expect("a book is among the topics");
    let stream = format!("{}/api/v1/engine/stream", api.replace("http://", "ws://"));
    let url = format!("{stream}?topics={book}");
    let tally = Arc::new(Tally::default());
    let done = runtime.block_on(async {
        let all: Vec<_> = (0..count)
            .map(|_| tokio::spawn(listen(url.clone(), time, Arc::clone(&tally))))
            .collect();
        let mut done = Vec::new();
        for one in all {
            done.push(one.await.expect("a listener does not break off"));
        }
        done
    });
    let whole: Vec<(u64, u64)> = done.into_iter().flatten().collect();
    let fewest = whole.iter().map(|(updates, _)| *updates).min();
    Heard {
        listeners: whole.len(),
        slowest_hz: fewest.unwrap_or(0) as f64 / time.as_secs_f64(),
        gaps: whole.iter().map(|(_, gaps)| gaps).sum(),
        ages: tally.finish().latencies,
    }
}

/// Updates and gaps; none when the stream ended before its time.
async fn listen(url: String, time: Duration, tally: Arc<Tally>) -> Option<(u64, u64)> {
    let (mut socket, _) = connect_async(&url).await.ok()?;
    let end = Instant::now() + time;
    let (mut updates, mut gaps, mut last) = (0, 0, None::<u64>);
    while Instant::now() < end {
        let left = end.saturating_duration_since(Instant::now());
        let Ok(message) = tokio::time::timeout(left, socket.next()).await else {
            break;
        };
        let message = message?.ok()?;
        let Ok(text) = message.to_text() else {
            continue;
        };
        let Ok(message) = serde_json::from_str::<Value>(text) else {
            continue;
        };
        if message["kind"] != "delta" {
            last = message["seq"].as_u64().or(last);
            continue;
        }
        let seq = message["seq"].as_u64()?;
        if last.is_some_and(|last| seq != last + 1) {
            gaps += 1;
        }
        (last, updates) = (Some(seq), updates + 1);
        let made = Duration::from_nanos(message["utc_ns"].as_u64()?);
        let now = SystemTime::now().duration_since(UNIX_EPOCH).ok()?;
        tally.answered(now.saturating_sub(made), true);
    }
    Some((updates, gaps))
}
