//! Figures of executions: turnover, fees, slippage, markouts.
//!
//! In: fills, in any order. Out: exact sums, ratios, basis points weighted by value. Never: a fill
//! without a mid in a figure that needs one.
//!
//! With `p` the price of a fill, `q` its quantity and `s` +1 for buys and -1 for sells:
//! slippage is `s * (p - mid at decision) * q`, positive where it cost us (implementation shortfall:
//! A. Perold, "The Implementation Shortfall", 1988); a markout is `s * (mid afterwards - p) * q`,
//! positive where the market went our way (the realised spread of a maker: R. Huang and H. Stoll,
//! 1996, seen from our side). Each is rounded to 1e-8 for each fill, then summed exactly. A price or
//! mid that is not positive makes no figure.

use crate::input::{Fill, Horizon, Mid};
use crate::total::Total;
use market::units::round_div_saturating;
use market::{Liquidity, Money};

/// Basis points of one.
const BPS: f64 = 10_000.0;

/// What fills came to.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct FillFigures {
    /// How many.
    pub fills: u64,
    /// Of these, where our order rested.
    pub maker_fills: u64,
    /// Sum of their values: turnover, buys and sells alike.
    pub turnover: Total,
    /// The makers' part of it.
    pub maker_value: Total,
    /// Positive = paid.
    pub fees: Total,
    /// Against the mid at decision.
    pub slippage: Slippage,
    /// After each [`Horizon`], in its order.
    pub markouts: [Markout; 3],
}

/// What it cost not to trade at the mid of the decision.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Slippage {
    /// Fills that have the mid.
    pub fills: u64,
    /// Positive = it cost us.
    pub cost: Total,
    /// What these fills were worth at the mid.
    pub value_at_mid: Total,
}

/// What the market did after fills.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Markout {
    /// Fills that have the mid.
    pub fills: u64,
    /// Positive = the market went our way.
    pub gain: Total,
    /// What these fills were worth.
    pub value: Total,
}

impl FillFigures {
    /// The figures of `fills`.
    #[must_use]
    pub fn of<'a>(fills: impl IntoIterator<Item = &'a Fill>) -> Self {
        let mut figures = Self::default();
        for fill in fills {
            figures.add(fill);
        }
        figures
    }

    /// Fills where our order took.
    #[must_use]
    pub const fn taker_fills(&self) -> u64 {
        self.fills.saturating_sub(self.maker_fills)
    }

    /// Value made / value taken; 3 = three times as much made. None where nothing was taken.
    #[must_use]
    pub fn maker_taker_ratio(&self) -> Option<f64> {
        self.maker_value.ratio_to(self.turnover - self.maker_value)
    }

    /// Fees in basis points of turnover, positive = paid; none without turnover.
    #[must_use]
    pub fn fee_bps(&self) -> Option<f64> {
        Some(self.fees.ratio_to(self.turnover)? * BPS)
    }

    fn add(&mut self, fill: &Fill) {
        self.fills += 1;
        self.turnover += fill.value.into();
        self.fees += fill.fee.into();
        if fill.liquidity == Liquidity::Maker {
            self.maker_fills += 1;
            self.maker_value += fill.value.into();
        }
        self.slippage.add(fill);
        for (markout, mid) in self.markouts.iter_mut().zip(fill.mids_after) {
            markout.add(fill, mid);
        }
    }

    /// The markout after `horizon`.
    #[must_use]
    pub const fn markout(&self, horizon: Horizon) -> Markout {
        self.markouts[horizon as usize]
    }
}

impl Slippage {
    /// `cost / value at mid * 10,000`, positive = it cost us; none without a fill that has the mid.
    /// Each fill weighs by its value, so this is what the turnover paid.
    #[must_use]
    pub fn bps(&self) -> Option<f64> {
        Some(self.cost.ratio_to(self.value_at_mid)? * BPS)
    }

    /// Of a single fill.
    #[must_use]
    pub fn of(fill: &Fill) -> Self {
        let mut one = Self::default();
        one.add(fill);
        one
    }

    fn add(&mut self, fill: &Fill) {
        let Some(mid) = usable(fill, fill.mid_at_decision) else {
            return;
        };
        self.fills += 1;
        self.cost += -favourable(fill, mid);
        let scaled = i128::from(fill.value.0) * i128::from(mid.0);
        let at_mid = round_div_saturating(scaled, 2 * i128::from(fill.price.0));
        self.value_at_mid += Money(at_mid).into();
    }
}

impl Markout {
    /// `gain / value * 10,000`, positive = the market went our way; none without a fill that has the
    /// mid. Each fill weighs by its value.
    #[must_use]
    pub fn bps(&self) -> Option<f64> {
        Some(self.gain.ratio_to(self.value)? * BPS)
    }

    /// Of a single fill.
    #[must_use]
    pub fn of(fill: &Fill, horizon: Horizon) -> Self {
        let mut one = Self::default();
        one.add(fill, fill.mids_after[horizon as usize]);
        one
    }

    fn add(&mut self, fill: &Fill, mid: Option<Mid>) {
        let Some(mid) = usable(fill, mid) else {
            return;
        };
        self.fills += 1;
        self.gain += favourable(fill, mid);
        self.value += fill.value.into();
    }
}

