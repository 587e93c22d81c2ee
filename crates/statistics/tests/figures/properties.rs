//! What holds of every history.
//!
//! In: drawn histories, sensible ones and nonsense. Out: sums that agree, figures that do not depend
//! on order or on deposits, numbers only. Never: an example that was chosen to fit.

use crate::inputs::{Drawn, amount, any_history, trade};
use market::{Money, Rate, Side, UtcNs};
use proptest::prelude::*;
use proptest::sample::Index;
use statistics::day::DAY_NS;
use statistics::{
    AccountFigures, ClosedTrade, Day, EquitySample, FillFigures, Flow, GateSettings, Group,
    Grouping, Horizon, LegFees, Line, Markout, Measure, OperatingCounts, OperatingTargets, Phase,
    PhaseHistory, PlannedTrade, Slippage, StopSettings, Total, TradeFigures, daily_results,
    fills_by, ratios, returns_of, returns_on_capital, trades_by,
};

/// The parts of trade figures that add up.
fn trade_sums(one: &TradeFigures) -> ([u64; 3], [Total; 6]) {
    let counts = [one.trades, one.won, one.lost];
    let sums = [
        one.gross,
        one.fees,
        one.funding,
        one.net,
        one.net_won,
        one.net_lost,
    ];
    (counts, sums)
}

/// The parts of fill figures that add up.
fn fill_sums(one: &FillFigures) -> (Vec<u64>, Vec<Total>) {
    let mut counts = vec![one.fills, one.maker_fills, one.slippage.fills];
    let mut sums = vec![one.turnover, one.maker_value, one.fees];
    sums.extend([one.slippage.cost, one.slippage.value_at_mid]);
    for markout in Horizon::ALL.map(|horizon| one.markout(horizon)) {
        counts.push(markout.fills);
        sums.extend([markout.gain, markout.value]);
    }
    (counts, sums)
}

/// Every float of a report, and of the drawdown.
fn floats(drawn: &Drawn) -> Vec<Option<f64>> {
    let report = drawn.history().report();
    let (account, trades, fills) = (&report.account, &report.trades, &report.fills);
    let markouts = fills.markouts.iter().map(Markout::bps);
    let all = [
        account.positive_days,
        account.total_return,
        account.annual_return,
        account.sharpe,
        account.sortino,
        account.calmar,
        account.daily_drawdown,
        account.drawdown.and_then(|one| one.ratio),
        trades.win_rate(),
        trades.profit_factor(),
        trades.break_even_win_rate(),
        fills.maker_taker_ratio(),
        fills.fee_bps(),
        fills.slippage.bps(),
        report.maker_fill_ratio,
        report.turnover_ratio,
    ];
    all.into_iter().chain(markouts).collect()
}

fn number_in(line: &Line) -> Option<f64> {
    match line.figure {
        Some(Measure::Share(one) | Measure::Multiple(one)) => Some(one),
        _ => None,
    }
}

/// A line is met with a figure only, and its figure is a number.
fn check_line(line: &Line) -> Result<(), TestCaseError> {
    prop_assert!(line.figure.is_some() || !line.met, "{line}");
    prop_assert!(number_in(line).is_none_or(f64::is_finite), "{line}");
    Ok(())
}

