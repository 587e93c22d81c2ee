//! Histograms out of a page of metrics, in the text form of Prometheus.
//!
//! In: a page such as control's `/metrics`, or some of its lines. Out: one histogram, in ns.
//! Never: a guess; what it cannot use is named with its line.

use std::collections::BTreeMap;

use super::{DELAY_NS_MAX, Histogram};

/// A round trip: each way of it is half.
const ROUND_TRIP: &str = "fulcrum_order_ack_duration_seconds";
const BUCKET: &str = "_bucket";
const UNIT: &str = "_seconds";
const NS: f64 = 1e9;

/// Counts up to each bound, with the line of each; bounds are compared as ns.
type Series = BTreeMap<u64, (f64, usize)>;

/// Labels and their values, still escaped.
type Labels = Vec<(String, String)>;

/// All series of one histogram, by their other labels.
type Family = BTreeMap<String, Series>;

/// The histogram named `metric`, or the only one; of several, the round trip of orders. Its series
/// are added. `source` names the page in errors.
///
/// # Errors
/// What is wrong, in which line, and what would be right.
pub fn read(source: &str, page: &str, metric: Option<&str>) -> Result<Histogram, String> {
    let families = families(page).map_err(|error| format!("{source}: {error}"))?;
    let name = choose(&families, metric).map_err(|error| format!("{source}: {error}"))?;
    let summed = sum(&families[name]);
    let histogram = summed.and_then(|(bounds, total)| {
        let source = format!("{source}:{name}");
        check(&bounds, total)?;
        Ok(Histogram::new(source, bounds, total))
    });
    let histogram = histogram.map_err(|error| format!("{source}: `{name}`: {error}"))?;
    Ok(match name == ROUND_TRIP {
        true => histogram.halved(),
        false => histogram,
    })
}

fn families(page: &str) -> Result<BTreeMap<String, Family>, String> {
    let mut families = BTreeMap::<String, Family>::new();
    for (index, line) in page.lines().enumerate() {
        let line = line.trim();
        let end = line.find(|c: char| c == '{' || c.is_whitespace());
        let name = line.split_at(end.unwrap_or(line.len())).0;
        let Some(name) = name.strip_suffix(BUCKET).filter(|_| !line.starts_with('#')) else {
            continue;
        };
        let number = index + 1;
        let wrong = |what: String| format!("line {number}: {what}");
        let (others, bound, count) = bucket(&line[name.len() + BUCKET.len()..]).map_err(wrong)?;
        let series = families.entry(name.to_owned()).or_default();
        let series = series.entry(others).or_default();
        // Bounds are not negative: their bits are in their own order.
        if series.insert(bound.to_bits(), (count, number)).is_some() {
            return Err(wrong(format!(
                "a second count for le=\"{bound}\" of one series"
            )));
        }
    }
    Ok(families)
}

/// Labels without `le`, its bound, the count.
fn bucket(rest: &str) -> Result<(String, f64, f64), String> {
    let (labels, value) = split_labels(rest)?;
    let mut others = String::new();
    let mut bound = None;
    for (name, text) in labels {
        if name == "le" {
            bound = Some(text);
        } else {
            others.push_str(&format!("{name}={text},"));
        }
    }
    let bound = bound.ok_or("no label `le`, which every bucket has")?;
    let le: f64 = match bound.as_str() {
        "+Inf" => f64::INFINITY,
        text => text
            .parse()
            .ok()
            .filter(|le: &f64| le.is_finite() && *le >= 0.0)
            .ok_or_else(|| format!("le=\"{text}\"; a bound is 0 or more seconds, or +Inf"))?,
    };
    let text = value.split_whitespace().next().unwrap_or_default();
    let count: Option<f64> = text.parse().ok();
    let count = count.filter(|count| count.is_finite() && *count >= 0.0);
    let count = count.ok_or_else(|| format!("`{text}` is no count"))?;
    // Minus zero has other bits than zero.
    Ok((others, le + 0.0, count))
}

