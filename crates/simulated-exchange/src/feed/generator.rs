//! The generated market: an order-flow model by level, seeded.
//!
//! In: parameters and a seed. Out: depth every 100 ms, book tickers and trades when they happen,
//! a mark price every second. Never: a crossed book, wall-clock time, two runs of one seed that
//! differ.
//!
//! Three kinds of events arrive. **Level events**: at a distance drawn from a power law, a limit
//! order arrives with probability `target / (target + standing)`, else one is cancelled; so each
//! level returns to its target and the book stays full; others change levels anywhere in the book.
//! **Market orders** walk the book. **Sweeps** move the price: the levels in their way are mostly
//! cancelled, a little is traded, and often another sweep follows at once. Behind a sweep the
//! spread closes in steps, and the new best price fills in steps. All rates go up and down
//! together ([`super::activity`]). A slowly changing pressure makes one side's targets larger and
//! draws market orders and sweeps in its direction; that is where the imbalance signal comes
//! from, and why it says something about the next move. `docs/generated-market.md` has the fit.

use std::collections::BTreeMap;

use market::event::DepthHeader;
use market::{
    BookTicker, Instrument, InstrumentId, Level, Price, Quantity, Side, Trade, TradeId, UpdateId,
    UtcMs,
};
use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{Rng, SeedableRng};

use super::activity::Activity;
use super::parameters::FlowParameters;
use super::{DepthChange, Feed, FeedEvent, StartBook};
use crate::tape::past::Pace;

/// Time between depth events, as production sends them.
pub const DEPTH_PERIOD_NS: i64 = 100_000_000;
const MARK_PERIOD_NS: i64 = 1_000_000_000;
const FIRST_UPDATE_ID: u64 = 1_000_000;
/// As high as production's, so that a past of two years fits below it.
const FIRST_TRADE_ID: u64 = 5_000_000_000;
/// Share of a swept level that trades at most; the rest is cancelled before.
const SWEPT_TRADED: f64 = 0.15;
/// How often another sweep follows a sweep, and how often it goes the same way.
const CASCADE: f64 = 0.65;
const CASCADE_SAME_WAY: f64 = 0.72;
/// Mean time to the next sweep of a cascade.
const CASCADE_NS: f64 = 60e6;
/// Mean time between the steps in which a spread closes, and in which a best price fills.
const CLOSE_NS: f64 = 0.7e6;
const REFILL_NS: f64 = 4e6;
/// Mean number of steps in which a best price fills.
const REFILL_STEPS: f64 = 9.0;
/// How strongly pressure draws market orders and sweeps in its direction.
const PRESSURE_ON_ORDERS: f64 = 0.5;

/// A generated instrument.
pub struct Generator {
    instrument: Instrument,
    parameters: FlowParameters,
    random: ChaCha8Rng,
    bids: BTreeMap<i64, i64>,
    asks: BTreeMap<i64, i64>,
    start: StartBook,
    pressure: f64,
    pressure_time_ns: i64,
    next_flow_ns: i64,
    /// The factor on the rates that the next moment was drawn with.
    flow_bound: f64,
    next_depth_ns: i64,
    next_mark_ns: i64,
    update_id: u64,
    trade_id: u64,
    first_pending_id: u64,
    previous_depth_id: u64,
    changed_bids: BTreeMap<i64, ()>,
    changed_asks: BTreeMap<i64, ()>,
    shown: Option<(Level, Level)>,
    mark_mean: f64,
    queue: std::collections::VecDeque<FeedEvent>,
    now_ns: i64,
    activity: Activity,
    /// What is about to happen, by its time and number.
    due: BTreeMap<(i64, u64), Due>,
    due_number: u64,
}

/// What follows from something that has happened.
#[derive(Clone, Copy, Debug)]
enum Due {
    /// The spread closes by a step.
    Close,
    /// So many lots come to the best price of a side, and so many steps follow.
    Refill(Side, i64, u32),
    /// Another sweep of this aggressor.
    Sweep(Side),
}

