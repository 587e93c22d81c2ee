//! Protective stops: what the engine is told of them, and trades that are not its own.
//!
//! In: steps of the machine that keeps the stops, trades of orders that are in no table. Out: a
//! record, the price for the page, why a position was taken from its strategy. Never: a request; a
//! stop lies at the exchange so that it works without us.

use super::core::Engine;
use super::emit::Emit;
use crate::bounds;
use crate::outbox::Observer;
use market::record::{ProtectionStep, Record};
use market::{Execution, ExitReason, OrderType, OrderUpdate};

impl Engine {
    pub(super) fn take_protection<O: Observer>(
        &mut self,
        step: &ProtectionStep,
        emit: &mut Emit<'_, O>,
    ) {
        emit.record(Record::Protection(*step));
        let index = step.instrument.and_then(|id| self.index_of(id));
        if let Some(index) = index {
            let stands = Some(step.stands).filter(|price| bounds::is_price(*price));
            self.instruments[index].facts.protective_stop = stands;
            // Only its page has changed: nothing is to be decided.
            self.dirty |= 1 << index;
        }
    }
}

/// Why an order that is in no table took a position from its strategy (F45, F47, F49).
pub(super) fn reason_of(update: &OrderUpdate) -> ExitReason {
    let made_by_venue =
        update.order_type == OrderType::Liquidation || update.execution == Execution::Liquidation;
    if made_by_venue {
        ExitReason::Venue
    } else if update.client_order_id.is_protective_stop() {
        ExitReason::ProtectiveStop
    } else {
        ExitReason::Operator
    }
}
