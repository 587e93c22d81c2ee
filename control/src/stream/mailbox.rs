//! What waits for one client.
//!
//! In: messages for many. Out: those of one, in order. Never: more than [`WAITING_MAX`]; whoever lets
//! so many pile up gets none any more.

use super::figures::EndCode;
use axum::extract::ws::Utf8Bytes;
use std::sync::{Arc, OnceLock};
use tokio::sync::Notify;
use tokio::sync::mpsc::{self, Receiver, Sender};

/// Messages that may wait for a client: of all topics at ten a second two seconds' worth. Those who
/// listen to the same share the bytes.
pub(super) const WAITING_MAX: usize = 256;

/// The end that is written to.
pub(super) struct Mailbox {
    sender: Sender<Utf8Bytes>,
    end: OnceLock<EndCode>,
    ended: Notify,
}

impl Mailbox {
    /// Both ends.
    pub(super) fn new() -> (Arc<Self>, Receiver<Utf8Bytes>) {
        let (sender, receiver) = mpsc::channel(WAITING_MAX);
        let mailbox = Self {
            sender,
            end: OnceLock::new(),
            ended: Notify::new(),
        };
        (Arc::new(mailbox), receiver)
    }

    /// False when the client is gone, or too slow, and is to be forgotten.
    pub(super) fn put(&self, message: &Utf8Bytes) -> bool {
        if self.end.get().is_some() {
            return false;
        }
        match self.sender.try_send(message.clone()) {
            Ok(()) => true,
            Err(mpsc::error::TrySendError::Closed(_)) => false,
            Err(mpsc::error::TrySendError::Full(_)) => {
                self.close(EndCode::Slow);
                false
            }
        }
    }

    /// Nothing comes any more, and why.
    pub(super) fn close(&self, why: EndCode) {
        // The first reason counts.
        let _ = self.end.set(why);
        self.ended.notify_one();
    }

    /// Waits until a message finds no room, or the mailbox is closed.
    pub(super) async fn closed(&self) -> EndCode {
        loop {
            if let Some(why) = self.end.get() {
                return *why;
            }
            self.ended.notified().await;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whoever_takes_nothing_gets_so_many_and_no_more() {
        let (mailbox, mut receiver) = Mailbox::new();
        let message = Utf8Bytes::from_static("x");
        let taken = (0..WAITING_MAX + 3).filter(|_| mailbox.put(&message));
        assert_eq!(taken.count(), WAITING_MAX);
        assert_eq!(mailbox.end.get(), Some(&EndCode::Slow));
        // Room does not help any more: something is missing.
        assert!(receiver.try_recv().is_ok());
        assert!(!mailbox.put(&message));
    }
}
