//! The documented formulas of futures accounting, one vector each (binance.md 6).
//!
//! In: books of two levels, orders, mark prices. Out: passes, or the figure that differs. Never:
//! a figure that was taken from the code under test.

use crate::support::{self, BTC, ETH, NOW, book, force, money, order, place, story, venue};
use market::{Execution, Money, OrderState, Price, Quantity, Rate, Side, UtcMs};
use matching::{
    BnbFees, Brackets, Expiry, Fees, MarginType, OrderOptions, Output, PlaceOrder, PositionSide,
    Rejection, SelfTrade, SettingRefusal,
};

const FREE: Fees = Fees {
    maker: Rate(0),
    taker: Rate(0),
};

#[test]
fn liquidation_price_vector_of_the_exchange_faq() {
    // Wallet 1,535,443.01; long 3,683.979 ETH at 1,456.84 (mark 1,335.18), long 109.488 BTC at
    // 32,481.98 (mark 31,967.27); 10 % less 135,365 and 2.5 % less 16,300.
    let mut venue = venue(money("1535443.01"), FREE);
    let ten = [(1_353_650, 50, Rate(0)), (90_000_000, 10, Rate(10_000_000))];
    venue.set_brackets(ETH, Brackets::new(&ten));
    let two = [(652_000, 100, Rate(0)), (90_000_000, 50, Rate(2_500_000))];
    venue.set_brackets(BTC, Brackets::new(&two));
    force(&mut venue, ETH, Side::Buy, 145_684, 3_683_979);
    force(&mut venue, BTC, Side::Buy, 3_248_198, 109_488);
    venue.on_mark(ETH, Price(133_518));
    venue.on_mark(BTC, Price(3_196_727));
    let near = |got: i64, expected: &str| {
        let difference = (got - money(expected).0).abs();
        // To the vector's four places.
        assert!(difference <= 5_000, "{got} is not {expected}");
    };
    near(
        venue.liquidation_price_e8(ETH, PositionSide::Both),
        "1153.2565",
    );
    near(
        venue.liquidation_price_e8(BTC, PositionSide::Both),
        "26316.8933",
    );
}

#[test]
fn margin_of_orders_and_position_as_the_faq_has_it() {
    // Position 10,000, buy 0.1 at 19,000, sell 0.1 at 22,000, 2x: max(11,900, 7,800) / 2.
    let mut venue = venue(money("100000"), FREE);
    venue.set_leverage(BTC, 2).expect("a leverage");
    force(&mut venue, BTC, Side::Buy, 2_000_000, 500);
    book(&mut venue, BTC, 1_990_000, 2_010_000);
    venue.on_mark(BTC, Price(2_000_000));
    place(&mut venue, order("b", BTC, Side::Buy, 1_900_000, 100)).expect("it rests");
    place(&mut venue, order("s", BTC, Side::Sell, 2_200_000, 100)).expect("it rests");
    assert_eq!(venue.margin(BTC), money("5950"));
    assert_eq!(venue.position_margin(BTC), money("5000"));
    let sums = venue.totals_of_account();
    assert_eq!(sums.open_orders(), money("950"));
    assert_eq!(sums.available, money("94050"));
}

#[test]
fn entry_price_averages_and_a_reduction_realises_its_share() {
    let mut venue = venue(money("10000"), FREE);
    force(&mut venue, BTC, Side::Buy, 1_000_000, 100);
    force(&mut venue, BTC, Side::Buy, 1_100_000, 300);
    let entry = |venue: &matching::Venue| {
        let instrument = venue.instruments()[0];
        venue
            .position(BTC, PositionSide::Both)
            .entry_price_e8(&instrument)
    };
    // (0.1 x 10,000 + 0.3 x 11,000) / 0.4
    assert_eq!(entry(&venue), money("10750").0);
    force(&mut venue, BTC, Side::Sell, 1_200_000, 100);
    assert_eq!(entry(&venue), money("10750").0);
    // 0.1 x (12,000 - 10,750)
    assert_eq!(venue.account().wallet, money("10125"));
    // Flip: the rest closes, 0.2 open short at 10,000.
    force(&mut venue, BTC, Side::Sell, 1_000_000, 500);
    assert_eq!(entry(&venue), money("10000").0);
    assert_eq!(
        venue.position(BTC, PositionSide::Both).quantity,
        Quantity(-200)
    );
    // 0.3 x (10,000 - 10,750)
    assert_eq!(venue.account().wallet, money("9900"));
    venue.on_mark(BTC, Price(1_010_000));
    assert_eq!(venue.unrealized(BTC), money("-20"));
}

