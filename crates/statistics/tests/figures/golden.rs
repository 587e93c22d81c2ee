//! The figures beside those of empyrical-reloaded and quantstats, which nobody here wrote.
//!
//! In: `tests/golden/daily.json` and `trades.json`, which `make.py` there writes. Out: agreement to
//! 1e-9 of each figure, and `None` exactly where it is documented. Never: a series left out.

use crate::inputs::trade;
use market::{Money, UtcNs};
use serde::Deserialize;
use serde_json::Value;
use statistics::day::DAY_NS;
use statistics::{
    AccountFigures, EquitySample, Flow, TradeFigures, daily_results, ratios, returns_of,
};
use std::collections::BTreeMap;

/// Largest relative difference that is agreement.
const AGREEMENT: f64 = 1e-9;

/// 2024-01-01, the first day of every series.
const FIRST_DAY: i64 = 19_723;

type Figures = BTreeMap<String, Value>;

#[derive(Deserialize)]
struct Series {
    name: String,
    /// At each midnight, before its flow.
    equity_e8: Vec<i64>,
    /// Midnight by its index, amount.
    flows_e8: Vec<(usize, i64)>,
    returns: Vec<f64>,
    empyrical: Figures,
    quantstats: Figures,
}

#[derive(Deserialize)]
struct Trades {
    name: String,
    net_e8: Vec<i64>,
    quantstats: Figures,
    pandas: Figures,
}

impl Series {
    /// A sample at each midnight, and one right after each flow. The last comes first: order is
    /// nothing to rely on.
    fn account(&self) -> (Vec<EquitySample>, Vec<Flow>) {
        let midnight = |index: usize| (FIRST_DAY + index as i64) * DAY_NS;
        let sample = |time, equity| EquitySample {
            time: UtcNs(time),
            equity: Money(equity),
        };
        let each = self.equity_e8.iter().enumerate();
        let mut samples: Vec<_> = each
            .map(|(index, equity)| sample(midnight(index), *equity))
            .collect();
        let mut flows = Vec::new();
        for (index, amount) in &self.flows_e8 {
            let time = midnight(*index) + 1;
            samples.push(sample(time, self.equity_e8[*index] + amount));
            flows.push(Flow {
                time: UtcNs(time),
                amount: Money(*amount),
            });
        }
        samples.reverse();
        flows.reverse();
        (samples, flows)
    }

    /// Whether a figure is not defined, by the words of its documentation.
    fn is_undefined(&self, figure: &str) -> bool {
        let no_loss = self.returns.iter().all(|one| *one >= 0.0);
        let all_equal = self.returns.iter().all(|one| *one == self.returns[0]);
        let short = self.returns.len() < 2;
        match figure {
            "sharpe" => short || all_equal,
            "sortino" | "calmar" => short || no_loss,
            "annual_return" => short,
            "win_rate" => self.returns.iter().all(|one| *one == 0.0),
            "profit_factor" => no_loss,
            _ => false,
        }
    }
}

/// The largest difference seen.
#[derive(Default)]
struct Agreement(f64);

impl Agreement {
    fn check(&mut self, what: &str, ours: Option<f64>, theirs: &Value, undefined: bool) {
        assert_eq!(ours.is_none(), undefined, "{what}: {ours:?}");
        let Some(ours) = ours else { return };
        let theirs = theirs
            .as_f64()
            .unwrap_or_else(|| panic!("{what}: {theirs}"));
        let difference = if ours == theirs {
            0.0
        } else {
            (ours - theirs).abs() / theirs.abs()
        };
        assert!(difference <= AGREEMENT, "{what}: {ours}, not {theirs}");
        self.0 = self.0.max(difference);
    }
}

fn read<T: for<'a> Deserialize<'a>>(text: &str) -> Vec<T> {
    let series: Vec<T> = serde_json::from_str(text).expect("golden file");
    assert!(series.len() >= 8, "the golden file has lost series");
    series
}

