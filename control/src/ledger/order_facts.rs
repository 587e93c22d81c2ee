//! Records about orders become rows: the present state of each, and its whole history.
//!
//! In: intents, changes, denials, adoptions. Out: rows and totals. Never: a judgement; a change is
//! written as the engine decided it.

use super::facts::{Facts, Stored};
use super::signed;
use market::record::{Adopted, AmendIntent, Amended, Denial, Intent, OrderChange};
use market::{CancelOrder, Certainty, OrderState, Price, Quantity};
use rusqlite::params;

/// What happened to an order, for its history.
struct OrderEvent<'a> {
    client_order_id: &'a str,
    event: &'a str,
    state: Option<&'a str>,
    pending: Option<&'a str>,
    certainty: Option<&'a str>,
    cumulative_lots: Option<i64>,
    request: Option<&'a str>,
    error_code: i64,
}

/// States that only an order has which existed at the exchange.
const EXISTED: [OrderState; 5] = [
    OrderState::Accepted,
    OrderState::PartiallyFilled,
    OrderState::Filled,
    OrderState::Canceled,
    OrderState::Expired,
];

impl Facts<'_> {
    pub(super) fn intent(&mut self, one: &Intent) -> Stored {
        let order = &one.order;
        let id = order.client_order_id.as_str();
        let added = self
            .transaction
            .prepare_cached(
                "INSERT OR IGNORE INTO orders (client_order_id, generation, sequence, intent,
                 instrument, strategy, side, order_type, time_in_force, price_ticks,
                 quantity_lots, reduce_only, trigger_kind, trigger_id, state, pending, certainty,
                 decided_utc_ns, changed_utc_ns, venue) VALUES
                 (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, 'PLACE',
                 'KNOWN', ?16, ?16, ?17)",
            )?
            .execute(params![
                id,
                self.generation(),
                self.sequence(),
                signed(order.intent.0),
                order.instrument.0,
                order.strategy.0,
                order.side.as_str(),
                order.order_type.as_str(),
                order.time_in_force.as_str(),
                order.price.0,
                order.quantity.0,
                order.reduce_only,
                one.trigger.kind.as_str(),
                signed(one.trigger.id),
                OrderState::Submitted.as_str(),
                self.record.utc.0,
                self.venue_of(order.instrument),
            ])?;
        if added == 0 {
            self.totals.order_id_reuses += 1;
        } else {
            self.totals
                .by_strategy
                .entry(order.strategy.0)
                .or_default()
                .orders += 1;
            let key = self.key(
                order.instrument,
                order.side.as_str(),
                order.order_type.as_str(),
            );
            *self.totals.sent.entry(key).or_default() += 1;
            self.decision_mid(one.mid)?;
        }
        self.order_event(&OrderEvent {
            client_order_id: id,
            event: "INTENT",
            state: Some(OrderState::Submitted.as_str()),
            pending: Some("PLACE"),
            certainty: Some("KNOWN"),
            cumulative_lots: Some(0),
            request: None,
            error_code: 0,
        })
    }

    fn confirm(&mut self, client_order_id: &str) -> Stored {
        let first = self
            .transaction
            .prepare_cached(
                "UPDATE orders SET confirmed = 1 WHERE client_order_id = ?1 AND confirmed = 0",
            )?
            .execute([client_order_id])?;
        self.totals.confirmed += first as u64;
        Ok(())
    }

    pub(super) fn cancel_intent(&self, one: &CancelOrder) -> Stored {
        self.order_event(&OrderEvent {
            client_order_id: one.client_order_id.as_str(),
            event: "CANCEL_INTENT",
            state: None,
            pending: Some("CANCEL"),
            certainty: None,
            cumulative_lots: None,
            request: None,
            error_code: 0,
        })
    }

    /// An amendment that was decided; the order is what it was until the exchange says otherwise.
    pub(super) fn amend_intent(&mut self, one: &AmendIntent) -> Stored {
        let order = &one.amend.order;
        let id = order.client_order_id.as_str();
        let decision = signed(one.amend.decision.0);
        self.amendment(id, "INTENT", decision, order.price, order.quantity)?;
        self.decision_mid(one.mid)?;
        self.transaction
            .prepare_cached("UPDATE orders SET pending = 'AMEND' WHERE client_order_id = ?1")?
            .execute([id])?;
        self.order_event(&OrderEvent {
            client_order_id: id,
            event: "AMEND_INTENT",
            state: None,
            pending: Some("AMEND"),
            certainty: None,
            cumulative_lots: None,
            request: None,
            error_code: 0,
        })
    }

    /// The exchange states another price or quantity: the row is the order as it is.
    pub(super) fn amended(&mut self, one: &Amended) -> Stored {
        let id = one.client_order_id.as_str();
        let event = if one.ours {
            "AMENDED"
        } else {
            "AMENDED_OUTSIDE"
        };
        self.amendment(id, event, 0, one.price, one.quantity)?;
        self.transaction
            .prepare_cached(
                "UPDATE orders SET price_ticks = ?2, quantity_lots = ?3, changed_utc_ns = ?4
                 WHERE client_order_id = ?1",
            )?
            .execute(params![id, one.price.0, one.quantity.0, self.record.utc.0])?;
        self.order_event(&OrderEvent {
            client_order_id: id,
            event,
            state: None,
            pending: None,
            certainty: None,
            cumulative_lots: None,
            request: None,
            error_code: 0,
        })
    }

    fn amendment(
        &self,
        client_order_id: &str,
        event: &str,
        decision: i64,
        price: Price,
        quantity: Quantity,
    ) -> Stored {
        self.transaction
            .prepare_cached("INSERT INTO amendments VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)")?
            .execute(params![
                self.generation(),
                self.sequence(),
                client_order_id,
                event,
                decision,
                price.0,
                quantity.0,
                self.record.utc.0,
            ])?;
        Ok(())
    }

    pub(super) fn denial(&mut self, one: &Denial) -> Stored {
        let code = one.code.as_str();
        match self.totals.denials.get_mut(code) {
            Some(count) => *count += 1,
            None => {
                self.totals.denials.insert(code.to_string(), 1);
            }
        }
        self.transaction
            .prepare_cached("INSERT INTO denials VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)")?
            .execute(params![
                self.generation(),
                self.sequence(),
                code,
                one.order.instrument.0,
                one.order.strategy.0,
                one.order.side.as_str(),
                one.order.price.0,
                one.order.quantity.0,
                self.record.utc.0,
            ])?;
        Ok(())
    }

    pub(super) fn order_change(&mut self, one: &OrderChange) -> Stored {
        let id = one.client_order_id.as_str();
        if one.certainty == Certainty::Unknown {
            let first = self
                .transaction
                .prepare_cached(
                    "UPDATE orders SET ever_unknown = 1
                     WHERE client_order_id = ?1 AND ever_unknown = 0",
                )?
                .execute([id])?;
            self.totals.unknown_ever += first as u64;
        }
        if one.state == OrderState::Rejected {
            let market = self.name(one.instrument).0;
            *self
                .totals
                .rejections
                .entry((market, one.error_code))
                .or_default() += 1;
        }
        if EXISTED.contains(&one.state) {
            self.confirm(id)?;
        }
        self.transaction
            .prepare_cached(
                "UPDATE orders SET state = ?2, pending = ?3, certainty = ?4,
                 cumulative_lots = ?5, error_code = ?6, changed_utc_ns = ?7,
                 exchange_order_id = CASE WHEN ?8 = 0 THEN exchange_order_id ELSE ?8 END
                 WHERE client_order_id = ?1",
            )?
            .execute(params![
                id,
                one.state.as_str(),
                one.pending.as_str(),
                one.certainty.as_str(),
                one.cumulative_quantity.0,
                one.error_code,
                self.record.utc.0,
                signed(one.exchange_order_id.0),
            ])?;
        self.order_event(&OrderEvent {
            client_order_id: id,
            event: "CHANGE",
            state: Some(one.state.as_str()),
            pending: Some(one.pending.as_str()),
            certainty: Some(one.certainty.as_str()),
            cumulative_lots: Some(one.cumulative_quantity.0),
            request: one.request.map(|request| request.as_str()),
            error_code: one.error_code,
        })
    }

    /// The order of an earlier life keeps its row; one that the ledger never saw gets one.
    pub(super) fn adopted(&mut self, one: &Adopted) -> Stored {
        let id = one.client_order_id.as_str();
        let state = if one.cumulative_quantity.is_zero() {
            OrderState::Accepted
        } else {
            OrderState::PartiallyFilled
        };
        let pending = if one.cancelled { "CANCEL" } else { "NONE" };
        self.transaction.execute(
            "INSERT INTO orders (client_order_id, generation, sequence, intent, instrument,
             strategy, side, order_type, time_in_force, price_ticks, quantity_lots, reduce_only,
             trigger_kind, trigger_id, state, pending, certainty, cumulative_lots, adopted,
             decided_utc_ns, changed_utc_ns, venue) VALUES (?1, ?2, ?3, 0, ?4, ?5, ?6, 'LIMIT', 'GTC',
             ?7, ?8, 0, 'other', 0, ?9, ?10, 'KNOWN', ?11, 1, ?12, ?12, ?13)
             ON CONFLICT (client_order_id) DO UPDATE SET state = excluded.state,
             pending = excluded.pending, certainty = 'KNOWN',
             cumulative_lots = excluded.cumulative_lots,
             changed_utc_ns = excluded.changed_utc_ns",
            params![
                id,
                self.generation(),
                self.sequence(),
                one.instrument.0,
                super::totals::NOT_OURS,
                one.side.as_str(),
                one.price.0,
                one.quantity.0,
                state.as_str(),
                pending,
                one.cumulative_quantity.0,
                self.record.utc.0,
                self.venue_of(one.instrument),
            ],
        )?;
        self.confirm(id)?;
        self.order_event(&OrderEvent {
            client_order_id: id,
            event: "ADOPTED",
            state: Some(state.as_str()),
            pending: Some(pending),
            certainty: Some("KNOWN"),
            cumulative_lots: Some(one.cumulative_quantity.0),
            request: None,
            error_code: 0,
        })
    }

    fn order_event(&self, one: &OrderEvent<'_>) -> Stored {
        self.transaction
            .prepare_cached(
                "INSERT INTO order_events VALUES
                 (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13)",
            )?
            .execute(params![
                self.generation(),
                self.sequence(),
                one.client_order_id,
                one.event,
                one.state,
                one.pending,
                one.certainty,
                one.cumulative_lots,
                one.request,
                one.error_code,
                signed(self.record.input_sequence),
                signed(self.record.time.0),
                self.record.utc.0,
            ])?;
        Ok(())
    }
}