#[test]
fn break_even_has_the_fees_of_the_position_in_it() {
    // 80.19 with 0.05 %: 80.230095; 0.385 with 0.02 %: 0.385077 (seen live).
    let mut venue = venue(money("10000"), Fees::FIRST_TIER);
    force(&mut venue, BTC, Side::Buy, 8_019, 1_000);
    let instrument = venue.instruments()[0];
    let position = *venue.position(BTC, PositionSide::Both);
    assert_eq!(position.break_even_e8(&instrument), money("80.230095").0);
    // A short one breaks even below its entry; a profit moves it further away.
    force(&mut venue, BTC, Side::Sell, 8_019, 1_000);
    force(&mut venue, BTC, Side::Sell, 8_019, 2_000);
    let position = *venue.position(BTC, PositionSide::Both);
    assert_eq!(position.break_even_e8(&instrument), money("80.149905").0);
}

#[test]
fn fees_go_by_liquidity_and_in_bnb_they_are_a_tenth_cheaper() {
    let mut venue = venue(money("10000"), Fees::FIRST_TIER);
    book(&mut venue, BTC, 999_990, 1_000_000);
    place(&mut venue, order("t", BTC, Side::Buy, 1_000_000, 100)).expect("it takes");
    // 1,000 x 0.05 %
    assert_eq!(venue.account().wallet, money("9999.5"));
    venue.set_bnb_fees(Some(BnbFees {
        balance: money("0.001"),
        price: money("500"),
    }));
    place(&mut venue, order("u", BTC, Side::Buy, 1_000_000, 100)).expect("it takes");
    // 0.5 x 0.9 / 500 = 0.0009 BNB; the wallet is not touched.
    let fill = *venue.fills().next_back().expect("a fill");
    assert_eq!(
        (fill.commission, fill.commission_asset.as_str()),
        (money("0.0009"), "BNB")
    );
    assert_eq!(venue.account().wallet, money("9999.5"));
    // 0.0001 BNB is not enough for the next: it is paid in the quote asset.
    place(&mut venue, order("v", BTC, Side::Buy, 1_000_000, 100)).expect("it takes");
    assert_eq!(venue.account().wallet, money("9999"));
}

#[test]
fn funding_is_paid_by_longs_when_the_rate_is_positive() {
    let mut venue = venue(money("10000"), FREE);
    force(&mut venue, BTC, Side::Buy, 1_000_000, 300);
    venue.on_mark(BTC, Price(1_100_000));
    let mut out = Vec::new();
    venue.fund(NOW, BTC, Rate(10_000), &mut out);
    // 0.3 x 11,000 x 0.01 %
    assert_eq!(venue.account().wallet, money("9999.67"));
    let [Output::Wallet(change)] = out[..] else {
        panic!("{out:?}")
    };
    assert_eq!(
        (change.change, change.reason),
        (money("-0.33"), "FUNDING_FEE")
    );
    assert_eq!(change.instrument, Some(BTC));
    out.clear();
    venue.fund(NOW, ETH, Rate(10_000), &mut out);
    assert!(out.is_empty(), "nothing is held of it");
    force(&mut venue, BTC, Side::Sell, 1_100_000, 600);
    let before = venue.account().wallet;
    venue.fund(NOW, BTC, Rate(-10_000), &mut out);
    assert_eq!(venue.account().wallet - before, money("-0.33"));
}

#[test]
fn funding_of_an_isolated_position_is_its_own_and_told_with_it() {
    let mut venue = venue(money("10000"), FREE);
    venue
        .set_margin_type(BTC, MarginType::Isolated)
        .expect("flat");
    force(&mut venue, BTC, Side::Buy, 1_000_000, 300);
    venue.on_mark(BTC, Price(1_000_000));
    let mut out = Vec::new();
    venue.fund(NOW, BTC, Rate(10_000), &mut out);
    // 150 set aside, 3,000 x 0.01 % of it paid.
    let position = venue.position(BTC, PositionSide::Both);
    assert_eq!(position.isolated, money("149.7"));
    assert_eq!(venue.account().cross_wallet(), money("9850"));
    let [Output::Account(change)] = out[..] else {
        panic!("{out:?}")
    };
    assert_eq!(
        (change.reason, change.isolated),
        ("FUNDING_FEE", money("149.7"))
    );
    assert_eq!(venue.moves().count(), 1);
}

