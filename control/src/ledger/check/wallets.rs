//! The wallet that the exchange states against fills and income.
//!
//! In: wallets, fills, income. Out: a line. Never: a comparison in the middle of trading; of two
//! wallets with a calm around each, what lies between must explain the change.
//!
//! The exchange rounds its entry price, so that its profit of a trade may be some units of 1e-8
//! beside ours: each fill between allows the tolerance of the income list.

use super::super::incomes::TOLERANCE_E8;
use super::CheckLine;
use rusqlite::{Connection, params};

/// A wallet counts when nothing of the account moved so long before it and after it.
const CALM_MS: i64 = 1_000;

/// A calm wallet: sequence, exchange's time, amount.
type Wallet = (i64, i64, i64);

pub(super) fn check(connection: &Connection, holes: &[i64]) -> rusqlite::Result<CheckLine> {
    let mut line = CheckLine::of("profit, fees, funding and transfers are the wallet's change");
    let mut statement = connection.prepare("SELECT DISTINCT generation FROM wallets ORDER BY 1")?;
    let rows = statement.query_map([], |row| row.get(0))?;
    let generations: Vec<i64> = rows.collect::<Result<_, _>>()?;
    for generation in generations {
        let calm = calm_wallets(connection, generation)?;
        let comparable = !holes.contains(&generation)
            && is_futures_alone(connection, generation)?
            && pays_in_usdt(connection)?;
        match (calm.first(), calm.last()) {
            (Some(first), Some(last)) if comparable && first != last => {
                compare(connection, generation, *first, *last, &mut line)?;
            }
            _ => line.left_out += 1,
        }
    }
    Ok(line)
}

fn compare(
    connection: &Connection,
    generation: i64,
    first: Wallet,
    last: Wallet,
    line: &mut CheckLine,
) -> rusqlite::Result<()> {
    let (fills, earned): (i64, i64) = connection.query_row(
        "SELECT count(*), coalesce(sum(realized_e8 - fee_e8), 0) FROM (
            SELECT realized_e8, fee_e8 FROM fills WHERE generation = ?1
                AND transaction_time_ms > ?2 AND transaction_time_ms <= ?3)",
        params![generation, first.1, last.1],
        |row| Ok((row.get(0)?, row.get(1)?)),
    )?;
    let moved: i64 = connection.query_row(
        "SELECT coalesce(sum(amount_e8), 0) FROM incomes WHERE asset = 'USDT'
         AND kind NOT IN ('COMMISSION', 'REALIZED_PNL') AND time_ms > ?1 AND time_ms <= ?2",
        params![first.1, last.1],
        |row| row.get(0),
    )?;
    let change = last.2 - first.2;
    let beside = (change - earned - moved).abs();
    line.compare(&(beside <= fills * TOLERANCE_E8), &true, || {
        format!(
            "generation {generation}: the wallet changed by {change}, fills earned {earned}, \
             income moved {moved}, in units of 1e-8 USDT"
        )
    });
    Ok(())
}

/// Wallets that nothing was about to change, or had just changed.
fn calm_wallets(connection: &Connection, generation: i64) -> rusqlite::Result<Vec<Wallet>> {
    let mut statement = connection.prepare(
        "SELECT w.sequence, w.event_time_ms, w.wallet_e8 FROM wallets w
         WHERE w.generation = ?1 AND w.event_time_ms > 0 AND NOT EXISTS (
            SELECT 1 FROM fills f WHERE f.generation = ?1
            AND f.transaction_time_ms > w.event_time_ms - ?2
            AND f.transaction_time_ms < w.event_time_ms + ?2)
         AND NOT EXISTS (SELECT 1 FROM incomes n WHERE n.time_ms > w.event_time_ms - ?2
            AND n.time_ms < w.event_time_ms + ?2)
         ORDER BY w.event_time_ms, w.sequence",
    )?;
    let rows = statement.query_map(params![generation, CALM_MS], |row| {
        Ok((row.get(0)?, row.get(1)?, row.get(2)?))
    })?;
    rows.collect()
}

/// The wallet of spot is another one, and has no income list.
fn is_futures_alone(connection: &Connection, generation: i64) -> rusqlite::Result<bool> {
    connection.query_row(
        "SELECT NOT EXISTS (SELECT 1 FROM instruments WHERE generation = ?1 AND market <> 'usdm')",
        [generation],
        |row| row.get(0),
    )
}

/// Fees in another asset leave another wallet.
fn pays_in_usdt(connection: &Connection) -> rusqlite::Result<bool> {
    connection.query_row(
        "SELECT NOT EXISTS (SELECT 1 FROM incomes WHERE kind = 'COMMISSION' AND asset <> 'USDT')",
        [],
        |row| row.get(0),
    )
}
