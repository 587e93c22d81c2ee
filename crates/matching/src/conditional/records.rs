//! Conditional orders as values that outlive the process: all of them, or what is new.
//!
//! In: the orders of an account; values that were taken from them. Out: records, and the orders that
//! they make. Never: a price; a file.

use std::collections::BTreeSet;

use market::ExchangeOrderId;
use serde::{Deserialize, Serialize};

use super::{Conditional, ConditionalOrders, ConditionalState};
use crate::words::is_usual;

/// What is known of an account's conditional orders: all of them, or those that have changed.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ConditionalRecord {
    /// Ended ones as they ended, then open ones as they came.
    #[serde(default, skip_serializing_if = "is_usual")]
    pub orders: Vec<Conditional>,
    /// Id of the next one.
    pub next_id: u64,
}

impl ConditionalOrders {
    /// These of its orders, and those that trail a price: what they have seen is known by no change.
    #[must_use]
    pub fn record(&self, changed: &BTreeSet<u64>) -> ConditionalRecord {
        let trails = |one: &&Conditional| one.extreme.0 > 0 && !changed.contains(&one.id);
        let changed = changed.iter().filter_map(|id| self.orders.get(id));
        ConditionalRecord {
            orders: changed.chain(self.open().filter(trails)).copied().collect(),
            next_id: self.next_id,
        }
    }

    /// All of them.
    #[must_use]
    pub fn whole_record(&self) -> ConditionalRecord {
        let ids = self.ended.iter().chain(&self.open);
        ConditionalRecord {
            orders: ids.map(|id| self.orders[id]).collect(),
            next_id: self.next_id,
        }
    }

    /// Takes a record.
    ///
    /// # Errors
    /// What in it is not of these orders.
    pub fn absorb(&mut self, record: ConditionalRecord, instruments: usize) -> Result<(), String> {
        for one in record.orders {
            if one.account != self.account {
                return Err(format!("conditional order {} of another account", one.id));
            }
            if usize::from(one.request.instrument.0) >= instruments {
                return Err(format!("conditional order {} of no instrument", one.id));
            }
            self.absorb_one(one);
        }
        self.next_id = record.next_id;
        Ok(())
    }

    fn absorb_one(&mut self, one: Conditional) {
        let before = self.orders.insert(one.id, one);
        let was_open = before.is_some_and(|before| before.state == ConditionalState::New);
        match (was_open || before.is_none(), one.state) {
            (_, ConditionalState::New) if before.is_none() => self.open.push(one.id),
            (true, state) if state != ConditionalState::New => {
                self.open.retain(|open| *open != one.id);
                self.remember_ended(one.id);
            }
            _ => {}
        }
        self.triggered.retain(|(id, _)| *id != one.id);
        let live = one.state == ConditionalState::Triggered;
        let order: Option<ExchangeOrderId> = one.order_id.filter(|_| live);
        self.triggered.extend(order.map(|order| (one.id, order)));
    }
}
