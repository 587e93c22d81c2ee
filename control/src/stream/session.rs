//! One client of the stream.
//!
//! In: its messages, its mailbox. Out: messages to it, an end with a reason. Never: more of it in
//! memory than [`MESSAGE_BYTES_MAX`] and what its mailbox holds; a client that is waited for without end.

use super::HZ_MAX;
use super::board::{Begun, message};
use super::facts::{self, ROWS_MAX, Rows};
use super::figures::EndCode;
use super::hub::Seat;
use super::mailbox::Mailbox;
use super::topic::{Facts, Place, place_of};
use crate::api::Caller;
use crate::http::Site;
use crate::ledger::open_to_read;
use axum::extract::ws::{CloseFrame, Message, Utf8Bytes, WebSocket, WebSocketUpgrade};
use axum::response::Response;
use serde::Deserialize;
use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::sync::mpsc::Receiver;
use tokio::time::{MissedTickBehavior, interval, timeout};

/// Longest message of a client.
const MESSAGE_BYTES_MAX: usize = 4_096;

/// Buffer of each direction; what is longer is read and written in parts.
const BUFFER_BYTES: usize = 4_096;

/// A client takes a message within this time, or is cut off.
const TAKEN_WITHIN: Duration = Duration::from_secs(8);

/// How often it is asked whether it is there, and how long it may say nothing.
const PING_EVERY: Duration = Duration::from_secs(5);
const SILENT_MAX: Duration = Duration::from_secs(20);

/// How long its end may take.
const FAREWELL: Duration = Duration::from_secs(1);

/// Messages of a client that count as one burst; each second allows [`A_SECOND`] more.
const BURST_MAX: u32 = 50;
const A_SECOND: u32 = 10;

/// Rows of the past that a subscription begins with where it names no place.
const PAST_ROWS: u32 = 50;

/// Pages of the past that a subscription with a place may begin with.
const PAST_PAGES_MAX: usize = 100;

/// How long a page of them may take.
const PAGE_WITHIN: Duration = Duration::from_secs(10);

/// What a client wants.
#[derive(Clone, Debug, Default)]
pub struct Wish {
    /// Numbers of topics.
    pub topics: Vec<usize>,
    /// Of facts: from behind this place on.
    pub after: Option<Place>,
    /// Pictures a second, at most; 1 to [`HZ_MAX`].
    pub max_hz: Option<u8>,
}

/// A client's message.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Said {
    #[serde(default)]
    subscribe: Vec<String>,
    #[serde(default)]
    unsubscribe: Vec<String>,
    after: Option<String>,
    max_hz: Option<u8>,
}

/// Takes the connection over; the answer is the one of the upgrade.
pub fn serve(
    upgrade: WebSocketUpgrade,
    site: Arc<Site>,
    caller: Caller,
    seat: Seat,
    wish: Wish,
) -> Response {
    upgrade
        .max_message_size(MESSAGE_BYTES_MAX)
        .max_frame_size(MESSAGE_BYTES_MAX)
        .read_buffer_size(BUFFER_BYTES)
        .write_buffer_size(0)
        .on_upgrade(move |socket| async move {
            let (mailbox, queue) = Mailbox::new();
            let session = Session {
                socket,
                site,
                caller,
                mailbox,
                topics: BTreeSet::new(),
                heard_at: Instant::now(),
                allowance: BURST_MAX,
                max_hz: HZ_MAX,
            };
            session.run(queue, wish).await;
            drop(seat);
        })
}

struct Session {
    socket: WebSocket,
    site: Arc<Site>,
    caller: Caller,
    mailbox: Arc<Mailbox>,
    topics: BTreeSet<usize>,
    heard_at: Instant,
    /// Messages that it may still send.
    allowance: u32,
    max_hz: u8,
}

