//! Whatever is asked in whatever order, the sums of an account hold (binance.md 6).
//!
//! In: random sequences of orders, changes, cancels, trades, mark prices, funding, leverage,
//! margin types, isolated margin and position modes, on two accounts. Out: passes, or the
//! sequence. Never: a sum that is read from where it is checked.

use crate::support::{self, BTC, ETH, Mirror, NOW, money, order};
use market::{InstrumentId, Money, Price, Quantity, Rate, Side, TimeInForce};
use matching::{
    Account, AccountId, BnbFees, Fees, MarginType, OrderOptions, Output, PlaceOrder, PositionSide,
    SelfTrade, Venue,
};
use proptest::prelude::*;

const OPENING: &str = "20000";

#[derive(Clone, Debug)]
enum Step {
    Place {
        price: i64,
        lots: i64,
        buy: bool,
        shape: u8,
    },
    Modify(usize, i64, i64),
    Cancel(usize),
    Trade(i64, i64, bool),
    Book(i64, i64),
    Mark(i64),
    Fund(i64),
    Leverage(u32),
    Isolated(bool),
    Margin(i64, u8),
    Dual(bool),
    Bnb(bool),
}

fn step() -> impl Strategy<Value = Step> {
    let place = (950_000i64..1_050_000, 1i64..900, any::<bool>(), any::<u8>()).prop_map(
        |(price, lots, buy, shape)| Step::Place {
            price,
            lots,
            buy,
            shape,
        },
    );
    let price = 950_000i64..1_050_000;
    prop_oneof![
        8 => place,
        1 => (0usize..4, price.clone(), 1i64..900).prop_map(|(n, p, q)| Step::Modify(n, p, q)),
        1 => (0usize..4).prop_map(Step::Cancel),
        3 => (price.clone(), 1i64..500, any::<bool>()).prop_map(|(p, q, b)| Step::Trade(p, q, b)),
        3 => (price, 1i64..2_000).prop_map(|(p, q)| Step::Book(p, q)),
        3 => (300_000i64..2_000_000).prop_map(Step::Mark),
        2 => (-300_000i64..300_000).prop_map(Step::Fund),
        1 => (1u32..130).prop_map(Step::Leverage),
        1 => any::<bool>().prop_map(Step::Isolated),
        1 => (-500i64..500, any::<u8>()).prop_map(|(a, l)| Step::Margin(a, l)),
        1 => any::<bool>().prop_map(Step::Dual),
        1 => any::<bool>().prop_map(Step::Bnb),
    ]
}

fn leg_of(venue: &Venue, shape: u8) -> PositionSide {
    match (venue.account().dual_side, shape & 1) {
        (false, _) => PositionSide::Both,
        (true, 0) => PositionSide::Long,
        (true, _) => PositionSide::Short,
    }
}

/// An order of one of many lifetimes, legs and modes.
fn shaped(venue: &Venue, plain: PlaceOrder, shape: u8) -> PlaceOrder {
    let lifetimes = [
        TimeInForce::GoodTillCancel,
        TimeInForce::GoodTillCancel,
        TimeInForce::ImmediateOrCancel,
        TimeInForce::PostOnly,
        TimeInForce::FillOrKill,
    ];
    PlaceOrder {
        time_in_force: lifetimes[usize::from(shape >> 1) % lifetimes.len()],
        reduce_only: !venue.account().dual_side && shape.is_multiple_of(7),
        options: OrderOptions {
            position_side: leg_of(venue, shape),
            self_trade: SelfTrade::ALL[usize::from(shape >> 5) % 4],
            ..OrderOptions::default()
        },
        ..plain
    }
}

fn nth_open(venue: &Venue, of: InstrumentId, n: usize) -> Option<market::ExchangeOrderId> {
    venue.open_orders(of).nth(n).map(|order| order.id)
}

