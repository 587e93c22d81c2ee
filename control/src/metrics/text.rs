//! Text 0.0.4, the form that `promtool check metrics` reads.
//!
//! In: families. Out: text. Never: an exemplar, which this form does not have.

use super::{Families, Kind, PREFIX, Value, bounds_s};
use std::fmt::Write as _;

/// The text.
#[must_use]
pub fn text(families: &Families) -> String {
    let mut page = String::with_capacity(64 * 1024);
    for (name, family) in families {
        let (suffix, kind) = match family.kind {
            Kind::Counter => ("_total", "counter"),
            Kind::Gauge | Kind::Info => ("", "gauge"),
            Kind::Histogram => ("", "histogram"),
        };
        let full = format!("{PREFIX}_{name}{suffix}");
        let _ = writeln!(page, "# HELP {full} {}\n# TYPE {full} {kind}", family.help);
        for (labels, value) in &family.samples {
            match value {
                Value::Whole(whole) => line(&mut page, &full, labels, None, &whole.to_string()),
                Value::Float(float) => line(&mut page, &full, labels, None, &number(*float)),
                Value::Histogram(buckets) => {
                    let bucket = format!("{full}_bucket");
                    for (bound, count) in bounds_s().zip(buckets.cumulative) {
                        line(
                            &mut page,
                            &bucket,
                            labels,
                            Some(&number(bound)),
                            &count.to_string(),
                        );
                    }
                    let count = buckets.count.to_string();
                    line(&mut page, &bucket, labels, Some("+Inf"), &count);
                    let sum = number(buckets.sum_ns as f64 / 1e9);
                    line(&mut page, &format!("{full}_sum"), labels, None, &sum);
                    line(&mut page, &format!("{full}_count"), labels, None, &count);
                }
            }
        }
    }
    page
}

fn line(
    page: &mut String,
    name: &str,
    labels: &[(String, String)],
    bound: Option<&str>,
    value: &str,
) {
    page.push_str(name);
    let pairs = labels
        .iter()
        .map(|(key, value)| (key.as_str(), value.as_str()))
        .chain(bound.map(|bound| ("le", bound)));
    let mut separator = '{';
    for (key, value) in pairs {
        page.push(separator);
        separator = ',';
        let _ = write!(page, "{key}=\"{}\"", escape(value));
    }
    if separator == ',' {
        page.push('}');
    }
    let _ = writeln!(page, " {value}");
}

fn escape(value: &str) -> String {
    value
        .replace('\\', "\\\\")
        .replace('"', "\\\"")
        .replace('\n', "\\n")
}

fn number(value: f64) -> String {
    if value.is_nan() {
        "NaN".to_string()
    } else if value.is_infinite() {
        if value > 0.0 { "+Inf" } else { "-Inf" }.to_string()
    } else {
        format!("{value:?}")
    }
}
