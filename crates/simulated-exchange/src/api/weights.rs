//! Request weight and order counts, as the headers and `rateLimits` tell them.
//!
//! In: calls with their weight. Out: counts in the running window, a refusal above the limit.
//! Never: a wait.

use std::collections::BTreeMap;

use market::{Liquidity, Market, UtcMs};
use matching::AccountId;

use super::error::ApiError;

/// Orders that the first fill of a resting one gives back (spot's FAQ of unfilled orders).
const MAKER_ORDERS: u32 = 5;

/// Requests to spot in five minutes.
const RAW_REQUESTS: u32 = 61_000;
/// Requests for fundings in five minutes.
const FUNDING_REQUESTS: u32 = 500;
/// So many requests behind a 429 in one minute are let go with another one.
const IGNORED_MAX: u32 = 100;
/// Length of a ban: the shortest that the exchange names.
const BAN_MS: i64 = 120_000;

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
#[derive(Clone, Debug)]
pub struct Weights {
    market: Market,
    weight: Window,
    /// Requests whatever they weigh; spot only.
    raw: Option<Window>,
    /// Requests for fundings; USD-M only.
    fundings: Window,
    /// Requests of this minute that were sent behind a 429.
    ignored: Window,
    banned_until: UtcMs,
    /// The order windows of an account that has sent none.
    fresh: OrderWindows,
    orders: BTreeMap<AccountId, OrderWindows>,
}

