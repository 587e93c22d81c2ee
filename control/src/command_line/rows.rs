//! What control keeps, for people: rows of the ledger, figures, the audit, whether it is ready.
//!
//! In: which rows. Out: tables or the API's own JSON. Never: a figure that the JSON does not have.

use super::remote::Remote;
use super::{Failure, exit, failure};
use crate::table::columns::{Align, duration, lay_out};
use clap::Args;
use market::UtcNs;
use serde_json::Value;
use statistics::Day;
use std::fmt::Write as _;

/// Which rows, and how many.
#[derive(Clone, Debug, Args)]
pub(super) struct RowsWanted {
    /// Rows of the page, 1 to 1000.
    #[arg(long, value_name = "N", default_value_t = 20, value_parser = clap::value_parser!(u32).range(1..=1_000))]
    limit: u32,
    /// Rows behind this place: what the page before said, such as 3-1742.
    #[arg(long, value_name = "PLACE")]
    after: Option<String>,
    /// Rows of this symbol alone, such as BTCUSDT.
    #[arg(long, value_name = "SYMBOL")]
    symbol: Option<String>,
    /// Rows of the strategy with this index alone, 0 for the first one.
    #[arg(long, value_name = "INDEX")]
    strategy: Option<u8>,
    /// The oldest first; else the newest.
    #[arg(long)]
    oldest_first: bool,
}

/// How a field is written.
#[derive(Clone, Copy)]
enum Form {
    Text,
    Number,
    UtcMs,
    UtcNs,
    Ns,
}

/// A kind of rows: its path, and its columns as heading, field and form.
pub(super) struct Kind {
    path: &'static str,
    columns: &'static [(&'static str, &'static str, Form)],
}

use Form::{Ns, Number, Text, UtcMs, UtcNs as Time};

pub(super) static FILLS: Kind = Kind {
    path: "/engine/fills",
    columns: &[
        ("time", "transaction_time_ms", UtcMs),
        ("market", "market", Text),
        ("symbol", "symbol", Text),
        ("side", "side", Text),
        ("price", "price", Number),
        ("quantity", "quantity", Number),
        ("liquidity", "liquidity", Text),
        ("fee", "fee", Number),
        ("realized", "realized", Number),
        ("order", "client_order_id", Text),
    ],
};

pub(super) static TRADES: Kind = Kind {
    path: "/engine/trades",
    columns: &[
        ("closed", "utc_ns", Time),
        ("market", "market", Text),
        ("symbol", "symbol", Text),
        ("side", "side", Text),
        ("held", "held_ns", Ns),
        ("net USDT", "net", Number),
        ("fees USDT", "fees", Number),
        ("reason", "reason", Text),
    ],
};

pub(super) static HISTORY: Kind = Kind {
    path: "/engine/orders/history",
    columns: &[
        ("changed", "changed_utc_ns", Time),
        ("market", "market", Text),
        ("symbol", "symbol", Text),
        ("side", "side", Text),
        ("type", "order_type", Text),
        ("force", "time_in_force", Text),
        ("price", "price", Number),
        ("quantity", "quantity", Number),
        ("filled", "filled", Number),
        ("state", "state", Text),
        ("certainty", "certainty", Text),
        ("order", "client_order_id", Text),
    ],
};

pub(super) static DENIALS: Kind = Kind {
    path: "/engine/denials",
    columns: &[
        ("time", "utc_ns", Time),
        ("market", "market", Text),
        ("symbol", "symbol", Text),
        ("side", "side", Text),
        ("code", "code", Text),
        ("price ticks", "price_ticks", Number),
        ("quantity lots", "quantity_lots", Number),
    ],
};

pub(super) static BREAKERS: Kind = Kind {
    path: "/engine/breakers",
    columns: &[
        ("time", "utc_ns", Time),
        ("breaker", "breaker", Text),
        ("value", "value", Number),
        ("allowed", "allowed", Number),
        ("dry", "dry", Text),
    ],
};

pub(super) static STATES: Kind = Kind {
    path: "/engine/states",
    columns: &[
        ("time", "utc_ns", Time),
        ("from", "from", Text),
        ("to", "to", Text),
        ("reason", "reason", Text),
    ],
};

pub(super) static INCOME: Kind = Kind {
    path: "/engine/income",
    columns: &[
        ("time", "time_ms", UtcMs),
        ("kind", "kind", Text),
        ("symbol", "symbol", Text),
        ("amount", "amount", Number),
        ("asset", "asset", Text),
    ],
};

static AUDIT: &[(&str, &str, Form)] = &[
    ("id", "id", Number),
    ("time", "utc_ms", UtcMs),
    ("caller", "caller", Text),
    ("address", "address", Text),
    ("act", "act", Text),
    ("arguments", "arguments", Text),
    ("status", "status", Number),
];

/// A page of rows.
pub(super) fn show(
    remote: &mut Remote,
    kind: &Kind,
    wanted: &RowsWanted,
    as_json: bool,
) -> Result<(), Failure> {
    let mut path = format!("{}?limit={}", kind.path, wanted.limit);
    for (name, value) in [
        ("after", wanted.after.clone()),
        ("symbol", wanted.symbol.clone()),
        ("strategy", wanted.strategy.map(|index| index.to_string())),
        (
            "oldest_first",
            wanted.oldest_first.then(|| "true".to_string()),
        ),
    ] {
        if let Some(value) = value {
            let _ = write!(path, "&{name}={}", escaped(&value));
        }
    }
    let page = remote.get(&path)?;
    if as_json {
        println!("{page}");
        return Ok(());
    }
    let rows = page["rows"].as_array().map_or(&[][..], Vec::as_slice);
    println!("{}", table(kind.columns, rows));
    if let Some(next) = page["next"].as_str() {
        println!("\nmore with --after {next}");
    }
    Ok(())
}

