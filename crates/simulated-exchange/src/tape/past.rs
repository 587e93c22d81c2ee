//! The past that a symbol would have had: minutes that nobody traded, made up once and for all.
//!
//! In: the symbol, the first price, how much is traded. Out: the candle of any minute of the two
//! years before the start. Never: a float, a random number; a minute is a function of its time.
//!
//! The price is a sum of noises over lattices of one minute, four, sixteen and so on up to 45
//! days, each with an amplitude that grows with the root of its length: returns scale like those
//! of a random walk. The sum is shifted so that it ends exactly at the first real price.

use market::{Instrument, Price, UtcMs};

use super::candle::Candle;
use super::line::MINUTE_MS;

/// How far the past reaches back.
const REACH_MS: i64 = 730 * 86_400_000;
/// Lattices: 4^0 to 4^8 minutes.
const SCALES: u32 = 9;
/// Amplitude of the finest lattice, in 1e-8 of the price: 4 bp. Each coarser one has twice as
/// much. All of them together stay below 21 %.
const FINEST_E8: i64 = 40_000;
const ONE_E8: i64 = 100_000_000;
/// Wicks reach up to 2 bp beyond open and close.
const WICK_E8: i64 = 20_000;

/// How much is traded.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Pace {
    /// Mean volume of a minute.
    pub lots_per_minute: i64,
    /// Mean number of trades of a minute.
    pub trades_per_minute: i64,
    /// Id of the first real trade.
    pub first_trade_id: i64,
}

/// A made-up past.
#[derive(Clone, Copy, Debug)]
pub struct Past {
    seed: u64,
    end_ms: i64,
    end_price: i64,
    end_walk_e8: i64,
    pace: Pace,
}

impl Past {
    /// The past of an instrument that is at `price` at `end`.
    #[must_use]
    pub fn new(instrument: &Instrument, price: Price, pace: Pace, end: UtcMs) -> Self {
        let bytes = instrument.symbol.as_bytes().iter();
        let seed = bytes.fold(0xcbf2_9ce4_8422_2325, |seed: u64, byte| {
            (seed ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3)
        });
        let mut past = Self {
            seed,
            end_ms: end.0,
            end_price: price.0.max(1),
            end_walk_e8: 0,
            pace,
        };
        past.end_walk_e8 = past.walk_e8(end.0);
        past
    }

    /// When it ends and the market begins.
    #[must_use]
    pub fn end_ms(&self) -> i64 {
        self.end_ms
    }

    /// The price at its end.
    #[must_use]
    pub fn end_price(&self) -> i64 {
        self.end_price
    }

    /// When it begins: at a full hour, so that nobody sees half of one.
    #[must_use]
    pub fn first_ms(&self) -> i64 {
        (self.end_ms - REACH_MS).div_euclid(3_600_000) * 3_600_000
    }

    /// Id of the first real trade.
    #[must_use]
    pub fn first_trade_id(&self) -> u64 {
        self.pace.first_trade_id.unsigned_abs()
    }

    /// A whole minute.
    #[must_use]
    pub fn minute(&self, open_ms: i64) -> Candle {
        self.until(open_ms, open_ms + MINUTE_MS)
    }

