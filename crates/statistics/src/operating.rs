//! How well the machine runs, beside what is wanted of it.
//!
//! In: plain counts and durations of a span of time. Out: a line for each operating figure. Never: a
//! target met without data.

use crate::input::{plain, share};
use crate::line::{Line, Measure, Requirement};
use market::Rate;

/// What was counted and measured. A pair of nothing is no data, as is a duration that is none.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct OperatingCounts {
    /// Time in which the engine was to run, in ns.
    pub wanted_ns: u64,
    /// Of it, the time in which it ran.
    pub up_ns: u64,
    /// Time in which streams were to be there, in ns, summed over streams.
    pub streams_wanted_ns: u64,
    /// Of it, the time in which they were.
    pub streams_up_ns: u64,
    /// Longest time from the loss of a connection to the one in its place, in ns.
    pub reconnect_ns: Option<u64>,
    /// Longest time from the end of a process to its successor's readiness to trade, in ns.
    pub recovery_ns: Option<u64>,
    /// Orders that were sent and answered.
    pub orders_answered: u64,
    /// Of them, those that the exchange accepted.
    pub orders_accepted: u64,
    /// Orders that were meant to fill and have ended.
    pub orders_to_fill: u64,
    /// Of them, those that filled.
    pub orders_filled: u64,
    /// Requests to the exchange that were answered or given up.
    pub api_requests: u64,
    /// Of them, those that failed.
    pub api_errors: u64,
    /// Fills where our order rested.
    pub maker_fills: u64,
    /// Fills where our order took.
    pub taker_fills: u64,
    /// Time from a decision to the exchange's receipt, in ns, at the percentile that the caller
    /// promises.
    pub to_exchange_ns: Option<u64>,
}

/// What is wanted. The default is what the product promises.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OperatingTargets {
    /// At least; 99.5 %.
    pub uptime: Rate,
    /// At least; 99.9 %.
    pub stream_uptime: Rate,
    /// At most; 60 s.
    pub reconnect_ns: u64,
    /// At most; 5 min.
    pub recovery_ns: u64,
    /// At least; 99 %.
    pub order_success: Rate,
    /// At least; 95 %.
    pub fill_rate: Rate,
    /// At most; 0.1 %.
    pub api_error_rate: Rate,
    /// At least; 3, which is 3:1.
    pub maker_taker: Rate,
    /// At most; 50 ms.
    pub to_exchange_ns: u64,
}

impl Default for OperatingTargets {
    fn default() -> Self {
        Self {
            uptime: Rate(99_500_000),
            stream_uptime: Rate(99_900_000),
            reconnect_ns: 60_000_000_000,
            recovery_ns: 300_000_000_000,
            order_success: Rate(99_000_000),
            fill_rate: Rate(95_000_000),
            api_error_rate: Rate(100_000),
            maker_taker: Rate(300_000_000),
            to_exchange_ns: 50_000_000,
        }
    }
}

impl OperatingCounts {
    /// A line for each figure, always the same ones in the same order. A part that is more than its
    /// whole counts as all of it.
    #[must_use]
    pub fn lines(&self, targets: &OperatingTargets) -> [Line; 9] {
        let maker_taker = Measure::multiple(self.maker_fills, self.taker_fills);
        let times_wanted = Requirement::at_least(Measure::Multiple(plain(targets.maker_taker)));
        [
            at_least("uptime", self.up_ns, self.wanted_ns, targets.uptime),
            at_least(
                "stream uptime",
                self.streams_up_ns,
                self.streams_wanted_ns,
                targets.stream_uptime,
            ),
            at_most("reconnect time", self.reconnect_ns, targets.reconnect_ns),
            at_most("recovery time", self.recovery_ns, targets.recovery_ns),
            at_least(
                "order success",
                self.orders_accepted,
                self.orders_answered,
                targets.order_success,
            ),
            at_least(
                "fill rate",
                self.orders_filled,
                self.orders_to_fill,
                targets.fill_rate,
            ),
            Line::new(
                "API error rate",
                share(self.api_errors, self.api_requests).map(Measure::Share),
                Requirement::at_most(Measure::Share(plain(targets.api_error_rate))),
            ),
            Line::new("maker:taker ratio", maker_taker, times_wanted),
            at_most(
                "time to exchange",
                self.to_exchange_ns,
                targets.to_exchange_ns,
            ),
        ]
    }
}

fn at_least(name: &'static str, part: u64, whole: u64, target: Rate) -> Line {
    let figure = share(part, whole).map(Measure::Share);
    let required = Requirement::at_least(Measure::Share(plain(target)));
    Line::new(name, figure, required)
}

fn at_most(name: &'static str, found_ns: Option<u64>, target_ns: u64) -> Line {
    let figure = found_ns.map(Measure::Nanoseconds);
    let required = Requirement::at_most(Measure::Nanoseconds(target_ns));
    Line::new(name, figure, required)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn met(counts: &OperatingCounts) -> Vec<(&'static str, bool)> {
        let lines = counts.lines(&OperatingTargets::default());
        lines.iter().map(|line| (line.name, line.met)).collect()
    }

    /// Each exactly at its target.
    const AT_TARGET: OperatingCounts = OperatingCounts {
        wanted_ns: 1_000,
        up_ns: 995,
        streams_wanted_ns: 1_000,
        streams_up_ns: 999,
        reconnect_ns: Some(60_000_000_000),
        recovery_ns: Some(300_000_000_000),
        orders_answered: 100,
        orders_accepted: 99,
        orders_to_fill: 100,
        orders_filled: 95,
        api_requests: 1_000,
        api_errors: 1,
        maker_fills: 3,
        taker_fills: 1,
        to_exchange_ns: Some(50_000_000),
    };

    #[test]
    fn every_figure_meets_its_target_exactly_at_it() {
        for (name, met) in met(&AT_TARGET) {
            assert!(met, "{name}");
        }
    }

    #[test]
    fn every_figure_misses_its_target_one_unit_beyond_it() {
        let beyond = OperatingCounts {
            up_ns: 994,
            streams_up_ns: 998,
            reconnect_ns: Some(60_000_000_001),
            recovery_ns: Some(300_000_000_001),
            orders_accepted: 98,
            orders_filled: 94,
            api_errors: 2,
            maker_fills: 2,
            to_exchange_ns: Some(50_000_001),
            ..AT_TARGET
        };
        for (name, met) in met(&beyond) {
            assert!(!met, "{name}");
        }
    }

    #[test]
    fn without_data_every_figure_is_unknown_and_none_is_met() {
        let lines = OperatingCounts::default().lines(&OperatingTargets::default());
        for line in lines {
            assert_eq!((line.figure, line.met), (None, false), "{}", line.name);
        }
    }

    #[test]
    fn a_maker_who_never_takes_meets_every_ratio() {
        let counts = OperatingCounts {
            taker_fills: 0,
            ..AT_TARGET
        };
        assert_eq!(met(&counts)[7], ("maker:taker ratio", true));
    }
}
