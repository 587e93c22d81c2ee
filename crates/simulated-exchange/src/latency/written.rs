//! Latency as the command line has it: `feed=MS|FILE`, `order=…`, `response=…`.
//!
//! In: one part as written. Out: the part and where its delay comes from, read on demand. Never: a
//! file that is read while arguments are.

use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::sync::Arc;

use super::{Delay, Latency, Part, read_histogram};

/// Largest file of metrics.
const FILE_BYTES_MAX: u64 = 16 << 20;

/// Where a delay comes from.
#[derive(Clone, Debug, PartialEq)]
pub enum Source {
    /// It is said.
    Said(Delay),
    /// From a histogram: the file, and the metric where it was named.
    File(PathBuf, Option<String>),
}

/// One part as written.
#[derive(Clone, Debug, PartialEq)]
pub struct PartSpec {
    /// Which.
    pub part: Part,
    /// Where its delay comes from.
    pub source: Source,
}

impl FromStr for PartSpec {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let names = || Part::ALL.map(Part::as_str).join(", ");
        let Some((name, value)) = text.split_once('=') else {
            return Err(format!(
                "`{text}` is no PART=MS or PART=FILE; parts are {}",
                names()
            ));
        };
        let part = Part::ALL.into_iter().find(|part| part.as_str() == name);
        let part =
            part.ok_or_else(|| format!("no part is named `{name}`; there are {}", names()))?;
        if value.is_empty() {
            return Err(format!(
                "{name}= says nothing; it takes milliseconds or a file with a histogram"
            ));
        }
        let source = match value.parse::<f64>() {
            Ok(ms) => Source::Said(Delay::from_ms(ms).map_err(|error| format!("{name}: {error}"))?),
            Err(_) => {
                let (file, metric) = split_metric(value);
                Source::File(PathBuf::from(file), metric.map(str::to_owned))
            }
        };
        Ok(Self { part, source })
    }
}

/// A metric's name behind the last colon, where what stands there can be one.
fn split_metric(value: &str) -> (&str, Option<&str>) {
    let in_name = |c: char| c.is_ascii_alphanumeric() || c == '_';
    match value.rsplit_once(':') {
        Some((file, name)) if !file.is_empty() && !name.is_empty() && name.chars().all(in_name) => {
            (file, Some(name))
        }
        _ => (value, None),
    }
}

impl Latency {
    /// The latency that the command line asks for.
    ///
    /// # Errors
    /// A part that is said twice, or a file that has no such histogram.
    pub fn from_specs(specs: &[PartSpec]) -> Result<Self, String> {
        let mut latency = Self::default();
        for (index, spec) in specs.iter().enumerate() {
            let part = spec.part.as_str();
            if specs[..index].iter().any(|other| other.part == spec.part) {
                return Err(format!("--latency: {part} is said twice"));
            }
            let delay = match &spec.source {
                Source::Said(delay) => Ok(delay.clone()),
                Source::File(file, metric) => read_file(file, metric.as_deref()),
            };
            let delay = delay.map_err(|error| format!("--latency: {part}: {error}"))?;
            latency.set(spec.part, delay);
        }
        Ok(latency)
    }
}

fn read_file(file: &Path, metric: Option<&str>) -> Result<Delay, String> {
    let name = file.display().to_string();
    let told = |error: std::io::Error| {
        format!("{name}: {error}; it takes milliseconds, such as 0.5, or a file with a histogram")
    };
    let length = std::fs::metadata(file).map_err(told)?.len();
    if length > FILE_BYTES_MAX {
        return Err(format!(
            "{name}: {length} bytes; a page of metrics has at most {FILE_BYTES_MAX}"
        ));
    }
    let page = std::fs::read_to_string(file).map_err(told)?;
    let histogram = read_histogram(&name, &page, metric)?;
    Ok(Delay::Sampled(Arc::new(histogram)))
}