    /// The part of a minute that lies before `until_ms`; flat when that is nothing.
    #[must_use]
    pub fn until(&self, open_ms: i64, until_ms: i64) -> Candle {
        let until = until_ms.min(self.end_ms);
        let (open, close) = (self.price(open_ms), self.price(until));
        let part = until - open_ms;
        let mut candle = Candle::flat(open_ms, open);
        if part <= 0 {
            return candle;
        }
        let hash = |what: u64| self.hash(what, open_ms.div_euclid(MINUTE_MS));
        let wick = |what: u64| {
            let share = (hash(what) % WICK_E8 as u64) as i64;
            scale(close, share, ONE_E8)
        };
        candle.close = close;
        candle.high = open.max(close) + wick(101);
        candle.low = (open.min(close) - wick(102)).max(1);
        // Between 0.25 and 2.5 times the mean, its square root spread evenly: mean 1.
        let root = (hash(103) % 1_000) as i64;
        let activity = 250 + root * root * 9 / 4 / 1_000;
        let share = |mean: i64| scale(scale(mean, activity, 1_000), part, MINUTE_MS);
        let (first, next) = (self.trade_id(open_ms), self.trade_id(until));
        candle.trades = next - first;
        candle.lots = share(self.pace.lots_per_minute).max(candle.trades);
        candle.taker_lots = scale(candle.lots, 300 + (hash(104) % 400) as i64, 1_000);
        let middle = i128::from((open + close) / 2);
        candle.tick_lots = middle * i128::from(candle.lots);
        candle.taker_tick_lots = middle * i128::from(candle.taker_lots);
        if candle.trades > 0 && first > 0 {
            (candle.first_trade, candle.last_trade) = (first, next - 1);
            candle.last_lots = (candle.lots / candle.trades).max(1);
        }
        candle
    }

    /// Id of the first trade behind a time: ids count back from the first real trade.
    fn trade_id(&self, time_ms: i64) -> i64 {
        let mean = self.pace.trades_per_minute;
        if time_ms >= self.end_ms || mean == 0 {
            return self.pace.first_trade_id;
        }
        let minute = time_ms.div_euclid(MINUTE_MS);
        // Less than one minute's mean, so that two minutes never change places.
        let jitter = (self.hash(105, minute) % mean as u64) as i64;
        let left = (self.end_ms - time_ms + MINUTE_MS - 1).div_euclid(MINUTE_MS);
        self.pace.first_trade_id - left * mean - jitter
    }

    fn price(&self, time_ms: i64) -> i64 {
        if time_ms >= self.end_ms {
            return self.end_price;
        }
        let change = self.walk_e8(time_ms) - self.end_walk_e8;
        scale(self.end_price, ONE_E8 + change, ONE_E8).max(1)
    }

    /// The sum of the noises at a time.
    fn walk_e8(&self, time_ms: i64) -> i64 {
        (0..SCALES)
            .map(|index| {
                let length = MINUTE_MS << (2 * index);
                let amplitude = FINEST_E8 << index;
                let (cell, within) = (time_ms.div_euclid(length), time_ms.rem_euclid(length));
                let at = |cell: i64| {
                    let hash = self.hash(u64::from(index), cell) % (2 * amplitude as u64 + 1);
                    hash as i64 - amplitude
                };
                let (left, right) = (at(cell), at(cell + 1));
                left + scale(right - left, within, length)
            })
            .sum()
    }

    /// SplitMix64's finaliser over what is asked for.
    fn hash(&self, what: u64, cell: i64) -> u64 {
        let mut mixed = self
            .seed
            .wrapping_add(what.wrapping_mul(0x9e37_79b9_7f4a_7c15))
            .wrapping_add((cell as u64).wrapping_mul(0xd1b5_4a32_d192_ed03));
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }
}

/// The way of the price through a minute: open, both extremes, close.
pub(super) fn corners_of(minute: &Candle) -> [i64; 4] {
    if minute.close >= minute.open {
        [minute.open, minute.low, minute.high, minute.close]
    } else {
        [minute.open, minute.high, minute.low, minute.close]
    }
}

/// One second of a minute: the price goes straight from open over low and high to close.
#[must_use]
pub fn second_of(minute: &Candle, open_ms: i64) -> Candle {
    let corners = corners_of(minute);
    let second = (open_ms - minute.open_ms).div_euclid(1_000);
    let price = |second: i64| {
        let leg = (second / 20).min(2) as usize;
        let within = second - 20 * leg as i64;
        corners[leg] + scale(corners[leg + 1] - corners[leg], within, 20)
    };
    let part = |whole: i64| scale(whole, second + 1, 60) - scale(whole, second, 60);
    let mut candle = Candle::flat(open_ms, price(second));
    candle.touch(price(second + 1));
    candle.lots = part(minute.lots);
    candle.taker_lots = part(minute.taker_lots).min(candle.lots);
    candle.trades = part(minute.trades);
    let middle = i128::from((candle.open + candle.close) / 2);
    candle.tick_lots = middle * i128::from(candle.lots);
    candle.taker_tick_lots = middle * i128::from(candle.taker_lots);
    candle
}

