//! A segment in one process: what is written at one end comes out at the other.
//!
//! In: temporary directories. Out: verdicts. Never: another process (see `processes.rs`).
#![cfg(not(loom))]

use ipc::{HotpathState, Segment, SegmentLayout};

mod directory;
use directory::Directory;

fn small() -> SegmentLayout {
    SegmentLayout {
        journal_slots: 64,
        input_log_slots: 64,
        market_log_slots: 64,
        command_slots: 16,
        instrument_pages: 2,
        counters: 8,
        histograms: 2,
        identity: "paper/simulated/main".into(),
    }
}

#[test]
fn everything_written_by_the_maker_is_read_through_the_file() {
    let directory = Directory::new("everything");
    let path = directory.path().join("1.segment");
    let made = Segment::create(&path, &small(), 11, 22, 1).unwrap();
    let opened = Segment::open(&path).unwrap();
    assert_eq!(
        (opened.build_id(), opened.config_hash(), opened.generation()),
        (11, 22, 1)
    );
    assert_eq!(opened.layout(), &small());

    let mut buffer = [0; 256];
    made.journal_producer().unwrap().try_push(b"order").unwrap();
    made.input_log_producer()
        .unwrap()
        .try_push(&[7; 200])
        .unwrap();
    assert!(made.market_log_producer().unwrap().push(5, b"depth"));
    let mut journal = opened.journal_consumer().unwrap();
    assert_eq!(
        journal.read(&mut buffer).unwrap().unwrap().payload,
        b"order"
    );
    let mut input_log = opened.input_log_consumer().unwrap();
    assert_eq!(
        input_log.read(&mut buffer).unwrap().unwrap().payload,
        [7; 200]
    );
    let mut market_log = opened.market_log_consumer().unwrap();
    assert_eq!(
        market_log.read(&mut buffer).unwrap().unwrap().payload,
        b"depth"
    );

    opened
        .command_producer()
        .unwrap()
        .try_push(3, b"pause")
        .unwrap();
    let mut commands = made.command_consumer().unwrap();
    assert_eq!(commands.pop(&mut buffer).unwrap(), Some((3, &b"pause"[..])));

    made.instrument_page_writer(1).unwrap().write(b"BTCUSDT");
    assert_eq!(
        opened.instrument_page(0).unwrap().read(&mut buffer),
        Ok(None)
    );
    assert_eq!(
        opened.instrument_page(1).unwrap().read(&mut buffer),
        Ok(Some(7))
    );
    assert_eq!(&buffer[..7], b"BTCUSDT");
    assert!(opened.instrument_page(2).is_none());
    made.account_page_writer().unwrap().write(b"account");
    assert_eq!(opened.account_page().read(&mut buffer), Ok(Some(7)));
}

#[test]
fn cells_and_signs_of_life_are_read_through_the_file() {
    let directory = Directory::new("cells");
    let path = directory.path().join("1.segment");
    let made = Segment::create(&path, &small(), 11, 22, 1).unwrap();
    let opened = Segment::open(&path).unwrap();
    assert_eq!(opened.hotpath_state(), HotpathState::Starting);

    let denied = made.counters().register("orders_denied_total").unwrap();
    denied.add(2);
    denied.add(3);
    let latency = made.histograms().register("tick_to_order_seconds").unwrap();
    latency.record(1_000);
    let counters: Vec<_> = opened.counters().iter().collect();
    assert_eq!(counters, [("orders_denied_total".to_owned(), 5)]);
    let (name, snapshot) = opened.histograms().iter().next().unwrap();
    assert_eq!(
        (name.as_str(), snapshot.max_ns()),
        ("tick_to_order_seconds", 1_000)
    );

    made.beat_hotpath(123);
    opened.beat_control(456);
    made.set_hotpath_state(HotpathState::Running);
    assert_eq!(
        (opened.hotpath_heartbeat_ns(), made.control_heartbeat_ns()),
        (123, 456)
    );
    assert_eq!(opened.hotpath_state(), HotpathState::Running);
    assert_eq!(opened.hotpath_pid(), u64::from(std::process::id()));
}

#[test]
fn every_state_of_the_hot_path_is_read_as_it_was_written() {
    let directory = Directory::new("states");
    let path = directory.path().join("1.segment");
    let made = Segment::create(&path, &small(), 11, 22, 1).unwrap();
    let opened = Segment::open(&path).unwrap();
    assert_eq!((opened.path(), opened.control_pid()), (path.as_path(), 0));
    for state in [
        HotpathState::Running,
        HotpathState::StoppedCleanly,
        HotpathState::Unknown(9),
        HotpathState::Starting,
    ] {
        made.set_hotpath_state(state);
        assert_eq!(opened.hotpath_state(), state);
    }
}

#[test]
fn the_writer_tells_its_room_and_what_it_gave_up() {
    let directory = Directory::new("room");
    let path = directory.path().join("1.segment");
    let made = Segment::create(&path, &small(), 11, 22, 1).unwrap();
    let opened = Segment::open(&path).unwrap();
    let mut writer = made.journal_producer().unwrap();
    let reader = opened.journal_consumer().unwrap();
    assert_eq!((writer.capacity(), reader.capacity()), (64, 64));
    assert_eq!(writer.free_slots(), 64);
    // A slot holds 56 bytes.
    writer.try_push(&[1; 57]).unwrap();
    assert_eq!((writer.free_slots(), writer.depth()), (62, 2));
    assert_eq!(writer.holes().total, 0);
    writer.note_hole(7);
    writer.note_hole(9);
    let holes = writer.holes();
    assert_eq!((holes.total, holes.first, holes.last), (2, 7, 9));
    assert!(writer.high_watermark() <= 64 && reader.high_watermark() <= 64);

    let mut lossy = made.market_log_producer().unwrap();
    let capacity = lossy.capacity();
    let taken = (0..)
        .take_while(|sequence| lossy.push(*sequence, b"depth"))
        .count();
    assert_eq!((taken, lossy.depth()), (capacity, capacity));
    assert_eq!((lossy.drops().total, lossy.drops().first), (1, 64));
    assert_eq!(lossy.high_watermark(), capacity);
}

/// A kill that was lost would be taken back by the reset of the one before it.
#[test]
fn kills_that_come_at_once_are_all_counted_and_the_one_that_closes_positions_holds() {
    const EACH: u64 = 1_000_000;
    let directory = Directory::new("kills");
    let path = directory.path().join("1.segment");
    let made = Segment::create(&path, &small(), 11, 22, 1).unwrap();
    let opened = Segment::open(&path).unwrap();
    assert!(!opened.kill_latched());
    let together = std::sync::Barrier::new(2);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            together.wait();
            (0..EACH).for_each(|_| made.latch_kill_keeping_positions());
        });
        together.wait();
        opened.latch_kill();
        (1..EACH).for_each(|_| opened.latch_kill_keeping_positions());
    });
    let word = made.kill_word();
    assert!(made.kill_latched() && made.kill_closes_positions());
    // Latched, closing, and the count above both bits.
    assert_eq!(word, 2 * EACH * 4 + 3);
    opened.latch_kill_keeping_positions();
    assert!(!made.clear_kill(word) && made.kill_closes_positions());
    assert!(made.clear_kill(opened.kill_word()) && !opened.kill_latched());
}
