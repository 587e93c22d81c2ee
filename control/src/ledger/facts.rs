//! One journal record becomes rows: a function for each kind of fact.
//!
//! In: a decoded record inside of a transaction. Out: rows and totals. Never: an order's state
//! that goes back, a fill that is judged; what the engine decided is written as it decided it.

use super::totals::Totals;
use super::{LedgerError, Names, RunningPosition, signed};
use market::record::{
    Adopted, BookStateChange, Denial, Fill, InstrumentRecord, Intent, JournalRecord, OrderChange,
    OutputHash, PositionRecord, Reconciled, Record, TradeClosed, TradingStateChange, WalletRecord,
};
use market::{CancelOrder, Certainty, InstrumentId, OrderState};
use rusqlite::{Transaction, params};
use std::collections::HashMap;

/// One record on its way into the tables.
pub(super) struct Facts<'a> {
    pub(super) transaction: &'a Transaction<'a>,
    pub(super) generation: u64,
    pub(super) totals: &'a mut Totals,
    pub(super) positions: &'a mut HashMap<u16, RunningPosition>,
    pub(super) names: &'a mut Names,
    pub(super) record: &'a JournalRecord,
}

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

type Stored = Result<(), LedgerError>;

/// States that only an order has which existed at the exchange.
const EXISTED: [OrderState; 5] = [
    OrderState::Accepted,
    OrderState::PartiallyFilled,
    OrderState::Filled,
    OrderState::Canceled,
    OrderState::Expired,
];