/// An end, and what the client is told.
type End = (EndCode, u16, &'static str);

const LEFT: End = (EndCode::Left, 1000, "");
const SLOW: End = (
    EndCode::Slow,
    1008,
    "too slow: messages were not taken in time",
);
const SILENT: End = (
    EndCode::Silent,
    1008,
    "silent: no answer to a ping within 20 s",
);
const TOO_MANY: End = (
    EndCode::Unruly,
    1008,
    "too many messages: at most 10 a second",
);
const NO_TEXT: End = (EndCode::Unruly, 1003, "allowed: text");
const NO_MESSAGE: End = (
    EndCode::Unruly,
    1009,
    "no message that is taken here: allowed are 4096 bytes of text",
);
const REVOKED: End = (EndCode::Revoked, 1008, "this key does not hold any more");
const LEDGER: End = (EndCode::Ledger, 1011, "the ledger cannot be read");
const PAST: End = (
    EndCode::Unruly,
    1008,
    "too far behind: page through the routes of the ledger first",
);

impl Session {
    async fn run(mut self, mut queue: Receiver<Utf8Bytes>, wish: Wish) {
        self.site.stream.came();
        let (code, number, reason) = match self.subscribe(wish).await {
            Ok(()) => self.converse(&mut queue).await,
            Err(end) => end,
        };
        for topic in &self.topics {
            self.site.stream.end(*topic, &self.mailbox);
        }
        if code != EndCode::Left {
            tracing::debug!(caller = self.caller.name, reason, "a stream is ended");
        }
        self.site.stream.ended(code);
        let _ = timeout(FAREWELL, self.say_farewell(number, reason)).await;
    }

    /// With the reason; what the client still says is read, so that the reason reaches it.
    async fn say_farewell(&mut self, code: u16, reason: &'static str) {
        let frame = CloseFrame {
            code,
            reason: Utf8Bytes::from_static(reason),
        };
        if self.socket.send(Message::Close(Some(frame))).await.is_ok() {
            while let Some(Ok(_)) = self.socket.recv().await {}
        }
    }

    async fn converse(&mut self, queue: &mut Receiver<Utf8Bytes>) -> End {
        let mut second = interval(Duration::from_secs(1));
        second.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut pinged_at = Instant::now();
        let mailbox = Arc::clone(&self.mailbox);
        loop {
            let done = tokio::select! {
                biased;
                why = mailbox.closed() => Err(end_of(why)),
                _ = second.tick() => self.each_second(&mut pinged_at).await,
                said = self.socket.recv() => match said {
                    None => Err(LEFT),
                    Some(Err(error)) => Err(end_of_broken(&error)),
                    Some(Ok(said)) => self.hear(said).await,
                },
                Some(message) = queue.recv() => self.send(Message::Text(message)).await,
            };
            if let Err(end) = done {
                return end;
            }
        }
    }

    async fn each_second(&mut self, pinged_at: &mut Instant) -> Result<(), End> {
        self.allowance = (self.allowance + A_SECOND).min(BURST_MAX);
        if !self.caller.still_may_look(&self.site) {
            return Err(REVOKED);
        }
        if self.heard_at.elapsed() > SILENT_MAX {
            return Err(SILENT);
        }
        if pinged_at.elapsed() >= PING_EVERY {
            *pinged_at = Instant::now();
            return self.send(Message::Ping(axum::body::Bytes::new())).await;
        }
        Ok(())
    }

    /// A message goes out, or the client is too slow.
    async fn send(&mut self, message: Message) -> Result<(), End> {
        match timeout(TAKEN_WITHIN, self.socket.send(message)).await {
            Ok(Ok(())) => Ok(()),
            Ok(Err(_)) => Err(LEFT),
            Err(_) => Err(SLOW),
        }
    }

    async fn say(&mut self, value: &serde_json::Value) -> Result<(), End> {
        let text = Utf8Bytes::from(value.to_string());
        self.send(Message::Text(text)).await
    }

    async fn hear(&mut self, said: Message) -> Result<(), End> {
        self.heard_at = Instant::now();
        let Some(left) = self.allowance.checked_sub(1) else {
            return Err(TOO_MANY);
        };
        self.allowance = left;
        match said {
            Message::Text(text) => match self.understand(&text) {
                Ok((gone, wish)) => {
                    for topic in gone {
                        if self.topics.remove(&topic) {
                            self.site.stream.end(topic, &self.mailbox);
                        }
                    }
                    self.subscribe(wish).await
                }
                Err(detail) => {
                    let refused = serde_json::json!({ "kind": "refused", "detail": detail });
                    self.say(&refused).await
                }
            },
            Message::Binary(_) => Err(NO_TEXT),
            Message::Close(_) => Err(LEFT),
            // Pings are answered by the library.
            Message::Ping(_) | Message::Pong(_) => Ok(()),
        }
    }

    /// Topics that go, and what comes; nothing of it is done where a part of it is wrong.
    fn understand(&self, text: &str) -> Result<(Vec<usize>, Wish), String> {
        let said: Said = serde_json::from_str(text).map_err(|error| {
            format!("{error}; allowed: subscribe, unsubscribe (lists of topics), after, max_hz")
        })?;
        let topics = self.site.stream.topics();
        let names = |list: &[String]| topics.find(list.iter().map(String::as_str));
        let wish = Wish {
            topics: names(&said.subscribe)?,
            after: said.after.as_deref().map(place_of).transpose()?,
            max_hz: said.max_hz,
        };
        allowed_hz(wish.max_hz)?;
        Ok((names(&said.unsubscribe)?, wish))
    }

    async fn subscribe(&mut self, wish: Wish) -> Result<(), End> {
        self.max_hz = wish.max_hz.unwrap_or(self.max_hz);
        let fresh: BTreeSet<usize> = wish.topics.into_iter().collect();
        let fresh: Vec<usize> = fresh.difference(&self.topics).copied().collect();
        self.topics.extend(&fresh);
        let topics = self.site.stream.topics();
        let names: Vec<&str> = self.topics.iter().map(|one| topics.name(*one)).collect();
        let told = serde_json::json!({ "kind": "subscribed", "topics": names });
        self.say(&told).await?;
        // The server's own rhythm is the fastest: nothing is left out of it.
        let every = match self.max_hz {
            HZ_MAX => Duration::ZERO,
            slower => Duration::from_secs(1) / u32::from(slower.max(1)),
        };
        let site = Arc::clone(&self.site);
        for topic in fresh {
            if let Some((facts, begun)) = site.stream.begin(topic, &self.mailbox, every, &site) {
                let name = site.stream.topics().name(topic).to_string();
                self.tell_past(&name, facts, &begun, wish.after).await?;
            }
        }
        Ok(())
    }

    /// The snapshot of facts: what is there up to where the others come from.
    async fn tell_past(
        &mut self,
        name: &str,
        facts: Facts,
        begun: &Begun,
        after: Option<Place>,
    ) -> Result<(), End> {
        let up_to = begun.place.unwrap_or_default();
        let Some(mut from) = after else {
            let rows = self
                .read(move |ledger| facts::newest(ledger, facts, up_to, PAST_ROWS))
                .await?;
            return self.send_rows(name, begun.seq, &rows, up_to, true).await;
        };
        for _ in 0..PAST_PAGES_MAX {
            let read = self.read(move |ledger| facts::after(ledger, facts, from));
            let mut rows = read.await?;
            let full = rows.len() >= ROWS_MAX as usize;
            rows.retain(|(place, _)| *place <= up_to);
            let complete = !full || rows.last().is_none_or(|(place, _)| *place >= up_to);
            from = match (complete, rows.last()) {
                (false, Some((place, _))) => *place,
                _ => up_to.max(from),
            };
            self.send_rows(name, begun.seq, &rows, from, complete)
                .await?;
            if complete {
                return Ok(());
            }
        }
        Err(PAST)
    }

    async fn send_rows(
        &mut self,
        name: &str,
        seq: u64,
        rows: &Rows,
        place: Place,
        complete: bool,
    ) -> Result<(), End> {
        let data = facts::data(rows, place, complete);
        let message = message(name, seq, "snapshot", Some(&data));
        self.send(Message::Text(message)).await
    }

    /// Reads the ledger as everybody does: a few at a time, away from the thread that serves.
    async fn read(
        &mut self,
        read: impl FnOnce(&rusqlite::Connection) -> Result<Rows, crate::ledger::LedgerError>
        + Send
        + 'static,
    ) -> Result<Rows, End> {
        let site = Arc::clone(&self.site);
        let rows = self.site.read_ledger(move || {
            let ledger = open_to_read(&site.ledger)?;
            read(&ledger)
        });
        match timeout(PAGE_WITHIN, rows).await {
            Ok(Some(Ok(rows))) => Ok(rows),
            Ok(Some(Err(error))) => {
                tracing::warn!("a stream cannot read the ledger: {error}");
                Err(LEDGER)
            }
            Ok(None) | Err(_) => Err(LEDGER),
        }
    }
}

/// What a mailbox was closed for.
const fn end_of(why: EndCode) -> End {
    match why {
        EndCode::Slow => SLOW,
        _ => LEDGER,
    }
}

/// A connection that broke, or a frame that is none of WebSocket's or too long.
fn end_of_broken(error: &axum::Error) -> End {
    // Whoever ends a connection without a word has left; the library's error is no type of ours.
    if error.to_string().contains("without closing handshake") {
        return LEFT;
    }
    let mut cause: Option<&dyn std::error::Error> = Some(error);
    while let Some(one) = cause {
        if one.is::<std::io::Error>() {
            return LEFT;
        }
        cause = one.source();
    }
    NO_MESSAGE
}

/// Checks a rate of pictures.
///
/// # Errors
/// What is allowed.
pub fn allowed_hz(max_hz: Option<u8>) -> Result<(), String> {
    match max_hz {
        Some(hz) if !(1..=HZ_MAX).contains(&hz) => {
            Err(format!("max_hz: found {hz}; allowed: 1 to {HZ_MAX}"))
        }
        _ => Ok(()),
    }
}
