//! Who gets private events: listen keys of futures, subscriptions of spot.
//!
//! In: key requests, private connections. Out: connections. Never: an event after its key expired.

use std::collections::BTreeMap;

use market::UtcMs;
use matching::AccountId;
use serde::{Deserialize, Serialize};

use crate::streams::hub::ConnectionId;

/// A key lives this long after its last renewal (binance.md 4.1).
const KEY_LIFE_MS: i64 = 60 * 60_000;

/// Spot's user data subscriptions: one a connection of the WebSocket API.
#[derive(Default)]
pub struct Subscriptions {
    active: Vec<(ConnectionId, u64, AccountId)>,
    issued: u64,
}

impl Subscriptions {
    /// Subscribes a connection to an account's events; `None` when it is subscribed.
    pub fn subscribe(&mut self, connection: ConnectionId, account: AccountId) -> Option<u64> {
        if self.active.iter().any(|(id, ..)| *id == connection) {
            return None;
        }
        let id = self.issued;
        self.issued += 1;
        self.active.push((connection, id, account));
        Some(id)
    }

    /// Ends the subscription of a connection; false when it has none.
    pub fn forget(&mut self, connection: ConnectionId) -> bool {
        let before = self.active.len();
        self.active.retain(|(id, ..)| *id != connection);
        self.active.len() < before
    }

    /// Connections and their subscription ids.
    pub fn iter(&self) -> impl Iterator<Item = (ConnectionId, u64)> {
        self.active
            .iter()
            .map(|(connection, id, _)| (*connection, *id))
    }

    /// Those that hear of an account.
    pub fn of(&self, account: AccountId) -> impl Iterator<Item = (ConnectionId, u64)> {
        let its = self.active.iter().filter(move |(_, _, of)| *of == account);
        its.map(|(connection, id, _)| (*connection, *id))
    }
}

/// The accounts' listen keys and who listens with them.
#[derive(Default)]
pub struct ListenKeys {
    /// The valid key of an account and its end.
    current: BTreeMap<AccountId, (String, UtcMs)>,
    issued: u64,
    listeners: Vec<(ConnectionId, String)>,
    /// Counts what changes the keys.
    revision: u64,
}

/// The keys as values that outlive the process.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct KeysRecord {
    current: BTreeMap<AccountId, (String, UtcMs)>,
    issued: u64,
}

impl ListenKeys {
    /// The valid key of an account; a new one where there is none. Its life starts again.
    pub fn create(&mut self, account: AccountId, now: UtcMs) -> String {
        if let Some(key) = self.renew(account, now) {
            return key;
        }
        self.issued += 1;
        let key = format!("sim{:061x}", self.issued);
        let until = UtcMs(now.0 + KEY_LIFE_MS);
        self.current.insert(account, (key.clone(), until));
        self.revision += 1;
        key
    }

    /// How often the keys have changed.
    pub(crate) const fn revision(&self) -> u64 {
        self.revision
    }

    /// The keys without who listens.
    pub(crate) fn record(&self) -> KeysRecord {
        KeysRecord {
            current: self.current.clone(),
            issued: self.issued,
        }
    }

    /// Takes the keys of a record.
    pub(crate) fn absorb(&mut self, record: KeysRecord) {
        self.current = record.current;
        self.issued = record.issued;
    }

    /// Extends the life of the valid key; `None` when there is none.
    pub fn renew(&mut self, account: AccountId, now: UtcMs) -> Option<String> {
        let key = self.valid_of(account, now)?.to_owned();
        let until = UtcMs(now.0 + KEY_LIFE_MS);
        self.current.insert(account, (key.clone(), until));
        self.revision += 1;
        Some(key)
    }

    /// The valid key of the first account.
    #[must_use]
    pub fn valid(&self, now: UtcMs) -> Option<&str> {
        self.valid_of(AccountId(0), now)
    }

    /// The valid key of an account.
    #[must_use]
    pub fn valid_of(&self, account: AccountId, now: UtcMs) -> Option<&str> {
        let current = self.current.get(&account);
        let valid = current.filter(|(_, until)| now < *until);
        valid.map(|(key, _)| key.as_str())
    }

    /// Ends an account's key and returns it; its connections stay open and hear nothing more.
    pub fn close(&mut self, account: AccountId) -> Option<String> {
        self.revision += 1;
        self.current.remove(&account).map(|(key, _)| key)
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
