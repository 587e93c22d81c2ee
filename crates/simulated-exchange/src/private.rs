//! Who gets private events: listen keys of futures, subscriptions of spot.
//!
//! In: key requests, private connections. Out: connections. Never: an event after its key expired.

use market::UtcMs;

use crate::streams::hub::ConnectionId;

/// A key lives this long after its last renewal (binance.md 4.1).
const KEY_LIFE_MS: i64 = 60 * 60_000;

/// Spot's user data subscriptions: one a connection of the WebSocket API.
#[derive(Default)]
pub struct Subscriptions {
    active: Vec<(ConnectionId, u64)>,
    issued: u64,
}

impl Subscriptions {
    /// Subscribes a connection; `None` when it is subscribed.
    pub fn subscribe(&mut self, connection: ConnectionId) -> Option<u64> {
        if self.active.iter().any(|(id, _)| *id == connection) {
            return None;
        }
        let id = self.issued;
        self.issued += 1;
        self.active.push((connection, id));
        Some(id)
    }

    /// Ends the subscription of a connection; false when it has none.
    pub fn forget(&mut self, connection: ConnectionId) -> bool {
        let before = self.active.len();
        self.active.retain(|(id, _)| *id != connection);
        self.active.len() < before
    }

    /// Connections and their subscription ids.
    pub fn iter(&self) -> impl Iterator<Item = (ConnectionId, u64)> {
        self.active.iter().copied()
    }
}

/// The account's listen key and who listens with it.
#[derive(Default)]
pub struct ListenKeys {
    current: Option<(String, UtcMs)>,
    issued: u64,
    listeners: Vec<(ConnectionId, String)>,
}

impl ListenKeys {
    /// The valid key; a new one where there is none. Its life starts again.
    pub fn create(&mut self, now: UtcMs) -> String {
        if let Some(key) = self.valid(now) {
            let key = key.to_owned();
            self.renew(now);
            return key;
        }
        self.issued += 1;
        let key = format!("sim{:061x}", self.issued);
        self.current = Some((key.clone(), UtcMs(now.0 + KEY_LIFE_MS)));
        key
    }

    /// Extends the life of the valid key; `None` when there is none.
    pub fn renew(&mut self, now: UtcMs) -> Option<String> {
        let key = self.valid(now)?.to_owned();
        self.current = Some((key.clone(), UtcMs(now.0 + KEY_LIFE_MS)));
        Some(key)
    }

    /// The valid key.
    #[must_use]
    pub fn valid(&self, now: UtcMs) -> Option<&str> {
        self.current
            .as_ref()
            .filter(|(_, until)| now < *until)
            .map(|(key, _)| key.as_str())
    }

    /// Ends the key and returns it; its connections stay open and hear nothing more.
    pub fn close(&mut self) -> Option<String> {
        self.current.take().map(|(key, _)| key)
    }

    /// A connection listens with a key, valid or not.
    pub fn listen(&mut self, connection: ConnectionId, key: &str) {
        let entry = (connection, key.to_owned());
        if !self.listeners.contains(&entry) {
            self.listeners.push(entry);
        }
    }

    /// A connection listens no more, with one key or with all.
    pub fn forget(&mut self, connection: ConnectionId, key: Option<&str>) {
        self.listeners
            .retain(|(id, known)| *id != connection || key.is_some_and(|key| key != known));
    }

    /// Connections that listen with this key.
    #[must_use]
    pub fn listeners(&self, key: &str) -> Vec<ConnectionId> {
        let with_key = self.listeners.iter().filter(|(_, known)| known == key);
        with_key.map(|(id, _)| *id).collect()
    }
}
