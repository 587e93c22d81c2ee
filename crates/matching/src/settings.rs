//! How an account is set up: leverage, margin type, position mode, isolated margin.
//!
//! In: requests of the selected account. Out: the setting, or why it stays as it was. Never: a
//! setting that leaves a position without the margin that it needs.

use market::{InstrumentId, Money, UtcMs};

use crate::account::MarginType;
use crate::brackets::Brackets;
use crate::desk::MarginMove;
use crate::input::Input;
use crate::order::PositionSide;
use crate::output::Output;
use crate::venue::Venue;

/// Why a setting is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SettingRefusal {
    /// It is so already.
    #[error("it is set so already")]
    Unchanged,
    /// Orders are open.
    #[error("open orders exist")]
    OpenOrders,
    /// A position is open.
    #[error("a position exists")]
    PositionExists,
    /// No such leverage here.
    #[error("not a leverage of this instrument")]
    LeverageInvalid,
    /// The position is larger than the leverage allows.
    #[error("the position is larger than this leverage allows")]
    AboveNotionalCap,
    /// Not enough free for the margin at this leverage.
    #[error("not enough free margin for this leverage")]
    MarginInsufficient,
    /// An isolated position keeps at least its leverage.
    #[error("the leverage of an isolated position cannot be lowered")]
    IsolatedPosition,
    /// Only isolated positions have margin of their own.
    #[error("only an isolated position has margin of its own")]
    NotIsolated,
    /// There is no position.
    #[error("no position is open")]
    NoPosition,
    /// The wallet has not so much.
    #[error("the cross balance does not cover it")]
    CrossInsufficient,
    /// The position needs it.
    #[error("the isolated position needs it")]
    IsolatedInsufficient,
    /// Not a positive amount.
    #[error("the amount must be positive")]
    AmountNotPositive,
}

impl Venue {
    /// The brackets of an instrument.
    #[must_use]
    pub fn brackets(&self, id: InstrumentId) -> &Brackets {
        &self.brackets[usize::from(id.0)]
    }

    /// Replaces the brackets of an instrument.
    pub fn set_brackets(&mut self, id: InstrumentId, brackets: Brackets) {
        self.brackets[usize::from(id.0)] = brackets;
    }

    /// Sets the leverage of an instrument; returns the largest notional at it.
    ///
    /// # Errors
    /// [`SettingRefusal`]: the leverage stays as it was.
    pub fn set_leverage(
        &mut self,
        id: InstrumentId,
        leverage: u32,
    ) -> Result<Money, SettingRefusal> {
        let input = || Input::Leverage(id, leverage);
        self.recorder.note_of(self.desk.id, input);
        let index = usize::from(id.0);
        let brackets = &self.brackets[index];
        if leverage == 0 || leverage > brackets.leverage_max() {
            return Err(SettingRefusal::LeverageInvalid);
        }
        let most = brackets.notional_max(leverage);
        let before = self.desk.account.leverage[index];
        let mut held = false;
        for leg in PositionSide::ALL {
            let notional = self.notional(id, leg).0.abs();
            held |= notional > 0;
            if notional > most.0 {
                return Err(SettingRefusal::AboveNotionalCap);
            }
        }
        let isolated = self.margin_type(id) == MarginType::Isolated;
        if isolated && held && leverage < before {
            return Err(SettingRefusal::IsolatedPosition);
        }
        let (free, margin) = (self.available_balance(), self.margin(id));
        self.desk.account.leverage[index] = leverage;
        if leverage < before && self.margin(id) - margin > free {
            self.desk.account.leverage[index] = before;
            return Err(SettingRefusal::MarginInsufficient);
        }
        Ok(most)
    }

    /// Sets how an instrument is margined.
    ///
    /// # Errors
    /// [`SettingRefusal`]: it stays as it was.
    pub fn set_margin_type(
        &mut self,
        id: InstrumentId,
        margin_type: MarginType,
    ) -> Result<(), SettingRefusal> {
        let input = || Input::MarginType(id, margin_type);
        self.recorder.note_of(self.desk.id, input);
        if self.margin_type(id) == margin_type {
            return Err(SettingRefusal::Unchanged);
        }
        if self.open_orders(id).next().is_some() {
            return Err(SettingRefusal::OpenOrders);
        }
        let mut legs = PositionSide::ALL.into_iter();
        if legs.any(|leg| !self.position(id, leg).quantity.is_zero()) {
            return Err(SettingRefusal::PositionExists);
        }
        self.desk.account.margin_types[usize::from(id.0)] = margin_type;
        Ok(())
    }

    /// Sets the position mode of the account: hedge (`true`) or one-way.
    ///
    /// # Errors
    /// [`SettingRefusal`]: it stays as it was.
    pub fn set_dual_side(&mut self, dual_side: bool) -> Result<(), SettingRefusal> {
        self.recorder
            .note_of(self.desk.id, || Input::DualSide(dual_side));
        if self.desk.account.dual_side == dual_side {
            return Err(SettingRefusal::Unchanged);
        }
        if self.desk.open.iter().any(|open| !open.is_empty()) {
            return Err(SettingRefusal::OpenOrders);
        }
        if self.desk.account.held().next().is_some() {
            return Err(SettingRefusal::PositionExists);
        }
        self.desk.account.dual_side = dual_side;
        Ok(())
    }

    /// Adds margin to an isolated leg, or takes some (negative `amount`) that it can spare.
    ///
    /// # Errors
    /// [`SettingRefusal`]: it stays as it was.
    pub fn move_margin(
        &mut self,
        now: UtcMs,
        id: InstrumentId,
        leg: PositionSide,
        amount: Money,
        out: &mut Vec<Output>,
    ) -> Result<(), SettingRefusal> {
        let input = || Input::MoveMargin(now, id, leg, amount);
        self.recorder.note_of(self.desk.id, input);
        if amount == Money::ZERO {
            return Err(SettingRefusal::AmountNotPositive);
        }
        if self.margin_type(id) == MarginType::Cross {
            return Err(SettingRefusal::NotIsolated);
        }
        let position = self.position(id, leg);
        if position.quantity.is_zero() {
            return Err(SettingRefusal::NoPosition);
        }
        if amount > Money::ZERO && amount > self.available_balance() {
            return Err(SettingRefusal::CrossInsufficient);
        }
        // A profit that is not realised cannot be taken out.
        let loss = self.unrealized_of(id, leg).min(Money::ZERO);
        let spare = position.isolated + loss - self.position_margin_of(id, leg);
        if amount < Money::ZERO && -amount > spare {
            return Err(SettingRefusal::IsolatedInsufficient);
        }
        let index = usize::from(id.0);
        self.desk.account.leg_mut(index, leg).isolated += amount;
        self.desk.remember_margin_move(MarginMove {
            instrument: id,
            position_side: leg,
            amount,
            time: now,
        });
        let change = self.account_change(index, leg, "MARGIN_TRANSFER", now);
        out.push(Output::Account(change));
        Ok(())
    }
}