impl Generator {
    /// A market with a full book.
    #[must_use]
    pub fn new(instrument: Instrument, parameters: FlowParameters, seed: u64) -> Self {
        // Each instrument gets its own stream of random numbers from the one seed.
        let mut stream = u64::from(instrument.market == market::Market::Spot);
        for byte in instrument.symbol.as_bytes() {
            stream = stream.wrapping_mul(131).wrapping_add(u64::from(*byte));
        }
        let mut random = ChaCha8Rng::seed_from_u64(seed);
        random.set_stream(stream);
        let mark_mean = parameters.start_price_ticks as f64;
        let exciting_per_s = parameters.market_orders_per_s + parameters.sweeps_per_s;
        let mut generator = Self {
            instrument,
            parameters,
            random,
            bids: BTreeMap::new(),
            asks: BTreeMap::new(),
            start: StartBook::default(),
            pressure: 0.0,
            pressure_time_ns: 0,
            next_flow_ns: 0,
            flow_bound: f64::INFINITY,
            next_depth_ns: DEPTH_PERIOD_NS,
            next_mark_ns: 0,
            update_id: FIRST_UPDATE_ID,
            trade_id: FIRST_TRADE_ID,
            first_pending_id: FIRST_UPDATE_ID + 1,
            previous_depth_id: FIRST_UPDATE_ID,
            changed_bids: BTreeMap::new(),
            changed_asks: BTreeMap::new(),
            shown: None,
            mark_mean,
            queue: std::collections::VecDeque::new(),
            now_ns: 0,
            activity: Activity::new(exciting_per_s),
            due: BTreeMap::new(),
            due_number: 0,
        };
        generator.fill_book();
        generator
    }

    fn fill_book(&mut self) {
        let middle = self.parameters.start_price_ticks;
        for index in 0..self.parameters.distance_max_ticks.min(middle - 1) {
            for side in [Side::Buy, Side::Sell] {
                let price = match side {
                    Side::Buy => middle - index,
                    Side::Sell => middle + 1 + index,
                };
                let welcome = index == 0 || self.uniform() < self.parameters.occupancy;
                if welcome {
                    let lots = (self.target(side, index + 1) * self.exponential()).ceil() as i64;
                    self.book_mut(side).insert(price, lots.max(1));
                }
            }
        }
        let level = |(price, quantity): (&i64, &i64)| Level {
            price: Price(*price),
            quantity: Quantity(*quantity),
        };
        self.start = StartBook {
            last_update_id: UpdateId(self.update_id),
            bids: self.bids.iter().rev().map(level).collect(),
            asks: self.asks.iter().map(level).collect(),
        };
        self.shown = Some((self.start.bids[0], self.start.asks[0]));
    }

    /// Mean quantity at a distance from the opposite best price.
    fn target(&self, side: Side, distance: i64) -> f64 {
        let parameters = &self.parameters;
        let base = if distance <= 1 {
            parameters.best_lots
        } else {
            parameters.level_lots
        };
        // Pressure acts near the top and fades with the distance.
        let weight = 1.0 / (1.0 + distance as f64 / 20.0);
        base * (self.pressure * weight * side.sign() as f64).exp()
    }

    fn advance_pressure(&mut self) {
        let elapsed_s = (self.now_ns - self.pressure_time_ns) as f64 / 1e9;
        self.pressure_time_ns = self.now_ns;
        let keep = (-elapsed_s / self.parameters.pressure_relaxation_s).exp();
        let noise = self.parameters.pressure_sigma * (1.0 - keep * keep).sqrt();
        self.pressure = self.pressure * keep + noise * self.normal();
    }

    fn advance_activity(&mut self) {
        let (mut activity, now_ns) = (self.activity, self.now_ns);
        activity.advance(now_ns, || (self.uniform(), self.exponential()));
        self.activity = activity;
    }

    fn step_flow(&mut self) {
        let bound = self.flow_bound;
        self.advance_activity();
        let factor = self.activity.factor();
        // The rate has fallen since this moment was drawn: that share of moments stays empty.
        let happens = self.uniform() * bound < factor;
        if happens {
            self.advance_pressure();
            let parameters = &self.parameters;
            let far = parameters.level_events_per_s * parameters.far_events_per_level_event;
            let rates = [
                parameters.level_events_per_s,
                far,
                parameters.market_orders_per_s,
                parameters.sweeps_per_s * (1.0 - CASCADE),
            ];
            let mut left = self.uniform() * rates.iter().sum::<f64>();
            let kind = rates.iter().position(|rate| {
                left -= rate;
                left < 0.0
            });
            match kind {
                Some(0) => {
                    let distance = self.distance();
                    self.level_event(distance);
                }
                Some(1) => {
                    let reach = self.parameters.distance_max_ticks as f64;
                    let distance = 2 + (self.uniform() * reach) as i64;
                    self.level_event(distance);
                }
                Some(2) => self.market_order(),
                _ => {
                    let aggressor = self.side(PRESSURE_ON_ORDERS * self.pressure);
                    self.sweep(aggressor);
                }
            }
            self.settle();
        }
        self.plan_flow();
    }

