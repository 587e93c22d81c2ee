//! Figures with their bounds.
//!
//! In: what was measured. Out: a table for people, JSON for the evidence. Never: a figure that is met
//! without its bound.

use serde_json::{Value, json};

/// A figure and its bound.
#[derive(Clone, Debug)]
pub struct Row {
    /// What it is.
    pub name: &'static str,
    /// What was found.
    pub measured: f64,
    /// Its unit.
    pub unit: &'static str,
    /// What is allowed; none for what is only told.
    pub bound: Option<Bound>,
}

/// What is allowed.
#[derive(Clone, Copy, Debug)]
pub enum Bound {
    /// At least this.
    Least(f64),
    /// At most this.
    Most(f64),
}

impl Row {
    /// A figure.
    #[must_use]
    pub const fn new(
        name: &'static str,
        measured: f64,
        unit: &'static str,
        bound: Option<Bound>,
    ) -> Self {
        Self {
            name,
            measured,
            unit,
            bound,
        }
    }

    /// True when it is within its bound.
    #[must_use]
    pub fn is_met(&self) -> bool {
        match self.bound {
            None => true,
            Some(Bound::Least(least)) => self.measured >= least,
            Some(Bound::Most(most)) => self.measured <= most,
        }
    }

    fn bound_text(&self) -> String {
        match self.bound {
            None => "-".to_string(),
            Some(Bound::Least(least)) => format!(">= {least:.2}"),
            Some(Bound::Most(most)) => format!("<= {most:.2}"),
        }
    }
}

/// For people.
pub fn print(rows: &[Row]) {
    println!(
        "{:<36} {:>12} {:<6} {:>12}  met",
        "figure", "measured", "unit", "bound"
    );
    for row in rows {
        let met = match row.bound {
            None => "-",
            Some(_) if row.is_met() => "yes",
            Some(_) => "NO",
        };
        let bound = row.bound_text();
        println!(
            "{:<36} {:>12.2} {:<6} {bound:>12}  {met}",
            row.name, row.measured, row.unit
        );
    }
}

/// For the evidence.
#[must_use]
pub fn as_json(rows: &[Row]) -> Value {
    let row = |row: &Row| {
        json!({
            "figure": row.name,
            "measured": row.measured,
            "unit": row.unit,
            "bound": row.bound_text(),
            "met": row.is_met(),
        })
    };
    rows.iter().map(row).collect()
}