#[test]
fn an_isolated_position_has_its_own_margin_and_gives_it_back() {
    let mut venue = venue(money("10000"), FREE);
    venue
        .set_margin_type(BTC, MarginType::Isolated)
        .expect("flat");
    venue.set_leverage(BTC, 10).expect("a leverage");
    book(&mut venue, BTC, 999_990, 1_000_000);
    place(&mut venue, order("a", BTC, Side::Buy, 1_000_000, 400)).expect("it takes");
    venue.on_mark(BTC, Price(1_000_000));
    let isolated = |venue: &matching::Venue| venue.position(BTC, PositionSide::Both).isolated;
    assert_eq!(isolated(&venue), money("400"));
    assert_eq!(venue.account().cross_wallet(), money("9600"));
    assert_eq!(venue.available_balance(), money("9600"));
    // A loss of the position is not the account's.
    venue.on_mark(BTC, Price(950_000));
    assert_eq!(venue.available_balance(), money("9600"));
    let mut out = Vec::new();
    let both = PositionSide::Both;
    let cases = [
        (
            money("9600.00000001"),
            Err(SettingRefusal::CrossInsufficient),
        ),
        (money("500"), Ok(())),
        (money("-500"), Err(SettingRefusal::IsolatedInsufficient)),
        (money("-300"), Ok(())),
        (money("-20"), Ok(())),
        (
            money("-0.00000001"),
            Err(SettingRefusal::IsolatedInsufficient),
        ),
    ];
    for (amount, expected) in cases {
        // At 9,500: 400 in, 200 lost, 380 needed.
        assert_eq!(
            venue.move_margin(NOW, BTC, both, amount, &mut out),
            expected,
            "{amount:?}"
        );
    }
    assert_eq!(isolated(&venue), money("580"));
    assert_eq!(venue.margin_moves().count(), 3);
    assert_eq!(
        venue.set_leverage(BTC, 5),
        Err(SettingRefusal::IsolatedPosition)
    );
    force(&mut venue, BTC, Side::Sell, 1_000_000, 100);
    assert_eq!(isolated(&venue), money("435"));
    force(&mut venue, BTC, Side::Sell, 1_000_000, 300);
    assert_eq!(
        (isolated(&venue), venue.account().cross_wallet()),
        (Money(0), money("10000"))
    );
}

#[test]
fn isolated_liquidation_price_is_where_its_own_margin_ends() {
    let mut venue = venue(money("10000"), FREE);
    venue
        .set_margin_type(BTC, MarginType::Isolated)
        .expect("flat");
    venue.set_leverage(BTC, 10).expect("a leverage");
    force(&mut venue, BTC, Side::Buy, 1_000_000, 1_000);
    venue.on_mark(BTC, Price(1_000_000));
    // (1,000 - 10,000) / (0.004 - 1)
    let price = venue.liquidation_price_e8(BTC, PositionSide::Both);
    assert_eq!(price, 903_614_457_831);
    book(&mut venue, BTC, 900_000, 903_700);
    let mut out = Vec::new();
    venue.on_mark(BTC, Price(903_615));
    venue.supervise(NOW, &mut out);
    assert!(out.is_empty(), "one tick above it is kept");
    venue.on_mark(BTC, Price(903_614));
    venue.supervise(NOW, &mut out);
    assert_eq!(
        venue.position(BTC, PositionSide::Both).quantity,
        Quantity(0)
    );
    // The book takes 0.05 at 9,000 = the bankruptcy price, the insurance fund the rest; nothing is
    // left but the rounding to a tick, and the other 9,000 are untouched.
    let wallet = venue.account().wallet;
    assert!(
        wallet >= money("9000") && wallet < money("9000.01"),
        "{wallet:?}"
    );
}

