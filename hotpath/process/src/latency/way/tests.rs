//! Ways packed, unpacked and taken apart into stages.
//!
//! In: made-up stamps. Out: the same, and durations that add up. Never: a real clock's reading.

use super::*;
use crate::latency::way_log::way_log;
use ipc::{Segment, SegmentLayout};
use proptest::prelude::*;

fn head() -> impl Strategy<Value = WayHead> {
    let ages = proptest::option::of(1_u32..);
    (
        any::<u64>(),
        any::<u16>(),
        0..4_usize,
        ages,
        any::<(bool, bool)>(),
    )
        .prop_map(
            |(sequence, instrument, trigger, kernel_age_ns, (stalled, further))| WayHead {
                sequence,
                instrument: InstrumentId(instrument),
                trigger: TriggerStream::ALL[trigger],
                kernel_age_ns,
                stalled,
                further,
            },
        )
}

proptest! {
    #[test]
    fn a_way_survives_its_travel(head in head(), read: u64, offsets: [u32; 8]) {
        let [decrypted_ns, framed_ns, parsed_ns, dequeued_ns, booked_ns, decided_ns, approved_ns, written_ns] =
            offsets;
        let way = Way {
            head, read: MonoNs(read), decrypted_ns, framed_ns, parsed_ns, dequeued_ns,
            booked_ns, decided_ns, approved_ns, written_ns,
        };
        prop_assert_eq!(Way::from_bytes(&way.to_bytes()), Some(way));
    }

    #[test]
    fn stages_add_up_to_tick_to_order(
        mut gaps in proptest::collection::vec(0..100_000_u64, 8),
        skipped in 0..128_u8,
        age in proptest::option::of(1..1_000_u32),
    ) {
        let (clock, _) = TickClock::of_kernel();
        let mut at = 1_000;
        let mut passed = |index: usize| {
            at += gaps[index] + 1;
            if skipped & (1 << index) == 0 { Ticks(at) } else { Ticks::NONE }
        };
        let stations = Stations {
            read: Ticks(1_000),
            decrypted: passed(0),
            framed: passed(1),
            parsed: passed(2),
            dequeued: passed(3),
            booked: passed(4),
            decided: passed(5),
            approved: passed(6),
            written: passed(7),
        };
        gaps.clear();
        let head = WayHead { kernel_age_ns: age, ..WayHead::default() };
        let way = Way::new(head, &stations, &clock);
        let sum: u64 = way.stages().map(|(_, took)| took).sum();
        prop_assert_eq!(Some(sum), way.tick_to_order_ns());
        let count = 8 - skipped.count_ones() as usize + usize::from(age.is_some());
        prop_assert_eq!(way.stages().count(), count);
    }

    #[test]
    fn bytes_of_any_kind_are_a_way_or_none(bytes in proptest::collection::vec(any::<u8>(), 0..80)) {
        if let Some(way) = Way::from_bytes(&bytes) {
            prop_assert_eq!(bytes.len(), WAY_BYTES);
            prop_assert!(way.stages().count() <= 9);
        }
    }
}

#[test]
fn an_event_without_an_order_has_no_tick_to_order() {
    let (clock, _) = TickClock::of_kernel();
    let stations = Stations {
        read: Ticks(5),
        parsed: Ticks(5),
        booked: Ticks(9),
        ..Stations::default()
    };
    let way = Way::new(WayHead::default(), &stations, &clock);
    assert_eq!(way.tick_to_order_ns(), None);
    let stages: Vec<_> = way.stages().collect();
    // A station at the very moment of the read still counts as passed, as 1 ns.
    assert_eq!(stages, [(StageName::Parse, 1), (StageName::Book, 3)]);
}

#[test]
fn a_stamp_beyond_four_seconds_is_the_most_there_is() {
    let (clock, _) = TickClock::of_kernel();
    let stations = Stations {
        read: Ticks(1),
        written: Ticks(60_000_000_000),
        ..Stations::default()
    };
    let way = Way::new(WayHead::default(), &stations, &clock);
    assert_eq!(way.tick_to_order_ns(), Some(u64::from(u32::MAX)));
}

#[test]
fn what_finds_no_room_in_the_ring_is_counted() {
    let path = std::env::temp_dir().join(format!("way-log-{}", std::process::id()));
    let _ = std::fs::remove_file(&path);
    let segment = Segment::create(&path, &SegmentLayout::default(), 1, 1, 1).unwrap();
    std::fs::remove_file(&path).unwrap();
    let dropped = segment.counters().register("dropped_total").unwrap();
    let (mut log, mut reader) = way_log(4, dropped);
    let way = |sequence| Way {
        head: WayHead {
            sequence,
            ..WayHead::default()
        },
        ..Way::default()
    };
    for sequence in 1..=6 {
        log.push(&way(sequence));
    }
    for sequence in 1..=4 {
        assert_eq!(reader.take(), Some(way(sequence)));
    }
    assert_eq!(reader.take(), None);
    let counted = segment.counters().iter().next().map(|(_, count)| count);
    assert_eq!(counted, Some(2));
}