    /// When the next candidate of the flow comes, at the rate of this moment.
    fn plan_flow(&mut self) {
        let parameters = &self.parameters;
        let total = parameters.level_events_per_s * (1.0 + parameters.far_events_per_level_event)
            + parameters.market_orders_per_s
            + parameters.sweeps_per_s * (1.0 - CASCADE);
        self.flow_bound = self.activity.factor().max(1e-6);
        let wait_s = self.exponential() / (total * self.flow_bound);
        let next_ns = self.now_ns + (wait_s * 1e9).max(1_000.0) as i64;
        // A busier regime must not wait for a calm one's next event; the exponential has no memory.
        self.next_flow_ns = next_ns.min(self.activity.regime_until_ns().max(self.now_ns + 1_000));
        if self.next_flow_ns < next_ns {
            // That moment is the regime's end, not an event's.
            self.flow_bound = f64::INFINITY;
        }
    }

    /// After anything: both sides have levels, an open spread begins to close, the top is told.
    fn settle(&mut self) {
        self.refill();
        if self.spread() > 1 && !self.due.values().any(|due| matches!(due, Due::Close)) {
            self.later(CLOSE_NS, Due::Close);
        }
        self.show_top();
    }

    fn step_due(&mut self) {
        let Some((_, due)) = self.due.pop_first() else {
            return;
        };
        self.advance_activity();
        match due {
            Due::Close => self.close_spread(),
            Due::Refill(side, lots, steps) => {
                if let Some(price) = self.best(side) {
                    let standing = self.book(side)[&price];
                    self.set(side, price, standing + lots);
                }
                if steps > 0 {
                    self.later(REFILL_NS, Due::Refill(side, lots, steps - 1));
                }
            }
            Due::Sweep(aggressor) => {
                self.sweep(aggressor);
                // It has made the market busier than the planned moment was drawn for.
                self.plan_flow();
            }
        }
        self.settle();
    }

    fn later(&mut self, mean_ns: f64, due: Due) {
        let at_ns = self.now_ns + (mean_ns * self.exponential()) as i64 + 1_000;
        self.due_number += 1;
        self.due.insert((at_ns, self.due_number), due);
    }

    fn spread(&self) -> i64 {
        match (self.best(Side::Buy), self.best(Side::Sell)) {
            (Some(bid), Some(ask)) => ask - bid,
            _ => 0,
        }
    }

    fn level_event(&mut self, distance: i64) {
        let side = self.side(0.0);
        let Some(opposite) = self.best(side.opposite()) else {
            return;
        };
        let price = opposite - side.sign() * distance;
        if price <= 0 {
            return;
        }
        let standing = self.book(side).get(&price).copied().unwrap_or(0);
        let target = self.target(side, distance);
        let at_best = distance == 1;
        let arrives = if standing == 0 && !at_best {
            self.uniform() < self.parameters.occupancy
        } else {
            self.uniform() < target / (target + standing as f64)
        };
        let sigma = self.parameters.order_sigma;
        let quantity = if at_best {
            let lots = self.lognormal(self.parameters.order_lots, sigma);
            standing + if arrives { lots } else { -lots.min(standing) }
        } else if arrives {
            // The median that has the target as its mean.
            standing + self.lognormal(target * (-sigma * sigma / 2.0).exp(), sigma)
        } else {
            0
        };
        if quantity != standing {
            self.set(side, price, quantity);
        }
    }

    fn market_order(&mut self) {
        self.activity.excite();
        let aggressor = self.side(PRESSURE_ON_ORDERS * self.pressure);
        let (median, sigma) = (self.parameters.market_lots, self.parameters.market_sigma);
        let mut rest = self.lognormal(median, sigma);
        while rest > 0 {
            let Some(price) = self.best(aggressor.opposite()) else {
                return;
            };
            rest -= self.trade_at(aggressor, price, rest);
        }
    }

    fn sweep(&mut self, aggressor: Side) {
        self.activity.excite();
        let length = (self.exponential() * self.parameters.sweep_ticks).ceil() as i64;
        let Some(from) = self.best(aggressor.opposite()) else {
            return;
        };
        let until = from + aggressor.sign() * length;
        while let Some(price) = self.best(aggressor.opposite()) {
            if (until - price) * aggressor.sign() <= 0 {
                break;
            }
            let standing = self.book(aggressor.opposite())[&price];
            let traded = ((standing as f64 * SWEPT_TRADED * self.uniform()) as i64).max(1);
            self.trade_at(aggressor, price, traded);
            self.set(aggressor.opposite(), price, 0);
        }
        if self.uniform() < CASCADE {
            let same_way = self.uniform() < CASCADE_SAME_WAY;
            let next = if same_way {
                aggressor
            } else {
                aggressor.opposite()
            };
            self.later(CASCADE_NS, Due::Sweep(next));
        }
    }