fn scale(value: i64, by: i64, of: i64) -> i64 {
    (i128::from(value) * i128::from(by)).div_euclid(i128::from(of)) as i64
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::feed::parameters;
    use market::Market;

    const END: i64 = 1_795_700_825_123;

    fn past() -> Past {
        let instrument = parameters::instrument(Market::UsdM, "BTCUSDT").expect("a known symbol");
        let pace = Pace {
            lots_per_minute: 200_000,
            trades_per_minute: 1_500,
            first_trade_id: 5_000_000_000,
        };
        Past::new(&instrument, Price(640_000), pace, UtcMs(END))
    }

    #[test]
    fn minutes_join_each_other_and_the_first_real_price() {
        let past = past();
        let running = END.div_euclid(MINUTE_MS) * MINUTE_MS;
        let mut later = past.until(running, END);
        assert_eq!((later.close, later.last_trade), (640_000, 4_999_999_999));
        for minute in 1..3_000 {
            let candle = past.minute(running - minute * MINUTE_MS);
            assert_eq!(candle.close, later.open);
            assert_eq!(candle.last_trade + 1, later.first_trade);
            assert_eq!(candle.trades, candle.last_trade + 1 - candle.first_trade);
            assert!(candle.low <= candle.open.min(candle.close));
            assert!(candle.high >= candle.open.max(candle.close));
            assert!(candle.taker_lots < candle.lots && candle.trades <= candle.lots);
            let (lots, worth) = (i128::from(candle.lots), candle.tick_lots);
            assert!(worth >= i128::from(candle.low) * lots);
            assert!(worth <= i128::from(candle.high) * lots);
            later = candle;
        }
    }

    /// Mean volume as asked for; returns that scale with the root of time, as a random walk's.
    #[test]
    fn a_day_looks_like_a_random_walk_at_the_pace_that_was_asked_for() {
        let past = past();
        let first = past.first_ms();
        let minutes: Vec<Candle> = (0..50_000)
            .map(|minute| past.minute(first + minute * MINUTE_MS))
            .collect();
        let lots: i64 = minutes.iter().map(|minute| minute.lots).sum();
        assert!((190_000..210_000).contains(&(lots / 50_000)), "{lots}");
        let deviation = |span: usize| {
            let returns: Vec<f64> = minutes
                .chunks_exact(span)
                .map(|span| (span[span.len() - 1].close - span[0].open) as f64)
                .collect();
            (returns.iter().map(|one| one * one).sum::<f64>() / returns.len() as f64).sqrt()
        };
        let ratio = deviation(256) / deviation(1);
        assert!(
            (8.0..32.0).contains(&ratio),
            "16 for a random walk: {ratio}"
        );
        let bp = deviation(1) / 64.0;
        assert!((1.0..10.0).contains(&bp), "{bp} bp a minute");
    }

    #[test]
    fn seconds_add_up_to_their_minute() {
        let minute = past().minute(END - 7 * MINUTE_MS - END % MINUTE_MS);
        let mut sum = second_of(&minute, minute.open_ms);
        for second in 1..60 {
            let next = second_of(&minute, minute.open_ms + second * 1_000);
            assert_eq!(next.open, sum.close);
            sum.absorb(&next);
        }
        let of = |candle: &Candle| [candle.open, candle.high, candle.low, candle.close];
        assert_eq!(of(&sum), of(&minute));
        assert_eq!((sum.lots, sum.trades), (minute.lots, minute.trades));
    }
}
