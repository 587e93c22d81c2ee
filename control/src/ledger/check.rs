//! Whether the ledger adds up: positions, money and trades against the fills, by plain sums.
//!
//! In: an open ledger. Out: a line for each rule, with what was compared and what does not hold.
//! Never: a write; a rule that the code that wrote the rows is asked about.

mod trades;
mod wallets;

use super::LedgerError;
use rusqlite::{Connection, params};
use std::collections::BTreeMap;

/// Most sentences of one line; the rest is counted.
const SENTENCES_MAX: usize = 20;

/// One rule.
#[derive(Clone, Debug, Default, PartialEq, Eq, serde::Serialize)]
pub struct CheckLine {
    /// What must hold.
    pub rule: &'static str,
    /// How many were compared.
    pub compared: u64,
    /// How many could not be: what they follow from is not in this ledger.
    pub left_out: u64,
    /// How many do not hold.
    pub broken: u64,
    /// The first of those, in words.
    pub sentences: Vec<String>,
}

/// All rules.
#[derive(Clone, Debug, Default, PartialEq, Eq, serde::Serialize)]
pub struct CheckReport {
    /// A line each.
    pub lines: Vec<CheckLine>,
}

impl CheckReport {
    /// True when nothing is broken.
    #[must_use]
    pub fn holds(&self) -> bool {
        self.lines.iter().all(|line| line.broken == 0)
    }
}

impl CheckLine {
    fn of(rule: &'static str) -> Self {
        Self {
            rule,
            ..Self::default()
        }
    }

    /// Compares; `sentence` is made where they differ.
    fn compare<T: PartialEq>(&mut self, ours: &T, sums: &T, sentence: impl FnOnce() -> String) {
        self.compared += 1;
        if ours != sums {
            self.break_with(sentence());
        }
    }

    fn break_with(&mut self, sentence: String) {
        self.broken += 1;
        if self.sentences.len() < SENTENCES_MAX {
            self.sentences.push(sentence);
        }
    }
}

/// A fill in plain numbers, with the side in the sign of its lots.
#[derive(Clone, Debug)]
struct PlainFill {
    sequence: i64,
    strategy: u8,
    price: i64,
    lots: i64,
    fee: i64,
    realized: i64,
}

/// Generation and instrument.
type Place = (i64, u16);

/// Compares everything that must add up.
///
/// # Errors
/// [`LedgerError`] of SQLite.
pub fn check_sums(connection: &Connection) -> Result<CheckReport, LedgerError> {
    // One moment for all of it: a writer may be at work.
    let moment = connection.unchecked_transaction()?;
    let holes = broken_generations(&moment)?;
    let fills = fills(&moment)?;
    let mut report = CheckReport::default();
    report.lines.extend(positions(&moment, &fills, &holes)?);
    report.lines.extend(trades::check(&moment, &fills, &holes)?);
    report.lines.push(wallets::check(&moment, &holes)?);
    Ok(report)
}

/// Starts of which records are missing, or could not be read: nothing can be said of them.
fn broken_generations(connection: &Connection) -> rusqlite::Result<Vec<i64>> {
    let mut statement = connection.prepare(
        "SELECT generation FROM journal_holes UNION SELECT generation FROM unread_records",
    )?;
    let rows = statement.query_map([], |row| row.get(0))?;
    rows.collect()
}

/// All fills that moved a position, those that were told again included.
fn fills(connection: &Connection) -> rusqlite::Result<BTreeMap<Place, Vec<PlainFill>>> {
    let mut statement = connection.prepare(
        "SELECT generation, instrument, sequence, strategy, price_ticks,
            CASE side WHEN 'BUY' THEN quantity_lots ELSE -quantity_lots END, fee_e8, realized_e8
            FROM fills
         UNION ALL SELECT generation, instrument, sequence, 255, 0,
            CASE side WHEN 'BUY' THEN quantity_lots ELSE -quantity_lots END, fee_e8, realized_e8
            FROM told_again ORDER BY 1, 2, 3",
    )?;
    let mut all: BTreeMap<Place, Vec<PlainFill>> = BTreeMap::new();
    let mut rows = statement.query([])?;
    while let Some(row) = rows.next()? {
        all.entry((row.get(0)?, row.get(1)?))
            .or_default()
            .push(PlainFill {
                sequence: row.get(2)?,
                strategy: row.get(3)?,
                price: row.get(4)?,
                lots: row.get(5)?,
                fee: row.get(6)?,
                realized: row.get(7)?,
            });
    }
    Ok(all)
}

