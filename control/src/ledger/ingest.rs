//! Taking journal records in: one transaction a batch, the cursor inside of it.
//!
//! In: encoded records in journal order. Out: rows, totals, the cursor. Never: a record twice;
//! what has been taken in before is recognised by (generation, sequence).

use super::facts::Facts;
use super::totals::Totals;
use super::{Ledger, LedgerError, signed};
use market::record::{JournalRecord, RECORD_VERSION};
use market::{Reader, Wire};
use rusqlite::{Transaction, TransactionBehavior, params};

/// Encoded records, back to back, without an allocation for each.
#[derive(Clone, Debug, Default)]
pub struct Batch {
    bytes: Vec<u8>,
    ends: Vec<usize>,
}

impl Batch {
    /// Adds one encoded record.
    pub fn push(&mut self, record: &[u8]) {
        self.bytes.extend_from_slice(record);
        self.ends.push(self.bytes.len());
    }

    /// Records in it.
    #[must_use]
    pub fn len(&self) -> usize {
        self.ends.len()
    }

    /// True without a record.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.ends.is_empty()
    }

    /// Forgets all records and keeps the memory.
    pub fn clear(&mut self) {
        self.bytes.clear();
        self.ends.clear();
    }

    fn records(&self) -> impl Iterator<Item = &[u8]> {
        let starts = std::iter::once(0).chain(self.ends.iter().copied());
        starts
            .zip(self.ends.iter().copied())
            .map(|(start, end)| &self.bytes[start..end])
    }
}

impl Batch {
    /// The records that can be read behind the sequence that is `known` already.
    pub fn after(&self, known: Option<u64>) -> impl Iterator<Item = JournalRecord> {
        let records = self.records().filter_map(|bytes| {
            let (version, _) = place_of(bytes)?;
            decode(version, bytes).ok()
        });
        records.filter(move |record| known.is_none_or(|known| record.sequence > known))
    }
}

/// Version and sequence stand first in every version of the encoding.
fn place_of(bytes: &[u8]) -> Option<(u16, u64)> {
    let mut reader = Reader::new(bytes);
    Some((reader.u16().ok()?, reader.u64().ok()?))
}

impl Ledger {
    /// Takes a batch of the present generation in and makes it durable.
    ///
    /// # Errors
    /// [`LedgerError`] when SQLite refuses; then nothing of the batch was taken in.
    ///
    /// # Panics
    /// When [`Ledger::turn_to`] was never called.
    pub fn ingest(&mut self, batch: &Batch) -> Result<(), LedgerError> {
        let header = self.generation.expect("turn_to comes before ingest");
        let transaction = self
            .connection
            .transaction_with_behavior(TransactionBehavior::Immediate)?;
        let mut totals = self.totals.clone();
        let mut positions = self.positions.clone();
        let mut names = self.names.clone();
        let mut last = self.last_sequence;
        for bytes in batch.records() {
            let (version, sequence) = place_of(bytes).unwrap_or((0, next_after(last)));
            if last.is_some_and(|last| sequence <= last) {
                continue;
            }
            note_hole(&transaction, header.generation, last, sequence, &mut totals)?;
            match decode(version, bytes) {
                Ok(record) => Facts {
                    transaction: &transaction,
                    generation: header.generation,
                    totals: &mut totals,
                    positions: &mut positions,
                    names: &mut names,
                    identity: &self.identity,
                    record: &record,
                }
                .store()?,
                Err(why) => {
                    totals.unread += 1;
                    transaction
                        .prepare_cached("INSERT INTO unread_records VALUES (?1, ?2, ?3, ?4, ?5)")?
                        .execute(params![
                            signed(header.generation),
                            signed(sequence),
                            version,
                            why,
                            bytes
                        ])?;
                }
            }
            totals.records += 1;
            last = Some(sequence);
        }
        move_cursor(&transaction, header.generation, last, &self.totals, &totals)?;
        transaction.commit()?;
        self.totals = totals;
        self.positions = positions;
        self.names = names;
        self.last_sequence = last;
        Ok(())
    }
}

fn decode(version: u16, bytes: &[u8]) -> Result<JournalRecord, String> {
    // What an earlier build wrote is a part of what this one reads.
    if !(1..=RECORD_VERSION).contains(&version) {
        return Err(format!(
            "version {version}, this build reads 1 to {RECORD_VERSION}"
        ));
    }
    JournalRecord::from_bytes(bytes).map_err(|error| error.to_string())
}

const fn next_after(last: Option<u64>) -> u64 {
    match last {
        Some(last) => last + 1,
        None => 0,
    }
}

/// A journal begins with 0 or 1; any other jump is a hole.
fn note_hole(
    transaction: &Transaction<'_>,
    generation: u64,
    last: Option<u64>,
    sequence: u64,
    totals: &mut Totals,
) -> Result<(), LedgerError> {
    let expected = match last {
        Some(last) => last + 1,
        None => sequence.min(1),
    };
    if sequence > expected {
        totals.holes += sequence - expected;
        transaction.execute(
            "INSERT INTO journal_holes VALUES (?1, ?2, ?3)",
            params![signed(generation), signed(expected), signed(sequence - 1)],
        )?;
    }
    Ok(())
}

fn move_cursor(
    transaction: &Transaction<'_>,
    generation: u64,
    last: Option<u64>,
    before: &Totals,
    after: &Totals,
) -> Result<(), LedgerError> {
    transaction
        .prepare_cached(
            "UPDATE generations SET last_sequence = ?2, records = records + ?3,
             holes = holes + ?4, fill_duplicates = fill_duplicates + ?5,
             order_id_reuses = order_id_reuses + ?6,
             position_mismatches = position_mismatches + ?7 WHERE generation = ?1",
        )?
        .execute(params![
            signed(generation),
            last.map(signed),
            signed(after.records - before.records),
            signed(after.holes - before.holes),
            signed(after.fill_duplicates - before.fill_duplicates),
            signed(after.order_id_reuses - before.order_id_reuses),
            signed(after.position_mismatches - before.position_mismatches),
        ])?;
    Ok(())
}
