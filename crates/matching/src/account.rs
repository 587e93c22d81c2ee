//! The account: wallet, positions in one-way and hedge mode, fees.
//!
//! In: fills. Out: realised profit, wallet, entry prices, what is set aside for isolated
//! positions, exact to 1e-8 of the quote asset. Never: a float, a rounding that makes money.

use market::units::round_div;
use market::{Instrument, Liquidity, Money, Price, Quantity, Rate, Side, UtcMs};
use serde::{Deserialize, Serialize};

use crate::order::PositionSide;
use crate::spot::SpotBalances;

/// Fee rates.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Fees {
    /// For resting orders.
    pub maker: Rate,
    /// For aggressing orders.
    pub taker: Rate,
}

impl Fees {
    /// 0.02 % and 0.05 %: the first tier of USDT-margined pairs (binance.md 6).
    pub const FIRST_TIER: Self = Self {
        maker: Rate(20_000),
        taker: Rate(50_000),
    };

    /// The rate for a liquidity.
    #[must_use]
    pub fn rate(self, liquidity: Liquidity) -> Rate {
        match liquidity {
            Liquidity::Maker => self.maker,
            Liquidity::Taker => self.taker,
        }
    }
}

/// Fees that are paid in BNB from a balance of their own, a tenth cheaper (binance.md 6).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct BnbFees {
    /// What is left of it, in units of 1e-8 BNB.
    pub balance: Money,
    /// Quote units for one BNB.
    pub price: Money,
}

/// A fee in BNB costs this share of one in the quote asset.
const BNB_SHARE: Rate = Rate(90_000_000);

/// How an instrument is margined.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum MarginType {
    /// By the whole wallet.
    #[default]
    Cross,
    /// By what is set aside for it.
    Isolated,
}

/// One leg of a position: the only one, or the long or the short one of the hedge mode.
///
/// `cost` is what the open lots cost, exact to 1e-8 and positive on both sides. A reduction takes
/// its share out of it, so that from flat to flat the realised sum equals the cash flow to the
/// last unit.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Position {
    /// Signed lots.
    pub quantity: Quantity,
    /// What the open lots cost.
    pub cost: Money,
    /// Realised since the start, before fees.
    pub realized: Money,
    /// Fees less realised profit since it was flat: what it must still earn to break even.
    pub carried: Money,
    /// Set aside from the wallet for it; nothing under cross margin.
    pub isolated: Money,
    /// When it last changed.
    pub updated: UtcMs,
}

impl Position {
    /// Applies a fill and returns what it realised (before fees).
    pub fn apply(
        &mut self,
        instrument: &Instrument,
        side: Side,
        price: Price,
        quantity: Quantity,
    ) -> Money {
        let signed = side.sign() * quantity.0;
        let open = self.quantity.0;
        if open == 0 || open.signum() == signed.signum() {
            self.cost += instrument.notional(price, quantity);
            self.quantity.0 += signed;
            return Money::ZERO;
        }
        let closed = quantity.0.min(open.abs());
        let cost_closed = Money(share(self.cost.0, closed, open.abs()));
        let value = instrument.notional(price, Quantity(closed));
        let realized = Money((value - cost_closed).0 * open.signum());
        self.cost -= cost_closed;
        // What is set aside goes back to the wallet with the lots that it was for.
        self.isolated -= Money(share(self.isolated.0, closed, open.abs()));
        self.quantity.0 += signed.signum() * closed;
        self.realized += realized;
        self.carried -= realized;
        if self.quantity.is_zero() {
            self.carried = Money::ZERO;
        }
        let opened = quantity.0 - closed;
        if opened > 0 {
            self.quantity.0 += signed.signum() * opened;
            self.cost += instrument.notional(price, Quantity(opened));
        }
        realized
    }

    /// The price at which a close would leave nothing won or lost, times 1e8; 0 when flat.
    #[must_use]
    pub fn break_even_e8(&self, instrument: &Instrument) -> i64 {
        let direction = i128::from(self.quantity.0.signum());
        let money = i128::from(self.cost.0) + direction * i128::from(self.carried.0);
        price_e8(instrument, money, self.quantity)
    }

