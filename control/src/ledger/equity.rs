//! What the account was worth, second by second; thinned by age.
//!
//! In: samples of the account's page. Out: rows; of old ones those that keep every figure. Never: a
//! maximum drawdown that thinning changes.
//!
//! An old interval keeps, between two movements of money from outside: its first and last sample,
//! the highest and the lowest, and the two between which it fell most, in money and as a share. A
//! fall within the interval is then there as it was, and one that reaches over intervals is the
//! highest of an earlier one and the lowest of a later one: so the maximum drawdown of what is left
//! is that of all samples, after any number of thinnings. Times below a peak keep the resolution of
//! the interval.

use super::{Ledger, LedgerError};
use market::{Money, TradingState, UtcNs};
use rusqlite::{Connection, Transaction, TransactionBehavior, params};
use std::collections::BTreeSet;

/// The account at one moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct EquitySample {
    /// When, by the exchange's clock.
    pub time: UtcNs,
    /// Start of the hot path that said so.
    pub generation: u64,
    /// Wallet.
    pub wallet: Money,
    /// Profit of what is held.
    pub unrealized: Money,
    /// Both.
    pub equity: Money,
    /// Sum of the absolute values of all positions.
    pub gross: Money,
    /// Sum of their values.
    pub net: Money,
    /// Trading state.
    pub state: TradingState,
}

/// How long samples stay as they are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Thinning {
    /// Each second is kept so long; then minutes.
    pub seconds_for_ns: i64,
    /// Minutes are kept so long; then hours, for ever.
    pub minutes_for_ns: i64,
}

const MINUTE_NS: i64 = 60_000_000_000;
const HOUR_NS: i64 = 60 * MINUTE_NS;

/// Most intervals that one transaction thins: the drain has other things to do as well.
const INTERVALS_MAX: usize = 64;

/// Where thinning goes on, by length of the interval.
fn place(interval_ns: i64) -> String {
    format!("equity_thinned_to_{}s", interval_ns / 1_000_000_000)
}

impl Ledger {
    /// Writes a sample. One of a moment that has one already takes its place.
    pub(super) fn write_equity(
        transaction: &Transaction<'_>,
        one: &EquitySample,
        transfers: Money,
    ) -> rusqlite::Result<()> {
        transaction
            .prepare_cached(
                "INSERT OR REPLACE INTO equity VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)",
            )?
            .execute(params![
                one.time.0,
                one.generation.cast_signed(),
                one.wallet.0,
                one.unrealized.0,
                one.equity.0,
                one.gross.0,
                one.net.0,
                transfers.0,
                one.state.as_str(),
            ])?;
        Ok(())
    }

    /// Thins what is old enough, a bounded part at a time. True while there is more to do.
    ///
    /// # Errors
    /// [`LedgerError`] of SQLite.
    pub fn thin_equity(&mut self, now: UtcNs, how: &Thinning) -> Result<bool, LedgerError> {
        let minutes = self.thin(now.0 - how.seconds_for_ns, MINUTE_NS)?;
        let hours = self.thin(now.0 - how.minutes_for_ns, HOUR_NS)?;
        Ok(minutes || hours)
    }

    /// Thins whole intervals that end before `until`.
    fn thin(&mut self, until: i64, interval_ns: i64) -> Result<bool, LedgerError> {
        let key = place(interval_ns);
        let transaction = self
            .connection
            .transaction_with_behavior(TransactionBehavior::Immediate)?;
        let done = super::application_state::read(&transaction, &key)?;
        let mut from: i64 = done.and_then(|text| text.parse().ok()).unwrap_or(i64::MIN);
        let mut more = false;
        for thinned in 0.. {
            let next: Option<i64> = transaction
                .prepare_cached("SELECT min(time_ns) FROM equity WHERE time_ns >= ?1")?
                .query_row([from], |row| row.get(0))?;
            let start = next.map(|next| next - next.rem_euclid(interval_ns));
            let Some(start) = start.filter(|start| start + interval_ns <= until) else {
                break;
            };
            if thinned == INTERVALS_MAX {
                more = true;
                break;
            }
            thin_interval(&transaction, start, start + interval_ns)?;
            from = start + interval_ns;
        }
        if from > i64::MIN {
            super::application_state::write(&transaction, &key, &from.to_string(), until)?;
        }
        transaction.commit()?;
        Ok(more)
    }
}

/// Flows in USDT after `from`, up to and with `until`, the oldest first.
fn flows(connection: &Connection, from: i64, until: i64) -> rusqlite::Result<Vec<i64>> {
    let mut statement = connection.prepare_cached(
        "SELECT time_ms * 1000000 FROM incomes WHERE kind = 'TRANSFER' AND asset = 'USDT'
         AND time_ms * 1000000 > ?1 AND time_ms * 1000000 <= ?2 ORDER BY 1",
    )?;
    let rows = statement.query_map(params![from, until], |row| row.get(0))?;
    rows.collect()
}

fn thin_interval(connection: &Connection, start: i64, end: i64) -> rusqlite::Result<()> {
    let mut statement = connection.prepare_cached(
        "SELECT time_ns, equity_e8 FROM equity WHERE time_ns >= ?1 AND time_ns < ?2
         ORDER BY time_ns",
    )?;
    let rows = statement.query_map(params![start, end], |row| Ok((row.get(0)?, row.get(1)?)))?;
    let samples: Vec<(i64, i64)> = rows.collect::<Result<_, _>>()?;
    let mut kept = BTreeSet::new();
    let mut rest = &samples[..];
    for flow in flows(connection, start, end)? {
        let before = rest.partition_point(|(time, _)| *time < flow);
        keep(&rest[..before], &mut kept);
        rest = &rest[before..];
    }
    keep(rest, &mut kept);
    let mut delete = connection.prepare_cached("DELETE FROM equity WHERE time_ns = ?1")?;
    for (time, _) in samples.iter().filter(|(time, _)| !kept.contains(time)) {
        delete.execute([time])?;
    }
    Ok(())
}

/// The times of those that stay, of samples in the order of time with no flow between them.
fn keep(samples: &[(i64, i64)], kept: &mut BTreeSet<i64>) {
    let (Some(first), Some(last)) = (samples.first(), samples.last()) else {
        return;
    };
    kept.extend([first.0, last.0]);
    // Of equal ones the last is the peak from which a time below it is counted.
    let highest = samples.iter().max_by_key(|(time, equity)| (*equity, *time));
    let lowest = samples.iter().min_by_key(|(_, equity)| *equity);
    kept.extend(highest.into_iter().chain(lowest).map(|(time, _)| *time));
    let mut peak = *first;
    let (mut fall, mut share) = (None, None);
    for one in samples {
        if one.1 >= peak.1 {
            peak = *one;
        }
        let lost = i128::from(peak.1) - i128::from(one.1);
        if lost > 0 && fall.is_none_or(|(most, _)| lost > most) {
            fall = Some((lost, [peak.0, one.0]));
        }
        // lost / peak > most / of, without a division.
        let of = i128::from(peak.1);
        if lost > 0 && of > 0 && share.is_none_or(|(most, other, _)| lost * other > most * of) {
            share = Some((lost, of, [peak.0, one.0]));
        }
    }
    kept.extend(fall.into_iter().flat_map(|(_, times)| times));
    kept.extend(share.into_iter().flat_map(|(_, _, times)| times));
}
