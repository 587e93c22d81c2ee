//! Exposure, margin, the price of late and the exchange's moods, in the engine.
//!
//! In: reports, marks, orders. Out: denials, reservations. Never: a look at a control by itself;
//! those are in `risk/tests.rs`.

use super::rig::{ID, MS, Rig, WALLET, config, imbalance, position};
use crate::strategy::imbalance::{EntryStyle, ImbalanceParameters};
use crate::{EngineConfig, Input};
use market::account::{LiquidationReport, MarginReport, ReplyOutcome, RequestKind, VenueReport};
use market::ids::Asset;
use market::record::Record;
use market::{
    BalanceReport, DenialCode, Instrument, Market, Money, MonoNs, NewOrder, OrderState, Price,
    Quantity, Rate, Side, UtcMs,
};

fn strategy(entry: EntryStyle) -> EngineConfig {
    config(
        Market::UsdM,
        &[imbalance(ImbalanceParameters {
            entry,
            ..ImbalanceParameters::default()
        })],
    )
}

fn taker() -> Rig {
    Rig::ready(strategy(EntryStyle::Taker))
}

fn denials(rig: &Rig) -> Vec<DenialCode> {
    let records = rig.outbox.observer.records.iter();
    let codes = records.filter_map(|one| match one {
        Record::Denial(denial) => Some(denial.code),
        _ => None,
    });
    codes.collect()
}

/// What an entry that is wanted now is denied for; nothing when it goes out.
fn denied(rig: &mut Rig) -> Option<DenialCode> {
    rig.forget();
    rig.book(500_000, 40, 10);
    let code = denials(rig).first().copied();
    assert_eq!(code.is_some(), rig.placed().is_empty());
    code
}

fn long(rig: &mut Rig) -> NewOrder {
    rig.book(500_000, 40, 10);
    let entry = rig.place_one();
    rig.fill_all(&entry, 500_001);
    let target = rig.place_one();
    rig.confirm(&target);
    rig.forget();
    target
}

fn venue(silent_ms: u64, banned_ms: u64, maintenance: bool) -> Input<'static> {
    Input::Venue(VenueReport {
        market: Market::UsdM,
        silent_until: MonoNs(silent_ms * MS),
        banned_until: MonoNs(banned_ms * MS),
        maintenance,
    })
}

#[test]
fn an_exchange_that_asks_for_silence_gets_no_entries_until_its_end() {
    let mut rig = taker();
    let until_ms = rig.time / MS + 10_000;
    rig.send(venue(until_ms, 0, false));
    assert_eq!(denied(&mut rig), Some(DenialCode::ApiBanned));
    rig.time = (until_ms + 1_000) * MS;
    rig.clock();
    assert_eq!(denied(&mut rig), None, "it ends by itself");
    let mut rig = taker();
    rig.send(venue(0, 0, true));
    assert_eq!(denied(&mut rig), Some(DenialCode::VenueMaintenance));
    rig.send(venue(0, 0, false));
    rig.forget();
    rig.pass_ms(1_000);
    rig.place_one();
}

#[test]
fn exits_pass_silence_and_maintenance_and_wait_for_the_end_of_a_ban() {
    for (silent_ms, banned_ms, maintenance, passes) in [
        (60_000, 0, false, true),
        (0, 0, true, true),
        (60_000, 60_000, false, false),
    ] {
        let mut rig = taker();
        long(&mut rig);
        rig.send(venue(silent_ms, banned_ms, maintenance));
        rig.book(499_000, 40, 10);
        assert_eq!(rig.placed().len(), usize::from(passes), "{banned_ms}");
        rig.time = 61_000 * MS;
        rig.clock();
        rig.book(498_900, 40, 10);
        assert_eq!(rig.placed().len(), usize::from(!passes));
    }
}

#[test]
fn the_collar_follows_the_market_only_so_fast() {
    let mut rig = taker();
    rig.mark(500_000);
    rig.clock();
    // Mid and mark run away together: 3 % within a second.
    rig.pass_ms(1_000);
    rig.mark(515_000);
    rig.book(515_000, 40, 10);
    assert_eq!(denials(&rig), [DenialCode::PriceCollar]);
    // At 2 % a minute the price of late has caught up to 1 % within a bit more than a minute.
    let mut placed_after = None;
    for second in 1..100 {
        for _ in 0..4 {
            rig.pass_ms(250);
        }
        rig.mark(515_000);
        rig.book(515_000, 40 + second % 2, 10);
        if !rig.placed().is_empty() {
            placed_after = Some(second);
            break;
        }
    }
    let seconds = placed_after.expect("it catches up");
    assert!((50..70).contains(&seconds), "{seconds}");
}

