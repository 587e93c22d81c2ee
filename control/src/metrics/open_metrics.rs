//! OpenMetrics text, written by prometheus-client.
//!
//! In: families. Out: text with `# EOF`. Never: a suffix written by hand: the library adds `_total`,
//! `_info` and the unit by itself, so they are taken off the name before.

use super::{Buckets, Families, Family, Kind, PREFIX, Value, bounds_s};
use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, MetricEncoder};
use prometheus_client::metrics::MetricType;
use prometheus_client::metrics::exemplar::Exemplar;
use prometheus_client::registry::{Registry, Unit};
use std::collections::HashMap;
use std::fmt::Error;

type Pairs = Vec<(String, String)>;

/// The text.
///
/// # Errors
/// When the library refuses, which it does for no family of ours.
pub fn open_metrics(families: Families) -> Result<String, Error> {
    let mut registry = Registry::with_prefix(PREFIX);
    registry.register_collector(Box::new(Page(families)));
    let mut page = String::with_capacity(64 * 1024);
    prometheus_client::encoding::text::encode(&mut page, &registry)?;
    Ok(page)
}

#[derive(Debug)]
struct Page(Families);

impl Collector for Page {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> Result<(), Error> {
        for (name, family) in &self.0 {
            let (stem, unit) = split_unit(name);
            let stem = match family.kind {
                Kind::Info => stem.strip_suffix("_info").unwrap_or(stem),
                _ => stem,
            };
            let kind = match family.kind {
                Kind::Counter => MetricType::Counter,
                Kind::Gauge => MetricType::Gauge,
                Kind::Info => MetricType::Info,
                Kind::Histogram => MetricType::Histogram,
            };
            let metric = encoder.encode_descriptor(stem, family.help, unit.as_ref(), kind)?;
            encode_family(family, metric)?;
        }
        Ok(())
    }
}

/// Base units stand at the end of a name.
fn split_unit(name: &str) -> (&str, Option<Unit>) {
    for (suffix, unit) in [
        ("_seconds", Unit::Seconds),
        ("_bytes", Unit::Bytes),
        ("_ratio", Unit::Other("ratio".to_string())),
    ] {
        if let Some(stem) = name.strip_suffix(suffix) {
            return (stem, Some(unit));
        }
    }
    (name, None)
}

fn encode_family(family: &Family, mut metric: MetricEncoder<'_>) -> Result<(), Error> {
    for (labels, value) in &family.samples {
        if family.kind == Kind::Info {
            metric.encode_info(labels)?;
        } else if labels.is_empty() {
            encode_sample(family.kind, value, &mut metric)?;
        } else {
            encode_sample(family.kind, value, &mut metric.encode_family(labels)?)?;
        }
    }
    Ok(())
}

fn encode_sample(kind: Kind, value: &Value, metric: &mut MetricEncoder<'_>) -> Result<(), Error> {
    match (kind, value) {
        (_, Value::Histogram(buckets)) => encode_buckets(buckets, metric),
        (Kind::Counter, Value::Whole(whole)) => {
            metric.encode_counter(whole, None::<&Exemplar<Pairs, u64>>)
        }
        (Kind::Counter, Value::Float(float)) => {
            metric.encode_counter(float, None::<&Exemplar<Pairs, f64>>)
        }
        (_, Value::Whole(whole)) => metric.encode_gauge(&(*whole as f64)),
        (_, Value::Float(float)) => metric.encode_gauge(float),
    }
}

/// The library adds the counts up by itself.
fn encode_buckets(buckets: &Buckets, metric: &mut MetricEncoder<'_>) -> Result<(), Error> {
    let mut below = 0;
    let mut single = Vec::with_capacity(ipc::BUCKETS_NS.len() + 1);
    for (bound, cumulative) in bounds_s().zip(buckets.cumulative) {
        single.push((bound, cumulative.saturating_sub(below)));
        below = cumulative;
    }
    single.push((f64::INFINITY, buckets.count.saturating_sub(below)));
    let sum_s = buckets.sum_ns as f64 / 1e9;
    let none: Option<&HashMap<usize, Exemplar<Pairs, f64>>> = None;
    metric.encode_histogram(sum_s, buckets.count, &single, none)
}
