//! One page of the live table.
//!
//! In: a picture, the settings. Out: text, each line ended. Never: a figure that the picture does
//! not hold; a dash stands where there is none.

use super::columns::{Align, duration, grouped, lay_out};
use crate::break_even;
use crate::decimal;
use crate::latency;
use crate::ledger::sums_by_label;
use crate::stats::{journal_holes, strategy_name, win_ratio};
use crate::view::{View, state_word};
use ipc::HistogramSnapshot;
use market::page::InstrumentPage;
use market::units::round_div;
use market::{BookState, Money, Price, Rate, TradingState};
use settings::Settings;
use std::collections::BTreeMap;

/// Most reasons of one list.
const REASONS_MAX: usize = 6;

/// Stages in the order in which an event passes them; the table shows p50 / p99 of each.
const STAGES: [&str; 8] = [
    "receive", "decrypt", "queue", "parse", "book", "decide", "approve", "write",
];

/// How a page is drawn.
#[derive(Clone, Copy, Debug)]
pub struct Style {
    /// Colours by escape codes.
    pub colour: bool,
}

impl Style {
    fn paint(self, code: &str, text: &str) -> String {
        if self.colour {
            format!("\x1b[{code}m{text}\x1b[0m")
        } else {
            text.to_string()
        }
    }
}

/// Draws a page.
#[must_use]
pub fn page(view: &View, settings: &Settings, style: Style) -> String {
    let mut lines = vec![head(view, settings, style), String::new()];
    let heading = |mut rows: Vec<String>| {
        if let Some(first) = rows.first_mut() {
            *first = style.paint("1", first);
        }
        rows
    };
    lines.extend(heading(instruments(view)));
    lines.push(String::new());
    lines.extend(heading(strategies(view, settings)));
    lines.push(String::new());
    lines.extend(facts(view));
    let reasons = view.reasons_not_ready();
    if !reasons.is_empty() {
        lines.push(style.paint("33", &format!("  not ready: {}", reasons.join("; "))));
    }
    lines.push(String::new());
    lines.join("\n")
}

fn head(view: &View, settings: &Settings, style: Style) -> String {
    let state = view.account.map(|page| page.trading_state);
    let word = state.map_or("-", |state| state.as_str());
    let code = match state {
        Some(TradingState::Active) => "1;32",
        Some(TradingState::Reducing) => "1;33",
        _ => "1;31",
    };
    let hot_path = view.segment.map_or_else(
        || "waiting for a hot path".to_string(),
        |one| format!("generation {}, {}", one.generation, state_word(one.state)),
    );
    format!(
        "  fulcrum  {} {}  {}  ({hot_path})",
        settings.mode.word(),
        settings.account,
        style.paint(code, word)
    )
}

fn instruments(view: &View) -> Vec<String> {
    let titles = [
        "market",
        "symbol",
        "book",
        "bid",
        "ask",
        "imbalance",
        "position",
        "P&L net",
        "unrealised",
        "open",
        "orders",
        "fills",
    ];
    let mut aligns = vec![Align::Right; titles.len()];
    aligns[..3].fill(Align::Left);
    let mut rows = vec![titles.map(str::to_string).to_vec()];
    rows.extend(view.instruments.iter().map(instrument));
    lay_out(&aligns, &rows)
}

fn instrument(page: &InstrumentPage) -> Vec<String> {
    let price = |price: Price, lots: i64| {
        if lots > 0 {
            decimal::steps(page.tick, price.0)
        } else {
            "-".to_string()
        }
    };
    let usable = page.book_state == BookState::Synced && page.imbalance_ratio.is_finite();
    let imbalance = if usable {
        format!("{:.3}", page.imbalance_ratio)
    } else {
        "-".to_string()
    };
    vec![
        page.market.to_string(),
        page.symbol.to_string(),
        page.book_state.to_string(),
        price(page.bid.price, page.bid.quantity.0),
        price(page.ask.price, page.ask.quantity.0),
        imbalance,
        decimal::steps(page.lot, page.position.0),
        decimal::money_rounded(page.realized - page.fees, 4),
        decimal::money_rounded(page.unrealized, 4),
        page.orders_open.to_string(),
        grouped(page.orders_sent),
        grouped(page.fills),
    ]
}

fn strategies(view: &View, settings: &Settings) -> Vec<String> {
    let titles = [
        "strategy",
        "orders",
        "fills",
        "trades",
        "won",
        "win rate",
        "break-even",
        "P&L net",
        "fees",
    ];
    let mut aligns = vec![Align::Right; titles.len()];
    aligns[0] = Align::Left;
    let mut rows = vec![titles.map(str::to_string).to_vec()];
    let configured = (0u8..).zip(&settings.strategies);
    for (index, strategy) in configured {
        let totals = view
            .totals
            .by_strategy
            .get(&index)
            .copied()
            .unwrap_or_default();
        rows.push(vec![
            strategy_name(settings, index),
            grouped(totals.orders),
            grouped(totals.fills),
            grouped(totals.trades),
            grouped(totals.trades_won),
            win_ratio(&totals).map_or("-".to_string(), percent),
            break_even::win_rate(strategy, &settings.fees).map_or("-".to_string(), percent),
            decimal::money_rounded(totals.realized - totals.fees, 4),
            decimal::money_rounded(totals.fees, 4),
        ]);
    }
    lay_out(&aligns, &rows)
}

fn percent(rate: Rate) -> String {
    decimal::text(round_div(i128::from(rate.0), 100_000), 1) + " %"
}

