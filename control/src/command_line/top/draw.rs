//! The page of `fulcrum top`.
//!
//! In: a picture, where a person is, the size. Out: cells. Never: an old value drawn as a new one; a
//! colour that alone says something.

use super::keys::{Over, Place, WORD};
use super::picture::Picture;
use crate::command_line::rows::utc_ms;
use crate::table::columns::{duration, width};
use ratatui::Frame;
use ratatui::layout::{Constraint, Layout, Rect};
use ratatui::style::{Color, Modifier, Style};
use ratatui::text::{Line, Span};
use ratatui::widgets::{Block, Borders, Clear, Paragraph, Sparkline};
use serde_json::Value;
use std::time::Instant;

/// Below this nothing of use can be shown.
const LEAST: (u16, u16) = (40, 8);
/// From this width on, two columns of panels.
const WIDE: u16 = 79;

/// What a page is drawn of.
pub(super) struct Looks<'a> {
    pub(super) picture: &'a Picture,
    pub(super) place: &'a Place,
    /// What became of the last verb.
    pub(super) said: &'a str,
    pub(super) now: Instant,
    pub(super) colour: bool,
}

impl Looks<'_> {
    fn paint(&self, colour: Color) -> Style {
        match self.colour {
            true => Style::default().fg(colour),
            false => Style::default(),
        }
    }

    fn bold(&self, colour: Color) -> Style {
        self.paint(colour).add_modifier(Modifier::BOLD)
    }

    fn state(&self, state: &str) -> Style {
        self.bold(match state {
            "ACTIVE" => Color::Green,
            "REDUCING" => Color::Yellow,
            _ => Color::Red,
        })
    }

    fn signed(&self, text: &str) -> Style {
        match text.as_bytes().first() {
            Some(b'-') => self.paint(Color::Red),
            _ if text.bytes().any(|byte| (b'1'..=b'9').contains(&byte)) => self.paint(Color::Green),
            _ => Style::default(),
        }
    }

    /// The chosen instrument.
    fn chosen(&self) -> Option<(String, String)> {
        let symbols = self.picture.symbols();
        let last = symbols.len().checked_sub(1)?;
        symbols.into_iter().nth(self.place.chosen.min(last))
    }

    /// A panel's title with how old it is.
    fn title(&self, name: &str, age: Option<std::time::Duration>) -> Line<'static> {
        let name = Span::styled(
            format!(" {name} "),
            Style::default().add_modifier(Modifier::BOLD),
        );
        match age {
            None => Line::from(name),
            Some(age) => Line::from(vec![
                name,
                Span::styled(
                    format!("{} s old ", age.as_secs()),
                    self.bold(Color::Yellow),
                ),
            ]),
        }
    }
}

/// Draws it.
pub(super) fn page(frame: &mut Frame<'_>, looks: &Looks<'_>) {
    let area = frame.area();
    if area.width < LEAST.0 || area.height < LEAST.1 {
        let text = format!(
            "fulcrum top needs {} columns and {} lines",
            LEAST.0, LEAST.1
        );
        frame.render_widget(Paragraph::new(text), area);
        return;
    }
    let rows = u16::try_from(looks.picture.symbols().len()).unwrap_or(u16::MAX);
    let instruments = 2 + rows.clamp(1, (area.height / 4).max(1));
    let [head, alerts, table, rest, foot] = Layout::vertical([
        Constraint::Length(1),
        Constraint::Length(1),
        Constraint::Length(instruments),
        Constraint::Min(0),
        Constraint::Length(1),
    ])
    .areas(area);
    frame.render_widget(self::head(looks, head.width), head);
    frame.render_widget(self::alerts(looks), alerts);
    self::instruments(frame, looks, table);
    panels(frame, looks, rest);
    frame.render_widget(self::foot(looks), foot);
    over(frame, looks, area);
}