/// `{name="value",…} rest` in pairs; a quote, a backslash and a new line are escaped in values.
fn split_labels(text: &str) -> Result<(Labels, &str), String> {
    let broken = || "labels that do not end as {name=\"value\",…}".to_owned();
    let mut rest = text.strip_prefix('{').ok_or_else(broken)?;
    let mut labels = Vec::new();
    loop {
        rest = rest.trim_start_matches([',', ' ']);
        if let Some(after) = rest.strip_prefix('}') {
            return Ok((labels, after));
        }
        let (name, after) = rest.split_once("=\"").ok_or_else(broken)?;
        let mut escaped = false;
        let end = after.find(|c| {
            let ends = c == '"' && !escaped;
            escaped = c == '\\' && !escaped;
            ends
        });
        let end = end.ok_or_else(broken)?;
        labels.push((name.trim().to_owned(), after[..end].to_owned()));
        rest = &after[end + 1..];
    }
}

fn choose<'a>(
    families: &'a BTreeMap<String, Family>,
    metric: Option<&str>,
) -> Result<&'a str, String> {
    let names: Vec<&str> = families.keys().map(String::as_str).collect();
    let listed = names.join(", ");
    let name = match (metric, names.as_slice()) {
        (_, []) => return Err(format!("no histogram: no line begins with NAME{BUCKET}{{")),
        (Some(wanted), _) => *names
            .iter()
            .find(|name| **name == wanted)
            .ok_or_else(|| format!("no histogram `{wanted}`; there are {listed}"))?,
        (None, [only]) => only,
        (None, several) => *several
            .iter()
            .find(|name| **name == ROUND_TRIP)
            .ok_or_else(|| format!("several histograms, name one of {listed}"))?,
    };
    if !name.ends_with(UNIT) {
        return Err(format!(
            "`{name}` is not in seconds: its name must end with {UNIT}"
        ));
    }
    Ok(name)
}

/// The counts of all series, by bound in ns; and all there are.
fn sum(family: &Family) -> Result<(Vec<(f64, f64)>, f64), String> {
    let mut sums = BTreeMap::<u64, f64>::new();
    let first = family.values().next();
    for series in family.values() {
        if first.is_some_and(|first| !first.keys().eq(series.keys())) {
            let line = series.values().map(|(_, line)| *line).min();
            return Err(format!(
                "line {}: a series with other bounds than the first one",
                line.unwrap_or_default()
            ));
        }
        let mut before = 0.0;
        for (bound, (count, line)) in series {
            if *count < before {
                return Err(format!(
                    "line {line}: {count} after {before}; counts up to a bound do not fall"
                ));
            }
            before = *count;
            *sums.entry(*bound).or_default() += count;
        }
    }
    let total = sums.remove(&f64::INFINITY.to_bits());
    let total = total.ok_or("no bucket le=\"+Inf\", which has the count of all")?;
    let bounds = sums.into_iter();
    let bounds = bounds.map(|(bound, count)| (f64::from_bits(bound) * NS, count));
    Ok((bounds.collect(), total))
}

fn check(bounds: &[(f64, f64)], total: f64) -> Result<(), String> {
    if bounds.is_empty() {
        return Err("no bucket but +Inf: nothing is known of its durations".to_owned());
    }
    if total <= 0.0 {
        return Err("it is empty: nothing was measured yet".to_owned());
    }
    // What nothing was counted in is of no matter, however far it reaches; the last bound stands
    // for all above it.
    let above = total > bounds[bounds.len() - 1].1;
    let full = bounds.partition_point(|(_, up_to)| *up_to < total);
    let last = bounds[full.min(bounds.len() - 1)].0;
    if last > DELAY_NS_MAX as f64 {
        let what = if above { "or more " } else { "" };
        return Err(format!(
            "durations of up to {} s {what}are in it; a delay is at most {} s",
            last / NS,
            DELAY_NS_MAX / 1_000_000_000
        ));
    }
    Ok(())
}
