//! The same figures by strategy, symbol, day or hour.
//!
//! In: trades or fills, what to group by. Out: figures of each group, in the order of their keys;
//! their sums are the total's, exactly. Never: a group without a member.

use crate::day::{Day, hour_of};
use crate::fills::FillFigures;
use crate::input::{ClosedTrade, Fill};
use crate::trades::TradeFigures;
use core::fmt;
use market::{Market, Symbol, UtcNs};
use std::collections::BTreeMap;

/// What to group by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Grouping {
    /// Name of the strategy.
    Strategy,
    /// Market and symbol: the same symbol of two markets is two instruments.
    Symbol,
    /// Day of UTC: in which a trade was closed, a fill happened.
    Day,
    /// Hour of the day of UTC, 0 to 23, over all days.
    Hour,
}

/// A group's key.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Group {
    /// Name of the strategy.
    Strategy(String),
    /// Market and symbol.
    Symbol(Market, Symbol),
    /// Day of UTC.
    Day(Day),
    /// Hour of the day.
    Hour(u8),
}

/// Figures of trades by group.
#[must_use]
pub fn trades_by(by: Grouping, trades: &[ClosedTrade]) -> BTreeMap<Group, TradeFigures> {
    let key = |one: &ClosedTrade| by.key(&one.strategy, one.market, one.symbol, one.closed);
    grouped(trades, key, TradeFigures::of)
}

/// Figures of fills by group.
#[must_use]
pub fn fills_by(by: Grouping, fills: &[Fill]) -> BTreeMap<Group, FillFigures> {
    let key = |one: &Fill| by.key(&one.strategy, one.market, one.symbol, one.time);
    grouped(fills, key, FillFigures::of)
}

impl Grouping {
    /// Every grouping.
    pub const ALL: [Self; 4] = [Self::Strategy, Self::Symbol, Self::Day, Self::Hour];

    fn key(self, strategy: &str, market: Market, symbol: Symbol, time: UtcNs) -> Group {
        match self {
            Self::Strategy => Group::Strategy(strategy.to_string()),
            Self::Symbol => Group::Symbol(market, symbol),
            Self::Day => Group::Day(Day::of(time)),
            Self::Hour => Group::Hour(hour_of(time)),
        }
    }
}

/// `imbalance`, `usdm BTCUSDT`, `2026-11-27`, `07:00`.
impl fmt::Display for Group {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Strategy(name) => f.pad(name),
            Self::Symbol(market, symbol) => f.pad(&format!("{market} {symbol}")),
            Self::Day(day) => day.fmt(f),
            Self::Hour(hour) => f.pad(&format!("{hour:02}:00")),
        }
    }
}

fn grouped<'a, T, F>(
    items: &'a [T],
    key: impl Fn(&T) -> Group,
    figures: impl Fn(Vec<&'a T>) -> F,
) -> BTreeMap<Group, F> {
    let mut groups: BTreeMap<Group, Vec<&T>> = BTreeMap::new();
    for item in items {
        groups.entry(key(item)).or_default().push(item);
    }
    let each = groups.into_iter();
    each.map(|(group, items)| (group, figures(items))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_read_as_people_write_them() {
        let symbol = Symbol::new(b"BTCUSDT").unwrap();
        let seen = Grouping::ALL.map(|by| {
            let key = by.key(
                "imbalance",
                Market::Spot,
                symbol,
                UtcNs(8 * 3_600_000_000_000 - 1),
            );
            key.to_string()
        });
        assert_eq!(seen, ["imbalance", "spot BTCUSDT", "1970-01-01", "07:00"]);
    }
}
