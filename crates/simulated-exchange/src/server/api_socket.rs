//! One WebSocket API connection: requests in, answers out.
//!
//! In: frames. Out: answers, late where a fault says so. Never: an answer to the wrong request.

use std::time::Duration;

use axum::extract::ws::{Message, Utf8Bytes, WebSocket};
use futures_util::StreamExt;
use market::Market;
use tokio::sync::mpsc;
use tokio::time::{Instant, interval_at};

use crate::api::ws_api::{Session, handle};
use crate::exchange::Shared;

/// Answers that may wait.
const ANSWERS_MAX: usize = 1_024;
const PING_PERIOD: Duration = Duration::from_secs(180);

/// Serves one connection until it ends.
pub async fn run(mut socket: WebSocket, shared: Shared, market: Market, rate_limits: bool) {
    let mut session = Session {
        market,
        connected_since: shared.lock().clock.now(),
        logged_on: None,
        rate_limits,
    };
    let (late_sender, mut late) = mpsc::channel::<Utf8Bytes>(ANSWERS_MAX);
    let mut pings = interval_at(Instant::now() + PING_PERIOD, PING_PERIOD);
    loop {
        tokio::select! {
            message = socket.next() => match message {
                Some(Ok(Message::Text(text))) => {
                    let (answer, delay_ms) = answer(&shared, &mut session, &text);
                    let Some(answer) = answer else { continue };
                    if delay_ms > 0 {
                        tokio::spawn(send_late(late_sender.clone(), answer, delay_ms));
                    } else if socket.send(Message::Text(answer)).await.is_err() {
                        return;
                    }
                }
                Some(Ok(Message::Close(_)) | Err(_)) | None => return,
                Some(Ok(_)) => {}
            },
            Some(answer) = late.recv() => {
                if socket.send(Message::Text(answer)).await.is_err() {
                    return;
                }
            }
            _ = pings.tick() => {
                let now = shared.lock().clock.now().0.to_string();
                if socket.send(Message::Ping(now.into())).await.is_err() {
                    return;
                }
            }
        }
    }
}

fn answer(shared: &Shared, session: &mut Session, text: &str) -> (Option<Utf8Bytes>, u64) {
    let mut exchange = shared.lock();
    let arrived_ns = exchange.clock.now_ns();
    let answer = handle(&mut exchange, session, text, arrived_ns);
    let text = answer.map(|bytes| {
        let text = String::from_utf8(bytes).expect("encoders write UTF-8");
        Utf8Bytes::from(text)
    });
    (text, exchange.faults.ack_delay_ms())
}

async fn send_late(sender: mpsc::Sender<Utf8Bytes>, answer: Utf8Bytes, delay_ms: u64) {
    tokio::time::sleep(Duration::from_millis(delay_ms)).await;
    // The connection may be gone by now; then nobody misses the answer.
    let _ = sender.send(answer).await;
}
