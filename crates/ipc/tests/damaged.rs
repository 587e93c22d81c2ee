//! Files that are no segment, or no longer, and rings that the other side has spoilt.
//!
//! In: a good segment and one damage to it. Out: an error that says what was found and what is
//! wanted. Never: a crash, a read out of bounds, a loop without end.
#![cfg(not(any(loom, miri)))]
#![allow(
    clippy::unwrap_used,
    reason = "a test stops at whatever it did not expect"
)]

use std::fs::{self, OpenOptions};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use ipc::{Damage, LayoutError, PageError, RingError, Segment, SegmentError, SegmentLayout};
use proptest::prelude::*;

mod directory;
use directory::Directory;

const HEADER_BYTES: u64 = 4096;
/// Two lines each for writer and reader stand before a ring's first slot.
const JOURNAL_SLOTS_AT: u64 = HEADER_BYTES + 4 * 64;

fn layout() -> SegmentLayout {
    SegmentLayout {
        journal_slots: 16,
        input_log_slots: 16,
        market_log_slots: 16,
        command_slots: 16,
        instrument_pages: 2,
        counters: 4,
        histograms: 1,
        identity: "paper/simulated/main".into(),
    }
}

fn make(path: &Path) -> Segment {
    Segment::create(path, &layout(), 1, 2, 1).unwrap()
}

/// Writes into the file as another process would: those who map it see it.
fn poke(path: &Path, at: u64, bytes: &[u8]) {
    let file = OpenOptions::new().write(true).open(path).unwrap();
    file.write_all_at(bytes, at).unwrap();
}

fn damage_after(name: &str, spoil: impl FnOnce(&Path)) -> (Damage, String) {
    let directory = Directory::new(name);
    let path = directory.path().join("1.segment");
    drop(make(&path));
    spoil(&path);
    let error = Segment::open(&path).err().expect("it is damaged");
    let text = error.to_string();
    assert!(text.contains("1.segment"), "{text}");
    match error {
        SegmentError::Damaged { damage, .. } => (damage, text),
        other => panic!("{other}"),
    }
}

#[test]
fn each_damage_of_a_file_is_named() {
    let length = |path: &Path| fs::metadata(path).unwrap().len();
    let resize = |path: &Path, bytes| {
        let file = OpenOptions::new().write(true).open(path).unwrap();
        file.set_len(bytes).unwrap();
    };
    let (damage, _) = damage_after("empty", |path| resize(path, 0));
    assert_eq!(
        damage,
        Damage::Truncated {
            found: 0,
            wanted: HEADER_BYTES
        }
    );

    let (damage, _) = damage_after("odd", |path| resize(path, length(path) - 1));
    assert!(matches!(damage, Damage::Truncated { .. }));

    let (damage, text) = damage_after("half", |path| resize(path, length(path) / 128 * 64));
    assert!(matches!(damage, Damage::Truncated { found, wanted } if found < wanted));
    assert!(text.contains("truncated or torn"), "{text}");

    let (damage, _) = damage_after("long", |path| resize(path, length(path) + 64));
    assert!(matches!(damage, Damage::Truncated { found, wanted } if found == wanted + 64));

    let (damage, text) = damage_after("foreign", |path| poke(path, 0, b"SQLite f"));
    assert_eq!(
        damage,
        Damage::Foreign {
            found: u64::from_le_bytes(*b"SQLite f")
        }
    );
    assert!(text.contains("not a Fulcrum segment"), "{text}");

    let (damage, _) = damage_after("zero", |path| poke(path, 0, &[0; 4096]));
    assert_eq!(damage, Damage::Foreign { found: 0 });

    let (damage, text) = damage_after("older", |path| poke(path, 8, &5_u64.to_le_bytes()));
    assert!(matches!(damage, Damage::OtherLayout { found: 5, .. }));
    assert!(text.contains("another memory layout"), "{text}");

    for at in [16, 24, 32, 40, 56, 64, 72, 120, 128, 250] {
        let (damage, _) = damage_after("header", |path| poke(path, at, &[0xA5]));
        assert!(
            matches!(damage, Damage::Checksum { .. }),
            "byte {at}: {damage}"
        );
    }
}