    /// Somebody steps into a gap between the best prices: the first goes half the way, and then
    /// the quantity that belongs there comes in steps.
    fn close_spread(&mut self) {
        let (Some(bid), Some(ask)) = (self.best(Side::Buy), self.best(Side::Sell)) else {
            return;
        };
        if ask - bid <= 1 {
            return;
        }
        let side = self.side(self.pressure);
        let step = ((ask - bid) / 2).max(1);
        let price = if side == Side::Buy {
            bid + step
        } else {
            ask - step
        };
        let (median, sigma) = (self.parameters.order_lots, self.parameters.order_sigma);
        let lots = self.lognormal(median, sigma);
        self.set(side, price, lots);
        if self.spread() <= 1 {
            let steps = (REFILL_STEPS * self.exponential()) as u32;
            let whole = self.target(side, 1) * self.uniform();
            let lots = (whole / f64::from(steps + 1)).ceil() as i64;
            self.later(REFILL_NS, Due::Refill(side, lots.max(1), steps));
        }
    }

    /// Trades up to `lots` at one price and returns how many it was.
    fn trade_at(&mut self, aggressor: Side, price: i64, lots: i64) -> i64 {
        let maker = aggressor.opposite();
        let standing = self.book(maker)[&price];
        let total = lots.min(standing);
        let mut rest = total;
        while rest > 0 {
            // One trade a resting order: their sizes vary.
            let order = self.lognormal(self.parameters.trade_lots, self.parameters.trade_sigma);
            let quantity = rest.min(order);
            rest -= quantity;
            self.trade_id += 1;
            let now = ms(self.now_ns);
            self.queue.push_back(FeedEvent::Trade(Trade {
                instrument: InstrumentId(0),
                trade_id: TradeId(self.trade_id),
                price: Price(price),
                quantity: Quantity(quantity),
                aggressor,
                from_book: true,
                transaction_time: now,
                event_time: now,
            }));
        }
        self.set(maker, price, standing - total);
        total
    }

    /// A side that was traded through gets levels again before anybody looks at it.
    fn refill(&mut self) {
        for side in [Side::Buy, Side::Sell] {
            if self.book(side).is_empty() {
                let anchor = self.best(side.opposite()).unwrap_or(self.mark_mean as i64);
                let price = (anchor - side.sign()).max(1);
                self.set(side, price, self.parameters.best_lots as i64);
            }
        }
    }

    fn set(&mut self, side: Side, price: i64, quantity: i64) {
        self.update_id += 1;
        let book = self.book_mut(side);
        if quantity > 0 {
            book.insert(price, quantity);
        } else {
            book.remove(&price);
        }
        match side {
            Side::Buy => self.changed_bids.insert(price, ()),
            Side::Sell => self.changed_asks.insert(price, ()),
        };
    }

    fn show_top(&mut self) {
        let (Some(bid), Some(ask)) = (self.top(Side::Buy), self.top(Side::Sell)) else {
            return;
        };
        assert!(bid.price < ask.price, "the generated book crossed");
        if self.shown == Some((bid, ask)) {
            return;
        }
        self.shown = Some((bid, ask));
        let now = ms(self.now_ns);
        self.queue.push_back(FeedEvent::Ticker(BookTicker {
            instrument: InstrumentId(0),
            update_id: UpdateId(self.update_id),
            bid,
            ask,
            event_time: now,
            transaction_time: now,
        }));
    }

    fn show_depth(&mut self) {
        self.trim_far();
        let now = ms(self.now_ns);
        let bids = drain(&mut self.changed_bids, &self.bids);
        let asks = drain(&mut self.changed_asks, &self.asks);
        if bids.is_empty() && asks.is_empty() {
            return;
        }
        let header = DepthHeader {
            instrument: InstrumentId(0),
            first_update_id: UpdateId(self.first_pending_id),
            last_update_id: UpdateId(self.update_id),
            previous_update_id: UpdateId(self.previous_depth_id),
            event_time: now,
            transaction_time: now,
        };
        self.previous_depth_id = self.update_id;
        self.first_pending_id = self.update_id + 1;
        self.queue
            .push_back(FeedEvent::Depth(DepthChange { header, bids, asks }));
    }

    /// Levels that the price has left far behind are cancelled, so that the book stays bounded.
    fn trim_far(&mut self) {
        let reach = 3 * self.parameters.distance_max_ticks;
        let (Some(bid), Some(ask)) = (self.best(Side::Buy), self.best(Side::Sell)) else {
            return;
        };
        while let Some((&price, _)) = self.bids.first_key_value()
            && price < bid - reach
        {
            self.set(Side::Buy, price, 0);
        }
        while let Some((&price, _)) = self.asks.last_key_value()
            && price > ask + reach
        {
            self.set(Side::Sell, price, 0);
        }
    }

