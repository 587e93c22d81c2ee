//! What control knows, for people: instruments, signals, risk, the machine, latency, log.
//!
//! In: answers of its API. Out: tables, or the answers themselves. Never: a figure that the JSON form
//! does not have.

use super::arguments::Arguments;
use super::remote::Remote;
use super::{Failure, failure};
use crate::table::columns::{Align, duration, lay_out};
use serde_json::{Value, json};
use std::fmt::Write as _;
use std::io::Write as _;

use Align::{Left, Right};

/// What is looked at.
#[derive(Clone, Copy, Debug)]
pub(super) enum Look {
    Instruments,
    Signals,
    Risk,
    System,
    Latency,
    Logs(usize),
}

/// Asks and shows.
pub(super) fn run(look: Look, arguments: &Arguments) -> Result<(), Failure> {
    let mut remote = Remote::of(arguments)?;
    let mut ask = |path: &str| remote.get(path);
    let value = match look {
        Look::Instruments => ask("/instruments")?,
        Look::Signals => ask("/signals")?,
        Look::Risk => json!({
            "risk": ask("/risk")?,
            "what_would_trip": ask("/risk/what-would-trip")?,
        }),
        Look::System => ask("/system")?,
        Look::Latency => ask("/latency")?,
        Look::Logs(count) => ask(&format!("/logs?n={count}"))?,
    };
    let text = match arguments.json {
        true => value.to_string() + "\n",
        false => text(look, &value),
    };
    match std::io::stdout().write_all(text.as_bytes()) {
        // Whoever reads no further has what it wants.
        Err(error) if error.kind() == std::io::ErrorKind::BrokenPipe => Ok(()),
        written => written.map_err(|error| failure(error.to_string())),
    }
}

fn text(look: Look, value: &Value) -> String {
    match look {
        Look::Instruments => rows(
            value,
            &[
                ("market", "market", Left),
                ("symbol", "symbol", Left),
                ("tick", "tick", Right),
                ("lot", "lot", Right),
                ("tradable", "tradable", Left),
                ("book", "book", Left),
                ("margin", "margin_type", Left),
                ("leverage", "leverage", Right),
                ("reconciled", "reconciled", Left),
            ],
        ),
        Look::Signals => rows(
            value,
            &[
                ("market", "market", Left),
                ("symbol", "symbol", Left),
                ("valid", "valid", Left),
                ("imbalance", "imbalance_ratio", Right),
                ("levels", "levels", Right),
                ("age ms", "age_ms", Right),
                ("why not", "why", Left),
            ],
        ),
        Look::Risk => risk(value),
        Look::System => system(value),
        Look::Latency => latency(&value["measures"]),
        Look::Logs(_) => logs(value),
    }
}

fn risk(value: &Value) -> String {
    let (risk, nearest) = (&value["risk"], &value["what_would_trip"]);
    let list = |value: &Value| {
        let words = value.as_array().into_iter().flatten();
        let words: Vec<&str> = words.filter_map(Value::as_str).collect();
        match words.is_empty() {
            true => "none".to_string(),
            false => words.join(", "),
        }
    };
    let mut text = format!(
        "  state    {} ({})\n  tripped  {}\n  nearest  {}\n\n",
        cell(&risk["trading_state"]),
        cell(&risk["reason"]),
        list(&risk["tripped"]),
        cell(&nearest["first"]),
    );
    let mut distances = nearest["distances"].clone();
    for one in distances.as_array_mut().into_iter().flatten() {
        let used = one["used_e8"].as_i64().unwrap_or_default();
        one["percent"] = format!("{}.{}", used / 1_000_000, used / 100_000 % 10).into();
    }
    text += &rows(
        &distances,
        &[
            ("what", "what", Left),
            ("kind", "kind", Left),
            ("used", "used", Right),
            ("allowed", "allowed", Right),
            ("left", "left", Right),
            ("unit", "unit", Left),
            ("%", "percent", Right),
        ],
    );
    let denials = risk["denials"].as_object();
    let denials = denials.into_iter().flatten().map(|(code, count)| {
        let row = vec![code.clone(), cell(count)];
        row
    });
    let mut denials: Vec<Vec<String>> = denials.collect();
    if !denials.is_empty() {
        denials.insert(0, vec!["denied".to_string(), "orders".to_string()]);
        let _ = write!(text, "\n{}\n", lay_out(&[Left, Right], &denials).join("\n"));
    }
    text
}