#[test]
fn a_missing_file_and_a_taken_name_are_told_apart() {
    let directory = Directory::new("missing");
    let path = directory.path().join("1.segment");
    let missing = Segment::open(&path).err().unwrap().to_string();
    assert!(missing.contains("open"), "{missing}");
    let first = make(&path);
    first.counters().register("kept_total").unwrap().add(9);
    let taken = Segment::create(&path, &layout(), 1, 2, 1).err().unwrap();
    assert!(matches!(taken, SegmentError::Io { .. }), "{taken}");
    assert_eq!(
        Segment::open(&path)
            .unwrap()
            .counters()
            .iter()
            .next()
            .unwrap()
            .1,
        9
    );
    let files: Vec<PathBuf> = fs::read_dir(directory.path())
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .collect();
    assert_eq!(files, [path], "nothing unfinished is left behind");
}

#[test]
fn impossible_sizes_are_refused_before_anything_is_made() {
    let directory = Directory::new("sizes");
    let path = directory.path().join("1.segment");
    let refused = |layout: SegmentLayout| match Segment::create(&path, &layout, 1, 2, 1) {
        Err(SegmentError::Layout { source, .. }) => source,
        _ => panic!("{layout:?} was not refused"),
    };
    for journal_slots in [0, 2, 3, 100, 1 << 27, usize::MAX] {
        let source = refused(SegmentLayout {
            journal_slots,
            ..layout()
        });
        assert!(matches!(
            source,
            LayoutError::Slots {
                ring: "journal",
                ..
            }
        ));
    }
    let source = refused(SegmentLayout {
        counters: usize::MAX,
        ..layout()
    });
    assert!(matches!(
        source,
        LayoutError::Count {
            what: "counters",
            ..
        }
    ));
    refused(SegmentLayout {
        identity: "x".repeat(129),
        ..layout()
    });
    assert!(!path.exists());
}

#[test]
fn each_damage_of_a_ring_is_named_and_consumes_nothing() {
    let stamp = |position: u64, bytes: u64| (((position + 1) << 33) | (bytes << 16)).to_le_bytes();
    let at = |slot: u64, word: u64| JOURNAL_SLOTS_AT + slot * 64 + word * 8;
    let cases: [(&str, u64, [u8; 8], RingError); 5] = [
        (
            "a lap too far",
            at(0, 7),
            stamp(16, 100),
            RingError::Sequence {
                position: 0,
                expected: 1,
                found: 17,
            },
        ),
        (
            "longer than the ring",
            at(0, 7),
            stamp(0, 16 * 56 + 1),
            RingError::Length {
                position: 0,
                bytes: 897,
                bytes_max: 896,
            },
        ),
        (
            "tail of another record",
            at(1, 7),
            stamp(1, 43),
            RingError::Torn {
                position: 0,
                slot: 1,
            },
        ),
        (
            "longer than its tail",
            at(0, 7),
            stamp(0, 101),
            RingError::Torn {
                position: 0,
                slot: 1,
            },
        ),
        (
            "tail never written",
            at(1, 7),
            [0; 8],
            RingError::Torn {
                position: 0,
                slot: 1,
            },
        ),
    ];
    for (name, place, bytes, wanted) in cases {
        let directory = Directory::new("ring");
        let path = directory.path().join("1.segment");
        let made = make(&path);
        made.journal_producer()
            .unwrap()
            .try_push(&[1; 100])
            .unwrap();
        poke(&path, place, &bytes);
        let mut journal = Segment::open(&path).unwrap().journal_consumer().unwrap();
        let mut buffer = [0; 1024];
        for _ in 0..2 {
            assert_eq!(journal.read(&mut buffer), Err(wanted), "{name}");
        }
        assert_eq!(journal.position().get(), 0, "{name}");
    }
}

#[test]
fn impossible_cursors_are_refused_or_not_believed() {
    let directory = Directory::new("cursors");
    let path = directory.path().join("1.segment");
    let made = make(&path);
    let mut producer = made.journal_producer().unwrap();
    producer.try_push(b"one").unwrap();
    let freed_at = HEADER_BYTES + 2 * 64;
    for freed in [2, 17, u64::MAX] {
        poke(&path, freed_at, &freed.to_le_bytes());
        let refused = Segment::open(&path)
            .unwrap()
            .journal_consumer()
            .err()
            .unwrap();
        assert!(
            matches!(
                &refused,
                SegmentError::Ring {
                    source: RingError::Cursor { .. },
                    ..
                }
            ),
            "{refused}"
        );
        let faults = producer.reader_faults();
        assert_eq!(producer.depth(), 1, "the writer goes on with what it knows");
        assert_eq!(producer.reader_faults(), faults + 1);
    }
    poke(&path, HEADER_BYTES, &u64::MAX.to_le_bytes());
    assert!(Segment::open(&path).unwrap().journal_consumer().is_err());
}

