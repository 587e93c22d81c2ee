//! A figure beside what is required of it.
//!
//! In: a figure, if there is one, and a requirement. Out: a line: name, figure, required, met. Never:
//! met without a figure.

use core::cmp::Ordering;
use core::fmt;

/// A figure with its unit.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Measure {
    /// So many.
    Count(u64),
    /// So many days.
    Days(u64),
    /// A part of the whole, 0 to 1; shown in percent.
    Share(f64),
    /// A multiple.
    Multiple(f64),
    /// A multiple of nothing: wins without a loss, makers without a taker. More than any other.
    Unbounded,
    /// Nanoseconds.
    Nanoseconds(u64),
}

/// How a figure is to lie to its bound.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Comparison {
    /// The bound or more.
    AtLeast,
    /// More than the bound.
    Above,
    /// The bound or less.
    AtMost,
    /// Less than the bound.
    Below,
}

/// What is required.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Requirement {
    /// How.
    pub comparison: Comparison,
    /// Of what.
    pub bound: Measure,
}

/// A figure and whether it does.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Line {
    /// What it is.
    pub name: &'static str,
    /// None where there is no data: unknown.
    pub figure: Option<Measure>,
    /// What is required.
    pub required: Requirement,
    /// False where the figure is unknown.
    pub met: bool,
}

impl Measure {
    /// `part` as a multiple of `of`: [`Measure::Unbounded`] of nothing, none where both are nothing.
    #[must_use]
    pub fn multiple(part: u64, of: u64) -> Option<Self> {
        match (part, of) {
            (0, 0) => None,
            (_, 0) => Some(Self::Unbounded),
            _ => Some(Self::Multiple(part as f64 / of as f64)),
        }
    }

    /// None between measures of different units, and where one is no number.
    fn compare(self, other: Self) -> Option<Ordering> {
        match (self, other) {
            (Self::Count(one), Self::Count(two))
            | (Self::Days(one), Self::Days(two))
            | (Self::Nanoseconds(one), Self::Nanoseconds(two)) => Some(one.cmp(&two)),
            (Self::Share(one), Self::Share(two)) | (Self::Multiple(one), Self::Multiple(two)) => {
                one.partial_cmp(&two)
            }
            (Self::Unbounded, Self::Multiple(_)) => Some(Ordering::Greater),
            _ => None,
        }
    }
}

impl Requirement {
    /// `bound` or more.
    #[must_use]
    pub const fn at_least(bound: Measure) -> Self {
        let comparison = Comparison::AtLeast;
        Self { comparison, bound }
    }

    /// More than `bound`.
    #[must_use]
    pub const fn above(bound: Measure) -> Self {
        let comparison = Comparison::Above;
        Self { comparison, bound }
    }

    /// `bound` or less.
    #[must_use]
    pub const fn at_most(bound: Measure) -> Self {
        let comparison = Comparison::AtMost;
        Self { comparison, bound }
    }

    /// Less than `bound`.
    #[must_use]
    pub const fn below(bound: Measure) -> Self {
        let comparison = Comparison::Below;
        Self { comparison, bound }
    }

    /// True when `figure` does; false where it has another unit than the bound.
    #[must_use]
    pub fn holds(&self, figure: Measure) -> bool {
        let Some(order) = figure.compare(self.bound) else {
            return false;
        };
        match self.comparison {
            Comparison::AtLeast => order.is_ge(),
            Comparison::Above => order.is_gt(),
            Comparison::AtMost => order.is_le(),
            Comparison::Below => order.is_lt(),
        }
    }
}

impl Line {
    /// The line of a figure.
    #[must_use]
    pub fn new(name: &'static str, figure: Option<Measure>, required: Requirement) -> Self {
        Self {
            name,
            figure,
            required,
            met: figure.is_some_and(|figure| required.holds(figure)),
        }
    }
}

impl fmt::Display for Measure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = match *self {
            Self::Count(count) => count.to_string(),
            Self::Days(1) => "1 day".to_string(),
            Self::Days(days) => format!("{days} days"),
            Self::Share(share) => format!("{:.3} %", share * 100.0),
            Self::Multiple(multiple) => format!("{multiple:.2}"),
            Self::Unbounded => "unbounded".to_string(),
            Self::Nanoseconds(ns) if ns >= 1_000_000_000 => format!("{:.3} s", ns as f64 / 1e9),
            Self::Nanoseconds(ns) => format!("{:.3} ms", ns as f64 / 1e6),
        };
        f.pad(&text)
    }
}

impl fmt::Display for Requirement {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let words = match self.comparison {
            Comparison::AtLeast => "at least",
            Comparison::Above => "more than",
            Comparison::AtMost => "at most",
            Comparison::Below => "less than",
        };
        f.pad(&format!("{words} {}", self.bound))
    }
}

/// `uptime: 99.700 % (at least 99.500 %): met`.
impl fmt::Display for Line {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let met = match (self.figure, self.met) {
            (None, _) => "unknown",
            (Some(_), true) => "met",
            (Some(_), false) => "not met",
        };
        let figure = self.figure.map_or("-".to_string(), |one| one.to_string());
        f.pad(&format!(
            "{}: {figure} ({}): {met}",
            self.name, self.required
        ))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_bound_itself_is_at_least_and_at_most_but_not_more_or_less() {
        for (requirement, expected) in [
            (
                Requirement::at_least(Measure::Count(5)),
                [false, true, true],
            ),
            (Requirement::above(Measure::Count(5)), [false, false, true]),
            (Requirement::at_most(Measure::Count(5)), [true, true, false]),
            (Requirement::below(Measure::Count(5)), [true, false, false]),
        ] {
            let seen = [4, 5, 6].map(|one| requirement.holds(Measure::Count(one)));
            assert_eq!(seen, expected, "{requirement}");
        }
    }

    #[test]
    fn a_multiple_of_nothing_is_more_than_any_and_nothing_of_nothing_is_unknown() {
        let required = Requirement::at_least(Measure::Multiple(3.0));
        assert!(Measure::multiple(1, 0).is_some_and(|one| required.holds(one)));
        assert!(!Requirement::below(Measure::Multiple(3.0)).holds(Measure::Unbounded));
        assert_eq!(Measure::multiple(0, 0), None);
        assert_eq!(Measure::multiple(6, 2), Some(Measure::Multiple(3.0)));
    }

    #[test]
    fn units_are_not_compared_with_others_and_no_number_meets_nothing() {
        assert!(!Requirement::at_least(Measure::Count(1)).holds(Measure::Days(2)));
        assert!(!Requirement::at_least(Measure::Share(0.1)).holds(Measure::Share(f64::NAN)));
    }

    #[test]
    fn a_line_says_what_is_what() {
        let required = Requirement::at_least(Measure::Share(0.995));
        let line = Line::new("uptime", Some(Measure::Share(0.997)), required);
        assert_eq!(
            line.to_string(),
            "uptime: 99.700 % (at least 99.500 %): met"
        );
        let line = Line::new("uptime", None, required);
        assert_eq!(line.to_string(), "uptime: - (at least 99.500 %): unknown");
        let required = Requirement::at_most(Measure::Nanoseconds(60_000_000_000));
        let line = Line::new(
            "reconnect",
            Some(Measure::Nanoseconds(61_500_000_000)),
            required,
        );
        let text = "reconnect: 61.500 s (at most 60.000 s): not met";
        assert_eq!(line.to_string(), text);
        let shown = [999_999_000, 1_000_000_000].map(|ns| Measure::Nanoseconds(ns).to_string());
        assert_eq!(shown, ["999.999 ms", "1.000 s"]);
    }
}
