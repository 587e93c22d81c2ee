//! A tiny exchange whose book at every version is known.
//!
//! In: a seed. Out: differences, tickers, snapshots, and the truth at any version. Never: a
//! crossed book, unless a test asks for one.

use market::event::DepthHeader;
use market::{
    BookTicker, DepthUpdate, InstrumentId, Level, Market, Price, Quantity, Side, UpdateId, UtcMs,
};
use std::collections::BTreeMap;

/// Levels of one side: price to quantity.
pub(crate) type Levels = BTreeMap<i64, i64>;

/// A difference that owns its levels.
#[derive(Clone, Debug)]
pub(crate) struct Difference {
    /// Ids.
    pub(crate) header: DepthHeader,
    /// Changed bids.
    pub(crate) bids: Vec<Level>,
    /// Changed asks.
    pub(crate) asks: Vec<Level>,
}

/// Levels of a snapshot, best first.
#[derive(Clone, Debug)]
pub(crate) struct Listing {
    /// Version.
    pub(crate) update_id: u64,
    /// Whether both sides are listed whole.
    pub(crate) complete: bool,
    /// Best first.
    pub(crate) bids: Vec<Level>,
    /// Best first.
    pub(crate) asks: Vec<Level>,
}

/// SplitMix64: small, and the same everywhere.
#[derive(Clone, Debug)]
pub(crate) struct Random(pub(crate) u64);

/// The exchange.
pub(crate) struct Exchange {
    market: Market,
    history: BTreeMap<u64, [Levels; 2]>,
    told: u64,
}

impl Random {
    /// A number below `bound`.
    pub(crate) fn below(&mut self, bound: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        mixed ^= mixed >> 31;
        (mixed % bound as u64) as usize
    }

    /// True once in `times`.
    pub(crate) fn once_in(&mut self, times: usize) -> bool {
        self.below(times) == 0
    }
}

impl Difference {
    /// As the book takes it.
    #[must_use]
    pub(crate) fn update(&self) -> DepthUpdate<'_> {
        DepthUpdate {
            header: self.header,
            bids: &self.bids,
            asks: &self.asks,
        }
    }
}

impl Exchange {
    /// A market around a price of 100,000 ticks.
    #[must_use]
    pub(crate) fn new(market: Market) -> Self {
        let side = |sign: i64| (1..40).map(|step| (100_000 + sign * step * 3, 5)).collect();
        Self {
            market,
            history: BTreeMap::from([(1_000, [side(-1), side(1)])]),
            told: 1_000,
        }
    }

    /// The present version.
    #[must_use]
    pub(crate) fn version(&self) -> u64 {
        *self
            .history
            .last_key_value()
            .expect("there is a first book")
            .0
    }

    /// Bids and asks at a version.
    #[must_use]
    pub(crate) fn at(&self, version: u64) -> &[Levels; 2] {
        let mut until = self.history.range(..=version);
        until
            .next_back()
            .expect("no version before the first is asked for")
            .1
    }

    /// One change.
    pub(crate) fn change(&mut self, random: &mut Random) {
        let version = self.version() + 1 + random.below(3) as u64;
        let mut sides = self.at(version).clone();
        let side = random.below(2);
        let (best_bid, best_ask) = best(&sides);
        let distance = match random.below(12) {
            0 => random.below(90_000) as i64,
            1 | 2 => random.below(1_500) as i64,
            _ => random.below(25) as i64,
        };
        let price = if side == 0 {
            (best_ask - 1 - distance).max(1)
        } else {
            best_bid + 1 + distance
        };
        if random.below(5) < 2 && sides[side].len() > 12 {
            // Removals favour the best, so that the market moves.
            let skip = random.below(4);
            let key = if side == 0 {
                sides[0].keys().rev().nth(skip).copied()
            } else {
                sides[1].keys().nth(skip).copied()
            };
            sides[side].remove(&key.expect("there are more than four"));
        } else {
            sides[side].insert(price, 1 + random.below(9) as i64);
        }
        self.history.insert(version, sides);
    }

