//! The engine's observer: every fact becomes a journal record.
//!
//! In: records and non-actions of one step. Out: encoded records in the journal ring, counts.
//! Never: a wait; a record that finds no room is counted as a hole (I26), and the fill level has
//! made the engine reduce long before. An intent that found none is remembered until the next
//! step, so that its order is held back (I25).

use crate::account_log::is_note;
use crate::engine_host::CheckpointQueues;
use crate::telemetry::EngineCells;
use crate::tick_clock::{TickClock, Ticks};
use engine::event::{JOURNAL_FULL_PERMILLE, JOURNAL_HIGH_PERMILLE};
use engine::outbox::REQUESTS_MAX;
use engine::{Observer, Stage};
use ipc::JournalProducer;
use market::buggify::{Point, happens};
use market::record::{RECORD_BYTES_MAX, RECORD_HEADER_BYTES, RECORD_VERSION, Record, RecordHeader};
use market::{ClientOrderId, InstrumentId, MonoNs, NonAction, StrategyId, UtcNs, Wire};
use std::sync::Arc;

/// Slots of the largest record; a slot holds 56 bytes.
const RECORD_SLOTS_MAX: usize = RECORD_BYTES_MAX.div_ceil(56);

/// Thresholds at which the engine is told how full the journal is.
const LEVELS: [u16; 2] = [JOURNAL_HIGH_PERMILLE, JOURNAL_FULL_PERMILLE];

/// When the present step passed its stations; unset where it has not been, or without a clock.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct StepStamps {
    /// The input was taken in.
    pub booked: Ticks,
    /// The strategies had decided; of a step with orders, before the first that risk approved.
    pub decided: Ticks,
    /// Risk had approved the first order.
    pub approved: Ticks,
}

/// Writes the journal.
pub struct Recorder {
    journal: JournalProducer,
    cells: EngineCells,
    config_hash: u64,
    sequence: u64,
    input_sequence: u64,
    time: MonoNs,
    /// How many of [`LEVELS`] the journal had reached when the engine was last told.
    reached: usize,
    /// Intents of this step that found no room; as many as a step has requests.
    lost_intents: Vec<ClientOrderId>,
    /// UTC minus monotonic time; none before the first clock sample.
    utc_offset_ns: Option<i64>,
    clock: Option<TickClock>,
    /// Where records go that become lines of the log.
    notes: Option<Arc<CheckpointQueues>>,
    stamps: StepStamps,
    /// Room for one record with its header.
    entry: [u8; RECORD_BYTES_MAX],
}

impl Recorder {
    /// Starts at sequence 1.
    #[must_use]
    pub fn new(journal: JournalProducer, cells: EngineCells, config_hash: u64) -> Self {
        Self {
            journal,
            cells,
            config_hash,
            sequence: 0,
            input_sequence: 0,
            time: MonoNs(0),
            reached: 0,
            lost_intents: Vec::with_capacity(REQUESTS_MAX),
            utc_offset_ns: None,
            clock: None,
            notes: None,
            stamps: StepStamps::default(),
            entry: [0; RECORD_BYTES_MAX],
        }
    }

    /// Stamps the stations of each step with this clock.
    #[must_use]
    pub fn with_clock(mut self, clock: TickClock) -> Self {
        self.clock = Some(clock);
        self
    }

    /// Hands records that become lines of the log to the cold thread.
    #[must_use]
    pub fn with_notes(mut self, queues: Arc<CheckpointQueues>) -> Self {
        self.notes = Some(queues);
        self
    }

    /// The stations of the step that [`begin`](Self::begin) began.
    #[inline]
    #[must_use]
    pub fn stamps(&self) -> StepStamps {
        self.stamps
    }

    /// What follows belongs to this input.
    pub fn begin(&mut self, input_sequence: u64, time: MonoNs) {
        self.input_sequence = input_sequence;
        self.time = time;
        self.stamps = StepStamps::default();
        self.lost_intents.clear();
    }

