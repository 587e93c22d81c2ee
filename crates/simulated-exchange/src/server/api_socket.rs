//! One WebSocket API connection: requests in, answers and spot's private events out.
//!
//! In: frames. Out: answers, late where a fault says so. Never: an event before the answer that
//! it follows; both wait in one queue.

use std::time::Duration;

use axum::extract::ws::{Message, Utf8Bytes, WebSocket};
use futures_util::{SinkExt, StreamExt};
use market::Market;
use tokio::time::{Instant, interval_at, timeout};

use super::WRITE_TIMEOUT;
use super::heartbeat::Heartbeat;
use super::inbox::Inbox;
use super::outbox::Outbox;
use crate::api::ws_api::{Session, handle};
use crate::exchange::{Exchange, Shared};
use crate::streams::hub::Outgoing;
use crate::streams::names::Route;

/// Serves one connection until it ends.
pub async fn run(socket: WebSocket, shared: Shared, market: Market, rate_limits: bool) {
    let (mut session, queue) = {
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
    let mut inbox = Inbox::default();
    serve(
        socket,
        &shared,
        &mut session,
        &mut inbox,
        Outbox::new(queue),
    )
    .await;
    shared.lock().disconnect(market, connection);
    if inbox.is_empty() {
        return;
    }
    // What was sent before the end arrives all the same; nobody hears the answers.
    while !inbox.is_empty() {
        let late = inbox.next(&shared).await;
        answer(
            &shared,
            &mut shared.lock(),
            &mut session,
            &late.text,
            late.read_ns,
        );
    }
    // One of them may have subscribed the connection that is gone.
    shared.lock().disconnect(market, connection);
}

async fn serve(
    mut socket: WebSocket,
    shared: &Shared,
    session: &mut Session,
    inbox: &mut Inbox,
    mut outbox: Outbox,
) {
    let mut heartbeat = Heartbeat::new(session.market, Instant::now());
    let period = heartbeat.period;
    let mut pings = interval_at(Instant::now() + period, period);
    loop {
        tokio::select! {
            message = socket.next(), if inbox.has_room() => match message {
                Some(Ok(Message::Text(text))) => receive(shared, session, inbox, &text),
                // Answered as a text that is no request (binance.md 2.2).
                Some(Ok(Message::Binary(_))) => receive(shared, session, inbox, ""),
                Some(Ok(Message::Pong(payload))) => heartbeat.pong(&payload, Instant::now()),
                Some(Ok(Message::Ping(_))) => {}
                Some(Ok(Message::Close(_))) => {
                    // The answer to a close waits in the socket; unsent, the peer sees a break.
                    let _ = timeout(WRITE_TIMEOUT, socket.flush()).await;
                    return;
                }
                Some(Err(_)) | None => return,
            },
            late = inbox.next(shared) => {
                answer(shared, &mut shared.lock(), session, &late.text, late.read_ns);
            }
            outgoing = outbox.next(shared) => {
                let Some(Outgoing::Text(text, _)) = outgoing else { return };
                if !sent(&mut socket, Message::Text(text)).await {
                    return;
                }
            }
            _ = pings.tick() => {
                if heartbeat.is_dead(Instant::now()) {
                    return;
                }
                let now = shared.lock().clock.now().0.to_string();
                if !sent(&mut socket, Message::Ping(now.into())).await {
                    return;
                }
            }
        }
    }
}

/// False when the connection is broken, or its peer does not read.
async fn sent(socket: &mut WebSocket, message: Message) -> bool {
    matches!(
        timeout(WRITE_TIMEOUT, socket.send(message)).await,
        Ok(Ok(()))
    )
}

/// Handles a request that was read, unless it is still on its way.
fn receive(shared: &Shared, session: &mut Session, inbox: &mut Inbox, text: &str) {
    let mut exchange = shared.lock();
    if !inbox.keeps(&mut exchange, text) {
        let read_ns = exchange.clock.now_ns();
        answer(shared, &mut exchange, session, text, read_ns);
    }
}

/// Handles one request; its answer goes to the connection's queue, at once or late, and behind it
/// the private events that it caused.
fn answer(
    shared: &Shared,
    exchange: &mut Exchange,
    session: &mut Session,
    text: &str,
    read_ns: i64,
) {
    let answer = handle(exchange, session, text, read_ns);
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
