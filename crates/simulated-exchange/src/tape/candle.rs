//! One candle, in ticks and lots.
//!
//! In: trades, shorter candles. Out: open, high, low, close and sums, all exact. Never: a price
//! outside of what it was given.

use market::{Side, Trade};

/// A candle.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Candle {
    /// When it opens, UTC in ms.
    pub open_ms: i64,
    /// First price in ticks.
    pub open: i64,
    /// Highest.
    pub high: i64,
    /// Lowest.
    pub low: i64,
    /// Last.
    pub close: i64,
    /// Lots traded.
    pub lots: i64,
    /// Sum of ticks times lots.
    pub tick_lots: i128,
    /// Lots that buyers took.
    pub taker_lots: i64,
    /// Their sum of ticks times lots.
    pub taker_tick_lots: i128,
    /// Number of trades.
    pub trades: i64,
    /// Id of the first trade; -1 without.
    pub first_trade: i64,
    /// Id of the last trade; -1 without.
    pub last_trade: i64,
    /// Lots of the last trade.
    pub last_lots: i64,
}

impl Candle {
    /// Nothing happened: every price is the one before.
    #[must_use]
    pub const fn flat(open_ms: i64, price: i64) -> Self {
        Self {
            open_ms,
            open: price,
            high: price,
            low: price,
            close: price,
            lots: 0,
            tick_lots: 0,
            taker_lots: 0,
            taker_tick_lots: 0,
            trades: 0,
            first_trade: -1,
            last_trade: -1,
            last_lots: 0,
        }
    }

    /// A price is seen.
    pub fn touch(&mut self, price: i64) {
        self.close = price;
        self.high = self.high.max(price);
        self.low = self.low.min(price);
    }

    /// A trade happens. The first one of a candle opens it.
    pub fn trade(&mut self, trade: &Trade) {
        let (price, lots) = (trade.price.0, trade.quantity.0);
        if self.trades == 0 {
            let open_ms = self.open_ms;
            *self = Self::flat(open_ms, price);
            self.first_trade = trade.trade_id.0 as i64;
        }
        self.touch(price);
        let tick_lots = i128::from(price) * i128::from(lots);
        self.lots = self.lots.saturating_add(lots);
        self.tick_lots += tick_lots;
        if trade.aggressor == Side::Buy {
            self.taker_lots = self.taker_lots.saturating_add(lots);
            self.taker_tick_lots += tick_lots;
        }
        self.trades += 1;
        self.last_trade = trade.trade_id.0 as i64;
        self.last_lots = lots;
    }

    /// The candle that follows this one is added at its end.
    pub fn absorb(&mut self, next: &Self) {
        self.high = self.high.max(next.high);
        self.low = self.low.min(next.low);
        self.close = next.close;
        self.lots = self.lots.saturating_add(next.lots);
        self.tick_lots += next.tick_lots;
        self.taker_lots = self.taker_lots.saturating_add(next.taker_lots);
        self.taker_tick_lots += next.taker_tick_lots;
        self.trades += next.trades;
        if self.first_trade < 0 {
            self.first_trade = next.first_trade;
        }
        if next.last_trade >= 0 {
            self.last_trade = next.last_trade;
            self.last_lots = next.last_lots;
        }
    }
}
