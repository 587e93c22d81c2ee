//! Inputs for tests: plain ones to change, and drawn ones of every kind.
//!
//! In: what a test is about. Out: trades, fills, samples, flows. Never: a value that is made usable;
//! what is drawn may be nonsense.

use market::{ExitReason, Liquidity, Market, Money, Price, Quantity, Side, Symbol, UtcNs};
use proptest::prelude::*;
use statistics::day::DAY_NS;
use statistics::{ClosedTrade, EquitySample, Fill, Flow, MakerOrders, Mid};

/// A trade with a net of `net`, without fees and funding.
pub(crate) fn trade(net: Money) -> ClosedTrade {
    ClosedTrade {
        strategy: "imbalance".to_string(),
        market: Market::UsdM,
        symbol: Symbol::new(b"BTCUSDT").expect("a symbol"),
        side: Side::Buy,
        quantity: Quantity(1),
        entry_value: Money::from_whole(100),
        entry_price: Money::from_whole(100),
        exit_price: Money::from_whole(100),
        opened: UtcNs(0),
        closed: UtcNs(1),
        exit_reason: ExitReason::Signal,
        gross: net,
        fees: Money::ZERO,
        funding: Money::ZERO,
    }
}

/// A buy that rested, worth `value`, with no mid known.
pub(crate) fn fill(value: Money) -> Fill {
    Fill {
        time: UtcNs(0),
        strategy: "imbalance".to_string(),
        market: Market::UsdM,
        symbol: Symbol::new(b"BTCUSDT").expect("a symbol"),
        side: Side::Buy,
        price: Price(1_000),
        quantity: Quantity(1),
        value,
        liquidity: Liquidity::Maker,
        fee: Money::ZERO,
        mid_at_decision: None,
        mids_after: [None; 3],
    }
}

/// All that a report is made of.
#[derive(Clone, Debug)]
pub(crate) struct Drawn {
    pub(crate) trades: Vec<ClosedTrade>,
    pub(crate) fills: Vec<Fill>,
    pub(crate) equity: Vec<EquitySample>,
    pub(crate) flows: Vec<Flow>,
    pub(crate) maker_orders: MakerOrders,
}

impl Drawn {
    pub(crate) fn history(&self) -> statistics::History<'_> {
        statistics::History {
            trades: &self.trades,
            fills: &self.fills,
            equity: &self.equity,
            flows: &self.flows,
            maker_orders: self.maker_orders,
        }
    }
}

/// Every kind of amount: usual ones, small ones that meet each other, and the ends of the range.
pub(crate) fn amount() -> impl Strategy<Value = i64> {
    prop_oneof![
        4 => -1_000_000_000_000i64..1_000_000_000_000,
        2 => -3i64..4,
        1 => any::<i64>(),
        1 => prop::sample::select(vec![i64::MIN, i64::MIN + 1, i64::MAX - 1, i64::MAX]),
    ]
}

/// Moments of some days that are near each other, so that many are equal. Seldom any others: between
/// the ends of the range are 200,000 days, each with its result.
fn time() -> impl Strategy<Value = UtcNs> {
    let near =
        (19_000i64..19_020, 0i64..4).prop_map(|(day, part)| day * DAY_NS + part * DAY_NS / 3);
    let ends = prop::sample::select(vec![i64::MIN, -1, 0, 1, i64::MAX]);
    prop_oneof![300 => near, 1 => any::<i64>(), 1 => ends].prop_map(UtcNs)
}

fn money() -> impl Strategy<Value = Money> {
    amount().prop_map(Money)
}

fn name() -> impl Strategy<Value = String> {
    prop::sample::select(vec!["", "imbalance", "maker", "ä"]).prop_map(str::to_string)
}

fn symbol() -> impl Strategy<Value = Symbol> {
    prop::sample::select(vec!["", "BTCUSDT", "ETHUSDT"])
        .prop_map(|text| Symbol::new(text.as_bytes()).expect("a symbol"))
}

fn market() -> impl Strategy<Value = Market> {
    prop::sample::select(Market::ALL)
}

fn side() -> impl Strategy<Value = Side> {
    prop::sample::select(Side::ALL)
}

prop_compose! {
    fn any_trade()(
        (strategy, market, symbol, side) in (name(), market(), symbol(), side()),
        (opened, closed) in (time(), time()),
        exit_reason in prop::sample::select(ExitReason::ALL),
        (entry_value, entry_price, exit_price) in (money(), money(), money()),
        (gross, fees, funding) in (money(), money(), money()),
        quantity in amount().prop_map(Quantity),
    ) -> ClosedTrade {
        ClosedTrade {
            strategy, market, symbol, side, quantity, entry_value, entry_price, exit_price, opened,
            closed, exit_reason, gross, fees, funding,
        }
    }
}

fn mid() -> impl Strategy<Value = Option<Mid>> {
    prop::option::of(amount().prop_map(Mid))
}

prop_compose! {
    fn any_fill()(
        (strategy, market, symbol, side) in (name(), market(), symbol(), side()),
        time in time(),
        (price, quantity) in (amount().prop_map(Price), amount().prop_map(Quantity)),
        (value, fee) in (money(), money()),
        liquidity in prop::sample::select(Liquidity::ALL),
        mid_at_decision in mid(),
        mids_after in [mid(), mid(), mid()],
    ) -> Fill {
        Fill {
            time, strategy, market, symbol, side, price, quantity, value, liquidity, fee,
            mid_at_decision, mids_after,
        }
    }
}

prop_compose! {
    /// Any history: empty, unsorted, with duplicates, with the ends of every range.
    pub(crate) fn any_history()(
        trades in prop::collection::vec(any_trade(), 0..20),
        fills in prop::collection::vec(any_fill(), 0..20),
        equity in prop::collection::vec((time(), money()), 0..20),
        flows in prop::collection::vec((time(), money()), 0..8),
        (posted, filled) in (any::<u64>(), any::<u64>()),
    ) -> Drawn {
        let equity = equity.into_iter().map(|(time, equity)| EquitySample { time, equity });
        let flows = flows.into_iter().map(|(time, amount)| Flow { time, amount });
        Drawn {
            trades,
            fills,
            equity: equity.collect(),
            flows: flows.collect(),
            maker_orders: MakerOrders { posted, filled },
        }
    }
}
