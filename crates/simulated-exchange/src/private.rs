//! Listen keys and the connections behind them.
//!
//! In: key requests, private connections. Out: who gets private events. Never: an event after its
//! key expired.

use market::UtcMs;

use crate::streams::hub::ConnectionId;

/// A key lives this long after its last renewal (binance.md 4.1).
const KEY_LIFE_MS: i64 = 60 * 60_000;

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
