//! The trades of the past that a symbol would have had: those that its made-up candles are of.
//!
//! In: a made-up minute. Out: as many trades as its candle counts, with its ids, from open over its
//! extremes to close, and with its volume of both sides. Never: a trade that is told differently
//! the next time, or one behind the start; those were real.

use market::{InstrumentId, Price, Quantity, Side, Trade, TradeId, UtcMs};

use super::line::MINUTE_MS;
use super::past::{Past, corners_of};

/// Which of them are asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Asked {
    /// The last ones that are not later than this.
    Until(i64),
    /// From this id on.
    From(u64),
    /// From one time to another, both included.
    Between(i64, i64),
}

impl Past {
    /// Up to `limit` trades before the start, oldest first.
    #[must_use]
    pub fn trades(&self, instrument: InstrumentId, asked: Asked, limit: usize) -> Vec<Trade> {
        let last_minute = (self.end_ms() - 1).div_euclid(MINUTE_MS) * MINUTE_MS;
        let minute_of = |time_ms: i64| time_ms.div_euclid(MINUTE_MS) * MINUTE_MS;
        let mut trades = Vec::new();
        match asked {
            Asked::Until(until_ms) => {
                let mut minute = minute_of(until_ms).min(last_minute);
                while minute >= self.first_ms() && trades.len() < limit {
                    let before = self.trades_of(instrument, minute);
                    let before = before.into_iter().rev();
                    trades.extend(before.filter(|one| one.transaction_time.0 <= until_ms));
                    minute -= MINUTE_MS;
                }
                trades.truncate(limit);
                trades.reverse();
            }
            Asked::From(id) => {
                let mut minute = self.minute_of_trade(id, last_minute);
                while minute <= last_minute && trades.len() < limit {
                    let here = self.trades_of(instrument, minute).into_iter();
                    trades.extend(here.filter(|one| one.trade_id.0 >= id));
                    minute += MINUTE_MS;
                }
                trades.truncate(limit);
            }
            Asked::Between(from_ms, until_ms) => {
                let mut minute = minute_of(from_ms).max(self.first_ms());
                while minute <= last_minute.min(until_ms) && trades.len() < limit {
                    let within =
                        |one: &Trade| (from_ms..=until_ms).contains(&one.transaction_time.0);
                    let here = self.trades_of(instrument, minute).into_iter();
                    trades.extend(here.filter(within));
                    minute += MINUTE_MS;
                }
                trades.truncate(limit);
            }
        }
        trades
    }

    /// The first minute that could hold a trade of this id.
    fn minute_of_trade(&self, id: u64, last_minute: i64) -> i64 {
        let (mut low, mut high) = (0, (last_minute - self.first_ms()) / MINUTE_MS);
        // Ids never fall from one minute to the next.
        while low < high {
            let middle = low + (high - low) / 2;
            let candle = self.minute(self.first_ms() + middle * MINUTE_MS);
            let is_before = candle.trades == 0 || candle.last_trade.unsigned_abs() < id;
            if is_before {
                low = middle + 1;
            } else {
                high = middle;
            }
        }
        self.first_ms() + low * MINUTE_MS
    }

    /// The trades of one minute.
    fn trades_of(&self, instrument: InstrumentId, open_ms: i64) -> Vec<Trade> {
        let candle = self.minute(open_ms);
        let count = candle.trades;
        if count <= 0 || candle.first_trade <= 0 {
            return Vec::new();
        }
        let part_ms = (open_ms + MINUTE_MS).min(self.end_ms()) - open_ms;
        // As many buys as their share of the volume, and no trade of nothing.
        let buys = (candle.taker_lots * count / candle.lots.max(1)).clamp(0, count);
        let buys = buys.min(candle.taker_lots);
        let sells = count - buys;
        let corners = corners_of(&candle);
        let (mut bought, mut sold) = (0, 0);
        let trades = (0..count).map(|number| {
            let is_buy = (number + 1) * buys / count > number * buys / count;
            let (aggressor, lots) = if is_buy {
                bought += 1;
                (Side::Buy, part(candle.taker_lots, bought, buys))
            } else {
                sold += 1;
                let rest = candle.lots - candle.taker_lots;
                (Side::Sell, part(rest, sold, sells))
            };
            let time = UtcMs(open_ms + part_ms * number / count);
            Trade {
                instrument,
                trade_id: TradeId((candle.first_trade + number).unsigned_abs()),
                price: Price(on_way(corners, number, count)),
                quantity: Quantity(lots),
                aggressor,
                from_book: true,
                transaction_time: time,
                event_time: time,
            }
        });
        trades.collect()
    }
}

