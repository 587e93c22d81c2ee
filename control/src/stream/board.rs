//! One topic: its number, what was told last, who listens.
//!
//! In: pictures or facts. Out: messages in the mailboxes of those who listen. Never: a message that is
//! encoded twice, a number that is left out.

use super::figures::EndCode;
use super::mailbox::Mailbox;
use super::topic::Place;
use crate::store::now_utc_ns;
use axum::extract::ws::Utf8Bytes;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// A topic that is silent for so long says that it is alive.
const HEARTBEAT_EVERY: Duration = Duration::from_secs(5);

/// Its present.
pub(super) struct Board {
    name: String,
    /// Number of the last message with data, dense over the life of this process.
    seq: u64,
    /// Of a picture: the newest, as JSON.
    data: Option<String>,
    /// The newest picture as a first message.
    snapshot: Option<Utf8Bytes>,
    /// Of facts: up to which place they are told.
    place: Option<Place>,
    told_at: Instant,
    listeners: Vec<Listener>,
}

struct Listener {
    mailbox: Arc<Mailbox>,
    /// Between two pictures, at least.
    every: Duration,
    sent_at: Option<Instant>,
    /// It has not got the newest picture yet.
    owed: bool,
}

/// What a subscription begins with.
pub(super) struct Begun {
    /// Number that the snapshot has.
    pub(super) seq: u64,
    /// Of facts: what comes later is told; what is up to here belongs into the snapshot.
    pub(super) place: Option<Place>,
}

impl Board {
    pub(super) fn new(name: &str) -> Self {
        Self {
            name: name.to_string(),
            seq: 0,
            data: None,
            snapshot: None,
            place: None,
            told_at: Instant::now(),
            listeners: Vec::new(),
        }
    }

    pub(super) fn is_heard(&self) -> bool {
        !self.listeners.is_empty()
    }

    /// Of facts, while somebody listens.
    pub(super) fn place(&self) -> Option<Place> {
        self.place.filter(|_| self.is_heard())
    }

    /// Adds a listener to a picture that is now `data`, and gives it the picture.
    pub(super) fn begin_picture(
        &mut self,
        mailbox: &Arc<Mailbox>,
        every: Duration,
        data: impl FnOnce() -> String,
    ) -> u64 {
        // Where somebody listens the picture is renewed anyway.
        if !self.is_heard() || self.data.is_none() {
            self.renew(data());
        }
        let snapshot = match &self.snapshot {
            Some(snapshot) => snapshot.clone(),
            None => {
                let data = self.data.as_deref().unwrap_or("null");
                let snapshot = message(&self.name, self.seq, "snapshot", Some(data));
                self.snapshot.insert(snapshot).clone()
            }
        };
        if mailbox.put(&snapshot) {
            self.listeners.push(Listener {
                mailbox: Arc::clone(mailbox),
                every,
                sent_at: Some(Instant::now()),
                owed: false,
            });
        }
        1
    }

    /// Adds a listener to facts that are told up to `newest`; its snapshot is the caller's to read.
    pub(super) fn begin_facts(&mut self, mailbox: &Arc<Mailbox>, newest: Option<Place>) -> Begun {
        if !self.is_heard() {
            self.place = newest.or(Some((0, 0)));
        }
        self.listeners.push(Listener {
            mailbox: Arc::clone(mailbox),
            every: Duration::ZERO,
            sent_at: None,
            owed: false,
        });
        Begun {
            seq: self.seq,
            place: self.place,
        }
    }

    /// Takes a listener away.
    pub(super) fn end(&mut self, mailbox: &Arc<Mailbox>) {
        self.listeners
            .retain(|one| !Arc::ptr_eq(&one.mailbox, mailbox));
    }

    /// Tells a picture to those who are due; how many messages went out.
    pub(super) fn tell_picture(&mut self, data: String) -> u64 {
        let changed = self.data.as_ref() != Some(&data);
        if changed {
            self.renew(data);
        }
        for one in &mut self.listeners {
            one.owed |= changed;
        }
        let now = Instant::now();
        // The drain's own rhythm is no clock: what is early by a tenth is in time.
        let due = |one: &Listener| {
            one.owed
                && one
                    .sent_at
                    .is_none_or(|at| now.duration_since(at) >= one.every.mul_f64(0.9))
        };
        if !self.listeners.iter().any(due) {
            return 0;
        }
        let data = self.data.as_deref().unwrap_or("null");
        let delta = message(&self.name, self.seq, "delta", Some(data));
        let mut told = 0;
        self.listeners.retain_mut(|one| {
            if !due(one) {
                return true;
            }
            (one.owed, one.sent_at) = (false, Some(now));
            told += 1;
            one.mailbox.put(&delta)
        });
        self.told_at = now;
        told
    }

    /// Tells facts that came after `from`, and moves on to `to`. Nothing when others began anew
    /// meanwhile.
    pub(super) fn tell_facts(&mut self, from: Place, to: Place, data: &str) -> u64 {
        if self.place() != Some(from) {
            return 0;
        }
        self.place = Some(to);
        self.seq += 1;
        let delta = message(&self.name, self.seq, "delta", Some(data));
        self.tell_all(&delta)
    }

