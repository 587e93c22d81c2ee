//! A recorded session as a feed: re-timed by exchange time, continuous over its loops.
//!
//! In: a session of `recordings`. Out: its events with times since the start, ids that continue
//! over each loop, a mark price where none was recorded. Never: a jump in ids; the way back to
//! the start is one depth event that carries the whole difference.
//!
//! The feed starts with the recorded snapshot and the events behind it. When a pass ends, the
//! book must go back to the snapshot: one difference does that, under ids that follow, and the
//! next pass continues from there with all ids shifted by the same amount.

use std::collections::BTreeMap;

use binance::decode::{StreamMessage, decode_snapshot, decode_stream_message};
use market::event::DepthHeader;
use market::{
    Instrument, InstrumentId, Instruments, Level, Market, Price, Quantity, Side, UpdateId, UtcMs,
};
use matching::MarketView;
use recordings::{Message, MessageKind, Session, by_exchange_time};

use super::{DepthChange, Feed, FeedEvent, StartBook, parameters};
use crate::tape::past::Pace;

/// Pause between the last event of a pass and the way back, and again before the next pass.
const WRAP_PAUSE_NS: i64 = 50_000_000;
const MARK_PERIOD_NS: i64 = 1_000_000_000;
/// Seconds over which a derived mark price averages.
const MARK_MEAN_S: i64 = 30;
/// Most levels of one recorded difference.
const LEVELS_MAX: usize = 16_384;

/// A recorded instrument.
pub struct Recording {
    instrument: Instrument,
    start: StartBook,
    events: Vec<(i64, FeedEvent)>,
    way_back: DepthChange,
    repeat: bool,
    position: usize,
    pass_start_ns: i64,
    id_shift: u64,
    trade_shift: u64,
    id_stride: u64,
    trade_stride: u64,
    last_depth_id: u64,
}

/// Where the recorded trades begin and end.
#[derive(Default)]
struct Seen {
    max_id: u64,
    trades: Option<(u64, u64)>,
    marks: u64,
}

impl Recording {
    /// Loads a session into memory, with tick, lot and filters as `listed`, or else as the
    /// recording shows them.
    ///
    /// # Errors
    /// One sentence that names file and line.
    pub fn load(
        session: &Session,
        listed: Option<Instrument>,
        repeat: bool,
        skip_bad: bool,
    ) -> Result<Self, String> {
        let mut instrument = session
            .instrument(InstrumentId(0))
            .ok_or_else(|| format!("`{}`: a symbol longer than 32 bytes", session.symbol))?;
        instrument.filters = parameters::filters(&instrument);
        let instrument = listed.unwrap_or(instrument);
        let messages = read_all(session)?;
        let start = start_book(&messages, &instrument);
        let mut loader = Loader {
            instrument,
            start_id: start.last_update_id.0,
            levels: vec![Level::default(); LEVELS_MAX],
            events: Vec::with_capacity(messages.len()),
            seen: Seen::default(),
            first_ns: None,
        };
        let mut skipped = 0u64;
        for (time_ns, message) in &messages {
            if let Err(reason) = loader.take(*time_ns, message) {
                if !skip_bad {
                    let files: Vec<_> = session.files().map(|f| f.display().to_string()).collect();
                    let (files, line) = (files.join(", "), message.line);
                    return Err(format!("{files}: line {line}: {reason}"));
                }
                skipped += 1;
            }
        }
        if skipped > 0 {
            tracing::warn!(symbol = %session.symbol, skipped, "messages without a meaning skipped");
        }
        Ok(loader.finish(start, repeat))
    }

    fn way_back(&mut self) -> FeedEvent {
        self.id_shift += self.id_stride;
        self.trade_shift += self.trade_stride;
        self.position = 0;
        let mut change = self.way_back.clone();
        let last = self.start.last_update_id.0 + self.id_shift;
        change.header.first_update_id = UpdateId(self.last_depth_id + 1);
        change.header.previous_update_id = UpdateId(self.last_depth_id);
        change.header.last_update_id = UpdateId(last);
        self.last_depth_id = last;
        FeedEvent::Depth(change)
    }

    fn shifted(&mut self, event: &FeedEvent) -> FeedEvent {
        let mut event = event.clone();
        match &mut event {
            FeedEvent::Depth(change) => {
                let header = &mut change.header;
                let after = self.last_depth_id + 1;
                let first = (header.first_update_id.0 + self.id_shift).max(after);
                // Spot has no `pu`: there `U` must follow the last `u` without a gap.
                let spot = self.instrument.market == Market::Spot;
                header.first_update_id = UpdateId(if spot { after } else { first });
                header.previous_update_id = UpdateId(self.last_depth_id);
                self.last_depth_id = header.last_update_id.0 + self.id_shift;
                header.last_update_id = UpdateId(self.last_depth_id);
            }
            FeedEvent::Ticker(ticker) => ticker.update_id.0 += self.id_shift,
            FeedEvent::Trade(trade) => trade.trade_id.0 += self.trade_shift,
            FeedEvent::Mark(_) => {}
        }
        event
    }
}

