//! One stream connection: frames out, control messages in, pings.
//!
//! In: the hub's queue, the socket. Out: bytes, and the time at which each frame was written.
//! Never: a frame that waits for a slow peer; the hub has dropped such a connection.

use axum::extract::ws::{CloseFrame, Message, WebSocket};
use futures_util::{SinkExt, StreamExt};
use market::Market;
use tokio::time::{Instant, interval_at, timeout};

use super::WRITE_TIMEOUT;
use super::heartbeat::Heartbeat;
use super::outbox::Outbox;
use crate::exchange::Shared;
use crate::streams::control::{self, Origin};
use crate::streams::hub::{FrameKey, Outgoing};
use crate::streams::names::StreamPath;

/// Frames that go out with one write.
const FRAMES_PER_WRITE: usize = 64;

/// Serves one connection until it ends.
pub async fn run(socket: WebSocket, shared: Shared, market: Market, asked: StreamPath) {
    let (origin, queue) = {
        let mut exchange = shared.lock();
        let exchange = &mut *exchange;
        let hub = &mut exchange.floor_mut(market).hub;
        let (connection, queue) = hub.connect(asked.route, asked.combined);
        let origin = Origin {
            market,
            connection,
            route: asked.route,
        };
        for name in &asked.names {
            subscribe(exchange, name, origin);
        }
        (origin, queue)
    };
    serve(socket, &shared, origin, Outbox::new(queue)).await;
    shared.lock().disconnect(market, origin.connection);
}

fn subscribe(exchange: &mut crate::exchange::Exchange, name: &str, origin: Origin) {
    let hub = match origin.market {
        Market::UsdM => &mut exchange.usdm.hub,
        Market::Spot => &mut exchange.spot.hub,
    };
    control::subscribe(name, origin, hub, &mut exchange.listen_keys);
}

async fn serve(mut socket: WebSocket, shared: &Shared, origin: Origin, mut outbox: Outbox) {
    let mut heartbeat = Heartbeat::new(origin.market, Instant::now());
    let period = heartbeat.period;
    let mut pings = interval_at(Instant::now() + period, period);
    loop {
        tokio::select! {
            outgoing = outbox.next(shared) => {
                let write = write(&mut socket, shared, origin.market, outgoing, &mut outbox);
                // The hub forgets a slow connection, but cannot end a write that waits for it.
                if !timeout(WRITE_TIMEOUT, write).await.unwrap_or(false) {
                    return;
                }
            }
            message = socket.next() => match message {
                Some(Ok(Message::Text(text))) => {
                    let mut exchange = shared.lock();
                    let exchange = &mut *exchange;
                    let hub = match origin.market {
                        Market::UsdM => &mut exchange.usdm.hub,
                        Market::Spot => &mut exchange.spot.hub,
                    };
                    let keys = &mut exchange.listen_keys;
                    let answer = control::handle(&text, origin, hub, keys);
                    // Through the queue: no event can come before its acknowledgement.
                    hub.tell(origin.connection, Outgoing::Text(answer.into(), None));
                }
                Some(Ok(Message::Pong(payload))) => heartbeat.pong(&payload, Instant::now()),
                Some(Ok(Message::Binary(_) | Message::Ping(_))) => {}
                Some(Ok(Message::Close(_))) => {
                    // The answer to a close waits in the socket; unsent, the peer sees a break.
                    let _ = timeout(WRITE_TIMEOUT, socket.flush()).await;
                    return;
                }
                Some(Err(_)) | None => return,
            },
            _ = pings.tick() => {
                if heartbeat.is_dead(Instant::now()) {
                    return;
                }
                let now = shared.lock().clock.now().0.to_string();
                let ping = socket.send(Message::Ping(now.into()));
                if !matches!(timeout(WRITE_TIMEOUT, ping).await, Ok(Ok(()))) {
                    return;
                }
            }
        }
    }
}

/// Writes what waits; false when the connection is to end.
async fn write(
    socket: &mut WebSocket,
    shared: &Shared,
    market: Market,
    first: Option<Outgoing>,
    outbox: &mut Outbox,
) -> bool {
    let mut next = first;
    let mut keys: [Option<FrameKey>; FRAMES_PER_WRITE] = [None; FRAMES_PER_WRITE];
    for (index, slot) in keys.iter_mut().enumerate() {
        match next {
            Some(Outgoing::Text(text, key)) => {
                *slot = key;
                if socket.feed(Message::Text(text)).await.is_err() {
                    return false;
                }
            }
            Some(Outgoing::Close(code)) => {
                let frame = CloseFrame {
                    code,
                    reason: "".into(),
                };
                // Already broken is as good as closed.
                let _ = socket.send(Message::Close(Some(frame))).await;
                return false;
            }
            Some(Outgoing::Abort) | None => return false,
        }
        // What is taken out of the queue must be written: the last slot takes nothing more.
        if index + 1 == FRAMES_PER_WRITE {
            break;
        }
        match outbox.try_next(shared) {
            Some(more) => next = Some(more),
            None => break,
        }
    }
    {
        let mut exchange = shared.lock();
        let now_ns = exchange.clock.now_ns();
        for key in keys.into_iter().flatten() {
            exchange.wire.frame_written(market, key, now_ns);
        }
    }
    socket.flush().await.is_ok()
}
