//! A small history whose figures can be worked out by hand.
//!
//! In: a few trades, fills and samples. Out: the figures of all of it together. Never: a figure that
//! only a program can check.

use crate::inputs::{fill, trade};
use market::{Liquidity, Money, UtcNs};
use statistics::day::DAY_NS;
use statistics::{
    ClosedTrade, EquitySample, Flow, History, MakerOrders, Total, returns_on_capital,
};

/// Noon of a day.
const fn noon(day: i64) -> UtcNs {
    UtcNs(day * DAY_NS + DAY_NS / 2)
}

fn closed_at(time: UtcNs, net: i64) -> ClosedTrade {
    ClosedTrade {
        closed: time,
        ..trade(Money::from_whole(net))
    }
}

fn whole(amount: i64) -> Total {
    Money::from_whole(amount).into()
}

#[test]
fn a_report_says_what_a_hand_works_out() {
    let sample = |day, equity| EquitySample {
        time: noon(day),
        equity: Money::from_whole(equity),
    };
    let mut taken = fill(Money::from_whole(500));
    taken.liquidity = Liquidity::Taker;
    let history = History {
        trades: &[closed_at(noon(2), 110), closed_at(noon(3), -60)],
        fills: &[fill(Money::from_whole(1_500)), taken],
        // Day 1 has no second sample, so no result; 200 are deposited within day 3.
        equity: &[sample(1, 1_000), sample(2, 1_100), sample(3, 1_235)],
        flows: &[Flow {
            time: UtcNs(noon(3).0 - 1),
            amount: Money::from_whole(200),
        }],
        maker_orders: MakerOrders {
            posted: 8,
            filled: 6,
        },
    };
    let report = history.report();
    assert_eq!(report.maker_fill_ratio, Some(0.75));
    assert_eq!(report.fills.maker_taker_ratio(), Some(3.0));
    assert_eq!(report.trades.net, whole(50));
    let account = report.account;
    assert_eq!((account.profit, account.flows), (whole(35), whole(200)));
    assert_eq!((account.days, account.positive_days), (2, Some(0.5)));
    assert_eq!(account.mean_equity, Some(Money(116_750_000_000)));
    assert_eq!(report.turnover_ratio, Some(2_000.0 / 1_167.5));
    // 1,100 / 1,000 * 1,235 / 1,300.
    let total = account.total_return.expect("two days");
    assert!((total - 0.045).abs() < 1e-12, "{total}");
    let drawdown = account.drawdown.expect("samples");
    assert_eq!(drawdown.absolute, whole(65));
    assert!((drawdown.ratio.expect("money") - 0.05).abs() < 1e-12);
    assert_eq!(drawdown.duration_ns, DAY_NS.unsigned_abs());
}

#[test]
fn an_empty_history_has_a_report_of_nothing() {
    let report = History::default().report();
    assert_eq!(
        (report.maker_fill_ratio, report.turnover_ratio),
        (None, None)
    );
    let account = report.account;
    assert_eq!((account.profit, account.flows), (Total::ZERO, Total::ZERO));
    assert_eq!((account.days, account.positive_days), (0, None));
    assert_eq!((account.drawdown, account.mean_equity), (None, None));
    assert_eq!((account.sharpe, account.daily_drawdown), (None, None));
}

#[test]
fn returns_on_a_capital_have_every_day_from_the_first_close_to_the_last() {
    let trades = [
        closed_at(noon(5), -20),
        closed_at(noon(2), 10),
        closed_at(noon(2), 30),
    ];
    let capital = Money::from_whole(1_000);
    let returns = returns_on_capital(&trades, capital);
    assert_eq!(returns, Some(vec![0.04, 0.0, 0.0, -0.02]));
    assert_eq!(returns_on_capital(&trades, Money::ZERO), None);
    assert_eq!(returns_on_capital([], capital), Some(Vec::new()));
}

#[test]
fn an_exit_is_worth_the_entry_where_a_price_is_missing() {
    let mut one = trade(Money::ZERO);
    one.exit_price = Money::from_whole(110);
    assert_eq!(one.exit_value(), Money::from_whole(110));
    (one.entry_price, one.exit_price) = (Money(1), Money(2));
    assert_eq!(one.exit_value(), Money::from_whole(200));
    (one.entry_price, one.exit_price) = (Money(2), Money(1));
    assert_eq!(one.exit_value(), Money::from_whole(50));
    for (entry, exit) in [(0, 110), (100, 0), (-100, -110)] {
        one.entry_price = Money::from_whole(entry);
        one.exit_price = Money::from_whole(exit);
        assert_eq!(one.exit_value(), one.entry_value);
    }
}
