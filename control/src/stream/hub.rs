//! All topics, and the two threads that tell them.
//!
//! In: pictures of the drain thread, its place in the ledger. Out: messages on the boards. Never: a
//! picture for a topic that nobody listens to; facts that a hanging disk keeps pictures waiting with.

use super::board::{Begun, Board};
use super::facts::{self, ROWS_MAX};
use super::figures::{EndCode, Figures, StreamFigures};
use super::mailbox::Mailbox;
use super::pictures;
use super::topic::{Facts, Kind, Picture, Place, Topics};
use crate::http::Site;
use crate::ledger::{LedgerError, open_to_read};
use crate::view::View;
use rusqlite::Connection;
use settings::Settings;
use std::io;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::{Duration, Instant};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// Streams over the network, and those over sockets of this machine.
const NETWORK_MAX: usize = 256;
const LOCAL_MAX: usize = 32;

/// How long a thread waits for a new picture before it looks after heartbeats.
const PATIENCE: Duration = Duration::from_millis(500);

/// Latencies are distributions over all of a start: they change slowly.
const LATENCY_EVERY: Duration = Duration::from_secs(1);

/// A ledger that cannot be read for so long ends the streams that tell of it.
const LEDGER_PATIENCE: Duration = Duration::from_secs(5);

/// What all streams share.
pub struct Hub {
    topics: Topics,
    boards: Vec<Mutex<Board>>,
    figures: Figures,
    network: Arc<Semaphore>,
    local: Arc<Semaphore>,
}

/// A client's place; given back when it is dropped.
pub struct Seat(#[expect(dead_code, reason = "it is held, not read")] OwnedSemaphorePermit);

impl Hub {
    /// For the instruments of these settings.
    #[must_use]
    pub fn of(settings: &Settings) -> Self {
        let topics = Topics::of(&settings.instruments);
        let boards = topics.names().map(|name| Mutex::new(Board::new(name)));
        Self {
            boards: boards.collect(),
            topics,
            figures: Figures::default(),
            network: Arc::new(Semaphore::new(NETWORK_MAX)),
            local: Arc::new(Semaphore::new(LOCAL_MAX)),
        }
    }

    /// Every topic.
    #[must_use]
    pub fn topics(&self) -> &Topics {
        &self.topics
    }

    /// A place for one more stream; none where there are enough.
    pub fn seat(&self, is_local: bool) -> Option<Seat> {
        let seats = if is_local { &self.local } else { &self.network };
        let seat = Arc::clone(seats).try_acquire_owned();
        if seat.is_err() {
            self.figures.refused();
        }
        seat.ok().map(Seat)
    }

    /// What is counted.
    #[must_use]
    pub fn figures(&self) -> StreamFigures {
        self.figures.now()
    }

    pub(super) fn came(&self) {
        self.figures.came();
    }

    pub(super) fn ended(&self, code: EndCode) {
        self.figures.ended(code);
    }

    fn board(&self, topic: usize) -> MutexGuard<'_, Board> {
        let board = self.boards[topic].lock();
        board.expect("nobody panics while it is held")
    }

    /// Adds a listener; a picture is in its mailbox then, of facts the snapshot is to be read.
    pub(super) fn begin(
        &self,
        topic: usize,
        mailbox: &Arc<Mailbox>,
        every: Duration,
        site: &Site,
    ) -> Option<(Facts, Begun)> {
        let view = site.shared.get();
        match self.topics.kind(topic) {
            Kind::Picture(picture) => {
                let mut board = self.board(topic);
                let data = || pictures::data(picture, &view, &site.settings);
                let told = board.begin_picture(mailbox, every, data);
                self.figures.messages(told);
                None
            }
            Kind::Facts(facts) => {
                let mut board = self.board(topic);
                Some((facts, board.begin_facts(mailbox, view.ledger_place)))
            }
        }
    }

    /// Takes a listener away.
    pub(super) fn end(&self, topic: usize, mailbox: &Arc<Mailbox>) {
        self.board(topic).end(mailbox);
    }

    /// A round over all pictures that somebody listens to.
    fn tell_pictures(&self, view: &View, settings: &Settings, latency_too: bool) {
        for (topic, kind) in self.topics.iter() {
            let Kind::Picture(picture) = kind else {
                continue;
            };
            let heard = self.board(topic).is_heard();
            if !heard || (picture == Picture::Latency && !latency_too) {
                continue;
            }
            let data = pictures::data(picture, view, settings);
            let told = self.board(topic).tell_picture(data);
            self.figures.messages(told);
        }
    }

    fn beat(&self) {
        for topic in 0..self.topics.len() {
            let told = self.board(topic).beat();
            self.figures.messages(told);
        }
    }

    /// A round over all facts that somebody listens to; true when there may be more.
    fn tell_facts(&self, connection: &Connection, up_to: Place) -> Result<bool, LedgerError> {
        let mut more = false;
        for (topic, kind) in self.topics.iter() {
            let Kind::Facts(facts) = kind else { continue };
            let Some(from) = self.board(topic).place() else {
                continue;
            };
            let mut rows = facts::after(connection, facts, from)?;
            let full = rows.len() >= ROWS_MAX as usize;
            // Never beyond what every later picture has: a client that comes again with the place of
            // its last row finds it.
            rows.retain(|(place, _)| *place <= up_to);
            let Some((to, _)) = rows.last() else { continue };
            let data = facts::data(&rows, *to, true);
            let told = self.board(topic).tell_facts(from, *to, &data);
            self.figures.messages(told);
            more |= full;
        }
        Ok(more)
    }

    fn are_facts_heard(&self) -> bool {
        let facts = self.topics.iter();
        let mut facts = facts.filter(|(_, kind)| matches!(kind, Kind::Facts(_)));
        facts.any(|(topic, _)| self.board(topic).is_heard())
    }

    fn fail_facts(&self) {
        for (topic, kind) in self.topics.iter() {
            if matches!(kind, Kind::Facts(_)) {
                self.board(topic).fail(EndCode::Ledger);
            }
        }
    }
}