proptest! {
    #[test]
    fn sums_of_groups_are_the_total_whatever_is_grouped_by(drawn in any_history()) {
        let report = drawn.history().report();
        for by in Grouping::ALL {
            let groups = trades_by(by, &drawn.trades);
            let (mut counts, mut sums) = trade_sums(&TradeFigures::default());
            for figures in groups.values() {
                prop_assert!(figures.trades > 0);
                let (more, much) = trade_sums(figures);
                counts.iter_mut().zip(more).for_each(|(sum, one)| *sum += one);
                sums.iter_mut().zip(much).for_each(|(sum, one)| *sum += one);
            }
            prop_assert_eq!((counts, sums), trade_sums(&report.trades));
            let groups = fills_by(by, &drawn.fills);
            let (mut counts, mut sums) = fill_sums(&FillFigures::default());
            for figures in groups.values() {
                let (more, much) = fill_sums(figures);
                counts.iter_mut().zip(more).for_each(|(sum, one)| *sum += one);
                sums.iter_mut().zip(much).for_each(|(sum, one)| *sum += one);
            }
            prop_assert_eq!((counts, sums), fill_sums(&report.fills));
        }
    }

    #[test]
    fn figures_do_not_depend_on_the_order_of_input(
        (drawn, shuffled) in any_history().prop_flat_map(|drawn| {
            let shuffled = (
                Just(drawn.trades.clone()).prop_shuffle(),
                Just(drawn.fills.clone()).prop_shuffle(),
                Just(drawn.equity.clone()).prop_shuffle(),
                Just(drawn.flows.clone()).prop_shuffle(),
            );
            (Just(drawn), shuffled)
        }),
        capital in amount(),
    ) {
        let (trades, fills, equity, flows) = shuffled;
        let other = Drawn { trades, fills, equity, flows, ..drawn.clone() };
        prop_assert_eq!(drawn.history().report(), other.history().report());
        for by in Grouping::ALL {
            prop_assert_eq!(trades_by(by, &drawn.trades), trades_by(by, &other.trades));
            prop_assert_eq!(fills_by(by, &drawn.fills), fills_by(by, &other.fills));
        }
        prop_assert_eq!(
            daily_results(&drawn.equity, &drawn.flows),
            daily_results(&other.equity, &other.flows)
        );
        let returns = [&drawn, &other].map(|one| returns_on_capital(&one.trades, Money(capital)));
        prop_assert_eq!(&returns[0], &returns[1]);
    }

    #[test]
    fn every_figure_of_any_input_is_a_number_or_none(
        drawn in any_history(),
        (maker, taker) in (amount(), amount()),
        (profit, loss) in (amount(), amount()),
    ) {
        for one in floats(&drawn) {
            prop_assert!(one.is_none_or(f64::is_finite), "{one:?}");
        }
        for fill in &drawn.fills {
            let bps = Horizon::ALL.map(|horizon| Markout::of(fill, horizon).bps());
            for one in bps.into_iter().chain([Slippage::of(fill).bps()]) {
                prop_assert!(one.is_none_or(f64::is_finite), "{one:?}");
            }
        }
        let fees = LegFees::of_maker(Rate(maker), Rate(taker));
        let (take_profit, stop_loss) = (Rate(profit), Rate(loss));
        let plan = PlannedTrade { take_profit, stop_loss, fees };
        for one in [fees.break_even_win_rate(&drawn.trades), plan.break_even_win_rate()] {
            prop_assert!(one.is_none_or(|one| (0.0..=1.0).contains(&one)), "{one:?}");
        }
        if let Some(returns) = returns_on_capital(&drawn.trades, Money(maker)) {
            prop_assert!(returns.iter().all(|one| one.is_finite()));
        }
    }

    #[test]
    fn ratios_of_any_floats_are_numbers_or_none(
        returns in prop::collection::vec(prop_oneof![prop::num::f64::ANY, -1.5f64..1.5], 0..12),
    ) {
        let all = [
            ratios::sharpe(&returns),
            ratios::sortino(&returns),
            ratios::calmar(&returns),
            ratios::annual_return(&returns),
            ratios::total_return(&returns),
            ratios::max_drawdown(&returns),
            ratios::win_rate(&returns),
            ratios::profit_factor(&returns),
        ];
        for one in all {
            prop_assert!(one.is_none_or(f64::is_finite), "{one:?}");
            prop_assert!(one.is_none() || returns.iter().all(|one| one.is_finite()));
        }
        let days = ratios::longest_drawdown_days(&returns);
        prop_assert!(days.is_none_or(|days| days <= returns.len() as u64));
    }

    #[test]
    fn lines_of_any_counts_and_histories_are_numbers_and_never_met_without_one(
        drawn in any_history(),
        counts in prop::array::uniform12(prop_oneof![0u64..4, any::<u64>()]),
        durations in prop::array::uniform3(prop::option::of(any::<u64>())),
        violations in prop::option::of(0u64..2),
    ) {
        let operating = OperatingCounts {
            wanted_ns: counts[0],
            up_ns: counts[1],
            streams_wanted_ns: counts[2],
            streams_up_ns: counts[3],
            reconnect_ns: durations[0],
            recovery_ns: durations[1],
            orders_answered: counts[4],
            orders_accepted: counts[5],
            orders_to_fill: counts[6],
            orders_filled: counts[7],
            api_requests: counts[8],
            api_errors: counts[9],
            maker_fills: counts[10],
            taker_fills: counts[11],
            to_exchange_ns: durations[2],
        };
        for line in operating.lines(&OperatingTargets::default()) {
            check_line(&line)?;
        }
        let history = PhaseHistory {
            trades: &drawn.trades,
            equity: &drawn.equity,
            flows: &drawn.flows,
            wanted_ns: counts[0],
            up_ns: counts[1],
            limit_violations: violations,
        };
        let gate = GateSettings::default().gate(Phase::Paper, &history);
        for line in &gate.lines {
            check_line(line)?;
        }
        prop_assert_eq!(gate.is_open(), gate.lines.iter().all(|line| line.met));
        let stops = StopSettings { trades_min: counts[0], ..StopSettings::default() };
        for line in stops.lines(&drawn.trades) {
            prop_assert!(!line.stop || (line.enough_trades && line.figure.is_some()));
        }
    }

    #[test]
    fn money_from_outside_changes_no_profit_of_any_day(
        drawn in any_history(),
        came in (any::<Index>(), -1_000_000_000_000i64..1_000_000_000_000),
    ) {
        // Amounts that leave room, or the raised equity would be another one.
        let small = |money: Money| Money(money.0 / 4);
        let mut equity = drawn.equity.clone();
        equity.iter_mut().for_each(|sample| sample.equity = small(sample.equity));
        let times: Vec<_> = equity.iter().map(|sample| sample.time).collect();
        prop_assume!(!times.is_empty());
        let (time, amount) = (*came.0.get(&times), Money(came.1));
        let mut raised = equity.clone();
        for sample in raised.iter_mut().filter(|sample| sample.time >= time) {
            sample.equity += amount;
        }
        let mut flows = drawn.flows.clone();
        flows.push(Flow { time, amount });
        let profits = |equity: &[EquitySample], flows: &[Flow]| -> Vec<(Day, bool, Total)> {
            let days = daily_results(equity, flows);
            days.iter().map(|one| (one.day, one.sampled, one.profit)).collect()
        };
        prop_assert_eq!(profits(&equity, &drawn.flows), profits(&raised, &flows));
        let figures = [(&equity, &drawn.flows), (&raised, &flows)]
            .map(|(equity, flows)| AccountFigures::of(equity, flows));
        prop_assert_eq!(figures[0].profit, figures[1].profit);
        prop_assert_eq!(figures[0].positive_days, figures[1].positive_days);
        let lost = figures.each_ref().map(|one| {
            one.drawdown.map(|drawdown| (drawdown.absolute, drawdown.duration_ns))
        });
        prop_assert_eq!(lost[0], lost[1]);
    }

    #[test]
    fn deposits_and_withdrawals_do_not_change_returns(
        growths in prop::collection::vec(0.9f64..1.1, 1..40),
        moves in prop::collection::vec((any::<Index>(), -0.6f64..3.0), 0..6),
    ) {
        // The same growths on what there is, with and without money that comes and goes between.
        let six_hours = |index: usize| UtcNs((index as i64 + 1) * DAY_NS / 4);
        let mut plain = vec![EquitySample { time: six_hours(0), equity: Money::from_whole(1_000_000) }];
        let mut moved = plain.clone();
        let mut flows = Vec::new();
        for (index, growth) in growths.iter().enumerate() {
            let last = moved[moved.len() - 1];
            let mut worth = last.equity;
            for (_, part) in moves.iter().filter(|(at, _)| at.index(growths.len()) == index) {
                let amount = Money((worth.0 as f64 * part) as i64);
                worth += amount;
                let time = UtcNs(last.time.0 + 1 + flows.len() as i64);
                flows.push(Flow { time, amount });
                moved.push(EquitySample { time, equity: worth });
            }
            let grown = |worth: Money| Money((worth.0 as f64 * growth).round() as i64);
            let time = six_hours(index + 1);
            let equity = grown(plain[plain.len() - 1].equity);
            plain.push(EquitySample { time, equity });
            moved.push(EquitySample { time, equity: grown(worth) });
        }
        let returns = returns_of(&daily_results(&plain, &[])).expect("it has money");
        let with_flows = returns_of(&daily_results(&moved, &flows)).expect("it has money");
        prop_assert_eq!(returns.len(), with_flows.len());
        // What is left of a million after six withdrawals is rounded to 1e-8 of its unit.
        for (one, other) in returns.iter().zip(&with_flows) {
            prop_assert!((one - other).abs() < 1e-9, "{one} {other}");
        }
        let lost = [(&plain, &[][..]), (&moved, &flows[..])]
            .map(|(equity, flows)| statistics::drawdown::drawdown(equity, flows).unwrap().ratio.unwrap());
        prop_assert!((lost[0] - lost[1]).abs() < 1e-9, "{lost:?}");
    }

    #[test]
    fn a_sample_that_is_given_twice_changes_nothing(drawn in any_history(), again in any::<Index>()) {
        prop_assume!(!drawn.equity.is_empty());
        let mut equity = drawn.equity.clone();
        equity.push(*again.get(&drawn.equity));
        prop_assert_eq!(
            AccountFigures::of(&drawn.equity, &drawn.flows),
            AccountFigures::of(&equity, &drawn.flows)
        );
    }

    #[test]
    fn profit_less_fees_with_funding_is_what_the_wallet_moved_by(
        rounds in prop::collection::vec(round(), 1..12),
        flows in prop::collection::vec((any::<Index>(), -1_000_000i64..1_000_000), 0..4),
    ) {
        let wallet = Wallet::play(&rounds, &flows);
        let moved = wallet.samples[wallet.samples.len() - 1].equity - wallet.samples[0].equity;
        let from_outside: Money = wallet.flows.iter().map(|flow| flow.amount).sum();
        let earned = Total::from(moved - from_outside);
        let trades = TradeFigures::of(&wallet.trades);
        prop_assert_eq!(trades.gross - trades.fees + trades.funding, earned);
        prop_assert_eq!(trades.net, earned);
        let account = AccountFigures::of(&wallet.samples, &wallet.flows);
        prop_assert_eq!(account.profit, earned);
        prop_assert_eq!(account.flows, from_outside.into());
        let by_day = trades_by(Grouping::Day, &wallet.trades);
        let mut days = 0;
        for day in daily_results(&wallet.samples, &wallet.flows) {
            let group = by_day.get(&Group::Day(day.day));
            days += usize::from(group.is_some());
            prop_assert_eq!(group.map(|one| one.net).unwrap_or_default(), day.profit);
        }
        prop_assert_eq!(days, by_day.len());
    }
}

