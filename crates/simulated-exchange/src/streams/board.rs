//! The streams that follow from what was traded: klines, 24 h tickers, and those of all symbols.
//!
//! In: the time, the tapes, the books. Out: frames to the hub, past the faults, at the documented
//! speeds (binance.md 3.2, 3.4). Never: text that nobody listens to.

use binance::encode::MarkPriceDetail;
use market::{Instrument, InstrumentId, Market, OrderType, Side, UtcMs};
use matching::{OrderEvent, Output, Venue};

use super::hub::{FrameKey, Hub, StreamId};
use super::names::StreamKind;
use super::publisher::{mark_detail, send};
use super::ticker_text::{self, KlineDetail};
use crate::faults::Faults;
use crate::tape::candle::Candle;
use crate::tape::interval::Interval;
use crate::tape::{Source, Tape};

const MS: i64 = 1_000_000;
/// Everything here happens on this grid.
const PERIOD_NS: i64 = 250 * MS;
/// Window of `@avgPrice`.
const AVERAGE_MS: i64 = 5 * 60_000;

/// The streams of a market that come from its tapes.
pub struct Board {
    market: Market,
    rows: Vec<Row>,
    tickers: StreamId,
    mini_tickers: StreamId,
    books: StreamId,
    marks: Option<(StreamId, StreamId)>,
    /// Of liquidations; USD-M only.
    forced: Option<StreamId>,
    next_ns: i64,
    round: u64,
    text: Vec<u8>,
}

struct Row {
    instrument: Instrument,
    klines: Vec<Kline>,
    ticker: StreamId,
    mini_ticker: StreamId,
    average: Option<StreamId>,
    forced: Option<StreamId>,
    /// The largest liquidation since they were last told.
    liquidation: Option<OrderEvent>,
    /// Last trade that the all-symbols streams have told.
    told_trade: i64,
}

struct Kline {
    interval: Interval,
    stream: StreamId,
    continuous: Option<StreamId>,
    /// The candle that was told last; none while nobody listens.
    told: Option<Candle>,
}

impl Board {
    /// Registers the streams of all instruments of a market.
    pub fn new(market: Market, instruments: &[Instrument], hub: &mut Hub) -> Self {
        let rows = instruments.iter().map(|one| Row::new(*one, hub)).collect();
        let usdm = market == Market::UsdM;
        let mut add = |name: &str, kind| hub.add_stream(name.to_owned(), kind);
        Self {
            market,
            rows,
            tickers: add("!ticker@arr", StreamKind::Ticker),
            mini_tickers: add("!miniTicker@arr", StreamKind::Ticker),
            books: add("!bookTicker", StreamKind::BookTicker),
            marks: usdm.then(|| {
                let every_second = add("!markPrice@arr@1s", StreamKind::MarkPrice);
                (every_second, add("!markPrice@arr", StreamKind::MarkPrice))
            }),
            forced: usdm.then(|| add("!forceOrder@arr", StreamKind::ForceOrder)),
            next_ns: 0,
            round: 0,
            text: Vec::with_capacity(4 * 1024),
        }
    }

    /// Keeps the largest liquidation of each instrument until the next second.
    pub fn note_liquidations(&mut self, outputs: &[Output]) {
        for output in outputs {
            let Output::Order(event) = output else {
                continue;
            };
            let update = &event.update;
            let over = update.order_type == OrderType::Liquidation && update.state.is_final();
            if !over || update.cumulative_quantity.is_zero() {
                continue;
            }
            let row = &mut self.rows[usize::from(update.instrument.0)];
            let larger = row
                .liquidation
                .is_none_or(|kept| update.cumulative_quantity > kept.update.cumulative_quantity);
            if larger {
                row.liquidation = Some(*event);
            }
        }
    }

    /// When [`Board::tick`] has something to do.
    #[must_use]
    pub fn next_tick_ns(&self) -> i64 {
        self.next_ns
    }

    /// Sends what is due.
    pub fn tick(
        &mut self,
        now_ns: i64,
        tapes: &mut [Tape],
        venue: &Venue,
        hub: &mut Hub,
        faults: &mut Faults,
    ) {
        if now_ns < self.next_ns {
            return;
        }
        // On the grid of UTC: a candle is closed as soon as its time is over.
        self.next_ns = (now_ns.div_euclid(PERIOD_NS) + 1) * PERIOD_NS;
        self.round += 1;
        let now = UtcMs(now_ns.div_euclid(MS));
        let every = |rounds: u64| self.round.is_multiple_of(rounds);
        let (second, two_seconds) = (every(4), every(8));
        let (three_seconds, five_seconds) = (every(12), every(20));
        let spot = self.market == Market::Spot;
        let mut desk = Desk {
            now,
            hub,
            faults,
            text: &mut self.text,
        };
        for (row, tape) in self.rows.iter_mut().zip(tapes.iter_mut()) {
            for kline in &mut row.klines {
                let due = match (spot, kline.interval.length_ms()) {
                    (false, _) => true,
                    (true, Some(1_000)) => second,
                    (true, _) => two_seconds,
                };
                if due {
                    kline.tick(&row.instrument, tape, &mut desk);
                }
            }
            if two_seconds || (spot && second) {
                row.tickers(tape, venue, &mut desk);
            }
        }
        if let Some(all) = self.forced.filter(|_| second) {
            for row in &mut self.rows {
                row.liquidation(all, &mut desk);
            }
        }
        if second {
            let told = [self.tickers, self.mini_tickers];
            all_tickers(&mut self.rows, tapes, venue, told, &mut desk);
            for (stream, due) in self
                .marks
                .iter()
                .flat_map(|(second, third)| [(*second, true), (*third, three_seconds)])
            {
                if due {
                    all_marks(&self.rows, tapes, venue, stream, &mut desk);
                }
            }
        }
        if five_seconds {
            all_books(&self.rows, venue, self.books, &mut desk);
        }
    }
}