    fn show_mark(&mut self) {
        if let (Some(bid), Some(ask)) = (self.best(Side::Buy), self.best(Side::Sell)) {
            // The mean over about 30 s, as the mark price's basis average.
            self.mark_mean += ((bid + ask) as f64 / 2.0 - self.mark_mean) / 30.0;
        }
        let mark = Price(self.mark_mean.round() as i64);
        self.queue.push_back(FeedEvent::Mark(mark));
    }

    fn next_step_ns(&self) -> i64 {
        let due_ns = self
            .due
            .first_key_value()
            .map_or(i64::MAX, |(key, _)| key.0);
        let told_ns = self.next_depth_ns.min(self.next_mark_ns);
        self.next_flow_ns.min(told_ns).min(due_ns)
    }

    fn top(&self, side: Side) -> Option<Level> {
        let level = match side {
            Side::Buy => self.bids.last_key_value(),
            Side::Sell => self.asks.first_key_value(),
        };
        level.map(|(price, quantity)| Level {
            price: Price(*price),
            quantity: Quantity(*quantity),
        })
    }

    fn best(&self, side: Side) -> Option<i64> {
        self.top(side).map(|level| level.price.0)
    }

    fn book(&self, side: Side) -> &BTreeMap<i64, i64> {
        match side {
            Side::Buy => &self.bids,
            Side::Sell => &self.asks,
        }
    }

    fn book_mut(&mut self, side: Side) -> &mut BTreeMap<i64, i64> {
        match side {
            Side::Buy => &mut self.bids,
            Side::Sell => &mut self.asks,
        }
    }

    fn side(&mut self, tilt: f64) -> Side {
        if self.uniform() < 1.0 / (1.0 + (-2.0 * tilt).exp()) {
            Side::Buy
        } else {
            Side::Sell
        }
    }

    /// A distance of at least 1 tick with a power-law tail.
    fn distance(&mut self) -> i64 {
        let drawn = self
            .uniform()
            .max(1e-12)
            .powf(-1.0 / self.parameters.distance_exponent);
        let furthest = self.parameters.distance_max_ticks;
        if drawn < furthest as f64 {
            return drawn as i64;
        }
        1 + (self.uniform() * furthest as f64) as i64
    }

    fn lognormal(&mut self, median: f64, sigma: f64) -> i64 {
        ((median * (sigma * self.normal()).exp()).round() as i64).max(1)
    }

    fn exponential(&mut self) -> f64 {
        -self.uniform().max(1e-18).ln()
    }

    fn normal(&mut self) -> f64 {
        let radius = (2.0 * self.exponential()).sqrt();
        radius * (std::f64::consts::TAU * self.uniform()).cos()
    }

    /// In [0, 1).
    fn uniform(&mut self) -> f64 {
        (self.random.next_u64() >> 11) as f64 / (1u64 << 53) as f64
    }
}

impl Feed for Generator {
    fn instrument(&self) -> Instrument {
        self.instrument
    }

    fn start_book(&self) -> StartBook {
        self.start.clone()
    }

    fn pace(&self) -> Pace {
        self.parameters.pace(FIRST_TRADE_ID + 1)
    }

    fn next_time_ns(&self) -> Option<i64> {
        if !self.queue.is_empty() {
            return Some(self.now_ns);
        }
        Some(self.next_step_ns())
    }

    fn next_event(&mut self) -> Option<FeedEvent> {
        while self.queue.is_empty() {
            self.now_ns = self.next_step_ns();
            if self.now_ns == self.next_mark_ns {
                self.next_mark_ns += MARK_PERIOD_NS;
                self.show_mark();
            } else if self.now_ns == self.next_depth_ns {
                self.next_depth_ns += DEPTH_PERIOD_NS;
                self.show_depth();
            } else if self.now_ns == self.next_flow_ns {
                self.step_flow();
            } else {
                self.step_due();
            }
        }
        self.queue.pop_front()
    }
}

fn ms(now_ns: i64) -> UtcMs {
    UtcMs(now_ns.div_euclid(1_000_000))
}

fn drain(changed: &mut BTreeMap<i64, ()>, book: &BTreeMap<i64, i64>) -> Vec<Level> {
    let levels = changed
        .keys()
        .map(|price| Level {
            price: Price(*price),
            quantity: Quantity(book.get(price).copied().unwrap_or(0)),
        })
        .collect();
    changed.clear();
    levels
}
