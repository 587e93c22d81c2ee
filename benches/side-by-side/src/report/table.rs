//! Tables that line up.
//!
//! In: rows, sections. Out: text for the terminal, or Markdown; the same cells in both. Never:
//! a cell without its unit in the heading.

use super::{Section, short};
use crate::rows::{Better, Row, Unit};

/// The heading of the table of rows.
pub(super) const HEADING: [&str; 8] = [
    "part",
    "against",
    "input",
    "measured",
    "first target",
    "aim",
    "met",
    "of the aim",
];

/// The cells of one row.
pub(super) fn cells(row: &Row) -> [String; 8] {
    let number = |value: f64| match row.unit {
        Unit::Ratio => format!("{}x", short(value)),
        Unit::Nanoseconds => format!("{} ns", short(value)),
        Unit::Count => short(value),
    };
    let bound = |value: Option<f64>| match (value, row.better) {
        (None, _) => "-".to_string(),
        (Some(value), Better::Higher) => number(value),
        (Some(value), Better::Lower) => format!("<= {}", number(value)),
    };
    let met = match (&row.skipped, row.met) {
        (Some(_), _) => "skipped",
        (None, Some(true)) => "yes",
        (None, Some(false)) => "NO",
        (None, None) => "not judged",
    };
    [
        format!("{} {}", row.part, row.what),
        row.against.clone(),
        row.input.clone(),
        match (&row.skipped, row.measured()) {
            (None, Some(value)) => number(value),
            (why, _) => why.clone().unwrap_or_else(|| "-".to_string()),
        },
        bound(row.first_target),
        bound(row.aim),
        met.to_string(),
        row.share_of_aim().map_or_else(
            || "-".to_string(),
            |share| format!("{:.0} %", 100.0 * share),
        ),
    ]
}

/// All rows for a terminal.
pub(crate) fn rows(rows: &[Row]) -> String {
    let mut lines = vec![HEADING.map(str::to_string)];
    lines.extend(rows.iter().map(cells));
    let mut widths = [0; 8];
    for line in &lines {
        for (width, cell) in widths.iter_mut().zip(line) {
            *width = (*width).max(cell.chars().count());
        }
    }
    let mut text = String::new();
    for line in &lines {
        let cells = line.iter().zip(widths).enumerate();
        let padded: Vec<String> = cells
            .map(|(column, (cell, width))| {
                let is_number = matches!(column, 3..=5 | 7);
                if is_number {
                    format!("{cell:>width$}")
                } else {
                    format!("{cell:<width$}")
                }
            })
            .collect();
        text.push_str(padded.join("  ").trim_end());
        text.push('\n');
    }
    text
}

/// Text in a cell of a Markdown table: types in angle brackets are no tags.
pub(super) fn escaped(text: &str) -> String {
    text.replace('<', "&lt;").replace('>', "&gt;")
}

/// A section as Markdown.
pub(super) fn section(section: &Section) -> String {
    let figures = &section.figures;
    let base = &figures.names[section.base];
    let mut text = format!(
        "| contender | {} | over {base} | least and most of a round |\n|---|---:|---:|---:|\n",
        section.unit
    );
    let mut order: Vec<usize> = (0..figures.names.len()).collect();
    order.sort_by(|one, other| figures.median(*one).total_cmp(&figures.median(*other)));
    for lane in order {
        let (least, most) = figures.ratio_range(lane, section.base);
        text.push_str(&format!(
            "| {} | {} | {}x | {} to {} |\n",
            escaped(&figures.names[lane]),
            short(figures.median(lane)),
            short(figures.ratio(lane, section.base)),
            short(least),
            short(most)
        ));
    }
    text
}
