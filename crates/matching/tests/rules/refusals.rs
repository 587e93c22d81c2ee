//! What a venue refuses, rule by rule: filters, amendments, a closed market.
//!
//! In: orders that break one rule, beside the same order inside of it. Out: the rule's name. Never:
//! a refused order that is left in the book.

use market::{
    BookTicker, ClientOrderId, InstrumentStatus, Level, Money, OrderType, Price, Quantity, Rate,
    Side, UpdateId, UtcMs,
};
use matching::{Fees, Output, PlaceOrder, Rejection, SpotBalances, Venue, VenueConfig};

use crate::support::{BTC, NOW, book, money, order, place, venue};

/// A venue with every filter set around a price of 1,000.
fn filtered() -> Venue {
    let mut venue = venue(money("10000"), Fees::FIRST_TIER);
    set_filters(&mut venue);
    book(&mut venue, BTC, 99_900, 100_100);
    venue.on_mark(BTC, Price(100_000));
    venue
}

/// A spot venue with the same filters, and little money.
fn filtered_spot() -> Venue {
    let futures = venue(Money::ZERO, Fees::FIRST_TIER);
    let mut venue = Venue::new(VenueConfig {
        instruments: futures.instruments().to_vec(),
        wallet: Money::ZERO,
        fees: Fees::FIRST_TIER,
        spot: Some(SpotBalances {
            quote: Money::from_whole(100),
            bases: vec![Money::from_whole(1), Money::ZERO],
        }),
        leverage: 1,
        first_order_id: 100,
        first_trade_id: 500,
    });
    set_filters(&mut venue);
    book(&mut venue, BTC, 99_900, 100_100);
    venue.on_mark(BTC, Price(100_000));
    venue
}

fn set_filters(venue: &mut Venue) {
    let filters = market::Filters {
        price_min: Price(50_000),
        price_max: Price(200_000),
        quantity_min: Quantity(10),
        quantity_max: Quantity(1_000),
        market_quantity_max: Quantity(40),
        multiplier_up: Rate(110_000_000),
        multiplier_down: Rate(90_000_000),
        ..market::Filters::NONE
    };
    venue.set_filters(BTC, filters);
}

fn refused(venue: &mut Venue, request: PlaceOrder) -> Option<Rejection> {
    let before = venue.open_orders(BTC).count();
    let outcome = place(venue, request).err();
    if outcome.is_some() {
        assert_eq!(venue.open_orders(BTC).count(), before, "left in the book");
    }
    outcome
}

#[test]
fn each_filter_refuses_the_first_value_beyond_it_and_takes_the_last_inside() {
    use Rejection as R;
    let mut venue = filtered();
    let cases = [
        (Side::Buy, 49_999, 10, Some(R::PriceTooLow)),
        (Side::Buy, 50_000, 10, None),
        (Side::Sell, 200_001, 10, Some(R::PriceTooHigh)),
        (Side::Sell, 200_000, 10, None),
        (Side::Buy, 110_001, 10, Some(R::PriceAboveMultiplier)),
        (Side::Sell, 89_999, 10, Some(R::PriceBelowMultiplier)),
        (Side::Buy, 90_000, 9, Some(R::QuantityTooSmall)),
        (Side::Buy, 90_000, 1_001, Some(R::QuantityTooLarge)),
        (Side::Buy, 90_000, 1_000, None),
        (Side::Buy, 0, 10, Some(R::PriceNotPositive)),
        (Side::Buy, 90_000, 0, Some(R::QuantityNotPositive)),
    ];
    for (number, (side, price, lots, expected)) in cases.into_iter().enumerate() {
        let request = order(&format!("case-{number}"), BTC, side, price, lots);
        assert_eq!(
            refused(&mut venue, request),
            expected,
            "{side} {lots} at {price}"
        );
    }
    for (lots, expected) in [(41, Some(R::MarketQuantityTooLarge)), (40, None)] {
        let mut request = order(&format!("market-{lots}"), BTC, Side::Buy, 0, lots);
        request.order_type = OrderType::Market;
        assert_eq!(refused(&mut venue, request), expected, "{lots} at market");
    }
}

#[test]
fn spot_multipliers_hold_for_both_sides_and_a_notional_has_a_bound() {
    use Rejection as R;
    let mut venue = filtered_spot();
    for side in [Side::Buy, Side::Sell] {
        let above = order("above", BTC, side, 110_001, 10);
        assert_eq!(refused(&mut venue, above), Some(R::PriceAboveMultiplier));
        let below = order("below", BTC, side, 89_999, 10);
        assert_eq!(refused(&mut venue, below), Some(R::PriceBelowMultiplier));
    }
    venue.set_filters(BTC, market::Filters::NONE);
    let huge = order("huge", BTC, Side::Buy, 100_000, 9_000_001);
    assert_eq!(refused(&mut venue, huge), Some(R::NotionalTooLarge));
}