fn system(value: &Value) -> String {
    let mut pairs: Vec<Vec<String>> = Vec::new();
    for part in [
        "builds", "control", "hot_path", "cores", "clock", "segment", "memory", "disk",
    ] {
        let name = part.replace('_', " ");
        match value[part].as_object() {
            None => pairs.push(vec![name, cell(&value[part])]),
            Some(fields) => {
                for (field, value) in fields {
                    let field = field.replace('_', " ");
                    pairs.push(vec![format!("{name}: {field}"), cell(value)]);
                }
            }
        }
    }
    let mut text = lay_out(&[Left, Left], &pairs).join("\n") + "\n\n";
    text += &rows(
        &value["rings"],
        &[
            ("ring", "ring", Left),
            ("depth", "depth", Right),
            ("capacity", "capacity", Right),
            ("highest", "high_watermark", Right),
            ("dropped", "dropped", Right),
        ],
    );
    text
}

fn latency(measures: &Value) -> String {
    let mut table = vec![
        ["measure", "labels", "p50", "p99", "p99.9", "max", "count"]
            .map(str::to_string)
            .to_vec(),
    ];
    for one in measures.as_array().into_iter().flatten() {
        let labels = one["labels"].as_object().into_iter().flatten();
        let labels: Vec<String> = labels.map(|(_, value)| cell(value)).collect();
        let mut row = vec![cell(&one["measure"]), labels.join(" ")];
        for field in ["p50_ns", "p99_ns", "p999_ns", "max_ns"] {
            row.push(one[field].as_u64().map_or("-".to_string(), duration));
        }
        row.push(cell(&one["count"]));
        table.push(row);
    }
    let aligns = [Left, Left, Right, Right, Right, Right, Right];
    lay_out(&aligns, &table).join("\n") + "\n"
}

fn logs(value: &Value) -> String {
    let mut text = String::new();
    for line in value["control"].as_array().into_iter().flatten() {
        let seconds = line["utc_ns"].as_i64().unwrap_or_default() / 1_000_000_000;
        let _ = writeln!(
            text,
            "{} {:5} {}: {}",
            clock_time(seconds),
            cell(&line["level"]),
            cell(&line["target"]),
            cell(&line["text"])
        );
    }
    let _ = writeln!(text, "hot path: {}", cell(&value["hot_path"]));
    text
}

/// Hours, minutes and seconds of the day, UTC.
pub(super) fn clock_time(utc_s: i64) -> String {
    let second = utc_s.rem_euclid(86_400);
    format!(
        "{:02}:{:02}:{:02}",
        second / 3_600,
        second / 60 % 60,
        second % 60
    )
}

/// A table of a list of objects: heading, field, side.
fn rows(list: &Value, columns: &[(&str, &str, Align)]) -> String {
    let heading = columns.iter().map(|(name, ..)| (*name).to_string());
    let mut table = vec![heading.collect::<Vec<_>>()];
    for one in list.as_array().into_iter().flatten() {
        let row = columns.iter().map(|(_, field, _)| cell(&one[*field]));
        table.push(row.collect());
    }
    let aligns: Vec<Align> = columns.iter().map(|(.., align)| *align).collect();
    lay_out(&aligns, &table).join("\n") + "\n"
}

/// A value as a cell.
pub(super) fn cell(value: &Value) -> String {
    match value {
        Value::Null => "-".to_string(),
        Value::Bool(true) => "yes".to_string(),
        Value::Bool(false) => "no".to_string(),
        Value::String(text) => text.clone(),
        Value::Number(number) => match number.as_f64().filter(|_| number.is_f64()) {
            Some(number) => format!("{number:.3}"),
            None => number.to_string(),
        },
        other => other.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tables_line_up_and_say_what_is_not_known() {
        let signals = json!([
            {"market": "usdm", "symbol": "BTCUSDT", "valid": true, "why": null,
             "imbalance_ratio": 1.23456, "levels": 5, "age_ms": 3},
            {"market": "spot", "symbol": "币安人生USDT", "valid": false, "why": "SIGNAL_STALE",
             "imbalance_ratio": null, "levels": 5, "age_ms": 3_100},
        ]);
        let wanted = "  market  symbol        valid  imbalance  levels  age ms  why not\n  \
                      usdm    BTCUSDT       yes        1.235       5       3  -\n  \
                      spot    币安人生USDT  no             -       5    3100  SIGNAL_STALE\n";
        assert_eq!(text(Look::Signals, &signals), wanted);
        assert_eq!(clock_time(86_399), "23:59:59");
    }

    #[test]
    fn risk_names_the_nearest() {
        let value = json!({
            "risk": {"trading_state": "ACTIVE", "reason": "RECONCILED", "tripped": [],
                     "denials": {"PRICE_COLLAR": 2}},
            "what_would_trip": {"first": "DRAWDOWN", "distances": [
                {"what": "DRAWDOWN", "kind": "breaker", "unit": "usdt", "used": "500",
                 "allowed": "1000", "left": "500", "used_e8": 50_000_000}]},
        });
        let text = text(Look::Risk, &value);
        for part in ["nearest  DRAWDOWN", "tripped  none", "50.0", "PRICE_COLLAR"] {
            assert!(text.contains(part), "{part}: {text}");
        }
    }
}
