//! Which gaps are stalls.
//!
//! In: made-up turns. Out: verdicts and the histogram. Never: the real time.

use super::*;
use ipc::{Segment, SegmentLayout};

fn detector(threshold_ns: u64) -> (StallDetector, TickClock) {
    let path = std::env::temp_dir().join(format!("stall-{}", std::process::id()));
    let _ = std::fs::remove_file(&path);
    let segment = Segment::create(&path, &SegmentLayout::default(), 1, 1, 1).unwrap();
    std::fs::remove_file(&path).unwrap();
    let (clock, _) = TickClock::of_kernel();
    let telemetry = Telemetry(&segment);
    let detector = StallDetector::new(telemetry, "engine", &clock, threshold_ns).unwrap();
    (detector, clock)
}

#[test]
fn only_a_late_turn_after_an_idle_one_is_a_stall() {
    let (mut detector, clock) = detector(20_000);
    // (begin of the turn, whether the one before was busy, whether it was stopped)
    let turns = [
        (1_000_000, false, false),
        (1_000_100, false, false),
        (1_020_099, false, false),
        (1_040_099, false, true),
        (1_040_200, false, false),
        (1_900_000, true, false),
        (1_900_100, false, false),
        (3_900_100, false, true),
        (3_900_000, false, false),
    ];
    for (at, was_busy, stopped) in turns {
        let found = detector.turn(Ticks(at), was_busy, &clock);
        assert_eq!(found, stopped, "turn at {at}");
    }
    let stalls = detector.stalls.snapshot();
    assert_eq!((stalls.count(), stalls.max_ns()), (2, 2_000_000));
    assert_eq!(stalls.sum_ns(), 2_020_000);
}