fn act(venue: &mut Venue, of: InstrumentId, number: usize, step: &Step, out: &mut Vec<Output>) {
    match *step {
        Step::Place {
            price,
            lots,
            buy,
            shape,
        } => {
            let side = if buy { Side::Buy } else { Side::Sell };
            let plain = order(&format!("o{number}"), of, side, price, lots);
            let _ = venue.place(NOW, &shaped(venue, plain, shape), out);
        }
        Step::Modify(n, price, lots) => {
            if let Some(id) = nth_open(venue, of, n) {
                let _ = venue.modify(NOW, id, Price(price), Quantity(lots), out);
            }
        }
        Step::Cancel(n) => {
            if let Some(id) = nth_open(venue, of, n) {
                venue.cancel(NOW, id, out).expect("it is open");
            }
        }
        Step::Trade(price, lots, buy) => {
            let side = if buy { Side::Buy } else { Side::Sell };
            out.extend(support::trade(venue, of, side, price, lots));
        }
        Step::Book(price, lots) => {
            support::change(venue, of, (price - 1, lots), (price + 1, lots), out);
        }
        Step::Mark(price) => {
            venue.on_mark(of, Price(price));
            venue.supervise(NOW, out);
        }
        Step::Fund(rate) => {
            venue.fund(NOW, of, Rate(rate), out);
            venue.supervise(NOW, out);
        }
        Step::Leverage(leverage) => {
            let _ = venue.set_leverage(of, leverage);
        }
        Step::Isolated(isolated) => {
            let kind = match isolated {
                true => MarginType::Isolated,
                false => MarginType::Cross,
            };
            let _ = venue.set_margin_type(of, kind);
        }
        Step::Margin(whole, leg) => {
            let leg = leg_of(venue, leg);
            let _ = venue.move_margin(NOW, of, leg, Money::from_whole(whole), out);
        }
        Step::Dual(dual) => {
            let _ = venue.set_dual_side(dual);
        }
        Step::Bnb(on) => {
            let bnb = BnbFees {
                balance: money("0.05"),
                price: money("600"),
            };
            venue.set_bnb_fees(on.then_some(bnb));
        }
    }
}

/// What must hold of the selected account after every step.
fn check(venue: &Venue) -> Result<(), TestCaseError> {
    let account = venue.account();
    // The wallet is the opening balance and everything that has an income line.
    let traded: Money = venue
        .fills()
        .map(|fill| match fill.commission_asset.as_str() {
            "BNB" => fill.realized,
            _ => fill.realized - fill.commission,
        })
        .sum();
    let moved: Money = venue.moves().map(|(_, one)| one.change).sum();
    prop_assert_eq!(account.wallet, money(OPENING) + traded + moved);
    // Positions are the sums of their fills, leg by leg; what they cost is the cash that went
    // out, and what was realised the cash that came back.
    for of in [BTC, ETH] {
        let instrument = venue.instruments()[usize::from(of.0)];
        for leg in PositionSide::ALL {
            let fills = || {
                let all = venue.fills();
                all.filter(move |fill| fill.instrument == of && fill.position_side == leg)
            };
            let lots: i64 = fills().map(|fill| fill.side.sign() * fill.quantity.0).sum();
            let position = venue.position(of, leg);
            prop_assert_eq!(position.quantity.0, lots);
            let realized: Money = fills().map(|fill| fill.realized).sum();
            prop_assert_eq!(position.realized, realized);
            let cash: i64 = fills()
                .map(|fill| {
                    let value = instrument.notional(fill.price, fill.quantity);
                    -fill.side.sign() * value.0
                })
                .sum();
            let cost = position.cost.0 * lots.signum();
            prop_assert_eq!(Money(cash + cost), realized);
            match leg {
                PositionSide::Long => prop_assert!(lots >= 0),
                PositionSide::Short => prop_assert!(lots <= 0),
                PositionSide::Both => {}
            }
            if lots == 0 || venue.margin_type(of) == MarginType::Cross {
                prop_assert_eq!(position.isolated, Money::ZERO);
            }
        }
    }
    check_margin(venue)
}