    /// Nothing can be told any more: those who listen are told so, and go.
    pub(super) fn fail(&mut self, why: EndCode) {
        for one in self.listeners.drain(..) {
            one.mailbox.close(why);
        }
    }

    /// Says that it is alive where it has said nothing for long.
    pub(super) fn beat(&mut self) -> u64 {
        if !self.is_heard() || self.told_at.elapsed() < HEARTBEAT_EVERY {
            return 0;
        }
        let heartbeat = message(&self.name, self.seq, "heartbeat", None);
        self.tell_all(&heartbeat)
    }

    fn tell_all(&mut self, message: &Utf8Bytes) -> u64 {
        let told = self.listeners.len() as u64;
        self.listeners.retain(|one| one.mailbox.put(message));
        self.told_at = Instant::now();
        told
    }

    fn renew(&mut self, data: String) {
        if self.data.as_ref() != Some(&data) {
            self.seq += 1;
            self.data = Some(data);
            self.snapshot = None;
        }
    }
}

/// A message; `data` is JSON already.
pub(super) fn message(topic: &str, seq: u64, kind: &str, data: Option<&str>) -> Utf8Bytes {
    // Names of topics are of our own making, symbols of the exchange's: neither needs an escape, and
    // an odd one gets it.
    let topic = serde_json::to_string(topic).unwrap_or_default();
    let utc_ns = now_utc_ns();
    let text = match data {
        Some(data) => format!(
            "{{\"topic\":{topic},\"seq\":{seq},\"kind\":\"{kind}\",\"utc_ns\":{utc_ns},\"data\":{data}}}"
        ),
        None => {
            format!("{{\"topic\":{topic},\"seq\":{seq},\"kind\":\"{kind}\",\"utc_ns\":{utc_ns}}}")
        }
    };
    Utf8Bytes::from(text)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};
    use tokio::sync::mpsc::Receiver;

    fn taken(queue: &mut Receiver<Utf8Bytes>) -> Vec<Value> {
        let mut all = Vec::new();
        while let Ok(text) = queue.try_recv() {
            all.push(serde_json::from_str(&text).unwrap());
        }
        all
    }

    #[test]
    fn a_picture_begins_whole_and_is_told_when_it_changes() {
        let mut board = Board::new("status");
        let (mailbox, mut queue) = Mailbox::new();
        board.begin_picture(&mailbox, Duration::ZERO, || "1".to_string());
        board.tell_picture("1".to_string());
        board.tell_picture("2".to_string());
        let (late, mut late_queue) = Mailbox::new();
        board.begin_picture(&late, Duration::ZERO, || unreachable!("it is there"));
        board.tell_picture("3".to_string());
        let short = |all: Vec<Value>| -> Vec<Value> {
            let short = |one: &Value| json!([one["seq"], one["kind"], one["data"]]);
            all.iter().map(short).collect()
        };
        assert_eq!(
            short(taken(&mut queue)),
            [
                json!([1, "snapshot", 1]),
                json!([2, "delta", 2]),
                json!([3, "delta", 3])
            ]
        );
        assert_eq!(
            short(taken(&mut late_queue)),
            [json!([2, "snapshot", 2]), json!([3, "delta", 3])]
        );
        board.end(&mailbox);
        board.end(&late);
        assert!(!board.is_heard());
    }

    #[test]
    fn whoever_wants_few_pictures_gets_the_newest_in_the_end() {
        let mut board = Board::new("status");
        let (mailbox, mut queue) = Mailbox::new();
        let every = Duration::from_millis(50);
        board.begin_picture(&mailbox, every, || "0".to_string());
        for number in 1..5 {
            board.tell_picture(number.to_string());
        }
        assert_eq!(taken(&mut queue).len(), 1, "the first one only");
        let deadline = Instant::now() + Duration::from_secs(5);
        // Nothing changes any more, and still the newest comes.
        while board.tell_picture("4".to_string()) == 0 {
            assert!(Instant::now() < deadline);
        }
        let all = taken(&mut queue);
        assert_eq!((all.len(), &all[0]["data"]), (1, &json!(4)));
    }

    #[test]
    fn facts_are_told_once_and_not_to_whom_a_later_start_belongs() {
        let mut board = Board::new("fills");
        let (mailbox, mut queue) = Mailbox::new();
        let begun = board.begin_facts(&mailbox, Some((1, 5)));
        assert_eq!((begun.seq, begun.place), (0, Some((1, 5))));
        assert_eq!(board.tell_facts((1, 5), (1, 7), "[]"), 1);
        assert_eq!(board.tell_facts((1, 5), (1, 7), "[]"), 0, "told already");
        board.end(&mailbox);
        assert_eq!(board.place(), None);
        let begun = board.begin_facts(&mailbox, Some((2, 1)));
        assert_eq!((begun.seq, begun.place), (1, Some((2, 1))));
        assert_eq!(board.tell_facts((1, 7), (1, 9), "[]"), 0);
        assert_eq!(taken(&mut queue).len(), 1);
    }
}