fn head(looks: &Looks<'_>, columns: u16) -> Line<'static> {
    let Some(status) = &looks.picture.status.value else {
        return Line::from(vec![
            Span::styled(
                " fulcrum top ",
                Style::default().add_modifier(Modifier::BOLD),
            ),
            Span::raw(" waiting for a hot path"),
        ]);
    };
    let old = looks.picture.status.stale_for(looks.now);
    let state = match old {
        None => looks.state(&status.state),
        Some(_) => Style::default().add_modifier(Modifier::DIM),
    };
    let mut spans = vec![
        Span::styled(" fulcrum ", Style::default().add_modifier(Modifier::BOLD)),
        Span::raw(format!("{} {}  ", status.mode, status.account)),
        Span::styled(status.state.clone(), state),
        Span::raw(format!(" {}  ", status.reason)),
    ];
    let live = |up: bool, word: &str| match up {
        true => Span::raw(format!("{word} live  ")),
        false => Span::styled(format!("{word} DOWN  "), looks.bold(Color::Red)),
    };
    spans.push(live(status.market_stream_up, "market"));
    spans.push(live(status.user_stream_up, "private"));
    if columns >= 100 {
        spans.push(live(status.control_alive, "control"));
    }
    let time = utc_ms(status.utc_ms);
    spans.push(Span::raw(format!(
        "{} UTC",
        time.get(11..19).unwrap_or_default()
    )));
    Line::from(spans)
}

/// The most urgent line there is.
fn alerts(looks: &Looks<'_>) -> Line<'static> {
    let mut words = looks.picture.away(looks.now);
    if let Some(status) = &looks.picture.status.value {
        if status.kill.latched {
            let verified = match status.kill.verified {
                true => "the exchange shows nothing any more",
                false => "not yet verified by the exchange",
            };
            words.push(format!("KILL LATCHED: {verified}"));
        }
        if status.orders_unknown > 0 {
            words.push(format!("{} orders of unknown fate", status.orders_unknown));
        }
        if !status.reconciled {
            words.push("not reconciled with the exchange".to_string());
        }
        if !status.advice.is_empty() {
            words.push(status.advice.clone());
        }
    }
    let is_known = looks.picture.status.value.is_some();
    match words.is_empty() {
        true => Line::from(Span::styled(
            if is_known {
                " no alerts"
            } else {
                " nothing has been heard yet"
            },
            Style::default().add_modifier(Modifier::DIM),
        )),
        false => Line::from(Span::styled(
            format!(" ! {}", words.join("; ")),
            looks.bold(Color::Red),
        )),
    }
}

/// Cells of one width each, right or left.
fn columns(cells: &[(String, usize, bool)]) -> String {
    let mut text = String::new();
    for (cell, wanted, right) in cells {
        let gap = " ".repeat(wanted.saturating_sub(width(cell)));
        match right {
            true => text.push_str(&format!(" {gap}{cell}")),
            false => text.push_str(&format!(" {cell}{gap}")),
        }
    }
    text
}

fn text<'a>(value: Option<&'a Value>, field: &str) -> &'a str {
    value.and_then(|value| value[field].as_str()).unwrap_or("-")
}