#[test]
fn a_cross_account_is_liquidated_orders_first_until_it_can_be_kept() {
    let mut venue = venue(money("1000"), FREE);
    venue.set_leverage(BTC, 100).expect("a leverage");
    book(&mut venue, BTC, 999_990, 1_000_000);
    force(&mut venue, BTC, Side::Buy, 1_000_000, 5_000);
    place(&mut venue, order("rest", BTC, Side::Sell, 1_040_000, 10)).expect("it rests");
    let mut out = Vec::new();
    // 5 BTC at 10,000: 200 of maintenance below 9,840.
    venue.on_mark(BTC, Price(983_000));
    venue.supervise(NOW, &mut out);
    let told = story(&out);
    assert_eq!(told[0].0, Execution::Expired, "orders first");
    let reason = out.iter().find_map(|output| match output {
        Output::Order(event) => Some(event.expiry),
        _ => None,
    });
    assert_eq!(reason, Some(Expiry::Liquidation));
    assert_eq!(told[1].0, Execution::New);
    // The book buys 0.05 at 9,999.9, which pays its fee and leaves the rest uncovered; the fund
    // takes that at the bankruptcy price.
    assert!(
        told[2..].iter().all(|one| one.0 == Execution::Liquidation),
        "{told:?}"
    );
    let order = venue.orders().last().expect("one");
    assert!(
        order
            .request
            .client_order_id
            .as_str()
            .starts_with("autoclose-")
    );
    assert_eq!(order.state, OrderState::Filled);
    assert_eq!(
        venue.position(BTC, PositionSide::Both).quantity,
        Quantity(0)
    );
    let moved: Money = venue.moves().map(|(_, one)| one.change).sum();
    let realized: Money = venue.fills().map(|fill| fill.realized).sum();
    assert_eq!(venue.account().wallet, money("1000") + realized + moved);
    assert!(venue.account().wallet >= Money::ZERO && venue.account().wallet < money("1"));
}

#[test]
fn liquidation_stops_as_soon_as_the_rest_can_be_kept() {
    let mut venue = venue(money("1000"), FREE);
    venue.set_leverage(BTC, 100).expect("a leverage");
    force(&mut venue, BTC, Side::Buy, 1_000_000, 5_000);
    // Deep bids: 3 BTC at 9,838 and more below. At 9,839 maintenance of 5 BTC is 196.78, equity
    // 195; after 3 BTC at 9,838 equity is 192 less a fee of at most 368.9.
    support::depth(
        &mut venue,
        BTC,
        &[(983_800, 3_000), (983_000, 9_000)],
        &[(984_000, 10)],
    );
    venue.on_mark(BTC, Price(983_900));
    let mut out = Vec::new();
    venue.supervise(NOW, &mut out);
    // The fee took the rest of the equity: all of it goes.
    assert_eq!(
        venue.position(BTC, PositionSide::Both).quantity,
        Quantity(0)
    );
    assert!(venue.account().wallet >= Money::ZERO);
    let fees: Money = venue
        .moves()
        .filter(|(_, one)| one.reason == "INSURANCE_CLEAR" && one.change < Money::ZERO)
        .map(|(_, one)| one.change)
        .sum();
    assert!(fees < Money::ZERO && fees >= money("-195"), "{fees:?}");
    // With a little more room the first level is enough.
    let mut venue = support::venue(money("1000"), FREE);
    venue.set_leverage(BTC, 100).expect("a leverage");
    force(&mut venue, BTC, Side::Buy, 1_000_000, 5_000);
    support::depth(
        &mut venue,
        BTC,
        &[(983_900, 100), (983_000, 9_000)],
        &[(984_000, 10)],
    );
    venue.on_mark(BTC, Price(983_900));
    venue.move_money(NOW, money("1.5"), "DEPOSIT", &mut out);
    assert_eq!(venue.account().wallet, money("1001.5"));
    // Equity 196.5, needed 196.78; 0.1 BTC sold: needed 192.84, fee 12.3: not enough, so more.
    venue.supervise(NOW, &mut out);
    assert_eq!(
        venue.position(BTC, PositionSide::Both).quantity,
        Quantity(0)
    );
}

