//! What stamping and telling the way of one event costs the hot thread.
//!
//! In: nothing. Out: nanoseconds an event, best and median of many rounds, for an event without an
//! order and for one with; beside them a stamp of the counter and one of the kernel. Never: a
//! measurement that includes the collector.
//!
//! `cargo run --release -p hotpath --example way_cost [ROUNDS]`; under callgrind with few rounds.

use hotpath::latency::way::{Stations, TriggerStream, Way, WayHead};
use hotpath::latency::way_log::{WAY_SLOTS, WayLog, WayReader, way_log};
use hotpath::tick_clock::TickClock;
use ipc::{Segment, SegmentLayout};
use market::InstrumentId;
use std::hint::black_box;

/// Events of a round; fewer than the ring has slots.
const EVENTS: u64 = 1_000;

fn main() {
    let rounds = std::env::args().nth(1);
    let rounds = rounds.map_or(2_000, |text| text.parse().expect("a number of rounds"));
    let path = std::env::temp_dir().join(format!("way-cost-{}", std::process::id()));
    let segment = Segment::create(&path, &SegmentLayout::default(), 1, 1, 1);
    let segment = segment.expect("a segment can be made");
    std::fs::remove_file(&path).expect("it was just made");
    let dropped = segment.counters().register("dropped_total");
    let (mut log, mut reader) = way_log(WAY_SLOTS, dropped.expect("the table is empty"));
    let (clock, keeper) = TickClock::start();
    if let Some(unfit) = keeper.unfit() {
        println!("the counter is not used: {unfit}");
    }
    measure("stamp of the counter", rounds, &clock, &mut reader, |_| {
        black_box(clock.now());
    });
    measure("stamp of the kernel", rounds, &clock, &mut reader, |_| {
        black_box(hotpath::clock::monotonic());
    });
    measure("event without order", rounds, &clock, &mut reader, |at| {
        event(at, false, &clock, &mut log);
    });
    measure("event with an order", rounds, &clock, &mut reader, |at| {
        event(at, true, &clock, &mut log);
    });
}

fn measure(
    name: &str,
    rounds: usize,
    clock: &TickClock,
    reader: &mut WayReader,
    mut one: impl FnMut(u64),
) {
    let mut results: Vec<u64> = (0..rounds)
        .map(|_| {
            let began = clock.now();
            for at in 0..EVENTS {
                one(black_box(at));
            }
            let took = clock.between(began, clock.now());
            while reader.take().is_some() {}
            took
        })
        .collect();
    results.sort_unstable();
    let tenths = |ns: u64| format!("{}.{}", ns / EVENTS, ns % EVENTS * 10 / EVENTS);
    let (best, median) = (results[0], results[results.len() / 2]);
    println!(
        "{name}: best {} ns, median {} ns",
        tenths(best),
        tenths(median)
    );
}

/// The stamps of an inline loop: the read, the record, the frame's input, and the engine's.
fn event(sequence: u64, with_order: bool, clock: &TickClock, log: &mut WayLog) {
    let mut stations = Stations {
        read: clock.now(),
        decrypted: clock.now(),
        parsed: clock.now(),
        booked: clock.now(),
        decided: clock.now(),
        ..Stations::default()
    };
    if with_order {
        stations.approved = clock.now();
        stations.written = clock.now();
    }
    let head = WayHead {
        sequence,
        instrument: InstrumentId(3),
        trigger: TriggerStream::Depth,
        kernel_age_ns: clock.kernel_age(black_box(i64::MAX), stations.read),
        ..WayHead::default()
    };
    log.push(&Way::new(head, &stations, clock));
}
