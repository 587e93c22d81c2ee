//! What a run leaves: a table on stdout, JSON, a page with plots.
//!
//! In: rows and figures. Out: text. Never: a measurement.

mod page;
mod plot;
mod table;

pub(crate) use page::write as write_page;
pub(crate) use table::rows as rows_table;

use crate::rounds::Figures;

/// One measured part on one input, for tables and plots.
pub(crate) struct Section {
    /// Letter of the part.
    pub(crate) part: &'static str,
    /// Heading.
    pub(crate) title: String,
    /// Name of the plot's file, without its ending.
    pub(crate) file: String,
    /// The lane that others are compared with.
    pub(crate) base: usize,
    /// What a figure is, with its unit.
    pub(crate) unit: &'static str,
    /// Lanes with their figures.
    pub(crate) figures: Figures,
    /// A sentence under the table.
    pub(crate) note: String,
}

/// A figure with about three digits.
pub(crate) fn short(value: f64) -> String {
    match value {
        _ if !value.is_finite() => "-".to_string(),
        _ if value.abs() >= 100.0 => format!("{value:.0}"),
        _ if value.abs() >= 10.0 => format!("{value:.1}"),
        _ => format!("{value:.2}"),
    }
}