#[allow(
    clippy::too_many_lines,
    reason = "the heading and the rows of one table share their widths"
)]
fn instruments(frame: &mut Frame<'_>, looks: &Looks<'_>, area: Rect) {
    let picture = looks.picture;
    let age = picture.positions.stale_for(looks.now);
    let block = Block::new()
        .borders(Borders::TOP)
        .title(looks.title("instruments", age));
    let inside = block.inner(area);
    frame.render_widget(block, area);
    let wide = inside.width >= WIDE;
    let row = |cells: [&str; 9]| {
        let widths = [12, 9, 11, 11, 9, 9, 11, 11, 4];
        let right = [false, false, true, true, true, true, true, true, true];
        let shown: &[usize] = match (wide, inside.width >= 100) {
            (_, true) => &[0, 1, 2, 3, 4, 5, 6, 7, 8],
            (true, false) => &[0, 1, 2, 3, 4, 5, 7],
            (false, false) => &[0, 5, 7],
        };
        let cells: Vec<(String, usize, bool)> = shown
            .iter()
            .map(|at| (cells[*at].to_string(), widths[*at], right[*at]))
            .collect();
        columns(&cells)
    };
    let heading = row([
        "symbol",
        "book",
        "bid",
        "ask",
        "imbalance",
        "position",
        "entry",
        "unrealized",
        "open",
    ]);
    let mut lines = vec![Line::from(Span::styled(
        heading,
        Style::default().add_modifier(Modifier::DIM),
    ))];
    let positions = picture.positions.value.iter().flatten();
    let chosen = looks.chosen();
    // What is chosen is always in sight.
    let room = usize::from(inside.height).saturating_sub(1).max(1);
    let at = looks
        .place
        .chosen
        .min(picture.symbols().len().saturating_sub(1));
    for one in positions.skip((at + 1).saturating_sub(room)) {
        let book = picture.book(&one.market, &one.symbol);
        let open = one.orders_open.to_string();
        let entry = if one.entry_price.is_empty() {
            "-"
        } else {
            &one.entry_price
        };
        let line = row([
            &one.symbol,
            &one.book,
            text(book, "bid"),
            text(book, "ask"),
            text(book, "imbalance"),
            &one.quantity,
            entry,
            &one.unrealized_usdt,
            &open,
        ]);
        let is_chosen = chosen.as_ref() == Some(&(one.market.clone(), one.symbol.clone()));
        let style = match (age.is_some(), is_chosen) {
            (true, _) => Style::default().add_modifier(Modifier::DIM),
            (false, true) => Style::default().add_modifier(Modifier::REVERSED),
            (false, false) => Style::default(),
        };
        lines.push(Line::from(Span::styled(line, style)));
    }
    if lines.len() == 1 {
        lines.push(Line::from(" no instrument is known yet"));
    }
    frame.render_widget(Paragraph::new(lines), inside);
}

fn panels(frame: &mut Frame<'_>, looks: &Looks<'_>, area: Rect) {
    if area.width < WIDE {
        let [money, risk, orders] = Layout::vertical([
            Constraint::Length(5),
            Constraint::Length(6),
            Constraint::Min(0),
        ])
        .areas(area);
        self::money(frame, looks, money);
        lines(frame, looks, risk, "risk", self::risk(looks, risk));
        lines(frame, looks, orders, "orders", self::orders(looks, orders));
        return;
    }
    let [top, middle, bottom] = Layout::vertical([
        Constraint::Length(5),
        Constraint::Fill(1),
        Constraint::Fill(1),
    ])
    .areas(area);
    let halves = |area| Layout::horizontal([Constraint::Fill(1), Constraint::Fill(1)]).areas(area);
    let [book, money]: [Rect; 2] = halves(top);
    let [orders, risk]: [Rect; 2] = halves(middle);
    let [events, latency]: [Rect; 2] = halves(bottom);
    let name = match looks.chosen() {
        Some((market, symbol)) => format!("book {market} {symbol}"),
        None => "book".to_string(),
    };
    lines(frame, looks, book, &name, self::book(looks, book));
    self::money(frame, looks, money);
    lines(frame, looks, orders, "orders", self::orders(looks, orders));
    lines(frame, looks, risk, "risk", self::risk(looks, risk));
    lines(frame, looks, events, "events", self::events(looks, events));
    lines(frame, looks, latency, "tick to order", self::latency(looks));
}

fn lines(
    frame: &mut Frame<'_>,
    looks: &Looks<'_>,
    area: Rect,
    name: &str,
    lines: Vec<Line<'static>>,
) {
    let picture = looks.picture;
    let age = match name {
        "orders" => picture.orders.stale_for(looks.now),
        "risk" => picture.limits.stale_for(looks.now),
        "events" => picture.fills.stale_for(looks.now),
        _ => picture.stats.stale_for(looks.now),
    };
    let block = Block::new()
        .borders(Borders::TOP)
        .title(looks.title(name, age));
    let style = match age {
        Some(_) => Style::default().add_modifier(Modifier::DIM),
        None => Style::default(),
    };
    frame.render_widget(Paragraph::new(lines).block(block).style(style), area);
}

