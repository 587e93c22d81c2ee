//! Gates and stop rules, from outside.
//!
//! In: histories at their bounds. Out: what opens and what stops. Never: a gate that opens on less
//! than it requires.

use crate::inputs::trade;
use market::{Money, UtcNs};
use statistics::day::DAY_NS;
use statistics::{
    CapitalStep, ClosedTrade, EquitySample, Gate, GateSettings, Measure, Phase, PhaseHistory,
    StopSettings,
};

/// `won` trades of +`win` and `lost` of -1.
fn trades(won: usize, win: i64, lost: usize) -> Vec<ClosedTrade> {
    let wins = vec![trade(Money(win)); won];
    let losses = vec![trade(Money(-100)); lost];
    [wins, losses].concat()
}

/// Samples at midnights over `days`, the first `positive` of which win.
fn equity(days: i64, positive: i64) -> Vec<EquitySample> {
    let at = |day: i64| EquitySample {
        time: UtcNs(day * DAY_NS),
        equity: Money::from_whole(1_000 + day.min(positive)),
    };
    (0..=days).map(at).collect()
}

/// Each just met: 60 days, 36 of them positive, 51 of 100 trades won, profit factor 51 / 49.
struct Phased {
    trades: Vec<ClosedTrade>,
    equity: Vec<EquitySample>,
    up_ns: u64,
    limit_violations: Option<u64>,
}

impl Phased {
    fn enough() -> Self {
        Self {
            trades: trades(51, 100, 49),
            equity: equity(60, 36),
            up_ns: 9_901,
            limit_violations: Some(0),
        }
    }

    fn gate(&self, from: Phase) -> Gate {
        let history = PhaseHistory {
            trades: &self.trades,
            equity: &self.equity,
            flows: &[],
            wanted_ns: 10_000,
            up_ns: self.up_ns,
            limit_violations: self.limit_violations,
        };
        GateSettings::default().gate(from, &history)
    }

    fn unmet(&self, from: Phase) -> Vec<&'static str> {
        let lines = self.gate(from).lines;
        let unmet = lines.iter().filter(|line| !line.met);
        unmet.map(|line| line.name).collect()
    }
}

#[test]
fn the_gate_to_live_opens_where_everything_is_just_met() {
    let gate = Phased::enough().gate(Phase::Paper);
    assert!(gate.is_open(), "{gate:?}");
    assert_eq!(gate.to, Some(Phase::Step(0)));
    let shown: Vec<_> = gate.lines.iter().map(ToString::to_string).collect();
    assert_eq!(
        shown,
        [
            "days: 60 days (at least 60 days): met",
            "win rate: 51.000 % (more than 50.000 %): met",
            "profit factor: 1.04 (more than 1.00): met",
            "days with a profit: 60.000 % (at least 60.000 %): met",
            "uptime: 99.010 % (more than 99.000 %): met",
            "limit violations: 0 (at most 0): met",
        ]
    );
}

#[test]
fn each_requirement_alone_keeps_the_gate_shut() {
    let enough = Phased::enough;
    let cases: [(&[&str], Phased); 7] = [
        (
            &["days"],
            Phased {
                equity: equity(59, 59),
                ..enough()
            },
        ),
        (
            &["win rate"],
            Phased {
                trades: trades(50, 101, 50),
                ..enough()
            },
        ),
        (
            &["profit factor"],
            Phased {
                trades: trades(100, 49, 49),
                ..enough()
            },
        ),
        (
            &["days with a profit"],
            Phased {
                equity: equity(60, 35),
                ..enough()
            },
        ),
        (
            &["uptime"],
            Phased {
                up_ns: 9_900,
                ..enough()
            },
        ),
        (
            &["limit violations"],
            Phased {
                limit_violations: Some(1),
                ..enough()
            },
        ),
        (
            &["limit violations"],
            Phased {
                limit_violations: None,
                ..enough()
            },
        ),
    ];
    for (expected, case) in cases {
        assert_eq!(case.unmet(Phase::Paper), expected);
        assert!(!case.gate(Phase::Paper).is_open(), "{expected:?}");
    }
}

