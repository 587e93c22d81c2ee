//! What has to be shown before more money is risked.
//!
//! In: the history of a phase, settings. Out: the phase that comes next and a line for each thing
//! that it requires. Never: a gate that opens by itself, or without data.

use crate::curve::{Point, curve};
use crate::daily;
use crate::day::DAY_NS;
use crate::input::{ClosedTrade, EquitySample, Flow, plain, share};
use crate::line::{Line, Measure, Requirement};
use crate::total::Total;
use crate::trades::TradeFigures;
use market::{Money, Rate};

/// A phase of trading.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Phase {
    /// Without money.
    Paper,
    /// With the capital of the step at this place of [`GateSettings::steps`].
    Step(usize),
}

/// Capital that a step may use.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CapitalStep {
    /// At least.
    pub from: Money,
    /// At most.
    pub to: Money,
}

/// What a phase has to show before the next one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PhaseRequirements {
    /// At least so many whole days, each with a sample of equity.
    pub days: u64,
    /// More than this share of trades won.
    pub win_rate: Rate,
    /// More than this profit factor, after fees and funding.
    pub profit_factor: Rate,
    /// At least this share of days with a profit.
    pub positive_days: Rate,
    /// More than this share of the time up.
    pub uptime: Rate,
    /// At most so many violations of limits.
    pub limit_violations: u64,
}

/// The phases and what each has to show.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GateSettings {
    /// Of paper, before the first step.
    pub paper: PhaseRequirements,
    /// Of each step, before the next one.
    pub step: PhaseRequirements,
    /// The steps, the smallest first.
    pub steps: Vec<CapitalStep>,
}

/// What happened in a phase.
#[derive(Clone, Copy, Debug, Default)]
pub struct PhaseHistory<'a> {
    /// Trades that were closed in it.
    pub trades: &'a [ClosedTrade],
    /// Equity in it.
    pub equity: &'a [EquitySample],
    /// Deposits and withdrawals in it.
    pub flows: &'a [Flow],
    /// Time in which the engine was to run, in ns; 0 = not known.
    pub wanted_ns: u64,
    /// Of it, the time in which it ran.
    pub up_ns: u64,
    /// Violations of limits; none = not known.
    pub limit_violations: Option<u64>,
}

/// A gate and what stands before it.
#[derive(Clone, Debug, PartialEq)]
pub struct Gate {
    /// From here.
    pub from: Phase,
    /// To there; none behind the last step.
    pub to: Option<Phase>,
    /// What is required and found, always the same lines in the same order.
    pub lines: Vec<Line>,
}

/// 60 days of paper, then 30 days at each step; the rest is the same for all.
impl Default for GateSettings {
    fn default() -> Self {
        let paper = PhaseRequirements {
            days: 60,
            win_rate: Rate(50_000_000),
            profit_factor: Rate(100_000_000),
            positive_days: Rate(60_000_000),
            uptime: Rate(99_000_000),
            limit_violations: 0,
        };
        let steps = [
            (100, 500),
            (1_000, 1_000),
            (2_500, 2_500),
            (5_000, 5_000),
            (10_000, 10_000),
        ];
        let steps = steps.map(|(from, to)| CapitalStep {
            from: Money::from_whole(from),
            to: Money::from_whole(to),
        });
        Self {
            paper,
            step: PhaseRequirements { days: 30, ..paper },
            steps: steps.to_vec(),
        }
    }
}

impl GateSettings {
    /// The phase after `from`; none behind the last step.
    #[must_use]
    pub fn next(&self, from: Phase) -> Option<Phase> {
        let next = match from {
            Phase::Paper => 0,
            Phase::Step(step) => step.checked_add(1)?,
        };
        (next < self.steps.len()).then_some(Phase::Step(next))
    }

    /// The gate at the end of `from`, with the history of that phase alone.
    #[must_use]
    pub fn gate(&self, from: Phase, history: &PhaseHistory<'_>) -> Gate {
        let required = match from {
            Phase::Paper => &self.paper,
            Phase::Step(_) => &self.step,
        };
        Gate {
            from,
            to: self.next(from),
            lines: required.lines(history),
        }
    }
}

impl Gate {
    /// True when there is a next phase and everything is met.
    #[must_use]
    pub fn is_open(&self) -> bool {
        self.to.is_some() && !self.lines.is_empty() && self.lines.iter().all(|line| line.met)
    }
}

impl PhaseRequirements {
    /// A line for each requirement.
    #[must_use]
    pub fn lines(&self, history: &PhaseHistory<'_>) -> Vec<Line> {
        let trades = TradeFigures::of(history.trades);
        let points = curve(history.equity, history.flows);
        let days = daily::from_curve(&points);
        let positive = days.iter().filter(|one| one.profit > Total::ZERO).count();
        let positive = share(positive as u64, days.len() as u64);
        let sampled = days.iter().filter(|one| one.sampled).count() as u64;
        let share_of = |rate| Measure::Share(plain(rate));
        vec![
            Line::new(
                "days",
                whole_days(&points).map(|whole| Measure::Days(whole.min(sampled))),
                Requirement::at_least(Measure::Days(self.days)),
            ),
            Line::new(
                "win rate",
                trades.win_rate().map(Measure::Share),
                Requirement::above(share_of(self.win_rate)),
            ),
            Line::new(
                "profit factor",
                profit_factor(&trades),
                Requirement::above(Measure::Multiple(plain(self.profit_factor))),
            ),
            Line::new(
                "days with a profit",
                positive.map(Measure::Share),
                Requirement::at_least(share_of(self.positive_days)),
            ),
            Line::new(
                "uptime",
                share(history.up_ns, history.wanted_ns).map(Measure::Share),
                Requirement::above(share_of(self.uptime)),
            ),
            Line::new(
                "limit violations",
                history.limit_violations.map(Measure::Count),
                Requirement::at_most(Measure::Count(self.limit_violations)),
            ),
        ]
    }
}

/// The profit factor, unbounded where something was won and nothing lost.
pub(crate) fn profit_factor(trades: &TradeFigures) -> Option<Measure> {
    let unbounded = trades.won > 0 && trades.lost == 0;
    let bounded = trades.profit_factor().map(Measure::Multiple);
    bounded.or(unbounded.then_some(Measure::Unbounded))
}

/// Whole days from the first sample to the last: two samples on two days may be a minute apart.
fn whole_days(points: &[Point]) -> Option<u64> {
    let (first, last) = (points.first()?, points.last()?);
    Some(last.time.0.abs_diff(first.time.0) / DAY_NS.unsigned_abs())
}