#[test]
fn ratios_of_daily_returns_are_those_of_both_libraries() {
    let mut agreement = Agreement::default();
    for series in read::<Series>(include_str!("../golden/daily.json")) {
        let (samples, flows) = series.account();
        let returns = returns_of(&daily_results(&samples, &flows)).expect("it always had money");
        assert_eq!(returns.len(), series.returns.len(), "{}", series.name);
        for (ours, theirs) in returns.iter().zip(&series.returns) {
            assert!(
                (ours - theirs).abs() < 1e-15,
                "{}: {ours}, not {theirs}",
                series.name
            );
        }
        let whole = |days: Option<u64>| days.map(|days| days as f64);
        let ours = BTreeMap::from([
            ("sharpe", ratios::sharpe(&returns)),
            ("sortino", ratios::sortino(&returns)),
            ("calmar", ratios::calmar(&returns)),
            // Theirs is negative; 0 less it, so that none is -0.
            (
                "max_drawdown",
                ratios::max_drawdown(&returns).map(|one| 0.0 - one),
            ),
            ("annual_return", ratios::annual_return(&returns)),
            ("total_return", ratios::total_return(&returns)),
            ("win_rate", ratios::win_rate(&returns)),
            ("profit_factor", ratios::profit_factor(&returns)),
            (
                "longest_drawdown_days",
                whole(ratios::longest_drawdown_days(&returns)),
            ),
        ]);
        assert_eq!(
            series.empyrical.len() + series.quantstats.len(),
            6 + ours.len()
        );
        for (library, figures) in [
            ("empyrical", &series.empyrical),
            ("quantstats", &series.quantstats),
        ] {
            for (figure, theirs) in figures {
                let what = format!("{figure} of \"{}\" by {library}", series.name);
                let undefined = series.is_undefined(figure);
                agreement.check(&what, ours[figure.as_str()], theirs, undefined);
            }
        }
    }
    println!("largest relative difference: {:e}", agreement.0);
}

#[test]
fn an_account_has_the_ratios_of_its_daily_returns() {
    for series in read::<Series>(include_str!("../golden/daily.json")) {
        let (samples, flows) = series.account();
        let returns = returns_of(&daily_results(&samples, &flows)).expect("it always had money");
        let account = AccountFigures::of(&samples, &flows);
        assert_eq!(account.sharpe, ratios::sharpe(&returns));
        assert_eq!(account.sortino, ratios::sortino(&returns));
        assert_eq!(account.calmar, ratios::calmar(&returns));
        assert_eq!(account.annual_return, ratios::annual_return(&returns));
        assert_eq!(account.total_return, ratios::total_return(&returns));
        assert_eq!(account.daily_drawdown, ratios::max_drawdown(&returns));
        assert_eq!(account.days, returns.len() as u64);
        let won = returns.iter().filter(|one| **one > 0.0).count();
        assert_eq!(
            account.positive_days,
            Some(won as f64 / returns.len() as f64)
        );
        let (first, last) = (series.equity_e8[0], series.equity_e8[returns.len()]);
        let moved: i64 = series.flows_e8.iter().map(|(_, amount)| amount).sum();
        assert_eq!(account.flows, Money(moved).into());
        assert_eq!(account.profit, Money(last - first - moved).into());
        // Its samples are the ends of days, so its drawdown is the one of days.
        let drawdown = account.drawdown.expect("there are samples").ratio;
        let by_day = account.daily_drawdown.expect("there are days");
        assert!(drawdown.is_some_and(|ratio| (ratio - by_day).abs() < 1e-12));
    }
}

#[test]
fn figures_of_trades_are_those_of_quantstats_over_their_nets() {
    let mut agreement = Agreement::default();
    for trades in read::<Trades>(include_str!("../golden/trades.json")) {
        let closed: Vec<_> = trades.net_e8.iter().map(|net| trade(Money(*net))).collect();
        let found = TradeFigures::of(&closed);
        let (won, lost) = (found.won > 0, found.lost > 0);
        let theirs = &trades.quantstats;
        let what = |figure: &str| format!("{figure} of \"{}\"", trades.name);
        let win_rate = (found.win_rate(), !won && !lost);
        let profit_factor = (found.profit_factor(), !lost);
        for (figure, (ours, undefined)) in
            [("win_rate", win_rate), ("profit_factor", profit_factor)]
        {
            agreement.check(&what(figure), ours, &theirs[figure], undefined);
        }
        let minus = found.average_loss().map(|one| -one);
        agree_to_the_last_unit(
            &what("average_win"),
            found.average_win(),
            &theirs["average_win"],
        );
        agree_to_the_last_unit(&what("average_loss"), minus, &theirs["average_loss"]);
        let theirs = &trades.pandas["expectancy"];
        agree_to_the_last_unit(&what("expectancy"), found.expectancy(), theirs);
    }
    println!("largest relative difference: {:e}", agreement.0);
}

/// Averages of money are rounded to 1e-8: they may differ by half of that, and what a float cannot
/// tell apart. Theirs is no number where there is none.
fn agree_to_the_last_unit(what: &str, ours: Option<Money>, theirs: &Value) {
    let theirs = theirs.as_f64().map(|one| one * 1e8);
    assert_eq!(ours.is_some(), theirs.is_some(), "{what}: {ours:?}");
    if let (Some(ours), Some(theirs)) = (ours, theirs) {
        let difference = (ours.0 as f64 - theirs).abs();
        assert!(difference <= 0.5 + 1e-5, "{what}: {ours:?}, not {theirs}");
    }
}
