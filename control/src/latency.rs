//! Latency as the hot path's cells tell it: by stream, by stage, the slowest events.
//!
//! In: a picture. Out: figures for the API and the table. Never: stalled events among the others,
//! or two measures of the same orders in one sum.

use crate::figure::FigureName;
use crate::view::View;
use ipc::HistogramSnapshot;
use serde::Serialize;
use std::collections::BTreeMap;

const TICK_TO_ORDER: &str = "tick_to_order_seconds";
const FROM_KERNEL: &str = "from_kernel";

/// A distribution in nanoseconds; null where nothing was counted.
#[derive(Debug, Default, PartialEq, Eq, Serialize)]
pub struct Percentiles {
    /// Median.
    pub p50: Option<u64>,
    /// 99 of 100 are at most this.
    pub p99: Option<u64>,
    /// 999 of 1,000 are at most this.
    pub p999: Option<u64>,
    /// Largest.
    pub max: Option<u64>,
    /// How many.
    pub count: u64,
}

impl Percentiles {
    /// The percentiles of a histogram.
    #[must_use]
    pub fn of(histogram: Option<&HistogramSnapshot>) -> Self {
        histogram.map_or_else(Self::default, |one| Self {
            p50: one.quantile_ns(5_000),
            p99: one.quantile_ns(9_900),
            p999: one.quantile_ns(9_990),
            max: Some(one.max_ns()),
            count: one.count(),
        })
    }
}

/// What is known of the way of events and orders.
#[derive(Debug, Default, Serialize)]
pub struct LatencyFigures {
    /// By stream of the event behind the order, then by where the time begins.
    pub tick_to_order_ns: BTreeMap<String, BTreeMap<String, Percentiles>>,
    /// By stream, then by stage.
    pub stages_ns: BTreeMap<String, BTreeMap<String, Percentiles>>,
    /// Orders around whose event a stall was detected: in none of the others.
    pub stalled_tick_to_order_ns: Percentiles,
    /// Stalls of the hot loops.
    pub loop_stalls_ns: Percentiles,
    /// What the host took from the engine's core; null where nobody looks.
    pub cpu_steal_ns: Option<u64>,
    /// Slowest first.
    pub worst: Vec<WorstOrder>,
}

/// One of the slowest orders of this start.
#[derive(Debug, PartialEq, Eq, Serialize)]
pub struct WorstOrder {
    /// `start`, `minute` (the last full one), or `stalled` (since start, with a known stall).
    pub window: String,
    /// Place in its list, from 1.
    pub rank: u64,
    /// Input behind it: where `fulcrum-hotpath replay` finds it.
    pub input_sequence: u64,
    /// Its tick to order.
    pub tick_to_order_ns: u64,
    /// When its frame was read, UTC.
    pub utc_s: u64,
    /// By stage that it passed.
    pub stages_ns: BTreeMap<String, u64>,
}

/// Puts the figures together.
#[must_use]
pub fn figures(view: &View) -> LatencyFigures {
    let stalled = view.family_histogram("tick_to_order_stalled_seconds");
    let stalls = view.family_histogram("loop_stall_seconds");
    let mut steal = sums(&view.figures, "cpu_steal_ns_total", ["cpu"]).into_values();
    let first = steal.next();
    LatencyFigures {
        tick_to_order_ns: percentiles(tick_to_order(view)),
        stages_ns: percentiles(stages(view)),
        stalled_tick_to_order_ns: Percentiles::of(stalled.as_ref()),
        loop_stalls_ns: Percentiles::of(stalls.as_ref()),
        cpu_steal_ns: first.map(|first| first + steal.sum::<u64>()),
        worst: worst(view),
    }
}

/// From the read on, all streams together; none before the first order.
#[must_use]
pub fn from_read(view: &View) -> Option<HistogramSnapshot> {
    let all = by_labels(view, TICK_TO_ORDER, ["source"]).into_iter();
    let all = all.filter(|([source], _)| source != FROM_KERNEL);
    let sum = all.map(|(_, one)| one).reduce(|mut sum, one| {
        sum.merge(&one);
        sum
    });
    sum.filter(|sum| sum.count() > 0)
}

