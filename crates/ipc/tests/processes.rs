//! Two real processes over one segment; one of them is killed in the middle.
//!
//! In: this test binary, started again as its own child. Out: what was durable is neither lost nor
//! given twice. Never: a wait without a deadline.
#![cfg(not(any(loom, miri)))]
#![allow(
    clippy::unwrap_used,
    reason = "a test stops at whatever it did not expect"
)]

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command};
use std::time::{Duration, Instant};

use ipc::{HotpathState, JournalConsumer, RingFull, Segment, SegmentError, SegmentLayout};

mod directory;
use directory::Directory;

const SEGMENT: &str = "FULCRUM_IPC_TEST_SEGMENT";
const RECORDS: u64 = 20_000;

fn layout() -> SegmentLayout {
    SegmentLayout {
        journal_slots: 256,
        input_log_slots: 4,
        market_log_slots: 4,
        command_slots: 16,
        ..SegmentLayout::default()
    }
}

fn child(name: &str, segment: &Path) -> Killed {
    let program = std::env::current_exe().expect("a test knows its file");
    let child = Command::new(program)
        .args(["--exact", name, "--ignored", "--nocapture"])
        .env(SEGMENT, segment)
        .spawn()
        .expect("this binary can be started again");
    Killed(child)
}

/// A child that does not outlive its test.
struct Killed(Child);

impl Killed {
    /// Ends it as `kill -9` does.
    fn kill(&mut self) {
        self.0.kill().unwrap();
        self.0.wait().unwrap();
    }
}

