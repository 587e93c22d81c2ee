//! What a venue meets seldom: no price yet, trades beside the book, lists and desks that grow old.
//!
//! In: short books, many orders. Out: passes, or what differs. Never: sockets.

use crate::support::{
    BTC, ETH, NOW, book, change, depth, force, money, order, place, trade, venue,
};
use market::{
    BookTicker, ClientOrderId, ExchangeOrderId, InstrumentId, Level, Money, OrderState, Price,
    Quantity, Rate, Side, Step, Trade, TradeId, UpdateId, UtcMs,
};
use matching::{
    Expiry, Fees, OrderOptions, PlaceOrder, PositionSide, Rejection, SpotBalances, Venue,
    VenueConfig,
};

fn futures() -> Venue {
    let mut venue = venue(money("100000"), Fees::FIRST_TIER);
    book(&mut venue, BTC, 99_900, 100_100);
    venue
}

fn id_of(venue: &Venue, name: &str) -> ExchangeOrderId {
    let name = ClientOrderId::new(name.as_bytes()).expect("short");
    venue.order_by_client(&name).expect("it was placed").id
}

#[test]
fn without_a_price_nothing_is_bounded_by_it_and_nobody_is_liquidated() {
    let mut venue = venue(money("100000"), Fees::FIRST_TIER);
    let filters = market::Filters {
        multiplier_up: Rate(110_000_000),
        multiplier_down: Rate(90_000_000),
        ..market::Filters::NONE
    };
    venue.set_filters(BTC, filters);
    force(&mut venue, ETH, Side::Buy, 100_000, 500);
    let mut out = Vec::new();
    venue.supervise(NOW, &mut out);
    assert!(out.is_empty());
    assert!(place(&mut venue, order("far", BTC, Side::Buy, 900_000, 1)).is_ok());
    // With one they are.
    venue.on_mark(BTC, Price(100_000));
    let far = place(&mut venue, order("too-far", BTC, Side::Buy, 900_000, 1));
    assert_eq!(far.err(), Some(Rejection::PriceAboveMultiplier));
    assert_eq!(venue.liquidation_price_e8(BTC, PositionSide::Both), 0);
}

/// Trades of the insurance fund and of auto-deleveraging take nothing from the book.
#[test]
fn a_trade_beside_the_book_fills_nobody_and_is_no_last_price() {
    let mut venue = futures();
    place(&mut venue, order("a", BTC, Side::Buy, 99_950, 10)).expect("it rests");
    trade(&mut venue, BTC, Side::Buy, 100_100, 1);
    let mut out = Vec::new();
    let mut one = Trade {
        instrument: BTC,
        trade_id: TradeId(9),
        price: Price(90_000),
        quantity: Quantity(1_000),
        aggressor: Side::Sell,
        from_book: false,
        transaction_time: NOW,
        event_time: NOW,
    };
    venue.on_trade(NOW, &one, &mut out);
    assert!(out.is_empty());
    assert_eq!(venue.last_price(BTC), Price(100_100));
    one.from_book = true;
    venue.on_trade(NOW, &one, &mut out);
    assert!(!out.is_empty());
    assert_eq!(venue.last_price(BTC), Price(90_000));
}

#[test]
fn a_ticker_is_gone_once_the_book_is_as_new() {
    let mut venue = futures();
    let level = |price, lots| Level {
        price: Price(price),
        quantity: Quantity(lots),
    };
    let ticker = BookTicker {
        instrument: BTC,
        update_id: UpdateId(11),
        bid: level(99_940, 5),
        ask: level(99_960, 5),
        event_time: NOW,
        transaction_time: NOW,
    };
    venue.on_ticker(NOW, &ticker, &mut Vec::new());
    let view = venue.view(BTC);
    assert_eq!(view.best(Side::Buy), Some(level(99_940, 5)));
    assert_eq!(view.quantity_at(Side::Buy, Price(99_950)), Quantity::ZERO);
    // The difference with the same id says what there is, without that bid and ask.
    change(&mut venue, BTC, (99_910, 3), (100_090, 4), &mut Vec::new());
    let view = venue.view(BTC);
    assert_eq!(view.best(Side::Buy), Some(level(99_910, 3)));
    assert_eq!(view.best(Side::Sell), Some(level(100_090, 4)));
}