/// Where frames go.
struct Desk<'a> {
    now: UtcMs,
    hub: &'a mut Hub,
    faults: &'a mut Faults,
    text: &'a mut Vec<u8>,
}

impl Desk<'_> {
    fn send(&mut self, stream: StreamId, kind: StreamKind, instrument: InstrumentId, id: i64) {
        let key = FrameKey {
            kind,
            instrument,
            id: id.unsigned_abs(),
        };
        send(self.hub, self.faults, stream, self.text, key);
    }
}

impl Row {
    fn new(instrument: Instrument, hub: &mut Hub) -> Self {
        let symbol = instrument.symbol.as_str().to_lowercase();
        let spot = instrument.market == Market::Spot;
        let mut add = |name: String, kind| hub.add_stream(name, kind);
        let klines = Interval::all(instrument.market)
            .map(|interval| {
                let word = interval.word();
                let continuous = format!("{symbol}_perpetual@continuousKline_{word}");
                Kline {
                    interval,
                    stream: add(format!("{symbol}@kline_{word}"), StreamKind::Kline),
                    continuous: (!spot).then(|| add(continuous, StreamKind::Kline)),
                    told: None,
                }
            })
            .collect();
        Self {
            instrument,
            klines,
            ticker: add(format!("{symbol}@ticker"), StreamKind::Ticker),
            mini_ticker: add(format!("{symbol}@miniTicker"), StreamKind::Ticker),
            average: spot.then(|| add(format!("{symbol}@avgPrice"), StreamKind::Ticker)),
            forced: (!spot).then(|| add(format!("{symbol}@forceOrder"), StreamKind::ForceOrder)),
            liquidation: None,
            told_trade: -1,
        }
    }

    /// The largest liquidation of the last second.
    fn liquidation(&mut self, all: StreamId, desk: &mut Desk<'_>) {
        let Some(event) = self.liquidation.take() else {
            return;
        };
        let id = event.update.exchange_order_id.0 as i64;
        for stream in self.forced.into_iter().chain([all]) {
            if desk.hub.has_subscribers(stream) {
                desk.text.clear();
                ticker_text::force_order(desk.text, &self.instrument, &event, desk.now);
                desk.send(stream, StreamKind::ForceOrder, self.instrument.id, id);
            }
        }
    }

    fn tickers(&self, tape: &mut Tape, venue: &Venue, desk: &mut Desk<'_>) {
        let (instrument, now) = (&self.instrument, desk.now);
        if desk.hub.has_subscribers(self.ticker) {
            desk.text.clear();
            let day = tape.day(now);
            ticker_text::ticker(desk.text, instrument, &day, best(venue, instrument.id), now);
            desk.send(self.ticker, StreamKind::Ticker, instrument.id, now.0);
        }
        if desk.hub.has_subscribers(self.mini_ticker) {
            desk.text.clear();
            ticker_text::mini_ticker(desk.text, instrument, &tape.day(now), now);
            desk.send(self.mini_ticker, StreamKind::Ticker, instrument.id, now.0);
        }
        if let Some(stream) = self.average.filter(|one| desk.hub.has_subscribers(*one)) {
            desk.text.clear();
            let window = tape.window(AVERAGE_MS, now);
            let mut json = binance::encode::JsonText::new(desk.text);
            json.open();
            json.text("e", b"avgPrice");
            json.integer("E", now.0);
            json.text("s", instrument.symbol.as_bytes());
            json.text("i", b"5m");
            json.decimal("w", ticker_text::mean_e8(instrument, &window), 8);
            json.integer("T", now.0);
            json.close();
            desk.send(stream, StreamKind::Ticker, instrument.id, now.0);
        }
    }
}