/// The `number`th of `count` parts of a whole; all of them together are the whole.
fn part(whole: i64, number: i64, count: i64) -> i64 {
    whole * number / count - whole * (number - 1) / count
}

/// The price of a trade on the way from the first corner over the others to the last; the corners
/// themselves are traded where there are as many trades as corners.
fn on_way(corners: [i64; 4], number: i64, count: i64) -> i64 {
    let last = (count - 1).max(1);
    let at = [0, last / 3, 2 * last / 3, last];
    let leg = (0..3).find(|leg| number <= at[leg + 1]).unwrap_or(2);
    let (from, to) = (at[leg], at[leg + 1]);
    if to == from {
        return corners[leg + 1];
    }
    let way = corners[leg + 1] - corners[leg];
    corners[leg] + way * (number - from) / (to - from)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tape::past::Pace;
    use market::{Filters, Instrument, InstrumentStatus, Market, Step, Symbol};

    fn past() -> Past {
        let instrument = Instrument {
            id: InstrumentId(0),
            market: Market::UsdM,
            symbol: Symbol::new(b"BTCUSDT").expect("short"),
            tick: Step::from_text(b"0.10").expect("a step"),
            lot: Step::from_text(b"0.001").expect("a step"),
            price_decimals: 2,
            quantity_decimals: 3,
            status: InstrumentStatus::Trading,
            filters: Filters::NONE,
        };
        let pace = Pace {
            lots_per_minute: 5_000,
            trades_per_minute: 300,
            first_trade_id: 1_000_000_000,
        };
        // Half a minute is made up in the last one.
        Past::new(&instrument, Price(640_000), pace, UtcMs(1_700_000_010_000))
    }

    #[test]
    fn the_trades_of_a_minute_are_those_of_its_candle() {
        let past = past();
        for back in 0..200 {
            let open = (past.end_ms() - 1).div_euclid(MINUTE_MS) * MINUTE_MS - back * MINUTE_MS;
            let candle = past.minute(open);
            let trades = past.trades_of(InstrumentId(0), open);
            assert_eq!(trades.len() as i64, candle.trades);
            let (Some(first), Some(last)) = (trades.first(), trades.last()) else {
                continue;
            };
            assert_eq!(first.trade_id.0 as i64, candle.first_trade);
            assert_eq!(last.trade_id.0 as i64, candle.last_trade);
            assert_eq!((first.price.0, last.price.0), (candle.open, candle.close));
            let prices = || trades.iter().map(|one| one.price.0);
            assert_eq!(prices().max(), Some(candle.high));
            assert_eq!(prices().min(), Some(candle.low));
            let lots: i64 = trades.iter().map(|one| one.quantity.0).sum();
            assert_eq!(lots, candle.lots);
            let buys = trades.iter().filter(|one| one.aggressor == Side::Buy);
            assert_eq!(
                buys.map(|one| one.quantity.0).sum::<i64>(),
                candle.taker_lots
            );
            assert!(trades.iter().all(|one| one.quantity.0 > 0));
            let end = (open + MINUTE_MS).min(past.end_ms());
            assert!(first.transaction_time.0 >= open && last.transaction_time.0 < end);
        }
    }

    #[test]
    fn one_trade_is_found_by_id_by_time_and_as_the_last() {
        let past = past();
        let newest = past.trades(InstrumentId(0), Asked::Until(i64::MAX), 1_000);
        assert_eq!(newest.len(), 1_000);
        assert_eq!(newest[999].trade_id.0, 999_999_999);
        for (one, next) in newest.iter().zip(&newest[1..]) {
            assert_eq!(one.trade_id.0 + 1, next.trade_id.0);
            assert!(one.transaction_time <= next.transaction_time);
        }
        let from = past.trades(InstrumentId(0), Asked::From(newest[100].trade_id.0), 900);
        assert_eq!(from, newest[100..]);
        let (start, end) = (
            newest[300].transaction_time.0,
            newest[400].transaction_time.0,
        );
        let between = past.trades(InstrumentId(0), Asked::Between(start, end), 1_000);
        assert_eq!(between, newest[300..=400]);
        let until = past.trades(InstrumentId(0), Asked::Until(end), 50);
        assert_eq!(until, newest[351..=400]);
        // Long before the past begins it begins where it does.
        let oldest = past.trades(InstrumentId(0), Asked::From(1), 3);
        assert_eq!(oldest.len(), 3);
        assert!(oldest[0].transaction_time.0 >= past.first_ms());
        assert!(
            past.trades(InstrumentId(0), Asked::From(1_000_000_000), 3)
                .is_empty()
        );
    }
}