/// A book that crosses an order on two levels fills a reduce-only one up to flat and no further.
#[test]
fn a_reduce_only_order_that_the_book_crosses_ends_when_the_position_is_flat() {
    let mut venue = futures();
    force(&mut venue, BTC, Side::Sell, 100_000, 5);
    let exit = PlaceOrder {
        reduce_only: true,
        ..order("exit", BTC, Side::Buy, 99_950, 10)
    };
    place(&mut venue, exit).expect("it rests");
    let id = id_of(&venue, "exit");
    // Two asks at or below its price come at once.
    depth(
        &mut venue,
        BTC,
        &[(99_900, 50)],
        &[(99_940, 5), (99_950, 50)],
    );
    change(&mut venue, BTC, (99_900, 50), (99_945, 1), &mut Vec::new());
    let ended = *venue.order(id).expect("kept");
    assert_eq!(
        (ended.filled, ended.expiry),
        (Quantity(5), Expiry::ReduceOnly)
    );
    let position = venue.position(BTC, PositionSide::Both).quantity;
    assert_eq!(position, Quantity::ZERO);
    // What it did not take is there for others.
    let left = venue.view(BTC).best_available(Side::Sell);
    assert_eq!(left.map(|one| one.price), Some(Price(99_945)));
}

#[test]
fn only_orders_with_an_end_of_their_own_end_by_the_clock() {
    let mut venue = futures();
    let till = PlaceOrder {
        options: OrderOptions {
            good_till: Some(UtcMs(NOW.0 + 700_000)),
            ..OrderOptions::default()
        },
        ..order("till", BTC, Side::Buy, 99_000, 10)
    };
    let mut out = Vec::new();
    place(&mut venue, order("plain", BTC, Side::Buy, 99_000, 10)).expect("it rests");
    venue.end_good_till(UtcMs(i64::MAX), &mut out);
    assert!(out.is_empty());
    place(&mut venue, till).expect("it rests");
    venue.end_good_till(UtcMs(i64::MAX), &mut out);
    let open: Vec<_> = venue.open_orders(BTC).map(|one| one.id).collect();
    assert_eq!(open, [id_of(&venue, "plain")]);
}

#[test]
fn a_desk_forgets_the_oldest_and_keeps_what_is_open() {
    const ENDED: usize = 100_000;
    let mut venue = futures();
    place(&mut venue, order("open", BTC, Side::Buy, 99_000, 1)).expect("it rests");
    let mut out = Vec::new();
    let mut first = None;
    for _ in 0..=ENDED {
        out.clear();
        let one = order("one", BTC, Side::Buy, 98_000, 1);
        let id = venue.place(NOW, &one, &mut out).expect("it rests");
        first.get_or_insert(id);
        venue.cancel(NOW, id, &mut out).expect("it is open");
    }
    let first = first.expect("there was one");
    assert!(venue.order(first).is_none());
    let next = ExchangeOrderId(first.0 + 1);
    assert!(venue.order(next).is_some());
    assert_eq!(venue.orders().count(), ENDED + 1);
    assert!(venue.order(id_of(&venue, "open")).is_some());
    // The newest of that name is still found by it.
    assert!(id_of(&venue, "one") > next);
}

#[test]
fn the_newest_changes_of_orders_are_kept() {
    let mut venue = futures();
    let mut out = Vec::new();
    let mut changes = 0;
    for name in ["a", "b"] {
        place(&mut venue, order(name, BTC, Side::Buy, 90_000, 10)).expect("it rests");
        let id = id_of(&venue, name);
        for step in 1..=6_000 {
            out.clear();
            let price = Price(90_000 + step % 2);
            venue
                .modify(NOW, id, price, Quantity(10), &mut out)
                .expect("another price");
            changes += 1;
        }
    }
    assert_eq!(changes, 12_000);
    assert_eq!(venue.amendments().count(), 10_000);
    let newest = venue.amendments().next_back().expect("many");
    assert_eq!(newest.order, id_of(&venue, "b"));
}

