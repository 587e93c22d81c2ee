//! Request weight and order counts, as the headers and `rateLimits` tell them.
//!
//! In: calls with their weight. Out: counts in the running window, a refusal above the limit.
//! Never: a wait.

use market::{Market, UtcMs};

use super::error::ApiError;

/// One counted window.
#[derive(Clone, Copy, Debug)]
struct Window {
    period_ms: i64,
    limit: u32,
    index: i64,
    count: u32,
}

impl Window {
    fn new(period_ms: i64, limit: u32) -> Self {
        Self {
            period_ms,
            limit,
            index: 0,
            count: 0,
        }
    }

    fn add(&mut self, now: UtcMs, weight: u32) -> u32 {
        let index = now.0.div_euclid(self.period_ms);
        if index != self.index {
            self.index = index;
            self.count = 0;
        }
        self.count = self.count.saturating_add(weight);
        self.count
    }

    fn left_s(&self, now: UtcMs) -> u32 {
        let left_ms = self.period_ms - now.0.rem_euclid(self.period_ms);
        u32::try_from(left_ms / 1_000).unwrap_or(0) + 1
    }
}

/// Counts of one market.
#[derive(Clone, Copy, Debug)]
pub struct Weights {
    market: Market,
    weight: Window,
    orders_short: Window,
    orders_long: Window,
}

/// The counts after a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Counts {
    /// Weight in this minute.
    pub weight: u32,
    /// Orders in these 10 s.
    pub orders_short: u32,
    /// Orders in this minute (futures) or day (spot).
    pub orders_long: u32,
}

impl Weights {
    /// The limits of a market (binance.md 5.2).
    #[must_use]
    pub fn new(market: Market) -> Self {
        let (weight, short, long_ms, long) = match market {
            Market::UsdM => (2_400, 300, 60_000, 1_200),
            Market::Spot => (6_000, 100, 86_400_000, 200_000),
        };
        Self {
            market,
            weight: Window::new(60_000, weight),
            orders_short: Window::new(10_000, short),
            orders_long: Window::new(long_ms, long),
        }
    }

    /// Counts without an end, for tests under load: nobody is refused.
    #[must_use]
    pub fn without_limits(market: Market) -> Self {
        let mut weights = Self::new(market);
        for window in [
            &mut weights.weight,
            &mut weights.orders_short,
            &mut weights.orders_long,
        ] {
            window.limit = u32::MAX;
        }
        weights
    }

    /// Counts a call.
    ///
    /// # Errors
    /// 429 above a limit.
    pub fn count(&mut self, now: UtcMs, weight: u32, orders: u32) -> Result<Counts, ApiError> {
        let counts = Counts {
            weight: self.weight.add(now, weight),
            orders_short: self.orders_short.add(now, orders),
            orders_long: self.orders_long.add(now, orders),
        };
        if counts.weight > self.weight.limit {
            let message = format!(
                "Too many requests; current limit is {} requests per minute.",
                self.weight.limit
            );
            return Err(ApiError::too_many_requests(
                &message,
                self.weight.left_s(now),
            ));
        }
        let over_short = counts.orders_short > self.orders_short.limit;
        if orders > 0 && (over_short || counts.orders_long > self.orders_long.limit) {
            let mut error = ApiError::new(-1015, "Too many new orders.").with_status(429);
            error.retry_after = Some(self.orders_short.left_s(now));
            return Err(error);
        }
        Ok(counts)
    }

    /// The order limits as a list; with the counts of now.
    pub fn write_orders(&self, json: &mut binance::encode::JsonText<'_>, counted: bool) {
        let long = match self.market {
            Market::UsdM => "MINUTE",
            Market::Spot => "DAY",
        };
        json.open_array();
        for (interval, number, window) in [
            ("SECOND", 10, self.orders_short),
            (long, 1, self.orders_long),
        ] {
            json.open();
            json.text("rateLimitType", b"ORDERS");
            json.text("interval", interval.as_bytes());
            json.integer("intervalNum", number);
            json.integer("limit", i64::from(window.limit));
            if counted {
                json.integer("count", i64::from(window.count));
            }
            json.close();
        }
        json.close_list();
    }

    /// `rateLimits` as exchangeInfo has it; with counts as answers of the WebSocket API.
    pub fn write(&self, json: &mut binance::encode::JsonText<'_>, counts: Option<Counts>) {
        let long = match self.market {
            Market::UsdM => "MINUTE",
            Market::Spot => "DAY",
        };
        let rows = [
            (
                "REQUEST_WEIGHT",
                "MINUTE",
                1,
                self.weight.limit,
                counts.map(|c| c.weight),
            ),
            (
                "ORDERS",
                "SECOND",
                10,
                self.orders_short.limit,
                counts.map(|c| c.orders_short),
            ),
            (
                "ORDERS",
                long,
                1,
                self.orders_long.limit,
                counts.map(|c| c.orders_long),
            ),
        ];
        json.open_list("rateLimits");
        for (kind, interval, number, limit, count) in rows {
            json.open();
            json.text("rateLimitType", kind.as_bytes());
            json.text("interval", interval.as_bytes());
            json.integer("intervalNum", number);
            json.integer("limit", i64::from(limit));
            if let Some(count) = count {
                json.integer("count", i64::from(count));
            }
            json.close();
        }
        json.close_list();
    }
}
