//! The recorder's own checks: how full the journal is, and what became of an intent.
//!
//! In: a small journal. Out: levels as the engine is told them. Never: a reader that helps.

use super::*;
use crate::telemetry::Telemetry;
use ipc::{JournalConsumer, Segment, SegmentLayout, heap_journal};
use market::record::WalletRecord;
use market::{Money, UtcMs};

const SLOTS: usize = 256;

/// A recorder over a small journal, with its cells in a segment that nobody else sees.
fn recorder(name: &str) -> (Recorder, JournalConsumer) {
    let path = std::env::temp_dir().join(format!("recorder-{name}-{}", std::process::id()));
    let _ = std::fs::remove_file(&path);
    let segment = Segment::create(&path, &SegmentLayout::default(), 1, 1, 1).unwrap();
    std::fs::remove_file(&path).unwrap();
    let cells = EngineCells::new(Telemetry(&segment), &[], &[]).unwrap();
    let (producer, consumer) = heap_journal(SLOTS);
    (Recorder::new(producer, cells, 7), consumer)
}

fn note(recorder: &mut Recorder) {
    let record = Record::Wallet(WalletRecord {
        wallet: Money::ZERO,
        event_time: UtcMs(0),
    });
    let mut bytes = [0; RECORD_BYTES_MAX];
    let length = record.to_bytes(&mut bytes).unwrap();
    recorder.record(&record, &bytes[..length]);
}

#[test]
fn a_slowly_filling_journal_is_told_as_high_and_then_as_full() {
    let (mut recorder, mut reader) = recorder("levels");
    let mut told = Vec::new();
    while recorder.journal.holes().total == 0 {
        note(&mut recorder);
        told.extend(recorder.crossed_level());
    }
    assert_eq!(told, [JOURNAL_HIGH_PERMILLE, JOURNAL_FULL_PERMILLE]);
    let mut buffer = [0; RECORD_BYTES_MAX];
    while let Some(entry) = reader.read(&mut buffer).unwrap() {
        let cursor = entry.cursor;
        reader.commit_durable(cursor).unwrap();
    }
    assert_eq!(recorder.crossed_level(), Some(0));
    assert_eq!(recorder.crossed_level(), None);
}

#[test]
fn full_is_told_while_the_largest_record_no_longer_fits() {
    let (mut recorder, _reader) = recorder("largest");
    while recorder.crossed_level() != Some(JOURNAL_FULL_PERMILLE) {
        let largest = recorder.journal.free_slots() >= RECORD_SLOTS_MAX;
        assert!(largest, "not full, and no room");
        note(&mut recorder);
    }
}

#[test]
fn stamps_are_of_the_present_step_and_its_first_approved_order() {
    let (recorder, _reader) = recorder("stamps");
    let (clock, _) = TickClock::of_kernel();
    let mut recorder = recorder.with_clock(clock);
    recorder.begin(1, MonoNs(1));
    for stage in [
        Stage::Booked,
        Stage::Decided,
        Stage::Decided,
        Stage::Approved,
    ] {
        recorder.stage(stage);
    }
    let first = recorder.stamps();
    assert!(first.booked.is_set() && first.booked <= first.decided);
    assert!(first.decided <= first.approved);
    // A second order of the step, and the step's end.
    for stage in [Stage::Decided, Stage::Approved, Stage::Decided] {
        recorder.stage(stage);
    }
    assert_eq!(recorder.stamps(), first);
    recorder.begin(2, MonoNs(2));
    assert_eq!(recorder.stamps(), StepStamps::default());
    recorder.stage(Stage::Booked);
    recorder.stage(Stage::Decided);
    let early = recorder.stamps();
    while recorder.stamps() == early {
        recorder.stage(Stage::Decided);
    }
    let late = recorder.stamps();
    assert!(late.decided > early.decided && !late.approved.is_set());
}

#[test]
fn a_recorder_without_a_clock_stamps_nothing() {
    let (mut recorder, _reader) = recorder("no-clock");
    recorder.begin(1, MonoNs(1));
    recorder.stage(Stage::Booked);
    assert_eq!(recorder.stamps(), StepStamps::default());
}
