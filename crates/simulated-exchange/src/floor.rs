//! One market's floor: feeds, the venue, publishers, connections.
//!
//! In: the time. Out: all that happened until then, applied to the venue and published; private
//! outputs for the owner. Never: a request.

use std::sync::{Arc, Mutex};

use market::{Instrument, InstrumentId, Market, Price, Side, UtcMs};
use matching::{AccountId, Conditional, ConditionalOrders, Output, Venue};

use crate::accounting::{self, Accounting, Notice, Standing};
use crate::arrival_log::ArrivalLog;
use crate::faults::Faults;
use crate::feed::{Feed, FeedEvent};
use crate::streams::board::Board;
use crate::streams::hub::Hub;
use crate::streams::publisher::Publisher;
use crate::tape::past::Past;
use crate::tape::{Tape, funding};

mod following;

/// Feed events that are handled before the sockets get their turn.
const EVENTS_PER_TURN: usize = 64;

/// One market.
pub struct Floor {
    /// Futures or spot.
    pub market: Market,
    /// Liquidity, orders, account.
    pub venue: Venue,
    /// Streams and connections.
    pub hub: Hub,
    /// Private events not yet sent.
    pub outputs: Vec<Output>,
    /// Conditional orders of the selected account.
    pub conditional: ConditionalOrders,
    /// Changes of conditional orders not yet told.
    pub conditional_changes: Vec<Conditional>,
    /// Other private texts not yet told.
    pub notices: Vec<Notice>,
    /// Margin of the selected account.
    pub standing: Standing,
    /// Price of the last trade, by instrument; 0 before the first.
    last_prices: Vec<Price>,
    /// When all orders of an instrument of the selected account are cancelled, by instrument.
    pub(crate) countdowns: Vec<Option<i64>>,
    pub(crate) accounting: Accounting,
    feeds: Vec<Lane>,
    tapes: Vec<Tape>,
    board: Board,
    speed: f64,
    start_ns: i64,
    /// Since when the market stands still, and the streams with what they had go on.
    paused_ns: Option<i64>,
    events: u64,
    arrivals: Option<SharedLog>,
    /// How much of what waits to be told is kept already.
    pub(crate) written: WrittenEvents,
}

/// How many of the events that wait are kept.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct WrittenEvents {
    pub(crate) outputs: usize,
    pub(crate) conditional: usize,
    pub(crate) notices: usize,
}

/// The arrival log, which both markets write.
pub type SharedLog = Arc<Mutex<ArrivalLog>>;

struct Lane {
    feed: Box<dyn Feed>,
    publisher: Publisher,
    next_ns: Option<i64>,
    /// What it brings has happened elsewhere, and is due at once.
    followed: bool,
    /// Its book is not known.
    lost: bool,
    /// Its book was known once.
    known_before: bool,
}

impl Floor {
    /// A floor whose feeds start at `start_ns`. The venue's instruments are the feeds', in order.
    ///
    /// # Panics
    /// When the venue has other instruments than the feeds.
    #[must_use]
    pub fn new(
        market: Market,
        mut venue: Venue,
        feeds: Vec<Box<dyn Feed>>,
        speed: f64,
        rebatch_ns: Option<i64>,
        start_ns: i64,
    ) -> Self {
        assert_eq!(venue.instruments().len(), feeds.len());
        let count = feeds.len();
        let mut hub = Hub::default();
        let mut lanes = Vec::with_capacity(feeds.len());
        let mut tapes = Vec::with_capacity(feeds.len());
        let start = UtcMs(start_ns.div_euclid(1_000_000));
        for (index, feed) in feeds.into_iter().enumerate() {
            let instrument = venue.instruments()[index];
            let book = feed.start_book();
            venue.on_snapshot(instrument.id, book.last_update_id, &book.bids, &book.asks);
            tapes.push(Tape::new(
                instrument,
                feed.start_price(),
                feed.pace(),
                start,
            ));
            // Aggregates of the made-up past are numbered as its trades are.
            let first = feed.pace().first_trade_id.max(1).unsigned_abs();
            let last_id = book.last_update_id;
            let publisher = Publisher::new(instrument, last_id, first, rebatch_ns, &mut hub);
            let followed = feed.standing().is_some();
            lanes.push(Lane {
                next_ns: feed.next_time_ns(),
                followed,
                lost: followed,
                known_before: false,
                feed,
                publisher,
            });
        }
        let board = Board::new(market, venue.instruments(), &mut hub);
        Self {
            market,
            venue,
            tapes,
            board,
            hub,
            outputs: Vec::new(),
            conditional: accounting::no_conditionals(AccountId(0)),
            conditional_changes: Vec::new(),
            notices: Vec::new(),
            standing: Standing::default(),
            last_prices: vec![Price(0); count],
            countdowns: vec![None; count],
            accounting: Accounting::new(),
            feeds: lanes,
            speed,
            start_ns,
            paused_ns: None,
            events: 0,
            arrivals: None,
            written: WrittenEvents::default(),
        }
    }

