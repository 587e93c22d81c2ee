//! What a market has done: its trades, candles, mark prices and funding rates of one instrument.
//!
//! In: trades and mark prices with their time. Out: what tickers, klines and funding answers are
//! made of. Never: an answer that two calls give differently, a float.
//!
//! Nothing happened before the exchange was started, yet a client that asks for 500 candles must
//! get them: [`past`] makes them up, once and for all of a symbol, so that they end at the first
//! price of the market.

pub mod candle;
pub mod funding;
pub mod interval;
pub mod line;
pub mod past;
pub mod past_trades;

use std::collections::VecDeque;

use market::{Instrument, Price, Trade, UtcMs};

use candle::Candle;
use funding::{Funding, Settled};
use interval::Interval;
use line::Line;
use past::{Pace, Past};

/// Trades that are kept for requests.
const TRADES_MAX: usize = 20_000;
/// Seconds that are kept as candles (spot's 1s interval).
const SECONDS_MAX: usize = 7_200;
/// Length of the rolling window of tickers.
pub const DAY_MS: i64 = 86_400_000;

/// The record of one instrument.
pub struct Tape {
    instrument: Instrument,
    trades: VecDeque<Trade>,
    seconds: VecDeque<Candle>,
    prices: Line,
    marks: Line,
    /// Funding.
    pub funding: Funding,
    start_ms: i64,
}

impl Tape {
    /// A record that starts at `start` with the market at `price`.
    #[must_use]
    pub fn new(instrument: Instrument, price: Price, pace: Pace, start: UtcMs) -> Self {
        let past = Past::new(&instrument, price, pace, start);
        let quiet = Pace {
            lots_per_minute: 0,
            trades_per_minute: 0,
            ..pace
        };
        Self {
            instrument,
            trades: VecDeque::new(),
            seconds: VecDeque::new(),
            prices: Line::new(past, start),
            marks: Line::new(Past::new(&instrument, price, quiet, start), start),
            funding: Funding::new(&instrument, start),
            start_ms: start.0,
        }
    }

    /// The instrument.
    #[must_use]
    pub fn instrument(&self) -> &Instrument {
        &self.instrument
    }

    /// A trade at `now`.
    pub fn trade(&mut self, trade: &Trade, now: UtcMs) {
        if self.trades.len() == TRADES_MAX {
            self.trades.pop_front();
        }
        self.trades.push_back(*trade);
        self.prices.running(now).trade(trade);
        if self.instrument.market == market::Market::Spot {
            self.second(now).trade(trade);
        }
    }

    /// A mark price at `now`, and the premium of the book over it.
    pub fn mark(&mut self, mark: Price, premium_e8: i64, now: UtcMs) {
        self.marks.running(now).touch(mark.0);
        self.funding.sample(mark, premium_e8, now);
    }

    /// Kept trades, oldest first.
    pub fn trades(&self) -> impl DoubleEndedIterator<Item = &Trade> + ExactSizeIterator {
        self.trades.iter()
    }

    /// What lies before the start.
    #[must_use]
    pub const fn past(&self) -> &Past {
        self.prices.past()
    }

    /// True while every trade since the start is kept.
    #[must_use]
    pub fn keeps_all_trades(&self) -> bool {
        self.trades.len() < TRADES_MAX
    }

    /// Price of the last trade; before the first what the made-up past ends with.
    #[must_use]
    pub fn last_price(&self) -> Price {
        Price(self.prices.last_price())
    }

    /// The candle of an interval that opens at `open_ms`, as far as it is known at `now`.
    pub fn candle(&mut self, of: Source, interval: Interval, open_ms: i64, now: UtcMs) -> Candle {
        if interval.length_ms() == Some(1_000) {
            return self.second_at(open_ms, now);
        }
        let end = interval.next(open_ms, 0);
        self.line(of).between(open_ms, end, now)
    }

    /// As [`Self::candle`], for any span of whole minutes.
    pub fn between(&mut self, of: Source, from_ms: i64, until_ms: i64, now: UtcMs) -> Candle {
        self.line(of).between(from_ms, until_ms, now)
    }

    /// The last 24 hours, to the minute.
    pub fn day(&mut self, now: UtcMs) -> Candle {
        self.window(DAY_MS, now)
    }

    /// The last `length_ms`, to the minute.
    pub fn window(&mut self, length_ms: i64, now: UtcMs) -> Candle {
        let until = line::minute_of(now.0) + line::MINUTE_MS;
        self.prices.between(until - length_ms, until, now)
    }

    /// Fundings in a span, oldest first, with the mark price at each.
    pub fn fundings(&mut self, from_ms: i64, until_ms: i64, now: UtcMs) -> Vec<Settled> {
        let marks = &mut self.marks;
        let mark_at = |time: UtcMs| {
            let minute = line::minute_of(time.0);
            Price(marks.between(minute, minute + line::MINUTE_MS, now).open)
        };
        self.funding.between(from_ms, until_ms, mark_at)
    }

    /// When the made-up past begins.
    #[must_use]
    pub fn first_ms(&self) -> i64 {
        self.prices.first_ms()
    }

    fn line(&mut self, of: Source) -> &mut Line {
        match of {
            Source::Trades => &mut self.prices,
            Source::Marks => &mut self.marks,
        }
    }

    /// The running second, after quiet ones have been filled in.
    fn second(&mut self, now: UtcMs) -> &mut Candle {
        let open = now.0.div_euclid(1_000) * 1_000;
        let before = self.prices.last_before();
        let newest = self
            .seconds
            .back()
            .map(|candle| (candle.open_ms, candle.close));
        match newest {
            Some((newest, close)) => {
                let from = (newest + 1_000).max(open - SECONDS_MAX as i64 * 1_000);
                let mut next = from;
                while next <= open {
                    if self.seconds.len() == SECONDS_MAX {
                        self.seconds.pop_front();
                    }
                    self.seconds.push_back(Candle::flat(next, close));
                    next += 1_000;
                }
            }
            None => self.seconds.push_back(Candle::flat(open, before)),
        }
        self.seconds.back_mut().expect("one was just put in")
    }

    fn second_at(&mut self, open_ms: i64, now: UtcMs) -> Candle {
        let at = self
            .seconds
            .front()
            .map(|first| (open_ms - first.open_ms) / 1_000);
        match at {
            Some(at) if at >= 0 && at < self.seconds.len() as i64 => self.seconds[at as usize],
            Some(at) if at >= 0 => {
                let close = self.seconds.back().map_or(0, |last| last.close);
                Candle::flat(open_ms, close)
            }
            _ if open_ms < self.start_ms => {
                let minute_ms = line::minute_of(open_ms);
                let minute = self
                    .prices
                    .between(minute_ms, minute_ms + line::MINUTE_MS, now);
                past::second_of(&minute, open_ms)
            }
            _ => Candle::flat(open_ms, self.prices.start_price()),
        }
    }
}

/// What a candle is made of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Source {
    /// Trades.
    Trades,
    /// Mark prices; the index price is the same here.
    Marks,
}
