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

/// What a figure of its own counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Unit {
    /// Nothing: it is a ratio.
    Ratio,
    /// Nanoseconds.
    Nanoseconds,
    /// Pieces.
    Count,
}

/// A row of the targets.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Target {
    /// Letter of the part.
    pub(crate) part: &'static str,
    /// What is measured.
    pub(crate) what: &'static str,
    /// The first target; none where it is information only.
    pub(crate) first: Option<f64>,
    /// The aim, likewise.
    pub(crate) aim: Option<f64>,
    /// Which way is better.
    pub(crate) better: Better,
    /// What its figures are.
    pub(crate) unit: Unit,
}

impl Target {
    /// The same without a target: information only.
    pub(crate) const fn not_judged(self) -> Self {
        Self {
            first: None,
            aim: None,
            ..self
        }
    }

    fn meets(&self, measured: f64) -> Option<bool> {
        self.first.map(|first| match self.better {
            Better::Higher => measured >= first,
            Better::Lower => measured <= first,
        })
    }
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
        first: Some(first),
        aim: Some(aim),
        better,
        unit: Unit::Ratio,
    }
}

const fn nanoseconds(part: &'static str, what: &'static str, first: f64, aim: f64) -> Target {
    Target {
        unit: Unit::Nanoseconds,
        ..target(part, what, first, aim, Better::Lower)
    }
}

const fn count(part: &'static str, what: &'static str, first: f64, aim: f64) -> Target {
    Target {
        unit: Unit::Count,
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

/// The late end of f.
pub(crate) const LOOP_LATE: Target = target(
    "f",
    "tick to order, loopback, p99 outside of stalls",
    3.0,
    2.0,
    Better::Lower,
);
/// A look into a socket that has nothing.
pub(crate) const EMPTY_POLL: Target =
    nanoseconds("f", "receive that finds nothing", 0.0, 0.0).not_judged();
/// Allocations of our own on the pinned thread, the engine's among them.
pub(crate) const OWN_ALLOCATIONS: Target =
    count("h, i", "allocations and frees of our own", 0.0, 0.0);
/// Allocations and frees of rustls.
pub(crate) const TLS_ALLOCATIONS: Target =
    count("i", "allocations and frees of rustls, a record", 0.0, 0.0).not_judged();

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
    /// Our own figure, where it is a time.
    pub(crate) value_ns: Option<f64>,
    /// The first target, as a ratio, in nanoseconds or in pieces; null: information only.
    pub(crate) first_target: Option<f64>,
    /// The aim, likewise.
    pub(crate) aim: Option<f64>,
    /// Which way is better.
    pub(crate) better: Better,
    /// Our own figure, where it counts pieces.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) count: Option<f64>,
    /// Whether the first target is met; null: information only.
    pub(crate) met: Option<bool>,
    /// What its figures are.
    #[serde(skip)]
    pub(crate) unit: Unit,
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
            met: target.meets(ratio),
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
            met: target.meets(ratio),
            range: Some([least, most]),
            ..Self::empty(target, &figures.names[floor], input)
        }
    }

    /// A figure in nanoseconds.
    pub(crate) fn absolute(target: Target, input: &str, value_ns: f64) -> Self {
        Self {
            ratio: target.first.map(|first| first / value_ns),
            value_ns: Some(value_ns),
            met: target.meets(value_ns),
            ..Self::empty(target, "-", input)
        }
    }

    /// A figure in pieces.
    pub(crate) fn count(target: Target, input: &str, count: f64) -> Self {
        Self {
            count: Some(count),
            met: target.meets(count),
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
            count: None,
            // What was not measured is not met.
            met: target.first.map(|_| false),
            unit: target.unit,
            range: None,
            skipped: None,
        }
    }

    /// What is compared with the targets: the ratio, nanoseconds or pieces.
    pub(crate) fn measured(&self) -> Option<f64> {
        match self.unit {
            Unit::Ratio => self.ratio,
            Unit::Nanoseconds => self.value_ns,
            Unit::Count => self.count,
        }
    }

    /// How far the aim is: 1 or more when reached.
    pub(crate) fn share_of_aim(&self) -> Option<f64> {
        let (measured, aim) = (self.measured()?, self.aim?);
        if measured == aim {
            return Some(1.0);
        }
        Some(match self.better {
            Better::Higher => measured / aim,
            Better::Lower => aim / measured,
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
        assert_eq!((row.met, row.ratio), (Some(true), Some(30.0)));
        assert_eq!(
            Row::peer(BOOK_DECIMAL, "R", &figures, 0, 2).met,
            Some(false)
        );
        assert_eq!(Row::floor(RING_FLOOR, "-", &figures, 2, 0).met, Some(false));
        assert_eq!(Row::absolute(STEP_WITHOUT, "R", 399.0).met, Some(true));
        assert_eq!(Row::absolute(STEP_WITHOUT, "R", 401.0).met, Some(false));
        assert_eq!(
            Row::skipped(STEP_WITHOUT, "-", "R", "no recordings").met,
            Some(false)
        );
    }

    #[test]
    fn a_row_without_a_target_is_never_missed() {
        let figures = figures();
        assert_eq!(
            Row::peer(BOOK_DECIMAL.not_judged(), "S", &figures, 0, 2).met,
            None
        );
        assert_eq!(Row::count(TLS_ALLOCATIONS, "R", 4.0).met, None);
        assert_eq!(Row::count(OWN_ALLOCATIONS, "R", 1.0).met, Some(false));
        let none = Row::count(OWN_ALLOCATIONS, "R", 0.0);
        assert_eq!((none.met, none.share_of_aim()), (Some(true), Some(1.0)));
    }

    #[test]
    fn the_best_peer_is_the_fastest_that_is_not_ours() {
        assert_eq!(best_peer(&figures(), 0, &[]), Some(2));
        assert_eq!(best_peer(&figures(), 0, &["fast"]), Some(1));
    }
}