/// A mid that prices can be compared with.
fn usable(fill: &Fill, mid: Option<Mid>) -> Option<Mid> {
    mid.filter(|mid| mid.0 > 0 && fill.price.0 > 0)
}

/// What the fill is worth more at `mid` than at its price, positive for us: `s * (mid - p) * q`,
/// from the value, which is `p * q`. In half ticks, as mids are.
fn favourable(fill: &Fill, mid: Mid) -> Total {
    let price = 2 * i128::from(fill.price.0);
    // At most 63 bits times 64: it fits.
    let scaled = i128::from(fill.value.0) * (i128::from(mid.0) - price);
    let gain: Total = Money(round_div_saturating(scaled, price)).into();
    if fill.side.sign() > 0 { gain } else { -gain }
}

#[cfg(test)]
mod tests {
    use super::*;
    use market::{Market, Price, Quantity, Side, Symbol, UtcNs};

    fn fill(side: Side, price: i64, value: i64, decided: Option<i64>) -> Fill {
        Fill {
            time: UtcNs(0),
            strategy: "imbalance".to_string(),
            market: Market::UsdM,
            symbol: Symbol::new(b"BTCUSDT").unwrap(),
            side,
            price: Price(price),
            quantity: Quantity(1),
            value: Money::from_whole(value),
            liquidity: Liquidity::Taker,
            fee: Money::from_whole(1),
            mid_at_decision: decided.map(Mid),
            mids_after: [Some(Mid(2 * price + 2)), None, Some(Mid(2 * price - 4))],
        }
    }

    #[test]
    fn slippage_is_positive_where_it_costs_on_both_sides() {
        // Bought at 1,001 with the mid at 1,000: 10 bps of it.
        let bought = fill(Side::Buy, 1_001, 1_001, Some(2_000));
        assert_eq!(Slippage::of(&bought).cost, Money::from_whole(1).into());
        assert_eq!(Slippage::of(&bought).bps(), Some(10.0));
        let sold = fill(Side::Sell, 1_001, 1_001, Some(2_000));
        assert_eq!(Slippage::of(&sold).bps(), Some(-10.0));
        // The mid of 1 and 2 ticks is a whole number of half ticks.
        assert_eq!(Mid::between(Price(1), Price(2)), Mid(3));
        let small = fill(Side::Buy, 2, 4, Some(3));
        assert_eq!(Slippage::of(&small).cost, Money::from_whole(1).into());
    }

    #[test]
    fn markouts_are_positive_where_the_market_went_our_way() {
        let bought = fill(Side::Buy, 1_000, 500, None);
        assert_eq!(Markout::of(&bought, Horizon::Ms100).bps(), Some(10.0));
        assert_eq!(
            Markout::of(&bought, Horizon::Ms100).gain,
            Money(50_000_000).into()
        );
        assert_eq!(Markout::of(&bought, Horizon::S1).bps(), None);
        assert_eq!(Markout::of(&bought, Horizon::S10).bps(), Some(-20.0));
        let sold = fill(Side::Sell, 1_000, 500, None);
        assert_eq!(
            Markout::of(&sold, Horizon::S10).gain,
            Money::from_whole(1).into()
        );
    }

    #[test]
    fn a_large_fill_weighs_more_than_a_small_one() {
        let fills = [
            fill(Side::Buy, 1_010, 3_030, Some(2_000)), // 30 of 3,000
            fill(Side::Buy, 1_000, 1_000, Some(2_000)), // 0 of 1,000
            fill(Side::Buy, 1_000, 9_000, None),
            fill(Side::Buy, 1_000, 9_000, Some(0)),
        ];
        let found = FillFigures::of(&fills);
        assert_eq!((found.fills, found.slippage.fills), (4, 2));
        assert_eq!(found.slippage.bps(), Some(75.0));
        let marked = Horizon::ALL.map(|horizon| found.markout(horizon).fills);
        assert_eq!(marked, [4, 0, 4]);
        assert_eq!(found.turnover, Money::from_whole(22_030).into());
    }

    #[test]
    fn the_smallest_price_and_mid_make_a_figure_and_nought_makes_none() {
        let smallest = fill(Side::Buy, 1, 10, Some(1));
        assert_eq!(Slippage::of(&smallest).bps(), Some(10_000.0));
        for (price, mid) in [(0, 1), (1, 0), (-1, 1), (1, -1)] {
            assert_eq!(
                Slippage::of(&fill(Side::Buy, price, 10, Some(mid))).fills,
                0
            );
        }
    }

    #[test]
    fn the_ratio_of_makers_to_takers_goes_by_value() {
        let mut maker = fill(Side::Buy, 10, 300, None);
        maker.liquidity = Liquidity::Maker;
        let fills = [maker.clone(), fill(Side::Sell, 10, 100, None)];
        let found = FillFigures::of(&fills);
        assert_eq!((found.maker_fills, found.taker_fills()), (1, 1));
        assert_eq!(found.maker_taker_ratio(), Some(3.0));
        assert_eq!(found.fee_bps(), Some(50.0));
        assert_eq!(FillFigures::of(&[maker]).maker_taker_ratio(), None);
    }
}
