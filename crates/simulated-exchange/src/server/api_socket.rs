//! One WebSocket API connection: requests in, answers and spot's private events out.
//!
//! In: frames. Out: answers, late where a fault says so. Never: an event before the answer that
//! it follows; both wait in one queue.

use std::time::Duration;

use axum::extract::ws::{Message, Utf8Bytes, WebSocket};
use futures_util::StreamExt;
use market::Market;
use tokio::sync::mpsc;
use tokio::time::{Instant, interval_at};

use crate::api::ws_api::{Session, handle};
use crate::exchange::Shared;
use crate::streams::hub::Outgoing;
use crate::streams::names::Route;

const PING_PERIOD: Duration = Duration::from_secs(180);

/// Serves one connection until it ends.
pub async fn run(socket: WebSocket, shared: Shared, market: Market, rate_limits: bool) {
    let (session, queue) = {
        let mut exchange = shared.lock();
        let connected_since = exchange.clock.now();
        // Private: no market stream and no market fault reaches it.
        let (connection, queue) = exchange
            .floor_mut(market)
            .hub
            .connect(Route::Private, false);
        let session = Session {
            market,
            connected_since,
            logged_on: None,
            connection,
            rate_limits,
        };
        (session, queue)
    };
    let connection = session.connection;
    serve(socket, &shared, session, queue).await;
    shared.lock().disconnect(market, connection);
}

async fn serve(
    mut socket: WebSocket,
    shared: &Shared,
    mut session: Session,
    mut queue: mpsc::Receiver<Outgoing>,
) {
    let mut pings = interval_at(Instant::now() + PING_PERIOD, PING_PERIOD);
    loop {
        tokio::select! {
            message = socket.next() => match message {
                Some(Ok(Message::Text(text))) => answer(shared, &mut session, &text),
                Some(Ok(Message::Close(_)) | Err(_)) | None => return,
                Some(Ok(_)) => {}
            },
            outgoing = queue.recv() => {
                let Some(Outgoing::Text(text, _)) = outgoing else { return };
                if socket.send(Message::Text(text)).await.is_err() {
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

/// Handles one request; its answer goes to the connection's queue, at once or late, and behind it
/// the private events that it caused.
fn answer(shared: &Shared, session: &mut Session, text: &str) {
    let mut exchange = shared.lock();
    let arrived_ns = exchange.clock.now_ns();
    let answer = handle(&mut exchange, session, text, arrived_ns);
    if let Some(bytes) = answer {
        let text = String::from_utf8(bytes).expect("encoders write UTF-8");
        let message = Outgoing::Text(Utf8Bytes::from(text), None);
        let (market, connection) = (session.market, session.connection);
        match exchange.faults.ack_delay_ms() {
            0 => exchange.floor_mut(market).hub.tell(connection, message),
            delay_ms => {
                let shared = shared.clone();
                tokio::spawn(async move {
                    tokio::time::sleep(Duration::from_millis(delay_ms)).await;
                    shared
                        .lock()
                        .floor_mut(market)
                        .hub
                        .tell(connection, message);
                });
            }
        }
    }
    let now = exchange.clock.now();
    exchange.send_private(now);
}
