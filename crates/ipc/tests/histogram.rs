//! Histograms against the sorted list of what was recorded.
//!
//! In: random durations from 0 to beyond 10 s. Out: percentiles within 3 %. Never: a tolerance that
//! hides a wrong rank.
#![cfg(not(any(loom, miri)))]
#![allow(
    clippy::unwrap_used,
    reason = "a test stops at whatever it did not expect"
)]

use ipc::{BUCKETS_NS, HistogramSnapshot, Segment, SegmentLayout, segment_path};
use proptest::prelude::*;

mod directory;
use directory::Directory;

fn recorded(values: &[u64]) -> HistogramSnapshot {
    let directory = Directory::new("histogram");
    let layout = SegmentLayout {
        journal_slots: 4,
        input_log_slots: 4,
        market_log_slots: 4,
        command_slots: 4,
        ..SegmentLayout::default()
    };
    let path = segment_path(directory.path(), 1);
    let made = Segment::create(&path, &layout, 1, 2, 1).unwrap();
    // The neighbours notice a cell beyond the end.
    let before = made.histograms().register("before_seconds").unwrap();
    let histogram = made.histograms().register("tick_to_order_seconds").unwrap();
    let after = made.histograms().register("after_seconds").unwrap();
    for value in values {
        histogram.record(*value);
    }
    assert_eq!(
        (before.snapshot().count(), after.snapshot().count()),
        (0, 0)
    );
    assert_eq!(
        (before.snapshot().max_ns(), after.snapshot().max_ns()),
        (0, 0)
    );
    let opened = Segment::open(&path).unwrap();
    let (name, snapshot) = opened.histograms().iter().nth(1).unwrap();
    assert_eq!(name, "tick_to_order_seconds");
    assert_eq!(snapshot, histogram.snapshot());
    snapshot
}

/// Durations whose logarithm is spread evenly.
fn duration() -> impl Strategy<Value = u64> {
    (0..34_u32, any::<u64>()).prop_map(|(bits, random)| random >> (63 - bits))
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn percentiles_are_within_three_percent(mut values in prop::collection::vec(duration(), 1..300)) {
        let snapshot = recorded(&values);
        values.sort_unstable();
        prop_assert_eq!(snapshot.count(), values.len() as u64);
        prop_assert_eq!(snapshot.sum_ns(), values.iter().sum::<u64>());
        prop_assert_eq!(snapshot.max_ns(), values[values.len() - 1]);
        for per_ten_thousand in [0, 1, 5_000, 9_900, 9_990, 10_000] {
            let rank = (values.len() * per_ten_thousand).div_ceil(10_000).max(1);
            let exact = values[rank - 1];
            let found = snapshot.quantile_ns(per_ten_thousand as u32).unwrap();
            prop_assert!(found.abs_diff(exact) * 100 <= exact * 3, "{found} for {exact}");
        }
        for (bound, count) in BUCKETS_NS.iter().zip(snapshot.buckets()) {
            let at_most = values.partition_point(|value| *value <= bound + bound / 50) as u64;
            let at_least = values.partition_point(|value| *value <= bound - bound / 50) as u64;
            prop_assert!((at_least..=at_most).contains(&count), "{count} under {bound}");
        }
    }
}

#[test]
fn the_ends_of_the_range_have_cells() {
    let empty = recorded(&[]);
    assert_eq!((empty.count(), empty.quantile_ns(5_000)), (0, None));
    let ends = recorded(&[0, u64::MAX]);
    assert_eq!(ends.quantile_ns(1), Some(0));
    assert_eq!(ends.quantile_ns(10_000), Some(u64::MAX));
    assert_eq!(ends.buckets(), [1; BUCKETS_NS.len()]);
}

#[test]
fn what_came_since_an_earlier_snapshot_is_told_apart() {
    let directory = Directory::new("since");
    let path = segment_path(directory.path(), 1);
    let made = Segment::create(&path, &SegmentLayout::default(), 1, 2, 1).unwrap();
    let histogram = made.histograms().register("x_seconds").unwrap();
    histogram.record(10);
    let earlier = histogram.snapshot();
    histogram.record(20);
    let since = histogram.snapshot().since(&earlier);
    assert_eq!(
        (since.count(), since.sum_ns(), since.quantile_ns(1)),
        (1, 20, Some(20))
    );
}

#[test]
fn merged_cells_are_what_one_histogram_of_both_would_be() {
    let (some, more) = ([100, 2_000, 30_000], [5, 2_000, 4_000_000_000]);
    let both: Vec<u64> = some.iter().chain(&more).copied().collect();
    let kept = recorded(&some);
    let cells = kept.cells().to_vec();
    let mut merged = HistogramSnapshot::from_cells(cells, kept.sum_ns(), kept.max_ns()).unwrap();
    merged.merge(&recorded(&more));
    let whole = recorded(&both);
    assert_eq!(merged.cells(), whole.cells());
    assert_eq!(
        (merged.count(), merged.sum_ns(), merged.max_ns()),
        (whole.count(), whole.sum_ns(), whole.max_ns())
    );
    // More cells than there are come from another build.
    let more = vec![0; whole.cells().len() + 1];
    assert!(HistogramSnapshot::from_cells(more, 0, 0).is_none());
}