    /// Average entry price times 1e8, in quote units per base unit; 0 when flat.
    #[must_use]
    pub fn entry_price_e8(&self, instrument: &Instrument) -> i64 {
        price_e8(instrument, i128::from(self.cost.0), self.quantity)
    }

    /// Profit if the position were closed at `mark`.
    #[must_use]
    pub fn unrealized(&self, instrument: &Instrument, mark: Price) -> Money {
        let value = instrument.notional(mark, self.quantity.magnitude());
        Money((value - self.cost).0 * self.quantity.0.signum())
    }
}

/// `money_e8` per base unit for `quantity` lots, times 1e8, rounded half away from zero.
#[must_use]
pub fn price_e8(instrument: &Instrument, money_e8: i128, quantity: Quantity) -> i64 {
    let lots = i128::from(quantity.0.abs());
    if lots == 0 {
        return 0;
    }
    let scale = 10i128.pow(u32::from(instrument.lot.decimals));
    round_div(money_e8 * scale, lots * i128::from(instrument.lot.mantissa))
}

fn share(of: i64, part: i64, whole: i64) -> i64 {
    round_div(i128::from(of) * i128::from(part), i128::from(whole))
}

/// What a fill did to an account.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Booked {
    pub(crate) realized: Money,
    pub(crate) commission: Money,
    /// The commission was paid in BNB.
    pub(crate) in_bnb: bool,
}

/// Wallet and positions, by instrument id.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Account {
    /// Wallet balance: opening + realised - fees + all other movements.
    pub wallet: Money,
    /// Fees paid since the start, in the quote asset.
    pub fees_paid: Money,
    /// Positions of the one-way mode by instrument id.
    pub positions: Vec<Position>,
    /// Long and short legs of the hedge mode by instrument id.
    pub legs: Vec<[Position; 2]>,
    /// Leverage by instrument id.
    pub leverage: Vec<u32>,
    /// How each instrument is margined.
    pub margin_types: Vec<MarginType>,
    /// True in the hedge mode.
    pub dual_side: bool,
    /// Fee rates.
    pub fees: Fees,
    /// The exchange's number of the fee rates.
    pub fee_tier: u32,
    /// Pays fees in BNB.
    pub bnb: Option<BnbFees>,
    /// Balances, on spot only; there positions are what was bought less what was sold.
    pub spot: Option<SpotBalances>,
}

impl Account {
    /// An account with an opening wallet, flat in `instruments` instruments.
    #[must_use]
    pub fn new(wallet: Money, fees: Fees, leverage: u32, instruments: usize) -> Self {
        Self {
            wallet,
            fees_paid: Money::ZERO,
            positions: vec![Position::default(); instruments],
            legs: vec![[Position::default(); 2]; instruments],
            leverage: vec![leverage.max(1); instruments],
            margin_types: vec![MarginType::default(); instruments],
            dual_side: false,
            fees,
            fee_tier: 0,
            bnb: None,
            spot: None,
        }
    }

    /// One leg of an instrument.
    #[must_use]
    pub fn leg(&self, index: usize, side: PositionSide) -> &Position {
        match side {
            PositionSide::Both => &self.positions[index],
            PositionSide::Long => &self.legs[index][0],
            PositionSide::Short => &self.legs[index][1],
        }
    }

    pub(crate) fn leg_mut(&mut self, index: usize, side: PositionSide) -> &mut Position {
        match side {
            PositionSide::Both => &mut self.positions[index],
            PositionSide::Long => &mut self.legs[index][0],
            PositionSide::Short => &mut self.legs[index][1],
        }
    }

    /// Legs that hold something.
    pub fn held(&self) -> impl Iterator<Item = (usize, PositionSide, &Position)> {
        let all = (0..self.positions.len())
            .flat_map(|index| PositionSide::ALL.map(|side| (index, side, self.leg(index, side))));
        all.filter(|(_, _, position)| !position.quantity.is_zero())
    }

    /// Wallet balance less all that is set aside for isolated positions.
    #[must_use]
    pub fn cross_wallet(&self) -> Money {
        let set_aside: Money = self.held().map(|(_, _, position)| position.isolated).sum();
        self.wallet - set_aside
    }