    /// Writes what reaches the venue from now on to a log.
    pub fn log_arrivals(&mut self, log: SharedLog) {
        self.arrivals = Some(log);
    }

    /// Puts what has reached the venue into the log. A log that cannot be written ends, and says
    /// so: the market goes on.
    pub fn write_arrivals(&mut self, flush: bool) {
        let Some(log) = &self.arrivals else {
            return;
        };
        let inputs = self.venue.take_inputs();
        let mut log = log.lock().expect("no piece of work panicked");
        let written = log.inputs(self.market, &inputs);
        let written = written.and_then(|()| if flush { log.flush() } else { Ok(()) });
        drop(log);
        if let Err(error) = written {
            tracing::error!(market = %self.market, %error, "the arrival log ends here");
            self.arrivals = None;
        }
    }

    /// The instrument with this symbol, upper or lower case.
    #[must_use]
    pub fn find(&self, symbol: &str) -> Option<&Instrument> {
        let upper = symbol.to_uppercase();
        let mut instruments = self.venue.instruments().iter();
        instruments.find(|instrument| instrument.symbol.as_str() == upper)
    }

    /// Liquidations among private events are public, too.
    pub fn note_liquidations(&mut self, outputs: &[Output]) {
        self.board.note_liquidations(outputs);
    }

    /// Market events handled since the start.
    #[must_use]
    pub fn events(&self) -> u64 {
        self.events
    }

    /// Handles what happened until `now_ns` and returns when something happens next; earlier
    /// than now when a turn's share of events was used up.
    pub fn advance(&mut self, now_ns: i64, faults: &mut Faults) -> Option<i64> {
        for lane in self.feeds.iter_mut().filter(|lane| lane.followed) {
            lane.next_ns = lane.feed.next_time_ns();
        }
        for _ in 0..EVENTS_PER_TURN {
            let Some((index, time_ns)) = self.earliest() else {
                break;
            };
            if self.feeds[index].followed {
                self.fire_countdowns(now_ns);
                self.keep_accounts(now_ns);
                self.tick(now_ns, faults);
                self.relay(index, now_ns, faults);
                continue;
            }
            let wall_ns = self.wall_ns(time_ns);
            if wall_ns > now_ns {
                break;
            }
            self.fire_countdowns(wall_ns);
            self.keep_accounts(wall_ns);
            self.tick(wall_ns, faults);
            self.step(index, wall_ns, faults);
        }
        self.fire_countdowns(now_ns);
        self.keep_accounts(now_ns);
        self.tick(now_ns, faults);
        self.write_arrivals(false);
        let countdowns = self.next_countdown_ns();
        let feed = self.earliest().map(|(_, time_ns)| self.wall_ns(time_ns));
        let ticks = self
            .feeds
            .iter()
            .filter_map(|lane| lane.publisher.next_tick_ns());
        let board = (!self.feeds.is_empty()).then(|| self.board.next_tick_ns());
        ticks.chain(feed).chain(countdowns).chain(board).min()
    }

    /// Stops the feeds, or lets them go on where they stopped. Streams still send what they
    /// collected, orders are accepted, and what is due by the clock happens.
    pub fn set_paused(&mut self, paused: bool, now_ns: i64) {
        match (self.paused_ns, paused) {
            (None, true) => self.paused_ns = Some(now_ns),
            (Some(since_ns), false) => {
                // What came due meanwhile would come in one burst.
                self.start_ns += now_ns - since_ns;
                self.paused_ns = None;
            }
            (None, false) | (Some(_), true) => {}
        }
    }

    /// Makes the feeds run so many times faster than real time from now on.
    pub fn set_speed(&mut self, speed: f64, now_ns: i64) {
        let now_ns = self.paused_ns.unwrap_or(now_ns);
        let feed_ns = (now_ns - self.start_ns) as f64 * self.speed;
        self.start_ns = now_ns - (feed_ns / speed) as i64;
        self.speed = speed;
    }

    /// True while the feeds stand still.
    #[must_use]
    pub const fn is_paused(&self) -> bool {
        self.paused_ns.is_some()
    }

    /// Cancels all orders of an instrument at `at_ns`, unless this is called again before then;
    /// `None` ends the countdown.
    pub fn set_countdown(&mut self, instrument: InstrumentId, at_ns: Option<i64>) {
        self.countdowns[usize::from(instrument.0)] = at_ns;
    }

    /// When all orders of an instrument will be cancelled.
    #[must_use]
    pub fn countdown(&self, instrument: InstrumentId) -> Option<i64> {
        self.countdowns[usize::from(instrument.0)]
    }