    /// True when the order's intent of this step is not in the journal: it must not be sent.
    #[must_use]
    pub fn has_lost_intent(&self, order: &ClientOrderId) -> bool {
        self.lost_intents.contains(order)
    }

    /// The engine learned the time of day.
    pub fn set_utc(&mut self, utc: UtcNs, time: MonoNs) {
        let time = i64::try_from(time.0).unwrap_or(i64::MAX);
        self.utc_offset_ns = Some(utc.0.saturating_sub(time));
    }

    /// The journal's level, when it has crossed a threshold since the last call.
    pub fn crossed_level(&mut self) -> Option<u16> {
        let mut level = level_of(&mut self.journal);
        if happens(Point::JournalHigh) {
            level = level.max(JOURNAL_HIGH_PERMILLE);
        }
        let reached = LEVELS.iter().filter(|one| level >= **one).count();
        (std::mem::replace(&mut self.reached, reached) != reached).then_some(level)
    }

    fn utc(&self) -> UtcNs {
        let time = i64::try_from(self.time.0).unwrap_or(i64::MAX);
        UtcNs(
            self.utc_offset_ns
                .map_or(0, |offset| time.saturating_add(offset)),
        )
    }
}

impl Observer for Recorder {
    #[inline]
    fn stage(&mut self, stage: Stage) {
        let Some(clock) = &self.clock else { return };
        let stamps = &mut self.stamps;
        let place = match stage {
            Stage::Booked => &mut stamps.booked,
            // The first approved order is the one whose way is told.
            _ if stamps.approved.is_set() => return,
            Stage::Decided => &mut stamps.decided,
            Stage::Approved => &mut stamps.approved,
        };
        *place = clock.now();
    }

    fn record(&mut self, record: &Record, encoded: &[u8]) {
        self.sequence += 1;
        if let Record::Configured(one) = record {
            self.config_hash = one.config_hash;
        }
        let header = RecordHeader {
            version: RECORD_VERSION,
            sequence: self.sequence,
            input_sequence: self.input_sequence,
            time: self.time,
            utc: self.utc(),
            config_hash: self.config_hash,
        };
        let length = RECORD_HEADER_BYTES + encoded.len();
        let entry = &mut self.entry[..length];
        header
            .to_bytes(entry)
            .expect("a header has RECORD_HEADER_BYTES");
        entry[RECORD_HEADER_BYTES..].copy_from_slice(encoded);
        let is_lost = matches!(record, Record::Intent(_)) && happens(Point::IntentLost);
        if !is_lost && self.journal.try_push(entry).is_ok() {
            self.cells.journal_records.add(1);
        } else {
            self.journal.note_hole(self.sequence);
            // Intents and requests come in pairs: beyond this many no request found room either.
            let lost = match record {
                Record::Intent(intent) => Some(intent.order.client_order_id),
                Record::AmendIntent(intent) => Some(intent.amend.order.client_order_id),
                _ => None,
            };
            if let Some(id) = lost
                && self.lost_intents.len() < REQUESTS_MAX
            {
                self.lost_intents.push(id);
            }
        }
        self.cells.count(record);
        if let Some(queues) = self.notes.as_ref().filter(|_| is_note(record)) {
            // Without room the journal has it all the same.
            let _ = queues.notes.push(*record);
        }
    }

    fn non_action(&mut self, _: StrategyId, _: InstrumentId, reason: NonAction) {
        self.cells.count_non_action(reason);
    }
}

/// Per mille written and not durable. Full is where the largest record finds no room, not where
/// the last slot is taken: a record of several slots would never get there.
fn level_of(journal: &mut JournalProducer) -> u16 {
    if journal.free_slots() < RECORD_SLOTS_MAX {
        JOURNAL_FULL_PERMILLE
    } else {
        journal.fill_permille()
    }
}

#[cfg(test)]
mod tests;
