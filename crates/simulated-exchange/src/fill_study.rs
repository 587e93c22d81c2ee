//! How often a maker order fills, by its place in the queue: what a queue model makes of a market.
//!
//! In: a feed, a model. Out: one [`Probe`] an order: what stood ahead of it, whether it filled, and
//! what the market had done by then, counted beside the model. Never: a socket, a wall clock.
//!
//! Every quarter of a second post-only orders of one lot join the best price of a side and stay for
//! five seconds at most: one behind all that stands there, as an exchange has it, and others where
//! they would stand had they come earlier, so that nothing differs but their place. Orders of the
//! two sides are on venues of their own, so that they never meet each other.

use market::{
    ClientOrderId, ExchangeOrderId, Filters, Instrument, InstrumentId, Level, Money, OrderType,
    Price, Quantity, Side, TimeInForce, UtcMs,
};
use matching::view::reaches;
use matching::{
    Fees, MarketView, OrderOptions, Output, PlaceOrder, QueueModel, Venue, VenueConfig,
};

use crate::feed::{Feed, FeedEvent};

const MS: i64 = 1_000_000;
/// Between two orders of a side.
const PERIOD_NS: i64 = 250 * MS;
/// Places in one queue: behind none of it, behind one part of it, …, behind all of it.
pub const PARTS: i64 = 4;
/// How long an order stays.
const LIFE_NS: i64 = 5_000 * MS;

/// One order and what became of it.
#[derive(Clone, Copy, Debug)]
pub struct Probe {
    /// How many of [`PARTS`] of the queue stood ahead of it.
    pub parts: i64,
    /// Lots of others ahead of it when it came.
    pub ahead: i64,
    /// It was filled within its life.
    pub filled: bool,
    /// Lots that others traded at its price until then.
    pub traded: i64,
    /// The least that the level held until then, or that stood ahead of it when it came.
    pub least: i64,
    /// The market traded or stood beyond its price.
    pub passed: bool,
}

impl Probe {
    /// What must be true of a fill that no optimism made: the market went beyond the price, or
    /// more was traded at it than ever stood there at the least.
    #[must_use]
    pub fn is_explained(&self) -> bool {
        !self.filled || self.passed || self.traded > self.least
    }
}

struct Open {
    id: ExchangeOrderId,
    price: Price,
    until_ns: i64,
    probe: Probe,
}

/// One side's orders.
struct Desk {
    side: Side,
    venue: Venue,
    open: Vec<Open>,
    done: Vec<Probe>,
    out: Vec<Output>,
    number: u64,
}

/// Plays `seconds` of a feed and returns the orders that ended.
///
/// # Panics
/// Never: the account is large, and the orders are small.
#[must_use]
pub fn study(feed: &mut dyn Feed, model: QueueModel, seconds: i64) -> Vec<Probe> {
    let instrument = Instrument {
        id: InstrumentId(0),
        filters: Filters::NONE,
        ..feed.instrument()
    };
    let book = feed.start_book();
    let mut desks = [Side::Buy, Side::Sell].map(|side| {
        let mut venue = Venue::new(VenueConfig {
            instruments: vec![instrument],
            wallet: Money::from_whole(10_000_000),
            fees: Fees::FIRST_TIER,
            spot: None,
            leverage: 20,
            first_order_id: 1,
            first_trade_id: 1,
        });
        venue.set_queue_model(model);
        venue.on_snapshot(instrument.id, book.last_update_id, &book.bids, &book.asks);
        Desk {
            side,
            venue,
            open: Vec::new(),
            done: Vec::new(),
            out: Vec::new(),
            number: 0,
        }
    });
    let mut next_ns = PERIOD_NS;
    while let Some(time_ns) = feed.next_time_ns().filter(|at| *at < seconds * 1_000 * MS) {
        while next_ns <= time_ns {
            desks.iter_mut().for_each(|desk| desk.turn(next_ns));
            next_ns += PERIOD_NS;
        }
        let Some(event) = feed.next_event() else {
            break;
        };
        let now = UtcMs(time_ns.div_euclid(MS));
        for desk in &mut desks {
            desk.event(&event, now);
        }
    }
    let [buys, sells] = desks;
    buys.done.into_iter().chain(sells.done).collect()
}

impl Desk {
    /// Old orders go, a new one comes.
    fn turn(&mut self, now_ns: i64) {
        let now = UtcMs(now_ns.div_euclid(MS));
        let mut open = std::mem::take(&mut self.open);
        open.retain(|one| {
            let over = one.until_ns <= now_ns;
            if over {
                let ended = self.venue.cancel(now, one.id, &mut self.out);
                ended.expect("filled orders are gone already");
                self.done.push(one.probe);
            }
            !over
        });
        self.open = open;
        let Some(best) = self.venue.view(InstrumentId(0)).best(self.side) else {
            return;
        };
        for parts in 0..=PARTS {
            self.join(now_ns, best, parts);
        }
        self.out.clear();
    }