    /// What an instrument's market has done.
    #[must_use]
    pub fn tape(&self, instrument: InstrumentId) -> &Tape {
        &self.tapes[usize::from(instrument.0)]
    }

    /// The same, for answers that make it remember more.
    pub fn tape_mut(&mut self, instrument: InstrumentId) -> &mut Tape {
        &mut self.tapes[usize::from(instrument.0)]
    }

    /// The past of an instrument, where it is this exchange's own; a followed one's is elsewhere.
    #[must_use]
    pub fn own_past(&self, instrument: InstrumentId) -> Option<&Past> {
        let followed = self.feeds[usize::from(instrument.0)].followed;
        (!followed).then(|| self.tape(instrument).past())
    }

    /// The streams of an instrument.
    #[must_use]
    pub fn publisher(&self, instrument: InstrumentId) -> &Publisher {
        &self.feeds[usize::from(instrument.0)].publisher
    }

    /// Price of the last trade, or the middle of the book before the first; 0 while unknown.
    #[must_use]
    pub fn last_price(&self, instrument: InstrumentId) -> Price {
        match self.last_prices[usize::from(instrument.0)] {
            Price(0) => self.venue.mark(instrument),
            last => last,
        }
    }

    fn wall_ns(&self, feed_ns: i64) -> i64 {
        self.start_ns + (feed_ns as f64 / self.speed) as i64
    }

    fn earliest(&self) -> Option<(usize, i64)> {
        if self.paused_ns.is_some() {
            return None;
        }
        let lanes = self.feeds.iter().enumerate();
        lanes
            .filter_map(|(index, lane)| lane.next_ns.map(|next| (index, next)))
            .min_by_key(|(index, next)| (*next, *index))
    }

    fn tick(&mut self, now_ns: i64, faults: &mut Faults) {
        faults.set_now(now_ns);
        self.hub.made_at(now_ns);
        for (index, lane) in self.feeds.iter_mut().enumerate() {
            if lane
                .publisher
                .next_tick_ns()
                .is_some_and(|next| next <= now_ns)
            {
                let view = self.venue.view(InstrumentId(index as u16));
                lane.publisher.tick(now_ns, view, &mut self.hub, faults);
            }
        }
        let (tapes, venue) = (&mut self.tapes, &self.venue);
        self.board.tick(now_ns, tapes, venue, &mut self.hub, faults);
    }

    /// A mark price reaches account, tape and streams.
    fn mark(&mut self, index: usize, mark: Price, now: UtcMs, faults: &mut Faults) {
        let id = InstrumentId(index as u16);
        let mark = faults.mark(mark);
        self.venue.on_mark(id, mark);
        self.supervise(now);
        let view = self.venue.view(id);
        let best = |side| view.best(side).map_or(mark, |level| level.price);
        let premium_e8 = funding::premium_e8(best(Side::Buy), best(Side::Sell), mark);
        let tape = &mut self.tapes[index];
        tape.mark(mark, premium_e8, now);
        let rate = tape.funding.rate();
        let publisher = &mut self.feeds[index].publisher;
        publisher.mark(mark, rate, now, &mut self.hub, faults);
    }

    fn step(&mut self, index: usize, wall_ns: i64, faults: &mut Faults) {
        let lane = &mut self.feeds[index];
        let event = lane.feed.next_event();
        lane.next_ns = lane.feed.next_time_ns();
        let Some(event) = event else {
            return;
        };
        self.events += 1;
        let id = InstrumentId(index as u16);
        let now = UtcMs(wall_ns.div_euclid(1_000_000));
        match event {
            FeedEvent::Depth(mut change) => {
                change.header.instrument = id;
                change.header.event_time = now;
                change.header.transaction_time = now;
                self.venue
                    .on_depth(now, &change.as_update(), &mut self.outputs);
                let view = self.venue.view(id);
                lane.publisher.depth(&change, view, &mut self.hub, faults);
            }
            FeedEvent::Ticker(mut ticker) => {
                ticker.instrument = id;
                ticker.event_time = now;
                ticker.transaction_time = now;
                self.venue.on_ticker(now, &ticker, &mut self.outputs);
                lane.publisher.ticker(&ticker, &mut self.hub, faults);
            }
            FeedEvent::Trade(mut trade) => {
                trade.instrument = id;
                trade.event_time = now;
                trade.transaction_time = now;
                self.last_prices[index] = trade.price;
                self.tapes[index].trade(&trade, now);
                self.venue.on_trade(now, &trade, &mut self.outputs);
                lane.publisher.trade(&trade, wall_ns, &mut self.hub, faults);
            }
            FeedEvent::Mark(mark) => {
                self.mark(index, mark, now, faults);
            }
        }
        self.trigger(id, now);
    }
}
