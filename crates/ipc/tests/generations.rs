//! The directory of an account: which starts lie there, what may go, who lives.
//!
//! In: directories with segments in them. Out: order, refusals. Never: a sleep.
#![cfg(not(any(loom, miri)))]

use ipc::{
    InstanceLock, LockError, RemoveError, Segment, SegmentError, SegmentLayout, list_generations,
    next_generation, remove_drained, segment_path,
};

mod directory;
use directory::Directory;

fn small() -> SegmentLayout {
    SegmentLayout {
        journal_slots: 4,
        input_log_slots: 4,
        market_log_slots: 4,
        command_slots: 4,
        ..SegmentLayout::default()
    }
}

#[test]
fn generations_are_listed_oldest_first_and_strangers_are_left_out() {
    let directory = Directory::new("list");
    let missing = directory.path().join("nobody");
    assert_eq!(list_generations(&missing).unwrap(), []);
    assert_eq!(next_generation(&missing).unwrap(), 1);
    for generation in [10, 9, 100] {
        let path = segment_path(directory.path(), generation);
        Segment::create(&path, &small(), 1, 2, generation).unwrap();
    }
    for name in [
        "lock",
        "x.segment",
        "+3.segment",
        ".segment",
        "7.segment.unfinished-1",
    ] {
        std::fs::write(directory.path().join(name), b"").unwrap();
    }
    let listed = list_generations(directory.path()).unwrap();
    let numbers: Vec<u64> = listed.iter().map(|generation| generation.number).collect();
    assert_eq!(numbers, [9, 10, 100]);
    assert_eq!(next_generation(directory.path()).unwrap(), 101);
}

#[test]
fn a_segment_goes_only_when_every_ring_is_durable() {
    let directory = Directory::new("drained");
    let path = segment_path(directory.path(), 1);
    let made = Segment::create(&path, &small(), 1, 2, 1).unwrap();
    made.journal_producer().unwrap().try_push(b"order").unwrap();
    made.market_log_producer().unwrap().push(1, b"depth");
    drop(made);
    let blocked_by = |wanted: &str| match remove_drained(&path) {
        Err(RemoveError::NotDrained { ring, .. }) => assert_eq!(ring, wanted),
        other => panic!("{other:?}"),
    };
    blocked_by("journal");
    let opened = Segment::open(&path).unwrap();
    let mut journal = opened.journal_consumer().unwrap();
    let mut buffer = [0; 64];
    let cursor = journal.read(&mut buffer).unwrap().unwrap().cursor;
    assert!(matches!(
        remove_drained(&path),
        Err(RemoveError::Segment(SegmentError::ReaderAlive { .. }))
    ));
    drop((journal, opened));
    blocked_by("journal");
    let opened = Segment::open(&path).unwrap();
    let mut journal = opened.journal_consumer().unwrap();
    journal.read(&mut buffer).unwrap().unwrap();
    journal.commit_durable(cursor).unwrap();
    drop((journal, opened));
    blocked_by("market log");
    let opened = Segment::open(&path).unwrap();
    let mut market_log = opened.market_log_consumer().unwrap();
    let cursor = market_log.read(&mut buffer).unwrap().unwrap().cursor;
    market_log.commit_durable(cursor).unwrap();
    drop((market_log, opened));
    remove_drained(&path).unwrap();
    assert!(!path.exists());
}