    /// One order joins the level `best`, behind so many parts of it.
    fn join(&mut self, now_ns: i64, best: Level, parts: i64) {
        self.number += 1;
        let name = format!("probe-{}", self.number);
        let request = PlaceOrder {
            client_order_id: ClientOrderId::new(name.as_bytes()).expect("short"),
            instrument: InstrumentId(0),
            side: self.side,
            order_type: OrderType::Limit,
            time_in_force: TimeInForce::PostOnly,
            price: best.price,
            quantity: Quantity(1),
            reduce_only: false,
            options: OrderOptions::default(),
        };
        let now = UtcMs(now_ns.div_euclid(MS));
        // Refused where the book is crossed for a moment: then there is no such order.
        let Ok(id) = self.venue.place(now, &request, &mut self.out) else {
            return;
        };
        let ahead = best.quantity.0 * parts / PARTS;
        self.venue.stand_behind(id, Quantity(ahead));
        let probe = Probe {
            parts,
            ahead,
            filled: false,
            traded: 0,
            least: ahead,
            passed: false,
        };
        self.open.push(Open {
            id,
            price: best.price,
            until_ns: now_ns + LIFE_NS,
            probe,
        });
    }

    fn event(&mut self, event: &FeedEvent, now: UtcMs) {
        let out = &mut self.out;
        match event {
            FeedEvent::Depth(change) => self.venue.on_depth(now, &change.as_update(), out),
            FeedEvent::Ticker(ticker) => self.venue.on_ticker(now, ticker, out),
            FeedEvent::Trade(trade) => self.venue.on_trade(now, trade, out),
            FeedEvent::Mark(mark) => self.venue.on_mark(InstrumentId(0), *mark),
        }
        self.out.clear();
        let view = self.venue.view(InstrumentId(0));
        for one in &mut self.open {
            witness(one, self.side, event, view);
        }
        let mut open = std::mem::take(&mut self.open);
        open.retain(|one| {
            let order = self.venue.order(one.id);
            let filled = order.is_some_and(|order| order.remaining().is_zero());
            if filled {
                self.done.push(Probe {
                    filled,
                    ..one.probe
                });
            }
            !filled
        });
        self.open = open;
    }
}

/// Notes what the market did at an order's price, without asking the model.
fn witness(one: &mut Open, side: Side, event: &FeedEvent, view: &MarketView) {
    if let FeedEvent::Trade(trade) = event
        && trade.from_book
    {
        let hits = trade.aggressor != side;
        if hits && trade.price == one.price {
            one.probe.traded += trade.quantity.0;
        }
        if hits && trade.price != one.price && reaches(side, one.price, trade.price) {
            one.probe.passed = true;
        }
    }
    let opposite = view.best(side.opposite());
    if opposite.is_some_and(|level| reaches(side, one.price, level.price)) {
        one.probe.passed = true;
    }
    let level = view.quantity_at(side, one.price).0;
    one.probe.least = one.probe.least.min(level);
}

/// One row of the result: orders with a queue of about this length.
#[derive(Clone, Copy, Debug)]
pub struct Group {
    /// Mean lots ahead.
    pub ahead: i64,
    /// Orders.
    pub orders: usize,
    /// How many of them filled.
    pub filled: usize,
    /// For how many the market went beyond the price.
    pub passed: usize,
}

impl Group {
    fn of(probes: &[Probe]) -> Self {
        let count = probes.len().max(1);
        Self {
            ahead: probes.iter().map(|probe| probe.ahead).sum::<i64>() / count as i64,
            orders: probes.len(),
            filled: probes.iter().filter(|probe| probe.filled).count(),
            passed: probes.iter().filter(|probe| probe.passed).count(),
        }
    }

    /// Share of the orders that filled.
    #[must_use]
    pub fn share(&self) -> f64 {
        self.filled as f64 / self.orders.max(1) as f64
    }
}

/// The orders by their place in the queue of the same moment: [`PARTS`] and one groups.
#[must_use]
pub fn by_place(probes: &[Probe]) -> Vec<Group> {
    let group = |parts| {
        let here = probes.iter().filter(|probe| probe.parts == parts);
        let here: Vec<Probe> = here.copied().collect();
        Group::of(&here)
    };
    (0..=PARTS).map(group).collect()
}

/// The orders that came as an exchange has it, in `count` groups of the same size, by what stood
/// ahead of them.
#[must_use]
pub fn by_queue(probes: &[Probe], count: usize) -> Vec<Group> {
    let last = probes.iter().filter(|probe| probe.parts == PARTS);
    let mut sorted: Vec<Probe> = last.copied().collect();
    sorted.sort_by_key(|probe| probe.ahead);
    let size = sorted.len().div_ceil(count.max(1)).max(1);
    sorted.chunks(size).map(Group::of).collect()
}
