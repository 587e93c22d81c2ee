//! The rings against the plainest model of a ring: a queue of records.
//!
//! In: random sequences of pushes, pops, commits and deaths of the reader. Out: the same answers
//! from both. Never: threads (see `heap.rs` and `loom.rs`).
#![cfg(not(any(loom, miri)))]

use std::collections::VecDeque;

use ipc::{Cursor, RECORD_BYTES_MAX, heap_journal, heap_log, heap_ring};
use proptest::prelude::*;

mod directory;
use directory::Directory;

/// Slots of a record, as the specification has it.
fn slots(bytes: usize) -> usize {
    bytes.div_ceil(56).max(1)
}

/// A record that is recognised: its number, then bytes that follow from it.
fn record(number: u64, bytes: usize) -> Vec<u8> {
    let text = number.to_le_bytes().into_iter().cycle().enumerate();
    text.map(|(place, byte)| byte ^ (place / 8) as u8)
        .take(bytes)
        .collect()
}

#[derive(Clone, Debug)]
enum Act {
    Push {
        kind: u16,
        bytes: usize,
    },
    Pop,
    /// Commit up to this many of the records that were read.
    Commit(usize),
    Rewind,
    Reopen,
}

fn length() -> impl Strategy<Value = usize> {
    prop_oneof![4 => 0..120_usize, 2 => Just(56), 1 => 800..1100_usize]
}

fn acts() -> impl Strategy<Value = Vec<Act>> {
    let act = prop_oneof![
        6 => (any::<u16>(), length()).prop_map(|(kind, bytes)| Act::Push { kind, bytes }),
        5 => Just(Act::Pop),
        2 => (0..8_usize).prop_map(Act::Commit),
        1 => Just(Act::Rewind),
        1 => Just(Act::Reopen),
    ];
    prop::collection::vec(act, 1..200)
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn the_ring_answers_like_a_queue(log_slots in 0..6_u32, acts in acts()) {
        let capacity = 1 << log_slots;
        let (mut producer, mut consumer) = heap_ring(capacity);
        let mut model: VecDeque<(u16, Vec<u8>)> = VecDeque::new();
        let mut buffer = vec![0; 2048];
        for (number, act) in (0..).zip(acts) {
            match act {
                Act::Push { kind, bytes } => {
                    let payload = record(number, bytes);
                    let used: usize = model.iter().map(|(_, bytes)| slots(bytes.len())).sum();
                    match producer.try_push(kind, &payload) {
                        Ok(()) => {
                            prop_assert!(used + slots(bytes) <= capacity);
                            model.push_back((kind, payload));
                        }
                        // Progress is published in quarters, so the ring may look fuller by one.
                        Err(full) => {
                            prop_assert_eq!(full.never_fits(), slots(bytes) > capacity);
                            let quarter = (capacity / 4).max(1);
                            prop_assert!(used + slots(bytes) + quarter > capacity);
                        }
                    }
                }
                _ => {
                    let found = consumer.pop(&mut buffer).unwrap();
                    let wanted = model.pop_front();
                    prop_assert_eq!(found, wanted.as_ref().map(|(kind, bytes)| (*kind, &bytes[..])));
                }
            }
            let used: usize = model.iter().map(|(_, bytes)| slots(bytes.len())).sum();
            prop_assert_eq!(consumer.depth(), used);
            prop_assert!(producer.depth() >= used && producer.high_watermark() <= capacity);
        }
        prop_assert_eq!(producer.reader_faults(), 0);
    }

    #[test]
    fn the_journal_gives_everything_after_the_durable_cursor_once_more(
        log_slots in 2..6_u32, acts in acts(),
    ) {
        let directory = Directory::new("journal-model");
        let capacity = 1 << log_slots;
        let path = directory.path().join("1.segment");
        let layout = ipc::SegmentLayout {
            journal_slots: capacity, input_log_slots: 4, market_log_slots: 4, command_slots: 4,
            instrument_pages: 0, counters: 0, histograms: 0, identity: String::new(),
        };
        let made = ipc::Segment::create(&path, &layout, 0, 0, 1).unwrap();
        let mut producer = made.journal_producer().unwrap();
        let attach = || ipc::Segment::open(&path).unwrap().journal_consumer().unwrap();
        let mut consumer = attach();
        // All records that are not durable; the first `read` of them were given out.
        let mut model: VecDeque<Vec<u8>> = VecDeque::new();
        let mut cursors: VecDeque<Cursor> = VecDeque::new();
        let mut buffer = vec![0; 2048];
        for (number, act) in (0..).zip(acts) {
            let used: usize = model.iter().map(|bytes| slots(bytes.len())).sum();
            match act {
                Act::Push { bytes, .. } => {
                    let payload = record(number, bytes);
                    let fits = used + slots(bytes) <= capacity;
                    prop_assert_eq!(producer.try_push(&payload).is_ok(), fits);
                    if fits {
                        model.push_back(payload);
                    }
                }
                Act::Pop => {
                    let entry = consumer.read(&mut buffer).unwrap();
                    let wanted = model.get(cursors.len()).map(|bytes| &bytes[..]);
                    prop_assert_eq!(entry.map(|entry| entry.payload), wanted);
                    cursors.extend(entry.map(|entry| entry.cursor));
                }
                Act::Commit(count) => {
                    let count = count.min(cursors.len());
                    if let Some(cursor) = cursors.drain(..count).next_back() {
                        consumer.commit_durable(cursor).unwrap();
                        model.drain(..count);
                    }
                }
                Act::Rewind => {
                    consumer.rewind();
                    cursors.clear();
                }
                Act::Reopen => {
                    drop(consumer);
                    consumer = attach();
                    cursors.clear();
                }
            }
            let used: usize = model.iter().map(|bytes| slots(bytes.len())).sum();
            prop_assert_eq!(producer.depth(), used);
            prop_assert_eq!(usize::from(producer.fill_permille()), used * 1000 / capacity);
            prop_assert_eq!(consumer.is_drained().unwrap(), model.is_empty());
        }
        prop_assert_eq!(producer.reader_faults(), 0);
    }

    #[test]
    fn the_log_drops_what_finds_no_room_and_says_which(acts in acts()) {
        let (mut producer, mut consumer) = heap_log(16);
        let mut model: VecDeque<Vec<u8>> = VecDeque::new();
        let mut dropped = Vec::new();
        let mut buffer = vec![0; 2048];
        for (number, act) in (0..).zip(acts) {
            if let Act::Push { bytes, .. } = act {
                let payload = record(number, bytes);
                let used: usize = model.iter().map(|bytes| slots(bytes.len())).sum();
                let written = producer.push(number, &payload);
                prop_assert_eq!(written, used + slots(bytes) <= 16);
                if written { model.push_back(payload) } else { dropped.push(number) }
            } else if let Some(entry) = consumer.read(&mut buffer).unwrap() {
                prop_assert_eq!(entry.payload, &model.pop_front().unwrap()[..]);
                let cursor = entry.cursor;
                consumer.commit_durable(cursor).unwrap();
            }
            let drops = consumer.drops();
            prop_assert_eq!(drops.total, dropped.len() as u64);
            if let (Some(first), Some(last)) = (dropped.first(), dropped.last()) {
                prop_assert_eq!((drops.first, drops.last), (*first, *last));
            }
        }
    }
}