    /// The whole market moves: every level goes, and new ones stand somewhere else. So it looks
    /// when the price step changes, or when trading comes back after a halt.
    pub(crate) fn jump(&mut self, random: &mut Random) {
        let center = [2_000, 60_000, 100_000, 140_000, 5_000_000][random.below(5)];
        let side = |sign: i64| (1..40).map(|step| (center + sign * step * 3, 7)).collect();
        let version = self.version() + 1;
        self.history.insert(version, [side(-1), side(1)]);
    }

    /// What changed since the last difference. Levels that went and came back are left out, some
    /// that did not change are repeated.
    pub(crate) fn difference(&mut self, random: &mut Random) -> Difference {
        let (from, to) = (self.told, self.version());
        let first = match self.market {
            Market::Spot => from + 1,
            Market::UsdM => self
                .history
                .range(from + 1..)
                .next()
                .map_or(to, |(id, _)| *id),
        };
        let (old, new) = (self.at(from), self.at(to));
        let [bids, asks] = [0, 1].map(|side| {
            let mut levels = Vec::new();
            for price in old[side].keys().chain(new[side].keys()) {
                let now = new[side].get(price).copied().unwrap_or(0);
                let same = old[side].get(price).copied().unwrap_or(0) == now;
                if !same || random.once_in(30) {
                    levels.push(level(*price, now));
                }
            }
            levels
        });
        self.told = to;
        Difference {
            header: DepthHeader {
                instrument: InstrumentId(0),
                first_update_id: UpdateId(first),
                last_update_id: UpdateId(to),
                previous_update_id: UpdateId(if self.market == Market::UsdM { from } else { 0 }),
                event_time: UtcMs(0),
                transaction_time: UtcMs(0),
            },
            bids,
            asks,
        }
    }

    /// True when something has changed since the last difference.
    #[must_use]
    pub(crate) fn has_news(&self) -> bool {
        self.version() > self.told
    }

    /// The top at the present version.
    #[must_use]
    pub(crate) fn ticker(&self) -> BookTicker {
        let sides = self.at(self.version());
        let (bid, ask) = best(sides);
        BookTicker {
            instrument: InstrumentId(0),
            update_id: UpdateId(self.version()),
            bid: level(bid, sides[0][&bid]),
            ask: level(ask, sides[1][&ask]),
            event_time: UtcMs(0),
            transaction_time: UtcMs(0),
        }
    }

    /// A snapshot of `limit` levels a side at a version.
    #[must_use]
    pub(crate) fn listing(&self, version: u64, limit: usize) -> Listing {
        let [bids, asks] = self.at(version);
        let copy = |(price, quantity): (&i64, &i64)| level(*price, *quantity);
        Listing {
            update_id: version,
            complete: bids.len().max(asks.len()) < limit,
            bids: bids.iter().rev().take(limit).map(copy).collect(),
            asks: asks.iter().take(limit).map(copy).collect(),
        }
    }

    /// The levels of a side at a version, best first, up to `edge`.
    #[must_use]
    pub(crate) fn truth(&self, version: u64, side: Side, edge: Option<Price>) -> Vec<Level> {
        let [bids, asks] = self.at(version);
        let copy = |(price, quantity): (&i64, &i64)| level(*price, *quantity);
        match side {
            Side::Buy => {
                let known = edge.map_or(i64::MIN, |edge| edge.0);
                bids.range(known..).rev().map(copy).collect()
            }
            Side::Sell => {
                let known = edge.map_or(i64::MAX, |edge| edge.0);
                asks.range(..=known).map(copy).collect()
            }
        }
    }
}

fn best(sides: &[Levels; 2]) -> (i64, i64) {
    let bid = sides[0]
        .last_key_value()
        .expect("twelve levels always stay");
    let ask = sides[1]
        .first_key_value()
        .expect("twelve levels always stay");
    (*bid.0, *ask.0)
}

fn level(price: i64, quantity: i64) -> Level {
    Level {
        price: Price(price),
        quantity: Quantity(quantity),
    }
}