impl Facts<'_> {
    pub(super) fn store(&mut self) -> Stored {
        match &self.record.body {
            Record::Instrument(one) => self.instrument(one),
            Record::Intent(one) => self.intent(one),
            Record::CancelIntent(one) => self.cancel_intent(one),
            Record::Denial(one) => self.denial(one),
            Record::OrderChange(one) => self.order_change(one),
            Record::Fill(one) => self.fill(one),
            Record::TradingState(one) => self.trading_state(one),
            Record::BookState(one) => self.book_state(one),
            Record::TradeClosed(one) => self.trade_closed(one),
            Record::Reconciled(one) => self.reconciled(one),
            Record::Position(one) => self.position(one),
            Record::OutputHash(one) => self.output_hash(one),
            Record::Adopted(one) => self.adopted(one),
            Record::Wallet(one) => self.wallet(one),
        }
    }

    const fn generation(&self) -> i64 {
        signed(self.generation)
    }

    const fn sequence(&self) -> i64 {
        signed(self.record.sequence)
    }

    fn instrument(&mut self, one: &InstrumentRecord) -> Stored {
        let name = (one.market.to_string(), one.symbol.to_string());
        self.names.insert(one.instrument.0, name);
        self.transaction.execute(
            "INSERT OR REPLACE INTO instruments VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10)",
            params![
                self.generation(),
                one.instrument.0,
                one.market.as_str(),
                one.symbol.as_str(),
                one.tick.mantissa,
                one.tick.decimals,
                10i64.pow(u32::from(one.tick.decimals)),
                one.lot.mantissa,
                one.lot.decimals,
                10i64.pow(u32::from(one.lot.decimals)),
            ],
        )?;
        Ok(())
    }

    fn intent(&mut self, one: &Intent) -> Stored {
        let order = &one.order;
        let id = order.client_order_id.as_str();
        let added = self
            .transaction
            .prepare_cached(
                "INSERT OR IGNORE INTO orders (client_order_id, generation, sequence, intent,
                 instrument, strategy, side, order_type, time_in_force, price_ticks,
                 quantity_lots, reduce_only, trigger_kind, trigger_id, state, pending, certainty,
                 decided_utc_ns, changed_utc_ns) VALUES
                 (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, 'PLACE',
                 'KNOWN', ?16, ?16)",
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

    fn name(&self, instrument: InstrumentId) -> (String, String) {
        self.names.get(&instrument.0).cloned().unwrap_or_default()
    }

    fn key(&self, instrument: InstrumentId, third: &str, fourth: &str) -> [String; 4] {
        let (market, symbol) = self.name(instrument);
        [market, symbol, third.to_string(), fourth.to_string()]
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

    fn cancel_intent(&self, one: &CancelOrder) -> Stored {
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

    fn denial(&mut self, one: &Denial) -> Stored {
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

    fn order_change(&mut self, one: &OrderChange) -> Stored {
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

    fn fill(&mut self, one: &Fill) -> Stored {
        let known: bool = self
            .transaction
            .prepare_cached(
                "SELECT EXISTS (SELECT 1 FROM fills WHERE generation = ?1 AND instrument = ?2
                 AND trade_id = ?3 AND client_order_id = ?4)",
            )?
            .query_row(
                params![
                    self.generation(),
                    one.instrument.0,
                    signed(one.trade_id.0),
                    one.client_order_id.as_str()
                ],
                |row| row.get(0),
            )?;
        self.totals.fill_duplicates += u64::from(known);
        let totals = self.totals.by_strategy.entry(one.strategy.0).or_default();
        totals.fills += 1;
        totals.realized += one.realized;
        totals.fees += one.fee;
        let key = self.key(one.instrument, one.side.as_str(), one.liquidity.as_str());
        *self.totals.filled.entry(key).or_default() += 1;
        let running = self.positions.entry(one.instrument.0).or_default();
        running.lots += one.side.sign() * one.quantity.0;
        running.fills_since += 1;
        self.transaction
            .prepare_cached(
                "INSERT INTO fills VALUES
                 (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14)",
            )?
            .execute(params![
                self.generation(),
                self.sequence(),
                one.client_order_id.as_str(),
                one.instrument.0,
                one.strategy.0,
                one.side.as_str(),
                signed(one.trade_id.0),
                one.price.0,
                one.quantity.0,
                one.fee.0,
                one.realized.0,
                one.liquidity.as_str(),
                one.transaction_time.0,
                self.record.utc.0,
            ])?;
        Ok(())
    }

    fn trading_state(&self, one: &TradingStateChange) -> Stored {
        self.transaction.execute(
            "INSERT INTO trading_states VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
            params![
                self.generation(),
                self.sequence(),
                one.from.as_str(),
                one.to.as_str(),
                one.reason.as_str(),
                self.record.utc.0,
            ],
        )?;
        Ok(())
    }

    fn book_state(&self, one: &BookStateChange) -> Stored {
        self.transaction
            .prepare_cached("INSERT INTO book_states VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)")?
            .execute(params![
                self.generation(),
                self.sequence(),
                one.instrument.0,
                one.from.as_str(),
                one.to.as_str(),
                one.reason.as_str(),
                self.record.utc.0,
            ])?;
        Ok(())
    }

    fn trade_closed(&mut self, one: &TradeClosed) -> Stored {
        let totals = self.totals.by_strategy.entry(one.strategy.0).or_default();
        totals.trades += 1;
        totals.trades_won += u64::from(one.realized > one.fees);
        self.transaction
            .prepare_cached(
                "INSERT INTO trades VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11)",
            )?
            .execute(params![
                self.generation(),
                self.sequence(),
                one.instrument.0,
                one.strategy.0,
                one.side.as_str(),
                one.quantity.0,
                one.realized.0,
                one.fees.0,
                signed(one.held_ns),
                one.reason.as_str(),
                self.record.utc.0,
            ])?;
        Ok(())
    }

    fn reconciled(&mut self, one: &Reconciled) -> Stored {
        self.totals.reconciliations += 1;
        self.totals.position_differences += u64::from(one.position_differences);
        self.totals.reconciled_utc_ns = self.totals.reconciled_utc_ns.max(self.record.utc.0);
        self.transaction.execute(
            "INSERT INTO reconciliations VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)",
            params![
                self.generation(),
                self.sequence(),
                one.adopted,
                one.cancelled,
                one.foreign,
                one.position_differences,
                self.record.utc.0,
            ],
        )?;
        Ok(())
    }

    /// A position after fills must be their sum (I11); one without a fill before it was adopted
    /// from the exchange, and the difference is written down.
    fn position(&mut self, one: &PositionRecord) -> Stored {
        let running = self.positions.entry(one.instrument.0).or_default();
        let difference = one.quantity.0 - running.lots;
        let after_fills = running.fills_since > 0;
        *running = RunningPosition {
            lots: one.quantity.0,
            fills_since: 0,
        };
        self.totals.position_mismatches += u64::from(after_fills && difference != 0);
        let origin = if after_fills { "FILLS" } else { "ADOPTED" };
        self.transaction
            .prepare_cached(
                "INSERT INTO positions VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10)",
            )?
            .execute(params![
                self.generation(),
                self.sequence(),
                one.instrument.0,
                one.quantity.0,
                one.cost_tick_lots.to_string(),
                one.realized.0,
                one.fees.0,
                origin,
                difference,
                self.record.utc.0,
            ])?;
        Ok(())
    }

    fn output_hash(&self, one: &OutputHash) -> Stored {
        self.transaction
            .prepare_cached("INSERT INTO output_hashes VALUES (?1, ?2, ?3, ?4)")?
            .execute(params![
                self.generation(),
                self.sequence(),
                signed(one.input_sequence),
                format!("{:016x}", one.hash),
            ])?;
        Ok(())
    }

    /// The order of an earlier life keeps its row; one that the ledger never saw gets one.
    fn adopted(&mut self, one: &Adopted) -> Stored {
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
             decided_utc_ns, changed_utc_ns) VALUES (?1, ?2, ?3, 0, ?4, ?5, ?6, 'LIMIT', 'GTC',
             ?7, ?8, 0, 'other', 0, ?9, ?10, 'KNOWN', ?11, 1, ?12, ?12)
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

    fn wallet(&self, one: &WalletRecord) -> Stored {
        self.transaction
            .prepare_cached("INSERT INTO wallets VALUES (?1, ?2, ?3, ?4)")?
            .execute(params![
                self.generation(),
                self.sequence(),
                one.wallet.0,
                one.event_time.0,
            ])?;
        Ok(())
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