impl Feed for Recording {
    fn instrument(&self) -> Instrument {
        self.instrument
    }

    fn start_book(&self) -> StartBook {
        self.start.clone()
    }

    fn start_price(&self) -> Price {
        let book = (self.start.bids.first(), self.start.asks.first());
        if let (Some(bid), Some(ask)) = book {
            return Price((bid.price.0 + ask.price.0).div_euclid(2));
        }
        // Without a snapshot the first price that is told at all.
        let told = self.events.iter().find_map(|(_, event)| match event {
            FeedEvent::Trade(trade) => Some(trade.price),
            FeedEvent::Ticker(ticker) => Some(ticker.bid.price),
            FeedEvent::Mark(mark) => Some(*mark),
            FeedEvent::Depth(_) => None,
        });
        told.unwrap_or(Price(1))
    }

    fn pace(&self) -> Pace {
        let (mut lots, mut trades, mut first_id) = (0i128, 0i128, 1);
        for (_, event) in &self.events {
            if let FeedEvent::Trade(trade) = event {
                if trades == 0 {
                    first_id = trade.trade_id.0;
                }
                trades += 1;
                lots += i128::from(trade.quantity.0);
            }
        }
        let length_ns = self
            .events
            .last()
            .map_or(1, |(time_ns, _)| (*time_ns).max(1));
        let per_minute = |sum: i128| {
            i64::try_from(sum * 60_000_000_000 / i128::from(length_ns)).unwrap_or(i64::MAX) + 1
        };
        Pace {
            lots_per_minute: per_minute(lots),
            trades_per_minute: per_minute(trades),
            first_trade_id: i64::try_from(first_id).unwrap_or(i64::MAX),
        }
    }

    fn next_time_ns(&self) -> Option<i64> {
        match self.events.get(self.position) {
            Some((time_ns, _)) => Some(self.pass_start_ns + time_ns),
            None if self.repeat => {
                let last_ns = self.events.last().map_or(0, |(time_ns, _)| *time_ns);
                Some(self.pass_start_ns + last_ns + WRAP_PAUSE_NS)
            }
            None => None,
        }
    }

    fn next_event(&mut self) -> Option<FeedEvent> {
        if self.position == self.events.len() {
            let wrap_ns = self.next_time_ns()?;
            self.pass_start_ns = wrap_ns + WRAP_PAUSE_NS;
            return Some(self.way_back());
        }
        let event = self.events[self.position].1.clone();
        self.position += 1;
        Some(self.shifted(&event))
    }
}

fn read_all(session: &Session) -> Result<Vec<(i64, Message)>, String> {
    let ordered = by_exchange_time(std::slice::from_ref(session));
    let messages: Result<Vec<_>, _> = ordered
        .map(|next| next.map(|(time_ns, _, message)| (time_ns, message)))
        .collect();
    messages.map_err(|error| error.to_string())
}

/// The first snapshot that the recorded differences continue, or an empty book before them all.
fn start_book(messages: &[(i64, Message)], instrument: &Instrument) -> StartBook {
    let differences = || {
        messages
            .iter()
            .filter_map(|(_, message)| match message.kind {
                MessageKind::Depth { first, last, .. } => Some((first, last)),
                _ => None,
            })
    };
    for (_, message) in messages {
        let MessageKind::Snapshot { last_update_id } = message.kind else {
            continue;
        };
        let continued =
            |(first, last): (u64, u64)| first <= last_update_id + 1 && last > last_update_id;
        if !differences().any(continued) {
            continue;
        }
        if let Ok(snapshot) = decode_snapshot(&message.payload, instrument) {
            let levels = |side| {
                let mut buffer = vec![Level::default(); 10_000];
                snapshot.runs(side).next_run(&mut buffer).to_vec()
            };
            return StartBook {
                last_update_id: UpdateId(last_update_id),
                bids: levels(Side::Buy),
                asks: levels(Side::Sell),
            };
        }
    }
    let before_all = differences().map(|(first, _)| first - 1).min().unwrap_or(0);
    StartBook {
        last_update_id: UpdateId(before_all),
        ..StartBook::default()
    }
}

struct Loader {
    instrument: Instrument,
    start_id: u64,
    levels: Vec<Level>,
    events: Vec<(i64, FeedEvent)>,
    seen: Seen,
    first_ns: Option<i64>,
}