/// At every cursor the sum of the fills is the position, and their money is its money (I11).
fn positions(
    connection: &Connection,
    fills: &BTreeMap<Place, Vec<PlainFill>>,
    holes: &[i64],
) -> rusqlite::Result<[CheckLine; 2]> {
    let mut lots_line = CheckLine::of("the fills add up to each position");
    let mut money_line = CheckLine::of("their profit and fees add up to each position's");
    let mut statement = connection.prepare(
        "SELECT p.generation, p.instrument, p.sequence, p.quantity_lots, p.origin, p.realized_e8,
            p.fees_e8, coalesce(i.market, '') FROM positions p
         LEFT JOIN instruments i USING (generation, instrument) ORDER BY 1, 2, 3",
    )?;
    let mut rows = statement.query([])?;
    let none = Vec::new();
    let mut at: Option<(Place, usize, i64, i64, i64)> = None;
    while let Some(row) = rows.next()? {
        let place: Place = (row.get(0)?, row.get(1)?);
        let (sequence, held): (i64, i64) = (row.get(2)?, row.get(3)?);
        let (origin, market): (String, String) = (row.get(4)?, row.get(7)?);
        let money: (i64, i64) = (row.get(5)?, row.get(6)?);
        if holes.contains(&place.0) {
            lots_line.left_out += 1;
            continue;
        }
        let (next, mut lots, mut realized, mut fees) = match at {
            Some((before, next, lots, realized, fees)) if before == place => {
                (next, lots, realized, fees)
            }
            _ => (0, 0, 0, 0),
        };
        let here = fills.get(&place).unwrap_or(&none);
        let since = here[next..]
            .iter()
            .take_while(|one| one.sequence < sequence);
        let mut count = 0;
        for fill in since {
            count += 1;
            lots += fill.lots;
            realized += fill.realized;
            fees += fill.fee;
        }
        if origin == "FILLS" {
            lots_line.compare(&held, &lots, || {
                format!("{place:?} at {sequence}: held {held} lots, the fills are {lots}")
            });
        }
        // On spot, what was taken off as a fee is sold beside the fills.
        if market == "usdm" {
            money_line.compare(&money, &(realized, fees), || {
                format!("{place:?} at {sequence}: {money:?}, the fills are {realized}, {fees}")
            });
        } else {
            money_line.left_out += 1;
        }
        at = Some((place, next + count, held, realized, fees));
    }
    let last = unfinished(connection, fills, holes)?;
    lots_line.compared += last.compared;
    for sentence in last.sentences {
        lots_line.break_with(sentence);
    }
    Ok([lots_line, money_line])
}

/// No fill is without a position after it, but for the very last records of a start.
fn unfinished(
    connection: &Connection,
    fills: &BTreeMap<Place, Vec<PlainFill>>,
    holes: &[i64],
) -> rusqlite::Result<CheckLine> {
    let mut line = CheckLine::default();
    let mut statement = connection.prepare(
        "SELECT coalesce(max(sequence), -1), (SELECT coalesce(last_sequence, 0) FROM generations
         WHERE generation = ?1) FROM positions WHERE generation = ?1 AND instrument = ?2",
    )?;
    for (place, all) in fills.iter().filter(|(place, _)| !holes.contains(&place.0)) {
        let (told, last): (i64, Option<i64>) = statement
            .query_row(params![place.0, place.1], |row| {
                Ok((row.get(0)?, row.get(1)?))
            })?;
        // A fill's trade and position follow it within the same step.
        const STEP_RECORDS: i64 = 16;
        let behind = all.iter().filter(|one| one.sequence > told);
        let early = last.unwrap_or(0) - STEP_RECORDS;
        let lost = behind.filter(|one| one.sequence < early).count();
        line.compare(&lost, &0, || {
            format!("{place:?}: {lost} fills have no position after them")
        });
    }
    Ok(line)
}