impl Kline {
    /// The candle before is closed once its time is over; the running one is told when it has
    /// changed.
    fn tick(&mut self, instrument: &Instrument, tape: &mut Tape, desk: &mut Desk<'_>) {
        let listened = desk.hub.has_subscribers(self.stream)
            || self
                .continuous
                .is_some_and(|one| desk.hub.has_subscribers(one));
        if !listened {
            self.told = None;
            return;
        }
        let now = desk.now;
        let open_ms = self.interval.start(now.0, 0);
        if let Some(told) = self.told.filter(|told| told.open_ms < open_ms) {
            let closed = tape.candle(Source::Trades, self.interval, told.open_ms, now);
            self.send(instrument, &closed, true, desk);
        }
        let running = tape.candle(Source::Trades, self.interval, open_ms, now);
        // On spot a second is told when it is over, and only then.
        let one_second = self.interval.length_ms() == Some(1_000);
        if self.told != Some(running) && !one_second {
            self.send(instrument, &running, false, desk);
        }
        self.told = Some(running);
    }

    fn send(&self, instrument: &Instrument, candle: &Candle, closed: bool, desk: &mut Desk<'_>) {
        for (stream, continuous) in [(Some(self.stream), false), (self.continuous, true)] {
            let Some(stream) = stream.filter(|one| desk.hub.has_subscribers(*one)) else {
                continue;
            };
            let detail = KlineDetail {
                interval: self.interval,
                close_ms: self.interval.next(candle.open_ms, 0) - 1,
                closed,
                now: desk.now,
                continuous,
            };
            desk.text.clear();
            ticker_text::kline(desk.text, instrument, candle, detail);
            desk.send(stream, StreamKind::Kline, instrument.id, candle.open_ms);
        }
    }
}

/// `!ticker@arr` and `!miniTicker@arr`: symbols that were traded since the last time.
fn all_tickers(
    rows: &mut [Row],
    tapes: &mut [Tape],
    venue: &Venue,
    [full, mini]: [StreamId; 2],
    desk: &mut Desk<'_>,
) {
    let listened = [full, mini].map(|stream| desk.hub.has_subscribers(stream));
    if listened == [false, false] {
        return;
    }
    let (mut full_list, mut mini_list) = (Vec::new(), Vec::new());
    for (row, tape) in rows.iter_mut().zip(tapes) {
        let day = tape.day(desk.now);
        if day.last_trade == row.told_trade {
            continue;
        }
        row.told_trade = day.last_trade;
        let (instrument, best) = (&row.instrument, best(venue, row.instrument.id));
        separate(&mut full_list);
        ticker_text::ticker(&mut full_list, instrument, &day, best, desk.now);
        separate(&mut mini_list);
        ticker_text::mini_ticker(&mut mini_list, instrument, &day, desk.now);
    }
    for (stream, list) in [(full, full_list), (mini, mini_list)] {
        send_list(stream, list, StreamKind::Ticker, desk);
    }
}

/// `!markPrice@arr`.
fn all_marks(rows: &[Row], tapes: &[Tape], venue: &Venue, stream: StreamId, desk: &mut Desk<'_>) {
    if !desk.hub.has_subscribers(stream) {
        return;
    }
    let mut list = Vec::new();
    for (row, tape) in rows.iter().zip(tapes) {
        let detail = MarkPriceDetail {
            funding_rate: tape.funding.rate(),
            ..mark_detail(&row.instrument, venue.mark(row.instrument.id), desk.now)
        };
        separate(&mut list);
        let layout = binance::encode::Layout::Current;
        binance::encode::mark_price(&mut list, &row.instrument, &detail, layout);
    }
    send_list(stream, list, StreamKind::MarkPrice, desk);
}

/// `!bookTicker`: each symbol's best prices as a frame of its own.
fn all_books(rows: &[Row], venue: &Venue, stream: StreamId, desk: &mut Desk<'_>) {
    if !desk.hub.has_subscribers(stream) {
        return;
    }
    for row in rows {
        let view = venue.view(row.instrument.id);
        let (bid, ask) = best(venue, row.instrument.id);
        let ticker = market::BookTicker {
            instrument: row.instrument.id,
            update_id: view.last_update_id(),
            bid,
            ask,
            event_time: desk.now,
            transaction_time: desk.now,
        };
        desk.text.clear();
        let layout = binance::encode::Layout::Current;
        binance::encode::book_ticker(desk.text, &row.instrument, &ticker, layout);
        let id = ticker.update_id.0 as i64;
        desk.send(stream, StreamKind::BookTicker, row.instrument.id, id);
    }
}

fn best(venue: &Venue, id: InstrumentId) -> ticker_text::Best {
    let view = venue.view(id);
    let side = |side| view.best(side).unwrap_or_default();
    (side(Side::Buy), side(Side::Sell))
}

/// Elements lie behind an opening bracket, with commas between.
fn separate(list: &mut Vec<u8>) {
    list.push(if list.is_empty() { b'[' } else { b',' });
}

fn send_list(stream: StreamId, mut list: Vec<u8>, kind: StreamKind, desk: &mut Desk<'_>) {
    if list.is_empty() || !desk.hub.has_subscribers(stream) {
        return;
    }
    list.push(b']');
    desk.text.clear();
    desk.text.extend_from_slice(&list);
    desk.send(stream, kind, InstrumentId(u16::MAX), desk.now.0);
}
