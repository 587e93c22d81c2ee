//! One position in ticks and lots.
//!
//! In: fills. Out: cost, realised profit, the trade that a fill closed. Never: rounding that does
//! not come out again: what one reduction rounds away, the last one gives back.

use market::units::round_div;
use market::{Money, MonoNs, Price, Quantity, Side, wire_struct};

wire_struct! {
    /// A position with its history since start.
    #[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
    pub struct Position {
        /// Signed lots.
        pub quantity: Quantity,
        /// Price times quantity of what is held, in ticks times lots, signed like the quantity.
        pub cost_tick_lots: i128,
        /// Realised since start, in ticks times lots, before fees.
        pub realized_tick_lots: i128,
        /// Fees since start, positive = paid.
        pub fees: Money,
        /// When the present trade began.
        pub opened_at: MonoNs,
        /// Realised before the present trade began.
        pub realized_before: i128,
        /// Fees before the present trade began.
        pub fees_before: Money,
        /// Largest size of the present trade.
        pub peak: Quantity,
        /// Lots that the entries of the present trade added.
        pub entered: Quantity,
        /// Sum of price times quantity of them, in ticks times lots; positive.
        pub entry_tick_lots: i128,
        /// Fees taken off the quantity and not yet counted in whole lots, in 1e-8 of the base
        /// asset; negative once a whole lot was taken for a part of one.
        pub fee_in_kind_e8: i64,
        /// Closed trades that won after fees.
        pub trades_won: u64,
        /// Closed trades.
        pub trades_closed: u64,
    }
}

/// A trade from flat to flat.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ClosedTrade {
    /// Side of the entry.
    pub side: Side,
    /// Largest size held.
    pub peak: Quantity,
    /// Lots that its entries added.
    pub lots: Quantity,
    /// Sum of price times quantity of them, in ticks times lots; positive.
    pub entry_tick_lots: i128,
    /// Realised in ticks times lots, before fees.
    pub realized_tick_lots: i128,
    /// Fees of all its fills.
    pub fees: Money,
    /// Time held.
    pub held_ns: u64,
}

impl ClosedTrade {
    /// Sum of price times quantity of the exits: what the entries cost, with what was realised.
    #[must_use]
    pub fn exit_tick_lots(&self) -> i128 {
        self.entry_tick_lots + self.realized_tick_lots * i128::from(self.side.sign())
    }
}

/// What a fill did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct FillEffect {
    /// Realised by this fill in ticks times lots, before fees.
    pub realized_tick_lots: i128,
    /// The trade that it closed, if one.
    pub closed: Option<ClosedTrade>,
    /// It opened a trade.
    pub opened: bool,
}

impl Position {
    /// Applies a fill of `quantity` lots (positive) at `price`; `fee` positive = paid.
    pub fn apply(
        &mut self,
        side: Side,
        price: Price,
        quantity: Quantity,
        fee: Money,
        now: MonoNs,
    ) -> FillEffect {
        assert!(quantity.0 > 0, "a fill has a quantity");
        let opposing = self.quantity.0.signum() == -side.sign();
        if !opposing {
            let opened = self.is_flat();
            self.increase(side, price, quantity, fee, now);
            return FillEffect {
                opened,
                ..FillEffect::default()
            };
        }
        let closing = Quantity(quantity.0.min(self.quantity.magnitude().0));
        let opening = quantity - closing;
        let share = i128::from(fee.0) * i128::from(closing.0);
        let closing_fee = Money(round_div(share, i128::from(quantity.0)));
        let mut effect = self.reduce(side, price, closing, closing_fee, now);
        if opening.0 > 0 {
            effect.opened = true;
            self.increase(side, price, opening, fee - closing_fee, now);
        }
        effect
    }

