//! Ranks, minutes and the line of the log.
//!
//! In: made-up orders. Out: lists, cells, text. Never: the real time.

use super::*;
use crate::latency::way::{TriggerStream, WayHead};
use ipc::{Segment, SegmentLayout};
use market::InstrumentId;
use proptest::prelude::*;
use std::collections::BTreeMap;

fn slow(took_ns: u64, sequence: u64, stalled: bool) -> Slow {
    let head = WayHead {
        sequence,
        stalled,
        trigger: TriggerStream::BookTicker,
        instrument: InstrumentId(0),
        ..WayHead::default()
    };
    let way = Way {
        head,
        read: MonoNs(2_000_000_000),
        parsed_ns: 700,
        written_ns: u32::try_from(took_ns).unwrap(),
        ..Way::default()
    };
    Slow { took_ns, way }
}

proptest! {
    #[test]
    fn the_list_is_the_top_of_a_sort(times in proptest::collection::vec(0..50_u64, 0..40)) {
        let mut worst = Worst::default();
        for (sequence, took) in times.iter().enumerate() {
            worst.offer(slow(*took, sequence as u64, false));
        }
        let mut sorted: Vec<(u64, usize)> =
            times.iter().enumerate().map(|(at, took)| (*took, at)).collect();
        // Of equals the first one stays ahead.
        sorted.sort_by_key(|(took, at)| (std::cmp::Reverse(*took), *at));
        sorted.truncate(RANKS);
        let listed = worst.list().iter().map(|one| (one.took_ns, one.way.head.sequence as usize));
        prop_assert_eq!(listed.collect::<Vec<_>>(), sorted);
    }
}

#[test]
fn lists_are_shown_and_a_new_slowest_is_told_once_a_minute() {
    let path = std::env::temp_dir().join(format!("worst-{}", std::process::id()));
    let _ = std::fs::remove_file(&path);
    let layout = SegmentLayout {
        counters: 1_024,
        ..SegmentLayout::default()
    };
    let segment = Segment::create(&path, &layout, 1, 1, 1).unwrap();
    std::fs::remove_file(&path).unwrap();
    let mut board = WorstBoard::new(Telemetry(&segment), MonoNs(0)).unwrap();
    let minutes = |count: u64| (MonoNs(count * MINUTE_NS), UtcNs(1_000_000_000_000));
    let cell = |family: &str, window: &str, rank: usize| {
        let cells: BTreeMap<String, u64> = segment.counters().iter().collect();
        let name = format!("tick_to_order_worst_{family}{{window=\"{window}\",rank=\"{rank}\"}}");
        cells[&name]
    };
    board.offer(slow(5_000, 11, false));
    board.offer(slow(9_000, 12, false));
    board.offer(slow(70_000, 13, true));
    let (_, utc) = minutes(0);
    assert_eq!(board.show(MonoNs(1_000_000_000), utc), None);
    assert_eq!(
        (cell("ns", "start", 1), cell("sequence", "start", 1)),
        (9_000, 12)
    );
    assert_eq!(
        (cell("ns", "start", 2), cell("sequence", "start", 2)),
        (5_000, 11)
    );
    assert_eq!(
        (cell("ns", "stalled", 1), cell("sequence", "stalled", 1)),
        (70_000, 13)
    );
    assert_eq!(cell("timestamp_seconds", "start", 1), 1_001);
    assert_eq!(cell("ns", "minute", 1), 0, "its minute is not over");
    let (now, utc) = minutes(1);
    assert_eq!(
        board.show(now, utc).map(|one| one.way.head.sequence),
        Some(12)
    );
    assert_eq!(cell("ns", "minute", 1), 9_000);
    for sequence in 20..28 {
        board.offer(slow(9_500, sequence, false));
    }
    board.offer(slow(100, 30, false));
    let (now, utc) = minutes(2);
    assert_eq!(
        board.show(now, utc).map(|one| one.way.head.sequence),
        Some(20)
    );
    board.offer(slow(100, 31, false));
    let (now, utc) = minutes(3);
    assert_eq!(board.show(now, utc), None, "nothing slower");
    assert_eq!((cell("ns", "minute", 1), cell("ns", "minute", 2)), (100, 0));
    let cells: BTreeMap<String, u64> = segment.counters().iter().collect();
    let stage = "tick_to_order_worst_stage_ns{window=\"start\",rank=\"1\",stage=\"parse\"}";
    assert_eq!(cells[stage], 700);
}

#[test]
fn the_line_leads_to_the_sequence_and_the_stages() {
    let text = line(&slow(9_000, 12, false), &[]);
    let expected = "slowest tick to order: 9000 ns from_read, bookTicker at sequence 12 (parse 700, \
        write 8300 ns)";
    assert!(text.starts_with(expected), "{text}");
}