#[test]
fn fees_count_in_the_profit_factor_of_a_gate() {
    let mut case = Phased::enough();
    for one in &mut case.trades {
        one.fees = Money(3);
    }
    // 51 of 97 are less than 49 of 103.
    assert_eq!(case.unmet(Phase::Paper), ["profit factor"]);
}

#[test]
fn days_without_a_sample_are_not_days_of_a_phase() {
    let mut case = Phased::enough();
    case.equity = equity(61, 50);
    case.equity.remove(30);
    assert_eq!(case.unmet(Phase::Paper), [""; 0]);
    case.equity.remove(40);
    assert_eq!(case.unmet(Phase::Paper), ["days"]);
    // Sixty-one days by their dates, but less than sixty whole ones.
    let mut case = Phased::enough();
    case.equity = equity(60, 36);
    case.equity[0].time = UtcNs(1);
    assert_eq!(case.unmet(Phase::Paper), ["days"]);
}

#[test]
fn a_phase_without_history_meets_nothing() {
    let gate = GateSettings::default().gate(Phase::Paper, &PhaseHistory::default());
    for line in &gate.lines {
        assert_eq!((line.figure, line.met), (None, false), "{}", line.name);
    }
    assert!(!gate.is_open());
}

#[test]
fn a_phase_without_a_loss_has_every_profit_factor() {
    let mut case = Phased::enough();
    case.trades = trades(1, 1, 0);
    assert_eq!(case.unmet(Phase::Paper), [""; 0]);
    assert_eq!(
        case.gate(Phase::Paper).lines[2].figure,
        Some(Measure::Unbounded)
    );
}

#[test]
fn steps_follow_each_other_after_thirty_days_and_end() {
    let settings = GateSettings::default();
    let whole = |from, to| CapitalStep {
        from: Money::from_whole(from),
        to: Money::from_whole(to),
    };
    assert_eq!(
        settings.steps,
        [
            whole(100, 500),
            whole(1_000, 1_000),
            whole(2_500, 2_500),
            whole(5_000, 5_000),
            whole(10_000, 10_000),
        ]
    );
    let mut case = Phased::enough();
    case.equity = equity(30, 18);
    for step in 0..4 {
        let gate = case.gate(Phase::Step(step));
        assert!(gate.is_open(), "{gate:?}");
        assert_eq!(gate.to, Some(Phase::Step(step + 1)));
    }
    for last in [4, 5, usize::MAX] {
        let gate = case.gate(Phase::Step(last));
        assert_eq!((gate.to, gate.is_open()), (None, false));
    }
    case.equity = equity(29, 29);
    assert_eq!(case.unmet(Phase::Step(0)), ["days"]);
}

fn stops(settings: StopSettings, trades: &[ClosedTrade]) -> [bool; 2] {
    settings.lines(trades).map(|line| line.stop)
}

#[test]
fn the_bounds_of_the_stop_rules_do_not_stop_and_less_does() {
    let settings = StopSettings::default();
    // 45 of 100 itself, with a profit factor just above 0.8.
    assert_eq!(stops(settings, &trades(45, 98, 55)), [false, false]);
    assert_eq!(stops(settings, &trades(44, 102, 56)), [true, false]);
    assert_eq!(
        stops(settings, &trades(80, 80, 80)),
        [false, false],
        "0.8 itself"
    );
    assert_eq!(stops(settings, &trades(80, 79, 80)), [false, true]);
}

#[test]
fn too_few_trades_do_not_stop_whatever_they_say() {
    let losing = trades(0, 0, 99);
    let settings = StopSettings::default();
    assert_eq!(stops(settings, &losing), [false, false]);
    assert!(
        settings
            .lines(&losing)
            .iter()
            .all(|line| !line.enough_trades && line.figure.is_some())
    );
    let settings = StopSettings {
        trades_min: 99,
        ..settings
    };
    assert_eq!(stops(settings, &losing), [true, true]);
}

#[test]
fn trades_that_came_to_nothing_do_not_stop() {
    let settings = StopSettings {
        trades_min: 0,
        ..StopSettings::default()
    };
    assert_eq!(stops(settings, &[]), [false, false]);
    assert_eq!(stops(settings, &trades(3, 0, 0)), [false, false]);
    assert_eq!(stops(settings, &trades(3, 1, 0)), [false, false]);
}
