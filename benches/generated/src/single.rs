//! Tickers and trades.
//!
//! In: a seed and a number of messages. Out: bare objects as the futures stream writes them.
//! Never: a price off the tick.

use crate::{Numbers, price_text, quantity_text};

/// `count` bare `bookTicker` objects.
#[must_use]
pub fn book_tickers(seed: u64, count: usize) -> Vec<Vec<u8>> {
    let mut numbers = Numbers::new(seed);
    let one = |index: usize| {
        let bid = 281_000 + numbers.below(1_000);
        format!(
            r#"{{"e":"bookTicker","u":{},"s":"BTCUSDT","b":"{}","B":"{}","a":"{}","A":"{}","T":{},"E":{}}}"#,
            2_710_000_000_000 + index,
            price_text(bid),
            quantity_text(1 + numbers.below(30_000)),
            price_text(bid + 1),
            quantity_text(1 + numbers.below(30_000)),
            1_680_653_000_000 + index,
            1_680_653_000_004 + index,
        )
        .into_bytes()
    };
    (0..count).map(one).collect()
}

/// `count` bare `trade` objects.
#[must_use]
pub fn trades(seed: u64, count: usize) -> Vec<Vec<u8>> {
    let mut numbers = Numbers::new(seed);
    let one = |index: usize| {
        format!(
            r#"{{"e":"trade","E":{},"T":{},"s":"BTCUSDT","t":{},"p":"{}","q":"{}","X":"MARKET","m":{}}}"#,
            1_680_653_000_004 + index,
            1_680_653_000_000 + index,
            3_541_000_000 + index,
            price_text(281_000 + numbers.below(1_000)),
            quantity_text(1 + numbers.below(3_000)),
            numbers.chance(50),
        )
        .into_bytes()
    };
    (0..count).map(one).collect()
}

/// `count` bare `aggTrade` objects.
#[must_use]
pub fn agg_trades(seed: u64, count: usize) -> Vec<Vec<u8>> {
    let mut numbers = Numbers::new(seed);
    let one = |index: usize| {
        format!(
            r#"{{"e":"aggTrade","E":{},"a":{},"s":"BTCUSDT","p":"{}","q":"{}","f":{},"l":{},"T":{},"m":{}}}"#,
            1_680_653_000_004 + index,
            1_541_000_000 + index,
            price_text(281_000 + numbers.below(1_000)),
            quantity_text(1 + numbers.below(3_000)),
            3_541_000_000 + index,
            3_541_000_001 + index,
            1_680_653_000_000 + index,
            numbers.chance(50),
        )
        .into_bytes()
    };
    (0..count).map(one).collect()
}