#[test]
fn legs_of_the_hedge_mode_live_beside_each_other() {
    let mut venue = venue(money("100000"), FREE);
    venue.set_dual_side(true).expect("flat");
    assert_eq!(venue.set_dual_side(true), Err(SettingRefusal::Unchanged));
    book(&mut venue, BTC, 999_990, 1_000_000);
    let leg = |id: &str, side, position_side, lots| PlaceOrder {
        options: OrderOptions {
            position_side,
            ..OrderOptions::default()
        },
        ..order(
            id,
            BTC,
            side,
            if side == Side::Buy {
                1_000_000
            } else {
                999_990
            },
            lots,
        )
    };
    use PositionSide::{Long, Short};
    place(&mut venue, leg("a", Side::Buy, Long, 30)).expect("it opens");
    place(&mut venue, leg("b", Side::Sell, Short, 20)).expect("it opens");
    assert_eq!(venue.position(BTC, Long).quantity, Quantity(30));
    assert_eq!(venue.position(BTC, Short).quantity, Quantity(-20));
    venue.on_mark(BTC, Price(1_000_000));
    // 300 and 200 at 20x: each leg by itself.
    assert_eq!(venue.margin(BTC), money("25"));
    assert_eq!(
        venue.set_dual_side(false),
        Err(SettingRefusal::PositionExists)
    );
    assert_eq!(
        place(&mut venue, leg("c", Side::Sell, Long, 31)),
        Err(Rejection::ReduceOnly)
    );
    assert_eq!(
        place(&mut venue, leg("d", Side::Buy, Short, 21)),
        Err(Rejection::ReduceOnly)
    );
    place(&mut venue, leg("e", Side::Sell, Long, 30)).expect("it closes");
    assert_eq!(venue.position(BTC, Long).quantity, Quantity(0));
    assert_eq!(venue.position(BTC, Short).quantity, Quantity(-20));
    // A close that rests ends when its leg is gone.
    let rest = PlaceOrder {
        price: Price(900_000),
        ..leg("f", Side::Buy, Short, 20)
    };
    place(&mut venue, rest).expect("it rests");
    let out = place(&mut venue, leg("g", Side::Buy, Short, 20)).expect("it closes");
    assert_eq!(
        story(&out).last().map(|one| one.1),
        Some(OrderState::Expired)
    );
}

#[test]
fn a_leverage_reaches_so_far_and_no_further() {
    let mut venue = venue(money("10000000"), FREE);
    assert_eq!(
        venue.set_leverage(BTC, 126),
        Err(SettingRefusal::LeverageInvalid)
    );
    assert_eq!(
        venue.set_leverage(BTC, 0),
        Err(SettingRefusal::LeverageInvalid)
    );
    assert_eq!(venue.set_leverage(BTC, 125), Ok(money("300000")));
    book(&mut venue, BTC, 999_990, 1_000_000);
    venue.on_mark(BTC, Price(1_000_000));
    let rest = |id, lots| order(id, BTC, Side::Buy, 999_000, lots);
    place(&mut venue, rest("a", 30_000)).expect("299,700 at 125x");
    assert_eq!(
        place(&mut venue, rest("b", 40)).err(),
        Some(Rejection::PositionAboveCap)
    );
    venue.set_leverage(BTC, 100).expect("no position yet");
    place(&mut venue, rest("b", 40)).expect("up to 800,000");
    force(&mut venue, BTC, Side::Buy, 1_000_000, 30_001);
    assert_eq!(
        venue.set_leverage(BTC, 125),
        Err(SettingRefusal::AboveNotionalCap)
    );
}

#[test]
fn a_lower_leverage_needs_the_margin_that_it_asks_for() {
    let mut venue = venue(money("1000"), FREE);
    force(&mut venue, BTC, Side::Buy, 1_000_000, 1_000);
    venue.on_mark(BTC, Price(1_000_000));
    assert_eq!(venue.available_balance(), money("500"));
    assert_eq!(
        venue.set_leverage(BTC, 9),
        Err(SettingRefusal::MarginInsufficient)
    );
    assert_eq!(venue.account().leverage[0], 20);
    venue.set_leverage(BTC, 10).expect("all of it");
    assert_eq!(venue.available_balance(), Money::ZERO);
}

