//! Protective stops: what the engine is told of them, and trades that are not its own.
//!
//! In: steps of the machine that keeps the stops, trades of orders that are in no table. Out: a
//! record, the price for the page, why a position was taken from its strategy. Never: a request; a
//! stop lies at the exchange so that it works without us.

use super::core::Engine;
use super::emit::Emit;
use super::trades::Traded;
use crate::bounds;
use crate::outbox::Observer;
use market::record::{ProtectionAct, ProtectionStep, Record};
use market::{ClientOrderId, ExchangeOrderId, ExitReason, wire_struct};

wire_struct! {
    /// A stop of ours that became an order.
    #[derive(Clone, Copy, Debug, PartialEq, Eq)]
    pub struct TriggeredStop {
        /// Its id, which its trades have on the private stream.
        pub stop: ClientOrderId,
        /// The order, which its trades have in a list.
        pub became: ExchangeOrderId,
    }
}

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
            if step.act == ProtectionAct::Triggered {
                self.instruments[index].facts.stop_triggered = Some(TriggeredStop {
                    stop: step.client_algo_id,
                    became: step.exchange_order_id,
                });
            }
            // Only its page has changed: nothing is to be decided.
            self.dirty |= 1 << index;
        }
    }
}

/// Why an order that is in no table took a position from its strategy (F45, F47, F49).
pub(super) fn reason_of(traded: &Traded) -> ExitReason {
    if traded.by_venue {
        ExitReason::Venue
    } else if traded.client_order_id.is_protective_stop() {
        ExitReason::ProtectiveStop
    } else {
        ExitReason::Operator
    }
}