#[test]
fn what_an_order_may_add_is_reserved_until_it_cannot_fill_any_more() {
    let mut rig = Rig::ready(strategy(EntryStyle::Maker));
    assert_eq!(rig.engine.reserved_exposure(), Money::ZERO);
    rig.book(500_000, 40, 10);
    let entry = rig.place_one();
    // 20 lots at 50,000 by the price of the ask: reserved before the exchange has answered.
    let whole = rig.engine.reserved_exposure();
    let instrument: Instrument = rig.engine.config().instruments[0];
    assert_eq!(whole, instrument.notional(Price(500_001), entry.quantity));
    rig.confirm(&entry);
    rig.fill(&entry, 5, 500_000, 5);
    let rest = rig.engine.reserved_exposure();
    assert_eq!(rest.0, whole.0 * 15 / 20, "the filled part is a position");
    let facts = &rig.engine.facts;
    let held = instrument.notional(Price(500_000), Quantity(5));
    assert!(facts.gross_usdm >= held && facts.net_exposure == facts.gross_usdm);
    // Its fate is not known: it may still fill.
    rig.reply(
        &entry,
        RequestKind::Cancel,
        ReplyOutcome::Unresolved,
        OrderState::Accepted,
        5,
    );
    assert_eq!(rig.engine.reserved_exposure(), rest);
    // The signal has gone, so that nothing follows it.
    rig.book(500_000, 10, 10);
    rig.end(&entry, OrderState::Canceled, 5);
    let targets = rig.engine.orders().live_orders().count();
    assert!(targets > 0 && rig.engine.reserved_exposure() == Money::ZERO);
}

#[test]
fn open_orders_and_positions_count_towards_the_account() {
    let mut config = strategy(EntryStyle::Taker);
    config.risk.gross_exposure_max = Money::from_whole(1_500);
    let mut rig = Rig::ready(config.clone());
    rig.book(500_000, 40, 10);
    let first = rig.place_one();
    // Unanswered, it holds its place: 950 USDT of 1,500.
    let mut other = rig.some_order();
    (other.price, other.quantity) = (Price(500_001), Quantity(19));
    let view = rig.engine.account_view_for_tests(&other);
    assert_eq!(view.gross, rig.engine.reserved_exposure());
    assert_eq!(view.net, view.gross);
    other.side = Side::Sell;
    let against = rig.engine.account_view_for_tests(&other);
    assert_eq!((against.gross, against.net), (view.gross, Money::ZERO));
    rig.fill_all(&first, 500_001);
    let held = rig.engine.account_view_for_tests(&other);
    assert_eq!(held.net, Money(-held.gross.0), "a sale is against the long");
}

#[test]
fn margin_is_what_the_exchange_told_less_what_was_ordered_since() {
    let told = |available| {
        Input::Margin(MarginReport {
            market: Market::UsdM,
            asset: Asset::new(b"USDT").unwrap(),
            available: Money::from_whole(available),
            balance: WALLET,
            maintenance: Money::ZERO,
        })
    };
    let mut rig = taker();
    // 950 USDT at a leverage of 6 take 158.3.
    rig.send(told(158));
    assert_eq!(denied(&mut rig), Some(DenialCode::MarginInsufficient));
    let mut rig = taker();
    rig.send(told(300));
    rig.book(500_000, 40, 10);
    let first = rig.place_one();
    let view = rig.engine.account_view_for_tests(&rig.some_order());
    let left = view.available.expect("told");
    assert!(
        left < Money::from_whole(142) && left > Money::from_whole(140),
        "{left:?}"
    );
    rig.end(&first, OrderState::Expired, 0);
    let view = rig.engine.account_view_for_tests(&rig.some_order());
    assert_eq!(view.available, Some(Money::from_whole(300)), "released");
}

#[test]
fn a_liquidation_price_that_is_near_stops_adding() {
    let mut rig = taker();
    let told = |price_e8| {
        Input::Liquidation(LiquidationReport {
            instrument: ID,
            price_e8,
        })
    };
    rig.send(told(45_500 * 100_000_000));
    let view = rig.engine.account_view_for_tests(&rig.some_order());
    assert_eq!(view.liquidation, Some(Price(455_000)));
    rig.send(told(0));
    let view = rig.engine.account_view_for_tests(&rig.some_order());
    assert_eq!(view.liquidation, None, "0 is no price");
}

#[test]
fn without_a_wallet_there_is_no_equity_and_nothing_is_opened() {
    let mut rig = Rig::fresh(strategy(EntryStyle::Taker));
    rig.streams(Market::UsdM, true);
    rig.take();
    rig.clock();
    rig.send(Input::ReconcileBegin);
    rig.send(Input::ReconcileEnd);
    rig.sync();
    assert_eq!(denied(&mut rig), Some(DenialCode::ExposureLimit));
}