/// Starts both threads; they live as long as the process.
///
/// # Errors
/// Of the kernel, when it makes no thread.
pub fn start(site: &Arc<Site>) -> io::Result<()> {
    let pictures = Arc::clone(site);
    std::thread::Builder::new()
        .name("pictures".to_string())
        .spawn(move || tell_pictures(&pictures))?;
    let facts = Arc::clone(site);
    std::thread::Builder::new()
        .name("facts".to_string())
        .spawn(move || tell_facts(&facts))?;
    Ok(())
}

fn tell_pictures(site: &Site) {
    let (mut seen, mut latency_at) = (0, None::<Instant>);
    loop {
        let (number, view) = site.shared.wait_newer(seen, PATIENCE);
        seen = number;
        let latency_too = latency_at.is_none_or(|at| at.elapsed() >= LATENCY_EVERY);
        if latency_too {
            latency_at = Some(Instant::now());
        }
        site.stream
            .tell_pictures(&view, &site.settings, latency_too);
        site.stream.beat();
    }
}

fn tell_facts(site: &Site) {
    let (mut seen, mut connection) = (0, None::<Connection>);
    let mut troubled_since = None::<Instant>;
    loop {
        let (number, view) = site.shared.wait_newer(seen, PATIENCE);
        seen = number;
        if !site.stream.are_facts_heard() {
            (connection, troubled_since) = (None, None);
            continue;
        }
        let up_to = view.ledger_place.unwrap_or_default();
        let told = tell_new_facts(site, &mut connection, up_to);
        match told {
            Ok(()) => troubled_since = None,
            Err(error) => {
                connection = None;
                let since = *troubled_since.get_or_insert_with(|| {
                    tracing::warn!("the stream cannot read the ledger: {error}");
                    Instant::now()
                });
                if since.elapsed() >= LEDGER_PATIENCE {
                    site.stream.fail_facts();
                }
            }
        }
    }
}

fn tell_new_facts(
    site: &Site,
    connection: &mut Option<Connection>,
    up_to: Place,
) -> Result<(), LedgerError> {
    let connection = match connection {
        Some(connection) => connection,
        None => connection.insert(open_to_read(&site.ledger)?),
    };
    while site.stream.tell_facts(connection, up_to)? {}
    Ok(())
}
