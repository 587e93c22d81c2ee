//! What a venue does that goes on where another one left off.
//!
//! In: a venue, its records, another market. Out: passes, or what the new one did. Never: a fill, a
//! liquidation or a place in a queue that the new market does not give.

use crate::support::{self, BTC, ETH, NOW, book, change, depth, force, money, order, place, trade};
use market::{InstrumentId, Liquidity, Price, Quantity, Side};
use matching::{AccountRecord, Fees, Output, Venue};

/// The venue that goes on from another's records; its market is told by `market`.
fn next(before: &Venue, market: impl FnOnce(&mut Venue)) -> Venue {
    let mut venue = support::venue(money("1"), Fees::FIRST_TIER);
    market(&mut venue);
    venue.absorb(before.whole_record()).expect("of this venue");
    venue.set_next_ids(before.next_ids());
    venue.resume();
    venue
}

fn ahead(venue: &Venue) -> i64 {
    let order = venue.open_orders(BTC).next().expect("an open order");
    order.queue.ahead()
}

#[test]
fn nobody_is_liquidated_before_a_mark_price_was_told() {
    let mut before = support::venue(money("600"), Fees::FIRST_TIER);
    for of in [BTC, ETH] {
        book(&mut before, of, 999_990, 1_000_010);
        before.on_mark(of, Price(1_000_000));
        force(&mut before, of, Side::Buy, 1_000_000, 500);
    }
    // Both books have fallen by a half since.
    let mut venue = next(&before, |venue| {
        for of in [BTC, ETH] {
            book(venue, of, 499_990, 500_010);
        }
    });
    let mut out = Vec::new();
    assert!(!venue.is_marked(BTC));
    venue.supervise(NOW, &mut out);
    venue.on_mark(BTC, Price(500_000));
    venue.supervise(NOW, &mut out);
    assert_eq!(out, [], "the other one's mark price is not told yet");
    venue.on_mark(ETH, Price(500_000));
    venue.supervise(NOW, &mut out);
    assert!(!out.is_empty(), "now it is");
    assert_eq!(
        venue.position(BTC, matching::PositionSide::Both).quantity,
        Quantity(0)
    );
}

#[test]
fn without_any_price_nothing_is_won_or_lost() {
    let mut before = support::venue(money("600"), Fees::FIRST_TIER);
    force(&mut before, BTC, Side::Buy, 1_000_000, 500);
    let venue = next(&before, |_| {});
    assert_eq!(venue.mark(BTC), Price(0));
    assert_eq!(venue.totals_of_account().unrealized, money("0"));
}

#[test]
fn an_order_that_the_market_has_passed_fills_at_its_own_price() {
    let mut before = support::venue(money("10000"), Fees::FIRST_TIER);
    book(&mut before, BTC, 999_990, 1_000_010);
    place(&mut before, order("a", BTC, Side::Buy, 999_000, 10)).expect("it rests");
    let mut venue = next(&before, |venue| book(venue, BTC, 899_990, 900_010));
    let mut out = Vec::new();
    change(&mut venue, BTC, (899_980, 5), (900_020, 5), &mut out);
    let fills: Vec<_> = venue.fills().collect();
    assert_eq!(fills.len(), 1, "{out:?}");
    assert_eq!(
        (fills[0].price, fills[0].liquidity),
        (Price(999_000), Liquidity::Maker)
    );
    assert!(out.iter().any(|output| matches!(output, Output::Order(_))));
}

#[test]
fn open_orders_stand_at_the_back_and_behind_everything_while_the_book_is_not_known() {
    let mut before = support::venue(money("10000"), Fees::FIRST_TIER);
    book(&mut before, BTC, 999_990, 1_000_010);
    place(&mut before, order("a", BTC, Side::Buy, 999_990, 10)).expect("it rests");
    place(&mut before, order("b", BTC, Side::Buy, 999_990, 10)).expect("it rests");
    // What stood before them has been traded.
    trade(&mut before, BTC, Side::Sell, 999_990, 45);
    assert_eq!(ahead(&before), 5);
    let venue = next(&before, |venue| book(venue, BTC, 999_990, 1_000_010));
    assert_eq!(ahead(&venue), 50);

    let mut venue = next(&before, |_| {});
    trade(&mut venue, BTC, Side::Sell, 999_990, 1_000_000);
    assert_eq!(venue.fills().count(), 0, "nobody knows who stood before it");
    depth(&mut venue, BTC, &[(999_990, 7)], &[(1_000_010, 9)]);
    venue.stand_at_the_back(BTC);
    assert_eq!(ahead(&venue), 7);
    trade(&mut venue, BTC, Side::Sell, 999_990, 8);
    assert_eq!(venue.fills().count(), 1);
    // The older one is still the first.
    let filled = venue.orders().find(|one| one.filled.0 > 0).expect("a fill");
    assert_eq!(filled.request.client_order_id.as_str(), "a");
}

#[test]
fn a_record_of_other_instruments_is_refused() {
    let mut venue = support::venue(money("1"), Fees::FIRST_TIER);
    let whole = venue.whole_record();
    let mut fewer = whole.clone();
    fewer.account.as_mut().expect("all of it").leverage.pop();
    let refused = venue.absorb(fewer).expect_err("one is missing");
    assert!(refused.contains("not of 2 instruments"), "{refused}");
    let mut one = order("a", InstrumentId(7), Side::Buy, 1, 1);
    one.price = Price(1);
    let unknown = AccountRecord {
        orders: vec![matching::Order::accepted(NOW, 1, &one)],
        ..whole
    };
    let refused = venue.absorb(unknown).expect_err("no such instrument");
    assert!(refused.contains("instrument 7"), "{refused}");
}