#[test]
fn a_page_longer_than_a_page_is_damaged_and_one_longer_than_the_buffer_waits_for_another() {
    let directory = Directory::new("page");
    let path = directory.path().join("1.segment");
    let made = make(&path);
    let text = b"what the account has";
    made.account_page_writer().unwrap().write(text);
    let opened = Segment::open(&path).unwrap();
    let (page, mut buffer) = (opened.account_page(), [0; 4_096]);
    let bytes = text.len();
    let short = PageError::Buffer {
        bytes,
        buffer_bytes: bytes - 1,
    };
    assert_eq!(page.read(&mut buffer[..bytes - 1]), Err(short));
    assert_eq!(page.read(&mut buffer[..bytes]), Ok(Some(bytes)));
    assert_eq!(&buffer[..bytes], text);

    // A line with version and length stands before the text.
    let file = fs::read(&path).unwrap();
    let at = file.windows(bytes).position(|window| window == text);
    let length_at = at.unwrap() as u64 - 64 + 8;
    for found in [1_025, u64::MAX] {
        poke(&path, length_at, &found.to_le_bytes());
        let bytes_max = 1_024;
        let damaged = PageError::Length { found, bytes_max };
        assert_eq!(page.read(&mut buffer), Err(damaged));
    }
    poke(&path, length_at, &1_024_u64.to_le_bytes());
    assert_eq!(page.read(&mut buffer), Ok(Some(1_024)));
    // The version is odd while somebody writes: nothing is made up.
    poke(&path, length_at - 8, &7_u64.to_le_bytes());
    assert_eq!(page.read(&mut buffer), Err(PageError::Busy));
    assert_eq!(page.version(), 7);
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn no_words_in_the_rings_and_cells_can_break_either_side(
        pokes in prop::collection::vec((0..4096_u64, prop_oneof![
            any::<u64>(),
            // Near what the ring itself would write.
            (0..40_u64, 0..1200_u64, 0..3_u64).prop_map(|(p, b, k)| p << 33 | b << 16 | k),
            0..70_u64,
        ]), 1..40),
        lengths in prop::collection::vec(0..300_usize, 0..12),
    ) {
        let directory = Directory::new("hostile");
        let path = directory.path().join("1.segment");
        let made = make(&path);
        let opened = Segment::open(&path).unwrap();
        made.counters().register("some_total").unwrap().add(1);
        made.histograms().register("some_seconds").unwrap().record(5);
        made.account_page_writer().unwrap().write(b"page");
        let mut producer = made.journal_producer().unwrap();
        let mut commands = opened.command_producer().unwrap();
        let words = (made.bytes() - HEADER_BYTES) / 8;
        for ((place, word), length) in pokes.iter().zip(lengths.iter().cycle().chain([&0])) {
            let _ = producer.try_push(&vec![1; *length]);
            let _ = commands.try_push(1, &vec![1; *length]);
            poke(&path, HEADER_BYTES + place % words * 8, &word.to_le_bytes());
        }
        let mut buffer = [0; 2048];
        if let Ok(mut journal) = opened.journal_consumer() {
            for _ in 0..64 {
                let Ok(Some(entry)) = journal.read(&mut buffer) else { break };
                let cursor = entry.cursor;
                journal.commit_durable(cursor).unwrap();
            }
            let _ = (journal.depth(), journal.is_drained(), journal.drops());
        }
        if let Ok(mut consumer) = made.command_consumer() {
            for _ in 0..64 {
                let Ok(Some(_)) = consumer.pop(&mut buffer) else { break };
            }
        }
        let _ = (producer.try_push(&[2; 100]), producer.fill_permille());
        drop((commands, opened));
        let opened = Segment::open(&path).unwrap();
        if let Ok(mut commands) = opened.command_producer() {
            let _ = commands.try_push(1, &[3; 100]);
        }
        let _ = opened.account_page().read(&mut buffer);
        let _ = opened.counters().iter().count();
        for (_, snapshot) in opened.histograms().iter() {
            let _ = (snapshot.quantile_ns(9_990), snapshot.buckets());
        }
    }
}