/// A way from flat to flat: side, prices and quantities of the entries, prices of as many exits,
/// fee of each fill in 1e-4 of its value, funding, hours until the next.
type Round = (Side, Vec<(i64, i64)>, Vec<i64>, i64, i64, i64);

fn round() -> impl Strategy<Value = Round> {
    let fills = prop::collection::vec((1i64..10_000, 1i64..50), 1..5);
    fills.prop_flat_map(|entries| {
        let exits = prop::collection::vec(1i64..10_000, entries.len());
        let side = prop::sample::select(Side::ALL);
        (
            side,
            Just(entries),
            exits,
            -5i64..20,
            -1_000i64..1_000,
            1i64..60,
        )
    })
}

/// An account that books every fill when it happens, and knows nothing of trades.
struct Wallet {
    worth: Money,
    samples: Vec<EquitySample>,
    flows: Vec<Flow>,
    trades: Vec<ClosedTrade>,
}

impl Wallet {
    fn play(rounds: &[Round], flows: &[(Index, i64)]) -> Self {
        // Past midnight, so that a trade and the sample after it are of the same day.
        let mut now = 19_000 * DAY_NS + 1;
        let mut wallet = Self {
            worth: Money::from_whole(1_000),
            samples: Vec::new(),
            flows: Vec::new(),
            trades: Vec::new(),
        };
        wallet.sample(now);
        for (index, round) in rounds.iter().enumerate() {
            for (_, amount) in flows
                .iter()
                .filter(|(at, _)| at.index(rounds.len()) == index)
            {
                let amount = Money(*amount);
                wallet.worth += amount;
                wallet.flows.push(Flow {
                    time: UtcNs(now + 1),
                    amount,
                });
            }
            now += round.5 * DAY_NS / 24 + 7;
            wallet.trade(round, now);
            wallet.sample(now);
        }
        wallet
    }

    fn trade(&mut self, (side, entries, exits, fee, funding, _): &Round, now: i64) {
        let (mut entered, mut left, mut fees) = (0, 0, 0);
        for ((price, quantity), exit) in entries.iter().zip(exits) {
            for (value, sign) in [
                (price * quantity, -side.sign()),
                (exit * quantity, side.sign()),
            ] {
                self.worth += Money(sign * value);
                self.worth -= Money(value * fee / 10_000);
                fees += value * fee / 10_000;
            }
            entered += price * quantity;
            left += exit * quantity;
        }
        self.worth += Money(*funding);
        self.trades.push(ClosedTrade {
            closed: UtcNs(now),
            side: *side,
            fees: Money(fees),
            funding: Money(*funding),
            ..trade(Money(side.sign() * (left - entered)))
        });
    }

    fn sample(&mut self, now: i64) {
        let (time, equity) = (UtcNs(now), self.worth);
        self.samples.push(EquitySample { time, equity });
    }
}