/// Tick to order by stream and by where the time begins; only what has happened.
#[must_use]
pub fn tick_to_order(view: &View) -> BTreeMap<[String; 2], HistogramSnapshot> {
    recorded(by_labels(view, TICK_TO_ORDER, ["trigger", "source"]))
}

/// Durations by stream and stage; only what has happened.
#[must_use]
pub fn stages(view: &View) -> BTreeMap<[String; 2], HistogramSnapshot> {
    recorded(by_labels(
        view,
        "stage_duration_seconds",
        ["trigger", "stage"],
    ))
}

fn recorded(
    mut all: BTreeMap<[String; 2], HistogramSnapshot>,
) -> BTreeMap<[String; 2], HistogramSnapshot> {
    all.retain(|_, one| one.count() > 0);
    all
}

fn percentiles(
    all: BTreeMap<[String; 2], HistogramSnapshot>,
) -> BTreeMap<String, BTreeMap<String, Percentiles>> {
    let mut nested: BTreeMap<String, BTreeMap<String, Percentiles>> = BTreeMap::new();
    for ([outer, inner], one) in all {
        let percentiles = Percentiles::of(Some(&one));
        nested.entry(outer).or_default().insert(inner, percentiles);
    }
    nested
}

fn worst(view: &View) -> Vec<WorstOrder> {
    let column = |family: &str| sums(&view.gauges, family, ["window", "rank"]);
    let [sequences, times] = [
        column("tick_to_order_worst_sequence"),
        column("tick_to_order_worst_timestamp_seconds"),
    ];
    let keys = ["window", "rank", "stage"];
    let stages = sums(&view.gauges, "tick_to_order_worst_stage_ns", keys);
    let taken = column("tick_to_order_worst_ns").into_iter();
    let mut list: Vec<WorstOrder> = taken
        .filter(|(_, took_ns)| *took_ns > 0)
        .filter_map(|(key, tick_to_order_ns)| {
            let own = |([window, rank, stage], ns): (&[String; 3], &u64)| {
                let own = *window == key[0] && *rank == key[1] && *ns > 0;
                own.then(|| (stage.clone(), *ns))
            };
            Some(WorstOrder {
                rank: key[1].parse().ok()?,
                input_sequence: sequences.get(&key).copied().unwrap_or(0),
                tick_to_order_ns,
                utc_s: times.get(&key).copied().unwrap_or(0),
                stages_ns: stages.iter().filter_map(own).collect(),
                window: key[0].clone(),
            })
        })
        .collect();
    list.sort_by(|one, other| (&one.window, one.rank).cmp(&(&other.window, other.rank)));
    list
}

/// Values of the labels `keys`; a label that is missing has an empty one.
fn values<const N: usize>(name: &FigureName, keys: [&str; N]) -> [String; N] {
    keys.map(|key| name.label(key).unwrap_or_default().to_string())
}

fn by_labels<const N: usize>(
    view: &View,
    family: &str,
    keys: [&str; N],
) -> BTreeMap<[String; N], HistogramSnapshot> {
    let mut found: BTreeMap<[String; N], HistogramSnapshot> = BTreeMap::new();
    for (name, histogram) in &view.histograms {
        let Some(name) = FigureName::parse(name).filter(|one| one.family == family) else {
            continue;
        };
        found
            .entry(values(&name, keys))
            .and_modify(|sum| sum.merge(histogram))
            .or_insert_with(|| histogram.clone());
    }
    found
}

