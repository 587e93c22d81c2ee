//! The account: wallet, one-way positions, fees, a thin initial margin.
//!
//! In: fills and mark prices. Out: realised profit, wallet, entry prices, margin figures, exact
//! to 1e-8 of the quote asset. Never: a float, a rounding that makes money.

use market::units::round_div;
use market::{Instrument, Liquidity, Money, Price, Quantity, Rate, Side};

use crate::spot::SpotBalances;

/// Fee rates.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
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

/// A one-way position.
///
/// `cost` is what the open lots cost, exact to 1e-8 and positive on both sides. A reduction takes
/// its share out of it, so that from flat to flat the realised sum equals the cash flow to the
/// last unit.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Position {
    /// Signed lots.
    pub quantity: Quantity,
    /// What the open lots cost.
    pub cost: Money,
    /// Realised since the start, before fees.
    pub realized: Money,
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
        let cost_closed = Money(round_div(
            i128::from(self.cost.0) * i128::from(closed),
            i128::from(open.abs()),
        ));
        let value = instrument.notional(price, Quantity(closed));
        let realized = Money((value - cost_closed).0 * open.signum());
        self.cost -= cost_closed;
        self.quantity.0 += signed.signum() * closed;
        self.realized += realized;
        let opened = quantity.0 - closed;
        if opened > 0 {
            self.quantity.0 += signed.signum() * opened;
            self.cost += instrument.notional(price, Quantity(opened));
        }
        realized
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

/// Wallet and positions, by instrument id.
#[derive(Clone, Debug)]
pub struct Account {
    /// Wallet balance: opening + realised - fees.
    pub wallet: Money,
    /// Fees paid since the start.
    pub fees_paid: Money,
    /// Positions by instrument id.
    pub positions: Vec<Position>,
    /// Leverage by instrument id.
    pub leverage: Vec<u32>,
    /// Fee rates.
    pub fees: Fees,
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
            leverage: vec![leverage.max(1); instruments],
            fees,
            spot: None,
        }
    }

    /// Books a fill: position, realised profit, fee. Returns (realised, commission); on spot
    /// nothing is realised and the commission is in the asset that was received.
    pub fn book_fill(
        &mut self,
        instrument: &Instrument,
        side: Side,
        price: Price,
        quantity: Quantity,
        liquidity: Liquidity,
    ) -> (Money, Money) {
        let index = usize::from(instrument.id.0);
        let realized = self.positions[index].apply(instrument, side, price, quantity);
        if let Some(spot) = &mut self.spot {
            let commission =
                spot.book_fill(instrument, side, price, quantity, self.fees, liquidity);
            let rate = self.fees.rate(liquidity);
            self.fees_paid += instrument.notional(price, quantity).times(rate);
            self.wallet = spot.quote;
            return (Money::ZERO, commission);
        }
        let commission = instrument
            .notional(price, quantity)
            .times(self.fees.rate(liquidity));
        self.wallet += realized - commission;
        self.fees_paid += commission;
        (realized, commission)
    }
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
