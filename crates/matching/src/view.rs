//! The venue's liquidity in one instrument, as our orders meet it.
//!
//! In: depth differences, book tickers. Out: the depth book (for snapshots), and the fused view
//! with what our own takers have used up subtracted. Never: our orders themselves.

use std::collections::BTreeMap;

use market::{BookTicker, DepthUpdate, Level, Price, Quantity, Side, UpdateId};

/// One instrument's liquidity.
///
/// The depth book is exactly what the depth stream says; a newer book ticker lies over it until
/// the depth stream has caught up. `consumed` is what we took from a level since the stream last
/// spoke about it: such liquidity is not there for us a second time.
#[derive(Clone, Debug, Default)]
pub struct MarketView {
    bids: BTreeMap<i64, i64>,
    asks: BTreeMap<i64, i64>,
    last_update_id: UpdateId,
    ticker: Option<BookTicker>,
    consumed_bids: BTreeMap<i64, i64>,
    consumed_asks: BTreeMap<i64, i64>,
}

impl MarketView {
    /// Version of the depth book.
    #[must_use]
    pub fn last_update_id(&self) -> UpdateId {
        self.last_update_id
    }

    /// Replaces the whole depth book.
    pub fn reset(&mut self, last_update_id: UpdateId, bids: &[Level], asks: &[Level]) {
        let collect = |levels: &[Level]| {
            levels
                .iter()
                .filter(|level| level.quantity.0 > 0)
                .map(|level| (level.price.0, level.quantity.0))
                .collect()
        };
        *self = Self {
            bids: collect(bids),
            asks: collect(asks),
            last_update_id,
            ..Self::default()
        };
    }

    /// Applies a difference.
    pub fn apply_depth(&mut self, update: &DepthUpdate<'_>) {
        self.last_update_id = update.header.last_update_id;
        for level in update.bids {
            set_level(&mut self.bids, *level);
            self.consumed_bids.remove(&level.price.0);
        }
        for level in update.asks {
            set_level(&mut self.asks, *level);
            self.consumed_asks.remove(&level.price.0);
        }
        if self
            .ticker
            .is_some_and(|ticker| ticker.update_id <= self.last_update_id)
        {
            self.ticker = None;
        }
    }

    /// Lays a book ticker over the depth book; an old one is ignored.
    pub fn apply_ticker(&mut self, ticker: &BookTicker) {
        if ticker.update_id <= self.last_update_id {
            return;
        }
        // A level that the ticker states anew is fresh liquidity.
        if self.quantity_at(Side::Buy, ticker.bid.price) != ticker.bid.quantity {
            self.consumed_bids.remove(&ticker.bid.price.0);
        }
        if self.quantity_at(Side::Sell, ticker.ask.price) != ticker.ask.quantity {
            self.consumed_asks.remove(&ticker.ask.price.0);
        }
        self.ticker = Some(*ticker);
    }

    /// Best level of `side` as the market shows it, ignoring what we consumed.
    #[must_use]
    pub fn best(&self, side: Side) -> Option<Level> {
        self.levels(side).next()
    }

    /// Best level of `side` that still has something for us.
    #[must_use]
    pub fn best_available(&self, side: Side) -> Option<Level> {
        self.available(side).next()
    }

    /// The market's quantity at a price of `side`.
    #[must_use]
    pub fn quantity_at(&self, side: Side, price: Price) -> Quantity {
        if let Some(top) = self.ticker.map(|ticker| side_of(&ticker, side)) {
            if top.price == price {
                return top.quantity;
            }
            if is_better(side, price, top.price) {
                return Quantity::ZERO;
            }
        }
        Quantity(self.book(side).get(&price.0).copied().unwrap_or(0))
    }

    /// Levels of `side` of the depth book alone, best first: what a snapshot shows.
    pub fn depth_levels(&self, side: Side) -> Box<dyn Iterator<Item = Level> + '_> {
        let level = |(price, quantity): (&i64, &i64)| Level {
            price: Price(*price),
            quantity: Quantity(*quantity),
        };
        match side {
            Side::Buy => Box::new(self.bids.iter().rev().map(level)),
            Side::Sell => Box::new(self.asks.iter().map(level)),
        }
    }

    /// Levels of `side` with the newer book ticker laid over them, best first.
    pub fn levels(&self, side: Side) -> impl Iterator<Item = Level> + '_ {
        let top = self.ticker.map(|ticker| side_of(&ticker, side));
        let worse_than_top =
            move |level: &Level| top.is_none_or(|top| is_better(side, top.price, level.price));
        top.into_iter()
            .filter(|level| level.quantity.0 > 0)
            .chain(self.depth_levels(side).filter(worse_than_top))
    }

    /// Levels of `side` less what we consumed, empty ones left out, best first.
    pub fn available(&self, side: Side) -> impl Iterator<Item = Level> + '_ {
        let consumed = match side {
            Side::Buy => &self.consumed_bids,
            Side::Sell => &self.consumed_asks,
        };
        self.levels(side).filter_map(|level| {
            let used = consumed.get(&level.price.0).copied().unwrap_or(0);
            let quantity = level.quantity.0 - used;
            (quantity > 0).then_some(Level {
                price: level.price,
                quantity: Quantity(quantity),
            })
        })
    }

    /// What an order of `side` would take now, best price first, without taking it.
    #[must_use]
    pub fn quote(&self, side: Side, limit: Option<Price>, quantity: Quantity) -> Vec<Level> {
        let mut rest = quantity.0;
        let mut takes = Vec::new();
        for level in self.available(side.opposite()) {
            if rest == 0 || limit.is_some_and(|limit| !reaches(side, limit, level.price)) {
                break;
            }
            let taken = rest.min(level.quantity.0);
            rest -= taken;
            takes.push(Level {
                price: level.price,
                quantity: Quantity(taken),
            });
        }
        takes
    }

    /// Marks what an order of `side` took as used up.
    pub fn consume(&mut self, side: Side, price: Price, quantity: Quantity) {
        let consumed = match side {
            Side::Buy => &mut self.consumed_asks,
            Side::Sell => &mut self.consumed_bids,
        };
        *consumed.entry(price.0).or_default() += quantity.0;
    }

    fn book(&self, side: Side) -> &BTreeMap<i64, i64> {
        match side {
            Side::Buy => &self.bids,
            Side::Sell => &self.asks,
        }
    }
}

/// True when an order of `side` with this limit accepts `price`.
#[must_use]
pub fn reaches(side: Side, limit: Price, price: Price) -> bool {
    match side {
        Side::Buy => limit >= price,
        Side::Sell => limit <= price,
    }
}

/// True when `price` stands before `other` in the queue of `side`.
fn is_better(side: Side, price: Price, other: Price) -> bool {
    match side {
        Side::Buy => price > other,
        Side::Sell => price < other,
    }
}

fn side_of(ticker: &BookTicker, side: Side) -> Level {
    match side {
        Side::Buy => ticker.bid,
        Side::Sell => ticker.ask,
    }
}

fn set_level(book: &mut BTreeMap<i64, i64>, level: Level) {
    if level.quantity.0 > 0 {
        book.insert(level.price.0, level.quantity.0);
    } else {
        book.remove(&level.price.0);
    }
}