/// A bar of `full` of `columns`.
fn bar(full: f64, columns: usize) -> String {
    let cells = (full.clamp(0.0, 1.0) * columns as f64).round() as usize;
    format!("{}{}", "█".repeat(cells), "░".repeat(columns - cells))
}

fn book(looks: &Looks<'_>, area: Rect) -> Vec<Line<'static>> {
    let Some((market, symbol)) = looks.chosen() else {
        return vec![Line::from(" no instrument is chosen")];
    };
    let Some(book) = looks.picture.book(&market, &symbol) else {
        return vec![Line::from(" control tells of no book")];
    };
    let side = |name: &str, quantity: &str| {
        format!(
            "{:>12} x {}",
            text(Some(book), name),
            text(Some(book), quantity)
        )
    };
    let mut lines = vec![
        Line::from(vec![
            Span::raw(" ask "),
            Span::styled(side("ask", "ask_quantity"), looks.paint(Color::Red)),
        ]),
        Line::from(vec![
            Span::raw(" bid "),
            Span::styled(side("bid", "bid_quantity"), looks.paint(Color::Green)),
        ]),
    ];
    let ratio: Option<f64> = text(Some(book), "imbalance").parse().ok();
    lines.push(match ratio {
        None => Line::from(" imbalance - (no valid signal)"),
        Some(ratio) => {
            // The share of the bids: 0.5 where both sides are the same.
            let share = ratio / (1.0 + ratio);
            let room = usize::from(area.width).saturating_sub(22).clamp(4, 40);
            Line::from(format!(" imbalance {ratio:>6.3} {}", bar(share, room)))
        }
    });
    let age = book["book_age_ms"].as_u64();
    let age = age.map_or("-".to_string(), |ms| duration(ms.saturating_mul(1_000_000)));
    lines.push(Line::from(format!(
        " {}, {age} old, {} fills",
        text(Some(book), "book"),
        book["fills"]
    )));
    lines
}

fn money(frame: &mut Frame<'_>, looks: &Looks<'_>, area: Rect) {
    let age = looks.picture.status.stale_for(looks.now);
    let block = Block::new()
        .borders(Borders::TOP)
        .title(looks.title("P&L, USDT", age));
    let inside = block.inner(area);
    frame.render_widget(block, area);
    let Some(status) = &looks.picture.status.value else {
        return;
    };
    let [figures, line] =
        Layout::vertical([Constraint::Length(2), Constraint::Min(0)]).areas(inside);
    let two = |text: &str| {
        let (whole, rest) = text.split_once('.').unwrap_or((text, ""));
        match rest.get(..2) {
            Some(cents) => format!("{whole}.{cents}"),
            None => text.to_string(),
        }
    };
    let figure = |name: &str, text: &str| {
        let text = two(text);
        let style = looks.signed(&text);
        [Span::raw(format!(" {name} ")), Span::styled(text, style)]
    };
    let mut first = vec![Span::raw(format!(" equity {} ", two(&status.equity_usdt)))];
    first.extend(figure("unrealized", &status.unrealized_usdt));
    let mut second = Vec::new();
    second.extend(figure("realized", &status.realized_usdt));
    second.push(Span::raw(format!("  fees {}", two(&status.fees_usdt))));
    second.extend(figure(" funding", &status.funding_usdt));
    frame.render_widget(
        Paragraph::new(vec![Line::from(first), Line::from(second)]),
        figures,
    );
    let heights = looks.picture.heights(usize::from(line.width));
    let spark = Sparkline::default()
        .data(&heights)
        .style(looks.paint(Color::Cyan));
    frame.render_widget(spark, line);
}

fn orders(looks: &Looks<'_>, area: Rect) -> Vec<Line<'static>> {
    let Some(orders) = &looks.picture.orders.value else {
        let why = looks.picture.orders.trouble.clone();
        return vec![Line::from(format!(" {}", why.unwrap_or_default()))];
    };
    let plain = orders.plain.iter().map(|one| {
        (
            one.symbol.as_str(),
            one.side.as_str(),
            one.order_type.as_str(),
            one.price.as_str(),
            one.quantity.as_str(),
        )
    });
    let stops = orders.conditional.iter().map(|one| {
        let quantity = if one.close_position {
            "all"
        } else {
            &one.quantity
        };
        let (kind, price) = (one.order_type.as_str(), one.trigger_price.as_str());
        (
            one.symbol.as_str(),
            one.side.as_str(),
            kind,
            price,
            quantity,
        )
    });
    let all: Vec<_> = plain.chain(stops).collect();
    if all.is_empty() {
        return vec![Line::from(" no open orders")];
    }
    let room = usize::from(area.height).saturating_sub(1);
    let shown = if all.len() > room {
        room.saturating_sub(1)
    } else {
        room
    };
    let mut lines: Vec<Line<'static>> = all
        .iter()
        .take(shown)
        .map(|(symbol, side, kind, price, quantity)| {
            let colour = if *side == "BUY" {
                Color::Green
            } else {
                Color::Red
            };
            Line::from(vec![
                Span::raw(format!(" {symbol} ")),
                Span::styled(format!("{side:<4}"), looks.paint(colour)),
                Span::raw(format!(" {quantity} at {price} {}", kind.to_lowercase())),
            ])
        })
        .collect();
    if all.len() > shown {
        lines.push(Line::from(format!(" and {} more", all.len() - shown)));
    }
    lines
}

/// The limits that are used most, each with its gauge.
fn risk(looks: &Looks<'_>, area: Rect) -> Vec<Line<'static>> {
    let Some(limits) = &looks.picture.limits.value else {
        return vec![Line::from(" limits are not known")];
    };
    let mut used: Vec<(f64, &str, String)> = limits
        .iter()
        .filter_map(|one| {
            let (used, value): (f64, f64) = (one.used.parse().ok()?, one.value.parse().ok()?);
            let name = one.limit.rsplit('.').next().unwrap_or_default();
            let share = if value > 0.0 { used / value } else { 0.0 };
            Some((share, name, format!("{} of {}", one.used, one.value)))
        })
        .collect();
    used.sort_by(|one, other| other.0.total_cmp(&one.0));
    let room = usize::from(area.height).saturating_sub(1);
    let columns = usize::from(area.width);
    let gauge = if columns >= 60 { 12 } else { 8 };
    used.iter()
        .take(room)
        .map(|(share, name, text)| {
            let style = match share {
                share if *share >= 0.9 => looks.bold(Color::Red),
                share if *share >= 0.7 => looks.paint(Color::Yellow),
                _ => looks.paint(Color::Green),
            };
            let percent = format!("{:>4.0} %", (share * 100.0).min(9_999.0));
            let rest = columns.saturating_sub(gauge + 10);
            let words: String = format!("{name} {text}").chars().take(rest).collect();
            Line::from(vec![
                Span::raw(" "),
                Span::styled(bar(*share, gauge), style),
                Span::raw(format!("{percent} {words}")),
            ])
        })
        .collect()
}

/// Fills and changes of the state, newest first.
fn events(looks: &Looks<'_>, area: Rect) -> Vec<Line<'static>> {
    let number = |value: &Value| value.as_i64().unwrap_or(0);
    let fills = looks.picture.fills.value.iter().flatten().map(|fill| {
        let words = format!(
            "{} {} {} at {}",
            text(Some(fill), "side"),
            text(Some(fill), "quantity"),
            text(Some(fill), "symbol"),
            text(Some(fill), "price")
        );
        (number(&fill["transaction_time_ms"]), words)
    });
    let states = looks.picture.states.value.iter().flatten().map(|one| {
        let words = format!("{} ({})", text(Some(one), "to"), text(Some(one), "reason"));
        (number(&one["utc_ns"]) / 1_000_000, words)
    });
    let mut all: Vec<(i64, String)> = fills.chain(states).collect();
    all.sort_by_key(|(ms, _)| std::cmp::Reverse(*ms));
    let room = usize::from(area.height).saturating_sub(1);
    let lines = all.into_iter().take(room).map(|(ms, words)| {
        let time = utc_ms(ms);
        Line::from(format!(" {} {words}", time.get(11..19).unwrap_or_default()))
    });
    let lines: Vec<Line<'static>> = lines.collect();
    match lines.is_empty() {
        true => vec![Line::from(" nothing has happened yet")],
        false => lines,
    }
}

fn latency(looks: &Looks<'_>) -> Vec<Line<'static>> {
    let Some(stats) = &looks.picture.stats.value else {
        return vec![Line::from(" control tells of none")];
    };
    let time = |value: &Value| value.as_u64().map_or("-".to_string(), duration);
    let figures = &stats["tick_to_order_ns"];
    let count = |name: &str| stats[name].as_u64().unwrap_or(0);
    vec![
        Line::from(format!(
            " p50 {}  p99 {}  max {}",
            time(&figures["p50"]),
            time(&figures["p99"]),
            time(&figures["max"])
        )),
        Line::from(format!(
            " {} orders sent, {} fills",
            count("orders_sent"),
            count("fills")
        )),
        Line::from(format!(
            " {} events, {} gaps",
            crate::table::columns::grouped(count("events")),
            count("book_gaps")
        )),
        Line::from(format!(
            " journal {} records, {} holes",
            crate::table::columns::grouped(count("journal_records")),
            count("journal_holes")
        )),
    ]
}

fn foot(looks: &Looks<'_>) -> Line<'static> {
    let keys = " q quit  tab symbol  p pause  k kill  ? help";
    match looks.said.is_empty() {
        true => Line::from(Span::styled(
            keys,
            Style::default().add_modifier(Modifier::DIM),
        )),
        false => Line::from(format!(" {}", looks.said)),
    }
}

fn over(frame: &mut Frame<'_>, looks: &Looks<'_>, area: Rect) {
    let (title, words): (&str, Vec<String>) = match &looks.place.over {
        Over::Nothing => return,
        Over::Help => (
            " keys ",
            vec![
                "tab, arrows  choose an instrument".to_string(),
                "p            pause: no entries, exits go on".to_string(),
                "k            kill: type the word, then Enter".to_string(),
                "?            this".to_string(),
                "q, Ctrl-C    leave; the box goes on".to_string(),
            ],
        ),
        Over::Kill(typed) => (
            " kill ",
            vec![
                "Cancels every order, closes every position,".to_string(),
                "and latches: only the operator's key leads out.".to_string(),
                format!("Type `{WORD}` and Enter, or Esc: {typed}_"),
            ],
        ),
    };
    let columns = words.iter().map(|line| width(line)).max().unwrap_or(0) + 4;
    let columns = u16::try_from(columns).unwrap_or(u16::MAX).min(area.width);
    let height = u16::try_from(words.len() + 2)
        .unwrap_or(u16::MAX)
        .min(area.height);
    let place = Rect {
        x: area.x + (area.width - columns) / 2,
        y: area.y + (area.height - height) / 2,
        width: columns,
        height,
    };
    let style = match looks.place.over {
        Over::Kill(_) => looks.bold(Color::Red),
        _ => Style::default(),
    };
    let block = Block::bordered().title(title).style(style);
    let lines: Vec<Line<'static>> = words
        .into_iter()
        .map(|line| Line::from(format!(" {line}")))
        .collect();
    frame.render_widget(Clear, place);
    frame.render_widget(Paragraph::new(lines).block(block), place);
}

#[cfg(test)]
mod tests;
