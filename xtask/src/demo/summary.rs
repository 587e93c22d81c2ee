//! What the demo says at its end.
//!
//! In: both accounts. Out: the report, and a table for a person. Never: an opinion; the figures
//! and whether they agree.

use super::Options;
use super::account::{ExchangeAccount, Stats};
use super::report::{Agreement, End, Percentiles, Report, SCHEMA_VERSION, Same};
use std::collections::BTreeMap;
use std::fmt::Write as _;

/// Puts both sides together.
pub(crate) fn report(
    options: &Options,
    stats: &Stats,
    exchange: &ExchangeAccount,
    wire_to_wire_ns: Percentiles,
    reason: &str,
    restarts: u64,
) -> Report {
    let exchange_agrees = Agreement {
        orders: Same::of(&stats.orders_accepted, &exchange.orders),
        fills: Same::of(&stats.fills, &exchange.fills),
        position: Same::of(&listed(&stats.position), &listed(&exchange.position())),
        fees: Same::of(&plain(&stats.fees_usdt), &plain(&exchange.fees_usdt)),
    };
    Report {
        schema_version: SCHEMA_VERSION,
        events: stats.events,
        market_messages: stats.market_messages,
        orders_sent: stats.orders_sent,
        fills: stats.fills,
        by_strategy: stats.by_strategy.clone(),
        denials: stats.denials.clone(),
        non_actions: stats.non_actions.clone(),
        realized_pnl_usdt: stats.realized_pnl_usdt.clone(),
        fees_usdt: stats.fees_usdt.clone(),
        book_gaps: stats.book_gaps,
        book_resyncs: stats.book_resyncs,
        tick_to_order_ns: stats.tick_to_order_ns.clone(),
        wire_to_wire_ns,
        hot_allocations: stats.hot_allocations.clone(),
        journal_records: stats.journal_records,
        journal_holes: stats.journal_holes,
        input_log_holes: stats.input_log_holes,
        unknown_orders: stats.unknown_orders.clone(),
        exchange_agrees,
        end: End {
            position: stats.position.clone(),
            open_orders_ours: stats.open_orders,
            open_orders_exchange: exchange.open_orders.len() as u64,
            reason: reason.to_string(),
        },
        restarts,
        seed: options.seed,
        capture: options
            .capture
            .iter()
            .map(|file| file.display().to_string())
            .collect(),
        hot_io: stats.hot_io.clone(),
    }
}

/// Positions that are not flat, in one line.
fn listed(positions: &BTreeMap<String, String>) -> String {
    let held: Vec<String> = positions
        .iter()
        .map(|(symbol, text)| (symbol, plain(text)))
        .filter(|(_, text)| text != "0")
        .map(|(symbol, text)| format!("{symbol} {text}"))
        .collect();
    if held.is_empty() {
        "flat".to_string()
    } else {
        held.join(", ")
    }
}

/// A decimal text without trailing zeros.
fn plain(text: &str) -> String {
    if !text.contains('.') {
        return text.to_string();
    }
    let trimmed = text.trim_end_matches('0').trim_end_matches('.');
    if trimmed.is_empty() || trimmed == "-0" {
        "0".to_string()
    } else {
        trimmed.to_string()
    }
}

/// The report for a person.
pub(crate) fn text(report: &Report) -> String {
    let mut page = String::from("\n");
    let mut line = |name: &str, value: String| {
        let _ = writeln!(page, "  {name:<22} {value}");
    };
    line("ended", report.end.reason.clone());
    line("engine events", report.events.to_string());
    line("market messages", report.market_messages.to_string());
    for (name, figures) in &report.by_strategy {
        line(
            name,
            format!(
                "{} orders sent, {} fills",
                figures.orders_sent, figures.fills
            ),
        );
    }
    line(
        "P&L net of fees",
        format!(
            "{} USDT (fees {})",
            report.realized_pnl_usdt, report.fees_usdt
        ),
    );
    line("denials", counted(&report.denials));
    line("looks without an order", counted(&report.non_actions));
    line(
        "book",
        format!("{} gaps, {} resyncs", report.book_gaps, report.book_resyncs),
    );
    line("tick to order", percentiles(&report.tick_to_order_ns));
    line("wire to wire", percentiles(&report.wire_to_wire_ns));
    let allocations = report.hot_allocations.engine;
    line(
        "engine allocations",
        allocations.map_or("not counted".into(), |n| n.to_string()),
    );
    line(
        "journal",
        format!(
            "{} records, {} holes",
            report.journal_records, report.journal_holes
        ),
    );
    line(
        "unknown orders",
        format!(
            "{} ever, {} now",
            report.unknown_orders.ever, report.unknown_orders.at_end
        ),
    );
    line("position at the end", listed(&report.end.position));
    let agrees = &report.exchange_agrees;
    for (name, same) in [
        ("orders", &agrees.orders),
        ("fills", &agrees.fills),
        ("position", &agrees.position),
        ("fees", &agrees.fees),
    ] {
        let verdict = match same {
            Same::Yes(_) => "the exchange agrees".to_string(),
            Same::No { ours, exchange } => {
                format!("DIFFERS: ours {ours}, the exchange's {exchange}")
            }
        };
        line(&format!("our {name}"), verdict);
    }
    page
}

fn counted(counts: &BTreeMap<String, u64>) -> String {
    let mut rows: Vec<(&String, &u64)> = counts.iter().filter(|(_, count)| **count > 0).collect();
    rows.sort_by(|one, other| other.1.cmp(one.1));
    if rows.is_empty() {
        return "none".to_string();
    }
    let words: Vec<String> = rows
        .iter()
        .map(|(code, count)| format!("{code} {count}"))
        .collect();
    words.join(", ")
}

fn percentiles(distribution: &Percentiles) -> String {
    let show = |value: Option<u64>| {
        value.map_or_else(
            || "-".to_string(),
            |ns| format!("{:.1} us", ns as f64 / 1_000.0),
        )
    };
    format!(
        "p50 {}, p99 {}, p99.9 {}, max {} ({} orders)",
        show(distribution.p50),
        show(distribution.p99),
        show(distribution.p999),
        show(distribution.max),
        distribution.count
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn decimal_texts_compare_by_value() {
        let cases = [
            ("0.000", "0"),
            ("1.500", "1.5"),
            ("-0.0", "0"),
            ("100", "100"),
            ("-2.10", "-2.1"),
        ];
        for (text, expected) in cases {
            assert_eq!(plain(text), expected, "{text}");
        }
    }
}