impl Drop for Killed {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// None when nobody started this process as a child.
fn segment_of_parent() -> Option<PathBuf> {
    std::env::var_os(SEGMENT).map(PathBuf::from)
}

fn until(what: &str, mut condition: impl FnMut() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(60);
    while !condition() {
        assert!(Instant::now() < deadline, "in vain: {what}");
        std::thread::yield_now();
    }
}

/// One to four slots that follow from the number.
fn record(number: u64) -> Vec<u8> {
    number.to_le_bytes().repeat(1 + (number % 25) as usize)
}

fn number_of(payload: &[u8]) -> u64 {
    u64::from_le_bytes(payload[..8].try_into().unwrap())
}

/// Reads on, makes every fifth record durable: first in the ledger (a file), then in the ring.
fn drain(journal: &mut JournalConsumer, ledger: &Path, mut goes_on: impl FnMut(u64) -> bool) {
    let mut buffer = [0; 256];
    let mut last = Instant::now();
    loop {
        let Some(entry) = journal.read(&mut buffer).unwrap() else {
            assert!(
                last.elapsed() < Duration::from_secs(60),
                "in vain: a record"
            );
            std::thread::yield_now();
            continue;
        };
        last = Instant::now();
        let number = number_of(entry.payload);
        assert_eq!(entry.payload, record(number));
        let cursor = entry.cursor;
        if number % 5 == 4 {
            // The last durable record; a rename is whole or not at all.
            let next = ledger.with_extension("next");
            fs::write(&next, number.to_string()).unwrap();
            fs::rename(&next, ledger).unwrap();
            journal.commit_durable(cursor).unwrap();
        }
        if !goes_on(number) {
            return;
        }
    }
}

fn durable_in(ledger: &Path) -> Option<u64> {
    fs::read_to_string(ledger).ok()?.parse().ok()
}

#[test]
#[ignore = "the reader that the next test starts and kills"]
fn child_reads_until_it_is_killed() {
    let Some(path) = segment_of_parent() else {
        return;
    };
    let segment = Segment::open(&path).unwrap();
    let mut journal = segment.journal_consumer().unwrap();
    drain(&mut journal, &path.with_extension("ledger"), |_| true);
}

#[test]
fn a_killed_reader_leaves_no_hole_and_no_duplicate_behind_the_durable_cursor() {
    let directory = Directory::new("killed-reader");
    let path = directory.path().join("1.segment");
    let ledger = path.with_extension("ledger");
    let made = Segment::create(&path, &layout(), 1, 2, 1).unwrap();
    let mut producer = made.journal_producer().unwrap();
    let mut push = |number| match producer.try_push(&record(number)) {
        Ok(()) => true,
        Err(RingFull { .. }) => false,
    };
    let mut next = 0;
    for kills in 1..=3 {
        let mut reader = child("child_reads_until_it_is_killed", &path);
        until("the reader makes records durable", || {
            next += u64::from(push(next));
            durable_in(&ledger).is_some_and(|durable| durable > kills * 2_000)
        });
        reader.kill();
    }
    // With no reader the writer fills the ring and is told so; it never waits.
    while push(next) {
        next += 1;
    }
    let opened = Segment::open(&path).unwrap();
    let mut journal = opened.journal_consumer().unwrap();
    let mut buffer = [0; 256];
    let first = number_of(journal.read(&mut buffer).unwrap().unwrap().payload);
    let durable = durable_in(&ledger).expect("the readers wrote it");
    // The kill may fall between the ledger and the cursor: then the ring repeats one batch, which
    // ingest by sequence ignores. It never skips one.
    assert!(
        first == durable + 1 || first + 4 == durable,
        "{first} after {durable}"
    );
    journal.rewind();
    let mut expected = first;
    drain(&mut journal, &ledger, |number| {
        assert_eq!(number, expected, "neither hole nor duplicate");
        expected += 1;
        while next < RECORDS && push(next) {
            next += 1;
        }
        expected < RECORDS
    });
    assert!(journal.is_drained().unwrap());
}

#[test]
#[ignore = "the writer that the next test starts and kills"]
fn child_writes_until_it_is_killed() {
    let Some(path) = segment_of_parent() else {
        return;
    };
    let segment = Segment::create(&path, &layout(), 1, 2, 1).unwrap();
    let mut journal = segment.journal_producer().unwrap();
    segment.set_hotpath_state(HotpathState::Running);
    let mut number = 0;
    loop {
        number += u64::from(journal.try_push(&record(number)).is_ok());
        segment.beat_hotpath(number);
    }
}

#[test]
fn a_killed_writer_leaves_whole_records_and_the_next_start_makes_a_new_segment() {
    let directory = Directory::new("killed-writer");
    let path = ipc::segment_path(directory.path(), 1);
    let mut writer = child("child_writes_until_it_is_killed", &path);
    until("the writer's segment appears", || path.exists());
    let opened = Segment::open(&path).unwrap();
    let mut journal = opened.journal_consumer().unwrap();
    let mut buffer = [0; 256];
    let mut expected = 0;
    let mut read = |journal: &mut JournalConsumer| match journal.read(&mut buffer).unwrap() {
        None => false,
        Some(entry) => {
            assert_eq!(entry.payload, record(expected));
            let cursor = entry.cursor;
            journal.commit_durable(cursor).unwrap();
            expected += 1;
            expected > 5_000
        }
    };
    until("five thousand records", || read(&mut journal));
    writer.kill();
    until("the rest is drained", || {
        read(&mut journal);
        journal.is_drained().unwrap()
    });
    assert_eq!(
        opened.hotpath_state(),
        HotpathState::Running,
        "it did not stop cleanly"
    );
    assert_eq!(ipc::next_generation(directory.path()).unwrap(), 2);
    drop((journal, opened));
    ipc::remove_drained(&path).unwrap();
    assert!(!path.exists());
}

#[test]
#[ignore = "the second reader that the next test starts"]
fn child_holds_the_reading_side() {
    let Some(path) = segment_of_parent() else {
        return;
    };
    let segment = Segment::open(&path).unwrap();
    let mut commands = segment.command_producer().unwrap();
    commands.try_push(1, b"first life").unwrap();
    segment.beat_control(1);
    loop {
        std::thread::park();
    }
}

#[test]
fn one_reader_lives_and_its_successor_goes_on_with_the_commands() {
    let directory = Directory::new("one-reader");
    let path = directory.path().join("7.segment");
    let made = Segment::create(&path, &layout(), 1, 2, 7).unwrap();
    let mut reader = child("child_holds_the_reading_side", &path);
    until("the reader attached", || made.control_heartbeat_ns() == 1);
    let opened = Segment::open(&path).unwrap();
    let refused = opened.journal_consumer().err().unwrap();
    let child_pid = u64::from(reader.0.id());
    assert!(matches!(&refused, SegmentError::ReaderAlive { pid, .. } if *pid == child_pid));
    reader.kill();
    let mut commands = opened.command_producer().unwrap();
    commands.try_push(2, b"second life").unwrap();
    let mut consumer = made.command_consumer().unwrap();
    let mut buffer = [0; 64];
    assert_eq!(consumer.pop(&mut buffer), Ok(Some((1, &b"first life"[..]))));
    assert_eq!(
        consumer.pop(&mut buffer),
        Ok(Some((2, &b"second life"[..])))
    );
    assert_eq!(consumer.pop(&mut buffer), Ok(None));
}
