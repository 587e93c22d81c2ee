//! One journal record becomes rows: a function for each kind of fact.
//!
//! In: a decoded record inside of a transaction. Out: rows and totals. Never: an order's state
//! that goes back, a fill that is judged; what the engine decided is written as it decided it.

use super::totals::Totals;
use super::{Identity, LedgerError, Names, RunningPosition, signed};
use market::record::{
    BookStateChange, BreakerRecord, Fill, InstrumentRecord, JournalRecord, KillStep, OutputHash,
    PositionRecord, ProtectionStep, Reconciled, Record, TradeClosed, TradingStateChange,
    WalletRecord,
};
use market::{BookReason, InstrumentId, Step, TradingState};
use rusqlite::{Transaction, params};
use std::collections::HashMap;

/// One record on its way into the tables.
pub(super) struct Facts<'a> {
    pub(super) transaction: &'a Transaction<'a>,
    pub(super) generation: u64,
    pub(super) totals: &'a mut Totals,
    pub(super) positions: &'a mut HashMap<u16, RunningPosition>,
    pub(super) names: &'a mut Names,
    pub(super) identity: &'a Identity,
    pub(super) record: &'a JournalRecord,
}

pub(super) type Stored = Result<(), LedgerError>;

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
            Record::Breaker(one) => self.breaker(one),
            Record::KillStep(one) => self.kill_step(one),
            Record::External(_)
            | Record::Difference(_)
            | Record::TradesRecovered(_)
            | Record::FirstStart(_)
            | Record::Setup(_)
            | Record::Listing(_)
            | Record::Configured(_)
            | Record::Opening(_) => self.account_note(),
            Record::Income(one) => self.income(one),
            Record::AmendIntent(one) => self.amend_intent(one),
            Record::Amended(one) => self.amended(one),
            Record::Protection(one) => self.protection(one),
            Record::Markout(one) => self.markout(one),
            Record::Balance(one) => self.balance(one),
            // What was read has been upgraded.
            Record::OldIntent(_) | Record::OldAmendIntent(_) | Record::OldTradeClosed(_) => Ok(()),
        }
    }

    pub(super) const fn generation(&self) -> i64 {
        signed(self.generation)
    }

    pub(super) const fn sequence(&self) -> i64 {
        signed(self.record.sequence)
    }

    /// The venue of an instrument; nothing of one that the journal has not named.
    pub(super) fn venue_of(&self, instrument: InstrumentId) -> Option<String> {
        let (market, _) = self.names.get(&instrument.0)?;
        Some(self.identity.venue(market))
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
                scale(one.tick),
                one.lot.mantissa,
                one.lot.decimals,
                scale(one.lot),
            ],
        )?;
        Ok(())
    }

    /// What reconciliation found: kind, what became of it, and all of it in words.
    fn account_note(&self) -> Stored {
        let (kind, fate, instrument) = match &self.record.body {
            Record::External(one) => {
                let fate = if one.cancelled { "CANCELLED" } else { "LEFT" };
                ("EXTERNAL", fate, Some(one.instrument))
            }
            Record::Difference(one) => ("DIFFERENCE", one.fate.as_str(), Some(one.instrument)),
            Record::TradesRecovered(one) => ("TRADES_RECOVERED", "", Some(one.instrument)),
            Record::FirstStart(one) => ("FIRST_START", one.fate.as_str(), None),
            Record::Setup(one) => {
                let fault = one.fault.map_or("", |fault| fault.as_str());
                ("SETUP", fault, Some(one.instrument))
            }
            Record::Configured(_) => ("CONFIGURED", "", None),
            Record::Opening(one) => ("OPENING", "", Some(one.instrument)),
            Record::Listing(one) => {
                let fault = one
                    .fault
                    .map_or(one.status.as_str(), |fault| fault.as_str());
                ("LISTING", fault, Some(one.instrument))
            }
            _ => return Ok(()),
        };
        self.transaction
            .prepare_cached("INSERT INTO account_notes VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)")?
            .execute(params![
                self.generation(),
                self.sequence(),
                kind,
                fate,
                instrument.map(|id| id.0),
                format!("{:?}", self.record.body),
                self.record.utc.0,
            ])?;
        Ok(())
    }

    /// True when an earlier life has this trade in its journal: a start that goes on from its
    /// account's memory is told again what came after it.
    fn is_of_an_earlier_life(&self, one: &Fill) -> Result<bool, LedgerError> {
        let (market, symbol) = self.name(one.instrument);
        let known = self
            .transaction
            .prepare_cached(
                "SELECT EXISTS (SELECT 1 FROM fills f JOIN instruments i
                 USING (generation, instrument) WHERE f.trade_id = ?1 AND f.trade_id <> 0
                 AND f.generation <> ?2 AND i.market = ?3 AND i.symbol = ?4)",
            )?
            .query_row(
                params![signed(one.trade_id.0), self.generation(), market, symbol],
                |row| row.get(0),
            )?;
        Ok(known)
    }

    /// A breaker tripped, or would have: a line of the log too, for somebody has to look.
    fn breaker(&mut self, one: &BreakerRecord) -> Stored {
        let symbol = one.instrument.map(|id| self.name(id).1);
        let (breaker, value, limit, dry) = (one.breaker.as_str(), one.value, one.limit, one.dry);
        tracing::warn!(breaker, symbol, value, limit, dry, "BREAKER");
        self.transaction
            .prepare_cached("INSERT INTO breakers VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)")?
            .execute(params![
                self.generation(),
                self.sequence(),
                breaker,
                one.instrument.map(|id| id.0),
                one.strategy.map(|id| id.0),
                value,
                limit,
                dry,
                self.record.utc.0,
            ])?;
        Ok(())
    }

    pub(super) fn name(&self, instrument: InstrumentId) -> (String, String) {
        self.names.get(&instrument.0).cloned().unwrap_or_default()
    }

    pub(super) fn key(&self, instrument: InstrumentId, third: &str, fourth: &str) -> [String; 4] {
        let (market, symbol) = self.name(instrument);
        [market, symbol, third.to_string(), fourth.to_string()]
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
        if self.is_of_an_earlier_life(one)? {
            // Its money is counted; only the position of this life moves.
            let running = self.positions.entry(one.instrument.0).or_default();
            running.lots += one.side.sign() * one.quantity.0;
            running.fills_since += 1;
            return self.told_again(one);
        }
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
                 (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15)",
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
                self.venue_of(one.instrument),
            ])?;
        Ok(())
    }

    fn trading_state(&mut self, one: &TradingStateChange) -> Stored {
        let held = one.to != TradingState::Active;
        self.totals.held_by = held.then(|| one.reason.as_str().to_string());
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

    fn book_state(&mut self, one: &BookStateChange) -> Stored {
        if one.reason == BookReason::Crossed {
            let (market, symbol) = self.name(one.instrument);
            *self.totals.crossed.entry([market, symbol]).or_default() += 1;
        }
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
        self.trade_legs(one)
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

    fn kill_step(&mut self, one: &KillStep) -> Stored {
        self.transaction.execute(
            "INSERT INTO kill_steps VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)",
            params![
                self.generation(),
                self.sequence(),
                one.act.as_str(),
                one.market.as_str(),
                one.symbol.as_str(),
                one.count,
                one.error_code,
                signed(self.record.time.0),
                self.record.utc.0,
            ],
        )?;
        Ok(())
    }

    fn protection(&mut self, one: &ProtectionStep) -> Stored {
        self.transaction.execute(
            "INSERT INTO protective_stops VALUES
             (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12)",
            params![
                self.generation(),
                self.sequence(),
                one.act.as_str(),
                one.instrument.map(|id| id.0),
                one.symbol.as_str(),
                one.client_algo_id.as_str(),
                one.side.as_str(),
                one.trigger_price.0,
                signed(one.exchange_order_id.0),
                one.stands.0,
                one.error_code,
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
}

/// Units in one whole; a step with more decimals than there can be comes from a damaged record.
fn scale(step: Step) -> i64 {
    10i64
        .checked_pow(u32::from(step.decimals))
        .unwrap_or(i64::MAX)
}