#[test]
fn each_end_is_handed_out_once_and_only_to_its_side() {
    let directory = Directory::new("ends");
    let path = segment_path(directory.path(), 1);
    let made = Segment::create(&path, &small(), 1, 2, 1).unwrap();
    let opened = Segment::open(&path).unwrap();
    assert!(matches!(
        opened.journal_producer(),
        Err(SegmentError::Maker { .. })
    ));
    assert!(matches!(
        opened.command_consumer(),
        Err(SegmentError::Maker { .. })
    ));
    assert!(matches!(
        opened.account_page_writer(),
        Err(SegmentError::Maker { .. })
    ));
    assert!(matches!(
        opened.instrument_page_writer(0),
        Err(SegmentError::Maker { .. })
    ));
    assert!(opened.counters().register("x_total").is_err());
    let _producer = made.journal_producer().unwrap();
    assert!(matches!(
        made.journal_producer(),
        Err(SegmentError::Taken { .. })
    ));
    let _page = made.instrument_page_writer(0).unwrap();
    assert!(made.instrument_page_writer(1).is_ok());
    assert!(matches!(
        made.instrument_page_writer(0),
        Err(SegmentError::Taken { .. })
    ));
    let _consumer = opened.journal_consumer().unwrap();
    assert!(matches!(
        opened.journal_consumer(),
        Err(SegmentError::Taken { .. })
    ));
    opened.latch_kill_keeping_positions();
    assert!(made.kill_latched() && !made.kill_closes_positions());
    let word = made.kill_word();
    made.latch_kill();
    assert!(opened.kill_latched() && opened.kill_closes_positions());
    // It was latched again since: the reset of the first latch does not clear it.
    assert!(!opened.clear_kill(word) && made.kill_latched());
    let word = opened.kill_word();
    made.latch_kill_keeping_positions();
    assert!(made.kill_closes_positions() && !made.clear_kill(word));
    assert!(made.clear_kill(made.kill_word()) && !opened.kill_latched());
    made.latch_kill();
    assert!(opened.kill_latched());
}

#[test]
fn names_are_registered_once_within_their_bounds() {
    let directory = Directory::new("names");
    let path = segment_path(directory.path(), 1);
    let layout = SegmentLayout {
        counters: 2,
        ..small()
    };
    let made = Segment::create(&path, &layout, 1, 2, 1).unwrap();
    let counters = made.counters();
    counters
        .register(&"n".repeat(ipc::NAME_BYTES_MAX))
        .unwrap()
        .set(7);
    for name in [String::new(), "n".repeat(ipc::NAME_BYTES_MAX + 1)] {
        assert!(matches!(
            counters.register(&name),
            Err(ipc::RegisterError::Name(_))
        ));
    }
    counters.register("b_total").unwrap();
    assert!(matches!(
        counters.register("b_total"),
        Err(ipc::RegisterError::Twice(_))
    ));
    let full = counters.register("c_total");
    assert!(matches!(
        full,
        Err(ipc::RegisterError::Full { cells: 2, .. })
    ));
    let listed: Vec<u64> = counters.iter().map(|(_, value)| value).collect();
    assert_eq!(listed, [7, 0]);
}

#[test]
fn one_instance_lives_and_the_lock_ends_with_it() {
    let directory = Directory::new("lock");
    let path = directory.path().join("lock");
    let held = InstanceLock::acquire(&path).unwrap();
    match InstanceLock::acquire(&path) {
        Err(LockError::Held { holder, .. }) => {
            assert_eq!(holder, std::process::id().to_string());
        }
        other => panic!("{other:?}"),
    }
    drop(held);
    InstanceLock::acquire(&path).unwrap();
}

/// A file that takes no writes, of whoever asks: what a disk that is read-only looks like.
#[test]
fn a_lock_on_a_disk_that_takes_no_writes_is_a_lock_all_the_same() {
    let path = std::path::Path::new("/sys/kernel/uevent_seqnum");
    let refused = std::fs::OpenOptions::new().write(true).open(path);
    assert!(refused.is_err(), "every Linux has it, and nobody writes it");
    let held = InstanceLock::acquire(path).unwrap();
    let second = InstanceLock::acquire(path);
    assert!(matches!(second, Err(LockError::Held { .. })), "{second:?}");
    drop(held);
    InstanceLock::acquire(path).unwrap();
    let nowhere = InstanceLock::acquire(&path.join("nothing"));
    assert!(matches!(nowhere, Err(LockError::Io { .. })), "{nowhere:?}");
}