/// Figures of all starts.
pub(super) fn stats(remote: &mut Remote, as_json: bool) -> Result<(), Failure> {
    let stats = remote.get("/engine/stats")?;
    if as_json {
        println!("{stats}");
        return Ok(());
    }
    let mut rows = Vec::new();
    flatten("", &stats, &mut rows);
    println!("{}", lay_out(&[Align::Left, Align::Left], &rows).join("\n"));
    Ok(())
}

/// Calls that changed something, the newest first.
pub(super) fn audit(
    remote: &mut Remote,
    limit: u32,
    before: Option<i64>,
    as_json: bool,
) -> Result<(), Failure> {
    let mut path = format!("/audit?limit={limit}");
    if let Some(before) = before {
        let _ = write!(path, "&before={before}");
    }
    let rows = remote.get(&path)?;
    if as_json {
        println!("{rows}");
        return Ok(());
    }
    let rows = rows.as_array().map_or(&[][..], Vec::as_slice);
    println!("{}", table(AUDIT, rows));
    Ok(())
}

/// Whether it trades, or could; a failure where not.
pub(super) fn health(remote: &mut Remote, as_json: bool) -> Result<(), Failure> {
    let health = remote.health()?;
    if as_json {
        println!("{health}");
    }
    let reasons = health["reasons"].as_array().map_or(&[][..], Vec::as_slice);
    let reasons: Vec<&str> = reasons.iter().filter_map(Value::as_str).collect();
    match health["ready"].as_bool() {
        Some(true) => {
            if !as_json {
                println!("ready");
            }
            Ok(())
        }
        Some(false) => Err((exit::FAILURE, format!("not ready: {}", reasons.join("; ")))),
        None => Err(failure("no answer of a Fulcrum's API")),
    }
}

fn table(columns: &[(&str, &str, Form)], rows: &[Value]) -> String {
    if rows.is_empty() {
        return "no rows".to_string();
    }
    let aligns: Vec<Align> = columns
        .iter()
        .map(|(_, _, form)| match form {
            Number | Ns => Align::Right,
            _ => Align::Left,
        })
        .collect();
    let mut all = vec![
        columns
            .iter()
            .map(|(heading, ..)| (*heading).to_string())
            .collect(),
    ];
    for row in rows {
        let cells = columns
            .iter()
            .map(|(_, field, form)| cell(&row[*field], *form));
        all.push(cells.collect());
    }
    lay_out(&aligns, &all).join("\n")
}

fn cell(value: &Value, form: Form) -> String {
    match (form, value) {
        (_, Value::Null) => "-".to_string(),
        (UtcMs, value) => utc_ms(value.as_i64().unwrap_or(0)),
        (Time, value) => utc_ms(value.as_i64().unwrap_or(0) / 1_000_000),
        (Ns, value) => duration(value.as_u64().unwrap_or(0)),
        (_, Value::String(text)) => text.clone(),
        (_, Value::Bool(yes)) => if *yes { "yes" } else { "no" }.to_string(),
        (_, other) => other.to_string(),
    }
}

/// `2026-11-28 01:02:03.004`, UTC.
pub(super) fn utc_ms(ms: i64) -> String {
    let day = Day::of(UtcNs(ms.saturating_mul(1_000_000)));
    let left = ms.rem_euclid(86_400_000);
    let (hours, minutes) = (left / 3_600_000, left / 60_000 % 60);
    let (seconds, ms) = (left / 1_000 % 60, left % 1_000);
    format!("{day} {hours:02}:{minutes:02}:{seconds:02}.{ms:03}")
}

/// One line a figure, its name with dots between.
fn flatten(name: &str, value: &Value, rows: &mut Vec<Vec<String>>) {
    let named = |key: &str| match name {
        "" => key.to_string(),
        _ => format!("{name}.{key}"),
    };
    match value {
        Value::Object(fields) => {
            for (key, value) in fields {
                flatten(&named(key), value, rows);
            }
        }
        Value::Array(values) => {
            for (at, value) in values.iter().enumerate() {
                flatten(&named(&at.to_string()), value, rows);
            }
        }
        value => rows.push(vec![name.to_string(), cell(value, Text)]),
    }
}

/// As a query wants it.
pub(super) fn escaped(text: &str) -> String {
    text.bytes()
        .map(|byte| match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'.' | b'_' => {
                char::from(byte).to_string()
            }
            _ => format!("%{byte:02X}"),
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn times_are_written_in_utc() {
        assert_eq!(utc_ms(0), "1970-01-01 00:00:00.000");
        assert_eq!(utc_ms(1_795_827_723_004), "2026-11-28 01:02:03.004");
        assert_eq!(utc_ms(-1), "1969-12-31 23:59:59.999");
    }

    #[test]
    fn rows_become_a_table_with_their_forms() {
        let row = json!({ "utc_ns": 1_000_000, "from": "HALTED", "to": "ACTIVE", "reason": null });
        let text = table(STATES.columns, &[row]);
        let wanted = "  time                     from    to      reason\n  \
                      1970-01-01 00:00:00.001  HALTED  ACTIVE  -";
        assert_eq!(text, wanted);
        assert_eq!(table(STATES.columns, &[]), "no rows");
    }

    #[test]
    fn names_of_another_alphabet_reach_the_query() {
        assert_eq!(escaped("币A-1"), "%E5%B8%81A-1");
    }
}