/// Order counts of one account.
#[derive(Clone, Copy, Debug)]
struct OrderWindows {
    short: Window,
    long: Window,
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
            raw: (market == Market::Spot).then(|| Window::new(300_000, RAW_REQUESTS)),
            fundings: Window::new(300_000, FUNDING_REQUESTS),
            ignored: Window::new(60_000, IGNORED_MAX),
            banned_until: UtcMs(0),
            fresh: OrderWindows {
                short: Window::new(10_000, short),
                long: Window::new(long_ms, long),
            },
            orders: BTreeMap::new(),
        }
    }

    /// Counts without an end, for tests under load: nobody is refused.
    #[must_use]
    pub fn without_limits(market: Market) -> Self {
        let mut weights = Self::new(market);
        let raw = weights.raw.iter_mut();
        raw.for_each(|window| window.limit = u32::MAX);
        for window in [
            &mut weights.weight,
            &mut weights.fundings,
            &mut weights.fresh.short,
            &mut weights.fresh.long,
        ] {
            window.limit = u32::MAX;
        }
        weights
    }

    /// Counts a call: its weight for everybody behind the address, its orders for the account.
    ///
    /// # Errors
    /// 429 above a limit.
    pub fn count(
        &mut self,
        now: UtcMs,
        account: AccountId,
        weight: u32,
        orders: u32,
    ) -> Result<Counts, ApiError> {
        self.check_ban(now)?;
        let fresh = self.fresh;
        let own = self.orders.entry(account).or_insert(fresh);
        let counts = Counts {
            weight: self.weight.add(now, weight),
            orders_short: own.short.add(now, orders),
            // A batch is one order to the longer window of futures.
            orders_long: own.long.add(
                now,
                match self.market {
                    Market::UsdM => orders.min(1),
                    Market::Spot => orders,
                },
            ),
        };
        let own = *own;
        if let Some(raw) = &mut self.raw
            && raw.add(now, 1) > raw.limit
        {
            let (limit, left_s) = (raw.limit, raw.left_s(now));
            return Err(self.refuse(now, &format!("{limit} requests per 5 MINUTE"), left_s));
        }
        if counts.weight > self.weight.limit {
            let (limit, left_s) = (self.weight.limit, self.weight.left_s(now));
            let what = format!("{limit} requests per minute");
            return Err(self.refuse(now, &what, left_s));
        }
        let over_short = counts.orders_short > own.short.limit;
        if orders > 0 && (over_short || counts.orders_long > own.long.limit) {
            let (window, interval) = match (over_short, self.market) {
                (true, _) => (own.short, "10 SECOND"),
                (false, Market::UsdM) => (own.long, "1 MINUTE"),
                (false, Market::Spot) => (own.long, "1 DAY"),
            };
            let limit = window.limit;
            let message =
                format!("Too many new orders; current limit is {limit} orders per {interval}.");
            let mut error = ApiError::new(-1015, message).with_status(429);
            error.retry_after = Some(window.left_s(now));
            return Err(error);
        }
        Ok(counts)
    }

    /// Counts a request for fundings, which have a limit of their own.
    ///
    /// # Errors
    /// 429 above it.
    pub fn count_funding(&mut self, now: UtcMs) -> Result<(), ApiError> {
        if self.fundings.add(now, 1) > self.fundings.limit {
            let (limit, left_s) = (self.fundings.limit, self.fundings.left_s(now));
            return Err(self.refuse(now, &format!("{limit} requests per 5 MINUTE"), left_s));
        }
        Ok(())
    }

    /// 429; who goes on all the same is banned.
    fn refuse(&mut self, now: UtcMs, limit: &str, left_s: u32) -> ApiError {
        if self.ignored.add(now, 1) > self.ignored.limit {
            self.banned_until = UtcMs(now.0 + BAN_MS);
        }
        let message = format!("Too many requests; current limit is {limit}.");
        ApiError::too_many_requests(&message, left_s)
    }

    /// 418 while the address is banned.
    fn check_ban(&self, now: UtcMs) -> Result<(), ApiError> {
        if now >= self.banned_until {
            return Ok(());
        }
        let message = format!(
            "Way too many requests; IP banned until {}. Please use the websocket for live updates \
             to avoid bans.",
            self.banned_until.0
        );
        let left_ms = self.banned_until.0 - now.0;
        let left_s = u32::try_from(left_ms / 1_000 + 1).unwrap_or(u32::MAX);
        Err(ApiError::too_many_requests(&message, left_s).with_status(418))
    }

    /// Spot counts unfilled orders: the first fill of one gives it back to its account, and of one
    /// that rested five.
    pub fn filled(&mut self, account: AccountId, liquidity: Liquidity) {
        let back = match liquidity {
            Liquidity::Taker => 1,
            Liquidity::Maker => MAKER_ORDERS,
        };
        if let Some(own) = self.orders.get_mut(&account) {
            own.short.count = own.short.count.saturating_sub(back);
            own.long.count = own.long.count.saturating_sub(back);
        }
    }

    /// The order limits as a list; with the counts of an account, as they are now.
    pub fn write_orders(
        &self,
        json: &mut binance::encode::JsonText<'_>,
        counted: Option<(AccountId, UtcMs)>,
    ) {
        let own = counted.map(|(account, now)| {
            let mut own = self.orders.get(&account).copied().unwrap_or(self.fresh);
            own.short.add(now, 0);
            own.long.add(now, 0);
            own
        });
        let windows = own.unwrap_or(self.fresh);
        let long = match self.market {
            Market::UsdM => "MINUTE",
            Market::Spot => "DAY",
        };
        json.open_array();
        for (interval, number, window) in [("SECOND", 10, windows.short), (long, 1, windows.long)] {
            json.open();
            json.text("rateLimitType", b"ORDERS");
            json.text("interval", interval.as_bytes());
            json.integer("intervalNum", number);
            json.integer("limit", i64::from(window.limit));
            if counted.is_some() {
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
                self.fresh.short.limit,
                counts.map(|c| c.orders_short),
            ),
            (
                "ORDERS",
                long,
                1,
                self.fresh.long.limit,
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
        if let Some(raw) = self.raw.filter(|_| counts.is_none()) {
            json.open();
            json.text("rateLimitType", b"RAW_REQUESTS");
            json.text("interval", b"MINUTE");
            json.integer("intervalNum", 5);
            json.integer("limit", i64::from(raw.limit));
            json.close();
        }
        json.close_list();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: UtcMs = UtcMs(120_000);
    const FIRST: AccountId = AccountId(0);

    #[test]
    fn who_ignores_the_limit_is_banned_for_two_minutes() {
        let mut weights = Weights::new(Market::UsdM);
        assert!(weights.count(NOW, FIRST, 2_400, 0).is_ok());
        for _ in 0..=IGNORED_MAX {
            let refused = weights.count(NOW, FIRST, 1, 0).expect_err("over");
            assert_eq!((refused.status, refused.retry_after), (429, Some(61)));
        }
        let banned = weights.count(NOW, FIRST, 1, 0).expect_err("banned");
        assert_eq!((banned.status, banned.code), (418, -1003));
        assert!(banned.message.contains("banned until 240000"), "{banned:?}");
        let later = UtcMs(NOW.0 + BAN_MS - 1);
        assert_eq!(
            weights.count(later, FIRST, 1, 0).map_err(|e| e.status),
            Err(418)
        );
        assert!(weights.count(UtcMs(NOW.0 + BAN_MS), FIRST, 1, 0).is_ok());
    }

    #[test]
    fn orders_count_for_their_account_and_weight_for_all() {
        let mut weights = Weights::new(Market::UsdM);
        for _ in 0..60 {
            weights.count(NOW, FIRST, 1, 5).expect("inside the limit");
        }
        let refused = weights.count(NOW, FIRST, 1, 1).expect_err("301 orders");
        assert_eq!((refused.status, refused.code), (429, -1015));
        assert!(refused.message.contains("300 orders per 10 SECOND"));
        let other = weights.count(NOW, AccountId(1), 1, 1).expect("its first");
        assert_eq!((other.orders_short, other.orders_long), (1, 1));
        assert_eq!(other.weight, 62);
    }

    #[test]
    fn a_batch_is_five_orders_to_the_short_window_and_one_to_the_long() {
        let mut weights = Weights::new(Market::UsdM);
        let counts = weights.count(NOW, FIRST, 5, 5).expect("inside the limit");
        assert_eq!((counts.orders_short, counts.orders_long), (5, 1));
        let mut spot = Weights::new(Market::Spot);
        let counts = spot.count(NOW, FIRST, 1, 3).expect("inside the limit");
        assert_eq!((counts.orders_short, counts.orders_long), (3, 3));
    }

    #[test]
    fn fills_on_spot_give_orders_back() {
        let mut spot = Weights::new(Market::Spot);
        for _ in 0..8 {
            spot.count(NOW, FIRST, 1, 1).expect("inside the limit");
        }
        spot.filled(FIRST, Liquidity::Taker);
        spot.filled(FIRST, Liquidity::Maker);
        let counts = spot.count(NOW, FIRST, 1, 1).expect("inside the limit");
        assert_eq!((counts.orders_short, counts.orders_long), (3, 3));
        spot.filled(FIRST, Liquidity::Maker);
        let counts = spot.count(NOW, FIRST, 1, 1).expect("inside the limit");
        assert_eq!(counts.orders_short, 1, "there is no credit");
    }

    #[test]
    fn fundings_have_a_limit_of_their_own() {
        let mut weights = Weights::new(Market::UsdM);
        for _ in 0..FUNDING_REQUESTS {
            weights.count_funding(NOW).expect("inside the limit");
        }
        assert_eq!(weights.count_funding(NOW).map_err(|e| e.code), Err(-1003));
        assert!(weights.count(NOW, FIRST, 1, 0).is_ok());
    }
}