#[test]
fn each_mode_of_self_trade_prevention_ends_the_order_that_it_names() {
    use SelfTrade::{ExpireBoth, ExpireMaker, ExpireTaker, None};
    // (mode, resting one ends, arriving one's state, arriving one's fill)
    let cases = [
        (ExpireMaker, true, OrderState::Filled, 60),
        (ExpireTaker, false, OrderState::Expired, 50),
        (ExpireBoth, true, OrderState::Expired, 50),
        (None, false, OrderState::Filled, 60),
    ];
    for (mode, resting_ends, state, filled) in cases {
        let mut venue = venue(money("100000"), FREE);
        let asks = [(1_000_000, 50), (1_000_010, 50)];
        support::depth(&mut venue, BTC, &[(999_000, 50)], &asks);
        place(&mut venue, order("own", BTC, Side::Sell, 1_000_010, 10)).expect("it rests");
        let taker = PlaceOrder {
            options: OrderOptions {
                self_trade: mode,
                ..OrderOptions::default()
            },
            ..order("take", BTC, Side::Buy, 1_000_010, 60)
        };
        place(&mut venue, taker).expect("it arrives");
        let find = |id: &str| {
            let mut orders = venue.orders();
            *orders
                .find(|one| one.request.client_order_id.as_str() == id)
                .expect("one")
        };
        assert_eq!(find("own").state.is_final(), resting_ends, "{mode:?}");
        let taken = find("take");
        assert_eq!(
            (taken.state, taken.filled),
            (state, Quantity(filled)),
            "{mode:?}"
        );
        if state == OrderState::Expired {
            assert_eq!(taken.expiry, Expiry::SelfTrade);
        }
    }
}

#[test]
fn an_order_ends_when_its_time_has_come() {
    let mut venue = venue(money("100000"), FREE);
    book(&mut venue, BTC, 999_990, 1_000_000);
    let rest = PlaceOrder {
        options: OrderOptions {
            good_till: Some(UtcMs(NOW.0 + 700_000)),
            ..OrderOptions::default()
        },
        ..order("gtd", BTC, Side::Buy, 990_000, 10)
    };
    place(&mut venue, rest).expect("it rests");
    let mut out = Vec::new();
    venue.end_good_till(UtcMs(NOW.0 + 699_999), &mut out);
    assert!(out.is_empty());
    venue.end_good_till(UtcMs(NOW.0 + 700_000), &mut out);
    assert_eq!(
        venue.orders().next().map(|one| one.expiry),
        Some(Expiry::GoodTill)
    );
    assert_eq!(venue.open_orders(BTC).count(), 0);
}

#[test]
fn accounts_share_the_market_and_nothing_else() {
    let mut venue = venue(money("1000"), FREE);
    book(&mut venue, BTC, 999_990, 1_000_000);
    let first = venue.selected();
    let instruments = venue.instruments().len();
    let other = matching::Account::new(money("500"), Fees::FIRST_TIER, 20, instruments);
    let second = venue.open_account(other);
    place(&mut venue, order("same", BTC, Side::Buy, 999_990, 5)).expect("it rests");
    assert_eq!(venue.select(second), first);
    assert_eq!(venue.open_orders(BTC).count(), 0);
    place(&mut venue, order("same", BTC, Side::Buy, 999_990, 7)).expect("an id of its own");
    // It does not meet the first account's bid.
    let sell = PlaceOrder {
        options: OrderOptions {
            self_trade: SelfTrade::None,
            ..OrderOptions::default()
        },
        ..order("sell", BTC, Side::Sell, 999_980, 50)
    };
    place(&mut venue, sell).expect("it takes the market's");
    assert_eq!(
        venue.position(BTC, PositionSide::Both).quantity,
        Quantity(-50)
    );
    venue.select(first);
    assert_eq!(venue.open_orders(BTC).count(), 1);
    assert_eq!(
        venue.position(BTC, PositionSide::Both).quantity,
        Quantity(0)
    );
    let out = support::trade(&mut venue, BTC, Side::Sell, 999_000, 100);
    let whose: Vec<_> = out.iter().map(Output::account).collect();
    assert!(whose.contains(&first) && whose.contains(&second));
    assert_eq!(venue.account().wallet, money("1000"));
    assert_eq!(venue.selected(), first);
}
