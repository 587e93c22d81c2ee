//! Leverage brackets: what a notional needs as maintenance, how far a leverage reaches.
//!
//! In: a notional, a leverage. Out: the bracket, its maintenance margin, the largest notional.
//! Never: a rate that falls as the notional grows; the sum `cum` keeps the margin continuous.
//!
//! The built-in tables have the form of the exchange's `leverageBracket` and its sizes of 2026;
//! an exchange changes its own at any time, so a test of a client may rely on the form only.

use market::{Money, Rate};

/// One bracket (binance.md 1.4 `leverageBracket`, section 6).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Bracket {
    /// Notionals above this belong to it.
    pub floor: Money,
    /// Up to this.
    pub cap: Money,
    /// Highest leverage at such a notional.
    pub leverage: u32,
    /// Maintenance margin rate.
    pub rate: Rate,
    /// What is taken off `notional x rate`.
    pub cumulative: Money,
}

/// The brackets of one instrument, smallest notional first.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Brackets(Vec<Bracket>);

/// Cap in whole quote units, leverage, maintenance rate in 1e-8.
type Row = (i64, u32, i64);

const LARGE: &[Row] = &[
    (300_000, 125, 400_000),
    (800_000, 100, 500_000),
    (3_000_000, 75, 650_000),
    (12_000_000, 50, 1_000_000),
    (70_000_000, 25, 2_000_000),
    (100_000_000, 20, 2_500_000),
    (230_000_000, 10, 5_000_000),
    (480_000_000, 5, 10_000_000),
    (600_000_000, 4, 12_500_000),
    (800_000_000, 3, 15_000_000),
    (1_200_000_000, 2, 25_000_000),
    (1_800_000_000, 1, 50_000_000),
];

const MIDDLE: &[Row] = &[
    (10_000, 75, 500_000),
    (50_000, 50, 1_000_000),
    (400_000, 40, 1_500_000),
    (1_000_000, 25, 2_000_000),
    (4_000_000, 20, 2_500_000),
    (8_000_000, 10, 5_000_000),
    (20_000_000, 5, 10_000_000),
    (40_000_000, 4, 12_500_000),
    (60_000_000, 2, 25_000_000),
    (100_000_000, 1, 50_000_000),
];

impl Brackets {
    /// Brackets from caps in whole quote units, highest leverages and maintenance rates.
    ///
    /// # Panics
    /// When there is none, or caps and rates do not rise: the table is a constant or a test's.
    #[must_use]
    pub fn new(rows: &[(i64, u32, Rate)]) -> Self {
        assert!(!rows.is_empty());
        let mut brackets: Vec<Bracket> = Vec::with_capacity(rows.len());
        for (cap, leverage, rate) in rows {
            let (floor, before, sum) = brackets
                .last()
                .map_or((Money::ZERO, Rate(0), Money::ZERO), |last: &Bracket| {
                    (last.cap, last.rate, last.cumulative)
                });
            let cap = Money::from_whole(*cap);
            assert!(cap > floor && (*rate > before || brackets.is_empty()));
            // The first bracket begins at nothing, so that its sum is 0 by the same formula.
            let cumulative = floor.times(Rate(rate.0 - before.0)) + sum;
            brackets.push(Bracket {
                floor,
                cap,
                leverage: *leverage,
                rate: *rate,
                cumulative,
            });
        }
        Self(brackets)
    }

    /// The built-in table of a symbol.
    #[must_use]
    pub fn of(symbol: &str) -> Self {
        let table = match symbol {
            "BTCUSDT" | "ETHUSDT" => LARGE,
            _ => MIDDLE,
        };
        let rows: Vec<_> = table
            .iter()
            .map(|(cap, leverage, rate)| (*cap, *leverage, Rate(*rate)))
            .collect();
        Self::new(&rows)
    }

    /// All of them, smallest notional first.
    #[must_use]
    pub fn rows(&self) -> &[Bracket] {
        &self.0
    }

    /// The bracket of a notional, whatever its sign; the last one above all caps.
    #[must_use]
    pub fn at(&self, notional: Money) -> &Bracket {
        let size = Money(notional.0.saturating_abs());
        let found = self.0.iter().find(|bracket| size <= bracket.cap);
        found.unwrap_or_else(|| self.0.last().expect("at least one"))
    }

    /// `notional x rate - cumulative` of its bracket.
    #[must_use]
    pub fn maintenance(&self, notional: Money) -> Money {
        let bracket = self.at(notional);
        let size = Money(notional.0.saturating_abs());
        size.times(bracket.rate) - bracket.cumulative
    }

    /// Highest leverage of all.
    #[must_use]
    pub fn leverage_max(&self) -> u32 {
        self.0[0].leverage
    }

    /// Largest notional at a leverage.
    #[must_use]
    pub fn notional_max(&self, leverage: u32) -> Money {
        let reached = self.0.iter().rev().find(|one| one.leverage >= leverage);
        reached.map_or(Money::ZERO, |bracket| bracket.cap)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn maintenance_is_continuous_where_brackets_meet() {
        for symbol in ["BTCUSDT", "XRPUSDT"] {
            let brackets = Brackets::of(symbol);
            assert_eq!(brackets.rows()[0].cumulative, Money::ZERO);
            for pair in brackets.rows().windows(2) {
                let at = pair[0].cap;
                let below = brackets.maintenance(at);
                let above = at.times(pair[1].rate) - pair[1].cumulative;
                assert_eq!(below, above, "{symbol} at {at:?}");
            }
        }
    }

    #[test]
    fn a_bracket_is_found_by_size_and_a_leverage_reaches_so_far() {
        let brackets = Brackets::of("BTCUSDT");
        // (notional, leverage, cumulative), as the formula gives them by hand.
        let cases = [
            (300_000, 125, 0),
            (300_001, 100, 300),
            (-800_001, 75, 1_500),
        ];
        for (notional, leverage, cumulative) in cases {
            let bracket = brackets.at(Money::from_whole(notional));
            assert_eq!(bracket.leverage, leverage);
            assert_eq!(bracket.cumulative, Money::from_whole(cumulative));
        }
        assert_eq!(brackets.leverage_max(), 125);
        // (leverage, largest notional)
        for (leverage, most) in [
            (125, 300_000),
            (101, 300_000),
            (100, 800_000),
            (20, 100_000_000),
        ] {
            assert_eq!(brackets.notional_max(leverage), Money::from_whole(most));
        }
        assert_eq!(brackets.notional_max(126), Money::ZERO);
    }
}