#[test]
fn a_market_that_does_not_trade_takes_no_order_and_takes_one_when_it_trades_again() {
    let mut venue = filtered();
    let request = order("one", BTC, Side::Buy, 95_000, 10);
    venue.set_status(BTC, InstrumentStatus::NotTrading);
    assert_eq!(refused(&mut venue, request), Some(Rejection::NotTrading));
    venue.set_status(BTC, InstrumentStatus::Trading);
    assert_eq!(refused(&mut venue, request), None);
}

#[test]
fn an_amendment_changes_something_is_paid_for_and_has_a_last_one() {
    let mut venue = filtered();
    place(&mut venue, order("one", BTC, Side::Buy, 95_000, 10)).expect("inside of all filters");
    let id = venue.open_orders(BTC).next().expect("it rests").id;
    let mut modify = |price: i64, lots: i64| {
        let mut out: Vec<Output> = Vec::new();
        venue
            .modify(NOW, id, Price(price), Quantity(lots), &mut out)
            .err()
    };
    assert_eq!(modify(95_000, 10), Some(Rejection::Unchanged));
    assert_eq!(modify(95_000, 9), Some(Rejection::QuantityTooSmall));
    let mut last = None;
    let mut taken = 0;
    while last.is_none() && taken < 20_000 {
        last = modify(95_000 + i64::from(taken % 2 == 0), 10);
        taken += i32::from(last.is_none());
    }
    assert_eq!(
        last,
        Some(Rejection::TooManyModifications),
        "{taken} were taken"
    );
}

#[test]
fn an_amendment_that_costs_more_than_is_free_is_refused_on_both_markets() {
    let mut futures = venue(money("10"), Fees::FIRST_TIER);
    let mut spot = filtered_spot();
    book(&mut futures, BTC, 99_900, 100_100);
    for (venue, far) in [(&mut futures, 1_000), (&mut spot, 500)] {
        place(venue, order("one", BTC, Side::Buy, 95_000, 10)).expect("it is paid for");
        let id = venue.open_orders(BTC).next().expect("it rests").id;
        let outcome = venue.modify(NOW, id, Price(95_000), Quantity(far), &mut Vec::new());
        assert_eq!(outcome.err(), Some(Rejection::MarginInsufficient));
        let kept = venue.order(id).expect("it is kept").request.quantity;
        assert_eq!(kept, Quantity(10));
    }
}

#[test]
fn a_ticker_ahead_of_the_book_fills_what_it_crosses_and_an_old_one_nothing() {
    let mut venue = filtered();
    place(&mut venue, order("one", BTC, Side::Buy, 99_950, 10)).expect("it rests");
    let id = venue.open_orders(BTC).next().expect("it rests").id;
    let level = |price, lots| Level {
        price: Price(price),
        quantity: Quantity(lots),
    };
    let ticker = |update_id| BookTicker {
        instrument: BTC,
        update_id: UpdateId(update_id),
        bid: level(99_930, 5),
        ask: level(99_940, 50),
        event_time: NOW,
        transaction_time: NOW,
    };
    venue.on_ticker(NOW, &ticker(10), &mut Vec::new());
    assert_eq!(venue.view(BTC).best(Side::Sell), Some(level(100_100, 500)));
    assert_eq!(venue.order(id).expect("kept").filled, Quantity::ZERO);

    venue.on_ticker(UtcMs(NOW.0 + 1), &ticker(11), &mut Vec::new());
    assert_eq!(venue.order(id).expect("kept").filled, Quantity(10));
    let view = venue.view(BTC);
    assert_eq!(view.best(Side::Sell), Some(level(99_940, 50)));
    assert_eq!(view.best(Side::Buy), Some(level(99_930, 5)));
    // What the ticker says of better prices than its own: nothing is there any more.
    assert_eq!(view.quantity_at(Side::Sell, Price(99_935)), Quantity::ZERO);
    assert_eq!(view.quantity_at(Side::Sell, Price(100_100)), Quantity(500));
}

#[test]
fn an_order_that_is_over_cannot_be_cancelled_or_changed() {
    let mut venue = filtered();
    place(&mut venue, order("one", BTC, Side::Buy, 95_000, 10)).expect("it rests");
    let id = venue.open_orders(BTC).next().expect("it rests").id;
    assert!(venue.cancel(NOW, id, &mut Vec::new()).is_ok());
    let again = venue.cancel(NOW, id, &mut Vec::new());
    assert_eq!(again.err(), Some(Rejection::UnknownOrder));
    let changed = venue.modify(NOW, id, Price(95_001), Quantity(10), &mut Vec::new());
    assert_eq!(changed.err(), Some(Rejection::UnknownOrder));
    // Its name is free again.
    let name = ClientOrderId::new(b"one").expect("short");
    assert!(venue.order_by_client(&name).is_some());
    assert!(place(&mut venue, order("one", BTC, Side::Buy, 95_000, 10)).is_ok());
}
