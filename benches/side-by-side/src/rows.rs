//! The rows with a target, and what the run says to each.
//!
//! In: figures of rounds. Out: [`Row`]s as `--json` writes them. Never: a target that is not in
//! this one table.

use crate::rounds::Figures;
use serde::Serialize;

/// Which way is better.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Better {
    /// A ratio of a peer to ours.
    Higher,
    /// A ratio of ours to a floor, or nanoseconds.
    Lower,
}

/// A row of the targets.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Target {
    /// Letter of the part.
    pub(crate) part: &'static str,
    /// What is measured.
    pub(crate) what: &'static str,
    /// The first target.
    pub(crate) first: f64,
    /// The aim.
    pub(crate) aim: f64,
    /// Which way is better.
    pub(crate) better: Better,
    /// Whether it is one of nanoseconds.
    pub(crate) absolute: bool,
}

const fn target(
    part: &'static str,
    what: &'static str,
    first: f64,
    aim: f64,
    better: Better,
) -> Target {
    Target {
        part,
        what,
        first,
        aim,
        better,
        absolute: false,
    }
}

const fn nanoseconds(part: &'static str, what: &'static str, first: f64, aim: f64) -> Target {
    Target {
        absolute: true,
        ..target(part, what, first, aim, Better::Lower)
    }
}

/// Decoder against barter-data.
pub(crate) const DECODER_BARTER: Target = target("a", "decoder", 12.0, 20.0, Better::Higher);
/// Decoder against the fastest peer of the run.
pub(crate) const DECODER_BEST: Target = target("a", "decoder", 5.0, 10.0, Better::Higher);
/// Book against the ordered map of decimals.
pub(crate) const BOOK_DECIMAL: Target = target("b", "book", 20.0, 35.0, Better::Higher);
/// Book against the fastest peer of the run.
pub(crate) const BOOK_BEST: Target = target("b", "book", 2.5, 4.0, Better::Higher);
/// Ring against its floor.
pub(crate) const RING_FLOOR: Target = target("c", "ring", 2.5, 1.8, Better::Lower);
/// Whole message against barter-data.
pub(crate) const WHOLE_BARTER: Target = target("a+b", "whole message", 35.0, 60.0, Better::Higher);
/// Whole message against ccxt.pro.
pub(crate) const WHOLE_CCXT: Target = target("a+b", "whole message", 80.0, 150.0, Better::Higher);
/// Whole message against NautilusTrader from Python.
pub(crate) const WHOLE_NAUTILUS: Target =
    target("a+b", "whole message", 300.0, 600.0, Better::Higher);
/// Step without an order, nanoseconds.
pub(crate) const STEP_WITHOUT: Target = nanoseconds("d", "engine step, no order", 400.0, 300.0);
/// Step with an order, nanoseconds.
pub(crate) const STEP_WITH: Target = nanoseconds("d", "engine step, with order", 700.0, 450.0);
/// User-space tick to order, nanoseconds.
pub(crate) const USER_SPACE: Target =
    nanoseconds("e", "tick to order, user space", 3_000.0, 1_000.0);
/// Tick to order over the loopback against the bare echo.
pub(crate) const LOOP_FLOOR: Target =
    target("f", "tick to order, loopback", 2.0, 1.3, Better::Lower);
/// The same against the path of a good user.
pub(crate) const LOOP_PEER: Target =
    target("g", "tick to order, loopback", 3.0, 8.0, Better::Higher);

/// One row of the result.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Row {
    /// Letter of the part.
    pub(crate) part: &'static str,
    /// What is measured.
    pub(crate) what: &'static str,
    /// The other side of the ratio.
    pub(crate) against: String,
    /// Which input.
    pub(crate) input: String,
    /// The other's time over ours where higher is better; ours over the floor's where lower is;
    /// for nanoseconds the first target over ours. None: not measured in this run.
    pub(crate) ratio: Option<f64>,
    /// Our own figure.
    pub(crate) value_ns: Option<f64>,
    /// The first target, as a ratio or in nanoseconds.
    pub(crate) first_target: f64,
    /// The aim, likewise.
    pub(crate) aim: f64,
    /// Which way is better.
    pub(crate) better: Better,
    /// Whether the first target is met.
    pub(crate) met: bool,
    /// Whether the target is one of nanoseconds.
    #[serde(skip)]
    pub(crate) absolute: bool,
    /// Least and largest ratio of a round.
    pub(crate) range: Option<[f64; 2]>,
    /// Why it was not measured.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) skipped: Option<String>,
}