/// A spot venue with 1 BTC and 100 USDT, asks at 1001.00.
fn spot() -> Venue {
    let mut spot = Venue::new(VenueConfig {
        instruments: venue(Money::ZERO, Fees::FIRST_TIER).instruments().to_vec(),
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
    book(&mut spot, BTC, 100_000, 100_100);
    spot
}

#[test]
fn a_market_buy_of_spot_is_paid_for_by_what_is_free() {
    for (lots, expected) in [(100, Some(Rejection::MarginInsufficient)), (99, None)] {
        let mut venue = spot();
        let mut request = order("m", BTC, Side::Buy, 0, lots);
        request.order_type = market::OrderType::Market;
        assert_eq!(place(&mut venue, request).err(), expected, "{lots}");
    }
}

#[test]
fn more_than_there_is_cannot_be_sold_by_a_change_of_an_order_either() {
    let mut venue = spot();
    place(&mut venue, order("a", BTC, Side::Sell, 110_000, 900)).expect("it is there");
    let id = id_of(&venue, "a");
    let mut change = |price, lots| {
        let mut out = Vec::new();
        let changed = venue.modify(NOW, id, Price(price), Quantity(lots), &mut out);
        (changed.err(), venue.spot_base(BTC).free)
    };
    assert_eq!(change(120_000, 1_000), (None, Money::ZERO));
    let refused = Some(Rejection::MarginInsufficient);
    assert_eq!(change(120_000, 1_001), (refused, Money::ZERO));
    // Not for less money than before, either.
    assert_eq!(change(110_000, 1_001), (refused, Money::ZERO));
    assert_eq!(change(110_000, 900), (None, money("0.1")));
}

#[test]
fn a_record_of_the_other_market_is_refused_and_an_ended_order_told_twice_is_one() {
    let mut futures = futures();
    let refused = futures.absorb(spot().whole_record()).expect_err("spot");
    assert!(refused.contains("other market"), "{refused}");
    place(&mut futures, order("a", BTC, Side::Buy, 99_000, 10)).expect("it rests");
    let id = id_of(&futures, "a");
    futures
        .cancel(NOW, id, &mut Vec::new())
        .expect("it is open");
    let whole = futures.whole_record();
    let mut next = venue(money("1"), Fees::FIRST_TIER);
    for _ in 0..2 {
        next.absorb(whole.clone()).expect("of this venue");
    }
    assert_eq!(next.orders().count(), 1);
    assert_eq!(next.open_orders(BTC).count(), 0);
    assert_eq!(next.order(id).expect("kept").state, OrderState::Canceled);
}

/// Lots finer than the unit of money are rounded to it.
#[test]
fn lots_of_any_step_are_an_amount_of_money() {
    let mut instrument = venue(Money::ZERO, Fees::FIRST_TIER).instruments()[0];
    for (step, lots, expected) in [
        ("1", 7, money("7")),
        ("0.00000001", 7, Money(7)),
        ("0.0000000001", 12_345, Money(123)),
        ("0.0000000005", 31, Money(2)),
    ] {
        instrument.lot = Step::from_text(step.as_bytes()).expect("a step");
        let amount = matching::spot::base_amount(&instrument, Quantity(lots));
        assert_eq!(amount, expected, "{lots} of {step}");
    }
    assert_eq!(instrument.id, InstrumentId(0));
}

#[test]
fn the_newest_fills_are_kept_and_all_are_counted() {
    let mut venue = futures();
    for number in 0..=100_000 {
        let side = [Side::Buy, Side::Sell][number % 2];
        force(&mut venue, BTC, side, 100_000, 1);
    }
    assert_eq!(venue.fills().count(), 100_000);
    let ids: Vec<_> = venue.fills().map(|fill| fill.trade_id.0).collect();
    assert_eq!((ids[0], ids[99_999]), (501, 100_500));
    assert_eq!(venue.totals().1, 100_001);
}

#[test]
fn the_newest_moves_of_money_are_kept_under_their_numbers() {
    let mut venue = futures();
    let wallet = venue.account().wallet;
    for _ in 0..=10_000 {
        venue.move_money(NOW, Money(3), "DEPOSIT", &mut Vec::new());
    }
    let numbers: Vec<_> = venue.moves().map(|(number, _)| *number).collect();
    assert_eq!(
        (numbers.len(), numbers[0], numbers[9_999]),
        (10_000, 2, 10_001)
    );
    assert_eq!(venue.account().wallet - wallet, Money(30_003));
}