    fn increase(&mut self, side: Side, price: Price, lots: Quantity, fee: Money, now: MonoNs) {
        if self.is_flat() {
            self.opened_at = now;
            self.realized_before = self.realized_tick_lots;
            self.fees_before = self.fees;
            self.peak = Quantity::ZERO;
            self.entered = Quantity::ZERO;
            self.entry_tick_lots = 0;
        }
        self.entered += lots;
        self.entry_tick_lots += i128::from(price.0) * i128::from(lots.0);
        let signed = side.sign() * lots.0;
        self.quantity += Quantity(signed);
        self.cost_tick_lots += i128::from(price.0) * i128::from(signed);
        self.fees += fee;
        self.peak = self.peak.max(self.quantity.magnitude());
    }

    fn reduce(
        &mut self,
        side: Side,
        price: Price,
        lots: Quantity,
        fee: Money,
        now: MonoNs,
    ) -> FillEffect {
        let entry_side = side.opposite();
        let held = i128::from(self.quantity.magnitude().0);
        // The share of the cost that goes; all of it with the last lot, so nothing is lost.
        let cost_share = self.cost_tick_lots * i128::from(lots.0) / held;
        let proceeds = i128::from(price.0) * i128::from(lots.0) * i128::from(entry_side.sign());
        let realized_tick_lots = proceeds - cost_share;
        self.quantity += Quantity(side.sign() * lots.0);
        self.cost_tick_lots -= cost_share;
        self.realized_tick_lots += realized_tick_lots;
        self.fees += fee;
        let closed = self.is_flat().then(|| ClosedTrade {
            side: entry_side,
            peak: self.peak,
            lots: self.entered,
            entry_tick_lots: self.entry_tick_lots,
            realized_tick_lots: self.realized_tick_lots - self.realized_before,
            fees: self.fees - self.fees_before,
            held_ns: now.since(self.opened_at),
        });
        FillEffect {
            realized_tick_lots,
            closed,
            opened: false,
        }
    }

    /// Takes a fee off what is held, in whole lots of `lot_e8`, as if they were sold at `price`.
    /// Their value is in the fill's fee already; what is left of a lot is dust.
    pub fn pay_in_kind(&mut self, fee_e8: i64, lot_e8: i64, price: Price) {
        let owed = self.fee_in_kind_e8.saturating_add(fee_e8);
        let held = self.quantity.0.max(0);
        let lots = (owed.max(0) as u64).div_ceil(lot_e8.max(1) as u64) as i64;
        let lots = lots.min(held);
        self.fee_in_kind_e8 = owed.saturating_sub(lots.saturating_mul(lot_e8));
        if lots > 0 {
            let share = self.cost_tick_lots * i128::from(lots) / i128::from(held);
            self.quantity.0 -= lots;
            self.cost_tick_lots -= share;
            self.realized_tick_lots += i128::from(price.0) * i128::from(lots) - share;
        }
    }

    /// Takes over a position that was made elsewhere; realised profit and fees stay.
    pub fn adopt(&mut self, quantity: Quantity, cost_tick_lots: i128, now: MonoNs) {
        self.quantity = quantity;
        self.cost_tick_lots = if quantity.is_zero() {
            0
        } else {
            cost_tick_lots
        };
        self.opened_at = now;
        self.realized_before = self.realized_tick_lots;
        self.fees_before = self.fees;
        self.peak = quantity.magnitude();
        self.entered = quantity.magnitude();
        self.entry_tick_lots = self.cost_tick_lots.abs();
    }

    /// Counts a closed trade; `won` by its profit after fees.
    pub fn count_trade(&mut self, won: bool) {
        self.trades_closed += 1;
        self.trades_won += u64::from(won);
    }

    /// Profit of what is held at `price`, in ticks times lots.
    #[must_use]
    pub fn unrealized_tick_lots(&self, price: Price) -> i128 {
        i128::from(price.0) * i128::from(self.quantity.0) - self.cost_tick_lots
    }

    /// True without a position.
    #[must_use]
    pub const fn is_flat(&self) -> bool {
        self.quantity.0 == 0
    }

    /// The side whose orders reduce the position; `Sell` while flat.
    #[must_use]
    pub const fn closing_side(&self) -> Side {
        if self.quantity.0 < 0 {
            Side::Buy
        } else {
            Side::Sell
        }
    }
}
