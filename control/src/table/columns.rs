//! Columns that line up.
//!
//! In: rows of cells. Out: lines. Never: a width in bytes; wide characters count double, as a
//! terminal draws them.

use std::fmt::Write as _;

/// Whether a column hangs on its left or right side.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Align {
    Left,
    Right,
}

/// Lays rows out, the first one as heading, each line indented by two.
pub(crate) fn lay_out(aligns: &[Align], rows: &[Vec<String>]) -> Vec<String> {
    let width_of = |column: usize| {
        rows.iter()
            .filter_map(|row| row.get(column))
            .map(|cell| width(cell))
            .max()
            .unwrap_or(0)
    };
    let widths: Vec<usize> = (0..aligns.len()).map(width_of).collect();
    rows.iter()
        .map(|row| {
            let mut line = String::from(" ");
            for ((cell, align), wanted) in row.iter().zip(aligns).zip(&widths) {
                let padding = " ".repeat(wanted.saturating_sub(width(cell)));
                let _ = match align {
                    Align::Left => write!(line, " {cell}{padding} "),
                    Align::Right => write!(line, " {padding}{cell} "),
                };
            }
            line.trim_end().to_string()
        })
        .collect()
}

/// Columns that a terminal needs for a text: two for East Asian wide characters.
pub(crate) fn width(text: &str) -> usize {
    let wide = |one: char| {
        matches!(one, '\u{1100}'..='\u{115f}' | '\u{2e80}'..='\u{a4cf}' | '\u{ac00}'..='\u{d7a3}'
            | '\u{f900}'..='\u{faff}' | '\u{fe30}'..='\u{fe6f}' | '\u{ff00}'..='\u{ff60}'
            | '\u{ffe0}'..='\u{ffe6}' | '\u{20000}'..='\u{3fffd}')
    };
    text.chars().map(|one| if wide(one) { 2 } else { 1 }).sum()
}

/// A number with thousands set apart.
pub(crate) fn grouped(value: u64) -> String {
    let digits = value.to_string();
    let mut text = String::with_capacity(digits.len() + digits.len() / 3);
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// A duration in the unit that suits it, three digits.
pub(crate) fn duration(ns: u64) -> String {
    for (scale, unit) in [(1_000_000_000, "s"), (1_000_000, "ms"), (1_000, "us")] {
        if ns >= scale {
            let hundredths = ns.saturating_mul(100) / scale;
            return match hundredths {
                10_000.. => format!("{} {unit}", hundredths / 100),
                1_000.. => format!("{}.{} {unit}", hundredths / 100, hundredths / 10 % 10),
                _ => format!("{}.{:02} {unit}", hundredths / 100, hundredths % 100),
            };
        }
    }
    format!("{ns} ns")
}
