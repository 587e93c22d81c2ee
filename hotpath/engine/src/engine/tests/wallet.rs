//! What moves the wallet, and that nothing of it counts twice.
//!
//! In: funding, deposits, wallets that looks were told, in every order. Out: equity and profit.
//! Never: a trade; those are in `account`.

use super::lists::report;
use super::looks::{both_markets, patient};
use super::rig::{ID, Rig, WALLET, config, imbalance, instrument, position, update};
use crate::strategy::imbalance::{EntryStyle, ImbalanceParameters};
use crate::{Input, Request};
use market::account::Execution;
use market::ids::Asset;
use market::record::Record;
use market::{
    BalanceReport, Breaker, IncomeKind, IncomeReport, InstrumentId, Liquidity, Market, Money,
    OrderState, Price, Rate, TradeId, TradingState, UtcMs,
};

const SPOT: InstrumentId = InstrumentId(1);

fn usdt(whole: i64) -> Money {
    Money::from_whole(whole)
}

/// Funding of our instrument, now.
fn funding(rig: &Rig, whole: i64) -> IncomeReport {
    IncomeReport {
        kind: IncomeKind::FundingFee,
        symbol: Some(instrument(Market::UsdM).symbol),
        asset: Asset::new(b"USDT").unwrap(),
        amount: usdt(whole),
        time: UtcMs(rig.utc_ms()),
        transaction_id: 1,
        trade_id: TradeId(0),
    }
}

/// Answers a look with this wallet.
fn answer(rig: &mut Rig, id: InstrumentId, whole: i64) {
    assert!(rig.take().contains(&Request::Reconcile(id)));
    rig.clock();
    rig.send(Input::ReconcileBegin);
    rig.send(Input::Balance(BalanceReport {
        asset: Asset::new(b"USDT").unwrap(),
        wallet: usdt(whole),
        event_time: UtcMs(1),
    }));
    rig.send(Input::ReconcileEnd);
}

/// The private stream breaks and is back: a look after a doubt.
fn doubt(rig: &mut Rig, id: InstrumentId, whole: i64) {
    let market = if id == ID { Market::UsdM } else { Market::Spot };
    rig.stream(crate::event::StreamKind::User, market, false);
    rig.stream(crate::event::StreamKind::User, market, true);
    answer(rig, id, whole);
}

/// Equity, and funding since start.
fn shown(rig: &Rig) -> (Money, Money) {
    let page = rig.engine.account_page();
    assert_eq!(page.wallet, page.equity, "nothing is held");
    (page.equity, page.funding)
}

#[test]
fn funding_counts_once_whether_it_is_listed_before_a_wallet_or_after_it() {
    let mut rig = Rig::ready(patient());
    assert_eq!(shown(&rig), (WALLET, usdt(0)));
    rig.pass_ms(1_000);
    rig.send(Input::Income(funding(&rig, -5)));
    assert_eq!(shown(&rig), (WALLET - usdt(5), usdt(-5)));
    rig.pass_ms(1_000);
    doubt(&mut rig, ID, 99_995);
    assert_eq!(shown(&rig), (WALLET - usdt(5), usdt(-5)));
    // The wallet knows it first.
    rig.pass_ms(1_000);
    let paid = funding(&rig, -7);
    rig.pass_ms(1_000);
    doubt(&mut rig, ID, 99_988);
    assert_eq!(shown(&rig), (WALLET - usdt(12), usdt(-5)));
    rig.pass_ms(1_000);
    rig.send(Input::Income(paid));
    assert_eq!(shown(&rig), (WALLET - usdt(12), usdt(-12)));
    let page = rig.engine.account_page();
    assert_eq!(
        (page.realized, page.fees),
        (usdt(0), usdt(0)),
        "trades alone"
    );
}

#[test]
fn what_is_no_funding_of_ours_is_journalled_and_counts_nowhere() {
    let mut rig = Rig::ready(patient());
    rig.pass_ms(1_000);
    let paid = funding(&rig, -5);
    let before_us = UtcMs(rig.utc_ms() - 3_600_000);
    let others = [
        IncomeReport {
            kind: IncomeKind::Commission,
            ..paid
        },
        IncomeReport {
            symbol: Some(market::Symbol::new(b"XRPUSDT").unwrap()),
            ..paid
        },
        IncomeReport {
            asset: Asset::new(b"BNB").unwrap(),
            ..paid
        },
        IncomeReport {
            time: before_us,
            ..paid
        },
    ];
    for other in others {
        rig.send(Input::Income(other));
        assert_eq!(shown(&rig), (WALLET, usdt(0)), "{other:?}");
        let record = Record::Income(other);
        assert!(rig.outbox.observer.records.contains(&record));
    }
}

#[test]
fn funding_trips_the_loss_of_the_day() {
    let mut config = patient();
    config.risk.daily_loss_max = usdt(10);
    let mut rig = Rig::ready(config);
    rig.pass_ms(1_000);
    rig.send(Input::Income(funding(&rig, -9)));
    assert_eq!(rig.engine.trading_state().0, TradingState::Active);
    rig.send(Input::Income(funding(&rig, -1)));
    assert_eq!(rig.engine.tripped(), Breaker::DailyLoss.bit());
}

