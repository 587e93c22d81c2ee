//! What the pinned thread and the cold side hand each other.
//!
//! In: wishes of one side. Out: the same, for the other. Never: a wait; each queue has room for
//! what its places can ask, and what finds none is named below.

use crate::hot_socket::{HotSocket, SocketEnd};
use binance::session::CloseReason;
use crossbeam::queue::ArrayQueue;
use market::MonoNs;

/// A connection that is wanted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Wanted {
    /// For which place.
    pub place: usize,
    /// Counts the wishes of a place: only the answer to the newest one counts.
    pub attempt: u64,
    /// Nobody waits for it any longer.
    pub deadline: MonoNs,
}

/// The answer to a [`Wanted`].
pub struct Dialed {
    /// For which place.
    pub place: usize,
    /// To which wish.
    pub attempt: u64,
    /// Connected, or not.
    pub socket: Option<Box<HotSocket>>,
}

/// Something for the log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Note {
    /// Of which place.
    pub place: usize,
    /// Why its connection ended.
    pub reason: CloseReason,
    /// What the socket said, where it was the socket.
    pub end: Option<SocketEnd>,
}

/// The queues.
pub struct Dialing {
    /// Pinned thread to cold side. A place asks once an attempt, and attempts back off.
    pub wanted: ArrayQueue<Wanted>,
    /// Cold side to pinned thread. Without room the socket is dropped, and its attempt times out.
    pub dialed: ArrayQueue<Dialed>,
    /// Sockets to be dropped, which is no work for the pinned thread. Without room it does it all
    /// the same, and the count of its frees shows it.
    pub given_up: ArrayQueue<Box<HotSocket>>,
    /// Lines for the log. Without room a line is lost; the counters have it.
    pub notes: ArrayQueue<Note>,
    /// Places whose listen key is gone. Without room the stream's silence tells it later.
    pub keys_gone: ArrayQueue<usize>,
}

impl Dialing {
    /// Queues for `places` connections.
    #[must_use]
    pub fn new(places: usize) -> Self {
        let room = 4 * places.max(1);
        Self {
            wanted: ArrayQueue::new(room),
            dialed: ArrayQueue::new(room),
            given_up: ArrayQueue::new(room),
            notes: ArrayQueue::new(room),
            keys_gone: ArrayQueue::new(room),
        }
    }
}
