//! Connections, streams, and who is subscribed to what.
//!
//! In: subscriptions, texts to publish. Out: frames in each connection's bounded queue. Never: a
//! wait for a slow connection; one whose queue is full is dropped.

use std::collections::HashMap;

use axum::extract::ws::Utf8Bytes;
use binance::encode::wrap_stream;
use market::InstrumentId;
use tokio::sync::mpsc;

use super::names::{Route, StreamKind};
use super::outlet::Outlet;
use crate::clock::Clock;
use crate::latency::Part;

/// Frames that may wait for one connection.
pub const QUEUE_FRAMES_MAX: usize = 8_192;

/// What a market frame is about; with it the time of its write is found again.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct FrameKey {
    /// Kind of stream.
    pub kind: StreamKind,
    /// The instrument.
    pub instrument: InstrumentId,
    /// `u` of books, the trade's id of trades.
    pub id: u64,
}

/// What a connection's task is told to do.
#[derive(Clone, Debug)]
pub enum Outgoing {
    /// Send a text; note when it was written under its key.
    Text(Utf8Bytes, Option<FrameKey>),
    /// Close with this code.
    Close(u16),
    /// Break the connection without a word.
    Abort,
}

/// What waits in a connection's queue.
#[derive(Clone, Debug)]
pub struct Queued {
    /// What is to be done.
    pub what: Outgoing,
    /// Not before the steady clock shows this; at once where nothing delays it.
    pub due_ns: Option<i64>,
}

/// Index of a stream in the hub.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StreamId(usize);

/// Number of a connection.
pub type ConnectionId = u64;

struct Stream {
    name: String,
    kind: StreamKind,
    subscribers: Vec<ConnectionId>,
    frames: u64,
}

struct Connection {
    sender: mpsc::Sender<Queued>,
    combined: bool,
    route: Route,
    names: Vec<String>,
}

/// The streams of one market and their connections.
#[derive(Default)]
pub struct Hub {
    streams: Vec<Stream>,
    by_name: HashMap<String, usize>,
    connections: HashMap<ConnectionId, Connection>,
    next_connection: ConnectionId,
    slow_dropped: u64,
    wrapped: Vec<u8>,
    /// Delays frames, where there is latency.
    outlet: Option<Outlet>,
    delayed: u64,
}

impl Hub {
    /// Adds a stream that can be subscribed to.
    pub fn add_stream(&mut self, name: String, kind: StreamKind) -> StreamId {
        let id = self.streams.len();
        self.by_name.insert(name.clone(), id);
        self.streams.push(Stream {
            name,
            kind,
            subscribers: Vec::new(),
            frames: 0,
        });
        StreamId(id)
    }

    /// Adds a connection and returns its number and its queue.
    pub fn connect(
        &mut self,
        route: Route,
        combined: bool,
    ) -> (ConnectionId, mpsc::Receiver<Queued>) {
        let (sender, receiver) = mpsc::channel(QUEUE_FRAMES_MAX);
        self.next_connection += 1;
        let connection = Connection {
            sender,
            combined,
            route,
            names: Vec::new(),
        };
        self.connections.insert(self.next_connection, connection);
        (self.next_connection, receiver)
    }

    /// Forgets a connection.
    pub fn disconnect(&mut self, id: ConnectionId) {
        self.connections.remove(&id);
        for stream in &mut self.streams {
            stream.subscribers.retain(|subscriber| *subscriber != id);
        }
    }

    /// Subscribes by name. An unknown name is kept for the list and stays silent, as in
    /// production.
    pub fn subscribe(&mut self, id: ConnectionId, name: &str) {
        let Some(connection) = self.connections.get_mut(&id) else {
            return;
        };
        if !connection.names.iter().any(|known| known == name) {
            connection.names.push(name.to_owned());
        }
        let Some(stream) = self
            .by_name
            .get(name)
            .map(|index| &mut self.streams[*index])
        else {
            return;
        };
        if stream.kind.is_on(connection.route) && !stream.subscribers.contains(&id) {
            stream.subscribers.push(id);
        }
    }

    /// Ends a subscription.
    pub fn unsubscribe(&mut self, id: ConnectionId, name: &str) {
        if let Some(connection) = self.connections.get_mut(&id) {
            connection.names.retain(|known| known != name);
        }
        if let Some(index) = self.by_name.get(name) {
            self.streams[*index]
                .subscribers
                .retain(|subscriber| *subscriber != id);
        }
    }

    /// Names that a connection asked for.
    #[must_use]
    pub fn subscriptions(&self, id: ConnectionId) -> &[String] {
        self.connections
            .get(&id)
            .map_or(&[], |connection| &connection.names)
    }

    /// Whether a connection's events come wrapped.
    #[must_use]
    pub fn is_combined(&self, id: ConnectionId) -> bool {
        self.connections
            .get(&id)
            .is_some_and(|connection| connection.combined)
    }

    /// Sets whether a connection's events come wrapped.
    pub fn set_combined(&mut self, id: ConnectionId, combined: bool) {
        if let Some(connection) = self.connections.get_mut(&id) {
            connection.combined = combined;
        }
    }

    /// True when somebody listens.
    #[must_use]
    pub fn has_subscribers(&self, stream: StreamId) -> bool {
        !self.streams[stream.0].subscribers.is_empty()
    }

