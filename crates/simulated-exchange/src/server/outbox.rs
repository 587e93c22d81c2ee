//! What waits to be written to one connection, each frame until it is due.
//!
//! In: the hub's queue, the exchange's clock. Out: frames in their order. Never: a frame before
//! its time, or before the one ahead of it; a frame that is lost because nobody waited for it.

use tokio::sync::mpsc;

use crate::exchange::Shared;
use crate::streams::hub::{Outgoing, Queued};

/// The queue and its head.
pub(super) struct Outbox {
    queue: mpsc::Receiver<Queued>,
    /// Taken out of the queue and not yet due.
    head: Option<Queued>,
}

impl Outbox {
    /// Of a queue.
    pub(super) const fn new(queue: mpsc::Receiver<Queued>) -> Self {
        Self { queue, head: None }
    }

    /// The next frame, once it is due; nothing when the hub has dropped the connection. Whoever
    /// stops waiting loses nothing.
    pub(super) async fn next(&mut self, shared: &Shared) -> Option<Outgoing> {
        if self.head.is_none() {
            self.head = self.queue.recv().await;
        }
        if let Some(due_ns) = self.head.as_ref()?.due_ns {
            shared.until(due_ns).await;
        }
        self.head.take().map(|head| head.what)
    }

    /// The next frame, if one is due.
    pub(super) fn try_next(&mut self, shared: &Shared) -> Option<Outgoing> {
        let next = self.head.take().or_else(|| self.queue.try_recv().ok())?;
        match next.due_ns {
            Some(due_ns) if shared.lock().clock.steady_ns() < due_ns => {
                self.head = Some(next);
                None
            }
            _ => Some(next.what),
        }
    }
}