fn facts(view: &View) -> Vec<String> {
    let totals = &view.totals;
    let net = totals.realized() - totals.fees();
    let account = view.account.as_ref();
    let equity = account.map_or("-".to_string(), |page| money(page.equity));
    let unknown = account.map_or(0, |page| page.unknown_now);
    let tick_to_order = latency::from_read(view).map_or("-".to_string(), |one| {
        format!("{} (from read)", distribution(&one))
    });
    let rings: Vec<String> = ring_marks(view);
    let journal = format!(
        "{} records, {} holes; input log {} events, {} holes",
        grouped(totals.records),
        grouped(journal_holes(view)),
        grouped(view.family_sum("input_log_frames_total")),
        grouped(view.family_sum("input_log_holes_total"))
    );
    let orders = format!(
        "{} sent, {} at the exchange, {} fills, {unknown} of unknown fate",
        grouped(totals.orders()),
        grouped(totals.confirmed),
        grouped(totals.fills())
    );
    let non_actions = sums_by_label(&view.figures, "non_actions_total", "reason");
    let mut rows = vec![
        (
            "P&L net of fees".to_string(),
            format!("{} USDT, equity {equity}", money(net)),
        ),
        ("orders".to_string(), orders),
        ("denials".to_string(), counted(&totals.denials)),
        ("no action".to_string(), counted(&non_actions)),
        ("tick to order".to_string(), tick_to_order),
    ];
    rows.extend(ways(view));
    rows.push(("ring high-water".to_string(), rings.join(", ")));
    rows.push(("journal".to_string(), journal));
    let rows: Vec<Vec<String>> = rows
        .into_iter()
        .map(|(name, value)| vec![name, value])
        .collect();
    lay_out(&[Align::Left, Align::Left], &rows)
}

/// Tick to order by stream, stages by stream, and what was not ours; no row for what never was.
fn ways(view: &View) -> Vec<(String, String)> {
    let mut rows = Vec::new();
    for ([trigger, source], one) in latency::tick_to_order(view) {
        if !trigger.is_empty() {
            let source = source.replace('_', " ");
            let value = format!("{} ({source})", distribution(&one));
            rows.push((format!("  {trigger}"), value));
        }
    }
    let mut stages: BTreeMap<String, Vec<(usize, String)>> = BTreeMap::new();
    for ([trigger, stage], one) in latency::stages(view) {
        if trigger.is_empty() {
            continue;
        }
        let at = |part| one.quantile_ns(part).map_or("-".to_string(), duration);
        let text = format!("{stage} {} / {}", at(5_000), at(9_900));
        let order = STAGES.iter().position(|known| *known == stage);
        let order = order.unwrap_or(STAGES.len());
        stages.entry(trigger).or_default().push((order, text));
    }
    for (trigger, mut list) in stages {
        list.sort();
        let list: Vec<String> = list.into_iter().map(|(_, text)| text).collect();
        rows.push((format!("stages {trigger}"), list.join(", ")));
    }
    if let Some(one) = view.family_histogram("tick_to_order_stalled_seconds") {
        rows.push(("  with a stall".to_string(), distribution(&one)));
    }
    if let Some(one) = view.family_histogram("loop_stall_seconds") {
        rows.push(("loop stalls".to_string(), distribution(&one)));
    }
    rows
}

fn distribution(one: &HistogramSnapshot) -> String {
    let at = |part| one.quantile_ns(part).map_or("-".to_string(), duration);
    format!(
        "p50 {}, p99 {}, p99.9 {}, max {} of {}",
        at(5_000),
        at(9_900),
        at(9_990),
        duration(one.max_ns()),
        grouped(one.count())
    )
}

fn money(value: Money) -> String {
    decimal::money_rounded(value, 4)
}

/// Reasons by count, the most frequent first.
fn counted(counts: &BTreeMap<String, u64>) -> String {
    let mut counts: Vec<(&String, &u64)> = counts.iter().filter(|(_, count)| **count > 0).collect();
    if counts.is_empty() {
        return "none".to_string();
    }
    counts.sort_by_key(|(reason, count)| (std::cmp::Reverse(**count), *reason));
    let shown: Vec<String> = counts
        .iter()
        .take(REASONS_MAX)
        .map(|(reason, count)| format!("{reason} {}", grouped(**count)))
        .collect();
    let hidden: u64 = counts
        .iter()
        .skip(REASONS_MAX)
        .map(|(_, count)| **count)
        .sum();
    if hidden == 0 {
        shown.join(", ")
    } else {
        format!("{}, others {}", shown.join(", "), grouped(hidden))
    }
}

/// Of the rings that we read, and of those inside of the hot path as its cells tell.
fn ring_marks(view: &View) -> Vec<String> {
    let mut marks: BTreeMap<String, (u64, u64)> = BTreeMap::new();
    for ring in &view.rings {
        marks.insert(ring.name.to_string(), (ring.high_watermark, ring.capacity));
    }
    for (name, mark) in sums_by_label(&view.gauges, "ring_high_watermark", "ring") {
        let capacity = sums_by_label(&view.gauges, "ring_capacity", "ring");
        let capacity = capacity.get(&name).copied().unwrap_or(0);
        marks.insert(name, (mark, capacity));
    }
    marks
        .into_iter()
        .map(|(name, (mark, capacity))| {
            let percent = (mark * 100).checked_div(capacity);
            percent.map_or_else(|| name.clone(), |percent| format!("{name} {percent} %"))
        })
        .collect()
}