#[test]
fn the_longest_record_passes_and_one_byte_more_never_does() {
    let (mut producer, mut consumer) = heap_ring(2048);
    let longest = record(1, RECORD_BYTES_MAX);
    producer.try_push(1, &longest).unwrap();
    let mut buffer = vec![0; RECORD_BYTES_MAX];
    assert_eq!(consumer.pop(&mut buffer), Ok(Some((1, &longest[..]))));
    let over = producer
        .try_push(1, &vec![0; RECORD_BYTES_MAX + 56])
        .unwrap_err();
    assert!(over.never_fits());
    assert!(
        producer
            .try_push(1, &vec![0; RECORD_BYTES_MAX + 1])
            .is_err()
    );
    let (mut small, _) = heap_ring(16);
    assert!(
        small
            .try_push(1, &[0; 16 * 56 + 1])
            .unwrap_err()
            .never_fits()
    );
    assert!(small.try_push(1, &[0; 16 * 56]).is_ok());
    assert!(!small.try_push(1, &[]).unwrap_err().never_fits());
}

#[test]
fn a_short_buffer_is_an_error_that_consumes_nothing() {
    let (mut producer, mut consumer) = heap_journal(8);
    producer.try_push(&[3; 100]).unwrap();
    let mut short = [0; 99];
    assert!(matches!(
        consumer.read(&mut short),
        Err(ipc::RingError::Buffer {
            bytes: 100,
            buffer_bytes: 99,
            ..
        })
    ));
    let mut enough = [0; 100];
    assert_eq!(
        consumer.read(&mut enough).unwrap().unwrap().payload,
        [3; 100]
    );
}

#[test]
fn a_cursor_that_was_not_read_is_refused() {
    let (mut producer, mut consumer) = heap_journal(8);
    let (mut other_producer, mut other) = heap_journal(8);
    producer.try_push(b"one").unwrap();
    let mut buffer = [0; 8];
    for _ in 0..3 {
        other_producer.try_push(b"two").unwrap();
        other.read(&mut buffer).unwrap().unwrap();
    }
    consumer.read(&mut buffer).unwrap().unwrap();
    assert!(matches!(
        consumer.commit_durable(other.position()),
        Err(ipc::RingError::Cursor {
            cursor: 3,
            lowest: 0,
            highest: 1
        })
    ));
    let first = consumer.position();
    consumer.commit_durable(first).unwrap();
    assert!(
        consumer.commit_durable(other.durable()).is_err(),
        "never back"
    );
}