impl Row {
    /// A peer's lane over ours.
    pub(crate) fn peer(
        target: Target,
        input: &str,
        figures: &Figures,
        ours: usize,
        peer: usize,
    ) -> Self {
        let ratio = figures.ratio(peer, ours);
        let (least, most) = figures.ratio_range(peer, ours);
        Self {
            ratio: Some(ratio),
            value_ns: Some(figures.median(ours)),
            met: ratio >= target.first,
            range: Some([least, most]),
            ..Self::empty(target, &figures.names[peer], input)
        }
    }

    /// Our lane over a floor.
    pub(crate) fn floor(
        target: Target,
        input: &str,
        figures: &Figures,
        ours: usize,
        floor: usize,
    ) -> Self {
        let ratio = figures.ratio(ours, floor);
        let (least, most) = figures.ratio_range(ours, floor);
        Self {
            ratio: Some(ratio),
            value_ns: Some(figures.median(ours)),
            met: ratio <= target.first,
            range: Some([least, most]),
            ..Self::empty(target, &figures.names[floor], input)
        }
    }

    /// A figure in nanoseconds.
    pub(crate) fn absolute(target: Target, input: &str, value_ns: f64) -> Self {
        Self {
            ratio: Some(target.first / value_ns),
            value_ns: Some(value_ns),
            met: value_ns <= target.first,
            ..Self::empty(target, "-", input)
        }
    }

    /// A row that was not measured.
    pub(crate) fn skipped(target: Target, against: &str, input: &str, why: &str) -> Self {
        Self {
            skipped: Some(why.to_string()),
            ..Self::empty(target, against, input)
        }
    }

    fn empty(target: Target, against: &str, input: &str) -> Self {
        Self {
            part: target.part,
            what: target.what,
            against: against.to_string(),
            input: input.to_string(),
            ratio: None,
            value_ns: None,
            first_target: target.first,
            aim: target.aim,
            better: target.better,
            met: false,
            absolute: target.absolute,
            range: None,
            skipped: None,
        }
    }

    /// What is compared with the targets: the ratio, or nanoseconds.
    pub(crate) fn measured(&self) -> Option<f64> {
        if self.absolute {
            self.value_ns
        } else {
            self.ratio
        }
    }

    /// How far the aim is: 1 or more when reached.
    pub(crate) fn share_of_aim(&self) -> Option<f64> {
        let measured = self.measured()?;
        Some(match self.better {
            Better::Higher => measured / self.aim,
            Better::Lower => self.aim / measured,
        })
    }
}

/// The fastest lane but `ours` and those of `except`.
pub(crate) fn best_peer(figures: &Figures, ours: usize, except: &[&str]) -> Option<usize> {
    let others = (0..figures.names.len()).filter(|lane| *lane != ours);
    others
        .filter(|lane| !except.contains(&figures.names[*lane].as_str()))
        .min_by(|one, other| figures.median(*one).total_cmp(&figures.median(*other)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn figures() -> Figures {
        Figures {
            names: vec!["ours".into(), "slow".into(), "fast".into()],
            taken: vec![vec![10.0; 3], vec![300.0; 3], vec![40.0; 3]],
        }
    }

    #[test]
    fn a_row_is_met_on_the_right_side_of_its_first_target() {
        let figures = figures();
        let row = Row::peer(BOOK_DECIMAL, "R", &figures, 0, 1);
        assert!(row.met && row.ratio == Some(30.0));
        assert!(!Row::peer(BOOK_DECIMAL, "R", &figures, 0, 2).met);
        assert!(!Row::floor(RING_FLOOR, "-", &figures, 2, 0).met);
        assert!(Row::absolute(STEP_WITHOUT, "R", 399.0).met);
        assert!(!Row::absolute(STEP_WITHOUT, "R", 401.0).met);
        assert!(!Row::skipped(STEP_WITHOUT, "-", "R", "no recordings").met);
    }

    #[test]
    fn the_best_peer_is_the_fastest_that_is_not_ours() {
        assert_eq!(best_peer(&figures(), 0, &[]), Some(2));
        assert_eq!(best_peer(&figures(), 0, &["fast"]), Some(1));
    }
}