/// Locked margin is the sum of its parts.
fn check_margin(venue: &Venue) -> Result<(), TestCaseError> {
    let account = venue.account();
    let sums = venue.totals_of_account();
    let mut set_aside = Money::ZERO;
    let (mut needed, mut of_positions, mut profit) = (Money::ZERO, Money::ZERO, Money::ZERO);
    let mut cross_need = Money::ZERO;
    for of in [BTC, ETH] {
        let cross = venue.margin_type(of) == MarginType::Cross;
        for leg in PositionSide::ALL {
            let whole = venue.margin_of(of, leg);
            let held = venue.position_margin_of(of, leg);
            prop_assert!(whole >= held, "orders never lower a requirement");
            needed += whole;
            of_positions += held;
            profit += venue.unrealized_of(of, leg);
            set_aside += venue.position(of, leg).isolated;
            cross_need += match cross {
                true => whole - venue.unrealized_of(of, leg),
                false => whole - held,
            };
        }
    }
    prop_assert_eq!(sums.initial, needed);
    prop_assert_eq!(sums.position, of_positions);
    prop_assert_eq!(sums.open_orders(), needed - of_positions);
    prop_assert_eq!(sums.unrealized, profit);
    prop_assert_eq!(sums.cross_wallet, account.wallet - set_aside);
    let free = (account.wallet - set_aside - cross_need).max(Money::ZERO);
    prop_assert_eq!(sums.available, free);
    for order in venue.orders() {
        prop_assert!(order.filled <= order.request.quantity);
        let fills = venue.fills().filter(|fill| fill.order_id == order.id);
        let filled: i64 = fills.map(|fill| fill.quantity.0).sum();
        prop_assert_eq!(order.filled.0, filled);
    }
    Ok(())
}

fn opened() -> Venue {
    let mut venue = support::venue(money(OPENING), Fees::FIRST_TIER);
    let other = Account::new(money(OPENING), Fees::FIRST_TIER, 20, 2);
    venue.open_account(other);
    for of in [BTC, ETH] {
        let (bids, asks) = (
            [(999_990, 300), (999_900, 900)],
            [(1_000_010, 300), (1_000_100, 900)],
        );
        support::depth(&mut venue, of, &bids, &asks);
        venue.on_mark(of, Price(1_000_000));
    }
    venue
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn the_sums_of_every_account_hold_after_every_step(
        dual in any::<bool>(),
        isolated in any::<bool>(),
        steps in prop::collection::vec((step(), any::<bool>(), any::<bool>()), 1..120)
    ) {
        let mut venue = opened();
        let mut out = Vec::new();
        let _ = venue.set_dual_side(dual);
        if isolated {
            venue.set_margin_type(BTC, MarginType::Isolated).expect("flat");
        }
        let empty = support::venue(Money::ZERO, Fees::FIRST_TIER);
        let mut mirror = Mirror::of(&mut venue, empty, out.len());
        for (number, (step, second, eth)) in steps.iter().enumerate() {
            venue.select(AccountId(u16::from(*second)));
            let of = if *eth { ETH } else { BTC };
            act(&mut venue, of, number, step, &mut out);
            mirror.follow(&mut venue, &out);
            for account in [AccountId(0), AccountId(1)] {
                venue.select(account);
                check(&venue)?;
            }
        }
        prop_assert_eq!(mirror.difference(&mut venue), None);
    }

    #[test]
    fn what_is_told_adds_up_to_what_is(
        steps in prop::collection::vec((step(), any::<bool>()), 1..80)
    ) {
        let mut venue = opened();
        let mut out = Vec::new();
        for (number, (step, eth)) in steps.iter().enumerate() {
            let of = if *eth { ETH } else { BTC };
            act(&mut venue, of, number, step, &mut out);
        }
        // The newest account event of a leg is the leg, and the newest balance the wallet.
        for of in [BTC, ETH] {
            for leg in PositionSide::ALL {
                let told = out.iter().rev().find_map(|output| match output {
                    Output::Account(change) => (change.instrument == of
                        && change.position_side == leg).then_some(change),
                    _ => None,
                });
                let lots = told.map_or(0, |change| change.quantity.0);
                prop_assert_eq!(lots, venue.position(of, leg).quantity.0);
            }
        }
        let wallet = out.iter().rev().find_map(|output| match output {
            Output::Account(change) => Some(change.wallet),
            Output::Wallet(change) => Some(change.wallet),
            Output::Order(_) | Output::List(_) => None,
        });
        prop_assert_eq!(wallet.unwrap_or(money(OPENING)), venue.account().wallet);
    }
}
