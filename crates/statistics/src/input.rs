//! What the figures are made of, as plain values.
//!
//! In: what a ledger, a backtest or a study knows. Out: closed trades, fills, equity samples, flows,
//! counts of orders. Never: a check that refuses; every value is taken as it is.

pub use market::Mid;
use market::units::{ONE, round_div_saturating};
use market::{ExitReason, Liquidity, Market, Money, Price, Quantity, Rate, Side, Symbol, UtcNs};

use crate::total::Total;

/// A position from flat to flat.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClosedTrade {
    /// Name of the strategy.
    pub strategy: String,
    /// Where.
    pub market: Market,
    /// What.
    pub symbol: Symbol,
    /// Side of the entry.
    pub side: Side,
    /// Largest size held, in lots of its instrument.
    pub quantity: Quantity,
    /// What the entries were worth: the sum of their price times quantity. Positive.
    pub entry_value: Money,
    /// Average price of the entries: quote asset for one whole unit of the base asset.
    pub entry_price: Money,
    /// Average price of the exits, likewise.
    pub exit_price: Money,
    /// When it was opened.
    pub opened: UtcNs,
    /// When it was closed; groups by day and hour go by this moment, in which profit is realised.
    pub closed: UtcNs,
    /// Why it ended.
    pub exit_reason: ExitReason,
    /// Profit before fees and funding.
    pub gross: Money,
    /// Fees of all its fills, positive = paid.
    pub fees: Money,
    /// Funding while it was held, positive = received.
    pub funding: Money,
}

impl ClosedTrade {
    /// What it moved the wallet by: profit less fees, with funding.
    #[must_use]
    pub fn net(&self) -> Total {
        Total::from(self.gross) - self.fees.into() + self.funding.into()
    }

    /// Time held; 0 where it was closed before it was opened.
    #[must_use]
    pub const fn held_ns(&self) -> u64 {
        if self.closed.0 > self.opened.0 {
            self.closed.0.abs_diff(self.opened.0)
        } else {
            0
        }
    }

    /// What the exits were worth: the entry's value at the exit's average price. The entry's value
    /// itself where a price is not positive.
    #[must_use]
    pub const fn exit_value(&self) -> Money {
        if self.entry_price.0 <= 0 || self.exit_price.0 <= 0 {
            return self.entry_value;
        }
        let scaled = self.entry_value.0 as i128 * self.exit_price.0 as i128;
        Money(round_div_saturating(scaled, self.entry_price.0 as i128))
    }
}

/// How long after a fill the market is looked at again.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Horizon {
    /// 100 ms.
    Ms100,
    /// 1 s.
    S1,
    /// 10 s.
    S10,
}

impl Horizon {
    /// Every horizon, the shortest first: the order of [`Fill::mids_after`].
    pub const ALL: [Self; 3] = [Self::Ms100, Self::S1, Self::S10];

    /// How long it is.
    #[must_use]
    pub const fn ns(self) -> u64 {
        match self {
            Self::Ms100 => 100_000_000,
            Self::S1 => 1_000_000_000,
            Self::S10 => 10_000_000_000,
        }
    }
}

/// An execution.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fill {
    /// When.
    pub time: UtcNs,
    /// Name of the strategy whose order it was.
    pub strategy: String,
    /// Where.
    pub market: Market,
    /// What.
    pub symbol: Symbol,
    /// Side of the order.
    pub side: Side,
    /// Price, in ticks of its instrument.
    pub price: Price,
    /// Quantity, in lots of its instrument.
    pub quantity: Quantity,
    /// Price times quantity, positive.
    pub value: Money,
    /// Whether our order rested.
    pub liquidity: Liquidity,
    /// Positive = paid.
    pub fee: Money,
    /// The mid when the order was decided, where it is known.
    pub mid_at_decision: Option<Mid>,
    /// The mid after each [`Horizon`], where it is known.
    pub mids_after: [Option<Mid>; 3],
}

/// What an account was worth, unrealised profit included.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct EquitySample {
    /// When. Flows of this very moment are in the value already.
    pub time: UtcNs,
    /// Worth in the quote asset.
    pub equity: Money,
}

/// Money that came from outside or went there.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Flow {
    /// When.
    pub time: UtcNs,
    /// Positive = deposited, negative = withdrawn.
    pub amount: Money,
}

/// Orders that were to rest.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct MakerOrders {
    /// Accepted by the exchange as resting orders.
    pub posted: u64,
    /// Of these, the ones that filled at least in part.
    pub filled: u64,
}

impl MakerOrders {
    /// Filled / posted, 0 to 1; none without a posted order.
    #[must_use]
    pub fn fill_ratio(self) -> Option<f64> {
        share(self.filled, self.posted)
    }
}

/// `part / whole`, at most 1; none of nothing.
pub(crate) fn share(part: u64, whole: u64) -> Option<f64> {
    (whole > 0).then(|| part.min(whole) as f64 / whole as f64)
}

/// A rate as a plain number: its units of 1e-8 divided once, so that 0.8 is the float that is
/// nearest to it and compares as equal to 4 / 5.
pub(crate) fn plain(rate: Rate) -> f64 {
    rate.0 as f64 / ONE as f64
}

/// `value` where it is a number.
pub(crate) fn number(value: f64) -> Option<f64> {
    value.is_finite().then_some(value)
}