    /// The connection that has subscribed to a stream first.
    #[must_use]
    pub fn first_subscriber(&self, stream: StreamId) -> Option<ConnectionId> {
        self.streams[stream.0].subscribers.first().copied()
    }

    /// Sends a text to all subscribers of a stream.
    pub fn publish(&mut self, stream: StreamId, text: &[u8], key: Option<FrameKey>) {
        self.publish_without(stream, text, key, None);
    }

    /// Sends a text to all subscribers of a stream but `without`.
    pub fn publish_without(
        &mut self,
        stream: StreamId,
        text: &[u8],
        key: Option<FrameKey>,
        without: Option<ConnectionId>,
    ) {
        let stream = &mut self.streams[stream.0];
        if stream.subscribers.is_empty() {
            return;
        }
        stream.frames += 1;
        let (mut plain, mut wrapped) = (None, None);
        let mut slow = Vec::new();
        let others = stream.subscribers.iter();
        for id in others.filter(|id| Some(**id) != without) {
            let Some(connection) = self.connections.get(id) else {
                continue;
            };
            let frame = if connection.combined {
                wrapped.get_or_insert_with(|| {
                    self.wrapped.clear();
                    wrap_stream(&mut self.wrapped, stream.name.as_bytes(), text);
                    to_text(&self.wrapped)
                })
            } else {
                plain.get_or_insert_with(|| to_text(text))
            };
            let what = Outgoing::Text(frame.clone(), key);
            let due_ns = due_ns(&mut self.outlet, Part::Feed);
            self.delayed += u64::from(due_ns.is_some());
            if connection.sender.try_send(Queued { what, due_ns }).is_err() {
                slow.push(*id);
            }
        }
        for id in slow {
            self.drop_slow(id);
        }
    }

    /// Sends a text to one connection, wrapped under `name` where it wants that.
    pub fn send(&mut self, id: ConnectionId, name: &str, text: &[u8]) {
        let Some(connection) = self.connections.get(&id) else {
            return;
        };
        let frame = if connection.combined {
            self.wrapped.clear();
            wrap_stream(&mut self.wrapped, name.as_bytes(), text);
            to_text(&self.wrapped)
        } else {
            to_text(text)
        };
        let what = Outgoing::Text(frame, None);
        let due_ns = due_ns(&mut self.outlet, Part::Response);
        self.delayed += u64::from(due_ns.is_some());
        if connection.sender.try_send(Queued { what, due_ns }).is_err() {
            self.drop_slow(id);
        }
    }

    /// Tells every connection that listens to market streams.
    pub fn tell_market_connections(&mut self, message: &Outgoing) {
        for connection in self.connections.values() {
            if connection.route != Route::Private {
                let what = message.clone();
                let due_ns = due_ns(&mut self.outlet, Part::Feed);
                // A full queue is a slow connection; the next frame drops it.
                let _ = connection.sender.try_send(Queued { what, due_ns });
            }
        }
    }

    /// Tells one connection.
    pub fn tell(&mut self, id: ConnectionId, message: Outgoing) {
        if let Some(connection) = self.connections.get(&id) {
            let due_ns = due_ns(&mut self.outlet, Part::Response);
            let what = message;
            let _ = connection.sender.try_send(Queued { what, due_ns });
        }
    }

    /// Delays frames that are made from now on, or no more.
    pub fn set_outlet(&mut self, outlet: Option<Outlet>) {
        self.outlet = outlet;
    }

    /// What follows is made now.
    pub fn stamp(&mut self, clock: Clock) {
        if let Some(outlet) = &mut self.outlet {
            outlet.stamp(clock);
        }
    }

    /// What follows was made at this UTC.
    pub fn made_at(&mut self, utc_ns: i64) {
        if let Some(outlet) = &mut self.outlet {
            outlet.made_at(utc_ns);
        }
    }

    /// Frames that were delayed, and frames that wait in the queues of connections.
    #[must_use]
    pub fn delayed_and_waiting(&self) -> (u64, usize) {
        let senders = self.connections.values().map(|one| &one.sender);
        let waiting = senders.map(|sender| sender.max_capacity() - sender.capacity());
        (self.delayed, waiting.sum())
    }

    /// Frames sent by stream, and connections dropped because they were slow.
    pub fn counts(&self) -> (impl Iterator<Item = (&str, u64)>, u64) {
        let frames = self.streams.iter().filter(|stream| stream.frames > 0);
        (
            frames.map(|stream| (stream.name.as_str(), stream.frames)),
            self.slow_dropped,
        )
    }

    /// Connections that are open.
    #[must_use]
    pub fn connection_count(&self) -> usize {
        self.connections.len()
    }

    fn drop_slow(&mut self, id: ConnectionId) {
        // Its queue's sender goes away; the task sees that and closes the socket.
        self.disconnect(id);
        self.slow_dropped += 1;
    }
}

fn due_ns(outlet: &mut Option<Outlet>, part: Part) -> Option<i64> {
    outlet.as_mut()?.due_ns(part)
}

fn to_text(bytes: &[u8]) -> Utf8Bytes {
    let text = std::str::from_utf8(bytes).expect("encoders write UTF-8");
    Utf8Bytes::from(text)
}
