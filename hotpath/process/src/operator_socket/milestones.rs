//! How far a start is: safe, then ready.
//!
//! In: the account's page, looked at every few milliseconds. Out: when each was reached first.
//! Never: a milestone that is taken back; what comes later has other names.

use crate::kill::keeper::account_page;
use ipc::Segment;
use market::page::AccountPage;
use market::{MonoNs, StateReason, TradingState};
use std::cell::Cell;

/// The milestones of one start.
pub struct Milestones {
    began: MonoNs,
    safe: Cell<Option<MonoNs>>,
    ready: Cell<Option<MonoNs>>,
}

impl Milestones {
    /// None is reached yet.
    #[must_use]
    pub const fn since(began: MonoNs) -> Self {
        Self {
            began,
            safe: Cell::new(None),
            ready: Cell::new(None),
        }
    }

    /// Looks at the page until both are reached.
    pub fn look(&self, segment: &Segment, now: MonoNs) {
        if self.safe.get().is_some() && self.ready.get().is_some() {
            return;
        }
        if let Some(page) = account_page(segment) {
            self.take(&page, now);
        }
    }

    fn take(&self, page: &AccountPage, now: MonoNs) {
        let reach = |milestone: &Cell<Option<MonoNs>>, holds: bool, name: &str| {
            if holds && milestone.get().is_none() {
                milestone.set(Some(now));
                let after_ms = now.since(self.began) / 1_000_000;
                tracing::info!(after_ms, "start: {name}");
            }
        };
        let safe = page.reconciled && page.orders_inherited == 0;
        reach(&self.safe, safe, "SAFE");
        let is_starting =
            page.trading_state == TradingState::Halted && page.reason == StateReason::Startup;
        reach(&self.ready, !is_starting && page.reconciled, "READY");
    }

    /// Milliseconds from the start to safety.
    #[must_use]
    pub fn safe_after_ms(&self) -> Option<u64> {
        self.after_ms(&self.safe)
    }

    /// Milliseconds from the start to the state that it was told to be in.
    #[must_use]
    pub fn ready_after_ms(&self) -> Option<u64> {
        self.after_ms(&self.ready)
    }

    fn after_ms(&self, milestone: &Cell<Option<MonoNs>>) -> Option<u64> {
        let reached = milestone.get()?;
        Some(reached.since(self.began) / 1_000_000)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use market::{Money, Rate, UtcNs};

    fn page(reconciled: bool, inherited: u32, state: (TradingState, StateReason)) -> AccountPage {
        AccountPage {
            trading_state: state.0,
            reason: state.1,
            input_sequence: 0,
            time: MonoNs(0),
            utc: UtcNs(0),
            output_hash: 0,
            wallet: Money::ZERO,
            equity: Money::ZERO,
            realized: Money::ZERO,
            unrealized: Money::ZERO,
            fees: Money::ZERO,
            funding: Money::ZERO,
            drawdown: Rate(0),
            unknown_ever: 0,
            unknown_now: 0,
            orders_open: inherited,
            market_stream_up: true,
            user_stream_up: true,
            reconciled,
            gross_notional: Money(0),
            net_notional: Money(0),
            balances_untold: 0,
            orders_inherited: inherited,
            strategies_latched: 0,
            config_version: 0,
            config_hash: 0,
        }
    }

    #[test]
    fn safe_waits_for_orders_of_earlier_starts_and_each_is_reached_once() {
        let milestones = Milestones::since(MonoNs(1_000_000));
        let starting = (TradingState::Halted, StateReason::Startup);
        let active = (TradingState::Active, StateReason::Reconciled);
        let steps = [
            (page(false, 0, starting), None, None),
            (page(true, 2, active), None, Some(1)),
            (page(true, 0, active), Some(2), Some(1)),
            // What comes later changes nothing.
            (page(false, 3, active), Some(2), Some(1)),
        ];
        for (ms, (page, safe, ready)) in steps.into_iter().enumerate() {
            milestones.take(&page, MonoNs((ms as u64 + 1) * 1_000_000));
            let reached = (milestones.safe_after_ms(), milestones.ready_after_ms());
            assert_eq!(reached, (safe, ready), "after {ms} ms");
        }
    }
}
