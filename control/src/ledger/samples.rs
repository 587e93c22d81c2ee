//! Samples of what the pages and cells show: equity each second, signals and non-actions as often as
//! the settings want.
//!
//! In: pictures of a moment. Out: rows, all of one moment in one transaction. Never: a fact that the
//! journal has; a sample is what was seen when somebody looked.

use super::{EquitySample, Ledger, LedgerError, signed};
use market::{BookState, NonAction, Price, UtcNs};
use rusqlite::{TransactionBehavior, params};

/// The signal of one instrument at its last decision.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct SignalSample {
    /// Which instrument.
    pub instrument: u16,
    /// Imbalance ratio; none while it is not valid.
    pub imbalance_ratio: Option<f64>,
    /// Why it is not; none while it is, or where nothing was decided yet.
    pub no_signal: Option<NonAction>,
    /// State of the book.
    pub book_state: BookState,
    /// Best bid; 0 without.
    pub bid: Price,
    /// Best ask; 0 without.
    pub ask: Price,
}

/// Looks without an action since the sample before.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NonActionSample {
    /// Why nothing was done.
    pub reason: String,
    /// How often.
    pub count: u64,
}

impl Ledger {
    /// Writes the samples of one moment.
    ///
    /// # Errors
    /// [`LedgerError`] of SQLite; then none of them is there.
    pub fn write_samples(
        &mut self,
        (generation, time): (u64, UtcNs),
        equity: Option<&EquitySample>,
        signals: &[SignalSample],
        non_actions: &[NonActionSample],
    ) -> Result<(), LedgerError> {
        let transfers = self.totals.incomes.by_kind.get("TRANSFER").copied();
        let transaction = self
            .connection
            .transaction_with_behavior(TransactionBehavior::Immediate)?;
        if let Some(equity) = equity {
            Self::write_equity(&transaction, equity, transfers.unwrap_or_default())?;
        }
        for one in signals {
            transaction
                .prepare_cached(
                    "INSERT OR REPLACE INTO signals VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)",
                )?
                .execute(params![
                    signed(generation),
                    one.instrument,
                    time.0,
                    one.imbalance_ratio,
                    one.no_signal.map(|reason| reason.as_str()),
                    one.book_state.as_str(),
                    one.bid.0,
                    one.ask.0,
                ])?;
        }
        for one in non_actions {
            transaction
                .prepare_cached(
                    "INSERT OR REPLACE INTO non_action_samples VALUES (?1, ?2, ?3, ?4)",
                )?
                .execute(params![
                    signed(generation),
                    one.reason,
                    time.0,
                    signed(one.count)
                ])?;
        }
        Ok(transaction.commit()?)
    }
}
