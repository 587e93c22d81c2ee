//! What is counted of the stream.
//!
//! In: messages, clients, ends. Out: numbers for the metrics. Never: a label from outside.

use std::sync::atomic::{AtomicU64, Ordering};

/// Why a stream ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EndCode {
    /// The client left.
    Left,
    /// It did not take what it was sent.
    Slow,
    /// It did not answer pings.
    Silent,
    /// It sent what is no message of ours, or too much.
    Unruly,
    /// Its key was revoked.
    Revoked,
    /// The ledger could not be read.
    Ledger,
}

/// All of them with their words.
const CODES: [(EndCode, &str); 6] = [
    (EndCode::Left, "left"),
    (EndCode::Slow, "slow"),
    (EndCode::Silent, "silent"),
    (EndCode::Unruly, "unruly"),
    (EndCode::Revoked, "revoked"),
    (EndCode::Ledger, "ledger"),
];

/// The counters.
#[derive(Debug, Default)]
pub(super) struct Figures {
    clients: AtomicU64,
    messages: AtomicU64,
    refused: AtomicU64,
    ended: [AtomicU64; CODES.len()],
}

/// The same at one moment.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct StreamFigures {
    /// Clients now.
    pub clients: u64,
    /// Messages that were handed out.
    pub messages: u64,
    /// Clients that found no place.
    pub refused: u64,
    /// Ended streams, by why.
    pub ended: [u64; CODES.len()],
}

impl StreamFigures {
    /// Ended streams with the words of why.
    pub fn ends(&self) -> impl Iterator<Item = (&'static str, u64)> {
        CODES
            .iter()
            .zip(self.ended)
            .map(|((_, word), count)| (*word, count))
    }
}

impl Figures {
    pub(super) fn came(&self) {
        self.clients.fetch_add(1, Ordering::Relaxed);
    }

    pub(super) fn ended(&self, code: EndCode) {
        self.clients.fetch_sub(1, Ordering::Relaxed);
        self.ended[code as usize].fetch_add(1, Ordering::Relaxed);
    }

    pub(super) fn refused(&self) {
        self.refused.fetch_add(1, Ordering::Relaxed);
    }

    pub(super) fn messages(&self, count: u64) {
        self.messages.fetch_add(count, Ordering::Relaxed);
    }

    pub(super) fn now(&self) -> StreamFigures {
        StreamFigures {
            clients: self.clients.load(Ordering::Relaxed),
            messages: self.messages.load(Ordering::Relaxed),
            refused: self.refused.load(Ordering::Relaxed),
            ended: std::array::from_fn(|at| self.ended[at].load(Ordering::Relaxed)),
        }
    }
}