impl Loader {
    /// Keeps what lies behind the start book.
    fn take(&mut self, time_ns: i64, message: &Message) -> Result<(), String> {
        let behind = match message.kind {
            MessageKind::Depth { last, .. } => last > self.start_id,
            MessageKind::BookTicker { update_id } => {
                self.first_ns.is_some() && update_id > self.start_id
            }
            MessageKind::Trade | MessageKind::MarkPrice => self.first_ns.is_some(),
            MessageKind::AggTrade | MessageKind::Snapshot { .. } | MessageKind::Other => false,
        };
        if !behind {
            return Ok(());
        }
        let table = [self.instrument];
        let (payload, market) = (&message.payload, self.instrument.market);
        let decoded =
            decode_stream_message(payload, &Instruments(&table), market, &mut self.levels)
                .map_err(|error| error.to_string())?;
        let event = match decoded {
            StreamMessage::Depth(update) => {
                self.seen.max_id = self.seen.max_id.max(update.header.last_update_id.0);
                FeedEvent::Depth(DepthChange {
                    header: update.header,
                    bids: update.bids.to_vec(),
                    asks: update.asks.to_vec(),
                })
            }
            StreamMessage::BookTicker(ticker) => {
                self.seen.max_id = self.seen.max_id.max(ticker.update_id.0);
                FeedEvent::Ticker(ticker)
            }
            StreamMessage::Trade(trade) => {
                let id = trade.trade_id.0;
                let (first, last) = self.seen.trades.unwrap_or((id, id));
                self.seen.trades = Some((first.min(id), last.max(id)));
                FeedEvent::Trade(trade)
            }
            StreamMessage::MarkPrice(mark) => {
                self.seen.marks += 1;
                FeedEvent::Mark(mark.mark)
            }
            StreamMessage::AggTrade(_) | StreamMessage::Control(_) | StreamMessage::Other(_) => {
                return Ok(());
            }
        };
        let first_ns = *self.first_ns.get_or_insert(time_ns);
        self.events.push(((time_ns - first_ns).max(0), event));
        Ok(())
    }

    fn finish(self, start: StartBook, repeat: bool) -> Recording {
        let derive_marks = self.seen.marks == 0 && self.instrument.market == Market::UsdM;
        let (events, end) = walk(self.events, &start, derive_marks);
        let (first_trade, last_trade) = self.seen.trades.unwrap_or((1, 0));
        Recording {
            instrument: self.instrument,
            way_back: difference(&end, &start),
            last_depth_id: start.last_update_id.0,
            id_stride: self.seen.max_id + 1 - start.last_update_id.0.min(self.seen.max_id),
            trade_stride: last_trade + 1 - first_trade,
            start,
            events,
            repeat,
            position: 0,
            pass_start_ns: 0,
            id_shift: 0,
            trade_shift: 0,
        }
    }
}

/// Walks the events once: derives mark prices where asked, returns the book at the end.
fn walk(
    events: Vec<(i64, FeedEvent)>,
    start: &StartBook,
    derive_marks: bool,
) -> (Vec<(i64, FeedEvent)>, MarketView) {
    let mut view = MarketView::default();
    view.reset(start.last_update_id, &start.bids, &start.asks);
    let mut all = Vec::with_capacity(events.len());
    let mut next_mark_ns = 0;
    // In millionths of a tick: the mean is an integer in every run.
    let mut mean_e6: Option<i64> = None;
    for (time_ns, event) in events {
        while derive_marks && time_ns >= next_mark_ns {
            if let Some(middle_e6) = middle_e6(&view) {
                let mean =
                    mean_e6.map_or(middle_e6, |mean| mean + (middle_e6 - mean) / MARK_MEAN_S);
                mean_e6 = Some(mean);
                all.push((next_mark_ns, FeedEvent::Mark(Price(mean / 1_000_000))));
            }
            next_mark_ns += MARK_PERIOD_NS;
        }
        match &event {
            FeedEvent::Depth(change) => view.apply_depth(&change.as_update()),
            FeedEvent::Ticker(ticker) => view.apply_ticker(ticker),
            FeedEvent::Trade(_) | FeedEvent::Mark(_) => {}
        }
        all.push((time_ns, event));
    }
    (all, view)
}

fn middle_e6(view: &MarketView) -> Option<i64> {
    let (bid, ask) = (view.best(Side::Buy)?, view.best(Side::Sell)?);
    Some((bid.price.0 + ask.price.0) * 500_000)
}

/// The difference that turns the book at the end into the one at the start.
fn difference(end: &MarketView, start: &StartBook) -> DepthChange {
    let side = |side: Side, start: &[Level]| -> Vec<Level> {
        let mut change: BTreeMap<i64, i64> = end
            .depth_levels(side)
            .map(|level| (level.price.0, 0))
            .collect();
        change.extend(start.iter().map(|level| (level.price.0, level.quantity.0)));
        let levels = change.into_iter().map(|(price, quantity)| Level {
            price: Price(price),
            quantity: Quantity(quantity),
        });
        levels.collect()
    };
    DepthChange {
        header: DepthHeader {
            instrument: InstrumentId(0),
            first_update_id: UpdateId(0),
            last_update_id: UpdateId(0),
            previous_update_id: UpdateId(0),
            event_time: UtcMs(0),
            transaction_time: UtcMs(0),
        },
        bids: side(Side::Buy, &start.bids),
        asks: side(Side::Sell, &start.asks),
    }
}