#[test]
fn money_that_comes_or_goes_is_equity_at_once_and_no_profit() {
    let mut rig = Rig::ready(patient());
    rig.pass_ms(1_000);
    rig.send(Input::WalletMoved(Market::UsdM));
    assert!(rig.engine.account_page().reconciled, "nothing is in doubt");
    answer(&mut rig, ID, 40_000);
    assert_eq!(shown(&rig), (usdt(40_000), usdt(0)));
    // A look that nothing asked for takes no wallet: it may miss fills.
    rig.pass_ms(60_000);
    answer(&mut rig, ID, 39_000);
    assert_eq!(shown(&rig), (usdt(40_000), usdt(0)));
    assert_eq!(rig.engine.tripped(), 0);
}

#[test]
fn a_look_that_began_before_the_money_moved_is_not_the_last() {
    let mut rig = Rig::ready(patient());
    rig.pass_ms(1_000);
    rig.send(Input::WalletMoved(Market::UsdM));
    rig.pass_ms(10);
    rig.send(Input::WalletMoved(Market::UsdM));
    answer(&mut rig, ID, 90_000);
    assert_eq!(
        shown(&rig),
        (WALLET, usdt(0)),
        "it shows neither, or one of both"
    );
    rig.pass_ms(10_000);
    answer(&mut rig, ID, 80_000);
    assert_eq!(shown(&rig), (usdt(80_000), usdt(0)));
    rig.pass_ms(50_000);
    assert_eq!(rig.take(), [], "nothing is left to ask");
}

#[test]
fn a_wallet_in_the_middle_of_fills_is_asked_for_again() {
    let mut rig = Rig::ready(patient());
    rig.book(500_000, 40, 10);
    let order = rig.place_one();
    rig.confirm(&order);
    rig.send(Input::WalletMoved(Market::UsdM));
    let before = rig.engine.account_page().wallet;
    // It fills while the look is under way: who knows what the wallet has of it.
    rig.fill_all(&order, 500_001);
    let looks = rig.take();
    let target = looks.iter().find_map(|one| match one {
        Request::Place(target) => Some(*target.get()),
        _ => None,
    });
    let target = target.expect("its exit");
    rig.confirm(&target);
    let fee = rig.engine.account_page().fees;
    let held = rig.position();
    let look = |rig: &mut Rig, whole| {
        rig.clock();
        rig.send(Input::ReconcileBegin);
        rig.send(Input::OpenOrder(report(&target, 7)));
        rig.send(Input::Position(position(held, 50_000)));
        rig.send(Input::Balance(BalanceReport {
            asset: Asset::new(b"USDT").unwrap(),
            wallet: usdt(whole),
            event_time: UtcMs(1),
        }));
        rig.send(Input::ReconcileEnd);
    };
    assert!(looks.contains(&Request::Reconcile(ID)));
    look(&mut rig, 77);
    assert_eq!(rig.engine.account_page().wallet, before - fee);
    rig.pass_ms(10_000);
    assert!(rig.take().contains(&Request::Reconcile(ID)));
    look(&mut rig, 99_000);
    assert_eq!(rig.engine.account_page().wallet, usdt(99_000));
}

#[test]
fn the_profit_of_one_market_is_no_part_of_the_wallet_of_the_other() {
    let mut rig = Rig::ready(both_markets());
    rig.streams(Market::Spot, true);
    answer(&mut rig, SPOT, 1_000);
    assert_eq!(shown(&rig).0, usdt(101_000));
    rig.pass_ms(1_000);
    rig.send(Input::Income(funding(&rig, -50)));
    assert_eq!(shown(&rig).0, usdt(100_950));
    // Looks at both, in both orders: the sum is what the two wallets hold.
    for ids in [[ID, SPOT], [SPOT, ID]] {
        for id in ids {
            rig.pass_ms(10);
            doubt(&mut rig, id, if id == ID { 99_950 } else { 1_000 });
            assert_eq!(shown(&rig), (usdt(100_950), usdt(-50)), "{id:?}");
        }
    }
}

#[test]
fn a_fee_in_a_third_asset_costs_what_the_configured_rate_says() {
    let parameters = ImbalanceParameters {
        entry: EntryStyle::Taker,
        ..ImbalanceParameters::default()
    };
    let mut config = config(Market::UsdM, &[imbalance(parameters)]);
    (config.fees.maker, config.fees.taker) = (Rate(20_000), Rate(50_000));
    for (liquidity, rate) in [(Liquidity::Maker, 20_000), (Liquidity::Taker, 50_000)] {
        let mut rig = Rig::ready(config.clone());
        rig.book(500_000, 40, 10);
        let entry = rig.place_one();
        let lots = entry.quantity;
        let mut told = update(&entry, Execution::Trade, OrderState::Filled, lots.0);
        told.last_quantity = lots;
        told.last_price = Price(500_001);
        told.trade_id = TradeId(77);
        told.liquidity = liquidity;
        told.commission = Money::from_whole(3);
        told.commission_asset = Asset::new(b"BNB").unwrap();
        rig.send(Input::OrderUpdate(told));
        let paid = instrument(Market::UsdM).notional(Price(500_001), lots);
        let page = rig.engine.account_page();
        assert_eq!(page.fees, paid.times(Rate(rate)), "{liquidity:?}");
    }
}