#[test]
fn refused_post_only_orders_are_no_rejects() {
    let mut config = strategy(EntryStyle::Maker);
    config.risk.rejects.count = 1;
    let mut rig = Rig::ready(config);
    rig.book(500_000, 40, 10);
    let entry = rig.place_one();
    let (place, refused) = (RequestKind::Place, ReplyOutcome::Rejected);
    rig.reply(&entry, place, refused, OrderState::Submitted, 0);
    assert_eq!(rig.engine.tripped(), 0);
    let mut config = strategy(EntryStyle::Taker);
    config.risk.rejects.count = 1;
    let mut rig = Rig::ready(config);
    rig.book(500_000, 40, 10);
    let entry = rig.place_one();
    rig.reply(&entry, place, refused, OrderState::Submitted, 0);
    assert_ne!(rig.engine.tripped(), 0);
}

#[test]
fn what_spot_holdings_have_cost_has_left_the_wallet_and_not_the_account() {
    let parameters = ImbalanceParameters {
        entry: EntryStyle::Taker,
        take_profit: Rate(50_000_000),
        ..ImbalanceParameters::default()
    };
    let mut rig = Rig::ready(config(Market::Spot, &[imbalance(parameters)]));
    rig.book(500_000, 40, 10);
    let entry = rig.place_one();
    rig.fill_all(&entry, 500_001);
    let before = rig.engine.account_page().equity;
    let instrument: Instrument = rig.engine.config().instruments[0];
    let cost = instrument.notional(Price(500_001), entry.quantity);
    // The private stream comes back: the wallet is told anew, without what was paid.
    rig.stream(crate::event::StreamKind::User, Market::Spot, false);
    rig.stream(crate::event::StreamKind::User, Market::Spot, true);
    rig.send(Input::ReconcileBegin);
    rig.send(Input::Balance(BalanceReport {
        asset: Asset::new(b"USDT").unwrap(),
        wallet: WALLET - cost - rig.engine.account_page().fees,
        event_time: UtcMs(1),
    }));
    rig.send(Input::ReconcileEnd);
    let after = rig.engine.account_page().equity;
    assert_eq!(after, before);
}

#[test]
fn a_margin_that_a_look_tells_holds_what_the_look_found() {
    let told = |market, asset: &str| {
        Input::Margin(MarginReport {
            market,
            asset: Asset::new(asset.as_bytes()).unwrap(),
            available: Money::from_whole(300),
            balance: WALLET,
            maintenance: Money::ZERO,
        })
    };
    let mut rig = taker();
    rig.send(told(Market::UsdM, "BNB"));
    let available = |rig: &Rig| {
        rig.engine
            .account_view_for_tests(&rig.some_order())
            .available
    };
    assert_eq!(available(&rig), None, "of another asset");
    // A look finds a position that nobody told of: it is in the margin that this look told.
    rig.pass_ms(61_000);
    rig.forget();
    let held = position(19, 500_001);
    for _ in 0..20 {
        rig.clock();
        rig.send(Input::ReconcileBegin);
        rig.send(told(Market::UsdM, "USDT"));
        rig.send(Input::TradesListed(ID));
        rig.send(Input::Position(held));
        rig.send(Input::Balance(BalanceReport {
            asset: Asset::new(b"USDT").unwrap(),
            wallet: WALLET,
            event_time: UtcMs(1),
        }));
        rig.send(Input::ReconcileEnd);
        if rig.position() == 19 {
            break;
        }
        rig.pass_ms(300);
        rig.forget();
    }
    assert_eq!(rig.position(), 19, "taken over");
    assert_eq!(available(&rig), Some(Money::from_whole(300)));
}

#[test]
fn spot_pays_the_whole_of_what_was_bought_since() {
    let parameters = ImbalanceParameters {
        entry: EntryStyle::Taker,
        ..ImbalanceParameters::default()
    };
    let mut rig = Rig::ready(config(Market::Spot, &[imbalance(parameters)]));
    rig.send(Input::Margin(MarginReport {
        market: Market::Spot,
        asset: Asset::new(b"USDT").unwrap(),
        available: Money::from_whole(2_000),
        balance: WALLET,
        maintenance: Money::ZERO,
    }));
    rig.book(500_000, 40, 10);
    let entry = rig.place_one();
    let cost = rig.engine.reserved_exposure();
    assert!(entry.quantity.0 > 0 && cost > Money::from_whole(900));
    let view = rig.engine.account_view_for_tests(&rig.some_order());
    assert_eq!(view.available, Some(Money::from_whole(2_000) - cost));
}

#[test]
fn a_margin_that_is_due_on_a_balance_of_nothing_trips_the_breaker() {
    let mut rig = taker();
    rig.send(Input::Margin(MarginReport {
        market: Market::UsdM,
        asset: Asset::new(b"USDT").unwrap(),
        available: Money::ZERO,
        balance: Money::ZERO,
        maintenance: Money::from_whole(5),
    }));
    assert_ne!(rig.engine.tripped(), 0);
}
