//! The lines of one followed market: frames are read, books are fetched, all goes to the inboxes.
//!
//! In: frames, ends of connections. Out: relays in the inboxes; the market's task is woken. Never:
//! a snapshot taken while the stream that must continue it is down.

use std::sync::{Arc, Mutex, MutexGuard};

use binance::decode::{StreamMessage, decode_stream_message, instrument_hint};
use market::{Instrument, Instruments, Level, Market};
use serde::Deserialize;
use serde_json::value::RawValue;
use tokio::sync::mpsc;

use super::dial::Dialer;
use super::line::Line;
use super::relay::{Meaning, Relay};
use super::{FollowedMarket, SharedInbox, Target, backoff, fetch_book, pause};
use crate::exchange::Shared;
use crate::feed::DepthChange;

/// Most levels of one difference.
const LEVELS_MAX: usize = 16_384;
/// Relays that may wait for the floor; more means that the market was stopped here.
const RELAYS_MAX: usize = 50_000;

/// A market's lines, shared by its connections.
#[derive(Clone)]
pub(super) struct Shop {
    inner: Arc<Mutex<Inner>>,
    target: Target,
}

struct Inner {
    market: Market,
    instruments: Vec<Instrument>,
    lines: Vec<Line>,
    inboxes: Vec<SharedInbox>,
    /// The stream of books is connected.
    books_up: bool,
    wanted: mpsc::UnboundedSender<usize>,
    levels: Vec<Level>,
    relays: Vec<Relay>,
    disconnects: u64,
    unreadable: u64,
    shared: Shared,
}

#[derive(Deserialize)]
struct Combined<'a> {
    #[serde(borrow)]
    data: &'a RawValue,
}

impl Shop {
    /// Starts the task that fetches books.
    pub(super) fn start(market: FollowedMarket, dialer: Dialer, shared: Shared) -> Self {
        let (wanted, mut wants) = mpsc::unbounded_channel::<usize>();
        let shop = Self {
            target: market.target.clone(),
            inner: Arc::new(Mutex::new(Inner {
                market: market.target.market,
                lines: market.lines(),
                instruments: market.instruments,
                inboxes: market.inboxes,
                books_up: false,
                wanted,
                levels: vec![Level::default(); LEVELS_MAX],
                relays: Vec::new(),
                disconnects: 0,
                unreadable: 0,
                shared,
            })),
        };
        let fetcher = shop.clone();
        tokio::spawn(async move {
            let mut waits = backoff(7);
            while let Some(index) = wants.recv().await {
                waits.succeed();
                while let Some(instrument) = fetcher.wanting(index) {
                    let book = fetch_book(&dialer, &fetcher.target, &instrument).await;
                    let taken = book.map(|book| fetcher.lock().snapshot(index, book));
                    match taken {
                        Ok(true) => break,
                        Ok(false) => tracing::debug!(index, "a snapshot from before the stream"),
                        Err(error) => tracing::warn!(%error, "no snapshot"),
                    }
                    pause(&mut waits).await;
                }
            }
        });
        shop
    }

    /// Where it is.
    pub(super) fn target(&self) -> &Target {
        &self.target
    }

    /// Symbols in lower case, as streams are named.
    pub(super) fn symbols(&self) -> Vec<String> {
        let inner = self.lock();
        let all = inner.instruments.iter();
        all.map(|one| one.symbol.as_str().to_lowercase()).collect()
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().expect("no piece of work panicked")
    }

    /// The instrument, while its book has to be fetched.
    fn wanting(&self, index: usize) -> Option<Instrument> {
        let inner = self.lock();
        let wanting = inner.books_up && !inner.lines[index].is_live();
        wanting.then(|| inner.instruments[index])
    }

    /// A frame of a combined stream.
    pub(super) fn frame(&self, text: &str) {
        self.lock().frame(text);
    }

    /// A connection opened.
    pub(super) fn up(&self, carries_books: bool) {
        let mut inner = self.lock();
        if carries_books {
            inner.books_up = true;
            for index in 0..inner.lines.len() {
                inner.want(index);
            }
        }
    }

    /// A connection ended, and no other has taken its place.
    pub(super) fn down(&self, carries_books: bool) {
        let mut inner = self.lock();
        inner.disconnects += 1;
        if carries_books {
            inner.books_up = false;
        }
        for index in 0..inner.lines.len() {
            if carries_books {
                inner.lose(index);
            }
            inner.deliver(index);
        }
    }
}

impl Inner {
    fn want(&self, index: usize) {
        // It can only fail when the fetching task is gone, and then the runtime ends.
        let _ = self.wanted.send(index);
    }

    fn lose(&mut self, index: usize) {
        self.lines[index].lose(&mut self.relays);
    }

    fn snapshot(&mut self, index: usize, book: crate::feed::StartBook) -> bool {
        if !self.books_up {
            return false;
        }
        let sound = self.lines[index].snapshot(book, &mut self.relays);
        self.deliver(index);
        sound
    }

    fn frame(&mut self, text: &str) {
        let Ok(combined) = serde_json::from_str::<Combined<'_>>(text) else {
            return self.doubt(text);
        };
        let data = combined.data.get();
        let instruments = Instruments(&self.instruments);
        let decoded =
            decode_stream_message(data.as_bytes(), &instruments, self.market, &mut self.levels);
        let meaning = match decoded {
            Ok(StreamMessage::Depth(update)) => Meaning::Depth(DepthChange {
                header: update.header,
                bids: update.bids.to_vec(),
                asks: update.asks.to_vec(),
            }),
            Ok(StreamMessage::BookTicker(ticker)) => Meaning::Ticker(ticker),
            Ok(StreamMessage::Trade(trade)) => Meaning::Trade(trade, true),
            Ok(StreamMessage::AggTrade(aggregate)) => Meaning::Aggregate(aggregate, None),
            Ok(StreamMessage::MarkPrice(mark)) => Meaning::Mark(mark),
            Ok(StreamMessage::Control(_) | StreamMessage::Other(_)) => return,
            Err(_) => return self.doubt(text),
        };
        let index = usize::from(meaning.instrument().0);
        let text = data.as_bytes().to_vec();
        if self.lines[index].frame(text, meaning, &mut self.relays) {
            self.want(index);
        }
        self.deliver(index);
    }

    /// A frame that cannot be read may have been a difference of this book.
    fn doubt(&mut self, text: &str) {
        self.unreadable += 1;
        let instruments = Instruments(&self.instruments);
        let hint = instrument_hint(text.as_bytes(), &instruments, self.market);
        if let Some(id) = hint {
            let index = usize::from(id.0);
            self.lose(index);
            self.want(index);
            self.deliver(index);
        }
    }

    fn deliver(&mut self, index: usize) {
        let mut inbox = self.inboxes[index]
            .lock()
            .expect("no piece of work panicked");
        if inbox.relays.len() > RELAYS_MAX {
            inbox.relays.clear();
            self.relays.clear();
            self.lines[index].lose(&mut self.relays);
            self.want(index);
        }
        inbox.relays.extend(self.relays.drain(..));
        inbox.standing.live = self.lines[index].is_live();
        inbox.standing.counts = self.lines[index].counts();
        inbox.standing.disconnects = self.disconnects;
        inbox.standing.unreadable = self.unreadable;
        drop(inbox);
        self.shared.wake();
    }
}
