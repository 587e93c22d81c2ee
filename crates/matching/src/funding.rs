//! Funding: what positions pay each other at the boundary (binance.md 6).
//!
//! In: a rate, the mark price. Out: movements of every account that holds the instrument. Never:
//! a schedule; whoever has a clock says when.

use market::{InstrumentId, Money, Rate, UtcMs};

use crate::account::MarginType;
use crate::input::Input;
use crate::order::PositionSide;
use crate::output::Output;
use crate::venue::Venue;

impl Venue {
    /// Charges funding of an instrument: `-amount x mark x rate` for every leg of every account.
    pub fn fund(&mut self, now: UtcMs, id: InstrumentId, rate: Rate, out: &mut Vec<Output>) {
        self.recorder.note(|| Input::Fund(now, id, rate));
        self.for_each_account(|venue| {
            for leg in PositionSide::ALL {
                venue.fund_leg(now, id, leg, rate, out);
            }
        });
    }

    fn fund_leg(
        &mut self,
        now: UtcMs,
        id: InstrumentId,
        leg: PositionSide,
        rate: Rate,
        out: &mut Vec<Output>,
    ) {
        let payment = -self.notional(id, leg).times(rate);
        if payment == Money::ZERO {
            return;
        }
        let index = usize::from(id.0);
        let isolated = self.margin_type(id) == MarginType::Isolated;
        let account = &mut self.desk.account;
        account.wallet += payment;
        if isolated {
            account.leg_mut(index, leg).isolated += payment;
        }
        let change = self.remember_move(now, payment, Some(id), "FUNDING_FEE");
        // Under isolated margin the position is told with the balance.
        out.push(if isolated {
            Output::Account(self.account_change(index, leg, "FUNDING_FEE", now))
        } else {
            Output::Wallet(change)
        });
    }
}
