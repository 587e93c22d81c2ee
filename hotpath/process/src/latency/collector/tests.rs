//! From the ring to the right cell, and to no other.
//!
//! In: made-up ways of two markets. Out: counts by cell. Never: the real time.

use super::*;
use crate::latency::way::{Stations, WayHead};
use crate::latency::way_log::{WayLog, way_log};
use ipc::{Segment, SegmentLayout};
use market::{Filters, InstrumentStatus, Step, Symbol};
use std::collections::BTreeMap;

fn instrument(id: u16, market: Market, symbol: &[u8]) -> Instrument {
    Instrument {
        id: InstrumentId(id),
        market,
        symbol: Symbol::new(symbol).unwrap(),
        tick: Step::from_text(b"0.1").unwrap(),
        lot: Step::from_text(b"0.001").unwrap(),
        price_decimals: 2,
        quantity_decimals: 3,
        status: InstrumentStatus::Trading,
        filters: Filters::NONE,
    }
}

struct Bench {
    segment: Segment,
    log: WayLog,
    collector: Collector,
}

fn bench(name: &str, kernel_stamps: bool) -> Bench {
    let path = std::env::temp_dir().join(format!("collector-{name}-{}", std::process::id()));
    let _ = std::fs::remove_file(&path);
    let layout = SegmentLayout {
        counters: 1_024,
        histograms: 256,
        ..SegmentLayout::default()
    };
    let segment = Segment::create(&path, &layout, 1, 1, 1).unwrap();
    std::fs::remove_file(&path).unwrap();
    let table: Arc<[Instrument]> = Arc::new([
        instrument(0, Market::UsdM, b"BTCUSDT"),
        instrument(1, Market::Spot, b"ETHUSDT"),
    ]);
    let dropped = segment.counters().register("dropped_total").unwrap();
    let (log, reader) = way_log(64, dropped);
    let collector =
        Collector::new(Telemetry(&segment), &table, kernel_stamps, vec![reader]).unwrap();
    Bench {
        segment,
        log,
        collector,
    }
}

impl Bench {
    /// Names and counts of histograms that are not empty, and of the counter of stalled events.
    fn counts(&self) -> BTreeMap<String, u64> {
        let histograms = self.segment.histograms().iter();
        let histograms = histograms.map(|(name, one)| (name, one.count()));
        let counters = self.segment.counters().iter();
        let counters = counters.filter(|(name, _)| name.starts_with("market_events_stalled"));
        let all = histograms.chain(counters);
        all.filter(|(_, count)| *count > 0).collect()
    }
}

fn times(written: u64) -> Stations<MonoNs> {
    let order = |at| if written > 0 { MonoNs(at) } else { MonoNs(0) };
    Stations {
        read: MonoNs(1_000),
        decrypted: MonoNs(1_200),
        parsed: MonoNs(1_500),
        booked: MonoNs(1_600),
        decided: MonoNs(1_700),
        approved: order(1_800),
        written: MonoNs(written),
        ..Stations::default()
    }
}

fn head(instrument: u16, trigger: TriggerStream) -> WayHead {
    WayHead {
        sequence: 7,
        instrument: InstrumentId(instrument),
        trigger,
        ..WayHead::default()
    }
}

fn expect(bench: &Bench, expected: &[(&str, u64)]) {
    let expected = expected
        .iter()
        .map(|(name, count)| ((*name).to_string(), *count));
    assert_eq!(bench.counts(), expected.collect());
}

#[test]
fn an_order_counts_in_its_stages_and_from_the_kernels_stamp_where_it_has_one() {
    let mut bench = bench("order", true);
    let from_read = head(0, TriggerStream::Depth);
    let from_kernel = WayHead {
        kernel_age_ns: Some(50),
        ..head(0, TriggerStream::Depth)
    };
    for head in [from_read, from_kernel] {
        bench.log.push(&Way::from_times(head, &times(2_000)));
    }
    assert_eq!(bench.collector.visit(), 2);
    let tick = "tick_to_order_seconds{market=\"usdm\",symbol=\"BTCUSDT\",trigger=\"depth\"";
    let stage = "stage_duration_seconds{market=\"usdm\",trigger=\"depth\",stage=";
    expect(
        &bench,
        &[
            (&format!("{tick},source=\"from_kernel\"}}"), 1),
            (&format!("{tick},source=\"from_read\"}}"), 2),
            (&format!("{stage}\"receive\"}}"), 1),
            (&format!("{stage}\"decrypt\"}}"), 2),
            (&format!("{stage}\"parse\"}}"), 2),
            (&format!("{stage}\"book\"}}"), 2),
            (&format!("{stage}\"decide\"}}"), 2),
            (&format!("{stage}\"approve\"}}"), 2),
            (&format!("{stage}\"write\"}}"), 2),
        ],
    );
    let kernel = format!("{tick},source=\"from_kernel\"}}");
    let histograms: BTreeMap<_, _> = bench.segment.histograms().iter().collect();
    assert_eq!(histograms[&kernel].max_ns(), 1_050);
    let read = format!("{tick},source=\"from_read\"}}");
    assert_eq!(histograms[&read].max_ns(), 1_000);
}

#[test]
fn further_orders_of_an_event_count_only_from_the_approval_on() {
    let mut bench = bench("further", false);
    let head = WayHead {
        further: true,
        ..head(1, TriggerStream::Trade)
    };
    bench.log.push(&Way::from_times(head, &times(2_000)));
    bench.collector.visit();
    let tick = "tick_to_order_seconds{market=\"spot\",symbol=\"ETHUSDT\",trigger=\"trade\"";
    let stage = "stage_duration_seconds{market=\"spot\",trigger=\"trade\",stage=";
    expect(
        &bench,
        &[
            (&format!("{tick},source=\"from_read\"}}"), 1),
            (&format!("{stage}\"approve\"}}"), 1),
            (&format!("{stage}\"write\"}}"), 1),
        ],
    );
}

#[test]
fn what_met_a_stall_is_counted_apart() {
    let mut bench = bench("stalled", false);
    let head = WayHead {
        stalled: true,
        ..head(0, TriggerStream::BookTicker)
    };
    bench.log.push(&Way::from_times(head, &times(0)));
    bench.log.push(&Way::from_times(head, &times(2_000)));
    bench.collector.visit();
    let place = "{market=\"usdm\",trigger=\"bookTicker\"}";
    expect(
        &bench,
        &[
            (&format!("market_events_stalled_total{place}"), 2),
            (&format!("tick_to_order_stalled_seconds{place}"), 1),
        ],
    );
}

#[test]
fn an_instrument_that_is_not_in_the_table_is_passed_over() {
    let mut bench = bench("foreign", false);
    let way = Way::from_times(head(2, TriggerStream::Depth), &times(2_000));
    bench.log.push(&way);
    assert_eq!(bench.collector.visit(), 1);
    expect(&bench, &[]);
}