    /// Books a fill: position, realised profit, fee at `rate`; on spot nothing is realised and the
    /// commission is in the asset that was received.
    pub(crate) fn book_fill(&mut self, instrument: &Instrument, fill: &Execute) -> Booked {
        let index = usize::from(instrument.id.0);
        let (price, quantity) = (fill.price, fill.quantity);
        let value = instrument.notional(price, quantity);
        let commission = value.times(fill.rate);
        let leg = self.leg_mut(index, fill.position_side);
        let before = leg.quantity.0;
        let realized = leg.apply(instrument, fill.side, price, quantity);
        leg.carried += commission;
        leg.updated = fill.time;
        if leg.quantity.is_zero() {
            leg.carried = Money::ZERO;
        }
        if let Some(spot) = &mut self.spot {
            let received = spot.book_fill(instrument, fill.side, price, quantity, fill.rate);
            self.fees_paid += commission;
            self.wallet = spot.quote;
            return Booked {
                realized: Money::ZERO,
                commission: received,
                in_bnb: false,
            };
        }
        self.set_aside(instrument, fill, before);
        self.wallet += realized;
        if fill.free {
            return Booked {
                realized,
                commission,
                in_bnb: true,
            };
        }
        if let Some(paid) = self.pay_in_bnb(commission) {
            return Booked {
                realized,
                commission: paid,
                in_bnb: true,
            };
        }
        self.wallet -= commission;
        self.fees_paid += commission;
        Booked {
            realized,
            commission,
            in_bnb: false,
        }
    }

    /// Sets the initial margin of lots that were opened aside, where margin is isolated.
    fn set_aside(&mut self, instrument: &Instrument, fill: &Execute, before: i64) {
        let index = usize::from(instrument.id.0);
        if self.margin_types[index] == MarginType::Cross {
            return;
        }
        let leverage = i128::from(self.leverage[index]);
        let leg = self.leg_mut(index, fill.position_side);
        let now = leg.quantity.0;
        let flipped = before.signum() * now.signum() < 0;
        let kept = if flipped { 0 } else { before.abs() };
        let opened = Quantity((now.abs() - kept).max(0));
        let value = instrument.notional(fill.price, opened);
        // Rounded up: what is set aside covers the requirement.
        leg.isolated += Money(((i128::from(value.0) + leverage - 1) / leverage) as i64);
    }

    fn pay_in_bnb(&mut self, commission: Money) -> Option<Money> {
        let bnb = self.bnb.as_mut()?;
        let reduced = i128::from(commission.times(BNB_SHARE).0);
        let amount = Money(round_div(
            reduced * i128::from(market::units::ONE),
            i128::from(bnb.price.0),
        ));
        if amount > bnb.balance {
            return None;
        }
        bnb.balance -= amount;
        Some(amount)
    }
}

/// A fill that is to be booked.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Execute {
    pub(crate) position_side: PositionSide,
    pub(crate) side: Side,
    pub(crate) price: Price,
    pub(crate) quantity: Quantity,
    pub(crate) rate: Rate,
    /// Its fee is not taken from here.
    pub(crate) free: bool,
    pub(crate) time: UtcMs,
}

/// Initial margin of one instrument: the larger of both worst cases over the leverage
/// (binance.md 6, one-way). `signed_notional` is position times mark, `bids` and `asks` the open
/// orders' values.
#[must_use]
pub fn initial_margin(signed_notional: Money, bids: Money, asks: Money, leverage: u32) -> Money {
    let long = (signed_notional + bids).0.unsigned_abs();
    let short = (signed_notional - asks).0.unsigned_abs();
    Money(round_div(i128::from(long.max(short)), i128::from(leverage)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn margin_vector_of_the_exchange_faq() {
        // Position 10,000, buy 0.1 at 19,000, sell 0.1 at 22,000, 2x: max(11900, 7800) / 2.
        let margin = initial_margin(
            Money::from_whole(10_000),
            Money::from_whole(1_900),
            Money::from_whole(2_200),
            2,
        );
        assert_eq!(margin, Money::from_whole(5_950));
    }
}