fn sums<const N: usize>(
    cells: &BTreeMap<String, u64>,
    family: &str,
    keys: [&str; N],
) -> BTreeMap<[String; N], u64> {
    let mut found: BTreeMap<[String; N], u64> = BTreeMap::new();
    for (name, value) in cells {
        if let Some(name) = FigureName::parse(name).filter(|one| one.family == family) {
            *found.entry(values(&name, keys)).or_default() += value;
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    fn snapshot(ns: usize, count: u64) -> HistogramSnapshot {
        let mut cells = vec![0; 64];
        cells[ns] = count;
        let max_ns = if count > 0 { ns as u64 } else { 0 };
        HistogramSnapshot::from_cells(cells, ns as u64 * count, max_ns).unwrap()
    }

    fn picture() -> View {
        let mut view = View::default();
        let place = "market=\"usdm\",symbol=\"BTCUSDT\"";
        for (name, histogram) in [
            (
                format!(
                    "tick_to_order_seconds{{{place},trigger=\"depth\",source=\"from_kernel\"}}"
                ),
                snapshot(40, 3),
            ),
            (
                format!("tick_to_order_seconds{{{place},trigger=\"depth\",source=\"from_read\"}}"),
                snapshot(20, 3),
            ),
            (
                format!("tick_to_order_seconds{{{place},trigger=\"trade\",source=\"from_read\"}}"),
                snapshot(30, 0),
            ),
            (
                "stage_duration_seconds{market=\"usdm\",trigger=\"depth\",stage=\"parse\"}".into(),
                snapshot(7, 5),
            ),
            (
                "stage_duration_seconds{market=\"spot\",trigger=\"depth\",stage=\"parse\"}".into(),
                snapshot(9, 6),
            ),
            (
                "tick_to_order_stalled_seconds{market=\"usdm\",trigger=\"depth\"}".into(),
                snapshot(63, 1),
            ),
        ] {
            view.histograms.insert(name, histogram);
        }
        for (family, value) in [("ns", 40), ("sequence", 77), ("timestamp_seconds", 1_700)] {
            let name = format!("tick_to_order_worst_{family}{{window=\"start\",rank=\"1\"}}");
            view.gauges.insert(name, value);
            let name = format!("tick_to_order_worst_{family}{{window=\"start\",rank=\"2\"}}");
            view.gauges.insert(name, 0);
        }
        for (rank, ns) in [(1, 30), (2, 0)] {
            let place = format!("window=\"start\",rank=\"{rank}\",stage=\"write\"");
            let name = format!("tick_to_order_worst_stage_ns{{{place}}}");
            view.gauges.insert(name, ns);
        }
        let steal = "cpu_steal_ns_total{cpu=\"1\"}".to_string();
        view.figures.insert(steal, 20_000_000);
        view
    }

    #[test]
    fn two_measures_of_the_same_orders_are_never_added_up() {
        let view = picture();
        let all = from_read(&view).unwrap();
        assert_eq!((all.count(), all.max_ns()), (3, 20));
        let figures = figures(&view);
        let depth = &figures.tick_to_order_ns["depth"];
        assert_eq!(depth["from_read"].p50, Some(20));
        assert_eq!(depth["from_kernel"].p50, Some(40));
        assert_eq!(figures.tick_to_order_ns.get("trade"), None);
        assert_eq!(from_read(&View::default()), None);
    }

    #[test]
    fn stages_stalls_and_steal_stand_apart() {
        let figures = figures(&picture());
        let parse = &figures.stages_ns["depth"]["parse"];
        assert_eq!((parse.count, parse.max), (11, Some(9)));
        assert_eq!(figures.stalled_tick_to_order_ns.count, 1);
        assert_eq!(figures.loop_stalls_ns, Percentiles::default());
        assert_eq!(figures.cpu_steal_ns, Some(20_000_000));
    }

    #[test]
    fn the_worst_orders_lead_to_their_input() {
        let figures = figures(&picture());
        let expected = WorstOrder {
            window: "start".to_string(),
            rank: 1,
            input_sequence: 77,
            tick_to_order_ns: 40,
            utc_s: 1_700,
            stages_ns: BTreeMap::from([("write".to_string(), 30)]),
        };
        assert_eq!(figures.worst, [expected]);
    }
}
